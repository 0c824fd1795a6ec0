/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting in user space: who may not, and what nobody may see. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/user.h"

PV_CASE(user_access, trap, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.each = "word[knob,no-event,closed,child,plain]",
	.about =
		"without the knob, an event of its own that asks for it, or in another task, the instruction traps")
{
	unsigned long long value = 0;
	struct pv_ev *ev = NULL;
	uint64_t count;
	int status = 0;
	pid_t child;

	pv_user_allow(t, "1");
	if (strcmp(pv_word(t), "no-event"))
		ev = pv_user_open(t, "cpu_cycles", strcmp(pv_word(t), "plain") ? PV_USER_RDPMC : 0);
	if (ev)
		pv_enable(t, ev);
	if (!strcmp(pv_word(t), "knob")) {
		pv_expect_eq(t, "signal with the knob at 1", pv_user_trap(PV_USER_CYCLES, &value),
			     0);
		pv_sys_file_write(PV_USER_KNOB, "0");
		pv_expect_eq(t, "signal with the knob at 0", pv_user_trap(PV_USER_CYCLES, &value),
			     SIGILL);
		pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0);
		pv_expect_eq(t, "index with the knob at 0", pv_user_look(t, ev).index, 0);
		pv_expect_errno(t, "open with the knob at 0",
				pv_fd(pv_user_open(t, "cpu_cycles", PV_USER_RDPMC)), 0);
		pv_expect_eq(t, "signal with one more event", pv_user_trap(PV_USER_CYCLES, &value),
			     SIGILL);
		return;
	}
	if (!strcmp(pv_word(t), "closed")) {
		pv_expect_eq(t, "signal while open", pv_user_trap(PV_USER_CYCLES, &value), 0);
		pv_close(t, ev);
		pv_switch_out(); /* switched in again it may no longer */
		/* Another event keeps the PMU going: it is not ours to read. */
		ev = pv_user_open(t, "cpu_cycles", 0);
		pv_enable(t, ev);
	}
	if (!strcmp(pv_word(t), "child")) {
		pv_expect(t, "our own is readable", pv_user_read(t, ev, &count));
		child = fork();
		if (!child) {
			/* A counter of its own starts the PMU for it, and this is not to be read.
			 */
			pv_enable(t, pv_user_open(t, "cpu_cycles", 0));
			_exit(pv_user_trap(PV_USER_CYCLES, &value));
		}
		waitpid(child, &status, 0);
		pv_expect_eq(t, "signal in the child", status >> 8 & 255, SIGILL);
		pv_expect(t, "our own is readable after it", pv_user_read(t, ev, &count));
		return;
	}
	pv_expect_eq(t, "signal", pv_user_trap(PV_USER_CYCLES, &value), SIGILL);
	if (ev)
		pv_expect_eq(t, "cap_user_rdpmc", pv_ring_page(ev)->cap_user_rdpmc, 0);
}

PV_CASE(user_access, no_leak, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"counters that are free read 0 in user space: what they had counted is nobody else's")
{
	struct pv_ev *used[8] = {NULL}, *ev;
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "cpu_cycles"));
	unsigned int nr = pv_pmu(t)->counters < 8 ? pv_pmu(t)->counters : 8;
	uint64_t leaks = 0, traps = 0;

	pv_user_allow(t, "1");
	attr.disabled = 0;
	for (unsigned int i = 0; i < nr; i++)
		used[i] = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_sys_work(PV_WORK_LOOP, 10000, NULL, 0);
	for (unsigned int i = 0; i < nr; i++)
		pv_close(t, used[i]);
	ev = pv_user_open(t, "cpu_cycles", PV_USER_RDPMC);
	pv_enable(t, ev);
	for (unsigned int i = 1; i <= nr; i++) {
		unsigned long long value = 0;

		traps += !!pv_user_trap(i, &value);
		leaks += value != 0;
	}
	pv_expect_eq(t, "counters that trap", traps, 0);
	pv_expect_eq(t, "free counters that are not 0", leaks, 0);
	pv_expect_in(t, "counters", nr, 1, 8);
}

PV_CASE(user_access, refused, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"a counter to be read in user space is a task's (EINVAL else), and 64 bits wide only where a single counter is (EOPNOTSUPP)")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "cpu_cycles"));

	pv_user_allow(t, "1");
	attr.config1 |= PV_USER_RDPMC;
	pv_expect_errno(t, "CPU-wide", pv_outcome(t, &attr, -1, pv_cpu(t), -1, 0), -EINVAL);
	pv_expect_errno(t, "of a task", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	pv_expect_errno(t, "of a task on a CPU", pv_outcome(t, &attr, 0, pv_cpu(t), -1, 0), 0);
	attr.config1 |= PV_USER_LONG;
	pv_expect_errno(t, "long cycles", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr = pv_attr(t, pv_find_event(t, "pmuv3", "inst_retired"));
	attr.config1 |= PV_USER_RDPMC | PV_USER_LONG;
	pv_expect_errno(t, "another long event", pv_outcome(t, &attr, 0, -1, -1, 0),
			pv_pmu(t)->width == 32 ? -EOPNOTSUPP : 0);
	pv_expect_errno(t, "the knob at 2", pv_sys_file_write(PV_USER_KNOB, "2"), -EINVAL);
}
