/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What sample_id_all puts behind the records that are no samples: __perf_event__output_id_sample()
 * of core.c. COMM is the cheapest of them; FORK, EXIT, MMAP2 and LOST have the same trailer.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static const uint64_t field[] = {
	PERF_SAMPLE_TID,       PERF_SAMPLE_TIME, PERF_SAMPLE_ID,
	PERF_SAMPLE_STREAM_ID, PERF_SAMPLE_CPU,  PERF_SAMPLE_IDENTIFIER,
};
#define NR_FIELDS (sizeof(field) / sizeof(field[0]))

static struct pv_record rec;

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static struct perf_event_attr sideband(uint64_t sample_type)
{
	struct perf_event_attr attr = pv_dummy;

	attr.sample_type = sample_type;
	attr.sample_id_all = 1;
	attr.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC;
	return attr;
}

static uint64_t id_of(struct pv_ev *ev)
{
	uint64_t id = 0;

	pv_ioctl(ev, PERF_EVENT_IOC_ID, (unsigned long)&id);
	return id;
}

struct owner {
	uint64_t id, stream_id, before, after;
	pid_t pid, tid;
};

/* The fields that sample_type names are the owner's. */
static bool right(struct pv_test *t, uint64_t type, const struct pv_sample *s,
		  const struct owner *o)
{
	bool ok = true;

	if (type & PERF_SAMPLE_TID)
		ok &= s->pid == (uint32_t)o->pid && s->tid == (uint32_t)o->tid;
	if (type & PERF_SAMPLE_TIME)
		ok &= s->time >= o->before && s->time <= o->after;
	if (type & PERF_SAMPLE_ID)
		ok &= s->id == o->id;
	if (type & PERF_SAMPLE_STREAM_ID)
		ok &= s->stream_id == o->stream_id;
	if (type & PERF_SAMPLE_CPU)
		ok &= s->cpu == (uint32_t)pv_cpu(t) && !s->cpu_reserved;
	if (type & PERF_SAMPLE_IDENTIFIER)
		ok &= s->identifier == o->id;
	return ok;
}

/* "pmuvet" and its end are padded to 8 bytes: header, pid, tid, comm. */
#define COMM      "pmuvet"
#define COMM_SIZE (8 + 8 + 8)

PV_CASE(sample_id, comm, .pmu = "perf", .proof = "kernel",
	.about =
		"behind a COMM record stand exactly the id fields that are asked for, in order, with their values")
{
	unsigned int size = 0, body = 0, values = 0, records = 0;

	for (uint64_t mask = 0; mask < 1 << NR_FIELDS; mask++) {
		uint64_t type = PERF_SAMPLE_IP | PERF_SAMPLE_PERIOD | PERF_SAMPLE_WEIGHT;
		struct perf_event_attr attr;
		struct pv_sample s;
		struct owner o = {.pid = getpid(), .tid = gettid()};
		struct pv_ev *ev;
		uint32_t who[2];

		for (size_t i = 0; i < NR_FIELDS; i++)
			type |= mask & 1 << i ? field[i] : 0;
		attr = sideband(type);
		attr.comm = 1;
		ev = pv_open(t, &attr, 0, -1, NULL, 0);
		pv_ring_map(t, ev, 1);
		o.id = o.stream_id = id_of(ev);
		pv_enable(t, ev);
		o.before = monotonic();
		prctl(PR_SET_NAME, COMM);
		o.after = monotonic();
		pv_disable(t, ev);
		if (!pv_ring_next(t, ev, &rec) || rec.header.type != PERF_RECORD_COMM)
			pv_fail(t, "no COMM record with sample_type 0x%llx",
				(unsigned long long)type);
		records++;
		records += pv_ring_head(ev) != rec.header.size;
		memcpy(who, rec.body, sizeof(who));
		size += rec.header.size != COMM_SIZE + pv_trailer_size(type);
		body += who[0] != (uint32_t)o.pid || who[1] != (uint32_t)o.tid ||
			memcmp(rec.body + 8, COMM "\0", 8);
		pv_trailer_decode(t, type, &rec, &s);
		values += !right(t, type, &s, &o);
		pv_close(t, ev);
	}
	pv_expect_eq(t, "COMM records", records, 1 << NR_FIELDS);
	pv_expect_eq(t, "with a wrong size", size, 0);
	pv_expect_eq(t, "with a wrong pid, tid or name", body, 0);
	pv_expect_eq(t, "with a wrong id field", values, 0);
}

PV_CASE(sample_id, off, .pmu = "perf", .proof = "kernel",
	.about = "without sample_id_all no record but a sample has id fields")
{
	struct perf_event_attr attr = sideband(0);
	struct pv_ev *ev;

	for (size_t i = 0; i < NR_FIELDS; i++)
		attr.sample_type |= field[i];
	attr.sample_id_all = 0;
	attr.comm = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_enable(t, ev);
	prctl(PR_SET_NAME, COMM);
	pv_disable(t, ev);
	pv_expect(t, "a COMM record",
		  pv_ring_next(t, ev, &rec) && rec.header.type == PERF_RECORD_COMM);
	pv_expect_eq(t, "its size", rec.header.size, COMM_SIZE);
}

/* ---- whose event wrote it ---- */

static void rename_self(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
	prctl(PR_SET_NAME, COMM);
}

PV_CASE(sample_id, inherited, .pmu = "perf", .proof = "kernel",
	.about =
		"a child's record has the id of the event that was opened, the stream id of the child's own, and the child's pid")
{
	struct perf_event_attr attr =
		sideband(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID |
			 PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER);
	struct owner o = {0};
	struct pv_ev *ev;
	uint64_t streams[3] = {0};
	struct pv_sample s;
	unsigned int n = 0;

	attr.comm = 1;
	attr.inherit = 1;
	attr.disabled = 0;
	/* With an event that is not inherited parent and child never swap their contexts
	 * (perf_event_init_context(): inherited_all), so a child has events of its own. */
	pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	ev = pv_open(t, &attr, 0, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 1);
	o.id = id_of(ev);
	for (int i = 0; i < 3; i++) {
		o.before = monotonic();
		o.pid = o.tid = pv_fork(t, rename_self, NULL);
		pv_wait(t, o.pid);
		o.after = monotonic();
		while (pv_ring_next(t, ev, &rec)) {
			if (rec.header.type != PERF_RECORD_COMM)
				continue;
			pv_trailer_decode(t, attr.sample_type, &rec, &s);
			streams[i] = o.stream_id = s.stream_id;
			pv_expect(t, "id fields of a child's record",
				  right(t, attr.sample_type, &s, &o));
			n++;
		}
	}
	pv_expect_eq(t, "records", n, 3);
	pv_expect(t, "stream ids of children are their own",
		  streams[0] && streams[0] != o.id && streams[1] != o.id && streams[2] != o.id &&
			  streams[0] != streams[1] && streams[1] != streams[2]);
}

static void do_nothing(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
}

/* One record of each kind that one task can make of itself or by a child. */
static void make(struct pv_test *t, unsigned int type)
{
	void *p;

	switch (type) {
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		pv_wait(t, pv_fork(t, do_nothing, NULL));
		break;
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		p = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_EXEC,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		munmap(p, sysconf(_SC_PAGESIZE));
		break;
	case PERF_RECORD_SWITCH:
	case PERF_RECORD_SWITCH_CPU_WIDE:
		usleep(1000);
		break;
	}
}

/* The fixed part of each, as the ABI lists it; names have their own size behind it. */
static const struct {
	const char *word;
	unsigned int type, fixed;
	bool named;
} kinds[] = {
	{"fork", PERF_RECORD_FORK, 8 + 16 + 8, false},
	{"exit", PERF_RECORD_EXIT, 8 + 16 + 8, false},
	{"mmap", PERF_RECORD_MMAP, 8 + 8 + 24, true},
	{"mmap2", PERF_RECORD_MMAP2, 8 + 8 + 24 + 24 + 8, true},
	{"switch", PERF_RECORD_SWITCH, 8, false},
	{"switch-cpu-wide", PERF_RECORD_SWITCH_CPU_WIDE, 8 + 8, false},
};

PV_CASE(sample_id, records, .pmu = "perf",
	.each = "word[fork,exit,mmap,mmap2,switch,switch-cpu-wide]", .proof = "kernel",
	.about = "every kind of record has the same trailer: present when asked for, and right")
{
	uint64_t all = 0, type;
	size_t kind = 0;

	while (strcmp(pv_word(t), kinds[kind].word))
		kind++;
	type = kinds[kind].type;
	for (size_t i = 0; i < NR_FIELDS; i++)
		all |= field[i];
	for (int id_all = 0; id_all < 2; id_all++) {
		struct perf_event_attr attr = sideband(all);
		bool wide = type == PERF_RECORD_SWITCH_CPU_WIDE;
		unsigned int seen = 0, wrong = 0, size = 0;
		struct pv_ev *ev;
		struct owner o = {0};
		struct pv_sample s;

		attr.task = type == PERF_RECORD_FORK || type == PERF_RECORD_EXIT;
		attr.mmap = attr.mmap_data = type == PERF_RECORD_MMAP || type == PERF_RECORD_MMAP2;
		attr.mmap2 = type == PERF_RECORD_MMAP2;
		attr.context_switch = type == PERF_RECORD_SWITCH || wide;
		attr.exclude_kernel = 0;
		attr.inherit = type == PERF_RECORD_EXIT;
		attr.sample_id_all = id_all;
		ev = pv_open(t, &attr, wide ? -1 : 0, pv_cpu(t), NULL, 0);
		pv_ring_map(t, ev, 4);
		o.id = id_of(ev);
		pv_enable(t, ev);
		o.before = monotonic();
		make(t, type);
		o.after = monotonic();
		pv_disable(t, ev);
		while (pv_ring_next(t, ev, &rec)) {
			uint64_t trailer = id_all ? pv_trailer_size(all) : 0;
			uint64_t at = kinds[kind].fixed;

			if (rec.header.type != type)
				continue;
			seen++;
			if (kinds[kind].named)
				at += (strlen((char *)rec.body + at - 8) + 1 + 7) / 8 * 8;
			size += rec.header.size != at + trailer;
			if (!id_all)
				continue;
			pv_trailer_decode(t, all, &rec, &s);
			/* an inherited event's own number is not known; others may switch too */
			o.stream_id = attr.inherit ? s.stream_id : o.id;
			o.pid = wide || attr.inherit ? (pid_t)s.pid : getpid();
			o.tid = wide || attr.inherit ? (pid_t)s.tid : gettid();
			wrong += !right(t, all, &s, &o);
		}
		pv_expect_in(t, "records", seen, 1, 100000);
		pv_expect_eq(t, id_all ? "of a wrong size" : "of a wrong size without a trailer",
			     size, 0);
		pv_expect_eq(t, id_all ? "with wrong id fields" : "with id fields", wrong, 0);
		pv_close(t, ev);
	}
}
