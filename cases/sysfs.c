/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /sys/bus/event_source/devices is what perf goes by (Documentation/ABI/testing/
 * sysfs-bus-event_source-devices*): its numbers, fields and event strings must fit together,
 * and what it names must open.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cases/lib/sys.h"
#include "cases/pv.h"

#define DEVICES "/sys/bus/event_source/devices"

/* A directory's names; the largest (an interconnect's events) has some hundreds. */
#define MAX_NAMES 4096

struct names {
	char (*name)[256];
	int nr;
};

/* No such directory: none. */
static struct names list(struct pv_test *t, const char *pmu, const char *dir)
{
	struct names n = {.name = calloc(MAX_NAMES, sizeof(*n.name))};
	char path[768];

	snprintf(path, sizeof(path), "%s%s%s%s%s", DEVICES, *pmu ? "/" : "", pmu, *dir ? "/" : "",
		 dir);
	if (!n.name)
		pv_error(t, PV_BROKEN_SETUP, "out of memory");
	n.nr = pv_dir_list(path, n.name, MAX_NAMES);
	if (n.nr == MAX_NAMES || (n.nr < 0 && n.nr != -ENOENT))
		pv_error(t, PV_BROKEN_SETUP, "%s: %s", path,
			 n.nr < 0 ? strerrorname_np(-n.nr) : "too many names");
	if (n.nr < 0)
		n.nr = 0;
	return n;
}

static struct names pmus(struct pv_test *t)
{
	struct names n = list(t, "", "");

	/* software, tracepoint and breakpoint are always there. */
	pv_expect_in(t, "PMUs", n.nr, 1, MAX_NAMES);
	return n;
}

static int text_of(const char *pmu, const char *dir, const char *file, char *text, size_t size)
{
	char path[768];

	snprintf(path, sizeof(path), "%s/%s/%s%s%s", DEVICES, pmu, dir, *dir ? "/" : "", file);
	return pv_file_read(path, text, size);
}

/* A bad one is named once; how many there were is the evidence. */
static void complain(struct pv_test *t, uint64_t *bad, const char *pmu, const char *file,
		     const char *text)
{
	pv_message(t, "%s/%s: %s", pmu, file, text);
	++*bad;
}

/* ---- type ---- */

/* Decimal digits and nothing else: the number, or -1. */
static long decimal(const char *text)
{
	char *end;
	long n;

	if (!isdigit((unsigned char)*text))
		return -1;
	errno = 0;
	n = strtol(text, &end, 10);
	return *end || errno || n > INT_MAX ? -1 : n;
}

/* enum perf_type_id; the others are handed out above: -1. */
static long fixed_type(const char *pmu)
{
	static const struct {
		const char *pmu;
		long type;
	} fixed[] = {
		{"software", PERF_TYPE_SOFTWARE},
		{"tracepoint", PERF_TYPE_TRACEPOINT},
		{"breakpoint", PERF_TYPE_BREAKPOINT},
	};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		if (!strcmp(pmu, fixed[i].pmu))
			return fixed[i].type;
	}
	return -1;
}

PV_CASE(sysfs, type, .pmu = "perf",
	.about =
		"every PMU has a type of its own, a number; software, tracepoint and breakpoint have those of the ABI")
{
	struct names n = pmus(t);
	long *type = calloc(n.nr + 1, sizeof(*type));
	uint64_t bad = 0, twice = 0, moved = 0;
	char text[64];

	if (!type)
		pv_error(t, PV_BROKEN_SETUP, "out of memory");
	for (int i = 0; i < n.nr; i++) {
		int len = text_of(n.name[i], "", "type", text, sizeof(text));

		type[i] = len < 0 ? -1 : decimal(text);
		if (type[i] < 0)
			complain(t, &bad, n.name[i], "type",
				 len < 0 ? strerrorname_np(-len) : text);
		else if (fixed_type(n.name[i]) >= 0 && type[i] != fixed_type(n.name[i]))
			complain(t, &moved, n.name[i], "type", text);
		for (int k = 0; k < i; k++) {
			if (type[i] >= 0 && type[k] == type[i])
				complain(t, &twice, n.name[i], "type", n.name[k]);
		}
	}
	pv_expect_eq(t, "types that are not a number", bad, 0);
	pv_expect_eq(t, "types that another PMU has", twice, 0);
	pv_expect_eq(t, "types that are not the ABI's", moved, 0);
}

/* ---- format ---- */

/* The bits of an attr word that a field has: "config1:0-7,32". */
struct bits {
	unsigned int word;
	uint64_t mask;
};

#define NR_WORDS 5 /* config, config1 … config4 */

/* 0, -EINVAL: not of this form, -ERANGE: bits that there are not. */
static int parse_bits(const char *text, struct bits *b)
{
	b->word = 0;
	b->mask = 0;
	if (strncmp(text, "config", 6))
		return -EINVAL;
	text += 6;
	if (*text >= '1' && *text < '0' + NR_WORDS)
		b->word = *text++ - '0';
	if (*text != ':')
		return -EINVAL;
	do {
		unsigned long first, last;
		char *end;

		text++;
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		first = last = strtoul(text, &end, 10);
		if (*end == '-') {
			text = end + 1;
			if (!isdigit((unsigned char)*text))
				return -EINVAL;
			last = strtoul(text, &end, 10);
		}
		if (first > last || last > 63)
			return -ERANGE;
		b->mask |= (~0ull >> (63 - (last - first))) << first;
		text = end;
	} while (*text == ',');
	return *text ? -EINVAL : 0;
}

static int bits_of(const char *pmu, const char *field, struct bits *b)
{
	char text[256];
	int len = text_of(pmu, "format", field, text, sizeof(text));

	return len < 0 ? len : parse_bits(text, b);
}

/*
 * Two names for the same bits are one field with an alias (cs_etm: contextid and contextid1). What
 * config1 and above mean depends on the event on many PMUs (x86 offcore_rsp, ldlat, frontend;
 * uncore filters), so only `config` is held to be disjoint. One PMU is known not to be: Sandy
 * Bridge-EP's PCU, whose occ_edge "config:14-51" lies across occ_sel
 * (arch/x86/events/intel/uncore_snbep.c).
 */
static bool collide(const struct bits *a, const struct bits *b)
{
	return !a->word && !b->word && a->mask & b->mask && a->mask != b->mask;
}

PV_CASE(sysfs, format, .pmu = "perf",
	.about =
		"every format field names bits of a config word, and no two fields of config share some of them")
{
	uint64_t fields = 0, garbled = 0, outside = 0, overlaps = 0;
	struct names n = pmus(t);

	for (int i = 0; i < n.nr; i++) {
		struct names f = list(t, n.name[i], "format");
		struct bits *bits = calloc(f.nr + 1, sizeof(*bits));

		if (!bits)
			pv_error(t, PV_BROKEN_SETUP, "out of memory");
		for (int k = 0; k < f.nr; k++, fields++) {
			int err = bits_of(n.name[i], f.name[k], &bits[k]);

			if (err == -ERANGE)
				complain(t, &outside, n.name[i], f.name[k],
					 "bits outside of 0..63");
			else if (err)
				complain(t, &garbled, n.name[i], f.name[k], strerrorname_np(-err));
			for (int other = 0; other < k && !err; other++) {
				if (collide(&bits[k], &bits[other]))
					complain(t, &overlaps, n.name[i], f.name[k], f.name[other]);
			}
		}
		free(bits);
		free(f.name);
	}
	pv_note(t, "fields", fields);
	pv_expect_eq(t, "fields that are not config:bits", garbled, 0);
	pv_expect_eq(t, "fields outside of their word", outside, 0);
	pv_expect_eq(t, "fields that overlap", overlaps, 0);
}

PV_CASE(sysfs, fields, .pmu = "kprobe uprobe msr pmuv3 ibs-op ibs-fetch",
	.about =
		"the format fields of a PMU lie where the descriptor has them, and the first of them is there")
{
	const struct pv_pmu *pmu = pv_pmu(t);
	uint64_t missing = 0, moved = 0;
	bool first = false;

	for (size_t i = 0; i < pmu->nr_formats; i++) {
		const struct pv_format_desc *f = &pmu->formats[i];
		struct bits b, due = {f->word, (~0ull >> (63 - (f->last - f->first))) << f->first};
		int err = bits_of(pmu->sysfs, f->name, &b);

		if (err == -ENOENT)
			complain(t, &missing, pmu->sysfs, f->name, "is not there");
		else if (err || b.word != due.word || b.mask != due.mask)
			complain(t, &moved, pmu->sysfs, f->name, "is elsewhere");
		first |= !i && err != -ENOENT;
	}
	/* Descriptors name the oldest field first; others may be younger than this kernel. */
	pv_note(t, "fields that are not there", missing);
	pv_expect(t, "the first field is there", first);
	pv_expect_eq(t, "fields that are elsewhere", moved, 0);
}

/* ---- events ---- */

/* perf's own additions to an event file's name. */
static bool is_event(const char *name)
{
	return fnmatch("*.unit", name, 0) && fnmatch("*.scale", name, 0) &&
	       fnmatch("*.snapshot", name, 0) && fnmatch("*.per-pkg", name, 0);
}

/* Puts a value into a field's bits, lowest first; false: it does not fit. */
static bool deposit(uint64_t *word, uint64_t mask, uint64_t value)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		if (!(mask >> bit & 1))
			continue;
		*word = (*word & ~(1ull << bit)) | (value & 1) << bit;
		value >>= 1;
	}
	return !value;
}

/* The attr's config words; newer than the header this is built with, hence by offset. */
union raw_attr {
	struct perf_event_attr attr;
	uint64_t word[32];
};

static uint64_t *config_word(union raw_attr *raw, unsigned int word)
{
	/* include/uapi/linux/perf_event.h: config, config1, config2, config3, config4 */
	static const uint8_t offset[NR_WORDS] = {8, 56, 64, 128, 136};

	return &raw->word[offset[word] / 8];
}

/* One "field=value" or "field" of an event string; NULL, or what is wrong. */
static const char *apply_term(const char *pmu, char *term, union raw_attr *raw)
{
	static const char *const words[NR_WORDS] = {"config", "config1", "config2", "config3",
						    "config4"};
	char *value = strchr(term, '='), *end = "";
	struct bits b = {0, ~0ull};
	uint64_t number = 1;

	if (value) {
		*value++ = 0;
		errno = 0;
		number = strtoull(value, &end, 0);
		if (!isdigit((unsigned char)*value) || *end || errno)
			return "a value that is no number";
	}
	/* i915 and others name the words themselves. */
	for (b.word = 0; b.word < NR_WORDS && strcmp(term, words[b.word]); b.word++)
		;
	if (b.word == NR_WORDS && bits_of(pmu, term, &b))
		return "a field that format/ has not got";
	if (!deposit(config_word(raw, b.word), b.mask, number))
		return "a value that is too large for its field";
	return NULL;
}

static const char *apply_string(const char *pmu, char *text, union raw_attr *raw)
{
	const char *wrong = *text ? NULL : "an empty string";
	char *save, *term;

	for (term = strtok_r(text, ",", &save); term && !wrong; term = strtok_r(NULL, ",", &save))
		wrong = apply_term(pmu, term, raw);
	return wrong;
}

/* The first CPU of a list like "0,18-20", or -1. */
static int first_cpu(const char *list)
{
	return isdigit((unsigned char)*list) ? atoi(list) : -1;
}

/* PMUs outside of the cores count on the CPUs of their cpumask only, others for this task. */
static long open_event(struct pv_test *t, const char *pmu, union raw_attr *raw)
{
	char mask[4096];
	int cpu = text_of(pmu, "", "cpumask", mask, sizeof(mask)) > 0 ? first_cpu(mask) : -1;
	long fd = pv_try_open(t, &raw->attr, cpu < 0 ? 0 : -1, cpu, -1, 0);

	pv_skip_denied(t, fd);
	if (fd >= 0)
		pv_sys_close(fd);
	return fd;
}

/* Events that are not to be opened alone. */
static bool may_refuse(const char *event, long err)
{
	static const struct {
		const char *event;
		long err;
	} known[] = {
		{"topdown-*", -EINVAL},  /* only below slots: intel_pmu_hw_config() */
		{"mem-loads", -ENODATA}, /* only below mem-loads-aux, the same */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (err == known[i].err && !fnmatch(known[i].event, event, 0))
			return true;
	}
	return false;
}

struct tally {
	uint64_t opened, garbled, refused;
};

static void check_event(struct pv_test *t, const char *pmu, uint32_t type, const char *event,
			struct tally *tally)
{
	union raw_attr raw = {.attr = {.type = type, .size = sizeof(raw), .disabled = 1}};
	char text[256];
	const char *wrong;
	long ret = text_of(pmu, "events", event, text, sizeof(text));

	if (ret < 0) {
		complain(t, &tally->garbled, pmu, event, strerrorname_np(-ret));
		return;
	}
	if (strchr(text, '?')) /* a template: the user fills in the value */
		return;
	wrong = apply_string(pmu, text, &raw);
	if (wrong) {
		complain(t, &tally->garbled, pmu, event, wrong);
		return;
	}
	ret = open_event(t, pmu, &raw);
	if (ret >= 0)
		tally->opened++;
	else if (!may_refuse(event, ret))
		complain(t, &tally->refused, pmu, event, strerrorname_np(-ret));
}

PV_CASE(sysfs, events, .pmu = "perf", .needs = "root",
	.about =
		"every event string is made of format fields with values that fit, and the event opens")
{
	struct names n = pmus(t);
	struct tally tally = {0};
	uint64_t strings = 0;
	char text[64];

	for (int i = 0; i < n.nr; i++) {
		struct names e = list(t, n.name[i], "events");
		long type =
			text_of(n.name[i], "", "type", text, sizeof(text)) > 0 ? decimal(text) : -1;

		for (int k = 0; k < e.nr; k++) {
			if (!is_event(e.name[k]))
				continue;
			strings++;
			check_event(t, n.name[i], type, e.name[k], &tally);
		}
		free(e.name);
	}
	if (!strings)
		pv_skip(t, PV_ABSENT, "no PMU of this machine names events in sysfs");
	pv_note(t, "strings", strings);
	pv_expect_in(t, "events opened", tally.opened, 1, strings);
	pv_expect_eq(t, "strings that do not fit", tally.garbled, 0);
	pv_expect_eq(t, "events that do not open", tally.refused, 0);
}

/* ---- cpumask and caps ---- */

/* Marks the CPUs of a list like "0-3,8"; -EINVAL when it is not one. An empty list is. */
static int parse_cpus(const char *text, bool *cpus, unsigned long max)
{
	while (*text) {
		unsigned long first, last;
		char *end;

		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		first = last = strtoul(text, &end, 10);
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (first > last || last >= max || (*end && *end != ','))
			return -EINVAL;
		memset(cpus + first, true, last - first + 1);
		text = *end ? end + 1 : end;
	}
	return 0;
}

#define MAX_CPUS 65536

PV_CASE(sysfs, cpus, .pmu = "perf",
	.about =
		"every cpumask lists CPUs that are online, every cpus file CPUs that are possible, and at least one")
{
	static const char *const files[][2] = {{"cpumask", "online"}, {"cpus", "possible"}};
	static bool there[MAX_CPUS], listed[MAX_CPUS];
	uint64_t masks = 0, bad = 0, empty = 0, elsewhere = 0;
	static char text[16384], path[64];
	struct names n = pmus(t);

	for (size_t file = 0; file < 2; file++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/%s", files[file][1]);
		memset(there, 0, sizeof(there));
		if (pv_file_read(path, text, sizeof(text)) <= 0 ||
		    parse_cpus(text, there, MAX_CPUS))
			pv_error(t, PV_BROKEN_SETUP, "%s is no list of CPUs", path);
		for (int i = 0; i < n.nr; i++) {
			bool stray = false;

			if (text_of(n.name[i], "", files[file][0], text, sizeof(text)) < 0)
				continue;
			masks++;
			memset(listed, 0, sizeof(listed));
			if (parse_cpus(text, listed, MAX_CPUS))
				complain(t, &bad, n.name[i], files[file][0], text);
			else if (!*text)
				complain(t, &empty, n.name[i], files[file][0], "empty");
			for (int cpu = 0; cpu < MAX_CPUS; cpu++)
				stray |= listed[cpu] && !there[cpu];
			if (stray)
				complain(t, &elsewhere, n.name[i], files[file][0], text);
		}
	}
	if (!masks)
		pv_skip(t, PV_ABSENT, "no PMU of this machine is bound to some CPUs");
	pv_note(t, "lists", masks);
	pv_expect_eq(t, "lists that are not of CPUs", bad, 0);
	pv_expect_eq(t, "lists that are empty", empty, 0);
	pv_expect_eq(t, "lists of CPUs that are not there", elsewhere, 0);
}

/* Numbers are decimal, or hexadecimal with and without 0x (intel_pt). */
static bool is_number(const char *text)
{
	if (!strncmp(text, "0x", 2))
		text += 2;
	return *text && !text[strspn(text, "0123456789abcdefABCDEF")];
}

PV_CASE(sysfs, caps, .pmu = "perf",
	.about = "every file in a PMU's caps can be read and is a number, pmu_name a word")
{
	uint64_t files = 0, bad = 0;
	struct names n = pmus(t);
	char text[256];

	for (int i = 0; i < n.nr; i++) {
		struct names c = list(t, n.name[i], "caps");

		for (int k = 0; k < c.nr; k++, files++) {
			int len = text_of(n.name[i], "caps", c.name[k], text, sizeof(text));
			bool word =
				!strcmp(c.name[k], "pmu_name"); /* arch/x86/events/intel/core.c */

			if (len <= 0 || (word ? !isalpha((unsigned char)*text) : !is_number(text)))
				complain(t, &bad, n.name[i], c.name[k],
					 len < 0 ? strerrorname_np(-len) : text);
		}
		free(c.name);
	}
	if (!files)
		pv_skip(t, PV_ABSENT, "no PMU of this machine has caps");
	pv_note(t, "files", files);
	pv_expect_eq(t, "files that do not say what they must", bad, 0);
}
