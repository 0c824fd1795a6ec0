/* SPDX-License-Identifier: GPL-2.0-only */
/* Ways for a kernel to die, or to complain: one row each, by name. */
#ifndef PV_PROVOKE_H
#define PV_PROVOKE_H

#include <linux/kernel.h>

enum pv_where {
	PV_TASK, /* the task that loads the module */
	PV_IRQ,  /* a hard interrupt on its CPU */
};

struct pv_way {
	const char *name;
	enum pv_where where;
	void (*run)(void);
};

/* Each ends with a row without name. */
extern const struct pv_way pv_ways_arch[], pv_ways_dead[], pv_ways_faults[], pv_ways_memory[],
	pv_ways_locks[], pv_ways_stalls[];

/* An address that the compiler knows nothing about. */
#define PV_HIDDEN(p)                                                                               \
	({                                                                                         \
		typeof(p) pv_p = (p);                                                              \
		OPTIMIZER_HIDE_VAR(pv_p);                                                          \
		pv_p;                                                                              \
	})

/* The address of a kernel function, exported or not; NULL: there is none of that name. */
void *pv_symbol(const char *name);
/* Runs fn in a hard interrupt of this CPU and waits for its end. */
void pv_in_irq(void (*fn)(void));

/* ---- what each architecture has of its own ---- */

/* In NMI context where there is one without further ado, else in a hard interrupt. */
void pv_in_nmi(void (*fn)(void));
/* The machine starts again and nothing is printed. */
void pv_reset(void);
/*
 * The entry of the tables in use that maps addr, and its level: 0 is a page, 1 a block of 512 of
 * them. NULL: not mapped.
 */
u64 *pv_entry(unsigned long addr, int *level);
/* The entries for the pages of a block, and the entry that points to their table. */
u64 pv_page_of_block(u64 block, int number);
u64 pv_table_entry(u64 phys);
/* This CPU forgets all translations. */
void pv_flush(void *unused);

#endif
