/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include "cases/lib/aux.h"

#include <sys/mman.h>
#include <unistd.h>

#include "arch/work.h"
#include "cases/lib/sys.h"

static struct pv_record rec;

struct pv_ev *pv_aux_open(struct pv_test *t, void (*change)(struct perf_event_attr *attr))
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.exclude_kernel = 1;
	attr.exclude_hv = 1;
	if (change)
		change(&attr);
	return pv_open(t, &attr, 0, -1, NULL, 0);
}

long pv_aux_try_map(struct pv_ev *ev, size_t at, size_t pages, int prot, void **base)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct perf_event_mmap_page *control = pv_ring_page(ev);
	void *p;

	control->aux_offset = at * page;
	control->aux_size = pages * page;
	p = pv_sys_mmap(NULL, pages * page, prot, MAP_SHARED, pv_fd(ev), at * page);
	if (pv_is_err(p))
		return (intptr_t)p;
	if (base)
		*base = p;
	return 0;
}

struct pv_aux pv_aux_map(struct pv_test *t, struct pv_ev *ev, size_t pages, bool overwrite)
{
	struct pv_aux aux = {.ev = ev, .overwrite = overwrite};
	void *base = NULL;
	long err;

	if (!pv_ring_page(ev))
		pv_ring_map(t, ev, PV_AUX_DATA);
	err = pv_aux_try_map(ev, 1 + PV_AUX_DATA, pages,
			     overwrite ? PROT_READ : PROT_READ | PROT_WRITE, &base);
	if (err)
		pv_fail(t, "an AUX buffer of %zu pages%s: errno %ld", pages,
			overwrite ? ", to be overwritten" : "", -err);
	aux.base = base;
	aux.size = pages * sysconf(_SC_PAGESIZE);
	return aux;
}

static void take_aux(struct pv_test *t, struct pv_aux *aux, struct pv_aux_records *sum,
		     void (*piece)(void *arg, const uint8_t *data, uint64_t bytes), void *arg)
{
	uint64_t offset = PV_WORD(&rec, 0), bytes = PV_WORD(&rec, 8), flags = PV_WORD(&rec, 16);
	unsigned int unit = pv_pmu(t)->aux.record;
	uint64_t at = offset & (aux->size - 1);
	uint64_t first = bytes < aux->size - at ? bytes : aux->size - at;

	sum->records++;
	sum->bytes += bytes;
	sum->flags |= flags;
	sum->last_flags = flags;
	if (bytes > sum->largest)
		sum->largest = bytes;
	if (bytes > aux->size || (unit && bytes % unit)) {
		sum->odd++;
		return;
	}
	/* An overwritten buffer's record says where it ends, not where it begins. */
	if (aux->overwrite)
		return;
	if (offset < aux->tail) {
		sum->odd++;
		return;
	}
	sum->gaps += offset - aux->tail;
	aux->tail = offset + bytes;
	if (!piece)
		return;
	piece(arg, aux->base + at, first);
	if (bytes > first)
		piece(arg, aux->base, bytes - first);
}

void pv_aux_take(struct pv_test *t, struct pv_aux *aux, struct pv_aux_records *sum,
		 void (*piece)(void *arg, const uint8_t *data, uint64_t bytes), void *arg)
{
	while (pv_ring_next(t, aux->ev, &rec)) {
		if (rec.header.type == PERF_RECORD_AUX)
			take_aux(t, aux, sum, piece, arg);
		else if (rec.header.type == PERF_RECORD_ITRACE_START)
			sum->started += ((const uint32_t *)rec.body)[1] == (uint32_t)gettid();
		else
			sum->lost++;
	}
}

void pv_aux_consume(struct pv_aux *aux)
{
	struct perf_event_mmap_page *control = pv_ring_page(aux->ev);

	aux->tail = __atomic_load_n(&control->aux_head, __ATOMIC_ACQUIRE);
	__atomic_store_n(&control->aux_tail, aux->tail, __ATOMIC_RELEASE);
}

void pv_aux_work(uint64_t turns)
{
	pv_asm_loop(turns);
}
