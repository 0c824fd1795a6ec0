/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FORK and EXIT: one record for every process and thread that begins or ends, with its ids, those
 * of its parent, and the time. perf_event_task_output() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <pthread.h>
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

static void *thread_tid(void *arg)
{
	*(pid_t *)arg = gettid();
	return NULL;
}

static pid_t run_thread(struct pv_test *t)
{
	pthread_t thread;
	pid_t tid = 0;

	if (pthread_create(&thread, NULL, thread_tid, &tid) || pthread_join(thread, NULL))
		pv_error(t, PV_BROKEN_SETUP, "no thread");
	return tid;
}

static void nothing(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
}

PV_CASE(sideband, fork, .pmu = "perf", .proof = "kernel",
	.about = "without inherit: a FORK for each child and thread of ours, and not one record of "
		 "what they do; nothing before enable, nothing after disable")
{
	struct perf_event_attr attr = sb_attr();
	struct sb_who me = sb_self();
	struct pv_ev *ev;
	struct sb_log *log;
	uint64_t from, between, to;
	pid_t child, thread;

	attr.task = 1;
	ev = sb_open_self(t, &attr);
	pv_wait(t, pv_fork(t, nothing, NULL));
	pv_enable(t, ev);
	from = pv_sys_walltime();
	child = pv_fork(t, nothing, NULL);
	between = pv_sys_walltime();
	pv_wait(t, child);
	thread = run_thread(t);
	to = pv_sys_walltime();
	pv_disable(t, ev);
	pv_wait(t, pv_fork(t, nothing, NULL));
	run_thread(t);

	log = sb_take(t, ev);
	sb_expect_order(t, log, "a FORK of the child and one of the thread",
			(const uint32_t[]){PERF_RECORD_FORK, PERF_RECORD_FORK, 0});
	sb_expect_task(t, "FORK of the child", log, sb_find(log, PERF_RECORD_FORK, 0),
		       PERF_RECORD_FORK, &(struct sb_task){child, getpid(), child, gettid()}, &me,
		       from, between);
	sb_expect_task(t, "FORK of the thread", log, sb_find(log, PERF_RECORD_FORK, 1),
		       PERF_RECORD_FORK, &(struct sb_task){getpid(), getpid(), thread, gettid()},
		       &me, between, to);
}

/* What the processes of a family tell the first one. */
struct family {
	pid_t child, thread, thread2, grandchild;
};

static void grandchild(struct pv_test *t, void *arg)
{
	(void)t;
	((struct family *)arg)->grandchild = getpid();
}

static void *second_thread(void *arg)
{
	((struct family *)arg)->thread2 = gettid();
	return NULL;
}

/* A thread whose thread is not the process's first one's. */
static void *first_thread(void *arg)
{
	pthread_t thread;

	((struct family *)arg)->thread = gettid();
	if (!pthread_create(&thread, NULL, second_thread, arg))
		pthread_join(thread, NULL);
	return NULL;
}

static void child(struct pv_test *t, void *arg)
{
	struct family *f = arg;
	pthread_t thread;

	f->child = getpid();
	if (pthread_create(&thread, NULL, first_thread, f) || pthread_join(thread, NULL))
		pv_error(t, PV_BROKEN_SETUP, "no thread");
	pv_wait(t, pv_fork(t, grandchild, f));
}

static struct family *shared_family(struct pv_test *t)
{
	struct family *f =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (f == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "no shared page");
	return f;
}

/* The records of child(), which the case's process has forked, in a log of `each` scope. */
static void expect_family(struct pv_test *t, const struct sb_log *log, const struct family *f,
			  uint64_t from, uint64_t to)
{
	pid_t me = getpid();
	const struct {
		const char *what;
		uint32_t type;
		struct sb_task task;
		struct sb_who who;
	} want[] = {
		{"FORK of the child",
		 PERF_RECORD_FORK,
		 {f->child, me, f->child, gettid()},
		 {me, gettid()}},
		{"FORK of the thread",
		 PERF_RECORD_FORK,
		 {f->child, f->child, f->thread, f->child},
		 {f->child, f->child}},
		{"FORK of the thread's thread",
		 PERF_RECORD_FORK,
		 {f->child, f->child, f->thread2, f->thread},
		 {f->child, f->thread}},
		/* a thread's parent is the process's, by process id */
		{"EXIT of the thread's thread",
		 PERF_RECORD_EXIT,
		 {f->child, me, f->thread2, me},
		 {f->child, f->thread2}},
		{"EXIT of the thread",
		 PERF_RECORD_EXIT,
		 {f->child, me, f->thread, me},
		 {f->child, f->thread}},
		{"FORK of the grandchild",
		 PERF_RECORD_FORK,
		 {f->grandchild, f->child, f->grandchild, f->child},
		 {f->child, f->child}},
		{"EXIT of the grandchild",
		 PERF_RECORD_EXIT,
		 {f->grandchild, f->child, f->grandchild, f->child},
		 {f->grandchild, f->grandchild}},
		{"EXIT of the child",
		 PERF_RECORD_EXIT,
		 {f->child, me, f->child, me},
		 {f->child, f->child}},
	};
	const size_t n = sizeof(want) / sizeof(want[0]);
	const struct sb_rec *last = NULL;
	unsigned int ours = 0, order = 0;

	for (unsigned int i = 0; i < log->n; i++) {
		const struct sb_rec *r = &log->rec[i];
		uint32_t pid = sb_u32(r, 0);

		ours += pid == (uint32_t)me || pid == (uint32_t)f->child ||
			pid == (uint32_t)f->grandchild;
	}
	pv_expect_eq(t, "records of our family", ours, n);
	for (size_t i = 0; i < n; i++) {
		const struct sb_rec *r = sb_find_task(log, want[i].type, want[i].task.tid);

		sb_expect_task(t, want[i].what, log, r, want[i].type, &want[i].task, &want[i].who,
			       from, to);
		/* A thread can be joined before it says EXIT: 3 and 4 may come the other way round,
		 * the join also frees its waiter for the next FORK. */
		if (i < 3 || i > 5) {
			order += last && r < last;
			last = r;
		}
	}
	pv_expect_eq(t, "records before what they follow", order, 0);
}

PV_CASE(sideband, family, .each = "word[inherit,cpu]", .pmu = "perf", .proof = "kernel",
	.about =
		"three generations and threads of threads: each FORK and EXIT once, with the right "
		"parent, in the parent's ring")
{
	struct perf_event_attr attr = sb_attr();
	bool wide = pv_word(t)[0] == 'c';
	struct family *f = shared_family(t);
	uint64_t from;
	struct sb_log *log;
	struct pv_ev *ev;

	attr.task = 1;
	attr.inherit = !wide;
	ev = sb_open(t, &attr, wide ? -1 : 0, pv_cpu(t));
	from = pv_sys_walltime();
	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, child, f));
	pv_disable(t, ev);
	log = sb_take(t, ev);
	expect_family(t, log, f, from, log->to);
	if (!wide)
		sb_expect(t, log, "EXIT records", PERF_RECORD_EXIT, 4);
}
