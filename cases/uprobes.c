/* SPDX-License-Identifier: GPL-2.0-only */
/* User probes on code of our own, in a file that nobody else maps. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arch/isa.h"
#include "cases/lib/probes.h"
#include "cases/lib/sys.h"

#define DEEP 256

struct code {
	int fd;
	char path[64];
	long page;
	char *text, *data; /* mappings */
};

static void map_code(struct pv_test *t, struct code *c)
{
	c->text = mmap(NULL, c->page, PROT_READ | PROT_EXEC, MAP_PRIVATE, c->fd, 0);
	c->data = mmap(NULL, c->page, PROT_READ | PROT_WRITE, MAP_PRIVATE, c->fd, c->page);
	if (c->text == MAP_FAILED || c->data == MAP_FAILED)
		pv_error(t, PV_BROKEN_SETUP, "mmap of a memfd: %s", strerrorname_np(errno));
	__builtin___clear_cache(c->text, c->text + c->page);
}

static struct code make_code(struct pv_test *t)
{
	struct code c = {.page = sysconf(_SC_PAGESIZE)};

	c.fd = memfd_create("pmuvet-code", MFD_CLOEXEC);
	if (c.fd < 0 || ftruncate(c.fd, 2 * c.page) ||
	    pwrite(c.fd, pv_code_plus_one.insns, pv_code_plus_one.size, 0) < 0 ||
	    pwrite(c.fd, pv_code_deep.insns, pv_code_deep.size, DEEP) < 0)
		pv_error(t, PV_BROKEN_SETUP, "memfd: %s", strerrorname_np(errno));
	snprintf(c.path, sizeof(c.path), "/proc/%d/fd/%d", (int)getpid(), c.fd);
	return c;
}

static struct perf_event_attr probe(struct pv_test *t, const struct code *c, uint64_t offset,
				    bool ret)
{
	struct perf_event_attr attr =
		pv_attr(t, pv_find_event(t, "uprobe", ret ? "call-ret" : "call"));

	attr.uprobe_path = (uintptr_t)c->path;
	attr.probe_offset = offset;
	return attr;
}

static long plus_one(const struct code *c, long x)
{
	return ((long (*)(long))(uintptr_t)c->text)(x);
}

static void deep(const struct code *c, int n)
{
	((void (*)(int))(uintptr_t)(c->text + DEEP))(n);
}

static bool pristine(const struct code *c)
{
	return !memcmp(c->text, pv_code_plus_one.insns, pv_code_plus_one.size);
}

static bool file_pristine(const struct code *c)
{
	const ssize_t size = pv_code_plus_one.size;
	char buf[16];

	return pread(c->fd, buf, size, 0) == size && !memcmp(buf, pv_code_plus_one.insns, size);
}

PV_CASE(uprobe, code, .arch = "x86_64 arm64", .pmu = "uprobe",
	.each = "word[mapped-before,mapped-after]", .needs = "root", .proof = "kernel",
	.about =
		"probed instructions do what they did, each probe counts, and the code is the file's again when the last one is closed")
{
	struct code c = make_code(t);
	struct pv_ev *first, *second, *same, *ret;
	uint64_t wrong = 0, last = 0;
	struct perf_event_attr attr;

	if (!strcmp(pv_word(t), "mapped-before"))
		map_code(t, &c);
	attr = probe(t, &c, 0, false);
	first = pv_open(t, &attr, 0, -1, NULL, 0);
	same = pv_open(t, &attr, 0, -1, NULL, 0);
	attr = probe(t, &c, PV_CODE_SECOND, false);
	second = pv_open(t, &attr, 0, -1, NULL, 0);
	attr = probe(t, &c, 0, true);
	ret = pv_open(t, &attr, 0, -1, NULL, 0);
	if (!c.text)
		map_code(t, &c);
	pv_enable(t, first);
	pv_enable(t, second);
	pv_enable(t, ret);
	for (long i = 0; i < 30; i++)
		wrong += plus_one(&c, i * 0x1234567) != i * 0x1234567 + 1;
	pv_expect_eq(t, "wrong results", wrong, 0);
	pv_expect_eq(t, "count of the first instruction", pv_value(t, first), 30);
	pv_expect_eq(t, "count of the second", pv_value(t, second), 30);
	pv_expect_eq(t, "count of returns", pv_value(t, ret), 30);
	pv_expect_eq(t, "count of one that is disabled", pv_value(t, same), 0);
	pv_expect(t, "a breakpoint is in the code", !pristine(&c));
	pv_expect(t, "the file is as it was", file_pristine(&c));
	pv_close(t, first);
	pv_enable(t, same);
	for (long i = 0; i < 7; i++)
		wrong += plus_one(&c, i) != i + 1;
	pv_expect_eq(t, "count of another at the same place", pv_grown(t, same, &last), 7);
	pv_expect_eq(t, "count of the second", pv_value(t, second), 37);
	pv_close(t, same);
	pv_close(t, second);
	pv_close(t, ret);
	pv_expect(t, "the code is as it was", pristine(&c));
	pv_expect_eq(t, "result without probes", plus_one(&c, 41), 42);
	pv_expect_eq(t, "wrong results", wrong, 0);
}

PV_CASE(uprobe, semaphore, .arch = "x86_64 arm64", .pmu = "uprobe",
	.each = "word[mapped-before,mapped-after]", .needs = "root", .proof = "kernel",
	.about =
		"the reference counter is 1 as long as a probe is there, however many events, and 0 when it is gone")
{
	struct code c = make_code(t);
	struct perf_event_attr attr = probe(t, &c, 0, false), other;
	bool before = !strcmp(pv_word(t), "mapped-before");
	volatile uint16_t *counter;
	struct pv_ev *ev[2];

	if (before)
		map_code(t, &c);
	attr.config |= (uint64_t)(c.page + 6) << 32;
	other = attr;
	other.config += 2ull << 32;
	if (before)
		pv_expect_eq(t, "before", *(volatile uint16_t *)(c.data + 6), 0);
	ev[0] = pv_open(t, &attr, 0, -1, NULL, 0);
	if (!before)
		map_code(t, &c);
	counter = (uint16_t *)(c.data + 6);
	pv_expect_eq(t, "with a probe", *counter, 1);
	ev[1] = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect_eq(t, "with two events on it", *counter, 1);
	pv_expect_errno(t, "another counter at the same place", pv_outcome(t, &other, 0, -1, -1, 0),
			-EINVAL);
	pv_enable(t, ev[1]);
	pv_expect_eq(t, "result", plus_one(&c, 1), 2);
	pv_expect_eq(t, "count", pv_value(t, ev[1]), 1);
	pv_close(t, ev[0]);
	pv_expect_eq(t, "with one closed", *counter, 1);
	pv_close(t, ev[1]);
	pv_expect_eq(t, "afterwards", *counter, 0);
	pv_expect_eq(t, "the words beside it", counter[-1] | counter[1], 0);
}

/* Two copies of one file in one process, as dlmopen(3) makes. */
PV_CASE(uprobe, semaphore_twice, .arch = "x86_64 arm64", .pmu = "uprobe", .needs = "root",
	.proof = "kernel",
	.about =
		"a file that is mapped twice has its counter set in both mappings while a probe is there, in none afterwards")
{
	struct code first = make_code(t), second = first;
	struct perf_event_attr attr = probe(t, &first, 0, false);
	volatile uint16_t *counter[2];
	struct pv_ev *ev;

	map_code(t, &first);
	map_code(t, &second);
	counter[0] = (uint16_t *)(first.data + 6);
	counter[1] = (uint16_t *)(second.data + 6);
	attr.config |= (uint64_t)(first.page + 6) << 32;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_expect(t, "counter of the first with a probe", *counter[0]);
	pv_expect(t, "counter of the second with a probe", *counter[1]);
	pv_enable(t, ev);
	pv_expect_eq(t, "result of the first", plus_one(&first, 1), 2);
	pv_expect_eq(t, "result of the second", plus_one(&second, 1), 2);
	pv_expect_eq(t, "count of both", pv_value(t, ev), 2);
	pv_close(t, ev);
	pv_expect_eq(t, "counter of the first afterwards", *counter[0], 0);
	pv_expect_eq(t, "counter of the second afterwards", *counter[1], 0);
	pv_expect(t, "the code is as it was", pristine(&first) && pristine(&second));
}

/*
 * Each task keeps its own events here: at a swap of equal contexts an event would look for the mm
 * of the task that it was opened for (uprobe_perf_filter()) and miss the hits of the other.
 */
PV_CASE(uprobe, inherited, .arch = "x86_64 arm64", .pmu = "uprobe", .each = "word[entry,return]",
	.needs = "root", .proof = "kernel",
	.about = "children inherit a probe, threads too, and what they do is counted once")
{
	bool ret = !strcmp(pv_word(t), "return");
	struct perf_event_attr attr =
		pv_attr(t, pv_find_event(t, "uprobe", ret ? "call-ret" : "call"));
	struct pv_actor *parent = pv_actor(t), *child[2], *thread;
	struct pv_ev *ev;

	attr.inherit = 1;
	attr.disabled = 0;
	pv_tell_apart(t, parent->tid);
	ev = pv_open(t, &attr, parent->tid, -1, NULL, 0);
	child[0] = pv_actor_fork(t, parent);
	child[1] = pv_actor_fork(t, parent);
	thread = pv_actor_thread(t, parent);
	pv_act(t, parent, PV_ACT_TARGET, 3);
	pv_act(t, child[0], PV_ACT_TARGET, 5);
	pv_act(t, child[1], PV_ACT_TARGET, 7);
	pv_expect_eq(t, "count while they live", pv_value(t, ev), 3 + 5 + 7);
	pv_act(t, thread, PV_ACT_TARGET, 11);
	pv_expect_eq(t, "count with a thread", pv_value(t, ev), 3 + 5 + 7 + 11);
	pv_actor_end(t, child[1]);
	pv_actor_end(t, child[0]);
	pv_act(t, parent, PV_ACT_TARGET, 1);
	pv_expect_eq(t, "count when they have ended", pv_value(t, ev), 3 + 5 + 7 + 11 + 1);
}

static void child_calls(struct pv_test *t, void *arg)
{
	struct code *c = arg;

	for (long i = 0; i < 9; i++) {
		if (plus_one(c, i) != i + 1)
			pv_fail(t, "a probed function gave a wrong result in a child");
	}
}

PV_CASE(uprobe, scope, .arch = "x86_64 arm64", .pmu = "uprobe", .needs = "root", .proof = "kernel",
	.about =
		"a task's probe counts that task alone, a CPU's every process that maps the file; those without one run plain code")
{
	struct code c = make_code(t);
	struct perf_event_attr attr = probe(t, &c, 0, false);
	struct pv_ev *own, *all, *childs;
	uint64_t last = 0;
	pid_t child, held;

	map_code(t, &c);
	held = pv_fork_held(t, child_calls, &c);
	own = pv_open(t, &attr, 0, -1, NULL, 0);
	childs = pv_open(t, &attr, held, -1, NULL, 0);
	pv_enable(t, own);
	pv_enable(t, childs);
	child = pv_fork(t, child_calls, &c);
	pv_wait(t, child);
	plus_one(&c, 1);
	pv_expect_eq(t, "own count", pv_grown(t, own, &last), 1);
	all = pv_open(t, &attr, -1, pv_cpu(t), NULL, 0);
	pv_enable(t, all);
	pv_go(t, held);
	pv_wait(t, held);
	pv_wait(t, pv_fork(t, child_calls, &c));
	plus_one(&c, 1);
	pv_expect_eq(t, "count of the CPU", pv_value(t, all), 9 + 9 + 1);
	pv_expect_eq(t, "count of the child", pv_value(t, childs), 9);
	pv_expect_eq(t, "own count then", pv_grown(t, own, &last), 1);
	pv_close(t, all);
	pv_close(t, childs);
	plus_one(&c, 1);
	pv_expect_eq(t, "own count when the others are closed", pv_grown(t, own, &last), 1);
	pv_close(t, own);
	pv_expect(t, "the code is as it was", pristine(&c));
}

PV_CASE(uprobe, deep, .arch = "x86_64 arm64", .pmu = "uprobe", .each = "n[10,64,100]",
	.needs = "root", .proof = "kernel",
	.about =
		"a function that calls itself n deep counts n entries, and as many returns as the kernel keeps: 64")
{
	struct code c = make_code(t);
	struct perf_event_attr entry = probe(t, &c, DEEP, false), ret = probe(t, &c, DEEP, true);
	uint64_t n = pv_n(t), kept = n < 64 ? n : 64;
	struct pv_ev *in, *out;

	map_code(t, &c);
	in = pv_open(t, &entry, 0, -1, NULL, 0);
	out = pv_open(t, &ret, 0, -1, NULL, 0);
	pv_enable(t, in);
	pv_enable(t, out);
	for (int i = 0; i < 3; i++)
		deep(&c, n - 1);
	pv_expect_eq(t, "entries", pv_value(t, in), 3 * n);
	pv_expect_eq(t, "returns", pv_value(t, out), 3 * kept);
}

PV_CASE(uprobe, sample, .arch = "x86_64 arm64", .pmu = "uprobe", .each = "word[entry,return]",
	.needs = "root", .proof = "kernel",
	.about =
		"a sample's raw data name the probed address, of a return the function and where to")
{
	bool ret = !strcmp(pv_word(t), "return");
	struct code c = make_code(t);
	struct perf_event_attr attr = probe(t, &c, 0, ret);
	uint64_t samples = 0, wrong = 0, back = 0, ip = 0;
	static struct pv_record rec;
	struct pv_ev *ev;

	map_code(t, &c);
	attr.sample_period = 1;
	attr.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_RAW;
	ev = pv_open(t, &attr, 0, -1, NULL, 0);
	pv_ring_map(t, ev, 4);
	pv_enable(t, ev);
	for (long i = 0; i < 10; i++)
		plus_one(&c, i);
	pv_disable(t, ev);
	for (; pv_ring_next(t, ev, &rec); samples++) {
		struct {
			uint64_t ip;
			uint32_t size;
			uint16_t type;
			uint8_t flags, preempt;
			int32_t pid;
			uint64_t vaddr[2];
		} __attribute__((packed)) s;

		memcpy(&s, rec.body, sizeof(s));
		wrong += s.vaddr[0] != (uintptr_t)c.text || s.pid != gettid();
		if (!samples) {
			back = s.vaddr[1];
			ip = s.ip;
		}
		wrong +=
			ret ? s.vaddr[1] != back || !back || s.ip != ip : s.ip != (uintptr_t)c.text;
	}
	pv_expect_eq(t, "samples", samples, 10);
	pv_expect_eq(t, "samples with another address or thread", wrong, 0);
}

static long outcome_at(struct pv_test *t, const char *path, uint64_t offset, uint64_t config)
{
	struct perf_event_attr attr = pv_attr(t, pv_find_event(t, "uprobe", "call"));

	attr.uprobe_path = (uintptr_t)path;
	attr.probe_offset = offset;
	attr.config |= config;
	return pv_outcome(t, &attr, 0, -1, -1, 0);
}

PV_CASE(uprobe, refused, .arch = "x86_64 arm64", .pmu = "uprobe", .needs = "root",
	.proof = "kernel",
	.about = "a file that is none and an offset beyond it are refused, each with its errno")
{
	struct code c = make_code(t);
	static char path[8192];

	map_code(t, &c);
	memset(path, '/', sizeof(path) - 1);
	pv_expect_errno(t, "a path longer than any", outcome_at(t, path, 0, 0), -E2BIG);
	pv_expect_errno(t, "no such file", outcome_at(t, "/proc/no such file", 0, 0), -ENOENT);
	pv_expect_errno(t, "a directory", outcome_at(t, "/proc", 0, 0), -EINVAL);
	pv_expect_errno(t, "no path", outcome_at(t, NULL, 0, 0), -EINVAL);
	pv_expect_errno(t, "an empty path", outcome_at(t, "", 0, 0), -EINVAL);
	pv_expect_errno(t, "an unreadable path", outcome_at(t, (char *)8, 0, 0), -EFAULT);
	pv_expect_errno(t, "a file without pages", outcome_at(t, "/proc/version", 0, 0), -EIO);
	pv_expect_errno(t, "an offset beyond the file", outcome_at(t, c.path, 3 * c.page, 0),
			-EINVAL);
	pv_expect_errno(t, "an odd counter", outcome_at(t, c.path, 0, (uint64_t)(c.page + 3) << 32),
			-EINVAL);
	if (PV_ISA_INSN_ALIGN > 1)
		pv_expect_errno(t, "between two instructions", outcome_at(t, c.path, 2, 0),
				-EINVAL);
	pv_expect(t, "the code is as it was", pristine(&c));
	pv_expect_errno(t, "a good one", outcome_at(t, c.path, 0, 0), 0);
	pv_expect(t, "the code is as it was afterwards", pristine(&c));
}
