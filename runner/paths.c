/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/runner.h"

const char *pv_root(void)
{
	const char *root = getenv("PMUVET_ROOT");

	return root && *root ? root : PV_SOURCE_ROOT;
}

void pv_path(char *buf, size_t size, const char *below_root)
{
	snprintf(buf, size, "%s/%s", pv_root(), below_root);
}

int pv_make_dirs(const char *path)
{
	char part[4096];

	for (const char *p = path; *p; p++) {
		if (p[1] && (p[1] != '/' || p == path))
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)(p - path + 1), path);
		if (mkdir(part, 0777) && errno != EEXIST)
			return -errno;
	}
	return 0;
}
