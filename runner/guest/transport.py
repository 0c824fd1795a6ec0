# SPDX-License-Identifier: GPL-2.0-only
"""The frames of docs/stream.md ("The transport of a guest"), out of bytes nobody can trust."""
from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

LINE_MAX = 1 << 20
SHOWN = 80
FRAME = re.compile(rb"@pv ([1-9][0-9]{0,18}) ([0-9a-f]{8}) (\{.*\})$", re.DOTALL)

_CASE = {"case": str, "rep": int}
# What this side itself reads of an event; views check the rest.
REQUIRED: dict[str, dict[str, type]] = {
    "run_begin": {}, "plan": {"count": int}, "run_end": {},
    "case_begin": _CASE, "case_end": {**_CASE, "verdict": str}, "evidence": {**_CASE, "name": str},
}
VERDICTS = ("pass", "fail", "crash", "hang", "xfail", "xpass", "skip", "error", "miss")
# Those are written by this side.
RESERVED = ("boot", "qmp", "resume", "death")


@dataclass(frozen=True)
class Frame:
    seq: int
    payload: dict[str, Any]


@dataclass(frozen=True)
class Bad:
    """What came and is no frame."""

    text: str
    cut: bool = False  # by the channel's end: nothing behind it is missing


def _integer(text: str) -> int:
    value = int(text)
    if not -1 << 63 <= value < 1 << 63:
        raise ValueError("integer out of range")
    return value


def _number(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("number out of range")
    return value


def _constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _payload(data: bytes) -> dict[str, Any]:
    payload = json.loads(data.decode("utf-8"), parse_int=_integer, parse_float=_number,
                         parse_constant=_constant)
    event = payload.get("event")
    if not isinstance(event, str) or event in RESERVED:
        raise ValueError(f"no event of an agent: {str(event)[:SHOWN]!r}")
    for key, kind in REQUIRED.get(event, {}).items():
        if type(payload.get(key)) is not kind:
            raise ValueError(f"{event} without {key}")
    if event == "case_end" and payload["verdict"] not in VERDICTS:
        raise ValueError(f"unknown verdict {payload['verdict'][:SHOWN]!r}")
    return payload


def _shown(line: bytes) -> str:
    text = line[:SHOWN].decode("ascii", "backslashreplace")
    return repr(text)[1:-1] + ("…" if len(line) > SHOWN else "")


class Decoder:
    """
    Bytes in, Frame and Bad out. `mixed`: the channel carries other text too (the console), so
    only what looks like a frame is judged.
    """

    def __init__(self, mixed: bool = False) -> None:
        self._mixed = mixed
        self._rest = b""
        self._overlong = 0
        self._next = 1

    def feed(self, data: bytes) -> Iterator[Frame | Bad]:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = b""
        for line in lines:
            if self._overlong:
                yield Bad(f"a line of {self._overlong + len(line)} bytes")
                self._overlong = 0
            elif len(line) > LINE_MAX:
                yield Bad(f"a line of {len(line)} bytes")
            else:
                yield from self._line(line)
        if self._overlong or len(rest) > LINE_MAX:
            self._overlong += len(rest)
        else:
            self._rest = rest

    def close(self) -> Iterator[Bad]:
        """The channel ended: what has no newline was cut."""
        rest, self._rest = self._rest, b""
        if self._overlong:
            yield Bad(f"a cut line of {self._overlong} bytes", cut=True)
        elif rest and (not self._mixed or b"@pv " in rest):
            yield Bad(f"a cut frame: {_shown(rest)}", cut=True)

    def _line(self, line: bytes) -> Iterator[Frame | Bad]:
        line = line.rstrip(b"\r")
        if self._mixed:
            at = line.find(b"@pv ")
            if at < 0:
                return
            line = line[at:]
        match = FRAME.match(line)
        if not match:
            if line:
                yield Bad(f"not a frame: {_shown(line)}")
            return
        seq, crc = int(match[1]), int(match[2], 16)
        if zlib.crc32(match[1] + b" " + match[3]) != crc:
            yield Bad(f"frame {seq}: wrong checksum: {_shown(match[3])}")
            return
        try:
            payload = _payload(match[3])
        except (ValueError, RecursionError) as err:
            yield Bad(f"frame {seq}: {str(err)[:200]}")
            payload = None
        if seq < self._next:
            yield Bad(f"frame {seq} came again or late, {self._next} was due")
            return
        if seq > self._next:
            yield Bad(f"{seq - self._next} frames before {seq} are missing")
        self._next = seq + 1
        if payload is not None:
            yield Frame(seq, payload)
