/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inherited contexts change hands when one task follows another on a CPU
 * (kernel/events/core.c perf_event_context_sched_out()), as long as they are equal. The tasks here
 * hand a token on through pipes, so that one follows the other directly, with nobody in between.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define ROUNDS 12

struct runner {
	int in, out; /* where the token comes from and goes to */
	uint64_t calls;
	bool exec;
};

/* The reader of the last token may have gone. */
static int run(const struct runner *r)
{
	char token;

	for (int i = 0; i < ROUNDS; i++) {
		if (read(r->in, &token, 1) != 1)
			return 1;
		pv_calls(r->calls);
		if (write(r->out, &token, 1) != 1)
			return 1;
	}
	return 0;
}

PV_EXEC(relay)
{
	struct runner r = {0};

	if (argc < 4)
		return 2;
	r.in = atoi(argv[1]);
	r.out = atoi(argv[2]);
	r.calls = strtoull(argv[3], NULL, 10);
	return run(&r);
}

static void child(struct pv_test *t, void *arg)
{
	struct runner *r = arg;
	char in[16], out[16], calls[24];
	const char *const action[] = {"relay", in, out, calls, NULL};

	if (r->exec) {
		snprintf(in, sizeof(in), "%d", r->in);
		snprintf(out, sizeof(out), "%d", r->out);
		snprintf(calls, sizeof(calls), "%llu", (unsigned long long)r->calls);
		pv_exec(t, NULL, action);
	}
	if (run(r))
		pv_error(t, PV_BROKEN_SETUP, "the token is lost");
}

/* Two tasks that do `calls` each when it is their turn; the first one begins. */
static void ring(struct pv_test *t, struct runner r[2])
{
	int a[2], b[2];

	if (pipe(a) || pipe(b))
		pv_error(t, PV_BROKEN_SETUP, "pipe: %s", strerrorname_np(errno));
	r[0] = (struct runner){.in = a[0], .out = b[1], .calls = 3};
	r[1] = (struct runner){.in = b[0], .out = a[1], .calls = 5};
	if (write(a[1], "", 1) != 1)
		pv_error(t, PV_BROKEN_SETUP, "write: %s", strerrorname_np(errno));
}

static struct pv_ev *open_own(struct pv_test *t, bool inherit)
{
	struct perf_event_attr attr = pv_calls_attr(t);

	attr.inherit = inherit;
	attr.disabled = 0;
	return pv_open(t, &attr, 0, -1, NULL, 0);
}

static uint64_t value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

/* This task and a child of it take turns. */
static void with_parent(struct pv_test *t, struct runner r[2], bool later)
{
	struct pv_ev *both = open_own(t, true), *own = later ? NULL : open_own(t, false);
	pid_t pid = pv_fork(t, child, &r[1]);

	if (later)
		own = open_own(t, false);
	if (run(&r[0]))
		pv_error(t, PV_BROKEN_SETUP, "the token is lost");
	pv_wait(t, pid);
	pv_expect_eq(t, "count of the inherited event", value(t, both),
		     ROUNDS * (r[0].calls + r[1].calls));
	pv_expect_eq(t, "count of what is not the child's", value(t, own), ROUNDS * r[0].calls);
}

/* The second child is born with an event more than the first. */
static void of_other_age(struct pv_test *t, struct runner r[2])
{
	struct pv_ev *both = open_own(t, true), *second;
	pid_t pid[2];

	/* The one without the token waits for it. */
	pid[1] = pv_fork(t, child, &r[1]);
	second = open_own(t, true);
	pid[0] = pv_fork(t, child, &r[0]);
	pv_wait(t, pid[0]);
	pv_wait(t, pid[1]);
	pv_expect_eq(t, "count of the first event", value(t, both),
		     ROUNDS * (r[0].calls + r[1].calls));
	pv_expect_eq(t, "count of the event between their births", value(t, second),
		     ROUNDS * r[0].calls);
}

/* One of them has an event that was opened on it. */
static void opened(struct pv_test *t, struct runner r[2])
{
	struct pv_ev *both = open_own(t, true), *alone;
	struct perf_event_attr attr = pv_calls_attr(t);
	pid_t pid[2];

	pid[1] = pv_fork(t, child, &r[1]);
	attr.disabled = 0;
	alone = pv_open(t, &attr, pid[1], -1, NULL, 0);
	pid[0] = pv_fork(t, child, &r[0]);
	pv_wait(t, pid[0]);
	pv_wait(t, pid[1]);
	pv_expect_eq(t, "count of the inherited event", value(t, both),
		     ROUNDS * (r[0].calls + r[1].calls));
	pv_expect_eq(t, "count of the event on one of them", value(t, alone), ROUNDS * r[1].calls);
}

/* One of them executes a program, which enables its event or removes it. */
static void executed(struct pv_test *t, struct runner r[2], bool enable)
{
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *both = open_own(t, true), *ev;
	pid_t pid[2];

	attr.inherit = 1;
	attr.enable_on_exec = enable;
	attr.remove_on_exec = !enable;
	attr.disabled = enable;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	r[0].exec = true;
	pid[1] = pv_fork(t, child, &r[1]);
	pid[0] = pv_fork(t, child, &r[0]);
	pv_wait(t, pid[0]);
	pv_wait(t, pid[1]);
	pv_expect_eq(t, "count of the plain event", value(t, both),
		     ROUNDS * (r[0].calls + r[1].calls));
	pv_expect_eq(t, "count of the other", value(t, ev), ROUNDS * r[!enable].calls);
}

PV_CASE(inherit, unlike_contexts, .pmu = "tracepoint",
	.each = "word[partial,later,age,opened,enabled,removed]", .needs = "tracefs",
	.proof = "kernel",
	.about = "tasks whose events differ keep them apart when one follows the other on a CPU")
{
	const char *word = pv_word(t);
	struct runner r[2];

	ring(t, r);
	if (!strcmp(word, "partial") || !strcmp(word, "later"))
		with_parent(t, r, !strcmp(word, "later"));
	else if (!strcmp(word, "age"))
		of_other_age(t, r);
	else if (!strcmp(word, "opened"))
		opened(t, r);
	else
		executed(t, r, !strcmp(word, "enabled"));
}

/* Samples of inherited events carry the count of the task that is sampled, whoever ran before. */
PV_CASE(inherit, read_in_turns, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "READ in the samples of two children that take turns is the count of each alone")
{
	struct perf_event_attr attr = pv_calls_attr(t);
	uint64_t last[2] = {0}, samples[2] = {0}, wrong = 0;
	static struct pv_record rec;
	struct runner r[2];
	struct pv_ev *ev;
	pid_t pid[2];

	ring(t, r);
	attr.inherit = 1;
	attr.disabled = 0;
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_READ;
	attr.read_format = 0;
	/* Inherited READ came with TID in 6.12 (commit 7e8b255650fc); before it is EINVAL. */
	if (pv_outcome(t, &attr, 0, pv_cpu(t), -1, 0) == -EINVAL && pv_attr_size(t) <= 136)
		pv_skip(t, PV_TOO_OLD, "inherit with PERF_SAMPLE_READ needs Linux 6.12");
	ev = pv_open(t, &attr, 0, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 8);
	pid[1] = pv_fork(t, child, &r[1]);
	pid[0] = pv_fork(t, child, &r[0]);
	pv_wait(t, pid[0]);
	pv_wait(t, pid[1]);
	while (pv_ring_next(t, ev, &rec)) {
		int who = (uint32_t)PV_WORD(&rec, 0) == (uint32_t)pid[1];

		if (rec.header.type != PERF_RECORD_SAMPLE ||
		    (uint32_t)PV_WORD(&rec, 0) != (uint32_t)pid[who])
			continue;
		samples[who]++;
		wrong += PV_WORD(&rec, 8) != ++last[who];
	}
	pv_expect_eq(t, "samples of the first", samples[0], ROUNDS * r[0].calls);
	pv_expect_eq(t, "samples of the second", samples[1], ROUNDS * r[1].calls);
	pv_expect_eq(t, "samples with another count than their task's", wrong, 0);
}

/*
 * copy_process() looks for a number for the child behind the inheritance of events: a number that
 * is taken makes it fail there.
 */
PV_CASE(inherit, failed_fork, .pmu = "breakpoint", .needs = "root", .proof = "kernel",
	.about = "a fork that fails behind the inheritance leaves no event and no breakpoint")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "breakpoint", "x"));
	pid_t taken = getpid();
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&taken, .set_tid_size = 1};
	unsigned int slots = pv_exec_slots(0);
	struct pv_ev *ev;
	long err = 0;

	attr.inherit = 1;
	attr.disabled = 0;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_eq(t, "breakpoints left beside it", pv_exec_slots(0), slots - 1);
	for (int i = 0; i < 40 && !err; i++) {
		err = syscall(SYS_clone3, &args, sizeof(args));
		if (!err)
			_exit(0);
		err = err < 0 && errno == EEXIST ? 0 : err < 0 ? -errno : 1;
	}
	if (err == -ENOSYS || err == -EPERM)
		pv_skip(t, PV_ABSENT, "clone3 with a number of choice: %s", strerrorname_np(-err));
	pv_expect_errno(t, "forks that should fail", err, 0);
	pv_call(pv_probe_target, 4);
	pv_expect_eq(t, "count", value(t, ev), 4);
	pv_expect_eq(t, "breakpoints left afterwards", pv_exec_slots(0), slots - 1);
	pv_close(t, ev);
	pv_expect_eq(t, "breakpoints left when it is closed", pv_exec_slots(0), slots);
}
