/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the parts of the splat parser. */
#ifndef PV_RESULTS_SPLAT_PRIVATE_H
#define PV_RESULTS_SPLAT_PRIVATE_H

#include "results/splat.h"

#define PV_LOG_LINE 4096 /* bytes of a line that are looked at */

/* ---- splat_line.c: a line of a log ---- */

struct pv_line {
	const char *text; /* without prefix, colours and control characters; not NUL-terminated */
	size_t len;
	uint64_t start, end; /* bytes of the log, the newline included */
	uint64_t tag;        /* printk's caller: 0 unknown, else unique to the task or CPU */
	int64_t time;        /* printk's, in milliseconds; -1 unknown */
	bool kernel;         /* has a printk timestamp or a syslog `kernel:` */
	bool foreign;        /* syslog's, of another program */
	bool xen;            /* the hypervisor's */
	bool broken;         /* another line begins in the middle of it */
};

/* Without colours and control characters, in place of dst (PV_LOG_LINE bytes); '\r' stays. */
size_t pv_line_clean(char *dst, const char *raw, size_t len);
/*
 * The first line of `text`: parsed into *line; returns how many bytes it takes. Several stand in
 * one when CPUs or programs write to the same console.
 */
size_t pv_line_next(const char *text, size_t len, struct pv_line *line);

/* ---- splat_scan.c: finds lines worth looking at, fast ---- */

struct pv_scan;
struct pv_scan *pv_scan_new(void);
void pv_scan_free(struct pv_scan *s);
/* Offset of the next place at or behind `from` where the words of a class may be; len: none. */
size_t pv_scan_next(const struct pv_scan *s, const char *text, size_t from, size_t len);
/* The same answer as pv_splat_match(), faster. */
bool pv_scan_match(const struct pv_scan *s, const char *text, size_t len, bool xen,
		   struct pv_splat_match *m);

/* ---- splat.c: a splat that is being read ---- */

#define PV_FRAMES         192
#define PV_REGISTERS      64
#define PV_SPLAT_POOL     32768 /* names of frames and registers */
#define PV_SPLAT_TEXT_MAX 65536
#define PV_TITLE_MAX      120

enum pv_phase {
	PV_PHASE_HEAD, /* nothing but header lines yet */
	PV_PHASE_BODY, /* a trace or registers have come */
	PV_PHASE_END,  /* its end mark has come */
};

enum pv_section {
	PV_MAIN,
	PV_OTHER_STACK, /* lockdep's chains, other CPUs: in the text only */
	PV_ALLOC,
	PV_FREE,
	PV_SECOND, /* KCSAN's other access */
};

struct pv_open {
	const struct pv_kinds *skips;
	const struct pv_words *words;
	const struct pv_splat_class
		*class;             /* NULL behind a `cut here` that no header followed yet */
	char kind[256], other[128]; /* its title and `alt` with %F and %A still in them */
	char line[128];             /* its header, normalised */
	char func[128], func2[128]; /* functions that the header names, "" none */
	char inner[128];            /* what is inlined into `func` */
	char lock[128];             /* where the lock is taken */
	char access[16];            /* Read, Write */
	char at[128];               /* file:line that the header names, "" none */
	const char *at_class;       /* and the class of that header */
	char panic[128];
	char task[64], release[96], tainted[128];
	bool has_panic, has_taint;
	bool named;  /* the header says which task */
	bool kernel; /* the header had printk's prefix */
	bool closed, xen, user_regs, broken, cut, want_lock, lock_next, has_offset;
	bool not_a_frame;     /* the next line only looks like one */
	bool want_reason;     /* PV_REASON_NEXT */
	long cpu, pid, stuck; /* stuck: the CPU whose trace is wanted, -1 any */
	int64_t time;         /* of its last line, as of struct pv_line */
	uint64_t start, end, count;
	uint64_t tag[8];
	size_t nr_tags;
	enum pv_phase phase;
	enum pv_section section;
	const char *context;
	unsigned int strange, user; /* lines in a row that are none of a splat; of user space */

	size_t nr_frames, nr_main, nr_regs, nr_pool;
	size_t nr_text, nr_kept; /* kept: up to the last line that is the splat's */
	/* made by pv_title_make() */
	char title[PV_TITLE_MAX + 1], alt[PV_ALT_TITLES][PV_TITLE_MAX + 1], key[512];
	size_t nr_alt;
	bool corrupted;

	/* from here on not cleared: the counts say what is there */
	struct pv_frame frame[PV_FRAMES];
	unsigned short kinds[PV_FRAMES]; /* pv_kinds_of(), PV_KIND_KNOWN when asked */
	struct pv_register reg[PV_REGISTERS];
	char pool[PV_SPLAT_POOL];
	char text[PV_SPLAT_TEXT_MAX];
};

/* A copy that lives as long as the splat; NULL when there is no room. */
const char *pv_open_keep(struct pv_open *o, const char *text, size_t len);
/* ---- splat_header.c ---- */

/* Takes a header's words over: the first, or one that outranks it. */
void pv_header_take(struct pv_open *o, const struct pv_splat_match *m, const struct pv_line *l);
/* A further header of the same splat. */
void pv_header_join(struct pv_open *o, const struct pv_splat_match *m, const struct pv_line *l);
/* `title`, one of the class's, with the captures; %F and %A stay. */
void pv_header_title(char *dst, size_t size, const char *title, const struct pv_splat_match *m);

/* ---- splat_frame.c ---- */

/* A frame of any architecture's trace; its texts are put into o's pool. */
bool pv_frame_parse(struct pv_open *o, const char *text, size_t len, struct pv_frame *f);
void pv_frame_add(struct pv_open *o, const struct pv_frame *f);
/* Of an allocation, a free or another CPU's access: not the trace itself. */
bool pv_is_aside(const struct pv_frame *f);
/* A line of a trace: parsed, and added if it belongs to the wanted one. */
bool pv_frame_line(struct pv_open *o, const char *text, size_t len);
/* "+0x" in a line, or NULL. */
const char *pv_frame_plus(const char *text, size_t len);
/* The first "func+0x12/0x34" of a line, with what stands behind it; at..at+*n, or NULL. */
const char *pv_frame_find(const char *text, size_t len, size_t *n);

/* ---- splat_who.c ---- */

void pv_copy(char *dst, size_t size, const char *p, size_t len); /* cuts, and cleans */
long pv_number(const char *p, size_t len);                       /* decimal, 0 without digits */
/* "comm Not tainted ..." */
void pv_who_comm(struct pv_open *o, const char *p, size_t len);
/* Taint letters and release, wherever they stand in the line. */
void pv_who_taint(struct pv_open *o, const char *p, size_t len);
void pv_register_keep(struct pv_open *o, const char *name, size_t n, const char *value, size_t v);
/* "RAX: 0000 RBX: 0000", "x29: ffff x28: ffff", "sp : ffff", "gp : ffff tp : ffff" */
bool pv_registers_line(struct pv_open *o, const char *p, size_t len);

/* ---- splat_body.c ---- */

enum pv_body { PV_BODY_NOT, PV_BODY_MAYBE, PV_BODY_YES, PV_BODY_END };
/* What the line is to the splat. */
enum pv_body pv_body_line(struct pv_open *o, const struct pv_line *l);
/* A trace or registers have come. */
void pv_body_begin(struct pv_open *o);
/* Has its class any of these flags? */
bool pv_open_is(const struct pv_open *o, unsigned int flags);

/* ---- splat_words.c ---- */

struct pv_words;
struct pv_words *pv_words_new(void);
void pv_words_free(struct pv_words *w);
/* The same for a line that is known by how it begins; without indentation. */
enum pv_body pv_words_line(struct pv_open *o, const char *p, size_t len);

/* ---- splat_pc.c: what stands behind "RIP:", "IP:", "pc :", "lr :" ---- */

enum pv_body pv_on_rip(struct pv_open *o, const char *p, size_t len);
enum pv_body pv_on_ip(struct pv_open *o, const char *p, size_t len);
enum pv_body pv_on_pc(struct pv_open *o, const char *p, size_t len);
enum pv_body pv_on_lr(struct pv_open *o, const char *p, size_t len);

/* ---- splat_title.c ---- */

void pv_title_make(struct pv_open *o);

/* ---- splat_func.c ---- */

#define PV_FUNC_MAX   96
#define PV_KIND_KNOWN 0x8000 /* with what pv_kinds_of() said */

/* snprintf() that may cut. */
void pv_put(char *dst, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A function's name without syscall wrappers and compiler suffixes; size > 4. */
size_t pv_func_clean(char *dst, size_t size, const char *func, size_t len);
void pv_func_of(char name[PV_FUNC_MAX], const char *func);
/* May a title name the frame? Its clean name, and o->kinds[i]. */
bool pv_frame_usable(struct pv_open *o, size_t i, char name[PV_FUNC_MAX], unsigned int skip,
		     bool guesses);
/* The first frame of the main trace from `from` on that a title may name. */
bool pv_frame_first(struct pv_open *o, size_t from, unsigned int skip, char name[PV_FUNC_MAX]);
/* Of a stall: where the code begins that the tick broke into. */
size_t pv_frame_below_tick(const struct pv_open *o);
/* The title's function; false: the log does not say it. */
bool pv_frame_title(struct pv_open *o, char name[PV_FUNC_MAX]);

/* ---- splat_skip.c ---- */

struct pv_kinds;
struct pv_kinds *pv_kinds_new(void);
void pv_kinds_free(struct pv_kinds *s);
/* Of which kinds (PV_SKIP_*) is a function? `func` is clean. */
unsigned int pv_kinds_of(const struct pv_kinds *s, const char *func);

#endif
