/* SPDX-License-Identifier: GPL-2.0-only */
/* What a crash is read with later: build-ids and places of modules, the kernel's table of symbols.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "cases/lib/sys.h"
#include "runner/agent/engine.h"

void pv_note_build_id(const char *path, char *hex, size_t size)
{
	char notes[4096];
	long len = pv_sys_file_read(path, notes, sizeof(notes));
	long at = 0;

	hex[0] = 0;
	while (at >= 0 && len - at >= (long)sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr n;
		size_t name, desc;

		memcpy(&n, notes + at, sizeof(n));
		name = at + sizeof(n);
		desc = name + ((n.n_namesz + 3ull) & ~3ull);
		if (desc + n.n_descsz > (size_t)len)
			return;
		if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
		    !memcmp(notes + name, "GNU", 4) && n.n_descsz * 2 < size) {
			for (size_t i = 0; i < n.n_descsz; i++)
				sprintf(hex + 2 * i, "%02x", (unsigned char)notes[desc + i]);
			return;
		}
		at = desc + ((n.n_descsz + 3ull) & ~3ull);
	}
}

/* A line of /proc/modules: "NAME SIZE REFS DEPS STATE BASE [TAINTS]". */
static void one_module(struct pv_json *j, const char *line)
{
	char name[128], path[256], build_id[128];
	unsigned long long size, base = 0;

	if (sscanf(line, "%127s %llu %*s %*s %*s %llx", name, &size, &base) < 2)
		return;
	snprintf(path, sizeof(path), "/sys/module/%s/notes/.note.gnu.build-id", name);
	pv_note_build_id(path, build_id, sizeof(build_id));
	pv_json_open(j, NULL, '{');
	pv_json_text(j, "name", name);
	if (build_id[0])
		pv_json_text(j, "build_id", build_id);
	/* 0: hidden from who is not root */
	pv_json_u64(j, "base", base);
	pv_json_u64(j, "size", size);
	pv_json_close(j, '}');
}

void pv_modules(struct pv_json *j)
{
	static char text[256 << 10];
	char *save, *line;
	long n = pv_sys_file_read("/proc/modules", text, sizeof(text));

	pv_json_open(j, "modules", '[');
	for (line = n > 0 ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		one_module(j, line);
	pv_json_close(j, ']');
}

/* ---- kallsyms ---- */

static void send_piece(struct pv_out *out, struct pv_json *j, const char *build_id,
		       const unsigned char *data, size_t len, bool end)
{
	static char text[PV_PIECE / 3 * 4 + 5];

	pv_base64(text, data, len);
	pv_json_reset(j);
	pv_json_open(j, NULL, '{');
	pv_json_text(j, "event", "kallsyms");
	pv_json_text(j, "build_id", build_id);
	pv_json_text(j, "base64", text);
	pv_json_bool(j, "end", end);
	pv_out_json(out, j);
}

/* Bytes of the kernel's own symbols: those of modules come behind, and lie elsewhere after the next
 * boot. */
static ssize_t own_symbols(const char *text, ssize_t n)
{
	const char *tab = n > 0 ? memmem(text, n, "\t[", 2) : NULL;

	while (tab && tab > text && tab[-1] != '\n')
		tab--;
	return tab ? tab - text : n;
}

/* The gzip file of what fd says of the kernel, in pieces. False: it could not be read or packed. */
static bool pack(int fd, z_stream *z, struct pv_out *out, struct pv_json *j, const char *build_id)
{
	static unsigned char plain[64 << 10], packed[PV_PIECE];
	int status = Z_OK;
	ssize_t n, got;

	z->next_out = packed;
	z->avail_out = sizeof(packed);
	do {
		/* seq_file gives whole lines. */
		got = read(fd, plain, sizeof(plain));
		if (got < 0)
			return false;
		n = own_symbols((char *)plain, got);
		z->next_in = plain;
		z->avail_in = n;
		do {
			status = deflate(z, n && n == got ? Z_NO_FLUSH : Z_FINISH);
			if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
				return false;
			if (z->avail_out && status != Z_STREAM_END)
				break;
			send_piece(out, j, build_id, packed, sizeof(packed) - z->avail_out,
				   status == Z_STREAM_END);
			z->next_out = packed;
			z->avail_out = sizeof(packed);
		} while (status != Z_STREAM_END);
	} while (status != Z_STREAM_END && !out->broken);
	return status == Z_STREAM_END;
}

void pv_kallsyms(struct pv_out *out)
{
	struct pv_json json = {0};
	z_stream z = {0};
	char build_id[128];
	int fd = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

	pv_note_build_id("/sys/kernel/notes", build_id, sizeof(build_id));
	/* Level 1: an emulated guest needs four times as long for the last fifth. */
	if (fd >= 0 && build_id[0] &&
	    deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK) {
		pack(fd, &z, out, &json, build_id);
		deflateEnd(&z);
	}
	if (fd >= 0)
		close(fd);
	pv_json_free(&json);
}
