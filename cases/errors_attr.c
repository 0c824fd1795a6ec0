/* SPDX-License-Identifier: GPL-2.0-only */
/* More of what an attr may say and what not; the rows are in lib/attr_rules.c. */
#define _GNU_SOURCE
#include <limits.h>
#include <string.h>

#include "cases/lib/attr_rules.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

/* The descriptor that the next open gets: a refused open must not have kept one. */
static long next_fd(struct pv_test *t)
{
	struct perf_event_attr attr = pv_dummy;
	long fd = pv_try_open(t, &attr, 0, -1, -1, 0);

	pv_skip_denied(t, fd);
	if (fd < 0)
		pv_fail(t, "a plain event does not open: %s", strerrorname_np(-fd));
	pv_sys_close(fd);
	return fd;
}

PV_CASE(errors, attr_field, .pmu = "perf",
	.each = "word[unasked,sample,period,life,clock,aux,absent]",
	.about =
		"each field of the attr is taken or refused as the ABI says, and a refusal leaves no descriptor and no change in the attr")
{
	/* Kept: the first and the last event switch code in the kernel. */
	struct pv_ev *keep = pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	long before = next_fd(t);

	for (size_t i = 0; i < pv_nr_rules; i++) {
		const struct pv_rule *r = &pv_rules[i];
		struct perf_event_attr attr = pv_dummy, copy;

		if (strcmp(r->group, pv_word(t)) || !pv_rule_applies(t, r))
			continue;
		r->set(&attr);
		copy = attr;
		pv_expect_errno(t, r->name, pv_outcome(t, &attr, 0, -1, -1, 0), r->result);
		if (memcmp(&copy, &attr, sizeof(attr)))
			pv_expect_errno(t, "an attr that the kernel changed", 1, -EINVAL);
	}
	pv_expect_eq(t, "next descriptor", next_fd(t), before);
	pv_close(t, keep);
}

PV_CASE(errors, clock_of_pmu, .pmu = "tracepoint breakpoint pmuv3 kprobe", .each = "event[live]",
	.about =
		"an event that may fire in an NMI takes the two clocks that can be read there and no others")
{
	static const struct {
		const char *name;
		int clock;
		long result;
	} clocks[] = {
		{"CLOCK_REALTIME", 0, -EINVAL}, {"CLOCK_MONOTONIC", 1, 0},
		{"CLOCK_MONOTONIC_RAW", 4, 0},  {"CLOCK_BOOTTIME", 7, -EINVAL},
		{"CLOCK_TAI", 11, -EINVAL},
	};
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.use_clockid = 1;
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		attr.clockid = clocks[i].clock;
		pv_expect_errno(t, clocks[i].name, pv_outcome(t, &attr, 0, -1, -1, 0),
				clocks[i].result);
	}
}

/* ---- two mistakes in one call ---- */

#define NO_TASK  INT_MAX
#define NO_CPU   INT_MAX
#define NO_FD    (1 << 20)
#define NO_FLAG  (1ul << 20)
#define TOO_FAST (1ull << 40)

PV_CASE(errors, order, .pmu = "perf",
	.about = "of two mistakes in one call the one that is looked at first is told")
{
	struct call {
		const char *name;
		struct perf_event_attr attr;
		pid_t pid;
		int cpu, group;
		unsigned long flags;
		long result;
	};
	const struct perf_event_attr d = pv_dummy;
	struct perf_event_attr fast = d, type = d, clock = d, other = d, frames = d, aux = d,
			       read = d, bits = d, pinned = d, soft = d, both;
	struct pv_ev *leader;

	fast.freq = 1;
	fast.sample_freq = TOO_FAST;
	type.type = INT_MAX;
	clock.use_clockid = 1;
	clock.clockid = 2;
	other.inherit = 1;
	frames.sample_type = PERF_SAMPLE_CALLCHAIN;
	frames.exclude_callchain_kernel = 1;
	frames.sample_max_stack = USHRT_MAX;
	aux = frames;
	aux.aux_output = 1;
	read.inherit = 1;
	read.sample_type = PERF_SAMPLE_READ;
	read.type = INT_MAX;
	bits.read_format = 1ull << 63;
	bits.type = INT_MAX;
	pinned.pinned = 1;
	pinned.type = INT_MAX;
	soft.config = 12;
	soft.sample_type = PERF_SAMPLE_BRANCH_STACK;
	soft.branch_sample_type = PERF_SAMPLE_BRANCH_ANY | PERF_SAMPLE_BRANCH_USER;
	both = frames;
	both.use_clockid = 1;
	both.clockid = 2;
	leader = pv_open(t, &d, 0, -1, NULL, 0);
	const struct call calls[] = {
		{"flag, type", type, 0, -1, -1, NO_FLAG, -EINVAL},
		{"reserved bit, type", bits, 0, -1, -1, 0, -EINVAL},
		{"frequency, group", fast, 0, -1, NO_FD, 0, -EINVAL},
		{"frequency, task", fast, NO_TASK, -1, -1, 0, -EINVAL},
		{"cgroup, group", d, -1, 0, NO_FD, PERF_FLAG_PID_CGROUP, -EINVAL},
		{"group, task", d, NO_TASK, -1, NO_FD, 0, -EBADF},
		{"group, type", type, 0, -1, NO_FD, 0, -EBADF},
		{"task, type", type, NO_TASK, -1, -1, 0, -ESRCH},
		{"task, CPU", d, NO_TASK, NO_CPU, -1, 0, -ESRCH},
		{"task, inherit of the leader", other, NO_TASK, -1, pv_fd(leader), 0, -ESRCH},
		{"CPU, type", type, 0, NO_CPU, -1, 0, -EINVAL},
		{"nobody, type", type, -1, -1, -1, 0, -EINVAL},
		{"inherit and read, type", read, 0, -1, -1, 0, -EINVAL},
		{"inherit of the leader, type", type, 0, -1, pv_fd(leader), 0, -ENOENT},
		{"type, CPU of the leader", type, 0, 0, pv_fd(leader), 0, -ENOENT},
		{"type, pinned sibling", pinned, 0, -1, pv_fd(leader), 0, -ENOENT},
		{"branches, software event", soft, 0, -1, -1, 0, -EOPNOTSUPP},
		{"frames, clock", both, 0, -1, -1, 0, -EOVERFLOW},
		{"AUX output, frames", aux, 0, -1, -1, 0, -EOPNOTSUPP},
		{"clock, CPU of the leader", clock, 0, 0, pv_fd(leader), 0, -EINVAL},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const struct call *c = &calls[i];
		struct perf_event_attr attr = c->attr;

		pv_expect_errno(t, c->name,
				pv_outcome(t, &attr, c->pid, c->cpu, c->group, c->flags),
				c->result);
	}
	pv_expect_errno(t, "all right", pv_outcome(t, (void *)&d, 0, -1, pv_fd(leader), 0), 0);
}
