# SPDX-License-Identifier: GPL-2.0-only
"""Writing the event stream of docs/stream.md: one line an event, one write a line."""
from __future__ import annotations

import json
import re
import signal
from typing import Any, Protocol

LINE_MAX = 1 << 20
STOPPERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# json.dumps escapes what is below 0x20 itself.
CONTROL = re.compile("[\x7f-\x9f]")


class StreamError(Exception):
    """The stream cannot be written: nothing can be recorded any more."""


def clean(text: str) -> str:
    """One line of text fit for a terminal and for JSON."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text if c != "\r")


def encode(event: dict[str, Any]) -> bytes:
    text = json.dumps(event, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text = CONTROL.sub(lambda c: f"\\u{ord(c[0]):04x}", text)
    # A lone surrogate is no UTF-8.
    return re.sub("[\ud800-\udfff]", "\ufffd", text).encode() + b"\n"


class Raw(Protocol):
    def write(self, data: bytes, /) -> int | None: ...


class Writer:
    """Writes whole events to an unbuffered file."""

    def __init__(self, out: Raw) -> None:
        self._out = out

    def write(self, event: dict[str, Any]) -> None:
        line = encode(event)
        if len(line) > LINE_MAX:
            line = encode({"event": "message", "text": f"an event of {len(line)} bytes "
                           f"({event['event']}) was left out: a line has at most {LINE_MAX}",
                           **{key: event[key] for key in ("case", "rep") if key in event}})
        # A signal's exception in the middle would leave half a line.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPERS)
        try:
            # Unbuffered: what could not be written must not be tried again, and fail again, at exit.
            while line:
                line = line[self._out.write(line):]
        except OSError as err:
            raise StreamError(f"cannot write the event stream: {err.strerror}") from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
