/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <string.h>

#include "arch/work.h"

unsigned long long pv_arch_tsc(void)
{
	return 0;
}

void pv_arch_vendor(char *buf, unsigned long size)
{
	if (size)
		buf[0] = 0;
}

/* The kernel shows MIDR_EL1 in sysfs (Documentation/arch/arm64/cpu-feature-registers.rst). */
void pv_arch_cpu(char *buf, unsigned long size)
{
	char midr[32] = "";
	FILE *f = fopen("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", "re");

	if (f) {
		if (!fgets(midr, sizeof(midr), f))
			midr[0] = 0;
		fclose(f);
	}
	midr[strcspn(midr, "\n")] = 0;
	snprintf(buf, size, "arm64 MIDR_EL1 %s", midr[0] ? midr : "unknown");
}

#define READ(n)                                                                                    \
	case n:                                                                                    \
		asm volatile("mrs %0, pmevcntr" #n "_el0" : "=r"(*value));                         \
		return 1;

/* Index 32 is the cycle counter, 1 + n event counter n (drivers/perf/arm_pmuv3.c). */
int pv_arch_counter(unsigned int index, unsigned long long *value)
{
	asm volatile("isb" ::: "memory");
	switch (index - 1) {
		READ(0)
		READ(1)
		READ(2)
		READ(3)
		READ(4)
		READ(5)
		READ(6)
		READ(7)
	case 31:
		asm volatile("mrs %0, pmccntr_el0" : "=r"(*value));
		return 1;
	}
	*value = 0;
	return 0;
}
