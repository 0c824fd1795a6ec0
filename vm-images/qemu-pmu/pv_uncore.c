/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Registers that run by themselves (APERF, MPERF, energy), each CPU's own; and boxes of counters
 * outside of the cores, which are there once: what they count is the sum over all CPUs, or the
 * virtual clock, which goes on while they are halted. Of an event that many boxes share each box
 * sees its part in turns. No box interrupts.
 */
#include "pv_pmu.h"
#include "sysemu/cpu-timers.h"

#define BOX_EN (1ull << 22)

static struct box_counter {
	uint64_t control, value;
	uint64_t from; /* what the event stood at when `value` was right */
} counters[PV_MAX_BOX_TYPES][PV_MAX_BOXES][PV_MAX_BOX_COUNTERS];

static uint64_t low_bits(unsigned int width)
{
	return width < 64 ? (1ull << width) - 1 : ~0ull;
}

static uint64_t clock_now(void)
{
	return qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
}

static uint64_t own(struct pv_pmu *pmu, const struct pv_source *source)
{
	struct pv_totals totals = pv_totals(pmu);

	return pv_scaled(source, source->base == PV_BASE_CLOCK   ? clock_now()
				 : source->base == PV_BASE_INSNS ? totals.insns
								 : totals.time);
}

static uint64_t of_all(const struct pv_source *source, bool halts)
{
	uint64_t sum = 0;
	CPUState *cs;

	if (source->base == PV_BASE_CLOCK && !halts)
		return pv_scaled(source, clock_now());
	CPU_FOREACH(cs)
	{
		struct pv_pmu *pmu = X86_CPU(cs)->env.pv.pmu;
		struct pv_totals totals = pv_totals(pmu);

		sum += source->base == PV_BASE_INSNS ? totals.insns : totals.time;
	}
	return pv_scaled(source, sum);
}

/* ---- what runs by itself ---- */

static const struct pv_running *running(const struct pv_shape *s, uint32_t msr)
{
	for (size_t i = 0; i < s->nr_running; i++)
		if (s->running[i].address == msr)
			return &s->running[i];
	return NULL;
}

bool pv_runs(const struct pv_shape *s, uint32_t msr)
{
	return running(s, msr);
}

/* ---- boxes ---- */

struct place {
	const struct pv_box *type;
	struct box_counter *c;
	unsigned int box;
	bool control;
};

static bool find(const struct pv_shape *s, uint32_t msr, struct place *at)
{
	for (size_t t = 0; t < s->nr_boxes; t++) {
		const struct pv_box *type = &s->boxes[t];

		for (unsigned int box = 0; box < type->number; box++) {
			uint32_t control = msr - type->control - box * type->stride;
			uint32_t counter = msr - type->counter - box * type->stride;
			uint32_t n = MIN(control, counter);

			if (n >= type->counters)
				continue;
			*at = (struct place){type, &counters[t][box][n], box, n == control};
			return true;
		}
	}
	return false;
}

/* How often the chosen event has happened in that box. */
static uint64_t events_of(const struct pv_pmu *pmu, const struct place *at)
{
	const struct pv_box *type = at->type;
	unsigned int boxes = pmu->broken == PV_BREAK_BOX_SHARE ? 1 : type->number;

	for (size_t i = 0; i < type->nr_events; i++) {
		const struct pv_event *e = &type->events[i];

		if (e->select == (at->c->control & 0xffff))
			return (of_all(&e->source, pmu->broken == PV_BREAK_BOX_CLOCK) +
				type->number - 1 - at->box) /
			       boxes;
	}
	return 0;
}

static uint64_t value_of(const struct pv_pmu *pmu, const struct place *at)
{
	uint64_t more = at->c->control & BOX_EN ? events_of(pmu, at) - at->c->from : 0;

	return (at->c->value + more) & low_bits(at->type->width);
}

void pv_uncore_reset(struct pv_pmu *pmu)
{
	memset(pmu->running, 0, sizeof(pmu->running));
	if (!env_cpu(pmu->env)->cpu_index)
		memset(counters, 0, sizeof(counters));
}

enum pv_access pv_uncore_write(struct pv_pmu *pmu, uint32_t msr, uint64_t value)
{
	const struct pv_running *r = running(pmu->shape, msr);
	struct place at;

	if (r) {
		if (!r->writable)
			return PV_REFUSED;
		pmu->running[r - pmu->shape->running] = value - own(pmu, &r->source);
		return PV_DONE;
	}
	if (!find(pmu->shape, msr, &at))
		return PV_NOT_OURS;
	if (value & ~(at.control ? at.type->valid : low_bits(at.type->width)))
		return PV_REFUSED;
	at.c->value = at.control ? value_of(pmu, &at) : value;
	if (at.control)
		at.c->control = value;
	at.c->from = events_of(pmu, &at);
	return PV_DONE;
}

enum pv_access pv_uncore_read(struct pv_pmu *pmu, uint32_t msr, uint64_t *value)
{
	const struct pv_running *r = running(pmu->shape, msr);
	struct place at;

	if (r)
		*value = (own(pmu, &r->source) * (pmu->broken == PV_BREAK_RUNNING ? 2 : 1) +
			  pmu->running[r - pmu->shape->running]) &
			 low_bits(r->width);
	else if (find(pmu->shape, msr, &at))
		*value = at.control ? at.c->control : value_of(pmu, &at);
	else
		return PV_NOT_OURS;
	return PV_DONE;
}
