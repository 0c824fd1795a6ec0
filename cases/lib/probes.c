/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

#define FUNCTIONS 32
#define APART     64

static void make_functions(char *page)
{
	for (int i = 0; i < FUNCTIONS; i++)
		memcpy(page + (size_t)i * APART, pv_code_return.insns, pv_code_return.size);
	__builtin___clear_cache(page, page + FUNCTIONS * APART);
}

pv_function *pv_function_at(struct pv_test *t, unsigned int i)
{
	static char *page;
	void *p;

	if (!page) {
		p = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			pv_error(t, PV_BROKEN_SETUP, "no page for code");
		make_functions(p);
		if (mprotect(p, sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC))
			pv_error(t, PV_BROKEN_SETUP, "no executable page: %s",
				 strerrorname_np(errno));
		page = p;
	}
	return (pv_function *)(uintptr_t)(page + (size_t)i * APART);
}

/* By a probe on it: reading /proc/kallsyms takes seconds on an emulator. */
uint64_t pv_kfunc_address(struct pv_test *t, const struct pv_event_desc *e)
{
	struct perf_event_attr attr = pv_attr(t, e);
	struct {
		uint32_t size;
		uint16_t type;
		uint8_t flags, preempt;
		int32_t pid;
		uint64_t ip;
	} __attribute__((packed)) s = {0};
	static struct pv_record rec;
	struct pv_ev *ev;

	attr.config &= ~1ull; /* entry, not return */
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_RAW;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_enable(t, ev);
	pv_work_event(t, e, 1);
	pv_disable(t, ev);
	if (pv_ring_next(t, ev, &rec))
		memcpy(&s, rec.body, sizeof(s));
	pv_close(t, ev);
	return s.ip;
}

struct perf_event_attr pv_bp_attr(uint32_t type, const void *addr, unsigned int len)
{
	return (struct perf_event_attr){
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof(struct perf_event_attr),
		.disabled = 1,
		.bp_type = type,
		.bp_addr = (uintptr_t)addr,
		.bp_len = type == HW_BREAKPOINT_X ? sizeof(long) : len,
	};
}

uint64_t pv_value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

uint64_t pv_grown(struct pv_test *t, struct pv_ev *ev, uint64_t *last)
{
	uint64_t now = pv_value(t, ev), before = *last;

	*last = now;
	return now - before;
}

unsigned int pv_bp_fill(struct pv_test *t, const struct perf_event_attr *attr, pid_t pid, int cpu,
			int fds[PV_BP_MAX], int *err)
{
	unsigned int n = 0;

	for (*err = 0; n < PV_BP_MAX; n++) {
		struct perf_event_attr copy = *attr;

		fds[n] = pv_try_open(t, &copy, pid, cpu, -1, 0);
		if (fds[n] < 0) {
			*err = fds[n];
			break;
		}
	}
	pv_skip_denied(t, *err);
	return n;
}

void pv_bp_empty(const int *fds, unsigned int n)
{
	while (n--)
		pv_sys_close(fds[n]);
}

unsigned int pv_bp_slots(struct pv_test *t, uint32_t type, pid_t pid, int cpu)
{
	struct perf_event_attr attr =
		pv_bp_attr(type,
			   type == HW_BREAKPOINT_X ? (void *)(uintptr_t)pv_function_at(t, 31)
						   : (char *)pv_watch_place() + 56,
			   4);
	int fds[PV_BP_MAX], err;
	unsigned int n = pv_bp_fill(t, &attr, pid, cpu, fds, &err);

	pv_bp_empty(fds, n);
	return n;
}

int pv_trace_file(const char *path, char *buf, size_t size)
{
	static const char *const roots[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	char full[512];
	int n = -ENOENT;

	for (size_t i = 0; i < 2 && n < 0; i++) {
		snprintf(full, sizeof(full), "%s/%s", roots[i], path);
		n = pv_file_read(full, buf, size);
	}
	return n;
}
