/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of `pmuvet run`: one stream, from its first event to its last, over all processes that
 * worked on it. */
#ifndef PV_RUNNER_RUN_H
#define PV_RUNNER_RUN_H

#include <stdio.h>

#include "results/stream.h"
#include "results/views.h"
#include "results/json.h"
#include "runner/agent/knobs.h"
#include "runner/journal.h"
#include "runner/options.h"
#include "runner/runner.h"

struct pv_run_state {
	struct pv_options o;
	struct pv_journal journal;
	struct pv_stream *stream;
	struct pv_view *view;
	struct pv_json json;
	char path[PATH_SIZE], skip_file[PATH_SIZE];
	FILE *skips;             /* what a resumed stream has done already */
	char *open_id, *boot_id; /* its case that has begun and not ended; the kernel start that it
				    ran on */
	int64_t open_rep;
	struct pv_knobs knobs; /* turned and perhaps not put back: by a case that has no end */
	char *kernel;          /* release and build-id of the stream that is resumed */
	char *platform;
	int64_t planned;
	double seconds;   /* of earlier processes that worked on this stream */
	bool old;         /* reading what was recorded before */
	bool worth_repro; /* what crashed was reproduced, or a case printed a program */
	bool began, complete, producer_ended;
	char reason[256];
};

/* Appends a line to the journal; 0 or -errno, told on stderr. */
int pv_run_journal(struct pv_run_state *r, const char *line, size_t len);
/* A line of the producer: read, counted, shown, recorded. 0 or -errno, told on stderr. */
int pv_run_line(struct pv_run_state *r, const char *text, size_t len);
/*
 * Takes what a resumed stream has said, puts its knobs back, writes the skip file; a case during
 * which the machine went down gets its verdict. 0 or -errno, told on stderr.
 */
int pv_run_read_old(struct pv_run_state *r);
/* The event behind which this process goes on. */
int pv_run_write_resume(struct pv_run_state *r);

#endif
