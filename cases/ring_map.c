/* SPDX-License-Identifier: GPL-2.0-only */
/* mmap(2) of a ring: what is taken, what is refused, and how long a mapping lasts. */
#define _GNU_SOURCE
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct pv_record rec;

static struct pv_ev *open_faults(struct pv_test *t)
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);

	return pv_open(t, &attr, 0, -1, NULL, 0);
}

static long map_at(struct pv_ev *ev, size_t pages, size_t at, void **where)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *p = pv_sys_mmap(NULL, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED, pv_fd(ev),
			      at * page);

	if (pv_is_err(p))
		return (intptr_t)p;
	if (where)
		*where = p;
	return 0;
}

PV_CASE(mapping, sizes, .pmu = "perf", .proof = "kernel",
	.about = "a ring is one page, or one and a power of two; nothing else is taken")
{
	struct pv_ev *ev = open_faults(t);
	size_t page = sysconf(_SC_PAGESIZE);
	uint64_t taken = 0, wrong = 0, sizes = 0;
	void *p = NULL;

	for (size_t pages = 1; pages <= 34; pages++) {
		long err = map_at(ev, pages, 0, &p);

		if (err) {
			wrong += err != -EINVAL;
			continue;
		}
		taken |= 1ull << pages;
		sizes += ((struct perf_event_mmap_page *)p)->data_size != (pages - 1) * page ||
			 ((struct perf_event_mmap_page *)p)->data_offset != page;
		if (pv_sys_munmap(p, pages * page))
			pv_fail(t, "munmap of a ring failed");
	}
	pv_expect_eq(t, "numbers of pages taken", taken,
		     1ull << 1 | 1ull << 2 | 1ull << 3 | 1ull << 5 | 1ull << 9 | 1ull << 17 |
			     1ull << 33);
	pv_expect_eq(t, "refusals that are not EINVAL", wrong, 0);
	pv_expect_eq(t, "pages that tell another size", sizes, 0);
	pv_expect_errno(t, "an offset without a ring", map_at(ev, 2, 1, NULL), -EINVAL);
	pv_expect_errno(t, "a ring after all", map_at(ev, 2, 0, NULL), 0);
	pv_expect_errno(t, "an offset within the ring", map_at(ev, 1, 1, NULL), -EINVAL);
}

PV_CASE(mapping, views, .pmu = "perf", .proof = "kernel",
	.about = "a second mapping is of the same ring; the ring lives as long as any of them")
{
	struct pv_ev *ev = open_faults(t);
	size_t len = 3 * sysconf(_SC_PAGESIZE);
	struct perf_event_mmap_page *view;
	char *faults = pv_faults(t, 9);
	void *p = NULL;

	pv_expect_errno(t, "first", map_at(ev, 3, 0, &p), 0);
	pv_ring_map(t, ev, 2);
	view = p;
	pv_expect_errno(t, "one of another size", map_at(ev, 2, 0, NULL), -EINVAL);
	pv_expect_errno(t, "control page alone", map_at(ev, 1, 0, NULL), -EINVAL);
	/* faults of the control pages themselves come before */
	pv_ring_page(ev)->data_tail = view->data_tail = 0;
	pv_enable(t, ev);
	pv_fault(faults, 0, 3);
	pv_expect_eq(t, "head in the first", view->data_head, 3 * 24);
	pv_expect_eq(t, "head in the second", pv_ring_head(ev), 3 * 24);
	pv_expect_errno(t, "munmap of the first", pv_sys_munmap(p, len), 0);
	pv_expect_eq(t, "poll with one left", pv_poll(ev, 0) & POLLHUP, 0);
	pv_fault(faults, 3, 3);
	pv_disable(t, ev);
	pv_expect_eq(t, "count with one left", pv_read(t, ev).value, 6);
	pv_expect_eq(t, "samples", pv_ring_samples(t, ev), 6);
	pv_expect_errno(t, "munmap of the last", pv_sys_munmap(pv_ring_page(ev), len), 0);
	pv_expect_eq(t, "poll with none left", pv_poll(ev, 0), POLLHUP);
	/* A new ring, of any size, begins at 0. */
	pv_ring_map(t, ev, 1);
	pv_expect_eq(t, "head of a new ring", pv_ring_head(ev), 0);
	pv_enable(t, ev);
	pv_fault(faults, 6, 3);
	pv_disable(t, ev);
	pv_expect_eq(t, "count in all", pv_read(t, ev).value, 9);
	pv_expect_eq(t, "samples in the new ring", pv_ring_samples(t, ev), 3);
}

PV_CASE(mapping, whole, .pmu = "perf", .proof = "kernel",
	.fixes = "b024d7b56c77 (..6.16.0, ..6.12.41, ..6.1.147)",
	.about =
		"a ring's mapping is neither cut nor shrunk nor grown, and is not harmed by the try")
{
	struct pv_ev *ev = open_faults(t);
	size_t page = sysconf(_SC_PAGESIZE), len = 5 * page;
	char *faults = pv_faults(t, 4), *base;
	long err;

	pv_ring_map(t, ev, 4);
	base = (char *)pv_ring_page(ev);
	pv_ring_page(ev)->data_tail = 0;
	pv_expect_errno(t, "munmap of the control page", pv_sys_munmap(base, page), -EINVAL);
	pv_expect_errno(t, "munmap of the last page", pv_sys_munmap(base + len - page, page),
			-EINVAL);
	pv_expect_errno(t, "munmap in the middle", pv_sys_munmap(base + 2 * page, page), -EINVAL);
	err = mremap(base, len, len - 2 * page, 0) == MAP_FAILED ? -errno : 0;
	pv_expect_errno(t, "mremap to less", err, -EINVAL);
	err = mremap(base, len, len + 4 * page, MREMAP_MAYMOVE) == MAP_FAILED ? -errno : 0;
	pv_expect_errno(t, "mremap to more", err, -EFAULT);
	err = mprotect(base + page, page, PROT_READ) ? -errno : 0;
	pv_expect_errno(t, "mprotect of a part", err, -EINVAL);
	pv_enable(t, ev);
	pv_fault(faults, 0, 4);
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 4);
	pv_expect_eq(t, "samples", pv_ring_samples(t, ev), 4);
	pv_expect_errno(t, "munmap of the whole", pv_sys_munmap(base, len), 0);
	pv_expect_eq(t, "poll without a ring", pv_poll(ev, 0), POLLHUP);
}

static void look_at_mapping(struct pv_test *t, void *arg)
{
	unsigned char in_core;
	long err = mincore(arg, sysconf(_SC_PAGESIZE), &in_core) ? -errno : 0;

	pv_expect_errno(t, "mincore in the child", err, -ENOMEM);
}

PV_CASE(mapping, not_forked, .pmu = "perf", .proof = "kernel",
	.about = "a child has no mapping of its parent's ring, and its end does not touch it")
{
	struct pv_ev *ev = open_faults(t);
	char *faults = pv_faults(t, 2);
	unsigned char in_core;
	long err;

	pv_ring_map(t, ev, 1);
	err = mincore(pv_ring_page(ev), sysconf(_SC_PAGESIZE), &in_core) ? -errno : 0;
	pv_expect_errno(t, "mincore in the parent", err, 0);
	pv_wait(t, pv_fork(t, look_at_mapping, pv_ring_page(ev)));
	pv_expect_eq(t, "poll after the child", pv_poll(ev, 0), 0);
	/* fork() has made all pages shared: these were touched by nobody */
	pv_ring_page(ev)->data_tail = 0;
	pv_enable(t, ev);
	pv_fault(faults, 0, 2);
	pv_disable(t, ev);
	pv_expect_in(t, "count", pv_read(t, ev).value, 2, UINT64_MAX);
	pv_expect_eq(t, "samples", pv_ring_samples(t, ev), pv_read(t, ev).value);
}

static sigjmp_buf fault_out;

static void on_fault(int signo)
{
	siglongjmp(fault_out, signo);
}

/* Writes a byte; the signal that it gave, or 0. */
static int write_gives(volatile char *p)
{
	int signo = sigsetjmp(fault_out, 1);

	if (!signo)
		*p = 0;
	return signo;
}

PV_CASE(mapping, write_faults, .pmu = "perf", .proof = "kernel",
	.about =
		"only the control page of a writable mapping can be written, data pages give SIGBUS")
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct pv_ev *ev = open_faults(t), *other = open_faults(t);
	struct perf_event_mmap_page *view;
	char *base, *faults = pv_faults(t, 3);

	signal(SIGBUS, on_fault);
	signal(SIGSEGV, on_fault);
	pv_ring_map(t, ev, 2);
	base = (char *)pv_ring_page(ev);
	pv_expect_eq(t, "write to the control page",
		     write_gives((char *)&pv_ring_page(ev)->data_tail), 0);
	pv_expect_eq(t, "write to a data page, untouched", write_gives(base + page), SIGBUS);
	(void)*(volatile char *)(base + 2 * page);
	pv_expect_eq(t, "write to a data page that was read", write_gives(base + 2 * page), SIGBUS);
	view = pv_ring_view(t, other, 1, PROT_READ);
	pv_expect_eq(t, "write to a read-only control page", write_gives((char *)&view->data_tail),
		     SIGSEGV);
	pv_enable(t, ev);
	pv_fault(faults, 0, 3);
	pv_disable(t, ev);
	pv_expect_eq(t, "samples after it", pv_ring_samples(t, ev), pv_read(t, ev).value);
}

PV_CASE(mapping, outlives_fd, .pmu = "perf", .proof = "kernel",
	.about =
		"an event whose fd is closed goes on into its ring until it is unmapped; one whose "
		"ring is unmapped goes on counting")
{
	struct pv_ev *ev = open_faults(t), *unmapped = open_faults(t);
	char *faults = pv_faults(t, 8);
	size_t len = 2 * sysconf(_SC_PAGESIZE);
	uint64_t n = 0;

	pv_ring_map(t, ev, 1);
	pv_ring_map(t, unmapped, 1);
	pv_ring_page(ev)->data_tail = pv_ring_page(unmapped)->data_tail = 0;
	pv_enable(t, ev);
	pv_sys_close(pv_fd(ev));
	pv_fault(faults, 0, 5);
	/* nobody can disable it any more: what pv_ring_next() touches is counted after that */
	n = pv_ring_head(ev) / 24;
	pv_expect_eq(t, "samples behind close", n, 5);
	for (uint64_t i = 0; i < n && pv_ring_next(t, ev, &rec); i++) {
		uint64_t addr;

		memcpy(&addr, rec.body + 8, sizeof(addr));
		pv_expect_eq(t, "page", (addr - (uintptr_t)faults) / (len / 2), i);
	}
	pv_expect_errno(t, "munmap", pv_sys_munmap(pv_ring_page(ev), len), 0);
	pv_enable(t, unmapped);
	pv_expect_errno(t, "munmap while it runs", pv_sys_munmap(pv_ring_page(unmapped), len), 0);
	n = pv_read(t, unmapped).value;
	pv_fault(faults, 5, 3);
	pv_disable(t, unmapped);
	pv_expect_eq(t, "counted without a ring", pv_read(t, unmapped).value - n, 3);
	pv_expect_eq(t, "poll without a ring", pv_poll(unmapped, 0), POLLHUP);
}

static void touch_three(struct pv_test *t, void *arg)
{
	(void)t;
	pv_fault(arg, 0, 3);
}

PV_CASE(mapping, inherit_cpu, .pmu = "perf", .proof = "kernel",
	.about = "an inherited event of one CPU has a ring, into which children write, too")
{
	struct perf_event_attr attr =
		pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_ADDR);
	char *faults = pv_faults(t, 4);
	uint64_t ours = 0, childs = 0, page = sysconf(_SC_PAGESIZE);
	struct pv_ev *ev;
	pid_t child;

	attr.inherit = 1;
	ev = pv_open(t, &attr, 0, pv_cpu(t), NULL, 0);
	pv_expect_errno(t, "mmap", pv_ring_try_map(ev, 16), 0);
	pv_enable(t, ev);
	child = pv_fork(t, touch_three, faults);
	pv_wait(t, child);
	pv_fault(faults, 3, 1);
	pv_disable(t, ev);
	while (pv_ring_next(t, ev, &rec)) {
		struct {
			uint64_t id;
			uint32_t pid, tid;
			uint64_t addr;
		} s;

		memcpy(&s, rec.body, sizeof(s));
		if (s.addr - (uintptr_t)faults >= 4 * page)
			continue; /* fork and exit fault, too */
		pv_expect_eq(t, "id", s.id, pv_read(t, ev).id);
		ours += s.pid == (uint32_t)getpid();
		childs += s.pid == (uint32_t)child && s.tid == (uint32_t)child;
	}
	pv_expect_eq(t, "samples of the parent", ours, 1);
	pv_expect_eq(t, "samples of the child", childs, 3);
}

PV_CASE(mapping, aux_refused, .pmu = "perf", .proof = "kernel",
	.fixes = "5468c0fbccbb (..6.16.0, ..6.12.41, ..6.1.147)",
	.about = "an AUX area is refused by every rule in turn, last because the PMU has none, and "
		 "leaves the ring's references as they were")
{
	struct pv_ev *ev = open_faults(t);
	size_t page = sysconf(_SC_PAGESIZE);
	struct perf_event_mmap_page *control;
	char *faults = pv_faults(t, 2);

	pv_expect_errno(t, "before the ring", map_at(ev, 4, 8, NULL), -EINVAL);
	pv_ring_map(t, ev, 2);
	control = pv_ring_page(ev);
	pv_expect_errno(t, "without aux_offset", map_at(ev, 4, 8, NULL), -EINVAL);
	control->aux_offset = 8 * page;
	pv_expect_errno(t, "without aux_size", map_at(ev, 4, 8, NULL), -EINVAL);
	control->aux_size = 4 * page;
	pv_expect_errno(t, "at another offset", map_at(ev, 4, 9, NULL), -EINVAL);
	pv_expect_errno(t, "with another size", map_at(ev, 8, 8, NULL), -EINVAL);
	control->aux_size = 3 * page;
	pv_expect_errno(t, "of three pages", map_at(ev, 3, 8, NULL), -EINVAL);
	control->aux_offset = 2 * page;
	control->aux_size = 4 * page;
	pv_expect_errno(t, "within the data", map_at(ev, 4, 2, NULL), -EINVAL);
	control->aux_offset = 3 * page;
	pv_expect_errno(t, "right behind the data", map_at(ev, 4, 3, NULL), -EOPNOTSUPP);
	pv_expect_errno(t, "and again", map_at(ev, 4, 3, NULL), -EOPNOTSUPP);
	pv_enable(t, ev);
	pv_fault(faults, 0, 2);
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 2);
	pv_expect_eq(t, "samples", pv_ring_samples(t, ev), 2);
	pv_expect_errno(t, "munmap", pv_sys_munmap(control, 3 * page), 0);
	pv_expect_eq(t, "poll without a ring", pv_poll(ev, 0), POLLHUP);
	pv_ring_map(t, ev, 1);
	pv_expect_eq(t, "a new ring", pv_ring_page(ev)->data_size, page);
}
