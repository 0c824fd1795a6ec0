/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>

#include "results/crash.h"
#include "results/json.h"

/* Keys whose value the log does not tell are left out. */
static void told(struct pv_json *j, const char *key, const char *value)
{
	if (value)
		pv_json_text(j, key, value);
}

static void told_number(struct pv_json *j, const char *key, long value)
{
	if (value >= 0)
		pv_json_int(j, key, value);
}

static void texts(struct pv_json *j, const char *key, const char *const *text, size_t nr)
{
	pv_json_open(j, key, '[');
	for (size_t i = 0; i < nr; i++)
		pv_json_text(j, NULL, text[i]);
	pv_json_close(j, ']');
}

static void address(struct pv_json *j, uint64_t value)
{
	char buf[20];

	snprintf(buf, sizeof(buf), "0x%016llx", (unsigned long long)value);
	pv_json_text(j, "address", buf);
}

static void source(struct pv_json *j, const struct pv_frame *f)
{
	if (!f->file)
		return;
	pv_json_text(j, "file", f->file);
	pv_json_int(j, "line", f->line);
}

/* `inlined`: what stands before it in the trace, innermost first. */
static void frame(struct pv_json *j, const struct pv_frame *f, const struct pv_frame *inlined,
		  size_t nr)
{
	pv_json_open(j, NULL, '{');
	told(j, "func", f->func);
	if (f->size || f->offset) {
		pv_json_int(j, "offset", f->offset);
		pv_json_int(j, "size", f->size);
	}
	if (f->address)
		address(j, f->address);
	told(j, "module", f->module);
	told(j, "build_id", f->build_id);
	pv_json_bool(j, "guess", f->guess);
	pv_json_bool(j, "exact", f->exact);
	told(j, "context", f->context);
	source(j, f);
	told(j, "unresolved", f->unresolved);
	told(j, "why", f->why);
	if (nr) {
		pv_json_open(j, "inlined", '[');
		for (size_t i = 0; i < nr; i++) {
			pv_json_open(j, NULL, '{');
			told(j, "func", inlined[i].func);
			source(j, &inlined[i]);
			pv_json_close(j, '}');
		}
		pv_json_close(j, ']');
	}
	pv_json_close(j, '}');
}

static void trace(struct pv_json *j, const struct pv_splat *s)
{
	size_t inlined = 0;

	pv_json_open(j, "trace", '[');
	for (size_t i = 0; i < s->nr_frames; i++) {
		if (s->frames[i].inlined && i + 1 < s->nr_frames) {
			inlined++;
			continue;
		}
		frame(j, &s->frames[i], &s->frames[i - inlined], inlined);
		inlined = 0;
	}
	pv_json_close(j, ']');
}

static void whole(struct pv_json *j, const char *log, const struct pv_splat *s)
{
	pv_json_open(j, NULL, '{');
	pv_json_text(j, "event", "splat");
	told(j, "log", log);
	pv_json_text(j, "class", s->class);
	pv_json_text(j, "severity", pv_severity_names[s->severity]);
	pv_json_text(j, "title", s->title);
	texts(j, "alt", s->alt, s->nr_alt);
	told(j, "key", s->key);
	told_number(j, "cpu", s->cpu);
	told(j, "task", s->task);
	told_number(j, "pid", s->pid);
	told(j, "release", s->release);
	told(j, "tainted", s->tainted);
	told(j, "panic", s->panic);
	told(j, "value", s->value);
	pv_json_int(j, "count", s->count);
	if (s->worst)
		pv_json_int(j, "worst", s->worst);
	if (s->cap)
		pv_json_int(j, "cap", s->cap);
	pv_json_bool(j, "corrupted", s->corrupted);
	pv_json_bool(j, "first", s->first);
	pv_json_bool(j, "cut", s->cut);
	pv_json_int(j, "start", s->start);
	pv_json_int(j, "end", s->end);
	pv_json_open(j, "registers", '{');
	for (size_t i = 0; i < s->nr_registers; i++)
		pv_json_text(j, s->registers[i].name, s->registers[i].value);
	pv_json_close(j, '}');
	trace(j, s);
	if (s->nr_notes)
		texts(j, "notes", s->notes, s->nr_notes);
	told(j, "text", s->text);
	pv_json_close(j, '}');
}

void pv_crash_json(FILE *out, const char *log, const struct pv_splat *s)
{
	struct pv_json j = {0};

	whole(&j, log, s);
	fwrite(j.buf, 1, j.len, out);
	putc('\n', out);
	pv_json_free(&j);
}
