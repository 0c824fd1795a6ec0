/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "results/text.h"
#include "results/report.h"
#include "results/run.h"
#include "results/views.h"

/* A failing case prints at most this much of diagnostics. */
#define DIAG_MAX 16384
#define REDRAW   0.1 /* seconds */

#define RED    "\033[31m"
#define YELLOW "\033[33m"
#define GREEN  "\033[32m"
#define RESET  "\033[0m"

struct pv_view {
	enum pv_view_kind kind;
	FILE *out;
	bool tty, colour, drawn, begun;
	struct pv_view_counts n;
	int64_t repeat;
	double start, last_draw;
	char running[PV_ID_MAX + 1]; /* the case that runs; "" */
	char diag[DIAG_MAX];         /* of the running case: whole lines, "# " before each */
	size_t diag_len, diag_lost;
	char why[200]; /* not complete: why */
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

struct pv_view *pv_view_new(enum pv_view_kind kind, FILE *out)
{
	struct pv_view *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	v->kind = kind;
	v->out = out;
	v->tty = isatty(fileno(out));
	v->colour = pv_report_colour(out);
	v->start = now();
	v->repeat = 1;
	snprintf(v->why, sizeof(v->why), "the stream stops without run_end");
	return v;
}

void pv_view_free(struct pv_view *v)
{
	free(v);
}

const struct pv_view_counts *pv_view_counts(const struct pv_view *v)
{
	return &v->n;
}

int pv_view_exit(const struct pv_view *v)
{
	const size_t *n = v->n.count;

	if (n[PV_R_FAIL] || n[PV_R_CRASH] || n[PV_R_HANG] || v->n.splat)
		return 1;
	if (!v->n.complete || n[PV_R_ERROR] || n[PV_R_MISS])
		return 3;
	return n[PV_R_PASS] + n[PV_R_XPASS] + n[PV_R_XFAIL] ? 0 : 3;
}

/* ---- diagnostics of the running case ---- */

static void __attribute__((format(printf, 2, 3))) diag(struct pv_view *v, const char *fmt, ...)
{
	char text[1200], *nl;
	va_list ap;
	size_t len;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	while ((nl = strchr(text, '\n')))
		*nl = ' ';
	len = strlen(text) + 3;
	if (v->diag_len + len >= sizeof(v->diag)) {
		v->diag_lost++;
		return;
	}
	v->diag_len += sprintf(v->diag + v->diag_len, "# %s\n", text);
}

static void diag_lines(struct pv_view *v, const char *indent, const char *text)
{
	while (text && *text) {
		size_t n = strcspn(text, "\n");

		diag(v, "%s%.*s", indent, (int)(n < 1000 ? n : 1000), text);
		text += n + (text[n] == '\n');
	}
}

static void diag_print(struct pv_view *v, const char *indent)
{
	char *line = v->diag;

	v->diag[v->diag_len] = 0;
	for (char *nl; (nl = strchr(line, '\n')); line = nl + 1)
		fprintf(v->out, "%s%.*s\n", indent, (int)(nl - line), line);
	if (v->diag_lost)
		fprintf(v->out, "%s# ... and %zu more lines\n", indent, v->diag_lost);
}

static void diag_event(struct pv_view *v, const struct pv_stream_event *e)
{
	char text[256];

	switch (e->type) {
	case PV_E_EVIDENCE:
		if (e->ok)
			return;
		diag(v, "%s%s%.100s: %s", e->at ? e->at : "", e->at ? ": " : "", e->name,
		     pv_evidence_text(text, sizeof(text), e));
		return;
	case PV_E_MESSAGE:
		diag(v, "%.1000s", e->text);
		return;
	case PV_E_DEATH:
		diag(v, "the guest died, %s: %.500s", e->kind, e->title);
		if (e->log)
			diag(v, "  evidence: %s, %.1f s after the last sign of life", e->log,
			     e->seconds);
		return;
	default:
		diag(v, "kernel log: %.500s", e->title);
		diag_lines(v, "  ", e->text);
	}
}

/* ---- KTAP: Documentation/dev-tools/ktap.rst ---- */

/* How a verdict reads behind the test's name; %s of `kind` and `reason` follow. */
static const struct {
	bool ok;
	const char *directive;
} ktap[PV_R_NR] = {
	[PV_R_PASS] = {true, " # "},
	[PV_R_XPASS] = {true, " # XPASS "},
	[PV_R_XFAIL] = {true, " # XFAIL "},
	[PV_R_SKIP] = {true, " # SKIP "},
	[PV_R_MISS] = {false, " # ERROR miss: "},
	[PV_R_ERROR] = {false, " # ERROR "},
	[PV_R_FAIL] = {false, " # "},
	[PV_R_HANG] = {false, " # TIMEOUT "},
	[PV_R_CRASH] = {false, " # crash: "},
};

static const char *reason(char *buf, size_t size, const struct pv_stream_event *e)
{
	const char *kind = e->kind ? e->kind : e->erratum ? e->erratum : "";

	snprintf(buf, size, "%.100s%s%.500s", kind, *kind && e->reason ? ": " : "",
		 e->reason ? e->reason : "");
	return buf;
}

static void ktap_result(struct pv_view *v, const struct pv_stream_event *e)
{
	char rep[32] = "", why[700];

	diag_print(v, "");
	if (v->repeat > 1)
		snprintf(rep, sizeof(rep), " rep %lld", (long long)e->rep);
	reason(why, sizeof(why), e);
	fprintf(v->out, "%s %zu - %s%s%s%s\n", ktap[e->result].ok ? "ok" : "not ok", v->n.done,
		e->id, rep, *why ? ktap[e->result].directive : "", *why ? why : "");
	fflush(v->out);
}

static void ktap_event(struct pv_view *v, const struct pv_stream_event *e)
{
	if (e->type == PV_E_RUN_BEGIN && !v->begun) {
		fputs("KTAP version 1\n", v->out);
		fprintf(v->out, "# %s %s, %s, kernel %s, pmuvet %s\n", e->fact[PV_F_PLATFORM],
			e->fact[PV_F_ARCH], e->fact[PV_F_ACCEL], e->fact[PV_F_RELEASE],
			e->fact[PV_F_TOOL]);
	} else if (e->type == PV_E_PLAN && !v->n.planned) {
		fprintf(v->out, "1..%lld\n", (long long)e->count);
	} else if (e->type == PV_E_BOOT && e->boot > 1) {
		fprintf(v->out, "# the guest was started again (boot %lld%s%s)\n",
			(long long)e->boot, e->reason ? ", " : "", e->reason ? e->reason : "");
	} else if (e->type == PV_E_SPLAT && !e->id) {
		fprintf(v->out, "# kernel log outside of cases: %s\n", e->title);
	} else if (e->type == PV_E_DEATH && !e->id) {
		fprintf(v->out, "# the guest died outside of cases, %s: %s\n", e->kind, e->title);
	} else {
		return;
	}
	fflush(v->out);
}

/* ---- progress ---- */

static void wipe(struct pv_view *v)
{
	if (v->drawn)
		fputs("\r\033[K", v->out);
	v->drawn = false;
}

static void draw(struct pv_view *v, bool force)
{
	struct winsize ws = {.ws_col = 0};
	double t = now();
	char text[PV_ID_MAX + 160];
	size_t red = v->n.count[PV_R_FAIL] + v->n.count[PV_R_CRASH] + v->n.count[PV_R_HANG];

	if (!v->tty || (!force && t - v->last_draw < REDRAW))
		return;
	v->last_draw = t;
	ioctl(fileno(v->out), TIOCGWINSZ, &ws);
	snprintf(text, sizeof(text), "[%zu/%zu] %.0f s%s%.0zu%s  %s", v->n.done, v->n.planned,
		 t - v->start, red ? ", " : "", red, red ? " failed" : "",
		 v->running[0] ? v->running
		 : v->begun    ? ""
			       : "starting");
	wipe(v);
	pv_text_print(v->out, text, ws.ws_col > 1 ? ws.ws_col - 1u : 79);
	fflush(v->out);
	v->drawn = true;
}

static void progress_result(struct pv_view *v, const struct pv_stream_event *e)
{
	char why[700];
	bool bad = e->result >= PV_R_ERROR || e->result == PV_R_MISS || e->result == PV_R_XPASS;

	if (bad) {
		const char *colour = e->result == PV_R_XPASS ? YELLOW : RED;

		wipe(v);
		fprintf(v->out, "%s%s%s %s", v->colour ? colour : "", pv_result_names[e->result],
			v->colour ? RESET : "", e->id);
		if (v->repeat > 1)
			fprintf(v->out, " (rep %lld)", (long long)e->rep);
		fprintf(v->out, "  %s\n", reason(why, sizeof(why), e));
		diag_print(v, "    ");
	}
	draw(v, bad || v->n.done == v->n.planned);
}

void pv_view_tick(struct pv_view *v)
{
	if (v->kind == PV_VIEW_PROGRESS)
		draw(v, false);
}

/* ---- both ---- */

static void end_case(struct pv_view *v, const struct pv_stream_event *e)
{
	v->n.count[e->result]++;
	v->n.done++;
	diag_lines(v, "| ", e->tail);
	v->running[0] = 0;
	if (v->kind == PV_VIEW_KTAP)
		ktap_result(v, e);
	else if (v->kind == PV_VIEW_PROGRESS)
		progress_result(v, e);
	v->diag_len = v->diag_lost = 0;
}

static void end_run(struct pv_view *v, const struct pv_stream_event *e)
{
	v->n.complete = e->complete && v->n.done >= v->n.planned;
	if (!e->complete)
		snprintf(v->why, sizeof(v->why), "%s",
			 e->reason ? e->reason : "the run did not finish");
	else if (!v->n.complete)
		snprintf(v->why, sizeof(v->why), "verdicts are missing");
}

static void again(struct pv_view *v, const struct pv_stream_event *e)
{
	struct pv_again a = pv_again_of(e);
	char text[PV_ID_MAX + 200];

	if (v->kind == PV_VIEW_QUIET)
		return;
	wipe(v);
	fprintf(v->out, "%s%s %s\n", v->kind == PV_VIEW_KTAP ? "# again: " : "", e->id,
		pv_again_text(text, sizeof(text), &a));
}

/* A splat or a death when no case ran. A boot that died before the agent is tried again. */
static void outside(struct pv_view *v, const struct pv_stream_event *e)
{
	if (!e->early)
		v->n.splat = true;
	if (v->kind != PV_VIEW_PROGRESS)
		return;
	wipe(v);
	if (e->type == PV_E_DEATH)
		fprintf(v->out, "the guest died outside of cases, %s: %s\n", e->kind, e->title);
	else
		fprintf(v->out, "kernel log outside of cases: %s\n", e->title);
}

void pv_view_event(struct pv_view *v, const struct pv_stream_event *e)
{
	if (v->kind == PV_VIEW_KTAP)
		ktap_event(v, e);
	switch (e->type) {
	case PV_E_RUN_BEGIN:
		v->begun = true;
		v->repeat = e->repeat > 1 ? e->repeat : 1;
		break;
	case PV_E_PLAN:
		v->n.planned = e->count;
		break;
	case PV_E_CASE_BEGIN:
		snprintf(v->running, sizeof(v->running), "%s", e->id);
		v->diag_len = v->diag_lost = 0;
		break;
	case PV_E_EVIDENCE:
	case PV_E_MESSAGE:
		diag_event(v, e);
		break;
	case PV_E_SPLAT:
	case PV_E_DEATH:
		if (e->id)
			diag_event(v, e);
		else
			outside(v, e);
		break;
	case PV_E_CASE_END:
		end_case(v, e);
		break;
	case PV_E_AGAIN:
		again(v, e);
		break;
	case PV_E_RESUME:
		v->n.complete = false;
		break;
	case PV_E_RUN_END:
		end_run(v, e);
		break;
	default:
		break;
	}
	if (v->kind == PV_VIEW_PROGRESS && e->type != PV_E_CASE_END)
		draw(v, false);
}

static void totals(struct pv_view *v)
{
	const size_t *n = v->n.count;

	/* The order and the words of kselftest's ksft_print_cnts(). */
	fprintf(v->out, "# Totals: pass:%zu fail:%zu xfail:%zu xpass:%zu skip:%zu error:%zu\n",
		n[PV_R_PASS], n[PV_R_FAIL] + n[PV_R_CRASH] + n[PV_R_HANG], n[PV_R_XFAIL],
		n[PV_R_XPASS], n[PV_R_SKIP], n[PV_R_ERROR] + n[PV_R_MISS]);
}

static void summary(struct pv_view *v)
{
	int status = pv_view_exit(v);
	const char *colour = status == 1 ? RED : status ? YELLOW : GREEN, *comma = "";

	fprintf(v->out, "%s%zu case%s in %.1f s:%s", v->colour ? colour : "", v->n.done,
		v->n.done == 1 ? "" : "s", now() - v->start, v->colour ? RESET : "");
	for (int r = PV_R_NR - 1; r >= 0; r--) {
		if (!v->n.count[r])
			continue;
		fprintf(v->out, "%s %zu %s", comma, v->n.count[r], pv_result_names[r]);
		comma = ",";
	}
	putc('\n', v->out);
}

void pv_view_end(struct pv_view *v, const char *stream)
{
	const char *mark = v->kind == PV_VIEW_KTAP ? "# " : "";

	wipe(v);
	if (v->running[0])
		fprintf(v->out, "%s%s has not ended\n", mark, v->running);
	if (!v->n.complete)
		fprintf(v->out, "%sINCOMPLETE, %zu of %zu verdicts: %s\n", mark, v->n.done,
			v->n.planned, v->why);
	else if (pv_view_exit(v) == 3 && v->n.done == v->n.count[PV_R_SKIP])
		fprintf(v->out, "%snothing was tested: every case was skipped\n", mark);
	if (v->kind == PV_VIEW_KTAP)
		totals(v);
	else
		summary(v);
	if (stream)
		fprintf(v->out, "%sstream: %s\n", mark, stream);
	fflush(v->out);
}
