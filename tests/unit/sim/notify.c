/* SPDX-License-Identifier: GPL-2.0-only */
/* Overflow, signals and poll. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/sim/sim.h"

/* __perf_event_overflow() */
void sim_overflow(struct sim_event *ev, const struct sim_place *at, uint64_t period)
{
	struct sim_event *top = ev->parent >= 0 ? &sim->event[ev->parent] : ev;
	bool hup = ev->limit && !--ev->limit;

	if (hup && !sim_broken(SIM_REFRESH_GOES_ON))
		ev->state = SIM_OFF;
	if (!sim_broken(SIM_SAMPLES_SKIP) || ++ev->fired % 3)
		sim_sample(ev, at, period);
	if (!top->async)
		return;
	if ((hup && !sim_broken(SIM_REFRESH_NO_HUP)) || sim_broken(SIM_SIGNAL_HUP))
		top->pending_hup++;
	else
		top->pending_in++;
}

short sim_poll(struct sim_event *ev)
{
	struct sim_ring *rb;
	short events;

	if (ev->task >= 0 && sim->task[ev->task].exited && !sim_broken(SIM_POLL_NO_HUP))
		return POLLHUP;
	if (ev->ring < 0)
		return POLLHUP;
	rb = &sim->ring[ev->ring];
	events = rb->poll && !sim_broken(SIM_POLL_NO_IN) ? POLLIN : 0;
	if (!sim_broken(SIM_POLL_STICKS))
		rb->poll = 0;
	if (sim_broken(SIM_POLL_ALWAYS_IN))
		events = POLLIN;
	return events;
}

static void take(struct sim_event *ev, unsigned int *pending, int code, struct sim_signal *s)
{
	*s = (struct sim_signal){ev->signo, ev->async_fd + sim_broken(SIM_SI_FD_WRONG), code,
				 *pending};
	*pending = 0;
	if (sim_broken(SIM_SIGNAL_WRONG_NUMBER))
		s->signo = SIGURG;
	if (code == POLL_IN && sim_broken(SIM_SIGNAL_MISSING))
		s->times--;
	if (code == POLL_IN && sim_broken(SIM_SIGNAL_EXTRA))
		s->times++;
}

unsigned int sim_take_signals(struct sim_signal *out, unsigned int max)
{
	unsigned int n = 0;

	for (int i = 0; i < sim->nr_events && n + 2 <= max; i++) {
		struct sim_event *ev = &sim->event[i];

		if (!ev->used || !ev->async || ev->owner != sim->task[sim_self].pid)
			continue;
		if (ev->pending_in)
			take(ev, &ev->pending_in, POLL_IN, &out[n++]);
		if (ev->pending_hup)
			take(ev, &ev->pending_hup, POLL_HUP, &out[n++]);
	}
	return n;
}

/* A signal with a kernel's si_code may only be sent to oneself. */
void sim_send_signal(const struct sim_signal *s)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_signo = s->signo;
	info.si_code = s->code;
	info.si_band = POLLIN | POLLRDNORM;
	info.si_fd = s->fd;
	for (unsigned int i = 0; i < s->times; i++)
		syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), s->signo, &info);
}

long sim_fcntl(struct sim_event *ev, int fd, int cmd, unsigned long arg)
{
	const struct f_owner_ex *owner = (const struct f_owner_ex *)arg;

	switch (cmd) {
	case F_SETOWN_EX:
		ev->owner = owner->pid;
		return 0;
	case F_SETOWN:
		ev->owner = (pid_t)arg;
		return 0;
	case F_SETSIG:
		ev->signo = (int)arg;
		return 0;
	case F_SETFL:
		ev->async = arg & O_ASYNC;
		ev->async_fd = fd;
		if (!ev->signo)
			ev->signo = SIGIO;
		return 0;
	}
	return fcntl(fd, cmd, arg) < 0 ? -errno : 0;
}
