// SPDX-License-Identifier: GPL-2.0-only
/* What arm64 alone has. */
#include <linux/io.h>
#include <linux/perf_event.h>
#include <linux/slab.h>
#include <asm/sysreg.h>
#include "pv_provoke.h"

/* Debian's kernels have no pseudo-NMIs. */
void pv_in_nmi(void (*fn)(void))
{
	pv_in_irq(fn);
}

#define PSCI_SYSTEM_RESET 0x84000009ul

void pv_reset(void)
{
	register unsigned long x0 asm("x0") = PSCI_SYSTEM_RESET;

	local_irq_disable();
	/* Whoever is below this exception level answers. */
	if (read_sysreg(CurrentEL) == CurrentEL_EL2)
		asm volatile("smc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
	else
		asm volatile("hvc #0" : "+r"(x0) : : "x1", "x2", "x3", "memory");
	for (;;)
		cpu_relax();
}

#define VALID      BIT_ULL(0)
#define TABLE      BIT_ULL(1)
#define CONTIGUOUS BIT_ULL(52)
#define FRAME      0x0000fffffffff000ull

u64 *pv_entry(unsigned long addr, int *level)
{
	int bits = 64 - (read_sysreg(tcr_el1) >> 16 & 63);
	u64 *table = phys_to_virt(read_sysreg(ttbr1_el1) & (FRAME | 0xffe) & ~0xfffull);

	addr &= BIT_ULL(bits) - 1;
	for (*level = (bits - 13) / 9;; --*level) {
		u64 *entry = &table[addr >> (12 + 9 * *level) & 511];

		if (!(*entry & VALID))
			return NULL;
		if (*level == 0 || !(*entry & TABLE))
			return entry;
		table = phys_to_virt(*entry & FRAME);
	}
}

u64 pv_page_of_block(u64 block, int number)
{
	return ((block & ~CONTIGUOUS) | TABLE) + ((u64)number << 12);
}

u64 pv_table_entry(u64 phys)
{
	return phys | TABLE | VALID;
}

void pv_flush(void *unused)
{
	asm volatile("dsb ishst; tlbi vmalle1; dsb ish; isb; ic iallu; dsb ish; isb"
		     :
		     :
		     : "memory");
}

/* ---- exceptions ---- */

static noinline void undefined(void)
{
	asm volatile("udf #0");
}

static noinline void brk(void)
{
	asm volatile("brk #0x123");
}

static noinline void alignment(void)
{
	char *p = PV_HIDDEN((char *)kmalloc(64, GFP_KERNEL));
	unsigned long value;

	if (p)
		asm volatile("ldxr %0, [%1]" : "=r"(value) : "r"(p + 1) : "memory");
}

/* QEMU does not mind the odd pointer; the return finds another address than was saved. */
static noinline void stack_shifted(void)
{
	asm volatile("sub sp, sp, #8; str xzr, [sp]" : : : "memory");
}

static noinline void bad_stack(void)
{
	asm volatile("mov sp, %0; str xzr, [sp]" : : "r"(0xffff000000000800ul) : "memory");
}

/* Physical memory where QEMU's virt has nothing. */
static noinline void external_abort(void)
{
	void __iomem *nothing = ioremap(0x09f00000, PAGE_SIZE);

	if (nothing)
		pr_info("pv_provoke: read %x\n", readl(nothing));
}

static noinline void illegal_state(void)
{
	unsigned long spsr, elr;

	/* A return to AArch32 at EL1, which no kernel has allowed. */
	asm volatile(
		"adr %0, 1f; msr elr_el1, %0; mov %1, #0x1d3; msr spsr_el1, %1; isb; eret; 1: nop"
		: "=&r"(elr), "=&r"(spsr)
		:
		: "memory");
}

/* ---- the counter's interrupt ---- */

static void slow_overflow(struct perf_event *event, struct perf_sample_data *data,
			  struct pt_regs *regs)
{
	unsigned long end = jiffies + 1;

	for (int i = 0; i < 3000000 && time_before(jiffies, end); i++)
		cpu_relax();
}

static void slow_pmi(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.size = sizeof(attr),
		.sample_period = 1000000,
		.pinned = 1,
	};
	struct perf_event *event;

	event = perf_event_create_kernel_counter(&attr, raw_smp_processor_id(), NULL, slow_overflow,
						 NULL);
	if (IS_ERR(event)) {
		pr_err("pv_provoke: no counter: %ld\n", PTR_ERR(event));
		return;
	}
	for (int i = 0; i < 200000000; i++)
		cpu_relax();
	perf_event_release_kernel(event);
}

/* clang-format off */
const struct pv_way pv_ways_arch[] = {
	{ "invalid-opcode", PV_TASK, undefined },
	{ "breakpoint", PV_TASK, brk },
	{ "alignment", PV_TASK, alignment },
	{ "stack-shifted", PV_TASK, stack_shifted },
	{ "double-fault", PV_TASK, bad_stack },
	{ "external-abort", PV_TASK, external_abort },
	{ "illegal-state", PV_TASK, illegal_state },
	{ "pmi-slow", PV_TASK, slow_pmi },
	{}
};
