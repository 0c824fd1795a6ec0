/* SPDX-License-Identifier: GPL-2.0-only */
/* What kernel/events/core.c and ring_buffer.c do to the few events of a sequence. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "cases/lib/attr_rules.h"
#include "cases/lib/fuzz.h"

/* A sample has a header and PERF_SAMPLE_IDENTIFIER; a LOST record a header, id and number. */
#define SAMPLE_BYTES 16
#define LOST_BYTES   24

static bool is_on(const struct fz_model *m, int slot)
{
	return m->ev[slot].open && m->ev[slot].on;
}

bool fz_effective(const struct fz_model *m, int slot)
{
	return is_on(m, slot) && is_on(m, m->ev[slot].leader);
}

unsigned int fz_members(const struct fz_model *m, int slot, int out[FZ_SLOTS])
{
	int leader = m->ev[slot].leader;
	unsigned int n = 0, last = 0;

	out[n++] = leader;
	for (;;) {
		int next = -1;

		for (int i = 0; i < FZ_SLOTS; i++) {
			const struct fz_ev *e = &m->ev[i];

			if (e->open && i != leader && e->leader == leader && e->seq > last &&
			    (next < 0 || e->seq < m->ev[next].seq))
				next = i;
		}
		if (next < 0)
			return n;
		last = m->ev[next].seq;
		out[n++] = next;
	}
}

uint64_t fz_format(const struct fz_model *m, int slot)
{
	return PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING | PERF_FORMAT_ID |
	       m->lost_format | (m->ev[slot].format ? PERF_FORMAT_GROUP : 0);
}

unsigned int fz_read_size(const struct fz_model *m, int slot)
{
	unsigned int entry = 2 + !!m->lost_format;
	int members[FZ_SLOTS];

	if (m->ev[slot].format)
		return 8 * (3 + entry * fz_members(m, slot, members));
	return 8 * (2 + entry);
}

/* Whoever is on may have moved by the next look. */
static void mark_moved(struct fz_model *m)
{
	for (int i = 0; i < FZ_SLOTS; i++)
		m->ev[i].moved |= fz_effective(m, i);
}

/* ---- the ring ---- */

static unsigned int writers(const struct fz_model *m, int ring)
{
	unsigned int n = 0;

	for (int i = 0; i < FZ_SLOTS; i++)
		n += m->ev[i].open && m->ev[i].ring == ring && m->ev[i].period;
	return n;
}

/* Which of several writers lost is a question of the order in the kernel's lists. */
static void lose(struct fz_model *m, struct fz_ev *e)
{
	struct fz_ring *rb = &m->ring[e->ring];

	rb->lost++;
	e->lost++;
	for (int i = 0; i < FZ_SLOTS && !rb->paused; i++) {
		if (writers(m, e->ring) > 1 && m->ev[i].ring == e->ring)
			m->ev[i].lost_unknown = true;
	}
}

static void write_sample(struct fz_model *m, struct fz_ev *e)
{
	struct fz_ring *rb;
	uint64_t need;

	if (e->ring < 0)
		return;
	rb = &m->ring[e->ring];
	need = SAMPLE_BYTES + (rb->lost ? LOST_BYTES : 0);
	if (rb->paused || rb->size - (rb->head - rb->tail) <= need) {
		lose(m, e);
		return;
	}
	rb->told += rb->lost;
	rb->lost = 0;
	rb->samples++;
	rb->head += need;
	rb->ready = true;
}

/* ---- counting ---- */

/* perf_swevent_event(); true: the event's limit is reached. */
static bool occur(struct fz_model *m, struct fz_ev *e, bool in_child)
{
	if (in_child) {
		e->child++;
		return false;
	}
	e->count++;
	if (!e->period)
		return false;
	if (e->period > 1) {
		if (++e->left < 0)
			return false;
		e->left -= (int64_t)e->period;
	}
	write_sample(m, e);
	return e->limit && !--e->limit;
}

static void work(struct fz_model *m, const struct fz_step *s)
{
	bool in_child = s->op == FZ_FORK;
	unsigned int n = s->kind == FZ_DUMMY ? 0 : s->n;

	while (n--) {
		bool ended[FZ_SLOTS] = {false};

		for (int i = 0; i < FZ_SLOTS; i++) {
			struct fz_ev *e = &m->ev[i];

			if (fz_effective(m, i) && e->kind == s->kind && (e->inherit || !in_child) &&
			    (s->kind != FZ_WATCH || i == s->slot))
				ended[i] = occur(m, e, in_child);
		}
		/* Behind the occurrence, by irq_work: the others of the group saw it too. */
		for (int i = 0; i < FZ_SLOTS; i++) {
			m->ev[i].on &= !ended[i];
			m->ev[i].spent |= ended[i];
		}
	}
}

/* ---- perf_event_open(2) ---- */

static long output_errno(const struct fz_model *m, int slot, int clock, int to)
{
	if (slot == to || m->ev[to].clock != clock || m->ev[to].ring < 0)
		return -EINVAL;
	return 0;
}

static long open_errno(const struct fz_model *m, const struct fz_step *s)
{
	const struct pv_rule *rule = s->rule ? &pv_rules[s->rule - 1] : NULL;
	enum pv_stage stage = rule && rule->result ? rule->stage : PV_STAGE_AUX + 1;
	const struct fz_ev *group = s->other != FZ_NONE ? &m->ev[s->other] : NULL;
	struct perf_event_attr attr = {.inherit = !!(s->flags & FZ_INHERIT)};
	const struct fz_ev *leader = s->flags & FZ_NO_GROUP ? NULL : group;
	unsigned int watches = 0;
	int clock;

	attr.use_clockid = attr.clockid = !!(s->flags & FZ_CLOCK);
	if (rule)
		rule->set(&attr);
	clock = attr.use_clockid ? attr.clockid : -1;
	for (int i = 0; i < FZ_SLOTS; i++)
		watches += m->ev[i].open && m->ev[i].kind == FZ_WATCH;
	if (stage <= PV_STAGE_ENTRY)
		return rule->result;
	if (group && !group->open)
		return -EBADF;
	if (leader && leader->inherit != attr.inherit)
		return -EINVAL;
	if (stage <= PV_STAGE_PMU)
		return rule->result;
	if (!rule && s->kind == FZ_WATCH && watches >= m->watch_slots)
		return -ENOSPC;
	if (stage == PV_STAGE_CLOCK)
		return rule->result;
	if (leader && (leader->leader != s->other || leader->clock != clock ||
		       s->flags & (FZ_PINNED | FZ_EXCLUSIVE)))
		return -EINVAL;
	if (group && s->flags & FZ_FD_OUTPUT && output_errno(m, s->slot, clock, s->other))
		return -EINVAL;
	return stage == PV_STAGE_AUX ? rule->result : 0;
}

static long do_open(struct fz_model *m, const struct fz_step *s)
{
	struct fz_ev *e = &m->ev[s->slot];
	long err = open_errno(m, s);
	bool sampling =
		(s->kind == FZ_CALL || s->kind == FZ_OTHER_CALL) && !(s->flags & FZ_INHERIT);

	if (err || s->rule)
		return err;
	*e = (struct fz_ev){
		.open = true,
		.on = !(s->flags & FZ_DISABLED),
		.inherit = s->flags & FZ_INHERIT,
		.format = s->flags & FZ_FORMAT,
		.kind = s->kind,
		.clock = s->flags & FZ_CLOCK ? 1 : -1,
		.leader = s->other != FZ_NONE && !(s->flags & FZ_NO_GROUP) ? s->other : s->slot,
		.ring = -1,
		.seq = ++m->seq,
		.period = sampling ? s->n : 0,
	};
	e->left = -(int64_t)e->period;
	if (s->other != FZ_NONE && s->flags & FZ_FD_OUTPUT)
		e->ring = m->ev[s->other].ring;
	return 0;
}

static void drop_ring(struct fz_model *m, int slot)
{
	memset(&m->ring[slot], 0, sizeof(m->ring[slot]));
	m->ev[slot].maps = 0;
	for (int i = 0; i < FZ_SLOTS; i++) {
		if (m->ev[i].ring == slot)
			m->ev[i].ring = -1;
	}
}

static struct fz_due do_close(struct fz_model *m, int slot)
{
	/* Siblings that wait for a leader that is off: when they start without it is open. */
	for (int i = 0; i < FZ_SLOTS; i++) {
		if (i != slot && m->ev[i].leader == slot && is_on(m, i) && !m->ev[slot].on)
			return (struct fz_due){.skip = true};
	}
	if (m->ev[slot].maps)
		drop_ring(m, slot);
	for (int i = 0; i < FZ_SLOTS; i++) {
		if (i == slot || !m->ev[i].open || m->ev[i].leader != slot)
			continue;
		m->ev[i].leader = i;
		m->ev[i].promoted = true;
	}
	memset(&m->ev[slot], 0, sizeof(m->ev[slot]));
	m->ev[slot].leader = slot;
	m->ev[slot].ring = -1;
	return (struct fz_due){0};
}

/* ---- ioctls and the rest ---- */

static struct fz_due do_switch(struct fz_model *m, const struct fz_step *s)
{
	int members[FZ_SLOTS] = {s->slot};
	unsigned int n = s->flags & FZ_GROUP ? fz_members(m, s->slot, members) : 1;

	for (unsigned int i = 0; i < n && s->op == FZ_ENABLE; i++) {
		if (m->ev[members[i]].spent)
			return (struct fz_due){.skip = true};
	}
	for (unsigned int i = 0; i < n; i++) {
		struct fz_ev *e = &m->ev[members[i]];

		if (s->op == FZ_RESET)
			e->count = 0; /* what children that ended have counted stays */
		else
			e->on = s->op == FZ_ENABLE;
	}
	return (struct fz_due){0};
}

static struct fz_due do_refresh(struct fz_ev *e, unsigned int n)
{
	if (e->inherit || !e->period)
		return (struct fz_due){.ret = -EINVAL};
	if (e->spent)
		return (struct fz_due){.skip = true};
	e->limit += (int)n;
	e->on = true;
	return (struct fz_due){0};
}

static struct fz_due do_period(struct fz_model *m, const struct fz_step *s)
{
	struct fz_ev *e = &m->ev[s->slot];

	if (!e->period || !s->n || s->flags & FZ_TOP)
		return (struct fz_due){.ret = -EINVAL};
	/* Of a running event the next overflow depends on whether it is switched out first. */
	if (fz_effective(m, s->slot))
		return (struct fz_due){.skip = true};
	e->period = s->n;
	e->left = -(int64_t)s->n;
	return (struct fz_due){0};
}

static struct fz_due do_map(struct fz_model *m, const struct fz_step *s)
{
	struct fz_ev *e = &m->ev[s->slot];
	uint64_t size = s->n * m->page;

	if (e->inherit || s->n & (s->n - 1))
		return (struct fz_due){.ret = -EINVAL};
	/* A ring that is another's: 6.12 maps it, 7.2 says EBUSY. */
	if ((!e->maps && e->ring >= 0) || e->maps == FZ_MAPS)
		return (struct fz_due){.skip = true};
	if (e->maps && m->ring[s->slot].size != size)
		return (struct fz_due){.ret = -EINVAL};
	if (!e->maps++) {
		m->ring[s->slot] = (struct fz_ring){.size = size};
		e->ring = s->slot;
	}
	return (struct fz_due){0};
}

static long do_output(struct fz_model *m, const struct fz_step *s)
{
	struct fz_ev *e = &m->ev[s->slot];
	long err = 0;

	if (s->other != FZ_NONE && !m->ev[s->other].open)
		return -EBADF;
	if (s->other != FZ_NONE)
		err = output_errno(m, s->slot, e->clock, s->other);
	if (err || e->maps)
		return -EINVAL;
	e->ring = s->other != FZ_NONE ? m->ev[s->other].ring : -1;
	return 0;
}

static long do_poll(struct fz_model *m, int slot)
{
	int ring = m->ev[slot].ring;
	bool ready;

	if (ring < 0)
		return POLLHUP;
	ready = m->ring[ring].ready;
	m->ring[ring].ready = false;
	return ready ? POLLIN : 0;
}

static struct fz_due on_open_slot(struct fz_model *m, const struct fz_step *s)
{
	struct fz_ev *e = &m->ev[s->slot];

	switch (s->op) {
	case FZ_CLOSE:
		return do_close(m, s->slot);
	case FZ_REFRESH:
		return do_refresh(e, s->n);
	case FZ_PERIOD:
		return do_period(m, s);
	case FZ_READ:
		if (m->stale_size && e->promoted && e->format)
			return (struct fz_due){.skip = true};
		return (struct fz_due){.ret = s->flags & FZ_SHORT ? -ENOSPC
								  : (long)fz_read_size(m, s->slot)};
	case FZ_MAP:
		return do_map(m, s);
	case FZ_UNMAP:
		if (!e->maps)
			return (struct fz_due){.skip = true};
		if (!--e->maps)
			drop_ring(m, s->slot);
		return (struct fz_due){0};
	case FZ_OUTPUT:
		return (struct fz_due){.ret = do_output(m, s)};
	case FZ_PAUSE:
		if (e->ring >= 0)
			m->ring[e->ring].paused = s->n;
		return (struct fz_due){.ret = e->ring >= 0 ? 0 : -EINVAL};
	case FZ_POLL:
		return (struct fz_due){.ret = do_poll(m, s->slot)};
	case FZ_DRAIN:
		return (struct fz_due){.skip = !e->maps};
	}
	return do_switch(m, s);
}

struct fz_due fz_predict(struct fz_model *m, const struct fz_step *s)
{
	struct fz_due due = {0};

	mark_moved(m);
	if (s->op == FZ_WORK || s->op == FZ_FORK) {
		work(m, s);
	} else if (s->op == FZ_TASK) {
		for (int i = 0; i < FZ_SLOTS; i++)
			due.skip |= s->n && m->ev[i].spent;
		for (int i = 0; i < FZ_SLOTS && !due.skip; i++)
			m->ev[i].on = s->n;
	} else if (s->op == FZ_OPEN) {
		due.skip = m->ev[s->slot].open;
		due.ret = due.skip ? 0 : do_open(m, s);
	} else if (m->ev[s->slot].open) {
		due = on_open_slot(m, s);
	} else {
		due.ret = -EBADF;
		due.skip = s->op == FZ_POLL || s->op == FZ_DRAIN || s->op == FZ_UNMAP;
	}
	mark_moved(m);
	return due;
}
