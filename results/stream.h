/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading the event stream of docs/stream.md: one line in, one event out. What
 * lies between lines (order, duplicates, completeness) is judged by run.h.
 *
 * Every text in an event is clean: valid UTF-8 without control characters or
 * direction overrides (they become '?'), so that it may go to a terminal as it is.
 */
#ifndef PV_RESULTS_STREAM_H
#define PV_RESULTS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PV_STREAM_SCHEMA 1
#define PV_LINE_MAX      (1u << 20) /* bytes of a line, its newline not counted */
#define PV_ID_MAX        512        /* bytes of a case id */

/* int64 and u64 in one: errnos are negative, counters may use all 64 bits. */
__extension__ typedef __int128 pv_num;

enum pv_event_type {
	PV_E_UNKNOWN, /* to be skipped */
	PV_E_RUN_BEGIN,
	PV_E_PLAN,
	PV_E_BOOT,
	PV_E_CASE_BEGIN,
	PV_E_EVIDENCE,
	PV_E_MESSAGE,
	PV_E_SPLAT,
	PV_E_DEATH,
	PV_E_CASE_END,
	PV_E_QMP,
	PV_E_KNOB,
	PV_E_MODULES,
	PV_E_RESUME,
	PV_E_AGAIN,
	PV_E_RUN_END,
	PV_E_NR,
};

/* Verdicts, from best to worst. */
enum pv_result {
	PV_R_PASS,
	PV_R_XPASS,
	PV_R_XFAIL,
	PV_R_SKIP,
	PV_R_MISS,
	PV_R_ERROR,
	PV_R_FAIL,
	PV_R_HANG,
	PV_R_CRASH,
	PV_R_NR,
};
extern const char *const pv_result_names[PV_R_NR];

enum pv_op { PV_OP_EQUAL, PV_OP_WITHIN, PV_OP_ERROR, PV_OP_NOTED, PV_OP_NR };
extern const char *const pv_op_names[PV_OP_NR];

/* The texts of run_begin; "" when the stream has not got them. */
enum pv_fact {
	PV_F_TOOL,
	PV_F_PLATFORM,
	PV_F_ARCH,
	PV_F_ACCEL,
	PV_F_CPU,
	PV_F_START,
	PV_F_BOOT_ID, /* also of resume */
	PV_F_RELEASE, /* kernel.release and so on */
	PV_F_VERSION,
	PV_F_BUILD_ID,
	PV_F_CMDLINE,
	PV_F_SPEC,
	PV_F_PACKAGE,
	PV_F_PACKAGE_VERSION,
	PV_F_NR,
};

#define PV_DESCRIPTORS_MAX 256
struct pv_descriptor_fact {
	const char *family, *name, *hash;
};

/* A module of the kernel that runs. */
#define PV_MODULES_MAX 4096
struct pv_module_fact {
	const char *name, *build_id; /* build_id NULL: it has none */
	pv_num base, size;           /* base 0: hidden */
};

/*
 * One event. Keys that the line has not got are NULL, 0 or false; those that its
 * kind must have are there. Texts live until the stream's next line.
 */
struct pv_stream_event {
	enum pv_event_type type;
	unsigned long line;
	const char *id; /* `case` */
	int64_t rep;

	/* evidence; `name` also of qmp */
	const char *name, *op_text, *at;
	enum pv_op op;
	pv_num observed;
	pv_num lo, hi; /* what was due; == and errno: both are `expected`; unset for notes */
	pv_num expected;
	bool ok; /* true for notes */

	const char *text;          /* message (one line), splat (lines) */
	const char *class, *title; /* splat; `title` also of death, case_end and again */
	const char *alt;           /* case_end: other titles of the same bug, joined by \n */

	/* case_end; `reason` and `seconds` also of boot, again and run_end */
	const char *verdict;
	enum pv_result result;
	const char *reason, *kind, *erratum,
		*tail;     /* tail: lines joined by \n; kind also of death */
	const char *death; /* case_end: the kind of the guest's death */
	const char *log;   /* death: where the evidence is from */
	bool early;        /* death: before the agent had said hello */
	double seconds;

	const char *fact[PV_F_NR]; /* run_begin */
	int64_t schema, nr_cpus, attr_size, header_attr_size, repeat;
	bool deterministic;
	struct pv_descriptor_fact *descriptor;
	size_t nr_descriptors;
	const struct pv_module_fact *module; /* modules */
	size_t nr_modules;

	/* again; `reason` when it did not come to its end; prefix: ids joined by \n */
	bool alone, reproduced;
	const char *prefix;
	int64_t boots;

	int64_t count;          /* plan */
	int64_t boot;           /* `n` of boot */
	bool complete;          /* run_end */
	const char *path, *old; /* knob */
};

struct pv_stream;
/* `name` stands before the line number in errors; it must outlive the stream. NULL: no memory. */
struct pv_stream *pv_stream_new(const char *name);
void pv_stream_free(struct pv_stream *s);
/*
 * One line without its newline. 0 and *e (valid until the next call), or -EINVAL: pv_stream_error()
 * tells why and the next line may still be read; -ENOMEM.
 */
int pv_stream_line(struct pv_stream *s, const char *line, size_t len,
		   const struct pv_stream_event **e);
/* "NAME:LINE: what is wrong", of the last failure. */
const char *pv_stream_error(const struct pv_stream *s);
/* Makes the last line read the place of an error that the caller found; returns -EINVAL. */
int pv_stream_fail(struct pv_stream *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/*
 * Reads all whole lines of `path`, giving each event to fn until that returns non-zero (which is
 * then the result). *cut is set when the file ends within a line; that rest is dropped. 0, -EINVAL
 * or fn's answer with pv_stream_error() set, or another -errno: the file cannot be opened or read
 * (message also set).
 */
int pv_stream_file(struct pv_stream *s, const char *path,
		   int (*fn)(void *ctx, const struct pv_stream_event *e), void *ctx, bool *cut);

/* Decimal; errnos by name when `op` is PV_OP_ERROR ("success" for 0). Returns buf. */
#define PV_NUM_SIZE 48
const char *pv_num_text(char buf[PV_NUM_SIZE], pv_num value, enum pv_op op);
/* "expected E, observed O", for the diagnostics of one evidence. Returns buf. */
const char *pv_evidence_text(char *buf, size_t size, const struct pv_stream_event *e);

#endif
