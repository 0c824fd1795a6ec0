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

#include "results/stream.h"
#include "results/views.h"
#include "runner/agent/json.h"
#include "runner/agent/knobs.h"
#include "runner/journal.h"
#include "runner/options.h"
#include "runner/runner.h"

/* How often the progress display moves while nothing comes in. */
#define TICK_MS 500

struct run {
	struct pv_options o;
	struct pv_journal journal;
	struct pv_stream *stream;
	struct pv_view *view;
	struct pv_json json;
	char path[PATH_SIZE], skip_file[64];
	FILE *skips;             /* what a resumed stream has done already */
	char *open_id, *boot_id; /* its case that has begun and not ended; the kernel start that it
				    ran on */
	int64_t open_rep;
	struct pv_knobs knobs; /* turned and perhaps not put back: by a case that has no end */
	char *kernel;          /* release and build-id of the stream that is resumed */
	char *platform;
	int64_t planned;
	double seconds; /* of earlier processes that worked on this stream */
	bool old;       /* reading what was recorded before */
	bool began, complete, producer_ended;
	char reason[256];
};

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

static char *kernel_of(const struct pv_stream_event *e)
{
	char *text = NULL;

	if (asprintf(&text, "%s (build-id %s)", e->fact[PV_F_RELEASE], e->fact[PV_F_BUILD_ID]) < 0)
		abort();
	return text;
}

/* ---- events ---- */

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = text ? strdup(text) : NULL;
}

static void note_end(struct run *r, const struct pv_stream_event *e)
{
	r->knobs.nr = 0;
	set_text(&r->open_id, NULL);
	if (r->old)
		fprintf(r->skips, "%s\t%lld\n", e->id, (long long)e->rep);
}

static void note_knob(struct run *r, const struct pv_stream_event *e)
{
	size_t n = r->knobs.nr;

	if (!r->old || n == PV_MAX_KNOBS)
		return;
	snprintf(r->knobs.knob[n].path, sizeof(r->knobs.knob[n].path), "%s", e->path);
	snprintf(r->knobs.knob[n].old, sizeof(r->knobs.knob[n].old), "%s", e->old);
	r->knobs.nr++;
}

/* A resumed run's first events are those of the old one: the producer's must say the same. */
static int check_resumed(struct run *r, const struct pv_stream_event *e)
{
	char *kernel;
	bool same;

	if (e->type == PV_E_PLAN) {
		if (e->count == r->planned)
			return 0;
		fprintf(stderr,
			"pmuvet run: %s: the stream has a plan of %lld, these options give %lld; "
			"resume with the same options\n",
			r->path, (long long)r->planned, (long long)e->count);
		return -EINVAL;
	}
	kernel = kernel_of(e);
	same = !strcmp(kernel, r->kernel);
	if (!same)
		fprintf(stderr, "pmuvet run: %s was recorded on kernel %s, this is %s\n", r->path,
			r->kernel, kernel);
	free(kernel);
	return same ? 0 : -EINVAL;
}

/* 1: belongs into the journal, 0: not, or -errno. */
static int take(struct run *r, const struct pv_stream_event *e)
{
	bool resumed = !r->old && r->began && r->o.resume;

	switch (e->type) {
	case PV_E_RUN_BEGIN:
		if (resumed)
			return check_resumed(r, e);
		r->kernel = kernel_of(e);
		r->platform = strdup(e->fact[PV_F_PLATFORM]);
		set_text(&r->boot_id, e->fact[PV_F_BOOT_ID]);
		r->began = r->old;
		break;
	case PV_E_PLAN:
		if (resumed)
			return check_resumed(r, e);
		r->planned = e->count;
		break;
	case PV_E_CASE_BEGIN:
		set_text(&r->open_id, e->id);
		r->open_rep = e->rep;
		break;
	case PV_E_RESUME:
		set_text(&r->boot_id, e->fact[PV_F_BOOT_ID]);
		set_text(&r->open_id, NULL);
		break;
	case PV_E_CASE_END:
		note_end(r, e);
		break;
	case PV_E_KNOB:
		note_knob(r, e);
		break;
	case PV_E_RUN_END:
		/* Ours is written at the end, over all processes that worked on this stream. */
		r->seconds += e->seconds;
		r->complete = e->complete;
		if (!r->old) {
			r->producer_ended = true;
			snprintf(r->reason, sizeof(r->reason), "%s", e->reason ? e->reason : "");
			return 0;
		}
		break;
	default:
		break;
	}
	pv_view_event(r->view, e);
	return 1;
}

static int take_old(void *ctx, const struct pv_stream_event *e)
{
	int n = take(ctx, e);

	return n < 0 ? n : 0;
}

static int journal_line(struct run *r, const char *line, size_t len)
{
	int err = pv_journal_write(&r->journal, line, len);

	if (err)
		fprintf(stderr,
			"pmuvet run: %s: %s; what was recorded before is kept, go on with --resume\n",
			r->path, strerror(-err));
	return err;
}

static int line(struct run *r, const char *text, size_t len)
{
	const struct pv_stream_event *e;
	int err = pv_stream_line(r->stream, text, len, &e);

	if (err) {
		fprintf(stderr, "pmuvet run: the producer's stream: %s\n",
			pv_stream_error(r->stream));
		return err;
	}
	err = take(r, e);
	return err > 0 ? journal_line(r, text, len) : err;
}

/* ---- the producer ---- */

static int pump(struct run *r, int fd, pid_t pid)
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
			err = line(r, start, nl - start);
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

static void write_end(struct run *r, double seconds)
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
	if (!journal_line(r, j->buf, j->len) && !pv_stream_line(r->stream, j->buf, j->len, &e))
		pv_view_event(r->view, e);
}

static int exit_status(const struct run *r, int producer)
{
	if (stopped)
		return 128 + stopped;
	if (!r->planned)
		return producer == PV_EXIT_USAGE ? PV_EXIT_USAGE : PV_EXIT_HARNESS;
	return pv_view_exit(r->view);
}

/* ---- before and after ---- */

static int default_path(struct run *r)
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

static int open_journal(struct run *r)
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

static const char *this_boot(char *buf, size_t size)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || !fgets(buf, size, f))
		buf[0] = 0;
	if (f)
		fclose(f);
	buf[strcspn(buf, "\n")] = 0;
	return buf;
}

/* The machine went down during a case: that is the case's verdict, it does not run again. */
static int end_crashed(struct run *r)
{
	const struct pv_stream_event *e;
	struct pv_json *j = &r->json;
	char boot[64];

	if (!r->open_id || strcmp(r->o.platform, "host") || !r->boot_id || !*r->boot_id ||
	    !strcmp(r->boot_id, this_boot(boot, sizeof(boot))))
		return 0;
	fprintf(stderr, "pmuvet run: the machine went down during %s\n", r->open_id);
	pv_json_reset(j);
	pv_json_open(j, NULL, '{');
	pv_json_text(j, "event", "case_end");
	pv_json_text(j, "case", r->open_id);
	pv_json_int(j, "rep", r->open_rep);
	pv_json_text(j, "verdict", "crash");
	pv_json_text(j, "reason", "the machine went down during this case");
	pv_json_close(j, '}');
	if (journal_line(r, j->buf, j->len) || pv_stream_line(r->stream, j->buf, j->len, &e))
		return -EIO;
	return take_old(r, e);
}

/* What a resumed stream has said; its knobs go back, its done cases into the skip file. */
static int read_old(struct run *r)
{
	struct pv_stream *s = pv_stream_new(r->path);
	bool cut;
	int err, fd;

	strcpy(r->skip_file, "/tmp/pmuvet-skip-XXXXXX");
	fd = mkstemp(r->skip_file);
	r->skips = fd < 0 ? NULL : fdopen(fd, "w");
	if (!s || !r->skips) {
		perror("pmuvet run: skip file");
		return -errno;
	}
	r->old = true;
	err = pv_stream_file(s, r->path, take_old, r, &cut);
	if (!err)
		err = end_crashed(r);
	r->old = false;
	if (err)
		fprintf(stderr, "pmuvet run: %s\n", pv_stream_error(s));
	else if (r->began && strcmp(r->platform, r->o.platform)) {
		fprintf(stderr, "pmuvet run: %s was recorded on platform %s, not %s\n", r->path,
			r->platform, r->o.platform);
		err = -EINVAL;
	}
	pv_stream_free(s);
	if (fclose(r->skips))
		err = err ? err : -EIO;
	if (!err && !strcmp(r->o.platform, "host"))
		pv_knobs_restore(&r->knobs);
	return err;
}

static int write_resume(struct run *r)
{
	time_t t = time(NULL);
	char stamp[64], boot[64];
	struct tm tm;

	gmtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	pv_json_reset(&r->json);
	pv_json_open(&r->json, NULL, '{');
	pv_json_text(&r->json, "event", "resume");
	pv_json_text(&r->json, "start", stamp);
	pv_json_text(&r->json, "boot_id", this_boot(boot, sizeof(boot)));
	pv_json_close(&r->json, '}');
	return journal_line(r, r->json.buf, r->json.len);
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

static int produce(struct run *r)
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
	return exit_status(r, status);
}

static enum pv_view_kind view_kind(const struct pv_options *o)
{
	if (o->quiet)
		return PV_VIEW_QUIET;
	return isatty(STDOUT_FILENO) ? PV_VIEW_PROGRESS : PV_VIEW_KTAP;
}

static int run(struct run *r)
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
	if (r->o.resume && read_old(r))
		return PV_EXIT_USAGE;
	if (r->began && pv_view_counts(r->view)->complete) {
		fprintf(stderr, "pmuvet run: %s is complete, nothing is left to do\n", r->path);
		return pv_view_exit(r->view);
	}
	if (r->began && write_resume(r))
		return PV_EXIT_HARNESS;
	return produce(r);
}

int pv_run_main(int argc, char **argv)
{
	struct run r = {.journal.fd = -1};
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
