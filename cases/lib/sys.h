/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one door from cases and their library to the kernel. Each function is the
 * system call of its name and returns -errno on failure. The unit tests' simulated
 * kernel stands behind this door (ld --wrap), so nothing in cases/ may go
 * around it.
 */
#ifndef PV_CASES_LIB_SYS_H
#define PV_CASES_LIB_SYS_H

#include <linux/perf_event.h>
#include <poll.h>
#include <stdint.h>
#include <sys/types.h>

#include "pmu/descriptor.h"

long pv_sys_perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
			    unsigned long flags);
long pv_sys_ioctl(int fd, unsigned long request, unsigned long arg);
long pv_sys_read(int fd, void *buf, size_t len);
long pv_sys_close(int fd);
/* The address, or -errno as a pointer value (test with pv_is_err()). */
void *pv_sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
long pv_sys_munmap(void *addr, size_t len);
long pv_sys_fcntl(int fd, int cmd, unsigned long arg);
long pv_sys_poll(struct pollfd *fds, unsigned long n, int timeout_ms);
long pv_sys_task_events(int on); /* prctl(PR_TASK_PERF_EVENTS_ENABLE or DISABLE) */
long pv_sys_fork(void);          /* pid, 0 in the child, or -errno */
/* An ordinary file's text; length or -errno. */
long pv_sys_file_read(const char *path, char *buf, size_t size);
long pv_sys_file_write(const char *path, const char *text);
/* Names in a directory, sorted; count or -errno. */
long pv_sys_dir_list(const char *path, char (*names)[256], size_t max);
/* This process may do whatever perf_event_paranoid and perf_event_mlock_kb restrict: a refusal is
 * the kernel's mistake. */
int pv_sys_privileged(void);
/* What a workload needs before it can run; to be called before its event is opened. */
void pv_sys_work_prepare(enum pv_work_id work);
/* n units of workload; `len` is the access size of STORE and LOAD at `addr` (CALL: the function).
 */
void pv_sys_work(enum pv_work_id work, uint64_t n, void *addr, unsigned int len);
/* Nanoseconds of CLOCK_THREAD_CPUTIME_ID, CLOCK_MONOTONIC; the TSC (0 where there is none). */
uint64_t pv_sys_cputime(void);
uint64_t pv_sys_walltime(void);
uint64_t pv_sys_tsc(void);
/* How often this thread was switched out, by its will or not. */
uint64_t pv_sys_switches(void);

static inline int pv_is_err(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)-4095;
}
#endif
