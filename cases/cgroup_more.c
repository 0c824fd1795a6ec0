/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups of control groups' events, their samples, what is refused, and switches between groups. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static uint64_t value(struct pv_test *t, struct pv_ev *ev)
{
	return pv_read(t, ev).value;
}

/* Skips where the kernel has no such events at all. */
static void probe(struct pv_test *t, struct pv_cgroup *g)
{
	struct perf_event_attr attr = pv_dummy;
	int fd = pv_try_open(t, &attr, pv_cgroup_fd(g), pv_cpu(t), -1, PERF_FLAG_PID_CGROUP);

	if (fd == -ENOENT || fd == -EINVAL)
		pv_skip(t, PV_CONFIG_OFF, "no events of control groups (CONFIG_CGROUP_PERF): %s",
			strerrorname_np(-fd));
	if (fd >= 0)
		pv_sys_close(fd);
}

PV_CASE(cgroup, refused, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"a group's event needs a CPU and the fd of a group's directory; members of a group "
		"of events are of one control group")
{
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a"), *h = pv_cgroup(t, NULL, "b");
	const unsigned long flag = PERF_FLAG_PID_CGROUP;
	struct perf_event_attr attr = pv_dummy;
	struct pv_ev *of_g, *of_cpu;
	int cpu = pv_cpu(t), fd = pv_cgroup_fd(g), file, dir;

	probe(t, g);
	file = open(pv_cgroup_procs(g), O_RDONLY | O_CLOEXEC);
	dir = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pv_expect_errno(t, "no CPU", pv_outcome(t, &attr, fd, -1, -1, flag), -EINVAL);
	pv_expect_errno(t, "pid -1", pv_outcome(t, &attr, -1, cpu, -1, flag), -EINVAL);
	pv_expect_errno(t, "an fd that is not open", pv_outcome(t, &attr, 9999, cpu, -1, flag),
			-EBADF);
	pv_expect_errno(t, "a file of a group", pv_outcome(t, &attr, file, cpu, -1, flag), -EBADF);
	pv_expect_errno(t, "another directory", pv_outcome(t, &attr, dir, cpu, -1, flag), -EBADF);
	pv_expect_errno(t, "a group on a CPU that is not there",
			pv_outcome(t, &attr, fd, 1 << 20, -1, flag), -EINVAL);
	of_g = pv_open(t, &attr, fd, cpu, NULL, flag);
	of_cpu = pv_open(t, &attr, -1, cpu, NULL, 0);
	pv_expect_errno(t, "a sibling of the same group",
			pv_outcome(t, &attr, fd, cpu, pv_fd(of_g), flag), 0);
	pv_expect_errno(t, "a sibling of another group",
			pv_outcome(t, &attr, pv_cgroup_fd(h), cpu, pv_fd(of_g), flag), -EINVAL);
	pv_expect_errno(t, "a sibling of a group under a CPU's event",
			pv_outcome(t, &attr, fd, cpu, pv_fd(of_cpu), flag), -EINVAL);
	/* Refusals give back what they took of the group. */
	pv_close(t, of_g);
	close(file);
	pv_expect_errno(t, "remove the first group", pv_cgroup_remove(g), 0);
	pv_expect_errno(t, "remove the second group", pv_cgroup_remove(h), 0);
}

PV_CASE(cgroup, group, .pmu = "tracepoint", .needs = "root tracefs", .proof = "kernel",
	.about = "a group of events of one control group counts together, one of another by itself")
{
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a"), *h = pv_cgroup(t, NULL, "b");
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *leader, *other, *cpu;
	struct pv_actor *in, *out;
	struct pv_group group;

	probe(t, g);
	in = pv_actor(t);
	out = pv_actor(t);
	pv_cgroup_move(t, g, in->pid);
	pv_cgroup_move(t, h, out->pid);
	attr.disabled = 0;
	other = pv_open(t, &attr, pv_cgroup_fd(h), pv_cpu(t), NULL, PERF_FLAG_PID_CGROUP);
	cpu = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	attr.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &attr, pv_cgroup_fd(g), pv_cpu(t), NULL, PERF_FLAG_PID_CGROUP);
	pv_open(t, &attr, pv_cgroup_fd(g), pv_cpu(t), leader, PERF_FLAG_PID_CGROUP);
	for (int i = 0; i < 4; i++) {
		pv_act(t, in, PV_ACT_CALLS, 2);
		pv_act(t, out, PV_ACT_CALLS, 5);
		pv_calls(100);
	}
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members", group.nr, 2);
	pv_expect_eq(t, "the leader's count", group.member[0].value, 8);
	pv_expect_eq(t, "the sibling's count", group.member[1].value, 8);
	pv_expect_eq(t, "enabled but not running", group.enabled - group.running, 0);
	pv_expect_eq(t, "the other group's count", value(t, other), 20);
	pv_expect_eq(t, "the CPU's count", value(t, cpu), 428);
	pv_actor_end(t, in);
	pv_actor_end(t, out);
	pv_expect_errno(t, "remove the first group", pv_cgroup_remove(g), 0);
	pv_expect_errno(t, "remove the second group", pv_cgroup_remove(h), 0);
}

PV_CASE(cgroup, samples, .pmu = "tracepoint", .each = "word[plain,inherit]",
	.needs = "root tracefs", .proof = "kernel",
	.about = "samples of a control group's event are of its members; inherit changes nothing")
{
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a");
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *in, *child, *out;
	uint64_t of_in = 0, of_child = 0, others = 0;
	static struct pv_record rec;
	struct pv_ev *ev;

	probe(t, g);
	in = pv_actor(t);
	out = pv_actor(t);
	pv_cgroup_move(t, g, in->pid);
	attr.inherit = !strcmp(pv_word(t), "inherit");
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID;
	ev = pv_open(t, &attr, pv_cgroup_fd(g), pv_cpu(t), NULL, PERF_FLAG_PID_CGROUP);
	pv_ring_map(t, ev, 1);
	pv_enable(t, ev);
	child = pv_actor_fork(t, in);
	for (int i = 0; i < 3; i++) {
		pv_act(t, in, PV_ACT_CALLS, 2);
		pv_act(t, out, PV_ACT_CALLS, 100);
		pv_act(t, child, PV_ACT_CALLS, 3);
	}
	pv_disable(t, ev);
	while (pv_ring_next(t, ev, &rec)) {
		uint64_t tid = PV_WORD(&rec, 0) >> 32;

		of_in += tid == (uint64_t)in->tid;
		of_child += tid == (uint64_t)child->tid;
		others += tid != (uint64_t)in->tid && tid != (uint64_t)child->tid;
	}
	pv_expect_eq(t, "samples of a member", of_in, 6);
	pv_expect_eq(t, "samples of its child", of_child, 9);
	pv_expect_eq(t, "samples of others", others, 0);
	pv_expect_eq(t, "count", value(t, ev), 15);
	pv_actor_end(t, child);
	pv_actor_end(t, in);
	pv_expect_errno(t, "remove the group", pv_cgroup_remove(g), 0);
}

/* kernel/events/core.c, include/linux/perf_event.h perf_event_task_sched_out(): one for each switch
 * from a task to one of another group. */
PV_CASE(cgroup, switches, .pmu = "sw", .needs = "root", .proof = "kernel",
	.about = "cgroup-switches counts switches to a task of another control group")
{
	struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
				       .size = sizeof(attr),
				       .config = PERF_COUNT_SW_CGROUP_SWITCHES,
				       .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED |
						      PERF_FORMAT_TOTAL_TIME_RUNNING |
						      PERF_FORMAT_ID};
	struct pv_cgroup *g = pv_cgroup(t, NULL, "a");
	struct pv_ev *groups, *all;
	struct pv_actor *in;
	uint64_t a, b;

	probe(t, g);
	in = pv_actor(t);
	if (pv_outcome(t, &attr, 0, -1, -1, 0) == -ENOENT)
		pv_skip(t, PV_TOO_OLD, "no cgroup-switches");
	pv_cgroup_move(t, g, in->pid);
	groups = pv_open(t, &attr, in->tid, -1, NULL, 0);
	attr.config = PERF_COUNT_SW_CONTEXT_SWITCHES;
	all = pv_open(t, &attr, in->tid, -1, NULL, 0);
	a = value(t, groups);
	/* Its answer lets us run, and we are of another group, as all idle tasks are. */
	for (int i = 0; i < 20; i++)
		pv_act(t, in, PV_ACT_NONE, 0);
	b = value(t, groups);
	pv_expect_in(t, "switches to another group", b - a, 20, value(t, all));
	pv_actor_end(t, in);
	pv_expect_errno(t, "remove the group", pv_cgroup_remove(g), 0);
}

/* Descendants of a control group that are removed and not freed, -1 when that is not told. */
static long dying(struct pv_cgroup *g)
{
	char path[300], text[256] = "";
	const char *procs = pv_cgroup_procs(g), *line;

	snprintf(path, sizeof(path), "%.*s/cgroup.stat", (int)(strrchr(procs, '/') - procs), procs);
	if (pv_file_read(path, text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, "nr_dying_descendants ");
	return line ? atol(strchr(line, ' ')) : -1;
}

PV_CASE(cgroup, freed, .pmu = "perf", .needs = "root", .proof = "kernel",
	.each = "word[used,unused,refused]",
	.about =
		"an event holds its control group until it is closed, and one that is refused does not")
{
	struct pv_cgroup *above = pv_cgroup(t, NULL, "a"), *g = pv_cgroup(t, above, "b");
	bool used = !strcmp(pv_word(t), "used"), refused = !strcmp(pv_word(t), "refused");
	const unsigned long flag = PERF_FLAG_PID_CGROUP;
	struct perf_event_attr attr = pv_dummy;
	struct pv_ev *ev = NULL;
	struct pv_actor *in;
	long left;

	probe(t, g);
	attr.disabled = !used;
	if (!refused)
		ev = pv_open(t, &attr, pv_cgroup_fd(g), pv_cpu(t), NULL, flag);
	attr.use_clockid = 1;
	attr.clockid = 999;
	pv_expect_errno(t, "a clock that does not exist",
			pv_outcome(t, &attr, pv_cgroup_fd(g), pv_cpu(t), -1, flag), -EINVAL);
	if (used) {
		in = pv_actor(t);
		pv_cgroup_move(t, g, in->pid);
		pv_act(t, in, PV_ACT_SPIN, 100);
		pv_cgroup_move(t, NULL, in->pid);
		pv_actor_end(t, in);
	}
	pv_expect_errno(t, "remove the group", pv_cgroup_remove(g), 0);
	if (ev) {
		left = dying(above);
		if (left < 0)
			pv_skip(t, PV_TOO_OLD, "cgroup.stat does not tell of removed groups");
		pv_expect_eq(t, "removed groups that are held", left, 1);
		pv_close(t, ev);
	}
	/* It is freed by a worker, behind a grace period. */
	for (int i = 0; i < 500 && (left = dying(above)) > 0; i++)
		usleep(10000);
	pv_expect_eq(t, "removed groups that are held at the end", left, 0);
	pv_expect_errno(t, "remove the group above", pv_cgroup_remove(above), 0);
}
