/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "runner/agent/child.h"
#include "results/json.h"

struct sink {
	const struct pv_case *c;
	unsigned int rep;
	int fd;
	struct pv_json json;
};

static void begin(struct sink *s, const char *event)
{
	pv_json_reset(&s->json);
	pv_json_open(&s->json, NULL, '{');
	pv_json_text(&s->json, "event", event);
	pv_json_text(&s->json, "case", s->c->id);
	pv_json_int(&s->json, "rep", s->rep);
}

static void send(struct sink *s)
{
	size_t done = 0;

	pv_json_close(&s->json, '}');
	/* The parent splits at newlines; a line is one write so that children cannot mix theirs. */
	s->json.buf[s->json.len] = '\n';
	while (done < s->json.len + 1) {
		ssize_t n = write(s->fd, s->json.buf + done, s->json.len + 1 - done);

		if (n < 0 && errno != EINTR)
			_exit(1);
		done += n > 0 ? n : 0;
	}
}

static void sink_evidence(void *ctx, const struct pv_evidence *e)
{
	static const char *const op[] = {[PV_OP_EQ] = "==",
					 [PV_OP_IN] = "in",
					 [PV_OP_ERRNO] = "errno",
					 [PV_OP_NOTE] = "note"};
	struct sink *s = ctx;
	struct pv_json *j = &s->json;
	char at[128];

	begin(s, "evidence");
	pv_json_text(j, "name", e->name);
	pv_json_text(j, "op", op[e->op]);
	if (e->op == PV_OP_ERRNO) {
		pv_json_int(j, "observed", (int64_t)e->observed);
		pv_json_int(j, "expected", (int64_t)e->expected);
	} else {
		pv_json_u64(j, "observed", e->observed);
	}
	if (e->op == PV_OP_EQ)
		pv_json_u64(j, "expected", e->expected);
	if (e->op == PV_OP_IN) {
		pv_json_u64(j, "lo", e->lo);
		pv_json_u64(j, "hi", e->hi);
	}
	if (e->op != PV_OP_NOTE)
		pv_json_bool(j, "ok", e->ok);
	snprintf(at, sizeof(at), "%s:%d", e->file, e->line);
	pv_json_text(j, "at", at);
	send(s);
}

static void sink_message(void *ctx, const char *text)
{
	struct sink *s = ctx;

	begin(s, "message");
	pv_json_text(&s->json, "text", text);
	send(s);
}

static void sink_knob(void *ctx, const char *path, const char *old)
{
	struct sink *s = ctx;

	begin(s, "knob");
	pv_json_text(&s->json, "path", path);
	pv_json_text(&s->json, "old", old);
	send(s);
}

void pv_child_run(const struct pv_case *c, const struct pv_child_opts *opts, struct pv_tally *tally,
		  int fd)
{
	static const struct pv_sink ops = {sink_evidence, sink_message, sink_knob};
	struct sink sink = {.c = c, .rep = opts->rep, .fd = fd};
	struct pv_test t;

	pv_test_init(&t, c, &ops, &sink, tally, opts->cpu, opts->seed, opts->deterministic);
	pv_bodies[c->body](&t);
	_exit(tally->failed ? 1 : 0);
}
