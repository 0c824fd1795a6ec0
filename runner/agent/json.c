/* SPDX-License-Identifier: GPL-2.0-only */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/agent/json.h"

void pv_json_reset(struct pv_json *j)
{
	j->len = 0;
	j->comma = false;
}

void pv_json_free(struct pv_json *j)
{
	free(j->buf);
	*j = (struct pv_json){0};
}

static void put(struct pv_json *j, const char *bytes, size_t n)
{
	if (j->len + n + 1 > j->size) {
		j->size = (j->len + n + 1) * 2;
		j->buf = realloc(j->buf, j->size);
		if (!j->buf)
			abort();
	}
	memcpy(j->buf + j->len, bytes, n);
	j->len += n;
	j->buf[j->len] = 0;
}

static void puts_(struct pv_json *j, const char *text)
{
	put(j, text, strlen(text));
}

/* Length of the UTF-8 sequence at p, 0 if there is none (RFC 3629: shortest form, no surrogates).
 */
static size_t utf8_len(const unsigned char *p)
{
	size_t n = p[0] < 0x80   ? 1
		   : p[0] < 0xc2 ? 0
		   : p[0] < 0xe0 ? 2
		   : p[0] < 0xf0 ? 3
		   : p[0] < 0xf5 ? 4
				 : 0;

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static void quoted(struct pv_json *j, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	put(j, "\"", 1);
	while (*p) {
		size_t n = utf8_len(p);
		char esc[8];

		if (*p == '"' || *p == '\\') {
			snprintf(esc, sizeof(esc), "\\%c", *p);
			puts_(j, esc);
			n = 1;
		} else if (!n || *p < 0x20 || *p == 0x7f) {
			snprintf(esc, sizeof(esc), "\\u%04x", *p);
			puts_(j, esc);
			n = 1;
		} else {
			put(j, (const char *)p, n);
		}
		p += n;
	}
	put(j, "\"", 1);
}

static void key_(struct pv_json *j, const char *key)
{
	if (j->comma)
		put(j, ",", 1);
	j->comma = true;
	if (key) {
		quoted(j, key);
		put(j, ":", 1);
	}
}

void pv_json_open(struct pv_json *j, const char *key, char bracket)
{
	key_(j, key);
	put(j, &bracket, 1);
	j->comma = false;
}

void pv_json_close(struct pv_json *j, char bracket)
{
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
	char buf[32];

	key_(j, key);
	snprintf(buf, sizeof(buf), "%" PRId64, value);
	puts_(j, buf);
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
