/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/agent/child.h"
#include "runner/agent/process.h"

/*
 * poll wakes at least this often: for the heartbeat, the watchdog and a stop signal. Each wake is a
 * heartbeat, so more of them cost a case nothing; more wakes would be more switches in its windows.
 */
#define TICK_MS 250

double pv_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void pv_process_beat(struct pv_process *p)
{
	double t = pv_now();

	if (t - p->last_beat < TICK_MS * 0.8e-3)
		return;
	p->last_beat = t;
	pv_out_heartbeat(p->out);
}

/* Passes on the whole lines of a case's process. False at its end. */
static bool relay(struct pv_process *p, int fd)
{
	char *start, *nl;
	ssize_t n;

	if (p->line_size - p->line_len < 65536) {
		p->line_size = p->line_len + 131072;
		p->line = realloc(p->line, p->line_size);
		if (!p->line)
			abort();
	}
	n = read(fd, p->line + p->line_len, 65536);
	if (n < 0)
		return errno == EINTR;
	if (!n)
		return false;
	p->line_len += n;
	for (start = p->line; (nl = memchr(start, '\n', p->line + p->line_len - start));
	     start = nl + 1) {
		pv_knobs_note(&p->knobs, start, nl - start);
		pv_out_line(p->out, start, nl - start);
	}
	p->line_len -= start - p->line;
	memmove(p->line, start, p->line_len);
	return true;
}

static void child(struct pv_process *p, const struct pv_case *c, unsigned int rep, int fd)
{
	struct pv_child_opts opts = {.cpu = p->cpu,
				     .seed = p->o->seed,
				     .deterministic = p->o->deterministic,
				     .rep = rep};

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	pv_child_run(c, &opts, p->tally, fd);
}

/* Waits for the case's first process; true when the watchdog or a stop signal ended it. */
static bool supervise(struct pv_process *p, pid_t pid, int fd, int pidfd)
{
	struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	double end = pv_now() + p->o->timeout;
	bool killed = false;

	for (;;) {
		int n = poll(fds, 2, TICK_MS);

		if (n > 0 && fds[0].revents && !relay(p, fd))
			fds[0].fd = -1;
		if (n > 0 && fds[1].revents)
			break;
		pv_process_beat(p);
		if (pv_now() > end || *p->stop || p->out->broken) {
			killed = true;
			break;
		}
	}
	/* What the case left running goes with it. */
	kill(-pid, SIGKILL);
	return killed;
}

static void drain(struct pv_process *p, int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (relay(p, fd))
		;
	p->line_len = 0;
}

/*
 * Where counts repeat to the bit, every case begins at the same phase of the timer tick, whatever
 * ran before it. Waiting costs nothing there: idle guest time is skipped under icount.
 */
static void wait_for_phase(void)
{
	const long round = 40000000; /* ns: whole ticks of HZ 100, 250, 300 (rounded) and 1000 */
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec = (ts.tv_nsec / round + 1) * round;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec = 0;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

int pv_process_run(struct pv_process *p, const struct pv_case *c, unsigned int rep, int *status,
		   bool *killed)
{
	int pipefd[2], pidfd, err;
	pid_t pid;

	memset(p->tally, 0, sizeof(*p->tally));
	if (pipe2(pipefd, O_CLOEXEC))
		return -errno;
	if (p->o->deterministic)
		wait_for_phase();
	pid = fork();
	if (!pid)
		child(p, c, rep, pipefd[1]);
	pidfd = pid > 0 ? syscall(SYS_pidfd_open, pid, 0) : -1;
	err = pidfd < 0 ? -errno : 0;
	close(pipefd[1]);
	if (pid > 0) {
		setpgid(pid, pid);
		if (err)
			kill(-pid, SIGKILL);
		else
			*killed = supervise(p, pid, pipefd[0], pidfd);
		while (waitpid(pid, status, 0) < 0 && errno == EINTR)
			;
		drain(p, pipefd[0]);
	}
	if (pidfd >= 0)
		close(pidfd);
	close(pipefd[0]);
	pv_knobs_restore(&p->knobs);
	return err;
}
