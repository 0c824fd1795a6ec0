/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/hw_breakpoint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/sys.h"
#include "runner/agent/needs.h"

static bool root(char *why, size_t size)
{
	snprintf(why, size, "needs root: run as root");
	return geteuid() == 0;
}

static bool cpus2(char *why, size_t size)
{
	snprintf(why, size, "needs two CPUs online: in a guest add --smp 2");
	return sysconf(_SC_NPROCESSORS_ONLN) >= 2;
}

static bool tracefs(char *why, size_t size)
{
	char id[16];

	snprintf(why, size, "needs tracefs: mount -t tracefs tracefs /sys/kernel/tracing");
	return pv_sys_file_read("/sys/kernel/tracing/events/sched/sched_switch/id", id,
				sizeof(id)) > 0;
}

static bool watchpoints(char *why, size_t size)
{
	struct perf_event_attr attr = {.type = PERF_TYPE_BREAKPOINT,
				       .size = sizeof(attr),
				       .disabled = 1,
				       .exclude_kernel = 1,
				       .bp_type = HW_BREAKPOINT_W,
				       .bp_addr = (uintptr_t)pv_watch_place(),
				       .bp_len = 4};
	long fd = pv_sys_perf_event_open(&attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	snprintf(why, size, "needs data breakpoints: %s", fd < 0 ? strerrorname_np(-fd) : "");
	if (fd >= 0)
		pv_sys_close(fd);
	return fd >= 0;
}

static bool modify(char *why, size_t size)
{
	snprintf(why, size, "needs PERF_EVENT_IOC_MODIFY_ATTRIBUTES in the build's header");
#ifdef PERF_EVENT_IOC_MODIFY_ATTRIBUTES
	return true;
#else
	return false;
#endif
}

/* The agent is this machine's init: nobody else lives here. */
static bool guest(char *why, size_t size)
{
	char init[256], self[256];
	ssize_t a = readlink("/proc/1/exe", init, sizeof(init));
	ssize_t b = readlink("/proc/self/exe", self, sizeof(self));

	snprintf(why, size, "takes CPUs offline: run it in a guest (--platform)");
	return a > 0 && a == b && !memcmp(init, self, a);
}

static const struct {
	const char *word;
	bool (*there)(char *why, size_t size);
	enum pv_kind kind;
} words[] = {
	{"root", root, PV_DENIED},           {"cpus2", cpus2, PV_ABSENT},
	{"tracefs", tracefs, PV_CONFIG_OFF}, {"watchpoints", watchpoints, PV_ABSENT},
	{"modify", modify, PV_TOO_OLD},      {"guest", guest, PV_DENIED},
};

static int check_pmu(struct pv_needs *n, const struct pv_pmu *pmu, char *why, size_t size)
{
	size_t i = pmu - pv_pmus;

	if (i >= sizeof(n->pmu) / sizeof(n->pmu[0]))
		return pv_pmu_probe(pmu, why, size);
	if (!n->pmu[i].asked) {
		n->pmu[i].asked = true;
		n->pmu[i].err = pv_pmu_probe(pmu, n->pmu[i].why, sizeof(n->pmu[i].why));
	}
	snprintf(why, size, "%s", n->pmu[i].why);
	return n->pmu[i].err;
}

int pv_needs_check(struct pv_needs *n, const struct pv_case *c, enum pv_kind *kind, char *why,
		   size_t size)
{
	const char *p = c->needs;
	int err = check_pmu(n, c->pmu, why, size);

	if (err) {
		*kind = err == -EACCES || err == -EPERM ? PV_DENIED : PV_ABSENT;
		return PV_NEED_PMU;
	}
	while (*p) {
		size_t len = strcspn(p, " ");

		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (strlen(words[i].word) != len || strncmp(words[i].word, p, len))
				continue;
			if (!words[i].there(why, size)) {
				*kind = words[i].kind;
				return PV_NEED_OTHER;
			}
		}
		p += len + (p[len] == ' ');
	}
	why[0] = 0;
	return 0;
}
