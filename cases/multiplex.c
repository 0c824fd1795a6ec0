/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * More events than counters: each gets its turn, no counter idles, times and counts fit. What is
 * watched is a child: it stands while its events are opened and has ended when they are read, so
 * all of them are enabled for the very same time and the sums hold to the nanosecond.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define MAX_EVENTS 80 /* PMCR_EL0.N is 31 at most */
#define TURNS      40
#define MS         1000000ull

static const struct pv_event_desc *cycles(struct pv_test *t)
{
	return pv_find_event(t, "pmuv3", "cpu_cycles");
}

/* Counters that cycles can have. */
static int counters(struct pv_test *t)
{
	return pv_pmu(t)->counters + pv_pmu(t)->fixed;
}

static void interval(struct pv_test *t, const char *ms)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/perf_event_mux_interval_ms",
		 pv_pmu(t)->sysfs);
	pv_knob(t, path, ms);
}

static void spin(struct pv_test *t, void *arg)
{
	uint64_t end = pv_sys_cputime() + *(uint64_t *)arg;

	(void)t;
	while (pv_sys_cputime() < end)
		;
}

static pid_t spinner(struct pv_test *t, uint64_t *ns)
{
	pid_t child = pv_fork_held(t, spin, ns);

	pv_wait_asleep(t, child);
	return child;
}

static struct pv_ev *open_for(struct pv_test *t, pid_t pid, int cpu, struct pv_ev *leader,
			      bool pinned, bool exclusive)
{
	struct perf_event_attr attr = pv_attr(t, cycles(t));

	attr.disabled = 0;
	attr.pinned = pinned;
	attr.exclusive = exclusive;
	return pv_open(t, &attr, pid, cpu, leader, 0);
}

/* Without icount the host may take the machine off its CPU: a child runs until it has had this many
 * turns of the rotation, as the test waits for its events one and all to have been on. */
static void finish(struct pv_test *t, pid_t child, struct pv_ev **ev, int nr)
{
	struct timespec ms = {0, 2000000};

	pv_go(t, child);
	for (int round = 0; round < 2000 && !pv_deterministic(t); round++) {
		int on = 0;

		for (int i = 0; i < nr; i++)
			on += pv_read(t, ev[i]).running > 0;
		if (on == nr)
			break;
		nanosleep(&ms, NULL);
	}
	if (pv_deterministic(t)) {
		pv_wait(t, child);
	} else {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
}

static uint64_t length(struct pv_test *t, uint64_t ms)
{
	return (pv_deterministic(t) ? ms : 8000) * MS;
}

PV_CASE(multiplex, fair, .pmu = "pmuv3", .each = "n[1,7]", .needs = "root", .proof = "kernel",
	.about =
		"of more events than counters each gets its turn, all counters are always taken, and a count is that of its time running")
{
	int nr = counters(t) + pv_n(t), off = 0;
	uint64_t ns = length(t, 30), enabled, sum = 0, unequal = 0, least = UINT64_MAX, most = 0;
	uint64_t beyond = 0, stray = 0;
	struct pv_ev *ev[MAX_EVENTS] = {NULL};
	pid_t child;

	interval(t, "1");
	child = spinner(t, &ns);
	for (int i = 0; i < nr; i++)
		ev[i] = open_for(t, child, -1, NULL, false, false);
	finish(t, child, ev, nr);
	enabled = pv_read(t, ev[0]).enabled;
	for (int i = 0; i < nr; i++) {
		struct pv_count c = pv_read(t, ev[i]);
		uint64_t apart = c.value > c.running ? c.value - c.running : c.running - c.value;

		unequal += c.enabled != enabled;
		beyond += c.running > c.enabled;
		off += !c.running || !c.value;
		sum += c.running;
		least = c.running < least ? c.running : least;
		most = c.running > most ? c.running : most;
		/* QEMU's cycles are nanoseconds; a turn starts and stops within some microseconds.
		 */
		stray += apart > enabled / 50;
	}
	pv_expect_in(t, "time enabled in ms", enabled / MS, pv_deterministic(t) ? 30 : 1, 100000);
	pv_expect_eq(t, "events enabled for another time", unequal, 0);
	pv_expect_eq(t, "events running longer than enabled", beyond, 0);
	pv_expect_eq(t, "events that never had a turn", off, 0);
	if (!pv_expect(t, "the counters were taken all the time", sum == counters(t) * enabled))
		pv_message(t, "%llu of %d times %llu ns", (unsigned long long)sum, counters(t),
			   (unsigned long long)enabled);
	if (!pv_deterministic(t))
		return;
	/* Each interval takes the next one in, in turn: over a whole round all are alike. */
	if (!pv_expect(t, "turns within a round of each other", most - least <= nr * MS))
		pv_message(t, "%llu to %llu ns", (unsigned long long)least,
			   (unsigned long long)most);
	pv_expect_eq(t, "events whose cycles are not their time running", stray, 0);
}

PV_CASE(multiplex, interval, .pmu = "pmuv3", .each = "n[1,16]", .needs = "root", .proof = "kernel",
	.about =
		"perf_event_mux_interval_ms is what it was set to, and events take turns at that rate")
{
	uint64_t ms = pv_n(t), ns = length(t, 32), enabled, turns, most;
	int nr = counters(t) + TURNS, bad = 0, off = 0;
	static const char *const refused[] = {"0", "-1", "x"};
	struct pv_ev *ev[MAX_EVENTS] = {NULL};
	char path[128], text[32];
	pid_t child;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)ms);
	interval(t, text);
	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/perf_event_mux_interval_ms",
		 pv_pmu(t)->sysfs);
	for (int i = 0; i < 3; i++)
		bad += pv_sys_file_write(path, refused[i]) != -EINVAL;
	pv_expect_eq(t, "wrong values that were not EINVAL", bad, 0);
	pv_file_read(path, text, sizeof(text));
	pv_expect_eq(t, "interval as read", atoi(text), ms);

	child = spinner(t, &ns);
	for (int i = 0; i < nr; i++)
		ev[i] = open_for(t, child, -1, NULL, false, false);
	finish(t, child, ev, counters(t) + 1);
	enabled = pv_read(t, ev[0]).enabled;
	for (int i = 0; i < nr; i++)
		off += !pv_read(t, ev[i]).running;
	/* Each turn takes one in that had none. The timer's first period may have begun before, and
	 * a period that ends while another task runs is no turn; the default of 4 ms is out of
	 * these bounds. */
	turns = TURNS - off;
	most = enabled / (ms * MS);
	if (most > TURNS)
		most = TURNS;
	if (!pv_expect(t, "hardly more turns than intervals", turns <= 2 * most + 1) ||
	    !pv_expect(t, "a turn in most intervals",
		       turns >= (pv_deterministic(t) ? most / 2 : 1)))
		pv_message(t, "%llu turns in %llu ns", (unsigned long long)turns,
			   (unsigned long long)enabled);
}

/* Two groups that do not fit together. */
PV_CASE(multiplex, groups, .pmu = "pmuv3", .each = "word[flexible,exclusive,exclusive-second]",
	.needs = "root", .proof = "kernel",
	.about =
		"a group is on with all of its members or not at all, and one of two that do not fit together is always on")
{
	bool exclusive = strcmp(pv_word(t), "flexible"), both = !strcmp(pv_word(t), "exclusive");
	int size = exclusive ? 2 : counters(t) - 2, partial = 0, unequal = 0;
	struct pv_ev *ev[2 * MAX_EVENTS] = {NULL}, *leader[2] = {NULL};
	uint64_t ns = length(t, 20);
	struct pv_count c[2];
	pid_t child;

	interval(t, "1");
	child = spinner(t, &ns);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < size; i++)
			ev[k * size + i] = open_for(t, child, -1, i ? ev[k * size] : NULL, false,
						    exclusive && !i && (k || both));
		leader[k] = ev[k * size];
	}
	finish(t, child, leader, 2);
	for (int k = 0; k < 2; k++) {
		c[k] = pv_read(t, leader[k]);
		for (int i = 1; i < size; i++) {
			struct pv_count m = pv_read(t, ev[k * size + i]);

			partial += m.running != c[k].running || m.enabled != c[k].enabled;
			/* Both from one start to one stop; each register write costs. */
			unequal += pv_deterministic(t) &&
				   (m.value > c[k].value ? m.value - c[k].value
							 : c[k].value - m.value) > c[k].value / 20;
		}
	}
	pv_expect_eq(t, "members with other times than their leader", partial, 0);
	pv_expect_eq(t, "members with other counts than their leader", unequal, 0);
	pv_expect(t, "both had turns", c[0].running && c[1].running);
	if (!pv_expect(t, "one was always on, never both",
		       c[0].running + c[1].running == c[0].enabled && c[0].enabled == c[1].enabled))
		pv_message(t, "%llu and %llu of %llu ns", (unsigned long long)c[0].running,
			   (unsigned long long)c[1].running, (unsigned long long)c[0].enabled);
}

PV_CASE(multiplex, pinned, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.about =
		"a pinned event and software events are always on while all others share what counters are left")
{
	int nr = counters(t) + 3;
	const struct pv_event_desc *sw = pv_find_event(t, "sw", "task-clock");
	struct perf_event_attr attr = pv_attr(t, sw);
	struct pv_ev *ev[MAX_EVENTS] = {NULL}, *pinned, *clock, *follower;
	uint64_t ns = length(t, 20), sum = 0, off = 0;
	struct pv_count p, c, f;
	pid_t child;

	interval(t, "1");
	child = spinner(t, &ns);
	for (int i = 0; i < nr; i++)
		ev[i] = open_for(t, child, -1, NULL, false, false);
	pinned = open_for(t, child, -1, NULL, true, false);
	attr.disabled = 0;
	clock = pv_open(t, &attr, child, -1, NULL, 0);
	follower = pv_open(t, &attr, child, -1, ev[0], 0);
	finish(t, child, ev, nr);
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
			  c.enabled <= p.enabled + MS && p.enabled <= c.enabled + MS);
	pv_expect_eq(t, "others that never had a turn", off, 0);
	pv_expect(t, "the others had the other counters", sum == (counters(t) - 1) * p.enabled);
	pv_expect(t, "a software sibling is on with its leader",
		  f.running == pv_read(t, ev[0]).running && f.running < f.enabled);
	/* task-clock: the time it was on, by its own clock. */
	if (pv_deterministic(t))
		pv_expect(t, "… and counts then only",
			  f.value <= f.running + MS && f.value + MS >= f.running);
}

PV_CASE(multiplex, cpu_wide, .pmu = "pmuv3", .needs = "root", .proof = "kernel",
	.each = "word[flexible,pinned]",
	.about =
		"CPU-wide events come before a task's own, which share the counters that are left; a pinned one of the task comes before both")
{
	bool pin = !strcmp(pv_word(t), "pinned");
	int wide = pin ? counters(t) : 2, nr = pin ? 1 : counters(t), late = 0;
	struct pv_ev *ev[MAX_EVENTS] = {NULL}, *cpu[MAX_EVENTS] = {NULL};
	uint64_t ns = length(t, 20), sum = 0, off = 0, enabled;
	struct pv_count before[MAX_EVENTS];
	pid_t child;

	interval(t, "1");
	child = spinner(t, &ns);
	for (int i = 0; i < wide; i++)
		cpu[i] = open_for(t, -1, pv_cpu(t), NULL, false, false);
	for (int i = 0; i < nr; i++)
		ev[i] = open_for(t, child, -1, NULL, pin, false);
	for (int i = 0; i < wide; i++)
		before[i] = pv_read(t, cpu[i]);
	finish(t, child, ev, nr);
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
		  enabled && sum == (counters(t) - wide) * enabled);
}

static void work_ms(uint64_t ms)
{
	uint64_t end = pv_sys_cputime() + ms * MS;

	while (pv_sys_cputime() < end)
		;
}

/* Works until the event has been on for the whole of a while. */
static bool settles(struct pv_test *t, struct pv_ev **ev, int nr, int skip)
{
	for (int round = 0; round < 200; round++) {
		struct pv_count a[MAX_EVENTS], b;
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
	int nr = counters(t) + 1, gone = 2;
	struct pv_ev *ev[MAX_EVENTS] = {NULL};
	struct pv_count c;

	interval(t, "1");
	for (int i = 0; i < nr; i++)
		ev[i] = open_for(t, 0, -1, NULL, false, false);
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
	int nr = counters(t);
	struct pv_ev *ev[MAX_EVENTS] = {NULL}, *late;
	uint64_t buf[8];
	struct pv_count c;

	for (int i = 0; i < nr; i++)
		ev[i] = open_for(t, 0, -1, NULL, true, false);
	late = open_for(t, 0, -1, NULL, true, false);
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
