/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts: nothing before enable, what is due while it runs, nothing after disable;
 * exactly where the descriptor says so; with each exclude bit; and the times and the id
 * that read(2) gives with them.
 */
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

/*
 * A first round that only a dummy sees: the pages that the windows below use are then there, and
 * the faults that a fresh process takes on its code and stack are in nobody's count.
 */
static void warm_up(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);

	pv_measure(t, ev, 1);
	pv_close(t, ev);
}

/* perf's clock may stand for up to a tick (local_clock(), kernel/sched/clock.c): one of many
 * windows is longer. */
#define WINDOWS 1000

static struct pv_window measure_until_it_ran(struct pv_test *t, struct pv_ev *ev, uint64_t n)
{
	struct pv_window w = pv_measure(t, ev, n);

	for (int i = 1; i < WINDOWS && !w.running; i++)
		w = pv_measure(t, ev, n);
	return w;
}

/*
 * Times are judged and not recorded: they are never the same twice, not even under icount, where
 * the clock's phase depends on when the host takes the results.
 */
static void expect_time(struct pv_test *t, const char *name, bool ok, uint64_t enabled,
			uint64_t running)
{
	if (!pv_expect(t, name, ok))
		pv_message(t, "%s: enabled %llu ns, running %llu ns", name,
			   (unsigned long long)enabled, (unsigned long long)running);
}

static void expect_ran(struct pv_test *t, const struct pv_window *w)
{
	expect_time(t, "it was on its counter", w->running && w->running <= w->enabled, w->enabled,
		    w->running);
}

PV_CASE(counting, live,
	.each = "event[live] mode[single,group,sw-leader,inherit,pinned,exclusive,task-cpu,cpu]",
	.about =
		"an event counts nothing before enable, what is due while it runs and nothing after disable")
{
	uint64_t n = pv_work_some(pv_event(t));
	struct pv_window w;
	struct pv_ev *ev;

	warm_up(t);
	ev = pv_open_case(t);
	pv_work(t, n);
	pv_expect_eq(t, "count before enable", pv_read(t, ev).value, 0);
	w = pv_measure(t, ev, n);
	pv_expect_window(t, &w, n);
	pv_work(t, n);
	pv_expect_eq(t, "count since disable", pv_read(t, ev).value - w.value, 0);
}

/* What is due in one window of the case's event in its mode. */
static void check_window(struct pv_test *t)
{
	uint64_t n = pv_work_some(pv_event(t));
	struct pv_window w;
	struct pv_ev *ev;

	warm_up(t);
	ev = pv_open_case(t);
	w = measure_until_it_ran(t, ev, n);
	pv_expect_window(t, &w, n);
	/* A count of 0 is no proof unless the event was on its counter. */
	expect_ran(t, &w);
}

PV_CASE(counting, zero, .each = "event[zero] mode[single,group,sw-leader,inherit,pinned]",
	.about = "an event that has nothing to count opens, runs and stays at 0")
{
	check_window(t);
}

PV_CASE(counting, exact, .each = "event[exact] n[1,10,127,1000]",
	.about = "n occurrences count n, again after a reset, and a read changes nothing")
{
	uint64_t n = pv_n(t);
	struct pv_window w;
	struct pv_ev *ev;

	warm_up(t);
	ev = pv_open_case(t);
	for (int round = 0; round < 2; round++) {
		w = pv_measure(t, ev, n);
		pv_expect_window(t, &w, n);
		pv_expect_eq(t, "count since the first read", pv_read(t, ev).value - w.value, 0);
	}
	pv_reset(t, ev);
	pv_expect_eq(t, "count after reset", pv_read(t, ev).value, 0);
}

/* What disturbs a user-only count (an interrupt that some cores book as an instruction) only adds:
 * the least of a few is the undisturbed one. */
static uint64_t least_count(struct pv_test *t, struct pv_ev *ev, uint64_t n)
{
	int rounds = pv_deterministic(t) ? 1 : 4;
	uint64_t least = UINT64_MAX;

	while (rounds--) {
		struct pv_window w = pv_measure(t, ev, n);

		least = w.value < least ? w.value : least;
	}
	return least;
}

PV_CASE(counting, loop, .each = "event[loop] n[10000,100000,1000000]",
	.about =
		"n turns of a loop in user mode count as the descriptor says, less the cost of the window")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t n = pv_n(t), per = pv_event(t)->per, null, value;
	struct pv_ev *ev;

	attr.exclude_kernel = 1;
	attr.exclude_hv = 1;
	ev = pv_open_mode(t, &attr);
	/* The cost of the window is that of one turn, less the turn: no turn takes another way. */
	null = least_count(t, ev, 1);
	value = least_count(t, ev, n);
	pv_note(t, "count of one turn", null);
	if (!value)
		pv_fail(t, "dead counter: %s opened and counted nothing", pv_event(t)->name);
	if (pv_event(t)->relation == PV_REL_OVERHEAD)
		pv_expect_eq(t, "count of the other turns", value - null, (n - 1) * per);
	else
		pv_expect_in(t, "count of all turns", value, n * per, UINT64_MAX);
}

/*
 * Where cycles are nanoseconds that pass while the machine stands still, too, the way in and out of
 * the kernel may take longer than any loop: but not in each window.
 */
static void exclude_by_time(struct pv_test *t, bool user)
{
	struct pv_ev *ev = pv_open_case(t);
	uint64_t value = 0, loop = 0;
	bool ok = false;

	for (int i = 0; i < 20 && !ok; i++) {
		pv_reset(t, ev);
		pv_enable(t, ev);
		loop = pv_sys_cputime();
		pv_sys_work(PV_WORK_LOOP, 1000000, NULL, 0);
		loop = pv_sys_cputime() - loop;
		pv_disable(t, ev);
		value = pv_read(t, ev).value;
		ok = user ? value && value < loop / 2 : value > loop / 2;
	}
	if (user)
		pv_expect_in(t, "count without the loop", value, 1, loop / 2);
	else
		pv_expect_in(t, "count of the loop", value, loop / 2, UINT64_MAX / 2);
}

PV_CASE(counting, exclude,
	.each = "event[live] mode[exclude-user,exclude-kernel,exclude-hv,exclude-idle]",
	.about = "an exclude bit takes away what happens in its mode and nothing else")
{
	bool user = pv_mode(t) == PV_MODE_EXCLUDE_USER;

	if (pv_event(t)->relation == PV_REL_TIME && pv_event(t)->side == PV_SIDE_BOTH &&
	    (user || pv_mode(t) == PV_MODE_EXCLUDE_KERNEL))
		exclude_by_time(t, user);
	else
		check_window(t);
}

/* The same event three times in a group: whole, user part, kernel part. */
struct split {
	struct pv_ev *all, *user, *kernel;
};

static struct split open_split(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct split s = {.all = pv_open(t, &attr, 0, -1, NULL, 0)};

	attr.disabled = 0;
	attr.exclude_kernel = 1;
	s.user = pv_open(t, &attr, 0, -1, s.all, 0);
	attr.exclude_kernel = 0;
	attr.exclude_user = 1;
	s.kernel = pv_open(t, &attr, 0, -1, s.all, 0);
	return s;
}

PV_CASE(counting, additive, .pmu = "sw kprobe", .each = "event[exact] mode[group]",
	.about = "what is left with exclude_kernel and what is left with exclude_user is the whole")
{
	uint64_t n = pv_work_some(pv_event(t)), user, kernel;
	struct pv_window w;
	struct split s;

	warm_up(t);
	s = open_split(t);
	w = pv_measure(t, s.user, n);
	user = w.value;
	kernel = pv_read(t, s.kernel).value;
	pv_expect_eq(t, "count of all", pv_read(t, s.all).value, n * pv_event(t)->per);
	pv_expect_eq(t, "user and kernel part", user + kernel, n * pv_event(t)->per);
	if (pv_event(t)->side == PV_SIDE_USER)
		pv_expect_eq(t, "user part", user, n * pv_event(t)->per);
	if (pv_event(t)->side == PV_SIDE_KERNEL)
		pv_expect_eq(t, "kernel part", kernel, n * pv_event(t)->per);
}

PV_CASE(counting, additive_loop, .each = "event[overhead] mode[group]",
	.about =
		"the user part and the kernel part of a counter that runs in both modes add up to its whole")
{
	/* An occurrence at each way in or out may be booked to either side, or lies between two
	 * counters that start in turns; so short a window has far fewer than a hundred. */
	const uint64_t turns = 100000;
	const uint64_t slack =
		pv_deterministic(t) && !(pv_pmu(t)->caps & PV_CAP_STAGGERED) ? 0 : 100;
	struct split s = open_split(t);
	uint64_t all, user, kernel;

	pv_measure(t, s.user, turns);
	all = pv_read(t, s.all).value;
	user = pv_read(t, s.user).value;
	kernel = pv_read(t, s.kernel).value;
	pv_expect_in(t, "user part", user, turns * pv_event(t)->per, UINT64_MAX);
	/* The way into the kernel that stops the counters. */
	pv_expect_in(t, "kernel part", kernel, 1, UINT64_MAX);
	pv_expect_in(t, "user and kernel part", user + kernel, all - slack, all + slack);
}

/* Works until time_enabled is beyond `from`. */
static void work_past(struct pv_test *t, struct pv_ev *ev, uint64_t from)
{
	for (int i = 0; i < WINDOWS; i++) {
		pv_work(t, 1);
		if (pv_read(t, ev).enabled > from)
			break;
	}
}

/* Software events are never without their counter. */
static bool running_fits(struct pv_test *t, const struct pv_count *c)
{
	if (pv_pmu(t)->caps & PV_CAP_SOFTWARE)
		return c->running == c->enabled;
	return c->running && c->running <= c->enabled;
}

PV_CASE(counting, times, .each = "event[live] mode[single,cpu]",
	.about =
		"time_enabled and time_running grow while the event is enabled and stand while it is not")
{
	const uint64_t absurd = 3600ull * 1000000000;
	struct pv_ev *ev = pv_open_case(t);
	struct pv_count on, off;

	pv_work(t, 1);
	off = pv_read(t, ev);
	pv_expect_eq(t, "time enabled before enable", off.enabled, 0);
	pv_expect_eq(t, "time running before enable", off.running, 0);
	for (int round = 0; round < 2; round++) {
		uint64_t before = off.enabled;

		pv_enable(t, ev);
		work_past(t, ev, before);
		pv_disable(t, ev);
		on = pv_read(t, ev);
		expect_time(t, "time enabled grew", on.enabled > before && on.enabled < absurd,
			    on.enabled, on.running);
		expect_time(t, "time running fits", running_fits(t, &on), on.enabled, on.running);
		pv_work(t, pv_work_some(pv_event(t)));
		off = pv_read(t, ev);
		expect_time(t, "time enabled stands while off", off.enabled == on.enabled,
			    off.enabled, off.running);
		expect_time(t, "time running stands while off", off.running == on.running,
			    off.enabled, off.running);
	}
}

PV_CASE(counting, id, .each = "event[live]",
	.about =
		"the id that read(2) gives is the one that IOC_ID gives, and no other event has it")
{
	struct pv_ev *ev = pv_open_case(t), *other = pv_open_case(t);
	uint64_t id = 0, other_id = 0;

	pv_expect_errno(t, "IOC_ID", pv_ioctl(ev, PERF_EVENT_IOC_ID, (uintptr_t)&id), 0);
	pv_expect_errno(t, "IOC_ID of another",
			pv_ioctl(other, PERF_EVENT_IOC_ID, (uintptr_t)&other_id), 0);
	/* Ids are handed out in the order of opening, other programs' among them. */
	pv_expect(t, "read gives the id of IOC_ID", pv_read(t, ev).id == id);
	pv_expect(t, "read gives the other's id of IOC_ID", pv_read(t, other).id == other_id);
	pv_expect(t, "the two differ", id != other_id);
	pv_expect(t, "the id is not 0", id != 0);
}
