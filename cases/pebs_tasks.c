/* SPDX-License-Identifier: GPL-2.0-only */
/* Whose a precise sample is: records that were gathered are found before another task runs. */
#define _GNU_SOURCE
#include <asm/perf_regs.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#include "arch/precise.h"
#include "cases/lib/pebs.h"

#define TASKS  3
#define ROUNDS 40
#define TURNS  300

static struct pv_record rec;

struct task {
	void *area;
	unsigned int number;
};

static uint64_t mark_of(unsigned int number)
{
	return PV_PEBS_MARK + number * 0x100;
}

static void rounds(struct pv_test *t, void *arg)
{
	const struct task *task = arg;

	(void)t;
	for (int i = 0; i < ROUNDS; i++) {
		pv_asm_precise(TURNS, task->area, mark_of(task->number));
		sched_yield();
	}
}

/* Samples in the loop by task, and those whose registers are another task's than their TID. */
struct found {
	uint64_t of[TASKS], strange;
};

static struct found sort(struct pv_test *t, struct pv_ev *ev, const pid_t *pids)
{
	struct found found = {0};
	struct pv_pebs_sample p;
	struct pv_sample s;

	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!pv_pebs_place(t, &s, TURNS, false, &p))
			continue;
		for (unsigned int i = 0; i < TASKS; i++) {
			if (pv_reg(t, &s.intr, PERF_REG_X86_R12) != mark_of(i))
				continue;
			found.of[i]++;
			found.strange += s.tid != (uint32_t)pids[i];
		}
	}
	return found;
}

static void judge(struct pv_test *t, const struct found *found)
{
	uint64_t due = (uint64_t)ROUNDS * TURNS / PV_PEBS_PERIOD;

	pv_expect_eq(t, "samples of another task than they say", found->strange, 0);
	for (unsigned int i = 0; i < TASKS; i++)
		pv_expect_in(t, "samples of a task", found->of[i], due * 9 / 10, due * 11 / 10);
}

PV_CASE(pebs, switched, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.each = "word[cpu,inherited]",
	.about =
		"tasks that take turns on a CPU: each record that was gathered says the task whose registers are in it, for a CPU's event and an inherited one")
{
	struct perf_event_attr attr = pv_pebs_attr(t, "loads", 2);
	bool inherited = !strcmp(pv_word(t), "inherited");
	void *area = pv_pebs_area();
	struct task tasks[TASKS];
	pid_t pids[TASKS];
	struct found found;
	struct pv_ev *ev;

	attr.inherit = inherited;
	ev = pv_pebs_open(t, &attr, inherited ? 0 : -1, pv_cpu(t), NULL);
	if (inherited)
		pv_enable(t, ev);
	for (unsigned int i = 0; i < TASKS; i++) {
		tasks[i] = (struct task){.area = area, .number = i};
		pids[i] = pv_fork_held(t, rounds, &tasks[i]);
	}
	if (!inherited)
		pv_enable(t, ev);
	for (unsigned int i = 0; i < TASKS; i++)
		pv_go(t, pids[i]);
	for (unsigned int i = 0; i < TASKS; i++)
		pv_wait(t, pids[i]);
	pv_disable(t, ev);
	found = sort(t, ev, pids);
	judge(t, &found);
}
