/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel probes: how a place is named, what is refused, what a sample says, what stays behind. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

static struct perf_event_attr probe(struct pv_test *t, bool ret)
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));

	attr.config = ret; /* bit 0, by the PMU's format */
	return attr;
}

static void calls(int n)
{
	while (n--)
		syscall(SYS_getppid);
}

PV_CASE(kprobe, named, .pmu = "kprobe", .each = "event[exact]", .needs = "root", .proof = "kernel",
	.about = "by name and by address it is the same function, and each sample says which")
{
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	uint64_t addr = pv_kfunc_address(t, pv_event(t)), samples, wrong;
	static struct pv_record rec;
	struct pv_ev *ev[2];

	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_RAW | PERF_SAMPLE_TID;
	ev[0] = pv_open(t, &attr, 0, -1, NULL, 0);
	attr.kprobe_func = 0;
	attr.kprobe_addr = addr;
	ev[1] = pv_open(t, &attr, 0, -1, NULL, 0);
	for (int i = 0; i < 2; i++) {
		pv_ring_map(t, ev[i], 4);
		pv_enable(t, ev[i]);
	}
	calls(17);
	pv_disable(t, ev[0]);
	calls(4);
	pv_disable(t, ev[1]);
	pv_expect_eq(t, "count by name", pv_value(t, ev[0]), 17);
	pv_expect_eq(t, "count by address", pv_value(t, ev[1]), 21);
	for (int i = 0; i < 2; i++) {
		for (samples = wrong = 0; pv_ring_next(t, ev[i], &rec); samples++) {
			struct {
				uint32_t pid, tid, size;
				uint16_t type;
				uint8_t flags, preempt;
				int32_t common_pid;
				uint64_t ip; /* of the return: the function, then where to */
			} __attribute__((packed)) s;

			memcpy(&s, rec.body, sizeof(s));
			/* a return has two addresses: 16 bytes behind the common 8 */
			wrong += s.size != (attr.config & 1 ? 28 : 20);
			wrong += s.ip != addr || s.tid != (uint32_t)gettid() ||
				 s.common_pid != gettid();
		}
		pv_expect_eq(t, "samples", samples, i ? 21 : 17);
		pv_expect_eq(t, "samples of another place, thread or size", wrong, 0);
	}
}

PV_CASE(kprobe, shared, .pmu = "kprobe", .each = "event[entry]", .needs = "root", .proof = "kernel",
	.about =
		"several probes on one function count each for itself, whichever is disabled or closed first")
{
	struct perf_event_attr entry = probe(t, false), ret = probe(t, true);
	uint64_t last[4] = {0};
	struct pv_ev *ev[4];

	for (int i = 0; i < 4; i++) {
		ev[i] = pv_open(t, i & 1 ? &ret : &entry, 0, -1, NULL, 0);
		pv_enable(t, ev[i]);
	}
	calls(5);
	for (int i = 0; i < 4; i++)
		pv_expect_eq(t, "count of each", pv_grown(t, ev[i], &last[i]), 5);
	pv_disable(t, ev[0]);
	pv_disable(t, ev[3]);
	calls(6);
	for (int i = 0; i < 4; i++)
		pv_expect_eq(t, "count with two disabled", pv_grown(t, ev[i], &last[i]),
			     i == 1 || i == 2 ? 6 : 0);
	pv_enable(t, ev[3]);
	pv_close(t, ev[0]);
	pv_close(t, ev[1]);
	calls(7);
	for (int i = 2; i < 4; i++)
		pv_expect_eq(t, "count with two closed", pv_grown(t, ev[i], &last[i]), 7);
}

PV_CASE(kprobe, refused, .pmu = "kprobe", .each = "event[entry]", .needs = "root",
	.proof = "kernel",
	.about = "a place that is none is refused with its errno, and leaves nothing behind")
{
	struct perf_event_attr good = probe(t, false), bad;
	uint64_t addr = pv_kfunc_address(t, pv_event(t));
	static char name[1024];
	struct pv_ev *ev;

	bad = good;
	bad.kprobe_func = (uintptr_t) "pv_no_such_function";
	pv_expect_errno(t, "no such function", pv_outcome(t, &bad, 0, -1, -1, 0), -ENOENT);
	bad.kprobe_func = 8;
	pv_expect_errno(t, "an unreadable name", pv_outcome(t, &bad, 0, -1, -1, 0), -EFAULT);
	memset(name, 'x', sizeof(name) - 1);
	bad.kprobe_func = (uintptr_t)name;
	pv_expect_errno(t, "a name longer than any", pv_outcome(t, &bad, 0, -1, -1, 0), -E2BIG);
	bad.kprobe_func = (uintptr_t)PV_ISA_NO_KPROBE;
	pv_expect_errno(t, "a function on the black list", pv_outcome(t, &bad, 0, -1, -1, 0),
			-EINVAL);
	bad.kprobe_func = 0;
	bad.kprobe_addr = 4096;
	pv_expect(t, "a user address is refused", pv_outcome(t, &bad, 0, -1, -1, 0) < 0);
	bad = probe(t, true);
	bad.probe_offset = 12;
	pv_expect_errno(t, "a return from the middle", pv_outcome(t, &bad, 0, -1, -1, 0), -EINVAL);
	bad = good;
	bad.branch_sample_type = PERF_SAMPLE_BRANCH_ANY;
	bad.sample_type = PERF_SAMPLE_BRANCH_STACK;
	pv_expect_errno(t, "with a branch stack", pv_outcome(t, &bad, 0, -1, -1, 0), -EOPNOTSUPP);
	good.kprobe_func = 0;
	good.kprobe_addr = addr;
	ev = pv_open(t, &good, 0, -1, NULL, 0);
	pv_enable(t, ev);
	calls(3);
	pv_expect_eq(t, "count of a good one afterwards", pv_value(t, ev), 3);
	/* An empty name is none. */
	good.kprobe_func = (uintptr_t) "";
	ev = pv_open(t, &good, 0, -1, NULL, 0);
	pv_enable(t, ev);
	calls(4);
	pv_expect_eq(t, "count of one by address with an empty name", pv_value(t, ev), 4);
}

/* A debugfs of this process's own, where nobody has mounted one. */
static void need_debugfs(struct pv_test *t)
{
	if (!access("/sys/kernel/debug/kprobes", F_OK))
		return;
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL) ||
	    access("/sys/kernel/debug/kprobes", F_OK))
		pv_skip(t, PV_ABSENT,
			"no /sys/kernel/debug/kprobes: mount -t debugfs debugfs /sys/kernel/debug");
}

/* By its address: the list may know the function by another name. */
static bool listed(struct pv_test *t, uint64_t addr)
{
	static char text[65536];
	char line[32];
	int n = pv_file_read("/sys/kernel/debug/kprobes/list", text, sizeof(text));

	if (n < 0)
		pv_error(t, PV_BROKEN_SETUP, "kprobes/list: %s", strerrorname_np(-n));
	snprintf(line, sizeof(line), "%016llx  ", (unsigned long long)addr);
	return strstr(text, line);
}

PV_CASE(kprobe, listed, .pmu = "kprobe", .each = "event[exact]", .needs = "root", .proof = "kernel",
	.about = "a probe is in the kernel's list while one event has it open")
{
	uint64_t addr = pv_kfunc_address(t, pv_event(t));
	struct perf_event_attr attr = pv_attr(t, pv_event(t));
	struct pv_ev *ev[2];

	need_debugfs(t);
	pv_expect(t, "not listed before", !listed(t, addr));
	ev[0] = pv_open(t, &attr, 0, -1, NULL, 0);
	ev[1] = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect(t, "listed", listed(t, addr));
	pv_close(t, ev[0]);
	pv_expect(t, "listed while one is open", listed(t, addr));
	pv_close(t, ev[1]);
	pv_expect(t, "not listed afterwards", !listed(t, addr));
}
