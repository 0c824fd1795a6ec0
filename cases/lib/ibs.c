/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/work.h"
#include "cases/lib/ibs.h"

#define DEVICES "/sys/bus/event_source/devices/"
#define RATE    "/proc/sys/kernel/perf_event_max_sample_rate"
#define TIME    "/proc/sys/kernel/perf_cpu_time_max_percent"
/* No workload of arch/x86/work_64.S is longer. */
#define CODE 64

bool pv_ibs_is_op(struct pv_test *t)
{
	return !strcmp(pv_pmu(t)->family, "ibs-op");
}

uint64_t pv_ibs_format(struct pv_test *t, const char *name)
{
	const struct pv_pmu *pmu = pv_pmu(t);
	char path[128], text[32];

	snprintf(path, sizeof(path), DEVICES "%s/format/%s", pmu->sysfs, name);
	if (pv_file_read(path, text, sizeof(text)) < 0)
		pv_skip(t, PV_ABSENT, "%s is not there: the CPU or the kernel has it not", path);
	for (size_t i = 0; i < pmu->nr_formats; i++)
		if (!strcmp(pmu->formats[i].name, name))
			return 1ull << pmu->formats[i].first;
	pv_error(t, PV_BROKEN_SETUP, "the descriptor has no field %s", name);
}

struct perf_event_attr pv_ibs_attr(struct pv_test *t, uint64_t period)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr), .disabled = 1, .sample_period = period};
	char path[128], text[32];

	snprintf(path, sizeof(path), DEVICES "%s/type", pv_pmu(t)->sysfs);
	if (pv_file_read(path, text, sizeof(text)) < 0)
		pv_skip(t, PV_ABSENT, "no %s", path);
	attr.type = strtoul(text, NULL, 10);
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD;
	attr.read_format =
		PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING | PERF_FORMAT_ID;
	return attr;
}

struct pv_ev *pv_ibs_open(struct pv_test *t, const struct perf_event_attr *attr)
{
	static bool unthrottled;
	struct pv_ev *ev;

	if (!unthrottled) {
		/* In this order: the rate cannot be set while nobody watches the time. */
		pv_knob(t, RATE, "10000000");
		pv_knob(t, TIME, "0");
		unthrottled = true;
	}
	ev = pv_open(t, attr, -1, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 64);
	return ev;
}

bool pv_ibs_within(uint64_t address, const void *function)
{
	return address - (uintptr_t)function < CODE;
}

void pv_ibs_loop(struct pv_test *t, struct pv_ev *ev, uint64_t turns)
{
	pv_enable(t, ev);
	pv_asm_loop(turns);
	pv_disable(t, ev);
}

uint64_t pv_ibs_raw(const struct pv_sample *s, unsigned int i)
{
	uint64_t word;

	memcpy(&word, s->raw + sizeof(uint32_t) + i * sizeof(word), sizeof(word));
	return word;
}
