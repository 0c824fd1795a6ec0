/* SPDX-License-Identifier: GPL-2.0-only */
/* What a run says about where it ran. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "arch/work.h"
#include "cases/lib/sys.h"
#include "cases/lib/test.h"
#include "runner/agent/engine.h"

static const char *arch_name(void)
{
#if defined(__x86_64__)
	return "x86_64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__i386__)
	return "i386";
#else
	return "arm";
#endif
}

static void kernel_facts(struct pv_json *j)
{
	char build_id[128], cmdline[4096] = "";
	struct utsname u;

	uname(&u);
	pv_note_build_id("/sys/kernel/notes", build_id, sizeof(build_id));
	pv_sys_file_read("/proc/cmdline", cmdline, sizeof(cmdline));
	cmdline[strcspn(cmdline, "\n")] = 0;
	pv_json_open(j, "kernel", '{');
	pv_json_text(j, "release", u.release);
	pv_json_text(j, "version", u.version);
	pv_json_text(j, "build_id", build_id);
	pv_json_text(j, "cmdline", cmdline);
	pv_json_close(j, '}');
}

static void descriptor_facts(struct pv_json *j, const struct pv_run_opts *o)
{
	pv_json_open(j, "descriptors", '{');
	for (size_t i = 0; i < pv_nr_pmus; i++) {
		const struct pv_pmu *p = &pv_pmus[i];

		if (!pv_pmu_active(o, p))
			continue;
		pv_json_open(j, p->family, '{');
		pv_json_text(j, "name", p->name);
		pv_json_text(j, "hash", p->hash);
		pv_json_close(j, '}');
	}
	pv_json_close(j, '}');
}

/* One kernel start has one: a stream that goes on under another one lost its machine in between. */
static const char *boot_id(char *buf, size_t size)
{
	if (pv_sys_file_read("/proc/sys/kernel/random/boot_id", buf, size) < 0)
		buf[0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return buf;
}

void pv_facts(struct pv_json *j, const struct pv_run_opts *o)
{
	time_t now = time(NULL);
	char text[512];
	struct tm tm;

	pv_json_int(j, "schema", 1);
	pv_json_text(j, "tool", PV_VERSION);
	pv_json_text(j, "platform", o->platform);
	pv_json_text(j, "arch", arch_name());
	pv_json_text(j, "accel", "native");
	pv_json_bool(j, "deterministic", o->deterministic);
	kernel_facts(j);
	pv_arch_cpu(text, sizeof(text));
	pv_json_text(j, "cpu", text);
	pv_json_text(j, "boot_id", boot_id(text, sizeof(text)));
	pv_json_int(j, "nr_cpus", sysconf(_SC_NPROCESSORS_ONLN));
	descriptor_facts(j, o);
	pv_json_int(j, "attr_size", pv_probe_attr_size());
	pv_json_int(j, "header_attr_size", sizeof(struct perf_event_attr));
	if (o->shuffle)
		pv_json_u64(j, "seed", o->seed);
	else
		pv_json_text(j, "seed", NULL);
	pv_json_int(j, "repeat", o->repeat);
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	pv_json_text(j, "start", text);
}
