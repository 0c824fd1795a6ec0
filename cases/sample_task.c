/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose sample it is: threads, children, PID namespaces and cgroups.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct pv_record rec;

static const struct pv_event_desc *getppid_event(struct pv_test *t)
{
	return pv_find_event(t, "tracepoint", "sys_enter_getppid");
}

static void calls(struct pv_test *t, void *arg)
{
	pv_work_event(t, getppid_event(t), *(uint64_t *)arg);
}

#define OWNER (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID)

static struct perf_event_attr sampling(struct pv_test *t, uint64_t type)
{
	struct perf_event_attr attr = pv_attr(t, getppid_event(t));

	attr.sample_period = 1;
	attr.sample_type = type;
	return attr;
}

/* An inherited event in a ring; parent and child keep their own contexts (see sample_id.c). */
static struct pv_ev *open_inherited(struct pv_test *t, struct perf_event_attr *attr, uint64_t *id)
{
	struct pv_ev *ev;

	attr->inherit = 1;
	pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	ev = pv_open(t, attr, 0, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 4);
	pv_ioctl(ev, PERF_EVENT_IOC_ID, (unsigned long)id);
	return ev;
}

/* What the samples in the ring say, as far as they agree. */
struct seen {
	uint64_t nr, stream_id, mixed, id, value;
	uint32_t pid, tid;
};

static struct seen take_all(struct pv_test *t, struct pv_ev *ev)
{
	struct seen x = {0};
	struct pv_sample s;

	while (pv_sample_next(t, ev, &rec, &s)) {
		if (x.nr++)
			x.mixed += s.pid != x.pid || s.tid != x.tid || s.stream_id != x.stream_id;
		x.mixed += s.id != s.identifier;
		x.pid = s.pid;
		x.tid = s.tid;
		x.id = s.id;
		x.stream_id = s.stream_id;
		x.value = s.read.member[0].value;
		if (s.read.nr)
			x.mixed += s.read.member[0].id != s.id;
	}
	return x;
}

static void expect_owner(struct pv_test *t, const struct seen *x, uint64_t nr, pid_t pid, pid_t tid,
			 uint64_t id)
{
	pv_expect_eq(t, "samples", x->nr, nr);
	pv_expect_eq(t, "samples that differ from their neighbour", x->mixed, 0);
	pv_expect(t, "pid", x->pid == (uint32_t)pid);
	pv_expect(t, "tid", x->tid == (uint32_t)tid);
	pv_expect(t, "id", x->id == id);
}

struct thread {
	struct pv_test *t;
	uint64_t n;
	pid_t tid;
};

static void *run_thread(void *arg)
{
	struct thread *th = arg;

	th->tid = gettid();
	calls(th->t, &th->n);
	return NULL;
}

PV_CASE(sample_task, inherited, .pmu = "tracepoint", .needs = "tracefs", .arch = "x86_64 arm64",
	.proof = "kernel",
	.about =
		"samples of a thread and of children carry their own pid and tid, the opened event's id, and a stream id of their own")
{
	struct perf_event_attr attr = sampling(t, OWNER);
	uint64_t id = 0, n = 3, streams[4];
	struct thread th = {t, 4, 0};
	struct seen x;
	struct pv_ev *ev = open_inherited(t, &attr, &id);
	pthread_t thread;
	pid_t child;

	pv_enable(t, ev);
	calls(t, &n);
	x = take_all(t, ev);
	expect_owner(t, &x, 3, getpid(), gettid(), id);
	pv_expect(t, "our stream id is the id", x.stream_id == id);
	streams[0] = x.stream_id;

	if (pthread_create(&thread, NULL, run_thread, &th))
		pv_error(t, PV_BROKEN_SETUP, "no thread");
	pthread_join(thread, NULL);
	x = take_all(t, ev);
	expect_owner(t, &x, 4, getpid(), th.tid, id);
	streams[1] = x.stream_id;

	for (int i = 2; i < 4; i++) {
		n = i;
		child = pv_fork(t, calls, &n);
		pv_wait(t, child);
		x = take_all(t, ev);
		expect_owner(t, &x, n, child, child, id);
		streams[i] = x.stream_id;
	}
	for (int i = 0; i < 4; i++) {
		for (int k = 0; k < i; k++)
			pv_expect(t, "stream ids of different tasks differ",
				  streams[i] && streams[i] != streams[k]);
	}
}

PV_CASE(sample_task, inherited_read, .pmu = "tracepoint", .needs = "tracefs",
	.arch = "x86_64 arm64", .proof = "kernel",
	.about = "READ in an inherited event's samples is the count of the task that is sampled")
{
	struct perf_event_attr attr = sampling(t, OWNER | PERF_SAMPLE_READ);
	uint64_t id = 0, n = 5;
	struct seen x;
	struct pv_ev *ev;

	attr.inherit = 1;
	/* Inherited READ came with TID in 6.12 (commit 7e8b255650fc); before it is EINVAL. */
	if (pv_outcome(t, &attr, 0, pv_cpu(t), -1, 0) == -EINVAL && pv_attr_size(t) <= 136)
		pv_skip(t, PV_TOO_OLD, "inherit with PERF_SAMPLE_READ needs Linux 6.12");
	ev = open_inherited(t, &attr, &id);
	pv_enable(t, ev);
	calls(t, &n);
	x = take_all(t, ev);
	pv_expect_eq(t, "our count", x.value, 5);
	n = 3;
	pv_wait(t, pv_fork(t, calls, &n));
	x = take_all(t, ev);
	pv_expect_eq(t, "samples of the child", x.nr, 3);
	pv_expect_eq(t, "the child's count", x.value, 3);
	pv_expect_eq(t, "ids in the child's READ that are not the event's", x.mixed, 0);
	n = 2;
	calls(t, &n);
	x = take_all(t, ev);
	pv_expect_eq(t, "our count behind it", x.value, 7);
	pv_expect_eq(t, "ids in READ that are not the event's", x.mixed, 0);
}

/* ---- PID namespaces: pids are those that the opener knows ---- */

static void in_namespace(struct pv_test *t, void *arg)
{
	int *to = arg, status;
	uint64_t n = 2;
	pid_t pid;

	if (unshare(CLONE_NEWPID))
		_exit(write(*to, "", 1) == 1 ? 0 : 1);
	pid = fork();
	if (!pid) {
		if (getpid() != 1)
			_exit(1);
		calls(t, &n);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status ||
	    write(*to, &pid, sizeof(pid)) != sizeof(pid))
		_exit(1);
}

PV_CASE(sample_task, namespace, .pmu = "tracepoint", .needs = "tracefs root",
	.arch = "x86_64 arm64", .proof = "kernel",
	.about = "a task in another PID namespace has the pid by which the opener knows it")
{
	struct perf_event_attr attr = sampling(t, OWNER);
	uint64_t id = 0;
	int pipefd[2];
	struct seen x;
	struct pv_ev *ev;
	pid_t child, inner = 0;

	ev = open_inherited(t, &attr, &id);
	if (pipe(pipefd))
		pv_error(t, PV_BROKEN_SETUP, "no pipe");
	pv_enable(t, ev);
	child = pv_fork(t, in_namespace, &pipefd[1]);
	pv_wait(t, child);
	if (read(pipefd[0], &inner, sizeof(inner)) != sizeof(inner))
		pv_skip(t, PV_DENIED, "no new PID namespace");
	x = take_all(t, ev);
	expect_owner(t, &x, 2, inner, inner, id);
}

/* ---- cgroups ---- */

#define CGROUP "/sys/fs/cgroup/pmuvet-sample"

static void in_cgroup(struct pv_test *t, void *arg)
{
	uint64_t n = 2;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	if (pv_sys_file_write(CGROUP "/cgroup.procs", pid))
		_exit(0);
	calls(t, &n);
	(void)arg;
}

/*
 * perf_event is implicit in cgroup v2, yet a group has it only after the first write to its
 * parent's subtree_control (cgroup_calc_subtree_ss_mask()); before it its tasks count as the
 * root's. Distributions do that at boot.
 */
static void refresh_controllers(struct pv_test *t, char sign)
{
	char text[256], word[260];

	if (pv_file_read("/sys/fs/cgroup/cgroup.controllers", text, sizeof(text)) <= 0)
		pv_skip(t, PV_CONFIG_OFF, "no controllers in cgroup v2");
	text[strcspn(text, " ")] = 0;
	snprintf(word, sizeof(word), "%c%s", sign, text);
	pv_sys_file_write("/sys/fs/cgroup/cgroup.subtree_control", word);
}

PV_CASE(sample_task, cgroup, .pmu = "tracepoint", .needs = "tracefs root", .arch = "x86_64 arm64",
	.proof = "kernel",
	.about = "the cgroup of a sample is the inode number of the directory that the task is in")
{
	struct perf_event_attr attr = sampling(t, OWNER | PERF_SAMPLE_CGROUP);
	uint64_t id = 0, n = 1, wrong = 0, samples = 0;
	bool guest = getppid() == 1; /* a login session has a group of its own */
	struct stat root, own;
	struct pv_sample s;
	struct pv_ev *ev;

	if (stat("/sys/fs/cgroup/cgroup.procs", &root) || stat("/sys/fs/cgroup", &root) ||
	    (mkdir(CGROUP, 0755) && errno != EEXIST))
		pv_skip(t, PV_DENIED, "no cgroup v2 to make a group in at /sys/fs/cgroup");
	if (stat(CGROUP, &own))
		pv_error(t, PV_BROKEN_SETUP, "stat: %s", strerrorname_np(errno));
	if (guest)
		refresh_controllers(t, '+');
	ev = open_inherited(t, &attr, &id);
	pv_enable(t, ev);
	calls(t, &n);
	if (!pv_sample_next(t, ev, &rec, &s))
		pv_fail(t, "no sample");
	if (guest)
		pv_expect_eq(t, "the root's", s.cgroup, root.st_ino);
	pv_expect(t, "another than the new one's", s.cgroup != own.st_ino);
	pv_wait(t, pv_fork(t, in_cgroup, NULL));
	while (pv_sample_next(t, ev, &rec, &s)) {
		samples++;
		wrong += s.cgroup != own.st_ino;
		if (s.cgroup != own.st_ino)
			pv_message(t, "cgroup %llu, inode %llu, root %llu",
				   (unsigned long long)s.cgroup, (unsigned long long)own.st_ino,
				   (unsigned long long)root.st_ino);
	}
	rmdir(CGROUP);
	if (guest)
		refresh_controllers(t, '-');
	if (!samples)
		pv_skip(t, PV_DENIED, "no task can be moved into a new cgroup");
	pv_expect_eq(t, "samples", samples, 2);
	pv_expect_eq(t, "samples of another cgroup", wrong, 0);
}
