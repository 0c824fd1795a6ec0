/* SPDX-License-Identifier: GPL-2.0-only */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runner/agent/kmsg.h"

/*
 * Lines that say that something is wrong; the first that matches gives the class. `start`: the
 * words stand at the beginning of the line. Format strings: kernel/panic.c, lib/bug.c,
 * arch/{x86,arm64}/kernel/traps.c, arch/x86/mm/extable.c, arch/x86/kernel/nmi.c,
 * kernel/{watchdog,hung_task}.c, kernel/rcu, kernel/locking, mm/kasan.
 */
static const struct {
	const char *words, *class;
	bool start;
} splats[] = {
	{"unchecked MSR access error:", "msr-access", true},
	{"BUG: KASAN:", "kasan", true},
	{"BUG: KFENCE:", "kfence", true},
	{"BUG: KCSAN:", "kcsan", true},
	{"UBSAN:", "ubsan", true},
	{"BUG: soft lockup", "soft-lockup", false},
	{"hard LOCKUP", "hard-lockup", false},
	{"BUG: ", "bug", true},
	{"kernel BUG at ", "bug", false},
	{"WARNING: possible circular locking", "lockdep", true},
	{"WARNING: possible recursive locking", "lockdep", true},
	{"WARNING: inconsistent lock state", "lockdep", true},
	{"WARNING: suspicious RCU usage", "rcu-usage", true},
	{"WARNING: ", "warning", true},
	{"Oops", "oops", true},
	{"Internal error: ", "oops", true},
	{"Unable to handle kernel ", "oops", true},
	{"general protection fault", "oops", true},
	{"divide error:", "oops", true},
	{"invalid opcode:", "oops", true},
	{"stack segment:", "oops", true},
	{"Kernel panic - not syncing", "panic", true},
	{"detected stalls on CPUs", "rcu-stall", false},
	{"self-detected stall on CPU", "rcu-stall", false},
	{"blocked for more than", "hung-task", false},
	{"refcount_t: ", "refcount", true},
	{"list_add corruption", "list-corruption", true},
	{"list_del corruption", "list-corruption", true},
	{"perfevents: irq loop stuck", "irq-loop", true},
	{"Uhhuh. NMI received for unknown reason", "unknown-nmi", true},
	{"SError Interrupt on CPU", "serror", true},
	{"Bad mode in ", "bad-mode", true},
};

const char *pv_splat_class(const char *line)
{
	for (size_t i = 0; i < sizeof(splats) / sizeof(splats[0]); i++) {
		const char *at = strstr(line, splats[i].words);

		if (at && (at == line || !splats[i].start))
			return splats[i].class;
	}
	return NULL;
}

int pv_kmsg_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	lseek(fd, 0, SEEK_END);
	return fd;
}

/* "prio,seq,usec,flags;text\n continuation..." -> text, without the dictionary
 * (Documentation/ABI/testing/dev-kmsg). */
static char *record_text(char *record)
{
	char *text = strchr(record, ';');

	if (!text)
		return NULL;
	text++;
	text[strcspn(text, "\n")] = 0;
	return text;
}

bool pv_kmsg_read(int fd, struct pv_splat *splat)
{
	char record[8192], *text;
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
		text = record_text(record);
		if (!text)
			continue;
		if (!splat->class) {
			splat->class = pv_splat_class(text);
			if (!splat->class)
				continue;
			snprintf(splat->title, sizeof(splat->title), "%s", text);
		}
		if (splat->len + strlen(text) + 2 < sizeof(splat->text))
			splat->len += sprintf(splat->text + splat->len, "%s%s",
					      splat->len ? "\n" : "", text);
	}
	return splat->class;
}
