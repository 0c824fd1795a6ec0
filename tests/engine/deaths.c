/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/test.h"
#include "tests/engine/deaths.h"

static void spill(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
	close(fd);
}

/* With all of the CPU's time for real-time tasks the agent, pinned to the same CPU, never runs. */
static void spin(void)
{
	struct sched_param p = {.sched_priority = 50};

	spill("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	if (sched_setscheduler(0, SCHED_FIFO, &p))
		_exit(1);
	for (;;)
		;
}

/* Loads the module at the program's end with its parameter; 0 or an errno. */
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

void die(struct pv_test *t)
{
	const char *name = strrchr(t->c->id, '/') + 1;

	if (getppid() != 1)
		pv_skip(t, PV_ABSENT, "only where the engine is PID 1 of a guest");
	pv_expect(t, "before the end", true);
	if (!strcmp(name, "user-spin"))
		spin();
	if (!strcmp(name, "power-off"))
		reboot(RB_POWER_OFF);
	pv_expect_eq(t, "lived on", provoke(name), ENOENT);
}
