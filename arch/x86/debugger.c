/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#include "arch/isa.h"

#define DR(n)     (offsetof(struct user, u_debugreg) + (n) * sizeof(long))
#define DR7_W4(n) (1ul << 2 * (n) | 0xdul << (16 + 4 * (n)))

static long dr_write(pid_t pid, int n, unsigned long value)
{
	return ptrace(PTRACE_POKEUSER, pid, DR(n), value) ? -errno : 0;
}

static unsigned long dr_read(pid_t pid, int n)
{
	return ptrace(PTRACE_PEEKUSER, pid, DR(n), NULL);
}

long pv_debugger_watch(pid_t pid, int n, const void *addr)
{
	long err = dr_write(pid, n, (uintptr_t)addr);

	return err ? err : dr_write(pid, 7, dr_read(pid, 7) | DR7_W4(n));
}

long pv_debugger_unwatch(pid_t pid, int n, const void *addr)
{
	(void)addr;
	return dr_write(pid, 7, dr_read(pid, 7) & ~DR7_W4(n));
}

int pv_debugger_sees(pid_t pid, int n, const void *addr)
{
	return dr_read(pid, n) == (uintptr_t)addr && (dr_read(pid, 7) & DR7_W4(n)) == DR7_W4(n);
}

int pv_debugger_sees_nothing(pid_t pid, int n)
{
	return !dr_read(pid, n) && !dr_read(pid, 7);
}
