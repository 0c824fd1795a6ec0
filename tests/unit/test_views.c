/* SPDX-License-Identifier: GPL-2.0-only */
/* What people and KTAP parsers see of a run. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "results/views.h"

#define BEGIN                                                                                      \
	"{\"event\":\"run_begin\",\"schema\":1,\"platform\":\"host\",\"arch\":\"x86_64\","         \
	"\"accel\":\"native\",\"tool\":\"0.1\",\"kernel\":{\"release\":\"6.1\"}}\n"                \
	"{\"event\":\"plan\",\"count\":9}\n"
#define C(id) "{\"event\":\"case_begin\",\"case\":\"" id "\",\"rep\":0}\n"
#define E(id, verdict, more)                                                                       \
	"{\"event\":\"case_end\",\"case\":\"" id "\",\"rep\":0,\"verdict\":\"" verdict "\"" more   \
	"}\n"
#define COUNT(id, op, due, observed)                                                               \
	"{\"event\":\"evidence\",\"case\":\"" id "\",\"rep\":0,\"name\":\"count\",\"op\":\"" op    \
	"\"," due ",\"observed\":" observed ",\"ok\":false,\"at\":\"x.c:7\"}\n"

static const char all[] = BEGIN C("f/pass") E("f/pass", "pass", "") C("f/fail") COUNT(
	"f/fail", "==", "\"expected\":5", "4") COUNT("f/fail", "in", "\"lo\":1,\"hi\":2", "3")
	COUNT("f/fail", "errno", "\"expected\":-22",
	      "0") "{\"event\":\"message\",\"case\":\"f/fail\",\"rep\":0,\"text\":\"said\"}\n" E("f/fail",
												 "fail",
												 ",\"reason\":\"failed: count\"")
		C("f/skip") E("f/skip", "skip", ",\"kind\":\"absent\",\"reason\":\"no PMU\"") C(
			"f/xfail") E("f/xfail", "xfail",
				     ",\"erratum\":\"E1\",\"reason\":\"failed: count\"")
			C("f/xpass") E("f/xpass", "xpass", ",\"erratum\":\"E2\"") C("f/error") E(
				"f/error", "error",
				",\"kind\":\"broken-setup\",\"reason\":\"fork\"") C("f/hang")
				E("f/hang", "hang", ",\"reason\":\"no end\"")
					C("f/crash") "{\"event\":\"splat\",\"case\":\"f/crash\",\"rep\":0,\"title\":\"BUG: x\",\"text\":\"l1\\nl2\"}\n" E(
						"f/crash", "crash",
						",\"reason\":\"panic\",\"tail\":[\"t1\",\"t2\"]")
						E("f/miss", "miss",
						  ",\"reason\":\"never ran\"") "{\"event\":\"run_end\",\"complete\":true}\n";

static const char ktap[] = "KTAP version 1\n"
			   "# host x86_64, native, kernel 6.1, pmuvet 0.1\n"
			   "1..9\n"
			   "ok 1 - f/pass\n"
			   "# x.c:7: count: expected 5, observed 4\n"
			   "# x.c:7: count: expected 1..2, observed 3\n"
			   "# x.c:7: count: expected EINVAL, observed success\n"
			   "# said\n"
			   "not ok 2 - f/fail # failed: count\n"
			   "ok 3 - f/skip # SKIP absent: no PMU\n"
			   "ok 4 - f/xfail # XFAIL E1: failed: count\n"
			   "ok 5 - f/xpass # XPASS E2\n"
			   "not ok 6 - f/error # ERROR broken-setup: fork\n"
			   "not ok 7 - f/hang # TIMEOUT no end\n"
			   "# kernel log: BUG: x\n"
			   "#   l1\n"
			   "#   l2\n"
			   "# | t1\n"
			   "# | t2\n"
			   "not ok 8 - f/crash # crash: panic\n"
			   "not ok 9 - f/miss # ERROR miss: never ran\n"
			   "# Totals: pass:1 fail:3 xfail:1 xpass:1 skip:1 error:2\n";

/* What the view prints of the stream; *status is its verdict on the run. Free it. */
static char *view(enum pv_view_kind kind, const char *stream, int *status)
{
	struct pv_stream *s = pv_stream_new("test");
	char *text = NULL;
	size_t size;
	FILE *f = tmpfile();
	struct pv_view *v = pv_view_new(kind, f);

	for (const char *nl; (nl = strchr(stream, '\n')); stream = nl + 1) {
		const struct pv_stream_event *e;

		if (pv_stream_line(s, stream, nl - stream, &e))
			fail_msg("%s", pv_stream_error(s));
		pv_view_event(v, e);
		pv_view_tick(v);
	}
	pv_view_end(v, NULL);
	*status = pv_view_exit(v);
	pv_view_free(v);
	pv_stream_free(s);
	size = ftell(f);
	text = calloc(1, size + 1);
	rewind(f);
	assert_int_equal(fread(text, 1, size, f), size);
	fclose(f);
	return text;
}

static void ktap_of_every_verdict(void **state)
{
	int status;
	char *text = view(PV_VIEW_KTAP, all, &status);

	(void)state;
	assert_string_equal(text, ktap);
	assert_int_equal(status, 1);
	free(text);
}

static void progress_tells_failures_with_evidence(void **state)
{
	int status;
	char *text = view(PV_VIEW_PROGRESS, all, &status);

	(void)state;
	assert_non_null(strstr(
		text, "fail f/fail  failed: count\n    # x.c:7: count: expected 5, observed 4\n"));
	assert_non_null(strstr(text, "crash f/crash  panic\n"));
	assert_null(strstr(text, "f/skip"));
	assert_null(strstr(text, "f/xfail"));
	assert_null(strchr(text, '\033'));
	free(text);
}

static void a_run_that_stops_is_incomplete(void **state)
{
	int status;
	char *text =
		view(PV_VIEW_KTAP, BEGIN C("f/pass") E("f/pass", "pass", "") C("f/next"), &status);

	(void)state;
	assert_int_equal(status, 3);
	assert_non_null(strstr(text, "# f/next has not ended\n# INCOMPLETE, 1 of 9 verdicts: "));
	free(text);
}

static void exit_codes(void **state)
{
	static const struct {
		const char *stream;
		int status;
	} table[] = {
#define RUN(x) "{\"event\":\"plan\",\"count\":1}\n" x "{\"event\":\"run_end\",\"complete\":true}\n"
		{RUN(C("a") E("a", "pass", "")), 0},
		{RUN(C("a") E("a", "xfail", "")), 0},
		{RUN(C("a") E("a", "fail", "")), 1},
		{RUN(C("a") E("a", "crash", "")), 1},
		{RUN(C("a") E("a", "skip", "")), 3},
		{RUN(C("a") E("a", "error", "")), 3},
		{RUN(""), 3},
		{RUN(C("a") "{\"event\":\"splat\",\"title\":\"x\"}\n" E("a", "pass", "")), 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int status;

		free(view(PV_VIEW_QUIET, table[i].stream, &status));
		assert_int_equal(status, table[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ktap_of_every_verdict),
		cmocka_unit_test(progress_tells_failures_with_evidence),
		cmocka_unit_test(a_run_that_stops_is_incomplete),
		cmocka_unit_test(exit_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
