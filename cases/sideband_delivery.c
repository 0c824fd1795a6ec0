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
	struct pv_ev *own, *inherited, *cpu, *off = NULL, *theirs = NULL;
	bool all;
	pid_t held, pid;

	held = pv_fork_held(t, wait_for_nothing, NULL); /* before there is an event to inherit */
	all = set_bit(&attr, pv_word(t));
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
	/* An event with all bits would hide that one with a single bit is not counted. */
	if (all || !strcmp(pv_word(t), "none")) {
		set_bit(&other, "all");
		other.inherit = 0;
		off = sb_open(t, &other, 0, -1);
		theirs = sb_open(t, &other, held, -1);
		pv_enable(t, theirs);
	}
	/* mmap2 alone turns no map record on, it only gives them their form */
	helper.mmap = 1;
	if (!strcmp(pv_word(t), "mmap2"))
		sb_open(t, &helper, held, -1);
	/* no growth of the stack in between */
	memset((void *)stack, 1, sizeof(stack));

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
	if (off) {
		pv_expect_eq(t, "records of an event that is off", sb_take(t, off)->n, 0);
		pv_expect_eq(t, "records of another task's event",
			     sb_count(sb_take(t, theirs), 0, getpid()), 0);
	}
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
