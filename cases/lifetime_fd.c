/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * File descriptors of events: an event is there as long as one fd or one mapping is. A breakpoint
 * tells: its slot is taken as long as the event is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct perf_event_attr target(struct pv_test *t)
{
	return pv_attr(t, pv_find_event(t, "breakpoint", "x"));
}

static uint64_t value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

static uint64_t read_fd(int fd)
{
	uint64_t buf[8] = {0};

	return pv_sys_read(fd, buf, sizeof(buf)) < 8 ? UINT64_MAX : buf[0];
}

PV_CASE(lifetime, dup, .pmu = "breakpoint", .proof = "kernel",
	.about = "all duplicates of an fd are one event, and it goes with the last of them")
{
	struct perf_event_attr attr = target(t);
	unsigned int slots = pv_exec_slots(0);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	int second = fcntl(pv_fd(ev), F_DUPFD_CLOEXEC, 100);
	pid_t child;

	pv_expect_in(t, "slots", slots, 1, 63);
	pv_enable(t, ev);
	pv_call(pv_probe_target, 3);
	pv_expect_eq(t, "count by the second fd", read_fd(second), 3);
	pv_close(t, ev);
	pv_expect_eq(t, "slots after the first close", pv_exec_slots(0), slots - 1);
	pv_call(pv_probe_target, 4);
	pv_expect_eq(t, "count after the first close", read_fd(second), 7);
	pv_expect_errno(t, "DISABLE by the second fd",
			pv_sys_ioctl(second, PERF_EVENT_IOC_DISABLE, 0), 0);
	pv_call(pv_probe_target, 4);
	pv_expect_eq(t, "count after DISABLE", read_fd(second), 7);
	/* A child's copy of the table is one more. */
	child = fork();
	if (!child) {
		pause();
		_exit(0);
	}
	pv_sys_close(second);
	pv_expect_eq(t, "slots while a child has the fd", pv_exec_slots(0), slots - 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	pv_expect_eq(t, "slots after the last close", pv_exec_slots(0), slots);
}

PV_CASE(lifetime, hand_over, .pmu = "breakpoint", .proof = "kernel",
	.about = "an event opened on us by another, which hands its fd over and ends, goes on")
{
	unsigned int slots = pv_exec_slots(0);
	struct pv_actor *opener;
	uint64_t buf[8];
	long fd, mine;

	pv_act_attr = target(t);
	pv_act_attr.disabled = 0;
	opener = pv_actor(t);
	fd = pv_act(t, opener, PV_ACT_OPEN, getpid());
	pv_skip_denied(t, fd);
	pv_expect(t, "opened", fd >= 0);
	pv_call(pv_probe_target, 3);
	mine = pv_act(t, opener, PV_ACT_SEND, fd);
	pv_expect_errno(t, "close by the opener", pv_act(t, opener, PV_ACT_CLOSE, fd), 0);
	pv_expect_eq(t, "slots after that", pv_exec_slots(0), slots - 1);
	pv_call(pv_probe_target, 4);
	pv_actor_end(t, opener);
	pv_call(pv_probe_target, 5);
	pv_expect_eq(t, "count", read_fd(mine), 3 + 4 + 5);
	pv_expect_errno(t, "DISABLE", pv_sys_ioctl(mine, PERF_EVENT_IOC_DISABLE, 0), 0);
	pv_call(pv_probe_target, 6);
	pv_expect_errno(t, "ENABLE", pv_sys_ioctl(mine, PERF_EVENT_IOC_ENABLE, 0), 0);
	pv_call(pv_probe_target, 7);
	pv_expect_eq(t, "bytes read", pv_sys_read(mine, buf, sizeof(buf)), 4 * 8);
	pv_expect_eq(t, "count after the toggles", buf[0], 3 + 4 + 5 + 7);
	pv_sys_close(mine);
	pv_expect_eq(t, "slots after the close", pv_exec_slots(0), slots);
}

PV_CASE(lifetime, mapped, .pmu = "breakpoint", .proof = "kernel",
	.about =
		"an event whose fd is closed lives and samples on in its mapping, and goes with it")
{
	struct perf_event_attr attr = target(t);
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned int slots = pv_exec_slots(0);
	struct perf_event_mmap_page *ring;
	uint64_t head;
	long fd;

	attr.disabled = 0;
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID;
	fd = pv_try_open(t, &attr, 0, -1, -1, 0);
	pv_skip_denied(t, fd);
	ring = pv_sys_mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (fd < 0 || pv_is_err(ring))
		pv_fail(t, "no event or no ring");
	pv_call(pv_probe_target, 3);
	pv_sys_close(fd);
	head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	pv_expect_eq(t, "bytes before the close", head, 3 * 16);
	pv_call(pv_probe_target, 4);
	head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	pv_expect_eq(t, "bytes after the close", head, 7 * 16);
	pv_expect_eq(t, "slots while it is mapped", pv_exec_slots(0), slots - 1);
	pv_sys_munmap(ring, 2 * page);
	pv_expect_eq(t, "slots after the unmapping", pv_exec_slots(0), slots);
	pv_call(pv_probe_target, 1);
}

PV_CASE(lifetime, unclosed, .pmu = "breakpoint", .each = "word[exit,kill,exec]", .proof = "kernel",
	.about = "what a task leaves open, on itself and on others, goes with its end")
{
	struct pv_actor *victim = pv_actor(t), *a;
	unsigned int slots = pv_act(t, victim, PV_ACT_SLOTS, 0);
	long own, other;

	pv_act_attr = target(t);
	pv_act_attr.disabled = 0;
	a = pv_actor(t);
	own = pv_act(t, a, PV_ACT_OPEN, 0);
	other = pv_act(t, a, PV_ACT_OPEN, victim->tid);
	pv_skip_denied(t, other);
	pv_expect(t, "opened", own >= 0 && other >= 0);
	pv_act(t, a, PV_ACT_TARGET, 2);
	pv_act(t, victim, PV_ACT_TARGET, 3);
	pv_expect_eq(t, "count of its own", pv_act(t, a, PV_ACT_READ, own), 2);
	pv_expect_eq(t, "count of the other", pv_act(t, a, PV_ACT_READ, other), 3);
	pv_expect_eq(t, "slots of the other", pv_act(t, victim, PV_ACT_SLOTS, 0), slots - 1);
	if (!strcmp(pv_word(t), "exec")) {
		pv_expect_errno(t, "exec", pv_act(t, a, PV_ACT_EXEC, 0), 0);
		pv_expect_eq(t, "its own slots after the exec", pv_act(t, a, PV_ACT_SLOTS, 0),
			     slots);
	} else if (!strcmp(pv_word(t), "kill")) {
		kill(a->pid, SIGKILL);
		pv_actor_wait(t, a);
	} else {
		pv_actor_end(t, a);
	}
	pv_expect_eq(t, "slots of the other afterwards", pv_act(t, victim, PV_ACT_SLOTS, 0), slots);
	pv_act(t, victim, PV_ACT_TARGET, 3);
	pv_actor_end(t, victim);
}

/* The event's task is reaped before the event is closed: its last reference to the task goes then.
 */
PV_CASE(lifetime, close_late, .pmu = "tracepoint breakpoint uprobe", .needs = "tracefs",
	.each = "word[leader-first,sibling-first]", .proof = "kernel",
	.about = "a group whose task is long gone is read and closed in any order")
{
	bool leader_first = !strcmp(pv_word(t), "leader-first");
	bool tp = !strcmp(pv_pmu(t)->family, "tracepoint");
	struct perf_event_attr attr = tp ? pv_calls_attr(t) : pv_attr(t, &pv_pmu(t)->events[0]);
	struct pv_actor *a = pv_actor(t);
	struct pv_ev *ev[2];

	attr.disabled = 0;
	ev[0] = pv_open(t, &attr, a->tid, -1, NULL, 0);
	ev[1] = pv_open(t, &attr, a->tid, -1, ev[0], 0);
	pv_act(t, a, tp ? PV_ACT_CALLS : PV_ACT_TARGET, 6);
	pv_actor_end(t, a);
	pv_expect_eq(t, "count of the leader", value(t, ev[0]), 6);
	pv_expect_eq(t, "count of the sibling", value(t, ev[1]), 6);
	pv_close(t, ev[!leader_first]);
	pv_expect_eq(t, "count of the one left", value(t, ev[leader_first]), 6);
	pv_expect_errno(t, "ENABLE", pv_ioctl(ev[leader_first], PERF_EVENT_IOC_ENABLE, 0), 0);
	pv_expect_eq(t, "count of the one left after ENABLE", value(t, ev[leader_first]), 6);
	pv_close(t, ev[leader_first]);
}
