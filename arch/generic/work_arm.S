/* SPDX-License-Identifier: GPL-2.0-only */
/* Workloads for 32-bit Arm, AAPCS. */
	.syntax unified
	.arm
#include "arch/work.inc.S"

	.text

FUNC pv_asm_loop
	cmp	r0, #0
	beq	2f
PLACE pv_asm_loop_first
1:	subs	r0, r0, #1
PLACE pv_asm_loop_last
	bne	1b
2:	bx	lr
END pv_asm_loop

FUNC pv_asm_syscall			/* n, nr, arg */
	push	{r4, r5, r7, lr}
	mov	r4, r0
	mov	r7, r1
	mov	r5, r2
	cmp	r4, #0
	beq	2f
1:	mov	r0, r5
	svc	#0
	subs	r4, r4, #1
	bne	1b
2:	pop	{r4, r5, r7, pc}
END pv_asm_syscall

FUNC pv_asm_call			/* n, target */
	push	{r4, r5, r6, lr}
	mov	r4, r0
	mov	r5, r1
	cmp	r4, #0
	beq	2f
1:	blx	r5
	subs	r4, r4, #1
	bne	1b
2:	pop	{r4, r5, r6, pc}
END pv_asm_call

.macro ACCESS name, insn:vararg
FUNC \name
	mov	r2, #0
	cmp	r0, #0
	beq	2f
1:	\insn
	subs	r0, r0, #1
	bne	1b
2:	bx	lr
END \name
.endm

	ACCESS pv_asm_store1, strb r2, [r1]
	ACCESS pv_asm_store2, strh r2, [r1]
	ACCESS pv_asm_store4, str r2, [r1]
	ACCESS pv_asm_load1, ldrb r2, [r1]
	ACCESS pv_asm_load2, ldrh r2, [r1]
	ACCESS pv_asm_load4, ldr r2, [r1]

	PROBE_TARGETS bx lr

	.section .note.GNU-stack, "", %progbits
