# SPDX-License-Identifier: GPL-2.0-only
"""What the host does to a guest that soaks: stops its vCPUs, saves its state while it runs."""
from __future__ import annotations

import os
import random
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .guest import Guest
from .qmp import Monitor

# Seconds: from one to the next, lowest and highest; how long vCPUs stand still.
EVERY = {"stop": (1.0, 6.0), "snapshot": (8.0, 30.0)}
STOPPED = (0.05, 1.5)
NAMES = tuple(EVERY)
REMEMBERED = 8


class HostNeighbours:
    """
    One thing at a time, by a state machine that is asked often. A snapshot is a migration into a
    file: QEMU writes memory while the guest runs, stops it for the last of it, and it goes on here.
    """

    def __init__(self, names: Sequence[str], choices: random.Random, directory: Path) -> None:
        self._choices = choices
        self._file = directory / "snapshot"
        self._due = {name: 0.0 for name in NAMES if name in names}
        self._doing = ""
        self._until = 0.0
        self.count = {name: 0 for name in self._due}
        self.recent: deque[tuple[float, str]] = deque(maxlen=REMEMBERED)
        self.trouble = ""

    def tick(self, monitor: Monitor) -> None:
        now = time.monotonic()
        if self._doing == "stop":
            if now >= self._until:
                self._go_on(monitor)
        elif self._doing == "snapshot":
            self._look_at_snapshot(monitor)
        else:
            for name, due in self._due.items():
                if not due:
                    self._plan(name, now)
                elif now >= due:
                    self._begin(name, monitor, now)
                    return

    def _plan(self, name: str, now: float) -> None:
        self._due[name] = now + self._choices.uniform(*EVERY[name])

    def _begin(self, name: str, monitor: Monitor, now: float) -> None:
        self._doing = name
        self.count[name] += 1
        if name == "stop":
            seconds = self._choices.uniform(*STOPPED)
            self._until = now + seconds
            self.recent.append((now, f"vCPUs stopped for {seconds:.2f} s"))
            monitor.stop()
            return
        self.recent.append((now, "live snapshot"))
        try:
            fd = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        except OSError as err:
            self._give_up("snapshot", str(err))
            return
        try:
            # Unlinked: a killed runner leaves nothing.
            os.unlink(self._file)
            monitor.command("getfd", fd=fd, fdname="snapshot")
        finally:
            os.close(fd)
        monitor.command("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        monitor.command("migrate", uri="fd:snapshot")
        if monitor.error:
            self._give_up("snapshot", monitor.error)

    def _look_at_snapshot(self, monitor: Monitor) -> None:
        answer = monitor.command("query-migrate")
        status = answer.get("status") if isinstance(answer, dict) else None
        if status == "completed":
            self._go_on(monitor)
        elif status in (None, "failed", "cancelled"):
            self._give_up("snapshot", str((answer or {}).get("error-desc", monitor.error)))
            self._go_on(monitor)

    def _go_on(self, monitor: Monitor) -> None:
        monitor.command("cont")
        if self._doing in self._due:
            self._plan(self._doing, time.monotonic())
        self._doing = ""

    def _give_up(self, name: str, why: str) -> None:
        """What this QEMU cannot do is left out from now on, and said."""
        self.trouble = f"no {name}: {why}"
        self._due.pop(name, None)
        self._doing = ""

    def told(self, now: float) -> list[str]:
        return [f"{now - when:.1f} s before: {what}" for when, what in self.recent if now - when < 30]


class Disturbed(Guest):
    """A guest with neighbours on the host."""

    neighbours: HostNeighbours | None = None

    def _wait(self, seconds: float) -> None:
        super()._wait(seconds)
        monitor: Any = self.monitor
        if self.neighbours and self._hello is not None and monitor and not monitor.closed and not self._finished:
            self.neighbours.tick(monitor)
