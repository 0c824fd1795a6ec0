/* SPDX-License-Identifier: GPL-2.0-only */
/* A splat's title, its alternatives and its key. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "results/splat_private.h"

/* System calls are entered through wrappers that differ by architecture and release. */
static const char *const wrappers[] = {
	"__do_sys_",
	"__se_sys_",
	"__x64_sys_",
	"__ia32_sys_",
	"__arm64_sys_",
	"__riscv_sys_",
	"__s390x_sys_",
	"__do_compat_sys_",
	"__se_compat_sys_",
	"__arm64_compat_sys_",
	"__ia32_compat_sys_",
	"ksys_",
	"SYSC_",
	"SyS_",
};

static const char *const suffixes[] = {
	".isra.",     ".constprop.", ".part.",   ".cold", ".llvm.",
	".lto_priv.", ".cfi_jt",     ".__uniq.", "$",
};

size_t pv_func_clean(char *dst, size_t size, const char *func, size_t len)
{
	const char *hash = memrchr(func, '#', len), *dot;
	const char *sys = "";

	if (hash) { /* Xen: file.c#func */
		len -= hash + 1 - func;
		func = hash + 1;
	}
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++) {
		size_t n = strlen(wrappers[i]);

		if (len > n && !memcmp(func, wrappers[i], n)) {
			func += n;
			len -= n;
			sys = "sys_";
			break;
		}
	}
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
		const char *at = memmem(func, len, suffixes[i], strlen(suffixes[i]));

		if (at && at > func)
			len = at - func;
	}
	dot = memrchr(func, '.', len); /* link time optimisation: func.1234 */
	if (dot && dot > func && (size_t)(dot + 1 - func) < len) {
		const char *d = dot + 1;

		while (d < func + len && *d >= '0' && *d <= '9')
			d++;
		if (d == func + len)
			len = dot - func;
	}
	return snprintf(dst, size, "%s%.*s", sys, (int)len, func);
}

void pv_put(char *dst, size_t size, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(dst, size, format, args);
	va_end(args);
}

static bool usable(const struct pv_open *o, const struct pv_frame *f, char *name, size_t size,
		   bool guesses)
{
	if (!f->func || f->inlined || (f->guess && !guesses))
		return false;
	pv_func_clean(name, size, f->func, strlen(f->func));
	return !pv_frame_skipped(name, o->class ? o->class->skip : 0);
}

/* The first frame of the main trace from `from` on that a title may name. */
static bool first_frame(const struct pv_open *o, size_t from, char *name, size_t size)
{
	for (int guesses = 0; guesses < 2; guesses++) {
		for (size_t i = from; i < o->nr_main; i++) {
			if (usable(o, &o->frame[i], name, size, guesses))
				return true;
		}
	}
	return false;
}

static bool is_irq(const char *context)
{
	return !strcmp(context, "IRQ") || !strcmp(context, "NMI") || !strcmp(context, "SOFTIRQ");
}

/* Behind the last frame of an interrupt. */
static size_t below_irq(const struct pv_open *o)
{
	size_t at = 0;

	for (size_t i = 0; i < o->nr_main; i++) {
		if (is_irq(o->frame[i].context))
			at = i + 1;
	}
	return at < o->nr_main ? at : 0;
}

static bool find_func(struct pv_open *o, char *name, size_t size)
{
	enum pv_title_from from = o->class ? o->class->from : PV_FROM_TRACE;

	name[0] = 0;
	if (from == PV_FROM_NOTHING)
		return true;
	if (from == PV_FROM_LOCK && o->lock[0]) {
		pv_func_clean(name, size, o->lock, strlen(o->lock));
		return true;
	}
	if (from == PV_FROM_LINE && o->func[0]) {
		pv_func_clean(name, size, o->func, strlen(o->func));
		if (!pv_frame_skipped(name, o->class->skip))
			return true;
	}
	return first_frame(o, from == PV_FROM_STUCK ? below_irq(o) : 0, name, size);
}

static void expand(char *dst, size_t size, const char *kind, const char *func)
{
	char buf[512];
	const char *mark = strstr(kind, "%F");

	if (!mark)
		pv_put(buf, sizeof(buf), "%s", kind);
	else
		pv_put(buf, sizeof(buf), "%.*s%s%s%s", (int)(mark - kind), kind,
		       func[0] ? " in " : "", func, mark + 2);
	pv_put(dst, size, "%s", buf);
}

static void add_alt(struct pv_open *o, const char *text)
{
	if (o->nr_alt == PV_ALT_TITLES || !strcmp(text, o->title))
		return;
	for (size_t i = 0; i < o->nr_alt; i++) {
		if (!strcmp(o->alt[i], text))
			return;
	}
	pv_put(o->alt[o->nr_alt++], sizeof(o->alt[0]), "%s", text);
}

static void make_key(struct pv_open *o)
{
	size_t len = 0, n = 0;
	char name[128];

	o->key[0] = 0;
	for (size_t i = 0; i < o->nr_main && n < 5; i++) {
		if (!usable(o, &o->frame[i], name, sizeof(name), false))
			continue;
		len += snprintf(o->key + len, sizeof(o->key) - len, "%s%s", n++ ? "|" : "", name);
		if (len >= sizeof(o->key))
			break;
	}
}

void pv_title_make(struct pv_open *o)
{
	char func[128], alt[PV_TITLE_MAX + 1];
	bool found = find_func(o, func, sizeof(func));

	expand(o->title, sizeof(o->title), o->kind[0] ? o->kind : o->line, func);
	o->corrupted = o->broken || !found;
	o->nr_alt = 0;
	if (o->class && o->class->flags & PV_BAD_ACCESS && func[0]) {
		pv_put(alt, sizeof(alt), "bad access in %s", func);
		add_alt(o, alt);
	}
	if (o->warned[0]) {
		pv_put(alt, sizeof(alt), "WARNING at %.*s", 100, o->warned);
		add_alt(o, alt);
	}
	make_key(o);
}
