/* SPDX-License-Identifier: GPL-2.0-only */
/* Workloads of events, windows around them, and what is due in a window. */
#define _GNU_SOURCE
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "arch/work.h"
#include "cases/lib/sys.h"
#include "cases/lib/test.h"

static char watch_place[64] __attribute__((aligned(64)));

void *pv_watch_place(void)
{
	return watch_place;
}

void pv_store(void *addr, unsigned int len, uint64_t n)
{
	pv_sys_work(PV_WORK_STORE, n, addr, len);
}

void pv_load(void *addr, unsigned int len, uint64_t n)
{
	pv_sys_work(PV_WORK_LOAD, n, addr, len);
}

void pv_call(void (*target)(void), uint64_t n)
{
	pv_sys_work(PV_WORK_CALL, n, (void *)(uintptr_t)target, 0);
}

uint64_t pv_loop_insns(uint64_t n)
{
	return PV_LOOP_INSNS * n;
}

void pv_work_event(struct pv_test *t, const struct pv_event_desc *e, uint64_t n)
{
	(void)t;
	if (e->work == PV_WORK_CALL)
		pv_sys_work(e->work, n, (void *)(uintptr_t)pv_probe_target, 0);
	else
		pv_sys_work(e->work, n, watch_place, e->bp_len);
}

void pv_work(struct pv_test *t, uint64_t n)
{
	pv_work_event(t, t->c->event, n);
}

uint64_t pv_work_some(const struct pv_event_desc *e)
{
	static const uint16_t some[] = {
		[PV_WORK_NONE] = 1,     [PV_WORK_LOOP] = 10000, [PV_WORK_SPIN] = 1000,
		[PV_WORK_GETPPID] = 20, [PV_WORK_GETUID] = 20,  [PV_WORK_GETSID] = 20,
		[PV_WORK_TOUCH] = 20,   [PV_WORK_SLEEP] = 4,    [PV_WORK_MIGRATE] = 4,
		[PV_WORK_CALL] = 20,    [PV_WORK_STORE] = 20,   [PV_WORK_LOAD] = 20,
	};

	return some[e->work];
}

/* MIGRATE leaves the thread anywhere. */
static void back_home(const struct pv_test *t, enum pv_work_id work)
{
	cpu_set_t set;

	if (work != PV_WORK_MIGRATE)
		return;
	CPU_ZERO(&set);
	CPU_SET(t->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

struct bracket {
	uint64_t cpu, wall, tsc;
};

static struct bracket bracket_open(void)
{
	return (struct bracket){pv_sys_cputime(), pv_sys_walltime(), pv_sys_tsc()};
}

/* The switch of the whole group is its leader's: siblings are on from the start. */
static void turn(struct pv_test *t, struct pv_ev *ev, unsigned long request)
{
	int err = pv_ioctl(pv_leader(ev), request, 0);

	if (err)
		pv_fail(t, "ioctl PERF_EVENT_IOC_%sABLE: %s",
			request == PERF_EVENT_IOC_ENABLE ? "EN" : "DIS", strerrorname_np(-err));
}

static struct pv_window measure_once(struct pv_test *t, struct pv_ev *ev, uint64_t n,
				     struct bracket at[4])
{
	struct pv_count before, after;

	pv_reset(t, ev);
	before = pv_read(t, ev);
	at[0] = bracket_open();
	turn(t, ev, PERF_EVENT_IOC_ENABLE);
	at[1] = bracket_open();
	pv_work(t, n);
	at[2] = bracket_open();
	turn(t, ev, PERF_EVENT_IOC_DISABLE);
	at[3] = bracket_open();
	after = pv_read(t, ev);
	return (struct pv_window){.value = after.value,
				  .enabled = after.enabled - before.enabled,
				  .running = after.running - before.running};
}

/* Ticks pass on while the task is off its CPU, and no clock says how many: one of many windows
 * passes without a switch. */
#define TSC_WINDOWS 100

static struct pv_window measure_tsc(struct pv_test *t, struct pv_ev *ev, uint64_t n)
{
	uint64_t switches = 0;
	struct bracket at[4];
	struct pv_window w;

	for (int i = 0; i < TSC_WINDOWS; i++) {
		switches = pv_sys_switches();
		w = measure_once(t, ev, n, at);
		switches = pv_sys_switches() - switches;
		if (!switches)
			break;
	}
	w.inner = switches ? 1 : at[2].tsc - at[1].tsc;
	w.outer = at[3].tsc - at[0].tsc;
	return w;
}

struct pv_window pv_measure(struct pv_test *t, struct pv_ev *ev, uint64_t n)
{
	enum pv_relation rel = t->c->event->relation;
	struct pv_count before, after;
	struct bracket at[4];
	struct pv_window w;

	if (rel == PV_REL_TSC)
		return measure_tsc(t, ev, n);
	if (rel == PV_REL_TIME) {
		w = measure_once(t, ev, n, at);
		w.inner = at[2].cpu - at[1].cpu;
		w.outer = at[3].wall - at[0].wall;
		return w;
	}
	pv_reset(t, ev);
	before = pv_read(t, ev);
	turn(t, ev, PERF_EVENT_IOC_ENABLE);
	pv_work(t, n);
	turn(t, ev, PERF_EVENT_IOC_DISABLE);
	after = pv_read(t, ev);
	back_home(t, t->c->event->work);
	return (struct pv_window){.value = after.value,
				  .enabled = after.enabled - before.enabled,
				  .running = after.running - before.running};
}

static bool side_excluded(const struct pv_test *t)
{
	enum pv_side side = t->c->event->side;

	return (t->c->mode == PV_MODE_EXCLUDE_USER && side == PV_SIDE_USER) ||
	       (t->c->mode == PV_MODE_EXCLUDE_KERNEL && side == PV_SIDE_KERNEL);
}

void pv_due(const struct pv_test *t, uint64_t n, uint64_t *lo, uint64_t *hi)
{
	const struct pv_event_desc *e = t->c->event;

	*lo = *hi = n * e->per;
	if (e->relation == PV_REL_ZERO || side_excluded(t)) {
		*lo = *hi = 0;
	} else if (e->work == PV_WORK_LOOP && t->c->mode == PV_MODE_EXCLUDE_USER &&
		   e->side == PV_SIDE_BOTH) {
		/* The loop is user code: without it only the way in and out is left. */
		*lo = 0;
		*hi = n * e->per - 1;
	} else if (e->relation != PV_REL_EXACT || t->c->mode == PV_MODE_CPU) {
		*hi = UINT64_MAX;
	}
}

bool pv_expect_window(struct pv_test *t, const struct pv_window *w, uint64_t n)
{
	enum pv_relation rel = t->c->event->relation;
	/* local_clock() may be up to a tick off the clock source (kernel/sched/clock.c): HZ=100 at
	 * the slowest. */
	uint64_t lo, hi, tick = 10000000;

	pv_due(t, n, &lo, &hi);
	if (rel == PV_REL_TIME) {
		lo = w->inner > tick ? w->inner - tick : 1;
		hi = w->outer + tick;
	} else if (rel == PV_REL_TSC) {
		lo = w->inner;
		hi = w->outer;
	}
	if (!w->value && lo) {
		pv_expect_in(t, "count", 0, lo, hi);
		pv_fail(t, "dead counter: %s opened and counted nothing", t->c->event->name);
	}
	if (lo == hi)
		return pv_expect_eq(t, "count", w->value, lo);
	return pv_expect_in(t, "count", w->value, lo, hi);
}
