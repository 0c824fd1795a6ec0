/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events that children inherit: the parent's count is its own and that of every child that
 * has ended. Faults and migrations are left out: a fork makes some of its own. Uprobes are left
 * out where children inherit: parent and child may swap their equal contexts at a switch
 * (perf_event_context_sched_out()), and then the uprobe of the running one filters for the mm of
 * the other, so what counts depends on who ran when.
 */
#include <unistd.h>

#include "cases/pv.h"

static struct pv_ev *open_inherit(struct pv_test *t, bool inherit)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.inherit = inherit;
	return pv_open(t, &attr, 0, -1, NULL, 0);
}

static void work_units(struct pv_test *t, void *arg)
{
	pv_work(t, *(uint64_t *)arg);
}

static uint64_t due(struct pv_test *t, uint64_t units)
{
	return units * pv_event(t)->per;
}

PV_CASE(inherit, sum, .pmu = "breakpoint tracepoint kprobe", .each = "event[exact] n[1,4]",
	.about = "the count is our own and that of the children that have ended")
{
	uint64_t own = 5, units[4] = {3, 10, 1, 20}, all = own;
	struct pv_ev *ev = open_inherit(t, true);

	pv_enable(t, ev);
	for (int i = 0; i < pv_n(t); i++) {
		pv_wait(t, pv_fork(t, work_units, &units[i]));
		all += units[i];
	}
	pv_work(t, own);
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, due(t, all));
}

PV_CASE(inherit, parallel, .pmu = "breakpoint tracepoint kprobe", .each = "event[exact]",
	.about =
		"children that were enabled and disabled through the parent count in between, together")
{
	uint64_t units = 4, late_units = 7;
	struct pv_ev *ev = open_inherit(t, true);
	pid_t first = pv_fork_held(t, work_units, &units);
	pid_t second = pv_fork_held(t, work_units, &units);
	pid_t late = pv_fork_held(t, work_units, &late_units);

	pv_enable(t, ev);
	pv_go(t, first);
	pv_go(t, second);
	pv_wait(t, first);
	pv_wait(t, second);
	pv_disable(t, ev);
	pv_go(t, late);
	pv_wait(t, late);
	pv_expect_eq(t, "count", pv_read(t, ev).value, due(t, 2 * units));
}

static void have_child(struct pv_test *t, void *arg)
{
	pv_wait(t, pv_fork(t, work_units, arg));
	pv_work(t, 2);
}

PV_CASE(inherit, grandchild, .pmu = "breakpoint tracepoint kprobe", .each = "event[exact]",
	.about = "a child's child is counted too")
{
	uint64_t units = 9;
	struct pv_ev *ev = open_inherit(t, true);

	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, have_child, &units));
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, due(t, 2 + units));
}

PV_CASE(inherit, pinned, .pmu = "breakpoint tracepoint kprobe", .each = "event[exact]",
	.about = "a pinned event is inherited like any other")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t units = 6;
	struct pv_ev *ev;

	attr.inherit = 1;
	attr.pinned = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, work_units, &units));
	pv_work(t, 1);
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, due(t, units + 1));
}

PV_CASE(inherit, earlier_child, .pmu = "breakpoint tracepoint kprobe uprobe",
	.each = "event[exact]", .about = "a child that was there before the event is not counted")
{
	uint64_t units = 9;
	pid_t child = pv_fork_held(t, work_units, &units);
	struct pv_ev *ev = open_inherit(t, true);

	pv_enable(t, ev);
	pv_go(t, child);
	pv_wait(t, child);
	pv_work(t, 2);
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, due(t, 2));
}

/* Works, says so by closing its end, and lives until the parent closes the other. */
static void work_and_stay(struct pv_test *t, void *arg)
{
	int *done = arg, *stay = done + 2;
	char byte;

	close(done[0]);
	close(stay[1]);
	pv_work(t, 6);
	close(done[1]);
	if (read(stay[0], &byte, 1))
		pv_error(t, PV_BROKEN_SETUP, "a byte that nobody wrote");
}

PV_CASE(inherit, living_child, .pmu = "breakpoint tracepoint kprobe", .each = "event[exact]",
	.about = "a read has what a child has counted that still lives")
{
	struct pv_ev *ev = open_inherit(t, true);
	int pipes[4];
	pid_t child;
	char byte;

	if (pipe(pipes) || pipe(pipes + 2))
		pv_error(t, PV_BROKEN_SETUP, "no pipe");
	pv_enable(t, ev);
	child = pv_fork(t, work_and_stay, pipes);
	close(pipes[1]);
	if (read(pipes[0], &byte, 1))
		pv_error(t, PV_BROKEN_SETUP, "a byte that nobody wrote");
	pv_work(t, 1);
	pv_expect_eq(t, "count while it lives", pv_read(t, ev).value, due(t, 1 + 6));
	close(pipes[3]);
	pv_wait(t, child);
	pv_expect_eq(t, "count after its end", pv_read(t, ev).value, due(t, 1 + 6));
}

PV_CASE(inherit, off, .pmu = "breakpoint tracepoint kprobe uprobe", .each = "event[exact]",
	.about = "without inherit only our own occurrences count")
{
	uint64_t units = 9;
	struct pv_ev *ev = open_inherit(t, false);

	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, work_units, &units));
	pv_work(t, 3);
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, due(t, 3));
}

PV_CASE(inherit, group, .pmu = "breakpoint tracepoint kprobe", .each = "event[exact]",
	.about = "one read of an inherited group has the children in every member")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *leader, *sibling;
	struct pv_group group;
	uint64_t units = 4;

	attr.inherit = 1;
	attr.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.disabled = 0;
	sibling = pv_open(t, &attr, 0, -1, leader, 0);
	pv_enable(t, sibling);
	pv_wait(t, pv_fork(t, work_units, &units));
	pv_work(t, 2);
	pv_disable(t, sibling);
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members", group.nr, 2);
	pv_expect_eq(t, "count of the leader", group.member[0].value, due(t, units + 2));
	pv_expect_eq(t, "count of the sibling", group.member[1].value, due(t, units + 2));
}

PV_CASE(inherit, attach, .pmu = "breakpoint tracepoint kprobe uprobe", .each = "event[exact]",
	.about = "an event on another process counts that one and not us")
{
	uint64_t units = 6;
	pid_t child = pv_fork_held(t, work_units, &units);
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *ev = pv_open(t, &attr, child, -1, NULL, 0);

	pv_enable(t, ev);
	pv_work(t, 10);
	pv_expect_eq(t, "count before it ran", pv_read(t, ev).value, 0);
	pv_go(t, child);
	pv_wait(t, child);
	pv_expect_eq(t, "count after its end", pv_read(t, ev).value, due(t, units));
}
