/* SPDX-License-Identifier: GPL-2.0-only */
/* What a tracepoint's raw data hold, by its own description in tracefs. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/probes.h"
#include "cases/lib/trace.h"

#define COMMON 4

PV_CASE(trace_raw, format, .pmu = "tracepoint", .each = "word[sys_enter_dup3,sys_exit_dup3]",
	.arch = "x86_64 arm64", .needs = "root tracefs", .proof = "kernel",
	.about =
		"a system call's format file describes disjoint fields, the common ones first, its id and its own size")
{
	struct pv_trace tp = pv_trace_read(t, "syscalls", pv_word(t));
	static const char *const common[COMMON] = {"common_type", "common_flags",
						   "common_preempt_count", "common_pid"};
	static const unsigned int sizes[COMMON] = {2, 1, 1, 4}, offsets[COMMON] = {0, 2, 3, 4};
	unsigned int overlaps = 0, end = 0;

	for (int i = 0; i < COMMON; i++) {
		const struct pv_field *f = pv_trace_field(t, &tp, common[i]);

		pv_expect_eq(t, "a common field's offset", f->offset, offsets[i]);
		pv_expect_eq(t, "a common field's size", f->size, sizes[i]);
		pv_expect_eq(t, "a common field's sign", f->is_signed, i == 3);
	}
	for (unsigned int i = 0; i < tp.nr; i++) {
		overlaps += tp.field[i].offset < end;
		end = tp.field[i].offset + tp.field[i].size;
	}
	pv_expect_eq(t, "overlapping fields", overlaps, 0);
	pv_expect_eq(t, "id in the format file", tp.format_id, tp.id);
	pv_expect_eq(t, "number of the call", pv_trace_field(t, &tp, "__syscall_nr")->size, 4);
}

struct expect_call {
	unsigned long arg[6];
	int args;
	long ret;
};

static void judge_call(struct pv_test *t, const struct pv_trace *tp, const uint8_t *data,
		       const char *const *names, const struct expect_call *call)
{
	pv_expect_eq(t, "common_type", pv_field_value(t, tp, "common_type", data), tp->id);
	pv_expect_eq(t, "common_pid", pv_field_value(t, tp, "common_pid", data), gettid());
	pv_expect_eq(t, "__syscall_nr", pv_field_value(t, tp, "__syscall_nr", data), SYS_dup3);
	for (int i = 0; i < call->args; i++)
		pv_expect_eq(t, "argument", pv_field_value(t, tp, names[i], data), call->arg[i]);
	if (!call->args)
		pv_expect_eq(t, "ret", pv_field_value(t, tp, "ret", data), call->ret);
}

PV_CASE(trace_raw, syscall, .pmu = "tracepoint", .each = "word[sys_enter_dup3,sys_exit_dup3]",
	.arch = "x86_64 arm64", .needs = "root tracefs", .proof = "kernel",
	.about =
		"each sample's raw data have the arguments or the result of the very call, field by field")
{
	static const char *const names[] = {"oldfd", "newfd", "flags"};
	/* all fail but the last: -EBADF, -EINVAL */
	static const struct expect_call enter[] = {
		{{0xfffffff0, 0x12345678, 0x5a5a5a5a}, 3, 0},
		{{0, 0x700, 0x123}, 3, 0},
		{{1, 0x71, 0}, 3, 0},
	};
	struct expect_call exits[] = {{.ret = -EBADF}, {.ret = -EINVAL}, {.ret = 0x71}};
	bool enters = !strcmp(pv_word(t), "sys_enter_dup3");
	struct pv_trace tp = pv_trace_read(t, "syscalls", pv_word(t));
	struct pv_ev *ev = pv_trace_sampling(t, &tp, PERF_SAMPLE_RAW);
	static struct pv_record rec;
	int n = 0;

	exits[0].ret = -EINVAL; /* the flags are looked at first */
	pv_enable(t, ev);
	for (int i = 0; i < 3; i++)
		syscall(SYS_dup3, enter[i].arg[0], enter[i].arg[1], enter[i].arg[2]);
	pv_disable(t, ev);
	while (pv_ring_next(t, ev, &rec)) {
		uint32_t size;

		memcpy(&size, rec.body, sizeof(size));
		if (n < 3)
			judge_call(t, &tp, rec.body + sizeof(size), names,
				   enters ? &enter[n] : &exits[n]);
		/* the fields, and up to a multiple of 8 with the size's own 4 bytes */
		pv_expect_eq(t, "raw size", size, (tp.size + 4 + 7) / 8 * 8 - 4);
		n++;
	}
	pv_expect_eq(t, "samples", n, 3);
	close(0x71);
}

static void exit_at_once(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
	_exit(0);
}

PV_CASE(trace_raw, fork, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about = "sched_process_fork tells of each fork once, with parent and child")
{
	struct pv_trace tp = pv_trace_read(t, "sched", "sched_process_fork");
	struct pv_ev *ev = pv_trace_sampling(t, &tp, PERF_SAMPLE_RAW);
	pid_t pid[5];
	static struct pv_record rec;
	int n = 0;

	pv_enable(t, ev);
	for (int i = 0; i < 5; i++) {
		pid[i] = pv_fork(t, exit_at_once, NULL);
		pv_wait(t, pid[i]);
	}
	pv_disable(t, ev);
	pv_expect_eq(t, "forks", pv_value(t, ev), 5);
	for (; pv_ring_next(t, ev, &rec); n++) {
		if (n >= 5)
			continue;
		pv_expect_eq(t, "parent_pid", pv_field_value(t, &tp, "parent_pid", rec.body + 4),
			     getpid());
		pv_expect_eq(t, "child_pid", pv_field_value(t, &tp, "child_pid", rec.body + 4),
			     pid[n]);
	}
	pv_expect_eq(t, "samples", n, 5);
}

static void exec_and_exit(struct pv_test *t, void *arg)
{
	(void)arg;
	pv_exec(t, NULL, (const char *const[]){"exit", "0", NULL});
}

PV_CASE(trace_raw, exec, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about = "a child's exec is told once, with its pid, and no other process's")
{
	struct pv_trace tp = pv_trace_read(t, "sched", "sched_process_exec");
	pid_t child = pv_fork_held(t, exec_and_exit, NULL);
	struct perf_event_attr attr = pv_trace_attr(&tp);
	static struct pv_record rec;
	struct pv_ev *ev;
	int n = 0;

	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_RAW;
	ev = pv_open(t, &attr, child, -1, NULL, 0);
	pv_ring_map(t, ev, 4);
	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, exec_and_exit, NULL));
	pv_expect_eq(t, "of another process", pv_value(t, ev), 0);
	pv_go(t, child);
	pv_wait(t, child);
	pv_expect_eq(t, "count", pv_value(t, ev), 1);
	for (; pv_ring_next(t, ev, &rec); n++) {
		pv_expect_eq(t, "common_pid", pv_field_value(t, &tp, "common_pid", rec.body + 4),
			     child);
		pv_expect_eq(t, "pid", pv_field_value(t, &tp, "pid", rec.body + 4), child);
		pv_expect_eq(t, "old_pid", pv_field_value(t, &tp, "old_pid", rec.body + 4), child);
	}
	pv_expect_eq(t, "samples", n, 1);
}

/* For a CPU: a task's own events are gone before its end is told in Linux 6.12, behind it in 7.2
 * (do_exit()). */
PV_CASE(trace_raw, exit, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about = "the end of each child on a CPU is told once, with its pid")
{
	struct pv_trace tp = pv_trace_read(t, "sched", "sched_process_exit");
	struct perf_event_attr attr = pv_trace_attr(&tp);
	int seen[4] = {0};
	static struct pv_record rec;
	struct pv_ev *ev;
	pid_t pid[4];

	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_RAW;
	ev = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 8);
	pv_enable(t, ev);
	for (int i = 0; i < 4; i++) {
		pid[i] = pv_fork(t, exit_at_once, NULL);
		pv_wait(t, pid[i]);
	}
	pv_disable(t, ev);
	while (pv_ring_next(t, ev, &rec)) {
		for (int i = 0; i < 4; i++)
			seen[i] += pv_field_value(t, &tp, "pid", rec.body + 4) == (uint64_t)pid[i];
	}
	for (int i = 0; i < 4; i++)
		pv_expect_eq(t, "ends of a child", seen[i], 1);
}

PV_CASE(trace_raw, period, .pmu = "tracepoint", .each = "n[1,2,3,7,50]", .arch = "x86_64 arm64",
	.needs = "root tracefs", .proof = "kernel",
	.about =
		"with period n every n-th call gives a sample; with the period in the sample each call does, of period 1")
{
	struct pv_trace tp = pv_trace_read(t, "syscalls", "sys_enter_getsid");
	struct perf_event_attr attr = pv_trace_attr(&tp);
	uint64_t calls = 100, samples[2] = {0}, periods = 0;
	static struct pv_record rec;
	struct pv_ev *ev[2];

	attr.sample_period = pv_n(t);
	for (int i = 0; i < 2; i++) {
		/* perf_swevent_event(): a period that is told is the number of occurrences */
		attr.sample_type = i ? PERF_SAMPLE_PERIOD : PERF_SAMPLE_TID;
		ev[i] = pv_open(t, &attr, 0, -1, NULL, 0);
		pv_ring_map(t, ev[i], 4);
		pv_enable(t, ev[i]);
	}
	for (uint64_t i = 0; i < calls; i++)
		syscall(SYS_getsid, 0);
	for (int i = 0; i < 2; i++) {
		pv_disable(t, ev[i]);
		pv_expect_eq(t, "calls", pv_value(t, ev[i]), calls);
		for (; pv_ring_next(t, ev[i], &rec); samples[i]++) {
			uint64_t period;

			memcpy(&period, rec.body, sizeof(period));
			periods += i ? period : 0;
		}
	}
	pv_expect_eq(t, "samples", samples[0], calls / pv_n(t));
	pv_expect_eq(t, "samples with a period", samples[1], calls);
	pv_expect_eq(t, "sum of the periods", periods, calls);
}

static struct pv_ev *open_named(struct pv_test *t, const char *name)
{
	struct pv_trace tp = pv_trace_read(t, "syscalls", name);
	struct perf_event_attr attr = pv_trace_attr(&tp);

	return pv_open(t, &attr, 0, -1, NULL, 0);
}

PV_CASE(trace_raw, beside_tracefs, .pmu = "tracepoint", .arch = "x86_64 arm64",
	.needs = "root tracefs", .proof = "kernel",
	.about =
		"perf's use of a tracepoint changes nothing in tracefs: neither enable nor filter nor tracing_on")
{
	struct pv_trace tp = pv_trace_read(t, "syscalls", "sys_enter_getsid");
	static const char *const files[] = {"events/syscalls/sys_enter_getsid/enable",
					    "events/syscalls/sys_enter_getsid/filter", "tracing_on",
					    "current_tracer", "set_event"};
	char before[5][64], after[64];
	struct pv_ev *ev[3];

	for (int i = 0; i < 5; i++)
		pv_trace_file(files[i], before[i], sizeof(before[i]));
	/* several on one tracepoint, closed in another order: the rest goes on counting */
	for (int i = 0; i < 3; i++) {
		struct perf_event_attr attr = pv_trace_attr(&tp);

		ev[i] = pv_open(t, &attr, 0, -1, NULL, 0);
		pv_enable(t, ev[i]);
	}
	pv_expect_errno(t, "filter",
			pv_ioctl(ev[1], PERF_EVENT_IOC_SET_FILTER, (unsigned long)"pid == 1"), 0);
	for (int i = 0; i < 5; i++) {
		pv_trace_file(files[i], after, sizeof(after));
		pv_expect(t, "a file of tracefs while perf counts", !strcmp(before[i], after));
	}
	syscall(SYS_getsid, 0);
	pv_close(t, ev[0]);
	syscall(SYS_getsid, 0);
	pv_close(t, ev[1]);
	syscall(SYS_getsid, 0);
	pv_expect_eq(t, "count of the last that is open", pv_value(t, ev[2]), 3);
	/* the last one out of another system call's tracepoint */
	pv_close(t, open_named(t, "sys_enter_getuid"));
	syscall(SYS_getsid, 0);
	pv_expect_eq(t, "count when another tracepoint is closed", pv_value(t, ev[2]), 4);
	pv_close(t, ev[2]);
	for (int i = 0; i < 5; i++) {
		pv_trace_file(files[i], after, sizeof(after));
		pv_expect(t, "a file of tracefs afterwards", !strcmp(before[i], after));
	}
}
