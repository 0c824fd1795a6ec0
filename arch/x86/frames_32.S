/* SPDX-License-Identifier: GPL-2.0-only */
/* Known stacks and registers for i386, cdecl. */
#include "arch/work.inc.S"

	.text

FUNC pv_asm_nest			/* depth, target, arg */
	push	%ebp
	mov	8(%esp), %eax
	mov	12(%esp), %edx
	mov	16(%esp), %ecx
	xor	%ebp, %ebp
	call	1f
	.globl	pv_asm_nest_outer
pv_asm_nest_outer:
	pop	%ebp
	ret
1:	push	%ebp
	mov	%esp, %ebp
	test	%eax, %eax
	jz	2f
	dec	%eax
	call	1b
	.globl	pv_asm_nest_inner
pv_asm_nest_inner:
	pop	%ebp
	ret
2:	sub	$4, %esp
	and	$-16, %esp
	mov	%ecx, (%esp)
	call	*%edx
	mov	%ebp, %esp
	pop	%ebp
	ret
END pv_asm_nest

FUNC pv_asm_leaf_store			/* addr */
	mov	4(%esp), %eax
	.globl	pv_asm_leaf_store_at
pv_asm_leaf_store_at:
	movb	$1, (%eax)
	ret
END pv_asm_leaf_store

FUNC pv_asm_leaf_syscall		/* nr */
	mov	4(%esp), %eax
	int	$0x80
	.globl	pv_asm_leaf_syscall_behind
pv_asm_leaf_syscall_behind:
	ret
END pv_asm_leaf_syscall

FUNC pv_asm_plant			/* in */
	mov	4(%esp), %eax
	push	%ebx
	push	%ebp
	push	%esi
	push	%edi
	mov	%esp, saved
	mov	1*4(%eax), %ebx
	mov	2*4(%eax), %ecx
	mov	3*4(%eax), %edx
	mov	4*4(%eax), %esi
	mov	5*4(%eax), %edi
	mov	6*4(%eax), %ebp
	mov	7*4(%eax), %esp
	mov	0*4(%eax), %eax
	.globl	pv_asm_planted, pv_asm_planted_behind
pv_asm_planted:
	nop
	int	$0x80
pv_asm_planted_behind:
	mov	saved, %esp
	pop	%edi
	pop	%esi
	pop	%ebp
	pop	%ebx
	ret
END pv_asm_plant

	.local	saved
	.comm	saved, 4, 4
	.section .note.GNU-stack, "", @progbits
