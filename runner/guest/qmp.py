# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor: events, and the few commands that a run needs."""
from __future__ import annotations

import contextlib
import json
import re
import select
import socket
import time
from pathlib import Path
from typing import Any

LINE_MAX = 1 << 20


class Monitor:
    """A QMP connection. QEMU may go away at any moment: that ends reading, it raises nothing."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(5)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._rest = b""
        self._events: list[dict[str, Any]] = []
        self.closed = False
        self.command("qmp_capabilities")

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self.closed = True
        self._socket.close()

    def _receive(self) -> list[dict[str, Any]]:
        try:
            data = self._socket.recv(1 << 16)
        except OSError:
            data = b""
        if not data or len(self._rest) > LINE_MAX:
            self.closed = True
            return []
        *lines, self._rest = (self._rest + data).split(b"\n")
        messages = []
        for line in lines:
            with contextlib.suppress(ValueError):
                message = json.loads(line)
                if isinstance(message, dict):
                    messages.append(message)
        return messages

    def _sort(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self._events += [m for m in messages if "event" in m]
        return [m for m in messages if "return" in m or "error" in m]

    def events(self) -> list[dict[str, Any]]:
        """What has come since; call when fileno() is readable or QEMU has exited."""
        while not self.closed and select.select([self._socket], [], [], 0)[0]:
            self._sort(self._receive())
        events, self._events = self._events, []
        return events

    def command(self, name: str, timeout: float = 5, **arguments: Any) -> Any:
        """The answer, or None when QEMU gives none."""
        request = {"execute": name, "arguments": arguments}
        with contextlib.suppress(OSError):
            self._socket.sendall(json.dumps(request).encode() + b"\n")
            end = time.monotonic() + timeout
            while not self.closed and (left := end - time.monotonic()) > 0:
                if not select.select([self._socket], [], [], left)[0]:
                    break
                for answer in self._sort(self._receive()):
                    return answer.get("return")
        return None

    def program_counters(self) -> list[str]:
        """Where each vCPU is now: "ffffffff81000000", with " (halted)" where QEMU says so."""
        text = self.command("human-monitor-command", **{"command-line": "info registers -a"})
        found = []
        for cpu in re.split(r"(?m)^CPU#", text) if isinstance(text, str) else []:
            pc = re.search(r"\b(?:RIP|EIP| ?PC)=([0-9a-f]+)", cpu)
            if pc:
                found.append(pc[1] + (" (halted)" if re.search(r"\bHLT=1", cpu) else ""))
        return found
