/* SPDX-License-Identifier: GPL-2.0-only */
/* Tracepoints by their description in tracefs. */
#ifndef PV_CASES_LIB_TRACE_H
#define PV_CASES_LIB_TRACE_H

#include "cases/pv.h"

struct pv_field {
	char name[64];
	unsigned int offset, size;
	bool is_signed;
};

struct pv_trace {
	unsigned int id, format_id, size, nr; /* size: end of the last field */
	struct pv_field field[32];
};

/* Must be there, else the case skips. */
struct pv_trace pv_trace_read(struct pv_test *t, const char *system, const char *name);
const struct pv_field *pv_trace_field(struct pv_test *t, const struct pv_trace *tp,
				      const char *name);
/* A field of 1, 2, 4 or 8 bytes, sign-extended when it is signed. */
uint64_t pv_field_value(struct pv_test *t, const struct pv_trace *tp, const char *name,
			const uint8_t *data);
struct perf_event_attr pv_trace_attr(const struct pv_trace *tp);
/* Period 1, a ring of 8 pages, disabled, this task. */
struct pv_ev *pv_trace_sampling(struct pv_test *t, const struct pv_trace *tp, uint64_t sample_type);
#endif
