/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instruction-based sampling: APM volume 2, 13.3. Two engines count: fetches, and ops (cycles or
 * dispatched ops). Where one is full, the next instruction is tagged: it is a fetch, and one op.
 * The fetch is complete at once, the op when it has retired. An engine stands while its valid bit
 * is set. What a sample tells of caches goes by its number, rules in docs/pmu-model.md. Reserved
 * bits read 0.
 */
#include "pv_pmu.h"

enum {
	MSR_FIRST = 0xc0011030,
	FETCH_CTL = 0,
	FETCH_LINEAR,
	FETCH_PHYSICAL,
	OP_CTL,
	OP_RIP,
	OP_DATA,
	OP_DATA2,
	OP_DATA3,
	DC_LINEAR,
	DC_PHYSICAL,
	CONTROL, /* which extended LVT entry: read-only */
	BR_TARGET,
	FETCH_EXTENDED,
	OP_DATA4,
	OP_CTL2,
	FETCH_CTL2,
};

/* CPUID 8000_001B EAX */
#define CAP_BR_TARGET (1u << 5)
#define CAP_OP_EXT    (1u << 6)
#define CAP_FETCH_EXT (1u << 9)
#define CAP_OP_DATA4  (1u << 10)
#define CAP_ZEN4      (1u << 11)
#define CAP_DISABLE   (1u << 13)

#define MAX_COUNT     0xffffull
#define FETCH_ENABLE  (1ull << 48)
#define FETCH_VALID   (1ull << 49)
#define FETCH_DONE    (1ull << 50)
#define FETCH_IC_MISS (1ull << 51)
#define FETCH_PHYS    (1ull << 52)
#define FETCH_RANDOM  (1ull << 57)
#define FETCH_L2_MISS (1ull << 58)
#define FETCH_L3_ONLY (1ull << 59)
#define FETCH_L3_MISS (1ull << 61)
#define FETCH_CONTROL (MAX_COUNT | FETCH_ENABLE | FETCH_RANDOM)

#define OP_L3_ONLY     (1ull << 16)
#define OP_ENABLE      (1ull << 17)
#define OP_VALID       (1ull << 18)
#define OP_BY_OPS      (1ull << 19)
#define OP_MAX_EXT     (0x7full << 20)
#define OP_CURRENT     32
#define OP_CURRENT_LEN 27
#define OP_CONTROL     (MAX_COUNT | OP_ENABLE | OP_VALID | OP_BY_OPS)
#define OP_RANDOM      0x7fu

#define DATA_RETURN     (1ull << 34)
#define DATA_TAKEN      (1ull << 35)
#define DATA_MISPREDICT (1ull << 36)
#define DATA_BRANCH     (1ull << 37)
/* Cycles from completion, and from tagging, to retirement. */
#define DATA_LATENCIES (2 | 12 << 16)

#define DATA3_LOAD     (1ull << 0)
#define DATA3_STORE    (1ull << 1)
#define DATA3_MISS     (1ull << 7)
#define DATA3_LINEAR   (1ull << 17)
#define DATA3_PHYSICAL (1ull << 18)
#define DATA3_L2_MISS  (1ull << 20)
#define DATA3_LATENCY  32

#define CONTROL_VALID (1u << 8)
#define LVT_OFFSET    0

enum { FETCH, OP };

static const struct engine {
	unsigned int ctl;
	uint64_t enable, valid;
} engines[] = {{FETCH_CTL, FETCH_ENABLE, FETCH_VALID}, {OP_CTL, OP_ENABLE, OP_VALID}};

/* A fixed sequence: runs repeat. */
static uint32_t random_bits(struct pv_ibs *ibs)
{
	ibs->random ^= ibs->random << 13;
	ibs->random ^= ibs->random >> 17;
	ibs->random ^= ibs->random << 5;
	return ibs->random;
}

static uint64_t maximum(const struct pv_ibs *ibs, unsigned int e)
{
	uint64_t ctl = ibs->regs[engines[e].ctl];

	return (ctl & MAX_COUNT) << 4 | (e == OP ? ctl & OP_MAX_EXT : 0);
}

static void start(struct pv_pmu *pmu, unsigned int e, uint64_t current)
{
	uint64_t max = maximum(&pmu->ibs, e);

	if (pmu->broken == PV_BREAK_IBS_PERIOD)
		max += max / 4;
	pmu->counters[PV_IBS + e].value =
		(1ull << pmu->shape->width) - (max > current ? max - current : 1);
	pmu->ibs.pending &= ~(1u << e);
	if (e == OP)
		pmu->ibs.tagged = false;
}

static uint64_t current(const struct pv_pmu *pmu, unsigned int e)
{
	const struct pv_ibs *ibs = &pmu->ibs;
	uint64_t room = (1ull << pmu->shape->width) - pmu->counters[PV_IBS + e].value;
	uint64_t max = maximum(ibs, e);

	if (ibs->pending & (1u << e) || (e == OP && ibs->tagged))
		return max;
	return max > room ? max - room : 0;
}

static bool runs(const struct pv_ibs *ibs, unsigned int e)
{
	uint64_t ctl = ibs->regs[engines[e].ctl];

	return ctl & engines[e].enable && !(ctl & engines[e].valid) && maximum(ibs, e);
}

void pv_ibs_configure(struct pv_pmu *pmu)
{
	static const struct pv_source op = {PV_BASE_INSNS, 0, 1, 1};
	const struct pv_source *sources = pmu->shape->ibs_sources;

	if (!pmu->shape->ibs)
		return;
	for (unsigned int e = FETCH; e <= OP; e++) {
		struct pv_counter *c = &pmu->counters[PV_IBS + e];
		bool by_ops = pmu->ibs.regs[OP_CTL] & OP_BY_OPS;

		c->modes = runs(&pmu->ibs, e) ? PV_MODES_KERNEL | PV_MODES_USER : 0;
		c->interrupts = true;
		c->source = e == FETCH        ? &sources[0]
			    : pmu->ibs.tagged ? &op
			    : by_ops          ? &sources[2]
					      : &sources[1];
	}
}

static uint64_t linear_ip(const struct pv_pmu *pmu)
{
	return pmu->env->segs[R_CS].base + pmu->env->eip;
}

static uint64_t physical(struct pv_pmu *pmu, uint64_t linear)
{
	CPUState *cs = env_cpu(pmu->env);
	hwaddr page = cpu_get_phys_page_debug(cs, linear & TARGET_PAGE_MASK);

	return page == (hwaddr)-1 ? page : page | (linear & ~TARGET_PAGE_MASK);
}

/* Rule: every 8th sample misses the instruction cache, every 32nd the L2, every 64th the L3. */
static bool fetched(struct pv_pmu *pmu)
{
	struct pv_ibs *ibs = &pmu->ibs;
	uint64_t n = ++ibs->samples[FETCH], ctl = ibs->regs[FETCH_CTL], lat, phys;

	ctl &= FETCH_CONTROL | FETCH_L3_ONLY;
	if (ctl & FETCH_L3_ONLY && n % 64 && pmu->broken != PV_BREAK_IBS_L3) {
		start(pmu, FETCH, random_bits(ibs) & 0xf);
		return false;
	}
	lat = n % 64 == 0 ? 150 : n % 32 == 0 ? 40 : n % 8 == 0 ? 14 : 4;
	ctl |= FETCH_VALID | FETCH_DONE | (ctl & MAX_COUNT) << 16 | lat << 32;
	ctl |= n % 8 == 0 ? FETCH_IC_MISS : 0;
	ctl |= n % 32 == 0 ? FETCH_L2_MISS : 0;
	ctl |= n % 64 == 0 ? FETCH_L3_MISS : 0;
	ibs->regs[FETCH_LINEAR] = linear_ip(pmu);
	phys = physical(pmu, ibs->regs[FETCH_LINEAR]);
	if (phys != -1ull)
		ctl |= FETCH_PHYS;
	ibs->regs[FETCH_PHYSICAL] = phys == -1ull ? 0 : phys;
	ibs->regs[FETCH_EXTENDED] = 0;
	ibs->regs[FETCH_CTL] = ctl;
	return true;
}

static void tag(struct pv_pmu *pmu)
{
	struct pv_ibs *ibs = &pmu->ibs;

	pmu->ds.access = 0;
	ibs->tagged = true;
	ibs->rip = linear_ip(pmu);
	ibs->branch = 0;
	pmu->counters[PV_IBS + OP].value = (1ull << pmu->shape->width) - 1;
}

/* What the tagged op has done to memory; whether it has missed the L3. */
static bool accessed(struct pv_pmu *pmu)
{
	/* Cycles, and Zen 4's and Zen 2's words for where the datum was; 0: not asked for. */
	static const struct {
		uint16_t latency;
		uint8_t source, source_old;
	} places[] = {{0, 0, 0}, {14, 0, 0}, {50, 1, 2}, {200, 3, 3}};
	const struct pv_env *pv = &pmu->env->pv;
	struct pv_ibs *ibs = &pmu->ibs;
	uint32_t access = pmu->ds.access;
	bool load = access & PV_AC_LOAD;
	uint64_t data, linear = load ? pv->load : pv->store, phys;
	enum pv_place place = load ? pv_place_of(linear) : PV_L1;

	if (!access || pmu->ds.access_ip != ibs->rip)
		return false;
	phys = physical(pmu, linear);
	data = DATA3_LINEAR | (load ? DATA3_LOAD : 0) | (access & PV_AC_STORE ? DATA3_STORE : 0);
	data |= phys == -1ull ? 0 : DATA3_PHYSICAL;
	data |= place >= PV_L2 ? DATA3_MISS : 0;
	data |= place >= PV_L3 ? DATA3_L2_MISS : 0;
	data |= (uint64_t)(places[place].latency + (pmu->broken == PV_BREAK_IBS_LATENCY ? 10 : 0))
		<< DATA3_LATENCY;
	ibs->regs[OP_DATA3] = data;
	ibs->regs[OP_DATA2] =
		pmu->shape->ibs & CAP_ZEN4 ? places[place].source : places[place].source_old;
	ibs->regs[DC_LINEAR] = linear + (pmu->broken == PV_BREAK_IBS_ADDRESS ? 64 : 0);
	ibs->regs[DC_PHYSICAL] = phys == -1ull ? 0 : phys;
	return place == PV_MEMORY;
}

static bool retired(struct pv_pmu *pmu)
{
	struct pv_ibs *ibs = &pmu->ibs;
	uint64_t ctl = ibs->regs[OP_CTL], data = DATA_LATENCIES;

	ibs->tagged = false;
	ibs->samples[OP]++;
	ibs->regs[OP_DATA2] = ibs->regs[OP_DATA3] = 0;
	ibs->regs[DC_LINEAR] = ibs->regs[DC_PHYSICAL] = ibs->regs[BR_TARGET] = 0;
	if (!accessed(pmu) && ctl & OP_L3_ONLY && pmu->broken != PV_BREAK_IBS_L3) {
		start(pmu, OP, random_bits(ibs) & OP_RANDOM);
		return false;
	}
	if (ibs->branch) {
		data |= DATA_BRANCH;
		data |= ibs->branch & PV_BR_RET ? DATA_RETURN : 0;
		data |= ibs->branch & PV_BR_NOT_TAKEN ? 0 : DATA_TAKEN;
		data |= ibs->mispredicted ? DATA_MISPREDICT : 0;
		ibs->regs[BR_TARGET] = ibs->target + (pmu->broken == PV_BREAK_IBS_TARGET ? 2 : 0);
	}
	ibs->regs[OP_RIP] = pmu->broken == PV_BREAK_IBS_RIP ? linear_ip(pmu) : ibs->rip;
	ibs->regs[OP_DATA] = data;
	/* By ops: the count begins anew at a random value, which software may take over. */
	ibs->regs[OP_CTL] = deposit64(ctl | OP_VALID, OP_CURRENT, OP_CURRENT_LEN,
				      ctl & OP_BY_OPS ? random_bits(ibs) & OP_RANDOM : 0);
	return true;
}

void pv_ibs_settle(struct pv_pmu *pmu)
{
	struct pv_ibs *ibs = &pmu->ibs;
	unsigned int pending = ibs->pending;
	bool interrupt = false;

	if (!pending)
		return;
	ibs->pending = 0;
	if (pending & (1u << FETCH))
		interrupt |= fetched(pmu);
	if (pending & (1u << OP)) {
		if (ibs->tagged)
			interrupt |= retired(pmu);
		else
			tag(pmu);
	}
	if (interrupt)
		pv_deliver_lvt(pmu, ibs->lvt[LVT_OFFSET]);
	pv_reconfigure(pmu);
}

void pv_ibs_branch(struct pv_pmu *pmu, unsigned int kind, uint64_t from, uint64_t to,
		   bool mispredicted)
{
	struct pv_ibs *ibs = &pmu->ibs;

	if (!ibs->tagged || from != ibs->rip || 1u << kind == PV_BR_EVENT)
		return;
	ibs->branch = 1u << kind;
	ibs->target = to;
	ibs->mispredicted = mispredicted;
}

void pv_ibs_interrupted(struct pv_pmu *pmu)
{
	/* The tagged op does not retire: the first one of the handler is tagged instead. */
	if (!pmu->ibs.tagged || pmu->ibs.pending & (1u << OP))
		return;
	pmu->ibs.tagged = false;
	pmu->ibs.pending |= 1u << OP;
}

void pv_ibs_reset(struct pv_pmu *pmu)
{
	struct pv_ibs *ibs = &pmu->ibs;

	memset(ibs, 0, sizeof(*ibs));
	ibs->regs[CONTROL] = CONTROL_VALID | LVT_OFFSET;
	ibs->random = 0x2545f491;
	for (unsigned int i = 0; i < PV_EXTENDED_LVTS; i++)
		ibs->lvt[i] = PV_LVT_MASKED;
}

/* The number of a register that this CPU has, or PV_IBS_REGS. */
static unsigned int find(const struct pv_shape *s, uint32_t msr)
{
	unsigned int n = msr - MSR_FIRST;
	uint32_t needs = n == BR_TARGET                    ? CAP_BR_TARGET
			 : n == FETCH_EXTENDED             ? CAP_FETCH_EXT
			 : n == OP_DATA4                   ? CAP_OP_DATA4
			 : n == OP_CTL2 || n == FETCH_CTL2 ? CAP_DISABLE
							   : 1;

	return n < PV_IBS_REGS && s->ibs & needs ? n : PV_IBS_REGS;
}

static bool is_ours(uint32_t msr)
{
	return msr >= MSR_FIRST && msr < MSR_FIRST + PV_IBS_REGS;
}

static void write_fetch(struct pv_pmu *pmu, uint64_t value)
{
	struct pv_ibs *ibs = &pmu->ibs;
	uint64_t count = (value >> 16 & 0xffff) << 4;

	ibs->regs[FETCH_CTL] = value & ~(3ull << 62);
	if (!(pmu->shape->ibs & CAP_ZEN4))
		ibs->regs[FETCH_CTL] &= ~FETCH_L3_ONLY;
	start(pmu, FETCH, count | (value & FETCH_RANDOM ? random_bits(ibs) & 0xf : 0));
}

static void write_op(struct pv_pmu *pmu, uint64_t value)
{
	uint32_t caps = pmu->shape->ibs;

	value &= OP_CONTROL | (caps & CAP_OP_EXT ? OP_MAX_EXT : 0) |
		 (caps & CAP_ZEN4 ? OP_L3_ONLY : 0) | MAKE_64BIT_MASK(OP_CURRENT, OP_CURRENT_LEN);
	pmu->ibs.regs[OP_CTL] = value;
	start(pmu, OP, extract64(value, OP_CURRENT, OP_CURRENT_LEN));
}

enum pv_access pv_ibs_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	unsigned int n = find(pmu->shape, msr);

	if (!is_ours(msr))
		return PV_NOT_OURS;
	if (n == PV_IBS_REGS || n == CONTROL)
		return PV_REFUSED;
	if (n == FETCH_CTL)
		write_fetch(pmu, value);
	else if (n == OP_CTL)
		write_op(pmu, value);
	else
		pmu->ibs.regs[n] = value;
	return PV_DONE;
}

enum pv_access pv_ibs_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	unsigned int n = find(pmu->shape, msr);

	if (!is_ours(msr))
		return PV_NOT_OURS;
	if (n == PV_IBS_REGS)
		return PV_REFUSED;
	*value = pmu->ibs.regs[n];
	if (n == FETCH_CTL && runs(&pmu->ibs, FETCH))
		*value = deposit64(*value, 16, 16, current(pmu, FETCH) >> 4);
	if (n == OP_CTL && runs(&pmu->ibs, OP))
		*value = deposit64(*value, OP_CURRENT, OP_CURRENT_LEN, current(pmu, OP));
	return PV_DONE;
}

/* ---- the local APIC's extended entries: APM volume 2, 16.4.5 ---- */
enum { APIC_FEATURES = 0x40, APIC_CONTROL, APIC_LVT = 0x50 };

bool pv_apic_read(CPUX86State *env, int index, uint32_t *value)
{
	const struct pv_pmu *pmu = env->pv.pmu;

	if (!pmu || !pmu->shape->ibs)
		return false;
	if (index == APIC_FEATURES)
		*value = PV_EXTENDED_LVTS << 16;
	else if (index == APIC_CONTROL)
		*value = 0;
	else if (index >= APIC_LVT && index < APIC_LVT + PV_EXTENDED_LVTS)
		*value = pmu->ibs.lvt[index - APIC_LVT];
	else
		return false;
	return true;
}

bool pv_apic_write(CPUX86State *env, int index, uint32_t value)
{
	struct pv_pmu *pmu = env->pv.pmu;
	uint32_t old;

	if (!pv_apic_read(env, index, &old))
		return false;
	if (index >= APIC_LVT)
		pmu->ibs.lvt[index - APIC_LVT] = value & (PV_LVT_MASKED | 0x7ff);
	return true;
}
