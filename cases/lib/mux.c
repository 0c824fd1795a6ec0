/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>

#include "cases/lib/mux.h"
#include "cases/lib/sys.h"

static const struct pv_event_desc *pv_mux_cycles(struct pv_test *t)
{
	return pv_find_event(t, "pmuv3", "cpu_cycles");
}

int pv_mux_counters(struct pv_test *t)
{
	return pv_pmu(t)->counters + pv_pmu(t)->fixed;
}

void pv_mux_interval(struct pv_test *t, const char *ms)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/perf_event_mux_interval_ms",
		 pv_pmu(t)->sysfs);
	pv_knob(t, path, ms);
}

static void spin(struct pv_test *t, void *arg)
{
	uint64_t end = pv_sys_cputime() + *(uint64_t *)arg;

	(void)t;
	while (pv_sys_cputime() < end)
		;
}

pid_t pv_mux_spinner(struct pv_test *t, uint64_t *ns)
{
	pid_t child = pv_fork_held(t, spin, ns);

	pv_wait_asleep(t, child);
	return child;
}

struct pv_ev *pv_mux_open(struct pv_test *t, pid_t pid, int cpu, struct pv_ev *leader, bool pinned,
			  bool exclusive)
{
	struct perf_event_attr attr = pv_attr(t, pv_mux_cycles(t));

	attr.disabled = 0;
	attr.pinned = pinned;
	attr.exclusive = exclusive;
	return pv_open(t, &attr, pid, cpu, leader, 0);
}

void pv_mux_finish(struct pv_test *t, pid_t child, struct pv_ev **ev, int nr)
{
	struct timespec ms = {0, 2000000};

	pv_go(t, child);
	for (int round = 0; round < 2000 && !pv_deterministic(t); round++) {
		int on = 0;

		for (int i = 0; i < nr; i++)
			on += pv_read(t, ev[i]).running > 0;
		if (on == nr)
			break;
		nanosleep(&ms, NULL);
	}
	if (pv_deterministic(t)) {
		pv_wait(t, child);
	} else {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

uint64_t pv_mux_length(struct pv_test *t, uint64_t ms)
{
	return (pv_deterministic(t) ? ms : 8000) * PV_MS;
}
