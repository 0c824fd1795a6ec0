/* SPDX-License-Identifier: GPL-2.0-only */
/* The ring buffer: mapping, SET_OUTPUT, records (kernel/events/ring_buffer.c). */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/sim/sim.h"

static struct sim_ring *new_ring(size_t len)
{
	struct sim_ring *rb;
	int i = 0, used = 0;

	/* Memory is given back when no ring is left. */
	for (int k = 0; k < SIM_MAX_RINGS; k++)
		used += sim->ring[k].used;
	if (!used) {
		memset(sim->ring_memory, 0, sim->ring_used);
		sim->ring_used = 0;
	}
	while (i < SIM_MAX_RINGS && sim->ring[i].used)
		i++;
	if (i == SIM_MAX_RINGS || sim->ring_used + len > SIM_RING_MEMORY)
		return NULL;
	rb = &sim->ring[i];
	*rb = (struct sim_ring){.used = true, .page = sim->ring_memory + sim->ring_used};
	sim->ring_used += len;
	return rb;
}

static void fill_user_page(struct sim_ring *rb, size_t page)
{
	struct perf_event_mmap_page *up = (struct perf_event_mmap_page *)rb->page;

	up->cap_bit0_is_deprecated = 1;
	up->size = offsetof(struct perf_event_mmap_page, __reserved);
	up->data_offset = page;
	up->data_size = rb->size;
}

static int check_map(const struct sim_event *ev, uint64_t pages, int flags, off_t offset)
{
	if (!(flags & MAP_SHARED))
		return sim_broken(SIM_MMAP_PRIVATE_ACCEPTED) ? 0 : -EINVAL;
	if (offset)
		return -EINVAL;
	if (pages & (pages - 1) && !sim_broken(SIM_MMAP_SIZE_UNCHECKED))
		return -EINVAL;
	if (ev->cpu < 0 && ev->attr.a.inherit && !sim_broken(SIM_MMAP_INHERIT_ACCEPTED))
		return -EINVAL;
	return 0;
}

void *sim_mmap(struct sim_event *ev, size_t len, int prot, int flags, off_t offset)
{
	size_t page = sysconf(_SC_PAGESIZE);
	struct sim_ring *rb;
	int err = check_map(ev, len / page - 1, flags, offset);

	if (err)
		return (void *)(intptr_t)err;
	if (ev->ring >= 0) {
		rb = &sim->ring[ev->ring];
		if (rb->size + page != len && !sim_broken(SIM_MMAP_RESIZE_ACCEPTED))
			return (void *)(intptr_t)-EINVAL;
		if (!ev->own_map)
			return (void *)(intptr_t)-EBUSY;
		rb->maps++;
		return rb->page;
	}
	rb = new_ring(len);
	if (!rb)
		return (void *)(intptr_t)-ENOMEM;
	rb->size = len - page;
	rb->maps = 1;
	rb->overwrite = !(prot & PROT_WRITE);
	rb->watermark = rb->size / 2;
	if (ev->attr.a.watermark && ev->attr.a.wakeup_watermark)
		rb->watermark = ev->attr.a.wakeup_watermark;
	fill_user_page(rb, page);
	ev->ring = rb - sim->ring;
	ev->own_map = true;
	return rb->page;
}

void sim_munmap(void *addr)
{
	for (int i = 0; i < SIM_MAX_RINGS; i++) {
		struct sim_ring *rb = &sim->ring[i];

		if (!rb->used || rb->page != addr || --rb->maps)
			continue;
		rb->used = false;
		for (int k = 0; k < sim->nr_events; k++) {
			if (sim->event[k].ring == i) {
				if (sim_broken(SIM_UNMAP_KEEPS_OUTPUT) && !sim->event[k].own_map)
					continue;
				sim->event[k].ring = -1;
				sim->event[k].own_map = false;
			}
		}
	}
}

static int clock_of(const struct sim_event *ev)
{
	return ev->attr.a.use_clockid ? ev->attr.a.clockid : -1;
}

long sim_set_output(struct sim_event *ev, struct sim_event *to)
{
	if (!to) {
		if (ev->own_map)
			return sim_broken(SIM_OUTPUT_TAKEN) ? 0 : -EINVAL;
		ev->ring = -1;
		return 0;
	}
	if (sim_broken(SIM_SET_OUTPUT_UNCHECKED)) {
		ev->ring = to->ring;
		return 0;
	}
	if (to == ev || to->cpu != ev->cpu || (to->cpu < 0 && to->task != ev->task) ||
	    clock_of(to) != clock_of(ev) ||
	    to->attr.a.write_backward != ev->attr.a.write_backward || ev->own_map || to->ring < 0)
		return -EINVAL;
	ev->ring = to->ring;
	return 0;
}

static void put_bytes(struct sim_ring *rb, const void *from, size_t len)
{
	size_t off = rb->head & (rb->size - 1), first = len < rb->size - off ? len : rb->size - off;
	uint8_t *data = rb->page + sysconf(_SC_PAGESIZE);

	memcpy(data + off, from, first);
	if (!sim_broken(SIM_WRAP_CORRUPTED))
		memcpy(data, (const uint8_t *)from + first, len - first);
	else
		memset(data, 0x5a, len - first);
	rb->head += len;
}

/* Always one byte is left free (CIRC_SPACE). */
static bool has_space(const struct sim_ring *rb, size_t len)
{
	const struct perf_event_mmap_page *up = (const void *)rb->page;
	uint64_t tail = __atomic_load_n(&up->data_tail, __ATOMIC_ACQUIRE);

	if (rb->overwrite || sim_broken(SIM_RING_OVERWRITES))
		return true;
	return rb->size - (rb->head - tail) > len;
}

struct sim_record {
	uint64_t word[1024];
	unsigned int n;
};

static void add(struct sim_record *r, uint64_t word)
{
	if (r->n < sizeof(r->word) / 8)
		r->word[r->n++] = word;
}

static uint64_t pair(uint32_t low, uint32_t high)
{
	uint32_t both[2] = {low, high};
	uint64_t word;

	memcpy(&word, both, 8);
	return word;
}

static void close_record(struct sim_record *r, uint32_t type, uint16_t misc)
{
	struct perf_event_header h = {type, misc, r->n * 8};

	if (sim_broken(SIM_RECORD_SIZE_ODD))
		h.size += 4;
	memcpy(r->word, &h, 8);
}

static uint64_t sample_id(const struct sim_event *ev)
{
	const struct sim_event *top = ev->parent >= 0 ? &sim->event[ev->parent] : ev;

	return top->id ^ sim_broken(SIM_SAMPLE_ID_WRONG);
}

/* What every record but a sample ends with when sample_id_all is set. */
static void add_trailer(struct sim_record *r, const struct sim_event *ev)
{
	uint64_t type = ev->attr.a.sample_type;

	if (!ev->attr.a.sample_id_all)
		return;
	if (type & PERF_SAMPLE_TID)
		add(r, pair(sim->task[sim_self].pid, sim->task[sim_self].pid));
	if (type & PERF_SAMPLE_TIME)
		add(r, sim->now);
	if (type & PERF_SAMPLE_ID)
		add(r, sample_id(ev));
	if (type & PERF_SAMPLE_STREAM_ID)
		add(r, ev->id);
	if (type & PERF_SAMPLE_CPU)
		add(r, pair(ev->cpu < 0 ? 0 : ev->cpu, 0));
	if (type & PERF_SAMPLE_IDENTIFIER)
		add(r, sample_id(ev));
}

static void lose(struct sim_ring *rb, struct sim_event *ev)
{
	rb->lost++;
	ev->lost += 1 + sim_broken(SIM_FORMAT_LOST_DOUBLE);
}

/* False: lost. */
static bool output(struct sim_ring *rb, struct sim_event *ev, const struct sim_record *r)
{
	struct perf_event_mmap_page *up = (struct perf_event_mmap_page *)rb->page;
	struct sim_record lost = {.n = 1};
	size_t len = r->n * 8;
	bool tell_lost = rb->lost || (sim_broken(SIM_LOST_RECORD_SPURIOUS) && rb->head > 200);

	if (rb->paused) {
		lose(rb, ev);
		ev->lost -= sim_broken(SIM_PAUSE_LOSES_COUNT);
		return false;
	}
	if (tell_lost) {
		add(&lost, ev->id + sim_broken(SIM_LOST_RECORD_ID));
		add(&lost, rb->lost - sim_broken(SIM_LOST_RECORD_SHORT) +
				   sim_broken(SIM_LOST_RECORD_SPURIOUS));
		add_trailer(&lost, ev);
		close_record(&lost, PERF_RECORD_LOST, 0);
		len += lost.n * 8;
	}
	if (!has_space(rb, len)) {
		lose(rb, ev);
		return false;
	}
	if (tell_lost && !sim_broken(SIM_LOST_RECORD_MISSING))
		put_bytes(rb, lost.word, lost.n * 8);
	rb->lost = 0;
	put_bytes(rb, r->word, r->n * 8);
	__atomic_store_n(&up->data_head, rb->head, __ATOMIC_RELEASE);
	if (sim_broken(SIM_HEAD_GOES_BACK) && rb->head > 600)
		up->data_head = rb->head = 128;
	if (rb->head - rb->wakeup > rb->watermark) {
		rb->wakeup += rb->watermark;
		rb->poll = 1;
	}
	return true;
}

static void wake_by_count(struct sim_ring *rb, const struct sim_event *ev)
{
	if (ev->attr.a.watermark || !ev->attr.a.wakeup_events)
		return;
	if (++rb->events >= ev->attr.a.wakeup_events) {
		rb->events = 0;
		rb->poll = 1;
	}
}

/* u32 size, then the fields common to all tracepoints: u16 id, u8 flags, u8 preempt count, s32 pid.
 */
static void add_raw(struct sim_record *r, const struct sim_event *ev)
{
	uint32_t id = ev->attr.a.config + sim_broken(SIM_RAW_ID_WRONG);

	add(r, pair(sim_broken(SIM_RAW_EMPTY) ? 0 : 12, id & 0xffff));
	add(r, pair(sim->task[sim_self].pid + sim_broken(SIM_RAW_PID_WRONG), 0));
}

/* Fields behind READ that this machine has nothing to say about: one zero word each. */
static void add_rest(struct sim_record *r, const struct sim_event *ev)
{
	uint64_t type = ev->attr.a.sample_type;
	const uint64_t empty[] = {
		PERF_SAMPLE_CALLCHAIN,      PERF_SAMPLE_BRANCH_STACK, PERF_SAMPLE_REGS_USER,
		PERF_SAMPLE_STACK_USER,     PERF_SAMPLE_WEIGHT,       PERF_SAMPLE_WEIGHT_STRUCT,
		PERF_SAMPLE_DATA_SRC,       PERF_SAMPLE_TRANSACTION,  PERF_SAMPLE_REGS_INTR,
		PERF_SAMPLE_PHYS_ADDR,      PERF_SAMPLE_CGROUP,       PERF_SAMPLE_DATA_PAGE_SIZE,
		PERF_SAMPLE_CODE_PAGE_SIZE, PERF_SAMPLE_AUX,
	};

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		if (type & empty[i])
			add(r, 0);
		if (empty[i] == PERF_SAMPLE_CALLCHAIN && type & PERF_SAMPLE_RAW)
			add_raw(r, ev);
	}
}

static void add_fields(struct sim_record *r, struct sim_event *ev, const struct sim_place *at,
		       uint64_t period)
{
	uint64_t type = ev->attr.a.sample_type;
	pid_t pid = sim->task[sim_self].pid + sim_broken(SIM_SAMPLE_TID_WRONG);

	if (type & PERF_SAMPLE_IDENTIFIER)
		add(r, sample_id(ev));
	if (type & PERF_SAMPLE_IP)
		add(r, sim_broken(SIM_SAMPLE_IP_WRONG) ? 0x1000 : at->ip);
	if (type & PERF_SAMPLE_TID)
		add(r, pair(pid, pid));
	if (type & PERF_SAMPLE_TIME)
		add(r, sim_broken(SIM_SAMPLE_TIME_FALLS) ? ~sim->now >> 1 : sim->now);
	if (type & PERF_SAMPLE_ADDR)
		add(r, sim_broken(SIM_SAMPLE_ADDR_WRONG) ? at->addr + 64 : at->addr);
	if (type & PERF_SAMPLE_ID)
		add(r, sample_id(ev));
	if (type & PERF_SAMPLE_STREAM_ID)
		add(r, ev->id);
	if (type & PERF_SAMPLE_CPU)
		add(r, pair(sched_getcpu() + sim_broken(SIM_SAMPLE_CPU_WRONG), 0));
	if (type & PERF_SAMPLE_PERIOD)
		add(r, period + sim_broken(SIM_SAMPLE_PERIOD_WRONG));
	if (type & PERF_SAMPLE_READ) {
		r->n += sim_read_block(ev, r->word + r->n, sizeof(r->word) / 8 - r->n - 16);
		if (sim_broken(SIM_SAMPLE_READ_WRONG))
			r->word[r->n - 1] += 1000;
	}
	add_rest(r, ev);
}

void sim_sample(struct sim_event *ev, const struct sim_place *at, uint64_t period)
{
	struct sim_event *top = ev->parent >= 0 ? &sim->event[ev->parent] : ev;
	static struct sim_record r;
	struct sim_ring *rb;
	bool written;

	if (top->ring < 0 || sim_broken(SIM_SAMPLES_MISSING))
		return;
	rb = &sim->ring[top->ring];
	r.n = 1;
	add_fields(&r, ev, at, period);
	if (sim_broken(SIM_SAMPLE_LONGER))
		add(&r, 0);
	close_record(&r, sim_broken(SIM_RECORD_UNKNOWN) && rb->head > 200 ? 99 : PERF_RECORD_SAMPLE,
		     at->kernel ? PERF_RECORD_MISC_KERNEL : PERF_RECORD_MISC_USER);
	written = output(rb, top, &r);
	if (sim_broken(SIM_SAMPLE_TWICE))
		output(rb, top, &r);
	if (written || sim_broken(SIM_LOST_WAKES))
		wake_by_count(rb, ev);
}
