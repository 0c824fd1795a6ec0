/* SPDX-License-Identifier: GPL-2.0-only */
/* PERF_EVENT_IOC_*, see _perf_ioctl(). */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "tests/unit/sim/sim.h"

static void enable(struct sim_event *ev)
{
	if (sim_broken(SIM_ENABLE_IGNORED))
		return;
	if (sim_broken(SIM_ENABLE_RESETS))
		ev->count = 0;
	ev->state = SIM_ON;
	/* A sibling is put on its counter by its own switch when its leader is on already. */
	if (sim->event[ev->leader].state == SIM_ON && ev != &sim->event[ev->leader] && ev->count &&
	    sim_broken(SIM_SIBLING_WAITS))
		ev->state = SIM_OFF;
}

static void disable(struct sim_event *ev)
{
	if (!sim_broken(SIM_DISABLE_IGNORED))
		ev->state = SIM_OFF;
	if (sim_broken(SIM_DISABLE_ADDS_ONE))
		ev->count++;
}

static void reset(struct sim_event *ev)
{
	if (!sim_broken(SIM_RESET_IGNORED))
		ev->count = 0;
	if (sim_broken(SIM_RESET_CLEARS_TIMES))
		ev->enabled = ev->running = 0;
	if (sim_broken(SIM_RESET_DISABLES))
		ev->state = SIM_OFF;
	if (sim_broken(SIM_RESET_ENABLES))
		ev->state = SIM_ON;
}

static void for_copies(struct sim_event *ev, void (*fn)(struct sim_event *ev))
{
	for (struct sim_event *c = ev; c; c = sim_next_copy(ev, c)) {
		if (c == ev || !sim_broken(SIM_INHERIT_NOT_SWITCHED))
			fn(c);
	}
}

/* perf_event_for_each(): with the flag the whole group, whichever member was asked. */
static long for_group(struct sim_event *ev, unsigned long flags, void (*fn)(struct sim_event *ev))
{
	struct sim_event *leader = &sim->event[ev->leader];
	bool group = flags & PERF_IOC_FLAG_GROUP;

	if (sim_broken(SIM_GROUP_FLAG_IGNORED))
		group = false;
	if (sim_broken(SIM_GROUP_FLAG_ALWAYS))
		group = true;
	if (!group) {
		for_copies(ev, fn);
		return 0;
	}
	for (struct sim_event *m = leader; m; m = sim_next_member(leader, m))
		for_copies(m, fn);
	return 0;
}

void sim_switch_task(bool on)
{
	for (int i = 0; i < sim->nr_events && !sim_broken(SIM_PRCTL_IGNORED); i++) {
		struct sim_event *ev = &sim->event[i];

		if (ev->leader != i && sim_broken(SIM_PRCTL_LEADERS_ONLY))
			continue;
		if (ev->used && ev->parent < 0 && ev->opener == sim_self)
			for_copies(ev, on ? enable : disable);
	}
}

static long refresh(struct sim_event *ev, unsigned long n)
{
	if (!sim_sampling(ev) || ev->attr.a.inherit)
		return sim_broken(SIM_REFRESH_UNCHECKED) ? 0 : -EINVAL;
	if (sim_broken(SIM_REFRESH_REFUSED) || (sim_broken(SIM_REFRESH_ONCE) && ev->refreshed))
		return -EINVAL;
	ev->limit += n + (n && sim_broken(SIM_REFRESH_ONE_MORE));
	if (!n && sim_broken(SIM_REFRESH_0_STOPS))
		return 0;
	if (!ev->refreshed || !sim_broken(SIM_REFRESH_LAST))
		ev->state = SIM_ON;
	ev->refreshed = true;
	return 0;
}

static long set_period(struct sim_event *ev, uint64_t value)
{
	if (sim_broken(SIM_PERIOD_REFUSED_SETS) && sim_sampling(ev))
		ev->period = ev->last_period = 1;
	if (!sim_sampling(ev))
		return sim_broken(SIM_PERIOD_COUNTING_ACCEPTED) ? 0 : -EINVAL;
	if (!value)
		return sim_broken(SIM_PERIOD_0_ACCEPTED) ? 0 : -EINVAL;
	if (value >> 63)
		return sim_broken(SIM_PERIOD_63_ACCEPTED) ? 0 : -EINVAL;
	if (ev->attr.a.freq && value > SIM_MAX_SAMPLERATE)
		return -EINVAL;
	if (sim_broken(SIM_PERIOD_REFUSED))
		return -EINVAL;
	if (sim_broken(SIM_PERIOD_IGNORED))
		return 0;
	ev->attr.a.sample_period = ev->period = value;
	/* A late one: what was left of the old period is still waited for. */
	if (sim_broken(SIM_PERIOD_LATE))
		return 0;
	/*
	 * __perf_event_period() sets period_left to 0. A software event that is off starts a whole
	 * period when it is next added; one that is on fires at the next occurrence.
	 */
	if (ev->class == SIM_SWEVENT && sim_effective(ev)) {
		ev->left = 0;
	} else {
		ev->last_period = value;
		ev->left = (int64_t)(0 - value);
	}
	return 0;
}

/* modify_user_hw_breakpoint_check(): only the place and `disabled` may change. */
static long move_breakpoint(struct sim_event *ev, const union sim_attr *attr)
{
	struct perf_event_attr *a = &ev->attr.a, same = attr->a;
	int err;

	same.bp_addr = a->bp_addr;
	same.bp_len = a->bp_len;
	same.bp_type = a->bp_type;
	same.disabled = a->disabled;
	if (memcmp(&same, a, sizeof(same)) && !sim_broken(SIM_MODIFY_UNCHECKED))
		return -EINVAL;
	err = sim_bp_check(ev, &attr->a);
	if (err)
		return err;
	if (!sim_broken(SIM_MODIFY_IGNORED)) {
		a->bp_addr = attr->a.bp_addr;
		a->bp_len = attr->a.bp_len;
		a->bp_type = attr->a.bp_type;
	}
	if (sim_broken(SIM_MODIFY_CLEARS))
		ev->count = 0;
	a->disabled = attr->a.disabled;
	return 0;
}

static long modify(struct sim_event *ev, struct perf_event_attr *user)
{
	union sim_attr attr;
	long err = sim_attr_copy(user, &attr);

	if (err)
		return err;
	if (sim_broken(SIM_MODIFY_REFUSED))
		return -EINVAL;
	if (attr.a.type != ev->attr.a.type)
		return sim_broken(SIM_MODIFY_TYPE_ACCEPTED) ? 0 : -EINVAL;
	if (attr.a.type != PERF_TYPE_BREAKPOINT)
		return sim_broken(SIM_MODIFY_OTHER_ACCEPTED) ? 0 : -EOPNOTSUPP;
	/* perf_event_modify_breakpoint(): off, and on again only by the attr, refused or not. */
	disable(ev);
	err = move_breakpoint(ev, &attr);
	if (!ev->attr.a.disabled)
		enable(ev);
	return err;
}

static long set_output(struct sim_event *ev, int fd)
{
	struct sim_event *to = sim_event_of(fd);

	if (sim_broken(SIM_SET_OUTPUT_REFUSED))
		return -EINVAL;
	if (fd != -1 && !to)
		return sim_broken(SIM_SET_OUTPUT_FD_UNCHECKED) ? 0 : -EBADF;
	if (sim_broken(SIM_SET_OUTPUT_IGNORED))
		return 0;
	return sim_set_output(ev, to);
}

static long pause_output(struct sim_event *ev, unsigned long on)
{
	if (ev->ring < 0)
		return sim_broken(SIM_PAUSE_UNCHECKED) ? 0 : -EINVAL;
	sim->ring[ev->ring].paused = on;
	return 0;
}

long sim_ioctl(struct sim_event *ev, unsigned long request, unsigned long arg)
{
	switch (request) {
	case PERF_EVENT_IOC_ENABLE:
		return sim_broken(SIM_ENABLE_REFUSED) ? -EINVAL : for_group(ev, arg, enable);
	case PERF_EVENT_IOC_DISABLE:
		return for_group(ev, arg, disable);
	case PERF_EVENT_IOC_RESET:
		return for_group(ev, arg, reset);
	case PERF_EVENT_IOC_REFRESH:
		return refresh(ev, arg);
	case PERF_EVENT_IOC_PERIOD:
		return set_period(ev, *(uint64_t *)arg);
	case PERF_EVENT_IOC_SET_OUTPUT:
		return set_output(ev, (int)arg);
	case PERF_EVENT_IOC_ID:
		*(uint64_t *)arg =
			sim_broken(SIM_IDS_ZERO) ? 0 : ev->id + sim_broken(SIM_IOC_ID_WRONG);
		return sim_broken(SIM_IOC_ID_REFUSED) ? -EINVAL : 0;
	case PERF_EVENT_IOC_PAUSE_OUTPUT:
		return pause_output(ev, arg);
	case PERF_EVENT_IOC_MODIFY_ATTRIBUTES:
		return modify(ev, (struct perf_event_attr *)arg);
	}
	return sim_broken(SIM_IOCTL_UNKNOWN_ACCEPTED) ? 0 : -ENOTTY;
}
