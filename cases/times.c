/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * time_enabled and time_running against one another: a second event of the same task is the clock
 * that brackets each step, so no tolerance is needed.
 */
#define _GNU_SOURCE
#include <time.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct pv_ev *open_sw(struct pv_test *t, bool disabled, pid_t pid, int cpu)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "context-switches"));

	attr.disabled = disabled;
	return pv_open(t, &attr, pid, cpu, NULL, 0);
}

static void sleep_ms(long ms)
{
	struct timespec ts = {0, ms * 1000000};

	nanosleep(&ts, NULL);
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
	struct pv_count t1 = pv_read(t, task), t2, c1 = pv_read(t, cpu), c2;
	uint64_t ran = pv_sys_cputime(), wall = pv_sys_walltime();

	/* The time before each sleep is the task's, too. */
	for (int i = 0; i < 4; i++) {
		pv_sys_work(PV_WORK_SPIN, 2000, NULL, 0);
		sleep_ms(15);
	}
	wall = pv_sys_walltime() - wall;
	c2 = pv_read(t, cpu);
	t2 = pv_read(t, task);
	ran = pv_sys_cputime() - ran;
	pv_expect(t, "the task's event has the time before its sleeps",
		  t2.enabled - t1.enabled >= ran / 2);
	pv_expect(t, "it slept", wall >= 60000000);
	if (!pv_expect(t, "the task's event has the time that it ran",
		       t2.enabled - t1.enabled <= ran + tick))
		pv_message(t, "%llu ns of %llu", (unsigned long long)(t2.enabled - t1.enabled),
			   (unsigned long long)ran);
	pv_expect(t, "its time running is its time enabled", t2.running == t2.enabled);
	pv_expect(t, "the CPU's event has all the time", c2.enabled - c1.enabled + tick >= wall);
	pv_expect(t, "and ran", c2.running == c2.enabled);
	pv_expect_in(t, "switches of the task", t2.value - t1.value, 4, UINT64_MAX / 2);
}
