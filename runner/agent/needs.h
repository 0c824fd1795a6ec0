/* SPDX-License-Identifier: GPL-2.0-only */
/* Can a case run here at all? Asked once per PMU and need. */
#ifndef PV_RUNNER_AGENT_NEEDS_H
#define PV_RUNNER_AGENT_NEEDS_H

#include "cases/lib/test.h"

#define PV_NEED_PMU   1 /* its PMU is not there */
#define PV_NEED_OTHER 2

struct pv_needs {
	struct {
		bool asked;
		int err;
		char why[256];
	} pmu[64];
};

/* 0, PV_NEED_PMU or PV_NEED_OTHER with a typed reason. */
int pv_needs_check(struct pv_needs *n, const struct pv_case *c, enum pv_kind *kind, char *why,
		   size_t size);

#endif
