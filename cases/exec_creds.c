/* SPDX-License-Identifier: GPL-2.0-only */
/* Exec that changes who the task is: privileges, its thread group, its files. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define NOBODY 65534

static uint64_t value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

static void copy_self(struct pv_test *t, const char *path, mode_t mode)
{
	static char buf[65536];
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	ssize_t n = -1;

	while (in >= 0 && out >= 0 && (n = read(in, buf, sizeof(buf))) > 0) {
		if (write(out, buf, n) != n)
			break;
	}
	if (n || fchmod(out, mode))
		pv_error(t, PV_BROKEN_SETUP, "cannot copy this program to %s", path);
	close(in);
	close(out);
}

/*
 * fs/exec.c begin_new_exec(): a task that may no longer be dumped loses all its events. The
 * program is gone from its directory before it is judged.
 */
PV_CASE(exec, privileged, .pmu = "tracepoint", .each = "word[plain,setuid,unreadable]",
	.needs = "root tracefs", .proof = "kernel",
	.about =
		"an exec that gives privileges, or of a file that may not be read, ends all events "
		"on the task; any other none")
{
	bool setuid = !strcmp(pv_word(t), "setuid"), plain = !strcmp(pv_word(t), "plain");
	struct pv_actor *a = pv_actor(t);
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *ev, *late;
	char path[64];
	long err, uid;

	snprintf(path, sizeof(path), "/tmp/pmuvet-exec-%d", (int)getpid());
	copy_self(t, path, plain ? 0755 : setuid ? 04755 : 0711);
	pv_expect_errno(t, "become nobody", pv_act(t, a, PV_ACT_UID, NOBODY), 0);
	attr.disabled = 0;
	ev = pv_open(t, &attr, a->tid, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 1);
	attr.disabled = 1;
	attr.enable_on_exec = 1;
	late = pv_open(t, &attr, a->tid, -1, NULL, 0);
	pv_act(t, a, PV_ACT_CALLS, 7);
	pv_expect_eq(t, "count before", value(t, ev), 7);
	err = pv_act_text(t, a, PV_ACT_EXEC, 0, path);
	unlink(path);
	pv_expect_errno(t, "exec", err, 0);
	uid = pv_act(t, a, PV_ACT_EUID, 0);
	if (setuid && uid == NOBODY)
		pv_skip(t, PV_BROKEN_SETUP, "/tmp is mounted nosuid");
	pv_expect_eq(t, "user it is now", uid, setuid ? 0 : NOBODY);
	pv_act(t, a, PV_ACT_CALLS, 13);
	pv_expect_eq(t, "count after", value(t, ev), plain ? 7 + 13 : 7);
	pv_expect_eq(t, "count of one enabled on exec", value(t, late), plain ? 13 : 0);
	pv_expect_eq(t, "poll says HUP", pv_poll(ev, 0) & POLLHUP, plain ? 0 : POLLHUP);
	pv_enable(t, ev);
	pv_act(t, a, PV_ACT_CALLS, 17);
	pv_expect_eq(t, "count after ENABLE", value(t, ev), plain ? 7 + 13 + 17 : 7);
	attr.enable_on_exec = attr.disabled = 0;
	late = pv_open(t, &attr, a->tid, -1, NULL, 0);
	pv_act(t, a, PV_ACT_CALLS, 19);
	pv_expect_eq(t, "count of a new event", value(t, late), 19);
}

/* Two events on oneself, opened by oneself: what an exec leaves of the fds. */
PV_CASE(exec, cloexec, .pmu = "tracepoint", .each = "word[kept,closed]", .needs = "tracefs",
	.proof = "kernel",
	.about =
		"FD_CLOEXEC as asked for: an event's fd, and with it the event, lives through exec or not")
{
	bool kept = !strcmp(pv_word(t), "kept");
	struct perf_event_attr attr = pv_calls_attr(t), bp;
	struct pv_actor *a;
	unsigned int slots;
	long fd, fd_bp;

	bp = pv_attr(t, pv_find_event(t, "breakpoint", "x"));
	attr.disabled = 0;
	/* Opened here on ourselves first and inherited by fork: only the fd is the actor's. */
	slots = pv_exec_slots(0);
	fd = pv_sys_perf_event_open(&attr, 0, -1, -1, kept ? 0 : PERF_FLAG_FD_CLOEXEC);
	pv_skip_denied(t, fd);
	fd_bp = pv_sys_perf_event_open(&bp, 0, -1, -1, kept ? 0 : PERF_FLAG_FD_CLOEXEC);
	pv_skip_denied(t, fd_bp);
	pv_expect_errno(t, "open", fd < 0 ? fd : fd_bp, 0);
	pv_expect_eq(t, "F_GETFD", pv_sys_fcntl(fd, F_GETFD, 0), kept ? 0 : FD_CLOEXEC);
	a = pv_actor(t);
	pv_calls(5);
	pv_expect_eq(t, "read before the exec", pv_act(t, a, PV_ACT_READ, fd), 5);
	close(fd);
	close(fd_bp);
	/* Its fds hold both. */
	pv_expect_eq(t, "breakpoints before the exec", pv_exec_slots(0), slots - 1);
	pv_expect_errno(t, "exec", pv_act(t, a, PV_ACT_EXEC, 0), 0);
	pv_calls(6);
	pv_expect_errno(t, "F_GETFD after the exec", pv_act(t, a, PV_ACT_FD, fd),
			kept ? 0 : -EBADF);
	pv_expect_eq(t, "read after the exec", pv_act(t, a, PV_ACT_READ, fd), kept ? 11 : -EBADF);
	pv_expect_eq(t, "breakpoints after the exec", pv_exec_slots(0), kept ? slots - 1 : slots);
	pv_actor_end(t, a);
	pv_expect_eq(t, "breakpoints after its end", pv_exec_slots(0), slots);
}

/* fs/exec.c de_thread(): all other threads end, and the one that executes takes the leader's id. */
PV_CASE(exec, thread, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about =
		"a thread's exec: its event follows it into the leader's place, the others' events end")
{
	struct pv_actor *leader = pv_actor(t), *thread = pv_actor_thread(t, leader), *other;
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *on_leader, *on_thread, *on_other, *late;
	pid_t old;

	other = pv_actor_thread(t, leader);
	attr.disabled = 0;
	on_leader = pv_open(t, &attr, leader->tid, -1, NULL, 0);
	on_thread = pv_open(t, &attr, thread->tid, -1, NULL, 0);
	on_other = pv_open(t, &attr, other->tid, -1, NULL, 0);
	pv_act(t, leader, PV_ACT_CALLS, 1);
	pv_act(t, thread, PV_ACT_CALLS, 2);
	pv_act(t, other, PV_ACT_CALLS, 3);
	old = thread->tid;
	pv_expect_errno(t, "exec", pv_act(t, thread, PV_ACT_EXEC, 0), 0);
	pv_expect(t, "the thread has the leader's id", thread->tid == leader->pid);
	late = pv_open(t, &attr, thread->tid, -1, NULL, 0);
	pv_act(t, thread, PV_ACT_CALLS, 10);
	pv_expect_eq(t, "count of the leader's event", value(t, on_leader), 1);
	pv_expect_eq(t, "count of the thread's event", value(t, on_thread), 2 + 10);
	pv_expect_eq(t, "count of the other thread's event", value(t, on_other), 3);
	pv_expect_eq(t, "count of an event opened on the leader's id now", value(t, late), 10);
	pv_expect_errno(t, "open on the thread's old id", pv_outcome(t, &attr, old, -1, -1, 0),
			-ESRCH);
}
