/* SPDX-License-Identifier: GPL-2.0-only */
/* The form of a PMU. pmu/compile.py writes the table out of the descriptors. */
#ifndef PV_SHAPES_H
#define PV_SHAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PV_MAX_MSRS         32
#define PV_MAX_LBR          32
#define PV_MAX_RUNNING      16
#define PV_MAX_BOX_TYPES    4
#define PV_MAX_BOXES        8
#define PV_MAX_BOX_COUNTERS 4
#define PV_LBR_DEPTHS       0x0bu /* CPUID 0x1C EAX: 8, 16 and 32 */

enum pv_base {
	PV_BASE_NOTHING,
	PV_BASE_INSNS,
	PV_BASE_TIME,     /* nanoseconds of virtual time, not those halted */
	PV_BASE_BRANCHES, /* and accesses of memory */
	PV_BASE_CLOCK,    /* nanoseconds of virtual time; not for core counters */
};

/* An event counts floor(base * num / den). */
struct pv_source {
	enum pv_base base;
	uint32_t branches; /* set of enum pv_branch and pv_access_kind */
	uint32_t num, den;
};

struct pv_event {
	uint64_t select; /* event and unit mask at their places in the select register */
	struct pv_source source;
	uint32_t counters; /* set of those that it counts on */
	/* Index + 1 in the shape's msrs of a register that chooses too (OFFCORE_RSP): each of its
	 * low 16 bits counts once; 0: none. */
	unsigned int extra;
};

/* A register that the model only stores. */
struct pv_msr {
	uint32_t address;
	uint64_t reset;
	uint64_t reserved; /* writing one of these bits: #GP */
	bool read_only;
};

/* A register that runs by itself. */
struct pv_running {
	uint32_t address;
	unsigned int width;
	bool writable;
	struct pv_source source;
};

/* Boxes of one kind outside of the cores. */
struct pv_box {
	uint32_t control, counter, stride; /* registers of the first box, distance to the next */
	unsigned int number, counters, width;
	uint64_t valid; /* bits of a control register */
	const struct pv_event *events;
	size_t nr_events;
};

struct pv_shape {
	const char *name;
	bool amd;
	uint32_t signature;   /* CPUID 1 EAX */
	unsigned int perfmon; /* CPUID 0xA EAX version; AMD: 1, with PerfMonV2: 2 */
	unsigned int counters, fixed, width;
	uint64_t capabilities;    /* PERF_CAPABILITIES */
	uint64_t select_reserved; /* Intel: #GP; AMD: read as 0 */
	uint64_t select_mask;     /* the bits that choose the event */
	uint64_t debugctl_valid;
	unsigned int arch_events; /* how many of CPUID 0xA EBX are there */
	uint64_t metrics;         /* PERF_METRICS */
	unsigned int lbr_depth;   /* 0: none */
	bool lbr_arch;
	bool bts, pebs;
	bool split_latency;  /* PEBS tells the instruction's latency and the datum's */
	uint16_t latency[4]; /* cycles of a load from L1, L2, L3 and memory */
	bool lbr_flags;      /* the flags are in LBR_FROM, there is no LBR_INFO */
	uint32_t ibs;        /* CPUID 8000_001B EAX; 0: none */
	const struct pv_source *ibs_sources; /* fetches, cycles, ops */
	const struct pv_source *fixed_sources;
	const struct pv_event *events;
	size_t nr_events;
	const struct pv_running *running;
	size_t nr_running;
	const struct pv_box *boxes;
	size_t nr_boxes;
	const struct pv_msr *msrs;
	size_t nr_msrs;
};

extern const struct pv_shape pv_shapes[];
extern const size_t pv_nr_shapes;

#endif
