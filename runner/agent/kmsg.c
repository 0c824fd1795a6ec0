/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/splat_class.h"
#include "runner/agent/kmsg.h"

int pv_kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "prio,seq,usec,flags;text\n continuation..." -> text, without the dictionary and with its escapes
 * undone: a record may have several lines (Documentation/ABI/testing/dev-kmsg). */
static char *record_text(char *record)
{
	char *text = strchr(record, ';'), *to, *from;

	if (!text)
		return NULL;
	text++;
	text[strcspn(text, "\n")] = 0;
	for (to = from = text; *from; to++) {
		if (from[0] == '\\' && from[1] == 'x' && hex(from[2]) >= 0 && hex(from[3]) >= 0) {
			*to = hex(from[2]) << 4 | hex(from[3]);
			*to = *to ? *to : '?';
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = 0;
	return text;
}

/* Is the line the first of a splat that fails a case? */
static const struct pv_splat_class *fails(const char *line, bool from_kernel)
{
	struct pv_splat_match m;

	if (!pv_splat_match(line, strlen(line), false, &m) || m.class->severity == PV_METRIC ||
	    m.class->flags & (PV_BOOT | PV_DOWN | PV_CUT))
		return NULL;
	/* Words that programs use, too, and write to /dev/kmsg. */
	if (m.class->flags & PV_NEEDS_BODY && !from_kernel)
		return NULL;
	return m.class;
}

static void add_line(struct pv_kmsg_splat *splat, const char *line)
{
	if (splat->len + strlen(line) + 2 < sizeof(splat->text))
		splat->len +=
			sprintf(splat->text + splat->len, "%s%s", splat->len ? "\n" : "", line);
}

void pv_kmsg_record(char *record, struct pv_kmsg_splat *splat)
{
	bool from_kernel = strtoul(record, NULL, 10) < 8; /* facility 0 */
	char *text = record_text(record), *line;

	while (text && (line = strsep(&text, "\n"))) {
		if (!splat->class) {
			const struct pv_splat_class *class = fails(line, from_kernel);

			/* A WARN()'s own words stand between `cut here` and the header. */
			if (strstr(line, "--[ cut here ]--"))
				splat->len = 0;
			else if (!class && !splat->len)
				continue;
			if (class) {
				splat->class = class->name;
				pv_splat_normalise(splat->title, sizeof(splat->title), line,
						   strlen(line));
			}
		}
		add_line(splat, line);
	}
}

bool pv_kmsg_read(int fd, struct pv_kmsg_splat *splat)
{
	char record[8192];
	ssize_t n;

	splat->class = NULL;
	splat->len = 0;
	if (fd < 0)
		return false;
	for (;;) {
		n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue; /* records were overwritten: the next read gives what is left */
		if (n <= 0)
			break;
		record[n] = 0;
		pv_kmsg_record(record, splat);
	}
	return splat->class;
}
