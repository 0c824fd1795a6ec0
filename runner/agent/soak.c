/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "runner/agent/soak.h"

#define NMI_WATCHDOG "/proc/sys/kernel/nmi_watchdog"
#define NICE         10 /* the cases shall get on */
#define FORKS        8  /* at a time */

struct neighbour {
	uint64_t random;
	int cpu;
};

/* lo..hi */
static uint64_t draw(struct neighbour *n, uint64_t lo, uint64_t hi)
{
	/* xorshift64* (Vigna 2016) */
	n->random ^= n->random >> 12;
	n->random ^= n->random << 25;
	n->random ^= n->random >> 27;
	return lo + n->random * 2685821657736338717ull % (hi - lo + 1);
}

static void rest(struct neighbour *n, unsigned int lo_ms, unsigned int hi_ms)
{
	usleep(draw(n, lo_ms, hi_ms) * 1000);
}

/* ---- forks: bursts of processes that come and go, some of them touching memory ---- */

static void forks(struct neighbour *n)
{
	for (;;) {
		unsigned int count = draw(n, 1, FORKS);

		for (unsigned int i = 0; i < count; i++) {
			uint64_t pages = draw(n, 0, 32);

			if (fork())
				continue;
			for (uint64_t p = 0; p < pages; p++) {
				volatile char *page = malloc(4096);

				if (page)
					*page = 1;
			}
			_exit(0);
		}
		while (wait(NULL) > 0)
			;
		rest(n, 1, 20);
	}
}

/* ---- hotplug: every CPU but that of the cases ---- */

static long set_online(int cpu, const char *value)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	return pv_sys_file_write(path, value);
}

static int other_cpus(int cpu, int *list, int max)
{
	int n = 0;

	for (int i = 0; i < sysconf(_SC_NPROCESSORS_CONF) && n < max; i++) {
		if (i != cpu && !set_online(i, "1"))
			list[n++] = i;
	}
	return n;
}

static void hotplug(struct neighbour *n)
{
	int list[64], nr = other_cpus(n->cpu, list, 64);

	for (;;) {
		int cpu = list[draw(n, 0, nr - 1)];

		set_online(cpu, "0");
		rest(n, 20, 300);
		set_online(cpu, "1");
		rest(n, 100, 1000);
	}
}

static bool can_hotplug(const struct neighbour *n, char *why, size_t size)
{
	int list[64];

	snprintf(why, size, "no CPU but that of the cases: --smp 2");
	return other_cpus(n->cpu, list, 64);
}

/* ---- watchdog: the kernel's own event on every CPU, there and gone ---- */

static void watchdog(struct neighbour *n)
{
	for (;;) {
		pv_sys_file_write(NMI_WATCHDOG, "1");
		rest(n, 50, 500);
		pv_sys_file_write(NMI_WATCHDOG, "0");
		rest(n, 50, 500);
	}
}

/* Without a PMU for it the write succeeds or not, by version, and the value stays 0. */
static bool can_watch(const struct neighbour *n, char *why, size_t size)
{
	char value[16] = "";
	long err = pv_sys_file_write(NMI_WATCHDOG, "1");

	(void)n;
	if (!err && pv_sys_file_read(NMI_WATCHDOG, value, sizeof(value)) < 0)
		value[0] = 0;
	pv_sys_file_write(NMI_WATCHDOG, "0");
	if (err)
		snprintf(why, size, "errno %ld", -err); /* ENOTSUPP has no name in user space */
	else
		snprintf(why, size, "the kernel does not take it");
	return value[0] == '1';
}

/* ---- all of them ---- */

static const struct {
	const char *name;
	void (*run)(struct neighbour *n);
	bool (*can)(const struct neighbour *n, char *why, size_t size);
} neighbours[] = {
	{"forks", forks, NULL},
	{"hotplug", hotplug, can_hotplug},
	{"watchdog", watchdog, can_watch},
};
#define NR_NEIGHBOURS (sizeof(neighbours) / sizeof(neighbours[0]))

static bool named(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, name, len) && (!p[len] || p[len] == ','))
			return true;
	}
	return false;
}

bool pv_soak_known(const char *list)
{
	char copy[256], *save, *word;

	snprintf(copy, sizeof(copy), "%s", list);
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		bool known = !strcmp(word, "none");

		for (size_t i = 0; i < NR_NEIGHBOURS; i++)
			known |= !strcmp(neighbours[i].name, word);
		if (!known) {
			fprintf(stderr, "pmuvet-agent: --soak: no neighbour '%s'\n", word);
			return false;
		}
	}
	return true;
}

/* The engine is pinned. */
static void everywhere(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

void pv_soak_start(const char *list, int cpu, uint64_t seed, char *text, size_t size)
{
	size_t len = snprintf(text, size, "neighbours:");

	for (size_t i = 0; i < NR_NEIGHBOURS && len < size; i++) {
		struct neighbour n = {.random = (seed ^ (i + 1)) * 0x9e3779b97f4a7c15ull | 1,
				      .cpu = cpu};
		char why[128] = "";

		if (!named(list, neighbours[i].name))
			continue;
		if (neighbours[i].can && !neighbours[i].can(&n, why, sizeof(why))) {
			len += snprintf(text + len, size - len, " no %s (%s)", neighbours[i].name,
					why);
			continue;
		}
		len += snprintf(text + len, size - len, " %s", neighbours[i].name);
		if (fork())
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, neighbours[i].name);
		setpgid(0, 0);
		everywhere();
		if (nice(NICE) < 0)
			_exit(1);
		neighbours[i].run(&n);
	}
}

uint64_t pv_soak_taint(void)
{
	char value[32] = "";

	return pv_sys_file_read("/proc/sys/kernel/tainted", value, sizeof(value)) > 0
		       ? strtoull(value, NULL, 10)
		       : 0;
}
