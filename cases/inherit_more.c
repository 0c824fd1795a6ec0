/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inheritance by every kind of child, and what the toggles, a read and an end do to the family.
 * One event is enough, the tracepoint of getppid: what is judged here is
 * kernel/events/core.c, the PMUs' own part is in inherit.c.
 */
#define _GNU_SOURCE
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>

#include "cases/pv.h"

static struct pv_ev *open_inherit(struct pv_test *t, pid_t pid)
{
	struct perf_event_attr attr = pv_calls_attr(t);

	attr.inherit = 1;
	return pv_open(t, &attr, pid, -1, NULL, 0);
}

static uint64_t value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

PV_CASE(inherit, birth, .pmu = "tracepoint", .each = "word[fork,vfork,thread,vm,thread-of-child]",
	.needs = "tracefs", .proof = "kernel",
	.about = "whatever way a child comes into the world, what it does is counted once")
{
	struct pv_actor *parent = pv_actor(t), *child = NULL;
	struct pv_ev *ev = open_inherit(t, parent->tid);
	uint64_t own = 3, calls = 11;

	pv_enable(t, ev);
	pv_act(t, parent, PV_ACT_CALLS, own);
	if (!strcmp(pv_word(t), "vfork"))
		pv_act(t, parent, PV_ACT_VFORK, calls);
	else if (!strcmp(pv_word(t), "fork"))
		child = pv_actor_fork(t, parent);
	else if (!strcmp(pv_word(t), "thread"))
		child = pv_actor_thread(t, parent);
	else if (!strcmp(pv_word(t), "vm"))
		child = pv_actor_clone(t, parent, CLONE_VM);
	else
		child = pv_actor_thread(t, pv_actor_fork(t, parent));
	if (child) {
		pv_act(t, child, PV_ACT_CALLS, calls);
		pv_expect_eq(t, "count while the child lives", value(t, ev), own + calls);
		pv_actor_end(t, child);
	}
	pv_expect_eq(t, "count after its end", value(t, ev), own + calls);
	pv_act(t, parent, PV_ACT_CALLS, own);
	pv_calls(50);
	pv_expect_eq(t, "count at the end", value(t, ev), 2 * own + calls);
}

PV_CASE(inherit, thread_only, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "inherit_thread: threads inherit, other children and their threads do not")
{
	struct pv_actor *parent = pv_actor(t), *thread, *second, *fork, *deep, *vm;
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *ev;

	attr.inherit = 1;
	attr.inherit_thread = 1;
	ev = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	pv_enable(t, ev);
	thread = pv_actor_thread(t, parent);
	second = pv_actor_thread(t, thread);
	fork = pv_actor_fork(t, parent);
	deep = pv_actor_thread(t, fork);
	vm = pv_actor_clone(t, parent, CLONE_VM);
	pv_act(t, fork, PV_ACT_CALLS, 100);
	pv_act(t, deep, PV_ACT_CALLS, 100);
	pv_act(t, vm, PV_ACT_CALLS, 100);
	pv_expect_eq(t, "count of processes", value(t, ev), 0);
	pv_act(t, thread, PV_ACT_CALLS, 7);
	pv_expect_eq(t, "count with a thread's", value(t, ev), 7);
	pv_act(t, second, PV_ACT_CALLS, 11);
	pv_expect_eq(t, "count with a thread's thread's", value(t, ev), 7 + 11);
	pv_actor_end(t, thread);
	pv_actor_end(t, second);
	pv_actor_end(t, deep);
	pv_act(t, parent, PV_ACT_CALLS, 1);
	pv_expect_eq(t, "count after their end", value(t, ev), 7 + 11 + 1);
}

/* CLONE_CLEAR_SIGHAND: the child has no handler for the signal that sigtrap would send it. */
PV_CASE(inherit, clear_sighand, .pmu = "tracepoint", .each = "word[sigtrap,plain]",
	.needs = "tracefs", .proof = "kernel",
	.about = "a child born without signal handlers does not inherit sigtrap events, but others")
{
	bool sigtrap = !strcmp(pv_word(t), "sigtrap");
	struct pv_actor *parent = pv_actor(t), *clear, *fork;
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *ev;

	attr.inherit = 1;
	attr.sigtrap = sigtrap;
	attr.remove_on_exec = sigtrap;
	attr.sample_period = sigtrap ? 1 << 20 : 0;
	ev = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	pv_enable(t, ev);
	clear = pv_actor_clone(t, parent, CLONE_CLEAR_SIGHAND);
	fork = pv_actor_fork(t, parent);
	pv_act(t, clear, PV_ACT_CALLS, 13);
	pv_expect_eq(t, "count of the child without handlers", value(t, ev), sigtrap ? 0 : 13);
	pv_act(t, fork, PV_ACT_CALLS, 5);
	pv_expect_eq(t, "count with an ordinary child's", value(t, ev), (sigtrap ? 0 : 13) + 5);
	pv_actor_end(t, clear);
	pv_actor_end(t, fork);
	pv_expect_eq(t, "count after their end", value(t, ev), (sigtrap ? 0 : 13) + 5);
}

PV_CASE(inherit, toggles, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "ENABLE, DISABLE and RESET of the parent act on living children; "
		 "what ended children counted stays")
{
	struct pv_actor *parent = pv_actor(t), *ended, *child, *late;
	struct pv_ev *ev = open_inherit(t, parent->tid);
	struct pv_count before, after;

	pv_tell_apart(t, parent->tid);
	child = pv_actor_fork(t, parent);
	pv_act(t, child, PV_ACT_CALLS, 100);
	pv_expect_eq(t, "count of a child of a disabled event", value(t, ev), 0);
	pv_enable(t, ev);
	ended = pv_actor_fork(t, parent);
	pv_act(t, ended, PV_ACT_CALLS, 5);
	pv_actor_end(t, ended);
	pv_act(t, child, PV_ACT_CALLS, 6);
	pv_act(t, parent, PV_ACT_CALLS, 2);
	pv_expect_eq(t, "count after ENABLE", value(t, ev), 5 + 6 + 2);
	before = pv_read(t, ev);
	pv_reset(t, ev);
	after = pv_read(t, ev);
	pv_expect_eq(t, "count after RESET: of the ended child", after.value, 5);
	pv_expect_in(t, "time enabled after RESET", after.enabled, before.enabled, UINT64_MAX);
	pv_act(t, child, PV_ACT_CALLS, 3);
	pv_expect_eq(t, "count of the living child after RESET", value(t, ev), 5 + 3);
	pv_disable(t, ev);
	late = pv_actor_fork(t, parent);
	pv_act(t, child, PV_ACT_CALLS, 100);
	pv_act(t, late, PV_ACT_CALLS, 100);
	pv_act(t, parent, PV_ACT_CALLS, 100);
	before = pv_read(t, ev);
	pv_expect_eq(t, "count after DISABLE", before.value, 5 + 3);
	pv_act(t, late, PV_ACT_SPIN, 1000);
	after = pv_read(t, ev);
	pv_expect_eq(t, "time enabled that passed after DISABLE", after.enabled - before.enabled,
		     0);
	pv_enable(t, ev);
	pv_act(t, late, PV_ACT_CALLS, 1);
	pv_act(t, child, PV_ACT_CALLS, 1);
	pv_act(t, parent, PV_ACT_CALLS, 1);
	pv_expect_eq(t, "count after a second ENABLE", value(t, ev), 5 + 3 + 3);
	pv_actor_end(t, late);
	pv_actor_end(t, child);
	pv_expect_eq(t, "count after all have ended", value(t, ev), 5 + 3 + 3);
}

/*
 * Each task has an event of its own beside the inherited one, so that both are measured
 * by the same clock: the inherited one's times hold the others'.
 */
PV_CASE(inherit, times, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "times enabled and running are the sum of the family's, of ended children too")
{
	struct perf_event_attr plain = pv_calls_attr(t);
	struct pv_actor *a[3] = {pv_actor(t)};
	struct pv_ev *ev = open_inherit(t, a[0]->tid), *own[3];
	struct pv_count c, sum = {0}, last;
	struct perf_event_attr clock = pv_dummy;
	struct pv_ev *wall;
	uint64_t start;

	clock.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED;
	clock.disabled = plain.disabled = 0;
	wall = pv_open(t, &clock, -1, pv_cpu(t), NULL, 0);
	pv_enable(t, ev);
	a[1] = pv_actor_fork(t, a[0]);
	a[2] = pv_actor_fork(t, a[1]);
	for (int i = 0; i < 3; i++) {
		own[i] = pv_open(t, &plain, a[i]->tid, -1, NULL, 0);
		pv_act(t, a[i], PV_ACT_SPIN, 1000);
	}
	for (int i = 0; i < 3; i++) {
		c = pv_read(t, own[i]);
		pv_expect_in(t, "a task's own time enabled", c.enabled, 1, UINT64_MAX);
		sum.enabled += c.enabled;
		sum.running += c.running;
	}
	start = pv_read(t, wall).enabled;
	c = pv_read(t, ev);
	pv_expect_in(t, "time enabled while they live", c.enabled, sum.enabled, UINT64_MAX);
	pv_expect_in(t, "time running while they live", c.running, sum.running, UINT64_MAX);
	pv_expect_eq(t, "enabled but not running", c.enabled - c.running, 0);
	last = c;
	pv_act(t, a[1], PV_ACT_SPIN, 1000);
	pv_actor_end(t, a[2]);
	pv_actor_end(t, a[1]);
	for (int i = sum.enabled = sum.running = 0; i < 3; i++) {
		c = pv_read(t, own[i]);
		sum.enabled += c.enabled;
		sum.running += c.running;
	}
	pv_act_settle(a[0]);
	c = pv_read(t, ev);
	pv_expect_in(t, "time enabled after their end", c.enabled, sum.enabled, UINT64_MAX);
	pv_expect_in(t, "time running after their end", c.running, sum.running, UINT64_MAX);
	pv_expect_eq(t, "enabled but not running at the end", c.enabled - c.running, 0);
	/* All have run on one CPU. */
	pv_expect_in(t, "time enabled that their end adds", c.enabled - last.enabled, 1,
		     pv_read(t, wall).enabled - start);
	last = pv_read(t, ev);
	pv_expect_eq(t, "time enabled while all sleep", last.enabled - c.enabled, 0);
}

PV_CASE(inherit, pingpong, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "tasks with equal contexts that follow one another on a CPU lose no count")
{
	struct pv_actor *parent = pv_actor(t), *child[3];
	struct pv_ev *ev = open_inherit(t, parent->tid), *second = open_inherit(t, parent->tid);
	uint64_t all = 0;

	pv_enable(t, ev);
	for (int i = 0; i < 3; i++)
		child[i] = pv_actor_fork(t, i ? child[i - 1] : parent);
	for (int i = 0; i < 30; i++) {
		struct pv_actor *a = i % 4 ? child[i % 4 - 1] : parent;

		if (i == 10)
			pv_enable(t, second);
		pv_act(t, a, PV_ACT_CALLS, i);
		all += i;
	}
	pv_expect_eq(t, "count", value(t, ev), all);
	pv_expect_eq(t, "count of the second event", value(t, second), all - 45);
	for (int i = 0; i < 3; i++)
		pv_actor_end(t, child[i]);
	pv_act(t, parent, PV_ACT_CALLS, 1);
	pv_expect_eq(t, "count after the children's end", value(t, ev), all + 1);
	pv_expect_eq(t, "count of the second event at the end", value(t, second), all - 45 + 1);
}

static void calls_and_child(struct pv_test *t, void *arg)
{
	uint64_t *left = arg;

	pv_calls(3);
	if (!(*left)--)
		return;
	pv_wait(t, pv_fork(t, calls_and_child, left));
}

PV_CASE(inherit, storm, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "a hundred children and children's children that end in any order add up")
{
	struct pv_ev *ev = open_inherit(t, 0);
	uint64_t depth = 3;
	pid_t pid[25];

	pv_enable(t, ev);
	for (int i = 0; i < 25; i++) {
		pid[i] = pv_fork(t, calls_and_child, &depth);
		pv_calls(1);
	}
	for (int i = 24; i >= 0; i--)
		pv_wait(t, pid[i]);
	pv_expect_eq(t, "count", value(t, ev), 25 + 25 * 4 * 3);
	pv_disable(t, ev);
	pv_calls(100);
	pv_expect_eq(t, "count at the end", value(t, ev), 25 + 25 * 4 * 3);
}

PV_CASE(inherit, close_parent, .pmu = "breakpoint", .proof = "kernel",
	.about = "closing the event takes it off living children: their breakpoints are free again")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "breakpoint", "x"));
	struct pv_actor *parent = pv_actor(t), *child, *ended;
	unsigned int slots = pv_act(t, parent, PV_ACT_SLOTS, 0);
	struct pv_ev *ev;

	attr.inherit = 1;
	ev = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	pv_enable(t, ev);
	pv_tell_apart(t, parent->tid);
	child = pv_actor_fork(t, parent);
	pv_tell_apart(t, child->tid);
	ended = pv_actor_fork(t, child);
	pv_act(t, child, PV_ACT_TARGET, 4);
	pv_act(t, ended, PV_ACT_TARGET, 5);
	pv_expect_eq(t, "count of the children", value(t, ev), 4 + 5);
	pv_expect_in(t, "breakpoints there are", slots, 1, 63);
	pv_expect_eq(t, "breakpoints left to a child", pv_act(t, child, PV_ACT_SLOTS, 0),
		     slots - 1);
	pv_actor_end(t, ended);
	pv_expect_eq(t, "breakpoints left after a child's end", pv_act(t, child, PV_ACT_SLOTS, 0),
		     slots - 1);
	pv_close(t, ev);
	pv_expect_eq(t, "breakpoints of the child after close", pv_act(t, child, PV_ACT_SLOTS, 0),
		     slots);
	pv_expect_eq(t, "breakpoints of the parent after close", pv_act(t, parent, PV_ACT_SLOTS, 0),
		     slots);
	pv_act(t, child, PV_ACT_TARGET, 4);
	pv_actor_end(t, child);
	pv_actor_end(t, parent);
}

PV_CASE(inherit, close_leader, .pmu = "tracepoint", .each = "word[leader,sibling]",
	.needs = "tracefs", .proof = "kernel",
	.about = "when one of an inherited group is closed, the other goes on with its children")
{
	bool leader = !strcmp(pv_word(t), "leader");
	struct pv_actor *parent = pv_actor(t), *child, *ended;
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *ev[2], *left;

	attr.inherit = 1;
	attr.disabled = 0;
	ev[0] = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	ev[1] = pv_open(t, &attr, parent->tid, -1, ev[0], 0);
	left = ev[leader];
	child = pv_actor_fork(t, parent);
	ended = pv_actor_fork(t, child);
	pv_act(t, ended, PV_ACT_CALLS, 2);
	pv_actor_end(t, ended);
	pv_act(t, child, PV_ACT_CALLS, 3);
	pv_expect_eq(t, "count of the leader", value(t, ev[0]), 2 + 3);
	pv_expect_eq(t, "count of the sibling", value(t, ev[1]), 2 + 3);
	pv_close(t, ev[!leader]);
	pv_expect_eq(t, "count after the close", value(t, left), 2 + 3);
	pv_act(t, child, PV_ACT_CALLS, 5);
	pv_act(t, parent, PV_ACT_CALLS, 7);
	pv_expect_eq(t, "count that went on", value(t, left), 2 + 3 + 5 + 7);
	ended = pv_actor_fork(t, child);
	pv_act(t, ended, PV_ACT_CALLS, 11);
	pv_actor_end(t, ended);
	pv_actor_end(t, child);
	pv_expect_eq(t, "count with a child born after the close", value(t, left),
		     2 + 3 + 5 + 7 + 11);
}

/* kernel/events/core.c perf_event_task_disable(): the list of a task is what it has opened. */
PV_CASE(inherit, prctl, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "PR_TASK_PERF_EVENTS_* switches what the task has opened, on whomever, with the "
		 "children, and nothing else")
{
	struct pv_actor *opener, *parent, *child;
	struct pv_ev *mine;
	long own, other;

	parent = pv_actor(t);
	pv_act_attr = pv_calls_attr(t);
	pv_act_attr.disabled = 0;
	pv_act_attr.inherit = 1;
	mine = open_inherit(t, parent->tid);
	pv_enable(t, mine);
	opener = pv_actor(t);
	own = pv_act(t, opener, PV_ACT_OPEN, 0);
	other = pv_act(t, opener, PV_ACT_OPEN, parent->tid);
	pv_skip_denied(t, own < 0 ? own : other);
	pv_expect_in(t, "events the opener has", (own >= 0) + (other >= 0), 2, 2);
	child = pv_actor_fork(t, parent);
	pv_act(t, opener, PV_ACT_CALLS, 2);
	pv_act(t, parent, PV_ACT_CALLS, 3);
	pv_act(t, child, PV_ACT_CALLS, 4);
	pv_expect_errno(t, "DISABLE", pv_act(t, opener, PV_ACT_EVENTS, 0), 0);
	pv_act(t, opener, PV_ACT_CALLS, 100);
	pv_act(t, parent, PV_ACT_CALLS, 10);
	pv_act(t, child, PV_ACT_CALLS, 20);
	pv_expect_eq(t, "own event, disabled", pv_act(t, opener, PV_ACT_READ, own), 2);
	pv_expect_eq(t, "its event on others, disabled", pv_act(t, opener, PV_ACT_READ, other),
		     3 + 4);
	pv_expect_eq(t, "another opener's event", value(t, mine), 3 + 4 + 10 + 20);
	/* The task that is counted has opened nothing. */
	pv_expect_errno(t, "ENABLE by another", pv_act(t, parent, PV_ACT_EVENTS, 1), 0);
	pv_expect_errno(t, "DISABLE by another", pv_act(t, child, PV_ACT_EVENTS, 0), 0);
	pv_act(t, child, PV_ACT_CALLS, 5);
	pv_expect_eq(t, "its event on others, still disabled",
		     pv_act(t, opener, PV_ACT_READ, other), 3 + 4);
	pv_expect_eq(t, "another opener's event, still enabled", value(t, mine),
		     3 + 4 + 10 + 20 + 5);
	pv_expect_errno(t, "ENABLE", pv_act(t, opener, PV_ACT_EVENTS, 1), 0);
	pv_act(t, opener, PV_ACT_CALLS, 1);
	pv_act(t, parent, PV_ACT_CALLS, 2);
	pv_act(t, child, PV_ACT_CALLS, 3);
	pv_expect_eq(t, "own event, enabled", pv_act(t, opener, PV_ACT_READ, own), 2 + 1);
	pv_expect_eq(t, "its event on others, enabled", pv_act(t, opener, PV_ACT_READ, other),
		     3 + 4 + 2 + 3);
	/* From here on nobody owns what the opener leaves behind by its end. */
	pv_actor_end(t, opener);
	pv_act(t, child, PV_ACT_CALLS, 1);
	pv_expect_eq(t, "another opener's event after the end", value(t, mine),
		     3 + 4 + 10 + 20 + 5 + 2 + 3 + 1);
}
