/* SPDX-License-Identifier: GPL-2.0-only */
/* The splat parser: lines in, splats out. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/splat_private.h"
#include "results/text.h"

#define OPEN_MAX      8
#define METRICS_MAX   32
#define STRANGE_HEAD  64 /* free text between a header and its trace (lockdep) */
#define STRANGE_BODY  12
#define STRANGE_END   6
#define ATTACH_WITHIN (256u << 10) /* bytes between a splat and the panic that it ends in */

struct metric {
	const struct pv_splat_class *class;
	char title[PV_TITLE_MAX + 1], last[256];
	uint64_t start, end, count;
};

struct pv_splat_parser {
	pv_splat_fn *fn;
	void *arg;
	struct pv_scan *scan;
	struct pv_open *open[OPEN_MAX]; /* in the order they began in */
	size_t nr_open, nr_busy;        /* all; those not closed */
	struct metric metric[METRICS_MAX];
	size_t nr_metrics;
	uint64_t at; /* of the next byte to be fed */
	bool told;   /* the first splat */
	char carry[PV_LOG_LINE];
	size_t nr_carry;
	uint64_t carry_at;
	bool skipping; /* the rest of a line that is too long */
	char clean[PV_LOG_LINE];
	char release[96];
};

/* ---- telling ---- */

static void tell(struct pv_splat_parser *p, struct pv_open *o)
{
	struct pv_splat s = {
		.class = o->class ? o->class->name : "unknown",
		.severity = o->class ? o->class->severity : PV_WARNING,
		.title = o->title,
		.key = o->key,
		.panic = o->has_panic ? o->panic : NULL,
		.task = o->task[0] ? o->task : NULL,
		.release = o->release[0]   ? o->release
			   : p->release[0] ? p->release
					   : NULL,
		.tainted = o->has_taint ? o->tainted : NULL,
		.cpu = o->cpu,
		.pid = o->pid,
		.frames = o->frame,
		.nr_frames = o->nr_frames,
		.registers = o->reg,
		.nr_registers = o->nr_regs,
		.text = o->text,
		.start = o->start,
		.end = o->end,
		.count = o->count,
		.cut = o->cut,
		.first = !p->told,
	};

	o->text[o->nr_kept] = 0;
	pv_title_make(o);
	s.corrupted = o->corrupted;
	s.nr_alt = o->nr_alt;
	for (size_t i = 0; i < o->nr_alt; i++)
		s.alt[i] = o->alt[i];
	p->told = true;
	p->fn(&s, p->arg);
}

/* Tells splats from the oldest on; the last stays for a panic that may come. */
static void flush(struct pv_splat_parser *p, bool all)
{
	while (p->nr_open && p->open[0]->closed && (all || p->nr_open > 1)) {
		struct pv_open *o = p->open[0];

		if (o->class)
			tell(p, o);
		free(o);
		memmove(p->open, p->open + 1, --p->nr_open * sizeof(p->open[0]));
	}
}

static void close_splat(struct pv_splat_parser *p, struct pv_open *o)
{
	if (!o->closed) {
		o->closed = true;
		p->nr_busy--;
	}
}

static void tell_metrics(struct pv_splat_parser *p)
{
	for (size_t i = 0; i < p->nr_metrics; i++) {
		struct metric *m = &p->metric[i];
		struct pv_splat s = {
			.class = m->class->name,
			.severity = PV_METRIC,
			.title = m->title,
			.key = "",
			.release = p->release[0] ? p->release : NULL,
			.cpu = -1,
			.pid = -1,
			.text = m->last,
			.start = m->start,
			.end = m->end,
			.count = m->count,
			.value = m->last,
		};

		p->fn(&s, p->arg);
	}
	p->nr_metrics = 0;
}

/* ---- opening ---- */

const char *pv_open_keep(struct pv_open *o, const char *text, size_t len)
{
	char *to = o->pool + o->nr_pool;

	if (o->nr_pool + len + 1 > sizeof(o->pool)) {
		o->cut = true;
		return NULL;
	}
	pv_text_clean(to, text, len, 0);
	o->nr_pool += strlen(to) + 1;
	return to;
}

static struct pv_open *open_new(struct pv_splat_parser *p, const struct pv_line *l)
{
	struct pv_open *o;

	if (p->nr_open == OPEN_MAX) {
		close_splat(p, p->open[0]);
		flush(p, false);
	}
	o = calloc(1, sizeof(*o));
	if (!o)
		abort();
	o->start = l->start;
	o->cpu = o->pid = o->stuck = -1;
	o->context = "";
	if (l->tag)
		o->tag[o->nr_tags++] = l->tag;
	p->open[p->nr_open++] = o;
	p->nr_busy++;
	return o;
}

/* The title template with its captures; %F stays. */
static void expand(char *dst, size_t size, const struct pv_splat_match *m)
{
	size_t out = 0;

	for (const char *t = m->class->title; *t && out + 1 < size; t++) {
		bool msr = false;
		size_t i;

		if (*t != '%' || t[1] == 'F') {
			dst[out++] = *t;
			continue;
		}
		msr = t[1] == 'M';
		t += 1 + msr;
		i = *t - '1';
		if (i >= m->nr)
			continue;
		if (msr) {
			const char *name = pv_msr_name(strtoul(m->cap[i].at, NULL, 16));

			out += snprintf(dst + out, size - out, name ? "%s (%.*s)" : "%s%.*s",
					name ? name : "", (int)m->cap[i].len, m->cap[i].at);
		} else {
			out += pv_splat_normalise(dst + out, size - out, m->cap[i].at,
						  m->cap[i].len);
		}
		if (out >= size)
			out = size - 1;
	}
	dst[out] = 0;
}

/* The capture of the n-th conversion `type` in the words, or -1. */
static int capture_of(const char *words, char type)
{
	int n = 0;

	for (; *words; words++) {
		if (*words != '%')
			continue;
		words++;
		if (*words == type)
			return n;
		n += *words != '%';
	}
	return -1;
}

void pv_open_header(struct pv_open *o, const struct pv_splat_match *m, const struct pv_line *l)
{
	int f = capture_of(m->class->words, 'f');

	o->class = m->class;
	pv_splat_normalise(o->line, sizeof(o->line), l->text, l->len);
	o->kind[0] = 0;
	if (m->class->title)
		expand(o->kind, sizeof(o->kind), m);
	if (f >= 0 && (size_t)f < m->nr)
		snprintf(o->func, sizeof(o->func), "%.*s", (int)m->cap[f].len, m->cap[f].at);
	o->broken |= l->broken;
	o->count++;
}

static void keep_line(struct pv_open *o, const struct pv_line *l, bool ours)
{
	if (o->nr_text + l->len + 2 > sizeof(o->text)) {
		o->cut = true;
	} else {
		o->nr_text += pv_text_clean(o->text + o->nr_text, l->text, l->len, 0);
		o->text[o->nr_text++] = '\n';
	}
	if (ours) {
		o->nr_kept = o->nr_text;
		o->end = l->end;
		o->strange = 0;
	}
}

/* ---- lines ---- */

static bool has_tag(const struct pv_open *o, uint64_t tag)
{
	for (size_t i = 0; i < o->nr_tags; i++) {
		if (o->tag[i] == tag)
			return true;
	}
	return false;
}

/* The open splat that a line belongs to: the same caller's, without callers the latest. */
static struct pv_open *owner(struct pv_splat_parser *p, const struct pv_line *l, bool closed)
{
	for (size_t i = p->nr_open; i-- > 0;) {
		struct pv_open *o = p->open[i];

		if (o->closed && !closed)
			continue;
		if (!l->tag || !o->nr_tags || has_tag(o, l->tag))
			return o;
	}
	return NULL;
}

static void on_metric(struct pv_splat_parser *p, const struct pv_splat_match *m,
		      const struct pv_line *l)
{
	char title[256];
	struct metric *x = NULL;

	expand(title, sizeof(title), m);
	title[PV_TITLE_MAX] = 0;
	for (size_t i = 0; i < p->nr_metrics && !x; i++) {
		if (!strcmp(p->metric[i].title, title))
			x = &p->metric[i];
	}
	if (!x) {
		if (p->nr_metrics == METRICS_MAX)
			return;
		x = &p->metric[p->nr_metrics++];
		*x = (struct metric){.class = m->class, .start = l->start};
		strcpy(x->title, title);
	}
	x->last[pv_text_clean(x->last, l->text, l->len < 255 ? l->len : 255, 0)] = 0;
	x->end = l->end;
	x->count++;
}

static void on_header(struct pv_splat_parser *p, const struct pv_splat_match *m,
		      const struct pv_line *l)
{
	struct pv_open *o = owner(p, l, false);

	if (m->class->flags & PV_BOOT) {
		snprintf(p->release, sizeof(p->release), "%.*s", (int)m->cap[0].len, m->cap[0].at);
		return;
	}
	if (m->class->severity == PV_METRIC) {
		on_metric(p, m, l);
		return;
	}
	if (m->class->flags & PV_CONSEQUENCE) {
		o = owner(p, l, true);
		if (o && l->start - o->end < ATTACH_WITHIN) {
			if (!o->has_panic) {
				o->has_panic = true;
				pv_splat_normalise(o->panic, sizeof(o->panic), l->text, l->len);
			}
			o->phase = PV_PHASE_END;
			keep_line(o, l, true);
			return;
		}
	}
	if (o && o->class && o->phase == PV_PHASE_HEAD &&
	    (m->class->flags & PV_PART || m->class->name == o->class->name)) {
		o->count += o->class == m->class;
		o->broken |= l->broken;
		keep_line(o, l, true);
		return;
	}
	if (o && !o->class) {
		pv_open_header(o, m, l);
		keep_line(o, l, true);
		return;
	}
	if (o) {
		close_splat(p, o);
	}
	o = open_new(p, l);
	pv_open_header(o, m, l);
	keep_line(o, l, true);
	if (m->class->flags & PV_ONE_LINE)
		close_splat(p, o);
	flush(p, false);
}

static void on_body(struct pv_splat_parser *p, const struct pv_line *l)
{
	static const unsigned int limit[] = {STRANGE_HEAD, STRANGE_BODY, STRANGE_END};
	struct pv_open *o = l->foreign ? NULL : owner(p, l, false);
	enum pv_body is;

	if (!o)
		return;
	is = pv_body_line(o, l);
	keep_line(o, l, is >= PV_BODY_YES);
	if (is == PV_BODY_NOT && ++o->strange > limit[o->phase]) {
		close_splat(p, o);
		flush(p, false);
	}
}

/* `raw` without its newline. */
static void on_raw(struct pv_splat_parser *p, const char *raw, size_t len, uint64_t start,
		   uint64_t end)
{
	const char *text;

	if (len > PV_LOG_LINE)
		len = PV_LOG_LINE;
	if (!p->nr_busy && pv_scan_next(p->scan, raw, 0, len) == len)
		return;
	len = pv_line_clean(p->clean, raw, len);
	text = p->clean;
	while (len) {
		struct pv_line l = {.start = start, .end = end};
		size_t n = pv_line_next(text, len, &l);
		struct pv_splat_match m;

		if (!l.foreign && pv_scan_next(p->scan, l.text, 0, l.len) < l.len &&
		    pv_splat_match(l.text, l.len, l.xen, &m))
			on_header(p, &m, &l);
		else if (p->nr_busy)
			on_body(p, &l);
		text += n;
		len -= n;
	}
}

/* ---- bytes ---- */

static void carry(struct pv_splat_parser *p, const char *data, size_t len)
{
	size_t room = PV_LOG_LINE - p->nr_carry;

	if (!p->nr_carry)
		p->carry_at = p->at;
	memcpy(p->carry + p->nr_carry, data, len < room ? len : room);
	p->nr_carry += len < room ? len : room;
	p->at += len;
}

static size_t whole_lines(struct pv_splat_parser *p, const char *data, size_t len)
{
	size_t i = 0;

	while (i < len) {
		const char *nl;
		size_t from = i;

		if (!p->nr_busy) {
			size_t hit = pv_scan_next(p->scan, data, i, len);

			if (hit == len)
				return len;
			nl = memrchr(data + i, '\n', hit - i);
			from = nl ? (size_t)(nl + 1 - data) : i;
			i = hit;
		}
		nl = memchr(data + i, '\n', len - i);
		i = nl + 1 - data;
		on_raw(p, data + from, nl - data - from, p->at + from, p->at + i);
	}
	return len;
}

void pv_splat_feed(struct pv_splat_parser *p, const void *bytes, size_t len)
{
	const char *data = bytes, *nl;

	if (p->nr_carry) {
		nl = memchr(data, '\n', len);
		if (!nl) {
			carry(p, data, len);
			return;
		}
		carry(p, data, nl - data);
		p->at++;
		len -= nl + 1 - data;
		data = nl + 1;
		on_raw(p, p->carry, p->nr_carry, p->carry_at, p->at);
		p->nr_carry = 0;
	}
	nl = memrchr(data, '\n', len);
	if (nl) {
		size_t n = nl + 1 - data;

		whole_lines(p, data, n);
		p->at += n;
		data += n;
		len -= n;
	}
	if (len)
		carry(p, data, len);
}

void pv_splat_finish(struct pv_splat_parser *p)
{
	if (p->nr_carry) {
		on_raw(p, p->carry, p->nr_carry, p->carry_at, p->at);
		p->nr_carry = 0;
	}
	for (size_t i = 0; i < p->nr_open; i++)
		close_splat(p, p->open[i]);
	flush(p, true);
	tell_metrics(p);
	p->told = false;
	p->release[0] = 0;
	p->at = 0;
}

struct pv_splat_parser *pv_splat_parser_new(pv_splat_fn *fn, void *arg)
{
	struct pv_splat_parser *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->fn = fn;
	p->arg = arg;
	p->scan = pv_scan_new();
	return p;
}

void pv_splat_parser_free(struct pv_splat_parser *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->nr_open; i++)
		free(p->open[i]);
	pv_scan_free(p->scan);
	free(p);
}
