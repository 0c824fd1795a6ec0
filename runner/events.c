/* SPDX-License-Identifier: GPL-2.0-only */
/* The events of one run: those of the producer, and those of a stream that is resumed. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runner/run.h"

static char *kernel_of(const struct pv_stream_event *e)
{
	char *text = NULL;

	if (asprintf(&text, "%s (build-id %s)", e->fact[PV_F_RELEASE], e->fact[PV_F_BUILD_ID]) < 0)
		abort();
	return text;
}

static void set_text(char **to, const char *text)
{
	free(*to);
	*to = text ? strdup(text) : NULL;
}

static void note_end(struct pv_run_state *r, const struct pv_stream_event *e)
{
	r->knobs.nr = 0;
	set_text(&r->open_id, NULL);
	if (r->old)
		fprintf(r->skips, "%s\t%lld\n", e->id, (long long)e->rep);
}

static void note_knob(struct pv_run_state *r, const struct pv_stream_event *e)
{
	size_t n = r->knobs.nr;

	if (!r->old || n == PV_MAX_KNOBS)
		return;
	snprintf(r->knobs.knob[n].path, sizeof(r->knobs.knob[n].path), "%s", e->path);
	snprintf(r->knobs.knob[n].old, sizeof(r->knobs.knob[n].old), "%s", e->old);
	r->knobs.nr++;
}

/* A resumed run's first events are those of the old one: the producer's must say the same. */
static int check_resumed(struct pv_run_state *r, const struct pv_stream_event *e)
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
static int take(struct pv_run_state *r, const struct pv_stream_event *e)
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
	case PV_E_AGAIN:
		r->worth_repro |= e->reproduced;
		break;
	case PV_E_MESSAGE:
		r->worth_repro |= e->id && !strncmp(e->text, "repro: ", strlen("repro: "));
		break;
	case PV_E_RUN_END:
		/* Ours is written at the end, over all processes that worked on this stream. */
		r->complete = e->complete;
		if (r->old) {
			r->seconds += e->seconds;
		} else {
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

int pv_run_journal(struct pv_run_state *r, const char *line, size_t len)
{
	int err = pv_journal_write(&r->journal, line, len);

	if (err)
		fprintf(stderr,
			"pmuvet run: %s: %s; what was recorded before is kept, go on with --resume\n",
			r->path, strerror(-err));
	return err;
}

int pv_run_line(struct pv_run_state *r, const char *text, size_t len)
{
	const struct pv_stream_event *e;
	int err = pv_stream_line(r->stream, text, len, &e);

	if (err) {
		fprintf(stderr, "pmuvet run: the producer's stream: %s\n",
			pv_stream_error(r->stream));
		return err;
	}
	err = take(r, e);
	return err > 0 ? pv_run_journal(r, text, len) : err;
}

/* ---- resuming ---- */

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
static int end_crashed(struct pv_run_state *r)
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
	if (pv_run_journal(r, j->buf, j->len) || pv_stream_line(r->stream, j->buf, j->len, &e))
		return -EIO;
	return take_old(r, e);
}

/* What a resumed stream has said; its knobs go back, its done cases into the skip file. */
int pv_run_read_old(struct pv_run_state *r)
{
	struct pv_stream *s = pv_stream_new(r->path);
	const char *tmp = getenv("TMPDIR");
	bool cut;
	int err, fd;

	snprintf(r->skip_file, sizeof(r->skip_file), "%s/pmuvet-skip-XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
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

int pv_run_write_resume(struct pv_run_state *r)
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
	return pv_run_journal(r, r->json.buf, r->json.len);
}
