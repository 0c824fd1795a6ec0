/* SPDX-License-Identifier: GPL-2.0-only */
/* Workloads for AArch64, AAPCS64. */
#include "arch/work.inc.S"

	.text

FUNC pv_asm_loop
	cbz	x0, 2f
PLACE pv_asm_loop_first
1:	subs	x0, x0, #1
PLACE pv_asm_loop_last
	b.ne	1b
2:	ret
END pv_asm_loop

FUNC pv_asm_syscall			/* n, nr, arg */
	mov	x9, x0
	mov	x8, x1
	mov	x10, x2
	cbz	x9, 2f
1:	mov	x0, x10
	svc	#0
	subs	x9, x9, #1
	b.ne	1b
2:	ret
END pv_asm_syscall

FUNC pv_asm_call			/* n, target */
	stp	x29, x30, [sp, #-32]!
	mov	x29, sp
	stp	x19, x20, [sp, #16]
	mov	x19, x0
	mov	x20, x1
	cbz	x19, 2f
1:	blr	x20
	subs	x19, x19, #1
	b.ne	1b
2:	ldp	x19, x20, [sp, #16]
	ldp	x29, x30, [sp], #32
	ret
END pv_asm_call

.macro ACCESS name, insn:vararg
FUNC \name
	cbz	x0, 2f
1:	\insn
	subs	x0, x0, #1
	b.ne	1b
2:	ret
END \name
.endm

	ACCESS pv_asm_store1, strb wzr, [x1]
	ACCESS pv_asm_store2, strh wzr, [x1]
	ACCESS pv_asm_store4, str wzr, [x1]
	ACCESS pv_asm_store8, str xzr, [x1]
	ACCESS pv_asm_load1, ldrb w2, [x1]
	ACCESS pv_asm_load2, ldrh w2, [x1]
	ACCESS pv_asm_load4, ldr w2, [x1]
	ACCESS pv_asm_load8, ldr x2, [x1]

	PROBE_TARGETS ret

	.section .note.GNU-stack, "", %progbits
