/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two runs, one verdict per case: what changed from A (the baseline) to B (the new one).
 *
 * Over its repetitions a case is green (pass, xpass), known bad (xfail), red (fail, hang, crash) or
 * untested (skip, miss, error). What held in A and does not hold in B is a regression, also when an
 * erratum excuses it in B (pass -> xfail): errata describe a PMU, and the PMU is the same on both
 * sides.
 */
#ifndef PV_RESULTS_COMPARE_H
#define PV_RESULTS_COMPARE_H

#include "results/run.h"

/* In order of importance. */
enum pv_class {
	PV_C_CRASH,       /* B crashes or hangs; A did neither, or died of another bug */
	PV_C_REGRESSED,   /* what held (or failed as an erratum says) does not hold */
	PV_C_LOST,        /* tested in A, untested in B */
	PV_C_NEW_FAIL,    /* red in B, untested or unknown in A */
	PV_C_FLAKY,       /* green and red in one run; a regression when A was never red */
	PV_C_KNOWN_CRASH, /* crashes or hangs in both, of the same bug as far as its titles tell */
	PV_C_FIXED,       /* held in B, did not in A */
	PV_C_CHANGED,     /* same verdict, other evidence; untested for another reason */
	PV_C_NEW,         /* tested in B, untested or unknown in A */
	PV_C_GONE,        /* B has not got it */
	PV_C_STILL,       /* red or known bad in both */
	PV_C_SAME,
	PV_C_NR,
};
extern const char *const pv_class_names[PV_C_NR];

struct pv_change {
	enum pv_class class;
	bool regression;
	bool other_crash;                /* both died, of bugs whose titles differ */
	const struct pv_case_run *a, *b; /* NULL: not in that run */
	const struct pv_obs *obs_a,
		*obs_b;      /* first changed evidence, where there is one; NULL: not in that run */
	unsigned int nr_obs; /* changed evidences */
};

struct pv_comparison {
	const struct pv_run *a, *b;
	bool exact;               /* every difference of a number counts */
	struct pv_change *change; /* all but PV_C_SAME, by class and id */
	size_t nr_changes;
	size_t count[PV_C_NR];
	size_t regressions; /* changes that are one, and splats outside of cases that A had not got
			     */
	size_t tested;      /* cases that have a real verdict in both */
	char warning[8][160]; /* why the runs are hardly comparable */
	size_t nr_warnings;
};

/* Both runs must outlive the comparison. Free with pv_comparison_free(). */
struct pv_comparison *pv_compare(const struct pv_run *a, const struct pv_run *b);
void pv_comparison_free(struct pv_comparison *c);
/* A splat of B outside of cases that A had not got. */
bool pv_splat_is_new(const struct pv_comparison *c, const char *title);
/*
 * Did this number change? On an exact comparison every difference counts. Elsewhere only what
 * cannot be noise: whether it held; an errno; what was due while the observed number is the same;
 * and, with at least PV_SPREAD_REPS repetitions in A and what was due standing still, a number of
 * which all of B lies outside of A's min..max widened by its own width on both sides (notes: A must
 * not have moved at all).
 */
#define PV_SPREAD_REPS 3
bool pv_obs_changed(const struct pv_obs *a, const struct pv_obs *b, bool exact);
/* The evidence of the other run that has the same name and place in the order; NULL: none. */
const struct pv_obs *pv_obs_twin(const struct pv_case_run *of, const struct pv_obs *o,
				 const struct pv_case_run *in);
/*
 * 1 a regression, 0 none; 3 when a run is partial or no case was tested in both, and nothing
 * regressed. A case that B never reached is no regression, a case that fails and that a partial A
 * never reached neither.
 */
int pv_compare_exit(const struct pv_comparison *c);

/* The command `pmuvet compare`. */
int pv_compare_main(int argc, char **argv);

#endif
