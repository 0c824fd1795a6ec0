/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The promises the simulated kernel can break, one at a time: name, what is
 * broken, and globs of the cases that own the promise (family/capability/name, without
 * variants): at least one variant of each must turn red.
 */
#ifndef PV_TESTS_SIM_BREAKS_H
#define PV_TESTS_SIM_BREAKS_H

#include <stdbool.h>

/* clang-format off */
#define SIM_BREAKS(X) \
	/* counting */ \
	X(DEAD_COUNTER, "an event opens and reads 0 for ever", \
	  "*/counting/live */counting/exact */groups/unlimited") \
	X(OPEN_DENIED, "a task with all privileges is refused with EACCES", \
	  "*/counting/live */counting/exact */groups/order */errors/attr_size */breakpoint/slots") \
	X(COUNT_LOSES, "every hundredth occurrence is not counted", \
	  "*/counting/exact */tracepoint/calls */ring/wrap") \
	X(COUNT_FIRST_TWICE, "the first occurrence counts twice", \
	  "*/counting/exact */tracepoint/calls") \
	X(COUNT_DRIFTS, "one in ten thousand hardware occurrences counts twice", \
	  "*/counting/loop") \
	X(READ_ADDS_ONE, "a read changes the count", "*/counting/exact") \
	X(READ_COUNTS_AGAIN, "a read of a running event counts all of it once more", \
	  "*/running/reads") \
	X(ZERO_COUNTS, "events that have nothing to count do count", "*/counting/zero") \
	X(CLOCK_FAST, "clocks run a thousand times too fast", "*/counting/live") \
	X(CLOCK_STANDS, "clocks run a hundred times too slow", "*/counting/live") \
	X(CYCLES_SLOW, "cycles run eight times too slow", "*/counting/loop") \
	X(CPU_WIDE_DEAD, "CPU-wide events count nothing", "*/counting/live") \
	X(SIBLING_DEAD, "group siblings count nothing", "*/counting/live */groups/sw_sibling") \
	X(PINNED_FAILS, "pinned events are in error state at once", "*/counting/live") \
	X(EXCLUDE_USER_IGNORED, "exclude_user is ignored", \
	  "*/counting/exclude */counting/additive") \
	X(EXCLUDE_KERNEL_IGNORED, "exclude_kernel is ignored", \
	  "*/counting/exclude */counting/additive_loop") \
	X(EXCLUDE_STOPS, "exclude_user or exclude_kernel stop the event", "*/counting/exclude") \
	X(EXCLUDE_OTHER_STOPS, "exclude_hv or exclude_idle stop the event", "*/counting/exclude") \
	X(TIME_STANDS, "time_enabled and time_running never grow", \
	  "*/counting/times */counting/exclude") \
	X(TIME_RUNS_OFF, "both times grow while the event is off", "*/counting/times") \
	X(RUNNING_ABOVE_ENABLED, "time_running is larger than time_enabled", "*/counting/times") \
	X(RUNNING_LAGS, "time_running is half of time_enabled", \
	  "*/counting/times */groups/coherent */groups/unlimited") \
	X(ID_SWAPPED, "read(2) gives the id of another event", "*/counting/id */ring/fields") \
	X(ID_NOT_UNIQUE, "read(2) gives every event the same id", "*/counting/id */groups/order") \
	X(IOC_ID_WRONG, "IOC_ID differs from the id that read(2) gives", "*/counting/id") \
	X(IOC_ID_REFUSED, "IOC_ID is refused", "*/counting/id */tracepoint/calls") \
	X(IDS_ZERO, "every id is 0", "*/counting/id */groups/order") \
	/* toggles */ \
	X(STARTS_ENABLED, "attr.disabled is ignored", \
	  "*/counting/live */toggles/switch */overflow/poll") \
	X(BORN_OFF, "an event opened without attr.disabled does not count", \
	  "*/toggles/born_enabled") \
	X(SIBLING_WAITS, "a sibling that is enabled again below a running leader does not count", \
	  "*/toggles/again") \
	X(JOINED_WAITS, "an enabled event that joins a running group does not count", \
	  "*/toggles/join */toggles/join_software") \
	X(ENABLE_IGNORED, "IOC_ENABLE does nothing", "*/toggles/switch") \
	X(ENABLE_REFUSED, "IOC_ENABLE is refused", "*/errors/ioctl") \
	X(ENABLE_RESETS, "IOC_ENABLE sets the count to 0", \
	  "*/toggles/switch */running/enable_again") \
	X(DISABLE_IGNORED, "IOC_DISABLE does nothing", "*/counting/live */toggles/switch") \
	X(DISABLE_ADDS_ONE, "IOC_DISABLE changes the count", "*/toggles/switch") \
	X(COUNTS_WHEN_OFF_TOO, "a disabled event counts", \
	  "*/counting/live */toggles/switch */breakpoint/other_function */running/off_time") \
	X(RESET_IGNORED, "IOC_RESET does nothing", "*/toggles/reset */running/reset_unread") \
	X(RESET_CLEARS_TIMES, "IOC_RESET clears the times too", "*/toggles/reset") \
	X(RESET_DISABLES, "IOC_RESET disables the event", "*/toggles/reset") \
	X(RESET_ENABLES, "IOC_RESET enables the event", "*/toggles/reset") \
	X(GROUP_FLAG_IGNORED, "PERF_IOC_FLAG_GROUP is ignored", "*/toggles/group_flag") \
	X(GROUP_FLAG_ALWAYS, "every ioctl works on the whole group", "*/toggles/no_group_flag") \
	X(SIBLING_IGNORES_LEADER, "a sibling counts below a disabled leader", \
	  "*/toggles/sibling_first") \
	X(IOCTL_UNKNOWN_ACCEPTED, "an unknown ioctl is accepted", "*/errors/ioctl") \
	/* attr */ \
	X(SIZE_0_REFUSED, "attr.size 0 is not taken for 64", "*/errors/attr_size") \
	X(SIZE_SMALL_ACCEPTED, "an attr.size below 64 is accepted", "*/errors/attr_too_big") \
	X(SIZE_OLD_REFUSED, "sizes of older headers are refused", "*/errors/attr_size") \
	X(SIZE_ZERO_TAIL_REFUSED, "a larger attr with a zero tail is refused", \
	  "*/errors/attr_size */errors/attr_too_big") \
	X(SIZE_TAIL_ACCEPTED, "a tail that the kernel does not know is ignored", \
	  "*/errors/attr_too_big") \
	X(SIZE_NOT_WRITTEN_BACK, "E2BIG does not write the kernel's size back", \
	  "*/errors/attr_too_big") \
	X(FAULT_EINVAL, "a bad attr pointer gives EINVAL", "*/errors/attr_fault") \
	X(RESERVED_OPEN_FLAGS, "unknown flags of perf_event_open are accepted", \
	  "*/errors/reserved") \
	X(RESERVED_ATTR_FLAGS, "reserved attr flag bits are accepted", "*/errors/reserved") \
	X(RESERVED_READ_FORMAT, "reserved read_format bits are accepted", "*/errors/reserved") \
	X(RESERVED_SAMPLE_TYPE, "reserved sample_type bits are accepted", "*/errors/reserved") \
	X(RESERVED_BRANCH, "reserved branch_sample_type bits are accepted", "*/errors/reserved") \
	X(RESERVED_AUX_ACTION, "reserved aux_action bits are accepted", "*/errors/reserved") \
	X(RESERVED_2, "__reserved_2 is not checked", "*/errors/reserved") \
	X(DEFINED_OPEN_FLAGS, "PERF_FLAG_FD_CLOEXEC is refused", "*/errors/defined") \
	X(DEFINED_ATTR_FLAGS, "attr.comm_exec is refused", "*/errors/defined") \
	X(DEFINED_READ_FORMAT, "PERF_FORMAT_LOST is refused", "*/errors/defined") \
	X(DEFINED_SAMPLE_TYPE, "PERF_SAMPLE_TRANSACTION is refused", "*/errors/defined") \
	X(DEFINED_BRANCH, "PERF_SAMPLE_BRANCH_COND is refused", "*/errors/defined") \
	X(DEFINED_AUX_ACTION, "aux_start_paused is refused with EINVAL", "*/errors/defined") \
	X(COMPANIONS_UNCHECKED, "attr bits that need one another are accepted alone", \
	  "*/errors/attr_rule") \
	X(TYPE_UNCHECKED, "an unknown PMU type opens", "*/errors/attr_rule") \
	X(OPEN_REFUSED, "every event is refused with EINVAL", \
	  "*/errors/attr_rule */errors/no_interrupt */errors/no_exclude */errors/no_exclude_idle") \
	X(SW_CONFIG_UNCHECKED, "an unknown software event opens", \
	  "*/errors/attr_rule */errors/config") \
	X(BRANCH_ACCEPTED, "a branch stack is accepted where there are no branch records", \
	  "*/errors/branch_stack */errors/attr_rule") \
	X(EXCLUDE_IDLE_ACCEPTED, "PMUv3 accepts exclude_idle", "*/errors/no_exclude_idle") \
	X(CHAIN_ACCEPTED, "PMUv3 opens the CHAIN event alone", "*/errors/config") \
	X(PROBE_UNCHECKED, "a probe of what is not there opens", "*/errors/config") \
	X(AUX_OUTPUT_ACCEPTED, "aux_output is accepted where there is no AUX", \
	  "*/errors/attr_rule */errors/defined") \
	X(CLOCKID_UNCHECKED, "any clockid is accepted", "*/errors/attr_rule") \
	X(TP_CONFIG_UNCHECKED, "an unknown tracepoint id opens", "*/errors/config") \
	X(MSR_CONFIG_UNCHECKED, "an unknown event of the msr PMU opens", "*/errors/config") \
	X(NO_INTERRUPT_ACCEPTED, "a PMU without interrupt accepts a sample period", \
	  "*/errors/no_interrupt") \
	X(NO_EXCLUDE_ACCEPTED, "a PMU that cannot exclude accepts exclude bits", \
	  "*/errors/no_exclude") \
	X(NO_TASK_EINVAL, "a pid without task gives EINVAL", "*/errors/target") \
	X(NO_TARGET_ACCEPTED, "pid -1 with cpu -1 opens", "*/errors/target") \
	X(CPU_UNCHECKED, "an absurd CPU number opens", "*/errors/target") \
	X(GROUP_FD_EINVAL, "a bad group_fd gives EINVAL", "*/errors/target */groups/refused") \
	X(FREQ_UNCHECKED, "a frequency above the sysctl is accepted", "*/errors/frequency") \
	X(FREQ_REFUSED, "every frequency is refused", "*/errors/frequency") \
	X(PERIOD_63_OPENS, "a sample_period with bit 63 opens", "*/errors/attr_rule") \
	X(SIGTRAP_CPU_ACCEPTED, "sigtrap without a task opens", "*/errors/target") \
	X(INHERIT_READ_ACCEPTED, "inherit with SAMPLE_READ but without TID opens", \
	  "*/errors/attr_rule") \
	/* sysfs */ \
	X(SYSFS_TYPE_FIXED_WRONG, "the breakpoint PMU has another type than PERF_TYPE_BREAKPOINT", \
	  "*/sysfs/type") \
	X(SYSFS_FORMAT_BACKWARDS, "a format field ends before it begins", "*/sysfs/format") \
	X(SYSFS_CPUMASK_EMPTY, "cpus is empty", "*/sysfs/cpus") \
	X(SYSFS_TYPE_TWICE, "two PMUs have the same type number", "*/sysfs/type") \
	X(SYSFS_TYPE_TEXT, "a PMU's type is not a number", "*/sysfs/type") \
	X(SYSFS_FORMAT_OVERLAP, "two format fields share bits", "*/sysfs/format") \
	X(SYSFS_FORMAT_WIDE, "a format field is wider than its word", "*/sysfs/format") \
	X(SYSFS_FORMAT_GARBAGE, "a format field names no config word", "*/sysfs/format") \
	X(SYSFS_FORMAT_MOVED, "a format field lies elsewhere than the ABI has it", \
	  "*/sysfs/fields") \
	X(SYSFS_EVENT_UNKNOWN_FIELD, "an event string uses a field that format/ lacks", \
	  "*/sysfs/events") \
	X(SYSFS_EVENT_TOO_LARGE, "an event string's value does not fit in its field", \
	  "*/sysfs/events") \
	X(SYSFS_EVENT_REFUSED, "an event that sysfs names does not open", "*/sysfs/events") \
	X(SYSFS_CPUMASK_BAD, "cpus names CPUs that are not there", "*/sysfs/cpus") \
	X(SYSFS_CPUMASK_GARBAGE, "cpus is no list of CPUs", "*/sysfs/cpus") \
	X(SYSFS_EMPTY, "event_source has no device", "*/sysfs/type") \
	X(SYSFS_FORMAT_GONE, "format fields are gone", "*/sysfs/fields") \
	X(SYSFS_CAPS_TEXT, "a capability is not a number", "*/sysfs/caps") \
	/* tracepoint */ \
	X(TP_FIRES_FOR_OTHERS, "a syscall tracepoint fires for every system call", \
	  "*/tracepoint/silent") \
	X(RAW_ID_WRONG, "the raw data carry another tracepoint's id", "*/tracepoint/raw") \
	X(RAW_EMPTY, "the raw data have size 0", "*/tracepoint/raw") \
	X(RAW_PID_WRONG, "the raw data name another thread", "*/tracepoint/raw") \
	X(SET_OUTPUT_IGNORED, "SET_OUTPUT answers 0 and does nothing", "*/tracepoint/calls") \
	X(SET_OUTPUT_UNCHECKED, "SET_OUTPUT accepts any pair of events", \
	  "*/errors/ioctl */ring/output_refused") \
	X(SET_OUTPUT_REFUSED, "SET_OUTPUT is always refused", "*/tracepoint/calls") \
	X(SET_OUTPUT_FD_UNCHECKED, "SET_OUTPUT to no event is accepted", "*/errors/ioctl") \
	X(PAUSE_UNCHECKED, "PAUSE_OUTPUT without a ring is accepted", "*/errors/ioctl") \
	/* ring */ \
	X(SAMPLES_MISSING, "no sample reaches the ring", "*/ring/law */ring/clock") \
	X(SAMPLES_SKIP, "every third overflow has no sample", "*/ring/law */ring/law_counter") \
	X(SAMPLE_TWICE, "every sample is written twice", "*/ring/law") \
	X(FIRST_PERIOD_SHORT, "the first period is one too short", \
	  "*/overflow/refresh */groups/sample_read") \
	X(FIRST_PERIOD_LONG, "the first period is one too long", \
	  "*/overflow/refresh */groups/sample_read") \
	X(PERIOD_CUT, "a period is cut to 32 bits", "*/overflow/never") \
	X(HEAD_GOES_BACK, "data_head goes back", "*/ring/wrap */ring/lost") \
	X(RECORD_SIZE_ODD, "the size of a record is not a multiple of 8", "*/ring/law") \
	X(SAMPLE_LONGER, "a sample is a word longer than its fields", "*/ring/fields") \
	X(RECORD_UNKNOWN, "records of unknown type are in the ring", "*/ring/fields") \
	X(SAMPLE_PERIOD_WRONG, "PERIOD in a sample is one too large", "*/ring/periods") \
	X(SAMPLE_TID_WRONG, "pid and tid in a sample are another task's", "*/ring/fields") \
	X(SAMPLE_TIME_FALLS, "TIME in samples goes back", "*/ring/fields") \
	X(SAMPLE_ID_WRONG, "the ID in a sample is another event's", \
	  "*/ring/fields */tracepoint/calls") \
	X(SAMPLE_IP_WRONG, "IP in a sample is elsewhere", "*/ring/fields") \
	X(SAMPLE_ADDR_WRONG, "ADDR in a sample is elsewhere", "*/ring/fields") \
	X(SAMPLE_MODE_WRONG, "a user sample's misc says kernel", "*/ring/fields") \
	X(SAMPLE_CPU_WRONG, "CPU in a sample is another one", "*/ring/fields") \
	X(WRAP_CORRUPTED, "a record across the end of the ring is damaged", "*/ring/wrap") \
	X(RING_OVERWRITES, "a full ring overwrites what was not read", "*/ring/lost") \
	X(LOST_RECORD_MISSING, "no LOST record is written", "*/ring/lost") \
	X(LOST_RECORD_SHORT, "a LOST record says one too few", "*/ring/lost") \
	X(LOST_RECORD_SPURIOUS, "a LOST record tells of what is not lost", \
	  "*/ring/wrap */ring/clock") \
	X(LOST_RECORD_ID, "a LOST record has another event's id", "*/ring/lost") \
	X(FORMAT_LOST_ZERO, "PERF_FORMAT_LOST reads 0", "*/ring/lost_format") \
	X(FORMAT_LOST_DOUBLE, "PERF_FORMAT_LOST counts twice", "*/ring/lost_format") \
	X(FORMAT_LOST_STARTS_ONE, "PERF_FORMAT_LOST starts at 1", "*/ring/lost_format") \
	X(CLOCK_ONE_SAMPLE, "a clock event's timer fires once", "*/ring/clock") \
	X(CLOCK_SAMPLES_TOO_MANY, "a clock event samples ten times too often", "*/ring/clock") \
	X(MMAP_PRIVATE_ACCEPTED, "a private mapping of a ring is accepted", "*/ring/map_refused") \
	X(MMAP_SIZE_UNCHECKED, "a ring of any number of pages is accepted", "*/ring/map_refused") \
	X(MMAP_RESIZE_ACCEPTED, "a second mapping of another size is accepted", \
	  "*/ring/map_refused") \
	X(MMAP_INHERIT_ACCEPTED, "an inherited any-CPU event can be mapped", "*/ring/map_refused") \
	/* overflow */ \
	X(SIGNAL_EXTRA, "one signal too many", "*/overflow/signals* */overflow/signal_per_sample") \
	X(SIGNAL_MISSING, "one signal too few", "*/overflow/signals*") \
	X(SIGNAL_HUP, "every signal is POLL_HUP", "*/overflow/signals*") \
	X(SIGNAL_WRONG_NUMBER, "F_SETSIG is ignored", "*/overflow/signals") \
	X(SI_FD_WRONG, "si_fd is another descriptor", "*/overflow/signals*") \
	X(REFRESH_ONE_MORE, "IOC_REFRESH(n) lets n + 1 overflows pass", \
	  "*/overflow/refresh */overflow/refresh_breakpoint") \
	X(REFRESH_NO_HUP, "the last overflow of IOC_REFRESH is no POLL_HUP", \
	  "*/overflow/refresh */overflow/refresh_breakpoint") \
	X(REFRESH_GOES_ON, "the event is not disabled after IOC_REFRESH's last", \
	  "*/overflow/refresh */overflow/refresh_breakpoint") \
	X(REFRESH_LAST, "an event that IOC_REFRESH ended does not start again", \
	  "*/overflow/refresh_again*") \
	X(REFRESH_REFUSED, "IOC_REFRESH is refused", \
	  "*/overflow/refresh */overflow/refresh_breakpoint */overflow/refresh_again*") \
	X(REFRESH_ONCE, "a second IOC_REFRESH is refused", "*/overflow/refresh_again*") \
	X(REFRESH_UNCHECKED, "IOC_REFRESH works on counting and inherited events", \
	  "*/overflow/refresh_refused") \
	X(POLL_NO_IN, "poll never says POLLIN", "*/overflow/poll") \
	X(POLL_ALWAYS_IN, "poll always says POLLIN", "*/overflow/poll") \
	X(POLL_STICKS, "poll does not take POLLIN away", "*/overflow/poll") \
	X(POLL_NO_HUP, "poll does not tell that the monitored task is gone", "*/overflow/hup") \
	X(PERIOD_IGNORED, "IOC_PERIOD does nothing", "*/overflow/period") \
	X(PERIOD_REFUSED, "IOC_PERIOD is refused", "*/overflow/period */overflow/period_counter") \
	X(PERIOD_LATE, "IOC_PERIOD waits for the old period to end", \
	  "*/overflow/period */overflow/period_counter") \
	X(PERIOD_0_ACCEPTED, "IOC_PERIOD accepts 0", "*/overflow/period_refused") \
	X(PERIOD_63_ACCEPTED, "IOC_PERIOD accepts bit 63", "*/overflow/period_refused") \
	X(PERIOD_COUNTING_ACCEPTED, "IOC_PERIOD works on a counting event", \
	  "*/overflow/period_refused") \
	X(PERIOD_REFUSED_SETS, "a refused IOC_PERIOD changes the period", \
	  "*/overflow/period_refused") \
	/* breakpoint */ \
	X(BP_BYTE_BEHIND, "a store behind the watched bytes counts", "*/breakpoint/neighbour") \
	X(BP_BYTE_BEFORE, "a store before the watched bytes counts", "*/breakpoint/neighbour") \
	X(BP_FIRST_BYTE_ONLY, "only the first of the watched bytes is watched", \
	  "*/breakpoint/neighbour") \
	X(BP_WIDE_TWICE, "a store of more than a byte counts twice", "*/breakpoint/neighbour") \
	X(BP_LOAD_ON_WRITE, "a load counts on a write watchpoint", "*/breakpoint/direction") \
	X(BP_LOADS_MISSED, "loads never count", "*/breakpoint/direction") \
	X(BP_EXEC_ELSEWHERE, "an execution breakpoint counts calls of another function", \
	  "*/breakpoint/other_function") \
	X(MODIFY_IGNORED, "MODIFY_ATTRIBUTES leaves the old place watched", "*/breakpoint/modify") \
	X(MODIFY_CLEARS, "MODIFY_ATTRIBUTES loses the count", "*/breakpoint/modify") \
	X(MODIFY_UNCHECKED, "MODIFY_ATTRIBUTES accepts other changes", \
	  "*/breakpoint/modify_refused") \
	X(MODIFY_OTHER_ACCEPTED, "MODIFY_ATTRIBUTES works on other events", \
	  "*/breakpoint/modify_refused") \
	X(MODIFY_REFUSED, "MODIFY_ATTRIBUTES is always refused", "*/breakpoint/modify") \
	X(MODIFY_TYPE_ACCEPTED, "MODIFY_ATTRIBUTES accepts another type", \
	  "*/breakpoint/modify_refused") \
	X(BP_SLOT_LEAKED, "close does not give the slot back", "*/breakpoint/slots") \
	X(BP_SLOT_LEAKED_LATER, "close gives a slot back only at first", "*/breakpoint/slots") \
	X(BP_SLOTS_UNLIMITED, "there is no end of slots", "*/breakpoint/slots") \
	X(BP_SLOTS_EBUSY, "full slots give EBUSY", "*/breakpoint/slots") \
	X(BP_SLOTS_SPLIT, "execution and data breakpoints have slots of their own", \
	  "*/breakpoint/slots_shared") \
	X(BP_TYPE_UNCHECKED, "a bad bp_type opens", "*/breakpoint/refused") \
	X(BP_LEN_UNCHECKED, "a bad bp_len opens", "*/breakpoint/refused") \
	X(BP_ALIGN_UNCHECKED, "an unaligned watchpoint opens", "*/breakpoint/refused_x86") \
	X(BP_KERNEL_UNCHECKED, "a kernel address with exclude_kernel opens", \
	  "*/breakpoint/kernel_address") \
	X(BP_REFUSED_KEEPS_SLOT, "a refused breakpoint keeps its slot", "*/breakpoint/refused") \
	X(BP_LATE_REFUSAL_KEEPS_SLOT, "a breakpoint refused behind its own set-up keeps its slot", \
	  "*/breakpoint/late_refusal") \
	X(EXTENDED_REGS_ACCEPTED, "extended registers are accepted where no PMU samples them", \
	  "*/breakpoint/late_refusal") \
	/* groups */ \
	X(GROUP_INCOHERENT, "siblings lag one behind in a group read", "*/groups/coherent") \
	X(GROUP_NR_WRONG, "nr of a group read is one too large", "*/groups/coherent") \
	X(GROUP_READ_CUT, "a group read ends after 60 members", "*/groups/unlimited") \
	X(GROUP_CLOSED_BY_REFUSAL, "a refused sibling closes the group", "*/groups/refused") \
	X(GROUP_ORDER_REVERSED, "a group read gives the members backwards", "*/groups/order") \
	X(SAMPLE_READ_WRONG, "the READ block of a sample differs from the count", \
	  "*/groups/sample_read") \
	X(READ_SIZE_UNCHECKED, "a read into a small buffer gives what fits", \
	  "*/groups/small_buffer */errors/read_size") \
	X(READ_SHORT, "a read gives a word too few", "*/groups/small_buffer */groups/read_limit") \
	X(GROUP_SIZE_UNCHECKED, "a group whose read is above 16 KiB is accepted", \
	  "*/groups/read_limit") \
	X(GROUP_NESTED, "a sibling may lead", "*/groups/refused") \
	X(GROUP_INHERIT_MIXED, "a sibling's inherit may differ from the leader's", \
	  "*/groups/refused") \
	X(GROUP_CLOCK_MIXED, "a sibling's clock may differ from the leader's", "*/groups/refused") \
	X(GROUP_CPU_MIXED, "a sibling may be on another CPU", "*/groups/refused") \
	X(GROUP_TASK_MIXED, "a sibling may be on another task", "*/groups/refused") \
	X(GROUP_PINNED_SIBLING, "a pinned sibling is accepted", "*/groups/refused") \
	X(GROUP_EXCLUSIVE_SIBLING, "an exclusive sibling is accepted", "*/groups/refused") \
	X(GROUP_LIMIT_UNCHECKED, "a group larger than the counters is accepted", \
	  "*/groups/counters") \
	X(GROUP_LIMIT_ENOSPC, "a group larger than the counters gives ENOSPC", \
	  "*/groups/counters") \
	X(COUNTER_MISSING, "one counter is never used", "*/groups/counters") \
	X(NO_CYCLE_COUNTER, "cycles take a programmable counter", "*/groups/counters") \
	X(GROUP_LAST_DEAD, "the last member of a group counts nothing", \
	  "*/groups/unlimited */groups/counters") \
	/* inherit */ \
	X(INHERIT_IGNORED, "children inherit nothing", "*/inherit/sum") \
	X(INHERIT_ALWAYS, "children inherit events without attr.inherit", "*/inherit/off") \
	X(INHERIT_EXIT_LOST, "the count of an exited child is lost", "*/inherit/sum") \
	X(INHERIT_EXIT_TWICE, "the count of an exited child is added twice", "*/inherit/sum") \
	X(INHERIT_LIVE_LOST, "a living child's count is not in its parent's", \
	  "*/inherit/living_child") \
	X(INHERIT_ONE_LEVEL, "grandchildren do not count", "*/inherit/grandchild") \
	X(INHERIT_EARLIER_CHILD, "a child forked before the open is counted", \
	  "*/inherit/earlier_child") \
	X(INHERIT_NOT_SWITCHED, "ioctls do not reach inherited events", "*/inherit/parallel") \
	X(INHERIT_PINNED_LOST, "pinned events are not inherited", "*/inherit/pinned") \
	X(INHERIT_SIBLING_LOST, "a group read lacks the siblings' children", "*/inherit/group") \
	X(ATTACH_WRONG_TASK, "an event on a child counts its parent", "*/inherit/attach") \
	/* errors and fuzz */ \
	X(CLOCK_ORDER, "a bad clock is told before what the PMU refuses", "*/errors/order") \
	X(CLOCK_OF_NMI, "any PMU takes clocks that no NMI may read", "*/errors/clock_of_pmu") \
	X(SW_CONFIG_CUT, "of a software event's config only 32 bits are looked at", \
	  "*/errors/attr_field") \
	X(FRAMES_UNCHECKED, "sample_max_stack above the sysctl opens", "*/errors/attr_field") \
	X(AUX_LEADER_UNCHECKED, "AUX samples and pauses need no AUX leader", \
	  "*/errors/attr_field") \
	X(REFUSED_KEEPS_FD, "a refused open keeps its descriptor", "*/errors/attr_field") \
	X(GROUP_FD_LATE, "the task is looked at before the group's descriptor", "*/errors/order") \
	X(FREQ_CUT, "of a frequency only 32 bits are looked at", "*/errors/attr_field") \
	X(UNASKED_REGS_CHECKED, "user registers are checked that nobody asked for", \
	  "*/errors/attr_field") \
	X(STACK_LARGEST_REFUSED, "the largest user stack is refused", "*/errors/attr_field") \
	X(OUTPUT_TAKEN, "a ring that is mapped can be taken away by SET_OUTPUT", \
	  "*/fuzz/sequence") \
	X(PRCTL_IGNORED, "prctl does not switch the task's events", "*/fuzz/sequence") \
	X(PRCTL_LEADERS_ONLY, "prctl leaves siblings as they are", "*/fuzz/sequence") \
	X(SIBLING_CLOSES_GROUP, "a sibling that is closed switches its leader off", \
	  "*/fuzz/sequence") \
	X(UNMAP_KEEPS_OUTPUT, "the ring of a mapping that is gone is still polled by others", \
	  "*/fuzz/sequence") \
	X(REFRESH_0_STOPS, "REFRESH by 0 does not enable", "*/fuzz/sequence") \
	X(LOST_WAKES, "a sample that is lost wakes poll", "*/fuzz/sequence") \
	X(PAUSE_LOSES_COUNT, "what a paused ring loses is not in the event's lost count", \
	  "*/fuzz/sequence")
/* clang-format on */

enum sim_break {
	SIM_OK,
#define X(name, about, cases) SIM_##name,
	SIM_BREAKS(X)
#undef X
		SIM_NR_BREAKS,
};

/* Of this process and its children; set by sim_boot(). */
extern enum sim_break sim_break;

static inline bool sim_broken(enum sim_break b)
{
	return sim_break == b && b != SIM_OK;
}

#endif
