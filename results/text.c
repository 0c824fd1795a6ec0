/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdlib.h>
#include <string.h>

#include "results/text.h"
#include "results/utf8.h"

#define ARENA_BLOCK (256u << 10)

#define HIGH 0x8080808080808080ull
#define ONES 0x0101010101010101ull

/* The high bit of some byte is set unless all eight are printable ASCII or DEL (Mycroft's test for
 * a byte below 0x20). */
static uint64_t odd8(const unsigned char *p, uint64_t *x)
{
	memcpy(x, p, 8);
	return (*x | (*x - 0x20 * ONES)) & HIGH;
}

/* How many of n bytes are printable ASCII, from the first on. */
static size_t printable(const unsigned char *p, size_t n)
{
	size_t i = 0;
	uint64_t x;

	while (n - i >= 8 && !odd8(p + i, &x) && !((x + ONES) & HIGH))
		i += 8;
	while (i < n && p[i] >= 0x20 && p[i] < 0x7f)
		i++;
	return i;
}

size_t pv_text_check(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	uint64_t x;

	for (size_t i = 0, len; i < n; i += len) {
		len = 8;
		if (n - i >= 8 && !odd8(p + i, &x))
			continue;
		len = 1;
		if (p[i] >= 0x80)
			len = pv_utf8_len(p + i, n - i);
		if (!len || (p[i] < 0x20 && p[i] != '\t' && p[i] != '\r'))
			return i;
	}
	return n;
}

/* C1 controls; line and paragraph separators and direction overrides (U+2028..202E, U+2066..2069).
 */
static int is_hidden(const unsigned char *p, size_t len)
{
	if (len == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (len != 3 || p[0] != 0xe2)
		return 0;
	return (p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae) ||
	       (p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

size_t pv_text_clean(char *dst, const char *src, size_t n, int lines)
{
	const unsigned char *p = (const unsigned char *)src;
	size_t out = 0;

	for (size_t i = 0, len; i < n; i += len) {
		len = printable(p + i, n - i);
		memcpy(dst + out, p + i, len);
		out += len;
		if (len)
			continue;
		len = 1;
		if (p[i] == '\n' && lines) {
			dst[out++] = '\n';
		} else if (p[i] == '\t' || p[i] == '\n') {
			dst[out++] = ' ';
		} else {
			len = p[i] < 0x80 ? 0 : pv_utf8_len(p + i, n - i);
			if (!len || is_hidden(p + i, len)) {
				dst[out++] = '?';
				len = len ? len : 1;
				continue;
			}
			memcpy(dst + out, p + i, len);
			out += len;
		}
	}
	dst[out] = 0;
	return out;
}

size_t pv_text_columns(const char *text)
{
	size_t n = 0;

	for (; *text && *text != '\n'; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

void pv_text_print(FILE *out, const char *text, size_t columns)
{
	size_t n = pv_text_columns(text), i = 0;
	const char *end = text;

	if (n > columns)
		n = columns > 3 ? columns - 3 : 0;
	while (i < n || (*end & 0xc0) == 0x80)
		i += (*end++ & 0xc0) != 0x80;
	fwrite(text, 1, end - text, out);
	if (pv_text_columns(text) > columns)
		fputs(columns > 3 ? "..." : "", out);
}

struct pv_arena_block {
	struct pv_arena_block *next;
	size_t used, size;
	unsigned char bytes[] __attribute__((aligned(16)));
};

void *pv_arena_alloc(struct pv_arena *a, size_t size)
{
	struct pv_arena_block *b = a->block;
	void *p;

	size = (size + 15) & ~(size_t)15;
	if (!b || b->size - b->used < size) {
		size_t room = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		b = malloc(sizeof(*b) + room);
		if (!b)
			abort();
		b->next = a->block;
		b->used = 0;
		b->size = room;
		a->block = b;
	}
	p = b->bytes + b->used;
	b->used += size;
	return memset(p, 0, size);
}

void pv_arena_free(struct pv_arena *a)
{
	while (a->block) {
		struct pv_arena_block *next = a->block->next;

		free(a->block);
		a->block = next;
	}
}

uint64_t pv_hash(const char *text)
{
	uint64_t h = 14695981039346656037ull; /* FNV-1a */

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211ull;
	return h ^ h >> 32;
}

static void grow(struct pv_strings *s)
{
	size_t size = s->size ? s->size * 2 : 1024;
	const char **slot = calloc(size, sizeof(*slot));

	if (!slot)
		abort();
	for (size_t i = 0; i < s->size; i++) {
		size_t k;

		if (!s->slot[i])
			continue;
		for (k = pv_hash(s->slot[i]) & (size - 1); slot[k]; k = (k + 1) & (size - 1))
			;
		slot[k] = s->slot[i];
	}
	free(s->slot);
	s->slot = slot;
	s->size = size;
}

const char *pv_intern(struct pv_strings *s, const char *text)
{
	size_t k, len;
	char *copy;

	if (!text)
		return NULL;
	if (s->nr * 2 >= s->size)
		grow(s);
	for (k = pv_hash(text) & (s->size - 1); s->slot[k]; k = (k + 1) & (s->size - 1)) {
		if (!strcmp(s->slot[k], text))
			return s->slot[k];
	}
	len = strlen(text);
	copy = pv_arena_alloc(s->arena, len + 1);
	memcpy(copy, text, len + 1);
	s->slot[k] = copy;
	s->nr++;
	return copy;
}

void pv_strings_free(struct pv_strings *s)
{
	free(s->slot);
	*s = (struct pv_strings){0};
}
