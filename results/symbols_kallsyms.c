/* SPDX-License-Identifier: GPL-2.0-only */
/* "ADDRESS TYPE NAME" or "ADDRESS TYPE NAME\t[MODULE]" a line: /proc/kallsyms, System.map. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/symbols_private.h"

#define BYTES_MAX (256u << 20)
/* Where x86-64 kernels are linked to: a table in which _text lies there is not moved by KASLR. */
#define X86_TEXT 0xffffffff81000000ull

struct pv_sym_kallsyms {
	char *text;
	struct pv_sym_kallsym *sym;
	size_t nr, size;
	bool linked; /* addresses are those of the link, not of a boot */
};

void pv_sym_kallsyms_free(struct pv_symbols *s)
{
	if (!s->kallsyms)
		return;
	free(s->kallsyms->text);
	free(s->kallsyms->sym);
	free(s->kallsyms);
	s->kallsyms = NULL;
}

/* The whole file, with a NUL behind it. */
static char *slurp(int fd, size_t *len)
{
	size_t size = 1 << 20;
	char *text = NULL;
	ssize_t n = 1;

	for (*len = 0; n > 0 && *len<BYTES_MAX; *len += n> 0 ? n : 0) {
		if (!text || *len + 1 >= size) {
			size *= text ? 2 : 1;
			text = realloc(text, size);
			if (!text)
				abort();
		}
		n = pread(fd, text + *len, size - 1 - *len, *len);
	}
	text[*len] = 0;
	return text;
}

static bool parse(char *line, struct pv_sym_kallsym *sym)
{
	char *end;

	*sym = (struct pv_sym_kallsym){.addr = strtoull(line, &end, 16)};
	if (end == line || line[0] == '-' || end[0] != ' ' || !end[1] || end[2] != ' ' ||
	    end[3] <= ' ')
		return false;
	sym->name = end + 3;
	end = strpbrk(end + 3, " \t");
	if (!end)
		return true;
	*end++ = 0;
	end += strspn(end, " \t");
	if (*end == '[' && strchr(end, ']')) {
		*strchr(end, ']') = 0;
		sym->module = end + 1;
	}
	return true;
}

static int by_addr(const void *a, const void *b)
{
	const struct pv_sym_kallsym *x = a, *y = b;

	if (x->addr != y->addr)
		return x->addr < y->addr ? -1 : 1;
	/* The table's own order, which puts the name that matters first. */
	return x->name < y->name ? -1 : x->name > y->name;
}

static int read_lines(struct pv_sym_kallsyms *k, const char *path, char *error, size_t size)
{
	unsigned long number = 0;
	bool zero = true;

	for (char *line = k->text, *next; *line; line = next) {
		struct pv_sym_kallsym sym;

		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		number++;
		/* Names go to terminals. */
		if (pv_text_check(line, strlen(line)) < strlen(line) || !parse(line, &sym)) {
			snprintf(error, size, "%s:%lu: not 'ADDRESS TYPE NAME', as kallsyms has it",
				 path, number);
			return -EINVAL;
		}
		if (sym.name[0] == '$')
			continue;
		zero &= !sym.addr;
		if (!strcmp(sym.name, "_text") && sym.addr == X86_TEXT)
			k->linked = true;
		if (k->nr == k->size) {
			k->size = k->size ? k->size * 2 : 65536;
			k->sym = realloc(k->sym, k->size * sizeof(*k->sym));
			if (!k->sym)
				abort();
		}
		k->sym[k->nr++] = sym;
	}
	if (zero) {
		snprintf(error, size, "%s: %s", path,
			 k->nr ? "all addresses are 0: read it as root (kernel.kptr_restrict)"
			       : "no symbols");
		return -EINVAL;
	}
	qsort(k->sym, k->nr, sizeof(*k->sym), by_addr);
	return 0;
}

int pv_sym_kallsyms_load(struct pv_symbols *s, const char *path)
{
	struct pv_sym_kallsyms *k;
	struct pv_sym_stamp stamp;
	int fd = pv_sym_open(path, &stamp, s->error, sizeof(s->error)), err = 0;
	size_t len;

	if (fd < 0)
		return fd;
	pv_sym_kallsyms_free(s);
	k = calloc(1, sizeof(*k));
	if (!k)
		abort();
	s->kallsyms = k;
	k->text = slurp(fd, &len);
	close(fd);
	if (strlen(k->text) < len) {
		snprintf(s->error, sizeof(s->error), "%s: no text: kallsyms is wanted", path);
		err = -EINVAL;
	}
	if (!err)
		err = read_lines(k, path, s->error, sizeof(s->error));
	if (err)
		pv_sym_kallsyms_free(s);
	return err;
}

bool pv_sym_kallsyms_find(const struct pv_symbols *s, uint64_t *at, struct pv_sym_kallsym *sym,
			  uint64_t *size)
{
	const struct pv_sym_kallsyms *k = s->kallsyms;
	size_t lo = 0, hi = k ? k->nr : 0, next;
	uint64_t addr = *at - (k && k->linked ? s->slide : 0);

	if (!k)
		return false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (k->sym[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	/* Behind the last symbol nobody knows where it ends. */
	if (!lo || lo == k->nr || !k->sym[lo - 1].addr)
		return false;
	next = lo;
	for (lo--; lo && k->sym[lo - 1].addr == k->sym[lo].addr; lo--)
		;
	*at = addr;
	*sym = k->sym[lo];
	*size = k->sym[next].addr - sym->addr;
	/* A gap as between the kernel and its modules is no function. */
	return *size < 1 << 24;
}
