/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sideband.h"
#include "cases/lib/sys.h"
#include "cases/lib/test.h"

#define RING_PAGES 64
#define TRAILER    48 /* TID, TIME, ID, STREAM_ID, CPU, IDENTIFIER */

static const char *const type_names[] = {
	[PERF_RECORD_MMAP] = "MMAP",
	[PERF_RECORD_LOST] = "LOST",
	[PERF_RECORD_COMM] = "COMM",
	[PERF_RECORD_EXIT] = "EXIT",
	[PERF_RECORD_FORK] = "FORK",
	[PERF_RECORD_SAMPLE] = "SAMPLE",
	[PERF_RECORD_MMAP2] = "MMAP2",
	[PERF_RECORD_SWITCH] = "SWITCH",
	[PERF_RECORD_SWITCH_CPU_WIDE] = "SWITCH_CPU_WIDE",
	[PERF_RECORD_NAMESPACES] = "NAMESPACES",
	[PERF_RECORD_KSYMBOL] = "KSYMBOL",
	[PERF_RECORD_BPF_EVENT] = "BPF_EVENT",
	[PERF_RECORD_CGROUP] = "CGROUP",
	[PERF_RECORD_TEXT_POKE] = "TEXT_POKE",
};

static const char *type_name(uint32_t type)
{
	static char other[16];

	if (type < sizeof(type_names) / sizeof(type_names[0]) && type_names[type])
		return type_names[type];
	snprintf(other, sizeof(other), "type %u", type);
	return other;
}

struct perf_event_attr sb_attr(void)
{
	struct perf_event_attr attr = pv_dummy;

	attr.sample_id_all = 1;
	attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_ID |
			   PERF_SAMPLE_STREAM_ID | PERF_SAMPLE_CPU | PERF_SAMPLE_IDENTIFIER;
	attr.use_clockid = 1;
	attr.clockid = CLOCK_MONOTONIC_RAW; /* what pv_sys_walltime() tells */
	return attr;
}

/* Logs by fd: when the event was opened, and for which CPU. */
static struct {
	uint64_t from;
	int cpu;
	bool inherit;
} opened[1024];

struct pv_ev *sb_open(struct pv_test *t, const struct perf_event_attr *attr, pid_t pid, int cpu)
{
	uint64_t now = pv_sys_walltime();
	struct pv_ev *ev = pv_open(t, attr, pid, cpu, NULL, 0);

	pv_ring_map(t, ev, RING_PAGES);
	if ((size_t)ev->fd < sizeof(opened) / sizeof(opened[0])) {
		opened[ev->fd].from = now;
		opened[ev->fd].cpu = cpu < 0 ? pv_cpu(t) : cpu;
		opened[ev->fd].inherit = attr->inherit;
	}
	return ev;
}

struct pv_ev *sb_open_self(struct pv_test *t, const struct perf_event_attr *attr)
{
	return sb_open(t, attr, 0, pv_cpu(t));
}

bool sb_since_6_12(struct pv_test *t)
{
	struct perf_event_attr attr = pv_dummy;
	int fd;

	attr.inherit = 1;
	attr.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_READ;
	fd = pv_try_open(t, &attr, 0, -1, -1, 0);
	if (fd >= 0)
		pv_sys_close(fd);
	return fd >= 0;
}

uint32_t sb_u32(const struct sb_rec *r, size_t offset)
{
	uint32_t v = 0;

	if (offset + sizeof(v) <= r->len)
		memcpy(&v, r->body + offset, sizeof(v));
	return v;
}

uint64_t sb_u64(const struct sb_rec *r, size_t offset)
{
	uint64_t v = 0;

	if (offset + sizeof(v) <= r->len)
		memcpy(&v, r->body + offset, sizeof(v));
	return v;
}

uint16_t sb_u16(const struct sb_rec *r, size_t offset)
{
	uint16_t v = 0;

	if (offset + sizeof(v) <= r->len)
		memcpy(&v, r->body + offset, sizeof(v));
	return v;
}

static void put_record(struct pv_test *t, struct sb_log *log, const struct pv_record *rec)
{
	size_t len = rec->header.size - sizeof(rec->header);
	struct sb_rec *r = &log->rec[log->n];
	const uint8_t *tail;

	if (log->n == SB_MAX)
		pv_error(t, PV_BROKEN_SETUP, "more than %d records", SB_MAX);
	if (len < TRAILER)
		pv_fail(t, "a %s record of %u bytes has no room for its trailer",
			type_name(rec->header.type), rec->header.size);
	memcpy(log->bytes + log->used, rec->body, len);
	*r = (struct sb_rec){
		.type = rec->header.type,
		.misc = rec->header.misc,
		.size = rec->header.size,
		.len = len - TRAILER,
		.body = log->bytes + log->used,
	};
	tail = r->body + r->len;
	memcpy(&r->pid, tail, 4);
	memcpy(&r->tid, tail + 4, 4);
	memcpy(&r->time, tail + 8, 8);
	memcpy(&r->id, tail + 16, 8);
	memcpy(&r->stream, tail + 24, 8);
	memcpy(&r->cpu, tail + 32, 4);
	memcpy(&r->reserved, tail + 36, 4);
	memcpy(&r->identifier, tail + 40, 8);
	log->used += len;
	log->n++;
}

static void judge_all(struct pv_test *t, const struct sb_log *log)
{
	unsigned int wrong = 0;
	uint64_t last = log->from;

	for (unsigned int i = 0; i < log->n; i++) {
		const struct sb_rec *r = &log->rec[i];

		if (r->time < last || r->time > log->to || r->reserved || r->identifier != r->id ||
		    r->cpu != (uint32_t)log->cpu || r->type == PERF_RECORD_LOST) {
			if (!wrong++)
				pv_message(
					t,
					"record %u, %s: time %llu after %llu (read at %llu), cpu %u, "
					"reserved %u, id %llu, identifier %llu",
					i, type_name(r->type), (unsigned long long)r->time,
					(unsigned long long)last, (unsigned long long)log->to,
					r->cpu, r->reserved, (unsigned long long)r->id,
					(unsigned long long)r->identifier);
		}
		last = r->time;
	}
	pv_expect_eq(t, "records with a wrong time, CPU or identifier, or of losses", wrong, 0);
}

struct sb_log *sb_take(struct pv_test *t, struct pv_ev *ev)
{
	static struct pv_record rec;
	size_t bytes = pv_ring_page(ev)->data_size;
	struct sb_log *log = calloc(1, sizeof(*log) + bytes);
	uint64_t id = 0;

	if (!log)
		pv_error(t, PV_BROKEN_SETUP, "no memory for a log");
	if (pv_ioctl(ev, PERF_EVENT_IOC_ID, (unsigned long)(uintptr_t)&id))
		pv_fail(t, "PERF_EVENT_IOC_ID of a side-band event");
	log->id = id;
	log->from = opened[ev->fd].from;
	log->cpu = opened[ev->fd].cpu;
	log->inherit = opened[ev->fd].inherit;
	while (pv_ring_next(t, ev, &rec))
		put_record(t, log, &rec);
	log->to = pv_sys_walltime();
	judge_all(t, log);
	return log;
}

struct sb_who sb_self(void)
{
	return (struct sb_who){getpid(), gettid()};
}

const struct sb_rec *sb_find(const struct sb_log *log, uint32_t type, unsigned int nth)
{
	for (unsigned int i = 0; i < log->n; i++) {
		if (log->rec[i].type == type && !nth--)
			return &log->rec[i];
	}
	return NULL;
}

unsigned int sb_count(const struct sb_log *log, uint32_t type, pid_t pid)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < log->n; i++)
		n += (!type || log->rec[i].type == type) &&
		     (pid == -1 || log->rec[i].pid == (uint32_t)pid);
	return n;
}

void sb_tell(struct pv_test *t, const struct sb_log *log)
{
	char text[400] = "";
	size_t at = 0;

	for (unsigned int i = 0; i < log->n && at < sizeof(text) - 40; i++)
		at += snprintf(text + at, sizeof(text) - at, " %s", type_name(log->rec[i].type));
	pv_message(t, "%u records:%s%s", log->n, text, at >= sizeof(text) - 40 ? " ..." : "");
}

bool sb_expect(struct pv_test *t, const struct sb_log *log, const char *name, uint32_t type,
	       unsigned int expected)
{
	if (pv_expect_eq(t, name, sb_count(log, type, -1), expected))
		return true;
	sb_tell(t, log);
	return false;
}

bool sb_expect_order(struct pv_test *t, const struct sb_log *log, const char *name,
		     const uint32_t *types)
{
	unsigned int i = 0;

	while (i < log->n && types[i] && log->rec[i].type == types[i])
		i++;
	if (pv_expect(t, name, i == log->n && !types[i]))
		return true;
	sb_tell(t, log);
	return false;
}

struct sb_check sb_begin(struct pv_test *t, const char *what, const struct sb_log *log,
			 const struct sb_rec *r, uint32_t type, uint16_t misc, size_t len,
			 const struct sb_who *who)
{
	struct sb_check c = {t, what, 0};

	if (!r) {
		sb_tell(t, log);
		pv_fail(t, "%s: no such record", what);
	}
	sb_is(&c, "type", r->type, type);
	sb_is(&c, "misc", r->misc, misc);
	sb_is(&c, "size", r->size, 8 + len + TRAILER);
	sb_is(&c, "trailer's pid", r->pid, (uint32_t)who->pid);
	sb_is(&c, "trailer's tid", r->tid, (uint32_t)who->tid);
	sb_is(&c, "trailer's id", r->id, log->id);
	/* Tasks with equal contexts swap them at a switch, and with them the copies of the event.
	 */
	if (log->inherit)
		sb_within(&c, "trailer's stream id", r->stream, 1, UINT64_MAX);
	else
		sb_is(&c, "trailer's stream id", r->stream, log->id);
	return c;
}

void sb_is(struct sb_check *c, const char *field, uint64_t observed, uint64_t expected)
{
	sb_within(c, field, observed, expected, expected);
}

void sb_within(struct sb_check *c, const char *field, uint64_t observed, uint64_t lo, uint64_t hi)
{
	if (observed >= lo && observed <= hi)
		return;
	c->wrong++;
	if (lo == hi)
		pv_message(c->t, "%s: %s is %#llx, not %#llx", c->what, field,
			   (unsigned long long)observed, (unsigned long long)lo);
	else
		pv_message(c->t, "%s: %s is %#llx, not in %#llx..%#llx", c->what, field,
			   (unsigned long long)observed, (unsigned long long)lo,
			   (unsigned long long)hi);
}

size_t sb_padded(const char *text)
{
	return (strlen(text) + 1 + 7) & ~(size_t)7;
}

void sb_string(struct sb_check *c, const struct sb_rec *r, size_t offset, const char *expected)
{
	size_t room = r->len > offset ? r->len - offset : 0, len = strnlen(expected, 8192), pad = 0;
	const char *text = (const char *)r->body + offset;

	if (room != sb_padded(expected) || memcmp(text, expected, len)) {
		c->wrong++;
		pv_message(c->t, "%s: name is '%.*s' in %zu bytes, not '%s' in %zu", c->what,
			   (int)strnlen(text, room < 200 ? room : 200), text, room, expected,
			   sb_padded(expected));
		return;
	}
	for (size_t i = len; i < room; i++)
		pad += text[i] != 0;
	sb_is(c, "bytes of the padding that are not 0", pad, 0);
}

bool sb_end(struct sb_check *c)
{
	char name[128];

	snprintf(name, sizeof(name), "%s: wrong fields", c->what);
	return pv_expect_eq(c->t, name, c->wrong, 0);
}
