/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AMD's instruction-based sampling. Its events sample and do nothing else; up to Linux 6.1 they
 * are a CPU's only, so that is how they are opened here. What the engines count while the kernel
 * takes a sample is the kernel's: bounds come from core counters that run beside them.
 */
#define _GNU_SOURCE
#include <string.h>

#include "arch/work.h"
#include "cases/lib/ibs.h"

#define PERIOD 65536
#define TURNS  PV_IBS_TURNS

static struct pv_record rec;

/* What runs beside the engines: the same count, of user mode alone and of all. */
struct beside {
	struct pv_ev *user, *all;
};

static struct beside open_beside(struct pv_test *t, const char *event)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "amd-core", event));
	struct beside b;

	b.all = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	attr.exclude_kernel = 1;
	b.user = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	pv_enable(t, b.all);
	pv_enable(t, b.user);
	return b;
}

/* The two count a little longer than the engine. */
static struct beside run_beside(struct pv_test *t, const char *event, struct pv_ev *ev,
				uint64_t turns)
{
	struct beside b = open_beside(t, event);

	pv_ibs_loop(t, ev, turns);
	pv_disable(t, b.user);
	pv_disable(t, b.all);
	return b;
}

static uint64_t count_samples(struct pv_test *t, struct pv_ev *ev, uint64_t period)
{
	uint64_t samples = 0, others = 0;
	struct pv_sample s;

	while (pv_sample_next(t, ev, &rec, &s)) {
		samples++;
		others += s.period != period;
	}
	pv_expect_eq(t, "samples of another period", others, 0);
	return samples;
}

/* The low bits of the count start at random: 7 of them for ops, 4 for fetches. */
#define RANDOM 127
/* More instructions, or cycles, than Linux needs to take one sample: the engine stands meanwhile.
 * The model's take about 3000. */
#define HANDLER 20000

/* `per` of what runs beside are one of what the engine counts. */
static void expect_samples(struct pv_test *t, struct beside b, uint64_t samples, uint64_t period,
			   uint64_t per)
{
	uint64_t all = pv_read(t, b.all).value, least = pv_read(t, b.user).value;

	if (all > least + samples * HANDLER)
		least = all - samples * HANDLER;
	pv_expect_in(t, "samples", samples, least / per / period - 1,
		     all / per / (period - RANDOM) + 1);
}

PV_CASE(ibs, ops, .pmu = "ibs-op", .needs = "root", .proof = "kernel",
	.each = "word[cycles,ops] n[4096,65536,2097152]",
	.about =
		"one sample for each period of cycles or dispatched ops, also where the period needs the extended count")
{
	bool ops = !strcmp(pv_word(t), "ops");
	uint64_t period = pv_n(t);
	struct perf_event_attr attr = pv_ibs_attr(t, period);
	struct pv_ev *ev;
	struct beside b;

	attr.config = ops ? pv_ibs_format(t, "cnt_ctl") : 0;
	ev = pv_ibs_open(t, &attr);
	b = run_beside(t, ops ? "ex_ret_instr" : "ls_not_halted_cyc", ev,
		       period < PERIOD ? 10 * PERIOD : 10 * period);
	expect_samples(t, b, count_samples(t, ev, period), period, 1);
}

/* A fetch is what the CPU takes at once; the model's are one in four instructions. */
PV_CASE(ibs, fetches, .pmu = "ibs-fetch", .needs = "root", .proof = "kernel",
	.each = "word[plain,random]",
	.about = "one sample for each period of fetches, with random low bits too")
{
	struct perf_event_attr attr = pv_ibs_attr(t, PERIOD / 4);
	struct pv_ev *ev;
	struct beside b;
	uint64_t samples;

	if (!strcmp(pv_word(t), "random"))
		attr.config = pv_ibs_format(t, "rand_en");
	ev = pv_ibs_open(t, &attr);
	b = run_beside(t, "ex_ret_instr", ev, 10 * PERIOD);
	samples = count_samples(t, ev, PERIOD / 4);
	if (pv_deterministic(t))
		expect_samples(t, b, samples, PERIOD / 4, 4);
	else
		pv_expect_in(t, "samples", samples, 1,
			     pv_read(t, b.all).value / (PERIOD / 4 - 16) + 1);
}

PV_CASE(ibs, maxcnt, .pmu = "ibs-op ibs-fetch", .needs = "root", .proof = "kernel",
	.about =
		"a period may stand in config as the hardware has it, a sixteenth: the same samples")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 0);
	struct pv_ev *ev;
	struct beside b;
	uint64_t samples, period = pv_ibs_is_op(t) ? PERIOD : PERIOD / 4;

	attr.config = period / 16;
	ev = pv_ibs_open(t, &attr);
	b = run_beside(t, pv_ibs_is_op(t) ? "ls_not_halted_cyc" : "ex_ret_instr", ev, 10 * PERIOD);
	samples = count_samples(t, ev, period);
	if (pv_ibs_is_op(t) || pv_deterministic(t))
		expect_samples(t, b, samples, period, pv_ibs_is_op(t) ? 1 : 4);
	else
		pv_expect_in(t, "samples", samples, 1, pv_read(t, b.all).value);
}

/* ---- where ---- */

static bool is_sample(const struct pv_record *r)
{
	return r->header.type == PERF_RECORD_SAMPLE;
}

/* Samples amid the loop are at one of its two instructions, and said to be exact. */
static void expect_exact(struct pv_test *t, struct pv_ev *ev, uint64_t least)
{
	uint64_t samples = 0, exact = 0, in_loop = 0;
	uint64_t between = 0;
	struct pv_sample s;

	while (pv_ring_next(t, ev, &rec)) {
		if (!is_sample(&rec))
			continue;
		pv_sample_decode(t, ev, &rec, &s);
		samples++;
		exact += !!(rec.header.misc & PERF_RECORD_MISC_EXACT_IP);
		if (!pv_ibs_within(s.ip, pv_asm_loop))
			continue;
		in_loop++;
		between +=
			s.ip != (uintptr_t)pv_asm_loop_first && s.ip != (uintptr_t)pv_asm_loop_last;
	}
	pv_expect_in(t, "samples in the loop", in_loop, least, samples);
	pv_expect_eq(t, "samples said to be exact", exact, samples);
	/* The way in and the way out are one sample at most. */
	pv_expect_in(t, "addresses that are none of its instructions'", between, 0, 1);
}

PV_CASE(ibs, exact, .pmu = "ibs-op ibs-fetch", .needs = "root", .proof = "kernel",
	.about = "the address of a sample is an instruction's of the loop, and said to be exact")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 4096);
	struct pv_ev *ev = pv_ibs_open(t, &attr);

	pv_ibs_loop(t, ev, TURNS);
	/* Some land in the kernel, whose interrupts are counted too. */
	expect_exact(t, ev, pv_ibs_is_op(t) ? TURNS / 4096 / 2 : 1);
}

PV_CASE(ibs, precise, .pmu = "ibs-op", .needs = "root", .proof = "kernel",
	.each = "word[cycles,raw-cycles,raw-ops] n[1,2]",
	.about = "the core PMU hands precise cycles and ops to IBS: its samples are exact")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 4096);
	bool raw = strcmp(pv_word(t), "cycles");

	attr.type = raw ? PERF_TYPE_RAW : PERF_TYPE_HARDWARE;
	attr.config = !raw                             ? PERF_COUNT_HW_CPU_CYCLES
		      : !strcmp(pv_word(t), "raw-ops") ? 0xc1
						       : 0x76;
	attr.precise_ip = pv_n(t);
	struct pv_ev *ev = pv_ibs_open(t, &attr);

	pv_ibs_loop(t, ev, TURNS);
	expect_exact(t, ev, TURNS / 4096 / 2);
}

/* ---- refusals ---- */

PV_CASE(ibs, refused, .pmu = "ibs-op ibs-fetch", .needs = "root", .proof = "kernel",
	.each = "word[counting,short,reserved,maxcnt,branch-stack,group,exclude-user,exclude-kernel,exclude-hv,"
		"exclude-idle,exclude-host,exclude-guest]",
	.about =
		"IBS refuses what it cannot do: counting, short periods, reserved bits, both forms of a period, groups, exclusion")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 4096);
	const char *word = pv_word(t);
	int group = -1, due = -EINVAL;

	pv_expect_errno(t, "without it", pv_outcome(t, &attr, -1, pv_cpu(t), -1, 0), 0);
	if (!strcmp(word, "counting"))
		attr.sample_period = 0;
	else if (!strcmp(word, "short"))
		attr.sample_period = 8;
	else if (!strcmp(word, "reserved"))
		attr.config = 1ull << 40;
	else if (!strcmp(word, "maxcnt"))
		attr.config = 4096 / 16;
	else if (!strcmp(word, "group"))
		group = pv_try_open(t, &attr, -1, pv_cpu(t), -1, 0);
	else if (!strcmp(word, "branch-stack")) {
		attr.sample_type |= PERF_SAMPLE_BRANCH_STACK;
		attr.branch_sample_type = PERF_SAMPLE_BRANCH_ANY;
		due = -EOPNOTSUPP;
	}
	attr.exclude_user = !strcmp(word, "exclude-user");
	attr.exclude_kernel = !strcmp(word, "exclude-kernel");
	attr.exclude_hv = !strcmp(word, "exclude-hv");
	attr.exclude_idle = !strcmp(word, "exclude-idle");
	attr.exclude_host = !strcmp(word, "exclude-host");
	attr.exclude_guest = !strcmp(word, "exclude-guest");
	pv_expect_errno(t, "with it", pv_outcome(t, &attr, -1, pv_cpu(t), group, 0), due);
}

PV_CASE(ibs, busy, .pmu = "ibs-op ibs-fetch", .needs = "root", .proof = "kernel",
	.about =
		"there is one engine: of two events that are on, each gets its share of the time and its samples")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 4096);
	struct pv_ev *ev[2] = {pv_ibs_open(t, &attr), pv_ibs_open(t, &attr)};
	struct pv_count count[2];

	for (int i = 0; i < 2; i++)
		pv_enable(t, ev[i]);
	/* Rotation is the tick's. */
	pv_asm_loop(40000000);
	for (int i = 0; i < 2; i++)
		pv_disable(t, ev[i]);
	for (int i = 0; i < 2; i++) {
		count[i] = pv_read(t, ev[i]);
		pv_expect_in(t, "samples", pv_ring_samples(t, ev[i]), 1, ~0ull);
		pv_expect_in(t, "time running", count[i].running, 1, count[i].enabled - 1);
	}
	/* One is enabled, and disabled, a little before the other. */
	pv_expect_in(t, "both together", count[0].running + count[1].running, 1,
		     count[0].enabled + count[1].enabled / 64);
}
