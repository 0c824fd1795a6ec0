/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#include "cases/lib/test.h"
#include "tests/engine/deaths.h"
#include "tests/guests/provoked.h"

/* With all of the CPU's time for real-time tasks the agent, pinned to the same CPU, never runs. */
static void spin(void)
{
	struct sched_param p = {.sched_priority = 50};

	spill("/proc/sys/kernel/sched_rt_runtime_us", "-1");
	if (sched_setscheduler(0, SCHED_FIFO, &p))
		_exit(1);
	for (;;)
		;
}

void die(struct pv_test *t)
{
	const char *name = strrchr(t->c->id, '/') + 1;

	if (getppid() != 1)
		pv_skip(t, PV_ABSENT, "only where the engine is PID 1 of a guest");
	pv_expect(t, "before the end", true);
	if (!strcmp(name, "user-spin"))
		spin();
	if (!strcmp(name, "power-off"))
		reboot(RB_POWER_OFF);
	pv_expect_eq(t, "lived on", provoke(name), ENOENT);
}
