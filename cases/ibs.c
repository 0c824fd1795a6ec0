/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AMD's instruction-based sampling. Its events sample and do nothing else; up to Linux 6.1 they
 * are a CPU's only, so that is how they are opened here. What the engines count while the kernel
 * takes a sample is the kernel's: bounds come from core counters that run beside them.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/work.h"
#include "cases/pv.h"

#define DEVICES "/sys/bus/event_source/devices/"
#define RATE    "/proc/sys/kernel/perf_event_max_sample_rate"
#define TIME    "/proc/sys/kernel/perf_cpu_time_max_percent"
#define PERIOD  65536
#define TURNS   300000
/* No workload of arch/x86/work_64.S is longer. */
#define CODE 64

/* arch/x86/include/asm/amd/ibs.h, APM volume 2, 13.3 */
#define OP_CNT_CTL    (1ull << 19)
#define OP_VALID      (1ull << 18)
#define OP_ENABLE     (1ull << 17)
#define OP_EXT        20
#define FETCH_VALID   (1ull << 49)
#define FETCH_ENABLE  (1ull << 48)
#define FETCH_L3_MISS (1ull << 61)
#define DATA_BRANCH   (1ull << 37)
#define DATA_TAKEN    (1ull << 35)

/* CPUID 8000_001B EAX, which stands in front of a raw sample */
#define CAP_AVAILABLE (1u << 0)
#define CAP_BR_TARGET (1u << 5)
#define CAP_FETCH_EXT (1u << 9)
#define CAP_OP_DATA4  (1u << 10)

static struct pv_record rec;

static bool is_op(struct pv_test *t)
{
	return !strcmp(pv_pmu(t)->family, "ibs-op");
}

/* The bits of a one-bit format field, and its word; ends the case where the kernel has not got it.
 */
static uint64_t format_bit(struct pv_test *t, const char *name)
{
	const struct pv_pmu *pmu = pv_pmu(t);
	char path[128], text[32];

	snprintf(path, sizeof(path), DEVICES "%s/format/%s", pmu->sysfs, name);
	if (pv_file_read(path, text, sizeof(text)) < 0)
		pv_skip(t, PV_ABSENT, "%s is not there: the CPU or the kernel has it not", path);
	for (size_t i = 0; i < pmu->nr_formats; i++)
		if (!strcmp(pmu->formats[i].name, name))
			return 1ull << pmu->formats[i].first;
	pv_error(t, PV_BROKEN_SETUP, "the descriptor has no field %s", name);
}

static struct perf_event_attr ibs_attr(struct pv_test *t, uint64_t period)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr), .disabled = 1, .sample_period = period};
	char path[128], text[32];

	snprintf(path, sizeof(path), DEVICES "%s/type", pv_pmu(t)->sysfs);
	if (pv_file_read(path, text, sizeof(text)) < 0)
		pv_skip(t, PV_ABSENT, "no %s", path);
	attr.type = strtoul(text, NULL, 10);
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD;
	attr.read_format =
		PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING | PERF_FORMAT_ID;
	return attr;
}

static struct pv_ev *open_ibs(struct pv_test *t, const struct perf_event_attr *attr)
{
	static bool unthrottled;
	struct pv_ev *ev;

	if (!unthrottled) {
		/* In this order: the rate cannot be set while nobody watches the time. */
		pv_knob(t, RATE, "10000000");
		pv_knob(t, TIME, "0");
		unthrottled = true;
	}
	ev = pv_open(t, attr, -1, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 64);
	return ev;
}

static bool within(uint64_t address, const void *function)
{
	return address - (uintptr_t)function < CODE;
}

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

static void run_loop(struct pv_test *t, struct pv_ev *ev, uint64_t turns)
{
	pv_enable(t, ev);
	pv_asm_loop(turns);
	pv_disable(t, ev);
}

/* The two count a little longer than the engine. */
static struct beside run_beside(struct pv_test *t, const char *event, struct pv_ev *ev,
				uint64_t turns)
{
	struct beside b = open_beside(t, event);

	run_loop(t, ev, turns);
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
	struct perf_event_attr attr = ibs_attr(t, period);
	struct pv_ev *ev;
	struct beside b;

	attr.config = ops ? format_bit(t, "cnt_ctl") : 0;
	ev = open_ibs(t, &attr);
	b = run_beside(t, ops ? "ex_ret_instr" : "ls_not_halted_cyc", ev,
		       period < PERIOD ? 10 * PERIOD : 10 * period);
	expect_samples(t, b, count_samples(t, ev, period), period, 1);
}

/* A fetch is what the CPU takes at once; the model's are one in four instructions. */
PV_CASE(ibs, fetches, .pmu = "ibs-fetch", .needs = "root", .proof = "kernel",
	.each = "word[plain,random]",
	.about = "one sample for each period of fetches, with random low bits too")
{
	struct perf_event_attr attr = ibs_attr(t, PERIOD / 4);
	struct pv_ev *ev;
	struct beside b;
	uint64_t samples;

	if (!strcmp(pv_word(t), "random"))
		attr.config = format_bit(t, "rand_en");
	ev = open_ibs(t, &attr);
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
	struct perf_event_attr attr = ibs_attr(t, 0);
	struct pv_ev *ev;
	struct beside b;
	uint64_t samples, period = is_op(t) ? PERIOD : PERIOD / 4;

	attr.config = period / 16;
	ev = open_ibs(t, &attr);
	b = run_beside(t, is_op(t) ? "ls_not_halted_cyc" : "ex_ret_instr", ev, 10 * PERIOD);
	samples = count_samples(t, ev, period);
	if (is_op(t) || pv_deterministic(t))
		expect_samples(t, b, samples, period, is_op(t) ? 1 : 4);
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
		if (!within(s.ip, pv_asm_loop))
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
	struct perf_event_attr attr = ibs_attr(t, 4096);
	struct pv_ev *ev = open_ibs(t, &attr);

	run_loop(t, ev, TURNS);
	/* Some land in the kernel, whose interrupts are counted too. */
	expect_exact(t, ev, is_op(t) ? TURNS / 4096 / 2 : 1);
}

PV_CASE(ibs, precise, .pmu = "ibs-op", .needs = "root", .proof = "kernel",
	.each = "word[cycles,raw-cycles,raw-ops] n[1,2]",
	.about = "the core PMU hands precise cycles and ops to IBS: its samples are exact")
{
	struct perf_event_attr attr = ibs_attr(t, 4096);
	bool raw = strcmp(pv_word(t), "cycles");

	attr.type = raw ? PERF_TYPE_RAW : PERF_TYPE_HARDWARE;
	attr.config = !raw                             ? PERF_COUNT_HW_CPU_CYCLES
		      : !strcmp(pv_word(t), "raw-ops") ? 0xc1
						       : 0x76;
	attr.precise_ip = pv_n(t);
	struct pv_ev *ev = open_ibs(t, &attr);

	run_loop(t, ev, TURNS);
	expect_exact(t, ev, TURNS / 4096 / 2);
}

/* ---- raw samples ---- */

static uint64_t raw_word(const struct pv_sample *s, unsigned int i)
{
	uint64_t word;

	memcpy(&word, s->raw + sizeof(uint32_t) + i * sizeof(word), sizeof(word));
	return word;
}

static uint32_t raw_caps(const struct pv_sample *s)
{
	uint32_t caps;

	memcpy(&caps, s->raw, sizeof(caps));
	return caps;
}

/* Registers in a raw sample: IBSOPCTL to IBSDCPHYSAD, then what the CPU has; FETCHCTL to PHYSAD. */
enum { CTL, ADDRESS, OP_DATA, OP_REGISTERS = 7, FETCH_REGISTERS = 3 };

static unsigned int raw_registers(uint32_t caps, bool op)
{
	if (op)
		return OP_REGISTERS + !!(caps & CAP_BR_TARGET) + !!(caps & CAP_OP_DATA4);
	return FETCH_REGISTERS + !!(caps & CAP_FETCH_EXT);
}

PV_CASE(ibs, raw, .pmu = "ibs-op ibs-fetch", .needs = "root", .proof = "kernel",
	.about =
		"a raw sample has the capabilities and then the engine's registers: enabled, valid, its period, its address")
{
	struct perf_event_attr attr = ibs_attr(t, 4096);
	uint64_t on = is_op(t) ? OP_VALID | OP_ENABLE : FETCH_VALID | FETCH_ENABLE;
	uint64_t samples = 0, size = 0, state = 0, period = 0, address = 0, caps = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_RAW;
	ev = open_ibs(t, &attr);
	run_loop(t, ev, TURNS);
	while (pv_sample_next(t, ev, &rec, &s)) {
		unsigned int n;

		samples++;
		if (s.raw_size < sizeof(uint32_t) + FETCH_REGISTERS * sizeof(uint64_t)) {
			size++;
			continue;
		}
		n = raw_registers(raw_caps(&s), is_op(t));
		size += s.raw_size != sizeof(uint32_t) + n * sizeof(uint64_t);
		caps += !(raw_caps(&s) & CAP_AVAILABLE);
		state += (raw_word(&s, CTL) & on) != on;
		period += (raw_word(&s, CTL) & 0xffff) != 4096 / 16;
		address += raw_word(&s, ADDRESS) != s.ip;
	}
	pv_expect_in(t, "samples", samples, is_op(t) ? TURNS / 4096 : 1, ~0ull);
	pv_expect_eq(t, "samples of another size", size, 0);
	pv_expect_eq(t, "capabilities without the first bit", caps, 0);
	pv_expect_eq(t, "samples not valid or not enabled", state, 0);
	pv_expect_eq(t, "samples of another count", period, 0);
	pv_expect_eq(t, "samples of another address", address, 0);
}

PV_CASE(ibs, branches, .pmu = "ibs-op", .needs = "root", .proof = "kernel",
	.about =
		"of the loop's ops the last instruction's is a branch, the others are none; its target is in the loop")
{
	struct perf_event_attr attr = ibs_attr(t, 4096);
	uint64_t branches = 0, others = 0, wrong = 0, targets = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_RAW;
	/* By ops: the count's random start meets both instructions. */
	attr.config = format_bit(t, "cnt_ctl");
	ev = open_ibs(t, &attr);
	run_loop(t, ev, TURNS);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!within(s.ip, pv_asm_loop) || s.raw_size < 4 + 8 * OP_REGISTERS)
			continue;
		if (!(raw_word(&s, OP_DATA) & DATA_BRANCH)) {
			others++;
			wrong += s.ip == (uintptr_t)pv_asm_loop_last;
			continue;
		}
		wrong += s.ip != (uintptr_t)pv_asm_loop_last;
		branches++;
		if (raw_caps(&s) & CAP_BR_TARGET)
			targets += raw_word(&s, OP_REGISTERS) != (uintptr_t)pv_asm_loop_first ||
				   !(raw_word(&s, OP_DATA) & DATA_TAKEN);
	}
	pv_expect_in(t, "branches", branches, 1, TURNS);
	pv_expect_in(t, "others", others, pv_deterministic(t), TURNS);
	pv_expect_eq(t, "branches at another address, others at the branch's", wrong, 0);
	pv_expect_eq(t, "branches that lead elsewhere, or are not taken", targets, 0);
}

/* ---- filters ---- */

PV_CASE(ibs, swfilt, .pmu = "ibs-op ibs-fetch", .needs = "root", .proof = "kernel",
	.each = "word[exclude-kernel,exclude-user]",
	.about =
		"with swfilt the kernel leaves out samples of the excluded side, and takes the others")
{
	struct perf_event_attr attr = ibs_attr(t, 1024);
	bool user = !strcmp(pv_word(t), "exclude-user");
	uint64_t kept = 0, excluded = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.config2 = format_bit(t, "swfilt");
	attr.exclude_user = user;
	attr.exclude_kernel = !user;
	ev = open_ibs(t, &attr);
	pv_enable(t, ev);
	pv_asm_loop(TURNS);
	/* Kernel mode enough. */
	pv_calls(3000);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		bool kernel = s.ip >= PV_KERNEL_HALF;

		kept += kernel == user;
		excluded += kernel != user;
	}
	pv_expect_in(t, "samples of the other side", kept, 20, ~0ull);
	pv_expect_eq(t, "samples of the excluded side", excluded, 0);
}

PV_CASE(ibs, l3missonly, .pmu = "ibs-fetch", .needs = "root", .proof = "kernel",
	.about =
		"with l3missonly each sampled fetch has missed the L3, and there are fewer of them")
{
	struct perf_event_attr attr = ibs_attr(t, 256);
	uint64_t all, samples = 0, hits = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_RAW;
	ev = open_ibs(t, &attr);
	run_loop(t, ev, TURNS);
	for (all = 0; pv_sample_next(t, ev, &rec, &s);)
		all++;
	pv_close(t, ev);
	attr.config = format_bit(t, "l3missonly");
	ev = open_ibs(t, &attr);
	run_loop(t, ev, TURNS);
	while (pv_sample_next(t, ev, &rec, &s)) {
		samples++;
		hits += !(raw_word(&s, CTL) & FETCH_L3_MISS);
	}
	pv_expect_eq(t, "samples that have not missed", hits, 0);
	pv_expect_in(t, "samples", samples, pv_deterministic(t), all / 4);
}

/* ---- refusals ---- */

PV_CASE(ibs, refused, .pmu = "ibs-op ibs-fetch", .needs = "root", .proof = "kernel",
	.each = "word[counting,short,reserved,maxcnt,branch-stack,group,exclude-user,exclude-kernel,exclude-hv,"
		"exclude-idle,exclude-host,exclude-guest]",
	.about =
		"IBS refuses what it cannot do: counting, short periods, reserved bits, both forms of a period, groups, exclusion")
{
	struct perf_event_attr attr = ibs_attr(t, 4096);
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
	struct perf_event_attr attr = ibs_attr(t, 4096);
	struct pv_ev *ev[2] = {open_ibs(t, &attr), open_ibs(t, &attr)};
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
