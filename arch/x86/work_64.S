/* SPDX-License-Identifier: GPL-2.0-only */
/* Workloads for x86-64, System V ABI. */
#include "arch/work.inc.S"

	.text

FUNC pv_asm_loop
	test	%rdi, %rdi
	jz	2f
PLACE pv_asm_loop_first
1:	dec	%rdi
PLACE pv_asm_loop_last
	jnz	1b
2:	ret
END pv_asm_loop

FUNC pv_asm_syscall			/* n, nr, arg */
	push	%rbx
	mov	%rdi, %rbx
	mov	%rsi, %r8
	mov	%rdx, %rdi
	test	%rbx, %rbx
	jz	2f
1:	mov	%r8, %rax
	syscall
	dec	%rbx
	jnz	1b
2:	pop	%rbx
	ret
END pv_asm_syscall

FUNC pv_asm_call			/* n, target */
	push	%rbx
	push	%rbp
	sub	$8, %rsp
	mov	%rdi, %rbx
	mov	%rsi, %rbp
	test	%rbx, %rbx
	jz	2f
1:	call	*%rbp
	dec	%rbx
	jnz	1b
2:	add	$8, %rsp
	pop	%rbp
	pop	%rbx
	ret
END pv_asm_call

.macro ACCESS name, insn
FUNC \name
	test	%rdi, %rdi
	jz	2f
	xor	%eax, %eax
1:	\insn
	dec	%rdi
	jnz	1b
2:	ret
END \name
.endm

	ACCESS pv_asm_store1, "movb %al, (%rsi)"
	ACCESS pv_asm_store2, "movw %ax, (%rsi)"
	ACCESS pv_asm_store4, "movl %eax, (%rsi)"
	ACCESS pv_asm_store8, "movq %rax, (%rsi)"
	ACCESS pv_asm_load1, "movb (%rsi), %al"
	ACCESS pv_asm_load2, "movw (%rsi), %ax"
	ACCESS pv_asm_load4, "movl (%rsi), %eax"
	ACCESS pv_asm_load8, "movq (%rsi), %rax"

	PROBE_TARGETS ret

	.section .note.GNU-stack, "", @progbits
