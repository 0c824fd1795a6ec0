/* SPDX-License-Identifier: GPL-2.0-only */
/* Two kernels, some platforms: run all, compare each pair, one report. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "results/report.h"
#include "runner/options.h"
#include "runner/runner.h"

#define MAX_PLATFORMS     16
#define DEFAULT_PLATFORMS "arm64,x86_64"
#define DEFAULT_BASE      "deb:bookworm"
#define DEFAULT_NEW       "deb:sid"

/* One guest run of this regress. */
struct job {
	const char *platform, *kernel;
	char stream[PATH_SIZE], log[PATH_SIZE];
	char line[4096]; /* KTAP of the child, as far as it is not a whole line */
	size_t line_len;
	unsigned int planned, done, failed;
	pid_t pid;
	int fd, status;
	double start, seconds;
};

struct regress {
	const char *base, *new, *platform[MAX_PLATFORMS];
	size_t nr_platforms;
	struct pv_args pass; /* options for every `pmuvet run` */
	bool all;
	const char *dir;
	char dir_buf[PATH_SIZE];
	struct job job[2 * MAX_PLATFORMS];
	size_t nr_jobs;
};

static volatile sig_atomic_t stopped;

static void on_stop(int signo)
{
	stopped = signo;
}

static void usage(FILE *f)
{
	fputs("usage: pmuvet regress [OPTION]...\n"
	      "Boots two kernels in guests, runs the cases on both and reports what changed.\n\n"
	      "  --base K           the kernel that is trusted (default " DEFAULT_BASE ")\n"
	      "  --new K            the kernel in question (default " DEFAULT_NEW ")\n"
	      "                     K: deb:SERIES, deb:SUITE, a kernel image or a built kernel tree\n"
	      "  --platform P,...   guests (default " DEFAULT_PLATFORMS ")\n"
	      "  --all              the whole report, not one screen\n"
	      "  --output DIR       where the streams go (default: a new directory below results/runs/)\n"
	      "  --filter, --exclude, --repeat, --shuffle, --timeout, --append, --smp, --mem, --accel\n"
	      "                     as in pmuvet run\n"
	      "Exit: 0 no regression, 1 regression or crash, 2 usage, 3 harness or platform failed.\n",
	      f);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static const struct option options[] = {
	{"base", required_argument, NULL, 'b'},     {"new", required_argument, NULL, 'n'},
	{"platform", required_argument, NULL, 'p'}, {"all", no_argument, NULL, 'a'},
	{"output", required_argument, NULL, 'o'},   {"filter", required_argument, NULL, 'x'},
	{"exclude", required_argument, NULL, 'x'},  {"repeat", required_argument, NULL, 'x'},
	{"shuffle", required_argument, NULL, 'x'},  {"timeout", required_argument, NULL, 'x'},
	{"append", required_argument, NULL, 'x'},   {"smp", required_argument, NULL, 'x'},
	{"mem", required_argument, NULL, 'x'},      {"accel", required_argument, NULL, 'x'},
	{"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
};

static int split_platforms(struct regress *r, char *list)
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

static int parse(struct regress *r, int argc, char **argv, bool *done)
{
	char *platforms = strdup(DEFAULT_PLATFORMS), opt[64];
	int c, index;

	r->base = DEFAULT_BASE;
	r->new = DEFAULT_NEW;
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
		case 'x':
			snprintf(opt, sizeof(opt), "--%s", options[index].name);
			pv_args_add(&r->pass, opt);
			pv_args_add(&r->pass, optarg);
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
	return split_platforms(r, platforms);
}

/* A file name out of a kernel spec: its last path component without what files cannot have. */
static void spec_name(const char *spec, char *buf, size_t size)
{
	const char *base = strrchr(spec, '/');
	size_t i;

	base = base && base[1] ? base + 1 : spec;
	snprintf(buf, size, "%s", base);
	for (i = 0; buf[i]; i++) {
		if (buf[i] == ':' || buf[i] == '/')
			buf[i] = '-';
	}
}

static int make_dir(struct regress *r)
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

static void make_jobs(struct regress *r)
{
	for (size_t p = 0; p < r->nr_platforms; p++) {
		for (int side = 0; side < 2; side++) {
			struct job *j = &r->job[r->nr_jobs++];
			char kernel[128];

			j->platform = r->platform[p];
			j->kernel = side ? r->new : r->base;
			j->fd = -1;
			spec_name(j->kernel, kernel, sizeof(kernel));
			snprintf(j->stream, sizeof(j->stream), "%s/%s-%s-%s.jsonl", r->dir,
				 j->platform, side ? "new" : "base", kernel);
			snprintf(j->log, sizeof(j->log), "%s/%s-%s-%s.log", r->dir, j->platform,
				 side ? "new" : "base", kernel);
		}
	}
}

static bool is_dir(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static void __attribute__((noreturn)) exec_run(struct regress *r, struct job *j, int out)
{
	struct pv_args a = {0};
	int log = open(j->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	char self[PATH_SIZE];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	setpgid(0, 0);
	self[n > 0 ? n : 0] = 0;
	pv_args_add(&a, self);
	pv_args_add(&a, "run");
	pv_args_add(&a, "--platform");
	pv_args_add(&a, j->platform);
	pv_args_add(&a, is_dir(j->kernel) ? "--kernel-tree" : "--kernel");
	pv_args_add(&a, j->kernel);
	pv_args_add(&a, "--json");
	pv_args_add(&a, j->stream);
	for (size_t i = 0; i < r->pass.n; i++)
		pv_args_add(&a, r->pass.v[i]);
	dup2(out, STDOUT_FILENO);
	if (log >= 0)
		dup2(log, STDERR_FILENO);
	execv(self, a.v);
	_exit(PV_EXIT_HARNESS);
}

static void start(struct regress *r, struct job *j)
{
	int pipefd[2];

	j->start = now();
	if (pipe2(pipefd, O_CLOEXEC)) {
		j->status = PV_EXIT_HARNESS;
		return;
	}
	j->pid = fork();
	if (!j->pid)
		exec_run(r, j, pipefd[1]);
	close(pipefd[1]);
	j->fd = pipefd[0];
}

/* The child's KTAP tells how far it is. */
static void ktap_line(struct job *j, const char *line)
{
	if (!strncmp(line, "1..", 3))
		j->planned = strtoul(line + 3, NULL, 10);
	else if (!strncmp(line, "ok ", 3))
		j->done++;
	else if (!strncmp(line, "not ok ", 7)) {
		j->done++;
		j->failed++;
	}
}

/* False at the child's end of output. */
static bool read_ktap(struct job *j)
{
	ssize_t n = read(j->fd, j->line + j->line_len, sizeof(j->line) - 1 - j->line_len);
	char *start = j->line, *nl;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	j->line_len += n;
	j->line[j->line_len] = 0;
	while ((nl = strchr(start, '\n'))) {
		*nl = 0;
		ktap_line(j, start);
		start = nl + 1;
	}
	j->line_len -= start - j->line;
	memmove(j->line, start, j->line_len + 1);
	if (j->line_len == sizeof(j->line) - 1)
		j->line_len = 0; /* a line longer than any KTAP result */
	return true;
}

static void log_tail(const struct job *j)
{
	char line[512];
	FILE *f = fopen(j->log, "re");

	while (f && fgets(line, sizeof(line), f))
		fprintf(stderr, "    %s", line);
	if (f)
		fclose(f);
}

static void finish(struct job *j, bool tty)
{
	int status;

	close(j->fd);
	j->fd = -1;
	while (waitpid(j->pid, &status, 0) < 0 && errno == EINTR)
		;
	j->pid = 0;
	j->status = WIFEXITED(status) ? WEXITSTATUS(status) : PV_EXIT_HARNESS;
	j->seconds = now() - j->start;
	fprintf(stderr, "%s%-8s %-24s %4u cases, %u not ok, %.1f s\n", tty ? "\r\033[K" : "",
		j->platform, j->kernel, j->done, j->failed, j->seconds);
	if (j->status == PV_EXIT_HARNESS || j->status == PV_EXIT_USAGE)
		log_tail(j);
}

static void show(struct regress *r)
{
	fputs("\r\033[K", stderr);
	for (size_t i = 0; i < r->nr_jobs; i++) {
		struct job *j = &r->job[i];

		if (j->pid && j->planned)
			fprintf(stderr, "%s %s %u/%u  ", j->platform, j->kernel, j->done,
				j->planned);
		else if (j->pid)
			fprintf(stderr, "%s %s booting  ", j->platform, j->kernel);
	}
	fflush(stderr);
}

static void run_all(struct regress *r)
{
	size_t next = 0, running = 0, cores = sysconf(_SC_NPROCESSORS_ONLN);
	bool tty = isatty(STDERR_FILENO);

	while (running || (next < r->nr_jobs && !stopped)) {
		struct pollfd p[2 * MAX_PLATFORMS];
		size_t n = 0;

		while (running < cores && next < r->nr_jobs && !stopped) {
			start(r, &r->job[next++]);
			running += r->job[next - 1].fd >= 0;
		}
		for (size_t i = 0; i < r->nr_jobs; i++) {
			if (r->job[i].pid && stopped)
				kill(r->job[i].pid, SIGTERM);
			p[n++] = (struct pollfd){.fd = r->job[i].fd, .events = POLLIN};
		}
		/* A signal between the test above and poll() waits no longer than this. */
		if (poll(p, n, 500) < 0)
			continue;
		for (size_t i = 0; i < n; i++) {
			if (p[i].fd < 0 || !p[i].revents || read_ktap(&r->job[i]))
				continue;
			finish(&r->job[i], tty);
			running--;
		}
		if (tty)
			show(r);
	}
	if (tty)
		fputs("\r\033[K", stderr);
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

static void print_repeat(const struct regress *r)
{
	fputs("\nrepeat with: ./pmuvet regress", stdout);
	fputs(" --base", stdout);
	print_word(r->base);
	fputs(" --new", stdout);
	print_word(r->new);
	fputs(" --platform ", stdout);
	for (size_t i = 0; i < r->nr_platforms; i++)
		printf("%s%s", i ? "," : "", r->platform[i]);
	for (size_t i = 0; i < r->pass.n; i++)
		print_word(r->pass.v[i]);
	printf("\nstreams: %s\n", r->dir);
}

/* ---- the report ---- */

struct loaded {
	struct pv_run *run[2 * MAX_PLATFORMS];
	struct pv_comparison *comparison[MAX_PLATFORMS];
	size_t nr;
};

/* Loads what there is; false when a stream is missing or broken. */
static bool load_all(struct regress *r, struct loaded *l)
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

static int report(struct regress *r)
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
static int usage_status(const struct regress *r)
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
	struct regress *r = calloc(1, sizeof(*r));
	bool done = false;
	int status;

	if (!r)
		return PV_EXIT_HARNESS;
	status = parse(r, argc, argv, &done);
	if (!status && !done)
		status = make_dir(r);
	if (!status && !done) {
		sigaction(SIGINT, &sa, NULL);
		sigaction(SIGTERM, &sa, NULL);
		make_jobs(r);
		run_all(r);
		status = stopped ? 128 + stopped : usage_status(r);
		if (!status)
			status = report(r);
	}
	pv_args_free(&r->pass);
	free(r);
	return status;
}
