/* SPDX-License-Identifier: GPL-2.0-only */
/* Breakpoints and watchpoints: what they hit, what they leave alone, and how many there are. */
#include <linux/hw_breakpoint.h>
#include <string.h>

#include "cases/lib/probes.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

#define MAX_SLOTS 32 /* more than any CPU has: x86 4, Arm at most 16 of a kind */

static char *place(void)
{
	return pv_watch_place();
}

static void access_at(const struct pv_event_desc *e, char *addr, unsigned int len, uint64_t n)
{
	if (e->work == PV_WORK_LOAD)
		pv_load(addr, len, n);
	else
		pv_store(addr, len, n);
}

static uint64_t value_of(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

PV_CASE(breakpoint, neighbour, .each = "event[data exact]", .needs = "watchpoints",
	.about =
		"accesses to the bytes before and behind do not count, to each byte inside and across do, once")
{
	const struct pv_event_desc *e = pv_event(t);
	struct perf_event_attr attr = pv_attr(t, e);
	unsigned int len = attr.bp_len, wide = sizeof(long);
	char *watched = place() + 16;
	struct pv_ev *ev;
	uint64_t before;

	attr.bp_addr = (uintptr_t)watched;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_enable(t, ev);
	access_at(e, watched - 1, 1, 3);
	pv_expect_eq(t, "count of the byte before", value_of(t, ev), 0);
	access_at(e, watched + len, 1, 3);
	pv_expect_eq(t, "count of the byte behind", value_of(t, ev), 0);
	for (unsigned int i = 0; i < len; i++)
		access_at(e, watched + i, 1, 2);
	before = value_of(t, ev);
	pv_expect_eq(t, "count of the bytes inside", before, 2 * len);
	if (len < wide) {
		access_at(e, watched, wide, 3);
		pv_expect_eq(t, "count of wider accesses", value_of(t, ev) - before, 3);
	}
	pv_disable(t, ev);
	before = value_of(t, ev);
	access_at(e, watched, len, 3);
	pv_expect_eq(t, "count while disabled", value_of(t, ev) - before, 0);
}

PV_CASE(breakpoint, direction, .each = "event[data exact]", .needs = "watchpoints",
	.about = "loads and stores count only where the breakpoint's type names them")
{
	const struct pv_event_desc *e = pv_event(t);
	struct pv_ev *ev = pv_open_case(t);
	uint64_t loads;

	pv_enable(t, ev);
	pv_load(place(), e->bp_len, 5);
	loads = value_of(t, ev);
	pv_expect_eq(t, "loads", loads, e->bp_type & HW_BREAKPOINT_R ? 5 : 0);
	pv_store(place(), e->bp_len, 7);
	pv_expect_eq(t, "stores", value_of(t, ev) - loads, e->bp_type & HW_BREAKPOINT_W ? 7 : 0);
}

PV_CASE(breakpoint, other_function, .each = "event[exec exact]",
	.about = "only calls of the watched function count, and only while enabled")
{
	struct pv_ev *ev = pv_open_case(t);

	pv_call(pv_probe_target, 3);
	pv_expect_eq(t, "calls before enable", value_of(t, ev), 0);
	pv_enable(t, ev);
	pv_call(pv_probe_other, 7);
	pv_expect_eq(t, "calls of the other function", value_of(t, ev), 0);
	pv_call(pv_probe_target, 4);
	pv_expect_eq(t, "calls of the function", value_of(t, ev), 4);
	pv_disable(t, ev);
	pv_call(pv_probe_target, 3);
	pv_expect_eq(t, "calls with those after disable", value_of(t, ev), 4);
}

/* A second place for each breakpoint: another part of the watched memory, the other function. */
static uint64_t second_addr(const struct pv_event_desc *e)
{
	return e->work == PV_WORK_CALL ? (uintptr_t)pv_probe_other : (uintptr_t)(place() + 32);
}

static void hit_second(const struct pv_event_desc *e, uint64_t n)
{
	if (e->work == PV_WORK_CALL)
		pv_call(pv_probe_other, n);
	else
		access_at(e, place() + 32, e->bp_len, n);
}

static int modify(struct pv_ev *ev, struct perf_event_attr *attr)
{
	return pv_ioctl(ev, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, (unsigned long)attr);
}

PV_CASE(breakpoint, modify, .each = "event[exact]", .pmu = "breakpoint", .needs = "modify",
	.about =
		"MODIFY_ATTRIBUTES moves a breakpoint: the count stays, the old place is free, the new one counts")
{
	const struct pv_event_desc *e = pv_event(t);
	struct perf_event_attr attr = pv_attr(t, e);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);

	pv_enable(t, ev);
	pv_work(t, 3);
	hit_second(e, 5);
	pv_expect_eq(t, "count before", value_of(t, ev), 3);
	attr.bp_addr = second_addr(e);
	attr.disabled = 0;
	pv_expect_errno(t, "modify", modify(ev, &attr), 0);
	pv_expect_eq(t, "count kept", value_of(t, ev), 3);
	pv_work(t, 6);
	pv_expect_eq(t, "count with hits at the old place", value_of(t, ev), 3);
	hit_second(e, 4);
	pv_expect_eq(t, "count with hits at the new place", value_of(t, ev), 3 + 4);
}

PV_CASE(breakpoint, modify_refused, .each = "event[exact exec]", .pmu = "breakpoint",
	.needs = "modify",
	.about =
		"MODIFY_ATTRIBUTES refuses to change anything else, and other events, and then nothing has moved")
{
	const struct pv_event_desc *e = pv_event(t);
	struct perf_event_attr attr = pv_attr(t, e), other = attr;
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0), *dummy;
	struct perf_event_attr soft = pv_attr(t, pv_find_event(t, "sw", "dummy"));

	other.bp_addr = second_addr(e);
	other.type = PERF_TYPE_SOFTWARE;
	pv_expect_errno(t, "another type", modify(ev, &other), -EINVAL);
	other.type = attr.type;
	other.sample_period = 7;
	pv_expect_errno(t, "another period", modify(ev, &other), -EINVAL);
	other.sample_period = 0;
	other.bp_type = HW_BREAKPOINT_EMPTY;
	pv_expect_errno(t, "no breakpoint type", modify(ev, &other), -EINVAL);
	dummy = pv_open(t, &soft, 0, -1, NULL, 0);
	pv_expect_errno(t, "a software event", modify(dummy, &soft), -EOPNOTSUPP);

	pv_enable(t, ev);
	pv_work(t, 3);
	hit_second(e, 5);
	pv_expect_eq(t, "count at the place it had", value_of(t, ev), 3);
}

/* Opens until it is refused; the number of events, and the refusal's errno. */
static unsigned int fill(struct pv_test *t, const struct perf_event_attr *attr, int fds[MAX_SLOTS],
			 int *err)
{
	unsigned int n = 0;

	for (*err = 0; n < MAX_SLOTS; n++) {
		struct perf_event_attr copy = *attr;

		fds[n] = pv_try_open(t, &copy, 0, -1, -1, 0);
		if (fds[n] < 0) {
			*err = fds[n];
			break;
		}
	}
	return n;
}

static void empty(const int fds[MAX_SLOTS], unsigned int n)
{
	while (n--)
		pv_sys_close(fds[n]);
}

static unsigned int count_slots(struct pv_test *t, const struct perf_event_attr *attr)
{
	int fds[MAX_SLOTS], err;
	unsigned int n = fill(t, attr, fds, &err);

	empty(fds, n);
	pv_skip_denied(t, err);
	return n;
}

PV_CASE(breakpoint, slots, .each = "event[exact]", .pmu = "breakpoint",
	.about = "slots run out with ENOSPC, and all come back when they are closed")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	int fds[MAX_SLOTS], err;
	unsigned int first, again;

	first = fill(t, &attr, fds, &err);
	pv_expect_in(t, "slots", first, 1, MAX_SLOTS - 1);
	pv_expect_errno(t, "one more", err, -ENOSPC);
	empty(fds, first);
	again = fill(t, &attr, fds, &err);
	pv_expect_eq(t, "slots again", again, first);
	pv_expect_errno(t, "one more again", err, -ENOSPC);
	/* One closed is one to be had. */
	if (again) {
		pv_sys_close(fds[again - 1]);
		fds[again - 1] = pv_try_open(t, &attr, 0, -1, -1, 0);
		pv_expect_errno(t, "in the place of a closed one", fds[again - 1], 0);
	}
}

static int open_exec_beside_full_data(struct pv_test *t)
{
	struct perf_event_attr data = pv_bp_attr(HW_BREAKPOINT_W, place(), 4);
	struct perf_event_attr exec =
		pv_bp_attr(HW_BREAKPOINT_X, (void *)(uintptr_t)pv_probe_target, sizeof(long));
	int fds[MAX_SLOTS], err;

	pv_expect_in(t, "data slots", fill(t, &data, fds, &err), 1, MAX_SLOTS - 1);
	return pv_try_open(t, &exec, 0, -1, -1, 0);
}

PV_CASE(breakpoint, slots_shared, .pmu = "breakpoint", .arch = "x86_64 i386",
	.needs = "watchpoints", .about = "x86: data and execution breakpoints share the slots")
{
	pv_expect_errno(t, "execution breakpoint when data has all", open_exec_beside_full_data(t),
			-ENOSPC);
}

PV_CASE(breakpoint, slots_apart, .pmu = "breakpoint", .arch = "arm64 arm", .needs = "watchpoints",
	.about = "Arm: watchpoints and breakpoints have slots of their own")
{
	pv_expect_errno(t, "execution breakpoint when data has all", open_exec_beside_full_data(t),
			0);
}

/* Must be refused with `err`, and must not keep the slot that was taken for it. */
static void expect_refused(struct pv_test *t, const struct perf_event_attr *attr, int err)
{
	struct perf_event_attr good = pv_bp_attr(HW_BREAKPOINT_W, place(), 4);
	unsigned int slots = count_slots(t, &good);

	pv_expect_in(t, "slots before", slots, 1, MAX_SLOTS - 1);
	for (int i = 0; i < 3; i++) {
		struct perf_event_attr copy = *attr;

		pv_expect_errno(t, "open", pv_try_open(t, &copy, 0, -1, -1, 0), err);
	}
	pv_expect_eq(t, "slots after", count_slots(t, &good), slots);
}

static struct perf_event_attr bad_attr(struct pv_test *t)
{
	struct perf_event_attr attr;

	static const struct {
		const char *word;
		uint32_t type;
		unsigned int offset, len;
	} bad[] = {
		/* __reserve_bp_slot() knows two types that are none */
		{"no-type", HW_BREAKPOINT_EMPTY, 0, 4},
		{"invalid-type", HW_BREAKPOINT_INVALID, 0, 4},
		/* arch_build_bp_info(): the types and lengths of the ISA, no more */
		{"read-and-exec", HW_BREAKPOINT_R | HW_BREAKPOINT_X, 0, 4},
		{"write-and-exec", HW_BREAKPOINT_W | HW_BREAKPOINT_X, 0, 4},
		{"unknown-type", 8, 0, 4},
		{"length-0", HW_BREAKPOINT_W, 0, 0},
		{"length-9", HW_BREAKPOINT_W, 0, 9},
		/* x86 only: it has no read-only type, and wants natural alignment */
		{"read-only", HW_BREAKPOINT_R, 0, 4},
		{"length-3", HW_BREAKPOINT_W, 0, 3},
		{"exec-length-1", HW_BREAKPOINT_X, 0, 1},
		{"unaligned-2", HW_BREAKPOINT_W, 1, 2},
		{"unaligned-4", HW_BREAKPOINT_W, 2, 4},
		{"unaligned-rw", HW_BREAKPOINT_RW, 3, 4},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!strcmp(bad[i].word, pv_word(t))) {
			attr = pv_bp_attr(bad[i].type, place() + bad[i].offset, 0);
			/* Not the one that fits the type. */
			attr.bp_len = bad[i].len;
			return attr;
		}
	}
	pv_error(t, PV_BROKEN_SETUP, "no breakpoint called %s", pv_word(t));
}

PV_CASE(breakpoint, refused, .pmu = "breakpoint",
	.each = "word[no-type,invalid-type,read-and-exec,write-and-exec,unknown-type,length-0,length-9]",
	.needs = "watchpoints",
	.about =
		"a breakpoint of impossible type or length is refused with EINVAL and keeps no slot")
{
	struct perf_event_attr attr = bad_attr(t);

	expect_refused(t, &attr, -EINVAL);
}

PV_CASE(breakpoint, refused_x86, .pmu = "breakpoint", .arch = "x86_64 i386",
	.each = "word[read-only,length-3,exec-length-1,unaligned-2,unaligned-4,unaligned-rw]",
	.needs = "watchpoints",
	.about = "what x86 debug registers cannot watch is refused with EINVAL and keeps no slot")
{
	struct perf_event_attr attr = bad_attr(t);

	expect_refused(t, &attr, -EINVAL);
}

PV_CASE(breakpoint, kernel_address, .pmu = "breakpoint", .needs = "watchpoints",
	.about = "a kernel address with exclude_kernel is refused with EINVAL and keeps no slot")
{
	/* the last page of the address space: kernel's on every ISA; hw_breakpoint_parse() */
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_W, (void *)-4096L, 4);

	attr.exclude_kernel = 1;
	expect_refused(t, &attr, -EINVAL);
}

PV_CASE(breakpoint, late_refusal, .pmu = "breakpoint", .arch = "x86_64 arm64",
	.needs = "watchpoints",
	.about =
		"an open that fails behind the breakpoint's own set-up gives its slot back exactly once")
{
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_W, place(), 4);

	/*
	 * Extended registers (x86 bits 32-63, arm64 bit 46) are refused after the PMU's own
	 * event_init; perf_try_init_event() once undid that twice.
	 */
	attr.sample_regs_intr = 1ull << 63 | 1ull << 46;
	expect_refused(t, &attr, -EOPNOTSUPP);
}
