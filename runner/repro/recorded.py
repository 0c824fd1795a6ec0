# SPDX-License-Identifier: GPL-2.0-only
"""What in a recorded stream is worth a reproducer."""
from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

MARK = "repro: "  # before each line of a program that a case has printed (cases/lib/fuzz_print.c)
LINE_MAX = 1 << 20
CASE = re.compile(r"[!-~]{1,512}")  # docs/stream.md


class StreamBroken(Exception):
    """file:line: what is wrong."""


@dataclass(frozen=True)
class Finding:
    case: str
    title: str
    verdict: str
    arch: str
    seed: int
    deterministic: bool
    descriptors: Mapping[str, str]
    about: Sequence[str]  # of the run
    qemu: Sequence[str]
    prefix: Sequence[str] = ()  # cases that must run before it
    tried: str = "it was not tried in a boot of its own"
    program: str = ""  # the case printed it itself

    @property
    def head(self) -> list[str]:
        return [self.title, "", f"{self.verdict} of {self.case}; {self.tried}.", "", *self.about]


def pasted(qemu: Sequence[str], cmdline: str = "") -> list[str]:
    """
    A run's QEMU line without its channels: the console is the terminal, the initramfs one of that
    name in the current directory.
    """
    out: list[str] = []
    words = list(qemu)
    while words:
        word = words.pop(0)
        value = words[0] if words else ""
        if word == "-chardev" and value.startswith("file,id=console"):
            out += ["-chardev", "stdio,id=console,signal=on"]
        elif word == "-initrd":
            out += ["-initrd", "initramfs"]
        elif word == "-action":
            # A run pauses a guest that has ended.
            out += ["-no-reboot", "-action", "panic=none"]
        elif not (word in ("-chardev", "-mon", "-blockdev") or
                  word == "-device" and value.startswith("virtserialport")):
            out.append(word)
            continue
        words.pop(0)
    return out


def _case(value: Any) -> str:
    if not isinstance(value, str) or not CASE.fullmatch(value):
        raise ValueError("case: an id is printable ASCII without blanks")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


@dataclass
class _Reader:
    path: Path
    begin: dict[str, Any] = field(default_factory=dict)
    ends: list[dict[str, Any]] = field(default_factory=list)
    again: dict[str, dict[str, Any]] = field(default_factory=dict)
    printed: dict[tuple[str, int], list[str]] = field(default_factory=dict)
    open: tuple[str, int] | None = None

    def read(self) -> None:
        with open(self.path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                if not line.endswith(b"\n"):
                    break  # a cut line is dropped
                try:
                    if len(line) > LINE_MAX + 1:
                        raise ValueError("too long a line")
                    event = json.loads(line)
                    if not isinstance(event, dict):
                        raise ValueError("not a JSON object")
                    self._take(event)
                except (ValueError, KeyError, TypeError, RecursionError) as err:
                    raise StreamBroken(f"{self.path}:{number}: {err}") from None
        if not self.begin:
            raise StreamBroken(f"{self.path}:1: no event stream: it has no run_begin")

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind == "run_begin" and not self.begin:
            self.begin = event
        elif not self.begin:
            raise ValueError("the first event must be run_begin")
        elif kind == "case_begin":
            self.open = (_case(event["case"]), int(event["rep"]))
            self.printed.pop(self.open, None)
        elif kind == "case_end":
            _case(event["case"])
            int(event["rep"])
            self.ends.append(event)
            self.open = None
        elif kind == "again":
            self.again[_case(event["case"])] = event
        elif kind == "message" and _text(event.get("text")).startswith(MARK) and "case" in event:
            key = (_case(event["case"]), int(event["rep"]))
            self.printed.setdefault(key, []).append(event["text"].removeprefix(MARK))

    def findings(self) -> list[Finding]:
        found: dict[str, Finding] = {}
        for end in self.ends:
            case, verdict = str(end["case"]), _text(end.get("verdict"))
            lines = self.printed.get((case, int(end["rep"])), [])
            if case in found or not (verdict in ("crash", "hang") or lines and verdict == "fail"):
                continue
            found[case] = self._finding(case, verdict, end, lines)
        if self.open and self.open[0] not in found:
            found[self.open[0]] = self._finding(self.open[0], "crash", {}, [])
        return list(found.values())

    def _finding(self, case: str, verdict: str, end: Mapping[str, Any],
                 lines: Sequence[str]) -> Finding:
        begin, kernel = self.begin, self.begin.get("kernel")
        kernel = kernel if isinstance(kernel, dict) else {}
        families = begin.get("descriptors")
        descriptors = {family: _text(facts.get("name")) for family, facts in families.items()
                       if isinstance(facts, dict)} if isinstance(families, dict) else {}
        package = " ".join(filter(None, (_text(kernel.get("package")),
                                         _text(kernel.get("package_version")))))
        about = [f"kernel    {_text(kernel.get('release')) or 'unknown'}",
                 f"build id  {_text(kernel.get('build_id')) or 'unknown'}",
                 f"package   {package or _text(kernel.get('spec')) or 'none'}",
                 f"cmdline   {_text(kernel.get('cmdline'))}",
                 f"platform  {_text(begin.get('platform'))}, {_text(begin.get('accel'))}",
                 f"recorded  by pmuvet {_text(begin.get('tool'))}, {_text(begin.get('start'))}"]
        qemu = begin.get("qemu")
        seed = begin.get("seed")
        finding = Finding(
            case, _text(end.get("title")) or _text(end.get("reason")) or "the stream stops here",
            verdict, _text(begin.get("arch")), seed if isinstance(seed, int) else 0,
            begin.get("deterministic") is True, descriptors, about,
            pasted([str(word) for word in qemu]) if isinstance(qemu, list) else (),
            program="".join(f"{line}\n" for line in lines) if verdict == "fail" else "")
        again = self.again.get(case)
        return _tried(finding, again) if again else finding


def _tried(finding: Finding, again: Mapping[str, Any]) -> Finding:
    prefix = again.get("prefix")
    prefix = [_case(case) for case in prefix] if isinstance(prefix, list) else []
    if again.get("alone"):
        tried = "it crashes alone, in a fresh boot"
    elif again.get("reproduced"):
        tried = f"it crashes not alone, but behind the {len(prefix)} other case(s) below"
    else:
        tried = f"it did not crash again: {_text(again.get('reason'))}"
    return replace(finding, prefix=prefix, tried=tried)


def findings(path: Path) -> list[Finding]:
    """Cases that crashed or hung, and failed sequences; each once."""
    reader = _Reader(path)
    reader.read()
    try:
        return reader.findings()
    except ValueError as err:
        raise StreamBroken(f"{path}: {err}") from None
