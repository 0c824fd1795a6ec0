/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * COMM records: one for each change of a task's name, and the trailer that every side-band record
 * ends with. perf_event_comm_event(), __perf_event__output_id_sample() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cases/lib/sideband.h"
#include "cases/lib/sys.h"

static void expect_comm(struct pv_test *t, const char *what, const struct sb_log *log,
			const struct sb_rec *r, uint16_t misc, pid_t tid, const char *name,
			const struct sb_who *who)
{
	struct sb_check c =
		sb_begin(t, what, log, r, PERF_RECORD_COMM, misc, 8 + sb_padded(name), who);

	sb_is(&c, "pid", sb_u32(r, 0), (uint32_t)who->pid);
	sb_is(&c, "tid", sb_u32(r, 4), (uint32_t)tid);
	sb_string(&c, r, 8, name);
	sb_end(&c);
}

static void set_name(struct pv_test *t, const char *name)
{
	if (prctl(PR_SET_NAME, name))
		pv_error(t, PV_BROKEN_SETUP, "PR_SET_NAME: %s", strerrorname_np(errno));
}

PV_CASE(sideband, comm_name, .pmu = "perf", .proof = "kernel",
	.about = "a COMM for each PR_SET_NAME, whatever the length of the name, cut after 15, the "
		 "same name too; none while the event is off")
{
	static const char *const names[] = {"",
					    "a",
					    "same",
					    "same",
					    "seven c",
					    "eight ch",
					    "nine char",
					    "new\nline\tand\x01",
					    "fourteen chars",
					    "fifteen letters",
					    "sixteen characte",
					    "much longer than any name may be"};
	const unsigned int n = sizeof(names) / sizeof(names[0]);
	struct perf_event_attr attr = sb_attr();
	struct sb_who me = sb_self();
	struct pv_ev *ev;
	struct sb_log *log;

	attr.comm = 1;
	ev = sb_open(t, &attr, 0, -1);
	set_name(t, "before");
	pv_enable(t, ev);
	for (unsigned int i = 0; i < n; i++)
		set_name(t, names[i]);
	pv_disable(t, ev);
	set_name(t, "off");
	pv_enable(t, ev);
	set_name(t, "on again");
	pv_disable(t, ev);
	log = sb_take(t, ev);
	pv_expect_eq(t, "records", log->n, n + 1);
	for (unsigned int i = 0; i <= n; i++) {
		char what[32], cut[16];

		snprintf(what, sizeof(what), "COMM %u", i);
		snprintf(cut, sizeof(cut), "%s", i < n ? names[i] : "on again");
		expect_comm(t, what, log, sb_find(log, PERF_RECORD_COMM, i), 0, gettid(), cut, &me);
	}
}

/* A thread that waits to be told to end. */
struct waiter {
	int tid, up[2], end[2];
};

static void *wait_for_end(void *arg)
{
	struct waiter *w = arg;
	char byte;

	w->tid = gettid();
	if (write(w->up[1], "", 1) != 1 || read(w->end[0], &byte, 1) < 0)
		return w;
	return NULL;
}

PV_CASE(sideband, comm_proc, .pmu = "perf", .proof = "kernel",
	.about = "a name written to /proc/self/task/TID/comm: the record is the writer's and names "
		 "the thread")
{
	struct perf_event_attr attr = sb_attr();
	struct sb_who me = sb_self();
	struct waiter w = {0};
	struct pv_ev *ev, *theirs;
	struct sb_log *log;
	pthread_t thread;
	char path[64], byte;
	int fd;

	if (pipe(w.up) || pipe(w.end) || pthread_create(&thread, NULL, wait_for_end, &w) ||
	    read(w.up[0], &byte, 1) != 1)
		pv_error(t, PV_BROKEN_SETUP, "no thread");
	attr.comm = 1;
	ev = sb_open(t, &attr, 0, -1);
	theirs = sb_open(t, &attr, w.tid, -1);
	pv_enable(t, ev);
	pv_enable(t, theirs);
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", w.tid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "other name", 10) != 10)
		pv_error(t, PV_BROKEN_SETUP, "%s: %s", path, strerrorname_np(errno));
	close(fd);
	fd = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "own name", 8) != 8)
		pv_error(t, PV_BROKEN_SETUP, "/proc/thread-self/comm: %s", strerrorname_np(errno));
	close(fd);
	pv_disable(t, ev);
	pv_disable(t, theirs);
	close(w.end[1]);
	pthread_join(thread, NULL);
	log = sb_take(t, ev);
	pv_expect_eq(t, "records of the writer", log->n, 2);
	expect_comm(t, "COMM of the thread", log, sb_find(log, PERF_RECORD_COMM, 0), 0, w.tid,
		    "other name", &me);
	expect_comm(t, "COMM of ourselves", log, sb_find(log, PERF_RECORD_COMM, 1), 0, gettid(),
		    "own name", &me);
	pv_expect_eq(t, "records of the thread", sb_take(t, theirs)->n, 0);
}

/* ---- the trailer ---- */

static const struct {
	uint64_t bit;
	const char *name;
} fields[] = {
	{PERF_SAMPLE_TID, "pid and tid"},
	{PERF_SAMPLE_TIME, "time"},
	{PERF_SAMPLE_ID, "id"},
	{PERF_SAMPLE_STREAM_ID, "stream id"},
	{PERF_SAMPLE_CPU, "cpu and reserved"},
	{PERF_SAMPLE_IDENTIFIER, "identifier"},
};
#define NR_FIELDS (sizeof(fields) / sizeof(fields[0]))

/* One COMM under this sample_type: how many words of it are wrong. */
static unsigned int wrong_words(struct pv_test *t, uint64_t sample_type, bool id_all)
{
	struct perf_event_attr attr = sb_attr();
	static struct pv_record rec;
	uint64_t from = pv_sys_walltime(), to, id = 0, word, at = 16;
	unsigned int wrong = 0, words = 0;
	struct pv_ev *ev;

	attr.comm = 1;
	attr.sample_id_all = id_all;
	/* what is not an id never goes into a trailer */
	attr.sample_type = sample_type | PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD | PERF_SAMPLE_ADDR;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_enable(t, ev);
	set_name(t, "trailer");
	to = pv_sys_walltime();
	pv_disable(t, ev);
	if (!pv_ring_next(t, ev, &rec) || pv_ioctl(ev, PERF_EVENT_IOC_ID, (uintptr_t)&id))
		pv_fail(t, "no COMM record for sample_type %#llx", (unsigned long long)sample_type);
	for (size_t i = 0; i < NR_FIELDS; i++)
		words += id_all && sample_type & fields[i].bit;
	wrong += rec.header.size != 32 - 8 + 8 * words || rec.header.type != PERF_RECORD_COMM;
	for (size_t i = 0; id_all && i < NR_FIELDS; i++) {
		bool right;

		if (!(sample_type & fields[i].bit))
			continue;
		memcpy(&word, rec.body + at, sizeof(word));
		at += 8;
		if (fields[i].bit == PERF_SAMPLE_TID)
			right = word == ((uint64_t)gettid() << 32 | (uint32_t)getpid());
		else if (fields[i].bit == PERF_SAMPLE_TIME)
			right = word >= from && word <= to;
		else if (fields[i].bit == PERF_SAMPLE_CPU)
			right = word == (uint64_t)pv_cpu(t);
		else
			right = word == id;
		if (!right && !wrong++)
			pv_message(t, "sample_type %#llx: %s is %#llx",
				   (unsigned long long)sample_type, fields[i].name,
				   (unsigned long long)word);
	}
	wrong += pv_ring_next(t, ev, &rec);
	pv_close(t, ev);
	return wrong;
}

PV_CASE(sideband, trailer, .pmu = "perf", .proof = "kernel",
	.about = "every combination of id fields makes its own trailer, IDENTIFIER last; without "
		 "sample_id_all there is none")
{
	unsigned int with = 0, without = 0;

	for (unsigned int set = 0; set < 1u << NR_FIELDS; set++) {
		uint64_t sample_type = 0;

		for (size_t i = 0; i < NR_FIELDS; i++)
			sample_type |= set >> i & 1 ? fields[i].bit : 0;
		with += wrong_words(t, sample_type, true);
		if (set % 7 == 0)
			without += wrong_words(t, sample_type, false);
	}
	pv_expect_eq(t, "wrong words with sample_id_all", with, 0);
	pv_expect_eq(t, "wrong words without", without, 0);
}
