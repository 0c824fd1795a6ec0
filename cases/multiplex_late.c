/* SPDX-License-Identifier: GPL-2.0-only */
/* All counters are taken, and something happens: a pinned event comes, a read, a fork. */
#include <string.h>

#include "cases/lib/mux.h"
#include "cases/lib/sys.h"

static void work_ms(uint64_t ms)
{
	uint64_t end = pv_sys_cputime() + ms * PV_MS;

	while (pv_sys_cputime() < end)
		;
}

PV_CASE(multiplex, pinned_comes, .pmu = "pmuv3", .each = "word[task,task-enable,cpu,cpu-enable]",
	.needs = "root", .proof = "kernel",
	.about =
		"a task's pinned event that comes has a counter at once, though others have them all")
{
	bool wide = !strncmp(pv_word(t), "cpu", 3), enable = strstr(pv_word(t), "enable");
	int nr = pv_mux_counters(t), late = 0;
	struct pv_ev *ev[PV_MUX_EVENTS] = {NULL}, *pinned;
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "cpu_cycles"));
	uint64_t buf[8];
	struct pv_count c;

	for (int i = 0; i < nr; i++)
		ev[i] = pv_mux_open(t, wide ? -1 : 0, wide ? pv_cpu(t) : -1, NULL, false, false);
	work_ms(1);
	attr.pinned = 1;
	attr.disabled = enable;
	pinned = pv_open(t, &attr, 0, -1, NULL, 0);
	if (enable)
		pv_enable(t, pinned);
	work_ms(1);
	if (!pv_expect_in(t, "bytes read (0: in error)", pv_sys_read(pv_fd(pinned), buf, 64), 1,
			  64))
		return;
	c = pv_read(t, pinned);
	pv_expect(t, "it was always on", c.running && c.running == c.enabled);
	pv_expect_in(t, "count", c.value, 1, UINT64_MAX / 2);
	for (int i = 0; i < nr; i++) {
		struct pv_count o = pv_read(t, ev[i]);

		late += o.running < o.enabled;
	}
	pv_expect_in(t, "others that had to wait", late, 1, nr);
}

PV_CASE(multiplex, waiting, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about = "a read of an event that waits for a counter tells how long it has waited")
{
	int nr = pv_mux_counters(t);
	struct pv_ev *ev[PV_MUX_EVENTS], *last;
	struct pv_count before, after;
	uint64_t spun;

	/* No turns meanwhile: nothing but the read brings times up to date. */
	pv_mux_interval(t, "30");
	for (int i = 0; i < nr; i++)
		ev[i] = pv_mux_open(t, 0, -1, NULL, false, false);
	last = pv_mux_open(t, 0, -1, NULL, false, false);
	before = pv_read(t, last);
	spun = pv_sys_cputime();
	work_ms(5);
	spun = pv_sys_cputime() - spun;
	after = pv_read(t, last);
	/* Without icount the timer may fire all the same. */
	if (pv_deterministic(t))
		pv_expect_eq(t, "time running", after.running, before.running);
	pv_expect_in(t, "time waited", after.enabled - before.enabled, spun - spun / 10,
		     UINT64_MAX);
	/* The CPU's timer keeps its period until it finds nobody who waits. */
	for (int i = 0; i < nr; i++)
		pv_close(t, ev[i]);
	pv_sleep_ms(40);
}

static void nothing(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
}

PV_CASE(multiplex, forks, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about = "the events of a task that has forked go on taking turns")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "cpu_cycles"));
	int nr = pv_mux_counters(t) + 2, on = 0;
	struct pv_ev *ev[PV_MUX_EVENTS] = {NULL};
	uint64_t before[PV_MUX_EVENTS];

	pv_mux_interval(t, "1");
	attr.disabled = 0;
	attr.inherit = 1;
	/* Or this task goes on with the child's copy. */
	pv_tell_apart(t, 0);
	for (int i = 0; i < nr; i++)
		ev[i] = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_wait(t, pv_fork(t, nothing, NULL));
	for (int i = 0; i < nr; i++)
		before[i] = pv_read(t, ev[i]).running;
	for (int round = 0; round < 2000 && on < nr; round++) {
		work_ms(1);
		on = 0;
		for (int i = 0; i < nr; i++)
			on += pv_read(t, ev[i]).running > before[i];
	}
	pv_expect_eq(t, "events that have had turns since", on, nr);
}

PV_CASE(multiplex, exclusive_software, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about = "an exclusive group has the PMU for itself, though a software event leads it")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	uint64_t ns = pv_mux_length(t, 20);
	struct pv_ev *leader[2], *ev[2];
	struct pv_count c[2], l[2];
	pid_t child;

	pv_mux_interval(t, "1");
	child = pv_mux_spinner(t, &ns);
	attr.disabled = 0;
	attr.exclusive = 1;
	for (int k = 0; k < 2; k++) {
		leader[k] = pv_open(t, &attr, child, -1, NULL, 0);
		ev[k] = pv_mux_open(t, child, -1, leader[k], false, false);
	}
	pv_mux_finish(t, child, ev, 2);
	for (int k = 0; k < 2; k++) {
		c[k] = pv_read(t, ev[k]);
		l[k] = pv_read(t, leader[k]);
		pv_expect(t, "leader and counter on together", l[k].running == c[k].running);
	}
	pv_expect(t, "both had turns", c[0].running && c[1].running);
	if (!pv_expect(t, "one was always on, never both",
		       c[0].running + c[1].running == c[0].enabled && c[0].enabled == c[1].enabled))
		pv_message(t, "%llu and %llu of %llu ns", (unsigned long long)c[0].running,
			   (unsigned long long)c[1].running, (unsigned long long)c[0].enabled);
}
