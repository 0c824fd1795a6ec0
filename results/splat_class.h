/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel (or Xen) prints when something is wrong: the table of classes and its matcher.
 * No dependencies and no allocation: the agent uses these files, too.
 */
#ifndef PV_RESULTS_SPLAT_CLASS_H
#define PV_RESULTS_SPLAT_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A metric is counted and fails nothing; a warning and a fatal splat fail the case they come in. */
enum pv_severity { PV_METRIC, PV_WARNING, PV_FATAL };
extern const char *const pv_severity_names[];

/* Where a title's function comes from. */
enum pv_title_from {
	PV_FROM_NOTHING, /* the line says it all */
	PV_FROM_TRACE,   /* the first frame that is not skipped: RIP or pc, then the trace */
	PV_FROM_LINE,    /* the line names it (%f); a skipped one gives way to the trace */
	PV_FROM_LOCK,    /* lockdep: the `at:` of the lock that is being taken */
	PV_FROM_STUCK,   /* as TRACE, but the watchdog's own interrupt is passed over */
	PV_FROM_BODY,    /* a line behind it names it ("caller is"); else as TRACE */
};

/* Kinds of frames that a title passes over (splat_skip.c). */
enum {
	PV_SKIP_REPORT = 1,  /* always: printing, trap entry, sanitizer reports, register access */
	PV_SKIP_COPY = 2,    /* memory, string and user-copy helpers: the caller is meant */
	PV_SKIP_LOCK = 4,    /* lock functions: who locks is meant */
	PV_SKIP_WAIT = 8,    /* scheduler and waiting: who waits is meant */
	PV_SKIP_IRQ = 16,    /* interrupt entry and exit, timer tick, watchdogs */
	PV_SKIP_ALLOC = 32,  /* allocators */
	PV_SKIP_HELPER = 64, /* trees, lists, ids, checksums, kobjects: who calls them is meant */
	PV_SKIP_ENTRY = 128, /* hands over to an operation: the frame inside it names that */
};

enum {
	PV_ANYWHERE = 1, /* the words may stand anywhere in the line, else only at its start */
	PV_PART = 2, /* goes on with a splat that has no trace yet; alone it is one of its own */
	PV_CONSEQUENCE = 4,     /* attaches to the splat before it */
	PV_NEVER_TITLE = 8,     /* and says nothing when that is not in the log */
	PV_OUTRANKED = 16,      /* gives its place to a PV_PART or PV_LATE of another class */
	PV_LATE = 32,           /* a PV_PART that may come behind the trace */
	PV_REMOTE = 64,         /* traces of other CPUs belong to it */
	PV_BAD_ACCESS = 128,    /* one bug can show as any of these (alternative title) */
	PV_STALL = 256,         /* the same for time */
	PV_ONE_LINE = 512,      /* has no body */
	PV_NEEDS_BODY = 1024,   /* is no splat unless a trace or registers follow */
	PV_OTHER_FIRST = 2048,  /* other stacks come first, `stack backtrace:` is the one */
	PV_CUT = 4096,          /* the line before a header */
	PV_BOOT = 8192,         /* a kernel or firmware starts */
	PV_DOWN = 16384,        /* an orderly end: what boots next is no surprise */
	PV_XEN = 32768,         /* only on (XEN) lines */
	PV_REASON_NEXT = 65536, /* the title's end is the next line */
	PV_CHANCE = 262144,     /* where it was noticed is chance: the operation is another title */
	PV_DETAIL = 131072,     /* goes on only with a header that it outranks: a warning's words */
};

struct pv_splat_class {
	const char *name; /* several rows may share it */
	enum pv_severity severity;
	const char *words; /* a pattern, see pv_splat_pattern() */
	/*
	 * %1..%9: captures; %R1: as it is; %M1: MSR number with its name; %F: " in FUNC" as `from`
	 * says; %A: " Read" or " Write"; NULL: the line. Captures lose their numbers and addresses.
	 */
	const char *title;
	enum pv_title_from from;
	unsigned int skip; /* beyond PV_SKIP_REPORT */
	unsigned int flags;
	const char *alt; /* the title by which others know it, as `title`; NULL: none */
};
extern const struct pv_splat_class pv_splat_classes[];
extern const size_t pv_nr_splat_classes;

#define PV_CAPTURES 9
struct pv_capture {
	char type; /* the conversion's letter */
	const char *at;
	size_t len;
};
struct pv_splat_match {
	const struct pv_splat_class *class;
	struct pv_capture cap[PV_CAPTURES];
	size_t nr;
};

/*
 * Does `text` begin with the pattern? Literal bytes, and: %d decimal digits, %c and %p the same (a
 * CPU, a pid), %x hex digits with or without 0x, %s a word without blanks, %t a task's name, %f a
 * function (offset and module behind it are passed over), %* anything up to what follows, also
 * nothing, %l the rest of the line; each is a capture. %e: the end of the line. At most 512 bytes
 * are looked at.
 */
bool pv_splat_pattern(const char *pattern, const char *text, size_t len, struct pv_splat_match *m);
/* The class of a line without its printk prefix; `xen`: from the hypervisor. */
bool pv_splat_match(const char *text, size_t len, bool xen, struct pv_splat_match *m);
/* The same for one row. */
bool pv_splat_match_row(const struct pv_splat_class *c, const char *text, size_t len, bool xen,
			struct pv_splat_match *m);
/* The capture of that type, or NULL. */
const struct pv_capture *pv_splat_capture(const struct pv_splat_match *m, char type);
/*
 * A line made comparable between boots: addresses, numbers, times, offsets are '#' or gone; at most
 * 120 bytes of printable ASCII and a NUL. Returns the length.
 */
size_t pv_splat_normalise(char *dst, size_t size, const char *line, size_t len);

#endif
