/* SPDX-License-Identifier: GPL-2.0-only */
/* Which cases a run is about. */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/agent/engine.h"

static uint32_t own_arch(void)
{
#if defined(__x86_64__)
	return PV_ARCH_X86_64;
#elif defined(__aarch64__)
	return PV_ARCH_ARM64;
#elif defined(__i386__)
	return PV_ARCH_I386;
#else
	return PV_ARCH_ARM;
#endif
}

static const struct pv_pmu *find_pmu(const char *name)
{
	for (size_t i = 0; i < pv_nr_pmus; i++) {
		if (!strcmp(pv_pmus[i].name, name))
			return &pv_pmus[i];
	}
	return NULL;
}

bool pv_pmu_active(const struct pv_run_opts *o, const struct pv_pmu *pmu)
{
	for (size_t i = 0; i < o->nr_descriptor; i++) {
		const struct pv_pmu *chosen = find_pmu(o->descriptor[i]);

		if (chosen && !strcmp(chosen->family, pmu->family))
			return chosen == pmu;
	}
	return pmu->is_default;
}

bool pv_pmu_expected(const struct pv_run_opts *o, const struct pv_pmu *pmu)
{
	for (size_t i = 0; i < o->nr_expect; i++) {
		if (!strcmp(o->expect[i], pmu->family))
			return true;
	}
	return false;
}

static bool any_match(const char **globs, size_t n, const char *id, bool *used)
{
	bool hit = false;

	for (size_t i = 0; i < n; i++) {
		if (!fnmatch(globs[i], id, 0)) {
			used[i] = true;
			hit = true;
		}
	}
	return hit;
}

static int check_names(const struct pv_run_opts *o)
{
	for (size_t i = 0; i < o->nr_descriptor; i++) {
		if (!find_pmu(o->descriptor[i])) {
			fprintf(stderr, "pmuvet-agent: unknown descriptor '%s'; there are:",
				o->descriptor[i]);
			for (size_t k = 0; k < pv_nr_pmus; k++)
				fprintf(stderr, " %s", pv_pmus[k].name);
			fputc('\n', stderr);
			return -EINVAL;
		}
	}
	for (size_t i = 0; i < o->nr_expect; i++) {
		bool known = false;

		for (size_t k = 0; k < pv_nr_pmus; k++)
			known |= !strcmp(pv_pmus[k].family, o->expect[i]);
		if (!known) {
			fprintf(stderr, "pmuvet-agent: unknown PMU family '%s' in --expect\n",
				o->expect[i]);
			return -EINVAL;
		}
	}
	return 0;
}

static int by_place(const void *x, const void *y)
{
	const struct pv_case *a = *(const struct pv_case *const *)x;
	const struct pv_case *b = *(const struct pv_case *const *)y;

	return a->quick != b->quick ? (a->quick > b->quick) - (a->quick < b->quick)
				    : (a > b) - (a < b);
}

/* ---- the standard set ---- */

struct pv_seen {
	void *promises, *by_pmu;
};

/* By promise: ids are pmu/promise[:variant]. */
static int by_promise(const void *x, const void *y)
{
	const char *a = strchr(x, '/'), *b = strchr(y, '/');
	size_t n = strcspn(a, ":"), m = strcspn(b, ":");
	int order = strncmp(a, b, n < m ? n : m);

	return order ? order : (n > m) - (n < m);
}

/* The same, each PMU for itself. */
static int by_pmu(const void *x, const void *y)
{
	int order = by_promise(x, y);

	return order ? order : strncmp(x, y, strchr(x, '/') + 1 - (const char *)x);
}

/* Does the case bring a promise that no case before it has? */
static bool brings(struct pv_seen *seen, const struct pv_run_opts *o, const struct pv_case *c)
{
	bool there = pv_pmu_expected(o, c->pmu);
	const char *const *found = tsearch(c->id, there ? &seen->promises : &seen->by_pmu,
					   there ? by_promise : by_pmu);

	if (!found)
		abort();
	return *found == c->id;
}

static void leave(void *id)
{
	(void)id;
}

/*
 * Each promise once: by the quick cases, then by the first PMU that this platform must have. Other
 * PMUs may be missing: there each has its own.
 */
static void standard_set(const struct pv_run_opts *o, struct pv_selection *sel)
{
	struct pv_seen seen = {NULL, NULL};
	size_t nr = 0;

	for (size_t i = 0; i < sel->nr; i++) {
		if (sel->cases[i]->quick)
			brings(&seen, o, sel->cases[i]);
	}
	for (size_t i = 0; i < sel->nr; i++) {
		if (sel->cases[i]->quick || brings(&seen, o, sel->cases[i]))
			sel->cases[nr++] = sel->cases[i];
	}
	sel->nr = nr;
	tdestroy(seen.promises, leave);
	tdestroy(seen.by_pmu, leave);
}

int pv_select(const struct pv_run_opts *o, struct pv_selection *sel)
{
	bool *used = calloc(o->nr_filter + o->nr_exclude + 1, 1);
	int err = check_names(o);

	sel->nr = 0;
	sel->cases = calloc(pv_nr_cases, sizeof(*sel->cases));
	if (!used || !sel->cases)
		abort();
	for (size_t i = 0; i < pv_nr_cases && !err; i++) {
		const struct pv_case *c = &pv_cases[i];

		if (!(c->arch & own_arch()) || !pv_pmu_active(o, c->pmu))
			continue;
		if (o->nr_filter && !any_match(o->filter, o->nr_filter, c->id, used))
			continue;
		if (any_match(o->exclude, o->nr_exclude, c->id, used + o->nr_filter))
			continue;
		if (c->quick || !o->quick)
			sel->cases[sel->nr++] = c;
	}
	if (o->standard)
		standard_set(o, sel);
	if (o->quick)
		qsort(sel->cases, sel->nr, sizeof(*sel->cases), by_place);
	for (size_t i = 0; i < o->nr_filter && !err; i++) {
		if (!used[i]) {
			fprintf(stderr,
				"pmuvet-agent: --filter '%s' matches no case here; see pmuvet list\n",
				o->filter[i]);
			err = -EINVAL;
		}
	}
	if (!err && !sel->nr) {
		fprintf(stderr, "pmuvet-agent: no case is left to run\n");
		err = -EINVAL;
	}
	free(used);
	return err;
}
