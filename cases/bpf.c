/* SPDX-License-Identifier: GPL-2.0-only */
/* BPF programs on events: when they run, what they say about the sample, what they may read. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/bpf.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

/* slot 0 of `map` grows by one; returns what slot 1 holds. */
#define COUNT_AND_ANSWER(map)                                                                      \
	{                                                                                          \
		PV_MOVI(0, 0), PV_STX(BPF_W, 10, -4, 0), PV_MOV(2, 10), PV_ADDI(2, -4),            \
			PV_LD_MAP(1, map), PV_CALL(BPF_FUNC_map_lookup_elem),                      \
			PV_JMP(BPF_JEQ, 0, 0, 10), PV_MOVI(1, 1), PV_ATOMIC_ADD(0, 0, 1),          \
			PV_ST(BPF_W, 10, -4, 1), PV_MOV(2, 10), PV_ADDI(2, -4), PV_LD_MAP(1, map), \
			PV_CALL(BPF_FUNC_map_lookup_elem), PV_JMP(BPF_JEQ, 0, 0, 1),               \
			PV_LDX(BPF_DW, 0, 0, 0), PV_EXIT()                                         \
	}

static uint32_t type_for(const struct pv_event_desc *e)
{
	if (e->tracepoint)
		return BPF_PROG_TYPE_TRACEPOINT;
	if (e->kfunc || e->uprobe)
		return BPF_PROG_TYPE_KPROBE;
	return BPF_PROG_TYPE_PERF_EVENT;
}

static bool tracing(const struct pv_event_desc *e)
{
	return type_for(e) != BPF_PROG_TYPE_PERF_EVENT;
}

static void answer(struct pv_test *t, int map, uint64_t value)
{
	uint32_t slot = 1;

	if (pv_bpf_set(map, &slot, &value))
		pv_error(t, PV_BROKEN_SETUP, "slot of a BPF array");
}

/* -ENOENT when no program has that number any more; they go behind a grace period. */
static long gone(uint32_t id)
{
	union bpf_attr attr = {.prog_id = id};
	long fd = 0;

	for (int i = 0; i < 200 && fd >= 0; i++) {
		fd = syscall(SYS_bpf, BPF_PROG_GET_FD_BY_ID, &attr, sizeof(attr));
		if (fd < 0)
			return -errno;
		close(fd);
		usleep(10000);
	}
	return 0;
}

PV_CASE(bpf, verdict, .each = "event[exact]", .pmu = "sw tracepoint kprobe uprobe", .needs = "root",
	.proof = "kernel",
	.about =
		"a program runs once for each occurrence; 0 keeps it from the ring, 1 lets it; closed, it runs no more")
{
	const struct pv_event_desc *e = pv_event(t);
	struct perf_event_attr attr = pv_attr(t, e);
	int map = pv_bpf_map(t, BPF_MAP_TYPE_ARRAY, 4, 8, 2), prog, second;
	const struct bpf_insn insns[] = COUNT_AND_ANSWER(map);
	const struct bpf_insn plain[] = {PV_MOVI(0, 1), PV_EXIT()};
	uint64_t n = 20 * e->per, runs = 0, counted = 0;
	uint32_t id;
	struct pv_ev *ev;

	prog = pv_bpf_load(t, type_for(e), insns);
	id = pv_bpf_id(t, prog);
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 8);
	pv_expect_errno(t, "attach", pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, prog), 0);
	pv_expect_errno(t, "attach again", pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, prog), -EEXIST);
	second = pv_bpf_load(t, type_for(e), plain);
	pv_expect_errno(t, "attach another", pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, second), -EEXIST);
	pv_sys_close(second);
	for (int say = 0; say < 2; say++) {
		uint64_t had = runs, samples;

		answer(t, map, say);
		pv_enable(t, ev);
		pv_work(t, 20);
		pv_disable(t, ev);
		runs = pv_bpf_slot(t, map, 0);
		samples = pv_ring_samples(t, ev);
		counted = pv_value(t, ev) - counted;
		pv_expect_eq(t, "runs of the program", runs - had, n);
		pv_expect_eq(t, say ? "samples let through" : "samples kept back", samples,
			     say ? n : 0);
		/* A tracing program stands before the count, an overflow's behind it. */
		pv_expect_eq(t, say ? "counted when let through" : "counted when kept back",
			     counted, say || !tracing(e) ? n : 0);
		counted = pv_value(t, ev);
	}
	pv_sys_close(prog);
	pv_enable(t, ev);
	pv_work(t, 20);
	pv_disable(t, ev);
	pv_expect_eq(t, "runs when its file is closed", pv_bpf_slot(t, map, 0) - runs, n);
	runs = pv_bpf_slot(t, map, 0);
	pv_close(t, ev);
	pv_work(t, 20);
	pv_expect_eq(t, "runs when the event is closed", pv_bpf_slot(t, map, 0), runs);
	pv_expect_errno(t, "the program afterwards", gone(id), -ENOENT);
}

static void work_alone(struct pv_test *t, void *arg)
{
	uint64_t *n = arg;

	pv_work(t, *n);
}

PV_CASE(bpf, inherited, .each = "event[exact]", .pmu = "sw tracepoint", .needs = "root",
	.proof = "kernel",
	.about = "an event's program runs for what a child does, too, and keeps it from the ring")
{
	const struct pv_event_desc *e = pv_event(t);
	struct perf_event_attr attr = pv_attr(t, e);
	int map = pv_bpf_map(t, BPF_MAP_TYPE_ARRAY, 4, 8, 2), prog;
	const struct bpf_insn insns[] = COUNT_AND_ANSWER(map);
	uint64_t n = 20, due = n * e->per, runs, samples;
	struct pv_ev *ev;

	prog = pv_bpf_load(t, type_for(e), insns);
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID;
	attr.inherit = 1;
	ev = pv_open(t, &attr, 0, pv_cpu(t), NULL, 0);
	pv_tell_apart(t, 0);
	pv_ring_map(t, ev, 16);
	pv_expect_errno(t, "attach", pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, prog), 0);
	answer(t, map, 0);
	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, work_alone, &n));
	pv_disable(t, ev);
	runs = pv_bpf_slot(t, map, 0);
	samples = pv_ring_samples(t, ev);
	/* A child's birth and end have faults of their own. */
	pv_expect_in(t, "runs of the program", runs, due, UINT64_MAX);
	pv_expect_eq(t, "samples kept back", samples, 0);
	answer(t, map, 1);
	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, work_alone, &n));
	pv_disable(t, ev);
	samples = pv_ring_samples(t, ev);
	pv_expect_eq(t, "samples let through", samples, pv_bpf_slot(t, map, 0) - runs);
}

PV_CASE(bpf, wrong_type, .each = "event[exact]", .pmu = "sw tracepoint kprobe uprobe breakpoint",
	.needs = "root", .proof = "kernel",
	.about =
		"a program of another type is refused with EINVAL, and what is no program with EBADF or EINVAL")
{
	static const uint32_t types[] = {BPF_PROG_TYPE_KPROBE, BPF_PROG_TYPE_TRACEPOINT,
					 BPF_PROG_TYPE_PERF_EVENT, BPF_PROG_TYPE_SOCKET_FILTER};
	const struct pv_event_desc *e = pv_event(t);
	const struct bpf_insn insns[] = {PV_MOVI(0, 0), PV_EXIT()};
	struct perf_event_attr attr = pv_attr(t, e);
	struct pv_ev *ev;

	attr.sample_period = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	for (int i = 0; i < 4; i++) {
		int prog = pv_bpf_load(t, types[i], insns);

		if (types[i] != type_for(e))
			pv_expect_errno(t, "a program of another type",
					pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, prog), -EINVAL);
		pv_sys_close(prog);
	}
	pv_expect_errno(t, "no file", pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, 9999), -EBADF);
	pv_expect_errno(t, "another file", pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, pv_fd(ev)),
			-EINVAL);
}

PV_CASE(bpf, query, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about = "QUERY_BPF names the programs of a tracepoint in their order, and their number")
{
	struct perf_event_attr attr = pv_bpf_getsid(t);
	const struct bpf_insn insns[] = {PV_MOVI(0, 1), PV_EXIT()};
	uint64_t words[8];
	struct perf_event_query_bpf *q = (struct perf_event_query_bpf *)words;
	struct pv_ev *ev[3];
	uint32_t id[3];

	for (int i = 0; i < 3; i++) {
		int prog = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, insns);

		ev[i] = pv_open(t, &attr, 0, -1, NULL, 0);
		memset(words, 0, sizeof(words));
		q->ids_len = 8;
		pv_expect_errno(t, "query", pv_ioctl(ev[i], PERF_EVENT_IOC_QUERY_BPF, (long)q), 0);
		pv_expect_eq(t, "programs before", q->prog_cnt, i);
		pv_expect_errno(t, "attach", pv_ioctl(ev[i], PERF_EVENT_IOC_SET_BPF, prog), 0);
		id[i] = pv_bpf_id(t, prog);
		pv_sys_close(prog);
	}
	memset(words, 0, sizeof(words));
	q->ids_len = 8;
	pv_expect_errno(t, "query of three", pv_ioctl(ev[0], PERF_EVENT_IOC_QUERY_BPF, (long)q), 0);
	pv_expect_eq(t, "programs", q->prog_cnt, 3);
	for (int i = 0; i < 3; i++)
		pv_expect_eq(t, "id", q->ids[i], id[i]);
	memset(words, 0, sizeof(words));
	q->ids_len = 2;
	pv_expect_errno(t, "query into two places",
			pv_ioctl(ev[0], PERF_EVENT_IOC_QUERY_BPF, (long)q), -ENOSPC);
	pv_expect_eq(t, "programs told then", q->prog_cnt, 3);
	pv_expect_eq(t, "first id told then", q->ids[0], id[0]);
	pv_expect_eq(t, "behind the two places", q->ids[2], 0);
	memset(words, 0, sizeof(words));
	pv_expect_errno(t, "query of the number",
			pv_ioctl(ev[0], PERF_EVENT_IOC_QUERY_BPF, (long)q), 0);
	pv_expect_eq(t, "the number alone", q->prog_cnt, 3);
	q->ids_len = 65;
	pv_expect_errno(t, "query of more than there can be",
			pv_ioctl(ev[0], PERF_EVENT_IOC_QUERY_BPF, (long)q), -E2BIG);
	pv_close(t, ev[1]);
	memset(words, 0, sizeof(words));
	q->ids_len = 8;
	pv_expect_errno(t, "query", pv_ioctl(ev[0], PERF_EVENT_IOC_QUERY_BPF, (long)q), 0);
	pv_expect_eq(t, "programs without the second", q->prog_cnt, 2);
	pv_expect_eq(t, "the second place then", q->ids[1], id[2]);
	pv_expect_errno(
		t, "query of a software event",
		pv_ioctl(pv_open(t, &pv_dummy, 0, -1, NULL, 0), PERF_EVENT_IOC_QUERY_BPF, (long)q),
		-EINVAL);
}

/* ctx->args of raw tracepoints behind the common fields: sys_enter has id at 8. */
PV_CASE(bpf, context, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about = "a tracepoint's program sees the fields of the call, and may not read beyond them")
{
	struct perf_event_attr attr = pv_bpf_getsid(t);
	int map = pv_bpf_map(t, BPF_MAP_TYPE_ARRAY, 4, 8, 2), prog;
	/* slot 0: the sum of argument 0 (at 16), slot 1 unused */
	const struct bpf_insn insns[] = {
		PV_LDX(BPF_DW, 6, 1, 16),
		PV_LDX(BPF_W, 7, 1, 8),
		PV_JMP(BPF_JNE, 7, SYS_getsid, 8),
		PV_ST(BPF_W, 10, -4, 0),
		PV_MOV(2, 10),
		PV_ADDI(2, -4),
		PV_LD_MAP(1, map),
		PV_CALL(BPF_FUNC_map_lookup_elem),
		PV_JMP(BPF_JEQ, 0, 0, 1),
		PV_ATOMIC_ADD(0, 0, 6),
		PV_MOVI(0, 1),
		PV_EXIT(),
	};
	/* one argument: nothing at 24 */
	const struct bpf_insn beyond[] = {PV_LDX(BPF_DW, 0, 1, 24), PV_EXIT()};
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	uint64_t sum = 0;

	prog = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, beyond);
	pv_expect_errno(t, "a program that reads beyond",
			pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, prog), -EACCES);
	prog = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, insns);
	pv_expect_errno(t, "attach", pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, prog), 0);
	pv_enable(t, ev);
	for (int i = 0; i < 30; i++) {
		uint64_t arg = pv_random(t, 1, 1000000);

		sum += arg;
		syscall(SYS_getsid, arg);
	}
	pv_disable(t, ev);
	pv_expect_eq(t, "sum of the arguments", pv_bpf_slot(t, map, 0), sum);
	pv_expect_eq(t, "count", pv_value(t, ev), 30);
}

PV_CASE(bpf, cookie, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about = "each link's program reads its own cookie, and stops with its link")
{
	struct perf_event_attr attr = pv_bpf_getsid(t);
	int map = pv_bpf_map(t, BPF_MAP_TYPE_ARRAY, 4, 8, 2), prog;
	const struct bpf_insn insns[] = {
		PV_CALL(BPF_FUNC_get_attach_cookie),
		PV_MOV(6, 0),
		PV_ST(BPF_W, 10, -4, 0),
		PV_MOV(2, 10),
		PV_ADDI(2, -4),
		PV_LD_MAP(1, map),
		PV_CALL(BPF_FUNC_map_lookup_elem),
		PV_JMP(BPF_JEQ, 0, 0, 1),
		PV_ATOMIC_ADD(0, 0, 6),
		PV_MOVI(0, 1),
		PV_EXIT(),
	};
	uint64_t due = 0;
	long link[3];

	for (int i = 0; i < 3; i++) {
		struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
		uint64_t cookie = 0x100000001ull << i * 4;

		/* a program stands on a tracepoint once */
		prog = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, insns);
		pv_enable(t, ev);
		link[i] = pv_bpf_link(prog, pv_fd(ev), cookie);
		if (link[i] == -EINVAL && !i)
			pv_skip(t, PV_TOO_OLD, "no BPF links on events");
		pv_expect_errno(t, "link", link[i], 0);
		due += cookie;
	}
	syscall(SYS_getsid, 0);
	pv_expect_eq(t, "sum of the cookies", pv_bpf_slot(t, map, 0), due);
	pv_sys_close(link[1]);
	syscall(SYS_getsid, 0);
	pv_expect_eq(t, "sum without the second link", pv_bpf_slot(t, map, 0),
		     2 * due - (0x100000001ull << 4));
}
