/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the driver has done to the PMU: the access log of the PMU model (docs/pmu-model.md), read by
 * rdpmc, which is no access itself. Of this CPU alone.
 */
#ifndef PV_CASES_LIB_PMULOG_H
#define PV_CASES_LIB_PMULOG_H

#include "cases/pv.h"

struct pv_access {
	char what; /* r, w, p: rdpmc, i: an interrupt was raised, its `value` is the status */
	bool refused;
	uint32_t msr;
	uint64_t value, rip;
};

/* What a register is for; the index is its counter's, fixed ones from PV_LOG_FIXED. */
enum pv_log_role {
	PV_LOG_OTHER,
	PV_LOG_SELECT,
	PV_LOG_COUNTER,
	PV_LOG_FIXED_CTRL,
	PV_LOG_GLOBAL,
	PV_LOG_STATUS,
	PV_LOG_ACK,
	PV_LOG_LBR_SELECT, /* LBR_SELECT or ARCH_LBR_CTL */
	PV_LOG_OFFCORE,
};
#define PV_LOG_FIXED    32
#define PV_LOG_COUNTERS 48

/* The control registers, as far as they have been written since pv_log_start(). */
struct pv_replay {
	uint64_t select[PV_LOG_COUNTERS];
	uint64_t fixed_ctrl;
	uint64_t global;   /* all ones before the first write */
	uint64_t pending;  /* status bits of interrupts that nobody has acknowledged */
	uint64_t selected; /* counters whose event select register has been written with an enable
			      bit */
	/* tallies */
	uint64_t accesses, writes, refused, interrupts, counter_writes;
	uint64_t while_running; /* writes to a counter, or to what it counts, while it counts */
	uint32_t refused_msr;   /* of the first refused access */
	uint64_t refused_value;
};

/* Begins anew; skips the case where there is no such log. */
void pv_log_start(struct pv_test *t);
/* Ends it; what there is can be taken. Fails the case when the log was too small. */
void pv_log_stop(struct pv_test *t);
/* Takes the next access; false: no more. */
bool pv_log_next(struct pv_test *t, struct pv_access *a);

enum pv_log_role pv_log_role(const struct pv_access *a, unsigned int *index);
void pv_replay(struct pv_replay *r, const struct pv_access *a);
/* Takes all of the log: the state that it ends in. */
struct pv_replay pv_log_replay(struct pv_test *t);
/* The set of counters that count in some mode. */
uint64_t pv_replay_running(const struct pv_replay *r);
#endif
