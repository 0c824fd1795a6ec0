/* SPDX-License-Identifier: GPL-2.0-only */
/* ELF files with build-id notes of every kind, made byte by byte. */
#define _GNU_SOURCE
#include <elf.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/sideband_elf.h"

#define PAGE ((uint64_t)sysconf(_SC_PAGESIZE))

void sb_elf_header(struct sb_elf *e, uint16_t type, uint16_t nr)
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

void sb_elf_segment(struct sb_elf *e, uint32_t type, uint64_t offset, uint64_t size)
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
static uint64_t note(struct sb_elf *e, const char *name, uint32_t name_size, uint32_t type,
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

uint64_t sb_elf_id(struct sb_elf *e, uint8_t first, uint32_t size)
{
	return note(e, "GNU", 4, NT_GNU_BUILD_ID, first, size);
}

/* ---- the files: each returns the size of the id that it has, 0 for none ---- */

/* Of e->size bytes. */
static uint32_t with_size(struct sb_elf *e)
{
	const uint32_t size = e->size;
	uint64_t at = e->notes;

	sb_elf_header(e, ET_DYN, 2);
	sb_elf_segment(e, PT_LOAD, 0, PAGE);
	sb_elf_segment(e, PT_NOTE, at, sb_elf_id(e, 0x11, size));
	return size <= 20 ? size : 0;
}

static uint32_t two_notes(struct sb_elf *e)
{
	uint64_t at = e->notes;

	sb_elf_header(e, ET_EXEC, 1);
	sb_elf_id(e, 0x11, 12);
	sb_elf_id(e, 0x80, 20);
	sb_elf_segment(e, PT_NOTE, at, e->notes - at);
	return 12;
}

/* Others before it in one segment: another type, another name, a name without its zero, a length.
 */
static uint32_t behind_others(struct sb_elf *e)
{
	uint64_t at = e->notes;

	sb_elf_header(e, ET_DYN, 1);
	note(e, "GNU", 4, NT_GNU_ABI_TAG, 0x80, 5); /* padded to 8 */
	note(e, "Linux", 6, NT_GNU_BUILD_ID, 0x80, 20);
	note(e, "GNU", 3, NT_GNU_BUILD_ID, 0x80, 20);
	note(e, "GNV", 4, NT_GNU_BUILD_ID, 0x80, 20);
	sb_elf_id(e, 0x80, 24);
	sb_elf_id(e, 0x11, 17);
	sb_elf_segment(e, PT_NOTE, at, e->notes - at);
	return 17;
}

static uint32_t second_segment(struct sb_elf *e)
{
	uint64_t at = e->notes, first;

	sb_elf_header(e, ET_DYN, 3);
	sb_elf_segment(e, PT_LOAD, 0, PAGE);
	first = note(e, "GNU", 4, NT_GNU_ABI_TAG, 0x80, 16);
	sb_elf_segment(e, PT_NOTE, at, first);
	sb_elf_segment(e, PT_NOTE, at + first, sb_elf_id(e, 0x11, 20));
	return 20;
}

static uint32_t wrong_name(struct sb_elf *e)
{
	uint64_t at = e->notes;

	sb_elf_header(e, ET_DYN, 1);
	note(e, "gnu", 4, NT_GNU_BUILD_ID, 0x80, 20);
	sb_elf_segment(e, PT_NOTE, at, e->notes - at);
	return 0;
}

static uint32_t wrong_type(struct sb_elf *e)
{
	uint64_t at = e->notes;

	sb_elf_header(e, ET_DYN, 1);
	note(e, "GNU", 4, NT_GNU_BUILD_ID + 1, 0x80, 20);
	sb_elf_segment(e, PT_NOTE, at, e->notes - at);
	return 0;
}

static uint32_t no_segment(struct sb_elf *e)
{
	sb_elf_header(e, ET_DYN, 1);
	sb_elf_segment(e, PT_LOAD, 0, PAGE);
	sb_elf_id(e, 0x80, 20);
	return 0;
}

/* The segment ends before the id does. */
static uint32_t short_segment(struct sb_elf *e)
{
	uint64_t at = e->notes;

	sb_elf_header(e, ET_DYN, 1);
	sb_elf_segment(e, PT_NOTE, at, sb_elf_id(e, 0x80, 20) - 4);
	return 0;
}

static uint32_t object_file(struct sb_elf *e)
{
	with_size(e);
	e->bytes[16] = ET_REL;
	return 0;
}

static uint32_t not_elf(struct sb_elf *e)
{
	with_size(e);
	e->bytes[3] = 'G';
	return 0;
}

static uint32_t no_class(struct sb_elf *e)
{
	with_size(e);
	e->bytes[EI_CLASS] = ELFCLASSNONE;
	return 0;
}

static uint32_t cut_in_header(struct sb_elf *e)
{
	with_size(e);
	memset(e->bytes + 17, 0, PAGE - 17);
	return 0;
}

/* The following only since build ids are read from any page. */
static uint32_t third_page(struct sb_elf *e)
{
	e->notes = 2 * PAGE + 40;
	return with_size(e);
}

static uint32_t across_pages(struct sb_elf *e)
{
	e->notes = PAGE - 8;
	return with_size(e);
}

static uint32_t id_across_pages(struct sb_elf *e)
{
	e->notes = PAGE - 24;
	return with_size(e);
}

static uint32_t late_headers(struct sb_elf *e)
{
	e->headers = PAGE + 64;
	return with_size(e);
}

static uint32_t headers_across_pages(struct sb_elf *e)
{
	e->headers = PAGE - 16;
	e->notes = PAGE + 512;
	return with_size(e);
}

const struct sb_elf_file sb_elf_files[SB_ELF_FILES] = {
	{"20 bytes", with_size, 20, false},
	{"16 bytes", with_size, 16, false},
	{"8 bytes", with_size, 8, false},
	{"4 bytes", with_size, 4, false},
	{"1 byte", with_size, 1, false},
	{"0 bytes", with_size, 0, false},
	{"21 bytes", with_size, 21, false},
	{"64 bytes", with_size, 64, false},
	{"two notes", two_notes, 20, false},
	{"behind other notes", behind_others, 20, false},
	{"second segment", second_segment, 20, false},
	{"wrong name", wrong_name, 20, false},
	{"wrong type", wrong_type, 20, false},
	{"no segment", no_segment, 20, false},
	{"short segment", short_segment, 20, false},
	{"object file", object_file, 20, false},
	{"not ELF", not_elf, 20, false},
	{"no class", no_class, 20, false},
	{"cut in the header", cut_in_header, 20, false},
	{"third page", third_page, 20, true},
	{"note across pages", across_pages, 20, true},
	{"id across pages", id_across_pages, 20, true},
	{"headers on the second page", late_headers, 20, true},
	{"headers across pages", headers_across_pages, 20, true},
};

uint32_t sb_elf_make(struct sb_elf *e, unsigned int i)
{
	e->size = sb_elf_files[i].size;
	return sb_elf_files[i].make(e);
}
