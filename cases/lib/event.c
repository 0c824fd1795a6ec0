/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/work.h"
#include "arch/isa.h"
#include "cases/lib/sys.h"
#include "cases/lib/test.h"

#define SYSFS_PMUS "/sys/bus/event_source/devices"

static long read_number(const char *path, unsigned long long *value)
{
	char buf[64], *end;
	long n = pv_sys_file_read(path, buf, sizeof(buf));

	if (n < 0)
		return n;
	*value = strtoull(buf, &end, 0);
	return end == buf ? -EINVAL : 0;
}

static long sysfs_type(const char *sysfs, unsigned long long *type)
{
	char path[256];

	snprintf(path, sizeof(path), SYSFS_PMUS "/%s/type", sysfs);
	return read_number(path, type);
}

static long tracepoint_id(const char *name, unsigned long long *id)
{
	static const char *const roots[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
	char path[256];
	long err = -ENOENT;

	for (size_t i = 0; i < 2 && err; i++) {
		snprintf(path, sizeof(path), "%s/events/%s/id", roots[i], name);
		err = read_number(path, id);
	}
	return err;
}

int pv_pmu_probe(const struct pv_pmu *pmu, char *why, size_t size)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_HARDWARE,
				       .size = sizeof(attr),
				       .disabled = 1,
				       .exclude_kernel = 1};
	unsigned long long type;
	char vendor[16];
	long err = 0;

	why[0] = 0;
	pv_arch_vendor(vendor, sizeof(vendor));
	if (pmu->vendor && strcmp(pmu->vendor, vendor)) {
		snprintf(why, size, "the CPU is %s, this is a PMU of %s",
			 vendor[0] ? vendor : "another", pmu->vendor);
		return -ENODEV;
	}
	if (pmu->sysfs) {
		err = sysfs_type(pmu->sysfs, &type);
		if (err)
			snprintf(why, size, "%s/%s/type: %s", SYSFS_PMUS, pmu->sysfs,
				 strerrorname_np(-err));
	} else if (!strcmp(pmu->probe, "tracefs")) {
		err = tracepoint_id("sched/sched_switch", &type);
		if (err)
			snprintf(why, size, "no tracefs at /sys/kernel/tracing (mount it): %s",
				 strerrorname_np(-err));
	} else if (!strcmp(pmu->probe, "core")) {
		err = pv_sys_perf_event_open(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
		if (err >= 0)
			pv_sys_close(err);
		err = err < 0 ? err : 0;
		if (err)
			snprintf(why, size, "no core PMU: cycles gives %s", strerrorname_np(-err));
	}
	return err;
}

uint32_t pv_probe_attr_size(void)
{
	/* A tail that no kernel knows: refused with E2BIG, and the kernel writes its own size. */
	union {
		struct perf_event_attr attr;
		uint64_t word[64];
	} u = {.attr = {.type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY}};
	long fd;

	u.attr.size = sizeof(u);
	u.word[63] = 1;
	fd = pv_sys_perf_event_open(&u.attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd >= 0)
		pv_sys_close(fd);
	return fd == -E2BIG ? u.attr.size : 0;
}

/* Offset of a function of this program in its file, for uprobes. */
struct find_offset {
	uintptr_t addr;
	uint64_t offset;
};

static int find_offset(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct find_offset *f = arg;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + ph->p_vaddr;

		if (ph->p_type == PT_LOAD && f->addr >= start && f->addr < start + ph->p_filesz) {
			f->offset = f->addr - start + ph->p_offset;
			return 1;
		}
	}
	return 0;
}

static uint64_t own_offset(void (*fn)(void))
{
	struct find_offset f = {.addr = (uintptr_t)fn};

	dl_iterate_phdr(find_offset, &f);
	return f.offset;
}

static void resolve(struct pv_test *t, const struct pv_event_desc *e, struct perf_event_attr *attr)
{
	const char *sysfs = t->c->pmu->sysfs;
	unsigned long long number;
	long err;

	if (e->type == PV_TYPE_SYSFS) {
		/* An event of another family (pv_find_event) carries its PMU's directory in its
		 * tables. */
		for (size_t i = 0; i < pv_nr_pmus; i++) {
			const struct pv_pmu *p = &pv_pmus[i];

			if (e >= p->events && e < p->events + p->nr_events)
				sysfs = p->sysfs;
		}
		err = sysfs_type(sysfs, &number);
		if (err)
			pv_skip(t, PV_ABSENT, "PMU %s is not in sysfs: %s", sysfs,
				strerrorname_np(-err));
		attr->type = number;
	}
	if (e->tracepoint) {
		err = tracepoint_id(e->tracepoint, &number);
		if (err)
			pv_skip(t, PV_CONFIG_OFF, "tracepoint %s: %s (is tracefs mounted?)",
				e->tracepoint, strerrorname_np(-err));
		attr->config = number;
	}
	if (e->kfunc) {
		attr->kprobe_func = (uintptr_t)e->kfunc;
		attr->probe_offset = 0;
	}
	if (e->uprobe) {
		attr->uprobe_path = (uintptr_t) "/proc/self/exe";
		attr->probe_offset = own_offset(pv_probe_target);
	}
}

struct perf_event_attr pv_attr(struct pv_test *t, const struct pv_event_desc *e)
{
	struct perf_event_attr attr = {
		.type = e->type,
		.size = sizeof(attr),
		.config = e->config,
		.config1 = e->config1,
		.config2 = e->config2,
		.disabled = 1,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING |
			       PERF_FORMAT_ID,
	};

	pv_sys_work_prepare(e->work);
	resolve(t, e, &attr);
	if (e->bp_type) {
		attr.bp_type = e->bp_type;
		attr.bp_len = e->bp_len ? e->bp_len : pv_isa_exec_len();
		attr.bp_addr = e->work == PV_WORK_CALL ? (uintptr_t)pv_probe_target
						       : (uintptr_t)pv_watch_place();
	}
	return attr;
}

const struct pv_event_desc *pv_find_event(struct pv_test *t, const char *family, const char *name)
{
	for (size_t i = 0; i < pv_nr_pmus; i++) {
		if (strcmp(pv_pmus[i].family, family))
			continue;
		for (size_t k = 0; k < pv_pmus[i].nr_events; k++) {
			const struct pv_event_desc *e = &pv_pmus[i].events[k];

			if (!strcmp(e->name, name) && (e->arch & t->c->arch))
				return e;
		}
	}
	pv_error(t, PV_BROKEN_SETUP, "no event %s in any descriptor of family %s", name, family);
}

int pv_try_open(struct pv_test *t, struct perf_event_attr *attr, pid_t pid, int cpu, int group_fd,
		unsigned long flags)
{
	(void)t;
	if (attr->type == PERF_TYPE_SOFTWARE && (attr->config == PERF_COUNT_SW_PAGE_FAULTS ||
						 attr->config == PERF_COUNT_SW_PAGE_FAULTS_MIN))
		pv_sys_work_prepare(PV_WORK_TOUCH);
	return pv_sys_perf_event_open(attr, pid, cpu, group_fd, flags | PERF_FLAG_FD_CLOEXEC);
}

const struct perf_event_attr pv_dummy = {
	.type = PERF_TYPE_SOFTWARE,
	.size = sizeof(pv_dummy),
	.config = PERF_COUNT_SW_DUMMY,
	.disabled = 1,
	.exclude_kernel = 1,
	.exclude_hv = 1,
};

void pv_skip_denied(struct pv_test *t, long err)
{
	if ((err == -EACCES || err == -EPERM) && !pv_sys_privileged())
		pv_skip(t, PV_DENIED,
			"perf_event_open: %s: run as root or lower kernel.perf_event_paranoid",
			strerrorname_np(-err));
}

long pv_outcome(struct pv_test *t, void *attr, pid_t pid, int cpu, int group_fd,
		unsigned long flags)
{
	long fd = pv_sys_perf_event_open(attr, pid, cpu, group_fd, flags);

	pv_skip_denied(t, fd);
	if (fd < 0)
		return fd;
	pv_sys_close(fd);
	return 0;
}

struct pv_ev *pv_open(struct pv_test *t, const struct perf_event_attr *attr, pid_t pid, int cpu,
		      struct pv_ev *leader, unsigned long flags)
{
	struct pv_ev *ev = calloc(1, sizeof(*ev));

	if (!ev)
		pv_error(t, PV_BROKEN_SETUP, "out of memory");
	ev->attr = *attr;
	ev->leader = leader;
	ev->fd = pv_try_open(t, &ev->attr, pid, cpu, leader ? leader->fd : -1, flags);
	pv_skip_denied(t, ev->fd);
	if (ev->fd < 0)
		pv_fail(t,
			"perf_event_open(type %u, config 0x%llx, pid %d, cpu %d%s) gave %s, not an event",
			attr->type, (unsigned long long)attr->config, (int)pid, cpu,
			leader ? ", in a group" : "", strerrorname_np(-ev->fd));
	ev->next = t->events;
	t->events = ev;
	return ev;
}

/* A disabled dummy that any event may join. */
static struct pv_ev *open_dummy(struct pv_test *t, pid_t pid, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING |
			       PERF_FORMAT_ID,
	};

	return pv_open(t, &attr, pid, cpu, NULL, 0);
}

struct pv_ev *pv_open_mode(struct pv_test *t, const struct perf_event_attr *base)
{
	struct perf_event_attr attr = *base;
	struct pv_ev *leader = NULL;
	pid_t pid = 0;
	int cpu = -1;

	switch (t->c->mode) {
	case PV_MODE_GROUP:
		leader = pv_open(t, base, 0, -1, NULL, 0);
		break;
	case PV_MODE_SW_LEADER:
		leader = open_dummy(t, 0, -1);
		break;
	case PV_MODE_INHERIT:
		attr.inherit = 1;
		break;
	case PV_MODE_PINNED:
		attr.pinned = 1;
		break;
	case PV_MODE_EXCLUSIVE:
		attr.exclusive = 1;
		break;
	case PV_MODE_TASK_CPU:
		cpu = t->cpu;
		break;
	case PV_MODE_CPU:
		pid = -1;
		cpu = t->cpu;
		break;
	case PV_MODE_EXCLUDE_USER:
		attr.exclude_user = 1;
		break;
	case PV_MODE_EXCLUDE_KERNEL:
		attr.exclude_kernel = 1;
		break;
	case PV_MODE_EXCLUDE_HV:
		attr.exclude_hv = 1;
		break;
	case PV_MODE_EXCLUDE_IDLE:
		attr.exclude_idle = 1;
		break;
	case PV_MODE_SINGLE:
	case PV_MODE_NR:
		break;
	}
	/* A sibling follows its leader's switch: it is itself enabled from the start. */
	if (leader)
		attr.disabled = 0;
	return pv_open(t, &attr, pid, cpu, leader, 0);
}

struct pv_ev *pv_open_case(struct pv_test *t)
{
	struct perf_event_attr attr = pv_attr(t, t->c->event);

	return pv_open_mode(t, &attr);
}

int pv_fd(const struct pv_ev *ev)
{
	return ev->fd;
}

struct pv_ev *pv_leader(struct pv_ev *ev)
{
	return ev->leader ? ev->leader : ev;
}

void pv_close(struct pv_test *t, struct pv_ev *ev)
{
	for (struct pv_ev **p = &t->events; *p; p = &(*p)->next) {
		if (*p == ev) {
			*p = ev->next;
			break;
		}
	}
	if (ev->page)
		pv_sys_munmap(ev->page, (1 + ev->data_pages) * (size_t)sysconf(_SC_PAGESIZE));
	pv_sys_close(ev->fd);
	free(ev);
}

int pv_ioctl(struct pv_ev *ev, unsigned long request, unsigned long arg)
{
	return pv_sys_ioctl(ev->fd, request, arg);
}

static void must_ioctl(struct pv_test *t, struct pv_ev *ev, unsigned long request, const char *name)
{
	struct pv_ev *leader = pv_leader(ev);
	int err = pv_ioctl(leader, request, leader != ev ? PERF_IOC_FLAG_GROUP : 0);

	if (err)
		pv_fail(t, "ioctl %s: %s", name, strerrorname_np(-err));
}

void pv_enable(struct pv_test *t, struct pv_ev *ev)
{
	must_ioctl(t, ev, PERF_EVENT_IOC_ENABLE, "PERF_EVENT_IOC_ENABLE");
}

void pv_disable(struct pv_test *t, struct pv_ev *ev)
{
	must_ioctl(t, ev, PERF_EVENT_IOC_DISABLE, "PERF_EVENT_IOC_DISABLE");
}

void pv_reset(struct pv_test *t, struct pv_ev *ev)
{
	must_ioctl(t, ev, PERF_EVENT_IOC_RESET, "PERF_EVENT_IOC_RESET");
}

static void must_read(struct pv_test *t, struct pv_ev *ev, uint64_t *buf, size_t size, size_t want)
{
	long n = pv_sys_read(ev->fd, buf, size);

	if (n < 0)
		pv_fail(t, "read of an event: %s", strerrorname_np(-n));
	if (!n)
		pv_fail(t, "read of an event gave 0 bytes: it is in error state");
	if (want && (size_t)n != want)
		pv_fail(t, "read of an event gave %ld bytes, its read_format has %zu", n, want);
}

struct pv_count pv_read(struct pv_test *t, struct pv_ev *ev)
{
	uint64_t format = ev->attr.read_format, buf[8], *p = buf;
	struct pv_count c = {0};
	size_t words = 1 + __builtin_popcountll(format & ~(uint64_t)PERF_FORMAT_GROUP);

	if (format & PERF_FORMAT_GROUP) {
		struct pv_group group;

		pv_read_group(t, ev, &group);
		c = group.member[0];
		c.enabled = group.enabled;
		c.running = group.running;
		return c;
	}
	must_read(t, ev, buf, sizeof(buf), words * 8);
	c.value = *p++;
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED)
		c.enabled = *p++;
	if (format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		c.running = *p++;
	if (format & PERF_FORMAT_ID)
		c.id = *p++;
	if (format & PERF_FORMAT_LOST)
		c.lost = *p++;
	return c;
}

void pv_read_group(struct pv_test *t, struct pv_ev *leader, struct pv_group *group)
{
	uint64_t format = leader->attr.read_format;
	uint64_t buf[3 + 3 * PV_GROUP_MAX], *p = buf;
	size_t head = 1 + !!(format & PERF_FORMAT_TOTAL_TIME_ENABLED) +
		      !!(format & PERF_FORMAT_TOTAL_TIME_RUNNING);
	size_t each = 1 + !!(format & PERF_FORMAT_ID) + !!(format & PERF_FORMAT_LOST);

	memset(group, 0, sizeof(*group));
	buf[0] = 0;
	must_read(t, leader, buf, sizeof(buf), 0);
	group->nr = *p++;
	if (group->nr > PV_GROUP_MAX || head + group->nr * each > sizeof(buf) / 8)
		pv_fail(t, "a group read says it has %llu members", (unsigned long long)group->nr);
	if (format & PERF_FORMAT_TOTAL_TIME_ENABLED)
		group->enabled = *p++;
	if (format & PERF_FORMAT_TOTAL_TIME_RUNNING)
		group->running = *p++;
	for (size_t i = 0; i < group->nr; i++) {
		group->member[i].value = *p++;
		if (format & PERF_FORMAT_ID)
			group->member[i].id = *p++;
		if (format & PERF_FORMAT_LOST)
			group->member[i].lost = *p++;
	}
}
