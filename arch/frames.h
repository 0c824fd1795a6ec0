/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stacks and registers of known contents, in assembly, one file per ISA. An address between
 * instructions is a label: where a thing happens, and where it returns to.
 */
#ifndef PV_ARCH_FRAMES_H
#define PV_ARCH_FRAMES_H

/*
 * Calls itself `depth` times, each call with a frame record (saved frame pointer, return address),
 * then target(arg) from the innermost. A frame pointer of 0 ends the chain at the outermost. An
 * unwinder sees, behind the place in target: pv_asm_nest_inner `depth` times, pv_asm_nest_outer.
 */
void pv_asm_nest(unsigned long depth, void (*target)(void *arg), void *arg);
extern const char pv_asm_nest_inner[], pv_asm_nest_outer[];

/* Targets without a frame: one store of a byte, one system call `nr` without arguments. */
void pv_asm_leaf_store(void *addr);
void pv_asm_leaf_syscall(void *nr);
/* The storing instruction, and the one behind the system call's. */
extern const char pv_asm_leaf_store_at[], pv_asm_leaf_syscall_behind[];

/*
 * Loads all general registers, stack pointer too, from in[] (perf's numbers of them, the flags,
 * segments and ip are left out), passes over pv_asm_planted with them, and makes the system call
 * that they say. Not for two threads at once.
 */
void pv_asm_plant(const unsigned long *in);
extern const char pv_asm_planted[], pv_asm_planted_behind[];
/* The number of a register of in[] that the system call takes its number from. */
#if defined(__x86_64__) || defined(__i386__)
#define PV_REG_SYSCALL 0 /* ax */
#elif defined(__aarch64__)
#define PV_REG_SYSCALL 8
#else
#define PV_REG_SYSCALL 7
#endif
#endif
