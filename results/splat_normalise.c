/* SPDX-License-Identifier: GPL-2.0-only */
#include "results/splat_class.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Length of a number at p that stands alone: decimal, 0x.., or eight hex digits and more. */
static size_t number(const char *p, const char *end)
{
	const char *from = p;
	bool marked = end - p > 2 && p[0] == '0' && p[1] == 'x' && is_hex(p[2]), decimal = true;

	for (p += marked ? 2 : 0; p < end && is_hex(*p); p++)
		decimal &= is_digit(*p);
	if (p == from || (p < end && is_word(*p)))
		return 0;
	return marked || decimal || p - from >= 8 ? p - from : 0;
}

/* "+0x12/0x34" */
static size_t offset(const char *p, const char *end)
{
	const char *from = p;

	if (end - p < 4 || p[0] != '+' || p[1] != '0' || p[2] != 'x')
		return 0;
	for (p += 3; p < end && (is_hex(*p) || *p == '/' || *p == 'x'); p++)
		;
	return p - from;
}

size_t pv_splat_normalise(char *dst, size_t size, const char *line, size_t len)
{
	const char *p = line, *end = line + len;
	size_t out = 0, max = size - 1 < 120 ? size - 1 : 120;

	while (p < end && out < max) {
		size_t n = offset(p, end);

		if (n) {
			p += n;
			continue;
		}
		n = p == line || !is_word(p[-1]) ? number(p, end) : 0;
		if (n) {
			dst[out++] = '#';
			p += n;
			continue;
		}
		dst[out++] = *p >= 0x20 && *p < 0x7f ? *p : *p == '\t' ? ' ' : '?';
		p++;
	}
	while (out && dst[out - 1] == ' ')
		out--;
	dst[out] = 0;
	return out;
}
