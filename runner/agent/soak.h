/* SPDX-License-Identifier: GPL-2.0-only */
/* Stress neighbours of the cases, for `pmuvet soak` (docs/soak.md). */
#ifndef PV_RUNNER_AGENT_SOAK_H
#define PV_RUNNER_AGENT_SOAK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether every neighbour in the comma-separated list ("none": none) is known; else a line on
 * stderr. */
bool pv_soak_known(const char *list);
/*
 * Starts those of the list that this machine can have, each a process of its own that ends with
 * this one. `cpu` is that of the cases and stays online; `seed` makes their choices. What runs and
 * what cannot goes into `text`.
 */
void pv_soak_start(const char *list, int cpu, uint64_t seed, char *text, size_t size);
/* /proc/sys/kernel/tainted */
uint64_t pv_soak_taint(void);

#endif
