/* SPDX-License-Identifier: GPL-2.0-only */
/* attr.sigtrap: each overflow is a SIGTRAP to the very thread, before its next instruction. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/sys.h"
#include "cases/lib/trap.h"
#include "cases/pv.h"

PV_CASE(sigtrap, each, .pmu = "sw tracepoint kprobe uprobe", .each = "event[samples exact] n[1,3]",
	.proof = "kernel",
	.about = "each overflow is one SIGTRAP that has come when the instruction is done, and a "
		 "sample besides")
{
	uint64_t period = pv_n(t), before, samples;
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	unsigned int late = 0, early = 0, tail;
	struct pv_ev *ev;

	pv_faults(t, 1); /* nothing of this program faults any more */
	attr.sample_period = period;
	attr.sample_type = PERF_SAMPLE_ADDR;
	/* As user space would: faults in the kernel's own copies are not asked for. */
	attr.exclude_kernel = pv_event(t)->side == PV_SIDE_USER;
	trap_on(t, &attr);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 4);
	pv_work(t, 2);
	pv_expect_eq(t, "signals while disabled", seen.count, 0);
	pv_enable(t, ev);
	for (unsigned int i = 0; i < 8; i++) {
		before = pv_read(t, ev).value;
		pv_work(t, period - before % period - 1);
		early += seen.count != before / period;
		pv_work(t, 1);
		late += seen.count != before / period + 1;
	}
	pv_disable(t, ev);
	tail = seen.count;
	pv_work(t, 2 * period);
	samples = pv_ring_samples(t, ev);
	pv_expect_in(t, "count", pv_read(t, ev).value, 8 * period, UINT64_MAX);
	pv_expect_eq(t, "signals", tail, pv_read(t, ev).value / period);
	pv_expect_eq(t, "rounds with a signal too early", early, 0);
	pv_expect_eq(t, "rounds without the signal that is due", late, 0);
	pv_expect_eq(t, "signals after DISABLE", seen.count - tail, 0);
	pv_expect_eq(t, "samples", samples, tail);
	pv_expect_eq(t, "asynchronous signals", seen.async, 0);
	expect_info(t);
}

PV_CASE(sigtrap, breakpoint, .pmu = "breakpoint", .each = "event[samples exact]", .proof = "kernel",
	.about = "a breakpoint's SIGTRAP has its address and comes at the access; a handler that "
		 "disables the event goes on")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	unsigned int wrong = 0, wrong_addr = 0;
	struct pv_ev *ev;

	attr.sample_period = 1;
	attr.exclude_kernel = 1;
	trap_on(t, &attr);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_work(t, 1);
	pv_expect_eq(t, "signals while disabled", seen.count, 0);
	/* Arm's fires before the access, again and again: the handler ends that. */
	seen.disable_fd = pv_fd(ev);
	for (unsigned int i = 0; i < 5; i++) {
		pv_enable(t, ev);
		pv_work(t, 1);
		wrong += seen.count != i + 1;
		wrong_addr += seen.addr != attr.bp_addr;
		pv_work(t, 1);
		wrong += seen.count != i + 1;
	}
	pv_expect_eq(t, "count", pv_read(t, ev).value, 5);
	pv_expect_eq(t, "signals", seen.count, 5);
	pv_expect_eq(t, "rounds with a wrong number", wrong, 0);
	pv_expect_eq(t, "signals with another address", wrong_addr, 0);
	pv_expect_eq(t, "asynchronous signals", seen.async, 0);
	expect_info(t);
	if (PV_ISA_WATCH_BEFORE)
		return;
	seen.disable_fd = -1;
	pv_enable(t, ev);
	pv_work(t, 9);
	pv_disable(t, ev);
	pv_expect_eq(t, "signals without a halt", seen.count, 14);
}

PV_CASE(sigtrap, address, .pmu = "perf", .each = "word[user,kernel]", .proof = "kernel",
	.about =
		"a fault's SIGTRAP has the page's address, in kernel mode only where that is asked for")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	size_t page = sysconf(_SC_PAGESIZE), n = 6;
	bool kernel = !strcmp(pv_word(t), "kernel");
	char *faults = pv_faults(t, 2 * n);
	unsigned int wrong = 0, wrong_addr = 0;
	int pipefd[2];
	struct pv_ev *ev;

	attr.exclude_kernel = !kernel;
	if (pipe(pipefd) || write(pipefd[1], faults + 2 * n * page, 2 * n) != (ssize_t)(2 * n))
		pv_error(t, PV_BROKEN_SETUP, "pipe");
	trap_on(t, &attr);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, ev);
	for (size_t i = 0; i < n; i++) {
		pv_fault(faults, i, 1);
		wrong += seen.count != (kernel ? 2 * i : i) + 1;
		wrong_addr += seen.addr != (uintptr_t)faults + i * page;
		/* The kernel touches this one, for read(2). */
		if (read(pipefd[0], faults + (n + i) * page, 1) != 1)
			wrong += 100;
		wrong += seen.count != (kernel ? 2 * i + 1 : i) + 1;
		if (kernel)
			wrong_addr += seen.addr != (uintptr_t)faults + (n + i) * page;
	}
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, kernel ? 2 * n : n);
	pv_expect_eq(t, "signals", seen.count, kernel ? 2 * n : n);
	pv_expect_eq(t, "touches with a wrong number of signals", wrong, 0);
	pv_expect_eq(t, "signals with another address", wrong_addr, 0);
	expect_info(t);
}

PV_CASE(sigtrap, blocked, .pmu = "perf", .proof = "kernel",
	.about = "a blocked SIGTRAP waits, says afterwards that it is late, and kills nobody")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	char *faults = pv_faults(t, 8);
	unsigned int blocked, late, async;
	uintptr_t addr;
	struct pv_ev *ev;
	sigset_t set, pending, before;

	trap_on(t, &attr);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigpending(&before);
	pv_enable(t, ev);
	pv_fault(faults, 0, 3);
	pv_disable(t, ev);
	sigpending(&pending);
	blocked = seen.count;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	late = seen.count;
	async = seen.async;
	addr = seen.addr;
	pv_enable(t, ev);
	pv_fault(faults, 3, 2);
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 5);
	pv_expect_eq(t, "pending before", sigismember(&before, SIGTRAP), 0);
	pv_expect_eq(t, "pending", sigismember(&pending, SIGTRAP), 1);
	pv_expect_eq(t, "signals while blocked", blocked, 0);
	/* An ordinary signal is pending once, and it is the first. */
	pv_expect_eq(t, "signals when unblocked", late, 1);
	pv_expect_eq(t, "of these asynchronous", async, 1);
	pv_expect_eq(t, "address of the late one", addr, (uintptr_t)faults);
	pv_expect_eq(t, "signals then", seen.count, 3);
	pv_expect_eq(t, "asynchronous in the end", seen.async, 1);
	expect_info(t);
}

PV_CASE(sigtrap, refresh, .pmu = "perf", .proof = "kernel",
	.about =
		"SIGTRAP comes although the handler of other signals runs, and ends with the limit "
		"of REFRESH")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	char *faults = pv_faults(t, 8);
	struct pv_ev *ev;
	unsigned int at_end;
	long err;

	trap_on(t, &attr);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	err = pv_ioctl(ev, PERF_EVENT_IOC_REFRESH, 3);
	pv_fault(faults, 0, 6);
	at_end = seen.count;
	pv_expect_errno(t, "refresh", err, 0);
	pv_expect_eq(t, "signals", at_end, 3);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 3);
	expect_info(t);
}

PV_CASE(sigtrap, modify, .pmu = "breakpoint", .each = "event[exec]", .needs = "modify",
	.proof = "kernel", .about = "MODIFY_ATTRIBUTES changes the word that the signal carries")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *ev;

	attr.sample_period = 1;
	attr.exclude_kernel = 1;
	trap_on(t, &attr);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	seen.disable_fd = pv_fd(ev);
	pv_enable(t, ev);
	pv_work(t, 1);
	pv_expect_eq(t, "signals", seen.count, 1);
	expect_info(t);
	attr.sig_data = ~DATA;
	seen.data = (unsigned long)~DATA;
	pv_expect_errno(t, "modify",
			pv_ioctl(ev, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, (unsigned long)&attr), 0);
	pv_enable(t, ev);
	pv_work(t, 1);
	pv_expect_eq(t, "signals then", seen.count, 2);
	expect_info(t);
}

PV_CASE(sigtrap, taken, .pmu = "perf", .proof = "kernel",
	.about = "sigtrap goes with a task on one CPU, with a frequency and with threads; the rest "
		 "is refused (errors/attr)")
{
	struct perf_event_attr good = pv_faults_attr(t, PERF_SAMPLE_ADDR), attr;

	trap_on(t, &good);
	pv_expect_errno(t, "a task", pv_outcome(t, &good, 0, -1, -1, 0), 0);
	pv_expect_errno(t, "a task on a CPU", pv_outcome(t, &good, 0, pv_cpu(t), -1, 0), 0);
	pv_expect_errno(t, "a CPU", pv_outcome(t, &good, -1, pv_cpu(t), -1, 0), -EINVAL);
	attr = good;
	attr.inherit = attr.inherit_thread = 1;
	pv_expect_errno(t, "threads", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr = good;
	attr.freq = 1;
	attr.sample_freq = 100;
	pv_expect_errno(t, "a frequency", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr = good;
	attr.sigtrap = 0;
	pv_expect_errno(t, "sig_data alone", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
}
