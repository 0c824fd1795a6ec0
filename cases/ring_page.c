/* SPDX-License-Identifier: GPL-2.0-only */
/* The control page word by word, and what rings cost: perf_event_mlock_kb and RLIMIT_MEMLOCK. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static uint32_t lock_of(struct pv_ev *ev)
{
	return __atomic_load_n(&pv_ring_page(ev)->lock, __ATOMIC_ACQUIRE);
}

struct times {
	uint64_t enabled, running;
};

/* Both of one update, as the page's lock tells: who is scheduled in between has them anew. */
static struct times page_times(struct pv_ev *ev)
{
	const volatile struct perf_event_mmap_page *c = pv_ring_page(ev);
	struct times times;
	uint32_t lock;

	do {
		lock = lock_of(ev);
		times = (struct times){c->time_enabled, c->time_running};
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (lock & 1 || lock != lock_of(ev));
	return times;
}

static void expect_even(struct pv_test *t, struct pv_ev *ev)
{
	pv_expect_eq(t, "lock is odd", lock_of(ev) & 1, 0);
}

PV_CASE(control, fields, .pmu = "perf", .proof = "kernel",
	.about = "the control page says what is mapped, and nothing is in what is reserved")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	uint64_t page = sysconf(_SC_PAGESIZE), reserved = 0;
	struct perf_event_mmap_page *c;

	pv_ring_map(t, ev, 4);
	c = pv_ring_page(ev);
	pv_expect_eq(t, "version", c->version, 0);
	pv_expect_eq(t, "compat_version", c->compat_version, 0);
	pv_expect_eq(t, "index", c->index, 0);
	pv_expect_eq(t, "offset", c->offset, 0);
	pv_expect_eq(t, "time_enabled", c->time_enabled, 0);
	pv_expect_eq(t, "time_running", c->time_running, 0);
	pv_expect_eq(t, "size", c->size, offsetof(struct perf_event_mmap_page, __reserved));
	pv_expect_eq(t, "cap_bit0", c->cap_bit0, 0);
	pv_expect_eq(t, "cap_bit0_is_deprecated", c->cap_bit0_is_deprecated, 1);
	pv_expect_eq(t, "cap_user_rdpmc", c->cap_user_rdpmc, 0);
	pv_expect_eq(t, "reserved capabilities", c->cap_____res, 0);
	pv_expect_eq(t, "data_head", c->data_head, 0);
	pv_expect_eq(t, "data_tail", c->data_tail, 0);
	pv_expect_eq(t, "data_offset", c->data_offset, page);
	pv_expect_eq(t, "data_size", c->data_size, 4 * page);
	pv_expect_eq(t, "aux_head", c->aux_head, 0);
	pv_expect_eq(t, "aux_tail", c->aux_tail, 0);
	pv_expect_eq(t, "aux_offset", c->aux_offset, 0);
	pv_expect_eq(t, "aux_size", c->aux_size, 0);
	for (size_t i = 0; i < sizeof(c->__reserved); i++)
		reserved += c->__reserved[i] != 0;
	for (size_t i = sizeof(*c); i < page; i++)
		reserved += ((const char *)c)[i] != 0;
	for (size_t i = page; i < 5 * page; i++)
		reserved += ((const char *)c)[i] != 0;
	pv_expect_eq(t, "bytes in use that are free", reserved, 0);
	expect_even(t, ev);
}

PV_CASE(control, times, .pmu = "perf", .proof = "kernel",
	.about =
		"the control page has the count and the times of the last moment that the event was "
		"switched, reset or mapped")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	struct perf_event_mmap_page *c;
	char *faults = pv_faults(t, 5);
	struct pv_count before, after;
	struct times times; /* from before the read */
	uint32_t lock;

	pv_enable(t, ev);
	pv_fault(faults, 0, 3);
	pv_disable(t, ev);
	before = pv_read(t, ev);
	pv_ring_map(t, ev, 1);
	c = pv_ring_page(ev);
	pv_expect_eq(t, "count before", before.value, 3);
	pv_expect_eq(t, "offset", c->offset, before.value);
	pv_expect_eq(t, "time_enabled of a disabled event", c->time_enabled, before.enabled);
	pv_expect_eq(t, "time_running of a disabled event", c->time_running, before.running);
	pv_expect_in(t, "time_enabled", c->time_enabled, 1, UINT64_MAX);
	expect_even(t, ev);

	c->data_tail = 0;
	lock = lock_of(ev);
	pv_enable(t, ev);
	pv_expect_in(t, "lock after ENABLE", lock_of(ev) - lock, 2, 20);
	expect_even(t, ev);
	times = page_times(ev);
	after = pv_read(t, ev);
	pv_expect_in(t, "time_enabled after ENABLE", times.enabled, before.enabled, after.enabled);
	/* What a read says of time_running begins with the context's last update in Linux 6.1. */
	pv_expect_in(t, "time_running after ENABLE", times.running, before.running, times.enabled);
	pv_expect_eq(t, "offset after ENABLE", c->offset, 3);
	pv_fault(faults, 3, 2);
	lock = lock_of(ev);
	pv_reset(t, ev);
	pv_expect_in(t, "lock after RESET", lock_of(ev) - lock, 2, 20);
	pv_expect_eq(t, "offset after RESET", c->offset, 0);
	times = page_times(ev);
	after = pv_read(t, ev);
	pv_expect_in(t, "time_enabled after RESET", times.enabled, before.enabled, after.enabled);
	pv_disable(t, ev);
	before = pv_read(t, ev);
	pv_enable(t, ev);
	times = page_times(ev);
	after = pv_read(t, ev);
	pv_expect_in(t, "time_enabled in the end", times.enabled, before.enabled, after.enabled);
	pv_expect_in(t, "time_running in the end", times.running, before.running, times.enabled);
	pv_expect_eq(t, "index of a software event", c->index, 0);
	expect_even(t, ev);
}

/* ---- what a ring costs ---- */

#define FILLERS 24

struct budget {
	struct pv_ev *filler[FILLERS], *more[2];
	unsigned int n;
	size_t pages[FILLERS]; /* control page and all */
	uint64_t limit;        /* pages that are free for every user */
};

static uint64_t knob(struct pv_test *t, const char *path)
{
	char text[64];

	if (pv_file_read(path, text, sizeof(text)) < 0)
		pv_skip(t, PV_ABSENT, "%s cannot be read", path);
	return strtoull(text, NULL, 0);
}

static uint64_t pinned_kb(struct pv_test *t)
{
	char text[4096], *line;

	if (pv_file_read("/proc/self/status", text, sizeof(text)) < 0)
		pv_error(t, PV_BROKEN_SETUP, "/proc/self/status");
	line = strstr(text, "VmPin:");
	return line ? strtoull(line + 6, NULL, 10) : UINT64_MAX;
}

/* Becomes a user who has no ring yet and may lock `pages` at most; events are opened before. */
static struct budget become_user(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	size_t page = sysconf(_SC_PAGESIZE), rest;
	struct rlimit none = {0, 4 * page};
	struct budget b = {0};
	uid_t uid = 2000000 + getpid();

	b.limit = knob(t, "/proc/sys/kernel/perf_event_mlock_kb") * 1024 / page *
		  sysconf(_SC_NPROCESSORS_ONLN);
	if ((int64_t)knob(t, "/proc/sys/kernel/perf_event_paranoid") < 0)
		pv_skip(t, PV_ABSENT, "kernel.perf_event_paranoid is below 0: rings cost nothing");
	/* The last is a control page alone: the step over the end is of one page. */
	for (rest = b.limit; rest && b.n < FILLERS; b.n++) {
		size_t pages = 1;

		while (2 * pages + 2 <= rest && pages < 512)
			pages *= 2;
		b.pages[b.n] = rest >= 3 ? pages + 1 : 1;
		rest -= b.pages[b.n];
		b.filler[b.n] = pv_open(t, &attr, 0, -1, NULL, 0);
	}
	if (rest)
		pv_skip(t, PV_ABSENT, "kernel.perf_event_mlock_kb is too large to be used up");
	b.more[0] = pv_open(t, &attr, 0, -1, NULL, 0);
	b.more[1] = pv_open(t, &attr, 0, -1, NULL, 0);
	if (setrlimit(RLIMIT_MEMLOCK, &none) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid))
		pv_skip(t, PV_DENIED, "cannot become another user");
	return b;
}

static void fill(struct pv_test *t, struct budget *b, const char *name)
{
	long err = 0;

	for (unsigned int i = 0; i < b->n && !err; i++)
		err = pv_ring_try_map(b->filler[i], b->pages[i] - 1);
	pv_expect_errno(t, name, err, 0);
}

static void empty(struct budget *b)
{
	for (unsigned int i = 0; i < b->n; i++) {
		if (pv_ring_page(b->filler[i]))
			pv_sys_munmap(pv_ring_page(b->filler[i]),
				      b->pages[i] * sysconf(_SC_PAGESIZE));
	}
}

static void spend(struct pv_test *t, void *arg)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct rlimit one = {page, 4 * page}, two = {2 * page + page / 2, 4 * page};
	struct budget b = become_user(t);

	(void)arg;
	pv_expect_in(t, "pages that are free for a user", b.limit, 1, UINT64_MAX);
	fill(t, &b, "all that is free");
	pv_expect_eq(t, "VmPin of what is free", pinned_kb(t), 0);
	pv_expect_errno(t, "a page more", pv_ring_try_map(b.more[0], 0), -EPERM);
	setrlimit(RLIMIT_MEMLOCK, &one);
	pv_expect_errno(t, "two pages with a limit of one", pv_ring_try_map(b.more[0], 1), -EPERM);
	pv_expect_errno(t, "a page with a limit of one", pv_ring_try_map(b.more[0], 0), 0);
	pv_expect_eq(t, "VmPin", pinned_kb(t), page / 1024);
	pv_expect_errno(t, "another page", pv_ring_try_map(b.more[1], 0), -EPERM);
	/* half a page is none */
	setrlimit(RLIMIT_MEMLOCK, &two);
	pv_expect_errno(t, "two pages beside one", pv_ring_try_map(b.more[1], 1), -EPERM);
	pv_expect_errno(t, "a second page with a limit of two and a half",
			pv_ring_try_map(b.more[1], 0), 0);
	pv_expect_eq(t, "VmPin of both", pinned_kb(t), 2 * page / 1024);
	pv_sys_munmap(pv_ring_page(b.more[0]), page);
	pv_expect_eq(t, "VmPin of one", pinned_kb(t), page / 1024);
	pv_sys_munmap(pv_ring_page(b.more[1]), page);
	pv_expect_eq(t, "VmPin of none", pinned_kb(t), 0);
	empty(&b);
	/* Part of it is free, the rest is the limit's. */
	fill(t, &b, "all that is free again");
	setrlimit(RLIMIT_MEMLOCK, &one);
	pv_sys_munmap(pv_ring_page(b.filler[b.n - 1]), b.pages[b.n - 1] * page);
	pv_expect_errno(t, "what has just been given back",
			pv_ring_try_map(b.filler[b.n - 1], b.pages[b.n - 1] - 1), 0);
	pv_expect_errno(t, "the limit's page again", pv_ring_try_map(b.more[0], 0), 0);
	pv_expect_errno(t, "no more again", pv_ring_try_map(b.more[1], 0), -EPERM);
}

PV_CASE(control, mlock, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "a user's rings cost exactly their pages, first perf_event_mlock_kb, then "
		 "RLIMIT_MEMLOCK, and all of it comes back")
{
	pv_wait(t, pv_fork(t, spend, NULL));
}

static void spend_across(struct pv_test *t, void *arg)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct rlimit some = {3 * page, 4 * page};
	struct budget b = become_user(t);

	(void)arg;
	fill(t, &b, "all that is free");
	setrlimit(RLIMIT_MEMLOCK, &some);
	/* give a page or more back, then ask for some beyond it */
	pv_sys_munmap(pv_ring_page(b.filler[0]), b.pages[0] * page);
	pv_expect_errno(t, "the largest again", pv_ring_try_map(b.filler[0], b.pages[0] - 1), 0);
	pv_expect_eq(t, "VmPin", pinned_kb(t), 0);
	pv_sys_munmap(pv_ring_page(b.filler[b.n - 1]), b.pages[b.n - 1] * page);
	pv_expect_errno(t, "three pages over the end", pv_ring_try_map(b.more[0], 2), 0);
	pv_expect_eq(t, "VmPin over the end", pinned_kb(t), (3 - b.pages[b.n - 1]) * page / 1024);
	pv_sys_munmap(pv_ring_page(b.more[0]), 3 * page);
	pv_expect_eq(t, "VmPin then", pinned_kb(t), 0);
	pv_expect_errno(t, "the last again",
			pv_ring_try_map(b.filler[b.n - 1], b.pages[b.n - 1] - 1), 0);
	pv_expect_eq(t, "VmPin of the last", pinned_kb(t), 0);
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){0, 4 * page});
	pv_expect_errno(t, "no more", pv_ring_try_map(b.more[0], 0), -EPERM);
}

PV_CASE(control, mlock_across, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "a ring that is half free and half locked gives each half back to where it was "
		 "taken")
{
	pv_wait(t, pv_fork(t, spend_across, NULL));
}

static void spend_on_views(struct pv_test *t, void *arg)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct budget b = become_user(t);
	struct perf_event_mmap_page *c;
	void *view;

	(void)arg;
	for (int round = 0; round < 2; round++) {
		pv_expect_errno(t, "a ring", pv_ring_try_map(b.more[0], 2), 0);
		c = pv_ring_page(b.more[0]);
		view = pv_sys_mmap(NULL, 3 * page, PROT_READ, MAP_SHARED, pv_fd(b.more[0]), 0);
		pv_expect_errno(t, "a view", pv_is_err(view) ? (long)(intptr_t)view : 0, 0);
		pv_sys_munmap(view, 3 * page);
		pv_sys_munmap(c, 3 * page);
	}
	pv_expect_eq(t, "VmPin after views", pinned_kb(t), 0);
	fill(t, &b, "all that is free after views");
	pv_expect_errno(t, "a page more after views", pv_ring_try_map(b.more[1], 0), -EPERM);
}

PV_CASE(control, mlock_views, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "a second view of a ring costs nothing, or is given back like the first")
{
	pv_wait(t, pv_fork(t, spend_on_views, NULL));
}

static void spend_on_refused(struct pv_test *t, void *arg)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct budget b = become_user(t);
	struct perf_event_mmap_page *c;
	uint64_t refused = 0;

	(void)arg;
	pv_expect_errno(t, "a ring", pv_ring_try_map(b.more[0], 2), 0);
	c = pv_ring_page(b.more[0]);
	c->aux_offset = 4 * page;
	c->aux_size = 4 * page;
	for (int i = 0; i < 3; i++) {
		refused += pv_sys_mmap(NULL, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED,
				       pv_fd(b.more[0]), 4 * page) == (void *)(intptr_t)-EOPNOTSUPP;
		refused += pv_sys_mmap(NULL, 5 * page, PROT_READ, MAP_SHARED, pv_fd(b.more[0]),
				       0) == (void *)(intptr_t)-EINVAL;
		refused += pv_sys_mmap(NULL, 3 * page, PROT_READ, MAP_PRIVATE, pv_fd(b.more[0]),
				       0) == (void *)(intptr_t)-EINVAL;
	}
	pv_expect_eq(t, "refused", refused, 9);
	pv_sys_munmap(c, 3 * page);
	fill(t, &b, "all that is free after refusals");
	pv_expect_errno(t, "a page more after refusals", pv_ring_try_map(b.more[1], 0), -EPERM);
}

PV_CASE(control, mlock_refused, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "a mapping that is refused costs nothing")
{
	pv_wait(t, pv_fork(t, spend_on_refused, NULL));
}
