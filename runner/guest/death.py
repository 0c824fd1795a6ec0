# SPDX-License-Identifier: GPL-2.0-only
"""How a guest died: the words of docs/death.md, and the events that tell it."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .console import PANIC
from .stream import clean

# kind -> what the case that was running gets
VERDICTS = {
    "panic": "crash", "oops": "crash", "reset": "crash", "power-off": "crash",
    "soft-hang": "hang", "hard-hang": "hang", "user-spin": "hang",
    "accelerator": "error", "paused": "error", "qemu-killed": "error", "starved": "error",
}
SPLATS_MAX = 16
TEXT_MAX = 16384
TRACE_MAX = 128


@dataclass(frozen=True)
class Cpu:
    """What a vCPU did at the end."""

    cpu: int
    state: str  # "moving", "stuck", "halted", "stopped" (looked at once)
    mode: str  # "kernel", "user"
    interrupts: bool  # on in any sample
    pc: int
    function: str = ""  # func+0x1/0x2
    registers: dict[str, int] = field(default_factory=dict)
    trace: tuple[str, ...] = ()

    def event(self) -> dict[str, Any]:
        out: dict[str, Any] = {"cpu": self.cpu, "state": self.state, "mode": self.mode,
                               "interrupts": self.interrupts, "pc": f"{self.pc:#x}"}
        if self.function:
            out["function"] = self.function
        if self.trace:
            out["trace"] = list(self.trace)
        return {**out, "registers": {name: f"{value:#x}" for name, value in self.registers.items()}}

    def __str__(self) -> str:
        where = self.function or f"{self.pc:#x}"
        if self.state == "halted":
            return f"vCPU {self.cpu} is idle in {where}"
        if self.state == "stopped":
            return f"vCPU {self.cpu} was in {self.mode} mode at {where}"
        return (f"vCPU {self.cpu} {'runs' if self.state == 'moving' else 'stays'} in {self.mode} mode at {where}, "
                f"interrupts {'on' if self.interrupts else 'off'}")


@dataclass(frozen=True)
class Took:
    """From the last sign of life to the verdict."""

    seconds: float
    ran: float  # those in which QEMU and the runner could run
    silence: float | None = None  # how long the guest was allowed to be silent


@dataclass(frozen=True)
class Death:
    kind: str
    title: str
    log: str  # where the evidence was found: "console", "dump", "kmsg", "" (nowhere)
    took: Took = Took(0.0, 0.0)
    cpus: tuple[Cpu, ...] = ()
    splats: tuple[dict[str, Any], ...] = ()  # as `pmuvet crash --json` gives them
    unseen: tuple[str, ...] = ()  # the log's lines that did not come out on the console
    notes: tuple[str, ...] = ()  # what could not be done

    def event(self, case: dict[str, Any]) -> dict[str, Any]:
        event: dict[str, Any] = {"event": "death", **case, "kind": self.kind, "title": self.title}
        if self.cpus:
            event["cpus"] = [cpu.event() for cpu in self.cpus]
        if self.log:
            event["log"] = self.log
        if self.notes:
            event["notes"] = list(self.notes)
        if self.took.silence:
            event["silence"] = round(self.took.silence, 3)
        return {**event, "seconds": round(self.took.seconds, 3), "ran": round(self.took.ran, 3)}

    def splat_events(self, case: dict[str, Any]) -> list[dict[str, Any]]:
        return [splat_event(splat, case, self.log) for splat in self.splats[:SPLATS_MAX]]


def splat_event(splat: dict[str, Any], case: dict[str, Any], source: str) -> dict[str, Any]:
    """A parsed splat as the stream has it: no longer than a line may be."""
    keys = ("class", "severity", "title", "alt", "corrupted", "first", "registers")
    event: dict[str, Any] = {"event": "splat", **case, "source": source,
                             **{key: splat[key] for key in keys if key in splat}}
    trace = splat.get("trace")
    if isinstance(trace, list):
        event["trace"] = trace[:TRACE_MAX]
    event["text"] = str(splat.get("text", ""))[:TEXT_MAX]
    return event


def cause(splats: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The first that kills: what comes behind it is its consequence."""
    return next((splat for splat in splats if fatal(splat)), None)


def panic_text(lines: list[str]) -> str:
    """The first panic that is not the answer to our own NMI."""
    for line in lines:
        if PANIC in line and "NMI: Not continuing" not in line:
            return clean(line[line.index(PANIC):])[:400]
    return ""


# What the kernel says of a hang, and may survive.
STALLS = ("soft-lockup", "hard-lockup")
# arch/x86/kernel/dumpstack.c, arch/arm64/kernel/traps.c, lib/bug.c
FATAL = re.compile(r"(?m)^(Oops: |Internal error: |kernel BUG at )")


def fatal(event: dict[str, Any]) -> bool:
    """Whether an agent's splat left the kernel damaged: a task was killed with what it held."""
    if event.get("severity"):
        return bool(event["severity"] == "fatal" and event.get("class") not in STALLS)
    return bool(FATAL.search(str(event.get("text", ""))))
