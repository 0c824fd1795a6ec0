/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the kernel shares out its debug registers: a breakpoint takes one of its type on every CPU
 * where it may run, a task's on top of what the CPU has given away for all tasks, and no task
 * takes from another (kernel/events/hw_breakpoint.c).
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

#define CPUS  2
#define TASKS 2
#define TYPES 2 /* data, execution */
#define HELD  64

static unsigned int slots_of(struct pv_test *t, int type)
{
	return pv_bp_slots(t, type ? HW_BREAKPOINT_X : HW_BREAKPOINT_W, 0, -1);
}

PV_CASE(slots, number, .pmu = "breakpoint", .arch = "x86_64 i386 arm64", .needs = "watchpoints",
	.proof = "kernel",
	.about = "there are as many breakpoints of each type as the CPU has registers")
{
	static const char *const names[TYPES] = {"data slots", "execution slots"};
	unsigned int due[TYPES];

	pv_isa_debug_registers(&due[0], &due[1]);
	for (int type = 0; type < TYPES; type++) {
		if (due[type])
			pv_expect_eq(t, names[type], slots_of(t, type), due[type]);
		else
			pv_expect_in(t, names[type], slots_of(t, type), 2, 16);
	}
}

struct held {
	int fd, task, cpu, type; /* task -1: all; cpu -1: all */
};

struct model {
	struct held held[HELD];
	unsigned int nr, slots[TYPES];
	bool shared; /* x86: both types from the same registers */
	pid_t pid[TASKS];
	int cpus;
};

static unsigned int held_on(const struct model *m, int type, int task, int cpu)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < m->nr; i++) {
		const struct held *h = &m->held[i];

		n += (h->type == type || m->shared) && h->task == task &&
		     (h->cpu < 0 || h->cpu == cpu);
	}
	return n;
}

static bool fits(const struct model *m, int type, int task, int cpu)
{
	for (int c = 0; c < m->cpus; c++) {
		unsigned int taken = held_on(m, type, -1, c), most = 0;

		if (cpu >= 0 && cpu != c)
			continue;
		for (int k = 0; k < TASKS; k++) {
			unsigned int n = held_on(m, type, k, c);

			if ((task < 0 || task == k) && n > most)
				most = n;
		}
		if (taken + most + 1 > m->slots[type])
			return false;
	}
	return true;
}

static void wait_for_end(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
	pause();
}

struct verdicts {
	uint64_t asked, refused, wrongly_refused, wrongly_given, wrong_errno;
};

static void try_one(struct pv_test *t, struct model *m, struct verdicts *v, int type, int task,
		    int cpu)
{
	struct perf_event_attr attr =
		pv_bp_attr(type ? HW_BREAKPOINT_X : HW_BREAKPOINT_W,
			   type ? (void *)(uintptr_t)pv_function_at(t, 0) : pv_watch_place(), 4);
	bool due = fits(m, type, task, cpu);
	int fd = pv_try_open(t, &attr, task < 0 ? -1 : m->pid[task], cpu, -1, 0);

	pv_skip_denied(t, fd);
	v->asked++;
	v->refused += !due;
	v->wrongly_refused += due && fd < 0;
	v->wrongly_given += !due && fd >= 0;
	v->wrong_errno += fd < 0 && fd != -ENOSPC;
	if (fd >= 0)
		m->held[m->nr++] = (struct held){fd, task, cpu, type};
}

static void drop(struct model *m, unsigned int i)
{
	pv_sys_close(m->held[i].fd);
	m->held[i] = m->held[--m->nr];
}

/* One choice of what is opened: whose, on which CPU. */
static void choose(struct pv_test *t, const struct model *m, int *task, int *cpu)
{
	bool may_task = strcmp(pv_word(t), "cpu"), may_cpu = strcmp(pv_word(t), "task");

	*task = may_task ? (int)pv_random(t, 0, TASKS - 1) : -1;
	*cpu = -1;
	if (may_task && may_cpu && !pv_random(t, 0, 3))
		*task = -1;
	if (*task < 0 || (may_cpu && pv_random(t, 0, 1)))
		*cpu = (int)pv_random(t, 0, m->cpus - 1);
}

static void expect_verdicts(struct pv_test *t, const struct verdicts *v)
{
	pv_expect_in(t, "opens that had to be refused", v->refused, 1, v->asked - 1);
	pv_expect_eq(t, "refused though there was a slot", v->wrongly_refused, 0);
	pv_expect_eq(t, "given though there was no slot", v->wrongly_given, 0);
	pv_expect_eq(t, "refused by another errno than ENOSPC", v->wrong_errno, 0);
}

PV_CASE(slots, model, .pmu = "breakpoint", .arch = "x86_64 arm64",
	.each = "word[task,cpu,mixed,mixed2]", .needs = "watchpoints", .proof = "kernel",
	.about =
		"opens and closes in random order, for tasks, for CPUs and for both: ENOSPC comes when the registers are gone, never before")
{
	struct model m = {.pid = {0}, .cpus = sysconf(_SC_NPROCESSORS_ONLN)};
	struct verdicts v = {0};

	if (m.cpus > CPUS)
		m.cpus = CPUS;
	for (int type = 0; type < TYPES; type++)
		m.slots[type] = slots_of(t, type);
	m.shared = PV_ISA_SLOTS_SHARED;
	m.pid[1] = pv_fork(t, wait_for_end, NULL);
	for (int i = 0; i < 120; i++) {
		int task, cpu, type = !pv_random(t, 0, 3);

		choose(t, &m, &task, &cpu);
		if (m.nr && (m.nr == HELD || !pv_random(t, 0, 3)))
			drop(&m, pv_random(t, 0, m.nr - 1));
		else
			try_one(t, &m, &v, type, task, cpu);
		if (i % 40 == 39) {
			while (m.nr)
				drop(&m, pv_random(t, 0, m.nr - 1));
		}
	}
	expect_verdicts(t, &v);
	for (int type = 0; type < TYPES; type++) {
		pv_expect_eq(t, "own slots at the end", slots_of(t, type), m.slots[type]);
		pv_expect_eq(
			t, "slots of all tasks at the end",
			pv_bp_slots(t, type ? HW_BREAKPOINT_X : HW_BREAKPOINT_W, -1, pv_cpu(t)),
			m.slots[type]);
	}
	kill(m.pid[1], SIGKILL);
	waitpid(m.pid[1], NULL, 0);
}

PV_CASE(slots, churn, .pmu = "breakpoint", .needs = "watchpoints", .proof = "kernel",
	.about =
		"a thousand opens that succeed and as many that fail, early and late, cost no slot")
{
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_W, pv_watch_place(), 4);
	int fds[PV_BP_MAX], err;
	unsigned int n = pv_bp_fill(t, &attr, 0, -1, fds, &err), wrong = 0;

	pv_expect_in(t, "slots", n, 1, PV_BP_MAX - 1);
	if (!n)
		return;
	for (int i = 0; i < 1000; i++) {
		struct perf_event_attr bad = attr;

		wrong += pv_try_open(t, &attr, 0, -1, -1, 0) != -ENOSPC;
		pv_sys_close(fds[i % n]);
		bad.bp_type = HW_BREAKPOINT_R | HW_BREAKPOINT_X;
		if (i % 4)
			wrong += pv_try_open(t, &bad, 0, -1, -1, 0) != -EINVAL;
		fds[i % n] = pv_try_open(t, &attr, 0, -1, -1, 0);
		wrong += fds[i % n] < 0;
		if (wrong)
			break;
	}
	pv_expect_eq(t, "wrong answers", wrong, 0);
	pv_bp_empty(fds, n);
	pv_expect_eq(t, "slots at the end", pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), n);
	pv_expect_eq(t, "slots of all tasks at the end",
		     pv_bp_slots(t, HW_BREAKPOINT_W, -1, pv_cpu(t)), n);
}

struct family {
	unsigned int all, held;
	struct pv_ev *ev[PV_BP_MAX];
	int ready[2], go[2];
};

/* In a child: what it inherited takes its own slots. */
static void count_rest(struct pv_test *t, void *arg)
{
	struct family *f = arg;

	pv_expect_eq(t, "a child's slots beside what it inherited",
		     pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), f->all - f->held);
}

/* Leaves the parent's files alone first: an event lives as long as one of them. */
static void take_all_and_exit(struct pv_test *t, void *arg)
{
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_W, pv_watch_place(), 4);
	struct family *f = arg;
	int fds[PV_BP_MAX], err;
	char byte;

	for (unsigned int i = 0; i < f->held; i++)
		pv_sys_close(pv_fd(f->ev[i]));
	if (write(f->ready[1], "", 1) != 1 || read(f->go[0], &byte, 1) != 1)
		pv_error(t, PV_BROKEN_SETUP, "no word from the parent");
	attr.disabled = 0;
	pv_expect_eq(t, "slots of a child of its own", pv_bp_fill(t, &attr, 0, -1, fds, &err),
		     f->all);
}

PV_CASE(slots, children, .pmu = "breakpoint", .needs = "watchpoints", .proof = "kernel",
	.about =
		"a child's inherited breakpoints take slots of the child, and end with it or with the parent's")
{
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_W, pv_watch_place(), 4);
	struct family f = {.all = pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1)};
	pid_t child;
	char byte;

	pv_expect_in(t, "slots", f.all, 2, PV_BP_MAX - 1);
	if (pipe(f.ready) || pipe(f.go))
		pv_error(t, PV_BROKEN_SETUP, "no pipe");
	attr.inherit = 1;
	for (f.held = 0; f.held < f.all - 1; f.held++)
		f.ev[f.held] = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_wait(t, pv_fork(t, count_rest, &f));
	pv_expect_eq(t, "the parent's rest", pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), 1);
	/* A CPU's breakpoint needs a slot beside the task's on that CPU. */
	pv_expect_eq(t, "rest for all tasks", pv_bp_slots(t, HW_BREAKPOINT_W, -1, pv_cpu(t)), 1);
	child = pv_fork(t, take_all_and_exit, &f);
	if (read(f.ready[0], &byte, 1) != 1)
		pv_error(t, PV_BROKEN_SETUP, "no word from the child");
	pv_expect_eq(t, "the child's rest, asked from outside",
		     pv_bp_slots(t, HW_BREAKPOINT_W, child, -1), 1);
	for (unsigned int i = 0; i < f.held; i++)
		pv_close(t, f.ev[i]);
	pv_expect_eq(t, "the child's when the parent has closed",
		     pv_bp_slots(t, HW_BREAKPOINT_W, child, -1), f.all);
	pv_expect_eq(t, "the parent's when it has closed", pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1),
		     f.all);
	if (write(f.go[1], "", 1) != 1)
		pv_error(t, PV_BROKEN_SETUP, "no word to the child");
	pv_wait(t, child);
	pv_expect_eq(t, "slots of all tasks when the child is gone",
		     pv_bp_slots(t, HW_BREAKPOINT_W, -1, pv_cpu(t)), f.all);
}
