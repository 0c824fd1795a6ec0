/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>
#include <yajl/yajl_gen.h>

#include "results/report.h"

static void text(yajl_gen g, const char *s)
{
	if (s)
		yajl_gen_string(g, (const unsigned char *)s, strlen(s));
	else
		yajl_gen_null(g);
}

static void key_text(yajl_gen g, const char *key, const char *value)
{
	text(g, key);
	text(g, value);
}

static void key_int(yajl_gen g, const char *key, long long value)
{
	text(g, key);
	yajl_gen_integer(g, value);
}

static void key_bool(yajl_gen g, const char *key, bool value)
{
	text(g, key);
	yajl_gen_bool(g, value);
}

/* As in the event stream: a text above INT64_MAX. */
static void key_num(yajl_gen g, const char *key, pv_num value)
{
	char buf[PV_NUM_SIZE];

	text(g, key);
	if (value > INT64_MAX)
		text(g, pv_num_text(buf, value, PV_OP_NOTED));
	else
		yajl_gen_integer(g, (long long)value);
}

static void run(yajl_gen g, const char *key, const struct pv_run *r)
{
	static const struct {
		const char *key;
		enum pv_fact fact;
	} facts[] = {
		{"platform", PV_F_PLATFORM}, {"arch", PV_F_ARCH},       {"accel", PV_F_ACCEL},
		{"tool", PV_F_TOOL},         {"release", PV_F_RELEASE}, {"build_id", PV_F_BUILD_ID},
		{"spec", PV_F_SPEC},         {"start", PV_F_START},
	};

	text(g, key);
	yajl_gen_map_open(g);
	key_text(g, "stream", r->path);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		key_text(g, facts[i].key, r->fact[facts[i].fact]);
	key_bool(g, "deterministic", r->deterministic);
	key_bool(g, "complete", r->complete);
	if (!r->complete)
		key_text(g, "why", r->why);
	text(g, "verdicts");
	yajl_gen_map_open(g);
	for (enum pv_result v = 0; v < PV_R_NR; v++) {
		if (r->count[v])
			key_int(g, pv_result_names[v], r->count[v]);
	}
	yajl_gen_map_close(g);
	text(g, "splats");
	yajl_gen_array_open(g);
	for (size_t i = 0; i < r->nr_splats; i++)
		text(g, r->splat[i]);
	yajl_gen_array_close(g);
	yajl_gen_map_close(g);
}

static void side(yajl_gen g, const char *key, const struct pv_case_run *c)
{
	const struct pv_rep *r;

	text(g, key);
	if (!c) {
		yajl_gen_null(g);
		return;
	}
	r = pv_worst_rep(c);
	yajl_gen_map_open(g);
	key_text(g, "verdict", pv_result_names[c->worst]);
	key_int(g, "repetitions", c->nr_reps);
	key_int(g, "with_that_verdict", c->count[c->worst]);
	if (r->reason)
		key_text(g, "reason", r->reason);
	if (r->kind)
		key_text(g, "kind", r->kind);
	if (r->erratum)
		key_text(g, "erratum", r->erratum);
	if (r->splat)
		key_text(g, "splat", r->splat);
	if (r->death)
		key_text(g, "death", r->death);
	if (r->title)
		key_text(g, "title", r->title);
	if (c->again) {
		key_bool(g, "alone", c->again->alone);
		key_bool(g, "reproduced", c->again->reproduced);
		key_int(g, "behind", c->again->nr_prefix);
	}
	yajl_gen_map_close(g);
}

static void range(yajl_gen g, const char *key, const struct pv_obs *o)
{
	text(g, key);
	if (!o) {
		yajl_gen_null(g);
		return;
	}
	yajl_gen_map_open(g);
	key_num(g, "min", o->min);
	key_num(g, "max", o->max);
	if (o->op != PV_OP_NOTED) {
		key_num(g, "lo", o->failed ? o->bad_lo : o->lo);
		key_num(g, "hi", o->failed ? o->bad_hi : o->hi);
		key_int(g, "failed", o->failed);
	}
	yajl_gen_map_close(g);
}

static void evidence(yajl_gen g, const struct pv_obs *a, const struct pv_obs *b)
{
	const struct pv_obs *o = b ? b : a;

	yajl_gen_map_open(g);
	key_text(g, "name", o->name);
	key_text(g, "op", pv_op_names[o->op]);
	key_text(g, "at", o->at);
	range(g, "a", a);
	range(g, "b", b);
	yajl_gen_map_close(g);
}

static void change(yajl_gen g, const struct pv_comparison *c, const struct pv_change *d)
{
	yajl_gen_map_open(g);
	key_text(g, "case", (d->a ? d->a : d->b)->id);
	key_text(g, "class", pv_class_names[d->class]);
	key_bool(g, "regression", d->regression);
	side(g, "a", d->a);
	side(g, "b", d->b);
	text(g, "evidence"); /* what failed in B or changed */
	yajl_gen_array_open(g);
	for (const struct pv_obs *o = d->b ? d->b->obs : NULL; o; o = o->next) {
		const struct pv_obs *a = pv_obs_twin(d->b, o, d->a);

		if (o->failed || (d->a && (a ? pv_obs_changed(a, o, c->exact) : c->exact)))
			evidence(g, a, o);
	}
	for (const struct pv_obs *o = d->a && d->b && c->exact ? d->a->obs : NULL; o; o = o->next) {
		if (!pv_obs_twin(d->a, o, d->b))
			evidence(g, o, NULL);
	}
	yajl_gen_array_close(g);
	yajl_gen_map_close(g);
}

static void comparison(yajl_gen g, const struct pv_comparison *c)
{
	yajl_gen_map_open(g);
	run(g, "a", c->a);
	run(g, "b", c->b);
	key_bool(g, "exact", c->exact);
	key_int(g, "exit", pv_compare_exit(c));
	key_int(g, "regressions", c->regressions);
	key_int(g, "tested_in_both", c->tested);
	text(g, "warnings");
	yajl_gen_array_open(g);
	for (size_t i = 0; i < c->nr_warnings; i++)
		text(g, c->warning[i]);
	yajl_gen_array_close(g);
	text(g, "classes");
	yajl_gen_map_open(g);
	for (enum pv_class k = 0; k < PV_C_NR; k++)
		key_int(g, pv_class_names[k], c->count[k]);
	yajl_gen_map_close(g);
	text(g, "changes");
	yajl_gen_array_open(g);
	for (size_t i = 0; i < c->nr_changes; i++)
		change(g, c, &c->change[i]);
	yajl_gen_array_close(g);
	yajl_gen_map_close(g);
}

static void print(void *ctx, const char *text, size_t len)
{
	fwrite(text, 1, len, ctx);
}

int pv_report_json(const char *path, const struct pv_comparison *const c[], size_t n)
{
	FILE *f = fopen(path, "we");
	int err = 0;
	yajl_gen g;

	if (!f)
		return -errno;
	g = yajl_gen_alloc(NULL);
	if (!g) {
		fclose(f);
		return -ENOMEM;
	}
	yajl_gen_config(g, yajl_gen_print_callback, print, f);
	yajl_gen_config(g, yajl_gen_beautify, 1);
	yajl_gen_config(g, yajl_gen_indent_string, "\t");
	yajl_gen_map_open(g);
	key_int(g, "schema", 1);
	key_text(g, "tool", PV_VERSION);
	text(g, "comparisons");
	yajl_gen_array_open(g);
	for (size_t i = 0; i < n; i++)
		comparison(g, c[i]);
	yajl_gen_array_close(g);
	yajl_gen_map_close(g);
	yajl_gen_free(g);
	if (fflush(f) || ferror(f))
		err = errno ? -errno : -EIO;
	if (fclose(f) && !err)
		err = -errno;
	return err;
}
