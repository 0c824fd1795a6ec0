/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/agent/knobs.h"

/* The child's own writer made the line: keys in this order, paths and values without escapes. */
static bool field(const char *line, size_t len, const char *key, char *out, size_t size)
{
	const char *at = memmem(line, len, key, strlen(key)), *end;

	if (!at)
		return false;
	at += strlen(key);
	end = memchr(at, '"', line + len - at);
	if (!end || (size_t)(end - at) >= size)
		return false;
	memcpy(out, at, end - at);
	out[end - at] = 0;
	return true;
}

void pv_knobs_note(struct pv_knobs *k, const char *line, size_t len)
{
	static const char prefix[] = "{\"event\":\"knob\"";

	if (len < sizeof(prefix) || memcmp(line, prefix, sizeof(prefix) - 1) ||
	    k->nr == PV_MAX_KNOBS)
		return;
	if (field(line, len, "\"path\":\"", k->knob[k->nr].path, sizeof(k->knob[0].path)) &&
	    field(line, len, "\"old\":\"", k->knob[k->nr].old, sizeof(k->knob[0].old)))
		k->nr++;
}

void pv_knobs_restore(struct pv_knobs *k)
{
	while (k->nr) {
		const char *path = k->knob[--k->nr].path, *old = k->knob[k->nr].old;
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, old, strlen(old)) < 0)
			fprintf(stderr, "pmuvet: %s could not be set back to %s: %s\n", path, old,
				strerror(errno));
		if (fd >= 0)
			close(fd);
	}
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int pv_skips_load(struct pv_skips *s, const char *path)
{
	size_t room = 0, size = 0;
	char *line, *save;
	FILE *f;

	if (!path)
		return 0;
	f = fopen(path, "re");
	if (!f || (getdelim(&s->text, &size, 0, f) < 0 && ferror(f))) {
		int err = errno;

		fprintf(stderr, "pmuvet-agent: --skip-file %s: %s\n", path, strerror(err));
		if (f)
			fclose(f);
		return -err;
	}
	fclose(f);
	for (line = strtok_r(s->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (s->nr == room) {
			room = room ? room * 2 : 64;
			s->line = realloc(s->line, room * sizeof(*s->line));
			if (!s->line)
				abort();
		}
		s->line[s->nr++] = line;
	}
	qsort(s->line, s->nr, sizeof(*s->line), compare);
	return 0;
}

bool pv_skips_has(const struct pv_skips *s, const char *id, unsigned int rep)
{
	char key[512], *p = key;

	snprintf(key, sizeof(key), "%s\t%u", id, rep);
	return s->nr && bsearch(&p, s->line, s->nr, sizeof(*s->line), compare);
}

void pv_skips_free(struct pv_skips *s)
{
	free(s->line);
	free(s->text);
}
