/* SPDX-License-Identifier: GPL-2.0-only */
/* Rings that are written over (read-only mappings), from either end, and rings that pause. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define FAULTS 300

struct sample {
	struct perf_event_header header;
	uint64_t identifier, addr;
};

struct lost {
	struct perf_event_header header;
	uint64_t id, lost;
};

struct view {
	struct pv_ev *ev;
	const struct perf_event_mmap_page *page;
	size_t size;
	char *faults;
	uint64_t id;
};

static bool backward(struct pv_test *t)
{
	return !strcmp(pv_word(t), "backward");
}

static struct view open_view(struct pv_test *t, int prot)
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);
	struct view v = {.size = sysconf(_SC_PAGESIZE), .faults = pv_faults(t, FAULTS)};

	attr.write_backward = backward(t);
	v.ev = pv_open(t, &attr, 0, -1, NULL, 0);
	v.page = pv_ring_view(t, v.ev, 1, prot);
	v.id = pv_read(t, v.ev).id;
	/* The data page is there before the first fault that counts. */
	(void)*((const volatile char *)v.page + v.size);
	return v;
}

static void copy_out(const struct view *v, uint64_t at, void *to, size_t len)
{
	const char *data = (const char *)v->page + v->size;
	size_t off = at & (v->size - 1), first = len < v->size - off ? len : v->size - off;

	memcpy(to, data + off, first);
	memcpy((char *)to + first, data, len - first);
}

static uint64_t head(const struct view *v)
{
	return __atomic_load_n(&v->page->data_head, __ATOMIC_ACQUIRE);
}

/* The sample at this place is that of the fault number n. */
static bool is_fault(const struct view *v, uint64_t at, uint64_t n)
{
	struct sample s;

	copy_out(v, at, &s, sizeof(s));
	return s.header.type == PERF_RECORD_SAMPLE && s.header.size == sizeof(s) &&
	       s.identifier == v->id && s.addr == (uintptr_t)v->faults + n * v->size;
}

static void touch(struct pv_test *t, struct view *v, size_t first, size_t n)
{
	pv_enable(t, v->ev);
	pv_fault(v->faults, first, n);
	pv_disable(t, v->ev);
}

PV_CASE(overwrite, newest, .pmu = "perf", .each = "word[forward,backward]", .proof = "kernel",
	.about = "a ring without a reader keeps the newest samples, whole, at the places that "
		 "data_head tells")
{
	const uint64_t all = FAULTS, some = 5;
	struct view v = open_view(t, PROT_READ);
	uint64_t fit = v.size / sizeof(struct sample), wrong = 0;
	bool back = backward(t);

	touch(t, &v, 0, some);
	pv_expect_eq(t, "count", pv_read(t, v.ev).value, some);
	pv_expect_eq(t, "bytes written first", back ? -head(&v) : head(&v),
		     some * sizeof(struct sample));
	for (uint64_t i = 0; i < some; i++)
		wrong += !is_fault(&v,
				   back ? head(&v) + i * sizeof(struct sample)
					: head(&v) - (i + 1) * sizeof(struct sample),
				   some - 1 - i);
	pv_expect_eq(t, "wrong samples first", wrong, 0);

	touch(t, &v, some, all - some);
	pv_expect_eq(t, "count of all", pv_read(t, v.ev).value, all);
	/* No room is ever lacking: nothing is lost, and no record tells of it. */
	pv_expect_eq(t, "bytes written", back ? -head(&v) : head(&v), all * sizeof(struct sample));
	wrong = 0;
	for (uint64_t i = 0; i < fit; i++)
		wrong += !is_fault(&v,
				   back ? head(&v) + i * sizeof(struct sample)
					: head(&v) - (i + 1) * sizeof(struct sample),
				   all - 1 - i);
	pv_expect_in(t, "samples that the ring holds", fit, 100, all - 1);
	pv_expect_eq(t, "wrong samples", wrong, 0);
	pv_expect_eq(t, "data_tail", v.page->data_tail, 0);
}

PV_CASE(overwrite, pause, .pmu = "perf", .each = "word[forward,backward]", .proof = "kernel",
	.about = "PAUSE_OUTPUT stops the ring and not the event; what is missing is told when it "
		 "goes on")
{
	const uint64_t before = 7, paused = 11, after = 3;
	struct view v = open_view(t, PROT_READ);
	uint64_t step = sizeof(struct sample), at, wrong = 0;
	bool back = backward(t);
	struct lost lost;

	touch(t, &v, 0, before);
	at = head(&v);
	for (int again = 0; again < 2; again++)
		pv_expect_errno(t, "pause", pv_ioctl(v.ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 1), 0);
	touch(t, &v, before, paused);
	pv_expect_eq(t, "count goes on", pv_read(t, v.ev).value, before + paused);
	pv_expect_eq(t, "data_head stands", head(&v) - at, 0);
	pv_expect_errno(t, "go on", pv_ioctl(v.ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 0), 0);
	pv_expect_eq(t, "going on writes nothing", head(&v) - at, 0);
	touch(t, &v, before + paused, after);
	at = back ? at - head(&v) : head(&v) - at;
	pv_expect_eq(t, "bytes after it", at, after * step + sizeof(lost));
	/* LOST lies before the first sample that got through: both were written as one. */
	copy_out(&v, back ? head(&v) + (after - 1) * step : head(&v) - after * step - sizeof(lost),
		 &lost, sizeof(lost));
	pv_expect_eq(t, "LOST type", lost.header.type, PERF_RECORD_LOST);
	pv_expect_eq(t, "LOST size", lost.header.size, sizeof(lost));
	pv_expect_eq(t, "LOST misc", lost.header.misc, 0);
	pv_expect_eq(t, "LOST id", lost.id, v.id);
	pv_expect_eq(t, "LOST lost", lost.lost, paused);
	for (uint64_t i = 0; i < after; i++)
		wrong += !is_fault(&v,
				   back ? head(&v) + i * step + (i == after - 1) * sizeof(lost)
					: head(&v) - (i + 1) * step,
				   before + paused + after - 1 - i);
	pv_expect_eq(t, "wrong samples after it", wrong, 0);
}

PV_CASE(overwrite, pause_refused, .pmu = "perf", .proof = "kernel",
	.about = "PAUSE_OUTPUT needs a ring, and a ring without data pages stays silent")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR), probe;
	char *faults = pv_faults(t, 3);
	const struct perf_event_mmap_page *page;
	struct pv_ev *ev;
	int fd;

	attr.read_format |= PERF_FORMAT_LOST;
	probe = attr;
	fd = pv_try_open(t, &probe, 0, -1, -1, 0);
	if (fd < 0)
		attr.read_format &= ~(uint64_t)PERF_FORMAT_LOST;
	else
		pv_sys_close(fd);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "pause without a ring", pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 1),
			-EINVAL);
	pv_expect_errno(t, "going on without a ring", pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 0),
			-EINVAL);
	page = pv_ring_view(t, ev, 0, PROT_READ | PROT_WRITE);
	/* It is paused for ever: no page to write to (perf_event_ioctl PAUSE_OUTPUT). */
	pv_expect_errno(t, "pause without data pages", pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 1),
			-EINVAL);
	pv_expect_errno(t, "going on without data pages",
			pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 0), -EINVAL);
	pv_enable(t, ev);
	pv_fault(faults, 0, 3);
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 3);
	pv_expect_eq(t, "data_head", page->data_head, 0);
	pv_expect_eq(t, "data_size", page->data_size, 0);
	pv_expect_eq(t, "lost", pv_read(t, ev).lost, 0);
}

PV_CASE(overwrite, backward_reader, .pmu = "perf", .proof = "kernel", .each = "word[backward]",
	.about = "a backward ring with a reader keeps what is unread and tells how many went "
		 "missing")
{
	struct view v = open_view(t, PROT_READ | PROT_WRITE);
	struct perf_event_mmap_page *page = (void *)(uintptr_t)v.page;
	uint64_t step = sizeof(struct sample), fit = (v.size - 1) / step, at, wrong = 0;
	struct lost lost;

	touch(t, &v, 0, fit + 9);
	pv_expect_eq(t, "count", pv_read(t, v.ev).value, fit + 9);
	pv_expect_eq(t, "bytes written", -head(&v), fit * step);
	for (uint64_t i = 0; i < fit; i++)
		wrong += !is_fault(&v, head(&v) + i * step, fit - 1 - i);
	pv_expect_eq(t, "wrong samples", wrong, 0);
	at = head(&v);
	__atomic_store_n(&page->data_tail, at, __ATOMIC_RELEASE);
	touch(t, &v, fit + 9, 2);
	pv_expect_eq(t, "bytes written then", at - head(&v), 2 * step + sizeof(lost));
	pv_expect_eq(t, "newest", is_fault(&v, head(&v), fit + 10), 1);
	copy_out(&v, head(&v) + step, &lost, sizeof(lost));
	pv_expect_eq(t, "LOST type", lost.header.type, PERF_RECORD_LOST);
	pv_expect_eq(t, "LOST lost", lost.lost, 9);
	pv_expect_eq(t, "first behind LOST", is_fault(&v, head(&v) + step + sizeof(lost), fit + 9),
		     1);
}

PV_CASE(overwrite, side_band, .pmu = "perf", .each = "word[forward,backward]", .proof = "kernel",
	.about = "side-band records go the same way as samples in a ring that is written over")
{
	struct perf_event_attr attr = pv_comm_attr(t);
	const struct perf_event_mmap_page *page;
	struct {
		struct perf_event_header header;
		uint32_t pid, tid;
		char comm[8];
	} comm;
	struct view v = {.size = sysconf(_SC_PAGESIZE)};
	uint64_t n = v.size / sizeof(comm) + 10, fit = v.size / sizeof(comm), wrong = 0;

	attr.write_backward = backward(t);
	v.ev = pv_open(t, &attr, 0, -1, NULL, 0);
	v.page = page = pv_ring_view(t, v.ev, 1, PROT_READ);
	pv_comm(n);
	pv_expect_eq(t, "bytes written", backward(t) ? -head(&v) : head(&v), n * sizeof(comm));
	for (uint64_t i = 0; i < fit; i++) {
		copy_out(&v,
			 backward(t) ? head(&v) + i * sizeof(comm)
				     : head(&v) - (i + 1) * sizeof(comm),
			 &comm, sizeof(comm));
		wrong += comm.header.type != PERF_RECORD_COMM || comm.header.size != sizeof(comm) ||
			 comm.pid != (uint32_t)getpid() || strcmp(comm.comm, "pmuvet");
	}
	pv_expect_eq(t, "wrong records", wrong, 0);
}
