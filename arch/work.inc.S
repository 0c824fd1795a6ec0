/* SPDX-License-Identifier: GPL-2.0-only */
/* What the workload files share: functions on cache lines of their own, and the two empty ones. */

.macro FUNC name
	.globl \name
	.type \name, STT_FUNC
	.p2align 6
\name:
.endm

.macro END name
	.size \name, . - \name
.endm

/* An instruction that cases know by its address. */
.macro PLACE name
	.globl \name
\name:
.endm

/* Breakpoints and probes are set on these; `ret` is the ISA's way back. */
.macro PROBE_TARGETS ret:vararg
FUNC pv_probe_target
	nop
	nop
	\ret
END pv_probe_target

FUNC pv_probe_other
	nop
	nop
	\ret
END pv_probe_other
.endm
