/* SPDX-License-Identifier: GPL-2.0-only */
/* The commands that are written in Python. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/options.h"
#include "runner/runner.h"

#define PYTHON "/usr/bin/python3"

/* `first`: an argument before the others, or NULL. */
static int become(const char *module, const char *first, char **argv)
{
	struct pv_args a = {0};

	pv_args_add(&a, PYTHON);
	pv_args_add(&a, "-m");
	pv_args_add(&a, module);
	if (first)
		pv_args_add(&a, first);
	for (size_t i = 1; argv[i]; i++)
		pv_args_add(&a, argv[i]);
	setenv("PYTHONPATH", pv_root(), 1);
	setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
	execv(PYTHON, a.v);
	fprintf(stderr, "pmuvet: " PYTHON ": %s\n", strerror(errno));
	pv_args_free(&a);
	return PV_EXIT_HARNESS;
}

int pv_repro_main(int argc, char **argv)
{
	(void)argc;
	return become("runner.repro", NULL, argv);
}

int pv_soak_main(int argc, char **argv)
{
	(void)argc;
	return become("runner.guest", "soak", argv);
}

void pv_repro_beside(const char *stream, const char *mark)
{
	char *argv[] = {"repro", (char *)stream, NULL};
	char line[PATH_SIZE + 64];
	int pipefd[2];
	FILE *f;
	pid_t pid;

	fflush(NULL);
	if (pipe(pipefd))
		return;
	pid = fork();
	if (!pid) {
		close(pipefd[0]);
		dup2(pipefd[1], STDOUT_FILENO);
		_exit(become("runner.repro", NULL, argv));
	}
	close(pipefd[1]);
	f = fdopen(pipefd[0], "r");
	while (f && fgets(line, sizeof(line), f))
		printf("%s%s", mark, line);
	if (f)
		fclose(f);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}
