/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Workload kernels in assembly, one file per ISA. Each does exactly n units and
 * nothing is counted that the compiler could move: what a unit is, is its name.
 */
#ifndef PV_ARCH_WORK_H
#define PV_ARCH_WORK_H

/* n turns of two instructions (decrement, branch back); n = 0: none. */
void pv_asm_loop(unsigned long n);
/* The two: samples amid the loop are at one of them. */
extern const char pv_asm_loop_first[], pv_asm_loop_last[];
/* n system calls `nr` with one argument. */
void pv_asm_syscall(unsigned long n, long nr, long arg);
/* n calls of target. */
void pv_asm_call(unsigned long n, void (*target)(void));
/* n accesses of 1, 2, 4 or 8 bytes (8: 64-bit ISAs only) at addr. */
void pv_asm_store1(unsigned long n, void *addr);
void pv_asm_store2(unsigned long n, void *addr);
void pv_asm_store4(unsigned long n, void *addr);
void pv_asm_load1(unsigned long n, void *addr);
void pv_asm_load2(unsigned long n, void *addr);
void pv_asm_load4(unsigned long n, void *addr);
#if __SIZEOF_LONG__ == 8
void pv_asm_store8(unsigned long n, void *addr);
void pv_asm_load8(unsigned long n, void *addr);
#endif
/* Two empty functions for breakpoints and probes, on cache lines of their own. */
void pv_probe_target(void);
void pv_probe_other(void);

/* Instructions of one turn of pv_asm_loop(), the same on every ISA here. */
#define PV_LOOP_INSNS 2

/* The time stamp counter; 0 where user space has none. */
unsigned long long pv_arch_tsc(void);
/*
 * Reads a counter as user space may: `index` is perf_event_mmap_page.index, not 0. The instruction
 * traps (SIGILL, SIGSEGV) where the kernel does not allow it. False: this ISA has none that is
 * known here.
 */
int pv_arch_counter(unsigned int index, unsigned long long *value);
/* This CPU in words: vendor, family, model, name, as far as the ISA tells user space. */
void pv_arch_cpu(char *buf, unsigned long size);
/* The vendor as CPUID has it, "GenuineIntel"; empty where there is no CPUID. */
void pv_arch_vendor(char *buf, unsigned long size);

#endif
