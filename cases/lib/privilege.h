/* SPDX-License-Identifier: GPL-2.0-only */
/* The matrix of cases/errors_privilege.c: what is asked of perf_event_open(2), and the gates that
 * are before it. */
#ifndef PV_CASES_LIB_PRIVILEGE_H
#define PV_CASES_LIB_PRIVILEGE_H

#include "cases/pv.h"

#define PV_CAP(cap) (1ull << (cap))

/* What is watched. */
enum pv_target {
	SELF,
	CHILD,   /* of the same user */
	OTHER,   /* another user's */
	CAPABLE, /* of the same user, with a capability that we have not */
	HIDDEN,  /* of the same user, not dumpable */
	INIT,
	KTHREAD,
	ON_CPU,
	CGROUP,
	NR_TARGETS,
	CGROUP_NONE, /* PERF_FLAG_PID_CGROUP without any */
	BAD_FLAG,    /* ourselves, with a flag that does not exist */
	WITH_LEADER, /* OTHER, in a group with an event of our own */
	CPU_LEADER,  /* ON_CPU, likewise */
};

/* What a caller needs to get past. */
enum pv_gate { OPEN, KERNEL, CPU, TRACEPOINT, PERFMON, ADMIN, READ_TASK, SIGNAL_TASK };

/* Who asks. */
extern struct pv_who {
	uint64_t caps;
	int paranoid;
	bool restricted; /* Debian's level 3: nobody but CAP_SYS_ADMIN opens anything */
} pv_who;

/* What there is to be watched. */
extern struct pv_world {
	pid_t task[NR_TARGETS]; /* 0: there is none */
	int cgroup, leader, cpu;
	uint64_t syscall, sched, function; /* ids of tracepoints, 0: none */
	uint32_t kprobe, uprobe;
	bool locked_down, slots;
	int yama;
} pv_world;

struct pv_row {
	const char *name;
	enum pv_target target;
	void (*set)(struct perf_event_attr *a);
	struct {
		enum pv_gate gate;
		long err;
	} gates[2];
	long result;   /* behind the gates */
	bool early;    /* the result is due before any privilege is asked for */
	bool chains;   /* asked by errors/privilege_chains alone */
	bool lockdown; /* EPERM where the kernel is locked down */
};

extern const struct pv_row pv_rows[];
extern const size_t pv_nr_rows;
/* Can this row be asked here? */
bool pv_row_there(const struct pv_row *r);
/* What the kernel must answer, and what it answers: 0 or -errno. */
long pv_row_due(const struct pv_row *r);
long pv_row_try(const struct pv_row *r);
#endif
