/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says while a case runs. */
#ifndef PV_RUNNER_AGENT_KMSG_H
#define PV_RUNNER_AGENT_KMSG_H

#include <stdbool.h>
#include <stddef.h>

#define PV_SPLAT_TEXT 16384

struct pv_splat {
	const char *class;        /* of the first splat, see kmsg.c */
	char title[256];          /* its line */
	char text[PV_SPLAT_TEXT]; /* from there on, as much as fits */
	size_t len;
};

/* Behind the log's end; an fd or -errno (EPERM: kernel.dmesg_restrict and no CAP_SYSLOG). */
int pv_kmsg_open(void);
/* Reads what came since the last call; true when there is a splat in it. */
bool pv_kmsg_read(int fd, struct pv_splat *splat);
/* The class of a kernel log line that starts a splat, or NULL. */
const char *pv_splat_class(const char *line);

#endif
