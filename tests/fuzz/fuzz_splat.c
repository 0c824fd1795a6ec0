/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer target: any bytes are a console log. What the parser says must not depend on the pieces
 * that it gets them in, must be printable, and lie within the log; a line that the table matches
 * must not be passed over by the scanner. Seeds: tests/corpora/splats.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/crash.h"
#include "results/splat_private.h"
#include "results/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct answer {
	char *json;
	size_t len, size;
	uint64_t last;
	bool first;
	FILE *out;
};

static void check_text(const char *text)
{
	while (text && *text) {
		size_t line = strcspn(text, "\n");

		CHECK(pv_text_check(text, line) == line);
		text += line + (text[line] == '\n');
	}
}

static void on_splat(const struct pv_splat *s, void *arg)
{
	struct answer *a = arg;

	CHECK(s->class && s->title && s->title[0] && strlen(s->title) <= 120);
	for (const char *p = s->title; *p; p++)
		CHECK(*p >= 0x20 && *p < 0x7f);
	CHECK(s->start < s->end && s->end <= a->size);
	CHECK(s->severity == PV_METRIC || s->start >= a->last);
	if (s->severity != PV_METRIC)
		a->last = s->start;
	CHECK(s->first == (!a->first && s->severity != PV_METRIC));
	a->first |= s->first;
	check_text(s->text);
	check_text(s->task);
	check_text(s->release);
	check_text(s->panic);
	for (size_t i = 0; i < s->nr_frames; i++) {
		CHECK(s->frames[i].func || s->frames[i].address);
		check_text(s->frames[i].func);
	}
	pv_crash_json(a->out, NULL, s);
	pv_crash_text(a->out, NULL, s, true);
}

/* In pieces of `step` bytes, the odd ones shorter. */
static struct answer parse(const uint8_t *data, size_t size, size_t step)
{
	struct answer a = {.size = size};
	struct pv_splat_parser *p = pv_splat_parser_new(on_splat, &a);

	a.out = open_memstream(&a.json, &a.len);
	for (size_t at = 0, n; at < size; at += n) {
		n = at & 1 && step > 2 ? step / 2 : step;
		n = n < size - at ? n : size - at;
		pv_splat_feed(p, data + at, n);
	}
	pv_splat_finish(p);
	pv_splat_parser_free(p);
	fclose(a.out);
	return a;
}

static void check_scanner(const uint8_t *data, size_t size)
{
	static struct pv_scan *scan;
	const char *text = (const char *)data, *end = text + size;

	if (!scan)
		scan = pv_scan_new();
	while (text < end) {
		const char *nl = memchr(text, '\n', end - text);
		size_t len = (nl ? nl : end) - text;
		struct pv_splat_match m, fast;

		for (int xen = 0; xen < 2; xen++) {
			bool is = pv_splat_match(text, len, xen, &m);

			CHECK(is == pv_scan_match(scan, text, len, xen, &fast));
			CHECK(!is || (m.class == fast.class && m.nr == fast.nr));
			CHECK(!is || pv_scan_next(scan, text, 0, len) < len);
		}
		text += len + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 7, 64, 4097};
	struct answer whole = parse(data, size, size ? size : 1);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct answer pieces = parse(data, size, steps[(size + i) % 4]);

		CHECK(pieces.len == whole.len && !memcmp(pieces.json, whole.json, whole.len));
		free(pieces.json);
		if (size > 4096)
			break; /* one way is enough for a long one */
	}
	free(whole.json);
	check_scanner(data, size);
	return 0;
}
