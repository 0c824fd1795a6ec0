/* SPDX-License-Identifier: GPL-2.0-only */
/* Whom a ring is charged to, and who may have more than the limits (core.c perf_mmap()). */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define FREE_KNOB "/proc/sys/kernel/perf_event_mlock_kb"
#define PARANOID  "/proc/sys/kernel/perf_event_paranoid"
#define MAX_CPUS  64

static size_t page(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* So many pages are free for each CPU. */
static const char *knob_of(unsigned int pages)
{
	static char text[24];

	snprintf(text, sizeof(text), "%zu", pages * page() / 1024);
	return text;
}

static void *map(struct pv_ev *ev, size_t pages)
{
	return pv_sys_mmap(NULL, pages * page(), PROT_READ | PROT_WRITE, MAP_SHARED, pv_fd(ev), 0);
}

static long error_of(const void *p)
{
	return pv_is_err(p) ? (long)(intptr_t)p : 0;
}

/* Root comes back by the saved id. */
static void become(struct pv_test *t, uid_t uid)
{
	if (setresuid(uid, uid, 0))
		pv_skip(t, PV_DENIED, "cannot become another user");
}

static void lock_pages(unsigned int pages)
{
	struct rlimit limit = {pages * page(), RLIM_INFINITY};

	if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0)
		limit.rlim_cur = pages * page();
	setrlimit(RLIMIT_MEMLOCK, &limit);
}

PV_CASE(control, mlock_privileged, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"CAP_IPC_LOCK, and a perf_event_paranoid of -1, lift the limits of what a ring may cost")
{
	struct pv_ev *ev[3];
	uid_t uid = 3000000 + getpid();
	void *p;

	for (int i = 0; i < 3; i++)
		ev[i] = pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	pv_knob(t, FREE_KNOB, knob_of(1));
	pv_knob(t, PARANOID, "2");
	lock_pages(0);
	p = map(ev[0], 1 + 1024);
	pv_expect_errno(t, "root's ring beyond all limits", error_of(p), 0);
	become(t, uid);
	pv_expect_errno(t, "the same of an ordinary user", error_of(map(ev[1], 1 + 1024)), -EPERM);
	become(t, 0);
	pv_knob(t, PARANOID, "-1");
	become(t, uid);
	pv_expect_errno(t, "when nothing is paranoid", error_of(map(ev[2], 1 + 1024)), 0);
	become(t, 0);
}

PV_CASE(control, mlock_lowered, .pmu = "perf", .needs = "root", .proof = "kernel",
	.fixes = "003461559ef7, d44248a41337 (..5.4)",
	.about =
		"when perf_event_mlock_kb is lowered below what is charged, the next ring costs its own "
		"pages and no more")
{
	struct pv_ev *ev[2];
	uid_t uid = 3100000 + getpid();

	for (int i = 0; i < 2; i++)
		ev[i] = pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	pv_knob(t, PARANOID, "2");
	/* 257 pages are more than are free for all CPUs later. */
	pv_knob(t, FREE_KNOB, knob_of(1 + 256));
	lock_pages(2);
	become(t, uid);
	pv_expect_errno(t, "a ring that is free", error_of(map(ev[0], 1 + 256)), 0);
	become(t, 0);
	pv_knob(t, FREE_KNOB, knob_of(1));
	become(t, uid);
	pv_expect_errno(t, "two pages, within RLIMIT_MEMLOCK", error_of(map(ev[1], 2)), 0);
	become(t, 0);
}

PV_CASE(control, mlock_whose, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "what a ring cost is given back to the user that mapped it, whoever unmaps it")
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), err = 0;
	uid_t uid = 3200000 + getpid();
	struct pv_ev *ev[MAX_CPUS];
	void *p[MAX_CPUS];

	if (cpus > MAX_CPUS)
		pv_skip(t, PV_ABSENT, "more than %d CPUs", MAX_CPUS);
	for (long i = 0; i < cpus; i++)
		ev[i] = pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	pv_knob(t, PARANOID, "2");
	pv_knob(t, FREE_KNOB, knob_of(5));
	lock_pages(0);
	become(t, uid);
	for (long i = 0; i < cpus && !err; i++)
		err = error_of(p[i] = map(ev[i], 5));
	pv_expect_errno(t, "all that is free", err, 0);
	become(t, 0);
	become(t, uid + 1);
	for (long i = 0; i < cpus && !err; i++)
		pv_sys_munmap(p[i], 5 * page());
	become(t, 0);
	become(t, uid);
	for (long i = 0; i < cpus && !err; i++)
		err = error_of(map(ev[i], 5));
	pv_expect_errno(t, "all that is free, when another user has unmapped it", err, 0);
	become(t, 0);
}
