/* SPDX-License-Identifier: GPL-2.0-only */
/* Filters on tracepoints: exactly what matches is counted and sampled. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/probes.h"
#include "cases/lib/trace.h"

static int set_filter(struct pv_ev *ev, const char *text)
{
	return pv_ioctl(ev, PERF_EVENT_IOC_SET_FILTER, (unsigned long)text);
}

/* getsid(pid) for 0..31; nothing else is done with them. */
static void calls(void)
{
	for (long i = 0; i < 32; i++)
		syscall(SYS_getsid, i);
}

static int popcount(uint32_t x)
{
	return __builtin_popcount(x);
}

/* Filters on getsid's argument, and which of 0..31 they let through. */
static const struct {
	const char *text;
	uint32_t due;
} filters[] = {
	{"pid == 7", 1u << 7},
	{"pid != 7", ~(1u << 7)},
	{"pid < 3", 0x7},
	{"pid <= 3", 0xf},
	{"pid > 29", 0xc0000000},
	{"pid >= 29", 0xe0000000},
	{"pid & 4", 0xf0f0f0f0},
	{"pid > 4 && pid < 8", 0xe0},
	{"pid == 1 || pid == 30", 1u << 1 | 1u << 30},
	{"pid == 1 || pid > 4 && pid < 8", 1u << 1 | 0xe0},
	{"(pid == 1 || pid > 4) && pid < 8", 1u << 1 | 0xe0},
	{"(pid == 1 || pid == 9) && pid < 8", 1u << 1},
	{"!(pid < 16)", 0xffff0000},
	{"!(pid == 3 || pid & 16)", 0xffff & ~(1u << 3)},
	{"pid == 0x1f", 1u << 31},
	{"pid == 1 && pid == 2", 0},
	{"common_pid != 0", ~0u},
	{"common_pid == 0", 0},
};

PV_CASE(trace_filter, numbers, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about = "each operator and each combination lets through exactly the calls that match")
{
	struct pv_trace tp = pv_trace_read(t, "syscalls", "sys_enter_getsid");
	static struct pv_record rec;

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		struct pv_ev *ev = pv_trace_sampling(t, &tp, PERF_SAMPLE_RAW);
		uint32_t due = filters[i].due, seen = 0, twice = 0;
		bool ok;

		ok = pv_expect_errno(t, "set a filter", set_filter(ev, filters[i].text), 0);
		pv_enable(t, ev);
		calls();
		pv_disable(t, ev);
		ok &= pv_expect_eq(t, "count", pv_value(t, ev), popcount(due));
		while (pv_ring_next(t, ev, &rec)) {
			uint32_t bit = 1u << (pv_field_value(t, &tp, "pid", rec.body + 4) & 31);

			twice |= seen & bit;
			seen |= bit;
		}
		ok &= pv_expect_eq(t, "calls with a sample", seen, due);
		ok &= pv_expect_eq(t, "calls with two samples", twice, 0);
		if (!ok)
			pv_message(t, "with the filter '%s'", filters[i].text);
		pv_close(t, ev);
	}
}

PV_CASE(trace_filter, strings, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about = "a name is compared whole, by its beginning, end and middle, and by a glob")
{
	static const struct {
		const char *text;
		int due;
	} names[] = {{"comm == \"pmuvet-fork-abc\"", 1}, {"comm == \"pmuvet-fork\"", 0},
		     {"comm != \"pmuvet-fork-abc\"", 0}, {"comm != \"pmuvet-fork\"", 1},
		     {"comm ~ \"pmuvet*\"", 1},          {"comm ~ \"muvet*\"", 0},
		     {"comm ~ \"*fork-abc\"", 1},        {"comm ~ \"*fork-ab\"", 0},
		     {"comm ~ \"*et-fo*\"", 1},          {"comm ~ \"*et-fa*\"", 0},
		     {"comm ~ \"pm?vet-f*c\"", 1},       {"comm ~ \"pm?vet-f*x\"", 0},
		     {"comm ~ \"pmuvet-fork-[a]bc\"", 1}};
	struct pv_trace tp = pv_trace_read(t, "task", "task_rename");
	struct perf_event_attr attr = pv_trace_attr(&tp);
	char old[16], text[64];

	prctl(PR_GET_NAME, old);
	prctl(PR_SET_NAME, "pmuvet-fork-abc");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);

		/* the tracepoint's fields: oldcomm is the name before */
		strcpy(text, "old");
		strcat(text, names[i].text);
		pv_expect_errno(t, "set a filter", set_filter(ev, text), 0);
		pv_enable(t, ev);
		prctl(PR_SET_NAME, "pmuvet-fork-abc");
		if (!pv_expect_eq(t, "count", pv_value(t, ev), names[i].due))
			pv_message(t, "with the filter '%s'", text);
		pv_close(t, ev);
	}
	prctl(PR_SET_NAME, old);
}

PV_CASE(trace_filter, refused, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about =
		"what is no filter is EINVAL, and the filter that was there stays or is gone whole")
{
	/* what the parser of a predicate refuses, and what that of the expression does */
	static const char *const bad[] = {
		"pid",      "nosuchfield == 1", "pid == ",     "pid ==== 1",
		"pid == x", "pid ~ \"a\"",      "pid == \"a\""};
	static const char *const broken[] = {"(pid == 1", "pid == 1)", "== 1",
					     "pid == 1 || || pid < 2"};
	struct pv_trace tp = pv_trace_read(t, "syscalls", "sys_enter_getsid");
	struct perf_event_attr attr = pv_trace_attr(&tp);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0), *dummy;
	uint64_t last = 0;

	pv_enable(t, ev);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!pv_expect_errno(t, "a bad filter", set_filter(ev, bad[i]), -EINVAL))
			pv_message(t, "with the filter '%s'", bad[i]);
	}
	/* its errno is what the parser happens to have: -1 among others */
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		if (!pv_expect(t, "a broken filter is refused", set_filter(ev, broken[i]) < 0))
			pv_message(t, "with the filter '%s'", broken[i]);
	}
	calls();
	pv_expect_eq(t, "count after bad filters", pv_grown(t, ev, &last), 32);
	pv_expect_errno(t, "a good filter", set_filter(ev, "pid == 3"), 0);
	pv_expect_errno(t, "a second filter", set_filter(ev, "pid < 3"), -EEXIST);
	pv_expect_errno(t, "an unreadable filter", set_filter(ev, (char *)8), -EFAULT);
	calls();
	pv_expect_eq(t, "count by the filter that was there", pv_grown(t, ev, &last), 1);
	dummy = pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	pv_expect_errno(t, "on a software event", set_filter(dummy, "pid == 3"), -EINVAL);
}

static void child_calls(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
	calls();
}

PV_CASE(trace_filter, own, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about = "a filter is the event's own: not its neighbour's, but its inherited ones'")
{
	struct pv_trace tp = pv_trace_read(t, "syscalls", "sys_enter_getsid");
	struct perf_event_attr attr = pv_trace_attr(&tp);
	struct pv_ev *all, *some, *cpu;

	attr.inherit = 1;
	all = pv_open(t, &attr, 0, -1, NULL, 0);
	some = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.inherit = 0;
	cpu = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	/* Else the child may run on our own events. */
	pv_tell_apart(t, 0);
	pv_expect_errno(t, "set a filter", set_filter(some, "pid < 5"), 0);
	pv_expect_errno(t, "set a filter for a CPU", set_filter(cpu, "pid > 29"), 0);
	pv_enable(t, all);
	pv_enable(t, some);
	pv_enable(t, cpu);
	calls();
	pv_wait(t, pv_fork(t, child_calls, NULL));
	pv_disable(t, cpu);
	pv_expect_eq(t, "count without filter", pv_value(t, all), 64);
	pv_expect_eq(t, "count with filter", pv_value(t, some), 10);
	pv_expect_in(t, "count of the CPU with filter", pv_value(t, cpu), 2, 4);
}
