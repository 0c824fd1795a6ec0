/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups: one read of all members, who may join, and how many fit. */
#define _GNU_SOURCE
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

/* A disabled leader with FORMAT_GROUP and a sibling that follows it, both `attr`. */
static struct pv_ev *open_pair(struct pv_test *t, const struct perf_event_attr *base,
			       struct pv_ev **sibling)
{
	struct perf_event_attr attr = *base;
	struct pv_ev *leader;

	attr.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	attr = *base;
	attr.disabled = 0;
	*sibling = pv_open(t, &attr, 0, -1, leader, 0);
	return leader;
}

/* Switches the whole group: the library takes a sibling for the sign that it is one. */
static void group_on(struct pv_test *t, struct pv_ev *sibling)
{
	pv_enable(t, sibling);
}

static void group_off(struct pv_test *t, struct pv_ev *sibling)
{
	pv_disable(t, sibling);
}

PV_CASE(groups, coherent, .each = "event[exact]",
	.about =
		"two copies of an event in a group are equal in every read, while they run and when they stand")
{
	static const char *const names[] = {"differing reads", "wrong counts", "wrong nr",
					    "times running backwards"};
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t units = 0, wrong[4] = {0}, enabled = 0, per = pv_event(t)->per;
	struct pv_ev *sibling, *leader = open_pair(t, &attr, &sibling);
	struct pv_group group;

	group_on(t, sibling);
	for (int i = 0; i < 5; i++) {
		pv_work(t, i);
		units += i;
		if (i == 4)
			group_off(t, sibling);
		pv_read_group(t, leader, &group);
		wrong[0] += group.member[0].value != group.member[1].value;
		wrong[1] += group.member[0].value < units * per;
		wrong[2] += group.nr != 2;
		wrong[3] += group.enabled < enabled || group.running != group.enabled;
		enabled = group.enabled;
	}
	for (int i = 0; i < 4; i++)
		pv_expect_eq(t, names[i], wrong[i], 0);
	pv_expect_in(t, "count", group.member[0].value, units * per, UINT64_MAX);
	pv_expect_eq(t, "count by the sibling's own read", pv_read(t, sibling).value,
		     group.member[1].value);
}

static uint64_t ioctl_id(struct pv_ev *ev)
{
	uint64_t id = 0;

	pv_ioctl(ev, PERF_EVENT_IOC_ID, (unsigned long)&id);
	return id;
}

PV_CASE(groups, order, .each = "n[2,5]", .pmu = "perf",
	.about =
		"a group read lists the leader, then the siblings as they were opened, under their own ids")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	struct pv_ev *ev[5];
	uint64_t misplaced = 0, same = 0;
	struct pv_group group;

	attr.read_format |= PERF_FORMAT_GROUP;
	for (int i = 0; i < pv_n(t); i++)
		ev[i] = pv_open(t, &attr, 0, -1, i ? ev[0] : NULL, 0);
	pv_read_group(t, ev[0], &group);
	pv_expect_eq(t, "members", group.nr, pv_n(t));
	for (int i = 0; i < pv_n(t); i++) {
		misplaced += group.member[i].id != ioctl_id(ev[i]);
		for (int k = 0; k < i; k++)
			same += ioctl_id(ev[i]) == ioctl_id(ev[k]);
	}
	pv_expect_eq(t, "members out of place", misplaced, 0);
	pv_expect_eq(t, "ids that two members share", same, 0);
}

/* The body of a sample of TID | READ with FORMAT_GROUP | FORMAT_ID. */
struct group_sample {
	uint32_t pid, tid;
	uint64_t nr;
	struct {
		uint64_t value, id;
	} member[2];
};

PV_CASE(groups, sample_read, .each = "event[samples exact]",
	.about = "each sample of the leader carries the counts of both members at that moment")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t)), leading = attr;
	uint64_t period = 3, samples = 0, per = pv_event(t)->per;
	uint64_t wrong_nr = 0, wrong_id = 0, wrong_leader = 0, wrong_sibling = 0, count;
	struct pv_ev *leader, *sibling;
	static struct pv_record rec;

	leading.sample_period = period;
	leading.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_READ;
	leading.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID;
	leader = pv_open(t, &leading, 0, -1, NULL, 0);
	attr.disabled = 0;
	sibling = pv_open(t, &attr, 0, -1, leader, 0);
	pv_ring_map(t, leader, 2);
	group_on(t, sibling);
	pv_work(t, 5 * period + 1);
	group_off(t, sibling);
	count = pv_read(t, leader).value;

	while (pv_ring_next(t, leader, &rec)) {
		struct group_sample s;
		uint64_t value;

		memcpy(&s, rec.body, sizeof(s));
		value = ++samples * period;
		wrong_nr += s.nr != 2;
		wrong_id +=
			s.member[0].id != ioctl_id(leader) || s.member[1].id != ioctl_id(sibling);
		wrong_leader += s.member[0].value != value;
		/* The occurrence that makes the sample may still be on its way to the sibling. */
		wrong_sibling += s.member[1].value != value && s.member[1].value != value - 1;
	}
	pv_expect_in(t, "count", count, (5 * period + 1) * per, UINT64_MAX);
	pv_expect_eq(t, "samples", samples, count / period);
	pv_expect_eq(t, "samples with another number of members", wrong_nr, 0);
	pv_expect_eq(t, "samples with wrong ids", wrong_id, 0);
	pv_expect_eq(t, "samples whose leader is not at a period", wrong_leader, 0);
	pv_expect_eq(t, "samples whose sibling is elsewhere", wrong_sibling, 0);
}

PV_CASE(groups, small_buffer, .each = "event[exact]",
	.about =
		"a group read into a buffer that is too small is ENOSPC, and one that fits gives all of it")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *sibling, *leader = open_pair(t, &attr, &sibling);
	uint64_t buf[32], whole = (3 + 2 * 2) * sizeof(buf[0]);

	pv_expect_errno(t, "one word", pv_sys_read(pv_fd(leader), buf, 8), -ENOSPC);
	pv_expect_errno(t, "one byte short", pv_sys_read(pv_fd(leader), buf, whole - 1), -ENOSPC);
	pv_expect_eq(t, "bytes, exact buffer", pv_sys_read(pv_fd(leader), buf, whole), whole);
	pv_expect_eq(t, "bytes, larger buffer", pv_sys_read(pv_fd(leader), buf, sizeof(buf)),
		     whole);
}

/* perf_event_validate_size(): what one group read returns is at most 16 KiB. */
#define READ_MAX 16384

PV_CASE(groups, read_limit, .pmu = "perf",
	.about =
		"a group grows until its read would pass 16 KiB, then the next member is refused with E2BIG")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy")), sibling = attr;
	static uint64_t buf[READ_MAX / 8 + 1];
	uint64_t head = 3 * 8, entry = 3 * 8, fit, members = 1;
	struct pv_ev *leader;
	int fd = 0;

	/* LOST makes a member three words; where it is not known yet (before 6.0) it has two. */
	attr.read_format |= PERF_FORMAT_GROUP | PERF_FORMAT_LOST;
	fd = pv_try_open(t, &attr, 0, -1, -1, 0);
	if (fd == -EINVAL && pv_attr_size(t) < 136) {
		attr.read_format &= ~(uint64_t)PERF_FORMAT_LOST;
		entry = 2 * 8;
	}
	pv_sys_close(fd);
	fit = (READ_MAX - head) / entry;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	sibling.read_format = 0;
	for (fd = 0; members <= fit; members++) {
		fd = pv_try_open(t, &sibling, 0, -1, pv_fd(leader), 0);
		if (fd == -EMFILE)
			pv_skip(t, PV_DENIED, "raise the limit of open files (ulimit -n) to %llu",
				(unsigned long long)fit + 16);
		if (fd < 0)
			break;
	}
	pv_expect_eq(t, "members", members, fit);
	pv_expect_errno(t, "one more", fd, -E2BIG);
	pv_expect_eq(t, "bytes of the largest read", pv_sys_read(pv_fd(leader), buf, sizeof(buf)),
		     head + members * entry);
	pv_expect_eq(t, "members in it", buf[0], members);
}

static void sleep_on(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
}

/* Opens a sibling that breaks one rule of perf_event_open(2); fd or -errno. */
static int open_wrong(struct pv_test *t, const char *rule, struct pv_ev *leader)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	int group_fd = pv_fd(leader), cpu = -1;
	pid_t pid = 0;

	if (!strcmp(rule, "nested"))
		group_fd = pv_fd(pv_open(t, &attr, 0, -1, leader, 0));
	else if (!strcmp(rule, "pinned"))
		attr.pinned = 1;
	else if (!strcmp(rule, "exclusive"))
		attr.exclusive = 1;
	else if (!strcmp(rule, "inherit"))
		attr.inherit = 1;
	else if (!strcmp(rule, "other-cpu"))
		cpu = pv_cpu(t);
	else if (!strcmp(rule, "other-task"))
		pid = pv_fork_held(t, sleep_on, NULL);
	else if (!strcmp(rule, "cpu-wide"))
		pid = -1, cpu = pv_cpu(t);
	else if (!strcmp(rule, "other-clock")) {
		attr.use_clockid = 1;
		attr.clockid = CLOCK_MONOTONIC;
	} else if (!strcmp(rule, "closed-fd"))
		group_fd = 100000;
	else if (!strcmp(rule, "no-event-fd"))
		group_fd = STDERR_FILENO;
	else
		pv_error(t, PV_BROKEN_SETUP, "no rule called %s", rule);
	return pv_try_open(t, &attr, pid, cpu, group_fd, 0);
}

PV_CASE(groups, refused, .pmu = "perf",
	.each = "word[nested,pinned,exclusive,inherit,other-cpu,other-task,cpu-wide,other-clock,closed-fd,no-event-fd]",
	.about =
		"a sibling that may not join is refused with the right errno, and the group is as before")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	bool no_event = strstr(pv_word(t), "-fd"), nested = !strcmp(pv_word(t), "nested");
	struct pv_ev *leader;
	struct pv_group group;

	attr.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "join", open_wrong(t, pv_word(t), leader), no_event ? -EBADF : -EINVAL);
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members", group.nr, nested ? 2 : 1);
	attr.read_format &= ~(uint64_t)PERF_FORMAT_GROUP;
	pv_expect_errno(t, "a right one joins", pv_try_open(t, &attr, 0, -1, pv_fd(leader), 0), 0);
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members then", group.nr, nested ? 3 : 2);
}

PV_CASE(groups, sw_sibling, .each = "event[live]",
	.about = "a software event joins the event's group, and both count")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct perf_event_attr clock = pv_attr(t, pv_find_event(t, "sw", "task-clock"));
	uint64_t lo, hi, units = pv_work_some(pv_event(t)), start, wall;
	struct pv_ev *leader, *sibling;
	struct pv_group group;

	attr.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	clock.disabled = 0;
	sibling = pv_open(t, &clock, 0, -1, leader, 0);
	start = pv_sys_walltime();
	/* local_clock() may stand still for a tick (kernel/sched/clock.c): one window is longer. */
	for (int i = 0; i < 1000 && (!i || !group.member[1].value); i++) {
		group_on(t, sibling);
		pv_work(t, units);
		group_off(t, sibling);
		pv_read_group(t, leader, &group);
	}
	wall = pv_sys_walltime() - start;
	pv_due(t, units, &lo, &hi);
	pv_expect_eq(t, "members", group.nr, 2);
	pv_expect_in(t, "count", group.member[0].value, lo ? lo : 1, UINT64_MAX);
	/* … and may be as far off the clock source: HZ=100 at the slowest. */
	pv_expect_in(t, "task-clock", group.member[1].value, 1, UINT64_MAX);
	pv_expect(t, "task-clock within the time that passed",
		  group.member[1].value <= wall + 10000000);
	pv_expect_eq(t, "running short of enabled", group.enabled - group.running, 0);
}

/* The event that the fixed counter serves: CPU_CYCLES (armv8pmu_get_event_idx()). */
static bool is_cycles(const struct pv_event_desc *e)
{
	return (e->config & 0xffff) == 0x11;
}

PV_CASE(groups, counters, .each = "event[loop]", .pmu = "pmuv3",
	.about =
		"as many copies as there are counters fit into a group and all count; one more is refused with EINVAL")
{
	const struct pv_event_desc *e = pv_event(t);
	unsigned int fit = pv_pmu(t)->counters + (is_cycles(e) ? pv_pmu(t)->fixed : 0);
	struct perf_event_attr attr = pv_attr(t, e), more;
	struct pv_ev *leader, *sibling = NULL;
	struct pv_group group;
	uint64_t silent = 0;

	/* arm_pmu takes no account of members that are disabled (validate_event()). */
	attr.disabled = 0;
	attr.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	for (unsigned int i = 1; i < fit; i++)
		sibling = pv_open(t, &attr, 0, -1, leader, 0);
	more = attr;
	pv_expect_errno(t, "one more", pv_try_open(t, &more, 0, -1, pv_fd(leader), 0), -EINVAL);
	/* A counter of its own, so it fits on top. */
	if (!is_cycles(e) && pv_pmu(t)->fixed) {
		more = pv_attr(t, pv_find_event(t, pv_pmu(t)->family, "cpu_cycles"));
		more.disabled = 0;
		sibling = pv_open(t, &more, 0, -1, leader, 0);
		fit++;
	}
	group_off(t, sibling);
	pv_reset(t, sibling);
	group_on(t, sibling);
	pv_work(t, 10000);
	group_off(t, sibling);
	pv_read_group(t, leader, &group);
	for (unsigned int i = 0; i < group.nr; i++)
		silent += group.member[i].value < 10000;
	pv_expect_eq(t, "members", group.nr, fit);
	pv_expect_eq(t, "members that did not count", silent, 0);
	pv_expect_eq(t, "running short of enabled", group.enabled - group.running, 0);
}

PV_CASE(groups, unlimited, .each = "event[exact]", .pmu = "sw tracepoint",
	.about = "software events need no counter: 64 fit into a group and all count")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *leader, *sibling = NULL;
	struct pv_group group;
	uint64_t other = 0;

	attr.read_format |= PERF_FORMAT_GROUP;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.disabled = 0;
	for (int i = 1; i < PV_GROUP_MAX; i++)
		sibling = pv_open(t, &attr, 0, -1, leader, 0);
	group_on(t, sibling);
	pv_work(t, 5);
	group_off(t, sibling);
	pv_read_group(t, leader, &group);
	for (unsigned int i = 0; i < group.nr; i++)
		other += group.member[i].value != group.member[0].value;
	pv_expect_eq(t, "members", group.nr, PV_GROUP_MAX);
	pv_expect_in(t, "count", group.member[0].value, 5 * pv_event(t)->per, UINT64_MAX);
	pv_expect_eq(t, "members with another count", other, 0);
	pv_expect_eq(t, "running short of enabled", group.enabled - group.running, 0);
}
