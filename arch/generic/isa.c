/* SPDX-License-Identifier: GPL-2.0-only */
/* 32-bit Arm, on its own kernel or on an arm64 one. */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#include "arch/frames.h"
#include "arch/isa.h"

static const uint32_t return_[] = {0xe12fff1e}; /* bx lr */
const struct pv_code pv_code_return = {return_, sizeof(return_)};
const struct pv_code pv_code_plus_one, pv_code_deep;

unsigned long long pv_isa_ticks(void)
{
	return 0;
}

unsigned int pv_isa_exec_len(void)
{
	return sizeof(long);
}

void pv_isa_debug_registers(unsigned int *data, unsigned int *exec)
{
	*data = *exec = 0;
}

uint64_t pv_isa_kernel_regs(void)
{
	struct utsname u;

	uname(&u);
	return strstr(u.machine, "armv8") || strstr(u.machine, "aarch64") ? 0x1ffffffff : 0xffff;
}

uint64_t pv_isa_planted(unsigned int bit, int syscall, uint64_t planted, uint64_t observed)
{
	(void)observed;
	if (bit == PV_ISA_IP)
		return syscall ? (uintptr_t)pv_asm_planted_behind : (uintptr_t)pv_asm_planted;
	return planted;
}

/* A 64-bit kernel's own registers come under a 32-bit task's numbers: x13 is no stack pointer. */
int pv_isa_kernel_has_our_regs(void)
{
	return 0;
}

long pv_debugger_watch(pid_t pid, int n, const void *addr)
{
	(void)pid, (void)n, (void)addr;
	return -ENOSYS;
}

long pv_debugger_unwatch(pid_t pid, int n, const void *addr)
{
	return pv_debugger_watch(pid, n, addr);
}

int pv_debugger_sees(pid_t pid, int n, const void *addr)
{
	(void)pid, (void)n, (void)addr;
	return 0;
}

int pv_debugger_sees_nothing(pid_t pid, int n)
{
	(void)pid, (void)n;
	return 0;
}

int pv_isa_smi(void)
{
	return -ENOSYS;
}
