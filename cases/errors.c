/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What perf_event_open(2) must refuse, and with which errno; what it must not refuse. All
 * from perf_copy_attr(), perf_event_alloc() and perf_event_open() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

/* An event that every kernel has and that is refused for the field under test alone. */
static const struct perf_event_attr dummy = {
	.type = PERF_TYPE_SOFTWARE,
	.size = sizeof(dummy),
	.config = PERF_COUNT_SW_DUMMY,
	.disabled = 1,
	.exclude_kernel = 1,
	.exclude_hv = 1,
};

/* Opens and closes: 0 or -errno. A missing permission says nothing about the field. */
static long try_open(struct pv_test *t, void *attr, pid_t pid, int cpu, int group_fd,
		     unsigned long flags)
{
	long fd = pv_sys_perf_event_open(attr, pid, cpu, group_fd, flags);

	if (fd == -EACCES || fd == -EPERM)
		pv_skip(t, PV_DENIED,
			"perf_event_open: %s: run as root or lower kernel.perf_event_paranoid",
			strerrorname_np(-fd));
	if (fd < 0)
		return fd;
	pv_sys_close(fd);
	return 0;
}

static long try_attr(struct pv_test *t, void *attr)
{
	return try_open(t, attr, 0, -1, -1, 0);
}

/* ---- attr.size ---- */

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* The dummy at the start of two pages, zero up to `size`, what no kernel may look at behind it. */
static struct perf_event_attr *sized_attr(struct pv_test *t, uint32_t size)
{
	size_t room = 2 * page_size(), known = size < PERF_ATTR_SIZE_VER0 ? PERF_ATTR_SIZE_VER0 : size;
	uint8_t *p = malloc(room);
	struct perf_event_attr *attr = (void *)p;

	if (!p)
		pv_error(t, PV_BROKEN_SETUP, "out of memory");
	memset(p, 0, known);
	memset(p + known, 0xff, room - known);
	memcpy(p, &dummy, known < sizeof(dummy) ? known : sizeof(dummy));
	attr->size = size;
	return attr;
}

static void expect_accepted(struct pv_test *t, uint32_t size)
{
	struct perf_event_attr *attr = sized_attr(t, size);

	pv_expect_errno(t, "open", try_attr(t, attr), 0);
	pv_expect_eq(t, "size behind the call", attr->size, size);
	free(attr);
}

static void expect_too_big(struct pv_test *t, struct perf_event_attr *attr)
{
	pv_expect_errno(t, "open", try_attr(t, attr), -E2BIG);
	pv_expect_eq(t, "size written back", attr->size, pv_attr_size(t));
	free(attr);
}

PV_CASE(errors, attr_size,
	.pmu = "perf",
	.each = "word[zero,ver0,ver1,ver2,ver3,ver4,ver5,ver6,ver7,ver8,ver9,page]",
	.about = "an attr of any size from the first to a page opens when what the kernel does not know is 0, and nothing behind it is read")
{
	/* PERF_ATTR_SIZE_VER*, include/uapi/linux/perf_event.h */
	static const struct {
		const char *word;
		uint32_t size;
	} sizes[] = {
		{"zero", 0},   {"ver0", 64},  {"ver1", 72},  {"ver2", 80},
		{"ver3", 96},  {"ver4", 104}, {"ver5", 112}, {"ver6", 120},
		{"ver7", 128}, {"ver8", 136}, {"ver9", 144},
	};
	uint32_t size = page_size();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (!strcmp(pv_word(t), sizes[i].word))
			size = sizes[i].size;
	}
	expect_accepted(t, size);
}

PV_CASE(errors, attr_too_big,
	.pmu = "perf",
	.each = "word[zero-tail,tail,last-byte,small,huge]",
	.about = "an attr with set bytes that the kernel does not know, or of an impossible size, gives E2BIG and the kernel's size")
{
	uint32_t known = pv_attr_size(t), size = known + 8;
	const char *word = pv_word(t);
	struct perf_event_attr *attr;

	if (!pv_expect_in(t, "the kernel's size", known, PERF_ATTR_SIZE_VER0, page_size() - 8))
		return;
	if (!strcmp(word, "zero-tail")) {
		expect_accepted(t, size);
	} else if (!strcmp(word, "tail")) {
		attr = sized_attr(t, size);
		((uint8_t *)attr)[known] = 1;
		expect_too_big(t, attr);
	} else if (!strcmp(word, "last-byte")) {
		attr = sized_attr(t, page_size());
		((uint8_t *)attr)[page_size() - 1] = 0x80;
		expect_too_big(t, attr);
	} else if (!strcmp(word, "small")) {
		for (size = 1; size < PERF_ATTR_SIZE_VER0; size += 31)
			expect_too_big(t, sized_attr(t, size));
	} else {
		attr = sized_attr(t, page_size() + 8);
		expect_too_big(t, attr);
		expect_too_big(t, sized_attr(t, UINT32_MAX));
	}
}
