/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel's branch trace store: each record of 24 bytes is a branch that this code has really taken
 * (SDM volume 3, 17.4.9: where from, where to, whether it was predicted).
 */
#define _GNU_SOURCE
#include <string.h>

#include "arch/work.h"
#include "cases/lib/aux.h"

struct branch {
	uint64_t from, to, flags;
};

#define BRANCH_PREDICTED (1ull << 4)
/* No workload of arch/x86/work_64.S is longer. */
#define CODE 64

/* What the records of a workload whose turn is `period` branches have shown. */
struct trace {
	unsigned int period;
	const void *code[2];
	uint64_t inside;  /* branches of the workload */
	uint64_t foreign; /* ... that are none of its edges, or not in their turn */
	uint64_t odd_flags, kernel, interrupts;
	struct branch edge[3];
	unsigned int known; /* edges that have been learnt in the first turn */
	unsigned int next;
};

static bool within(uint64_t address, const void *function)
{
	return address - (uintptr_t)function < CODE;
}

static bool in_code(const struct trace *tr, uint64_t address)
{
	return within(address, tr->code[0]) || within(address, tr->code[1]);
}

static void one(struct trace *tr, const struct branch *b)
{
	tr->odd_flags += b->flags & ~BRANCH_PREDICTED;
	tr->kernel += b->from >= PV_KERNEL_HALF;
	if (!in_code(tr, b->from))
		return;
	/* An interrupt leads into the kernel, from wherever it comes. */
	if (b->to >= PV_KERNEL_HALF) {
		tr->interrupts++;
		return;
	}
	if (!in_code(tr, b->to))
		return;
	tr->inside++;
	if (tr->known < tr->period) {
		tr->edge[tr->known++] = *b;
		return;
	}
	tr->foreign += b->from != tr->edge[tr->next].from || b->to != tr->edge[tr->next].to;
	tr->next = (tr->next + 1) % tr->period;
}

static void each(void *arg, const uint8_t *data, uint64_t bytes)
{
	struct branch b;

	for (uint64_t at = 0; at + sizeof(b) <= bytes; at += sizeof(b)) {
		memcpy(&b, data + at, sizeof(b));
		one(arg, &b);
	}
}

static struct trace loop_trace(void)
{
	return (struct trace){.period = 1, .code = {pv_asm_loop, pv_asm_loop}};
}

static struct trace call_trace(void)
{
	return (struct trace){.period = 3, .code = {pv_asm_call, pv_probe_target}};
}

static void expect_edges(struct pv_test *t, const struct trace *tr, uint64_t inside)
{
	pv_expect_eq(t, "branches of the workload", tr->inside, inside);
	pv_expect_eq(t, "others between them", tr->foreign, 0);
	pv_expect_eq(t, "flags that a record has not got", tr->odd_flags, 0);
	pv_expect_eq(t, "branches from the kernel", tr->kernel, 0);
}

static uint32_t pages_of_watermark;

static void set_watermark(struct perf_event_attr *attr)
{
	attr->aux_watermark = pages_of_watermark * 4096;
}

PV_CASE(bts, loop, .each = "event[aux] n[0,2,4,8]", .needs = "root", .proof = "kernel",
	.about =
		"each taken branch of a loop is one record, whole and in order, over the seams of the buffer's pieces too: n pages each, 0 for half of the buffer")
{
	struct trace tr = loop_trace();
	struct pv_aux_records sum = {0};
	struct pv_aux aux;

	pages_of_watermark = pv_n(t);
	aux = pv_aux_map(t, pv_aux_open(t, set_watermark), 64, false);
	pv_enable(t, aux.ev);
	pv_asm_loop(4000);
	pv_disable(t, aux.ev);
	pv_aux_take(t, &aux, &sum, each, &tr);
	expect_edges(t, &tr, 4000 - 1);
	pv_expect_eq(t, "the loop's branch goes back in it",
		     within(tr.edge[0].from, pv_asm_loop) && tr.edge[0].to < tr.edge[0].from, 1);
	pv_expect_eq(t, "TRUNCATED", sum.flags & PERF_AUX_FLAG_TRUNCATED, 0);
}

PV_CASE(bts, calls, .each = "event[aux]", .needs = "root", .proof = "kernel",
	.about =
		"a loop of calls is call, return, branch back and nothing else, turn by turn, over several laps of the buffer")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), 8, false);
	struct trace tr = call_trace();
	struct pv_aux_records sum = {0};

	for (int round = 0; round < 10; round++) {
		tr.known = tr.next = 0;
		pv_enable(t, aux.ev);
		pv_asm_call(200, pv_probe_target);
		pv_disable(t, aux.ev);
		pv_aux_take(t, &aux, &sum, each, &tr);
		pv_aux_consume(&aux);
		pv_expect(t, "a call", tr.edge[0].to == (uintptr_t)pv_probe_target);
		pv_expect(t, "its return",
			  within(tr.edge[1].from, pv_probe_target) &&
				  tr.edge[1].to > tr.edge[0].from &&
				  tr.edge[1].to - tr.edge[0].from < 8);
		pv_expect(t, "and round again",
			  within(tr.edge[2].from, pv_asm_call) && tr.edge[2].to == tr.edge[0].from);
	}
	/* The last turn does not go round. */
	expect_edges(t, &tr, 10 * (3 * 200 - 1));
}

PV_CASE(bts, newest, .each = "event[aux] n[1,4,32]", .needs = "root", .proof = "kernel",
	.about =
		"a buffer that is overwritten is full of the newest branches, and aux_head stands behind the youngest of them")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), pv_n(t), true);
	uint64_t whole = aux.size / sizeof(struct branch), old = 0, youngest;
	struct pv_aux_records sum = {0};
	struct branch b, edge = {0};

	pv_enable(t, aux.ev);
	pv_asm_call(whole, pv_probe_target); /* three laps */
	pv_asm_loop(whole / 2);
	pv_disable(t, aux.ev);
	pv_aux_take(t, &aux, &sum, NULL, NULL);
	youngest = pv_ring_page(aux.ev)->aux_head / sizeof(b);
	pv_expect_in(t, "aux_head", youngest, 0, whole);
	for (uint64_t i = 0, loop = 0; i < whole; i++) {
		/* from the youngest to the oldest */
		memcpy(&b, aux.base + (youngest + whole - 1 - i) % whole * sizeof(b), sizeof(b));
		if (within(b.from, pv_asm_loop) && within(b.to, pv_asm_loop)) {
			edge = b;
			loop++;
		} else if (loop && loop < whole / 2 - 1 && b.to < PV_KERNEL_HALF) {
			old++;
		}
		if (i == whole - 1)
			pv_expect_eq(t, "branches of the loop", loop, whole / 2 - 1);
	}
	pv_expect(t, "their edge", edge.to < edge.from && within(edge.from, pv_asm_loop));
	pv_expect_eq(t, "older ones between them", old, 0);
}

PV_CASE(bts, modes, .each = "event[aux] word[user,kernel,both]", .needs = "root", .proof = "kernel",
	.about =
		"exclude_user and exclude_kernel go by where a branch comes from: the way into the kernel is told, what happens in there only when asked for")
{
	bool user = strcmp(pv_word(t), "kernel"), kernel = strcmp(pv_word(t), "user");
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct trace tr = loop_trace();
	struct pv_aux_records sum = {0};
	struct pv_aux aux;

	attr.exclude_kernel = !kernel;
	attr.exclude_user = !user;
	aux = pv_aux_map(t, pv_open(t, &attr, 0, -1, NULL, 0), 256, false);
	pv_enable(t, aux.ev);
	pv_asm_loop(500);
	pv_asm_syscall(10, 39 /* getpid */, 0);
	pv_disable(t, aux.ev);
	pv_aux_take(t, &aux, &sum, each, &tr);
	pv_expect_eq(t, "branches of the loop", tr.inside, user ? 500 - 1 : 0);
	pv_expect_in(t, "branches in the kernel", tr.kernel, kernel ? 100 : 0,
		     kernel ? UINT32_MAX : 0);
	pv_expect_eq(t, "others in the loop", tr.foreign, 0);
}

PV_CASE(bts, switches, .each = "event[aux]", .needs = "root", .proof = "kernel",
	.about =
		"a task's trace stops and goes on with it: over many context switches each of its branches is told once, none of another task")
{
	struct pv_aux aux = pv_aux_map(t, pv_aux_open(t, NULL), 32, false);
	struct pv_actor *other = pv_actor(t);
	struct trace tr = loop_trace();
	struct pv_aux_records sum = {0};

	pv_enable(t, aux.ev);
	for (int i = 0; i < 20; i++) {
		pv_asm_loop(50);
		pv_act(t, other, PV_ACT_SPIN, 1);
	}
	pv_disable(t, aux.ev);
	pv_aux_take(t, &aux, &sum, each, &tr);
	expect_edges(t, &tr, 20 * (50 - 1));
	pv_expect_in(t, "records, one for each time it ran", sum.records, 20, 200);
}

PV_CASE(bts, exclusive, .each = "event[aux]", .needs = "root", .proof = "kernel",
	.about =
		"branch records and branch trace store shut each other out: EBUSY while the other is open, whichever came first")
{
	struct perf_event_attr lbr =
		pv_attr(t, pv_find_event(t, "intel-core", "br_inst_retired.all_branches"));
	struct perf_event_attr bts = pv_attr(t, pv_event(t));
	struct pv_ev *ev;

	lbr.exclude_kernel = bts.exclude_kernel = 1;
	lbr.sample_period = 100000;
	lbr.sample_type = PERF_SAMPLE_BRANCH_STACK;
	lbr.branch_sample_type = PERF_SAMPLE_BRANCH_USER | PERF_SAMPLE_BRANCH_ANY;
	ev = pv_open(t, &bts, 0, -1, NULL, 0);
	pv_expect_errno(t, "branch records", pv_outcome(t, &lbr, 0, -1, -1, 0), -EBUSY);
	pv_close(t, ev);
	ev = pv_open(t, &lbr, 0, -1, NULL, 0);
	pv_expect_errno(t, "branch trace store", pv_outcome(t, &bts, 0, -1, -1, 0), -EBUSY);
	pv_close(t, ev);
	pv_expect_errno(t, "once it is closed", pv_outcome(t, &bts, 0, -1, -1, 0), 0);
}
