# SPDX-License-Identifier: GPL-2.0-only
"""What QEMU writes into files while this side follows: the results port and the console."""
from __future__ import annotations

import contextlib
from collections import deque
from pathlib import Path
from typing import BinaryIO

from .stream import clean

CHUNK = 1 << 18
TAIL_LINES = 40
LINE_SHOWN = 400
PANIC = "Kernel panic - not syncing"
GREETING = "pmuvet: the agent runs"  # runner/agent/init.c


class Follower:
    """
    Reads a growing file. A file and not a socket: QEMU holds back what a slow reader has not
    taken from a socket, and loses it when the guest powers off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self.bytes = 0

    def read(self) -> bytes:
        """What is new, at most CHUNK."""
        data = b""
        with contextlib.suppress(OSError):
            self._file = self._file or open(self._path, "rb", buffering=0)
            data = self._file.read(CHUNK) or b""
        self.bytes += len(data)
        return data

    def close(self) -> None:
        if self._file:
            self._file.close()


class Console(Follower):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._rest = b""
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._until_panic: list[str] = []
        self.panic: str | None = None
        self.greeted = False

    def read(self) -> bytes:
        data = super().read()
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > 1 << 16:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._line(line)
        return data

    def _line(self, line: bytes) -> None:
        if b"@pv " in line:
            return
        text = clean(line[:LINE_SHOWN].decode("utf-8", "replace"))
        self._lines.append(text)
        self.greeted = self.greeted or GREETING in text
        if not self.panic and PANIC in text:
            self.panic = text[text.index(PANIC):]
            self._until_panic = list(self._lines)[-TAIL_LINES // 2:]
            self._lines.clear()

    def tail(self) -> list[str]:
        """The last lines; with a panic half of them are those that led to it."""
        rest = [clean(self._rest[:LINE_SHOWN].decode("utf-8", "replace"))] if self._rest else []
        room = TAIL_LINES - len(self._until_panic)
        return [*self._until_panic, *[*self._lines, *rest][-room:]]
