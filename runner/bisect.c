/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `pmuvet regress --bisect`: one built kernel, one case, one answer for `git bisect run`.
 *
 * A case that fails as an erratum says (xfail) shows the bug: whoever bisects a known bug looks for
 * the commit that brought it. So xfail is bad and xpass is good.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "results/run.h"
#include "runner/regress.h"

enum { GOOD = 0, BAD = 1, UNTOLD = 125, STOP = 128 };

static const int answers[PV_R_NR] = {
	[PV_R_PASS] = GOOD,   [PV_R_XPASS] = GOOD,  [PV_R_XFAIL] = BAD,
	[PV_R_SKIP] = UNTOLD, [PV_R_MISS] = UNTOLD, [PV_R_ERROR] = UNTOLD,
	[PV_R_FAIL] = BAD,    [PV_R_HANG] = BAD,    [PV_R_CRASH] = BAD,
};

static int answer(int status, const char *text)
{
	printf("bisect: %s: %s\n",
	       status == GOOD     ? "good"
	       : status == BAD    ? "bad"
	       : status == UNTOLD ? "cannot tell"
				  : "stop",
	       text);
	fflush(stdout);
	return status;
}

/* An ELF file's; the machine's number stands at the same place in all of them. */
static const char *platform_of_elf(const char *path)
{
	unsigned char head[20] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool whole = fd >= 0 && read(fd, head, sizeof(head)) == sizeof(head);
	unsigned int machine = head[18] | head[19] << 8;

	if (fd >= 0)
		close(fd);
	if (!whole || memcmp(head, ELFMAG, SELFMAG) || head[EI_DATA] != ELFDATA2LSB)
		return NULL;
	return machine == EM_X86_64 ? "x86_64" : machine == EM_AARCH64 ? "arm64" : NULL;
}

/* The kernel's architecture by the images that a build leaves; `make vmlinux` leaves that alone. */
static const char *platform_of(const char *tree)
{
	static const struct {
		const char *image, *platform;
	} images[] = {
		{"arch/x86/boot/bzImage", "x86_64"},
		{"arch/arm64/boot/Image", "arm64"},
		{"arch/arm64/boot/Image.gz", "arm64"},
	};

	char path[PATH_SIZE];

	for (size_t i = 0; i < sizeof(images) / sizeof(images[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", tree, images[i].image);
		if (!access(path, F_OK))
			return images[i].platform;
	}
	snprintf(path, sizeof(path), "%s/vmlinux", tree);
	return platform_of_elf(path);
}

static int check(struct pv_regress *r)
{
	struct stat st;
	char why[PATH_SIZE + 100];

	if (!r->kernel || !r->cases)
		return answer(STOP,
			      "--bisect needs --kernel-tree DIR (or --kernel FILE) and --case ID");
	if (r->nr_platforms > 1)
		return answer(STOP, "--bisect takes one --platform");
	if (strncmp(r->kernel, "deb:", 4) && stat(r->kernel, &st)) {
		snprintf(why, sizeof(why), "%s: no such kernel tree", r->kernel);
		return answer(STOP, why);
	}
	if (!r->nr_platforms)
		r->platform[r->nr_platforms++] = platform_of(r->kernel);
	if (r->platform[0])
		return 0;
	snprintf(why, sizeof(why),
		 "%s: no kernel image there; is it built? else name the --platform", r->kernel);
	return answer(STOP, why);
}

static void make_job(struct pv_regress *r)
{
	struct pv_job *j = &r->job[r->nr_jobs++];
	char dir[PATH_SIZE - 128], stamp[64];
	time_t t = time(NULL);
	struct tm tm;

	j->platform = r->platform[0];
	j->kernel = r->kernel;
	j->fd = -1;
	pv_path(dir, sizeof(dir), "results/runs");
	if (r->dir)
		snprintf(dir, sizeof(dir), "%s", r->dir);
	pv_make_dirs(dir);
	localtime_r(&t, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
	snprintf(j->stream, sizeof(j->stream), "%s/%s-%d-bisect.jsonl", dir, stamp, (int)getpid());
	snprintf(j->log, sizeof(j->log), "%s/%s-%d-bisect.log", dir, stamp, (int)getpid());
}

/* "breakpoint/toggles/again:r4,sw-leader fail: ..." of the case that says most. */
static void case_text(char *buf, size_t size, const struct pv_case_run *c, size_t others)
{
	const struct pv_rep *rep = pv_worst_rep(c);

	snprintf(buf, size, "%s %s", c->id, pv_result_names[c->worst]);
	if (rep->erratum)
		snprintf(buf + strlen(buf), size - strlen(buf), ", erratum %s", rep->erratum);
	if (rep->title || rep->reason)
		snprintf(buf + strlen(buf), size - strlen(buf), ": %s",
			 rep->title ? rep->title : rep->reason);
	if (others)
		snprintf(buf + strlen(buf), size - strlen(buf), " (and %zu more)", others);
}

/* The case's worst repetition counts: a bug that shows at times is there. */
static int judge(const struct pv_run *run)
{
	size_t count[256] = {0};
	const struct pv_case_run *first[256] = {0};
	char text[1024];

	for (size_t i = 0; i < run->nr_cases; i++) {
		const struct pv_case_run *c = &run->cases[i];
		int told;

		if (!c->nr_reps)
			continue;
		told = answers[c->worst];
		if (c->count[PV_R_XFAIL] && told != BAD)
			told = BAD;
		if (!count[told]++)
			first[told] = c;
	}
	for (size_t i = 0; i < 2; i++) {
		static const int order[] = {BAD, GOOD};
		int told = order[i];

		if (!count[told] || (told == GOOD && !run->complete))
			continue;
		if (told == GOOD && first[UNTOLD] && first[UNTOLD]->worst != PV_R_SKIP)
			break;
		case_text(text, sizeof(text), first[told], count[told] - 1);
		return answer(told, text);
	}
	if (!first[UNTOLD])
		return answer(UNTOLD, run->why);
	case_text(text, sizeof(text), first[UNTOLD], count[UNTOLD] - 1);
	return answer(UNTOLD, text);
}

int pv_bisect(struct pv_regress *r, const volatile sig_atomic_t *stopped)
{
	struct pv_job *j = &r->job[0];
	struct pv_run *run;
	char error[1024];
	int status = check(r);

	if (status)
		return status;
	pv_args_add(&r->pass, "--no-retry");
	make_job(r);
	pv_regress_run_jobs(r, stopped);
	if (*stopped)
		return 128 + *stopped;
	if (j->status == PV_EXIT_USAGE)
		return answer(STOP, "see above");
	if (pv_run_load(j->stream, &run, error, sizeof(error)))
		return answer(STOP, error);
	/* A kernel that does not boot has been tried twice; a QEMU that refuses has not. */
	if (!run->verdicts && run->boots < 2)
		status = answer(STOP, run->why);
	else if (!run->verdicts)
		status = answer(UNTOLD, "the kernel does not boot as far as its init, tried twice");
	else
		status = judge(run);
	pv_run_free(run);
	printf("stream: %s\n", j->stream);
	return status;
}
