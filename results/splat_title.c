/* SPDX-License-Identifier: GPL-2.0-only */
/* A splat's title, its alternatives and its key. */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_private.h"

#define ARRAY(x) (sizeof(x) / sizeof((x)[0]))
#define GENERIC  (PV_SKIP_COPY | PV_SKIP_LOCK | PV_SKIP_HELPER)
#define NOWHERE  "corrupted" /* for a function, when the log does not say it */

static size_t append(char *dst, size_t size, size_t at, const char *text)
{
	size_t n = strlen(text);

	if (n >= size - at)
		n = size - at - 1;
	memcpy(dst + at, text, n);
	return at + n;
}

static void expand(char *dst, size_t size, const struct pv_open *o, const char *kind,
		   const char *func)
{
	size_t out = 0;

	for (const char *k = kind; *k && out + 1 < size; k++) {
		if (k[0] == '%' && k[1] == 'F') {
			out = append(dst, size, out, func[0] ? " in " : "");
			out = append(dst, size, out, func);
			out = append(dst, size, out, o->func2[0] ? " / " : "");
			out = append(dst, size, out, o->func2);
		} else if (k[0] == '%' && k[1] == 'A') {
			out = append(dst, size, out, o->access[0] ? " " : "");
			out = append(dst, size, out, o->access);
		} else {
			dst[out++] = *k;
			continue;
		}
		k++;
	}
	dst[out] = 0;
}

static void add_text(struct pv_open *o, const char *text)
{
	if (o->nr_alt == PV_ALT_TITLES || !strcmp(text, o->title))
		return;
	for (size_t i = 0; i < o->nr_alt; i++) {
		if (!strcmp(o->alt[i], text))
			return;
	}
	strcpy(o->alt[o->nr_alt++], text);
}

static void add_alt(struct pv_open *o, const char *format, const char *what)
{
	char text[PV_TITLE_MAX + 1];

	pv_put(text, sizeof(text), format, what);
	add_text(o, text);
}

static const char *kind_of(const struct pv_open *o)
{
	return o->kind[0] ? o->kind : o->line;
}

static void add_in(struct pv_open *o, const char *kind, const char *func)
{
	char title[PV_TITLE_MAX + 1];

	expand(title, sizeof(title), o, kind, func);
	add_text(o, title);
}

/*
 * The operation that a stalled task or interrupt is in: its loop has many functions, and which of
 * them the watchdog sees is chance. The frame inside the innermost that hands over to operations.
 */
static bool operation(struct pv_open *o, char name[PV_FUNC_MAX])
{
	char inner[PV_FUNC_MAX] = "";

	for (size_t i = pv_frame_below_tick(o); i < o->nr_frames; i++) {
		bool names = pv_frame_usable(o, i, name, o->class->skip, false);

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
static bool waits_for(struct pv_open *o, char name[PV_FUNC_MAX])
{
	static const char *const of[][2] = {{"synchronize_rcu", "synchronize_rcu"},
					    {"_synchronize_rcu", "synchronize_rcu"},
					    {"synchronize_sched", "synchronize_rcu"},
					    {"__wait_rcu_gp", "synchronize_rcu"},
					    {"synchronize_srcu", "synchronize_srcu"},
					    {"__synchronize_srcu", "synchronize_srcu"},
					    {"smp_call_function", "smp_call_function"}};

	for (size_t i = pv_frame_below_tick(o); i < o->nr_frames; i++) {
		if (!o->frame[i].func || o->frame[i].guess ||
		    pv_frame_usable(o, i, name, o->class->skip, false))
			continue;
		pv_func_of(name, o->frame[i].func);
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
	char name[PV_FUNC_MAX];

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
	char name[PV_FUNC_MAX];

	if (!o->at[0] || strcmp(o->at_class, o->class->name))
		return;
	for (size_t i = 0; i < o->nr_frames; i++) {
		if (o->frame[i].exact && o->frame[i].func && !pv_frame_usable(o, i, name, 0, false))
			return;
	}
	for (size_t i = 0; i < ARRAY(of); i++) {
		char text[PV_TITLE_MAX + 1];

		if (strcmp(o->at_class, of[i][0]))
			continue;
		pv_put(text, sizeof(text), "%s at %s", of[i][1], o->at);
		add_text(o, text);
	}
}

static void alternatives(struct pv_open *o, const char *func)
{
	unsigned int flags = o->class->flags;
	bool says = func[0] && !(pv_kinds_of(o->skips, func) & GENERIC);
	char name[PV_FUNC_MAX];

	if (flags & PV_BAD_ACCESS && says)
		add_alt(o, "bad access in %s", func);
	if (flags & PV_STALL && says)
		add_alt(o, "stall in %s", func);
	/*
	 * The place itself, when the title names who called it. Not one that everything calls: two
	 * splats in memcpy() are not the same bug.
	 */
	for (size_t i = 0; i < o->nr_frames && o->class->from != PV_FROM_NOTHING; i++) {
		if (!o->frame[i].exact || !pv_frame_usable(o, i, name, GENERIC, false))
			continue;
		add_in(o, kind_of(o), name);
		break;
	}
	if (o->inner[0] && strcmp(o->inner, func))
		add_in(o, kind_of(o), o->inner);
	/* In an allocator: it may be what is broken, or what its caller has done. */
	if (func[0] && (flags & PV_BAD_ACCESS || pv_kinds_of(o->skips, func) & PV_SKIP_ALLOC) &&
	    pv_frame_first(o, 0, o->class->skip | PV_SKIP_ALLOC, name))
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
	char name[PV_FUNC_MAX];

	o->key[0] = 0;
	for (size_t i = 0; i < o->nr_frames && n < 5 && len < sizeof(o->key); i++) {
		if (!pv_frame_usable(o, i, name, o->class->skip, false))
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
	char func[PV_FUNC_MAX];
	bool found;

	memset(o->kinds, 0, o->nr_frames * sizeof(o->kinds[0]));
	found = pv_frame_title(o, func);

	if (o->func2[0]) { /* KCSAN: in the order of the alphabet, whoever came first */
		char other[PV_FUNC_MAX];

		pv_func_of(other, o->func2);
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
