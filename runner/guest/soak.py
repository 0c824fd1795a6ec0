# SPDX-License-Identifier: GPL-2.0-only
"""
The shuffled catalogue over and over beside stress neighbours (docs/soak.md). Judged are splats,
taint and deaths; a case that fails may have been disturbed, so it is tried again in a quiet guest.
"""
from __future__ import annotations

import random
import shlex
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import debget

from .again import DEAD, Case
from .death import Death, fatal
from .guest import End, Guest, Hello, QmpEvent, Remark
from .neighbours import HostNeighbours
from .run import AgentRefused, Facts, agent_refusal, begin_event, death_keys, end_keys, oops_keys
from .stream import Writer
from .transport import Bad, Frame

GUEST_NEIGHBOURS = ("forks", "hotplug", "watchdog")
ROUNDS = 500  # in one boot: behind them the guest starts afresh
BEFORE = 5  # cases before the window that are told, too
QUIET_MAX = 200
TOLD_EVERY = 60.0
BAD_STATES = ("fail", *DEAD)
LOST_BOOTS = 2  # in a row that did not reach init


@dataclass(frozen=True)
class Finding:
    """Something that no stress excuses."""

    kind: str  # splat, taint, or how the guest died
    title: str
    seconds: float  # since the soak began
    boot: int
    seed: int
    window: tuple[str, ...]  # cases since the last check that was clean
    before: tuple[str, ...]
    beside: tuple[str, ...]  # what neighbours on the host had just done
    tail: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        found = [f"[{self.seconds:7.1f} s] {self.kind.upper()}: {self.title}",
                 f"    boot {self.boot}, seed {self.seed}",
                 f"    CPU of the cases, since the last clean check: {', '.join(self.window) or 'no case'}"]
        if self.before:
            found.append(f"    before that: {', '.join(self.before)}")
        found += [f"    host: {text}" for text in self.beside]
        return found + [f"    | {line}" for line in self.tail]


@dataclass
class Failure:
    """A case that did not hold under stress."""

    count: int = 0
    reason: str = ""
    quiet: str = ""  # its verdict in a quiet guest; "": not tried


@dataclass
class Soak:
    facts: Facts
    writer: Writer
    say: debget.Say
    seconds: float
    seed: int
    # A guest whose agent has these arguments more, runs these cases (none: all), with these on the host.
    start: Callable[[str, Sequence[str], Sequence[Case], HostNeighbours | None], Guest]
    scratch: Path
    guest_names: Sequence[str]
    host_names: Sequence[str]
    most: int | None = None  # cases; None: as many as the time allows
    clock: Callable[[], float] = time.monotonic
    findings: list[Finding] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)
    cases: int = 0
    rounds: int = 0
    boots: int = 0
    count: dict[str, int] = field(default_factory=dict)  # what neighbours on the host did
    trouble: list[str] = field(default_factory=list)
    _began: bool = False
    _base: int = 0  # this boot's repetitions count from here
    _verdicts: dict[str, int] = field(default_factory=dict)
    _window: list[str] = field(default_factory=list)
    _before: deque[str] = field(default_factory=lambda: deque(maxlen=BEFORE))
    _current: Case | None = None
    _host: HostNeighbours | None = None
    _told: float = 0.0
    _damaged: bool = False  # by an oops: this boot is to end
    _oops: dict[str, Any] = field(default_factory=dict)

    _first: float | None = None  # the first guest's hello: from here the time counts

    def elapsed(self) -> float:
        return self.clock() - self._first if self._first is not None else 0.0

    def _over(self) -> bool:
        return self.elapsed() >= self.seconds or (self.most is not None and self.cases >= self.most)

    # ---- boots ----

    def run(self) -> None:
        """Until the time is over. What it found is in findings and failures."""
        lost = 0
        while not self._over():
            self.boots += 1
            end = self._boot(self.seed + self.boots - 1)
            if end is None:
                return
            refusal = agent_refusal(end)
            if refusal and not self._began:
                raise AgentRefused(refusal)
            lost = 0 if end.reached_init else lost + 1
            if lost >= LOST_BOOTS or end.hopeless:
                self._trouble(f"the guest did not reach init: {end.reason}")
                return

    def quiet(self) -> None:
        """Those that failed once more, in a boot without neighbours."""
        chosen = sorted(self.failures)[:QUIET_MAX]
        if not chosen:
            return
        self.say(f"{len(chosen)} case(s) failed under stress: again in a quiet guest")
        end: End | None = None
        guest = self.start("quiet", ["--shuffle", str(self.seed)], [(case, 0) for case in chosen], None)
        running = ""
        try:
            for item in guest.events():
                if isinstance(item, End):
                    end = item
                    if running and item.verdict in DEAD:
                        self.failures[running].quiet = item.verdict
                if not isinstance(item, Frame):
                    continue
                event = item.payload
                if event["event"] == "case_begin":
                    running = event["case"]
                elif event["event"] == "case_end" and event["case"] in self.failures:
                    self.failures[event["case"]].quiet = event["verdict"]
                    running = ""
        finally:
            guest.close()
        if end and not end.finished and not any(f.quiet in DEAD for f in self.failures.values()):
            self._trouble(f"the quiet guest did not come to its end: {end.reason}")

    def _boot(self, seed: int) -> End | None:
        """None when the time is over."""
        directory = self.scratch / str(self.boots)
        self._host = HostNeighbours(self.host_names, random.Random(seed), directory)
        # Without neighbours the taint is still watched.
        args = ["--shuffle", str(seed), "--repeat", str(ROUNDS), "--soak", ",".join(self.guest_names) or "none"]
        guest = self.start(str(self.boots), args, (), self._host)
        boot: dict[str, Any] = {"event": "boot", "n": self.boots,
                                "reason": "start" if self.boots == 1 else "restart"}
        self._window, self._current = [], None
        self._before.clear()
        try:
            for item in guest.events():
                if isinstance(item, Hello):
                    boot["seconds"] = round(item.seconds, 3)
                    self._first = self._first or self.clock()
                elif isinstance(item, End):
                    self._end_of_boot(item, seed, boot)
                    return item
                else:
                    self._take(item, seed, boot)
                if self._over():
                    return None
                if self._damaged:
                    return End("crash", "", [], True, False)
        finally:
            guest.close()
            self._base = self.rounds
            for name, count in self._host.count.items():
                self.count[name] = self.count.get(name, 0) + count
            if self._host.trouble and self._host.trouble not in self.trouble:
                self._trouble(self._host.trouble)
        return None

    def _end_of_boot(self, end: End, seed: int, boot: dict[str, Any]) -> None:
        if end.finished or (agent_refusal(end) and not self._began):
            return
        if not end.reached_init:
            self._message(f"boot {self.boots} did not reach init: {end.reason}")
            return
        if end.verdict == "error":
            self._trouble(end.reason)
            return
        death = end.death
        case = {"case": self._current[0], "rep": self._current[1]} if self._current else {}
        if death:
            for event in [*death.splat_events(case), death.event(case)]:
                self._write(event)
        self._find(death.kind if death else end.verdict, death.title if death else end.reason, seed,
                   end.tail[-10:])
        if self._current:
            self._write({**end_keys(self._current, end.verdict, end.reason),
                         **(death_keys(death) if death else {}), "tail": end.tail})
            self._count(end.verdict)

    # ---- what comes out of a guest ----

    def _take(self, item: Frame | Bad | QmpEvent | Remark, seed: int, boot: dict[str, Any]) -> None:
        if isinstance(item, Remark):
            self._message(item.text)
        elif isinstance(item, Bad):
            if not item.cut:
                self._trouble(f"transport: {item.text}")
        elif isinstance(item, QmpEvent):
            if self._began:
                self._write({"event": "qmp", "name": item.name, "data": item.data, "t": item.t})
        else:
            self._event(item.payload, seed, boot)

    def _event(self, event: dict[str, Any], seed: int, boot: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "run_begin":
            if not self._began:
                self._began = True
                self.writer.write(begin_event(self.facts, event))
            self._damaged = False
            self._write(boot)
            self._message(f"boot {self.boots}, seed {seed}")
            return
        if "rep" in event:
            event = {**event, "rep": event["rep"] + self._base}
            self.rounds = max(self.rounds, event["rep"] + 1)
        if kind == "case_begin":
            self._current = (event["case"], event["rep"])
            self._window.append(event["case"])
        elif kind == "splat":
            self._splat(event, seed)
        elif kind == "case_end":
            event = self._case_end(event)
        elif kind == "message" and "case" not in event:
            self.say(event.get("text", ""))
        if kind not in ("plan", "run_end"):
            self._write(event)
        if kind == "case_end" and self.elapsed() - self._told >= TOLD_EVERY:
            self._told = self.elapsed()
            self.say(f"{self.elapsed() / 60:.0f} min: {self.cases} cases, {len(self.findings)} findings")

    def _splat(self, event: dict[str, Any], seed: int) -> None:
        if event.get("severity") == "metric":
            return
        self._find("taint" if event.get("class") == "taint" else "splat", str(event.get("title", "")), seed, ())
        if fatal(event):
            # The guest lives on with what the oops left locked: the rest of this boot is worth nothing.
            case = {"case": event["case"], "rep": event["rep"]} if "case" in event else {}
            self._write(Death("oops", str(event.get("title", "")), "kmsg").event(case))
            self._oops = oops_keys(event)
            self._damaged = True

    def _case_end(self, event: dict[str, Any]) -> dict[str, Any]:
        if self._damaged:
            event = {**event, "verdict": "crash", "reason": f"oops: {self._oops['title']}", **self._oops}
        verdict, reason = event["verdict"], str(event.get("reason", ""))
        self._count(verdict)
        # A splat's verdict is the splat's finding.
        if verdict in BAD_STATES and not reason.startswith(("kernel log: ", "oops: ")):
            failure = self.failures.setdefault(event["case"], Failure())
            failure.count += 1
            failure.reason = failure.reason or reason
        self._before.extend(self._window)
        self._window, self._current = [], None
        return event

    def _count(self, verdict: str) -> None:
        self.cases += 1
        self._verdicts[verdict] = self._verdicts.get(verdict, 0) + 1

    def _find(self, kind: str, title: str, seed: int, tail: Sequence[str]) -> None:
        beside = self._host.told(time.monotonic()) if self._host else []
        found = Finding(kind, title, self.elapsed(), self.boots, seed, tuple(self._window), tuple(self._before),
                        tuple(beside), tuple(tail))
        known = any((kind, title) == (old.kind, old.title) for old in self.findings)
        self.findings.append(found)
        for line in [] if known else found.lines():
            self.say(line)

    # ---- the stream and the summary ----

    def _write(self, event: dict[str, Any]) -> None:
        if self._began:
            self.writer.write(event)

    def _message(self, text: str) -> None:
        self._write({"event": "message", "text": text})

    def _trouble(self, text: str) -> None:
        self.trouble.append(text)
        self.say(text)

    def close(self) -> None:
        if not self._began:
            return
        for case, failure in self.failures.items():
            self._message(f"soak: {case} failed {failure.count} times under stress, "
                          f"in a quiet guest: {failure.quiet or 'not tried'}")
        self._write({"event": "plan", "count": sum(self._verdicts.values())})
        self._write({"event": "run_end", "verdicts": self._verdicts, "complete": True,
                     "seconds": round(self.elapsed(), 3)})

    def red(self) -> bool:
        return bool(self.findings) or any(f.quiet in BAD_STATES for f in self.failures.values())

    def summary(self) -> list[str]:
        done = ", ".join(f"{count} {name}s" for name, count in self.count.items())
        lines = [f"{self.boots} boot(s), {self.cases} cases in {self.rounds} round(s), {self.elapsed() / 60:.1f} min; "
                 f"{done or 'nothing on the host'}"]
        titles: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            titles.setdefault((finding.kind, finding.title), []).append(finding)
        lines.append(f"{len(self.findings)} finding(s), {len(titles)} distinct")
        for found in titles.values():
            more = f"    and {len(found) - 1} more like it" if len(found) > 1 else ""
            lines += [*found[0].lines(), *([more] if more else [])]
        still = {case: f for case, f in self.failures.items() if f.quiet in BAD_STATES}
        lines.append(f"{len(self.failures)} case(s) failed under stress, {len(still)} of them without it, too")
        for case, failure in sorted(self.failures.items(), key=lambda item: (item[0] not in still, item[0])):
            lines.append(f"    {case}: {failure.count} times, quiet: {failure.quiet or 'not tried'}; {failure.reason}")
        return lines + [f"trouble: {text}" for text in dict.fromkeys(self.trouble)]


def repeat_command(words: Sequence[str]) -> str:
    return shlex.join(["./pmuvet", "soak", *words])
