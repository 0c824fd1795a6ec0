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

#define RX         (PROT_READ | PROT_EXEC)
#define PAGE       ((uint64_t)sysconf(_SC_PAGESIZE))
#define FILE_PAGES 4

/* An ELF file in the making. */
struct elf {
	bool is32;
	unsigned int nr_headers;
	uint64_t headers; /* where the program headers are */
	uint8_t *bytes;
	uint64_t notes; /* where the next note goes */
};

static void elf_header(struct elf *e, uint16_t type, uint16_t nr)
{
	static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 0, ELFDATA2LSB, EV_CURRENT};

	if (!e->headers)
		e->headers = e->is32 ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr);
	if (e->is32) {
		Elf32_Ehdr *h = (void *)e->bytes;

		*h = (Elf32_Ehdr){.e_type = type,
				  .e_phoff = e->headers,
				  .e_phnum = nr,
				  .e_phentsize = sizeof(Elf32_Phdr),
				  .e_ehsize = sizeof(*h)};
	} else {
		Elf64_Ehdr *h = (void *)e->bytes;

		*h = (Elf64_Ehdr){.e_type = type,
				  .e_phoff = e->headers,
				  .e_phnum = nr,
				  .e_phentsize = sizeof(Elf64_Phdr),
				  .e_ehsize = sizeof(*h)};
	}
	memcpy(e->bytes, ident, sizeof(ident));
	e->bytes[EI_CLASS] = e->is32 ? ELFCLASS32 : ELFCLASS64;
}

static void segment(struct elf *e, uint32_t type, uint64_t offset, uint64_t size)
{
	unsigned int i = e->nr_headers++;

	if (e->is32)
		((Elf32_Phdr *)(e->bytes + e->headers))[i] = (Elf32_Phdr){
			.p_type = type, .p_offset = offset, .p_filesz = size, .p_align = 4};
	else
		((Elf64_Phdr *)(e->bytes + e->headers))[i] = (Elf64_Phdr){
			.p_type = type, .p_offset = offset, .p_filesz = size, .p_align = 4};
}

/* A note whose description is `size` bytes that count up from `first`; what it takes. */
static uint64_t note(struct elf *e, const char *name, uint32_t name_size, uint32_t type,
		     uint8_t first, uint32_t size)
{
	Elf64_Nhdr h = {name_size, size, type};
	uint64_t from = e->notes;

	memcpy(e->bytes + from, &h, sizeof(h));
	memcpy(e->bytes + from + sizeof(h), name, name_size);
	from += sizeof(h) + ((name_size + 3) & ~3u);
	for (uint32_t i = 0; i < size; i++)
		e->bytes[from + i] = first + i;
	from += (size + 3) & ~3u;
	size = from - e->notes;
	e->notes = from;
	return size;
}

static uint64_t id_note(struct elf *e, uint8_t first, uint32_t size)
{
	return note(e, "GNU", 4, NT_GNU_BUILD_ID, first, size);
}

/* ---- the files: each returns the size of the id that it has, 0 for none ---- */

static uint32_t with_size(struct elf *e, uint32_t size)
{
	uint64_t at = e->notes;

	elf_header(e, ET_DYN, 2);
	segment(e, PT_LOAD, 0, PAGE);
	segment(e, PT_NOTE, at, id_note(e, 0x11, size));
	return size <= 20 ? size : 0;
}

static uint32_t size_20(struct elf *e)
{
	return with_size(e, 20);
}

static uint32_t size_16(struct elf *e)
{
	return with_size(e, 16);
}

static uint32_t size_8(struct elf *e)
{
	return with_size(e, 8);
}

static uint32_t size_4(struct elf *e)
{
	return with_size(e, 4);
}

static uint32_t size_1(struct elf *e)
{
	return with_size(e, 1);
}

static uint32_t size_0(struct elf *e)
{
	return with_size(e, 0);
}

static uint32_t size_21(struct elf *e)
{
	return with_size(e, 21);
}

static uint32_t size_64(struct elf *e)
{
	return with_size(e, 64);
}

static uint32_t two_notes(struct elf *e)
{
	uint64_t at = e->notes;

	elf_header(e, ET_EXEC, 1);
	id_note(e, 0x11, 12);
	id_note(e, 0x80, 20);
	segment(e, PT_NOTE, at, e->notes - at);
	return 12;
}

/* Others before it in one segment: another type, another name, a name without its zero, a length.
 */
static uint32_t behind_others(struct elf *e)
{
	uint64_t at = e->notes;

	elf_header(e, ET_DYN, 1);
	note(e, "GNU", 4, NT_GNU_ABI_TAG, 0x80, 16);
	note(e, "Linux", 6, NT_GNU_BUILD_ID, 0x80, 20);
	note(e, "GNU", 3, NT_GNU_BUILD_ID, 0x80, 20);
	note(e, "GNV", 4, NT_GNU_BUILD_ID, 0x80, 20);
	id_note(e, 0x80, 24);
	id_note(e, 0x11, 17);
	segment(e, PT_NOTE, at, e->notes - at);
	return 17;
}

static uint32_t second_segment(struct elf *e)
{
	uint64_t at = e->notes, first;

	elf_header(e, ET_DYN, 3);
	segment(e, PT_LOAD, 0, PAGE);
	first = note(e, "GNU", 4, NT_GNU_ABI_TAG, 0x80, 16);
	segment(e, PT_NOTE, at, first);
	segment(e, PT_NOTE, at + first, id_note(e, 0x11, 20));
	return 20;
}

static uint32_t wrong_name(struct elf *e)
{
	uint64_t at = e->notes;

	elf_header(e, ET_DYN, 1);
	note(e, "gnu", 4, NT_GNU_BUILD_ID, 0x80, 20);
	segment(e, PT_NOTE, at, e->notes - at);
	return 0;
}

static uint32_t wrong_type(struct elf *e)
{
	uint64_t at = e->notes;

	elf_header(e, ET_DYN, 1);
	note(e, "GNU", 4, NT_GNU_BUILD_ID + 1, 0x80, 20);
	segment(e, PT_NOTE, at, e->notes - at);
	return 0;
}

static uint32_t no_segment(struct elf *e)
{
	elf_header(e, ET_DYN, 1);
	segment(e, PT_LOAD, 0, PAGE);
	id_note(e, 0x80, 20);
	return 0;
}

/* The segment ends before the id does. */
static uint32_t short_segment(struct elf *e)
{
	uint64_t at = e->notes;

	elf_header(e, ET_DYN, 1);
	segment(e, PT_NOTE, at, id_note(e, 0x80, 20) - 4);
	return 0;
}

static uint32_t object_file(struct elf *e)
{
	with_size(e, 20);
	e->bytes[16] = ET_REL;
	return 0;
}

static uint32_t not_elf(struct elf *e)
{
	with_size(e, 20);
	e->bytes[3] = 'G';
	return 0;
}

static uint32_t no_class(struct elf *e)
{
	with_size(e, 20);
	e->bytes[EI_CLASS] = ELFCLASSNONE;
	return 0;
}

static uint32_t cut_in_header(struct elf *e)
{
	with_size(e, 20);
	memset(e->bytes + 17, 0, PAGE - 17);
	return 0;
}

/* The following only since build ids are read from any page. */
static uint32_t third_page(struct elf *e)
{
	e->notes = 2 * PAGE + 40;
	return with_size(e, 20);
}

static uint32_t across_pages(struct elf *e)
{
	e->notes = PAGE - 8;
	return with_size(e, 20);
}

static uint32_t id_across_pages(struct elf *e)
{
	e->notes = PAGE - 24;
	return with_size(e, 20);
}

static uint32_t late_headers(struct elf *e)
{
	e->headers = PAGE + 64;
	return with_size(e, 20);
}

static uint32_t headers_across_pages(struct elf *e)
{
	e->headers = PAGE - 16;
	e->notes = PAGE + 512;
	return with_size(e, 20);
}

static const struct {
	const char *what;
	uint32_t (*make)(struct elf *e);
	bool since_6_12;
} files[] = {
	{"20 bytes", size_20, false},
	{"16 bytes", size_16, false},
	{"8 bytes", size_8, false},
	{"4 bytes", size_4, false},
	{"1 byte", size_1, false},
	{"0 bytes", size_0, false},
	{"21 bytes", size_21, false},
	{"64 bytes", size_64, false},
	{"two notes", two_notes, false},
	{"behind other notes", behind_others, false},
	{"second segment", second_segment, false},
	{"wrong name", wrong_name, false},
	{"wrong type", wrong_type, false},
	{"no segment", no_segment, false},
	{"short segment", short_segment, false},
	{"object file", object_file, false},
	{"not ELF", not_elf, false},
	{"no class", no_class, false},
	{"cut in the header", cut_in_header, false},
	{"third page", third_page, true},
	{"note across pages", across_pages, true},
	{"id across pages", id_across_pages, true},
	{"headers on the second page", late_headers, true},
	{"headers across pages", headers_across_pages, true},
};
#define NR_FILES (sizeof(files) / sizeof(files[0]))

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

static void write_elf(struct pv_test *t, struct elf *e, int fd)
{
	if (pwrite(fd, e->bytes, FILE_PAGES * PAGE, 0) != (ssize_t)(FILE_PAGES * PAGE))
		pv_error(t, PV_BROKEN_SETUP, "write: %s", strerrorname_np(errno));
}

/* Makes file i; the size of its id. */
static uint32_t make_file(struct pv_test *t, size_t i, bool is32, int fd)
{
	struct elf e = {.is32 = is32, .notes = 512, .bytes = calloc(FILE_PAGES, PAGE)};
	uint32_t size = files[i].make(&e);

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
	struct sb_map maps[NR_FILES], plain;
	struct sb_log *ids_log, *inodes_log;
	struct sb_who me = sb_self();
	char names[NR_FILES][128];
	uint32_t sizes[NR_FILES];
	unsigned int n = 0;

	for (size_t i = 0; i < NR_FILES; i++) {
		char name[16];
		int fd;

		if (files[i].since_6_12 && !any_page)
			continue;
		snprintf(name, sizeof(name), "elf-%zu", i);
		snprintf(names[i], sizeof(names[i]), "%s/%s", sb_dir(t), name);
		fd = sb_file(t, name, FILE_PAGES);
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
	for (size_t i = 0; i < NR_FILES; i++) {
		char what[64];

		if (files[i].since_6_12 && !any_page)
			continue;
		plain = maps[i];
		set_id(&maps[i], 0x11, sizes[i]);
		sb_expect_map(t, files[i].what, ids_log, n < ids_log->n ? &ids_log->rec[n] : NULL,
			      true, &maps[i], &me);
		snprintf(what, sizeof(what), "%s, without the bit", files[i].what);
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
	struct elf e = {.notes = 512, .bytes = calloc(FILE_PAGES, PAGE)};
	struct pv_ev *ev = open_ids(t, true);
	struct sb_map maps[6];
	struct sb_who me = sb_self();
	struct sb_log *log;
	char path[128], gone[160];
	int first, second, memory;
	void *p;

	size_20(&e);
	first = sb_file(t, "library", FILE_PAGES);
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
	memset(e.bytes, 0, FILE_PAGES * PAGE);
	e = (struct elf){.notes = 256, .is32 = true, .bytes = e.bytes};
	e.notes = 256;
	elf_header(&e, ET_DYN, 1);
	segment(&e, PT_NOTE, 256, id_note(&e, 0x60, 8));
	second = sb_file(t, "library", FILE_PAGES);
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
	first = sb_file(t, "hole", FILE_PAGES);
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
