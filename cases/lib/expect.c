/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/test.h"

const char *const pv_kind_names[] = {
	[PV_ABSENT] = "absent",         [PV_DENIED] = "denied", [PV_TOO_OLD] = "kernel-too-old",
	[PV_CONFIG_OFF] = "config-off", [PV_HIDDEN] = "hidden", [PV_BROKEN_SETUP] = "broken-setup",
};

const char *const pv_verdict_names[] = {
	[PV_V_PASS] = "pass",
	[PV_V_FAIL] = "fail",
	[PV_V_SKIP] = "skip",
	[PV_V_ERROR] = "error",
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool judge(struct pv_test *t, struct pv_evidence *e)
{
	unsigned int n;

	__atomic_add_fetch(&t->tally->judged, 1, __ATOMIC_RELAXED);
	if (!e->ok) {
		n = __atomic_fetch_add(&t->tally->failed, 1, __ATOMIC_RELAXED);
		if (n < PV_FAILED_NAMES)
			snprintf(t->tally->failed_name[n], sizeof(t->tally->failed_name[n]), "%s",
				 e->name);
	}
	e->file = base_name(e->file);
	t->sink->evidence(t->sink_ctx, e);
	return e->ok;
}

bool pv_expect_eq_at(struct pv_test *t, const char *file, int line, const char *name,
		     uint64_t observed, uint64_t expected)
{
	struct pv_evidence e = {
		file, line, name, PV_OP_EQ, observed, expected, 0, 0, observed == expected};

	return judge(t, &e);
}

bool pv_expect_in_at(struct pv_test *t, const char *file, int line, const char *name,
		     uint64_t observed, uint64_t lo, uint64_t hi)
{
	struct pv_evidence e = {
		file, line, name, PV_OP_IN, observed, 0, lo, hi, observed >= lo && observed <= hi};

	return judge(t, &e);
}

bool pv_expect_errno_at(struct pv_test *t, const char *file, int line, const char *name,
			long result, long expected)
{
	/* Any success is the same success: the number of a new fd is no promise. */
	long got = result > 0 ? 0 : result;
	struct pv_evidence e = {file,
				line,
				name,
				PV_OP_ERRNO,
				(uint64_t)(int64_t)got,
				(uint64_t)(int64_t)expected,
				0,
				0,
				got == expected};

	return judge(t, &e);
}

void pv_note_at(struct pv_test *t, const char *file, int line, const char *name, uint64_t observed)
{
	struct pv_evidence e = {base_name(file), line, name, PV_OP_NOTE, observed, 0, 0, 0, true};

	t->sink->evidence(t->sink_ctx, &e);
}

void pv_message(struct pv_test *t, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t->sink->message(t->sink_ctx, text);
}

/* The first end of a case is its end; a later one (of a child, say) does not overwrite it. */
static void __attribute__((noreturn))
end(struct pv_test *t, enum pv_verdict verdict, enum pv_kind kind, const char *fmt, va_list ap)
{
	struct pv_tally *tally = t->tally;

	if (!__atomic_exchange_n(&tally->ended, true, __ATOMIC_ACQ_REL)) {
		tally->verdict = verdict;
		tally->kind = kind;
		vsnprintf(tally->reason, sizeof(tally->reason), fmt, ap);
	}
	_exit(verdict == PV_V_PASS ? 0 : 1);
}

void pv_skip(struct pv_test *t, enum pv_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end(t, PV_V_SKIP, kind, fmt, ap);
}

void pv_fail(struct pv_test *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end(t, PV_V_FAIL, PV_ABSENT, fmt, ap);
}

void pv_error(struct pv_test *t, enum pv_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	end(t, PV_V_ERROR, kind, fmt, ap);
}

/* A failed check outweighs a later skip: what was seen was seen. */
enum pv_verdict pv_test_verdict(struct pv_tally *tally)
{
	unsigned int n = tally->failed < PV_FAILED_NAMES ? tally->failed : PV_FAILED_NAMES;
	size_t len = 0;

	if (tally->ended && (tally->verdict == PV_V_FAIL || !tally->failed))
		return tally->verdict;
	if (!tally->failed && !tally->judged) {
		tally->kind = PV_BROKEN_SETUP;
		snprintf(tally->reason, sizeof(tally->reason), "the case checked nothing");
		return PV_V_ERROR;
	}
	if (!tally->failed)
		return PV_V_PASS;
	for (unsigned int i = 0; i < n && len < sizeof(tally->reason) - 70; i++) {
		bool seen = false;

		for (unsigned int k = 0; k < i; k++)
			seen |= !strcmp(tally->failed_name[k], tally->failed_name[i]);
		if (!seen)
			len += snprintf(tally->reason + len, sizeof(tally->reason) - len, "%s%s",
					len ? ", " : "failed: ", tally->failed_name[i]);
	}
	return PV_V_FAIL;
}

static uint64_t mix(uint64_t x)
{
	/* splitmix64 (Steele, Lea, Flood 2014) */
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

void pv_test_init(struct pv_test *t, const struct pv_case *c, const struct pv_sink *sink, void *ctx,
		  struct pv_tally *tally, int cpu, uint64_t seed, bool deterministic)
{
	*t = (struct pv_test){
		.c = c,
		.sink = sink,
		.sink_ctx = ctx,
		.tally = tally,
		.rng = mix(seed),
		.cpu = cpu,
		.deterministic = deterministic,
		.pid = getpid(),
	};
	if (c->event)
		pv_sys_work_prepare(c->event->work);
	for (const char *p = c->id; *p; p++)
		t->rng = mix(t->rng ^ (unsigned char)*p);
}

uint64_t pv_random(struct pv_test *t, uint64_t lo, uint64_t hi)
{
	t->rng = mix(t->rng);
	return lo + t->rng % (hi - lo + 1);
}

const struct pv_case *pv_case(const struct pv_test *t)
{
	return t->c;
}

const struct pv_pmu *pv_pmu(const struct pv_test *t)
{
	return t->c->pmu;
}

const struct pv_event_desc *pv_event(const struct pv_test *t)
{
	return t->c->event;
}

enum pv_mode pv_mode(const struct pv_test *t)
{
	return t->c->mode;
}

int64_t pv_n(const struct pv_test *t)
{
	return t->c->n;
}

const char *pv_word(const struct pv_test *t)
{
	return t->c->word;
}

int pv_cpu(const struct pv_test *t)
{
	return t->cpu;
}

bool pv_deterministic(const struct pv_test *t)
{
	return t->deterministic;
}

uint32_t pv_attr_size(struct pv_test *t)
{
	if (!t->attr_size)
		t->attr_size = pv_probe_attr_size();
	return t->attr_size;
}
