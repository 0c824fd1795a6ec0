/* SPDX-License-Identifier: GPL-2.0-only */
/* FORK and EXIT records: what one of a task must say. */
#include "cases/lib/sideband.h"

void sb_expect_task(struct pv_test *t, const char *what, const struct sb_log *log,
		    const struct sb_rec *r, uint32_t type, const struct sb_task *want,
		    const struct sb_who *who, uint64_t from, uint64_t to)
{
	struct sb_check c = sb_begin(t, what, log, r, type, 0, 24, who);

	sb_is(&c, "pid", sb_u32(r, 0), (uint32_t)want->pid);
	sb_is(&c, "ppid", sb_u32(r, 4), (uint32_t)want->ppid);
	sb_is(&c, "tid", sb_u32(r, 8), (uint32_t)want->tid);
	sb_is(&c, "ptid", sb_u32(r, 12), (uint32_t)want->ptid);
	sb_within(&c, "time", sb_u64(r, 16), from, to);
	sb_within(&c, "time before the trailer's", sb_u64(r, 16), r->time, to);
	sb_end(&c);
}

const struct sb_rec *sb_find_task(const struct sb_log *log, uint32_t type, pid_t tid)
{
	for (unsigned int i = 0; i < log->n; i++) {
		if (log->rec[i].type == type && sb_u32(&log->rec[i], 8) == (uint32_t)tid)
			return &log->rec[i];
	}
	return NULL;
}
