/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Branch stacks: what a sample tells of the branches before it, against workloads in assembly whose
 * few branches are known. User mode only: what the kernel does in between is not told.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "arch/work.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

#define PERIOD 997
#define N      20000
#define TRIES  10
/* No workload of arch/x86/work_64.S is longer. */
#define CODE 64
#define RATE "/proc/sys/kernel/perf_event_max_sample_rate"
#define TIME "/proc/sys/kernel/perf_cpu_time_max_percent"
#define CAPS "/sys/bus/event_source/devices/cpu/caps/branches"

static struct pv_record rec;

static struct pv_ev *open_branches(struct pv_test *t, uint64_t filter)
{
	struct perf_event_attr attr =
		pv_attr(t, pv_find_event(t, "intel-core", "br_inst_retired.all_branches"));
	struct pv_ev *ev;

	/* No throttling: reading the records takes an emulated CPU long. In this order: the rate
	 * cannot be set while nobody watches how long interrupts take. */
	pv_knob(t, RATE, "100000");
	pv_knob(t, TIME, "0");
	attr.exclude_kernel = 1;
	attr.sample_period = PERIOD;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_BRANCH_STACK;
	attr.branch_sample_type = PERF_SAMPLE_BRANCH_USER | filter;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 16);
	return ev;
}

static bool within(uint64_t address, const void *function)
{
	return address - (uintptr_t)function < CODE;
}

static unsigned long long depth(struct pv_test *t)
{
	char text[32] = "";

	if (pv_file_read(CAPS, text, sizeof(text)) < 0)
		pv_skip(t, PV_ABSENT, "no branch records: %s is not there", CAPS);
	return strtoull(text, NULL, 10);
}

PV_CASE(branch, edges, .pmu = "intel-core", .needs = "root", .proof = "kernel",
	.about =
		"the stack of a sample amid a loop is full, and each of its branches is the loop's own")
{
	unsigned long long full = depth(t);
	struct pv_ev *ev = open_branches(t, PERF_SAMPLE_BRANCH_ANY);
	uint64_t samples = 0, deepest = 0, foreign = 0, from = 0, to = 0;
	struct pv_sample s;

	pv_enable(t, ev);
	pv_asm_loop(N);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!within(s.ip, pv_asm_loop))
			continue;
		samples++;
		if (s.branch_nr > deepest)
			deepest = s.branch_nr;
		if (!from && s.branch_nr) {
			from = s.branch[0];
			to = s.branch[1];
		}
		for (uint64_t i = 0; i < s.branch_nr; i++)
			foreign += s.branch[3 * i] != from || s.branch[3 * i + 1] != to;
	}
	pv_expect_in(t, "samples in the loop", samples, N / PERIOD - 2, N / PERIOD + 1);
	pv_expect_eq(t, "deepest stack", deepest, full);
	pv_expect(t, "the branch comes from the loop", within(from, pv_asm_loop));
	pv_expect(t, "it goes back within the loop", within(to, pv_asm_loop) && to < from);
	pv_expect_eq(t, "other branches", foreign, 0);
}

/* Which of the three branches of pv_asm_call()'s turn a filter lets through; whether the call of
 * pv_asm_call() itself stays the youngest. */
static const struct {
	const char *word;
	uint64_t filter;
	bool call, ret, cond, entry;
} filters[] = {
	{"any", PERF_SAMPLE_BRANCH_ANY, true, true, true, false},
	{"any-call", PERF_SAMPLE_BRANCH_ANY_CALL, true, false, false, false},
	{"ind-call", PERF_SAMPLE_BRANCH_IND_CALL, true, false, false, false},
	{"any-return", PERF_SAMPLE_BRANCH_ANY_RETURN, false, true, false, false},
	{"cond", PERF_SAMPLE_BRANCH_COND, false, false, true, false},
	{"call", PERF_SAMPLE_BRANCH_CALL, false, false, false, true},
	{"ind-jump", PERF_SAMPLE_BRANCH_IND_JUMP, false, false, false, false},
};

PV_CASE(branch, filters, .pmu = "intel-core", .needs = "root", .proof = "kernel",
	.each = "word[any,any-call,ind-call,any-return,cond,call,ind-jump]",
	.about =
		"a filter lets its own kind of branches through: calls, returns and conditional ones of a loop of calls")
{
	uint64_t samples = 0, calls = 0, rets = 0, conds = 0, entries = 0, foreign = 0;
	uint64_t full = depth(t), least;
	unsigned int row = 0, kinds;
	struct pv_sample s;
	struct pv_ev *ev;

	while (strcmp(filters[row].word, pv_word(t)))
		row++;
	ev = open_branches(t, filters[row].filter);
	/* A task switch empties the stack, and the way into the loop is gone with it: once more. */
	for (int i = 0; i < TRIES; i++) {
		uint64_t before = pv_sys_switches();

		pv_ring_samples(t, ev);
		pv_enable(t, ev);
		pv_asm_call(N, pv_probe_target);
		pv_disable(t, ev);
		if (pv_sys_switches() == before)
			break;
	}
	while (pv_sample_next(t, ev, &rec, &s)) {
		/* The first one may still show the way here. */
		if (!samples++)
			continue;
		for (uint64_t i = 0; i < s.branch_nr; i++) {
			uint64_t from = s.branch[3 * i], to = s.branch[3 * i + 1];

			if (within(from, pv_asm_call) && to == (uintptr_t)pv_probe_target)
				calls++;
			else if (within(from, pv_probe_target) && within(to, pv_asm_call))
				rets++;
			else if (within(from, pv_asm_call) && within(to, pv_asm_call))
				conds++;
			else if (to == (uintptr_t)pv_asm_call)
				entries++;
			else
				foreign++;
		}
	}
	pv_expect_in(t, "samples", samples, 3 * N / PERIOD - 2, 3 * N / PERIOD + 2);
	/* Each stack is full of what the filter lets through, in equal parts; the first ones may
	 * not be full yet. */
	kinds = filters[row].call + filters[row].ret + filters[row].cond;
	least = kinds ? (samples - 3) * full / kinds : 0;
	pv_expect_in(t, "calls", calls, filters[row].call ? least : 0,
		     filters[row].call ? samples * full : 0);
	pv_expect_in(t, "returns", rets, filters[row].ret ? least : 0,
		     filters[row].ret ? samples * full : 0);
	pv_expect_in(t, "conditional ones", conds, filters[row].cond ? least : 0,
		     filters[row].cond ? samples * full : 0);
	pv_expect_eq(t, "ways into the loop", entries, filters[row].entry ? samples - 1 : 0);
	pv_expect_eq(t, "other branches", foreign, 0);
}
