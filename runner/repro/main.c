/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The main of a reproducer: runs its cases one after the other, each in a process of its own, and
 * says what their checks saw. Ends with 1 when one of them failed. As a machine's init it mounts
 * what cases need, first, and powers off at the end.
 *
 * Never compiled here: `pmuvet repro` puts it behind the cases (runner/repro/cli.py).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "cases/lib/test.h"
#include "runner/agent/mounts.h"

/* Of the run that is repeated. */
extern const struct pv_repro {
	unsigned long long seed;
	bool deterministic;
	unsigned int timeout; /* seconds for one case */
} pv_repro;

/* What is said stands on a serial console before the next thing is done: it may be the last. */
static void flush(void)
{
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

static void on_evidence(void *ctx, const struct pv_evidence *e)
{
	(void)ctx;
	if (e->op == PV_OP_NOTE)
		printf("  %s: %lld\n", e->name, (long long)e->observed);
	else if (e->op == PV_OP_IN)
		printf("  %s %s: %lld, due is %lld to %lld (%s:%d)\n", e->ok ? "ok" : "WRONG",
		       e->name, (long long)e->observed, (long long)e->lo, (long long)e->hi, e->file,
		       e->line);
	else
		printf("  %s %s: %lld, due is %lld (%s:%d)\n", e->ok ? "ok" : "WRONG", e->name,
		       (long long)e->observed, (long long)e->expected, e->file, e->line);
	flush();
}

static void on_message(void *ctx, const char *text)
{
	(void)ctx;
	printf("  %s\n", text);
	flush();
}

static void on_knob(void *ctx, const char *path, const char *old)
{
	(void)ctx;
	printf("  changes %s, which is %s now\n", path, old);
	flush();
}

static int run_case(size_t i, int cpu)
{
	static const struct pv_sink sink = {on_evidence, on_message, on_knob};
	struct pv_tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	enum pv_verdict verdict;
	struct pv_test t;
	int status = 0;
	pid_t pid;

	printf("%s\n", pv_cases[i].id);
	flush();
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		alarm(pv_repro.timeout);
		pv_test_init(&t, &pv_cases[i], &sink, NULL, tally, cpu, pv_repro.seed,
			     pv_repro.deterministic);
		pv_bodies[i](&t);
		_exit(!!tally->failed);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	kill(-pid, SIGKILL);
	verdict = pv_test_verdict(tally);
	if (WIFSIGNALED(status)) {
		printf("%s: its process was killed by SIG%s\n", pv_cases[i].id,
		       sigabbrev_np(WTERMSIG(status)));
		verdict = PV_V_FAIL;
	} else {
		printf("%s: %s%s%s\n", pv_cases[i].id, pv_verdict_names[verdict],
		       verdict == PV_V_PASS ? "" : ": ", verdict == PV_V_PASS ? "" : tally->reason);
	}
	flush();
	munmap(tally, sizeof(*tally));
	return verdict == PV_V_FAIL;
}

static void become_init(void)
{
	int fd;

	pv_mount_all();
	fd = open("/dev/console", O_RDWR);
	for (int i = 0; i < 3 && fd >= 0; i++)
		dup2(fd, i);
}

int main(int argc, char **argv)
{
	bool init = getpid() == 1;
	cpu_set_t set;
	int failed = 0, cpu = 0;

	if (argc > 2 && !strcmp(argv[1], PV_EXEC_WORD))
		return pv_exec_main(argc - 2, argv + 2);
	if (init)
		become_init();
	/* Cases run on one CPU: the first. */
	sched_getaffinity(0, sizeof(set), &set);
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (size_t i = 0; i < pv_nr_cases; i++)
		failed |= run_case(i, cpu);
	if (!init)
		return failed;
	sync();
	reboot(RB_POWER_OFF);
	return failed;
}
