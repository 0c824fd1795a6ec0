/* SPDX-License-Identifier: GPL-2.0-only */
/* Workloads for i386, cdecl. */
#include "arch/work.inc.S"

	.text

FUNC pv_asm_loop
	mov	4(%esp), %ecx
	test	%ecx, %ecx
	jz	2f
PLACE pv_asm_loop_first
1:	dec	%ecx
PLACE pv_asm_loop_last
	jnz	1b
2:	ret
END pv_asm_loop

FUNC pv_asm_syscall			/* n, nr, arg */
	push	%ebx
	push	%esi
	mov	12(%esp), %esi
	mov	20(%esp), %ebx
	test	%esi, %esi
	jz	2f
1:	mov	16(%esp), %eax
	int	$0x80
	dec	%esi
	jnz	1b
2:	pop	%esi
	pop	%ebx
	ret
END pv_asm_syscall

FUNC pv_asm_call			/* n, target */
	push	%esi
	push	%edi
	sub	$4, %esp
	mov	16(%esp), %esi
	mov	20(%esp), %edi
	test	%esi, %esi
	jz	2f
1:	call	*%edi
	dec	%esi
	jnz	1b
2:	add	$4, %esp
	pop	%edi
	pop	%esi
	ret
END pv_asm_call

.macro ACCESS name, insn
FUNC \name
	mov	4(%esp), %ecx
	mov	8(%esp), %edx
	test	%ecx, %ecx
	jz	2f
	xor	%eax, %eax
1:	\insn
	dec	%ecx
	jnz	1b
2:	ret
END \name
.endm

	ACCESS pv_asm_store1, "movb %al, (%edx)"
	ACCESS pv_asm_store2, "movw %ax, (%edx)"
	ACCESS pv_asm_store4, "movl %eax, (%edx)"
	ACCESS pv_asm_load1, "movb (%edx), %al"
	ACCESS pv_asm_load2, "movw (%edx), %ax"
	ACCESS pv_asm_load4, "movl (%edx), %eax"

	PROBE_TARGETS ret

	.section .note.GNU-stack, "", @progbits
