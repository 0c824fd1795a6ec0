/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arch/work.h"
#include "cases/lib/sys.h"

static long ret(long r)
{
	return r < 0 ? -errno : r;
}

long pv_sys_perf_event_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
			    unsigned long flags)
{
	return ret(syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, flags));
}

long pv_sys_ioctl(int fd, unsigned long request, unsigned long arg)
{
	return ret(ioctl(fd, request, arg));
}

long pv_sys_read(int fd, void *buf, size_t len)
{
	return ret(read(fd, buf, len));
}

long pv_sys_close(int fd)
{
	return ret(close(fd));
}

void *pv_sys_mmap(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	void *p = mmap(addr, len, prot, flags, fd, offset);

	return p == MAP_FAILED ? (void *)(intptr_t)-errno : p;
}

long pv_sys_munmap(void *addr, size_t len)
{
	return ret(munmap(addr, len));
}

long pv_sys_fcntl(int fd, int cmd, unsigned long arg)
{
	return ret(fcntl(fd, cmd, arg));
}

long pv_sys_poll(struct pollfd *fds, unsigned long n, int timeout_ms)
{
	return ret(poll(fds, n, timeout_ms));
}

long pv_sys_task_events(int on)
{
	return ret(prctl(on ? PR_TASK_PERF_EVENTS_ENABLE : PR_TASK_PERF_EVENTS_DISABLE));
}

long pv_sys_fork(void)
{
	return ret(fork());
}

long pv_sys_file_read(const char *path, char *buf, size_t size)
{
	size_t len = 0;
	long n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	while (len + 1 < size) {
		n = read(fd, buf + len, size - 1 - len);
		if (n <= 0)
			break;
		len += n;
	}
	n = n < 0 ? -errno : (long)len;
	buf[len] = 0;
	close(fd);
	return n;
}

long pv_sys_file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long n;

	if (fd < 0)
		return -errno;
	n = ret(write(fd, text, strlen(text)));
	close(fd);
	return n < 0 ? n : 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

long pv_sys_dir_list(const char *path, char (*names)[256], size_t max)
{
	struct dirent *d;
	size_t n = 0;
	DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	while (n < max && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			strcpy(names[n++], d->d_name);
	}
	closedir(dir);
	qsort(names, n, sizeof(*names), by_name);
	return n;
}

int pv_sys_privileged(void)
{
	const unsigned int need = 1u << CAP_SYS_ADMIN | 1u << CAP_IPC_LOCK;
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	return !syscall(SYS_capget, &head, data) && (data[0].effective & need) == need;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

uint64_t pv_sys_cputime(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* RAW: perf's clock (sched_clock) is not slewed by NTP either. */
uint64_t pv_sys_walltime(void)
{
	return clock_ns(CLOCK_MONOTONIC_RAW);
}

uint64_t pv_sys_switches(void)
{
	struct rusage use;

	return getrusage(RUSAGE_THREAD, &use) ? 0 : use.ru_nvcsw + use.ru_nivcsw;
}

uint64_t pv_sys_tsc(void)
{
	return pv_arch_tsc();
}

static void work_spin(uint64_t usec)
{
	uint64_t end = pv_sys_cputime() + usec * 1000;

	while (pv_sys_cputime() < end)
		pv_asm_loop(1000);
}

static void work_touch(uint64_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	madvise(p, n * page, MADV_NOHUGEPAGE);
	for (uint64_t i = 0; i < n; i++)
		pv_asm_store1(1, p + i * page);
	munmap(p, n * page);
}

/*
 * A timer's sleep is no sure context switch: on a slow emulator it is over before the task
 * has left its CPU. A partner on the same CPU that must run before we can go on is one.
 */
static int to_partner = -1, from_partner = -1;

static void __attribute__((noreturn)) partner(int in, int out)
{
	char byte;

	while (read(in, &byte, 1) == 1 && write(out, &byte, 1) == 1)
		;
	_exit(0);
}

/* A fork leaves the pages of code and initialised data to be faulted in again: now, not in the
 * window of whoever counts faults. */
static int settle(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t read_only = 0; /* PT_GNU_RELRO: was data, is none any more */

	(void)size, (void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *seg = &info->dlpi_phdr[i];

		if (seg->p_type == PT_GNU_RELRO)
			read_only = info->dlpi_addr + seg->p_vaddr + seg->p_memsz;
	}
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *seg = &info->dlpi_phdr[i];
		volatile char *p = (volatile char *)(info->dlpi_addr + seg->p_vaddr);

		if (seg->p_type != PT_LOAD)
			continue;
		for (size_t at = 0; at < seg->p_filesz; at += 4096) {
			if (seg->p_flags & PF_W && (uintptr_t)&p[at] >= read_only)
				p[at] = p[at];
			else
				(void)p[at];
		}
	}
	return 1; /* the program itself comes first */
}

void pv_sys_work_prepare(enum pv_work_id work)
{
	int there[2], back[2];
	static pid_t settled;
	pid_t pid;

	if (work == PV_WORK_TOUCH && settled != getpid()) {
		settled = getpid();
		dl_iterate_phdr(settle, NULL);
	}
	if (work != PV_WORK_SLEEP || to_partner >= 0)
		return;
	if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
		abort();
	pid = fork();
	if (pid < 0)
		abort();
	if (!pid) {
		close(there[1]);
		close(back[0]);
		partner(there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	to_partner = there[1];
	from_partner = back[0];
}

static void work_sleep(uint64_t n)
{
	char byte = 0;

	while (n--) {
		if (write(to_partner, &byte, 1) != 1 || read(from_partner, &byte, 1) != 1)
			abort();
	}
}

/* To the other of two CPUs and back again, n moves in all. */
static void work_migrate(uint64_t n)
{
	int here = sched_getcpu(), other = here ? 0 : 1;

	for (uint64_t i = 1; i <= n; i++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(i & 1 ? other : here, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			abort();
	}
}

static void work_access(enum pv_work_id work, uint64_t n, void *addr, unsigned int len)
{
	static void (*const access[2][9])(unsigned long n, void *addr) = {
		{
			[1] = pv_asm_store1,
			[2] = pv_asm_store2,
			[4] = pv_asm_store4,
#if __SIZEOF_LONG__ == 8
			[8] = pv_asm_store8,
#endif
		},
		{
			[1] = pv_asm_load1,
			[2] = pv_asm_load2,
			[4] = pv_asm_load4,
#if __SIZEOF_LONG__ == 8
			[8] = pv_asm_load8,
#endif
		},
	};

	if (len > 8 || !access[0][len])
		abort();
	access[work == PV_WORK_LOAD][len](n, addr);
}

void pv_sys_work(enum pv_work_id work, uint64_t n, void *addr, unsigned int len)
{
	if (!n)
		return;
	switch (work) {
	case PV_WORK_NONE:
		break;
	case PV_WORK_LOOP:
		pv_asm_loop(n);
		break;
	case PV_WORK_SPIN:
		work_spin(n);
		break;
	case PV_WORK_GETPPID:
		pv_asm_syscall(n, SYS_getppid, 0);
		break;
	case PV_WORK_GETUID:
		pv_asm_syscall(n, SYS_getuid, 0);
		break;
	case PV_WORK_GETSID:
		pv_asm_syscall(n, SYS_getsid, 0);
		break;
	case PV_WORK_TOUCH:
		work_touch(n);
		break;
	case PV_WORK_SLEEP:
		work_sleep(n);
		break;
	case PV_WORK_MIGRATE:
		work_migrate(n);
		break;
	case PV_WORK_CALL:
		pv_asm_call(n, (void (*)(void))addr);
		break;
	case PV_WORK_STORE:
	case PV_WORK_LOAD:
		work_access(work, n, addr, len);
		break;
	}
}
