/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a core PMU takes by the generic names, PERF_TYPE_HARDWARE and PERF_TYPE_HW_CACHE, and
 * what becomes of them where there is none.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static long outcome(struct pv_test *t, uint32_t type, uint64_t config)
{
	struct perf_event_attr attr = pv_dummy;

	attr.type = type;
	attr.config = config;
	return pv_outcome(t, &attr, 0, -1, -1, 0);
}

static uint64_t cache(unsigned int id, unsigned int op, unsigned int result)
{
	return id | op << 8 | result << 16;
}

/* armpmu_map_cache_event(), x86 set_ext_hw_attr() */
PV_CASE(errors, cache, .pmu = "hw", .proof = "kernel",
	.about =
		"a cache event of an unknown cache, operation or result is EINVAL; one that the CPU has not got is none")
{
	const unsigned int ids = PERF_COUNT_HW_CACHE_MAX, ops = PERF_COUNT_HW_CACHE_OP_MAX,
			   results = PERF_COUNT_HW_CACHE_RESULT_MAX;
	uint64_t strange = 0;

	pv_expect_errno(t, "unknown cache", outcome(t, PERF_TYPE_HW_CACHE, cache(ids, 0, 0)),
			-EINVAL);
	pv_expect_errno(t, "unknown operation", outcome(t, PERF_TYPE_HW_CACHE, cache(0, ops, 0)),
			-EINVAL);
	pv_expect_errno(t, "unknown result", outcome(t, PERF_TYPE_HW_CACHE, cache(0, 0, results)),
			-EINVAL);
	pv_expect_errno(t, "cache 255", outcome(t, PERF_TYPE_HW_CACHE, cache(255, 0, 0)), -EINVAL);
	pv_expect_errno(t, "operation 255", outcome(t, PERF_TYPE_HW_CACHE, cache(0, 255, 0)),
			-EINVAL);
	pv_expect_errno(t, "result 255", outcome(t, PERF_TYPE_HW_CACHE, cache(0, 0, 255)), -EINVAL);
	pv_expect_errno(t, "the first number behind the generic ones",
			outcome(t, PERF_TYPE_HARDWARE, PERF_COUNT_HW_MAX), -EINVAL);
	for (unsigned int i = 0; i < ids * ops * results; i++) {
		long err = outcome(t, PERF_TYPE_HW_CACHE,
				   cache(i % ids, i / ids % ops, i / ids / ops));

		/* x86 tells what makes no sense (-1 in its tables) by EINVAL. */
		strange += err < 0 && err != -ENOENT && err != -EINVAL;
	}
	pv_expect_eq(t, "known ones with another errno than ENOENT", strange, 0);
}

static const struct {
	uint32_t type;
	uint64_t config;
	const char *name;
} listed[] = {
	/* drivers/perf/arm_pmuv3.c armv8_pmuv3_perf_map, armv8_pmuv3_perf_cache_map */
	{PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, "cpu_cycles"},
	{PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, "inst_retired"},
	{PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, "l1d_cache"},
	{PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, "l1d_cache_refill"},
	{PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, "br_mis_pred"},
	{PERF_TYPE_HARDWARE, PERF_COUNT_HW_BUS_CYCLES, "bus_cycles"},
	{PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND, "stall_frontend"},
	{PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, "stall_backend"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_L1D, "l1d_cache"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_L1D | 1 << 16, "l1d_cache_refill"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_L1I, "l1i_cache"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_L1I | 1 << 16, "l1i_cache_refill"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_DTLB, "l1d_tlb"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_DTLB | 1 << 16, "l1d_tlb_refill"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_ITLB, "l1i_tlb"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_ITLB | 1 << 16, "l1i_tlb_refill"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_BPU, "br_pred"},
	{PERF_TYPE_HW_CACHE, PERF_COUNT_HW_CACHE_BPU | 1 << 16, "br_mis_pred"},
};

PV_CASE(errors, listed, .pmu = "pmuv3", .proof = "kernel",
	.about =
		"a generic event opens when the PMU lists the event that it stands for, else it is ENOENT")
{
	char path[160];
	struct stat s;

	for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++) {
		snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/events/%s",
			 pv_pmu(t)->sysfs, listed[i].name);
		pv_expect_errno(t, listed[i].name, outcome(t, listed[i].type, listed[i].config),
				stat(path, &s) ? -ENOENT : 0);
	}
}

static uint64_t for_type(uint32_t type, uint64_t config)
{
	return (uint64_t)type << 32 | config;
}

/* perf_init_event(): PERF_PMU_TYPE_SHIFT */
PV_CASE(errors, typed, .pmu = "perf", .each = "word[no-core-pmu,nobody]", .proof = "kernel",
	.about =
		"a generic event for a PMU that is no core PMU, or for none, is ENOENT, and not another PMU's event")
{
	static const uint32_t others[] = {PERF_TYPE_SOFTWARE, PERF_TYPE_TRACEPOINT,
					  PERF_TYPE_BREAKPOINT},
			      nobodys[] = {0x10000, 0x7ffffffe, 0xffffffff};
	bool nobody = !strcmp(pv_word(t), "nobody");
	char name[64];

	if (pv_attr_size(t) <= PERF_ATTR_SIZE_VER7)
		pv_skip(t, PV_TOO_OLD, "no PMU but arm_pmu's core ones took the type (before 6.6)");
	for (int i = 0; i < 3; i++) {
		uint32_t type = nobody ? nobodys[i] : others[i];

		snprintf(name, sizeof(name), "cycles of PMU %#x", type);
		pv_expect_errno(t, name, outcome(t, PERF_TYPE_HARDWARE, for_type(type, 0)),
				-ENOENT);
		snprintf(name, sizeof(name), "a cache event of PMU %#x", type);
		pv_expect_errno(t, name, outcome(t, PERF_TYPE_HW_CACHE, for_type(type, 0)),
				-ENOENT);
	}
}

PV_CASE(errors, typed_core, .pmu = "pmuv3", .proof = "kernel",
	.about =
		"a generic event for a core PMU by its type is that PMU's, and is refused as without a type")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "hw", "cycles")), own;
	uint32_t type = pv_attr(t, &pv_pmu(t)->events[0]).type;
	long err = outcome(t, PERF_TYPE_HARDWARE, for_type(type, 0));
	struct pv_ev *ev;

	if (err == -ENOENT && pv_attr_size(t) <= PERF_ATTR_SIZE_VER7)
		pv_skip(t, PV_TOO_OLD, "arm_pmu takes no type in config (before 6.6)");
	own = attr;
	own.config = for_type(type, PERF_COUNT_HW_CPU_CYCLES);
	ev = pv_open(t, &own, 0, -1, NULL, 0);
	pv_enable(t, ev);
	pv_work_event(t, pv_find_event(t, "hw", "cycles"), 1000);
	pv_disable(t, ev);
	/* a turn of the loop is a cycle or more */
	pv_expect_in(t, "cycles", pv_read(t, ev).value, 1000, UINT64_MAX);
	pv_expect_errno(t, "an unknown number",
			outcome(t, PERF_TYPE_HARDWARE, for_type(type, PERF_COUNT_HW_MAX)), -EINVAL);
	pv_expect_errno(t, "an unknown cache",
			outcome(t, PERF_TYPE_HW_CACHE, for_type(type, PERF_COUNT_HW_CACHE_MAX)),
			-EINVAL);
}

PV_CASE(errors, no_core_pmu, .pmu = "perf", .proof = "kernel",
	.about = "without a core PMU every generic, cache and raw event is ENOENT, known or not")
{
	char name[64];

	if (outcome(t, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES) != -ENOENT)
		pv_skip(t, PV_ABSENT, "this machine has a core PMU");
	for (uint64_t i = 0; i <= PERF_COUNT_HW_MAX; i++) {
		snprintf(name, sizeof(name), "generic event %u", (unsigned int)i);
		pv_expect_errno(t, name, outcome(t, PERF_TYPE_HARDWARE, i), -ENOENT);
	}
	pv_expect_errno(t, "a cache event", outcome(t, PERF_TYPE_HW_CACHE, 0), -ENOENT);
	pv_expect_errno(t, "an unknown cache", outcome(t, PERF_TYPE_HW_CACHE, 0xffffff), -ENOENT);
	pv_expect_errno(t, "raw event 0", outcome(t, PERF_TYPE_RAW, 0), -ENOENT);
	pv_expect_errno(t, "raw event 0x3c", outcome(t, PERF_TYPE_RAW, 0x3c), -ENOENT);
}

/*
 * x86 checks precise_ip against caps/max_precise; PMUs that know no skid do not look at it, and
 * their samples must not claim it.
 */
PV_CASE(errors, precise, .pmu = "sw tracepoint breakpoint kprobe uprobe", .each = "event[exact]",
	.proof = "kernel",
	.about =
		"a PMU that knows no skid takes every precise_ip, and no sample says that its place is exact")
{
	static struct pv_record rec;
	uint64_t samples, exact;

	for (unsigned int precise = 1; precise < 4; precise++) {
		struct perf_event_attr attr = pv_attr(t, pv_event(t));
		struct pv_ev *ev;

		attr.precise_ip = precise;
		pv_expect_errno(t, "counting", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
		attr.sample_period = 1;
		attr.sample_type = PERF_SAMPLE_IP;
		ev = pv_open(t, &attr, 0, -1, NULL, 0);
		pv_ring_map(t, ev, 4);
		pv_enable(t, ev);
		pv_work(t, 10);
		pv_disable(t, ev);
		for (samples = exact = 0; pv_ring_next(t, ev, &rec);) {
			samples += rec.header.type == PERF_RECORD_SAMPLE;
			exact += rec.header.type == PERF_RECORD_SAMPLE &&
				 rec.header.misc & PERF_RECORD_MISC_EXACT_IP;
		}
		pv_expect_eq(t, "samples", samples, 10 * pv_event(t)->per);
		pv_expect_eq(t, "samples said to be exact", exact, 0);
		pv_close(t, ev);
	}
}

/* x86_pmu_hw_config(): the number in caps/max_precise is the last that opens. */
PV_CASE(errors, max_precise, .pmu = "hw", .arch = "x86_64", .proof = "kernel",
	.about =
		"precise_ip opens up to the PMU's max_precise, above is EOPNOTSUPP, and EINVAL without samples")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "hw", "cycles"));
	unsigned int max;
	char text[16], name[32];

	if (pv_file_read("/sys/bus/event_source/devices/cpu/caps/max_precise", text, sizeof(text)) <
	    0)
		pv_skip(t, PV_ABSENT, "no caps/max_precise: a hybrid or unknown core PMU");
	max = strtoul(text, NULL, 10);
	for (unsigned int precise = 0; precise < 4; precise++) {
		attr.precise_ip = precise;
		attr.sample_period = 1000000;
		snprintf(name, sizeof(name), "precise_ip %u", precise);
		pv_expect_errno(t, name, pv_outcome(t, &attr, 0, -1, -1, 0),
				precise <= max ? 0 : -EOPNOTSUPP);
		attr.sample_period = 0;
		if (precise && precise <= max)
			pv_expect_errno(t, "the same without a period",
					pv_outcome(t, &attr, 0, -1, -1, 0), -EINVAL);
	}
}

/* 88ec7eedbbd2 raised the period of an event that has none, and refused it as too short. */
PV_CASE(regression, limit_period, .pmu = "hw", .each = "event[live]", .proof = "kernel",
	.fixes = "1a97fea9db9e (6.12.18..6.12.25, 6.1.130..6.1.135)",
	.about =
		"an event without a period opens whatever limits periods have, and so does one with any period that is not below the least")
{
	static const uint64_t periods[] = {31, 32, 33, 127, 128, 0x3f, 1ull << 31, 1ull << 47};
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	char name[32];

	pv_expect_errno(t, "counting", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr.freq = 1;
	attr.sample_freq = 100;
	pv_expect_errno(t, "a frequency", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr.freq = 0;
	for (size_t i = 0; i < sizeof(periods) / sizeof(periods[0]); i++) {
		attr.sample_period = periods[i];
		snprintf(name, sizeof(name), "period %#llx", (unsigned long long)periods[i]);
		pv_expect_errno(t, name, pv_outcome(t, &attr, 0, -1, -1, 0),
				periods[i] < pv_pmu(t)->min_period ? -EINVAL : 0);
	}
}
