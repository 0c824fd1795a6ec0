# SPDX-License-Identifier: GPL-2.0-only
"""A dead guest's evidence: its kernel log from the console and from memory, the places its vCPUs were at."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from . import SOURCE_ROOT, printk
from .death import Cpu, Death, Took, cause, panic_text
from .dump import Dump, DumpError
from .kallsyms import Kallsyms
from .qmp import Monitor
from .triage import classify

CONSOLE_MAX = 4 << 20  # of the console's end
SPARE = 64 << 20  # a host's disk is not filled to the last byte
CRASH = SOURCE_ROOT / "build" / "native" / "runner" / "pmuvet"
CRASH_SECONDS = 20.0
SPLATS_MAX = 256
FRAMES_MAX = 32
STACK = 8192


@dataclass
class Evidence:
    lines: list[str] = field(default_factory=list)  # the log that tells most
    source: str = ""  # where it is from: "console", "dump"
    unseen: list[str] = field(default_factory=list)  # in memory and not on the console
    splats: list[dict[str, Any]] = field(default_factory=list)
    cpus: list[Cpu] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def console_lines(path: Path) -> list[str]:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - CONSOLE_MAX))
            data = file.read(CONSOLE_MAX)
    except OSError:
        return []
    lines = data.decode("utf-8", "replace").replace("\r", "").split("\n")
    return [line for line in lines if line and "@pv " not in line]


class Autopsy:
    """`memory` in MiB; `keep`: where the dump stays, else it is removed as soon as it has been read."""

    def __init__(self, directory: Path, memory: int, keep: Path | None = None) -> None:
        self._directory = directory
        self._memory = memory
        self._keep = keep

    def perform(self, monitor: Monitor | None, cpus: list[Cpu]) -> Evidence:
        """With a monitor of a paused guest its memory is looked at, too."""
        console = console_lines(self._directory / "console")
        found = Evidence(console, "console" if console else "", cpus=cpus)
        found.splats = parse_splats(console, found.notes)
        if monitor and not monitor.closed:
            try:
                self._add_memory(monitor, found)
            except (DumpError, OSError, ValueError) as err:
                found.notes.append(f"memory: {err}")
        return found

    @contextlib.contextmanager
    def _dumped(self, monitor: Monitor) -> Iterator[Dump]:
        path = self._keep or self._directory / "dump"
        free = shutil.disk_usage(path.parent).free
        if free < (self._memory << 20) + SPARE:
            raise DumpError(f"no dump: {path.parent} has {free >> 20} MiB free, {self._memory} are needed")
        path.unlink(missing_ok=True)
        done = False
        try:
            done = monitor.dump(path)
            if not done:
                raise DumpError(f"no dump: {monitor.error}")
            with Dump(path) as dump:
                yield dump
        finally:
            if not done or not self._keep:
                path.unlink(missing_ok=True)

    def _add_memory(self, monitor: Monitor, found: Evidence) -> None:
        with self._dumped(monitor) as dump:
            try:
                found.cpus = name_places(dump, found.cpus)
            except DumpError as err:
                found.notes.append(f"names of functions: {err}")
            lines = [line for record in printk.records(dump) for line in record.lines()]
        found.unseen = unseen(lines, found.lines)
        if cause(found.splats) or not found.unseen:
            return
        splats = parse_splats(lines, found.notes)
        if cause(splats) or not found.lines:
            found.lines, found.source, found.splats = lines, "dump", splats


def unseen(log: list[str], console: list[str]) -> list[str]:
    """What the log has and the console has not, in order. A console leaves out levels and loses time stamps."""
    shown = {line.rstrip() for line in console}
    return [line for line in log if line.rstrip() not in shown]


def name_places(dump: Dump, cpus: list[Cpu]) -> list[Cpu]:
    if not any(cpu.mode == "kernel" for cpu in cpus):
        return cpus
    symbols = Kallsyms(dump)
    out = []
    for cpu in cpus:
        place = symbols.find(cpu.pc) if cpu.mode == "kernel" else None
        trace = tuple(backtrace(dump, symbols, cpu)) if cpu.mode == "kernel" else ()
        out.append(replace(cpu, function=str(place) if place and place.code else "", trace=trace))
    return out


def backtrace(dump: Dump, symbols: Kallsyms, cpu: Cpu) -> Iterator[str]:
    """arm64: along the frame pointers; x86: whatever on the stack may be a return address, so a guess ("? ")."""
    registers = cpu.registers
    try:
        if "x29" in registers:
            places = [registers.get("x30", 0), *_frames(dump, registers["x29"])]
            mark = ""
        else:
            top = registers.get("rsp", 0)
            places = [dump.u64(at, mapped=True) for at in range(top & ~7, (top | STACK - 1) & ~7, 8)]
            mark = "? "
    except DumpError:
        places = []
    count = 0
    for address in places:
        place = symbols.find(address - 1) if address >> 63 else None
        if place and place.code and count < FRAMES_MAX:
            count += 1
            yield f"{mark}{replace(place, offset=place.offset + 1)}"


def _frames(dump: Dump, frame: int) -> Iterator[int]:
    seen = {frame}
    for _ in range(FRAMES_MAX):
        try:
            after, back = dump.u64(frame, mapped=True), dump.u64(frame + 8, mapped=True)
        except DumpError:
            return
        yield back
        if after in seen or after & 7:  # a stack may lead to another one, at any address
            return
        seen.add(after)
        frame = after


def parse_splats(lines: list[str], notes: list[str]) -> list[dict[str, Any]]:
    """What `pmuvet crash` sees in a log: the house's one parser."""
    text = "\n".join([*lines, ""]).encode("utf-8", "replace")
    try:
        done = subprocess.run([str(CRASH), "crash", "--json", "--all", "-"], input=text, capture_output=True,
                              timeout=CRASH_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as err:
        notes.append(f"the log was not parsed: {err}")
        return []
    if done.returncode not in (0, 1):
        notes.append(f"the log was not parsed: pmuvet crash ended with status {done.returncode}")
        return []
    found = []
    for line in done.stdout.splitlines()[:SPLATS_MAX]:
        try:
            splat = json.loads(line)
        except ValueError:
            continue
        if isinstance(splat, dict) and splat.get("event") == "splat" and isinstance(splat.get("title"), str):
            found.append(splat)
    return found


HANGS = ("soft-hang", "hard-hang", "user-spin")


def judge(kind: str, reason: str, evidence: Evidence, took: Took) -> Death:
    """
    The kind as seen from outside, corrected by what the log says: a panic that the console kept to itself,
    an oops that took a lock with it.
    """
    splats = [splat for splat in evidence.splats if not (kind in HANGS and ours(splat))]
    panic = panic_text(evidence.lines)
    first = cause(splats)
    oops = first if first and first.get("class") != "panic" else None
    if kind in (*HANGS, "reset") and panic:
        kind = "panic"
    elif kind in HANGS and oops:
        kind = "oops"
    if kind == "panic" and oops and "Attempted to kill init" in panic:
        kind = "oops"
    title = classify(evidence.cpus)[1] if kind in HANGS else reason
    if kind in ("panic", "oops", "reset"):
        title = str(first["title"]) if first else panic or reason
    return Death(kind, title, evidence.source, took, tuple(evidence.cpus), tuple(splats),
                 tuple(evidence.unseen), tuple(evidence.notes))


def ours(splat: dict[str, Any]) -> bool:
    """The kernel's answer to our NMI."""
    return "NMI" in str(splat.get("class", "")).upper() or "NMI: Not continuing" in str(splat.get("text", ""))
