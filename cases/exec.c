/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What exec(2) does to the events of a task: it begins some, ends some, and takes all off when it
 * gives privileges. The program that is executed is this one again; no other makes calls of
 * getppid, so that every count is exact.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases/pv.h"

static uint64_t value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

static void must_exec(struct pv_test *t, struct pv_actor *a)
{
	pv_expect_errno(t, "exec", pv_act(t, a, PV_ACT_EXEC, 0), 0);
}

PV_CASE(exec, enable, .pmu = "tracepoint breakpoint", .each = "word[single,group,inherited]",
	.needs = "tracefs", .proof = "kernel",
	.about = "enable_on_exec: nothing before the exec, everything of the new program, and once")
{
	bool inherited = !strcmp(pv_word(t), "inherited"), group = !strcmp(pv_word(t), "group");
	bool calls = !strcmp(pv_pmu(t)->family, "tracepoint");
	struct perf_event_attr attr =
		calls ? pv_calls_attr(t) : pv_attr(t, pv_find_event(t, "breakpoint", "x"));
	enum pv_act work = calls ? PV_ACT_CALLS : PV_ACT_TARGET;
	struct pv_actor *parent = pv_actor(t), *a = parent;
	struct pv_ev *ev, *sibling = NULL;
	struct pv_count c;

	attr.enable_on_exec = 1;
	attr.inherit = inherited;
	ev = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	attr.enable_on_exec = attr.disabled = 0;
	if (group)
		sibling = pv_open(t, &attr, parent->tid, -1, ev, 0);
	if (inherited) {
		pv_tell_apart(t, parent->tid);
		a = pv_actor_fork(t, parent);
	}
	pv_act(t, a, work, 7);
	c = pv_read(t, ev);
	pv_expect_eq(t, "count before the exec", c.value, 0);
	pv_expect_eq(t, "time enabled before the exec", c.enabled, 0);
	must_exec(t, a);
	pv_act(t, a, work, 13);
	if (inherited)
		pv_act(t, parent, work, 100);
	c = pv_read(t, ev);
	pv_expect_eq(t, "count of the new program", c.value, 13);
	pv_expect_in(t, "time enabled in the new program", c.enabled, 1, UINT64_MAX);
	pv_expect_eq(t, "time running", c.running, c.enabled);
	if (group)
		pv_expect_eq(t, "count of the sibling", value(t, sibling), 13);
	pv_disable(t, ev);
	must_exec(t, a);
	pv_act(t, a, work, 17);
	pv_expect_eq(t, "count after DISABLE and one more exec", value(t, ev), 13);
	pv_enable(t, ev);
	pv_act(t, a, work, 19);
	pv_expect_eq(t, "count after ENABLE", value(t, ev), 13 + 19);
	pv_actor_end(t, a);
	pv_expect_eq(t, "count after its end", value(t, ev), 13 + 19);
}

PV_CASE(exec, stay, .pmu = "tracepoint breakpoint", .each = "word[enabled,disabled]",
	.needs = "tracefs", .proof = "kernel",
	.about = "an ordinary event goes on through an exec as it was, on the new program too")
{
	bool enabled = !strcmp(pv_word(t), "enabled");
	bool calls = !strcmp(pv_pmu(t)->family, "tracepoint");
	struct perf_event_attr attr =
		calls ? pv_calls_attr(t) : pv_attr(t, pv_find_event(t, "breakpoint", "x"));
	struct pv_actor *a = pv_actor(t);
	struct pv_ev *ev;
	struct pv_count before, after;

	attr.disabled = !enabled;
	ev = pv_open(t, &attr, a->tid, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_act(t, a, calls ? PV_ACT_CALLS : PV_ACT_TARGET, 7);
	before = pv_read(t, ev);
	pv_expect_eq(t, "count before", before.value, enabled ? 7 : 0);
	must_exec(t, a);
	pv_act(t, a, calls ? PV_ACT_CALLS : PV_ACT_TARGET, 13);
	after = pv_read(t, ev);
	pv_expect_eq(t, "count after", after.value, enabled ? 7 + 13 : 0);
	pv_expect_in(t, "time enabled grown", after.enabled - before.enabled, enabled,
		     enabled ? UINT64_MAX : 0);
	pv_expect_eq(t, "poll says HUP", pv_poll(ev, 0) & POLLHUP, 0);
}

PV_CASE(exec, remove, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "remove_on_exec: the count stays as it was, poll says HUP, nothing wakes it again")
{
	struct perf_event_attr attr = pv_calls_attr(t), plain = attr;
	struct pv_actor *a = pv_actor(t);
	struct pv_ev *ev, *stays;
	struct pv_count before, after, last;

	attr.remove_on_exec = 1;
	attr.disabled = plain.disabled = 0;
	ev = pv_open(t, &attr, a->tid, pv_cpu(t), NULL, 0);
	stays = pv_open(t, &plain, a->tid, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_act(t, a, PV_ACT_CALLS, 7);
	before = pv_read(t, ev);
	pv_expect_eq(t, "count before", before.value, 7);
	pv_expect_eq(t, "poll before", pv_poll(ev, 0) & POLLHUP, 0);
	must_exec(t, a);
	pv_act(t, a, PV_ACT_CALLS, 13);
	after = pv_read(t, ev);
	pv_expect_eq(t, "count after", after.value, 7);
	pv_expect_in(t, "time enabled", after.enabled, before.enabled, UINT64_MAX);
	pv_expect_eq(t, "poll after", pv_poll(ev, 0), POLLHUP);
	pv_expect_eq(t, "count of the event beside it", value(t, stays), 7 + 13);
	pv_expect_errno(t, "open of a sibling",
			pv_outcome(t, &plain, a->tid, pv_cpu(t), pv_fd(ev), 0), -ENODEV);
	pv_enable(t, ev);
	pv_act(t, a, PV_ACT_CALLS, 17);
	pv_act(t, a, PV_ACT_SPIN, 500);
	last = pv_read(t, ev);
	pv_expect_eq(t, "count after ENABLE", last.value, 7);
	pv_expect_eq(t, "time that passed since", last.enabled - after.enabled, 0);
	pv_disable(t, ev);
	must_exec(t, a);
	pv_expect_eq(t, "count after one more exec", value(t, ev), 7);
	pv_close(t, ev);
	pv_act(t, a, PV_ACT_CALLS, 1);
	pv_expect_eq(t, "count beside it at the end", value(t, stays), 7 + 13 + 17 + 1);
}

/*
 * A leader that is removed with its siblings still on it corrupts the lists of a kernel that
 * does not detach groups there (6.1 stands still for good). Such a kernel also lets a sibling join
 * a removed leader, and that is harmless.
 */
static void skip_without_detach(struct pv_test *t)
{
	struct perf_event_attr attr = pv_dummy;
	struct pv_actor *a = pv_actor(t);
	struct pv_ev *ev;
	long err;

	attr.remove_on_exec = 1;
	ev = pv_open(t, &attr, a->tid, -1, NULL, 0);
	must_exec(t, a);
	attr.remove_on_exec = 0;
	err = pv_outcome(t, &attr, a->tid, -1, pv_fd(ev), 0);
	if (!err)
		pv_skip(t, PV_TOO_OLD, "this kernel does not detach groups at remove_on_exec");
	pv_actor_end(t, a);
	pv_close(t, ev);
}

PV_CASE(exec, remove_group, .pmu = "tracepoint", .each = "word[leader,sibling,both]",
	.needs = "tracefs", .proof = "kernel",
	.fixes = "037a3c43edfb (CVE-2026-64556; ..6.12.95, 6.1.176 lacks it)",
	.about = "remove_on_exec takes its event out of the group, and leaves the others running")
{
	bool both = !strcmp(pv_word(t), "both");
	bool leader = both || !strcmp(pv_word(t), "leader");
	bool sibling = both || !leader;
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *a = pv_actor(t);
	struct pv_ev *ev[3];

	if (leader)
		skip_without_detach(t);
	for (int i = 0; i < 3; i++) {
		attr.remove_on_exec = i == 0 ? leader : i == 1 ? sibling : false;
		attr.disabled = 0;
		ev[i] = pv_open(t, &attr, a->tid, -1, i ? ev[0] : NULL, 0);
	}
	pv_act(t, a, PV_ACT_CALLS, 7);
	must_exec(t, a);
	pv_act(t, a, PV_ACT_CALLS, 13);
	pv_expect_eq(t, "count of the leader", value(t, ev[0]), leader ? 7 : 7 + 13);
	pv_expect_eq(t, "count of the first sibling", value(t, ev[1]), sibling ? 7 : 7 + 13);
	pv_expect_eq(t, "count of the second sibling", value(t, ev[2]), 7 + 13);
	/* Who is left alone is switched alone. */
	pv_expect_errno(t, "DISABLE", pv_ioctl(ev[2], PERF_EVENT_IOC_DISABLE, 0), 0);
	pv_act(t, a, PV_ACT_CALLS, 17);
	pv_expect_errno(t, "ENABLE", pv_ioctl(ev[2], PERF_EVENT_IOC_ENABLE, 0), 0);
	pv_act(t, a, PV_ACT_CALLS, 19);
	pv_expect_eq(t, "count of the second sibling, switched", value(t, ev[2]), 7 + 13 + 19);
	pv_close(t, ev[0]);
	pv_act(t, a, PV_ACT_CALLS, 1);
	pv_expect_eq(t, "count without the leader", value(t, ev[2]), 7 + 13 + 19 + 1);
	pv_expect_eq(t, "the first sibling without the leader", value(t, ev[1]),
		     sibling ? 7 : 7 + 13 + 17 + 19 + 1);
}

/*
 * An event of the child's own, taken off with the inherited one, tells how long that must have
 * been on at least: the piece since the child was last switched to, too.
 */
PV_CASE(exec, remove_inherited, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about =
		"a child's exec ends its own copy: what it counted and its times stay the parent's")
{
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *parent = pv_actor(t), *child;
	struct pv_count before, mine_before, after, mine;
	struct pv_ev *ev, *own;

	attr.inherit = 1;
	attr.remove_on_exec = 1;
	attr.disabled = 0;
	pv_tell_apart(t, parent->tid);
	ev = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	child = pv_actor_fork(t, parent);
	pv_act(t, child, PV_ACT_SPIN, 1000);
	attr.inherit = 0;
	own = pv_open(t, &attr, child->tid, -1, NULL, 0);
	pv_act(t, parent, PV_ACT_CALLS, 2);
	pv_act(t, child, PV_ACT_CALLS, 7);
	/* Both sleep now, and the parent until the next read: what is added is the child's. */
	pv_act_settle(parent);
	pv_act_settle(child);
	before = pv_read(t, ev);
	mine_before = pv_read(t, own);
	pv_expect_eq(t, "count before", before.value, 2 + 7);
	pv_expect_errno(t, "exec after 5 ms", pv_act(t, child, PV_ACT_EXEC, 5000), 0);
	pv_act(t, child, PV_ACT_CALLS, 13);
	after = pv_read(t, ev);
	mine = pv_read(t, own);
	after.enabled -= before.enabled;
	after.running -= before.running;
	mine.enabled -= mine_before.enabled;
	mine.running -= mine_before.running;
	pv_act(t, parent, PV_ACT_CALLS, 3);
	after.value = value(t, ev);
	pv_expect_eq(t, "count after", after.value, 2 + 7 + 3);
	pv_expect_eq(t, "count of the child's own", mine.value, 7);
	pv_expect_in(t, "time of the child's own", mine.enabled, 1, UINT64_MAX);
	pv_expect_in(t, "time enabled after", after.enabled, mine.enabled, UINT64_MAX);
	pv_expect_in(t, "time running after", after.running, mine.running, UINT64_MAX);
	pv_actor_end(t, child);
	pv_expect_eq(t, "count after its end", value(t, ev), 2 + 7 + 3);
}
