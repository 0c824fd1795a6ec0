/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Build ids in MMAP2 records (attr.build_id): read from the GNU note of the file that is mapped,
 * the inode when there is none. ELF files are made here, byte by byte. lib/buildid.c.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sideband.h"
#include "cases/lib/sideband_elf.h"

#define RX   (PROT_READ | PROT_EXEC)
#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))
static struct pv_ev *open_ids(struct pv_test *t, bool build_id)
{
	struct perf_event_attr attr = sb_attr();

	attr.mmap = 1;
	attr.mmap2 = 1;
	attr.build_id = build_id;
	return sb_open(t, &attr, 0, -1);
}

static void *map_code(struct pv_test *t, int fd, uint64_t offset)
{
	void *p = mmap(NULL, PAGE, RX, MAP_PRIVATE, fd, offset);

	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
	return p;
}

static void write_elf(struct pv_test *t, struct sb_elf *e, int fd)
{
	if (pwrite(fd, e->bytes, SB_ELF_PAGES * PAGE, 0) != (ssize_t)(SB_ELF_PAGES * PAGE))
		pv_error(t, PV_BROKEN_SETUP, "write: %s", strerrorname_np(errno));
}

/* Makes file i; the size of its id. */
static uint32_t make_file(struct pv_test *t, size_t i, bool is32, int fd)
{
	struct sb_elf e = {.is32 = is32, .notes = 512, .bytes = calloc(SB_ELF_PAGES, PAGE)};
	uint32_t size = sb_elf_make(&e, i);

	write_elf(t, &e, fd);
	free(e.bytes);
	return size;
}

static void set_id(struct sb_map *map, uint8_t first, uint32_t size)
{
	map->id_size = size;
	for (uint32_t i = 0; i < size; i++)
		map->id[i] = first + i;
}

PV_CASE(sideband, build_id, .pmu = "perf", .each = "word[elf32,elf64]", .proof = "kernel",
	.about =
		"the id of the first GNU build-id note of 1 to 20 bytes, wherever it is, with bit 14 "
		"of misc; the inode of a file without one, and for an event without the bit")
{
	bool is32 = pv_word(t)[3] == '3', any_page = sb_since_6_12(t);
	struct pv_ev *ids = open_ids(t, true), *inodes = open_ids(t, false);
	struct sb_map maps[SB_ELF_FILES], plain;
	struct sb_log *ids_log, *inodes_log;
	struct sb_who me = sb_self();
	char names[SB_ELF_FILES][128];
	uint32_t sizes[SB_ELF_FILES];
	unsigned int n = 0;

	for (size_t i = 0; i < SB_ELF_FILES; i++) {
		char name[16];
		int fd;

		if (sb_elf_files[i].since_6_12 && !any_page)
			continue;
		snprintf(name, sizeof(name), "elf-%zu", i);
		snprintf(names[i], sizeof(names[i]), "%s/%s", sb_dir(t), name);
		fd = sb_file(t, name, SB_ELF_PAGES);
		sizes[i] = make_file(t, i, is32, fd);
		maps[i] = (struct sb_map){.len = PAGE,
					  .prot = RX,
					  .flags = MAP_PRIVATE,
					  .pgoff = i % 2 * PAGE,
					  .name = names[i]};
		sb_map_file(t, &maps[i], fd);
		pv_enable(t, ids);
		pv_enable(t, inodes);
		/* whatever page is mapped, the id is the file's */
		maps[i].addr = (uintptr_t)map_code(t, fd, maps[i].pgoff);
		pv_disable(t, ids);
		pv_disable(t, inodes);
		close(fd);
	}
	ids_log = sb_take(t, ids);
	inodes_log = sb_take(t, inodes);
	for (size_t i = 0; i < SB_ELF_FILES; i++) {
		char what[64];

		if (sb_elf_files[i].since_6_12 && !any_page)
			continue;
		plain = maps[i];
		set_id(&maps[i], 0x11, sizes[i]);
		sb_expect_map(t, sb_elf_files[i].what, ids_log,
			      n < ids_log->n ? &ids_log->rec[n] : NULL, true, &maps[i], &me);
		snprintf(what, sizeof(what), "%s, without the bit", sb_elf_files[i].what);
		sb_expect_map(t, what, inodes_log, n < inodes_log->n ? &inodes_log->rec[n] : NULL,
			      true, &plain, &me);
		n++;
	}
	pv_expect_eq(t, "records", ids_log->n, n);
	pv_expect_eq(t, "records without the bit", inodes_log->n, n);
	sb_cleanup();
}

PV_CASE(sideband, build_id_file, .pmu = "perf", .proof = "kernel",
	.about =
		"the id is that of the file that is mapped: two files that had one path, a deleted "
		"one, a memory file; anonymous memory has none, nor has what is not in the page cache")
{
	struct sb_elf e = {.notes = 512, .bytes = calloc(SB_ELF_PAGES, PAGE)};
	struct pv_ev *ev = open_ids(t, true);
	struct sb_map maps[6];
	struct sb_who me = sb_self();
	struct sb_log *log;
	char path[128], gone[160];
	int first, second, memory;
	void *p;

	sb_elf_make(&e, 0);
	first = sb_file(t, "library", SB_ELF_PAGES);
	write_elf(t, &e, first);
	snprintf(path, sizeof(path), "%s/library", sb_dir(t));
	snprintf(gone, sizeof(gone), "%s (deleted)", path);
	for (unsigned int i = 0; i < 6; i++)
		maps[i] = (struct sb_map){
			.len = PAGE, .prot = RX, .flags = MAP_PRIVATE, .name = path};
	set_id(&maps[0], 0x11, 20);
	pv_enable(t, ev);
	maps[0].addr = (uintptr_t)map_code(t, first, 0);

	unlink(path);
	memset(e.bytes, 0, SB_ELF_PAGES * PAGE);
	e = (struct sb_elf){.notes = 256, .is32 = true, .bytes = e.bytes};
	e.notes = 256;
	sb_elf_header(&e, ET_DYN, 1);
	sb_elf_segment(&e, PT_NOTE, 256, sb_elf_id(&e, 0x60, 8));
	second = sb_file(t, "library", SB_ELF_PAGES);
	write_elf(t, &e, second);
	set_id(&maps[1], 0x60, 8);
	maps[1].addr = (uintptr_t)map_code(t, second, 0);

	set_id(&maps[2], 0x11, 20);
	maps[2].name = gone;
	maps[2].addr = (uintptr_t)map_code(t, first, PAGE);
	maps[2].pgoff = PAGE;

	memory = memfd_create("library", MFD_CLOEXEC);
	if (memory < 0)
		pv_error(t, PV_BROKEN_SETUP, "memfd_create: %s", strerrorname_np(errno));
	write_elf(t, &e, memory);
	set_id(&maps[3], 0x60, 8);
	maps[3].name = "/memfd:library (deleted)";
	maps[3].addr = (uintptr_t)map_code(t, memory, 0);

	p = mmap(NULL, PAGE, RX, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
	maps[4].addr = maps[4].pgoff = (uintptr_t)p;
	maps[4].name = "//anon";

	/* a file whose first page nobody has written: it is nowhere */
	first = sb_file(t, "hole", SB_ELF_PAGES);
	snprintf(gone + 100, sizeof(gone) - 100, "%s/hole", sb_dir(t));
	maps[5].name = gone + 100;
	sb_map_file(t, &maps[5], first);
	maps[5].addr = (uintptr_t)map_code(t, first, 0);
	pv_disable(t, ev);

	log = sb_take(t, ev);
	pv_expect_eq(t, "records", log->n, 6);
	for (unsigned int i = 0; i < 6; i++) {
		static const char *const what[] = {"first file",  "second file", "deleted file",
						   "memory file", "anonymous",   "hole"};

		sb_expect_map(t, what[i], log, i < log->n ? &log->rec[i] : NULL, true, &maps[i],
			      &me);
	}
	sb_cleanup();
}
