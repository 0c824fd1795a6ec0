/* SPDX-License-Identifier: GPL-2.0-only */
/* The agent as PID 1 of a guest. */
#ifndef PV_RUNNER_AGENT_INIT_H
#define PV_RUNNER_AGENT_INIT_H

#include "runner/agent/out.h"

/* Mounts, modules, and the way out: the results port, else the console. */
void pv_init_setup(struct pv_out *out);
/* Arguments from /agent.args, one a line; argv[0] is kept. */
void pv_init_args(int *argc, char ***argv);
void pv_init_poweroff(void) __attribute__((noreturn));

#endif
