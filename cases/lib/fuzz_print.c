/* SPDX-License-Identifier: GPL-2.0-only */
/* A sequence as a C program that needs nothing of pmuvet. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cases/lib/attr_rules.h"
#include "cases/lib/fuzz.h"

#define LINE(...) pv_message(t, "repro: " __VA_ARGS__)

static const char *const prelude[] = {
	"// cc -o repro repro.c && ./repro	(as root; tracefs at /sys/kernel/tracing)",
	"#define _GNU_SOURCE",
	"#include <errno.h>",
	"#include <limits.h>",
	"#include <linux/hw_breakpoint.h>",
	"#include <linux/perf_event.h>",
	"#include <poll.h>",
	"#include <stdint.h>",
	"#include <stdio.h>",
	"#include <stdlib.h>",
	"#include <string.h>",
	"#include <sys/ioctl.h>",
	"#include <sys/mman.h>",
	"#include <sys/prctl.h>",
	"#include <sys/syscall.h>",
	"#include <sys/wait.h>",
	"#include <unistd.h>",
	"",
	"static volatile uint32_t place[8] __attribute__((aligned(64)));",
	"static int fd[8], wrong;",
	"static void *map[8][2];",
	"static uint64_t word[64];",
	"",
	"static void want(int step, const char *what, long got, long due)",
	"{",
	"	if (got != due) {",
	"		wrong = 1;",
	"		printf(\"step %d: %s gave %ld, due is %ld\\n\", step, what, got, due);",
	"	}",
	"}",
	"",
	"static long ret(long r) { return r < 0 ? -errno : r; }",
	"static long ok(long r) { return r < 0 ? -errno : 0; }",
	"",
	"static uint64_t id(const char *name)",
	"{",
	"	char path[128], text[32] = \"\";",
	"	FILE *f;",
	"",
	"	snprintf(path, sizeof(path), \"/sys/kernel/tracing/events/%s/id\", name);",
	"	f = fopen(path, \"r\");",
	"	if (!f || !fgets(text, sizeof(text), f)) {",
	"		perror(path);",
	"		exit(2);",
	"	}",
	"	fclose(f);",
	"	return strtoull(text, NULL, 10);",
	"}",
	"",
	"static void aux_action(struct perf_event_attr *a, uint32_t bits) { memcpy((char *)a + 116, &bits, 4); }",
	"",
	"static void work(int slot, int kind, int n)",
	"{",
	"	for (int i = 0; i < n; i++) {",
	"		if (kind == 1)",
	"			syscall(SYS_getppid);",
	"		else if (kind == 2)",
	"			syscall(SYS_getuid);",
	"		else if (kind == 3)",
	"			place[slot] = i;",
	"	}",
	"}",
	"",
	"static int hangup_or_ready(int fd)",
	"{",
	"	struct pollfd p = {.fd = fd, .events = POLLIN};",
	"",
	"	poll(&p, 1, 0);",
	"	return p.revents;",
	"}",
	"",
	"int main(void)",
	"{",
	"	struct perf_event_attr attr, *a = &attr;",
	"	uint64_t period;",
	"	pid_t pid;",
	"",
	"	memset(fd, -1, sizeof(fd));",
};

static void print_attr(struct pv_test *t, const struct fz_world *w, const struct fz_step *s)
{
	static const char *const kinds[FZ_NR_KINDS] = {
		"a->type = PERF_TYPE_SOFTWARE; a->config = PERF_COUNT_SW_DUMMY;",
		"a->type = PERF_TYPE_TRACEPOINT; a->config = id(\"syscalls/sys_enter_getppid\");",
		"a->type = PERF_TYPE_TRACEPOINT; a->config = id(\"syscalls/sys_enter_getuid\");",
		"a->type = PERF_TYPE_BREAKPOINT; a->bp_type = HW_BREAKPOINT_W; "
		"a->bp_len = 4;"};
	struct fz_step plain = *s;
	struct perf_event_attr attr;

	plain.rule = 0;
	attr = fz_attr(w, &plain);
	LINE("	memset(a, 0, sizeof(*a));");
	LINE("	a->size = sizeof(*a); %s", kinds[s->rule ? FZ_DUMMY : s->kind]);
	if (!s->rule && s->kind == FZ_WATCH)
		LINE("	a->bp_addr = (uintptr_t)&place[%d];", s->slot);
	if (s->rule)
		LINE("	a->disabled = a->exclude_kernel = a->exclude_hv = 1;");
	LINE("	a->read_format = 0x%llx;", (unsigned long long)attr.read_format);
#define BIT(field)                                                                                 \
	if (attr.field)                                                                            \
	LINE("	a->" #field " = %llu;", (unsigned long long)attr.field)
	BIT(disabled);
	BIT(inherit);
	BIT(pinned);
	BIT(exclusive);
	BIT(use_clockid);
	BIT(clockid);
	BIT(sample_period);
	BIT(sample_type);
	BIT(wakeup_events);
#undef BIT
	if (s->rule)
		LINE("	%s;", pv_rules[s->rule - 1].c);
}

static void print_open(struct pv_test *t, const struct fz_world *w, const struct fz_model *m,
		       const struct fz_step *s, unsigned int k, long due)
{
	char group[32];

	snprintf(group, sizeof(group),
		 s->other == FZ_NONE    ? "-1"
		 : m->ev[s->other].open ? "fd[%d]"
					: "1 << 20",
		 s->other);
	print_attr(t, w, s);
	LINE("	fd[%d] = syscall(SYS_perf_event_open, a, 0, -1, %s, PERF_FLAG_FD_CLOEXEC%s%s);",
	     s->slot, group, s->flags & FZ_NO_GROUP ? " | PERF_FLAG_FD_NO_GROUP" : "",
	     s->flags & FZ_FD_OUTPUT ? " | PERF_FLAG_FD_OUTPUT" : "");
	LINE("	want(%u, \"open\", ok(fd[%d]), %ld);", k, s->slot, due);
	if (s->rule)
		LINE("	close(fd[%d]), fd[%d] = -1;", s->slot, s->slot);
}

static void print_read(struct pv_test *t, const struct fz_model *m, const struct fz_step *s,
		       unsigned int k, long due)
{
	unsigned int n, entry = 2 + !!m->lost_format;
	int members[FZ_SLOTS];

	LINE("	want(%u, \"read\", ret(read(fd[%d], word, %u)), %ld);", k, s->slot,
	     due < 0 ? fz_read_size(m, s->slot) - 1 : (unsigned int)due, due);
	if (due < 0)
		return;
	n = m->ev[s->slot].format ? fz_members(m, s->slot, members) : 1;
	for (unsigned int i = 0; i < n; i++) {
		const struct fz_ev *e = &m->ev[m->ev[s->slot].format ? members[i] : s->slot];
		unsigned int at = m->ev[s->slot].format ? 3 + i * entry : 0;
		unsigned int lost = m->ev[s->slot].format ? at + 2 : 4;

		LINE("	want(%u, \"count of member %u\", word[%u], %llu);", k, i, at,
		     (unsigned long long)(e->count + e->child));
		if (m->lost_format && !e->lost_unknown)
			LINE("	want(%u, \"lost of member %u\", word[%u], %llu);", k, i, lost,
			     (unsigned long long)e->lost);
	}
}

static void print_ioctl(struct pv_test *t, const struct fz_step *s, unsigned int k, long due,
			const char *name, const char *arg)
{
	LINE("	want(%u, \"%s\", ret(ioctl(fd[%d], PERF_EVENT_IOC_%s, %s)), %ld);", k, name,
	     s->slot, name, arg, due);
}

static void print_step(struct pv_test *t, const struct fz_world *w, struct fz_model *m,
		       const struct fz_step *s, unsigned int k)
{
	static const char *const switches[FZ_NR_OPS] = {
		[FZ_ENABLE] = "ENABLE",   [FZ_DISABLE] = "DISABLE",    [FZ_RESET] = "RESET",
		[FZ_REFRESH] = "REFRESH", [FZ_PAUSE] = "PAUSE_OUTPUT",
	};
	struct fz_model before = *m;
	struct fz_due due = fz_predict(m, s);
	const struct fz_ev *old = &before.ev[s->slot];
	char arg[32];

	if (due.skip)
		return;
	snprintf(arg, sizeof(arg), "%u",
		 s->op == FZ_REFRESH || s->op == FZ_PAUSE ? s->n : s->flags & FZ_GROUP);
	if (switches[s->op]) {
		print_ioctl(t, s, k, due.ret, switches[s->op], arg);
	} else if (s->op == FZ_OPEN) {
		print_open(t, w, &before, s, k, due.ret);
	} else if (s->op == FZ_READ) {
		print_read(t, m, s, k, due.ret);
	} else if (s->op == FZ_PERIOD) {
		LINE("	period = %u%s;", s->n, s->flags & FZ_TOP ? " | 1ull << 63" : "");
		print_ioctl(t, s, k, due.ret, "PERIOD", "&period");
	} else if (s->op == FZ_OUTPUT) {
		/* The kernel compares with a long. */
		snprintf(arg, sizeof(arg),
			 s->other == FZ_NONE        ? "-1L"
			 : before.ev[s->other].open ? "fd[%d]"
						    : "1 << 20",
			 s->other);
		print_ioctl(t, s, k, due.ret, "SET_OUTPUT", arg);
	} else if (s->op == FZ_MAP) {
		LINE("	map[%d][%d] = mmap(NULL, %u * sysconf(_SC_PAGESIZE), 3, MAP_SHARED, fd[%d], 0);",
		     s->slot, old->maps % FZ_MAPS, 1 + s->n, s->slot);
		LINE("	want(%u, \"mmap\", map[%d][%d] == MAP_FAILED ? -errno : 0, %ld);", k,
		     s->slot, old->maps % FZ_MAPS, due.ret);
	} else if (s->op == FZ_UNMAP || s->op == FZ_CLOSE) {
		for (int i = old->maps - 1; i >= 0; i--) {
			LINE("	munmap(map[%d][%d], %llu);", s->slot, i,
			     (unsigned long long)(before.ring[s->slot].size + m->page));
			if (s->op == FZ_UNMAP)
				break;
		}
		if (s->op == FZ_CLOSE)
			LINE("	want(%u, \"close\", ret(close(fd[%d])), %ld); fd[%d] = -1;", k,
			     s->slot, due.ret, s->slot);
	} else if (s->op == FZ_POLL) {
		LINE("	want(%u, \"poll\", hangup_or_ready(fd[%d]), %ld);", k, s->slot, due.ret);
	} else if (s->op == FZ_DRAIN) {
		LINE("	want(%u, \"data_head\", ((struct perf_event_mmap_page *)map[%d][0])->data_head, %llu);",
		     k, s->slot, (unsigned long long)m->ring[s->slot].head);
		LINE("	((struct perf_event_mmap_page *)map[%d][0])->data_tail = %llu;", s->slot,
		     (unsigned long long)m->ring[s->slot].head);
		m->ring[s->slot].tail = m->ring[s->slot].head;
	} else if (s->op == FZ_WORK) {
		LINE("	work(%d, %u, %u);", s->slot, s->kind, s->n);
	} else if (s->op == FZ_FORK) {
		LINE("	pid = fork(); if (!pid) { work(%d, %u, %u); _exit(0); } waitpid(pid, NULL, 0);",
		     s->slot, s->kind, s->n);
	} else {
		LINE("	want(%u, \"prctl\", ret(prctl(PR_TASK_PERF_EVENTS_%s)), 0);", k,
		     s->n ? "ENABLE" : "DISABLE");
	}
}

void fz_print(struct pv_test *t, const struct fz_world *w, const struct fz_step *steps,
	      unsigned int n)
{
	static struct fz_model m;

	fz_model_init(&m, w);
	for (size_t i = 0; i < sizeof(prelude) / sizeof(prelude[0]); i++)
		LINE("%s", prelude[i]);
	for (unsigned int i = 0; i < n; i++) {
		if (steps[i].op != FZ_FORK)
			continue;
		LINE("	// not inherited: keeps parent and child from swapping their events");
		LINE("	memset(a, 0, sizeof(*a)); a->type = PERF_TYPE_SOFTWARE; a->config = PERF_COUNT_SW_DUMMY;");
		LINE("	a->size = sizeof(*a); a->disabled = 1;");
		LINE("	syscall(SYS_perf_event_open, a, 0, -1, -1, 0);");
		break;
	}
	for (unsigned int i = 0; i < n; i++)
		print_step(t, w, &m, &steps[i], i);
	/* The last look at everything. */
	for (int i = 0; i < FZ_SLOTS; i++) {
		struct fz_step look = {.op = FZ_READ, .slot = i};

		if (!m.ev[i].open)
			continue;
		print_step(t, w, &m, &look, n);
		look.op = FZ_DRAIN;
		print_step(t, w, &m, &look, n);
	}
	/* A short sequence does not use all. */
	LINE("	(void)period; (void)pid; (void)aux_action; (void)hangup_or_ready; (void)map; (void)id;");
	LINE("	(void)work; (void)word; (void)ret;");
	LINE("	puts(wrong ? \"wrong\" : \"as it should be\");");
	LINE("	return wrong;");
	LINE("}");
}
