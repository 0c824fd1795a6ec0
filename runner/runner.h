/* SPDX-License-Identifier: GPL-2.0-only */
/* The host side's commands. Each gets argv with its own name first and returns an exit status. */
#ifndef PV_RUNNER_RUNNER_H
#define PV_RUNNER_RUNNER_H

#include <stdbool.h>
#include <stddef.h>

enum pv_exit {
	PV_EXIT_OK = 0,
	PV_EXIT_REGRESSION = 1, /* or failure, or guest crash */
	PV_EXIT_USAGE = 2,
	PV_EXIT_HARNESS = 3, /* the harness itself or the platform failed; a partial stream */
};

int pv_run_main(int argc, char **argv);
int pv_list_main(int argc, char **argv);
int pv_describe_main(int argc, char **argv);
int pv_regress_main(int argc, char **argv);
int pv_repro_main(int argc, char **argv);
int pv_soak_main(int argc, char **argv);

/* Writes what a recorded stream found as C programs beside it; told on stdout, `mark` before each
 * line (python.c). */
void pv_repro_beside(const char *stream, const char *mark);

/* What proves that a case can fail: a promise broken in the simulated kernel or in a real one. */
struct pv_promise {
	const char *kind; /* "sim" or "kernel" */
	const char
		*name; /* of the breakage: enum sim_break without SIM_; the word after pvbreak= */
	const char *about; /* what is broken */
	const char
		*cases; /* globs of the cases that own the promise; `sim`: ids without variants */
};
extern const struct pv_promise pv_promises[];
extern const size_t pv_nr_promises;

/* The source tree ($PMUVET_ROOT, else where it was built from) and a file below it; static storage
 * for the first. */
const char *pv_root(void);
void pv_path(char *buf, size_t size, const char *below_root);
/* Makes the directory and its parents; 0 or -errno. */
#define PATH_SIZE 4096
int pv_make_dirs(const char *path);

#endif
