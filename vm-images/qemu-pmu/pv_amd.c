/* SPDX-License-Identifier: GPL-2.0-only */
/* AMD's core counters with their extension, and PerfMonV2: APM volume 2, chapter 13.2. */
#include "pv_pmu.h"

enum {
	MSR_DEBUGCTL = 0x1d9,
	MSR_STATUS = 0xc0000300,
	MSR_CTL,
	MSR_STATUS_CLEAR,
	MSR_STATUS_SET,
	MSR_LEGACY_CTL0 = 0xc0010000, /* aliases of the first four */
	MSR_LEGACY_CTR0 = 0xc0010004,
	MSR_CTL0 = 0xc0010200, /* control and counter in turns */
	LEGACY = 4,
	ARRAY = 6,
};

#define CTL_USR   (1ull << 16)
#define CTL_OS    (1ull << 17)
#define CTL_INT   (1ull << 20)
#define CTL_EN    (1ull << 22)
#define CTL_GUEST (1ull << 40)
#define CTL_HOST  (1ull << 41)

static uint64_t counter_bits(const struct pv_shape *s)
{
	return (1ull << s->counters) - 1;
}

/* APM 13.2.1: neither bit or both: host and guest; with SVM off, one of them counts nothing. */
static unsigned int modes(const struct pv_pmu *pmu, uint64_t ctl)
{
	unsigned int modes =
		(ctl & CTL_OS ? PV_MODES_KERNEL : 0) | (ctl & CTL_USR ? PV_MODES_USER : 0);
	uint64_t only = ctl & (CTL_HOST | CTL_GUEST);

	if (!only || only == (CTL_HOST | CTL_GUEST))
		return modes;
	if (!pmu->svme)
		return 0;
	return modes & (only == CTL_HOST ? PV_MODES_HOST : PV_MODES_GUEST);
}

void pv_amd_configure(struct pv_pmu *pmu)
{
	const struct pv_shape *s = pmu->shape;
	uint64_t on = s->perfmon < 2                          ? ~0ull
		      : pmu->global_status & PV_STATUS_FROZEN ? 0
							      : pmu->global_ctrl;

	for (unsigned int i = 0; i < s->counters; i++) {
		struct pv_counter *c = &pmu->counters[i];

		c->source = pv_source_of(s, c->select);
		c->interrupts = c->select & CTL_INT;
		c->modes = 0;
		if (c->select & CTL_EN && on & (1ull << i) && c->source &&
		    c->source->base != PV_BASE_NOTHING)
			c->modes = modes(pmu, c->select);
	}
	pv_ibs_configure(pmu);
}

/* The counter a register belongs to, and whether it is the control register; false: none. */
static bool find(uint32_t msr, unsigned int *index, bool *control)
{
	if (msr >= MSR_LEGACY_CTL0 && msr < MSR_LEGACY_CTR0 + LEGACY) {
		*index = (msr - MSR_LEGACY_CTL0) % LEGACY;
		*control = msr < MSR_LEGACY_CTR0;
		return true;
	}
	if (msr >= MSR_CTL0 && msr < MSR_CTL0 + 2 * ARRAY) {
		*index = (msr - MSR_CTL0) / 2;
		*control = !((msr - MSR_CTL0) % 2);
		return true;
	}
	return false;
}

static enum pv_access set(uint64_t *reg, uint64_t value, uint64_t valid)
{
	if (value & ~valid)
		return PV_REFUSED;
	*reg = value;
	return PV_DONE;
}

static enum pv_access write_global(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	uint64_t valid = counter_bits(pmu->shape);
	uint64_t status = valid | PV_STATUS_FROZEN | PV_STATUS_LBR_FROZEN;

	if (pmu->shape->perfmon < 2)
		return PV_REFUSED;
	switch (msr) {
	case MSR_CTL:
		return set(&pmu->global_ctrl, value, valid);
	case MSR_STATUS_CLEAR:
		pmu->global_status &= ~(value & status);
		return PV_DONE;
	case MSR_STATUS_SET:
		pmu->global_status |= value & status;
		return PV_DONE;
	default: /* STATUS is read-only: writes are ignored */
		return PV_DONE;
	}
}

/* What is not the core counters'. */
static enum pv_access write_more(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	enum pv_access done = pv_amdlbr_write(pmu, msr, value);

	return done == PV_NOT_OURS ? pv_ibs_write(pmu, msr, value) : done;
}

static enum pv_access read_more(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	enum pv_access done = pv_amdlbr_read(pmu, msr, value);

	return done == PV_NOT_OURS ? pv_ibs_read(pmu, msr, value) : done;
}

enum pv_access pv_amd_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	const struct pv_shape *s = pmu->shape;
	unsigned int index;
	bool control;

	if (msr == MSR_EFER) {
		pmu->svme = value & MSR_EFER_SVME &&
			    pmu->env->features[FEAT_8000_0001_ECX] & CPUID_EXT3_SVM;
		pv_reconfigure(pmu);
		return PV_NOT_OURS;
	}
	if (msr == MSR_DEBUGCTL)
		return set(&pmu->debugctl, value, s->debugctl_valid);
	if (msr >= MSR_STATUS && msr <= MSR_STATUS_SET)
		return write_global(pmu, msr, value);
	if (!find(msr, &index, &control))
		return write_more(pmu, msr, value);
	if (index >= s->counters)
		return PV_REFUSED;
	/* Zen never raises #GP for a bit of PERF_CTL: Linux arch/x86/kvm/svm/pmu.c,
	 * amd_pmu_set_msr() and the commit that clears reserved_bits there. */
	if (control)
		pmu->counters[index].select = value & ~s->select_reserved;
	else
		pmu->counters[index].value = value & pv_width_mask(pmu, index);
	return PV_DONE;
}

enum pv_access pv_amd_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	unsigned int index;
	bool control;

	if (msr == MSR_DEBUGCTL) {
		*value = pmu->debugctl;
		return PV_DONE;
	}
	if (msr >= MSR_STATUS && msr <= MSR_STATUS_SET) {
		*value = msr == MSR_STATUS ? pmu->global_status
			 : msr == MSR_CTL  ? pmu->global_ctrl
					   : 0;
		return pmu->shape->perfmon >= 2 ? PV_DONE : PV_REFUSED;
	}
	if (!find(msr, &index, &control))
		return read_more(pmu, msr, value);
	if (index >= pmu->shape->counters)
		return PV_REFUSED;
	*value = control ? pmu->counters[index].select : pmu->counters[index].value;
	return PV_DONE;
}

enum pv_access pv_amd_rdpmc(struct pv_pmu *pmu, uint32_t index, uint64_t *value)
{
	if (index >= pmu->shape->counters)
		return PV_REFUSED;
	*value = pmu->counters[index].value;
	return PV_DONE;
}
