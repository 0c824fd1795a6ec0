/* SPDX-License-Identifier: GPL-2.0-only */
/* ld --wrap: what cases call, led into the simulated kernel where it knows the answer. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "tests/unit/sim/sim.h"

/* ld's names for the two sides; nothing else declares them. */
long __real_pv_sys_ioctl(int fd, unsigned long request, unsigned long arg);
long __real_pv_sys_read(int fd, void *buf, size_t len);
long __real_pv_sys_close(int fd);
void *__real_pv_sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
long __real_pv_sys_munmap(void *addr, size_t len);
long __real_pv_sys_fcntl(int fd, int cmd, unsigned long arg);
long __real_pv_sys_fork(void);
long __real_pv_sys_file_read(const char *path, char *buf, size_t size);
long __real_pv_sys_file_write(const char *path, const char *text);
long __real_pv_sys_dir_list(const char *path, char (*names)[256], size_t max);
void __real__exit(int status) __attribute__((noreturn));

long __wrap_pv_sys_perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
				   unsigned long flags);
long __wrap_pv_sys_ioctl(int fd, unsigned long request, unsigned long arg);
long __wrap_pv_sys_read(int fd, void *buf, size_t len);
long __wrap_pv_sys_close(int fd);
void *__wrap_pv_sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
long __wrap_pv_sys_munmap(void *addr, size_t len);
long __wrap_pv_sys_fcntl(int fd, int cmd, unsigned long arg);
long __wrap_pv_sys_poll(struct pollfd *fds, unsigned long n, int timeout_ms);
long __wrap_pv_sys_task_events(int on);
long __wrap_pv_sys_fork(void);
long __wrap_pv_sys_file_read(const char *path, char *buf, size_t size);
long __wrap_pv_sys_file_write(const char *path, const char *text);
long __wrap_pv_sys_dir_list(const char *path, char (*names)[256], size_t max);
void __wrap_pv_sys_work(enum pv_work_id work, uint64_t n, void *addr, unsigned int len);
uint64_t __wrap_pv_sys_cputime(void);
uint64_t __wrap_pv_sys_walltime(void);
uint64_t __wrap_pv_sys_tsc(void);
int __wrap_pv_sys_privileged(void);
void __wrap__exit(int status) __attribute__((noreturn));

long __wrap_pv_sys_perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
				   unsigned long flags)
{
	long ret;

	sim_enter();
	ret = sim_broken(SIM_OPEN_DENIED) ? -EACCES : sim_open(attr, pid, cpu, group_fd, flags);
	sim_leave();
	return ret;
}

/* The simulated task may do everything, whoever runs the test. */
int __wrap_pv_sys_privileged(void)
{
	return 1;
}

long __wrap_pv_sys_ioctl(int fd, unsigned long request, unsigned long arg)
{
	struct sim_event *ev;
	long ret = 0;

	sim_enter();
	ev = sim_event_of(fd);
	if (ev)
		ret = sim_ioctl(ev, request, arg);
	sim_leave();
	return ev ? ret : __real_pv_sys_ioctl(fd, request, arg);
}

long __wrap_pv_sys_read(int fd, void *buf, size_t len)
{
	struct sim_event *ev;
	long ret = 0;

	sim_enter();
	ev = sim_event_of(fd);
	if (ev)
		ret = sim_read(ev, buf, len);
	sim_leave();
	return ev ? ret : __real_pv_sys_read(fd, buf, len);
}

long __wrap_pv_sys_close(int fd)
{
	struct sim_event *ev;
	long ret = 0;

	sim_enter();
	ev = sim_event_of(fd);
	if (ev)
		ret = sim_close(fd);
	sim_leave();
	return ev ? ret : __real_pv_sys_close(fd);
}

void *__wrap_pv_sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	struct sim_event *ev;
	void *ret = NULL;

	sim_enter();
	ev = sim_event_of(fd);
	if (ev)
		ret = sim_mmap(ev, len, prot, flags, offset);
	sim_leave();
	return ev ? ret : __real_pv_sys_mmap(addr, len, prot, flags, fd, offset);
}

long __wrap_pv_sys_munmap(void *addr, size_t len)
{
	uint8_t *p = addr;
	bool ours = p >= sim->ring_memory && p < sim->ring_memory + SIM_RING_MEMORY;

	if (!ours)
		return __real_pv_sys_munmap(addr, len);
	sim_enter();
	sim_munmap(addr);
	sim_leave();
	return 0;
}

long __wrap_pv_sys_fcntl(int fd, int cmd, unsigned long arg)
{
	struct sim_event *ev;
	long ret = 0;

	sim_enter();
	ev = sim_event_of(fd);
	if (ev)
		ret = sim_fcntl(ev, fd, cmd, arg);
	sim_leave();
	return ev ? ret : __real_pv_sys_fcntl(fd, cmd, arg);
}

static long poll_once(struct pollfd *fds, unsigned long n)
{
	long ready = 0;

	sim_enter();
	for (unsigned long i = 0; i < n; i++) {
		struct sim_event *ev = sim_event_of(fds[i].fd);

		fds[i].revents = !ev ? POLLNVAL : sim_poll(ev);
		fds[i].revents &= fds[i].events | POLLHUP | POLLNVAL;
		ready += fds[i].revents != 0;
	}
	sim_leave();
	return ready;
}

/* Real time passes only while another task could still make the event ready. */
long __wrap_pv_sys_poll(struct pollfd *fds, unsigned long n, int timeout_ms)
{
	long ready = poll_once(fds, n);

	for (int waited = 0; !ready && waited < timeout_ms; waited++) {
		bool others = false;

		for (int i = 0; i < sim->nr_tasks; i++)
			others |= i != sim_self && !sim->task[i].exited;
		if (!others)
			break;
		usleep(1000);
		ready = poll_once(fds, n);
	}
	return ready;
}

long __wrap_pv_sys_task_events(int on)
{
	sim_enter();
	sim_switch_task(on);
	sim_leave();
	return 0;
}

/* An exited task's place is free when nothing names it any more. */
static int new_task(void)
{
	bool named[SIM_MAX_TASKS] = {false};

	for (int i = 0; i < sim->nr_events; i++) {
		if (sim->event[i].used && sim->event[i].task >= 0)
			named[sim->event[i].task] = true;
		if (sim->event[i].used)
			named[sim->event[i].opener] = true;
	}
	for (int i = 1; i < sim->nr_tasks; i++) {
		if (sim->task[i].exited && !named[i]) {
			memset(&sim->task[i], 0, sizeof(sim->task[i]));
			return i;
		}
	}
	return sim->nr_tasks < SIM_MAX_TASKS ? sim->nr_tasks++ : -1;
}

/* The child's files and inherited events are there before it runs, as with clone(2). */
long __wrap_pv_sys_fork(void)
{
	long pid;
	int child;

	sim_enter();
	child = new_task();
	if (child >= 0) {
		struct sim_task *task = &sim->task[child];

		task->used = true;
		memcpy(task->file, sim->task[sim_self].file, sizeof(task->file));
		for (int fd = 0; fd < SIM_MAX_FDS; fd++) {
			if (task->file[fd])
				sim->event[task->file[fd] - 1].refs++;
		}
		sim_inherit(sim_self, child);
	}
	sim_leave();
	if (child < 0)
		return -EAGAIN;
	pid = __real_pv_sys_fork();
	if (!pid)
		sim_self = child;
	if (pid >= 0)
		sim->task[child].pid = pid ? pid : getpid();
	return pid;
}

long __wrap_pv_sys_file_read(const char *path, char *buf, size_t size)
{
	long ret;

	sim_enter();
	ret = sim_file(path, buf, size);
	sim_leave();
	return ret == -ENOSYS ? __real_pv_sys_file_read(path, buf, size) : ret;
}

/* Knobs are not kept: no case may turn a real one from here. */
long __wrap_pv_sys_file_write(const char *path, const char *text)
{
	char old[64];

	(void)text;
	return sim_file(path, old, sizeof(old)) < 0 ? -EACCES : 0;
}

long __wrap_pv_sys_dir_list(const char *path, char (*names)[256], size_t max)
{
	long ret = sim_dir(path, names, max);

	return ret == -ENOSYS ? __real_pv_sys_dir_list(path, names, max) : ret;
}

void __wrap_pv_sys_work(enum pv_work_id work, uint64_t n, void *addr, unsigned int len)
{
	sim_enter();
	sim_work(work, n, addr, len);
	sim_leave();
}

uint64_t __wrap_pv_sys_cputime(void)
{
	uint64_t ns;

	sim_enter();
	ns = sim->task[sim_self].cputime;
	sim_leave();
	return ns;
}

uint64_t __wrap_pv_sys_walltime(void)
{
	uint64_t ns;

	sim_enter();
	ns = sim->now;
	sim_leave();
	return ns;
}

uint64_t __wrap_pv_sys_tsc(void)
{
	return 2 * __wrap_pv_sys_walltime();
}

void __wrap__exit(int status)
{
	sim_task_exit();
	__real__exit(status);
}
