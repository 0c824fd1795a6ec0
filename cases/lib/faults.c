/* SPDX-License-Identifier: GPL-2.0-only */
/* Records at will: faults whose addresses are known, COMM records whose size is known. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/test.h"

struct perf_event_attr pv_faults_attr(struct pv_test *t, uint64_t sample_type)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "page-faults"));

	attr.exclude_kernel = 1;
	attr.sample_period = 1;
	attr.sample_type = sample_type;
	return attr;
}

char *pv_faults(struct pv_test *t, size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);
	static bool here;
	char *p;

	/* What the program already has shall not fault in between; best effort without root. */
	if (!here)
		mlockall(MCL_CURRENT);
	here = true;
	p = mmap(NULL, (n + 1) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap of %zu pages: %s", n, strerrorname_np(errno));
	/* One page per fault, whatever the system's setting is. */
	madvise(p, (n + 1) * page, MADV_NOHUGEPAGE);
	pv_fault(p, n, 1);
	return p;
}

void pv_fault(char *pages, size_t first, size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);

	for (size_t i = first; i < first + n; i++)
		*(volatile char *)(pages + i * page) = 1;
}

struct perf_event_attr pv_comm_attr(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));

	attr.disabled = 0;
	attr.comm = 1;
	return attr;
}

void pv_comm(uint64_t n)
{
	while (n--)
		prctl(PR_SET_NAME, "pmuvet");
}

void *pv_ring_view(struct pv_test *t, struct pv_ev *ev, unsigned int data_pages, int prot)
{
	void *p = pv_sys_mmap(NULL, (1 + data_pages) * (size_t)sysconf(_SC_PAGESIZE), prot,
			      MAP_SHARED, ev->fd, 0);

	if (pv_is_err(p))
		pv_fail(t, "mmap of a ring of %u data pages: %s", data_pages,
			strerrorname_np(-(int)(intptr_t)p));
	return p;
}
