/* SPDX-License-Identifier: GPL-2.0-only */
/* Which CPU a thread runs on. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/test.h"

void pv_move(struct pv_test *t, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		pv_error(t, PV_BROKEN_SETUP, "sched_setaffinity to CPU %d: %s", cpu,
			 strerrorname_np(errno));
}

/* What sched_setaffinity() takes is online and allowed. */
int pv_other_cpu(struct pv_test *t)
{
	long nr = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t set;

	for (int cpu = 0; cpu < nr && cpu < CPU_SETSIZE; cpu++) {
		if (cpu == t->cpu)
			continue;
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		if (!sched_setaffinity(0, sizeof(set), &set)) {
			pv_move(t, t->cpu);
			return cpu;
		}
	}
	pv_skip(t, PV_ABSENT, "needs a second CPU that this process may use");
}

void pv_wait_asleep(struct pv_test *t, pid_t pid)
{
	struct timespec ts = {0, 100000};
	char path[32], text[512], *state;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 50000; i++) {
		if (pv_file_read(path, text, sizeof(text)) <= 0)
			break;
		state = strrchr(text, ')');
		if (state && state[1] && state[2] == 'S')
			return;
		nanosleep(&ts, NULL);
	}
	pv_error(t, PV_BROKEN_SETUP, "the held child does not sleep");
}

void pv_switch_out(void)
{
	uint64_t before = pv_sys_switches();

	/* A timer may ring before its sleeper sleeps: then there was no switch. */
	do
		usleep(100);
	while (pv_sys_switches() == before);
}

void pv_sleep_ms(long ms)
{
	struct timespec ts = {0, ms * 1000000};

	nanosleep(&ts, NULL);
}
