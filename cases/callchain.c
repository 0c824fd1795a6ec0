/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Callchains of stacks that assembly has built: every return address, in order, behind the right
 * markers, and cut where attr and sysctls say (kernel/events/callchain.c, perf_callchain_user() of
 * the architectures).
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/frames.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

#define MAX_STACK    "/proc/sys/kernel/perf_event_max_stack"
#define MAX_CONTEXTS "/proc/sys/kernel/perf_event_max_contexts_per_stack"

static struct pv_record rec;

/* Where a sample comes from. */
struct source {
	struct perf_event_attr attr;
	void (*target)(void *arg);
	void *arg;
	uint64_t ip; /* the user's */
};

static void *fresh_page(struct pv_test *t)
{
	void *p = mmap(NULL, sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
	return p;
}

static struct source source_of(struct pv_test *t, const char *word)
{
	struct source s = {0};

	if (!strcmp(word, "breakpoint")) {
		s.attr = pv_attr(t, pv_find_event(t, "breakpoint", "x"));
		s.target = (void (*)(void *))pv_probe_target;
		s.ip = (uintptr_t)pv_probe_target;
	} else if (!strcmp(word, "fault")) {
		s.attr = pv_attr(t, pv_find_event(t, "sw", "page-faults"));
		s.target = pv_asm_leaf_store;
		s.ip = (uintptr_t)pv_asm_leaf_store_at;
	} else {
		/* system-call: the tracepoint hands on the user's registers; kernel: its own */
		s.attr = pv_attr(t, pv_find_event(t, "tracepoint",
						  strcmp(word, "kernel") ? "sys_enter_getppid"
									 : "raw_sys_enter"));
		s.target = pv_asm_leaf_syscall;
		s.arg = (void *)SYS_getppid;
		s.ip = (uintptr_t)pv_asm_leaf_syscall_behind;
	}
	s.attr.sample_period = 1;
	s.attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_DATA_SRC;
	return s;
}

/* The first sample of one go at `depth`. */
static void sample_at(struct pv_test *t, const struct source *src, unsigned long depth,
		      struct pv_sample *out)
{
	struct pv_ev *ev = pv_open(t, &src->attr, 0, -1, NULL, 0);
	void *arg = src->target == pv_asm_leaf_store ? fresh_page(t) : src->arg;

	pv_ring_map(t, ev, 8);
	pv_asm_nest(depth, (void (*)(void *))pv_probe_other, NULL); /* the stack is there */
	memset(&rec, 0, sizeof(rec));
	pv_enable(t, ev);
	pv_asm_nest(depth, src->target, arg);
	pv_disable(t, ev);
	if (!pv_sample_next(t, ev, &rec, out))
		pv_fail(t, "no sample with a callchain");
	pv_close(t, ev);
}

/* The user part as it must be, at most max entries of it; nr entries. */
static uint64_t user_part(const struct source *src, unsigned long depth, uint64_t max,
			  uint64_t *chain)
{
	uint64_t n = 0;

	if (n < max)
		chain[n++] = src->ip;
	while (depth-- && n < max)
		chain[n++] = (uintptr_t)pv_asm_nest_inner;
	if (n < max)
		chain[n++] = (uintptr_t)pv_asm_nest_outer;
	return n;
}

static bool same(const uint64_t *a, uint64_t nr_a, const uint64_t *b, uint64_t nr_b)
{
	return nr_a == nr_b && !memcmp(a, b, nr_a * sizeof(*a));
}

/* How many entries of kernel addresses a chain has, behind PERF_CONTEXT_KERNEL at its start. */
static uint64_t kernel_part(const struct pv_sample *s)
{
	uint64_t i = 1;

	if (!s->chain_nr || s->chain[0] != (uint64_t)PERF_CONTEXT_KERNEL)
		return 0;
	while (i < s->chain_nr && s->chain[i] >= PV_KERNEL_HALF &&
	       s->chain[i] < (uint64_t)PERF_CONTEXT_MAX)
		i++;
	return i - 1;
}

static void expect_user_only(struct pv_test *t, const char *name, const struct source *src,
			     const struct pv_sample *s, unsigned long depth, uint64_t max)
{
	uint64_t chain[512] = {(uint64_t)PERF_CONTEXT_USER};
	uint64_t n = 1 + user_part(src, depth, max, chain + 1);

	if (!pv_expect(t, name, same(s->chain, s->chain_nr, chain, n)))
		pv_message(t, "%llu entries, %llu due, the first 0x%llx 0x%llx 0x%llx",
			   (unsigned long long)s->chain_nr, (unsigned long long)n,
			   s->chain_nr ? (unsigned long long)s->chain[0] : 0,
			   s->chain_nr > 1 ? (unsigned long long)s->chain[1] : 0,
			   s->chain_nr > 2 ? (unsigned long long)s->chain[2] : 0);
}

PV_CASE(callchain, user, .pmu = "perf", .each = "word[breakpoint,fault,system-call]",
	.proof = "kernel",
	.about =
		"a user chain is the place and every return address up to the frame that ends it, in order")
{
	struct source src = source_of(t, pv_word(t));
	unsigned long depths[] = {0, 1, 2, 30, pv_random(t, 3, 100)};
	struct pv_sample s;

	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		sample_at(t, &src, depths[i], &s);
		pv_expect_eq(t, "ip", s.ip, src.ip);
		expect_user_only(t, "chain", &src, &s, depths[i], 512);
	}
}

PV_CASE(callchain, exclude, .pmu = "perf", .each = "word[fault,kernel]", .proof = "kernel",
	.about =
		"exclude_callchain_kernel and _user take their part of the chain away, and nothing else")
{
	struct source src = source_of(t, pv_word(t));
	bool kernel = !strcmp(pv_word(t), "kernel");
	uint64_t user[64] = {(uint64_t)PERF_CONTEXT_USER}, n = 1 + user_part(&src, 7, 63, user + 1);
	struct pv_sample s;
	uint64_t k;

	sample_at(t, &src, 7, &s);
	k = kernel_part(&s);
	pv_expect_in(t, "kernel entries", k, kernel ? 2 : 0, kernel ? 100 : 0);
	k += k ? 1 : 0;
	pv_expect(t, "user part behind the kernel's",
		  s.chain_nr >= k && same(s.chain + k, s.chain_nr - k, user, n));
	if (kernel)
		pv_expect(t, "the ip is the kernel's", s.ip >= PV_KERNEL_HALF);

	src.attr.exclude_callchain_kernel = 1;
	sample_at(t, &src, 7, &s);
	pv_expect(t, "without the kernel's", same(s.chain, s.chain_nr, user, n));

	src.attr.exclude_callchain_user = 1;
	sample_at(t, &src, 7, &s);
	pv_expect_eq(t, "entries without both", s.chain_nr, 0);

	src.attr.exclude_callchain_kernel = 0;
	sample_at(t, &src, 7, &s);
	pv_expect_eq(t, "entries without the user's", s.chain_nr, k);
	pv_expect_eq(t, "kernel entries without the user's", kernel_part(&s), k ? k - 1 : 0);
}

static uint64_t knob_value(struct pv_test *t, const char *path)
{
	char text[32];
	int err = pv_file_read(path, text, sizeof(text));

	if (err < 0)
		pv_error(t, PV_BROKEN_SETUP, "%s: %s", path, strerrorname_np(-err));
	return strtoull(text, NULL, 10);
}

PV_CASE(callchain, max_stack, .pmu = "perf", .each = "word[fault,kernel]", .proof = "kernel",
	.about = "sample_max_stack is the number of entries, markers apart, kernel's first")
{
	struct source src = source_of(t, pv_word(t));
	uint64_t full, k;
	struct pv_sample s;

	sample_at(t, &src, 20, &s);
	k = kernel_part(&s);
	full = s.chain_nr - 1 - !!k;
	pv_expect_eq(t, "entries of the whole chain", full, k + 1 + 20 + 1);
	for (unsigned int n = 1; n <= full + 2; n++) {
		uint64_t due = n < full ? n : full, mine = due > k ? due - k : 0;
		uint64_t markers =
			!!k + 1; /* the user's marker is there even without room behind it */
		uint64_t user[64];

		src.attr.sample_max_stack = n;
		sample_at(t, &src, 20, &s);
		if (s.chain_nr != due + markers) {
			pv_expect_eq(t, "entries with a limit", s.chain_nr, due + markers);
			break;
		}
		user_part(&src, 20, mine, user);
		if (memcmp(s.chain + s.chain_nr - mine, user, mine * 8) ||
		    s.chain[s.chain_nr - mine - 1] != (uint64_t)PERF_CONTEXT_USER) {
			pv_expect(t, "the user's entries with a limit", false);
			break;
		}
	}
	pv_expect_eq(t, "the last limit", src.attr.sample_max_stack, full + 2);
}

PV_CASE(callchain, max_stack_default, .pmu = "perf", .proof = "kernel",
	.about =
		"without a limit of its own a chain has kernel.perf_event_max_stack entries; a larger one is refused with EOVERFLOW")
{
	struct source src = source_of(t, "fault");
	uint64_t max = knob_value(t, MAX_STACK);
	struct pv_sample s;

	if (max < 1 || max > 300)
		pv_skip(t, PV_ABSENT, "kernel.perf_event_max_stack is %llu, not the default 127",
			(unsigned long long)max);
	sample_at(t, &src, max + 40, &s);
	expect_user_only(t, "a stack deeper than the limit", &src, &s, max + 40, max);
	src.attr.sample_max_stack = max;
	sample_at(t, &src, max + 40, &s);
	expect_user_only(t, "with the limit asked for", &src, &s, max + 40, max);
	src.attr.sample_max_stack = max + 1;
	pv_expect_errno(t, "one more", pv_outcome(t, &src.attr, 0, -1, -1, 0), -EOVERFLOW);
	src.attr.sample_max_stack = UINT16_MAX;
	pv_expect_errno(t, "the most", pv_outcome(t, &src.attr, 0, -1, -1, 0), -EOVERFLOW);
	/* no chain, no limit */
	src.attr.sample_type = PERF_SAMPLE_IP;
	pv_expect_errno(t, "without a chain", pv_outcome(t, &src.attr, 0, -1, -1, 0), 0);
}

static long write_knob(const char *path, const char *value)
{
	return pv_sys_file_write(path, value);
}

PV_CASE(callchain, knob_max_stack, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"kernel.perf_event_max_stack bounds chains; it cannot be changed while there are any")
{
	struct source src = source_of(t, "fault");
	uint64_t old = knob_value(t, MAX_STACK);
	struct pv_sample s;
	struct pv_ev *ev;
	char text[32];

	pv_knob(t, MAX_STACK, "5");
	sample_at(t, &src, 20, &s);
	expect_user_only(t, "chain", &src, &s, 20, 5);
	src.attr.sample_max_stack = 5;
	pv_expect_errno(t, "as many", pv_outcome(t, &src.attr, 0, -1, -1, 0), 0);
	src.attr.sample_max_stack = 6;
	pv_expect_errno(t, "one more", pv_outcome(t, &src.attr, 0, -1, -1, 0), -EOVERFLOW);
	src.attr.sample_max_stack = 0;
	ev = pv_open(t, &src.attr, 0, -1, NULL, 0);
	pv_expect_errno(t, "change with a chain open", write_knob(MAX_STACK, "9"), -EBUSY);
	pv_expect_eq(t, "its value", knob_value(t, MAX_STACK), 5);
	pv_expect_errno(t, "contexts with a chain open", write_knob(MAX_CONTEXTS, "9"), -EBUSY);
	pv_close(t, ev);
	pv_expect_errno(t, "above the most", write_knob(MAX_STACK, "655361"), -EINVAL);
	pv_expect_errno(t, "negative", write_knob(MAX_STACK, "-1"), -EINVAL);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)old);
	pv_expect_errno(t, "back", write_knob(MAX_STACK, text), 0);
}

PV_CASE(callchain, knob_contexts, .pmu = "perf", .needs = "root tracefs", .arch = "x86_64 arm64",
	.proof = "kernel",
	.about =
		"kernel.perf_event_max_contexts_per_stack bounds the parts of a chain: with one there is no user part behind the kernel's")
{
	struct source src = source_of(t, "kernel");
	struct pv_sample s;
	uint64_t k;

	sample_at(t, &src, 4, &s);
	k = kernel_part(&s);
	pv_knob(t, MAX_CONTEXTS, "1");
	sample_at(t, &src, 4, &s);
	pv_expect_in(t, "kernel entries", k, 2, 100);
	pv_expect_eq(t, "entries with one part", s.chain_nr, 1 + k);
	pv_expect_eq(t, "kernel entries with one part", kernel_part(&s), k);
	pv_knob(t, MAX_CONTEXTS, "2");
	sample_at(t, &src, 4, &s);
	pv_expect_eq(t, "entries with two parts", s.chain_nr, 1 + k + 1 + 1 + 4 + 1);
}
