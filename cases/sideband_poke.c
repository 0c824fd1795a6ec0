/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TEXT_POKE records: code of the kernel that is changed while a task runs. perf_event_text_poke()
 * of kernel/events/core.c, smp_text_poke and ftrace of arch/x86.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "cases/lib/sideband.h"
#include "cases/lib/sys.h"

/* Padding, lengths and misc of any TEXT_POKE. */
static void poke_law(struct pv_test *t, const struct sb_log *log, const struct sb_rec *r,
		     const struct sb_who *who)
{
	uint16_t old = sb_u16(r, 8), new = sb_u16(r, 10);
	size_t used = 12 + old + new, len = (used + 7) & ~(size_t)7;
	struct sb_check c = sb_begin(t, "change of code", log, r, PERF_RECORD_TEXT_POKE,
				     PERF_RECORD_MISC_KERNEL, len, who);

	sb_within(&c, "old and new length", old + new, 1, 4096);
	for (size_t i = used; i < len && i < r->len; i++)
		sb_is(&c, "padding", r->body[i], 0);
	sb_end(&c);
}

/* The next change of the same place behind record i. */
static unsigned int next_of(const struct sb_log *log, unsigned int i)
{
	unsigned int k = i + 1;

	while (k < log->n && sb_u64(&log->rec[k], 0) != sb_u64(&log->rec[i], 0))
		k++;
	return k;
}

/* The same as far as both go: an optimized probe is longer than a breakpoint. */
static bool same_bytes(const uint8_t *a, size_t n, const uint8_t *b, size_t m)
{
	return !memcmp(a, b, n < m ? n : m);
}

static uint64_t kernel_symbol(const char *name)
{
	FILE *f = fopen("/proc/kallsyms", "r");
	unsigned long long addr = 0, found = 0;
	char line[512], symbol[256];

	while (f && !found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx %*c %255s", &addr, symbol) == 2 && !strcmp(symbol, name))
			found = addr;
	}
	if (f)
		fclose(f);
	return found;
}

PV_CASE(sideband, text_poke, .pmu = "perf", .needs = "root", .arch = "x86_64", .proof = "kernel",
	.about =
		"TEXT_POKE for code that a kprobe at a function's entry changes: its address, a nop "
		"that becomes a call and back; every change begins with the bytes that the last one "
		"left")
{
	struct perf_event_attr attr = sb_attr(), probe;
	struct sb_who me = sb_self();
	unsigned int armed = 0, broken = 0;
	const struct sb_rec *first = NULL, *last = NULL;
	bool call = false;
	uint64_t entry = kernel_symbol("__x64_sys_getppid"), trampoline = 0;
	struct sb_log *log;
	struct pv_ev *ev;
	int fd;

	probe = pv_attr(t, pv_find_event(t, "kprobe", "getppid"));
	attr.text_poke = 1;
	attr.exclude_kernel = 0;
	ev = sb_open(t, &attr, 0, -1);
	pv_enable(t, ev);
	fd = pv_try_open(t, &probe, 0, -1, -1, 0);
	if (fd < 0)
		pv_skip(t, PV_CONFIG_OFF, "a kprobe: %s", strerrorname_np(-fd));
	pv_sys_ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	pv_sys_close(fd);
	pv_disable(t, ev);
	log = sb_take(t, ev);
	for (unsigned int i = 0; i < log->n; i++) {
		const struct sb_rec *r = &log->rec[i], *next;
		uint16_t old = sb_u16(r, 8), new = sb_u16(r, 10);
		uint64_t addr = sb_u64(r, 0);
		unsigned int k = next_of(log, i);
		int32_t distance;

		poke_law(t, log, r, &me);
		if (!old && !trampoline)
			trampoline = addr; /* new code, which the call goes to */
		if (k < log->n && old) {
			next = &log->rec[k];
			broken += !same_bytes(next->body + 12, sb_u16(next, 8), r->body + 12 + old,
					      new);
		}
		if (!old || addr < entry || addr >= entry + 16)
			continue;
		if (!armed++) {
			first = r;
			/* through ftrace a call in the place of a nop, else a breakpoint */
			call = r->body[12 + old] == 0xe8;
			pv_expect_eq(t, "bytes before and after", old << 8 | new,
				     call ? 5 << 8 | 5 : 1 << 8 | 1);
			pv_expect_eq(t, "first byte written", r->body[12 + old],
				     call ? 0xe8 : 0xcc);
		}
		if (call && r == first) {
			memcpy(&distance, r->body + 12 + 6, sizeof(distance));
			if (trampoline)
				pv_expect_eq(t, "where the call goes", addr + 5 + distance,
					     trampoline);
			pv_expect_eq(t, "first byte of the nop", r->body[12], 0x0f);
		}
		last = r;
	}
	if (!entry || armed < 2)
		sb_tell(t, log);
	pv_expect_in(t, "changes at the function's entry", armed, 2, UINT64_MAX);
	if (first)
		pv_expect(t, "what was there is back in the end",
			  last != first &&
				  same_bytes(last->body + 12 + sb_u16(last, 8), sb_u16(last, 10),
					     first->body + 12, sb_u16(first, 8)));
	pv_expect_eq(t, "changes that begin with other bytes than the last one left", broken, 0);
}
