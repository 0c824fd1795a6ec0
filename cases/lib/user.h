/* SPDX-License-Identifier: GPL-2.0-only */
/* Counting in user space: the page of an event, and its counter. */
#ifndef PV_CASES_LIB_USER_H
#define PV_CASES_LIB_USER_H

#include "cases/pv.h"

#define PV_USER_KNOB   "/proc/sys/kernel/perf_user_access"
#define PV_USER_RDPMC  2u /* config1 */
#define PV_USER_LONG   1u
#define PV_USER_CYCLES 32 /* the cycle counter's index */

struct pv_user_page {
	uint64_t offset, enabled, running, caps;
	uint32_t index;
	uint16_t width;
};

/* A consistent copy (include/uapi/linux/perf_event.h, struct perf_event_mmap_page). */
struct pv_user_page pv_user_look(struct pv_test *t, struct pv_ev *ev);
/* The signal that reading the counter ended in, or 0. */
int pv_user_trap(unsigned int index, unsigned long long *value);
/* An event of ours in user mode, mapped; `config1` is set beside its own. */
struct pv_ev *pv_user_open(struct pv_test *t, const char *name, uint64_t config1);
/* Turns the knob; skips where there is none. */
void pv_user_allow(struct pv_test *t, const char *value);
/* The count as perf_event.h says how; false: by read(2) only. */
bool pv_user_read(struct pv_test *t, struct pv_ev *ev, uint64_t *count);
#endif
