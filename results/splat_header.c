/* SPDX-License-Identifier: GPL-2.0-only */
/* The line that a splat begins with, and those that go with it. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "results/splat_private.h"
#include "results/text.h"

static size_t msr(char *dst, size_t size, const struct pv_capture *c)
{
	char number[24], name[40];

	pv_copy(number, sizeof(number), c->at, c->len);
	if (pv_msr_name(name, sizeof(name), strtoul(number, NULL, 16)))
		pv_put(dst, size, "%s (%s)", name, number);
	else
		pv_put(dst, size, "%s", number);
	return strlen(dst);
}

void pv_header_title(char *dst, size_t size, const char *title, const struct pv_splat_match *m)
{
	size_t out = 0;

	for (const char *t = title; *t && out + 1 < size; t++) {
		bool is_msr = t[0] == '%' && t[1] == 'M', raw = t[0] == '%' && t[1] == 'R';
		size_t i;

		if (t[0] != '%' || t[1] == 'F' || t[1] == 'A') {
			dst[out++] = *t;
			continue;
		}
		t += 1 + is_msr + raw;
		i = *t - '1';
		if (i >= m->nr)
			continue;
		if (is_msr)
			out += msr(dst + out, size - out, &m->cap[i]);
		else if (raw)
			out += pv_text_clean(
				dst + out, m->cap[i].at,
				m->cap[i].len < size - out ? m->cap[i].len : size - out - 1, 0);
		else
			out += pv_splat_normalise(dst + out, size - out, m->cap[i].at,
						  m->cap[i].len);
	}
	dst[out] = 0;
}

static void task(struct pv_open *o, const struct pv_splat_match *m)
{
	const struct pv_capture *c;

	if ((c = pv_splat_capture(m, 'c'))) {
		o->cpu = pv_number(c->at, c->len);
		if (m->class->flags & PV_REMOTE)
			o->stuck = o->cpu;
	}
	if ((c = pv_splat_capture(m, 'p')))
		o->pid = pv_number(c->at, c->len);
	if ((c = pv_splat_capture(m, 't'))) {
		pv_copy(o->task, sizeof(o->task), c->at, c->len);
		o->named = pv_splat_capture(m, 'p');
	}
}

/* "ffffffff81234567": before 5.7 the kernel had no name for it. */
static bool is_address(const struct pv_capture *c)
{
	size_t n = 0;

	while (n < c->len && strchr("0123456789abcdef", c->at[n]))
		n++;
	return n == c->len && n >= 8;
}

/* The function and, of a race, the second one; file:line. */
static void place(struct pv_open *o, const struct pv_splat_match *m, const struct pv_line *l)
{
	bool second = false;

	for (size_t i = 0; i < m->nr; i++) {
		const struct pv_capture *c = &m->cap[i];
		bool offset = c->at + c->len < l->text + l->len && c->at[c->len] == '+';

		if (c->type == 'f' && is_address(c))
			continue;
		if (c->type == 'f' && second) {
			pv_copy(o->func2, sizeof(o->func2), c->at, c->len);
		} else if (c->type == 'f' && !(o->has_offset && !offset)) {
			if (o->func[0] && offset && !o->inner[0])
				strcpy(o->inner,
				       o->func); /* decode_stacktrace.sh: the inlined first */
			pv_copy(o->func, sizeof(o->func), c->at, c->len);
			o->has_offset |= offset;
			second = true;
		} else if (c->type == 's' && i + 1 < m->nr && m->cap[i + 1].type == 'd' &&
			   m->cap[i + 1].at == c->at + c->len + 1 && c->at[c->len] == ':' &&
			   !o->at[0]) {

			pv_copy(o->at, sizeof(o->at), c->at, c->len + 1 + m->cap[i + 1].len);
			o->at_class = m->class->name;
		}
	}
}

void pv_header_take(struct pv_open *o, const struct pv_splat_match *m, const struct pv_line *l)
{
	o->class = m->class;
	pv_splat_normalise(o->line, sizeof(o->line), l->text, l->len);
	o->kind[0] = o->other[0] = 0;
	if (m->class->title)
		pv_header_title(o->kind, sizeof(o->kind), m->class->title, m);
	if (m->class->alt)
		pv_header_title(o->other, sizeof(o->other), m->class->alt, m);
	if (m->class->flags & PV_OTHER_FIRST)
		o->section = PV_OTHER_STACK;
	o->want_lock = m->class->from == PV_FROM_LOCK;
	o->want_reason = m->class->flags & PV_REASON_NEXT;
	o->kernel |= l->kernel;
	o->broken |= l->broken;
	o->count++;
	task(o, m);
	place(o, m, l);
}

void pv_header_join(struct pv_open *o, const struct pv_splat_match *m, const struct pv_line *l)
{
	char line[sizeof(o->line)];

	if (o->class->flags & PV_OUTRANKED && !(m->class->flags & PV_OUTRANKED)) {
		pv_header_take(o, m, l);
		o->count--;
		return;
	}
	o->want_reason |= m->class->flags & PV_REASON_NEXT && o->class->flags & PV_OUTRANKED;
	if (m->class == o->class && m->class->from != PV_FROM_LINE) {
		pv_splat_normalise(line, sizeof(line), l->text, l->len);
		o->count += !strcmp(line, o->line);
	}
	o->broken |= l->broken;
	if (o->cpu < 0 || o->pid < 0)
		task(o, m);
	if (m->class->from == PV_FROM_LINE || !o->at[0])
		place(o, m, l);
}
