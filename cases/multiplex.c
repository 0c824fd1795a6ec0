/* SPDX-License-Identifier: GPL-2.0-only */
/* More events than counters: each gets its turn, no counter idles, times and counts fit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases/lib/mux.h"
#include "cases/lib/sys.h"

#define TURNS 40

PV_CASE(multiplex, fair, .pmu = "pmuv3", .each = "n[1,7]", .needs = "root", .proof = "kernel",
	.about =
		"of more events than counters each gets its turn, all counters are always taken, and a count is that of its time running")
{
	int nr = pv_mux_counters(t) + pv_n(t), off = 0;
	uint64_t ns = pv_mux_length(t, 30), enabled, sum = 0, unequal = 0, least = UINT64_MAX,
		 most = 0;
	uint64_t beyond = 0, stray = 0;
	struct pv_ev *ev[PV_MUX_EVENTS] = {NULL};
	pid_t child;

	pv_mux_interval(t, "1");
	child = pv_mux_spinner(t, &ns);
	for (int i = 0; i < nr; i++)
		ev[i] = pv_mux_open(t, child, -1, NULL, false, false);
	pv_mux_finish(t, child, ev, nr);
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
	pv_expect_in(t, "time enabled in ms", enabled / PV_MS, pv_deterministic(t) ? 30 : 1,
		     100000);
	pv_expect_eq(t, "events enabled for another time", unequal, 0);
	pv_expect_eq(t, "events running longer than enabled", beyond, 0);
	pv_expect_eq(t, "events that never had a turn", off, 0);
	if (!pv_expect(t, "the counters were taken all the time",
		       sum == pv_mux_counters(t) * enabled))
		pv_message(t, "%llu of %d times %llu ns", (unsigned long long)sum,
			   pv_mux_counters(t), (unsigned long long)enabled);
	if (!pv_deterministic(t))
		return;
	/* Each interval takes the next one in, in turn: over a whole round all are alike. */
	if (!pv_expect(t, "turns within a round of each other", most - least <= nr * PV_MS))
		pv_message(t, "%llu to %llu ns", (unsigned long long)least,
			   (unsigned long long)most);
	pv_expect_eq(t, "events whose cycles are not their time running", stray, 0);
}

PV_CASE(multiplex, interval, .pmu = "pmuv3", .each = "n[1,16]", .needs = "root", .proof = "kernel",
	.about =
		"perf_event_mux_interval_ms is what it was set to, and events take turns at that rate")
{
	uint64_t ms = pv_n(t), ns = pv_mux_length(t, 32), enabled, turns, most;
	int nr = pv_mux_counters(t) + TURNS, bad = 0, off = 0;
	static const char *const refused[] = {"0", "-1", "x"};
	struct pv_ev *ev[PV_MUX_EVENTS] = {NULL};
	char path[128], text[32];
	pid_t child;

	snprintf(text, sizeof(text), "%llu", (unsigned long long)ms);
	pv_mux_interval(t, text);
	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/perf_event_mux_interval_ms",
		 pv_pmu(t)->sysfs);
	for (int i = 0; i < 3; i++)
		bad += pv_sys_file_write(path, refused[i]) != -EINVAL;
	pv_expect_eq(t, "wrong values that were not EINVAL", bad, 0);
	pv_file_read(path, text, sizeof(text));
	pv_expect_eq(t, "interval as read", atoi(text), ms);

	child = pv_mux_spinner(t, &ns);
	for (int i = 0; i < nr; i++)
		ev[i] = pv_mux_open(t, child, -1, NULL, false, false);
	pv_mux_finish(t, child, ev, pv_mux_counters(t) + 1);
	enabled = pv_read(t, ev[0]).enabled;
	for (int i = 0; i < nr; i++)
		off += !pv_read(t, ev[i]).running;
	/* Each turn takes one in that had none. The timer's first period may have begun before, and
	 * a period that ends while another task runs is no turn; the default of 4 ms is out of
	 * these bounds. */
	turns = TURNS - off;
	most = enabled / (ms * PV_MS);
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
	int size = exclusive ? 2 : pv_mux_counters(t) - 2, partial = 0, unequal = 0;
	struct pv_ev *ev[2 * PV_MUX_EVENTS] = {NULL}, *leader[2] = {NULL};
	uint64_t ns = pv_mux_length(t, 20);
	struct pv_count c[2];
	pid_t child;

	pv_mux_interval(t, "1");
	child = pv_mux_spinner(t, &ns);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < size; i++)
			ev[k * size + i] = pv_mux_open(t, child, -1, i ? ev[k * size] : NULL, false,
						       exclusive && !i && (k || both));
		leader[k] = ev[k * size];
	}
	pv_mux_finish(t, child, leader, 2);
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
