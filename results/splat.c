/* SPDX-License-Identifier: GPL-2.0-only */
/* The splat parser: lines in, splats out. docs/crash.md tells how it decides. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results/splat_private.h"
#include "results/text.h"

#define OPEN_MAX      8
#define METRICS_MAX   64
#define ATTACH_WITHIN (256u << 10) /* bytes between a splat and the panic that it ends in */
#define CLOSE_BY      4096         /* the same for a panic that need not be its consequence */
#define CLOSE_BY_MS   5000
#define JOIN_WITHIN   8 /* lines that are none of a splat, between its headers */
#define WAIT_WITHIN                                                                                \
	(16u << 10)     /* bytes in which a splat that another CPU's broke into may go on          \
			 */
#define USER_LINES 200  /* lines of user space in a splat, until it is over */
#define BOOT_MS    5000 /* a banner later than that is somebody printing it */

/* Lines in a row that are none of a splat, until it is over: lockdep explains itself in free text.
 */
static const unsigned int strange_max[] = {
	[PV_PHASE_HEAD] = 64,
	[PV_PHASE_BODY] = 12,
	[PV_PHASE_END] = 6,
};

struct metric {
	const struct pv_splat_class *class;
	char title[PV_TITLE_MAX + 1], last[256];
	uint64_t start, end, count, worst, cap;
};

struct pv_splat_parser {
	pv_splat_fn *fn;
	void *arg;
	struct pv_scan *scan;
	struct pv_kinds *skips;
	struct pv_open *open[OPEN_MAX], *spare; /* open: in the order they began in */
	struct pv_open *current; /* whose lines come now, when callers are not told */
	size_t nr_open, nr_busy; /* all; those not closed */
	struct metric metric[METRICS_MAX];
	size_t nr_metrics;
	bool told;              /* the first splat */
	bool stamped;           /* the kernel's lines have a prefix */
	bool running, expected; /* a kernel has started; its end was orderly or is known */
	char release[96];

	uint64_t at; /* of the next byte to be fed */
	char carry[PV_LOG_LINE], clean[PV_LOG_LINE];
	size_t nr_carry;
	bool carrying;
	uint64_t carry_at;
};

/* ---- telling ---- */

static bool is_splat(const struct pv_open *o)
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

static void tell_first(struct pv_splat_parser *p)
{
	struct pv_open *o = p->open[0];

	if (is_splat(o))
		tell(p, o);
	memmove(p->open, p->open + 1, --p->nr_open * sizeof(p->open[0]));
	p->current = p->current == o ? NULL : p->current;
	if (p->spare)
		free(o);
	else
		p->spare = o;
}

/* Another CPU's splat broke into it before it said where; see on_other_cpu(). */
static bool may_go_on(const struct pv_open *o, uint64_t at)
{
	return is_splat(o) && o->class->from != PV_FROM_NOTHING && !o->nr_tags && !o->nr_main &&
	       o->cpu >= 0 && o->pid >= 0 && at - o->end < WAIT_WITHIN;
}

/* From the oldest on; the last stays for a panic that may come. */
static void tell_closed(struct pv_splat_parser *p, uint64_t at)
{
	while (p->nr_open && p->open[0]->closed && !may_go_on(p->open[0], at) &&
	       (p->nr_open > 1 || !is_splat(p->open[0]) || at - p->open[0]->end > ATTACH_WITHIN))
		tell_first(p);
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
			.worst = m->worst,
			.cap = m->cap,
		};

		p->fn(&s, p->arg);
	}
	p->nr_metrics = 0;
}

/* ---- open splats ---- */

static void close_splat(struct pv_splat_parser *p, struct pv_open *o)
{
	if (!o->closed)
		p->nr_busy--;
	o->closed = true;
}

static void reopen(struct pv_splat_parser *p, struct pv_open *o)
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

static struct pv_open *open_new(struct pv_splat_parser *p, const struct pv_line *l)
{
	struct pv_open *o = p->spare;

	if (p->nr_open == OPEN_MAX) {
		close_splat(p, p->open[0]);
		tell_first(p);
		o = p->spare;
	}
	if (!o && !(o = malloc(sizeof(*o))))
		abort();
	p->spare = NULL;
	memset(o, 0, offsetof(struct pv_open, frame));
	o->skips = p->skips;
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
		o->strange = o->user = 0;
		if (l->time >= 0)
			o->time = l->time;
	}
}

static bool has_tag(const struct pv_open *o, uint64_t tag)
{
	for (size_t i = 0; i < o->nr_tags; i++) {
		if (o->tag[i] == tag)
			return true;
	}
	return false;
}

/* The splat that a line belongs to: the same caller's; of lines without callers the latest. */
static struct pv_open *owner(struct pv_splat_parser *p, const struct pv_line *l, bool closed)
{
	if (!l->tag && p->current && p->current->xen == l->xen && (closed || !p->current->closed))
		return p->current;
	for (size_t i = p->nr_open; i-- > 0;) {
		struct pv_open *o = p->open[i];

		if (o->xen == l->xen && (closed || !o->closed) &&
		    (!l->tag || !o->nr_tags || has_tag(o, l->tag)))
			return o;
	}
	return NULL;
}

/* ---- headers ---- */

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
	o = open_new(p, l);
	pv_header_take(o, m, l);
	keep_line(o, l, true);
	if (m->class->flags & PV_ONE_LINE)
		close_splat(p, o);
	return o;
}

static void on_boot(struct pv_splat_parser *p, const struct pv_splat_match *m,
		    const struct pv_line *l)
{
	bool banner = m->nr;

	if (banner && l->time > BOOT_MS)
		return;
	for (size_t i = 0; i < p->nr_open; i++)
		close_splat(p, p->open[i]);
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
	struct pv_open *o = owner(p, l, true);
	uint64_t far;

	for (size_t i = p->nr_open; !o && i-- > 0;)
		o = p->open[i]->xen == l->xen || l->xen ? p->open[i] : NULL; /* dom0's end */
	if (!o || !is_splat(o))
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
	reopen(p, o);
	if (!o->has_panic) {
		panic_reason(o->panic, sizeof(o->panic), l);
		o->has_panic = true;
	}
	if (o->nr_main > 1) /* else the trace behind it is the only one */
		o->phase = PV_PHASE_END;
	if (l->tag && !has_tag(o, l->tag) && o->nr_tags < sizeof(o->tag) / sizeof(o->tag[0]))
		o->tag[o->nr_tags++] = l->tag;
	keep_line(o, l, true);
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
	o = owner(p, l, false);
	if (o)
		close_splat(p, o);
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

static void on_header(struct pv_splat_parser *p, const struct pv_splat_match *m,
		      const struct pv_line *l)
{
	unsigned int flags = m->class->flags;
	struct pv_open *o = owner(p, l, false);

	tell_closed(p, l->start);
	if (flags & PV_BOOT) {
		on_boot(p, m, l);
	} else if (flags & PV_DOWN) {
		p->expected = true;
		if (o)
			keep_line(o, l, o->phase == PV_PHASE_END);
	} else if (flags & PV_CUT) {
		if (o && joins(o, m)) {
			keep_line(o, l, true);
			return;
		}
		if (o)
			close_splat(p, o);
		keep_line(open_new(p, l), l, true);
	} else if (m->class->severity == PV_METRIC) {
		on_metric(p, m, l);
	} else if (flags & PV_CONSEQUENCE || !strcmp(m->class->name, "panic")) {
		on_panic(p, m, l);
	} else if (o && !o->class) { /* behind `cut here` */
		pv_header_take(o, m, l);
		keep_line(o, l, true);
	} else if (o && joins(o, m)) {
		pv_header_join(o, m, l);
		keep_line(o, l, true);
	} else {
		if (o)
			close_splat(p, o);
		open_header(p, m, l);
	}
	tell_closed(p, l->start);
}

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
	const char *pid = memmem(l->text, l->len, "PID: ", 5), *end = l->text + l->len;
	long cpu, task;

	if (l->tag || !pid || memcmp(l->text, "CPU: ", 5))
		return;
	cpu = pv_number(l->text + 5, l->len - 5);
	task = pv_number(pid + 5, end - pid - 5);
	if (!p->current || p->current->cpu < 0 ||
	    (p->current->cpu == cpu && p->current->pid == task))
		return;
	for (size_t i = p->nr_open; i-- > 0;) {
		struct pv_open *o = p->open[i];

		if (o->cpu == cpu && o->pid == task && may_go_on(o, l->start)) {
			reopen(p, o);
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
	o = l->foreign ? NULL : owner(p, l, false);

	if (!o && l->tag)
		o = adopt(p, l);
	if (!o)
		return;
	is = pv_body_line(o, l);
	if (is == PV_BODY_NOT && p->stamped &&
	    !l->kernel) { /* user space writes to the console, too */
		if (++o->user > USER_LINES)
			close_splat(p, o);
		return;
	}
	keep_line(o, l, is >= PV_BODY_YES);
	if (is == PV_BODY_NOT && ++o->strange > (o->class ? strange_max[o->phase] : JOIN_WITHIN))
		close_splat(p, o);
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
			on_header(p, &m, &header);
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
		close_splat(p, p->open[i]);
	while (p->nr_open)
		tell_first(p);
	tell_metrics(p);
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
	free(p);
}
