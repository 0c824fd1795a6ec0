/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PV_CASES_LIB_SIDEBAND_ELF_H
#define PV_CASES_LIB_SIDEBAND_ELF_H

#include <stdbool.h>
#include <stdint.h>

#define SB_ELF_PAGES 4

/* An ELF file in the making. */
struct sb_elf {
	bool is32;
	unsigned int nr_headers;
	uint64_t headers; /* where the program headers are */
	uint8_t *bytes;
	uint64_t notes; /* where the next note goes */
	uint32_t size;  /* of the id, where the file has nothing special */
};

void sb_elf_header(struct sb_elf *e, uint16_t type, uint16_t nr);
void sb_elf_segment(struct sb_elf *e, uint32_t type, uint64_t offset, uint64_t size);
/* A build id of `size` bytes that count up from `first`; what the note takes. */
uint64_t sb_elf_id(struct sb_elf *e, uint8_t first, uint32_t size);

/* The files: make() returns the size of the id, which begins with 0x11, 0 for none. */
struct sb_elf_file {
	const char *what;
	uint32_t (*make)(struct sb_elf *e);
	uint32_t size;   /* for sb_elf.size */
	bool since_6_12; /* found only since build ids are read from any page */
};
#define SB_ELF_FILES 24
extern const struct sb_elf_file sb_elf_files[SB_ELF_FILES];
/* Makes the i-th of them: its make(). */
uint32_t sb_elf_make(struct sb_elf *e, unsigned int i);
#endif
