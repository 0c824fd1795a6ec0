// SPDX-License-Identifier: GPL-2.0-only
/* What x86-64 alone has. */
#include <linux/io.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/delay.h>
#include <linux/objtool.h>
#include <asm/desc.h>
#include <asm/msr.h>
#include <asm/nmi.h>
#include "pv_provoke.h"

static void (*nmi_fn)(void);

static int nmi_body(unsigned int type, struct pt_regs *regs)
{
	nmi_fn();
	return NMI_HANDLED;
}

void pv_in_nmi(void (*fn)(void))
{
	nmi_fn = fn;
	register_nmi_handler(NMI_LOCAL, nmi_body, 0, "pv_provoke");
	/* Enters by the NMI's gate, on its stack. */
	asm volatile("int $2");
	unregister_nmi_handler(NMI_LOCAL, "pv_provoke");
}

void pv_reset(void)
{
	struct desc_ptr none = {};

	asm volatile("lidt %0; int3" : : "m"(none));
}

#define PRESENT BIT_ULL(0)
#define LARGE   BIT_ULL(7)
#define FRAME   0x000ffffffffff000ull

u64 *pv_entry(unsigned long addr, int *level)
{
	unsigned long cr3, cr4;
	u64 *table;

	asm("mov %%cr3, %0; mov %%cr4, %1" : "=r"(cr3), "=r"(cr4));
	table = phys_to_virt(cr3 & FRAME);
	for (*level = cr4 & X86_CR4_LA57 ? 4 : 3;; --*level) {
		u64 *entry = &table[addr >> (12 + 9 * *level) & 511];

		if (!(*entry & PRESENT))
			return NULL;
		if (*level == 0 || *entry & LARGE)
			return entry;
		table = phys_to_virt(*entry & FRAME);
	}
}

u64 pv_page_of_block(u64 block, int number)
{
	return (block & ~LARGE) + ((u64)number << 12);
}

u64 pv_table_entry(u64 phys)
{
	return phys | 0x63; /* present, writable, accessed, dirty */
}

void pv_flush(void *unused)
{
	unsigned long cr4;

	/* Global pages go when CR4.PGE changes. */
	asm volatile("mov %%cr4, %0" : "=r"(cr4));
	asm volatile("mov %0, %%cr4" : : "r"(cr4 & ~X86_CR4_PGE) : "memory");
	asm volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

/* ---- exceptions ---- */

static noinline void divide_by_zero(void)
{
	asm volatile("xorl %%ecx, %%ecx; divl %%ecx" : : "a"(1), "d"(0) : "ecx");
}

static noinline void invalid_opcode(void)
{
	asm volatile(".byte 0x0f, 0x0b"); /* ud2 that no table knows */
}

static noinline void breakpoint(void)
{
	asm volatile("int3");
}

static noinline void gp_segment(void)
{
	asm volatile("movw %w0, %%ss" : : "r"(0x1230));
}

static noinline void stack_segment(void)
{
	/* A non-canonical address by way of rbp. */
	asm volatile("push %%rbp; mov %0, %%rbp; mov (%%rbp), %%rax; pop %%rbp"
		     :
		     : "r"(0x1122334455667788ul)
		     : "rax");
}

static noinline void double_fault(void)
{
	asm volatile("mov %0, %%rsp; push %%rax" : : "r"(0xffff8f0000000800ul) : "memory");
}
STACK_FRAME_NON_STANDARD(double_fault);

static noinline void invalid_tss(void)
{
	asm volatile("ltr %w0" : : "r"(0x1230));
}

static noinline void debug_trap(void)
{
	asm volatile("pushf; orl $0x100, (%rsp); popf; nop; nop");
}

/* ---- what the kernel says of model-specific registers and NMIs ---- */

/* IA32_PKRS, whose upper half is reserved. */
static noinline void msr_write(void)
{
	wrmsr(0x6e1, 0, 1);
}

/* IA32_RTIT_OUTPUT_BASE, of Intel PT: Xen refuses it, QEMU's TCG reads 0. */
static noinline void msr_read(void)
{
	u32 low, high;

	rdmsr(0x560, low, high);
	pr_info("pv_provoke: read %x:%x\n", high, low);
}

static void long_nmi(void)
{
	mdelay(20);
}

static void slow_nmi(void)
{
	pv_in_nmi(long_nmi);
}

static void unknown_nmi(void)
{
	asm volatile("int $2");
}

/* The ways of an NMI's end: a fault within it. */
static noinline void bad_read(void)
{
	READ_ONCE(*(int *)PV_HIDDEN(0x28ul));
}

static void oops_nmi(void)
{
	pv_in_nmi(bad_read);
}

/* clang-format off */
const struct pv_way pv_ways_arch[] = {
	{ "divide-error", PV_TASK, divide_by_zero },
	{ "invalid-opcode", PV_TASK, invalid_opcode },
	{ "breakpoint", PV_TASK, breakpoint },
	{ "gp-segment", PV_TASK, gp_segment },
	{ "stack-segment", PV_TASK, stack_segment },
	{ "double-fault", PV_TASK, double_fault },
	{ "invalid-tss", PV_TASK, invalid_tss },
	{ "debug-trap", PV_TASK, debug_trap },
	{ "msr-write", PV_TASK, msr_write },
	{ "msr-read", PV_TASK, msr_read },
	{ "nmi-slow", PV_TASK, slow_nmi },
	{ "nmi-unknown", PV_TASK, unknown_nmi },
	{ "oops-nmi", PV_TASK, oops_nmi },
	{}
};
