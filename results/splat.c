/* SPDX-License-Identifier: GPL-2.0-only */
/* The splat parser: bytes in, lines to those that look at them. docs/crash.md tells how it decides.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "results/splat_parser.h"

#define USER_LINES 200 /* lines of user space in a splat, until it is over */

/* Lines in a row that are none of a splat, until it is over: lockdep explains itself in free text.
 */
static const unsigned int strange_max[] = {
	[PV_PHASE_HEAD] = 64,
	[PV_PHASE_BODY] = 12,
	[PV_PHASE_END] = 6,
};

/* ---- lines ---- */

/* Another CPU's trace in a stall: its caller's lines belong to it from here on. */
static struct pv_open *adopt(struct pv_splat_parser *p, const struct pv_line *l)
{
	static const char words[] = "NMI backtrace for cpu ";

	if (l->len < sizeof(words) || memcmp(l->text, words, sizeof(words) - 1))
		return NULL;
	for (size_t i = p->nr_open; i-- > 0;) {
		struct pv_open *o = p->open[i];

		if (o->closed || o->xen != l->xen || !o->class || !(o->class->flags & PV_REMOTE))
			continue;
		if (o->nr_tags < sizeof(o->tag) / sizeof(o->tag[0]))
			o->tag[o->nr_tags++] = l->tag;
		return o;
	}
	return NULL;
}

/*
 * "CPU: 0 ... PID: 99 ..." in a log without callers: if it is not that of the splat that lines go
 * to now but of one that this broke into, that one goes on.
 */
static void on_other_cpu(struct pv_splat_parser *p, const struct pv_line *l)
{
	const char *pid, *end = l->text + l->len;
	long cpu, task;

	if (l->tag || l->len < 10 || memcmp(l->text, "CPU: ", 5) ||
	    !(pid = memmem(l->text, l->len, "PID: ", 5)))
		return;
	cpu = pv_number(l->text + 5, l->len - 5);
	task = pv_number(pid + 5, end - pid - 5);
	if (!p->current || p->current->cpu < 0 ||
	    (p->current->cpu == cpu && p->current->pid == task))
		return;
	for (size_t i = p->nr_open; i-- > 0;) {
		struct pv_open *o = p->open[i];

		if (o->cpu == cpu && o->pid == task && pv_may_go_on(o, l->start)) {
			pv_open_again(p, o);
			p->current = o;
			return;
		}
	}
}

static void on_body(struct pv_splat_parser *p, const struct pv_line *l)
{
	struct pv_open *o;
	enum pv_body is;

	on_other_cpu(p, l);
	o = l->foreign ? NULL : pv_open_owner(p, l, false);

	if (!o && l->tag)
		o = adopt(p, l);
	if (!o)
		return;
	is = pv_body_line(o, l);
	if (is == PV_BODY_NOT && p->stamped &&
	    !l->kernel) { /* user space writes to the console, too */
		if (++o->user > USER_LINES)
			pv_open_close(p, o);
		return;
	}
	pv_open_line(o, l, is >= PV_BODY_YES);
	if (is == PV_BODY_NOT && ++o->strange > (o->class ? strange_max[o->phase] : JOIN_WITHIN))
		pv_open_close(p, o);
}

/* Headers may stand indented in what people paste. */
static struct pv_line unindented(const struct pv_line *l)
{
	struct pv_line to = *l;

	while (to.len && (*to.text == ' ' || *to.text == '\t')) {
		to.text++;
		to.len--;
	}
	return to;
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
		struct pv_line l = {.start = start, .end = end}, header;
		size_t n = pv_line_next(text, len, &l);
		struct pv_splat_match m;

		p->stamped |= l.kernel && !l.xen;
		header = unindented(&l);
		if (!l.foreign && pv_scan_match(p->scan, header.text, header.len, l.xen, &m))
			pv_on_header(p, &m, &header);
		else if (p->nr_busy)
			on_body(p, &l);
		text += n;
		len -= n;
	}
}

/* ---- bytes ---- */

static void carry(struct pv_splat_parser *p, const char *data, size_t len)
{
	size_t room = PV_LOG_LINE - p->nr_carry, n = len < room ? len : room;

	if (!p->carrying)
		p->carry_at = p->at;
	p->carrying = true;
	memcpy(p->carry + p->nr_carry, data, n);
	p->nr_carry += n;
	p->at += len;
}

/* The log begins with a kernel that runs already. */
static void first_line(struct pv_splat_parser *p, const char *raw, size_t len)
{
	struct pv_line l;

	len = pv_line_clean(p->clean, raw, len < PV_LOG_LINE ? len : PV_LOG_LINE);
	if (!len)
		return;
	pv_line_next(p->clean, len, &l);
	p->running = l.kernel && !l.xen && l.time > BOOT_MS;
}

static void carried(struct pv_splat_parser *p)
{
	size_t n = p->nr_carry;

	if (!p->carry_at)
		first_line(p, p->carry, n);

	p->carrying = false;
	p->nr_carry = 0;
	on_raw(p, p->carry, n, p->carry_at, p->at);
}

/* `len` bytes that end with a newline. While nothing is open only hits of the scanner are looked
 * at. */
static void whole_lines(struct pv_splat_parser *p, const char *data, size_t len)
{
	if (!p->at)
		first_line(p, data, (const char *)memchr(data, '\n', len) - data);
	for (size_t i = 0, from; i < len;) {
		const char *nl;

		from = i;
		if (!p->nr_busy) {
			size_t hit = pv_scan_next(p->scan, data, i, len);

			if (hit == len)
				return;
			nl = memrchr(data + i, '\n', hit - i);
			from = nl ? (size_t)(nl + 1 - data) : i;
			i = hit;
		}
		nl = memchr(data + i, '\n', len - i);
		i = nl + 1 - data;
		on_raw(p, data + from, nl - data - from, p->at + from, p->at + i);
	}
}

void pv_splat_feed(struct pv_splat_parser *p, const void *bytes, size_t len)
{
	const char *data = bytes, *nl;

	if (p->carrying) {
		nl = memchr(data, '\n', len);
		if (!nl) {
			carry(p, data, len);
			return;
		}
		carry(p, data, nl - data);
		p->at++;
		len -= nl + 1 - data;
		data = nl + 1;
		carried(p);
	}
	nl = memrchr(data, '\n', len);
	if (nl) {
		whole_lines(p, data, nl + 1 - data);
		p->at += nl + 1 - data;
		len -= nl + 1 - data;
		data = nl + 1;
	}
	if (len)
		carry(p, data, len);
}

void pv_splat_finish(struct pv_splat_parser *p)
{
	if (p->carrying)
		carried(p);
	for (size_t i = 0; i < p->nr_open; i++)
		pv_open_close(p, p->open[i]);
	while (p->nr_open)
		pv_tell_first(p);
	pv_tell_metrics(p);
	p->told = p->stamped = p->running = p->expected = false;
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
	p->skips = pv_kinds_new();
	p->words = pv_words_new();
	return p;
}

void pv_splat_parser_free(struct pv_splat_parser *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->nr_open; i++)
		free(p->open[i]);
	free(p->spare);
	pv_scan_free(p->scan);
	pv_kinds_free(p->skips);
	pv_words_free(p->words);
	free(p);
}
