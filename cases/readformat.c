/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * read(2) word by word: every read_format of every member of groups of one to four, in buffers that
 * are one byte short, exact and larger; the siblings ask for other formats than their leader.
 */
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define TIMES       (PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING)
#define ALL         (TIMES | PERF_FORMAT_ID | PERF_FORMAT_LOST)
#define NR_FORMATS  32 /* the bits of enum perf_event_read_format */
#define MAX_MEMBERS 4
#define CANARY      0x5eed5eed5eed5eedull

static const struct pv_event_desc *faults(struct pv_test *t)
{
	return pv_find_event(t, "sw", "page-faults");
}

/* PERF_FORMAT_LOST is younger than the others (6.0). */
static uint64_t known_formats(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, faults(t));
	long err;

	attr.read_format = ALL;
	err = pv_outcome(t, &attr, 0, -1, -1, 0);
	if (!err)
		return ALL | PERF_FORMAT_GROUP;
	attr.read_format = ALL & ~(uint64_t)PERF_FORMAT_LOST;
	pv_expect_errno(t, "open without LOST", err == -EINVAL ? 0 : err, 0);
	pv_expect_errno(t, "open with all other formats", pv_outcome(t, &attr, 0, -1, -1, 0), 0);
	return (ALL & ~(uint64_t)PERF_FORMAT_LOST) | PERF_FORMAT_GROUP;
}

struct member {
	struct pv_ev *ev;
	uint64_t format, count, id, lost;
};

struct group {
	struct member member[MAX_MEMBERS];
	int nr;
	uint64_t enabled, running;
};

struct verdict {
	uint64_t size, nospace, words, beyond;
};

/* The words that are due from member `who` of `g`; how many. */
static size_t expected(const struct group *g, int who, uint64_t *word)
{
	uint64_t format = g->member[who].format;
	bool group = format & PERF_FORMAT_GROUP;
	uint64_t *p = word;

	*p++ = group ? (uint64_t)g->nr : g->member[who].count;
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED)
		*p++ = g->enabled;
	if (format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		*p++ = g->running;
	for (int i = 0; i < g->nr; i++) {
		const struct member *m = &g->member[group ? i : who];

		if (group)
			*p++ = m->count;
		if (format & PERF_FORMAT_ID)
			*p++ = m->id;
		if (format & PERF_FORMAT_LOST)
			*p++ = m->lost;
		if (!group)
			break;
	}
	return p - word;
}

/* One member's read(2), with three buffers. */
static void check_member(struct pv_test *t, const struct group *g, int who, struct verdict *v)
{
	uint64_t due[4 + 3 * MAX_MEMBERS], buf[8 + 3 * MAX_MEMBERS];
	size_t words = expected(g, who, due), bytes = words * 8;
	const struct member *m = &g->member[who];
	int fd = pv_fd(m->ev);

	for (int extra = -1; extra <= 8; extra += extra < 0 ? 1 : 8) {
		long n;

		for (size_t i = 0; i < sizeof(buf) / 8; i++)
			buf[i] = CANARY;
		n = pv_sys_read(fd, buf, bytes + extra);
		if (extra < 0) {
			v->nospace += n != -ENOSPC;
			v->beyond += buf[0] != CANARY;
			continue;
		}
		v->beyond += buf[words] != CANARY;
		v->size += n != (long)bytes;
		for (size_t i = 0; i < words; i++) {
			if (buf[i] == due[i])
				continue;
			if (!v->words++)
				pv_message(t,
					   "format 0x%llx, member %d of %d: word %zu is %llu, due "
					   "is %llu",
					   (unsigned long long)m->format, who, g->nr, i,
					   (unsigned long long)buf[i], (unsigned long long)due[i]);
		}
	}
}

static void judge(struct pv_test *t, const struct verdict *v)
{
	pv_expect_eq(t, "reads that gave another size", v->size, 0);
	pv_expect_eq(t, "buffers a byte short that were not ENOSPC", v->nospace, 0);
	pv_expect_eq(t, "words that are not what is due", v->words, 0);
	pv_expect_eq(t, "words written that are not due", v->beyond, 0);
}

/*
 * A group whose leader has `format` and whose siblings have others, the last one both times.
 * Sibling i is switched off after i windows of one fault, the last one, on as long as the leader,
 * is reset after the first: no two counts are equal.
 */
static void count_in_group(struct pv_test *t, struct group *g, uint64_t format, uint64_t known)
{
	struct perf_event_attr attr = pv_attr(t, faults(t));
	struct pv_count times;
	uint64_t id;

	for (int i = 0; i < g->nr; i++) {
		struct member *m = &g->member[i];

		m->format = i ? (format ^ (i * 11)) & known : format;
		if (i == g->nr - 1 && i)
			m->format = TIMES;
		attr.read_format = m->format;
		attr.disabled = !i;
		m->ev = pv_open(t, &attr, 0, -1, i ? g->member[0].ev : NULL, 0);
		if (pv_ioctl(m->ev, PERF_EVENT_IOC_ID, (uintptr_t)&id))
			pv_fail(t, "IOC_ID failed");
		m->id = id;
		m->lost = 0;
		m->count = i ? i : g->nr;
	}
	pv_ioctl(g->member[0].ev, PERF_EVENT_IOC_ENABLE, 0);
	for (int i = 1; i <= g->nr; i++) {
		pv_work_event(t, faults(t), 1);
		if (i == 1 && g->nr > 1)
			pv_ioctl(g->member[g->nr - 1].ev, PERF_EVENT_IOC_RESET, 0);
		if (i < g->nr - 1)
			pv_ioctl(g->member[i].ev, PERF_EVENT_IOC_DISABLE, 0);
	}
	pv_ioctl(g->member[0].ev, PERF_EVENT_IOC_DISABLE, 0);
	/* By the sibling that tells both; they are equal, software events are always on. */
	times = pv_read(t, g->member[g->nr - 1].ev);
	g->enabled = times.enabled ? times.enabled : times.running;
	g->running = g->enabled;
}

static void warm_up(struct pv_test *t, struct verdict *v, uint64_t known)
{
	struct group g = {.nr = MAX_MEMBERS};

	v->words = 1; /* no words about the first faults of the process */
	count_in_group(t, &g, PERF_FORMAT_GROUP | TIMES, known);
	for (int i = 0; i < g.nr; i++) {
		check_member(t, &g, i, v);
		pv_close(t, g.member[i].ev);
	}
	memset(v, 0, sizeof(*v));
}

PV_CASE(readformat, group, .pmu = "perf", .each = "n[1,2,3,4]", .proof = "kernel",
	.about =
		"each read_format of a leader gives its words, exactly, in order and no more, whatever its siblings ask for")
{
	uint64_t known = known_formats(t), formats = 0;
	struct verdict v = {0};

	warm_up(t, &v, known);
	for (uint64_t format = 0; format < NR_FORMATS; format++) {
		struct group g = {.nr = pv_n(t)};

		if (format & ~known)
			continue;
		formats++;
		count_in_group(t, &g, format, known);
		check_member(t, &g, 0, &v);
		for (int i = g.nr - 1; i >= 0; i--)
			pv_close(t, g.member[i].ev);
	}
	pv_expect_in(t, "formats", formats, 16, NR_FORMATS);
	judge(t, &v);
}

/* One group with members of 16 formats without GROUP, or of those with it. */
static void all_formats(struct pv_test *t, uint64_t group_bit)
{
	const struct pv_event_desc *e = faults(t);
	struct perf_event_attr attr = pv_attr(t, e);
	uint64_t known = known_formats(t), wrong_time = 0;
	struct verdict v = {0};
	struct pv_ev *ev[17];
	struct pv_count lead;
	int nr = 0;

	warm_up(t, &v, known);
	attr.read_format = TIMES | PERF_FORMAT_ID;
	ev[nr++] = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.disabled = 0;
	for (uint64_t format = 0; format < NR_FORMATS; format++) {
		if (format & ~known || (format & PERF_FORMAT_GROUP) != group_bit)
			continue;
		attr.read_format = format;
		ev[nr++] = pv_open(t, &attr, 0, -1, ev[0], 0);
	}
	pv_ioctl(ev[0], PERF_EVENT_IOC_ENABLE, 0);
	pv_work_event(t, e, 5);
	pv_ioctl(ev[0], PERF_EVENT_IOC_DISABLE, 0);
	lead = pv_read(t, ev[0]);
	pv_expect_eq(t, "count", lead.value, 5);
	wrong_time += lead.enabled != lead.running;
	pv_expect_eq(t, "times of a leader that differ", wrong_time, 0);
	attr.read_format = 0;
	for (int i = 1, format = 0; i < nr; i++, format++) {
		uint64_t due[4 + 3 * 17], buf[5 + 3 * 17], *p = due, id;
		size_t bytes;

		while ((uint64_t)format & ~known || (format & PERF_FORMAT_GROUP) != (int)group_bit)
			format++;
		*p++ = group_bit ? (uint64_t)nr : 5;
		if (format & PERF_FORMAT_TOTAL_TIME_ENABLED)
			*p++ = lead.enabled;
		if (format & PERF_FORMAT_TOTAL_TIME_RUNNING)
			*p++ = lead.running;
		for (int k = group_bit ? 0 : i; k < (group_bit ? nr : i + 1); k++) {
			pv_ioctl(ev[k], PERF_EVENT_IOC_ID, (uintptr_t)&id);
			if (group_bit)
				*p++ = 5;
			if (format & PERF_FORMAT_ID)
				*p++ = id;
			if (format & PERF_FORMAT_LOST)
				*p++ = 0;
		}
		bytes = (p - due) * 8;
		memset(buf, 0x5e, sizeof(buf));
		v.nospace += pv_sys_read(pv_fd(ev[i]), buf, bytes - 1) != -ENOSPC;
		v.size += pv_sys_read(pv_fd(ev[i]), buf, bytes + 8) != (long)bytes;
		v.words += !!memcmp(buf, due, bytes);
		v.beyond += buf[bytes / 8] != 0x5e5e5e5e5e5e5e5eull;
	}
	judge(t, &v);
}

PV_CASE(readformat, sibling, .pmu = "perf", .proof = "kernel",
	.about =
		"sixteen siblings with a format each read what they asked for: the leader's times, their own count, id and losses")
{
	all_formats(t, 0);
}

PV_CASE(readformat, sibling_group, .pmu = "perf", .proof = "kernel",
	.about = "a sibling with FORMAT_GROUP reads the whole group in its own format")
{
	all_formats(t, PERF_FORMAT_GROUP);
}

PV_CASE(readformat, lost, .pmu = "perf", .proof = "kernel",
	.about =
		"what did not fit into a member's ring is lost in its own read, in the group's and in no other member's")
{
	const struct pv_event_desc *e = faults(t);
	struct perf_event_attr attr = pv_attr(t, e);
	uint64_t count = 400, in_ring = 0, lost;
	static struct pv_record rec;
	struct pv_ev *ev[3];
	struct pv_group g;

	if (!(known_formats(t) & PERF_FORMAT_LOST))
		pv_skip(t, PV_TOO_OLD, "PERF_FORMAT_LOST is not known here");
	attr.read_format = ALL | PERF_FORMAT_GROUP;
	ev[0] = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.disabled = 0;
	attr.read_format = ALL;
	ev[1] = pv_open(t, &attr, 0, -1, ev[0], 0);
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID;
	ev[2] = pv_open(t, &attr, 0, -1, ev[0], 0);
	pv_ring_map(t, ev[2], 1);
	pv_ioctl(ev[0], PERF_EVENT_IOC_ENABLE, 0);
	pv_work_event(t, e, count);
	pv_ioctl(ev[0], PERF_EVENT_IOC_DISABLE, 0);
	lost = pv_read(t, ev[2]).lost;
	pv_read_group(t, ev[0], &g);
	while (pv_ring_next(t, ev[2], &rec))
		in_ring += rec.header.type == PERF_RECORD_SAMPLE;
	pv_expect_in(t, "samples in the ring", in_ring, 1, count);
	pv_expect_eq(t, "samples in the ring and lost", in_ring + lost, g.member[2].value);
	pv_expect_eq(t, "lost by the group's read", g.member[2].lost, lost);
	pv_expect_eq(t, "lost by the leader", g.member[0].lost, 0);
	pv_expect_eq(t, "lost by the other sibling", g.member[1].lost, 0);
	pv_expect_eq(t, "lost by the other sibling's own read", pv_read(t, ev[1]).lost, 0);
	pv_ioctl(ev[0], PERF_EVENT_IOC_RESET, PERF_IOC_FLAG_GROUP);
	pv_expect_eq(t, "lost after reset", pv_read(t, ev[2]).lost, lost);
}
