/* SPDX-License-Identifier: GPL-2.0-only */
/* Comparisons as text for people (100 columns, fit for a mail) and as JSON for machines. */
#ifndef PV_RESULTS_REPORT_H
#define PV_RESULTS_REPORT_H

#include <stdio.h>

#include "results/compare.h"

#define PV_REPORT_COLUMNS 100
#define PV_REPORT_LINES   40

struct pv_report_opts {
	bool all;           /* everything, with the tails of consoles; else one screen */
	bool colour;        /* pv_report_colour() */
	unsigned int lines; /* of one screen, for all comparisons together; 0: PV_REPORT_LINES */
};

/* Prints one report over n comparisons. Returns the exit status for all of them: 1 before 3 before
 * 0. */
int pv_report(FILE *out, const struct pv_comparison *const c[], size_t n,
	      const struct pv_report_opts *opts);
/* Writes all changes of n comparisons as one JSON object. 0 or -errno. */
int pv_report_json(const char *path, const struct pv_comparison *const c[], size_t n);
/* `out` is a terminal and NO_COLOR is not set (no-color.org). */
bool pv_report_colour(FILE *out);

#endif
