/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting in user space: what the first page of an event's map says, and the counter that it lets
 * a task read. Arm: kernel.perf_user_access and config1:1; what software PMUs must not claim.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arch/work.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

#define KNOB        "/proc/sys/kernel/perf_user_access"
#define RDPMC       2u /* config1 */
#define LONG        1u
#define CYCLE_INDEX 32

/* ---- the page ---- */

struct page {
	uint64_t offset, enabled, running, caps;
	uint32_t index;
	uint16_t width;
};

/* A consistent copy (include/uapi/linux/perf_event.h, struct perf_event_mmap_page). */
static struct page look(struct pv_test *t, struct pv_ev *ev)
{
	volatile struct perf_event_mmap_page *p = pv_ring_page(ev);
	struct page copy;

	for (int i = 0; i < 1000; i++) {
		uint32_t seq = p->lock;

		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		copy = (struct page){p->offset,       p->time_enabled, p->time_running,
				     p->capabilities, p->index,        p->pmc_width};
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!(seq & 1) && p->lock == seq)
			return copy;
	}
	pv_fail(t, "the page's lock is odd or never the same");
}

PV_CASE(user_access, page, .each = "event[]", .proof = "kernel",
	.about =
		"the page of an event that user space may not read says so, and has the event's count and times when it stands")
{
	struct pv_ev *ev = pv_open_case(t);
	struct perf_event_mmap_page *p;
	struct pv_count c;
	struct page look1;

	pv_ring_map(t, ev, 1);
	p = pv_ring_page(ev);
	pv_enable(t, ev);
	pv_work(t, pv_work_some(pv_event(t)));
	pv_disable(t, ev);
	pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0); /* writes the page */
	c = pv_read(t, ev);
	look1 = look(t, ev);
	pv_expect_eq(t, "deprecated bit 0", p->cap_bit0, 0);
	pv_expect_eq(t, "bit 0 is deprecated", p->cap_bit0_is_deprecated, 1);
	pv_expect_eq(t, "cap_user_rdpmc", p->cap_user_rdpmc, 0);
	pv_expect_eq(t, "index", look1.index, 0);
	pv_expect_eq(t, "size", p->size, offsetof(struct perf_event_mmap_page, __reserved));
	pv_expect_eq(t, "data_offset", p->data_offset, sysconf(_SC_PAGESIZE));
	pv_expect_eq(t, "data_size", p->data_size, sysconf(_SC_PAGESIZE));
	pv_expect_eq(t, "offset is the count", look1.offset, c.value);
	pv_expect(t, "time enabled", look1.enabled == c.enabled);
	pv_expect(t, "time running", look1.running == c.running);
}

/* ---- reading the counter ---- */

static sigjmp_buf back;

static void on_trap(int signo)
{
	siglongjmp(back, signo);
}

/* The signal that reading the counter ended in, or 0. */
static int trap_of(unsigned int index, unsigned long long *value)
{
	static const int signals[] = {SIGILL, SIGSEGV, SIGBUS};
	struct sigaction sa = {.sa_handler = on_trap}, old[3];
	volatile int signo;

	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &sa, &old[i]);
	signo = sigsetjmp(back, 1);
	if (!signo)
		pv_arch_counter(index, value);
	for (int i = 0; i < 3; i++)
		sigaction(signals[i], &old[i], NULL);
	return signo;
}

/* An event of ours whose counter user space may read; `config1` beside. */
static struct pv_ev *open_readable(struct pv_test *t, const char *name, uint64_t config1)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", name));
	struct pv_ev *ev;

	attr.config1 |= config1;
	attr.exclude_kernel = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	return ev;
}

static void allow(struct pv_test *t, const char *value)
{
	char text[16];

	if (pv_file_read(KNOB, text, sizeof(text)) < 0)
		pv_skip(t, PV_TOO_OLD, "%s is not there (5.17)", KNOB);
	pv_knob(t, KNOB, value);
}

/* As perf_event.h has it; false: by read(2) only. */
static bool self_read(struct pv_test *t, struct pv_ev *ev, uint64_t *count)
{
	volatile struct perf_event_mmap_page *p = pv_ring_page(ev);

	for (int i = 0; i < 1000; i++) {
		uint32_t seq = p->lock, index;
		unsigned long long raw = 0;
		uint64_t offset;

		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		index = p->index;
		offset = p->offset;
		if (!p->cap_user_rdpmc || !index)
			return false;
		if (!pv_arch_counter(index, &raw))
			pv_fail(t, "index %u is no counter", index);
		raw <<= 64 - p->pmc_width;
		raw = (unsigned long long)((long long)raw >> (64 - p->pmc_width));
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (p->lock == seq && !(seq & 1)) {
			*count = offset + raw;
			return true;
		}
	}
	pv_fail(t, "the page's lock is odd or never the same");
}

static uint64_t config1_of(struct pv_test *t)
{
	return RDPMC | (strstr(pv_word(t), "long") ? LONG : 0);
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
	struct page p;

	allow(t, "1");
	ev = open_readable(t, name_of(t), config1_of(t));
	pv_enable(t, ev);
	p = look(t, ev);
	pv_expect(t, "cap_user_rdpmc", pv_ring_page(ev)->cap_user_rdpmc);
	pv_expect_eq(t, "pmc_width", p.width, is_long ? 64 : 32);
	if (cycles)
		pv_expect_eq(t, "index of the cycle counter", p.index, CYCLE_INDEX);
	else
		pv_expect_in(t, "index of an event counter", p.index, 1, pv_pmu(t)->counters);
	first = pv_read(t, ev).value;
	for (int i = 0; i < 20; i++) {
		uint64_t before = pv_read(t, ev).value, after;

		if (!self_read(t, ev, &count))
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
	p = look(t, ev);
	pv_expect_eq(t, "index while off", p.index, 0);
	pv_expect_eq(t, "offset while off is the count", p.offset, pv_read(t, ev).value);
	pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0); /* writes the page anew */
	p = look(t, ev);
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

	allow(t, "1");
	ev = open_readable(t, name_of(t), config1_of(t));
	pv_enable(t, ev);
	for (int i = 0; i < 4; i++) {
		uint64_t before, after;

		pv_sys_work(PV_WORK_LOOP, 1000, NULL, 0);
		pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0);
		before = pv_read(t, ev).value;
		pv_expect(t, "readable", self_read(t, ev, &count));
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
	allow(t, "1");
	ev = open_readable(t, name_of(t), RDPMC);
	pv_enable(t, ev);
	self_read(t, ev, &a); /* the first one faults its code in */
	self_read(t, ev, &a);
	pv_sys_work(PV_WORK_LOOP, 1, NULL, 0);
	self_read(t, ev, &b);
	pv_sys_work(PV_WORK_LOOP, 10001, NULL, 0);
	self_read(t, ev, &c);
	/* QEMU's cycle is an instruction's nanosecond. */
	pv_expect_eq(t, "10000 turns", (c - b) - (b - a), 20000);
}

PV_CASE(user_access, trap, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.each = "word[knob,no-event,closed,child,plain]",
	.about =
		"without the knob, an event of its own that asks for it, or in another task, the instruction traps")
{
	unsigned long long value = 0;
	struct pv_ev *ev = NULL;
	uint64_t count;
	int status = 0;
	pid_t child;

	allow(t, "1");
	if (strcmp(pv_word(t), "no-event"))
		ev = open_readable(t, "cpu_cycles", strcmp(pv_word(t), "plain") ? RDPMC : 0);
	if (ev)
		pv_enable(t, ev);
	if (!strcmp(pv_word(t), "knob")) {
		pv_expect_eq(t, "signal with the knob at 1", trap_of(CYCLE_INDEX, &value), 0);
		pv_sys_file_write(KNOB, "0");
		pv_expect_eq(t, "signal with the knob at 0", trap_of(CYCLE_INDEX, &value), SIGILL);
		pv_ioctl(ev, PERF_EVENT_IOC_RESET, 0);
		pv_expect_eq(t, "index with the knob at 0", look(t, ev).index, 0);
		pv_expect_errno(t, "open with the knob at 0",
				pv_fd(open_readable(t, "cpu_cycles", RDPMC)) < 0, 0);
		pv_expect_eq(t, "signal with one more event", trap_of(CYCLE_INDEX, &value), SIGILL);
		return;
	}
	if (!strcmp(pv_word(t), "closed")) {
		pv_expect_eq(t, "signal while open", trap_of(CYCLE_INDEX, &value), 0);
		pv_close(t, ev);
		usleep(100); /* the next switch to this task */
		/* Another event keeps the PMU going: it is not ours to read. */
		ev = open_readable(t, "cpu_cycles", 0);
		pv_enable(t, ev);
	}
	if (!strcmp(pv_word(t), "child")) {
		pv_expect(t, "our own is readable", self_read(t, ev, &count));
		child = fork();
		if (!child) {
			/* A counter of its own starts the PMU for it, and this is not to be read.
			 */
			pv_enable(t, open_readable(t, "cpu_cycles", 0));
			_exit(trap_of(CYCLE_INDEX, &value));
		}
		waitpid(child, &status, 0);
		pv_expect_eq(t, "signal in the child", status >> 8 & 255, SIGILL);
		pv_expect(t, "our own is readable after it", self_read(t, ev, &count));
		return;
	}
	pv_expect_eq(t, "signal", trap_of(CYCLE_INDEX, &value), SIGILL);
	if (ev)
		pv_expect_eq(t, "cap_user_rdpmc", pv_ring_page(ev)->cap_user_rdpmc, 0);
}

PV_CASE(user_access, no_leak, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"counters that are free read 0 in user space: what they had counted is nobody else's")
{
	struct pv_ev *used[8] = {NULL}, *ev;
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "cpu_cycles"));
	unsigned int nr = pv_pmu(t)->counters < 8 ? pv_pmu(t)->counters : 8;
	uint64_t leaks = 0, traps = 0;

	allow(t, "1");
	attr.disabled = 0;
	for (unsigned int i = 0; i < nr; i++)
		used[i] = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_sys_work(PV_WORK_LOOP, 10000, NULL, 0);
	for (unsigned int i = 0; i < nr; i++)
		pv_close(t, used[i]);
	ev = open_readable(t, "cpu_cycles", RDPMC);
	pv_enable(t, ev);
	for (unsigned int i = 1; i <= nr; i++) {
		unsigned long long value = 0;

		traps += !!trap_of(i, &value);
		leaks += value != 0;
	}
	pv_expect_eq(t, "counters that trap", traps, 0);
	pv_expect_eq(t, "free counters that are not 0", leaks, 0);
	pv_expect_in(t, "counters", nr, 1, 8);
}

PV_CASE(user_access, refused, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"a counter to be read in user space is a task's (EINVAL else), and 64 bits wide only where a single counter is (EOPNOTSUPP)")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", "cpu_cycles"));

	allow(t, "1");
	attr.config1 |= RDPMC;
	pv_expect_errno(t, "CPU-wide", pv_outcome(t, &attr, -1, pv_cpu(t), -1, 0), -EINVAL);
	pv_expect_errno(t, "of a task", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	pv_expect_errno(t, "of a task on a CPU", pv_outcome(t, &attr, 0, pv_cpu(t), -1, 0), 0);
	attr.config1 |= LONG;
	pv_expect_errno(t, "long cycles", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	attr = pv_attr(t, pv_find_event(t, "pmuv3", "inst_retired"));
	attr.config1 |= RDPMC | LONG;
	pv_expect_errno(t, "another long event", pv_outcome(t, &attr, 0, -1, -1, 0),
			pv_pmu(t)->width == 32 ? -EOPNOTSUPP : 0);
	pv_expect_errno(t, "the knob at 2", pv_sys_file_write(KNOB, "2"), -EINVAL);
}

PV_CASE(user_access, multiplexed, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"of one event too many exactly one has no index at any time, the others have indices of their own, and each its count")
{
	struct pv_ev *ev[33] = {NULL};
	unsigned int nr = pv_pmu(t)->counters + 1, looks = 0;
	uint64_t wrong = 0, twice = 0, outside = 0;
	struct pv_count c;
	struct page last;

	allow(t, "1");
	for (unsigned int i = 0; i < nr; i++) {
		ev[i] = open_readable(t, "inst_retired", RDPMC);
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

		if (self_read(t, ev[i], &count))
			outside += count < before || count > pv_read(t, ev[i]).value;
	}
	pv_disable(t, ev[0]);
	pv_ioctl(ev[0], PERF_EVENT_IOC_RESET, 0); /* writes the page */
	last = look(t, ev[0]);
	c = pv_read(t, ev[0]);
	pv_expect(t, "times of one that had to wait",
		  last.enabled == c.enabled && last.running == c.running && c.running < c.enabled);
	pv_expect_in(t, "looks", looks, 1, 40);
	pv_expect_eq(t, "looks with not exactly one without an index", wrong, 0);
	pv_expect_eq(t, "indices twice", twice, 0);
	pv_expect_eq(t, "reads outside of what read(2) gives", outside, 0);
}
