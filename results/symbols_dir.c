/* SPDX-License-Identifier: GPL-2.0-only */
/* Directories: debug packages, build trees, /lib/modules/RELEASE. Walked once, when a name is asked
 * for. */
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/symbols_private.h"

#define ENTRIES_MAX 1000000
#define DEPTH_MAX   64

static bool ends_with(const char *text, const char *tail)
{
	size_t n = strlen(text), m = strlen(tail);

	return n >= m && !strcmp(text + n - m, tail);
}

/* What a file is looked for by; NULL: never. */
static const char *key(struct pv_symbols *s, const char *path)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	char name[PV_SYM_NAME];

	if (pv_sym_module_name(path, name))
		return pv_intern(&s->strings, name);
	if (!strncmp(base, "vmlinux", 7)) {
		const char *rest = base + 7;

		if (!*rest || *rest == '-' || !strcmp(rest, ".debug") ||
		    !strcmp(rest, ".unstripped"))
			return "vmlinux";
	}
	return ends_with(base, ".debug") ? pv_intern(&s->strings, base) : NULL;
}

static void add(struct pv_symbols *s, struct pv_sym_dir *d, const char *path)
{
	const char *name = key(s, path);

	if (!name)
		return;
	if (d->nr == d->size) {
		d->size = d->size ? d->size * 2 : 1024;
		d->entry = realloc(d->entry, d->size * sizeof(*d->entry));
		if (!d->entry)
			abort();
	}
	d->entry[d->nr++] = (struct pv_sym_entry){pv_intern(&s->strings, path), name};
}

static int by_name(const void *a, const void *b)
{
	const struct pv_sym_entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : strcmp(x->path, y->path);
}

void pv_sym_dir_walk(struct pv_symbols *s, struct pv_sym_dir *d)
{
	char *paths[] = {(char *)d->path, NULL};
	FTS *fts;
	FTSENT *e;

	d->walked = true;
	fts = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	if (!fts)
		return;
	while (d->nr < ENTRIES_MAX && (e = fts_read(fts))) {
		/* Links to directories (build, source) lead out of the tree; links to files are
		 * fine. */
		if (e->fts_info == FTS_D && e->fts_level > 0 &&
		    (e->fts_level > DEPTH_MAX || !strcmp(e->fts_name, ".git")))
			fts_set(fts, e, FTS_SKIP);
		else if (e->fts_info == FTS_F || e->fts_info == FTS_SL)
			add(s, d, e->fts_path);
	}
	fts_close(fts);
	if (d->nr)
		qsort(d->entry, d->nr, sizeof(*d->entry), by_name);
}

size_t pv_sym_dir_find(struct pv_symbols *s, struct pv_sym_dir *d, const char *name, size_t *nr)
{
	size_t lo = 0, hi;

	if (!d->walked)
		pv_sym_dir_walk(s, d);
	for (hi = d->nr; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(d->entry[mid].name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (*nr = 0; lo + *nr < d->nr && !strcmp(d->entry[lo + *nr].name, name); ++*nr)
		;
	return lo;
}
