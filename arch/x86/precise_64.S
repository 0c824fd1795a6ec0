/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A loop of six instructions for precise samples: where each of them is, is known, and so are the
 * registers in front of it (arch/precise.h).
 */
#include "arch/work.inc.S"

	.text

.macro AT name
	.globl	\name
\name:
.endm

FUNC pv_asm_precise			/* n, area, mark */
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdx, %r12
	lea	1(%rdx), %r13
	lea	2(%rdx), %r14
	lea	3(%rdx), %r15
	lea	4(%rdx), %rbx
	lea	5(%rdx), %rbp
	lea	6(%rdx), %r8
	movq	%r12, %xmm0
	movq	%r15, %xmm15
	xor	%ecx, %ecx
	test	%rdi, %rdi
	jz	2f
AT pv_precise_load
	mov	(%rsi,%rcx), %rax
AT pv_precise_store
	mov	%rax, 512(%rsi,%rcx)
AT pv_precise_add
	add	$8, %rcx
AT pv_precise_and
	and	$255, %rcx
AT pv_precise_dec
	dec	%rdi
AT pv_precise_branch
	jnz	pv_precise_load
AT pv_precise_end
2:	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
END pv_asm_precise

	.section .note.GNU-stack, "", @progbits
