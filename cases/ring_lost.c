/* SPDX-License-Identifier: GPL-2.0-only */
/* What a full ring says: LOST records word by word, the lost counts of read(2), the last byte of
 * room. */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define TRAILER                                                                                    \
	(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |             \
	 PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER)

struct lost {
	uint64_t id, lost;
};

struct trailer {
	uint32_t pid, tid;
	uint64_t time, id, stream_id;
	uint32_t cpu, reserved;
	uint64_t identifier;
};

static struct pv_record rec;

static bool format_lost(struct pv_test *t)
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_ADDR);
	int fd;

	attr.read_format |= PERF_FORMAT_LOST;
	fd = pv_try_open(t, &attr, 0, -1, -1, 0);
	pv_skip_denied(t, fd);
	/* It came in 6.0 (commit 119a784c8127), the next attr size, 136, in 6.3. */
	if (fd == -EINVAL && pv_attr_size(t) < 136)
		return false;
	if (fd < 0)
		pv_fail(t, "PERF_FORMAT_LOST: %s", strerrorname_np(-fd));
	pv_sys_close(fd);
	return true;
}

static void touch(struct pv_test *t, struct pv_ev *ev, char *faults, size_t *at, size_t n)
{
	pv_enable(t, ev);
	pv_fault(faults, *at, n);
	pv_disable(t, ev);
	*at += n;
}

/* n words more than the least that a sample here has. */
static uint64_t sample_type_of(uint64_t more)
{
	static const uint64_t bits[] = {PERF_SAMPLE_TIME,      PERF_SAMPLE_CPU, PERF_SAMPLE_ID,
					PERF_SAMPLE_STREAM_ID, PERF_SAMPLE_TID, PERF_SAMPLE_IP};
	uint64_t type = PERF_SAMPLE_ADDR;

	for (uint64_t i = 0; i < more; i++)
		type |= bits[i];
	return type;
}

PV_CASE(lost, rounds, .pmu = "perf", .each = "n[0,1,3,6]", .proof = "kernel",
	.about = "each time a ring has been full one LOST record comes before the next sample, "
		 "with the number since the last one")
{
	struct perf_event_attr attr = pv_faults_attr(t, sample_type_of(pv_n(t)));
	uint64_t size = 16 + 8 * pv_n(t), fit = (sysconf(_SC_PAGESIZE) - 1) / size, sum = 0;
	static const size_t losses[] = {1, 17, 2};
	char *faults = pv_faults(t, 3 * (fit + 20 + 4));
	bool has_lost = format_lost(t);
	size_t at = 0, first;
	struct pv_ev *ev;
	struct lost lost;

	if (has_lost)
		attr.read_format |= PERF_FORMAT_LOST;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	for (int round = 0; round < 3; round++) {
		touch(t, ev, faults, &at, fit + losses[round]);
		sum += losses[round];
		/* Nothing but what fits; the loss is not told while there is no room for it. */
		pv_expect_eq(t, "samples that fit", pv_ring_samples(t, ev), fit);
		if (has_lost)
			pv_expect_eq(t, "lost by read", pv_read(t, ev).lost, sum);
		first = at;
		touch(t, ev, faults, &at, 3);
		memset(&rec, 0, sizeof(rec.header) + sizeof(lost));
		pv_expect_eq(t, "LOST comes", pv_ring_next(t, ev, &rec), 1);
		memcpy(&lost, rec.body, sizeof(lost));
		pv_expect_eq(t, "type", rec.header.type, PERF_RECORD_LOST);
		pv_expect_eq(t, "size", rec.header.size, sizeof(rec.header) + sizeof(lost));
		pv_expect_eq(t, "misc", rec.header.misc, 0);
		pv_expect_eq(t, "id", lost.id, pv_read(t, ev).id);
		pv_expect_eq(t, "lost", lost.lost, losses[round]);
		for (size_t i = 0; i < 3; i++) {
			uint64_t addr = 0;

			pv_expect_eq(t, "sample behind it", pv_ring_next(t, ev, &rec), 1);
			pv_expect_eq(t, "its type", rec.header.type, PERF_RECORD_SAMPLE);
			pv_expect_eq(t, "its size", rec.header.size, size);
			memcpy(&addr,
			       rec.body + 8 * (!!(attr.sample_type & PERF_SAMPLE_IP) +
					       !!(attr.sample_type & PERF_SAMPLE_TID) +
					       !!(attr.sample_type & PERF_SAMPLE_TIME)),
			       8);
			pv_expect_eq(t, "its page",
				     (addr - (uintptr_t)faults) / sysconf(_SC_PAGESIZE), first + i);
		}
		pv_expect_eq(t, "no more", pv_ring_next(t, ev, &rec), 0);
	}
	pv_expect_eq(t, "count", pv_read(t, ev).value, at);
	if (has_lost) {
		pv_reset(t, ev);
		pv_expect_eq(t, "count after RESET", pv_read(t, ev).value, 0);
		pv_expect_eq(t, "lost by read after RESET", pv_read(t, ev).lost, sum);
	}
}

PV_CASE(lost, trailer, .pmu = "perf", .proof = "kernel",
	.about = "a LOST record carries all that sample_id_all adds, and room is kept for it")
{
	struct perf_event_attr attr = pv_faults_attr(t, TRAILER);
	uint64_t size = 8 + sizeof(struct trailer), page = sysconf(_SC_PAGESIZE);
	uint64_t told = sizeof(rec.header) + sizeof(struct lost) + sizeof(struct trailer);
	uint64_t fit = (page - 1) / size, before, after;
	char *faults = pv_faults(t, fit + 5);
	struct trailer id = {0}, first;
	struct pv_ev *ev;
	struct lost lost;
	size_t at = 0;

	attr.sample_id_all = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 1);
	touch(t, ev, faults, &at, fit + 3);
	pv_expect_eq(t, "samples that fit", pv_ring_samples(t, ev), fit);
	/* One byte too little for LOST, its trailer and the sample: still lost. */
	pv_ring_page(ev)->data_tail = pv_ring_head(ev) + told + size - page;
	touch(t, ev, faults, &at, 1);
	pv_expect_eq(t, "nothing fits", pv_ring_head(ev), fit * size);
	pv_ring_page(ev)->data_tail++;
	before = pv_ring_head(ev);
	touch(t, ev, faults, &at, 1);
	after = pv_ring_head(ev);
	pv_expect_eq(t, "LOST and a sample fit", after - before, told + size);
	pv_expect_eq(t, "LOST comes", pv_ring_next(t, ev, &rec), 1);
	memcpy(&lost, rec.body, sizeof(lost));
	memcpy(&id, rec.body + sizeof(lost), sizeof(id));
	pv_expect_eq(t, "type", rec.header.type, PERF_RECORD_LOST);
	pv_expect_eq(t, "size", rec.header.size, told);
	pv_expect_eq(t, "lost", lost.lost, 4);
	pv_expect_eq(t, "id of the record", lost.id, pv_read(t, ev).id);
	pv_expect_eq(t, "pid", id.pid, getpid());
	pv_expect_eq(t, "tid", id.tid, gettid());
	pv_expect_eq(t, "id", id.id, lost.id);
	pv_expect_eq(t, "stream_id", id.stream_id, lost.id);
	pv_expect_eq(t, "identifier", id.identifier, lost.id);
	pv_expect_eq(t, "cpu", id.cpu, pv_cpu(t));
	pv_expect_eq(t, "reserved", id.reserved, 0);
	/* A sample: identifier first, then the same words. */
	pv_expect_eq(t, "sample comes", pv_ring_next(t, ev, &rec), 1);
	memcpy(&first, rec.body + 8, sizeof(first) - 8);
	pv_expect_eq(t, "time is the sample's", first.time - id.time, 0);
}

PV_CASE(lost, last_byte, .pmu = "perf", .each = "n[0,2,5]", .proof = "kernel",
	.about =
		"a record is written when data_tail leaves a byte more than it has, at every place "
		"of the ring, and lost when it leaves as many")
{
	struct perf_event_attr attr = pv_faults_attr(t, sample_type_of(pv_n(t)));
	uint64_t size = 16 + 8 * pv_n(t), told = sizeof(rec.header) + sizeof(struct lost);
	uint64_t ring = sysconf(_SC_PAGESIZE), before, wrong_full = 0, wrong_room = 0;
	const size_t rounds = 2 * ring / (size + told) + 1;
	char *faults = pv_faults(t, 2 * rounds + 1);
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);
	size_t at = 0;

	pv_ring_map(t, ev, 1);
	/* The first write to the control page may be a fault. */
	pv_ring_page(ev)->data_tail = 0;
	pv_enable(t, ev);
	for (size_t i = 0; i < rounds; i++) {
		before = pv_ring_head(ev);
		/* CIRC_SPACE() is size - 1 */
		__atomic_store_n(&pv_ring_page(ev)->data_tail, before + size - ring,
				 __ATOMIC_RELEASE);
		pv_fault(faults, at++, 1);
		wrong_full += pv_ring_head(ev) != before;
		/* the loss wants to be told, too */
		__atomic_store_n(&pv_ring_page(ev)->data_tail, before + size + told + 1 - ring,
				 __ATOMIC_RELEASE);
		pv_fault(faults, at++, 1);
		wrong_room += pv_ring_head(ev) != before + size + told;
	}
	pv_disable(t, ev);
	pv_expect_eq(t, "count", pv_read(t, ev).value, at);
	pv_expect_eq(t, "rounds that wrote without room", wrong_full, 0);
	pv_expect_eq(t, "rounds that did not write with room", wrong_room, 0);
}

PV_CASE(lost, shared, .pmu = "perf", .proof = "kernel",
	.about = "each event of a shared ring and of a group counts its own losses, and all "
		 "LOST records together say their sum")
{
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR);
	uint64_t size = 24, fit = (sysconf(_SC_PAGESIZE) - 1) / size, lost_sum = 0,
		 samples[2] = {0};
	const size_t over = 10;
	char *faults = pv_faults(t, fit * 2 / 3 + over + 1);
	struct pv_ev *leader, *sibling;
	struct pv_group group;
	uint64_t records = 0;
	size_t at = 0;

	if (!format_lost(t))
		pv_skip(t, PV_TOO_OLD, "PERF_FORMAT_LOST needs Linux 6.0");
	attr.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_ID | PERF_FORMAT_LOST;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, leader, 1);
	attr.disabled = 0;
	attr.sample_period = 2;
	/* Two events of one kind would share what Linux 6.2 and later fills in once (output/twins).
	 */
	attr.config = PERF_COUNT_SW_PAGE_FAULTS_MIN;
	sibling = pv_open(t, &attr, 0, -1, leader, 0);
	pv_expect_errno(t, "redirect", pv_ioctl(sibling, PERF_EVENT_IOC_SET_OUTPUT, pv_fd(leader)),
			0);
	/* Three samples for two faults: the ring is full after two thirds of `fit`. */
	touch(t, leader, faults, &at, fit * 2 / 3 + over);
	pv_read_group(t, leader, &group);
	for (int pass = 0; pass < 2; pass++) {
		while (pv_ring_next(t, leader, &rec)) {
			struct lost lost;

			memcpy(&lost, rec.body, sizeof(lost));
			if (rec.header.type == PERF_RECORD_SAMPLE) {
				samples[lost.id != group.member[0].id]++;
			} else {
				records++;
				lost_sum += lost.lost;
				pv_expect(t, "LOST is of one of them",
					  lost.id == group.member[0].id ||
						  lost.id == group.member[1].id);
			}
		}
		if (!pass)
			touch(t, leader, faults, &at, 1);
	}
	pv_read_group(t, leader, &group);
	pv_expect_eq(t, "count", group.member[0].value, at);
	pv_expect_eq(t, "count of the sibling", group.member[1].value, at);
	pv_note(t, "LOST records", records);
	pv_expect_eq(t, "leader's samples and lost", samples[0] + group.member[0].lost, at);
	pv_expect_eq(t, "sibling's samples and lost", samples[1] + group.member[1].lost, at / 2);
	pv_expect_eq(t, "all LOST records", lost_sum, group.member[0].lost + group.member[1].lost);
	pv_expect_in(t, "lost of the sibling", group.member[1].lost, 1, over);
	pv_expect_in(t, "lost of the leader", group.member[0].lost, 1, over);
}
