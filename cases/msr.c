/* SPDX-License-Identifier: GPL-2.0-only */
/* The msr PMU's registers: which run at which rate (SDM volume 3, 15.2; APM volume 2, 17.3). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/isa.h"
#include "arch/work.h"
#include "cases/pv.h"

#define EVENTS "/sys/bus/event_source/devices/msr/events/"
#define TURNS  1000000

/* Its number stands in the events file; where that is missing this CPU has not got the register. */
static struct perf_event_attr attr_of(struct pv_test *t, const char *name)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "msr", "tsc"));
	char path[128], text[64];

	snprintf(path, sizeof(path), EVENTS "%s", name);
	if (pv_file_read(path, text, sizeof(text)) < 0 || strncmp(text, "event=", 6))
		pv_skip(t, PV_ABSENT, "%s is not there: this CPU has not got the register", path);
	attr.config = strtoull(text + 6, NULL, 16);
	return attr;
}

/* What the register has counted during the loop; the TSC around it and within. */
struct rate {
	uint64_t n, outer, inner, insns;
};

static struct rate rate_of(struct pv_test *t, const char *name)
{
	struct perf_event_attr attr = attr_of(t, name), tsc = attr_of(t, "tsc");
	struct pv_ev *outer = pv_open(t, &tsc, 0, -1, NULL, 0);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	struct pv_ev *inner = pv_open(t, &tsc, 0, -1, NULL, 0);

	pv_enable(t, outer);
	pv_enable(t, ev);
	pv_enable(t, inner);
	pv_asm_loop(TURNS);
	pv_disable(t, inner);
	pv_disable(t, ev);
	pv_disable(t, outer);
	return (struct rate){.n = pv_read(t, ev).value,
			     .outer = pv_read(t, outer).value,
			     .inner = pv_read(t, inner).value,
			     .insns = pv_loop_insns(TURNS)};
}

PV_CASE(msr, mperf, .pmu = "msr", .arch = "x86_64", .proof = "kernel",
	.about = "MPERF runs at the TSC's rate while the CPU works")
{
	struct rate r = rate_of(t, "mperf");

	/* Where it is not so to the tick, an interrupt on its way into idle may take some. */
	pv_expect_in(t, "mperf", r.n, pv_deterministic(t) ? r.inner : r.inner / 2, r.outer);
}

PV_CASE(msr, aperf, .pmu = "msr", .arch = "x86_64", .proof = "kernel",
	.about =
		"APERF counts the cycles that the CPU really works: one and a half a tick on the model")
{
	struct rate r = rate_of(t, "aperf");

	if (pv_deterministic(t))
		pv_expect_in(t, "aperf", r.n, r.inner * 3 / 2, r.outer * 3 / 2 + 1);
	else /* two instructions and a taken branch a turn: a cycle at least */
		pv_expect_in(t, "aperf", r.n, TURNS, r.outer * 16);
}

PV_CASE(msr, pperf, .pmu = "msr", .arch = "x86_64", .proof = "kernel",
	.about = "PPERF counts productive cycles: no more than APERF, three of four on the model")
{
	struct rate r = rate_of(t, "pperf");

	if (pv_deterministic(t))
		pv_expect_in(t, "pperf", r.n, r.inner * 9 / 8, r.outer * 9 / 8 + 1);
	else
		pv_expect_in(t, "pperf", r.n, 1, rate_of(t, "aperf").n * 2);
}

PV_CASE(msr, irperf, .pmu = "msr", .arch = "x86_64", .proof = "kernel",
	.about =
		"IRPERF counts retired instructions: those of the loop, and what the kernel did around it")
{
	struct rate r = rate_of(t, "irperf");

	/* The model retires one for each tick at most. */
	pv_expect_in(t, "irperf", r.n, r.insns, pv_deterministic(t) ? r.outer : r.insns * 2);
}

#define SMIS 7

PV_CASE(msr, smi, .pmu = "msr", .needs = "root guest", .arch = "x86_64", .proof = "kernel",
	.about = "the count of SMIs grows by one for each that is raised, and by none else")
{
	struct perf_event_attr attr = attr_of(t, "smi");
	struct pv_ev *ev = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	int err = 0;

	pv_enable(t, ev);
	pv_asm_loop(TURNS);
	pv_expect_eq(t, "without any", pv_read(t, ev).value, 0);
	for (int i = 0; i < SMIS && !err; i++)
		err = pv_isa_smi();
	if (err)
		pv_skip(t, PV_ABSENT, "no SMI can be raised here: %s", strerror(-err));
	pv_disable(t, ev);
	pv_expect_eq(t, "SMIs", pv_read(t, ev).value, SMIS);
}
