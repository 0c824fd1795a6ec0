/* SPDX-License-Identifier: GPL-2.0-only */
#include "results/stream_private.h"

const char *const pv_event_names[PV_E_NR] = {
	[PV_E_RUN_BEGIN] = "run_begin",
	[PV_E_PLAN] = "plan",
	[PV_E_BOOT] = "boot",
	[PV_E_CASE_BEGIN] = "case_begin",
	[PV_E_EVIDENCE] = "evidence",
	[PV_E_MESSAGE] = "message",
	[PV_E_SPLAT] = "splat",
	[PV_E_DEATH] = "death",
	[PV_E_CASE_END] = "case_end",
	[PV_E_QMP] = "qmp",
	[PV_E_KNOB] = "knob",
	[PV_E_MODULES] = "modules",
	[PV_E_RESUME] = "resume",
	[PV_E_AGAIN] = "again",
	[PV_E_RUN_END] = "run_end",
};

#define RUN_BEGIN  (1u << PV_E_RUN_BEGIN)
#define PLAN       (1u << PV_E_PLAN)
#define BOOT       (1u << PV_E_BOOT)
#define CASE_BEGIN (1u << PV_E_CASE_BEGIN)
#define EVIDENCE   (1u << PV_E_EVIDENCE)
#define MESSAGE    (1u << PV_E_MESSAGE)
#define SPLAT      (1u << PV_E_SPLAT)
#define DEATH      (1u << PV_E_DEATH)
#define CASE_END   (1u << PV_E_CASE_END)
#define QMP        (1u << PV_E_QMP)
#define KNOB       (1u << PV_E_KNOB)
#define MODULES    (1u << PV_E_MODULES)
#define RESUME     (1u << PV_E_RESUME)
#define AGAIN      (1u << PV_E_AGAIN)
#define RUN_END    (1u << PV_E_RUN_END)

#define AT(member) offsetof(struct pv_stream_event, member)
#define TOP(name, kind, member, events, needed)                                                    \
	{                                                                                          \
		name, kind, SCOPE_TOP, AT(member), events, needed                                  \
	}
#define FACT(name, scope, which)                                                                   \
	{                                                                                          \
		name, KEY_TEXT, scope, AT(fact[which]), RUN_BEGIN, 0                               \
	}

/* clang-format off */
const struct key pv_keys[] = {
	/* the most frequent first */
	TOP("case", KEY_TEXT, id, CASE_BEGIN | EVIDENCE | MESSAGE | SPLAT | DEATH | CASE_END | KNOB | AGAIN,
	    CASE_BEGIN | EVIDENCE | CASE_END | AGAIN),
	TOP("rep", KEY_INT, rep, CASE_BEGIN | EVIDENCE | MESSAGE | SPLAT | DEATH | CASE_END | KNOB | AGAIN,
	    CASE_BEGIN | EVIDENCE | CASE_END | AGAIN),
	TOP("name", KEY_TEXT, name, EVIDENCE | QMP, EVIDENCE),
	TOP("op", KEY_TEXT, op_text, EVIDENCE, EVIDENCE),
	TOP("observed", KEY_NUM, observed, EVIDENCE, EVIDENCE),
	TOP("expected", KEY_NUM, expected, EVIDENCE, 0),
	TOP("lo", KEY_NUM, lo, EVIDENCE, 0),
	TOP("hi", KEY_NUM, hi, EVIDENCE, 0),
	TOP("ok", KEY_BOOL, ok, EVIDENCE, 0),
	TOP("at", KEY_TEXT, at, EVIDENCE, 0),
	TOP("verdict", KEY_TEXT, verdict, CASE_END, CASE_END),
	TOP("reason", KEY_TEXT, reason, CASE_END | RUN_END | BOOT | AGAIN, 0),
	TOP("kind", KEY_TEXT, kind, CASE_END | DEATH, DEATH),
	TOP("erratum", KEY_TEXT, erratum, CASE_END, 0),
	TOP("tail", KEY_LINES, tail, CASE_END, 0),
	TOP("seconds", KEY_REAL, seconds, CASE_END | RUN_END | BOOT | AGAIN | DEATH, 0),
	TOP("text", KEY_LINES, text, MESSAGE | SPLAT, MESSAGE),
	TOP("class", KEY_TEXT, class, SPLAT, 0),
	TOP("title", KEY_TEXT, title, SPLAT | DEATH | CASE_END | AGAIN, SPLAT | DEATH),
	TOP("death", KEY_TEXT, death, CASE_END, 0),
	TOP("log", KEY_TEXT, log, DEATH, 0),
	TOP("early", KEY_BOOL, early, DEATH | SPLAT, 0),
	TOP("alt", KEY_LINES, alt, CASE_END, 0),
	TOP("alone", KEY_BOOL, alone, AGAIN, AGAIN),
	TOP("reproduced", KEY_BOOL, reproduced, AGAIN, AGAIN),
	TOP("prefix", KEY_LINES, prefix, AGAIN, 0),
	TOP("boots", KEY_INT, boots, AGAIN, 0),
	TOP("count", KEY_INT, count, PLAN, PLAN),
	TOP("n", KEY_INT, boot, BOOT, 0),
	TOP("complete", KEY_BOOL, complete, RUN_END, RUN_END),
	TOP("path", KEY_TEXT, path, KNOB, KNOB),
	TOP("old", KEY_TEXT, old, KNOB, KNOB),
	TOP("schema", KEY_INT, schema, RUN_BEGIN, RUN_BEGIN),
	TOP("deterministic", KEY_BOOL, deterministic, RUN_BEGIN, 0),
	TOP("nr_cpus", KEY_INT, nr_cpus, RUN_BEGIN, 0),
	TOP("attr_size", KEY_INT, attr_size, RUN_BEGIN, 0),
	TOP("header_attr_size", KEY_INT, header_attr_size, RUN_BEGIN, 0),
	TOP("repeat", KEY_INT, repeat, RUN_BEGIN, 0),
	TOP("tool", KEY_TEXT, fact[PV_F_TOOL], RUN_BEGIN, 0),
	TOP("platform", KEY_TEXT, fact[PV_F_PLATFORM], RUN_BEGIN, RUN_BEGIN),
	TOP("arch", KEY_TEXT, fact[PV_F_ARCH], RUN_BEGIN, 0),
	TOP("accel", KEY_TEXT, fact[PV_F_ACCEL], RUN_BEGIN, 0),
	TOP("cpu", KEY_TEXT, fact[PV_F_CPU], RUN_BEGIN, 0),
	TOP("start", KEY_TEXT, fact[PV_F_START], RUN_BEGIN, 0),
	TOP("boot_id", KEY_TEXT, fact[PV_F_BOOT_ID], RUN_BEGIN | RESUME, 0),
	FACT("release", SCOPE_KERNEL, PV_F_RELEASE),
	FACT("version", SCOPE_KERNEL, PV_F_VERSION),
	FACT("build_id", SCOPE_KERNEL, PV_F_BUILD_ID),
	FACT("cmdline", SCOPE_KERNEL, PV_F_CMDLINE),
	FACT("spec", SCOPE_KERNEL, PV_F_SPEC),
	FACT("package", SCOPE_KERNEL, PV_F_PACKAGE),
	FACT("package_version", SCOPE_KERNEL, PV_F_PACKAGE_VERSION),
	/* offsets into struct pv_descriptor_fact */
	{ "name", KEY_TEXT, SCOPE_DESCRIPTOR, offsetof(struct pv_descriptor_fact, name), RUN_BEGIN, 0 },
	{ "hash", KEY_TEXT, SCOPE_DESCRIPTOR, offsetof(struct pv_descriptor_fact, hash), RUN_BEGIN, 0 },
	/* offsets into struct pv_module_fact */
	{ "name", KEY_TEXT, SCOPE_MODULE, offsetof(struct pv_module_fact, name), MODULES, 0 },
	{ "build_id", KEY_TEXT, SCOPE_MODULE, offsetof(struct pv_module_fact, build_id), MODULES, 0 },
	{ "base", KEY_NUM, SCOPE_MODULE, offsetof(struct pv_module_fact, base), MODULES, 0 },
	{ "size", KEY_NUM, SCOPE_MODULE, offsetof(struct pv_module_fact, size), MODULES, 0 },
};
/* clang-format on */
const size_t pv_nr_keys = sizeof(pv_keys) / sizeof(pv_keys[0]);
_Static_assert(sizeof(pv_keys) / sizeof(pv_keys[0]) <= 128, "the sets of keys have 128 bits");
