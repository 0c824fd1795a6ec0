/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Writes one JSON value into a growing buffer: for the agent, which must be static and small, and
 * where a library's writer is too slow for a log full of splats.
 */
#ifndef PV_RESULTS_JSON_H
#define PV_RESULTS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_json {
	char *buf; /* ends with a NUL */
	size_t len, size;
	bool comma;
	bool lines; /* a line for each value, indented by tabs: for people */
	unsigned int depth;
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
