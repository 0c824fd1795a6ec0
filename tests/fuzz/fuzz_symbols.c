/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer target: any bytes are a vmlinux, a module, its packed form, or kallsyms. What it says
 * of itself, its symbols, lines and inline chains are asked for. Seeds: tests/fuzz/corpus/symbols.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "results/symbols_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *path;

static void ask(struct pv_symbols *s, const struct pv_symbols_query *q)
{
	struct pv_symbols_answer a;

	pv_symbols_resolve(s, q, &a);
	if ((a.status == PV_SYMBOLS_OK) != (a.nr > 0) || (a.status != PV_SYMBOLS_OK && !a.why[0]))
		abort();
	for (size_t i = 0; i < a.nr; i++) {
		if (pv_text_check(a.chain[i].func, strlen(a.chain[i].func)) <
		    strlen(a.chain[i].func))
			abort();
	}
}

/* The first symbols by name, by size and by address. */
static void ask_known(struct pv_symbols *s, const struct pv_sym_object *o)
{
	for (size_t i = 0; i < o->nr && i < 24; i++) {
		const struct pv_sym *sym = &o->sym[i];
		struct pv_symbols_query q = {.module = o->info.module ? o->info.name : NULL,
					     .func = sym->name,
					     .offset = sym->size / 2,
					     .size = i % 2 ? sym->size : 0,
					     .exact = i % 3};

		ask(s, &q);
		q = (struct pv_symbols_query){.address = sym->addr + sym->size / 2, .exact = i % 2};
		ask(s, &q);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[64];
	static int fd = -1;
	struct pv_symbols *s = pv_symbols_new();
	char hex[PV_BUILD_ID_SIZE], error[512];

	if (fd < 0) {
		fd = memfd_create("symbols", MFD_CLOEXEC);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		path = name;
	}
	if (ftruncate(fd, 0) || pwrite(fd, data, size, 0) != (ssize_t)size)
		abort();
	if (pv_symbols_build_id(path, hex, error, sizeof(error)) && !strstr(error, path))
		abort();
	if (pv_symbols_kallsyms(s, path) && !strstr(pv_symbols_error(s), path))
		abort();
	if (pv_symbols_add(s, path)) {
		if (!strstr(pv_symbols_error(s), path))
			abort();
	} else {
		struct pv_symbols_query q = {.func = "_start", .exact = true};

		ask(s, &q);
		q.module = "m";
		ask(s, &q);
		for (size_t i = 0; i < s->nr_files; i++) {
			q.module = s->file[i]->info.module ? s->file[i]->info.name : NULL;
			ask(s, &q);
			if (s->file[i]->object)
				ask_known(s, s->file[i]->object);
		}
	}
	pv_symbols_free(s);
	return 0;
}
