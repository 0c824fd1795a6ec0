/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/bpf.h"
#include "cases/lib/sys.h"

static long bpf(int cmd, union bpf_attr *attr)
{
	long r = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	return r < 0 ? -errno : r;
}

static void skip_without(struct pv_test *t, long err)
{
	if (err == -ENOSYS)
		pv_skip(t, PV_CONFIG_OFF, "no bpf(2): needs CONFIG_BPF_SYSCALL");
	if (err == -EPERM)
		pv_skip(t, PV_DENIED, "bpf(2): EPERM: run as root, without lockdown");
}

int pv_bpf_map(struct pv_test *t, uint32_t type, uint32_t key, uint32_t value, uint32_t entries)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.map_type = type;
	attr.key_size = key;
	attr.value_size = value;
	attr.max_entries = entries;
	fd = bpf(BPF_MAP_CREATE, &attr);
	skip_without(t, fd);
	if (fd < 0)
		pv_fail(t, "a BPF map of type %u: %s", type, strerrorname_np(-fd));
	return fd;
}

int pv_bpf_prog(struct pv_test *t, uint32_t type, const struct bpf_insn *insns, uint32_t n)
{
	static char log[16384];
	union bpf_attr attr;
	size_t len;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = type;
	attr.insns = (uintptr_t)insns;
	attr.insn_cnt = n;
	attr.license = (uintptr_t) "GPL";
	attr.log_buf = (uintptr_t)log;
	attr.log_size = sizeof(log);
	attr.log_level = 1;
	fd = bpf(BPF_PROG_LOAD, &attr);
	skip_without(t, fd);
	if (fd < 0) {
		len = strlen(log);
		pv_message(t, "%s", len > 300 ? log + len - 300 : log);
		if (fd == -EINVAL && !len)
			pv_skip(t, PV_CONFIG_OFF,
				"no BPF programs of type %u: needs CONFIG_BPF_EVENTS", type);
		pv_fail(t, "a BPF program of type %u: %s", type, strerrorname_np(-fd));
	}
	return fd;
}

/* The three commands have their pointers at the same places (union in the attr). */
static long element(int cmd, int map, const void *key, const void *value)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = map;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	return bpf(cmd, &attr);
}

long pv_bpf_get(int map, const void *key, void *value)
{
	return element(BPF_MAP_LOOKUP_ELEM, map, key, value);
}

long pv_bpf_set(int map, const void *key, const void *value)
{
	return element(BPF_MAP_UPDATE_ELEM, map, key, value);
}

long pv_bpf_next(int map, const void *key, void *next)
{
	return element(BPF_MAP_GET_NEXT_KEY, map, key, next);
}

struct perf_event_attr pv_bpf_getsid(struct pv_test *t)
{
	return pv_attr(t, pv_find_event(t, "tracepoint", "sys_enter_getsid"));
}

uint64_t pv_bpf_slot(struct pv_test *t, int map, uint32_t i)
{
	uint64_t value = 0;
	long err = pv_bpf_get(map, &i, &value);

	if (err)
		pv_error(t, PV_BROKEN_SETUP, "slot of a BPF array: %s", strerrorname_np(-err));
	return value;
}

uint32_t pv_bpf_id(struct pv_test *t, int prog)
{
	struct bpf_prog_info info;
	union bpf_attr attr;
	long err;

	memset(&info, 0, sizeof(info));
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = prog;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	err = bpf(BPF_OBJ_GET_INFO_BY_FD, &attr);
	if (err)
		pv_error(t, PV_BROKEN_SETUP, "id of a BPF program: %s", strerrorname_np(-err));
	return info.id;
}

long pv_bpf_link(int prog, int target, uint64_t cookie)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.link_create.prog_fd = prog;
	attr.link_create.target_fd = target;
	attr.link_create.attach_type = BPF_PERF_EVENT;
	attr.link_create.perf_event.bpf_cookie = cookie;
	return bpf(BPF_LINK_CREATE, &attr);
}
