/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include "cases/lib/pebs.h"

#include <asm/perf_regs.h>
#include <string.h>

#include "arch/precise.h"

#define RATE "/proc/sys/kernel/perf_event_max_sample_rate"
#define TIME "/proc/sys/kernel/perf_cpu_time_max_percent"
#define RING 256

const uint64_t pv_pebs_regs = 0xff0000 | 0x3ff; /* r8 to r15, ax to flags */

/* perfmon: INST_RETIRED.ANY_P, BR_INST_RETIRED.ALL_BRANCHES, MEM_INST_RETIRED.ALL_LOADS and
 * .ALL_STORES, MEM_TRANS_RETIRED.LOAD_LATENCY_* */
static const struct pv_pebs_event events[] = {
	{"instructions", 0xc0, PV_PRECISE_INSNS, -1},
	{"branches", 0xc4, 1, 5},
	{"loads", 0x81d0, 1, 0},
	{"stores", 0x82d0, 1, 1},
	{"latency", 0x1cd, 1, 0},
};

const struct pv_pebs_event *pv_pebs_event(struct pv_test *t, const char *word)
{
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++)
		if (!strcmp(events[i].word, word))
			return &events[i];
	pv_error(t, PV_BROKEN_SETUP, "no precise event is called %s", word);
}

struct perf_event_attr pv_pebs_attr(struct pv_test *t, const char *word, unsigned int precise)
{
	struct perf_event_attr attr =
		pv_attr(t, pv_find_event(t, "intel-core", "br_inst_retired.all_branches"));

	attr.config = pv_pebs_event(t, word)->config;
	attr.exclude_kernel = 1;
	attr.sample_period = PV_PEBS_PERIOD;
	attr.precise_ip = precise;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_REGS_INTR;
	attr.sample_regs_intr = pv_pebs_regs;
	return attr;
}

struct pv_ev *pv_pebs_open(struct pv_test *t, const struct perf_event_attr *attr, pid_t pid,
			   int cpu, struct pv_ev *leader)
{
	static bool unthrottled;
	struct pv_ev *ev;

	/* No throttling: reading records takes an emulated CPU long. In this order: the rate cannot
	 * be set while nobody watches how long interrupts take. */
	if (!unthrottled) {
		pv_knob(t, RATE, "100000");
		pv_knob(t, TIME, "0");
	}
	unthrottled = true;
	ev = pv_open(t, attr, pid, cpu, leader, 0);
	pv_ring_map(t, ev, RING);
	return ev;
}

void *pv_pebs_area(void)
{
	static uint8_t area[PV_PRECISE_AREA] __attribute__((aligned(256)));

	/* Its page is there, and is ours to write. */
	memset(area, 1, sizeof(area));
	return area;
}

int pv_pebs_at(uint64_t ip)
{
	const char *const places[] = {pv_precise_load, pv_precise_store, pv_precise_add,
				      pv_precise_and,  pv_precise_dec,   pv_precise_branch};

	for (int i = 0; i < PV_PRECISE_INSNS; i++)
		if (ip == (uintptr_t)places[i])
			return i;
	return -1;
}

bool pv_pebs_place(struct pv_test *t, const struct pv_sample *s, uint64_t turns, bool next,
		   struct pv_pebs_sample *p)
{
	uint64_t left = pv_reg(t, &s->intr, PERF_REG_X86_DI);

	p->at = pv_pebs_at(s->ip);
	if (next && s->ip == (uintptr_t)pv_precise_end)
		p->at = PV_PRECISE_INSNS;
	if (p->at < 0)
		return false;
	if (next)
		p->at = (p->at + PV_PRECISE_INSNS - 1) % PV_PRECISE_INSNS;
	/* On the way into the loop. */
	if (next && p->at == PV_PRECISE_INSNS - 1 && left == turns)
		return false;
	/* The count has gone down behind the fifth. */
	p->turn = turns - left - (p->at >= 4);
	p->number = p->turn * PV_PRECISE_INSNS + p->at;
	p->offset = p->turn * PV_PRECISE_STEP % 256;
	return true;
}

unsigned int pv_pebs_unplanted(struct pv_test *t, const struct pv_sample *s,
			       const struct pv_pebs_sample *p, const void *area, uint64_t mark)
{
	uint64_t cx = p->at < 2 ? p->offset : p->offset + PV_PRECISE_STEP;
	const struct {
		unsigned int reg;
		uint64_t value;
	} planted[] = {
		{PERF_REG_X86_R12, mark},
		{PERF_REG_X86_R13, mark + 1},
		{PERF_REG_X86_R14, mark + 2},
		{PERF_REG_X86_R15, mark + 3},
		{PERF_REG_X86_BX, mark + 4},
		{PERF_REG_X86_BP, mark + 5},
		{PERF_REG_X86_R8, mark + 6},
		{PERF_REG_X86_SI, (uintptr_t)area},
		{PERF_REG_X86_CX, p->at < 3 ? cx : cx % 256},
	};
	unsigned int wrong = 0;

	for (size_t i = 0; i < sizeof(planted) / sizeof(planted[0]); i++)
		wrong += pv_reg(t, &s->intr, planted[i].reg) != planted[i].value;
	return wrong;
}
