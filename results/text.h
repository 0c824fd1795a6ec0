/* SPDX-License-Identifier: GPL-2.0-only */
/* Text that others wrote, made safe; strings that live as long as a run. */
#ifndef PV_RESULTS_TEXT_H
#define PV_RESULTS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Offset of the first byte that is no UTF-8 or a control character other than blanks; n when all is
 * well. */
size_t pv_text_check(const char *text, size_t n);
/*
 * Copies n bytes and a NUL. Control characters, direction overrides and broken UTF-8 become '?',
 * blanks a space; newlines are kept when `lines`. dst needs n + 1 bytes. Returns the length.
 */
size_t pv_text_clean(char *dst, const char *src, size_t n, int lines);
/* Prints at most `columns` characters of text (up to its first newline), "..." at the end of what
 * was cut. */
void pv_text_print(FILE *out, const char *text, size_t columns);
/* Columns that pv_text_print() needs for all of it. */
size_t pv_text_columns(const char *text);

/* Memory that is freed at once. Aborts the program when there is none left. */
struct pv_arena {
	struct pv_arena_block *block;
};
void *pv_arena_alloc(struct pv_arena *a, size_t size); /* zeroed, aligned to 16 */
void pv_arena_free(struct pv_arena *a);

/* Strings by value: the same text gives the same pointer. */
struct pv_strings {
	struct pv_arena *arena;
	const char **slot;
	size_t nr, size;
};
const char *pv_intern(struct pv_strings *s, const char *text); /* NULL for NULL */
void pv_strings_free(struct pv_strings *s);
uint64_t pv_hash(const char *text);

#endif
