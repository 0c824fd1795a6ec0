/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Deferred user callchains: a sample has a cookie in place of its user part, and one record per
 * kernel entry tells what the cookie stands for (commit c69993ecdd4d, kernel/unwind/deferred.c).
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "arch/frames.h"
#include "cases/lib/sys.h"
#include "cases/pv.h"

/* Words of their own: the header that this is built with may be older. */
#define DEFER_CALLCHAIN           (1ull << 38)
#define DEFER_OUTPUT              (1ull << 39)
#define RECORD_CALLCHAIN_DEFERRED 22
#define CONTEXT_USER_DEFERRED     ((uint64_t)-640)
#define DEPTH                     9

static struct pv_record rec;

static void set_flags(struct perf_event_attr *attr, uint64_t flags)
{
	uint64_t word;

	memcpy(&word, (char *)attr + 40, sizeof(word));
	word |= flags;
	memcpy((char *)attr + 40, &word, sizeof(word));
}

/* Flags that the kernel knows, or the case is over. */
static void need_flags(struct pv_test *t)
{
	struct perf_event_attr attr = pv_dummy;
	long err;

	set_flags(&attr, DEFER_CALLCHAIN | DEFER_OUTPUT);
	err = pv_outcome(t, &attr, 0, -1, -1, 0);
	/* They came with 6.19, as did attr size 144. */
	if (err == -EINVAL && pv_attr_size(t) < 144)
		pv_skip(t, PV_TOO_OLD, "attr.defer_callchain needs Linux 6.19");
	pv_expect_errno(t, "open with defer_callchain and defer_output", err, 0);
}

/* CONFIG_UNWIND_USER: of the architectures here only x86-64 selects it. */
static bool unwinds(void)
{
	struct utsname u;

	return !uname(&u) && !strcmp(u.machine, "x86_64");
}

static struct pv_ev *open_source(struct pv_test *t, const char *name, uint64_t flags)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "tracepoint", name));
	struct pv_ev *ev;

	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_DATA_SRC;
	set_flags(&attr, flags);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 4);
	return ev;
}

static struct pv_ev *open_output(struct pv_test *t)
{
	struct perf_event_attr attr = pv_dummy;
	struct pv_ev *ev;

	attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_CPU | PERF_SAMPLE_ID;
	attr.sample_id_all = 1;
	set_flags(&attr, DEFER_OUTPUT);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 4);
	pv_enable(t, ev);
	return ev;
}

/* Where the marker stands in a chain; its number of entries: none. */
static uint64_t marker(const struct pv_sample *s)
{
	uint64_t i = 0;

	while (i < s->chain_nr && s->chain[i] != CONTEXT_USER_DEFERRED)
		i++;
	return i;
}

static bool is_stack(const uint64_t *ip, uint64_t nr)
{
	bool ok = nr == 1 + DEPTH + 1 && ip[0] == (uintptr_t)pv_asm_leaf_syscall_behind &&
		  ip[nr - 1] == (uintptr_t)pv_asm_nest_outer;

	for (uint64_t i = 1; ok && i <= DEPTH; i++)
		ok &= ip[i] == (uintptr_t)pv_asm_nest_inner;
	return ok;
}

/* The cookie of a chain that ends with the marker and it; 0: it does not. */
static uint64_t cookie_of(const struct pv_sample *s)
{
	uint64_t at = marker(s);

	return at + 2 == s->chain_nr ? s->chain[at + 1] : 0;
}

static void call(struct pv_test *t, struct pv_ev *a, struct pv_ev *b)
{
	pv_enable(t, a);
	if (b)
		pv_enable(t, b);
	pv_asm_nest(DEPTH, pv_asm_leaf_syscall, (void *)SYS_getppid);
	pv_disable(t, a);
	if (b)
		pv_disable(t, b);
}

struct deferred {
	uint64_t cookie, nr, ip[300];
};

/* The next deferred record with its trailer judged; false: none. */
static bool next_deferred(struct pv_test *t, struct pv_ev *out, struct deferred *d)
{
	const uint64_t trailer = PERF_SAMPLE_TID | PERF_SAMPLE_CPU | PERF_SAMPLE_ID;
	struct pv_sample s;
	uint64_t id = 0;

	if (!pv_ring_next(t, out, &rec))
		return false;
	pv_expect_eq(t, "type of the record", rec.header.type, RECORD_CALLCHAIN_DEFERRED);
	pv_expect_eq(t, "misc of the record", rec.header.misc, PERF_RECORD_MISC_USER);
	memcpy(d, rec.body, 16);
	if (d->nr > 300 || rec.header.size != 8 + 16 + d->nr * 8 + pv_trailer_size(trailer))
		pv_fail(t, "a deferred record of %u bytes with %llu entries", rec.header.size,
			(unsigned long long)d->nr);
	memcpy(d->ip, rec.body + 16, d->nr * 8);
	pv_trailer_decode(t, trailer, &rec, &s);
	pv_ioctl(out, PERF_EVENT_IOC_ID, (unsigned long)&id);
	pv_expect(t, "id fields of the record",
		  s.pid == (uint32_t)getpid() && s.tid == (uint32_t)gettid() && s.id == id &&
			  s.cpu == (uint32_t)pv_cpu(t));
	return true;
}

PV_CASE(deferred, chain, .pmu = "perf", .needs = "tracefs", .arch = "x86_64 arm64",
	.each = "word[sys_enter_getppid,raw_sys_enter]", .proof = "kernel",
	.about =
		"a deferred chain ends in its marker and a cookie, and one record with that cookie has the user's stack")
{
	bool kernel = !strcmp(pv_word(t), "raw_sys_enter");
	uint64_t last = 0, cookie;
	struct pv_ev *ev, *out;
	struct deferred d;
	struct pv_sample s;

	need_flags(t);
	if (!unwinds())
		pv_skip(t, PV_ABSENT, "this kernel does not unwind later: see deferred/inline");
	ev = open_source(t, pv_word(t), DEFER_CALLCHAIN);
	out = open_output(t);
	for (int i = 0; i < 3; i++) {
		call(t, ev, NULL);
		if (!pv_sample_next(t, ev, &rec, &s))
			pv_fail(t, "no sample");
		cookie = cookie_of(&s);
		pv_expect(t, "a cookie ends the chain", cookie != 0);
		pv_expect(t, "it is another one each time", cookie != last);
		pv_expect(t, "the kernel's part is as without",
			  kernel ? marker(&s) > 2 && s.chain[0] == (uint64_t)PERF_CONTEXT_KERNEL
				 : marker(&s) == 0);
		last = cookie;
		/* raw_sys_enter: the ioctl that disables it is an entry too */
		if (!next_deferred(t, out, &d))
			pv_fail(t, "no deferred record");
		pv_expect_eq(t, "cookie of the record", d.cookie, cookie);
		pv_expect(t, "the record has the stack", is_stack(d.ip, d.nr));
		if (kernel) {
			cookie = pv_sample_next(t, ev, &rec, &s) ? cookie_of(&s) : 0;
			pv_expect(t, "a sample of the next entry", cookie && cookie != last);
			pv_expect(t, "its record", next_deferred(t, out, &d) && d.cookie == cookie);
			last = cookie;
		}
		pv_expect(t, "no further record", !next_deferred(t, out, &d));
	}
}

PV_CASE(deferred, once, .pmu = "perf", .needs = "tracefs", .arch = "x86_64 arm64",
	.proof = "kernel",
	.about =
		"samples of one kernel entry share a cookie and a record; each event with defer_output gets it, others none")
{
	struct pv_ev *a, *b, *out[2], *deaf;
	struct pv_sample s[2];
	struct deferred d;
	struct perf_event_attr attr = pv_dummy;

	need_flags(t);
	if (!unwinds())
		pv_skip(t, PV_ABSENT, "this kernel does not unwind later: see deferred/inline");
	a = open_source(t, "sys_enter_getppid", DEFER_CALLCHAIN);
	b = open_source(t, "sys_enter_getppid", DEFER_CALLCHAIN);
	out[0] = open_output(t);
	out[1] = open_output(t);
	attr.comm = 1;
	deaf = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, deaf, 1);
	pv_enable(t, deaf);
	call(t, a, b);
	if (!pv_sample_next(t, a, &rec, &s[0]))
		pv_fail(t, "no sample");
	s[0].id = cookie_of(&s[0]);
	if (!pv_sample_next(t, b, &rec, &s[1]))
		pv_fail(t, "no second sample");
	pv_expect(t, "a cookie", s[0].id != 0);
	pv_expect_eq(t, "cookies of one entry that differ", cookie_of(&s[1]) != s[0].id, 0);
	for (int i = 0; i < 2; i++) {
		pv_expect(t, "a record", next_deferred(t, out[i], &d));
		pv_expect(t, "its cookie", d.cookie == s[0].id);
		pv_expect(t, "its stack", is_stack(d.ip, d.nr));
		pv_expect(t, "no further record", !next_deferred(t, out[i], &d));
	}
	pv_expect_eq(t, "bytes to an event without defer_output", pv_ring_head(deaf), 0);
}

PV_CASE(deferred, inline, .pmu = "perf", .needs = "tracefs", .arch = "x86_64 arm64",
	.each = "word[not-asked,exclude-user,flag]", .proof = "kernel",
	.about =
		"a chain is not deferred when nobody asks, without a user part, and where the kernel cannot unwind later")
{
	struct perf_event_attr attr =
		pv_attr(t, pv_find_event(t, "tracepoint", "sys_enter_getppid"));
	struct pv_ev *ev, *out;
	struct deferred d;
	struct pv_sample s;
	bool none = !strcmp(pv_word(t), "exclude-user");

	need_flags(t);
	if (!strcmp(pv_word(t), "flag") && unwinds())
		pv_skip(t, PV_ABSENT, "this kernel unwinds later: see deferred/chain");
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_CALLCHAIN | PERF_SAMPLE_DATA_SRC;
	attr.exclude_callchain_user = none;
	if (strcmp(pv_word(t), "not-asked"))
		set_flags(&attr, DEFER_CALLCHAIN);
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 2);
	out = open_output(t);
	call(t, ev, NULL);
	if (!pv_sample_next(t, ev, &rec, &s))
		pv_fail(t, "no sample");
	if (none)
		pv_expect_eq(t, "entries", s.chain_nr, 0);
	else
		pv_expect(t, "the stack is in the sample",
			  s.chain_nr && s.chain[0] == (uint64_t)PERF_CONTEXT_USER &&
				  is_stack(s.chain + 1, s.chain_nr - 1));
	pv_expect(t, "no record", !next_deferred(t, out, &d));
}
