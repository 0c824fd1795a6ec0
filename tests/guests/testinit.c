// SPDX-License-Identifier: GPL-2.0-only
/*
 * An /init that speaks the guest transport and misbehaves as /agent.args says: one
 * case per word, test/<word>. The host side is tested against this, not against luck.
 * provoke.py puts pv_provoke.ko behind this program: the words die:NAME load it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "provoked.h"

static int port = -1;
static unsigned long seq;

static uint32_t crc32(const char *p, size_t n)
{
	uint32_t crc = ~0u;

	while (n--) {
		crc ^= (uint8_t)*p++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static void put(const char *text, size_t n)
{
	while (n) {
		ssize_t done = write(port, text, n);

		if (done <= 0)
			return;
		text += done;
		n -= done;
	}
}

static void frame(const char *payload, uint32_t spoil)
{
	char body[2048], line[2200];
	int n = snprintf(body, sizeof(body), "%lu %s", ++seq, payload);

	n = snprintf(line, sizeof(line), "@pv %lu %08x %s\n", seq, crc32(body, n) ^ spoil, payload);
	put(line, n);
}

static void event(const char *name, const char *id, const char *rest)
{
	char payload[1024];

	snprintf(payload, sizeof(payload), "{\"event\":\"%s\",\"case\":\"%s\",\"rep\":0%s}", name,
		 id, rest);
	frame(payload, 0);
}

static void slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = 0;
	close(fd);
}

static int load(const struct dirent *d)
{
	char path[300];
	int fd;

	if (d->d_name[0] == '.')
		return 0;
	snprintf(path, sizeof(path), "/modules/%s", d->d_name);
	fd = open(path, O_RDONLY);
	syscall(SYS_finit_module, fd, "", 0);
	close(fd);
	return 0;
}

static void open_port(void)
{
	char path[300], name[64];
	struct dirent *d;

	for (int i = 0; port < 0 && i < 100; i++, usleep(10000)) {
		DIR *dir = opendir("/sys/class/virtio-ports");

		while (dir && port < 0 && (d = readdir(dir))) {
			snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", d->d_name);
			slurp(path, name, sizeof(name));
			snprintf(path, sizeof(path), "/dev/%s", d->d_name);
			if (!strcmp(name, "pmuvet.results\n"))
				port = open(path, O_WRONLY);
		}
		if (dir)
			closedir(dir);
		else
			break;
	}
	if (port < 0)
		port = open("/dev/console", O_WRONLY | O_NOCTTY);
}

static void heartbeat(void)
{
	struct timespec now;
	char line[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(line, sizeof(line), "{\"event\":\"heartbeat\",\"t\":%lld.%03ld}",
		 (long long)now.tv_sec, now.tv_nsec / 1000000);
	frame(line, 0);
}

/* Dies in a child, while this process goes on beating as an agent does. */
static void die(const char *name, const char *id)
{
	int status, error;
	char text[200];
	pid_t child = fork();

	if (!child)
		_exit(provoke(name));
	while (waitpid(child, &status, WNOHANG) == 0) {
		heartbeat();
		usleep(200000);
	}
	error = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
	/* The module refuses to stay. */
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), ",\"text\":\"%s: signal %d\"", name, WTERMSIG(status));
	else if (error == ECANCELED)
		snprintf(text, sizeof(text), ",\"text\":\"%s: survived\"", name);
	else
		snprintf(text, sizeof(text), ",\"text\":\"%s: %s\"", name, strerror(error));
	event("message", id, text);
}

/* Touches memory until the kernel takes a victim, which is this child. */
static void eat(void)
{
	pid_t child = fork();

	if (!child)
		for (;;) {
			char *more = malloc(1 << 20);

			if (more)
				memset(more, 1, 1 << 20);
		}
	waitpid(child, NULL, 0);
}

static void misbehave(const char *word, const char *id)
{
	static bool armed[2];
	char big[1500];

	if (!strncmp(word, "die:", 4))
		die(word + 4, id);
	if (!strncmp(word, "sysrq:", 6))
		spill("/proc/sysrq-trigger", word + 6);
	if (!strncmp(word, "wait:", 5))
		for (int i = 0; i < atoi(word + 5) * 5; i++, usleep(200000))
			heartbeat();
	if (!strcmp(word, "kmemleak"))
		spill("/sys/kernel/debug/kmemleak", "scan");
	if (!strcmp(word, "exit"))
		_exit(0);
	if (!strcmp(word, "eat"))
		eat();

	if (!strncmp(word, "panic", 5))
		spill("/proc/sysrq-trigger", "c");
	/* "trap" panics behind "arm", "trap2" only behind "arm" and "arm2". */
	if (!strcmp(word, "arm") || !strcmp(word, "arm2"))
		armed[!!word[3]] = true;
	if (!strncmp(word, "trap", 4) && armed[0] && (armed[1] || !word[4]))
		spill("/proc/sysrq-trigger", "c");
	if (!strcmp(word, "spin"))
		for (;;)
			;
	if (!strcmp(word, "beating"))
		for (;; sleep(1))
			frame("{\"event\":\"heartbeat\",\"t\":1}", 0);
	if (!strcmp(word, "reset"))
		reboot(RB_AUTOBOOT);
	if (!strcmp(word, "cut")) {
		put("@pv 9 0000", 10);
		reboot(RB_POWER_OFF);
	}
	if (!strcmp(word, "corrupt"))
		frame("{\"event\":\"message\",\"text\":\"spoiled\"}", 1);
	if (!strcmp(word, "gap"))
		seq++;
	if (!strcmp(word, "hostile")) {
		memset(big, 0xfe, sizeof(big));
		memcpy(big, "@pv \x1b[2J\0", 10);
		for (int i = 0; i < 1000; i++)
			put(big, sizeof(big));
		put("\n", 1);
		event("message", id, ",\"text\":\"\\u001b[2J\"");
	}
}

/* The words to run: those of /agent.only in its order, else the arguments without what is in
 * /agent.skip. */
static void run(char *args, const char *skip, char *only)
{
	char *save, *word, id[256], line[300];

	for (word = strtok_r(*only ? only : args, "\n", &save); word;
	     word = strtok_r(NULL, "\n", &save)) {
		if (*only) {
			word += strlen("test/") - 1;
			word[strcspn(word, "\t")] = 0;
		} else if (word[0] != '+') {
			continue;
		}
		snprintf(id, sizeof(id), "test/%s", word + 1);
		snprintf(line, sizeof(line), "%s\t0\n", id);
		if (!*only && strstr(skip, line))
			continue;
		event("case_begin", id, "");
		misbehave(word + 1, id);
		event("evidence", id,
		      ",\"name\":\"n\",\"op\":\"==\",\"observed\":1,\"expected\":1,\"ok\":true");
		event("case_end", id, ",\"verdict\":\"pass\",\"seconds\":0.5");
	}
}

int main(void)
{
	static char args[4096], skip[65536], only[65536];
	char line[300];
	struct dirent **list;
	int n = 0, total = 0;

	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	n = scandir("/modules", &list, NULL, alphasort);
	for (int i = 0; i < n; i++)
		load(list[i]);
	slurp("/agent.args", args, sizeof(args));
	slurp("/agent.skip", skip, sizeof(skip));
	slurp("/agent.only", only, sizeof(only));
	if (strstr(args, "never-hello"))
		for (;;)
			;
	open_port();
	if (strstr(args, "die-early"))
		spill("/proc/sysrq-trigger", "c");
	frame("{\"event\":\"hello\",\"tool\":\"test\"}", 0);
	for (const char *p = args; (p = strstr(p, "+")); p++)
		total++;
	frame("{\"event\":\"run_begin\",\"schema\":1,\"tool\":\"test\",\"kernel\":{\"release\":\"r\"}}",
	      0);
	snprintf(line, sizeof(line), "{\"event\":\"plan\",\"count\":%d}", total);
	frame(line, 0);
	run(args, skip, only);
	if (!strstr(args, "no-end"))
		frame("{\"event\":\"run_end\",\"verdicts\":{},\"complete\":true}", 0);
	sync();
	reboot(RB_POWER_OFF);
	return 0;
}
