/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fields of a sample: each alone and many together, in the ABI's order, and every value what
 * the workload, the descriptor or /proc says it must be (perf_prepare_sample() of core.c).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "arch/work.h"
#include "cases/lib/sys.h"
#include "cases/lib/fields.h"
#include "cases/pv.h"

/* Fields by their bit; INTEGRITY is for what is wrong beside them. */
#define NR_FIELDS 25
static const char *const field_name[NR_FIELDS] = {
	"IP",
	"TID",
	"TIME",
	"ADDR",
	"READ",
	"CALLCHAIN",
	"ID",
	"CPU",
	"PERIOD",
	"STREAM_ID",
	"RAW",
	"BRANCH_STACK",
	"REGS_USER",
	"STACK_USER",
	"WEIGHT",
	"DATA_SRC",
	"IDENTIFIER",
	"TRANSACTION",
	"REGS_INTR",
	"PHYS_ADDR",
	"AUX",
	"CGROUP",
	"DATA_PAGE_SIZE",
	"CODE_PAGE_SIZE",
	"WEIGHT_STRUCT",
};
struct verdicts {
	unsigned int judged[NR_FIELDS], wrong[NR_FIELDS];
};

static struct pv_record rec;

static uint64_t monotonic(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* The inode of our cgroup's directory is its id (Documentation/admin-guide/cgroup-v2.rst); 0:
 * not to be found out. */
static uint64_t own_cgroup(void)
{
	char text[4096], path[4200];
	struct stat st;
	char *line;

	if (pv_file_read("/proc/self/cgroup", text, sizeof(text)) < 0 ||
	    strstr(text, ":perf_event") || strstr(text, "/.."))
		return 0;
	line = strstr(text, "0::");
	if (!line)
		return 0;
	line[strcspn(line, "\n")] = 0;
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s", line + 3);
	return stat(path, &st) ? 0 : st.st_ino;
}

/* ---- one sample ---- */

/* One unit; faults are taken at `fresh`, once. */
static void one_unit(struct pv_test *t, char *fresh)
{
	if (pv_event(t)->work == PV_WORK_TOUCH)
		pv_asm_store1(1, fresh);
	else
		pv_work(t, pv_work_some(pv_event(t)) / 20 + 1);
}

static void fresh_page(struct pv_test *t, char **page)
{
	size_t size = sysconf(_SC_PAGESIZE);

	*page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (*page == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap: %s", strerrorname_np(errno));
	madvise(*page, size, MADV_NOHUGEPAGE);
}

/* Opens with k->attr, works until there is a sample and decodes it. */
static void provoke(struct pv_test *t, struct pv_known *k, struct pv_sample *s)
{
	const struct pv_event_desc *e = pv_event(t);
	size_t size = sysconf(_SC_PAGESIZE);
	char *page;
	bool got = false;

	fresh_page(t, &page);
	k->addr = e->work == PV_WORK_TOUCH ? (uintptr_t)page + pv_random(t, 1, size - 1)
					   : k->attr.bp_addr * !!e->bp_type;
	k->present = e->bp_type || (e->config == PERF_COUNT_SW_PAGE_FAULTS_MIN);
	memset(&rec, 0, sizeof(rec));
	memset(s, 0, sizeof(*s));
	k->ev = pv_open(t, &k->attr, 0, -1, NULL, 0);
	pv_ring_map(t, k->ev, 2);
	k->id = 0;
	pv_ioctl(k->ev, PERF_EVENT_IOC_ID, (unsigned long)&k->id);
	k->before = monotonic();
	pv_enable(t, k->ev);
	/* Each is a sample, or 50 us: on a loaded emulator a timer may be late by many. */
	for (int i = 0; i < 20000 && !got; i++) {
		one_unit(t, (char *)(uintptr_t)k->addr);
		got = pv_ring_head(k->ev);
	}
	pv_disable(t, k->ev);
	k->after = monotonic();
	if (!pv_sample_next(t, k->ev, &rec, s))
		pv_fail(t, "no sample of %s (sample_type 0x%llx)", e->name,
			(unsigned long long)k->attr.sample_type);
	k->misc = rec.header.misc;
	pv_close(t, k->ev);
	munmap(page, size);
}

static void judge(struct pv_test *t, const struct pv_known *k, const struct pv_sample *s,
		  struct verdicts *v)
{
	for (unsigned int bit = 0; bit < NR_FIELDS; bit++) {
		if (!(k->attr.sample_type & 1ull << bit))
			continue;
		v->judged[bit]++;
		if (pv_field_right(t, bit, k, s))
			continue;
		v->wrong[bit]++;
		pv_message(t, "%s of sample_type 0x%llx is wrong: misc %u, ip 0x%llx, addr 0x%llx",
			   field_name[bit], (unsigned long long)k->attr.sample_type,
			   rec.header.misc, (unsigned long long)s->ip, (unsigned long long)s->addr);
	}
}

static void expect_right(struct pv_test *t, const struct verdicts *v)
{
	for (unsigned int bit = 0; bit < NR_FIELDS; bit++) {
		if (v->judged[bit])
			pv_expect_eq(t, field_name[bit], v->wrong[bit], 0);
	}
}

static struct perf_event_attr sampling(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.sample_period = pv_field_period(pv_event(t));
	attr.sample_regs_user = attr.sample_regs_intr = pv_regs_all;
	attr.sample_stack_user = PV_FIELD_STACK;
	attr.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC; /* every PMU takes it */
	attr.exclude_hv = 1;
	return attr;
}

/* All of them but BRANCH_STACK, which these PMUs refuse; CGROUP where it is configured. */
static uint64_t known_fields(struct pv_test *t)
{
	uint64_t all = (1ull << NR_FIELDS) - 1;
	struct perf_event_attr attr = pv_dummy;

	attr.sample_type = PERF_SAMPLE_CGROUP;
	if (pv_outcome(t, &attr, 0, -1, -1, 0) == -EINVAL && access("/sys/fs/cgroup", F_OK))
		all &= ~(uint64_t)PERF_SAMPLE_CGROUP;
	return all & ~(uint64_t)PERF_SAMPLE_BRANCH_STACK;
}

PV_CASE(sample, alone, .each = "event[fields]", .proof = "kernel",
	.about =
		"each sample_type bit alone gives a sample of that field and nothing else, and its value is right")
{
	uint64_t all = known_fields(t);
	struct pv_known k = {.attr = sampling(t), .cgroup = own_cgroup()};
	struct verdicts v = {0};
	struct pv_sample s;

	for (unsigned int bit = 0; bit < NR_FIELDS; bit++) {
		if (!(all & 1ull << bit))
			continue;
		k.attr.sample_type = 1ull << bit;
		k.attr.read_format = pv_random(t, 0, 7) | (pv_random(t, 0, 1) << 4);
		provoke(t, &k, &s);
		judge(t, &k, &s, &v);
	}
	expect_right(t, &v);
}

PV_CASE(sample, together, .each = "event[fields]", .proof = "kernel",
	.about =
		"any combination of sample_type bits comes in the ABI's order, whole, and every value is right")
{
	uint64_t all = known_fields(t);
	struct pv_known k = {.attr = sampling(t), .cgroup = own_cgroup()};
	struct verdicts v = {0};
	struct pv_sample s;

	for (int i = 0; i < 10; i++) {
		uint64_t type = i ? pv_random(t, 1, (1ull << NR_FIELDS) - 1) : ~0ull;

		/* one of the two weights at most */
		type &= all & ~(i & 1 ? PERF_SAMPLE_WEIGHT : PERF_SAMPLE_WEIGHT_STRUCT);
		k.attr.sample_type = type ? type : PERF_SAMPLE_IP;
		k.attr.read_format = pv_random(t, 0, 7) | (pv_random(t, 0, 1) << 4);
		k.attr.sample_id_all = pv_random(t, 0, 1);
		provoke(t, &k, &s);
		judge(t, &k, &s, &v);
	}
	expect_right(t, &v);
}
