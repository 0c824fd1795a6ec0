/* SPDX-License-Identifier: GPL-2.0-only */
/* The lines of a splat behind its header: a table of how they begin, and what each tells. */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_private.h"

typedef enum pv_body body_fn(struct pv_open *o, const char *p, size_t len);

static void copy(char *dst, size_t size, const char *p, size_t len)
{
	if (len >= size)
		len = size - 1;
	memcpy(dst, p, len);
	dst[len] = 0;
}

static long number(const char *p, size_t len)
{
	long v = 0;

	for (size_t i = 0; i < len && p[i] >= '0' && p[i] <= '9' && v < 1l << 40; i++)
		v = v * 10 + (p[i] - '0');
	return v;
}

static void begin_body(struct pv_open *o)
{
	if (o->phase == PV_PHASE_HEAD)
		o->phase = PV_PHASE_BODY;
}

/* ---- who and where ---- */

/* "Not tainted 6.1.0 #1", "Tainted: G  W  O 6.1.0 #1", or the end of it on a line of its own. */
static void taint(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;
	const char *end = p + len, *from, *hash;

	if (o->has_taint)
		return;
	if (pv_splat_pattern("Not tainted %s", p, len, &m)) {
		o->tainted[0] = 0;
		o->has_taint = true;
		copy(o->release, sizeof(o->release), m.cap[0].at, m.cap[0].len);
		return;
	}
	if (len < 9 || memcmp(p, "Tainted:", 8))
		return;
	from = p + 8;
	o->has_taint = true;
	hash = memmem(from, end - from, " #", 2);
	if (!hash)
		hash = end;
	while (hash > from && hash[-1] == ' ')
		hash--;
	for (end = hash; end > from && end[-1] != ' '; end--)
		;
	if (end < hash && *end >= '0' && *end <= '9') {
		copy(o->release, sizeof(o->release), end, hash - end);
		hash = end;
	}
	while (from < hash && *from == ' ')
		from++;
	while (hash > from && hash[-1] == ' ')
		hash--;
	copy(o->tainted, sizeof(o->tainted), from, hash - from);
}

/* "1 UID: 0 PID: 38650 Comm: syz.2.3497 Not tainted 6.12.24 #3" */
static enum pv_body on_cpu(struct pv_open *o, const char *p, size_t len)
{
	const char *end = p + len, *pid = memmem(p, len, "PID: ", 5), *comm, *rest;
	long cpu = number(p, len);

	if (!pid)
		return PV_BODY_NOT;
	/* Another CPU's trace of a stall: only the stuck one's is wanted. */
	if (o->class && o->class->flags & PV_REMOTE && o->stuck >= 0) {
		if (cpu != o->stuck) {
			o->section = o->nr_main ? o->section : PV_OTHER_STACK;
			if (o->main_done)
				o->section = PV_OTHER_STACK;
			return PV_BODY_YES;
		}
		o->section = o->main_done ? PV_OTHER_STACK : PV_MAIN;
	}
	if (o->phase != PV_PHASE_HEAD && o->task[0])
		return PV_BODY_YES;
	o->cpu = cpu;
	o->pid = number(pid + 5, end - pid - 5);
	comm = memmem(pid, end - pid, "Comm: ", 6);
	if (!comm)
		return PV_BODY_YES;
	comm += 6;
	rest = memmem(comm, end - comm, " Not tainted ", 13);
	if (!rest)
		rest = memmem(comm, end - comm, " Tainted: ", 10);
	copy(o->task, sizeof(o->task), comm, (rest ? rest : end) - comm);
	if (rest)
		taint(o, rest + 1, end - rest - 1);
	return PV_BODY_YES;
}

static enum pv_body on_taint(struct pv_open *o, const char *p, size_t len)
{
	taint(o, p, len);
	return PV_BODY_YES;
}

/* ---- registers ---- */

static void keep_register(struct pv_open *o, const char *name, size_t n, const char *value,
			  size_t v)
{
	const char *kept;

	if (o->section != PV_MAIN || o->user_regs || o->nr_regs == PV_REGISTERS || !n || !v)
		return;
	for (size_t i = 0; i < o->nr_regs; i++) {
		if (!strncmp(o->reg[i].name, name, n) && !o->reg[i].name[n])
			return; /* the first set is of the place, later ones are of user space */
	}
	kept = pv_open_keep(o, name, n);
	value = pv_open_keep(o, value, v);
	if (kept && value)
		o->reg[o->nr_regs++] = (struct pv_register){kept, value};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_value(const char *p, size_t n)
{
	size_t hex = 0;

	for (size_t i = 0; i < n; i++) {
		if (!((p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f') || p[i] == ':' ||
		      p[i] == '(' || p[i] == ')'))
			return false;
		hex += p[i] != ':' && p[i] != '(' && p[i] != ')';
	}
	return hex >= 4;
}

/* "RAX: 0000 RBX: 0000", "x29: ffff x28: ffff", "sp : ffff", " gp : ffff tp : ffff". */
static bool registers(struct pv_open *o, const char *p, size_t len)
{
	const char *end = p + len;
	bool any = false;

	while (p < end) {
		const char *name, *to, *value;

		while (p < end && is_blank(*p))
			p++;
		for (name = p; p < end && *p != ':' && !is_blank(*p); p++)
			;
		to = p;
		while (p < end && is_blank(*p))
			p++;
		if (to == name || to - name > 8 || p == end || *p != ':')
			return any;
		for (p++; p < end && is_blank(*p); p++)
			;
		for (value = p; p < end && !is_blank(*p); p++)
			;
		if (!is_value(value, p - value))
			return any;
		keep_register(o, name, to - name, value, p - value);
		any = true;
	}
	return any;
}

/* An instruction pointer's line: exact, unless it is of user space. */
static enum pv_body exact(struct pv_open *o, const char *reg, const char *p, size_t len)
{
	struct pv_frame f;

	begin_body(o);
	if (pv_frame_parse(o, p, len, &f) && (f.func || f.address)) {
		f.exact = !f.inlined;
		if (o->phase != PV_PHASE_END)
			pv_frame_add(o, &f);
	}
	keep_register(o, reg, strlen(reg), p, len);
	return PV_BODY_YES;
}

static enum pv_body on_rip(struct pv_open *o, const char *p, size_t len)
{
	struct pv_splat_match m;

	if (pv_splat_pattern("%x:%l", p, len, &m)) {
		/* Selectors: the kernel's is 0010, Xen PV's e030, a user's 0033 or 0023. */
		if (m.cap[0].len == 4 && (m.cap[0].at[3] & 3) == 3) {
			o->user_regs = true;
			begin_body(o);
			return PV_BODY_YES;
		}
		p = m.cap[1].at;
		len = m.cap[1].len;
	}
	return exact(o, "RIP", p, len);
}

static enum pv_body on_pc(struct pv_open *o, const char *p, size_t len)
{
	return exact(o, "pc", p, len);
}

static enum pv_body on_lr(struct pv_open *o, const char *p, size_t len)
{
	begin_body(o);
	keep_register(o, "lr", 2, p, len);
	return PV_BODY_YES;
}

static enum pv_body on_regs(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	begin_body(o);
	return PV_BODY_YES;
}

/* ---- traces ---- */

static enum pv_body on_trace(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	begin_body(o);
	o->in_trace = true;
	o->context = "";
	return PV_BODY_YES;
}

static enum pv_body on_bracket(struct pv_open *o, const char *p, size_t len)
{
	static const char *const names[] = {"TASK", "IRQ", "SOFTIRQ",  "NMI",    "#DF",
					    "#DB",  "#MC", "#VC",      "#VC2",   "ENTRY_TRAMPOLINE",
					    "EOE",  "EOI", "SYSENTER", "HARDIRQ"};
	bool end = len && *p == '/';

	p += end;
	len -= end;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);

		if (len != n + 1 || memcmp(p, names[i], n) || p[n] != '>')
			continue;
		begin_body(o);
		o->in_trace = true;
		o->context = end ? "" : names[i];
		if (!end || strcmp(names[i], "TASK"))
			return PV_BODY_YES;
		return PV_BODY_YES;
	}
	return PV_BODY_NOT;
}

static enum pv_body on_alloc(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	o->section = PV_ALLOC;
	o->in_trace = true;
	return PV_BODY_YES;
}

static enum pv_body on_free(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	o->section = PV_FREE;
	o->in_trace = true;
	return PV_BODY_YES;
}

static enum pv_body on_yes(struct pv_open *o, const char *p, size_t len)
{
	(void)o;
	(void)p;
	(void)len;
	return PV_BODY_YES;
}

static enum pv_body on_end(struct pv_open *o, const char *p, size_t len)
{
	(void)p;
	(void)len;
	o->phase = PV_PHASE_END;
	o->in_trace = false;
	return PV_BODY_END;
}

static const struct {
	const char *words;
	body_fn *fn;
} starts[] = {
	{"CPU: ", on_cpu},
	{"Tainted: ", on_taint},
	{"Not tainted ", on_taint},
	{"RIP: ", on_rip},
	{"EIP: ", on_rip},
	{"pc : ", on_pc},
	{"lr : ", on_lr},
	{"Call Trace:", on_trace},
	{"Call trace:", on_trace},
	{"stack backtrace:", on_trace},
	{"<", on_bracket},
	{"Allocated by task ", on_alloc},
	{"Freed by task ", on_free},
	{"Modules linked in:", on_yes},
	{"Hardware name:", on_yes},
	{"Workqueue: ", on_yes},
	{"pstate: ", on_yes},
	{"Code: ", on_yes},
	{"RSP: ", on_regs},
	{"#PF: ", on_yes},
	{"PGD ", on_yes},
	{"CR2: ", on_yes},
	{"PREEMPT ", on_yes},
	{"---[ end ", on_end},
};

enum pv_body pv_body_line(struct pv_open *o, const struct pv_line *l)
{
	const char *p = l->text, *end = l->text + l->len;
	struct pv_frame f;

	while (p < end && is_blank(*p))
		p++;
	if (p == end)
		return PV_BODY_MAYBE;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t n = strlen(starts[i].words);

		if ((size_t)(end - p) >= n && *p == *starts[i].words &&
		    !memcmp(p, starts[i].words, n)) {
			enum pv_body is = starts[i].fn(o, p + n, end - p - n);

			if (is != PV_BODY_NOT) {
				if (starts[i].fn == on_regs)
					registers(o, p, end - p);
				return is;
			}
		}
	}
	if (o->in_trace && pv_frame_parse(o, p, end - p, &f)) {
		if (o->phase != PV_PHASE_END)
			pv_frame_add(o, &f);
		return PV_BODY_YES;
	}
	if (registers(o, p, end - p)) {
		begin_body(o);
		return PV_BODY_YES;
	}
	return PV_BODY_NOT;
}
