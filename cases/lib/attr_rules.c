/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <limits.h>
#include <string.h>

#include "cases/lib/attr_rules.h"
#include "cases/lib/sys.h"

/* Newer than some headers this is built with: byte 116 of the attr. */
void pv_aux_action(struct perf_event_attr *a, uint32_t bits)
{
	memcpy((char *)a + 116, &bits, sizeof(bits));
}

/* By these names in the rules' texts, too: cases/lib/fuzz_print.c. */
#define aux_action(a, bits) pv_aux_action(a, bits)
#define AUX_START_PAUSED    PV_AUX_START_PAUSED
#define AUX_PAUSE           PV_AUX_PAUSE
#define AUX_RESUME          PV_AUX_RESUME

/* A rule's change, as a function and as text. */
#define RULE(fn, ...)                                                                              \
	static void fn(struct perf_event_attr *a)                                                  \
	{                                                                                          \
		__VA_ARGS__;                                                                       \
	}                                                                                          \
	static const char fn##_text[] = #__VA_ARGS__;

/* What nobody asked for is not looked at. */
RULE(regs_user_unasked, a->sample_regs_user = 0xff000000)
RULE(stack_unasked, a->sample_stack_user = 65535)
RULE(branch_unasked, a->branch_sample_type = ~0ull)
RULE(clock_unasked, a->clockid = 2)
RULE(frames_unasked, a->sample_max_stack = USHRT_MAX)
RULE(sig_data_unasked, a->sig_data = ~0ull)
RULE(wakeup_unasked, a->wakeup_events = ~0u)
RULE(stat_unasked, a->inherit_stat = 1)

/* Samples */
RULE(regs_user, a->sample_type = PERF_SAMPLE_REGS_USER; a->sample_regs_user = 0xff)
RULE(regs_intr, a->sample_type = PERF_SAMPLE_REGS_INTR; a->sample_regs_intr = 0xff)
RULE(regs_both_user_bad, a->sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_REGS_INTR;
     a->sample_regs_intr = 1; a->sample_regs_user = 0)
RULE(regs_both_intr_bad, a->sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_REGS_INTR;
     a->sample_regs_user = 1; a->sample_regs_intr = 0)
RULE(stack_none, a->sample_type = PERF_SAMPLE_STACK_USER)
RULE(stack_largest, a->sample_type = PERF_SAMPLE_STACK_USER; a->sample_stack_user = 65528)
RULE(stack_65535, a->sample_type = PERF_SAMPLE_STACK_USER; a->sample_stack_user = 65535)
RULE(stack_4g, a->sample_type = PERF_SAMPLE_STACK_USER; a->sample_stack_user = 0xfffffff8u)
RULE(stack_4, a->sample_type = PERF_SAMPLE_STACK_USER; a->sample_stack_user = 4)
RULE(weight, a->sample_type = PERF_SAMPLE_WEIGHT)
RULE(weight_struct, a->sample_type = PERF_SAMPLE_WEIGHT_STRUCT)
RULE(frames_65535, a->sample_type = PERF_SAMPLE_CALLCHAIN; a->sample_max_stack = USHRT_MAX)
RULE(frames_1, a->sample_type = PERF_SAMPLE_CALLCHAIN; a->sample_max_stack = 1)
RULE(branch_all_modes, a->sample_type = PERF_SAMPLE_BRANCH_STACK; a->branch_sample_type = 7)
RULE(branch_zero, a->sample_type = PERF_SAMPLE_BRANCH_STACK; a->branch_sample_type = 0)
RULE(branch_any, a->sample_type = PERF_SAMPLE_BRANCH_STACK; a->branch_sample_type = 8)

/* Periods */
RULE(period_1, a->sample_period = 1)
RULE(period_top, a->sample_period = 1ull << 63 | 1)
RULE(frequency_top, a->freq = 1; a->sample_freq = 1ull << 63)
RULE(frequency_wide, a->freq = 1; a->sample_freq = 1ull << 32 | 1)
RULE(frequency_0, a->freq = 1)

/* Inheritance, exec and signals */
RULE(inherit_read, a->inherit = 1; a->sample_type = PERF_SAMPLE_READ | PERF_SAMPLE_TIME)
RULE(read_alone, a->sample_type = PERF_SAMPLE_READ)
RULE(inherit_group_format, a->inherit = 1; a->read_format = PERF_FORMAT_GROUP)
RULE(thread_and_inherit, a->inherit = 1; a->inherit_thread = 1)
RULE(thread_alone, a->inherit_thread = 1; a->inherit_stat = 1)
RULE(enable_on_exec, a->enable_on_exec = 1)
RULE(remove_on_exec, a->remove_on_exec = 1)
RULE(sigtrap_data, a->sigtrap = 1; a->remove_on_exec = 1; a->sig_data = ~0ull)
RULE(sigtrap_and_enable, a->sigtrap = 1; a->enable_on_exec = 1)
RULE(sigtrap_all, a->sigtrap = 1; a->remove_on_exec = 1; a->enable_on_exec = 1)

/* Clocks: all that perf has are good for a software event, which no NMI reaches. */
RULE(clock_realtime, a->use_clockid = 1; a->clockid = 0)
RULE(clock_monotonic, a->use_clockid = 1; a->clockid = 1)
RULE(clock_raw, a->use_clockid = 1; a->clockid = 4)
RULE(clock_boottime, a->use_clockid = 1; a->clockid = 7)
RULE(clock_tai, a->use_clockid = 1; a->clockid = 11)
RULE(clock_thread, a->use_clockid = 1; a->clockid = 3)
RULE(clock_coarse, a->use_clockid = 1; a->clockid = 5)
RULE(clock_alarm, a->use_clockid = 1; a->clockid = 8)
RULE(clock_12, a->use_clockid = 1; a->clockid = 12)
RULE(clock_negative, a->use_clockid = 1; a->clockid = -1)

/* AUX: no leader has an AUX area here. */
RULE(aux_sample, a->sample_type = PERF_SAMPLE_AUX; a->aux_sample_size = 4096)
RULE(aux_sample_unasked, a->aux_sample_size = 4096)
RULE(aux_sample_0, a->sample_type = PERF_SAMPLE_AUX)
RULE(aux_both, a->aux_output = 1; a->aux_sample_size = 4096)
RULE(aux_paused, aux_action(a, AUX_START_PAUSED))
RULE(aux_pause, aux_action(a, AUX_PAUSE))
RULE(aux_resume, aux_action(a, AUX_RESUME))
RULE(aux_pause_resume, aux_action(a, AUX_PAUSE | AUX_RESUME))
RULE(aux_output_pause, a->aux_output = 1; aux_action(a, AUX_PAUSE))

/* Names of what is not there */
RULE(software_12, a->config = 12)
RULE(software_wide, a->config = 1ull << 32 | PERF_COUNT_SW_DUMMY)
RULE(software_all, a->config = ~0ull)
RULE(type_max, a->type = INT_MAX)
RULE(type_negative, a->type = ~0u)

#define ROW(group, name, fn, stage, result)                                                        \
	{                                                                                          \
		group, name, fn, PV_STAGE_##stage, result, false, fn##_text                        \
	}
#define ACTION(name, fn, stage, result)                                                            \
	{                                                                                          \
		"aux", name, fn, PV_STAGE_##stage, result, true, fn##_text                         \
	}

const struct pv_rule pv_rules[] = {
	ROW("unasked", "user registers", regs_user_unasked, COPY, 0),
	ROW("unasked", "stack", stack_unasked, COPY, 0),
	ROW("unasked", "branches", branch_unasked, COPY, 0),
	ROW("unasked", "clock", clock_unasked, COPY, 0),
	ROW("unasked", "frames", frames_unasked, COPY, 0),
	ROW("unasked", "signal data", sig_data_unasked, COPY, 0),
	ROW("unasked", "wakeup", wakeup_unasked, COPY, 0),
	ROW("unasked", "inherit_stat", stat_unasked, COPY, 0),
	ROW("sample", "user registers", regs_user, COPY, 0),
	ROW("sample", "interrupt registers", regs_intr, COPY, 0),
	ROW("sample", "no user registers beside interrupt's", regs_both_user_bad, COPY, -EINVAL),
	ROW("sample", "no interrupt registers beside user's", regs_both_intr_bad, COPY, -EINVAL),
	ROW("sample", "no stack", stack_none, COPY, 0),
	ROW("sample", "largest stack", stack_largest, COPY, 0),
	ROW("sample", "stack of 65535", stack_65535, COPY, -EINVAL),
	ROW("sample", "stack of 4 GiB", stack_4g, COPY, -EINVAL),
	ROW("sample", "stack of 4", stack_4, COPY, -EINVAL),
	ROW("sample", "weight", weight, COPY, 0),
	ROW("sample", "weight struct", weight_struct, COPY, 0),
	ROW("sample", "65535 frames", frames_65535, PMU, -EOVERFLOW),
	ROW("sample", "1 frame", frames_1, COPY, 0),
	ROW("sample", "branches of all modes", branch_all_modes, COPY, -EINVAL),
	ROW("sample", "branches of no kind", branch_zero, COPY, -EINVAL),
	ROW("sample", "any branch", branch_any, PMU, -EOPNOTSUPP),
	ROW("period", "1", period_1, ENTRY, 0),
	ROW("period", "top bit", period_top, ENTRY, -EINVAL),
	ROW("period", "frequency of the top bit", frequency_top, ENTRY, -EINVAL),
	ROW("period", "frequency of 33 bits", frequency_wide, ENTRY, -EINVAL),
	ROW("period", "frequency of 0", frequency_0, ENTRY, 0),
	ROW("life", "inherit and read", inherit_read, ALLOC, -EINVAL),
	ROW("life", "read", read_alone, COPY, 0),
	ROW("life", "inherit and group format", inherit_group_format, COPY, 0),
	ROW("life", "inherit_thread and inherit", thread_and_inherit, COPY, 0),
	ROW("life", "inherit_thread", thread_alone, COPY, -EINVAL),
	ROW("life", "enable_on_exec", enable_on_exec, COPY, 0),
	ROW("life", "remove_on_exec", remove_on_exec, COPY, 0),
	ROW("life", "sigtrap with data", sigtrap_data, COPY, 0),
	ROW("life", "sigtrap and enable_on_exec", sigtrap_and_enable, COPY, -EINVAL),
	ROW("life", "sigtrap and both on exec", sigtrap_all, COPY, -EINVAL),
	ROW("clock", "CLOCK_REALTIME", clock_realtime, CLOCK, 0),
	ROW("clock", "CLOCK_MONOTONIC", clock_monotonic, CLOCK, 0),
	ROW("clock", "CLOCK_MONOTONIC_RAW", clock_raw, CLOCK, 0),
	ROW("clock", "CLOCK_BOOTTIME", clock_boottime, CLOCK, 0),
	ROW("clock", "CLOCK_TAI", clock_tai, CLOCK, 0),
	ROW("clock", "CLOCK_THREAD_CPUTIME_ID", clock_thread, CLOCK, -EINVAL),
	ROW("clock", "CLOCK_REALTIME_COARSE", clock_coarse, CLOCK, -EINVAL),
	ROW("clock", "CLOCK_REALTIME_ALARM", clock_alarm, CLOCK, -EINVAL),
	ROW("clock", "12", clock_12, CLOCK, -EINVAL),
	ROW("clock", "-1", clock_negative, CLOCK, -EINVAL),
	ROW("aux", "sample", aux_sample, AUX, -EINVAL),
	ROW("aux", "sample size alone", aux_sample_unasked, AUX, -EINVAL),
	ROW("aux", "sample of size 0", aux_sample_0, COPY, 0),
	ROW("aux", "output and sample", aux_both, PMU, -EOPNOTSUPP),
	ACTION("start paused", aux_paused, PMU, -EOPNOTSUPP),
	ACTION("pause", aux_pause, AUX, -EINVAL),
	ACTION("resume", aux_resume, AUX, -EINVAL),
	ACTION("pause and resume", aux_pause_resume, PMU, -EINVAL),
	ACTION("output and pause", aux_output_pause, PMU, -EOPNOTSUPP),
	ROW("absent", "software 12", software_12, PMU, -ENOENT),
	ROW("absent", "software event of 33 bits", software_wide, PMU, -ENOENT),
	ROW("absent", "software event of 64 bits", software_all, PMU, -ENOENT),
	ROW("absent", "type 0x7fffffff", type_max, PMU, -ENOENT),
	ROW("absent", "type 0xffffffff", type_negative, PMU, -ENOENT),
};
const size_t pv_nr_rules = sizeof(pv_rules) / sizeof(pv_rules[0]);

bool pv_aux_action_known(void)
{
	struct perf_event_attr attr = pv_dummy;
	static int known = -1;
	long fd;

	if (known < 0) {
		/* A reserved word is EINVAL, a known bit that the PMU cannot is EOPNOTSUPP. */
		aux_action(&attr, AUX_START_PAUSED);
		fd = pv_sys_perf_event_open(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd >= 0)
			pv_sys_close(fd);
		known = fd != -EINVAL;
	}
	return known;
}

bool pv_rule_applies(struct pv_test *t, const struct pv_rule *r)
{
	(void)t;
	return !r->aux_action || pv_aux_action_known();
}
