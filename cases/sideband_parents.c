/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FORK and EXIT where parents change, tasks are killed, and pids have several numbers.
 * perf_event_task_output(), perf_event_pid_type() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/sideband.h"
#include "cases/lib/sys.h"

/* What the processes of a family tell the first one. */
struct family {
	pid_t child, grandchild;
};

static struct family *shared_family(struct pv_test *t)
{
	struct family *f =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (f == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "no shared page");
	return f;
}

static void nothing(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
}

static void clone_sibling(struct pv_test *t, void *arg)
{
	struct family *f = arg;
	long pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		pv_error(t, PV_BROKEN_SETUP, "clone: %s", strerrorname_np(errno));
	if (!pid)
		_exit(0);
	f->child = getpid();
	f->grandchild = pid;
}

/* Ends when its own child is an orphan, which then ends too, and is told by closing a pipe. */
static void leave_orphan(struct pv_test *t, void *arg)
{
	struct family *f = arg;
	int hold[2];
	pid_t pid;
	char byte;

	if (pipe(hold))
		pv_error(t, PV_BROKEN_SETUP, "no pipe");
	f->child = getpid();
	pid = fork();
	if (pid) {
		f->grandchild = pid;
		return;
	}
	close(hold[1]);
	if (read(hold[0], &byte, 1)) /* ends with the last writer, our parent */
		_exit(1);
	while (getppid() == f->child)
		usleep(100);
	_exit(0);
}

PV_CASE(sideband, parents, .pmu = "perf", .proof = "kernel",
	.about = "FORK names the task that forks, EXIT the parent at the end: CLONE_PARENT and an "
		 "orphan tell them apart")
{
	struct perf_event_attr attr = sb_attr();
	struct family *f = shared_family(t);
	struct sb_who who;
	struct sb_log *log;
	struct pv_ev *ev;
	uint64_t from = pv_sys_walltime();
	pid_t me = getpid();

	attr.task = 1;
	attr.inherit = 1;
	ev = sb_open_self(t, &attr);
	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, clone_sibling, f));
	pv_wait(t, f->grandchild);
	pv_disable(t, ev);
	log = sb_take(t, ev);
	sb_expect(t, log, "FORK records with CLONE_PARENT", PERF_RECORD_FORK, 2);
	who = (struct sb_who){f->child, f->child};
	sb_expect_task(t, "FORK with CLONE_PARENT", log,
		       sb_find_task(log, PERF_RECORD_FORK, f->grandchild), PERF_RECORD_FORK,
		       &(struct sb_task){f->grandchild, f->child, f->grandchild, f->child}, &who,
		       from, log->to);
	who = (struct sb_who){f->grandchild, f->grandchild};
	sb_expect_task(t, "EXIT after CLONE_PARENT", log,
		       sb_find_task(log, PERF_RECORD_EXIT, f->grandchild), PERF_RECORD_EXIT,
		       &(struct sb_task){f->grandchild, me, f->grandchild, me}, &who, from,
		       log->to);

	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		pv_error(t, PV_BROKEN_SETUP, "PR_SET_CHILD_SUBREAPER");
	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, leave_orphan, f));
	pv_wait(t, f->grandchild);
	pv_disable(t, ev);
	log = sb_take(t, ev);
	who = (struct sb_who){f->grandchild, f->grandchild};
	sb_expect_task(t, "EXIT of an orphan", log,
		       sb_find_task(log, PERF_RECORD_EXIT, f->grandchild), PERF_RECORD_EXIT,
		       &(struct sb_task){f->grandchild, me, f->grandchild, me}, &who, from,
		       log->to);
}

static void killed(struct pv_test *t, void *arg)
{
	((struct family *)arg)->child = getpid();
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
	(void)t;
}

PV_CASE(sideband, killed, .pmu = "perf", .proof = "kernel",
	.about = "a task that a signal ends has its EXIT like any other")
{
	struct perf_event_attr attr = sb_attr();
	struct family *f = shared_family(t);
	uint64_t from = pv_sys_walltime();
	struct sb_who who;
	struct sb_log *log;
	struct pv_ev *ev;
	pid_t pid;
	int status;

	attr.task = 1;
	attr.inherit = 1;
	ev = sb_open_self(t, &attr);
	pv_enable(t, ev);
	pid = pv_fork(t, killed, f);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
		pv_error(t, PV_BROKEN_SETUP, "a child that was to be killed");
	pv_disable(t, ev);
	log = sb_take(t, ev);
	sb_expect_order(t, log, "FORK and EXIT",
			(const uint32_t[]){PERF_RECORD_FORK, PERF_RECORD_EXIT, 0});
	who = (struct sb_who){pid, pid};
	sb_expect_task(t, "EXIT of a killed task", log, sb_find(log, PERF_RECORD_EXIT, 0),
		       PERF_RECORD_EXIT, &(struct sb_task){pid, getpid(), pid, getpid()}, &who,
		       from, log->to);
}

/* In a new pid namespace: process 1, whose children and itself the event names by the numbers of
 * the namespace it was opened in. */
static void inside(struct pv_test *t, void *arg)
{
	struct perf_event_attr attr = sb_attr();
	uint64_t from = pv_sys_walltime();
	struct sb_who who = {1, 1};
	struct sb_log *log;
	struct pv_ev *ev;
	pid_t pid;

	(void)arg;
	attr.task = 1;
	attr.inherit = 1;
	ev = sb_open_self(t, &attr);
	pv_enable(t, ev);
	pid = pv_fork(t, nothing, NULL);
	pv_wait(t, pid);
	pv_disable(t, ev);
	log = sb_take(t, ev);
	sb_expect_task(t, "FORK in a pid namespace", log, sb_find(log, PERF_RECORD_FORK, 0),
		       PERF_RECORD_FORK, &(struct sb_task){pid, 1, pid, 1}, &who, from, log->to);
	who = (struct sb_who){pid, pid};
	sb_expect_task(t, "EXIT in a pid namespace", log, sb_find(log, PERF_RECORD_EXIT, 0),
		       PERF_RECORD_EXIT, &(struct sb_task){pid, 1, pid, 1}, &who, from, log->to);
}

PV_CASE(sideband, pid_namespace, .needs = "root", .pmu = "perf", .proof = "kernel",
	.about = "the pids of a record are those of the namespace that the event was opened in")
{
	struct perf_event_attr attr = sb_attr();
	struct sb_who me = sb_self(), who;
	uint64_t from = pv_sys_walltime();
	struct sb_log *log;
	struct pv_ev *ev;
	pid_t pid;

	attr.task = 1;
	attr.inherit = 1;
	ev = sb_open_self(t, &attr);
	if (unshare(CLONE_NEWPID))
		pv_skip(t, errno == EINVAL ? PV_CONFIG_OFF : PV_DENIED, "a new pid namespace: %s",
			strerrorname_np(errno));
	pv_enable(t, ev);
	pid = pv_fork(t, inside, NULL);
	pv_wait(t, pid);
	pv_disable(t, ev);
	log = sb_take(t, ev);
	sb_expect(t, log, "FORK records of both", PERF_RECORD_FORK, 2);
	sb_expect_task(t, "FORK of process 1, seen from outside", log,
		       sb_find_task(log, PERF_RECORD_FORK, pid), PERF_RECORD_FORK,
		       &(struct sb_task){pid, getpid(), pid, gettid()}, &me, from, log->to);
	who = (struct sb_who){pid, pid};
	sb_expect_task(t, "EXIT of process 1, seen from outside", log,
		       sb_find_task(log, PERF_RECORD_EXIT, pid), PERF_RECORD_EXIT,
		       &(struct sb_task){pid, getpid(), pid, getpid()}, &who, from, log->to);
}
