/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What exec(2) tells: the new name first, then the code that is mapped for the program, each once.
 * fs/exec.c begin_new_exec(), fs/binfmt_elf.c.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cases/lib/sideband.h"

#define LINK_NAME       "a name of 20 letters"
#define COMM_NAME       "a name of 20 le" /* 15 of them */
#define NAME_MAX_SHARED 512

/* What the new program finds in its memory. */
struct found {
	struct sb_map code, vdso;
	bool has_vdso;
	char name[NAME_MAX_SHARED], vdso_name[NAME_MAX_SHARED];
};

PV_EXEC(maps)
{
	static struct found f;
	struct sb_map *maps[] = {&f.code, &f.vdso};
	int fd = argc > 1 ? atoi(argv[1]) : -1;

	if (!sb_map_now((uintptr_t)pv_exec_maps, &f.code))
		return 2;
	snprintf(f.name, sizeof(f.name), "%s", f.code.name);
	f.has_vdso = sb_map_now(getauxval(AT_SYSINFO_EHDR), &f.vdso);
	if (f.has_vdso)
		snprintf(f.vdso_name, sizeof(f.vdso_name), "%s", f.vdso.name);
	for (unsigned int i = 0; i < 2; i++)
		maps[i]->name = NULL;
	if (write(fd, &f, sizeof(f)) != sizeof(f))
		return 3;
	return prctl(PR_SET_NAME, "after") ? 4 : 0;
}

struct job {
	int out;
	char path[256];
};

static void run(struct pv_test *t, void *arg)
{
	struct job *job = arg;
	char fd[16];

	if (prctl(PR_SET_NAME, "before"))
		pv_error(t, PV_BROKEN_SETUP, "PR_SET_NAME");
	snprintf(fd, sizeof(fd), "%d", job->out);
	pv_exec(t, job->path, (const char *[]){"maps", fd, NULL});
}

/* The build id of the running program, read from its file: its size, 0 without one. */
static uint32_t own_id(struct pv_test *t, uint8_t id[20])
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	ElfW(Ehdr) h;

	if (fd < 0 || pread(fd, &h, sizeof(h), 0) != sizeof(h))
		pv_error(t, PV_BROKEN_SETUP, "/proc/self/exe: %s", strerrorname_np(errno));
	for (unsigned int i = 0; i < h.e_phnum; i++) {
		static uint8_t notes[65536];
		ElfW(Phdr) p;
		size_t at = 0;

		if (pread(fd, &p, sizeof(p), h.e_phoff + i * sizeof(p)) != sizeof(p) ||
		    p.p_type != PT_NOTE || p.p_filesz > sizeof(notes) ||
		    pread(fd, notes, p.p_filesz, p.p_offset) != (ssize_t)p.p_filesz)
			continue;
		/* before 6.12 only the first page is read */
		if (p.p_offset + p.p_filesz > (size_t)sysconf(_SC_PAGESIZE) && !sb_since_6_12(t))
			continue;
		while (at + sizeof(ElfW(Nhdr)) < p.p_filesz) {
			ElfW(Nhdr) n;

			memcpy(&n, notes + at, sizeof(n));
			at += sizeof(n);
			if (n.n_type == NT_GNU_BUILD_ID && n.n_namesz == 4 &&
			    !memcmp(notes + at, "GNU", 4) && n.n_descsz && n.n_descsz <= 20) {
				memcpy(id, notes + at + 4, n.n_descsz);
				close(fd);
				return n.n_descsz;
			}
			at += ((n.n_namesz + 3) & ~3u) + ((n.n_descsz + 3) & ~3u);
		}
	}
	close(fd);
	return 0;
}

static void expect_comm(struct pv_test *t, const char *what, const struct sb_log *log,
			unsigned int nth, uint16_t misc, const char *name, const struct sb_who *who)
{
	const struct sb_rec *r = sb_find(log, PERF_RECORD_COMM, nth);
	struct sb_check c =
		sb_begin(t, what, log, r, PERF_RECORD_COMM, misc, 8 + sb_padded(name), who);

	sb_is(&c, "pid", sb_u32(r, 0), (uint32_t)who->pid);
	sb_is(&c, "tid", sb_u32(r, 4), (uint32_t)who->tid);
	sb_string(&c, r, 8, name);
	sb_end(&c);
}

PV_CASE(sideband, exec, .pmu = "perf", .each = "word[mmap2,build-id]", .proof = "kernel",
	.about =
		"an event that exec enables tells COMM with the exec bit, the program's code and the "
		"vdso, later names without the bit, the end; nothing from before exec")
{
	bool build_id = pv_word(t)[0] == 'b';
	struct perf_event_attr attr = sb_attr();
	struct job job;
	static struct found f;
	struct sb_map file = {0};
	struct sb_who who;
	struct sb_log *log;
	struct pv_ev *ev;
	char exe[PATH_MAX] = "";
	int in[2], fd;
	pid_t pid;

	snprintf(job.path, sizeof(job.path), "%s/" LINK_NAME, sb_dir(t));
	if (pipe(in) || readlink("/proc/self/exe", exe, sizeof(exe) - 1) < 0 ||
	    symlink(exe, job.path))
		pv_error(t, PV_BROKEN_SETUP, "a link to this program: %s", strerrorname_np(errno));
	job.out = in[1];
	attr.comm = 1;
	attr.comm_exec = !build_id; /* the bit in misc is there without it too */
	attr.mmap = 1;
	attr.mmap2 = 1;
	attr.build_id = build_id;
	attr.enable_on_exec = 1;
	pid = pv_fork_held(t, run, &job);
	ev = sb_open(t, &attr, pid, -1);
	pv_go(t, pid);
	if (read(in[0], &f, sizeof(f)) != sizeof(f))
		pv_error(t, PV_BROKEN_SETUP, "the new program says nothing");
	pv_wait(t, pid);
	sb_cleanup();

	who = (struct sb_who){pid, pid};
	log = sb_take(t, ev);
	sb_expect_order(t, log, "COMM, the program, the vdso, COMM, EXIT",
			f.has_vdso ? (const uint32_t[]){PERF_RECORD_COMM, PERF_RECORD_MMAP2,
							PERF_RECORD_MMAP2, PERF_RECORD_COMM,
							PERF_RECORD_EXIT, 0}
				   : (const uint32_t[]){PERF_RECORD_COMM, PERF_RECORD_MMAP2,
							PERF_RECORD_COMM, PERF_RECORD_EXIT, 0});
	expect_comm(t, "COMM of exec", log, 0, PERF_RECORD_MISC_COMM_EXEC, COMM_NAME, &who);
	expect_comm(t, "COMM after exec", log, 1, 0, "after", &who);
	fd = open(exe, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		sb_map_file(t, &file, fd);
		f.code.generation = file.generation;
		close(fd);
	}
	f.code.name = f.name;
	if (build_id)
		f.code.id_size = own_id(t, f.code.id);
	pv_note(t, "size of the program's build id", f.code.id_size);
	sb_expect_map(t, "the program", log, sb_find(log, PERF_RECORD_MMAP2, 0), true, &f.code,
		      &who);
	f.vdso.name = f.vdso_name;
	if (f.has_vdso)
		sb_expect_map(t, "the vdso", log, sb_find(log, PERF_RECORD_MMAP2, 1), true, &f.vdso,
			      &who);
}
