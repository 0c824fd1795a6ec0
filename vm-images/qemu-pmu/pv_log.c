/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The access log: to a file (pv-pmu-log=), and in memory for the guest itself, which reads it by
 * rdpmc with an index that no CPU has. So a case can say what the driver has done, and reading it
 * is no access and disturbs nothing.
 */
#include "pv_pmu.h"
#include "sysemu/cpu-timers.h"

#define LOG_INDEX   0x70760000u /* "pv" */
#define LOG_KEPT    65536
#define LOG_PRESENT 0x70762d6c6f67ull /* "pv-log" */

enum {
	OP_PRESENT,
	OP_START,
	OP_STOP,
	OP_NEXT, /* takes an entry: what << 32 | register, bit 63 when it was refused; 0: none */
	OP_TIME, /* of the entry taken last */
	OP_RIP,
	OP_VALUE,
	OP_LOST,
	NR_OPS,
};

struct entry {
	int64_t time;
	uint64_t rip, value, key;
};

struct pv_log {
	bool on;
	size_t n, taken;
	uint64_t lost;
	struct entry entries[LOG_KEPT];
};

void pv_log(struct pv_pmu *pmu, char what, uint32_t msr, uint64_t value, bool refused)
{
	CPUState *cs = env_cpu(pmu->env);
	struct pv_log *log = pmu->log;
	int64_t now;

	if (!pmu->log_file && !(log && log->on))
		return;
	now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
	if (pmu->log_file)
		fprintf(pmu->log_file, "%" PRIi64 " %d %" PRIx64 " %c %x %" PRIx64 "%s\n", now,
			cs->cpu_index, (uint64_t)pmu->env->eip, what, msr, value,
			refused ? " gp" : "");
	if (!log || !log->on)
		return;
	if (log->n == LOG_KEPT) {
		log->lost++;
		return;
	}
	log->entries[log->n++] = (struct entry){
		.time = now,
		.rip = pmu->env->eip,
		.value = value,
		.key = (uint64_t)what << 32 | msr | (uint64_t)refused << 63,
	};
}

static uint64_t serve(struct pv_log *log, unsigned int op)
{
	const struct entry *last = log->taken ? &log->entries[log->taken - 1] : NULL;

	switch (op) {
	case OP_PRESENT:
		return LOG_PRESENT;
	case OP_START:
		log->n = log->taken = log->lost = 0;
		log->on = true;
		return 0;
	case OP_STOP:
		log->on = false;
		return log->n;
	case OP_NEXT:
		return log->taken < log->n ? log->entries[log->taken++].key : 0;
	case OP_TIME:
		return last ? last->time : 0;
	case OP_RIP:
		return last ? last->rip : 0;
	case OP_VALUE:
		return last ? last->value : 0;
	default:
		return log->lost;
	}
}

bool pv_log_rdpmc(struct pv_pmu *pmu, uint32_t index, uint64_t *value)
{
	if (index < LOG_INDEX || index >= LOG_INDEX + NR_OPS)
		return false;
	if (!pmu->log)
		pmu->log = g_new0(struct pv_log, 1);
	*value = serve(pmu->log, index - LOG_INDEX);
	return true;
}
