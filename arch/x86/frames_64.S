/* SPDX-License-Identifier: GPL-2.0-only */
/* Known stacks and registers for x86-64. */
#include "arch/work.inc.S"

	.text

FUNC pv_asm_nest			/* depth, target, arg */
	push	%rbp
	xor	%ebp, %ebp
	call	1f
	.globl	pv_asm_nest_outer
pv_asm_nest_outer:
	pop	%rbp
	ret
1:	push	%rbp
	mov	%rsp, %rbp
	test	%rdi, %rdi
	jz	2f
	dec	%rdi
	call	1b
	.globl	pv_asm_nest_inner
pv_asm_nest_inner:
	pop	%rbp
	ret
2:	and	$-16, %rsp
	mov	%rdx, %rdi
	call	*%rsi
	mov	%rbp, %rsp
	pop	%rbp
	ret
END pv_asm_nest

FUNC pv_asm_leaf_store			/* addr */
	.globl	pv_asm_leaf_store_at
pv_asm_leaf_store_at:
	movb	$1, (%rdi)
	ret
END pv_asm_leaf_store

FUNC pv_asm_leaf_syscall		/* nr */
	mov	%rdi, %rax
	syscall
	.globl	pv_asm_leaf_syscall_behind
pv_asm_leaf_syscall_behind:
	ret
END pv_asm_leaf_syscall

FUNC pv_asm_plant			/* in */
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, saved(%rip)
	mov	0*8(%rdi), %rax
	mov	1*8(%rdi), %rbx
	mov	2*8(%rdi), %rcx
	mov	3*8(%rdi), %rdx
	mov	4*8(%rdi), %rsi
	mov	6*8(%rdi), %rbp
	mov	7*8(%rdi), %rsp
	mov	16*8(%rdi), %r8
	mov	17*8(%rdi), %r9
	mov	18*8(%rdi), %r10
	mov	19*8(%rdi), %r11
	mov	20*8(%rdi), %r12
	mov	21*8(%rdi), %r13
	mov	22*8(%rdi), %r14
	mov	23*8(%rdi), %r15
	mov	5*8(%rdi), %rdi
	.globl	pv_asm_planted, pv_asm_planted_behind
pv_asm_planted:
	nop
	syscall
pv_asm_planted_behind:
	mov	saved(%rip), %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
END pv_asm_plant

	.local	saved
	.comm	saved, 8, 8
	.section .note.GNU-stack, "", @progbits
