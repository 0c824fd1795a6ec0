/* SPDX-License-Identifier: GPL-2.0-only */
/* Events that sample too often are throttled and let go again. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define RATE_KNOB "/proc/sys/kernel/perf_event_max_sample_rate"
#define TIME_KNOB "/proc/sys/kernel/perf_cpu_time_max_percent"

static struct pv_record rec;

struct throttle {
	uint64_t time, id, stream_id;
	struct {
		uint32_t pid, tid;
		uint64_t time, id, stream_id;
		uint32_t cpu, reserved;
		uint64_t identifier;
	} trailer;
};

PV_CASE(freq, throttle, .pmu = "sw", .each = "event[samples time]", .needs = "root",
	.proof = "kernel", .fixes = "bc4394e5e79c (6.16-rc: a clock is stopped in its own timer)",
	.about =
		"an event that samples too often is throttled and let go, in pairs of records, and "
		"goes on in between")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t throttles = 0, unthrottles = 0, samples = 0, between = 0, most_between = 0;
	uint64_t wrong = 0, order = 0, backwards = 0, last = 0, behind = 0, id, count;
	bool throttled = false;
	struct pv_ev *ev;

	pv_knob(t, TIME_KNOB, "25");
	/* A few samples in a tick, for any length of tick. */
	pv_knob(t, RATE_KNOB, "2000");
	attr.sample_period = 20000; /* ns */
	attr.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |
			   PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU;
	attr.sample_id_all = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 16);
	id = pv_read(t, ev).id;
	pv_enable(t, ev);
	/* A busy machine steals time; four pairs take four ticks. */
	for (int i = 0; i < 2000 && unthrottles < 4; i++) {
		pv_work(t, 500);
		while (pv_ring_next(t, ev, &rec)) {
			struct throttle w;

			memcpy(&w, rec.body, sizeof(w));
			if (rec.header.type == PERF_RECORD_SAMPLE) {
				samples++;
				behind = throttled ? behind : behind + 1;
				between += throttled;
				continue;
			}
			if (rec.header.type == PERF_RECORD_THROTTLE) {
				order += throttled;
				throttled = true;
				throttles++;
				between = 0;
			} else if (rec.header.type == PERF_RECORD_UNTHROTTLE) {
				order += !throttled;
				throttled = false;
				unthrottles++;
				most_between = between > most_between ? between : most_between;
				behind = 0;
			} else {
				order++;
				continue;
			}
			wrong += rec.header.size != sizeof(rec.header) + sizeof(w) ||
				 rec.header.misc || w.id != id || w.stream_id != id ||
				 w.trailer.id != id || w.trailer.stream_id != id ||
				 w.trailer.identifier != id ||
				 w.trailer.tid != (uint32_t)gettid() ||
				 w.trailer.cpu != (uint32_t)pv_cpu(t);
			backwards += w.time < last || w.trailer.time < w.time;
			last = w.time;
		}
	}
	pv_disable(t, ev);
	count = pv_read(t, ev).value;
	pv_expect_in(t, "pairs", unthrottles, 4, UINT64_MAX);
	pv_expect_in(t, "THROTTLE records", throttles, unthrottles, unthrottles + 1);
	pv_expect_eq(t, "records out of order", order, 0);
	pv_expect_eq(t, "records with wrong words", wrong, 0);
	pv_expect_eq(t, "records earlier than the one before", backwards, 0);
	/* The sample that was one too many is still written. */
	pv_expect_in(t, "samples while throttled", most_between, 0, 1);
	pv_expect_in(t, "samples", samples, 4, UINT64_MAX);
	pv_expect_in(t, "count", count, 1, UINT64_MAX);
	pv_note(t, "samples behind the last pair", behind);
}

PV_CASE(freq, throttle_period, .pmu = "sw", .each = "event[samples time]", .needs = "root",
	.proof = "kernel",
	.about = "a throttled event that gets a longer period goes on at once and is not throttled "
		 "again")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t long_period = 5000000, throttles = 0, unthrottles = 0, samples = 0, late = 0;
	struct pv_ev *ev;

	pv_knob(t, TIME_KNOB, "25");
	pv_knob(t, RATE_KNOB, "2000");
	attr.sample_period = 20000;
	attr.sample_type = PERF_SAMPLE_IDENTIFIER;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 16);
	pv_enable(t, ev);
	for (int i = 0; i < 2000 && !throttles; i++) {
		pv_work(t, 100);
		while (pv_ring_next(t, ev, &rec)) {
			throttles += rec.header.type == PERF_RECORD_THROTTLE;
			unthrottles += rec.header.type == PERF_RECORD_UNTHROTTLE;
		}
	}
	pv_expect_errno(t, "a longer period",
			pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (unsigned long)&long_period), 0);
	while (pv_ring_next(t, ev, &rec)) {
		throttles += rec.header.type == PERF_RECORD_THROTTLE;
		unthrottles += rec.header.type == PERF_RECORD_UNTHROTTLE;
	}
	pv_expect_in(t, "throttled", throttles, 1, UINT64_MAX);
	pv_expect_eq(t, "let go with the ioctl", unthrottles, throttles);
	for (int i = 0; i < 2000 && samples < 3; i++) {
		pv_work(t, 1000);
		while (pv_ring_next(t, ev, &rec)) {
			samples += rec.header.type == PERF_RECORD_SAMPLE;
			late += rec.header.type != PERF_RECORD_SAMPLE;
		}
	}
	pv_disable(t, ev);
	pv_expect_in(t, "samples then", samples, 3, UINT64_MAX);
	pv_expect_eq(t, "throttled again", late, 0);
}

/*
 * With a limit of 1 Hz a tick may have one sample, whatever HZ is: the first one of each tick
 * throttles the event, and stands behind its THROTTLE record.
 */
PV_CASE(freq, throttle_each, .pmu = "sw", .each = "word[task,pinned,cpu]", .needs = "root",
	.proof = "kernel",
	.about =
		"with a limit of one sample in a tick each sample stands behind a THROTTLE record, "
		"and the next tick lets the event go")
{
	const struct pv_event_desc *clock = pv_find_event(t, "sw", "cpu-clock");
	struct perf_event_attr attr = pv_attr(t, clock);
	uint64_t throttles = 0, unthrottles = 0, samples = 0, order = 0, start, switches = 0;
	bool cpu = !strcmp(pv_word(t), "cpu");
	struct pv_ev *ev;

	pv_knob(t, TIME_KNOB, "25");
	pv_knob(t, RATE_KNOB, "1");
	attr.pinned = !strcmp(pv_word(t), "pinned");
	attr.sample_period = 100000; /* ns */
	attr.sample_type = PERF_SAMPLE_TID;
	ev = pv_open(t, &attr, cpu ? -1 : 0, cpu ? pv_cpu(t) : -1, NULL, 0);
	pv_ring_map(t, ev, 8);
	pv_enable(t, ev);
	start = pv_sys_switches();
	/* A switch of tasks lets a task's event go, too, a CPU's not: more pairs than that. */
	for (int i = 0; i < 2000 && unthrottles < 4 + switches; i++) {
		pv_work_event(t, clock, 500);
		switches = cpu ? 0 : pv_sys_switches() - start;
		while (pv_ring_next(t, ev, &rec)) {
			samples += rec.header.type == PERF_RECORD_SAMPLE;
			throttles += rec.header.type == PERF_RECORD_THROTTLE;
			unthrottles += rec.header.type == PERF_RECORD_UNTHROTTLE;
			/* THROTTLE, SAMPLE, UNTHROTTLE, THROTTLE, ... */
			order += samples > throttles || unthrottles > samples ||
				 throttles > unthrottles + 1;
		}
	}
	pv_disable(t, ev);
	pv_expect_in(t, "pairs", unthrottles, 4 + switches, UINT64_MAX);
	pv_expect_in(t, "samples", samples, unthrottles, throttles);
	pv_expect_eq(t, "records out of order", order, 0);
}
