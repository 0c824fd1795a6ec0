/* SPDX-License-Identifier: GPL-2.0-only */
/* Samples of planted registers and of a stack of random bytes. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/frames.h"
#include "arch/isa.h"
#include "cases/lib/plant.h"

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Registers of random contents, the stack pointer `room` bytes below the end of a random stack. */
void pv_plant(struct pv_test *t, struct pv_plant *p, size_t room)
{
	size_t size = 32 * page_size();

	if (!p->stack) {
		p->stack = mmap(NULL, size + page_size(), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p->stack == MAP_FAILED)
			pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
		p->stack_end = p->stack + size;
		munmap(p->stack_end, page_size());
		for (size_t i = 0; i < size; i += 8)
			*(uint64_t *)(p->stack + i) = pv_random(t, 0, UINT64_MAX - 1);
	}
	for (unsigned int i = 0; i < PV_PLANT_REGS; i++)
		p->in[i] = pv_random(t, 0, UINT64_MAX - 1);
	p->in[PV_REG_SYSCALL] = SYS_getppid;
	p->in[pv_reg_sp] = (uintptr_t)p->stack_end - room;
}

struct perf_event_attr pv_plant_source(struct pv_test *t, const char *word)
{
	struct perf_event_attr attr;

	if (!strcmp(word, "breakpoint")) {
		attr = pv_attr(t, pv_find_event(t, "breakpoint", "x"));
		attr.bp_addr = (uintptr_t)pv_asm_planted;
	} else {
		attr = pv_attr(t, pv_find_event(t, "tracepoint",
						strcmp(word, "kernel") ? "sys_enter_getppid"
								       : "raw_sys_enter"));
	}
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_DATA_SRC;
	attr.sample_regs_user = pv_regs_all;
	return attr;
}

void pv_plant_sample(struct pv_test *t, const struct perf_event_attr *attr, struct pv_plant *p,
		     unsigned int pages, struct pv_record *rec, struct pv_sample *s)
{
	struct pv_ev *ev = pv_open(t, attr, 0, -1, NULL, 0);

	pv_ring_map(t, ev, pages);
	memset(rec, 0, sizeof(*rec));
	pv_enable(t, ev);
	pv_asm_plant(p->in);
	pv_disable(t, ev);
	if (!pv_sample_next(t, ev, rec, s))
		pv_fail(t, "no sample (sample_type 0x%llx)", (unsigned long long)attr->sample_type);
	pv_close(t, ev);
}

/* How many of a sample's registers are not what was planted. */
unsigned int pv_plant_wrong(struct pv_test *t, const struct pv_regs *r, const struct pv_plant *p,
			    bool syscall)
{
	unsigned int wrong = 0;

	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t value, is;

		if (!(r->mask & 1ull << bit))
			continue;
		is = pv_reg(t, r, bit);
		value = pv_isa_planted(bit, syscall, p->in[bit < PV_PLANT_REGS ? bit : 0], is);
		if (is == value)
			continue;
		wrong++;
		pv_message(t, "register %u: 0x%llx, planted 0x%llx", bit, (unsigned long long)is,
			   (unsigned long long)value);
	}
	return wrong;
}
