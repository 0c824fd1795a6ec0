/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * MMAP and MMAP2 records: one for each mapping that becomes executable (attr.mmap, attr.mmap2) or
 * is not (attr.mmap_data), with all that mmap(2) was told. perf_event_mmap_event() of
 * kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cases/lib/sideband.h"
#include "cases/lib/sys.h"

#define RX  (PROT_READ | PROT_EXEC)
#define RW  (PROT_READ | PROT_WRITE)
#define RWX (PROT_READ | PROT_WRITE | PROT_EXEC)

static size_t page(void)
{
	return sysconf(_SC_PAGESIZE);
}

static void *map(struct pv_test *t, void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *p = mmap(at, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
	return p;
}

static struct pv_ev *open_maps(struct pv_test *t, bool code, bool data, bool mmap2)
{
	struct perf_event_attr attr = sb_attr();

	attr.mmap = code;
	attr.mmap_data = data;
	attr.mmap2 = mmap2;
	return sb_open(t, &attr, 0, -1);
}

/* What is mapped: `prot` and `flags` as told to mmap(2), and what the record's flags must be. */
struct shape {
	const char *what;
	int prot, flags, said;
	bool file;
	unsigned int first, pages;
};

static const struct shape shapes[] = {
	{"private code", RX, MAP_PRIVATE, MAP_PRIVATE, true, 0, 2},
	{"code at an offset", PROT_EXEC, MAP_PRIVATE, MAP_PRIVATE, true, 3, 1},
	{"writable code", RWX, MAP_PRIVATE, MAP_PRIVATE, true, 1, 4},
	{"shared code", RX, MAP_SHARED, MAP_SHARED, true, 0, 1},
	{"shared writable code", RWX, MAP_SHARED, MAP_SHARED, true, 2, 2},
	{"locked code", RX, MAP_PRIVATE | MAP_LOCKED, MAP_PRIVATE | MAP_LOCKED, true, 0, 1},
	{"code with old flags", RX, MAP_PRIVATE | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_NORESERVE,
	 MAP_PRIVATE, true, 0, 3},
	{"anonymous code", RX, MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE, false, 0, 3},
	{"private data", RW, MAP_PRIVATE, MAP_PRIVATE, true, 1, 2},
	{"read-only data", PROT_READ, MAP_SHARED, MAP_SHARED, true, 4, 1},
	{"write-only data", PROT_WRITE, MAP_SHARED, MAP_SHARED, true, 5, 2},
	{"unreadable data", PROT_NONE, MAP_PRIVATE, MAP_PRIVATE, true, 0, 1},
	{"locked data", RW, MAP_SHARED | MAP_LOCKED, MAP_SHARED | MAP_LOCKED, true, 0, 1},
	{"anonymous data", RW, MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE, false, 0, 5},
};
#define NR_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

/* Maps each shape into a place of its own, with a page on both sides that keeps it from being
 * merged; an odd length is rounded up. */
static void map_shapes(struct pv_test *t, int fd, uint8_t *place, struct sb_map maps[NR_SHAPES])
{
	size_t size = page();

	for (size_t i = 0; i < NR_SHAPES; i++) {
		const struct shape *s = &shapes[i];

		map(t, place, s->pages * size - 5, s->prot, s->flags | MAP_FIXED, s->file ? fd : -1,
		    s->file ? s->first * size : 0);
		maps[i].addr = (uintptr_t)place;
		maps[i].len = s->pages * size;
		maps[i].prot = s->prot;
		maps[i].flags = s->said;
		/* an anonymous mapping's offset is its address */
		maps[i].pgoff = s->file ? s->first * size : (uintptr_t)place;
		place += (s->pages + 1) * size;
	}
}

static void expect_nth(struct pv_test *t, const char *what, const struct sb_log *log,
		       unsigned int nth, bool mmap2, const struct sb_map *want,
		       const struct sb_who *who)
{
	sb_expect_map(t, what, log, nth < log->n ? &log->rec[nth] : NULL, mmap2, want, who);
}

PV_CASE(sideband, mmap, .pmu = "perf", .each = "word[mmap,mmap2]", .proof = "kernel",
	.about =
		"a record for each mapping, code to the event with mmap (or mmap2), data to the one "
		"with mmap_data: address, length, offset, device, inode, generation, protection, "
		"flags and name")
{
	bool mmap2 = pv_word(t)[4];
	struct pv_ev *code = open_maps(t, true, false, mmap2);
	struct pv_ev *data = open_maps(t, false, true, mmap2);
	struct pv_ev *both = open_maps(t, true, true, mmap2);
	struct sb_map maps[NR_SHAPES];
	struct sb_log *code_log, *data_log, *both_log;
	struct sb_who me = sb_self();
	unsigned int nr_code = 0, nr_data = 0;
	char name[128];
	uint8_t *place;
	int fd = sb_file(t, "mapped file", 8);

	snprintf(name, sizeof(name), "%s/mapped file", sb_dir(t));
	for (size_t i = 0; i < NR_SHAPES; i++) {
		maps[i] = (struct sb_map){.generation = 0, .name = "//anon"};
		if (shapes[i].file) {
			sb_map_file(t, &maps[i], fd);
			maps[i].name = name;
		}
	}
	place = map(t, NULL, NR_SHAPES * 6 * page(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pv_enable(t, code);
	pv_enable(t, data);
	pv_enable(t, both);
	map_shapes(t, fd, place, maps);
	munmap(place, NR_SHAPES * 6 * page());
	pv_disable(t, code);
	pv_disable(t, data);
	pv_disable(t, both);
	map(t, NULL, page(), RX, MAP_PRIVATE, fd, 0);

	code_log = sb_take(t, code);
	data_log = sb_take(t, data);
	both_log = sb_take(t, both);
	for (size_t i = 0; i < NR_SHAPES; i++) {
		bool is_code = shapes[i].prot & PROT_EXEC;
		char what[64];

		snprintf(what, sizeof(what), "%s, mmap", shapes[i].what);
		if (is_code)
			expect_nth(t, what, code_log, nr_code++, mmap2, &maps[i], &me);
		snprintf(what, sizeof(what), "%s, mmap_data", shapes[i].what);
		if (!is_code || mmap2)
			expect_nth(t, what, data_log, nr_data++, mmap2, &maps[i], &me);
		snprintf(what, sizeof(what), "%s, both bits", shapes[i].what);
		expect_nth(t, what, both_log, i, mmap2, &maps[i], &me);
	}
	pv_expect_eq(t, "records of code", code_log->n, nr_code);
	pv_expect_eq(t, "records of data", data_log->n, nr_data);
	pv_expect_eq(t, "records of both", both_log->n, NR_SHAPES);
	sb_cleanup();
}

PV_CASE(sideband, mmap_shared_read, .pmu = "perf", .proof = "kernel",
	.about = "MAP_SHARED of a file that is open for reading only is shared all the same")
{
	struct pv_ev *ev = open_maps(t, true, true, true);
	struct sb_who me = sb_self();
	struct sb_map want = {.len = page(), .prot = RX, .flags = MAP_SHARED};
	struct sb_log *log;
	char name[128];
	int fd;

	close(sb_file(t, "read only", 1));
	snprintf(name, sizeof(name), "%s/read only", sb_dir(t));
	want.name = name;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	sb_map_file(t, &want, fd);
	pv_enable(t, ev);
	want.addr = (uintptr_t)map(t, NULL, page(), RX, MAP_SHARED, fd, 0);
	pv_disable(t, ev);
	log = sb_take(t, ev);
	pv_expect_eq(t, "records", log->n, 1);
	sb_expect_map(t, "MMAP2", log, log->n ? log->rec : NULL, true, &want, &me);
	sb_cleanup();
}

static const struct {
	const char *what;
	unsigned int first, pages;
	int prot;
} changes[] = {
	{"a part made executable", 2, 2, RX},
	{"the next page made executable", 2, 3, RX},
	{"all made readable", 1, 6, PROT_READ},
	{"a page made unreadable", 3, 1, PROT_NONE},
	{"all made executable: the part before that page", 1, 2, RX},
	{"all made executable: that page", 1, 3, RX},
	{"all made executable: the rest", 1, 6, RX},
};
#define NR_CHANGES (sizeof(changes) / sizeof(changes[0]))

PV_CASE(sideband, mprotect, .pmu = "perf", .proof = "kernel",
	.about = "mprotect tells of each mapping it changes, as it is afterwards: the part, its "
		 "offset, what was merged; nothing for no change, munmap, mremap, madvise")
{
	struct pv_ev *ev = open_maps(t, true, true, true);
	struct sb_who me = sb_self();
	size_t size = page();
	struct sb_map file = {.flags = MAP_PRIVATE};
	struct sb_log *log;
	char name[128];
	uint8_t *p, *q;
	int fd = sb_file(t, "protected", 8);

	snprintf(name, sizeof(name), "%s/protected", sb_dir(t));
	file.name = name;
	sb_map_file(t, &file, fd);
	/* six pages of the file with a hole behind them */
	p = map(t, NULL, 8 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map(t, p + size, 6 * size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, size);
	munmap(p + 7 * size, size);
	pv_enable(t, ev);
	if (mprotect(p + 2 * size, 2 * size, RX) ||    /* 0: a part */
	    mprotect(p + 4 * size, 1 * size, RX) ||    /* 1: merged with it */
	    mprotect(p + 2 * size, 3 * size, RX) ||    /* nothing changes */
	    mprotect(p + size, 6 * size, PROT_READ) || /* 2: all, in one piece again */
	    mprotect(p + 3 * size, size, PROT_NONE) || /* 3 */
	    mprotect(p + size, 6 * size, RX))          /* 4..6: three mappings, merged */
		pv_error(t, PV_BROKEN_SETUP, "mprotect: %s", strerrorname_np(errno));
	madvise(p + size, size, MADV_DONTNEED);
	q = mremap(p + size, 6 * size, 7 * size, MREMAP_MAYMOVE);
	if (q == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mremap: %s", strerrorname_np(errno));
	munmap(q + size, size);
	munmap(q, size);
	pv_disable(t, ev);

	log = sb_take(t, ev);
	pv_expect_eq(t, "records", log->n, NR_CHANGES);
	for (unsigned int i = 0; i < NR_CHANGES; i++) {
		file.addr = (uintptr_t)p + changes[i].first * size;
		file.len = changes[i].pages * size;
		file.pgoff = changes[i].first * size;
		file.prot = changes[i].prot;
		expect_nth(t, changes[i].what, log, i, true, &file, &me);
	}
	sb_cleanup();
}
