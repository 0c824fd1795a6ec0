/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rows, and the gates before them in the order of perf_event_open() of kernel/events/core.c,
 * perf_trace_event_perm(), hw_breakpoint_parse() and the probes' event_init.
 */
#include <limits.h>
#include <linux/hw_breakpoint.h>

#include "arch/isa.h"
#include "cases/lib/privilege.h"

/* ---- what is asked for, on top of an event that anybody may have of himself ---- */

static void set_kernel(struct perf_event_attr *a)
{
	a->exclude_kernel = 0;
}

static void set_hv(struct perf_event_attr *a)
{
	a->exclude_hv = 0;
}

static void set_text_poke(struct perf_event_attr *a)
{
	a->text_poke = 1;
}

static void set_side_band(struct perf_event_attr *a)
{
	a->mmap = a->mmap2 = a->mmap_data = a->comm = a->comm_exec = a->task = 1;
	a->context_switch = a->ksymbol = a->bpf_event = a->cgroup = a->build_id = 1;
	a->sample_id_all = 1;
}

static void set_namespaces(struct perf_event_attr *a)
{
	a->namespaces = 1;
}

static void set_chain(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_CALLCHAIN;
}

static void set_user_chain(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_CALLCHAIN;
	a->exclude_callchain_kernel = 1;
}

static void set_phys(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_PHYS_ADDR;
}

static void set_user_data(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_ADDR | PERF_SAMPLE_DATA_PAGE_SIZE | PERF_SAMPLE_CODE_PAGE_SIZE;
}

static void set_regs(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_REGS_INTR;
	a->sample_regs_intr = 1;
}

static void branches(struct perf_event_attr *a, uint64_t of)
{
	a->sample_type = PERF_SAMPLE_BRANCH_STACK;
	a->branch_sample_type = PERF_SAMPLE_BRANCH_ANY | of;
}

static void set_branch_user(struct perf_event_attr *a)
{
	branches(a, PERF_SAMPLE_BRANCH_USER);
}

static void set_branch_kernel(struct perf_event_attr *a)
{
	branches(a, PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_KERNEL);
}

static void set_branch_hv(struct perf_event_attr *a)
{
	branches(a, PERF_SAMPLE_BRANCH_HV);
}

static void set_branch_same(struct perf_event_attr *a) /* of the modes that are not excluded */
{
	branches(a, 0);
}

static void set_branch_same_hv(struct perf_event_attr *a)
{
	branches(a, 0);
	a->exclude_hv = 0;
}

static void set_sigtrap(struct perf_event_attr *a)
{
	a->sigtrap = a->remove_on_exec = 1;
}

static void set_syscall(struct perf_event_attr *a)
{
	a->type = PERF_TYPE_TRACEPOINT;
	a->config = pv_world.syscall;
}

static void set_syscall_raw(struct perf_event_attr *a)
{
	set_syscall(a);
	a->sample_type = PERF_SAMPLE_RAW;
}

static void set_sched(struct perf_event_attr *a)
{
	a->type = PERF_TYPE_TRACEPOINT;
	a->config = pv_world.sched;
}

static void set_sched_raw(struct perf_event_attr *a)
{
	set_sched(a);
	a->sample_type = PERF_SAMPLE_RAW;
}

static void set_function(struct perf_event_attr *a)
{
	a->type = PERF_TYPE_TRACEPOINT;
	a->config = pv_world.function;
	a->sample_period = 1; /* with a user callchain: refused before anything is patched */
}

static void set_kernel_watch(struct perf_event_attr *a)
{
	a->type = PERF_TYPE_BREAKPOINT;
	a->config = 0;
	a->exclude_kernel = 0;
	a->bp_type = HW_BREAKPOINT_W;
	a->bp_addr = (uintptr_t)-4096L;
	a->bp_len = HW_BREAKPOINT_LEN_4;
}

static void set_kprobe(struct perf_event_attr *a)
{
	a->type = pv_world.kprobe;
	a->config = 0;
	a->kprobe_func = (uintptr_t) "pmuvet_has_no_such_function";
}

static void set_uprobe(struct perf_event_attr *a)
{
	a->type = pv_world.uprobe;
	a->config = 0;
	a->uprobe_path = (uintptr_t) "/pmuvet/has/no/such/file";
}

static void set_too_fast(struct perf_event_attr *a)
{
	a->freq = 1;
	a->sample_freq = 1ull << 40;
}

static void set_kernel_too_fast(struct perf_event_attr *a)
{
	a->exclude_kernel = 0;
	set_too_fast(a);
}

static void set_namespaces_too_fast(struct perf_event_attr *a)
{
	a->namespaces = 1;
	set_too_fast(a);
}

static void set_phys_long(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_PHYS_ADDR;
	a->sample_period = 1ull << 63;
}

static void set_kernel_reserved(struct perf_event_attr *a)
{
	a->exclude_kernel = 0;
	a->read_format = 1ull << 63;
}

static void set_no_type(struct perf_event_attr *a)
{
	a->type = INT_MAX;
}

static void set_no_clock(struct perf_event_attr *a)
{
	a->use_clockid = 1;
	a->clockid = 2;
}

#define KERNEL_WATCH (PV_ISA_WATCH_KERNEL ? 0 : -EINVAL)

#define NONE                                                                                       \
	{                                                                                          \
		OPEN, 0                                                                            \
	}

const struct pv_row pv_rows[] = {
	{"user mode", SELF, NULL, {NONE}, 0},
	{"kernel mode", SELF, set_kernel, {{KERNEL, -EACCES}}, 0},
	{"hypervisor", SELF, set_hv, {NONE}, 0},
	{"text_poke", SELF, set_text_poke, {{KERNEL, -EACCES}}, 0, .chains = true},
	{"side-band", SELF, set_side_band, {NONE}, 0},
	{"namespaces", SELF, set_namespaces, {{PERFMON, -EACCES}}, 0},
	{"callchain", SELF, set_chain, {{KERNEL, -EACCES}}, 0, .chains = true},
	{"user callchain", SELF, set_user_chain, {NONE}, 0},
	{"physical address", SELF, set_phys, {{KERNEL, -EACCES}}, 0},
	{"address and page sizes", SELF, set_user_data, {NONE}, 0},
	{"registers", SELF, set_regs, {NONE}, 0, .lockdown = true},
	{"user branches", SELF, set_branch_user, {NONE}, -EOPNOTSUPP},
	{"kernel branches", SELF, set_branch_kernel, {{KERNEL, -EACCES}}, -EOPNOTSUPP},
	{"hypervisor branches", SELF, set_branch_hv, {{KERNEL, -EACCES}}, -EOPNOTSUPP},
	{"branches", SELF, set_branch_same, {NONE}, -EOPNOTSUPP},
	{"branches, hypervisor not excluded",
	 SELF,
	 set_branch_same_hv,
	 {{KERNEL, -EACCES}},
	 -EOPNOTSUPP},
	{"sigtrap", SELF, set_sigtrap, {NONE}, 0},
	{"system call", SELF, set_syscall, {NONE}, 0},
	{"raw system call", SELF, set_syscall_raw, {NONE}, 0},
	{"raw system call on a CPU",
	 ON_CPU,
	 set_syscall_raw,
	 {{TRACEPOINT, -EPERM}, {CPU, -EACCES}},
	 0},
	{"tracepoint", SELF, set_sched, {NONE}, 0},
	{"raw tracepoint", SELF, set_sched_raw, {{TRACEPOINT, -EPERM}}, 0},
	{"functions", SELF, set_function, {{TRACEPOINT, -EPERM}}, -EINVAL},
	{"kernel watchpoint",
	 SELF,
	 set_kernel_watch,
	 {{KERNEL, -EACCES}, {ADMIN, KERNEL_WATCH ? KERNEL_WATCH : -EPERM}},
	 KERNEL_WATCH},
	{"kprobe", SELF, set_kprobe, {{PERFMON, -EACCES}}, -ENOENT},
	{"uprobe", SELF, set_uprobe, {{ADMIN, -EACCES}}, -ENOENT},
	/* whose */
	{"child", CHILD, NULL, {NONE}, 0},
	{"child, kernel mode", CHILD, set_kernel, {{KERNEL, -EACCES}}, 0},
	{"child, sigtrap", CHILD, set_sigtrap, {NONE}, 0},
	{"other user", OTHER, NULL, {{READ_TASK, -EACCES}}, 0},
	{"other user, sigtrap", OTHER, set_sigtrap, {{SIGNAL_TASK, -EACCES}}, 0},
	{"more capable", CAPABLE, NULL, {{READ_TASK, -EACCES}}, 0},
	{"not dumpable", HIDDEN, NULL, {{READ_TASK, -EACCES}}, 0},
	{"not dumpable, sigtrap", HIDDEN, set_sigtrap, {{SIGNAL_TASK, -EACCES}}, 0},
	{"init", INIT, NULL, {{READ_TASK, -EACCES}}, 0},
	{"kernel thread", KTHREAD, NULL, {{READ_TASK, -EACCES}}, 0},
	{"CPU", ON_CPU, NULL, {{CPU, -EACCES}}, 0},
	{"CPU, kernel mode", ON_CPU, set_kernel, {{KERNEL, -EACCES}, {CPU, -EACCES}}, 0},
	{"cgroup", CGROUP, NULL, {{CPU, -EACCES}}, 0},
	/* two mistakes: the first to be looked at is told */
	{"kernel mode, too fast", SELF, set_kernel_too_fast, {{KERNEL, -EACCES}}, -EINVAL},
	{"namespaces, too fast", SELF, set_namespaces_too_fast, {{PERFMON, -EACCES}}, -EINVAL},
	{"physical address, period too long", SELF, set_phys_long, {NONE}, -EINVAL},
	{"physical address, no cgroup", CGROUP_NONE, set_phys, {{KERNEL, -EACCES}}, -EINVAL},
	{"kernel mode, reserved bit", SELF, set_kernel_reserved, {NONE}, -EINVAL, .early = true},
	{"kernel mode, unknown flag", BAD_FLAG, set_kernel, {NONE}, -EINVAL, .early = true},
	{"other user, unknown type", OTHER, set_no_type, {NONE}, -ENOENT},
	{"other user, unknown clock", OTHER, set_no_clock, {NONE}, -EINVAL},
	/* refused either way; who asks first is not the same in 6.1 and 6.12 */
	{"other user, our leader", WITH_LEADER, NULL, {NONE}, -EINVAL},
	{"CPU, our leader", CPU_LEADER, NULL, {{CPU, -EACCES}}, -EINVAL},
};

const size_t pv_nr_rows = sizeof(pv_rows) / sizeof(pv_rows[0]);

bool pv_row_there(const struct pv_row *r)
{
	if (r->target > SELF && r->target < ON_CPU)
		return pv_world.task[r->target] && !(r->set == set_sigtrap && pv_world.yama > 1);
	if (r->target == CGROUP)
		return pv_world.cgroup >= 0;
	if (r->set == set_syscall || r->set == set_syscall_raw)
		return pv_world.syscall;
	if (r->set == set_sched || r->set == set_sched_raw)
		return pv_world.sched;
	if (r->set == set_function)
		return pv_world.function;
	if (r->set == set_kernel_watch)
		return pv_world.slots;
	if (r->set == set_kprobe)
		return pv_world.kprobe;
	if (r->set == set_uprobe)
		return pv_world.uprobe;
	return true;
}
