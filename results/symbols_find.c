/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of the files given is the kernel or the module that the log speaks of. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/symbols_private.h"

const char *pv_sym_text(struct pv_symbols *s, const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return pv_intern(&s->strings, text);
}

void pv_sym_note(struct pv_symbols *s, const char *text)
{
	/* Interned, so the same text is the same pointer. */
	for (size_t i = 0; i < s->nr_notes; i++) {
		if (s->note[i] == text)
			return;
	}
	if (s->nr_notes == s->notes_size) {
		s->notes_size = s->notes_size ? s->notes_size * 2 : 16;
		s->note = realloc(s->note, s->notes_size * sizeof(*s->note));
		if (!s->note)
			abort();
	}
	s->note[s->nr_notes++] = text;
}

struct pv_sym_known *pv_sym_known(struct pv_symbols *s, const char *module, bool make)
{
	const char *name = module ? module : "";

	for (size_t i = 0; i < s->nr_known; i++) {
		if (!strcmp(s->known[i].module, name))
			return &s->known[i];
	}
	if (!make)
		return NULL;
	s->known = realloc(s->known, (s->nr_known + 1) * sizeof(*s->known));
	if (!s->known)
		abort();
	s->known[s->nr_known] = (struct pv_sym_known){.module = pv_intern(&s->strings, name)};
	return &s->known[s->nr_known++];
}

/* ---- files ---- */

static struct pv_sym_file *inspect(struct pv_symbols *s, const char *path)
{
	struct pv_sym_file *f = pv_arena_alloc(&s->arena, sizeof(*f));
	int fd;

	f->path = pv_intern(&s->strings, path);
	fd = pv_sym_open(path, &f->stamp, f->error, sizeof(f->error));
	if (fd >= 0) {
		pv_sym_inspect(fd, path, &f->info, f->error, sizeof(f->error));
		close(fd);
	}
	if (s->nr_files == s->files_size) {
		s->files_size = s->files_size ? s->files_size * 2 : 64;
		s->file = realloc(s->file, s->files_size * sizeof(*s->file));
		if (!s->file)
			abort();
	}
	s->file[s->nr_files++] = f;
	return f;
}

struct pv_sym_file *pv_sym_file(struct pv_symbols *s, const char *path)
{
	struct pv_sym_stamp now = {0};
	bool there = pv_sym_stamp(path, &now), explicit = false;
	struct pv_sym_file *f;

	for (size_t i = 0; i < s->nr_files; i++) {
		f = s->file[i];
		if (f->stale || strcmp(f->path, path))
			continue;
		if (there && pv_sym_same(&f->stamp, &now))
			return f;
		/* Answers that were given from the old one stay right: it stays open. */
		f->stale = true;
		explicit = f->explicit;
	}
	f = inspect(s, path);
	f->explicit = explicit;
	return f;
}

/* ---- choosing ---- */

struct pick {
	const char *module, *want; /* want NULL: nobody says */
	struct pv_sym_file *best, *rival, *other, *nameless, *broken;
};

/* More is better: what proves itself, then what knows lines. */
static int worth(const struct pv_symbols *s, const struct pv_sym_file *f)
{
	return (s->release && !strcmp(f->info.release, s->release) ? 2 : 0) + f->info.dwarf;
}

static bool same_build(const struct pv_sym_file *a, const struct pv_sym_file *b)
{
	return a->info.build_id[0] && !strcmp(a->info.build_id, b->info.build_id);
}

static void take(struct pv_symbols *s, struct pick *p, struct pv_sym_file *f)
{
	struct pv_sym_file *best = p->best;
	int more = best ? worth(s, f) - worth(s, best) : 1;

	if (best == f)
		return;
	if (best && !p->want && !same_build(best, f)) {
		/* Another build. It is a rival unless one of both has the right release. */
		if (more / 2 == 0) {
			p->rival = f;
			return;
		}
		if (more > 0)
			p->rival = NULL;
	}
	if (more > 0)
		p->best = f;
}

/* A file that may be it, by its name or because the user says so. */
static void consider(struct pv_symbols *s, struct pick *p, struct pv_sym_file *f, bool by_build_id)
{
	const struct pv_sym_info *i = &f->info;

	if (f->error[0]) {
		if (!by_build_id)
			p->broken = f;
		return;
	}
	if (i->module != (p->module != NULL))
		return;
	if (p->want && !strcmp(i->build_id, p->want)) {
		take(s, p, f);
		return;
	}
	if (by_build_id)
		return;
	if (p->module ? strcmp(i->name, p->module) : !f->explicit && !i->banner)
		return;
	if (p->want && !i->build_id[0])
		p->nameless = f;
	else if (p->want || (s->release && i->release[0] && strcmp(s->release, i->release)))
		p->other = p->other ? p->other : f;
	else
		take(s, p, f);
}

static bool consider_path(struct pv_symbols *s, struct pick *p, bool by_build_id, const char *fmt,
			  ...) __attribute__((format(printf, 4, 5)));

static bool consider_path(struct pv_symbols *s, struct pick *p, bool by_build_id, const char *fmt,
			  ...)
{
	char path[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(path) || access(path, F_OK))
		return false;
	consider(s, p, pv_sym_file(s, path), by_build_id);
	return p->best && p->best->info.dwarf;
}

/* gdb's and debuginfod's places for a build-id. */
static bool by_build_id(struct pv_symbols *s, struct pick *p, const char *dir)
{
	static const char *const trees[] = {"", "/usr/lib/debug", "/lib/debug", "/debug"};
	const char *id = p->want;

	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		if (consider_path(s, p, true, "%s%s/.build-id/%.2s/%s.debug", dir, trees[i], id,
				  id + 2) ||
		    consider_path(s, p, true, "%s%s/.build-id/%.2s/%s", dir, trees[i], id, id + 2))
			return true;
	}
	return consider_path(s, p, true, "%s/%.2s/%s.debug", dir, id, id + 2) ||
	       consider_path(s, p, true, "%s/%s/debuginfo", dir, id) ||
	       consider_path(s, p, true, "%s/%s/executable", dir, id);
}

static void by_name(struct pv_symbols *s, struct pick *p, struct pv_sym_dir *d)
{
	size_t nr, at = pv_sym_dir_find(s, d, p->module ? p->module : "vmlinux", &nr);

	for (size_t i = 0; i < nr; i++)
		consider(s, p, pv_sym_file(s, d->entry[at + i].path), false);
}

/* A stripped file names the one that has its debug information. */
static void by_debuglink(struct pv_symbols *s, struct pick *p)
{
	const struct pv_sym_file *f = p->best;
	const char *link = f->info.debuglink, *slash = strrchr(f->path, '/');
	int n = slash ? (int)(slash - f->path) : 1;
	const char *base = slash ? f->path : ".";
	/* Only the same build will do, also where the log names none. */
	const char *want = p->want;

	if (!link[0] || !f->info.build_id[0])
		return;
	p->want = f->info.build_id;
	if (consider_path(s, p, true, "%.*s/.debug/%s", n, base, link) ||
	    consider_path(s, p, true, "%.*s/%s", n, base, link)) {
		p->want = want;
		return;
	}
	for (size_t i = 0; i < s->nr_dirs && !p->best->info.dwarf; i++) {
		char name[PV_SYM_NAME];
		size_t nr, at;

		if (by_build_id(s, p, s->dir[i].path))
			break;
		at = pv_sym_dir_find(s, &s->dir[i], pv_sym_module_name(link, name) ? name : link,
				     &nr);
		for (size_t k = 0; k < nr; k++)
			consider(s, p, pv_sym_file(s, s->dir[i].entry[at + k].path), true);
	}
	p->want = want;
}

/* ---- what is said of it ---- */

static const char *what(struct pv_symbols *s, const struct pick *p)
{
	return p->module ? pv_sym_text(s, "module %s", p->module) : "the kernel";
}

static const char *id_text(const struct pv_sym_file *f)
{
	return f->info.build_id[0] ? f->info.build_id : "none";
}

static void say_unchecked(struct pv_symbols *s, const struct pick *p)
{
	const struct pv_sym_info *i = &p->best->info;
	const char *release = !i->release[0] ? "it does not tell its release"
			      : !s->release
				      ? "nor a release"
				      : pv_sym_text(s, "the release %s is the same", i->release);

	pv_sym_note(
		s,
		pv_sym_text(s,
			    "%s (build-id %s) was not checked: the log names no build-id of %s; %s",
			    p->best->path, id_text(p->best), what(s, p), release));
}

static void refuse(struct pv_symbols *s, const struct pick *p, struct pv_sym_found *found)
{
	const struct pv_sym_file *f = p->other;

	found->status = PV_SYMBOLS_OTHER;
	if (f && p->want)
		found->why = pv_sym_text(s, "%s is not used: its build-id is %s, that of %s is %s",
					 f->path, id_text(f), what(s, p), p->want);
	else if (p->nameless)
		found->why = pv_sym_text(s, "%s is not used: it has no build-id, that of %s is %s",
					 p->nameless->path, what(s, p), p->want);
	else if (f)
		found->why =
			pv_sym_text(s, "%s is not used: it is of Linux %s, the log of Linux %s",
				    f->path, f->info.release, s->release);
	else if (p->broken) {
		found->status = PV_SYMBOLS_BROKEN;
		found->why = pv_sym_text(s, "%s", p->broken->error);
	} else {
		found->status = PV_SYMBOLS_NO_FILE;
		found->why = p->want ? pv_sym_text(s, "no file with build-id %s of %s", p->want,
						   what(s, p))
				     : pv_sym_text(s, "no file of %s", what(s, p));
	}
	/* Nothing was given for it: that is not worth a line each. */
	if (found->status != PV_SYMBOLS_NO_FILE)
		pv_sym_note(s, found->why);
}

void pv_sym_find(struct pv_symbols *s, const char *module, const char *build_id,
		 struct pv_sym_found *found)
{
	const struct pv_sym_known *known = pv_sym_known(s, module, false);
	struct pick p = {.module = module, .want = build_id};
	size_t nr = s->nr_files;

	*found = (struct pv_sym_found){.why = ""};
	if (!p.want && known)
		p.want = known->build_id;
	for (size_t i = 0; i < nr; i++) {
		if (s->file[i]->explicit && !s->file[i]->stale)
			consider(s, &p, pv_sym_file(s, s->file[i]->path), false);
	}
	for (size_t i = 0; p.want && i < s->nr_dirs && !(p.best && p.best->info.dwarf); i++)
		by_build_id(s, &p, s->dir[i].path);
	for (size_t i = 0; i < s->nr_dirs && !(p.best && p.best->info.dwarf); i++)
		by_name(s, &p, &s->dir[i]);
	if (!p.best) {
		refuse(s, &p, found);
		return;
	}
	if (p.rival) {
		found->status = PV_SYMBOLS_NO_FILE;
		found->why = pv_sym_text(
			s,
			"%s and %s could both be %s and the log names no build-id: give one of them",
			p.best->path, p.rival->path, what(s, &p));
		pv_sym_note(s, found->why);
		return;
	}
	if (!p.best->info.dwarf)
		by_debuglink(s, &p);
	found->file = p.best;
	found->checked = p.want;
	if (!p.want)
		say_unchecked(s, &p);
}
