/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Debug sections packed with zstd (CONFIG_DEBUG_INFO_COMPRESSED_ZSTD, Linux 6.3): elfutils reads
 * them from 0.189 on, Debian 12 has 0.188. Such a file is copied to memory with these sections
 * unpacked; zlib's are left to libelf.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#include "results/symbols_private.h"

#ifndef ELFCOMPRESS_ZSTD
#define ELFCOMPRESS_ZSTD 2
#endif

static bool packed(Elf_Scn *scn, GElf_Shdr *sh, GElf_Chdr *ch)
{
	return gelf_getshdr(scn, sh) && sh->sh_flags & SHF_COMPRESSED && gelf_getchdr(scn, ch) &&
	       ch->ch_type == ELFCOMPRESS_ZSTD;
}

/* Bytes that its packed sections will need; 0: there are none. */
static uint64_t unpacked_size(Elf *elf)
{
	uint64_t total = 0;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	GElf_Chdr ch;

	while ((scn = elf_nextscn(elf, scn))) {
		if (packed(scn, &sh, &ch) && ch.ch_size <= PV_SYM_UNPACKED_MAX)
			total += ch.ch_size;
	}
	return total;
}

static int copy(int from, int to, uint64_t size)
{
	off_t at = 0;

	while ((uint64_t)at < size) {
		ssize_t n = copy_file_range(from, &at, to, NULL, size - at, 0);

		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP)) {
			char buf[65536];

			n = pread(from, buf, sizeof(buf), at);
			if (n > 0)
				n = pwrite(to, buf, n, at);
			at += n > 0 ? n : 0;
		}
		if (n <= 0)
			return n ? -errno : -ENODATA;
	}
	return 0;
}

/* One section: its plain bytes go to `end`, behind all others. */
static bool unpack(Elf_Scn *scn, GElf_Shdr *sh, const GElf_Chdr *ch, size_t head, uint64_t *end,
		   void **plain)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	size_t n;

	if (!data || !data->d_buf || data->d_size <= head || ch->ch_size > PV_SYM_UNPACKED_MAX)
		return false;
	*plain = malloc(ch->ch_size ? ch->ch_size : 1);
	if (!*plain)
		abort();
	n = ZSTD_decompress(*plain, ch->ch_size, (char *)data->d_buf + head, data->d_size - head);
	if (ZSTD_isError(n) || n != ch->ch_size)
		return false;
	data->d_buf = *plain;
	data->d_size = n;
	data->d_off = 0;
	data->d_align = 1;
	sh->sh_flags &= ~(GElf_Xword)SHF_COMPRESSED;
	sh->sh_size = n;
	sh->sh_offset = (*end + 15) & ~15ull;
	sh->sh_addralign = 1;
	*end = sh->sh_offset + n;
	elf_flagdata(data, ELF_C_SET, ELF_F_DIRTY);
	return gelf_update_shdr(scn, sh);
}

static bool rewrite(Elf *elf, uint64_t end)
{
	size_t head = gelf_getclass(elf) == ELFCLASS64 ? sizeof(Elf64_Chdr) : sizeof(Elf32_Chdr);
	size_t nr = 0, sections;
	Elf_Scn *scn = NULL;
	bool done = true;
	void **plain;

	if (elf_getshdrnum(elf, &sections))
		return false;
	plain = calloc(sections + 1, sizeof(*plain));
	if (!plain)
		abort();
	elf_flagelf(elf, ELF_C_SET, ELF_F_LAYOUT);
	while (done && nr < sections && (scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		GElf_Chdr ch;

		if (packed(scn, &sh, &ch))
			done = unpack(scn, &sh, &ch, head, &end, &plain[nr++]);
	}
	done = done && elf_update(elf, ELF_C_WRITE) >= 0;
	elf_end(elf);
	for (size_t i = 0; i < nr; i++)
		free(plain[i]);
	free(plain);
	return done;
}

#define PADDING_MAX (1 << 21) /* of 65,536 sections */

int pv_sym_unpack_sections(int fd, const char *path, char *error, size_t size)
{
	Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	uint64_t more = elf ? unpacked_size(elf) : 0;
	struct stat st;
	int to, err;

	elf_end(elf);
	if (!more)
		return fd;
	to = memfd_create("pmuvet-sections", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	err = to < 0 || fstat(fd, &st)                                 ? -errno
	      : more > PV_SYM_UNPACKED_MAX || st.st_size > (1ll << 32) ? -EFBIG
								       : copy(fd, to, st.st_size);
	close(fd);
	/* A lying section's place would have elf_update() fill memory up to it: it must not grow.
	 */
	if (!err &&
	    (ftruncate(to, st.st_size + more + PADDING_MAX) || fcntl(to, F_ADD_SEALS, F_SEAL_GROW)))
		err = -errno;
	if (!err) {
		elf = elf_begin(to, ELF_C_RDWR, NULL);
		err = elf && rewrite(elf, st.st_size) ? 0 : -EBADMSG;
	}
	if (!err)
		return to;
	snprintf(error, size, "%s: sections packed with zstd: %s", path,
		 err == -EBADMSG ? "broken" : strerror(-err));
	if (to >= 0)
		close(to);
	return err;
}
