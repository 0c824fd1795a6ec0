/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "results/report.h"

enum { EXIT_USAGE = 2, EXIT_BROKEN = 3 };

static void usage(FILE *f)
{
	fputs("usage: pmuvet compare [OPTION]... A B\n"
	      "Tells what changed from run A (the baseline) to run B: two event streams, as\n"
	      "`pmuvet run --json FILE` and `pmuvet regress` write them.\n\n"
	      "  --all        the whole report, not one screen\n"
	      "  --json FILE  write all changes as JSON, too\n"
	      "  --help       this\n\n"
	      "Classes, most important first: crash, regressed, lost (no longer tested), new failure,\n"
	      "flaky, fixed, changed evidence (same verdict, other numbers: information only), new,\n"
	      "gone, still failing. On a deterministic platform every changed number is told; elsewhere\n"
	      "only what cannot be noise: run with --repeat 3 or more to have counts compared, too.\n\n"
	      "Exit: 0 no regression, 1 regression, new failure or crash, 2 usage,\n"
	      "3 a stream is broken or partial, or nothing was tested in both (a regression is still 1).\n",
	      f);
}

struct load {
	const char *path;
	struct pv_run *run;
	int err;
	char error[1024];
};

static void *load(void *arg)
{
	struct load *l = arg;

	l->err = pv_run_load(l->path, &l->run, l->error, sizeof(l->error));
	return NULL;
}

/* Two streams at once; 0 or an exit status with the reasons printed. */
static int load_both(struct load l[2])
{
	pthread_t thread;
	bool threaded = !pthread_create(&thread, NULL, load, &l[0]);
	int status = 0;

	load(&l[1]);
	if (threaded)
		pthread_join(thread, NULL);
	else
		load(&l[0]);
	for (int i = 0; i < 2; i++) {
		int one = l[i].err == -EINVAL || l[i].err == -ENOMEM ? EXIT_BROKEN : EXIT_USAGE;

		if (!l[i].err)
			continue;
		fprintf(stderr, "pmuvet compare: %s\n", l[i].error);
		status = one > status ? one : status;
	}
	return status;
}

static int compare(struct load l[2], const char *json, struct pv_report_opts *opts)
{
	struct pv_comparison *c = pv_compare(l[0].run, l[1].run);
	const struct pv_comparison *const list[] = {c};
	int status, err = 0;

	opts->colour = pv_report_colour(stdout);
	status = pv_report(stdout, list, 1, opts);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "pmuvet compare: standard output: %s\n", strerror(errno));
		status = status == 1 ? 1 : EXIT_BROKEN;
	}
	if (json)
		err = pv_report_json(json, list, 1);
	if (err) {
		fprintf(stderr, "pmuvet compare: %s: %s\n", json, strerror(-err));
		status = status == 1 ? 1 : EXIT_BROKEN;
	}
	pv_comparison_free(c);
	return status;
}

int pv_compare_main(int argc, char **argv)
{
	static const struct option options[] = {{"all", no_argument, NULL, 'a'},
						{"json", required_argument, NULL, 'j'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct load l[2] = {{.path = NULL}};
	struct pv_report_opts opts = {.all = false};
	const char *json = NULL;
	int c, status;

	optind = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (c) {
		case 'a':
			opts.all = true;
			break;
		case 'j':
			json = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			fputs("pmuvet compare: see pmuvet compare --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 2) {
		fprintf(stderr, "pmuvet compare: needs two event streams, got %d; see --help\n",
			argc - optind);
		return EXIT_USAGE;
	}
	l[0].path = argv[optind];
	l[1].path = argv[optind + 1];
	status = load_both(l);
	if (!status)
		status = compare(l, json, &opts);
	pv_run_free(l[0].run);
	pv_run_free(l[1].run);
	return status;
}
