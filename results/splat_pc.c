/* SPDX-License-Identifier: GPL-2.0-only */
/* Where a splat happened: the lines of its instruction pointer. */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_private.h"

static enum pv_body exact(struct pv_open *o, const char *reg, const char *p, size_t len)
{
	struct pv_frame f;

	pv_body_begin(o);
	if (o->phase != PV_PHASE_END && pv_frame_parse(o, p, len, &f) && (f.func || f.address)) {
		f.exact = !f.inlined;
		pv_frame_add(o, &f);
	}
	pv_register_keep(o, reg, strlen(reg), p, len);
	return PV_BODY_YES;
}

enum pv_body pv_on_rip(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	while (len && *p == ' ') {
		p++;
		len--;
	}
	if (pv_splat_pattern("%x:%l", p, len, &m)) {
		/* Selectors: the kernel's is 0010, Xen PV's e030, Xen's e008, a user's 0033 or
		 * 0023. */
		if (m.cap[0].len == 4 && (m.cap[0].at[3] & 3) == 3 && m.cap[0].at[0] == '0') {
			o->user_regs = true;
			pv_body_begin(o);
			return PV_BODY_YES;
		}
		p = m.cap[1].at;
		len = m.cap[1].len;
	}
	return exact(o, "RIP", p, len);
}

/* x86 before 4.15 says it here, too: of use when the log ends before RIP comes. */
enum pv_body pv_on_ip(struct pv_open *o, const char *p, size_t len)
{
	size_t n = 0;
	const char *at = pv_frame_find(p, len, &n), *plus = at ? memchr(at, '+', n) : NULL;

	if (plus && !o->func[0])
		pv_copy(o->func, sizeof(o->func), at, plus - at);
	return PV_BODY_YES;
}

/* "func+0x12/0x34" somewhere in the line: "pc : [<c0>] lr : ..", "NIP [c000] func+.." */
enum pv_body pv_on_pc(struct pv_open *o, const char *p, size_t len)
{
	size_t n = 0, pool = o->nr_pool;
	const char *at = pv_frame_find(p, len, &n), *lr = memmem(p, len, "lr :", 4);
	struct pv_frame f;

	pv_body_begin(o);
	if (at && lr && lr < at)
		at = NULL; /* arm: addresses first, names in lines of their own */
	if (!at) {
		/* decode_stacktrace.sh; or an address in no function */
		if (o->phase != PV_PHASE_END && pv_frame_parse(o, p, len, &f) &&
		    (f.inlined || !f.func)) {
			f.exact = !f.inlined;
			pv_frame_add(o, &f);
		}
		pv_register_keep(o, "pc", 2, p, len);
		return PV_BODY_YES;
	}
	/* With file:line behind it; or with another register: then up to that. */
	if (pv_frame_parse(o, at, p + len - at, &f))
		n = p + len - at;
	o->nr_pool = pool;
	return exact(o, "pc", at, n);
}

/* Has the pc come, and is it in no function? */
static bool is_nowhere(const struct pv_open *o)
{
	const struct pv_frame *pc = o->nr_main ? &o->frame[o->nr_main - 1] : NULL;

	if (pc)
		return pc->exact && !pc->func;
	return o->nr_regs && !strcmp(o->reg[o->nr_regs - 1].name, "pc");
}

/* The return address: a hint only, but where the pc was called from when that is nowhere. */
enum pv_body pv_on_lr(struct pv_open *o, const char *p, size_t len)
{
	pv_body_begin(o);
	if (is_nowhere(o) && pv_frame_plus(p, len))
		pv_frame_line(o, p, len);
	pv_register_keep(o, "lr", 2, p, len);
	return PV_BODY_YES;
}
