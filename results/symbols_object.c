/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One ELF file through libdwfl, which lays out and relocates modules, and its symbols as the
 * kernel's own table has them: a function's size there reaches to the next symbol, padding included
 * (kernel/kallsyms.c get_symbol_pos(), kernel/module/kallsyms.c find_kallsyms_symbol()).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/symbols_private.h"

#define NONE UINT32_MAX

/* The file that was chosen is all there is: libdwfl must not look for others by itself. */
static int no_debuginfo(Dwfl_Module *mod, void **data, const char *name, Dwarf_Addr base,
			const char *file, const char *link, GElf_Word crc, char **found)
{
	(void)mod, (void)data, (void)name, (void)base, (void)file, (void)link, (void)crc;
	(void)found;
	return -1;
}

static const Dwfl_Callbacks callbacks = {
	.find_debuginfo = no_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static size_t hash(const char *name)
{
	/* clang with LTO makes static functions unique by it; the kernel cuts it off again. */
	const char *llvm = strstr(name, ".llvm.");
	size_t n = llvm ? (size_t)(llvm - name) : strlen(name);
	uint64_t h = 14695981039346656037ull;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)name[i]) * 1099511628211ull;
	return h ^ h >> 32;
}

static bool same_name(const char *symbol, const char *name)
{
	size_t n = strlen(name);

	return !strncmp(symbol, name, n) && (!symbol[n] || !strncmp(symbol + n, ".llvm.", 6));
}

/* What scripts/kallsyms.c and the module loader leave out. */
static bool wanted(const char *name, const GElf_Sym *sym)
{
	int type = GELF_ST_TYPE(sym->st_info);

	if (!name || !name[0] || sym->st_shndx == SHN_UNDEF)
		return false;
	if (type != STT_NOTYPE && type != STT_FUNC && type != STT_OBJECT && type != STT_GNU_IFUNC)
		return false;
	return name[0] != '$' && strncmp(name, ".L", 2) && strncmp(name, "__kcfi_typeid_", 14);
}

static unsigned char rank(const char *name, const GElf_Sym *sym)
{
	int type = GELF_ST_TYPE(sym->st_info), bind = GELF_ST_BIND(sym->st_info);
	size_t underscores = strspn(name, "_");

	return (type == STT_FUNC ? 0 : 64) + (bind == STB_WEAK ? 32 : 0) +
	       (underscores < 15 ? underscores * 2 : 30) + (bind != STB_GLOBAL);
}

static int by_addr(const void *a, const void *b)
{
	const struct pv_sym *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

static uint64_t section_end(Elf *elf, uint32_t section, uint64_t start)
{
	Elf_Scn *scn = elf ? elf_getscn(elf, section) : NULL;
	GElf_Shdr sh;

	return scn && gelf_getshdr(scn, &sh) ? start + sh.sh_size : start;
}

static void read_symbols(struct pv_sym_object *o, int count)
{
	for (int i = 1; i < count; i++) {
		struct pv_sym *s = &o->sym[o->nr];
		GElf_Sym sym;
		GElf_Addr addr;
		GElf_Word section = 0;
		Elf *elf = NULL;
		const char *name =
			dwfl_module_getsym_info(o->mod, i, &sym, &addr, &section, &elf, NULL);

		if (!wanted(name, &sym))
			continue;
		*s = (struct pv_sym){
			.name = name, .elf_size = sym.st_size, .rank = rank(name, &sym)};
		s->addr = sym.st_value;
		if (o->info.module) {
			s->addr = addr;
			s->section = section;
			/* Where the section ends, until the next symbol is known. */
			s->size = section_end(elf, section, addr - sym.st_value) - addr;
		}
		o->nr++;
	}
}

static void measure(struct pv_sym_object *o)
{
	size_t next = o->nr;

	/* From behind, so that `next` is always the first symbol at a higher address. */
	for (size_t i = o->nr; i-- > 0;) {
		struct pv_sym *s = &o->sym[i];

		if (i + 1 < o->nr && o->sym[i + 1].addr != s->addr)
			next = i + 1;
		s->last = next == o->nr || (o->info.module && o->sym[next].section != s->section);
		if (!s->last)
			s->size = o->sym[next].addr - s->addr;
		else if (!o->info.module)
			s->size = s->elf_size;
	}
}

static void index_names(struct pv_sym_object *o)
{
	for (o->nr_buckets = 64; o->nr_buckets < o->nr; o->nr_buckets *= 2)
		;
	o->bucket = malloc(o->nr_buckets * sizeof(*o->bucket));
	if (!o->bucket)
		abort();
	memset(o->bucket, 0xff, o->nr_buckets * sizeof(*o->bucket));
	for (size_t i = o->nr; i-- > 0;) {
		uint32_t *b = &o->bucket[hash(o->sym[i].name) & (o->nr_buckets - 1)];

		o->sym[i].next = *b;
		*b = i;
	}
}

static void load_symbols(struct pv_sym_object *o)
{
	int count = dwfl_module_getsymtab(o->mod);

	if (count <= 0) {
		snprintf(o->error, sizeof(o->error), "%s: no symbols: %s", o->path,
			 count < 0 ? dwfl_errmsg(-1) : "the table is empty");
		return;
	}
	o->sym = calloc(count, sizeof(*o->sym));
	if (!o->sym)
		abort();
	read_symbols(o, count);
	qsort(o->sym, o->nr, sizeof(*o->sym), by_addr);
	measure(o);
	index_names(o);
	if (!o->nr)
		snprintf(o->error, sizeof(o->error), "%s: no symbols", o->path);
}

struct pv_sym_object *pv_sym_object_new(int fd, const char *path, const struct pv_sym_info *info)
{
	struct pv_sym_object *o = calloc(1, sizeof(*o));

	if (!o)
		abort();
	o->path = path;
	o->root = "";
	o->info = *info;
	o->dwfl = dwfl_begin(&callbacks);
	if (!o->dwfl)
		abort();
	dwfl_report_begin(o->dwfl);
	o->mod = dwfl_report_offline(o->dwfl, "", path, fd);
	if (!o->mod) {
		snprintf(o->error, sizeof(o->error), "%s: %s", path, dwfl_errmsg(-1));
		close(fd);
	}
	dwfl_report_end(o->dwfl, NULL, NULL);
	if (o->mod)
		load_symbols(o);
	return o;
}

void pv_sym_object_free(struct pv_sym_object *o)
{
	if (!o)
		return;
	pv_sym_dwarf_free(o);
	dwfl_end(o->dwfl);
	free(o->sym);
	free(o->bucket);
	pv_arena_free(&o->arena);
	free(o);
}

const struct pv_sym *pv_sym_by_name(const struct pv_sym_object *o, const char *name,
				    const struct pv_sym *after)
{
	uint32_t i;

	if (!o->nr)
		return NULL;
	i = after ? after->next : o->bucket[hash(name) & (o->nr_buckets - 1)];
	while (i != NONE && !same_name(o->sym[i].name, name))
		i = o->sym[i].next;
	return i == NONE ? NULL : &o->sym[i];
}

const struct pv_sym *pv_sym_by_addr(const struct pv_sym_object *o, uint64_t addr)
{
	size_t lo = 0, hi = o->nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->sym[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return NULL;
	for (lo--; lo && o->sym[lo - 1].addr == o->sym[lo].addr; lo--)
		;
	return addr - o->sym[lo].addr < o->sym[lo].size ? &o->sym[lo] : NULL;
}
