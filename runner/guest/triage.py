# SPDX-License-Identifier: GPL-2.0-only
"""A guest that says nothing: what its vCPUs do, seen from outside."""
from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

from . import registers
from .chance import Chance
from .death import Cpu
from .qmp import Monitor
from .registers import Sample

SAMPLES = 20
PERIOD = 0.015
SPREAD = 0.3  # the samples span at least this much of the guest's chance to run
WALL_MAX = 5.0
WFI = 0xd503207f
PLACES = 4  # where a vCPU is most often seen: looked at for a wfi


class Triage:
    def __init__(self, monitor: Monitor, chance: Chance) -> None:
        self._monitor = monitor
        self._chance = chance

    def sample(self, once: bool = False) -> list[Cpu]:
        """Of each vCPU; empty when QEMU does not answer. `once`: of a guest that stands still already."""
        rounds: list[list[Sample]] = []
        start, end = self._chance.seconds(), time.monotonic() + WALL_MAX
        while not self._monitor.closed and time.monotonic() < end:
            found = self._monitor.registers()
            if not found:
                break
            rounds.append(found)
            if once or len(rounds) >= SAMPLES and self._chance.seconds() - start >= SPREAD:
                break
            time.sleep(PERIOD)
        by_cpu: dict[int, list[Sample]] = {}
        for sample in (s for found in rounds for s in found):
            by_cpu.setdefault(sample.cpu, []).append(sample)
        cpus = [self._judge(samples) for _, samples in sorted(by_cpu.items())]
        return [replace(cpu, state="stopped") for cpu in cpus] if once else cpus

    def _judge(self, samples: list[Sample]) -> Cpu:
        user = sum(s.user for s in samples) > len(samples) / 2
        # Who waits for interrupts even once does not spin: the ticks and wake-ups of an idle vCPU may take most
        # samples on a slow host. Not so where a program has the vCPU: throttling gives it rests.
        asleep = [] if user else self._asleep(samples)
        if asleep:
            state = "halted"
        else:
            state = "stuck" if len({s.pc for s in samples}) == 1 else "moving"
        # The place where it is most often seen, in the mode that it is mostly in.
        own = asleep or [s for s in samples if s.user == user] or samples
        pc = Counter(s.pc for s in own).most_common(1)[0][0]
        last = next(s for s in reversed(own) if s.pc == pc)
        on = any(s.interrupts for s in samples)
        return Cpu(last.cpu, state, "user" if user else "kernel", on, pc, registers=last.registers)

    def _asleep(self, samples: list[Sample]) -> list[Sample]:
        """The samples that wait for an interrupt. arm64 does so behind a wfi, and QEMU does not say it."""
        unknown = Counter(s.pc for s in samples if s.halted is None and not s.user)
        behind = {pc for pc, _ in unknown.most_common(PLACES)
                  if self._monitor.word(samples[0].cpu, pc - 4) == WFI}
        return [s for s in samples if s.halted or s.pc in behind]


def classify(cpus: list[Cpu]) -> tuple[str, str]:
    """
    (kind, title) of a silent guest. A vCPU that never takes interrupts is worse news than one that
    is busy; among equals the first.
    """
    busy = [c for c in cpus if c.state != "halted"]
    kernel = [c for c in busy if c.mode == "kernel"]
    user = [c for c in busy if c.mode == "user"]
    # x86 waits for interrupts with them on, arm64 with them masked.
    dead = [c for c in cpus if c.state == "halted" and not c.interrupts and "rip" in c.registers]
    for kind, found, text in (("hard-hang", [c for c in kernel if not c.interrupts], "with interrupts off"),
                              ("hard-hang", dead, "halted with interrupts off"),
                              ("soft-hang", kernel, "with interrupts on")):
        if found:
            # For a title: no offset, no address.
            return kind, f"{kind}: in {_place(found[0])} {text}"
    if user:
        return "user-spin", "user-spin: a program keeps the agent from its CPU, or is the agent"
    if cpus:
        return "soft-hang", "soft-hang: all vCPUs are idle, the agent sleeps"
    return "hard-hang", "hard-hang: QEMU's monitor does not answer"


def _place(cpu: Cpu) -> str:
    """Modules are not in the kernel's own table of names: the first caller that is."""
    if cpu.function or not cpu.trace:
        return cpu.function.partition("+")[0] or "an unknown function"
    return f"a module under {cpu.trace[0].removeprefix('? ').partition('+')[0]}"
