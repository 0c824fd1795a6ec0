/* SPDX-License-Identifier: GPL-2.0-only */
/* Which cases a run is about. */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
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

/* The first of a promise's cases on a PMU: ids are pmu/capability/name[:variant], a promise's in a
 * row. */
static bool first_of_promise(const struct pv_case *c, const struct pv_case *before)
{
	size_t len = strcspn(c->id, ":");

	return !before || len != strcspn(before->id, ":") || strncmp(c->id, before->id, len);
}

static bool in_set(const struct pv_run_opts *o, const struct pv_case *c, bool first)
{
	return c->quick || (o->standard ? first : !o->quick);
}

int pv_select(const struct pv_run_opts *o, struct pv_selection *sel)
{
	bool *used = calloc(o->nr_filter + o->nr_exclude + 1, 1);
	const struct pv_case *before = NULL;
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
		if (in_set(o, c, first_of_promise(c, before)))
			sel->cases[sel->nr++] = c;
		before = c;
	}
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
