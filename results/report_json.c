/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>

#include "results/json.h"
#include "results/report.h"

/* As in the event stream: a text above INT64_MAX. */
static void key_num(struct pv_json *j, const char *key, pv_num value)
{
	char buf[PV_NUM_SIZE];

	if (value > INT64_MAX)
		pv_json_text(j, key, pv_num_text(buf, value, PV_OP_NOTED));
	else
		pv_json_int(j, key, (int64_t)value);
}

static void run(struct pv_json *j, const char *key, const struct pv_run *r)
{
	static const struct {
		const char *key;
		enum pv_fact fact;
	} facts[] = {
		{"platform", PV_F_PLATFORM}, {"arch", PV_F_ARCH},       {"accel", PV_F_ACCEL},
		{"tool", PV_F_TOOL},         {"release", PV_F_RELEASE}, {"build_id", PV_F_BUILD_ID},
		{"spec", PV_F_SPEC},         {"start", PV_F_START},
	};

	pv_json_open(j, key, '{');
	pv_json_text(j, "stream", r->path);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		pv_json_text(j, facts[i].key, r->fact[facts[i].fact]);
	pv_json_bool(j, "deterministic", r->deterministic);
	pv_json_bool(j, "complete", r->complete);
	if (!r->complete)
		pv_json_text(j, "why", r->why);
	pv_json_open(j, "verdicts", '{');
	for (enum pv_result v = 0; v < PV_R_NR; v++) {
		if (r->count[v])
			pv_json_int(j, pv_result_names[v], r->count[v]);
	}
	pv_json_close(j, '}');
	pv_json_open(j, "splats", '[');
	for (size_t i = 0; i < r->nr_splats; i++)
		pv_json_text(j, NULL, r->splat[i]);
	pv_json_close(j, ']');
	pv_json_close(j, '}');
}

static void side(struct pv_json *j, const char *key, const struct pv_case_run *c)
{
	const struct pv_rep *r;

	if (!c) {
		pv_json_text(j, key, NULL);
		return;
	}
	r = pv_worst_rep(c);
	pv_json_open(j, key, '{');
	pv_json_text(j, "verdict", pv_result_names[c->worst]);
	pv_json_int(j, "repetitions", c->nr_reps);
	pv_json_int(j, "with_that_verdict", c->count[c->worst]);
	if (r->reason)
		pv_json_text(j, "reason", r->reason);
	if (r->kind)
		pv_json_text(j, "kind", r->kind);
	if (r->erratum)
		pv_json_text(j, "erratum", r->erratum);
	if (r->splat)
		pv_json_text(j, "splat", r->splat);
	if (r->death)
		pv_json_text(j, "death", r->death);
	if (r->title)
		pv_json_text(j, "title", r->title);
	if (c->again) {
		pv_json_bool(j, "alone", c->again->alone);
		pv_json_bool(j, "reproduced", c->again->reproduced);
		pv_json_int(j, "behind", c->again->nr_prefix);
	}
	pv_json_close(j, '}');
}

static void range(struct pv_json *j, const char *key, const struct pv_obs *o)
{
	if (!o) {
		pv_json_text(j, key, NULL);
		return;
	}
	pv_json_open(j, key, '{');
	key_num(j, "min", o->min);
	key_num(j, "max", o->max);
	if (o->op != PV_OP_NOTED) {
		key_num(j, "lo", o->failed ? o->bad_lo : o->lo);
		key_num(j, "hi", o->failed ? o->bad_hi : o->hi);
		pv_json_int(j, "failed", o->failed);
	}
	pv_json_close(j, '}');
}

static void evidence(struct pv_json *j, const struct pv_obs *a, const struct pv_obs *b)
{
	const struct pv_obs *o = b ? b : a;

	pv_json_open(j, NULL, '{');
	pv_json_text(j, "name", o->name);
	pv_json_text(j, "op", pv_op_names[o->op]);
	pv_json_text(j, "at", o->at);
	range(j, "a", a);
	range(j, "b", b);
	pv_json_close(j, '}');
}

static void change(struct pv_json *j, const struct pv_comparison *c, const struct pv_change *d)
{
	pv_json_open(j, NULL, '{');
	pv_json_text(j, "case", (d->a ? d->a : d->b)->id);
	pv_json_text(j, "class", pv_class_names[d->class]);
	pv_json_bool(j, "regression", d->regression);
	side(j, "a", d->a);
	side(j, "b", d->b);
	pv_json_open(j, "evidence", '['); /* what failed in B or changed */
	for (const struct pv_obs *o = d->b ? d->b->obs : NULL; o; o = o->next) {
		const struct pv_obs *a = pv_obs_twin(d->b, o, d->a);

		if (o->failed || (d->a && (a ? pv_obs_changed(a, o, c->exact) : c->exact)))
			evidence(j, a, o);
	}
	for (const struct pv_obs *o = d->a && d->b && c->exact ? d->a->obs : NULL; o; o = o->next) {
		if (!pv_obs_twin(d->a, o, d->b))
			evidence(j, o, NULL);
	}
	pv_json_close(j, ']');
	pv_json_close(j, '}');
}

static void comparison(struct pv_json *j, const struct pv_comparison *c)
{
	pv_json_open(j, NULL, '{');
	run(j, "a", c->a);
	run(j, "b", c->b);
	pv_json_bool(j, "exact", c->exact);
	pv_json_int(j, "exit", pv_compare_exit(c));
	pv_json_int(j, "regressions", c->regressions);
	pv_json_int(j, "tested_in_both", c->tested);
	pv_json_open(j, "warnings", '[');
	for (size_t i = 0; i < c->nr_warnings; i++)
		pv_json_text(j, NULL, c->warning[i]);
	pv_json_close(j, ']');
	pv_json_open(j, "classes", '{');
	for (enum pv_class k = 0; k < PV_C_NR; k++)
		pv_json_int(j, pv_class_names[k], c->count[k]);
	pv_json_close(j, '}');
	pv_json_open(j, "changes", '[');
	for (size_t i = 0; i < c->nr_changes; i++)
		change(j, c, &c->change[i]);
	pv_json_close(j, ']');
	pv_json_close(j, '}');
}

int pv_report_json(const char *path, const struct pv_comparison *const c[], size_t n)
{
	FILE *f = fopen(path, "we");
	struct pv_json j = {.lines = true};
	int err = 0;

	if (!f)
		return -errno;
	pv_json_open(&j, NULL, '{');
	pv_json_int(&j, "schema", 1);
	pv_json_text(&j, "tool", PV_VERSION);
	pv_json_open(&j, "comparisons", '[');
	for (size_t i = 0; i < n; i++)
		comparison(&j, c[i]);
	pv_json_close(&j, ']');
	pv_json_close(&j, '}');
	fwrite(j.buf, 1, j.len, f);
	putc('\n', f);
	pv_json_free(&j);
	if (fflush(f) || ferror(f))
		err = errno ? -errno : -EIO;
	if (fclose(f) && !err)
		err = -errno;
	return err;
}
