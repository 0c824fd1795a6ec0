/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * REGS_USER, REGS_INTR and STACK_USER against registers that assembly has planted and a stack of
 * random bytes on which nothing runs (perf_output_sample_regs(), perf_output_sample_ustack()).
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "arch/frames.h"
#include "cases/pv.h"

#define NR_REGS 33

static struct pv_record rec;

/* ---- what is planted ---- */

struct plant {
	unsigned long in[NR_REGS];
	char *stack, *stack_end; /* behind it is nothing */
};

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* Registers of random contents, the stack pointer `room` bytes below the end of a random stack. */
static void plant(struct pv_test *t, struct plant *p, size_t room)
{
	size_t size = 32 * page_size();

	if (!p->stack) {
		p->stack = mmap(NULL, size + page_size(), PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p->stack == MAP_FAILED)
			pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
		p->stack_end = p->stack + size;
		munmap(p->stack_end, page_size());
		for (size_t i = 0; i < size; i += 8)
			*(uint64_t *)(p->stack + i) = pv_random(t, 0, UINT64_MAX - 1);
	}
	for (unsigned int i = 0; i < NR_REGS; i++)
		p->in[i] = pv_random(t, 0, UINT64_MAX - 1);
	p->in[PV_REG_SYSCALL] = SYS_getppid;
	p->in[pv_reg_sp] = (uintptr_t)p->stack_end - room;
}

static struct perf_event_attr source(struct pv_test *t, const char *word)
{
	struct perf_event_attr attr;

	if (!strcmp(word, "breakpoint")) {
		attr = pv_attr(t, pv_find_event(t, "breakpoint", "x"));
		attr.bp_addr = (uintptr_t)pv_asm_planted;
	} else {
		attr = pv_attr(t, pv_find_event(t, "tracepoint",
						strcmp(word, "kernel") ? "sys_enter_getppid"
								       : "raw_sys_enter"));
	}
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_REGS_USER | PERF_SAMPLE_DATA_SRC;
	attr.sample_regs_user = pv_regs_all;
	return attr;
}

static void sample(struct pv_test *t, const struct perf_event_attr *attr, struct plant *p,
		   unsigned int pages, struct pv_sample *s)
{
	struct pv_ev *ev = pv_open(t, attr, 0, -1, NULL, 0);

	pv_ring_map(t, ev, pages);
	memset(&rec, 0, sizeof(rec));
	pv_enable(t, ev);
	pv_asm_plant(p->in);
	pv_disable(t, ev);
	if (!pv_sample_next(t, ev, &rec, s))
		pv_fail(t, "no sample (sample_type 0x%llx)", (unsigned long long)attr->sample_type);
	pv_close(t, ev);
}

/* ---- what they are in a sample ---- */

#if defined(__x86_64__) || defined(__i386__)
static uint64_t segment(unsigned int bit)
{
	unsigned int value;

	if (bit == 10)
		__asm__("mov %%cs, %0" : "=r"(value));
	else
		__asm__("mov %%ss, %0" : "=r"(value));
	return value;
}
#endif

/* The value due; false: not known, or known in part and judged here. */
static bool due(unsigned int bit, const struct plant *p, bool syscall, uint64_t observed,
		uint64_t *value)
{
	*value = p->in[bit < NR_REGS ? bit : 0];
	if (bit == pv_reg_ip)
		*value = syscall ? (uintptr_t)pv_asm_planted_behind : (uintptr_t)pv_asm_planted;
#if defined(__x86_64__) || defined(__i386__)
	if (bit == 9) /* flags: the bit that is always 1, and interrupts are on */
		*value = (observed & ~0x202ull) | 0x202;
	if (bit == 10 || bit == 11)
		*value = segment(bit);
#endif
#if defined(__x86_64__)
	/* arch/x86/entry/entry_64.S: ax until there is a result; cx and r11 are the instruction's
	 */
	if (syscall && bit == 0)
		*value = -ENOSYS;
	if (syscall && bit == 2)
		*value = (uintptr_t)pv_asm_planted_behind;
	if (syscall && bit == 19)
		*value = (observed & ~0x202ull) | 0x202;
#endif
	(void)observed;
	return true;
}

/* How many of a sample's registers are not what was planted. */
static unsigned int wrong_regs(struct pv_test *t, const struct pv_regs *r, const struct plant *p,
			       bool syscall)
{
	unsigned int wrong = 0;

	for (unsigned int bit = 0; bit < 64; bit++) {
		uint64_t value, is;

		if (!(r->mask & 1ull << bit))
			continue;
		is = pv_reg(t, r, bit);
		if (!due(bit, p, syscall, is, &value) || is == value)
			continue;
		wrong++;
		pv_message(t, "register %u: 0x%llx, planted 0x%llx", bit, (unsigned long long)is,
			   (unsigned long long)value);
	}
	return wrong;
}

PV_CASE(user_regs, planted, .pmu = "perf", .each = "word[breakpoint,system-call,kernel]",
	.proof = "kernel",
	.about =
		"REGS_USER has the registers of user space at the break or system call, all of them; REGS_INTR those of the place")
{
	bool syscall = strcmp(pv_word(t), "breakpoint"), kernel = !strcmp(pv_word(t), "kernel");
	struct perf_event_attr attr = source(t, pv_word(t));
	struct plant p = {0};
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_REGS_INTR;
	for (int i = 0; i < 4; i++) {
		plant(t, &p, 4096 + 16 * i);
		attr.sample_regs_intr =
			i ? 1ull << pv_reg_ip | 1ull << pv_reg_sp | 1ull << i : pv_regs_all;
		sample(t, &attr, &p, 4, &s);
		pv_expect_eq(t, "abi of the user's", s.user.abi, pv_regs_abi);
		pv_expect_eq(t, "registers of the user's", s.user.nr,
			     __builtin_popcountll(pv_regs_all));
		pv_expect_eq(t, "wrong registers of the user's",
			     wrong_regs(t, &s.user, &p, syscall), 0);
		pv_expect_eq(t, "abi of the place's", s.intr.abi, pv_regs_abi);
		pv_expect_eq(t, "ip of the place's", pv_reg(t, &s.intr, pv_reg_ip), s.ip);
		if (!kernel) {
			pv_expect_eq(t, "wrong registers of the place's",
				     wrong_regs(t, &s.intr, &p, syscall), 0);
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
	struct perf_event_attr attr = source(t, "breakpoint");
	unsigned int wrong_nr = 0, wrong = 0, judged = 0;
	struct plant p = {0};
	struct pv_sample s;

	for (unsigned int bit = 0; bit < NR_REGS + 12; bit++) {
		uint64_t mask = bit < NR_REGS ? 1ull << bit : pv_random(t, 1, UINT64_MAX - 1);

		mask &= pv_regs_all;
		if (!mask)
			continue;
		plant(t, &p, 4096);
		attr.sample_regs_user = mask;
		attr.sample_type &= ~(uint64_t)PERF_SAMPLE_REGS_INTR;
		attr.sample_regs_intr = 0;
		if (bit >= NR_REGS) {
			/* a mask of its own for each */
			attr.sample_type |= PERF_SAMPLE_REGS_INTR;
			attr.sample_regs_intr = (pv_random(t, 1, UINT64_MAX - 1) & pv_regs_all) | 1;
		}
		sample(t, &attr, &p, 2, &s);
		wrong_nr += s.user.nr != (unsigned int)__builtin_popcountll(mask);
		wrong += wrong_regs(t, &s.user, &p, false);
		if (attr.sample_regs_intr)
			wrong += wrong_regs(t, &s.intr, &p, false);
		judged++;
	}
	pv_expect_in(t, "samples", judged, 16, NR_REGS + 12);
	pv_expect_eq(t, "samples with a wrong number of registers", wrong_nr, 0);
	pv_expect_eq(t, "wrong registers", wrong, 0);
}

/* Registers that the kernel under us knows: a 32-bit task may run on one of 64 bits. */
static uint64_t kernel_regs(void)
{
#if defined(__x86_64__) || defined(__i386__)
	struct utsname u;

	uname(&u);
	/* XMM bits 32..63 pass the mask, and fall over the PMU: EOPNOTSUPP */
	return (strstr(u.machine, "64") ? 0xff0fffull : 0xffffull) | 0xffffffff00000000ull;
#elif defined(__aarch64__)
	return pv_regs_all;
#else
	struct utsname u;

	uname(&u);
	return strstr(u.machine, "armv8") || strstr(u.machine, "aarch64") ? 0x1ffffffff : 0xffff;
#endif
}

PV_CASE(user_regs, refused, .pmu = "perf", .proof = "kernel",
	.about =
		"a mask without registers, or with one that does not exist, is refused with EINVAL; every other opens")
{
	unsigned int wrong_user = 0, wrong_intr = 0, refused = 0;
	uint64_t known = kernel_regs();

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

/* ---- the stack ---- */

PV_CASE(user_regs, stack, .pmu = "perf", .each = "word[breakpoint,system-call,kernel]",
	.proof = "kernel",
	.about = "STACK_USER has the bytes above the user's stack pointer, as many as asked for")
{
	static const uint32_t sizes[] = {8, 16, 256, 1000, 4096, 4104, 16384, 40000};
	struct perf_event_attr attr = source(t, pv_word(t));
	unsigned int wrong_size = 0, wrong_dyn = 0, wrong_bytes = 0, wrong_behind = 0;
	struct plant p = {0};
	struct pv_sample s;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		plant(t, &p, 65536 + 16 * pv_random(t, 0, 200));
		attr.sample_stack_user = sizes[i];
		attr.sample_type |= PERF_SAMPLE_STACK_USER;
		/* not asked for, yet needed by the kernel */
		if (i & 1)
			attr.sample_type &= ~(uint64_t)PERF_SAMPLE_REGS_USER;
		sample(t, &attr, &p, 16, &s);
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

/* arm64 copies 64 bytes at a time and reads one step ahead: what a fault cuts off may be that much
 * more (arch/arm64/lib/copy_template.S). */
#if defined(__aarch64__) || defined(__arm__)
#define COPY_SLACK 128
#else
#define COPY_SLACK 0
#endif

PV_CASE(user_regs, stack_top, .pmu = "perf", .proof = "kernel",
	.about =
		"a stack that ends before the size asked for gives its bytes, and dyn_size says how many")
{
	static const unsigned int rooms[] = {16, 256, 4096, 8192 + 512};
	struct perf_event_attr attr = source(t, "breakpoint");
	struct plant p = {0};
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_STACK_USER;
	attr.sample_stack_user = 16384;
	for (size_t i = 0; i < sizeof(rooms) / sizeof(rooms[0]); i++) {
		unsigned int least = rooms[i] > COPY_SLACK ? rooms[i] - COPY_SLACK : 0;

		plant(t, &p, rooms[i]);
		sample(t, &attr, &p, 16, &s);
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
	struct perf_event_attr attr = source(t, "breakpoint");
	struct plant p = {0};
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_STACK_USER;
	attr.sample_stack_user = 65528;
	for (int i = 0; i < 3; i++) {
		static const uint64_t more[] = {0, PERF_SAMPLE_TID | PERF_SAMPLE_WEIGHT,
						PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_RAW};

		attr.sample_type |= more[i];
		plant(t, &p, 2 * 65536 - 4096);
		sample(t, &attr, &p, 32, &s);
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
	struct perf_event_attr attr = source(t, "breakpoint");
	struct plant p = {0};
	struct pv_sample s;
	struct pv_ev *ev;
	bool got;

	attr.sample_type |= PERF_SAMPLE_STACK_USER | PERF_SAMPLE_REGS_INTR;
	attr.sample_regs_intr = pv_regs_all;
	attr.sample_stack_user = 65528;
	plant(t, &p, 2 * 65536 - 4096);
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
			     wrong_regs(t, &s.intr, &p, false), 0);
}

PV_CASE(user_regs, stack_none, .pmu = "perf", .each = "word[asked-for-none,no-stack]",
	.proof = "kernel",
	.about =
		"a stack of no bytes is a size of 0 and nothing more: the fields behind are in their place")
{
	struct perf_event_attr attr = source(t, "breakpoint");
	bool none = !strcmp(pv_word(t), "no-stack");
	struct plant p = {0};
	struct pv_sample s;

	attr.sample_type |= PERF_SAMPLE_STACK_USER;
	attr.sample_stack_user = none ? 64 : 0;
	plant(t, &p, 4096);
	if (none)
		p.in[pv_reg_sp] = 0;
	sample(t, &attr, &p, 4, &s);
	pv_expect_eq(t, "size", s.stack_size, 0);
	pv_expect(t, "the field behind", s.data_src != 0);
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
