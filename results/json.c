/* SPDX-License-Identifier: GPL-2.0-only */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/json.h"
#include "results/utf8.h"

void pv_json_reset(struct pv_json *j)
{
	j->len = j->depth = 0;
	j->comma = false;
}

void pv_json_free(struct pv_json *j)
{
	free(j->buf);
	*j = (struct pv_json){0};
}

/* Where the next n bytes go; a NUL stands behind them. */
static char *room(struct pv_json *j, size_t n)
{
	char *to;

	if (j->len + n + 1 > j->size) {
		j->size = (j->len + n + 1) * 2;
		j->buf = realloc(j->buf, j->size);
		if (!j->buf)
			abort();
	}
	to = j->buf + j->len;
	j->len += n;
	to[n] = 0;
	return to;
}

static void put(struct pv_json *j, const char *bytes, size_t n)
{
	memcpy(room(j, n), bytes, n);
}

static void puts_(struct pv_json *j, const char *text)
{
	put(j, text, strlen(text));
}

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* In which of eight bytes is a zero, if it is the only one that may be? (Mycroft) */
static uint64_t zeros(uint64_t x)
{
	return (x - 0x0101010101010101ull) & ~x;
}

/* How many of the n bytes at p stand for themselves, from the first on. */
static size_t plain(const unsigned char *p, size_t n)
{
	const uint64_t ones = 0x0101010101010101ull;
	size_t i = 0;

	for (; n - i >= 8; i += 8) {
		uint64_t x, odd;

		memcpy(&x, p + i, 8);
		odd = x | (x - 0x20 * ones) | (x + ones) | zeros(x ^ '"' * ones) |
		      zeros(x ^ '\\' * ones);
		if (odd & 0x80 * ones)
			break;
	}
	while (i < n && is_plain(p[i]))
		i++;
	return i;
}

static void escaped(struct pv_json *j, const unsigned char *p, const unsigned char *end)
{
	put(j, "\"", 1);
	for (;;) {
		size_t n = plain(p, end - p);
		char esc[8];

		put(j, (const char *)p, n);
		p += n;
		if (p == end)
			break;
		n = *p == 0x7f || *p < 0x20 ? 0 : pv_utf8_len(p, end - p);
		if (*p == '"' || *p == '\\') {
			snprintf(esc, sizeof(esc), "\\%c", *p);
			puts_(j, esc);
		} else if (!n) {
			snprintf(esc, sizeof(esc), "\\u%04x", *p);
			puts_(j, esc);
		} else {
			put(j, (const char *)p, n);
		}
		p += n ? n : 1;
	}
	put(j, "\"", 1);
}

/* Most have nothing to escape. */
static void quoted(struct pv_json *j, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = strlen(text);
	char *to;

	if (plain(p, n) < n) {
		escaped(j, p, p + n);
		return;
	}
	to = room(j, n + 2);
	to[0] = to[n + 1] = '"';
	memcpy(to + 1, text, n);
}

static void line(struct pv_json *j)
{
	if (!j->lines)
		return;
	put(j, "\n", 1);
	for (unsigned int i = 0; i < j->depth; i++)
		put(j, "\t", 1);
}

static void key_(struct pv_json *j, const char *key)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
	if (j->depth)
		line(j);
	if (key) {
		quoted(j, key);
		put(j, ": ", 1 + j->lines);
	}
}

void pv_json_open(struct pv_json *j, const char *key, char bracket)
{
	key_(j, key);
	put(j, &bracket, 1);
	j->comma = false;
	j->depth++;
}

void pv_json_close(struct pv_json *j, char bracket)
{
	j->depth--;
	if (j->comma) /* it is not empty */
		line(j);
	put(j, &bracket, 1);
	j->comma = true;
}

void pv_json_text(struct pv_json *j, const char *key, const char *text)
{
	key_(j, key);
	if (text)
		quoted(j, text);
	else
		puts_(j, "null");
}

void pv_json_int(struct pv_json *j, const char *key, int64_t value)
{
	char buf[20], *p = buf + sizeof(buf);
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

	key_(j, key);
	do
		*--p = '0' + left % 10;
	while (left /= 10);
	if (value < 0)
		*--p = '-';
	put(j, p, buf + sizeof(buf) - p);
}

void pv_json_u64(struct pv_json *j, const char *key, uint64_t value)
{
	char buf[32];

	if (value <= INT64_MAX) {
		pv_json_int(j, key, value);
		return;
	}
	key_(j, key);
	snprintf(buf, sizeof(buf), "\"0x%016" PRIx64 "\"", value);
	puts_(j, buf);
}

void pv_json_bool(struct pv_json *j, const char *key, bool value)
{
	key_(j, key);
	puts_(j, value ? "true" : "false");
}

void pv_json_seconds(struct pv_json *j, const char *key, double value)
{
	char buf[32];

	key_(j, key);
	snprintf(buf, sizeof(buf), "%.6f", value);
	puts_(j, buf);
}
