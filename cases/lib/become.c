/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/become.h"

static int set_caps(uint64_t caps)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
		{.effective = caps, .permitted = caps},
		{.effective = caps >> 32, .permitted = caps >> 32},
	};

	return syscall(SYS_capset, &head, data);
}

void pv_become(struct pv_test *t, uid_t uid, uint64_t caps)
{
	if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, uid) || set_caps(caps))
		pv_error(t, PV_BROKEN_SETUP, "cannot become user %u: %s", (unsigned int)uid,
			 strerrorname_np(errno));
	/* A change of user takes it away, and with it what the same user may do. */
	prctl(PR_SET_DUMPABLE, 1);
}

pid_t pv_idler(struct pv_test *t, uid_t uid, uint64_t caps, int dumpable)
{
	pid_t pid, parent = getpid();
	int ready[2];
	char byte = 0;

	if (pipe(ready))
		pv_error(t, PV_BROKEN_SETUP, "pipe: %s", strerrorname_np(errno));
	pid = fork();
	if (pid < 0)
		pv_error(t, PV_BROKEN_SETUP, "fork: %s", strerrorname_np(errno));
	if (!pid) {
		if (geteuid() != uid)
			pv_become(t, uid, caps);
		/* Behind the change of user, which clears it. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_DUMPABLE, dumpable);
		if (getppid() != parent || write(ready[1], &byte, 1) != 1)
			_exit(1);
		close(ready[0]);
		close(ready[1]);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		pv_error(t, PV_BROKEN_SETUP, "a child that was to idle has ended");
	close(ready[0]);
	return pid;
}

void pv_idler_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
