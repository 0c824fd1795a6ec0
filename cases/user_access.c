/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting in user space: what the first page of an event's map says, and the counter that it lets
 * a task read. Arm: kernel.perf_user_access and config1:1; what software PMUs must not claim.
 */
#define _GNU_SOURCE
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/user.h"

PV_CASE(user_access, page, .each = "event[]", .proof = "kernel",
	.about =
		"the page of an event says whether user space may read it, and has the event's count and times when it stands")
{
	struct pv_ev *ev = pv_open_case(t);
	struct perf_event_mmap_page *p;
	struct pv_count c;
	struct pv_user_page look1;

	pv_ring_map(t, ev, 1);
	p = pv_ring_page(ev);
	pv_enable(t, ev);
	pv_work(t, pv_work_some(pv_event(t)));
	pv_disable(t, ev);
	pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0); /* writes the page */
	c = pv_read(t, ev);
	look1 = pv_user_look(t, ev);
	pv_expect_eq(t, "deprecated bit 0", p->cap_bit0, 0);
	pv_expect_eq(t, "bit 0 is deprecated", p->cap_bit0_is_deprecated, 1);
	pv_expect_eq(t, "cap_user_rdpmc", p->cap_user_rdpmc,
		     !!(pv_pmu(t)->caps & PV_CAP_USER_READ));
	pv_expect_eq(t, "index", look1.index, 0);
	pv_expect_eq(t, "size", p->size, offsetof(struct perf_event_mmap_page, __reserved));
	pv_expect_eq(t, "data_offset", p->data_offset, sysconf(_SC_PAGESIZE));
	pv_expect_eq(t, "data_size", p->data_size, sysconf(_SC_PAGESIZE));
	pv_expect_eq(t, "offset is the count", look1.offset, c.value);
	pv_expect(t, "time enabled", look1.enabled == c.enabled);
	pv_expect(t, "time running", look1.running == c.running);
}

static uint64_t config1_of(struct pv_test *t)
{
	return PV_USER_RDPMC | (strstr(pv_word(t), "long") ? PV_USER_LONG : 0);
}

static const char *name_of(struct pv_test *t)
{
	return strstr(pv_word(t), "cycles") ? "cpu_cycles" : "inst_retired";
}

PV_CASE(user_access, equal, .pmu = "pmuv3", .each = "word[cycles,cycles-long,inst]",
	.needs = "root", .proof = "kernel",
	.about =
		"what a task reads of its counter lies between the read(2) before and the one after, on every turn, also after a switch")
{
	bool is_long = strstr(pv_word(t), "long"), cycles = strstr(pv_word(t), "cycles");
	uint64_t outside = 0, fallbacks = 0, count = 0, first;
	struct timespec ts = {0, 100000};
	struct pv_ev *ev;
	struct pv_user_page p;

	pv_user_allow(t, "1");
	ev = pv_user_open(t, name_of(t), config1_of(t));
	pv_enable(t, ev);
	p = pv_user_look(t, ev);
	pv_expect(t, "cap_user_rdpmc", pv_ring_page(ev)->cap_user_rdpmc);
	pv_expect_eq(t, "pmc_width", p.width, is_long ? 64 : 32);
	if (cycles)
		pv_expect_eq(t, "index of the cycle counter", p.index, PV_USER_CYCLES);
	else
		pv_expect_in(t, "index of an event counter", p.index, 1, pv_pmu(t)->counters);
	first = pv_read(t, ev).value;
	for (int i = 0; i < 20; i++) {
		uint64_t before = pv_read(t, ev).value, after;

		if (!pv_user_read(t, ev, &count))
			fallbacks++;
		after = pv_read(t, ev).value;
		outside += count < before || count > after;
		pv_sys_work(PV_WORK_LOOP, 1000, NULL, 0);
		if (i % 5 == 4)
			nanosleep(&ts, NULL);
	}
	pv_expect_eq(t, "reads that the page did not allow", fallbacks, 0);
	pv_expect_eq(t, "reads outside of what read(2) gives", outside, 0);
	if (cycles || pv_deterministic(t))
		pv_expect_in(t, "counted in the end", count, cycles ? 1 : 19 * 2000,
			     UINT64_MAX / 2);
	pv_note(t, "count at first", first);
	pv_disable(t, ev);
	p = pv_user_look(t, ev);
	pv_expect_eq(t, "index while off", p.index, 0);
	pv_expect_eq(t, "offset while off is the count", p.offset, pv_read(t, ev).value);
	pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0); /* writes the page anew */
	p = pv_user_look(t, ev);
	pv_expect_eq(t, "offset after reset", p.offset, 0);
	pv_expect(t, "time enabled while off", p.enabled == pv_read(t, ev).enabled);
	pv_expect(t, "time running while off", p.running == pv_read(t, ev).running);
}

PV_CASE(user_access, reset, .pmu = "pmuv3", .each = "word[cycles,cycles-long,inst]",
	.needs = "root", .proof = "kernel",
	.about =
		"after a RESET of the running event, too, a task's own read lies between two read(2)")
{
	uint64_t outside = 0, count = 0;
	struct pv_ev *ev;

	pv_user_allow(t, "1");
	ev = pv_user_open(t, name_of(t), config1_of(t));
	pv_enable(t, ev);
	for (int i = 0; i < 4; i++) {
		uint64_t before, after;

		pv_sys_work(PV_WORK_LOOP, 1000, NULL, 0);
		pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0);
		before = pv_read(t, ev).value;
		pv_expect(t, "readable", pv_user_read(t, ev, &count));
		after = pv_read(t, ev).value;
		outside += count < before || count > after;
	}
	pv_expect_eq(t, "reads outside of what read(2) gives", outside, 0);
}

PV_CASE(user_access, distance, .pmu = "pmuv3", .each = "word[cycles,inst]", .needs = "root",
	.proof = "kernel",
	.about =
		"between two of a task's own reads lies what the loop between them makes, and nothing of a system call")
{
	uint64_t a = 0, b = 0, c = 0;
	struct pv_ev *ev;

	if (!pv_deterministic(t))
		pv_skip(t, PV_ABSENT, "needs a machine whose counts repeat (platform arm64)");
	pv_user_allow(t, "1");
	ev = pv_user_open(t, name_of(t), PV_USER_RDPMC);
	pv_enable(t, ev);
	pv_user_read(t, ev, &a); /* the first one faults its code in */
	pv_user_read(t, ev, &a);
	pv_sys_work(PV_WORK_LOOP, 1, NULL, 0);
	pv_user_read(t, ev, &b);
	pv_sys_work(PV_WORK_LOOP, 10001, NULL, 0);
	pv_user_read(t, ev, &c);
	/* QEMU's cycle is an instruction's nanosecond. */
	pv_expect_eq(t, "10000 turns", (c - b) - (b - a), 20000);
}

PV_CASE(user_access, multiplexed, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"of one event too many exactly one has no index at any time, the others have indices of their own, and each its count")
{
	struct pv_ev *ev[33] = {NULL};
	unsigned int nr = pv_pmu(t)->counters + 1, looks = 0;
	uint64_t wrong = 0, twice = 0, outside = 0;
	struct pv_count c;
	struct pv_user_page last;

	pv_user_allow(t, "1");
	for (unsigned int i = 0; i < nr; i++) {
		ev[i] = pv_user_open(t, "inst_retired", PV_USER_RDPMC);
		pv_enable(t, ev[i]);
	}
	for (int round = 0; round < 40; round++) {
		uint32_t lock[33], index[33], mask = 0, off = 0;
		bool stable = true;

		for (unsigned int i = 0; i < nr; i++) {
			lock[i] = pv_ring_page(ev[i])->lock;
			index[i] = pv_ring_page(ev[i])->index;
		}
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		for (unsigned int i = 0; i < nr; i++)
			stable &= pv_ring_page(ev[i])->lock == lock[i] && !(lock[i] & 1);
		pv_sys_work(PV_WORK_LOOP, 100000, NULL, 0);
		if (!stable)
			continue;
		looks++;
		for (unsigned int i = 0; i < nr; i++) {
			off += !index[i];
			if (!index[i] || index[i] > pv_pmu(t)->counters)
				continue;
			twice += mask >> index[i] & 1;
			mask |= 1u << index[i];
		}
		wrong += off != 1;
	}
	for (unsigned int i = 0; i < nr; i++) {
		uint64_t count = 0, before = pv_read(t, ev[i]).value;

		if (pv_user_read(t, ev[i], &count))
			outside += count < before || count > pv_read(t, ev[i]).value;
	}
	pv_disable(t, ev[0]);
	pv_ioctl(ev[0], PERF_EVENT_IOC_RESET, 0); /* writes the page */
	last = pv_user_look(t, ev[0]);
	c = pv_read(t, ev[0]);
	pv_expect(t, "times of one that had to wait",
		  last.enabled == c.enabled && last.running == c.running && c.running < c.enabled);
	pv_expect_in(t, "looks", looks, 1, 40);
	pv_expect_eq(t, "looks with not exactly one without an index", wrong, 0);
	pv_expect_eq(t, "indices twice", twice, 0);
	pv_expect_eq(t, "reads outside of what read(2) gives", outside, 0);
}
