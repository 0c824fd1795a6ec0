/* SPDX-License-Identifier: GPL-2.0-only */
/* PERF_METRICS: the fractions of the pipeline's slots, which only exist in a group that the slots
 * lead. */
#define _GNU_SOURCE
#include <linux/hw_breakpoint.h>
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define TURNS   20000
#define METRICS 8
/* arch/x86/include/asm/perf_event.h: the first level, and what of it the second level is. */
#define LEVEL1 4

static unsigned int metrics(struct pv_test *t, const struct pv_event_desc **list)
{
	const struct pv_pmu *pmu = pv_pmu(t);
	unsigned int n = 0;

	for (size_t i = 0; i < pmu->nr_events && n < METRICS; i++)
		if (strstr(pmu->events[i].tags, " metric "))
			list[n++] = &pmu->events[i];
	return n;
}

static struct pv_ev *open_slots(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.read_format |= PERF_FORMAT_GROUP;
	return pv_open(t, &attr, 0, -1, NULL, 0);
}

PV_CASE(topdown, sums, .pmu = "intel-core", .each = "event[slots]", .proof = "kernel",
	.about =
		"the four fractions of the slots add up to the slots, and each of the second level is a part of the first's")
{
	const struct pv_event_desc *list[METRICS];
	unsigned int n = metrics(t, list);
	struct pv_ev *leader = open_slots(t);
	uint64_t sum = 0, zero = 0, more = 0;
	struct pv_group g;

	for (unsigned int i = 0; i < n; i++) {
		struct perf_event_attr attr = pv_attr(t, list[i]);

		attr.disabled = 0;
		pv_open(t, &attr, 0, -1, leader, 0);
	}
	pv_enable(t, leader);
	pv_sys_work(PV_WORK_LOOP, TURNS, NULL, 0);
	pv_disable(t, leader);
	pv_read_group(t, leader, &g);
	pv_expect_eq(t, "members", g.nr, n + 1);
	/* Two instructions, each a cycle or more, of five slots or more. */
	pv_expect_in(t, "slots", g.member[0].value, 10 * TURNS, 100 * TURNS);
	for (unsigned int i = 0; i < n; i++) {
		uint64_t value = g.member[1 + i].value;

		zero += !value;
		if (i < LEVEL1)
			sum += value;
		else
			more += value > g.member[1 + i - LEVEL1].value;
	}
	pv_expect_eq(t, "fractions that are 0", zero, 0);
	/* Each is rounded down, at each of the few times it is read. */
	pv_expect_in(t, "sum of the first level", sum,
		     g.member[0].value - g.member[0].value / 1000 - 8 * LEVEL1, g.member[0].value);
	pv_expect_eq(t, "parts that are more than the whole", more, 0);
}

PV_CASE(topdown, grows, .pmu = "intel-core", .each = "event[slots]", .proof = "kernel",
	.about =
		"the fractions go on with the slots from window to window, and stand while the group is off")
{
	const struct pv_event_desc *list[METRICS];
	struct pv_ev *leader = open_slots(t);
	struct perf_event_attr attr;
	struct pv_group g, later;

	metrics(t, list);
	attr = pv_attr(t, list[0]);
	attr.disabled = 0;
	pv_open(t, &attr, 0, -1, leader, 0);
	pv_enable(t, leader);
	pv_sys_work(PV_WORK_LOOP, TURNS, NULL, 0);
	pv_disable(t, leader);
	pv_read_group(t, leader, &g);
	pv_sys_work(PV_WORK_LOOP, TURNS, NULL, 0);
	pv_read_group(t, leader, &later);
	pv_expect_in(t, "fraction after the first window", g.member[1].value, 1, g.member[0].value);
	pv_expect_eq(t, "grown while off", later.member[1].value, g.member[1].value);
	pv_enable(t, leader);
	pv_sys_work(PV_WORK_LOOP, TURNS, NULL, 0);
	pv_switch_out();
	pv_disable(t, leader);
	pv_read_group(t, leader, &later);
	pv_expect_in(t, "slots after the second window", later.member[0].value,
		     2 * g.member[0].value - g.member[0].value / 10, 4 * g.member[0].value);
	/* The same constant fraction of each window. */
	pv_expect_in(t, "fraction after the second window", later.member[1].value,
		     2 * g.member[1].value - g.member[1].value / 10, 4 * g.member[1].value);
}

static long outcome(struct pv_test *t, struct perf_event_attr *attr, struct pv_ev *leader)
{
	return pv_outcome(t, attr, 0, -1, leader ? pv_fd(leader) : -1, 0);
}

PV_CASE(topdown, refused, .pmu = "intel-core", .each = "event[slots]", .proof = "kernel",
	.about =
		"a fraction is refused alone, under another leader, sampling, with a filter bit or config2; slots are not refused after it")
{
	const struct pv_event_desc *list[METRICS];
	struct perf_event_attr slots = pv_attr(t, pv_event(t)), metric, one;
	struct pv_ev *leader, *other;

	metrics(t, list);
	metric = pv_attr(t, list[0]);
	metric.disabled = 0;
	one = pv_attr(t, pv_find_event(t, "intel-core", "br_inst_retired.all_branches"));
	leader = pv_open(t, &slots, 0, -1, NULL, 0);
	other = pv_open(t, &one, 0, -1, NULL, 0);
	pv_expect_errno(t, "alone", outcome(t, &metric, NULL), -EINVAL);
	pv_expect_errno(t, "under another leader", outcome(t, &metric, other), -EINVAL);
	pv_expect_errno(t, "under slots", outcome(t, &metric, leader), 0);
	one = metric;
	one.sample_period = 100000;
	pv_expect_errno(t, "sampling", outcome(t, &one, leader), -EINVAL);
	one = metric;
	one.config |= 1ull << 18;
	pv_expect_errno(t, "with edge detection", outcome(t, &one, leader), -EINVAL);
	one = metric;
	one.config |= 1ull << 23;
	pv_expect_errno(t, "inverted", outcome(t, &one, leader), -EINVAL);
	one = metric;
	one.config |= 1ull << 24;
	pv_expect_errno(t, "with a threshold", outcome(t, &one, leader), -EINVAL);
	one = metric;
	one.config2 = 1;
	pv_expect_errno(t, "with config2", outcome(t, &one, leader), -EINVAL);
	one = slots;
	one.sample_period = 100000;
	other = pv_open(t, &one, 0, -1, NULL, 0);
	pv_expect_errno(t, "under slots that sample", outcome(t, &metric, other), -EINVAL);
	pv_expect_errno(t, "slots twice in a group", outcome(t, &slots, leader), -EINVAL);
}

PV_CASE(topdown, foreign_leader, .pmu = "intel-core", .each = "event[slots]", .proof = "kernel",
	.about =
		"a fraction is refused under another PMU's event whose config happens to be the slots' number")
{
	const struct pv_event_desc *list[METRICS];
	struct perf_event_attr metric, attr = pv_dummy;
	struct pv_ev *leader;

	metrics(t, list);
	metric = pv_attr(t, list[0]);
	metric.disabled = 0;
	/* A breakpoint's config means nothing. */
	attr.type = PERF_TYPE_BREAKPOINT;
	attr.bp_type = HW_BREAKPOINT_W;
	attr.bp_addr = (uintptr_t)pv_watch_place();
	attr.bp_len = 1;
	attr.config = pv_event(t)->config;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "open", outcome(t, &metric, leader), -EINVAL);
}
