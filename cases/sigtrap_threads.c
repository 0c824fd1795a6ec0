/* SPDX-License-Identifier: GPL-2.0-only */
/* attr.sigtrap and threads, exec and the end of a process. */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/trap.h"
#include "cases/pv.h"

#define THREADS 3
#define ROUNDS  12

struct worker {
	pthread_t thread;
	char *faults;
	size_t first;
	unsigned int got;
	bool gone_wrong;
};
static pthread_barrier_t barrier;

static void *touch_own(void *arg)
{
	struct worker *w = arg;

	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < ROUNDS; i++) {
		pv_fault(w->faults, w->first + i, 1);
		w->gone_wrong |= in_thread != i + 1;
	}
	w->got = in_thread;
	return NULL;
}

static void touch_in_child(struct pv_test *t, void *arg)
{
	struct worker *w = arg;
	unsigned int before = seen.count;

	pv_fault(w->faults, w->first, 2);
	pv_expect_eq(t, "signals in a child process", seen.count - before, 0);
}

PV_CASE(sigtrap, threads, .pmu = "perf", .proof = "kernel",
	.about =
		"threads inherit it with inherit_thread, and each gets what it has caused itself; a "
		"process does not")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	size_t page = sysconf(_SC_PAGESIZE), n = THREADS * ROUNDS;
	char *faults = pv_faults(t, n + 4);
	struct worker w[THREADS], child = {.faults = faults, .first = n};
	unsigned int wrong = 0, missing = 0, got;
	struct pv_ev *ev;

	attr.inherit = attr.inherit_thread = 1;
	trap_on(t, &attr);
	/* A new thread's stack faults as well. */
	seen.from = (uintptr_t)faults;
	seen.to = seen.from + (n + 4) * page;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pthread_barrier_init(&barrier, NULL, THREADS + 1);
	pv_enable(t, ev);
	for (unsigned int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){.faults = faults, .first = i * ROUNDS};
		if (pthread_create(&w[i].thread, NULL, touch_own, &w[i]))
			pv_error(t, PV_BROKEN_SETUP, "pthread_create");
	}
	pthread_barrier_wait(&barrier);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(w[i].thread, NULL);
	got = seen.count;
	pv_disable(t, ev);
	for (unsigned int i = 0; i < THREADS; i++) {
		wrong += w[i].gone_wrong;
		missing += ROUNDS - w[i].got;
	}
	pv_expect_eq(t, "signals", got, n);
	pv_expect_eq(t, "signals missing in their threads", missing, 0);
	pv_expect_eq(t, "threads with one at a wrong place", wrong, 0);
	pv_expect_eq(t, "signals in the first thread", in_thread, 1); /* the trial */
	pv_enable(t, ev);
	pv_wait(t, pv_fork(t, touch_in_child, &child));
	pv_disable(t, ev);
	expect_info(t);
}

static void trap_and_exec(struct pv_test *t, void *arg)
{
	static const char *const action[] = {"exit", "0", NULL};
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);

	(void)arg;
	trap_on(t, &attr);
	/*
	 * In user mode alone: what overflows in execve(2) itself is sent when the handlers are
	 * gone.
	 */
	pv_enable(t, pv_open(t, &attr, 0, -1, NULL, 0));
	pv_exec(t, NULL, action);
}

PV_CASE(sigtrap, not_after_exec, .pmu = "perf", .proof = "kernel",
	.about = "a program that knows nothing of it is not killed by SIGTRAP after exec")
{
	int status = -1;

	waitpid(pv_fork(t, trap_and_exec, NULL), &status, 0);
	pv_expect_eq(t, "the child's end", status, 0);
}

static void *touch_for_ever(void *arg)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, 16 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)arg;
	for (;;) {
		pv_fault(p, 0, 16);
		madvise(p, 16 * page, MADV_DONTNEED);
	}
	return NULL;
}

static void exit_in_traps(struct pv_test *t, void *arg)
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	pthread_t thread;

	trap_on(t, &attr);
	attr.inherit = attr.inherit_thread = 1;
	attr.exclude_kernel = 0;
	pv_enable(t, pv_open(t, &attr, 0, -1, NULL, 0));
	pthread_create(&thread, NULL, touch_for_ever, NULL);
	usleep(1000);
	if (arg)
		raise(SIGKILL);
	/* exit_group, with the other thread amid a trap; the last words fault in kernel mode */
	syscall(SYS_exit_group, 0);
}

PV_CASE(sigtrap, exit, .pmu = "perf", .proof = "kernel",
	.fixes = "3da6bb419750 (6.12.35..6.12.112, 6.16-rc)",
	.about =
		"a process ends amid its SIGTRAPs, by itself or killed, without a word of the kernel")
{
	unsigned int ended = 0;

	/*
	 * How it ends is not judged: a trap between the thread's birth and its first step has ended
	 * it by SIGSEGV, too (arm64, 7.2). The kernel's log is.
	 */
	for (int i = 0; i < 8; i++) {
		pid_t pid = pv_fork(t, exit_in_traps, NULL);

		ended += waitpid(pid, NULL, 0) == pid;
	}
	pv_expect_eq(t, "processes that have ended", ended, 8);
}
