/* SPDX-License-Identifier: GPL-2.0-only */
/* Every class of change, the exit codes, and the one screen of the report. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "results/report.h"

/* Two streams that are being written, then loaded and compared. */
static char path[2][32] = {"/tmp/pmuvet-test-A-XXXXXX", "/tmp/pmuvet-test-B-XXXXXX"};
static FILE *file[2];
static struct pv_run *run[2];
static struct pv_comparison *c;

enum { A, B };

static int setup(void **state)
{
	(void)state;
	return close(mkstemp(path[A])) || close(mkstemp(path[B]));
}

static int teardown(void **state)
{
	(void)state;
	pv_comparison_free(c);
	pv_run_free(run[A]);
	pv_run_free(run[B]);
	return unlink(path[A]) || unlink(path[B]);
}

static void begin_on(const char *platform, bool exact)
{
	for (int side = A; side <= B; side++) {
		file[side] = fopen(path[side], "w");
		assert_non_null(file[side]);
		fprintf(file[side],
			"{\"event\":\"run_begin\",\"schema\":1,\"platform\":\"%s\",\"tool\":\"0.1\","
			"\"arch\":\"arm64\",\"deterministic\":%s,\"kernel\":{\"release\":\"%s\"},"
			"\"descriptors\":{\"f\":{\"name\":\"f\",\"hash\":\"1\"}}}\n",
			platform, exact ? "true" : "false", side ? "7.2" : "6.1");
	}
}

static void begin(void)
{
	begin_on("x86_64", false);
}

static void case_begin(int side, const char *id, int rep)
{
	fprintf(file[side], "{\"event\":\"case_begin\",\"case\":\"%s\",\"rep\":%d}\n", id, rep);
}

static void case_end(int side, const char *id, int rep, const char *verdict, const char *reason)
{
	fprintf(file[side],
		"{\"event\":\"case_end\",\"case\":\"%s\",\"rep\":%d,\"verdict\":\"%s\",\"reason\":\"%s\"}\n",
		id, rep, verdict, reason);
}

static void number(int side, const char *id, int rep, const char *op, long observed, long lo,
		   long hi)
{
	fprintf(file[side],
		"{\"event\":\"evidence\",\"case\":\"%s\",\"rep\":%d,\"name\":\"count\",\"op\":\"%s\","
		"\"observed\":%ld,\"expected\":%ld,\"lo\":%ld,\"hi\":%ld,\"ok\":%s,\"at\":\"x.c:7\"}\n",
		id, rep, op, observed, lo, lo, hi,
		observed >= lo && observed <= hi ? "true" : "false");
}

/* A case with the verdict and no evidence; NULL: the run has not got it. */
static void verdict(int side, const char *id, const char *word)
{
	if (!word)
		return;
	case_begin(side, id, 0);
	case_end(side, id, 0, word, "because");
}

/* A passing case that observed `n` numbers, one a repetition. */
static void spread(int side, const char *op, int n, const long *observed, long lo, long hi)
{
	for (int rep = 0; rep < n; rep++) {
		case_begin(side, "f/c/n", rep);
		number(side, "f/c/n", rep, op, observed[rep], lo, hi);
		case_end(side, "f/c/n", rep, "pass", "");
	}
}

static void end(int side)
{
	fputs("{\"event\":\"run_end\",\"verdicts\":{},\"complete\":true}\n", file[side]);
}

/* A case that crashes with these titles; NULL: without. */
static void crash(int side, int rep, const char *title, const char *alt)
{
	case_begin(side, "f/c/n", rep);
	fprintf(file[side],
		"{\"event\":\"case_end\",\"case\":\"f/c/n\",\"rep\":%d,\"verdict\":\"crash\"", rep);
	if (title)
		fprintf(file[side], ",\"title\":\"%s\"", title);
	if (alt)
		fprintf(file[side], ",\"alt\":[%s]", alt);
	fputs(",\"reason\":\"it died\"}\n", file[side]);
}

static void compare_open(void)
{
	char error[1024];

	pv_comparison_free(c);
	for (int side = A; side <= B; side++) {
		pv_run_free(run[side]);
		fclose(file[side]);
		if (pv_run_load(path[side], &run[side], error, sizeof(error)))
			fail_msg("%s", error);
	}
	c = pv_compare(run[A], run[B]);
}

static void compare(void)
{
	end(A);
	end(B);
	compare_open();
}

static void is_class(enum pv_class class, bool regression)
{
	if (c->count[class] != 1)
		fail_msg("not one '%s'", pv_class_names[class]);
	assert_int_equal(c->regressions, regression);
}

static void verdicts_have_their_class(void **state)
{
	static const struct {
		const char *a, *b;
		enum pv_class class;
		bool regression;
	} table[] = {
		{"pass", "pass", PV_C_SAME, false},
		{"pass", "xpass", PV_C_SAME, false},
		{"pass", "fail", PV_C_REGRESSED, true},
		{"xpass", "fail", PV_C_REGRESSED, true},
		{"pass", "xfail", PV_C_REGRESSED, true},
		{"xpass", "xfail", PV_C_REGRESSED, true},
		{"xfail", "fail", PV_C_REGRESSED, true},
		{"pass", "crash", PV_C_CRASH, true},
		{"pass", "hang", PV_C_CRASH, true},
		{"fail", "crash", PV_C_CRASH, true},
		{"skip", "crash", PV_C_CRASH, true},
		{NULL, "hang", PV_C_CRASH, true},
		{"crash", "hang", PV_C_KNOWN_CRASH, false},
		{"pass", "skip", PV_C_LOST, true},
		{"pass", "miss", PV_C_LOST, true},
		{"pass", "error", PV_C_LOST, true},
		{"xfail", "skip", PV_C_LOST, true},
		{"fail", "skip", PV_C_LOST, true},
		{NULL, "fail", PV_C_NEW_FAIL, true},
		{"skip", "fail", PV_C_NEW_FAIL, true},
		{"fail", "pass", PV_C_FIXED, false},
		{"crash", "pass", PV_C_FIXED, false},
		{"xfail", "pass", PV_C_FIXED, false},
		{"xfail", "xpass", PV_C_FIXED, false},
		{NULL, "pass", PV_C_NEW, false},
		{"skip", "pass", PV_C_NEW, false},
		{"error", "xfail", PV_C_NEW, false},
		{"pass", NULL, PV_C_GONE, false},
		{"skip", NULL, PV_C_GONE, false},
		{"fail", "fail", PV_C_STILL, false},
		{"fail", "xfail", PV_C_STILL, false},
		{"xfail", "xfail", PV_C_STILL, false},
		{"skip", "skip", PV_C_SAME, false},
		{NULL, "skip", PV_C_SAME, false},
		{"skip", "error", PV_C_CHANGED, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		begin();
		verdict(A, "f/c/one", table[i].a);
		verdict(B, "f/c/one", table[i].b);
		compare();
		if (c->count[table[i].class] != 1)
			fail_msg("%s -> %s is not '%s'", table[i].a, table[i].b,
				 pv_class_names[table[i].class]);
		assert_int_equal(c->regressions, table[i].regression);
	}
}

static void repetitions(int side, const char *verdicts[3])
{
	for (int rep = 0; rep < 3; rep++) {
		case_begin(side, "f/c/n", rep);
		case_end(side, "f/c/n", rep, verdicts[rep], "");
	}
}

static void a_crash_is_known_by_its_titles(void **state)
{
	static const struct {
		const char *title_a, *alt_a, *title_b, *alt_b;
		bool known;
	} table[] = {
		{"one", NULL, "one", NULL, true},
		{"one", NULL, "two", NULL, false},
		{"one", "\"three\",\"two\"", "two", NULL, true},
		{"one", NULL, "two", "\"one\"", true},
		{"one", "\"x\",\"y\"", "two", "\"z\",\"y\"", true},
		{"one", "\"twofold\"", "two", "\"on\"", false},
		{NULL, NULL, "two", NULL, true},
		{"one", NULL, NULL, NULL, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		begin();
		crash(A, 0, table[i].title_a, table[i].alt_a);
		crash(B, 0, table[i].title_b, table[i].alt_b);
		compare();
		is_class(table[i].known ? PV_C_KNOWN_CRASH : PV_C_CRASH, !table[i].known);
		assert_int_equal(c->change[0].other_crash, !table[i].known);
	}
	/* Where a hang is caught is chance. */
	for (int same = 0; same < 2; same++) {
		begin();
		for (int side = A; side <= B; side++) {
			case_begin(side, "f/c/n", 0);
			fprintf(file[side],
				"{\"event\":\"case_end\",\"case\":\"f/c/n\",\"rep\":0,\"verdict\":\"hang\","
				"\"death\":\"%s\",\"title\":\"in %s\"}\n",
				side == A || same ? "soft-hang" : "hard-hang", side ? "x" : "y");
		}
		compare();
		is_class(same ? PV_C_KNOWN_CRASH : PV_C_CRASH, !same);
	}
	/* One repetition of another bug among known ones. */
	begin();
	for (int rep = 0; rep < 3; rep++) {
		crash(A, rep, "one", NULL);
		crash(B, rep, rep == 1 ? "two" : "one", NULL);
	}
	compare();
	is_class(PV_C_CRASH, true);
}

static void flaky_is_a_regression_when_it_never_failed_before(void **state)
{
	static const char *steady[] = {"pass", "pass", "pass"}, *flaky[] = {"pass", "fail", "pass"};
	static const char *red[] = {"fail", "fail", "fail"}, *dies[] = {"pass", "crash", "pass"};

	(void)state;
	begin();
	repetitions(A, steady);
	repetitions(B, flaky);
	compare();
	is_class(PV_C_FLAKY, true);
	begin();
	repetitions(A, flaky);
	repetitions(B, flaky);
	compare();
	is_class(PV_C_FLAKY, false);
	begin();
	repetitions(A, flaky);
	repetitions(B, steady);
	compare();
	is_class(PV_C_FLAKY, false);
	begin();
	repetitions(A, flaky);
	repetitions(B, red);
	compare();
	is_class(PV_C_REGRESSED, true);
	begin();
	repetitions(A, steady);
	repetitions(B, dies);
	compare();
	is_class(PV_C_CRASH, true);
}

/* The numbers of A and B, and whether they count as changed there. */
static void numbers(bool exact, const char *op, int na, const long *a, int nb, const long *b,
		    long lo, long hi, bool changed)
{
	begin_on("p", exact);
	spread(A, op, na, a, lo, hi);
	spread(B, op, nb, b, lo, hi);
	compare();
	is_class(changed ? PV_C_CHANGED : PV_C_SAME, false);
	assert_int_equal(pv_compare_exit(c), 0);
}

static void every_number_counts_on_a_deterministic_platform(void **state)
{
	static const long x[] = {1000}, y[] = {1001};

	(void)state;
	numbers(true, "in", 1, x, 1, x, 0, 9999, false);
	numbers(true, "in", 1, x, 1, y, 0, 9999, true);
	numbers(true, "note", 1, x, 1, y, 0, 0, true);
}

static void noise_is_no_change_elsewhere(void **state)
{
	static const long one[] = {1000}, far[] = {5000}, three[] = {1000, 1010, 1005};
	static const long near[] = {1015, 1018, 1019}, out[] = {1021, 1050, 1030};
	static const long mixed[] = {1021, 1005, 1030}, still[] = {64, 64, 64}, other[] = {65};

	(void)state;
	numbers(false, "in", 1, one, 1, far, 0, 9999, false);
	numbers(false, "note", 1, one, 1, far, 0, 0, false);
	numbers(false, "in", 3, three, 3, near, 0, 9999, false);
	numbers(false, "in", 3, three, 3, out, 0, 9999, true);
	numbers(false, "in", 3, three, 3, mixed, 0, 9999, false);
	numbers(false, "note", 3, three, 1, far, 0, 0, false);
	numbers(false, "note", 3, still, 1, other, 0, 0, true);
}

static void time_like_bounds_are_noise(void **state)
{
	(void)state;
	begin();
	for (int side = A; side <= B; side++) {
		for (int rep = 0; rep < 3; rep++) {
			long t = 1000 + rep * 10 + side * 5000;

			case_begin(side, "f/c/t", rep);
			number(side, "f/c/t", rep, "in", t, t - 5, t + 5);
			case_end(side, "f/c/t", rep, "pass", "");
		}
	}
	compare();
	is_class(PV_C_SAME, false);
}

static void an_errno_or_a_bound_is_never_noise(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		begin();
		for (int side = A; side <= B; side++) {
			case_begin(side, "f/c/e", 0);
			if (i)
				number(side, "f/c/e", 0, "errno", side ? -22 : -95, -95, -22);
			else
				number(side, "f/c/e", 0, "in", 50, side ? 40 : 45, 60);
			case_end(side, "f/c/e", 0, "pass", "");
		}
		compare();
		is_class(PV_C_CHANGED, false);
	}
}

static void evidence_that_went_or_came_is_a_change_where_exact(void **state)
{
	(void)state;
	for (int only = A; only <= B; only++) {
		begin_on("p", true);
		for (int side = A; side <= B; side++) {
			case_begin(side, "f/c/e", 0);
			number(side, "f/c/e", 0, "==", 1, 1, 1);
			if (side == only)
				number(side, "f/c/e", 0, "==", 1, 1, 1);
			case_end(side, "f/c/e", 0, "pass", "");
		}
		compare();
		is_class(PV_C_CHANGED, false);
		assert_int_equal(c->change->nr_obs, 1);
	}
}

static void never_zero_on_a_partial_stream(void **state)
{
	(void)state;
	for (int side = A; side <= B; side++) {
		begin();
		verdict(A, "f/c/one", "pass");
		verdict(B, "f/c/one", "pass");
		end(!side);
		compare_open();
		assert_int_equal(pv_compare_exit(c), 3);
	}
	/* what was seen was seen */
	begin();
	verdict(A, "f/c/one", "pass");
	verdict(B, "f/c/one", "fail");
	end(A);
	compare_open();
	assert_int_equal(pv_compare_exit(c), 1);
	/* what a broken-off run never reached was not */
	begin();
	verdict(A, "f/c/one", "pass");
	verdict(A, "f/c/two", "pass");
	verdict(B, "f/c/one", "pass");
	case_end(B, "f/c/two", 0, "miss", "never ran");
	end(A);
	compare_open();
	assert_int_equal(pv_compare_exit(c), 3);
	begin();
	verdict(A, "f/c/one", "pass");
	verdict(B, "f/c/one", "pass");
	verdict(B, "f/c/two", "fail");
	end(B);
	compare_open();
	assert_int_equal(pv_compare_exit(c), 3);
}

static void nothing_tested_is_no_success(void **state)
{
	(void)state;
	begin();
	verdict(A, "f/c/one", "skip");
	verdict(B, "f/c/one", "skip");
	compare();
	assert_int_equal(pv_compare_exit(c), 3);
}

static void a_new_splat_between_cases_is_a_regression(void **state)
{
	static const char splat[] =
		"{\"event\":\"splat\",\"class\":\"BUG\",\"title\":\"BUG: x\",\"text\":\"\"}\n";

	(void)state;
	begin();
	verdict(A, "f/c/one", "pass");
	verdict(B, "f/c/one", "pass");
	fputs(splat, file[B]);
	compare();
	assert_int_equal(pv_compare_exit(c), 1);
	begin();
	verdict(A, "f/c/one", "pass");
	verdict(B, "f/c/one", "pass");
	fputs(splat, file[A]);
	fputs(splat, file[B]);
	compare();
	assert_int_equal(pv_compare_exit(c), 0);
}

/* The report in memory; free it. */
static char *report(bool all, int *status)
{
	const struct pv_comparison *const list[] = {c};
	struct pv_report_opts opts = {.all = all};
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	*status = pv_report(f, list, 1, &opts);
	fclose(f);
	return text;
}

static void a_hundred_of_everything(void)
{
	static const char *pairs[][2] = {{"pass", "crash"}, {"pass", "fail"}, {"pass", "skip"},
					 {NULL, "fail"},    {"fail", "pass"}, {NULL, "pass"},
					 {"pass", NULL},    {"fail", "fail"}, {"pass", "pass"}};
	char id[200];

	begin();
	for (size_t k = 0; k < sizeof(pairs) / sizeof(pairs[0]); k++) {
		for (int i = 0; i < 100; i++) {
			snprintf(
				id, sizeof(id), "family/capability/name_%zu_%03d:%s,variant", k, i,
				i % 2 ? "a-long-name-of-an-event-that-fills-its-line-to-the-end-and-beyond-it"
				      : "e");
			verdict(A, id, pairs[k][0]);
			if (!pairs[k][1])
				continue;
			case_begin(B, id, 0);
			for (int n = 0; n < 5; n++)
				number(B, id, 0, "==", 998213, 1000000, 1000000);
			case_end(B, id, 0, pairs[k][1],
				 "guest panicked: Kernel panic - not syncing: x \\u00e9");
		}
	}
	compare();
}

static void the_report_is_one_screen(void **state)
{
	unsigned int lines = 0;
	char *text, *line, *save;
	int status;

	(void)state;
	a_hundred_of_everything();
	text = report(false, &status);
	assert_int_equal(status, 1);
	assert_non_null(strstr(text, "100 crash, 100 regressed, 100 lost, 100 new failure"));
	assert_non_null(strstr(text, "--all shows them"));
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		lines++;
		assert_true(pv_text_columns(line) <= PV_REPORT_COLUMNS);
	}
	assert_in_range(lines, PV_REPORT_LINES / 2, PV_REPORT_LINES);
	free(text);
	text = report(true, &status);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		assert_true(pv_text_columns(line) <= PV_REPORT_COLUMNS);
	free(text);
}

static void again(int side, const char *keys)
{
	fprintf(file[side],
		"{\"event\":\"again\",\"case\":\"f/c/n\",\"rep\":0,\"title\":\"one\",%s}\n", keys);
}

static void the_report_says_what_a_crash_needs(void **state)
{
	static const struct {
		const char *keys, *text;
	} table[] = {
		{"\"alone\":true,\"reproduced\":true,\"prefix\":[],\"boots\":1",
		 "      crashes alone, in a fresh boot\n"},
		{"\"alone\":false,\"reproduced\":true,\"prefix\":[\"f/c/a\"],\"boots\":5",
		 "      crashes not alone, but behind 1 other case: f/c/a\n"},
		{"\"alone\":false,\"reproduced\":true,\"prefix\":[\"f/c/a\",\"f/c/b\"],\"boots\":5",
		 "      crashes not alone, but behind 2 other cases: f/c/a, ...\n"},
		{"\"alone\":false,\"reproduced\":false,\"reason\":\"never again\",\"boots\":5",
		 "      did not crash alone; never again\n"},
	};
	char *text;
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		begin();
		verdict(A, "f/c/n", "pass");
		crash(B, 0, "one", NULL);
		again(B, table[i].keys);
		compare();
		text = report(false, &status);
		assert_non_null(strstr(text, table[i].text));
		free(text);
	}
	begin();
	crash(A, 0, "one", NULL);
	crash(B, 0, "two", NULL);
	compare();
	text = report(false, &status);
	assert_non_null(strstr(text, "other crash: two; was: one"));
	free(text);
}

static void the_report_names_case_and_numbers(void **state)
{
	char *text;
	int status;

	(void)state;
	begin();
	case_begin(A, "f/c/n", 0);
	number(A, "f/c/n", 0, "==", 1000000, 1000000, 1000000);
	case_end(A, "f/c/n", 0, "pass", "");
	case_begin(B, "f/c/n", 0);
	number(B, "f/c/n", 0, "==", 998213, 1000000, 1000000);
	case_end(B, "f/c/n", 0, "fail", "failed: count");
	compare();
	text = report(false, &status);
	assert_non_null(strstr(text, "  A  6.1  1 pass\n"));
	assert_non_null(strstr(text, "  B  7.2  1 fail\n"));
	assert_non_null(strstr(text, "regressed (1)\n  f/c/n "));
	assert_non_null(strstr(text, "pass -> fail\n"));
	assert_non_null(strstr(
		text, "count: expected 1000000, observed 1000000 -> 998213 (-0.179 %) (x.c:7)\n"));
	free(text);
}

static void runs_that_are_hardly_comparable_are_named(void **state)
{
	char *text;
	int status;

	(void)state;
	begin_on("arm64", true);
	fclose(file[B]);
	file[B] = fopen(path[B], "w");
	fputs("{\"event\":\"run_begin\",\"schema\":1,\"platform\":\"host\",\"arch\":\"x86_64\",\"tool\":\"0.2\","
	      "\"deterministic\":true,\"descriptors\":{\"f\":{\"name\":\"f\",\"hash\":\"2\"}}}\n",
	      file[B]);
	verdict(A, "f/c/one", "pass");
	verdict(B, "f/c/one", "pass");
	compare();
	assert_false(c->exact);
	text = report(false, &status);
	assert_non_null(
		strstr(text, "WARNING: hardly comparable: other platform: A arm64, B host"));
	assert_non_null(strstr(text, "other architecture: A arm64, B x86_64"));
	assert_non_null(strstr(text, "other pmuvet version: A 0.1, B 0.2"));
	assert_non_null(strstr(text, "other promises for f: A f 1, B f 2"));
	free(text);
}

/* The command with these arguments, its output thrown away. */
static int command(const char *x, const char *y, const char *z)
{
	char *argv[] = {"compare", (char *)x, (char *)y, (char *)z, NULL};
	int argc = z ? 4 : y ? 3 : x ? 2 : 1, status, out = dup(1), err = dup(2);
	int null = open("/dev/null", O_WRONLY);

	fflush(stdout);
	dup2(null, 1);
	dup2(null, 2);
	status = pv_compare_main(argc, argv);
	fflush(stdout);
	dup2(out, 1);
	dup2(err, 2);
	close(out);
	close(err);
	close(null);
	return status;
}

static void the_command_has_the_exit_codes_of_the_design(void **state)
{
	FILE *f;

	(void)state;
	begin();
	verdict(A, "f/c/one", "pass");
	verdict(B, "f/c/one", "fail");
	compare();
	assert_int_equal(command(path[A], path[A], NULL), 0);
	assert_int_equal(command(path[A], path[B], NULL), 1);
	assert_int_equal(command(path[B], path[B], "--all"), 0);
	assert_int_equal(command("--help", NULL, NULL), 0);
	assert_int_equal(command(NULL, NULL, NULL), 2);
	assert_int_equal(command(path[A], NULL, NULL), 2);
	assert_int_equal(command("--bogus", path[A], path[B]), 2);
	assert_int_equal(command(path[A], "/nonexistent", NULL), 2);
	assert_int_equal(command(path[A], path[A], "--json=/nonexistent/x"), 3);
	f = fopen(path[B], "w");
	fputs("{\"event\":\"run_begin\",\"schema\":9,\"platform\":\"x\"}\n", f);
	fclose(f);
	assert_int_equal(command(path[A], path[B], NULL), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_have_their_class),
		cmocka_unit_test(a_crash_is_known_by_its_titles),
		cmocka_unit_test(the_report_says_what_a_crash_needs),
		cmocka_unit_test(flaky_is_a_regression_when_it_never_failed_before),
		cmocka_unit_test(every_number_counts_on_a_deterministic_platform),
		cmocka_unit_test(noise_is_no_change_elsewhere),
		cmocka_unit_test(time_like_bounds_are_noise),
		cmocka_unit_test(an_errno_or_a_bound_is_never_noise),
		cmocka_unit_test(evidence_that_went_or_came_is_a_change_where_exact),
		cmocka_unit_test(never_zero_on_a_partial_stream),
		cmocka_unit_test(nothing_tested_is_no_success),
		cmocka_unit_test(a_new_splat_between_cases_is_a_regression),
		cmocka_unit_test(the_report_is_one_screen),
		cmocka_unit_test(the_report_names_case_and_numbers),
		cmocka_unit_test(runs_that_are_hardly_comparable_are_named),
		cmocka_unit_test(the_command_has_the_exit_codes_of_the_design),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
