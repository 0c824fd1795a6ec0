/* SPDX-License-Identifier: GPL-2.0-only */
/* Breakpoints and the kernel: its own addresses, and what it does to a watched place. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/probes.h"

/* A byte that the kernel writes to `to`. */
static void kernel_writes(struct pv_test *t, char *to, int n)
{
	int fds[2];

	if (pipe(fds))
		pv_error(t, PV_BROKEN_SETUP, "no pipe");
	for (int i = 0; i < n; i++) {
		if (write(fds[1], "x", 1) != 1 || read(fds[0], to, 1) != 1)
			pv_error(t, PV_BROKEN_SETUP, "no byte through the pipe");
	}
	close(fds[0]);
	close(fds[1]);
}

PV_CASE(watch_kernel, copies, .pmu = "breakpoint", .arch = "x86_64 arm64",
	.each = "word[kernel,no-kernel]", .needs = "watchpoints", .proof = "kernel",
	.about =
		"the kernel's writes to a watched byte count on x86 unless exclude_kernel is set, never on arm64, and do not harm ours")
{
	bool no_kernel = !strcmp(pv_word(t), "no-kernel");
	char *byte = (char *)pv_watch_place() + 8;
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_W, byte, 1);
	uint64_t last = 0, due = PV_ISA_WATCH_KERNEL ? 5 : 0;
	struct pv_ev *ev;

	attr.exclude_kernel = no_kernel;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, ev);
	kernel_writes(t, byte, 5);
	pv_expect_eq(t, "the kernel's writes", pv_grown(t, ev, &last), no_kernel ? 0 : due);
	pv_store(byte, 1, 4);
	pv_expect_eq(t, "our stores afterwards", pv_grown(t, ev, &last), 4);
}

PV_CASE(watch_kernel, function, .pmu = "kprobe", .arch = "x86_64 arm64",
	.each = "event[entry] word[task,cpu]", .needs = "root", .proof = "kernel",
	.about =
		"an execution breakpoint on a kernel function counts its calls; with exclude_kernel it is EINVAL, on arm64 for a task, too")
{
	uint64_t addr = pv_kfunc_address(t, pv_event(t));
	bool cpu = !strcmp(pv_word(t), "cpu");
	pid_t pid = cpu ? -1 : 0;
	int on = cpu ? pv_cpu(t) : -1;
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_X, (void *)(uintptr_t)addr, 0);
	unsigned int slots = pv_bp_slots(t, HW_BREAKPOINT_X, pid, on);
	struct pv_ev *ev;

	pv_expect(t, "the function's address is the kernel's", addr >> 63);
	attr.exclude_kernel = 1;
	pv_expect_errno(t, "with exclude_kernel", pv_outcome(t, &attr, pid, on, -1, 0), -EINVAL);
	pv_expect_eq(t, "slots after a refusal", pv_bp_slots(t, HW_BREAKPOINT_X, pid, on), slots);
	attr.exclude_kernel = 0;
	if (!cpu && !PV_ISA_WATCH_KERNEL) {
		pv_expect_errno(t, "for a task", pv_outcome(t, &attr, pid, on, -1, 0), -EINVAL);
		return;
	}
	ev = pv_open(t, &attr, pid, on, NULL, 0);
	pv_enable(t, ev);
	pv_work(t, 20);
	pv_disable(t, ev);
	if (cpu)
		pv_expect_in(t, "calls", pv_value(t, ev), 20, 25);
	else
		pv_expect_eq(t, "calls", pv_value(t, ev), 20);
	pv_work(t, 1);
	pv_close(t, ev);
	pv_expect_eq(t, "slots at the end", pv_bp_slots(t, HW_BREAKPOINT_X, pid, on), slots);
}
