/* SPDX-License-Identifier: GPL-2.0-only */
/* What a sample of AMD's instruction-based sampling says: registers, branches, memory; filters. */
#define _GNU_SOURCE
#include <string.h>

#include "arch/work.h"
#include "cases/lib/ibs.h"

#define TURNS PV_IBS_TURNS

/* arch/x86/include/asm/amd/ibs.h, APM volume 2, 13.3 */
#define OP_VALID      (1ull << 18)
#define OP_ENABLE     (1ull << 17)
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
	struct perf_event_attr attr = pv_ibs_attr(t, 4096);
	uint64_t on = pv_ibs_is_op(t) ? OP_VALID | OP_ENABLE : FETCH_VALID | FETCH_ENABLE;
	uint64_t samples = 0, size = 0, state = 0, period = 0, address = 0, caps = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_RAW;
	ev = pv_ibs_open(t, &attr);
	pv_ibs_loop(t, ev, TURNS);
	while (pv_sample_next(t, ev, &rec, &s)) {
		unsigned int n;

		samples++;
		if (s.raw_size < sizeof(uint32_t) + FETCH_REGISTERS * sizeof(uint64_t)) {
			size++;
			continue;
		}
		n = raw_registers(raw_caps(&s), pv_ibs_is_op(t));
		size += s.raw_size != sizeof(uint32_t) + n * sizeof(uint64_t);
		caps += !(raw_caps(&s) & CAP_AVAILABLE);
		state += (pv_ibs_raw(&s, CTL) & on) != on;
		period += (pv_ibs_raw(&s, CTL) & 0xffff) != 4096 / 16;
		address += pv_ibs_raw(&s, ADDRESS) != s.ip;
	}
	pv_expect_in(t, "samples", samples, pv_ibs_is_op(t) ? TURNS / 4096 : 1, ~0ull);
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
	struct perf_event_attr attr = pv_ibs_attr(t, 4096);
	uint64_t branches = 0, others = 0, wrong = 0, targets = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_RAW;
	/* By ops: the count's random start meets both instructions. */
	attr.config = pv_ibs_format(t, "cnt_ctl");
	ev = pv_ibs_open(t, &attr);
	pv_ibs_loop(t, ev, TURNS);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!pv_ibs_within(s.ip, pv_asm_loop) || s.raw_size < 4 + 8 * OP_REGISTERS)
			continue;
		if (!(pv_ibs_raw(&s, OP_DATA) & DATA_BRANCH)) {
			others++;
			wrong += s.ip == (uintptr_t)pv_asm_loop_last;
			continue;
		}
		wrong += s.ip != (uintptr_t)pv_asm_loop_last;
		branches++;
		if (raw_caps(&s) & CAP_BR_TARGET)
			targets += pv_ibs_raw(&s, OP_REGISTERS) != (uintptr_t)pv_asm_loop_first ||
				   !(pv_ibs_raw(&s, OP_DATA) & DATA_TAKEN);
	}
	pv_expect_in(t, "branches", branches, 1, TURNS);
	pv_expect_in(t, "others", others, pv_deterministic(t), TURNS);
	pv_expect_eq(t, "branches at another address, others at the branch's", wrong, 0);
	pv_expect_eq(t, "branches that lead elsewhere, or are not taken", targets, 0);
}

/* ---- memory ---- */

/* Where the model's datum is goes by bits 6 and 7 of its address, and so does how long it takes. */
static const struct {
	const char *word;
	unsigned int level, weight;
} places[] = {
	{"l1", PERF_MEM_LVL_L1, 0},
	{"l2", PERF_MEM_LVL_L2, 14},
	{"l3", PERF_MEM_LVL_L3, 50},
	{"memory", PERF_MEM_LVL_LOC_RAM, 200},
};

static char data[256] __attribute__((aligned(256)));

PV_CASE(ibs, loads, .pmu = "ibs-op", .needs = "root", .arch = "x86_64", .proof = "kernel",
	.each = "word[l1,l2,l3,memory]",
	.about =
		"a sampled load tells its address, where the datum was and how long it took; other ops tell none")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 1024);
	uint64_t loads = 0, others = 0, address = 0, level = 0, weight = 0, elsewhere = 0,
		 physical = 0;
	union perf_mem_data_src src;
	unsigned int place = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	while (strcmp(places[place].word, pv_word(t)))
		place++;
	attr.sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC | PERF_SAMPLE_WEIGHT |
			    PERF_SAMPLE_PHYS_ADDR;
	attr.config = pv_ibs_format(t, "cnt_ctl");
	ev = pv_ibs_open(t, &attr);
	pv_enable(t, ev);
	pv_asm_load4(TURNS, data + 64 * place);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!pv_ibs_within(s.ip, pv_asm_load4))
			continue;
		src.val = s.data_src;
		if (src.mem_op != PERF_MEM_OP_LOAD) {
			others++;
			elsewhere += s.addr != 0;
			continue;
		}
		loads++;
		address += s.addr != (uintptr_t)data + 64 * place;
		physical += (s.phys_addr ^ s.addr) & 0xfff;
		level += (src.mem_lvl & (places[place].level | PERF_MEM_LVL_HIT)) !=
			 (places[place].level | PERF_MEM_LVL_HIT);
		weight += s.weight != places[place].weight;
	}
	/* The kernel's way out of the interrupt is counted too: more samples than periods. */
	pv_expect_in(t, "loads", loads, TURNS / 1024 / 2, TURNS);
	pv_expect_in(t, "others", others, 1, 2 * TURNS);
	pv_expect_eq(t, "loads of another address", address, 0);
	pv_expect_eq(t, "loads of another place in the page", physical, 0);
	pv_expect_eq(t, "others with an address", elsewhere, 0);
	if (!pv_deterministic(t))
		return;
	/* One of three instructions loads. */
	pv_expect_in(t, "others, two for each load", others, loads * 3 / 2, loads * 5 / 2);
	pv_expect_eq(t, "loads from elsewhere", level, 0);
	pv_expect_eq(t, "loads that took another time", weight, 0);
}

PV_CASE(ibs, stores, .pmu = "ibs-op", .needs = "root", .arch = "x86_64", .proof = "kernel",
	.about = "a sampled store tells its address, and that it is one")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 1024);
	uint64_t stores = 0, address = 0, loads = 0;
	union perf_mem_data_src src;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC;
	attr.config = pv_ibs_format(t, "cnt_ctl");
	ev = pv_ibs_open(t, &attr);
	pv_enable(t, ev);
	pv_asm_store4(TURNS, data);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!pv_ibs_within(s.ip, pv_asm_store4))
			continue;
		src.val = s.data_src;
		loads += src.mem_op == PERF_MEM_OP_LOAD;
		if (src.mem_op != PERF_MEM_OP_STORE)
			continue;
		stores++;
		address += s.addr != (uintptr_t)data;
	}
	pv_expect_in(t, "stores", stores, TURNS / 1024 / 2, TURNS);
	pv_expect_eq(t, "stores elsewhere", address, 0);
	pv_expect_eq(t, "loads", loads, 0);
}

/* ---- filters ---- */

PV_CASE(ibs, swfilt, .pmu = "ibs-op ibs-fetch", .needs = "root", .proof = "kernel",
	.each = "word[exclude-kernel,exclude-user]",
	.about =
		"with swfilt the kernel leaves out samples of the excluded side, and takes the others")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 1024);
	bool user = !strcmp(pv_word(t), "exclude-user");
	uint64_t kept = 0, excluded = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.config2 = pv_ibs_format(t, "swfilt");
	attr.exclude_user = user;
	attr.exclude_kernel = !user;
	ev = pv_ibs_open(t, &attr);
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
	struct perf_event_attr attr = pv_ibs_attr(t, 256);
	uint64_t all, samples = 0, hits = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_RAW;
	ev = pv_ibs_open(t, &attr);
	pv_ibs_loop(t, ev, TURNS);
	for (all = 0; pv_sample_next(t, ev, &rec, &s);)
		all++;
	pv_close(t, ev);
	attr.config = pv_ibs_format(t, "l3missonly");
	ev = pv_ibs_open(t, &attr);
	pv_ibs_loop(t, ev, TURNS);
	while (pv_sample_next(t, ev, &rec, &s)) {
		samples++;
		hits += !(pv_ibs_raw(&s, CTL) & FETCH_L3_MISS);
	}
	pv_expect_eq(t, "samples that have not missed", hits, 0);
	pv_expect_in(t, "samples", samples, pv_deterministic(t), all / 4);
}

PV_CASE(ibs, l3loads, .pmu = "ibs-op", .needs = "root", .arch = "x86_64", .proof = "kernel",
	.about = "with l3missonly the only ops that are sampled are loads from memory")
{
	struct perf_event_attr attr = pv_ibs_attr(t, 1024);
	uint64_t misses = 0, others = 0;
	struct pv_ev *ev;
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_ADDR;
	attr.config = pv_ibs_format(t, "l3missonly") | pv_ibs_format(t, "cnt_ctl");
	ev = pv_ibs_open(t, &attr);
	pv_enable(t, ev);
	/* The model's datum is in memory by its address, or in the L1. */
	pv_asm_load4(TURNS, data + 192);
	pv_asm_load4(TURNS, data);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!pv_ibs_within(s.ip, pv_asm_load4))
			continue;
		misses += s.addr == (uintptr_t)data + 192;
		others += s.addr != (uintptr_t)data + 192;
	}
	pv_expect_in(t, "loads from memory", misses, pv_deterministic(t), TURNS);
	pv_expect_eq(t, "other ops", others, 0);
}
