/* SPDX-License-Identifier: GPL-2.0-only */
/* What the PMU model keeps in the CPU's state, and what the hooks in QEMU's sources call. */
#ifndef PV_ENV_H
#define PV_ENV_H

struct CPUArchState;
struct pv_pmu;

/* The part that translated code writes. */
struct pv_env {
	struct pv_pmu *pmu; /* NULL: this CPU has no PMU */
	int64_t rep;        /* passes of rep-string instructions that are no instructions */
	uint64_t from;      /* the branch that has begun last ... */
	uint32_t branch;    /* ... its PV_BR_* bit and PV_LENGTH(), 0: all are counted */
	/* With CF_PV_PRECISE only: */
	uint32_t access;      /* what the instruction has read and written, PV_AC_*; 0: settled */
	uint64_t ip;          /* the instruction that has begun last */
	uint64_t load, store; /* where it has read and written last */
};

/* Kinds of branches: bits, so that an event is a set of them. */
enum pv_branch {
	PV_BR_TAKEN = 1 << 0,     /* a conditional one that is taken */
	PV_BR_NOT_TAKEN = 1 << 1, /* ... that is not */
	PV_BR_CALL = 1 << 2,      /* near relative call */
	PV_BR_CALL_IND = 1 << 3,  /* near indirect call */
	PV_BR_RET = 1 << 4,       /* near return */
	PV_BR_JMP_IND = 1 << 5,   /* near indirect jump */
	PV_BR_JMP = 1 << 6,       /* near relative jump */
	PV_BR_FAR = 1 << 7,       /* far ones, system calls and returns */
	PV_BR_EVENT = 1 << 8,     /* exceptions and interrupts */
};

/* Instructions that access memory: kinds behind those of branches. */
enum pv_access_kind {
	PV_AC_LOAD = 1 << 9, /* the first four: by where the datum was */
	PV_AC_LOAD_L2 = 1 << 10,
	PV_AC_LOAD_L3 = 1 << 11,
	PV_AC_LOAD_MEMORY = 1 << 12,
	PV_AC_STORE = 1 << 13,
	PV_AC_LOAD_LONG = 1 << 14, /* longer than PEBS_LD_LAT */
};

#define PV_NR_BRANCHES  9
#define PV_NR_KINDS     15
#define PV_ACCESSES     0x7e00u
#define PV_BR_COUNTED   (1u << 15) /* counted when the mode changed, its target is not known yet */
#define PV_LENGTH(n)    ((uint32_t)(n) << 16)
#define PV_LENGTH_OF(n) ((n) >> 16 & 15)
#define PV_BR_USER      (1u << 24) /* with PV_BR_COUNTED: it began in user mode */

/* Translated code tells of its branches; of the place and the accesses of each instruction: cflags
 * bits that QEMU 7.2 has free. */
#define CF_PV_BRANCHES 0x00002000
#define CF_PV_PRECISE  0x00004000

/* All of these return at once when the CPU has no PMU. */
void pv_pmu_reset(struct CPUArchState *env);
bool pv_pmu_cpuid(struct CPUArchState *env, uint32_t index, uint32_t count, uint32_t *eax,
		  uint32_t *ebx, uint32_t *ecx, uint32_t *edx);

/* The privilege level or guest mode has changed, or may have. */
void pv_pmu_mode_changed(struct CPUArchState *env);

/* Before an exception or interrupt is delivered. */
void pv_pmu_interrupted(struct CPUArchState *env, bool is_int, bool is_hw);

/* True: done. A refused access raises #GP at `ra` and does not return. */
bool pv_pmu_wrmsr(struct CPUArchState *env, uint32_t msr, uint64_t value, uintptr_t ra);
bool pv_pmu_rdmsr(struct CPUArchState *env, uint32_t msr, uint64_t *value, uintptr_t ra);
/* The local APIC's register `index` (offset / 16) is one of its extended ones: done. */
bool pv_apic_read(struct CPUArchState *env, int index, uint32_t *value);
bool pv_apic_write(struct CPUArchState *env, int index, uint32_t value);
bool pv_pmu_rdpmc(struct CPUArchState *env, uintptr_t ra);

#endif
