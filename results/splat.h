/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads console logs in any pieces, in constant memory, and tells each splat: what the kernel
 * printed because something is wrong. docs/crash.md.
 */
#ifndef PV_RESULTS_SPLAT_H
#define PV_RESULTS_SPLAT_H

#include <stdint.h>

#include "results/splat_class.h"

struct pv_frame {
	const char *func;              /* NULL: only the address is known */
	uint64_t offset, size;         /* both 0: unknown */
	uint64_t address;              /* 0: unknown */
	const char *module, *build_id; /* NULL: the kernel's own; build id not printed */
	const char *context;           /* TASK, IRQ, NMI, #DF, ALLOC, FREE, ...; "" unknown */
	const char *file;              /* when the log is symbolised already */
	unsigned int line;
	const char *unresolved,
		*why; /* why crash_symbols.h found no line: a word, a sentence; NULL */
	bool guess;   /* '?': perhaps left over on the stack */
	bool exact;   /* RIP or pc, not a return address */
	bool inlined; /* `[inline]`: goes with the next frame that is not */
};

struct pv_register {
	const char *name, *value; /* as printed: mangled digits stay mangled */
};

#define PV_ALT_TITLES 8
struct pv_splat {
	const char *class;
	enum pv_severity severity;
	const char *title;
	const char *alt[PV_ALT_TITLES]; /* the same bug if any title of two splats is the same */
	size_t nr_alt;
	const char *key;   /* the first five real frames joined by '|', "" without frames */
	const char *panic; /* reason of the panic that it ended in; NULL: it did not */
	const char *task, *release, *tainted; /* NULL: not said; tainted: "" for `Not tainted` */
	long cpu, pid;                        /* -1: not said */
	const struct pv_frame *frames;        /* innermost first */
	size_t nr_frames;
	const struct pv_register *registers; /* of the place where it happened */
	size_t nr_registers;
	const char *text;    /* its lines without printk's prefix and without other CPUs' lines */
	uint64_t start, end; /* bytes of the log, from its first line to behind its last */
	uint64_t count;      /* a metric: lines; else times the header came in a row */
	const char *value;   /* a metric: the last line */
	const char *const *notes; /* what crash_symbols.h has to say that it has not said before */
	size_t nr_notes;
	uint64_t worst, cap; /* a metric: its largest number; the sampling rate left */
	bool corrupted, first;
	bool cut; /* more frames or text than there is room for */
};

struct pv_splat_parser;
/* What it points to lives until the callback returns. Splats come in the order they began in. */
typedef void pv_splat_fn(const struct pv_splat *splat, void *arg);

struct pv_splat_parser *pv_splat_parser_new(pv_splat_fn *fn, void *arg);
void pv_splat_feed(struct pv_splat_parser *p, const void *data, size_t len);
/* The log is over: tells what is still open. Feeding may go on with a new log behind it. */
void pv_splat_finish(struct pv_splat_parser *p);
void pv_splat_parser_free(struct pv_splat_parser *p);

/* The name of an MSR of a PMU; false: none that is known. */
bool pv_msr_name(char *dst, size_t size, uint32_t msr);

#endif
