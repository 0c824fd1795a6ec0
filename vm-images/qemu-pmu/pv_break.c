/* SPDX-License-Identifier: GPL-2.0-only */
/* -cpu pv-pmu-break=NAME: one promise of the model is broken, so that the case that owns it can be
 * seen to turn red. */
#include "pv_pmu.h"
#include "qapi/error.h"

static const char *const names[PV_BREAKS] = {
	[PV_BREAK_BTS_TARGET] = "bts-target",   [PV_BREAK_BTS_LOST] = "bts-lost",
	[PV_BREAK_BTS_PMI] = "bts-pmi",         [PV_BREAK_BTS_LEVEL] = "bts-level",
	[PV_BREAK_BTS_RING] = "bts-ring",       [PV_BREAK_PEBS_IP] = "pebs-ip",
	[PV_BREAK_PEBS_REGS] = "pebs-regs",     [PV_BREAK_PEBS_ADDRESS] = "pebs-address",
	[PV_BREAK_PEBS_TIME] = "pebs-time",     [PV_BREAK_PEBS_RELOAD] = "pebs-reload",
	[PV_BREAK_PEBS_LOST] = "pebs-lost",     [PV_BREAK_PEBS_LATENCY] = "pebs-latency",
	[PV_BREAK_LBR_ORDER] = "lbr-order",     [PV_BREAK_LBR_SELECT] = "lbr-select",
	[PV_BREAK_LBR_FREEZE] = "lbr-freeze",   [PV_BREAK_IBS_PERIOD] = "ibs-period",
	[PV_BREAK_IBS_RIP] = "ibs-rip",         [PV_BREAK_IBS_TARGET] = "ibs-target",
	[PV_BREAK_IBS_ADDRESS] = "ibs-address", [PV_BREAK_IBS_LATENCY] = "ibs-latency",
	[PV_BREAK_IBS_L3] = "ibs-l3",           [PV_BREAK_RUNNING] = "running",
	[PV_BREAK_BOX_SHARE] = "box-share",     [PV_BREAK_BOX_CLOCK] = "box-clock",
};

bool pv_break_parse(struct pv_pmu *pmu, const char *name, Error **errp)
{
	g_autoptr(GString) all = g_string_new(NULL);

	pmu->broken = PV_BREAKS;
	if (!name)
		return true;
	for (unsigned int i = 0; i < PV_BREAKS; i++) {
		g_string_append_printf(all, " %s", names[i]);
		if (!strcmp(name, names[i]))
			pmu->broken = i;
	}
	if (pmu->broken == PV_BREAKS)
		error_setg(errp, "pv-pmu-break=%s: no such promise; there are:%s", name, all->str);
	return pmu->broken != PV_BREAKS;
}
