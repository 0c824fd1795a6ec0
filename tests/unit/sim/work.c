/* SPDX-License-Identifier: GPL-2.0-only */
/* Workloads: the time they take, and the events that count and overflow meanwhile. */
#define _GNU_SOURCE
#include <sched.h>

#include "arch/work.h"
#include "tests/unit/sim/sim.h"

static const struct sim_unit units[] = {
	[PV_WORK_LOOP] = {.user_ns = 4, .user_insns = PV_LOOP_INSNS},
	[PV_WORK_SPIN] = {.user_ns = 1000, .user_insns = 2000},
	[PV_WORK_GETPPID] = {.user_ns = 20, .kernel_ns = 80, .user_insns = 4, .kernel_insns = 90},
	[PV_WORK_GETUID] = {.user_ns = 20, .kernel_ns = 80, .user_insns = 4, .kernel_insns = 90},
	[PV_WORK_GETSID] = {.user_ns = 20, .kernel_ns = 80, .user_insns = 4, .kernel_insns = 90},
	[PV_WORK_TOUCH] = {.user_ns = 20, .kernel_ns = 500, .user_insns = 9, .kernel_insns = 700},
	[PV_WORK_SLEEP] = {.user_ns = 20, .kernel_ns = 2000, .off_ns = 60000, .user_insns = 9},
	[PV_WORK_MIGRATE] = {.user_ns = 20, .kernel_ns = 3000, .off_ns = 900, .user_insns = 9},
	[PV_WORK_CALL] = {.user_ns = 3, .user_insns = 6},
	[PV_WORK_STORE] = {.user_ns = 1, .user_insns = 3},
	[PV_WORK_LOAD] = {.user_ns = 1, .user_insns = 3},
	[SIM_WORK_SYSCALL] = {.user_ns = 10,
			      .kernel_ns = 100,
			      .user_insns = 7,
			      .kernel_insns = 120},
};

static bool here(const struct sim_event *ev)
{
	if (ev->task >= 0 && ev->task != sim_self)
		return false;
	if (ev->task < 0 && sim_broken(SIM_CPU_WIDE_DEAD))
		return false;
	return ev->cpu < 0 || ev->cpu == sched_getcpu();
}

static void book_time(struct sim_event *ev, const struct sim_unit *u, uint64_t n)
{
	uint64_t ns = n * (u->user_ns + u->kernel_ns + (ev->task < 0 ? u->off_ns : 0));

	if (ev->task >= 0 && ev->task != sim_self)
		return;
	if (sim_broken(SIM_TIME_STANDS))
		return;
	if (sim_effective(ev) || sim_broken(SIM_TIME_RUNS_OFF))
		ev->enabled += ns;
	if (ev->on_counter || sim_broken(SIM_TIME_RUNS_OFF))
		ev->running += ns;
}

static bool each_fires(const struct sim_event *ev)
{
	/* perf_swevent_event(): with period 1, or with the period in the sample. */
	return ev->class == SIM_SWEVENT && !ev->attr.a.freq && ev->period &&
	       (ev->attr.a.sample_type & PERF_SAMPLE_PERIOD || ev->period == 1);
}

/* Units until the first overflow, at most n. */
static uint64_t until_overflow(const struct sim_unit *u, uint64_t n)
{
	for (int i = 0; i < sim->nr_events; i++) {
		const struct sim_event *ev = &sim->event[i];
		uint64_t r, need;

		if (!ev->used || !ev->on_counter || !sim_sampling(ev) || !here(ev))
			continue;
		r = sim_rate(ev, u);
		if (!r)
			continue;
		need = each_fires(ev) || ev->left >= 0 ? 1 : (-ev->left + r - 1) / r;
		n = need < n ? need : n;
	}
	return n;
}

static void book_count(struct sim_event *ev, uint64_t nr)
{
	if (sim_broken(SIM_COUNT_LOSES) && (ev->seen + nr) / 100 != ev->seen / 100)
		nr -= nr ? 1 : 0;
	if (sim_broken(SIM_COUNT_FIRST_TWICE) && !ev->seen)
		nr += nr ? 1 : 0;
	if (sim_broken(SIM_CYCLES_SLOW) && sim_is_cycles(ev))
		nr /= 8;
	if (sim_broken(SIM_COUNT_DRIFTS) && sim_is_hardware(ev))
		nr += nr / 10000;
	ev->seen += nr;
	if (sim_broken(SIM_SIBLING_DEAD) && ev->leader != sim_index(ev))
		return;
	if (sim_broken(SIM_GROUP_LAST_DEAD) && ev->leader != sim_index(ev) &&
	    !sim_next_member(&sim->event[ev->leader], ev))
		return;
	ev->count += nr;
	if (sim_broken(SIM_COUNTS_WHEN_OFF_TOO) && !sim_effective(ev))
		return;
	if (sim_sampling(ev))
		ev->left += nr;
}

/* perf_swevent_set_period(): how many periods are over. */
static uint64_t periods_over(struct sim_event *ev)
{
	uint64_t period = ev->last_period, nr;

	ev->last_period = ev->period;
	if (ev->left < 0)
		return 0;
	nr = (period + ev->left) / period;
	ev->left -= nr * period;
	return nr;
}

static void fire(struct sim_event *ev, const struct sim_unit *u)
{
	struct sim_place at = sim_place_of(ev, u);
	uint64_t period = ev->last_period, nr = 1;

	if (ev->class != SIM_SWEVENT) {
		uint64_t step = ev->period;

		if (ev->class == SIM_CLOCK && step < 10000)
			step = 10000;
		if (ev->class == SIM_CLOCK && sim_broken(SIM_CLOCK_ONE_SAMPLE))
			step = 1ull << 60;
		if (ev->class == SIM_CLOCK && sim_broken(SIM_CLOCK_SAMPLES_TOO_MANY))
			step = 1 + step / 10;
		for (; ev->left >= 0 && sim_effective(ev); ev->left -= step)
			sim_overflow(ev, &at, ev->period);
		return;
	}
	if (each_fires(ev))
		period = 1;
	else
		nr = periods_over(ev);
	while (nr-- && ev->state == SIM_ON)
		sim_overflow(ev, &at, period);
}

static void step(const struct sim_unit *u, uint64_t n)
{
	sim->task[sim_self].cputime += n * (u->user_ns + u->kernel_ns);
	sim->now += n * (u->user_ns + u->kernel_ns + u->off_ns);
	for (int i = 0; i < sim->nr_events; i++) {
		struct sim_event *ev = &sim->event[i];

		if (!ev->used)
			continue;
		book_time(ev, u, n);
		if (here(ev) && (ev->on_counter || sim_broken(SIM_COUNTS_WHEN_OFF_TOO)))
			book_count(ev, n * sim_rate(ev, u));
	}
	/* The last to come is first in the kernel's lists: siblings count before a leader samples.
	 */
	for (int i = sim->nr_events - 1; i >= 0; i--) {
		struct sim_event *ev = &sim->event[i];

		if (ev->used && ev->on_counter && sim_sampling(ev) && here(ev) && sim_rate(ev, u) &&
		    sim_effective(ev) && (ev->left >= 0 || each_fires(ev)))
			fire(ev, u);
	}
}

static void pass(const struct sim_unit *u, uint64_t n)
{
	while (n) {
		uint64_t k;

		sim_schedule();
		k = until_overflow(u, n);
		step(u, k);
		n -= k;
	}
}

void sim_work(enum pv_work_id work, uint64_t n, void *addr, unsigned int len)
{
	struct sim_unit u = units[work];

	if (work == PV_WORK_NONE)
		return;
	u.work = work;
	u.addr = (uintptr_t)addr;
	u.len = len;
	pass(&u, n);
}

void sim_pass_syscall(void)
{
	struct sim_unit u = units[SIM_WORK_SYSCALL];

	u.work = SIM_WORK_SYSCALL;
	pass(&u, 1);
}
