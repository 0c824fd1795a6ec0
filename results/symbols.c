/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/symbols_private.h"

const char *const pv_symbols_status_names[PV_SYMBOLS_NR] = {
	[PV_SYMBOLS_OK] = "ok",
	[PV_SYMBOLS_NO_LINE] = "no-line",
	[PV_SYMBOLS_NO_FILE] = "no-file",
	[PV_SYMBOLS_OTHER] = "other-build",
	[PV_SYMBOLS_NO_SYMBOL] = "no-symbol",
	[PV_SYMBOLS_AMBIGUOUS] = "ambiguous",
	[PV_SYMBOLS_BROKEN] = "broken",
};

struct pv_symbols *pv_symbols_new(void)
{
	struct pv_symbols *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->strings.arena = &s->arena;
	return s;
}

void pv_symbols_free(struct pv_symbols *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->nr_files; i++)
		pv_sym_object_free(s->file[i]->object);
	for (size_t i = 0; i < s->nr_dirs; i++)
		free(s->dir[i].entry);
	pv_sym_kallsyms_free(s);
	free(s->file);
	free(s->dir);
	free(s->known);
	free(s->note);
	pv_strings_free(&s->strings);
	pv_arena_free(&s->arena);
	free(s);
}

const char *pv_symbols_error(const struct pv_symbols *s)
{
	return s->error;
}

const char *pv_symbols_note(const struct pv_symbols *s, size_t i)
{
	return i < s->nr_notes ? s->note[i] : NULL;
}

int pv_symbols_add(struct pv_symbols *s, const char *path)
{
	struct pv_sym_file *f;
	struct stat st;

	if (stat(path, &st)) {
		int err = errno;

		snprintf(s->error, sizeof(s->error), "%s: %s", path, strerror(err));
		return -err;
	}
	if (S_ISDIR(st.st_mode)) {
		s->dir = realloc(s->dir, (s->nr_dirs + 1) * sizeof(*s->dir));
		if (!s->dir)
			abort();
		s->dir[s->nr_dirs++] = (struct pv_sym_dir){.path = pv_intern(&s->strings, path)};
		return 0;
	}
	f = pv_sym_file(s, path);
	f->explicit = true;
	snprintf(s->error, sizeof(s->error), "%s", f->error);
	return f->error[0] ? -EINVAL : 0;
}

int pv_symbols_kallsyms(struct pv_symbols *s, const char *path)
{
	return pv_sym_kallsyms_load(s, path);
}

int pv_symbols_expect(struct pv_symbols *s, const char *module, const char *build_id)
{
	char hex[PV_BUILD_ID_SIZE];
	size_t n = build_id ? strlen(build_id) : 0;

	if (n >= sizeof(hex) || n % 2 || (n && n < 4))
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (!isxdigit((unsigned char)build_id[i]))
			return -EINVAL;
		hex[i] = tolower((unsigned char)build_id[i]);
	}
	hex[n] = 0;
	if (n || pv_sym_known(s, module, false))
		pv_sym_known(s, module, true)->build_id = n ? pv_intern(&s->strings, hex) : NULL;
	return 0;
}

void pv_symbols_release(struct pv_symbols *s, const char *release)
{
	s->release = release && *release ? pv_intern(&s->strings, release) : NULL;
}

void pv_symbols_slide(struct pv_symbols *s, uint64_t slide)
{
	s->slide = slide;
}

void pv_symbols_base(struct pv_symbols *s, const char *module, uint64_t base, uint64_t size)
{
	struct pv_sym_known *k = pv_sym_known(s, module, true);

	k->base = base;
	k->size = size;
}

/* ---- which file ---- */

static struct pv_sym_object *open_object(struct pv_symbols *s, struct pv_sym_file *f)
{
	struct pv_sym_stamp stamp;
	int fd;

	if (f->object)
		return f->object;
	fd = pv_sym_open(f->path, &stamp, f->error, sizeof(f->error));
	if (fd >= 0 && !pv_sym_same(&stamp, &f->stamp)) {
		snprintf(f->error, sizeof(f->error), "%s: changed while it was being read",
			 f->path);
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		fd = pv_sym_unpack_sections(fd, f->path, f->error, sizeof(f->error));
	if (fd < 0)
		return NULL;
	f->object = pv_sym_object_new(fd, f->path, &f->info);
	if (f->object->error[0])
		pv_sym_note(s, pv_sym_text(s, "%s", f->object->error));
	return f->object;
}

/* NULL: a's status and why are set. */
static struct pv_sym_object *object_of(struct pv_symbols *s, const char *module,
				       const char *build_id, struct pv_symbols_answer *a)
{
	struct pv_sym_object *o;
	struct pv_sym_found found;

	pv_sym_find(s, module, build_id, &found);
	a->checked = found.checked;
	a->status = found.status;
	a->why = found.why;
	if (!found.file)
		return NULL;
	o = open_object(s, found.file);
	if (o && !o->error[0]) {
		if (!module && !o->root[0])
			pv_sym_find_root(o);
		return o;
	}
	a->status = PV_SYMBOLS_BROKEN;
	a->why = pv_sym_text(s, "%s", o ? o->error : found.file->error);
	return NULL;
}

/* In-tree modules give their headers by the same root as the kernel that they are of. */
static void borrow_root(struct pv_symbols *s, struct pv_sym_object *o)
{
	struct pv_symbols_answer none;
	struct pv_sym_object *kernel;

	if (o->root[0] || o->dwarf)
		return;
	kernel = object_of(s, NULL, NULL, &none);
	if (kernel)
		o->root = pv_intern(&s->strings, kernel->root);
}

/* ---- by name and size ---- */

/*
 * How well a symbol fits the size that the kernel printed: 3 it is the size, 2 it may be (the last
 * of a module's section ends where the loader put the next one), 1 nobody said a size, 0 it does
 * not fit.
 */
static int fit(const struct pv_sym *sym, const struct pv_symbols_query *q)
{
	if (!q->size)
		return q->offset <= (sym->size ? sym->size : sym->elf_size) ? 1 : 0;
	if (sym->size == q->size)
		return 3;
	if (sym->elf_size == q->size)
		return 2;
	return sym->last && q->size > sym->elf_size && q->size >= sym->size ? 2 : 0;
}

#define MATCHES_MAX 64 /* of one name and size that are compared */
#define NAMED_MAX   8  /* that are told */

struct match {
	const struct pv_sym *sym[MATCHES_MAX];
	size_t nr, all; /* with the best fit; of that name */
	int fit;
	const struct pv_sym *any;
};

static void match_name(const struct pv_sym_object *o, const struct pv_symbols_query *q,
		       struct match *m)
{
	const struct pv_sym *sym = NULL;

	memset(m, 0, sizeof(*m));
	while ((sym = pv_sym_by_name(o, q->func, sym))) {
		int f = fit(sym, q);

		m->any = sym;
		m->all++;
		if (!f || f < m->fit)
			continue;
		if (f > m->fit)
			m->nr = 0;
		m->fit = f;
		/* The same place by the same name twice is one. */
		if (m->nr && m->nr <= MATCHES_MAX && m->sym[m->nr - 1]->addr == sym->addr)
			continue;
		if (m->nr < MATCHES_MAX)
			m->sym[m->nr] = sym;
		m->nr++;
	}
	/* One of that name in the very file that ran: its size differs by what kallsyms left out.
	 */
	if (!m->nr && m->all == 1 &&
	    q->offset <= (m->any->size ? m->any->size : m->any->elf_size)) {
		m->sym[0] = m->any;
		m->fit = -1;
	}
}

static uint64_t place_of(const struct pv_sym *sym, const struct pv_symbols_query *q)
{
	/* Nothing returns to a function's first byte: that is an address in its own right. */
	return sym->addr + q->offset - (q->exact || !q->offset ? 0 : 1);
}

static bool same_chain(const struct pv_symbols_place *a, const struct pv_symbols_place *b,
		       size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(a[i].func, b[i].func) || a[i].line != b[i].line || !a[i].file ||
		    !b[i].file || strcmp(a[i].file, b[i].file))
			return false;
	}
	return true;
}

/*
 * Of arm64 functions gcc describes nothing before the nops that ftrace patches
 * (-fpatchable-function-entry): what is first behind them is the function's first line.
 */
#define ENTRY_BYTES 16

static void line_of(struct pv_symbols *s, struct pv_sym_object *o, uint64_t addr,
		    struct pv_symbols_answer *a)
{
	const char *why;

	a->nr = pv_sym_chain(o, addr, &a->chain);
	for (uint64_t on = 4; !a->nr && a->offset < ENTRY_BYTES && on <= ENTRY_BYTES &&
			      (!a->size || a->offset + on < a->size);
	     on += 4)
		a->nr = pv_sym_chain(o, addr + on, &a->chain);
	a->status =
		a->nr && a->chain[0].file && a->chain[0].line ? PV_SYMBOLS_OK : PV_SYMBOLS_NO_LINE;
	if (a->status == PV_SYMBOLS_OK)
		return;
	a->nr = 0;
	a->chain = NULL;
	why = pv_sym_dwarf_error(o);
	if (*why)
		pv_sym_note(s, pv_sym_text(s, "%s", why));
	a->why = *why ? pv_sym_text(s, "%s", why)
		      : pv_sym_text(s, "%s: no line for %s+0x%llx", o->path, a->func,
				    (unsigned long long)a->offset);
}

/* Several functions of that name and size: the same place (a header's) is an answer, else all are
 * named. */
static void several(struct pv_symbols *s, struct pv_sym_object *o, const struct pv_symbols_query *q,
		    const struct match *m, struct pv_symbols_answer *a)
{
	char text[1024];
	size_t n = 0, compared = m->nr < MATCHES_MAX ? m->nr : MATCHES_MAX;
	bool same = m->nr <= MATCHES_MAX;

	n = snprintf(text, sizeof(text), "%zu functions %s of that size:", m->nr, q->func);
	for (size_t i = 0; i < compared; i++) {
		struct pv_symbols_answer one = {.func = a->func, .offset = a->offset};

		line_of(s, o, place_of(m->sym[i], q), &one);
		if (!i) {
			a->chain = one.chain;
			a->nr = one.nr;
		}
		same = same && one.nr && one.nr == a->nr && same_chain(one.chain, a->chain, a->nr);
		if (i < NAMED_MAX && n < sizeof(text))
			n += snprintf(text + n, sizeof(text) - n, "%s %s:%u", i ? "," : "",
				      one.nr && one.chain[0].file ? one.chain[0].file : "?",
				      one.nr ? one.chain[0].line : 0);
	}
	if (same) {
		a->status = PV_SYMBOLS_OK;
		return;
	}
	a->status = PV_SYMBOLS_AMBIGUOUS;
	a->chain = NULL;
	a->nr = 0;
	a->why = pv_sym_text(s, "%s%s", text, m->nr > NAMED_MAX ? " and more" : "");
}

static const char *misfit(struct pv_symbols *s, const struct pv_sym_object *o,
			  const struct pv_symbols_query *q, const struct match *m, bool checked)
{
	unsigned long long size = m->any ? m->any->size : 0;

	if (!m->any)
		return pv_sym_text(s, "%s has no symbol %s", o->path, q->func);
	if (!q->size)
		return pv_sym_text(s, "%s: 0x%llx lies behind the end of %s", o->path,
				   (unsigned long long)q->offset, q->func);
	if (!checked)
		pv_sym_note(
			s,
			pv_sym_text(
				s,
				"%s has functions of other sizes than the log says: another kernel's?",
				o->path));
	return pv_sym_text(s, "%s: %s has size 0x%llx, the log says 0x%llx", o->path, q->func, size,
			   (unsigned long long)q->size);
}

static void by_name(struct pv_symbols *s, const struct pv_symbols_query *q,
		    struct pv_symbols_answer *a)
{
	struct pv_sym_object *o = object_of(s, q->module, q->build_id, a);
	struct match m;

	if (!o)
		return;
	if (q->module)
		borrow_root(s, o);
	match_name(o, q, &m);
	if (m.nr > 1) {
		several(s, o, q, &m, a);
	} else if (m.nr || (m.fit < 0 && a->checked)) {
		if (!a->size)
			a->size = m.sym[0]->size;
		line_of(s, o, place_of(m.sym[0], q), a);
	} else {
		a->status = PV_SYMBOLS_NO_SYMBOL;
		a->why = misfit(s, o, q, &m, a->checked);
	}
}

/* ---- by address ---- */

static void by_kallsym(struct pv_symbols *s, const struct pv_symbols_query *q, uint64_t addr,
		       const struct pv_sym_kallsym *sym, uint64_t size, struct pv_symbols_answer *a)
{
	struct pv_symbols_query named = *q;

	named.func = a->func = sym->name;
	named.module = a->module = sym->module;
	named.offset = a->offset = addr - sym->addr + !q->exact;
	named.size = a->size = size;
	by_name(s, &named, a);
}

static void by_address(struct pv_symbols *s, const struct pv_symbols_query *q,
		       struct pv_symbols_answer *a)
{
	uint64_t addr = q->address - !q->exact, size;
	struct pv_sym_kallsym named;
	const struct pv_sym *sym;
	struct pv_sym_object *o;

	if (pv_sym_kallsyms_find(s, &addr, &named, &size)) {
		by_kallsym(s, q, addr, &named, size, a);
		return;
	}
	for (size_t i = 0; i < s->nr_known; i++) {
		const struct pv_sym_known *k = &s->known[i];

		if (!k->size || addr - k->base >= k->size)
			continue;
		a->module = k->module;
		a->status = PV_SYMBOLS_NO_SYMBOL;
		a->why = pv_sym_text(
			s, "0x%llx is 0x%llx bytes into module %s; kallsyms would name it",
			(unsigned long long)q->address, (unsigned long long)(q->address - k->base),
			k->module);
		return;
	}
	o = object_of(s, NULL, NULL, a);
	if (!o)
		return;
	sym = pv_sym_by_addr(o, addr - s->slide);
	if (!sym) {
		a->status = PV_SYMBOLS_NO_SYMBOL;
		a->why = pv_sym_text(s, "%s has nothing at 0x%llx", o->path,
				     (unsigned long long)q->address);
		return;
	}
	a->func = sym->name;
	a->offset = addr - s->slide - sym->addr + !q->exact;
	a->size = sym->size;
	line_of(s, o, addr - s->slide, a);
}

void pv_symbols_resolve(struct pv_symbols *s, const struct pv_symbols_query *q,
			struct pv_symbols_answer *a)
{
	struct pv_symbols_query own = *q;

	if (own.module && !own.module[0])
		own.module = NULL;
	if (own.build_id && !own.build_id[0])
		own.build_id = NULL;
	*a = (struct pv_symbols_answer){.why = ""};
	if (!own.func) {
		by_address(s, &own, a);
		return;
	}
	a->func = pv_intern(&s->strings, own.func);
	a->module = pv_intern(&s->strings, own.module);
	a->offset = own.offset;
	a->size = own.size;
	by_name(s, &own, a);
}
