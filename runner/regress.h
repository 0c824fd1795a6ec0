/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of `pmuvet regress`: what was asked for, and its guest runs. */
#ifndef PV_RUNNER_REGRESS_H
#define PV_RUNNER_REGRESS_H

#include <signal.h>
#include <sys/types.h>

#include "runner/options.h"
#include "runner/runner.h"

#define MAX_PLATFORMS 16

/* One guest run of this regress. */
struct pv_job {
	const char *platform, *kernel;
	char stream[PATH_SIZE], log[PATH_SIZE];
	char line[4096]; /* KTAP of the child, as far as it is not a whole line */
	size_t line_len;
	unsigned int planned, done, failed;
	pid_t pid;
	int fd, status;
	double start, seconds;
};

struct pv_regress {
	const char *base, *new, *platform[MAX_PLATFORMS];
	size_t nr_platforms;
	struct pv_args pass; /* options for every `pmuvet run` */
	const char *set;     /* which cases: an option of `pmuvet run`; NULL: all */
	bool all, full;
	bool bisect;        /* one kernel instead of two */
	const char *kernel; /* bisect: a tree or a file */
	bool cases;         /* bisect: some were named */
	const char *dir;
	char dir_buf[PATH_SIZE];
	struct pv_job job[2 * MAX_PLATFORMS];
	size_t nr_jobs;
};

/* Base and new of each platform, in this order: job[2 * i] and job[2 * i + 1] are a pair. */
void pv_regress_make_jobs(struct pv_regress *r);
/* Runs them, as many at a time as there are cores, until all are done or `stopped` is set; progress
 * on stderr. */
void pv_regress_run_jobs(struct pv_regress *r, const volatile sig_atomic_t *stopped);

/*
 * `--bisect`: 0 good, 1 bad, 125 cannot tell (it does not boot, the case is skipped or has no
 * verdict), 128 and above stop (bisect.c).
 */
int pv_bisect(struct pv_regress *r, const volatile sig_atomic_t *stopped);

#endif
