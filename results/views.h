/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A run while it runs: KTAP for pipes, progress for terminals, only the end for the quiet. A view
 * takes the events of stream.h in order. For a resumed run, give it the old stream first
 * (pv_stream_file).
 */
#ifndef PV_RESULTS_VIEWS_H
#define PV_RESULTS_VIEWS_H

#include <stdio.h>

#include "results/stream.h"

enum pv_view_kind { PV_VIEW_KTAP, PV_VIEW_PROGRESS, PV_VIEW_QUIET };

struct pv_view;
/* Colour and a line that is updated are used where `out` is a terminal (and NO_COLOR is not set).
 */
struct pv_view *pv_view_new(enum pv_view_kind kind, FILE *out);
void pv_view_free(struct pv_view *v);
void pv_view_event(struct pv_view *v, const struct pv_stream_event *e);
/* From time to time while nothing comes in: the progress view shows that time passes. */
void pv_view_tick(struct pv_view *v);
/* The summary, once, when the stream is over. `stream` (its file's name) is told to the reader
 * unless NULL. */
void pv_view_end(struct pv_view *v, const char *stream);

struct pv_view_counts {
	size_t count[PV_R_NR]; /* verdicts */
	size_t done, planned;
	bool complete; /* run_end said so, and no planned verdict is missing */
	bool splat;    /* one outside of cases */
};
const struct pv_view_counts *pv_view_counts(const struct pv_view *v);
/*
 * 0 all held; 1 a failure, crash, hang or a splat outside of cases; 3 not complete, an error or a
 * missing verdict, or nothing tested (all skipped).
 */
int pv_view_exit(const struct pv_view *v);

#endif
