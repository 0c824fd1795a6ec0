/* SPDX-License-Identifier: GPL-2.0-only */
/* Functions that a title passes over, by kind. A `*` at the end: any function that begins so. */
#include <string.h>

#include "results/splat_private.h"

#define R PV_SKIP_REPORT
#define C PV_SKIP_COPY
#define K PV_SKIP_LOCK
#define W PV_SKIP_WAIT
#define I PV_SKIP_IRQ
#define A PV_SKIP_ALLOC

static const struct {
	const char *name;
	unsigned int kinds;
} skips[] = {
	{"dump_stack*", R},
	{"__dump_stack", R},
	{"show_stack*", R},
	{"show_trace*", R},
	{"dump_backtrace*", R},
	{"unwind_backtrace*", R},
	{"print_report", R},
	{"kasan_*", R},
	{"__kasan_*", R},
	{"check_panic_on_warn", R},
	{"panic", R},
	{"vpanic", R},
	{"__warn*", R},
	{"report_bug", R},
	{"handle_bug", R},
	{"exc_*", R},
	{"asm_exc_*", R},
	{"__asan_*", C},
	{"__hwasan_*", C},
	{"memcpy*", C},
	{"__memcpy*", C},
	{"__arch_copy_*", C},
	{"arch_perf_out_copy_user", C},
	{"schedule*", W},
	{"__schedule*", W},
	{"__mutex_lock*", K},
	{"mutex_lock*", K},
};

bool pv_frame_skipped(const char *func, unsigned int kinds)
{
	for (size_t i = 0; i < sizeof(skips) / sizeof(skips[0]); i++) {
		const char *name = skips[i].name;
		size_t n = strlen(name);

		if (!(skips[i].kinds & (kinds | R)))
			continue;
		if (name[n - 1] == '*' ? !strncmp(func, name, n - 1) : !strcmp(func, name))
			return true;
	}
	return false;
}
