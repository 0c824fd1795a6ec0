/* SPDX-License-Identifier: GPL-2.0-only */
#include <cpuid.h>
#include <libcpuid/libcpuid.h>
#include <stdio.h>
#include <x86intrin.h>

#include "arch/work.h"

unsigned long long pv_arch_tsc(void)
{
#ifdef __x86_64__
	_mm_lfence(); /* rdtsc is not ordered against the loads before it (SDM vol. 2, RDTSC) */
#endif
	return __rdtsc();
}

void pv_arch_cpu(char *buf, unsigned long size)
{
	struct cpu_raw_data_t raw;
	struct cpu_id_t id;

	if (cpuid_get_raw_data(&raw) || cpu_identify(&raw, &id)) {
		snprintf(buf, size, "x86: %s", cpuid_error());
		return;
	}
	snprintf(buf, size, "%s family %d model %d stepping %d, %s (%s)", id.vendor_str,
		 id.ext_family, id.ext_model, id.stepping, id.brand_str, id.cpu_codename);
}

void pv_arch_vendor(char *buf, unsigned long size)
{
	unsigned int eax, words[3] = {0};

	__cpuid(0, eax, words[0], words[2], words[1]);
	snprintf(buf, size, "%.12s", (const char *)words);
}

int pv_arch_counter(unsigned int index, unsigned long long *value)
{
	*value = __rdpmc(index - 1);
	return 1;
}
