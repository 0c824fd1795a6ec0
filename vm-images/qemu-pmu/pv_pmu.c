/* SPDX-License-Identifier: GPL-2.0-only */
/* The PMU model: its life, its face in CPUID, and the way of an access to it. */
#include "pv_pmu.h"
#include "exec/exec-all.h"
#include "qapi/error.h"
#include "sysemu/cpu-timers.h"
#include "tcg/helper-tcg.h"

#define CPUID_POWER        0x6
#define CPUID_PERFMON      0xa
#define CPUID_ARCH_LBR     0x1c
#define POWER_APERFMPERF   (1u << 0) /* ECX */
#define EBX_IRPERF         (1u << 1) /* CPUID 8000_0008 */
#define MSR_APERF          0xe8
#define MSR_IRPERF         0xc00000e9
#define CPUID_IBS          0x8000001b
#define CPUID_PERFMON_V2   0x80000022
#define ANY_THREAD_GONE    (1u << 15)
#define FIXED_WIDTH_SHIFT  5
#define LBR_DEPTH_SHIFT    4
#define SELECT_CMASK_SHIFT 24
#define SELECT_INV         (1ull << 23)

static const struct pv_shape *find_shape(const char *name, Error **errp)
{
	g_autoptr(GString) names = g_string_new(NULL);

	for (size_t i = 0; i < pv_nr_shapes; i++) {
		if (!strcmp(pv_shapes[i].name, name))
			return &pv_shapes[i];
		g_string_append_printf(names, " %s", pv_shapes[i].name);
	}
	error_setg(errp, "pv-pmu=%s: no such PMU; there are:%s", name, names->str);
	return NULL;
}

/* CPU identity and features are the shape's, whatever -cpu says. */
static void show(CPUX86State *env, const struct pv_shape *shape)
{
	static const char vendors[2][12] = {"GenuineIntel", "AuthenticAMD"};
	const char *vendor = vendors[shape->amd];

	memcpy(&env->cpuid_vendor1, vendor, 4);
	memcpy(&env->cpuid_vendor2, vendor + 4, 4);
	memcpy(&env->cpuid_vendor3, vendor + 8, 4);
	env->cpuid_version = shape->signature;
	if (pv_runs(shape, MSR_APERF))
		env->cpuid_level = MAX(env->cpuid_level, CPUID_POWER);
	if (pv_runs(shape, MSR_IRPERF))
		env->features[FEAT_8000_0008_EBX] |= EBX_IRPERF;
	if (shape->amd) {
		env->features[FEAT_8000_0001_ECX] |= CPUID_EXT3_PERFCORE;
		if (shape->ibs) {
			env->features[FEAT_8000_0001_ECX] |= CPUID_EXT3_IBS;
			env->cpuid_xlevel = MAX(env->cpuid_xlevel, CPUID_IBS);
		}
		if (shape->perfmon >= 2)
			env->cpuid_xlevel = MAX(env->cpuid_xlevel, CPUID_PERFMON_V2);
	} else {
		env->features[FEAT_1_ECX] |= CPUID_EXT_PDCM;
		/* Without it QEMU hides that bit; it shows no PMU of its own under TCG. */
		env_archcpu(env)->enable_pmu = true;
		env->cpuid_level = MAX(env->cpuid_level, CPUID_PERFMON);
		if (shape->bts || shape->pebs) {
			env->features[FEAT_1_EDX] |= CPUID_DTS;
			env->features[FEAT_1_ECX] |= CPUID_EXT_DTES64 | CPUID_EXT_DSCPL;
		}
		if (shape->lbr_arch) {
			env->features[FEAT_7_0_EDX] |= CPUID_7_0_EDX_ARCH_LBR;
			env->cpuid_level = MAX(env->cpuid_level, CPUID_ARCH_LBR);
		}
	}
}

bool pv_pmu_realize(X86CPU *cpu, Error **errp)
{
	CPUX86State *env = &cpu->env;
	const struct pv_shape *shape;
	struct pv_pmu *pmu;

	if (!cpu->pv_pmu_shape)
		return true;
	shape = find_shape(cpu->pv_pmu_shape, errp);
	if (!shape)
		return false;
	if (icount_enabled() != 1) {
		error_setg(errp, "pv-pmu counts instructions: it needs -icount shift=N");
		return false;
	}
	pmu = g_new0(struct pv_pmu, 1);
	pmu->env = env;
	pmu->shape = shape;
	if (!pv_break_parse(pmu, cpu->pv_pmu_break, errp)) {
		g_free(pmu);
		return false;
	}
	pmu->armed = INT64_MAX;
	pmu->timer = timer_new_ns(QEMU_CLOCK_VIRTUAL, pv_timer, pmu);
	if (cpu->pv_pmu_log) {
		pmu->log_file = fopen(cpu->pv_pmu_log, "a");
		if (!pmu->log_file) {
			error_setg_file_open(errp, errno, cpu->pv_pmu_log);
			return false;
		}
		setvbuf(pmu->log_file, NULL, _IOLBF, 0);
	}
	env->pv.pmu = pmu;
	show(env, shape);
	return true;
}

void pv_pmu_reset(CPUX86State *env)
{
	struct pv_pmu *pmu = env->pv.pmu;

	if (!pmu)
		return;
	pmu->global_status = pmu->fixed_ctrl = pmu->debugctl = 0;
	/* SDM table 10-1: after a reset all general counters are on; PerfMonV2's are off. */
	pmu->global_ctrl = pmu->shape->amd ? 0 : (1ull << pmu->shape->counters) - 1;
	memset(pmu->counters, 0, sizeof(pmu->counters));
	pv_lbr_reset(pmu);
	pv_ds_reset(pmu);
	pv_ibs_reset(pmu);
	pv_uncore_reset(pmu);
	for (size_t i = 0; i < pmu->shape->nr_msrs; i++)
		pmu->storage[i] = pmu->shape->msrs[i].reset;
	env->pv.branch = 0;
	pmu->mode = PV_MODE_KERNEL;
	pmu->svme = false;
	pmu->armed = INT64_MAX;
	timer_del(pmu->timer);
	pv_reconfigure(pmu);
}

bool pv_pmu_cpuid(CPUX86State *env, uint32_t index, uint32_t count, uint32_t *eax, uint32_t *ebx,
		  uint32_t *ecx, uint32_t *edx)
{
	const struct pv_shape *s;

	if (!env->pv.pmu)
		return false;
	s = env->pv.pmu->shape;
	if (!s->amd && s->lbr_arch && index == CPUID_ARCH_LBR) {
		*eax = PV_LBR_DEPTHS;
		*ebx = 7; /* filters by level and kind, call stack */
		*ecx = 5; /* mispredicted, kind; not timed */
		*edx = 0;
		return true;
	}
	if (index == CPUID_POWER && pv_runs(s, MSR_APERF)) {
		*eax = env->features[FEAT_6_EAX];
		*ebx = *edx = 0;
		*ecx = POWER_APERFMPERF;
		return true;
	}
	if (s->ibs && index == CPUID_IBS) {
		*eax = s->ibs;
		*ebx = *ecx = *edx = 0;
		return true;
	}
	if (s->amd ? index != CPUID_PERFMON_V2 || s->perfmon < 2 : index != CPUID_PERFMON)
		return false;
	*eax = *ebx = *ecx = *edx = 0;
	if (s->amd) {
		/* PerfMonV2, LBRv2, a freeze of both. */
		*eax = 1 | (s->lbr_depth ? 2 : 0) |
		       (s->debugctl_valid & PV_DEBUGCTL_FREEZE ? 4 : 0);
		*ebx = s->counters | s->lbr_depth << LBR_DEPTH_SHIFT;
		return true;
	}
	*eax = s->perfmon | s->counters << 8 | s->width << 16 | s->arch_events << 24;
	*edx = s->fixed | s->width << FIXED_WIDTH_SHIFT;
	if (s->perfmon >= 5) {
		*ecx = (1u << s->fixed) - 1;
		*edx |= ANY_THREAD_GONE;
	}
	return true;
}

const struct pv_event *pv_event_of(const struct pv_shape *shape, uint64_t select)
{
	for (size_t i = 0; i < shape->nr_events; i++)
		if (shape->events[i].select == (select & shape->select_mask))
			return &shape->events[i];
	return NULL;
}

/*
 * A cycle shows each occurrence of an event for itself. So a threshold of one changes nothing, a
 * higher one is never met, and inverted it is always met: cycles.
 */
const struct pv_source *pv_source_of(const struct pv_shape *shape, uint64_t select)
{
	static const struct pv_source cycles = {PV_BASE_TIME, 0, 1, 1};
	unsigned int threshold = select >> SELECT_CMASK_SHIFT & 0xff;
	const struct pv_event *event;

	if (threshold && select & SELECT_INV)
		return &cycles;
	if (threshold > 1)
		return NULL;
	event = pv_event_of(shape, select);
	return event ? &event->source : NULL;
}

static void note(struct pv_pmu *pmu, char what, uint32_t msr, uint64_t value, enum pv_access done)
{
	/* The kernel reads APERF and MPERF in each tick, whoever counts. */
	if (done != PV_NOT_OURS && !pv_runs(pmu->shape, msr))
		pv_log(pmu, what, msr, value, done == PV_REFUSED);
}

static const struct pv_msr *stored(const struct pv_shape *s, uint32_t msr)
{
	for (size_t i = 0; i < s->nr_msrs; i++)
		if (s->msrs[i].address == msr)
			return &s->msrs[i];
	return NULL;
}

bool pv_pmu_wrmsr(CPUX86State *env, uint32_t msr, uint64_t value, uintptr_t ra)
{
	struct pv_pmu *pmu = env->pv.pmu;
	const struct pv_msr *plain;
	enum pv_access done;

	if (!pmu)
		return false;
	plain = stored(pmu->shape, msr);
	if (plain) {
		done = plain->read_only || value & plain->reserved ? PV_REFUSED : PV_DONE;
		if (done == PV_DONE) {
			pv_sync(pmu);
			pmu->storage[plain - pmu->shape->msrs] = value;
			pv_reconfigure(pmu);
		}
		note(pmu, 'w', msr, value, done);
	} else {
		pv_sync(pmu);
		done = pv_uncore_write(pmu, msr, value);
		if (done == PV_NOT_OURS)
			done = pmu->shape->amd ? pv_amd_write(pmu, msr, value)
					       : pv_intel_write(pmu, msr, value);
		note(pmu, 'w', msr, value, done);
		if (done == PV_DONE)
			pv_reconfigure(pmu);
	}
	if (done == PV_REFUSED)
		raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
	return done == PV_DONE;
}

bool pv_pmu_rdmsr(CPUX86State *env, uint32_t msr, uint64_t *value, uintptr_t ra)
{
	struct pv_pmu *pmu = env->pv.pmu;
	const struct pv_msr *plain;
	enum pv_access done = PV_DONE;

	if (!pmu)
		return false;
	plain = stored(pmu->shape, msr);
	if (plain) {
		*value = pmu->storage[plain - pmu->shape->msrs];
	} else {
		pv_sync(pmu);
		done = pv_uncore_read(pmu, msr, value);
		if (done == PV_NOT_OURS)
			done = pmu->shape->amd ? pv_amd_read(pmu, msr, value)
					       : pv_intel_read(pmu, msr, value);
	}
	note(pmu, 'r', msr, *value, done);
	if (done == PV_REFUSED)
		raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
	return done == PV_DONE;
}

bool pv_pmu_rdpmc(CPUX86State *env, uintptr_t ra)
{
	struct pv_pmu *pmu = env->pv.pmu;
	uint32_t index = env->regs[R_ECX];
	uint64_t value = 0;
	enum pv_access done;

	if (!pmu)
		return false;
	if (!pv_log_rdpmc(pmu, index, &value)) {
		pv_sync(pmu);
		done = pmu->shape->amd ? pv_amd_rdpmc(pmu, index, &value)
				       : pv_intel_rdpmc(pmu, index, &value);
		note(pmu, 'p', index, value, done);
		if (done == PV_REFUSED)
			raise_exception_err_ra(env, EXCP0D_GPF, 0, ra);
	}
	env->regs[R_EAX] = (uint32_t)value;
	env->regs[R_EDX] = value >> 32;
	return true;
}
