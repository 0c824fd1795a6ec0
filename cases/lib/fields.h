/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges the fields of a sample of which everything is known beforehand: see cases/sample.c. */
#ifndef PV_CASES_LIB_FIELDS_H
#define PV_CASES_LIB_FIELDS_H

#include "cases/pv.h"

#define PV_FIELD_STACK 64 /* attr.sample_stack_user */

/* What is known about one sample before it is looked at. */
struct pv_known {
	struct pv_ev *ev;
	struct perf_event_attr attr;
	uint64_t id, addr, before, after; /* times: CLOCK_MONOTONIC, which attr asks for */
	uint64_t cgroup;                  /* 0: any */
	bool present;                     /* the page at addr, when the sample is taken */
	uint16_t misc;                    /* of the record */
};

/* attr.sample_period for an event of this kind, and so the PERIOD of its samples. */
uint64_t pv_field_period(const struct pv_event_desc *e);
/* Is the field of sample_type bit `bit` what it must be for the case's event? */
bool pv_field_right(struct pv_test *t, unsigned int bit, const struct pv_known *k,
		    const struct pv_sample *s);
#endif
