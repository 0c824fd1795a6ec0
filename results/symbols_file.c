/* SPDX-License-Identifier: GPL-2.0-only */
/* What a file is: its build-id, and what it says of the kernel it belongs to. */
#define _GNU_SOURCE
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "results/symbols_private.h"

bool pv_sym_stamp(const char *path, struct pv_sym_stamp *stamp)
{
	struct stat st;

	if (stat(path, &st))
		return false;
	*stamp = (struct pv_sym_stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
	return true;
}

bool pv_sym_same(const struct pv_sym_stamp *a, const struct pv_sym_stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec;
}

bool pv_sym_module_name(const char *path, char name[PV_SYM_NAME])
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	const char *end = strstr(base, ".ko");

	while (end && end[3] && end[3] != '.')
		end = strstr(end + 3, ".ko");
	if (!end || end == base || end - base >= PV_SYM_NAME)
		return false;
	for (size_t i = 0; base + i < end; i++)
		name[i] = base[i] == '-' ? '_' : base[i];
	name[end - base] = 0;
	return true;
}

int pv_sym_open(const char *path, struct pv_sym_stamp *stamp, char *error, size_t size)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), plain, err = 0;

	if (fd < 0 || fstat(fd, &st))
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (err) {
		snprintf(error, size, "%s: %s", path,
			 err == -EINVAL ? "not a regular file" : strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	*stamp = (struct pv_sym_stamp){st.st_dev, st.st_ino, st.st_size, st.st_mtim};
	plain = pv_sym_unpack(fd, path, error, size);
	if (plain != fd)
		close(fd);
	return plain;
}

/* ---- inside ---- */

static void copy_text(char *to, size_t size, const char *from, size_t n)
{
	n = strnlen(from, n < size - 1 ? n : size - 1);
	pv_text_clean(to, from, n, 0);
}

/* NUL-ended "key=value" pairs. */
static void read_modinfo(Elf_Scn *scn, struct pv_sym_info *info)
{
	Elf_Data *data = elf_rawdata(scn, NULL);
	const char *p = data ? data->d_buf : NULL, *end = p ? p + data->d_size : NULL;

	for (; p && p < end; p += strnlen(p, end - p) + 1) {
		size_t n = strnlen(p, end - p);

		if (n > 5 && !memcmp(p, "name=", 5))
			copy_text(info->name, sizeof(info->name), p + 5, n - 5);
		if (n > 9 && !memcmp(p, "vermagic=", 9)) {
			copy_text(info->release, sizeof(info->release), p + 9, n - 9);
			info->release[strcspn(info->release, " ")] = 0;
		}
	}
}

static void read_debuglink(Elf_Scn *scn, struct pv_sym_info *info)
{
	Elf_Data *data = elf_rawdata(scn, NULL);

	if (data && data->d_buf)
		copy_text(info->debuglink, sizeof(info->debuglink), data->d_buf, data->d_size);
	/* A name, not a way out of the directory. */
	if (strchr(info->debuglink, '/'))
		info->debuglink[0] = 0;
}

/* "Linux version 6.1.0 (..." in the section that holds the symbol, if its bytes are there. */
static void read_banner(Elf *elf, const GElf_Sym *sym, struct pv_sym_info *info)
{
	static const char head[] = "Linux version ";
	Elf_Scn *scn = elf_getscn(elf, sym->st_shndx);
	Elf_Data *data;
	const char *text;
	GElf_Shdr sh;
	size_t n;

	info->banner = true;
	if (!scn || !gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS ||
	    sym->st_value < sh.sh_addr)
		return;
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || sym->st_value - sh.sh_addr >= data->d_size)
		return;
	text = (const char *)data->d_buf + (sym->st_value - sh.sh_addr);
	n = data->d_size - (sym->st_value - sh.sh_addr);
	if (n < sizeof(head) || memcmp(text, head, sizeof(head) - 1))
		return;
	copy_text(info->release, sizeof(info->release), text + sizeof(head) - 1,
		  n - (sizeof(head) - 1));
	info->release[strcspn(info->release, " ")] = 0;
}

static void find_banner(Elf *elf, Elf_Scn *scn, const GElf_Shdr *sh, struct pv_sym_info *info)
{
	Elf_Data *data = elf_getdata(scn, NULL);
	GElf_Sym sym;

	for (int i = 0; data && gelf_getsym(data, i, &sym); i++) {
		const char *name = GELF_ST_TYPE(sym.st_info) == STT_OBJECT
					   ? elf_strptr(elf, sh->sh_link, sym.st_name)
					   : NULL;

		if (name && !strcmp(name, "linux_banner")) {
			read_banner(elf, &sym, info);
			return;
		}
	}
}

static void read_sections(Elf *elf, struct pv_sym_info *info)
{
	Elf_Scn *scn = NULL;
	size_t names;

	if (elf_getshdrstrndx(elf, &names))
		return;
	while ((scn = elf_nextscn(elf, scn))) {
		GElf_Shdr sh;
		const char *name;

		if (!gelf_getshdr(scn, &sh) || sh.sh_type == SHT_NOBITS)
			continue;
		name = elf_strptr(elf, names, sh.sh_name);
		if (!name)
			continue;
		if (sh.sh_type == SHT_SYMTAB && !info->module)
			find_banner(elf, scn, &sh, info);
		else if (!strcmp(name, ".debug_info") || !strcmp(name, ".zdebug_info"))
			info->dwarf = true;
		else if (!strcmp(name, ".modinfo"))
			read_modinfo(scn, info);
		else if (!strcmp(name, ".gnu_debuglink"))
			read_debuglink(scn, info);
	}
}

static void read_build_id(Elf *elf, struct pv_sym_info *info)
{
	const void *id;
	ssize_t n = dwelf_elf_gnu_build_id(elf, &id);

	for (ssize_t i = 0; i < n && 2 * i + 2 < PV_BUILD_ID_SIZE; i++)
		sprintf(info->build_id + 2 * i, "%02x", ((const unsigned char *)id)[i]);
}

int pv_sym_inspect(int fd, const char *path, struct pv_sym_info *info, char *error, size_t size)
{
	GElf_Ehdr eh;
	Elf *elf;
	int err = 0;

	memset(info, 0, sizeof(*info));
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
	if (!elf || elf_kind(elf) != ELF_K_ELF || !gelf_getehdr(elf, &eh)) {
		snprintf(error, size, "%s: not an ELF file", path);
		err = -EINVAL;
	} else if (eh.e_type != ET_REL && eh.e_type != ET_EXEC && eh.e_type != ET_DYN) {
		snprintf(error, size, "%s: neither a kernel nor a module (ELF type %u)", path,
			 eh.e_type);
		err = -EINVAL;
	} else {
		info->module = eh.e_type == ET_REL;
		read_build_id(elf, info);
		read_sections(elf, info);
		if (info->module && !info->name[0])
			pv_sym_module_name(path, info->name);
	}
	elf_end(elf);
	return err;
}

int pv_symbols_build_id(const char *path, char hex[PV_BUILD_ID_SIZE], char *error, size_t size)
{
	struct pv_sym_stamp stamp;
	struct pv_sym_info info;
	int fd = pv_sym_open(path, &stamp, error, size);
	int err = fd < 0 ? fd : pv_sym_inspect(fd, path, &info, error, size);

	if (fd >= 0)
		close(fd);
	if (!err && !info.build_id[0]) {
		snprintf(error, size, "%s: no build-id", path);
		err = -ENOENT;
	}
	if (!err)
		memcpy(hex, info.build_id, PV_BUILD_ID_SIZE);
	return err;
}
