/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Last branch records: the model-specific ones of Skylake and Ice Lake (SDM volume 3, 17.4, 17.9
 * and 17.12) and the architectural ones (chapter 18). Both are one stack here; `top` is where the
 * youngest record is. Cycles between branches are not modelled: the field is 0, or not valid.
 */
#include "pv_pmu.h"

enum {
	MSR_SELECT = 0x1c8,
	MSR_TOS = 0x1c9,
	MSR_FROM = 0x680,
	MSR_TO = 0x6c0,
	MSR_INFO = 0xdc0,
	MSR_ARCH_CTL = 0x14ce,
	MSR_ARCH_DEPTH = 0x14cf,
	MSR_ARCH_INFO = 0x1200,
	MSR_ARCH_FROM = 0x1500,
	MSR_ARCH_TO = 0x1600,
};

/* LBR_SELECT: all but the last leave branches out. */
#define SELECT_NOT_KERNEL (1u << 0)
#define SELECT_NOT_USER   (1u << 1)
#define SELECT_CALL_STACK (1u << 9)
#define SELECT_VALID      0x3ffu

/* ARCH_LBR_CTL: all take branches in. */
#define CTL_ENABLE     (1u << 0)
#define CTL_KERNEL     (1u << 1)
#define CTL_USER       (1u << 2)
#define CTL_CALL_STACK (1u << 3)
#define CTL_VALID      0x7f000fu

#define INFO_MISPREDICT (1ull << 63) /* or in FROM, with two bits for transactions below it */
#define FROM_FLAGS      (7ull << 61)
#define INFO_TYPE_SHIFT 56

#define CALLS           (PV_BR_CALL | PV_BR_CALL_IND)
#define PREDICTED       (PV_BR_TAKEN | PV_BR_NOT_TAKEN | PV_BR_CALL_IND | PV_BR_RET | PV_BR_JMP_IND)
#define MISPREDICT_EACH 32 /* the descriptors' rule for mispredicted branches */

/* By the number of the bit of enum pv_branch: its bits in the two select registers, its type in
 * ARCH_LBR_INFO. */
static const struct {
	uint32_t select, ctl;
	uint8_t type;
} kinds[PV_NR_BRANCHES] = {
	{1 << 2, 1 << 16, 0}, {0, 0, 0},
	{1 << 3, 1 << 19, 4}, {1 << 4, 1 << 20, 3},
	{1 << 5, 1 << 21, 5}, {1 << 6, 1 << 18, 1},
	{1 << 7, 1 << 17, 2}, {1 << 8, 1 << 22, 8},
	{1 << 8, 1 << 22, 8},
};

bool pv_lbr_on(const struct pv_pmu *pmu)
{
	const struct pv_shape *s = pmu->shape;

	if (!s->lbr_depth || pmu->global_status & PV_STATUS_LBR_FROZEN)
		return false;
	if (s->amd)
		return pv_amdlbr_on(pmu);
	return s->lbr_arch ? pmu->lbr.ctl & CTL_ENABLE : pmu->debugctl & PV_DEBUGCTL_LBR;
}

static bool wanted(const struct pv_pmu *pmu, unsigned int kind)
{
	bool all = pmu->broken == PV_BREAK_LBR_SELECT,
	     user = pmu->mode == PV_MODE_USER || pmu->mode == PV_MODE_GUEST_USER;
	uint32_t ctl = pmu->lbr.ctl;

	if (pmu->shape->lbr_arch)
		return ctl & (user ? CTL_USER : CTL_KERNEL) && (all || ctl & kinds[kind].ctl);
	return !(ctl & (user ? SELECT_NOT_USER : SELECT_NOT_KERNEL)) &&
	       (all || !(ctl & kinds[kind].select));
}

bool pv_mispredicted(const struct pv_pmu *pmu, unsigned int kind)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < PV_NR_BRANCHES; i++)
		if (PREDICTED & (1u << i))
			sum += pmu->branches[i];
	return PREDICTED & (1u << kind) && !(sum % MISPREDICT_EACH);
}

void pv_lbr_record(struct pv_pmu *pmu, unsigned int kind, uint64_t from, uint64_t to, bool to_next)
{
	struct pv_lbr *lbr = &pmu->lbr;
	bool stack = lbr->ctl & (pmu->shape->lbr_arch ? CTL_CALL_STACK : SELECT_CALL_STACK);
	struct pv_record *record;

	if (!pv_lbr_on(pmu) || !wanted(pmu, kind))
		return;
	if (stack && 1u << kind == PV_BR_RET) {
		lbr->records[lbr->top] = (struct pv_record){0};
		lbr->top = (lbr->top + lbr->depth - 1) % lbr->depth;
		return;
	}
	/* SDM 17.9: a call of the next instruction reads the IP and is never returned from. */
	if (stack && (!(CALLS & (1u << kind)) || to_next))
		return;
	lbr->top = (lbr->top + 1) % lbr->depth;
	record = &lbr->records[lbr->top];
	record->from = from;
	record->to = to;
	record->info = pv_mispredicted(pmu, kind) ? INFO_MISPREDICT : 0;
	if (pmu->shape->lbr_flags)
		record->from = (from & ~FROM_FLAGS) | record->info;
	if (pmu->shape->amd)
		record->info |= PV_AMDLBR_VALID;
	else if (pmu->shape->lbr_arch)
		record->info |= (uint64_t)kinds[kind].type << INFO_TYPE_SHIFT;
}

void pv_lbr_reset(struct pv_pmu *pmu)
{
	memset(&pmu->lbr, 0, sizeof(pmu->lbr));
	pmu->lbr.depth = pmu->shape->lbr_depth;
}

/* The field of a record that a register is; NULL: none. */
static uint64_t *field(struct pv_pmu *pmu, uint32_t msr)
{
	const struct pv_shape *s = pmu->shape;
	struct pv_lbr *lbr = &pmu->lbr;
	const uint32_t bases[2][3] = {{MSR_FROM, MSR_TO, MSR_INFO},
				      {MSR_ARCH_FROM, MSR_ARCH_TO, MSR_ARCH_INFO}};

	for (unsigned int i = 0; i < 3; i++) {
		uint32_t n = msr - bases[s->lbr_arch][i];
		struct pv_record *record;

		if (n >= s->lbr_depth || (i == 2 && s->lbr_flags))
			continue;
		if (s->lbr_arch) /* number 0 is the youngest; above the chosen depth none is */
			record = &lbr->records[n < lbr->depth
						       ? (lbr->top + lbr->depth - n) % lbr->depth
						       : n];
		else
			record = &lbr->records[n];
		return i == 0 ? &record->from : i == 1 ? &record->to : &record->info;
	}
	return NULL;
}

static enum pv_access write_arch(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	switch (msr) {
	case MSR_ARCH_CTL:
		if (value & ~(uint64_t)CTL_VALID)
			return PV_REFUSED;
		pmu->lbr.ctl = value;
		return PV_DONE;
	case MSR_ARCH_DEPTH:
		/* CPUID 0x1C EAX: bit n is a depth of 8 * (n + 1). */
		if (!value || value % 8 || value > pmu->shape->lbr_depth ||
		    !(PV_LBR_DEPTHS & (1u << (value / 8 - 1))))
			return PV_REFUSED;
		memset(pmu->lbr.records, 0, sizeof(pmu->lbr.records));
		pmu->lbr.depth = value;
		pmu->lbr.top = 0;
		return PV_DONE;
	default:
		return PV_NOT_OURS;
	}
}

enum pv_access pv_lbr_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	uint64_t *to;

	if (!pmu->shape->lbr_depth)
		return PV_NOT_OURS;
	to = field(pmu, msr);
	if (to) {
		*to = value;
		return PV_DONE;
	}
	if (pmu->shape->lbr_arch)
		return write_arch(pmu, msr, value);
	if (msr == MSR_SELECT) {
		if (value & ~(uint64_t)SELECT_VALID)
			return PV_REFUSED;
		pmu->lbr.ctl = value;
		return PV_DONE;
	}
	if (msr == MSR_TOS) {
		if (value >= pmu->lbr.depth)
			return PV_REFUSED;
		pmu->lbr.top = value;
		return PV_DONE;
	}
	return PV_NOT_OURS;
}

enum pv_access pv_lbr_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	const struct pv_shape *s = pmu->shape;
	uint64_t *from;

	if (!s->lbr_depth)
		return PV_NOT_OURS;
	from = field(pmu, msr);
	if (from)
		*value = *from;
	else if (msr == (s->lbr_arch ? (uint32_t)MSR_ARCH_CTL : (uint32_t)MSR_SELECT))
		*value = pmu->lbr.ctl;
	else if (msr == (s->lbr_arch ? (uint32_t)MSR_ARCH_DEPTH : (uint32_t)MSR_TOS))
		*value = s->lbr_arch ? pmu->lbr.depth : pmu->lbr.top;
	else
		return PV_NOT_OURS;
	return PV_DONE;
}
