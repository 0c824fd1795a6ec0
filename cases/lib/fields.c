/* SPDX-License-Identifier: GPL-2.0-only */
/* What each field of a sample must be: see cases/sample.c. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "arch/work.h"
#include "arch/isa.h"
#include "cases/lib/fields.h"

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

uint64_t pv_field_period(const struct pv_event_desc *e)
{
	if (e->relation == PV_REL_TIME)
		return 200000; /* ns */
	return e->work == PV_WORK_LOOP ? 20000 : 1;
}

static bool in(uint64_t v, uintptr_t lo, uint64_t size)
{
	return v >= lo && v - lo < size;
}

/* Functions of arch/work lie on cache lines of their own, none is longer than two. */
#define FUNCTION 128

static bool from_user(const struct pv_known *k)
{
	return (k->misc & PERF_RECORD_MISC_CPUMODE_MASK) == PERF_RECORD_MISC_USER;
}

/* An instruction pointer where this event's work is done. */
static bool is_place(const struct pv_event_desc *e, const struct pv_known *k, uint64_t ip)
{
	if (!from_user(k))
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

static bool right_read(const struct pv_event_desc *e, const struct pv_known *k,
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
static bool right_chain(const struct pv_known *k, const struct pv_sample *s)
{
	uint64_t i = 0;

	if (!from_user(k)) {
		if (s->chain_nr < 2 || s->chain[i++] != PERF_CONTEXT_KERNEL)
			return false;
		while (i < s->chain_nr && s->chain[i] != PERF_CONTEXT_USER)
			if (s->chain[i++] < PV_KERNEL_HALF)
				return false;
	}
	if (i + 1 >= s->chain_nr || s->chain[i++] != PERF_CONTEXT_USER)
		return false;
	if (from_user(k) && k->attr.sample_type & PERF_SAMPLE_IP && s->chain[i] != s->ip)
		return false;
	for (; i < s->chain_nr; i++)
		if (s->chain[i] >= (uint64_t)PERF_CONTEXT_MAX)
			return false;
	return true;
}

static bool right_raw(struct pv_test *t, const struct pv_known *k, const struct pv_sample *s)
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

static bool right_user_regs(struct pv_test *t, const struct pv_known *k, const struct pv_regs *r,
			    const struct pv_sample *s)
{
	uint64_t ip, sp;

	if (r->abi != pv_regs_abi)
		return false;
	ip = pv_reg(t, r, pv_reg_ip);
	sp = pv_reg(t, r, pv_reg_sp);
	/* The main thread's stack is here, and a caller's frame is above ours. */
	return in(sp, (uintptr_t)s - (1 << 20), 2 << 20) &&
	       (from_user(k) ? is_place(pv_event(t), k, ip) : ip && ip < PV_KERNEL_HALF);
}

static bool right_intr_regs(struct pv_test *t, const struct pv_known *k, const struct pv_sample *s)
{
	const struct pv_regs *r = &s->intr;

	if (from_user(k))
		return right_user_regs(t, k, r, s);
	if (!pv_isa_kernel_has_our_regs())
		return r->abi == pv_regs_abi;
	return r->abi == pv_regs_abi && pv_reg(t, r, pv_reg_ip) >= PV_KERNEL_HALF &&
	       pv_reg(t, r, pv_reg_sp) >= PV_KERNEL_HALF &&
	       (!(k->attr.sample_type & PERF_SAMPLE_IP) || pv_reg(t, r, pv_reg_ip) == s->ip);
}

static bool right_stack(const struct pv_sample *s)
{
	return s->stack_size == PV_FIELD_STACK && s->stack_dyn == PV_FIELD_STACK;
}

static bool right_phys(const struct pv_known *k, const struct pv_sample *s)
{
	uint64_t page = sysconf(_SC_PAGESIZE), real = k->present ? physical(k->addr) : 0;

	if (!k->addr || !k->present)
		return !s->phys_addr;
	/* the fresh page is unmapped by now: only its offset is left to compare */
	if (!k->attr.bp_type)
		return s->phys_addr && s->phys_addr % page == k->addr % page;
	return real ? s->phys_addr == real : s->phys_addr % page == k->addr % page;
}

static bool right_data_page(const struct pv_known *k, const struct pv_sample *s)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	return s->data_page_size == (k->addr && k->present ? page : 0);
}

static bool right_code_page(const struct pv_known *k, const struct pv_sample *s)
{
	uint64_t page = sysconf(_SC_PAGESIZE);

	/* Kernel text is mapped as it likes, and arm64 walks the user's table for it. */
	if (!from_user(k))
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

bool pv_field_right(struct pv_test *t, unsigned int bit, const struct pv_known *k,
		    const struct pv_sample *s)
{
	const struct pv_event_desc *e = pv_event(t);

	switch (1ull << bit) {
	case PERF_SAMPLE_IDENTIFIER:
		return s->identifier == k->id;
	case PERF_SAMPLE_IP:
		return is_place(e, k, s->ip);
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
		return s->period == pv_field_period(e);
	case PERF_SAMPLE_READ:
		return right_read(e, k, &s->read);
	case PERF_SAMPLE_CALLCHAIN:
		return right_chain(k, s);
	case PERF_SAMPLE_RAW:
		return right_raw(t, k, s);
	case PERF_SAMPLE_REGS_USER:
		return right_user_regs(t, k, &s->user, s);
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
		return right_code_page(k, s);
	case PERF_SAMPLE_AUX:
		return !s->aux_size; /* nobody has an AUX buffer */
	default:
		return false;
	}
}
