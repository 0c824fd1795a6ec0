/* SPDX-License-Identifier: GPL-2.0-only */
/* What the kernel's driver does to the debug store's registers, by the access log of the PMU model.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "cases/lib/aux.h"
#include "cases/lib/pmulog.h"
#include "cases/lib/sys.h"

#define MSR_DEBUGCTL    0x1d9
#define MSR_PEBS_ENABLE 0x3f1
#define MSR_DS_AREA     0x600
#define DEBUGCTL_BTS    0x7c0 /* TR, BTS, BTINT, BTS_OFF_OS, BTS_OFF_USR */

/* An event stays as long as its ring is mapped. */
static void let_go(struct pv_test *t, struct pv_ev *ev, unsigned int data_pages)
{
	pv_sys_munmap(pv_ring_page(ev), (1 + data_pages) * sysconf(_SC_PAGESIZE));
	pv_close(t, ev);
}

static void use_pebs(struct pv_test *t)
{
	struct perf_event_attr attr =
		pv_attr(t, pv_find_event(t, "intel-core", "br_inst_retired.all_branches"));
	struct pv_ev *ev;

	attr.exclude_kernel = 1;
	attr.sample_period = 131;
	attr.precise_ip = 2;
	attr.sample_type = PERF_SAMPLE_IP;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 16);
	for (int i = 0; i < 3; i++) {
		pv_enable(t, ev);
		pv_aux_work(1000);
		pv_disable(t, ev);
	}
	pv_expect_in(t, "samples", pv_ring_samples(t, ev), 3000 / 131 - 1, UINT32_MAX);
	let_go(t, ev, 16);
}

static void use_bts(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "intel-bts", "branches"));
	struct pv_ev *ev;
	struct pv_aux aux;

	attr.exclude_kernel = 1;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	aux = pv_aux_map(t, ev, 16, false);
	for (int i = 0; i < 3; i++) {
		pv_enable(t, ev);
		pv_aux_work(1000);
		pv_disable(t, ev);
		pv_aux_consume(&aux);
	}
	pv_expect_in(t, "bytes", aux.tail, 3 * 999 * 24, UINT32_MAX);
	pv_sys_munmap((void *)aux.base, aux.size);
	let_go(t, ev, PV_AUX_DATA);
}

PV_CASE(driver, debug_store, .pmu = "intel-core", .each = "word[pebs,bts]", .needs = "root",
	.proof = "kernel",
	.about =
		"PEBS and branch trace store are on only while DS_AREA says where to, are off when the event is, and the area goes with the last event")
{
	bool bts = !strcmp(pv_word(t), "bts");
	uint64_t area = 0, on = 0, went_on = 0, nowhere = 0, refused = 0, areas = 0;
	struct pv_access a;

	pv_log_start(t);
	if (bts)
		use_bts(t);
	else
		use_pebs(t);
	pv_log_stop(t);
	while (pv_log_next(t, &a)) {
		refused += a.refused;
		if (a.what != 'w')
			continue;
		if (a.msr == MSR_DS_AREA) {
			area = a.value;
			areas += !!area;
			nowhere += on && !area;
		} else if (a.msr == (bts ? MSR_DEBUGCTL : MSR_PEBS_ENABLE)) {
			on = bts ? a.value & DEBUGCTL_BTS : a.value;
			went_on += !!on;
			nowhere += on && !area;
		}
	}
	pv_expect_in(t, "times that an area was set", areas, 1, UINT32_MAX);
	pv_expect_in(t, "times that it went on", went_on, 3, UINT32_MAX);
	pv_expect_eq(t, "on without an area", nowhere, 0);
	pv_expect_eq(t, "on in the end", on, 0);
	pv_expect_eq(t, "the area in the end", area, 0);
	pv_expect_eq(t, "refused accesses", refused, 0);
}
