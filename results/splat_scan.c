/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Four bytes of the words of each class, those that are rare in logs, are searched for all at once
 * (Wu and Manber: the last two bytes of the window tell how far it may move on).
 */
#include <stdlib.h>
#include <string.h>

#include "results/splat_private.h"

#define WINDOW 4
#define HASHES (1u << 15)

struct pv_scan {
	unsigned char shift[1 << 16]; /* by the window's last two bytes */
	uint16_t head[HASHES];        /* by the window: a row's number and one; 0 none */
	struct {
		const char *piece; /* the literal piece of its words that the window is in */
		uint16_t len, at;  /* of the piece; of the window in it */
		uint16_t next;     /* another row with that hash */
	} row[];
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
static const char *choose(const char *words, const char **piece)
{
	const char *best = NULL, *from = words;
	int score = -1;

	for (const char *p = words; *p; p++) {
		if (*p == '%') {
			from = ++p + 1;
			continue;
		}
		if (strcspn(p, "%") >= WINDOW && rarity(p) > score) {
			score = rarity(p);
			best = p;
			*piece = from;
		}
	}
	return best;
}

struct pv_scan *pv_scan_new(void)
{
	struct pv_scan *s = calloc(1, sizeof(*s) + pv_nr_splat_classes * sizeof(s->row[0]));

	if (!s)
		abort();
	memset(s->shift, WINDOW - 1, sizeof(s->shift));
	for (size_t i = 0; i < pv_nr_splat_classes; i++) {
		const char *piece = NULL, *w = choose(pv_splat_classes[i].words, &piece);
		uint16_t *head;

		if (!w)
			abort(); /* a row needs four literal bytes in a row */
		for (int at = 0; at <= WINDOW - 2; at++) {
			unsigned char *shift = &s->shift[two(w + at)];

			if (*shift > WINDOW - 2 - at)
				*shift = WINDOW - 2 - at;
		}
		head = &s->head[hash(w)];
		s->row[i].piece = piece;
		s->row[i].len = strcspn(piece, "%");
		s->row[i].at = w - piece;
		s->row[i].next = *head;
		*head = i + 1;
	}
	return s;
}

void pv_scan_free(struct pv_scan *s)
{
	free(s);
}

/* Does the row's literal piece stand around the window at `i`? */
static bool has_piece(const struct pv_scan *s, size_t row, const char *text, size_t i, size_t len)
{
	size_t at = s->row[row].at, n = s->row[row].len;

	return i >= at && i - at + n <= len && !memcmp(text + i - at, s->row[row].piece, n);
}

/* The next window that is a row's, with the piece it is in; its first row. */
static size_t next_hit(const struct pv_scan *s, const char *text, size_t i, size_t len, size_t *row)
{
	while (i + WINDOW <= len) {
		unsigned int shift = s->shift[two(text + i + WINDOW - 2)];

		if (shift) {
			i += shift;
			continue;
		}
		for (size_t r = s->head[hash(text + i)]; r; r = s->row[r - 1].next) {
			if (has_piece(s, r - 1, text, i, len)) {
				*row = r - 1;
				return i;
			}
		}
		i++;
	}
	return len;
}

size_t pv_scan_next(const struct pv_scan *s, const char *text, size_t from, size_t len)
{
	size_t row;

	return next_hit(s, text, from, len, &row);
}

bool pv_scan_match(const struct pv_scan *s, const char *text, size_t len, bool xen,
		   struct pv_splat_match *m)
{
	size_t best = pv_nr_splat_classes, row;

	for (size_t i = 0; (i = next_hit(s, text, i, len, &row)) < len; i++) {
		for (size_t r = row + 1; r; r = s->row[r - 1].next) {
			struct pv_splat_match try;

			if (r - 1 < best && has_piece(s, r - 1, text, i, len) &&
			    pv_splat_match_row(&pv_splat_classes[r - 1], text, len, xen, &try)) {
				best = r - 1;
				*m = try;
			}
		}
	}
	return best < pv_nr_splat_classes;
}
