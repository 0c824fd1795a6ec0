/* SPDX-License-Identifier: GPL-2.0-only */
/* System call tracepoints: as many events and samples as there were calls, each by its id. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "cases/pv.h"

#define NR_CALLS 3

static const char *const names[NR_CALLS] = {
	"sys_enter_getppid",
	"sys_enter_getuid",
	"sys_enter_getsid",
};

#define SAMPLE_TYPE (PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_ID)
struct sample {
	uint64_t identifier;
	uint32_t pid, tid;
	uint64_t id;
};

static struct pv_ev *open_sampling(struct pv_test *t, const char *name, uint64_t sample_type)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "tracepoint", name));

	attr.sample_period = 1;
	attr.sample_type = sample_type;
	return pv_open(t, &attr, 0, -1, NULL, 0);
}

/* Sorts the samples of one ring by the event whose id they carry. */
static void sort_samples(struct pv_test *t, struct pv_ev *ring, struct pv_ev *const ev[NR_CALLS],
			 uint64_t samples[NR_CALLS], uint64_t *strays)
{
	static struct pv_record rec;

	while (pv_ring_next(t, ring, &rec)) {
		struct sample s;
		int i = 0;

		memcpy(&s, rec.body, sizeof(s));
		while (i < NR_CALLS && s.id != pv_read(t, ev[i]).id)
			i++;
		if (rec.header.type != PERF_RECORD_SAMPLE || i == NR_CALLS ||
		    s.identifier != s.id || s.pid != (uint32_t)getpid())
			++*strays;
		else
			samples[i]++;
	}
}

PV_CASE(tracepoint, calls, .pmu = "tracepoint", .each = "word[own-rings,one-ring]",
	.needs = "tracefs",
	.about =
		"random numbers of three system calls give as many events, and as many samples under each event's id")
{
	static const char *const counted[NR_CALLS] = {"getppid calls", "getuid calls",
						      "getsid calls"};
	static const char *const sampled[NR_CALLS] = {"getppid samples", "getuid samples",
						      "getsid samples"};
	static const char *const ids[NR_CALLS] = {"getppid id", "getuid id", "getsid id"};
	bool one_ring = !strcmp(pv_word(t), "one-ring");
	uint64_t calls[NR_CALLS], samples[NR_CALLS] = {0}, strays = 0;
	struct pv_ev *ev[NR_CALLS];

	for (int i = 0; i < NR_CALLS; i++) {
		ev[i] = open_sampling(t, names[i], SAMPLE_TYPE);
		if (!i || !one_ring)
			pv_ring_map(t, ev[i], 4);
		else
			pv_expect_errno(t, "redirect into the first ring",
					pv_ioctl(ev[i], PERF_EVENT_IOC_SET_OUTPUT, pv_fd(ev[0])),
					0);
		/* at most 3 * 127 records of 32 bytes: they fit into one ring of 16 KiB */
		calls[i] = pv_random(t, 1, 127);
	}
	for (int i = 0; i < NR_CALLS; i++)
		pv_enable(t, ev[i]);
	for (int i = 0; i < NR_CALLS; i++)
		pv_work_event(t, pv_find_event(t, "tracepoint", names[i]), calls[i]);
	for (int i = 0; i < NR_CALLS; i++)
		pv_disable(t, ev[i]);

	for (int i = 0; i < NR_CALLS; i++) {
		uint64_t id = 0;

		pv_expect_errno(t, "ask for the id", pv_ioctl(ev[i], PERF_EVENT_IOC_ID, (long)&id),
				0);
		pv_expect_eq(t, ids[i], id == pv_read(t, ev[i]).id, 1);
		pv_expect_eq(t, counted[i], pv_read(t, ev[i]).value, calls[i]);
	}
	for (int i = 0; i < (one_ring ? 1 : NR_CALLS); i++) {
		uint64_t mine[NR_CALLS] = {0};

		sort_samples(t, ev[i], ev, mine, &strays);
		for (int k = 0; k < NR_CALLS; k++) {
			samples[k] += mine[k];
			if (!one_ring && k != i)
				strays += mine[k];
		}
	}
	for (int i = 0; i < NR_CALLS; i++)
		pv_expect_eq(t, sampled[i], samples[i], calls[i]);
	pv_expect_eq(t, "records of no event or in a foreign ring", strays, 0);
}

PV_CASE(tracepoint, silent, .pmu = "tracepoint", .needs = "tracefs",
	.about = "an event of a system call that is not made counts nothing while others count")
{
	struct pv_ev *quiet = open_sampling(t, names[0], SAMPLE_TYPE);
	struct pv_ev *busy = open_sampling(t, names[1], SAMPLE_TYPE);
	uint64_t calls = pv_random(t, 1, 127);

	pv_ring_map(t, quiet, 1);
	pv_enable(t, quiet);
	pv_enable(t, busy);
	pv_work_event(t, pv_find_event(t, "tracepoint", names[1]), calls);
	pv_work_event(t, pv_find_event(t, "tracepoint", names[2]), calls);
	pv_disable(t, quiet);
	pv_disable(t, busy);
	pv_expect_eq(t, "getuid calls", pv_read(t, busy).value, calls);
	pv_expect_eq(t, "getppid calls", pv_read(t, quiet).value, 0);
	pv_expect_eq(t, "getppid bytes in the ring", pv_ring_head(quiet), 0);
}

/* What every tracepoint record begins with: tracefs events/.../format, the common_ fields. */
struct raw_sample {
	uint32_t size;
	uint16_t common_type;
	uint8_t common_flags, common_preempt_count;
	int32_t common_pid;
};

PV_CASE(tracepoint, raw, .pmu = "tracepoint", .needs = "tracefs",
	.about = "the raw data of a sample begin with the tracepoint's own id and the thread's")
{
	struct pv_ev *ev = open_sampling(t, names[2], PERF_SAMPLE_RAW);
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "tracepoint", names[2]));
	uint64_t samples = 0, wrong_type = 0, wrong_pid = 0, wrong_size = 0;
	static struct pv_record rec;

	pv_ring_map(t, ev, 1);
	pv_enable(t, ev);
	pv_work_event(t, pv_find_event(t, "tracepoint", names[2]), 5);
	pv_disable(t, ev);
	while (pv_ring_next(t, ev, &rec)) {
		struct raw_sample raw;

		memcpy(&raw, rec.body, sizeof(raw));
		samples++;
		wrong_type += raw.common_type != attr.config;
		wrong_pid += raw.common_pid != gettid();
		/* the raw part is the whole body: its u32 size field and the data, 8-aligned */
		wrong_size += raw.size + sizeof(raw.size) + sizeof(rec.header) != rec.header.size;
	}
	pv_expect_eq(t, "samples", samples, 5);
	pv_expect_eq(t, "samples of another tracepoint", wrong_type, 0);
	pv_expect_eq(t, "samples of another thread", wrong_pid, 0);
	pv_expect_eq(t, "samples whose raw size is not the record's", wrong_size, 0);
}
