// SPDX-License-Identifier: GPL-2.0-only
/* An /init that runs /program as root, tells its status on the console and powers off. */
#include <stdio.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	char *argv[] = {"/program", NULL}, *env[] = {NULL};
	int status = 0;
	pid_t pid;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("tracefs", "/sys/kernel/tracing", "tracefs", 0, NULL);
	pid = fork();
	if (!pid) {
		execve(argv[0], argv, env);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	printf("program ended with status %d, signal %d\n", WEXITSTATUS(status), WTERMSIG(status));
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 0;
}
