/* SPDX-License-Identifier: GPL-2.0-only */
/* read(2), ioctl(2) and the other calls on an event, with arguments that are wrong. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

PV_CASE(errors, read_size, .pmu = "perf",
	.about =
		"for every read_format a read needs a buffer of exactly its size, a byte less is ENOSPC, and more is not filled")
{
	uint64_t buf[8];

	for (uint64_t format = 0; format < 16; format++) {
		struct perf_event_attr attr = pv_dummy;
		long size = 8 * (1 + __builtin_popcountll(format));
		char name[32];
		struct pv_ev *ev;

		attr.read_format = format;
		ev = pv_open(t, &attr, 0, -1, NULL, 0);
		memset(buf, 0x5a, sizeof(buf));
		snprintf(name, sizeof(name), "format %u, nothing", (unsigned int)format);
		pv_expect_errno(t, name, pv_sys_read(pv_fd(ev), buf, 0), -ENOSPC);
		snprintf(name, sizeof(name), "format %u, a byte less", (unsigned int)format);
		pv_expect_errno(t, name, pv_sys_read(pv_fd(ev), buf, size - 1), -ENOSPC);
		pv_expect_eq(t, "what a refused read wrote", buf[0], 0x5a5a5a5a5a5a5a5aull);
		snprintf(name, sizeof(name), "format %u, bytes", (unsigned int)format);
		pv_expect_eq(t, name, pv_sys_read(pv_fd(ev), buf, size), size);
		memset(buf, 0x5a, sizeof(buf));
		pv_expect_eq(t, name, pv_sys_read(pv_fd(ev), buf, sizeof(buf)), size);
		pv_expect_eq(t, "behind what was read", buf[size / 8], 0x5a5a5a5a5a5a5a5aull);
		pv_close(t, ev);
	}
}

/* An address where nothing is. */
#define NOWHERE ((unsigned long)-4096L)

static long as_errno(long r)
{
	return r < 0 ? -errno : r;
}

PV_CASE(errors, calls, .pmu = "perf", .proof = "kernel",
	.about =
		"an event is no file to seek or write in, and wrong addresses, descriptors and numbers of ioctls have their errno")
{
	struct perf_event_attr attr = pv_dummy;
	struct pv_ev *ev, *freq;
	int other[2], plain;
	uint64_t id = 0, again = 0;
	char byte = 0;

	if (pipe2(other, O_CLOEXEC))
		pv_error(t, PV_BROKEN_SETUP, "pipe: %s", strerrorname_np(errno));
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	plain = pv_sys_perf_event_open(&attr, 0, -1, -1, 0);
	attr.freq = 1;
	attr.sample_freq = 1;
	freq = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "ID", pv_ioctl(ev, PERF_EVENT_IOC_ID, (unsigned long)&id), 0);

	pv_expect_eq(t, "close-on-exec with the flag", fcntl(pv_fd(ev), F_GETFD), FD_CLOEXEC);
	pv_expect_eq(t, "close-on-exec without it", fcntl(plain, F_GETFD), 0);
	pv_expect_eq(t, "access mode", fcntl(plain, F_GETFL) & O_ACCMODE, O_RDWR);
	pv_expect_errno(t, "lseek", as_errno(lseek(plain, 0, SEEK_SET)), -ESPIPE);
	pv_expect_errno(t, "write", as_errno(write(plain, &byte, 1)), -EINVAL);
	pv_expect_errno(t, "ftruncate", as_errno(ftruncate(plain, 0)), -EINVAL);
	pv_expect_errno(t, "fsync", as_errno(fsync(plain)), -EINVAL);
	pv_expect_errno(t, "read to nowhere", pv_sys_read(plain, (void *)NOWHERE, 8), -EFAULT);

	pv_expect_errno(t, "ID to nowhere", pv_ioctl(ev, PERF_EVENT_IOC_ID, NOWHERE), -EFAULT);
	pv_expect_errno(t, "PERIOD from nowhere", pv_ioctl(freq, PERF_EVENT_IOC_PERIOD, NOWHERE),
			-EFAULT);
	again = 1ull << 40;
	pv_expect_errno(t, "PERIOD of a frequency too high",
			pv_ioctl(freq, PERF_EVENT_IOC_PERIOD, (unsigned long)&again), -EINVAL);
	pv_expect_errno(t, "SET_OUTPUT to a pipe",
			pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, other[0]), -EBADF);
	pv_expect_errno(t, "SET_OUTPUT to -2", pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, -2), -EBADF);
	pv_expect_errno(t, "SET_OUTPUT to nothing", pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, -1), 0);
	pv_expect_errno(t, "SET_FILTER of a software event",
			pv_ioctl(ev, PERF_EVENT_IOC_SET_FILTER, (unsigned long)"common_pid != 0"),
			-EINVAL);
	pv_expect_errno(t, "SET_FILTER from nowhere",
			pv_ioctl(ev, PERF_EVENT_IOC_SET_FILTER, NOWHERE), -EFAULT);
	pv_expect_errno(t, "an ioctl of another size",
			pv_ioctl(ev, _IOW('$', 4, uint32_t), (unsigned long)&again), -ENOTTY);
	pv_expect_errno(t, "an ioctl of another direction",
			pv_ioctl(ev, _IOR('$', 0, uint32_t), (unsigned long)&again), -ENOTTY);
	pv_expect_errno(t, "an ioctl of another device", pv_ioctl(ev, _IO('%', 0), 0), -ENOTTY);
	pv_expect_errno(t, "the first ioctl that is not", pv_ioctl(ev, _IO('$', 12), 0), -ENOTTY);
#ifdef PERF_EVENT_IOC_MODIFY_ATTRIBUTES
	pv_expect_errno(t, "MODIFY_ATTRIBUTES from nowhere",
			pv_ioctl(ev, PERF_EVENT_IOC_MODIFY_ATTRIBUTES, NOWHERE), -EFAULT);
#endif
	/* What was refused changed nothing. */
	pv_expect_errno(t, "ID again", pv_ioctl(ev, PERF_EVENT_IOC_ID, (unsigned long)&again), 0);
	pv_expect_eq(t, "id", again, id);
	pv_expect_eq(t, "count", pv_read(t, ev).value, 0);
}
