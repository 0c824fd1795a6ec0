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

/* All branches, taken or not. */
static struct perf_event_attr attr_of(struct pv_test *t, uint64_t filter)
{
	const char *family = pv_pmu(t)->family;
	bool amd = !strcmp(family, "amd-core");
	struct perf_event_attr attr = pv_attr(
		t, pv_find_event(t, family, amd ? "ex_ret_brn" : "br_inst_retired.all_branches"));

	attr.exclude_kernel = 1;
	attr.sample_period = PERIOD;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_BRANCH_STACK;
	attr.branch_sample_type = filter;
	return attr;
}

static struct pv_ev *open_attr(struct pv_test *t, const struct perf_event_attr *attr)
{
	struct pv_ev *ev = pv_open(t, attr, 0, -1, NULL, 0);

	pv_ring_map(t, ev, 16);
	return ev;
}

/* No throttling: reading the records takes an emulated CPU long. In this order: the rate cannot be
 * set while nobody watches how long interrupts take. */
static void unthrottled(struct pv_test *t)
{
	pv_knob(t, RATE, "100000");
	pv_knob(t, TIME, "0");
}

static struct pv_ev *open_branches(struct pv_test *t, uint64_t filter)
{
	struct perf_event_attr attr = attr_of(t, filter);

	unthrottled(t);
	return open_attr(t, &attr);
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

PV_CASE(branch, edges, .pmu = "intel-core amd-core", .needs = "root", .proof = "kernel",
	.about =
		"the stack of a sample amid a loop is full, and each of its branches is the loop's own")
{
	unsigned long long full = depth(t);
	struct pv_ev *ev = open_branches(t, PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_ANY);
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

/* The branches of pv_asm_call(n, pv_probe_target), in the order of a turn; the call of it all. */
enum kind { CALL, RET, COND, TURN, ENTRY = TURN, FOREIGN, KINDS };

static enum kind kind_of(const struct pv_sample *s, uint64_t i)
{
	uint64_t from = s->branch[3 * i], to = s->branch[3 * i + 1];

	if (within(from, pv_asm_call) && to == (uintptr_t)pv_probe_target)
		return CALL;
	if (within(from, pv_probe_target) && within(to, pv_asm_call))
		return RET;
	if (within(from, pv_asm_call) && within(to, pv_asm_call))
		return COND;
	return to == (uintptr_t)pv_asm_call ? ENTRY : FOREIGN;
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

PV_CASE(branch, filters, .pmu = "intel-core amd-core", .needs = "root", .proof = "kernel",
	.each = "word[any,any-call,ind-call,any-return,cond,call,ind-jump]",
	.about =
		"a filter lets its own kind of branches through: calls, returns and conditional ones of a loop of calls")
{
	uint64_t samples = 0, seen[KINDS] = {0};
	uint64_t full = depth(t), least;
	unsigned int row = 0, kinds;
	struct perf_event_attr attr;
	struct pv_ev *ev;
	struct pv_sample s;

	while (strcmp(filters[row].word, pv_word(t)))
		row++;
	attr = attr_of(t, PERF_SAMPLE_BRANCH_USER | filters[row].filter);
	unthrottled(t);
	/* A task switch empties the stack, and the way into the loop is gone with it: once more,
	 * anew. */
	for (int i = 0;; i++) {
		uint64_t before = pv_sys_switches();

		ev = open_attr(t, &attr);
		pv_enable(t, ev);
		pv_asm_call(N, pv_probe_target);
		pv_disable(t, ev);
		if (pv_sys_switches() == before || i == TRIES)
			break;
		pv_close(t, ev);
	}
	while (pv_sample_next(t, ev, &rec, &s)) {
		/* The first one may still show the way here. */
		if (!samples++)
			continue;
		for (uint64_t i = 0; i < s.branch_nr; i++)
			seen[kind_of(&s, i)]++;
	}
	pv_expect_in(t, "samples", samples, 3 * N / PERIOD - 2, 3 * N / PERIOD + 2);
	/* Each stack is full of what the filter lets through, in equal parts; the first ones may
	 * not be full yet. */
	kinds = filters[row].call + filters[row].ret + filters[row].cond;
	least = kinds ? (samples - 3) * full / kinds : 0;
	pv_expect_in(t, "calls", seen[CALL], filters[row].call ? least : 0,
		     filters[row].call ? samples * full : 0);
	pv_expect_in(t, "returns", seen[RET], filters[row].ret ? least : 0,
		     filters[row].ret ? samples * full : 0);
	pv_expect_in(t, "conditional ones", seen[COND], filters[row].cond ? least : 0,
		     filters[row].cond ? samples * full : 0);
	pv_expect_eq(t, "ways into the loop", seen[ENTRY], filters[row].entry ? samples - 1 : 0);
	pv_expect_eq(t, "other branches", seen[FOREIGN], 0);
}

/* The third word of a record: struct perf_branch_entry. */
static unsigned int flag(const struct pv_sample *s, uint64_t i, unsigned int shift,
			 unsigned int bits)
{
	return s->branch[3 * i + 2] >> shift & ((1u << bits) - 1);
}

enum { MISPRED, PREDICTED };
#define TYPE_SHIFT 20
#define TYPE_BITS  4

PV_CASE(branch, order, .pmu = "intel-core amd-core", .needs = "root", .proof = "kernel",
	.about =
		"the youngest branch stands first, and each one begins where the one behind it has led")
{
	uint64_t samples = 0, pairs = 0, disorder = 0, ip = 0, full = depth(t);
	struct pv_ev *ev = open_branches(t, PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_ANY);
	struct pv_sample s;

	pv_enable(t, ev);
	pv_asm_call(N, pv_probe_target);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!samples++)
			continue;
		for (uint64_t i = 0; i + 1 < s.branch_nr; i++, pairs++)
			disorder += kind_of(&s, i) >= TURN ||
				    (kind_of(&s, i + 1) + 1) % TURN != (unsigned int)kind_of(&s, i);
		/* No branch lies between the youngest one's target and the sample. */
		ip += s.branch_nr && s.ip - s.branch[1] < CODE;
	}
	pv_expect_in(t, "samples", samples, 3 * N / PERIOD - 2, 3 * N / PERIOD + 2);
	pv_expect_in(t, "pairs", pairs, (samples - 3) * (full - 1), (samples - 1) * (full - 1));
	pv_expect_eq(t, "pairs out of order", disorder, 0);
	pv_expect_eq(t, "samples behind their youngest branch", ip, samples - 1);
}

PV_CASE(branch, types, .pmu = "intel-core amd-core", .needs = "root", .proof = "kernel",
	.about =
		"each branch is told to be predicted or mispredicted, not both, and its type when it is asked for")
{
	static const unsigned int types[TURN] = {PERF_BR_IND_CALL, PERF_BR_RET, PERF_BR_COND};
	struct pv_ev *ev = open_branches(t, PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_ANY |
						    PERF_SAMPLE_BRANCH_TYPE_SAVE);
	uint64_t samples = 0, n = 0, wrong = 0, both = 0, mispredicted = 0, full = depth(t);
	struct pv_sample s;

	pv_enable(t, ev);
	pv_asm_call(N, pv_probe_target);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!samples++)
			continue;
		for (uint64_t i = 0; i < s.branch_nr; i++) {
			enum kind kind = kind_of(&s, i);

			if (kind >= TURN)
				continue;
			n++;
			wrong += flag(&s, i, TYPE_SHIFT, TYPE_BITS) != types[kind];
			both += flag(&s, i, MISPRED, 1) == flag(&s, i, PREDICTED, 1);
			mispredicted += flag(&s, i, MISPRED, 1);
		}
	}
	pv_expect_in(t, "branches", n, (samples - 3) * full, (samples - 1) * full);
	pv_expect_eq(t, "of another type", wrong, 0);
	pv_expect_eq(t, "neither predicted nor mispredicted, or both", both, 0);
	/* The same three branches all the time: any predictor is right most of the time. */
	pv_expect_in(t, "mispredicted", mispredicted, 0, n / 2);
}

PV_CASE(branch, frozen, .pmu = "intel-core amd-core", .needs = "root", .proof = "kernel",
	.about =
		"the records stop at the interrupt: kernel branches are asked for too, and the youngest is the loop's")
{
	uint64_t samples = 0, foreign = 0;
	struct pv_sample s;
	struct pv_ev *ev;

	depth(t);
	ev = open_branches(t, PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_KERNEL |
				      PERF_SAMPLE_BRANCH_ANY);
	pv_enable(t, ev);
	pv_asm_loop(N);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!within(s.ip, pv_asm_loop))
			continue;
		samples++;
		foreign += !s.branch_nr || !within(s.branch[0], pv_asm_loop) ||
			   !within(s.branch[1], pv_asm_loop);
	}
	pv_expect_in(t, "samples in the loop", samples, N / PERIOD - 2, N / PERIOD + 1);
	pv_expect_eq(t, "samples whose youngest branch is another", foreign, 0);
}

static const struct {
	const char *word;
	uint64_t filter;
} refused[] = {
	{"abort-tx", PERF_SAMPLE_BRANCH_ABORT_TX}, {"in-tx", PERF_SAMPLE_BRANCH_IN_TX},
	{"no-tx", PERF_SAMPLE_BRANCH_NO_TX},       {"call-stack", PERF_SAMPLE_BRANCH_CALL_STACK},
	{"no-flags", PERF_SAMPLE_BRANCH_NO_FLAGS}, {"no-cycles", PERF_SAMPLE_BRANCH_NO_CYCLES},
};

PV_CASE(branch, refused, .pmu = "amd-core", .needs = "root", .proof = "kernel",
	.each = "word[abort-tx,in-tx,no-tx,call-stack,no-flags,no-cycles]",
	.about = "what AMD's branch records cannot do is refused with EOPNOTSUPP")
{
	struct perf_event_attr attr;
	unsigned int row = 0;

	depth(t);
	while (strcmp(refused[row].word, pv_word(t)))
		row++;
	attr = attr_of(t, PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_ANY);
	pv_expect_errno(t, "without it", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr.branch_sample_type |= refused[row].filter;
	pv_expect_errno(t, "with it", pv_outcome(t, &attr, 0, -1, -1, 0), -EOPNOTSUPP);
}
