/* SPDX-License-Identifier: GPL-2.0-only */
/* Boot, lock, tasks and the walks over events. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/sim/sim.h"

struct sim *sim;
int sim_self;
enum sim_break sim_break;

void sim_boot(enum sim_break broken)
{
	pthread_mutexattr_t attr;

	sim = mmap(NULL, sizeof(*sim), PROT_READ | PROT_WRITE,
		   MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sim == MAP_FAILED)
		abort();
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&sim->lock, &attr);
	sim->now = 1000000000;
	sim->next_id = 100;
	sim->nr_tasks = 1;
	sim->task[0].used = true;
	sim->task[0].pid = getpid();
	sim_self = 0;
	sim_break = broken;
}

static void lock(void)
{
	/* A child that was killed inside leaves a state that is good enough to end the case on. */
	if (pthread_mutex_lock(&sim->lock))
		pthread_mutex_consistent(&sim->lock);
}

void sim_enter(void)
{
	lock();
	sim_pass_syscall();
}

void sim_leave(void)
{
	struct sim_signal signals[16];
	unsigned int n = sim_take_signals(signals, 16);

	pthread_mutex_unlock(&sim->lock);
	for (unsigned int i = 0; i < n; i++)
		sim_send_signal(&signals[i]);
}

int sim_find_task(pid_t pid)
{
	for (int i = 0; i < sim->nr_tasks; i++) {
		if (sim->task[i].used && !sim->task[i].exited && sim->task[i].pid == pid)
			return i;
	}
	return -1;
}

struct sim_event *sim_event_of(int fd)
{
	uint16_t file;

	if (fd < 0 || fd >= SIM_MAX_FDS)
		return NULL;
	file = sim->task[sim_self].file[fd];
	return file ? &sim->event[file - 1] : NULL;
}

struct sim_event *sim_next_copy(struct sim_event *ev, struct sim_event *prev)
{
	if (!prev)
		return ev;
	for (int i = sim_index(prev) + 1; i < sim->nr_events; i++) {
		if (sim->event[i].used && sim->event[i].parent == sim_index(ev))
			return &sim->event[i];
	}
	return NULL;
}

struct sim_event *sim_next_member(struct sim_event *leader, struct sim_event *prev)
{
	if (!prev)
		return leader;
	/* Slots are not used again, so theirs is the order of opening. */
	for (int i = sim_index(prev) + 1; i < sim->nr_events; i++) {
		if (sim->event[i].used && sim->event[i].leader == sim_index(leader))
			return &sim->event[i];
	}
	return NULL;
}

bool sim_effective(const struct sim_event *ev)
{
	const struct sim_event *leader = &sim->event[ev->leader];

	if (ev->task >= 0 && sim->task[ev->task].exited)
		return false;
	if (ev->state != SIM_ON)
		return false;
	return leader->state == SIM_ON || sim_broken(SIM_SIBLING_IGNORES_LEADER);
}

bool sim_sampling(const struct sim_event *ev)
{
	return ev->attr.a.sample_period != 0;
}

/* An inherited event gives its count to the one it was inherited from. */
static void fold(struct sim_event *ev)
{
	struct sim_event *parent = &sim->event[ev->parent];

	if (!sim_broken(SIM_INHERIT_EXIT_LOST))
		parent->child_count += ev->count;
	if (sim_broken(SIM_INHERIT_EXIT_TWICE))
		parent->child_count += ev->count;
	parent->child_enabled += ev->enabled;
	parent->child_running += ev->running;
	parent->lost += ev->lost;
	sim_pmu_release(ev);
	ev->used = false;
}

void sim_task_exit(void)
{
	struct sim_task *task;

	if (!sim)
		return;
	lock();
	task = &sim->task[sim_self];
	for (int i = 0; i < sim->nr_events; i++) {
		struct sim_event *ev = &sim->event[i];

		if (ev->used && ev->task == sim_self && ev->parent >= 0)
			fold(ev);
	}
	task->exited = true;
	for (int fd = 0; fd < SIM_MAX_FDS; fd++) {
		if (task->file[fd])
			sim_put(&sim->event[task->file[fd] - 1]);
		task->file[fd] = 0;
	}
	pthread_mutex_unlock(&sim->lock);
}
