/* SPDX-License-Identifier: GPL-2.0-only */
/* The workload of precise samples, x86_64 only. */
#ifndef PV_ARCH_PRECISE_H
#define PV_ARCH_PRECISE_H

/* Bytes of the area; it begins at a multiple of 256. */
#define PV_PRECISE_AREA  1024
#define PV_PRECISE_STORE 512 /* what a turn stores lies so far behind what it loads */
#define PV_PRECISE_INSNS 6
#define PV_PRECISE_STEP  8

/*
 * n turns: load from area + offset into ax, store it, offset (cx) goes on by PV_PRECISE_STEP and
 * from 256 to 0, n (di) goes down, branch back. Planted all the time: si is area; r12 to r15 are
 * mark to mark + 3, bx, bp, r8 mark + 4 to mark + 6; xmm0 is r12, xmm15 is r15.
 */
void pv_asm_precise(unsigned long n, void *area, unsigned long mark);

/* Its instructions, and what is behind them. */
extern const char pv_precise_load[], pv_precise_store[], pv_precise_add[], pv_precise_and[],
	pv_precise_dec[], pv_precise_branch[], pv_precise_end[];

#endif
