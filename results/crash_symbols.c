/* SPDX-License-Identifier: GPL-2.0-only */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "results/crash_symbols.h"
#include "results/stream.h"
#include "results/symbols.h"

struct pv_crash_symbols {
	struct pv_symbols *symbols;
	char build_id[PV_BUILD_ID_SIZE]; /* of the kernel: what the user or the run says; "":
					    nothing */
	char release[128];
	struct pv_splat splat;
	struct pv_frame *frame;
	const char **note;
	size_t size, notes_size, noted;
};

/* ---- options ---- */

/* A run's stream says what ran: build-ids and places. */
static int from_run(void *ctx, const struct pv_stream_event *e)
{
	struct pv_crash_symbols *c = ctx;

	if (e->type == PV_E_RUN_BEGIN) {
		snprintf(c->build_id, sizeof(c->build_id), "%s", e->fact[PV_F_BUILD_ID]);
		snprintf(c->release, sizeof(c->release), "%s", e->fact[PV_F_RELEASE]);
	}
	for (size_t i = 0; i < e->nr_modules; i++) {
		const struct pv_module_fact *m = &e->module[i];

		if (!m->name)
			continue;
		pv_symbols_expect(c->symbols, m->name, m->build_id);
		pv_symbols_base(c->symbols, m->name, m->base, m->size);
	}
	return 0;
}

static int read_run(struct pv_crash_symbols *c, const char *path, char *error, size_t size)
{
	struct pv_stream *s = pv_stream_new(path);
	bool cut;
	int err;

	if (!s)
		abort();
	err = pv_stream_file(s, path, from_run, c, &cut);
	if (err)
		snprintf(error, size, "%s", pv_stream_error(s));
	pv_stream_free(s);
	return err;
}

int pv_crash_symbols_option(struct pv_crash_symbols **pc, int letter, const char *value,
			    char *error, size_t size)
{
	struct pv_crash_symbols *c = *pc;
	int err;

	if (!c) {
		c = calloc(1, sizeof(*c));
		if (!c)
			abort();
		c->symbols = pv_symbols_new();
		*pc = c;
	}
	switch (letter) {
	case 'b':
		err = *value ? pv_symbols_expect(c->symbols, NULL, value) : -EINVAL;
		if (err)
			snprintf(error, size, "--build-id %s: not a build-id in hex", value);
		else
			snprintf(c->build_id, sizeof(c->build_id), "%s", value);
		return err;
	case 'r':
		return read_run(c, value, error, size);
	case 'k':
		err = pv_symbols_kallsyms(c->symbols, value);
		break;
	default:
		err = pv_symbols_add(c->symbols, value);
	}
	if (err)
		snprintf(error, size, "%s", pv_symbols_error(c->symbols));
	return err;
}

void pv_crash_symbols_free(struct pv_crash_symbols *c)
{
	if (!c)
		return;
	pv_symbols_free(c->symbols);
	free(c->frame);
	free(c->note);
	free(c);
}

/* ---- what the splat says of its kernel ---- */

/*
 * CONFIG_STACKTRACE_BUILD_ID: the line "CPU: 0 PID: 1 Comm: init Not tainted 6.1.0 #1 BUILD-ID"
 * ends in the vmlinux's (lib/dump_stack.c).
 */
static bool build_id_of(const char *text, char id[PV_BUILD_ID_SIZE])
{
	const char *line = strstr(text, "CPU: ");

	for (; line; line = strstr(line + 1, "CPU: ")) {
		size_t n = strcspn(line, "\n"), digits = 0;

		while (n && isspace((unsigned char)line[n - 1]))
			n--;
		while (digits < n && isxdigit((unsigned char)line[n - 1 - digits]))
			digits++;
		/* %20phN: 20 bytes, whatever the linker made. */
		if (digits == 40 && n > 40 && line[n - 41] == ' ' && strstr(line, " Comm: ")) {
			memcpy(id, line + n - 40, 40);
			id[40] = 0;
			return true;
		}
	}
	return false;
}

static uint64_t slide_of(const char *text)
{
	const char *offset = strstr(text, "Kernel Offset: 0x");

	return offset ? strtoull(offset + strlen("Kernel Offset: "), NULL, 16) : 0;
}

static void tell_kernel(struct pv_crash_symbols *c, const struct pv_splat *s)
{
	char id[PV_BUILD_ID_SIZE];

	pv_symbols_release(c->symbols, s->release ? s->release : c->release);
	pv_symbols_slide(c->symbols, slide_of(s->text));
	pv_symbols_expect(c->symbols, NULL, build_id_of(s->text, id) ? id : c->build_id);
}

/* ---- frames ---- */

static struct pv_frame *push(struct pv_crash_symbols *c, const struct pv_frame *f)
{
	if (c->splat.nr_frames == c->size) {
		c->size = c->size ? c->size * 2 : 256;
		c->frame = realloc(c->frame, c->size * sizeof(*c->frame));
		if (!c->frame)
			abort();
	}
	c->frame[c->splat.nr_frames] = *f;
	return &c->frame[c->splat.nr_frames++];
}

static void symbolise(struct pv_crash_symbols *c, const struct pv_frame *f)
{
	struct pv_symbols_query q = {f->module, f->build_id, f->func, f->offset,
				     f->size,   f->address,  f->exact};
	struct pv_symbols_answer a;
	struct pv_frame *to;

	/* Symbolised already, or nothing to go by. */
	if (f->file || f->inlined || (!f->func && !f->address)) {
		push(c, f);
		return;
	}
	pv_symbols_resolve(c->symbols, &q, &a);
	for (size_t i = 0; i + 1 < a.nr; i++) {
		to = push(c, f);
		to->func = a.chain[i].func;
		to->file = a.chain[i].file ? a.chain[i].file : "??";
		to->line = a.chain[i].line;
		to->inlined = true;
		to->address = to->offset = to->size = 0;
	}
	to = push(c, f);
	if (!f->func && a.func) {
		to->func = a.func;
		to->offset = a.offset;
		to->size = a.size;
		to->module = a.module;
	}
	if (a.nr) {
		to->file = a.chain[a.nr - 1].file;
		to->line = a.chain[a.nr - 1].line;
	} else {
		to->unresolved = pv_symbols_status_names[a.status];
		to->why = a.why;
	}
}

static void new_notes(struct pv_crash_symbols *c)
{
	size_t nr = 0;

	for (; pv_symbols_note(c->symbols, c->noted); c->noted++) {
		if (nr == c->notes_size) {
			c->notes_size = c->notes_size ? c->notes_size * 2 : 16;
			c->note = realloc(c->note, c->notes_size * sizeof(*c->note));
			if (!c->note)
				abort();
		}
		c->note[nr++] = pv_symbols_note(c->symbols, c->noted);
	}
	c->splat.notes = c->note;
	c->splat.nr_notes = nr;
}

const struct pv_splat *pv_crash_symbolise(struct pv_crash_symbols *c, const struct pv_splat *s)
{
	if (!c)
		return s;
	c->splat = *s;
	c->splat.nr_frames = 0;
	tell_kernel(c, s);
	for (size_t i = 0; i < s->nr_frames; i++)
		symbolise(c, &s->frames[i]);
	c->splat.frames = c->frame;
	new_notes(c);
	return &c->splat;
}
