/* SPDX-License-Identifier: GPL-2.0-only */
#include <errno.h>
#include <string.h>
#include <sys/io.h>
#include <sys/utsname.h>

#include "arch/frames.h"
#include "arch/isa.h"
#include "arch/work.h"

static const uint8_t return_[] = {0xc3};
const struct pv_code pv_code_return = {return_, sizeof(return_)};
#ifdef __x86_64__
static const uint8_t plus_one[] = {0x48, 0x8d, 0x47, 0x01, 0xc3}; /* lea 1(%rdi),%rax; ret */
const struct pv_code pv_code_plus_one = {plus_one, sizeof(plus_one)};
/* test %edi,%edi; je ret; dec %edi; call deep; ret */
static const uint8_t deep[] = {0x85, 0xff, 0x74, 0x07, 0xff, 0xcf,
			       0xe8, 0xf5, 0xff, 0xff, 0xff, 0xc3};
const struct pv_code pv_code_deep = {deep, sizeof(deep)};
#else
const struct pv_code pv_code_plus_one, pv_code_deep;
#endif

unsigned long long pv_isa_ticks(void)
{
	return pv_arch_tsc();
}

static int kernel_is_64_bit(void)
{
	struct utsname u;

	return !uname(&u) && strstr(u.machine, "64");
}

unsigned int pv_isa_exec_len(void)
{
	return kernel_is_64_bit() ? 8 : 4;
}

void pv_isa_debug_registers(unsigned int *data, unsigned int *exec)
{
	*data = *exec = 4; /* DR0..DR3 */
}

uint64_t pv_isa_kernel_regs(void)
{
	/* XMM bits 32..63 pass the mask, and fall over the PMU: EOPNOTSUPP */
	return (kernel_is_64_bit() ? 0xff0fffull : 0xffffull) | 0xffffffff00000000ull;
}

static uint64_t segment(unsigned int bit)
{
	unsigned int value;

	if (bit == 10)
		__asm__("mov %%cs, %0" : "=r"(value));
	else
		__asm__("mov %%ss, %0" : "=r"(value));
	return value;
}

uint64_t pv_isa_planted(unsigned int bit, int syscall, uint64_t planted, uint64_t observed)
{
	/* flags: the bit that is always 1, and interrupts are on */
	const uint64_t flags = (observed & ~0x202ull) | 0x202;

	if (bit == PV_ISA_IP)
		return syscall ? (uintptr_t)pv_asm_planted_behind : (uintptr_t)pv_asm_planted;
	if (bit == 9)
		return flags;
	if (bit == 10 || bit == 11)
		return segment(bit);
#ifdef __x86_64__
	/* arch/x86/entry/entry_64.S: ax until there is a result; cx and r11 are the instruction's
	 */
	if (syscall && bit == 0)
		return -ENOSYS;
	if (syscall && bit == 2)
		return (uintptr_t)pv_asm_planted_behind;
	if (syscall && bit == 19)
		return flags;
#endif
	return planted;
}

int pv_isa_kernel_has_our_regs(void)
{
	return 1;
}

int pv_isa_smi(void)
{
	enum { APM_CNT = 0xb2 };

	if (ioperm(APM_CNT, 1, 1))
		return -errno;
	outb(0, APM_CNT);
	return 0;
}
