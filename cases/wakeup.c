/* SPDX-License-Identifier: GPL-2.0-only */
/* When a reader is woken: after so many samples or bytes, exactly, and when nothing more can come.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

/* Long against all that a busy machine does, short against the case's limit. */
#define PATIENCE 6000 /* ms */

static struct pv_record rec;

PV_CASE(wakeup, bytes, .pmu = "perf",
	.each = "word[default,zero,one,odd,ring,beyond,overwrite,backward]", .proof = "kernel",
	.about = "poll wakes with the record that brings more bytes than wakeup_watermark, half a "
		 "ring when none is set, and with no other")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);
	uint64_t page = sysconf(_SC_PAGESIZE), size = 24, watermark = page / 2, at = 0, told = 0;
	uint64_t early = 0, late = 0, wakes = 0, twice = 0, records = 5 * page / 2 / size;
	bool over = !strcmp(pv_word(t), "overwrite"), back = !strcmp(pv_word(t), "backward");
	char *faults = pv_faults(t, records);
	struct pv_ev *ev;

	attr.watermark = strcmp(pv_word(t), "default") != 0;
	if (!strcmp(pv_word(t), "one"))
		watermark = attr.wakeup_watermark = 1;
	else if (!strcmp(pv_word(t), "odd"))
		watermark = attr.wakeup_watermark = 1000;
	else if (!strcmp(pv_word(t), "ring"))
		watermark = attr.wakeup_watermark = page;
	else if (!strcmp(pv_word(t), "beyond"))
		watermark = page, attr.wakeup_watermark = 10 * page;
	else if (over || back)
		watermark = attr.wakeup_watermark = 256;
	attr.write_backward = back;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	if (over || back)
		pv_ring_view(t, ev, 1, PROT_READ);
	else
		pv_ring_map(t, ev, 1);
	pv_expect_eq(t, "poll before", pv_poll(ev, 0), 0);
	for (uint64_t i = 0; i < records; i++) {
		int events;
		bool due;

		pv_enable(t, ev);
		pv_fault(faults, i, 1);
		pv_disable(t, ev);
		events = pv_poll(ev, 0);
		twice += pv_poll(ev, 0) != 0;
		at += size;
		due = at - told > watermark;
		told += due ? watermark : 0;
		wakes += due;
		early += events && !due;
		late += due && events != POLLIN;
		if (!over && !back)
			pv_ring_samples(t, ev);
	}
	pv_expect_eq(t, "count", pv_read(t, ev).value, records);
	pv_expect_in(t, "wakeups due", wakes, 2, records);
	pv_expect_eq(t, "records that woke without need", early, 0);
	pv_expect_eq(t, "records that did not wake", late, 0);
	pv_expect_eq(t, "wakeups that were told twice", twice, 0);
}

PV_CASE(wakeup, samples_only, .pmu = "perf", .proof = "kernel",
	.about = "wakeup_events counts samples and not the records between them")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);
	uint64_t early = 0, woken = 0, samples;
	char *faults = pv_faults(t, 12);
	struct pv_ev *ev;

	attr.wakeup_events = 3;
	attr.comm = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 4);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 3; i++) {
			early += pv_poll(ev, 0) != 0;
			pv_enable(t, ev);
			pv_comm(5);
			early += pv_poll(ev, 0) != 0;
			pv_fault(faults, 3 * round + i, 1);
			pv_disable(t, ev);
		}
		woken += pv_poll(ev, 0) == POLLIN;
	}
	samples = pv_ring_samples(t, ev);
	pv_expect_eq(t, "samples", samples, pv_read(t, ev).value);
	pv_expect_eq(t, "count", samples, 12);
	pv_expect_eq(t, "too early", early, 0);
	pv_expect_eq(t, "woken", woken, 4);
}

PV_CASE(wakeup, none_when_quiet, .pmu = "perf", .each = "word[paused,lost,redirected]",
	.proof = "kernel",
	.about = "what is not written wakes nobody; what is written elsewhere wakes there")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);
	uint64_t page = sysconf(_SC_PAGESIZE), fit = (page - 1) / 24;
	struct pv_ev *ev, *other;
	char *faults = pv_faults(t, fit + 10);

	attr.wakeup_events = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	other = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_enable(t, ev);
	pv_fault(faults, 0, 1);
	pv_disable(t, ev);
	pv_expect_eq(t, "a sample wakes", pv_poll(ev, 0), POLLIN);
	if (!strcmp(pv_word(t), "paused")) {
		pv_expect_errno(t, "pause", pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 1), 0);
		pv_enable(t, ev);
		pv_fault(faults, 1, 3);
		pv_disable(t, ev);
		pv_expect_eq(t, "paused", pv_poll(ev, 0), 0);
		pv_expect_errno(t, "go on", pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 0), 0);
		pv_expect_eq(t, "going on", pv_poll(ev, 0), 0);
	} else if (!strcmp(pv_word(t), "lost")) {
		pv_enable(t, ev);
		pv_fault(faults, 1, fit - 1);
		pv_expect_eq(t, "what fits wakes", pv_poll(ev, 0), POLLIN);
		pv_fault(faults, fit, 4);
		pv_disable(t, ev);
		pv_expect_eq(t, "what is lost wakes", pv_poll(ev, 0), 0);
		pv_ring_samples(t, ev);
	} else {
		pv_expect_errno(t, "redirect",
				pv_ioctl(other, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(ev)), 0);
		pv_enable(t, other);
		pv_fault(faults, 1, 1);
		pv_disable(t, other);
		pv_expect_eq(t, "poll of the target", pv_poll(ev, 0), POLLIN);
		pv_expect_eq(t, "poll of the other", pv_poll(other, 0), 0);
		pv_enable(t, other);
		pv_fault(faults, 2, 1);
		pv_disable(t, other);
		/* The ring is one, and so is what is told of it. */
		pv_expect_eq(t, "poll of the other first", pv_poll(other, 0), POLLIN);
		pv_expect_eq(t, "poll of the target then", pv_poll(ev, 0), 0);
	}
	pv_enable(t, ev);
	pv_fault(faults, fit + 5, 1);
	pv_disable(t, ev);
	pv_expect_eq(t, "the next sample wakes", pv_poll(ev, 0), POLLIN);
}

struct worker {
	char *faults;
	size_t n;
	int pipefd[2];
};

static void touch_and_stay(struct pv_test *t, void *arg)
{
	struct worker *w = arg;
	char byte;

	(void)t;
	close(w->pipefd[1]);
	pv_fault(w->faults, 0, w->n);
	/* until the parent closes its end */
	if (read(w->pipefd[0], &byte, 1))
		_exit(1);
}

static void touch_and_go(struct pv_test *t, void *arg)
{
	struct worker *w = arg;

	(void)t;
	pv_fault(w->faults, 0, w->n);
}

/*
 * What to sleep on, before anything can come: what the first look of EPOLL_CTL_ADD sees is no
 * longer there at the next one, the event forgets it when it is asked.
 */
static int open_epoll(struct pv_test *t, struct pv_ev *ev)
{
	struct epoll_event want = {.events = EPOLLIN | EPOLLET};
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, pv_fd(ev), &want))
		pv_fail(t, "epoll of an event: %s", strerrorname_np(errno));
	return fd;
}

/* Sleeps until the event says something: what, and how long it took in ms. */
static unsigned int sleep_on(struct pv_ev *ev, int epoll_fd, uint64_t *ms)
{
	uint64_t start = pv_sys_walltime();
	struct epoll_event got = {0};
	unsigned int revents;

	if (epoll_fd < 0)
		revents = pv_poll(ev, PATIENCE);
	else
		revents = epoll_wait(epoll_fd, &got, 1, PATIENCE) == 1 ? got.events : 0;
	*ms = (pv_sys_walltime() - start) / 1000000;
	return revents;
}

PV_CASE(wakeup, sleeper, .pmu = "perf", .each = "word[poll,epoll,redirected,bytes]",
	.proof = "kernel",
	.about = "who sleeps on a ring is woken by the sample that is due, not by the clock")
{
	struct perf_event_attr attr =
		pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_ADDR);
	struct perf_event_attr dummy = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	bool redirected = !strcmp(pv_word(t), "redirected");
	struct worker w = {.n = 7, .faults = pv_faults(t, 64)};
	struct pv_ev *ev, *ring;
	uint64_t ms, found = 0;
	int epoll_fd = -1;
	pid_t child;

	if (pipe2(w.pipefd, O_CLOEXEC))
		pv_error(t, PV_BROKEN_SETUP, "pipe");
	child = pv_fork_held(t, touch_and_stay, &w);
	attr.wakeup_events = w.n;
	if (!strcmp(pv_word(t), "bytes")) {
		attr.watermark = 1;
		attr.wakeup_watermark = w.n * 32 - 1;
	}
	ring = ev = pv_open(t, &attr, child, -1, NULL, 0);
	if (redirected)
		ring = pv_open(t, &dummy, child, -1, NULL, 0);
	pv_ring_map(t, ring, 2);
	if (redirected)
		pv_expect_errno(t, "redirect", pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(ring)),
				0);
	if (!strcmp(pv_word(t), "epoll"))
		epoll_fd = open_epoll(t, ring);
	pv_enable(t, ev);
	pv_go(t, child);
	pv_expect_eq(t, "woken by", sleep_on(ring, epoll_fd, &ms), POLLIN);
	pv_expect(t, "woken before the timeout", ms < PATIENCE);
	while (pv_ring_next(t, ring, &rec)) {
		uint64_t addr;

		memcpy(&addr, rec.body + 16, sizeof(addr));
		found += rec.header.type == PERF_RECORD_SAMPLE;
	}
	/* The child's own way to its first page may fault, too; then it wakes so much earlier. */
	pv_expect_in(t, "samples", found, w.n, UINT64_MAX);
	close(w.pipefd[1]);
	pv_wait(t, child);
}

PV_CASE(wakeup, sleeper_hup, .pmu = "perf", .each = "word[poll,epoll]", .proof = "kernel",
	.about = "who sleeps on a ring is woken with POLLHUP when its task ends")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	struct worker w = {.n = 1, .faults = pv_faults(t, 1)};
	pid_t child = pv_fork_held(t, touch_and_go, &w);
	struct pv_ev *ev = pv_open(t, &attr, child, -1, NULL, 0);
	int epoll_fd = -1;
	uint64_t ms;

	pv_ring_map(t, ev, 1);
	pv_expect_eq(t, "poll while it lives", pv_poll(ev, 0), 0);
	if (!strcmp(pv_word(t), "epoll"))
		epoll_fd = open_epoll(t, ev);
	pv_go(t, child);
	pv_expect_eq(t, "woken by", sleep_on(ev, epoll_fd, &ms) & POLLHUP, POLLHUP);
	pv_expect(t, "woken before the timeout", ms < PATIENCE);
	pv_wait(t, child);
	pv_expect_eq(t, "poll after its end", pv_poll(ev, 0), POLLHUP);
}

struct family {
	int pipefd[2];
};

/* Ends at once and leaves a child that waits. */
static void leave_child(struct pv_test *t, void *arg)
{
	struct family *f = arg;
	char byte;

	(void)t;
	close(f->pipefd[1]);
	if (!pv_sys_fork()) {
		if (read(f->pipefd[0], &byte, 1))
			_exit(1);
		_exit(0);
	}
}

struct ender {
	int fd; /* the grandchild reads its other end */
	pid_t sleeper;
	struct pv_test *t;
};

static void *end_later(void *arg)
{
	struct ender *e = arg;

	pv_wait_asleep(e->t, e->sleeper);
	close(e->fd);
	return NULL;
}

PV_CASE(wakeup, hup_of_the_last, .pmu = "perf", .proof = "kernel",
	.about =
		"an inherited event says POLLHUP when the last of its children has ended, not before")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	struct ender ender = {.sleeper = gettid(), .t = t};
	pthread_t thread;
	struct family f;
	struct pv_ev *ev;
	uint64_t ms;
	pid_t child;

	if (pipe(f.pipefd))
		pv_error(t, PV_BROKEN_SETUP, "pipe");
	child = pv_fork_held(t, leave_child, &f);
	attr.inherit = 1;
	ev = pv_open(t, &attr, child, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_go(t, child);
	pv_wait(t, child);
	pv_expect_eq(t, "poll while a grandchild lives", pv_poll(ev, 0), 0);
	ender.fd = f.pipefd[1];
	if (pthread_create(&thread, NULL, end_later, &ender))
		pv_error(t, PV_BROKEN_SETUP, "pthread_create");
	pv_expect_eq(t, "woken by its end", sleep_on(ev, -1, &ms), POLLHUP);
	pv_expect(t, "woken before the timeout", ms < PATIENCE);
	pthread_join(thread, NULL);
}

struct unmapper {
	void *ring;
	size_t size;
	pid_t sleeper;
	struct pv_test *t;
};

static void *unmap_later(void *arg)
{
	struct unmapper *u = arg;

	pv_wait_asleep(u->t, u->sleeper);
	pv_sys_munmap(u->ring, u->size);
	return NULL;
}

PV_CASE(wakeup, ring_goes, .pmu = "perf", .proof = "kernel",
	.about = "poll of an event without a ring says HUP, and so does one that sleeps while the "
		 "ring is unmapped")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	struct unmapper u = {.size = 2 * sysconf(_SC_PAGESIZE), .sleeper = gettid(), .t = t};
	pthread_t thread;
	uint64_t ms;

	pv_expect_eq(t, "poll without a ring", pv_poll(ev, 0), POLLHUP);
	pv_ring_map(t, ev, 1);
	u.ring = pv_ring_page(ev);
	pv_expect_eq(t, "poll with one", pv_poll(ev, 0), 0);
	if (pthread_create(&thread, NULL, unmap_later, &u))
		pv_error(t, PV_BROKEN_SETUP, "pthread_create");
	pv_expect_eq(t, "woken by", sleep_on(ev, -1, &ms), POLLHUP);
	pv_expect(t, "woken before the timeout", ms < PATIENCE);
	pthread_join(thread, NULL);
	pv_expect_eq(t, "poll when it has gone", pv_poll(ev, 0), POLLHUP);
}
