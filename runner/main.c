/* SPDX-License-Identifier: GPL-2.0-only */
/* pmuvet, the host side: one table of subcommands. */
#include <stdio.h>
#include <string.h>

#include "results/compare.h"
#include "results/crash.h"
#include "runner/runner.h"

static int version(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	puts("pmuvet " PV_VERSION);
	return 0;
}

static int help(int argc, char **argv);

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *about;
} commands[] = {
	{"regress", pv_regress_main, "run two kernels on guests and report what changed"},
	{"run", pv_run_main, "run cases on this machine or in a guest"},
	{"compare", pv_compare_main, "compare two recorded runs"},
	{"crash", pv_crash_main, "find splats in console logs and tell what they say"},
	{"soak", pv_soak_main,
	 "run shuffled cases beside stress neighbours and report what the kernel says"},
	{"repro", pv_repro_main, "write what crashed, or any case, as one C program"},
	{"list", pv_list_main, "list cases with their needs and claims"},
	{"describe", pv_describe_main, "show what a descriptor promises"},
	{"qemu", NULL, "build QEMU with the x86 PMU model"},
	{"selftest", NULL, "build and test pmuvet itself, guests included"},
	{"benchmark", NULL, "measure pmuvet itself against what is used today"},
	{"version", version, "print the version"},
	{"help", help, "print this"},
};

#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *f)
{
	fputs("usage: pmuvet COMMAND [OPTION]...\n\n"
	      "Vets a PMU: the hardware, the kernel's perf_event drivers, the virtual PMUs of hypervisors.\n\n",
	      f);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].about);
	fputs("\n`pmuvet COMMAND --help` tells a command's options; see also docs/pmuvet.1.\n"
	      "Exit: 0 no regression, 1 regression, failure or crash, 2 usage, 3 harness or platform failed.\n",
	      f);
}

static int help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	usage(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;

	if (!name) {
		usage(stderr);
		return PV_EXIT_USAGE;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-h"))
		name = "help";
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		name = "version";
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (strcmp(commands[i].name, name))
			continue;
		if (commands[i].run)
			return commands[i].run(argc - 1, argv + 1);
		fprintf(stderr, "pmuvet: '%s' is started by the launcher ./pmuvet\n", name);
		return PV_EXIT_USAGE;
	}
	fprintf(stderr, "pmuvet: unknown command '%s'; see pmuvet --help\n", name);
	return PV_EXIT_USAGE;
}
