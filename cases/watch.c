/* SPDX-License-Identifier: GPL-2.0-only */
/* What a hardware breakpoint sees: every length at every offset, every place, from every side. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

#define WINDOW 24 /* bytes that are touched, the watched word in the middle */

static char *middle(void)
{
	return (char *)pv_watch_place() + 16;
}

/* What the ISA can watch: len bytes at `offset` of an aligned double word. */
static bool watchable(unsigned int offset, unsigned int len)
{
	if (PV_ISA_WATCH_BYTES)
		return len >= 1 && offset + len <= 8;
	return (len == 1 || len == 2 || len == 4 || len == 8) && !(offset % len);
}

struct tally {
	uint64_t missed, twice, strays, hits;
};

static void touch_all(struct pv_test *t, struct pv_ev *ev, char *watched, unsigned int len,
		      bool load, struct tally *tally)
{
	uint64_t last = 0;

	for (unsigned int size = 1; size <= 8; size *= 2) {
		for (char *a = middle() - 8; a + size <= middle() - 8 + WINDOW; a++) {
			bool over = a < watched + len && a + size > watched;
			uint64_t n;

			/* unaligned ones only where they lie across an edge of the watched bytes */
			if ((uintptr_t)a % size && !(over && size > len))
				continue;
			(load ? pv_load : pv_store)(a, size, 1);
			n = pv_grown(t, ev, &last);
			tally->hits += over;
			tally->missed += over && !n;
			tally->twice += over && n > 1;
			tally->strays += !over && n;
		}
	}
}

PV_CASE(watch, span, .pmu = "breakpoint", .arch = "x86_64 arm64", .each = "word[w,rw,rw-load]",
	.needs = "watchpoints", .proof = "kernel",
	.about =
		"each length at each offset: an access of any size counts once when it touches a watched byte, else not")
{
	bool load = !strcmp(pv_word(t), "rw-load");
	uint32_t type = pv_word(t)[0] == 'w' ? HW_BREAKPOINT_W : HW_BREAKPOINT_RW;
	struct tally tally = {0};

	for (unsigned int len = 1; len <= 8; len++) {
		for (unsigned int offset = 0; offset < 8; offset++) {
			char *watched = middle() + offset;
			struct perf_event_attr attr = pv_bp_attr(type, watched, len);
			struct pv_ev *ev;

			if (!watchable(offset, len))
				continue;
			ev = pv_open(t, &attr, 0, -1, NULL, 0);
			pv_enable(t, ev);
			touch_all(t, ev, watched, len, load, &tally);
			pv_close(t, ev);
		}
	}
	pv_expect_in(t, "accesses to watched bytes", tally.hits, 100, 10000);
	pv_expect_eq(t, "not counted", tally.missed, 0);
	pv_expect_eq(t, "counted more than once", tally.twice, 0);
	pv_expect_eq(t, "counted beside the watched bytes", tally.strays, 0);
}

/* Arm's byte select has 8 bits: what goes beyond a double word has a case of its own. */
static bool across(unsigned int offset, unsigned int len)
{
	return PV_ISA_WATCH_BYTES && len >= 1 && len <= 8 && offset + len > 8;
}

PV_CASE(watch, refused_spans, .pmu = "breakpoint", .arch = "x86_64 arm64", .needs = "watchpoints",
	.proof = "kernel",
	.about = "a length at an offset opens where the ISA can watch it, and nowhere else")
{
	uint64_t wrongly_given = 0, wrongly_refused = 0, wrong_errno = 0;

	for (unsigned int len = 0; len <= 15; len++) {
		for (unsigned int offset = 0; offset < 8; offset++) {
			struct perf_event_attr attr =
				pv_bp_attr(HW_BREAKPOINT_W, middle() + offset, len);
			long err;

			if (across(offset, len))
				continue;
			err = pv_outcome(t, &attr, 0, -1, -1, 0);

			wrongly_given += !watchable(offset, len) && !err;
			wrongly_refused += watchable(offset, len) && err;
			wrong_errno += err && err != -EINVAL;
		}
	}
	pv_expect_eq(t, "given though it cannot be watched", wrongly_given, 0);
	pv_expect_eq(t, "refused though it can be watched", wrongly_refused, 0);
	pv_expect_eq(t, "refused by another errno than EINVAL", wrong_errno, 0);
}

PV_CASE(watch, refused_across, .pmu = "breakpoint", .arch = "arm64", .needs = "watchpoints",
	.proof = "kernel",
	.about =
		"bytes that go beyond their double word are refused with EINVAL, not watched in part")
{
	uint64_t given = 0, asked = 0;

	for (unsigned int len = 1; len <= 8; len++) {
		for (unsigned int offset = 0; offset < 8; offset++) {
			struct perf_event_attr attr =
				pv_bp_attr(HW_BREAKPOINT_W, middle() + offset, len);

			if (!across(offset, len))
				continue;
			asked++;
			given += pv_outcome(t, &attr, 0, -1, -1, 0) != -EINVAL;
		}
	}
	pv_expect_eq(t, "asked", asked, 28);
	pv_expect_eq(t, "given across a double word", given, 0);
}

#define MAX_PLACES 16

PV_CASE(watch, places, .pmu = "breakpoint", .each = "word[exec,data]", .needs = "watchpoints",
	.proof = "kernel",
	.about =
		"all slots in use at once: each counts its own place, and samples give the place and the address")
{
	bool exec = !strcmp(pv_word(t), "exec");
	unsigned int n = pv_bp_slots(t, exec ? HW_BREAKPOINT_X : HW_BREAKPOINT_W, 0, -1);
	uint64_t times[MAX_PLACES], wrong_ip = 0, wrong_addr = 0, wrong_tid = 0;
	struct pv_ev *ev[MAX_PLACES];
	static struct pv_record rec;

	pv_expect_in(t, "slots", n, 1, MAX_PLACES);
	for (unsigned int i = 0; i < n && i < MAX_PLACES; i++) {
		void *at = exec ? (void *)(uintptr_t)pv_function_at(t, i)
				: (char *)pv_watch_place() + (i & 7) * 8;
		struct perf_event_attr attr =
			pv_bp_attr(exec ? HW_BREAKPOINT_X : HW_BREAKPOINT_W, at, 4);

		attr.sample_period = 1;
		attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_ADDR;
		ev[i] = pv_open(t, &attr, 0, -1, NULL, 0);
		pv_ring_map(t, ev[i], 4);
		pv_enable(t, ev[i]);
		times[i] = pv_random(t, 1, 100);
	}
	/* Turn by turn, so that each is stepped over between the others. */
	for (uint64_t round = 0; round < 100; round++) {
		for (unsigned int i = 0; i < n; i++) {
			if (round >= times[i])
				continue;
			if (exec)
				pv_call(pv_function_at(t, i), 1);
			else
				pv_store((char *)pv_watch_place() + (i & 7) * 8, 4, 1);
		}
	}
	for (unsigned int i = 0; i < n; i++) {
		uint64_t samples = 0, ip0 = 0;

		pv_disable(t, ev[i]);
		pv_expect_eq(t, "count", pv_value(t, ev[i]), times[i]);
		while (pv_ring_next(t, ev[i], &rec)) {
			struct {
				uint64_t ip;
				uint32_t pid, tid;
				uint64_t addr;
			} s;
			uint64_t at = exec ? (uintptr_t)pv_function_at(t, i)
					   : (uintptr_t)pv_watch_place() + (i & 7) * 8;

			memcpy(&s, rec.body, sizeof(s));
			samples += rec.header.type == PERF_RECORD_SAMPLE;
			if (!ip0)
				ip0 = s.ip;
			wrong_ip += exec ? s.ip != at : s.ip != ip0 || !s.ip;
			wrong_addr += s.addr != at;
			wrong_tid += s.tid != (uint32_t)gettid();
		}
		pv_expect_eq(t, "samples", samples, times[i]);
	}
	pv_expect_eq(t, "samples with another instruction", wrong_ip, 0);
	pv_expect_eq(t, "samples with another address", wrong_addr, 0);
	pv_expect_eq(t, "samples of another thread", wrong_tid, 0);
}

PV_CASE(watch, stepped, .pmu = "breakpoint", .needs = "watchpoints", .proof = "kernel",
	.about =
		"a thousand hits of execution and data breakpoints in turn: each is stepped over, none counts twice or is lost")
{
	struct perf_event_attr exec =
		pv_bp_attr(HW_BREAKPOINT_X, (void *)(uintptr_t)pv_function_at(t, 3), 0);
	struct perf_event_attr data = pv_bp_attr(HW_BREAKPOINT_W, pv_watch_place(), 4);
	/* the store instruction itself: watched memory behind a breakpoint */
	struct pv_ev *x = pv_open(t, &exec, 0, -1, NULL, 0);
	struct pv_ev *w = pv_open(t, &data, 0, -1, NULL, 0);

	pv_enable(t, x);
	pv_enable(t, w);
	for (int i = 0; i < 100; i++) {
		pv_call(pv_function_at(t, 3), 5);
		pv_store(pv_watch_place(), 4, 5);
		if (i % 10 == 0)
			getppid();
	}
	pv_expect_eq(t, "calls", pv_value(t, x), 500);
	pv_expect_eq(t, "stores", pv_value(t, w), 500);
}

struct other {
	pthread_barrier_t barrier;
	bool work;
};

static void *other_thread(void *arg)
{
	struct other *o = arg;

	pthread_barrier_wait(&o->barrier);
	for (int i = 0; i < 7; i++) {
		*(volatile uint32_t *)pv_watch_place() = i;
		pv_call(pv_probe_target, 1);
	}
	pthread_barrier_wait(&o->barrier);
	return NULL;
}

PV_CASE(watch, thread, .pmu = "breakpoint", .each = "word[exec,data]", .needs = "watchpoints",
	.proof = "kernel", .about = "a thread's breakpoint does not see the other threads")
{
	bool exec = !strcmp(pv_word(t), "exec");
	struct perf_event_attr attr =
		pv_bp_attr(exec ? HW_BREAKPOINT_X : HW_BREAKPOINT_W,
			   exec ? (void *)(uintptr_t)pv_probe_target : pv_watch_place(), 4);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	struct other o;
	pthread_t thread;

	pthread_barrier_init(&o.barrier, NULL, 2);
	pv_enable(t, ev);
	if (pthread_create(&thread, NULL, other_thread, &o))
		pv_error(t, PV_BROKEN_SETUP, "no thread");
	pthread_barrier_wait(&o.barrier);
	pthread_barrier_wait(&o.barrier);
	pthread_join(thread, NULL);
	pv_expect_eq(t, "hits of the other thread", pv_value(t, ev), 0);
	if (exec)
		pv_call(pv_probe_target, 3);
	else
		pv_store(pv_watch_place(), 4, 3);
	pv_expect_eq(t, "own hits", pv_value(t, ev), 3);
}
