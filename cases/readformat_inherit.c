/* SPDX-License-Identifier: GPL-2.0-only */
/* read(2) of a group that children inherit: sums and the parent's ids. */
#include "cases/pv.h"

static void work_and_stay(struct pv_test *t, void *arg)
{
	pv_work_event(t, pv_find_event(t, "tracepoint", "sys_enter_getppid"), *(uint64_t *)arg);
}

PV_CASE(readformat, inherited, .pmu = "perf", .needs = "tracefs", .proof = "kernel",
	.arch = "x86_64 arm64",
	.about =
		"a group read with inherited children sums counts and times over them and gives the parent's ids")
{
	const struct pv_event_desc *e = pv_find_event(t, "tracepoint", "sys_enter_getppid");
	struct perf_event_attr attr = pv_attr(t, e);
	uint64_t units[2] = {7, 9}, none = 0, id;
	pid_t living;
	struct pv_count one, own;
	struct pv_ev *ev[3];
	struct pv_group g;

	attr.inherit = 1;
	attr.read_format |= PERF_FORMAT_GROUP;
	for (int i = 0; i < 3; i++) {
		attr.disabled = !i;
		ev[i] = pv_open(t, &attr, 0, -1, i ? ev[0] : NULL, 0);
		attr.read_format &= ~(uint64_t)PERF_FORMAT_GROUP;
	}
	pv_ioctl(ev[0], PERF_EVENT_IOC_ENABLE, 0);
	pv_work_event(t, e, 2);
	own = pv_read(t, ev[0]);
	for (int i = 0; i < 2; i++)
		pv_wait(t, pv_fork(t, work_and_stay, &units[i]));
	living = pv_fork_held(t, work_and_stay, &none);
	pv_ioctl(ev[0], PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
	pv_read_group(t, ev[0], &g);
	pv_expect_eq(t, "members", g.nr, 3);
	for (int i = 0; i < 3; i++) {
		static const char *const names[] = {"count of the leader", "count of sibling 1",
						    "count of sibling 2"};

		pv_ioctl(ev[i], PERF_EVENT_IOC_ID, (uintptr_t)&id);
		pv_expect_eq(t, names[i], g.member[i].value, 2 + 7 + 9);
		pv_expect(t, "the member's id", g.member[i].id == id);
		if (!i)
			continue;
		one = pv_read(t, ev[i]);
		pv_expect_eq(t, "count by its own read", one.value, g.member[i].value);
		pv_expect(t, "id by its own read", one.id == id);
		pv_expect(t, "times by its own read",
			  one.enabled == g.enabled && one.running == g.running);
	}
	/* Software events: on whenever they are enabled, in the children too. */
	pv_expect(t, "time running is time enabled", g.running == g.enabled && g.enabled);
	pv_expect(t, "times grew with the children", g.enabled > own.enabled);
	pv_go(t, living);
	pv_wait(t, living);
}
