/* SPDX-License-Identifier: GPL-2.0-only */
/* Does the steps of a sequence and compares every answer with the model's. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cases/lib/attr_rules.h"
#include "cases/lib/fuzz.h"
#include "cases/lib/sys.h"

#define NO_FD         (1 << 20)
#define FORMAT_LOST   (1ull << 4) /* 6.0 */
#define MAX_WATCHES   32
#define WAKEUP_EVENTS 1

struct run {
	struct pv_test *t;
	const struct fz_world *w;
	struct fz_result *result;
	struct fz_model m;
	int fd[FZ_SLOTS];
	void *map[FZ_SLOTS][FZ_MAPS];
	uint64_t last_id;
};

static void differ(struct run *r, const char *what, int64_t observed, int64_t expected)
{
	if (r->result->differs)
		return;
	snprintf(r->result->what, sizeof(r->result->what), "%s", what);
	r->result->observed = observed;
	r->result->expected = expected;
	r->result->differs = true;
}

static void compare(struct run *r, const char *what, int64_t observed, int64_t expected)
{
	if (observed != expected)
		differ(r, what, observed, expected);
}

/* ---- the world ---- */

static unsigned int count_watches(const struct perf_event_attr *watch)
{
	long fd[MAX_WATCHES];
	unsigned int n = 0;

	for (; n < MAX_WATCHES; n++) {
		struct perf_event_attr attr = *watch;

		fd[n] = pv_sys_perf_event_open(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (fd[n] < 0)
			break;
	}
	for (unsigned int i = 0; i < n; i++)
		pv_sys_close(fd[i]);
	return n;
}

/* Does a group read shrink when the leader goes? */
static bool has_stale_size(struct pv_test *t)
{
	struct perf_event_attr attr = pv_dummy;
	struct pv_ev *leader = pv_open(t, &attr, 0, -1, NULL, 0), *sibling;
	uint64_t buf[8];
	long len;

	attr.read_format = PERF_FORMAT_GROUP;
	sibling = pv_open(t, &attr, 0, -1, leader, 0);
	pv_close(t, leader);
	len = pv_sys_read(pv_fd(sibling), buf, sizeof(buf));
	pv_close(t, sibling);
	return len == 3 * 8 && pv_attr_size(t) < PERF_ATTR_SIZE_VER7 + 8;
}

/* Does an event that joins a running group of another PMU count at once? */
static bool has_late_sibling(struct pv_test *t, struct fz_world *w)
{
	struct perf_event_attr attr = pv_dummy;
	struct pv_ev *leader, *sibling;
	uint64_t count;

	attr.disabled = 0;
	leader = pv_open(t, &attr, 0, -1, NULL, 0);
	attr = w->attr[FZ_CALL];
	attr.disabled = 0;
	sibling = pv_open(t, &attr, 0, -1, leader, 0);
	pv_work_event(t, w->work[FZ_CALL], 1);
	count = pv_read(t, sibling).value;
	pv_close(t, sibling);
	pv_close(t, leader);
	return !count;
}

void fz_find_world(struct pv_test *t, struct fz_world *w)
{
	struct perf_event_attr probe = pv_dummy;

	w->work[FZ_DUMMY] = pv_find_event(t, "sw", "dummy");
	w->work[FZ_CALL] = pv_find_event(t, "tracepoint", "sys_enter_getppid");
	w->work[FZ_OTHER_CALL] = pv_find_event(t, "tracepoint", "sys_enter_getuid");
	w->work[FZ_WATCH] = pv_find_event(t, "breakpoint", "w4");
	for (int i = 0; i < FZ_NR_KINDS; i++)
		w->attr[i] = pv_attr(t, w->work[i]);
	w->watch_slots = count_watches(&w->attr[FZ_WATCH]);
	probe.read_format = FORMAT_LOST;
	w->lost_format = pv_outcome(t, &probe, 0, -1, -1, 0) ? 0 : FORMAT_LOST;
	pv_sys_work_prepare(PV_WORK_SLEEP);
	w->stale_size = has_stale_size(t);
	w->late_sibling = has_late_sibling(t, w);
}

struct perf_event_attr fz_attr(const struct fz_world *w, const struct fz_step *s)
{
	struct perf_event_attr a = s->rule ? pv_dummy : w->attr[s->kind];

	a.disabled = !!(s->flags & FZ_DISABLED);
	a.inherit = !!(s->flags & FZ_INHERIT);
	a.pinned = !!(s->flags & FZ_PINNED);
	a.exclusive = !!(s->flags & FZ_EXCLUSIVE);
	a.use_clockid = a.clockid = !!(s->flags & FZ_CLOCK);
	a.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING |
			PERF_FORMAT_ID | w->lost_format |
			(s->flags & FZ_FORMAT ? PERF_FORMAT_GROUP : 0);
	if (s->n && !a.inherit && (s->kind == FZ_CALL || s->kind == FZ_OTHER_CALL)) {
		a.sample_period = s->n;
		a.sample_type = PERF_SAMPLE_IDENTIFIER;
		a.wakeup_events = WAKEUP_EVENTS;
	}
	/* A place for each slot: two at one are one hit under QEMU. */
	if (s->kind == FZ_WATCH && !s->rule)
		a.bp_addr += FZ_WATCH_BYTES * s->slot;
	if (s->rule)
		pv_rules[s->rule - 1].set(&a);
	return a;
}

/* ---- steps ---- */

static long open_event(struct run *r, const struct fz_step *s)
{
	struct perf_event_attr a = fz_attr(r->w, s);
	int group = s->other == FZ_NONE ? -1 : r->m.ev[s->other].open ? r->fd[s->other] : NO_FD;
	unsigned long flags = (s->flags & FZ_NO_GROUP ? PERF_FLAG_FD_NO_GROUP : 0) |
			      (s->flags & FZ_FD_OUTPUT ? PERF_FLAG_FD_OUTPUT : 0);
	uint64_t id = 0;
	long fd = pv_try_open(r->t, &a, 0, -1, group, flags);

	if (fd < 0 || s->rule) {
		if (fd >= 0)
			pv_sys_close(fd);
		return fd < 0 ? fd : 0;
	}
	r->fd[s->slot] = fd;
	compare(r, "ioctl ID", pv_sys_ioctl(fd, PERF_EVENT_IOC_ID, (unsigned long)&id), 0);
	if (id <= r->last_id)
		differ(r, "id that is not new", id, r->last_id + 1);
	r->last_id = id;
	return 0;
}

static void check_value(struct run *r, int slot, const uint64_t *entry)
{
	const struct fz_ev *e = &r->m.ev[slot];

	compare(r, "count", entry[0], e->count + e->child);
	compare(r, "id", entry[1], e->id);
	if (r->m.lost_format && !e->lost_unknown)
		compare(r, "lost", entry[2], e->lost);
}

/* Times move while the event runs, and only then. */
static void check_times(struct run *r, int slot, uint64_t enabled, uint64_t running)
{
	struct fz_ev *e = &r->m.ev[slot];

	if (running > enabled)
		differ(r, "time running above enabled", running, enabled);
	if (e->seen && enabled < e->enabled)
		differ(r, "time going back", enabled, e->enabled);
	if (e->seen && !e->moved)
		compare(r, "time of an event that is off", enabled, e->enabled);
	if (e->seen && fz_effective(&r->m, slot) && enabled == e->enabled)
		differ(r, "time that stands", enabled, e->enabled + 1);
	e->enabled = enabled;
	e->seen = true;
	e->moved = fz_effective(&r->m, slot);
}

static long read_event(struct run *r, const struct fz_step *s, bool check)
{
	uint64_t buf[3 + 3 * FZ_SLOTS + 8];
	unsigned int size = fz_read_size(&r->m, s->slot), entry = 2 + !!r->m.lost_format, n;
	bool open = r->m.ev[s->slot].open, is_short = s->flags & FZ_SHORT;
	int members[FZ_SLOTS];
	long len = pv_sys_read(open ? r->fd[s->slot] : -1, buf,
			       open && is_short ? size - 1 : sizeof(buf));

	if (!check || len != (long)size)
		return len;
	if (!r->m.ev[s->slot].format) {
		uint64_t words[3] = {buf[0], buf[3], buf[4]};

		check_times(r, s->slot, buf[1], buf[2]);
		check_value(r, s->slot, words);
		return len;
	}
	n = fz_members(&r->m, s->slot, members);
	compare(r, "members", buf[0], n);
	check_times(r, members[0], buf[1], buf[2]);
	for (unsigned int i = 0; i < n && buf[0] == n; i++)
		check_value(r, members[i], buf + 3 + i * entry);
	return len;
}

static long map_event(struct run *r, const struct fz_step *s, bool open, int maps)
{
	long page = sysconf(_SC_PAGESIZE);
	void *p = pv_sys_mmap(NULL, (1 + s->n) * page, PROT_READ | PROT_WRITE, MAP_SHARED,
			      open ? r->fd[s->slot] : -1, 0);

	if (pv_is_err(p))
		return (intptr_t)p;
	if (maps < FZ_MAPS)
		r->map[s->slot][maps] = p;
	return 0;
}

static long unmap_one(struct run *r, int slot, int index, uint64_t size)
{
	return pv_sys_munmap(r->map[slot][index], sysconf(_SC_PAGESIZE) + size);
}

/* All records: the header is 8 bytes, sizes are the model's. */
static void drain(struct run *r, int slot)
{
	struct perf_event_mmap_page *up = r->map[slot][0];
	const uint8_t *data = (const uint8_t *)up + sysconf(_SC_PAGESIZE);
	struct fz_ring *rb = &r->m.ring[slot];
	uint64_t head = __atomic_load_n(&up->data_head, __ATOMIC_ACQUIRE), samples = 0, told = 0;

	compare(r, "data_head", head, rb->head);
	for (uint64_t at = rb->tail; at < head && head == rb->head;) {
		struct perf_event_header h;
		uint64_t lost;

		memcpy(&h, data + (at & (rb->size - 1)), sizeof(h));
		if (h.type == PERF_RECORD_LOST) {
			memcpy(&lost, data + ((at + 16) & (rb->size - 1)), sizeof(lost));
			told += lost;
		}
		samples += h.type == PERF_RECORD_SAMPLE;
		if (!h.size || h.size & 7) {
			differ(r, "record size", h.size, 16);
			return;
		}
		at += h.size;
	}
	compare(r, "samples in the ring", samples, rb->samples);
	compare(r, "lost samples told in the ring", told, rb->told);
	rb->samples = rb->told = 0;
	rb->tail = head;
	__atomic_store_n(&up->data_tail, head, __ATOMIC_RELEASE);
}

static void do_work(struct pv_test *t, const struct run *r, const struct fz_step *s)
{
	if (s->kind == FZ_WATCH)
		pv_store((char *)pv_watch_place() + FZ_WATCH_BYTES * s->slot, FZ_WATCH_BYTES, s->n);
	else
		pv_work_event(t, r->w->work[s->kind], s->n);
}

static void child_work(struct pv_test *t, void *arg)
{
	const void *const *a = arg;

	do_work(t, a[0], a[1]);
}

static long set_output(struct run *r, const struct fz_step *s, int fd)
{
	long to = s->other == FZ_NONE ? -1 : r->m.ev[s->other].open ? r->fd[s->other] : NO_FD;

	return pv_sys_ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, to);
}

static long call(struct run *r, const struct fz_step *s)
{
	int fd = r->m.ev[s->slot].open ? r->fd[s->slot] : -1;
	uint64_t period = s->n | (s->flags & FZ_TOP ? 1ull << 63 : 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	const void *arg[] = {r, s};
	long n;

	switch (s->op) {
	case FZ_OPEN:
		return open_event(r, s);
	case FZ_ENABLE:
		return pv_sys_ioctl(fd, PERF_EVENT_IOC_ENABLE, s->flags & FZ_GROUP);
	case FZ_DISABLE:
		return pv_sys_ioctl(fd, PERF_EVENT_IOC_DISABLE, s->flags & FZ_GROUP);
	case FZ_RESET:
		return pv_sys_ioctl(fd, PERF_EVENT_IOC_RESET, s->flags & FZ_GROUP);
	case FZ_REFRESH:
		return pv_sys_ioctl(fd, PERF_EVENT_IOC_REFRESH, s->n);
	case FZ_PERIOD:
		return pv_sys_ioctl(fd, PERF_EVENT_IOC_PERIOD, (unsigned long)&period);
	case FZ_OUTPUT:
		return set_output(r, s, fd);
	case FZ_PAUSE:
		return pv_sys_ioctl(fd, PERF_EVENT_IOC_PAUSE_OUTPUT, s->n);
	case FZ_POLL:
		n = pv_sys_poll(&p, 1, 0);
		return n < 0 ? n : p.revents;
	case FZ_WORK:
		do_work(r->t, r, s);
		return 0;
	case FZ_FORK:
		pv_wait(r->t, pv_fork(r->t, child_work, arg));
		return 0;
	case FZ_TASK:
		return pv_sys_task_events(s->n);
	}
	return 0;
}

static const char *const names[FZ_NR_OPS] = {
	"open",   "close", "ENABLE", "DISABLE", "RESET",      "REFRESH",
	"PERIOD", "read",  "mmap",   "munmap",  "SET_OUTPUT", "PAUSE_OUTPUT",
	"poll",   "drain", "work",   "fork",    "prctl"};

/* Started by this step, in a group that ran already and whose leader is another PMU's. */
static bool starts_late(const struct fz_model *before, const struct fz_model *now)
{
	for (int i = 0; i < FZ_SLOTS; i++) {
		int leader = now->ev[i].leader;

		if (fz_effective(now, i) && !fz_effective(before, i) &&
		    now->ev[i].kind != now->ev[leader].kind)
			return true;
	}
	return false;
}

static void step(struct run *r, const struct fz_step *s)
{
	struct fz_model before = r->m;
	struct fz_ev old = before.ev[s->slot];
	struct fz_due due = fz_predict(&r->m, s);
	uint64_t size = before.ring[s->slot].size;
	long got = 0;

	if (due.skip)
		return;
	if (s->op == FZ_MAP) {
		got = map_event(r, s, old.open, old.maps);
	} else if (s->op == FZ_UNMAP) {
		got = unmap_one(r, s->slot, old.maps - 1, size);
	} else if (s->op == FZ_READ) {
		got = read_event(r, s, true);
	} else if (s->op == FZ_DRAIN) {
		drain(r, s->slot);
	} else if (s->op == FZ_CLOSE) {
		while (old.maps--)
			unmap_one(r, s->slot, old.maps, size);
		got = pv_sys_close(old.open ? r->fd[s->slot] : -1);
	} else {
		/* What a slot is, as it was before the step. */
		struct fz_model behind = r->m;

		r->m = before;
		got = call(r, s);
		r->m = behind;
	}
	compare(r, names[s->op], got, due.ret);
	if (r->w->late_sibling && starts_late(&before, &r->m))
		pv_sys_work(PV_WORK_SLEEP, 1, NULL, 0);
	if (s->op == FZ_OPEN && !due.ret && !s->rule)
		r->m.ev[s->slot].id = r->last_id;
}

/* At the end every event is looked at, whatever the steps were. */
static void last_look(struct run *r)
{
	for (int i = 0; i < FZ_SLOTS && !r->result->differs; i++) {
		struct fz_step look = {.op = FZ_READ, .slot = i};

		if (!r->m.ev[i].open)
			continue;
		step(r, &look);
		look.op = FZ_DRAIN;
		step(r, &look);
	}
}

void fz_model_init(struct fz_model *m, const struct fz_world *w)
{
	*m = (struct fz_model){.watch_slots = w->watch_slots,
			       .lost_format = w->lost_format,
			       .stale_size = w->stale_size,
			       .page = sysconf(_SC_PAGESIZE)};
	for (int i = 0; i < FZ_SLOTS; i++) {
		m->ev[i].leader = i;
		m->ev[i].ring = -1;
	}
}

static void run(struct pv_test *t, const struct fz_world *w, const struct fz_step *steps,
		unsigned int n, struct fz_result *result)
{
	struct perf_event_attr keep = pv_dummy;
	static struct run r;

	r = (struct run){.t = t, .w = w, .result = result};
	fz_model_init(&r.m, w);
	/*
	 * An event that children do not inherit: without it parent and child may swap contexts when
	 * one runs behind the other (perf_event_context_sched_out()), and the event that the
	 * descriptor names ends with the child.
	 */
	if (pv_try_open(t, &keep, 0, -1, -1, 0) < 0)
		differ(&r, "open of a dummy", -1, 0);
	for (; result->step < n && !result->differs;) {
		step(&r, &steps[result->step]);
		result->step += !result->differs;
	}
	if (!result->differs)
		last_look(&r);
}

void fz_try(struct pv_test *t, const struct fz_world *w, const struct fz_step *steps,
	    unsigned int n, struct fz_result *result)
{
	struct fz_result *shared = pv_sys_mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
					       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	long pid;

	if (pv_is_err(shared))
		pv_error(t, PV_BROKEN_SETUP, "no shared page");
	pid = pv_sys_fork();
	if (pid < 0)
		pv_error(t, PV_BROKEN_SETUP, "fork: %s", strerrorname_np(-pid));
	if (!pid) {
		run(t, w, steps, n, shared);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) != pid)
		;
	*result = *shared;
	pv_sys_munmap(shared, sizeof(*shared));
	if (status && !result->differs) {
		result->differs = true;
		result->observed = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
		snprintf(result->what, sizeof(result->what), "end of the process");
	}
}
