/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the descriptor compiler (pmu/compile.py) emits: PMUs, events and cases
 * as constant tables. Nothing here knows how to open an event.
 */
#ifndef PV_PMU_DESCRIPTOR_H
#define PV_PMU_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Architectures a descriptor, event or case is for; a mask. */
enum pv_arch {
	PV_ARCH_X86_64 = 1 << 0,
	PV_ARCH_ARM64 = 1 << 1,
	PV_ARCH_I386 = 1 << 2,
	PV_ARCH_ARM = 1 << 3,
};

/* The workload that makes an event count. `n` is the number of its units. */
enum pv_work_id {
	PV_WORK_NONE,    /* nothing: an event that must stay at zero */
	PV_WORK_LOOP,    /* n turns of an assembly loop, see pv_loop_insns() */
	PV_WORK_SPIN,    /* n microseconds of CPU time of this thread */
	PV_WORK_GETPPID, /* n getppid(2) system calls */
	PV_WORK_GETUID,  /* n getuid(2) system calls */
	PV_WORK_GETSID,  /* n getsid(2) system calls on pid 0 */
	PV_WORK_TOUCH,   /* first writes to n fresh anonymous 4 KiB (base) pages */
	PV_WORK_SLEEP,   /* n sleeps, each at least one context switch */
	PV_WORK_MIGRATE, /* n moves of this thread between two CPUs */
	PV_WORK_CALL,    /* n calls of pv_probe_target() */
	PV_WORK_STORE,   /* n stores of event->bp_len bytes to the watched place */
	PV_WORK_LOAD,    /* n loads of event->bp_len bytes from the watched place */
};

/* What the count must be after n units of the workload. */
enum pv_relation {
	PV_REL_EXACT,    /* n * per */
	PV_REL_AT_LEAST, /* n * per or more */
	PV_REL_OVERHEAD, /* n * per plus a constant overhead (that of n = 0) */
	PV_REL_TIME,     /* nanoseconds of the window, between inner and outer clock bracket */
	PV_REL_TSC,      /* time stamp counter ticks, between inner and outer bracket */
	PV_REL_ZERO,     /* 0 whatever runs */
};

/* Whose mode an occurrence is booked to: what exclude_user/exclude_kernel leave. */
enum pv_side {
	PV_SIDE_BOTH,   /* some in each: neither bit leaves exactly 0 or all */
	PV_SIDE_USER,   /* all in user mode: exclude_user leaves 0 */
	PV_SIDE_KERNEL, /* all in kernel mode: exclude_kernel leaves 0 */
	PV_SIDE_ALWAYS, /* the PMU does not look at the bits */
};

/* Flag combinations an event is opened with. */
enum pv_mode {
	PV_MODE_SINGLE,    /* alone, this task, any CPU */
	PV_MODE_GROUP,     /* as sibling of a copy of itself */
	PV_MODE_SW_LEADER, /* as sibling of a software dummy event */
	PV_MODE_INHERIT,   /* attr.inherit = 1 */
	PV_MODE_PINNED,    /* attr.pinned = 1 */
	PV_MODE_EXCLUSIVE, /* attr.exclusive = 1 */
	PV_MODE_TASK_CPU,  /* this task on the case's CPU only */
	PV_MODE_CPU,       /* CPU-wide on the case's CPU (pid -1) */
	PV_MODE_EXCLUDE_USER,
	PV_MODE_EXCLUDE_KERNEL,
	PV_MODE_EXCLUDE_HV,
	PV_MODE_EXCLUDE_IDLE,
	PV_MODE_NR,
};

/* PMU properties that change what the ABI promises (facts: uapi/core.c PERF_PMU_CAP_*). */
enum pv_pmu_caps {
	PV_CAP_NO_INTERRUPT =
		1 << 0, /* sampling refused: EOPNOTSUPP (EINVAL when told so by errno key) */
	PV_CAP_NO_EXCLUDE = 1 << 1, /* any exclude_* bit refused: EINVAL */
	PV_CAP_SOFTWARE = 1 << 2,   /* joins any group */
	PV_CAP_EXTENDED_REGS = 1 << 3,
	PV_CAP_NO_EXCLUDE_IDLE = 1 << 4, /* exclude_idle refused: EOPNOTSUPP */
	PV_CAP_STAGGERED = 1 << 6,       /* no global enable: a group's counters start in turns */
	PV_CAP_USER_READ = 1 << 5,       /* user space may read the counter without asking for it */
};

/* perf_event_attr.type of a PMU whose number is in /sys/bus/event_source/devices/<sysfs>/type */
#define PV_TYPE_SYSFS 0xffffffffu

struct pv_event_desc {
	const char *name; /* the event's name, as in perf list or sysfs */
	uint32_t type;    /* PERF_TYPE_* or PV_TYPE_SYSFS */
	uint64_t config, config1, config2;
	const char *tracepoint; /* "syscalls/sys_enter_getppid": config is its tracefs id */
	const char *kfunc;      /* kprobe target function, NULL if none */
	bool uprobe;            /* the target is pv_probe_target() of this program */
	uint32_t bp_type;       /* HW_BREAKPOINT_R/W/X mask */
	uint32_t bp_len;        /* bytes; execution breakpoints: 0 means sizeof(long) */
	enum pv_work_id work;
	enum pv_relation relation;
	uint64_t per; /* occurrences for one unit of work */
	enum pv_side side;
	bool samples;      /* sampling with a period is promised */
	uint32_t counters; /* set of the general counters that it counts on; 0: all */
	uint32_t arch;     /* mask of enum pv_arch */
	const char *tags;  /* space-separated, leading and trailing space */
	const char *ref;   /* source of the promise */
};

/* One field of sysfs format/: bits first..last (inclusive) of config word `word` (0: config, 1:
 * config1, …). */
struct pv_format_desc {
	const char *name;
	unsigned int word, first, last;
};

struct pv_erratum {
	const char *id;       /* stable name, printed with the verdict */
	const char *cases;    /* glob on case ids (fnmatch) */
	const char *evidence; /* glob on the names of evidence that may fail; NULL: any */
	const char *splat;    /* glob on the title of a splat that may come; NULL: none may */
	const char *about;
	const char *ref;
};

/* What a PMU that writes into an AUX buffer promises. */
struct pv_aux_desc {
	bool there;
	bool one_piece; /* an overwritten buffer must be one physical piece (PERF_PMU_CAP_AUX_NO_SG)
			 */
	bool exclusive; /* one event for each task or CPU, others: EBUSY (PERF_PMU_CAP_EXCLUSIVE) */
	bool itrace;    /* PERF_RECORD_ITRACE_START comes first (PERF_PMU_CAP_ITRACE) */
	bool samples;   /* its data may go into the samples of its group */
	bool output;    /* other events may write into its buffer */
	bool pause;     /* PERF_PMU_CAP_AUX_PAUSE */
	unsigned int record; /* bytes of each record; 0: a stream */
	unsigned int margin; /* bytes by which a chunk may be larger than the watermark */
	unsigned int turn;   /* bytes that one turn of pv_asm_loop() adds at least */
};

/* What precise sampling promises. */
struct pv_precise_desc {
	unsigned int max;    /* the largest precise_ip; 0: none */
	bool xmm;            /* XMM registers may be asked for (PERF_PMU_CAP_EXTENDED_REGS) */
	bool retire_latency; /* WEIGHT_STRUCT tells the latency of retirement */
	bool split_latency;  /* ... and the instruction's beside the datum's */
	bool load_group;     /* load latency needs the auxiliary event in its group */
	/* Cycles of a load by bits 6 and 7 of its address, from L1, L2, L3 and memory; 0: not known
	 * (silicon's caches do not go by addresses) */
	unsigned int latency[4];
};

struct pv_pmu {
	const char *name;   /* the descriptor: "pmuv3-qemu" */
	const char *family; /* first part of the case ids: "pmuv3" */
	const char *title;
	const char *sysfs;  /* directory under /sys/bus/event_source/devices, NULL: always there */
	const char *probe;  /* how presence is decided beside sysfs: "", "tracefs", "breakpoint",
			       "core" */
	const char *vendor; /* of the CPU, as CPUID has it; NULL: any */
	uint32_t arch;
	uint32_t caps;         /* enum pv_pmu_caps */
	unsigned int counters; /* programmable counters; 0: not limited */
	unsigned int fixed;    /* counters that only serve one event (Arm cycle counter) */
	unsigned int width;    /* bits of a counter; 0: 64 */
	struct pv_aux_desc aux;
	struct pv_precise_desc precise;
	const struct pv_event_desc *events;
	size_t nr_events;
	const struct pv_format_desc *formats;
	size_t nr_formats;
	const struct pv_erratum *errata;
	size_t nr_errata;
	const char *hash;        /* first 16 hex digits of sha256 over the flattened descriptor */
	bool is_default;         /* used unless the platform names another one of the family */
	const char *describe;    /* the text `pmuvet describe` prints */
	unsigned int min_period; /* a smaller sample_period is EINVAL; 0: none is */
	int sampling_errno;      /* with NO_INTERRUPT: what a sampling event is refused with */
};

struct pv_test;

struct pv_case {
	const char *id;    /* family/capability/name[:variant[,variant]] */
	const char *about; /* one-line claim */
	const char *needs; /* space-separated words, see cases/pv.h; "" for none */
	const char *at;    /* "counting.c:42" */
	const struct pv_pmu *pmu;
	const struct pv_event_desc *event; /* NULL: the case has no event axis */
	enum pv_mode mode;
	int64_t n;        /* value of the n axis; 0 without */
	const char *word; /* value of the word axis; NULL without */
	uint32_t arch;
	size_t body;        /* index into pv_bodies[] */
	const char *fixes;  /* the kernel fix it guards: commit, affected versions; or NULL */
	unsigned int quick; /* place among the most telling ones (cases/quick.list), from 1; 0: not
			       among them */
	bool kernel_proof;  /* its broken promises are kernels (tests/broken-kernels), not the
			       simulated one */
};

extern const struct pv_pmu pv_pmus[];
extern const size_t pv_nr_pmus;
extern const struct pv_case pv_cases[];
extern const size_t pv_nr_cases;

/* Only in programs that link the case bodies (agent, unit tests). */
extern void (*const pv_bodies[])(struct pv_test *t);

#endif
