/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Preloaded into a real QEMU: when something is written into the pipe $PV_PIPE, asks for the state
 * whose name came, by the calls that accel/kvm/kvm-all.c makes when KVM gives up on a vCPU.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef int parse_fn(const void *lookup, const char *name, int def, void *error);

static void *wait_and_stop(void *pipe)
{
	void (*prepare)(void) =
		(void (*)(void))dlsym(RTLD_DEFAULT, "qemu_system_vmstop_request_prepare");
	void (*request)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "qemu_system_vmstop_request");
	parse_fn *parse = (parse_fn *)dlsym(RTLD_DEFAULT, "qapi_enum_parse");
	void *states = dlsym(RTLD_DEFAULT, "RunState_lookup");
	char name[40] = "";
	int fd = open(pipe, O_RDONLY);

	if (!prepare || !request || !parse || !states || read(fd, name, sizeof(name) - 1) < 1) {
		fprintf(stderr, "vmstop: this QEMU exports no functions\n");
		_exit(99);
	}
	fprintf(stderr, "KVM internal error. Suberror: 1\n");
	prepare();
	request(parse(states, name, -1, NULL));
	return NULL;
}

__attribute__((constructor)) static void start(void)
{
	pthread_t thread;

	unsetenv("LD_PRELOAD");
	pthread_create(&thread, NULL, wait_and_stop, getenv("PV_PIPE"));
}
