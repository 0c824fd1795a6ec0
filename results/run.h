/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A recorded run, loaded: per case the verdicts of its repetitions and the evidence
 * summed up over them. Also judges the order of events (docs/stream.md):
 *
 * - run_begin is the first event; a second one, a second plan or a case after run_end are accepted
 * only behind `resume`, and only from the same kernel, platform and architecture.
 * - One case at a time: case_begin while another one is open, evidence and case_end of a case that
 * is not open, and a second verdict for one (case, rep), be it the same, are errors. `miss` alone
 * has no case_begin. The repetitions of one case come in rising order.
 * - A case that is open at `resume` runs again: what its first attempt saw is dropped. One that is
 * open at `boot` or where the stream just stops has crashed; at a run_end it has no verdict.
 */
#ifndef PV_RESULTS_RUN_H
#define PV_RESULTS_RUN_H

#include "results/stream.h"
#include "results/text.h"

/* One number of a case over all repetitions; `name` may occur several times, in order. */
struct pv_obs {
	struct pv_obs *next;
	const char *name, *at;
	enum pv_op op;
	unsigned int seen, failed;  /* in how many repetitions; how often it did not hold */
	pv_num min, max;            /* observed */
	pv_num lo, hi;              /* what was due, in the first repetition */
	bool moving;                /* what was due differs between repetitions */
	pv_num bad, bad_lo, bad_hi; /* the first one that did not hold */
	unsigned long stamp;
};

struct pv_rep {
	struct pv_rep *next;
	int64_t rep;
	enum pv_result result;
	const char *reason, *kind, *erratum, *tail; /* NULL: none */
	const char *splat;                          /* title of the first one */
	const char *death;                          /* how the guest died */
	const char *title, *alt;                    /* of a crash or hang: its name; joined by \n */
};

/* What became of a crash when it was tried again in fresh boots. */
struct pv_again {
	bool alone;         /* the case crashes when nothing ran before it */
	bool reproduced;    /* alone, or behind `prefix` */
	const char *prefix; /* ids joined by \n; NULL: none */
	unsigned int nr_prefix;
	const char *reason; /* why the search did not come to its end; NULL: it did */
	const char *title;
	int64_t rep, boots;
};

struct pv_case_run {
	const char *id;
	struct pv_rep *reps, *last;
	struct pv_obs *obs, *obs_last, *obs_cursor;
	unsigned int nr_reps, nr_obs;
	unsigned int count[PV_R_NR]; /* repetitions per verdict */
	enum pv_result best, worst;
	const struct pv_again *again; /* NULL: was not tried */
};

struct pv_run {
	const char *path;
	const char *fact[PV_F_NR];
	bool deterministic;
	struct pv_descriptor_fact *descriptor;
	size_t nr_descriptors;
	struct pv_case_run
		*cases;  /* in the order of their first event; those without verdict have no reps */
	size_t nr_cases; /* all */
	size_t count[PV_R_NR];    /* cases by their worst verdict */
	size_t verdicts, planned; /* (case, rep): ended, wanted */
	unsigned int boots;
	const char *splat[16]; /* titles of distinct splats and deaths outside of cases */
	size_t nr_splats;
	bool complete;
	char why[160]; /* not complete: why */
	/* private */
	size_t cases_size, index_size;
	struct pv_index {
		uint32_t hash, nr; /* nr: 0 is free, else one more than the case's */
	} * index;
	struct pv_arena arena;
	struct pv_strings strings;
};

/*
 * Loads a stream. 0; -EINVAL: broken content; another -errno: the file cannot be read. `error` gets
 * "FILE:LINE: message" when not 0. *run is NULL then, else pv_run_free() it.
 */
int pv_run_load(const char *path, struct pv_run **run, char *error, size_t size);
void pv_run_free(struct pv_run *run);
/* NULL: the run has not got it, or has no verdict for it. */
const struct pv_case_run *pv_run_find(const struct pv_run *run, const char *id);
/* May these two be the same crash? Their sets of titles meet, or one has no title; two hangs: of
 * the same kind. */
bool pv_same_crash(const struct pv_rep *a, const struct pv_rep *b);
/* An `again` event; its texts are the event's. */
struct pv_again pv_again_of(const struct pv_stream_event *e);
/* "crashes alone, in a fresh boot", ...: what a crash is told with. Returns buf. */
const char *pv_again_text(char *buf, size_t size, const struct pv_again *again);
/* The first repetition with the case's worst verdict. */
const struct pv_rep *pv_worst_rep(const struct pv_case_run *c);

#endif
