/* SPDX-License-Identifier: GPL-2.0-only */
/* Events in a BPF map: a program reads them and writes records into their rings. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/bpf.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

static struct pv_ev *trigger(struct pv_test *t, int prog)
{
	struct perf_event_attr attr =
		pv_attr(t, pv_find_event(t, "tracepoint", "sys_enter_getsid"));
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);

	pv_expect_errno(t, "attach", pv_ioctl(ev, PERF_EVENT_IOC_SET_BPF, prog), 0);
	pv_enable(t, ev);
	return ev;
}

PV_CASE(bpf_read, value, .pmu = "sw", .arch = "x86_64 arm64", .needs = "root tracefs",
	.each = "event[exact]", .proof = "kernel",
	.about = "bpf_perf_event_read_value() gives what read(2) gives: count and times")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	int events = pv_bpf_map(t, BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1024), fd;
	int out = pv_bpf_map(t, BPF_MAP_TYPE_ARRAY, 4, 32, 1), prog;
	const struct bpf_insn insns[] = {
		PV_ST(BPF_DW, 10, -8, 0),
		PV_ST(BPF_DW, 10, -16, 0),
		PV_ST(BPF_DW, 10, -24, 0),
		PV_ST(BPF_DW, 10, -32, 0),
		PV_LD_MAP(1, events),
		PV_MOVI(2, 0),
		PV_MOV(3, 10),
		PV_ADDI(3, -32),
		PV_MOVI(4, 24),
		PV_CALL(BPF_FUNC_perf_event_read_value),
		PV_STX(BPF_DW, 10, -8, 0),
		PV_ST(BPF_DW, 10, -40, 0),
		PV_LD_MAP(1, out),
		PV_MOV(2, 10),
		PV_ADDI(2, -40),
		PV_MOV(3, 10),
		PV_ADDI(3, -32),
		PV_MOVI(4, 0),
		PV_CALL(BPF_FUNC_map_update_elem),
		PV_MOVI(0, 0),
		PV_EXIT(),
	};
	struct {
		uint64_t value, enabled, running, err;
	} seen;
	struct pv_count before, after;
	uint32_t zero = 0;
	struct pv_ev *ev;

	prog = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, insns);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	fd = pv_fd(ev);
	pv_expect_errno(t, "the event into the map", pv_bpf_set(events, &zero, &fd), 0);
	trigger(t, prog);
	pv_enable(t, ev);
	pv_work(t, 20);
	before = pv_read(t, ev);
	syscall(SYS_getsid, 0);
	after = pv_read(t, ev);
	pv_disable(t, ev);
	if (pv_bpf_get(out, &zero, &seen))
		pv_error(t, PV_BROKEN_SETUP, "a BPF array");
	pv_expect_errno(t, "the helper", (long)seen.err, 0);
	pv_expect_in(t, "count before", before.value, 1, UINT64_MAX);
	pv_expect_in(t, "count in the program", seen.value, before.value, after.value);
	pv_expect_in(t, "time enabled in the program", seen.enabled, before.enabled + 1,
		     after.enabled - 1);
	pv_expect_in(t, "time running in the program", seen.running, before.running + 1,
		     after.running - 1);
	/* Taken out of the map it is there no more. */
	pv_sys_close(events);
}

#define RECORDS 25

PV_CASE(bpf_read, output, .pmu = "sw", .arch = "x86_64 arm64", .needs = "root tracefs",
	.proof = "kernel",
	.about =
		"bpf_perf_event_output() writes one sample a call into the ring, its raw data byte by byte as the program had them")
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_RAW | PERF_SAMPLE_TID,
		.disabled = 1,
	};
	int events = pv_bpf_map(t, BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, 1024), fd, prog;
	const struct bpf_insn insns[] = {
		PV_MOV(6, 1),
		PV_LDX(BPF_DW, 7, 1, 16), /* the argument */
		PV_STX(BPF_DW, 10, -24, 7),
		PV_BPF(BPF_LD | BPF_DW | BPF_IMM, 8, 0, 0, 0x12345678),
		PV_BPF(0, 0, 0, 0, (int)0xabcdef01),
		PV_STX(BPF_DW, 10, -16, 8),
		PV_ST(BPF_DW, 10, -8, 0x77),
		PV_MOV(1, 6),
		PV_LD_MAP(2, events),
		PV_MOVI(3, 0), /* the map's first place, as the flags say */
		PV_MOV(4, 10),
		PV_ADDI(4, -24),
		PV_MOVI(5, 20),
		PV_CALL(BPF_FUNC_perf_event_output),
		PV_MOVI(0, 0),
		PV_EXIT(),
	};
	static struct pv_record rec;
	uint64_t n = 0, wrong = 0, wrong_size = 0, wrong_tid = 0, arg[RECORDS];
	uint32_t zero = 0;
	struct pv_ev *ring;

	/* It writes on the CPU that the event is of. */
	ring = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ring, 4);
	fd = pv_fd(ring);
	pv_expect_errno(t, "the event into the map", pv_bpf_set(events, &zero, &fd), 0);
	pv_enable(t, ring);
	prog = pv_bpf_load(t, BPF_PROG_TYPE_TRACEPOINT, insns);
	trigger(t, prog);
	for (int i = 0; i < RECORDS; i++) {
		arg[i] = pv_random(t, 0, 1u << 30);
		syscall(SYS_getsid, arg[i]);
	}
	pv_disable(t, ring);
	for (; pv_ring_next(t, ring, &rec); n++) {
		struct {
			uint32_t pid, tid, size;
			uint8_t data[20];
		} s;
		uint64_t word[3];

		memcpy(&s, rec.body, sizeof(s));
		memset(word, 0, sizeof(word));
		memcpy(word, s.data, sizeof(s.data));
		wrong_tid += s.tid != (uint32_t)gettid();
		/* 20 bytes behind a size of 4: padded to 8 */
		wrong_size += s.size != 20 || rec.header.size != 8 + 8 + 24;
		wrong += n < RECORDS &&
			 (word[0] != arg[n] || word[1] != 0xabcdef0112345678 || word[2] != 0x77);
	}
	pv_expect_eq(t, "records", n, RECORDS);
	pv_expect_eq(t, "records with other bytes", wrong, 0);
	pv_expect_eq(t, "records with another size", wrong_size, 0);
	pv_expect_eq(t, "records of another thread", wrong_tid, 0);
}
