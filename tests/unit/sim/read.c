/* SPDX-License-Identifier: GPL-2.0-only */
/* What an event says when it is read. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "tests/unit/sim/sim.h"

struct totals {
	uint64_t count, enabled, running;
};

static struct totals total(struct sim_event *ev)
{
	struct totals t = {ev->child_count, ev->child_enabled, ev->child_running};

	for (struct sim_event *c = ev; c; c = sim_next_copy(ev, c)) {
		if (c != ev && sim_broken(SIM_INHERIT_LIVE_LOST))
			continue;
		t.count += c->count;
		t.enabled += c->enabled;
		t.running += c->running;
	}
	if (sim_broken(SIM_DEAD_COUNTER))
		t.count = 0;
	if (sim_broken(SIM_RUNNING_ABOVE_ENABLED))
		t.running = 2 * t.enabled + 1;
	if (sim_broken(SIM_RUNNING_LAGS))
		t.running /= 2;
	/* A value that moves by being looked at. */
	if (sim_broken(SIM_READ_ADDS_ONE))
		ev->count++;
	if (sim_broken(SIM_READ_COUNTS_AGAIN) && ev->on_counter)
		ev->count *= 2;
	return t;
}

/* What a read says the event's number is. */
static uint64_t read_id(const struct sim_event *ev)
{
	if (sim_broken(SIM_ID_SWAPPED))
		return ev->id ^ 1;
	if (sim_broken(SIM_IDS_ZERO))
		return 0;
	return sim_broken(SIM_ID_NOT_UNIQUE) ? 7 : ev->id;
}

static unsigned int one(struct sim_event *ev, uint64_t *out, uint64_t format, uint64_t count)
{
	unsigned int n = 0;

	out[n++] = count;
	if (format & PERF_FORMAT_ID)
		out[n++] = read_id(ev);
	if (format & SIM_FORMAT_LOST)
		out[n++] = sim_broken(SIM_FORMAT_LOST_ZERO) ? 0 : ev->lost;
	return n;
}

static struct sim_event *member_at(struct sim_event *leader, unsigned int nr, unsigned int i)
{
	struct sim_event *m = leader;
	unsigned int at = sim_broken(SIM_GROUP_ORDER_REVERSED) ? nr - 1 - i : i;

	while (at--)
		m = sim_next_member(leader, m);
	return m;
}

static unsigned int read_group(struct sim_event *ev, uint64_t *out, unsigned int max)
{
	struct sim_event *leader = &sim->event[ev->leader];
	uint64_t format = ev->attr.a.read_format, *nr = out++;
	struct totals t = total(leader);
	unsigned int n = 1, members = 0;

	for (struct sim_event *m = leader; m; m = sim_next_member(leader, m))
		members++;
	if (sim_broken(SIM_GROUP_READ_CUT) && members > 60)
		members = 60;
	*nr = members + sim_broken(SIM_GROUP_NR_WRONG);
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED)
		*out++ = t.enabled, n++;
	if (format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		*out++ = t.running, n++;
	for (unsigned int i = 0; i < members && n + 3 <= max; i++) {
		struct sim_event *m = member_at(leader, members, i);
		uint64_t count = total(m).count;
		unsigned int words;

		if (i && sim_broken(SIM_INHERIT_SIBLING_LOST))
			count = m->count;
		if (i && count && sim_broken(SIM_GROUP_INCOHERENT))
			count--;
		words = one(m, out, format, count);
		out += words;
		n += words;
	}
	return n;
}

unsigned int sim_read_block(struct sim_event *ev, uint64_t *out, unsigned int max)
{
	uint64_t format = ev->attr.a.read_format;
	struct totals t;
	unsigned int n = 1;

	if (format & PERF_FORMAT_GROUP)
		return read_group(ev, out, max);
	t = total(ev);
	out[0] = t.count;
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED)
		out[n++] = t.enabled;
	if (format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		out[n++] = t.running;
	if (format & PERF_FORMAT_ID)
		out[n++] = read_id(ev);
	if (format & SIM_FORMAT_LOST)
		out[n++] = sim_broken(SIM_FORMAT_LOST_ZERO) ? 0 : ev->lost;
	return n;
}

long sim_read(struct sim_event *ev, void *buf, size_t len)
{
	static uint64_t block[3 * SIM_MAX_EVENTS];
	unsigned int n;

	if (ev->state == SIM_ERROR)
		return 0;
	n = sim_read_block(ev, block, sizeof(block) / 8);
	if (n > 1 && sim_broken(SIM_READ_SHORT))
		n--;
	if (len < n * 8) {
		if (!sim_broken(SIM_READ_SIZE_UNCHECKED))
			return -ENOSPC;
		n = len / 8;
	}
	memcpy(buf, block, n * 8);
	return n * 8;
}
