/* SPDX-License-Identifier: GPL-2.0-only */
/* What a child counts up to its very last instruction, while it never leaves its CPU. */
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define TURNS      1000000
#define CHILD_USEC 5000

static void work(struct pv_test *t, void *arg)
{
	pv_work(t, *(uint64_t *)arg);
}

static void work_and_exec(struct pv_test *t, void *arg)
{
	work(t, arg);
	pv_exec(t, NULL, (const char *const[]){"exit", "0", NULL});
}

static struct pv_ev *open_inherited(struct pv_test *t, bool user_only, bool until_exec)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.inherit = 1;
	attr.remove_on_exec = until_exec;
	attr.exclude_kernel = user_only;
	return pv_open(t, &attr, 0, -1, NULL, 0);
}

/*
 * A counter is read when its task is switched out; the end of a task must read it, too. The
 * upper bound leaves a tenth for fork, wait and exit in the C library.
 */
PV_CASE(inherit, end, .pmu = "hw pmuv3", .each = "event[overhead] word[exit,exec]",
	.proof = "kernel",
	.about =
		"what a child's counter has counted since the child was last switched in is the parent's after its end, or after the exec that takes the event off")
{
	bool exec = !strcmp(pv_word(t), "exec");
	uint64_t n = TURNS, due = n * pv_event(t)->per;
	struct pv_ev *ev = open_inherited(t, true, exec);

	pv_enable(t, ev);
	for (int i = 0; i < 3; i++)
		pv_wait(t, pv_fork(t, exec ? work_and_exec : work, &n));
	pv_disable(t, ev);
	pv_expect_in(t, "count of three children", pv_read(t, ev).value, 3 * due,
		     3 * due + 3 * due / 10);
}

PV_CASE(inherit, end_clock, .pmu = "sw", .each = "event[time live]", .proof = "kernel",
	.about = "the CPU time of a child up to its end is in the parent's clock")
{
	uint64_t n = CHILD_USEC, start = pv_sys_walltime();
	struct pv_ev *ev = open_inherited(t, false, false);
	struct pv_count c;

	pv_enable(t, ev);
	for (int i = 0; i < 3; i++)
		pv_wait(t, pv_fork(t, work, &n));
	pv_disable(t, ev);
	c = pv_read(t, ev);
	/* parent and children share a CPU: together they have no more than went by */
	pv_expect_in(t, "time of three children", c.value, 3 * 1000ull * CHILD_USEC,
		     pv_sys_walltime() - start);
	pv_expect_in(t, "time enabled", c.enabled, 3 * 1000ull * CHILD_USEC,
		     pv_sys_walltime() - start);
}
