/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel (or Xen) prints when something is wrong: the table of classes and its matcher.
 * No dependencies and no allocation: the agent uses this file, too.
 */
#ifndef PV_RESULTS_SPLAT_CLASS_H
#define PV_RESULTS_SPLAT_CLASS_H

#include <stdbool.h>
#include <stddef.h>

/* A metric is counted and fails nothing; a warning and a fatal splat fail the case they come in. */
enum pv_severity { PV_METRIC, PV_WARNING, PV_FATAL };
extern const char *const pv_severity_names[];

/* Where a title's function comes from. */
enum pv_title_from {
	PV_FROM_NOTHING, /* the line says it all */
	PV_FROM_TRACE,   /* the first frame that is not skipped: RIP or pc, then the trace */
	PV_FROM_LINE,    /* the line names it (%f); a skipped one gives way to the trace */
	PV_FROM_LOCK,    /* lockdep: the `at:` of the lock that is being taken */
	PV_FROM_STUCK,   /* the trace below the innermost interrupt */
};

/* Kinds of frames that a title passes over (splat_skip.c); PV_SKIP_REPORT always. */
enum {
	PV_SKIP_REPORT = 1, /* printing, trap entry, sanitizer reports */
	PV_SKIP_COPY = 2,   /* memory, string and user-copy helpers: the caller is meant */
	PV_SKIP_LOCK = 4,   /* lock functions: who locks is meant */
	PV_SKIP_WAIT = 8,   /* scheduler and waiting: who waits is meant */
	PV_SKIP_IRQ = 16,   /* interrupt entry and exit */
	PV_SKIP_ALLOC = 32, /* allocators */
};

enum {
	PV_ANYWHERE = 1, /* the words may stand anywhere in the line, else only at its start */
	PV_PART = 2, /* goes on with a splat that has no trace yet; alone it is one of its own */
	PV_CONSEQUENCE = 4, /* attaches to the splat before it and never gives the title */
	PV_OUTRANKED = 8,   /* a later PV_PART of another class takes the splat over */
	PV_BOOT = 16,       /* a kernel starts */
	PV_REMOTE = 32,     /* traces of other CPUs belong to it */
	PV_BAD_ACCESS = 64, /* one bug can show as any of these (alternative title) */
	PV_STALL = 128,     /* the same for time */
	PV_ONE_LINE = 256,  /* has no body */
	PV_XEN = 512,       /* only on (XEN) lines */
};

struct pv_splat_class {
	const char *name; /* several rows may share it */
	enum pv_severity severity;
	const char *words; /* a pattern, see pv_splat_pattern() */
	const char *title; /* %1..%9: captures; %F: " in FUNC" as `from` says; NULL: the line */
	enum pv_title_from from;
	unsigned int skip; /* beyond PV_SKIP_REPORT */
	unsigned int flags;
};
extern const struct pv_splat_class pv_splat_classes[];
extern const size_t pv_nr_splat_classes;

#define PV_CAPTURES 9
struct pv_splat_match {
	const struct pv_splat_class *class;
	struct {
		const char *at;
		size_t len;
	} cap[PV_CAPTURES];
	size_t nr;
};

/*
 * Does `text` begin with the pattern? Literal bytes, and: %d decimal digits, %x hex digits with or
 * without 0x, %s a word without blanks, %f a function name (an offset behind it is passed over),
 * %* anything up to what follows, also nothing, %l the rest of the line, %% a percent sign. Each of
 * them is a capture.
 */
bool pv_splat_pattern(const char *pattern, const char *text, size_t len, struct pv_splat_match *m);
/* The class of a line without its printk prefix; `xen`: from the hypervisor. */
bool pv_splat_match(const char *text, size_t len, bool xen, struct pv_splat_match *m);
/*
 * One line made comparable between boots: addresses, numbers, times, offsets and compiler suffixes
 * are gone, at most `size` - 1 and 120 bytes, printable ASCII.
 */
size_t pv_splat_normalise(char *dst, size_t size, const char *line, size_t len);
/* Skips a printk or syslog prefix: the offset of the text. For the agent: no state. */

#endif
