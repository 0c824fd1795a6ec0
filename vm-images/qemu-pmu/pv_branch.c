/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Branches. Translated code tells of them only while an event needs it (CF_PV_BRANCHES): a branch
 * ends its translation block, so it says where it stands and of which kind it is before it does
 * anything, and the next block, an interrupt or the timer settles it. One that faults has not
 * retired: an exception at its own address, or the restored state, takes it back.
 */
#include "pv_pmu.h"
#include "exec/exec-all.h"
#include "exec/helper-proto.h"

static void settle_branch(struct pv_pmu *pmu)
{
	struct pv_env *pv = &pmu->env->pv;
	uint32_t kind = pv->branch & (PV_BR_COUNTED - 1);
	bool to_next, user;

	if (!kind)
		return;
	to_next = pmu->env->eip == pv->from + PV_LENGTH_OF(pv->branch);
	user = pv->branch & PV_BR_COUNTED ? pv->branch & PV_BR_USER : pmu->mode & PV_MODE_USER;
	if (kind == PV_BR_TAKEN && to_next)
		kind = PV_BR_NOT_TAKEN;
	if (!(pv->branch & PV_BR_COUNTED))
		pmu->branches[ctz32(kind)]++;
	pv->branch = 0;
	pv_ibs_branch(pmu, ctz32(kind), pv->from, pmu->env->eip, pv_mispredicted(pmu, ctz32(kind)));
	if (kind == PV_BR_NOT_TAKEN)
		return;
	pv_lbr_record(pmu, ctz32(kind), pv->from, pmu->env->eip, to_next);
	pv_bts_record(pmu, ctz32(kind), pv->from, pmu->env->eip, user);
}

void pv_boundary(struct pv_pmu *pmu)
{
	pv_access_settle(pmu);
	settle_branch(pmu);
	pv_sync(pmu);
	if (pmu->ds.pending) {
		pv_pebs_flush(pmu);
		pv_sync(pmu);
	}
	pv_arm(pmu);
}

/* At the begin of each translation block that tells of branches or accesses. */
void helper_pv_branch(CPUX86State *env)
{
	struct pv_pmu *pmu = env->pv.pmu;
	CPUState *cs = env_cpu(env);

	if (!env->pv.branch && !env->pv.access)
		return;
	pv_access_settle(pmu);
	settle_branch(pmu);
	if (--pmu->branch_room && !pmu->pmi)
		return;
	/* A counter may be full: look from a place where an interrupt can be raised. */
	cpu_restore_state(cs, GETPC());
	pv_boundary(pmu);
	cs->exception_index = -1;
	cpu_loop_exit(cs);
}

void pv_pmu_interrupted(CPUX86State *env, bool is_int, bool is_hw)
{
	struct pv_pmu *pmu = env->pv.pmu;

	if (!pmu)
		return;
	if (env->pv.branch && !is_int && !is_hw && env->eip == env->pv.from)
		env->pv.branch = 0;
	/* What a software interrupt does is not over. */
	if (!is_int) {
		pv_access_settle(pmu);
		settle_branch(pmu);
		if (pmu->shape->bts || pmu->shape->pebs)
			pv_boundary(pmu);
	}
	/* The way into the handler is a branch to the records, and no instruction. */
	if (!is_int && (pv_lbr_on(pmu) || pv_bts_on(pmu))) {
		env->pv.from = env->eip;
		env->pv.branch =
			PV_BR_EVENT | PV_BR_COUNTED | (pmu->mode & PV_MODE_USER ? PV_BR_USER : 0);
	}
	if (!is_int)
		pv_ibs_interrupted(pmu);
	/* Out of a halt the mode may stay the same. */
	pv_arm(pmu);
}
