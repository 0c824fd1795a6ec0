/* SPDX-License-Identifier: GPL-2.0-only */
/* Sampling by frequency, the limit of frequencies, and events that are throttled and let go again.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define RATE_KNOB "/proc/sys/kernel/perf_event_max_sample_rate"
#define TIME_KNOB "/proc/sys/kernel/perf_cpu_time_max_percent"

static struct pv_record rec;

static uint64_t knob(struct pv_test *t, const char *path)
{
	char text[64];

	if (pv_file_read(path, text, sizeof(text)) < 0)
		pv_skip(t, PV_ABSENT, "%s cannot be read", path);
	return strtoull(text, NULL, 0);
}

PV_CASE(freq, clock, .pmu = "sw", .each = "event[samples time] n[1000,3000]", .proof = "kernel",
	.about =
		"a clock with a frequency has its period, 1 s / frequency, from the first sample on")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t period = 1000000000 / pv_n(t), samples = 0, wrong = 0, start, wall, last = 0;
	struct pv_count count;
	struct pv_ev *ev;

	attr.freq = 1;
	attr.sample_freq = pv_n(t);
	attr.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_PERIOD;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 8);
	start = pv_sys_walltime();
	pv_enable(t, ev);
	for (int i = 0; i < 2000 && samples < 6; i++) {
		pv_work(t, period / 4000 + 1);
		while (pv_ring_next(t, ev, &rec)) {
			struct {
				uint64_t time, period;
			} s;

			memcpy(&s, rec.body, sizeof(s));
			samples++;
			wrong += s.period != period || s.time < last;
			last = s.time;
		}
	}
	pv_disable(t, ev);
	wall = pv_sys_walltime() - start;
	count = pv_read(t, ev);
	pv_expect_in(t, "samples", samples, 6, UINT64_MAX);
	pv_expect_eq(t, "samples with another period", wrong, 0);
	/* Nothing comes before its time; the timer's clock may be slewed against the one used here.
	 */
	pv_expect(t, "no more samples than periods", samples <= wall / period + 1);
	/* It counts time, whatever it samples. */
	pv_expect_in(t, "count", count.value, (samples - 1) * period / 2, wall + 1000000);
}

PV_CASE(freq, limit, .pmu = "perf", .proof = "kernel",
	.about = "a frequency is at most perf_event_max_sample_rate, at open and by ioctl, and a "
		 "refusal changes nothing")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	uint64_t rate = knob(t, RATE_KNOB), value;
	struct pv_ev *ev, *periodic = pv_open(t, &attr, 0, -1, NULL, 0);

	attr.freq = 1;
	attr.sample_freq = rate;
	pv_expect_errno(t, "open with the limit", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr.sample_freq = rate + 1;
	pv_expect_errno(t, "open with more", pv_outcome(t, &attr, 0, -1, -1, 0), -EINVAL);
	attr.sample_freq = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "ioctl with the limit",
			pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (unsigned long)&rate), 0);
	value = rate + 1;
	pv_expect_errno(t, "ioctl with more",
			pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (unsigned long)&value), -EINVAL);
	value = 0;
	pv_expect_errno(t, "ioctl with 0",
			pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (unsigned long)&value), -EINVAL);
	value = 1;
	pv_expect_errno(t, "ioctl with 1",
			pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (unsigned long)&value), 0);
	/* A period is no frequency. */
	value = rate + 1;
	pv_expect_errno(t, "ioctl of a period",
			pv_ioctl(periodic, PERF_EVENT_IOC_PERIOD, (unsigned long)&value), 0);
}

PV_CASE(freq, knobs, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "the limit can be set below 100 % of the time and cannot where throttling is off")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);

	pv_knob(t, TIME_KNOB, "25");
	pv_knob(t, RATE_KNOB, "5000");
	pv_expect_eq(t, "the limit reads back", knob(t, RATE_KNOB), 5000);
	attr.freq = 1;
	attr.sample_freq = 5000;
	pv_expect_errno(t, "open with the new limit", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr.sample_freq = 5001;
	pv_expect_errno(t, "open with more", pv_outcome(t, &attr, 0, -1, -1, 0), -EINVAL);
	pv_expect_errno(t, "a limit of 0", pv_sys_file_write(RATE_KNOB, "0"), -EINVAL);
	pv_knob(t, TIME_KNOB, "100");
	pv_expect_errno(t, "limit while 100 %", pv_sys_file_write(RATE_KNOB, "6000"), -EINVAL);
	pv_knob(t, TIME_KNOB, "0");
	pv_expect_errno(t, "limit while 0 %", pv_sys_file_write(RATE_KNOB, "6000"), -EINVAL);
	pv_expect_eq(t, "the limit is unchanged", knob(t, RATE_KNOB), 5000);
	pv_expect_errno(t, "101 %", pv_sys_file_write(TIME_KNOB, "101"), -EINVAL);
	pv_expect_errno(t, "25 %", pv_sys_file_write(TIME_KNOB, "25"), 0);
	pv_expect_errno(t, "limit again", pv_sys_file_write(RATE_KNOB, "6000"), 0);
	pv_expect_eq(t, "the new limit", knob(t, RATE_KNOB), 6000);
}

struct run {
	uint64_t samples, sum, first, last, max, wall;
};

/* Faults for so many ms, the ring read on the way. */
static struct run fault_for(struct pv_test *t, struct pv_ev *ev, char *faults, size_t n,
			    uint64_t ms)
{
	size_t page = sysconf(_SC_PAGESIZE);
	uint64_t start = pv_sys_walltime();
	struct run r = {0};

	while (r.wall < ms * 1000000) {
		pv_enable(t, ev);
		for (int i = 0; i < 4; i++) {
			pv_fault(faults, 0, n);
			madvise(faults, n * page, MADV_DONTNEED);
		}
		pv_disable(t, ev);
		while (pv_ring_next(t, ev, &rec)) {
			uint64_t period;

			memcpy(&period, rec.body, sizeof(period));
			r.first = r.samples ? r.first : period;
			r.samples++;
			r.sum += period;
			r.last = period;
			r.max = period > r.max ? period : r.max;
		}
		r.wall = pv_sys_walltime() - start;
	}
	return r;
}

PV_CASE(freq, adapts, .pmu = "perf", .proof = "kernel",
	.about = "a software event with a frequency begins with a period of 1, which grows where "
		 "events come faster; a new frequency begins anew at once")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_PERIOD);
	char *faults = pv_faults(t, 64);
	uint64_t high = knob(t, RATE_KNOB), count;
	struct run slow;
	struct pv_ev *ev;
	bool sampled = false;
	long err = 0;

	attr.freq = 1;
	attr.sample_freq = 50;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 8);
	slow = fault_for(t, ev, faults, 64, 40);
	count = pv_read(t, ev).value;
	pv_note(t, "samples", slow.samples);
	pv_note(t, "last period", slow.last);
	pv_expect_in(t, "count", count, 256, UINT64_MAX);
	pv_expect_eq(t, "first period", slow.first, 1);
	/*
	 * How far it grows is no promise: the kernel takes the period to come for the one that has
	 * passed (perf_swevent_set_period()) and overshoots what the frequency would need by far.
	 */
	pv_expect_in(t, "largest period", slow.max, 10, UINT64_MAX);
	pv_expect_in(t, "samples at a low frequency", slow.samples, 3, count / 2);
	/*
	 * Whatever the period is, what is left of it is forgotten, unless the thread is scheduled
	 * in between: then it begins anew.
	 */
	pv_enable(t, ev);
	for (size_t i = 0; i < 20 && !err && !sampled; i++) {
		err = pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (unsigned long)&high);
		pv_fault(faults, i, 1);
		sampled = pv_ring_next(t, ev, &rec);
	}
	pv_disable(t, ev);
	pv_expect_errno(t, "a high frequency", err, 0);
	pv_expect(t, "a sample after it", sampled);
}

PV_CASE(freq, counter, .pmu = "hw", .each = "event[samples live !exact !time]", .proof = "kernel",
	.about =
		"a counter with a frequency gives samples whose periods are what they count, and is "
		"not stuck at 1")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t start = pv_sys_walltime(), wall, samples = 0, sum = 0, max = 0, count;
	struct pv_ev *ev;

	attr.freq = 1;
	attr.sample_freq = 1000;
	attr.sample_type = PERF_SAMPLE_PERIOD;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 64);
	pv_enable(t, ev);
	do {
		pv_work(t, 20000);
		wall = pv_sys_walltime() - start;
	} while (wall < 40000000);
	pv_disable(t, ev);
	count = pv_read(t, ev).value;
	while (pv_ring_next(t, ev, &rec)) {
		uint64_t period;

		if (rec.header.type != PERF_RECORD_SAMPLE)
			continue;
		memcpy(&period, rec.body, sizeof(period));
		samples++;
		sum += period;
		max = period > max ? period : max;
	}
	pv_note(t, "samples", samples);
	pv_note(t, "largest period", max);
	pv_expect_in(t, "count", count, 1, UINT64_MAX);
	pv_expect_in(t, "samples", samples, 4, UINT64_MAX);
	pv_expect_in(t, "largest period", max, 100, count);
	pv_expect_in(t, "sum of periods", sum, 1, 2 * count);
}
