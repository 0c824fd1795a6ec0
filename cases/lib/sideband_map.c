/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory maps for side-band cases: what a record must say, and the files behind them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cases/lib/sideband.h"

bool sb_expect_map(struct pv_test *t, const char *what, const struct sb_log *log,
		   const struct sb_rec *r, bool mmap2, const struct sb_map *map,
		   const struct sb_who *who)
{
	size_t fixed = mmap2 ? 64 : 32;
	uint16_t misc = PERF_RECORD_MISC_USER;
	struct sb_check c;

	if (!(map->prot & PROT_EXEC))
		misc |= PERF_RECORD_MISC_MMAP_DATA;
	if (mmap2 && map->id_size)
		misc |= PERF_RECORD_MISC_MMAP_BUILD_ID;
	c = sb_begin(t, what, log, r, mmap2 ? PERF_RECORD_MMAP2 : PERF_RECORD_MMAP, misc,
		     fixed + sb_padded(map->name), who);
	sb_is(&c, "pid", sb_u32(r, 0), (uint32_t)who->pid);
	sb_is(&c, "tid", sb_u32(r, 4), (uint32_t)who->tid);
	sb_is(&c, "addr", sb_u64(r, 8), map->addr);
	sb_is(&c, "len", sb_u64(r, 16), map->len);
	sb_is(&c, "pgoff", sb_u64(r, 24), map->pgoff);
	if (mmap2 && map->id_size) {
		uint8_t bytes[24] = {map->id_size};

		memcpy(bytes + 4, map->id, map->id_size);
		for (size_t i = 0; i < sizeof(bytes); i++)
			sb_is(&c, i ? "a byte of the build id" : "size of the build id",
			      r->len > 32 + i ? r->body[32 + i] : 256, bytes[i]);
	} else if (mmap2) {
		sb_is(&c, "maj", sb_u32(r, 32), map->maj);
		sb_is(&c, "min", sb_u32(r, 36), map->min);
		sb_is(&c, "ino", sb_u64(r, 40), map->ino);
		if (map->generation != SB_ANY)
			sb_is(&c, "ino_generation", sb_u64(r, 48), map->generation);
	}
	if (mmap2) {
		sb_is(&c, "prot", sb_u32(r, 56), map->prot);
		sb_is(&c, "flags", sb_u32(r, 60), map->flags);
	}
	sb_string(&c, r, fixed, map->name);
	return sb_end(&c);
}

/* A file handle of most filesystems is the inode's number and generation in some order. */
static uint64_t generation(int fd, uint64_t ino)
{
	struct {
		struct file_handle h;
		uint32_t words[MAX_HANDLE_SZ / 4];
	} f = {.h.handle_bytes = MAX_HANDLE_SZ};
	int mount;

	if ((uint32_t)ino != ino || name_to_handle_at(fd, "", &f.h, &mount, AT_EMPTY_PATH) ||
	    f.h.handle_bytes < 8)
		return SB_ANY;
	if (f.words[0] == (uint32_t)ino && f.h.handle_type == 1)
		return f.words[1];
	if (f.words[1] == (uint32_t)ino && f.h.handle_type == 1)
		return f.words[0];
	return SB_ANY;
}

void sb_map_file(struct pv_test *t, struct sb_map *map, int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		pv_error(t, PV_BROKEN_SETUP, "fstat: %s", strerrorname_np(errno));
	map->maj = major(st.st_dev);
	map->min = minor(st.st_dev);
	map->ino = st.st_ino;
	map->generation = generation(fd, st.st_ino);
}

bool sb_map_now(uint64_t addr, struct sb_map *map)
{
	static char line[8192], name[8192];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		unsigned long long from, to, off, ino;
		unsigned int maj, min;
		char perm[8];

		name[0] = 0;
		if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %8000[^\n]", &from, &to, perm, &off,
			   &maj, &min, &ino, name) < 7 ||
		    addr < from || addr >= to)
			continue;
		*map = (struct sb_map){
			.addr = from,
			.len = to - from,
			.pgoff = off,
			.maj = maj,
			.min = min,
			.ino = ino,
			.generation = SB_ANY,
			.prot = (perm[0] == 'r' ? PROT_READ : 0) |
				(perm[1] == 'w' ? PROT_WRITE : 0) |
				(perm[2] == 'x' ? PROT_EXEC : 0),
			.flags = perm[3] == 's' ? MAP_SHARED : MAP_PRIVATE,
			.name = name,
		};
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

static char dir[64];

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void sb_cleanup(void)
{
	if (dir[0])
		nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	dir[0] = 0;
}

const char *sb_dir(struct pv_test *t)
{
	if (dir[0])
		return dir;
	snprintf(dir, sizeof(dir), "/tmp/pmuvet-%d", getpid());
	if (mkdir(dir, 0700))
		pv_error(t, PV_BROKEN_SETUP, "mkdir %s: %s", dir, strerrorname_np(errno));
	return dir;
}

int sb_file(struct pv_test *t, const char *name, unsigned int pages)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", sb_dir(t), name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
	if (fd < 0 || ftruncate(fd, pages * sysconf(_SC_PAGESIZE)))
		pv_error(t, PV_BROKEN_SETUP, "%s: %s", path, strerrorname_np(errno));
	return fd;
}
