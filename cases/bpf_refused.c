/* SPDX-License-Identifier: GPL-2.0-only */
/* Programs that an event does not take, and questions that it does not answer. */
#define _GNU_SOURCE
#include <string.h>

#include "cases/lib/become.h"
#include "cases/lib/bpf.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

#define MAX_PROGS 64 /* BPF_TRACE_MAX_PROGS, kernel/trace/bpf_trace.c */

static const struct bpf_insn pass[] = {PV_MOVI(0, 1), PV_EXIT()};

static long attach(struct pv_ev *ev, int prog)
{
	return pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, prog);
}

PV_CASE(bpf, full, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about = "a tracepoint takes 64 programs, each once, and when one goes its place is free")
{
	struct perf_event_attr attr = pv_bpf_getsid(t);
	struct pv_ev *ev[MAX_PROGS + 1];
	int prog[MAX_PROGS + 1];

	for (int i = 0; i <= MAX_PROGS; i++) {
		ev[i] = pv_open(t, &attr, 0, -1, NULL, 0);
		prog[i] = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, pass);
		if (i < MAX_PROGS && attach(ev[i], prog[i]))
			pv_fail(t, "program %d of %d is refused", i + 1, MAX_PROGS);
	}
	pv_expect_errno(t, "one more than there can be", attach(ev[MAX_PROGS], prog[MAX_PROGS]),
			-E2BIG);
	pv_close(t, ev[7]);
	pv_expect_errno(t, "a program that is there already", attach(ev[MAX_PROGS], prog[8]),
			-EEXIST);
	pv_expect_errno(t, "in the place of one that went", attach(ev[MAX_PROGS], prog[MAX_PROGS]),
			0);
}

struct question {
	struct pv_ev *ev;
	struct perf_event_query_bpf *query;
};

static void ask_as_nobody(struct pv_test *t, void *arg)
{
	struct question *q = arg;

	pv_become(t, PV_NOBODY, 0);
	pv_expect_errno(t, "without privileges",
			pv_ioctl(q->ev, PERF_EVENT_IOC_QUERY_BPF, (long)q->query), -EPERM);
}

PV_CASE(bpf, query_refused, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about = "QUERY_BPF answers who may see all events, into memory that is there")
{
	struct perf_event_attr attr = pv_bpf_getsid(t);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	uint64_t words[8] = {8};
	struct question q = {ev, (struct perf_event_query_bpf *)words};

	pv_expect_errno(t, "attach", attach(ev, pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, pass)), 0);
	pv_expect_errno(t, "with privileges", pv_ioctl(ev, PERF_EVENT_IOC_QUERY_BPF, (long)words),
			0);
	pv_expect_errno(t, "into no memory", pv_ioctl(ev, PERF_EVENT_IOC_QUERY_BPF, 8), -EFAULT);
	pv_wait(t, pv_fork(t, ask_as_nobody, &q));
}

/* A program that walks the stack of an event with precise_ip must be given the chain, whole. */
PV_CASE(bpf, stack, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"a program that asks for the stack goes on an event with precise_ip only with a whole callchain")
{
	const struct bpf_insn insns[] = {
		PV_MOV(2, 10),
		PV_ADDI(2, -64),
		PV_MOVI(3, 64),
		PV_MOVI(4, 0),
		PV_CALL(BPF_FUNC_get_stack),
		PV_MOVI(0, 1),
		PV_EXIT(),
	};
	static const struct {
		const char *name;
		unsigned int precise;
		bool chain, no_kernel, no_user;
		long result;
	} rows[] = {
		{"not precise", 0, false, false, false, 0},
		{"precise without a chain", 1, false, false, false, -EPROTO},
		{"precise with a chain", 2, true, false, false, 0},
		{"precise without the kernel's chain", 1, true, true, false, -EPROTO},
		{"precise without the user's chain", 3, true, false, true, -EPROTO},
	};
	int walks = pv_bpf_load(t, BPF_PROG_TYPE_PERF_EVENT, insns);
	int stands = pv_bpf_load(t, BPF_PROG_TYPE_PERF_EVENT, pass);
	struct pv_ev *ev;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_TID);

		attr.precise_ip = rows[i].precise;
		attr.sample_type |= rows[i].chain ? PERF_SAMPLE_CALLCHAIN : 0;
		attr.exclude_callchain_kernel = rows[i].no_kernel;
		attr.exclude_callchain_user = rows[i].no_user;
		ev = pv_open(t, &attr, 0, -1, NULL, 0);
		pv_expect_errno(t, rows[i].name, attach(ev, walks), rows[i].result);
		if (rows[i].result)
			pv_expect_errno(t, "a program that does not walk", attach(ev, stands), 0);
		pv_close(t, ev);
	}
}

PV_CASE(bpf, link_refused, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about = "a link that is refused leaves its event without a program, and free for the next")
{
	struct perf_event_attr attr = pv_bpf_getsid(t);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	int good = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, pass);
	int other = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, pass);
	long link;

	pv_expect_errno(t, "of a program of another type",
			pv_bpf_link(pv_bpf_load(t, BPF_PROG_TYPE_KPROBE, pass), pv_fd(ev), 0),
			-EINVAL);
	pv_expect_errno(t, "to what is no event", pv_bpf_link(good, good, 0), -EBADF);
	link = pv_bpf_link(good, pv_fd(ev), 0);
	pv_expect_errno(t, "of a good one", link, 0);
	pv_expect_errno(t, "of a second", pv_bpf_link(other, pv_fd(ev), 0), -EEXIST);
	pv_expect_errno(t, "by the ioctl beside the link", attach(ev, other), -EEXIST);
	pv_sys_close(link);
	pv_expect_errno(t, "when the first is gone", attach(ev, other), 0);
}
