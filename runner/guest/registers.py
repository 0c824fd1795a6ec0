# SPDX-License-Identifier: GPL-2.0-only
"""What the vCPUs are doing, out of QEMU's `info registers -a`."""
from __future__ import annotations

import re
from dataclasses import dataclass, field

RFLAGS_IF = 1 << 9
PSTATE_I = 1 << 7
KERNEL_HALF = 1 << 63

X86 = re.compile(r"\b(R[A-Z0-9]{1,2}|CR[0-4]|RFL)\s*=([0-9a-f]+)")
ARM = re.compile(r"\b(X\d\d|SP|PC|PSTATE)=([0-9a-f]+)")
CPU = re.compile(r"(?m)^\s*CPU#(\d{1,6})")
CPUS_MAX = 4096


@dataclass(frozen=True)
class Sample:
    """One vCPU at one moment."""

    cpu: int
    pc: int
    user: bool
    interrupts: bool  # would one be taken now
    halted: bool | None  # None: this architecture's registers do not tell
    registers: dict[str, int] = field(compare=False)

    @property
    def stack(self) -> int:
        return self.registers.get("rsp", self.registers.get("sp", 0))


def parse(text: str) -> list[Sample]:
    parts = CPU.split(text)[1:]
    found = []
    for number, body in list(zip(parts[::2], parts[1::2]))[:CPUS_MAX]:
        sample = _x86(int(number), body) if "RIP=" in body else _arm(int(number), body)
        if sample:
            found.append(sample)
    return found


def _registers(pattern: re.Pattern[str], body: str) -> dict[str, int]:
    return {name.lower(): int(value[:16], 16) for name, value in pattern.findall(body)}


def _x86(cpu: int, body: str) -> Sample:
    registers = _registers(X86, body)
    pc = registers.get("rip", 0)
    flags = registers.get("rfl", 0)
    # By address and not by CPL: a Xen PV kernel runs in ring 3.
    return Sample(cpu, pc, not pc & KERNEL_HALF, bool(flags & RFLAGS_IF), "HLT=1" in body, registers)


def _arm(cpu: int, body: str) -> Sample | None:
    registers = _registers(ARM, body)
    if "pc" not in registers or "pstate" not in registers:
        return None
    state = registers["pstate"]
    user = not state & 0xc  # the exception level
    return Sample(cpu, registers["pc"], user, not state & PSTATE_I, None, registers)
