/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The symboliser on files that are compiled here. Every statement of the sources below is four
 * bytes of code (STEP), functions begin at multiples of 16: offsets and sizes are known without
 * looking.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>
#include <cmocka.h>

#include "results/symbols.h"

#define ID_A "aaaa000000000000000000000000000000000001"
#define ID_B "bbbb000000000000000000000000000000000002"
#define ID_M "cccc000000000000000000000000000000000003"

static char dir[] = "/tmp/pmuvet-symbols-XXXXXX";
static struct pv_symbols *s;

static const struct {
	const char *name, *text;
} sources[] = {
	{"step.h", "#define STEP asm volatile(\".p2align 2\\n nop\\n .p2align 2\")\n"
		   "static inline __attribute__((always_inline)) void inner(void)\n"
		   "{\n"
		   "	STEP;\n" /* step.h:4 */
		   "	STEP;\n"
		   "}\n"
		   "static __attribute__((noinline)) void of_header(void)\n"
		   "{\n"
		   "	STEP;\n" /* step.h:9 */
		   "}\n"},
	{"a.c", "#include \"step.h\"\n"
		"const char linux_banner[] = \"Linux version 6.1.0-test (me) #1\";\n"
		"static inline __attribute__((always_inline)) void middle(void)\n"
		"{\n"
		"	STEP;\n"
		"	inner();\n" /* a.c:6 */
		"}\n"
		"void outer(void)\n"
		"{\n"
		"	STEP;\n"     /* a.c:10, offset 0 */
		"	middle();\n" /* a.c:11, offsets 4, 8, 12 */
		"	STEP;\n"     /* a.c:12, offset 16 */
		"}\n"
		"static __attribute__((noinline)) void twin(void)\n" /* size 16 */
		"{\n"
		"	STEP;\n" /* a.c:16 */
		"}\n"
		"static __attribute__((noinline)) void same(void)\n" /* size 16 */
		"{\n"
		"	STEP;\n" /* a.c:20 */
		"}\n"
		"void _start(void)\n"
		"{\n"
		"	twin(); same(); of_header(); outer();\n"
		"}\n"},
	{"b.c", "#include \"step.h\"\n"
		"static __attribute__((noinline)) void twin(void)\n" /* size 32 */
		"{\n"
		"	STEP; STEP; STEP; STEP;\n"
		"	STEP;\n" /* b.c:5, offset 16 */
		"}\n"
		"static __attribute__((noinline)) void same(void)\n"
		"{\n"
		"	STEP;\n" /* b.c:9 */
		"}\n"
		"void lto(void) asm(\"lto.llvm.1234\");\n"
		"void lto(void)\n"
		"{\n"
		"	STEP;\n" /* b.c:14 */
		"}\n"
		"void b(void)\n"
		"{\n"
		"	twin(); same(); of_header(); lto();\n"
		"}\n"},
	{"m.c", "#include \"step.h\"\n"
		"static const char info[] __attribute__((section(\".modinfo\"), used)) =\n"
		"	\"license=GPL\\0name=\" NAME \"\\0vermagic=6.1.0-test SMP\";\n"
		"void m_open(void)\n"
		"{\n"
		"	STEP;\n"    /* m.c:6 */
		"	inner();\n" /* m.c:7 */
		"}\n"
		"void m_close(void)\n"
		"{\n"
		"	STEP;\n" /* m.c:11 */
		"}\n"},
};

static void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void sh(const char *fmt, ...)
{
	char command[4096];
	va_list ap;
	int n = snprintf(command, sizeof(command), "set -e; cd %s; ", dir);

	va_start(ap, fmt);
	vsnprintf(command + n, sizeof(command) - n, fmt, ap);
	va_end(ap);
	if (system(command))
		fail_msg("%s", command);
}

static const char *in_dir(const char *name)
{
	static char path[8][512];
	static unsigned int turn;
	char *p = path[turn++ % 8];

	snprintf(p, 512, "%s/%s", dir, name);
	return p;
}

#define FLAGS                                                                                      \
	"-O2 -fno-pie -no-pie -static -nostdlib -ffreestanding -fcf-protection=none "              \
	"-fomit-frame-pointer -falign-functions=16 -fno-asynchronous-unwind-tables "

static void kernel(const char *name, const char *flags, const char *id)
{
	sh("gcc " FLAGS "-fno-toplevel-reorder -fno-ipa-icf "
	   "%s -Wl,--build-id=%s%s a.c b.c -o %s 2>gcc.log || { cat gcc.log; exit 1; }",
	   flags, id ? "0x" : "none", id ? id : "", name);
}

static void module(const char *name, const char *file, const char *flags, const char *id)
{
	sh("gcc " FLAGS
	   "-fno-toplevel-reorder -fno-ipa-icf %s -DNAME='\"%s\"' -c m.c -o m.o && ld -r --build-id=%s%s m.o -o %s",
	   flags, name, id ? "0x" : "none", id ? id : "", file);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
}

static char *read_file(const char *path, size_t *n)
{
	FILE *f = fopen(path, "r");
	char *bytes = malloc(1 << 20);

	assert_non_null(f);
	*n = fread(bytes, 1, 1 << 20, f);
	fclose(f);
	return bytes;
}

static int compile(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
		write_file(in_dir(sources[i].name), sources[i].text, strlen(sources[i].text));
	kernel("vmlinux", "-gdwarf-5", ID_A);
	kernel("vmlinux4", "-gdwarf-4", ID_A);
	kernel("packed", "-gdwarf-5 -gz", ID_A);
	sh("objcopy --compress-debug-sections=zstd vmlinux zstd");
	kernel("other", "-gdwarf-5 -DOTHER", ID_B);
	kernel("nameless", "-gdwarf-5", NULL);
	module("x_y", "x-y.ko", "-gdwarf-5", ID_M);
	module("sg", "sg.ko", "-gdwarf-4", ID_M);
	return 0;
}

static int sweep(void **state)
{
	(void)state;
	sh("rm -rf %s", dir);
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	s = pv_symbols_new();
	return 0;
}

static int done(void **state)
{
	(void)state;
	pv_symbols_free(s);
	return 0;
}

static void add(const char *name)
{
	if (pv_symbols_add(s, in_dir(name)))
		fail_msg("%s", pv_symbols_error(s));
}

static struct pv_symbols_answer ask(const char *module, const char *func, uint64_t offset,
				    uint64_t size, bool exact)
{
	struct pv_symbols_query q = {module, NULL, func, offset, size, 0, exact};
	struct pv_symbols_answer a;

	pv_symbols_resolve(s, &q, &a);
	return a;
}

/* "func file:line, func file:line", or the reason. */
static const char *text(const struct pv_symbols_answer *a)
{
	static char buf[2048];
	size_t n = 0;

	if (a->status != PV_SYMBOLS_OK) {
		snprintf(buf, sizeof(buf), "%s: %s", pv_symbols_status_names[a->status], a->why);
		return buf;
	}
	for (size_t i = 0; i < a->nr; i++)
		n += snprintf(buf + n, sizeof(buf) - n, "%s%s %s:%u", i ? ", " : "",
			      a->chain[i].func, a->chain[i].file, a->chain[i].line);
	return buf;
}

static void expect_text(const struct pv_symbols_answer a, const char *want)
{
	assert_string_equal(text(&a), want);
}

static void expect_reason(const struct pv_symbols_answer a, enum pv_symbols_status status,
			  const char *one, const char *two)
{
	if (a.status != status || !strstr(a.why, one) || !strstr(a.why, two))
		fail_msg("want %s with '%s' and '%s', got %s", pv_symbols_status_names[status], one,
			 two, text(&a));
	assert_int_equal(a.nr, 0);
}

static bool noted(const char *one, const char *two)
{
	for (size_t i = 0; pv_symbols_note(s, i); i++) {
		if (strstr(pv_symbols_note(s, i), one) && strstr(pv_symbols_note(s, i), two))
			return true;
	}
	return false;
}

/* ---- lines ---- */

static void lines_of_outer(void)
{
	expect_text(ask(NULL, "outer", 0, 0, true), "outer a.c:10");
	expect_text(ask(NULL, "outer", 4, 32, true), "middle a.c:5, outer a.c:11");
	expect_text(ask(NULL, "outer", 8, 32, true), "inner step.h:4, middle a.c:6, outer a.c:11");
	expect_text(ask(NULL, "outer", 16, 32, true), "outer a.c:12");
	/* Return addresses: the call is the instruction before. */
	expect_text(ask(NULL, "outer", 4, 32, false), "outer a.c:10");
	expect_text(ask(NULL, "outer", 8, 32, false), "middle a.c:5, outer a.c:11");
	expect_text(ask(NULL, "outer", 16, 32, false),
		    "inner step.h:5, middle a.c:6, outer a.c:11");
	/* Nothing returns to a first byte. */
	expect_text(ask(NULL, "outer", 0, 32, false), "outer a.c:10");
}

static void test_inline_chain(void **state)
{
	static const char *const files[] = {"vmlinux", "vmlinux4", "packed", "zstd"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		pv_symbols_free(s);
		s = pv_symbols_new();
		add(files[i]);
		assert_int_equal(pv_symbols_expect(s, NULL, ID_A), 0);
		lines_of_outer();
		assert_true(ask(NULL, "outer", 4, 32, true).checked);
		assert_null(pv_symbols_note(s, 0));
	}
}

static void test_without_aranges(void **state)
{
	(void)state;
	sh("clang " FLAGS "-gdwarf-5 -gno-pubnames a.c b.c -Wl,--build-id=0x" ID_A
	   " -o clang 2>clang.log || { cat clang.log; exit 1; }; ! objdump -h clang | grep -q debug_aranges");
	add("clang");
	expect_text(ask(NULL, "outer", 8, 0, true), "inner step.h:4, middle a.c:6, outer a.c:11");
}

static void test_no_line(void **state)
{
	(void)state;
	sh("objcopy --strip-debug vmlinux nodebug; strip -o stripped vmlinux");
	add("nodebug");
	expect_reason(ask(NULL, "outer", 4, 32, true), PV_SYMBOLS_NO_LINE, "nodebug",
		      "no debug information");
	pv_symbols_free(s);
	s = pv_symbols_new();
	add("stripped");
	expect_reason(ask(NULL, "outer", 4, 32, true), PV_SYMBOLS_BROKEN, "stripped", "no symbols");
}

/* ---- name and size ---- */

static void test_twins(void **state)
{
	(void)state;
	add("vmlinux");
	expect_text(ask(NULL, "twin", 0, 16, true), "twin a.c:16");
	expect_text(ask(NULL, "twin", 16, 32, true), "twin b.c:5");
	expect_reason(ask(NULL, "twin", 0, 48, true), PV_SYMBOLS_NO_SYMBOL, "twin", "0x30");
	/* Two of one size are both named; the same place in a header is an answer. */
	expect_reason(ask(NULL, "same", 0, 16, true), PV_SYMBOLS_AMBIGUOUS, "a.c:20", "b.c:9");
	expect_text(ask(NULL, "of_header", 0, 16, true), "of_header step.h:9");
	/* A size that no file has is another kernel, where nothing else proves this one. */
	expect_reason(ask(NULL, "outer", 4, 48, true), PV_SYMBOLS_NO_SYMBOL, "0x20", "0x30");
	assert_true(noted("vmlinux", "another kernel"));
	pv_symbols_expect(s, NULL, ID_A);
	expect_text(ask(NULL, "outer", 4, 48, true), "middle a.c:5, outer a.c:11");
	expect_reason(ask(NULL, "outer", 400, 48, true), PV_SYMBOLS_NO_SYMBOL, "outer", "0x30");
}

static void test_llvm_suffix(void **state)
{
	(void)state;
	add("vmlinux");
	expect_text(ask(NULL, "lto", 0, 0, true), "lto b.c:14");
}

/* ---- the build-id decides ---- */

static void test_other_build(void **state)
{
	char hex[PV_BUILD_ID_SIZE], error[256];

	(void)state;
	assert_int_equal(pv_symbols_build_id(in_dir("other"), hex, error, sizeof(error)), 0);
	assert_string_equal(hex, ID_B);
	add("other");
	pv_symbols_expect(s, NULL, ID_A);
	expect_reason(ask(NULL, "outer", 4, 32, true), PV_SYMBOLS_OTHER, ID_A, ID_B);
	assert_true(noted(ID_A, ID_B));
	/* With the right one beside it nothing is said and the right one is taken. */
	add("vmlinux");
	assert_true(ask(NULL, "outer", 4, 32, true).checked);
	expect_text(ask(NULL, "outer", 4, 32, true), "middle a.c:5, outer a.c:11");
	assert_int_equal(pv_symbols_expect(s, NULL, "xyz0"), -EINVAL);
	assert_int_equal(pv_symbols_expect(s, NULL, "abc"), -EINVAL);
}

static void test_nameless(void **state)
{
	(void)state;
	add("nameless");
	pv_symbols_expect(s, NULL, ID_A);
	expect_reason(ask(NULL, "outer", 4, 32, true), PV_SYMBOLS_OTHER, "no build-id", ID_A);
	pv_symbols_expect(s, NULL, NULL);
	expect_text(ask(NULL, "outer", 4, 32, true), "middle a.c:5, outer a.c:11");
}

static void test_unchecked(void **state)
{
	(void)state;
	add("vmlinux");
	pv_symbols_release(s, "6.1.0-test");
	assert_false(ask(NULL, "outer", 4, 32, true).checked);
	assert_true(noted("was not checked", "the release 6.1.0-test is the same"));
	pv_symbols_release(s, "6.12.0-test");
	expect_reason(ask(NULL, "outer", 4, 32, true), PV_SYMBOLS_OTHER, "6.1.0-test",
		      "6.12.0-test");
	pv_symbols_release(s, NULL);
	add("other");
	expect_reason(ask(NULL, "outer", 4, 32, true), PV_SYMBOLS_NO_FILE, "vmlinux", "other");
}

static void test_path_changes(void **state)
{
	(void)state;
	sh("cp vmlinux vmlinux-now");
	add("vmlinux-now");
	pv_symbols_expect(s, NULL, ID_A);
	expect_text(ask(NULL, "outer", 0, 32, true), "outer a.c:10");
	sh("cp other vmlinux-now");
	expect_reason(ask(NULL, "outer", 0, 32, true), PV_SYMBOLS_OTHER, ID_A, ID_B);
	pv_symbols_expect(s, NULL, ID_B);
	expect_text(ask(NULL, "outer", 0, 32, true), "outer a.c:10");
	sh("rm vmlinux-now");
	expect_reason(ask(NULL, "outer", 0, 32, true), PV_SYMBOLS_BROKEN, "vmlinux-now",
		      "No such file");
}

/* ---- debug files apart ---- */

static void test_split(void **state)
{
	static const char *const places[] = {
		".build-id/aa/aa000000000000000000000000000000000001.debug",
		"usr/lib/debug/.build-id/aa/aa000000000000000000000000000000000001.debug",
		"usr/lib/debug/boot/vmlinux-6.1.0-test",
		ID_A "/debuginfo",
	};

	(void)state;
	sh("objcopy --only-keep-debug vmlinux vmlinux.dbg");
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		sh("rm -rf t; mkdir -p t/$(dirname %s); cp vmlinux.dbg t/%s", places[i], places[i]);
		pv_symbols_free(s);
		s = pv_symbols_new();
		add("t");
		pv_symbols_expect(s, NULL, ID_B);
		expect_reason(ask(NULL, "outer", 8, 32, true),
			      i == 2 ? PV_SYMBOLS_OTHER : PV_SYMBOLS_NO_FILE, ID_B, "");
		pv_symbols_expect(s, NULL, ID_A);
		expect_text(ask(NULL, "outer", 8, 32, true),
			    "inner step.h:4, middle a.c:6, outer a.c:11");
	}
}

static void test_debuglink(void **state)
{
	(void)state;
	sh("rm -rf l; mkdir -p l/.debug l/far; objcopy --only-keep-debug vmlinux l/.debug/v.debug;"
	   "cp l/.debug/v.debug l/far; objcopy --strip-debug --add-gnu-debuglink=l/.debug/v.debug vmlinux l/v");
	add("l/v");
	expect_text(ask(NULL, "outer", 4, 32, true), "middle a.c:5, outer a.c:11");
	/* Another build under that name is not taken. */
	sh("objcopy --only-keep-debug other l/.debug/v.debug");
	expect_reason(ask(NULL, "outer", 4, 32, true), PV_SYMBOLS_NO_LINE, "l/v",
		      "no debug information");
	add("l/far");
	expect_text(ask(NULL, "outer", 4, 32, true), "middle a.c:5, outer a.c:11");
}

/* ---- modules ---- */

static void lines_of_module(const char *name)
{
	expect_text(ask(name, "m_open", 0, 16, true), "m_open m.c:6");
	expect_text(ask(name, "m_open", 8, 16, false), "inner step.h:4, m_open m.c:7");
	/* The last of its section: the loader decides where the next one begins. */
	expect_text(ask(name, "m_close", 4, 0x30, false), "m_close m.c:11");
}

static void pack(const char *from, const char *to, int kind)
{
	size_t n, size = 1 << 20, len = 0;
	char *bytes = read_file(in_dir(from), &n), *out = malloc(size);

	if (kind == 0) {
		gzFile f = gzopen(in_dir(to), "w");

		assert_int_equal(gzwrite(f, bytes, n), n);
		gzclose(f);
	} else {
		if (kind == 1)
			assert_int_equal(lzma_easy_buffer_encode(6, LZMA_CHECK_CRC32, NULL,
								 (void *)bytes, n, (void *)out,
								 &len, size),
					 LZMA_OK);
		else
			len = ZSTD_compress(out, size, bytes, n, 3);
		write_file(in_dir(to), out, len);
	}
	free(bytes);
	free(out);
}

static void test_modules(void **state)
{
	static const char *const packed[] = {"p/x-y.ko.gz", "p/x-y.ko.xz", "p/x-y.ko.zst"};

	(void)state;
	add("x-y.ko");
	add("sg.ko");
	assert_int_equal(pv_symbols_expect(s, "sg", ID_M), 0);
	lines_of_module("x_y");
	lines_of_module("sg");
	expect_reason(ask("x_y", "m_close", 2, 3, false), PV_SYMBOLS_NO_SYMBOL, "m_close", "0x3");
	assert_true(ask("sg", "m_open", 0, 16, true).checked);
	assert_true(noted("x-y.ko", "names no build-id of module x_y"));
	assert_false(noted("sg.ko", "names no build-id"));
	expect_reason(ask("nosuch", "m_open", 0, 16, true), PV_SYMBOLS_NO_FILE, "nosuch", "");
	for (int i = 0; i < 3; i++) {
		sh("rm -rf p; mkdir -p p");
		pack("x-y.ko", packed[i], i);
		pv_symbols_free(s);
		s = pv_symbols_new();
		add("p");
		lines_of_module("x_y");
		assert_int_equal(pv_symbols_expect(s, "x_y", ID_A), 0);
		expect_reason(ask("x_y", "m_open", 0, 16, true), PV_SYMBOLS_OTHER, ID_A, ID_M);
		sh("truncate -s -100 %s", packed[i]);
		expect_reason(ask("x_y", "m_open", 0, 16, true), PV_SYMBOLS_BROKEN, packed[i],
			      ": ");
	}
}

/* The build-id that the trace itself names goes before what is expected. */
static void test_module_of_trace(void **state)
{
	struct pv_symbols_query q = {
		.module = "x_y", .build_id = ID_A, .func = "m_open", .exact = true};
	struct pv_symbols_answer a;

	(void)state;
	add("x-y.ko");
	pv_symbols_expect(s, "x_y", ID_M);
	pv_symbols_resolve(s, &q, &a);
	expect_reason(a, PV_SYMBOLS_OTHER, ID_A, ID_M);
	q.build_id = ID_M;
	pv_symbols_resolve(s, &q, &a);
	expect_text(a, "m_open m.c:6");
}

static void test_module_release(void **state)
{
	(void)state;
	add("x-y.ko");
	pv_symbols_release(s, "6.12.0-test");
	expect_reason(ask("x_y", "m_open", 0, 16, true), PV_SYMBOLS_OTHER, "6.1.0-test",
		      "6.12.0-test");
}

static void test_split_module(void **state)
{
	(void)state;
	sh("rm -rf d; mkdir -p d/lib/modules/6.1.0-test/x d/k; objcopy --only-keep-debug x-y.ko "
	   "d/lib/modules/6.1.0-test/x/x-y.ko; objcopy --strip-debug x-y.ko d/k/x-y.ko");
	add("d/k");
	add("d/lib");
	pv_symbols_expect(s, "x_y", ID_M);
	lines_of_module("x_y");
}

/* ---- addresses ---- */

static const char table[] = "0000000000000000 A fixed_percpu\n"
			    "ffffffff81000000 T _text\n"
			    "ffffffff81000100 T outer\n"
			    "ffffffff81000120 t twin\n"
			    "ffffffff81000130 t same\n"
			    "ffffffffc0000000 t m_open\t[x_y]\n"
			    "ffffffffc0000010 t m_close\t[x_y]\n"
			    "ffffffffc0000020 t end\t[x_y]\n";

static struct pv_symbols_answer at(uint64_t address, bool exact)
{
	struct pv_symbols_query q = {.address = address, .exact = exact};
	struct pv_symbols_answer a;

	pv_symbols_resolve(s, &q, &a);
	return a;
}

static void test_kallsyms(void **state)
{
	struct pv_symbols_answer a;

	(void)state;
	write_file(in_dir("kallsyms"), table, strlen(table));
	assert_int_equal(pv_symbols_kallsyms(s, in_dir("kallsyms")), 0);
	a = at(0xffffffff81000108, true);
	assert_int_equal(a.status, PV_SYMBOLS_NO_FILE);
	assert_string_equal(a.func, "outer");
	assert_int_equal(a.offset, 8);
	assert_int_equal(a.size, 0x20);
	/* A return address just behind a function belongs to it. */
	a = at(0xffffffff81000120, false);
	assert_string_equal(a.func, "outer");
	assert_int_equal(a.offset, 0x20);
	add("vmlinux");
	add("x-y.ko");
	expect_text(at(0xffffffff81000108, true), "inner step.h:4, middle a.c:6, outer a.c:11");
	a = at(0xffffffffc0000008, false);
	assert_string_equal(a.module, "x_y");
	expect_text(a, "inner step.h:4, m_open m.c:7");
	/* A table of the link, a kernel that was moved. */
	pv_symbols_slide(s, 0x12000000);
	expect_text(at(0xffffffff93000108, true), "inner step.h:4, middle a.c:6, outer a.c:11");
	assert_null(at(0xffffffff00000000, true).func);
	assert_null(at(0x10, true).func);
}

static void test_address_without_kallsyms(void **state)
{
	char hex[32] = "";
	FILE *f;

	(void)state;
	add("vmlinux");
	sh("nm vmlinux | sed -n 's/ T outer$//p' >address");
	f = fopen(in_dir("address"), "r");
	assert_non_null(f);
	assert_non_null(fgets(hex, sizeof(hex), f));
	fclose(f);
	pv_symbols_slide(s, 0x1000000);
	expect_text(at(strtoull(hex, NULL, 16) + 0x1000008, true),
		    "inner step.h:4, middle a.c:6, outer a.c:11");
	pv_symbols_base(s, "x_y", 0xffffffffc0000000, 0x1000);
	expect_reason(at(0xffffffffc0000008, true), PV_SYMBOLS_NO_SYMBOL,
		      "0x8 bytes into module x_y", "");
}

static void refused_table(const char *bytes, size_t n, const char *why)
{
	write_file(in_dir("bad"), bytes, n);
	assert_int_not_equal(pv_symbols_kallsyms(s, in_dir("bad")), 0);
	if (!strstr(pv_symbols_error(s), why))
		fail_msg("want '%s', got '%s'", why, pv_symbols_error(s));
}

static void test_bad_kallsyms(void **state)
{
	(void)state;
	refused_table("ffffffff81000000 T _text\nnonsense\n", 34, "bad:2: ");
	refused_table("0000000000000000 T _text\n", 25, "kptr_restrict");
	refused_table("", 0, "no symbols");
	refused_table("ffffffff81000000 T a\0b\n", 23, "no text");
	assert_int_equal(pv_symbols_kallsyms(s, in_dir("nosuch")), -ENOENT);
}

/* ---- files that lie ---- */

static void test_bad_files(void **state)
{
	(void)state;
	assert_int_equal(pv_symbols_add(s, in_dir("nosuch")), -ENOENT);
	assert_non_null(strstr(pv_symbols_error(s), "nosuch: No such file"));
	assert_int_equal(pv_symbols_add(s, in_dir("a.c")), -EINVAL);
	assert_non_null(strstr(pv_symbols_error(s), "a.c: not an ELF file"));
	assert_int_equal(pv_symbols_add(s, "/dev/null"), -EINVAL);
	assert_int_equal(pv_symbols_add(s, "/dev/null/x"), -ENOTDIR);
}

static void ask_all(const char *path)
{
	struct pv_symbols *own = s;

	s = pv_symbols_new();
	if (!pv_symbols_add(s, path)) {
		ask(NULL, "outer", 8, 32, true);
		ask(NULL, "twin", 4, 0, false);
		ask("x_y", "m_open", 4, 0, false);
		at(0x401000, true);
	} else {
		assert_non_null(strstr(pv_symbols_error(s), path));
	}
	pv_symbols_free(s);
	s = own;
}

static void test_cut_files(void **state)
{
	static const char *const files[] = {"vmlinux", "vmlinux4", "packed", "zstd", "x-y.ko"};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		size_t n;
		char *bytes = read_file(in_dir(files[i]), &n);

		for (size_t len = 0; len < n; len += len < 256 ? 7 : 211) {
			write_file(in_dir("cut"), bytes, len);
			ask_all(in_dir("cut"));
		}
		free(bytes);
	}
}

/* Each byte of the headers once with all bits turned. */
static void test_turned_bytes(void **state)
{
	static const char *const files[] = {"vmlinux", "zstd", "x-y.ko"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t n;
		char *bytes = read_file(in_dir(files[i]), &n);

		for (size_t k = 4; k < n; k += k < 64 || k > n - 1600 ? 1 : 97) {
			bytes[k] ^= 0xff;
			write_file(in_dir("turned"), bytes, n);
			ask_all(in_dir("turned"));
			bytes[k] ^= 0xff;
		}
		free(bytes);
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_inline_chain),
		TEST(test_without_aranges),
		TEST(test_no_line),
		TEST(test_twins),
		TEST(test_llvm_suffix),
		TEST(test_other_build),
		TEST(test_nameless),
		TEST(test_unchecked),
		TEST(test_path_changes),
		TEST(test_split),
		TEST(test_debuglink),
		TEST(test_modules),
		TEST(test_module_of_trace),
		TEST(test_module_release),
		TEST(test_split_module),
		TEST(test_kallsyms),
		TEST(test_address_without_kallsyms),
		TEST(test_bad_kallsyms),
		TEST(test_bad_files),
		TEST(test_cut_files),
		TEST(test_turned_bytes),
	};

	return cmocka_run_group_tests(tests, compile, sweep);
}
