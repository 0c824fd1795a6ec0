/* SPDX-License-Identifier: GPL-2.0-only */
/* For programs with pv_provoke.ko behind them (provoke.py, attached()). */
#ifndef PV_TESTS_PROVOKED_H
#define PV_TESTS_PROVOKED_H

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Loads the module at this program's end with its parameter; 0 or an errno. */
static int provoke(const char *name)
{
	struct {
		uint64_t size;
		char magic[8];
	} tail;
	int fd = open("/proc/self/exe", O_RDONLY);
	off_t end = lseek(fd, -(off_t)sizeof(tail), SEEK_END);
	char *ko, what[100];

	if (read(fd, &tail, sizeof(tail)) != sizeof(tail) || memcmp(tail.magic, "pvmodule", 8))
		return ENOENT;
	ko = malloc(tail.size);
	if (!ko || pread(fd, ko, tail.size, end - tail.size) != (ssize_t)tail.size)
		return EIO;
	close(fd);
	snprintf(what, sizeof(what), "what=%s", name);
	return syscall(SYS_init_module, ko, tail.size, what) ? errno : 0;
}

/* Writes into a file of the kernel. */
static void spill(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

#endif
