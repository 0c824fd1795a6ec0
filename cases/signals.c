/* SPDX-License-Identifier: GPL-2.0-only */
/* Signals of an event, word by word, to whom they go, and how REFRESH counts down to the last. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define SIGNAL (SIGRTMIN + 3)

/* Shared with children. */
struct seen {
	volatile unsigned int count;
	volatile int signo, code, fd;
	volatile long band;
	volatile pid_t tid;
};
static struct seen *seen;

static void on_signal(int signo, siginfo_t *info, void *context)
{
	(void)context;
	seen->count++;
	seen->signo = signo;
	seen->code = info->si_code;
	seen->fd = info->si_fd;
	seen->band = info->si_band;
	seen->tid = syscall(SYS_gettid);
}

static void listen_to(struct pv_test *t, int signo)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};

	if (!seen)
		seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	memset((void *)seen, 0, sizeof(*seen));
	if (sigaction(signo, &sa, NULL))
		pv_error(t, PV_BROKEN_SETUP, "sigaction");
	/* The handler's own way has been gone once. */
	raise(signo);
	memset((void *)seen, 0, sizeof(*seen));
}

static void send_to(struct pv_test *t, struct pv_ev *ev, int signo, int type, pid_t who)
{
	struct f_owner_ex owner = {type, who};

	if (pv_sys_fcntl(pv_fd(ev), F_SETOWN_EX, (unsigned long)&owner) ||
	    (signo && pv_sys_fcntl(pv_fd(ev), F_SETSIG, signo)) ||
	    pv_sys_fcntl(pv_fd(ev), F_SETFL, O_ASYNC | O_NONBLOCK))
		pv_fail(t, "fcntl for signals of an event failed");
}

static struct pv_ev *open_faults(struct pv_test *t, uint64_t period)
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);

	attr.sample_period = period;
	return pv_open(t, &attr, 0, -1, NULL, 0);
}

PV_CASE(notify, info, .pmu = "perf", .each = "word[sigio,sigio-set,real-time]", .proof = "kernel",
	.about =
		"a signal carries code, fd and band of what happened; SIGIO without F_SETSIG carries "
		"nothing")
{
	int signo = strcmp(pv_word(t), "real-time") ? SIGIO : SIGNAL;
	bool bare = !strcmp(pv_word(t), "sigio");
	struct pv_ev *ev = open_faults(t, 1);
	char *faults = pv_faults(t, 4);
	struct seen after[3];
	long err;

	listen_to(t, signo);
	send_to(t, ev, bare ? 0 : signo, F_OWNER_TID, gettid());
	err = pv_ioctl(ev, PERF_EVENT_IOC_REFRESH, 2);
	for (int i = 0; i < 3; i++) {
		pv_fault(faults, i, 1);
		after[i] = *seen;
	}
	pv_expect_errno(t, "refresh", err, 0);
	pv_expect_eq(t, "signals", after[0].count, 1);
	pv_expect_eq(t, "signal", after[0].signo, signo);
	pv_expect_eq(t, "code", after[0].code, bare ? SI_KERNEL : POLL_IN);
	pv_expect_eq(t, "signals then", after[1].count, 2);
	pv_expect_eq(t, "code of the last", after[1].code, bare ? SI_KERNEL : POLL_HUP);
	if (!bare) {
		pv_expect_eq(t, "fd", after[0].fd == pv_fd(ev), 1);
		pv_expect_eq(t, "band", after[0].band, POLLIN | POLLRDNORM);
		pv_expect_eq(t, "fd of the last", after[1].fd == pv_fd(ev), 1);
		pv_expect_eq(t, "band of the last", after[1].band, POLLHUP | POLLERR);
	}
	pv_expect_eq(t, "signals in the end", after[2].count, 2);
	pv_expect_eq(t, "count in the end", pv_read(t, ev).value, 2);
}

PV_CASE(notify, off, .pmu = "perf", .proof = "kernel",
	.about =
		"without O_ASYNC, without an owner and while it is disabled an event sends nothing")
{
	struct pv_ev *ev = open_faults(t, 1);
	char *faults = pv_faults(t, 8);
	unsigned int after[4];

	listen_to(t, SIGNAL);
	send_to(t, ev, SIGNAL, F_OWNER_TID, gettid());
	pv_fault(faults, 0, 1);
	after[0] = seen->count;
	pv_enable(t, ev);
	pv_fault(faults, 1, 2);
	after[1] = seen->count;
	pv_sys_fcntl(pv_fd(ev), F_SETFL, O_NONBLOCK);
	pv_fault(faults, 3, 2);
	after[2] = seen->count;
	pv_sys_fcntl(pv_fd(ev), F_SETFL, O_ASYNC | O_NONBLOCK);
	pv_fault(faults, 5, 1);
	after[3] = seen->count;
	pv_sys_fcntl(pv_fd(ev), F_SETOWN, 0);
	pv_fault(faults, 6, 1);
	pv_disable(t, ev);
	pv_expect_eq(t, "signals while disabled", after[0], 0);
	pv_expect_eq(t, "signals", after[1], 2);
	pv_expect_eq(t, "signals without O_ASYNC", after[2], 2);
	pv_expect_eq(t, "signals with it again", after[3], 3);
	pv_expect_eq(t, "signals without an owner", seen->count, 3);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 6);
}

struct listener {
	pthread_t thread;
	volatile pid_t tid;
	volatile bool stop;
};

static void *listen_in_thread(void *arg)
{
	struct listener *l = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	l->tid = syscall(SYS_gettid);
	while (!l->stop)
		usleep(500);
	return NULL;
}

PV_CASE(notify, thread, .pmu = "perf", .proof = "kernel",
	.about = "F_OWNER_TID sends to that thread alone, each overflow once")
{
	struct pv_ev *ev = open_faults(t, 1);
	char *faults = pv_faults(t, 5);
	struct listener l = {0};
	uint64_t start = pv_sys_walltime();

	listen_to(t, SIGNAL);
	if (pthread_create(&l.thread, NULL, listen_in_thread, &l))
		pv_error(t, PV_BROKEN_SETUP, "pthread_create");
	while (!l.tid)
		usleep(100);
	send_to(t, ev, SIGNAL, F_OWNER_TID, l.tid);
	pv_enable(t, ev);
	pv_fault(faults, 0, 5);
	pv_disable(t, ev);
	while (seen->count < 5 && pv_sys_walltime() - start < 5000000000ull)
		usleep(500);
	pv_expect_eq(t, "signals", seen->count, 5);
	pv_expect_eq(t, "thread", seen->tid == l.tid, 1);
	pv_expect_eq(t, "code", seen->code, POLL_IN);
	l.stop = true;
	pthread_join(l.thread, NULL);
}

static void wait_for_end(struct pv_test *t, void *arg)
{
	char byte;

	(void)t;
	close(((int *)arg)[1]);
	/* Signals interrupt it; SA_RESTART. */
	if (read(((int *)arg)[0], &byte, 1))
		_exit(1);
}

PV_CASE(notify, process, .pmu = "perf", .each = "word[process,group]", .proof = "kernel",
	.about =
		"F_OWNER_PID and F_OWNER_PGRP send to another process, not to the one that samples")
{
	struct pv_ev *ev = open_faults(t, 1);
	char *faults = pv_faults(t, 4);
	uint64_t start = pv_sys_walltime(), count;
	int pipefd[2];
	pid_t child;

	listen_to(t, SIGNAL);
	if (pipe(pipefd))
		pv_error(t, PV_BROKEN_SETUP, "pipe");
	child = pv_fork(t, wait_for_end, pipefd);
	setpgid(child, child);
	send_to(t, ev, SIGNAL, strcmp(pv_word(t), "group") ? F_OWNER_PID : F_OWNER_PGRP, child);
	pv_enable(t, ev);
	pv_fault(faults, 0, 4);
	pv_disable(t, ev);
	count = pv_read(t, ev).value;
	while (seen->count < count && pv_sys_walltime() - start < 5000000000ull)
		usleep(500);
	/* After a fork each page that is written is a fault again. */
	pv_expect_in(t, "count", count, 4, UINT64_MAX);
	pv_expect_eq(t, "signals", seen->count, count);
	pv_expect_eq(t, "process", seen->tid == child, 1);
	pv_expect_eq(t, "fd", seen->fd == pv_fd(ev), 1);
	close(pipefd[1]);
	pv_wait(t, child);
}

static void touch_three(struct pv_test *t, void *arg)
{
	(void)t;
	pv_fault(arg, 0, 3);
}

PV_CASE(notify, inherited, .pmu = "perf", .proof = "kernel",
	.about =
		"what overflows in a child is told to the owner of the parent's event, with its fd")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	char *faults = pv_faults(t, 4);
	uint64_t start = pv_sys_walltime(), count;
	struct pv_ev *ev;
	pid_t child;

	attr.inherit = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	/* Else the child may run on our own event. */
	pv_tell_apart(t, 0);
	listen_to(t, SIGNAL);
	send_to(t, ev, SIGNAL, F_OWNER_PID, getpid());
	pv_enable(t, ev);
	child = pv_fork(t, touch_three, faults);
	pv_wait(t, child);
	pv_disable(t, ev);
	count = pv_read(t, ev).value;
	/* Who waits is told at once, but by a signal, which needs its turn. */
	while (seen->count < count && pv_sys_walltime() - start < 5000000000ull)
		usleep(500);
	pv_expect_in(t, "count", count, 3, UINT64_MAX);
	pv_expect_eq(t, "signals", seen->count, count);
	pv_expect_eq(t, "fd", seen->fd == pv_fd(ev), 1);
	pv_expect_eq(t, "received by the owner", seen->tid == gettid(), 1);
}

PV_CASE(notify, refresh_adds, .pmu = "perf", .each = "n[1,3]", .proof = "kernel",
	.about = "REFRESH adds to what is left, of overflows and not of occurrences; 0 sets no end")
{
	uint64_t period = pv_n(t);
	struct pv_ev *ev = open_faults(t, period), *endless = open_faults(t, period);
	char *faults = pv_faults(t, 30 * period);
	struct pv_count first, then;
	struct seen after[3];
	size_t at = 0;
	long err;

	listen_to(t, SIGNAL);
	send_to(t, ev, SIGNAL, F_OWNER_TID, gettid());
	err = pv_ioctl(ev, PERF_EVENT_IOC_REFRESH, 2);
	pv_fault(faults, at, period);
	at += period;
	err = err ? err : pv_ioctl(ev, PERF_EVENT_IOC_REFRESH, 3);
	pv_fault(faults, at, 3 * period);
	at += 3 * period;
	after[0] = *seen;
	pv_fault(faults, at, period - 1);
	at += period - 1;
	after[1] = *seen;
	pv_fault(faults, at, 10);
	at += 10;
	after[2] = *seen;
	first = pv_read(t, ev);
	pv_fault(faults, at, 3);
	at += 3;
	then = pv_read(t, ev);
	pv_expect_errno(t, "refresh", err, 0);
	pv_expect_eq(t, "signals before the last", after[0].count, 4);
	pv_expect_eq(t, "code before the last", after[0].code, POLL_IN);
	pv_expect_eq(t, "signals short of a period", after[1].count, 4);
	pv_expect_eq(t, "signals", after[2].count, 5);
	pv_expect_eq(t, "code", after[2].code, POLL_HUP);
	pv_expect_eq(t, "count", first.value, 5 * period);
	pv_expect_eq(t, "count then", then.value, 5 * period);
	/* It is disabled: its time stands still. */
	pv_expect_eq(t, "time that went on", then.enabled - first.enabled, 0);
	pv_expect_eq(t, "time that ran on", then.running - first.running, 0);
	pv_expect_errno(t, "refresh by 0", pv_ioctl(endless, PERF_EVENT_IOC_REFRESH, 0), 0);
	pv_fault(faults, at, 5 * period);
	pv_disable(t, endless);
	pv_expect_eq(t, "count without an end", pv_read(t, endless).value, 5 * period);
}

PV_CASE(notify, refresh_clock, .pmu = "sw", .each = "event[samples time]", .proof = "kernel",
	.fixes = "eb3182ef0405 (18dbcbfabfff..6.17.7: the machine hangs)",
	.about = "REFRESH of a clock ends it in its own timer, with POLL_HUP, again and again")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t period = 500000; /* ns */
	unsigned int hups = 0, rounds = 0, more = 0;
	struct pv_count first, then;
	struct pv_ev *ev;

	attr.sample_period = period;
	listen_to(t, SIGNAL);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	send_to(t, ev, SIGNAL, F_OWNER_TID, gettid());
	for (; rounds < 3; rounds++) {
		unsigned int due = seen->count + 1;

		/* The first of a round may come as one with the last: only one is waited for. */
		pv_expect_errno(t, "refresh", pv_ioctl(ev, PERF_EVENT_IOC_REFRESH, 1), 0);
		for (int i = 0; i < 2000 && seen->count < due; i++)
			pv_work(t, period / 1000);
		hups += seen->count == due && seen->code == POLL_HUP;
		first = pv_read(t, ev);
		pv_work(t, 3 * period / 1000);
		then = pv_read(t, ev);
		more += seen->count != due || then.value != first.value ||
			then.enabled != first.enabled;
	}
	pv_expect_in(t, "count", then.value, 1, UINT64_MAX);
	pv_expect_eq(t, "rounds that ended with POLL_HUP", hups, 3);
	pv_expect_eq(t, "rounds that went on", more, 0);
}

PV_CASE(notify, refresh_group, .pmu = "perf", .each = "word[leader,sibling]", .proof = "kernel",
	.about = "the end of a leader is the end of its group, that of a sibling its own")
{
	bool leads = !strcmp(pv_word(t), "leader");
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	struct pv_ev *leader, *sibling, *limited;
	char *faults = pv_faults(t, 12);
	long err;

	attr.sample_period = 1;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	sibling = pv_open(t, &attr, 0, -1, leader, 0);
	limited = leads ? leader : sibling;
	listen_to(t, SIGNAL);
	send_to(t, limited, SIGNAL, F_OWNER_TID, gettid());
	err = pv_ioctl(leads ? sibling : leader, PERF_EVENT_IOC_ENABLE, 0);
	pv_fault(faults, 0, 1);
	err = err ? err : pv_ioctl(limited, PERF_EVENT_IOC_REFRESH, 4);
	pv_fault(faults, 1, 10);
	pv_ioctl(leader, PERF_EVENT_IOC_DISABLE, 0);
	pv_expect_errno(t, "enable and refresh", err, 0);
	pv_expect_eq(t, "signals", seen->count, 4);
	pv_expect_eq(t, "count of the limited", pv_read(t, limited).value, 4);
	pv_expect_eq(t, "count of the other", pv_read(t, leads ? sibling : leader).value,
		     leads ? 4 : 11);
}
