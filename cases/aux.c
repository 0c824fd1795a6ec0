/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AUX buffers, by what the descriptor's `aux` section promises: whichever PMU writes into one. What
 * the bytes say is the PMU's own affair (cases/bts.c); here is how many there are, where, and what
 * is told of them (kernel/events/ring_buffer.c).
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/attr_rules.h"
#include "cases/lib/aux.h"
#include "cases/lib/sys.h"

#define PAGE (uint64_t) sysconf(_SC_PAGESIZE)
#define KNOWN_FLAGS                                                                                \
	(PERF_AUX_FLAG_TRUNCATED | PERF_AUX_FLAG_OVERWRITE | PERF_AUX_FLAG_PARTIAL |               \
	 PERF_AUX_FLAG_COLLISION | PERF_AUX_FLAG_PMU_FORMAT_TYPE_MASK)
static uint64_t aux_head(const struct pv_aux *aux)
{
	return __atomic_load_n(&pv_ring_page(aux->ev)->aux_head, __ATOMIC_ACQUIRE);
}

static void run(struct pv_test *t, struct pv_aux *aux, uint64_t turns)
{
	pv_enable(t, aux->ev);
	pv_aux_work(turns);
	pv_disable(t, aux->ev);
}

/* The records' laws, whatever happened. */
static void expect_lawful(struct pv_test *t, const struct pv_aux *aux,
			  const struct pv_aux_records *sum)
{
	pv_expect_eq(t, "records beyond the buffer, or no multiple of the PMU's own", sum->odd, 0);
	pv_expect_eq(t, "flags that nobody knows", sum->flags & ~(uint64_t)KNOWN_FLAGS, 0);
	pv_expect_eq(t, "PARTIAL", sum->flags & PERF_AUX_FLAG_PARTIAL, 0);
	pv_expect_eq(t, "OVERWRITE", !!(sum->flags & PERF_AUX_FLAG_OVERWRITE), aux->overwrite);
	pv_expect_eq(t, "other records", sum->lost, 0);
}

PV_CASE(aux, sizes, .each = "event[aux] n[1,2,4,8,16,32,64,128]", .needs = "root",
	.proof = "kernel",
	.about =
		"a buffer of any power of two takes what is traced: its records, one behind the other, are as long as aux_head says")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), pv_n(t), false);
	uint64_t turns = aux.size / 4 / pv_pmu(t)->aux.turn;
	struct pv_aux_records sum = {0};

	run(t, &aux, turns);
	pv_aux_take(t, &aux, &sum, NULL, NULL);
	expect_lawful(t, &aux, &sum);
	pv_expect_eq(t, "TRUNCATED", sum.flags & PERF_AUX_FLAG_TRUNCATED, 0);
	pv_expect_in(t, "bytes", sum.bytes, (turns - 1) * pv_pmu(t)->aux.turn, aux.size - 1);
	pv_expect_eq(t, "aux_head", aux_head(&aux), sum.bytes + sum.gaps);
	pv_expect_in(t, "bytes skipped", sum.gaps, 0, sum.records * pv_pmu(t)->aux.margin);
	if (pv_pmu(t)->aux.itrace)
		pv_expect_eq(t, "ITRACE_START of this thread", sum.started, 1);
}

PV_CASE(aux, laps, .each = "event[aux] n[1,2,16]", .needs = "root", .proof = "kernel",
	.about =
		"a reader that keeps up loses nothing over many laps: no record is truncated, and none lies before the one before it")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), pv_n(t), false);
	uint64_t turns = aux.size / 4 / pv_pmu(t)->aux.turn, rounds = 20;
	struct pv_aux_records sum = {0};

	for (uint64_t i = 0; i < rounds; i++) {
		run(t, &aux, turns);
		pv_aux_take(t, &aux, &sum, NULL, NULL);
		pv_aux_consume(&aux);
	}
	expect_lawful(t, &aux, &sum);
	pv_expect_eq(t, "TRUNCATED", sum.flags & PERF_AUX_FLAG_TRUNCATED, 0);
	pv_expect_in(t, "bytes", sum.bytes, rounds * (turns - 1) * pv_pmu(t)->aux.turn,
		     rounds * aux.size);
	pv_expect_eq(t, "aux_head", aux_head(&aux), sum.bytes + sum.gaps);
	pv_expect_in(t, "laps", aux_head(&aux) / aux.size, 3, rounds);
	pv_expect_in(t, "bytes skipped", sum.gaps, 0, sum.records * pv_pmu(t)->aux.margin);
}

/* Runs until the buffer is full, and takes what is in it. */
static void fill(struct pv_test *t, struct pv_aux *aux, struct pv_aux_records *sum)
{
	run(t, aux, 2 * aux->size / pv_pmu(t)->aux.turn);
	pv_aux_take(t, aux, sum, NULL, NULL);
	expect_lawful(t, aux, sum);
	pv_expect_eq(t, "aux_head and the records", aux_head(aux), sum->bytes + sum->gaps);
	pv_expect_in(t, "bytes of a full buffer", sum->bytes + sum->gaps,
		     aux->size / 2 < pv_pmu(t)->aux.margin ? aux->size / 2
							   : aux->size - pv_pmu(t)->aux.margin,
		     aux->size);
}

PV_CASE(aux, full, .each = "event[aux] n[1,2,16]", .needs = "root", .proof = "kernel",
	.about =
		"a buffer that nobody reads is never written over: its end is told as TRUNCATED, and it goes on when it is read and enabled again")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), pv_n(t), false);
	struct pv_aux_records sum = {0}, again = {0};
	uint64_t turns = aux.size / 4 / pv_pmu(t)->aux.turn, head;

	fill(t, &aux, &sum);
	pv_expect_eq(t, "TRUNCATED", !!(sum.flags & PERF_AUX_FLAG_TRUNCATED), 1);
	head = aux_head(&aux);
	run(t, &aux, turns);
	pv_expect_in(t, "aux_head, tried once more", aux_head(&aux), head, aux.size);
	pv_aux_take(t, &aux, &sum, NULL, NULL);
	pv_aux_consume(&aux);
	head = aux_head(&aux);
	run(t, &aux, turns);
	pv_aux_take(t, &aux, &again, NULL, NULL);
	expect_lawful(t, &aux, &again);
	pv_expect_in(t, "bytes once it was read", again.bytes, (turns - 1) * pv_pmu(t)->aux.turn,
		     aux.size);
	pv_expect_eq(t, "aux_head then", aux_head(&aux), head + again.bytes + again.gaps);
}

PV_CASE(aux, overrun, .each = "event[aux] n[2,16]", .needs = "root", .proof = "kernel",
	.fixes =
		"perf/aux: Fix pending disable flow when the AUX ring buffer overruns (wrong in 6.1 and 6.12, right in 7.2)",
	.about =
		"an event whose buffer has overrun is disabled: it tells nothing more, read or not, switched out and in, until it is enabled")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), pv_n(t), false);
	struct pv_aux_records sum = {0}, still = {0}, again = {0};
	uint64_t turns = aux.size / pv_pmu(t)->aux.turn;

	pv_enable(t, aux.ev);
	pv_aux_work(2 * turns);
	pv_aux_take(t, &aux, &sum, NULL, NULL);
	pv_expect_eq(t, "TRUNCATED", !!(sum.flags & PERF_AUX_FLAG_TRUNCATED), 1);
	pv_aux_consume(&aux);
	for (int i = 0; i < 3; i++) {
		pv_switch_out();
		pv_aux_work(turns / 8);
	}
	pv_aux_take(t, &aux, &still, NULL, NULL);
	pv_expect_eq(t, "bytes while it is disabled", still.bytes, 0);
	pv_aux_consume(&aux);
	run(t, &aux, turns / 4);
	pv_aux_take(t, &aux, &again, NULL, NULL);
	pv_expect_in(t, "bytes once it is enabled", again.bytes,
		     (turns / 4 - 1) * pv_pmu(t)->aux.turn, aux.size);
}

static uint32_t asked_watermark;

static void set_watermark(struct perf_event_attr *attr)
{
	attr->aux_watermark = asked_watermark;
}

PV_CASE(aux, watermark, .each = "event[aux] n[0,4,8]", .needs = "root", .proof = "kernel",
	.about =
		"aux_watermark, or half of the buffer, is how much is gathered before a record and a wakeup; the wakeup comes with it and not before")
{
	struct pv_aux_records sum = {0};
	uint64_t mark, turn = pv_pmu(t)->aux.turn;
	struct pv_aux aux;

	asked_watermark = pv_n(t) * PAGE;
	aux = pv_aux_map(t, pv_aux_open(t, set_watermark), 32, false);
	mark = asked_watermark ?: aux.size / 2;
	run(t, &aux, mark / turn / 2);
	pv_expect_eq(t, "poll before the watermark", pv_poll(aux.ev, 0), 0);
	run(t, &aux, mark / turn / 2 + 1);
	pv_expect_eq(t, "poll behind it", pv_poll(aux.ev, 0), POLLIN);
	pv_aux_take(t, &aux, &sum, NULL, NULL);
	pv_aux_consume(&aux);
	for (int i = 0; i < 4; i++) {
		run(t, &aux, aux.size / 2 / turn);
		pv_aux_take(t, &aux, &sum, NULL, NULL);
		pv_aux_consume(&aux);
	}
	expect_lawful(t, &aux, &sum);
	pv_expect_eq(t, "TRUNCATED", sum.flags & PERF_AUX_FLAG_TRUNCATED, 0);
	pv_expect_in(t, "largest record", sum.largest, 1, mark + pv_pmu(t)->aux.margin);
	pv_expect_in(t, "records", sum.records, 6, UINT32_MAX);
}

PV_CASE(aux, overwrite, .each = "event[aux] n[1,2,8,64,512]", .needs = "root", .proof = "kernel",
	.about =
		"a buffer mapped for reading only is written round and round: nothing stops, nothing is TRUNCATED, the records say OVERWRITE")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), pv_n(t), true);
	uint64_t turns = aux.size / pv_pmu(t)->aux.turn;
	struct pv_aux_records sum = {0};

	run(t, &aux, turns / 2);
	pv_expect_in(t, "aux_head in the first lap", aux_head(&aux),
		     (turns / 2 - 1) * pv_pmu(t)->aux.turn, aux.size - 1);
	run(t, &aux, 3 * turns);
	pv_expect_in(t, "aux_head", aux_head(&aux), 0, aux.size);
	pv_aux_take(t, &aux, &sum, NULL, NULL);
	pv_expect_in(t, "records", sum.records, 1, UINT32_MAX);
	pv_expect_eq(t, "TRUNCATED", sum.flags & PERF_AUX_FLAG_TRUNCATED, 0);
	pv_expect_eq(t, "OVERWRITE", !!(sum.flags & PERF_AUX_FLAG_OVERWRITE), 1);
	pv_expect_in(t, "largest record", sum.largest, 1, aux.size);
}

PV_CASE(aux, one_piece, .each = "event[aux]", .needs = "root", .proof = "kernel",
	.about =
		"a buffer larger than the largest physical piece: to be overwritten by a PMU that needs one piece it is refused (ENOMEM), else it is made of pieces")
{
	size_t pages = 2048; /* twice a piece of the largest order, MAX_PAGE_ORDER */
	struct pv_ev *ev = pv_aux_open(t, NULL);
	struct pv_aux_records sum = {0};
	struct pv_aux aux;

	pv_ring_map(t, ev, PV_AUX_DATA);
	if (pv_pmu(t)->aux.one_piece)
		pv_expect_errno(t, "to be overwritten",
				pv_aux_try_map(ev, 1 + PV_AUX_DATA, pages, PROT_READ, NULL),
				-ENOMEM);
	aux = pv_aux_map(t, ev, pages, false);
	run(t, &aux, 1000);
	pv_aux_take(t, &aux, &sum, NULL, NULL);
	expect_lawful(t, &aux, &sum);
	pv_expect_in(t, "bytes", sum.bytes, 999 * pv_pmu(t)->aux.turn,
		     1000 * 16 * pv_pmu(t)->aux.turn);
}

PV_CASE(aux, refused, .each = "event[aux]", .needs = "root", .proof = "kernel",
	.about =
		"an AUX mapping without a ring, over it, of no power of two, elsewhere or in another size than is told is EINVAL, and leaves no trace")
{
	struct pv_ev *ev = pv_aux_open(t, NULL);
	struct pv_aux_records sum = {0};
	struct perf_event_mmap_page *control;
	struct pv_aux aux;
	void *p;

	p = pv_sys_mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, pv_fd(ev), 9 * PAGE);
	pv_expect_errno(t, "no ring yet", pv_is_err(p) ? (intptr_t)p : 0, -EINVAL);
	pv_ring_map(t, ev, PV_AUX_DATA);
	control = pv_ring_page(ev);
	pv_expect_errno(t, "over the ring's end",
			pv_aux_try_map(ev, PV_AUX_DATA, 4, PROT_READ, NULL), -EINVAL);
	for (size_t pages = 3; pages < 64; pages += pages < 8 ? 2 : 13)
		pv_expect_errno(t, "no power of two",
				pv_aux_try_map(ev, 9, pages, PROT_READ | PROT_WRITE, NULL),
				-EINVAL);
	control->aux_offset = 16 * PAGE;
	control->aux_size = 4 * PAGE;
	p = pv_sys_mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, pv_fd(ev), 9 * PAGE);
	pv_expect_errno(t, "elsewhere than told", pv_is_err(p) ? (intptr_t)p : 0, -EINVAL);
	control->aux_offset = 9 * PAGE;
	p = pv_sys_mmap(NULL, 8 * PAGE, PROT_READ, MAP_SHARED, pv_fd(ev), 9 * PAGE);
	pv_expect_errno(t, "larger than told", pv_is_err(p) ? (intptr_t)p : 0, -EINVAL);
	p = pv_sys_mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE, pv_fd(ev), 9 * PAGE);
	pv_expect_errno(t, "private", pv_is_err(p) ? (intptr_t)p : 0, -EINVAL);
	pv_expect_eq(t, "aux_head", control->aux_head, 0);
	aux = pv_aux_map(t, ev, 4, false);
	pv_expect_errno(t, "a second time, smaller", pv_aux_try_map(ev, 9, 2, PROT_READ, NULL),
			-EINVAL);
	pv_expect_errno(t, "a second time, further on", pv_aux_try_map(ev, 17, 4, PROT_READ, NULL),
			-EINVAL);
	pv_expect_errno(t, "a second time, the same", pv_aux_try_map(ev, 9, 4, PROT_READ, NULL), 0);
	run(t, &aux, 100);
	pv_aux_take(t, &aux, &sum, NULL, NULL);
	expect_lawful(t, &aux, &sum);
	pv_expect_in(t, "bytes", sum.bytes, 99 * pv_pmu(t)->aux.turn, aux.size);
}

PV_CASE(aux, members, .each = "event[aux]", .needs = "root", .proof = "kernel",
	.about =
		"what else a PMU with AUX refuses: a second event of an exclusive one, AUX data in samples, other events' output and pausing where it has not got them")
{
	const struct pv_aux_desc *aux = &pv_pmu(t)->aux;
	struct perf_event_attr twin = pv_attr(t, pv_event(t)), member = pv_dummy, plain;
	struct pv_ev *ev = pv_aux_open(t, NULL);

	twin.exclude_kernel = 1;
	pv_expect_errno(t, "a second event", pv_outcome(t, &twin, 0, -1, -1, 0),
			aux->exclusive ? -EBUSY : 0);
	pv_expect_errno(t, "a second one, of a CPU", pv_outcome(t, &twin, -1, pv_cpu(t), -1, 0),
			aux->exclusive ? -EBUSY : 0);
	plain = member;
	pv_expect_errno(t, "a member without AUX", pv_outcome(t, &plain, 0, -1, pv_fd(ev), 0), 0);
	member.aux_sample_size = 4096;
	member.sample_type = PERF_SAMPLE_AUX;
	pv_expect_errno(t, "a member with AUX samples", pv_outcome(t, &member, 0, -1, pv_fd(ev), 0),
			aux->samples ? 0 : -EINVAL);
	if (pv_aux_action_known()) {
		static const uint32_t actions[] = {PV_AUX_PAUSE, PV_AUX_RESUME};

		for (int i = 0; i < 2; i++) {
			member = pv_dummy;
			pv_aux_action(&member, actions[i]);
			pv_expect_errno(t, "a member that pauses or resumes",
					pv_outcome(t, &member, 0, -1, pv_fd(ev), 0),
					aux->pause ? 0 : -EINVAL);
		}
		pv_close(t, ev);
		pv_aux_action(&twin, PV_AUX_START_PAUSED);
		pv_expect_errno(t, "started paused", pv_outcome(t, &twin, 0, -1, -1, 0),
				aux->pause ? 0 : -EOPNOTSUPP);
		pv_aux_action(&twin, 0);
	} else {
		pv_close(t, ev);
	}
	pv_expect_errno(t, "the first one closed", pv_outcome(t, &twin, 0, -1, -1, 0), 0);
}

static uint64_t bytes_of(struct pv_test *t, struct pv_aux *aux, uint64_t turns)
{
	struct pv_aux_records sum = {0};

	aux->tail = aux_head(aux);
	run(t, aux, turns);
	pv_aux_take(t, aux, &sum, NULL, NULL);
	pv_expect_eq(t, "records beyond the buffer, or no multiple of the PMU's own", sum.odd, 0);
	return sum.bytes;
}

static void unmap_aux(struct pv_test *t, struct pv_aux *aux)
{
	pv_expect_errno(t, "munmap of AUX", pv_sys_munmap((void *)aux->base, aux->size), 0);
}

static void unmap_ring(struct pv_test *t, struct pv_aux *aux)
{
	pv_expect_errno(t, "munmap of the ring",
			pv_sys_munmap(pv_ring_page(aux->ev), (1 + PV_AUX_DATA) * PAGE), 0);
}

static void expect_readable(struct pv_test *t, const struct pv_aux *aux)
{
	uint8_t any = 0;

	for (unsigned int i = 0; i < 64; i++)
		any |= aux->base[i];
	pv_expect(t, "AUX data still there", any);
}

static void aux_first(struct pv_test *t, struct pv_aux *aux)
{
	unmap_aux(t, aux);
	pv_expect_eq(t, "bytes without AUX", bytes_of(t, aux, 100), 0);
	unmap_ring(t, aux);
	pv_close(t, aux->ev);
}

static void ring_first(struct pv_test *t, struct pv_aux *aux)
{
	unmap_ring(t, aux);
	expect_readable(t, aux);
	run(t, aux, 100);
	unmap_aux(t, aux);
	pv_close(t, aux->ev);
}

static void running(struct pv_test *t, struct pv_aux *aux)
{
	pv_enable(t, aux->ev);
	pv_aux_work(100);
	unmap_aux(t, aux);
	pv_aux_work(100);
	pv_disable(t, aux->ev);
	pv_aux_take(t, aux, &(struct pv_aux_records){0}, NULL, NULL);
	aux_first(t, aux);
}

static void twice(struct pv_test *t, struct pv_aux *aux)
{
	struct pv_aux second = *aux;
	void *base = NULL;

	pv_expect_errno(t, "a second mapping", pv_aux_try_map(aux->ev, 9, 8, PROT_READ, &base), 0);
	unmap_aux(t, aux);
	second.base = base;
	pv_expect_in(t, "bytes by the second mapping", bytes_of(t, &second, 100),
		     99 * pv_pmu(t)->aux.turn, aux->size);
	expect_readable(t, &second);
	aux_first(t, &second);
}

static void closed(struct pv_test *t, struct pv_aux *aux)
{
	pv_close(t, aux->ev);
	expect_readable(t, aux);
	unmap_aux(t, aux);
	unmap_ring(t, aux);
}

static void again(struct pv_test *t, struct pv_aux *aux)
{
	struct perf_event_mmap_page *control = pv_ring_page(aux->ev);

	unmap_aux(t, aux);
	control->aux_tail = control->aux_head;
	*aux = pv_aux_map(t, aux->ev, 16, false);
	pv_expect_in(t, "bytes in a larger buffer", bytes_of(t, aux, 100), 99 * pv_pmu(t)->aux.turn,
		     aux->size);
	aux_first(t, aux);
}

static const struct {
	const char *word;
	void (*leave)(struct pv_test *t, struct pv_aux *aux);
} orders[] = {
	{"aux-first", aux_first}, {"ring-first", ring_first}, {"running", running},
	{"twice", twice},         {"closed", closed},         {"again", again},
};

PV_CASE(aux, unmap, .each = "event[aux] word[aux-first,ring-first,running,twice,closed,again]",
	.needs = "root", .proof = "kernel",
	.about =
		"ring and AUX may be unmapped in any order, even while the event runs: it stops, what is still mapped stays readable, a new AUX buffer works")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), 8, false);
	uint64_t least = 99 * pv_pmu(t)->aux.turn;
	unsigned int row = 0;

	while (strcmp(orders[row].word, pv_word(t)))
		row++;
	pv_expect_in(t, "bytes at first", bytes_of(t, &aux, 100), least, aux.size);
	orders[row].leave(t, &aux);
	aux = pv_aux_map(t, pv_aux_open(t, NULL), 4, false);
	pv_expect_in(t, "bytes afterwards", bytes_of(t, &aux, 100), least, aux.size);
}
