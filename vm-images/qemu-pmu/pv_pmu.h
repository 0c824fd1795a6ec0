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
#define PV_STATUS_DS         (1ull << 62)

/* DEBUGCTL */
#define PV_DEBUGCTL_LBR        (1ull << 0)
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
	bool precise;         /* an overflow makes a PEBS record */
	struct pv_source own; /* `source`, where another register has its say */
};

/* What has happened on this CPU since its reset. */
struct pv_totals {
	uint64_t insns;
	uint64_t time; /* virtual nanoseconds, not those halted */
	uint64_t branches[PV_NR_KINDS];
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

/* The debug store: SDM volume 3, 17.4.9. */
struct pv_ds {
	uint64_t area;
	uint64_t pebs_enable, data_cfg, load_latency;
	uint64_t told;      /* records, for the promises that are broken at every 16th */
	uint64_t pending;   /* counters that have overflowed, their record is not written yet */
	uint64_t access_ip; /* the last instruction that accessed memory ... */
	uint32_t access;    /* ... and how: PV_AC_* */
};

/* Promises that can be broken for a test: pv_break.c. */
enum pv_break {
	PV_BREAK_BTS_TARGET,   /* where a branch goes is two bytes off */
	PV_BREAK_BTS_LOST,     /* every 16th branch is not told */
	PV_BREAK_BTS_PMI,      /* no interrupt at the threshold */
	PV_BREAK_BTS_LEVEL,    /* BTS_OFF_OS and BTS_OFF_USR are ignored */
	PV_BREAK_BTS_RING,     /* without BTINT it stops at the end */
	PV_BREAK_PEBS_IP,      /* the eventing IP is that of the next instruction */
	PV_BREAK_PEBS_REGS,    /* R12 is one too large */
	PV_BREAK_PEBS_ADDRESS, /* the datum's address is a line further on */
	PV_BREAK_PEBS_TIME,    /* the time stands still */
	PV_BREAK_PEBS_RELOAD,  /* the counter's reset value is 16 too small */
	PV_BREAK_PEBS_LOST,    /* every 16th record is not written */
	PV_BREAK_PEBS_LATENCY, /* no latency of retirement */
	PV_BREAK_LBR_ORDER,    /* AMD: the oldest record has the lowest number */
	PV_BREAK_LBR_SELECT,   /* branches of all kinds are recorded */
	PV_BREAK_LBR_FREEZE,   /* records go on through the interrupt */
	PV_BREAK_IBS_PERIOD,   /* a quarter too long */
	PV_BREAK_IBS_RIP,      /* that of the next instruction */
	PV_BREAK_IBS_TARGET,   /* where a branch goes is two bytes off */
	PV_BREAK_IBS_ADDRESS,  /* the datum's address is a line further on */
	PV_BREAK_IBS_LATENCY,  /* each load takes ten cycles more */
	PV_BREAK_IBS_L3,       /* l3missonly is ignored */
	PV_BREAK_RUNNING,      /* registers that run by themselves run at twice their rate */
	PV_BREAK_BOX_SHARE,    /* each box sees what all should see together */
	PV_BREAK_BOX_CLOCK,    /* the uncore's clock halts with the core */
	PV_BREAKS,
};

struct pv_log;
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
	uint64_t branches[PV_NR_KINDS];
	uint64_t branch_room; /* branches and accesses until one may overflow a counter */
	bool pmi;             /* the debug store asks for the interrupt */
	uint64_t global_ctrl, global_status, fixed_ctrl, debugctl;
	struct pv_counter counters[PV_COUNTERS];
	struct pv_lbr lbr;
	struct pv_ds ds;
	enum pv_break broken; /* PV_BREAKS: none */
	struct pv_ibs ibs;
	uint64_t running[PV_MAX_RUNNING]; /* what was written, less what it stood at; by index */
	uint64_t storage[PV_MAX_MSRS];    /* by index in shape->msrs */
	FILE *log_file;
	struct pv_log *log;
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

/* pv_branch.c: at an instruction's boundary: counts the branch and the accesses that have begun
 * last (`env->eip` is where it went), writes the records that are due, raises the interrupt. */
void pv_boundary(struct pv_pmu *pmu);

/* pv_lbr.c; `kind` is the number of a bit of enum pv_branch. */
bool pv_lbr_on(const struct pv_pmu *pmu);
void pv_lbr_record(struct pv_pmu *pmu, unsigned int kind, uint64_t from, uint64_t to, bool to_next);
void pv_lbr_reset(struct pv_pmu *pmu);
/* After the branch has been counted: which ones are mispredicted goes by their number. */
bool pv_mispredicted(const struct pv_pmu *pmu, unsigned int kind);
enum pv_access pv_lbr_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_lbr_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);

/* pv_break.c; a NULL name: nothing is broken. */
bool pv_break_parse(struct pv_pmu *pmu, const char *name, Error **errp);

/* pv_ds.c: the debug store and BTS. Accesses are the supervisor's, whatever runs; false: this one
 * would fault, and is left out. */
bool pv_ds_read(struct pv_pmu *pmu, uint64_t at, void *to, size_t size);
bool pv_ds_write(struct pv_pmu *pmu, uint64_t at, const void *from, size_t size);
bool pv_bts_on(const struct pv_pmu *pmu);
void pv_bts_record(struct pv_pmu *pmu, unsigned int kind, uint64_t from, uint64_t to, bool user);
void pv_ds_reset(struct pv_pmu *pmu);
enum pv_access pv_ds_wrmsr(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_ds_rdmsr(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);

/* Where a datum is: rule, two bits of its address. */
enum pv_place { PV_L1, PV_L2, PV_L3, PV_MEMORY };
static inline enum pv_place pv_place_of(uint64_t address)
{
	return address >> 6 & 3;
}

/* pv_pebs.c */
void pv_access_settle(struct pv_pmu *pmu);
bool pv_pebs_on(const struct pv_pmu *pmu, unsigned int counter);
/* Writes the record that is due, and loads its counters anew. */
void pv_pebs_flush(struct pv_pmu *pmu);
enum pv_access pv_pebs_wrmsr(struct pv_pmu *pmu, uint32_t msr, uint64_t value);
enum pv_access pv_pebs_rdmsr(struct pv_pmu *pmu, uint32_t msr, uint64_t *value);

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

/* pv_log.c: `what` is r, w, p (rdpmc) or i (an interrupt: register 0, the status before it). */
void pv_log(struct pv_pmu *pmu, char what, uint32_t msr, uint64_t value, bool refused);
/* False: no index of the log. */
bool pv_log_rdpmc(struct pv_pmu *pmu, uint32_t index, uint64_t *value);

/* For each set bit of `set`, which it uses up. */
#define PV_FOR_EACH(i, set) for (unsigned int i; (set) && (i = ctz64(set), true); (set) &= (set)-1)

/* What an event select register counts by its event, mask and comparison fields. */
const struct pv_source *pv_source_of(const struct pv_shape *shape, uint64_t select);
/* The event it chooses, whatever the comparison fields; NULL: one that the model has not got. */
const struct pv_event *pv_event_of(const struct pv_shape *shape, uint64_t select);

/* hw/intc/apic.c */
void pv_apic_deliver_pmi(DeviceState *apic, bool mask);
void pv_apic_deliver_lvt(DeviceState *apic, uint32_t lvt);

#endif
