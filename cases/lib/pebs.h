/* SPDX-License-Identifier: GPL-2.0-only */
/* Precise samples of a loop whose every instruction is known (arch/precise.h). */
#ifndef PV_CASES_LIB_PEBS_H
#define PV_CASES_LIB_PEBS_H

#include "cases/pv.h"

/* Above 127, the least that any generation takes with precise_ip 3. */
#define PV_PEBS_PERIOD 131
#define PV_PEBS_MARK   0x5eed0000ull

/* An event that can be sampled precisely, in encodings that Haswell to Granite Rapids share. */
struct pv_pebs_event {
	const char *word;
	uint64_t config;
	unsigned int turn; /* occurrences in a turn of the loop */
	int at;            /* the only instruction of it that it can tell of; -1: any */
};
const struct pv_pebs_event *pv_pebs_event(struct pv_test *t, const char *word);
/* The event, user mode only, with precise_ip and the registers that PEBS writes. */
struct perf_event_attr pv_pebs_attr(struct pv_test *t, const char *word, unsigned int precise);
/* Registers that PEBS writes, as bits of sample_regs_intr. */
extern const uint64_t pv_pebs_regs;
/* Opens it with a ring that is large enough for some thousand samples, no throttling. */
struct pv_ev *pv_pebs_open(struct pv_test *t, const struct perf_event_attr *attr, pid_t pid,
			   int cpu, struct pv_ev *leader);
/* PV_PRECISE_AREA bytes, aligned as the loop wants them. */
void *pv_pebs_area(void);
/* The number of the loop's instruction that a sample's IP is: 0 to PV_PRECISE_INSNS - 1; -1: none.
 */
int pv_pebs_at(uint64_t ip);
/* A sample of the loop, taken apart. */
struct pv_pebs_sample {
	int at;          /* the instruction that the record is of */
	uint64_t turn;   /* from 0 */
	uint64_t number; /* of the instruction, from 0 */
	uint64_t offset; /* of the datum in the area */
};
/* `turns` as given to the loop; `next`: the sample's IP is that of the instruction behind. False:
 * it is not of the loop. */
bool pv_pebs_place(struct pv_test *t, const struct pv_sample *s, uint64_t turns, bool next,
		   struct pv_pebs_sample *p);
/* How many registers of the sample are not as the loop has planted them. */
unsigned int pv_pebs_unplanted(struct pv_test *t, const struct pv_sample *s,
			       const struct pv_pebs_sample *p, const void *area, uint64_t mark);
#endif
