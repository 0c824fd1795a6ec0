/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of a kernel's crash to source lines, with libelf and libdw.
 *
 * The build-id decides. Where the log or the stream names one, only a file with the same build-id
 * is used; where it names none, the file's release must not contradict the log's and the answer
 * says that nothing was checked. A file is known by what was opened (device, inode, time, size),
 * never by its path: a vmlinux that is built anew during a run is another kernel.
 *
 * Files may be anything: libelf and libdw see them in this process, what they refuse becomes a
 * text. No threads: one struct pv_symbols is used by one thread at a time.
 */
#ifndef PV_RESULTS_SYMBOLS_H
#define PV_RESULTS_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pv_symbols;

struct pv_symbols *pv_symbols_new(void);    /* aborts without memory, as all here do */
void pv_symbols_free(struct pv_symbols *s); /* with everything it gave out; NULL is fine */

/*
 * A vmlinux, a .debug file, a module (.ko, .ko.gz, .ko.xz, .ko.zst), or a directory in which such
 * files are looked for when they are needed: an unpacked debug package, /usr/lib/debug, a .build-id
 * tree, a debuginfod cache (BUILD-ID/debuginfo), a kernel build tree, /lib/modules/RELEASE.
 * 0, or -errno with the reason in pv_symbols_error(): not there, not readable, no ELF file.
 */
int pv_symbols_add(struct pv_symbols *s, const char *path);
/*
 * Symbol addresses of the running kernel: /proc/kallsyms or System.map, also with .gz, .xz or .zst.
 * They name functions where there is no vmlinux. 0, or -errno with pv_symbols_error().
 */
int pv_symbols_kallsyms(struct pv_symbols *s, const char *path);
/* "FILE: what is wrong" or "FILE:LINE: ...", of the last failure of the two above. */
const char *pv_symbols_error(const struct pv_symbols *s);

/*
 * What is known of the kernel (module NULL) or of a module that runs: its build-id in hex. NULL or
 * "" forgets it. -EINVAL: this is no build-id. Holds for what is resolved from now on.
 */
int pv_symbols_expect(struct pv_symbols *s, const char *module, const char *build_id);
/* The running kernel's release ("6.1.0-50-cloud-amd64"), for files that no build-id proves; NULL:
 * unknown. */
void pv_symbols_release(struct pv_symbols *s, const char *release);
/* How far KASLR has moved the kernel ("Kernel Offset:"), for addresses. */
void pv_symbols_slide(struct pv_symbols *s, uint64_t slide);
/* Where a module lies (event `modules`, /proc/modules), for addresses. */
void pv_symbols_base(struct pv_symbols *s, const char *module, uint64_t base, uint64_t size);

enum pv_symbols_status {
	PV_SYMBOLS_OK,        /* func, file and line of each of the chain */
	PV_SYMBOLS_NO_LINE,   /* the function is right, no line is known */
	PV_SYMBOLS_NO_FILE,   /* nothing that was given could be it */
	PV_SYMBOLS_OTHER,     /* another build of it: both build-ids (or releases) are named */
	PV_SYMBOLS_NO_SYMBOL, /* no symbol of that name and size, or none at that address */
	PV_SYMBOLS_AMBIGUOUS, /* several of that name and size; all are named */
	PV_SYMBOLS_BROKEN,    /* the file cannot be read */
	PV_SYMBOLS_NR,
};
/* One word each, for JSON. */
extern const char *const pv_symbols_status_names[PV_SYMBOLS_NR];

struct pv_symbols_query {
	const char *module;   /* NULL: the kernel itself, or unknown for an address */
	const char *build_id; /* of the module, as the trace names it; NULL: pv_symbols_expect() */
	const char *func;     /* NULL: by address */
	uint64_t offset;      /* into func */
	uint64_t size;        /* of func as the kernel prints it: to the next symbol; 0: unknown */
	uint64_t address;     /* as the kernel printed it; only without func */
	bool exact; /* RIP or pc; else a return address: the call lies one byte before it */
};

struct pv_symbols_place {
	const char *func; /* "" when only the line is known */
	const char *file; /* relative to the kernel's source where it lies there; NULL: unknown */
	unsigned int line;
};

/* Texts live as long as the struct pv_symbols. */
struct pv_symbols_answer {
	enum pv_symbols_status status;
	bool checked; /* the build-id was compared and is the same */
	/* The symbol that was found; for a query by address all four are news. */
	const char *func, *module;
	uint64_t offset, size;
	/*
	 * Innermost first: chain[0] is where the address lies, each next one is where the one
	 * before was inlined, the last is the function that was compiled. Empty unless OK.
	 */
	const struct pv_symbols_place *chain;
	size_t nr;
	const char *why; /* a sentence that names files and build-ids; "" when OK */
};

void pv_symbols_resolve(struct pv_symbols *s, const struct pv_symbols_query *q,
			struct pv_symbols_answer *a);

/*
 * What a reader of the answers must know, each said once: build-ids that differ, files that could
 * not be checked. NULL behind the last.
 */
const char *pv_symbols_note(const struct pv_symbols *s, size_t i);

/* The build-id in hex of an ELF file, compressed or not: 0, or -errno with a text in error. */
#define PV_BUILD_ID_SIZE 129
int pv_symbols_build_id(const char *path, char hex[PV_BUILD_ID_SIZE], char *error, size_t size);

#endif
