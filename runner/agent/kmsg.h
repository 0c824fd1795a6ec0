/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel says while a case runs. */
#ifndef PV_RUNNER_AGENT_KMSG_H
#define PV_RUNNER_AGENT_KMSG_H

#include <stdbool.h>
#include <stddef.h>

#define PV_SPLAT_TEXT 16384

struct pv_kmsg_splat {
	const char *class;        /* of the first warning or fatal splat, results/splat_class.c */
	char title[128];          /* its line, normalised: the same in every boot */
	char text[PV_SPLAT_TEXT]; /* from there on, as much as fits */
	size_t len;
};

/* Behind the log's end; an fd or -errno (EPERM: kernel.dmesg_restrict and no CAP_SYSLOG). */
int pv_kmsg_open(void);
/* Reads what came since the last call; true when there is a splat in it. Metrics are none. */
bool pv_kmsg_read(int fd, struct pv_kmsg_splat *splat);
/* The same for one record as /dev/kmsg gives it, NUL-terminated; it is changed. `splat` starts
 * zeroed. */
void pv_kmsg_record(char *record, struct pv_kmsg_splat *splat);

#endif
