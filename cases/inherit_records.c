/* SPDX-License-Identifier: GPL-2.0-only */
/* What inherited events write, and groups that are no longer those of their children. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <string.h>

#include "cases/pv.h"

/* The ring of an inherited event is a CPU's: perf_mmap() refuses it otherwise. All run on ours. */
static struct pv_ev *open_ring(struct pv_test *t, struct perf_event_attr *attr, pid_t pid)
{
	struct pv_ev *ev;

	attr->inherit = 1;
	ev = pv_open(t, attr, pid, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 8);
	return ev;
}

static uint64_t find_tid(struct pv_actor *const *a, int n, uint32_t tid)
{
	int i = 0;

	while (i < n && (uint32_t)a[i]->tid != tid)
		i++;
	return i;
}

PV_CASE(inherit, sample_ids, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about =
		"children's samples carry their task, the parent's id and a stream id of their own")
{
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *a[3] = {pv_actor(t)};
	uint64_t samples[4] = {0}, stream[3] = {0}, id, wrong_id = 0, mixed = 0, wrong_pid = 0;
	static struct pv_record rec;
	struct pv_ev *ev;

	attr.sample_period = 1;
	attr.sample_type =
		PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID;
	pv_tell_apart(t, a[0]->tid);
	ev = open_ring(t, &attr, a[0]->tid);
	pv_enable(t, ev);
	a[1] = pv_actor_fork(t, a[0]);
	a[2] = pv_actor_thread(t, a[0]);
	for (int i = 0; i < 3; i++)
		pv_act(t, a[i], PV_ACT_CALLS, 5 + i);
	pv_disable(t, ev);
	id = pv_read(t, ev).id;
	while (pv_ring_next(t, ev, &rec)) {
		uint64_t who = find_tid(a, 3, PV_WORD(&rec, 8) >> 32);

		samples[who]++;
		wrong_id += PV_WORD(&rec, 0) != id || PV_WORD(&rec, 16) != id;
		if (rec.header.type != PERF_RECORD_SAMPLE || who == 3)
			continue;
		wrong_pid += (uint32_t)PV_WORD(&rec, 8) != (uint32_t)a[who]->pid;
		mixed += stream[who] && stream[who] != PV_WORD(&rec, 24);
		stream[who] = PV_WORD(&rec, 24);
	}
	pv_expect_eq(t, "samples of the parent", samples[0], 5);
	pv_expect_eq(t, "samples of the child", samples[1], 6);
	pv_expect_eq(t, "samples of the thread", samples[2], 7);
	pv_expect_eq(t, "samples of others", samples[3], 0);
	pv_expect_eq(t, "samples with another process", wrong_pid, 0);
	pv_expect_eq(t, "samples with another id than the parent's", wrong_id, 0);
	pv_expect_eq(t, "samples of a task with two streams", mixed, 0);
	pv_expect(t, "the parent's stream is its id", stream[0] == id);
	pv_expect(t, "each child has a stream of its own",
		  stream[1] && stream[2] && stream[1] != id && stream[2] != id &&
			  stream[1] != stream[2]);
}

PV_CASE(inherit, period, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "IOC_PERIOD is for the event itself and for children yet to be born")
{
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *a[3] = {pv_actor(t)};
	uint64_t samples[4] = {0}, period = 2;
	static struct pv_record rec;
	struct pv_ev *ev;

	attr.sample_period = 5;
	attr.sample_type = PERF_SAMPLE_TID;
	pv_tell_apart(t, a[0]->tid);
	ev = open_ring(t, &attr, a[0]->tid);
	pv_enable(t, ev);
	a[1] = pv_actor_fork(t, a[0]);
	pv_expect_errno(t, "IOC_PERIOD",
			pv_ioctl(ev, PERF_EVENT_IOC_PERIOD, (unsigned long)&period), 0);
	a[2] = pv_actor_fork(t, a[0]);
	for (int i = 0; i < 3; i++)
		pv_act(t, a[i], PV_ACT_CALLS, 20);
	pv_disable(t, ev);
	while (pv_ring_next(t, ev, &rec))
		samples[find_tid(a, 3, PV_WORD(&rec, 0) >> 32)]++;
	pv_expect_eq(t, "samples of the event itself", samples[0], 20 / 2);
	pv_expect_eq(t, "samples of an elder child", samples[1], 20 / 5);
	pv_expect_eq(t, "samples of a younger child", samples[2], 20 / 2);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 60);
}

/*
 * inherit_stat: each child's own count comes with its end. Where contexts change hands the counts
 * are handed back (perf_event_sync_stat()), but a child that ends with the event itself in its
 * context writes nothing: of two children that may be one.
 */
PV_CASE(inherit, stat, .pmu = "tracepoint", .each = "word[exec,exit,swapped]", .needs = "tracefs",
	.proof = "kernel",
	.about = "inherit_stat: at a child's end a READ record has what that child counted")
{
	bool exit = !strcmp(pv_word(t), "exit"), swapped = !strcmp(pv_word(t), "swapped");
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *a[3] = {pv_actor(t)};
	uint64_t records[4] = {0}, wrong_value = 0, wrong_id = 0, wrong_time = 0, others = 0;
	static struct pv_record rec;
	struct pv_ev *ev;

	if (!swapped)
		pv_tell_apart(t, a[0]->tid);
	attr.inherit_stat = 1;
	attr.remove_on_exec = !exit;
	ev = open_ring(t, &attr, a[0]->tid);
	pv_enable(t, ev);
	a[1] = pv_actor_fork(t, a[0]);
	a[2] = pv_actor_fork(t, a[0]);
	for (int i = 0; i < 9; i++)
		pv_act(t, a[i % 3], PV_ACT_CALLS, 1 + i % 3);
	for (int i = 1; i < 3; i++) {
		if (exit)
			pv_actor_end(t, a[i]);
		else
			pv_expect_errno(t, "exec", pv_act(t, a[i], PV_ACT_EXEC, 0), 0);
	}
	while (pv_ring_next(t, ev, &rec)) {
		uint64_t who = find_tid(a, 3, PV_WORD(&rec, 0) >> 32);

		/* u32 pid, tid; u64 value, enabled, running, id */
		others += rec.header.type != PERF_RECORD_READ;
		records[who]++;
		wrong_value += PV_WORD(&rec, 8) != 3 * (1 + who);
		wrong_time += !PV_WORD(&rec, 24) || PV_WORD(&rec, 24) > PV_WORD(&rec, 16);
		wrong_id += PV_WORD(&rec, 32) != pv_read(t, ev).id;
	}
	pv_expect_eq(t, "count of the family", pv_read(t, ev).value, 3 * (1 + 2 + 3));
	pv_expect_eq(t, "records of no child", others + records[0] + records[3], 0);
	pv_expect_in(t, "READ records of the first child", records[1], !swapped, 1);
	pv_expect_in(t, "READ records of the second child", records[2], !swapped, 1);
	pv_expect_in(t, "READ records", records[1] + records[2], 1, 2);
	pv_expect_eq(t, "READ records with another child's count", wrong_value, 0);
	pv_expect_eq(t, "READ records with another id", wrong_id, 0);
	pv_expect_eq(t, "READ records with wrong times", wrong_time, 0);
}

PV_CASE(inherit, hup, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "poll says HUP when the task and all children that inherited have ended")
{
	struct pv_actor *parent = pv_actor(t), *child, *deep;
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_ev *ev;

	pv_tell_apart(t, parent->tid);
	ev = open_ring(t, &attr, parent->tid);
	pv_enable(t, ev);
	child = pv_actor_fork(t, parent);
	pv_tell_apart(t, child->tid);
	deep = pv_actor_fork(t, child);
	pv_expect_eq(t, "poll while all live", pv_poll(ev, 0) & POLLHUP, 0);
	/* An end kicks the poll: what it says is asked again. */
	pv_actor_end(t, parent);
	pv_poll(ev, 0);
	pv_expect_eq(t, "poll after the task's end", pv_poll(ev, 0) & POLLHUP, 0);
	pv_act(t, deep, PV_ACT_CALLS, 9);
	pv_expect_eq(t, "count of a child after the task's end", pv_read(t, ev).value, 9);
	pv_actor_end(t, child);
	pv_expect_eq(t, "poll after the child's end", pv_poll(ev, 0) & POLLHUP, 0);
	pv_actor_end(t, deep);
	pv_expect_eq(t, "poll after the last one's end", pv_poll(ev, 0), POLLHUP);
	pv_expect_eq(t, "count after the last one's end", pv_read(t, ev).value, 9);
}

PV_CASE(inherit, mismatched_group, .pmu = "tracepoint", .each = "word[grown,replaced]",
	.needs = "tracefs", .proof = "kernel",
	.fixes = "32671e3799ca (4.3..6.5.8, ..6.1.59), a71ef31485bb (6.5.9, 6.1.60)",
	.about =
		"a group read is refused while a child has another group, and right before and after")
{
	bool grown = !strcmp(pv_word(t), "grown");
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *parent = pv_actor(t), *child;
	struct pv_ev *leader, *sibling;
	struct pv_group group;
	uint64_t buf[64];

	attr.inherit = 1;
	attr.disabled = 0;
	attr.read_format |= PERF_FORMAT_GROUP;
	pv_tell_apart(t, parent->tid);
	leader = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	sibling = pv_open(t, &attr, parent->tid, -1, leader, 0);
	child = pv_actor_fork(t, parent);
	pv_act(t, child, PV_ACT_CALLS, 4);
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members before", group.nr, 2);
	pv_expect_eq(t, "the leader's count before", group.member[0].value, 4);
	pv_expect_eq(t, "the sibling's count before", group.member[1].value, 4);
	if (!grown)
		pv_close(t, sibling);
	sibling = pv_open(t, &attr, parent->tid, -1, leader, 0);
	pv_expect_errno(t, "read while they differ", pv_read_raw(leader, buf, sizeof(buf)),
			-ECHILD);
	pv_act(t, child, PV_ACT_CALLS, 5);
	pv_act(t, parent, PV_ACT_CALLS, 6);
	pv_actor_end(t, child);
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "members after", group.nr, grown ? 3 : 2);
	pv_expect_eq(t, "the leader's count after", group.member[0].value, 4 + 5 + 6);
	pv_expect_eq(t, "the new sibling's count after", group.member[grown ? 2 : 1].value, 6);
}

/*
 * A task's event for another CPU is due but never on: its time enabled runs, running stands still,
 * and at the child's end the last piece must not be lost.
 */
PV_CASE(inherit, idle_times, .pmu = "tracepoint", .needs = "tracefs cpus2", .proof = "kernel",
	.fixes = "a3c3c66670ce (..6.14, ..6.12.22; again since c418d8b4d7a4)",
	.about =
		"the time enabled of a child's event that never got its CPU is the parent's after its end")
{
	struct perf_event_attr attr = pv_calls_attr(t), plain = attr;
	struct pv_actor *parent = pv_actor(t), *child;
	struct pv_ev *ev, *own;
	struct pv_count born, mine, living, ended;

	attr.inherit = 1;
	attr.disabled = plain.disabled = 0;
	pv_tell_apart(t, parent->tid);
	ev = pv_open(t, &attr, parent->tid, pv_cpu(t) ? 0 : 1, NULL, 0);
	child = pv_actor_fork(t, parent);
	own = pv_open(t, &plain, child->tid, -1, NULL, 0);
	pv_act(t, child, PV_ACT_SPIN, 1000);
	/* Both sleep now, and the parent to the end: what is added is the child's. */
	pv_act_settle(parent);
	pv_act_settle(child);
	born = pv_read(t, own);
	living = pv_read(t, ev);
	pv_expect_in(t, "time enabled while it lives", living.enabled, born.enabled, UINT64_MAX);
	pv_expect_eq(t, "time running while it lives", living.running, 0);
	pv_act(t, child, PV_ACT_SPIN, 5000);
	pv_actor_end(t, child);
	mine = pv_read(t, own);
	ended = pv_read(t, ev);
	pv_expect_in(t, "time enabled after its end", ended.enabled - living.enabled,
		     mine.enabled - born.enabled, UINT64_MAX);
	pv_expect_eq(t, "time running after its end", ended.running, 0);
	pv_expect_eq(t, "count", ended.value, 0);
}
