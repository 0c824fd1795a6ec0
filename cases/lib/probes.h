/* SPDX-License-Identifier: GPL-2.0-only */
/* What the cases of breakpoints, probes and tracepoints share. They meet the real kernel only
 * (.proof = "kernel"). */
#ifndef PV_CASES_LIB_PROBES_H
#define PV_CASES_LIB_PROBES_H

#include <linux/hw_breakpoint.h>

#include "cases/pv.h"

/* The i-th (0..31) of some empty functions made at run time, 64 bytes apart in one page. */
typedef void pv_function(void);
pv_function *pv_function_at(struct pv_test *t, unsigned int i);
/* Where a kprobe event's function is; 0 when its probe gives no sample. */
uint64_t pv_kfunc_address(struct pv_test *t, const struct pv_event_desc *e);
/* A disabled breakpoint of `type` at `addr`; execution has sizeof(long). */
struct perf_event_attr pv_bp_attr(uint32_t type, const void *addr, unsigned int len);
/* The count, and since the last time it was asked. */
uint64_t pv_value(struct pv_test *t, struct pv_ev *ev);
uint64_t pv_grown(struct pv_test *t, struct pv_ev *ev, uint64_t *last);
/* How many breakpoints can be opened for pid on cpu (all are closed again), and the errno that
 * ended it. */
#define PV_BP_MAX 32
unsigned int pv_bp_fill(struct pv_test *t, const struct perf_event_attr *attr, pid_t pid, int cpu,
			int fds[PV_BP_MAX], int *err);
void pv_bp_empty(const int *fds, unsigned int n);
unsigned int pv_bp_slots(struct pv_test *t, uint32_t type, pid_t pid, int cpu);

/* tracefs: "events/..." relative to its root; length or -errno. */
int pv_trace_file(const char *path, char *buf, size_t size);
#endif
