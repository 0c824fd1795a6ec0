/* SPDX-License-Identifier: GPL-2.0-only */
/* A debugger's breakpoints and perf's in one process: they share the registers and nothing else. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

static char *traced(void)
{
	return pv_watch_place();
}

static char *counted(void)
{
	return (char *)pv_watch_place() + 32;
}

#define STORES 20

static void child(struct pv_test *t, void *arg)
{
	(void)arg;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		pv_skip(t, PV_DENIED, "ptrace: %s: allow it (kernel.yama.ptrace_scope)",
			strerrorname_np(errno));
	raise(SIGSTOP);
	for (int i = 0; i < STORES; i++) {
		pv_store(counted(), 4, 1);
		if (i == 4 || i == 11)
			pv_store(traced(), 4, 1);
	}
	pv_call(pv_probe_target, 3);
	raise(SIGSTOP);
	pv_exec(t, NULL, (const char *const[]){"exit", "0", NULL});
}

/* The next stop of the child: its signal, or 0 when it has ended. */
static int next_stop(struct pv_test *t, pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		pv_error(t, PV_BROKEN_SETUP, "waitpid: %s", strerrorname_np(errno));
	return WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
}

static void go_on(struct pv_test *t, pid_t pid)
{
	if (ptrace(PTRACE_CONT, pid, NULL, NULL))
		pv_error(t, PV_BROKEN_SETUP, "PTRACE_CONT: %s", strerrorname_np(errno));
}

/* Where the debugger's breakpoint hit the child. */
static uint64_t hit_at(pid_t pid)
{
	siginfo_t info = {0};

	if (ptrace(PTRACE_GETSIGINFO, pid, NULL, &info))
		return 0;
	return (uintptr_t)info.si_addr;
}

/* It stops before the store: over it with the watchpoint off. */
static void step_over(struct pv_test *t, pid_t pid)
{
	pv_expect_errno(t, "watchpoint off", pv_debugger_unwatch(pid, 0, traced()), 0);
	if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
		pv_error(t, PV_BROKEN_SETUP, "PTRACE_SINGLESTEP");
	pv_expect_eq(t, "stop after a step", next_stop(t, pid), SIGTRAP);
	pv_expect_errno(t, "watchpoint on", pv_debugger_watch(pid, 0, traced()), 0);
}

PV_CASE(ptrace, beside, .pmu = "breakpoint", .arch = "x86_64 arm64", .needs = "watchpoints",
	.proof = "kernel",
	.about =
		"a debugger's watchpoint stops its process as often as it is hit, perf's beside it count, and both take from the same slots")
{
	struct perf_event_attr w = pv_bp_attr(HW_BREAKPOINT_W, counted(), 4);
	struct perf_event_attr x =
		pv_bp_attr(HW_BREAKPOINT_X, (void *)(uintptr_t)pv_probe_target, 0);
	unsigned int slots = pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), stops = 0, traps = 0;
	pid_t pid = pv_fork(t, child, NULL);
	struct pv_ev *writes, *calls;
	int fds[PV_BP_MAX], err, sig;
	bool seen = true, known = true;

	pv_expect_eq(t, "the child's first stop", next_stop(t, pid), SIGSTOP);
	pv_expect_errno(t, "the debugger's watchpoint", pv_debugger_watch(pid, 0, traced()), 0);
	pv_expect(t, "it reads back", pv_debugger_sees(pid, 0, traced()));
	pv_expect_eq(t, "slots beside the debugger's", pv_bp_slots(t, HW_BREAKPOINT_W, pid, -1),
		     slots - 1);
	pv_expect_eq(t, "slots of another process", pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), slots);
	w.disabled = x.disabled = 0;
	writes = pv_open(t, &w, pid, -1, NULL, 0);
	calls = pv_open(t, &x, pid, -1, NULL, 0);
	while (stops++ < 10) {
		go_on(t, pid);
		sig = next_stop(t, pid);
		if (sig != SIGTRAP)
			break;
		traps++;
		known &= !!hit_at(pid);
		seen &= pv_debugger_sees(pid, 0, traced());
		if (PV_ISA_WATCH_BEFORE)
			step_over(t, pid);
	}
	pv_expect_eq(t, "the child's last stop", sig, SIGSTOP);
	pv_expect_eq(t, "stops of the debugger's watchpoint", traps, 2);
	pv_expect(t, "each with an address", known);
	pv_expect(t, "it reads back at each", seen);
	pv_expect_eq(t, "perf's stores", pv_value(t, writes), STORES);
	pv_expect_eq(t, "perf's calls", pv_value(t, calls), 3);
	pv_close(t, writes);
	pv_close(t, calls);

	/* With perf in all the others the debugger gets none. */
	w.disabled = 1;
	pv_expect_eq(t, "slots again", pv_bp_fill(t, &w, pid, -1, fds, &err), slots - 1);
	pv_expect_errno(t, "a second watchpoint", pv_debugger_watch(pid, 1, counted()), -ENOSPC);
	pv_bp_empty(fds, slots - 1);
	pv_expect_errno(t, "a second watchpoint with a slot", pv_debugger_watch(pid, 1, counted()),
			0);
	pv_expect_eq(t, "slots beside two", pv_bp_slots(t, HW_BREAKPOINT_W, pid, -1), slots - 2);
	go_on(t, pid);
	pv_expect_eq(t, "stop at exec", next_stop(t, pid), SIGTRAP);
	pv_expect(t, "nothing reads back after exec", pv_debugger_sees_nothing(pid, 0));
	pv_expect_eq(t, "slots after exec", pv_bp_slots(t, HW_BREAKPOINT_W, pid, -1), slots);
	go_on(t, pid);
	pv_expect_eq(t, "the child's end", next_stop(t, pid), 0);
}

static void child_to_step(struct pv_test *t, void *arg)
{
	(void)arg;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		pv_skip(t, PV_DENIED, "ptrace: %s: allow it (kernel.yama.ptrace_scope)",
			strerrorname_np(errno));
	raise(SIGSTOP);
	pv_call(pv_probe_target, 6);
	pv_store(counted(), 4, 6);
	raise(SIGSTOP);
}

static uint64_t steps_of(struct pv_test *t, bool with_exec, bool with_data)
{
	struct perf_event_attr w = pv_bp_attr(HW_BREAKPOINT_W, counted(), 4);
	struct perf_event_attr x =
		pv_bp_attr(HW_BREAKPOINT_X, (void *)(uintptr_t)pv_probe_target, 0);
	pid_t pid = pv_fork(t, child_to_step, NULL);
	struct pv_ev *writes = NULL, *calls = NULL;
	uint64_t steps = 0;
	int sig;

	pv_expect_eq(t, "the child's first stop", next_stop(t, pid), SIGSTOP);
	w.disabled = x.disabled = 0;
	if (with_data)
		writes = pv_open(t, &w, pid, -1, NULL, 0);
	if (with_exec)
		calls = pv_open(t, &x, pid, -1, NULL, 0);
	do {
		if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL))
			pv_error(t, PV_BROKEN_SETUP, "PTRACE_SINGLESTEP: %s",
				 strerrorname_np(errno));
		sig = next_stop(t, pid);
		steps++;
	} while (sig == SIGTRAP && steps < 5000);
	pv_expect_eq(t, "the child's last stop", sig, SIGSTOP);
	if (with_data)
		pv_expect_eq(t, "perf's stores", pv_value(t, writes), 6);
	if (with_exec)
		pv_expect_eq(t, "perf's calls", pv_value(t, calls), 6);
	go_on(t, pid);
	pv_expect_eq(t, "the child's end", next_stop(t, pid), 0);
	return steps;
}

PV_CASE(ptrace, step, .pmu = "breakpoint", .arch = "x86_64 arm64", .proof = "kernel",
	.about =
		"a process that is single-stepped takes as many steps with perf's execution breakpoint as without, and it counts")
{
	uint64_t plain = steps_of(t, false, false);

	pv_expect_in(t, "steps", plain, 40, 4999);
	pv_expect_eq(t, "steps with a breakpoint", steps_of(t, true, false), plain);
}

/* Not x86: QEMU's TCG (7.2) never comes back from a step onto a watched store. */
PV_CASE(ptrace, step_data, .pmu = "breakpoint", .arch = "arm64", .each = "word[data,both]",
	.needs = "watchpoints", .proof = "kernel",
	.about =
		"a process that is single-stepped takes as many steps with perf's watchpoint as without, and it counts")
{
	uint64_t plain = steps_of(t, false, false);

	pv_expect_in(t, "steps", plain, 40, 4999);
	pv_expect_eq(t, "steps with a watchpoint", steps_of(t, pv_word(t)[0] == 'b', true), plain);
}
