/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an event counts depends neither on who reads it while it runs nor on what was while it
 * was off, and what is already so can be asked for again.
 */
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

/* perf's clock may be a tick off (local_clock(), kernel/sched/clock.c): HZ=100 at the slowest. */
#define TICK_NS 10000000ull

PV_CASE(running, off_time, .each = "event[time]",
	.about = "a clock that was off for long goes on from where it stood")
{
	struct pv_ev *ev = pv_open_case(t);
	uint64_t before, start, wall, moved;

	pv_enable(t, ev);
	pv_work(t, 100);
	pv_disable(t, ev);
	before = pv_read(t, ev).value;
	pv_work(t, 4 * TICK_NS / 1000);
	pv_expect_eq(t, "count while off", pv_read(t, ev).value - before, 0);
	start = pv_sys_walltime();
	pv_enable(t, ev);
	pv_work(t, 100);
	pv_disable(t, ev);
	moved = pv_read(t, ev).value - before;
	wall = pv_sys_walltime() - start;
	/* Judged, not recorded: no two runs have the same times. */
	if (!pv_expect(t, "no more than the time it was on", moved <= wall + TICK_NS))
		pv_message(t, "counted %llu ns in %llu ns", (unsigned long long)moved,
			   (unsigned long long)wall);
}

#define LONG_ENOUGH_NS 1000000
#define ROUNDS         1000

PV_CASE(running, enable_again, .each = "event[live]",
	.about = "ENABLE of an event that runs takes nothing from its count and its times")
{
	struct pv_ev *ev = pv_open_case(t);
	struct pv_count first, again;

	pv_enable(t, ev);
	first = pv_read(t, ev);
	for (int i = 0; i < ROUNDS && (first.enabled < LONG_ENOUGH_NS || !first.value); i++) {
		pv_work(t, pv_work_some(pv_event(t)));
		first = pv_read(t, ev);
	}
	pv_expect(t, "it ran", first.enabled && first.value);
	pv_enable(t, ev);
	again = pv_read(t, ev);
	pv_expect(t, "count does not fall", again.value >= first.value);
	pv_expect(t, "time enabled does not fall", again.enabled >= first.enabled);
	pv_expect(t, "time running does not fall", again.running >= first.running);
}

PV_CASE(running, reset_unread, .each = "event[live !exact]",
	.about = "RESET of a running event takes away what nobody has read yet")
{
	uint64_t n = 10 * pv_work_some(pv_event(t)), whole;
	struct pv_ev *ev = pv_open_case(t);
	bool fell = false;

	pv_enable(t, ev);
	pv_work(t, n);
	pv_disable(t, ev);
	whole = pv_read(t, ev).value;
	pv_expect(t, "count of the work", whole);
	/* Another task may take its time between RESET and read, and a clock goes on. */
	for (int i = 0; i < 5 && !fell; i++) {
		pv_reset(t, ev);
		pv_enable(t, ev);
		pv_work(t, n);
		pv_reset(t, ev);
		fell = pv_read(t, ev).value < whole / 2;
		pv_disable(t, ev);
	}
	pv_expect(t, "the work is not in the count after RESET", fell);
}

#define PARTS 10

PV_CASE(running, reads, .each = "event[loop]",
	.about = "a counter that is read while it runs counts no more than one that is not")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t n = 20000, unread, value, last = 0, fell = 0;
	struct pv_ev *ev;

	attr.exclude_kernel = 1;
	attr.exclude_hv = 1;
	ev = pv_open_mode(t, &attr);
	pv_enable(t, ev);
	pv_work(t, PARTS * n);
	pv_disable(t, ev);
	unread = pv_read(t, ev).value;
	pv_reset(t, ev);
	pv_enable(t, ev);
	for (int i = 0; i < PARTS; i++) {
		pv_work(t, n);
		value = pv_read(t, ev).value;
		fell += value < last;
		last = value;
	}
	pv_disable(t, ev);
	value = pv_read(t, ev).value;
	pv_expect_eq(t, "reads that fell", fell, 0);
	/* The reads' own way in user mode is some hundred instructions; a part that is counted
	 * again with each read would make it five times as much. */
	pv_expect_in(t, "count", value, PARTS * n * pv_event(t)->per, UINT64_MAX);
	pv_expect(t, "less than twice the count without reads", value / 2 < unread);
}
