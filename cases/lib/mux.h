/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * More events than counters. What is watched is a child: it stands while its events are opened and
 * has ended when they are read, so all of them are enabled for the very same time and sums hold to
 * the nanosecond.
 */
#ifndef PV_CASES_LIB_MUX_H
#define PV_CASES_LIB_MUX_H

#include "cases/pv.h"

#define PV_MUX_EVENTS 80 /* PMCR_EL0.N is 31 at most */
#define PV_MS         1000000ull

/* Counters that cycles can have. */
int pv_mux_counters(struct pv_test *t);
/* Sets perf_event_mux_interval_ms of the case's PMU. */
void pv_mux_interval(struct pv_test *t, const char *ms);
/* A child that sleeps until pv_mux_finish() and then spins for that long. */
pid_t pv_mux_spinner(struct pv_test *t, uint64_t *ns);
/* How long it has to: `ms`, or without icount, where the host may take the machine off its CPU,
 * until all events have had a turn. */
uint64_t pv_mux_length(struct pv_test *t, uint64_t ms);
/* Lets it run and end; without icount it is ended when the events one and all have been on. */
void pv_mux_finish(struct pv_test *t, pid_t child, struct pv_ev **ev, int nr);
/* An enabled copy of cycles. */
struct pv_ev *pv_mux_open(struct pv_test *t, pid_t pid, int cpu, struct pv_ev *leader, bool pinned,
			  bool exclusive);
#endif
