/* SPDX-License-Identifier: GPL-2.0-only */
/* The PMUs: which events they take, counters, breakpoint slots. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/sim/sim.h"

/* PMUv3 event numbers (Arm ARM D13.11). */
#define ARM_SW_INCR      0x00
#define ARM_INST_RETIRED 0x08
#define ARM_CPU_CYCLES   0x11
#define ARM_BR_RETIRED   0x21
#define ARM_CHAIN        0x1e

static bool has_branch_stack(const struct perf_event_attr *a)
{
	return a->sample_type & PERF_SAMPLE_BRANCH_STACK && !sim_broken(SIM_BRANCH_ACCEPTED);
}

static bool any_exclude(const struct perf_event_attr *a)
{
	return a->exclude_user || a->exclude_kernel || a->exclude_hv || a->exclude_idle ||
	       a->exclude_host || a->exclude_guest;
}

static int init_software(struct sim_event *ev)
{
	const struct perf_event_attr *a = &ev->attr.a;

	uint64_t config = sim_broken(SIM_SW_CONFIG_CUT) ? (uint32_t)a->config : a->config;

	if (has_branch_stack(a))
		return -EOPNOTSUPP;
	if (config > PERF_COUNT_SW_CGROUP_SWITCHES)
		return sim_broken(SIM_SW_CONFIG_UNCHECKED) ? 0 : -ENOENT;
	if (config <= PERF_COUNT_SW_TASK_CLOCK)
		ev->class = SIM_CLOCK;
	return 0;
}

static int init_tracepoint(struct sim_event *ev)
{
	if (has_branch_stack(&ev->attr.a))
		return -EOPNOTSUPP;
	if (!sim_tracepoint(ev->attr.a.config))
		return sim_broken(SIM_TP_CONFIG_UNCHECKED) ? 0 : -EINVAL;
	return 0;
}

static int init_probe(struct sim_event *ev)
{
	const struct perf_event_attr *a = &ev->attr.a;
	bool kprobe = a->type == sim_pmu_type("kprobe");

	if (has_branch_stack(a))
		return -EOPNOTSUPP;
	if (!kprobe && !a->uprobe_path)
		return -EINVAL;
	if (!kprobe && access((const char *)(uintptr_t)a->uprobe_path, R_OK))
		return sim_broken(SIM_PROBE_UNCHECKED) ? 0 : -ENOENT;
	if (kprobe && a->kprobe_func)
		strncpy(ev->probe, (const char *)(uintptr_t)a->kprobe_func, sizeof(ev->probe) - 1);
	if (kprobe && !strstr(ev->probe, "_sys_"))
		return sim_broken(SIM_PROBE_UNCHECKED) ? 0 : -ENOENT;
	return 0;
}

/* arch/x86/events/msr.c: TSC alone is there on this machine. */
static int init_msr(struct sim_event *ev)
{
	const struct perf_event_attr *a = &ev->attr.a;

	if (a->config && !sim_broken(SIM_MSR_CONFIG_UNCHECKED))
		return -EINVAL;
	if (a->sample_period && !sim_broken(SIM_NO_INTERRUPT_ACCEPTED))
		return -EINVAL;
	if (any_exclude(a) && !sim_broken(SIM_NO_EXCLUDE_ACCEPTED))
		return -EINVAL;
	ev->class = SIM_CLOCK;
	return 0;
}

static int init_pmuv3(struct sim_event *ev)
{
	static const int map[PERF_COUNT_HW_MAX] = {
		[PERF_COUNT_HW_CPU_CYCLES] = ARM_CPU_CYCLES,
		[PERF_COUNT_HW_INSTRUCTIONS] = ARM_INST_RETIRED,
		[PERF_COUNT_HW_BRANCH_INSTRUCTIONS] = ARM_BR_RETIRED,
	};
	struct perf_event_attr *a = &ev->attr.a;
	uint32_t config = a->config;

	if (has_branch_stack(a) || (a->exclude_idle && !sim_broken(SIM_EXCLUDE_IDLE_ACCEPTED)))
		return -EOPNOTSUPP;
	if (a->type == PERF_TYPE_HW_CACHE)
		return -ENOENT;
	if (a->type == PERF_TYPE_HARDWARE) {
		if (config >= PERF_COUNT_HW_MAX)
			return -EINVAL;
		if (!map[config])
			return -ENOENT;
		a->config = map[config];
	}
	if ((a->config & 0xffff) == ARM_CHAIN && !sim_broken(SIM_CHAIN_ACCEPTED))
		return -EINVAL;
	ev->class = SIM_HARDWARE;
	return 0;
}

/* Slots that breakpoints of this task, or of every task, hold on a CPU it may run on. */
static int slots_used(const struct sim_event *ev)
{
	int used = 0;

	for (int i = 0; i < sim->nr_events; i++) {
		const struct sim_event *other = &sim->event[i];

		bool execs = other->attr.a.bp_type == HW_BREAKPOINT_X;

		if (sim_broken(SIM_BP_SLOTS_SPLIT) &&
		    execs != (ev->attr.a.bp_type == HW_BREAKPOINT_X))
			continue;
		if (other->bp_slot && other != ev &&
		    (other->task < 0 || ev->task < 0 || other->task == ev->task) &&
		    (other->cpu < 0 || ev->cpu < 0 || other->cpu == ev->cpu))
			used++;
	}
	return used;
}

/* arch/x86/kernel/hw_breakpoint.c, arch_build_bp_info() and its caller. */
int sim_bp_check(const struct sim_event *ev, const struct perf_event_attr *a)
{
	const uint64_t kernel_start = 1ull << 63;

	(void)ev;
	switch (a->bp_type) {
	case HW_BREAKPOINT_X:
		if (a->bp_len != sizeof(long) && !sim_broken(SIM_BP_LEN_UNCHECKED))
			return -EINVAL;
		break;
	case HW_BREAKPOINT_W:
	case HW_BREAKPOINT_RW:
		break;
	default:
		return sim_broken(SIM_BP_TYPE_UNCHECKED) ? 0 : -EINVAL;
	}
	if (a->bp_len != 1 && a->bp_len != 2 && a->bp_len != 4 && a->bp_len != 8 &&
	    !sim_broken(SIM_BP_LEN_UNCHECKED))
		return -EINVAL;
	if (a->bp_type != HW_BREAKPOINT_X && a->bp_addr & (a->bp_len - 1) &&
	    !sim_broken(SIM_BP_ALIGN_UNCHECKED))
		return -EINVAL;
	if (a->bp_addr >= kernel_start && a->exclude_kernel && !sim_broken(SIM_BP_KERNEL_UNCHECKED))
		return -EINVAL;
	return 0;
}

static int init_breakpoint(struct sim_event *ev)
{
	int err;

	if (has_branch_stack(&ev->attr.a))
		return -EOPNOTSUPP;
	if (slots_used(ev) >= SIM_BP_SLOTS && !sim_broken(SIM_BP_SLOTS_UNLIMITED))
		return sim_broken(SIM_BP_SLOTS_EBUSY) ? -EBUSY : -ENOSPC;
	err = sim_bp_check(ev, &ev->attr.a);
	if (!err || sim_broken(SIM_BP_REFUSED_KEEPS_SLOT))
		ev->bp_slot = true;
	return err;
}

static const struct {
	uint32_t type;
	const char *name; /* dynamic: its number is in sysfs */
	int (*init)(struct sim_event *ev);
} pmus[] = {
	{PERF_TYPE_SOFTWARE, NULL, init_software},
	{PERF_TYPE_TRACEPOINT, NULL, init_tracepoint},
	{PERF_TYPE_BREAKPOINT, NULL, init_breakpoint},
	{PERF_TYPE_HARDWARE, NULL, init_pmuv3},
	{PERF_TYPE_HW_CACHE, NULL, init_pmuv3},
	{PERF_TYPE_RAW, NULL, init_pmuv3},
	{0, "kprobe", init_probe},
	{0, "uprobe", init_probe},
	{0, "msr", init_msr},
	{0, "armv8_pmuv3", init_pmuv3},
};

/* x86-64: the halves of the XMM registers, which only a PMU that samples them takes. */
static bool has_extended_regs(const struct perf_event_attr *a)
{
	return (a->sample_regs_user | a->sample_regs_intr) >> 32;
}

/* What perf_event_alloc() and perf_event_open() ask of the PMU when it has taken the event. */
static int check_caps(const struct sim_event *ev)
{
	const struct perf_event_attr *a = &ev->attr.a;
	uint32_t aux_action;

	memcpy(&aux_action, ev->attr.byte + 116, sizeof(aux_action));
	if (sim_broken(SIM_CLOCK_ORDER) && sim_check_clock(ev))
		return -EINVAL;
	if (!sim_is_hardware(ev) && has_extended_regs(a) && !sim_broken(SIM_EXTENDED_REGS_ACCEPTED))
		return -EOPNOTSUPP;
	if (a->aux_output && !sim_broken(SIM_AUX_OUTPUT_ACCEPTED))
		return -EOPNOTSUPP;
	if ((aux_action & 6) == 6)
		return -EINVAL;
	if (aux_action & 1)
		return -EOPNOTSUPP;
	if (a->sample_type & PERF_SAMPLE_CALLCHAIN && a->sample_max_stack > SIM_MAX_STACK &&
	    !sim_broken(SIM_FRAMES_UNCHECKED))
		return -EOVERFLOW;
	return 0;
}

/* perf_event_set_clock() */
int sim_check_clock(const struct sim_event *ev)
{
	const struct perf_event_attr *a = &ev->attr.a;
	bool no_nmi = a->type == PERF_TYPE_SOFTWARE || sim_broken(SIM_CLOCK_OF_NMI);

	if (a->use_clockid && a->clockid != CLOCK_MONOTONIC && a->clockid != CLOCK_MONOTONIC_RAW &&
	    !(no_nmi && (a->clockid == CLOCK_REALTIME || a->clockid == CLOCK_BOOTTIME ||
			 a->clockid == CLOCK_TAI)) &&
	    !sim_broken(SIM_CLOCKID_UNCHECKED))
		return -EINVAL;
	return 0;
}

int sim_pmu_init(struct sim_event *ev)
{
	uint32_t type = ev->attr.a.type;
	int err = sim_broken(SIM_TYPE_UNCHECKED) ? 0 : -ENOENT;

	if (sim_broken(SIM_OPEN_REFUSED))
		return -EINVAL;

	ev->class = SIM_SWEVENT;
	for (size_t i = 0; i < sizeof(pmus) / sizeof(pmus[0]); i++) {
		if (pmus[i].name ? type == sim_pmu_type(pmus[i].name) : type == pmus[i].type) {
			err = pmus[i].init(ev);
			break;
		}
	}
	return err ? err : check_caps(ev);
}

void sim_pmu_release(struct sim_event *ev)
{
	if (sim_broken(SIM_BP_SLOT_LEAKED) ||
	    (sim_broken(SIM_BP_SLOT_LEAKED_LATER) && ev->id > 100 + SIM_BP_SLOTS))
		return;
	ev->bp_slot = false;
}

bool sim_is_hardware(const struct sim_event *ev)
{
	return ev->class == SIM_HARDWARE;
}

bool sim_is_cycles(const struct sim_event *ev)
{
	return sim_is_hardware(ev) && (ev->attr.a.config & 0xffff) == ARM_CPU_CYCLES;
}

struct counters {
	int used;
	bool cycles;
};

/* Cycles take the cycle counter first (armv8pmu_get_event_idx()). */
static bool take(struct counters *c, const struct sim_event *ev)
{
	if (!sim_is_hardware(ev))
		return true;
	if (sim_is_cycles(ev) && !c->cycles && !sim_broken(SIM_NO_CYCLE_COUNTER)) {
		c->cycles = true;
		return true;
	}
	if (c->used >= SIM_PMU_COUNTERS - sim_broken(SIM_COUNTER_MISSING))
		return false;
	c->used++;
	return true;
}

bool sim_group_fits(struct sim_event *leader, struct sim_event *extra)
{
	struct counters c = {0};

	if (sim_broken(SIM_GROUP_LIMIT_UNCHECKED))
		return true;
	for (struct sim_event *ev = leader; ev; ev = sim_next_member(leader, ev)) {
		if (!take(&c, ev))
			return false;
	}
	return take(&c, extra);
}

static bool eligible(const struct sim_event *ev)
{
	return ev->used && sim_effective(ev) && (ev->task < 0 || ev->task == sim_self);
}

/* All of a group's events on counters, or none. */
static void schedule_group(struct sim_event *leader, struct counters *c)
{
	struct counters trial = *c;
	bool fits =
		!(leader->attr.a.exclusive && (c->used || c->cycles) && sim_is_hardware(leader));

	if (leader->state != SIM_ON && !sim_broken(SIM_SIBLING_IGNORES_LEADER))
		return;
	for (struct sim_event *ev = leader; ev && fits; ev = sim_next_member(leader, ev))
		fits = !eligible(ev) || take(&trial, ev);
	if (fits)
		*c = trial;
	else if (leader->attr.a.pinned)
		leader->state = SIM_ERROR;
	for (struct sim_event *ev = leader; ev; ev = sim_next_member(leader, ev))
		ev->on_counter = fits && eligible(ev);
}

void sim_schedule(void)
{
	struct counters c = {0};
	bool hardware = false;

	for (int i = 0; i < sim->nr_events; i++) {
		struct sim_event *ev = &sim->event[i];

		hardware |= ev->used && sim_is_hardware(ev);
		ev->on_counter = eligible(ev);
	}
	/* Only hardware events can be without a counter. */
	for (int pinned = 1; pinned >= 0 && hardware; pinned--) {
		for (int i = 0; i < sim->nr_events; i++) {
			struct sim_event *ev = &sim->event[i];

			if (ev->used && ev->leader == i && ev->attr.a.pinned == pinned &&
			    (ev->task < 0 || ev->task == sim_self))
				schedule_group(ev, &c);
		}
	}
}
