/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_class.h"

#define LOOK_AT 512 /* a pattern with several wildcards may take the square of it */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_func(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       c == '.' || c == '$';
}

static size_t digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && is_digit(*p))
		p++;
	return p - from;
}

static size_t hex(const char *p, const char *end)
{
	const char *from = p;

	if (end - p > 2 && p[0] == '0' && p[1] == 'x' && is_hex(p[2]))
		p += 2;
	while (p < end && is_hex(*p))
		p++;
	return p - from;
}

static size_t word(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p != ' ' && *p != '\t')
		p++;
	return p - from;
}

static size_t func(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && is_func(*p))
		p++;
	return is_digit(*from) ? 0 : p - from;
}

/* "+0x12/0x34" and " [module]" behind a function. */
static size_t func_offset(const char *p, const char *end)
{
	const char *from = p;

	if (p < end && *p == '+')
		p += 1 + hex(p + 1, end);
	if (p > from && p < end && *p == '/')
		p += 1 + hex(p + 1, end);
	if (end - p > 2 && p[0] == ' ' && p[1] == '[') {
		const char *close = memchr(p, ']', end - p);

		p = close ? close + 1 : p;
	}
	return p - from;
}

static bool capture(struct pv_splat_match *m, char type, const char *at, size_t len)
{
	if (m && m->nr < PV_CAPTURES)
		m->cap[m->nr++] = (struct pv_capture){type, at, len};
	return true;
}

static bool match(const char *pattern, const char *p, const char *end, struct pv_splat_match *m);

/* %*, %t, %s followed by something: the shortest that lets the rest match. */
static bool match_lazy(char type, const char *rest, const char *p, const char *end,
		       struct pv_splat_match *m)
{
	bool blanks = type != 's';
	size_t nr = m ? m->nr : 0;
	const char *to = p;

	for (;; to++) {
		if (*rest && *rest != '%') {
			const char *next = to < end ? memchr(to, *rest, end - to) : NULL;

			if (!next || (!blanks && word(to, end) < (size_t)(next - to)))
				return false;
			to = next;
		}
		if (m)
			m->nr = nr;
		capture(m, type, p, to - p);
		if ((type == '*' || to > p) && match(rest, to, end, m))
			return true;
		if (to == end || (!blanks && (*to == ' ' || *to == '\t')))
			break;
	}
	if (m)
		m->nr = nr;
	return false;
}

static bool match(const char *pattern, const char *p, const char *end, struct pv_splat_match *m)
{
	for (; *pattern; pattern++) {
		size_t len;

		if (*pattern != '%') {
			if (p == end || *p != *pattern)
				return false;
			p++;
			continue;
		}
		switch (*++pattern) {
		case 'c':
		case 'd':
		case 'p':
			len = digits(p, end);
			break;
		case 'x':
			len = hex(p, end);
			break;
		case 'f':
			len = func(p, end);
			break;
		case 's':
			if (pattern[1] && pattern[1] != ' ')
				return match_lazy('s', pattern + 1, p, end, m);
			len = word(p, end);
			break;
		case '*':
		case 't':
			return match_lazy(*pattern, pattern + 1, p, end, m);
		case 'l':
			return capture(m, 'l', p, end - p);
		default: /* %e */
			return p == end;
		}
		if (!len)
			return false;
		capture(m, *pattern, p, len);
		p += len;
		if (*pattern == 'f')
			p += func_offset(p, end);
	}
	return true;
}

bool pv_splat_pattern(const char *pattern, const char *text, size_t len, struct pv_splat_match *m)
{
	if (m)
		m->nr = 0;
	return match(pattern, text, text + (len < LOOK_AT ? len : LOOK_AT), m);
}

/* Offsets at which the literal start of an ANYWHERE row stands. */
static bool match_anywhere(const char *words, const char *text, size_t len,
			   struct pv_splat_match *m)
{
	size_t literal = strcspn(words, "%");

	for (const char *at = text; len - (at - text) >= literal; at++) {
		at = memmem(at, len - (at - text), words, literal);
		if (!at)
			return false;
		if (pv_splat_pattern(words, at, len - (at - text), m))
			return true;
	}
	return false;
}

bool pv_splat_match_row(const struct pv_splat_class *c, const char *text, size_t len, bool xen,
			struct pv_splat_match *m)
{
	if (xen != !!(c->flags & PV_XEN) || !len)
		return false;
	if (!(c->flags & PV_ANYWHERE) && *text != *c->words && *c->words != '%')
		return false;
	m->class = c;
	return c->flags & PV_ANYWHERE ? match_anywhere(c->words, text, len, m)
				      : pv_splat_pattern(c->words, text, len, m);
}

bool pv_splat_match(const char *text, size_t len, bool xen, struct pv_splat_match *m)
{
	for (size_t i = 0; i < pv_nr_splat_classes; i++) {
		if (pv_splat_match_row(&pv_splat_classes[i], text, len, xen, m))
			return true;
	}
	return false;
}

const struct pv_capture *pv_splat_capture(const struct pv_splat_match *m, char type)
{
	for (size_t i = 0; i < m->nr; i++) {
		if (m->cap[i].type == type)
			return &m->cap[i];
	}
	return NULL;
}
