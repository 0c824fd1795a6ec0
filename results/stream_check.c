/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "results/stream_private.h"

const char *const pv_result_names[PV_R_NR] = {
	[PV_R_PASS] = "pass", [PV_R_XPASS] = "xpass", [PV_R_XFAIL] = "xfail",
	[PV_R_SKIP] = "skip", [PV_R_MISS] = "miss",   [PV_R_ERROR] = "error",
	[PV_R_FAIL] = "fail", [PV_R_HANG] = "hang",   [PV_R_CRASH] = "crash",
};
const char *const pv_op_names[PV_OP_NR] = {"==", "in", "errno", "note"};

static int lookup(const char *const *names, int nr, const char *word)
{
	for (int i = 0; i < nr; i++) {
		if (names[i] && !strcmp(names[i], word))
			return i;
	}
	return -1;
}

static const char *kind_text(enum key_kind kind)
{
	return kind == KEY_TEXT    ? "text"
	       : kind == KEY_LINES ? "text or a list of lines"
	       : kind == KEY_BOOL  ? "true or false"
	       : kind == KEY_REAL  ? "a number"
	       : kind == KEY_NUM   ? "an integer or \"0x\" and 16 digits"
				   : "an integer";
}

static int check_keys(struct pv_stream *s)
{
	unsigned int event = 1u << s->ev.type;
	const char *name = pv_event_names[s->ev.type];

	if (!((s->bad | s->twice) & s->keys_of[s->ev.type]) &&
	    !(s->needed_by[s->ev.type] & ~s->seen))
		return 0;
	for (size_t i = 0; i < pv_nr_keys; i++) {
		const struct key *k = &pv_keys[i];
		pv_key_set bit = KEY_BIT(i);

		if (!(k->events & event))
			continue;
		if (s->bad & bit)
			return pv_stream_fail(s, "%s: key '%s' must be %s", name, k->name,
					      kind_text(k->kind));
		if (s->twice & bit)
			return pv_stream_fail(s, "%s: key '%s' stands twice", name, k->name);
		if ((k->needed & event) && !(s->seen & bit))
			return pv_stream_fail(s, "%s: key '%s' is missing", name, k->name);
	}
	return 0;
}

static int check_id(struct pv_stream *s)
{
	const char *id = s->ev.id;
	size_t n = id ? strlen(id) : 0;

	if (!id)
		return 0;
	if (!n || n > PV_ID_MAX)
		return pv_stream_fail(s, "case: an id has 1 to %d characters", PV_ID_MAX);
	for (size_t i = 0; i < n; i++) {
		if (id[i] <= ' ' || id[i] > '~' || id[i] == '?')
			return pv_stream_fail(s, "case: an id is printable ASCII without blanks");
	}
	if (s->ev.rep < 0 || s->ev.rep > INT32_MAX)
		return pv_stream_fail(s, "rep: %lld is no repetition", (long long)s->ev.rep);
	return 0;
}

static pv_key_set key_bit(const void *member, const struct pv_stream *s)
{
	size_t offset = (const char *)member - (const char *)&s->ev;

	for (size_t i = 0; i < pv_nr_keys; i++) {
		if (pv_keys[i].scope == SCOPE_TOP && pv_keys[i].offset == offset)
			return KEY_BIT(i);
	}
	return 0;
}

static int check_evidence(struct pv_stream *s)
{
	struct pv_stream_event *e = &s->ev;
	int op = lookup(pv_op_names, PV_OP_NR, e->op_text);
	pv_key_set due = 0;

	if (op < 0)
		return pv_stream_fail(s, "evidence: unknown op '%.32s'", e->op_text);
	e->op = op;
	if (op == PV_OP_EQUAL || op == PV_OP_ERROR)
		due = key_bit(&e->expected, s) | key_bit(&e->ok, s);
	if (op == PV_OP_WITHIN)
		due = key_bit(&e->lo, s) | key_bit(&e->hi, s) | key_bit(&e->ok, s);
	if ((s->seen & due) != due)
		return pv_stream_fail(s, "evidence: op '%s' needs %s and ok", e->op_text,
				      op == PV_OP_WITHIN ? "lo, hi" : "expected");
	if (op == PV_OP_NOTED)
		e->ok = true;
	if (op != PV_OP_WITHIN)
		e->lo = e->hi = op == PV_OP_NOTED ? 0 : e->expected;
	return 0;
}

int pv_stream_check(struct pv_stream *s)
{
	struct pv_stream_event *e = &s->ev;
	int type, err, result;

	if (!s->has_event)
		return pv_stream_fail(s, "no key 'event'");
	type = lookup(pv_event_names, PV_E_NR, s->event);
	if (type < 0)
		return 0;
	e->type = type;
	/* A foreign version may differ in everything else. */
	if (type == PV_E_RUN_BEGIN && e->schema && e->schema != PV_STREAM_SCHEMA)
		return pv_stream_fail(s, "schema %lld; this pmuvet reads schema %d",
				      (long long)e->schema, PV_STREAM_SCHEMA);
	err = check_keys(s);
	if (!err)
		err = check_id(s);
	if (err)
		return err;
	if (type == PV_E_RUN_BEGIN && e->schema != PV_STREAM_SCHEMA)
		return pv_stream_fail(s, "schema %lld; this pmuvet reads schema %d",
				      (long long)e->schema, PV_STREAM_SCHEMA);
	if (type == PV_E_EVIDENCE)
		return check_evidence(s);
	if (type == PV_E_PLAN && e->count < 0)
		return pv_stream_fail(s, "plan: count is negative");
	if (type == PV_E_CASE_END) {
		result = lookup(pv_result_names, PV_R_NR, e->verdict);
		if (result < 0)
			return pv_stream_fail(s, "case_end: unknown verdict '%.32s'", e->verdict);
		e->result = result;
	}
	return 0;
}
