/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the engine that runs in a case's own process. */
#ifndef PV_RUNNER_AGENT_CHILD_H
#define PV_RUNNER_AGENT_CHILD_H

#include "cases/lib/test.h"
#include "pmu/descriptor.h"

struct pv_child_opts {
	int cpu; /* the CPU this process is pinned to by its parent */
	uint64_t seed;
	bool deterministic;
	unsigned int rep;
};

/*
 * Runs a case's body and exits. Evidence, messages and knobs leave as whole JSON lines
 * (docs/stream.md) through fd, each in one write(2); the result is left in `tally`, which must be
 * shared memory: the parent asks pv_test_verdict() after the process has ended.
 */
void pv_child_run(const struct pv_case *c, const struct pv_child_opts *opts, struct pv_tally *tally,
		  int fd) __attribute__((noreturn));

#endif
