/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines of traces. The kernel prints "func+0x12/0x34" everywhere; what stands around it differs by
 * architecture and age, and by whether decode_stacktrace.sh went over it.
 */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_private.h"

struct cursor {
	const char *p, *end;
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static void skip_blanks(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t'))
		c->p++;
}

static bool skip(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n))
		return false;
	c->p += n;
	return true;
}

static size_t hex_number(struct cursor *c, uint64_t *value)
{
	const char *from;

	skip(c, "0x");
	for (from = c->p, *value = 0; c->p < c->end && is_hex(*c->p); c->p++)
		*value = *value << 4 | (*c->p <= '9' ? *c->p - '0' : (*c->p | 0x20) - 'a' + 10);
	return c->p - from;
}

/* "[<ffffffff81234567>]", "[ffffffff81234567]", "(...)", of 8 or 16 digits; any number of them. */
static bool addresses(struct cursor *c, uint64_t *address)
{
	bool any = false;

	for (;;) {
		struct cursor t = *c;
		uint64_t value;

		while (t.p < t.end && (*t.p == '(' || *t.p == '[' || *t.p == '<'))
			t.p++;
		if (t.p == c->p || hex_number(&t, &value) < 8 || t.p == t.end ||
		    (*t.p != '>' && *t.p != ']'))
			return any;
		while (t.p < t.end && (*t.p == '>' || *t.p == ']'))
			t.p++;
		skip_blanks(&t);
		*address = value;
		*c = t;
		any = true;
	}
}

static bool is_name(char c)
{
	return is_hex(c) || (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '_' ||
	       c == '.' || c == '$';
}

/* A function; Xen writes "arch/x86/traps.c#do_trap" for a static one. */
static size_t name(struct cursor *c)
{
	const char *from = c->p;

	while (c->p < c->end && (is_name(*c->p) || *c->p == '#' || *c->p == '/' || *c->p == '-'))
		c->p++;
	return c->p - from;
}

static void offset_size(struct cursor *c, struct pv_frame *f)
{
	if (!skip(c, "+"))
		return;
	hex_number(c, &f->offset);
	if (skip(c, "/"))
		hex_number(c, &f->size);
}

/* " [module]" or " [module build-id]". */
static void module(struct pv_open *o, struct cursor *c, struct pv_frame *f)
{
	struct cursor t = *c;
	const char *from;

	skip_blanks(&t);
	if (!skip(&t, "["))
		return;
	for (from = t.p; t.p < t.end && (is_name(*t.p) || *t.p == '-'); t.p++)
		;
	if (t.p == from || t.p == t.end || (*t.p != ']' && *t.p != ' ') ||
	    (t.p - from == 6 && !memcmp(from, "inline", 6)))
		return;
	f->module = pv_open_keep(o, from, t.p - from);
	if (*t.p == ' ') {
		for (from = ++t.p; t.p < t.end && is_hex(*t.p); t.p++)
			;
		if (t.p - from >= 8)
			f->build_id = pv_open_keep(o, from, t.p - from);
		while (t.p < t.end && *t.p != ']')
			t.p++;
	}
	skip(&t, "]");
	*c = t;
}

/* " net/core/dev.c:123", and "[inline]" behind it. */
static void source(struct pv_open *o, struct cursor *c, struct pv_frame *f)
{
	struct cursor t = *c;
	const char *from, *colon;
	unsigned int line = 0;

	skip_blanks(&t);
	for (from = t.p; t.p < t.end && *t.p != ' ' && *t.p != ')'; t.p++)
		;
	colon = memrchr(from, ':', t.p - from);
	if (!colon || colon == from || colon + 1 == t.p || !memchr(from, '.', colon - from))
		return;
	for (const char *d = colon + 1; d < t.p; d++) {
		if (*d < '0' || *d > '9')
			return;
		line = line * 10 + (*d - '0');
	}
	f->file = pv_open_keep(o, from, colon - from);
	f->line = line;
	skip_blanks(&t);
	f->inlined = skip(&t, "[inline]");
	*c = t;
}

static void marks(struct cursor *c)
{
	skip_blanks(c);
	if (c->p < c->end && *c->p == '(') { /* "(P)", "(PL)", "(unreliable)" */
		while (c->p < c->end && *c->p != ')')
			c->p++;
		skip(c, ")");
	}
}

/* "func from caller+0x12/0x34" of 32-bit arm: the caller is the frame. */
static bool arm_from(struct cursor *c)
{
	struct cursor t = *c;
	uint64_t address;

	skip_blanks(&t);
	if (!skip(&t, "from "))
		return false;
	skip_blanks(&t);
	addresses(&t, &address);
	skip(&t, "(");
	*c = t;
	return true;
}

bool pv_frame_parse(struct pv_open *o, const char *text, size_t len, struct pv_frame *f)
{
	struct cursor c = {text, text + len};
	const char *func;
	size_t n;
	bool have;

	*f = (struct pv_frame){.context = ""};
	skip_blanks(&c);
	have = addresses(&c, &f->address);
	if (have && c.end - c.p > 2 && strchr("RSFC", *c.p) && c.p[1] == ' ') { /* Xen */
		f->guess = *c.p == 'S';
		c.p += 2;
	}
	if (skip(&c, "? "))
		f->guess = true;
	skip_blanks(&c);
	if (have)
		skip(&c, "(");
	func = c.p;
	n = name(&c);
	if (n) {
		struct cursor t = c;
		struct pv_frame ignored;

		module(o, &t, &ignored);
		skip(&t, ")");
		if (arm_from(&t)) {
			c = t;
			func = c.p;
			n = name(&c);
		}
	}
	if (n > 2 && func[0] == '0' && func[1] == 'x') { /* no symbol */
		struct cursor t = {func, c.end};

		if (hex_number(&t, &f->address) < 8 || t.p - func != (long)n)
			return false;
		skip_blanks(&t);
		module(o, &t, f);
		return t.p == t.end || f->module;
	}
	if (!n)
		return have && c.p == c.end;
	if (func[0] >= '0' && func[0] <= '9')
		return false;
	offset_size(&c, f);
	if (f->size || f->offset) {
		skip(&c, ")");
		module(o, &c, f);
		marks(&c);
		source(o, &c, f);
		skip(&c, ")");
		module(o, &c, f);
	} else if (!have) {
		source(o, &c, f); /* inlined: no offset */
		if (!f->inlined && !f->file)
			return false;
		module(o, &c, f);
	} else {
		source(o, &c, f);
		skip(&c, ")");
		marks(&c);
	}
	skip_blanks(&c);
	f->func = pv_open_keep(o, func, n);
	return f->func && c.p == c.end;
}

/* arm64 says pc, then the trace begins with it again; between them lr when pc is in no function. */
static bool is_again(const struct pv_open *o, const struct pv_frame *f)
{
	if (f->exact || f->guess)
		return false;
	for (size_t i = o->nr_main > 2 ? o->nr_main - 2 : 0; i < o->nr_main; i++) {
		const struct pv_frame *pc = &o->frame[i];

		if (pc->exact && f->func && pc->func && f->size && !strcmp(f->func, pc->func) &&
		    f->offset == pc->offset && f->size == pc->size)
			return true;
		if (pc->exact && !f->func && !pc->func && f->address == pc->address)
			return true;
	}
	return false;
}

static const char *const asides[] = {
	[PV_ALLOC] = "ALLOC", [PV_FREE] = "FREE", [PV_SECOND] = "SECOND"};

bool pv_is_aside(const struct pv_frame *f)
{
	return f->context == asides[PV_ALLOC] || f->context == asides[PV_FREE] ||
	       f->context == asides[PV_SECOND];
}

void pv_frame_add(struct pv_open *o, const struct pv_frame *f)
{
	if (o->section == PV_OTHER_STACK || (o->section == PV_MAIN && is_again(o, f)))
		return;
	if (o->nr_frames == PV_FRAMES) {
		o->cut = true;
		return;
	}
	o->frame[o->nr_frames] = *f;
	o->frame[o->nr_frames].context = o->section == PV_MAIN ? o->context : asides[o->section];
	o->nr_frames++;
	if (o->section == PV_MAIN)
		o->nr_main = o->nr_frames;
}

bool pv_frame_line(struct pv_open *o, const char *text, size_t len)
{
	size_t pool = o->nr_pool, nr = o->nr_frames;
	bool cut = o->cut, is;
	struct pv_frame f;

	is = pv_frame_parse(o, text, len, &f);
	if (is && o->phase != PV_PHASE_END && !o->not_a_frame)
		pv_frame_add(o, &f);
	o->not_a_frame = false;
	if (o->nr_frames == nr) { /* what was kept for it is not needed */
		o->nr_pool = pool;
		o->cut = cut;
	}
	return is;
}

const char *pv_frame_plus(const char *text, size_t len)
{
	const char *end = text + len, *p = text;

	while ((p = memchr(p, '+', end - p))) {
		if (end - p >= 3 && p[1] == '0' && p[2] == 'x')
			return p;
		p++;
	}
	return NULL;
}

const char *pv_frame_find(const char *text, size_t len, size_t *n)
{
	const char *end = text + len, *plus = pv_frame_plus(text, len), *from = plus;

	if (!plus)
		return NULL;
	while (from > text && (is_name(from[-1]) || from[-1] == '#' || from[-1] == '/'))
		from--;
	while (plus < end && *plus != ' ' && *plus != ')' && *plus != '>')
		plus++;
	if (end - plus > 2 && plus[0] == ' ' && plus[1] == '[') {
		const char *close = memchr(plus, ']', end - plus);

		plus = close ? close + 1 : plus;
	}
	*n = plus - from;
	return from;
}
