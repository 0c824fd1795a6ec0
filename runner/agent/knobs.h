/* SPDX-License-Identifier: GPL-2.0-only */
/* Knobs that cases turned, to be put back; and the list of what is already done. */
#ifndef PV_RUNNER_AGENT_KNOBS_H
#define PV_RUNNER_AGENT_KNOBS_H

#include <stdbool.h>
#include <stddef.h>

#define PV_MAX_KNOBS 32

struct pv_knobs {
	size_t nr;
	struct {
		char path[256], old[256];
	} knob[PV_MAX_KNOBS];
};

/* Remembers a `knob` event that a case's process sent before it turned one. */
void pv_knobs_note(struct pv_knobs *k, const char *line, size_t len);
/* Puts all back, the last first. */
void pv_knobs_restore(struct pv_knobs *k);

/* Lines "id\trep". */
struct pv_skips {
	char *text;
	char **line; /* sorted */
	size_t nr;
};
/* 0 or -errno, with a line on stderr; a NULL path is an empty list. */
int pv_skips_load(struct pv_skips *s, const char *path);
bool pv_skips_has(const struct pv_skips *s, const char *id, unsigned int rep);
void pv_skips_free(struct pv_skips *s);

#endif
