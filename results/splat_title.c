/* SPDX-License-Identifier: GPL-2.0-only */
/* A splat's title, its alternatives and its key. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "results/splat_private.h"

#define FUNC_MAX 96
#define NOWHERE  "corrupted" /* for a function, when the log does not say it */
#define KNOWN    0x8000
#define ARRAY(x) (sizeof(x) / sizeof((x)[0]))

/* System calls are entered through wrappers that differ by architecture and release. */
static const char *const wrappers[] = {
	"__do_compat_sys_",
	"__se_compat_sys_",
	"__arm64_compat_sys_",
	"__ia32_compat_sys_",
	"__x32_compat_sys_",
	"__do_sys_",
	"__se_sys_",
	"__x64_sys_",
	"__ia32_sys_",
	"__x32_sys_",
	"__arm64_sys_",
	"__riscv_sys_",
	"__riscv_compat_sys_",
	"__s390x_sys_",
	"__s390_sys_",
	"ksys_",
	"SYSC_",
	"SyS_",
	"compat_SyS_",
	"C_SYSC_",
};

/* What compilers and linkers append. */
static const char *const suffixes[] = {
	".isra.",     ".constprop.", ".part.",   ".cold", ".llvm.",
	".lto_priv.", ".cfi_jt",     ".__uniq.", ".warm", "$",
};

static const char *const prefixes[] = {"__pfx_", "__cfi_", "__pi_"};

void pv_put(char *dst, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(dst, size, format, args);
	va_end(args);
}

/* ".1234" of link time optimisation. */
static size_t without_number(const char *func, size_t len)
{
	const char *dot = memrchr(func, '.', len), *d;

	if (!dot || dot == func || dot + 1 == func + len)
		return len;
	for (d = dot + 1; d < func + len && *d >= '0' && *d <= '9'; d++)
		;
	return d == func + len ? (size_t)(dot - func) : len;
}

size_t pv_func_clean(char *dst, size_t size, const char *func, size_t len)
{
	const char *hash = memrchr(func, '#', len), *sys = "";

	if (hash) { /* Xen: file.c#func */
		len -= hash + 1 - func;
		func = hash + 1;
	}
	for (size_t i = 0; i < ARRAY(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (len > n && !memcmp(func, prefixes[i], n)) {
			func += n;
			len -= n;
		}
	}
	for (size_t i = 0; i < ARRAY(wrappers); i++) {
		size_t n = strlen(wrappers[i]);

		if (len > n && !memcmp(func, wrappers[i], n)) {
			func += n;
			len -= n;
			sys = "sys_";
			break;
		}
	}
	/* All of them begin with one of two. */
	for (size_t i = memchr(func, '.', len) || memchr(func, '$', len) ? 0 : ARRAY(suffixes);
	     i < ARRAY(suffixes); i++) {
		const char *at = memmem(func, len, suffixes[i], strlen(suffixes[i]));

		if (at && at > func)
			len = at - func;
	}
	len = without_number(func, len);
	if (len >= size)
		len = size - 1;
	pv_put(dst, size, "%s%.*s", sys, (int)len, func);
	return strlen(dst);
}

/* ---- the function ---- */

static void clean(char name[FUNC_MAX], const char *func)
{
	pv_func_clean(name, FUNC_MAX, func, strlen(func));
}

static bool usable(struct pv_open *o, size_t i, char name[FUNC_MAX], unsigned int skip,
		   bool guesses)
{
	const struct pv_frame *f = &o->frame[i];

	if (!f->func || f->inlined || (f->guess && !guesses) || pv_is_aside(f))
		return false;
	if (o->kinds[i] & KNOWN && o->kinds[i] & (skip | PV_SKIP_REPORT))
		return false;
	clean(name, f->func);
	if (!(o->kinds[i] & KNOWN))
		o->kinds[i] = KNOWN | (f->module ? 0 : pv_kinds_of(o->skips, name));
	return !(o->kinds[i] & (skip | PV_SKIP_REPORT));
}

/* A task that waits leaves old frames on its stack: they say nothing about where it is. */
static bool has_certain(const struct pv_open *o, size_t from)
{
	for (size_t i = from; i < o->nr_frames; i++) {
		if (o->frame[i].func && !o->frame[i].guess && !pv_is_aside(&o->frame[i]))
			return true;
	}
	return false;
}

/* The first frame of the main trace from `from` on that a title may name. */
static bool first_frame(struct pv_open *o, size_t from, unsigned int skip, char name[FUNC_MAX])
{
	bool sure = o->class->flags & PV_STALL && has_certain(o, from);

	for (int guesses = 0; guesses < 2 - sure; guesses++) {
		for (size_t i = from; i < o->nr_frames; i++) {
			if (usable(o, i, name, skip, guesses))
				return true;
		}
	}
	return false;
}

static bool is_irq(const char *context)
{
	return !strcmp(context, "IRQ") || !strcmp(context, "NMI") || !strcmp(context, "HARDIRQ");
}

/* The watchdog or RCU noticed it itself, in its own tick. */
static bool self_detected(const char *func)
{
	static const char *const names[] = {"rcu_sched_clock_irq", "rcu_check_callbacks",
					    "watchdog_timer_fn",   "rcu_dump_cpu_stacks",
					    "rcu_pending",         "rcu_dump_cpu_stacks"};

	for (size_t i = 0; i < ARRAY(names); i++) {
		if (!strcmp(func, names[i]))
			return true;
	}
	return false;
}

/* The entry of an interrupt: the frame below it is what it broke into. */
static bool is_entry(const char *func)
{
	static const char *const names[] = {"apic_timer_interrupt", "asm_sysvec_", "el1",
					    "__irq_svc", "handle_exception"};

	for (size_t i = 0; i < ARRAY(names); i++) {
		if (!strncmp(func, names[i], strlen(names[i])))
			return true;
	}
	return false;
}

/*
 * Where a stalled CPU really is: a trace that the tick took of itself has that tick on top, and the
 * interrupted code, which may be an interrupt's, below it; without an entry that is known, below
 * the interrupt's stack.
 */
static size_t below_tick(const struct pv_open *o)
{
	size_t at = 0;
	bool tick = false;

	if (o->nr_main && o->frame[0].exact)
		return 0; /* registers of the interrupted place */
	for (size_t i = 0; i < o->nr_frames; i++) {
		const struct pv_frame *f = &o->frame[i];
		char name[FUNC_MAX];

		if (is_irq(f->context))
			at = i + 1;
		if (!f->func)
			continue;
		clean(name, f->func);
		tick |= self_detected(name);
		if (tick && !f->guess && is_entry(name)) {
			at = i + 1;
			break;
		}
	}
	return tick && at < o->nr_frames ? at : 0;
}

static bool skipped(const struct pv_open *o, const char *name)
{
	return pv_kinds_of(o->skips, name) & (o->class->skip | PV_SKIP_REPORT);
}

static bool find_func(struct pv_open *o, char name[FUNC_MAX])
{
	const struct pv_splat_class *c = o->class;

	name[0] = 0;
	if (c->from == PV_FROM_NOTHING)
		return true;
	if (c->from == PV_FROM_LOCK && o->lock[0]) {
		clean(name, o->lock);
		if (!skipped(o, name))
			return true;
	}
	if ((c->from == PV_FROM_LINE || c->from == PV_FROM_BODY) && o->func[0]) {
		clean(name, o->func);
		if (!skipped(o, name))
			return true;
	}
	if (first_frame(o, c->from == PV_FROM_STUCK ? below_tick(o) : 0, c->skip, name) ||
	    (!(c->flags & PV_STALL) && first_frame(o, 0, 0, name)))
		return true;
	/* Nothing but helpers: better these than nothing. */
	name[0] = 0;
	if (o->func[0] && (c->from == PV_FROM_LINE || c->from == PV_FROM_BODY || !o->nr_main))
		clean(name, o->func);
	else if (c->from == PV_FROM_LOCK && o->lock[0])
		clean(name, o->lock);
	else if (o->nr_frames && o->frame[0].func && !o->frame[0].inlined)
		clean(name, o->frame[0].func);
	return name[0];
}

/* ---- the text ---- */

static void expand(char *dst, size_t size, const struct pv_open *o, const char *kind,
		   const char *func)
{
	size_t out = 0;

	for (const char *k = kind; *k && out + 1 < size; k++) {
		if (k[0] == '%' && k[1] == 'F') {
			pv_put(dst + out, size - out, "%s%s%s%s", func[0] ? " in " : "", func,
			       o->func2[0] ? " / " : "", o->func2);
		} else if (k[0] == '%' && k[1] == 'A') {
			pv_put(dst + out, size - out, "%s%s", o->access[0] ? " " : "", o->access);
		} else {
			dst[out++] = *k;
			continue;
		}
		out += strlen(dst + out);
		k++;
	}
	dst[out] = 0;
}

static void add_alt(struct pv_open *o, const char *format, const char *what)
{
	char text[PV_TITLE_MAX + 1];

	pv_put(text, sizeof(text), format, what);
	if (o->nr_alt == PV_ALT_TITLES || !strcmp(text, o->title))
		return;
	for (size_t i = 0; i < o->nr_alt; i++) {
		if (!strcmp(o->alt[i], text))
			return;
	}
	strcpy(o->alt[o->nr_alt++], text);
}

static const char *kind_of(const struct pv_open *o)
{
	return o->kind[0] ? o->kind : o->line;
}

static void add_in(struct pv_open *o, const char *kind, const char *func)
{
	char title[PV_TITLE_MAX + 1];

	expand(title, sizeof(title), o, kind, func);
	add_alt(o, "%s", title);
}

/*
 * The operation that a stalled task or interrupt is in: its loop has many functions, and which of
 * them the watchdog sees is chance. The frame inside the innermost that hands over to operations.
 */
static bool operation(struct pv_open *o, char name[FUNC_MAX])
{
	char inner[FUNC_MAX] = "";

	for (size_t i = below_tick(o); i < o->nr_frames; i++) {
		bool names = usable(o, i, name, o->class->skip, false);

		if (o->kinds[i] & PV_SKIP_ENTRY && !o->frame[i].guess) {
			strcpy(name, inner);
			if (inner[0])
				return true;
		} else if (names) {
			strcpy(inner, name);
		}
	}
	return false;
}

/* What the others must do, not who waits for it, when that is chance. */
static bool waits_for(struct pv_open *o, char name[FUNC_MAX])
{
	static const char *const of[][2] = {{"synchronize_rcu", "synchronize_rcu"},
					    {"_synchronize_rcu", "synchronize_rcu"},
					    {"synchronize_sched", "synchronize_rcu"},
					    {"__wait_rcu_gp", "synchronize_rcu"},
					    {"synchronize_srcu", "synchronize_srcu"},
					    {"__synchronize_srcu", "synchronize_srcu"},
					    {"smp_call_function", "smp_call_function"}};

	for (size_t i = below_tick(o); i < o->nr_frames; i++) {
		if (!o->frame[i].func || o->frame[i].guess ||
		    usable(o, i, name, o->class->skip, false))
			continue;
		clean(name, o->frame[i].func);
		for (size_t k = 0; k < ARRAY(of); k++) {
			if (!strncmp(name, of[k][0], strlen(of[k][0]))) {
				strcpy(name, of[k][1]);
				return true;
			}
		}
	}
	return false;
}

static void stall(struct pv_open *o, const char *func)
{
	char name[FUNC_MAX];

	if (!func[0])
		return;
	if (o->class->flags & PV_STALL && waits_for(o, name))
		add_in(o, kind_of(o), name);
	if (o->class->flags & PV_CHANCE && operation(o, name)) {
		add_in(o, kind_of(o), name);
		if (o->other[0])
			add_in(o, o->other, name);
	}
}

/*
 * Checks that many call, by the file that they are in: what is wrong is their name, and where is
 * who called them.
 */
static void checker(struct pv_open *o, const char *func)
{
	static const struct {
		const char *class, *file, *what;
	} of[] = {
		{"warning", "lib/refcount.c", "WARNING: refcount bug%F"},
		{"warning", "lib/debugobjects.c", "WARNING: ODEBUG bug%F"},
		{"warning", "kernel/locking/lockdep.c", "WARNING: locking bug%F"},
		{"warning", "kernel/lockdep.c", "WARNING: locking bug%F"},
		{"warning", "mm/slab_common.c", "WARNING: kmalloc bug%F"},
		{"warning", "mm/util.c", "WARNING: kmalloc bug%F"},
		{"warning", "mm/vmalloc.c", "WARNING: zero-size vmalloc%F"},
		{"warning", "mm/usercopy.c", "WARNING: bad usercopy%F"},
		{"warning", "lib/kobject.c", "WARNING: kobject bug%F"},
		{"warning", "fs/proc/generic.c", "WARNING: proc registration bug%F"},
		{"kernel-bug", "mm/usercopy.c", "BUG: bad usercopy%F"},
		{"kernel-bug", "lib/list_debug.c", "BUG: corrupted list%F"},
	};

	for (size_t i = 0; i < ARRAY(of) && o->at[0]; i++) {
		if (!strcmp(o->class->name, of[i].class) && func[0] &&
		    !strncmp(o->at, of[i].file, strlen(of[i].file)))
			add_in(o, of[i].what, func);
	}
}

/*
 * "WARNING at kernel/events/core.c:1234": the same place though a compiler inlines differently. Not
 * of checks that many call (lib/refcount.c).
 */
static void place(struct pv_open *o)
{
	static const char *const of[][2] = {
		{"warning", "WARNING"}, {"kernel-bug", "kernel BUG"}, {"ubsan", "UBSAN"}};
	char name[FUNC_MAX];

	if (!o->at[0] || strcmp(o->at_class, o->class->name))
		return;
	for (size_t i = 0; i < o->nr_frames; i++) {
		if (o->frame[i].exact && o->frame[i].func && !usable(o, i, name, 0, false))
			return;
	}
	for (size_t i = 0; i < ARRAY(of); i++) {
		char text[PV_TITLE_MAX + 1];

		if (strcmp(o->at_class, of[i][0]))
			continue;
		pv_put(text, sizeof(text), "%s at %s", of[i][1], o->at);
		add_alt(o, "%s", text);
	}
}

static void alternatives(struct pv_open *o, const char *func)
{
	unsigned int flags = o->class->flags;
	char name[FUNC_MAX];

	if (flags & PV_BAD_ACCESS && func[0])
		add_alt(o, "bad access in %s", func);
	if (flags & PV_STALL && func[0])
		add_alt(o, "stall in %s", func);
	/* The place itself, when the title names who called it. */
	for (size_t i = 0; i < o->nr_frames && o->class->from != PV_FROM_NOTHING; i++) {
		if (!o->frame[i].exact || !usable(o, i, name, 0, false))
			continue;
		add_in(o, kind_of(o), name);
		break;
	}
	if (o->inner[0] && strcmp(o->inner, func))
		add_in(o, kind_of(o), o->inner);
	/* In an allocator: it may be what is broken, or what its caller has done. */
	if (flags & PV_BAD_ACCESS && func[0] &&
	    first_frame(o, 0, o->class->skip | PV_SKIP_ALLOC, name))
		add_in(o, kind_of(o), name);
	if (o->other[0])
		add_in(o, o->other, func[0] ? func : NOWHERE);
	if (!func[0] && o->class->from != PV_FROM_NOTHING)
		add_in(o, kind_of(o), NOWHERE);
	stall(o, func);
	place(o);
	checker(o, func);
}

static void make_key(struct pv_open *o)
{
	size_t len = 0, n = 0;
	char name[FUNC_MAX];

	o->key[0] = 0;
	for (size_t i = 0; i < o->nr_frames && n < 5 && len < sizeof(o->key); i++) {
		if (!usable(o, i, name, o->class->skip, false))
			continue;
		pv_put(o->key + len, sizeof(o->key) - len, "%s%s", n++ ? "|" : "", name);
		len += strlen(o->key + len);
	}
}

/* A printk timestamp in the title: two lines were mixed. */
static bool has_timestamp(const char *title)
{
	const char *at = strchr(title, '[');

	for (; at; at = strchr(at + 1, '[')) {
		const char *p = at + 1 + strspn(at + 1, " #0123456789");

		if (p > at + 1 && *p == '.' && strspn(p + 1, "#0123456789"))
			return true;
	}
	return false;
}

void pv_title_make(struct pv_open *o)
{
	char func[FUNC_MAX];
	bool found;

	memset(o->kinds, 0, o->nr_frames * sizeof(o->kinds[0]));
	found = find_func(o, func);

	if (o->func2[0]) { /* KCSAN: in the order of the alphabet, whoever came first */
		char other[FUNC_MAX];

		clean(other, o->func2);
		if (strcmp(func, other) > 0) {
			pv_copy(o->func2, sizeof(o->func2), func, strlen(func));
			strcpy(func, other);
		} else {
			strcpy(o->func2, other);
		}
	}
	expand(o->title, sizeof(o->title), o, kind_of(o), func);
	o->corrupted = o->broken || (!found && !o->nr_frames) || has_timestamp(o->title);
	o->nr_alt = 0;
	alternatives(o, func);
	make_key(o);
}
