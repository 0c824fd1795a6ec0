/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * NAMESPACES records: the seven namespaces of a task, device and inode of each, whenever it makes
 * or enters one and when it begins. perf_event_namespaces() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cases/lib/sideband.h"

static const struct {
	const char *file;
	int flag;
} spaces[] = {
	[NET_NS_INDEX] = {"net", CLONE_NEWNET},          [UTS_NS_INDEX] = {"uts", CLONE_NEWUTS},
	[IPC_NS_INDEX] = {"ipc", CLONE_NEWIPC},          [PID_NS_INDEX] = {"pid", CLONE_NEWPID},
	[USER_NS_INDEX] = {"user", CLONE_NEWUSER},       [MNT_NS_INDEX] = {"mnt", CLONE_NEWNS},
	[CGROUP_NS_INDEX] = {"cgroup", CLONE_NEWCGROUP},
};
#define NR_SPACES (sizeof(spaces) / sizeof(spaces[0]))

struct links {
	uint64_t dev[NR_SPACES], ino[NR_SPACES];
};

/* What the files of /proc/self/ns are: 0 for a kind that this kernel has not got. */
static void own_links(struct links *l)
{
	for (size_t i = 0; i < NR_SPACES; i++) {
		struct stat st;
		char path[64];

		snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i].file);
		l->dev[i] = l->ino[i] = 0;
		if (stat(path, &st))
			continue;
		/* the kernel's 32-bit encoding of a device number */
		l->dev[i] = (minor(st.st_dev) & 0xff) | (uint64_t)major(st.st_dev) << 8 |
			    (uint64_t)(minor(st.st_dev) & ~0xffu) << 12;
		l->ino[i] = st.st_ino;
	}
}

static void expect_links(struct pv_test *t, const char *what, const struct sb_log *log,
			 unsigned int nth, pid_t pid, const struct links *want,
			 const struct sb_who *who)
{
	const struct sb_rec *r = nth < log->n ? &log->rec[nth] : NULL;
	struct sb_check c =
		sb_begin(t, what, log, r, PERF_RECORD_NAMESPACES, 0, 16 + 16 * NR_SPACES, who);

	sb_is(&c, "pid", sb_u32(r, 0), (uint32_t)pid);
	sb_is(&c, "tid", sb_u32(r, 4), (uint32_t)pid);
	sb_is(&c, "number of namespaces", sb_u64(r, 8), NR_SPACES);
	for (size_t i = 0; i < NR_SPACES; i++) {
		char field[32];

		snprintf(field, sizeof(field), "device of %s", spaces[i].file);
		sb_is(&c, field, sb_u64(r, 16 + 16 * i), want->dev[i]);
		snprintf(field, sizeof(field), "inode of %s", spaces[i].file);
		sb_is(&c, field, sb_u64(r, 24 + 16 * i), want->ino[i]);
	}
	sb_end(&c);
}

static void look(struct pv_test *t, void *arg)
{
	(void)t;
	own_links(arg);
}

#define MAX_STEPS 16

PV_CASE(sideband, namespaces, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"a NAMESPACES with what stat() says of /proc/self/ns/*: after unshare of each kind, "
		"after setns, for a child in new ones; none for a refused unshare or an event that "
		"is off")
{
	struct perf_event_attr attr = sb_attr();
	struct sb_who me = sb_self();
	struct links steps[MAX_STEPS], *shared;
	const char *what[MAX_STEPS];
	unsigned int n = 0, changed = 0;
	struct sb_log *log;
	struct pv_ev *ev;
	pid_t pid[MAX_STEPS];
	int uts = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (shared == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "no shared page");
	attr.namespaces = 1;
	ev = sb_open(t, &attr, 0, -1);
	if (unshare(CLONE_NEWUTS))
		pv_skip(t, errno == EINVAL ? PV_CONFIG_OFF : PV_DENIED, "unshare(CLONE_NEWUTS): %s",
			strerrorname_np(errno));
	pv_enable(t, ev);
	for (size_t i = 0; i < NR_SPACES; i++) {
		struct links before;

		own_links(&before);
		if (spaces[i].flag == CLONE_NEWUSER || unshare(spaces[i].flag))
			continue;
		own_links(&steps[n]);
		changed += steps[n].ino[i] != before.ino[i];
		what[n] = spaces[i].file;
		pid[n++] = getpid();
	}
	if (!setns(uts, CLONE_NEWUTS)) {
		own_links(&steps[n]);
		what[n] = "setns";
		pid[n++] = getpid();
	}
	pv_expect_errno(t, "unshare of nothing known", unshare(1) ? -errno : 0, -EINVAL);
	/* the child is the first in the new pid namespace; the record is there before it runs */
	what[n] = "child";
	pid[n] = pv_fork(t, look, shared);
	pv_wait(t, pid[n]);
	steps[n++] = *shared;
	if (!unshare(CLONE_NEWUSER)) {
		own_links(&steps[n]);
		what[n] = "user";
		pid[n++] = getpid();
	}
	pv_disable(t, ev);
	log = sb_take(t, ev);
	/* a pid namespace is for children: our own stays */
	pv_expect_in(t, "namespaces that changed", changed, 1, NR_SPACES - 2);
	pv_expect_eq(t, "records", log->n, n);
	for (unsigned int i = 0; i < n; i++)
		expect_links(t, what[i], log, i, pid[i], &steps[i], &me);
}

PV_CASE(sideband, namespaces_clone, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "a child that clone(2) makes with a new namespace: the parent's ring tells of the "
		 "child's namespaces, an inherited event what it does there")
{
	struct perf_event_attr attr = sb_attr();
	struct sb_who me = sb_self(), who;
	struct links *shared;
	struct sb_log *log;
	struct pv_ev *ev;
	long pid;

	shared = mmap(NULL, 2 * sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	if (shared == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "no shared page");
	attr.namespaces = 1;
	attr.inherit = 1;
	ev = sb_open_self(t, &attr);
	pv_enable(t, ev);
	pid = syscall(SYS_clone, CLONE_NEWUTS | SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		own_links(&shared[0]);
		if (unshare(CLONE_NEWNS))
			_exit(1);
		own_links(&shared[1]);
		_exit(0);
	}
	if (pid < 0)
		pv_skip(t, errno == EINVAL ? PV_CONFIG_OFF : PV_DENIED, "clone(CLONE_NEWUTS): %s",
			strerrorname_np(errno));
	pv_wait(t, pid);
	pv_disable(t, ev);
	log = sb_take(t, ev);
	pv_expect_eq(t, "records", log->n, 2);
	expect_links(t, "child", log, 0, pid, &shared[0], &me);
	who = (struct sb_who){pid, pid};
	expect_links(t, "unshare in the child", log, 1, pid, &shared[1], &who);
}
