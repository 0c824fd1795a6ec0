/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who gets which records: each bit of the attr alone, in each scope, while all kinds of things
 * happen. perf_iterate_sb(), account_event(), is_sb_event() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <linux/hw_breakpoint.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
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

enum { MMAP, MMAP2, COMM, FORK, EXIT, SWITCH, NAMESPACES, NR_KINDS };

static const struct {
	const char *name;
	uint32_t type;
} kinds[NR_KINDS] = {
	[MMAP] = {"MMAP", PERF_RECORD_MMAP},
	[MMAP2] = {"MMAP2", PERF_RECORD_MMAP2},
	[COMM] = {"COMM", PERF_RECORD_COMM},
	[FORK] = {"FORK", PERF_RECORD_FORK},
	[EXIT] = {"EXIT", PERF_RECORD_EXIT},
	[SWITCH] = {"SWITCH", PERF_RECORD_SWITCH},
	[NAMESPACES] = {"NAMESPACES", PERF_RECORD_NAMESPACES},
};

static bool set_bit(struct perf_event_attr *a, const char *word)
{
	bool all = !strcmp(word, "all");

	a->mmap = all || !strcmp(word, "mmap");
	a->mmap_data = all || !strcmp(word, "mmap-data");
	a->mmap2 = all || !strcmp(word, "mmap2");
	a->comm = all || !strcmp(word, "comm");
	a->comm_exec = all || !strcmp(word, "comm-exec");
	a->task = all || !strcmp(word, "task");
	a->context_switch = all || !strcmp(word, "context-switch");
	a->namespaces = all || !strcmp(word, "namespaces");
	a->build_id = all || !strcmp(word, "build-id");
	return all;
}

/* What one who sees us, or also our child, gets of act(). */
static void due(const struct perf_event_attr *a, bool child, unsigned int n[NR_KINDS])
{
	unsigned int maps = (a->mmap || a->mmap2) + a->mmap_data;
	bool task = a->mmap || a->mmap2 || a->mmap_data || a->comm || a->task;

	memset(n, 0, NR_KINDS * sizeof(n[0]));
	n[a->mmap2 ? MMAP2 : MMAP] = maps * (child ? 2 : 1);
	n[COMM] = a->comm * (child ? 2 : 1);
	n[FORK] = task;
	n[EXIT] = task && child;
	n[NAMESPACES] = a->namespaces * 2; /* unshare, and the child's birth */
}

static void act_child(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
	set_name("child");
	map_page(PROT_READ | PROT_EXEC);
	map_page(PROT_READ);
}

static pid_t act(struct pv_test *t)
{
	struct timespec ts = {0, 100000};
	pid_t pid;

	set_name("parent");
	map_page(PROT_READ | PROT_EXEC);
	map_page(PROT_READ);
	if (unshare(CLONE_NEWUTS))
		pv_skip(t, errno == EINVAL ? PV_CONFIG_OFF : PV_DENIED, "unshare: %s",
			strerrorname_np(errno));
	pid = pv_fork(t, act_child, NULL);
	pv_wait(t, pid);
	nanosleep(&ts, NULL);
	return pid;
}

static void expect_due(struct pv_test *t, const char *scope, struct pv_ev *ev,
		       const struct perf_event_attr *attr, bool wide, bool child, pid_t pid)
{
	struct sb_log *log = sb_take(t, ev);
	unsigned int want[NR_KINDS], got = 0;
	char name[64];

	due(attr, child, want);
	for (unsigned int k = 0; k < NR_KINDS; k++) {
		uint32_t type = kinds[k].type;
		unsigned int n;

		if (wide && k == SWITCH)
			type = PERF_RECORD_SWITCH_CPU_WIDE;
		n = sb_count(log, type, getpid()) + sb_count(log, type, pid);
		got += n;
		snprintf(name, sizeof(name), "%s: %s", scope, kinds[k].name);
		if (k == SWITCH && attr->context_switch)
			pv_expect_in(t, name, n, 2, UINT64_MAX);
		else if (!pv_expect_eq(t, name, n, want[k]))
			sb_tell(t, log);
	}
	/* a CPU's event also has records of others */
	snprintf(name, sizeof(name), "%s: other records", scope);
	pv_expect_eq(t, name, sb_count(log, 0, getpid()) + sb_count(log, 0, pid) - got, 0);
	if (!wide) {
		snprintf(name, sizeof(name), "%s: records of others", scope);
		pv_expect_eq(t, name, log->n - sb_count(log, 0, getpid()) - sb_count(log, 0, pid),
			     0);
	}
}

static void wait_for_nothing(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
}

PV_CASE(sideband, only,
	.each = "word[mmap,mmap-data,mmap2,comm,comm-exec,task,context-switch,namespaces,build-id,"
		"all,none]",
	.pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"an attr bit alone gives its records and no others, to a task's event, an inherited "
		"one and a CPU's, user or kernel excluded; an event that is off or another task's gets "
		"none")
{
	struct perf_event_attr attr = sb_attr(), other, helper = sb_attr(), wide;
	volatile uint8_t stack[16384];
	struct pv_ev *own, *inherited, *cpu, *off, *theirs;
	pid_t held, pid;

	held = pv_fork_held(t, wait_for_nothing, NULL); /* before there is an event to inherit */
	set_bit(&attr, pv_word(t));
	own = sb_open(t, &attr, 0, -1);
	other = attr;
	other.inherit = 1;
	other.exclude_user = 1;
	inherited = sb_open_self(t, &other);
	wide = attr;
	wide.exclude_user = 1;
	wide.exclude_kernel = 0;
	/* alone it does not put a CPU's event on the list of those that are asked */
	if (attr.namespaces)
		wide.task = 1;
	cpu = sb_open(t, &wide, -1, pv_cpu(t));
	set_bit(&other, "all");
	other.inherit = 0;
	off = sb_open(t, &other, 0, -1);
	theirs = sb_open(t, &other, held, -1);
	/* mmap2 alone turns no map record on, it only gives them their form */
	helper.mmap = 1;
	sb_open(t, &helper, held, -1);
	/* no growth of the stack in between */
	memset((void *)stack, 1, sizeof(stack));

	pv_enable(t, theirs);
	pv_enable(t, own);
	pv_enable(t, inherited);
	pv_enable(t, cpu);
	pid = act(t);
	pv_disable(t, own);
	pv_disable(t, inherited);
	pv_disable(t, cpu);
	act(t);

	expect_due(t, "task", own, &attr, false, false, pid);
	expect_due(t, "inherited", inherited, &attr, false, true, pid);
	expect_due(t, "CPU", cpu, &wide, true, true, pid);
	pv_expect_eq(t, "records of an event that is off", sb_take(t, off)->n, 0);
	pv_expect_eq(t, "records of another task's event",
		     sb_count(sb_take(t, theirs), 0, getpid()), 0);
	pv_go(t, held);
	pv_wait(t, held);
}

/* A thread that is not its process's first. */
struct worker {
	struct pv_test *t;
	pid_t tid;
	struct pv_ev *ev;
};

static void *work_in_thread(void *arg)
{
	struct perf_event_attr attr = sb_attr();
	struct worker *w = arg;

	w->tid = gettid();
	attr.mmap = 1;
	attr.mmap2 = 1;
	attr.comm = 1;
	attr.namespaces = pv_sys_privileged();
	w->ev = sb_open(w->t, &attr, 0, -1);
	pv_enable(w->t, w->ev);
	set_name("worker");
	map_page(PROT_READ | PROT_EXEC);
	if (attr.namespaces && unshare(CLONE_NEWUTS))
		pv_message(w->t, "unshare: %s", strerrorname_np(errno));
	pv_disable(w->t, w->ev);
	return NULL;
}

PV_CASE(sideband, thread, .pmu = "perf", .proof = "kernel",
	.about =
		"records of a thread name its process and itself; the process's event has none of them")
{
	struct perf_event_attr attr = sb_attr();
	struct worker w = {.t = t};
	struct sb_who who;
	struct pv_ev *ours;
	struct sb_log *log;
	pthread_t thread;

	attr.mmap = 1;
	attr.comm = 1;
	ours = sb_open(t, &attr, 0, -1);
	if (pthread_create(&thread, NULL, work_in_thread, &w))
		pv_error(t, PV_BROKEN_SETUP, "no thread");
	pv_enable(t, ours);
	pthread_join(thread, NULL);
	pv_disable(t, ours);
	pv_expect_eq(t, "records of the first thread", sb_take(t, ours)->n, 0);
	log = sb_take(t, w.ev);
	who = (struct sb_who){getpid(), w.tid};
	pv_expect_in(t, "records", log->n, 2, 3);
	for (unsigned int i = 0; i < log->n; i++) {
		const struct sb_rec *r = &log->rec[i];
		struct sb_check c =
			sb_begin(t, "record of a thread", log, r, r->type, r->misc, r->len, &who);

		sb_is(&c, "pid", sb_u32(r, 0), (uint32_t)getpid());
		sb_is(&c, "tid", sb_u32(r, 4), (uint32_t)w.tid);
		sb_end(&c);
	}
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
