/* SPDX-License-Identifier: GPL-2.0-only */
/* How often a unit of a workload makes an event of each PMU happen, and where. */
#define _GNU_SOURCE
#include <link.h>
#include <string.h>

#include "arch/work.h"
#include "tests/unit/sim/sim.h"

/* Occurrences for one unit. */
struct sides {
	uint64_t user, kernel;
};

static bool is_syscall(unsigned int work)
{
	return work == PV_WORK_GETPPID || work == PV_WORK_GETUID || work == PV_WORK_GETSID ||
	       work == SIM_WORK_SYSCALL;
}

static struct sides software(const struct sim_event *ev, const struct sim_unit *u)
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

static struct sides tracepoint(const struct sim_event *ev, const struct sim_unit *u)
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

static struct sides breakpoint(const struct sim_event *ev, const struct sim_unit *u)
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

static struct sides uprobe(const struct sim_event *ev, const struct sim_unit *u)
{
	struct file_offset f = {.addr = u->addr};

	if (u->work != PV_WORK_CALL)
		return (struct sides){0, 0};
	dl_iterate_phdr(file_offset, &f);
	return (struct sides){f.offset == ev->attr.a.probe_offset, 0};
}

static struct sides kprobe(const struct sim_event *ev, const struct sim_unit *u)
{
	static const char *const names[] = {[PV_WORK_GETPPID] = "_getppid",
					    [PV_WORK_GETUID] = "_getuid",
					    [PV_WORK_GETSID] = "_getsid"};

	if (u->work >= sizeof(names) / sizeof(names[0]) || !names[u->work])
		return (struct sides){0, 0};
	return (struct sides){0, strstr(ev->probe, names[u->work]) != NULL};
}

static struct sides pmuv3(const struct sim_event *ev, const struct sim_unit *u)
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

static struct sides msr(const struct sim_event *ev, const struct sim_unit *u)
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

uint64_t sim_rate(const struct sim_event *ev, const struct sim_unit *u)
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

static uint64_t user_ip(const struct sim_unit *u)
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

struct sim_place sim_place_of(const struct sim_event *ev, const struct sim_unit *u)
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
