/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <string.h>

#include "arch/work.h"
#include "cases/lib/user.h"

struct pv_user_page pv_user_look(struct pv_test *t, struct pv_ev *ev)
{
	volatile struct perf_event_mmap_page *p = pv_ring_page(ev);
	struct pv_user_page copy;

	for (int i = 0; i < 1000; i++) {
		uint32_t seq = p->lock;

		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		copy = (struct pv_user_page){p->offset,       p->time_enabled, p->time_running,
					     p->capabilities, p->index,        p->pmc_width};
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (!(seq & 1) && p->lock == seq)
			return copy;
	}
	pv_fail(t, "the page's lock is odd or never the same");
}

static sigjmp_buf back;

static void on_trap(int signo)
{
	siglongjmp(back, signo);
}

int pv_user_trap(unsigned int index, unsigned long long *value)
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

struct pv_ev *pv_user_open(struct pv_test *t, const char *name, uint64_t config1)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "pmuv3", name));
	struct pv_ev *ev;

	attr.config1 |= config1;
	attr.exclude_kernel = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	return ev;
}

void pv_user_allow(struct pv_test *t, const char *value)
{
	char text[16];

	if (pv_file_read(PV_USER_KNOB, text, sizeof(text)) < 0)
		pv_skip(t, PV_TOO_OLD, "%s is not there (5.17)", PV_USER_KNOB);
	pv_knob(t, PV_USER_KNOB, value);
}

bool pv_user_read(struct pv_test *t, struct pv_ev *ev, uint64_t *count)
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
