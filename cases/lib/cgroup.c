/* SPDX-License-Identifier: GPL-2.0-only */
/* Control groups of a case: directories of cgroup2 that go with it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/test.h"

#define PREFIX "pmuvet-"

struct pv_cgroup {
	struct pv_cgroup *next;
	char path[256], procs[280];
	int fd;
};

/* Where cgroup2 is mounted. */
static void find_root(struct pv_test *t, char *root, size_t size)
{
	static char mounts[65536];
	char *save = NULL, dir[200], type[32];

	if (pv_sys_file_read("/proc/self/mounts", mounts, sizeof(mounts)) < 0)
		pv_error(t, PV_BROKEN_SETUP, "no /proc/self/mounts");
	for (char *line = strtok_r(mounts, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%*s %199s %31s", dir, type) == 2 && !strcmp(type, "cgroup2")) {
			snprintf(root, size, "%s", dir);
			return;
		}
	}
	pv_skip(t, PV_CONFIG_OFF,
		"cgroup2 is not mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
}

/* Leftovers of cases that were killed go when nobody has their process id. */
static void sweep(const char *root)
{
	static char names[256][256];
	char path[280];
	long n = pv_sys_dir_list(root, names, 256);
	int pid;

	for (long i = 0; i < n; i++) {
		if (sscanf(names[i], PREFIX "%d", &pid) != 1 || !kill(pid, 0))
			continue;
		for (const char *below = "bc "; *below; below++) {
			snprintf(path, sizeof(path), "%.190s/%.60s/%.1s", root, names[i],
				 *below == ' ' ? "" : below);
			rmdir(path);
		}
	}
}

static bool is_on(const char *path, const char *controller)
{
	char text[256] = "";

	return pv_sys_file_read(path, text, sizeof(text)) > 0 && strstr(text, controller);
}

struct pv_cgroup *pv_cgroup(struct pv_test *t, struct pv_cgroup *parent, const char *name)
{
	struct pv_cgroup *g = calloc(1, sizeof(*g));
	char root[200], control[280], enable[64];

	if (!g)
		pv_error(t, PV_BROKEN_SETUP, "out of memory");
	if (parent) {
		snprintf(g->path, sizeof(g->path), "%.240s/%.10s", parent->path, name);
	} else {
		find_root(t, root, sizeof(root));
		sweep(root);
		/* Any write makes the kernel take up the controllers that are on by themselves,
		 * perf_event among them; what is written is taken back. */
		snprintf(control, sizeof(control), "%s/cgroup.controllers", root);
		if (pv_sys_file_read(control, enable + 1, sizeof(enable) - 1) > 0 &&
		    enable[1] > ' ') {
			snprintf(control, sizeof(control), "%s/cgroup.subtree_control", root);
			enable[strcspn(enable + 1, " \n") + 1] = 0;
			enable[0] = '+';
			if (!is_on(control, enable + 1) && !pv_sys_file_write(control, enable)) {
				enable[0] = '-';
				pv_sys_file_write(control, enable);
			}
		}
		snprintf(g->path, sizeof(g->path), "%.200s/" PREFIX "%d-%.10s", root, (int)getpid(),
			 name);
	}
	if (mkdir(g->path, 0755))
		pv_skip(t,
			errno == EACCES || errno == EPERM || errno == EROFS ? PV_DENIED
									    : PV_BROKEN_SETUP,
			"%s: %s", g->path, strerrorname_np(errno));
	g->fd = open(g->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(g->procs, sizeof(g->procs), "%s/cgroup.procs", g->path);
	return g;
}

int pv_cgroup_fd(const struct pv_cgroup *g)
{
	return g->fd;
}

const char *pv_cgroup_procs(const struct pv_cgroup *g)
{
	return g->procs;
}

void pv_cgroup_move(struct pv_test *t, struct pv_cgroup *g, pid_t pid)
{
	char number[16], procs[280];
	long err;

	if (g) {
		snprintf(procs, sizeof(procs), "%s", g->procs);
	} else {
		find_root(t, procs, 200);
		strcat(procs, "/cgroup.procs");
	}
	snprintf(number, sizeof(number), "%d", (int)pid);
	err = pv_sys_file_write(procs, number);
	if (err)
		pv_error(t, PV_BROKEN_SETUP, "%s: %s", procs, strerrorname_np(-err));
}

/* A process that has just ended may be in it a moment longer. */
long pv_cgroup_remove(struct pv_cgroup *g)
{
	for (int i = 0; i < 2000; i++) {
		if (!rmdir(g->path))
			return 0;
		if (errno != EBUSY)
			break;
		usleep(500);
	}
	return -errno;
}
