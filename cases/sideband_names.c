/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The names of mappings in MMAP2 records, and mappings that are made by other means than mmap(2) of
 * a file. perf_event_mmap_event() of kernel/events/core.c, d_path().
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/sideband.h"

#define RX (PROT_READ | PROT_EXEC)
#define RW (PROT_READ | PROT_WRITE)

static size_t page(void)
{
	return sysconf(_SC_PAGESIZE);
}

static struct pv_ev *open_all(struct pv_test *t)
{
	struct perf_event_attr attr = sb_attr();

	attr.mmap = 1;
	attr.mmap_data = 1;
	attr.mmap2 = 1;
	return sb_open(t, &attr, 0, -1);
}

/* Maps a page of the file as code and judges the one record that comes of it. */
static void expect_name(struct pv_test *t, const char *what, int fd, const char *name)
{
	struct sb_map want = {.len = page(), .prot = RX, .flags = MAP_PRIVATE, .name = name};
	struct pv_ev *ev = open_all(t);
	struct sb_who me = sb_self();
	struct sb_log *log;
	char text[64];
	void *p;

	if (name[0] != '/' || name[1] != '/') /* without a name there is no inode either */
		sb_map_file(t, &want, fd);
	pv_enable(t, ev);
	p = mmap(NULL, page(), RX, MAP_PRIVATE, fd, 0);
	pv_disable(t, ev);
	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap of %s: %s", what, strerrorname_np(errno));
	want.addr = (uintptr_t)p;
	log = sb_take(t, ev);
	snprintf(text, sizeof(text), "%s: records", what);
	pv_expect_eq(t, text, log->n, 1);
	sb_expect_map(t, what, log, log->n ? log->rec : NULL, true, &want, &me);
	munmap(p, page());
	pv_close(t, ev);
	free(log);
}

PV_CASE(sideband, mmap_name, .pmu = "perf", .proof = "kernel",
	.about =
		"a name of any length is there with 1 to 8 zeros, newlines and spaces as they are; a "
		"deleted, renamed, linked file and a memfd have the names of /proc/PID/maps")
{
	static const char *const odd[] = {"two words", "new\nline", "tab\tand\\backslash",
					  "\xff\x01", "trailing "};
	char name[512], path[512], link_path[512];
	int fd;

	for (unsigned int i = 1; i <= 8; i++) {
		char text[16], what[32];

		snprintf(text, sizeof(text), "%.*s", (int)i, "abcdefgh");
		fd = sb_file(t, text, 1);
		snprintf(name, sizeof(name), "%s/%s", sb_dir(t), text);
		snprintf(what, sizeof(what), "name and %u", i);
		expect_name(t, what, fd, name);
		close(fd);
	}
	for (unsigned int i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		char what[32];

		fd = sb_file(t, odd[i], 1);
		snprintf(name, sizeof(name), "%s/%s", sb_dir(t), odd[i]);
		snprintf(what, sizeof(what), "odd name %u", i);
		expect_name(t, what, fd, name);
		close(fd);
	}
	fd = sb_file(t, "old", 1);
	snprintf(path, sizeof(path), "%s/old", sb_dir(t));
	snprintf(name, sizeof(name), "%s/renamed", sb_dir(t));
	snprintf(link_path, sizeof(link_path), "%s/second link", sb_dir(t));
	if (rename(path, name) || link(name, link_path))
		pv_error(t, PV_BROKEN_SETUP, "rename: %s", strerrorname_np(errno));
	expect_name(t, "renamed file", fd, name);
	close(fd);
	fd = open(link_path, O_RDWR | O_CLOEXEC);
	expect_name(t, "file opened by its second name", fd, link_path);
	unlink(link_path);
	strcat(link_path, " (deleted)");
	expect_name(t, "deleted file", fd, link_path);
	close(fd);
	fd = memfd_create("a memory file", MFD_CLOEXEC);
	if (fd < 0 || ftruncate(fd, page()))
		pv_error(t, PV_BROKEN_SETUP, "memfd_create: %s", strerrorname_np(errno));
	expect_name(t, "memfd", fd, "/memfd:a memory file (deleted)");
	close(fd);
	sb_cleanup();
}

/* d_path() has PATH_MAX - 8 bytes, for the name and its zero. */
#define LONGEST (4096 - 8 - 1)

PV_CASE(sideband, mmap_long, .pmu = "perf", .proof = "kernel",
	.about = "the longest path is there to its end, one byte more is //toolong")
{
	char component[256], path[8192];
	size_t at;
	int home = open(".", O_DIRECTORY | O_CLOEXEC), fd;

	at = snprintf(path, sizeof(path), "%s", sb_dir(t));
	if (chdir(path))
		pv_error(t, PV_BROKEN_SETUP, "chdir: %s", strerrorname_np(errno));
	/* to a directory whose path has between 100 and 200 bytes of room left */
	while (at < LONGEST - 200) {
		size_t room = LONGEST - 150 - at;

		snprintf(component, sizeof(component), "%0*d", room < 240 ? (int)room : 200, 7);
		if (mkdir(component, 0700) || chdir(component))
			pv_error(t, PV_BROKEN_SETUP, "mkdir: %s", strerrorname_np(errno));
		at += snprintf(path + at, sizeof(path) - at, "/%s", component);
	}
	for (size_t more = 0; more < 2; more++) {
		snprintf(component, sizeof(component), "%0*d", (int)(LONGEST + more - at - 1), 9);
		fd = open(component, O_RDWR | O_CREAT | O_CLOEXEC, 0700);
		if (fd < 0 || ftruncate(fd, page()))
			pv_error(t, PV_BROKEN_SETUP, "open: %s", strerrorname_np(errno));
		snprintf(path + at, sizeof(path) - at, "/%s", component);
		pv_note(t, "length of the path", strlen(path));
		expect_name(t, more ? "one byte too long" : "longest path", fd,
			    more ? "//toolong" : path);
		unlink(component);
		close(fd);
	}
	for (;;) { /* nftw() would need the long path */
		char *slash;

		path[at] = 0;
		slash = strrchr(path, '/');
		if (!strcmp(path, sb_dir(t)) || chdir("..") || rmdir(slash + 1))
			break;
		at = slash - path;
	}
	if (fchdir(home))
		pv_error(t, PV_BROKEN_SETUP, "fchdir: %s", strerrorname_np(errno));
	sb_cleanup();
}

/* One record since the event was enabled, which says what /proc/self/maps says; without a name: the
 * one there or //anon. */
static void expect_maps(struct pv_test *t, const char *what, struct pv_ev *ev, uint64_t addr,
			const char *name, uint32_t flags)
{
	struct sb_who me = sb_self();
	struct sb_log *log = sb_take(t, ev);
	char text[64];
	struct sb_map want;

	snprintf(text, sizeof(text), "%s: records", what);
	pv_expect_eq(t, text, log->n, 1);
	if (!sb_map_now(addr, &want))
		pv_error(t, PV_BROKEN_SETUP, "%s: not in /proc/self/maps", what);
	if (name)
		want.name = name;
	else if (log->n && !strcmp((const char *)log->rec->body + 64, "//anon"))
		want.name = "//anon";
	want.flags |= flags;
	/* the record tells the offset of memory without a file, maps does not */
	if (!want.ino)
		want.pgoff = log->n ? sb_u64(log->rec, 24) : 0;
	sb_expect_map(t, what, log, log->n ? log->rec : NULL, true, &want, &me);
	pv_close(t, ev);
}

PV_CASE(sideband, mmap_heap, .pmu = "perf", .proof = "kernel",
	.about = "brk that grows is a record of the whole [heap], one that shrinks is none")
{
	struct pv_ev *ev = open_all(t);
	uint64_t end = syscall(SYS_brk, 0);

	/* the first time there may be no heap yet */
	if ((uint64_t)syscall(SYS_brk, end + 3 * page()) != end + 3 * page())
		pv_error(t, PV_BROKEN_SETUP, "brk");
	pv_enable(t, ev);
	if ((uint64_t)syscall(SYS_brk, end + 5 * page()) != end + 5 * page())
		pv_error(t, PV_BROKEN_SETUP, "brk");
	pv_disable(t, ev);
	/* After a fork the heap grows by a second mapping, which older kernels call anonymous. */
	expect_maps(t, "heap", ev, end + 4 * page(), sb_since_6_12(t) ? "[heap]" : NULL, 0);
	ev = open_all(t);
	pv_enable(t, ev);
	if ((uint64_t)syscall(SYS_brk, end + 2 * page()) != end + 2 * page())
		pv_error(t, PV_BROKEN_SETUP, "brk");
	pv_disable(t, ev);
	pv_expect_eq(t, "records of a smaller heap", sb_take(t, ev)->n, 0);
}

PV_CASE(sideband, mmap_stack, .pmu = "perf", .proof = "kernel",
	.about = "a stack that grows at a fault is a record of the whole of it")
{
	struct pv_ev *ev = open_all(t);
	volatile uint8_t *below;
	struct sb_map stack;

	if (!sb_map_now((uintptr_t)&stack, &stack) || strcmp(stack.name, "[stack]"))
		pv_error(t, PV_BROKEN_SETUP, "no [stack] in /proc/self/maps");
	below = (uint8_t *)(uintptr_t)stack.addr - 7 * page();
	pv_enable(t, ev);
	*below = 1;
	pv_disable(t, ev);
	expect_maps(t, "stack", ev, (uintptr_t)below, "[stack]", 0);
}

PV_CASE(sideband, mmap_special, .pmu = "perf", .proof = "kernel",
	.about =
		"shared anonymous memory, System V shared memory, huge pages and growing mappings by "
		"their names")
{
	struct pv_ev *ev = open_all(t);
	struct sb_map want = {0};
	struct sb_who me = sb_self();
	struct sb_log *log;
	void *p;
	int id;

	pv_enable(t, ev);
	p = mmap(NULL, 2 * page(), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pv_disable(t, ev);
	expect_maps(t, "shared anonymous", ev, (uintptr_t)p, "/dev/zero (deleted)", 0);

	ev = open_all(t);
	id = shmget(IPC_PRIVATE, 2 * page(), IPC_CREAT | 0700);
	if (id >= 0) {
		pv_enable(t, ev);
		p = shmat(id, NULL, SHM_EXEC);
		pv_disable(t, ev);
		shmctl(id, IPC_RMID, NULL);
		expect_maps(t, "System V", ev, (uintptr_t)p, "/SYSV00000000 (deleted)", 0);
		pv_expect(t, "System V: in the maps with the inode of the segment",
			  sb_map_now((uintptr_t)p, &want) && want.ino == (uint64_t)id);
	}

	ev = open_all(t);
	pv_enable(t, ev);
	p = mmap(NULL, 2 * page(), RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0);
	pv_disable(t, ev);
	expect_maps(t, "growing", ev, (uintptr_t)p, "//anon", 0);

	ev = open_all(t);
	pv_enable(t, ev);
	/* without a reservation no huge page has to be there */
	p = mmap(NULL, 4 << 20, RW,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_NORESERVE | 21 << 26, -1, 0);
	pv_disable(t, ev);
	log = sb_take(t, ev);
	if (p == MAP_FAILED) {
		pv_expect_eq(t, "records of huge pages that were refused", log->n, 0);
		return;
	}
	if (!sb_map_now((uintptr_t)p, &want))
		pv_error(t, PV_BROKEN_SETUP, "huge pages are not in /proc/self/maps");
	want.flags |= MAP_HUGETLB;
	want.name = "/anon_hugepage (deleted)";
	pv_expect_eq(t, "huge pages: records", log->n, 1);
	sb_expect_map(t, "huge pages", log, log->n ? log->rec : NULL, true, &want, &me);
}

PV_CASE(sideband, mmap_overlay, .pmu = "perf", .needs = "root", .proof = "kernel",
	.fixes = "8818f507a939, fa4f4bae893f (..6.17, ..6.12.54)",
	.about = "a file on an overlay has the path, device and inode of the overlay, as "
		 "/proc/PID/maps says, not those of the layer it comes from")
{
	struct pv_ev *ev = open_all(t);
	char name[160], options[400];
	const char *dir = sb_dir(t);
	static const char *const parts[] = {"lower", "upper", "work", "merged"};
	void *p;
	int fd;

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", dir, "tmpfs", 0, NULL))
		pv_skip(t, PV_DENIED, "mounts of our own: %s", strerrorname_np(errno));
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s/%s", dir, parts[i]);
		mkdir(name, 0755);
	}
	close(sb_file(t, "lower/program", 2));
	snprintf(options, sizeof(options), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work",
		 dir, dir, dir);
	if (mount("overlay", name, "overlay", 0, options)) {
		int err = errno;

		umount2(dir, MNT_DETACH);
		sb_cleanup();
		pv_skip(t, PV_CONFIG_OFF, "an overlay: %s: CONFIG_OVERLAY_FS",
			strerrorname_np(err));
	}
	snprintf(name, sizeof(name), "%s/merged/program", dir);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	pv_enable(t, ev);
	p = mmap(NULL, page(), RX, MAP_PRIVATE, fd, 0);
	pv_disable(t, ev);
	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap on an overlay: %s", strerrorname_np(errno));
	expect_maps(t, "file on an overlay", ev, (uintptr_t)p, name, 0);
	close(fd);
	munmap(p, page());
	umount2(dir, MNT_DETACH);
	sb_cleanup();
}
