/* SPDX-License-Identifier: GPL-2.0-only */
#include <stdio.h>
#include <sys/utsname.h>

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

void pv_arch_cpu(char *buf, unsigned long size)
{
	struct utsname u;

	snprintf(buf, size, "%s", uname(&u) ? "unknown" : u.machine);
}

int pv_arch_counter(unsigned int index, unsigned long long *value)
{
	(void)index;
	*value = 0;
	return 0;
}
