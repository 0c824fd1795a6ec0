/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/report.h"

#define BOLD  "\033[1m"
#define RED   "\033[31m"
#define GREEN "\033[32m"
#define RESET "\033[0m"

struct printer {
	FILE *out;
	const struct pv_report_opts *opts;
	unsigned int left; /* lines of this comparison's share of the screen */
};

bool pv_report_colour(FILE *out)
{
	const char *no = getenv("NO_COLOR");

	return isatty(fileno(out)) && !(no && *no);
}

static void line_end(struct printer *p)
{
	putc('\n', p->out);
	if (p->left)
		p->left--;
}

static void __attribute__((format(printf, 2, 3))) line(struct printer *p, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	pv_text_print(p->out, buf, PV_REPORT_COLUMNS);
	line_end(p);
}

/* ---- the head ---- */

/* "219 pass, 2 skip", worst first. */
static void counts_text(char *buf, size_t size, const struct pv_run *run)
{
	size_t n = 0;

	buf[0] = 0;
	for (int r = PV_R_NR - 1; r >= 0; r--) {
		if (run->count[r] && n < size)
			n += snprintf(buf + n, size - n, "%s%zu %s", n ? ", " : "", run->count[r],
				      pv_result_names[r]);
	}
}

static void print_run(struct printer *p, char side, const struct pv_run *run)
{
	char counts[160];
	const char *spec = run->fact[PV_F_SPEC];

	counts_text(counts, sizeof(counts), run);
	line(p, "  %c  %s%s%s%s  %s%s", side,
	     run->fact[PV_F_RELEASE][0] ? run->fact[PV_F_RELEASE] : "(unknown kernel)",
	     *spec ? " (" : "", spec, *spec ? ")" : "", counts[0] ? counts : "no verdicts",
	     run->boots > 1 ? ", guest restarted" : "");
	if (!run->complete)
		line(p, "     PARTIAL: %s", run->why);
	for (size_t i = 0; i < run->nr_splats; i++)
		line(p, "     kernel log outside of cases: %s", run->splat[i]);
}

static void print_head(struct printer *p, const struct pv_comparison *c)
{
	const struct pv_run *b = c->b;

	line(p, "%s%s%s%s%s, pmuvet %s%s", b->fact[PV_F_PLATFORM],
	     b->fact[PV_F_ARCH][0] && strcmp(b->fact[PV_F_ARCH], b->fact[PV_F_PLATFORM]) ? ", "
											 : "",
	     strcmp(b->fact[PV_F_ARCH], b->fact[PV_F_PLATFORM]) ? b->fact[PV_F_ARCH] : "",
	     b->fact[PV_F_ACCEL][0] ? ", " : "", b->fact[PV_F_ACCEL],
	     b->fact[PV_F_TOOL][0] ? b->fact[PV_F_TOOL] : "(unknown)",
	     c->exact ? ", deterministic: every number is compared" : "");
	print_run(p, 'A', c->a);
	print_run(p, 'B', c->b);
	for (size_t i = 0; i < c->nr_warnings; i++)
		line(p, "  WARNING: hardly comparable: %s", c->warning[i]);
	if (!c->tested)
		line(p, "  WARNING: no case was tested in both runs; this says nothing about B");
	else if (c->exact && c->a->boots <= 1 && b->boots <= 1 && c->a->fact[PV_F_BUILD_ID][0] &&
		 c->count[PV_C_CHANGED] &&
		 !strcmp(c->a->fact[PV_F_BUILD_ID], c->b->fact[PV_F_BUILD_ID]))
		line(p,
		     "  WARNING: the same kernel, and numbers differ: something is not deterministic");
}

static const char *class_colour(const struct printer *p, enum pv_class class)
{
	if (!p->opts->colour)
		return "";
	return class <= PV_C_NEW_FAIL ? BOLD RED : class == PV_C_FIXED ? BOLD GREEN : BOLD;
}

static void print_summary(struct printer *p, const struct pv_comparison *c)
{
	char buf[256];
	size_t n = 0;

	for (enum pv_class k = 0; k < PV_C_NR; k++) {
		if (c->count[k])
			n += snprintf(buf + n, sizeof(buf) - n, "%s%zu %s", n ? ", " : "",
				      c->count[k], pv_class_names[k]);
	}
	line(p, "  =  %s", n ? buf : "nothing to compare");
}

/* ---- one change ---- */

static const char *range_text(char buf[2 * PV_NUM_SIZE + 2], pv_num lo, pv_num hi, enum pv_op op)
{
	char a[PV_NUM_SIZE], b[PV_NUM_SIZE];

	if (lo == hi)
		snprintf(buf, 2 * PV_NUM_SIZE + 2, "%s", pv_num_text(a, lo, op));
	else
		snprintf(buf, 2 * PV_NUM_SIZE + 2, "%s..%s", pv_num_text(a, lo, op),
			 pv_num_text(b, hi, op));
	return buf;
}

static const char *observed_text(char buf[2 * PV_NUM_SIZE + 2], const struct pv_obs *o)
{
	return o ? range_text(buf, o->min, o->max, o->op) : "nothing";
}

static const char *due_text(char buf[2 * PV_NUM_SIZE + 2], const struct pv_obs *o)
{
	return o->failed ? range_text(buf, o->bad_lo, o->bad_hi, o->op)
			 : range_text(buf, o->lo, o->hi, o->op);
}

/* "count: expected 1000, observed 1000 -> 999 (-0.1 %)" */
static void obs_text(char *out, size_t size, const struct pv_obs *a, const struct pv_obs *b)
{
	char due_a[2 * PV_NUM_SIZE + 2], due_b[2 * PV_NUM_SIZE + 2];
	char got_a[2 * PV_NUM_SIZE + 2], got_b[2 * PV_NUM_SIZE + 2];
	const struct pv_obs *o = b ? b : a;
	size_t n;

	n = snprintf(out, size, "%s: ", o->name);
	/* What was due matters where it was not met or is another one. */
	if (n < size && o->op != PV_OP_NOTED &&
	    (o->failed || (a && (a->failed || a->min == o->min)))) {
		due_text(due_b, o);
		due_text(due_a, a ? a : o);
		if (strcmp(due_a, due_b))
			n += snprintf(out + n, size - n, "expected %s -> %s, ", due_a, due_b);
		else
			n += snprintf(out + n, size - n, "expected %s, ", due_b);
	}
	if (n < size)
		n += snprintf(out + n, size - n, "%s%s -> %s",
			      strstr(out, "expected ") ? "observed " : "", observed_text(got_a, a),
			      observed_text(got_b, b));
	if (a && b && a->op != PV_OP_ERROR && a->min == a->max && b->min == b->max && a->min > 0 &&
	    b->min != a->min && n < size)
		snprintf(out + n, size - n, " (%+.3g %%)",
			 ((double)b->min - (double)a->min) * 100 / (double)a->min);
}

/* "pass", or "pass 4/5 fail 1/5" when the repetitions differ. */
static void verdict_text(char *buf, size_t size, const struct pv_case_run *c)
{
	size_t n = 0;

	if (!c)
		snprintf(buf, size, "(none)");
	else if (c->count[c->worst] == c->nr_reps)
		snprintf(buf, size, "%s", pv_result_names[c->worst]);
	for (enum pv_result r = 0; c && c->count[c->worst] != c->nr_reps && r < PV_R_NR; r++) {
		if (c->count[r] && n < size)
			n += snprintf(buf + n, size - n, "%s%s %u/%u", n ? " " : "",
				      pv_result_names[r], c->count[r], c->nr_reps);
	}
}

/* Why a case has its verdict: "absent: no such PMU", "[erratum-id] …", "kernel log: …". */
static void reason_text(char *buf, size_t size, const struct pv_case_run *c)
{
	const struct pv_rep *r = c ? pv_worst_rep(c) : NULL;

	buf[0] = 0;
	if (!r)
		return;
	snprintf(buf, size, "%s%s%s%s%s%s%s", r->erratum ? "erratum " : "",
		 r->erratum ? r->erratum : "", r->erratum && r->reason ? ": " : "",
		 r->kind ? r->kind : "", r->kind && r->reason ? ": " : "",
		 r->reason ? r->reason : "", "");
	if (r->splat && (!r->reason || !strstr(r->reason, r->splat)))
		snprintf(buf + strlen(buf), size - strlen(buf), "%skernel log: %s",
			 buf[0] ? "; " : "", r->splat);
}

/* A crash's name: its title, or the reason of one that has none. */
static const char *title(const struct pv_case_run *c)
{
	const struct pv_rep *r = pv_worst_rep(c);

	return r->title ? r->title : r->reason ? r->reason : pv_result_names[r->result];
}

/* What tells most about a change, one line: the reason of the side that is worse. */
static void change_reason(char *buf, size_t size, const struct pv_change *d)
{
	bool a_side = d->class == PV_C_FIXED || d->class == PV_C_GONE ||
		      (d->class == PV_C_NEW && d->b->worst <= PV_R_XPASS);

	reason_text(buf, size, a_side ? d->a : d->b);
	if (d->other_crash)
		snprintf(buf, size, "other crash: %.200s; was: %.200s", title(d->b), title(d->a));
	else if (d->class == PV_C_KNOWN_CRASH)
		snprintf(buf, size, "%.200s", title(d->b));
	/* "failed: count" says nothing that the evidence below it does not. */
	for (const struct pv_obs *o = d->b && !a_side ? d->b->obs : NULL; o; o = o->next) {
		if (o->failed && !strncmp(buf, "failed: ", 8))
			buf[0] = 0;
	}
}

static unsigned int print_failed(struct printer *p, const struct pv_change *d, unsigned int max)
{
	unsigned int n = 0, more = 0;
	char buf[512];

	for (const struct pv_obs *o = d->b ? d->b->obs : NULL; o; o = o->next) {
		if (!o->failed)
			continue;
		if (n == max) {
			more++;
			continue;
		}
		obs_text(buf, sizeof(buf), d->a ? pv_obs_twin(d->b, o, d->a) : NULL, o);
		line(p, "      %s%s%s%s", buf, o->at[0] ? " (" : "", o->at, o->at[0] ? ")" : "");
		n++;
	}
	if (more)
		line(p, "      ... and %u more failed checks%s", more,
		     p->opts->all ? "" : ", --all shows them");
	return n;
}

static void print_tail(struct printer *p, const struct pv_case_run *c)
{
	const struct pv_rep *r = c ? pv_worst_rep(c) : NULL;

	for (const char *t = r ? r->tail : NULL; t && *t;) {
		size_t n = strcspn(t, "\n");

		line(p, "      | %.*s", (int)(n < 512 ? n : 512), t);
		t += n + (t[n] == '\n');
	}
}

static void print_change(struct printer *p, const struct pv_change *d)
{
	char from[128], to[128], reason[512] = "", obs[512];
	bool red = d->b && d->b->worst >= PV_R_FAIL, evidence = d->class == PV_C_CHANGED;
	const char *id = (d->a ? d->a : d->b)->id;
	char head[PV_ID_MAX + 300];
	size_t room;

	verdict_text(from, sizeof(from), d->a);
	verdict_text(to, sizeof(to), d->b);
	if (evidence && d->nr_obs) {
		obs_text(obs, sizeof(obs), d->obs_a, d->obs_b);
		snprintf(reason, sizeof(reason), "%.480s", obs);
		if (d->nr_obs > 1)
			snprintf(reason + strlen(reason), sizeof(reason) - strlen(reason),
				 "; %u more", d->nr_obs - 1);
	} else {
		change_reason(reason, sizeof(reason), d);
	}
	if (evidence && !strcmp(from, to))
		snprintf(head, sizeof(head), "  %s", id);
	else
		snprintf(head, sizeof(head), "  %-54s  %s -> %s", id, from, to);
	room = pv_text_columns(head) + 2 + pv_text_columns(reason);
	if (!reason[0] || (d->class <= PV_C_FLAKY && room > PV_REPORT_COLUMNS)) {
		line(p, "%s", head);
		if (reason[0])
			line(p, "      %s", reason);
	} else {
		line(p, "%s  %s", head, reason);
	}
	if (d->b && d->b->again)
		line(p, "      %s", pv_again_text(obs, sizeof(obs), d->b->again));
	if (red)
		print_failed(p, d, p->opts->all ? 64 : 2);
	if (p->opts->all && d->class == PV_C_CRASH)
		print_tail(p, d->b);
}

/* ---- all changes ---- */

/* The same promise, broken in the same way, on another PMU or in another variant. */
static bool alike(const struct pv_change *x, const struct pv_change *y)
{
	const char *id_x = strchr((x->a ? x->a : x->b)->id, '/');
	const char *id_y = strchr((y->a ? y->a : y->b)->id, '/');
	char text_x[512], text_y[512];
	size_t len;

	if (x->class == PV_C_CHANGED || !id_x || !id_y)
		return false;
	len = strcspn(id_x, ":");
	if (len != strcspn(id_y, ":") || strncmp(id_x, id_y, len))
		return false;
	for (int side = 0; side < 2; side++) {
		verdict_text(text_x, sizeof(text_x), side ? x->b : x->a);
		verdict_text(text_y, sizeof(text_y), side ? y->b : y->a);
		if (strcmp(text_x, text_y))
			return false;
	}
	change_reason(text_x, sizeof(text_x), x);
	change_reason(text_y, sizeof(text_y), y);
	return !strcmp(text_x, text_y);
}

/* Marks what is like change `i` and behind it, up to `end`; how many. */
static size_t fold(const struct pv_comparison *c, size_t i, size_t end, bool *folded)
{
	size_t n = 0;

	for (size_t k = i + 1; k < end; k++) {
		if (folded[k] || !alike(&c->change[i], &c->change[k]))
			continue;
		folded[k] = true;
		n++;
	}
	return n;
}

/* A change takes up to 5 lines, its class a heading and a line that counts the rest. */
#define LINES_OF_A_CHANGE 5
#define LINES_OF_A_CLASS  (LINES_OF_A_CHANGE + 2)

static void print_changes(struct printer *p, const struct pv_comparison *c)
{
	bool *folded = calloc(c->nr_changes + 1, sizeof(*folded));
	size_t i = 0, hidden = 0;

	if (!folded)
		abort();
	while (i < c->nr_changes) {
		enum pv_class class = c->change[i].class;
		size_t end = i + c->count[class], shown = 0;
		/* What must be acted on takes the lines that it needs; news leave half of theirs to
		 * those behind. */
		size_t keep = class > PV_C_FLAKY && end < c->nr_changes ? p->left / 2 : 1;

		if (!p->opts->all && (class == PV_C_STILL || p->left <= LINES_OF_A_CLASS)) {
			hidden += end - i;
			i = end;
			continue;
		}
		fprintf(p->out, "%s%s%s (%zu)", class_colour(p, class), pv_class_names[class],
			p->opts->colour ? RESET : "", c->count[class]);
		line_end(p);
		for (; i < end; i++) {
			size_t more;

			if (folded[i])
				continue;
			if (!p->opts->all && shown++ && p->left <= keep + LINES_OF_A_CHANGE)
				break;
			print_change(p, &c->change[i]);
			more = p->opts->all ? 0 : fold(c, i, end, folded);
			if (more)
				line(p, "      and %zu more like it", more);
		}
		for (shown = 0; i < end; i++)
			shown += !folded[i];
		if (shown)
			line(p, "  ... and %zu more, --all shows them", shown);
	}
	if (hidden)
		line(p, "... and %zu other%s, --all shows %s", hidden, hidden == 1 ? "" : "s",
		     hidden == 1 ? "it" : "them");
	free(folded);
}

static void print_verdict(struct printer *p, const struct pv_comparison *c)
{
	int status = pv_compare_exit(c);

	if (status == 1)
		line(p, "  %zu regression%s", c->regressions, c->regressions == 1 ? "" : "s");
	else
		line(p, "  no regression%s",
		     status ? !c->tested ? ", but nothing was tested" : " in what was run; PARTIAL"
			    : "");
}

int pv_report(FILE *out, const struct pv_comparison *const c[], size_t n,
	      const struct pv_report_opts *opts)
{
	unsigned int lines = opts->lines ? opts->lines : PV_REPORT_LINES;
	unsigned int saved = 0; /* of the shares of those before */
	int worst = 0;

	for (size_t i = 0; i < n; i++) {
		struct printer p = {.out = out, .opts = opts, .left = lines / n + saved};
		int status = pv_compare_exit(c[i]);

		if (i)
			putc('\n', out);
		print_head(&p, c[i]);
		print_summary(&p, c[i]);
		print_verdict(&p, c[i]);
		print_changes(&p, c[i]);
		saved = p.left;
		if (status == 1 || !worst)
			worst = status;
	}
	return worst;
}
