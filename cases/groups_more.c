/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Groups that change while they count: members that close, a leader that goes first, a software
 * group that a counter joins; and groups that start at an exec.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define MEMBERS 4

static void must_ioctl(struct pv_test *t, struct pv_ev *ev, unsigned long request,
		       unsigned long arg)
{
	int err = pv_ioctl(ev, request, arg);

	if (err)
		pv_fail(t, "ioctl 0x%lx, flags %lu: %s", request, arg, strerrorname_np(-err));
}

static uint64_t id_of(struct pv_ev *ev)
{
	uint64_t id = 0;

	pv_ioctl(ev, PERF_EVENT_IOC_ID, (uintptr_t)&id);
	return id;
}

/* A running group of copies of the case's event; every member has FORMAT_GROUP. */
static void open_running(struct pv_test *t, struct pv_ev **ev, int nr)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.read_format |= PERF_FORMAT_GROUP;
	for (int i = 0; i < nr; i++) {
		attr.disabled = !i;
		ev[i] = pv_open(t, &attr, 0, -1, i ? ev[0] : NULL, 0);
	}
	must_ioctl(t, ev[0], PERF_EVENT_IOC_ENABLE, 0);
}

static void warm_up(struct pv_test *t)
{
	struct pv_ev *ev[2];
	struct pv_group g;

	open_running(t, ev, 2);
	pv_work(t, 2);
	pv_read_group(t, ev[0], &g);
	must_ioctl(t, ev[0], PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
	pv_close(t, ev[1]);
	pv_close(t, ev[0]);
}

static uint64_t due(struct pv_test *t, uint64_t units)
{
	return units * pv_event(t)->per;
}

PV_CASE(groups, sibling_closes, .pmu = "tracepoint breakpoint", .each = "event[exact !data]",
	.proof = "kernel",
	.about =
		"a sibling that is closed leaves the group's reads; the others go on counting, exactly, in their order")
{
	uint64_t misplaced = 0, wrong = 0;
	struct pv_ev *ev[MEMBERS];
	struct pv_group g;
	uint64_t one[3 + 2 * MEMBERS + 1], whole = (3 + 2 * (MEMBERS - 1)) * 8;

	warm_up(t);
	open_running(t, ev, MEMBERS);
	pv_work(t, 5);
	pv_close(t, ev[2]);
	pv_work(t, 3);
	pv_expect_errno(t, "buffer one byte short", pv_sys_read(pv_fd(ev[0]), one, whole - 1),
			-ENOSPC);
	pv_expect_eq(t, "bytes", pv_sys_read(pv_fd(ev[0]), one, whole), whole);
	pv_expect_eq(t, "bytes by a sibling", pv_sys_read(pv_fd(ev[3]), one, whole), whole);
	must_ioctl(t, ev[0], PERF_EVENT_IOC_DISABLE, 0);
	pv_read_group(t, ev[0], &g);
	pv_expect_eq(t, "members", g.nr, MEMBERS - 1);
	for (int i = 0; i < MEMBERS - 1; i++) {
		misplaced += g.member[i].id != id_of(ev[i < 2 ? i : 3]);
		wrong += g.member[i].value != due(t, 8);
	}
	pv_expect_eq(t, "members out of place", misplaced, 0);
	pv_expect_eq(t, "members with a wrong count", wrong, 0);
	pv_expect(t, "time running is time enabled", g.running && g.running == g.enabled);
	/* A new one takes the last place. */
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.disabled = 0;
	ev[2] = pv_open(t, &attr, 0, -1, ev[0], 0);
	must_ioctl(t, ev[0], PERF_EVENT_IOC_ENABLE, 0);
	pv_work(t, 4);
	must_ioctl(t, ev[0], PERF_EVENT_IOC_DISABLE, 0);
	pv_read_group(t, ev[0], &g);
	pv_expect_eq(t, "members with a new one", g.nr, MEMBERS);
	pv_expect(t, "the new one is last", g.member[MEMBERS - 1].id == id_of(ev[2]));
	pv_expect_eq(t, "count of the new one", g.member[MEMBERS - 1].value, due(t, 4));
	pv_expect_eq(t, "count of the leader", g.member[0].value, due(t, 12));
}

PV_CASE(groups, leader_closes, .pmu = "tracepoint breakpoint", .each = "event[exact !data]",
	.proof = "kernel",
	.about =
		"siblings whose leader is closed go on alone: each counts, reads itself only, and is switched by itself")
{
	uint64_t alone[3 + 2 + 1], alone_size = (3 + 2) * 8, running = 0, wrong_nr = 0;
	uint64_t wrong = 0, wrong_id = 0, size = 0;
	struct pv_ev *ev[MEMBERS];
	struct pv_group g;

	warm_up(t);
	open_running(t, ev, MEMBERS);
	pv_work(t, 5);
	pv_close(t, ev[0]);
	pv_work(t, 3);
	/* One is off while the others count. */
	must_ioctl(t, ev[2], PERF_EVENT_IOC_DISABLE, 0);
	pv_work(t, 2);
	must_ioctl(t, ev[2], PERF_EVENT_IOC_ENABLE, 0);
	pv_work(t, 1);
	for (int i = 1; i < MEMBERS; i++)
		must_ioctl(t, ev[i], PERF_EVENT_IOC_DISABLE, 0);
	pv_work(t, 1);
	for (int i = 1; i < MEMBERS; i++) {
		size += pv_sys_read(pv_fd(ev[i]), alone, alone_size - 1) != -ENOSPC;
		size += pv_sys_read(pv_fd(ev[i]), alone, alone_size + 8) != (long)alone_size;
		pv_read_group(t, ev[i], &g);
		wrong_nr += g.nr != 1;
		wrong_id += g.member[0].id != id_of(ev[i]);
		wrong += g.member[0].value != due(t, i == 2 ? 9 : 11);
		running += g.running != g.enabled || !g.running;
	}
	pv_expect_eq(t, "reads of another size than one member's", size, 0);
	pv_expect_eq(t, "members that are not alone", wrong_nr, 0);
	pv_expect_eq(t, "wrong ids", wrong_id, 0);
	pv_expect_eq(t, "wrong counts", wrong, 0);
	pv_expect_eq(t, "members that were not always on", running, 0);
	/* Each may lead now. */
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.disabled = 0;
	ev[0] = pv_open(t, &attr, 0, -1, ev[3], 0);
	must_ioctl(t, ev[3], PERF_EVENT_IOC_ENABLE, 0);
	pv_work(t, 4);
	must_ioctl(t, ev[3], PERF_EVENT_IOC_DISABLE, 0);
	pv_read_group(t, ev[3], &g);
	pv_expect_eq(t, "members of a new group", g.nr, 2);
	pv_expect_eq(t, "count of its leader", g.member[0].value, due(t, 15));
	pv_expect_eq(t, "count of its sibling", g.member[1].value, due(t, 4));
}

PV_CASE(groups, leader_closes_off, .pmu = "tracepoint breakpoint", .each = "event[exact !data]",
	.proof = "kernel",
	.about =
		"siblings whose leader was off when it was closed start to count, those that were off themselves do not")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *leader, *on, *off;
	struct pv_count c;

	warm_up(t);
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	off = pv_open(t, &attr, 0, -1, leader, 0);
	attr.disabled = 0;
	on = pv_open(t, &attr, 0, -1, leader, 0);
	pv_work(t, 3);
	c = pv_read(t, on);
	pv_expect_eq(t, "count below a leader that is off", c.value, 0);
	pv_expect_eq(t, "time enabled below a leader that is off", c.enabled, 0);
	pv_close(t, leader);
	/* What is enabled and alone goes on at the context's next reschedule, which an enable is.
	 */
	must_ioctl(t, off, PERF_EVENT_IOC_ENABLE, 0);
	must_ioctl(t, off, PERF_EVENT_IOC_DISABLE, 0);
	pv_work(t, 4);
	c = pv_read(t, off);
	pv_expect_eq(t, "count of the one that is off", c.value, 0);
	must_ioctl(t, on, PERF_EVENT_IOC_DISABLE, 0);
	pv_note(t, "count of the one that is on", pv_read(t, on).value);
	must_ioctl(t, on, PERF_EVENT_IOC_RESET, 0);
	must_ioctl(t, on, PERF_EVENT_IOC_ENABLE, 0);
	pv_work(t, 4);
	must_ioctl(t, on, PERF_EVENT_IOC_DISABLE, 0);
	pv_expect_eq(t, "count when switched by itself", pv_read(t, on).value, due(t, 4));
}

PV_CASE(groups, move, .pmu = "pmuv3", .each = "event[live] word[leader,group]", .needs = "tracefs",
	.proof = "kernel",
	.about =
		"a software group that a counter joins while it runs moves with it and counts on, nothing lost, nothing twice")
{
	const struct pv_event_desc *e = pv_find_event(t, "tracepoint", "sys_enter_getppid");
	struct perf_event_attr sw = pv_attr(t, e), hw = pv_attr(t, pv_event(t));
	bool group = !strcmp(pv_word(t), "group");
	uint64_t moved, members = group ? 3 : 2;
	struct pv_ev *leader, *sibling, *counter;
	struct pv_count before;
	struct pv_group g;

	pv_work_event(t, e, 2);
	/* With attr.disabled the move would leave it off (perf_event__state_init()). */
	sw.disabled = 0;
	sw.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &sw, 0, -1, NULL, 0);
	sw.read_format &= ~(uint64_t)PERF_FORMAT_GROUP;
	sibling = group ? pv_open(t, &sw, 0, -1, leader, 0) : NULL;
	pv_read_group(t, leader, &g);
	must_ioctl(t, leader, PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
	pv_work_event(t, e, 6);
	before = pv_read(t, leader);
	moved = before.value;
	hw.disabled = 0;
	counter = pv_open(t, &hw, 0, -1, leader, 0);
	pv_read_group(t, leader, &g);
	moved = g.member[0].value;
	pv_work_event(t, e, 7);
	pv_work(t, pv_work_some(pv_event(t)));
	must_ioctl(t, leader, PERF_EVENT_IOC_DISABLE, 0);
	pv_read_group(t, leader, &g);
	pv_expect_eq(t, "count before", before.value, 6);
	pv_expect_eq(t, "count of the move itself", moved - before.value, 0);
	pv_expect_eq(t, "count since the move", g.member[0].value - moved, 7);
	pv_expect_eq(t, "members", g.nr, members);
	if (group)
		pv_expect_eq(t, "count of the sibling", pv_read(t, sibling).value,
			     g.member[0].value);
	pv_expect_in(t, "count of the counter", g.member[members - 1].value, 1, UINT64_MAX / 2);
	pv_expect_eq(t, "count of the counter by its own read", pv_read(t, counter).value,
		     g.member[members - 1].value);
	pv_expect(t, "time enabled goes on", g.enabled > before.enabled);
	pv_expect(t, "time running goes on", g.running > before.running && g.running <= g.enabled);
	/* … and back to software when the counter leaves. */
	pv_close(t, counter);
	must_ioctl(t, leader, PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
	must_ioctl(t, leader, PERF_EVENT_IOC_ENABLE, 0);
	pv_work_event(t, e, 5);
	must_ioctl(t, leader, PERF_EVENT_IOC_DISABLE, 0);
	pv_read_group(t, leader, &g);
	pv_expect_eq(t, "members without the counter", g.nr, members - 1);
	pv_expect_eq(t, "count without the counter", g.member[0].value, 5);
}

/* ---- enable_on_exec ---- */

PV_EXEC(group_work)
{
	/* getppid(2) only: no event counts anything else of this program here. */
	for (int i = 0; i < 6; i++)
		pv_sys_work(PV_WORK_GETPPID, 1, NULL, 0);
	return argc - 1;
}

static void exec_work(struct pv_test *t, void *arg)
{
	const char *const action[] = {"group_work", NULL};

	(void)arg;
	pv_sys_work(PV_WORK_GETPPID, 3, NULL, 0);
	pv_exec(t, NULL, action);
}

PV_CASE(groups, exec, .pmu = "perf", .needs = "tracefs", .arch = "x86_64 arm64", .proof = "kernel",
	.about =
		"enable_on_exec starts the members that have it at the exec: a leader takes its enabled siblings along, one that is off stays off")
{
	const struct pv_event_desc *e = pv_find_event(t, "tracepoint", "sys_enter_getppid");
	static const struct {
		const char *name;
		bool on_exec, disabled;
		uint64_t due;
	} members[] = {
		{"leader, on exec", true, true, 6},
		{"sibling, enabled", false, false, 6},
		{"sibling, off", false, true, 0},
		{"sibling, on exec", true, true, 6},
	};
	struct perf_event_attr attr = pv_attr(t, e), base = attr;
	pid_t child = pv_fork_held(t, exec_work, NULL);
	struct pv_ev *ev[4], *alone;
	struct pv_count c, lead;

	pv_wait_asleep(t, child);
	for (int i = 0; i < 4; i++) {
		attr = base;
		attr.enable_on_exec = members[i].on_exec;
		attr.disabled = members[i].disabled;
		ev[i] = pv_open(t, &attr, child, -1, i ? ev[0] : NULL, 0);
	}
	attr = base;
	attr.disabled = 0;
	alone = pv_open(t, &attr, child, -1, NULL, 0);
	pv_go(t, child);
	pv_wait(t, child);
	lead = pv_read(t, ev[0]);
	for (int i = 0; i < 4; i++) {
		c = pv_read(t, ev[i]);
		pv_expect_eq(t, members[i].name, c.value, members[i].due);
		if (i == 2)
			pv_expect_eq(t, "time of the one that is off", c.enabled, 0);
		else
			pv_expect(t, "times of a member",
				  c.enabled == lead.enabled && c.running == lead.running &&
					  c.running == c.enabled && c.enabled);
	}
	pv_expect_eq(t, "an event from before the exec", pv_read(t, alone).value, 9);
	pv_expect(t, "it was on for longer", pv_read(t, alone).enabled > lead.enabled);
}

/* The leader and the new members would have room for ever: one sibling's format has not. */
PV_CASE(groups, read_limit_sibling, .pmu = "perf", .proof = "kernel",
	.fixes = "382c27f4ed28 (..6.6)",
	.about = "a group grows until the read of one of its siblings would pass 16 KiB")
{
	struct perf_event_attr attr = pv_dummy, large = pv_dummy;
	static uint64_t buf[16384 / 8 + 1];
	struct pv_ev *leader, *sibling;
	uint64_t members = 2, fit, entry = 3 * 8;
	int fd = 0;

	attr.read_format = 0;
	/* LOST came with 6.0; with two words a member there are more of them than fds as a rule. */
	large.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID | PERF_FORMAT_LOST;
	if (pv_outcome(t, &large, 0, -1, -1, 0) == -EINVAL && pv_attr_size(t) < 136) {
		large.read_format &= ~(uint64_t)PERF_FORMAT_LOST;
		entry = 2 * 8;
	}
	fit = (16384 - 8) / entry;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	sibling = pv_open(t, &large, 0, -1, leader, 0);
	for (; members <= fit; members++) {
		fd = pv_try_open(t, &attr, 0, -1, pv_fd(leader), 0);
		if (fd == -EMFILE)
			pv_skip(t, PV_DENIED, "raise the limit of open files (ulimit -n) to %llu",
				(unsigned long long)fit + 16);
		if (fd < 0)
			break;
	}
	pv_expect_eq(t, "members", members, fit);
	pv_expect_errno(t, "one more", fd, -E2BIG);
	pv_expect_eq(t, "bytes of the sibling's read",
		     pv_sys_read(pv_fd(sibling), buf, sizeof(buf)), 8 + entry * members);
}
