/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/stream.h"

/* Room for the longest line and a good read behind it. */
#define BUFFER (PV_LINE_MAX + (256u << 10))

static ssize_t read_some(int fd, char *buf, size_t size)
{
	ssize_t n;

	do {
		n = read(fd, buf, size);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* The whole lines in buf; *used is what they take. */
static int lines(struct pv_stream *s, const char *buf, size_t len, size_t *used,
		 int (*fn)(void *ctx, const struct pv_stream_event *e), void *ctx)
{
	const char *nl;

	*used = 0;
	while ((nl = memchr(buf + *used, '\n', len - *used))) {
		const struct pv_stream_event *e;
		int err = pv_stream_line(s, buf + *used, nl - (buf + *used), &e);

		if (!err && e->type != PV_E_UNKNOWN)
			err = fn(ctx, e);
		if (err)
			return err;
		*used = nl + 1 - buf;
	}
	if (len - *used > PV_LINE_MAX) {
		const struct pv_stream_event *e;

		return pv_stream_line(s, buf + *used, len - *used, &e);
	}
	return 0;
}

int pv_stream_file(struct pv_stream *s, const char *path,
		   int (*fn)(void *ctx, const struct pv_stream_event *e), void *ctx, bool *cut)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	char *buf = malloc(BUFFER);
	size_t len = 0, used;
	ssize_t n = 1;

	if (fd < 0 || !buf)
		err = fd < 0 ? -errno : -ENOMEM;
	while (!err && n > 0) {
		n = read_some(fd, buf + len, BUFFER - len);
		if (n <= 0) {
			err = n;
			break;
		}
		len += n;
		err = lines(s, buf, len, &used, fn, ctx);
		if (err)
			goto out;
		len -= used;
		memmove(buf, buf + used, len);
	}
	*cut = len > 0;
	if (err)
		pv_stream_fail(s, "%s", strerror(-err));
out:
	free(buf);
	if (fd >= 0)
		close(fd);
	return err;
}

const char *pv_num_text(char buf[PV_NUM_SIZE], pv_num value, enum pv_op op)
{
	const char *name = NULL;

	if (op == PV_OP_ERROR && value <= 0 && value > -4096)
		name = value ? strerrorname_np(-(int)value) : "success";
	if (name)
		snprintf(buf, PV_NUM_SIZE, "%s", name);
	else if (value < 0)
		snprintf(buf, PV_NUM_SIZE, "%" PRId64, (int64_t)value);
	else if (value > INT64_MAX)
		snprintf(buf, PV_NUM_SIZE, "0x%016" PRIx64, (uint64_t)value);
	else
		snprintf(buf, PV_NUM_SIZE, "%" PRIu64, (uint64_t)value);
	return buf;
}

const char *pv_evidence_text(char *buf, size_t size, const struct pv_stream_event *e)
{
	char lo[PV_NUM_SIZE], hi[PV_NUM_SIZE], observed[PV_NUM_SIZE];

	pv_num_text(lo, e->lo, e->op);
	pv_num_text(hi, e->hi, e->op);
	pv_num_text(observed, e->observed, e->op);
	if (e->op == PV_OP_NOTED)
		snprintf(buf, size, "observed %s", observed);
	else if (e->op == PV_OP_WITHIN)
		snprintf(buf, size, "expected %s..%s, observed %s", lo, hi, observed);
	else
		snprintf(buf, size, "expected %s, observed %s", lo, observed);
	return buf;
}
