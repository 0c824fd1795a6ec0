/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes to an attr and what perf_event_open(2) must say to each: the table of
 * cases/errors_attr.c, from which cases/fuzz.c also draws.
 */
#ifndef PV_CASES_LIB_ATTR_RULES_H
#define PV_CASES_LIB_ATTR_RULES_H

#include "cases/pv.h"

/* Where perf_event_open() of kernel/events/core.c asks: an earlier stage's errno is told first. */
enum pv_stage {
	PV_STAGE_COPY,  /* perf_copy_attr() */
	PV_STAGE_ENTRY, /* before the group's descriptor is looked at */
	PV_STAGE_ALLOC, /* perf_event_alloc() before it looks for a PMU */
	PV_STAGE_PMU,   /* what the PMU and perf_event_alloc() behind it refuse */
	PV_STAGE_CLOCK, /* perf_event_set_clock() */
	PV_STAGE_AUX,   /* the last: the group's leader has no AUX area */
};

struct pv_rule {
	const char *group, *name; /* a case's word, and its evidence */
	void (*set)(struct perf_event_attr *a);
	enum pv_stage stage;
	long result;
	bool aux_action; /* asks with bits that kernels before 6.13 (6.12.24) have not got */
	const char *c;   /* the change in C, of the attr at `a` */
};

extern const struct pv_rule pv_rules[];
extern const size_t pv_nr_rules;
/* attr.aux_action, which old headers have not got. */
#define PV_AUX_START_PAUSED 1
#define PV_AUX_PAUSE        2
#define PV_AUX_RESUME       4
void pv_aux_action(struct perf_event_attr *a, uint32_t bits);
/* Does the kernel know attr.aux_action? */
bool pv_aux_action_known(void);
bool pv_rule_applies(struct pv_test *t, const struct pv_rule *r);
#endif
