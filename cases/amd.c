/* SPDX-License-Identifier: GPL-2.0-only */
/* AMD's core counters: how many there are, who takes turns, whose counts they are. */
#define _GNU_SOURCE
#include <string.h>

#include "arch/work.h"
#include "cases/pv.h"

#define TURNS 20000
#define MOST  16

static struct perf_event_attr attr_of(struct pv_test *t)
{
	return pv_attr(t, pv_find_event(t, "amd-core", "ex_ret_instr"));
}

PV_CASE(amd, group, .pmu = "amd-core", .proof = "kernel",
	.about =
		"as many events as there are counters fit into a group and count, one more is refused with EINVAL")
{
	unsigned int n = pv_pmu(t)->counters;
	struct perf_event_attr attr = attr_of(t);
	struct pv_group g;
	struct pv_ev *leader;
	uint64_t dead = 0;

	attr.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.disabled = 0;
	for (unsigned int i = 1; i < n; i++)
		pv_open(t, &attr, 0, -1, leader, 0);
	pv_expect_errno(t, "one more", pv_outcome(t, &attr, 0, -1, pv_fd(leader), 0), -EINVAL);
	pv_enable(t, leader);
	pv_asm_loop(TURNS);
	pv_disable(t, leader);
	pv_read_group(t, leader, &g);
	for (unsigned int i = 0; i < n; i++)
		dead += g.member[i].value < pv_loop_insns(TURNS);
	pv_expect_eq(t, "members", g.nr, n);
	pv_expect_eq(t, "time running", g.running, g.enabled);
	pv_expect_eq(t, "members that have not counted the loop", dead, 0);
}

PV_CASE(amd, turns, .pmu = "amd-core", .needs = "root", .proof = "kernel", .each = "n[0,1,3]",
	.about =
		"events beyond the counters take turns: all counters are always taken, and a count is that of its time running")
{
	unsigned int counters = pv_pmu(t)->counters, n = counters + pv_n(t);
	uint64_t sum = 0, idle = 0, always = 0, stray = 0, enabled = 0;
	struct perf_event_attr attr = attr_of(t);
	struct pv_ev *ev[MOST];

	for (unsigned int i = 0; i < n; i++)
		ev[i] = pv_open(t, &attr, 0, -1, NULL, 0);
	for (unsigned int i = 0; i < n; i++)
		pv_enable(t, ev[i]);
	/* Many ticks. */
	pv_asm_loop(30000000);
	for (unsigned int i = 0; i < n; i++)
		pv_disable(t, ev[i]);
	for (unsigned int i = 0; i < n; i++) {
		struct pv_count c = pv_read(t, ev[i]);
		uint64_t apart = c.value > c.running ? c.value - c.running : c.running - c.value;

		sum += c.running;
		idle += !c.running || !c.value;
		always += c.running == c.enabled;
		enabled = c.enabled > enabled ? c.enabled : enabled;
		/* The model retires an instruction each nanosecond. */
		stray += apart > enabled / 50;
	}
	pv_expect_eq(t, "events without a turn", idle, 0);
	pv_expect_in(t, "events that never made room", always, n == counters ? n : 0,
		     n == counters ? n : counters - 1);
	pv_expect_in(t, "counters taken, in hundredths", sum * 100 / enabled, counters * 100 - 3,
		     counters * 100 + 3);
	if (pv_deterministic(t))
		pv_expect_eq(t, "events whose count is not that of their time", stray, 0);
}

PV_CASE(amd, sides, .pmu = "amd-core", .proof = "kernel",
	.each = "word[exclude-guest,exclude-host,exclude-both]",
	.about =
		"without guests an event counts as ever; without the host, and without both, it opens and counts nothing")
{
	struct perf_event_attr attr = attr_of(t);
	const char *word = pv_word(t);
	struct pv_ev *ev;
	uint64_t n;

	attr.exclude_guest = strcmp(word, "exclude-host") != 0;
	attr.exclude_host = strcmp(word, "exclude-guest") != 0;
	attr.exclude_kernel = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, ev);
	pv_asm_loop(TURNS);
	pv_disable(t, ev);
	n = pv_loop_insns(TURNS);
	pv_expect_in(t, "count", pv_read(t, ev).value, attr.exclude_host ? 0 : n,
		     attr.exclude_host ? 0 : n + n / 10);
}
