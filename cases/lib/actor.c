/* SPDX-License-Identifier: GPL-2.0-only */
/* Tasks that do as they are told over a socket: children, threads, and what they become by exec. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/hw_breakpoint.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "cases/lib/test.h"

#define MAX_ACTORS 24
#define MAX_SLOTS  64
#define ACT_BIRTH  1000 /* arg: the slot of the newborn; text: how */

struct order {
	int act;
	long arg;
	char text[128];
};

struct answer {
	long result;
	int pid, tid;
};

struct perf_event_attr pv_act_attr;

/* [0] is the case's end, [1] the actor's. Made before anybody is born, so that all have them. */
static int sockets[MAX_ACTORS][2];
static int used;

static void serve(int slot) __attribute__((noreturn));

static long error(long r)
{
	return r < 0 ? -errno : r;
}

static void reply(int slot, long result)
{
	struct answer a = {result, getpid(), syscall(SYS_gettid)};

	if (write(sockets[slot][1], &a, sizeof(a)) != sizeof(a))
		syscall(SYS_exit, 1);
}

static long send_fd(int slot, int fd)
{
	struct answer a = {0, getpid(), syscall(SYS_gettid)};
	struct iovec iov = {&a, sizeof(a)};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.head = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
	return error(sendmsg(sockets[slot][1], &msg, 0));
}

static void *newborn_thread(void *arg)
{
	serve((int)(intptr_t)arg);
}

static int newborn_clone(void *arg)
{
	serve((int)(intptr_t)arg);
}

/* In a child that has its own copy of everything: the case's ends are the case's. */
static void close_foreign(int slot)
{
	for (int i = 0; i < MAX_ACTORS; i++) {
		close(sockets[i][0]);
		if (i <= slot && i != slot)
			close(sockets[i][1]);
	}
}

static long birth(int slot, const char *how)
{
	uint64_t flags = strtoull(how, NULL, 0);
	pthread_attr_t attr;
	pthread_t thread;
	char *stack;
	long pid;
	int err;

	if (flags & CLONE_THREAD) {
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		err = pthread_create(&thread, &attr, newborn_thread, (void *)(intptr_t)slot);
		return -err;
	}
	if (flags & CLONE_VM) {
		stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
		if (stack == MAP_FAILED)
			return -errno;
		return error(clone(newborn_clone, stack + 65536, (int)flags | SIGCHLD,
				   (void *)(intptr_t)slot));
	}
	if (flags) {
		struct clone_args args = {.flags = flags, .exit_signal = SIGCHLD};

		pid = syscall(SYS_clone3, &args, sizeof(args));
	} else {
		pid = fork();
	}
	if (!pid) {
		close_foreign(slot);
		serve(slot);
	}
	return error(pid);
}

static long vfork_calls(uint64_t n)
{
	pid_t pid = vfork();

	if (!pid) {
		pv_sys_work(PV_WORK_GETPPID, n, NULL, 0);
		_exit(0);
	}
	return pid < 0 ? -errno : 0;
}

static long hold_pages(size_t n)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, n * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	madvise(p, n * page, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < n; i++)
		p[i * page] = 1;
	return 0;
}

static long become(long uid)
{
	if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid))
		return -errno;
	return error(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static long write_self(const char *path, uint64_t calls)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	long n = fd < 0 ? -errno : error(write(fd, "0", 1));

	pv_sys_work(PV_WORK_GETPPID, calls, NULL, 0);
	if (fd >= 0)
		close(fd);
	return n < 0 ? n : 0;
}

static long exec_again(int slot, const char *path)
{
	char number[16], *argv[] = {"pmuvet-agent", PV_EXEC_WORD, "actor", number, NULL};
	char *env[] = {NULL};

	snprintf(number, sizeof(number), "%d,%d", slot, sockets[slot][1]);
	execve(*path ? path : "/proc/self/exe", argv, env);
	return -errno;
}

static long toggle(int fd, char which)
{
	switch (which) {
	case 'e':
		return error(ioctl(fd, PERF_EVENT_IOC_ENABLE, 0));
	case 'd':
		return error(ioctl(fd, PERF_EVENT_IOC_DISABLE, 0));
	}
	return error(ioctl(fd, PERF_EVENT_IOC_RESET, 0));
}

static long read_first(int fd)
{
	uint64_t buf[8];

	return read(fd, buf, sizeof(buf)) < 0 ? -errno : (long)buf[0];
}

static long obey(int slot, const struct order *o)
{
	void *e = NULL;

	switch (o->act) {
	case PV_ACT_NONE:
		return 0;
	case PV_ACT_CALLS:
		pv_sys_work(PV_WORK_GETPPID, o->arg, NULL, 0);
		return 0;
	case PV_ACT_TARGET:
		pv_sys_work(PV_WORK_CALL, o->arg, (void *)(uintptr_t)pv_probe_target, 0);
		return 0;
	case PV_ACT_SPIN:
		pv_sys_work(PV_WORK_SPIN, o->arg, NULL, 0);
		return 0;
	case PV_ACT_TOUCH:
		pv_sys_work(PV_WORK_TOUCH, o->arg, NULL, 0);
		return 0;
	case PV_ACT_WORK:
		sscanf(o->text, "%p", &e);
		pv_work_event(NULL, e, o->arg);
		return 0;
	case PV_ACT_HOLD:
		return hold_pages(o->arg);
	case PV_ACT_VFORK:
		return vfork_calls(o->arg);
	case PV_ACT_EXEC:
		pv_sys_work(PV_WORK_SPIN, o->arg, NULL, 0);
		return exec_again(slot, o->text);
	case PV_ACT_EXIT:
		syscall(SYS_exit_group, 0);
		break;
	case PV_ACT_EXIT_THREAD:
		syscall(SYS_exit, 0);
		break;
	case PV_ACT_UID:
		return become(o->arg);
	case PV_ACT_EUID:
		return geteuid();
	case PV_ACT_DUMPABLE:
		return error(prctl(PR_SET_DUMPABLE, o->arg, 0, 0, 0));
	case PV_ACT_EVENTS:
		return error(
			prctl(o->arg ? PR_TASK_PERF_EVENTS_ENABLE : PR_TASK_PERF_EVENTS_DISABLE, 0,
			      0, 0, 0));
	case PV_ACT_FD:
		return error(fcntl(o->arg, F_GETFD));
	case PV_ACT_WRITE:
		return write_self(o->text, o->arg);
	case PV_ACT_OPEN:
		return pv_sys_perf_event_open(&pv_act_attr, o->arg, -1, -1, PERF_FLAG_FD_CLOEXEC);
	case PV_ACT_IOCTL:
		return toggle(o->arg, o->text[0]);
	case PV_ACT_READ:
		return read_first(o->arg);
	case PV_ACT_CLOSE:
		return error(close(o->arg));
	case PV_ACT_SLOTS:
		return pv_exec_slots(0);
	case ACT_BIRTH:
		return birth(o->arg, o->text);
	}
	return -ENOSYS;
}

static void serve(int slot)
{
	struct order o;

	/* Nobody else waits for what an actor brings forth. */
	signal(SIGCHLD, SIG_IGN);
	reply(slot, 0);
	while (read(sockets[slot][1], &o, sizeof(o)) == sizeof(o)) {
		if (o.act == PV_ACT_SEND)
			send_fd(slot, o.arg);
		else
			reply(slot, obey(slot, &o));
	}
	syscall(SYS_exit, 0);
	abort();
}

PV_EXEC(actor)
{
	int slot = 0, fd = -1;

	if (argc < 2 || sscanf(argv[1], "%d,%d", &slot, &fd) != 2 || slot < 0 || slot >= MAX_ACTORS)
		return 1;
	sockets[slot][1] = fd;
	serve(slot);
}

/* ---- the case's side ---- */

static struct pv_actor *new_actor(struct pv_test *t)
{
	struct pv_actor *a = calloc(1, sizeof(*a));

	for (int i = 0; !used && i < MAX_ACTORS; i++) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets[i]))
			pv_error(t, PV_BROKEN_SETUP, "socketpair: %s", strerrorname_np(errno));
	}
	if (!a || used == MAX_ACTORS)
		pv_error(t, PV_BROKEN_SETUP, "no room for one more actor");
	a->slot = used++;
	return a;
}

long pv_act_done(struct pv_test *t, struct pv_actor *a)
{
	struct answer answer;

	if (read(sockets[a->slot][0], &answer, sizeof(answer)) != sizeof(answer))
		pv_fail(t, "a child has gone away");
	a->pid = answer.pid;
	a->tid = answer.tid;
	return answer.result;
}

static void tell(struct pv_test *t, struct pv_actor *a, int act, long arg, const char *text)
{
	struct order o = {.act = act, .arg = arg};

	snprintf(o.text, sizeof(o.text), "%s", text);
	if (write(sockets[a->slot][0], &o, sizeof(o)) != sizeof(o))
		pv_error(t, PV_BROKEN_SETUP, "a child does not listen: %s", strerrorname_np(errno));
}

static long take_fd(struct pv_test *t, struct pv_actor *a)
{
	struct answer answer;
	struct iovec iov = {&answer, sizeof(answer)};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(sockets[a->slot][0], &msg, MSG_CMSG_CLOEXEC) != sizeof(answer) ||
	    msg.msg_controllen < sizeof(struct cmsghdr))
		pv_fail(t, "an event's fd cannot be handed over");
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

long pv_act_text(struct pv_test *t, struct pv_actor *a, enum pv_act act, long arg, const char *text)
{
	tell(t, a, act, arg, text);
	if (act == PV_ACT_EXIT || act == PV_ACT_EXIT_THREAD)
		return 0;
	return act == PV_ACT_SEND ? take_fd(t, a) : pv_act_done(t, a);
}

long pv_act(struct pv_test *t, struct pv_actor *a, enum pv_act act, long arg)
{
	return pv_act_text(t, a, act, arg, "");
}

void pv_act_start(struct pv_test *t, struct pv_actor *a, enum pv_act act, long arg)
{
	tell(t, a, act, arg, "");
}

struct pv_actor *pv_actor(struct pv_test *t)
{
	struct pv_actor *a = new_actor(t);
	long pid = pv_sys_fork();

	if (pid < 0)
		pv_error(t, PV_BROKEN_SETUP, "fork: %s", strerrorname_np(-pid));
	if (!pid) {
		close_foreign(a->slot);
		serve(a->slot);
	}
	a->reaper = getpid();
	pv_act_done(t, a);
	return a;
}

struct pv_actor *pv_actor_clone(struct pv_test *t, struct pv_actor *parent, uint64_t flags)
{
	struct pv_actor *a = new_actor(t);
	char how[32];
	long err;

	snprintf(how, sizeof(how), "0x%llx", (unsigned long long)flags);
	err = pv_act_text(t, parent, ACT_BIRTH, a->slot, how);
	if (err < 0)
		pv_error(t, PV_BROKEN_SETUP, "clone(%s): %s", how, strerrorname_np(-err));
	a->reaper = flags & CLONE_THREAD ? 0 : parent->pid;
	pv_act_done(t, a);
	return a;
}

struct pv_actor *pv_actor_fork(struct pv_test *t, struct pv_actor *parent)
{
	return pv_actor_clone(t, parent, 0);
}

struct pv_actor *pv_actor_thread(struct pv_test *t, struct pv_actor *parent)
{
	return pv_actor_clone(t, parent, CLONE_THREAD);
}

/* Its events are off before anybody can see that it is dead (kernel/exit.c do_exit()). */
void pv_actor_wait(struct pv_test *t, struct pv_actor *a)
{
	const struct timespec nap = {0, 100000};
	struct pollfd p = {.events = POLLIN};
	int status;

	if (a->reaper == getpid()) {
		if (waitpid(a->pid, &status, 0) != a->pid)
			pv_error(t, PV_BROKEN_SETUP, "waitpid: %s", strerrorname_np(errno));
		return;
	}
	if (a->reaper) {
		/* An orphan's zombie may stay as long as the case: only a pidfd tells. */
		p.fd = syscall(SYS_pidfd_open, a->pid, 0);
		if (p.fd < 0 && errno != ESRCH)
			pv_error(t, PV_BROKEN_SETUP, "pidfd_open: %s", strerrorname_np(errno));
		while (p.fd >= 0 && poll(&p, 1, -1) < 1)
			;
		close(p.fd);
		return;
	}
	while (!syscall(SYS_tgkill, a->pid, a->tid, 0))
		nanosleep(&nap, NULL);
}

/* The last steps after its answer: until it sleeps, and a moment for a preemption in the middle. */
void pv_act_settle(struct pv_actor *a)
{
	char path[64], stat[512], *state = NULL;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", (int)a->pid, (int)a->tid);
	for (int i = 0; i < 5000; i++) {
		if (pv_sys_file_read(path, stat, sizeof(stat)) > 0)
			state = strrchr(stat, ')');
		if (!state || state[2] == 'S')
			break;
		usleep(100);
	}
	usleep(500);
}

void pv_actor_end(struct pv_test *t, struct pv_actor *a)
{
	pv_act(t, a, a->reaper ? PV_ACT_EXIT : PV_ACT_EXIT_THREAD, 0);
	pv_actor_wait(t, a);
}

unsigned int pv_exec_slots(pid_t pid)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_BREAKPOINT,
				       .size = sizeof(attr),
				       .disabled = 1,
				       .exclude_kernel = 1,
				       .bp_type = HW_BREAKPOINT_X,
				       .bp_addr = (uintptr_t)pv_probe_other,
				       .bp_len = sizeof(long)};
	int fds[MAX_SLOTS];
	unsigned int n = 0;

	while (n < MAX_SLOTS) {
		fds[n] = pv_sys_perf_event_open(&attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (fds[n] < 0)
			break;
		n++;
	}
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
	return n;
}

struct perf_event_attr pv_calls_attr(struct pv_test *t)
{
	return pv_attr(t, pv_find_event(t, "tracepoint", "sys_enter_getppid"));
}

void pv_calls(uint64_t n)
{
	pv_sys_work(PV_WORK_GETPPID, n, NULL, 0);
}

long pv_read_raw(struct pv_ev *ev, void *buf, size_t size)
{
	return pv_sys_read(ev->fd, buf, size);
}

/*
 * With an event that is not inherited the contexts of parent and child are never equal and never
 * change hands at a switch (perf_event_context_sched_out()).
 */
void pv_tell_apart(struct pv_test *t, pid_t pid)
{
	struct perf_event_attr attr = pv_dummy;

	pv_open(t, &attr, pid, -1, NULL, 0);
}

void pv_act_work(struct pv_test *t, struct pv_actor *a, const struct pv_event_desc *e, uint64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%p", (const void *)e);
	pv_act_text(t, a, PV_ACT_WORK, n, text);
}
