/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 32-bit tasks on a 64-bit kernel: the 32-bit build of this program, which a guest has as /agent32
 * when it is built, runs cases of the catalogue, and its checks count here.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/test.h"

#define AGENT32 "/agent32"

/* ---- in the 32-bit program ---- */

/* A line is one write(2): children of the case mix theirs in. */
static void say(void *ctx, const char *line)
{
	size_t len = strlen(line);

	if (write(*(int *)ctx, line, len) != (ssize_t)len)
		_exit(1);
}

static void on_evidence(void *ctx, const struct pv_evidence *e)
{
	char line[400];

	snprintf(line, sizeof(line), "e\t%.120s\t%d\t%llu\t%llu\t%llu\t%llu\n", e->name, e->op,
		 (unsigned long long)e->observed, (unsigned long long)e->expected,
		 (unsigned long long)e->lo, (unsigned long long)e->hi);
	say(ctx, line);
}

static void on_message(void *ctx, const char *text)
{
	char line[700];

	snprintf(line, sizeof(line), "m\t%.600s\n", text);
	say(ctx, line);
}

static void on_knob(void *ctx, const char *path, const char *old)
{
	(void)ctx;
	(void)path;
	(void)old;
	_exit(1); /* nobody would turn it back */
}

/* case ID CPU: runs it, tells its checks and its end on standard output. */
PV_EXEC(case)
{
	static const struct pv_sink sink = {on_evidence, on_message, on_knob};
	struct pv_tally *tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct pv_case *c = NULL;
	int out = STDOUT_FILENO, status;
	char line[700];
	pid_t pid;

	for (size_t i = 0; argc > 2 && i < pv_nr_cases; i++) {
		if (pv_cases[i].pmu->is_default && !strcmp(pv_cases[i].id, argv[1]))
			c = &pv_cases[i];
	}
	if (!c || tally == MAP_FAILED)
		return 3;
	pid = fork();
	if (!pid) {
		struct pv_test t;

		pv_test_init(&t, c, &sink, &out, tally, atoi(argv[2]), 1, false);
		pv_bodies[c->body](&t);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || WIFSIGNALED(status))
		return 4;
	snprintf(line, sizeof(line), "r\t%d\t%d\t%d\t%.500s\n", tally->ended, tally->verdict,
		 tally->kind, tally->reason);
	say(&out, line);
	return 0;
}

/* ---- in this one ---- */

static const struct {
	const char *word, *id;
} runs[] = {
	{"user_regs-planted", "perf/user_regs/planted:breakpoint"},
	{"user_regs-masks", "perf/user_regs/masks"},
	{"user_regs-refused", "perf/user_regs/refused"},
	{"user_regs-stack", "perf/user_regs/stack:breakpoint"},
	{"user_regs-stack_top", "perf/user_regs/stack_top"},
	{"user_regs-stack_largest", "perf/user_regs/stack_largest"},
	{"callchain-breakpoint", "perf/callchain/user:breakpoint"},
	{"callchain-fault", "perf/callchain/user:fault"},
	{"callchain-exclude", "perf/callchain/exclude:fault"},
	{"callchain-max_stack", "perf/callchain/max_stack:fault"},
	{"sample-breakpoint", "breakpoint/sample/together:x"},
	{"sample-watchpoint", "breakpoint/sample/together:w4"},
	{"sample-fault", "sw/sample/together:page-faults"},
	{"sample-clock", "sw/sample/together:cpu-clock"},
	{"sample_id-comm", "perf/sample_id/comm"},
	{"sample_read-format", "perf/sample_read/format:leader"},
};

struct run {
	const char *id;
	int out;
};

static void become(struct pv_test *t, void *arg)
{
	const struct run *run = arg;
	char cpu[16];
	const char *action[] = {"case", run->id, cpu, NULL};

	snprintf(cpu, sizeof(cpu), "%d", pv_cpu(t));
	if (dup2(run->out, STDOUT_FILENO) < 0)
		_exit(1);
	pv_exec(t, AGENT32, action);
}

static void take_line(struct pv_test *t, char *line)
{
	char *field[7] = {0}, *save = NULL;
	unsigned long long n[4];
	int i = 0;

	for (char *p = strtok_r(line, "\t", &save); p && i < 7; p = strtok_r(NULL, "\t", &save))
		field[i++] = p;
	if (!strcmp(field[0], "m") && i == 2) {
		pv_message(t, "%s", field[1]);
	} else if (!strcmp(field[0], "e") && i == 7) {
		for (int k = 0; k < 4; k++)
			n[k] = strtoull(field[3 + k], NULL, 10);
		switch (atoi(field[2])) {
		case PV_OP_EQ:
			pv_expect_eq(t, field[1], n[0], n[1]);
			break;
		case PV_OP_IN:
			pv_expect_in(t, field[1], n[0], n[2], n[3]);
			break;
		case PV_OP_ERRNO:
			pv_expect_errno(t, field[1], (long)n[0], (long)n[1]);
			break;
		case PV_OP_NOTE:
			break;
		}
	} else if (!strcmp(field[0], "r") && i >= 4) {
		if (!atoi(field[1]))
			return;
		if (atoi(field[2]) == PV_V_SKIP)
			pv_skip(t, atoi(field[3]), "%s", i > 4 ? field[4] : "");
		pv_fail(t, "32-bit: %s", i > 4 ? field[4] : "");
	} else {
		pv_error(t, PV_BROKEN_SETUP, "the 32-bit program said '%s'", line);
	}
}

PV_CASE(compat, run, .pmu = "perf", .arch = "x86_64 arm64",
	.each = "word[user_regs-planted,user_regs-masks,user_regs-refused,user_regs-stack,"
		"user_regs-stack_top,user_regs-stack_largest,callchain-breakpoint,callchain-fault,"
		"callchain-exclude,callchain-max_stack,sample-breakpoint,sample-watchpoint,"
		"sample-fault,sample-clock,sample_id-comm,sample_read-format]",
	.proof = "kernel",
	.about =
		"a 32-bit task on a 64-bit kernel is promised the same, in its own registers and frames")
{
	char *line = NULL;
	size_t size = 0, r = 0;
	int pipefd[2];
	struct run run;
	unsigned int lines = 0;
	pid_t child;
	FILE *f;

	while (strcmp(runs[r].word, pv_word(t)))
		r++;
	if (access(AGENT32, X_OK))
		pv_skip(t, PV_ABSENT,
			"no 32-bit build at " AGENT32
			" (a guest has it when build/i386 or build/armhf is there)");
	if (pipe2(pipefd, O_CLOEXEC))
		pv_error(t, PV_BROKEN_SETUP, "no pipe");
	run = (struct run){runs[r].id, pipefd[1]};
	child = pv_fork(t, become, &run);
	close(pipefd[1]);
	f = fdopen(pipefd[0], "r");
	while (f && getline(&line, &size, f) > 0) {
		line[strcspn(line, "\n")] = 0;
		take_line(t, line);
		lines++;
	}
	/* ENOEXEC: this CPU or kernel has no 32-bit mode; pv_exec() says so and ends the case */
	pv_wait(t, child);
	pv_expect_in(t, "lines of the 32-bit program", lines, 2, 1000000);
}
