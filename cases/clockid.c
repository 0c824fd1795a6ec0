/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The clock of TIME: the one asked for, within what clock_gettime(2) says around it; and the mmap
 * page's way from the hardware's counter to it.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

#ifndef CLOCK_TAI
#define CLOCK_TAI 11
#endif

static struct pv_record rec;

static const struct {
	const char *word;
	clockid_t id;
	bool nmi; /* readable in an NMI: every PMU may have it */
} clocks[] = {
	{"monotonic", CLOCK_MONOTONIC, true},
	{"monotonic-raw", CLOCK_MONOTONIC_RAW, true},
	{"realtime", CLOCK_REALTIME, false},
	{"boottime", CLOCK_BOOTTIME, false},
	{"tai", CLOCK_TAI, false},
};
#define NR_CLOCKS (sizeof(clocks) / sizeof(clocks[0]))

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static struct perf_event_attr sampling(struct pv_test *t, const struct pv_event_desc *e)
{
	struct perf_event_attr attr = pv_attr(t, e);

	attr.sample_period = e->relation == PV_REL_TIME ? 200000 : 1;
	attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME;
	return attr;
}

/* A guest's own TAI offset is 0, and TAI then nothing but the real time: move it apart. */
static void part_tai(clockid_t clock, int seconds)
{
	struct timex tx = {.modes = ADJ_TAI, .constant = seconds};

	/* init's child: a machine of our own, which nobody keeps time by */
	if (clock == CLOCK_TAI && getppid() == 1)
		adjtimex(&tx);
}

#define ROUNDS 8

PV_CASE(clockid, bracket, .pmu = "sw breakpoint tracepoint kprobe pmuv3",
	.each = "event[fields] word[monotonic,monotonic-raw,realtime,boottime,tai]",
	.proof = "kernel",
	.about =
		"with use_clockid each time lies between what that clock says before and after, and never turns back; PMUs that may interrupt anywhere refuse the clocks that an NMI cannot read")
{
	const struct pv_event_desc *e = pv_event(t);
	struct perf_event_attr attr = sampling(t, e);
	bool software = attr.type == PERF_TYPE_SOFTWARE;
	unsigned int outside = 0, back = 0, samples = 0;
	uint64_t last = 0, before, after;
	struct pv_sample s;
	struct pv_ev *ev;
	size_t c = 0;

	while (strcmp(clocks[c].word, pv_word(t)))
		c++;
	attr.use_clockid = 1;
	attr.clockid = clocks[c].id;
	if (e->work == PV_WORK_LOOP)
		attr.sample_period = 20000;
	if (!clocks[c].nmi && !software) {
		pv_expect_errno(t, "open", pv_outcome(t, &attr, 0, -1, -1, 0), -EINVAL);
		return;
	}
	part_tai(clocks[c].id, 37);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 4);
	for (int i = 0; i < ROUNDS; i++) {
		before = now(clocks[c].id);
		pv_enable(t, ev);
		for (int k = 0; k < 20000 && pv_ring_page(ev)->data_tail == pv_ring_head(ev); k++)
			pv_work(t, pv_work_some(e) / 20 + 1);
		pv_disable(t, ev);
		after = now(clocks[c].id);
		while (pv_sample_next(t, ev, &rec, &s)) {
			samples++;
			outside += s.time < before || s.time > after;
			back += s.time < last;
			last = s.time;
		}
	}
	part_tai(clocks[c].id, 0);
	pv_expect_in(t, "samples", samples, ROUNDS, UINT64_MAX);
	pv_expect_eq(t, "samples outside of the clock's time", outside, 0);
	pv_expect_eq(t, "samples earlier than the one before", back, 0);
}

PV_CASE(clockid, refused, .pmu = "perf", .proof = "kernel",
	.about =
		"a clock that perf has not got is refused; without use_clockid the number is not looked at")
{
	static const int32_t none[] = {
		CLOCK_PROCESS_CPUTIME_ID,
		CLOCK_THREAD_CPUTIME_ID,
		CLOCK_REALTIME_COARSE,
		CLOCK_MONOTONIC_COARSE,
		CLOCK_REALTIME_ALARM,
		CLOCK_BOOTTIME_ALARM,
		10,
		12,
		16,
		-1,
		INT32_MAX,
		INT32_MIN,
	};
	struct perf_event_attr attr = pv_dummy;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		attr.use_clockid = 1;
		attr.clockid = none[i];
		pv_expect_errno(t, "a clock that is none", pv_outcome(t, &attr, 0, -1, -1, 0),
				-EINVAL);
		attr.use_clockid = 0;
		pv_expect_errno(t, "unused", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	}
}

PV_CASE(clockid, group, .pmu = "perf", .proof = "kernel",
	.about = "a group has one clock, and so has a ring")
{
	struct perf_event_attr attr = pv_dummy, other = pv_dummy;
	struct pv_ev *leader, *ev;

	attr.use_clockid = other.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC;
	other.clockid = CLOCK_MONOTONIC_RAW;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, leader, 1);
	pv_expect_errno(t, "the same clock", pv_outcome(t, &attr, 0, -1, pv_fd(leader), 0), 0);
	pv_expect_errno(t, "another clock", pv_outcome(t, &other, 0, -1, pv_fd(leader), 0),
			-EINVAL);
	other.use_clockid = 0;
	pv_expect_errno(t, "the default clock", pv_outcome(t, &other, 0, -1, pv_fd(leader), 0),
			-EINVAL);
	other.use_clockid = 1;
	ev = pv_open(t, &other, 0, -1, NULL, 0);
	pv_expect_errno(t, "another clock into the ring",
			pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(leader)), -EINVAL);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "the same clock into the ring",
			pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(leader)), 0);
}

/* ---- the default clock ---- */

/* local_clock() may be up to a tick off the clock source (kernel/sched/clock.c): HZ=100 at the
 * slowest. */
#define TICK 10000000ull

PV_CASE(clockid, default_rate, .pmu = "perf", .proof = "kernel",
	.about = "the default clock goes as fast as CLOCK_MONOTONIC_RAW and never back")
{
	struct perf_event_attr attr = sampling(t, pv_find_event(t, "breakpoint", "x"));
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	uint64_t first = 0, last = 0, back = 0, samples = 0, raw[4] = {0};
	struct pv_sample s;

	pv_ring_map(t, ev, 4);
	pv_enable(t, ev);
	for (int i = 0; i < 20; i++) {
		raw[i ? 2 : 0] = now(CLOCK_MONOTONIC_RAW);
		pv_call(pv_probe_target, 1);
		raw[i ? 3 : 1] = now(CLOCK_MONOTONIC_RAW);
		usleep(1000);
		if (!pv_sample_next(t, ev, &rec, &s))
			pv_fail(t, "no sample");
		first = samples++ ? first : s.time;
		back += s.time < last;
		last = s.time;
	}
	pv_disable(t, ev);
	pv_expect_eq(t, "samples", samples, 20);
	pv_expect_eq(t, "samples earlier than the one before", back, 0);
	pv_expect_in(t, "time between first and last", last - first, raw[2] - raw[1] - TICK / 2,
		     raw[3] - raw[0] + TICK);
}

/* ---- the mmap page ---- */

struct conversion {
	uint64_t zero, offset, cycles, mask, enabled, running;
	uint64_t ticks; /* of the counter, while the page said so */
	uint32_t mult, lock;
	uint16_t shift;
	bool time, time_zero, time_short;
};

static struct conversion read_page(struct pv_ev *ev)
{
	volatile struct perf_event_mmap_page *pg = pv_ring_page(ev);
	struct conversion c;

	do {
		c.lock = pg->lock;
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		c.time = pg->cap_user_time;
		c.time_zero = pg->cap_user_time_zero;
		c.time_short = pg->cap_user_time_short;
		c.mult = pg->time_mult;
		c.shift = pg->time_shift;
		c.offset = pg->time_offset;
		c.zero = pg->time_zero;
		c.cycles = pg->time_cycles;
		c.mask = pg->time_mask;
		c.enabled = pg->time_enabled;
		c.running = pg->time_running;
		c.ticks = pv_isa_ticks();
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	} while (c.lock & 1 || c.lock != pg->lock);
	return c;
}

/* include/uapi/linux/perf_event.h, the comments of struct perf_event_mmap_page */
static uint64_t convert(const struct conversion *c, uint64_t cyc, uint64_t base)
{
	uint64_t quot, rem;

	if (c->time_short)
		cyc = c->cycles + ((cyc - c->cycles) & c->mask);
	quot = cyc >> c->shift;
	rem = cyc & ((1ull << c->shift) - 1);
	return base + quot * c->mult + ((rem * c->mult) >> c->shift);
}

PV_CASE(clockid, page, .pmu = "perf", .arch = "x86_64 arm64", .proof = "kernel",
	.about =
		"the mmap page turns the counter's ticks into the time of samples and into the time enabled")
{
	/* a PMU that brings the page up to date when it adds an event: perf_swevent_add() */
	const struct pv_event_desc *faults = pv_find_event(t, "sw", "page-faults");
	struct perf_event_attr attr = sampling(t, faults);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	unsigned int outside = 0, early = 0, late = 0, samples = 0;
	struct conversion c;
	struct pv_sample s;

	pv_ring_map(t, ev, 4);
	pv_enable(t, ev);
	c = read_page(ev);
	pv_note(t, "cap_user_time", c.time);
	if (!c.time || !c.time_zero)
		pv_skip(t, PV_ABSENT,
			"the kernel's clock is not a counter that user space reads "
			"(cap_user_time %d, cap_user_time_zero %d)",
			c.time, c.time_zero);
	pv_expect_in(t, "time_mult", c.mult, 1, UINT32_MAX);
	pv_expect_in(t, "time_shift", c.shift, 1, 31);
	for (int i = 0; i < 10; i++) {
		uint64_t ticks[2], lo, hi, enabled[2], computed;

		/* what was touched for the first time since */
		while (pv_sample_next(t, ev, &rec, &s))
			;
		ticks[0] = pv_isa_ticks();
		pv_work_event(t, faults, 1);
		ticks[1] = pv_isa_ticks();
		if (!pv_sample_next(t, ev, &rec, &s))
			pv_fail(t, "no sample");
		c = read_page(ev);
		/* the kernel's own product is rounded in one step, this one in two: 1 ns */
		lo = convert(&c, ticks[0], c.zero) - 1;
		hi = convert(&c, ticks[1], c.zero) + 1;
		outside += s.time < lo || s.time > hi;
		samples++;

		enabled[0] = pv_read(t, ev).enabled;
		c = read_page(ev);
		computed = c.enabled + convert(&c, c.ticks, c.offset);
		enabled[1] = pv_read(t, ev).enabled;
		early += computed + 1 < enabled[0];
		late += computed > enabled[1] + 1;
		if (computed > enabled[1] + 1 || computed + 1 < enabled[0])
			pv_message(t, "enabled by the page %llu, by read(2) %llu and %llu",
				   (unsigned long long)computed, (unsigned long long)enabled[0],
				   (unsigned long long)enabled[1]);
		usleep(500);
	}
	pv_expect_eq(t, "samples", samples, 10);
	pv_expect_eq(t, "times outside of the counter's", outside, 0);
	pv_expect_eq(t, "enabled times before what was read", early, 0);
	pv_expect_eq(t, "enabled times behind what is read", late, 0);
	pv_expect_eq(t, "cap_user_time_short", c.time_short && (c.mask || !PV_ISA_CLOCK_SHORT),
		     PV_ISA_CLOCK_SHORT);
	if (PV_ISA_CLOCK_SHORT)
		return;
	/* With another clock for records time_zero is nothing to them. arm64 says so anyway. */
	attr.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_enable(t, ev);
	c = read_page(ev);
	pv_expect(t, "cap_user_time with another clock", c.time);
	pv_expect(t, "no cap_user_time_zero with another clock", !c.time_zero);
}
