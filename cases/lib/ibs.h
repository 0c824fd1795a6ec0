/* SPDX-License-Identifier: GPL-2.0-only */
/* AMD's instruction-based sampling, for cases of the families ibs-op and ibs-fetch. */
#ifndef PV_CASES_IBS_H
#define PV_CASES_IBS_H

#include "cases/pv.h"

#define PV_IBS_TURNS 300000

/* The op engine, not that of fetches. */
bool pv_ibs_is_op(struct pv_test *t);
/* The bit of a format field; skips the case where the CPU or the kernel has it not. */
uint64_t pv_ibs_format(struct pv_test *t, const char *name);
/* Of the case's PMU, with IP and PERIOD; period 0: none. */
struct perf_event_attr pv_ibs_attr(struct pv_test *t, uint64_t period);
/* On the case's CPU, with a ring, and no throttling; must succeed. */
struct pv_ev *pv_ibs_open(struct pv_test *t, const struct perf_event_attr *attr);
/* Enabled during so many turns of pv_asm_loop(). */
void pv_ibs_loop(struct pv_test *t, struct pv_ev *ev, uint64_t turns);
/* That address is in a workload of arch/x86/work_64.S. */
bool pv_ibs_within(uint64_t address, const void *function);
/* Register i of a raw sample: behind the four bytes of capabilities. */
uint64_t pv_ibs_raw(const struct pv_sample *s, unsigned int i);

#endif
