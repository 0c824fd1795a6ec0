/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SWITCH records: a task's event tells when it leaves and comes back, a CPU's event also who is
 * next and who was before. perf_event_switch() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sideband.h"

#define OUT     PERF_RECORD_MISC_SWITCH_OUT
#define PREEMPT PERF_RECORD_MISC_SWITCH_OUT_PREEMPT

static struct rusage usage(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u;
}

static void nap(void)
{
	struct timespec ts = {0, 200000};

	nanosleep(&ts, NULL);
}

PV_CASE(sideband, switch_task, .pmu = "perf", .proof = "kernel",
	.about = "OUT and IN alternate in a task's ring, without a body; as many OUT as voluntary "
		 "switches, as many with PREEMPT as involuntary ones")
{
	struct perf_event_attr attr = sb_attr();
	struct rusage before, in_from, in_to, after;
	unsigned int out = 0, preempted = 0, disorder = 0, wrong = 0;
	struct pv_ev *ev;
	struct sb_log *log;

	attr.context_switch = 1;
	ev = sb_open(t, &attr, 0, -1);
	nap();
	before = usage();
	pv_enable(t, ev);
	in_from = usage();
	for (int i = 0; i < 20; i++)
		nap();
	in_to = usage();
	pv_disable(t, ev);
	after = usage();
	nap();

	log = sb_take(t, ev);
	for (unsigned int i = 0; i < log->n; i++) {
		const struct sb_rec *r = &log->rec[i];
		bool is_out = r->misc & OUT;

		disorder += is_out != !(i % 2);
		out += is_out && !(r->misc & PREEMPT);
		preempted += is_out && r->misc & PREEMPT;
		if (r->type != PERF_RECORD_SWITCH || r->len || r->size != 56 ||
		    r->pid != (uint32_t)getpid() || r->tid != (uint32_t)gettid() ||
		    (r->misc != 0 && r->misc != OUT && r->misc != (OUT | PREEMPT)) ||
		    r->stream != log->id) {
			wrong++;
			pv_message(t, "record %u: type %u misc %#x size %u of %u/%u", i, r->type,
				   r->misc, r->size, r->pid, r->tid);
		}
	}
	pv_expect_eq(t, "records that are not as they must be", wrong, 0);
	pv_expect_eq(t, "records out of turn", disorder, 0);
	pv_expect_eq(t, "the last one is IN", log->n % 2, 0);
	pv_expect_in(t, "OUT of a task that sleeps", out, in_to.ru_nvcsw - in_from.ru_nvcsw,
		     after.ru_nvcsw - before.ru_nvcsw);
	pv_expect_in(t, "OUT of a task that is preempted", preempted,
		     in_to.ru_nivcsw - in_from.ru_nivcsw, after.ru_nivcsw - before.ru_nivcsw);
	/* a nap can be over before it has begun */
	pv_expect_in(t, "naps", out, 5, UINT64_MAX);
}

static void spin(struct pv_test *t, void *arg)
{
	(void)t;
	while (!__atomic_load_n((int *)arg, __ATOMIC_RELAXED))
		sched_yield();
}

PV_CASE(sideband, switch_preempt, .pmu = "perf", .proof = "kernel",
	.about =
		"a task that another one takes the CPU from, by yielding to it, is OUT with PREEMPT")
{
	struct perf_event_attr attr = sb_attr();
	struct rusage before, in_from, in_to, after;
	int *end = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int out = 0, preempted = 0;
	struct sb_log *log;
	struct pv_ev *ev;
	pid_t pid;

	if (end == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "no shared page");
	attr.context_switch = 1;
	ev = sb_open(t, &attr, 0, -1);
	pid = pv_fork(t, spin, end);
	before = usage();
	pv_enable(t, ev);
	in_from = usage();
	for (int i = 0; i < 10000 && usage().ru_nivcsw - in_from.ru_nivcsw < 5; i++)
		sched_yield();
	/* One that sleeps after more than its share of the CPU may stay on the run queue for a
	 * while: that is no preemption. */
	for (int i = 0; i < 8; i++) {
		pv_work_event(t, pv_find_event(t, "sw", "task-clock"), 2000);
		nap();
	}
	in_to = usage();
	pv_disable(t, ev);
	after = usage();
	*end = 1;
	pv_wait(t, pid);
	log = sb_take(t, ev);
	for (unsigned int i = 0; i < log->n; i++) {
		out += log->rec[i].misc == OUT;
		preempted += log->rec[i].misc == (OUT | PREEMPT);
	}
	pv_expect_in(t, "switches", in_to.ru_nivcsw - in_from.ru_nivcsw, 5, UINT64_MAX);
	pv_expect_in(t, "OUT of a task that is preempted", preempted,
		     in_to.ru_nivcsw - in_from.ru_nivcsw, after.ru_nivcsw - before.ru_nivcsw);
	pv_expect_in(t, "OUT of a task that sleeps", out, in_to.ru_nvcsw - in_from.ru_nvcsw,
		     after.ru_nvcsw - before.ru_nvcsw);
	pv_expect_eq(t, "IN", sb_count(log, PERF_RECORD_SWITCH, -1) - out - preempted,
		     out + preempted);
}

/* Two tasks on one CPU that wake one another in turn through two pipes. */
struct ball {
	int to[2], from[2];
	uint32_t *shared; /* process and thread id of the other side */
};

#define THROWS 10

static void *throw_back(void *arg)
{
	struct ball *b = arg;
	char byte;

	b->shared[1] = gettid();
	for (int i = 0; i < THROWS; i++) {
		if (read(b->to[0], &byte, 1) != 1 || write(b->from[1], "", 1) != 1)
			return b;
	}
	return NULL;
}

/* Plays with a thread that is not the first one of its process. */
static void player(struct pv_test *t, void *arg)
{
	pthread_t thread;
	void *broken = arg;

	((struct ball *)arg)->shared[0] = getpid();
	if (pthread_create(&thread, NULL, throw_back, arg) || pthread_join(thread, &broken) ||
	    broken)
		pv_error(t, PV_BROKEN_SETUP, "a pipe broke");
}

PV_CASE(sideband, switch_cpu, .pmu = "perf", .proof = "kernel",
	.about = "a CPU's event tells of each switch twice: OUT by the one that leaves, naming the "
		 "next, and IN by that one, naming the one before")
{
	struct perf_event_attr attr = sb_attr();
	uint32_t me = getpid(), last_out = 0, named = 0;
	unsigned int wrong = 0, broken = 0, mine = 0, theirs = 0;
	struct sb_log *log;
	struct pv_ev *ev;
	struct ball ball;
	pid_t pid;
	char byte;

	ball.shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ball.shared == MAP_FAILED || pipe(ball.to) || pipe(ball.from))
		pv_error(t, PV_BROKEN_SETUP, "no pipe");
	attr.context_switch = 1;
	ev = sb_open(t, &attr, -1, pv_cpu(t));
	pid = pv_fork_held(t, player, &ball);
	nap();
	pv_enable(t, ev);
	pv_go(t, pid);
	for (int i = 0; i < THROWS; i++) {
		if (write(ball.to[1], "", 1) != 1 || read(ball.from[0], &byte, 1) != 1)
			pv_error(t, PV_BROKEN_SETUP, "a pipe broke");
	}
	pv_disable(t, ev);
	pv_wait(t, pid);

	log = sb_take(t, ev);
	for (unsigned int i = 0; i < log->n; i++) {
		const struct sb_rec *r = &log->rec[i];
		uint32_t next_pid = sb_u32(r, 0), next_tid = sb_u32(r, 4);
		bool is_out = r->misc & OUT;

		if (r->type != PERF_RECORD_SWITCH_CPU_WIDE || r->len != 8 || r->size != 64 ||
		    is_out != !(i % 2) || (r->misc & PREEMPT && !is_out) ||
		    r->misc & ~(OUT | PREEMPT) || r->stream != log->id) {
			wrong++;
			pv_message(t, "record %u: type %u misc %#x size %u", i, r->type, r->misc,
				   r->size);
		}
		if (is_out) {
			last_out = r->tid;
			named = next_tid;
			mine += r->tid == me;
			theirs += r->tid == ball.shared[1];
		} else if (r->tid != named || next_tid != last_out) {
			/* a thread that has ended in between has no number left: -1 */
			broken += r->tid != named || next_tid != UINT32_MAX;
			pv_message(t, "record %u: %u is in after %u, but %u said %u is next", i,
				   r->tid, next_tid, last_out, named);
		}
		if (next_tid == me || next_tid == ball.shared[1])
			wrong += next_pid != (next_tid == me ? me : ball.shared[0]);
	}
	pv_expect_eq(t, "records that are not as they must be", wrong, 0);
	pv_expect_eq(t, "pairs that do not name one another", broken, 0);
	pv_expect_in(t, "our OUT", mine, THROWS, UINT64_MAX);
	pv_expect_in(t, "the other's OUT", theirs, THROWS - 1, UINT64_MAX);
}
