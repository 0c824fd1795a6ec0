/* SPDX-License-Identifier: GPL-2.0-only */
/* perf_event_open(2), close and what fork does to events. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/sim/sim.h"

static struct sim_event *new_event(void)
{
	struct sim_event *ev;
	int i;

	/* A slot that a broken kernel has kept is kept. */
	while (sim->nr_events && !sim->event[sim->nr_events - 1].used &&
	       !sim->event[sim->nr_events - 1].bp_slot)
		sim->nr_events--;
	i = sim->nr_events;
	if (i == SIM_MAX_EVENTS)
		return NULL;
	sim->nr_events++;
	ev = &sim->event[i];
	memset(ev, 0, sizeof(*ev));
	ev->leader = i;
	ev->lost = sim_broken(SIM_FORMAT_LOST_STARTS_ONE);
	ev->parent = ev->ring = -1;
	ev->id = sim->next_id++;
	ev->opener = sim_self;
	return ev;
}

/* Into `task` the target's index, -1 for CPU-wide. */
static int find_target(pid_t pid, int *task)
{
	*task = -1;
	if (pid == -1)
		return 0;
	*task = pid ? sim_find_task(pid) : sim_self;
	if (*task >= 0 && sim_broken(SIM_ATTACH_WRONG_TASK))
		*task = sim_self;
	if (*task < 0)
		return sim_broken(SIM_NO_TASK_EINVAL) ? -EINVAL : -ESRCH;
	return 0;
}

static int check_member(struct sim_event *ev, struct sim_event *leader)
{
	const struct perf_event_attr *a = &ev->attr.a, *l = &leader->attr.a;

	if (leader->leader != sim_index(leader) && !sim_broken(SIM_GROUP_NESTED))
		return -EINVAL;
	if ((l->use_clockid != a->use_clockid || (a->use_clockid && l->clockid != a->clockid)) &&
	    !sim_broken(SIM_GROUP_CLOCK_MIXED))
		return -EINVAL;
	if (leader->cpu != ev->cpu && !sim_broken(SIM_GROUP_CPU_MIXED))
		return -EINVAL;
	if (leader->task != ev->task && !sim_broken(SIM_GROUP_TASK_MIXED))
		return -EINVAL;
	if (a->pinned && !sim_broken(SIM_GROUP_PINNED_SIBLING))
		return -EINVAL;
	if (a->exclusive && !sim_broken(SIM_GROUP_EXCLUSIVE_SIBLING))
		return -EINVAL;
	if (!sim_group_fits(leader, ev))
		return sim_broken(SIM_GROUP_LIMIT_ENOSPC) ? -ENOSPC : -EINVAL;
	return 0;
}

static int check_group(struct sim_event *ev, struct sim_event *leader)
{
	int err = check_member(ev, leader);

	if (sim_broken(SIM_GROUP_CLOSED_BY_REFUSAL) && leader->refused_one)
		return -EINVAL;
	leader->refused_one |= err != 0;
	return err;
}

/* perf_event_validate_size(): a read of the group must stay below 16 KiB. */
static int check_size(struct sim_event *ev, struct sim_event *leader)
{
	unsigned int siblings = 0;
	uint64_t limit = 16 * 1024;

	for (struct sim_event *m = leader; m; m = sim_next_member(leader, m))
		siblings++;
	for (struct sim_event *m = leader; m; m = sim_next_member(leader, m)) {
		if (sim_read_size(m->attr.a.read_format, siblings) > limit)
			return -E2BIG;
	}
	return sim_read_size(ev->attr.a.read_format, siblings) > limit ? -E2BIG : 0;
}

static int check_new(struct sim_event *ev, struct sim_event *leader)
{
	const struct perf_event_attr *a = &ev->attr.a;
	int err;

	if ((ev->cpu < -1 || ev->cpu >= (int)sysconf(_SC_NPROCESSORS_CONF)) &&
	    !sim_broken(SIM_CPU_UNCHECKED))
		return -EINVAL;
	if (ev->cpu < 0 && ev->task < 0 && !sim_broken(SIM_NO_TARGET_ACCEPTED))
		return -EINVAL;
	if (a->sigtrap && ev->task < 0 && !sim_broken(SIM_SIGTRAP_CPU_ACCEPTED))
		return -EINVAL;
	if (a->inherit && a->sample_type & PERF_SAMPLE_READ &&
	    !(a->sample_type & PERF_SAMPLE_TID) && !sim_broken(SIM_INHERIT_READ_ACCEPTED))
		return -EINVAL;
	if (leader && leader->task >= 0 && ev->task >= 0 && leader->attr.a.inherit != a->inherit &&
	    !sim_broken(SIM_GROUP_INHERIT_MIXED))
		return -EINVAL;
	err = sim_pmu_init(ev);
	if (!err && !sim_broken(SIM_CLOCK_ORDER))
		err = sim_check_clock(ev);
	if (!err && leader)
		err = check_group(ev, leader);
	if (!err && leader && !sim_broken(SIM_GROUP_SIZE_UNCHECKED))
		err = check_size(ev, leader);
	return err;
}

/* Only the number is real: what the descriptor is, the task's table says. */
static int install_fd(struct sim_event *ev)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fd >= SIM_MAX_FDS) {
		close(fd);
		return -EMFILE;
	}
	sim->task[sim_self].file[fd] = sim_index(ev) + 1;
	ev->refs = 1;
	return fd;
}

static void start(struct sim_event *ev)
{
	const struct perf_event_attr *a = &ev->attr.a;

	ev->period = ev->last_period = a->freq ? 1000 : a->sample_period;
	ev->left = (int64_t)(0 - ev->period);
	if (ev->class == SIM_CLOCK && ev->period && ev->period < 10000)
		ev->left = -10000; /* perf_swevent_start_hrtimer() */
	if (sim_broken(SIM_PERIOD_CUT))
		ev->left = -(int64_t)(uint32_t)ev->period;
	if (sim_broken(SIM_FIRST_PERIOD_SHORT))
		ev->left += ev->period > 1;
	if (sim_broken(SIM_FIRST_PERIOD_LONG))
		ev->left--;
	ev->state = a->disabled && !sim_broken(SIM_STARTS_ENABLED) ? SIM_OFF : SIM_ON;
	if (sim_broken(SIM_BORN_OFF))
		ev->state = SIM_OFF;
	if (a->pinned && sim_broken(SIM_PINNED_FAILS))
		ev->state = SIM_ERROR;
	ev->used = true;
}

/* perf_need_aux_event(): nothing here has an AUX area. */
static bool needs_aux(const struct sim_event *ev)
{
	uint32_t aux_action;

	memcpy(&aux_action, ev->attr.byte + 116, sizeof(aux_action));
	return ev->attr.a.aux_sample_size || aux_action & 6;
}

static long attach(struct sim_event *ev, struct sim_event *leader, struct sim_event *out,
		   unsigned long flags)
{
	long err = 0;

	if (leader && !(flags & PERF_FLAG_FD_NO_GROUP))
		ev->leader = sim_index(leader);
	start(ev);
	if (ev->leader != sim_index(ev) && sim->event[ev->leader].state == SIM_ON &&
	    sim_broken(SIM_JOINED_WAITS))
		ev->state = SIM_OFF;
	if (out)
		err = sim_set_output(ev, out);
	if (!err && needs_aux(ev) && !sim_broken(SIM_AUX_LEADER_UNCHECKED))
		err = -EINVAL;
	if (!err)
		err = install_fd(ev);
	if (err < 0) {
		sim_pmu_release(ev);
		ev->used = false;
	}
	for (int i = 0; i < sim->nr_tasks && sim_broken(SIM_INHERIT_EARLIER_CHILD); i++) {
		if (i != sim_self && !sim->task[i].exited)
			sim_inherit(sim_self, i);
	}
	return err;
}

long sim_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd, unsigned long flags)
{
	struct sim_event *ev, *group = NULL, *leader;
	union sim_attr copy;
	int err, task;

	if (flags & ~0xful && !sim_broken(SIM_RESERVED_OPEN_FLAGS))
		return -EINVAL;
	if (flags & PERF_FLAG_FD_CLOEXEC && sim_broken(SIM_DEFINED_OPEN_FLAGS))
		return -EINVAL;
	err = sim_attr_copy(attr, &copy);
	if (!err)
		err = sim_attr_check(&copy);
	if (err)
		return err;
	if (flags & PERF_FLAG_PID_CGROUP && (pid == -1 || cpu == -1))
		return -EINVAL;
	if (group_fd != -1) {
		if (sim_broken(SIM_GROUP_FD_LATE) && pid > 0 && sim_find_task(pid) < 0)
			return -ESRCH;
		group = sim_event_of(group_fd);
		if (!group)
			return sim_broken(SIM_GROUP_FD_EINVAL) ? -EINVAL : -EBADF;
	}
	err = find_target(flags & PERF_FLAG_PID_CGROUP ? -1 : pid, &task);
	if (err)
		return err;
	ev = new_event();
	if (!ev)
		return -ENOMEM;
	ev->attr = copy;
	ev->task = task;
	ev->cpu = cpu;
	leader = flags & PERF_FLAG_FD_NO_GROUP ? NULL : group;
	err = check_new(ev, leader);
	if (err && sim_broken(SIM_REFUSED_KEEPS_FD))
		install_fd(ev);
	if (err) {
		if (!sim_broken(SIM_BP_REFUSED_KEEPS_SLOT) &&
		    !(err == -EOPNOTSUPP && sim_broken(SIM_BP_LATE_REFUSAL_KEEPS_SLOT)))
			sim_pmu_release(ev);
		return err;
	}
	return attach(ev, leader, flags & PERF_FLAG_FD_OUTPUT ? group : NULL, flags);
}

/* The last descriptor is gone. Siblings of a leader go on alone. */
static void destroy(struct sim_event *ev)
{
	struct sim_event *copy;

	if (sim_broken(SIM_SIBLING_CLOSES_GROUP))
		sim->event[ev->leader].state = SIM_OFF;
	while ((copy = sim_next_copy(ev, ev))) {
		sim_pmu_release(copy);
		copy->used = false;
	}
	for (int i = 0; i < sim->nr_events; i++) {
		if (sim->event[i].leader == sim_index(ev))
			sim->event[i].leader = i;
	}
	sim_pmu_release(ev);
	ev->used = false;
}

void sim_put(struct sim_event *ev)
{
	if (ev->used && ev->parent < 0 && !--ev->refs)
		destroy(ev);
}

long sim_close(int fd)
{
	struct sim_event *ev = sim_event_of(fd);

	sim->task[sim_self].file[fd] = 0;
	sim_put(ev);
	return close(fd) ? -errno : 0;
}

/* perf_event_init_task(): the new task `to` gets what `from` has and may be inherited. */
void sim_inherit(int from, int to)
{
	int nr = sim->nr_events, copy_of[SIM_MAX_EVENTS];

	if (sim_broken(SIM_INHERIT_IGNORED))
		return;
	for (int i = 0; i < nr; i++) {
		struct sim_event *ev = &sim->event[i], *copy;

		copy_of[i] = -1;
		if (ev->attr.a.pinned && sim_broken(SIM_INHERIT_PINNED_LOST))
			continue;
		if (!ev->used || ev->task != from ||
		    (!ev->attr.a.inherit && !sim_broken(SIM_INHERIT_ALWAYS)))
			continue;
		copy = new_event();
		if (!copy)
			continue;
		copy_of[i] = sim_index(copy);
		*copy = *ev;
		copy->id = sim->next_id++;
		copy->opener = to;
		copy->task = to;
		copy->parent = ev->parent >= 0 ? ev->parent : i;
		copy->leader = sim_index(copy);
		copy->count = copy->enabled = copy->running = copy->lost = 0;
		copy->child_count = copy->child_enabled = copy->child_running = 0;
		copy->pending_in = copy->pending_hup = 0;
		copy->left = (int64_t)(0 - copy->period);
		copy->ring = -1;
		if (ev->parent >= 0 && sim_broken(SIM_INHERIT_ONE_LEVEL))
			copy->state = SIM_OFF;
		if (copy_of[ev->leader] >= 0 && ev->leader <= i)
			copy->leader = copy_of[ev->leader];
	}
}
