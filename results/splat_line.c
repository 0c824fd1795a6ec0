/* SPDX-License-Identifier: GPL-2.0-only */
/* The prefixes that printk, syslog, journald, Xen, phones and mail programs put before a line. */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_private.h"
#include "results/text.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

size_t pv_line_clean(char *dst, const char *raw, size_t len)
{
	size_t out = 0;

	if (len <= PV_LOG_LINE && pv_text_check(raw, len) == len) {
		memcpy(dst, raw, len);
		return len;
	}
	for (size_t i = 0; i < len && out < PV_LOG_LINE; i++) {
		unsigned char c = raw[i];

		if (c == 0x1b && i + 1 < len) { /* ECMA-48: CSI ... final, or one letter */
			if (raw[++i] == '[') {
				for (i++; i < len && !(raw[i] >= 0x40 && raw[i] <= 0x7e); i++)
					;
			}
			continue;
		}
		if ((c >= 0x20 && c != 0x7f) || c == '\t' || c == '\r')
			dst[out++] = c;
	}
	return out;
}

static size_t digits(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && is_digit(*p))
		p++;
	return p - from;
}

static size_t blanks(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && *p == ' ')
		p++;
	return p - from;
}

/*
 * "[   12.345678]", "[12.345678,3]": its length, or 0. *cpu: -1 or the CPU behind the comma; *ms:
 * the time.
 */
static size_t timestamp(const char *p, const char *end, long *cpu, int64_t *ms)
{
	const char *from = p;
	size_t n;

	if (p == end || *p++ != '[')
		return 0;
	p += blanks(p, end);
	n = digits(p, end);
	if (!n || n > 10 || p + n == end || p[n] != '.')
		return 0;
	for (*ms = 0; *p != '.'; p++)
		*ms = *ms * 10 + (*p - '0');
	*ms *= 1000;
	p++;
	n = digits(p, end);
	if (n < 3 || n > 9 || (p += n) == end)
		return 0;
	*cpu = -1;
	if (*p == ',' && digits(p + 1, end)) {
		*cpu = 0;
		for (p++; p < end && is_digit(*p); p++)
			*cpu = (*cpu * 10 + (*p - '0')) & 0xfff;
		p += blanks(p, end);
	}
	if (p == end || *p != ']')
		return 0;
	return p + 1 - from;
}

static uint64_t tag_of(char kind, uint64_t id)
{
	return (uint64_t)kind << 56 | (id & 0xffffffffffffull) | 1ull << 55;
}

/* "[  T123]", "[    C1]", "[T123@C1]" (the task). */
static size_t caller(const char *p, const char *end, uint64_t *tag)
{
	const char *from = p;
	uint64_t id = 0;
	char kind;

	if (p == end || *p++ != '[')
		return 0;
	p += blanks(p, end);
	if (p == end || (*p != 'T' && *p != 'C'))
		return 0;
	kind = *p++;
	if (!digits(p, end))
		return 0;
	for (; p < end && is_digit(*p); p++)
		id = id * 10 + (*p - '0');
	while (p < end && *p != ']' && (is_digit(*p) || *p == '@' || *p == ' ' || *p == 'C'))
		p++;
	if (p == end || *p != ']')
		return 0;
	*tag = tag_of(kind, id);
	return p + 1 - from;
}

/* "[1:  swapper/1:    0] " of phones: CPU, task, pid. */
static size_t phone_caller(const char *p, const char *end, uint64_t *tag)
{
	const char *close = memchr(p, ']', end - p < 48 ? end - p : 48);
	const char *colon;
	uint64_t pid = 0;
	size_t n;

	if (!close || *p != '[' || !(n = digits(p + 1, close)) || n > 3 || p[1 + n] != ':')
		return 0;
	colon = memrchr(p + 2 + n, ':', close - (p + 2 + n));
	if (!colon)
		return 0;
	colon += 1 + blanks(colon + 1, close);
	if (digits(colon, close) != (size_t)(close - colon) || colon == close)
		return 0;
	for (; colon < close; colon++)
		pid = pid * 10 + (*colon - '0');
	*tag = pid ? tag_of('T', pid) : tag_of('C', p[1] - '0');
	return close + 1 - p;
}

/* dmesg -T: "[Sat Nov 28 13:25:01 2026]". */
static size_t human_time(const char *p, const char *end)
{
	const char *close = memchr(p, ']', end - p < 30 ? end - p : 30);

	if (!close || close - p < 20 || *p != '[' || !is_alpha(p[1]) || !is_alpha(p[3]) ||
	    p[4] != ' ' || !is_digit(close[-1]) || !memchr(p, ':', close - p))
		return 0;
	return close + 1 - p;
}

/* "2026-11-28T13:25:01.123+00:00 ", "[2026-11-28 13:25:01] ". */
static size_t iso_time(const char *p, const char *end)
{
	const char *from = p;
	bool bracket = *p == '[';

	p += bracket;
	if (end - p < 19 || digits(p, end) != 4 || p[4] != '-' || p[7] != '-' ||
	    (p[10] != 'T' && p[10] != ' ') || p[13] != ':' || p[16] != ':' || !is_digit(p[18]))
		return 0;
	for (p += 19; p < end && (is_digit(*p) || strchr(".,:+-Z", *p)) && *p != ' '; p++)
		;
	if (bracket && (p == end || *p++ != ']'))
		return 0;
	return p - from;
}

/* "13:25:01.123 " */
static size_t clock_time(const char *p, const char *end)
{
	const char *from = p;

	if (end - p < 9 || digits(p, end) != 2 || p[2] != ':' || digits(p + 3, end) != 2 ||
	    p[5] != ':' || digits(p + 6, end) != 2)
		return 0;
	p += 8;
	if (*p == '.')
		p += 1 + digits(p + 1, end);
	return p < end && *p == ' ' ? p - from : 0;
}

/* "Nov 28 13:25:01 " */
static size_t syslog_time(const char *p, const char *end)
{
	if (end - p < 16 || !is_alpha(p[0]) || !is_alpha(p[1]) || !is_alpha(p[2]) || p[3] != ' ' ||
	    !is_digit(p[5]) || p[6] != ' ' || p[9] != ':' || p[12] != ':' || p[15] != ' ')
		return 0;
	return 16;
}

/* Behind a syslog date: "host kernel: " or "host program[12]: ". */
static size_t ident(const char *p, const char *end, bool dated, struct pv_line *l)
{
	const char *from = p, *host = p, *name;

	while (p<end && * p> ' ' && *p != ':' && *p != '[')
		p++;
	if (p == host || p == end || *p != ' ')
		return 0;
	name = ++p;
	while (p < end && (is_alpha(*p) || is_digit(*p) || (*p && strchr("-_./()@", *p))))
		p++;
	if (p - name == 6 && !memcmp(name, "kernel", 6)) {
		if (p < end && *p == ':') {
			l->kernel = true;
			return p + 1 - from;
		}
		if (end - p > 6 && !memcmp(p, " - - -", 6)) {
			l->kernel = true;
			return p + 6 - from;
		}
	}
	if (!dated || p == name || p == end)
		return 0;
	if (*p == '[' && digits(p + 1, end)) {
		p += 1 + digits(p + 1, end);
		if (end - p > 1 && p[0] == ']' && p[1] == ':') {
			l->foreign = true;
			return p + 2 - from;
		}
	}
	return 0;
}

/* "<4>", "<30>1 " */
static size_t level(const char *p, const char *end)
{
	size_t n = digits(p + 1, end);

	if (!n || n > 3 || p + 1 + n == end || p[1 + n] != '>')
		return 0;
	n += 2;
	if (end - p > (long)n + 6 && p[n] == '1' && p[n + 1] == ' ' && digits(p + n + 2, end) == 4)
		n++;
	return n;
}

/* "kern  :warn  : " of dmesg -x. */
static size_t facility(const char *p, const char *end)
{
	const char *from = p;

	if (end - p < 16 || memcmp(p, "kern", 4))
		return 0;
	p += 4;
	p += blanks(p, end);
	if (p == end || *p++ != ':')
		return 0;
	while (p < end && is_alpha(*p))
		p++;
	p += blanks(p, end);
	return p < end && *p == ':' ? p + 1 - from : 0;
}

/* "(XEN) ", "(d12) ", "(d1v0) " */
static size_t hypervisor(const char *p, const char *end, struct pv_line *l)
{
	size_t n;

	if (end - p > 5 && !memcmp(p, "(XEN)", 5)) {
		l->xen = l->kernel = true;
		return 5;
	}
	if (end - p < 4 || p[1] != 'd' || !(n = digits(p + 2, end)) || p + 2 + n == end ||
	    p[2 + n] != ')')
		return 0;
	return n + 3;
}

static size_t bracketed(const char *p, const char *end, struct pv_line *l)
{
	long cpu;
	int64_t ms;
	size_t n = timestamp(p, end, &cpu, &ms);

	if (n) {
		l->kernel = true;
		l->time = ms;
		if (cpu >= 0 && !l->tag)
			l->tag = tag_of('C', cpu);
		return n;
	}
	if ((n = caller(p, end, &l->tag)) || (n = phone_caller(p, end, &l->tag)) ||
	    (n = human_time(p, end))) {
		l->kernel = true;
		return n;
	}
	return iso_time(p, end);
}

static size_t prefix(const char *p, const char *end, struct pv_line *l)
{
	size_t n = 0;

	switch (*p) {
	case '[':
		return bracketed(p, end, l);
	case '<':
		return level(p, end);
	case '(':
		return hypervisor(p, end, l);
	case '>':
		return 1;
	case 'k':
		return facility(p, end);
	default:
		break;
	}
	if (is_digit(*p)) {
		n = iso_time(p, end);
		if (!n)
			return clock_time(p, end);
	} else if (is_alpha(*p)) {
		n = syslog_time(p, end);
	}
	if (n && p + n < end) {
		size_t host = n + blanks(p + n, end);

		n = host + ident(p + host, end, true, l);
	}
	return n;
}

/* Is there a printk timestamp in the middle, and where? */
static size_t embedded(const char *from, const char *end)
{
	const char *at = from;
	long cpu;
	int64_t ms;

	while (at < end && (at = memchr(at, '[', end - at))) {
		if (at > from && timestamp(at, end, &cpu, &ms))
			return at - from;
		at++;
	}
	return end - from;
}

size_t pv_line_next(const char *text, size_t len, struct pv_line *l)
{
	const char *cr = memchr(text, '\r', len), *p = text, *end = cr ? cr : text + len;
	size_t taken = cr ? (size_t)(cr + 1 - text) : len, n, rest;

	l->tag = 0;
	l->time = -1;
	l->kernel = l->foreign = l->xen = l->broken = false;
	for (int i = 0; i < 8 && p < end; i++) {
		size_t gap = blanks(p, end);

		/* The text's own indentation stays, but for the one blank behind a prefix. */
		if (p + gap == end)
			break;
		n = prefix(p + gap, end, l);
		if (!n)
			break;
		p += gap + n;
	}
	if (p > text && p < end && *p == ' ')
		p++;
	if (l->kernel && p < end) {
		n = ident(p, end, false, l);
		if (n) {
			p += n;
			p += p < end && *p == ' ';
		}
	}
	rest = embedded(p, end);
	if (p + rest < end) {
		l->broken = l->kernel;
		end = p + rest;
		taken = end - text;
	}
	while (end > p && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	l->text = p;
	l->len = end - p;
	return taken;
}
