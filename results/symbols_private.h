/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef PV_RESULTS_SYMBOLS_PRIVATE_H
#define PV_RESULTS_SYMBOLS_PRIVATE_H

#include <elfutils/libdwfl.h>
#include <sys/stat.h>

#include "results/symbols.h"
#include "results/text.h"

#define PV_SYM_NAME 128

/* ---- symbols_file.c: what a file is, without its debug information being read ---- */

/* The same content under the same name, as far as stat() can tell. */
struct pv_sym_stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct pv_sym_info {
	char build_id[PV_BUILD_ID_SIZE]; /* "": none */
	bool module;                     /* relocatable; else a kernel */
	bool banner;                     /* it has the symbol linux_banner: a kernel indeed */
	bool dwarf;
	char name[PV_SYM_NAME];      /* of a module, as the kernel calls it; "": it does not say */
	char release[PV_SYM_NAME];   /* "": unknown */
	char debuglink[PV_SYM_NAME]; /* "": none */
};

/* An open file whose bytes are an ELF file (decompressed into memory if need be), or -errno. */
int pv_sym_open(const char *path, struct pv_sym_stamp *stamp, char *error, size_t size);
/* 0 or -errno; fd stays open. */
int pv_sym_inspect(int fd, const char *path, struct pv_sym_info *info, char *error, size_t size);
bool pv_sym_stamp(const char *path, struct pv_sym_stamp *stamp);
bool pv_sym_same(const struct pv_sym_stamp *a, const struct pv_sym_stamp *b);
/* The module's name by its file's: "/x/snd-hda.ko.xz" is snd_hda. False: not a module's file name.
 */
bool pv_sym_module_name(const char *path, char name[PV_SYM_NAME]);
/* symbols_unpack.c: plain bytes of a .gz, .xz or .zst file (others as they are) in a new memfd, or
 * -errno. */
#define PV_SYM_UNPACKED_MAX (1ull << 30)
int pv_sym_unpack(int fd, const char *path, char *error, size_t size);

/* symbols_sections.c: the same with sections that libelf cannot unpack as plain ones; takes fd. */
int pv_sym_unpack_sections(int fd, const char *path, char *error, size_t size);

/* ---- symbols_object.c: one ELF file, its symbols sorted once ---- */

struct pv_sym {
	uint64_t addr; /* in the file's own layout; of a module: as libdwfl laid it out */
	uint64_t size; /* to the next symbol, as kallsyms has it */
	uint64_t elf_size;
	const char *name;
	uint32_t next;      /* of the same hash */
	uint32_t section;   /* of a module, else 0 */
	bool last;          /* nothing behind it in its section */
	unsigned char rank; /* of several at one address: the lowest names it */
};

struct pv_sym_object {
	const char *path;
	struct pv_sym_info info;
	Dwfl *dwfl;
	Dwfl_Module *mod;
	struct pv_sym *sym; /* by address */
	size_t nr;
	uint32_t *bucket;
	size_t nr_buckets;
	struct pv_sym_dwarf *dwarf; /* NULL until asked for */
	struct pv_arena arena;
	const char *root; /* of the kernel's source, which paths are given without; "": unknown */
	char error[512];  /* not "": neither symbols nor lines can be had */
};

/* Takes the fd. Never NULL; look at error. */
struct pv_sym_object *pv_sym_object_new(int fd, const char *path, const struct pv_sym_info *info);
void pv_sym_object_free(struct pv_sym_object *o);
/* The first symbol of that name (behind `after`, if not NULL), or NULL. Compiler suffixes ".llvm.N"
 * are nothing. */
const struct pv_sym *pv_sym_by_name(const struct pv_sym_object *o, const char *name,
				    const struct pv_sym *after);
const struct pv_sym *pv_sym_by_addr(const struct pv_sym_object *o, uint64_t addr);

/* ---- symbols_dwarf.c: lines and inline chains ---- */

#define PV_SYM_CHAIN_MAX 64
/* The chain at an address of the object; 0: no debug information covers it. Cached. */
size_t pv_sym_chain(struct pv_sym_object *o, uint64_t addr, const struct pv_symbols_place **chain);
/* Of a kernel: where its source lay, by the place of start_kernel(). */
void pv_sym_find_root(struct pv_sym_object *o);
void pv_sym_dwarf_free(struct pv_sym_object *o);
/* Why there is none at all: "" or a text. */
const char *pv_sym_dwarf_error(struct pv_sym_object *o);

/* ---- symbols_find.c: which file ---- */

struct pv_sym_file {
	const char *path;
	struct pv_sym_stamp stamp;
	struct pv_sym_info info;
	struct pv_sym_object *object; /* NULL until asked for */
	char error[256];
	bool explicit; /* the user named this very file */
	bool stale;    /* the path holds something else now */
};

struct pv_sym_entry {            /* a file in a directory that was given */
	const char *path, *name; /* name: the module's, "vmlinux", or the file's own */
};

struct pv_sym_dir {
	const char *path;
	struct pv_sym_entry *entry; /* by name */
	size_t nr, size;
	bool walked;
};

struct pv_sym_known { /* what the log or the stream says of a module; module "": the kernel */
	const char *module, *build_id;
	uint64_t base, size;
};

struct pv_symbols {
	struct pv_arena arena;
	struct pv_strings strings;
	char error[512];
	struct pv_sym_file **file;
	size_t nr_files, files_size;
	struct pv_sym_dir *dir;
	size_t nr_dirs;
	struct pv_sym_known *known;
	size_t nr_known;
	const char *release; /* NULL: unknown */
	uint64_t slide;
	const char **note;
	size_t nr_notes, notes_size;
	struct pv_sym_kallsyms *kallsyms;
};

struct pv_sym_found {
	struct pv_sym_file *file; /* NULL: see status and why */
	enum pv_symbols_status status;
	bool checked;
	const char *why;
};

/* The file of the kernel (module NULL) or of a module. build_id overrules what is expected. */
void pv_sym_find(struct pv_symbols *s, const char *module, const char *build_id,
		 struct pv_sym_found *found);
/* This file, inspected; again if it is another one than last time. Never NULL; look at its error.
 */
struct pv_sym_file *pv_sym_file(struct pv_symbols *s, const char *path);
struct pv_sym_known *pv_sym_known(struct pv_symbols *s, const char *module, bool make);
const char *pv_sym_text(struct pv_symbols *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void pv_sym_note(struct pv_symbols *s, const char *text);

/* symbols_dir.c */
void pv_sym_dir_walk(struct pv_symbols *s, struct pv_sym_dir *d);
/* Entries of that name are dir->entry[return value ...]; *nr of them. */
size_t pv_sym_dir_find(struct pv_symbols *s, struct pv_sym_dir *d, const char *name, size_t *nr);

/* ---- symbols_kallsyms.c ---- */

struct pv_sym_kallsym {
	uint64_t addr;
	const char *name, *module; /* module NULL: the kernel */
};

int pv_sym_kallsyms_load(struct pv_symbols *s, const char *path);
void pv_sym_kallsyms_free(struct pv_symbols *s);
/*
 * The symbol that an address lies in and the distance to the next; false: none. *addr becomes the
 * table's: without the slide when the table is one of the link.
 */
bool pv_sym_kallsyms_find(const struct pv_symbols *s, uint64_t *addr, struct pv_sym_kallsym *sym,
			  uint64_t *size);

#endif
