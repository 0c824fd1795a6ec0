/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AUX buffers where there are none: every PMU says so by the same errno, and a refusal leaves
 * no trace in the ring or the group.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/attr_rules.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

static long map_aux(struct pv_ev *ev, size_t at, int prot)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct perf_event_mmap_page *control = pv_ring_page(ev);
	void *p;

	control->aux_offset = at * page;
	control->aux_size = 4 * page;
	p = pv_sys_mmap(NULL, 4 * page, prot, MAP_SHARED, pv_fd(ev), at * page);
	return pv_is_err(p) ? (intptr_t)p : 0;
}

PV_CASE(aux, absent, .each = "event[live]", .proof = "kernel",
	.about =
		"a PMU without AUX refuses its mapping with EOPNOTSUPP, and the event counts on in its ring")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	uint64_t before, n = pv_work_some(pv_event(t));

	pv_ring_map(t, ev, 2);
	pv_enable(t, ev);
	pv_expect_errno(t, "for writing", map_aux(ev, 3, PROT_READ | PROT_WRITE), -EOPNOTSUPP);
	pv_expect_errno(t, "for reading", map_aux(ev, 3, PROT_READ), -EOPNOTSUPP);
	pv_expect_errno(t, "far behind", map_aux(ev, 64, PROT_READ), -EOPNOTSUPP);
	before = pv_read(t, ev).value;
	pv_work(t, n);
	pv_disable(t, ev);
	pv_expect_in(t, "count afterwards", pv_read(t, ev).value, before + 1, UINT64_MAX);
	pv_expect_eq(t, "aux_head", pv_ring_page(ev)->aux_head, 0);
	pv_expect_errno(t, "munmap", pv_sys_munmap(pv_ring_page(ev), 3 * sysconf(_SC_PAGESIZE)), 0);
	pv_ring_map(t, ev, 1);
	pv_expect_eq(t, "a new ring", pv_ring_page(ev)->data_size, sysconf(_SC_PAGESIZE));
}

/* perf_event_alloc() and perf_get_aux_event() of kernel/events/core.c. Intel's driver is asked
 * first: without precise_ip no output goes anywhere (intel_pmu_hw_config()). */
static long refusal(struct pv_test *t, bool output, long due)
{
	const char *vendor = pv_pmu(t)->vendor;

	return output && vendor && !strcmp(vendor, "GenuineIntel") ? -EINVAL : due;
}

PV_CASE(aux, attr, .each = "event[live]", .pmu = "sw hw pmuv3 tracepoint breakpoint kprobe uprobe",
	.proof = "kernel",
	.about =
		"what an attr says of AUX is refused where neither the PMU nor the group's leader has it")
{
	struct perf_event_attr plain = pv_attr(t, pv_event(t)), attr;
	struct pv_ev *leader = pv_open(t, &plain, 0, -1, NULL, 0), *sibling;
	static const struct {
		const char *name;
		bool output;
		uint32_t size, action;
		long alone, member;
	} rows[] = {
		{"output", true, 0, 0, -EOPNOTSUPP, -EOPNOTSUPP},
		{"output and samples", true, 4096, 0, -EOPNOTSUPP, -EOPNOTSUPP},
		{"samples", false, 4096, 0, -EINVAL, -EINVAL},
		{"start paused", false, 0, PV_AUX_START_PAUSED, -EOPNOTSUPP, -EOPNOTSUPP},
		{"pause", false, 0, PV_AUX_PAUSE, -EINVAL, -EINVAL},
		{"resume", false, 0, PV_AUX_RESUME, -EINVAL, -EINVAL},
		{"output and resume", true, 0, PV_AUX_RESUME, -EOPNOTSUPP, -EOPNOTSUPP},
	};
	struct pv_group group;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		attr = plain;
		attr.aux_output = rows[i].output;
		attr.aux_sample_size = rows[i].size;
		if (rows[i].size)
			attr.sample_type |= PERF_SAMPLE_AUX;
		if (rows[i].action && !pv_aux_action_known())
			continue;
		pv_aux_action(&attr, rows[i].action);
		pv_expect_errno(t, rows[i].name, pv_outcome(t, &attr, 0, -1, -1, 0),
				refusal(t, rows[i].output, rows[i].alone));
		pv_expect_errno(t, "the same in a group",
				pv_outcome(t, &attr, 0, -1, pv_fd(leader), 0),
				refusal(t, rows[i].output, rows[i].member));
	}
	plain.read_format = PERF_FORMAT_GROUP;
	pv_close(t, leader);
	leader = pv_open(t, &plain, 0, -1, NULL, 0);
	attr = plain;
	attr.aux_output = 1;
	pv_expect_errno(t, "output in another group", pv_outcome(t, &attr, 0, -1, pv_fd(leader), 0),
			refusal(t, true, -EOPNOTSUPP));
	sibling = pv_open(t, &plain, 0, -1, leader, 0);
	pv_expect_errno(t, "enable", pv_ioctl(sibling, PERF_EVENT_IOC_ENABLE, 0), 0);
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members afterwards", group.nr, 2);
}
