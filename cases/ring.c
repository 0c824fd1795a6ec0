/* SPDX-License-Identifier: GPL-2.0-only */
/* The ring buffer: every period gives one sample or one counted loss, whole and in order. */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

/* Many fields make records big: a page is full after 56 of them, and 72 divides no page. */
#define SAMPLE_TYPE                                                                                \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME |            \
	 PERF_SAMPLE_ADDR | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU)
struct sample {
	uint64_t identifier, ip;
	uint32_t pid, tid;
	uint64_t time, addr, id, stream_id;
	uint32_t cpu, reserved;
};

struct lost {
	uint64_t id, lost;
};

/* What the records of one ring say together. */
struct tally {
	uint64_t samples, lost, lost_records, others, wrapped;
	uint64_t id, last_time;
	/* samples with a wrong … */
	uint64_t size, ids, tid, time, cpu, mode, ip, addr;
};

static struct perf_event_attr sampling(struct pv_test *t, uint64_t period)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.sample_period = period;
	attr.sample_type = SAMPLE_TYPE;
	return attr;
}

static struct pv_ev *open_sampling(struct pv_test *t, uint64_t period, unsigned int pages)
{
	struct perf_event_attr attr = sampling(t, period);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);

	pv_ring_map(t, ev, pages);
	return ev;
}

static void take_sample(struct pv_test *t, const struct pv_record *rec, struct tally *sum)
{
	const struct pv_event_desc *e = pv_event(t);
	unsigned int mode = rec->header.misc & PERF_RECORD_MISC_CPUMODE_MASK;
	struct sample s;

	memcpy(&s, rec->body, sizeof(s));
	sum->samples++;
	sum->wrapped += rec->wrapped;
	sum->size += rec->header.size != sizeof(rec->header) + sizeof(s);
	sum->ids += s.id != sum->id || s.identifier != sum->id || s.stream_id != sum->id;
	sum->tid += s.pid != (uint32_t)getpid() || s.tid != (uint32_t)gettid();
	/* sched_clock() may stand still for a tick (kernel/sched/clock.c), never turn. */
	sum->time += !s.time || s.time < sum->last_time;
	sum->last_time = s.time;
	sum->cpu += s.cpu != (uint32_t)pv_cpu(t);
	sum->mode += (e->side == PV_SIDE_USER && mode != PERF_RECORD_MISC_USER) ||
		     (e->side == PV_SIDE_KERNEL && mode != PERF_RECORD_MISC_KERNEL);
	/* Breakpoint and probe trap on the function's first instruction before it is executed. */
	if (e->work == PV_WORK_CALL && (e->bp_type || (e->uprobe && !e->config)))
		sum->ip += s.ip != (uintptr_t)pv_probe_target;
	else
		sum->ip += !s.ip;
	if (e->bp_type && e->work != PV_WORK_CALL)
		sum->addr += s.addr != (uintptr_t)pv_watch_place();
}

static void drain(struct pv_test *t, struct pv_ev *ev, struct tally *sum)
{
	static struct pv_record rec;
	struct lost lost;

	if (!sum->id)
		sum->id = pv_read(t, ev).id;
	while (pv_ring_next(t, ev, &rec)) {
		if (rec.header.type == PERF_RECORD_SAMPLE) {
			take_sample(t, &rec, sum);
		} else if (rec.header.type == PERF_RECORD_LOST) {
			memcpy(&lost, rec.body, sizeof(lost));
			sum->lost += lost.lost;
			sum->lost_records++;
			sum->ids += lost.id != sum->id;
		} else {
			sum->others++;
		}
	}
}

static void expect_whole(struct pv_test *t, const struct tally *sum)
{
	pv_expect_eq(t, "records with a wrong size", sum->size, 0);
	pv_expect_eq(t, "records with a wrong id", sum->ids, 0);
	pv_expect_eq(t, "samples of another thread", sum->tid, 0);
	pv_expect_eq(t, "samples earlier than the one before", sum->time, 0);
	pv_expect_eq(t, "samples of another CPU", sum->cpu, 0);
	pv_expect_eq(t, "samples of the wrong privilege mode", sum->mode, 0);
	pv_expect_eq(t, "samples with a wrong ip", sum->ip, 0);
	pv_expect_eq(t, "samples with a wrong addr", sum->addr, 0);
	pv_expect_eq(t, "records that nobody asked for", sum->others, 0);
}

/* Enables, works, disables; the count after it. */
static uint64_t run(struct pv_test *t, struct pv_ev *ev, uint64_t units)
{
	pv_enable(t, ev);
	pv_work(t, units);
	pv_disable(t, ev);
	return pv_read(t, ev).value;
}

PV_CASE(ring, law, .each = "event[samples exact] n[1,3]",
	.about = "samples and lost ones together are the count divided by the period")
{
	static const char *const names[] = {"samples and lost", "the same short of a period",
					    "the same with that period's end"};
	uint64_t period = pv_n(t), units = 0, count;
	const uint64_t steps[] = {6 * period, period - 1, 1};
	struct pv_ev *ev = open_sampling(t, period, 4);
	struct tally sum = {0};

	for (int i = 0; i < 3; i++) {
		units += steps[i];
		count = run(t, ev, steps[i]);
		drain(t, ev, &sum);
		pv_expect_eq(t, names[i], sum.samples + sum.lost, count / period);
	}
	pv_expect_in(t, "count", count, units * pv_event(t)->per, UINT64_MAX);
}

PV_CASE(ring, law_counter, .each = "event[samples live !exact !time]",
	.about =
		"an event that cannot be told beforehand gives one sample per period of what it counted")
{
	bool software = pv_pmu(t)->caps & PV_CAP_SOFTWARE;
	uint64_t units = pv_work_some(pv_event(t)) * 10, count, period, due;
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct tally sum = {0};
	struct pv_ev *ev;

	count = run(t, pv_open(t, &attr, 0, -1, NULL, 0), units);
	period = count >= 10 ? count / 10 : 1;
	if (!count)
		pv_fail(t, "dead counter: %s opened and counted nothing", pv_event(t)->name);
	/* Below it the interrupt's own time is no longer small against the period. */
	if (!software && period < 1000)
		pv_skip(t, PV_ABSENT, "the workload makes %s count only %llu: too few to sample",
			pv_event(t)->name, (unsigned long long)count);
	ev = open_sampling(t, period, 8);
	count = run(t, ev, units);
	drain(t, ev, &sum);
	due = count / period;
	pv_expect_in(t, "periods counted", due, 1, UINT64_MAX);
	/* A counter that is stopped between its overflow and the interrupt owes one sample. */
	pv_expect_in(t, "samples short of the periods", due - sum.samples - sum.lost, 0,
		     !software && !pv_deterministic(t));
	pv_note(t, "samples", sum.samples);
	expect_whole(t, &sum);
}

/* mmap(2) of an event's ring that must not be, by the word. */
static void *map_wrong(struct pv_test *t, struct perf_event_attr *attr)
{
	int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED;
	size_t pages = 1 + 2;
	struct pv_ev *ev;

	if (!strcmp(pv_word(t), "private"))
		flags = MAP_PRIVATE;
	else if (!strcmp(pv_word(t), "three-pages"))
		pages = 1 + 3;
	else if (!strcmp(pv_word(t), "inherit"))
		attr->inherit = 1;
	ev = pv_open(t, attr, 0, -1, NULL, 0);
	if (!strcmp(pv_word(t), "other-size"))
		pv_ring_map(t, ev, 4);
	return pv_sys_mmap(NULL, pages * sysconf(_SC_PAGESIZE), prot, flags, pv_fd(ev), 0);
}

PV_CASE(ring, map_refused, .pmu = "perf", .each = "word[private,three-pages,inherit,other-size]",
	.about =
		"a ring that is private, no power of two, inherited on any CPU or of another size is refused with EINVAL")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	void *p = map_wrong(t, &attr);

	pv_expect_errno(t, "mmap", pv_is_err(p) ? (long)(intptr_t)p : 0, -EINVAL);
}

static void do_nothing(struct pv_test *t, void *arg)
{
	(void)t;
	(void)arg;
}

PV_CASE(ring, output_refused, .pmu = "perf",
	.each = "word[itself,no-ring,own-ring,other-cpu,other-task]",
	.about = "SET_OUTPUT into a ring that cannot be shared is refused with EINVAL")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "dummy"));
	const char *word = pv_word(t);
	struct pv_ev *target = pv_open(t, &attr, 0, -1, NULL, 0), *ev = target;

	if (strcmp(word, "no-ring"))
		pv_ring_map(t, target, 1);
	if (!strcmp(word, "other-cpu"))
		ev = pv_open(t, &attr, 0, pv_cpu(t), NULL, 0);
	else if (!strcmp(word, "other-task"))
		ev = pv_open(t, &attr, pv_fork_held(t, do_nothing, NULL), -1, NULL, 0);
	else if (strcmp(word, "itself"))
		ev = pv_open(t, &attr, 0, -1, NULL, 0);
	if (!strcmp(word, "own-ring"))
		pv_ring_map(t, ev, 1);
	pv_expect_errno(t, "redirect", pv_ioctl(ev, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(target)),
			-EINVAL);
}

struct period_sample {
	uint64_t period;
};

PV_CASE(ring, periods, .each = "event[samples exact] n[1,4]",
	.about =
		"the PERIOD fields of all samples add up to the count, short of less than one period")
{
	uint64_t period = pv_n(t), units = 5 * period + period / 2, samples = 0, sum = 0, count;
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	static struct pv_record rec;
	struct pv_ev *ev;

	attr.sample_period = period;
	attr.sample_type = PERF_SAMPLE_PERIOD;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 2);
	count = run(t, ev, units);
	while (pv_ring_next(t, ev, &rec)) {
		struct period_sample s;

		memcpy(&s, rec.body, sizeof(s));
		samples++;
		sum += s.period;
	}
	/*
	 * A software event that is asked for PERIOD gives a sample per occurrence with PERIOD 1
	 * (perf_swevent_event(), commit 5d81e5cfb37a): the number is the kernel's choice, the sum
	 * is not.
	 */
	pv_expect_in(t, "samples", samples, count / period, count);
	pv_expect_in(t, "sum of periods", sum, count - count % period, count);
}

PV_CASE(ring, fields, .each = "event[samples exact]",
	.about =
		"each sample names our thread, CPU, event, privilege mode and place, and time does not turn back")
{
	struct pv_ev *ev = open_sampling(t, 1, 2);
	struct tally sum = {0};
	uint64_t count = run(t, ev, 12);

	drain(t, ev, &sum);
	pv_expect_in(t, "count", count, 12 * pv_event(t)->per, UINT64_MAX);
	pv_expect_eq(t, "samples", sum.samples, count);
	expect_whole(t, &sum);
}

PV_CASE(ring, wrap, .each = "event[samples exact] n[1,2]",
	.about =
		"with a reader that keeps up nothing is lost, and records across the buffer's end are whole")
{
	unsigned int pages = pv_n(t);
	uint64_t record = sizeof(struct perf_event_header) + sizeof(struct sample);
	uint64_t size = pages * (uint64_t)sysconf(_SC_PAGESIZE), half = size / record / 2;
	struct pv_ev *ev = open_sampling(t, 1, pages);
	struct tally sum = {0};
	uint64_t count = 0;

	/* half a buffer at a time, two and a half buffers in all */
	for (int i = 0; i < 5; i++) {
		count = run(t, ev, half);
		drain(t, ev, &sum);
	}
	pv_expect_in(t, "count", count, 5 * half * pv_event(t)->per, UINT64_MAX);
	pv_expect_eq(t, "samples", sum.samples, count);
	pv_expect_eq(t, "LOST records", sum.lost_records, 0);
	pv_expect_eq(t, "bytes written", pv_ring_head(ev), count * record);
	pv_expect_in(t, "records across the end", sum.wrapped, 1, 2);
	expect_whole(t, &sum);
}

/* Fills a ring of one page, reads it, lets one more sample in: with it all losses are told. */
static uint64_t overfill(struct pv_test *t, struct pv_ev *ev, struct tally *sum, uint64_t *fit)
{
	uint64_t room = (uint64_t)sysconf(_SC_PAGESIZE) / sizeof(struct sample), count;

	run(t, ev, room + 20);
	drain(t, ev, sum);
	*fit = sum->samples;
	count = run(t, ev, 1);
	drain(t, ev, sum);
	return count;
}

PV_CASE(ring, lost, .each = "event[samples exact]",
	.about =
		"a full ring keeps what is unread, and the LOST record behind it tells how many went missing")
{
	uint64_t page = sysconf(_SC_PAGESIZE), count, fit;
	uint64_t record = sizeof(struct perf_event_header) + sizeof(struct sample);
	struct pv_ev *ev = open_sampling(t, 1, 1);
	struct tally sum = {0};

	count = overfill(t, ev, &sum, &fit);
	pv_expect_in(t, "count", count, (page / sizeof(struct sample) + 21) * pv_event(t)->per,
		     UINT64_MAX);
	/* One byte always stays free (CIRC_SPACE in ring_buffer.c). */
	pv_expect_eq(t, "samples that fit", fit, (page - 1) / record);
	pv_expect_eq(t, "LOST records", sum.lost_records, 1);
	pv_expect_eq(t, "samples and lost", sum.samples + sum.lost, count);
	expect_whole(t, &sum);
}

PV_CASE(ring, lost_format, .each = "event[samples exact]",
	.about = "the lost count of read() is the sum of the LOST records")
{
	struct perf_event_attr attr = sampling(t, 1), probe;
	struct tally sum = {0};
	uint64_t count, fit;
	struct pv_ev *ev;
	int fd;

	attr.read_format |= PERF_FORMAT_LOST;
	probe = attr;
	fd = pv_try_open(t, &probe, 0, -1, -1, 0);
	/* FORMAT_LOST came in 6.0 (commit 119a784c8127), the next attr size, 136, in 6.3. */
	if (fd == -EINVAL && pv_attr_size(t) < 136)
		pv_skip(t, PV_TOO_OLD, "PERF_FORMAT_LOST needs Linux 6.0");
	pv_sys_close(fd);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	pv_expect_eq(t, "lost before", pv_read(t, ev).lost, 0);
	count = overfill(t, ev, &sum, &fit);
	pv_expect_in(t, "sum of LOST records", sum.lost, 1, count);
	pv_expect_eq(t, "lost by read", pv_read(t, ev).lost, sum.lost);
}

#define CLOCK_SAMPLES 10

PV_CASE(ring, clock, .each = "event[samples time]",
	.about = "a clock gives a sample per period, never more than the time has periods")
{
	const uint64_t period = 500000; /* ns */
	struct pv_ev *ev = open_sampling(t, period, 8);
	struct tally sum = {0};
	uint64_t start, wall;

	start = pv_sys_walltime();
	pv_enable(t, ev);
	/* Stolen time costs samples: a thousand periods for ten are enough anywhere. */
	for (int i = 0; i < 1000 && sum.samples < CLOCK_SAMPLES; i++) {
		pv_work(t, period / 1000);
		drain(t, ev, &sum);
	}
	pv_disable(t, ev);
	wall = pv_sys_walltime() - start;
	drain(t, ev, &sum);
	/* One more: the timer's clock may be slewed against the one used here. */
	pv_expect_in(t, "samples", sum.samples, CLOCK_SAMPLES, UINT64_MAX);
	pv_expect(t, "no more samples than periods", sum.samples <= wall / period + 1);
	pv_expect_eq(t, "lost", sum.lost, 0);
	expect_whole(t, &sum);
}
