/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AMD's last branch records, version 2: APM volume 2, 13.1.1. The stack itself is pv_lbr.c's; here
 * are its registers. The youngest record has the lowest number. A record is of a branch that has
 * retired: valid, not speculative.
 */
#include "pv_pmu.h"

enum {
	MSR_SELECT = 0xc000010e,
	MSR_EXTENSION = 0xc000010f, /* DBG_EXTN_CFG */
	MSR_FROM = 0xc0010300,      /* from and to in turns */
	MSR_END = MSR_FROM + 2 * PV_MAX_LBR,
};

#define EXTENSION_LBR (1ull << 6)
#define SELECT_VALID  0x1ffull

/* In the registers above the addresses; pv_record has the first in `info` too, the others there
 * from bit 0 on. */
#define FROM_MISPREDICT (1ull << 63)
#define TO_FLAGS        61 /* reserved, speculative, valid */

bool pv_amdlbr_on(const struct pv_pmu *pmu)
{
	return pmu->lbr.extension & EXTENSION_LBR;
}

static struct pv_record *record(struct pv_pmu *pmu, uint32_t msr)
{
	struct pv_lbr *lbr = &pmu->lbr;
	uint32_t n = (msr - MSR_FROM) / 2;

	if (pmu->broken == PV_BREAK_LBR_ORDER && n < lbr->depth)
		n = lbr->depth - 1 - n;
	return n < lbr->depth ? &lbr->records[(lbr->top + lbr->depth - n) % lbr->depth] : NULL;
}

static enum pv_access set(uint64_t *reg, uint64_t value, uint64_t valid)
{
	if (value & ~valid)
		return PV_REFUSED;
	*reg = value;
	return PV_DONE;
}

static bool is_ours(uint32_t msr)
{
	return msr == MSR_SELECT || msr == MSR_EXTENSION || (msr >= MSR_FROM && msr < MSR_END);
}

enum pv_access pv_amdlbr_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	struct pv_record *r;

	if (!is_ours(msr))
		return PV_NOT_OURS;
	if (!pmu->lbr.depth)
		return PV_REFUSED;
	if (msr == MSR_SELECT)
		return set(&pmu->lbr.ctl, value, SELECT_VALID);
	if (msr == MSR_EXTENSION)
		return set(&pmu->lbr.extension, value, EXTENSION_LBR);
	r = record(pmu, msr);
	if (!r)
		return PV_REFUSED;
	if ((msr - MSR_FROM) % 2) {
		r->to = sextract64(value, 0, TO_FLAGS);
		r->info = (r->info & FROM_MISPREDICT) | value >> TO_FLAGS;
	} else {
		r->from = sextract64(value, 0, 63);
		r->info = (r->info & ~FROM_MISPREDICT) | (value & FROM_MISPREDICT);
	}
	return PV_DONE;
}

enum pv_access pv_amdlbr_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	const struct pv_record *r;

	if (!is_ours(msr))
		return PV_NOT_OURS;
	if (!pmu->lbr.depth)
		return PV_REFUSED;
	if (msr == MSR_SELECT || msr == MSR_EXTENSION) {
		*value = msr == MSR_SELECT ? pmu->lbr.ctl : pmu->lbr.extension;
		return PV_DONE;
	}
	r = record(pmu, msr);
	if (!r)
		return PV_REFUSED;
	if ((msr - MSR_FROM) % 2)
		*value = deposit64(r->to, TO_FLAGS, 64 - TO_FLAGS, r->info);
	else
		*value = (r->from & ~FROM_MISPREDICT) | (r->info & FROM_MISPREDICT);
	return PV_DONE;
}
