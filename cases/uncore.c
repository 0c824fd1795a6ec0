/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters outside of the cores: of a package, on one of its CPUs, for no task. On the PMU model
 * what they count is a known part of what the core or the clock counts (docs/pmu-model.md).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/work.h"
#include "cases/pv.h"

#define DEVICES "/sys/bus/event_source/devices/"
#define PREFIX  "uncore_"
#define MAX     64
#define TURNS   1000000

/* perfmon ICL UNC_CBO_CACHE_LOOKUP.ANY_* */
#define LLC_LOOKUP 0x8f34

/* A file of a PMU; the case ends where it is not there. */
static void text_of(struct pv_test *t, const char *pmu, const char *file, char text[64])
{
	char path[512];

	snprintf(path, sizeof(path), DEVICES "%.255s/%s", pmu, file);
	if (pv_file_read(path, text, 64) < 0)
		pv_skip(t, PV_ABSENT, "no %s", path);
}

static uint64_t number(struct pv_test *t, const char *pmu, const char *file)
{
	char text[64];

	text_of(t, pmu, file, text);
	return strtoull(text, NULL, 10);
}

static struct perf_event_attr attr_of(struct pv_test *t, const char *pmu, uint64_t config)
{
	return (struct perf_event_attr){
		.size = sizeof(struct perf_event_attr),
		.type = number(t, pmu, "type"),
		.config = config,
		.disabled = 1,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING |
			       PERF_FORMAT_ID,
	};
}

/* An event of a package is opened on the CPU that its cpumask names. */
static struct pv_ev *open_on(struct pv_test *t, const char *pmu, uint64_t config,
			     struct pv_ev *leader)
{
	struct perf_event_attr attr = attr_of(t, pmu, config);

	/* Linux counts as members those that are enabled. */
	attr.disabled = !leader;
	return pv_open(t, &attr, -1, number(t, pmu, "cpumask"), leader, 0);
}

/* Uncore PMUs by name, sorted. */
static int uncores(struct pv_test *t, char (*names)[256])
{
	static char all[256][256];
	int n = pv_dir_list(DEVICES, all, 256), nr = 0;

	for (int i = 0; i < n && nr < MAX; i++)
		if (!strncmp(all[i], PREFIX, strlen(PREFIX)))
			strcpy(names[nr++], all[i]);
	if (!nr)
		pv_skip(t, PV_ABSENT, "no " DEVICES PREFIX "*: is the module intel-uncore there?");
	return nr;
}

/* Number of an instance (uncore_cbox_3: 3) and how long the name of its type is; -1: the only one.
 */
static int instance(const char *name, size_t *length)
{
	const char *end = strrchr(name, '_');

	*length = strlen(name);
	if (!end || end[1] < '0' || end[1] > '9')
		return -1;
	*length = end - name;
	return atoi(end + 1);
}

static char names[MAX][256];

PV_CASE(uncore, names, .pmu = "uncore", .proof = "kernel",
	.about =
		"instances of one kind are numbered from 0 on without a gap, and each PMU has a type of its own")
{
	uint64_t same = 0, gaps = 0, most = 0;
	int nr = uncores(t, names);

	for (int i = 0; i < nr; i++) {
		uint64_t type = number(t, names[i], "type"), of_kind = 0;
		size_t length, other;
		int highest = instance(names[i], &length);

		for (int k = 0; k < nr; k++) {
			int n = instance(names[k], &other);

			same += k != i && number(t, names[k], "type") == type;
			if (other != length || strncmp(names[k], names[i], length))
				continue;
			of_kind++;
			highest = n > highest ? n : highest;
		}
		gaps += highest >= 0 && of_kind != (uint64_t)highest + 1;
		most = of_kind > most ? of_kind : most;
	}
	pv_note(t, "uncore PMUs", nr);
	pv_expect_eq(t, "PMUs with another one's type", same, 0);
	pv_expect_eq(t, "kinds with a gap", gaps, 0);
	pv_expect_in(t, "instances of a kind", most, 2, MAX);
}

PV_CASE(uncore, cpumask, .pmu = "uncore", .proof = "kernel",
	.about =
		"all instances are on the same CPUs, as their cpumask says, and one of them is this package's")
{
	int nr = uncores(t, names);
	char first[64] = "", mask[64];
	uint64_t other = 0;

	for (int i = 0; i < nr; i++) {
		text_of(t, names[i], "cpumask", mask);
		if (!i)
			strcpy(first, mask);
		other += !!strcmp(mask, first);
	}
	pv_expect_eq(t, "instances on other CPUs", other, 0);
	pv_expect(t, "a CPU", first[0] >= '0' && first[0] <= '9');
}

PV_CASE(uncore, refused, .pmu = "uncore power", .needs = "root", .proof = "kernel",
	.each = "word[task,task-cpu,sampling,exclude-user,exclude-kernel]",
	.about = "no event of a package is a task's, samples, or leaves a mode out")
{
	struct perf_event_attr attr =
		attr_of(t, pv_pmu(t)->sysfs, strcmp(pv_pmu(t)->family, "power") ? LLC_LOOKUP : 2);
	int cpu = number(t, pv_pmu(t)->sysfs, "cpumask");
	const char *word = pv_word(t);
	bool task = !strncmp(word, "task", 4);

	pv_expect_errno(t, "on the CPU", pv_outcome(t, &attr, -1, cpu, -1, 0), 0);
	if (!strcmp(word, "sampling"))
		attr.sample_period = 1000000;
	attr.exclude_user = !strcmp(word, "exclude-user");
	attr.exclude_kernel = !strcmp(word, "exclude-kernel");
	pv_expect_errno(t, word,
			pv_outcome(t, &attr, task ? 0 : -1, strcmp(word, "task") ? cpu : -1, -1, 0),
			-EINVAL);
}

PV_CASE(uncore, group, .pmu = "uncore", .needs = "root", .proof = "kernel",
	.about =
		"as many events as a box has counters are a group that counts, one more is refused")
{
	const char *pmu = pv_pmu(t)->sysfs;
	struct pv_ev *leader = open_on(t, pmu, LLC_LOOKUP, NULL), *last = leader;
	struct perf_event_attr attr = attr_of(t, pmu, LLC_LOOKUP);
	struct pv_count c;

	attr.disabled = 0;
	for (unsigned int i = 1; i < pv_pmu(t)->counters; i++)
		last = open_on(t, pmu, LLC_LOOKUP, leader);
	pv_expect_errno(t, "one more",
			pv_outcome(t, &attr, -1, number(t, pmu, "cpumask"), pv_fd(leader), 0),
			-EINVAL);
	pv_expect_errno(t, "enable", pv_ioctl(leader, PERF_EVENT_IOC_ENABLE, PERF_IOC_FLAG_GROUP),
			0);
	pv_asm_loop(TURNS);
	pv_expect_errno(t, "disable", pv_ioctl(leader, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP),
			0);
	c = pv_read(t, last);
	pv_expect_in(t, "count of the last", c.value, 1, ~0ull);
	pv_expect_eq(t, "time not running", c.enabled - c.running, 0);
}

PV_CASE(uncore, shares, .pmu = "uncore", .needs = "root", .proof = "kernel",
	.about =
		"what the boxes see adds up to what the cores ask for, and none of them sees nothing")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "hw", "instructions"));
	uint64_t nr = 0, sum = 0, least = ~0ull, most = 0;
	struct pv_ev *box[MAX], *outer, *inner;
	int all = uncores(t, names);

	attr.config = PERF_COUNT_HW_CACHE_REFERENCES;
	outer = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	inner = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	for (int i = 0; i < all; i++)
		if (!strncmp(names[i], "uncore_cbox_", strlen("uncore_cbox_")))
			box[nr++] = open_on(t, names[i], LLC_LOOKUP, NULL);
	pv_enable(t, outer);
	for (uint64_t i = 0; i < nr; i++)
		pv_enable(t, box[i]);
	pv_enable(t, inner);
	pv_asm_loop(TURNS);
	pv_disable(t, inner);
	for (uint64_t i = 0; i < nr; i++)
		pv_disable(t, box[i]);
	pv_disable(t, outer);
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t n = pv_read(t, box[i]).value;

		sum += n;
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	pv_expect_in(t, "boxes", nr, 1, MAX);
	pv_expect_in(t, "count of a box", least, 1, most);
	/* Prefetchers ask too; the model has none, and gives the boxes turns. */
	pv_expect_in(t, "all boxes", sum, pv_read(t, inner).value - nr,
		     pv_deterministic(t) ? pv_read(t, outer).value + nr : ~0ull);
	if (pv_deterministic(t))
		pv_expect_in(t, "the boxes' difference", most - least, 0,
			     pv_read(t, outer).value - pv_read(t, inner).value + nr);
}

PV_CASE(uncore, clock, .pmu = "uncore", .needs = "root", .proof = "kernel",
	.about = "the clock ticks while the core works and while it sleeps")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "msr", "tsc"));
	struct pv_ev *clock = open_on(t, "uncore_clock", 0xff, NULL);
	struct pv_ev *outer = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	struct pv_ev *inner = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	uint64_t ticks, before = 0;

	for (int sleep = 0; sleep < 2; sleep++, before = ticks) {
		pv_reset(t, outer);
		pv_reset(t, inner);
		pv_enable(t, outer);
		pv_enable(t, clock);
		pv_enable(t, inner);
		if (sleep)
			pv_sleep_ms(2);
		else
			pv_asm_loop(TURNS);
		pv_disable(t, inner);
		pv_disable(t, clock);
		pv_disable(t, outer);
		ticks = pv_read(t, clock).value;
		/* The model's clock goes at the TSC's rate. */
		pv_expect_in(t, sleep ? "ticks asleep" : "ticks at work", ticks - before,
			     pv_deterministic(t) ? pv_read(t, inner).value : 1,
			     pv_deterministic(t) ? pv_read(t, outer).value : ~0ull);
	}
}

/* arch/x86/events/rapl.c: counts are in 2^-32 J, the register's unit on the model is 2^-14 J. */
#define JOULE 32
#define UNIT  14

PV_CASE(uncore, energy, .pmu = "power", .needs = "root", .proof = "kernel",
	.about = "the package's energy grows with time, and its scale file says joules")
{
	struct pv_ev *ev = open_on(t, "power", number(t, "power", "events/energy-pkg") + 2, NULL);
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "msr", "tsc"));
	struct pv_ev *outer = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	char scale[64] = "";
	uint64_t n, ns;

	pv_file_read(DEVICES "power/events/energy-pkg.scale", scale, sizeof(scale));
	pv_expect(t, "scale is 2^-32 J", !strncmp(scale, "2.3283064365386962890625e-10", 28));
	pv_enable(t, outer);
	pv_enable(t, ev);
	pv_asm_loop(20 * TURNS);
	pv_disable(t, ev);
	pv_disable(t, outer);
	n = pv_read(t, ev).value >> (JOULE - UNIT);
	ns = pv_read(t, outer).value;
	/* The model takes one watt; its TSC counts nanoseconds. */
	if (pv_deterministic(t))
		pv_expect_in(t, "energy", n, ns / 61035 * 9 / 10, ns / 61035 + 1);
	else
		pv_expect_in(t, "energy", n, 1, ~0ull);
}
