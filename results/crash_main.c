/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/crash.h"
#include "results/crash_symbols.h"

enum { EXIT_FOUND = 1, EXIT_USAGE = 2, EXIT_BROKEN = 3 };

#define CHUNK (256u << 10)

struct crash {
	bool json, all;
	const char *log; /* NULL when there is only one */
	unsigned long found, metrics;
	struct pv_crash_symbols *symbols; /* NULL: none were given */
};

static void usage(FILE *f)
{
	fputs("usage: pmuvet crash [OPTION]... LOG...\n"
	      "Finds what the kernel complained about in console logs (`-`: standard input): dmesg, serial\n"
	      "console, journal, syslog, Xen; of x86, arm64, arm, riscv and others.\n\n"
	      "  --vmlinux FILE   kernel with debug information, for file:line (may be repeated)\n"
	      "  --symbols DIR    where to look for those of kernel and modules (may be repeated)\n"
	      "  --kallsyms FILE  a copy of the kernel's /proc/kallsyms, for bare addresses\n"
	      "  --build-id HEX   the kernel's, if it is known and the log does not name it\n"
	      "  --run FILE       the event stream of the run: build-ids of kernel and modules\n"
	      "  --json           one object a line instead (docs/crash.md)\n"
	      "  --all            also the lines themselves, guessed frames and metrics\n"
	      "  --help           this\n\n"
	      "Exit: 0 nothing found (metrics do not count), 1 a splat found, 2 usage, 3 a log cannot be read.\n",
	      f);
}

static void on_splat(const struct pv_splat *s, void *arg)
{
	struct crash *c = arg;

	if (s->severity == PV_METRIC)
		c->metrics++;
	else
		c->found++;
	s = pv_crash_symbolise(c->symbols, s);
	if (c->json)
		pv_crash_json(stdout, c->log, s);
	else if (s->severity != PV_METRIC || c->all)
		pv_crash_text(stdout, c->log, s, c->all);
}

static int read_log(struct crash *c, const char *path)
{
	bool is_stdin = !strcmp(path, "-");
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), err = 0;
	struct pv_splat_parser *p;
	char *buf;
	ssize_t n;

	if (fd < 0)
		return -errno;
	p = pv_splat_parser_new(on_splat, c);
	buf = malloc(CHUNK);
	if (!buf)
		abort();
	while ((n = read(fd, buf, CHUNK)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			pv_splat_feed(p, buf, n);
	}
	if (n < 0)
		err = -errno;
	pv_splat_finish(p);
	pv_splat_parser_free(p);
	free(buf);
	if (!is_stdin)
		close(fd);
	return err;
}

static int read_all(struct crash *c, int nr, char **logs)
{
	int status = 0;

	for (int i = 0; i < nr; i++) {
		int err;

		c->log = nr > 1 ? logs[i] : NULL;
		err = read_log(c, logs[i]);
		if (err) {
			fprintf(stderr, "pmuvet crash: %s: %s\n", logs[i], strerror(-err));
			status = EXIT_BROKEN;
		}
	}
	if (!c->json && !c->found && !status)
		printf("no splat found%s\n",
		       c->metrics && !c->all ? " (metrics only: --all shows them)" : "");
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "pmuvet crash: standard output: %s\n", strerror(errno));
		return EXIT_BROKEN;
	}
	return status ? status : c->found ? EXIT_FOUND : 0;
}

int pv_crash_main(int argc, char **argv)
{
	static const struct option options[] = {PV_CRASH_SYMBOLS_OPTIONS,
						{"json", no_argument, NULL, 'j'},
						{"all", no_argument, NULL, 'a'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	struct crash c = {.json = false};
	char error[1024];
	int opt, status;

	optind = 0;
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (opt) {
		case 'v':
		case 's':
		case 'k':
		case 'b':
		case 'r':
			if (!pv_crash_symbols_option(&c.symbols, opt, optarg, error, sizeof(error)))
				break;
			fprintf(stderr, "pmuvet crash: %s\n", error);
			pv_crash_symbols_free(c.symbols);
			return EXIT_USAGE;
		case 'j':
			c.json = true;
			break;
		case 'a':
			c.all = true;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			fputs("pmuvet crash: see pmuvet crash --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		fputs("pmuvet crash: needs a log (`-`: standard input); see --help\n", stderr);
		return EXIT_USAGE;
	}
	status = read_all(&c, argc - optind, argv + optind);
	pv_crash_symbols_free(c.symbols);
	return status;
}
