/* SPDX-License-Identifier: GPL-2.0-only */
/* The reader's inside, private to results/stream*.c: which keys an event has, and where parsing is.
 */
#ifndef PV_RESULTS_STREAM_PRIVATE_H
#define PV_RESULTS_STREAM_PRIVATE_H

#include <yajl/yajl_parse.h>

#include "results/stream.h"

enum key_kind { KEY_TEXT, KEY_LINES, KEY_INT, KEY_NUM, KEY_REAL, KEY_BOOL };
enum key_scope { SCOPE_TOP, SCOPE_KERNEL, SCOPE_DESCRIPTOR, SCOPE_MODULE };

/* A set of keys. */
__extension__ typedef unsigned __int128 pv_key_set;
#define KEY_BIT(i) ((pv_key_set)1 << (i))

struct key {
	const char *name;
	enum key_kind kind;
	enum key_scope scope;
	size_t offset;
	unsigned int events, needed; /* masks of 1 << enum pv_event_type */
};

extern const struct key pv_keys[];
extern const size_t pv_nr_keys; /* at most 128 */
extern const char *const pv_event_names[PV_E_NR];

struct pv_stream {
	const char *name;
	unsigned long line;
	char error[512];
	yajl_handle yajl;
	struct pv_stream_event ev;
	struct pv_descriptor_fact descriptor[PV_DESCRIPTORS_MAX];
	struct pv_module_fact *module;
	size_t modules_size;
	char event[32]; /* the line's "event" */
	bool has_event;

	/* the line's texts; never longer than the line itself */
	char *text;
	size_t text_len, text_size;

	/* where in the line the parser is */
	unsigned int depth, objects;
	enum key_scope scope;
	unsigned int skip;   /* depth of the value that nobody asked for, 0: none */
	bool in_lines;       /* in the array of a KEY_LINES */
	bool in_descriptors; /* in the object of families */
	bool in_modules;     /* in the array of modules */
	bool next_is_event, next_is_kernel, next_is_descriptors, next_is_family, next_is_modules;
	const struct key *key; /* of the value that comes next; NULL: not ours */
	char *lines;           /* of in_lines, so far */
	pv_key_set seen, bad, twice;
	pv_key_set keys_of[PV_E_NR], needed_by[PV_E_NR];
};

/* Judges a line that is JSON: its event, keys and values. 0 or -EINVAL with the error set. */
int pv_stream_check(struct pv_stream *s);

#endif
