/* SPDX-License-Identifier: GPL-2.0-only */
/* Crashes by their titles, and what retrying them showed. */
#include <stdio.h>
#include <string.h>

#include "results/run.h"

static bool has_line(const char *lines, const char *line, size_t len)
{
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");

		if (n == len && !strncmp(lines, line, len))
			return true;
		lines += n + (lines[n] == '\n');
	}
	return false;
}

static bool meets(const struct pv_rep *a, const char *lines)
{
	while (lines && *lines) {
		size_t n = strcspn(lines, "\n");

		if (has_line(a->title, lines, n) || has_line(a->alt, lines, n))
			return true;
		lines += n + (lines[n] == '\n');
	}
	return false;
}

/* Where a hang is caught, and so its title, is chance; how it hangs is not. */
static bool same_hang(const struct pv_rep *a, const struct pv_rep *b)
{
	return a->result == PV_R_HANG && b->result == PV_R_HANG && a->death && b->death &&
	       !strcmp(a->death, b->death);
}

bool pv_same_crash(const struct pv_rep *a, const struct pv_rep *b)
{
	return !a->title || !b->title || meets(a, b->title) || meets(a, b->alt) || same_hang(a, b);
}

struct pv_again pv_again_of(const struct pv_stream_event *e)
{
	struct pv_again a = {.alone = e->alone,
			     .reproduced = e->reproduced,
			     .prefix = e->prefix && *e->prefix ? e->prefix : NULL,
			     .reason = e->reason,
			     .title = e->title,
			     .rep = e->rep,
			     .boots = e->boots};

	a.nr_prefix = !!a.prefix;
	for (const char *p = a.prefix; p && *p; p++)
		a.nr_prefix += *p == '\n';
	return a;
}

const char *pv_again_text(char *buf, size_t size, const struct pv_again *again)
{
	size_t len = again->prefix ? strcspn(again->prefix, "\n") : 0;

	if (again->alone)
		snprintf(buf, size, "crashes alone, in a fresh boot");
	else if (again->reproduced)
		snprintf(buf, size, "crashes not alone, but behind %u other case%s: %.*s%s",
			 again->nr_prefix, again->nr_prefix == 1 ? "" : "s", (int)len,
			 again->prefix ? again->prefix : "", again->nr_prefix > 1 ? ", ..." : "");
	else
		snprintf(buf, size, "did not crash alone; %s",
			 again->reason ? again->reason : "it was not reproduced");
	return buf;
}
