/* SPDX-License-Identifier: GPL-2.0-only */
#include <string.h>

#include "results/crash.h"

static void who(FILE *out, const struct pv_splat *s)
{
	const char *comma = "";

	fputs("  ", out);
	if (s->cpu >= 0) {
		fprintf(out, "CPU %ld", s->cpu);
		comma = ", ";
	}
	if (s->task) {
		fprintf(out, "%stask %s", comma, s->task);
		if (s->pid >= 0)
			fprintf(out, " (%ld)", s->pid);
		comma = ", ";
	}
	if (s->release) {
		fprintf(out, "%skernel %s", comma, s->release);
		comma = ", ";
	}
	if (s->tainted)
		fprintf(out, "%s%s%s", comma, *s->tainted ? "tainted " : "not tainted", s->tainted);
	putc('\n', out);
}

static void frame(FILE *out, const struct pv_frame *f)
{
	if (f->inlined) {
		fprintf(out, "      %s %s:%u [inline]\n", f->func, f->file, f->line);
		return;
	}
	fprintf(out, "    %s%s", f->exact ? "> " : f->guess ? "? " : "  ", f->func ? f->func : "");
	if (!f->func)
		fprintf(out, "0x%016llx", (unsigned long long)f->address);
	if (f->size)
		fprintf(out, "+0x%llx/0x%llx", (unsigned long long)f->offset,
			(unsigned long long)f->size);
	if (f->module)
		fprintf(out, " [%s%s%s]", f->module, f->build_id ? " " : "",
			f->build_id ? f->build_id : "");
	if (f->file)
		fprintf(out, " %s:%u", f->file, f->line);
	else if (f->unresolved && !strcmp(f->unresolved, "ambiguous"))
		fprintf(out, " (%s)", f->why);
	putc('\n', out);
}

static void trace(FILE *out, const struct pv_splat *s, bool all)
{
	const char *context = "";

	for (size_t i = 0; i < s->nr_frames; i++) {
		const struct pv_frame *f = &s->frames[i];

		if (f->guess && !all)
			continue;
		if (strcmp(f->context, context)) {
			context = f->context;
			if (*context)
				fprintf(out, "   <%s>\n", context);
		}
		frame(out, f);
	}
}

void pv_crash_text(FILE *out, const char *log, const struct pv_splat *s, bool all)
{
	fprintf(out, "%s%s%s%s\n", log ? log : "", log ? ": " : "", s->title,
		s->corrupted ? " (log is incomplete)" : "");
	if (s->severity == PV_METRIC) {
		fprintf(out, "  %llu times, last: %s\n", (unsigned long long)s->count, s->value);
		return;
	}
	fprintf(out, "  %s, %s%s, bytes %llu to %llu",
		s->severity == PV_FATAL ? "fatal" : "warning", s->class,
		s->first ? ", the first" : "", (unsigned long long)s->start,
		(unsigned long long)s->end);
	if (s->count > 1)
		fprintf(out, ", %llu times in a row", (unsigned long long)s->count);
	putc('\n', out);
	who(out, s);
	if (s->panic)
		fprintf(out, "  panic: %s\n", s->panic);
	trace(out, s, all);
	for (size_t i = 0; i < s->nr_notes; i++)
		fprintf(out, "  note: %s\n", s->notes[i]);
	if (all)
		fprintf(out, "\n%s", s->text);
	putc('\n', out);
}
