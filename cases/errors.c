/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What perf_event_open(2) must refuse, and with which errno; what it must not refuse. All
 * from perf_copy_attr(), perf_event_alloc() and perf_event_open() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static long try_attr(struct pv_test *t, void *attr)
{
	return pv_outcome(t, attr, 0, -1, -1, 0);
}

/* ---- rules between the fields of an attr ---- */

/* Registers that no x86 or Arm kernel has: 24..31 on x86, 16.. on 32-bit Arm, 34..45 on arm64
 * (arch/.../kernel/perf_regs.c). */
#define NO_REGISTERS 0x3f00ff000000ull

static void set_inherit_thread(struct perf_event_attr *a)
{
	a->inherit_thread = 1;
}

static void set_both_on_exec(struct perf_event_attr *a)
{
	a->remove_on_exec = 1;
	a->enable_on_exec = 1;
}

static void set_sigtrap(struct perf_event_attr *a)
{
	a->sigtrap = 1;
}

static void set_both_weights(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT;
}

static void set_regs_user_none(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_REGS_USER;
}

static void set_regs_user_reserved(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_REGS_USER;
	a->sample_regs_user = NO_REGISTERS;
}

static void set_regs_intr_none(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_REGS_INTR;
}

static void set_regs_intr_reserved(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_REGS_INTR;
	a->sample_regs_intr = NO_REGISTERS;
}

static void set_stack_too_large(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_STACK_USER;
	a->sample_stack_user = USHRT_MAX + 1; /* a multiple of 8, but header.size is 16 bits wide */
}

static void set_stack_unaligned(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_STACK_USER;
	a->sample_stack_user = 12;
}

static void set_branch_nothing(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_BRANCH_STACK;
	a->branch_sample_type = PERF_SAMPLE_BRANCH_USER;
}

static void set_branch_stack(struct perf_event_attr *a)
{
	a->sample_type = PERF_SAMPLE_BRANCH_STACK;
	a->branch_sample_type = PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_ANY;
}

static void set_inherit_read(struct perf_event_attr *a)
{
	a->inherit = 1;
	a->sample_type = PERF_SAMPLE_READ;
}

static void set_period_sign(struct perf_event_attr *a)
{
	a->sample_period = 1ull << 63;
}

static void set_period_largest(struct perf_event_attr *a)
{
	a->sample_period = (1ull << 63) - 1;
}

static void set_clock_cpu(struct perf_event_attr *a)
{
	a->use_clockid = 1;
	a->clockid = 2; /* CLOCK_PROCESS_CPUTIME_ID */
}

static void set_type(struct perf_event_attr *a)
{
	a->type = INT_MAX;
}

static void set_software(struct perf_event_attr *a)
{
	a->config = 1 << 12;
}

static void set_aux_output(struct perf_event_attr *a)
{
	a->aux_output = 1;
}

static const struct {
	const char *word;
	void (*set)(struct perf_event_attr *a);
	long result;
} rules[] = {
	{"inherit-thread-alone", set_inherit_thread, -EINVAL},
	{"remove-and-enable-on-exec", set_both_on_exec, -EINVAL},
	{"sigtrap-without-remove-on-exec", set_sigtrap, -EINVAL},
	{"both-weights", set_both_weights, -EINVAL},
	{"regs-user-none", set_regs_user_none, -EINVAL},
	{"regs-user-reserved", set_regs_user_reserved, -EINVAL},
	{"regs-intr-none", set_regs_intr_none, -EINVAL},
	{"regs-intr-reserved", set_regs_intr_reserved, -EINVAL},
	{"stack-too-large", set_stack_too_large, -EINVAL},
	{"stack-unaligned", set_stack_unaligned, -EINVAL},
	{"branch-privilege-only", set_branch_nothing, -EINVAL},
	{"branch-on-software", set_branch_stack, -EOPNOTSUPP},
	{"inherit-and-read", set_inherit_read, -EINVAL},
	{"period-too-large", set_period_sign, -EINVAL},
	{"period-largest", set_period_largest, 0},
	{"clock-of-cpu-time", set_clock_cpu, -EINVAL},
	{"type-unknown", set_type, -ENOENT},
	{"software-unknown", set_software, -ENOENT},
	{"aux-output-of-software", set_aux_output, -EOPNOTSUPP},
};

PV_CASE(errors, attr_rule, .pmu = "perf",
	.each = "word[inherit-thread-alone,remove-and-enable-on-exec,sigtrap-without-remove-on-exec,"
		"both-weights,regs-user-none,regs-user-reserved,regs-intr-none,regs-intr-reserved,"
		"stack-too-large,stack-unaligned,branch-privilege-only,branch-on-software,"
		"inherit-and-read,period-too-large,period-largest,clock-of-cpu-time,type-unknown,"
		"software-unknown,aux-output-of-software]",
	.about =
		"attr fields that exclude or need one another, or that name what is not there, get the errno of the ABI")
{
	struct perf_event_attr attr = pv_dummy;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (strcmp(pv_word(t), rules[i].word))
			continue;
		pv_expect_errno(t, "without it", try_attr(t, &attr), 0);
		rules[i].set(&attr);
		pv_expect_errno(t, "open", try_attr(t, &attr), rules[i].result);
	}
}

PV_CASE(errors, frequency, .pmu = "perf",
	.about =
		"a sample frequency up to kernel.perf_event_max_sample_rate opens, one above gives EINVAL")
{
	struct perf_event_attr attr = pv_dummy;
	unsigned long long max;
	char text[32];
	int err = pv_file_read("/proc/sys/kernel/perf_event_max_sample_rate", text, sizeof(text));

	if (err < 0)
		pv_error(t, PV_BROKEN_SETUP, "perf_event_max_sample_rate: %s",
			 strerrorname_np(-err));
	max = strtoull(text, NULL, 10);
	attr.freq = 1;
	/* A kernel short of time lowers the limit by itself, never raises it. */
	attr.sample_freq = max + 1;
	pv_expect_errno(t, "above the limit", try_attr(t, &attr), -EINVAL);
	attr.sample_freq = 1;
	pv_expect_errno(t, "one a second", try_attr(t, &attr), 0);
}

/* ---- what is watched, and from where ---- */

static void nothing(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
}

#define PID_OF_THE_DEAD INT_MIN

PV_CASE(errors, target, .pmu = "perf",
	.each = "word[self,nobody,no-such-pid,negative-pid,dead-pid,no-such-cpu,negative-cpu,"
		"no-such-fd,negative-fd,cgroup-without-cpu,cgroup-without-fd,sigtrap-without-task]",
	.about = "a task, CPU, group or cgroup that is not there gets its own errno")
{
	static const struct {
		const char *word;
		pid_t pid;
		int cpu, group_fd;
		unsigned long flags;
		long result;
	} targets[] = {
		{"self", 0, -1, -1, 0, 0},
		{"nobody", -1, -1, -1, 0, -EINVAL},
		{"no-such-pid", INT_MAX, -1, -1, 0, -ESRCH},
		{"negative-pid", -2, -1, -1, 0, -ESRCH},
		{"dead-pid", PID_OF_THE_DEAD, -1, -1, 0, -ESRCH},
		{"no-such-cpu", 0, INT_MAX, -1, 0, -EINVAL},
		{"negative-cpu", 0, -2, -1, 0, -EINVAL},
		{"no-such-fd", 0, -1, 1 << 20, 0, -EBADF},
		{"negative-fd", 0, -1, -2, 0, -EBADF},
		{"cgroup-without-cpu", 0, -1, -1, PERF_FLAG_PID_CGROUP, -EINVAL},
		{"cgroup-without-fd", -1, 0, -1, PERF_FLAG_PID_CGROUP, -EINVAL},
		{"sigtrap-without-task", -1, 0, -1, 0, -EINVAL},
	};
	struct perf_event_attr attr = pv_dummy;
	pid_t pid;

	for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
		if (strcmp(pv_word(t), targets[i].word))
			continue;
		pid = targets[i].pid;
		if (pid == PID_OF_THE_DEAD) {
			pid = pv_fork(t, nothing, NULL);
			pv_wait(t, pid);
		}
		attr.sigtrap = attr.remove_on_exec = !strcmp(pv_word(t), "sigtrap-without-task");
		pv_expect_errno(t, "open",
				pv_outcome(t, &attr, pid, targets[i].cpu, targets[i].group_fd,
					   targets[i].flags),
				targets[i].result);
	}
}

PV_CASE(errors, ioctl, .pmu = "perf",
	.about = "an unknown ioctl, a bad output and a pause without a buffer are refused")
{
	struct pv_ev *ev = pv_open(t, &pv_dummy, 0, -1, NULL, 0);

	pv_expect_errno(t, "unknown", pv_ioctl(ev, _IO('$', 0x7f), 0), -ENOTTY);
	pv_expect_errno(t, "set output to no event",
			pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, 1 << 20), -EBADF);
	pv_expect_errno(t, "set output to itself",
			pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(ev)), -EINVAL);
	pv_expect_errno(t, "pause without a buffer", pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 1),
			-EINVAL);
	pv_expect_errno(t, "known", pv_ioctl(ev, PERF_EVENT_IOC_ENABLE, 0), 0);
}

/* ---- what a PMU has not got ---- */

PV_CASE(errors, config, .pmu = "sw hw tracepoint msr pmuv3 kprobe uprobe",
	.about = "a PMU refuses an event that it has not got")
{
	static const struct {
		const char *family;
		uint64_t config;
		long result;
		uint32_t since; /* attr size of the kernels that refuse it */
	} unknown[] = {
		{"sw", 1 << 12, -ENOENT, 0}, /* perf_swevent_init() */
		/* hw_perf_event_init(), armpmu_map_hw_event() */
		{"hw", PERF_COUNT_HW_MAX + 100, -EINVAL, 0},
		{"tracepoint", INT_MAX, -EINVAL, 0}, /* perf_trace_init() */
		{"msr", 0xffff, -EINVAL, 0},         /* msr_event_init() */
		/* CHAIN alone, __armv8_pmuv3_map_event(); 6.1 opens it and never counts */
		{"pmuv3", 0x1e, -EINVAL, PERF_ATTR_SIZE_VER7 + 8},
		{"kprobe", 0, -ENOENT, 0}, /* create_local_trace_kprobe() */
		{"uprobe", 0, -ENOENT, 0}, /* create_local_trace_uprobe() */
	};
	struct perf_event_attr attr = pv_attr(t, &pv_pmu(t)->events[0]);

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		if (strcmp(pv_pmu(t)->family, unknown[i].family))
			continue;
		attr.config = unknown[i].config;
		if (attr.kprobe_func) /* the same word as uprobe_path */
			attr.kprobe_func = (uintptr_t) "pmuvet_has_neither_function_nor_file";
		if (pv_attr_size(t) < unknown[i].since)
			pv_skip(t, PV_TOO_OLD, "kernels with an attr of %u bytes open it",
				pv_attr_size(t));
		pv_expect_errno(t, "an event it has not", try_attr(t, &attr), unknown[i].result);
	}
}

PV_CASE(errors, branch_stack, .pmu = "sw tracepoint breakpoint kprobe uprobe",
	.each = "event[live]", .about = "a PMU without branch records refuses a branch stack")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	pv_expect_errno(t, "without a branch stack", try_attr(t, &attr), 0);
	set_branch_stack(&attr);
	pv_expect_errno(t, "with a branch stack", try_attr(t, &attr), -EOPNOTSUPP);
}

PV_CASE(errors, no_interrupt, .pmu = "msr", .each = "event[live]",
	.about = "a PMU without interrupt refuses to sample")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	pv_expect_errno(t, "counting", try_attr(t, &attr), 0);
	attr.sample_period = 1000;
	/* msr_event_init() asks first; PMUs that leave it to the core give EOPNOTSUPP. */
	pv_expect_errno(t, "with a period", try_attr(t, &attr), -EINVAL);
	attr.freq = 1;
	attr.sample_freq = 100;
	pv_expect_errno(t, "with a frequency", try_attr(t, &attr), -EINVAL);
}

PV_CASE(errors, no_exclude, .pmu = "msr", .each = "event[live]",
	.about = "a PMU that cannot tell modes apart refuses every exclude bit")
{
	struct perf_event_attr plain = pv_attr(t, pv_event(t)), attr = plain;

	pv_expect_errno(t, "without exclude bits", try_attr(t, &attr), 0);
#define REFUSED(bit)                                                                               \
	do {                                                                                       \
		attr = plain;                                                                      \
		attr.bit = 1;                                                                      \
		pv_expect_errno(t, #bit, try_attr(t, &attr), -EINVAL);                             \
	} while (0)
	REFUSED(exclude_user);
	REFUSED(exclude_kernel);
	REFUSED(exclude_hv);
	REFUSED(exclude_idle);
	REFUSED(exclude_host);
	REFUSED(exclude_guest);
#undef REFUSED
}

PV_CASE(errors, no_exclude_idle, .pmu = "pmuv3",
	.about = "a PMU that counts in idle like anywhere refuses exclude_idle")
{
	struct perf_event_attr attr = pv_attr(t, &pv_pmu(t)->events[0]);

	pv_expect_errno(t, "without it", try_attr(t, &attr), 0);
	attr.exclude_idle = 1;
	pv_expect_errno(t, "with it", try_attr(t, &attr), -EOPNOTSUPP);
}
