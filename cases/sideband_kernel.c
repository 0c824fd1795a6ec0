/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of what happens in the kernel for a task: BPF programs that come and go (BPF_EVENT,
 * KSYMBOL), new control groups (CGROUP), code that is changed (TEXT_POKE). kernel/events/core.c.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cases/lib/sideband.h"
#include "cases/lib/sys.h"

/* ---- BPF ---- */

/* A socket filter that returns `value`: its fd. */
static int load_filter(struct pv_test *t, const char *name, int32_t value)
{
	const struct bpf_insn code[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = value},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr;
	int fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SOCKET_FILTER;
	attr.insns = (uintptr_t)code;
	attr.insn_cnt = 2;
	attr.license = (uintptr_t) "GPL";
	snprintf(attr.prog_name, sizeof(attr.prog_name), "%s", name);
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	if (fd < 0)
		pv_skip(t, errno == ENOSYS ? PV_CONFIG_OFF : PV_DENIED, "bpf(BPF_PROG_LOAD): %s",
			strerrorname_np(errno));
	return fd;
}

struct program {
	uint32_t id, jited_len;
	uint64_t addr;
	uint8_t tag[BPF_TAG_SIZE];
	char symbol[128];
};

static struct program ask_program(struct pv_test *t, int fd, const char *name)
{
	struct bpf_prog_info info;
	struct program p = {0};
	union bpf_attr attr;
	int n;

	memset(&info, 0, sizeof(info));
	info.nr_jited_ksyms = 1;
	info.jited_ksyms = (uintptr_t)&p.addr;
	memset(&attr, 0, sizeof(attr));
	attr.info.bpf_fd = fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	if (syscall(SYS_bpf, BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)))
		pv_error(t, PV_BROKEN_SETUP, "BPF_OBJ_GET_INFO_BY_FD: %s", strerrorname_np(errno));
	p.id = info.id;
	p.jited_len = info.jited_prog_len;
	memcpy(p.tag, info.tag, sizeof(p.tag));
	n = snprintf(p.symbol, sizeof(p.symbol), "bpf_prog_");
	for (unsigned int i = 0; i < sizeof(p.tag); i++)
		n += snprintf(p.symbol + n, sizeof(p.symbol) - n, "%02x", p.tag[i]);
	if (name[0])
		snprintf(p.symbol + n, sizeof(p.symbol) - n, "_%s", name);
	return p;
}

static void expect_bpf(struct pv_test *t, const char *what, const struct sb_log *log,
		       unsigned int nth, uint16_t type, const struct program *p,
		       const struct sb_who *who)
{
	const struct sb_rec *r = sb_find(log, PERF_RECORD_BPF_EVENT, nth);
	struct sb_check c = sb_begin(t, what, log, r, PERF_RECORD_BPF_EVENT, 0, 16, who);
	uint64_t tag;

	memcpy(&tag, p->tag, sizeof(tag));
	sb_is(&c, "type", sb_u16(r, 0), type);
	sb_is(&c, "flags", sb_u16(r, 2), 0);
	sb_is(&c, "id", sb_u32(r, 4), p->id);
	sb_is(&c, "tag", sb_u64(r, 8), tag);
	sb_end(&c);
}

static void expect_symbol(struct pv_test *t, const char *what, const struct sb_log *log,
			  unsigned int nth, uint16_t flags, const struct program *p,
			  const struct sb_who *who)
{
	const struct sb_rec *r = sb_find(log, PERF_RECORD_KSYMBOL, nth);
	struct sb_check c =
		sb_begin(t, what, log, r, PERF_RECORD_KSYMBOL, 0, 16 + sb_padded(p->symbol), who);

	if (p->addr)
		sb_is(&c, "addr", sb_u64(r, 0), p->addr);
	sb_is(&c, "len", sb_u32(r, 8), p->jited_len);
	sb_is(&c, "ksym_type", sb_u16(r, 12), PERF_RECORD_KSYMBOL_TYPE_BPF);
	sb_is(&c, "flags", sb_u16(r, 14), flags);
	sb_string(&c, r, 16, p->symbol);
	sb_end(&c);
}

PV_CASE(sideband, bpf, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about =
		"BPF_EVENT and KSYMBOL when a program is loaded and when it goes: type, id, tag; "
		"address, length, name of the compiled code, the flag for its end; each to the event "
		"that has the bit; none while it is off")
{
	static const char *const names[] = {"", "a", "six_ch", "pv_seven", "a_name_of_15_ch"};
	const unsigned int n = sizeof(names) / sizeof(names[0]);
	struct perf_event_attr attr = sb_attr();
	struct sb_who me = sb_self();
	struct pv_ev *programs, *symbols;
	struct sb_log *programs_log, *symbols_log;
	struct program p[5];
	int fd;

	attr.bpf_event = 1;
	programs = sb_open(t, &attr, 0, -1);
	attr.bpf_event = 0;
	attr.ksymbol = 1;
	symbols = sb_open(t, &attr, 0, -1);
	close(load_filter(t, "before", 1));
	for (unsigned int i = 0; i < n; i++) {
		pv_enable(t, programs);
		pv_enable(t, symbols);
		fd = load_filter(t, names[i], i);
		pv_disable(t, programs);
		pv_disable(t, symbols);
		p[i] = ask_program(t, fd, names[i]);
		pv_enable(t, programs);
		pv_enable(t, symbols);
		close(fd);
		pv_disable(t, programs);
		pv_disable(t, symbols);
	}
	programs_log = sb_take(t, programs);
	symbols_log = sb_take(t, symbols);
	pv_expect_eq(t, "records of programs", programs_log->n, 2 * n);
	for (unsigned int i = 0; i < n; i++) {
		expect_bpf(t, "program loaded", programs_log, 2 * i, PERF_BPF_EVENT_PROG_LOAD,
			   &p[i], &me);
		expect_bpf(t, "program unloaded", programs_log, 2 * i + 1,
			   PERF_BPF_EVENT_PROG_UNLOAD, &p[i], &me);
	}
	if (!p[0].jited_len) {
		pv_message(t, "no just-in-time compiler: no symbols");
		return;
	}
	pv_expect_eq(t, "records of symbols", symbols_log->n, 2 * n);
	for (unsigned int i = 0; i < n; i++) {
		expect_symbol(t, "symbol registered", symbols_log, 2 * i, 0, &p[i], &me);
		expect_symbol(t, "symbol unregistered", symbols_log, 2 * i + 1,
			      PERF_RECORD_KSYMBOL_FLAGS_UNREGISTER, &p[i], &me);
	}
}

/* ---- control groups ---- */

/* Where cgroup v2 is mounted, and which group is its root here. */
static void find_cgroups(struct pv_test *t, char at[256], char root[256])
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	static char line[4096];
	bool found = false;

	while (f && fgets(line, sizeof(line), f)) {
		char *type = strstr(line, " - ");

		if (!type || sscanf(line, "%*d %*d %*s %255s %255s", root, at) != 2)
			continue;
		if (!strncmp(type, " - cgroup2 ", 11)) {
			found = true;
			break;
		}
		if (!strncmp(type, " - cgroup ", 10) && strstr(type, "perf_event"))
			pv_skip(t, PV_CONFIG_OFF,
				"the perf_event controller is in a cgroup v1 hierarchy");
	}
	if (f)
		fclose(f);
	if (!found)
		pv_skip(t, PV_CONFIG_OFF, "no cgroup v2: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
	if (!strcmp(root, "/"))
		root[0] = 0;
}

/* Until somebody has changed cgroup.subtree_control of the root, new groups have no perf_event
 * controller: turned on and off again, any other one does that. */
static void wake_controllers(const char *at)
{
	char path[320], have[512] = "", now[512] = "", word[80];

	snprintf(path, sizeof(path), "%s/cgroup.controllers", at);
	pv_file_read(path, have, sizeof(have));
	snprintf(path, sizeof(path), "%s/cgroup.subtree_control", at);
	pv_file_read(path, now, sizeof(now));
	have[strcspn(have, " \n")] = 0;
	if (!have[0] || now[0])
		return;
	snprintf(word, sizeof(word), "+%.64s", have);
	pv_sys_file_write(path, word);
	word[0] = '-';
	pv_sys_file_write(path, word);
}

/* The 64 bits that name a group: its file handle. */
static uint64_t cgroup_id(struct pv_test *t, const char *path)
{
	struct {
		struct file_handle h;
		uint64_t words[MAX_HANDLE_SZ / 8];
	} f = {.h.handle_bytes = MAX_HANDLE_SZ};
	uint64_t id;
	int mount;

	if (name_to_handle_at(AT_FDCWD, path, &f.h, &mount, 0) || f.h.handle_bytes != 8)
		pv_error(t, PV_BROKEN_SETUP, "name_to_handle_at of a cgroup: %s",
			 strerrorname_np(errno));
	memcpy(&id, f.h.f_handle, sizeof(id));
	return id;
}

PV_CASE(sideband, cgroup, .pmu = "perf", .needs = "root", .proof = "kernel",
	.about = "a CGROUP for each new control group with its id and path, whatever the path's "
		 "length, also of one in another; none when one goes")
{
	struct perf_event_attr attr = sb_attr();
	struct sb_who me = sb_self();
	char at[256], root[256], path[1024], names[9][64];
	uint64_t ids[9];
	struct sb_log *log;
	struct pv_ev *ev;

	find_cgroups(t, at, root);
	wake_controllers(at);
	attr.cgroup = 1;
	ev = sb_open(t, &attr, 0, -1);
	for (int i = 0; i < 9; i++) {
		/* the last in the one before */
		snprintf(names[i], sizeof(names[i]), "pmuvet-%d-%.*s%s", getpid(), i < 8 ? i : 7,
			 "abcdefg", i == 8 ? "/in" : "");
		snprintf(path, sizeof(path), "%s/%s", at, names[i]);
		pv_enable(t, ev);
		if (mkdir(path, 0755))
			pv_skip(t, PV_DENIED, "mkdir %s: %s", path, strerrorname_np(errno));
		pv_disable(t, ev);
		ids[i] = cgroup_id(t, path);
	}
	pv_enable(t, ev);
	for (int i = 8; i >= 0; i--) {
		snprintf(path, sizeof(path), "%s/%s", at, names[i]);
		rmdir(path);
	}
	pv_disable(t, ev);
	log = sb_take(t, ev);
	pv_expect_eq(t, "records", log->n, 9);
	for (unsigned int i = 0; i < 9; i++) {
		const struct sb_rec *r = sb_find(log, PERF_RECORD_CGROUP, i);
		char what[32];
		struct sb_check c;

		snprintf(path, sizeof(path), "%s/%s", root, names[i]);
		snprintf(what, sizeof(what), "group %u", i);
		c = sb_begin(t, what, log, r, PERF_RECORD_CGROUP, 0, 8 + sb_padded(path), &me);
		sb_is(&c, "id", sb_u64(r, 0), ids[i]);
		sb_string(&c, r, 8, path);
		sb_end(&c);
	}
}
