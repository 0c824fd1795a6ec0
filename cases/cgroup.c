/* SPDX-License-Identifier: GPL-2.0-only */
/* Events of control groups: they count on one CPU, while a member runs there. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct pv_ev *open_cgroup(struct pv_test *t, struct perf_event_attr *attr,
				 struct pv_cgroup *g, struct pv_ev *leader)
{
	int fd = pv_try_open(t, attr, pv_cgroup_fd(g), pv_cpu(t), -1, PERF_FLAG_PID_CGROUP);

	if (fd == -ENOENT || fd == -EINVAL)
		pv_skip(t, PV_CONFIG_OFF, "no events of control groups (CONFIG_CGROUP_PERF): %s",
			strerrorname_np(-fd));
	if (fd >= 0)
		pv_sys_close(fd);
	return pv_open(t, attr, pv_cgroup_fd(g), pv_cpu(t), leader, PERF_FLAG_PID_CGROUP);
}

static uint64_t value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

static void end(struct pv_test *t, struct pv_cgroup *g)
{
	pv_expect_errno(t, "remove the group", pv_cgroup_remove(g), 0);
}

/* A process that is in g (NULL: nowhere) and has done everything once, so that it has its pages. */
static struct pv_actor *member(struct pv_test *t, struct pv_cgroup *g)
{
	struct pv_actor *a = pv_actor(t);

	if (g)
		pv_cgroup_move(t, g, a->pid);
	pv_act(t, a, PV_ACT_CALLS, 1);
	return a;
}

PV_CASE(cgroup, members, .pmu = "sw tracepoint breakpoint kprobe", .each = "event[exact]",
	.needs = "root", .proof = "kernel",
	.about = "what members do is counted exactly, what others do on that CPU is not")
{
	const struct pv_event_desc *e = pv_event(t);
	struct perf_event_attr attr = pv_attr(t, e);
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a");
	struct pv_actor *in[2] = {member(t, g), member(t, g)}, *out = member(t, NULL);
	struct pv_ev *ev = open_cgroup(t, &attr, g, NULL);
	struct pv_count c;

	for (int i = 0; i < 2; i++)
		pv_act_work(t, in[i], e, 1);
	pv_expect_eq(t, "count while disabled", value(t, ev), 0);
	pv_enable(t, ev);
	pv_act_work(t, out, e, 50);
	pv_work(t, 50);
	pv_expect_eq(t, "count of others", value(t, ev), 0);
	pv_act_work(t, in[0], e, 7);
	pv_expect_eq(t, "count of a member", value(t, ev), 7 * e->per);
	pv_act_work(t, out, e, 50);
	pv_act_work(t, in[1], e, 11);
	pv_act_work(t, out, e, 50);
	pv_expect_eq(t, "count of both", value(t, ev), 18 * e->per);
	pv_disable(t, ev);
	pv_act_work(t, in[0], e, 50);
	pv_expect_eq(t, "count after DISABLE", value(t, ev), 18 * e->per);
	pv_reset(t, ev);
	pv_enable(t, ev);
	pv_act_work(t, in[1], e, 3);
	c = pv_read(t, ev);
	pv_expect_eq(t, "count after RESET and ENABLE", c.value, 3 * e->per);
	pv_expect_eq(t, "enabled but not running", c.enabled - c.running, 0);
	pv_actor_end(t, in[0]);
	pv_actor_end(t, in[1]);
	end(t, g);
}

PV_CASE(cgroup, core, .pmu = "pmuv3", .each = "event[core,at-least,!long]", .needs = "root",
	.proof = "kernel",
	.about = "the counter stands still while no member runs, and has what members do")
{
	const struct pv_event_desc *e = pv_event(t);
	struct perf_event_attr attr = pv_attr(t, e);
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a");
	struct pv_actor *in = member(t, g), *out = member(t, NULL);
	struct pv_ev *ev = open_cgroup(t, &attr, g, NULL);
	struct pv_count before, c;

	pv_enable(t, ev);
	pv_act_work(t, out, e, 100000);
	pv_expect_eq(t, "count of others", value(t, ev), 0);
	pv_act_work(t, in, e, 100000);
	pv_act_settle(in);
	before = pv_read(t, ev);
	pv_expect_in(t, "count of a member", before.value, 100000 * e->per, UINT64_MAX);
	pv_act_work(t, out, e, 100000);
	pv_work(t, 100000);
	c = pv_read(t, ev);
	pv_expect_eq(t, "count that others add", c.value - before.value, 0);
	pv_expect_eq(t, "time running that others add", c.running - before.running, 0);
	pv_actor_end(t, in);
	end(t, g);
}

PV_CASE(cgroup, moves, .pmu = "tracepoint", .each = "word[moved,moving,born]",
	.needs = "root tracefs", .proof = "kernel",
	.about = "who comes into the group is counted from then on, who leaves no longer")
{
	bool moving = !strcmp(pv_word(t), "moving"), born = !strcmp(pv_word(t), "born");
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a"), *other = pv_cgroup(t, NULL, "o");
	struct pv_actor *a = member(t, other), *child;
	struct pv_ev *ev;

	attr.disabled = 0;
	ev = open_cgroup(t, &attr, g, NULL);
	for (int i = 0; i < 3; i++) {
		pv_act(t, a, PV_ACT_CALLS, 100);
		/* Itself: while it runs, the event must be switched at once. */
		if (moving) {
			pv_expect_errno(t, "move itself in, then call",
					pv_act_text(t, a, PV_ACT_WRITE, 5, pv_cgroup_procs(g)), 0);
		} else {
			pv_cgroup_move(t, g, a->pid);
			pv_act(t, a, PV_ACT_CALLS, 5);
		}
		if (born) {
			child = pv_actor_fork(t, a);
			pv_act(t, child, PV_ACT_CALLS, 2);
			pv_actor_end(t, child);
		}
		if (moving)
			pv_expect_errno(
				t, "move itself out, then call",
				pv_act_text(t, a, PV_ACT_WRITE, 100, pv_cgroup_procs(other)), 0);
		else
			pv_cgroup_move(t, other, a->pid);
		pv_act(t, a, PV_ACT_CALLS, 100);
		pv_expect_eq(t, "count", value(t, ev), (i + 1) * (born ? 7 : 5));
	}
	pv_actor_end(t, a);
	end(t, g);
	end(t, other);
}

PV_CASE(cgroup, nested, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about = "a group's event has the groups below it; theirs have neither it nor one another")
{
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a"), *b = pv_cgroup(t, g, "b"),
			 *c = pv_cgroup(t, g, "c");
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *in[3] = {member(t, g), member(t, b), member(t, c)};
	struct pv_actor *out = member(t, NULL);
	struct pv_cgroup *group[3] = {g, b, c};
	struct pv_count upper, first;
	uint64_t below;
	struct pv_ev *ev[3];

	attr.disabled = 0;
	for (int i = 0; i < 3; i++)
		ev[i] = open_cgroup(t, &attr, group[i], NULL);
	for (int i = 0; i < 6; i++)
		pv_act(t, in[i % 3], PV_ACT_CALLS, i % 3 == 0 ? 1 : i % 3 == 1 ? 10 : 100);
	pv_calls(1000);
	pv_expect_eq(t, "count of the upper group", value(t, ev[0]), 222);
	pv_expect_eq(t, "count of the first group below", value(t, ev[1]), 20);
	pv_expect_eq(t, "count of the second group below", value(t, ev[2]), 200);
	for (int i = 1; i < 3; i++) {
		pv_act(t, in[i], PV_ACT_SPIN, 4000);
		pv_act_settle(in[i]);
	}
	below = pv_read(t, ev[1]).enabled + pv_read(t, ev[2]).enabled;
	pv_expect_in(t, "time of the groups below", below, 1, UINT64_MAX);
	pv_expect_in(t, "time of the upper group", pv_read(t, ev[0]).enabled, below, UINT64_MAX);
	/* 8 ms of nobody's, and then one of them comes back. */
	upper = pv_read(t, ev[0]);
	first = pv_read(t, ev[1]);
	pv_act(t, out, PV_ACT_SPIN, 8000);
	pv_act_settle(out);
	pv_expect_in(t, "time of the upper group while others run",
		     pv_read(t, ev[0]).enabled - upper.enabled, 0, 4000000);
	pv_act(t, in[1], PV_ACT_NONE, 0);
	pv_act_settle(in[1]);
	below = pv_read(t, ev[1]).enabled - first.enabled;
	pv_expect_in(t, "time of the upper group since", pv_read(t, ev[0]).enabled - upper.enabled,
		     below, below + 4000000);
	/* What is closed no longer keeps the others' switching alive. */
	pv_close(t, ev[0]);
	pv_act(t, in[1], PV_ACT_CALLS, 10);
	pv_act(t, in[2], PV_ACT_CALLS, 100);
	pv_expect_eq(t, "the first without the upper", value(t, ev[1]), 30);
	pv_expect_eq(t, "the second without the upper", value(t, ev[2]), 300);
	for (int i = 0; i < 3; i++)
		pv_actor_end(t, in[i]);
	pv_expect_errno(t, "remove the first below", pv_cgroup_remove(b), 0);
	pv_expect_errno(t, "remove the second below", pv_cgroup_remove(c), 0);
	end(t, g);
}

/*
 * A member has an event of its own; both go by the same clock. The group's is on when the member
 * is on, and longer only by the ways in and out.
 */
PV_CASE(cgroup, times, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about = "times enabled and running pass while a member runs on the CPU, and only then")
{
	struct perf_event_attr attr = pv_calls_attr(t), clock = pv_dummy;
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a");
	struct pv_actor *in = member(t, g), *out = member(t, NULL);
	struct pv_ev *ev = open_cgroup(t, &attr, g, NULL), *own, *wall;
	struct pv_count a, b, c, mine;

	clock.disabled = 0;
	clock.read_format = attr.read_format;
	wall = pv_open(t, &clock, -1, pv_cpu(t), NULL, 0);
	pv_act(t, out, PV_ACT_SPIN, 1000);
	pv_expect_eq(t, "time enabled of a disabled event", pv_read(t, ev).enabled, 0);
	pv_act_settle(in);
	pv_enable(t, ev);
	own = pv_open(t, &clock, in->tid, -1, NULL, 0);
	pv_act(t, out, PV_ACT_SPIN, 2000);
	a = pv_read(t, ev);
	pv_expect_eq(t, "time enabled without members running", a.enabled, 0);
	pv_expect_eq(t, "time running without members running", a.running, 0);
	for (int i = 0; i < 3; i++) {
		pv_act(t, in, PV_ACT_SPIN, 1000);
		pv_act(t, out, PV_ACT_SPIN, 1000);
	}
	pv_act_settle(in);
	mine = pv_read(t, own);
	b = pv_read(t, ev);
	pv_expect_in(t, "the member's own time", mine.enabled, 1, UINT64_MAX);
	pv_expect_in(t, "time enabled with the member's", b.enabled, mine.enabled,
		     pv_read(t, wall).enabled);
	pv_expect_eq(t, "enabled but not running", b.enabled - b.running, 0);
	pv_act(t, out, PV_ACT_SPIN, 2000);
	c = pv_read(t, ev);
	pv_expect_eq(t, "time enabled that others add", c.enabled - b.enabled, 0);
	pv_disable(t, ev);
	pv_act(t, in, PV_ACT_SPIN, 1000);
	pv_expect_eq(t, "time enabled after DISABLE", pv_read(t, ev).enabled - c.enabled, 0);
	pv_actor_end(t, in);
	end(t, g);
}

PV_CASE(cgroup, removal, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about =
		"a group with an event can be removed; the event keeps its count, new ones are refused")
{
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a"), *other = pv_cgroup(t, NULL, "o");
	struct pv_actor *in = member(t, g), *late = member(t, other);
	struct pv_ev *ev, *alive;
	struct pv_count c;

	attr.disabled = 0;
	ev = open_cgroup(t, &attr, g, NULL);
	alive = open_cgroup(t, &attr, other, NULL);
	pv_act(t, in, PV_ACT_CALLS, 7);
	pv_actor_end(t, in);
	end(t, g);
	c = pv_read(t, ev);
	pv_expect_eq(t, "count after the removal", c.value, 7);
	pv_act(t, late, PV_ACT_CALLS, 5);
	pv_calls(5);
	pv_expect_eq(t, "count later", value(t, ev), 7);
	pv_expect_eq(t, "time enabled since", pv_read(t, ev).enabled - c.enabled, 0);
	pv_expect_errno(t, "open on a group that was removed",
			pv_outcome(t, &attr, pv_cgroup_fd(g), pv_cpu(t), -1, PERF_FLAG_PID_CGROUP),
			-ENOENT);
	pv_enable(t, ev);
	pv_close(t, ev);
	pv_act(t, late, PV_ACT_CALLS, 2);
	pv_expect_eq(t, "count of another group's event", value(t, alive), 5 + 2);
	pv_actor_end(t, late);
	end(t, other);
}
