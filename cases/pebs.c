/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Precise sampling (PEBS): a sample is of one known instruction, with the registers behind it and
 * the datum that it touched. The loop is arch/x86/precise_64.S; outside of it nothing is judged.
 */
#define _GNU_SOURCE
#include <asm/perf_regs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/precise.h"
#include "cases/lib/pebs.h"
#include "cases/lib/sys.h"

#define TURNS 6000
#define CAPS  "/sys/bus/event_source/devices/cpu/caps/max_precise"

static struct pv_record rec;

/* How far a sample may be behind the period: not at all where counts repeat to the bit. */
static uint64_t slack(const struct pv_test *t)
{
	return pv_deterministic(t) ? 0 : 8;
}

PV_CASE(pebs, exact, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.each = "word[instructions,branches,loads,stores]",
	.about =
		"each sample is of an instruction that makes the event, and they are a period apart, counted out in the loop: none is lost")
{
	const struct pv_pebs_event *e = pv_pebs_event(t, pv_word(t));
	struct perf_event_attr attr = pv_pebs_attr(t, pv_word(t), 2);
	struct pv_ev *ev = pv_pebs_open(t, &attr, 0, -1, NULL);
	uint64_t all = 0, inside = 0, foreign = 0, uneven = 0, inexact = 0, last = 0;
	void *area = pv_pebs_area();
	struct pv_pebs_sample p;
	struct pv_sample s;

	pv_enable(t, ev);
	pv_asm_precise(TURNS, area, PV_PEBS_MARK);
	pv_disable(t, ev);
	for (; pv_sample_next(t, ev, &rec, &s); all++) {
		uint64_t unit;

		inexact += !(rec.header.misc & PERF_RECORD_MISC_EXACT_IP);
		if (!pv_pebs_place(t, &s, TURNS, false, &p))
			continue;
		foreign += e->at >= 0 && p.at != e->at;
		unit = e->at >= 0 ? p.turn : p.number;
		uneven += inside &&
			  (unit - last < PV_PEBS_PERIOD || unit - last > PV_PEBS_PERIOD + slack(t));
		last = unit;
		inside++;
	}
	pv_expect_in(t, "samples in the loop", inside, TURNS * e->turn / PV_PEBS_PERIOD - 1,
		     TURNS * e->turn / PV_PEBS_PERIOD + 1);
	pv_expect_eq(t, "of another instruction", foreign, 0);
	pv_expect_eq(t, "not a period behind the one before", uneven, 0);
	pv_expect_eq(t, "not marked as exact", inexact, 0);
	pv_expect_in(t, "count", pv_read(t, ev).value, all * PV_PEBS_PERIOD,
		     (all + 1) * (PV_PEBS_PERIOD + slack(t)) - 1);
}

PV_CASE(pebs, level, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.each = "n[0,1,2,3]",
	.about =
		"precise_ip 1 tells the address behind the instruction, 2 and 3 its own, and only these are marked as exact")
{
	bool next = pv_n(t) < 2;
	struct perf_event_attr attr = pv_pebs_attr(t, "instructions", pv_n(t));
	struct pv_ev *ev = pv_pebs_open(t, &attr, 0, -1, NULL);
	uint64_t inside = 0, marked = 0, uneven = 0, last = 0, all = 0;
	void *area = pv_pebs_area();
	struct pv_pebs_sample p;
	struct pv_sample s;

	pv_enable(t, ev);
	pv_asm_precise(TURNS, area, PV_PEBS_MARK);
	pv_disable(t, ev);
	for (; pv_sample_next(t, ev, &rec, &s); all++) {
		marked += !!(rec.header.misc & PERF_RECORD_MISC_EXACT_IP);
		if (!pv_pebs_place(t, &s, TURNS, next, &p))
			continue;
		uneven += inside && (p.number - last < PV_PEBS_PERIOD ||
				     p.number - last > PV_PEBS_PERIOD + slack(t));
		last = p.number;
		inside++;
	}
	pv_expect_in(t, "samples in the loop", inside,
		     TURNS * PV_PRECISE_INSNS / PV_PEBS_PERIOD - 2,
		     TURNS * PV_PRECISE_INSNS / PV_PEBS_PERIOD + 1);
	pv_expect_eq(t, "marked as exact", marked, next ? 0 : all);
	if (pv_n(t))
		pv_expect_eq(t, "not a period behind the one before", uneven, 0);
}

PV_CASE(pebs, refused, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.about =
		"precise_ip is for sampling (EINVAL), up to caps/max_precise (EOPNOTSUPP); XMM registers go with it, where the PMU has them, and never with sample_regs_user")
{
	struct perf_event_attr attr = pv_pebs_attr(t, "instructions", 2);
	bool xmm = pv_pmu(t)->precise.xmm;
	char text[32] = "";

	pv_file_read(CAPS, text, sizeof(text));
	pv_expect_eq(t, "caps/max_precise", strtoul(text, NULL, 10), pv_pmu(t)->precise.max);
	pv_expect_errno(t, "precise 2", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	for (unsigned int n = pv_pmu(t)->precise.max + 1; n <= 3; n++) {
		attr.precise_ip = n;
		pv_expect_errno(t, "above max_precise", pv_outcome(t, &attr, 0, -1, -1, 0),
				-EOPNOTSUPP);
	}
	attr.sample_period = 0;
	for (unsigned int n = 1; n <= pv_pmu(t)->precise.max; n++) {
		attr.precise_ip = n;
		pv_expect_errno(t, "without a period", pv_outcome(t, &attr, 0, -1, -1, 0), -EINVAL);
	}
	attr = pv_pebs_attr(t, "instructions", 2);
	attr.sample_regs_intr |= 1ull << PERF_REG_X86_XMM0;
	pv_expect_errno(t, "XMM registers", pv_outcome(t, &attr, 0, -1, -1, 0), xmm ? 0 : -EINVAL);
	attr.precise_ip = 0;
	pv_expect_errno(t, "XMM registers, not precise", pv_outcome(t, &attr, 0, -1, -1, 0),
			-EINVAL);
	attr = pv_pebs_attr(t, "instructions", 2);
	attr.sample_type |= PERF_SAMPLE_REGS_USER;
	attr.sample_regs_user = 1ull << PERF_REG_X86_XMM0;
	pv_expect_errno(t, "the user's XMM registers", pv_outcome(t, &attr, 0, -1, -1, 0), -EINVAL);
}

PV_CASE(pebs, registers, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.each = "word[instructions,branches,loads,stores,xmm]",
	.about =
		"REGS_INTR of a precise sample are those behind its instruction: planted values, the datum's index, how many turns are left")
{
	bool xmm = !strcmp(pv_word(t), "xmm");
	struct perf_event_attr attr = pv_pebs_attr(t, xmm ? "instructions" : pv_word(t), 2);
	uint64_t inside = 0, wrong = 0, wrong_xmm = 0;
	void *area = pv_pebs_area();
	struct pv_pebs_sample p;
	struct pv_sample s;
	struct pv_ev *ev;

	if (xmm && !pv_pmu(t)->precise.xmm)
		pv_skip(t, PV_ABSENT, "this PMU's records have no XMM registers");
	if (xmm)
		attr.sample_regs_intr |= 3ull << PERF_REG_X86_XMM0 | 3ull << PERF_REG_X86_XMM15;
	ev = pv_pebs_open(t, &attr, 0, -1, NULL);
	pv_enable(t, ev);
	pv_asm_precise(TURNS, area, PV_PEBS_MARK);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!pv_pebs_place(t, &s, TURNS, false, &p))
			continue;
		inside++;
		wrong += pv_pebs_unplanted(t, &s, &p, area, PV_PEBS_MARK);
		if (xmm)
			wrong_xmm += pv_reg(t, &s.intr, PERF_REG_X86_XMM0) != PV_PEBS_MARK ||
				     pv_reg(t, &s.intr, PERF_REG_X86_XMM0 + 1) != 0 ||
				     pv_reg(t, &s.intr, PERF_REG_X86_XMM15) != PV_PEBS_MARK + 3;
	}
	pv_expect_in(t, "samples in the loop", inside, TURNS / PV_PEBS_PERIOD - 1, UINT32_MAX);
	pv_expect_eq(t, "registers that are not as planted", wrong, 0);
	if (xmm)
		pv_expect_eq(t, "XMM registers that are not as planted", wrong_xmm, 0);
}

PV_CASE(pebs, time, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.about =
		"the time of each record is its own, not that of the interrupt which found it: they rise from one to the next")
{
	struct perf_event_attr attr = pv_pebs_attr(t, "instructions", 2);
	uint64_t inside = 0, back = 0, first = 0, last = 0, wall;
	struct pv_pebs_sample p;
	struct pv_sample s;
	struct pv_ev *ev;

	attr.sample_type |= PERF_SAMPLE_TIME;
	ev = pv_pebs_open(t, &attr, 0, -1, NULL);
	wall = pv_sys_walltime();
	pv_enable(t, ev);
	pv_asm_precise(TURNS, pv_pebs_area(), PV_PEBS_MARK);
	pv_disable(t, ev);
	wall = pv_sys_walltime() - wall;
	while (pv_sample_next(t, ev, &rec, &s)) {
		if (!pv_pebs_place(t, &s, TURNS, false, &p))
			continue;
		back += inside && s.time <= last;
		first = inside++ ? first : s.time;
		last = s.time;
	}
	pv_expect_in(t, "samples in the loop", inside,
		     TURNS * PV_PRECISE_INSNS / PV_PEBS_PERIOD - 2,
		     TURNS * PV_PRECISE_INSNS / PV_PEBS_PERIOD + 1);
	pv_expect_eq(t, "not later than the one before", back, 0);
	pv_expect_in(t, "time from the first to the last", last - first, inside, wall);
}

/* Performance monitoring interrupts of this CPU so far. */
static uint64_t interrupts(struct pv_test *t)
{
	static char text[65536];
	char *line;
	uint64_t n = 0;

	pv_file_read("/proc/interrupts", text, sizeof(text));
	line = strstr(text, "PMI:");
	if (!line)
		pv_error(t, PV_BROKEN_SETUP, "/proc/interrupts has no line PMI");
	line += strlen("PMI:");
	for (int cpu = 0; cpu <= pv_cpu(t); cpu++)
		n = strtoull(line, &line, 10);
	return n;
}

PV_CASE(pebs, gathered, .pmu = "intel-core", .arch = "x86_64", .needs = "root", .proof = "kernel",
	.each = "word[many,each]",
	.about =
		"records are gathered, and one interrupt finds many of them; with wakeup_events each has its own")
{
	bool many = !strcmp(pv_word(t), "many");
	struct perf_event_attr attr = pv_pebs_attr(t, "instructions", 2);
	uint64_t samples, before, after;
	struct pv_ev *ev;

	attr.wakeup_events = many ? 0 : 1;
	ev = pv_pebs_open(t, &attr, 0, -1, NULL);
	before = interrupts(t);
	pv_enable(t, ev);
	pv_asm_precise(TURNS, pv_pebs_area(), PV_PEBS_MARK);
	pv_disable(t, ev);
	after = interrupts(t);
	samples = pv_ring_samples(t, ev);
	pv_expect_in(t, "samples", samples, TURNS * PV_PRECISE_INSNS / PV_PEBS_PERIOD - 1,
		     TURNS * PV_PRECISE_INSNS / PV_PEBS_PERIOD + 20);
	pv_expect_in(t, "interrupts", after - before, many ? 0 : samples,
		     many ? samples / 16 : samples);
	pv_expect_in(t, "count", pv_read(t, ev).value, samples * PV_PEBS_PERIOD,
		     (samples + 1) * (PV_PEBS_PERIOD + slack(t)) - 1);
}
