/* SPDX-License-Identifier: GPL-2.0-only */
/* Which function a title names. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "results/splat_private.h"

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
	size_t n_sys;

	if (hash) { /* Xen: file.c#func */
		len -= hash + 1 - func;
		func = hash + 1;
	}
	for (size_t i = len && *func == '_' ? 0 : ARRAY(prefixes); i < ARRAY(prefixes); i++) {
		size_t n = strlen(prefixes[i]);

		if (len > n && !memcmp(func, prefixes[i], n)) {
			func += n;
			len -= n;
		}
	}
	for (size_t i = len && memchr("_kScC", *func, 5) ? 0 : ARRAY(wrappers); i < ARRAY(wrappers);
	     i++) {
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
	n_sys = strlen(sys);
	if (len >= size - n_sys)
		len = size - n_sys - 1;
	memcpy(dst, sys, n_sys);
	memcpy(dst + n_sys, func, len);
	dst[n_sys + len] = 0;
	return n_sys + len;
}

/* ---- the function ---- */

void pv_func_of(char name[PV_FUNC_MAX], const char *func)
{
	pv_func_clean(name, PV_FUNC_MAX, func, strlen(func));
}

bool pv_frame_usable(struct pv_open *o, size_t i, char name[PV_FUNC_MAX], unsigned int skip,
		     bool guesses)
{
	const struct pv_frame *f = &o->frame[i];

	if (!f->func || f->inlined || (f->guess && !guesses) || pv_is_aside(f))
		return false;
	if (o->kinds[i] & PV_KIND_KNOWN && o->kinds[i] & (skip | PV_SKIP_REPORT))
		return false;
	pv_func_of(name, f->func);
	if (!(o->kinds[i] & PV_KIND_KNOWN))
		o->kinds[i] = PV_KIND_KNOWN | (f->module ? 0 : pv_kinds_of(o->skips, name));
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
bool pv_frame_first(struct pv_open *o, size_t from, unsigned int skip, char name[PV_FUNC_MAX])
{
	bool sure = o->class->flags & PV_STALL && has_certain(o, from);

	for (int guesses = 0; guesses < 2 - sure; guesses++) {
		for (size_t i = from; i < o->nr_frames; i++) {
			if (pv_frame_usable(o, i, name, skip, guesses))
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
size_t pv_frame_below_tick(const struct pv_open *o)
{
	size_t at = 0;
	bool tick = false;

	if (o->nr_main && o->frame[0].exact)
		return 0; /* registers of the interrupted place */
	for (size_t i = 0; i < o->nr_frames; i++) {
		const struct pv_frame *f = &o->frame[i];
		char name[PV_FUNC_MAX];

		if (is_irq(f->context))
			at = i + 1;
		if (!f->func)
			continue;
		pv_func_of(name, f->func);
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

bool pv_frame_title(struct pv_open *o, char name[PV_FUNC_MAX])
{
	const struct pv_splat_class *c = o->class;

	name[0] = 0;
	if (c->from == PV_FROM_NOTHING)
		return true;
	if (c->from == PV_FROM_LOCK && o->lock[0]) {
		pv_func_of(name, o->lock);
		if (!skipped(o, name))
			return true;
	}
	if ((c->from == PV_FROM_LINE || c->from == PV_FROM_BODY) && o->func[0]) {
		pv_func_of(name, o->func);
		if (!skipped(o, name))
			return true;
	}
	if (pv_frame_first(o, c->from == PV_FROM_STUCK ? pv_frame_below_tick(o) : 0, c->skip,
			   name) ||
	    (!(c->flags & PV_STALL) &&
	     (pv_frame_first(o, 0, c->skip & (PV_SKIP_COPY | PV_SKIP_LOCK), name) ||
	      pv_frame_first(o, 0, 0, name))))
		return true;
	/* Nothing but helpers: better these than nothing. */
	name[0] = 0;
	if (o->func[0] && (c->from == PV_FROM_LINE || c->from == PV_FROM_BODY || !o->nr_main))
		pv_func_of(name, o->func);
	else if (c->from == PV_FROM_LOCK && o->lock[0])
		pv_func_of(name, o->lock);
	else if (o->nr_frames && o->frame[0].func && !o->frame[0].inlined)
		pv_func_of(name, o->frame[0].func);
	return name[0];
}
