/* SPDX-License-Identifier: GPL-2.0-only */
/* What a gate asks for: perf_allow_kernel(), perf_allow_cpu(), perf_allow_tracepoint(),
 * perf_check_permission(). */
#include <linux/capability.h>

#include "cases/lib/privilege.h"
#include "cases/lib/sys.h"

struct pv_who pv_who;
struct pv_world pv_world;

static bool has(int cap)
{
	return pv_who.caps & PV_CAP(cap);
}

static bool perfmon(void)
{
	return has(CAP_PERFMON) || has(CAP_SYS_ADMIN);
}

static bool passes(enum pv_gate gate)
{
	switch (gate) {
	case KERNEL:
		return pv_who.paranoid <= 1 || perfmon();
	case CPU:
		return pv_who.paranoid <= 0 || perfmon();
	case TRACEPOINT:
		return pv_who.paranoid <= -1 || perfmon();
	case PERFMON:
		return perfmon();
	case ADMIN:
		return has(CAP_SYS_ADMIN);
	case READ_TASK:
		return perfmon() || has(CAP_SYS_PTRACE);
	case SIGNAL_TASK:
		return (perfmon() && has(CAP_KILL)) || has(CAP_SYS_PTRACE);
	case OPEN:
		break;
	}
	return true;
}

long pv_row_due(const struct pv_row *r)
{
	if (pv_who.restricted && !has(CAP_SYS_ADMIN) && !r->early)
		return -EACCES;
	for (size_t i = 0; i < 2; i++) {
		if (!passes(r->gates[i].gate))
			return r->gates[i].err;
	}
	return r->lockdown && pv_world.locked_down ? -EPERM : r->result;
}

long pv_row_try(const struct pv_row *r)
{
	struct perf_event_attr attr = pv_dummy;
	unsigned long flags = PERF_FLAG_FD_CLOEXEC;
	int cpu = -1, group = -1;
	pid_t pid = 0;
	long fd;

	if (r->set)
		r->set(&attr);
	if (r->target < ON_CPU)
		pid = pv_world.task[r->target];
	if (r->target == ON_CPU || r->target == CPU_LEADER || r->target == CGROUP) {
		pid = r->target == CGROUP ? pv_world.cgroup : -1;
		cpu = pv_world.cpu;
	}
	if (r->target == CGROUP || r->target == CGROUP_NONE)
		flags |= PERF_FLAG_PID_CGROUP;
	if (r->target == CGROUP_NONE)
		pid = -1;
	if (r->target == BAD_FLAG)
		flags |= 1u << 20;
	if (r->target == WITH_LEADER)
		pid = pv_world.task[OTHER];
	if (r->target == WITH_LEADER || r->target == CPU_LEADER)
		group = pv_world.leader;
	fd = pv_sys_perf_event_open(&attr, pid, cpu, group, flags);
	if (fd >= 0)
		pv_sys_close(fd);
	/* 6.1 looks at the group before the task's owner, later kernels behind. */
	if (r->target == WITH_LEADER && fd == -EACCES && !pv_who.restricted && !passes(READ_TASK))
		fd = -EINVAL;
	return fd < 0 ? fd : 0;
}
