/* SPDX-License-Identifier: GPL-2.0-only */
/* The handler of SIGTRAP that the sigtrap cases share; each file has its own. */
#ifndef PV_CASES_LIB_TRAP_H
#define PV_CASES_LIB_TRAP_H

#include <signal.h>
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define DATA 0x1122334455667788ull
#ifndef TRAP_PERF
#define TRAP_PERF 6
#endif
#define FLAG_ASYNC 1

/* What is behind si_code, struct kernel_siginfo's _sigfault; libc names it late. */
struct perf_info {
	void *addr;
	unsigned long data;
	uint32_t type, flags;
};

static struct {
	volatile unsigned int count, wrong_code, wrong_data, wrong_type, async, elsewhere;
	volatile uintptr_t addr; /* of the last one */
	volatile int disable_fd; /* the handler disables this event; -1: none */
	uint32_t type;           /* due */
	unsigned long data;      /* due */
	uintptr_t from, to;      /* count only these, 0: all */
} seen;
static __thread volatile unsigned int in_thread;

static void on_trap(int signo, siginfo_t *siginfo, void *context)
{
	struct perf_info info;

	(void)signo;
	(void)context;
	memcpy(&info, &siginfo->si_addr, sizeof(info));
	if (seen.disable_fd >= 0)
		pv_sys_ioctl(seen.disable_fd, PERF_EVENT_IOC_DISABLE, 0);
	if (seen.to && ((uintptr_t)info.addr < seen.from || (uintptr_t)info.addr >= seen.to)) {
		seen.elsewhere++;
		return;
	}
	__atomic_fetch_add(&seen.count, 1, __ATOMIC_RELAXED);
	in_thread++;
	seen.wrong_code += siginfo->si_code != TRAP_PERF;
	seen.wrong_data += info.data != seen.data;
	seen.wrong_type += info.type != seen.type;
	seen.async += info.flags == FLAG_ASYNC;
	seen.addr = (uintptr_t)info.addr;
}

static void trap_on(struct pv_test *t, struct perf_event_attr *attr)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
	int fd;

	attr->sigtrap = 1;
	attr->remove_on_exec = 1;
	attr->sig_data = DATA;
	fd = pv_try_open(t, attr, 0, -1, -1, 0);
	if (fd == -EINVAL && pv_attr_size(t) < 128)
		pv_skip(t, PV_TOO_OLD, "attr.sigtrap needs Linux 5.13");
	if (fd >= 0)
		pv_sys_close(fd);
	if (sigaction(SIGTRAP, &sa, NULL))
		pv_error(t, PV_BROKEN_SETUP, "sigaction");
	seen.disable_fd = -1;
	/* The handler's way has been gone once. */
	raise(SIGTRAP);
	memset(&seen, 0, sizeof(seen));
	seen.disable_fd = -1;
	seen.type = attr->type;
	seen.data = (unsigned long)DATA;
}

static void expect_info(struct pv_test *t)
{
	pv_expect_eq(t, "signals with another si_code", seen.wrong_code, 0);
	pv_expect_eq(t, "signals with another si_perf_data", seen.wrong_data, 0);
	pv_expect_eq(t, "signals with another si_perf_type", seen.wrong_type, 0);
}
#endif
