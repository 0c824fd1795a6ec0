/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random sequences of calls on a few events, and a model of perf_events that knows what each call
 * must say. A step names slots, not descriptors: every subsequence of a sequence is a sequence, and
 * the model says what it does.
 */
#ifndef PV_CASES_LIB_FUZZ_H
#define PV_CASES_LIB_FUZZ_H

#include "cases/pv.h"

#define FZ_SLOTS       8
#define FZ_NONE        255
#define FZ_MAX         1000
#define FZ_MAPS        2
#define FZ_WATCH_BYTES 4 /* of the watch place, for each slot */

enum fz_op {
	FZ_OPEN,
	FZ_CLOSE,
	FZ_ENABLE,
	FZ_DISABLE,
	FZ_RESET,
	FZ_REFRESH,
	FZ_PERIOD,
	FZ_READ,
	FZ_MAP,
	FZ_UNMAP,
	FZ_OUTPUT,
	FZ_PAUSE,
	FZ_POLL,
	FZ_DRAIN,
	FZ_WORK,
	FZ_FORK,
	FZ_TASK, /* prctl() on all events of this task */
	FZ_NR_OPS,
};

/* What an event counts, and what work makes it count. */
enum fz_kind { FZ_DUMMY, FZ_CALL, FZ_OTHER_CALL, FZ_WATCH, FZ_NR_KINDS };

#define FZ_INHERIT   1u
#define FZ_DISABLED  2u
#define FZ_PINNED    4u
#define FZ_EXCLUSIVE 8u
#define FZ_CLOCK     16u /* CLOCK_MONOTONIC */
#define FZ_FORMAT    32u /* PERF_FORMAT_GROUP */
#define FZ_NO_GROUP  64u
#define FZ_FD_OUTPUT 128u
#define FZ_GROUP     1u /* ENABLE, DISABLE, RESET: the whole group */
#define FZ_SHORT     1u /* READ: into a byte too few */
#define FZ_TOP       1u /* PERIOD: with bit 63 */

struct fz_step {
	uint8_t op, slot, other, kind;
	uint32_t flags;
	uint16_t rule; /* OPEN: 1 + index of pv_rules[], and the event is closed again; 0: none */
	uint16_t n;    /* period, units of work, pages, overflows, on */
};

struct fz_ev {
	bool open, on, inherit, format;
	enum fz_kind kind;
	int clock; /* -1: the default */
	int leader, ring, maps;
	unsigned int seq;
	uint64_t count, child, lost, period;
	int64_t left;
	int limit;
	bool lost_unknown; /* two events shared a ring that was full */
	uint64_t id, enabled;
	bool seen, moved; /* read before; may have run since */
	bool promoted;    /* was a sibling of a leader that is closed */
	bool spent;       /* REFRESH has ended it: 6.18 and 7.2 do not start it again, 6.12 does */
};

/* The ring of the event in the same slot. */
struct fz_ring {
	uint64_t size, head, tail, lost;
	uint64_t samples, told; /* records since the last drain */
	bool paused, ready;
};

struct fz_model {
	struct fz_ev ev[FZ_SLOTS];
	struct fz_ring ring[FZ_SLOTS];
	unsigned int seq, watch_slots;
	uint64_t page, lost_format; /* PERF_FORMAT_LOST, or 0 where the kernel has it not */
	bool stale_size;
};

/* The kernel's answer; `skip`: the step says nothing in this state and is not done. */
struct fz_due {
	bool skip;
	long ret;
};

/* fuzz_model.c */
struct fz_due fz_predict(struct fz_model *m, const struct fz_step *s);
bool fz_effective(const struct fz_model *m, int slot);
/* Members of the slot's group in the order of a read; how many. */
unsigned int fz_members(const struct fz_model *m, int slot, int out[FZ_SLOTS]);
uint64_t fz_format(const struct fz_model *m, int slot);
/* Bytes of a read. */
unsigned int fz_read_size(const struct fz_model *m, int slot);

/* fuzz_run.c: does the steps; what differed first. */
struct fz_result {
	unsigned int step; /* so many went as predicted */
	bool differs;
	char what[48];
	int64_t observed, expected;
};
struct fz_world {
	struct perf_event_attr attr[FZ_NR_KINDS];
	const struct pv_event_desc *work[FZ_NR_KINDS];
	unsigned int watch_slots;
	uint64_t lost_format;
	/* 6.1: a group read of a sibling whose leader is gone is as long as the group was. */
	bool stale_size;
	/* Since 6.2: what joins or starts in a running group of another PMU waits for the next
	 * context switch. */
	bool late_sibling;
};
void fz_find_world(struct pv_test *t, struct fz_world *w);
struct perf_event_attr fz_attr(const struct fz_world *w, const struct fz_step *s);
void fz_model_init(struct fz_model *m, const struct fz_world *w);
/* In a child of its own. */
void fz_try(struct pv_test *t, const struct fz_world *w, const struct fz_step *steps,
	    unsigned int n, struct fz_result *result);

/* fuzz_shrink.c: fewer steps that differ in the same way; how many are left. */
unsigned int fz_shrink(struct pv_test *t, const struct fz_world *w, struct fz_step *steps,
		       unsigned int n, struct fz_result *result);

/* fuzz_print.c: a C program of its own that does the steps, as messages that begin with "repro: ".
 */
void fz_print(struct pv_test *t, const struct fz_world *w, const struct fz_step *steps,
	      unsigned int n);
#endif
