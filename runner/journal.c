/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runner/journal.h"

/* Where the last newline ends. */
static off_t last_line_end(int fd, off_t size)
{
	char buf[65536];

	while (size > 0) {
		size_t want = size < (off_t)sizeof(buf) ? (size_t)size : sizeof(buf);
		ssize_t n = pread(fd, buf, want, size - want);
		const char *nl = n > 0 ? memrchr(buf, '\n', n) : NULL;

		if (n <= 0)
			return -EIO;
		if (nl)
			return size - want + (nl - buf) + 1;
		size -= want;
	}
	return 0;
}

int pv_journal_open(struct pv_journal *j, const char *path, int append)
{
	struct stat st;
	int err = 0;

	j->path = path;
	j->good = 0;
	j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (append ? 0 : O_APPEND), 0666);
	if (j->fd < 0 || fstat(j->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return append ? -EINVAL : 0;
	if (!append && st.st_size)
		err = -EEXIST;
	if (append) {
		j->good = last_line_end(j->fd, st.st_size);
		if (j->good < 0)
			err = j->good;
		else if (ftruncate(j->fd, j->good) || lseek(j->fd, j->good, SEEK_SET) < 0)
			err = -errno;
	}
	if (err) {
		close(j->fd);
		j->fd = -1;
	}
	return err;
}

int pv_journal_write(struct pv_journal *j, const char *line, size_t len)
{
	struct iovec iov[] = {{(void *)line, len}, {(void *)"\n", 1}};
	size_t done = 0;

	while (done < len + 1) {
		ssize_t n = done < len ? writev(j->fd, iov, 2) : write(j->fd, "\n", 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			/* Not a regular file: nothing to cut. */
			if (ftruncate(j->fd, j->good))
				return -err;
			return -err;
		}
		done += n;
		if (done < len) {
			iov[0].iov_base = (char *)iov[0].iov_base + n;
			iov[0].iov_len -= n;
		}
	}
	j->good += done;
	return 0;
}

void pv_journal_close(struct pv_journal *j)
{
	if (j->fd >= 0)
		close(j->fd);
	j->fd = -1;
}
