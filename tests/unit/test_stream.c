/* SPDX-License-Identifier: GPL-2.0-only */
/* Streams as they should be, as a crash leaves them, and as an enemy writes them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "results/run.h"

#define BEGIN "{\"event\":\"run_begin\",\"schema\":1,\"platform\":\"host\"}\n"
#define AGAIN                                                                                      \
	"{\"event\":\"again\",\"case\":\"a/b/c\",\"rep\":0,\"title\":\"t\",\"alone\":false,"       \
	"\"reproduced\":true,\"prefix\":[\"x/y/z\",\"x/y/w\"],\"boots\":7}\n"
#define CASE "{\"event\":\"case_begin\",\"case\":\"a/b/c\",\"rep\":0}\n"
#define COUNT                                                                                      \
	"{\"event\":\"evidence\",\"case\":\"a/b/c\",\"rep\":0,\"name\":\"count\",\"op\":\"==\","   \
	"\"observed\":7,\"expected\":7,\"ok\":true,\"at\":\"x.c:1\"}\n"
#define END  "{\"event\":\"case_end\",\"case\":\"a/b/c\",\"rep\":0,\"verdict\":\"pass\"}\n"
#define FAIL "{\"event\":\"case_end\",\"case\":\"a/b/c\",\"rep\":0,\"verdict\":\"fail\"}\n"
#define STOP "{\"event\":\"run_end\",\"verdicts\":{\"pass\":1},\"complete\":true}\n"

static char path[] = "/tmp/pmuvet-test-XXXXXX";
static char error[1024];
static struct pv_run *run;

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static int load_bytes(const void *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	pv_run_free(run);
	error[0] = 0;
	return pv_run_load(path, &run, error, sizeof(error));
}

static int load(const char *text)
{
	return load_bytes(text, strlen(text));
}

/* Broken at `line`, for a reason with `why` in it. */
static void refused(const char *text, size_t n, unsigned long line, const char *why)
{
	char place[64];

	assert_int_equal(load_bytes(text, n), -EINVAL);
	assert_null(run);
	snprintf(place, sizeof(place), "%s:%lu: ", path, line);
	if (strncmp(error, place, strlen(place)) || !strstr(error, why))
		fail_msg("got \"%s\", wanted line %lu and \"%s\"", error, line, why);
}

static void refused_text(const char *text, unsigned long line, const char *why)
{
	refused(text, strlen(text), line, why);
}

/* One line behind a good beginning. */
static void refused_line(const char *line, const char *why)
{
	char text[4096];

	snprintf(text, sizeof(text), BEGIN "%s\n", line);
	refused_text(text, 2, why);
}

static void a_whole_run(void **state)
{
	const struct pv_case_run *c;

	(void)state;
	assert_int_equal(load(BEGIN CASE COUNT END STOP), 0);
	assert_true(run->complete);
	c = pv_run_find(run, "a/b/c");
	assert_non_null(c);
	assert_int_equal(c->worst, PV_R_PASS);
	assert_string_equal(c->obs->name, "count");
	assert_true(c->obs->min == 7 && c->obs->max == 7 && c->obs->lo == 7);
	assert_null(pv_run_find(run, "a/b"));
}

static void facts_of_the_run(void **state)
{
	(void)state;
	assert_int_equal(
		load("{\"event\":\"run_begin\",\"schema\":1,\"platform\":\"arm64\",\"deterministic\":true,"
		     "\"seed\":null,\"qemu\":[\"a\",{\"b\":[1]}],"
		     "\"kernel\":{\"release\":\"6.1\",\"odd\":{\"release\":\"no\"},\"build_id\":\"ab\"},"
		     "\"descriptors\":{\"sw\":{\"name\":\"sw\",\"hash\":\"h\"},\"hw\":{\"hash\":\"i\"}}}\n"),
		0);
	assert_string_equal(run->fact[PV_F_RELEASE], "6.1");
	assert_string_equal(run->fact[PV_F_BUILD_ID], "ab");
	assert_string_equal(run->fact[PV_F_TOOL], "");
	assert_true(run->deterministic);
	assert_int_equal(run->nr_descriptors, 2);
	assert_string_equal(run->descriptor[1].family, "hw");
	assert_string_equal(run->descriptor[1].hash, "i");
}

static void a_stream_that_stops_in_a_case_is_a_crash(void **state)
{
	(void)state;
	assert_int_equal(load(BEGIN CASE COUNT), 0);
	assert_false(run->complete);
	assert_int_equal(pv_run_find(run, "a/b/c")->worst, PV_R_CRASH);
}

static void a_case_stopped_by_run_end_has_no_verdict(void **state)
{
	(void)state;
	assert_int_equal(load(BEGIN CASE "{\"event\":\"run_end\",\"complete\":false,"
					 "\"reason\":\"stopped by a signal\"}\n"),
			 0);
	assert_false(run->complete);
	assert_string_equal(run->why, "stopped by a signal");
	assert_null(pv_run_find(run, "a/b/c"));
}

static void a_cut_last_line_is_dropped(void **state)
{
	(void)state;
	assert_int_equal(load(BEGIN CASE COUNT END "{\"event\":\"run_end\",\"comp"), 0);
	assert_false(run->complete);
	assert_int_equal(pv_run_find(run, "a/b/c")->worst, PV_R_PASS);
	assert_int_equal(load(BEGIN CASE COUNT END STOP "{"), 0);
	assert_false(run->complete);
}

static void missing_planned_verdicts_are_not_complete(void **state)
{
	(void)state;
	assert_int_equal(load(BEGIN "{\"event\":\"plan\",\"count\":2}\n" CASE COUNT END STOP), 0);
	assert_false(run->complete);
	assert_non_null(strstr(run->why, "1 of 2"));
}

static void resume_runs_the_open_case_again(void **state)
{
	const struct pv_case_run *c;

	(void)state;
	assert_int_equal(
		load(BEGIN CASE COUNT COUNT "{\"event\":\"resume\"}\n" BEGIN CASE COUNT END STOP),
		0);
	c = pv_run_find(run, "a/b/c");
	assert_true(run->complete);
	assert_int_equal(c->worst, PV_R_PASS);
	assert_int_equal(c->nr_obs, 1);
	refused_text(BEGIN "{\"event\":\"resume\"}\n"
			   "{\"event\":\"run_begin\",\"schema\":1,\"platform\":\"arm64\"}\n",
		     3, "resumed on something else");
}

static void repetitions_are_summed_up(void **state)
{
	static const char rep1[] =
		"{\"event\":\"case_begin\",\"case\":\"a/b/c\",\"rep\":1}\n"
		"{\"event\":\"evidence\",\"case\":\"a/b/c\",\"rep\":1,\"name\":\"other\",\"op\":\"note\","
		"\"observed\":1}\n"
		"{\"event\":\"evidence\",\"case\":\"a/b/c\",\"rep\":1,\"name\":\"count\",\"op\":\"==\","
		"\"observed\":9,\"expected\":7,\"ok\":false}\n"
		"{\"event\":\"evidence\",\"case\":\"a/b/c\",\"rep\":1,\"name\":\"count\",\"op\":\"==\","
		"\"observed\":5,\"expected\":5,\"ok\":true}\n"
		"{\"event\":\"case_end\",\"case\":\"a/b/c\",\"rep\":1,\"verdict\":\"fail\"}\n";
	const struct pv_case_run *c;
	char text[4096];

	(void)state;
	snprintf(text, sizeof(text), "%s%s%s", BEGIN CASE COUNT END, rep1, STOP);
	assert_int_equal(load(text), 0);
	c = pv_run_find(run, "a/b/c");
	assert_int_equal(c->nr_reps, 2);
	assert_int_equal(c->best, PV_R_PASS);
	assert_int_equal(c->worst, PV_R_FAIL);
	assert_int_equal(c->nr_obs, 3);
	assert_true(c->obs->min == 7 && c->obs->max == 9 && c->obs->bad == 9);
	assert_int_equal(c->obs->failed, 1);
	assert_int_equal(c->obs->seen, 2);
}

static void numbers_use_all_64_bits(void **state)
{
	char buf[PV_NUM_SIZE];
	const struct pv_case_run *c;

	(void)state;
	assert_int_equal(
		load(BEGIN CASE
		     "{\"event\":\"evidence\",\"case\":\"a/b/c\",\"rep\":0,\"name\":\"n\",\"op\":\"note\","
		     "\"observed\":\"0xffffffffffffffff\"}\n"
		     "{\"event\":\"evidence\",\"case\":\"a/b/c\",\"rep\":0,\"name\":\"e\",\"op\":\"errno\","
		     "\"observed\":-22,\"expected\":0,\"ok\":false}\n" FAIL STOP),
		0);
	c = pv_run_find(run, "a/b/c");
	assert_true(c->obs->min == UINT64_MAX);
	assert_string_equal(pv_num_text(buf, c->obs->min, PV_OP_NOTED), "0xffffffffffffffff");
	assert_string_equal(pv_num_text(buf, c->obs->next->min, PV_OP_ERROR), "EINVAL");
	assert_string_equal(pv_num_text(buf, 0, PV_OP_ERROR), "success");
}

static void unknown_events_and_keys_are_skipped(void **state)
{
	(void)state;
	assert_int_equal(load(BEGIN
			      "{\"event\":\"news\",\"rep\":\"x\",\"case\":[[{}]]}\n"
			      "{\"event\":\"plan\",\"count\":0,\"new\":{\"count\":[1,{}]}}\n" STOP),
			 0);
	assert_true(run->complete);
}

static void texts_are_safe_for_a_terminal(void **state)
{
	const struct pv_rep *r;

	(void)state;
	assert_int_equal(
		load(BEGIN CASE
		     "{\"event\":\"case_end\",\"case\":\"a/b/c\",\"rep\":0,\"verdict\":\"crash\",\"reason\":"
		     "\"\\u001b[31m\\u0000\\n\xe2\x80\xae\\ud800 \xc3\xa9\",\"tail\":[\"one\\n\",\"t\\u0007wo\"]}\n"),
		0);
	r = pv_worst_rep(pv_run_find(run, "a/b/c"));
	assert_string_equal(r->reason, "?[31m? ?? \xc3\xa9");
	assert_string_equal(r->tail, "one \nt?wo");
}

static void order_is_judged(void **state)
{
	(void)state;
	refused_text(CASE BEGIN, 1, "first event must be run_begin");
	refused_text(BEGIN BEGIN, 2, "second run_begin");
	refused_text(BEGIN END, 2, "without its case_begin");
	refused_text(BEGIN COUNT, 2, "not running");
	refused_text(BEGIN CASE CASE, 3, "has not ended");
	refused_text(BEGIN CASE END END, 4, "without its case_begin");
	refused_text(BEGIN CASE END CASE, 4, "behind the verdict");
	refused_text(BEGIN CASE END COUNT, 4, "not running");
	refused_text(BEGIN STOP STOP, 3, "second run_end");
	refused_text(BEGIN STOP CASE, 3, "after run_end");
	refused_text(BEGIN AGAIN, 2, "which has no verdict");
	refused_text(BEGIN CASE AGAIN, 3, "which has no verdict");
}

static void what_retrying_showed_belongs_to_its_case(void **state)
{
	const struct pv_again *again;

	(void)state;
	assert_int_equal(load(BEGIN CASE END AGAIN STOP), 0);
	again = pv_run_find(run, "a/b/c")->again;
	assert_non_null(again);
	assert_false(again->alone);
	assert_true(again->reproduced);
	assert_int_equal(again->nr_prefix, 2);
	assert_string_equal(again->prefix, "x/y/z\nx/y/w");
	assert_int_equal(again->boots, 7);
	assert_null(again->reason);
	refused_line("{\"event\":\"again\",\"case\":\"a\",\"rep\":0,\"alone\":true}",
		     "'reproduced' is missing");
	refused_line(
		"{\"event\":\"again\",\"case\":\"a\",\"rep\":0,\"alone\":1,\"reproduced\":true}",
		"must be true or false");
}

static void lines_are_judged(void **state)
{
	(void)state;
	refused_line("", "empty line");
	refused_line("[]", "not a JSON object");
	refused_line("7", "not a JSON object");
	refused_line("{} {}", "more than one object");
	refused_line("{}", "no key 'event'");
	refused_line("{\"event\":7}", "no key 'event'");
	refused_line("{\"event\":\"plan\",", "not JSON");
	refused_line("{\"event\":\"plan\" \"count\":1}", "not JSON");
	refused_line("{\"event\":\"plan\",\"event\":\"plan\",\"count\":1}", "stands twice");
	refused_line("{\"event\":\"plan\",\"count\":1,\"count\":2}", "stands twice");
	refused_line("{\"event\":\"plan\"}", "'count' is missing");
	refused_line("{\"event\":\"plan\",\"count\":null}", "'count' is missing");
	refused_line("{\"event\":\"plan\",\"count\":\"1\"}", "must be an integer");
	refused_line("{\"event\":\"plan\",\"count\":1.5}", "must be an integer");
	refused_line("{\"event\":\"plan\",\"count\":[1]}", "must be an integer");
	refused_line("{\"event\":\"plan\",\"count\":99999999999999999999}", "not JSON");
	refused_line("{\"event\":\"plan\",\"count\":-1}", "negative");
	refused_line("{\"event\":\"case_begin\",\"case\":\"a b\",\"rep\":0}", "printable ASCII");
	refused_line("{\"event\":\"case_begin\",\"case\":\"a\\u001b\",\"rep\":0}",
		     "printable ASCII");
	refused_line("{\"event\":\"case_begin\",\"case\":\"\",\"rep\":0}", "1 to");
	refused_line("{\"event\":\"case_begin\",\"case\":\"a\",\"rep\":-1}", "no repetition");
	refused_line("{\"event\":\"case_end\",\"case\":\"a\",\"rep\":0,\"verdict\":\"ok\"}",
		     "unknown verdict 'ok'");
	refused_line("{\"event\":\"run_end\",\"complete\":1}", "true or false");
}

static void evidence_is_judged(void **state)
{
#define EV "{\"event\":\"evidence\",\"case\":\"a/b/c\",\"rep\":0,\"name\":\"n\","
	(void)state;
	refused_line(EV "\"op\":\"<\",\"observed\":1}", "unknown op '<'");
	refused_line(EV "\"op\":\"note\"}", "'observed' is missing");
	refused_line(EV "\"op\":\"==\",\"observed\":1,\"ok\":true}", "needs expected");
	refused_line(EV "\"op\":\"==\",\"observed\":1,\"expected\":1}", "and ok");
	refused_line(EV "\"op\":\"in\",\"observed\":1,\"lo\":1,\"ok\":true}", "needs lo, hi");
	refused_line(EV "\"op\":\"note\",\"observed\":\"0x1\"}", "16 digits");
	refused_line(EV "\"op\":\"note\",\"observed\":\"0x000000000000000G\"}", "16 digits");
}

static void a_foreign_version_is_refused(void **state)
{
	static const char v2[] = "{\"event\":\"run_begin\",\"schema\":2,\"platform\":[\"new\"]}\n";
	static const char none[] = "{\"event\":\"run_begin\",\"platform\":\"host\"}\n";

	(void)state;
	refused_text(v2, 1, "schema 2; this pmuvet reads schema 1");
	refused_text(none, 1, "'schema' is missing");
}

static void hostile_bytes(void **state)
{
	static const char nul[] = BEGIN "{\"event\":\0\"plan\"}\n";
	static const char esc[] = BEGIN "{\"event\":\"a\x1b[2J\"}\n";
	static const char latin[] = BEGIN "{\"event\":\"\xe9\"}\n";
	static const char overlong[] = BEGIN "{\"event\":\"\xc0\x80\"}\n";
	static const char surrogate[] = BEGIN "{\"event\":\"\xed\xa0\x80\"}\n";
	static const char cut[] = BEGIN "{\"event\":\"\xe2\x82\n";

	(void)state;
	refused(nul, sizeof(nul) - 1, 2, "control character");
	refused(esc, sizeof(esc) - 1, 2, "control character");
	refused(latin, sizeof(latin) - 1, 2, "not UTF-8");
	refused(overlong, sizeof(overlong) - 1, 2, "not UTF-8");
	refused(surrogate, sizeof(surrogate) - 1, 2, "not UTF-8");
	refused(cut, sizeof(cut) - 1, 2, "not UTF-8");
}

/* `n` times `c` behind the run's beginning, with or without a newline at the end. */
static void long_line(char c, size_t n, bool newline, const char *why)
{
	size_t head = strlen(BEGIN);
	char *text = malloc(head + n + 1);

	assert_non_null(text);
	memcpy(text, BEGIN, head);
	memset(text + head, c, n);
	text[head + n] = '\n';
	refused(text, head + n + newline, 2, why);
	free(text);
}

static void hostile_sizes(void **state)
{
	(void)state;
	long_line(' ', 10u << 20, true, "longer than 1048576");
	long_line('x', 10u << 20, false, "longer than 1048576");
	long_line(' ', PV_LINE_MAX, true, "empty line");
	long_line('[', PV_LINE_MAX, true, "not a JSON object");
}

static void hostile_nesting(void **state)
{
	char line[4096] = "{\"event\":\"plan\",\"x\":";
	size_t n = strlen(line);

	(void)state;
	memset(line + n, '[', 3000);
	refused_line(line, "nested too deeply");
}

static void files_that_cannot_be_read(void **state)
{
	(void)state;
	pv_run_free(run);
	assert_int_equal(pv_run_load("/nonexistent", &run, error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "/nonexistent: No such file or directory");
	assert_int_equal(pv_run_load("/", &run, error, sizeof(error)), -EISDIR);
	assert_null(run);
	assert_int_equal(load(""), -EINVAL);
	assert_non_null(strstr(error, "no whole line"));
	assert_int_equal(load("{\"event\":\"run_begin\","), -EINVAL);
}

static void a_bad_line_does_not_spoil_the_next(void **state)
{
	static const char bad[] = "{\"event\":", good[] = "{\"event\":\"plan\",\"count\":3}";
	struct pv_stream *s = pv_stream_new("x");
	const struct pv_stream_event *e;

	(void)state;
	assert_int_equal(pv_stream_line(s, bad, strlen(bad), &e), -EINVAL);
	assert_int_equal(pv_stream_line(s, good, strlen(good), &e), 0);
	assert_int_equal(e->type, PV_E_PLAN);
	assert_int_equal(e->count, 3);
	assert_int_equal(e->line, 2);
	pv_stream_free(s);
}

static void modules_that_ran(void **state)
{
	static const char good[] =
		"{\"event\":\"modules\",\"modules\":[{\"name\":\"a\",\"build_id\":\"0123\","
		"\"base\":\"0xffff800000c12000\",\"size\":4096,\"odd\":[{\"name\":\"no\"}]},{},\"x\","
		"{\"name\":\"b\",\"base\":0}]}";
	static const char bad[] =
		"{\"event\":\"modules\",\"modules\":[{\"name\":\"a\",\"base\":\"high\"}]}";
	struct pv_stream *s = pv_stream_new("x");
	const struct pv_stream_event *e;

	(void)state;
	assert_int_equal(pv_stream_line(s, good, strlen(good), &e), 0);
	assert_int_equal(e->type, PV_E_MODULES);
	assert_int_equal(e->nr_modules, 3);
	assert_string_equal(e->module[0].name, "a");
	assert_string_equal(e->module[0].build_id, "0123");
	assert_true(e->module[0].base == 0xffff800000c12000 && e->module[0].size == 4096);
	assert_null(e->module[1].name);
	assert_string_equal(e->module[2].name, "b");
	assert_null(e->module[2].build_id);
	assert_int_equal(pv_stream_line(s, bad, strlen(bad), &e), -EINVAL);
	assert_non_null(strstr(pv_stream_error(s), "'base' must be an integer"));
	pv_stream_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modules_that_ran),
		cmocka_unit_test(a_whole_run),
		cmocka_unit_test(facts_of_the_run),
		cmocka_unit_test(a_stream_that_stops_in_a_case_is_a_crash),
		cmocka_unit_test(a_case_stopped_by_run_end_has_no_verdict),
		cmocka_unit_test(a_cut_last_line_is_dropped),
		cmocka_unit_test(missing_planned_verdicts_are_not_complete),
		cmocka_unit_test(resume_runs_the_open_case_again),
		cmocka_unit_test(repetitions_are_summed_up),
		cmocka_unit_test(numbers_use_all_64_bits),
		cmocka_unit_test(unknown_events_and_keys_are_skipped),
		cmocka_unit_test(texts_are_safe_for_a_terminal),
		cmocka_unit_test(order_is_judged),
		cmocka_unit_test(what_retrying_showed_belongs_to_its_case),
		cmocka_unit_test(lines_are_judged),
		cmocka_unit_test(evidence_is_judged),
		cmocka_unit_test(a_foreign_version_is_refused),
		cmocka_unit_test(hostile_bytes),
		cmocka_unit_test(hostile_sizes),
		cmocka_unit_test(hostile_nesting),
		cmocka_unit_test(files_that_cannot_be_read),
		cmocka_unit_test(a_bad_line_does_not_spoil_the_next),
	};
	int failed = cmocka_run_group_tests(tests, setup, teardown);

	pv_run_free(run);
	return failed;
}
