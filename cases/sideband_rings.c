/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Into which ring records go, and when: two events in one, CPUs, pauses, events of any kind.
 * perf_iterate_sb() of kernel/events/core.c, __perf_output_begin() of ring_buffer.c.
 */
#define _GNU_SOURCE
#include <linux/hw_breakpoint.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cases/lib/sideband.h"
#include "cases/lib/sys.h"

static void set_name(const char *name)
{
	prctl(PR_SET_NAME, name);
}

static void *map_page(int prot)
{
	return mmap(NULL, 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

PV_CASE(sideband, rings, .pmu = "perf", .proof = "kernel",
	.about =
		"records go to the ring of the event that has the bit, in the order of what happened; "
		"of two events in one ring each has its own, by id; one goes on when the other is closed")
{
	struct perf_event_attr attr = sb_attr();
	struct pv_ev *names, *maps, *both;
	struct sb_log *log;
	uint64_t id = 0;
	const uint32_t in_order[] = {PERF_RECORD_COMM, PERF_RECORD_COMM, PERF_RECORD_MMAP,
				     PERF_RECORD_COMM, PERF_RECORD_COMM, 0};

	attr.comm = 1;
	names = sb_open(t, &attr, 0, -1);
	attr.mmap = 1;
	both = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.comm = 0;
	attr.mmap2 = 1;
	maps = sb_open(t, &attr, 0, -1);
	if (!pv_expect_errno(t, "redirect into the first ring",
			     pv_ioctl(both, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(names)), 0) ||
	    pv_ioctl(both, PERF_EVENT_IOC_ID, (uintptr_t)&id))
		return;
	pv_enable(t, names);
	pv_enable(t, both);
	pv_enable(t, maps);
	set_name("first");
	map_page(PROT_READ | PROT_EXEC);
	set_name("second");
	pv_disable(t, both);
	log = sb_take(t, names);
	if (sb_expect_order(t, log, "COMM twice, MMAP, COMM twice", in_order)) {
		pv_expect_eq(t, "MMAP: id of the event with the bit", log->rec[2].id, id);
		for (unsigned int i = 0; i < 5; i += 3)
			pv_expect_eq(
				t, "COMM: once by each event",
				(log->rec[i].id == log->id) + (log->rec[i + 1].id == log->id) * 2 +
					(log->rec[i].id == id) + (log->rec[i + 1].id == id) * 2,
				3);
	}
	log = sb_take(t, maps);
	sb_expect_order(t, log, "one MMAP2", (const uint32_t[]){PERF_RECORD_MMAP2, 0});
	pv_close(t, both);
	set_name("third");
	map_page(PROT_READ | PROT_EXEC);
	sb_expect_order(t, sb_take(t, names), "COMM after the other was closed",
			(const uint32_t[]){PERF_RECORD_COMM, 0});
	sb_expect_order(t, sb_take(t, maps), "MMAP2 after the other was closed",
			(const uint32_t[]){PERF_RECORD_MMAP2, 0});
}

PV_CASE(sideband, cpu_off, .pmu = "perf", .proof = "kernel",
	.about = "a CPU's event that is off, before enable and after disable, gets no record")
{
	struct perf_event_attr attr = sb_attr();
	struct pv_ev *ev;
	struct sb_log *log;

	attr.comm = 1;
	attr.exclude_kernel = 0;
	ev = sb_open(t, &attr, -1, pv_cpu(t));
	set_name("before");
	pv_enable(t, ev);
	set_name("while");
	pv_disable(t, ev);
	set_name("after");
	log = sb_take(t, ev);
	pv_expect_eq(t, "COMM records", sb_count(log, PERF_RECORD_COMM, getpid()), 1);
}

PV_CASE(sideband, other_cpu, .pmu = "perf", .needs = "cpus2", .proof = "kernel",
	.about =
		"a task's event for one CPU has records of what the task does there, not elsewhere")
{
	struct perf_event_attr attr = sb_attr();
	struct pv_ev *ev, *here;
	int other = pv_cpu(t) ? 0 : 1;
	cpu_set_t set;

	attr.comm = 1;
	ev = sb_open(t, &attr, 0, other);
	here = sb_open(t, &attr, 0, pv_cpu(t));
	pv_enable(t, ev);
	pv_enable(t, here);
	set_name("here");
	CPU_ZERO(&set);
	CPU_SET(other, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		pv_skip(t, PV_ABSENT, "sched_setaffinity: %s", strerrorname_np(errno));
	set_name("there");
	pv_disable(t, ev);
	pv_disable(t, here);
	pv_expect_eq(t, "COMM records of the other CPU",
		     sb_count(sb_take(t, ev), PERF_RECORD_COMM, -1), 1);
	pv_expect_eq(t, "COMM records of this CPU",
		     sb_count(sb_take(t, here), PERF_RECORD_COMM, -1), 1);
}

PV_CASE(sideband, paused, .pmu = "perf", .proof = "kernel",
	.about =
		"what happens while the ring is paused is lost, told by one LOST before the next record")
{
	struct perf_event_attr attr = sb_attr();
	static struct pv_record rec;
	uint64_t id = 0, body[2];
	struct pv_ev *ev;

	attr.comm = 1;
	ev = sb_open(t, &attr, 0, -1);
	pv_enable(t, ev);
	if (pv_ioctl(ev, PERF_EVENT_IOC_ID, (uintptr_t)&id) ||
	    pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 1))
		pv_fail(t, "PERF_EVENT_IOC_PAUSE_OUTPUT is refused");
	set_name("a");
	set_name("b");
	set_name("c");
	pv_expect(t, "a paused ring stays empty", !pv_ring_next(t, ev, &rec));
	pv_ioctl(ev, PERF_EVENT_IOC_PAUSE_OUTPUT, 0);
	set_name("d");
	pv_disable(t, ev);
	if (!pv_ring_next(t, ev, &rec))
		pv_fail(t, "no record after the pause");
	memcpy(body, rec.body, sizeof(body));
	pv_expect_eq(t, "first record: LOST", rec.header.type, PERF_RECORD_LOST);
	pv_expect_eq(t, "LOST: size", rec.header.size, 24 + 48);
	pv_expect_eq(t, "LOST: id", body[0], id);
	pv_expect_eq(t, "LOST: records", body[1], 3);
	if (!pv_ring_next(t, ev, &rec))
		pv_fail(t, "no record behind LOST");
	pv_expect_eq(t, "second record: COMM", rec.header.type, PERF_RECORD_COMM);
	pv_expect_eq(t, "its name", rec.body[8], 'd');
	pv_expect(t, "no third record", !pv_ring_next(t, ev, &rec));
}

PV_CASE(sideband, other_events, .pmu = "perf", .proof = "kernel",
	.about =
		"any event can have side-band records: clocks, faults, a breakpoint, a group's sibling")
{
	static const struct {
		const char *what;
		uint32_t type;
		uint64_t config;
		bool sibling;
	} events[] = {
		{"cpu-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK, false},
		{"task-clock", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, false},
		{"page-faults", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, false},
		{"breakpoint", PERF_TYPE_BREAKPOINT, 0, false},
		{"sibling", PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, true},
	};

	for (unsigned int i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		struct perf_event_attr attr = sb_attr(), leader = sb_attr();
		struct pv_ev *ev, *first = NULL;
		static struct pv_record rec;
		unsigned int n = 0;
		int fd;

		attr.type = events[i].type;
		attr.config = events[i].config;
		attr.comm = 1;
		if (attr.type == PERF_TYPE_BREAKPOINT) {
			attr.bp_type = HW_BREAKPOINT_W;
			attr.bp_addr = (uintptr_t)pv_watch_place();
			attr.bp_len = 4;
			fd = pv_try_open(t, &attr, 0, -1, -1, 0);
			if (fd < 0)
				continue; /* no slots here */
			pv_sys_close(fd);
		}
		if (events[i].sibling) {
			first = pv_open(t, &leader, 0, -1, NULL, 0);
			attr.disabled = 0;
		}
		ev = pv_open(t, &attr, 0, -1, first, 0);
		pv_ring_map(t, ev, 1);
		pv_enable(t, first ? first : ev);
		set_name("one");
		set_name("two");
		pv_disable(t, first ? first : ev);
		while (pv_ring_next(t, ev, &rec))
			n += rec.header.type == PERF_RECORD_COMM;
		pv_expect_eq(t, events[i].what, n, 2);
		pv_close(t, ev);
	}
}
