/* SPDX-License-Identifier: GPL-2.0-only */
/* Writes one JSON object into a growing buffer; for the agent, which must be static and small. */
#ifndef PV_RUNNER_AGENT_JSON_H
#define PV_RUNNER_AGENT_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_json {
	char *buf;
	size_t len, size;
	bool comma;
};

void pv_json_reset(struct pv_json *j);
void pv_json_free(struct pv_json *j);
/* `key` is NULL inside arrays and for the outermost object. */
void pv_json_open(struct pv_json *j, const char *key, char bracket);
void pv_json_close(struct pv_json *j, char bracket);
/* Control characters and bytes that are not UTF-8 become \u00XX. NULL writes null. */
void pv_json_text(struct pv_json *j, const char *key, const char *text);
void pv_json_int(struct pv_json *j, const char *key, int64_t value);
/* Above INT64_MAX a string "0x%016x" (docs/stream.md). */
void pv_json_u64(struct pv_json *j, const char *key, uint64_t value);
void pv_json_bool(struct pv_json *j, const char *key, bool value);
void pv_json_seconds(struct pv_json *j, const char *key, double value);

#endif
