/* SPDX-License-Identifier: GPL-2.0-only */
/* What `pmuvet run` was asked for, and the process that produces the event stream. */
#ifndef PV_RUNNER_OPTIONS_H
#define PV_RUNNER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

/* A growing argv; ends with NULL. */
struct pv_args {
	char **v;
	size_t n;
};
void pv_args_add(struct pv_args *a, const char *arg);
void pv_args_free(struct pv_args *a);

struct pv_options {
	const char *platform; /* "host", or a guest's name */
	const char *json;     /* the stream's file; NULL: one below results/runs/ */
	bool resume, list, dry_run, quiet;
	struct pv_args agent; /* options that the agent takes as they are */
	struct pv_args guest; /* options that the guest runner takes as they are */
};

/* 0 go on, or an exit status with a line printed; `*done` when --help was answered. */
int pv_options_parse(struct pv_options *o, int argc, char **argv, bool *done);
void pv_options_free(struct pv_options *o);
void pv_run_usage(FILE *f);

/*
 * Starts the agent (host) or the guest runner (everything else), its stream on *fd. `skip_file` may
 * be NULL. Returns its pid or -errno.
 */
pid_t pv_producer_start(const struct pv_options *o, const char *skip_file, int *fd);

#endif
