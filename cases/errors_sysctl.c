/* SPDX-License-Identifier: GPL-2.0-only */
/* kernel.perf_*: which values are taken, what is read back (kernel/sysctl.c, later
 * kernel/events/core.c). */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define DIR "/proc/sys/kernel/"

static long number(const char *path)
{
	char text[32];

	return pv_file_read(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 0) : LONG_MIN;
}

/* What the file says behind a write of `value`; refused: what it said before. */
static void try_value(struct pv_test *t, const char *name, const char *value, long err)
{
	char path[128], evidence[128];
	long before, now, got;

	snprintf(path, sizeof(path), DIR "%s", name);
	before = number(path);
	got = pv_sys_file_write(path, value);
	now = number(path);
	snprintf(evidence, sizeof(evidence), "%s = %s", name, value);
	pv_expect_errno(t, evidence, got, err);
	snprintf(evidence, sizeof(evidence), "%s behind %s", name, value);
	pv_expect_eq(t, evidence, now, err ? before : strtol(value, NULL, 0));
}

/* Known to the engine, which puts the old value back. */
static void keep(struct pv_test *t, const char *name)
{
	char path[128], old[32];

	snprintf(path, sizeof(path), DIR "%s", name);
	if (pv_file_read(path, old, sizeof(old)) < 0)
		pv_skip(t, PV_ABSENT, "no %s", path);
	pv_knob(t, path, old);
}

PV_CASE(errors, sysctl, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"each kernel.perf_* setting takes the values of its range, refuses the next ones with EINVAL and keeps what it had")
{
	static const struct {
		const char *name, *value;
		long err;
	} rows[] = {
		{"perf_event_paranoid", "-1", 0},
		{"perf_event_paranoid", "2", 0},
		{"perf_event_mlock_kb", "0", 0},
		{"perf_event_mlock_kb", "1024", 0},
		{"perf_event_mlock_kb", "99999999999", -EINVAL}, /* not an int */
		{"perf_event_max_stack", "-1", -EINVAL},
		{"perf_event_max_stack", "655361", -EINVAL}, /* six_hundred_forty_kb + 1 */
		{"perf_event_max_stack", "655360", 0},
		{"perf_event_max_stack", "0", 0},
		{"perf_event_max_stack", "127", 0},
		{"perf_event_max_contexts_per_stack", "-1", -EINVAL},
		{"perf_event_max_contexts_per_stack", "1001", -EINVAL},
		{"perf_event_max_contexts_per_stack", "1000", 0},
		{"perf_event_max_contexts_per_stack", "8", 0},
		{"perf_cpu_time_max_percent", "-1", -EINVAL},
		{"perf_cpu_time_max_percent", "101", -EINVAL},
		{"perf_cpu_time_max_percent", "50", 0},
		{"perf_event_max_sample_rate", "0", -EINVAL},
		{"perf_event_max_sample_rate", "-1", -EINVAL},
		{"perf_event_max_sample_rate", "5000", 0},
		{"perf_event_max_sample_rate", "100000", 0},
	};

	keep(t, "perf_event_paranoid");
	keep(t, "perf_event_mlock_kb");
	keep(t, "perf_event_max_stack");
	keep(t, "perf_event_max_contexts_per_stack");
	keep(t, "perf_cpu_time_max_percent");
	keep(t, "perf_event_max_sample_rate");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		try_value(t, rows[i].name, rows[i].value, rows[i].err);
	/* With no throttling there is no rate to set: perf_event_max_sample_rate_handler(). */
	try_value(t, "perf_cpu_time_max_percent", "0", 0);
	try_value(t, "perf_event_max_sample_rate", "7000", -EINVAL);
	try_value(t, "perf_cpu_time_max_percent", "100", 0);
	try_value(t, "perf_event_max_sample_rate", "7000", -EINVAL);
	try_value(t, "perf_cpu_time_max_percent", "25", 0);
}

PV_CASE(errors, max_stack, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"perf_event_max_stack bounds sample_max_stack, and stands as long as an event has callchains")
{
	struct perf_event_attr attr = pv_dummy;
	struct pv_ev *ev;

	keep(t, "perf_event_max_stack");
	keep(t, "perf_event_max_contexts_per_stack");
	try_value(t, "perf_event_max_stack", "20", 0);
	attr.sample_type = PERF_SAMPLE_CALLCHAIN;
	for (int i = 0; i < 3; i++) {
		attr.sample_max_stack = 21;
		pv_expect_errno(t, "one frame more", pv_outcome(t, &attr, 0, -1, -1, 0),
				-EOVERFLOW);
		attr.sample_max_stack = 20;
		pv_expect_errno(t, "all frames", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
		attr.sample_max_stack = 0;
		pv_expect_errno(t, "as many as there may be", pv_outcome(t, &attr, 0, -1, -1, 0),
				0);
	}
	/* Neither the refused ones nor those that are closed hold the setting. */
	try_value(t, "perf_event_max_stack", "30", 0);
	attr.sample_max_stack = 30;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	try_value(t, "perf_event_max_stack", "40", -EBUSY);
	try_value(t, "perf_event_max_contexts_per_stack", "9", -EBUSY);
	pv_close(t, ev);
	try_value(t, "perf_event_max_stack", "40", 0);
	try_value(t, "perf_event_max_contexts_per_stack", "9", 0);
}
