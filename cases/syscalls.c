/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A summary of system calls, made twice: from the samples of raw_syscalls in a ring and by a BPF
 * program in the kernel. Calls and errors are those that were made; times fit into the time it
 * took.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/bpf.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"
#include "cases/lib/trace.h"

#define CALLS 6
static const struct {
	int nr;
	long arg;
	bool fails;
} table[CALLS] = {
	{SYS_getppid, 0, false}, {SYS_getuid, 0, false}, {SYS_getsid, 0, false},
	{SYS_getsid, -5, true},  {SYS_close, -1, true},  {SYS_fsync, -1, true},
};

struct summary {
	uint64_t calls, errors, sum, min, max;
};

#define MAX_NR 512

static void add_call(struct summary *s, int64_t ret, uint64_t ns)
{
	s->calls++;
	s->errors += ret < 0;
	s->sum += ns;
	if (s->calls == 1 || ns < s->min)
		s->min = ns;
	if (ns > s->max)
		s->max = ns;
}

static void make_calls(struct pv_test *t, struct summary due[MAX_NR])
{
	for (int i = 0; i < 300; i++) {
		int k = (int)pv_random(t, 0, CALLS - 1);

		due[table[k].nr].calls++;
		due[table[k].nr].errors += table[k].fails;
		syscall(table[k].nr, table[k].arg);
	}
}

static void expect_summary(struct pv_test *t, const struct summary *s, const struct summary *due,
			   uint64_t wall)
{
	pv_expect_eq(t, "calls", s->calls, due->calls);
	pv_expect_eq(t, "errors", s->errors, due->errors);
	if (!s->calls)
		return;
	pv_expect_in(t, "mean between min and max", s->sum / s->calls, s->min, s->max);
	pv_expect_in(t, "max", s->max, 1, wall);
	pv_expect_in(t, "sum", s->sum, s->calls * s->min, wall);
}

static const int judged[] = {SYS_getppid, SYS_getuid, SYS_getsid, SYS_close, SYS_fsync};
#define NR_JUDGED (sizeof(judged) / sizeof(judged[0]))

PV_CASE(syscalls, ring, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about =
		"entries and exits in one ring pair up, call by call, and sum up to the calls, errors and times of the workload")
{
	struct pv_trace enter = pv_trace_read(t, "raw_syscalls", "sys_enter");
	struct pv_trace leave = pv_trace_read(t, "raw_syscalls", "sys_exit");
	struct perf_event_attr attr = pv_trace_attr(&enter);
	static struct summary due[MAX_NR], seen[MAX_NR];
	uint64_t unpaired = 0, lost = 0, back = 0, last = 0, began = 0, wall;
	static struct pv_record rec;
	int64_t inside = -1;
	struct pv_ev *in, *out;

	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TIME | PERF_SAMPLE_RAW;
	in = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.config = leave.id;
	out = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, in, 32);
	pv_expect_errno(t, "one ring", pv_ioctl(out, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(in)), 0);
	wall = pv_sys_walltime();
	pv_enable(t, out);
	pv_enable(t, in);
	make_calls(t, due);
	pv_disable(t, in);
	pv_disable(t, out);
	wall = pv_sys_walltime() - wall;
	while (pv_ring_next(t, in, &rec)) {
		const uint8_t *raw = rec.body + 12;
		uint64_t time;
		uint16_t type;
		int64_t id;

		if (rec.header.type != PERF_RECORD_SAMPLE) {
			lost++;
			continue;
		}
		memcpy(&time, rec.body, sizeof(time));
		memcpy(&type, raw, sizeof(type));
		back += time < last;
		last = time;
		if (type == enter.id) {
			unpaired += inside >= 0;
			inside = pv_field_value(t, &enter, "id", raw);
			began = time;
			continue;
		}
		id = pv_field_value(t, &leave, "id", raw);
		/* the ioctls that switch the two events are half seen */
		if (id == SYS_ioctl && inside != id)
			continue;
		unpaired += id != inside;
		inside = -1;
		if (id >= 0 && id < MAX_NR)
			add_call(&seen[id], pv_field_value(t, &leave, "ret", raw), time - began);
	}
	pv_expect_eq(t, "records that are no samples", lost, 0);
	pv_expect_eq(t, "entries without exit and exits without entry", unpaired, 0);
	pv_expect_eq(t, "times that go back", back, 0);
	for (size_t i = 0; i < NR_JUDGED; i++)
		expect_summary(t, &seen[judged[i]], &due[judged[i]], wall);
}

/* r6 = this thread's number, or the program ends: what others do is not ours. */
#define ONLY_THREAD(tid)                                                                           \
	PV_CALL(BPF_FUNC_get_current_pid_tgid), PV_BPF(BPF_ALU64 | BPF_LSH | BPF_K, 0, 0, 0, 32),  \
		PV_BPF(BPF_ALU64 | BPF_RSH | BPF_K, 0, 0, 0, 32), PV_JMP(BPF_JEQ, 0, tid, 2),      \
		PV_MOVI(0, 0), PV_EXIT()

static int enter_program(struct pv_test *t, int start)
{
	const struct bpf_insn insns[] = {
		ONLY_THREAD(gettid()),
		PV_CALL(BPF_FUNC_ktime_get_ns),
		PV_STX(BPF_DW, 10, -16, 0),
		PV_ST(BPF_W, 10, -4, 0),
		PV_LD_MAP(1, start),
		PV_MOV(2, 10),
		PV_ADDI(2, -4),
		PV_MOV(3, 10),
		PV_ADDI(3, -16),
		PV_MOVI(4, 0),
		PV_CALL(BPF_FUNC_map_update_elem),
		PV_MOVI(0, 0),
		PV_EXIT(),
	};

	return pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, insns);
}

static int exit_program(struct pv_test *t, int start, int sums)
{
	const struct bpf_insn insns[] = {
		PV_MOV(9, 1),
		ONLY_THREAD(gettid()),
		PV_LDX(BPF_DW, 6, 9, 8),  /* id */
		PV_LDX(BPF_DW, 7, 9, 16), /* ret */
		PV_CALL(BPF_FUNC_ktime_get_ns),
		PV_MOV(8, 0),
		PV_ST(BPF_W, 10, -4, 0),
		PV_LD_MAP(1, start),
		PV_MOV(2, 10),
		PV_ADDI(2, -4),
		PV_CALL(BPF_FUNC_map_lookup_elem),
		PV_JMP(BPF_JEQ, 0, 0, 20),
		PV_LDX(BPF_DW, 1, 0, 0),
		PV_SUB(8, 1), /* r8: how long */
		PV_STX(BPF_W, 10, -8, 6),
		PV_LD_MAP(1, sums),
		PV_MOV(2, 10),
		PV_ADDI(2, -8),
		PV_CALL(BPF_FUNC_map_lookup_elem),
		PV_JMP(BPF_JEQ, 0, 0, 11), /* none of those we ask for */
		PV_MOVI(1, 1),
		PV_ATOMIC_ADD(0, 0, 1),
		PV_JMP(BPF_JSGE, 7, 0, 1),
		PV_ATOMIC_ADD(0, 8, 1),
		PV_ATOMIC_ADD(0, 16, 8),
		PV_LDX(BPF_DW, 1, 0, 24),
		PV_JMPX(BPF_JLE, 1, 8, 1),
		PV_STX(BPF_DW, 0, 24, 8),
		PV_LDX(BPF_DW, 1, 0, 32),
		PV_JMPX(BPF_JGE, 1, 8, 1),
		PV_STX(BPF_DW, 0, 32, 8),
		PV_MOVI(0, 0),
		PV_EXIT(),
	};

	return pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, insns);
}

static bool first_pid_namespace(void)
{
	char link[64];
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = 0;
	return !strcmp(link, "pid:[4026531836]"); /* PROC_PID_INIT_INO */
}

PV_CASE(syscalls, in_kernel, .pmu = "tracepoint", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about =
		"a BPF program on the same tracepoints sums up the same calls, errors and times, with nothing in a ring")
{
	struct pv_trace enter = pv_trace_read(t, "raw_syscalls", "sys_enter");
	struct pv_trace leave = pv_trace_read(t, "raw_syscalls", "sys_exit");
	struct perf_event_attr attr = pv_trace_attr(&enter);
	int start = pv_bpf_map(t, BPF_MAP_TYPE_ARRAY, 4, 8, 1);
	int sums = pv_bpf_map(t, BPF_MAP_TYPE_HASH, 4, sizeof(struct summary), 64);
	static struct summary due[MAX_NR];
	struct pv_ev *in, *out;
	uint64_t wall;

	if (!first_pid_namespace())
		pv_skip(t, PV_HIDDEN,
			"our thread has another number in the kernel: run outside "
			"the container");
	for (size_t i = 0; i < NR_JUDGED; i++) {
		const struct summary none = {.min = UINT64_MAX};
		uint32_t nr = judged[i];

		pv_bpf_set(sums, &nr, &none);
	}
	in = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.config = leave.id;
	out = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "entry program",
			pv_ioctl(in, PERF_EVENT_IOC_SET_BPF, enter_program(t, start)), 0);
	wall = pv_sys_walltime();
	pv_expect_errno(t, "exit program",
			pv_ioctl(out, PERF_EVENT_IOC_SET_BPF, exit_program(t, start, sums)), 0);
	make_calls(t, due);
	wall = pv_sys_walltime() - wall;
	/* Its evidence is written with calls of its own. */
	pv_close(t, out);
	pv_close(t, in);
	for (size_t i = 0; i < NR_JUDGED; i++) {
		struct summary seen = {0};
		uint32_t nr = judged[i];

		pv_bpf_get(sums, &nr, &seen);
		/* close(2) of the exit event is one, and fd housekeeping */
		if (nr == SYS_close) {
			pv_expect_in(t, "calls of close", seen.calls, due[nr].calls,
				     due[nr].calls + 2);
			pv_expect_eq(t, "errors of close", seen.errors, due[nr].errors);
			continue;
		}
		expect_summary(t, &seen, &due[nr], wall);
	}
}
