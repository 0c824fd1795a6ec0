/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside of the case library: what struct pv_test is, and where evidence goes. */
#ifndef PV_CASES_LIB_TEST_H
#define PV_CASES_LIB_TEST_H

#include <setjmp.h>
#include <signal.h>

#include "cases/pv.h"

enum pv_verdict { PV_V_PASS, PV_V_FAIL, PV_V_SKIP, PV_V_ERROR };

enum pv_op { PV_OP_EQ, PV_OP_IN, PV_OP_ERRNO, PV_OP_NOTE };

struct pv_evidence {
	const char *file;
	int line;
	const char *name;
	enum pv_op op;
	uint64_t observed, expected, lo, hi; /* ERRNO: int64 values */
	bool ok;
};

/* Where a case's words go; the engine writes JSON, unit tests remember. */
struct pv_sink {
	void (*evidence)(void *ctx, const struct pv_evidence *e);
	void (*message)(void *ctx, const char *text);
	void (*knob)(void *ctx, const char *path, const char *old);
};

#define PV_FAILED_NAMES 16
/* Shared with the children of the case, so that their checks count too. */
struct pv_tally {
	unsigned int judged, failed; /* atomic */
	char failed_name[PV_FAILED_NAMES][64];
	bool ended; /* somebody called pv_skip(), pv_fail() or pv_error() */
	enum pv_verdict verdict;
	enum pv_kind kind;
	char reason[512];
};

struct pv_ev {
	struct pv_ev *next, *leader;
	struct perf_event_attr attr;
	int fd;
	unsigned int data_pages;
	struct perf_event_mmap_page *page; /* NULL: not mapped */
	uint64_t last_head, tail;
	struct pv_signals signals;
};

struct pv_test {
	const struct pv_case *c;
	const struct pv_sink *sink;
	void *sink_ctx;
	struct pv_tally *tally;
	struct pv_ev *events;
	uint64_t rng;
	int cpu;
	bool deterministic;
	uint32_t attr_size;
	pid_t pid; /* of the case's first process */
};

/* Runs the body; the result is in tally. Returns unless the body ended the process's part itself,
 * then it does not. */
void pv_test_init(struct pv_test *t, const struct pv_case *c, const struct pv_sink *sink, void *ctx,
		  struct pv_tally *tally, int cpu, uint64_t seed, bool deterministic);
/* Verdict of a body that returned (or ended): fail when a check failed, error when nothing was
 * judged. */
enum pv_verdict pv_test_verdict(struct pv_tally *tally);
/* Where `reason` is empty and a check failed it is built from the failed names. */

extern const char *const pv_kind_names[];
extern const char *const pv_verdict_names[];

/* Is this PMU there? 0, or -errno, and in `why` a text. */
int pv_pmu_probe(const struct pv_pmu *pmu, char *why, size_t size);
/* The kernel's attr size by the E2BIG write-back. */
uint32_t pv_probe_attr_size(void);
#endif
