/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs a list of cases, each in a process of its own, and writes the event stream. */
#ifndef PV_RUNNER_AGENT_ENGINE_H
#define PV_RUNNER_AGENT_ENGINE_H

#include <signal.h>

#include "pmu/descriptor.h"
#include "runner/agent/out.h"

struct pv_run_opts {
	const char *platform;
	const char **filter, **exclude, **descriptor, **expect, **collect;
	size_t nr_filter, nr_exclude, nr_descriptor, nr_expect, nr_collect;
	const char *skip_file;
	const char *only_file; /* the jobs and their order, instead of the selection's */
	unsigned int repeat;
	bool shuffle, deterministic;
	bool kallsyms;    /* send the table of symbols behind the last case */
	const char *soak; /* stress neighbours (soak.h); NULL: none, and taint is not watched */
	bool quick;       /* only the most telling cases, these first */
	bool standard;    /* those, and each promise that they have not, once */
	uint64_t seed;
	double timeout; /* seconds for one case */
	int cpu;        /* to pin cases to; -1: the first this process may use */
};

/* What a run works on: cases of this architecture, of the chosen descriptors, that the globs let
 * through. */
struct pv_selection {
	const struct pv_case **cases;
	size_t nr;
};

/* 0, or -EINVAL with one line on stderr (unknown descriptor or family, a glob that matches
 * nothing). */
int pv_select(const struct pv_run_opts *o, struct pv_selection *sel);
bool pv_pmu_active(const struct pv_run_opts *o, const struct pv_pmu *pmu);
bool pv_pmu_expected(const struct pv_run_opts *o, const struct pv_pmu *pmu);

/* One repetition of a case. */
struct pv_job {
	const struct pv_case *c;
	unsigned int rep;
};

/* What is to be run, in this order; free() it. 0, or -EINVAL with one line on stderr (jobs.c). */
int pv_jobs(const struct pv_run_opts *o, const struct pv_selection *sel, struct pv_job **jobs,
	    size_t *nr);

/* Sends run_begin, plan, the cases and run_end. 0 complete; -EINTR stopped by `stop`; -EIO nobody
 * listens. */
int pv_engine_run(const struct pv_run_opts *o, const struct pv_selection *sel, struct pv_out *out,
		  volatile sig_atomic_t *stop);

#define PV_PIECE                                                                                   \
	49152 /* bytes of a file in one event: a multiple of 3, far below a line's limit           \
	       */
/* text needs len / 3 * 4 + 5 bytes. */
void pv_base64(char *text, const unsigned char *data, size_t len);
/* Files and directories of o->collect as `file` events (collect.c). */
void pv_collect(const struct pv_run_opts *o, struct pv_out *out);

/* The GNU build-id in a file of ELF notes, in hex; "" when there is none (modules.c). */
void pv_note_build_id(const char *path, char *hex, size_t size);
/* The keys of the event `modules`. */
void pv_modules(struct pv_json *j);
/* /proc/kallsyms as a gzip file in events `kallsyms`; nothing where it cannot be read. */
void pv_kallsyms(struct pv_out *out);

/* The keys of run_begin that the agent can know (facts.c). */
void pv_facts(struct pv_json *j, const struct pv_run_opts *o);
#endif
