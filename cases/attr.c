/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The attr as a whole: every size of it that was ever an ABI, and every bit of it (and of the
 * flags of perf_event_open(2)), defined or not. All from perf_copy_attr() of kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

static long try_attr(struct pv_test *t, void *attr)
{
	return pv_outcome(t, attr, 0, -1, -1, 0);
}

/* ---- attr.size ---- */

static size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

/* The pv_dummy at the start of two pages, zero up to `size`, what no kernel may look at behind it.
 */
static struct perf_event_attr *sized_attr(struct pv_test *t, uint32_t size)
{
	size_t room = 2 * page_size(), known = size < room ? size : room;
	uint8_t *p = malloc(room);
	struct perf_event_attr *attr = (void *)p;

	if (!p)
		pv_error(t, PV_BROKEN_SETUP, "out of memory");
	known = known < PERF_ATTR_SIZE_VER0 ? PERF_ATTR_SIZE_VER0 : known;
	memset(p, 0, known);
	memset(p + known, 0xff, room - known);
	memcpy(p, &pv_dummy, known < sizeof(pv_dummy) ? known : sizeof(pv_dummy));
	attr->size = size;
	return attr;
}

static void expect_accepted(struct pv_test *t, uint32_t size)
{
	struct perf_event_attr *attr = sized_attr(t, size);

	pv_expect_errno(t, "open", try_attr(t, attr), 0);
	pv_expect_eq(t, "size behind the call", attr->size, size);
	free(attr);
}

static void expect_too_big(struct pv_test *t, struct perf_event_attr *attr)
{
	pv_expect_errno(t, "open", try_attr(t, attr), -E2BIG);
	pv_expect_eq(t, "size written back", attr->size, pv_attr_size(t));
	free(attr);
}

PV_CASE(errors, attr_size, .pmu = "perf",
	.each = "word[zero,ver0,ver1,ver2,ver3,ver4,ver5,ver6,ver7,ver8,ver9,page]",
	.about =
		"an attr of any size from the first to a page opens when what the kernel does not know is 0, and nothing behind it is read")
{
	/* PERF_ATTR_SIZE_VER*, include/uapi/linux/perf_event.h */
	static const struct {
		const char *word;
		uint32_t size;
	} sizes[] = {
		{"zero", 0},   {"ver0", 64},  {"ver1", 72},  {"ver2", 80},
		{"ver3", 96},  {"ver4", 104}, {"ver5", 112}, {"ver6", 120},
		{"ver7", 128}, {"ver8", 136}, {"ver9", 144},
	};
	uint32_t size = page_size();

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (!strcmp(pv_word(t), sizes[i].word))
			size = sizes[i].size;
	}
	expect_accepted(t, size);
}

PV_CASE(errors, attr_too_big, .pmu = "perf", .each = "word[zero-tail,tail,last-byte,small,huge]",
	.about =
		"an attr with set bytes that the kernel does not know, or of an impossible size, gives E2BIG and the kernel's size")
{
	uint32_t known = pv_attr_size(t), size = known + 8;
	const char *word = pv_word(t);
	struct perf_event_attr *attr;

	if (!pv_expect_in(t, "the kernel's size", known, PERF_ATTR_SIZE_VER0, page_size() - 8))
		return;
	if (!strcmp(word, "zero-tail")) {
		expect_accepted(t, size);
	} else if (!strcmp(word, "tail")) {
		attr = sized_attr(t, size);
		((uint8_t *)attr)[known] = 1;
		expect_too_big(t, attr);
	} else if (!strcmp(word, "last-byte")) {
		attr = sized_attr(t, page_size());
		((uint8_t *)attr)[page_size() - 1] = 0x80;
		expect_too_big(t, attr);
	} else if (!strcmp(word, "small")) {
		for (size = 1; size < PERF_ATTR_SIZE_VER0; size += 31)
			expect_too_big(t, sized_attr(t, size));
	} else {
		attr = sized_attr(t, page_size() + 8);
		expect_too_big(t, attr);
		expect_too_big(t, sized_attr(t, UINT32_MAX));
	}
}

PV_CASE(errors, attr_fault, .pmu = "perf",
	.about = "an attr that is not or not wholly in memory gives EFAULT")
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS;
	uint8_t *p = pv_sys_mmap(NULL, 2 * page_size(), prot, flags, -1, 0), *end = p + page_size();
	struct perf_event_attr *over_the_end = (void *)(end - PERF_ATTR_SIZE_VER0);

	if (pv_is_err(p) || pv_sys_munmap(end, page_size()))
		pv_error(t, PV_BROKEN_SETUP, "no page with a hole behind it");
	memcpy(over_the_end, &pv_dummy, PERF_ATTR_SIZE_VER0);
	over_the_end->size = PERF_ATTR_SIZE_VER0;
	pv_expect_errno(t, "up to the end of memory", try_attr(t, over_the_end), 0);
	over_the_end->size = PERF_ATTR_SIZE_VER1;
	pv_expect_errno(t, "over the end of memory", try_attr(t, over_the_end), -EFAULT);
	pv_expect_errno(t, "behind the end of memory", try_attr(t, end), -EFAULT);
	pv_expect_errno(t, "null", try_attr(t, NULL), -EFAULT);
	pv_expect_errno(t, "kernel address", try_attr(t, (void *)-page_size()), -EFAULT);
}

/* ---- bits ---- */

/* Bigger than any kernel's attr: fields newer than the header this is built with have a place. */
union raw_attr {
	struct perf_event_attr attr;
	uint8_t byte[256];
};

#define FLAGS_OF_OPEN UINT32_MAX

/*
 * Fields whose undefined bits are refused. `known` are all bits that any kernel up to 7.2 has:
 * include/uapi/linux/perf_event.h, whose attr has KNOWN_SIZE bytes.
 */
#define KNOWN_SIZE 144

static const struct field {
	const char *word;
	uint32_t offset; /* in the attr, or FLAGS_OF_OPEN */
	uint32_t bits;
	uint64_t known;
} fields[] = {
	{"open_flags", FLAGS_OF_OPEN, 8 * sizeof(long), 0xf},
	{"attr_flags", 40, 64, (1ull << 40) - 1},
	{"read_format", 32, 64, (1ull << 5) - 1},
	{"sample_type", 24, 64, (1ull << 25) - 1},
	{"branch_sample_type", 72, 64, (1ull << 20) - 1},
	{"reserved_2", 110, 16, 0},
	{"aux_action", 116, 32, (1ull << 3) - 1},
};

static const struct field *field_of_case(struct pv_test *t)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!strcmp(fields[i].word, pv_word(t)))
			return &fields[i];
	}
	pv_error(t, PV_BROKEN_SETUP, "no field %s in the table", pv_word(t));
}

/* The pv_dummy, with what bits of this field are nothing without. */
static void plain_attr(const struct field *f, union raw_attr *raw)
{
	memset(raw, 0, sizeof(*raw));
	raw->attr = pv_dummy;
	raw->attr.size = sizeof(*raw);
	if (f->offset == 72) {
		raw->attr.sample_type = PERF_SAMPLE_BRANCH_STACK;
		raw->attr.branch_sample_type = PERF_SAMPLE_BRANCH_ANY;
	}
}

/* With one bit more. All architectures here are little-endian. */
static long try_bit(struct pv_test *t, const struct field *f, union raw_attr *raw, unsigned int bit)
{
	if (f->offset == FLAGS_OF_OPEN)
		return pv_outcome(t, raw, 0, -1, -1, 1ul << bit);
	raw->byte[f->offset + bit / 8] |= 1 << bit % 8;
	return try_attr(t, raw);
}

/* What a software event without the bit answers: it has no branch records. */
static long plain_result(const struct field *f)
{
	return f->offset == 72 ? -EOPNOTSUPP : 0;
}

static void expect_plain(struct pv_test *t, const struct field *f)
{
	union raw_attr raw;

	plain_attr(f, &raw);
	pv_expect_errno(t, "open without the bits", try_attr(t, &raw), plain_result(f));
}

PV_CASE(errors, reserved, .pmu = "perf",
	.each = "word[open_flags,attr_flags,read_format,sample_type,branch_sample_type,reserved_2,aux_action]",
	.about = "every bit that no kernel defines is refused with EINVAL")
{
	const struct field *f = field_of_case(t);
	uint64_t accepted = 0, other = 0;
	union raw_attr raw;

	if (pv_attr_size(t) > KNOWN_SIZE)
		pv_skip(t, PV_ABSENT,
			"the kernel's attr has %u bytes: it is newer than the table of bits here, which ends at %d",
			pv_attr_size(t), KNOWN_SIZE);
	expect_plain(t, f);
	for (unsigned int bit = 0; bit < f->bits; bit++) {
		long err;

		if (f->known >> bit & 1)
			continue;
		plain_attr(f, &raw);
		err = try_bit(t, f, &raw, bit);
		if (err == plain_result(f))
			accepted |= 1ull << bit;
		else if (err != -EINVAL)
			other |= 1ull << bit;
	}
	pv_expect_eq(t, "undefined bits that are accepted", accepted, 0);
	pv_expect_eq(t, "undefined bits that give another errno", other, 0);
}

/* What a bit needs beside it. */
static void with_thread(struct perf_event_attr *a)
{
	a->inherit = 1;
}

static void with_remove(struct perf_event_attr *a)
{
	a->remove_on_exec = 1;
}

static void with_clock(struct perf_event_attr *a)
{
	a->clockid = 1; /* CLOCK_MONOTONIC: the one that every PMU takes */
}

static void with_branch(struct perf_event_attr *a)
{
	a->branch_sample_type = PERF_SAMPLE_BRANCH_ANY;
}

static void with_regs(struct perf_event_attr *a)
{
	a->sample_regs_user = a->sample_regs_intr = 1;
}

static void with_stack(struct perf_event_attr *a)
{
	a->sample_stack_user = 8;
}

/*
 * Defined bits, first..last of a field. `since`: every kernel whose attr has that size has them,
 * smaller ones are asked but not judged. Left out: PID_CGROUP (wants a cgroup), SAMPLE_CGROUP
 * (EINVAL without CONFIG_CGROUP_PERF), aux_pause and aux_resume (EINVAL without an AUX leader).
 */
static const struct defined {
	const char *word;
	uint8_t first, last, since;
	long result;
	void (*with)(struct perf_event_attr *a);
} defined[] = {
	{"open_flags", 0, 1, 120, 0, NULL},  /* FD_NO_GROUP, FD_OUTPUT */
	{"open_flags", 3, 3, 120, 0, NULL},  /* FD_CLOEXEC */
	{"attr_flags", 0, 24, 120, 0, NULL}, /* disabled … comm_exec */
	{"attr_flags", 25, 25, 120, 0, with_clock},
	{"attr_flags", 26, 30, 120, 0, NULL},           /* context_switch … bpf_event */
	{"attr_flags", 31, 31, 120, -EOPNOTSUPP, NULL}, /* aux_output: not a software event's */
	{"attr_flags", 32, 34, 128, 0, NULL},           /* cgroup, text_poke, build_id */
	{"attr_flags", 35, 35, 128, 0, with_thread},    /* inherit_thread */
	{"attr_flags", 36, 36, 128, 0, NULL},           /* remove_on_exec */
	{"attr_flags", 37, 37, 128, 0, with_remove},    /* sigtrap */
	{"attr_flags", 38, 39, 144, 0, NULL},           /* defer_callchain, defer_output */
	{"read_format", 0, 3, 120, 0, NULL},            /* TOTAL_TIME_ENABLED … GROUP */
	{"read_format", 4, 4, 136, 0, NULL},            /* LOST, 6.0: in the life of 128 */
	{"sample_type", 0, 10, 120, 0, NULL},           /* IP … RAW */
	{"sample_type", 11, 11, 120, -EOPNOTSUPP, with_branch},
	{"sample_type", 12, 12, 120, 0, with_regs},
	{"sample_type", 13, 13, 120, 0, with_stack},
	{"sample_type", 14, 17, 120, 0, NULL}, /* WEIGHT, DATA_SRC, IDENTIFIER, TRANSACTION */
	{"sample_type", 18, 18, 120, 0, with_regs},
	{"sample_type", 19, 20, 120, 0, NULL},                  /* PHYS_ADDR, AUX */
	{"sample_type", 22, 24, 128, 0, NULL},                  /* page sizes, WEIGHT_STRUCT */
	{"branch_sample_type", 0, 17, 128, -EOPNOTSUPP, NULL},  /* USER … HW_INDEX */
	{"branch_sample_type", 18, 18, 136, -EOPNOTSUPP, NULL}, /* PRIV_SAVE */
	{"branch_sample_type", 19, 19, 144, -EOPNOTSUPP, NULL}, /* COUNTERS, 6.8 */
	{"aux_action", 0, 0, 144, -EOPNOTSUPP, NULL}, /* aux_start_paused, 6.13, 6.12.24 */
};

PV_CASE(errors, defined, .pmu = "perf",
	.each = "word[open_flags,attr_flags,read_format,sample_type,branch_sample_type,aux_action]",
	.needs = "root",
	.about = "every bit that the kernel defines is taken, alone or with what it needs")
{
	const struct field *f = field_of_case(t);
	/* The first and last pv_dummy switch code on and off in the kernel: keep one. */
	struct pv_ev *keep = pv_open(t, &pv_dummy, 0, -1, NULL, 0);
	uint64_t judged = 0, refused = 0, newer = 0;

	expect_plain(t, f);
	for (size_t i = 0; i < sizeof(defined) / sizeof(defined[0]); i++) {
		const struct defined *d = &defined[i];
		bool judge = d->since <= pv_attr_size(t);

		if (strcmp(d->word, f->word))
			continue;
		for (unsigned int bit = d->first; bit <= d->last; bit++) {
			union raw_attr raw;
			long err;

			plain_attr(f, &raw);
			if (d->with)
				d->with(&raw.attr);
			err = try_bit(t, f, &raw, bit);
			if (!judge) {
				newer |= (err == d->result ? 1ull : 0) << bit;
				continue;
			}
			judged |= 1ull << bit;
			if (err == d->result)
				continue;
			refused |= 1ull << bit;
			pv_message(t, "bit %u of %s: %s, due is %s", bit, f->word,
				   strerrorname_np(-err), strerrorname_np(-d->result));
		}
	}
	pv_close(t, keep);
	pv_note(t, "newer bits that are taken too", newer);
	if (!judged)
		pv_skip(t, PV_TOO_OLD,
			"the kernel's attr of %u bytes need not have any of these bits",
			pv_attr_size(t));
	pv_expect_eq(t, "defined bits that are not taken", refused, 0);
}
