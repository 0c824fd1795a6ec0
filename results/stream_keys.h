/* SPDX-License-Identifier: GPL-2.0-only */
/* Which keys an event has, of which type, and where they go. Private to results/stream.c. */
#ifndef PV_RESULTS_STREAM_KEYS_H
#define PV_RESULTS_STREAM_KEYS_H

#include "results/stream.h"

enum key_kind { KEY_TEXT, KEY_LINES, KEY_INT, KEY_NUM, KEY_REAL, KEY_BOOL };
enum key_scope { SCOPE_TOP, SCOPE_KERNEL, SCOPE_DESCRIPTOR };

struct key {
	const char *name;
	enum key_kind kind;
	enum key_scope scope;
	size_t offset;
	unsigned int events, needed; /* masks of 1 << enum pv_event_type */
};

extern const struct key pv_keys[];
extern const size_t pv_nr_keys; /* at most 64 */
extern const char *const pv_event_names[PV_E_NR];

#endif
