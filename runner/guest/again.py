# SPDX-License-Identifier: GPL-2.0-only
"""
After a run: does a case that crashed crash alone, and if not, which cases must run before it?

Every question is one fresh boot that runs a list of cases in order. The shortest tail of the cases
that ran before the crash is found by doubling and halving, what of it is needed by delta debugging
(Zeller 2002). All of it is deterministic, and bounded in boots and time.
"""
from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import debget

from .death import fatal
from .guest import End, Guest
from .transport import Bad, Frame

Case = tuple[str, int]  # id, repetition
DEAD = ("crash", "hang")


@dataclass(frozen=True)
class Bounds:
    boots: int = 16  # for one crash
    seconds: float = 300.0  # for all of a run; a boot that has begun is not cut off


@dataclass(frozen=True)
class Crash:
    """A case that died, and what had run in its boot."""

    case: Case
    titles: tuple[str, ...]  # the first is its name; another one of them is the same bug
    before: tuple[Case, ...] = ()
    hang: str = ""  # how it hung; where it is caught, so its title, is chance


def titles(event: dict[str, Any]) -> tuple[str, ...]:
    """Of a case_end: its titles, or its reason without what differs from time to time."""
    title = event.get("title")
    if isinstance(title, str):
        alt = event.get("alt")
        more = alt if isinstance(alt, list) else []
        return (title, *(text for text in more if isinstance(text, str)))
    return (str(event.get("reason", event["verdict"])).partition("; ")[0],)


def hang(event: dict[str, Any]) -> str:
    """Of a case_end: the kind of hang, "" when it is none."""
    return str(event.get("death", "")) if event["verdict"] == "hang" else ""


class Exhausted(Exception):
    """Boots or time are used up; the text says which."""


class NoAnswer(Exception):
    """The boot says nothing about the case: it never reached init, or the host failed."""


@dataclass
class Again:
    # A boot that runs these cases in this order.
    start_guest: Callable[[Sequence[Case]], Guest]
    # The case_end of a case during which a guest ended so.
    judge: Callable[[Case, End], dict[str, Any]]
    write: Callable[[dict[str, Any]], None]
    say: debget.Say
    bounds: Bounds = Bounds()
    clock: Callable[[], float] = time.monotonic
    _boots: int = 0
    _start: float = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.clock()

    def investigate(self, crashes: Sequence[Crash]) -> None:
        """Each distinct title once; the first case that died of it stands for all."""
        chosen: list[Crash] = []
        for crash in crashes:
            if not any(set(crash.titles) & set(other.titles) for other in chosen):
                chosen.append(crash)
        if chosen:
            few = "" if len(chosen) == len(crashes) else f" ({len(crashes)} died, some alike)"
            self.say(f"retrying {len(chosen)} case{'s' if len(chosen) > 1 else ''} alone{few}: at "
                     f"most {self.bounds.boots} boots each, {self.bounds.seconds:g} s in all; "
                     "--no-retry leaves it out")
        for number, crash in enumerate(chosen):
            if self.clock() - self._start > self.bounds.seconds:
                self.say(f"no time left to retry {len(chosen) - number} more")
                return
            self._one(crash)

    def _one(self, crash: Crash) -> None:
        start, self._boots = self.clock(), 0
        event: dict[str, Any] = {"event": "again", "case": crash.case[0], "rep": crash.case[1],
                                 "title": crash.titles[0], "alone": False, "reproduced": False}
        try:
            event |= self._search(crash)
        except Exhausted as why:
            event["reason"] = str(why)
        event |= {"boots": self._boots, "seconds": round(self.clock() - start, 3)}
        self.write(event)
        self.say(f"{crash.case[0]} {told(event)} ({self._boots} boots)")

    def _search(self, crash: Crash) -> dict[str, Any]:
        if self._dies(crash, ()):
            return {"alone": True, "reproduced": True, "prefix": []}
        try:
            tail = self._shortest_tail(crash)
        except Exhausted as why:
            return {"reason": f"not found in time: {why}"}
        if tail is None:
            return {"reason": "it does not crash again, not even behind all the cases before it"}
        needed, reason = self._needed(crash, tail)
        found = {"alone": False, "reproduced": True, "prefix": [case for case, _ in needed]}
        return {**found, "reason": reason} if reason else found

    def _shortest_tail(self, crash: Crash) -> tuple[Case, ...] | None:
        """Of the cases before it; None when with all of them it does not crash."""
        before = crash.before
        good, bad = 0, 1
        while bad < len(before) and not self._dies(crash, before[-bad:]):
            good, bad = bad, bad * 2
        if bad >= len(before):
            bad = len(before)
            if bad == good or not bad or not self._dies(crash, before):
                return None
        try:
            while bad - good > 1:
                middle = (good + bad) // 2
                if self._dies(crash, before[-middle:]):
                    bad = middle
                else:
                    good = middle
        except Exhausted as why:
            self.say(f"{crash.case[0]}: {why}; what was found is not the shortest")
        return before[-bad:]

    def _needed(self, crash: Crash, tail: tuple[Case, ...]) -> tuple[tuple[Case, ...], str]:
        """What of the tail is needed, and why the search for it was cut off."""
        # A tail without its first case does not crash: that one stays.
        first, rest = tail[0], tail[1:]
        parts = 1
        try:
            while rest:
                for without in _complements(rest, parts):
                    if self._dies(crash, (first, *without)):
                        rest, parts = without, max(parts - 1, 1)
                        break
                else:
                    if parts >= len(rest):
                        break
                    parts = min(parts * 2, len(rest))
        except Exhausted as why:
            return (first, *rest), str(why)
        return (first, *rest), ""

    def _dies(self, crash: Crash, before: Sequence[Case]) -> bool:
        """One boot: does the case die behind these, and of the same bug?"""
        if self._boots >= self.bounds.boots:
            raise Exhausted(f"{self.bounds.boots} boots were not enough")
        if self.clock() - self._start > self.bounds.seconds:
            raise Exhausted(f"{self.bounds.seconds:g} s were not enough")
        jobs = [*before, crash.case]
        try:
            end = self._end_of(crash.case, jobs)
        except NoAnswer:
            # Emulators die early, and hosts are busy: once more.
            try:
                end = self._end_of(crash.case, jobs)
            except NoAnswer as why:
                raise Exhausted(str(why)) from None
        if end is None or end["verdict"] not in DEAD:
            return False
        return bool(set(titles(end)) & set(crash.titles)) or (crash.hang != "" and hang(end) == crash.hang)

    def _end_of(self, case: Case, jobs: Sequence[Case]) -> dict[str, Any] | None:
        """The case_end of `case`; None when the boot ended at another one or without it."""
        self._boots += 1
        guest = self.start_guest(jobs)
        running: Case | None = None
        bad = False
        try:
            for item in guest.events():
                if isinstance(item, End):
                    if not item.reached_init or item.verdict == "error" and not item.finished:
                        raise NoAnswer(f"a boot gave no answer, twice: {item.reason}")
                    return self.judge(case, item) if running == case and not bad else None
                bad = bad or isinstance(item, Bad) and not item.cut
                if not isinstance(item, Frame):
                    continue
                event = item.payload
                if event["event"] == "case_begin":
                    running = (event["case"], event["rep"])
                elif event["event"] == "splat" and running == case and fatal(event):
                    # The guest lives on, damaged: runner/guest/run.py ends its boot here, too.
                    return {"verdict": "crash", "title": event.get("title"), "alt": event.get("alt")}
                elif event["event"] == "case_end":
                    if (event["case"], event["rep"]) == case:
                        return None if bad else event
                    running = None
        finally:
            guest.close()
        return None


def _complements(rest: tuple[Case, ...], parts: int) -> Iterator[tuple[Case, ...]]:
    """`rest` without one of so many even parts of it."""
    for part in range(parts):
        start, end = len(rest) * part // parts, len(rest) * (part + 1) // parts
        yield rest[:start] + rest[end:]


def told(event: dict[str, Any]) -> str:
    """An `again` event in words."""
    if event["alone"]:
        return "crashes alone"
    if not event["reproduced"]:
        return f"does not crash alone; {event['reason']}"
    count = len(event["prefix"])
    more = f"; perhaps fewer are enough: {event['reason']}" if "reason" in event else ""
    return f"does not crash alone, but behind {count} other case{'s' if count > 1 else ''}{more}"
