/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Side-band records: what an event that counts nothing tells of the tasks it watches.
 * All of them are taken out of the ring first and judged afterwards, field by field.
 */
#ifndef PV_CASES_LIB_SIDEBAND_H
#define PV_CASES_LIB_SIDEBAND_H

#include "cases/pv.h"

#define SB_MAX 1024

struct sb_rec {
	uint32_t type;
	uint16_t misc, size;
	uint32_t len; /* of the body, without the sample_id trailer */
	const uint8_t *body;
	/* the trailer */
	uint32_t pid, tid, cpu, reserved;
	uint64_t time, id, stream, identifier;
};

struct sb_log {
	uint64_t id;       /* of the event the ring belongs to */
	uint64_t from, to; /* CLOCK_MONOTONIC_RAW when it was opened and when it was read */
	int cpu;
	bool inherit;
	unsigned int n;
	struct sb_rec rec[SB_MAX];
	size_t used;
	uint8_t bytes[];
};

/* Whose doing a record is: its trailer. */
struct sb_who {
	pid_t pid, tid;
};

/* One evidence of a record's fields: each wrong one is told in a message. */
struct sb_check {
	struct pv_test *t;
	const char *what;
	unsigned int wrong;
};

/* A disabled dummy event with a full trailer and times of pv_sys_walltime(); no side-band bit. */
struct perf_event_attr sb_attr(void);
/* Opens it, with a ring of its own. */
struct pv_ev *sb_open(struct pv_test *t, const struct perf_event_attr *attr, pid_t pid, int cpu);
/* The case's own process, on the CPU it is pinned to (an inherited event with a ring needs one). */
struct pv_ev *sb_open_self(struct pv_test *t, const struct perf_event_attr *attr);
/* Linux 6.12 or later, known by a refusal that ended there. Build ids are read from any page of a
 * file, and every piece of the heap is called so, only since then. */
bool sb_since_6_12(struct pv_test *t);
/* Empties the ring; judges what holds for every record: its trailer, order of time, and nothing
 * lost. The log lives until the case ends. */
struct sb_log *sb_take(struct pv_test *t, struct pv_ev *ev);

struct sb_who sb_self(void);
uint32_t sb_u32(const struct sb_rec *r, size_t offset);
uint64_t sb_u64(const struct sb_rec *r, size_t offset);
uint16_t sb_u16(const struct sb_rec *r, size_t offset);

/* The nth record (from 0) of that type, NULL when there are fewer. */
const struct sb_rec *sb_find(const struct sb_log *log, uint32_t type, unsigned int nth);
/* How many of that type (0: all); pid -1: whoever wrote them. */
unsigned int sb_count(const struct sb_log *log, uint32_t type, pid_t pid);
/* Exactly so many of that type; tells what came when not. */
bool sb_expect(struct pv_test *t, const struct sb_log *log, const char *name, uint32_t type,
	       unsigned int expected);
/* Exactly these types in this order, a list that ends with 0. */
bool sb_expect_order(struct pv_test *t, const struct sb_log *log, const char *name,
		     const uint32_t *types);
void sb_tell(struct pv_test *t, const struct sb_log *log);

/* Begins a check: type, misc, the body's length and the trailer. A missing record is a failure. */
struct sb_check sb_begin(struct pv_test *t, const char *what, const struct sb_log *log,
			 const struct sb_rec *r, uint32_t type, uint16_t misc, size_t len,
			 const struct sb_who *who);
void sb_is(struct sb_check *c, const char *field, uint64_t observed, uint64_t expected);
void sb_within(struct sb_check *c, const char *field, uint64_t observed, uint64_t lo, uint64_t hi);
/* A zero-terminated string that ends the body, padded with zeros to the next multiple of 8 and no
 * further. */
void sb_string(struct sb_check *c, const struct sb_rec *r, size_t offset, const char *expected);
bool sb_end(struct sb_check *c);
/* Bytes that a string takes in a record. */
size_t sb_padded(const char *text);

/* ---- tasks ---- */
struct sb_task {
	pid_t pid, ppid, tid, ptid;
};
/* A FORK or EXIT record: the time in it was taken after the trailer's, within from..to. */
void sb_expect_task(struct pv_test *t, const char *what, const struct sb_log *log,
		    const struct sb_rec *r, uint32_t type, const struct sb_task *want,
		    const struct sb_who *who, uint64_t from, uint64_t to);
/* The FORK or EXIT of that thread, NULL when there is none. */
const struct sb_rec *sb_find_task(const struct sb_log *log, uint32_t type, pid_t tid);

/* ---- maps ---- */
struct sb_map {
	uint64_t addr, len, pgoff;
	uint32_t maj, min;
	uint64_t ino;
	uint64_t generation; /* SB_ANY: not judged */
	uint32_t prot, flags;
	const char *name;
	uint8_t id_size; /* not 0: a build id instead of the inode */
	uint8_t id[20];
};
#define SB_ANY UINT64_MAX
/* A MMAP (mmap2 false) or MMAP2 record of that map. */
bool sb_expect_map(struct pv_test *t, const char *what, const struct sb_log *log,
		   const struct sb_rec *r, bool mmap2, const struct sb_map *map,
		   const struct sb_who *who);
/* Fills in device, inode and generation of an open file. */
void sb_map_file(struct pv_test *t, struct sb_map *map, int fd);
/* The line of /proc/self/maps that holds `addr`: false when none does. The name is a static
 * buffer. */
bool sb_map_now(uint64_t addr, struct sb_map *map);

/* A directory of its own for the case's files, removed by sb_cleanup(). */
const char *sb_dir(struct pv_test *t);
void sb_cleanup(void);
/* A new file of `pages` pages with that name in sb_dir(), open for reading and writing. */
int sb_file(struct pv_test *t, const char *name, unsigned int pages);
#endif
