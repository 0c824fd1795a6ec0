/* SPDX-License-Identifier: GPL-2.0-only */
/* Records that lie across the end of the ring: at each possible place, and very large ones. */
#define _GNU_SOURCE
#include <alloca.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static struct pv_record rec;

struct fields {
	uint64_t identifier, addr, id, stream_id;
};

PV_CASE(wrap, splits, .pmu = "perf", .each = "n[0,1,2]", .proof = "kernel",
	.about = "records of an odd number of words go across the ring's end at each of their "
		 "words and stay whole")
{
	/* 3, 5 and 7 words: in so many rounds each word of one lies first behind the end. */
	static const uint64_t types[] = {
		PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR,
		PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID,
		PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |
			PERF_SAMPLE_CPU | PERF_SAMPLE_PERIOD,
	};
	uint64_t words = 3 + 2 * pv_n(t), size = 8 * words, page = sysconf(_SC_PAGESIZE);
	struct perf_event_attr attr = pv_faults_attr(t, types[pv_n(t)]);
	size_t total = words * page / size, batch = page / size / 2, at = 0;
	char *faults = pv_faults(t, total);
	uint64_t wrong = 0, splits = 0, wrapped = 0, id;
	struct pv_ev *ev = pv_open(t, &attr, 0, -1, NULL, 0);

	pv_ring_map(t, ev, 1);
	id = pv_read(t, ev).id;
	for (size_t done = 0; done < total; done += batch) {
		size_t n = total - done < batch ? total - done : batch;

		pv_enable(t, ev);
		pv_fault(faults, done, n);
		pv_disable(t, ev);
		for (; pv_ring_next(t, ev, &rec); at++) {
			uint64_t word[8], *w = word + 2;

			memcpy(word, rec.body, rec.header.size - 8);
			wrong += rec.header.type != PERF_RECORD_SAMPLE || rec.header.size != size ||
				 word[0] != id || word[1] != (uintptr_t)faults + at * page;
			if (pv_n(t) > 0)
				wrong += w[0] != id || w[1] != id;
			if (pv_n(t) > 1)
				wrong += w[2] != (uint64_t)pv_cpu(t) || w[3] != 1;
			if (rec.wrapped) {
				wrapped++;
				splits |= 1ull << (page - rec.at % page) / 8;
			}
		}
	}
	pv_expect_eq(t, "count", pv_read(t, ev).value, total);
	pv_expect_eq(t, "samples", at, total);
	pv_expect_eq(t, "wrong samples", wrong, 0);
	pv_expect_eq(t, "records across the end", wrapped, words - 1);
	/* one bit for each word that was first behind the end */
	pv_expect_eq(t, "places of the end", splits, (1ull << words) - 2);
	pv_expect_eq(t, "data_head", pv_ring_head(ev), total * size);
}

/* `len` bytes of known contents lie above the stack pointer while one page is touched. */
static __attribute__((noinline)) void touch_over_stack(char *faults, size_t n, size_t len,
						       uint64_t seed)
{
	volatile uint64_t *pattern = alloca(len);

	for (size_t i = 0; i < len / 8; i++)
		pattern[i] = seed + i;
	pv_fault(faults, n, 1);
	/* It must live until here. */
	*pattern = seed;
}

/* How many words of the dump are the pattern, in one piece from its first word on. */
static uint64_t pattern_words(const uint64_t *word, uint64_t n, uint64_t seed)
{
	uint64_t at = 0, found = 0;

	/* The seed alone may also lie in a saved register. */
	while (at + 1 < n && (word[at] != seed || word[at + 1] != seed + 1))
		at++;
	while (at + found < n && word[at + found] == seed + found)
		found++;
	return found;
}

PV_CASE(wrap, large, .pmu = "perf", .each = "n[4096,36864,65488]", .arch = "x86_64 arm64",
	.proof = "kernel",
	.about = "samples of many pages, up to the largest, are whole across pages and the ring's "
		 "end, and the next one begins where they end")
{
	/* header, identifier, addr, size of the dump, dump, its real length */
	uint64_t stack = pv_n(t), size = 8 + 8 + 8 + 8 + stack + 8, page = sysconf(_SC_PAGESIZE);
	struct perf_event_attr attr = pv_faults_attr(t, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_ADDR |
								PERF_SAMPLE_STACK_USER);
	size_t ring = 32, rounds = 3 * ring * 4096 / size + 1;
	char *faults = pv_faults(t, rounds);
	struct pv_ev *ev;
	uint64_t wrapped = 0;

	attr.sample_stack_user = stack;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, ring * 4096 / page);
	/* the stack's own pages are there before anything counts */
	touch_over_stack(faults + rounds * page, 0, stack + 8192, 0);
	for (size_t i = 0; i < rounds; i++) {
		uint64_t seed = (uint64_t)(i + 1) << 32, *word = (uint64_t *)rec.body, n;

		pv_enable(t, ev);
		touch_over_stack(faults, i, stack + 8192, seed);
		pv_disable(t, ev);
		if (!pv_expect_eq(t, "a sample comes", pv_ring_next(t, ev, &rec), 1))
			break;
		wrapped += rec.wrapped;
		n = word[2] / 8;
		if (!pv_expect_eq(t, "type", rec.header.type, PERF_RECORD_SAMPLE) ||
		    !pv_expect_eq(t, "record", rec.header.size, size) ||
		    !pv_expect_eq(t, "dump", word[2], stack))
			break;
		pv_expect_eq(t, "dumped of it", word[3 + n], stack);
		pv_expect_eq(t, "page", (word[1] - (uintptr_t)faults) / page, i);
		/* Two frames may lie below the pattern. */
		pv_expect_in(t, "bytes of the pattern", 8 * pattern_words(word + 3, n, seed),
			     stack - 1024, stack);
	}
	pv_expect_eq(t, "no more", pv_ring_next(t, ev, &rec), 0);
	pv_expect_in(t, "records across the end", wrapped, 1, 3);
}
