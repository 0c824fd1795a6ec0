# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's monitor: events, and the few commands that a run needs."""
from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from pathlib import Path
from typing import Any

from . import registers
from .registers import Sample

LINE_MAX = 1 << 20
DUMP_SECONDS = 60.0


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
        self._id = 0
        self.error = ""  # of the last command
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

    def command(self, name: str, timeout: float = 5, fd: int | None = None, **arguments: Any) -> Any:
        """The answer, or None when QEMU gives none; `error` says why. `fd`: a descriptor that goes along."""
        self._id += 1
        self.error = "no answer"
        request = {"execute": name, "arguments": arguments, "id": self._id}
        with contextlib.suppress(OSError):
            line = json.dumps(request).encode() + b"\n"
            if fd is None:
                self._socket.sendall(line)
            else:
                socket.send_fds(self._socket, [line], [fd])
            end = time.monotonic() + timeout
            while not self.closed and (left := end - time.monotonic()) > 0:
                if not select.select([self._socket], [], [], left)[0]:
                    break
                for answer in self._sort(self._receive()):
                    # A late answer to a command that was given up.
                    if answer.get("id") != self._id:
                        continue
                    error = answer.get("error")
                    self.error = str(error.get("desc", "")) if isinstance(error, dict) else ""
                    return answer.get("return")
        return None

    def _human(self, line: str, **more: Any) -> str:
        text = self.command("human-monitor-command", **{"command-line": line}, **more)
        return text if isinstance(text, str) else ""

    def registers(self) -> list[Sample]:
        """What each vCPU does now."""
        return registers.parse(self._human("info registers -a"))

    def word(self, cpu: int, address: int) -> int | None:
        """32 bits at an address as that vCPU sees it; None: not mapped."""
        text = self._human(f"x /1wx {address:#x}", **{"cpu-index": cpu})
        with contextlib.suppress(ValueError):
            return int(text.rpartition(":")[2], 16)
        return None

    def status(self) -> str:
        """QEMU's RunState; "" without an answer."""
        answer = self.command("query-status")
        return str(answer.get("status", "")) if isinstance(answer, dict) else ""

    def stop(self) -> None:
        self.command("stop")

    def inject_nmi(self) -> bool:
        return self.command("inject-nmi") is not None

    def dump(self, path: Path) -> bool:
        """The guest's memory into a new ELF file."""
        return self.command("dump-guest-memory", DUMP_SECONDS, paging=False, protocol=f"file:{path}") is not None
