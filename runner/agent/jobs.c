/* SPDX-License-Identifier: GPL-2.0-only */
/* The order in which a run goes through its cases. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/agent/engine.h"

static uint64_t step(uint64_t *state)
{
	/* xorshift64* (Vigna 2016) */
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 2685821657736338717ull;
}

/* Repetition is the outer loop: each repeat of a case meets other neighbours when shuffled. */
static struct pv_job *all_jobs(const struct pv_run_opts *o, const struct pv_selection *sel,
			       size_t *nr)
{
	struct pv_job *jobs = calloc(sel->nr * o->repeat, sizeof(*jobs));
	uint64_t state = o->seed ? o->seed : 0x9e3779b97f4a7c15ull;

	if (!jobs)
		abort();
	*nr = 0;
	for (unsigned int rep = 0; rep < o->repeat; rep++) {
		struct pv_job *round = jobs + *nr;

		for (size_t i = 0; i < sel->nr; i++)
			jobs[(*nr)++] = (struct pv_job){sel->cases[i], rep};
		for (size_t i = sel->nr; o->shuffle && i > 1; i--) {
			size_t k = step(&state) % i;
			struct pv_job tmp = round[i - 1];

			round[i - 1] = round[k];
			round[k] = tmp;
		}
	}
	return jobs;
}

static const struct pv_case *find(const struct pv_selection *sel, const char *id)
{
	for (size_t i = 0; i < sel->nr; i++) {
		if (!strcmp(sel->cases[i]->id, id))
			return sel->cases[i];
	}
	return NULL;
}

static int refuse(const struct pv_run_opts *o, size_t line, const char *why)
{
	fprintf(stderr, "pmuvet-agent: --only-file %s:%zu: %s\n", o->only_file, line, why);
	return -EINVAL;
}

/* Lines "id\trep", as in a skip file, but in the order in which they are to run. */
static int listed_jobs(const struct pv_run_opts *o, const struct pv_selection *sel, FILE *f,
		       struct pv_job **jobs, size_t *nr)
{
	size_t size = 0, room = 0;
	char *line = NULL, *tab, *end;
	int err = 0;

	while (!err && getline(&line, &size, f) > 0) {
		struct pv_job job;

		tab = strchr(line, '\t');
		job.rep = tab ? strtoul(tab + 1, &end, 10) : 0;
		if (!tab || end == tab + 1 || strcmp(end, "\n")) {
			err = refuse(o, *nr + 1, "want a case id, a tab and a number");
			break;
		}
		*tab = 0;
		job.c = find(sel, line);
		if (!job.c) {
			err = refuse(o, *nr + 1, "no such case in this run");
			break;
		}
		if (*nr == room) {
			room = room ? room * 2 : 64;
			*jobs = realloc(*jobs, room * sizeof(**jobs));
			if (!*jobs)
				abort();
		}
		(*jobs)[(*nr)++] = job;
	}
	free(line);
	return err ? err : *nr ? 0 : refuse(o, 1, "no case in it");
}

int pv_jobs(const struct pv_run_opts *o, const struct pv_selection *sel, struct pv_job **jobs,
	    size_t *nr)
{
	FILE *f;
	int err;

	*jobs = NULL;
	*nr = 0;
	if (!o->only_file) {
		*jobs = all_jobs(o, sel, nr);
		return 0;
	}
	f = fopen(o->only_file, "re");
	if (!f) {
		err = errno;
		fprintf(stderr, "pmuvet-agent: --only-file %s: %s\n", o->only_file, strerror(err));
		return -err;
	}
	err = listed_jobs(o, sel, f, jobs, nr);
	fclose(f);
	if (err)
		free(*jobs);
	return err;
}
