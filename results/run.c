/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/run.h"

/* Checks in one repetition of one case; a bound for hostile streams, not for cases. */
#define OBS_MAX 16384

struct scratch {
	const char *name, *at;
	enum pv_op op;
	bool ok;
	pv_num observed, lo, hi;
};

struct pv_run_reader {
	struct pv_run *run;
	struct pv_stream *stream;
	bool begun, ended, resumed, has_plan;
	size_t open; /* index of the open case + 1; 0: none */
	int64_t rep;
	const char *open_splat;
	struct scratch *obs; /* of the open case */
	size_t nr_obs, obs_size;
	unsigned long stamp;
};

static const char *keep(struct pv_run *run, const char *text)
{
	return pv_intern(&run->strings, text);
}

/* ---- cases by id ---- */

static void index_put(struct pv_index *index, size_t size, struct pv_index entry)
{
	size_t k = entry.hash & (size - 1);

	while (index[k].nr)
		k = (k + 1) & (size - 1);
	index[k] = entry;
}

static void grow(struct pv_run *run)
{
	size_t size = run->cases_size ? run->cases_size * 2 : 256;
	struct pv_index *index = calloc(2 * size, sizeof(*index));

	run->cases = realloc(run->cases, size * sizeof(*run->cases));
	if (!run->cases || !index)
		abort();
	for (size_t i = 0; i < run->index_size; i++) {
		if (run->index[i].nr)
			index_put(index, 2 * size, run->index[i]);
	}
	free(run->index);
	run->index = index;
	run->cases_size = size;
	run->index_size = 2 * size;
}

static struct pv_case_run *lookup(const struct pv_run *run, const char *id)
{
	uint32_t hash = pv_hash(id);

	if (!run->index_size)
		return NULL;
	for (size_t k = hash & (run->index_size - 1); run->index[k].nr;
	     k = (k + 1) & (run->index_size - 1)) {
		struct pv_case_run *c = &run->cases[run->index[k].nr - 1];

		if (run->index[k].hash == hash && !strcmp(c->id, id))
			return c;
	}
	return NULL;
}

const struct pv_case_run *pv_run_find(const struct pv_run *run, const char *id)
{
	const struct pv_case_run *c = lookup(run, id);

	return c && c->nr_reps ? c : NULL;
}

static struct pv_case_run *find_or_add(struct pv_run *run, const char *id)
{
	struct pv_case_run *c = lookup(run, id);
	size_t len = strlen(id);
	char *copy;

	if (c)
		return c;
	if (run->nr_cases == run->cases_size)
		grow(run);
	copy = pv_arena_alloc(&run->arena, len + 1);
	memcpy(copy, id, len + 1);
	c = &run->cases[run->nr_cases];
	*c = (struct pv_case_run){.id = copy};
	index_put(run->index, run->index_size,
		  (struct pv_index){.hash = pv_hash(id), .nr = ++run->nr_cases});
	return c;
}

/* ---- the end of a repetition ---- */

/* The next evidence of that name that this repetition has not had; a new one when there is none. */
static struct pv_obs *match_obs(struct pv_run_reader *r, struct pv_case_run *c,
				const struct scratch *s, unsigned int matched)
{
	struct pv_obs *o = c->obs_cursor ? c->obs_cursor : c->obs;

	for (unsigned int i = 0; matched < c->nr_obs && i < c->nr_obs; i++) {
		if (o->stamp != r->stamp && o->name == s->name && o->op == s->op)
			return o;
		o = o->next ? o->next : c->obs;
	}
	o = pv_arena_alloc(&r->run->arena, sizeof(*o));
	o->name = s->name;
	o->at = s->at;
	o->op = s->op;
	o->min = o->max = s->observed;
	o->lo = s->lo;
	o->hi = s->hi;
	if (c->obs_last)
		c->obs_last->next = o;
	else
		c->obs = o;
	c->obs_last = o;
	c->nr_obs++;
	return o;
}

static void add_obs(struct pv_run_reader *r, struct pv_case_run *c)
{
	r->stamp++;
	for (size_t i = 0; i < r->nr_obs; i++) {
		const struct scratch *s = &r->obs[i];
		struct pv_obs *o = match_obs(r, c, s, i);

		o->stamp = r->stamp;
		o->seen++;
		c->obs_cursor = o->next;
		if (s->observed < o->min)
			o->min = s->observed;
		if (s->observed > o->max)
			o->max = s->observed;
		o->moving |= s->lo != o->lo || s->hi != o->hi;
		if (!s->ok && !o->failed++) {
			o->bad = s->observed;
			o->bad_lo = s->lo;
			o->bad_hi = s->hi;
		}
	}
	r->nr_obs = 0;
}

static void add_rep(struct pv_run_reader *r, struct pv_case_run *c, const struct pv_stream_event *e)
{
	struct pv_run *run = r->run;
	struct pv_rep *rep = pv_arena_alloc(&run->arena, sizeof(*rep));

	rep->rep = e->rep;
	rep->result = e->result;
	rep->reason = keep(run, e->reason);
	rep->kind = keep(run, e->kind);
	rep->erratum = keep(run, e->erratum);
	rep->tail = keep(run, e->tail);
	rep->splat = r->open ? r->open_splat : NULL;
	rep->title = keep(run, e->title);
	rep->death = keep(run, e->death);
	rep->alt = keep(run, e->alt);
	if (c->last)
		c->last->next = rep;
	else
		c->reps = rep;
	c->last = rep;
	if (!c->nr_reps++)
		c->best = c->worst = e->result;
	if (e->result < c->best)
		c->best = e->result;
	if (e->result > c->worst)
		c->worst = e->result;
	c->count[e->result]++;
	run->verdicts++;
	if (r->open)
		add_obs(r, c);
	r->open = 0;
	r->open_splat = NULL;
}

/* The open case never said how it ended. */
static void end_open(struct pv_run_reader *r, const char *reason)
{
	struct pv_stream_event e = {.rep = r->rep, .result = PV_R_CRASH, .reason = reason};

	if (r->open)
		add_rep(r, &r->run->cases[r->open - 1], &e);
}

/* ---- events ---- */

static int on_run_begin(struct pv_run_reader *r, const struct pv_stream_event *e)
{
	static const enum pv_fact same[] = {PV_F_PLATFORM, PV_F_ARCH, PV_F_RELEASE, PV_F_BUILD_ID};
	struct pv_run *run = r->run;

	if (r->begun && !r->resumed)
		return pv_stream_fail(r->stream, "a second run_begin; one file holds one run");
	for (size_t i = 0; r->begun && i < sizeof(same) / sizeof(same[0]); i++) {
		if (strcmp(run->fact[same[i]], e->fact[same[i]]))
			return pv_stream_fail(r->stream,
					      "resumed on something else: '%.80s', was '%.80s'",
					      e->fact[same[i]], run->fact[same[i]]);
	}
	if (r->begun)
		return 0;
	r->begun = true;
	for (size_t i = 0; i < PV_F_NR; i++)
		run->fact[i] = keep(run, e->fact[i]);
	run->deterministic = e->deterministic;
	run->nr_descriptors = e->nr_descriptors;
	run->descriptor =
		pv_arena_alloc(&run->arena, (e->nr_descriptors + 1) * sizeof(*run->descriptor));
	for (size_t i = 0; i < e->nr_descriptors; i++) {
		run->descriptor[i].family = keep(run, e->descriptor[i].family);
		run->descriptor[i].name =
			keep(run, e->descriptor[i].name ? e->descriptor[i].name : "");
		run->descriptor[i].hash =
			keep(run, e->descriptor[i].hash ? e->descriptor[i].hash : "");
	}
	return 0;
}

static int on_case_begin(struct pv_run_reader *r, const struct pv_stream_event *e)
{
	struct pv_case_run *c;

	if (r->open)
		return pv_stream_fail(r->stream, "%s begins while %s has not ended", e->id,
				      r->run->cases[r->open - 1].id);
	c = find_or_add(r->run, e->id);
	if (c->last && e->rep <= c->last->rep)
		return pv_stream_fail(r->stream,
				      "%s, rep %lld begins behind the verdict of rep %lld", e->id,
				      (long long)e->rep, (long long)c->last->rep);
	r->open = c - r->run->cases + 1;
	r->rep = e->rep;
	r->nr_obs = 0;
	r->open_splat = NULL;
	return 0;
}

static bool is_open(const struct pv_run_reader *r, const struct pv_stream_event *e)
{
	return r->open && r->rep == e->rep && !strcmp(r->run->cases[r->open - 1].id, e->id);
}

static int on_evidence(struct pv_run_reader *r, const struct pv_stream_event *e)
{
	struct scratch *s;

	if (!is_open(r, e))
		return pv_stream_fail(r->stream, "evidence of %s, rep %lld, which is not running",
				      e->id, (long long)e->rep);
	if (r->nr_obs == OBS_MAX)
		return pv_stream_fail(r->stream, "%s has more than %d evidences", e->id, OBS_MAX);
	if (r->nr_obs == r->obs_size) {
		r->obs_size = r->obs_size ? r->obs_size * 2 : 64;
		r->obs = realloc(r->obs, r->obs_size * sizeof(*r->obs));
		if (!r->obs)
			abort();
	}
	s = &r->obs[r->nr_obs++];
	s->name = keep(r->run, e->name);
	s->at = keep(r->run, e->at ? e->at : "");
	s->op = e->op;
	s->ok = e->ok;
	s->observed = e->observed;
	s->lo = e->lo;
	s->hi = e->hi;
	return 0;
}

static int on_case_end(struct pv_run_reader *r, const struct pv_stream_event *e)
{
	struct pv_case_run *c;

	if (is_open(r, e)) {
		add_rep(r, &r->run->cases[r->open - 1], e);
		return 0;
	}
	if (e->result != PV_R_MISS || r->open)
		return pv_stream_fail(r->stream, "case_end of %s, rep %lld, without its case_begin",
				      e->id, (long long)e->rep);
	c = find_or_add(r->run, e->id);
	if (c->last && e->rep <= c->last->rep)
		return pv_stream_fail(r->stream, "a second verdict for %s, rep %lld", e->id,
				      (long long)e->rep);
	add_rep(r, c, e);
	return 0;
}

static void on_splat(struct pv_run_reader *r, const struct pv_stream_event *e)
{
	struct pv_run *run = r->run;
	const char *title = keep(run, e->title);

	if (e->id && is_open(r, e)) {
		if (!r->open_splat)
			r->open_splat = title;
		return;
	}
	if (e->early)
		return;
	for (size_t i = 0; i < run->nr_splats; i++) {
		if (run->splat[i] == title)
			return;
	}
	if (run->nr_splats < sizeof(run->splat) / sizeof(run->splat[0]))
		run->splat[run->nr_splats++] = title;
}

static int on_again(struct pv_run_reader *r, const struct pv_stream_event *e)
{
	struct pv_case_run *c = lookup(r->run, e->id);
	struct pv_again *again;

	if (!c || !c->nr_reps || r->open)
		return pv_stream_fail(r->stream, "again of %s, which has no verdict", e->id);
	again = pv_arena_alloc(&r->run->arena, sizeof(*again));
	*again = pv_again_of(e);
	again->prefix = keep(r->run, again->prefix);
	again->reason = keep(r->run, again->reason);
	again->title = keep(r->run, again->title);
	c->again = again;
	return 0;
}

static int on_run_end(struct pv_run_reader *r, const struct pv_stream_event *e)
{
	if (r->ended)
		return pv_stream_fail(r->stream, "a second run_end");
	r->ended = true;
	r->open = 0;
	r->run->complete = e->complete;
	snprintf(r->run->why, sizeof(r->run->why), "%s",
		 e->complete ? ""
		 : e->reason ? e->reason
			     : "the run did not finish");
	return 0;
}

static int on_event(void *ctx, const struct pv_stream_event *e)
{
	struct pv_run_reader *r = ctx;

	if (!r->begun && e->type != PV_E_RUN_BEGIN)
		return pv_stream_fail(r->stream, "the first event must be run_begin");
	if (r->ended &&
	    (e->type == PV_E_CASE_BEGIN || e->type == PV_E_CASE_END || e->type == PV_E_EVIDENCE))
		return pv_stream_fail(r->stream, "%s comes after run_end", e->id);
	switch (e->type) {
	case PV_E_RUN_BEGIN:
		return on_run_begin(r, e);
	case PV_E_PLAN:
		if (r->has_plan && !r->resumed)
			return pv_stream_fail(r->stream, "a second plan");
		r->has_plan = true;
		r->run->planned = e->count;
		return 0;
	case PV_E_BOOT:
		end_open(r, "the guest started again while the case ran");
		r->run->boots++;
		return 0;
	case PV_E_CASE_BEGIN:
		return on_case_begin(r, e);
	case PV_E_EVIDENCE:
		return on_evidence(r, e);
	case PV_E_CASE_END:
		return on_case_end(r, e);
	case PV_E_SPLAT:
	case PV_E_DEATH:
		on_splat(r, e);
		return 0;
	case PV_E_AGAIN:
		return on_again(r, e);
	case PV_E_RESUME:
		r->resumed = true;
		r->ended = false;
		r->run->complete = false;
		r->open = 0;
		return 0;
	case PV_E_RUN_END:
		return on_run_end(r, e);
	default:
		return 0;
	}
}

/* ---- the whole file ---- */

static void finish(struct pv_run_reader *r, bool cut)
{
	struct pv_run *run = r->run;

	if (!r->ended) {
		end_open(r, "the stream stops while the case runs");
		run->complete = false;
		snprintf(run->why, sizeof(run->why), "the stream stops %s",
			 cut ? "within a line" : "without run_end");
	} else if (cut) {
		run->complete = false;
		snprintf(run->why, sizeof(run->why), "the last line is cut off");
	} else if (run->complete && run->verdicts < run->planned) {
		run->complete = false;
		snprintf(run->why, sizeof(run->why), "%zu of %zu planned verdicts are missing",
			 run->planned - run->verdicts, run->planned);
	}
	for (size_t i = 0; i < run->nr_cases; i++) {
		if (run->cases[i].nr_reps)
			run->count[run->cases[i].worst]++;
	}
}

int pv_run_load(const char *path, struct pv_run **out, char *error, size_t size)
{
	struct pv_run *run = calloc(1, sizeof(*run));
	struct pv_run_reader r = {.run = run, .stream = pv_stream_new(path)};
	bool cut = false;
	int err = -ENOMEM;

	*out = NULL;
	if (!run || !r.stream) {
		snprintf(error, size, "%s: no memory", path);
		goto out;
	}
	run->path = path;
	run->strings.arena = &run->arena;
	err = pv_stream_file(r.stream, path, on_event, &r, &cut);
	if (!err && !r.begun)
		err = pv_stream_fail(r.stream, "no event stream: it has no whole line");
	if (err) {
		snprintf(error, size, "%s", pv_stream_error(r.stream));
		pv_run_free(run);
		goto out;
	}
	finish(&r, cut);
	*out = run;
out:
	free(r.obs);
	pv_stream_free(r.stream);
	return err;
}

void pv_run_free(struct pv_run *run)
{
	if (!run)
		return;
	free(run->cases);
	free(run->index);
	pv_strings_free(&run->strings);
	pv_arena_free(&run->arena);
	free(run);
}

const struct pv_rep *pv_worst_rep(const struct pv_case_run *c)
{
	const struct pv_rep *rep = c->reps;

	while (rep && rep->result != c->worst)
		rep = rep->next;
	return rep;
}
