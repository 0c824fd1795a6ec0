/* SPDX-License-Identifier: GPL-2.0-only */
/* The splat parser's parts. What it makes of whole logs: tests/cli/test_crash.py. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "results/splat_private.h"
#include "runner/agent/kmsg.h"

/* ---- the table ---- */

/* A line that the pattern must match: its literals, and something for each conversion. */
static void example(char *dst, size_t size, const char *words)
{
	size_t out = 0;

	for (; *words && out + 32 < size; words++) {
		if (*words != '%') {
			dst[out++] = *words;
			continue;
		}
		switch (*++words) {
		case 'd':
		case 'c':
		case 'p':
			out += sprintf(dst + out, "7");
			break;
		case 'x':
			out += sprintf(dst + out, "0x1f");
			break;
		case 'f':
			out += sprintf(dst + out, "zz_func+0x1/0x2");
			break;
		case 's':
			out += sprintf(dst + out, "zz.word");
			break;
		case 't':
			out += sprintf(dst + out, "zz/0:1 a");
			break;
		case 'l':
			out += sprintf(dst + out, "zz rest");
			break;
		default: /* %* may be nothing; %e */
			break;
		}
	}
	dst[out] = 0;
}

/* Each row is there for lines that no row before it takes. */
static void every_row_matches_its_own_words(void **state)
{
	struct pv_scan *scan = pv_scan_new();

	(void)state;
	for (size_t i = 0; i < pv_nr_splat_classes; i++) {
		const struct pv_splat_class *c = &pv_splat_classes[i];
		struct pv_splat_match m = {.class = NULL};
		char line[512];

		example(line, sizeof(line), c->words);
		if (!pv_splat_match(line, strlen(line), c->flags & PV_XEN, &m))
			fail_msg("'%s' does not match '%s'", c->words, line);
		if (m.class != c && strcmp(m.class->name, c->name))
			fail_msg("'%s' (%s) is taken by '%s' (%s)", c->words, c->name,
				 m.class->words, m.class->name);
		if (pv_scan_next(scan, line, 0, strlen(line)) == strlen(line))
			fail_msg("the scanner passes over '%s'", line);
		/* Neither the hypervisor's words in the kernel's lines, nor the other way. */
		if (pv_splat_match(line, strlen(line), !(c->flags & PV_XEN), &m))
			assert_string_not_equal(m.class->name, c->name);
	}
	pv_scan_free(scan);
}

static void a_title_has_the_captures_that_its_words_have(void **state)
{
	(void)state;
	for (size_t i = 0; i < pv_nr_splat_classes; i++) {
		const struct pv_splat_class *c = &pv_splat_classes[i];
		struct pv_splat_match m;
		char line[512];

		example(line, sizeof(line), c->words);
		assert_true(pv_splat_match(line, strlen(line), c->flags & PV_XEN, &m));
		for (const char *t = c->title; t && (t = strchr(t, '%')); t++) {
			const char *n = t + 1 + (t[1] == 'M' || t[1] == 'R');

			if (t[1] != 'F' && t[1] != 'A' && (*n < '1' || *n > '0' + (int)m.nr) &&
			    m.class == c)
				fail_msg("'%s' has no capture for '%s'", c->words, c->title);
		}
		for (const char *t = c->alt; t && (t = strchr(t, '%')); t++)
			assert_true(t[1] == 'F' || t[1] == 'A' ||
				    (t[1] >= '1' && t[1] <= '0' + (int)m.nr));
		assert_true(!c->alt || strcmp(c->alt, c->title));
		if (c->from == PV_FROM_LINE && m.class == c)
			assert_non_null(pv_splat_capture(&m, 'f'));
		if (c->from != PV_FROM_NOTHING && c->title)
			assert_non_null(strstr(c->title, "%F"));
	}
}

static const char *class_of(const char *line)
{
	struct pv_splat_match m;

	return pv_splat_match(line, strlen(line), false, &m) ? m.class->name : NULL;
}

static void what_is_no_splat_has_no_class(void **state)
{
	static const char *const lines[] = {
		"",
		"BUG",
		"kernel: BUG",
		"systemd[1]: Reached target Oops",
		"warning: something",
		"WARNING",
		"traps: perf[12] general protection fault ip:7f sp:7f error:0 in libc.so",
		"perf[12]: segfault at 0 ip 0000 sp 0000 error 4 in perf",
		"INFO: task",
		"INFO: rcu",
		"NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
		"perf: something took too long",
		"Kernel command line: panic=-1 oops=panic",
		"not a Kernel panic - not syncing: at all",
		"hung_task: info",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		if (class_of(lines[i]))
			fail_msg("'%s' is taken for %s", lines[i], class_of(lines[i]));
	}
}

static void patterns(void **state)
{
	struct pv_splat_match m;
	const char *line = "task kworker/0:1:123 blocked in I/O wait for more than 120 s";

	(void)state;
	assert_true(pv_splat_pattern("task %t:%p blocked%*for more than %d s%e", line, strlen(line),
				     &m));
	assert_int_equal(m.nr, 4);
	assert_int_equal(m.cap[0].len, strlen("kworker/0:1"));
	assert_memory_equal(m.cap[1].at, "123", 3);
	assert_false(pv_splat_pattern("task %d", line, strlen(line), &m));
	assert_false(pv_splat_pattern("a%e", "ab", 2, &m));
	assert_true(pv_splat_pattern("%x", "0xffff", 6, &m));
	assert_int_equal(m.cap[0].len, 6);
	assert_true(pv_splat_pattern("at %f!", "at f+0x1/0x2 [mod]!", 19, &m));
	assert_int_equal(m.cap[0].len, 1);
	assert_false(pv_splat_pattern("long", "lon", 3, &m));
}

/* ---- lines ---- */

static struct pv_line line_of(const char *text)
{
	static char buf[PV_LOG_LINE];
	struct pv_line l = {.start = 0};

	pv_line_next(buf, pv_line_clean(buf, text, strlen(text)), &l);
	return l;
}

static void prefixes_are_taken_off(void **state)
{
	static const struct {
		const char *line, *text;
		bool kernel, foreign, xen, tag;
	} of[] = {
		{"plain text", "plain text", false, false, false, false},
		{"[   12.345678] text", "text", true, false, false, false},
		{"<4>[   12.345678] text", "text", true, false, false, false},
		{"[   12.345678][  T123]  text", " text", true, false, false, true},
		{"[   12.345678][    C1] text", "text", true, false, false, true},
		{"[   12.345678,1] text", "text", true, false, false, true},
		{"<6>[  1.234567]  [0:  swapper/0:    1] text", "text", true, false, false, true},
		{"[Sat Nov 28 13:25:01 2026] text", "text", true, false, false, false},
		{"Nov 28 13:25:01 host kernel: text", "text", true, false, false, false},
		{"Nov  8 13:25:01 host kernel: [   12.345678] text", "text", true, false, false,
		 false},
		{"Nov 28 13:25:01 host sshd[12]: text", "text", false, true, false, false},
		{"2026-11-28T13:25:01.5+00:00 host kernel: text", "text", true, false, false,
		 false},
		{"2026-11-28T13:25:01Z [   12.345678] text", "text", true, false, false, false},
		{"[   12.345678] host kernel: text", "text", true, false, false, false},
		{"<2>1 2026-11-28T13:25:01Z host kernel - - - text", "text", true, false, false,
		 false},
		{"13:25:01.123 [   12.345678] text", "text", true, false, false, false},
		{"> > [   12.345678] text", "text", true, false, false, false},
		{"(XEN) [2026-11-28 13:25:01.123] text", "text", true, false, true, false},
		{"(d3) [   12.345678] text", "text", true, false, false, false},
		{"kern  :warn  : [   12.345678] text", "text", true, false, false, false},
		{"\x1b[1;31m[   12.345678] text\x1b[0m\r", "text", true, false, false, false},
		{"[<ffffffff81234567>] func+0x1/0x2", "[<ffffffff81234567>] func+0x1/0x2", false,
		 false, false, false},
		{" <TASK>", " <TASK>", false, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		struct pv_line l = line_of(of[i].line);

		if (l.len != strlen(of[i].text) || memcmp(l.text, of[i].text, l.len))
			fail_msg("'%s' gives '%.*s'", of[i].line, (int)l.len, l.text);
		if (l.kernel != of[i].kernel || l.foreign != of[i].foreign || l.xen != of[i].xen ||
		    !!l.tag != of[i].tag)
			fail_msg("'%s': kernel %d foreign %d xen %d tag %llx", of[i].line, l.kernel,
				 l.foreign, l.xen, (unsigned long long)l.tag);
	}
}

static void callers_are_told_apart(void **state)
{
	(void)state;
	assert_true(line_of("[    1.000000][   T1] a").tag !=
		    line_of("[    1.000000][   C1] a").tag);
	assert_true(line_of("[    1.000000][   T1] a").tag !=
		    line_of("[    1.000000][   T2] a").tag);
	assert_true(line_of("[    1.000000][   T1] a").tag ==
		    line_of("[    2.000000][    T1] b").tag);
}

static void two_lines_in_one_are_two(void **state)
{
	const char *text = "[    1.000000] BUG: unab[    2.000000] eth0";
	struct pv_line l;
	size_t n = pv_line_next(text, strlen(text), &l);

	(void)state;
	assert_true(l.broken);
	assert_int_equal(l.len, strlen("BUG: unab"));
	assert_int_equal(pv_line_next(text + n, strlen(text) - n, &l), strlen(text) - n);
	assert_memory_equal(l.text, "eth0", 4);
	assert_int_equal(l.time, 2000);
}

/* ---- names ---- */

static void functions_lose_what_compilers_add(void **state)
{
	static const char *const of[][2] = {
		{"perf_release", "perf_release"},
		{"release_bp_slot.part.0", "release_bp_slot"},
		{"__sprint_symbol.isra.0", "__sprint_symbol"},
		{"a.constprop.0.isra.0", "a"},
		{"b.cold", "b"},
		{"c.llvm.123456789", "c"},
		{"gic_handle_irq.34215", "gic_handle_irq"},
		{"__do_sys_perf_event_open", "sys_perf_event_open"},
		{"__x64_sys_perf_event_open", "sys_perf_event_open"},
		{"__arm64_sys_perf_event_open", "sys_perf_event_open"},
		{"SyS_perf_event_open", "sys_perf_event_open"},
		{"__se_compat_sys_ppoll_time64", "sys_ppoll_time64"},
		{"__pfx_foo", "foo"},
		{"arch/x86/traps.c#do_trap", "do_trap"},
		{".hidden", ".hidden"},
	};
	char name[64];

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		pv_func_clean(name, sizeof(name), of[i][0], strlen(of[i][0]));
		assert_string_equal(name, of[i][1]);
	}
}

static void skipped_frames_are_skipped_by_kind(void **state)
{
	static const struct {
		const char *func;
		unsigned int kinds;
	} of[] = {
		{"dump_stack_lvl", PV_SKIP_REPORT},
		{"native_write_msr", PV_SKIP_REPORT},
		{"_RNvCs1a_7___rustc17rust_begin_unwind", PV_SKIP_REPORT},
		{"memcpy_erms", PV_SKIP_COPY},
		{"kmemdup_nul_noprof", PV_SKIP_COPY | PV_SKIP_ALLOC},
		{"schedule", PV_SKIP_WAIT},
		{"hrtimer_interrupt", PV_SKIP_IRQ},
		{"__sanitizer_cov_trace_pc", PV_SKIP_REPORT},
		{"__x86_indirect_thunk_rax", PV_SKIP_REPORT},
		{"rb_erase", PV_SKIP_HELPER},
		{"__list_del_entry_valid", PV_SKIP_REPORT | PV_SKIP_HELPER},
		{"call_timer_fn", PV_SKIP_IRQ | PV_SKIP_ENTRY},
		/* perf's own are no helpers, whatever they begin with */
		{"list_add_event", 0},
		{"rb_free", 0},
		{"perf_swevent_hrtimer", 0},
		{"perf_lock_task_context", 0},
		{"__xen", 0},
		{"get_user_pages", 0},
		{"atomic_open", 0},
		{"list_lru_add", 0},
		{"perf_event_alloc", 0},
		{"", 0},
	};
	struct pv_kinds *s = pv_kinds_new();

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		if (pv_kinds_of(s, of[i].func) != of[i].kinds)
			fail_msg("%s: %x", of[i].func, pv_kinds_of(s, of[i].func));
	}
	pv_kinds_free(s);
}

static void titles_are_the_same_in_every_boot(void **state)
{
	static const char *const of[][2] = {
		{"page fault for address: ffffc90000a4f000", "page fault for address: #"},
		{"CPU#3 stuck for 22s!", "CPU## stuck for 22s!"},
		{"foo+0x12/0x34 [bar]", "foo [bar]"},
		{"0x3f1 and 17", "# and #"},
		{"i386 sha256 x1f", "i386 sha256 x1f"},
		{"a\x01\xff"
		 "b\t ",
		 "a??b"},
	};
	char text[128], small[8];

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		pv_splat_normalise(text, sizeof(text), of[i][0], strlen(of[i][0]));
		assert_string_equal(text, of[i][1]);
	}
	assert_int_equal(pv_splat_normalise(small, sizeof(small), "abcdefghijk", 11), 7);
}

static void msrs_have_names(void **state)
{
	static const struct {
		uint32_t msr;
		const char *name;
	} of[] = {
		{0x3f1, "IA32_PEBS_ENABLE"},
		{0x600, "IA32_DS_AREA"},
		{0x38f, "IA32_PERF_GLOBAL_CTRL"},
		{0x390, "IA32_PERF_GLOBAL_OVF_CTRL"},
		{0x1c9, "MSR_LBR_TOS"},
		{0x680, "MSR_LBR_NHM_FROM_0"},
		{0x6c0, "MSR_LBR_NHM_TO_0"},
		{0x689, "MSR_LBR_NHM_FROM_9"},
		{0x14e1, "MSR_PEBS_VIA_PT_CTL"},
		{0x1986, "IA32_PMC_FX1_CFG_B"},
		{0xc0010200, "PERF_CTL0"},
		{0xc0010201, "PERF_CTR0"},
		{0xc0000300, "PERF_CNTR_GLOBAL_STATUS"},
	};
	char name[40];

	(void)state;
	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
		assert_true(pv_msr_name(name, sizeof(name), of[i].msr));
		assert_string_equal(name, of[i].name);
	}
	assert_false(pv_msr_name(name, sizeof(name), 0x10));
	assert_false(pv_msr_name(name, sizeof(name), 0xffffffff));
}

/* ---- the agent's side ---- */

static struct pv_kmsg_splat kmsg(const char *const *records)
{
	struct pv_kmsg_splat s = {.class = NULL};
	char buf[1024];

	for (; *records; records++) {
		snprintf(buf, sizeof(buf), "%s", *records);
		pv_kmsg_record(buf, &s);
	}
	return s;
}

static void the_agent_takes_the_first_that_fails(void **state)
{
	const char *const splat[] = {
		"6,1,100,-;quiet\n",
		"6,2,100,-;perf: interrupt took too long (2510 > 2500), lowering kernel.perf_event_max_sample_rate to 79500\n",
		"4,3,100,-;------------[ cut here ]------------\n",
		"4,4,100,-;the words of a WARN()\n",
		"4,5,100,-;WARNING: CPU: 1 PID: 3 at a.c:1 f+0x1/0x2\n SUBSYSTEM=x\n",
		"4,6,100,-;first line\\x0asecond line\\x0a\n",
		NULL,
	};
	const char *const none[] = {
		"6,2,100,-;perf: interrupt took too long (2510 > 2500), lowering kernel.perf_event_max_sample_rate to 79500\n",
		"12,3,100,-;WARNING: said a program\n", "6,4,100,-;Linux version 6.1 (x)\n",
		"garbage", NULL};
	const char *const kernels[] = {"4,3,100,-;WARNING: said the kernel\n", NULL};
	struct pv_kmsg_splat s = kmsg(splat);

	(void)state;
	assert_string_equal(s.class, "warning");
	assert_string_equal(s.title, "WARNING: CPU: # PID: # at a.c:# f");
	assert_string_equal(s.text,
			    "------------[ cut here ]------------\nthe words of a WARN()\n"
			    "WARNING: CPU: 1 PID: 3 at a.c:1 f+0x1/0x2\nfirst line\nsecond line\n");
	assert_null(kmsg(none).class);
	assert_non_null(kmsg(kernels).class);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_matches_its_own_words),
		cmocka_unit_test(a_title_has_the_captures_that_its_words_have),
		cmocka_unit_test(what_is_no_splat_has_no_class),
		cmocka_unit_test(patterns),
		cmocka_unit_test(prefixes_are_taken_off),
		cmocka_unit_test(callers_are_told_apart),
		cmocka_unit_test(two_lines_in_one_are_two),
		cmocka_unit_test(functions_lose_what_compilers_add),
		cmocka_unit_test(skipped_frames_are_skipped_by_kind),
		cmocka_unit_test(titles_are_the_same_in_every_boot),
		cmocka_unit_test(msrs_have_names),
		cmocka_unit_test(the_agent_takes_the_first_that_fails),
	};

	return cmocka_run_group_tests_name("splat", tests, NULL, NULL);
}
