/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines of a splat behind its header: which they are. */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_private.h"

void pv_body_begin(struct pv_open *o)
{
	if (o->phase == PV_PHASE_HEAD)
		o->phase = PV_PHASE_BODY;
}

bool pv_open_is(const struct pv_open *o, unsigned int flags)
{
	return o->class && o->class->flags & flags;
}

/* "1-....: (2099 ticks this GP) ..": the first CPU of a stall. */
static bool stuck_cpu(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	if (!pv_open_is(o, PV_STALL) || !pv_splat_pattern("%c-%s (", p, len, &m) ||
	    m.cap[1].len < 4)
		return false;
	if (o->stuck < 0)
		o->stuck = pv_number(m.cap[0].at, m.cap[0].len);
	return true;
}

static void take_lock(struct pv_open *o, const char *p, size_t len)
{
	size_t n;
	const char *at = pv_frame_find(p, len, &n), *plus = at ? memchr(at, '+', n) : NULL;

	if (!at)
		return;
	pv_copy(o->lock, sizeof(o->lock), at, (plus ? plus : at + n) - at);
	o->want_lock = false;
}

/* "perf/123 is trying to release lock (&lock) at:", and in the next line where. */
static bool release_lock(struct pv_open *o, const char *p, size_t len)
{
	static const char end[] = ") at:";
	size_t n = sizeof(end) - 1;

	if (o->lock_next) {
		o->lock_next = false;
		take_lock(o, p, len);
		return !o->want_lock;
	}
	o->lock_next = o->want_lock && len > n && !memcmp(p + len - n, end, n);
	return o->lock_next;
}

/* The lock that is being taken: "ffff8880 (&lock){+.+.}-{2:2}, at: func+0x12/0x34" */
static bool lock_line(struct pv_open *o, const char *p, size_t len)
{
	const char *at = memmem(p, len, ", at: ", 6);

	if (!at)
		return false;
	if (o->want_lock)
		take_lock(o, at + 6, p + len - at - 6);
	return true;
}

/* "12.0-rc1 #1 Not tainted" of lockdep, " 5.15.149 #1" of a line that was broken. */
static bool release_line(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	if (!len || *p < '2' || *p > '9' || !pv_splat_pattern("%s #%d", p, len, &m) ||
	    !memchr(m.cap[0].at, '.', m.cap[0].len))
		return false;
	if (!o->release[0])
		pv_copy(o->release, sizeof(o->release), m.cap[0].at, m.cap[0].len);
	return true;
}

/* ">ffff888012345600: fa fb", " ffff8880: 00 00", "^" of KASAN; "[ffff] pgd=.." of arm64. */
static bool dump_line(const char *p, size_t len)
{
	struct pv_splat_match m;

	if (len == 1 && *p == '^')
		return true;
	if (len && *p == '>') {
		p++;
		len--;
	}
	if (pv_splat_pattern("%x: ", p, len, &m) || pv_splat_pattern("%x %x %x", p, len, &m))
		return m.cap[0].len >= 8;
	return pv_splat_pattern("[%x] ", p, len, &m) || pv_splat_pattern("[%x] *p", p, len, &m);
}

/* "Could not construct domain 0", "GENERAL PROTECTION FAULT" behind "Panic on CPU 0:". */
static bool reason_line(struct pv_open *o, const char *p, size_t len)
{
	char *mark = strstr(o->kind, "%F"), reason[128];

	if (!o->want_reason)
		return false;
	o->want_reason = false;
	pv_splat_normalise(reason, sizeof(reason), p, len);
	if (!mark)
		mark = o->kind + strlen(o->kind);
	pv_put(mark, o->kind + sizeof(o->kind) - mark, ": %s%s", reason, *mark ? "%F" : "");
	return true;
}

enum pv_body pv_body_line(struct pv_open *o, const struct pv_line *l)
{
	const char *p = l->text, *end = l->text + l->len;
	enum pv_body is;
	bool is_frame;

	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	if (p == end)
		return PV_BODY_MAYBE;
	if (reason_line(o, p, end - p) || release_lock(o, p, end - p))
		return PV_BODY_YES;
	if (end - p > 5 && !memcmp(p, "rcu: ", 5) &&
	    stuck_cpu(o, p + 5 + (p[5] == '\t'), end - p - 5 - (p[5] == '\t')))
		return PV_BODY_YES;
	/* Most lines are frames, and no frame begins with a word of the table. */
	is_frame = pv_frame_plus(p, end - p) && pv_frame_line(o, p, end - p);
	if (!is_frame && (is = pv_words_line(o, p, end - p)) != PV_BODY_NOT)
		return is;
	if (is_frame || pv_frame_line(o, p, end - p)) {
		pv_body_begin(o);
		return PV_BODY_YES;
	}
	if (lock_line(o, p, end - p)) /* "#0: ffff" looks like a register */
		return PV_BODY_YES;
	if (pv_registers_line(o, p, end - p)) {
		pv_body_begin(o);
		return PV_BODY_YES;
	}
	if (release_line(o, p, end - p) || stuck_cpu(o, p, end - p) || dump_line(p, end - p))
		return PV_BODY_YES;
	return PV_BODY_NOT;
}
