/* SPDX-License-Identifier: GPL-2.0-only */
/* sysfs, tracefs and sysctl as tables. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/sim/sim.h"

#define DEVICES "/sys/bus/event_source/devices"
#define EVENTS  "/sys/kernel/tracing/events"
#define LINE    "\n"

struct file {
	const char *path, *text;
};

static const struct file files[] = {
	{DEVICES "/armv8_pmuv3/caps/slots", "0x00000000" LINE},
	{DEVICES "/armv8_pmuv3/cpus", "0" LINE},
	{DEVICES "/armv8_pmuv3/events/cpu_cycles", "event=0x0011" LINE},
	{DEVICES "/armv8_pmuv3/events/inst_retired", "event=0x0008" LINE},
	{DEVICES "/armv8_pmuv3/events/sw_incr", "event=0x0000" LINE},
	{DEVICES "/armv8_pmuv3/format/event", "config:0-15" LINE},
	{DEVICES "/armv8_pmuv3/format/long", "config1:0" LINE},
	{DEVICES "/armv8_pmuv3/format/rdpmc", "config1:1" LINE},
	{DEVICES "/armv8_pmuv3/type", "11" LINE},
	{DEVICES "/breakpoint/type", "5" LINE},
	{DEVICES "/kprobe/format/retprobe", "config:0" LINE},
	{DEVICES "/kprobe/type", "8" LINE},
	{DEVICES "/msr/events/tsc", "event=0x00" LINE},
	{DEVICES "/msr/format/event", "config:0-63" LINE},
	{DEVICES "/msr/type", "10" LINE},
	{DEVICES "/software/type", "1" LINE},
	{DEVICES "/tracepoint/type", "2" LINE},
	{DEVICES "/uprobe/format/ref_ctr_offset", "config:32-63" LINE},
	{DEVICES "/uprobe/format/retprobe", "config:0" LINE},
	{DEVICES "/uprobe/type", "9" LINE},
	{"/proc/sys/kernel/perf_event_max_sample_rate", "100000" LINE},
	{"/proc/sys/kernel/perf_event_mlock_kb", "516" LINE},
	{"/proc/sys/kernel/perf_event_paranoid", "2" LINE},
	{"/proc/sys/kernel/perf_event_max_stack", "127" LINE},
	{"/proc/sys/kernel/perf_event_max_contexts_per_stack", "8" LINE},
	{"/proc/sys/kernel/perf_cpu_time_max_percent", "25" LINE},
};

/* What a broken kernel says instead. */
static const struct {
	enum sim_break broken;
	struct file file;
} lies[] = {
	{SIM_SYSFS_TYPE_TWICE, {DEVICES "/uprobe/type", "8" LINE}},
	{SIM_SYSFS_TYPE_TEXT, {DEVICES "/msr/type", "ten" LINE}},
	{SIM_SYSFS_FORMAT_OVERLAP, {DEVICES "/uprobe/format/ref_ctr_offset", "config:0-63" LINE}},
	{SIM_SYSFS_FORMAT_OVERLAP, {DEVICES "/armv8_pmuv3/format/rdpmc", "config1:0" LINE}},
	{SIM_SYSFS_FORMAT_WIDE, {DEVICES "/msr/format/event", "config:0-64" LINE}},
	{SIM_SYSFS_TYPE_FIXED_WRONG, {DEVICES "/breakpoint/type", "77" LINE}},
	{SIM_SYSFS_FORMAT_BACKWARDS,
	 {DEVICES "/uprobe/format/ref_ctr_offset", "config:63-32" LINE}},
	{SIM_SYSFS_FORMAT_GARBAGE, {DEVICES "/msr/format/event", "cfg:0-63" LINE}},
	{SIM_SYSFS_FORMAT_MOVED, {DEVICES "/kprobe/format/retprobe", "config:1" LINE}},
	{SIM_SYSFS_FORMAT_MOVED, {DEVICES "/uprobe/format/retprobe", "config:1" LINE}},
	{SIM_SYSFS_FORMAT_MOVED, {DEVICES "/msr/format/event", "config:0-7" LINE}},
	{SIM_SYSFS_FORMAT_MOVED, {DEVICES "/armv8_pmuv3/format/event", "config:0-7" LINE}},
	{SIM_SYSFS_EVENT_UNKNOWN_FIELD, {DEVICES "/msr/events/tsc", "evt=0x00" LINE}},
	{SIM_SYSFS_EVENT_TOO_LARGE, {DEVICES "/armv8_pmuv3/events/sw_incr", "event=0x10000" LINE}},
	{SIM_SYSFS_EVENT_REFUSED, {DEVICES "/msr/events/tsc", "event=0x77" LINE}},
	{SIM_SYSFS_CPUMASK_BAD, {DEVICES "/armv8_pmuv3/cpus", "0-9999" LINE}},
	{SIM_SYSFS_CPUMASK_EMPTY, {DEVICES "/armv8_pmuv3/cpus", LINE}},
	{SIM_SYSFS_CPUMASK_GARBAGE, {DEVICES "/armv8_pmuv3/cpus", "0;1" LINE}},
	{SIM_SYSFS_CAPS_TEXT, {DEVICES "/armv8_pmuv3/caps/slots", "many" LINE}},
};

/* Ids are what /sys/kernel/tracing/events/NAME/id says. */
static const struct sim_tracepoint tracepoints[] = {
	{301, "syscalls/sys_enter_getppid", PV_WORK_GETPPID, false, true},
	{300, "syscalls/sys_exit_getppid", PV_WORK_GETPPID, false, true},
	{303, "syscalls/sys_enter_getuid", PV_WORK_GETUID, false, true},
	{302, "syscalls/sys_exit_getuid", PV_WORK_GETUID, false, true},
	{305, "syscalls/sys_enter_getsid", PV_WORK_GETSID, false, true},
	{304, "syscalls/sys_exit_getsid", PV_WORK_GETSID, false, true},
	{21, "raw_syscalls/sys_enter", PV_WORK_NONE, true, false},
	{20, "raw_syscalls/sys_exit", PV_WORK_NONE, true, false},
	{315, "sched/sched_switch", PV_WORK_SLEEP, false, false},
	{316, "sched/sched_migrate_task", PV_WORK_MIGRATE, false, false},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct sim_tracepoint *sim_tracepoint(uint64_t id)
{
	for (size_t i = 0; i < COUNT(tracepoints); i++) {
		if (tracepoints[i].id == id)
			return &tracepoints[i];
	}
	return NULL;
}

static bool simulated(const char *path)
{
	static const char *const roots[] = {DEVICES, "/sys/kernel/tracing",
					    "/sys/kernel/debug/tracing", "/proc/sys/kernel/perf_"};

	for (size_t i = 0; i < COUNT(roots); i++) {
		if (!strncmp(path, roots[i], strlen(roots[i])))
			return true;
	}
	return false;
}

static const char *text_of(const struct file *f)
{
	for (size_t i = 0; i < COUNT(lies); i++) {
		if (sim_broken(lies[i].broken) && !strcmp(lies[i].file.path, f->path))
			return lies[i].file.text;
	}
	return f->text;
}

uint32_t sim_pmu_type(const char *name)
{
	size_t root = strlen(DEVICES) + 1, len = strlen(name);

	/* The truth, whatever sysfs says. */
	for (size_t i = 0; i < COUNT(files); i++) {
		const char *p = files[i].path + root;

		if (!strncmp(files[i].path, DEVICES, root - 1) && !strncmp(p, name, len) &&
		    !strcmp(p + len, "/type"))
			return strtoul(files[i].text, NULL, 10);
	}
	return UINT32_MAX;
}

static long tracepoint_id(const char *path, char *buf, size_t size)
{
	for (size_t i = 0; i < COUNT(tracepoints); i++) {
		size_t len = strlen(tracepoints[i].name), root = strlen(EVENTS) + 1;

		if (!strncmp(path, EVENTS, root - 1) &&
		    !strncmp(path + root, tracepoints[i].name, len) &&
		    !strcmp(path + root + len, "/id"))
			return snprintf(buf, size, "%llu\n", (unsigned long long)tracepoints[i].id);
	}
	return -ENOENT;
}

long sim_file(const char *path, char *buf, size_t size)
{
	size_t len;

	if (!simulated(path))
		return -ENOSYS;
	for (size_t i = 0; i < COUNT(files); i++) {
		const char *text = text_of(&files[i]);

		if (strcmp(files[i].path, path))
			continue;
		if (sim_broken(SIM_SYSFS_FORMAT_GONE) && strstr(path, "/format/"))
			return -ENOENT;
		len = strlen(text) < size ? strlen(text) : size - 1;
		memcpy(buf, text, len);
		buf[len] = 0;
		return len;
	}
	return tracepoint_id(path, buf, size);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

long sim_dir(const char *path, char (*names)[256], size_t max)
{
	size_t len = strlen(path), n = 0;

	if (!simulated(path))
		return -ENOSYS;
	if (sim_broken(SIM_SYSFS_EMPTY))
		return 0;
	for (size_t i = 0; i < COUNT(files); i++) {
		const char *rest = files[i].path + len;
		size_t part, k = 0;

		if (strncmp(files[i].path, path, len) || *rest++ != '/')
			continue;
		part = strcspn(rest, "/");
		while (k < n && (strncmp(names[k], rest, part) || names[k][part]))
			k++;
		if (k < n || n == max)
			continue;
		memcpy(names[n], rest, part);
		names[n++][part] = 0;
	}
	qsort(names, n, sizeof(*names), by_name);
	return n ? (long)n : -ENOENT;
}
