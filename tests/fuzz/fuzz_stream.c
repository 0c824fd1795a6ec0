/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libFuzzer target: any bytes are a stream. Loads them, compares them with their own later half
 * (behind the same first line), prints both reports. Seeds: tests/fuzz/corpus/stream.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "results/report.h"
#include "results/views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pv_run *load(int fd, const void *head, size_t nr_head, const void *rest,
			   size_t nr_rest)
{
	char path[64], error[1024];
	struct pv_run *run;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (ftruncate(fd, 0) || pwrite(fd, head, nr_head, 0) != (ssize_t)nr_head ||
	    pwrite(fd, rest, nr_rest, nr_head) != (ssize_t)nr_rest)
		abort();
	if (pv_run_load(path, &run, error, sizeof(error)) && !strstr(error, path))
		abort();
	return run;
}

static int to_view(void *ctx, const struct pv_stream_event *e)
{
	pv_view_event(ctx, e);
	return 0;
}

static void views(FILE *null, int fd)
{
	for (int kind = PV_VIEW_KTAP; kind <= PV_VIEW_PROGRESS; kind++) {
		struct pv_view *v = pv_view_new(kind, null);
		struct pv_stream *s = pv_stream_new("x");
		char path[64];
		bool cut;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		pv_stream_file(s, path, to_view, v, &cut);
		pv_view_end(v, NULL);
		pv_view_free(v);
		pv_stream_free(s);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	static int fd[2] = {-1, -1};
	const uint8_t *nl = memchr(data, '\n', size);
	size_t first = nl ? (size_t)(nl + 1 - data) : 0, half = first + (size - first) / 2;
	struct pv_run *a, *b;

	if (!null) {
		null = fopen("/dev/null", "w");
		fd[0] = memfd_create("a", MFD_CLOEXEC);
		fd[1] = memfd_create("b", MFD_CLOEXEC);
	}
	a = load(fd[0], data, size, "", 0);
	b = load(fd[1], data, first, data + half, size - half);
	views(null, fd[0]);
	if (a && b) {
		struct pv_comparison *c = pv_compare(a, b);
		const struct pv_comparison *const list[] = {c};
		struct pv_report_opts opts = {.all = size & 1};

		if (pv_report(null, list, 1, &opts) == 0 && (!a->complete || !b->complete))
			abort();
		pv_report_json("/dev/null", list, 1);
		pv_comparison_free(c);
	}
	pv_run_free(a);
	pv_run_free(b);
	return 0;
}
