/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which counters an event may have. The PMU model counts an event only where the generation's
 * silicon does: a driver that puts it elsewhere reads 0.
 */
#define _GNU_SOURCE
#include <string.h>

#include "cases/lib/pmulog.h"
#include "cases/lib/sys.h"

#define TURNS  20000
#define CHUNK  200000
#define CHUNKS 500
#define LOTS   32

static unsigned int counters_of(struct pv_test *t, const struct pv_event_desc *e)
{
	uint32_t all = (1u << pv_pmu(t)->counters) - 1;

	return (unsigned int)__builtin_popcount(e->counters ? e->counters & all : all);
}

/* A member of a group: on when its leader is. */
static struct perf_event_attr member(struct pv_test *t, const struct pv_event_desc *e)
{
	struct perf_event_attr attr = pv_attr(t, e);

	attr.disabled = 0;
	return attr;
}

/* A group of n events of these attrs, enabled, run and read; every one must count. */
static void count_group(struct pv_test *t, const struct perf_event_attr *attrs, unsigned int n,
			struct pv_group *g)
{
	struct perf_event_attr attr = attrs[0];
	struct pv_ev *leader;

	attr.read_format |= PERF_FORMAT_GROUP;
	attr.disabled = 1;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	for (unsigned int i = 1; i < n; i++)
		pv_open(t, &attrs[i], 0, -1, leader, 0);
	pv_enable(t, leader);
	pv_sys_work(PV_WORK_LOOP, TURNS, NULL, 0);
	pv_disable(t, leader);
	pv_read_group(t, leader, g);
	pv_expect_eq(t, "members", g->nr, n);
	pv_expect_eq(t, "time running", g->running, g->enabled);
}

/* What another member of the group is answered with. */
static long one_more(struct pv_test *t, const struct perf_event_attr *attrs, unsigned int n)
{
	struct perf_event_attr attr = attrs[0];
	struct pv_ev *leader;

	attr.disabled = 1;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	for (unsigned int i = 1; i < n; i++)
		pv_open(t, &attrs[i], 0, -1, leader, 0);
	return pv_outcome(t, (void *)&attrs[n], 0, -1, pv_fd(leader), 0);
}

PV_CASE(constraint, group, .pmu = "intel-core", .each = "event[constrained]", .proof = "kernel",
	.about =
		"as many of an event as it has counters fit into a group and count alike, one more is refused")
{
	unsigned int n = counters_of(t, pv_event(t));
	struct perf_event_attr attrs[LOTS];
	uint64_t unlike = 0, least = UINT64_MAX;
	struct pv_group g;

	for (unsigned int i = 0; i <= n; i++)
		attrs[i] = member(t, pv_event(t));
	pv_expect_errno(t, "one more than counters", one_more(t, attrs, n), -EINVAL);
	count_group(t, attrs, n, &g);
	for (unsigned int i = 0; i < n; i++) {
		unlike += g.member[i].value != g.member[0].value;
		if (g.member[i].value < least)
			least = g.member[i].value;
	}
	pv_expect_in(t, "the least of the counts", least, TURNS, 2 * TURNS);
	pv_expect_eq(t, "members that have another count than the first", unlike, 0);
}

PV_CASE(constraint, beside, .pmu = "intel-core", .each = "event[constrained]", .proof = "kernel",
	.about =
		"an event that has few counters gets one of them though others that could be anywhere came first")
{
	unsigned int n = pv_pmu(t)->counters;
	struct perf_event_attr attrs[LOTS];
	uint64_t silent = 0;
	struct pv_group g;

	/* Branches go to any counter: they fill the low ones first. */
	for (unsigned int i = 0; i < n - 1; i++)
		attrs[i] =
			member(t, pv_find_event(t, "intel-core", "br_inst_retired.all_branches"));
	attrs[n - 1] = member(t, pv_event(t));
	count_group(t, attrs, n, &g);
	for (unsigned int i = 0; i < n; i++)
		silent += g.member[i].value < TURNS;
	pv_expect_eq(t, "events that have not counted the loop", silent, 0);
}

PV_CASE(constraint, in_turns, .pmu = "intel-core", .each = "event[constrained]", .proof = "kernel",
	.about =
		"events of one kind, one more than its counters, take turns: each counts as fast as the others while it has one")
{
	unsigned int n = counters_of(t, pv_event(t)) + 1, done = 0;
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t together = 0, enabled = 0, slow = 0;
	struct pv_ev *evs[LOTS];

	for (unsigned int i = 0; i < n; i++)
		evs[i] = pv_open(t, &attr, 0, -1, NULL, 0);
	for (unsigned int i = 0; i < n; i++)
		pv_enable(t, evs[i]);
	/* Until each has had its turn, the first one two. */
	for (unsigned int chunk = 0; chunk < CHUNKS && done < n; chunk++) {
		pv_sys_work(PV_WORK_LOOP, CHUNK, NULL, 0);
		done = 0;
		for (unsigned int i = 0; i < n; i++) {
			struct pv_count c = pv_read(t, evs[i]);

			done += c.running > 0 && c.running < c.enabled;
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		struct pv_count c;

		pv_disable(t, evs[i]);
		c = pv_read(t, evs[i]);
		together += c.running;
		enabled = c.enabled > enabled ? c.enabled : enabled;
		/* Every second instruction; the emulator's step is an instruction or less, and
		 * takes 1 ns. */
		slow += c.value < c.running / 4;
	}
	pv_expect_eq(t, "events that had their turn", done, n);
	/* They are switched on and off one after the other: the whole window is a little longer. */
	pv_expect_in(t, "running together", together, enabled * (n - 1) / 2,
		     enabled * (n - 1) + enabled / 20);
	pv_expect_eq(t, "events that counted too little", slow, 0);
}

static const struct {
	const char *word;
	uint64_t config;
	bool only_fixed;
	uint64_t least; /* for one turn */
} fixed[] = {
	{"instructions", 0xc0, false, 2},
	{"cycles", 0x3c, false, 1},
	{"reference", 0x300, true, 1},
};

PV_CASE(constraint, fixed, .pmu = "intel-core", .each = "word[instructions,cycles,reference]",
	.proof = "kernel",
	.about =
		"an event with a fixed counter fits into a group once more than there are general counters, one that has nothing else once")
{
	const struct pv_event_desc *any = &pv_pmu(t)->events[0];
	struct perf_event_attr attrs[LOTS];
	unsigned int row = 0, n;
	uint64_t unlike = 0;
	struct pv_group g;

	while (strcmp(fixed[row].word, pv_word(t)))
		row++;
	n = fixed[row].only_fixed ? 1 : pv_pmu(t)->counters + 1;
	for (unsigned int i = 0; i <= n; i++) {
		attrs[i] = member(t, any);
		attrs[i].config = fixed[row].config;
	}
	pv_expect_errno(t, "one more than counters", one_more(t, attrs, n), -EINVAL);
	count_group(t, attrs, n, &g);
	for (unsigned int i = 1; i < n; i++)
		unlike += g.member[i].value != g.member[0].value;
	pv_expect_in(t, "count", g.member[0].value, fixed[row].least * TURNS, 8 * TURNS);
	pv_expect_eq(t, "members that have another count than the first", unlike, 0);
}

/* ---- OFFCORE_RSP: two registers for all counters of a core ---- */

/* The model counts every 4th instruction once for each of the low 16 bits. */
static void expect_offcore(struct pv_test *t, const struct pv_group *g, const uint64_t *config1,
			   unsigned int n)
{
	uint64_t wrong = 0;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t each = (uint64_t)__builtin_popcountll(config1[i] & 0xffff);

		/* Within the group all have seen the same instructions: n / 4, each rounded. */
		wrong += g->member[i].value / each < TURNS / 2 || g->member[i].value / each > TURNS;
	}
	pv_expect_eq(t, "events that count by another register value than theirs", wrong, 0);
}

static const struct {
	const char *word;
	unsigned int n;
	uint64_t config1[4];
	bool fits;
} sharing[] = {
	{"two", 2, {0x1, 0x7}, true},
	{"two-alike", 4, {0x3, 0xf, 0xf, 0x3}, true},
	{"three", 3, {0x1, 0x3, 0x7}, false},
};

PV_CASE(offcore, shared, .pmu = "intel-core", .each = "event[offcore] word[two,two-alike,three]",
	.proof = "kernel",
	.about =
		"off-core events with two values share the two registers, each counts by its own value; a third value is refused")
{
	struct perf_event_attr attrs[4];
	unsigned int row = 0;
	struct pv_group g;

	while (strcmp(sharing[row].word, pv_word(t)))
		row++;
	for (unsigned int i = 0; i < sharing[row].n; i++) {
		attrs[i] = member(t, pv_event(t));
		attrs[i].config1 = sharing[row].config1[i];
	}
	if (!sharing[row].fits) {
		pv_expect_errno(t, "a third value", one_more(t, attrs, sharing[row].n - 1),
				-EINVAL);
		return;
	}
	count_group(t, attrs, sharing[row].n, &g);
	expect_offcore(t, &g, sharing[row].config1, sharing[row].n);
}

PV_CASE(offcore, in_turns, .pmu = "intel-core", .each = "event[offcore]", .proof = "kernel",
	.about =
		"three off-core events with three values, each for itself, take turns with the two registers and count by their own")
{
	static const uint64_t config1[3] = {0x1, 0x3, 0xff};
	struct pv_ev *evs[3];
	unsigned int done = 0, wrong = 0;

	for (unsigned int i = 0; i < 3; i++) {
		struct perf_event_attr attr = pv_attr(t, pv_event(t));

		attr.config1 = config1[i];
		evs[i] = pv_open(t, &attr, 0, -1, NULL, 0);
	}
	for (unsigned int i = 0; i < 3; i++)
		pv_enable(t, evs[i]);
	for (unsigned int chunk = 0; chunk < CHUNKS && done < 3; chunk++) {
		pv_sys_work(PV_WORK_LOOP, CHUNK, NULL, 0);
		done = 0;
		for (unsigned int i = 0; i < 3; i++) {
			struct pv_count c = pv_read(t, evs[i]);

			done += c.running > 0 && c.running < c.enabled;
		}
	}
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t each = (uint64_t)__builtin_popcountll(config1[i]);
		struct pv_count c;

		pv_disable(t, evs[i]);
		c = pv_read(t, evs[i]);
		/* An instruction takes 1 ns, what the emulator adds less than as much again. */
		wrong += c.value / each < c.running / 8 || c.value / each > c.running / 4 + 1;
	}
	pv_expect_eq(t, "events that had their turn", done, 3);
	pv_expect_eq(t, "events that count by another register value than theirs", wrong, 0);
}

PV_CASE(offcore, written, .pmu = "intel-core", .each = "event[offcore]", .needs = "root",
	.proof = "kernel",
	.about = "the register of an off-core event gets the value that was asked for, whole")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t as_due = 0, others = 0;
	struct pv_access a;
	unsigned int index;
	struct pv_ev *ev;

	attr.config1 = 0x2100000003ull;
	pv_log_start(t);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, ev);
	pv_sys_work(PV_WORK_LOOP, TURNS, NULL, 0);
	pv_disable(t, ev);
	pv_log_stop(t);
	while (pv_log_next(t, &a)) {
		if (a.what != 'w' || pv_log_role(&a, &index) != PV_LOG_OFFCORE)
			continue;
		as_due += a.value == attr.config1;
		others += a.value != attr.config1 && a.value;
	}
	pv_expect_in(t, "writes of the value", as_due, 1, UINT64_MAX);
	pv_expect_eq(t, "writes of another one", others, 0);
}
