/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "runner/agent/engine.h"
#include "runner/agent/kmsg.h"
#include "runner/agent/needs.h"
#include "runner/agent/process.h"
#include "runner/agent/soak.h"

static const char *const verdicts[] = {"pass",  "fail", "crash", "hang", "xfail",
				       "xpass", "skip", "error", "miss"};
#define NR_VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

struct engine {
	struct pv_process process;
	struct pv_json json;
	struct pv_needs needs;
	struct pv_kmsg_splat *splat;
	int kmsg;
	size_t count[NR_VERDICTS];
	uint64_t taint; /* of the kernel, when soaking */
};

struct result {
	const char *verdict, *kind, *erratum;
	char reason[640];
};

static void event(struct engine *e, const char *name)
{
	pv_json_reset(&e->json);
	pv_json_open(&e->json, NULL, '{');
	pv_json_text(&e->json, "event", name);
}

static void case_event(struct engine *e, const char *name, const struct pv_case *c,
		       unsigned int rep)
{
	event(e, name);
	pv_json_text(&e->json, "case", c->id);
	pv_json_int(&e->json, "rep", rep);
}

static void judge_end(struct engine *e, struct result *r, int status, bool killed)
{
	enum pv_verdict v;

	if (killed) {
		r->verdict = "hang";
		snprintf(r->reason, sizeof(r->reason), "no end after %g s, killed",
			 e->process.o->timeout);
		return;
	}
	if (WIFSIGNALED(status) && !e->process.tally->ended) {
		r->verdict = "crash";
		snprintf(r->reason, sizeof(r->reason), "the case's process was killed by SIG%s",
			 sigabbrev_np(WTERMSIG(status)));
		return;
	}
	v = pv_test_verdict(e->process.tally);
	r->verdict = pv_verdict_names[v];
	if (v != PV_V_PASS)
		snprintf(r->reason, sizeof(r->reason), "%s", e->process.tally->reason);
	if (v == PV_V_SKIP || v == PV_V_ERROR)
		r->kind = pv_kind_names[e->process.tally->kind];
}

static bool erratum_covers(const struct pv_erratum *x, const struct pv_tally *tally)
{
	if (!x->evidence)
		return true;
	if (!tally->failed || tally->failed > PV_FAILED_NAMES)
		return false;
	for (unsigned int i = 0; i < tally->failed; i++) {
		if (fnmatch(x->evidence, tally->failed_name[i], 0))
			return false;
	}
	return true;
}

/* A promise known broken on this model: its failure is expected, its success news. */
static void judge_erratum(struct engine *e, const struct pv_case *c, struct result *r)
{
	for (size_t i = 0; i < c->pmu->nr_errata; i++) {
		const struct pv_erratum *x = &c->pmu->errata[i];

		if (fnmatch(x->cases, c->id, 0))
			continue;
		if (!strcmp(r->verdict, "pass")) {
			r->verdict = "xpass";
			snprintf(r->reason, sizeof(r->reason), "erratum %s does not show", x->id);
		} else if (!strcmp(r->verdict, "fail") && erratum_covers(x, e->process.tally)) {
			r->verdict = "xfail";
		} else {
			continue;
		}
		r->erratum = x->id;
		return;
	}
}

/* The erratum that a splat of this title is part of. */
static const struct pv_erratum *splat_erratum(const struct pv_case *c, const char *title)
{
	for (size_t i = 0; i < c->pmu->nr_errata; i++) {
		const struct pv_erratum *x = &c->pmu->errata[i];

		if (x->splat && !fnmatch(x->cases, c->id, 0) && !fnmatch(x->splat, title, 0))
			return x;
	}
	return NULL;
}

static void judge_splat(struct engine *e, const struct pv_case *c, unsigned int rep,
			struct result *r)
{
	const struct pv_erratum *known;

	if (!pv_kmsg_read(e->kmsg, e->splat))
		return;
	case_event(e, "splat", c, rep);
	pv_json_text(&e->json, "class", e->splat->class);
	pv_json_text(&e->json, "title", e->splat->title);
	pv_json_text(&e->json, "text", e->splat->text);
	pv_out_json(e->process.out, &e->json);
	known = strcmp(r->verdict, "fail") ? splat_erratum(c, e->splat->title) : NULL;
	if (known) {
		r->verdict = "xfail";
		r->erratum = known->id;
	} else if (strcmp(r->verdict, "hang") && strcmp(r->verdict, "crash")) {
		r->verdict = "fail";
		r->kind = r->erratum = NULL;
	}
	snprintf(r->reason, sizeof(r->reason), "kernel log: %s", e->splat->title);
}

/* A kernel that marks itself without a word that we know. */
static void watch_taint(struct engine *e, const struct pv_case *c, unsigned int rep)
{
	uint64_t taint = pv_soak_taint();
	char title[80];

	if (taint != e->taint && !e->splat->class) {
		snprintf(title, sizeof(title), "kernel tainted: 0x%llx, was 0x%llx",
			 (unsigned long long)taint, (unsigned long long)e->taint);
		case_event(e, "splat", c, rep);
		pv_json_text(&e->json, "class", "taint");
		pv_json_text(&e->json, "title", title);
		pv_out_json(e->process.out, &e->json);
	}
	e->taint = taint;
}

static void run_process(struct engine *e, const struct pv_case *c, unsigned int rep,
			struct result *r)
{
	bool killed = false;
	int status = 0, err = pv_process_run(&e->process, c, rep, &status, &killed);

	if (err) {
		r->verdict = "error";
		r->kind = pv_kind_names[PV_BROKEN_SETUP];
		snprintf(r->reason, sizeof(r->reason), "cannot start a process: %s",
			 strerror(-err));
		return;
	}
	judge_end(e, r, status, killed);
	judge_erratum(e, c, r);
}

static void send_end(struct engine *e, const struct pv_case *c, unsigned int rep, struct result *r,
		     double seconds)
{
	case_event(e, "case_end", c, rep);
	pv_json_text(&e->json, "verdict", r->verdict);
	if (r->reason[0])
		pv_json_text(&e->json, "reason", r->reason);
	if (r->kind)
		pv_json_text(&e->json, "kind", r->kind);
	if (r->erratum)
		pv_json_text(&e->json, "erratum", r->erratum);
	pv_json_seconds(&e->json, "seconds", seconds);
	pv_out_json(e->process.out, &e->json);
	for (size_t i = 0; i < NR_VERDICTS; i++)
		e->count[i] += !strcmp(verdicts[i], r->verdict);
}

/* Whoever meets the failure of a regression case wants to know the fix that is missing. */
static void name_fix(const struct pv_case *c, struct result *r)
{
	size_t len = strlen(r->reason);

	if (c->fixes && (!strcmp(r->verdict, "fail") || !strcmp(r->verdict, "crash") ||
			 !strcmp(r->verdict, "hang")))
		snprintf(r->reason + len, sizeof(r->reason) - len, "; guards %s", c->fixes);
}

static void run_case(struct engine *e, const struct pv_case *c, unsigned int rep)
{
	struct result r = {.verdict = NULL};
	double start = pv_now();
	enum pv_kind kind;
	int need;

	case_event(e, "case_begin", c, rep);
	pv_out_json(e->process.out, &e->json);
	need = pv_needs_check(&e->needs, c, &kind, r.reason, sizeof(r.reason));
	if (!need) {
		run_process(e, c, rep, &r);
	} else {
		bool due = need == PV_NEED_PMU && pv_pmu_expected(e->process.o, c->pmu);

		r.verdict = due ? "fail" : "skip";
		r.kind = due ? NULL : pv_kind_names[kind];
	}
	/* A stopped case has no verdict: it is run again by --resume. */
	if (*e->process.stop)
		return;
	judge_splat(e, c, rep, &r);
	if (e->process.o->soak)
		watch_taint(e, c, rep);
	name_fix(c, &r);
	send_end(e, c, rep, &r, pv_now() - start);
}

/* ---- the run ---- */

static int first_cpu(int wanted)
{
	cpu_set_t set;

	if (wanted >= 0)
		return wanted;
	if (!sched_getaffinity(0, sizeof(set), &set)) {
		for (int i = 0; i < CPU_SETSIZE; i++) {
			if (CPU_ISSET(i, &set))
				return i;
		}
	}
	return 0;
}

static int pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

static void send_end_of_run(struct engine *e, bool complete, const char *reason, double seconds)
{
	event(e, "run_end");
	pv_json_open(&e->json, "verdicts", '{');
	for (size_t i = 0; i < NR_VERDICTS; i++) {
		if (e->count[i])
			pv_json_int(&e->json, verdicts[i], e->count[i]);
	}
	pv_json_close(&e->json, '}');
	pv_json_bool(&e->json, "complete", complete);
	if (reason)
		pv_json_text(&e->json, "reason", reason);
	pv_json_seconds(&e->json, "seconds", seconds);
	pv_out_json(e->process.out, &e->json);
}

static void start_neighbours(struct engine *e)
{
	char text[256];

	e->taint = pv_soak_taint();
	pv_soak_start(e->process.o->soak, e->process.cpu, e->process.o->seed, text, sizeof(text));
	event(e, "message");
	pv_json_text(&e->json, "text", text);
	pv_out_json(e->process.out, &e->json);
}

int pv_engine_run(const struct pv_run_opts *o, const struct pv_selection *sel, struct pv_out *out,
		  volatile sig_atomic_t *stop)
{
	struct engine e = {.process = {.o = o, .out = out, .stop = stop, .cpu = first_cpu(o->cpu)}};
	struct pv_process *p = &e.process;
	struct pv_skips skips = {0};
	double start = pv_now();
	struct pv_job *jobs;
	size_t nr;
	int err = pv_skips_load(&skips, o->skip_file);

	if (!err)
		err = pv_jobs(o, sel, &jobs, &nr);
	if (err)
		return err;
	/* Cases inherit the pinning: one that had to be moved to its CPU after fork would cost a
	 * migration. */
	if (pin(p->cpu)) {
		fprintf(stderr, "pmuvet-agent: cannot be pinned to CPU %d: %s\n", p->cpu,
			strerror(errno));
		return -EINVAL;
	}
	p->tally = mmap(NULL, sizeof(*p->tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	e.splat = malloc(sizeof(*e.splat));
	if (p->tally == MAP_FAILED || !e.splat)
		abort();
	e.kmsg = pv_kmsg_open();
	event(&e, "run_begin");
	pv_facts(&e.json, o);
	pv_json_bool(&e.json, "kmsg", e.kmsg >= 0);
	pv_out_json(out, &e.json);
	event(&e, "modules");
	pv_modules(&e.json);
	pv_out_json(out, &e.json);
	event(&e, "plan");
	pv_json_int(&e.json, "count", nr);
	pv_out_json(out, &e.json);
	if (o->soak)
		start_neighbours(&e);
	for (size_t i = 0; i < nr && !*stop && !out->broken; i++) {
		if (!pv_skips_has(&skips, jobs[i].c->id, jobs[i].rep))
			run_case(&e, jobs[i].c, jobs[i].rep);
		pv_process_beat(p);
	}
	pv_collect(o, out);
	if (o->kallsyms && !*stop)
		pv_kallsyms(out);
	send_end_of_run(&e, !*stop, *stop ? "stopped by a signal" : NULL, pv_now() - start);
	free(jobs);
	free(p->line);
	free(e.splat);
	pv_json_free(&e.json);
	pv_skips_free(&skips);
	return out->broken ? -EIO : *stop ? -EINTR : 0;
}
