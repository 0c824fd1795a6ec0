/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Events and CPUs: what happens on a CPU is in its CPU-wide counts, whoever did it, and in no
 * other's; an event of a task on a CPU counts while the task is there; a task's event goes with it.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

/* Others may do the same on that CPU: it only adds, and one of some windows is undisturbed. */
#define WINDOWS 8

static struct pv_ev *open_on(struct pv_test *t, const struct pv_event_desc *e, pid_t pid, int cpu)
{
	struct perf_event_attr attr = pv_attr(t, e);

	return pv_open(t, &attr, pid, cpu, NULL, 0);
}

struct job {
	int cpu;
	uint64_t units;
};

static void work_there(struct pv_test *t, void *arg)
{
	struct job *job = arg;

	pv_move(t, job->cpu);
	pv_work(t, job->units);
}

PV_CASE(cpu, wide, .pmu = "tracepoint kprobe", .each = "event[exact]", .needs = "root cpus2",
	.proof = "kernel",
	.about =
		"a CPU-wide event counts what any task does on its CPU, exactly, and nothing of what is done on another")
{
	struct job far = {pv_other_cpu(t), 5}, near = {pv_cpu(t), 3};
	struct pv_ev *here = open_on(t, pv_event(t), -1, near.cpu);
	struct pv_ev *there = open_on(t, pv_event(t), -1, far.cpu);
	uint64_t per = pv_event(t)->per, least[2] = {UINT64_MAX, UINT64_MAX};
	struct pv_count a = {0}, b = {0};

	for (int i = 0; i < WINDOWS && (least[0] > 10 * per || least[1] > 5 * per); i++) {
		pv_reset(t, here);
		pv_reset(t, there);
		pv_enable(t, here);
		pv_enable(t, there);
		pv_work(t, 7);
		pv_wait(t, pv_fork(t, work_there, &far));
		pv_wait(t, pv_fork(t, work_there, &near));
		pv_disable(t, here);
		pv_disable(t, there);
		a = pv_read(t, here);
		b = pv_read(t, there);
		least[0] = a.value < least[0] ? a.value : least[0];
		least[1] = b.value < least[1] ? b.value : least[1];
	}
	pv_expect_eq(t, "count on this CPU", least[0], 10 * per);
	pv_expect_eq(t, "count on the other CPU", least[1], 5 * per);
	pv_expect(t, "times on this CPU", a.running && a.running == a.enabled);
	pv_expect(t, "times on the other CPU", b.running && b.running == b.enabled);
}

/* Waits for pv_go(), then works on both CPUs in turn. */
static void work_in_turn(struct pv_test *t, void *arg)
{
	int other = *(int *)arg;

	for (int i = 0; i < 4; i++) {
		pv_move(t, i % 2 ? other : pv_cpu(t));
		pv_work(t, i % 2 ? 3 : 2);
	}
}

PV_CASE(cpu, task_there, .pmu = "sw tracepoint kprobe breakpoint", .each = "event[exact !data]",
	.needs = "root cpus2", .proof = "kernel",
	.about =
		"an event of a task on a CPU counts while the task is there and is enabled all the time: the CPUs' times add up")
{
	int other = pv_other_cpu(t);
	pid_t child = pv_fork_held(t, work_in_turn, &other);
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *here, *there, *all;
	struct pv_count h, o, a;
	bool faults = pv_event(t)->work == PV_WORK_TOUCH;
	uint64_t per = pv_event(t)->per;

	pv_wait_asleep(t, child);
	/* The child stands still: what is opened now is enabled from the same moment on. */
	attr.disabled = 0;
	here = pv_open(t, &attr, child, pv_cpu(t), NULL, 0);
	there = pv_open(t, &attr, child, other, NULL, 0);
	all = pv_open(t, &attr, child, -1, NULL, 0);
	pv_go(t, child);
	pv_wait(t, child);
	h = pv_read(t, here);
	o = pv_read(t, there);
	a = pv_read(t, all);
	if (faults) { /* and those of a child that wakes up and ends */
		pv_expect_in(t, "count here", h.value, 4 * per, UINT64_MAX);
		pv_expect_in(t, "count there", o.value, 6 * per, UINT64_MAX);
	} else {
		pv_expect_eq(t, "count here", h.value, 4 * per);
		pv_expect_eq(t, "count there", o.value, 6 * per);
	}
	pv_expect_eq(t, "count of both", h.value + o.value, a.value);
	pv_expect(t, "enabled all the time", h.enabled == a.enabled && o.enabled == a.enabled);
	pv_expect(t, "running is enabled for the task's own", a.running == a.enabled && a.running);
	pv_expect(t, "running here and there", h.running && o.running);
	pv_expect(t, "the times running add up", h.running + o.running == a.running);
}

PV_CASE(cpu, migrate, .each = "event[exact] n[1,20]", .needs = "cpus2", .proof = "kernel",
	.about = "a task's event goes with it from CPU to CPU, and no occurrence is lost or twice")
{
	int other = pv_other_cpu(t);
	uint64_t units = 0, wrong = 0;
	struct pv_ev *ev;

	ev = pv_open_case(t);
	pv_measure(t, ev, 4);
	pv_reset(t, ev);
	pv_enable(t, ev);
	for (int i = 0; i < pv_n(t); i++) {
		pv_move(t, i % 2 ? pv_cpu(t) : other);
		pv_work(t, 3);
		units += 3;
		wrong += pv_read(t, ev).value != units * pv_event(t)->per;
	}
	pv_move(t, pv_cpu(t));
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, units * pv_event(t)->per);
	pv_expect_eq(t, "wrong counts on the way", wrong, 0);
}

PV_CASE(cpu, remote, .each = "event[live time] mode[cpu]", .needs = "root cpus2", .proof = "kernel",
	.about =
		"a read of a running event of another CPU gives what it has counted up to the read")
{
	struct pv_ev *ev = open_on(t, pv_event(t), -1, pv_other_cpu(t));
	const uint64_t tick = 10000000; /* local_clock(), see pv_expect_window() */
	struct pv_count one, two;
	uint64_t o1, i1, i2, o2, value, enabled;

	pv_enable(t, ev);
	o1 = pv_sys_walltime();
	one = pv_read(t, ev);
	i1 = pv_sys_walltime();
	pv_sleep_ms(25);
	i2 = pv_sys_walltime();
	two = pv_read(t, ev);
	o2 = pv_sys_walltime();
	value = two.value - one.value;
	enabled = two.enabled - one.enabled;
	if (!pv_expect(t, "grown like the wall clock",
		       value + tick >= i2 - i1 && value <= o2 - o1 + tick))
		pv_message(t, "%llu, in %llu..%llu ns", (unsigned long long)value,
			   (unsigned long long)(i2 - i1), (unsigned long long)(o2 - o1));
	pv_expect(t, "time enabled like the wall clock",
		  enabled + tick >= i2 - i1 && enabled <= o2 - o1 + tick);
	pv_expect(t, "time running is time enabled",
		  two.running - one.running == enabled && one.running == one.enabled);
}

PV_CASE(cpu, refused, .pmu = "perf", .needs = "root", .proof = "kernel", .each = "word[task,wide]",
	.about =
		"a CPU number that no CPU has is refused with EINVAL, one that is not there with ENODEV")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	pid_t pid = strcmp(pv_word(t), "task") ? -1 : 0;
	char text[64];
	int possible = 0;

	pv_expect_errno(t, "CPU -2", pv_outcome(t, &attr, pid, -2, -1, 0), -EINVAL);
	pv_expect_errno(t, "CPU INT_MIN", pv_outcome(t, &attr, pid, INT_MIN, -1, 0), -EINVAL);
	pv_expect_errno(t, "CPU INT_MAX", pv_outcome(t, &attr, pid, INT_MAX, -1, 0), -EINVAL);
	if (pid)
		pv_expect_errno(t, "no task and no CPU", pv_outcome(t, &attr, -1, -1, -1, 0),
				-EINVAL);
	/* "0-3": nr_cpu_ids is one more than the last. */
	if (pv_file_read("/sys/devices/system/cpu/possible", text, sizeof(text)) > 0)
		possible = atoi(strrchr(text, '-') ? strrchr(text, '-') + 1 : text);
	pv_expect_errno(t, "the CPU behind the last",
			pv_outcome(t, &attr, pid, possible + 1, -1, 0), -EINVAL);
	pv_expect_errno(t, "this CPU", pv_outcome(t, &attr, pid, pv_cpu(t), -1, 0), 0);
}

static void set_online(struct pv_test *t, int cpu, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	pv_knob(t, path, value);
}

/* Works on the CPU until it is told to end. */
static void work_twice(struct pv_test *t, void *arg)
{
	struct job *job = arg;
	char byte;

	pv_move(t, job->cpu);
	pv_work(t, job->units);
	if (write(job[1].cpu, "", 1) != 1 || read(job[2].cpu, &byte, 1) != 1)
		_exit(1);
	pv_work(t, job->units);
}

PV_CASE(cpu, hotplug, .pmu = "tracepoint", .each = "event[exact syscall]",
	.needs = "root cpus2 guest", .proof = "kernel",
	.about =
		"a CPU that goes keeps its events' counts and stops their times, a task's event goes on; when it is back new events count")
{
	int cpu = pv_other_cpu(t), ready[2], go[2];
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *wide, *sibling, *task, *on_cpu, *late;
	struct pv_count before, after, later;
	struct job job[3] = {{cpu, 6}, {0, 0}, {0, 0}};
	char byte;
	pid_t child;

	if (pipe(ready) || pipe(go))
		pv_error(t, PV_BROKEN_SETUP, "pipe: %s", strerrorname_np(errno));
	job[1].cpu = ready[1];
	job[2].cpu = go[0];
	child = pv_fork_held(t, work_twice, job);
	attr.disabled = 0;
	wide = pv_open(t, &attr, -1, cpu, NULL, 0);
	sibling = pv_open(t, &attr, -1, cpu, wide, 0);
	task = pv_open(t, &attr, child, -1, NULL, 0);
	pv_go(t, child);
	if (read(ready[0], &byte, 1) != 1)
		pv_error(t, PV_BROKEN_SETUP, "the child went away");
	pv_expect_eq(t, "count of the CPU", pv_read(t, wide).value, 6);

	set_online(t, cpu, "0");
	before = pv_read(t, wide);
	pv_expect_eq(t, "count of the CPU that is gone", before.value, 6);
	pv_expect_eq(t, "count of its sibling", pv_read(t, sibling).value, 6);
	pv_expect_errno(t, "open on it, CPU-wide", pv_try_open(t, &attr, -1, cpu, -1, 0), -ENODEV);
	on_cpu = pv_open(t, &attr, 0, cpu, NULL, 0);
	if (write(go[1], "", 1) != 1)
		pv_error(t, PV_BROKEN_SETUP, "the child went away");
	pv_wait(t, child);
	pv_expect_eq(t, "count of the task", pv_read(t, task).value, 12);
	pv_sleep_ms(3);
	after = pv_read(t, wide);
	pv_expect_eq(t, "count since the CPU went", after.value - before.value, 0);
	pv_expect(t, "time enabled stands", after.enabled == before.enabled);
	pv_expect(t, "time running stands", after.running == before.running && after.running);
	pv_work(t, 2);
	pv_expect_eq(t, "count of our event on it", pv_read(t, on_cpu).value, 0);
	pv_expect_eq(t, "time running of our event on it", pv_read(t, on_cpu).running, 0);

	set_online(t, cpu, "1");
	late = pv_open(t, &attr, -1, cpu, NULL, 0);
	pv_move(t, cpu);
	pv_work(t, 4);
	pv_move(t, pv_cpu(t));
	pv_expect_eq(t, "count of a new event", pv_read(t, late).value, 4);
	pv_expect_eq(t, "count of our event there", pv_read(t, on_cpu).value, 4);
	later = pv_read(t, wide);
	pv_expect_eq(t, "count of the old event", later.value, 6);
	pv_expect_errno(t, "disable of the old event", pv_ioctl(wide, PERF_EVENT_IOC_DISABLE, 0),
			0);
}
