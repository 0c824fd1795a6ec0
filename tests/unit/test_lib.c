/* SPDX-License-Identifier: GPL-2.0-only */
/* The case library's own promises: what a check records, what a verdict is made of, what is due. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cases/lib/test.h"

static struct pv_evidence last;
static unsigned int records;

static void on_evidence(void *ctx, const struct pv_evidence *e)
{
	(void)ctx;
	last = *e;
	records++;
}

static void on_message(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
}

static void on_knob(void *ctx, const char *path, const char *old)
{
	(void)ctx;
	(void)path;
	(void)old;
}

static const struct pv_sink sink = {on_evidence, on_message, on_knob};
static const struct pv_pmu pmu = {.name = "p", .family = "p"};
static const struct pv_event_desc event = {
	.name = "e", .work = PV_WORK_GETPPID, .relation = PV_REL_EXACT, .per = 2};
static struct pv_tally *tally; /* shared: ends of cases are tried in children */

static struct pv_test begin(const struct pv_case *c)
{
	struct pv_test t;

	memset(tally, 0, sizeof(*tally));
	records = 0;
	pv_test_init(&t, c, &sink, NULL, tally, 0, 1, false);
	return t;
}

static const struct pv_case plain = {.id = "p/c/plain", .pmu = &pmu, .event = &event};

static void a_case_that_checks_nothing_is_an_error(void **state)
{
	(void)state;
	begin(&plain);
	assert_int_equal(pv_test_verdict(tally), PV_V_ERROR);
	assert_int_equal(tally->kind, PV_BROKEN_SETUP);
}

static void a_note_is_not_a_check(void **state)
{
	struct pv_test t = begin(&plain);

	(void)state;
	pv_note(&t, "number", 7);
	assert_int_equal(records, 1);
	assert_int_equal(last.op, PV_OP_NOTE);
	assert_int_equal(pv_test_verdict(tally), PV_V_ERROR);
}

static void checks_record_both_operands(void **state)
{
	struct pv_test t = begin(&plain);

	(void)state;
	assert_true(pv_expect_eq(&t, "same", 3, 3));
	assert_true(pv_expect_in(&t, "inside", 3, 3, 4));
	assert_int_equal(pv_test_verdict(tally), PV_V_PASS);
	assert_false(pv_expect_in(&t, "outside", 5, 3, 4));
	assert_int_equal(last.observed, 5);
	assert_int_equal(last.lo, 3);
	assert_int_equal(last.hi, 4);
	assert_string_equal(last.file, "test_lib.c");
	assert_int_equal(pv_test_verdict(tally), PV_V_FAIL);
	assert_non_null(strstr(tally->reason, "outside"));
	assert_null(strstr(tally->reason, "inside"));
}

static void success_of_a_call_is_zero_whatever_it_returned(void **state)
{
	struct pv_test t = begin(&plain);

	(void)state;
	assert_true(pv_expect_errno(&t, "open", 17, 0));
	assert_int_equal(last.observed, 0);
	assert_true(pv_expect_errno(&t, "open", -EINVAL, -EINVAL));
	assert_false(pv_expect_errno(&t, "open", 17, -EINVAL));
	assert_false(pv_expect_errno(&t, "open", -ENOENT, -EINVAL));
}

enum ending { SKIP, FAIL, ERROR, CHECK_THEN_SKIP };

static enum pv_verdict end_by(enum ending ending)
{
	struct pv_test t = begin(&plain);
	pid_t pid = fork();

	if (!pid) {
		if (ending == CHECK_THEN_SKIP)
			pv_expect_eq(&t, "wrong", 1, 2);
		if (ending == FAIL)
			pv_fail(&t, "because");
		if (ending == ERROR)
			pv_error(&t, PV_BROKEN_SETUP, "because");
		pv_skip(&t, PV_ABSENT, "because");
	}
	waitpid(pid, NULL, 0);
	return pv_test_verdict(tally);
}

static void ends_say_what_they_mean(void **state)
{
	(void)state;
	assert_int_equal(end_by(SKIP), PV_V_SKIP);
	assert_int_equal(tally->kind, PV_ABSENT);
	assert_string_equal(tally->reason, "because");
	assert_int_equal(end_by(FAIL), PV_V_FAIL);
	assert_int_equal(end_by(ERROR), PV_V_ERROR);
	/* what was seen was seen */
	assert_int_equal(end_by(CHECK_THEN_SKIP), PV_V_FAIL);
}

static void chance_is_the_same_in_every_run(void **state)
{
	static const struct pv_case other = {.id = "p/c/other", .pmu = &pmu};
	struct pv_test a = begin(&plain), b = begin(&plain), c = begin(&other);
	unsigned int differ = 0;

	(void)state;
	for (int i = 0; i < 100; i++) {
		uint64_t x = pv_random(&a, 1, 127);

		assert_in_range(x, 1, 127);
		assert_int_equal(x, pv_random(&b, 1, 127));
		differ += x != pv_random(&c, 1, 127);
	}
	assert_true(differ > 50);
}

static const struct due {
	enum pv_relation relation;
	enum pv_side side;
	enum pv_mode mode;
	uint64_t lo, hi; /* of 10 units, two occurrences each */
} dues[] = {
	{PV_REL_EXACT, PV_SIDE_USER, PV_MODE_SINGLE, 20, 20},
	{PV_REL_EXACT, PV_SIDE_USER, PV_MODE_EXCLUDE_KERNEL, 20, 20},
	{PV_REL_EXACT, PV_SIDE_USER, PV_MODE_EXCLUDE_USER, 0, 0},
	{PV_REL_EXACT, PV_SIDE_KERNEL, PV_MODE_EXCLUDE_KERNEL, 0, 0},
	{PV_REL_EXACT, PV_SIDE_KERNEL, PV_MODE_EXCLUDE_USER, 20, 20},
	{PV_REL_EXACT, PV_SIDE_KERNEL, PV_MODE_CPU, 20, UINT64_MAX},
	{PV_REL_AT_LEAST, PV_SIDE_KERNEL, PV_MODE_SINGLE, 20, UINT64_MAX},
	{PV_REL_ZERO, PV_SIDE_USER, PV_MODE_SINGLE, 0, 0},
};

static void what_is_due_follows_relation_side_and_mode(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dues) / sizeof(dues[0]); i++) {
		struct pv_event_desc e = event;
		struct pv_case c = plain;
		struct pv_test t;
		uint64_t lo, hi;

		e.relation = dues[i].relation;
		e.side = dues[i].side;
		c.event = &e;
		c.mode = dues[i].mode;
		t = begin(&c);
		pv_due(&t, 10, &lo, &hi);
		assert_int_equal(lo, dues[i].lo);
		assert_int_equal(hi, dues[i].hi);
	}
}

static void a_zero_where_something_is_due_is_a_dead_counter(void **state)
{
	struct pv_test t = begin(&plain);
	struct pv_window w = {.value = 0, .enabled = 5, .running = 5};
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		pv_expect_window(&t, &w, 10);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	assert_int_equal(pv_test_verdict(tally), PV_V_FAIL);
	assert_non_null(strstr(tally->reason, "dead counter"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_case_that_checks_nothing_is_an_error),
		cmocka_unit_test(a_note_is_not_a_check),
		cmocka_unit_test(checks_record_both_operands),
		cmocka_unit_test(success_of_a_call_is_zero_whatever_it_returned),
		cmocka_unit_test(ends_say_what_they_mean),
		cmocka_unit_test(chance_is_the_same_in_every_run),
		cmocka_unit_test(what_is_due_follows_relation_side_and_mode),
		cmocka_unit_test(a_zero_where_something_is_due_is_a_dead_counter),
	};

	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (tally == MAP_FAILED)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
