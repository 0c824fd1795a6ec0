/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A simulated kernel behind cases/lib/sys.h, inserted with ld --wrap. Its whole
 * state is one shared mapping, so that the real children of a case live in the
 * same kernel. It follows kernel/events/core.c of Linux 6.12 where a case can tell
 * the difference; what it breaks on purpose is in breaks.h.
 */
#ifndef PV_TESTS_SIM_H
#define PV_TESTS_SIM_H

#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pmu/descriptor.h"
#include "tests/unit/sim/breaks.h"

#define SIM_ATTR_SIZE      144 /* PERF_ATTR_SIZE_VER9, Linux 7.2 */
#define SIM_MAX_TASKS      64
#define SIM_MAX_FDS        4096
#define SIM_MAX_EVENTS     4096
#define SIM_MAX_RINGS      64
#define SIM_RING_MEMORY    (64u << 20)
#define SIM_MAX_SAMPLERATE 100000
#define SIM_MAX_STACK      127
#define SIM_BP_SLOTS       4
#define SIM_PMU_COUNTERS   6 /* programmable; the cycle counter comes on top */

/* Newer than some headers this is built with. */
#define SIM_FORMAT_LOST (1ull << 4)

union sim_attr {
	struct perf_event_attr a;
	uint64_t word[SIM_ATTR_SIZE / 8];
	uint8_t byte[SIM_ATTR_SIZE];
};

_Static_assert(sizeof(struct perf_event_attr) <= SIM_ATTR_SIZE, "the header is newer than the sim");

/* How the overflow of an event comes about: decides what IOC_PERIOD and SAMPLE_PERIOD do. */
enum sim_class { SIM_SWEVENT, SIM_CLOCK, SIM_HARDWARE };

enum sim_state { SIM_ERROR, SIM_OFF, SIM_ON };

struct sim_event {
	bool used;
	bool bp_slot;    /* holds a breakpoint slot */
	bool on_counter; /* scheduled in: counts */
	enum sim_class class;
	enum sim_state state;
	union sim_attr attr;
	char probe[64]; /* kprobe function */
	int task, cpu;  /* task index or -1 */
	int opener;     /* task index */
	int leader;     /* own index when it leads */
	int parent;     /* inherited from this one; -1 */
	int refs;       /* file descriptors */
	int ring;       /* -1 */
	bool own_map;   /* mmap'ed itself, not by SET_OUTPUT */
	uint64_t id;
	uint64_t count, enabled, running, lost;
	uint64_t seen, fired; /* occurrences and overflows so far, for what is broken at times */
	uint64_t child_count, child_enabled, child_running; /* of exited children */
	uint64_t period, last_period;
	int64_t left;                /* negative: occurrences until the next overflow */
	bool refreshed, refused_one; /* for what is broken by what was before */
	int limit;                   /* IOC_REFRESH */
	bool async;
	int signo, async_fd;
	pid_t owner;
	unsigned int pending_in, pending_hup; /* signals not yet sent */
};

struct sim_ring {
	bool used, overwrite, paused;
	int maps;
	uint8_t *page; /* the user page; data follow */
	uint64_t size; /* of the data area */
	uint64_t head, lost, wakeup, watermark, events;
	short poll;
};

struct sim_task {
	bool used, exited;
	pid_t pid;
	uint64_t cputime;
	uint16_t file[SIM_MAX_FDS]; /* event index + 1 */
};

struct sim {
	pthread_mutex_t lock;
	uint64_t now; /* ns */
	uint64_t next_id;
	int nr_events; /* high-water mark */
	int nr_tasks;
	size_t ring_used;
	struct sim_ring ring[SIM_MAX_RINGS];
	struct sim_task task[SIM_MAX_TASKS];
	struct sim_event event[SIM_MAX_EVENTS];
	uint8_t ring_memory[SIM_RING_MEMORY] __attribute__((aligned(65536)));
};

extern struct sim *sim;
extern int sim_self; /* this process's task */

/* A fresh kernel with this process as its first task; before anything else in each case's process.
 */
void sim_boot(enum sim_break broken);

/* sim.c: every wrapped call is enter ... leave; the cost of the call itself passes on entry. */
void sim_enter(void);
void sim_leave(void);
int sim_find_task(pid_t pid);
void sim_task_exit(void);
/* Event behind a descriptor of this process, or NULL. */
struct sim_event *sim_event_of(int fd);
static inline int sim_index(const struct sim_event *ev)
{
	return (int)(ev - sim->event);
}
/* The event and those inherited from it, one after the other; start with prev = NULL. */
struct sim_event *sim_next_copy(struct sim_event *ev, struct sim_event *prev);
struct sim_event *sim_next_member(struct sim_event *leader, struct sim_event *prev);
/* Its own state counts only below an enabled leader. */
bool sim_effective(const struct sim_event *ev);
bool sim_sampling(const struct sim_event *ev);

/* attr.c */
int sim_attr_copy(struct perf_event_attr *user, union sim_attr *attr);
int sim_attr_check(const union sim_attr *attr);
uint64_t sim_read_size(uint64_t format, unsigned int siblings);

/* pmu.c: what perf_init_event() does; fills class and probe, takes a slot. */
int sim_pmu_init(struct sim_event *ev);
int sim_check_clock(const struct sim_event *ev);
void sim_pmu_release(struct sim_event *ev);
int sim_bp_check(const struct sim_event *ev, const struct perf_event_attr *attr);
bool sim_is_hardware(const struct sim_event *ev);
bool sim_is_cycles(const struct sim_event *ev);
/* Do the group's hardware events and `extra` fit on the counters? */
bool sim_group_fits(struct sim_event *leader, struct sim_event *extra);
/* Which events have a counter now. */
void sim_schedule(void);

/* event.c */
long sim_open(struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd, unsigned long flags);
long sim_close(int fd);
long sim_read(struct sim_event *ev, void *buf, size_t len);
/* The read_format block of an event into out[]; number of words. */
unsigned int sim_read_block(struct sim_event *ev, uint64_t *out, unsigned int max);
void sim_put(struct sim_event *ev);
void sim_inherit(int from, int to);

/* ioctl.c */
long sim_ioctl(struct sim_event *ev, unsigned long request, unsigned long arg);
/* prctl(PR_TASK_PERF_EVENTS_*) */
void sim_switch_task(bool on);

/* ring.c */
void *sim_mmap(struct sim_event *ev, size_t len, int prot, int flags, off_t offset);
void sim_munmap(void *addr);
long sim_set_output(struct sim_event *ev, struct sim_event *to);

/* PV_WORK_* end before this: the cost of a system call itself. */
#define SIM_WORK_SYSCALL (PV_WORK_LOAD + 1u)

/* One unit of a workload. Nanoseconds and instructions are arbitrary but fixed. */
struct sim_unit {
	unsigned int work;
	uint64_t user_ns, kernel_ns, off_ns, user_insns, kernel_insns;
	uint64_t addr;
	unsigned int len;
};

/* Where an occurrence was, for samples. */
struct sim_place {
	uint64_t ip, addr;
	bool kernel;
};
void sim_sample(struct sim_event *ev, const struct sim_place *at, uint64_t period);

/* notify.c */
struct sim_signal {
	int signo, fd, code;
	unsigned int times;
};
void sim_overflow(struct sim_event *ev, const struct sim_place *at, uint64_t period);
short sim_poll(struct sim_event *ev);
/* Takes this process's pending signals; they are sent after the lock is let go. */
unsigned int sim_take_signals(struct sim_signal *out, unsigned int max);
void sim_send_signal(const struct sim_signal *s);
long sim_fcntl(struct sim_event *ev, int fd, int cmd, unsigned long arg);

/* rate.c */
/* Occurrences of one unit for this event, by what its exclude bits leave. */
uint64_t sim_rate(const struct sim_event *ev, const struct sim_unit *u);
struct sim_place sim_place_of(const struct sim_event *ev, const struct sim_unit *u);

/* work.c */
void sim_work(enum pv_work_id work, uint64_t n, void *addr, unsigned int len);
void sim_pass_syscall(void);

/* files.c: -ENOSYS when the path is not simulated. */
long sim_file(const char *path, char *buf, size_t size);
long sim_dir(const char *path, char (*names)[256], size_t max);
struct sim_tracepoint {
	uint64_t id;
	const char *name;
	enum pv_work_id work; /* what makes it happen */
	bool any_syscall;
	bool user; /* its registers are the user's */
};
const struct sim_tracepoint *sim_tracepoint(uint64_t id); /* NULL: no such id */
uint32_t sim_pmu_type(const char *name);
#endif
