/* SPDX-License-Identifier: GPL-2.0-only */
/* Two kernels, some platforms: run all, compare each pair, one report. */
#define _GNU_SOURCE
#include <getopt.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "results/report.h"
#include "runner/regress.h"

#define MAX_PLATFORMS     16
#define DEFAULT_PLATFORMS "arm64,x86_64"
#define DEFAULT_BASE      "deb:bookworm"
#define DEFAULT_NEW       "deb:sid"

static volatile sig_atomic_t stopped;

static void on_stop(int signo)
{
	stopped = signo;
}

static void usage(FILE *f)
{
	fputs("usage: pmuvet regress [OPTION]...\n"
	      "       pmuvet regress --bisect --kernel-tree DIR --case ID [--platform P] [OPTION]...\n"
	      "Boots two kernels in guests, runs the cases on both and reports what changed.\n\n"
	      "  --base K           the kernel that is trusted (default " DEFAULT_BASE ")\n"
	      "  --new K            the kernel in question (default " DEFAULT_NEW ")\n"
	      "                     K: deb:SERIES, deb:SUITE, a kernel image or a built kernel tree\n"
	      "  --platform P,...   guests (default " DEFAULT_PLATFORMS ")\n"
	      "  --quick            only the most telling cases, the best first\n"
	      "  --full             every case (as --filter does with those it names); the default is the\n"
	      "                     standard set: the most telling ones, and each promise that they lack, once\n"
	      "  --all              the whole report, not one screen\n"
	      "  --output DIR       where the streams go (default: a new directory below results/runs/)\n"
	      "  --filter, --exclude, --repeat, --shuffle, --timeout, --append, --smp, --mem, --accel,\n"
	      "  --no-retry, --retry-boots, --retry-seconds\n"
	      "                     as in pmuvet run\n"
	      "With --bisect, for `git bisect run`: one kernel that you built, one case:\n"
	      "  --kernel-tree DIR  the built tree (or --kernel FILE)\n"
	      "  --case ID          the case; a glob of several is bad when one of them is\n"
	      "  git bisect run sh -c 'make -j8 || exit 125; pmuvet regress --bisect --kernel-tree . --case ID'\n"
	      "Exit: 0 no regression, 1 regression or crash, 2 usage, 3 harness or platform failed; with --bisect\n"
	      "  0 good (pass, xpass), 1 bad (fail, crash, hang, xfail), 125 cannot tell, 128 and above stop.\n",
	      f);
}

static const struct option options[] = {
	{"base", required_argument, NULL, 'b'},
	{"new", required_argument, NULL, 'n'},
	{"quick", no_argument, NULL, 'q'},
	{"full", no_argument, NULL, 'F'},
	{"platform", required_argument, NULL, 'p'},
	{"all", no_argument, NULL, 'a'},
	{"bisect", no_argument, NULL, 'B'},
	{"kernel-tree", required_argument, NULL, 'k'},
	{"kernel", required_argument, NULL, 'k'},
	{"case", required_argument, NULL, 'c'},
	{"modules", required_argument, NULL, 'x'},
	{"output", required_argument, NULL, 'o'},
	{"filter", required_argument, NULL, 'x'},
	{"exclude", required_argument, NULL, 'x'},
	{"repeat", required_argument, NULL, 'x'},
	{"shuffle", required_argument, NULL, 'x'},
	{"timeout", required_argument, NULL, 'x'},
	{"append", required_argument, NULL, 'x'},
	{"smp", required_argument, NULL, 'x'},
	{"mem", required_argument, NULL, 'x'},
	{"accel", required_argument, NULL, 'x'},
	{"agent", required_argument, NULL, 'x'},
	{"no-retry", no_argument, NULL, 'x'},
	{"retry-boots", required_argument, NULL, 'x'},
	{"retry-seconds", required_argument, NULL, 'x'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static int split_platforms(struct pv_regress *r, char *list)
{
	char *save, *p;

	for (p = strtok_r(list, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
		if (r->nr_platforms == MAX_PLATFORMS || !strcmp(p, "host")) {
			fprintf(stderr, "pmuvet regress: --platform: %s\n",
				strcmp(p, "host") ? "too many"
						  : "the host cannot change its kernel; use "
						    "`pmuvet run` twice and `pmuvet compare`");
			return PV_EXIT_USAGE;
		}
		r->platform[r->nr_platforms++] = p;
	}
	if (r->nr_platforms)
		return 0;
	fputs("pmuvet regress: --platform is empty\n", stderr);
	return PV_EXIT_USAGE;
}

#define STANDARD "--standard"

static int parse(struct pv_regress *r, int argc, char **argv, bool *done)
{
	char *platforms = NULL, opt[64];
	bool filter = false;
	int c, index;

	while ((c = getopt_long(argc, argv, "h", options, &index)) >= 0) {
		switch (c) {
		case 'b':
			r->base = optarg;
			break;
		case 'n':
			r->new = optarg;
			break;
		case 'p':
			free(platforms);
			platforms = strdup(optarg);
			break;
		case 'a':
			r->all = true;
			break;
		case 'o':
			r->dir = optarg;
			break;
		case 'q':
			r->set = "--quick";
			break;
		case 'F':
			r->full = true;
			break;
		case 'B':
			break;
		case 'k':
			r->kernel = optarg;
			break;
		case 'c':
			r->cases = filter = true;
			pv_args_add(&r->pass, "--filter");
			pv_args_add(&r->pass, optarg);
			break;
		case 'x':
			snprintf(opt, sizeof(opt), "--%s", options[index].name);
			pv_args_add(&r->pass, opt);
			if (optarg)
				pv_args_add(&r->pass, optarg);
			filter |= !strcmp(opt, "--filter");
			break;
		case 'h':
			usage(stdout);
			*done = true;
			return PV_EXIT_OK;
		default:
			fputs("pmuvet regress: see pmuvet regress --help\n", stderr);
			return PV_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "pmuvet regress: unexpected argument '%s'\n", argv[optind]);
		return PV_EXIT_USAGE;
	}
	if (r->full && r->set) {
		fputs("pmuvet regress: --quick or --full, not both\n", stderr);
		return PV_EXIT_USAGE;
	}
	/* Who names cases wants all of them. */
	if (!r->full && !filter && !r->set)
		r->set = STANDARD;
	if (r->bisect ? r->base || r->new : r->kernel || r->cases) {
		fprintf(stderr, "pmuvet regress: %s\n",
			r->bisect
				? "--bisect looks at one kernel: --kernel-tree, not --base or --new"
				: "--kernel-tree, --kernel and --case go with --bisect");
		return PV_EXIT_USAGE;
	}
	r->base = r->base ? r->base : DEFAULT_BASE;
	r->new = r->new ? r->new : DEFAULT_NEW;
	if (!platforms && r->bisect)
		return 0;
	return split_platforms(r, platforms ? platforms : strdup(DEFAULT_PLATFORMS));
}

static int make_dir(struct pv_regress *r)
{
	time_t t = time(NULL);
	char stamp[64];
	struct tm tm;
	int err;

	if (!r->dir) {
		localtime_r(&t, &tm);
		strftime(stamp, sizeof(stamp), "results/runs/%Y%m%d-%H%M%S-regress", &tm);
		pv_path(r->dir_buf, sizeof(r->dir_buf), stamp);
		r->dir = r->dir_buf;
	}
	err = pv_make_dirs(r->dir);
	if (err)
		fprintf(stderr, "pmuvet regress: %s: %s\n", r->dir, strerror(-err));
	return err ? PV_EXIT_HARNESS : 0;
}

/* As a shell takes it. */
static void print_word(const char *word)
{
	if (strspn(word,
		   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:,=+@") ==
	    strlen(word)) {
		printf(" %s", word);
		return;
	}
	fputs(" '", stdout);
	for (; *word; word++) {
		if (*word == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*word);
	}
	putchar('\'');
}

static void print_reproducers(const struct pv_regress *r)
{
	char pattern[PATH_SIZE];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/*.c", r->dir);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		printf("reproducer: %s\n", found.gl_pathv[i]);
	globfree(&found);
}

static void print_repeat(const struct pv_regress *r)
{
	if (r->set && !strcmp(r->set, STANDARD))
		fputs("\nthe standard set of cases was run; --full runs every case", stdout);
	fputs("\nrepeat with: ./pmuvet regress", stdout);
	fputs(" --base", stdout);
	print_word(r->base);
	fputs(" --new", stdout);
	print_word(r->new);
	fputs(" --platform ", stdout);
	for (size_t i = 0; i < r->nr_platforms; i++)
		printf("%s%s", i ? "," : "", r->platform[i]);
	if (r->set && strcmp(r->set, STANDARD))
		print_word(r->set);
	for (size_t i = 0; i < r->pass.n; i++)
		print_word(r->pass.v[i]);
	if (r->full)
		fputs(" --full", stdout);
	printf("\nstreams: %s\n", r->dir);
	print_reproducers(r);
}

/* ---- the report ---- */

struct loaded {
	struct pv_run *run[2 * MAX_PLATFORMS];
	struct pv_comparison *comparison[MAX_PLATFORMS];
	size_t nr;
};

/* Loads what there is; false when a stream is missing or broken. */
static bool load_all(struct pv_regress *r, struct loaded *l)
{
	bool whole = true;

	for (size_t i = 0; i < r->nr_jobs; i++) {
		char error[1024];

		if (!pv_run_load(r->job[i].stream, &l->run[i], error, sizeof(error)))
			continue;
		fprintf(stderr, "pmuvet regress: %s\n", error);
		l->run[i] = NULL;
		whole = false;
	}
	for (size_t i = 0; i + 1 < r->nr_jobs; i += 2) {
		if (l->run[i] && l->run[i + 1])
			l->comparison[l->nr++] = pv_compare(l->run[i], l->run[i + 1]);
	}
	return whole;
}

static int report(struct pv_regress *r)
{
	struct pv_report_opts opts = {.all = r->all, .colour = pv_report_colour(stdout)};
	struct loaded l = {.nr = 0};
	bool whole = load_all(r, &l);
	int status = PV_EXIT_HARNESS;

	if (l.nr) {
		status = pv_report(stdout, (const struct pv_comparison *const *)l.comparison, l.nr,
				   &opts);
		print_repeat(r);
	}
	if (!whole && status == PV_EXIT_OK)
		status = PV_EXIT_HARNESS;
	for (size_t i = 0; i < l.nr; i++)
		pv_comparison_free(l.comparison[i]);
	for (size_t i = 0; i < r->nr_jobs; i++) {
		if (l.run[i])
			pv_run_free(l.run[i]);
	}
	return status;
}

/* Wrong usage of any run (an unknown kernel, say) is wrong usage of all. */
static int usage_status(const struct pv_regress *r)
{
	for (size_t i = 0; i < r->nr_jobs; i++) {
		if (r->job[i].status == PV_EXIT_USAGE)
			return PV_EXIT_USAGE;
	}
	return 0;
}

int pv_regress_main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_stop};
	struct pv_regress *r = calloc(1, sizeof(*r));
	bool done = false;
	int status;

	if (!r)
		return PV_EXIT_HARNESS;
	/* Whatever is wrong with the others. */
	for (int i = 1; i < argc; i++)
		r->bisect |= !strcmp(argv[i], "--bisect");
	status = parse(r, argc, argv, &done);
	if (!status && !done && r->bisect) {
		sigaction(SIGINT, &sa, NULL);
		sigaction(SIGTERM, &sa, NULL);
		status = pv_bisect(r, &stopped);
		done = true;
	} else if (status && r->bisect) {
		/* 2 would call this kernel bad. */
		status = 128 + status;
	}
	if (!status && !done)
		status = make_dir(r);
	if (!status && !done) {
		sigaction(SIGINT, &sa, NULL);
		sigaction(SIGTERM, &sa, NULL);
		pv_regress_make_jobs(r);
		pv_regress_run_jobs(r, &stopped);
		status = stopped ? 128 + stopped : usage_status(r);
		if (!status)
			status = report(r);
	}
	pv_args_free(&r->pass);
	free(r);
	return status;
}
