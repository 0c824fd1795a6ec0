/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "runner/agent/out.h"

/* "@pv ", a 64-bit number, a crc and their blanks. */
#define FRAME_HEAD 48

static void write_all(struct pv_out *out, const char *buf, size_t len)
{
	while (len && !out->broken) {
		ssize_t n = write(out->fd, buf, len);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			out->broken = true;
		if (n > 0) {
			buf += n;
			len -= n;
		}
	}
}

static void reserve(struct pv_out *out, size_t size)
{
	if (size <= out->frame_size)
		return;
	out->frame = realloc(out->frame, size * 2);
	if (!out->frame)
		abort();
	out->frame_size = size * 2;
}

void pv_out_line(struct pv_out *out, const char *line, size_t len)
{
	char seq[24] = "";
	uLong crc;
	size_t n = 0;

	reserve(out, len + FRAME_HEAD);
	if (out->framed) {
		n = snprintf(seq, sizeof(seq), "%llu ", ++out->seq);
		crc = crc32(crc32(0, (const Bytef *)seq, n), (const Bytef *)line, len);
		n = sprintf(out->frame, "@pv %s%08lx ", seq, crc);
	}
	memcpy(out->frame + n, line, len);
	out->frame[n + len] = '\n';
	write_all(out, out->frame, n + len + 1);
}

void pv_out_json(struct pv_out *out, struct pv_json *j)
{
	pv_json_close(j, '}');
	pv_out_line(out, j->buf, j->len);
}

void pv_out_heartbeat(struct pv_out *out)
{
	struct timespec ts;
	char line[64];
	int n;

	if (!out->framed)
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	n = snprintf(line, sizeof(line), "{\"event\":\"heartbeat\",\"t\":%lld.%03ld}",
		     (long long)ts.tv_sec, ts.tv_nsec / 1000000);
	pv_out_line(out, line, n);
}
