/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>
#include <yajl/yajl_gen.h>

#include "results/crash.h"
#include "results/stream.h"

static void text(yajl_gen g, const char *s)
{
	if (s)
		yajl_gen_string(g, (const unsigned char *)s, strlen(s));
	else
		yajl_gen_null(g);
}

/* Keys whose value the log does not tell are left out. */
static void key_text(yajl_gen g, const char *key, const char *value)
{
	if (!value)
		return;
	text(g, key);
	text(g, value);
}

static void key_int(yajl_gen g, const char *key, long long value)
{
	text(g, key);
	yajl_gen_integer(g, value);
}

static void key_bool(yajl_gen g, const char *key, bool value)
{
	text(g, key);
	yajl_gen_bool(g, value);
}

static void address(yajl_gen g, uint64_t value)
{
	char buf[20];

	snprintf(buf, sizeof(buf), "0x%016llx", (unsigned long long)value);
	key_text(g, "address", buf);
}

static void source(yajl_gen g, const struct pv_frame *f)
{
	key_text(g, "file", f->file);
	if (f->file)
		key_int(g, "line", f->line);
}

/* `inlined`: what stands before it in the trace, innermost first. */
static void frame(yajl_gen g, const struct pv_frame *f, const struct pv_frame *inlined, size_t nr)
{
	yajl_gen_map_open(g);
	key_text(g, "func", f->func);
	if (f->size || f->offset) {
		key_int(g, "offset", f->offset);
		key_int(g, "size", f->size);
	}
	if (f->address)
		address(g, f->address);
	key_text(g, "module", f->module);
	key_text(g, "build_id", f->build_id);
	key_bool(g, "guess", f->guess);
	key_bool(g, "exact", f->exact);
	key_text(g, "context", f->context);
	source(g, f);
	key_text(g, "unresolved", f->unresolved);
	key_text(g, "why", f->why);
	if (nr) {
		text(g, "inlined");
		yajl_gen_array_open(g);
		for (size_t i = 0; i < nr; i++) {
			yajl_gen_map_open(g);
			key_text(g, "func", inlined[i].func);
			source(g, &inlined[i]);
			yajl_gen_map_close(g);
		}
		yajl_gen_array_close(g);
	}
	yajl_gen_map_close(g);
}

static void trace(yajl_gen g, const struct pv_splat *s)
{
	size_t inlined = 0;

	text(g, "trace");
	yajl_gen_array_open(g);
	for (size_t i = 0; i < s->nr_frames; i++) {
		if (s->frames[i].inlined && i + 1 < s->nr_frames) {
			inlined++;
			continue;
		}
		frame(g, &s->frames[i], &s->frames[i - inlined], inlined);
		inlined = 0;
	}
	yajl_gen_array_close(g);
}

static void whole(yajl_gen g, const char *log, const struct pv_splat *s)
{
	yajl_gen_map_open(g);
	key_text(g, "event", "splat");
	key_text(g, "log", log);
	key_text(g, "class", s->class);
	key_text(g, "severity", pv_severity_names[s->severity]);
	key_text(g, "title", s->title);
	text(g, "alt");
	yajl_gen_array_open(g);
	for (size_t i = 0; i < s->nr_alt; i++)
		text(g, s->alt[i]);
	yajl_gen_array_close(g);
	key_text(g, "key", s->key);
	if (s->cpu >= 0)
		key_int(g, "cpu", s->cpu);
	key_text(g, "task", s->task);
	if (s->pid >= 0)
		key_int(g, "pid", s->pid);
	key_text(g, "release", s->release);
	key_text(g, "tainted", s->tainted);
	key_text(g, "panic", s->panic);
	key_text(g, "value", s->value);
	key_int(g, "count", s->count);
	if (s->worst)
		key_int(g, "worst", s->worst);
	if (s->cap)
		key_int(g, "cap", s->cap);
	key_bool(g, "corrupted", s->corrupted);
	key_bool(g, "first", s->first);
	key_bool(g, "cut", s->cut);
	key_int(g, "start", s->start);
	key_int(g, "end", s->end);
	text(g, "registers");
	yajl_gen_map_open(g);
	for (size_t i = 0; i < s->nr_registers; i++)
		key_text(g, s->registers[i].name, s->registers[i].value);
	yajl_gen_map_close(g);
	trace(g, s);
	if (s->nr_notes) {
		text(g, "notes");
		yajl_gen_array_open(g);
		for (size_t i = 0; i < s->nr_notes; i++)
			text(g, s->notes[i]);
		yajl_gen_array_close(g);
	}
	key_text(g, "text", s->text);
	yajl_gen_map_close(g);
}

void pv_crash_json(FILE *out, const char *log, const struct pv_splat *s)
{
	yajl_gen g = yajl_gen_alloc(NULL);
	const unsigned char *buf;
	size_t len;

	whole(g, log, s);
	yajl_gen_get_buf(g, &buf, &len);
	fwrite(buf, 1, len, out);
	putc('\n', out);
	yajl_gen_free(g);
}
