/* SPDX-License-Identifier: GPL-2.0-only */
/* pmuvet-agent: engine and cases. See docs/stream.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cases/pv.h"
#include "runner/agent/engine.h"
#include "runner/agent/init.h"
#include "runner/agent/soak.h"

#define EXIT_USAGE   2
#define EXIT_HARNESS 3

static volatile sig_atomic_t stop;

static void on_stop(int signo)
{
	stop = signo;
}

static const struct option options[] = {
	{"filter", required_argument, NULL, 'f'},
	{"exclude", required_argument, NULL, 'x'},
	{"repeat", required_argument, NULL, 'r'},
	{"shuffle", required_argument, NULL, 's'},
	{"timeout", required_argument, NULL, 't'},
	{"cpu", required_argument, NULL, 'c'},
	{"platform", required_argument, NULL, 'p'},
	{"descriptor", required_argument, NULL, 'd'},
	{"expect", required_argument, NULL, 'e'},
	{"collect", required_argument, NULL, 'C'},
	{"kallsyms", required_argument, NULL, 'K'},
	{"quick", no_argument, NULL, 'q'},
	{"standard", no_argument, NULL, 'S'},
	{"deterministic", no_argument, NULL, 'D'},
	{"skip-file", required_argument, NULL, 'k'},
	{"only-file", required_argument, NULL, 'o'},
	{"soak", required_argument, NULL, 'N'},
	{"list", no_argument, NULL, 'l'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, 'V'},
	{NULL, 0, NULL, 0},
};

static void usage(FILE *f)
{
	fputs("usage: pmuvet-agent [--filter GLOB]... [--exclude GLOB]... [--quick | --standard]\n"
	      "       [--repeat N] [--shuffle SEED] [--timeout SECONDS] [--cpu N] [--platform NAME]\n"
	      "       [--descriptor NAME]... [--expect FAMILY]... [--deterministic] [--skip-file FILE]\n"
	      "       [--only-file FILE] [--soak NEIGHBOUR,...] [--collect PATH]... [--kallsyms 0|1]\n"
	      "       [--list]\n"
	      "Runs pmuvet's cases on this machine; the event stream goes to standard output.\n",
	      f);
}

static bool number(const char *text, unsigned long long max, unsigned long long *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && end != text && !*end && text[0] != '-' && *value <= max;
}

static void push(const char ***list, size_t *nr, const char *item)
{
	*list = realloc(*list, (*nr + 1) * sizeof(**list));
	if (!*list)
		abort();
	(*list)[(*nr)++] = item;
}

/* 0, or an exit status. */
static int parse(int argc, char **argv, struct pv_run_opts *o, bool *list)
{
	unsigned long long value;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "hl", options, NULL)) >= 0) {
		switch (c) {
		case 'f':
			push(&o->filter, &o->nr_filter, optarg);
			continue;
		case 'x':
			push(&o->exclude, &o->nr_exclude, optarg);
			continue;
		case 'd':
			push(&o->descriptor, &o->nr_descriptor, optarg);
			continue;
		case 'e':
			push(&o->expect, &o->nr_expect, optarg);
			continue;
		case 'C':
			push(&o->collect, &o->nr_collect, optarg);
			continue;
		case 'p':
			o->platform = optarg;
			continue;
		case 'k':
			o->skip_file = optarg;
			continue;
		case 'o':
			o->only_file = optarg;
			continue;
		case 'K':
			/* 0 or 1, by the same instructions: see runner/guest/cli.py. */
			o->kallsyms = optarg[0] == '1';
			continue;
		case 'N':
			if (!pv_soak_known(optarg))
				return EXIT_USAGE;
			o->soak = optarg;
			continue;
		case 'q':
			o->quick = true;
			continue;
		case 'S':
			o->standard = true;
			continue;
		case 'D':
			o->deterministic = true;
			continue;
		case 'l':
			*list = true;
			continue;
		case 'r':
			if (!number(optarg, 1000000, &value) || !value)
				break;
			o->repeat = value;
			continue;
		case 's':
			if (!number(optarg, UINT64_MAX, &value))
				break;
			o->shuffle = true;
			o->seed = value;
			continue;
		case 'c':
			if (!number(optarg, 4095, &value))
				break;
			o->cpu = value;
			continue;
		case 't':
			o->timeout = strtod(optarg, &end);
			if (end == optarg || *end || !(o->timeout > 0) || o->timeout > 86400)
				break;
			continue;
		case 'h':
			usage(stdout);
			exit(0);
		case 'V':
			puts("pmuvet-agent " PV_VERSION);
			exit(0);
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
		fprintf(stderr, "pmuvet-agent: '%s' is out of range for this option\n", optarg);
		return EXIT_USAGE;
	}
	if (optind < argc) {
		fprintf(stderr, "pmuvet-agent: unexpected argument '%s'\n", argv[optind]);
		return EXIT_USAGE;
	}
	return 0;
}

static int run(int argc, char **argv, struct pv_out *out)
{
	struct pv_run_opts o = {.platform = "host", .repeat = 1, .timeout = 10, .cpu = -1};
	struct pv_selection sel = {0};
	bool list = false;
	int err = parse(argc, argv, &o, &list);

	if (err)
		return err;
	if (pv_select(&o, &sel))
		return EXIT_USAGE;
	if (list) {
		for (size_t i = 0; i < sel.nr; i++)
			puts(sel.cases[i]->id);
		return 0;
	}
	err = pv_engine_run(&o, &sel, out, &stop);
	free(sel.cases);
	return !err ? 0 : err == -EINTR ? 128 + stop : EXIT_HARNESS;
}

int main(int argc, char **argv)
{
	struct pv_out out = {.fd = STDOUT_FILENO};
	struct sigaction sa = {.sa_handler = on_stop};
	bool guest = getpid() == 1;
	int err;

	if (argc > 2 && !strcmp(argv[1], PV_EXEC_WORD))
		return pv_exec_main(argc - 2, argv + 2);
	signal(SIGPIPE, SIG_IGN);
	if (guest) {
		pv_init_setup(&out);
		pv_init_args(&argc, &argv);
	} else {
		sigaction(SIGINT, &sa, NULL);
		sigaction(SIGTERM, &sa, NULL);
	}
	err = run(argc, argv, &out);
	if (guest)
		pv_init_poweroff();
	return err;
}
