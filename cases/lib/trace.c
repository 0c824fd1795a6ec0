/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases/lib/probes.h"
#include "cases/lib/trace.h"

/* One line: "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;" */
static void add_field(struct pv_trace *tp, const char *line)
{
	struct pv_field *f = &tp->field[tp->nr];
	const char *decl = strstr(line, "field:"), *semi, *name;
	int is_signed;

	if (!decl || tp->nr == sizeof(tp->field) / sizeof(tp->field[0]))
		return;
	semi = strchr(decl, ';');
	if (!semi ||
	    sscanf(semi, "; offset:%u; size:%u; signed:%d;", &f->offset, &f->size, &is_signed) != 3)
		return;
	f->is_signed = is_signed;
	name = semi;
	while (name > decl && name[-1] != ' ' && name[-1] != '*')
		name--;
	snprintf(f->name, sizeof(f->name), "%.*s", (int)(semi - name), name);
	f->name[strcspn(f->name, "[")] = 0;
	if (f->offset + f->size > tp->size)
		tp->size = f->offset + f->size;
	tp->nr++;
}

struct pv_trace pv_trace_read(struct pv_test *t, const char *system, const char *name)
{
	struct pv_trace tp = {0};
	char path[256], text[8192], *save = NULL;

	snprintf(path, sizeof(path), "events/%s/%s/id", system, name);
	if (pv_trace_file(path, text, sizeof(text)) < 0)
		pv_skip(t, PV_CONFIG_OFF, "no tracepoint %s/%s in tracefs", system, name);
	tp.id = strtoul(text, NULL, 0);
	snprintf(path, sizeof(path), "events/%s/%s/format", system, name);
	if (pv_trace_file(path, text, sizeof(text)) < 0)
		pv_fail(t, "tracepoint %s/%s has an id and no format", system, name);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!strncmp(line, "ID: ", 4))
			tp.format_id = strtoul(line + 4, NULL, 0);
		else
			add_field(&tp, line);
	}
	return tp;
}

const struct pv_field *pv_trace_field(struct pv_test *t, const struct pv_trace *tp,
				      const char *name)
{
	for (unsigned int i = 0; i < tp->nr; i++) {
		if (!strcmp(tp->field[i].name, name))
			return &tp->field[i];
	}
	pv_fail(t, "the format file has no field %s", name);
}

uint64_t pv_field_value(struct pv_test *t, const struct pv_trace *tp, const char *name,
			const uint8_t *data)
{
	const struct pv_field *f = pv_trace_field(t, tp, name);
	uint64_t value = 0;

	/* little-endian ISAs only */
	if (f->size > 8)
		pv_error(t, PV_BROKEN_SETUP, "field %s is %u bytes long", name, f->size);
	memcpy(&value, data + f->offset, f->size);
	if (f->is_signed && f->size < 8 && value >> (8 * f->size - 1))
		value |= ~0ull << 8 * f->size;
	return value;
}

struct perf_event_attr pv_trace_attr(const struct pv_trace *tp)
{
	return (struct perf_event_attr){
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(struct perf_event_attr),
		.config = tp->id,
		.disabled = 1,
	};
}

struct pv_ev *pv_trace_sampling(struct pv_test *t, const struct pv_trace *tp, uint64_t sample_type)
{
	struct perf_event_attr attr = pv_trace_attr(tp);
	struct pv_ev *ev;

	attr.sample_period = 1;
	attr.sample_type = sample_type;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 8);
	return ev;
}
