/* SPDX-License-Identifier: GPL-2.0-only */
/* What an overflow sets off: signals, poll, the end by REFRESH, and how the period is changed. */
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct pv_ev *open_period(struct pv_test *t, uint64_t period)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.sample_period = period;
	attr.sample_type = PERF_SAMPLE_ID;
	return pv_open(t, &attr, 0, -1, NULL, 0);
}

static uint64_t run(struct pv_test *t, struct pv_ev *ev, uint64_t units)
{
	pv_enable(t, ev);
	pv_work(t, units);
	pv_disable(t, ev);
	return pv_read(t, ev).value;
}

static uint64_t value_of(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

/*
 * Breakpoints send signals on x86 alone: Arm's fire before the instruction, and when the handler
 * has returned the same instruction hits again, for ever.
 */
static void check_signals(struct pv_test *t, uint64_t period)
{
	static const char *const names[] = {"signals", "signals short of a period",
					    "signals with that period's end"};
	const uint64_t steps[] = {5 * period, period - 1, 1};
	struct pv_ev *ev = open_period(t, period);
	struct pv_signals *signals = pv_signal_on(t, ev, SIGRTMIN + 1);
	uint64_t units = 0, count;

	for (int i = 0; i < 3; i++) {
		units += steps[i];
		count = run(t, ev, steps[i]);
		pv_expect_eq(t, names[i], signals->count, count / period);
	}
	pv_expect_in(t, "count", count, units * pv_event(t)->per, UINT64_MAX);
	pv_expect_eq(t, "signals with another fd", signals->wrong_fd, 0);
	pv_expect_eq(t, "last fd", signals->last_fd == pv_fd(ev), 1);
	pv_expect_eq(t, "signals of POLL_HUP", signals->hup, 0);
}

PV_CASE(overflow, signals, .pmu = "sw tracepoint kprobe uprobe",
	.each = "event[samples exact] n[1,4]",
	.about = "each period sends one real-time signal that carries the event's fd")
{
	check_signals(t, pv_n(t));
}

PV_CASE(overflow, signals_breakpoint, .pmu = "breakpoint", .arch = "x86_64 i386",
	.each = "event[samples exact] n[1,4]",
	.about = "each period of a breakpoint sends one real-time signal that carries its fd")
{
	check_signals(t, pv_n(t));
}

PV_CASE(overflow, signal_per_sample, .each = "event[samples time]",
	.about = "a clock that samples sends signals too, and never one without its sample")
{
	const uint64_t period = 1000000; /* ns */
	struct pv_ev *ev = open_period(t, period);
	struct pv_signals *signals = pv_signal_on(t, ev, SIGRTMIN + 1);
	uint64_t samples;

	pv_ring_map(t, ev, 8);
	pv_enable(t, ev);
	/* Stolen time costs samples: a thousand periods for five are enough anywhere. */
	for (int i = 0; i < 1000 && signals->count < 5; i++)
		pv_work(t, period / 1000);
	pv_disable(t, ev);
	samples = pv_ring_samples(t, ev);
	pv_expect(t, "five signals or more", signals->count >= 5);
	/* A late timer interrupt takes two samples at once, and signals both as one. */
	pv_expect(t, "a sample for every signal", samples >= (uint64_t)signals->count);
	if (pv_deterministic(t))
		pv_expect_eq(t, "samples without a signal", samples - signals->count, 0);
	pv_expect_eq(t, "signals with another fd", signals->wrong_fd, 0);
}

static void check_refresh(struct pv_test *t, uint64_t period)
{
	struct pv_ev *ev = open_period(t, period);
	struct pv_signals *signals = pv_signal_on(t, ev, SIGRTMIN + 1);

	pv_expect_errno(t, "refresh", pv_ioctl(ev, PERF_EVENT_IOC_REFRESH, 3), 0);
	pv_work(t, 5 * period);
	pv_expect_eq(t, "count", value_of(t, ev), 3 * period);
	pv_expect_eq(t, "signals", signals->count, 3);
	pv_expect_eq(t, "signals of POLL_HUP", signals->hup, 1);
}

PV_CASE(overflow, refresh, .pmu = "sw tracepoint kprobe uprobe",
	.each = "event[samples exact] n[1,3]",
	.about =
		"REFRESH lets so many overflows through, the last is POLL_HUP, then it stands still")
{
	check_refresh(t, pv_n(t));
}

PV_CASE(overflow, refresh_breakpoint, .pmu = "breakpoint", .arch = "x86_64 i386",
	.each = "event[samples exact] n[1,3]",
	.about =
		"REFRESH lets so many hits of a breakpoint through, the last is POLL_HUP, then it stands still")
{
	check_refresh(t, pv_n(t));
}

/* Linux 6.16 stops the event itself at the last overflow; what stopped it must also start it. */
static void check_refresh_again(struct pv_test *t)
{
	struct pv_ev *ev = open_period(t, 2);
	struct pv_signals *signals = pv_signal_on(t, ev, SIGRTMIN + 1);

	pv_expect_errno(t, "refresh", pv_ioctl(ev, PERF_EVENT_IOC_REFRESH, 1), 0);
	pv_work(t, 6);
	pv_expect_eq(t, "signals after the first", signals->count, 1);
	pv_expect_errno(t, "refresh again", pv_ioctl(ev, PERF_EVENT_IOC_REFRESH, 2), 0);
	pv_work(t, 6);
	pv_expect_eq(t, "count after the second", value_of(t, ev), 3 * 2);
	pv_expect_eq(t, "signals after the second", signals->count, 3);
	pv_expect_eq(t, "signals of POLL_HUP after the second", signals->hup, 2);
	pv_enable(t, ev);
	pv_work(t, 6);
	pv_expect_in(t, "count after the second, enabled", value_of(t, ev), 3 * 2 + 6, UINT64_MAX);
}

PV_CASE(overflow, refresh_again, .pmu = "sw tracepoint kprobe uprobe",
	.each = "event[samples exact]",
	.about =
		"an event that REFRESH has brought to its end goes on with the next REFRESH, or with ENABLE")
{
	check_refresh_again(t);
}

PV_CASE(overflow, refresh_again_breakpoint, .pmu = "breakpoint", .arch = "x86_64 i386",
	.each = "event[samples exact]",
	.about =
		"a breakpoint that REFRESH has brought to its end goes on with the next REFRESH, or with ENABLE")
{
	check_refresh_again(t);
}

PV_CASE(overflow, refresh_refused, .each = "event[samples exact]",
	.about = "REFRESH is refused where no overflow can come or where children would share it")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *counting = pv_open(t, &attr, 0, -1, NULL, 0), *inherited;

	attr.sample_period = 1;
	attr.inherit = 1;
	inherited = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "a counting event", pv_ioctl(counting, PERF_EVENT_IOC_REFRESH, 1),
			-EINVAL);
	pv_expect_errno(t, "an inherited event", pv_ioctl(inherited, PERF_EVENT_IOC_REFRESH, 1),
			-EINVAL);
	pv_work(t, 5);
	pv_expect_eq(t, "count of the refused", value_of(t, counting) + value_of(t, inherited), 0);
}

PV_CASE(overflow, poll, .each = "event[samples exact] n[1,3]",
	.about = "poll wakes with the sample that wakeup_events names, not before and once only")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	int wakeup = pv_n(t), early = 0, awake = 0, again = 0;
	struct pv_ev *ev;

	attr.sample_period = 1;
	attr.wakeup_events = wakeup;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 2);
	/* A first touch of code that the rounds use would be an event of its own for faults. */
	pv_work(t, 1);
	pv_expect_eq(t, "poll before the first sample", pv_poll(ev, 0), 0);
	pv_enable(t, ev);
	for (int round = 0; round < 3; round++) {
		pv_work(t, wakeup - 1);
		early += pv_poll(ev, 0) != 0;
		pv_work(t, 1);
		awake += pv_poll(ev, 0) == POLLIN;
		again += pv_poll(ev, 0) != 0;
	}
	pv_disable(t, ev);
	pv_expect_eq(t, "rounds that woke too early", early, 0);
	pv_expect_eq(t, "rounds that woke", awake, 3);
	pv_expect_eq(t, "rounds that woke twice", again, 0);
	pv_expect_eq(t, "samples", pv_ring_samples(t, ev), 3 * wakeup);
}

static void work_units(struct pv_test *t, void *arg)
{
	pv_work(t, *(uint64_t *)arg);
}

PV_CASE(overflow, hup, .each = "event[samples exact]",
	.about = "poll says POLLHUP when the process under watch has ended, and not while it lives")
{
	uint64_t units = 3;
	pid_t child = pv_fork_held(t, work_units, &units);
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *ev;

	attr.sample_period = 1;
	ev = pv_open(t, &attr, child, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_enable(t, ev);
	pv_expect_eq(t, "poll while it lives", pv_poll(ev, 0), 0);
	pv_go(t, child);
	pv_wait(t, child);
	pv_expect_eq(t, "POLLHUP after its end", !!(pv_poll(ev, 0) & POLLHUP), 1);
	pv_expect_in(t, "samples", pv_ring_samples(t, ev), units * pv_event(t)->per, UINT64_MAX);
}

#define NEVER (1ull << 62)

PV_CASE(overflow, period, .each = "event[samples exact]",
	.about = "a new period holds from the ioctl on, whether the event stands or runs")
{
	uint64_t period = 3, count, before, samples;
	struct pv_ev *ev = open_period(t, NEVER);

	pv_ring_map(t, ev, 2);
	before = run(t, ev, 7);
	pv_expect_in(t, "count with a period out of reach", before, 7, UINT64_MAX);
	pv_expect_eq(t, "samples with a period out of reach", pv_ring_samples(t, ev), 0);

	pv_expect_errno(t, "set period, standing",
			pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (long)&period), 0);
	count = run(t, ev, 10);
	pv_expect_eq(t, "samples after it stood", pv_ring_samples(t, ev),
		     (count - before) / period);

	pv_enable(t, ev);
	before = value_of(t, ev);
	period = 1;
	pv_expect_errno(t, "set period, running",
			pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (long)&period), 0);
	pv_work(t, 10);
	pv_disable(t, ev);
	samples = pv_ring_samples(t, ev);
	pv_expect_in(t, "count while running", value_of(t, ev) - before, 10, UINT64_MAX);
	pv_expect_eq(t, "samples while running", samples, value_of(t, ev) - before);
}

PV_CASE(overflow, period_counter, .each = "event[samples live !exact !time]",
	.about = "a new period of a running counter holds from the ioctl on")
{
	uint64_t units = pv_work_some(pv_event(t)) * 10, period, before, due, at, samples;
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *ev;

	period = run(t, pv_open(t, &attr, 0, -1, NULL, 0), units) / 10;
	if (pv_pmu(t)->caps & PV_CAP_SOFTWARE)
		period = 1; /* a software event owes the rest of an older, longer one */
	else if (period < 1000)
		pv_skip(t, PV_ABSENT, "the workload makes %s count too little to sample",
			pv_event(t)->name);
	ev = open_period(t, NEVER >> 34);
	pv_ring_map(t, ev, 8);
	pv_enable(t, ev);
	before = value_of(t, ev);
	pv_expect_errno(t, "set period", pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (long)&period), 0);
	at = value_of(t, ev);
	pv_work(t, units);
	pv_disable(t, ev);
	due = (value_of(t, ev) - before) / period;
	pv_expect_in(t, "periods counted", due, 5, UINT64_MAX);
	/* The ioctl lies between the two reads; an overflow at the very end may be left behind. */
	samples = pv_ring_samples(t, ev);
	pv_expect(t, "samples for all periods after the ioctl",
		  samples + 1 >= (value_of(t, ev) - at) / period);
	pv_expect(t, "no sample without a period", samples <= due);
	pv_note(t, "samples", samples);
}

PV_CASE(overflow, period_refused, .each = "event[samples exact]",
	.about = "a period of 0 or 2^63, or for a counting event, is refused and changes nothing")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *counting = pv_open(t, &attr, 0, -1, NULL, 0), *ev = open_period(t, 3);
	uint64_t none = 0, sign = 1ull << 63, one = 1, count;

	pv_ring_map(t, ev, 1);
	pv_expect_errno(t, "period 0", pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (long)&none), -EINVAL);
	pv_expect_errno(t, "period 2^63", pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (long)&sign),
			-EINVAL);
	pv_expect_errno(t, "a counting event",
			pv_ioctl(counting, PERF_EVENT_IOC_PERIOD, (long)&one), -EINVAL);
	count = run(t, ev, 10);
	pv_expect_in(t, "count", count, 10, UINT64_MAX);
	pv_expect_eq(t, "samples by the old period", pv_ring_samples(t, ev), count / 3);
}

PV_CASE(overflow, never, .each = "event[samples live]",
	.about = "a period that is never reached never fires")
{
	struct pv_ev *ev = open_period(t, NEVER);
	uint64_t count;

	pv_ring_map(t, ev, 1);
	count = run(t, ev, pv_work_some(pv_event(t)));
	pv_expect_in(t, "count", count, 1, NEVER - 1);
	pv_expect_eq(t, "samples", pv_ring_samples(t, ev), 0);
	pv_expect_eq(t, "bytes in the ring", pv_ring_head(ev), 0);
}
