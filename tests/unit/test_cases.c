/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every case against the simulated kernel: green as it is, and red with a promise broken that the
 * case owns (sim/breaks.h). When a case or a promise is new:
 *   test_cases --matrix [GLOB]	for each broken promise whose name matches, all templates it turns
 * red test_cases --checks		the checks that no broken promise makes fail
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runner/agent/child.h"
#include "tests/unit/sim/sim.h"

#define CASE_SECONDS 20

static const struct {
	const char *name, *about, *cases;
} breaks[] = {{"none", "", ""},
#define X(name, about, cases) {#name, about, cases},
	      SIM_BREAKS(X)
#undef X
};

/* Rows that are right to be skipped by the simulated machine. */
static const char *const may_skip[] = {
	"hw/*", /* PMUv3 has cycles and instructions of the generic events, the rest is absent */
};

static struct pv_tally *tally;
static int home;    /* the CPU all of this runs on */
static int output;  /* what the case of the last run said */
static bool *green; /* rows that pass unbroken */
static bool *owned; /* bodies that some broken promise turned red */

static bool matches_any(const char *globs, const char *id)
{
	char buf[512], *save = NULL, base[256];

	snprintf(base, sizeof(base), "%.*s", (int)strcspn(id, ":"), id);
	snprintf(buf, sizeof(buf), "%s", globs);
	for (char *g = strtok_r(buf, " ", &save); g; g = strtok_r(NULL, " ", &save)) {
		if (!fnmatch(g, base, 0))
			return true;
	}
	return false;
}

/* Rows of this build's ISA; the simulated machine has a PMUv3 beside. */
static bool selected(const struct pv_case *c)
{
#if defined(__x86_64__)
	const uint32_t arch = PV_ARCH_X86_64;
#else
	const uint32_t arch = PV_ARCH_ARM64;
#endif
	if (!c->pmu->is_default || c->kernel_proof)
		return false;
	/* Another vendor's core PMU is the same driver code to the simulated kernel: pmuv3 stands
	 * for all. */
	if (c->pmu->vendor)
		return false;
	return c->arch & arch || !strcmp(c->pmu->family, "pmuv3");
}

/* As the engine does it: a case and its children stay on one CPU. */
static int pin(void)
{
	cpu_set_t set;
	int cpu = 0;

	sched_getaffinity(0, sizeof(set), &set);
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	return cpu;
}

/* The verdict's name; "crash" and "hang" for a process that did not end by itself. */
static const char *run(const struct pv_case *c, enum sim_break broken)
{
	struct pv_child_opts opts = {.cpu = home, .seed = 1};
	int status;
	pid_t pid;

	memset(tally, 0, sizeof(*tally));
	if (ftruncate(output, 0) || lseek(output, 0, SEEK_SET))
		abort();
	fflush(NULL);
	pid = fork();
	if (!pid) {
		setpgid(0, 0);
		alarm(CASE_SECONDS);
		sim_boot(broken);
		pv_child_run(c, &opts, tally, output);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		abort();
	kill(-pid, SIGKILL);
	if (WIFSIGNALED(status))
		return WTERMSIG(status) == SIGALRM ? "hang" : "crash";
	return pv_verdict_names[pv_test_verdict(tally)];
}

static void print_output(void)
{
	char line[4096];
	FILE *f;

	lseek(output, 0, SEEK_SET);
	f = fdopen(dup(output), "r");
	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "\"ok\":false") || strstr(line, "\"ok\": false") ||
		    strstr(line, "\"message\""))
			print_message("#     %s", line);
	}
	if (f)
		fclose(f);
}

static bool skip_allowed(const char *id)
{
	for (size_t i = 0; i < sizeof(may_skip) / sizeof(may_skip[0]); i++) {
		if (!fnmatch(may_skip[i], id, 0))
			return true;
	}
	return false;
}

static void all_green(void **state)
{
	unsigned int rows = 0, skipped = 0, bad = 0;

	(void)state;
	for (size_t i = 0; i < pv_nr_cases; i++) {
		const struct pv_case *c = &pv_cases[i];
		const char *verdict;

		if (!selected(c))
			continue;
		rows++;
		verdict = run(c, SIM_OK);
		green[i] = !strcmp(verdict, "pass");
		if (!strcmp(verdict, "skip") && skip_allowed(c->id)) {
			skipped++;
		} else if (strcmp(verdict, "pass")) {
			print_message("# %s: %s %s\n", c->id, verdict, tally->reason);
			print_output();
			bad++;
		}
	}
	print_message("# %u rows, %u rightly skipped, %u not green\n", rows, skipped, bad);
	assert_true(rows > 0);
	assert_int_equal(bad, 0);
}

/* Does the broken promise turn a row of this body red? */
static bool turns_red(size_t body, enum sim_break broken, const char *globs)
{
	for (size_t i = 0; i < pv_nr_cases; i++) {
		const struct pv_case *c = &pv_cases[i];

		if (c->body == body && green[i] && matches_any(globs, c->id) &&
		    !strcmp(run(c, broken), "fail"))
			return true;
	}
	return false;
}

static const struct pv_case *row_of(size_t body, const char *globs)
{
	for (size_t i = 0; i < pv_nr_cases; i++) {
		const struct pv_case *c = &pv_cases[i];

		if (c->body == body && selected(c) && matches_any(globs, c->id))
			return c;
	}
	return NULL;
}

/* capability/name */
static const char *template_name(const struct pv_case *c)
{
	static char name[256];
	const char *p = strchr(c->id, '/') + 1;

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(p, ":"), p);
	return name;
}

static size_t nr_bodies(void)
{
	size_t n = 0;

	for (size_t i = 0; i < pv_nr_cases; i++)
		n = pv_cases[i].body >= n ? pv_cases[i].body + 1 : n;
	return n;
}

static void each_break_turns_red(void **state)
{
	unsigned int bad = 0;

	(void)state;
	for (enum sim_break b = SIM_OK + 1; b < SIM_NR_BREAKS; b++) {
		bool any = false;

		for (size_t body = 0; body < nr_bodies(); body++) {
			const struct pv_case *c = row_of(body, breaks[b].cases);
			bool red;

			if (!c)
				continue;
			any = true;
			red = turns_red(body, b, breaks[b].cases);
			owned[body] |= red;
			bad += !red;
			print_message("# %-5s %-28s %-26s %s\n", red ? "red" : "GREEN",
				      breaks[b].name, template_name(c), breaks[b].about);
		}
		if (!any)
			print_message("# %s: no case matches '%s'\n", breaks[b].name,
				      breaks[b].cases);
		bad += !any;
	}
	assert_int_equal(bad, 0);
}

static void every_template_has_a_break(void **state)
{
	unsigned int bad = 0;

	(void)state;
	for (size_t body = 0; body < nr_bodies(); body++) {
		const struct pv_case *c = row_of(body, "*");

		if (c && !owned[body]) {
			print_message("# nothing in sim/breaks.h turns %s red\n", template_name(c));
			bad++;
		}
	}
	assert_int_equal(bad, 0);
}

static int matrix(const char *glob)
{
	for (size_t i = 0; i < pv_nr_cases; i++)
		green[i] = selected(&pv_cases[i]) && !strcmp(run(&pv_cases[i], SIM_OK), "pass");
	for (enum sim_break b = SIM_OK + 1; b < SIM_NR_BREAKS; b++) {
		if (fnmatch(glob, breaks[b].name, 0))
			continue;
		printf("%s:", breaks[b].name);
		for (size_t body = 0; body < nr_bodies(); body++) {
			const struct pv_case *c = row_of(body, "*");

			if (c && turns_red(body, b, "*"))
				printf(" %s", template_name(c));
		}
		printf("\n");
	}
	return 0;
}

/* ---- which checks were ever seen to fail ---- */

#define MAX_CHECKS 4096
static struct check {
	char at[64];
	bool failed;
} checks[MAX_CHECKS];
static size_t nr_checks;

static struct check *check_at(const char *at, size_t len)
{
	size_t i = 0;

	len = len < sizeof(checks[0].at) - 1 ? len : sizeof(checks[0].at) - 1;
	while (i < nr_checks && (strncmp(checks[i].at, at, len) || checks[i].at[len]))
		i++;
	if (i == nr_checks && i < MAX_CHECKS)
		memcpy(checks[nr_checks++].at, at, len);
	return &checks[i < MAX_CHECKS ? i : MAX_CHECKS - 1];
}

static void note_checks(void)
{
	char line[4096], *ok, *at;
	FILE *f;

	lseek(output, 0, SEEK_SET);
	f = fdopen(dup(output), "r");
	while (f && fgets(line, sizeof(line), f)) {
		ok = strstr(line, "\"ok\":");
		at = strstr(line, "\"at\":\"");
		if (ok && at && at > ok)
			check_at(at + 6, strcspn(at + 6, "\""))->failed |= ok[5] == 'f';
	}
	if (f)
		fclose(f);
}

static int by_place(const void *a, const void *b)
{
	return strverscmp(a, b);
}

static int list_checks(void)
{
	unsigned int never = 0;

	for (enum sim_break b = SIM_OK; b < SIM_NR_BREAKS; b++) {
		for (size_t i = 0; i < pv_nr_cases; i++) {
			if (!selected(&pv_cases[i]))
				continue;
			run(&pv_cases[i], b);
			note_checks();
		}
	}
	qsort(checks, nr_checks, sizeof(checks[0]), by_place);
	for (size_t i = 0; i < nr_checks; i++) {
		if (!checks[i].failed)
			printf("%s: never failed\n", checks[i].at);
		never += !checks[i].failed;
	}
	printf("%zu checks, %u never failed\n", nr_checks, never);
	return 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_green),
		cmocka_unit_test(each_break_turns_red),
		cmocka_unit_test(every_template_has_a_break),
	};
	struct rlimit files = {SIM_MAX_FDS, SIM_MAX_FDS};

	setrlimit(RLIMIT_NOFILE, &files);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	home = pin();
	output = memfd_create("case", MFD_CLOEXEC);
	green = calloc(pv_nr_cases, sizeof(*green));
	owned = calloc(nr_bodies(), sizeof(*owned));
	if (tally == MAP_FAILED || output < 0 || !owned || !green)
		return 1;
	if (argc > 1 && !strcmp(argv[1], "--matrix"))
		return matrix(argc > 2 ? argv[2] : "*");
	if (argc > 1 && !strcmp(argv[1], "--checks"))
		return list_checks();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
