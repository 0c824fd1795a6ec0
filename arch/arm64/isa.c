/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <stdio.h>

#include "arch/frames.h"
#include "arch/isa.h"

static const uint32_t return_[] = {0xd65f03c0};
static const uint32_t plus_one[] = {0x91000400, 0xd65f03c0}; /* add x0,x0,#1; ret */
/* cbz, stp, sub, bl, ldp, ret */
static const uint32_t deep[] = {0x340000a0, 0xa9bf7bfd, 0x51000400,
				0x97fffffd, 0xa8c17bfd, 0xd65f03c0};
const struct pv_code pv_code_return = {return_, sizeof(return_)};
const struct pv_code pv_code_plus_one = {plus_one, sizeof(plus_one)};
const struct pv_code pv_code_deep = {deep, sizeof(deep)};

unsigned long long pv_isa_ticks(void)
{
	uint64_t v;

	__asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(v)::"memory");
	return v;
}

unsigned int pv_isa_exec_len(void)
{
	return sizeof(long);
}

/* By the cores' reference manuals: 4 watchpoint and 6 breakpoint registers. */
void pv_isa_debug_registers(unsigned int *data, unsigned int *exec)
{
	static const unsigned int parts[] = {0xd03, 0xd04, 0xd05, 0xd07, 0xd08, 0xd09, 0xd0a,
					     0xd0b, 0xd0c, 0xd0d, 0xd40, 0xd41, 0xd44, 0xd49};
	FILE *f = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "re");
	unsigned long long midr = 0;

	*data = *exec = 0;
	if (!f)
		return;
	if (fscanf(f, "%llx", &midr) != 1)
		midr = 0;
	fclose(f);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if ((midr >> 24 & 0xff) == 0x41 && (midr >> 4 & 0xfff) == parts[i]) {
			*data = 4;
			*exec = 6;
		}
	}
}

uint64_t pv_isa_kernel_regs(void)
{
	return PV_ISA_REGS;
}

uint64_t pv_isa_planted(unsigned int bit, int syscall, uint64_t planted, uint64_t observed)
{
	(void)observed;
	if (bit == PV_ISA_IP)
		return syscall ? (uintptr_t)pv_asm_planted_behind : (uintptr_t)pv_asm_planted;
	return planted;
}

int pv_isa_kernel_has_our_regs(void)
{
	return 1;
}

int pv_isa_smi(void)
{
	return -ENOSYS;
}
