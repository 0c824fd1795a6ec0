/* SPDX-License-Identifier: GPL-2.0-only */
/* MSRs that PMU drivers and hypervisors touch; names of the manuals and
 * arch/x86/include/asm/msr-index.h. */
#include <stdio.h>

#include "results/splat.h"

/* clang-format off */
static const struct {
	uint32_t first, count, step;
	const char *name; /* %u: which of several */
} msrs[] = {
	/* Intel */
	{0x0c1, 8, 1, "IA32_PMC%u"}, {0x186, 8, 1, "IA32_PERFEVTSEL%u"}, {0x4c1, 8, 1, "IA32_A_PMC%u"},
	{0x309, 16, 1, "IA32_FIXED_CTR%u"}, {0x329, 1, 1, "IA32_PERF_METRICS"}, {0x345, 1, 1, "IA32_PERF_CAPABILITIES"},
	{0x38d, 1, 1, "IA32_FIXED_CTR_CTRL"}, {0x38e, 1, 1, "IA32_PERF_GLOBAL_STATUS"}, {0x38f, 1, 1, "IA32_PERF_GLOBAL_CTRL"},
	{0x390, 1, 1, "IA32_PERF_GLOBAL_OVF_CTRL"}, {0x391, 1, 1, "IA32_PERF_GLOBAL_STATUS_SET"}, {0x392, 1, 1, "IA32_PERF_GLOBAL_INUSE"},
	{0x1900, 16, 4, "IA32_PMC_GP%u_CTR"}, {0x1901, 16, 4, "IA32_PMC_GP%u_CFG_A"}, {0x1902, 16, 4, "IA32_PMC_GP%u_CFG_B"},
	{0x1903, 16, 4, "IA32_PMC_GP%u_CFG_C"}, {0x1980, 16, 4, "IA32_PMC_FX%u_CTR"}, {0x1982, 16, 4, "IA32_PMC_FX%u_CFG_B"},
	{0x1983, 16, 4, "IA32_PMC_FX%u_CFG_C"},
	{0x3f1, 1, 1, "IA32_PEBS_ENABLE"}, {0x3f2, 1, 1, "MSR_PEBS_DATA_CFG"}, {0x3f4, 1, 1, "IA32_PEBS_BASE"}, {0x3f5, 1, 1, "IA32_PEBS_INDEX"},
	{0x3f6, 1, 1, "MSR_PEBS_LD_LAT"}, {0x3f7, 1, 1, "MSR_PEBS_FRONTEND"}, {0x600, 1, 1, "IA32_DS_AREA"}, {0x14c1, 8, 1, "MSR_RELOAD_PMC%u"},
	{0x1309, 8, 1, "MSR_RELOAD_FIXED_CTR%u"}, {0x14e1, 1, 1, "MSR_PEBS_VIA_PT_CTL"}, {0x1a6, 2, 1, "MSR_OFFCORE_RSP_%u"},
	{0x1a0, 1, 1, "IA32_MISC_ENABLE"}, {0x1d9, 1, 1, "IA32_DEBUGCTL"}, {0x1c8, 1, 1, "MSR_LBR_SELECT"}, {0x1c9, 1, 1, "MSR_LBR_TOS"},
	{0x40, 8, 1, "MSR_LBR_CORE_FROM_%u"}, {0x60, 8, 1, "MSR_LBR_CORE_TO_%u"}, {0x680, 32, 1, "MSR_LBR_NHM_FROM_%u"},
	{0x6c0, 32, 1, "MSR_LBR_NHM_TO_%u"}, {0xdc0, 32, 1, "MSR_LBR_INFO_%u"}, {0x14ce, 1, 1, "IA32_LBR_CTL"}, {0x14cf, 1, 1, "IA32_LBR_DEPTH"},
	{0x1200, 32, 1, "IA32_LBR_%u_INFO"}, {0x1500, 32, 1, "IA32_LBR_%u_FROM_IP"}, {0x1600, 32, 1, "IA32_LBR_%u_TO_IP"},
	{0x560, 1, 1, "IA32_RTIT_OUTPUT_BASE"}, {0x561, 1, 1, "IA32_RTIT_OUTPUT_MASK_PTRS"}, {0x570, 1, 1, "IA32_RTIT_CTL"},
	{0x571, 1, 1, "IA32_RTIT_STATUS"}, {0x572, 1, 1, "IA32_RTIT_CR3_MATCH"}, {0x580, 4, 2, "IA32_RTIT_ADDR%u_A"}, {0x581, 4, 2, "IA32_RTIT_ADDR%u_B"},
	{0x0e7, 1, 1, "IA32_MPERF"}, {0x0e8, 1, 1, "IA32_APERF"}, {0x34, 1, 1, "MSR_SMI_COUNT"}, {0x660, 1, 1, "MSR_CORE_C1_RES"},
	{0x3fc, 1, 1, "MSR_CORE_C3_RESIDENCY"}, {0x3fd, 1, 1, "MSR_CORE_C6_RESIDENCY"}, {0x3fe, 1, 1, "MSR_CORE_C7_RESIDENCY"},
	/* AMD */
	{0xc0010000, 4, 1, "MSR_K7_EVNTSEL%u"}, {0xc0010004, 4, 1, "MSR_K7_PERFCTR%u"}, {0xc0010200, 6, 2, "PERF_CTL%u"},
	{0xc0010201, 6, 2, "PERF_CTR%u"}, {0xc0010230, 6, 2, "L3_PERF_CTL%u"}, {0xc0010231, 6, 2, "L3_PERF_CTR%u"},
	{0xc0010240, 4, 2, "NB_PERF_CTL%u"}, {0xc0010241, 4, 2, "NB_PERF_CTR%u"}, {0xc0000300, 1, 1, "PERF_CNTR_GLOBAL_STATUS"},
	{0xc0000301, 1, 1, "PERF_CNTR_GLOBAL_CTL"}, {0xc0000302, 1, 1, "PERF_CNTR_GLOBAL_STATUS_CLR"}, {0xc0000303, 1, 1, "PERF_CNTR_GLOBAL_STATUS_SET"},
	{0xc000010e, 1, 1, "LBR_SELECT"}, {0xc000010f, 1, 1, "DBG_EXTN_CFG"}, {0xc0010300, 16, 2, "LBR_FROM%u"}, {0xc0010301, 16, 2, "LBR_TO%u"},
	{0xc0011030, 1, 1, "IBS_FETCH_CTL"}, {0xc0011031, 1, 1, "IBS_FETCH_LINADDR"}, {0xc0011033, 1, 1, "IBS_OP_CTL"}, {0xc0011034, 1, 1, "IBS_OP_RIP"},
	{0xc0011035, 3, 1, "IBS_OP_DATA%u"}, {0xc001103a, 1, 1, "IBS_CTL"}, {0xc001103b, 1, 1, "IBS_BR_TARGET"}, {0xc001103d, 1, 1, "IBS_OP_DATA4"},
};
/* clang-format on */

bool pv_msr_name(char *dst, size_t size, uint32_t msr)
{
	for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		uint32_t n = (msr - msrs[i].first) / msrs[i].step;

		if (msr < msrs[i].first || (msr - msrs[i].first) % msrs[i].step ||
		    n >= msrs[i].count)
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(dst, size, msrs[i].name, n);
#pragma GCC diagnostic pop
		return true;
	}
	return false;
}
