/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints about another task than the running one, as sched_wakeup: they are told to the
 * running task's events and to those of the task in question
 * (kernel/events/core.c perf_tp_event()).
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "cases/lib/trace.h"

struct sleeper {
	int pipefd[2];
};

/* Sleeps until the pipe is closed, woken once for each byte. */
static void sleep_on_pipe(struct pv_test *t, void *arg)
{
	struct sleeper *s = arg;
	char byte;

	(void)t;
	close(s->pipefd[1]);
	while (read(s->pipefd[0], &byte, 1) == 1)
		;
}

PV_CASE(tracepoint, target, .pmu = "tracepoint", .each = "word[alone,sibling,pinned]",
	.needs = "root tracefs", .proof = "kernel",
	.about = "a wakeup is told to the events of the task that is woken, once, and no other "
		 "tracepoint's event is told of it")
{
	struct pv_trace wakeup = pv_trace_read(t, "sched", "sched_wakeup");
	struct pv_trace exec = pv_trace_read(t, "sched", "sched_process_exec");
	struct perf_event_attr attr = pv_trace_attr(&wakeup), other = pv_trace_attr(&exec), lead;
	struct pv_ev *ev, *unlike, *leader = NULL;
	uint64_t wakes = 20, samples = 0;
	static struct pv_record rec;
	struct sleeper s;
	pid_t pid;

	if (pipe(s.pipefd))
		pv_error(t, PV_BROKEN_SETUP, "pipe");
	pid = pv_fork(t, sleep_on_pipe, &s);
	close(s.pipefd[0]);
	lead = other;
	lead.disabled = 0;
	attr.disabled = other.disabled = 0;
	attr.pinned = !strcmp(pv_word(t), "pinned");
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID;
	if (!strcmp(pv_word(t), "sibling"))
		leader = pv_open(t, &lead, pid, pv_cpu(t), NULL, 0);
	pv_wait_asleep(t, pid);
	ev = pv_open(t, &attr, pid, pv_cpu(t), leader, 0);
	unlike = pv_open(t, &other, pid, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 4);
	for (uint64_t i = 0; i < wakes; i++) {
		if (write(s.pipefd[1], "", 1) != 1)
			pv_error(t, PV_BROKEN_SETUP, "write");
		pv_wait_asleep(t, pid);
	}
	while (pv_ring_next(t, ev, &rec))
		samples += rec.header.type == PERF_RECORD_SAMPLE;
	/* It may sleep a moment for a lock of the pipe, too. */
	pv_expect_in(t, "count", pv_read(t, ev).value, wakes, 2 * wakes);
	/* Of a task that sleeps, later kernels sample nothing (perf_swevent_event()). */
	pv_expect_in(t, "samples", samples, 0, 2 * wakes);
	pv_expect_eq(t, "count of another tracepoint", pv_read(t, unlike).value, 0);
	close(s.pipefd[1]);
	pv_wait(t, pid);
}
