/* SPDX-License-Identifier: GPL-2.0-only */
/* Children, signals, poll, files and knobs of a case. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/test.h"

#define MAX_HELD 64
static struct {
	pid_t pid;
	int go; /* write end: a byte lets the child run */
} held[MAX_HELD];

static pid_t spawn(struct pv_test *t, void (*fn)(struct pv_test *t, void *arg), void *arg, int go)
{
	long pid = pv_sys_fork();
	char byte;

	if (pid < 0)
		pv_error(t, PV_BROKEN_SETUP, "fork: %s", strerrorname_np(-pid));
	if (pid)
		return pid;
	if (go >= 0 && read(go, &byte, 1) != 1)
		_exit(1);
	fn(t, arg);
	_exit(0);
}

pid_t pv_fork(struct pv_test *t, void (*fn)(struct pv_test *t, void *arg), void *arg)
{
	return spawn(t, fn, arg, -1);
}

pid_t pv_fork_held(struct pv_test *t, void (*fn)(struct pv_test *t, void *arg), void *arg)
{
	int pipefd[2], slot = 0;

	while (slot < MAX_HELD && held[slot].pid)
		slot++;
	if (slot == MAX_HELD || pipe2(pipefd, O_CLOEXEC))
		pv_error(t, PV_BROKEN_SETUP, "no pipe for a held child");
	held[slot].pid = spawn(t, fn, arg, pipefd[0]);
	held[slot].go = pipefd[1];
	close(pipefd[0]);
	return held[slot].pid;
}

void pv_go(struct pv_test *t, pid_t pid)
{
	for (int i = 0; i < MAX_HELD; i++) {
		if (held[i].pid != pid)
			continue;
		if (write(held[i].go, "", 1) != 1)
			pv_error(t, PV_BROKEN_SETUP, "a held child went away");
		close(held[i].go);
		held[i].pid = 0;
		return;
	}
	pv_error(t, PV_BROKEN_SETUP, "pv_go() of a child that is not held");
}

void pv_wait(struct pv_test *t, pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid) {
		if (errno != EINTR)
			pv_error(t, PV_BROKEN_SETUP, "waitpid: %s", strerrorname_np(errno));
	}
	if (WIFSIGNALED(status))
		pv_fail(t, "a child was killed by SIG%s", sigabbrev_np(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		pv_fail(t, "a child failed");
}

/* The handler finds its event by signal number: each has its own. */
static struct pv_ev *signal_event[_NSIG];

static void on_signal(int signo, siginfo_t *info, void *context)
{
	struct pv_ev *ev = signal_event[signo];

	(void)context;
	if (!ev)
		return;
	ev->signals.count++;
	ev->signals.last_fd = info->si_fd;
	if (info->si_fd != ev->fd)
		ev->signals.wrong_fd++;
	if (info->si_code == POLL_HUP)
		ev->signals.hup++;
}

struct pv_signals *pv_signal_on(struct pv_test *t, struct pv_ev *ev, int signo)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct f_owner_ex owner = {F_OWNER_TID, syscall(SYS_gettid)};
	long err = 0;

	signal_event[signo] = ev;
	if (sigaction(signo, &sa, NULL))
		pv_error(t, PV_BROKEN_SETUP, "sigaction: %s", strerrorname_np(errno));
	err = pv_sys_fcntl(ev->fd, F_SETOWN_EX, (unsigned long)&owner);
	if (!err)
		err = pv_sys_fcntl(ev->fd, F_SETSIG, signo);
	if (!err)
		err = pv_sys_fcntl(ev->fd, F_SETFL, O_ASYNC | O_NONBLOCK);
	if (err)
		pv_fail(t, "fcntl for signals of an event: %s", strerrorname_np(-err));
	return &ev->signals;
}

int pv_poll(struct pv_ev *ev, int timeout_ms)
{
	struct pollfd p = {.fd = ev->fd, .events = POLLIN};
	long n = pv_sys_poll(&p, 1, timeout_ms);

	return n < 0 ? n : n ? p.revents : 0;
}

int pv_file_read(const char *path, char *buf, size_t size)
{
	long n = pv_sys_file_read(path, buf, size);

	if (n > 0 && buf[n - 1] == '\n')
		buf[--n] = 0;
	return n;
}

int pv_dir_list(const char *path, char (*names)[256], size_t max)
{
	return pv_sys_dir_list(path, names, max);
}

void pv_knob(struct pv_test *t, const char *path, const char *value)
{
	char old[256], *chosen;
	long n = pv_file_read(path, old, sizeof(old));

	if (n < 0)
		pv_skip(t, PV_ABSENT, "%s: %s", path, strerrorname_np(-n));
	/* A choice, "always [madvise] never": what is put back is the word. */
	chosen = strchr(old, '[');
	if (chosen && strchr(chosen, ']')) {
		*strchr(chosen, ']') = 0;
		memmove(old, chosen + 1, strlen(chosen + 1) + 1);
	}
	/* First told, then turned: the engine can put back what it knows. */
	t->sink->knob(t->sink_ctx, path, old);
	n = pv_sys_file_write(path, value);
	if (n < 0)
		pv_skip(t, PV_DENIED, "%s cannot be set to %s: %s", path, value,
			strerrorname_np(-n));
}
