/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a case may use. A case is a function that checks one promise:
 *
 *	PV_CASE(counting, live,
 *		.each = "event[] mode[single,group,pinned]",
 *		.needs = "",
 *		.about = "counts nothing before enable, something while it runs, nothing after
 *disable")
 *	{
 *		struct pv_ev *ev = pv_open_case(t);
 *		...
 *	}
 *
 * The C compiler sees only the function. The descriptor compiler reads the
 * keys (string literals, adjacent ones are joined) and makes one case for every
 * combination of the axes in .each, for every PMU that fits:
 *
 *	event[TAG...]	the PMU's events that have all the tags (`!tag`: have not); event[] all
 *	mode[...]	names of enum pv_mode, lower case, `-` for `_`
 *	n[1,10,1000]	integers, into pv_n(t)
 *	word[a,b]	words, into pv_word(t)
 *	.pmu		only these families, e.g. "sw perf" (default: every PMU that has a matching
 *			event; due without event axis)
 *	.needs		words, checked by the engine before the case is started: root, cpus2 (two
 *			CPUs online), tracefs, watchpoints (data breakpoints have slots), modify
 *			(ioctl MODIFY_ATTRIBUTES known to the header), guest (a machine that
 *			is there for this run: its CPUs may go offline)
 *	.arch		only there, e.g. "x86_64 arm64"
 *	.fixes		the kernel fix it guards, e.g. "da02f54e81db (6.12.24..6.12.30)": told with
 *			a failure
 *	.proof = "kernel"	what it needs is not simulated in tests/unit/sim: its broken
 *			promises are kernels, tests/broken-kernels/tables; may call libc itself
 *
 * The id is family/capability/name[:variants in the order of .each], stable for ever.
 *
 * A check records evidence whether it holds or not and returns whether it held.
 * Helpers that "must" succeed end the case themselves when they do not.
 * Everything a case opens is closed by the end of its process.
 */
#ifndef PV_CASES_PV_H
#define PV_CASES_PV_H

#include <errno.h>
#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pmu/descriptor.h"

#define PV_CASE(capability, name, ...)                                                             \
	void pv_case_##capability##_##name(struct pv_test *t);                                     \
	void pv_case_##capability##_##name(struct pv_test *t)

struct pv_test;
struct pv_ev;

/* ---- what this case is about ---- */
const struct pv_case *pv_case(const struct pv_test *t);
const struct pv_pmu *pv_pmu(const struct pv_test *t);
const struct pv_event_desc *pv_event(const struct pv_test *t); /* NULL without event axis */
enum pv_mode pv_mode(const struct pv_test *t);
int64_t pv_n(const struct pv_test *t);
const char *pv_word(const struct pv_test *t);
int pv_cpu(const struct pv_test *t);            /* the CPU this process is pinned to */
bool pv_deterministic(const struct pv_test *t); /* icount: counts repeat to the bit */
uint32_t
pv_attr_size(struct pv_test *t); /* the running kernel's sizeof(struct perf_event_attr), probed */
/* Uniform random in lo..hi from the run's seed and the case id: the same in every run. */
uint64_t pv_random(struct pv_test *t, uint64_t lo, uint64_t hi);

/* ---- checks; `name` is stable and says what number it is; all record evidence ---- */
#define PV_AT __FILE__, __LINE__
#define pv_expect_eq(t, name, observed, expected)                                                  \
	pv_expect_eq_at(t, PV_AT, name, (uint64_t)(observed), (uint64_t)(expected))
#define pv_expect_in(t, name, observed, lo, hi)                                                    \
	pv_expect_in_at(t, PV_AT, name, (uint64_t)(observed), (uint64_t)(lo), (uint64_t)(hi))
/* A condition without numbers: observed is 0 or 1, expected 1. */
#define pv_expect(t, name, cond) pv_expect_eq_at(t, PV_AT, name, !!(cond), 1)
/* `result` is >= 0 or a negative errno; expected is 0 (any success) or a negative errno. */
#define pv_expect_errno(t, name, result, expected)                                                 \
	pv_expect_errno_at(t, PV_AT, name, (long)(result), (long)(expected))
/* Recorded, not judged; compare shows when it changes on a deterministic platform. */
#define pv_note(t, name, observed) pv_note_at(t, PV_AT, name, (uint64_t)(observed))
bool pv_expect_eq_at(struct pv_test *t, const char *file, int line, const char *name,
		     uint64_t observed, uint64_t expected);
bool pv_expect_in_at(struct pv_test *t, const char *file, int line, const char *name,
		     uint64_t observed, uint64_t lo, uint64_t hi);
bool pv_expect_errno_at(struct pv_test *t, const char *file, int line, const char *name,
			long result, long expected);
void pv_note_at(struct pv_test *t, const char *file, int line, const char *name, uint64_t observed);
void pv_message(struct pv_test *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- ends of a case; none returns ---- */
enum pv_kind {
	PV_ABSENT,
	PV_DENIED,
	PV_TOO_OLD,
	PV_CONFIG_OFF,
	PV_HIDDEN,
	PV_BROKEN_SETUP,
};
void pv_skip(struct pv_test *t, enum pv_kind kind, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void pv_fail(struct pv_test *t, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 2, 3)));
void pv_error(struct pv_test *t, enum pv_kind kind, const char *fmt, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

/* ---- events ---- */
/*
 * The attr of an event as its descriptor says, attr.size = sizeof, disabled = 1.
 * Resolves what is dynamic (sysfs type, tracepoint id, probe target); skips the
 * case when the kernel has not got it. No exclude bits are set.
 */
struct perf_event_attr pv_attr(struct pv_test *t, const struct pv_event_desc *e);
/* The event called `name` of PMU family `family` (e.g. "sw", "dummy"); ends the case with error
 * when the tables lack it. */
const struct pv_event_desc *pv_find_event(struct pv_test *t, const char *family, const char *name);
/* perf_event_open(2): fd or -errno. The fd must go to pv_sys_close() or be left. */
int pv_try_open(struct pv_test *t, struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
		unsigned long flags);
/* Ends the case as skip denied when err is EACCES or EPERM and this process may not do everything.
 */
void pv_skip_denied(struct pv_test *t, long err);
/* Opens and closes: 0 or -errno, after pv_skip_denied(). */
long pv_outcome(struct pv_test *t, void *attr, pid_t pid, int cpu, int group_fd,
		unsigned long flags);
/* A dummy event that every kernel has, disabled, user mode only: refused for a field under test
 * alone. */
extern const struct perf_event_attr pv_dummy;
/* Must open: after pv_skip_denied() every errno ends the case as fail with its name. */
struct pv_ev *pv_open(struct pv_test *t, const struct perf_event_attr *attr, pid_t pid, int cpu,
		      struct pv_ev *leader, unsigned long flags);
/* The case's event in the case's mode, disabled; pid/cpu/leader as the mode says. Mode and attr may
 * be adjusted by the caller with pv_open(). */
struct pv_ev *pv_open_case(struct pv_test *t);
/* As pv_open_case, but `attr` (from pv_attr, changed by the caller) is opened instead of the
 * event's plain one. */
struct pv_ev *pv_open_mode(struct pv_test *t, const struct perf_event_attr *attr);
int pv_fd(const struct pv_ev *ev);
struct pv_ev *pv_leader(struct pv_ev *ev);          /* itself when it leads */
void pv_close(struct pv_test *t, struct pv_ev *ev); /* earlier than the end of the case */

/* On the whole group when ev leads one (PERF_IOC_FLAG_GROUP on the leader for GROUP and SW_LEADER
 * modes). Must succeed. */
void pv_enable(struct pv_test *t, struct pv_ev *ev);
void pv_disable(struct pv_test *t, struct pv_ev *ev);
void pv_reset(struct pv_test *t, struct pv_ev *ev);
/* 0 or -errno */
int pv_ioctl(struct pv_ev *ev, unsigned long request, unsigned long arg);

struct pv_count {
	uint64_t value, enabled, running, id, lost;
};
/* read(2) by the read_format the event was opened with (pv_attr sets both times and ID); must
 * succeed. A group leader with FORMAT_GROUP: see below. */
struct pv_count pv_read(struct pv_test *t, struct pv_ev *ev);
#define PV_GROUP_MAX 64
struct pv_group {
	uint64_t nr, enabled, running;
	struct pv_count member[PV_GROUP_MAX]; /* value, id, lost */
};
void pv_read_group(struct pv_test *t, struct pv_ev *leader, struct pv_group *group);

/* ---- workloads: assembly or bare system calls with exactly known counts ---- */
/* n units of the case's event's workload (descriptor `work`). */
void pv_work(struct pv_test *t, uint64_t n);
/* n units of that event's workload. */
void pv_work_event(struct pv_test *t, const struct pv_event_desc *e, uint64_t n);
/* Units that are enough for a live check of this event and cheap (e.g. 100; microseconds for SPIN).
 */
uint64_t pv_work_some(const struct pv_event_desc *e);
/* User instructions retired by pv_work(PV_WORK_LOOP, n): slope * n (plus the same constant for
 * every n). */
uint64_t pv_loop_insns(uint64_t n);

/*
 * reset, enable, n units, disable; the count of ev between. Brackets the
 * window with the clocks that PV_REL_TIME and PV_REL_TSC need.
 */
struct pv_window {
	uint64_t value;        /* counted in the window */
	uint64_t inner, outer; /* TIME: ns of thread CPU (task-clock) or of wall time (cpu-clock);
				  TSC: ticks; else 0 */
	uint64_t enabled, running; /* grown in the window */
};
struct pv_window pv_measure(struct pv_test *t, struct pv_ev *ev, uint64_t n);
/*
 * Judges a window by the event's relation and the case's mode (exclude bits against
 * the event's side; CPU mode: at least). Evidence "count". A zero where
 * something was due is the failure "dead counter" (the verdict's reason says so).
 */
bool pv_expect_window(struct pv_test *t, const struct pv_window *w, uint64_t n);
/* The count due after n units in the case's mode: lo == hi for exact relations. OVERHEAD: lo = hi =
 * n * per; TIME/TSC need a window: use pv_expect_window. */
void pv_due(const struct pv_test *t, uint64_t n, uint64_t *lo, uint64_t *hi);

/* ---- the ring buffer ---- */
struct pv_record {
	struct perf_event_header header;
	uint64_t at;  /* free-running position of the header in the ring */
	bool wrapped; /* it lay across the end of the buffer */
	/* behind the header */
	uint8_t body[65536 - sizeof(struct perf_event_header)] __attribute__((aligned(8)));
} __attribute__((aligned(8)));
/* 2^k data pages, writable (the kernel respects the tail); must succeed. */
void pv_ring_map(struct pv_test *t, struct pv_ev *ev, unsigned int data_pages);
/* mmap(2) of 1 + data_pages pages with PROT_READ|PROT_WRITE: 0 or -errno. */
int pv_ring_try_map(struct pv_ev *ev, unsigned int data_pages);
/*
 * Takes the next record off the ring (moves data_tail); false: empty. A record that breaks the law
 * (size 0, not a multiple of 8, beyond data_head, head moved back) fails the case.
 */
bool pv_ring_next(struct pv_test *t, struct pv_ev *ev, struct pv_record *rec);
/* Takes all records off the ring: how many were samples. */
uint64_t pv_ring_samples(struct pv_test *t, struct pv_ev *ev);
struct perf_event_mmap_page *pv_ring_page(struct pv_ev *ev);
uint64_t pv_ring_head(struct pv_ev *ev); /* with the read barrier */

/* ---- processes and signals ---- */
/* A child that runs fn(t, arg) and exits 0; checks in the child count. Must succeed. */
pid_t pv_fork(struct pv_test *t, void (*fn)(struct pv_test *t, void *arg), void *arg);
/* Waits for it; a child that did not exit 0 fails the case. */
void pv_wait(struct pv_test *t, pid_t pid);
/* A child that waits until pv_go() before it runs fn. */
pid_t pv_fork_held(struct pv_test *t, void (*fn)(struct pv_test *t, void *arg), void *arg);
void pv_go(struct pv_test *t, pid_t pid);

/* Counts notifications of an event by signal `signo` (real-time, e.g. SIGRTMIN+1) to this thread
 * (F_SETSIG, F_SETOWN_EX F_OWNER_TID, O_ASYNC). */
struct pv_signals {
	volatile int count;
	volatile int last_fd;  /* si_fd of the last one */
	volatile int wrong_fd; /* how many had another si_fd than the event's */
	volatile int hup;      /* POLL_HUP among them */
};
struct pv_signals *pv_signal_on(struct pv_test *t, struct pv_ev *ev, int signo);
/* poll(2) with timeout_ms: revents, or -errno; 0 after the timeout. */
int pv_poll(struct pv_ev *ev, int timeout_ms);

/* ---- exec ---- */
/*
 * What this program does after pv_exec(): PV_EXEC(name) { ... argc, argv ...; return status; }
 * argv[0] is the name. It has nothing of the case but its arguments and inherited fds.
 */
struct pv_exec_action {
	const char *name;
	int (*run)(int argc, char **argv);
};
#define PV_EXEC(what)                                                                              \
	static int pv_exec_##what(int argc, char **argv);                                          \
	static const struct pv_exec_action pv_action_##what                                        \
		__attribute__((used, section("pv_exec_actions"), aligned(sizeof(void *)))) = {     \
			#what, pv_exec_##what};                                                    \
	static int pv_exec_##what(int argc __attribute__((unused)),                                \
				  char **argv __attribute__((unused)))
/* Becomes this program again (or the copy of it at `path`) and runs the action, a NULL-terminated
 * list of name and arguments, e.g. {"exit", "3", NULL}. Does not return; the status is the
 * action's. Call it in a child. */
void pv_exec(struct pv_test *t, const char *path, const char *const *action)
	__attribute__((noreturn));
#define PV_EXEC_WORD "--exec"
int pv_exec_main(int argc, char **argv);

/* ---- samples (cases/lib/sample.c) ---- */
struct pv_regs {
	uint64_t abi, mask; /* mask: as asked for; 0 where abi is 0 and nothing follows */
	unsigned int nr;
	const uint64_t *value; /* by ascending bit of mask */
};
/* A PERF_RECORD_SAMPLE taken apart; only what sample_type asks for is filled in, pointers lead
 * into the record. */
struct pv_sample {
	uint64_t identifier, ip, time, addr, id, stream_id, period;
	uint32_t pid, tid, cpu, cpu_reserved;
	struct pv_group read; /* without FORMAT_GROUP: one member, nr 1 */
	uint64_t chain_nr;
	const uint64_t *chain;
	uint32_t raw_size;
	const uint8_t *raw;
	uint64_t branch_nr, branch_hw_idx;
	const uint64_t *branch; /* three words each */
	struct pv_regs user, intr;
	uint64_t stack_size, stack_dyn;
	const uint8_t *stack;
	uint64_t weight, data_src, transaction, phys_addr, cgroup, data_page_size, code_page_size;
	uint64_t aux_size;
	const uint8_t *aux;
};
/*
 * By attr alone, in the order of the ABI. NULL, or what is wrong with it: a field that reaches
 * beyond the record, or bytes that no field asks for.
 */
const char *pv_sample_parse(const struct perf_event_attr *attr, const struct pv_record *rec,
			    struct pv_sample *s);
/* As pv_sample_parse(), with the attr the event was opened with; what is wrong ends the case. */
void pv_sample_decode(struct pv_test *t, struct pv_ev *ev, const struct pv_record *rec,
		      struct pv_sample *s);
/* The next PERF_RECORD_SAMPLE of the ring, decoded; records of other types are passed over. */
bool pv_sample_next(struct pv_test *t, struct pv_ev *ev, struct pv_record *rec,
		    struct pv_sample *s);
/* How many bytes sample_id_all puts behind a record that is no sample. */
size_t pv_trailer_size(uint64_t sample_type);
/* Decodes such a trailer, the last pv_trailer_size() bytes of the record. */
void pv_trailer_decode(struct pv_test *t, uint64_t sample_type, const struct pv_record *rec,
		       struct pv_sample *s);
/* Register `bit` of attr.sample_regs_*; ends the case when it is not in the mask. */
uint64_t pv_reg(struct pv_test *t, const struct pv_regs *regs, unsigned int bit);
/* This build's registers: bits of stack pointer and instruction pointer, of every general one,
 * and PERF_SAMPLE_REGS_ABI_*. */
extern const unsigned int pv_reg_sp, pv_reg_ip;
extern const uint64_t pv_regs_all, pv_regs_abi;
/* The last bit of a user space address is below it, the first of a kernel's not. */
#define PV_KERNEL_HALF (1ull << 63)
/* ---- CPUs ---- */
/* This thread runs on that CPU and no other from now on; must succeed. */
void pv_move(struct pv_test *t, int cpu);
/* A CPU that is online and not pv_cpu(); without one the case is skipped. */
int pv_other_cpu(struct pv_test *t);
/* Sleeps until this thread has been off its CPU, and on it again. */
void pv_switch_out(void);
void pv_sleep_ms(long ms);
/* Returns when that task sleeps: a held child then stands until pv_go(), and its events with it. */
void pv_wait_asleep(struct pv_test *t, pid_t pid);
/* ---- faults with known addresses, comms of known sizes: what fills a ring record by record ----
 */
/*
 * A page-faults event of this thread in user mode, period 1, disabled. Each touch
 * of a fresh page below gives one sample, whose ADDR is the page's address.
 */
struct perf_event_attr pv_faults_attr(struct pv_test *t, uint64_t sample_type);
/* n pages of memory that nobody has touched, the way to touch them has been gone once. */
char *pv_faults(struct pv_test *t, size_t n);
/* Touches pages[first] .. pages[first + n - 1], in this order. */
void pv_fault(char *pages, size_t first, size_t n);
/* An event that says COMM when this thread is named, enabled from the start. */
struct perf_event_attr pv_comm_attr(struct pv_test *t);
/* Names this thread n times: n records of 24 bytes (and what sample_id_all adds). */
void pv_comm(uint64_t n);
/* mmap(2) with this protection, 1 + data_pages pages, MAP_SHARED; the caller reads it by itself. */
void *pv_ring_view(struct pv_test *t, struct pv_ev *ev, unsigned int data_pages, int prot);
/* ---- actors: tasks that do one thing at a time, as they are told ---- */
/*
 * Each serves a socket of its own: it does nothing, and calls no getppid, but what
 * pv_act() asks for; pv_act() returns when it is done. An actor that executes
 * this program again (PV_ACT_EXEC) goes on serving.
 */
enum pv_act {
	PV_ACT_NONE,        /* answers: it runs, and has come back from whatever it did */
	PV_ACT_CALLS,       /* arg calls of getppid */
	PV_ACT_TARGET,      /* arg calls of pv_probe_target */
	PV_ACT_SPIN,        /* arg microseconds of CPU time */
	PV_ACT_TOUCH,       /* arg fresh pages */
	PV_ACT_WORK,        /* pv_act_work() */
	PV_ACT_HOLD,        /* arg fresh pages that stay mapped and touched */
	PV_ACT_VFORK,       /* a vfork() child makes arg calls of getppid and ends */
	PV_ACT_EXEC,        /* after arg us of CPU time this program again, or its copy at text;
			     * only then it answers */
	PV_ACT_EXIT,        /* its process ends; no answer */
	PV_ACT_EXIT_THREAD, /* it alone ends; no answer */
	PV_ACT_UID,         /* becomes user arg, without any capability, but may be traced */
	PV_ACT_EUID,        /* tells its effective user */
	PV_ACT_DUMPABLE,    /* prctl PR_SET_DUMPABLE */
	PV_ACT_EVENTS,      /* prctl PR_TASK_PERF_EVENTS_ENABLE or, with arg 0, _DISABLE */
	PV_ACT_FD,          /* fcntl F_GETFD of fd arg: 0 or FD_CLOEXEC, or -errno */
	PV_ACT_WRITE,       /* "0" into the file text, at once arg calls of getppid: 0 or -errno */
	PV_ACT_OPEN,        /* a running event of attr pv_act_attr on pid arg: its fd or -errno */
	PV_ACT_IOCTL,       /* request text[0] of the toggles on fd arg: 0 or -errno */
	PV_ACT_READ,        /* the first word that fd arg reads, or -errno */
	PV_ACT_SEND,        /* hands fd arg back over the socket: the caller's fd */
	PV_ACT_CLOSE,       /* closes fd arg */
	PV_ACT_SLOTS,       /* pv_exec_slots() of itself */
};
struct pv_actor {
	int slot;
	pid_t pid, tid; /* of the last answer */
	pid_t reaper;   /* whose child it is; 0: a thread */
};
/* A child of this task; by fork of another actor; a thread of another actor. Ready to be told. */
struct pv_actor *pv_actor(struct pv_test *t);
struct pv_actor *pv_actor_fork(struct pv_test *t, struct pv_actor *parent);
struct pv_actor *pv_actor_thread(struct pv_test *t, struct pv_actor *parent);
/* By clone(2) with these flags (CLONE_CLEAR_SIGHAND too), own stack where CLONE_VM. */
struct pv_actor *pv_actor_clone(struct pv_test *t, struct pv_actor *parent, uint64_t flags);
long pv_act(struct pv_test *t, struct pv_actor *a, enum pv_act act, long arg);
long pv_act_text(struct pv_test *t, struct pv_actor *a, enum pv_act act, long arg,
		 const char *text);
/* It has answered; returns when it is off its CPU too. */
void pv_act_settle(struct pv_actor *a);
/* n units of an event's work; not after an exec. */
void pv_act_work(struct pv_test *t, struct pv_actor *a, const struct pv_event_desc *e, uint64_t n);
/* As pv_act_text, and returns at once; pv_act_done() waits for the answer. */
void pv_act_start(struct pv_test *t, struct pv_actor *a, enum pv_act act, long arg);
long pv_act_done(struct pv_test *t, struct pv_actor *a);
/* What PV_ACT_OPEN opens: set it before the actor is made. */
extern struct perf_event_attr pv_act_attr;
/* Ends it (EXIT) and waits until its events have been taken off. */
void pv_actor_end(struct pv_test *t, struct pv_actor *a);
/* Waits for one that ends by itself. */
void pv_actor_wait(struct pv_test *t, struct pv_actor *a);
/* How many breakpoints on instructions can be opened for that task now. */
unsigned int pv_exec_slots(pid_t pid);
/* The tracepoint of getppid, whose calls nobody makes but the workload. */
struct perf_event_attr pv_calls_attr(struct pv_test *t);
void pv_calls(uint64_t n);
/* read(2) of the event's fd: bytes or -errno. */
long pv_read_raw(struct pv_ev *ev, void *buf, size_t size);
/* From here on that task and its children (not theirs) keep their own inherited events; else equal
 * contexts change hands at a switch, and the event itself may be in any of the tasks. */
void pv_tell_apart(struct pv_test *t, pid_t pid);
/* Bytes of a record behind its header at `offset`. */
#define PV_WORD(rec, offset) (*(const uint64_t *)((rec)->body + (offset)))

/* ---- control groups (cgroup2) ---- */
struct pv_cgroup;
/* A new directory below the root, or below `parent`; skips the case where there is no cgroup2. */
struct pv_cgroup *pv_cgroup(struct pv_test *t, struct pv_cgroup *parent, const char *name);
int pv_cgroup_fd(const struct pv_cgroup *g);
const char *pv_cgroup_procs(const struct pv_cgroup *g); /* path of its cgroup.procs */
/* Moves a process into it; NULL: into the root. */
void pv_cgroup_move(struct pv_test *t, struct pv_cgroup *g, pid_t pid);
/* Removes the directory: 0 or -errno. To be done by the case itself, whoever is in it has ended. */
long pv_cgroup_remove(struct pv_cgroup *g);

/* ---- files and knobs ---- */
/* Whole text of a file without the last newline; returns length or -errno. */
int pv_file_read(const char *path, char *buf, size_t size);
/* Directory entries' names into names[], sorted; count or -errno. */
int pv_dir_list(const char *path, char (*names)[256], size_t max);
/* Sets a /proc/sys or /sys knob until the case ends (the engine puts it back even when the case is
 * killed); must succeed, else skip denied. */
void pv_knob(struct pv_test *t, const char *path, const char *value);

/* ---- breakpoints ---- */
void *pv_watch_place(void); /* 64 bytes, 64-byte aligned, touched by STORE/LOAD at offset 0 */
void pv_store(void *addr, unsigned int len, uint64_t n); /* n stores of len (1, 2, 4, 8) bytes */
void pv_load(void *addr, unsigned int len, uint64_t n);
extern void pv_probe_target(void); /* assembly, one entry, no branch back to its start */
extern void pv_probe_other(void);  /* the same, another address */
void pv_call(void (*target)(void), uint64_t n); /* n calls from assembly */
#endif
