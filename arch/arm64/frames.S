/* SPDX-License-Identifier: GPL-2.0-only */
/* Known stacks and registers for AArch64. */
#include "arch/work.inc.S"

	.text

FUNC pv_asm_nest			/* depth, target, arg */
	stp	x29, x30, [sp, #-16]!
	mov	x29, #0
	bl	1f
	.globl	pv_asm_nest_outer
pv_asm_nest_outer:
	ldp	x29, x30, [sp], #16
	ret
1:	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	cbz	x0, 2f
	sub	x0, x0, #1
	bl	1b
	.globl	pv_asm_nest_inner
pv_asm_nest_inner:
	ldp	x29, x30, [sp], #16
	ret
2:	mov	x0, x2
	blr	x1
	ldp	x29, x30, [sp], #16
	ret
END pv_asm_nest

FUNC pv_asm_leaf_store			/* addr */
	.globl	pv_asm_leaf_store_at
pv_asm_leaf_store_at:
	strb	wzr, [x0]
	ret
END pv_asm_leaf_store

FUNC pv_asm_leaf_syscall		/* nr */
	mov	x8, x0
	svc	#0
	.globl	pv_asm_leaf_syscall_behind
pv_asm_leaf_syscall_behind:
	ret
END pv_asm_leaf_syscall

FUNC pv_asm_plant			/* in */
	stp	x29, x30, [sp, #-96]!
	stp	x19, x20, [sp, #16]
	stp	x21, x22, [sp, #32]
	stp	x23, x24, [sp, #48]
	stp	x25, x26, [sp, #64]
	stp	x27, x28, [sp, #80]
	adrp	x1, saved
	mov	x2, sp
	str	x2, [x1, :lo12:saved]
	ldr	x1, [x0, #31 * 8]
	mov	sp, x1
	ldp	x2, x3, [x0, #2 * 8]
	ldp	x4, x5, [x0, #4 * 8]
	ldp	x6, x7, [x0, #6 * 8]
	ldp	x8, x9, [x0, #8 * 8]
	ldp	x10, x11, [x0, #10 * 8]
	ldp	x12, x13, [x0, #12 * 8]
	ldp	x14, x15, [x0, #14 * 8]
	ldp	x16, x17, [x0, #16 * 8]
	ldp	x18, x19, [x0, #18 * 8]
	ldp	x20, x21, [x0, #20 * 8]
	ldp	x22, x23, [x0, #22 * 8]
	ldp	x24, x25, [x0, #24 * 8]
	ldp	x26, x27, [x0, #26 * 8]
	ldp	x28, x29, [x0, #28 * 8]
	ldr	x30, [x0, #30 * 8]
	ldp	x0, x1, [x0]
	.globl	pv_asm_planted, pv_asm_planted_behind
pv_asm_planted:
	nop
	svc	#0
pv_asm_planted_behind:
	adrp	x0, saved
	ldr	x0, [x0, :lo12:saved]
	mov	sp, x0
	ldp	x19, x20, [sp, #16]
	ldp	x21, x22, [sp, #32]
	ldp	x23, x24, [sp, #48]
	ldp	x25, x26, [sp, #64]
	ldp	x27, x28, [sp, #80]
	ldp	x29, x30, [sp], #96
	ret
END pv_asm_plant

	.local	saved
	.comm	saved, 8, 8
	.section .note.GNU-stack, "", %progbits
