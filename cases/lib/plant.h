/* SPDX-License-Identifier: GPL-2.0-only */
/* Samples of planted registers and of a stack of random bytes: cases/user_regs.c, user_stack.c. */
#ifndef PV_CASES_LIB_PLANT_H
#define PV_CASES_LIB_PLANT_H

#include "cases/pv.h"

#define PV_PLANT_REGS 33 /* the most of any architecture here */

struct pv_plant {
	unsigned long in[PV_PLANT_REGS];
	char *stack, *stack_end; /* behind it is nothing */
};

/* Registers of random contents, the stack pointer `room` bytes below the end of a random stack. */
void pv_plant(struct pv_test *t, struct pv_plant *p, size_t room);
/* The event by word: "breakpoint" where all is planted, "system-call" behind it with the user's
 * registers, "kernel" in it; IP, REGS_USER of all registers and DATA_SRC. */
struct perf_event_attr pv_plant_source(struct pv_test *t, const char *word);
/* Opens attr in a ring of so many pages and takes the one sample of it; s leads into rec. */
void pv_plant_sample(struct pv_test *t, const struct perf_event_attr *attr, struct pv_plant *p,
		     unsigned int pages, struct pv_record *rec, struct pv_sample *s);
/* How many of a sample's registers are not what was planted; syscall: seen from the system call. */
unsigned int pv_plant_wrong(struct pv_test *t, const struct pv_regs *r, const struct pv_plant *p,
			    bool syscall);
#endif
