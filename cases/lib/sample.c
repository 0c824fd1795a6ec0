/* SPDX-License-Identifier: GPL-2.0-only */
/* Takes samples apart: include/uapi/linux/perf_event.h, perf_output_sample() of core.c. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "arch/isa.h"
#include "cases/lib/test.h"

const unsigned int pv_reg_sp = PV_ISA_SP, pv_reg_ip = PV_ISA_IP;
const uint64_t pv_regs_all = PV_ISA_REGS, pv_regs_abi = PV_ISA_ABI;

struct cursor {
	const uint8_t *at, *end;
	const char *what; /* the first field that is not all there */
};

static const void *take(struct cursor *c, const char *what, uint64_t size)
{
	static const uint64_t nothing[2];
	const void *p = c->at;

	if (c->what || size > (uint64_t)(c->end - c->at)) {
		if (!c->what)
			c->what = what;
		return size <= sizeof(nothing) ? (const void *)nothing : NULL;
	}
	c->at += size;
	return p;
}

static uint64_t u64(struct cursor *c, const char *what)
{
	uint64_t v;

	memcpy(&v, take(c, what, sizeof(v)), sizeof(v));
	return v;
}

static void u32x2(struct cursor *c, const char *what, uint32_t *a, uint32_t *b)
{
	uint32_t v[2];

	memcpy(v, take(c, what, sizeof(v)), sizeof(v));
	*a = v[0];
	*b = v[1];
}

static void read_block(struct cursor *c, uint64_t format, struct pv_group *g)
{
	bool group = format & PERF_FORMAT_GROUP;

	g->nr = group ? u64(c, "READ nr") : 1;
	if (g->nr > PV_GROUP_MAX) {
		c->what = c->what ? c->what : "READ nr";
		g->nr = 0;
	}
	if (!group)
		g->member[0].value = u64(c, "READ value");
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED)
		g->enabled = u64(c, "READ time_enabled");
	if (format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		g->running = u64(c, "READ time_running");
	for (size_t i = 0; i < g->nr; i++) {
		if (group)
			g->member[i].value = u64(c, "READ value");
		if (format & PERF_FORMAT_ID)
			g->member[i].id = u64(c, "READ id");
		if (format & PERF_FORMAT_LOST)
			g->member[i].lost = u64(c, "READ lost");
	}
}

static void regs(struct cursor *c, const char *what, uint64_t mask, struct pv_regs *r)
{
	r->abi = u64(c, what);
	if (!r->abi)
		return;
	r->mask = mask;
	r->nr = __builtin_popcountll(mask);
	r->value = take(c, what, r->nr * sizeof(uint64_t));
}

/* u64 count and so many words of `words` u64 each */
static const uint64_t *counted(struct cursor *c, const char *what, uint64_t *nr, size_t words)
{
	if (*nr > UINT16_MAX)
		*nr = UINT16_MAX; /* more than any record: take() will say so */
	return take(c, what, *nr * words * sizeof(uint64_t));
}

const char *pv_sample_parse(const struct perf_event_attr *attr, const struct pv_record *rec,
			    struct pv_sample *s)
{
	struct cursor c = {rec->body, rec->body + rec->header.size - sizeof(rec->header), NULL};
	uint64_t type = attr->sample_type;

	memset(s, 0, sizeof(*s));
	if (type & PERF_SAMPLE_IDENTIFIER)
		s->identifier = u64(&c, "IDENTIFIER");
	if (type & PERF_SAMPLE_IP)
		s->ip = u64(&c, "IP");
	if (type & PERF_SAMPLE_TID)
		u32x2(&c, "TID", &s->pid, &s->tid);
	if (type & PERF_SAMPLE_TIME)
		s->time = u64(&c, "TIME");
	if (type & PERF_SAMPLE_ADDR)
		s->addr = u64(&c, "ADDR");
	if (type & PERF_SAMPLE_ID)
		s->id = u64(&c, "ID");
	if (type & PERF_SAMPLE_STREAM_ID)
		s->stream_id = u64(&c, "STREAM_ID");
	if (type & PERF_SAMPLE_CPU)
		u32x2(&c, "CPU", &s->cpu, &s->cpu_reserved);
	if (type & PERF_SAMPLE_PERIOD)
		s->period = u64(&c, "PERIOD");
	if (type & PERF_SAMPLE_READ)
		read_block(&c, attr->read_format, &s->read);
	if (type & PERF_SAMPLE_CALLCHAIN) {
		s->chain_nr = u64(&c, "CALLCHAIN nr");
		s->chain = counted(&c, "CALLCHAIN", &s->chain_nr, 1);
	}
	if (type & PERF_SAMPLE_RAW) {
		memcpy(&s->raw_size, take(&c, "RAW size", 4), 4);
		s->raw = take(&c, "RAW", s->raw_size);
	}
	if (type & PERF_SAMPLE_BRANCH_STACK) {
		s->branch_nr = u64(&c, "BRANCH_STACK nr");
		if (attr->branch_sample_type & PERF_SAMPLE_BRANCH_HW_INDEX)
			s->branch_hw_idx = u64(&c, "BRANCH_STACK hw_idx");
		s->branch = counted(&c, "BRANCH_STACK", &s->branch_nr, 3);
	}
	if (type & PERF_SAMPLE_REGS_USER)
		regs(&c, "REGS_USER", attr->sample_regs_user, &s->user);
	if (type & PERF_SAMPLE_STACK_USER) {
		s->stack_size = u64(&c, "STACK_USER size");
		s->stack = take(&c, "STACK_USER", s->stack_size);
		if (s->stack_size)
			s->stack_dyn = u64(&c, "STACK_USER dyn_size");
	}
	if (type & (PERF_SAMPLE_WEIGHT | PERF_SAMPLE_WEIGHT_STRUCT))
		s->weight = u64(&c, "WEIGHT");
	if (type & PERF_SAMPLE_DATA_SRC)
		s->data_src = u64(&c, "DATA_SRC");
	if (type & PERF_SAMPLE_TRANSACTION)
		s->transaction = u64(&c, "TRANSACTION");
	if (type & PERF_SAMPLE_REGS_INTR)
		regs(&c, "REGS_INTR", attr->sample_regs_intr, &s->intr);
	if (type & PERF_SAMPLE_PHYS_ADDR)
		s->phys_addr = u64(&c, "PHYS_ADDR");
	if (type & PERF_SAMPLE_CGROUP)
		s->cgroup = u64(&c, "CGROUP");
	if (type & PERF_SAMPLE_DATA_PAGE_SIZE)
		s->data_page_size = u64(&c, "DATA_PAGE_SIZE");
	if (type & PERF_SAMPLE_CODE_PAGE_SIZE)
		s->code_page_size = u64(&c, "CODE_PAGE_SIZE");
	if (type & PERF_SAMPLE_AUX) {
		s->aux_size = u64(&c, "AUX size");
		s->aux = take(&c, "AUX", s->aux_size);
	}
	if (!c.what && c.at != c.end)
		return "bytes that no field asks for";
	return c.what;
}

void pv_sample_decode(struct pv_test *t, struct pv_ev *ev, const struct pv_record *rec,
		      struct pv_sample *s)
{
	const char *wrong = pv_sample_parse(&ev->attr, rec, s);

	if (wrong)
		pv_fail(t, "a sample of %u bytes (sample_type 0x%llx, read_format 0x%llx): %s",
			rec->header.size, (unsigned long long)ev->attr.sample_type,
			(unsigned long long)ev->attr.read_format, wrong);
}

bool pv_sample_next(struct pv_test *t, struct pv_ev *ev, struct pv_record *rec, struct pv_sample *s)
{
	while (pv_ring_next(t, ev, rec)) {
		if (rec->header.type != PERF_RECORD_SAMPLE)
			continue;
		pv_sample_decode(t, ev, rec, s);
		return true;
	}
	return false;
}

#define TRAILER                                                                                    \
	(PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID | PERF_SAMPLE_STREAM_ID |             \
	 PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER)

size_t pv_trailer_size(uint64_t sample_type)
{
	return __builtin_popcountll(sample_type & TRAILER) * sizeof(uint64_t);
}

void pv_trailer_decode(struct pv_test *t, uint64_t sample_type, const struct pv_record *rec,
		       struct pv_sample *s)
{
	size_t size = pv_trailer_size(sample_type), body = rec->header.size - sizeof(rec->header);
	struct cursor c = {rec->body + body - size, rec->body + body, NULL};

	memset(s, 0, sizeof(*s));
	if (size > body)
		pv_fail(t, "a record of type %u has %u bytes: too few for its %zu of sample_id",
			rec->header.type, rec->header.size, size);
	if (sample_type & PERF_SAMPLE_TID)
		u32x2(&c, "TID", &s->pid, &s->tid);
	if (sample_type & PERF_SAMPLE_TIME)
		s->time = u64(&c, "TIME");
	if (sample_type & PERF_SAMPLE_ID)
		s->id = u64(&c, "ID");
	if (sample_type & PERF_SAMPLE_STREAM_ID)
		s->stream_id = u64(&c, "STREAM_ID");
	if (sample_type & PERF_SAMPLE_CPU)
		u32x2(&c, "CPU", &s->cpu, &s->cpu_reserved);
	if (sample_type & PERF_SAMPLE_IDENTIFIER)
		s->identifier = u64(&c, "IDENTIFIER");
}

uint64_t pv_reg(struct pv_test *t, const struct pv_regs *regs, unsigned int bit)
{
	uint64_t below = regs->mask & ((1ull << bit) - 1);

	if (!(regs->mask & 1ull << bit))
		pv_fail(t, "a sample without register %u (abi %llu)", bit,
			(unsigned long long)regs->abi);
	return regs->value[__builtin_popcountll(below)];
}
