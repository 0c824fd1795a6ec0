/* SPDX-License-Identifier: GPL-2.0-only */
/* Splats with source lines: what `pmuvet crash` does with --vmlinux, --symbols, --kallsyms and
 * --run. */
#ifndef PV_RESULTS_CRASH_SYMBOLS_H
#define PV_RESULTS_CRASH_SYMBOLS_H

#include <stdio.h>

#include "results/splat.h"

struct pv_crash_symbols;

/* Every option that takes a value and belongs here, by its letter in the command's table. */
#define PV_CRASH_SYMBOLS_OPTIONS                                                                   \
	{"vmlinux", required_argument, NULL, 'v'}, {"symbols", required_argument, NULL, 's'},      \
		{"kallsyms", required_argument, NULL, 'k'},                                        \
		{"build-id", required_argument, NULL, 'b'},                                        \
	{                                                                                          \
		"run", required_argument, NULL, 'r'                                                \
	}

/*
 * Takes one of these options; *c is made when it is the first. 0, or -errno with the reason, which
 * names the file, in error.
 */
int pv_crash_symbols_option(struct pv_crash_symbols **c, int letter, const char *value, char *error,
			    size_t size);
void pv_crash_symbols_free(struct pv_crash_symbols *c);
/*
 * The same splat with what is known of each frame; what is inlined stands before it. What it
 * points to lives until the next call. `c` NULL: s itself.
 */
const struct pv_splat *pv_crash_symbolise(struct pv_crash_symbols *c, const struct pv_splat *s);

#endif
