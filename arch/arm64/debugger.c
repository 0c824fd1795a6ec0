/* SPDX-License-Identifier: GPL-2.0-only */
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "arch/isa.h"

#define W4 (0xfu << 5 | 2 << 3 | 2 << 1 | 1) /* byte select, stores, EL0, enabled */

/* user_hwdebug_state, as long as what is set */
struct regset {
	uint32_t info, pad;
	struct {
		uint64_t addr;
		uint32_t ctrl, pad;
	} reg[16];
};

static long regset(pid_t pid, int request, struct regset *set, int regs)
{
	struct iovec v = {set, offsetof(struct regset, reg[regs])};

	return ptrace(request, pid, NT_ARM_HW_WATCH, &v) ? -errno : 0;
}

static long set(pid_t pid, int n, const void *addr, uint32_t ctrl)
{
	struct regset set = {0};
	long err = regset(pid, PTRACE_GETREGSET, &set, n);

	if (err)
		return err;
	set.reg[n].addr = (uintptr_t)addr;
	set.reg[n].ctrl = ctrl;
	return regset(pid, PTRACE_SETREGSET, &set, n + 1);
}

long pv_debugger_watch(pid_t pid, int n, const void *addr)
{
	return set(pid, n, addr, W4);
}

long pv_debugger_unwatch(pid_t pid, int n, const void *addr)
{
	return set(pid, n, addr, W4 & ~1u);
}

int pv_debugger_sees(pid_t pid, int n, const void *addr)
{
	struct regset set = {0};

	/* hw_breakpoint's own privilege bits are not told */
	return !regset(pid, PTRACE_GETREGSET, &set, n + 1) && set.reg[n].addr == (uintptr_t)addr &&
	       (set.reg[n].ctrl & ~6u) == (W4 & ~6u);
}

int pv_debugger_sees_nothing(pid_t pid, int n)
{
	struct regset set = {0};

	return !regset(pid, PTRACE_GETREGSET, &set, n + 1) && !set.reg[n].addr &&
	       !(set.reg[n].ctrl & 1);
}
