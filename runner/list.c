/* SPDX-License-Identifier: GPL-2.0-only */
/* What there is to run, and what the descriptors promise. */
#define _GNU_SOURCE
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "pmu/descriptor.h"
#include "runner/runner.h"

static const struct {
	const char *name;
	uint32_t mask;
} arches[] = {
	{"x86_64", PV_ARCH_X86_64}, {"arm64", PV_ARCH_ARM64}, {"aarch64", PV_ARCH_ARM64},
	{"i386", PV_ARCH_I386},     {"i686", PV_ARCH_I386},   {"arm", PV_ARCH_ARM},
	{"armv7l", PV_ARCH_ARM},
};

static uint32_t arch_mask(const char *name)
{
	for (size_t i = 0; i < sizeof(arches) / sizeof(arches[0]); i++) {
		if (!strcmp(arches[i].name, name))
			return arches[i].mask;
	}
	return 0;
}

static void list_usage(FILE *f)
{
	fputs("usage: pmuvet list [--arch x86_64|arm64|i386|arm] [--ids|--promises] [GLOB]...\n"
	      "Lists the cases of an architecture (default: this machine's): id, needs, claim.\n"
	      "  --ids       only the ids, one a line\n"
	      "  --promises  the promises, once for all PMUs and variants, and the breakages that turn them red:\n"
	      "              in the simulated kernel (tests/unit/sim) or in a real one (tests/broken-kernels)\n"
	      "  GLOB        only ids that match, e.g. 'breakpoint/*'\n",
	      f);
}

static bool wanted(const char *id, char **globs, int n, bool *used)
{
	bool hit = !n;

	for (int i = 0; i < n; i++) {
		if (!fnmatch(globs[i], id, 0)) {
			used[i] = true;
			hit = true;
		}
	}
	return hit;
}

/* Cases of the family's default descriptor only: another one of it has the same ids. */
/* Each id once: of its family's default descriptor, or of the first that has it. */
static bool is_first(size_t at, uint32_t arch)
{
	const struct pv_case *c = &pv_cases[at];

	for (size_t i = 0; !c->pmu->is_default && i < pv_nr_cases; i++) {
		const struct pv_case *other = &pv_cases[i];

		if (other->body == c->body && other->arch & arch &&
		    (i < at || other->pmu->is_default) && !strcmp(other->id, c->id))
			return false;
	}
	return true;
}

static size_t list_cases(uint32_t arch, char **globs, int n, bool *used, bool ids)
{
	size_t shown = 0;

	for (size_t i = 0; i < pv_nr_cases; i++) {
		const struct pv_case *c = &pv_cases[i];

		if (!(c->arch & arch) || !is_first(i, arch) || !wanted(c->id, globs, n, used))
			continue;
		shown++;
		if (ids)
			puts(c->id);
		else
			printf("%s\n    %s%s%s%s%s\n", c->id, c->about, *c->needs ? "; needs " : "",
			       c->needs, c->fixes ? "; guards " : "", c->fixes ? c->fixes : "");
	}
	return shown;
}

static bool owns(const struct pv_promise *p, const struct pv_case *c)
{
	char globs[512], base[256], *save = NULL;

	snprintf(globs, sizeof(globs), "%s", p->cases);
	snprintf(base, sizeof(base), "%.*s", (int)strcspn(c->id, ":"), c->id);
	for (char *g = strtok_r(globs, " ", &save); g; g = strtok_r(NULL, " ", &save)) {
		if (!fnmatch(g, base, 0) || (*p->kind == 'k' && !fnmatch(g, c->id, 0)))
			return true;
	}
	return false;
}

/* One promise and its proofs; `first` is its first case in the list. */
static void print_promise(size_t first, uint32_t arch)
{
	const struct pv_case *c = &pv_cases[first];
	const char *name = strchr(c->id, '/') + 1;
	unsigned int proofs = 0;

	printf("%.*s (%s)\n    %s\n", (int)strcspn(name, ":"), name, c->at, c->about);
	for (size_t p = 0; p < pv_nr_promises; p++) {
		bool hit = false;

		for (size_t i = first; i < pv_nr_cases && !hit; i++)
			hit = pv_cases[i].body == c->body && pv_cases[i].arch & arch &&
			      owns(&pv_promises[p], &pv_cases[i]);
		if (hit)
			printf("    %-6s %s: %s\n", pv_promises[p].kind, pv_promises[p].name,
			       pv_promises[p].about);
		proofs += hit;
	}
	if (!proofs)
		puts("    no breakage that proves it");
}

static size_t list_promises(uint32_t arch, char **globs, int n, bool *used)
{
	bool *done = calloc(pv_nr_cases + 1, sizeof(*done));
	size_t shown = 0;

	if (!done)
		abort();
	for (size_t i = 0; i < pv_nr_cases; i++) {
		const struct pv_case *c = &pv_cases[i];

		if (!(c->arch & arch) || !wanted(c->id, globs, n, used) || done[c->body])
			continue;
		done[c->body] = true;
		print_promise(i, arch);
		shown++;
	}
	free(done);
	return shown;
}

int pv_list_main(int argc, char **argv)
{
	static const struct option options[] = {{"arch", required_argument, NULL, 'a'},
						{"ids", no_argument, NULL, 'i'},
						{"promises", no_argument, NULL, 'p'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct utsname u;
	bool ids = false, promises = false, *used;
	uint32_t arch;
	size_t shown;
	int c, bad = 0;

	arch = uname(&u) ? 0 : arch_mask(u.machine);
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == 'h') {
			list_usage(stdout);
			return PV_EXIT_OK;
		} else if (c == 'i') {
			ids = true;
		} else if (c == 'p') {
			promises = true;
		} else if (c == 'a') {
			arch = arch_mask(optarg);
			if (!arch) {
				fprintf(stderr, "pmuvet list: unknown architecture '%s'\n", optarg);
				return PV_EXIT_USAGE;
			}
		} else {
			list_usage(stderr);
			return PV_EXIT_USAGE;
		}
	}
	used = calloc(argc + 1, sizeof(*used));
	if (!used)
		abort();
	if (ids && promises) {
		fputs("pmuvet list: --ids and --promises exclude each other\n", stderr);
		return PV_EXIT_USAGE;
	}
	shown = promises ? list_promises(arch, argv + optind, argc - optind, used)
			 : list_cases(arch, argv + optind, argc - optind, used, ids);
	for (int i = 0; i < argc - optind; i++) {
		if (!used[i]) {
			fprintf(stderr, "pmuvet list: '%s' matches no case\n", argv[optind + i]);
			bad = PV_EXIT_USAGE;
		}
	}
	if (!ids && !bad)
		printf("%zu %s\n", shown, promises ? "promises" : "cases");
	free(used);
	return bad;
}

int pv_describe_main(int argc, char **argv)
{
	const char *name = argc == 2 ? argv[1] : NULL;

	if (name && (!strcmp(name, "--help") || !strcmp(name, "-h"))) {
		puts("usage: pmuvet describe PMU\nShows what the descriptor promises.");
		return PV_EXIT_OK;
	}
	for (size_t i = 0; name && i < pv_nr_pmus; i++) {
		if (!strcmp(pv_pmus[i].name, name)) {
			fputs(pv_pmus[i].describe, stdout);
			return PV_EXIT_OK;
		}
	}
	if (name)
		fprintf(stderr, "pmuvet describe: unknown PMU '%s'; there are:", name);
	else
		fputs("usage: pmuvet describe PMU; there are:", stderr);
	for (size_t i = 0; i < pv_nr_pmus; i++)
		fprintf(stderr, " %s", pv_pmus[i].name);
	fputc('\n', stderr);
	return PV_EXIT_USAGE;
}
