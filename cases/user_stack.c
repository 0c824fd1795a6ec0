/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * STACK_USER against a stack of random bytes on which nothing runs (perf_sample_ustack_size(),
 * perf_output_sample_ustack()).
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "arch/frames.h"
#include "arch/isa.h"
#include "cases/lib/plant.h"

static struct pv_record rec;

PV_CASE(user_regs, stack, .pmu = "perf", .each = "word[breakpoint,system-call,kernel]",
	.proof = "kernel",
	.about = "STACK_USER has the bytes above the user's stack pointer, as many as asked for")
{
	static const uint32_t sizes[] = {8, 16, 256, 1000, 4096, 4104, 16384, 40000};
	struct perf_event_attr attr = pv_plant_source(t, pv_word(t));
	unsigned int wrong_size = 0, wrong_dyn = 0, wrong_bytes = 0, wrong_behind = 0;
	struct pv_plant p = {0};
	struct pv_sample s;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		pv_plant(t, &p, 65536 + 16 * pv_random(t, 0, 200));
		attr.sample_stack_user = sizes[i];
		attr.sample_type |= PERF_SAMPLE_STACK_USER;
		/* not asked for, yet needed by the kernel */
		if (i & 1)
			attr.sample_type &= ~(uint64_t)PERF_SAMPLE_REGS_USER;
		pv_plant_sample(t, &attr, &p, 16, &rec, &s);
		wrong_size += s.stack_size != sizes[i];
		wrong_dyn += s.stack_dyn != sizes[i];
		if (s.stack_size == sizes[i])
			wrong_bytes += !!memcmp(s.stack, (void *)p.in[pv_reg_sp], sizes[i]);
		wrong_behind += !s.data_src;
	}
	pv_expect_eq(t, "wrong sizes", wrong_size, 0);
	pv_expect_eq(t, "wrong dynamic sizes", wrong_dyn, 0);
	pv_expect_eq(t, "wrong bytes", wrong_bytes, 0);
	pv_expect_eq(t, "wrong fields behind", wrong_behind, 0);
}

PV_CASE(user_regs, stack_top, .pmu = "perf", .proof = "kernel",
	.about =
		"a stack that ends before the size asked for gives its bytes, and dyn_size says how many")
{
	static const unsigned int rooms[] = {16, 256, 4096, 8192 + 512};
	struct perf_event_attr attr = pv_plant_source(t, "breakpoint");
	struct pv_plant p = {0};
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_STACK_USER;
	attr.sample_stack_user = 16384;
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		unsigned int least =
			rooms[i] > PV_ISA_COPY_AHEAD ? rooms[i] - PV_ISA_COPY_AHEAD : 0;

		pv_plant(t, &p, rooms[i]);
		pv_plant_sample(t, &attr, &p, 16, &rec, &s);
		pv_expect_eq(t, "size", s.stack_size, 16384);
		pv_expect_in(t, "dynamic size", s.stack_dyn, least, rooms[i]);
		pv_expect(t, "its bytes",
			  s.stack_dyn <= rooms[i] &&
				  !memcmp(s.stack, (void *)p.in[pv_reg_sp], s.stack_dyn));
		pv_expect(t, "the field behind", s.data_src != 0);
	}
}

PV_CASE(user_regs, stack_largest, .pmu = "perf", .proof = "kernel",
	.about =
		"a stack that does not fit into a record of 64 KiB is cut, so that the record is as large as it can be")
{
	struct perf_event_attr attr = pv_plant_source(t, "breakpoint");
	struct pv_plant p = {0};
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_STACK_USER;
	attr.sample_stack_user = 65528;
	for (int i = 0; i < 3; i++) {
		static const uint64_t more[] = {0, PERF_SAMPLE_TID | PERF_SAMPLE_WEIGHT,
						PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_RAW};

		attr.sample_type |= more[i];
		pv_plant(t, &p, 2 * 65536 - 4096);
		pv_plant_sample(t, &attr, &p, 32, &rec, &s);
		/* header.size is 16 bits wide and a multiple of 8 */
		pv_expect_eq(t, "record size", rec.header.size, 65528);
		pv_expect_eq(t, "dynamic size", s.stack_dyn, s.stack_size);
		pv_expect(t, "its bytes", !memcmp(s.stack, (void *)p.in[pv_reg_sp], s.stack_size));
		pv_expect(t, "the field behind", s.data_src != 0);
	}
}

PV_CASE(user_regs, stack_and_intr, .pmu = "perf", .proof = "kernel",
	.about =
		"REGS_INTR behind the largest stack does not make the record overflow its 16 bits of size")
{
	struct perf_event_attr attr = pv_plant_source(t, "breakpoint");
	struct pv_plant p = {0};
	struct pv_sample s;
	struct pv_ev *ev;
	bool got;

	attr.sample_type |= PERF_SAMPLE_STACK_USER | PERF_SAMPLE_REGS_INTR;
	attr.sample_regs_intr = pv_regs_all;
	attr.sample_stack_user = 65528;
	pv_plant(t, &p, 2 * 65536 - 4096);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 32);
	pv_enable(t, ev);
	pv_asm_plant(p.in);
	pv_disable(t, ev);
	got = pv_ring_next(t, ev, &rec) && rec.header.type == PERF_RECORD_SAMPLE;
	pv_expect(t, "a sample", got);
	pv_expect_in(t, "record size", rec.header.size, 60000, 65528);
	got = got && !pv_sample_parse(&attr, &rec, &s);
	pv_expect(t, "all fields are in the record", got);
	if (got)
		pv_expect_eq(t, "wrong registers behind the stack",
			     pv_plant_wrong(t, &s.intr, &p, false), 0);
}

PV_CASE(user_regs, stack_none, .pmu = "perf", .each = "word[asked-for-none,no-stack]",
	.proof = "kernel",
	.about =
		"a stack of no bytes is a size of 0 and nothing more: the fields behind are in their place")
{
	struct perf_event_attr attr = pv_plant_source(t, "breakpoint");
	bool none = !strcmp(pv_word(t), "no-stack");
	struct pv_plant p = {0};
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_STACK_USER;
	attr.sample_stack_user = none ? 64 : 0;
	pv_plant(t, &p, 4096);
	if (none)
		p.in[pv_reg_sp] = 0;
	pv_plant_sample(t, &attr, &p, 4, &rec, &s);
	pv_expect_eq(t, "size", s.stack_size, 0);
	pv_expect(t, "the field behind", s.data_src != 0);
}
