/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Case tables for the engine's benchmark: an empty case, and the bare fork+wait it
 * is compared with, measured inside of a case so that both see the same machine.
 */
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases/pv.h"

#define FORKS 200

static void empty(struct pv_test *t)
{
	pv_expect(t, "nothing", true);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void bare_fork(struct pv_test *t)
{
	double start = now();

	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	pv_note(t, "ns_per_fork", (now() - start) / FORKS);
	pv_expect(t, "forked", true);
}

void (*const pv_bodies[])(struct pv_test *t) = { empty, bare_fork };

const struct pv_pmu pv_pmus[] = {
	{ .name = "bench",
	  .family = "bench",
	  .title = "the engine's benchmark",
	  .probe = "",
	  .arch = ~0u,
	  .hash = "0",
	  .is_default = true,
	  .describe = "" },
};
const size_t pv_nr_pmus = 1;

const struct pv_case pv_cases[] = {
	{ .id = "bench/engine/empty",
	  .about = "an empty case",
	  .needs = "",
	  .at = "",
	  .pmu = &pv_pmus[0],
	  .arch = ~0u,
	  .body = 0 },
	{ .id = "bench/engine/fork",
	  .about = "fork and wait of an empty child",
	  .needs = "",
	  .at = "",
	  .pmu = &pv_pmus[0],
	  .arch = ~0u,
	  .body = 1 },
};
const size_t pv_nr_cases = 2;
