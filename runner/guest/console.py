# SPDX-License-Identifier: GPL-2.0-only
"""The guest's console: a file that QEMU writes and this side follows."""
from __future__ import annotations

import contextlib
from collections import deque
from pathlib import Path

from .stream import clean

TAIL_LINES = 40
LINE_SHOWN = 400
PANIC = "Kernel panic - not syncing"


class Console:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self.panic: str | None = None
        self.bytes = 0

    def read(self) -> bytes:
        """What is new."""
        data = b""
        with contextlib.suppress(OSError), open(self._path, "rb") as file:
            file.seek(self._at)
            data = file.read(1 << 20)
        self._at += len(data)
        self.bytes += len(data)
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
        if not self.panic and PANIC in text:
            self.panic = text[text.index(PANIC):]

    def tail(self) -> list[str]:
        rest = [clean(self._rest[:LINE_SHOWN].decode("utf-8", "replace"))] if self._rest else []
        return [*self._lines, *rest][-TAIL_LINES:]
