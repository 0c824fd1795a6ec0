/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Four bytes of the words of each class, those that are rare in logs, are searched for all at once
 * (Wu and Manber: the last two bytes of the window tell how far it may move on).
 */
#include <stdlib.h>
#include <string.h>

#include "results/splat_private.h"

#define WINDOW 4
#define SEEN   (1u << 15)

struct pv_scan {
	unsigned char shift[1 << 16]; /* by the window's last two bytes */
	unsigned char seen[SEEN];     /* is a window with that hash one of ours? */
};

static unsigned int two(const char *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return v;
}

static unsigned int hash(const char *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return (v * 2654435761u) >> 17;
}

/* The rarer in ordinary logs, the higher. */
static int rarity(const char *p)
{
	int score = 0;

	for (int i = 0; i < WINDOW; i++) {
		int weight = i >= WINDOW - 2 ? 3 : 1; /* the last two stop the search */

		if (p[i] >= 'A' && p[i] <= 'Z')
			score += 4 * weight;
		else if (p[i] == ' ' || strchr("etaoinsrdc", p[i]))
			score += 0;
		else if (p[i] == ':' || (p[i] >= '0' && p[i] <= '9'))
			score += weight;
		else
			score += 2 * weight;
	}
	return score;
}

/* The rarest window of a pattern's literal pieces; NULL: it has none. */
static const char *choose(const char *words)
{
	const char *best = NULL;
	int score = -1;

	for (const char *p = words; *p; p += *p == '%' ? 2 : 1) {
		if (strcspn(p, "%") < WINDOW)
			continue;
		if (rarity(p) > score) {
			score = rarity(p);
			best = p;
		}
	}
	return best;
}

struct pv_scan *pv_scan_new(void)
{
	struct pv_scan *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	memset(s->shift, WINDOW - 1, sizeof(s->shift));
	for (size_t i = 0; i < pv_nr_splat_classes; i++) {
		const char *w = choose(pv_splat_classes[i].words);

		if (!w)
			abort(); /* a row needs four literal bytes in a row */
		for (int at = 0; at <= WINDOW - 2; at++) {
			unsigned char *shift = &s->shift[two(w + at)];

			if (*shift > WINDOW - 2 - at)
				*shift = WINDOW - 2 - at;
		}
		s->seen[hash(w)] = 1;
	}
	return s;
}

void pv_scan_free(struct pv_scan *s)
{
	free(s);
}

size_t pv_scan_next(const struct pv_scan *s, const char *text, size_t from, size_t len)
{
	size_t i = from;

	while (i + WINDOW <= len) {
		unsigned int shift = s->shift[two(text + i + WINDOW - 2)];

		if (!shift) {
			if (s->seen[hash(text + i)])
				return i;
			shift = 1;
		}
		i += shift;
	}
	return len;
}
