/* SPDX-License-Identifier: GPL-2.0-only */
/* One case in a process group of its own, under a watchdog. */
#ifndef PV_RUNNER_AGENT_PROCESS_H
#define PV_RUNNER_AGENT_PROCESS_H

#include "cases/lib/test.h"
#include "runner/agent/engine.h"
#include "runner/agent/knobs.h"

struct pv_process {
	const struct pv_run_opts *o;
	struct pv_out *out;
	volatile sig_atomic_t *stop;
	struct pv_tally *tally; /* shared memory; of the last case */
	struct pv_knobs knobs;
	int cpu;
	char *line; /* what the case has said and not ended by a newline */
	size_t line_len, line_size;
	double last_beat;
};

/* Seconds of CLOCK_MONOTONIC. */
double pv_now(void);
/* Tells the host that the guest lives, at most twice a second. */
void pv_process_beat(struct pv_process *p);
/*
 * Runs the case to its end, passes on what it says, kills what it leaves, puts its knobs back. 0
 * with its wait status, *killed when the watchdog, a stop signal or a broken output ended it; or
 * -errno: it could not be started.
 */
int pv_process_run(struct pv_process *p, const struct pv_case *c, unsigned int rep, int *status,
		   bool *killed);

#endif
