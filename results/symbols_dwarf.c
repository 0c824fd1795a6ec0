/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Source lines and inline chains with libdw. Compilation units are read when an address lies in
 * them: their functions are indexed once, so that a second address costs a walk down one function
 * only.
 *
 * libdw follows what the file says. Walks here end by themselves: siblings must lie behind one
 * another, depth and steps are bounded.
 */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/symbols_private.h"

#define DEPTH_MAX 128
#define STEPS_MAX 1000000 /* DIEs below one function */

struct range {
	uint64_t lo, hi;
	Dwarf_Off die; /* of the unit, or of the function */
};

struct ranges {
	struct range *at; /* by lo */
	uint64_t *reach;  /* the highest hi up to here: ranges of broken files overlap */
	size_t nr, size;
};

struct unit {
	struct unit *next;
	Dwarf_Off off;
	Dwarf_Die die;
	struct ranges functions;
	Dwarf_Files *files;
	size_t nr_files;
	const char *dir; /* of the compiler; "" unknown */
	bool indexed;
};

struct cached {
	uint64_t addr;
	const struct pv_symbols_place *chain;
	uint32_t nr;
	bool used;
};

#define NR_UNITS 1024 /* a power of 2 */

struct pv_sym_dwarf {
	Dwarf *dw;
	Dwarf_Addr bias;
	Dwarf_Aranges *aranges;
	bool walked;         /* all units: there are no aranges, or they lack an address */
	struct ranges units; /* if walked */
	struct unit *unit[NR_UNITS];
	struct cached *cache;
	size_t nr_cached, cache_size;
	struct pv_strings strings;
	char error[256];
};

/* ---- ranges ---- */

static void add_range(struct ranges *r, uint64_t lo, uint64_t hi, Dwarf_Off die)
{
	/* 0 is where the linker sends what it has dropped. */
	if (lo >= hi || (!lo && hi < 4096))
		return;
	if (r->nr == r->size) {
		r->size = r->size ? r->size * 2 : 64;
		r->at = realloc(r->at, r->size * sizeof(*r->at));
		if (!r->at)
			abort();
	}
	r->at[r->nr++] = (struct range){lo, hi, die};
}

/* Everything that a DIE covers. */
static void add_ranges(struct ranges *r, Dwarf_Die *die)
{
	Dwarf_Addr base, lo, hi;
	ptrdiff_t at = 0;

	for (int i = 0; i < 100000; i++) {
		at = dwarf_ranges(die, at, &base, &lo, &hi);
		if (at <= 0)
			return;
		add_range(r, lo, hi, dwarf_dieoffset(die));
	}
}

static int by_lo(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->lo != y->lo)
		return x->lo < y->lo ? -1 : 1;
	return x->hi < y->hi ? 1 : x->hi > y->hi ? -1 : 0;
}

static void sort_ranges(struct ranges *r)
{
	uint64_t reach = 0;

	if (!r->nr)
		return;
	qsort(r->at, r->nr, sizeof(*r->at), by_lo);
	r->reach = malloc(r->nr * sizeof(*r->reach));
	if (!r->reach)
		abort();
	for (size_t i = 0; i < r->nr; i++) {
		reach = r->at[i].hi > reach ? r->at[i].hi : reach;
		r->reach[i] = reach;
	}
}

/* The range that begins last of those around the address. */
static const struct range *find_range(const struct ranges *r, uint64_t addr)
{
	size_t lo = 0, hi = r->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->at[mid].lo <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo-- > 0 && r->reach[lo] > addr;) {
		if (r->at[lo].hi > addr)
			return &r->at[lo];
	}
	return NULL;
}

static void free_ranges(struct ranges *r)
{
	free(r->at);
	free(r->reach);
}

/* ---- units ---- */

/* DIEs of a file that lies may lead back: a sibling must lie behind. */
static bool next_sibling(Dwarf_Die *die)
{
	Dwarf_Off before = dwarf_dieoffset(die);

	return !dwarf_siblingof(die, die) && dwarf_dieoffset(die) > before;
}

static void index_functions(struct unit *u, Dwarf_Die *parent, int depth)
{
	Dwarf_Die die;

	if (depth > DEPTH_MAX || dwarf_child(parent, &die))
		return;
	do {
		switch (dwarf_tag(&die)) {
		case DW_TAG_subprogram:
			add_ranges(&u->functions, &die);
			break;
		case DW_TAG_namespace: /* Rust */
			index_functions(u, &die, depth + 1);
			break;
		}
	} while (next_sibling(&die));
}

static struct unit *unit_of(struct pv_sym_object *o, Dwarf_Off off)
{
	struct pv_sym_dwarf *d = o->dwarf;
	struct unit **slot = &d->unit[(off ^ off >> 10 ^ off >> 20) % NR_UNITS], *u;
	Dwarf_Attribute attr;

	for (u = *slot; u && u->off != off; u = u->next)
		;
	if (!u) {
		u = pv_arena_alloc(&o->arena, sizeof(*u));
		u->off = off;
		u->next = *slot;
		*slot = u;
	}
	if (u->indexed)
		return u;
	u->indexed = true;
	u->dir = "";
	if (!dwarf_offdie(d->dw, off, &u->die)) {
		u->die = (Dwarf_Die){0};
		return u;
	}
	index_functions(u, &u->die, 0);
	sort_ranges(&u->functions);
	if (dwarf_attr(&u->die, DW_AT_comp_dir, &attr) && dwarf_formstring(&attr))
		u->dir = dwarf_formstring(&attr);
	if (dwarf_getsrcfiles(&u->die, &u->files, &u->nr_files))
		u->files = NULL;
	return u;
}

/* clang writes no .debug_aranges unless it is told to; then the units themselves must tell. */
static void walk_units(struct pv_sym_dwarf *d)
{
	Dwarf_CU *cu = NULL;
	Dwarf_Die die;
	uint8_t type;

	d->walked = true;
	while (!dwarf_get_units(d->dw, cu, &cu, NULL, &type, &die, NULL)) {
		if (type == DW_UT_compile && dwarf_tag(&die) == DW_TAG_compile_unit)
			add_ranges(&d->units, &die);
	}
	sort_ranges(&d->units);
}

static struct unit *find_unit(struct pv_sym_object *o, uint64_t addr)
{
	struct pv_sym_dwarf *d = o->dwarf;
	Dwarf_Arange *a = d->aranges ? dwarf_getarange_addr(d->aranges, addr) : NULL;
	const struct range *r;
	Dwarf_Off off;

	if (a && !dwarf_getarangeinfo(a, NULL, NULL, &off))
		return unit_of(o, off);
	if (!d->walked)
		walk_units(d);
	r = find_range(&d->units, addr);
	return r ? unit_of(o, r->die) : NULL;
}

/* ---- names ---- */

/* The rest of a path below a directory; the path itself when it lies elsewhere. */
static const char *below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return n && !strncmp(path, dir, n) && path[n] == '/' ? path + n + 1 : path;
}

/* Without "." and "..". */
static const char *tidy(struct pv_sym_dwarf *d, const char *path)
{
	size_t n = strlen(path), len = 0, piece;
	char *text = malloc(n + 2);
	const char *kept;

	if (!text)
		abort();
	if (*path == '/')
		text[len++] = '/';
	for (; *path; path += piece) {
		path += strspn(path, "/");
		piece = strcspn(path, "/");
		if (!piece || (piece == 1 && path[0] == '.'))
			continue;
		if (piece == 2 && !memcmp(path, "..", 2) && len > 1) {
			size_t back = len - 1;

			while (back > 0 && text[back - 1] != '/')
				back--;
			if (len - back < 3 || memcmp(text + back, "../", 3)) {
				len = back;
				continue;
			}
		}
		memcpy(text + len, path, piece);
		len += piece;
		text[len++] = '/';
	}
	while (len > 1 && text[len - 1] == '/')
		len--;
	text[len] = 0;
	pv_text_clean(text, text, len, 0);
	kept = pv_intern(&d->strings, text);
	free(text);
	return kept;
}

/* As it is called in the kernel's tree: below its root, or below where the compiler was started. */
static const char *file_name(struct pv_sym_object *o, const struct unit *u, const char *path)
{
	const char *full = tidy(o->dwarf, path), *rest = below(full, o->root);

	return rest == full ? below(full, tidy(o->dwarf, u->dir)) : rest;
}

static const char *clean_name(struct pv_sym_dwarf *d, const char *name)
{
	const char *kept;
	char *text;
	size_t n;

	if (!name)
		return "";
	n = strlen(name);
	text = malloc(n + 1);
	if (!text)
		abort();
	pv_text_clean(text, name, n, 0);
	kept = pv_intern(&d->strings, text);
	free(text);
	return kept;
}

/* ---- one address ---- */

struct walk {
	uint64_t addr;
	Dwarf_Die scope[PV_SYM_CHAIN_MAX]; /* outermost first: the function, then what is inlined */
	size_t nr;
	unsigned int steps;
};

/* Blocks without addresses of their own are looked into, too. */
static bool covers(Dwarf_Die *die, uint64_t addr)
{
	if (dwarf_haspc(die, addr) > 0)
		return true;
	return dwarf_tag(die) == DW_TAG_lexical_block && !dwarf_hasattr(die, DW_AT_low_pc) &&
	       !dwarf_hasattr(die, DW_AT_ranges);
}

static bool descend(struct walk *w, Dwarf_Die *parent, int depth)
{
	size_t before = w->nr;
	Dwarf_Die die;

	if (depth > DEPTH_MAX || dwarf_child(parent, &die))
		return false;
	do {
		int tag = dwarf_tag(&die);

		if (++w->steps > STEPS_MAX || w->nr == PV_SYM_CHAIN_MAX)
			return false;
		if (tag != DW_TAG_lexical_block && tag != DW_TAG_inlined_subroutine &&
		    tag != DW_TAG_subprogram)
			continue;
		if (!covers(&die, w->addr))
			continue;
		if (tag != DW_TAG_lexical_block)
			w->scope[w->nr++] = die;
		descend(w, &die, depth + 1);
		if (w->nr > before)
			return true;
	} while (next_sibling(&die));
	return false;
}

static void call_place(struct pv_sym_object *o, struct unit *u, Dwarf_Die *die,
		       struct pv_symbols_place *place)
{
	Dwarf_Word file = 0, line = 0;
	Dwarf_Attribute attr;
	const char *path = NULL;

	if (dwarf_attr(die, DW_AT_call_file, &attr) && !dwarf_formudata(&attr, &file) && u->files &&
	    file < u->nr_files)
		path = dwarf_filesrc(u->files, file, NULL, NULL);
	if (dwarf_attr(die, DW_AT_call_line, &attr) && dwarf_formudata(&attr, &line))
		line = 0;
	place->file = path ? file_name(o, u, path) : NULL;
	place->line = line <= UINT32_MAX ? line : 0;
}

static size_t resolve(struct pv_sym_object *o, uint64_t addr, struct pv_symbols_place *chain)
{
	struct pv_sym_dwarf *d = o->dwarf;
	struct unit *u = find_unit(o, addr);
	struct walk w = {.addr = addr};
	const struct range *r;
	Dwarf_Line *line;
	Dwarf_Die function;
	const char *path;
	int number = 0;

	if (!u || !u->die.addr)
		return 0;
	r = find_range(&u->functions, addr);
	if (r && dwarf_offdie(d->dw, r->die, &function)) {
		w.scope[w.nr++] = function;
		descend(&w, &function, 0);
	}
	line = dwarf_getsrc_die(&u->die, addr);
	path = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
	if (!path || dwarf_lineno(line, &number) || number < 0)
		number = 0;
	if (!path && !w.nr)
		return 0;
	chain[0] = (struct pv_symbols_place){"", path ? file_name(o, u, path) : NULL, number};
	for (size_t i = 0; i < w.nr; i++) {
		Dwarf_Die *scope = &w.scope[w.nr - 1 - i];

		chain[i].func = clean_name(d, dwarf_diename(scope));
		if (i + 1 < w.nr)
			call_place(o, u, scope, &chain[i + 1]);
	}
	return w.nr ? w.nr : 1;
}

/* ---- the cache ---- */

static struct cached *slot(struct pv_sym_dwarf *d, uint64_t addr)
{
	size_t i = (addr * 0x9e3779b97f4a7c15ull) >> 32 & (d->cache_size - 1);

	while (d->cache[i].used && d->cache[i].addr != addr)
		i = (i + 1) & (d->cache_size - 1);
	return &d->cache[i];
}

static void grow(struct pv_sym_dwarf *d)
{
	struct cached *old = d->cache;
	size_t size = d->cache_size;

	d->cache_size = size ? size * 2 : 1024;
	d->cache = calloc(d->cache_size, sizeof(*d->cache));
	if (!d->cache)
		abort();
	for (size_t i = 0; i < size; i++) {
		if (old[i].used)
			*slot(d, old[i].addr) = old[i];
	}
	free(old);
}

static void load(struct pv_sym_object *o)
{
	struct pv_sym_dwarf *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	o->dwarf = d;
	d->strings.arena = &o->arena;
	d->dw = o->mod ? dwfl_module_getdwarf(o->mod, &d->bias) : NULL;
	if (!d->dw) {
		snprintf(d->error, sizeof(d->error), "%s: no debug information: %s", o->path,
			 dwfl_errmsg(-1));
		return;
	}
	/* Only a module's symbols are given in libdwfl's layout. */
	if (!o->info.module)
		d->bias = 0;
	if (dwarf_getaranges(d->dw, &d->aranges, NULL))
		d->aranges = NULL;
}

size_t pv_sym_chain(struct pv_sym_object *o, uint64_t addr, const struct pv_symbols_place **chain)
{
	struct pv_symbols_place found[PV_SYM_CHAIN_MAX + 1];
	struct pv_sym_dwarf *d;
	struct pv_symbols_place *kept;
	struct cached *c;
	size_t nr;

	if (!o->dwarf)
		load(o);
	d = o->dwarf;
	if (!d->dw)
		return 0;
	if (d->nr_cached * 2 >= d->cache_size)
		grow(d);
	c = slot(d, addr);
	if (!c->used) {
		nr = resolve(o, addr - d->bias, found);
		kept = pv_arena_alloc(&o->arena, (nr ? nr : 1) * sizeof(*kept));
		memcpy(kept, found, nr * sizeof(*kept));
		*c = (struct cached){addr, kept, nr, true};
		d->nr_cached++;
	}
	*chain = c->chain;
	return c->nr;
}

/* The directory that `tail` lies in, by the place of a symbol; NULL: its path does not end so, or
 * is relative. */
static const char *root_by(struct pv_sym_object *o, const char *symbol, const char *tail)
{
	const struct pv_sym *sym = pv_sym_by_name(o, symbol, NULL);
	struct unit *u = sym ? find_unit(o, sym->addr) : NULL;
	Dwarf_Line *line = u && u->die.addr ? dwarf_getsrc_die(&u->die, sym->addr) : NULL;
	const char *path = line ? dwarf_linesrc(line, NULL, NULL) : NULL;
	size_t n, m = strlen(tail);
	char *root;

	if (!path || *path != '/')
		return NULL;
	path = tidy(o->dwarf, path);
	n = strlen(path);
	if (n <= m || strcmp(path + n - m, tail))
		return NULL;
	root = pv_arena_alloc(&o->arena, n);
	memcpy(root, path, n - m);
	return root;
}

void pv_sym_find_root(struct pv_sym_object *o)
{
	/* Distributions map the prefix of C files away; assembler files keep theirs. */
	static const char *const known[][2] = {
		{"start_kernel", "/init/main.c"},
		{"entry_SYSCALL_64", "/arch/x86/entry/entry_64.S"},
		{"primary_entry", "/arch/arm64/kernel/head.S"},
	};
	const char *root = NULL;

	if (!o->dwarf)
		load(o);
	for (size_t i = 0; o->dwarf->dw && !root && i < sizeof(known) / sizeof(known[0]); i++)
		root = root_by(o, known[i][0], known[i][1]);
	if (root)
		o->root = root;
}

const char *pv_sym_dwarf_error(struct pv_sym_object *o)
{
	return o->dwarf ? o->dwarf->error : "";
}

void pv_sym_dwarf_free(struct pv_sym_object *o)
{
	struct pv_sym_dwarf *d = o->dwarf;

	if (!d)
		return;
	free_ranges(&d->units);
	for (size_t i = 0; i < NR_UNITS; i++) {
		for (struct unit *u = d->unit[i]; u; u = u->next)
			free_ranges(&u->functions);
	}
	free(d->cache);
	pv_strings_free(&d->strings);
	free(d);
}
