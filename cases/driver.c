/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel's driver does to the registers of the PMU, by the access log of the PMU model.
 * The log is of one CPU, to which the case is pinned.
 */
#define _GNU_SOURCE
#include <string.h>

#include "cases/lib/pmulog.h"
#include "cases/lib/sys.h"

#define TURNS  20000
#define PERIOD 4999

/* So that no sample is lost to throttling. In this order: the rate cannot be set while nobody
 * watches how long interrupts take. */
static void unthrottled(struct pv_test *t)
{
	pv_knob(t, "/proc/sys/kernel/perf_event_max_sample_rate", "100000");
	pv_knob(t, "/proc/sys/kernel/perf_cpu_time_max_percent", "0");
}

static struct pv_ev *open_sampling(struct pv_test *t, uint64_t period)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *ev;

	attr.exclude_kernel = 1;
	attr.sample_period = period;
	attr.sample_type = PERF_SAMPLE_IP;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 16);
	return ev;
}

static void look_on(struct pv_test *t, void *arg)
{
	(void)arg;
	(void)t;
	pv_calls(100);
}

PV_CASE(driver, idle, .pmu = "intel-core amd-core", .needs = "root", .proof = "kernel",
	.about =
		"while no event is open the driver does not touch the PMU: task switches, system calls, a child, sleep")
{
	struct pv_replay r;

	pv_log_start(t);
	for (int i = 0; i < 5; i++) {
		pv_sleep_ms(5);
		pv_calls(100);
		pv_wait(t, pv_fork(t, look_on, NULL));
	}
	r = pv_log_replay(t);
	pv_expect_eq(t, "accesses to the PMU's registers", r.accesses, 0);
	pv_expect_eq(t, "interrupts of the PMU", r.interrupts, 0);
}

/* Two groups that do not fit at the same time beside one another, and one that samples. */
static struct pv_replay busy(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	unsigned int n = pv_pmu(t)->counters;
	struct pv_ev *leader[2], *sampling;
	struct pv_replay r;

	unthrottled(t);
	pv_log_start(t);
	sampling = open_sampling(t, PERIOD);
	pv_enable(t, sampling);
	for (int i = 0; i < 2; i++) {
		leader[i] = pv_open(t, &attr, 0, -1, NULL, 0);
		for (unsigned int j = 1; j < n / 2; j++)
			pv_open(t, &attr, 0, -1, leader[i], 0);
		pv_enable(t, leader[i]);
	}
	for (int i = 0; i < 4; i++) {
		pv_work(t, TURNS);
		pv_sleep_ms(5);
		pv_ioctl(leader[i % 2], PERF_EVENT_IOC_RESET, 0);
	}
	pv_disable(t, sampling);
	for (int i = 0; i < 2; i++)
		pv_disable(t, leader[i]);
	pv_expect_in(t, "samples", pv_ring_samples(t, sampling), 1, UINT64_MAX);
	r = pv_log_replay(t);
	return r;
}

PV_CASE(driver, off_first, .pmu = "intel-core amd-core", .each = "event[core]", .needs = "root",
	.proof = "kernel",
	.about =
		"no counter is written, and none is given another event, while it counts: with sampling, multiplexing and task switches")
{
	struct pv_replay r = busy(t);

	pv_expect_in(t, "writes of counters", r.counter_writes, 10, UINT64_MAX);
	/* AMD's without global registers: x86_pmu_handle_irq() starts a period anew under a counter
	 * that goes on. */
	pv_expect_eq(t, "writes while the counter counts", r.while_running,
		     r.global == UINT64_MAX ? r.interrupts : 0);
	pv_expect_eq(t, "refused accesses", r.refused, 0);
	pv_expect_eq(t, "counters that count in the end", pv_replay_running(&r), 0);
}

PV_CASE(driver, closed, .pmu = "intel-core amd-core", .each = "event[core] word[closed,disabled]",
	.needs = "root", .proof = "kernel",
	.about =
		"an event that is disabled, or closed while it counts, leaves no counter counting, and the PMU on for the next one")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t all = (1ull << pv_pmu(t)->counters) - 1;
	struct pv_replay r;
	struct pv_ev *ev;

	if (pv_pmu(t)->fixed)
		all |= ((1ull << pv_pmu(t)->fixed) - 1) << PV_LOG_FIXED;
	pv_log_start(t);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, ev);
	pv_work(t, TURNS);
	if (strcmp(pv_word(t), "closed"))
		pv_disable(t, ev);
	else
		pv_close(t, ev);
	r = pv_log_replay(t);
	pv_expect_in(t, "writes of counters", r.counter_writes, 1, UINT64_MAX);
	pv_expect_eq(t, "counters that count in the end", pv_replay_running(&r), 0);
	/* Without a global register it stays at its first value. */
	pv_expect_eq(t, "counters that the global register lets count", r.global & all, all);
}

PV_CASE(driver, acknowledged, .pmu = "intel-core amd-core", .each = "event[core]", .needs = "root",
	.proof = "kernel",
	.about =
		"each interrupt of the PMU becomes one sample, and what it has set in the status register is cleared")
{
	struct pv_replay r;
	struct pv_ev *ev;
	uint64_t samples;

	unthrottled(t);
	pv_log_start(t);
	ev = open_sampling(t, PERIOD);
	pv_enable(t, ev);
	pv_work(t, 10 * TURNS);
	pv_disable(t, ev);
	samples = pv_ring_samples(t, ev);
	r = pv_log_replay(t);
	pv_expect_in(t, "samples", samples, 10 * TURNS / PERIOD - 1, UINT64_MAX);
	pv_expect_eq(t, "interrupts", r.interrupts, samples);
	pv_expect_eq(t, "status bits that are left", r.pending, 0);
}

PV_CASE(driver, period, .pmu = "intel-core amd-core",
	.each = "event[core] n[1000,2147483647,2147483648,1099511627776]", .needs = "root",
	.proof = "kernel",
	.about =
		"the counter of a sampling event starts its period below the overflow, also where that needs more than 31 bits")
{
	uint64_t mask = pv_pmu(t)->width < 64 ? (1ull << pv_pmu(t)->width) - 1 : UINT64_MAX;
	uint64_t n = 0, first = 0, effective;
	struct pv_access a;
	unsigned int index;
	struct pv_ev *ev;

	pv_log_start(t);
	ev = open_sampling(t, (uint64_t)pv_n(t));
	pv_enable(t, ev);
	pv_disable(t, ev);
	pv_log_stop(t);
	while (pv_log_next(t, &a)) {
		if (a.what != 'w' || pv_log_role(&a, &index) != PV_LOG_COUNTER || n++)
			continue;
		first = a.value;
		/* SDM 19.2.8: what a write of the short register becomes. */
		effective = a.msr >= 0xc1 && a.msr < 0xc1 + 8 ? (uint64_t)(int32_t)first : first;
		pv_expect_eq(t, "events until it overflows", -effective & mask, pv_n(t));
		pv_expect(t, "the write is taken", !a.refused);
	}
	pv_expect_in(t, "writes of the counter", n, 1, UINT64_MAX);
}

#define CONFIGS    200
#define ANY_THREAD (1ull << 21)

static uint64_t random_word(struct pv_test *t)
{
	return pv_random(t, 0, UINT32_MAX) << 32 | pv_random(t, 0, UINT32_MAX);
}

PV_CASE(driver, refused, .pmu = "intel-core amd-core", .each = "word[config,config1,any,branches]",
	.needs = "root", .proof = "kernel",
	.about =
		"whatever is asked for, the driver writes nothing that the CPU refuses: what it does not check it masks")
{
	struct perf_event_attr attr = pv_attr(t, &pv_pmu(t)->events[0]);
	uint64_t opened = 0;
	struct pv_replay r;

	pv_log_start(t);
	for (int i = 0; i < CONFIGS; i++) {
		struct perf_event_attr one = attr;
		long fd;

		if (!strcmp(pv_word(t), "branches")) {
			one.sample_period = 100000;
			one.sample_type = PERF_SAMPLE_BRANCH_STACK;
			one.branch_sample_type = pv_random(t, 1, PERF_SAMPLE_BRANCH_MAX - 1);
		} else if (!strcmp(pv_word(t), "config1")) {
			/* OFFCORE_RESPONSE_0 of either generation. */
			one.config = i % 2 ? 0x1b7 : 0x12a;
			one.config1 = i % 4 ? random_word(t) : 1ull << (i / 4 % 64);
		} else if (!strcmp(pv_word(t), "any")) {
			one.config |= ANY_THREAD;
		} else {
			one.config = i % 4 ? random_word(t) : attr.config | 1ull << (i / 4 % 64);
			one.config &= ~ANY_THREAD;
		}
		one.disabled = 0;
		fd = pv_try_open(t, &one, 0, -1, -1, 0);
		if (fd < 0)
			continue;
		opened++;
		pv_calls(10);
		pv_sys_close((int)fd);
	}
	r = pv_log_replay(t);
	pv_expect_in(t, "opened", opened, strcmp(pv_word(t), "branches") ? 10 : 0, CONFIGS);
	if (r.refused)
		pv_message(t, "register %#x, value %#llx", r.refused_msr,
			   (unsigned long long)r.refused_value);
	pv_expect_eq(t, "refused accesses", r.refused, 0);
}
