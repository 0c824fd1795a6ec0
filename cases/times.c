/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * time_enabled and time_running against one another: a second event of the same task is the clock
 * that brackets each step, so no tolerance is needed.
 */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct pv_ev *open_sw(struct pv_test *t, bool disabled, pid_t pid, int cpu)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "context-switches"));

	attr.disabled = disabled;
	return pv_open(t, &attr, pid, cpu, NULL, 0);
}

PV_CASE(times, windows, .pmu = "perf", .each = "n[1,5]", .proof = "kernel",
	.about =
		"an event's time is the sum of the windows in which it was enabled, by the clock of one that always is")
{
	struct pv_ev *clock = open_sw(t, false, 0, -1), *ev = open_sw(t, true, 0, -1);
	uint64_t lo = 0, hi = 0, outside = 0, grown = 0, differ = 0, spun = 0;

	for (int i = 0; i < pv_n(t); i++) {
		uint64_t o1, i1, i2, o2;
		struct pv_count c;

		pv_sys_work(PV_WORK_SPIN, 300, NULL, 0);
		o1 = pv_read(t, clock).enabled;
		pv_enable(t, ev);
		i1 = pv_read(t, clock).enabled;
		pv_sys_work(PV_WORK_SPIN, 300, NULL, 0);
		i2 = pv_read(t, clock).enabled;
		pv_disable(t, ev);
		o2 = pv_read(t, clock).enabled;
		pv_sys_work(PV_WORK_SPIN, 300, NULL, 0);
		lo += i2 - i1;
		hi += o2 - o1;
		c = pv_read(t, ev);
		outside += c.enabled < lo || c.enabled > hi;
		differ += c.enabled != c.running;
		grown += hi < lo || o2 < i2 || i1 < o1;
	}
	/* The same without a read in between, which would bring the times up to date. */
	lo = pv_read(t, ev).enabled;
	for (int i = 0; i < pv_n(t); i++) {
		pv_enable(t, ev);
		spun -= pv_sys_cputime();
		pv_sys_work(PV_WORK_SPIN, 1000, NULL, 0);
		spun += pv_sys_cputime();
		pv_disable(t, ev);
	}
	pv_expect_in(t, "time of windows that nobody has looked into", pv_read(t, ev).enabled - lo,
		     spun / 2, UINT64_MAX);
	pv_expect_eq(t, "sums outside of the windows", outside, 0);
	pv_expect_eq(t, "times running that are not time enabled", differ, 0);
	pv_expect_eq(t, "clocks that ran backwards", grown, 0);
}

PV_CASE(times, asleep, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "a task's event has no time while the task sleeps, its CPU's event has")
{
	const uint64_t tick = 10000000; /* local_clock(), see pv_expect_window() */
	struct pv_ev *task = open_sw(t, false, 0, -1), *cpu = open_sw(t, false, -1, pv_cpu(t));
	struct pv_count t1, t2, c1, c2;
	uint64_t ran, inner, outer = pv_sys_walltime();

	t1 = pv_read(t, task);
	c1 = pv_read(t, cpu);
	inner = pv_sys_walltime();
	for (int i = 0; i < 4; i++)
		pv_sleep_ms(15);
	inner = pv_sys_walltime() - inner;
	c2 = pv_read(t, cpu);
	t2 = pv_read(t, task);
	outer = pv_sys_walltime() - outer;
	pv_expect(t, "it slept", inner >= 60000000);
	/* A machine that stands still while the task runs gives it time that its clock has not. */
	if (!pv_expect(t, "the task's event has no time of its sleeps",
		       t2.enabled - t1.enabled <= outer - 60000000 + tick))
		pv_message(t, "%llu ns of %llu", (unsigned long long)(t2.enabled - t1.enabled),
			   (unsigned long long)outer);
	pv_expect(t, "its time running is its time enabled", t2.running == t2.enabled);
	pv_expect(t, "the CPU's event has all the time", c2.enabled - c1.enabled + tick >= inner);
	pv_expect(t, "and ran", c2.running == c2.enabled);
	pv_expect_in(t, "switches of the task", t2.value - t1.value, 4, UINT64_MAX / 2);
	/* What it ran before a sleep is its time, though no read has asked for it. */
	ran = pv_sys_cputime();
	for (int i = 0; i < 2; i++) {
		pv_sys_work(PV_WORK_SPIN, 2000, NULL, 0);
		pv_sleep_ms(5);
	}
	ran = pv_sys_cputime() - ran;
	pv_expect_in(t, "time before sleeps", pv_read(t, task).enabled - t2.enabled, ran / 2,
		     UINT64_MAX);
}

PV_CASE(times, opened, .pmu = "perf", .each = "word[task,cpu]", .needs = "root", .proof = "kernel",
	.about =
		"an event that joins others which run has no time of theirs from before it was opened")
{
	bool wide = !strcmp(pv_word(t), "cpu");
	pid_t pid = wide ? -1 : 0;
	int cpu = wide ? pv_cpu(t) : -1;
	uint64_t least = UINT64_MAX, spun = 0;

	open_sw(t, false, pid, cpu);
	/* Between open and read this task may have to wait, and the machine: not each time. */
	for (int i = 0; i < 5; i++) {
		struct pv_ev *ev;
		struct pv_count c;

		spun -= pv_sys_cputime();
		pv_sys_work(PV_WORK_SPIN, 4000, NULL, 0);
		spun += pv_sys_cputime();
		ev = open_sw(t, false, pid, cpu);
		c = pv_read(t, ev);
		least = c.enabled < least ? c.enabled : least;
		pv_close(t, ev);
	}
	pv_expect_in(t, "time of an event that has just been opened", least, 0, spun / 5 / 2);
}

PV_CASE(times, moved, .pmu = "pmuv3", .proof = "kernel",
	.about = "software events that a counter joins keep the time that nobody has looked at yet")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "cpu_cycles"));
	struct pv_ev *leader = open_sw(t, false, 0, -1), *sibling;
	struct pv_count before = pv_read(t, leader), after;
	uint64_t spun = pv_sys_cputime();

	attr.disabled = 0;
	pv_sys_work(PV_WORK_SPIN, 10000, NULL, 0);
	spun = pv_sys_cputime() - spun;
	sibling = pv_open(t, &attr, 0, -1, leader, 0);
	after = pv_read(t, leader);
	pv_expect_in(t, "time enabled", after.enabled - before.enabled, spun - spun / 10,
		     UINT64_MAX);
	pv_expect_eq(t, "time running", after.running, after.enabled);
	pv_expect_in(t, "time of the counter", pv_read(t, sibling).enabled, 1, UINT64_MAX);
}
