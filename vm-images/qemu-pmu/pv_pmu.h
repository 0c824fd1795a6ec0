/* SPDX-License-Identifier: GPL-2.0-only */
/* The PMU model's own parts. Comments cite the SDM (Intel, volume 3) and the APM (AMD, volume 2).
 */
#ifndef PV_PMU_H
#define PV_PMU_H

#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "cpu.h"
#include "pv_shapes.h"

/* A counter's index is its bit in the global registers: fixed ones from 32 on. */
#define PV_FIXED    32
#define PV_IBS      (PV_FIXED + 16) /* the engines for fetches and ops: no counters to software */
#define PV_COUNTERS (PV_IBS + 2)

/* GLOBAL_STATUS; AMD's PerfMonV2 has 58 and 59 at the same places. */
#define PV_STATUS_LBR_FROZEN (1ull << 58)
#define PV_STATUS_FROZEN     (1ull << 59)

/* DEBUGCTL */
#define PV_DEBUGCTL_FREEZE_LBR (1ull << 11)
#define PV_DEBUGCTL_FREEZE     (1ull << 12)

/* Bits of pv_counter.modes, by pv_pmu.mode. */
enum pv_mode { PV_MODE_KERNEL, PV_MODE_USER, PV_MODE_GUEST_KERNEL, PV_MODE_GUEST_USER };

#define PV_MODES_KERNEL (1 << PV_MODE_KERNEL | 1 << PV_MODE_GUEST_KERNEL)
#define PV_MODES_USER   (1 << PV_MODE_USER | 1 << PV_MODE_GUEST_USER)
#define PV_MODES_HOST   (1 << PV_MODE_KERNEL | 1 << PV_MODE_USER)
#define PV_MODES_GUEST  (1 << PV_MODE_GUEST_KERNEL | 1 << PV_MODE_GUEST_USER)

struct pv_counter {
	uint64_t value;
	uint64_t select; /* PERFEVTSEL or PERF_CTL; fixed counters have none */
	/* Out of the control registers, by pv_reconfigure(): */
	const struct pv_source *source;
	uint8_t modes; /* in which it counts; 0: stopped */
	bool interrupts;
};

/* What has happened on this CPU since its reset. */
struct pv_totals {
	uint64_t insns;
	uint64_t time; /* virtual nanoseconds, not those halted */
	uint64_t branches[PV_NR_BRANCHES];
};

struct pv_record {
	uint64_t from, to, info;
};

struct pv_lbr {
	uint64_t ctl;       /* LBR_SELECT, or ARCH_LBR_CTL */
	uint64_t extension; /* AMD: DBG_EXTN_CFG */
	unsigned int depth, top;
	struct pv_record records[PV_MAX_LBR];
};

#define PV_IBS_REGS      16
#define PV_EXTENDED_LVTS 4
#define PV_LVT_MASKED    (1u << 16)

struct pv_ibs {
	uint64_t regs[PV_IBS_REGS];
	uint32_t lvt[PV_EXTENDED_LVTS]; /* the APIC's */
	unsigned int pending;           /* engines that are full: at the next instruction's begin */
	uint64_t samples[2];
	uint32_t random;
	/* The tagged op: */
	bool tagged, mispredicted;
	uint64_t rip, target;
	uint32_t branch; /* PV_BR_*, 0: none */
};

struct pv_pmu {
	CPUX86State *env;
	const struct pv_shape *shape;
	QEMUTimer *timer;
	int64_t armed; /* when the timer fires, QEMU_CLOCK_VIRTUAL; INT64_MAX: never */
	enum pv_mode mode;
	uint64_t active; /* counters that count in some mode */
	bool svme;       /* EFER.SVME */
	struct pv_totals last;
	uint64_t branches[PV_NR_BRANCHES];
	uint64_t branch_room; /* branches until one may overflow a counter */
	uint64_t global_ctrl, global_status, fixed_ctrl, debugctl;
	struct pv_counter counters[PV_COUNTERS];
	struct pv_lbr lbr;
	struct pv_ibs ibs;
	uint64_t running[PV_MAX_RUNNING]; /* what was written, less what it stood at; by index */
	uint64_t storage[PV_MAX_MSRS];    /* by index in shape->msrs */
	FILE *log;
};

enum pv_access { PV_NOT_OURS, PV_DONE, PV_REFUSED };

/* pv_count.c: books what has happened since the last call to the counters that were counting. */
void pv_sync(struct pv_pmu *pmu);

/* After any change of a control register, with pv_sync() before it. */
void pv_reconfigure(struct pv_pmu *pmu);

/* Sees to it that the next overflow comes at its instruction. */
void pv_arm(struct pv_pmu *pmu);
void pv_timer(void *opaque);
/* As an entry of the local vector table says. */
void pv_deliver_lvt(struct pv_pmu *pmu, uint32_t lvt);
uint64_t pv_scaled(const struct pv_source *source, uint64_t base);
uint64_t pv_width_mask(const struct pv_pmu *pmu, unsigned int index);
struct pv_totals pv_totals(struct pv_pmu *pmu);

/* pv_branch.c: counts the branch that has begun last; `env->eip` is where it went. */
void pv_branch_settle(struct pv_pmu *pmu);

/* pv_lbr.c; `kind` is the number of a bit of enum pv_branch. */
bool pv_lbr_on(const struct pv_pmu *pmu);
void pv_lbr_record(struct pv_pmu *pmu, unsigned int kind, uint64_t from, uint64_t to, bool to_next);
void pv_lbr_reset(struct pv_pmu *pmu);
/* After the branch has been counted: which ones are mispredicted goes by their number. */
bool pv_mispredicted(const struct pv_pmu *pmu, unsigned int kind);
enum pv_access pv_lbr_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_lbr_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);

/* pv_amdlbr.c */
#define PV_AMDLBR_VALID (1ull << 2) /* in pv_record.info: has retired */
bool pv_amdlbr_on(const struct pv_pmu *pmu);
enum pv_access pv_amdlbr_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_amdlbr_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);

/* pv_ibs.c */
void pv_ibs_reset(struct pv_pmu *pmu);
void pv_ibs_configure(struct pv_pmu *pmu);
/* At an instruction's boundary: tags and completes what is due. */
void pv_ibs_settle(struct pv_pmu *pmu);
/* That branch has retired. */
void pv_ibs_branch(struct pv_pmu *pmu, unsigned int kind, uint64_t from, uint64_t to,
		   bool mispredicted);
void pv_ibs_interrupted(struct pv_pmu *pmu);
enum pv_access pv_ibs_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_ibs_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);

/* pv_uncore.c */
bool pv_runs(const struct pv_shape *s, uint32_t msr);
void pv_uncore_reset(struct pv_pmu *pmu);
enum pv_access pv_uncore_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_uncore_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);

/* pv_intel.c, pv_amd.c */
enum pv_access pv_intel_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_intel_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);
enum pv_access pv_intel_rdpmc(struct pv_pmu *pmu, uint32_t index, uint64_t *value);
void pv_intel_configure(struct pv_pmu *pmu);
enum pv_access pv_amd_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_amd_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);
enum pv_access pv_amd_rdpmc(struct pv_pmu *pmu, uint32_t index, uint64_t *value);
void pv_amd_configure(struct pv_pmu *pmu);

/* For each set bit of `set`, which it uses up. */
#define PV_FOR_EACH(i, set) for (unsigned int i; (set) && (i = ctz64(set), true); (set) &= (set)-1)

/* What an event select register counts by its event, mask and comparison fields. */
const struct pv_source *pv_source_of(const struct pv_shape *shape, uint64_t select);

/* hw/intc/apic.c */
void pv_apic_deliver_pmi(DeviceState *apic, bool mask);
void pv_apic_deliver_lvt(DeviceState *apic, uint32_t lvt);

#endif
