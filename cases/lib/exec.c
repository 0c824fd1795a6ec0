/* SPDX-License-Identifier: GPL-2.0-only */
/* exec(2) without any other program: this program again, with one of its PV_EXEC() actions. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/test.h"

#define MAX_ARGS 16

extern const struct pv_exec_action __start_pv_exec_actions[], __stop_pv_exec_actions[];

PV_EXEC(exit)
{
	return argc > 1 ? atoi(argv[1]) : 0;
}

int pv_exec_main(int argc, char **argv)
{
	for (const struct pv_exec_action *a = __start_pv_exec_actions; a < __stop_pv_exec_actions;
	     a++) {
		if (argc && !strcmp(a->name, argv[0]))
			return a->run(argc, argv);
	}
	return 127;
}

void pv_exec(struct pv_test *t, const char *path, const char *const *action)
{
	const char *argv[MAX_ARGS + 3] = {"pmuvet-agent", PV_EXEC_WORD};
	char *env[] = {NULL};
	int n = 2;

	while (*action && n < MAX_ARGS + 2)
		argv[n++] = *action++;
	execve(path ? path : "/proc/self/exe", (char **)argv, env);
	pv_error(t, PV_BROKEN_SETUP, "execve: %s", strerrorname_np(errno));
}
