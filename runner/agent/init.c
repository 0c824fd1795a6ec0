/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "runner/agent/init.h"
#include "runner/agent/mounts.h"
#include "runner/agent/process.h"

#define PORT_NAME "pmuvet.results"

static bool load_module(const char *name)
{
	char path[512];
	long err;
	int fd;

	snprintf(path, sizeof(path), "/modules/%.255s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	err = syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return !err;
}

/* Again and again until a round loads nothing: what fails may only wait for another one. */
static void load_modules(void)
{
	static char names[128][256];
	long n = pv_sys_dir_list("/modules", names, 128);
	bool progress = true;

	while (progress) {
		progress = false;
		for (long i = 0; i < n; i++) {
			if (names[i][0] && load_module(names[i])) {
				names[i][0] = 0;
				progress = true;
			}
		}
	}
}

static int open_port(void)
{
	static char ports[64][256];
	long n = pv_sys_dir_list("/sys/class/virtio-ports", ports, 64);

	for (long i = 0; i < n; i++) {
		char path[512], name[64];

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%.255s/name", ports[i]);
		if (pv_sys_file_read(path, name, sizeof(name)) <= 0)
			continue;
		name[strcspn(name, "\n")] = 0;
		if (strcmp(name, PORT_NAME))
			continue;
		snprintf(path, sizeof(path), "/dev/%.255s", ports[i]);
		return open(path, O_WRONLY | O_CLOEXEC);
	}
	return -1;
}

/* The port's name comes by a control message after the driver's probe: bounded waiting. */
static int wait_port(void)
{
	struct stat st;
	int fd = open_port();

	for (int i = 0; fd < 0 && i < 200; i++) {
		if (stat("/sys/class/virtio-ports", &st))
			break;
		usleep(5000);
		fd = open_port();
	}
	return fd;
}

/* A line for every console, whatever its level: where it does not come out the console is dead. */
static bool greet_console(void)
{
	static const char text[] = "<0>pmuvet: the agent runs\n";
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, text, sizeof(text) - 1) == sizeof(text) - 1;

	if (fd >= 0)
		close(fd);
	return done;
}

void pv_init_setup(struct pv_out *out)
{
	char hello[128];
	int n;

	pv_mount_all();
	load_modules();
	out->framed = true;
	out->fd = wait_port();
	if (out->fd < 0)
		out->fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);
	n = snprintf(hello, sizeof(hello),
		     "{\"event\":\"hello\",\"tool\":\"" PV_VERSION "\",\"greeted\":%s,\"t\":%.3f}",
		     greet_console() ? "true" : "false", pv_now());
	pv_out_line(out, hello, n);
}

void pv_init_args(int *argc, char ***argv)
{
	static char text[65536];
	static char *args[1024];
	long n = pv_sys_file_read("/agent.args", text, sizeof(text));
	char *save, *line;
	int count = 0;

	args[count++] = (*argv)[0];
	for (line = n > 0 ? strtok_r(text, "\n", &save) : NULL; line && count < 1023;
	     line = strtok_r(NULL, "\n", &save))
		args[count++] = line;
	*argc = count;
	*argv = args;
}

void pv_init_poweroff(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}
