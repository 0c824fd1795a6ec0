/* SPDX-License-Identifier: GPL-2.0-only */
/* Output of several events in one ring: SET_OUTPUT, PERF_FLAG_FD_OUTPUT, and how it is undone. */
#define _GNU_SOURCE
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct pv_record rec;

static struct pv_ev *open_faults(struct pv_test *t)
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);

	return pv_open(t, &attr, 0, -1, NULL, 0);
}

static struct pv_ev *open_plain(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));

	return pv_open(t, &attr, 0, -1, NULL, 0);
}

static long redirect(struct pv_ev *ev, struct pv_ev *to)
{
	return pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, to ? pv_fd(to) : -1);
}

/* Samples in the ring with this id; any other record counts as wrong. */
static uint64_t take(struct pv_test *t, struct pv_ev *ev, uint64_t id, uint64_t *wrong)
{
	uint64_t n = 0, first;

	while (pv_ring_next(t, ev, &rec)) {
		memcpy(&first, rec.body, sizeof(first));
		if (rec.header.type == PERF_RECORD_SAMPLE && first == id)
			n++;
		else
			++*wrong;
	}
	return n;
}

static uint64_t faulted(struct pv_test *t, struct pv_ev *ev, size_t n)
{
	static char *faults;
	static size_t at;
	uint64_t before = pv_read(t, ev).value;

	if (!faults)
		faults = pv_faults(t, 100);
	pv_enable(t, ev);
	pv_fault(faults, at, n);
	pv_disable(t, ev);
	at += n;
	return pv_read(t, ev).value - before;
}

static void map_and_touch(struct pv_test *t, struct pv_ev *ev)
{
	pv_ring_map(t, ev, 1);
	(void)pv_ring_head(ev);
}

PV_CASE(output, goes_there, .pmu = "perf", .proof = "kernel",
	.about = "redirected samples are in the target's ring with their own id, until they are "
		 "sent elsewhere or nowhere")
{
	struct pv_ev *a = open_plain(t), *c = open_plain(t), *b = open_faults(t);
	uint64_t id = pv_read(t, b).id, wrong = 0;

	map_and_touch(t, a);
	map_and_touch(t, c);
	pv_expect_eq(t, "counted without a ring", faulted(t, b, 2), 2);
	pv_expect_errno(t, "redirect", redirect(b, a), 0);
	pv_expect_errno(t, "redirect again", redirect(b, a), 0);
	pv_expect_eq(t, "poll of the redirected", pv_poll(b, 0), 0);
	/* Its target stands still, that is of no matter. */
	pv_expect_eq(t, "counted", faulted(t, b, 5), 5);
	pv_expect_eq(t, "samples", take(t, a, id, &wrong), 5);
	pv_expect_errno(t, "elsewhere", redirect(b, c), 0);
	pv_expect_eq(t, "counted elsewhere", faulted(t, b, 4), 4);
	pv_expect_eq(t, "samples in the old ring", take(t, a, id, &wrong), 0);
	pv_expect_eq(t, "samples in the new ring", take(t, c, id, &wrong), 4);
	pv_expect_errno(t, "nowhere", redirect(b, NULL), 0);
	pv_expect_errno(t, "nowhere again", redirect(b, NULL), 0);
	pv_expect_eq(t, "counted for nowhere", faulted(t, b, 3), 3);
	pv_expect_eq(t, "poll of an event without a ring", pv_poll(b, 0), POLLHUP);
	/* Nothing of it is left: it takes a ring of its own, and then no other. */
	map_and_touch(t, b);
	pv_expect_eq(t, "counted for itself", faulted(t, b, 6), 6);
	pv_expect_eq(t, "samples in its own ring", take(t, b, id, &wrong), 6);
	pv_expect_errno(t, "redirect over its own ring", redirect(b, a), -EINVAL);
	pv_expect_errno(t, "its own ring taken away", redirect(b, NULL), -EINVAL);
	pv_expect_eq(t, "counted after all", faulted(t, b, 1), 1);
	pv_expect_eq(t, "samples after all", take(t, b, id, &wrong), 1);
	pv_expect_eq(t, "samples elsewhere", take(t, a, id, &wrong) + take(t, c, id, &wrong), 0);
	pv_expect_eq(t, "other records", wrong, 0);
}

PV_CASE(output, target_goes, .pmu = "perf", .each = "word[munmap,close]", .proof = "kernel",
	.about = "redirected output lasts as long as the ring is mapped, whoever still has the fd")
{
	struct pv_ev *a = open_plain(t), *b = open_faults(t), *c = open_plain(t);
	uint64_t id = pv_read(t, b).id, wrong = 0;
	size_t len = 2 * sysconf(_SC_PAGESIZE);

	map_and_touch(t, a);
	pv_expect_errno(t, "redirect", redirect(b, a), 0);
	pv_expect_eq(t, "counted", faulted(t, b, 2), 2);
	pv_expect_eq(t, "samples", take(t, a, id, &wrong), 2);
	if (!strcmp(pv_word(t), "close")) {
		pv_sys_close(pv_fd(a));
		pv_expect_eq(t, "counted behind close", faulted(t, b, 3), 3);
		pv_expect_eq(t, "samples behind close", take(t, a, id, &wrong), 3);
	}
	pv_enable(t, b);
	pv_expect_eq(t, "poll while mapped", pv_poll(b, 0) & POLLHUP, 0);
	pv_expect_errno(t, "munmap", pv_sys_munmap(pv_ring_page(a), len), 0);
	pv_disable(t, b);
	pv_expect_eq(t, "poll after munmap", pv_poll(b, 0), POLLHUP);
	pv_expect_eq(t, "counted after munmap", faulted(t, b, 3), 3);
	map_and_touch(t, c);
	pv_expect_errno(t, "redirect anew", redirect(b, c), 0);
	pv_expect_eq(t, "counted then", faulted(t, b, 4), 4);
	pv_expect_eq(t, "samples then", take(t, c, id, &wrong), 4);
	pv_expect_eq(t, "other records", wrong, 0);
}

PV_CASE(output, source_goes, .pmu = "perf", .proof = "kernel",
	.about = "an event that is closed leaves its records in the ring it shared, and the others "
		 "go on")
{
	struct pv_ev *a = open_faults(t), *b = open_plain(t), *c = open_faults(t);
	uint64_t id = pv_read(t, a).id, gone = pv_read(t, c).id, wrong = 0;

	map_and_touch(t, a);
	pv_expect_errno(t, "redirect", redirect(b, a), 0);
	pv_expect_errno(t, "redirect the other", redirect(c, a), 0);
	pv_expect_eq(t, "counted", faulted(t, c, 3), 3);
	pv_close(t, c);
	pv_close(t, b);
	pv_expect_eq(t, "samples of the closed one", take(t, a, gone, &wrong), 3);
	pv_expect_eq(t, "counted by the other", faulted(t, a, 4), 4);
	pv_expect_eq(t, "samples of the other", take(t, a, id, &wrong), 4);
	pv_expect_eq(t, "other records", wrong, 0);
}

/* An attr that must not share a ring with the plain one, by the word, or may. */
static struct perf_event_attr unlike(struct pv_test *t, bool *second)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));

	*second = true;
	if (!strcmp(pv_word(t), "clock")) {
		attr.use_clockid = 1;
		attr.clockid = CLOCK_MONOTONIC;
	} else if (!strcmp(pv_word(t), "backward")) {
		attr.write_backward = 1;
	} else {
		*second = false;
	}
	return attr;
}

PV_CASE(output, unlike_refused, .pmu = "perf", .each = "word[clock,backward,not-perf,not-open]",
	.proof = "kernel",
	.about = "a ring is shared by events of one clock and one direction, and only by events")
{
	bool second;
	struct perf_event_attr other = unlike(t, &second);
	struct pv_ev *plain = open_plain(t), *ev = open_plain(t), *odd, *odd_too;
	int pipefd[2];

	map_and_touch(t, plain);
	if (!second) {
		bool open = !strcmp(pv_word(t), "not-perf");

		if (pipe(pipefd))
			pv_error(t, PV_BROKEN_SETUP, "pipe");
		pv_expect_errno(t, "redirect",
				pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, open ? pipefd[0] : 9999),
				-EBADF);
		pv_expect_errno(t, "an event for comparison", redirect(ev, plain), 0);
		return;
	}
	odd = pv_open(t, &other, 0, -1, NULL, 0);
	odd_too = pv_open(t, &other, 0, -1, NULL, 0);
	pv_expect_errno(t, "odd into plain", redirect(odd, plain), -EINVAL);
	map_and_touch(t, odd);
	pv_expect_errno(t, "plain into odd", redirect(ev, odd), -EINVAL);
	pv_expect_errno(t, "odd into odd", redirect(odd_too, odd), 0);
	pv_expect_errno(t, "plain into plain", redirect(ev, plain), 0);
	/* A refusal leaves what was. */
	pv_expect_errno(t, "odd into plain, late", redirect(odd_too, plain), -EINVAL);
	pv_expect_eq(t, "still in a ring", pv_poll(odd_too, 0), 0);
}

PV_CASE(output, cpu_ring, .pmu = "perf", .proof = "kernel",
	.about = "the ring of a CPU takes what any task does there, a task's ring nothing of a CPU")
{
	struct perf_event_attr dummy = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);
	struct pv_ev *cpu, *task, *any = open_plain(t), *whole;
	uint64_t id, wrong = 0;

	cpu = pv_open(t, &dummy, -1, pv_cpu(t), NULL, 0);
	task = pv_open(t, &attr, 0, pv_cpu(t), NULL, 0);
	whole = pv_open(t, &dummy, -1, pv_cpu(t), NULL, 0);
	id = pv_read(t, task).id;
	map_and_touch(t, cpu);
	map_and_touch(t, any);
	pv_expect_errno(t, "task on this CPU into the CPU's", redirect(task, cpu), 0);
	pv_expect_errno(t, "the CPU's into the CPU's", redirect(whole, cpu), 0);
	pv_expect_errno(t, "the CPU's into a task's on any CPU", redirect(whole, any), -EINVAL);
	pv_expect_errno(t, "a task's on any CPU into the CPU's", redirect(open_plain(t), cpu),
			-EINVAL);
	pv_expect_eq(t, "counted", faulted(t, task, 4), 4);
	pv_expect_eq(t, "samples", take(t, cpu, id, &wrong), 4);
	pv_expect_eq(t, "other records", wrong, 0);
}

PV_CASE(output, at_open, .pmu = "perf", .each = "word[output,output-no-group,no-group,none]",
	.proof = "kernel",
	.about =
		"perf_event_open() redirects with FD_OUTPUT and leaves the group with FD_NO_GROUP, "
		"each by itself")
{
	bool output = !strncmp(pv_word(t), "output", 6), alone = !!strstr(pv_word(t), "no-group");
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);
	struct perf_event_attr dummy = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	unsigned long flags =
		(output ? PERF_FLAG_FD_OUTPUT : 0) | (alone ? PERF_FLAG_FD_NO_GROUP : 0);
	struct pv_ev *leader, *ev;
	uint64_t id, wrong = 0;
	struct pv_group group;
	long err;

	dummy.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &dummy, 0, -1, NULL, 0);
	/* Without a ring there is nothing to put it into. */
	err = pv_outcome(t, &attr, 0, -1, pv_fd(leader), flags);
	pv_expect_errno(t, "leader without a ring", err, output ? -EINVAL : 0);
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members before", group.nr, 1);
	map_and_touch(t, leader);
	ev = pv_open(t, &attr, 0, -1, leader, flags);
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members", group.nr, alone ? 1 : 2);
	id = pv_read(t, ev).id;
	pv_enable(t, leader);
	pv_ioctl(ev, PERF_EVENT_IOC_ENABLE, 0);
	pv_fault(pv_faults(t, 4), 0, 4);
	pv_ioctl(ev, PERF_EVENT_IOC_DISABLE, 0);
	pv_expect_in(t, "count", pv_read(t, ev).value, 4, UINT64_MAX);
	pv_expect_eq(t, "samples", take(t, leader, id, &wrong), output ? pv_read(t, ev).value : 0);
	pv_expect_eq(t, "poll", pv_poll(ev, 0), output ? 0 : POLLHUP);
	pv_expect_eq(t, "other records", wrong, 0);
}

PV_CASE(output, map_redirected, .pmu = "perf", .proof = "kernel",
	.about = "a redirected event gives no ring that is neither its own nor the target's")
{
	struct pv_ev *a = open_plain(t), *b = open_faults(t);
	uint64_t id = pv_read(t, b).id, wrong = 0;
	int err;

	map_and_touch(t, a);
	pv_expect_errno(t, "redirect", redirect(b, a), 0);
	pv_expect_errno(t, "mmap of another size", pv_ring_try_map(b, 2), -EINVAL);
	err = pv_ring_try_map(b, 1);
	pv_note(t, "mmap of the redirected", -err);
	/* Until 6.19 it was a second view of the target's (EBUSY since 77de62ad3de3). */
	if (err)
		pv_expect_errno(t, "mmap of the redirected is refused", err, -EBUSY);
	else
		pv_expect_eq(t, "both views are of one ring", pv_ring_page(b)->data_size,
			     pv_ring_page(a)->data_size);
	pv_expect_eq(t, "counted", faulted(t, b, 3), 3);
	pv_expect_eq(t, "samples", take(t, a, id, &wrong), 3);
	if (!err)
		pv_expect_eq(t, "head by the other view", pv_ring_head(b), pv_ring_head(a));
	pv_expect_eq(t, "other records", wrong, 0);
}

PV_CASE(output, twins, .pmu = "perf", .each = "word[same-kind,other-kind]", .proof = "kernel",
	.about = "two events that one occurrence overflows write samples with their own ids, each")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);
	char *faults = pv_faults(t, 6);
	struct pv_ev *a = pv_open(t, &attr, 0, -1, NULL, 0), *b;
	uint64_t of[2] = {0}, other = 0, id[2];

	attr.disabled = 0;
	if (!strcmp(pv_word(t), "other-kind"))
		attr.config = PERF_COUNT_SW_PAGE_FAULTS_MIN;
	b = pv_open(t, &attr, 0, -1, a, 0);
	id[0] = pv_read(t, a).id;
	id[1] = pv_read(t, b).id;
	map_and_touch(t, a);
	pv_expect_errno(t, "redirect", redirect(b, a), 0);
	pv_enable(t, a);
	pv_fault(faults, 0, 6);
	pv_disable(t, a);
	while (pv_ring_next(t, a, &rec)) {
		uint64_t first;

		memcpy(&first, rec.body, sizeof(first));
		of[0] += first == id[0];
		of[1] += first == id[1];
		other += rec.header.type != PERF_RECORD_SAMPLE;
	}
	pv_expect_eq(t, "samples in all", of[0] + of[1], 12);
	pv_expect_eq(t, "samples of the first", of[0], 6);
	pv_expect_eq(t, "samples of the second", of[1], 6);
	pv_expect_eq(t, "other records", other, 0);
}
