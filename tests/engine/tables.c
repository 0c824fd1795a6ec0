/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Cases that test the engine, not a kernel: one for every way a case can end, and an empty one with
 * the bare fork+wait that it is measured against. Linked with the real engine; runs on the host and
 * as a guest's init.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases/pv.h"
#include "tests/engine/deaths.h"

#define FORKS 200
#define KNOB  "/proc/sys/kernel/perf_event_max_stack"

static void empty(struct pv_test *t)
{
	pv_expect(t, "nothing", true);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

static void bare_fork(struct pv_test *t)
{
	double start = now();

	for (int i = 0; i < FORKS; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	pv_note(t, "ns_per_fork", (now() - start) / FORKS);
	pv_expect(t, "forked", true);
}

static void fail(struct pv_test *t)
{
	pv_expect_eq(t, "answer", 41, 42);
	pv_expect(t, "goes on behind a failed check", true);
}

static void nothing_checked(struct pv_test *t)
{
	pv_message(t, "this case checks nothing");
}

static void skip(struct pv_test *t)
{
	pv_skip(t, PV_CONFIG_OFF, "build the kernel with %s", "CONFIG_X");
}

/* A failed check is not forgotten because the case skips afterwards. */
static void fail_then_skip(struct pv_test *t)
{
	pv_expect(t, "held", false);
	pv_skip(t, PV_ABSENT, "too late");
}

static void in_child(struct pv_test *t, void *arg)
{
	pv_expect_eq(t, "in the child", 1, *(int *)arg);
}

static void child_fails(struct pv_test *t)
{
	int two = 2;

	pv_fork(t, in_child, &two);
	while (wait(NULL) > 0)
		;
}

static void crash(struct pv_test *t)
{
	(void)t;
	raise(SIGSEGV);
}

/* Spins with a grandchild that spins, too: both must go. */
static void hang(struct pv_test *t)
{
	pv_expect(t, "began", true);
	fork();
	for (;;)
		pause();
}

static void dead(struct pv_test *t)
{
	struct pv_window w = {.value = 0};

	pv_expect_window(t, &w, 10);
}

static void kernel_log(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY);

	if (write(fd, text, strlen(text)) < 0)
		_exit(1);
	close(fd);
}

static void splat(struct pv_test *t)
{
	pv_expect(t, "nothing", true);
	kernel_log("<4>WARNING: CPU: 0 PID: 1 at pmuvet/selftest.c:1 not_a_real_warning+0x0/0x0\n");
}

static void harmless_log(struct pv_test *t)
{
	pv_expect(t, "nothing", true);
	kernel_log("<6>pmuvet selftest: nothing is wrong\n");
}

static void knob(struct pv_test *t)
{
	char value[32];

	pv_knob(t, KNOB, "11");
	pv_file_read(KNOB, value, sizeof(value));
	pv_expect(t, "turned", !strcmp(value, "11"));
}

static void knob_hang(struct pv_test *t)
{
	knob(t);
	hang(t);
}

static void panic(struct pv_test *t)
{
	int fd;

	if (getppid() != 1)
		pv_skip(t, PV_ABSENT, "only where the engine is PID 1 of a guest");
	fd = open("/proc/sysrq-trigger", O_WRONLY);
	pv_expect(t, "before the panic", write(fd, "c", 1) == 1);
}

void (*const pv_bodies[])(struct pv_test *t) = {
	empty, bare_fork, fail,  nothing_checked, skip, fail_then_skip, child_fails, crash,
	hang,  dead,      splat, harmless_log,    knob, knob_hang,      panic,       die,
};

static const struct pv_event_desc events[] = {
	{.name = "e", .work = PV_WORK_GETPPID, .relation = PV_REL_EXACT, .per = 1, .tags = " "},
};

static const struct pv_erratum errata[] = {
	{.id = "known", .cases = "test/xfail/*", .evidence = "answer", .about = "", .ref = ""},
	{.id = "other", .cases = "test/other/*", .evidence = "question", .about = "", .ref = ""},
};

#define OTHER(name_, family_)                                                                      \
	{                                                                                          \
		.name = name_, .family = family_, .probe = "", .hash = "0", .describe = ""         \
	}

const struct pv_pmu pv_pmus[] = {
	{.name = "test",
	 .family = "test",
	 .title = "the engine's own test",
	 .probe = "",
	 .arch = ~0u,
	 .events = events,
	 .nr_events = 1,
	 .errata = errata,
	 .nr_errata = 2,
	 .hash = "0",
	 .is_default = true,
	 .describe = ""},
	{.name = "absent",
	 .family = "absent",
	 .title = "a PMU that no machine has",
	 .sysfs = "pmuvet_no_such_pmu",
	 .probe = "",
	 .arch = ~0u,
	 .hash = "0",
	 .is_default = true,
	 .describe = ""},
	/* Platforms name these. */
	OTHER("perf", "perf"),
	OTHER("sw", "sw"),
	OTHER("breakpoint-qemu", "breakpoint"),
	OTHER("tracepoint", "tracepoint"),
	OTHER("kprobe", "kprobe"),
	OTHER("uprobe", "uprobe"),
	OTHER("msr", "msr"),
	OTHER("hw-qemu", "hw"),
	OTHER("pmuv3-qemu", "pmuv3"),
};
const size_t pv_nr_pmus = sizeof(pv_pmus) / sizeof(pv_pmus[0]);

#define ROW(id_, body_, ...)                                                                       \
	{                                                                                          \
		.id = id_, .about = "", .needs = "", .at = "", .pmu = &pv_pmus[0], .arch = ~0u,    \
		.body = body_, ##__VA_ARGS__                                                       \
	}

const struct pv_case pv_cases[] = {
	ROW("bench/engine/empty", 0),
	ROW("bench/engine/fork", 1),
	ROW("test/end/fail", 2),
	ROW("test/end/nothing_checked", 3),
	ROW("test/end/skip", 4),
	ROW("test/end/fail_then_skip", 5),
	ROW("test/end/child_fails", 6),
	ROW("test/end/crash", 7),
	ROW("test/end/hang", 8),
	ROW("test/end/dead", 9, .event = &events[0]),
	ROW("test/log/splat", 10),
	ROW("test/log/harmless", 11),
	ROW("test/knob/turned", 12),
	ROW("test/knob/hang", 13),
	ROW("test/xfail/fails", 2),
	ROW("test/xfail/passes", 0),
	ROW("test/other/fails", 2),
	ROW("test/guest/panic", 14),
	ROW("test/guest/after", 0),
	/* One for each way to die, and one behind it. */
	ROW("test/die/panic", 15),
	ROW("test/die/after-panic", 0),
	ROW("test/die/panic-nmi", 15),
	ROW("test/die/after-panic-nmi", 0),
	ROW("test/die/oops", 15),
	ROW("test/die/after-oops", 0),
	ROW("test/die/oops-irq", 15),
	ROW("test/die/after-oops-irq", 0),
	ROW("test/die/reset", 15),
	ROW("test/die/after-reset", 0),
	ROW("test/die/irqs-off-spin", 15),
	ROW("test/die/after-irqs-off-spin", 0),
	ROW("test/die/soft-hang", 15),
	ROW("test/die/after-soft-hang", 0),
	ROW("test/die/corrupt-tables", 15),
	ROW("test/die/after-corrupt-tables", 0),
	ROW("test/die/power-off", 15),
	ROW("test/die/after-power-off", 0),
	ROW("test/die/user-spin", 15),
	ROW("test/die/after-user-spin", 0),
	{.id = "absent/end/pass",
	 .about = "",
	 .needs = "",
	 .at = "",
	 .pmu = &pv_pmus[1],
	 .arch = ~0u,
	 .body = 0},
};
const size_t pv_nr_cases = sizeof(pv_cases) / sizeof(pv_cases[0]);
