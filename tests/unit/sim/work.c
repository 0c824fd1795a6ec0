/* SPDX-License-Identifier: GPL-2.0-only */
/* What workloads make events count, and the time they take. */
#define _GNU_SOURCE
#include <link.h>
#include <sched.h>
#include <string.h>

#include "arch/work.h"
#include "tests/unit/sim/sim.h"

/* PV_WORK_* end before this: the cost of a system call itself. */
#define WORK_SYSCALL (PV_WORK_LOAD + 1u)

/* One unit of a workload. Nanoseconds and instructions are arbitrary but fixed. */
struct unit {
	unsigned int work;
	uint64_t user_ns, kernel_ns, off_ns, user_insns, kernel_insns;
	uint64_t addr;
	unsigned int len;
};

static const struct unit units[] = {
	[PV_WORK_LOOP] = {.user_ns = 1, .user_insns = PV_LOOP_INSNS},
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
	[WORK_SYSCALL] = {.user_ns = 10, .kernel_ns = 100, .user_insns = 7, .kernel_insns = 120},
};

/* Occurrences for one unit. */
struct sides {
	uint64_t user, kernel;
};

static bool is_syscall(unsigned int work)
{
	return work == PV_WORK_GETPPID || work == PV_WORK_GETUID || work == PV_WORK_GETSID ||
	       work == WORK_SYSCALL;
}

static struct sides software(const struct sim_event *ev, const struct unit *u)
{
	uint64_t busy = u->user_ns + u->kernel_ns;

	switch (ev->attr.a.config) {
	case PERF_COUNT_SW_CPU_CLOCK:
	case PERF_COUNT_SW_TASK_CLOCK:
		busy += ev->task < 0 ? u->off_ns : 0;
		if (sim_broken(SIM_CLOCK_FAST))
			return (struct sides){1000 * busy, 0};
		return (struct sides){sim_broken(SIM_CLOCK_STANDS) ? busy / 100 : busy, 0};
	case PERF_COUNT_SW_PAGE_FAULTS:
	case PERF_COUNT_SW_PAGE_FAULTS_MIN:
		return (struct sides){u->work == PV_WORK_TOUCH, 0};
	case PERF_COUNT_SW_CONTEXT_SWITCHES:
		return (struct sides){0, u->work == PV_WORK_SLEEP || u->work == PV_WORK_MIGRATE};
	case PERF_COUNT_SW_CPU_MIGRATIONS:
		return (struct sides){0, u->work == PV_WORK_MIGRATE};
	}
	return (struct sides){sim_broken(SIM_ZERO_COUNTS), 0};
}

static struct sides tracepoint(const struct sim_event *ev, const struct unit *u)
{
	const struct sim_tracepoint *tp = sim_tracepoint(ev->attr.a.config);
	bool hit = tp && (tp->any_syscall ? is_syscall(u->work) : tp->work == u->work);

	if (sim_broken(SIM_TP_FIRES_FOR_OTHERS) && tp && is_syscall(u->work))
		hit = true;
	/* A system call's own tracepoints hand on the registers of the user. */
	return tp && tp->user ? (struct sides){hit, 0} : (struct sides){0, hit};
}

static bool overlap(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return a < b + blen && b < a + alen;
}

static struct sides breakpoint(const struct sim_event *ev, const struct unit *u)
{
	const struct perf_event_attr *a = &ev->attr.a;
	uint64_t start = a->bp_addr, len = a->bp_len;
	bool hit;

	if (a->bp_type == HW_BREAKPOINT_X) {
		hit = u->work == PV_WORK_CALL &&
		      (u->addr == start || sim_broken(SIM_BP_EXEC_ELSEWHERE));
		return (struct sides){hit, 0};
	}
	if (sim_broken(SIM_BP_BYTE_BEHIND))
		len++;
	if (sim_broken(SIM_BP_BYTE_BEFORE))
		start--, len++;
	if (sim_broken(SIM_BP_FIRST_BYTE_ONLY))
		len = 1;
	hit = (u->work == PV_WORK_STORE && a->bp_type & HW_BREAKPOINT_W) ||
	      (u->work == PV_WORK_LOAD && a->bp_type & HW_BREAKPOINT_R) ||
	      (u->work == PV_WORK_LOAD && sim_broken(SIM_BP_LOAD_ON_WRITE));
	if (u->work == PV_WORK_LOAD && sim_broken(SIM_BP_LOADS_MISSED))
		hit = false;
	hit = hit && overlap(u->addr, u->len, start, len);
	return (struct sides){hit && sim_broken(SIM_BP_WIDE_TWICE) && u->len > 1 ? 2 : hit, 0};
}

/* Offset of an address of this program in its file. */
struct file_offset {
	uint64_t addr, offset;
};

static int file_offset(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct file_offset *f = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && f->addr - start < ph->p_filesz)
			f->offset = f->addr - start + ph->p_offset;
	}
	return f->offset != 0;
}

static struct sides uprobe(const struct sim_event *ev, const struct unit *u)
{
	struct file_offset f = {.addr = u->addr};

	if (u->work != PV_WORK_CALL)
		return (struct sides){0, 0};
	dl_iterate_phdr(file_offset, &f);
	return (struct sides){f.offset == ev->attr.a.probe_offset, 0};
}

static struct sides kprobe(const struct sim_event *ev, const struct unit *u)
{
	static const char *const names[] = {[PV_WORK_GETPPID] = "_getppid",
					    [PV_WORK_GETUID] = "_getuid",
					    [PV_WORK_GETSID] = "_getsid"};

	if (u->work >= sizeof(names) / sizeof(names[0]) || !names[u->work])
		return (struct sides){0, 0};
	return (struct sides){0, strstr(ev->probe, names[u->work]) != NULL};
}

static struct sides pmuv3(const struct sim_event *ev, const struct unit *u)
{
	const uint32_t sw_incr = 0x00, inst_retired = 0x08, inst_spec = 0x1b, br_retired = 0x21;
	uint32_t event = ev->attr.a.config & 0xffff;

	if (event == sw_incr)
		return (struct sides){sim_broken(SIM_ZERO_COUNTS), 0};
	if (event == inst_retired || event == inst_spec)
		return (struct sides){u->user_insns, u->kernel_insns};
	if (event == br_retired)
		return (struct sides){u->user_insns / PV_LOOP_INSNS, u->kernel_insns / 8};
	return (struct sides){u->user_ns, u->kernel_ns};
}

static struct sides msr(const struct sim_event *ev, const struct unit *u)
{
	uint64_t busy = u->user_ns + u->kernel_ns + (ev->task < 0 ? u->off_ns : 0);

	if (sim_broken(SIM_CLOCK_FAST))
		busy *= 1000;
	if (sim_broken(SIM_CLOCK_STANDS))
		busy = 0;
	return (struct sides){2 * busy, 0};
}

/* perf_tp_event_match() does not look at exclude_user. */
static bool is_tracing(const struct perf_event_attr *a)
{
	return a->type == PERF_TYPE_TRACEPOINT || a->type == sim_pmu_type("kprobe") ||
	       a->type == sim_pmu_type("uprobe");
}

/* Occurrences of one unit for this event, by what its exclude bits leave. */
static uint64_t rate(const struct sim_event *ev, const struct unit *u)
{
	const struct perf_event_attr *a = &ev->attr.a;
	struct sides s;

	if (a->type == PERF_TYPE_SOFTWARE)
		s = software(ev, u);
	else if (a->type == PERF_TYPE_TRACEPOINT)
		s = tracepoint(ev, u);
	else if (a->type == PERF_TYPE_BREAKPOINT)
		s = breakpoint(ev, u);
	else if (a->type == sim_pmu_type("uprobe"))
		s = uprobe(ev, u);
	else if (a->type == sim_pmu_type("kprobe"))
		s = kprobe(ev, u);
	else if (a->type == sim_pmu_type("msr"))
		s = msr(ev, u);
	else
		s = pmuv3(ev, u);
	if (ev->class == SIM_CLOCK)
		return s.user;
	if (a->exclude_user && !is_tracing(a) && !sim_broken(SIM_EXCLUDE_USER_IGNORED))
		s.user = 0;
	if (a->exclude_kernel && !sim_broken(SIM_EXCLUDE_KERNEL_IGNORED))
		s.kernel = 0;
	if ((a->exclude_user || a->exclude_kernel) && sim_broken(SIM_EXCLUDE_STOPS))
		s.user = s.kernel = 0;
	if ((a->exclude_hv || a->exclude_idle) && sim_broken(SIM_EXCLUDE_OTHER_STOPS))
		s.user = s.kernel = 0;
	return s.user + s.kernel;
}

static bool here(const struct sim_event *ev)
{
	if (ev->task >= 0 && ev->task != sim_self)
		return false;
	if (ev->task < 0 && sim_broken(SIM_CPU_WIDE_DEAD))
		return false;
	return ev->cpu < 0 || ev->cpu == sched_getcpu();
}

static void book_time(struct sim_event *ev, const struct unit *u, uint64_t n)
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
static uint64_t until_overflow(const struct unit *u, uint64_t n)
{
	for (int i = 0; i < sim->nr_events; i++) {
		const struct sim_event *ev = &sim->event[i];
		uint64_t r, need;

		if (!ev->used || !ev->on_counter || !sim_sampling(ev) || !here(ev))
			continue;
		r = rate(ev, u);
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

static uint64_t user_ip(const struct unit *u)
{
	switch (u->work) {
	case PV_WORK_CALL:
		return u->addr;
	case PV_WORK_TOUCH:
	case PV_WORK_STORE:
		return (uintptr_t)pv_asm_store1 + 4;
	case PV_WORK_LOAD:
		return (uintptr_t)pv_asm_load1 + 4;
	case PV_WORK_LOOP:
	case PV_WORK_SPIN:
		return (uintptr_t)pv_asm_loop + 4;
	}
	return (uintptr_t)pv_asm_syscall + 4;
}

static struct sim_place place_of(const struct sim_event *ev, const struct unit *u)
{
	const struct perf_event_attr *a = &ev->attr.a;
	struct sim_place at = {.ip = user_ip(u), .kernel = u->kernel_ns > u->user_ns};

	if (a->type == PERF_TYPE_BREAKPOINT)
		at.addr = a->bp_addr;
	else if (u->work == PV_WORK_TOUCH)
		at = (struct sim_place){.ip = at.ip, .addr = 0x10000};
	else if (a->type == PERF_TYPE_TRACEPOINT)
		at.kernel = !sim_tracepoint(a->config)->user;
	if (at.kernel)
		at.ip = 0xffffffff81000100;
	at.kernel ^= sim_broken(SIM_SAMPLE_MODE_WRONG);
	return at;
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

static void fire(struct sim_event *ev, const struct unit *u)
{
	struct sim_place at = place_of(ev, u);
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

static void step(const struct unit *u, uint64_t n)
{
	sim->task[sim_self].cputime += n * (u->user_ns + u->kernel_ns);
	sim->now += n * (u->user_ns + u->kernel_ns + u->off_ns);
	for (int i = 0; i < sim->nr_events; i++) {
		struct sim_event *ev = &sim->event[i];

		if (!ev->used)
			continue;
		book_time(ev, u, n);
		if (here(ev) && (ev->on_counter || sim_broken(SIM_COUNTS_WHEN_OFF_TOO)))
			book_count(ev, n * rate(ev, u));
	}
	/* The last to come is first in the kernel's lists: siblings count before a leader samples.
	 */
	for (int i = sim->nr_events - 1; i >= 0; i--) {
		struct sim_event *ev = &sim->event[i];

		if (ev->used && ev->on_counter && sim_sampling(ev) && here(ev) && rate(ev, u) &&
		    sim_effective(ev) && (ev->left >= 0 || each_fires(ev)))
			fire(ev, u);
	}
}

static void pass(const struct unit *u, uint64_t n)
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
	struct unit u = units[work];

	if (work == PV_WORK_NONE)
		return;
	u.work = work;
	u.addr = (uintptr_t)addr;
	u.len = len;
	pass(&u, n);
}

void sim_pass_syscall(void)
{
	struct unit u = units[WORK_SYSCALL];

	u.work = WORK_SYSCALL;
	pass(&u, 1);
}
