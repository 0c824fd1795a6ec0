/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ADDR, PHYS_ADDR and DATA_PAGE_SIZE of faults whose place is known: minor faults are told of when
 * the page is there (mm_account_fault()).
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/work.h"
#include "cases/pv.h"

static struct pv_record rec;

static struct pv_ev *open_faults(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "minor-faults"));
	struct pv_ev *ev;

	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_ADDR | PERF_SAMPLE_PHYS_ADDR |
			   PERF_SAMPLE_DATA_PAGE_SIZE;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 2);
	return ev;
}

/* Touches `at` for the first time: the sample of that. */
static struct pv_sample fault(struct pv_test *t, struct pv_ev *ev, char *at)
{
	struct pv_sample s;

	pv_enable(t, ev);
	pv_asm_store1(1, at);
	pv_disable(t, ev);
	do {
		if (!pv_sample_next(t, ev, &rec, &s))
			pv_fail(t, "no sample of the fault");
	} while (s.addr != (uintptr_t)at);
	return s;
}

static char *map(struct pv_test *t, size_t size, int flags, int fd)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
	madvise(p, size, MADV_NOHUGEPAGE);
	return p;
}

PV_CASE(sample_addr, shared, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"two mappings of one page have one physical address, two pages have two, and the offset is the address's")
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct pv_ev *ev = open_faults(t);
	int fd = memfd_create("pmuvet", MFD_CLOEXEC);
	uint64_t phys[2][2], at[2][2];
	char *p[2];

	if (fd < 0 || ftruncate(fd, 2 * page))
		pv_error(t, PV_BROKEN_SETUP, "memfd_create: %s", strerrorname_np(errno));
	memset(&rec, 0, sizeof(rec));
	for (int m = 0; m < 2; m++) {
		p[m] = map(t, 2 * page, MAP_SHARED, fd);
		for (int i = 0; i < 2; i++) {
			struct pv_sample s;

			at[m][i] = pv_random(t, 0, page - 1);
			s = fault(t, ev, p[m] + i * page + at[m][i]);
			phys[m][i] = s.phys_addr;
			pv_expect_eq(t, "offset in the page", s.phys_addr % page, at[m][i]);
			pv_expect_eq(t, "page size", s.data_page_size, page);
			pv_expect(t, "ip",
				  s.ip >= (uintptr_t)pv_asm_store1 &&
					  s.ip < (uintptr_t)pv_asm_store1 + 128);
		}
	}
	pv_expect(t, "a physical address", phys[0][0] / page != 0);
	for (int i = 0; i < 2; i++)
		pv_expect(t, "one page has one physical address",
			  phys[0][i] - at[0][i] == phys[1][i] - at[1][i]);
	pv_expect(t, "two pages have two", phys[0][0] / page != phys[0][1] / page);
}

PV_CASE(sample_addr, huge, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "an address in a transparent huge page has the page table's size of it")
{
	size_t huge = 2 << 20, page = sysconf(_SC_PAGESIZE);
	unsigned char present = 0;
	struct pv_ev *ev = open_faults(t);
	char text[64], *p = mmap(NULL, 2 * huge, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct pv_sample s;

	if (pv_file_read("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", text,
			 sizeof(text)) <= 0 ||
	    strcmp(text, "2097152"))
		pv_skip(t, PV_CONFIG_OFF, "no transparent huge pages of 2 MiB");
	pv_knob(t, "/sys/kernel/mm/transparent_hugepage/enabled", "madvise");
	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
	p = (char *)(((uintptr_t)p + huge - 1) & ~(huge - 1));
	if (madvise(p, huge, MADV_HUGEPAGE))
		pv_skip(t, PV_CONFIG_OFF, "madvise(MADV_HUGEPAGE): %s", strerrorname_np(errno));
	s = fault(t, ev, p + 0x12345);
	/* no free 2 MiB, no huge page: then the next small one is not there either */
	if (mincore(p + huge / 2, page, &present) || !(present & 1))
		pv_skip(t, PV_ABSENT, "the fault was given a small page");
	pv_expect_eq(t, "page size", s.data_page_size, huge);
	pv_expect_eq(t, "offset in the huge page", s.phys_addr % huge, 0x12345);
}
