/* SPDX-License-Identifier: GPL-2.0-only */
/* Headers: which opens a splat, which goes on with one. */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_parser.h"
#include "results/text.h"

#define CLOSE_BY    4096 /* bytes to a panic that need not be its consequence */
#define CLOSE_BY_MS 5000

static void metric_value(struct metric *x, const struct pv_splat_match *m)
{
	const struct pv_capture *c = pv_splat_capture(m, 'd');
	uint64_t v = c ? pv_number(c->at, c->len) : 0;

	if (v > x->worst)
		x->worst = v;
	if (m->nr == 3 && m->cap[2].type == 'd') /* the sampling rate that is left */
		x->cap = pv_number(m->cap[2].at, m->cap[2].len);
}

static void on_metric(struct pv_splat_parser *p, const struct pv_splat_match *m,
		      const struct pv_line *l)
{
	char title[256];
	struct metric *x = NULL;

	pv_header_title(title, sizeof(title), m->class->title, m);
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
	metric_value(x, m);
}

/* The same line again, said every few seconds: one splat. */
static struct pv_open *same_line(struct pv_open *o, const struct pv_splat_match *m)
{
	char title[sizeof(o->kind)];

	pv_header_title(title, sizeof(title), m->class->title, m);
	return strcmp(title, o->kind) ? NULL : o;
}

static struct pv_open *open_header(struct pv_splat_parser *p, const struct pv_splat_match *m,
				   const struct pv_line *l)
{
	struct pv_open *o = p->nr_open ? p->open[p->nr_open - 1] : NULL, *again;

	if (m->class->flags & PV_ONE_LINE && o && o->class == m->class &&
	    (again = same_line(o, m))) {
		again->count++;
		again->end = l->end;
		return again;
	}
	o = pv_open_new(p, l);
	pv_header_take(o, m, l);
	pv_open_line(o, l, true);
	if (m->class->flags & PV_ONE_LINE)
		pv_open_close(p, o);
	return o;
}

static void on_boot(struct pv_splat_parser *p, const struct pv_splat_match *m,
		    const struct pv_line *l)
{
	bool banner = m->nr;

	if (banner && l->time > BOOT_MS)
		return;
	for (size_t i = 0; i < p->nr_open; i++)
		pv_open_close(p, p->open[i]);
	if (p->running && !p->expected)
		open_header(p, m, l);
	p->running = banner;
	p->expected = false;
	if (banner)
		pv_copy(p->release, sizeof(p->release), m->cap[0].at, m->cap[0].len);
}

/* The splat that a panic comes from. */
static struct pv_open *cause_of(struct pv_splat_parser *p, const struct pv_splat_match *m,
				const struct pv_line *l)
{
	struct pv_open *o = pv_open_owner(p, l, true);
	uint64_t far;

	for (size_t i = p->nr_open; !o && i-- > 0;)
		o = p->open[i]->xen == l->xen || l->xen ? p->open[i] : NULL; /* dom0's end */
	if (!o || !pv_is_splat(o))
		return NULL;
	far = l->start - o->end;
	if (o->time >= 0 && l->time > o->time + CLOSE_BY_MS &&
	    !(m->class->flags & PV_NEVER_TITLE) && o->class->severity != PV_FATAL &&
	    !(o->class->flags & PV_STALL))
		return NULL;
	if (m->class->flags & PV_NEVER_TITLE || o->class->severity == PV_FATAL ||
	    o->class->flags & PV_STALL)
		return far < ATTACH_WITHIN ? o : NULL;
	return far < CLOSE_BY ? o : NULL;
}

static void panic_reason(char *dst, size_t size, const struct pv_line *l)
{
	static const char words[] = "Kernel panic - not syncing: ";
	size_t n = sizeof(words) - 1;
	bool is = l->len > n && !memcmp(l->text, words, n);

	pv_splat_normalise(dst, size, l->text + (is ? n : 0), l->len - (is ? n : 0));
}

static void attach(struct pv_splat_parser *p, struct pv_open *o, const struct pv_line *l)
{
	pv_open_again(p, o);
	if (!o->has_panic) {
		panic_reason(o->panic, sizeof(o->panic), l);
		o->has_panic = true;
	}
	if (o->nr_main > 1) /* else the trace behind it is the only one */
		o->phase = PV_PHASE_END;
	if (l->tag && !pv_open_has_tag(o, l->tag) &&
	    o->nr_tags < sizeof(o->tag) / sizeof(o->tag[0]))
		o->tag[o->nr_tags++] = l->tag;
	pv_open_line(o, l, true);
}

static bool joins(const struct pv_open *o, const struct pv_splat_match *m)
{
	const struct pv_capture *pid = pv_splat_capture(m, 'p');
	unsigned int flags = m->class->flags;

	if (!o->class || o->class->flags & PV_ONE_LINE)
		return false;
	if (pid && o->pid >= 0 && pv_number(pid->at, pid->len) != o->pid)
		return false; /* another task's */
	if (flags & PV_DETAIL)
		return o->class->flags & PV_OUTRANKED && !o->nr_main;
	if (flags & PV_LATE ||
	    (o->xen && m->class == o->class)) /* Xen says again what it died of */
		return true;
	if (flags & PV_PART && flags & o->class->flags & PV_STALL)
		return true;
	return (o->phase == PV_PHASE_HEAD || !o->nr_main) && o->strange <= JOIN_WITHIN &&
	       (flags & PV_PART || !strcmp(m->class->name, o->class->name));
}

static void on_panic(struct pv_splat_parser *p, const struct pv_splat_match *m,
		     const struct pv_line *l)
{
	struct pv_open *o;

	p->expected = true;
	if (m->class->flags & PV_CONSEQUENCE && (o = cause_of(p, m, l))) {
		attach(p, o, l);
		return;
	}
	o = pv_open_owner(p, l, false);
	if (o)
		pv_open_close(p, o);
	o = open_header(p, m, l);
	if (m->class->flags & PV_NEVER_TITLE) {
		strcpy(o->kind, "kernel panic: its cause is not in the log");
		strcpy(o->other, "kernel panic: ");
		panic_reason(o->other + 14, sizeof(o->other) - 14, l);
		o->other[strcspn(o->other, ".%")] = 0;
		for (size_t n = strlen(o->other); o->other[n - 1] == ' '; n--)
			o->other[n - 1] = 0;
		o->broken = true;
	}
}

void pv_on_header(struct pv_splat_parser *p, const struct pv_splat_match *m,
		  const struct pv_line *l)
{
	unsigned int flags = m->class->flags;
	struct pv_open *o = pv_open_owner(p, l, false);

	pv_tell_closed(p, l->start);
	if (flags & PV_BOOT) {
		on_boot(p, m, l);
	} else if (flags & PV_DOWN) {
		p->expected = true;
		if (o)
			pv_open_line(o, l, o->phase == PV_PHASE_END);
	} else if (flags & PV_CUT) {
		if (o && joins(o, m)) {
			pv_open_line(o, l, true);
			return;
		}
		if (o)
			pv_open_close(p, o);
		pv_open_line(pv_open_new(p, l), l, true);
	} else if (m->class->severity == PV_METRIC) {
		on_metric(p, m, l);
	} else if (flags & PV_CONSEQUENCE || !strcmp(m->class->name, "panic")) {
		on_panic(p, m, l);
	} else if (o && !o->class) { /* behind `cut here` */
		pv_header_take(o, m, l);
		pv_open_line(o, l, true);
	} else if (o && joins(o, m)) {
		pv_header_join(o, m, l);
		pv_open_line(o, l, true);
	} else if (o && o->class && flags & PV_ONE_LINE && o->phase != PV_PHASE_END) {
		/* A line of another that came between: the trace goes on behind it. */
		open_header(p, m, l);
		p->current = o;
	} else {
		if (o)
			pv_open_close(p, o);
		open_header(p, m, l);
	}
	pv_tell_closed(p, l->start);
}
