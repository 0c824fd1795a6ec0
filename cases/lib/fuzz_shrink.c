/* SPDX-License-Identifier: GPL-2.0-only */
/* Delta debugging (Zeller, Hildebrandt 2002): leaves out what the difference does not need. */
#define _GNU_SOURCE
#include <string.h>

#include "cases/lib/fuzz.h"
#include "cases/lib/sys.h"

#define MAX_RUNS 400
#define MAX_NS   3000000000ull

struct shrink {
	struct pv_test *t;
	const struct fz_world *w;
	struct fz_result *result;
	unsigned int runs;
	uint64_t start;
};

static bool time_left(const struct shrink *s)
{
	return s->runs < MAX_RUNS && pv_sys_walltime() - s->start < MAX_NS;
}

/* Does it still differ, and in the same thing? */
static bool same(struct shrink *s, const struct fz_step *steps, unsigned int n)
{
	struct fz_result now;

	s->runs++;
	fz_try(s->t, s->w, steps, n, &now);
	if (!now.differs || strcmp(now.what, s->result->what))
		return false;
	*s->result = now;
	return true;
}

unsigned int fz_shrink(struct pv_test *t, const struct fz_world *w, struct fz_step *steps,
		       unsigned int n, struct fz_result *result)
{
	static struct fz_step fewer[FZ_MAX];
	struct shrink s = {.t = t, .w = w, .result = result, .start = pv_sys_walltime()};
	unsigned int chunk;

	/* Behind the difference nothing matters. */
	n = result->step < n ? result->step + 1 : n;
	chunk = n > 1 ? n / 2 : 1;
	while (n > 1 && time_left(&s)) {
		bool any = false;

		/* From the end: a later step needs an earlier one, not the other way round. */
		for (unsigned int end = n; end > 0 && time_left(&s);) {
			unsigned int begin = end > chunk ? end - chunk : 0;

			memcpy(fewer, steps, begin * sizeof(*steps));
			memcpy(fewer + begin, steps + end, (n - end) * sizeof(*steps));
			if (same(&s, fewer, n - (end - begin))) {
				n -= end - begin;
				memcpy(steps, fewer, n * sizeof(*steps));
				any = true;
				if (result->step + 1 < n)
					n = result->step + 1;
				if (begin > n)
					begin = n;
			}
			end = begin;
		}
		if (chunk > 1)
			chunk /= 2;
		else if (!any)
			break;
	}
	return n;
}
