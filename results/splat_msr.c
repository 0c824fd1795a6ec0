/* SPDX-License-Identifier: GPL-2.0-only */
/* MSRs of PMUs. arch/x86/include/asm/msr-index.h; facts in pmu/intel, pmu/amd. */
#include "results/splat.h"

static const struct {
	uint32_t first, last;
	const char *name;
} msrs[] = {
	{0x3f1, 0x3f1, "IA32_PEBS_ENABLE"},
	{0x600, 0x600, "IA32_DS_AREA"},
};

const char *pv_msr_name(uint32_t msr)
{
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		if (msr >= msrs[i].first && msr <= msrs[i].last)
			return msrs[i].name;
	}
	return NULL;
}
