/* SPDX-License-Identifier: GPL-2.0-only */
/* Splats that are being read: opening, keeping their lines, telling them when they are over. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "results/splat_parser.h"
#include "results/text.h"

#define WAIT_WITHIN (16u << 10) /* bytes in which one that another CPU's broke into may go on */

/* ---- telling ---- */

bool pv_is_splat(const struct pv_open *o)
{
	if (!o->class)
		return false;
	return !(o->class->flags & PV_NEEDS_BODY) || o->phase != PV_PHASE_HEAD ||
	       (o->kernel && o->class->severity == PV_FATAL);
}

static void tell(struct pv_splat_parser *p, struct pv_open *o)
{
	struct pv_splat s = {
		.class = o->class->name,
		.severity = o->class->severity,
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

void pv_tell_first(struct pv_splat_parser *p)
{
	struct pv_open *o = p->open[0];

	if (pv_is_splat(o))
		tell(p, o);
	memmove(p->open, p->open + 1, --p->nr_open * sizeof(p->open[0]));
	p->current = p->current == o ? NULL : p->current;
	if (p->spare)
		free(o);
	else
		p->spare = o;
}

/* Another CPU's splat broke into it before it said where; see on_other_cpu(). */
bool pv_may_go_on(const struct pv_open *o, uint64_t at)
{
	return pv_is_splat(o) && o->class->from != PV_FROM_NOTHING && !o->nr_tags && !o->nr_main &&
	       o->cpu >= 0 && o->pid >= 0 && at - o->end < WAIT_WITHIN;
}

/* From the oldest on; the last stays for a panic that may come. */
void pv_tell_closed(struct pv_splat_parser *p, uint64_t at)
{
	while (p->nr_open && p->open[0]->closed && !pv_may_go_on(p->open[0], at) &&
	       (p->nr_open > 1 || !pv_is_splat(p->open[0]) || at - p->open[0]->end > ATTACH_WITHIN))
		pv_tell_first(p);
}

void pv_tell_metrics(struct pv_splat_parser *p)
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
			.worst = m->worst,
			.cap = m->cap,
		};

		p->fn(&s, p->arg);
	}
	p->nr_metrics = 0;
}

/* ---- open splats ---- */

void pv_open_close(struct pv_splat_parser *p, struct pv_open *o)
{
	if (!o->closed)
		p->nr_busy--;
	o->closed = true;
}

void pv_open_again(struct pv_splat_parser *p, struct pv_open *o)
{
	if (o->closed)
		p->nr_busy++;
	o->closed = false;
	o->strange = o->user = 0;
}

const char *pv_open_keep(struct pv_open *o, const char *text, size_t len)
{
	char *to = o->pool + o->nr_pool;

	if (o->nr_pool + len + 1 > sizeof(o->pool)) {
		o->cut = true;
		return NULL;
	}
	o->nr_pool += pv_text_clean(to, text, len, 0) + 1;
	return to;
}

struct pv_open *pv_open_new(struct pv_splat_parser *p, const struct pv_line *l)
{
	struct pv_open *o = p->spare;

	if (p->nr_open == OPEN_MAX) {
		pv_open_close(p, p->open[0]);
		pv_tell_first(p);
		o = p->spare;
	}
	if (!o && !(o = malloc(sizeof(*o))))
		abort();
	p->spare = NULL;
	memset(o, 0, offsetof(struct pv_open, frame));
	o->skips = p->skips;
	o->words = p->words;
	o->start = l->start;
	o->cpu = o->pid = o->stuck = o->time = -1;
	o->context = "";
	o->xen = l->xen;
	if (l->tag)
		o->tag[o->nr_tags++] = l->tag;
	p->open[p->nr_open++] = o;
	p->current = o;
	p->nr_busy++;
	return o;
}

void pv_open_line(struct pv_open *o, const struct pv_line *l, bool ours)
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
		o->strange = o->user = 0;
		if (l->time >= 0)
			o->time = l->time;
	}
}

bool pv_open_has_tag(const struct pv_open *o, uint64_t tag)
{
	for (size_t i = 0; i < o->nr_tags; i++) {
		if (o->tag[i] == tag)
			return true;
	}
	return false;
}

/* The splat that a line belongs to: the same caller's; of lines without callers the latest. */
struct pv_open *pv_open_owner(struct pv_splat_parser *p, const struct pv_line *l, bool closed)
{
	if (!l->tag && p->current && p->current->xen == l->xen && (closed || !p->current->closed))
		return p->current;
	for (size_t i = p->nr_open; i-- > 0;) {
		struct pv_open *o = p->open[i];

		if (o->xen == l->xen && (closed || !o->closed) &&
		    (!l->tag || !o->nr_tags || pv_open_has_tag(o, l->tag)))
			return o;
	}
	return NULL;
}
