/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PERF_SAMPLE_READ: what a sample says it has read is what read(2) says, in every read_format, for
 * a leader, a sibling and an event alone (perf_output_read_one(), perf_output_read_group()).
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/work.h"
#include "cases/pv.h"

#define NR      4
#define FORMATS 32

static struct pv_record rec;

/* Faults are counted by the kernel's entry code and by mm: both see each of these. */
static const uint64_t config[NR] = {
	PERF_COUNT_SW_PAGE_FAULTS,
	PERF_COUNT_SW_DUMMY,
	PERF_COUNT_SW_TASK_CLOCK,
	PERF_COUNT_SW_PAGE_FAULTS,
};

struct group {
	struct pv_ev *ev[NR];
	uint64_t id[NR];
};

static struct perf_event_attr member(uint64_t what, uint64_t format)
{
	struct perf_event_attr attr = pv_dummy;

	attr.config = what;
	attr.read_format = format;
	attr.sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_READ | PERF_SAMPLE_DATA_SRC;
	attr.exclude_kernel = 0;
	return attr;
}

/* The leader or the last sibling samples, which both count the faults. */
static struct group open_group(struct pv_test *t, uint64_t format, int sampler)
{
	struct group g = {0};

	for (int i = 0; i < NR; i++) {
		struct perf_event_attr attr = member(config[i], format);

		attr.sample_period = i == sampler;
		attr.disabled = !i;
		g.ev[i] = pv_open(t, &attr, 0, -1, i ? g.ev[0] : NULL, 0);
		pv_ioctl(g.ev[i], PERF_EVENT_IOC_ID, (unsigned long)&g.id[i]);
	}
	pv_ring_map(t, g.ev[sampler], 2);
	return g;
}

static void touch(struct pv_test *t, unsigned int n)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
	madvise(p, n * page, MADV_NOHUGEPAGE);
	for (unsigned int i = 0; i < n; i++)
		pv_asm_store1(1, p + i * page);
	munmap(p, n * page);
}

struct wrong {
	unsigned int samples, nr, order, value, fault, quiet, clock, enabled, running, lost;
};

/* What read(2) said before and after the sample was taken: times lie between. */
static void judge(const struct group *g, int sampler, uint64_t format, uint64_t nth,
		  const struct pv_sample *s, const struct pv_group *before,
		  const struct pv_group *after, struct wrong *w)
{
	bool whole = format & PERF_FORMAT_GROUP;
	const struct pv_group *r = &s->read;

	w->nr += r->nr != (whole ? NR : 1);
	for (unsigned int i = 0; i < r->nr && i < NR; i++) {
		int who = whole ? (int)i : sampler;
		const struct pv_count *m = &r->member[i];

		w->order += format & PERF_FORMAT_ID && m->id != g->id[who];
		w->lost += m->lost != 0;
		/* The members of a group are told of a fault one after the other. */
		if (who == sampler)
			w->fault += m->value != nth;
		else if (config[who] == PERF_COUNT_SW_PAGE_FAULTS)
			w->fault += m->value != nth && m->value + 1 != nth;
		else if (config[who] == PERF_COUNT_SW_DUMMY)
			w->quiet += m->value != 0;
		else
			w->clock += m->value < before->member[i].value ||
				    m->value > after->member[i].value || !m->value;
	}
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED)
		w->enabled += r->enabled <= before->enabled || r->enabled > after->enabled;
	if (format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		w->running += r->running <= before->running || r->running > after->running;
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED && format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		w->running += r->running != r->enabled;
}

static void read_all(struct pv_test *t, const struct group *g, int sampler, uint64_t format,
		     struct pv_group *out)
{
	struct pv_count c;

	if (format & PERF_FORMAT_GROUP) {
		pv_read_group(t, g->ev[0], out);
		return;
	}
	c = pv_read(t, g->ev[sampler]);
	*out = (struct pv_group){
		.nr = 1, .enabled = c.enabled, .running = c.running, .member = {c}};
}

PV_CASE(sample_read, format, .pmu = "perf", .each = "word[leader,sibling]", .proof = "kernel",
	.about =
		"a sample's read block has the layout of its read_format, the group's order, and the numbers of read(2)")
{
	int sampler = strcmp(pv_word(t), "leader") ? NR - 1 : 0;
	struct wrong w = {0};
	unsigned int samples = 0, value = 0;

	for (uint64_t format = 0; format < FORMATS; format++) {
		struct group g = open_group(t, format, sampler);
		struct pv_group before, after;
		struct pv_sample s;
		uint64_t nth = 0;

		touch(t, 1);
		for (int round = 0; round < 2; round++) {
			read_all(t, &g, sampler, format, &before);
			pv_enable(t, g.ev[NR - 1]);
			touch(t, 2);
			pv_disable(t, g.ev[NR - 1]);
			read_all(t, &g, sampler, format, &after);
			while (pv_sample_next(t, g.ev[sampler], &rec, &s)) {
				judge(&g, sampler, format, ++nth, &s, &before, &after, &w);
				samples++;
			}
			value +=
				after.member[format & PERF_FORMAT_GROUP ? sampler : 0].value != nth;
		}
		for (int i = NR - 1; i >= 0; i--)
			pv_close(t, g.ev[i]);
	}
	pv_expect_eq(t, "samples", samples, FORMATS * 2 * 2);
	pv_expect_eq(t, "counts that are not the samples'", value, 0);
	pv_expect_eq(t, "read blocks of a wrong number of events", w.nr, 0);
	pv_expect_eq(t, "ids out of the group's order", w.order, 0);
	pv_expect_eq(t, "counts of faults", w.fault, 0);
	pv_expect_eq(t, "counts of the dummy", w.quiet, 0);
	pv_expect_eq(t, "task clocks outside of what read(2) says", w.clock, 0);
	pv_expect_eq(t, "enabled times outside of what read(2) says", w.enabled, 0);
	pv_expect_eq(t, "running times outside of what read(2) says", w.running, 0);
	pv_expect_eq(t, "lost where nothing was", w.lost, 0);
}

PV_CASE(sample_read, lost, .pmu = "perf", .each = "word[single,group]", .proof = "kernel",
	.about = "the lost count in a sample is the number of samples that did not fit before it")
{
	bool group = !strcmp(pv_word(t), "group");
	uint64_t format = PERF_FORMAT_LOST | (group ? PERF_FORMAT_GROUP : 0);
	struct perf_event_attr attr = member(PERF_COUNT_SW_PAGE_FAULTS, format), probe;
	uint64_t room, lost = 0, nonzero = 0, last = 0;
	struct pv_sample s;
	struct pv_ev *ev;

	attr.sample_period = 1;
	probe = attr;
	if (pv_outcome(t, &probe, 0, -1, -1, 0) == -EINVAL && pv_attr_size(t) < 136)
		pv_skip(t, PV_TOO_OLD, "PERF_FORMAT_LOST needs Linux 6.0");
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	/* header, IDENTIFIER, READ and DATA_SRC; one byte of the page stays free */
	room = (sysconf(_SC_PAGESIZE) - 1) / (8 + 8 + 8 * (group ? 3 : 2) + 8);
	pv_enable(t, ev);
	touch(t, room + 7);
	pv_disable(t, ev);
	while (pv_sample_next(t, ev, &rec, &s))
		nonzero += s.read.member[0].lost != 0;
	pv_enable(t, ev);
	touch(t, 1);
	pv_disable(t, ev);
	while (pv_ring_next(t, ev, &rec)) {
		if (rec.header.type == PERF_RECORD_LOST) {
			memcpy(&lost, rec.body + 8, sizeof(lost));
		} else if (rec.header.type == PERF_RECORD_SAMPLE) {
			pv_sample_decode(t, ev, &rec, &s);
			last = s.read.member[0].lost;
		}
	}
	pv_expect_eq(t, "samples that tell of a loss before there was one", nonzero, 0);
	pv_expect_eq(t, "LOST records", lost, 7);
	pv_expect_eq(t, "lost by the sample behind", last, 7);
	pv_expect_eq(t, "lost by read", pv_read(t, ev).lost, 7);
}
