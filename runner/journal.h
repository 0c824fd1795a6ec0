/* SPDX-License-Identifier: GPL-2.0-only */
/* The file that a run's stream is appended to, event by event. */
#ifndef PV_RUNNER_JOURNAL_H
#define PV_RUNNER_JOURNAL_H

#include <stddef.h>
#include <sys/types.h>

struct pv_journal {
	int fd;
	const char *path; /* the caller's */
	off_t good;       /* end of the last whole line */
};

/*
 * Opens for a new stream (an existing file that is not empty is refused: -EEXIST) or, with
 * `append`, behind the last whole line, cutting off what stands behind it. 0 or -errno.
 */
int pv_journal_open(struct pv_journal *j, const char *path, int append);
/* One event; on failure (a full disk) the half-written line is cut off again and nothing before it
 * is lost. 0 or -errno. */
int pv_journal_write(struct pv_journal *j, const char *line, size_t len);
void pv_journal_close(struct pv_journal *j);

#endif
