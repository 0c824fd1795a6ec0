/* SPDX-License-Identifier: GPL-2.0-only */
/* Who comes first when there are more events than counters, and what becomes of the last. */
#include <poll.h>
#include <string.h>

#include "cases/lib/mux.h"
#include "cases/lib/sys.h"

PV_CASE(multiplex, pinned, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"a pinned event and software events are always on while all others share what counters are left")
{
	int nr = pv_mux_counters(t) + 3;
	const struct pv_event_desc *sw = pv_find_event(t, "sw", "task-clock");
	struct perf_event_attr attr = pv_attr(t, sw);
	struct pv_ev *ev[PV_MUX_EVENTS] = {NULL}, *pinned, *clock, *follower;
	uint64_t ns = pv_mux_length(t, 20), sum = 0, off = 0;
	struct pv_count p, c, f;
	pid_t child;

	pv_mux_interval(t, "1");
	child = pv_mux_spinner(t, &ns);
	for (int i = 0; i < nr; i++)
		ev[i] = pv_mux_open(t, child, -1, NULL, false, false);
	pinned = pv_mux_open(t, child, -1, NULL, true, false);
	attr.disabled = 0;
	clock = pv_open(t, &attr, child, -1, NULL, 0);
	follower = pv_open(t, &attr, child, -1, ev[0], 0);
	pv_mux_finish(t, child, ev, nr);
	p = pv_read(t, pinned);
	c = pv_read(t, clock);
	f = pv_read(t, follower);
	for (int i = 0; i < nr; i++) {
		struct pv_count e = pv_read(t, ev[i]);

		sum += e.running;
		off += !e.running;
	}
	pv_expect(t, "the pinned event was always on", p.running && p.running == p.enabled);
	pv_expect(t, "the software event was always on", c.running && c.running == c.enabled);
	/* Before 6.2 software events had a context of their own, with a clock of its own. */
	if (pv_deterministic(t))
		pv_expect(t, "all were enabled for the same time",
			  c.enabled <= p.enabled + PV_MS && p.enabled <= c.enabled + PV_MS);
	pv_expect_eq(t, "others that never had a turn", off, 0);
	pv_expect(t, "the others had the other counters",
		  sum == (pv_mux_counters(t) - 1) * p.enabled);
	pv_expect(t, "a software sibling is on with its leader",
		  f.running == pv_read(t, ev[0]).running && f.running < f.enabled);
	/* task-clock: the time it was on, by its own clock. */
	if (pv_deterministic(t))
		pv_expect(t, "… and counts then only",
			  f.value <= f.running + PV_MS && f.value + PV_MS >= f.running);
}

PV_CASE(multiplex, cpu_wide, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.each = "word[flexible,pinned]",
	.about =
		"CPU-wide events come before a task's own, which share the counters that are left; a pinned one of the task comes before both")
{
	bool pin = !strcmp(pv_word(t), "pinned");
	int wide = pin ? pv_mux_counters(t) : 2, nr = pin ? 1 : pv_mux_counters(t), late = 0;
	struct pv_ev *ev[PV_MUX_EVENTS] = {NULL}, *cpu[PV_MUX_EVENTS] = {NULL};
	uint64_t ns = pv_mux_length(t, 20), sum = 0, off = 0, enabled;
	struct pv_count before[PV_MUX_EVENTS];
	pid_t child;

	pv_mux_interval(t, "1");
	child = pv_mux_spinner(t, &ns);
	for (int i = 0; i < wide; i++)
		cpu[i] = pv_mux_open(t, -1, pv_cpu(t), NULL, false, false);
	for (int i = 0; i < nr; i++)
		ev[i] = pv_mux_open(t, child, -1, NULL, pin, false);
	for (int i = 0; i < wide; i++)
		before[i] = pv_read(t, cpu[i]);
	pv_mux_finish(t, child, ev, nr);
	enabled = pv_read(t, ev[0]).enabled;
	for (int i = 0; i < nr; i++) {
		struct pv_count c = pv_read(t, ev[i]);

		sum += c.running;
		off += !c.running;
	}
	for (int i = 0; i < wide; i++) {
		struct pv_count c = pv_read(t, cpu[i]);

		late += c.enabled - before[i].enabled != c.running - before[i].running;
	}
	pv_expect_eq(t, "events of the task that never had a turn", off, 0);
	if (pin) {
		pv_expect(t, "the pinned event was always on", sum == enabled && enabled);
		pv_expect_in(t, "CPU-wide events that had to wait", late, 1, wide);
		return;
	}
	pv_expect_eq(t, "CPU-wide events that had to wait", late, 0);
	pv_expect(t, "the task's events had the other counters",
		  enabled && sum == (pv_mux_counters(t) - wide) * enabled);
}

static void work_ms(uint64_t ms)
{
	uint64_t end = pv_sys_cputime() + ms * PV_MS;

	while (pv_sys_cputime() < end)
		;
}

/* Works until the event has been on for the whole of a while. */
static bool settles(struct pv_test *t, struct pv_ev **ev, int nr, int skip)
{
	for (int round = 0; round < 200; round++) {
		struct pv_count a[PV_MUX_EVENTS], b;
		int steady = 0;

		for (int i = 0; i < nr; i++)
			a[i] = pv_read(t, ev[i]);
		work_ms(3);
		for (int i = 0; i < nr; i++) {
			b = pv_read(t, ev[i]);
			steady += i != skip && b.running > a[i].running &&
				  b.enabled - a[i].enabled == b.running - a[i].running;
		}
		if (steady == nr - 1)
			return true;
	}
	return false;
}

PV_CASE(multiplex, gives_way, .pmu = "pmuv3", .each = "word[disable,close]", .needs = "root",
	.proof = "kernel",
	.about = "when one of the events too many is gone the others are on all the time")
{
	int nr = pv_mux_counters(t) + 1, gone = 2;
	struct pv_ev *ev[PV_MUX_EVENTS] = {NULL};
	struct pv_count c;

	pv_mux_interval(t, "1");
	for (int i = 0; i < nr; i++)
		ev[i] = pv_mux_open(t, 0, -1, NULL, false, false);
	work_ms(2);
	if (!strcmp(pv_word(t), "disable")) {
		pv_disable(t, ev[gone]);
		pv_expect(t, "the others are always on", settles(t, ev, nr, gone));
		c = pv_read(t, ev[gone]);
		work_ms(1);
		pv_expect(t, "the one that is off stands",
			  pv_read(t, ev[gone]).enabled == c.enabled);
		return;
	}
	pv_close(t, ev[gone]);
	ev[gone] = ev[nr - 1];
	pv_expect(t, "the others are always on",
		  settles(t, ev, nr - 1, -1) || settles(t, ev, nr, nr - 1));
}

PV_CASE(multiplex, error, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"a pinned event that finds no counter is in error: it reads nothing, and counts after an enable when there is room")
{
	int nr = pv_mux_counters(t);
	struct pv_ev *ev[PV_MUX_EVENTS] = {NULL}, *late;
	uint64_t buf[8];
	struct pv_count c;

	for (int i = 0; i < nr; i++)
		ev[i] = pv_mux_open(t, 0, -1, NULL, true, false);
	late = pv_mux_open(t, 0, -1, NULL, true, false);
	work_ms(1);
	pv_expect_eq(t, "bytes read of the one too many", pv_sys_read(pv_fd(late), buf, 64), 0);
	pv_expect_errno(t, "poll says so", pv_poll(late, 0) & (POLLHUP | POLLERR) ? 0 : -EAGAIN, 0);
	for (int i = 0; i < nr; i++) {
		c = pv_read(t, ev[i]);
		if (c.running != c.enabled || !c.running)
			pv_fail(t, "pinned event %d is not on", i);
	}
	/* An enable without room ends in error again. */
	pv_expect_errno(t, "enable without room", pv_ioctl(late, PERF_EVENT_IOC_ENABLE, 0), 0);
	pv_expect_eq(t, "bytes read then", pv_sys_read(pv_fd(late), buf, 64), 0);
	pv_close(t, ev[1]);
	pv_expect_eq(t, "bytes read with room but no enable", pv_sys_read(pv_fd(late), buf, 64), 0);
	pv_expect_errno(t, "enable with room", pv_ioctl(late, PERF_EVENT_IOC_ENABLE, 0), 0);
	work_ms(1);
	pv_disable(t, late);
	c = pv_read(t, late);
	pv_expect_in(t, "count", c.value, 1, UINT64_MAX / 2);
	pv_expect(t, "it was always on since", c.running && c.running <= c.enabled);
	pv_note(t, "events", nr);
}
