/* SPDX-License-Identifier: GPL-2.0-only */
/* Task, kernel and registers of a splat. */
#define _GNU_SOURCE
#include <string.h>

#include "results/splat_private.h"
#include "results/text.h"

void pv_copy(char *dst, size_t size, const char *p, size_t len)
{
	if (len >= size)
		len = size - 1;
	pv_text_clean(dst, p, len, 0);
}

long pv_number(const char *p, size_t len)
{
	long v = 0;

	for (size_t i = 0; i < len && p[i] >= '0' && p[i] <= '9' && v < 1l << 40; i++)
		v = v * 10 + (p[i] - '0');
	return v;
}

void pv_who_comm(struct pv_open *o, const char *p, size_t len)
{
	const char *rest = memmem(p, len, " Not tainted", 12);

	if (!rest)
		rest = memmem(p, len, " Tainted: ", 10);
	pv_copy(o->task, sizeof(o->task), p, rest ? (size_t)(rest - p) : len);
}

/* "G        W  OE      6.1.0-13-amd64 #1 Debian": letters first, the release is the last word
 * before " #". */
static void tainted(struct pv_open *o, const char *from, const char *end)
{
	const char *hash = memmem(from, end - from, " #", 2), *word;

	if (!hash)
		hash = end;
	while (hash > from && hash[-1] == ' ')
		hash--;
	for (word = hash; word > from && word[-1] != ' '; word--)
		;
	if (word < hash && *word >= '0' && *word <= '9') {
		pv_copy(o->release, sizeof(o->release), word, hash - word);
		hash = word;
	} else if (word < hash && *word == '(') { /* old arm: "(4.4.0 #1)" */
		pv_copy(o->release, sizeof(o->release), word + 1, hash - word - 1);
		hash = word;
	}
	while (from < hash && *from == ' ')
		from++;
	while (hash > from && hash[-1] == ' ')
		hash--;
	pv_copy(o->tainted, sizeof(o->tainted), from, hash - from);
}

void pv_who_taint(struct pv_open *o, const char *p, size_t len)
{
	const char *at;
	struct pv_splat_match m;

	if (o->has_taint)
		return;
	at = memmem(p, len, "Not tainted", 11);
	if (at) {
		o->has_taint = true;
		o->tainted[0] = 0;
		if (pv_splat_pattern("Not tainted %*%s #", at, p + len - at, &m) && m.cap[1].len) {
			bool paren = *m.cap[1].at == '(';

			pv_copy(o->release, sizeof(o->release), m.cap[1].at + paren,
				m.cap[1].len - paren);
		}
		return;
	}
	at = memmem(p, len, "Tainted: ", 9);
	if (at) {
		o->has_taint = true;
		tainted(o, at + 9, p + len);
	}
}

/* ---- registers ---- */

void pv_register_keep(struct pv_open *o, const char *name, size_t n, const char *value, size_t v)
{
	const char *kept;

	if (o->section != PV_MAIN || o->user_regs || o->phase == PV_PHASE_END ||
	    o->nr_regs == PV_REGISTERS || !n || !v)
		return;
	for (size_t i = 0; i < o->nr_regs; i++) {
		const char *had = o->reg[i].name;

		if (had[0] == name[0] && !strncmp(had, name, n) && !had[n])
			return; /* the first set is of the place, later ones are of user space */
	}
	kept = pv_open_keep(o, name, n);
	value = pv_open_keep(o, value, v);
	if (kept && value)
		o->reg[o->nr_regs++] = (struct pv_register){kept, value};
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_value(const char *p, size_t n)
{
	size_t hex = 0;

	for (size_t i = 0; i < n; i++) {
		bool digit = (p[i] >= '0' && p[i] <= '9') || (p[i] >= 'a' && p[i] <= 'f');

		if (!digit && p[i] != ':' && p[i] != '(' && p[i] != ')')
			return false;
		hex += digit;
	}
	return hex >= 4;
}

bool pv_registers_line(struct pv_open *o, const char *p, size_t len)
{
	const char *end = p + len;
	bool any = false;

	while (p < end) {
		const char *name, *to, *value;

		while (p < end && is_blank(*p))
			p++;
		for (name = p; p < end && *p != ':' && !is_blank(*p); p++)
			;
		to = p;
		while (p < end && is_blank(*p))
			p++;
		if (to == name || to - name > 8 || p == end || *p != ':')
			return any;
		for (p++; p < end && is_blank(*p); p++)
			;
		for (value = p; p < end && !is_blank(*p); p++)
			;
		if (!is_value(value, p - value))
			return any;
		pv_register_keep(o, name, to - name, value, p - value);
		any = true;
	}
	return any;
}
