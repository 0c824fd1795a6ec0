/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "runner/options.h"
#include "runner/runner.h"

void pv_args_add(struct pv_args *a, const char *arg)
{
	a->v = realloc(a->v, (a->n + 2) * sizeof(*a->v));
	if (!a->v || !(a->v[a->n] = strdup(arg)))
		abort();
	a->v[++a->n] = NULL;
}

void pv_args_free(struct pv_args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->v[i]);
	free(a->v);
	*a = (struct pv_args){0};
}

/* Who takes an option: this program, the agent, the guest runner. */
enum { OWN = 1, AGENT, GUEST };

static const struct option options[] = {
	{"platform", required_argument, NULL, OWN},
	{"json", required_argument, NULL, OWN},
	{"resume", no_argument, NULL, OWN},
	{"list", no_argument, NULL, OWN},
	{"dry-run", no_argument, NULL, OWN},
	{"quiet", no_argument, NULL, OWN},
	{"filter", required_argument, NULL, AGENT},
	{"exclude", required_argument, NULL, AGENT},
	{"quick", no_argument, NULL, AGENT},
	{"standard", no_argument, NULL, AGENT},
	{"repeat", required_argument, NULL, AGENT},
	{"shuffle", required_argument, NULL, AGENT},
	{"timeout", required_argument, NULL, AGENT},
	{"descriptor", required_argument, NULL, AGENT},
	{"cpu", required_argument, NULL, AGENT},
	{"collect", required_argument, NULL, AGENT},
	{"kernel", required_argument, NULL, GUEST},
	{"modules", required_argument, NULL, GUEST},
	{"kernel-tree", required_argument, NULL, GUEST},
	{"append", required_argument, NULL, GUEST},
	{"smp", required_argument, NULL, GUEST},
	{"mem", required_argument, NULL, GUEST},
	{"accel", required_argument, NULL, GUEST},
	{"no-retry", no_argument, NULL, GUEST},
	{"retry-boots", required_argument, NULL, GUEST},
	{"retry-seconds", required_argument, NULL, GUEST},
	{"agent", required_argument, NULL, GUEST},
	{"keep", required_argument, NULL, GUEST},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

void pv_run_usage(FILE *f)
{
	fputs("usage: pmuvet run [OPTION]...\n"
	      "Runs cases, on this machine or in a guest, and records the event stream.\n\n"
	      "Cases:\n"
	      "  --filter GLOB      only cases whose id matches (may be repeated)\n"
	      "  --exclude GLOB     not those (may be repeated)\n"
	      "  --quick            only the most telling cases, the best first\n"
	      "  --standard         those, and one case of each promise on each PMU\n"
	      "  --repeat N         every case N times\n"
	      "  --shuffle SEED     in an order drawn from SEED\n"
	      "  --timeout SECONDS  a case's limit (default 10)\n"
	      "  --cpu N            pin cases to that CPU (default: the first allowed)\n"
	      "  --descriptor NAME  instead of its family's default (may be repeated)\n"
	      "  --list             print the ids that would run, run nothing\n"
	      "Guests:\n"
	      "  --platform P       host (default), or a guest of vm-images/platforms: arm64, x86_64, ...\n"
	      "  --kernel K         deb:SERIES or deb:SUITE (deb:6.12, deb:sid), or a kernel image\n"
	      "  --modules DIR      modules of a kernel image (lib/modules/RELEASE)\n"
	      "  --kernel-tree DIR  a built kernel tree\n"
	      "  --append WORDS     words for the kernel command line\n"
	      "  --smp N, --mem MIB, --accel auto|kvm|tcg, --keep DIR, --agent FILE\n"
	      "  --no-retry         do not try in fresh boots whether what crashed crashes alone\n"
	      "  --retry-boots N, --retry-seconds S  bounds of that: boots for a crash, time for all\n"
	      "  --dry-run          print QEMU's command line, start nothing\n"
	      "Output:\n"
	      "  --json FILE        the stream (default: a new file below results/runs/)\n"
	      "  --resume           go on behind the last line of --json FILE\n"
	      "  --collect PATH     a file or directory of the target into the stream, behind the last case\n"
	      "  --quiet            only the summary\n"
	      "A terminal shows progress, a pipe gets KTAP.\n"
	      "Exit: 0 all held, 1 a failure, crash or hang, 2 usage, 3 harness, platform, or nothing tested.\n",
	      f);
}

static void own(struct pv_options *o, const char *name, const char *value)
{
	if (!strcmp(name, "platform"))
		o->platform = value;
	else if (!strcmp(name, "json"))
		o->json = value;
	else if (!strcmp(name, "resume"))
		o->resume = true;
	else if (!strcmp(name, "list"))
		o->list = true;
	else if (!strcmp(name, "dry-run"))
		o->dry_run = true;
	else
		o->quiet = true;
}

static void pass_on(struct pv_args *to, const char *name, const char *value)
{
	char opt[64];

	snprintf(opt, sizeof(opt), "--%s", name);
	pv_args_add(to, opt);
	if (value)
		pv_args_add(to, value);
}

static int check(const struct pv_options *o)
{
	bool host = !strcmp(o->platform, "host");

	if (host && o->guest.n) {
		fprintf(stderr, "pmuvet run: %s needs a guest: add --platform\n", o->guest.v[0]);
		return PV_EXIT_USAGE;
	}
	if (host && o->dry_run) {
		fputs("pmuvet run: --dry-run needs a guest: add --platform\n", stderr);
		return PV_EXIT_USAGE;
	}
	if (o->resume && !o->json) {
		fputs("pmuvet run: --resume needs --json FILE, the stream to go on with\n", stderr);
		return PV_EXIT_USAGE;
	}
	return 0;
}

int pv_options_parse(struct pv_options *o, int argc, char **argv, bool *done)
{
	int c, index;

	*o = (struct pv_options){.platform = "host"};
	*done = false;
	while ((c = getopt_long(argc, argv, "h", options, &index)) >= 0) {
		switch (c) {
		case OWN:
			own(o, options[index].name, optarg);
			break;
		case AGENT:
			pass_on(&o->agent, options[index].name, optarg);
			break;
		case GUEST:
			pass_on(&o->guest, options[index].name, optarg);
			break;
		case 'h':
			pv_run_usage(stdout);
			*done = true;
			return PV_EXIT_OK;
		default:
			fputs("pmuvet run: see pmuvet run --help\n", stderr);
			return PV_EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "pmuvet run: unexpected argument '%s'; see pmuvet run --help\n",
			argv[optind]);
		return PV_EXIT_USAGE;
	}
	return check(o);
}

void pv_options_free(struct pv_options *o)
{
	pv_args_free(&o->agent);
	pv_args_free(&o->guest);
}
