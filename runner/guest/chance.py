# SPDX-License-Identifier: GPL-2.0-only
"""
How long a guest could have run. Continuous-integration machines are loaded: a QEMU that waits for a
CPU is silent, and its guest is not at fault. Silence is measured in this clock, not in wall time.
"""
from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

STEP = 0.1  # the clock moves at most this often: each step reads a few files

# The agent beats every 0.25 s of the guest's time (runner/agent/process.c). Eight beats are missed before it
# counts as silent, in the pace that this boot has shown, within these bounds.
BEAT, BEATS = 0.25, 8
SILENCE_MIN, SILENCE_MAX = 5.0, 40.0


@dataclass(frozen=True)
class _Thread:
    cpu: float
    waiting: float | None  # for a CPU, since its start; None: this kernel does not say
    state: str


class Chance:
    """
    Seconds in which no thread of these processes waited for a CPU (two that wait for each other's work wait
    one behind the other) and none was stopped. Where the kernel does not
    count waiting (no /proc/PID/schedstat), a thread that wants to run is believed its CPU time alone.
    """

    def __init__(self, *pids: int, proc: Path = Path("/proc")) -> None:
        self._tasks = [proc / str(pid) / "task" for pid in pids]
        self._tick = os.sysconf("SC_CLK_TCK")
        self._wall = time.monotonic()
        self._threads = self._read()
        self._seconds = 0.0

    def seconds(self) -> float:
        """Rises from 0; stands still while QEMU cannot run."""
        now = time.monotonic()
        if now - self._wall >= STEP:
            threads = self._read()
            self._seconds += self._step(now - self._wall, threads)
            self._wall, self._threads = now, threads
        return self._seconds

    def _step(self, wall: float, threads: dict[str, _Thread]) -> float:
        pairs = [(self._threads[tid], new) for tid, new in threads.items() if tid in self._threads]
        if any(new.state in "Tt" for _, new in pairs):
            return 0.0
        waited = 0.0
        for old, new in pairs:
            if new.waiting is not None and old.waiting is not None:
                waited += max(0.0, new.waiting - old.waiting)
            elif new.state == "R":
                # It ran for at most what it used.
                waited += max(0.0, wall - (new.cpu - old.cpu))
        return max(0.0, wall - waited)

    def _read(self) -> dict[str, _Thread]:
        found = {}
        for tasks in self._tasks:
            with contextlib.suppress(OSError):
                for tid in os.listdir(tasks):
                    with contextlib.suppress(OSError, ValueError, IndexError):
                        found[tid] = self._thread(tasks / tid)
        return found

    def _thread(self, task: Path) -> _Thread:
        # The name, in brackets, may hold anything.
        words = (task / "stat").read_text(errors="replace").rpartition(")")[2].split()
        cpu = (int(words[11]) + int(words[12])) / self._tick
        waiting = None
        with contextlib.suppress(OSError, ValueError, IndexError):
            ran, delay, slices = (int(w) for w in (task / "schedstat").read_text().split()[:3])
            # All zero although it has run: not counted by this kernel.
            waiting = delay / 1e9 if ran or slices else None
        return _Thread(cpu, waiting, words[0])


class Pace:
    """
    Seconds of Chance for a second of the guest, the slowest that this boot has shown: under icount a
    guest's second is a billion instructions.
    """

    def __init__(self) -> None:
        self._guest, self._host = 0.0, 0.0
        self.slowest = 0.0

    def note(self, guest: object, host: float) -> None:
        """A heartbeat (or hello) with the guest's time; the first is measured from the start."""
        if not isinstance(guest, (int, float)) or not self._guest < guest < 1e9:
            return
        if guest - self._guest >= BEAT / 2:
            self.slowest = max(self.slowest, (host - self._host) / (guest - self._guest))
        self._guest, self._host = float(guest), host

    def silence(self) -> float:
        """How long a guest of this pace may be silent."""
        return min(SILENCE_MAX, max(SILENCE_MIN, BEATS * BEAT * self.slowest))
