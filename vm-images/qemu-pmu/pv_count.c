/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counting. Nothing is done per instruction: icount knows how many there were, and a timer of the
 * virtual clock fires behind the one that may overflow a counter. Where the mode changes, what was
 * before is booked to the counters of that mode.
 */
#include "pv_pmu.h"
#include "exec/exec-all.h"
#include "hw/i386/apic.h"
#include "qemu/main-loop.h"
#include "sysemu/cpu-timers.h"

uint64_t pv_width_mask(const struct pv_pmu *pmu, unsigned int index)
{
	(void)index;
	return (1ull << pmu->shape->width) - 1;
}

/* softmmu/icount.c; QEMU's machines have 288 CPUs at most. */
#define PV_CPUS 1024
extern int64_t pv_icount[PV_CPUS];

/* Instructions that icount has seen on this CPU. Exact where a translation block ends, and where an
 * exception's restored state is looked at. */
static int64_t icount_of(CPUState *cs)
{
	return pv_icount[cs->cpu_index % PV_CPUS] + cs->icount_budget -
	       (cpu_neg(cs)->icount_decr.u16.low + cs->icount_extra);
}

struct pv_totals pv_totals(struct pv_pmu *pmu)
{
	int64_t icount = icount_of(env_cpu(pmu->env));
	struct pv_totals now = {
		.insns = icount - pmu->env->pv.rep,
		.time = icount_to_ns(icount),
	};

	memcpy(now.branches, pmu->branches, sizeof(now.branches));
	return now;
}

static uint64_t base_of(const struct pv_totals *totals, const struct pv_source *source)
{
	uint64_t sum = 0;

	switch (source->base) {
	case PV_BASE_INSNS:
		return totals->insns;
	case PV_BASE_TIME:
		return totals->time;
	case PV_BASE_BRANCHES:
		for (unsigned int i = 0; i < PV_NR_KINDS; i++)
			if (source->branches & (1u << i))
				sum += totals->branches[i];
		return sum;
	default:
		return 0;
	}
}

uint64_t pv_scaled(const struct pv_source *source, uint64_t base)
{
	return (uint64_t)((unsigned __int128)base * source->num / source->den);
}

/* How much of the base is missing until the event has happened `more` times more. */
static uint64_t missing(const struct pv_source *source, uint64_t base, uint64_t more)
{
	unsigned __int128 target = (unsigned __int128)pv_scaled(source, base) + more;

	return (uint64_t)((target * source->den + source->num - 1) / source->num) - base;
}

static bool counts_in(const struct pv_counter *c, enum pv_mode mode)
{
	return c->modes & (1 << mode);
}

/* Through the performance counters' entry of the local vector table, or through `lvt`. */
static void interrupt(struct pv_pmu *pmu, const uint32_t *lvt)
{
	DeviceState *apic = env_archcpu(pmu->env)->apic_state;
	CPUState *cs = env_cpu(pmu->env);
	bool locked = qemu_mutex_iothread_locked();
	uint32_t can_do_io = cs->can_do_io;

	if (!locked)
		qemu_mutex_lock_iothread();
	/* Every caller stands at an instruction's boundary. */
	cs->can_do_io = 1;
	pv_log(pmu, 'i', 0, pmu->global_status, false);
	if (lvt)
		pv_apic_deliver_lvt(apic, *lvt);
	else
		pv_apic_deliver_pmi(apic, !pmu->shape->amd);
	cs->can_do_io = can_do_io;
	if (!locked)
		qemu_mutex_unlock_iothread();
}

void pv_deliver_lvt(struct pv_pmu *pmu, uint32_t lvt)
{
	interrupt(pmu, &lvt);
}

static void deliver(struct pv_pmu *pmu)
{
	if (pmu->debugctl & PV_DEBUGCTL_FREEZE) {
		/* SDM 19.2.4 and 19.2.2: from version 4 on a status bit freezes, before that the
		 * enable bits go. */
		if (pmu->shape->amd ? pmu->shape->perfmon >= 2 : pmu->shape->perfmon >= 4)
			pmu->global_status |= PV_STATUS_FROZEN;
		else if (!pmu->shape->amd)
			pmu->global_ctrl = 0;
	}
	/* SDM 17.4.7: before version 4 the enable bit goes. */
	if (pmu->debugctl & PV_DEBUGCTL_FREEZE_LBR && pmu->shape->lbr_depth &&
	    pmu->broken != PV_BREAK_LBR_FREEZE) {
		if (pmu->shape->amd || pmu->shape->perfmon >= 4)
			pmu->global_status |= PV_STATUS_LBR_FROZEN;
		else
			pmu->debugctl &= ~PV_DEBUGCTL_LBR;
	}
	interrupt(pmu, NULL);
}

void pv_sync(struct pv_pmu *pmu)
{
	uint64_t set = pmu->active;
	struct pv_totals now;
	bool pmi = pmu->pmi;

	if (!set && !pmi)
		return;
	pmu->pmi = false;
	now = pv_totals(pmu);
	PV_FOR_EACH(i, set)
	{
		struct pv_counter *c = &pmu->counters[i];
		uint64_t mask = pv_width_mask(pmu, i);

		if (!counts_in(c, pmu->mode))
			continue;
		c->value += pv_scaled(c->source, base_of(&now, c->source)) -
			    pv_scaled(c->source, base_of(&pmu->last, c->source));
		if (c->value <= mask)
			continue;
		c->value &= mask;
		if (c->precise) {
			pmu->ds.pending |= 1ull << i;
			continue;
		}
		if (i >= PV_IBS) {
			pmu->ibs.pending |= 1u << (i - PV_IBS);
			continue;
		}
		if (!pmu->shape->amd || pmu->shape->perfmon >= 2)
			pmu->global_status |= 1ull << i;
		pmi |= c->interrupts;
	}
	pmu->last = now;
	if (pmi) {
		deliver(pmu);
		pv_reconfigure(pmu);
	}
}

void pv_arm(struct pv_pmu *pmu)
{
	CPUState *cs = env_cpu(pmu->env);
	struct pv_totals now;
	uint64_t least = UINT64_MAX, ns = UINT64_MAX;
	uint64_t set = pmu->active;
	uint32_t can_do_io;
	int64_t at;

	pmu->branch_room = UINT64_MAX;
	/* Halted: nothing happens until an interrupt, which comes here again. */
	if ((!set && !pmu->ds.pending) || cs->halted)
		return;
	now = pv_totals(pmu);
	PV_FOR_EACH(i, set)
	{
		struct pv_counter *c = &pmu->counters[i];
		uint64_t n;

		if (!(c->interrupts || c->precise) || !counts_in(c, pmu->mode))
			continue;
		n = missing(c->source, base_of(&now, c->source),
			    pv_width_mask(pmu, i) + 1 - c->value);
		if (c->source->base == PV_BASE_BRANCHES)
			pmu->branch_room = MIN(pmu->branch_room, n);
		else if (c->source->base == PV_BASE_TIME)
			ns = MIN(ns, n);
		else if (c->source->base == PV_BASE_INSNS)
			least = MIN(least, n);
	}
	/* A pass of a rep-string instruction takes time and is no instruction: the timer may be
	 * early, never late. */
	if (least <= INT32_MAX)
		ns = MIN(ns, (uint64_t)icount_to_ns(least));
	else if (least != UINT64_MAX)
		ns = MIN(ns, INT32_MAX);
	/* A record or an IBS sample is due at the next boundary. */
	if (pmu->ds.pending || pmu->ibs.pending)
		ns = 0;
	if (ns == UINT64_MAX)
		return;
	can_do_io = cs->can_do_io;
	cs->can_do_io = 1;
	at = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + (int64_t)MIN(ns, INT32_MAX);
	if (at < pmu->armed) {
		pmu->armed = at;
		timer_mod(pmu->timer, at);
	}
	cs->can_do_io = can_do_io;
}

void pv_timer(void *opaque)
{
	struct pv_pmu *pmu = opaque;

	pmu->armed = INT64_MAX;
	pv_boundary(pmu);
	pv_ibs_settle(pmu);
	pv_arm(pmu);
}

static enum pv_mode mode_of(CPUX86State *env)
{
	enum pv_mode mode = env->hflags & HF_CPL_MASK ? PV_MODE_USER : PV_MODE_KERNEL;

	return env->hflags & HF_GUEST_MASK ? mode + PV_MODE_GUEST_KERNEL : mode;
}

void pv_pmu_mode_changed(CPUX86State *env)
{
	struct pv_pmu *pmu = env->pv.pmu;
	enum pv_mode mode;

	if (!pmu)
		return;
	mode = mode_of(env);
	if (mode == pmu->mode)
		return;
	/* The instruction that changes the mode belongs to the one it began in. */
	if (env->pv.branch && !(env->pv.branch & PV_BR_COUNTED)) {
		pmu->branches[ctz32(env->pv.branch)]++;
		env->pv.branch |= PV_BR_COUNTED | (pmu->mode & PV_MODE_USER ? PV_BR_USER : 0);
	}
	pv_sync(pmu);
	pmu->mode = mode;
	pv_arm(pmu);
}

void pv_reconfigure(struct pv_pmu *pmu)
{
	CPUState *cs = env_cpu(pmu->env);
	bool branches = pv_lbr_on(pmu) || pv_bts_on(pmu) || pmu->ibs.tagged;
	bool precise = pmu->ds.pebs_enable || pmu->ibs.tagged;
	uint64_t before = pmu->active;

	if (pmu->shape->amd)
		pv_amd_configure(pmu);
	else
		pv_intel_configure(pmu);
	pmu->active = 0;
	for (unsigned int i = 0; i < PV_COUNTERS; i++) {
		struct pv_counter *c = &pmu->counters[i];

		if (!c->modes)
			continue;
		pmu->active |= 1ull << i;
		c->precise = pv_pebs_on(pmu, i);
		if (c->source->base == PV_BASE_BRANCHES) {
			branches |= c->source->branches & ~PV_ACCESSES;
			precise |= c->source->branches & PV_ACCESSES;
		}
	}
	if (!before)
		pmu->last = pv_totals(pmu);
	if (branches)
		cs->tcg_cflags |= CF_PV_BRANCHES;
	else
		cs->tcg_cflags &= ~CF_PV_BRANCHES;
	if (precise)
		cs->tcg_cflags |= CF_PV_PRECISE;
	else
		cs->tcg_cflags &= ~CF_PV_PRECISE;
	pv_arm(pmu);
}
