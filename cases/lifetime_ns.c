/* SPDX-License-Identifier: GPL-2.0-only */
/* Tasks named by their number in a PID namespace, and the idle task, which has none. */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases/pv.h"

static void calls(struct pv_test *t, void *arg)
{
	(void)t;
	pv_calls(*(uint64_t *)arg);
}

/* The first process of its namespace: its child is number 2 there, somebody else outside. */
static void first(struct pv_test *t, void *arg)
{
	struct perf_event_attr attr = *(struct perf_event_attr *)arg;
	uint64_t n = 7;
	pid_t pid = pv_fork_held(t, calls, &n);
	struct pv_ev *ev;

	pv_expect_eq(t, "number of the child", pid, 2);
	attr.disabled = 0;
	ev = pv_open(t, &attr, pid, -1, NULL, 0);
	pv_go(t, pid);
	pv_wait(t, pid);
	pv_expect_eq(t, "count of that child", pv_read(t, ev).value, n);
}

PV_CASE(lifetime, pid_namespace, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about = "the pid given to perf_event_open is that of the caller's PID namespace")
{
	struct perf_event_attr attr = pv_calls_attr(t);

	if (unshare(CLONE_NEWPID))
		pv_skip(t, PV_ABSENT, "unshare(CLONE_NEWPID): no PID namespaces here");
	pv_wait(t, pv_fork(t, first, &attr));
}

PV_CASE(idle, clock, .pmu = "sw", .needs = "root", .proof = "kernel",
	.about = "a CPU's clock samples the idle task, unless exclude_idle takes that away")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "cpu-clock"));
	struct timespec ts = {0, 30000000};
	uint64_t idle[2] = {0}, samples[2] = {0};
	static struct pv_record rec;
	struct pv_ev *ev[2];

	attr.sample_period = 1000000; /* ns */
	attr.sample_type = PERF_SAMPLE_TID;
	for (int i = 0; i < 2; i++) {
		attr.exclude_idle = i;
		ev[i] = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
		pv_ring_map(t, ev[i], 8);
		pv_enable(t, ev[i]);
	}
	/* A busy machine may have no idle moment in the first of them. */
	for (int i = 0; i < 20 && !idle[0]; i++) {
		nanosleep(&ts, NULL);
		for (int k = 0; k < 2; k++) {
			while (pv_ring_next(t, ev[k], &rec)) {
				samples[k] += rec.header.type == PERF_RECORD_SAMPLE;
				idle[k] += rec.header.type == PERF_RECORD_SAMPLE &&
					   !(uint32_t)PV_WORD(&rec, 0);
			}
		}
	}
	if (!idle[0])
		pv_skip(t, PV_ABSENT, "this CPU is never idle");
	pv_expect_eq(t, "samples of the idle task with exclude_idle", idle[1], 0);
	pv_expect_in(t, "samples in all", samples[0], idle[0], UINT64_MAX);
}
