/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest runs of a regress: each is a `pmuvet run` whose KTAP tells how far it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/regress.h"

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
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

void pv_regress_make_jobs(struct pv_regress *r)
{
	for (size_t p = 0; p < r->nr_platforms; p++) {
		for (int side = 0; side < 2; side++) {
			struct pv_job *j = &r->job[r->nr_jobs++];
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

static void __attribute__((noreturn)) exec_run(struct pv_regress *r, struct pv_job *j, int out)
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
	if (r->set)
		pv_args_add(&a, r->set);
	for (size_t i = 0; i < r->pass.n; i++)
		pv_args_add(&a, r->pass.v[i]);
	dup2(out, STDOUT_FILENO);
	if (log >= 0)
		dup2(log, STDERR_FILENO);
	execv(self, a.v);
	_exit(PV_EXIT_HARNESS);
}

static void start(struct pv_regress *r, struct pv_job *j)
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
static void ktap_line(struct pv_job *j, const char *line)
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
static bool read_ktap(struct pv_job *j)
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

static void log_tail(const struct pv_job *j)
{
	char line[512];
	FILE *f = fopen(j->log, "re");

	while (f && fgets(line, sizeof(line), f))
		fprintf(stderr, "    %s", line);
	if (f)
		fclose(f);
}

static void finish(struct pv_job *j, bool tty)
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

static void show(struct pv_regress *r)
{
	fputs("\r\033[K", stderr);
	for (size_t i = 0; i < r->nr_jobs; i++) {
		struct pv_job *j = &r->job[i];

		if (j->pid && j->planned)
			fprintf(stderr, "%s %s %u/%u  ", j->platform, j->kernel, j->done,
				j->planned);
		else if (j->pid)
			fprintf(stderr, "%s %s booting  ", j->platform, j->kernel);
	}
	fflush(stderr);
}

void pv_regress_run_jobs(struct pv_regress *r, const volatile sig_atomic_t *stopped)
{
	size_t next = 0, running = 0, cores = sysconf(_SC_NPROCESSORS_ONLN);
	bool tty = isatty(STDERR_FILENO);

	while (running || (next < r->nr_jobs && !*stopped)) {
		struct pollfd p[2 * MAX_PLATFORMS];
		size_t n = 0;

		while (running < cores && next < r->nr_jobs && !*stopped) {
			start(r, &r->job[next++]);
			running += r->job[next - 1].fd >= 0;
		}
		for (size_t i = 0; i < r->nr_jobs; i++) {
			if (r->job[i].pid && *stopped)
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
