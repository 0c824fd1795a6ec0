/* SPDX-License-Identifier: GPL-2.0-only */
/* What cases need where this program is a machine's init; a reproducer takes it, too. */
#ifndef PV_RUNNER_AGENT_MOUNTS_H
#define PV_RUNNER_AGENT_MOUNTS_H

#include <stddef.h>
#include <sys/mount.h>
#include <sys/stat.h>

static inline void pv_mount_all(void)
{
	static const struct {
		const char *type, *dir;
	} mounts[] = {
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"devtmpfs", "/dev"},
		{"tracefs", "/sys/kernel/tracing"},
		{"debugfs", "/sys/kernel/debug"},
		{"cgroup2", "/sys/fs/cgroup"},
		{"tmpfs", "/tmp"},
	};

	/* What this kernel lacks is seen by the case that needs it. */
	for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].dir, 0755);
		mount(mounts[i].type, mounts[i].dir, mounts[i].type, 0, NULL);
	}
}

#endif
