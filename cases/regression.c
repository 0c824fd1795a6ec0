/* SPDX-License-Identifier: GPL-2.0-only */
/* Bugs that kernels have had, one case each; the engine looks at the kernel log after every case.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

struct refusal {
	const char *name;
	long err;
	void (*spoil)(struct perf_event_attr *attr);
	int group; /* 1: a leader on a CPU, 2: a leader with another clock */
};

static void extended(struct perf_event_attr *attr)
{
	attr->sample_period = 4;
	attr->sample_regs_intr = PV_ISA_EXTENDED_REG;
}

static void bad_clock(struct perf_event_attr *attr)
{
	attr->use_clockid = 1;
	attr->clockid = 999;
}

static void deep_chain(struct perf_event_attr *attr)
{
	attr->sample_type = PERF_SAMPLE_CALLCHAIN;
	attr->sample_max_stack = 60000;
}

static void aux(struct perf_event_attr *attr)
{
	attr->aux_output = 1;
}

static void pinned(struct perf_event_attr *attr)
{
	attr->pinned = 1;
}

static void nothing(struct perf_event_attr *attr)
{
	(void)attr;
}

static const struct refusal refusals[] = {
	{"extended registers", -EOPNOTSUPP, extended, 0},
	{"a clock that is not there", -EINVAL, bad_clock, 0},
	{"too deep a callchain", -EOVERFLOW, deep_chain, 0},
	{"output into AUX", -EOPNOTSUPP, aux, 0},
	{"a pinned sibling", -EINVAL, pinned, 2},
	{"a leader elsewhere", -EINVAL, nothing, 1},
};

/*
 * Each way out of perf_event_open() behind the PMU's event_init() gives back exactly once what
 * that has taken: slots, references of tracepoints and probes, switches of software events.
 */
PV_CASE(regression, destroy_once, .pmu = "sw tracepoint breakpoint kprobe uprobe",
	.each = "event[exact]", .needs = "root", .proof = "kernel",
	.fixes = "da02f54e81db (6.12.24..6.12.30)",
	.about = "opens that fail late, many times, leave the PMU as it was")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t)), dummy = pv_dummy, bad;
	bool slow = pv_event(t)->kfunc || pv_event(t)->uprobe;
	struct pv_ev *leader[3] = {NULL};
	unsigned int slots = pv_exec_slots(0);

	/* Held open: what is given back too often is taken from this one. */
	leader[0] = pv_open(t, &attr, 0, -1, NULL, 0);
	leader[1] = pv_open(t, &dummy, -1, pv_cpu(t), NULL, 0);
	leader[2] = pv_open(t, &dummy, 0, -1, NULL, 0);
	pv_work(t, 1);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *r = &refusals[i];
		int group = r->group ? pv_fd(leader[r->group]) : -1;
		long err = 0;

		bad = attr;
		r->spoil(&bad);
		for (int k = 0; k < (slow ? 2 : 34); k++) {
			err = pv_outcome(t, &bad, 0, -1, group, 0);
			if (err != r->err)
				break;
		}
		pv_expect_errno(t, r->name, err, r->err);
		pv_reset(t, leader[0]);
		pv_enable(t, leader[0]);
		pv_work(t, 7);
		pv_disable(t, leader[0]);
		pv_expect_eq(t, "count across refused opens", pv_read(t, leader[0]).value,
			     7 * pv_event(t)->per);
	}
	pv_close(t, leader[0]);
	pv_expect_eq(t, "breakpoints left", pv_exec_slots(0), slots);
	leader[0] = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, leader[0]);
	pv_work(t, 9);
	pv_expect_eq(t, "count of a new event", pv_read(t, leader[0]).value, 9 * pv_event(t)->per);
}

/* The attr of the report, bit by bit: the kernel warned in
 * release_bp_slot(). */
PV_CASE(regression, release_bp_slot, .pmu = "breakpoint", .needs = "root watchpoints",
	.arch = "x86_64", .proof = "kernel", .fixes = "da02f54e81db (6.12.24..6.12.30)",
	.about =
		"the open that made the kernel release a breakpoint slot twice is refused and no more")
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = 128,
		.config = 0x0800af08,
		.sample_period = 4,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_RAW,
		.read_format = PERF_FORMAT_ID | PERF_FORMAT_GROUP,
		.inherit = 1,
		.pinned = 1,
		.exclusive = 1,
		.exclude_idle = 1,
		.comm = 1,
		.watermark = 1,
		.precise_ip = 1,
		.mmap_data = 1,
		.sample_id_all = 1,
		.exclude_guest = 1,
		.exclude_callchain_user = 1,
		.mmap2 = 1,
		.comm_exec = 1,
		.use_clockid = 1,
		.write_backward = 1,
		.bpf_event = 1,
		.text_poke = 1,
		.build_id = 1,
		.remove_on_exec = 1,
		.wakeup_watermark = 2,
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = 0x8000,
		.bp_len = 2,
		.branch_sample_type = 0x100001,
		.sample_regs_user = 0x839,
		.sample_stack_user = 8,
		.clockid = 7,
		.sample_regs_intr = PV_ISA_EXTENDED_REG,
		.aux_watermark = 0x5e4,
		.sample_max_stack = 0xfefd,
		.aux_sample_size = 0x10000004,
		.sig_data = 0x40000000000002,
	};
	unsigned int slots = pv_exec_slots(0);

	pv_expect_in(t, "slots", slots, 1, 63);
	for (int i = 0; i < 50; i++) {
		long err = pv_outcome(t, &attr, 0, pv_cpu(t), -1,
				      PERF_FLAG_FD_OUTPUT | PERF_FLAG_FD_CLOEXEC);

		if (err == -EOPNOTSUPP && i < 49)
			continue;
		pv_expect_errno(t, "open", err, -EOPNOTSUPP);
		break;
	}
	pv_expect_eq(t, "slots afterwards", pv_exec_slots(0), slots);
}

/* kernel/events/ring_buffer.c rb_alloc(): the order is checked before the allocator is asked. */
PV_CASE(regression, huge_ring, .pmu = "perf", .needs = "root", .proof = "kernel",
	.fixes = "54aee5f15b83 (..6.6, ..6.5.12, ..6.1.63)",
	.about =
		"a ring larger than any memory is refused without a word in the kernel log, and no page of it stays")
{
	struct pv_ev *ev = pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	size_t page = sysconf(_SC_PAGESIZE), pages = sizeof(long) == 8 ? 1ul << 26 : 1ul << 16;
	void *p;

	for (int i = 0; i < 3; i++) {
		p = pv_sys_mmap(NULL, (1 + (pages >> i)) * page, PROT_READ | PROT_WRITE, MAP_SHARED,
				pv_fd(ev), 0);
		pv_expect(t, "refused",
			  pv_is_err(p) && ((intptr_t)p == -ENOMEM || (intptr_t)p == -EPERM));
	}
	pv_expect_errno(t, "a small one after it", pv_ring_try_map(ev, 1), 0);
}

/*
 * Sampling the user's stack while the task takes down its memory: perf is stopped before, so a
 * task's samples end with its EXIT record (kernel/exit.c do_exit()).
 */
PV_CASE(regression, exit_stack, .pmu = "sw", .each = "word[task,cpu]", .needs = "root",
	.proof = "kernel", .fixes = "4f6fc7821283 (..6.15, ..6.12.34, ..6.1.141)",
	.about = "no stack of a task is sampled when its memory is being taken down")
{
	bool task = !strcmp(pv_word(t), "task");
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_SW_CPU_CLOCK,
				       .disabled = 1,
				       .freq = 1,
				       .sample_freq = 4000,
				       .sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_REGS_USER |
						      PERF_SAMPLE_STACK_USER,
				       .sample_regs_user = 1,
				       .sample_stack_user = 64,
				       .task = 1,
				       .comm = 1};
	uint64_t samples = 0, late = 0, late_dead = 0, none = 0, dead = 0, exits = 0, wrong = 0;
	static struct pv_record rec;

	for (int i = 0; i < 3; i++) {
		struct pv_actor *a = pv_actor(t);
		bool over = false;
		struct pv_ev *ev;
		pid_t pid = a->pid;

		pv_act(t, a, PV_ACT_HOLD, 2000);
		ev = pv_open(t, &attr, task ? a->tid : -1, pv_cpu(t), NULL, 0);
		pv_ring_map(t, ev, 64);
		pv_enable(t, ev);
		pv_act(t, a, PV_ACT_SPIN, 2000);
		pv_actor_end(t, a);
		pv_disable(t, ev);
		while (pv_ring_next(t, ev, &rec)) {
			uint64_t abi = PV_WORD(&rec, 8), size = PV_WORD(&rec, abi ? 24 : 16);

			if (rec.header.type == PERF_RECORD_EXIT &&
			    (uint32_t)PV_WORD(&rec, 0) == (uint32_t)pid) {
				exits++;
				over = true;
			}
			if (rec.header.type != PERF_RECORD_SAMPLE ||
			    (uint32_t)PV_WORD(&rec, 0) != (uint32_t)pid)
				continue;
			samples++;
			if (size && *(const uint64_t *)(rec.body + rec.header.size - 16) != size)
				(*(over ? &late_dead : &dead))++;
			none += !over && !size;
			/* pid, abi, [one register], stack size, bytes of it, how many are right */
			wrong += rec.header.size !=
				 8 + 8 + 8 + (abi ? 8 : 0) + 8 + (size ? size + 8 : 0);
			late += over;
		}
		pv_close(t, ev);
	}
	pv_note(t, "samples after the EXIT record", late);
	pv_expect_in(t, "samples", samples, 1, UINT64_MAX);
	pv_expect_eq(t, "EXIT records", exits, 3);
	pv_expect_eq(t, "samples of a wrong size", wrong, 0);
	/* Until its EXIT record a task has its memory, and the top of its stack is in it. */
	pv_expect_eq(t, "samples before it that have no stack", none, 0);
	pv_expect_eq(t, "samples before it whose stack cannot be read", dead, 0);
	if (task)
		pv_expect_eq(t, "samples of the task after its EXIT record", late, 0);
	else
		/* Between the end of its events and that of its memory the stack is whole. */
		pv_expect_eq(t, "stacks after it that cannot be read", late_dead, 0);
}

/*
 * The system call that ends the task is the last thing that overflows; the signal for it would be
 * sent when the task goes back to its user code, or when it has no events any more
 * (exit_task_work()).
 */
PV_CASE(regression, sigtrap_exit, .pmu = "tracepoint", .each = "word[process,thread]",
	.needs = "root tracefs", .proof = "kernel", .fixes = "3da6bb419750 (6.12.35..6.12.112)",
	.about = "sigtrap events that overflow while their task ends are dropped in silence")
{
	bool thread = !strcmp(pv_word(t), "thread");
	struct perf_event_attr attr = pv_calls_attr(t);
	char id[32];

	if (pv_file_read(thread ? "/sys/kernel/tracing/events/syscalls/sys_enter_exit/id"
				: "/sys/kernel/tracing/events/syscalls/sys_enter_exit_group/id",
			 id, sizeof(id)) < 0)
		pv_skip(t, PV_CONFIG_OFF, "no tracepoint of exit");
	attr.config = strtoull(id, NULL, 10);
	attr.sample_period = 1;
	attr.sigtrap = attr.remove_on_exec = 1;
	attr.disabled = 0;
	for (int i = 0; i < 3; i++) {
		struct pv_actor *process = pv_actor(t);
		struct pv_actor *a = thread ? pv_actor_thread(t, process) : process;
		struct pv_ev *ev = pv_open(t, &attr, a->tid, -1, NULL, 0);

		pv_actor_end(t, a);
		pv_expect_eq(t, "count", pv_read(t, ev).value, 1);
		if (thread)
			pv_actor_end(t, process);
		pv_close(t, ev);
	}
}
