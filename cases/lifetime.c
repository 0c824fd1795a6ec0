/* SPDX-License-Identifier: GPL-2.0-only */
/* Events that outlive their task, their opener or their fd, and the ends of all of these. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define NOBODY 65534

static uint64_t value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

/* What an event is that has lost its task: constant, deaf, and no leader for others. */
static void expect_over(struct pv_test *t, struct pv_ev *ev, uint64_t count)
{
	struct perf_event_attr attr = pv_dummy;
	struct pv_count a = pv_read(t, ev), b;

	pv_expect_eq(t, "count after the end", a.value, count);
	pv_expect_in(t, "time enabled after the end", a.enabled, 1, UINT64_MAX);
	pv_expect_eq(t, "time running after the end", a.running, a.enabled);
	pv_expect_errno(t, "ENABLE after the end", pv_ioctl(ev, PERF_EVENT_IOC_ENABLE, 0), 0);
	pv_sys_work(PV_WORK_SPIN, 500, NULL, 0);
	b = pv_read(t, ev);
	pv_expect_eq(t, "count that still grows", b.value - a.value, 0);
	pv_expect_eq(t, "time enabled that still grows", b.enabled - a.enabled, 0);
	pv_expect(t, "a sibling is refused", pv_outcome(t, &attr, 0, -1, pv_fd(ev), 0) < 0);
	pv_expect_errno(t, "RESET after the end", pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0), 0);
	pv_expect_eq(t, "count after RESET", value(t, ev), 0);
	pv_expect_errno(t, "DISABLE after the end", pv_ioctl(ev, PERF_EVENT_IOC_DISABLE, 0), 0);
}

PV_CASE(lifetime, task_end, .pmu = "tracepoint", .each = "word[exit,kill,thread]",
	.needs = "tracefs", .proof = "kernel",
	.about =
		"when its task has ended an event keeps its count for ever, poll says HUP, and its "
		"ring keeps the samples")
{
	bool thread = !strcmp(pv_word(t), "thread"), killed = !strcmp(pv_word(t), "kill");
	struct pv_actor *process = pv_actor(t), *a = process;
	struct perf_event_attr attr = pv_calls_attr(t);
	static struct pv_record rec;
	uint64_t samples = 0, others = 0;
	struct pv_ev *ev;
	long late;

	if (thread)
		a = pv_actor_thread(t, process);
	attr.disabled = 0;
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID;
	ev = pv_open(t, &attr, a->tid, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_act(t, a, PV_ACT_CALLS, 7);
	pv_act(t, process, PV_ACT_NONE, 0);
	pv_poll(ev, 0);
	pv_expect_eq(t, "poll while it lives", pv_poll(ev, 0) & POLLHUP, 0);
	if (killed) {
		pv_act_start(t, a, PV_ACT_CALLS, 1 << 20);
		while (value(t, ev) < 7 + 100)
			usleep(100);
		kill(a->pid, SIGKILL);
		pv_actor_wait(t, a);
	} else {
		pv_actor_end(t, a);
	}
	pv_expect_eq(t, "poll after the end", pv_poll(ev, 0), POLLHUP);
	while (pv_ring_next(t, ev, &rec)) {
		others += rec.header.type == PERF_RECORD_SAMPLE &&
			  PV_WORD(&rec, 0) >> 32 != (uint32_t)a->tid;
		samples += rec.header.type == PERF_RECORD_SAMPLE;
	}
	pv_expect_eq(t, "samples of others", others, 0);
	if (killed)
		pv_expect_in(t, "samples in the ring", samples, 100, value(t, ev));
	else
		pv_expect_eq(t, "samples in the ring", samples, 7);
	expect_over(t, ev, killed ? value(t, ev) : 7);
	if (!thread)
		return;
	late = pv_act(t, process, PV_ACT_CALLS, 5);
	pv_expect_errno(t, "the rest of the process", late, 0);
	pv_expect_eq(t, "count after calls of the rest of the process", value(t, ev), 0);
}

PV_CASE(lifetime, leader_first, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about =
		"when the first thread ends before the others, its event ends and theirs go on; no "
		"event can be opened on it")
{
	struct pv_actor *leader = pv_actor(t), *thread = pv_actor_thread(t, leader), *late;
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *first, *second, *third;
	long err = 0;

	attr.disabled = 0;
	first = pv_open(t, &attr, leader->tid, -1, NULL, 0);
	second = pv_open(t, &attr, thread->tid, -1, NULL, 0);
	pv_act(t, leader, PV_ACT_CALLS, 3);
	pv_act(t, thread, PV_ACT_CALLS, 5);
	pv_act(t, leader, PV_ACT_EXIT_THREAD, 0);
	/* It goes by itself: an open tells when it has. */
	for (int i = 0; i < 10000 && !err; i++)
		err = pv_outcome(t, &attr, leader->tid, -1, -1, 0);
	pv_expect_errno(t, "open on the first thread", err, -ESRCH);
	pv_act(t, thread, PV_ACT_CALLS, 7);
	late = pv_actor_thread(t, thread);
	third = pv_open(t, &attr, late->tid, -1, NULL, 0);
	pv_act(t, late, PV_ACT_CALLS, 11);
	pv_expect_eq(t, "count of the second thread", value(t, second), 5 + 7);
	pv_expect_eq(t, "count of a thread born later", value(t, third), 11);
	expect_over(t, first, 3);
}

PV_CASE(lifetime, no_task, .pmu = "perf", .proof = "kernel",
	.about =
		"an event on a task that has ended is refused, as a zombie, reaped, or never there")
{
	struct perf_event_attr attr = pv_dummy;
	struct pv_actor *a = pv_actor(t), *thread = pv_actor_thread(t, a);
	siginfo_t info;
	pid_t tid = thread->tid;

	pv_expect_errno(t, "a living thread", pv_outcome(t, &attr, tid, -1, -1, 0), 0);
	pv_actor_end(t, thread);
	pv_expect_errno(t, "a thread that has ended", pv_outcome(t, &attr, tid, -1, -1, 0), -ESRCH);
	pv_expect_errno(t, "a living process", pv_outcome(t, &attr, a->pid, -1, -1, 0), 0);
	pv_act(t, a, PV_ACT_EXIT, 0);
	waitid(P_PID, a->pid, &info, WEXITED | WNOWAIT);
	pv_expect_errno(t, "a zombie", pv_outcome(t, &attr, a->pid, -1, -1, 0), -ESRCH);
	pv_expect_errno(t, "a zombie on a CPU", pv_outcome(t, &attr, a->pid, pv_cpu(t), -1, 0),
			-ESRCH);
	pv_actor_wait(t, a);
	pv_expect_errno(t, "a reaped process", pv_outcome(t, &attr, a->pid, -1, -1, 0), -ESRCH);
	pv_expect_errno(t, "a number that no task has", pv_outcome(t, &attr, 1 << 30, -1, -1, 0),
			-ESRCH);
}

/* An end in the middle of an open: an event or ESRCH, and nothing left behind. */
PV_CASE(lifetime, open_race, .pmu = "breakpoint", .proof = "kernel",
	.about = "opening on a task that is just ending gives an event or ESRCH, and keeps nothing")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "breakpoint", "x"));
	unsigned int slots = pv_exec_slots(0);
	uint64_t opened = 0, refused = 0, wrong = 0;

	attr.disabled = 0;
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();
		long fd = 0;

		if (!pid)
			syscall(SYS_exit_group, 0);
		for (int k = 0; k < 3; k++) {
			fd = pv_try_open(t, &attr, pid, -1, -1, 0);
			pv_skip_denied(t, fd);
			opened += fd >= 0;
			refused += fd == -ESRCH;
			wrong += fd < 0 && fd != -ESRCH;
			if (i & 1)
				pv_sys_close(fd);
		}
		waitpid(pid, NULL, 0);
		if (fd >= 0 && !(i & 1))
			pv_sys_close(fd);
	}
	pv_note(t, "opened", opened);
	pv_expect_eq(t, "other errors", wrong, 0);
	pv_expect_eq(t, "outcomes", opened + refused, 120);
	pv_expect_eq(t, "breakpoints of this task", pv_exec_slots(0), slots);
	pv_expect_eq(t, "breakpoints of a child", pv_act(t, pv_actor(t), PV_ACT_SLOTS, 0), slots);
}

PV_CASE(lifetime, threads, .pmu = "tracepoint breakpoint", .needs = "tracefs", .proof = "kernel",
	.about = "an event on one thread counts that one, not the rest of its process")
{
	bool calls = !strcmp(pv_pmu(t)->family, "tracepoint");
	struct perf_event_attr attr =
		calls ? pv_calls_attr(t) : pv_attr(t, pv_find_event(t, "breakpoint", "x"));
	enum pv_act work = calls ? PV_ACT_CALLS : PV_ACT_TARGET;
	struct pv_actor *a[3] = {pv_actor(t)};
	struct pv_ev *ev[3];

	attr.disabled = 0;
	for (int i = 1; i < 3; i++)
		a[i] = pv_actor_thread(t, a[0]);
	for (int i = 0; i < 3; i++)
		ev[i] = pv_open(t, &attr, a[i]->tid, -1, NULL, 0);
	for (int i = 0; i < 6; i++)
		pv_act(t, a[i % 3], work, 1 + i % 3);
	pv_expect_eq(t, "count of the first thread", value(t, ev[0]), 2);
	pv_expect_eq(t, "count of the second thread", value(t, ev[1]), 4);
	pv_expect_eq(t, "count of the third thread", value(t, ev[2]), 6);
	pv_actor_end(t, a[1]);
	pv_act(t, a[2], work, 10);
	pv_act(t, a[0], work, 20);
	pv_expect_eq(t, "count of the first after one's end", value(t, ev[0]), 22);
	pv_expect_eq(t, "count of the one that ended", value(t, ev[1]), 4);
	pv_expect_eq(t, "count of the third after one's end", value(t, ev[2]), 16);
}

PV_CASE(lifetime, foreign, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "a user may count its own tasks that may be dumped, and no other's")
{
	struct pv_actor *user, *same, *root;

	pv_knob(t, "/proc/sys/kernel/perf_event_paranoid", "1");
	pv_act_attr = pv_dummy;
	root = pv_actor(t);
	user = pv_actor(t);
	same = pv_actor(t);
	pv_expect_errno(t, "become a user", pv_act(t, user, PV_ACT_UID, NOBODY), 0);
	pv_expect_errno(t, "become a user too", pv_act(t, same, PV_ACT_UID, NOBODY), 0);
	pv_expect_errno(t, "on itself", pv_act(t, user, PV_ACT_OPEN, 0), 0);
	pv_expect_errno(t, "on a task of its own", pv_act(t, user, PV_ACT_OPEN, same->tid), 0);
	pv_expect_errno(t, "on root's task", pv_act(t, user, PV_ACT_OPEN, root->tid), -EACCES);
	pv_expect_errno(t, "root on a user's task", pv_act(t, root, PV_ACT_OPEN, same->tid), 0);
	pv_act(t, same, PV_ACT_DUMPABLE, 0);
	pv_expect_errno(t, "on one that may not be dumped", pv_act(t, user, PV_ACT_OPEN, same->tid),
			-EACCES);
	pv_expect_errno(t, "root on one that may not be dumped",
			pv_act(t, root, PV_ACT_OPEN, same->tid), 0);
}
