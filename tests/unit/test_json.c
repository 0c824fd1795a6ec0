/* SPDX-License-Identifier: GPL-2.0-only */
/* What is written as JSON comes back from a parser as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <yajl/yajl_tree.h>

#include "results/json.h"

static yajl_val parsed(const struct pv_json *j)
{
	char error[200];
	yajl_val v = yajl_tree_parse(j->buf, error, sizeof(error));

	if (!v)
		fail_msg("%s: %s", j->buf, error);
	return v;
}

static void comes_back(const char *text)
{
	const char *path[] = {"k\"", NULL};
	struct pv_json j = {0};
	yajl_val v;

	pv_json_open(&j, NULL, '{');
	pv_json_text(&j, path[0], text);
	pv_json_close(&j, '}');
	v = parsed(&j);
	assert_string_equal(YAJL_GET_STRING(yajl_tree_get(v, path, yajl_t_string)), text);
	yajl_tree_free(v);
	pv_json_free(&j);
}

/* Eight bytes are looked at together: each byte at each place of them, alone and behind another. */
static void every_byte_at_every_place(void **state)
{
	(void)state;
	for (int c = 1; c < 0x80; c++) {
		for (int at = 0; at < 20; at++) {
			char text[24] = "abcdefghijklmnopqrstuv";

			text[at] = c;
			comes_back(text);
			text[at ? at - 1 : 1] = '"';
			comes_back(text);
			text[at + 1] = 0;
			comes_back(text);
		}
	}
	comes_back("");
	comes_back("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 \xc3\xa4");
}

static void bytes_that_are_no_text_become_escapes(void **state)
{
	struct pv_json j = {0};

	(void)state;
	pv_json_text(&j, NULL, "abcdefg\x7f\x80\xff\xc3(\xed\xa0\x80\x1b[0m");
	assert_string_equal(
		j.buf, "\"abcdefg\\u007f\\u0080\\u00ff\\u00c3(\\u00ed\\u00a0\\u0080\\u001b[0m\"");
	pv_json_free(&j);
}

static void numbers_are_written_as_they_are(void **state)
{
	static const int64_t of[] = {0, 7, -1, 10, -120, INT64_MAX, INT64_MIN};
	struct pv_json j = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		char due[32];

		snprintf(due, sizeof(due), "%lld", (long long)of[i]);
		pv_json_reset(&j);
		pv_json_int(&j, NULL, of[i]);
		assert_string_equal(j.buf, due);
	}
	pv_json_reset(&j);
	pv_json_u64(&j, NULL, UINT64_MAX);
	assert_string_equal(j.buf, "\"0xffffffffffffffff\"");
	pv_json_free(&j);
}

static void nested(struct pv_json *j)
{
	pv_json_open(j, NULL, '{');
	pv_json_open(j, "empty", '[');
	pv_json_close(j, ']');
	pv_json_open(j, "list", '[');
	pv_json_bool(j, NULL, true);
	pv_json_text(j, NULL, NULL);
	pv_json_close(j, ']');
	pv_json_close(j, '}');
}

static void lines_are_for_people(void **state)
{
	struct pv_json j = {0}, l = {.lines = true};

	(void)state;
	nested(&j);
	assert_string_equal(j.buf, "{\"empty\":[],\"list\":[true,null]}");
	nested(&l);
	assert_string_equal(l.buf,
			    "{\n\t\"empty\": [],\n\t\"list\": [\n\t\ttrue,\n\t\tnull\n\t]\n}");
	yajl_tree_free(parsed(&l));
	pv_json_free(&j);
	pv_json_free(&l);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_at_every_place),
		cmocka_unit_test(bytes_that_are_no_text_become_escapes),
		cmocka_unit_test(numbers_are_written_as_they_are),
		cmocka_unit_test(lines_are_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
