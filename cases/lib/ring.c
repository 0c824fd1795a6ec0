/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/test.h"

int pv_ring_try_map(struct pv_ev *ev, unsigned int data_pages)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *p = pv_sys_mmap(NULL, (1 + data_pages) * page, PROT_READ | PROT_WRITE, MAP_SHARED,
			      ev->fd, 0);

	if (pv_is_err(p))
		return (int)(intptr_t)p;
	ev->page = p;
	ev->data_pages = data_pages;
	ev->tail = ev->last_head = 0;
	return 0;
}

void pv_ring_map(struct pv_test *t, struct pv_ev *ev, unsigned int data_pages)
{
	int err = pv_ring_try_map(ev, data_pages);

	if (err == -EPERM && !pv_sys_privileged())
		pv_skip(t, PV_DENIED,
			"mmap of the ring buffer: EPERM: raise kernel.perf_event_mlock_kb");
	if (err)
		pv_fail(t, "mmap of a ring buffer of %u data pages: %s", data_pages,
			strerrorname_np(-err));
}

struct perf_event_mmap_page *pv_ring_page(struct pv_ev *ev)
{
	return ev->page;
}

uint64_t pv_ring_head(struct pv_ev *ev)
{
	/* pairs with the kernel's barrier before it stores data_head (ring_buffer.c) */
	return __atomic_load_n(&ev->page->data_head, __ATOMIC_ACQUIRE);
}

/* Copies out of the ring; true when the bytes lay across its end. */
static bool ring_copy(struct pv_ev *ev, uint64_t at, void *to, size_t len)
{
	size_t page = sysconf(_SC_PAGESIZE), size = ev->data_pages * page;
	size_t off = at & (size - 1), first = len < size - off ? len : size - off;
	const char *data = (const char *)ev->page + page;

	memcpy(to, data + off, first);
	memcpy((char *)to + first, data, len - first);
	return first < len;
}

bool pv_ring_next(struct pv_test *t, struct pv_ev *ev, struct pv_record *rec)
{
	uint64_t head = pv_ring_head(ev), size = ev->data_pages * (uint64_t)sysconf(_SC_PAGESIZE);

	if (head < ev->last_head)
		pv_fail(t, "data_head went back from %llu to %llu",
			(unsigned long long)ev->last_head, (unsigned long long)head);
	if (head - ev->tail > size)
		pv_fail(t,
			"data_head %llu is more than the ring's %llu bytes before data_tail %llu",
			(unsigned long long)head, (unsigned long long)size,
			(unsigned long long)ev->tail);
	ev->last_head = head;
	if (head == ev->tail)
		return false;
	ring_copy(ev, ev->tail, &rec->header, sizeof(rec->header));
	if (rec->header.size < sizeof(rec->header) || rec->header.size % 8 ||
	    rec->header.size > head - ev->tail)
		pv_fail(t, "record type %u at %llu has size %u (data_head %llu)", rec->header.type,
			(unsigned long long)ev->tail, rec->header.size, (unsigned long long)head);
	rec->at = ev->tail;
	ring_copy(ev, ev->tail + sizeof(rec->header), rec->body,
		  rec->header.size - sizeof(rec->header));
	rec->wrapped = ev->tail / size != (ev->tail + rec->header.size - 1) / size;
	ev->tail += rec->header.size;
	__atomic_store_n(&ev->page->data_tail, ev->tail, __ATOMIC_RELEASE);
	return true;
}

uint64_t pv_ring_samples(struct pv_test *t, struct pv_ev *ev)
{
	static struct pv_record rec;
	uint64_t n = 0;

	while (pv_ring_next(t, ev, &rec))
		n += rec.header.type == PERF_RECORD_SAMPLE;
	return n;
}
