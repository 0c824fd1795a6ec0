/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/compare.h"

const char *const pv_class_names[PV_C_NR] = {
	[PV_C_CRASH] = "crash",
	[PV_C_REGRESSED] = "regressed",
	[PV_C_LOST] = "lost",
	[PV_C_NEW_FAIL] = "new failure",
	[PV_C_FLAKY] = "flaky",
	[PV_C_KNOWN_CRASH] = "known crash",
	[PV_C_FIXED] = "fixed",
	[PV_C_CHANGED] = "changed evidence",
	[PV_C_NEW] = "new",
	[PV_C_GONE] = "gone",
	[PV_C_STILL] = "still failing",
	[PV_C_SAME] = "same",
};

/* ---- classes ---- */

enum state { NONE, UNTESTED, GREEN, KNOWN, RED, MIXED, NR_STATES };

static enum state state_of_result(enum pv_result r)
{
	return r <= PV_R_XPASS ? GREEN : r == PV_R_XFAIL ? KNOWN : r <= PV_R_ERROR ? UNTESTED : RED;
}

static enum state state_of(const struct pv_case_run *c)
{
	enum state s;

	if (!c)
		return NONE;
	s = state_of_result(c->worst);
	for (enum pv_result r = 0; r < PV_R_NR; r++) {
		if (c->count[r] && state_of_result(r) != s)
			return MIXED;
	}
	return s;
}

static bool dies(const struct pv_case_run *c)
{
	return c && c->worst >= PV_R_HANG;
}

/* Has every crash of B been seen in A? */
static bool known_crash(const struct pv_case_run *a, const struct pv_case_run *b)
{
	for (const struct pv_rep *rb = b->reps; rb; rb = rb->next) {
		bool seen = rb->result < PV_R_HANG;

		for (const struct pv_rep *ra = a->reps; ra && !seen; ra = ra->next)
			seen = ra->result >= PV_R_HANG && pv_same_crash(ra, rb);
		if (!seen)
			return false;
	}
	return true;
}

static bool ever_red(const struct pv_case_run *c)
{
	return c && c->worst >= PV_R_FAIL;
}

/* The class of a case, state in A by state in B; NONE in both does not exist. */
static const enum pv_class classes[NR_STATES][NR_STATES] = {
	/* clang-format off */
	/* A \ B        NONE       UNTESTED      GREEN        KNOWN           RED             MIXED */
	[NONE]     = { PV_C_SAME, PV_C_SAME,    PV_C_NEW,    PV_C_NEW,       PV_C_NEW_FAIL,  PV_C_FLAKY },
	[UNTESTED] = { PV_C_GONE, PV_C_SAME,    PV_C_NEW,    PV_C_NEW,       PV_C_NEW_FAIL,  PV_C_FLAKY },
	[GREEN]    = { PV_C_GONE, PV_C_LOST,    PV_C_SAME,   PV_C_REGRESSED, PV_C_REGRESSED, PV_C_FLAKY },
	[KNOWN]    = { PV_C_GONE, PV_C_LOST,    PV_C_FIXED,  PV_C_SAME,      PV_C_REGRESSED, PV_C_FLAKY },
	[RED]      = { PV_C_GONE, PV_C_LOST,    PV_C_FIXED,  PV_C_STILL,     PV_C_STILL,     PV_C_FLAKY },
	[MIXED]    = { PV_C_GONE, PV_C_LOST,    PV_C_FLAKY,  PV_C_FLAKY,     PV_C_REGRESSED, PV_C_FLAKY },
	/* clang-format on */
};

static bool is_regression(const struct pv_comparison *c, const struct pv_change *d)
{
	switch (d->class) {
	case PV_C_CRASH:
	case PV_C_REGRESSED:
		return true;
	case PV_C_LOST:
		/* What a broken-off run never reached says nothing about the kernel. */
		return d->b->worst != PV_R_MISS || c->b->complete;
	case PV_C_NEW_FAIL:
		return d->a || c->a->complete;
	case PV_C_FLAKY:
		return ever_red(d->b) && !ever_red(d->a);
	default:
		return false;
	}
}

/* ---- evidence ---- */

bool pv_obs_changed(const struct pv_obs *a, const struct pv_obs *b, bool exact)
{
	bool same_due = a->lo == b->lo && a->hi == b->hi, moving = a->moving || b->moving;
	pv_num width = a->max - a->min;

	if (exact)
		return a->min != b->min || a->max != b->max;
	if (!a->failed != !b->failed)
		return true;
	if (a->op == PV_OP_ERROR)
		return a->min != b->min || a->max != b->max;
	if (!same_due && !moving && !width && b->min == b->max && a->min == b->min)
		return true;
	if (!same_due || moving || a->seen < PV_SPREAD_REPS || (a->op == PV_OP_NOTED && width))
		return false;
	return b->min > a->max + width || b->max < a->min - width;
}

static unsigned int ordinal(const struct pv_case_run *c, const struct pv_obs *o)
{
	unsigned int n = 0;

	for (const struct pv_obs *p = c->obs; p != o; p = p->next)
		n += p->op == o->op && !strcmp(p->name, o->name);
	return n;
}

const struct pv_obs *pv_obs_twin(const struct pv_case_run *of, const struct pv_obs *o,
				 const struct pv_case_run *in)
{
	unsigned int n = ordinal(of, o);

	for (const struct pv_obs *p = in ? in->obs : NULL; p; p = p->next) {
		if (p->op == o->op && !strcmp(p->name, o->name) && !n--)
			return p;
	}
	return NULL;
}

static void note_obs(struct pv_change *d, const struct pv_obs *a, const struct pv_obs *b)
{
	if (!d->nr_obs++) {
		d->obs_a = a;
		d->obs_b = b;
	}
}

static void compare_obs(const struct pv_comparison *c, struct pv_change *d)
{
	const struct pv_obs *guess = d->b->obs;
	unsigned int matched = 0;

	for (const struct pv_obs *a = d->a->obs; a; a = a->next) {
		/* Mostly both have the same evidence in the same order. */
		const struct pv_obs *b = guess;

		if (!b || b->op != a->op || strcmp(b->name, a->name))
			b = pv_obs_twin(d->a, a, d->b);
		if (b) {
			guess = b->next;
			matched++;
		}
		if (b ? pv_obs_changed(a, b, c->exact) : c->exact)
			note_obs(d, a, b);
	}
	if (!c->exact || matched == d->b->nr_obs)
		return;
	for (const struct pv_obs *b = d->b->obs; b; b = b->next) {
		if (!pv_obs_twin(d->b, b, d->a))
			note_obs(d, NULL, b);
	}
}

/* ---- runs ---- */

static void __attribute__((format(printf, 2, 3)))
warn(struct pv_comparison *c, const char *fmt, ...)
{
	va_list ap;

	if (c->nr_warnings == sizeof(c->warning) / sizeof(c->warning[0]))
		return;
	va_start(ap, fmt);
	vsnprintf(c->warning[c->nr_warnings++], sizeof(c->warning[0]), fmt, ap);
	va_end(ap);
}

static const struct pv_descriptor_fact *find_descriptor(const struct pv_run *run,
							const char *family)
{
	for (size_t i = 0; i < run->nr_descriptors; i++) {
		if (!strcmp(run->descriptor[i].family, family))
			return &run->descriptor[i];
	}
	return NULL;
}

static void check_comparable(struct pv_comparison *c)
{
	static const struct {
		enum pv_fact fact;
		const char *what;
	} same[] = {
		{PV_F_PLATFORM, "platform"},
		{PV_F_ARCH, "architecture"},
		{PV_F_ACCEL, "accelerator"},
		{PV_F_TOOL, "pmuvet version"},
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		const char *a = c->a->fact[same[i].fact], *b = c->b->fact[same[i].fact];

		if (strcmp(a, b))
			warn(c, "other %s: A %.40s, B %.40s", same[i].what, a, b);
	}
	for (size_t i = 0; i < c->a->nr_descriptors; i++) {
		const struct pv_descriptor_fact *a = &c->a->descriptor[i];
		const struct pv_descriptor_fact *b = find_descriptor(c->b, a->family);

		if (b && (strcmp(a->name, b->name) || strcmp(a->hash, b->hash)))
			warn(c, "other promises for %.24s: A %.24s %.16s, B %.24s %.16s", a->family,
			     a->name, a->hash, b->name, b->hash);
	}
}

bool pv_splat_is_new(const struct pv_comparison *c, const char *title)
{
	for (size_t i = 0; i < c->a->nr_splats; i++) {
		if (!strcmp(c->a->splat[i], title))
			return false;
	}
	return true;
}

static void compare_case(struct pv_comparison *c, const struct pv_case_run *a,
			 const struct pv_case_run *b)
{
	struct pv_change d = {.a = a, .b = b};
	enum state sa = state_of(a), sb = state_of(b);

	d.class = classes[sa][sb];
	d.other_crash = dies(a) && dies(b) && !known_crash(a, b);
	if (dies(b) && (!dies(a) || d.other_crash))
		d.class = PV_C_CRASH;
	else if (dies(a) && dies(b) && d.class == PV_C_STILL)
		d.class = PV_C_KNOWN_CRASH;
	else if (sa == UNTESTED && sb == UNTESTED && a->worst != b->worst)
		d.class = PV_C_CHANGED;
	if (a && b && d.class != PV_C_NEW && d.class != PV_C_LOST)
		compare_obs(c, &d);
	if (d.class == PV_C_SAME && d.nr_obs)
		d.class = PV_C_CHANGED;
	if (d.class == PV_C_SAME && sa == KNOWN)
		d.class = PV_C_STILL;
	c->tested += sa > UNTESTED && sb > UNTESTED;
	c->count[d.class]++;
	d.regression = is_regression(c, &d);
	c->regressions += d.regression;
	if (d.class != PV_C_SAME)
		c->change[c->nr_changes++] = d;
}

static int by_importance(const void *pa, const void *pb)
{
	const struct pv_change *a = pa, *b = pb;

	bool red_a = a->b && a->b->worst >= PV_R_FAIL, red_b = b->b && b->b->worst >= PV_R_FAIL;

	if (a->class != b->class)
		return a->class < b->class ? -1 : 1;
	/* What no erratum explains comes first. */
	if (red_a != red_b)
		return red_a ? -1 : 1;
	return strcmp((a->a ? a->a : a->b)->id, (b->a ? b->a : b->b)->id);
}

struct pv_comparison *pv_compare(const struct pv_run *a, const struct pv_run *b)
{
	struct pv_comparison *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	c->a = a;
	c->b = b;
	c->exact = a->deterministic && b->deterministic &&
		   !strcmp(a->fact[PV_F_PLATFORM], b->fact[PV_F_PLATFORM]);
	c->change = calloc(a->nr_cases + b->nr_cases + 1, sizeof(*c->change));
	if (!c->change)
		abort();
	check_comparable(c);
	for (size_t i = 0; i < a->nr_cases; i++) {
		if (a->cases[i].nr_reps)
			compare_case(c, &a->cases[i], pv_run_find(b, a->cases[i].id));
	}
	for (size_t i = 0; i < b->nr_cases; i++) {
		if (b->cases[i].nr_reps && !pv_run_find(a, b->cases[i].id))
			compare_case(c, NULL, &b->cases[i]);
	}
	for (size_t i = 0; i < b->nr_splats; i++)
		c->regressions += pv_splat_is_new(c, b->splat[i]);
	qsort(c->change, c->nr_changes, sizeof(*c->change), by_importance);
	return c;
}

void pv_comparison_free(struct pv_comparison *c)
{
	if (!c)
		return;
	free(c->change);
	free(c);
}

int pv_compare_exit(const struct pv_comparison *c)
{
	if (c->regressions)
		return 1;
	return c->a->complete && c->b->complete && c->tested ? 0 : 3;
}
