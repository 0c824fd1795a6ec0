/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The counters of a core PMU: the modes they are filtered by, their width and what happens beyond
 * it, pairs that make one of 64 bits.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

PV_CASE(counter, modes, .each = "event[loop !long]", .pmu = "pmuv3", .proof = "kernel",
	.about =
		"a counter's user and kernel parts are its whole; the hypervisor's and a guest's bits take nothing from a host without")
{
	static const struct {
		const char *name;
		bool user, kernel, hv, guest, host;
	} modes[] = {
		{"all", 0, 0, 0, 0, 0},       {"no user", 1, 0, 0, 0, 0},
		{"no kernel", 0, 1, 0, 0, 0}, {"no hypervisor", 0, 0, 1, 0, 0},
		{"no guest", 0, 0, 0, 1, 0},  {"neither user nor kernel", 1, 1, 1, 0, 0},
	};
	/* As counting/additive_loop: at the ways in and out. */
	const uint64_t turns = 20000, slack = pv_deterministic(t) ? 0 : turns / 10;
	struct perf_event_attr attr;
	struct pv_ev *ev[6], *host;
	uint64_t v[6];

	for (int i = 0; i < 6; i++) {
		attr = pv_attr(t, pv_event(t));
		attr.disabled = !i;
		attr.exclude_user = modes[i].user;
		attr.exclude_kernel = modes[i].kernel;
		attr.exclude_hv = modes[i].hv;
		attr.exclude_guest = modes[i].guest;
		ev[i] = pv_open(t, &attr, 0, -1, i ? ev[0] : NULL, 0);
	}
	pv_measure(t, ev[1], turns);
	for (int i = 0; i < 6; i++)
		v[i] = pv_read(t, ev[i]).value;
	pv_expect_in(t, "user part", v[2], turns * pv_event(t)->per, UINT64_MAX / 2);
	pv_expect_in(t, "kernel part", v[1], 1, v[0]);
	pv_expect_in(t, "user and kernel part", v[1] + v[2], v[0] - slack, v[0] + slack);
	pv_expect_in(t, "without the hypervisor", v[3], v[0] - slack, v[0] + slack);
	pv_expect_in(t, "without guests", v[4], v[0] - slack, v[0] + slack);
	/* A kernel at EL2 (VHE) is what exclude_kernel takes away, too. */
	pv_expect_eq(t, "without user and kernel", v[5], 0);

	attr = pv_attr(t, pv_event(t));
	attr.exclude_host = 1;
	host = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_eq(t, "without the host", pv_measure(t, host, turns).value, 0);
}

/* Sleeps on the CPU that is counted: under icount nothing runs and the clock jumps. */
static void idle(uint64_t seconds)
{
	struct timespec ts = {seconds, 0};

	while (nanosleep(&ts, &ts))
		;
}

PV_CASE(counter, width, .pmu = "pmuv3", .needs = "root", .each = "n[1,3,5]", .proof = "kernel",
	.about =
		"cycles beyond 2^31 and 2^32 are all there: in the cycle counter, in an event counter, in a pair, in the user's part none of them")
{
	static const char *const names[] = {"cycle counter", "event counter", "pair", "again"};
	struct perf_event_attr attr;
	uint64_t o1, i1, i2, o2, ns = pv_n(t) * 1000000000ull;
	struct pv_ev *ev[4], *user;
	struct pv_count c;

	if (!pv_deterministic(t))
		pv_skip(t, PV_ABSENT,
			"sleeps for seconds: needs a clock that jumps (platform arm64)");
	/* In this order: the first one takes the cycle counter (armv8pmu_get_event_idx()). */
	for (int i = 0; i < 4; i++) {
		attr = pv_attr(
			t, pv_find_event(t, "pmuv3", i == 2 ? "cpu_cycles_long" : "cpu_cycles"));
		attr.disabled = !i;
		ev[i] = pv_open(t, &attr, -1, pv_cpu(t), i ? ev[0] : NULL, 0);
	}
	attr.exclude_kernel = 1;
	user = pv_open(t, &attr, -1, pv_cpu(t), ev[0], 0);
	o1 = pv_sys_walltime();
	pv_ioctl(ev[0], PERF_EVENT_IOC_ENABLE, 0);
	i1 = pv_sys_walltime();
	idle(pv_n(t));
	i2 = pv_sys_walltime();
	pv_ioctl(ev[0], PERF_EVENT_IOC_DISABLE, 0);
	o2 = pv_sys_walltime();
	pv_expect(t, "it slept", i2 - i1 >= ns);
	for (int i = 0; i < 4; i++) {
		c = pv_read(t, ev[i]);
		/* One a nanosecond; timekeeping's own steps are below 1000 a second. */
		if (!pv_expect(t, names[i],
			       c.value + 1000 * pv_n(t) >= i2 - i1 &&
				       c.value <= o2 - o1 + 1000 * pv_n(t)))
			pv_message(t, "%s: %llu in %llu..%llu ns", names[i],
				   (unsigned long long)c.value, (unsigned long long)(i2 - i1),
				   (unsigned long long)(o2 - o1));
		pv_expect(t, "on all the time", c.running && c.running == c.enabled);
	}
	pv_expect_in(t, "cycles in user mode", pv_read(t, user).value, 1, 10000000);
}

static int joined[32], nr_joined;

static bool joins(struct pv_test *t, struct pv_ev *leader, bool is_long)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "inst_retired"));
	int fd;

	attr.disabled = 0;
	attr.config1 = is_long;
	fd = pv_try_open(t, &attr, 0, -1, pv_fd(leader), 0);
	if (fd < 0 && fd != -EINVAL)
		pv_expect_errno(t, "join", fd, -EINVAL);
	if (fd < 0)
		return false;
	joined[nr_joined++] = fd;
	return true;
}

/* A group of n single ones and what else fits; all of it is closed again. */
static void fill_pairs(struct pv_test *t)
{
	unsigned int singles = pv_n(t), pairs = 0, rest = 0, free = pv_pmu(t)->counters;
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "cpu_cycles"));
	struct pv_group g;
	struct pv_ev *lead;
	uint64_t silent = 0;

	/* The cycle counter leads, all event counters are free. */
	attr.disabled = 0;
	attr.read_format |= PERF_FORMAT_GROUP;
	lead = pv_open(t, &attr, 0, -1, NULL, 0);
	for (unsigned int i = 0; i < singles; i++)
		pv_expect(t, "a single one fits", joins(t, lead, false));
	while (pairs < 8 && joins(t, lead, true))
		pairs++;
	while (rest < 8 && joins(t, lead, false))
		rest++;
	/* Single ones take the lowest, a pair an even and the odd above it. */
	pv_expect_eq(t, "pairs", pairs, (free - (singles + 1) / 2 * 2) / 2);
	pv_expect_eq(t, "single ones in what is left", rest, free - singles - 2 * pairs);
	pv_sys_work(PV_WORK_LOOP, 10000, NULL, 0);
	pv_read_group(t, lead, &g);
	for (unsigned int i = 1; i < g.nr && pv_deterministic(t); i++)
		silent += g.member[i].value < 20000 || g.member[i].value > 1000000000;
	pv_expect_eq(t, "members", g.nr, 1 + singles + pairs + rest);
	pv_expect_eq(t, "members without the loop's instructions", silent, 0);
	pv_expect(t, "on all the time", g.running && g.running == g.enabled);
	while (nr_joined)
		pv_sys_close(joined[--nr_joined]);
	pv_close(t, lead);
}

PV_CASE(counter, pairs, .pmu = "pmuv3", .each = "n[0,1,2]", .proof = "kernel",
	.about =
		"a 64-bit event takes two counters: with n single ones in a group as many fit as there are pairs left, all count, and again")
{
	if (pv_pmu(t)->width != 32)
		pv_skip(t, PV_ABSENT,
			"counters of this PMU are wider than 32 bits: nothing is paired");
	fill_pairs(t);
	fill_pairs(t);
}

PV_CASE(counter, chain_refused, .pmu = "pmuv3", .proof = "kernel",
	.about =
		"CHAIN (0x1e) is the pair's own event and is refused with EINVAL, its neighbours are not")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "sw_incr"));
	char path[128];

	/* Refused since 6.10 or so; the field came shortly before. */
	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/format/threshold",
		 pv_pmu(t)->sysfs);
	if (access(path, F_OK))
		pv_skip(t, PV_TOO_OLD, "CHAIN is taken like any event by this kernel");
	attr.config = 0x1e;
	pv_expect_errno(t, "CHAIN", pv_outcome(t, &attr, 0, -1, -1, 0), -EINVAL);
	attr.config = 0x1d;
	pv_expect_errno(t, "0x1d", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr.config = 0x1f;
	pv_expect_errno(t, "0x1f", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
}
