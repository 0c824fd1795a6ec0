/* SPDX-License-Identifier: GPL-2.0-only */
/* Thousands of events, opened, mapped, inherited and closed: afterwards nothing of them is left. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define BUDGET_NS 500000000ull
#define ROUNDS    20000
/* At least so many, or what a leaking kernel keeps could not be told from what caches keep. */
#define ENOUGH 400

static uint64_t number_of(const char *path)
{
	char text[64] = "";

	return pv_file_read(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

static uint64_t open_fds(void)
{
	static char names[1024][256];

	return pv_dir_list("/proc/self/fd", names, 1024);
}

/* What CPUs keep of slab caches whose names begin so goes back to them, else it counts as used. */
static void shrink(const char *cache)
{
	static char names[1024][256];
	int nr = pv_dir_list("/sys/kernel/slab", names, 1024);
	size_t len = strcspn(cache, " ");
	char path[300];

	for (int i = 0; i < nr; i++) {
		if (strncmp(names[i], cache, len) || (cache[len] && names[i][len]))
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%.250s/shrink", names[i]);
		pv_sys_file_write(path, "1");
	}
}

/* Objects in use of those caches; 0 where that cannot be read or they are merged with others. */
static uint64_t objects(const char *cache)
{
	static char text[262144];
	unsigned long long active, sum = 0;

	shrink(cache);
	if (pv_file_read("/proc/slabinfo", text, sizeof(text)) <= 0)
		return 0;
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, cache, strlen(cache)) && sscanf(line, "%*s %llu", &active) == 1)
			sum += active;
	}
	return sum;
}

/* Events are freed behind a grace period. */
static uint64_t objects_settled(const char *cache, uint64_t limit)
{
	uint64_t n = objects(cache);

	for (int i = 0; i < 10 && n > limit; i++) {
		usleep(50000);
		n = objects(cache);
	}
	return n;
}

static void close_all(const int *fd, int n)
{
	for (int i = 0; i < n; i++)
		pv_sys_close(fd[i]);
}

static void one_round(struct pv_test *t, uint64_t i, uint64_t *failed)
{
	struct perf_event_attr attr = pv_dummy;
	size_t page = sysconf(_SC_PAGESIZE);
	int fd[4], n = 0;
	void *ring;

	attr.inherit = 1;
	attr.disabled = i & 1;
	attr.config = i % 3 == 0 ? PERF_COUNT_SW_TASK_CLOCK : PERF_COUNT_SW_DUMMY;
	for (n = 0; n < 4; n++) {
		fd[n] = pv_try_open(t, &attr, 0, pv_cpu(t), n ? fd[0] : -1, 0);
		if (fd[n] < 0)
			break;
	}
	*failed += n != 4;
	/* One that is refused when it has been made already. */
	attr.use_clockid = 1;
	attr.clockid = 999;
	*failed += pv_try_open(t, &attr, 0, -1, -1, 0) >= 0;
	if (i % 16 == 0) {
		ring = pv_sys_mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd[0], 0);
		*failed += pv_is_err(ring);
		pv_sys_ioctl(fd[1], PERF_EVENT_IOC_SET_OUTPUT, fd[0]);
		if (!pv_is_err(ring))
			pv_sys_munmap(ring, 2 * page);
	}
	if (i % 64 == 0) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		if (i & 64)
			waitpid(pid, NULL, 0);
		close_all(fd, n);
		if (!(i & 64))
			waitpid(pid, NULL, 0);
		return;
	}
	if (i & 1)
		close_all(fd, n);
	while (!(i & 1) && n)
		pv_sys_close(fd[--n]);
}

PV_CASE(soak, open_close, .pmu = "perf", .needs = "root", .proof = "kernel",
	.each = "word[few,many]",
	.about =
		"hundreds, thousands of groups opened, mapped, inherited and closed leave no fd, no object and "
		"no taint")
{
	uint64_t rounds = 0, failed = 0, start, before, after, fds, taint;
	uint64_t most = !strcmp(pv_word(t), "many") ? ROUNDS : ENOUGH;

	one_round(t, 0, &failed);
	fds = open_fds();
	taint = number_of("/proc/sys/kernel/tainted");
	before = objects("perf_event ");
	start = pv_sys_walltime();
	while (rounds < most && (rounds < ENOUGH || pv_sys_walltime() - start < BUDGET_NS))
		one_round(t, rounds++, &failed);
	pv_note(t, "rounds", rounds);
	pv_expect_in(t, "rounds done", rounds, ENOUGH, most);
	pv_expect_eq(t, "steps that failed", failed, 0);
	pv_expect_eq(t, "fds", open_fds(), fds);
	pv_expect_eq(t, "taint", number_of("/proc/sys/kernel/tainted"), taint);
	if (before) {
		/* Four or five events a round. What caches keep is a few hundred at most. */
		after = objects_settled("perf_event ", before + rounds / 2);
		pv_expect_in(t, "event objects", after, 0, before + rounds / 2);
	}
}

/* One user's rings are charged to it: what a leak of user->locked_vm leaves makes the last one
 * fail. */
PV_CASE(soak, locked_memory, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "memory locked for rings is given back with each of them")
{
	size_t page = sysconf(_SC_PAGESIZE), size = 17 * page;
	uint64_t failed = 0;
	int status = 0;
	pid_t pid;

	pv_knob(t, "/proc/sys/kernel/perf_event_paranoid", "1");
	pv_knob(t, "/proc/sys/kernel/perf_event_mlock_kb", "516");
	pid = fork();
	if (!pid) {
		struct perf_event_attr attr = pv_dummy;
		struct rlimit none = {0, 0};

		if (setrlimit(RLIMIT_MEMLOCK, &none) || setgid(65533) || setuid(65533))
			_exit(100);
		for (int i = 0; i < 200 && !failed; i++) {
			int fd = pv_try_open(t, &attr, 0, -1, -1, 0);
			void *p =
				pv_sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

			failed = fd < 0 ? 1 : pv_is_err(p) ? 2 : 0;
			if (i & 1)
				pv_sys_close(fd);
			if (!pv_is_err(p))
				pv_sys_munmap(p, size);
			if (!(i & 1))
				pv_sys_close(fd);
		}
		_exit(failed);
	}
	waitpid(pid, &status, 0);
	pv_expect_eq(t, "exit status of an ordinary user's 200 rings", status, 0);
}

/* ---- what an event holds: its task, the task's context ---- */

static struct perf_event_attr trapping(void)
{
	struct perf_event_attr attr = pv_dummy;

	attr.config = PERF_COUNT_SW_PAGE_FAULTS;
	attr.sample_period = 1;
	attr.sigtrap = attr.remove_on_exec = 1;
	return attr;
}

static void on_trap(int signo)
{
	(void)signo;
}

/* Closes the two events at `arg`, takes a SIGTRAP and ends. */
static void short_life(struct pv_test *t, void *arg)
{
	struct perf_event_attr attr = trapping();
	size_t page = sysconf(_SC_PAGESIZE);
	int fd;

	if (arg)
		close_all(arg, 2);
	signal(SIGTRAP, on_trap);
	fd = pv_try_open(t, &attr, 0, -1, -1, 0);
	if (fd < 0)
		return;
	pv_sys_ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	pv_fault(mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 0,
		 1);
	pv_sys_ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	pv_sys_close(fd);
}

/* `closes`: what it has inherited is closed, by itself at last, before it ends; else after. */
static void one_life(struct pv_test *t, bool closes)
{
	struct perf_event_attr attr = pv_dummy;
	int fd[3], parent[2];
	pid_t pid;

	attr.inherit = 1;
	for (int i = 0; i < 2; i++)
		parent[i] = pv_try_open(t, &attr, 0, -1, -1, 0);
	pid = pv_fork_held(t, short_life, closes ? parent : NULL);
	if (closes)
		close_all(parent, 2);
	attr.inherit = 0;
	for (int i = 0; i < 2; i++)
		fd[i] = pv_try_open(t, &attr, pid, -1, -1, 0);
	/* Refused when it has a context: there is no ring to write into. */
	fd[2] = pv_try_open(t, &attr, pid, -1, fd[0], PERF_FLAG_FD_OUTPUT);
	/* Refused before that: there is no such CPU. */
	pv_try_open(t, &attr, pid, 1 << 20, -1, 0);
	pv_go(t, pid);
	pv_wait(t, pid);
	close_all(fd, 3);
	if (!closes)
		close_all(parent, 2);
}

PV_CASE(soak, objects, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"tasks that had events, refused ones too, are gone with them, and so is all that was kept for them")
{
	/* The last has the contexts of tasks (struct perf_event_context). */
	static const char *const caches[] = {"task_struct ", "perf_event ", "kmalloc-256 "};
	const int lives = 50; /* each has several events */
	uint64_t now[3], limit[3];
	struct perf_event_attr attr = pv_dummy;
	bool more = true;

	/* The first event of a kind and the last patch the kernel's text: not in each life. */
	pv_open(t, &attr, 0, -1, NULL, 0);
	attr.config = PERF_COUNT_SW_PAGE_FAULTS;
	pv_open(t, &attr, 0, -1, NULL, 0);
	one_life(t, false);
	if (!objects(caches[0]))
		pv_skip(t, PV_ABSENT, "/proc/slabinfo does not tell of tasks");
	/* Others on this machine may take memory meanwhile, but not each time. */
	for (int attempt = 0; attempt < 3 && more; attempt++) {
		for (int i = 0; i < 3; i++)
			limit[i] = objects(caches[i]) + lives - 10;
		for (int k = 0; k < lives; k++)
			one_life(t, k & 1);
		more = false;
		for (int i = 0; i < 3; i++) {
			now[i] = objects_settled(caches[i], limit[i]);
			more |= now[i] > limit[i];
		}
	}
	for (int i = 0; i < 3; i++)
		pv_expect_in(t, caches[i], now[i], 0, limit[i]);
}

/*
 * The scheduler's hooks are there while one event needs them, and go a second after the last
 * (kernel/events/core.c perf_sched_delayed()).
 */
PV_CASE(soak, keeps_on, .pmu = "tracepoint", .needs = "tracefs", .proof = "kernel",
	.about = "an event keeps to its own task a second after others have been closed")
{
	struct perf_event_attr attr = pv_calls_attr(t);
	struct pv_actor *own = pv_actor(t), *other = pv_actor(t);
	struct pv_ev *ev, *more[3];

	attr.disabled = 0;
	ev = pv_open(t, &attr, own->tid, -1, NULL, 0);
	for (int i = 0; i < 3; i++)
		more[i] = pv_open(t, &attr, own->tid, -1, NULL, 0);
	for (int i = 0; i < 3; i++)
		pv_close(t, more[i]);
	usleep(1300000);
	pv_act(t, own, PV_ACT_CALLS, 7);
	pv_act(t, other, PV_ACT_CALLS, 5);
	pv_calls(3);
	pv_act(t, own, PV_ACT_CALLS, 2);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 7 + 2);
}

/* kB of /proc/meminfo's line. */
static uint64_t meminfo(const char *line)
{
	static char text[8192];
	char *at;

	if (pv_file_read("/proc/meminfo", text, sizeof(text)) <= 0)
		return 0;
	at = strstr(text, line);
	return at ? strtoull(at + strlen(line), NULL, 10) : 0;
}

/* Is less free than before, by half of the rings? They are freed behind a grace period. */
static bool less_free(uint64_t before, uint64_t rings_kb)
{
	for (int i = 0; i < 100; i++) {
		if (meminfo("MemFree:") + rings_kb / 2 >= before)
			return false;
		usleep(10000);
	}
	return true;
}

PV_CASE(soak, ring_pages, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "the memory of rings is free again when they are unmapped")
{
	struct perf_event_attr attr = pv_dummy;
	size_t page = sysconf(_SC_PAGESIZE), size = 129 * page;
	uint64_t before, failed = 0;
	bool less = true;

	/* Others on this machine may take memory meanwhile, but not each time. */
	for (int attempt = 0; attempt < 4 && less; attempt++) {
		before = meminfo("MemFree:");
		for (int i = 0; i < 60; i++) {
			int fd = pv_try_open(t, &attr, 0, -1, -1, 0);
			void *p =
				pv_sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

			failed += pv_is_err(p);
			if (!pv_is_err(p))
				pv_sys_munmap(p, size);
			pv_sys_close(fd);
		}
		less = less_free(before, 60 * size / 1024);
	}
	pv_expect_eq(t, "rings that failed", failed, 0);
	pv_expect(t, "as much is free as before", !less);
}
