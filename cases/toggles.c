/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ENABLE, DISABLE and RESET, on an event alone, on one member of a group and on the whole
 * group: what moves, what stands, what goes back to 0.
 */
#define _GNU_SOURCE
#include <string.h>

#include "cases/pv.h"

/* A member of a group that is opened disabled, whether it leads or follows. */
static struct pv_ev *open_member(struct pv_test *t, struct pv_ev *leader)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	return pv_open(t, &attr, 0, -1, leader, 0);
}

static void work(struct pv_test *t)
{
	pv_work(t, pv_work_some(pv_event(t)));
}

static uint64_t count(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

/* One round of work was counted on top of `before`: exactly where the event is exact. */
static void expect_moved(struct pv_test *t, const char *name, struct pv_ev *ev, uint64_t before)
{
	uint64_t moved = count(t, ev) - before, due = pv_work_some(pv_event(t)) * pv_event(t)->per;
	enum pv_relation relation = pv_event(t)->relation;

	if (relation == PV_REL_EXACT)
		pv_expect_eq(t, name, moved, due);
	else if (relation == PV_REL_TIME || relation == PV_REL_TSC)
		/* Judged, not recorded: no two runs have the same times. */
		pv_expect(t, name, moved && moved < UINT64_MAX / 2);
	else
		pv_expect_in(t, name, moved, 1, UINT64_MAX / 2);
}

/* Not one occurrence more than at `before`. */
static void expect_stood(struct pv_test *t, const char *name, struct pv_ev *ev, uint64_t before)
{
	pv_expect_eq(t, name, count(t, ev) - before, 0);
}

/* No evidence of its own: writing that down would be in the window. */
static void must_ioctl(struct pv_test *t, struct pv_ev *ev, unsigned long request,
		       unsigned long arg)
{
	int err = pv_ioctl(ev, request, arg);

	if (err)
		pv_fail(t, "ioctl 0x%lx, flags %lu: %s", request, arg, strerrorname_np(-err));
}

/* The faults that a fresh process takes on its code and stack are not to be in a count. */
static void warm_up(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);

	must_ioctl(t, ev, PERF_EVENT_IOC_ENABLE, 0);
	work(t);
	must_ioctl(t, ev, PERF_EVENT_IOC_DISABLE, 0);
	must_ioctl(t, ev, PERF_EVENT_IOC_RESET, 0);
	pv_read(t, ev);
	pv_close(t, ev);
}

PV_CASE(toggles, switch, .each = "event[live] mode[single,group]",
	.about =
		"an event opened disabled stands, goes on from where it stood when enabled, and a second switch changes nothing")
{
	struct pv_ev *ev;
	uint64_t before;

	warm_up(t);
	ev = pv_open_case(t);
	work(t);
	pv_expect_eq(t, "count as opened", count(t, ev), 0);

	pv_enable(t, ev);
	work(t);
	pv_disable(t, ev);
	expect_moved(t, "count after enable", ev, 0);
	before = count(t, ev);
	work(t);
	expect_stood(t, "count while off", ev, before);
	pv_disable(t, ev);
	work(t);
	expect_stood(t, "count after a second disable", ev, before);

	pv_enable(t, ev);
	pv_enable(t, ev);
	work(t);
	pv_disable(t, ev);
	expect_moved(t, "count after enable twice", ev, before);
	before = count(t, ev);
	work(t);
	expect_stood(t, "count after enable twice and one disable", ev, before);
}

/* A tick puts on what was forgotten: rounds as short as can be, of which none may miss. */
#define ROUNDS 12

static uint64_t short_work(struct pv_test *t)
{
	const struct pv_event_desc *e = pv_event(t);

	return e->work == PV_WORK_SPIN ? 100 : e->work == PV_WORK_SLEEP ? 1 : pv_work_some(e);
}

static struct pv_ev *open_leader(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(
		t, pv_mode(t) == PV_MODE_GROUP ? pv_event(t) : pv_find_event(t, "sw", "dummy"));

	return pv_open(t, &attr, 0, -1, NULL, 0);
}

static bool round_counts(struct pv_test *t, struct pv_ev *ev, uint64_t before, uint64_t n)
{
	uint64_t moved = count(t, ev) - before;

	return pv_event(t)->relation == PV_REL_EXACT ? moved == n * pv_event(t)->per : moved > 0;
}

PV_CASE(toggles, again, .each = "event[live] mode[group,sw-leader]",
	.about = "a group that is switched off and on as a whole counts at once, each time")
{
	uint64_t n = short_work(t), before, good = 0;
	struct pv_ev *ev, *leader;

	warm_up(t);
	leader = open_leader(t);
	ev = open_member(t, leader);
	for (int i = 0; i < ROUNDS; i++) {
		before = count(t, ev);
		must_ioctl(t, leader, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
		pv_work(t, n);
		must_ioctl(t, leader, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
		good += round_counts(t, ev, before, n);
	}
	pv_expect(t, "every round counts", good == ROUNDS);
}

static void join_rounds(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t n = short_work(t), good = 0;

	attr.disabled = 0;
	warm_up(t);
	for (int i = 0; i < ROUNDS; i++) {
		struct pv_ev *ev, *leader = open_leader(t);

		must_ioctl(t, leader, PERF_EVENT_IOC_ENABLE, 0);
		ev = pv_open(t, &attr, 0, -1, leader, 0);
		pv_work(t, n);
		must_ioctl(t, leader, PERF_EVENT_IOC_DISABLE, 0);
		good += round_counts(t, ev, 0, n);
		pv_close(t, ev);
		pv_close(t, leader);
	}
	pv_expect(t, "every round counts", good == ROUNDS);
}

PV_CASE(toggles, join, .each = "event[live] mode[group]",
	.about = "an enabled event that joins a running group of its PMU counts at once")
{
	join_rounds(t);
}

/* A hardware event would move the group, and start it over (perf_event_open(), move_group). */
PV_CASE(toggles, join_software, .each = "event[live] mode[sw-leader]",
	.pmu = "sw breakpoint tracepoint kprobe uprobe msr",
	.about = "an enabled software event that joins a running group counts at once")
{
	join_rounds(t);
}

PV_CASE(toggles, born_enabled, .each = "event[live]",
	.about = "an event opened without attr.disabled counts at once")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *ev;

	warm_up(t);
	attr.disabled = 0;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	work(t);
	must_ioctl(t, ev, PERF_EVENT_IOC_DISABLE, 0);
	expect_moved(t, "count", ev, 0);
}

/* Is the count lower behind a RESET of the running event than before? */
static bool reset_lowers(struct pv_test *t, struct pv_ev *ev)
{
	uint64_t before, after;

	work(t);
	before = count(t, ev);
	must_ioctl(t, ev, PERF_EVENT_IOC_RESET, 0);
	after = count(t, ev);
	return after < before;
}

PV_CASE(toggles, reset, .each = "event[live]",
	.about =
		"RESET takes the count to 0, leaves both times, and neither starts nor stops the event")
{
	struct pv_count before, after;
	struct pv_ev *ev;
	int lowered = 0;

	warm_up(t);
	ev = pv_open_case(t);
	pv_enable(t, ev);
	work(t);
	pv_disable(t, ev);
	before = pv_read(t, ev);
	expect_moved(t, "count before reset", ev, 0);
	must_ioctl(t, ev, PERF_EVENT_IOC_RESET, 0);
	after = pv_read(t, ev);
	pv_expect_eq(t, "count after reset", after.value, 0);
	/* Judged, not recorded: no two runs have the same times. */
	pv_expect(t, "time enabled is left", after.enabled == before.enabled);
	pv_expect(t, "time running is left", after.running == before.running);
	work(t);
	pv_expect_eq(t, "count after reset, off", count(t, ev), 0);

	pv_enable(t, ev);
	/* A clock counts on between RESET and read, where another task may take its time. */
	for (int i = 0; i < 10 && !lowered; i++)
		lowered = reset_lowers(t, ev);
	pv_expect_eq(t, "count fell with a reset while on", lowered, 1);
	before = pv_read(t, ev);
	work(t);
	pv_disable(t, ev);
	expect_moved(t, "count after reset while on", ev, before.value);
}

/* One round of work with the group switched through this member. */
static void group_round(struct pv_test *t, struct pv_ev *member)
{
	must_ioctl(t, member, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP);
	work(t);
	must_ioctl(t, member, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
}

PV_CASE(toggles, group_flag, .each = "event[live] mode[group]",
	.about = "PERF_IOC_FLAG_GROUP switches and resets every member, whichever of them is asked")
{
	struct pv_ev *leader, *sibling;
	uint64_t before;

	warm_up(t);
	leader = open_member(t, NULL);
	sibling = open_member(t, leader);
	group_round(t, leader);
	expect_moved(t, "leader, group enabled", leader, 0);
	expect_moved(t, "sibling, group enabled", sibling, 0);

	/* A member that the group's DISABLE left on would now run. */
	before = count(t, sibling);
	must_ioctl(t, leader, PERF_EVENT_IOC_ENABLE, 0);
	work(t);
	must_ioctl(t, leader, PERF_EVENT_IOC_DISABLE, 0);
	expect_stood(t, "sibling after the group was disabled", sibling, before);

	must_ioctl(t, sibling, PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
	pv_expect_eq(t, "leader, group reset", count(t, leader), 0);
	pv_expect_eq(t, "sibling, group reset", count(t, sibling), 0);
	group_round(t, sibling);
	expect_moved(t, "leader, group enabled through the sibling", leader, 0);
	expect_moved(t, "sibling, group enabled through itself", sibling, 0);
}

PV_CASE(toggles, no_group_flag, .each = "event[live] mode[group]",
	.about = "without PERF_IOC_FLAG_GROUP a switch or a reset reaches its own event only")
{
	struct pv_ev *leader, *sibling;
	uint64_t before;

	warm_up(t);
	leader = open_member(t, NULL);
	sibling = open_member(t, leader);
	must_ioctl(t, leader, PERF_EVENT_IOC_ENABLE, 0);
	work(t);
	pv_expect_eq(t, "sibling, leader enabled", count(t, sibling), 0);
	must_ioctl(t, sibling, PERF_EVENT_IOC_ENABLE, 0);
	work(t);
	must_ioctl(t, sibling, PERF_EVENT_IOC_DISABLE, 0);
	expect_moved(t, "sibling, both enabled", sibling, 0);
	before = count(t, leader);
	work(t);
	must_ioctl(t, leader, PERF_EVENT_IOC_DISABLE, 0);
	expect_moved(t, "leader, sibling disabled", leader, before);

	before = count(t, sibling);
	must_ioctl(t, leader, PERF_EVENT_IOC_RESET, 0);
	pv_expect_eq(t, "leader, leader reset", count(t, leader), 0);
	expect_stood(t, "sibling, leader reset", sibling, before);
}

PV_CASE(toggles, sibling_first, .each = "event[live] mode[group]",
	.about =
		"a sibling that is enabled before its leader counts from the leader's enable to the leader's disable")
{
	struct pv_ev *leader, *sibling;
	struct pv_count c;
	uint64_t before;

	warm_up(t);
	leader = open_member(t, NULL);
	sibling = open_member(t, leader);
	must_ioctl(t, sibling, PERF_EVENT_IOC_ENABLE, 0);
	work(t);
	c = pv_read(t, sibling);
	pv_expect_eq(t, "sibling, leader off", c.value, 0);
	pv_expect_eq(t, "time of the sibling, leader off", c.running, 0);

	must_ioctl(t, leader, PERF_EVENT_IOC_ENABLE, 0);
	work(t);
	must_ioctl(t, leader, PERF_EVENT_IOC_DISABLE, 0);
	expect_moved(t, "leader, leader on", leader, 0);
	expect_moved(t, "sibling, leader on", sibling, 0);

	before = count(t, sibling);
	work(t);
	expect_stood(t, "sibling, leader off again", sibling, before);
}
