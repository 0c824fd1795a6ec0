/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the ISA decides of what perf promises: registers' numbers, what debug registers can do, code
 * to be probed. Cases compare with it, and need no #if of their own.
 */
#ifndef PV_ARCH_ISA_H
#define PV_ARCH_ISA_H

#include <stdint.h>
#include <sys/types.h>

/*
 * Registers (arch/.../include/uapi/asm/perf_regs.h): perf's numbers of stack pointer and
 * instruction pointer, the mask of all general ones, PERF_SAMPLE_REGS_ABI_*, and one that only PMUs
 * with extended registers take.
 */
#if defined(__x86_64__)
/* ax bx cx dx si di bp sp ip flags cs ss, then r8..r15 */
#define PV_ISA_MACHINE PV_ARCH_X86_64
#define PV_ISA_SP      7
#define PV_ISA_IP      8
#define PV_ISA_REGS    0xff0fff
#define PV_ISA_ABI     PERF_SAMPLE_REGS_ABI_64
#elif defined(__i386__)
#define PV_ISA_MACHINE PV_ARCH_I386
#define PV_ISA_SP      7
#define PV_ISA_IP      8
#define PV_ISA_REGS    0xfff
#define PV_ISA_ABI     PERF_SAMPLE_REGS_ABI_32
#elif defined(__aarch64__)
/* x0..x30, sp, pc */
#define PV_ISA_MACHINE PV_ARCH_ARM64
#define PV_ISA_SP      31
#define PV_ISA_IP      32
#define PV_ISA_REGS    0x1ffffffff
#define PV_ISA_ABI     PERF_SAMPLE_REGS_ABI_64
#else
/* r0..r10, fp, ip, sp, lr, pc */
#define PV_ISA_MACHINE PV_ARCH_ARM
#define PV_ISA_SP      13
#define PV_ISA_IP      15
#define PV_ISA_REGS    0xffff
#define PV_ISA_ABI     PERF_SAMPLE_REGS_ABI_32
#endif

#if defined(__x86_64__) || defined(__i386__)
#define PV_ISA_EXTENDED_REG (1ull << 63)
/* A watchpoint is told before its access is made: who returns meets it again. */
#define PV_ISA_WATCH_BEFORE 0
/* Any bytes of a double word can be watched; else 1, 2, 4 or 8 at a multiple of the length. */
#define PV_ISA_WATCH_BYTES 0
/* Data and execution breakpoints take from the same registers. */
#define PV_ISA_SLOTS_SHARED 1
/* A task's breakpoint may be on kernel memory or code, and the kernel's own accesses count. */
#define PV_ISA_WATCH_KERNEL 1
/* What the last step of a copy from user space may read ahead of a fault, in bytes. */
#define PV_ISA_COPY_AHEAD 0
/* A kernel function that no probe may stand in. */
#define PV_ISA_NO_KPROBE "exc_page_fault"
/* Instructions begin at multiples of it. */
#define PV_ISA_INSN_ALIGN 1
/* The mmap page says how to go on when the clock is shorter than 64 bits. */
#define PV_ISA_CLOCK_SHORT 0
#else
#define PV_ISA_EXTENDED_REG (1ull << 46)
#define PV_ISA_WATCH_BEFORE 1
#define PV_ISA_WATCH_BYTES  1
#define PV_ISA_SLOTS_SHARED 0
/* hw_breakpoint_arch_parse(); watchpoint_report() only steps over an access from EL1 */
#define PV_ISA_WATCH_KERNEL 0
/* 64 bytes at a time, one step ahead (arch/arm64/lib/copy_template.S) */
#define PV_ISA_COPY_AHEAD   128
#define PV_ISA_NO_KPROBE    "el1h_64_sync_handler"
#define PV_ISA_INSN_ALIGN   4
#define PV_ISA_CLOCK_SHORT  1
#endif

/* Code to be put somewhere and called. */
struct pv_code {
	const void *insns;
	size_t size;
};
/* Returns at once. */
extern const struct pv_code pv_code_return;
/* long plus_one(long): an instruction that a probe steps elsewhere, and at byte
 * PV_CODE_SECOND one that it emulates. No bytes where there are no uprobes. */
#define PV_CODE_SECOND 4
extern const struct pv_code pv_code_plus_one;
/* void deep(int n): calls itself until n is 0. */
extern const struct pv_code pv_code_deep;

/* The counter that perf_event_mmap_page's time_* fields are about. */
unsigned long long pv_isa_ticks(void);
/* bp_len of an execution breakpoint: the kernel's sizeof(long), for a 32-bit task, too
 * (arch_build_bp_info()). */
unsigned int pv_isa_exec_len(void);
/* Debug registers for data and for execution by the CPU's manual; 0: a CPU that is not known. */
void pv_isa_debug_registers(unsigned int *data, unsigned int *exec);
/* Registers that the kernel under us takes: a 32-bit task may run on one of 64 bits. */
uint64_t pv_isa_kernel_regs(void);
/*
 * What register `bit` of a sample must be when `planted` was loaded by pv_asm_plant(), at the
 * planted place or, `syscall`, in its system call. Bits that nobody can plant are taken from
 * `observed`.
 */
uint64_t pv_isa_planted(unsigned int bit, int syscall, uint64_t planted, uint64_t observed);
/* A kernel's registers sampled into this task's register numbers are the kernel's own: not for a
 * 32-bit Arm task on a 64-bit kernel. */
int pv_isa_kernel_has_our_regs(void);

/* ---- a debugger's data breakpoint n, 4 bytes at addr, on stores, by ptrace(2) ---- */
/* 0 or -errno */
long pv_debugger_watch(pid_t pid, int n, const void *addr);
/* The same, but off. */
long pv_debugger_unwatch(pid_t pid, int n, const void *addr);
int pv_debugger_sees(pid_t pid, int n, const void *addr);
int pv_debugger_sees_nothing(pid_t pid, int n);
/* Raises a system management interrupt by the chip set's port (ICH9: APM_CNT): 0, or -errno;
 * -ENOSYS where the ISA has none. For guests: real firmware does what the byte says. */
int pv_isa_smi(void);

#endif
