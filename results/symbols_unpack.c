/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Debian 12's libdw opens .gz and .xz files itself but was built without zstd; all three here, so
 * that there is one way and one limit. The bytes go to memory (memfd), where nobody else changes
 * them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "results/symbols_private.h"

#define CHUNK (256u << 10)

/* One piece in, any number out through put(). 1: more, 0: the end was seen, -errno. */
struct unpacker {
	const char *name;
	int (*step)(struct unpacker *u, const unsigned char *in, size_t len, bool last);
	void (*end)(struct unpacker *u);
	union {
		z_stream gz;
		lzma_stream xz;
		ZSTD_DStream *zst;
	};
	int to;
	uint64_t written;
	bool whole; /* zst: a frame has just ended */
	unsigned char out[CHUNK];
};

static int put(struct unpacker *u, size_t len)
{
	const unsigned char *p = u->out;

	u->written += len;
	if (u->written > PV_SYM_UNPACKED_MAX)
		return -EFBIG;
	while (len) {
		ssize_t n = write(u->to, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= n;
	}
	return 0;
}

static int step_gz(struct unpacker *u, const unsigned char *in, size_t len, bool last)
{
	(void)last;
	u->gz.next_in = (unsigned char *)in;
	u->gz.avail_in = len;
	for (;;) {
		int status, err;

		u->gz.next_out = u->out;
		u->gz.avail_out = CHUNK;
		status = inflate(&u->gz, Z_NO_FLUSH);
		err = put(u, CHUNK - u->gz.avail_out);
		if (err)
			return err;
		if (status == Z_STREAM_END)
			return 0;
		if (status == Z_BUF_ERROR || (status == Z_OK && u->gz.avail_out))
			return 1;
		if (status != Z_OK)
			return -EBADMSG;
	}
}

static void end_gz(struct unpacker *u)
{
	inflateEnd(&u->gz);
}

static int step_xz(struct unpacker *u, const unsigned char *in, size_t len, bool last)
{
	u->xz.next_in = in;
	u->xz.avail_in = len;
	for (;;) {
		lzma_ret status;
		int err;

		u->xz.next_out = u->out;
		u->xz.avail_out = CHUNK;
		status = lzma_code(&u->xz, last ? LZMA_FINISH : LZMA_RUN);
		err = put(u, CHUNK - u->xz.avail_out);
		if (err)
			return err;
		if (status == LZMA_STREAM_END)
			return 0;
		if (status == LZMA_BUF_ERROR || (status == LZMA_OK && u->xz.avail_out))
			return 1;
		if (status != LZMA_OK)
			return status == LZMA_MEMLIMIT_ERROR ? -EFBIG : -EBADMSG;
	}
}

static void end_xz(struct unpacker *u)
{
	lzma_end(&u->xz);
}

static int step_zst(struct unpacker *u, const unsigned char *in, size_t len, bool last)
{
	ZSTD_inBuffer from = {in, len, 0};
	bool full = true;

	/* Frame may follow frame: the end of one at the file's end is the end. */
	if (last)
		return u->whole ? 0 : 1;
	while (from.pos < from.size || full) {
		ZSTD_outBuffer to = {u->out, CHUNK, 0};
		size_t before = from.pos, status;
		int err;

		status = ZSTD_decompressStream(u->zst, &to, &from);
		if (ZSTD_isError(status))
			return -EBADMSG;
		err = put(u, to.pos);
		if (err)
			return err;
		full = to.pos == CHUNK;
		if (to.pos || from.pos > before)
			u->whole = !status;
	}
	return 1;
}

static void end_zst(struct unpacker *u)
{
	ZSTD_freeDStream(u->zst);
}

static bool start(struct unpacker *u, const unsigned char *head, size_t len)
{
	static const lzma_stream fresh = LZMA_STREAM_INIT;

	if (len >= 2 && !memcmp(head, "\x1f\x8b", 2)) {
		u->name = "gzip";
		u->step = step_gz;
		u->end = end_gz;
		return inflateInit2(&u->gz, 15 + 16) == Z_OK;
	}
	if (len >= 6 && !memcmp(head,
				"\xfd"
				"7zXZ\0",
				6)) {
		u->name = "xz";
		u->step = step_xz;
		u->end = end_xz;
		u->xz = fresh;
		/* The kernel's build uses dictionaries of 2 MiB, people at most 64. */
		return lzma_stream_decoder(&u->xz, 256u << 20, 0) == LZMA_OK;
	}
	u->name = "zstd";
	u->step = step_zst;
	u->end = end_zst;
	u->zst = ZSTD_createDStream();
	return u->zst;
}

static bool is_packed(const unsigned char *head, size_t len)
{
	return (len >= 2 && !memcmp(head, "\x1f\x8b", 2)) ||
	       (len >= 6 && !memcmp(head,
				    "\xfd"
				    "7zXZ\0",
				    6)) ||
	       (len >= 4 && !memcmp(head, "\x28\xb5\x2f\xfd", 4));
}

static int run(struct unpacker *u, int fd)
{
	static const unsigned char none[1];
	unsigned char *in = malloc(CHUNK);
	off_t at = 0;
	int more = 1;

	if (!in)
		abort();
	while (more > 0) {
		ssize_t n = pread(fd, in, CHUNK, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			more = -errno;
		} else if (!n) {
			more = u->step(u, none, 0, true);
			if (more > 0)
				more = -ENODATA;
		} else {
			more = u->step(u, in, n, false);
		}
		at += n > 0 ? n : 0;
	}
	free(in);
	return more;
}

int pv_sym_unpack(int fd, const char *path, char *error, size_t size)
{
	unsigned char head[6];
	ssize_t n = pread(fd, head, sizeof(head), 0);
	struct unpacker *u;
	int err, to;

	if (n < 0) {
		err = -errno;
		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	if (!is_packed(head, n))
		return fd;
	u = calloc(1, sizeof(*u));
	to = memfd_create("pmuvet-unpacked", MFD_CLOEXEC);
	if (!u)
		abort();
	u->to = to;
	err = to < 0 ? -errno : start(u, head, n) ? run(u, fd) : -ENOMEM;
	if (u->end)
		u->end(u);
	if (err)
		snprintf(error, size, "%s: %s: %s", path, u->name ? u->name : "memfd",
			 err == -ENODATA   ? "the file is cut off"
			 : err == -EBADMSG ? "the file is broken"
			 : err == -EFBIG   ? "more than 1 GiB when unpacked"
					   : strerror(-err));
	free(u);
	if (err && to >= 0)
		close(to);
	return err ? err : to;
}
