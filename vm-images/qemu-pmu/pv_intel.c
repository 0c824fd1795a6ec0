/* SPDX-License-Identifier: GPL-2.0-only */
/* Intel's architectural performance monitoring, versions 2 to 5: SDM volume 3, chapter 19.2. */
#include "pv_pmu.h"

enum {
	MSR_PMC0 = 0xc1,
	MSR_EVTSEL0 = 0x186,
	MSR_MISC_ENABLE = 0x1a0,
	MSR_DEBUGCTL = 0x1d9,
	MSR_FIXED0 = 0x309,
	MSR_METRICS = 0x329,
	MSR_CAPABILITIES = 0x345,
	MSR_FIXED_CTRL = 0x38d,
	MSR_STATUS = 0x38e,
	MSR_CTRL = 0x38f,
	MSR_STATUS_RESET = 0x390,
	MSR_STATUS_SET = 0x391,
	MSR_INUSE = 0x392,
	MSR_FULL_PMC0 = 0x4c1,
	/* Room of the address map for each of the arrays above. */
	ARRAY = 8,
	FIXED_ARRAY = 16,
};

#define EVTSEL_USR (1ull << 16)
#define EVTSEL_OS  (1ull << 17)
#define EVTSEL_INT (1ull << 20)
#define EVTSEL_EN  (1ull << 22)

#define FIXED_OS   1
#define FIXED_USR  2
#define FIXED_ANY  4
#define FIXED_PMI  8
#define FIXED_BITS 4
/* Adaptive PEBS records */
#define FIXED_ADAPTIVE (1ull << 32)

#define CAP_FULL_WRITE    (1ull << 13)
#define CAP_PEBS_BASELINE (1ull << 14)
#define CAP_METRICS       (1ull << 15)

#define CTRL_METRICS (1ull << 48)

#define MISC_EMON    (1ull << 7)
#define MISC_NO_BTS  (1ull << 11)
#define MISC_NO_PEBS (1ull << 12)

#define INUSE_PMI (1ull << 63)

#define RDPMC_FIXED   0x40000000u
#define RDPMC_METRICS 0x20000000u

/* Registers of the PMU that this shape may lack: no other silent readers of them. */
static const struct {
	uint32_t first, last;
} absent[] = {
	{0x40, 0x47},                     /* LBR_FROM and _TO of the Core 2 */
	{0x60, 0x67},     {0x1a6, 0x1a7}, /* OFFCORE_RSP */
	{0x1c8, 0x1c9},                   /* LBR_SELECT, LBR_TOS */
	{0x3f1, 0x3f2},                   /* PEBS_ENABLE, PEBS_DATA_CFG */
	{0x3f6, 0x3f7},                   /* PEBS_LD_LAT, PEBS_FRONTEND */
	{0x600, 0x600},                   /* DS_AREA */
	{0x680, 0x69f},                   /* LBR_FROM */
	{0x6c0, 0x6df},                   /* LBR_TO */
	{0xdc0, 0xddf},                   /* LBR_INFO */
	{0x1200, 0x121f},                 /* ARCH_LBR_INFO */
	{0x14ce, 0x14cf},                 /* ARCH_LBR_CTL, ARCH_LBR_DEPTH */
	{0x1500, 0x151f},                 /* ARCH_LBR_FROM */
	{0x1600, 0x161f},                 /* ARCH_LBR_TO */
};

static bool in_array(uint32_t msr, uint32_t first, unsigned int n)
{
	return msr >= first && msr < first + n;
}

static uint64_t bits(unsigned int n)
{
	return n >= 64 ? ~0ull : (1ull << n) - 1;
}

/* The counters' bits in the global registers. */
static uint64_t counter_bits(const struct pv_shape *s)
{
	return bits(s->counters) | bits(s->fixed) << PV_FIXED;
}

static uint64_t ctrl_valid(const struct pv_shape *s)
{
	return counter_bits(s) | (s->capabilities & CAP_METRICS ? CTRL_METRICS : 0);
}

/* SDM 19.2.4: what may be acknowledged, and from version 4 on also set. */
static uint64_t status_valid(const struct pv_shape *s)
{
	uint64_t valid = ctrl_valid(s) | 3ull << 62;

	if (s->perfmon >= 3)
		valid |= 1ull << 61;
	if (s->perfmon >= 4)
		valid |= PV_STATUS_FROZEN | PV_STATUS_LBR_FROZEN;
	return valid;
}

static uint64_t fixed_ctrl_valid(const struct pv_shape *s)
{
	uint64_t valid = 0, one = FIXED_OS | FIXED_USR | FIXED_PMI;

	/* AnyThread came with version 3, CPUID 0xA EDX bit 15 takes it away with version 5. */
	if (s->perfmon >= 3 && s->perfmon < 5)
		one |= FIXED_ANY;
	for (unsigned int i = 0; i < s->fixed; i++) {
		valid |= one << (i * FIXED_BITS);
		if (s->capabilities & CAP_PEBS_BASELINE)
			valid |= FIXED_ADAPTIVE << (i * FIXED_BITS);
	}
	return valid;
}

static void configure(struct pv_counter *c, const struct pv_source *source, bool on, bool os,
		      bool usr, bool interrupts)
{
	c->source = source;
	c->interrupts = interrupts;
	c->modes = 0;
	if (on && source && source->base != PV_BASE_NOTHING)
		c->modes = (os ? PV_MODES_KERNEL : 0) | (usr ? PV_MODES_USER : 0);
}

/* A general counter counts what it is told only where the generation's silicon can. */
static const struct pv_source *source_of(struct pv_pmu *pmu, unsigned int i)
{
	struct pv_counter *c = &pmu->counters[i];
	const struct pv_source *source = pv_source_of(pmu->shape, c->select);
	const struct pv_event *event = pv_event_of(pmu->shape, c->select);

	if (!source || !event)
		return source;
	if (!(event->counters & (1u << i)))
		return NULL;
	if (!event->extra)
		return source;
	c->own = *source;
	c->own.num *= ctpop16((uint16_t)pmu->storage[event->extra - 1]);
	return c->own.num ? &c->own : NULL;
}

void pv_intel_configure(struct pv_pmu *pmu)
{
	const struct pv_shape *s = pmu->shape;
	uint64_t on = pmu->global_status & PV_STATUS_FROZEN ? 0 : pmu->global_ctrl;

	for (unsigned int i = 0; i < s->counters; i++) {
		uint64_t sel = pmu->counters[i].select;

		configure(&pmu->counters[i], source_of(pmu, i), sel & EVTSEL_EN && on & (1ull << i),
			  sel & EVTSEL_OS, sel & EVTSEL_USR, sel & EVTSEL_INT);
	}
	for (unsigned int i = 0; i < s->fixed; i++) {
		unsigned int ctrl = pmu->fixed_ctrl >> (i * FIXED_BITS);

		configure(&pmu->counters[PV_FIXED + i], &s->fixed_sources[i],
			  on & (1ull << (PV_FIXED + i)), ctrl & FIXED_OS, ctrl & FIXED_USR,
			  ctrl & FIXED_PMI);
	}
}

static uint64_t inuse(const struct pv_pmu *pmu)
{
	const struct pv_shape *s = pmu->shape;
	uint64_t value = 0;

	for (unsigned int i = 0; i < s->counters; i++) {
		if (pmu->counters[i].select & 0xff)
			value |= 1ull << i;
		if (pmu->counters[i].select & EVTSEL_INT)
			value |= INUSE_PMI;
	}
	for (unsigned int i = 0; i < s->fixed; i++) {
		unsigned int ctrl = pmu->fixed_ctrl >> (i * FIXED_BITS);

		if (ctrl & (FIXED_OS | FIXED_USR))
			value |= 1ull << (PV_FIXED + i);
		if (ctrl & FIXED_PMI)
			value |= INUSE_PMI;
	}
	return value;
}

static enum pv_access set(uint64_t *reg, uint64_t value, uint64_t valid)
{
	if (value & ~valid)
		return PV_REFUSED;
	*reg = value;
	return PV_DONE;
}

static enum pv_access write_array(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	const struct pv_shape *s = pmu->shape;
	uint64_t width = bits(s->width);

	if (in_array(msr, MSR_PMC0, s->counters)) {
		/* SDM 19.2.8: bit 31 goes into all bits above, what was written there is lost. */
		pmu->counters[msr - MSR_PMC0].value = (uint64_t)(int32_t)value & width;
		return PV_DONE;
	}
	if (in_array(msr, MSR_FULL_PMC0, s->counters) && s->capabilities & CAP_FULL_WRITE)
		return set(&pmu->counters[msr - MSR_FULL_PMC0].value, value, width);
	if (in_array(msr, MSR_FIXED0, s->fixed))
		return set(&pmu->counters[PV_FIXED + msr - MSR_FIXED0].value, value, width);
	if (in_array(msr, MSR_EVTSEL0, s->counters))
		return set(&pmu->counters[msr - MSR_EVTSEL0].select, value, ~s->select_reserved);
	return PV_NOT_OURS;
}

static bool is_absent(uint32_t msr)
{
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		if (msr >= absent[i].first && msr <= absent[i].last)
			return true;
	return in_array(msr, MSR_PMC0, ARRAY) || in_array(msr, MSR_EVTSEL0, ARRAY) ||
	       in_array(msr, MSR_FULL_PMC0, ARRAY) || in_array(msr, MSR_FIXED0, FIXED_ARRAY) ||
	       msr == MSR_METRICS;
}

enum pv_access pv_intel_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	const struct pv_shape *s = pmu->shape;
	enum pv_access done;

	switch (msr) {
	case MSR_DEBUGCTL:
		return set(&pmu->debugctl, value, s->debugctl_valid);
	case MSR_FIXED_CTRL:
		return set(&pmu->fixed_ctrl, value, fixed_ctrl_valid(s));
	case MSR_CTRL:
		return set(&pmu->global_ctrl, value, ctrl_valid(s));
	case MSR_STATUS_RESET:
		if (value & ~status_valid(s))
			return PV_REFUSED;
		pmu->global_status &= ~value;
		return PV_DONE;
	case MSR_STATUS_SET:
		if (s->perfmon < 4 || value & ~status_valid(s))
			return PV_REFUSED;
		pmu->global_status |= value;
		return PV_DONE;
	case MSR_METRICS:
		/* A write starts the fractions anew; the model's are always the same. */
		return s->capabilities & CAP_METRICS ? PV_DONE : PV_REFUSED;
	case MSR_STATUS:
	case MSR_INUSE:
	case MSR_CAPABILITIES:
		return PV_REFUSED;
	default:
		done = pv_lbr_write(pmu, msr, value);
		if (done == PV_NOT_OURS)
			done = pv_ds_wrmsr(pmu, msr, value);
		if (done == PV_NOT_OURS)
			done = write_array(pmu, msr, value);
		return done == PV_NOT_OURS && is_absent(msr) ? PV_REFUSED : done;
	}
}

static enum pv_access read_array(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	const struct pv_shape *s = pmu->shape;

	if (in_array(msr, MSR_PMC0, s->counters))
		*value = pmu->counters[msr - MSR_PMC0].value;
	else if (in_array(msr, MSR_FULL_PMC0, s->counters) && s->capabilities & CAP_FULL_WRITE)
		*value = pmu->counters[msr - MSR_FULL_PMC0].value;
	else if (in_array(msr, MSR_FIXED0, s->fixed))
		*value = pmu->counters[PV_FIXED + msr - MSR_FIXED0].value;
	else if (in_array(msr, MSR_EVTSEL0, s->counters))
		*value = pmu->counters[msr - MSR_EVTSEL0].select;
	else
		return is_absent(msr) ? PV_REFUSED : PV_NOT_OURS;
	return PV_DONE;
}

enum pv_access pv_intel_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	const struct pv_shape *s = pmu->shape;
	enum pv_access done;

	switch (msr) {
	case MSR_MISC_ENABLE:
		*value = pmu->env->msr_ia32_misc_enable | MISC_EMON | (s->bts ? 0 : MISC_NO_BTS) |
			 (s->pebs ? 0 : MISC_NO_PEBS);
		return PV_DONE;
	case MSR_DEBUGCTL:
		*value = pmu->debugctl;
		return PV_DONE;
	case MSR_CAPABILITIES:
		*value = s->capabilities;
		return PV_DONE;
	case MSR_FIXED_CTRL:
		*value = pmu->fixed_ctrl;
		return PV_DONE;
	case MSR_STATUS:
		*value = pmu->global_status;
		return PV_DONE;
	case MSR_CTRL:
		*value = pmu->global_ctrl;
		return PV_DONE;
	case MSR_STATUS_RESET:
		*value = 0;
		return PV_DONE;
	case MSR_STATUS_SET:
		*value = 0;
		return s->perfmon >= 4 ? PV_DONE : PV_REFUSED;
	case MSR_INUSE:
		*value = inuse(pmu);
		return s->perfmon >= 4 ? PV_DONE : PV_REFUSED;
	case MSR_METRICS:
		*value = s->metrics;
		return s->capabilities & CAP_METRICS ? PV_DONE : PV_REFUSED;
	default:
		done = pv_lbr_read(pmu, msr, value);
		if (done == PV_NOT_OURS)
			done = pv_ds_rdmsr(pmu, msr, value);
		return done == PV_NOT_OURS ? read_array(pmu, msr, value) : done;
	}
}

enum pv_access pv_intel_rdpmc(struct pv_pmu *pmu, uint32_t index, uint64_t *value)
{
	const struct pv_shape *s = pmu->shape;

	if (index < s->counters)
		*value = pmu->counters[index].value;
	else if (index >= RDPMC_FIXED && index - RDPMC_FIXED < s->fixed)
		*value = pmu->counters[PV_FIXED + index - RDPMC_FIXED].value;
	else if (index == RDPMC_METRICS && s->capabilities & CAP_METRICS)
		*value = s->metrics;
	else
		return PV_REFUSED;
	return PV_DONE;
}
