/* SPDX-License-Identifier: GPL-2.0-only */
/* Branch records: the filter that the driver writes, call stacks, and who may lead the group. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "arch/work.h"
#include "cases/lib/pmulog.h"

#define PERIOD 997
#define N      20000
#define CODE   64 /* no workload of arch/x86/work_64.S is longer */
#define CAPS   "/sys/bus/event_source/devices/cpu/caps/branches"

static struct pv_record rec;

static void need_records(struct pv_test *t)
{
	char text[32] = "";

	if (pv_file_read(CAPS, text, sizeof(text)) < 0 || !strtoul(text, NULL, 10))
		pv_skip(t, PV_ABSENT, "no branch records: %s is not there", CAPS);
}

static struct perf_event_attr branches_attr(struct pv_test *t, uint64_t filter)
{
	const char *family = pv_pmu(t)->family;
	bool amd = !strcmp(family, "amd-core");
	struct perf_event_attr attr = pv_attr(
		t, pv_find_event(t, family, amd ? "ex_ret_brn" : "br_inst_retired.all_branches"));

	/* No throttling. In this order: the rate cannot be set while nobody watches how long
	 * interrupts take. */
	pv_knob(t, "/proc/sys/kernel/perf_event_max_sample_rate", "100000");
	pv_knob(t, "/proc/sys/kernel/perf_cpu_time_max_percent", "0");
	attr.exclude_kernel = 1;
	attr.sample_period = PERIOD;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_BRANCH_STACK;
	attr.branch_sample_type = PERF_SAMPLE_BRANCH_USER | filter;
	return attr;
}

static bool within(uint64_t address, const void *function)
{
	return address - (uintptr_t)function < CODE;
}

/* Kinds of branches, and their bits in the two registers that choose them: in LBR_SELECT a set bit
 * leaves out, in ARCH_LBR_CTL it takes in. SDM volume 3, tables 17-14 and 18-1; AMD's LBR_SELECT
 * has the bits of Intel's. */
enum kind { KERNEL, USER, JCC, REL_CALL, IND_CALL, RET, IND_JMP, REL_JMP, FAR, NR_KINDS };
static const unsigned int arch_bit[NR_KINDS] = {1, 2, 16, 19, 20, 21, 18, 17, 22};
#define ALL               ((1u << NR_KINDS) - 1)
#define LEGACY_CALL_STACK (1u << 9)
#define ARCH_ENABLE       (1u << 0)
#define ARCH_CALL_STACK   (1u << 3)
#define MSR_ARCH_CTL      0x14ce
#define MSR_AMD_SELECT    0xc000010e

static const struct {
	const char *word;
	uint64_t filter;
	unsigned int kinds;
} filters[] = {
	{"any", PERF_SAMPLE_BRANCH_ANY, ALL & ~(1u << KERNEL)},
	{"any-call", PERF_SAMPLE_BRANCH_ANY_CALL,
	 1u << USER | 1u << REL_CALL | 1u << IND_CALL | 1u << FAR},
	{"any-return", PERF_SAMPLE_BRANCH_ANY_RETURN, 1u << USER | 1u << RET | 1u << FAR},
	{"ind-call", PERF_SAMPLE_BRANCH_IND_CALL, 1u << USER | 1u << IND_CALL},
	{"cond", PERF_SAMPLE_BRANCH_COND, 1u << USER | 1u << JCC},
	{"ind-jump", PERF_SAMPLE_BRANCH_IND_JUMP, 1u << USER | 1u << IND_JMP},
	{"call", PERF_SAMPLE_BRANCH_CALL, 1u << USER | 1u << REL_CALL},
	{"call-stack", PERF_SAMPLE_BRANCH_CALL_STACK,
	 1u << USER | 1u << REL_CALL | 1u << IND_CALL | 1u << RET},
};

static uint64_t select_due(uint32_t msr, unsigned int kinds, bool call_stack)
{
	uint64_t value = call_stack ? ARCH_CALL_STACK | ARCH_ENABLE : ARCH_ENABLE;

	if (msr != MSR_ARCH_CTL)
		return (ALL & ~kinds) | (call_stack ? LEGACY_CALL_STACK : 0);
	for (unsigned int i = 0; i < NR_KINDS; i++)
		if (kinds & (1u << i))
			value |= 1u << arch_bit[i];
	return value;
}

static void expect_select(struct pv_test *t)
{
	uint64_t as_due = 0, others = 0;
	struct perf_event_attr attr;
	struct pv_access a;
	unsigned int row = 0, index;
	struct pv_ev *ev;

	need_records(t);
	while (strcmp(filters[row].word, pv_word(t)))
		row++;
	attr = branches_attr(t, filters[row].filter);
	pv_log_start(t);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, ev);
	pv_asm_loop(N);
	pv_disable(t, ev);
	pv_log_stop(t);
	while (pv_log_next(t, &a)) {
		if (a.what != 'w' || pv_log_role(&a, &index) != PV_LOG_LBR_SELECT)
			continue;
		if (a.value ==
		    select_due(a.msr, filters[row].kinds, strchr(pv_word(t), 's') != NULL))
			as_due++;
		else if (a.msr == MSR_ARCH_CTL     ? a.value & ARCH_ENABLE
			 : a.msr == MSR_AMD_SELECT ? a.value /* 0: records are emptied */
						   : true)
			others++;
	}
	pv_expect_in(t, "writes of the filter that is due", as_due, 1, UINT64_MAX);
	pv_expect_eq(t, "writes of another one", others, 0);
}

PV_CASE(branch, select, .pmu = "intel-core amd-core",
	.each = "word[any,any-call,any-return,ind-call,cond,ind-jump,call]", .needs = "root",
	.proof = "kernel",
	.about = "the driver writes the filter that was asked for into the register, and no other")
{
	expect_select(t);
}

PV_CASE(branch, select_stack, .pmu = "intel-core", .each = "word[call-stack]", .needs = "root",
	.proof = "kernel",
	.about = "the driver writes the call-stack filter into the register, and no other")
{
	expect_select(t);
}

PV_CASE(branch, call_stack, .pmu = "intel-core", .needs = "root", .proof = "kernel",
	.about =
		"in call-stack mode the youngest record is the call of the function that is interrupted: returns take theirs away")
{
	uint64_t samples = 0, inside = 0, wrong = 0, jumps = 0;
	struct perf_event_attr attr;
	struct pv_sample s;
	struct pv_ev *ev;

	need_records(t);
	attr = branches_attr(t, PERF_SAMPLE_BRANCH_CALL_STACK);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 16);
	pv_enable(t, ev);
	pv_asm_call(N, pv_probe_target);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		const void *at = within(s.ip, pv_probe_target) ? (void *)pv_probe_target
				 : within(s.ip, pv_asm_call)   ? (void *)pv_asm_call
							       : NULL;

		if (!at || !samples++)
			continue;
		inside += at == (void *)pv_probe_target;
		wrong += !s.branch_nr || s.branch[1] != (uintptr_t)at;
		for (uint64_t i = 0; i < s.branch_nr; i++)
			jumps += within(s.branch[3 * i], pv_asm_call) &&
				 s.branch[3 * i + 1] != (uintptr_t)pv_probe_target;
	}
	pv_expect_in(t, "samples", samples, 3 * N / PERIOD - 3, 3 * N / PERIOD + 2);
	pv_expect_in(t, "samples in the function that is called", inside, samples / 6, samples);
	pv_expect_eq(t, "samples whose youngest record is another call", wrong, 0);
	pv_expect_eq(t, "records that are no call", jumps, 0);
}

static const struct {
	const char *word;
	uint32_t type;
	uint64_t config, period;
} leaders[] = {
	/* The two that keep their timer where a hardware event keeps its flags. */
	{"cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, 100000},
	{"task-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 100000},
	{"counting-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, 0},
	{"page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, 1},
	{"dummy", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, 0},
};

static struct pv_ev *open_leader(struct pv_test *t, const char *word)
{
	struct perf_event_attr attr = pv_dummy;
	unsigned int row = 0;
	struct pv_ev *ev;

	while (strcmp(leaders[row].word, word))
		row++;
	attr.type = leaders[row].type;
	attr.config = leaders[row].config;
	attr.sample_period = leaders[row].period;
	attr.sample_type = PERF_SAMPLE_IP;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	return ev;
}

PV_CASE(branch, leader, .pmu = "intel-core amd-core",
	.each = "word[cpu-clock,task-clock,counting-clock,page-faults,dummy]", .needs = "root",
	.proof = "kernel", .fixes = "75aea4b0656e (6.8..6.14, 6.12.0..6.12.27)",
	.about =
		"an event with branch records works under a software leader, whose flags are no branch counters' flags")
{
	uint64_t samples = 0, foreign = 0;
	struct pv_ev *leader, *ev;
	struct perf_event_attr attr;
	struct pv_sample s;

	need_records(t);
	attr = branches_attr(t, PERF_SAMPLE_BRANCH_ANY);
	attr.disabled = 0;
	leader = open_leader(t, pv_word(t));
	ev = pv_open(t, &attr, 0, -1, leader, 0);
	pv_ring_map(t, ev, 16);
	pv_enable(t, leader);
	pv_asm_loop(N);
	pv_disable(t, leader);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!within(s.ip, pv_asm_loop) || !s.branch_nr)
			continue;
		samples++;
		foreign += !within(s.branch[0], pv_asm_loop);
	}
	pv_expect_in(t, "samples in the loop with a stack", samples, N / PERIOD - 2,
		     N / PERIOD + 1);
	pv_expect_eq(t, "youngest branches from elsewhere", foreign, 0);
}

#ifndef PERF_SAMPLE_BRANCH_COUNTERS
#define PERF_SAMPLE_BRANCH_COUNTERS (1u << 19)
#endif

PV_CASE(branch, counters, .pmu = "intel-core", .each = "word[alone,cpu-clock,dummy]",
	.needs = "root", .proof = "kernel", .fixes = "75aea4b0656e (6.8..6.14, 6.12.0..6.12.27)",
	.about =
		"counters in branch records are refused on a CPU that logs none, also under a software leader, which goes on")
{
	struct pv_ev *leader = NULL;
	struct perf_event_attr attr;

	need_records(t);
	attr = branches_attr(t, PERF_SAMPLE_BRANCH_ANY | PERF_SAMPLE_BRANCH_COUNTERS);
	if (strcmp(pv_word(t), "alone"))
		leader = open_leader(t, pv_word(t));
	pv_expect_errno(t, "open", pv_outcome(t, &attr, 0, -1, leader ? pv_fd(leader) : -1, 0),
			-EINVAL);
	if (!leader)
		return;
	pv_enable(t, leader);
	pv_asm_loop(N);
	pv_disable(t, leader);
	attr.branch_sample_type &= ~(uint64_t)PERF_SAMPLE_BRANCH_COUNTERS;
	pv_expect_errno(t, "open without counters", pv_outcome(t, &attr, 0, -1, pv_fd(leader), 0),
			0);
}
