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
#include "cases/pv.h"

#define STACK_BYTES 64

/* What is known about one sample before it is looked at. */
struct known {
	struct pv_ev *ev;
	struct perf_event_attr attr;
	uint64_t id, addr, before, after, cgroup;
	bool present; /* the page at addr, when the sample is taken */
};

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

/* Physical address by /proc/self/pagemap; 0 when it does not say. */
static uint64_t physical(uint64_t addr)
{
	uint64_t page = sysconf(_SC_PAGESIZE), entry = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && pread(fd, &entry, 8, addr / page * 8) != 8)
		entry = 0;
	close(fd);
	entry = entry >> 63 ? entry & ((1ull << 55) - 1) : 0;
	return entry ? entry * page + addr % page : 0;
}

/* ---- one sample ---- */

static uint64_t period_of(const struct pv_event_desc *e)
{
	if (e->relation == PV_REL_TIME)
		return 200000; /* ns */
	return e->work == PV_WORK_LOOP ? 20000 : 1;
}

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
static void provoke(struct pv_test *t, struct known *k, struct pv_sample *s)
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
	pv_close(t, k->ev);
	munmap(page, size);
}

/* ---- what its fields must be ---- */

static bool in(uint64_t v, uintptr_t lo, uint64_t size)
{
	return v >= lo && v - lo < size;
}

/* Functions of arch/work lie on cache lines of their own, none is longer than two. */
#define FUNCTION 128

static bool from_user(void)
{
	return (rec.header.misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER;
}

/* An instruction pointer where this event's work is done. */
static bool is_place(const struct pv_event_desc *e, uint64_t ip)
{
	if (!from_user())
		return ip >= PV_KERNEL_HALF && e->side != PV_SIDE_USER;
	if (e->side == PV_SIDE_KERNEL)
		return false;
	switch (e->work) {
	case PV_WORK_CALL:
		return ip == (uintptr_t)pv_probe_target;
	case PV_WORK_STORE:
		return in(ip, (uintptr_t)pv_asm_store4, FUNCTION);
	case PV_WORK_TOUCH:
		return in(ip, (uintptr_t)pv_asm_store1, FUNCTION);
	case PV_WORK_GETPPID:
		return in(ip, (uintptr_t)pv_asm_syscall, FUNCTION);
	default:
		return ip && ip < PV_KERNEL_HALF;
	}
}

static bool right_read(const struct pv_event_desc *e, const struct known *k,
		       const struct pv_group *g)
{
	uint64_t format = k->attr.read_format, value = g->member[0].value;
	bool ok = g->nr == 1;

	/* Nothing but this unit was counted; of clocks and cycles at least a part. */
	ok &= e->relation == PV_REL_EXACT ? value == 1 : value >= 1;
	ok &= !(format & PERF_FORMAT_TOTAL_TIME_ENABLED) || g->enabled;
	ok &= !(format & PERF_FORMAT_TOTAL_TIME_RUNNING) || g->running;
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED && format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		ok &= g->running == g->enabled;
	ok &= !(format & PERF_FORMAT_ID) || g->member[0].id == k->id;
	return ok && !g->member[0].lost;
}

/* Markers in order and each once; the part of the mode that was interrupted begins with the ip. */
static bool right_chain(const struct known *k, const struct pv_sample *s)
{
	uint64_t i = 0;

	if (!from_user()) {
		if (s->chain_nr < 2 || s->chain[i++] != PERF_CONTEXT_KERNEL)
			return false;
		while (i < s->chain_nr && s->chain[i] != PERF_CONTEXT_USER)
			if (s->chain[i++] < PV_KERNEL_HALF)
				return false;
	}
	if (i + 1 >= s->chain_nr || s->chain[i++] != PERF_CONTEXT_USER)
		return false;
	if (from_user() && k->attr.sample_type & PERF_SAMPLE_IP && s->chain[i] != s->ip)
		return false;
	for (; i < s->chain_nr; i++)
		if (s->chain[i] >= (uint64_t)PERF_CONTEXT_MAX)
			return false;
	return true;
}

static bool right_raw(struct pv_test *t, const struct known *k, const struct pv_sample *s)
{
	const char *family = pv_pmu(t)->family;
	uint16_t type;
	int32_t pid;
	uint32_t zero;

	/* size and data together are a multiple of 8 */
	if ((s->raw_size + 4) % 8)
		return false;
	if (strcmp(family, "tracepoint") && strcmp(family, "kprobe") && strcmp(family, "uprobe")) {
		memcpy(&zero, s->raw, 4);
		return s->raw_size == 4 && !zero;
	}
	memcpy(&type, s->raw, 2);
	memcpy(&pid, s->raw + 4, 4);
	/* A local probe is no registered trace event: it has no number
	 * (create_local_trace_kprobe()). */
	return s->raw_size >= 8 && pid == gettid() &&
	       type == (strcmp(family, "tracepoint") ? 0 : k->attr.config);
}

static bool right_user_regs(struct pv_test *t, const struct pv_regs *r, const struct pv_sample *s)
{
	uint64_t ip, sp;

	if (r->abi != pv_regs_abi)
		return false;
	ip = pv_reg(t, r, pv_reg_ip);
	sp = pv_reg(t, r, pv_reg_sp);
	/* The main thread's stack is here, and a caller's frame is above ours. */
	return in(sp, (uintptr_t)s - (1 << 20), 2 << 20) &&
	       (from_user() ? is_place(pv_event(t), ip) : ip && ip < PV_KERNEL_HALF);
}

static bool right_intr_regs(struct pv_test *t, const struct known *k, const struct pv_sample *s)
{
	const struct pv_regs *r = &s->intr;

	if (from_user())
		return right_user_regs(t, r, s);
#if defined(__arm__)
	/* A 64-bit kernel's own registers under a 32-bit task's numbers: x13 is no stack pointer.
	 */
	return r->abi == pv_regs_abi;
#endif
	return r->abi == pv_regs_abi && pv_reg(t, r, pv_reg_ip) >= PV_KERNEL_HALF &&
	       pv_reg(t, r, pv_reg_sp) >= PV_KERNEL_HALF &&
	       (!(k->attr.sample_type & PERF_SAMPLE_IP) || pv_reg(t, r, pv_reg_ip) == s->ip);
}

static bool right_stack(const struct pv_sample *s)
{
	return s->stack_size == STACK_BYTES && s->stack_dyn == STACK_BYTES;
}

static bool right_phys(const struct known *k, const struct pv_sample *s)
{
	uint64_t page = sysconf(_SC_PAGESIZE), real = k->present ? physical(k->addr) : 0;

	if (!k->addr || !k->present)
		return !s->phys_addr;
	/* the fresh page is unmapped by now: only its offset is left to compare */
	if (!k->attr.bp_type)
		return s->phys_addr && s->phys_addr % page == k->addr % page;
	return real ? s->phys_addr == real : s->phys_addr % page == k->addr % page;
}

static bool right_data_page(const struct known *k, const struct pv_sample *s)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return s->data_page_size == (k->addr && k->present ? page : 0);
}

static bool right_code_page(const struct pv_sample *s)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	/* Kernel text is mapped as it likes, and arm64 walks the user's table for it. */
	if (!from_user())
		return !(s->code_page_size & (s->code_page_size - 1));
	return s->code_page_size == page;
}

/* include/linux/perf_event.h PERF_MEM_NA; LVLNUM belongs to it since 6.2 (commit f4f925dae741), and
 * the next attr size, 136, came with 6.3. */
static bool right_data_src(struct pv_test *t, uint64_t data_src)
{
	const uint64_t na = PERF_MEM_S(OP, NA) | PERF_MEM_S(LVL, NA) | PERF_MEM_S(SNOOP, NA) |
			    PERF_MEM_S(LOCK, NA) | PERF_MEM_S(TLB, NA);

	return data_src == (na | PERF_MEM_S(LVLNUM, NA)) ||
	       (pv_attr_size(t) < 136 && data_src == na);
}

static bool right(struct pv_test *t, unsigned int bit, const struct known *k,
		  const struct pv_sample *s)
{
	const struct pv_event_desc *e = pv_event(t);

	switch (1ull << bit) {
	case PERF_SAMPLE_IDENTIFIER:
		return s->identifier == k->id;
	case PERF_SAMPLE_IP:
		return is_place(e, s->ip);
	case PERF_SAMPLE_TID:
		return s->pid == (uint32_t)getpid() && s->tid == (uint32_t)gettid();
	case PERF_SAMPLE_TIME:
		return s->time >= k->before && s->time <= k->after;
	case PERF_SAMPLE_ADDR:
		return s->addr == k->addr;
	case PERF_SAMPLE_ID:
		return s->id == k->id;
	case PERF_SAMPLE_STREAM_ID:
		return s->stream_id == k->id;
	case PERF_SAMPLE_CPU:
		return s->cpu == (uint32_t)pv_cpu(t) && !s->cpu_reserved;
	case PERF_SAMPLE_PERIOD:
		return s->period == period_of(e);
	case PERF_SAMPLE_READ:
		return right_read(e, k, &s->read);
	case PERF_SAMPLE_CALLCHAIN:
		return right_chain(k, s);
	case PERF_SAMPLE_RAW:
		return right_raw(t, k, s);
	case PERF_SAMPLE_REGS_USER:
		return right_user_regs(t, &s->user, s);
	case PERF_SAMPLE_STACK_USER:
		return right_stack(s);
	case PERF_SAMPLE_WEIGHT:
	case PERF_SAMPLE_WEIGHT_STRUCT:
		return !s->weight;
	case PERF_SAMPLE_DATA_SRC:
		return right_data_src(t, s->data_src);
	case PERF_SAMPLE_TRANSACTION:
		return !s->transaction;
	case PERF_SAMPLE_REGS_INTR:
		return right_intr_regs(t, k, s);
	case PERF_SAMPLE_PHYS_ADDR:
		return right_phys(k, s);
	case PERF_SAMPLE_CGROUP:
		return k->cgroup ? s->cgroup == k->cgroup : s->cgroup != 0;
	case PERF_SAMPLE_DATA_PAGE_SIZE:
		return right_data_page(k, s);
	case PERF_SAMPLE_CODE_PAGE_SIZE:
		return right_code_page(s);
	case PERF_SAMPLE_AUX:
		return !s->aux_size; /* nobody has an AUX buffer */
	default:
		return false;
	}
}

static void judge(struct pv_test *t, const struct known *k, const struct pv_sample *s,
		  struct verdicts *v)
{
	for (unsigned int bit = 0; bit < NR_FIELDS; bit++) {
		if (!(k->attr.sample_type & 1ull << bit))
			continue;
		v->judged[bit]++;
		if (right(t, bit, k, s))
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

	attr.sample_period = period_of(pv_event(t));
	attr.sample_regs_user = attr.sample_regs_intr = pv_regs_all;
	attr.sample_stack_user = STACK_BYTES;
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
	struct known k = {.attr = sampling(t), .cgroup = own_cgroup()};
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
	struct known k = {.attr = sampling(t), .cgroup = own_cgroup()};
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
