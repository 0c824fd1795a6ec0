/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sequences that nobody thought of: random calls, each answered by a model of the kernel first
 * (lib/fuzz_model.c). The first answer that differs is cut down to the steps it needs and told as a
 * C program.
 */
#define _GNU_SOURCE
#include <string.h>

#include "cases/lib/attr_rules.h"
#include "cases/lib/fuzz.h"

/* What a sequence is mostly about: how often each call comes, by the case's word. */
static const struct weights {
	const char *word;
	uint8_t slots; /* fewer: more of them in the same ring */
	uint8_t of[FZ_NR_OPS];
} all_weights[] = {
	{"mix",
	 FZ_SLOTS,
	 {[FZ_OPEN] = 16,
	  [FZ_CLOSE] = 7,
	  [FZ_ENABLE] = 9,
	  [FZ_DISABLE] = 6,
	  [FZ_RESET] = 4,
	  [FZ_REFRESH] = 3,
	  [FZ_PERIOD] = 4,
	  [FZ_READ] = 11,
	  [FZ_MAP] = 6,
	  [FZ_UNMAP] = 2,
	  [FZ_OUTPUT] = 5,
	  [FZ_PAUSE] = 2,
	  [FZ_POLL] = 4,
	  [FZ_DRAIN] = 4,
	  [FZ_WORK] = 15,
	  [FZ_FORK] = 3,
	  [FZ_TASK] = 2}},
	{"groups",
	 FZ_SLOTS,
	 {[FZ_OPEN] = 20,
	  [FZ_CLOSE] = 10,
	  [FZ_ENABLE] = 14,
	  [FZ_DISABLE] = 10,
	  [FZ_RESET] = 5,
	  [FZ_READ] = 16,
	  [FZ_WORK] = 16,
	  [FZ_FORK] = 6,
	  [FZ_TASK] = 4}},
	{"rings",
	 4,
	 {[FZ_OPEN] = 10,
	  [FZ_CLOSE] = 4,
	  [FZ_ENABLE] = 6,
	  [FZ_DISABLE] = 3,
	  [FZ_REFRESH] = 5,
	  [FZ_PERIOD] = 5,
	  [FZ_READ] = 9,
	  [FZ_MAP] = 10,
	  [FZ_UNMAP] = 5,
	  [FZ_OUTPUT] = 10,
	  [FZ_PAUSE] = 6,
	  [FZ_POLL] = 9,
	  [FZ_DRAIN] = 8,
	  [FZ_WORK] = 20}},
};

static const struct weights *weights(const struct pv_test *t)
{
	size_t i = 0;

	while (strcmp(all_weights[i].word, pv_word(t)))
		i++;
	return &all_weights[i];
}

static enum fz_op random_op(struct pv_test *t)
{
	const struct weights *w = weights(t);
	unsigned int sum = 0, at, op = 0;

	for (unsigned int i = 0; i < FZ_NR_OPS; i++)
		sum += w->of[i];
	for (at = pv_random(t, 0, sum - 1); at >= w->of[op]; op++)
		at -= w->of[op];
	return op;
}

/* One in `n`. */
static bool once_in(struct pv_test *t, unsigned int n)
{
	return !pv_random(t, 0, n - 1);
}

static uint16_t random_rule(struct pv_test *t)
{
	size_t rule = pv_random(t, 0, pv_nr_rules - 1);

	return pv_rule_applies(t, &pv_rules[rule]) ? 1 + rule : 0;
}

static void random_open(struct pv_test *t, struct fz_step *s)
{
	static const uint16_t periods[] = {0, 0, 1, 1, 2, 3, 7};
	static const struct {
		uint32_t flag;
		unsigned int once_in;
	} flags[] = {
		{FZ_INHERIT, 4}, {FZ_DISABLED, 2}, {FZ_PINNED, 8},   {FZ_EXCLUSIVE, 8},
		{FZ_CLOCK, 6},   {FZ_FORMAT, 2},   {FZ_NO_GROUP, 6}, {FZ_FD_OUTPUT, 4},
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		s->flags |= once_in(t, flags[i].once_in) ? flags[i].flag : 0;
	s->n = periods[pv_random(t, 0, sizeof(periods) / sizeof(periods[0]) - 1)];
	s->kind = once_in(t, 3) ? FZ_CALL : pv_random(t, 0, FZ_NR_KINDS - 1);
	s->other = once_in(t, 2) ? FZ_NONE : pv_random(t, 0, weights(t)->slots - 1);
	if (!once_in(t, 5))
		return;
	/* A rule is one of a plain event. */
	s->rule = random_rule(t);
	s->flags &= ~(FZ_INHERIT | FZ_CLOCK);
	s->n = 0;
}

static void random_step(struct pv_test *t, struct fz_step *s)
{
	static const uint16_t pages[] = {1, 1, 1, 2, 2, 4, 3};

	memset(s, 0, sizeof(*s));
	s->op = random_op(t);
	s->slot = pv_random(t, 0, weights(t)->slots - 1);
	s->other = once_in(t, 8) ? FZ_NONE : pv_random(t, 0, weights(t)->slots - 1);
	switch (s->op) {
	case FZ_OPEN:
		random_open(t, s);
		break;
	case FZ_ENABLE:
	case FZ_DISABLE:
	case FZ_RESET:
		s->flags = once_in(t, 3) ? FZ_GROUP : 0;
		break;
	case FZ_REFRESH:
		s->n = pv_random(t, 0, 3);
		break;
	case FZ_PERIOD:
		s->n = pv_random(t, 0, 5);
		s->flags = once_in(t, 5) ? FZ_TOP : 0;
		break;
	case FZ_READ:
		s->flags = once_in(t, 5) ? FZ_SHORT : 0;
		break;
	case FZ_MAP:
		s->n = pages[pv_random(t, 0, sizeof(pages) / sizeof(pages[0]) - 1)];
		break;
	case FZ_PAUSE:
	case FZ_TASK:
		s->n = pv_random(t, 0, 1);
		break;
	case FZ_WORK:
		s->kind = once_in(t, 2) ? FZ_CALL : pv_random(t, FZ_CALL, FZ_WATCH);
		/* Now and then enough to fill a ring. */
		s->n = once_in(t, 8) ? pv_random(t, 200, 600) : pv_random(t, 1, 12);
		break;
	case FZ_FORK:
		s->kind = pv_random(t, FZ_CALL, FZ_WATCH);
		s->n = pv_random(t, 1, 9);
		break;
	}
}

/* Steps that say something where they stand; a closed slot is asked for its EBADF now and then. */
static void random_steps(struct pv_test *t, const struct fz_world *w, struct fz_step *steps,
			 unsigned int n)
{
	static struct fz_model m, next;

	fz_model_init(&m, w);
	for (unsigned int i = 0; i < n; i++) {
		for (int tries = 0; tries < 20; tries++) {
			struct fz_due due;

			random_step(t, &steps[i]);
			next = m;
			due = fz_predict(&next, &steps[i]);
			if (!due.skip && (due.ret != -EBADF || once_in(t, 20)))
				break;
		}
		m = next;
	}
}

PV_CASE(fuzz, sequence, .pmu = "perf", .each = "word[mix,groups,rings] n[200,1000]",
	.needs = "root tracefs watchpoints",
	.about =
		"in a random sequence of calls on eight events every errno, count, time, group, ring and poll is what a model of the kernel says")
{
	static struct fz_step steps[FZ_MAX];
	unsigned int n = pv_n(t), few;
	struct fz_result result = {0};
	struct fz_world world = {0};

	fz_find_world(t, &world);
	/* The last event of a tracepoint to go waits for the whole machine: keep one of each. */
	for (int i = 0; i < FZ_NR_KINDS; i++) {
		world.attr[i].disabled = 1;
		pv_open(t, &world.attr[i], 0, -1, NULL, 0);
	}
	random_steps(t, &world, steps, n);
	fz_try(t, &world, steps, n, &result);
	pv_expect_eq(t, "steps as predicted", result.step, n);
	if (!result.differs)
		return;
	pv_message(t, "step %u, %s: %lld, due is %lld", result.step, result.what,
		   (long long)result.observed, (long long)result.expected);
	few = fz_shrink(t, &world, steps, n, &result);
	pv_note(t, "steps that are enough", few);
	pv_message(t, "%u steps are enough; %s: %lld, due is %lld", few, result.what,
		   (long long)result.observed, (long long)result.expected);
	fz_print(t, &world, steps, few);
	pv_fail(t, "%s: %lld, due is %lld; %u steps are enough (messages \"repro: ...\")",
		result.what, (long long)result.observed, (long long)result.expected, few);
}
