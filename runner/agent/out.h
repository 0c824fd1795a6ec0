/* SPDX-License-Identifier: GPL-2.0-only */
/* Where the agent's events go: plain lines, or a guest's frames (docs/stream.md). */
#ifndef PV_RUNNER_AGENT_OUT_H
#define PV_RUNNER_AGENT_OUT_H

#include <stdbool.h>

#include "results/json.h"

struct pv_out {
	int fd;
	bool framed;
	unsigned long long seq;
	bool broken; /* a write failed: nobody listens any more */
	char *frame;
	size_t frame_size;
};

/* One whole event, without the newline. */
void pv_out_line(struct pv_out *out, const char *line, size_t len);
/* Closes the object and sends it. */
void pv_out_json(struct pv_out *out, struct pv_json *j);
/* Only framed outputs have a heartbeat. */
void pv_out_heartbeat(struct pv_out *out);

#endif
