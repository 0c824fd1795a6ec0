/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups across PMUs: a leader of each PMU with siblings of all that this machine has, on this
 * task, on a child and on a CPU. Software PMUs (perf_sw_context: also probes, breakpoints, msr)
 * join and lead any group; what counts exactly alone counts exactly there, whoever was first.
 */
#define _GNU_SOURCE
#include <string.h>

#include "arch/isa.h"
#include "cases/lib/sys.h"
#include "cases/lib/test.h"
#include "cases/pv.h"

static const struct {
	const char *family, *event;
	uint64_t units;
	bool exact;
} kinds[] = {
	{"sw", "context-switches", 0, false},
	{"sw", "task-clock", 0, false},
	{"tracepoint", "sys_enter_getppid", 11, true},
	{"kprobe", "getppid", 11, true}, /* the same calls */
	{"uprobe", "call", 5, true},
	{"breakpoint", "w4", 7, true},
	{"msr", "tsc", 0, false},
	{"pmuv3", "cpu_cycles", 0, false},
	{"hw", "cycles", 0, false},
};
#define NR (sizeof(kinds) / sizeof(kinds[0]))

/* The event of this machine's descriptor, or NULL: its PMU is not there. */
static const struct pv_event_desc *there(size_t kind)
{
	char why[256];

	for (size_t i = 0; i < pv_nr_pmus; i++) {
		const struct pv_pmu *p = &pv_pmus[i];

		if (strcmp(p->family, kinds[kind].family) || !p->is_default ||
		    !(p->arch & PV_ISA_MACHINE) || pv_pmu_probe(p, why, sizeof(why)))
			continue;
		for (size_t k = 0; k < p->nr_events; k++) {
			if (!strcmp(p->events[k].name, kinds[kind].event) &&
			    p->events[k].arch & PV_ISA_MACHINE)
				return &p->events[k];
		}
	}
	return NULL;
}

/* Each workload once; more of them would be other programs' business. */
static void work_all(struct pv_test *t, void *arg)
{
	const struct pv_event_desc *const *e = arg;

	for (size_t i = 0; i < NR; i++) {
		if (e[i] && kinds[i].exact && strcmp(kinds[i].family, "kprobe"))
			pv_work_event(t, e[i], kinds[i].units);
	}
	if (!e[2] && e[3])
		pv_work_event(t, e[3], kinds[3].units);
	pv_sys_work(PV_WORK_LOOP, 100000, NULL, 0);
	pv_switch_out();
}

struct target {
	pid_t pid;
	int cpu;
	pid_t child;
};

static struct target target(struct pv_test *t, const struct pv_event_desc *const *e)
{
	struct target g = {0, -1, 0};

	if (!strcmp(pv_word(t), "cpu")) {
		g.pid = -1;
		g.cpu = pv_cpu(t);
	} else if (!strcmp(pv_word(t), "child")) {
		g.pid = g.child = pv_fork_held(t, work_all, (void *)e);
		pv_wait_asleep(t, g.child);
	}
	return g;
}

/* One group of everything, led by `lead`; the others in order or the other way round. */
static void one_group(struct pv_test *t, const struct pv_event_desc *const *e, size_t lead,
		      bool backwards)
{
	struct target g = target(t, e);
	bool wide = g.pid == -1;
	struct pv_ev *ev[NR] = {NULL};
	struct pv_group group;
	uint64_t refused = 0, wrong = 0, silent = 0, misplaced = 0, times = 0, nr = 1;
	size_t order[NR] = {lead};

	for (size_t k = 0; k < NR; k++) {
		size_t i = k ? (backwards ? NR - k : k) : 0;
		struct perf_event_attr attr;

		/* 0 and `lead` change places. */
		i = k == 0 ? lead : i == lead ? 0 : i;
		if (!e[i])
			continue;
		attr = pv_attr(t, e[i]);
		attr.disabled = i == lead;
		if (i == lead)
			attr.read_format |= PERF_FORMAT_GROUP;
		else
			order[nr++] = i;
		ev[i] = pv_open(t, &attr, g.pid, g.cpu, i == lead ? NULL : ev[lead], 0);
	}
	if (pv_ioctl(ev[lead], PERF_EVENT_IOC_ENABLE, 0))
		refused++;
	if (g.child) {
		pv_go(t, g.child);
		pv_wait(t, g.child);
	} else {
		work_all(t, (void *)e);
	}
	pv_ioctl(ev[lead], PERF_EVENT_IOC_DISABLE, 0);
	pv_read_group(t, ev[lead], &group);
	for (size_t k = 0; k < nr; k++) {
		size_t i = order[k];
		struct pv_count c = group.member[k];
		uint64_t id = 0, due = kinds[i].units * e[i]->per;

		pv_ioctl(ev[i], PERF_EVENT_IOC_ID, (uintptr_t)&id);
		misplaced += c.id != id;
		if (kinds[i].exact && (wide ? c.value < due : c.value != due)) {
			pv_message(t, "led by %s: %s counted %llu", kinds[lead].event,
				   kinds[i].event, (unsigned long long)c.value);
			wrong++;
		}
		/* A clock may stand for a tick (local_clock()), and nobody may have to switch. */
		silent += !c.value && strcmp(kinds[i].family, "sw");
		if (i != lead) {
			struct pv_count own = pv_read(t, ev[i]);

			times += own.value != c.value || own.enabled != group.enabled ||
				 own.running != group.running;
		}
	}
	pv_expect_eq(t, "members", group.nr, nr);
	pv_expect_eq(t, "refused enables", refused, 0);
	pv_expect_eq(t, "members out of place", misplaced, 0);
	pv_expect_eq(t, "wrong counts", wrong, 0);
	pv_expect_eq(t, "members that counted nothing", silent, 0);
	pv_expect_eq(t, "siblings whose own read differs", times, 0);
	pv_expect(t, "on all the time", group.running == group.enabled);
	for (size_t k = nr; k-- > 0;)
		pv_close(t, ev[order[k]]);
}

static void all_leaders(struct pv_test *t, bool backwards)
{
	const struct pv_event_desc *e[NR];
	uint64_t leaders = 0;

	for (size_t i = 0; i < NR; i++)
		e[i] = there(i);
	work_all(t, e); /* what a fresh process does for the first time */
	for (size_t i = 0; i < NR; i++) {
		if (!e[i])
			continue;
		one_group(t, e, i, backwards);
		leaders++;
	}
	pv_expect_in(t, "leaders", leaders, 2, NR);
}

PV_CASE(cross_pmu, group, .pmu = "perf", .each = "word[self,child,cpu]", .needs = "root",
	.proof = "kernel",
	.about =
		"events of all PMUs count in one group, exactly where they do alone, whichever of them leads")
{
	all_leaders(t, false);
}

PV_CASE(cross_pmu, backwards, .pmu = "perf", .each = "word[self,child,cpu]", .needs = "root",
	.proof = "kernel",
	.about = "the same with the counters first: software events join what they did not start")
{
	all_leaders(t, true);
}

PV_CASE(cross_pmu, toggled, .pmu = "perf", .each = "word[at-once,after-switch]", .needs = "root",
	.proof = "kernel",
	.about =
		"a member of any PMU can be switched off and on while its group of all PMUs counts on")
{
	const struct pv_event_desc *e[NR];
	struct pv_ev *ev[NR] = {NULL}, *lead;
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	const struct pv_event_desc *sleep = pv_find_event(t, "sw", "context-switches");
	uint64_t wrong = 0, moved = 0, members = 0, before[NR] = {0};

	for (size_t i = 0; i < NR; i++)
		e[i] = there(i);
	pv_attr(t, sleep); /* its partner is there before the events are */
	work_all(t, e);
	lead = pv_open(t, &attr, 0, -1, NULL, 0);
	for (size_t i = 0; i < NR; i++) {
		if (!e[i])
			continue;
		attr = pv_attr(t, e[i]);
		attr.disabled = 0;
		ev[i] = pv_open(t, &attr, 0, -1, lead, 0);
		members++;
	}
	pv_ioctl(lead, PERF_EVENT_IOC_ENABLE, 0);
	for (size_t off = 0; off < NR; off++) {
		uint64_t at[NR] = {0}, moves;

		if (!ev[off])
			continue;
		pv_ioctl(ev[off], PERF_EVENT_IOC_DISABLE, 0);
		for (size_t i = 0; i < NR; i++)
			before[i] = ev[i] ? pv_read(t, ev[i]).value : 0;
		work_all(t, e);
		for (size_t i = 0; i < NR; i++)
			at[i] = ev[i] ? pv_read(t, ev[i]).value : 0;
		pv_ioctl(ev[off], PERF_EVENT_IOC_ENABLE, 0);
		/* The task's events all go off and on again with a context switch. */
		if (!strcmp(pv_word(t), "after-switch"))
			pv_work_event(t, sleep, 1);
		moved += at[off] != before[off];
		for (size_t i = 0; i < NR; i++) {
			if (!ev[i] || i == off)
				continue;
			moves = at[i] - before[i];
			if (kinds[i].exact ? moves == kinds[i].units * e[i]->per
					   : moves || !strcmp(kinds[i].family, "sw"))
				continue;
			pv_message(t, "%s counted %llu while %s was off", kinds[i].event,
				   (unsigned long long)moves, kinds[off].event);
			wrong++;
		}
	}
	pv_expect_in(t, "members", members, 2, NR);
	pv_expect_eq(t, "members that counted while off", moved, 0);
	pv_expect_eq(t, "members that did not count what was due while another was off", wrong, 0);
}
