/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The debug store: an area in the guest's memory that says where its buffers are (SDM volume 3,
 * 17.4.9), and branch trace store, which writes each taken branch into one of them (17.4.5).
 */
#include "pv_pmu.h"
#include "exec/exec-all.h"

enum { MSR_DS_AREA = 0x600 };

#define DEBUGCTL_TR      (1ull << 6)
#define DEBUGCTL_BTS     (1ull << 7)
#define DEBUGCTL_BTINT   (1ull << 8)
#define DEBUGCTL_OFF_OS  (1ull << 9)
#define DEBUGCTL_OFF_USR (1ull << 10)

#define PREDICTED (1ull << 4)

/* The first words of the area. */
struct bts {
	uint64_t base, index, maximum, threshold;
};

static void *host(struct pv_pmu *pmu, uint64_t at, MMUAccessType type)
{
	void *place;
	int flags = probe_access_flags(pmu->env, at, type, MMU_KSMAP64_IDX, true, &place, 0);

	return flags & (TLB_INVALID_MASK | TLB_MMIO) ? NULL : place;
}

static size_t in_page(uint64_t at, size_t size)
{
	return MIN(size, TARGET_PAGE_SIZE - (at & ~TARGET_PAGE_MASK));
}

bool pv_ds_read(struct pv_pmu *pmu, uint64_t at, void *to, size_t size)
{
	for (size_t n; size; at += n, to += n, size -= n) {
		const void *from = host(pmu, at, MMU_DATA_LOAD);

		n = in_page(at, size);
		if (!from)
			return false;
		memcpy(to, from, n);
	}
	return true;
}

bool pv_ds_write(struct pv_pmu *pmu, uint64_t at, const void *from, size_t size)
{
	for (size_t n; size; at += n, from += n, size -= n) {
		void *to = host(pmu, at, MMU_DATA_STORE);

		n = in_page(at, size);
		if (!to)
			return false;
		memcpy(to, from, n);
	}
	return true;
}

bool pv_bts_on(const struct pv_pmu *pmu)
{
	return pmu->shape->bts && pmu->debugctl & DEBUGCTL_TR && pmu->debugctl & DEBUGCTL_BTS;
}

void pv_bts_record(struct pv_pmu *pmu, unsigned int kind, uint64_t from, uint64_t to, bool user)
{
	bool broken_level = pmu->broken == PV_BREAK_BTS_LEVEL;
	const uint64_t record[] = {from, pmu->broken == PV_BREAK_BTS_TARGET ? to + 2 : to,
				   pv_mispredicted(pmu, kind) ? 0 : PREDICTED};
	bool ring = !(pmu->debugctl & DEBUGCTL_BTINT);
	uint64_t area = pmu->ds.area;
	struct bts bts;

	/* It is the level that it comes from: a system call leads into a kernel that is left out.
	 */
	if (!pv_bts_on(pmu) ||
	    (pmu->debugctl & (user ? DEBUGCTL_OFF_USR : DEBUGCTL_OFF_OS) && !broken_level))
		return;
	if (pmu->broken == PV_BREAK_BTS_LOST && !(++pmu->ds.told % 16))
		return;
	if (!pv_ds_read(pmu, area, &bts, sizeof(bts)) || bts.index + sizeof(record) > bts.maximum ||
	    !pv_ds_write(pmu, bts.index, record, sizeof(record)))
		return;
	bts.index += sizeof(record);
	if (ring && pmu->broken != PV_BREAK_BTS_RING && bts.index + sizeof(record) > bts.maximum)
		bts.index = bts.base;
	pv_ds_write(pmu, area + offsetof(struct bts, index), &bts.index, sizeof(bts.index));
	pmu->pmi |= !ring && pmu->broken != PV_BREAK_BTS_PMI && bts.index >= bts.threshold;
}

void pv_ds_reset(struct pv_pmu *pmu)
{
	memset(&pmu->ds, 0, sizeof(pmu->ds));
	pmu->pmi = false;
}

static bool canonical(uint64_t address)
{
	return (int64_t)(address << 16) >> 16 == (int64_t)address;
}

enum pv_access pv_ds_wrmsr(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	if (msr != MSR_DS_AREA || !(pmu->shape->bts || pmu->shape->pebs))
		return pv_pebs_wrmsr(pmu, msr, value);
	if (!canonical(value))
		return PV_REFUSED;
	pmu->ds.area = value;
	return PV_DONE;
}

enum pv_access pv_ds_rdmsr(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	if (msr != MSR_DS_AREA || !(pmu->shape->bts || pmu->shape->pebs))
		return pv_pebs_rdmsr(pmu, msr, value);
	*value = pmu->ds.area;
	return PV_DONE;
}
