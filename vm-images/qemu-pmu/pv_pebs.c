/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processor event based sampling: SDM volume 3, 19.6 (format 2 and 3, Haswell's and Skylake's)
 * and 19.9 (adaptive, from format 4 on). A record is that of the instruction which overflowed the
 * counter, whichever counter it is; it is written behind it, before the next one, with the
 * registers as they are there. Where a datum was, and how long a load took, goes by its address:
 * bits 6 and 7 choose one of four.
 */
#include "pv_pmu.h"
#include "sysemu/cpu-timers.h"

enum {
	MSR_PEBS_ENABLE = 0x3f1,
	MSR_PEBS_DATA_CFG = 0x3f2,
	MSR_PEBS_LD_LAT = 0x3f6,
};

#define CAP_BASELINE (1ull << 14)
#define CAP_TIMING   (1ull << 17)
#define FORMAT(s)    ((s)->capabilities >> 8 & 15)

#define CFG_MEMORY   (1u << 0)
#define CFG_GPRS     (1u << 1)
#define CFG_XMM      (1u << 2)
#define CFG_LBR      (1u << 3)
#define CFG_VALID    0xff00000full
#define CFG_LBR_LAST 24

#define SELECT_ADAPTIVE (1ull << 34)
#define FIXED_ADAPTIVE  32 /* and four bits for each counter */

#define LATENCY_VALID 0xffffull
/* Cycles from the load's issue until it retires beside those of the datum; of any other. */
#define INSN_LATENCY 6
#define RETIRE_OTHER 1

/* The second four words of the area, and where the reset values begin. */
#define AREA_PEBS    32
#define AREA_RESET   64
#define RESETS_FIXED 8 /* from format 5 on 32 */

struct pebs {
	uint64_t base, index, maximum, threshold;
};

/* 4 of the basic group, 4 of memory, 18 and 32 registers, the branch records */
#define MAX_WORDS (4 + 4 + 18 + 32 + 3 * PV_MAX_LBR)

struct words {
	uint64_t word[MAX_WORDS];
	unsigned int n;
};

static void put(struct words *w, uint64_t value)
{
	w->word[w->n++] = value;
}

void pv_access_settle(struct pv_pmu *pmu)
{
	struct pv_env *pv = &pmu->env->pv;
	enum pv_place place = pv_place_of(pv->load);

	if (!pv->access)
		return;
	if (pv->access & PV_AC_LOAD) {
		pmu->branches[ctz32(PV_AC_LOAD << place)]++;
		if (pmu->shape->latency[place] > pmu->ds.load_latency)
			pmu->branches[ctz32(PV_AC_LOAD_LONG)]++;
	}
	if (pv->access & PV_AC_STORE)
		pmu->branches[ctz32(PV_AC_STORE)]++;
	pmu->ds.access = pv->access;
	pmu->ds.access_ip = pv->ip;
	pv->access = 0;
}

static bool is_adaptive(const struct pv_pmu *pmu, unsigned int i)
{
	if (i < PV_FIXED)
		return pmu->counters[i].select & SELECT_ADAPTIVE;
	return pmu->fixed_ctrl & (1ull << (FIXED_ADAPTIVE + 4 * (i - PV_FIXED)));
}

static bool counts_stores(const struct pv_pmu *pmu, uint64_t set)
{
	PV_FOR_EACH(i, set)
	if (pmu->counters[i].source && pmu->counters[i].source->branches & PV_AC_STORE)
		return true;
	return false;
}

/* What the record says of the datum. */
struct memory {
	uint64_t address, source, latency, retire;
};

static struct memory memory_of(const struct pv_pmu *pmu, uint64_t counters)
{
	/* SDM volume 3, table 19-72: L1, L2, L3, a local memory */
	static const uint8_t sources[] = {0x1, 0x3, 0x4, 0xa};
	const struct pv_env *pv = &pmu->env->pv;
	struct memory m = {.retire = RETIRE_OTHER};
	uint32_t access = pmu->ds.access;
	uint64_t cycles;

	if (!access || pmu->ds.access_ip != pv->ip)
		return m;
	if (!(access & PV_AC_LOAD) || (access & PV_AC_STORE && counts_stores(pmu, counters))) {
		m.address = pv->store;
		m.source = pv_place_of(m.address) == PV_L1;
		return m;
	}
	m.address = pv->load;
	if (pmu->broken == PV_BREAK_PEBS_ADDRESS)
		m.address += 64;
	m.source = sources[pv_place_of(pv->load)];
	cycles = pmu->shape->latency[pv_place_of(pv->load)];
	m.latency = pmu->shape->split_latency ? (cycles + INSN_LATENCY) | cycles << 32 : cycles;
	m.retire = cycles;
	return m;
}

/* In the order of the instruction set's numbers, from which `order` may differ for the first 8. */
static void put_gprs(struct words *w, const struct pv_pmu *pmu, const uint8_t *order)
{
	CPUX86State *env = pmu->env;
	bool broken = pmu->broken == PV_BREAK_PEBS_REGS;

	put(w, cpu_compute_eflags(env));
	put(w, env->eip);
	for (unsigned int i = 0; i < 16; i++)
		put(w, env->regs[i < 8 ? order[i] : i] + (broken && i == 12));
}

static uint64_t tsc(struct pv_pmu *pmu)
{
	CPUState *cs = env_cpu(pmu->env);
	uint32_t can_do_io = cs->can_do_io;
	uint64_t now;

	if (pmu->broken == PV_BREAK_PEBS_TIME)
		return 1;
	/* Every caller stands at an instruction's boundary. */
	cs->can_do_io = 1;
	now = cpu_get_tsc(pmu->env) + pmu->env->tsc_offset;
	cs->can_do_io = can_do_io;
	return now;
}

static uint64_t eventing_ip(const struct pv_pmu *pmu)
{
	return pmu->broken == PV_BREAK_PEBS_IP ? pmu->env->eip : pmu->env->pv.ip;
}

static void fill_fixed(struct words *w, struct pv_pmu *pmu, uint64_t counters)
{
	static const uint8_t order[] = {R_EAX, R_EBX, R_ECX, R_EDX, R_ESI, R_EDI, R_EBP, R_ESP};
	struct memory m = memory_of(pmu, counters);

	put_gprs(w, pmu, order);
	put(w, counters);
	put(w, m.address);
	put(w, m.source);
	put(w, m.latency);
	put(w, eventing_ip(pmu));
	put(w, 0); /* no TSX */
	if (FORMAT(pmu->shape) >= 3)
		put(w, tsc(pmu));
}

static void put_xmm(struct words *w, const CPUX86State *env)
{
	for (unsigned int i = 0; i < 16; i++) {
		put(w, env->xmm_regs[i].ZMM_Q(0));
		put(w, env->xmm_regs[i].ZMM_Q(1));
	}
}

static void put_lbr(struct words *w, const struct pv_lbr *lbr, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		const struct pv_record *r = &lbr->records[(lbr->top + lbr->depth - i) % lbr->depth];

		put(w, r->from);
		put(w, r->to);
		put(w, r->info);
	}
}

static void fill_adaptive(struct words *w, struct pv_pmu *pmu, uint64_t counters)
{
	static const uint8_t order[] = {0, 1, 2, 3, 4, 5, 6, 7};
	struct memory m = memory_of(pmu, counters);
	uint64_t cfg = 0, set = counters;
	unsigned int branches;

	PV_FOR_EACH(i, set)
	if (is_adaptive(pmu, i))
		cfg = pmu->ds.data_cfg;
	branches = MIN((cfg >> CFG_LBR_LAST & 0xff) + 1, pmu->lbr.depth);
	w->n = 1;
	put(w, eventing_ip(pmu));
	put(w, counters);
	put(w, tsc(pmu));
	if (cfg & CFG_MEMORY) {
		put(w, m.address);
		put(w, m.source);
		put(w, m.latency);
		put(w, 0); /* no TSX */
	}
	if (cfg & CFG_GPRS)
		put_gprs(w, pmu, order);
	if (cfg & CFG_XMM)
		put_xmm(w, pmu->env);
	if (cfg & CFG_LBR)
		put_lbr(w, &pmu->lbr, branches);
	if (pmu->shape->capabilities & CAP_TIMING)
		cfg |= (pmu->broken == PV_BREAK_PEBS_LATENCY ? 0 : m.retire) << 32;
	w->word[0] = cfg | (uint64_t)(w->n * sizeof(w->word[0])) << 48;
}

static void reload(struct pv_pmu *pmu, unsigned int i)
{
	unsigned int fixed = FORMAT(pmu->shape) < 5 ? RESETS_FIXED : PV_FIXED;
	unsigned int slot = i < PV_FIXED ? i : fixed + i - PV_FIXED;
	struct pv_counter *c = &pmu->counters[i];
	uint64_t reset = 0;

	pv_ds_read(pmu, pmu->ds.area + AREA_RESET + slot * sizeof(reset), &reset, sizeof(reset));
	if (pmu->broken == PV_BREAK_PEBS_RELOAD)
		reset -= 16;
	c->value = (reset + c->value) & pv_width_mask(pmu, i);
}

void pv_pebs_flush(struct pv_pmu *pmu)
{
	uint64_t area = pmu->ds.area, set = pmu->ds.pending;
	struct words w = {0};
	struct pebs pebs;
	size_t size;

	if (!set)
		return;
	pmu->ds.pending = 0;
	if (FORMAT(pmu->shape) < 4)
		fill_fixed(&w, pmu, set);
	else
		fill_adaptive(&w, pmu, set);
	size = w.n * sizeof(w.word[0]);
	PV_FOR_EACH(i, set)
	reload(pmu, i);
	if (pmu->broken == PV_BREAK_PEBS_LOST && !(++pmu->ds.told % 16))
		return;
	if (!pv_ds_read(pmu, area + AREA_PEBS, &pebs, sizeof(pebs)))
		return;
	if (pebs.index + size <= pebs.maximum && pv_ds_write(pmu, pebs.index, w.word, size)) {
		pebs.index += size;
		pv_ds_write(pmu, area + AREA_PEBS + offsetof(struct pebs, index), &pebs.index,
			    sizeof(pebs.index));
	}
	if (pebs.index >= pebs.threshold) {
		pmu->global_status |= PV_STATUS_DS;
		pmu->pmi = true;
	}
}

bool pv_pebs_on(const struct pv_pmu *pmu, unsigned int counter)
{
	return pmu->ds.pebs_enable & (1ull << counter);
}

static uint64_t enable_valid(const struct pv_shape *s)
{
	uint64_t general = (1ull << s->counters) - 1;

	/* Beside the counters' own bits: load latency's, or the fixed counters'. */
	return general | (s->capabilities & CAP_BASELINE ? (1ull << s->fixed) - 1 : general) << 32;
}

static uint64_t *reg(struct pv_pmu *pmu, uint32_t msr, uint64_t *valid)
{
	const struct pv_shape *s = pmu->shape;

	switch (s->pebs ? msr : 0) {
	case MSR_PEBS_ENABLE:
		*valid = enable_valid(s);
		return &pmu->ds.pebs_enable;
	case MSR_PEBS_DATA_CFG:
		*valid = CFG_VALID;
		return s->capabilities & CAP_BASELINE ? &pmu->ds.data_cfg : NULL;
	case MSR_PEBS_LD_LAT:
		*valid = LATENCY_VALID;
		return &pmu->ds.load_latency;
	default:
		return NULL;
	}
}

enum pv_access pv_pebs_wrmsr(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	uint64_t valid, *to = reg(pmu, msr, &valid);

	if (!to)
		return PV_NOT_OURS;
	if (value & ~valid)
		return PV_REFUSED;
	*to = value;
	return PV_DONE;
}

enum pv_access pv_pebs_rdmsr(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	uint64_t valid, *from = reg(pmu, msr, &valid);

	if (!from)
		return PV_NOT_OURS;
	*value = *from;
	return PV_DONE;
}
