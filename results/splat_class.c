/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The classes. The first row that matches decides, so the special stands before the general.
 * Wordings: kernel/panic.c, lib/bug.c, arch/{x86,arm64,arm,riscv}/kernel/traps.c,
 * arch/{x86,arm64,riscv}/mm, arch/x86/kernel/{dumpstack,nmi}.c, arch/x86/events, drivers/perf,
 * drivers/hwtracing/coresight, kernel/{watchdog,hung_task,workqueue}.c, kernel/rcu, kernel/locking,
 * mm/{kasan,kfence,kmsan}, of 4.19 to 7.2; Xen 4.17 xen/common, xen/arch/x86.
 */
#include "results/splat_class.h"

const char *const pv_severity_names[] = {"metric", "warning", "fatal"};

#define N PV_FROM_NOTHING
#define T PV_FROM_TRACE
#define L PV_FROM_LINE
#define K PV_FROM_LOCK
#define S PV_FROM_STUCK

#define COPY  PV_SKIP_COPY
#define LOCK  PV_SKIP_LOCK
#define WAIT  (PV_SKIP_WAIT | PV_SKIP_LOCK)
#define STUCK (PV_SKIP_WAIT | PV_SKIP_LOCK | PV_SKIP_IRQ)
#define ACC   PV_BAD_ACCESS
#define ANY   PV_ANYWHERE
#define PART  PV_PART

const struct pv_splat_class pv_splat_classes[] = {
	/* ---- the PMU's own ---- */
	{"msr-access", PV_WARNING,
	 "unchecked MSR access error: WRMSR to %x (tried to write %x) at rIP: %x (%f",
	 "unchecked MSR access error: WRMSR to %M1%F", L, 0, 0},
	{"msr-access", PV_WARNING, "unchecked MSR access error: RDMSR from %x at rIP: %x (%f",
	 "unchecked MSR access error: RDMSR from %M1%F", L, 0, 0},
	{"msr-access", PV_WARNING, "unchecked MSR access error: %s %s %x",
	 "unchecked MSR access error: %1 %2 %M3%F", T, 0, 0},
	{"unknown-nmi", PV_WARNING, "Uhhuh. NMI received for unknown reason %x on CPU %d",
	 "unknown NMI, reason %x1", N, 0, 0},
	{"unknown-nmi", PV_WARNING, "Dazed and confused, but trying to continue", "unknown NMI", N,
	 0, PART},
	{"irq-loop", PV_WARNING, "perfevents: irq loop stuck!", "perfevents: irq loop stuck", N, 0,
	 ANY},
	{"interrupt-too-long", PV_METRIC,
	 "perf: interrupt took too long (%d > %d), lowering kernel.perf_event_max_sample_rate to %d",
	 "perf: interrupt took too long", N, 0, PV_ONE_LINE},

	/* ---- x86 ---- */
	{"null-deref", PV_FATAL, "BUG: kernel NULL pointer dereference, address: ",
	 "BUG: unable to handle kernel NULL pointer dereference%F", T, COPY, ACC},
	{"null-deref", PV_FATAL, "BUG: unable to handle kernel NULL pointer dereference",
	 "BUG: unable to handle kernel NULL pointer dereference%F", T, COPY, ACC},
	{"page-fault", PV_FATAL, "BUG: unable to handle page fault for address: ",
	 "BUG: unable to handle kernel paging request%F", T, COPY, ACC},
	{"page-fault", PV_FATAL, "BUG: unable to handle kernel paging request",
	 "BUG: unable to handle kernel paging request%F", T, COPY, ACC},
	{"stack-overflow", PV_FATAL, "BUG: #DF stack guard page was hit at ",
	 "BUG: stack guard page was hit%F", T, COPY, 0},
	{"gpf", PV_FATAL, "Oops: general protection fault", "general protection fault%F", T, COPY,
	 ACC},
	{"gpf", PV_FATAL, "general protection fault", "general protection fault%F", T, COPY, ACC},

	/* ---- warnings ---- */
	{"warning", PV_WARNING, "WARNING: CPU: %d PID: %d at %s:%d %f", "WARNING%F", L, 0, PART},
	{"warning", PV_WARNING, "WARNING: CPU: %d PID: %d at %f", "WARNING%F", L, 0, PART},
	{"warning", PV_WARNING, "WARNING: ", "WARNING%F", T, 0, 0},

	/* ---- the general ones ---- */
	{"bug", PV_FATAL, "BUG: ", NULL, T, 0, 0},
	{"oops", PV_FATAL, "Internal error: %*: %x [#", "Internal error: %1%F", T, COPY,
	 PART | ACC},
	{"oops", PV_FATAL, "Oops: ", "Oops%F", T, COPY, PART | ACC},
	{"panic", PV_FATAL, "Kernel panic - not syncing: Fatal exception", NULL, N, 0,
	 PV_CONSEQUENCE},
	{"panic", PV_FATAL, "Kernel panic - not syncing: %l", "kernel panic: %1", N, 0, 0},
	{"boot", PV_METRIC, "Linux version %s (", "Linux version %1", N, 0, PV_BOOT | PV_ONE_LINE},
};
const size_t pv_nr_splat_classes = sizeof(pv_splat_classes) / sizeof(pv_splat_classes[0]);
