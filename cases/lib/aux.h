/* SPDX-License-Identifier: GPL-2.0-only */
/* AUX buffers: what every PMU with one promises, by its descriptor's `aux` section. */
#ifndef PV_CASES_LIB_AUX_H
#define PV_CASES_LIB_AUX_H

#include "cases/pv.h"

/* The ring in front of an AUX buffer, in pages. */
#define PV_AUX_DATA 8

struct pv_aux {
	struct pv_ev *ev;
	const uint8_t *base;
	uint64_t size;
	bool overwrite;
	uint64_t tail; /* of what has been taken, free-running */
};

/* Sums of the records that have been taken off the ring. */
struct pv_aux_records {
	uint64_t records, bytes, flags; /* PERF_RECORD_AUX; flags: of any of them */
	uint64_t largest, last_flags;
	uint64_t odd;  /* not within the buffer, or no multiple of the descriptor's record size */
	uint64_t gaps; /* bytes that were skipped between them */
	uint64_t lost; /* other records than AUX and ITRACE_START */
	uint64_t started; /* PERF_RECORD_ITRACE_START of this thread */
};

/* The case's event on this thread, disabled, user mode only, `change` applied to its attr. */
struct pv_ev *pv_aux_open(struct pv_test *t, void (*change)(struct perf_event_attr *attr));
/* mmap(2) of `pages` pages at page `at`, as the control page is told: 0 or -errno. */
long pv_aux_try_map(struct pv_ev *ev, size_t at, size_t pages, int prot, void **base);
/* Behind a ring of PV_AUX_DATA pages, which it maps when need be; must succeed. */
struct pv_aux pv_aux_map(struct pv_test *t, struct pv_ev *ev, size_t pages, bool overwrite);
/*
 * Takes the records off the ring and adds them to `sum`; each piece of new AUX data goes to `piece`
 * in the order it was written, one that wraps in two. The AUX tail does not move.
 */
void pv_aux_take(struct pv_test *t, struct pv_aux *aux, struct pv_aux_records *sum,
		 void (*piece)(void *arg, const uint8_t *data, uint64_t bytes), void *arg);
/* Gives all that was taken back to the kernel. */
void pv_aux_consume(struct pv_aux *aux);
/* Code that any traced PMU must tell of. */
void pv_aux_work(uint64_t turns);
#endif
