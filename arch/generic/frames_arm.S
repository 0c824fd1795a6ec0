/* SPDX-License-Identifier: GPL-2.0-only */
/* Known stacks and registers for 32-bit Arm; frames as arch/arm64/kernel's compat unwinder reads
 * them: fp points at the saved pc, below it lie lr, sp and fp. */
	.syntax unified
	.arm
#include "arch/work.inc.S"

	.text

FUNC pv_asm_nest			/* depth, target, arg */
	push	{fp, lr}
	mov	fp, #0
	bl	1f
	.globl	pv_asm_nest_outer
pv_asm_nest_outer:
	pop	{fp, pc}
1:	mov	ip, sp
	push	{fp, ip, lr, pc}
	sub	fp, ip, #4
	cmp	r0, #0
	beq	2f
	sub	r0, r0, #1
	bl	1b
	.globl	pv_asm_nest_inner
pv_asm_nest_inner:
	b	3f
2:	mov	r0, r2
	blx	r1
3:	ldr	fp, [sp]
	ldr	lr, [sp, #8]
	add	sp, sp, #16
	bx	lr
END pv_asm_nest

FUNC pv_asm_leaf_store			/* addr */
	.globl	pv_asm_leaf_store_at
pv_asm_leaf_store_at:
	strb	r0, [r0]
	bx	lr
END pv_asm_leaf_store

FUNC pv_asm_leaf_syscall		/* nr */
	push	{r7, lr}
	mov	r7, r0
	svc	#0
	.globl	pv_asm_leaf_syscall_behind
pv_asm_leaf_syscall_behind:
	pop	{r7, pc}
END pv_asm_leaf_syscall

FUNC pv_asm_plant			/* in */
	push	{r4-r11, lr}
	ldr	r1, =saved
	str	sp, [r1]
	ldr	sp, [r0, #13 * 4]
	ldr	lr, [r0, #14 * 4]
	ldr	r1, [r0, #1 * 4]
	ldr	r2, [r0, #2 * 4]
	ldr	r3, [r0, #3 * 4]
	ldr	r4, [r0, #4 * 4]
	ldr	r5, [r0, #5 * 4]
	ldr	r6, [r0, #6 * 4]
	ldr	r7, [r0, #7 * 4]
	ldr	r8, [r0, #8 * 4]
	ldr	r9, [r0, #9 * 4]
	ldr	r10, [r0, #10 * 4]
	ldr	r11, [r0, #11 * 4]
	ldr	r12, [r0, #12 * 4]
	ldr	r0, [r0]
	.globl	pv_asm_planted, pv_asm_planted_behind
pv_asm_planted:
	nop
	svc	#0
pv_asm_planted_behind:
	ldr	r0, =saved
	ldr	sp, [r0]
	pop	{r4-r11, pc}
	.ltorg
END pv_asm_plant

	.local	saved
	.comm	saved, 4, 4
	.section .note.GNU-stack, "", %progbits
