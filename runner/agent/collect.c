/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of the target into the stream, behind its last case: gcov data, kallsyms, a debugfs file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/agent/engine.h"

static struct {
	struct pv_json json;
	struct pv_out *out;
} to;

void pv_base64(char *text, const unsigned char *data, size_t len)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		uint32_t v = data[i] << 16 | (i + 1 < len ? data[i + 1] << 8 : 0) |
			     (i + 2 < len ? data[i + 2] : 0);

		*text++ = digit[v >> 18];
		*text++ = digit[v >> 12 & 63];
		*text++ = i + 1 < len ? digit[v >> 6 & 63] : '=';
		*text++ = i + 2 < len ? digit[v & 63] : '=';
	}
	*text = 0;
}

static void send(const char *path, uint64_t offset, const unsigned char *data, size_t len, int err)
{
	static char text[PV_PIECE / 3 * 4 + 5];

	pv_base64(text, data, len);
	pv_json_reset(&to.json);
	pv_json_open(&to.json, NULL, '{');
	pv_json_text(&to.json, "event", "file");
	pv_json_text(&to.json, "path", path);
	pv_json_u64(&to.json, "offset", offset);
	pv_json_text(&to.json, "base64", text);
	if (err)
		pv_json_text(&to.json, "error", strerrorname_np(err));
	pv_out_json(to.out, &to.json);
}

static int one_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	static unsigned char data[PV_PIECE];
	uint64_t offset = 0;
	size_t len;
	ssize_t n;
	int fd;

	(void)st, (void)at;
	if (type != FTW_F)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		send(path, 0, data, 0, errno);
		return 0;
	}
	do {
		for (len = 0; len < PV_PIECE; len += n) {
			n = read(fd, data + len, PV_PIECE - len);
			if (n <= 0)
				break;
		}
		send(path, offset, data, len, n < 0 ? errno : 0);
		offset += len;
	} while (len == PV_PIECE && n > 0 && !to.out->broken);
	close(fd);
	return to.out->broken;
}

void pv_collect(const struct pv_run_opts *o, struct pv_out *out)
{
	to.out = out;
	for (size_t i = 0; i < o->nr_collect; i++) {
		if (nftw(o->collect[i], one_file, 16, FTW_PHYS) < 0)
			send(o->collect[i], 0, NULL, 0, errno);
	}
	pv_json_free(&to.json);
}
