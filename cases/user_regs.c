/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * REGS_USER and REGS_INTR against registers that assembly has planted (perf_output_sample_regs()).
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "arch/frames.h"
#include "arch/isa.h"
#include "cases/lib/plant.h"

static struct pv_record rec;

PV_CASE(user_regs, planted, .pmu = "perf", .each = "word[breakpoint,system-call,kernel]",
	.proof = "kernel",
	.about =
		"REGS_USER has the registers of user space at the break or system call, all of them; REGS_INTR those of the place")
{
	bool syscall = strcmp(pv_word(t), "breakpoint"), kernel = !strcmp(pv_word(t), "kernel");
	struct perf_event_attr attr = pv_plant_source(t, pv_word(t));
	struct pv_plant p = {0};
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_REGS_INTR;
	for (int i = 0; i < 4; i++) {
		pv_plant(t, &p, 4096 + 16 * i);
		attr.sample_regs_intr =
			i ? 1ull << pv_reg_ip | 1ull << pv_reg_sp | 1ull << i : pv_regs_all;
		pv_plant_sample(t, &attr, &p, 4, &rec, &s);
		pv_expect_eq(t, "abi of the user's", s.user.abi, pv_regs_abi);
		pv_expect_eq(t, "registers of the user's", s.user.nr,
			     __builtin_popcountll(pv_regs_all));
		pv_expect_eq(t, "wrong registers of the user's",
			     pv_plant_wrong(t, &s.user, &p, syscall), 0);
		pv_expect_eq(t, "abi of the place's", s.intr.abi, pv_regs_abi);
		pv_expect_eq(t, "ip of the place's", pv_reg(t, &s.intr, pv_reg_ip), s.ip);
		if (!kernel) {
			pv_expect_eq(t, "wrong registers of the place's",
				     pv_plant_wrong(t, &s.intr, &p, syscall), 0);
			continue;
		}
		pv_expect(t, "ip of the place's is the kernel's", s.ip >= PV_KERNEL_HALF);
		pv_expect(t, "sp of the place's is the kernel's",
			  pv_reg(t, &s.intr, pv_reg_sp) >= PV_KERNEL_HALF);
	}
}

PV_CASE(user_regs, masks, .pmu = "perf", .proof = "kernel",
	.about =
		"each register alone and any set of them come by ascending number, as many as asked for")
{
	struct perf_event_attr attr = pv_plant_source(t, "breakpoint");
	unsigned int wrong_nr = 0, wrong = 0, judged = 0;
	struct pv_plant p = {0};
	struct pv_sample s;

	for (unsigned int bit = 0; bit < PV_PLANT_REGS + 12; bit++) {
		uint64_t mask = bit < PV_PLANT_REGS ? 1ull << bit : pv_random(t, 1, UINT64_MAX - 1);

		mask &= pv_regs_all;
		if (!mask)
			continue;
		pv_plant(t, &p, 4096);
		attr.sample_regs_user = mask;
		attr.sample_type &= ~(uint64_t)PERF_SAMPLE_REGS_INTR;
		attr.sample_regs_intr = 0;
		if (bit >= PV_PLANT_REGS) {
			/* a mask of its own for each */
			attr.sample_type |= PERF_SAMPLE_REGS_INTR;
			attr.sample_regs_intr = (pv_random(t, 1, UINT64_MAX - 1) & pv_regs_all) | 1;
		}
		pv_plant_sample(t, &attr, &p, 2, &rec, &s);
		wrong_nr += s.user.nr != (unsigned int)__builtin_popcountll(mask);
		wrong += pv_plant_wrong(t, &s.user, &p, false);
		if (attr.sample_regs_intr)
			wrong += pv_plant_wrong(t, &s.intr, &p, false);
		judged++;
	}
	pv_expect_in(t, "samples", judged, 16, PV_PLANT_REGS + 12);
	pv_expect_eq(t, "samples with a wrong number of registers", wrong_nr, 0);
	pv_expect_eq(t, "wrong registers", wrong, 0);
}

PV_CASE(user_regs, refused, .pmu = "perf", .proof = "kernel",
	.about =
		"a mask without registers, or with one that does not exist, is refused with EINVAL; every other opens")
{
	unsigned int wrong_user = 0, wrong_intr = 0, refused = 0;
	uint64_t known = pv_isa_kernel_regs();

	for (int bit = -1; bit < 64; bit++) {
		struct perf_event_attr attr = pv_dummy;
		uint64_t mask = bit < 0 ? 0 : 1ull << bit;
		long result = mask & known ? 0 : -EINVAL;

		/* bit 46 is VG: there with SVE, then refused for this PMU's sake (arm64) */
		if (bit == 46 && (pv_regs_all >> pv_reg_ip == 1 || known >> 32 == 1))
			continue;
		if (known >> 63 && bit >= 32)
			result = -EOPNOTSUPP;
		attr.sample_type = PERF_SAMPLE_REGS_USER;
		attr.sample_regs_user = mask;
		wrong_user += pv_outcome(t, &attr, 0, -1, -1, 0) != result;
		attr = pv_dummy;
		attr.sample_type = PERF_SAMPLE_REGS_INTR;
		attr.sample_regs_intr = mask;
		wrong_intr += pv_outcome(t, &attr, 0, -1, -1, 0) != result;
		/* beside one that exists */
		attr.sample_regs_intr = mask | 1;
		if (bit > 0)
			wrong_intr += pv_outcome(t, &attr, 0, -1, -1, 0) != result;
		refused += result == -EINVAL;
	}
	pv_expect_in(t, "masks to refuse", refused, 1, 64);
	pv_expect_eq(t, "wrong answers for sample_regs_user", wrong_user, 0);
	pv_expect_eq(t, "wrong answers for sample_regs_intr", wrong_intr, 0);
}

PV_CASE(user_regs, nobody, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"a sample of the idle task has neither user registers nor user stack nor a user chain; one of ours beside it has")
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "sw", "context-switches"));
	unsigned int idle = 0, own = 0, idle_user = 0, own_none = 0;
	struct pv_sample s;
	struct pv_ev *ev;

	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_REGS_USER |
			   PERF_SAMPLE_STACK_USER | PERF_SAMPLE_DATA_SRC;
	attr.sample_regs_user = pv_regs_all;
	attr.sample_stack_user = 64;
	ev = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	pv_ring_map(t, ev, 64);
	pv_enable(t, ev);
	for (int i = 0; i < 200 && (idle < 3 || own < 3); i++) {
		usleep(300);
		while (pv_sample_next(t, ev, &rec, &s)) {
			bool marked = false;

			for (uint64_t k = 0; k < s.chain_nr; k++)
				marked |= s.chain[k] == (uint64_t)PERF_CONTEXT_USER;
			if (!s.tid) {
				idle++;
				idle_user += s.user.abi || s.stack_size || marked || !s.data_src;
			} else if (s.tid == (uint32_t)gettid()) {
				own++;
				own_none += s.user.abi != pv_regs_abi || s.stack_size != 64 ||
					    !marked || !s.data_src;
			}
		}
	}
	pv_disable(t, ev);
	if (!idle)
		pv_skip(t, PV_ABSENT, "CPU %d was never idle", pv_cpu(t));
	pv_expect_in(t, "samples of ours", own, 1, UINT64_MAX);
	pv_expect_eq(t, "of the idle task with something of user space", idle_user, 0);
	pv_expect_eq(t, "of ours without", own_none, 0);
}
