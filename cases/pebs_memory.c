/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a precise sample tells of memory: the datum's address against the registers of the same
 * sample, where it came from, how long that took. Retirement latencies are what perf's TPEBS makes
 * mean, least, largest and last of.
 */
#define _GNU_SOURCE
#include <asm/perf_regs.h>
#include <string.h>

#include "arch/precise.h"
#include "cases/lib/pebs.h"

#define TURNS 4000
/* Haswell takes no less than 32. */
#define LATENCY_PERIOD 37
/* Lines of the area that a load can be of: bits 6 and 7 of its address. */
#define LINES 4
/* The model's rule: the instruction takes so much longer than the datum. */
#define INSN_LATENCY 6

static struct pv_record rec;

static unsigned int line_of(uint64_t address)
{
	return address / 64 % LINES;
}

PV_CASE(pebs, address, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.each = "word[loads,stores]",
	.about =
		"ADDR is where the sample's own registers say that the instruction has read or written, DATA_SRC whether it was a load or a store")
{
	bool store = !strcmp(pv_word(t), "stores");
	struct perf_event_attr attr = pv_pebs_attr(t, pv_word(t), 2);
	uint64_t inside = 0, elsewhere = 0, other = 0;
	void *area = pv_pebs_area();
	union perf_mem_data_src src;
	struct pv_pebs_sample p;
	struct pv_sample s;
	struct pv_ev *ev;

	attr.sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC;
	ev = pv_pebs_open(t, &attr, 0, -1, NULL);
	pv_enable(t, ev);
	pv_asm_precise(TURNS, area, PV_PEBS_MARK);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!pv_pebs_place(t, &s, TURNS, false, &p))
			continue;
		inside++;
		elsewhere += s.addr != pv_reg(t, &s.intr, PERF_REG_X86_SI) +
					       pv_reg(t, &s.intr, PERF_REG_X86_CX) +
					       (store ? PV_PRECISE_STORE : 0);
		src.val = s.data_src;
		other += src.mem_op != (uint64_t)(store ? PERF_MEM_OP_STORE : PERF_MEM_OP_LOAD);
	}
	pv_expect_in(t, "samples in the loop", inside, TURNS / PV_PEBS_PERIOD - 1,
		     TURNS / PV_PEBS_PERIOD + 1);
	pv_expect_eq(t, "another address", elsewhere, 0);
	pv_expect_eq(t, "another operation", other, 0);
}

/* The latency event's threshold; in front of it the auxiliary event where it is due. */
static struct pv_ev *open_latency(struct pv_test *t, uint64_t threshold)
{
	struct perf_event_attr attr = pv_pebs_attr(t, "latency", 2), aux;
	struct pv_ev *leader = NULL;

	attr.config1 = threshold;
	attr.sample_period = LATENCY_PERIOD;
	attr.sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_SRC | PERF_SAMPLE_WEIGHT;
	if (pv_pmu(t)->precise.load_group) {
		pv_expect_errno(t, "without the auxiliary event",
				pv_outcome(t, &attr, 0, -1, -1, 0), -ENODATA);
		aux = attr;
		aux.config = 0x8203;
		aux.config1 = aux.precise_ip = aux.sample_period = 0;
		aux.sample_type = aux.sample_regs_intr = 0;
		leader = pv_open(t, &aux, 0, -1, NULL, 0);
		attr.disabled = 0;
	}
	return pv_pebs_open(t, &attr, 0, -1, leader);
}

PV_CASE(pebs, latency, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.each = "n[3,20,100]",
	.about =
		"load latency samples the loads that took longer than ldlat, and tells how long (WEIGHT) and from where the datum came (DATA_SRC)")
{
	const unsigned int *latency = pv_pmu(t)->precise.latency;
	static const unsigned int levels[LINES] = {PERF_MEM_LVLNUM_L1, PERF_MEM_LVLNUM_L2,
						   PERF_MEM_LVLNUM_L3, PERF_MEM_LVLNUM_RAM};
	uint64_t inside = 0, wrong = 0, source = 0, quick = 0, seen = 0, lines = 0;
	void *area = pv_pebs_area();
	union perf_mem_data_src src;
	struct pv_pebs_sample p;
	struct pv_sample s;
	struct pv_ev *ev, *leader;

	if (!latency[0])
		pv_skip(t, PV_ABSENT, "how long a load takes is known of the PMU model only");
	ev = open_latency(t, pv_n(t));
	leader = pv_leader(ev);
	pv_enable(t, leader);
	pv_asm_precise(TURNS, area, PV_PEBS_MARK);
	pv_disable(t, leader);
	for (unsigned int i = 0; i < LINES; i++)
		lines += latency[i] > pv_n(t);
	while (pv_sample_next(t, ev, &rec, &s)) {
		unsigned int line = line_of(s.addr);

		if (!pv_pebs_place(t, &s, TURNS, false, &p))
			continue;
		inside++;
		seen |= 1u << line;
		quick += s.weight <= (uint64_t)pv_n(t);
		wrong += s.weight != latency[line] || line != line_of(p.offset);
		src.val = s.data_src;
		source += src.mem_lvl_num != levels[line];
	}
	pv_expect_in(t, "samples in the loop", inside, TURNS * lines / LINES / LATENCY_PERIOD - 1,
		     TURNS * lines / LINES / LATENCY_PERIOD + 1);
	pv_expect_eq(t, "lines that they are of", __builtin_popcountll(seen), lines);
	pv_expect_eq(t, "of no longer than the threshold", quick, 0);
	pv_expect_eq(t, "of another latency than the line's", wrong, 0);
	pv_expect_eq(t, "from elsewhere than the line", source, 0);
}

/* What TPEBS makes of the samples. */
struct aggregate {
	uint64_t n, sum, least, most, last;
	uint64_t wrong; /* datum's or instruction's latency is not that of the line */
};

static struct aggregate gather(struct pv_test *t, struct pv_ev *ev, uint64_t turns)
{
	const struct pv_precise_desc *d = &pv_pmu(t)->precise;
	struct aggregate a = {.least = UINT64_MAX};
	union perf_sample_weight w;
	struct pv_pebs_sample p;
	struct pv_sample s;

	while (pv_sample_next(t, ev, &rec, &s)) {
		unsigned int latency = d->latency[line_of(s.addr)];

		if (!pv_pebs_place(t, &s, turns, false, &p))
			continue;
		w.full = s.weight;
		a.wrong += w.var1_dw != latency ||
			   w.var2_w != (d->split_latency ? latency + INSN_LATENCY : 0);
		a.n++;
		a.sum += w.var3_w;
		a.least = w.var3_w < a.least ? w.var3_w : a.least;
		a.most = w.var3_w > a.most ? w.var3_w : a.most;
		a.last = w.var3_w;
	}
	return a;
}

static void expect_aggregate(struct pv_test *t, const struct aggregate *a, uint64_t turns)
{
	const struct pv_precise_desc *d = &pv_pmu(t)->precise;
	struct aggregate due = {.least = UINT64_MAX};

	for (uint64_t turn = 0; turn < turns; turn++) {
		unsigned int latency = d->latency[line_of(turn * PV_PRECISE_STEP)];

		latency = d->retire_latency ? latency : 0;
		due.sum += latency;
		due.least = latency < due.least ? latency : due.least;
		due.most = latency > due.most ? latency : due.most;
		due.last = latency;
	}
	pv_expect_eq(t, "samples", a->n, turns);
	pv_expect_eq(t, "sum of the retirement latencies", a->sum, due.sum);
	pv_expect_eq(t, "the least", a->least, due.least);
	pv_expect_eq(t, "the largest", a->most, due.most);
	pv_expect_eq(t, "the last", a->last, due.last);
	pv_expect_eq(t, "other latencies that are not the line's", a->wrong, 0);
}

PV_CASE(pebs, retire, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.each = "n[0,1,320]",
	.about =
		"each load's latency of retirement (WEIGHT_STRUCT var3, what TPEBS sums up) is its own, 0 where the PMU has none, and two events of one kind tell the same independently")
{
	struct perf_event_attr attr = pv_pebs_attr(t, "loads", 2);
	struct aggregate first, second;
	struct pv_ev *a, *b;

	if (!pv_pmu(t)->precise.latency[0])
		pv_skip(t, PV_ABSENT, "how long a load takes is known of the PMU model only");
	attr.sample_period = 1;
	attr.sample_type |= PERF_SAMPLE_ADDR | PERF_SAMPLE_WEIGHT_STRUCT;
	if (!pv_pmu(t)->precise.xmm)
		pv_skip(t, PV_ABSENT,
			"records before format 4 tell the latency of the latency event only");
	a = pv_pebs_open(t, &attr, 0, -1, NULL);
	b = pv_pebs_open(t, &attr, 0, -1, NULL);
	pv_enable(t, a);
	pv_enable(t, b);
	pv_asm_precise(pv_n(t), pv_pebs_area(), PV_PEBS_MARK);
	pv_disable(t, a);
	pv_disable(t, b);
	first = gather(t, a, pv_n(t));
	second = gather(t, b, pv_n(t));
	expect_aggregate(t, &first, pv_n(t));
	expect_aggregate(t, &second, pv_n(t));
}
