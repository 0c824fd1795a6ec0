/* SPDX-License-Identifier: GPL-2.0-only */
/* `pmuvet run`: starts the producer, appends its events to the journal, shows them. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "runner/run.h"

/* How often the progress display moves while nothing comes in. */
#define TICK_MS 500

static volatile sig_atomic_t stopped;

static void on_stop(int signo)
{
	stopped = signo;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* ---- the producer ---- */

static int pump(struct pv_run_state *r, int fd, pid_t pid)
{
	size_t size = 1 << 16, len = 0;
	char *buf = malloc(size), *start, *nl;
	int err = buf ? 0 : -ENOMEM, told = 0;

	while (!err) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int ready = poll(&p, 1, TICK_MS);
		ssize_t n = ready > 0 ? read(fd, buf + len, size - len) : -1;

		if (!ready)
			pv_view_tick(r->view);
		if (stopped && told != stopped) {
			kill(pid, SIGTERM);
			told = stopped;
		}
		if (ready <= 0 || (n < 0 && errno == EINTR))
			continue;
		if (n <= 0)
			break;
		len += n;
		for (start = buf; !err && (nl = memchr(start, '\n', buf + len - start));
		     start = nl + 1)
			err = pv_run_line(r, start, nl - start);
		len -= start - buf;
		memmove(buf, start, len);
		if (len == size) {
			size *= 2;
			buf = size > 4 * PV_LINE_MAX ? NULL : realloc(buf, size);
			err = buf ? 0 : -E2BIG;
		}
	}
	free(buf);
	return err;
}

static int reap(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return PV_EXIT_HARNESS;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void write_end(struct pv_run_state *r, double seconds)
{
	struct pv_json *j = &r->json;
	const struct pv_view_counts *c = pv_view_counts(r->view);
	const struct pv_stream_event *e;

	r->complete = r->producer_ended && r->complete && (int64_t)c->done == r->planned;
	pv_json_reset(j);
	pv_json_open(j, NULL, '{');
	pv_json_text(j, "event", "run_end");
	pv_json_open(j, "verdicts", '{');
	for (int i = 0; i < PV_R_NR; i++) {
		if (c->count[i])
			pv_json_int(j, pv_result_names[i], c->count[i]);
	}
	pv_json_close(j, '}');
	pv_json_bool(j, "complete", r->complete);
	if (!r->complete)
		pv_json_text(j, "reason", r->reason[0] ? r->reason : "the producer went away");
	pv_json_seconds(j, "seconds", r->seconds + seconds);
	pv_json_close(j, '}');
	if (!pv_run_journal(r, j->buf, j->len) && !pv_stream_line(r->stream, j->buf, j->len, &e))
		pv_view_event(r->view, e);
}

static int exit_status(const struct pv_run_state *r, int producer)
{
	if (stopped)
		return 128 + stopped;
	if (!r->planned)
		return producer == PV_EXIT_USAGE ? PV_EXIT_USAGE : PV_EXIT_HARNESS;
	return pv_view_exit(r->view);
}

/* ---- before and after ---- */

static int default_path(struct pv_run_state *r)
{
	char name[256], stamp[64];
	time_t t = time(NULL);
	struct tm tm;
	int err;

	pv_path(r->path, sizeof(r->path), "results/runs");
	err = pv_make_dirs(r->path);
	localtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(name, sizeof(name), "results/runs/%s-%d-%s.jsonl", stamp, (int)getpid(),
		 r->o.platform);
	pv_path(r->path, sizeof(r->path), name);
	return err;
}

static int open_journal(struct pv_run_state *r)
{
	int err = 0;

	if (r->o.json)
		snprintf(r->path, sizeof(r->path), "%s", r->o.json);
	else
		err = default_path(r);
	if (!err)
		err = pv_journal_open(&r->journal, r->path, r->o.resume);
	if (err == -EEXIST)
		fprintf(stderr,
			"pmuvet run: %s exists; --resume goes on with it, or name another file\n",
			r->path);
	else if (err)
		fprintf(stderr, "pmuvet run: %s: %s\n", r->path, strerror(-err));
	return err;
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_stop};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static enum pv_view_kind view_kind(const struct pv_options *o)
{
	if (o->quiet)
		return PV_VIEW_QUIET;
	return isatty(STDOUT_FILENO) ? PV_VIEW_PROGRESS : PV_VIEW_KTAP;
}

static int produce(struct pv_run_state *r)
{
	double start = now();
	int fd, err, status;
	pid_t pid;

	catch_signals();
	pid = pv_producer_start(&r->o, r->began ? r->skip_file : NULL, &fd);
	if (pid < 0) {
		fprintf(stderr, "pmuvet run: cannot start: %s\n", strerror(-pid));
		return PV_EXIT_HARNESS;
	}
	err = pump(r, fd, pid);
	if (err)
		kill(pid, SIGTERM);
	close(fd);
	status = reap(pid);
	if (r->planned && err != -ENOSPC && err != -EFBIG && err != -EINVAL)
		write_end(r, now() - start);
	if (err)
		return err == -EINVAL && r->o.resume ? PV_EXIT_USAGE : PV_EXIT_HARNESS;
	if (r->planned)
		pv_view_end(r->view, r->path);
	if (r->worth_repro && !stopped)
		pv_repro_beside(r->path, view_kind(&r->o) == PV_VIEW_KTAP ? "# " : "");
	return exit_status(r, status);
}

static int run(struct pv_run_state *r)
{
	int err = open_journal(r);

	if (err)
		return err == -EEXIST || err == -EINVAL || err == -ENOENT ? PV_EXIT_USAGE
									  : PV_EXIT_HARNESS;
	r->stream = pv_stream_new("stream");
	if (!r->stream)
		return PV_EXIT_HARNESS;
	r->view = pv_view_new(view_kind(&r->o), stdout);
	if (!r->view)
		return PV_EXIT_HARNESS;
	if (r->o.resume && pv_run_read_old(r))
		return PV_EXIT_USAGE;
	if (r->began && pv_view_counts(r->view)->complete) {
		fprintf(stderr, "pmuvet run: %s is complete, nothing is left to do\n", r->path);
		return pv_view_exit(r->view);
	}
	if (r->began && pv_run_write_resume(r))
		return PV_EXIT_HARNESS;
	return produce(r);
}

int pv_run_main(int argc, char **argv)
{
	struct pv_run_state r = {.journal.fd = -1};
	bool done;
	int status = pv_options_parse(&r.o, argc, argv, &done);

	if (!status && !done && (r.o.list || r.o.dry_run)) {
		pid_t pid = pv_producer_start(&r.o, NULL, NULL);

		status = pid < 0 ? PV_EXIT_HARNESS : reap(pid);
	} else if (!status && !done) {
		status = run(&r);
		/* A run that never began leaves no empty file behind. */
		if (!r.planned && !r.o.json && r.journal.fd >= 0)
			unlink(r.path);
	}
	if (r.skip_file[0])
		unlink(r.skip_file);
	if (r.view)
		pv_view_free(r.view);
	if (r.stream)
		pv_stream_free(r.stream);
	pv_journal_close(&r.journal);
	pv_json_free(&r.json);
	pv_options_free(&r.o);
	free(r.kernel);
	free(r.platform);
	free(r.open_id);
	free(r.boot_id);
	return status;
}
