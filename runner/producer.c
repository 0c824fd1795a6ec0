/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "runner/options.h"
#include "runner/runner.h"

static void add_all(struct pv_args *to, const struct pv_args *from)
{
	for (size_t i = 0; i < from->n; i++)
		pv_args_add(to, from->v[i]);
}

static void build_argv(const struct pv_options *o, const char *skip_file, struct pv_args *a)
{
	char path[4096];

	if (!strcmp(o->platform, "host")) {
		pv_path(path, sizeof(path), "build/native/pmuvet-agent");
		pv_args_add(a, path);
	} else {
		pv_args_add(a, "/usr/bin/python3");
		pv_args_add(a, "-m");
		pv_args_add(a, "runner.guest");
		pv_args_add(a, "run");
		pv_args_add(a, "--platform");
		pv_args_add(a, o->platform);
		add_all(a, &o->guest);
		if (o->dry_run)
			pv_args_add(a, "--dry-run");
		pv_args_add(a, "--");
	}
	add_all(a, &o->agent);
	if (o->list)
		pv_args_add(a, "--list");
	if (skip_file) {
		pv_args_add(a, "--skip-file");
		pv_args_add(a, skip_file);
	}
}

static void __attribute__((noreturn)) child(struct pv_args *a, int out, pid_t parent)
{
	/* The stream's writer does not outlive its reader: guests and cases die with this process.
	 */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(3);
	setpgid(0, 0);
	setenv("PYTHONPATH", pv_root(), 1);
	setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
	if (out >= 0)
		dup2(out, STDOUT_FILENO);
	execv(a->v[0], a->v);
	fprintf(stderr, "pmuvet run: %s: %s; is it built? ./pmuvet builds it\n", a->v[0],
		strerror(errno));
	_exit(PV_EXIT_HARNESS);
}

pid_t pv_producer_start(const struct pv_options *o, const char *skip_file, int *fd)
{
	bool plain = o->list || o->dry_run;
	struct pv_args a = {0};
	int pipefd[2] = {-1, -1};
	pid_t pid, self = getpid();

	if (!plain && pipe2(pipefd, O_CLOEXEC))
		return -errno;
	build_argv(o, skip_file, &a);
	pid = fork();
	if (!pid)
		child(&a, pipefd[1], self);
	if (pid < 0)
		pid = -errno;
	if (!plain)
		close(pipefd[1]);
	if (fd)
		*fd = pipefd[0];
	pv_args_free(&a);
	return pid;
}
