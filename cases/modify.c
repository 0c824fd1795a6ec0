/* SPDX-License-Identifier: GPL-2.0-only */
/* PERF_EVENT_IOC_MODIFY_ATTRIBUTES: what it changes, what it refuses, and whose slot it takes. */
#define _GNU_SOURCE
#include <string.h>

#include "arch/isa.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

static char *here(void)
{
	return pv_watch_place();
}

static char *there(void)
{
	return here() + 32;
}

static pv_function *code(struct pv_test *t)
{
	return pv_function_at(t, 5);
}

static int modify(struct pv_ev *ev, struct perf_event_attr attr)
{
	return pv_ioctl(ev, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, (unsigned long)&attr);
}

static struct perf_event_attr running(uint32_t type, const void *addr, unsigned int len)
{
	struct perf_event_attr attr = pv_bp_attr(type, addr, len);

	attr.disabled = 0;
	return attr;
}

PV_CASE(modify, length, .pmu = "breakpoint", .arch = "x86_64 arm64", .needs = "watchpoints modify",
	.proof = "kernel", .about = "a breakpoint's length changes at once, both ways")
{
	static const unsigned int lens[] = {1, 8, 2, 4, 1, 4, 8, 1};
	struct perf_event_attr attr = running(HW_BREAKPOINT_W, here(), 4);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	uint64_t last = 0;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		attr.bp_len = lens[i];
		pv_expect_errno(t, "modify", modify(ev, attr), 0);
		pv_store(here() + lens[i] - 1, 1, 2);
		pv_expect_eq(t, "stores to the last byte", pv_grown(t, ev, &last), 2);
		pv_store(here() + lens[i], 1, 2);
		pv_expect_eq(t, "stores behind it", pv_grown(t, ev, &last), 0);
	}
}

PV_CASE(modify, type, .pmu = "breakpoint", .arch = "x86_64 arm64", .needs = "watchpoints modify",
	.proof = "kernel",
	.about =
		"a breakpoint goes from writes to accesses to execution and back, and counts what it is")
{
	struct perf_event_attr w = running(HW_BREAKPOINT_W, here(), 4);
	struct perf_event_attr rw = running(HW_BREAKPOINT_RW, here(), 4);
	struct perf_event_attr x = running(HW_BREAKPOINT_X, (void *)(uintptr_t)code(t), 0);
	const struct perf_event_attr *const steps[] = {&w, &rw, &x, &w, &x, &rw, &w};
	struct pv_ev *ev = pv_open(t, &rw, 0, -1, NULL, 0);
	uint64_t last = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint32_t type = steps[i]->bp_type;

		pv_expect_errno(t, "modify", modify(ev, *steps[i]), 0);
		pv_store(here(), 4, 3);
		pv_expect_eq(t, "stores", pv_grown(t, ev, &last), type & HW_BREAKPOINT_W ? 3 : 0);
		pv_load(here(), 4, 5);
		pv_expect_eq(t, "loads", pv_grown(t, ev, &last), type & HW_BREAKPOINT_R ? 5 : 0);
		pv_call(code(t), 7);
		pv_expect_eq(t, "calls", pv_grown(t, ev, &last), type & HW_BREAKPOINT_X ? 7 : 0);
	}
}

PV_CASE(modify, disabled, .pmu = "breakpoint", .needs = "watchpoints modify", .proof = "kernel",
	.about =
		"modified with disabled it stands still until it is enabled, without disabled it runs")
{
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_W, here(), 4);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	uint64_t last = 0;

	attr.bp_addr = (uintptr_t)there();
	pv_expect_errno(t, "modify while disabled", modify(ev, attr), 0);
	pv_store(there(), 4, 2);
	pv_expect_eq(t, "while disabled", pv_grown(t, ev, &last), 0);
	pv_enable(t, ev);
	pv_store(there(), 4, 3);
	pv_store(here(), 4, 9);
	pv_expect_eq(t, "once enabled, at the new place", pv_grown(t, ev, &last), 3);
	attr.bp_addr = (uintptr_t)here();
	pv_expect_errno(t, "modify to disabled while enabled", modify(ev, attr), 0);
	pv_store(here(), 4, 4);
	pv_store(there(), 4, 4);
	pv_expect_eq(t, "disabled by modify", pv_grown(t, ev, &last), 0);
	attr.disabled = 0;
	pv_expect_errno(t, "modify to enabled", modify(ev, attr), 0);
	pv_store(here(), 4, 6);
	pv_expect_eq(t, "enabled by modify", pv_grown(t, ev, &last), 6);
}

PV_CASE(modify, refused, .pmu = "breakpoint", .arch = "x86_64 arm64", .needs = "watchpoints modify",
	.proof = "kernel",
	.about =
		"a modification that is refused leaves a running breakpoint as it was, and running")
{
	struct perf_event_attr good = running(HW_BREAKPOINT_W, here(), 4), bad[7];
	unsigned int slots = pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1);
	struct pv_ev *ev;
	uint64_t last = 0;

	good.exclude_kernel = 1;
	ev = pv_open(t, &good, 0, -1, NULL, 0);
	for (int i = 0; i < 7; i++)
		bad[i] = good;
	bad[0].bp_type = HW_BREAKPOINT_R | HW_BREAKPOINT_X;
	bad[1].bp_len = 9;
	bad[2].bp_addr = (uintptr_t)-4096;
	if (PV_ISA_WATCH_BYTES)
		bad[3].bp_type = 8;
	else
		bad[3].bp_addr += 2; /* not a multiple of the length */
	bad[4].bp_type = HW_BREAKPOINT_EMPTY;
	bad[5].sample_period = 5;
	bad[6].exclude_user = 1;
	for (int i = 0; i < 7; i++) {
		pv_expect_errno(t, "modify", modify(ev, bad[i]), -EINVAL);
		pv_store(here(), 4, 3);
		pv_store(there(), 4, 2);
		pv_expect_eq(t, "count at the old place", pv_grown(t, ev, &last), 3);
	}
	pv_expect_eq(t, "slots beside it", pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), slots - 1);
	pv_close(t, ev);
	pv_expect_eq(t, "slots at the end", pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), slots);
}

PV_CASE(modify, slots, .pmu = "breakpoint", .arch = "x86_64 arm64", .needs = "watchpoints modify",
	.proof = "kernel",
	.about =
		"another type takes a slot of its own kind and frees the old one; without one it is ENOSPC, and nothing has changed")
{
	struct perf_event_attr w = running(HW_BREAKPOINT_W, there(), 4);
	struct perf_event_attr x = running(HW_BREAKPOINT_X, (void *)(uintptr_t)code(t), 0);
	unsigned int data = pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), n;
	unsigned int exec = pv_bp_slots(t, HW_BREAKPOINT_X, 0, -1);
	struct pv_ev *ev = pv_open(t, &x, 0, -1, NULL, 0);
	int fds[PV_BP_MAX], err;
	uint64_t last = 0;
	const bool apart = !PV_ISA_SLOTS_SHARED;

	n = pv_bp_fill(t, &w, 0, -1, fds, &err);
	pv_expect_eq(t, "data slots beside an execution breakpoint", n, apart ? data : data - 1);
	if (!n)
		return;
	w.bp_addr = (uintptr_t)here();
	pv_expect_errno(t, "to data with no data slot", modify(ev, w), apart ? -ENOSPC : 0);
	pv_store(here(), 4, 3);
	pv_call(code(t), 2);
	pv_expect_eq(t, "counts what it then is", pv_grown(t, ev, &last), apart ? 2 : 3);
	pv_sys_close(fds[--n]);
	pv_expect_errno(t, "to data with one slot", modify(ev, w), 0);
	pv_store(here(), 4, 4);
	pv_call(code(t), 5);
	pv_expect_eq(t, "counts data", pv_grown(t, ev, &last), 4);
	pv_expect_eq(t, "execution slots then", pv_bp_slots(t, HW_BREAKPOINT_X, 0, -1),
		     apart ? exec : 1);
	pv_expect_eq(t, "data slots then", pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), apart ? 0 : 1);
	pv_close(t, ev);
	pv_bp_empty(fds, n);
	pv_expect_eq(t, "data slots at the end", pv_bp_slots(t, HW_BREAKPOINT_W, 0, -1), data);
	pv_expect_eq(t, "execution slots at the end", pv_bp_slots(t, HW_BREAKPOINT_X, 0, -1), exec);
}

PV_CASE(modify, inherited, .pmu = "breakpoint", .needs = "watchpoints modify", .proof = "kernel",
	.about = "a modification reaches the children's breakpoints, and a new child's")
{
	struct perf_event_attr attr = pv_bp_attr(HW_BREAKPOINT_X, pv_probe_target, sizeof(long));
	struct pv_actor *parent = pv_actor(t), *child;
	struct pv_ev *ev;

	attr.disabled = 0;
	attr.inherit = 1;
	ev = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	pv_tell_apart(t, parent->tid);
	child = pv_actor_fork(t, parent);
	pv_act(t, child, PV_ACT_TARGET, 3);
	pv_expect_eq(t, "calls of the child", pv_value(t, ev), 3);
	attr.bp_addr = (uintptr_t)pv_probe_other;
	pv_expect_errno(t, "modify", modify(ev, attr), 0);
	pv_act(t, child, PV_ACT_TARGET, 5);
	pv_act(t, parent, PV_ACT_TARGET, 5);
	pv_expect_eq(t, "calls when it has gone elsewhere", pv_value(t, ev), 3);
	pv_act(t, pv_actor_fork(t, parent), PV_ACT_TARGET, 5);
	pv_expect_eq(t, "calls of a child born since", pv_value(t, ev), 3);
	attr.bp_addr = (uintptr_t)pv_probe_target;
	pv_expect_errno(t, "modify back", modify(ev, attr), 0);
	pv_act(t, child, PV_ACT_TARGET, 7);
	pv_act(t, parent, PV_ACT_TARGET, 1);
	pv_expect_eq(t, "calls when it is back", pv_value(t, ev), 3 + 7 + 1);
}
