/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who may watch what: every gate of perf_event_open(2) for every kind of caller at every level of
 * kernel.perf_event_paranoid. The rows are in lib/privilege_rows.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases/lib/become.h"
#include "cases/lib/privilege.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

#define PARANOID "/proc/sys/kernel/perf_event_paranoid"

static const struct {
	const char *word;
	uint64_t caps;
} callers[] = {
	{"nobody", 0},
	{"perfmon", PV_CAP(CAP_PERFMON)},
	{"perfmon-kill", PV_CAP(CAP_PERFMON) | PV_CAP(CAP_KILL)},
	{"sys-ptrace", PV_CAP(CAP_SYS_PTRACE)},
	{"sys-admin", PV_CAP(CAP_SYS_ADMIN)},
};

static long number(const char *path)
{
	char text[32];

	return pv_file_read(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 0) : 0;
}

static long tracepoint(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", name);
	return number(path);
}

static bool opens_cgroup(struct pv_test *t, int fd)
{
	struct perf_event_attr attr = pv_dummy;
	long ev = fd < 0 ? fd
			 : pv_sys_perf_event_open(&attr, fd, pv_cpu(t), -1,
						  PERF_FLAG_PID_CGROUP | PERF_FLAG_FD_CLOEXEC);

	if (ev >= 0)
		pv_sys_close(ev);
	return ev >= 0;
}

/* A directory that perf takes for a cgroup; -1: none, nor can one be mounted. */
static int open_cgroup(struct pv_test *t)
{
	static const char *const places[] = {"/sys/fs/cgroup/perf_event", "/sys/fs/cgroup/unified",
					     "/sys/fs/cgroup"};
	char own[] = "/tmp/pmuvet-cgroup-XXXXXX";
	int fd;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (opens_cgroup(t, fd))
			return fd;
		if (fd >= 0)
			close(fd);
	}
	/* In a mount namespace of our own: it is gone with us. */
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		return -1;
	mkdir("/tmp", 01777);
	if (!mkdtemp(own))
		return -1;
	fd = mount("none", own, "cgroup2", 0, NULL) ? -1
						    : open(own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	umount2(own, MNT_DETACH);
	rmdir(own);
	return opens_cgroup(t, fd) ? fd : -1;
}

static bool watchpoints(void)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_BREAKPOINT,
				       .size = sizeof(attr),
				       .disabled = 1,
				       .bp_type = HW_BREAKPOINT_W,
				       .bp_addr = (uintptr_t)pv_watch_place(),
				       .bp_len = HW_BREAKPOINT_LEN_4};
	long fd = pv_sys_perf_event_open(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd >= 0)
		pv_sys_close(fd);
	return fd >= 0;
}

static bool locked_down(void)
{
	struct perf_event_attr attr = pv_dummy;
	long fd;

	attr.sample_type = PERF_SAMPLE_REGS_INTR;
	attr.sample_regs_intr = 1;
	fd = pv_sys_perf_event_open(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0)
		pv_sys_close(fd);
	return fd == -EPERM;
}

/* As root: what the caller will want to watch. */
static void build_world(struct pv_test *t)
{
	char name[32];

	pv_world.task[OTHER] = pv_idler(t, PV_SOMEONE, 0, 1);
	pv_world.task[CAPABLE] = pv_idler(t, PV_NOBODY, PV_CAP(CAP_NET_RAW), 1);
	pv_world.task[HIDDEN] = pv_idler(t, PV_NOBODY, 0, 0);
	/* A security module of this machine may keep even root off init. */
	if (readlink("/proc/1/exe", name, sizeof(name)) >= 0)
		pv_world.task[INIT] = 1;
	if (pv_file_read("/proc/2/comm", name, sizeof(name)) > 0 && !strcmp(name, "kthreadd"))
		pv_world.task[KTHREAD] = 2;
	pv_world.cpu = pv_cpu(t);
	pv_world.cgroup = open_cgroup(t);
	pv_world.syscall = tracepoint("syscalls/sys_enter_getppid");
	pv_world.sched = tracepoint("sched/sched_switch");
	pv_world.function = tracepoint("ftrace/function");
	pv_world.kprobe = number("/sys/bus/event_source/devices/kprobe/type");
	pv_world.uprobe = number("/sys/bus/event_source/devices/uprobe/type");
	pv_world.yama = number("/proc/sys/kernel/yama/ptrace_scope");
	pv_world.locked_down = locked_down();
	pv_world.slots = watchpoints();
}

static void end_world(void)
{
	pv_idler_end(pv_world.task[OTHER]);
	pv_idler_end(pv_world.task[CAPABLE]);
	pv_idler_end(pv_world.task[HIDDEN]);
}

static void set_paranoid(struct pv_test *t, int level)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", level);
	pv_knob(t, PARANOID, text);
	pv_expect_eq(t, "perf_event_paranoid as read", number(PARANOID), level);
}

static int lowest_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

/* As the caller: all rows. A refusal leaves no descriptor behind. */
static bool chains = true;
static bool others = false;

static void ask_all(struct pv_test *t, void *arg)
{
	struct perf_event_attr attr = pv_dummy;
	int before;

	pv_world.task[CHILD] = pv_idler(t, geteuid(), 0, 1);
	pv_world.leader = pv_try_open(t, &attr, 0, -1, -1, 0);
	/* Without a leader of its own a row of groups has no meaning, but EACCES stays its answer.
	 */
	before = lowest_fd();
	for (size_t i = 0; i < pv_nr_rows; i++) {
		const struct pv_row *r = &pv_rows[i];

		if (r->chains == *(bool *)arg && pv_row_there(r))
			pv_expect_errno(t, r->name, pv_row_try(r), pv_row_due(r));
	}
	pv_expect_eq(t, "lowest free descriptor", lowest_fd(), before);
	pv_idler_end(pv_world.task[CHILD]);
}

static void ask_as_caller(struct pv_test *t, void *arg)
{
	pv_become(t, PV_NOBODY, pv_who.caps);
	ask_all(t, arg);
}

static void find_caller(struct pv_test *t)
{
	for (size_t i = 0; i < sizeof(callers) / sizeof(callers[0]); i++) {
		if (!strcmp(callers[i].word, pv_word(t)))
			pv_who.caps = callers[i].caps;
	}
	pv_who.paranoid = pv_n(t);
}

PV_CASE(errors, privilege, .pmu = "perf",
	.each = "word[nobody,perfmon,perfmon-kill,sys-ptrace,sys-admin] n[-1,0,1,2]",
	.needs = "root", .proof = "kernel",
	.about =
		"at each level of perf_event_paranoid each kind of caller gets what it may have, and the errno of the first gate otherwise")
{
	find_caller(t);
	build_world(t);
	set_paranoid(t, pv_n(t));
	pv_wait(t, pv_fork(t, ask_as_caller, &others));
	end_world();
}

PV_CASE(errors, privilege_chains, .pmu = "perf", .each = "word[nobody,perfmon,sys-admin] n[1,2]",
	.needs = "root", .proof = "kernel",
	.fixes =
		"perf/core: Check kernel access when kernel callchains are requested (6.12.113, 7.2)",
	.about =
		"callchains through the kernel and text_poke records need what kernel mode needs, though user mode alone is counted")
{
	find_caller(t);
	/* Longterm kernels from before config3 never got it. */
	if (pv_attr_size(t) < PERF_ATTR_SIZE_VER7 + 8)
		pv_skip(t, PV_TOO_OLD, "kernels with an attr of %u bytes do not ask",
			pv_attr_size(t));
	build_world(t);
	set_paranoid(t, pv_n(t));
	pv_wait(t, pv_fork(t, ask_as_caller, &chains));
	end_world();
}

PV_CASE(errors, privilege_root, .pmu = "perf", .each = "n[-1,2,3,4]", .needs = "root",
	.proof = "kernel", .about = "root gets everything at any level of perf_event_paranoid")
{
	pv_who.caps = UINT64_MAX;
	pv_who.paranoid = pv_n(t);
	build_world(t);
	set_paranoid(t, pv_n(t));
	pv_wait(t, pv_fork(t, ask_all, &others));
	end_world();
}

static void ask_simplest(struct pv_test *t, void *arg)
{
	struct perf_event_attr attr = pv_dummy;
	long fd;

	(void)t;
	pv_become(t, PV_NOBODY, 0);
	fd = pv_sys_perf_event_open(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	*(long *)arg = fd < 0 ? fd : 0;
}

PV_CASE(errors, privilege_above, .pmu = "perf", .each = "word[nobody,perfmon,sys-admin]",
	.needs = "root", .proof = "kernel",
	.about =
		"level 3 is as level 2, or (Debian) closes everything to callers without CAP_SYS_ADMIN")
{
	long *simplest = pv_sys_mmap(NULL, sizeof(long), 3, 0x21, -1, 0); /* shared, anonymous */

	find_caller(t);
	build_world(t);
	set_paranoid(t, 3);
	if (pv_is_err(simplest))
		pv_error(t, PV_BROKEN_SETUP, "no shared page");
	pv_wait(t, pv_fork(t, ask_simplest, simplest));
	/* Only a kernel that has the level starts at it: that one must keep to it. */
	pv_note(t, "level 3 is a level of its own", *simplest == -EACCES);
	if (*simplest)
		pv_expect_errno(t, "user mode of nobody", *simplest, -EACCES);
	pv_who.paranoid = 3;
	pv_who.restricted = *simplest;
	pv_wait(t, pv_fork(t, ask_as_caller, &others));
	end_world();
}
