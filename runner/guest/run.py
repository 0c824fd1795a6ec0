# SPDX-License-Identifier: GPL-2.0-only
"""A run on a guest: as many boots as it takes, one event stream."""
from __future__ import annotations

import datetime
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import debget

from .again import DEAD, Case, Crash, hang, titles
from .autopsy import parse_splats
from .chance import Chance
from .death import Death, cause, fatal, splat_event
from .guest import End, Guest, Hello, QmpEvent, Remark
from .stream import Writer, clean
from .symbols import Receiver
from .transport import Bad, Frame

BAD_SHOWN = 20  # messages about broken frames in one boot
BAD_MAX = 1000  # more than that: the channel is unusable
NO_PROGRESS_MAX = 2  # boots in a row that brought no case further

SPLATS_READ = 200  # each costs a process

AGENT_SAYS = "pmuvet-agent: "


class AgentRefused(Exception):
    """The agent's arguments are wrong; its own words."""


@dataclass(frozen=True)
class Facts:
    """What only this side knows of a run."""

    tool: str
    platform: str
    arch: str
    accel: str
    deterministic: bool
    kernel: dict[str, str]  # spec, package, package_version, build_id, release
    qemu: list[str]


@dataclass
class Run:
    facts: Facts
    writer: Writer
    say: debget.Say
    # A guest that has these cases in its skip file, in a directory of its own.
    start_guest: Callable[[Iterable[Case], int], Guest]
    done: set[Case] = field(default_factory=set)
    # What is done about the cases that died, when the plan is through.
    after: Callable[[list[Crash], Callable[[dict[str, Any]], None]], None] | None = None
    _crashes: list[Crash] = field(default_factory=list)
    _boot_cases: list[Case] = field(default_factory=list)  # that began in this boot
    _through: bool = False
    kallsyms: Receiver | None = None  # for what the agent sends when it is asked
    _began: bool = False
    _plan: int | None = None
    _verdicts: Counter[str] = field(default_factory=Counter)
    _current: Case | None = None
    _since: float = 0.0
    _broken: str = ""  # what makes the running case's result worthless
    _lost: str = ""  # what was lost between cases: nobody knows what it was
    _splats: int = 0
    _oops: dict[str, Any] | None = None  # what the kernel said in the running case and did not die of
    _dying: str = ""  # this boot is to end: the kernel is damaged
    _chance: Chance = field(default_factory=lambda: Chance(os.getpid()))
    # When the guest before was through, and how long that had been silent: of chance.py's seconds.
    _ended: tuple[float, float] | None = None
    _bad: int = 0
    _held: list[dict[str, Any]] = field(default_factory=list)
    _held_before: int = 0  # how many of them are of earlier boots
    _boot_event: dict[str, Any] = field(default_factory=dict)
    _start: float = field(default_factory=time.monotonic)

    # ---- boots ----

    def run(self) -> bool:
        """Whether the stream is complete."""
        boots, no_progress, early = 0, 0, 0
        reason = "start"
        while True:
            boots += 1
            before = len(self.done)
            end = self._boot(boots, reason)
            if end.finished and self._plan is not None and len(self.done) >= self._plan:
                lost = self._lost and f"between cases: {self._lost}"
                self._through = not lost
                if self.after and self._crashes:
                    self.after(self._crashes, self._write)
                self._end_run(not lost, lost)
                return not lost
            self._check_usage(end)
            early = 0 if end.reached_init else early + 1
            no_progress = 0 if len(self.done) > before else no_progress + 1
            if end.hopeless or early >= 2:
                times = "" if end.hopeless else ", twice"
                return self._give_up(f"the guest did not reach init{times}: {end.reason}", end)
            if no_progress >= NO_PROGRESS_MAX:
                return self._give_up(f"no progress in {no_progress} boots: {end.reason}", end)
            reason = "restart" if end.reached_init else "retry"
            self.say(f"{end.reason}; booting again")

    def _check_usage(self, end: End) -> None:
        refusal = agent_refusal(end)
        if refusal and not self._began:
            raise AgentRefused(refusal)

    def _boot(self, number: int, reason: str) -> End:
        guest = self.start_guest(sorted(self.done), number)
        self._broken, self._bad = "", 0
        self._boot_cases = []
        self._oops, self._dying = None, ""
        if self.kallsyms:
            self.kallsyms.forget()
        self._held_before = len(self._held)
        self._boot_event = {"event": "boot", "n": number, "reason": reason}
        if self._ended is not None:
            since, ran = self._ended
            self._boot_event["down"] = round(ran + self._chance.seconds() - since, 3)
        end = None
        try:
            for item in guest.events():
                if isinstance(item, End):
                    end = item
                else:
                    self._take(item)
                if self._bad > BAD_MAX:
                    end = End("error", f"more than {BAD_MAX} broken frames", [], True, False)
                    break
                if self._dying:
                    end = End("crash", self._dying, [], True, False)
                    break
        finally:
            guest.close()
        assert end is not None
        self._write_boot()
        self._ended = (self._chance.seconds(), end.death.took.ran if end.death else 0.0)
        if self._current:
            self._close_case(end.verdict, end.reason, end.tail, end.death)
        elif end.death:
            self._write_death(end.death, {} if end.reached_init else {"early": True})
        return end

    def _write_death(self, death: Death, case: dict[str, Any]) -> None:
        for event in [*death.splat_events(case), death.event(case)]:
            self._write(event)

    def _write_boot(self) -> None:
        """The boot event: before everything else of its boot, once hello or the boot's end is there."""
        if self._boot_event:
            event, self._boot_event = self._boot_event, {}
            if self._began:
                self.writer.write(event)
            else:
                self._held.insert(self._held_before, event)

    # ---- what comes out of a guest ----

    def _take(self, item: Hello | Frame | Bad | QmpEvent | Remark) -> None:
        if isinstance(item, Hello):
            self._boot_event["seconds"] = round(item.seconds, 3)
            self._write_boot()
        elif isinstance(item, QmpEvent):
            self._write({"event": "qmp", "name": item.name, "data": item.data, "t": item.t})
        elif isinstance(item, Remark):
            self._message(item.text)
        elif isinstance(item, Bad):
            self._take_bad(item)
        else:
            self._take_event(item.payload)

    def _take_bad(self, bad: Bad) -> None:
        self._bad += 1
        text = f"transport: {clean(bad.text)}"
        if self._current:
            self._broken = self._broken or text
        elif not bad.cut:
            self._lost = self._lost or text
        if self._bad <= BAD_SHOWN:
            self._message(text)
        if self._bad == BAD_SHOWN:
            self._message("transport: more broken frames are not shown")

    def _take_event(self, event: dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "run_begin":
            self._begin(event)
        elif kind == "plan":
            if self._plan is None:
                self._plan = event["count"]
                self._write(event)
        elif kind == "case_begin":
            self._case_begin(event)
        elif kind == "case_end":
            self._case_end(event)
        elif kind == "evidence" and (event["case"], event["rep"]) != self._current:
            self._take_bad(Bad(f"evidence of {event['case']}, which is not running"))
        elif kind == "kallsyms":
            if self.kallsyms:
                self.kallsyms.take(event)
        elif kind != "run_end":
            if kind == "splat":
                event = self._read_splat(event)
            self._write(event)

    def _read_splat(self, event: dict[str, Any]) -> dict[str, Any]:
        """The agent knows that something was said; what it is the one parser tells."""
        self._splats += 1
        if self._splats <= SPLATS_READ:
            parsed = parse_splats(str(event.get("text", "")).splitlines(), [])
            first = cause(parsed) or next(iter(parsed), None)
            if first:
                event = {**event, **splat_event(first, {}, "kmsg"), "text": event["text"]}
        if fatal(event):
            self._oops = self._oops or event
        return event

    def _begin(self, event: dict[str, Any]) -> None:
        if self._began:
            return
        self._write_boot()
        self._began = True
        self.writer.write(begin_event(self.facts, event))
        held, self._held = self._held, []
        for late in held:
            self._write(late)

    def _case_begin(self, event: dict[str, Any]) -> None:
        if self._current:
            self._close_case("error", "the end of this case never came", [])
        self._current = (event["case"], event["rep"])
        self._boot_cases.append(self._current)
        self._since = time.monotonic()
        self._broken = ""
        self._oops = None
        self._write(event)

    def _case_end(self, event: dict[str, Any]) -> None:
        case = (event["case"], event["rep"])
        if case != self._current:
            self._take_bad(Bad(f"the end of {case[0]} rep {case[1]}, which had not begun"))
            return
        if self._broken:
            self._close_case("error", f"its events cannot be trusted: {self._broken}", [])
            return
        if self._oops:
            event = self._end_by_oops(event, self._oops)
        self._current = None
        self._finish(case, event)

    def _end_by_oops(self, event: dict[str, Any], splat: dict[str, Any]) -> dict[str, Any]:
        """The guest lives on, with whatever the oops left locked: what it would say of further cases is worth nothing."""
        title = str(splat.get("title", ""))
        case = {"case": event["case"], "rep": event["rep"]}
        self._write(Death("oops", title, "kmsg").event(case))
        self._dying = f"oops: {title}"
        more = {key: event[key] for key in ("seconds",) if key in event}
        return {**end_keys((event["case"], event["rep"]), "crash", self._dying), **oops_keys(splat), **more}

    def _close_case(self, verdict: str, reason: str, tail: list[str], death: Death | None = None) -> None:
        """Our verdict on a case that gave none, or one that cannot be believed."""
        assert self._current
        case, self._current = self._current, None
        event = {**end_keys(case, verdict, reason),
                 "seconds": round(time.monotonic() - self._since, 3)}
        if verdict == "error":
            event["kind"] = "broken-setup"
        if death:
            self._write_death(death, {"case": case[0], "rep": case[1]})
            event.update(death_keys(death))
        self._finish(case, {**event, "tail": tail} if tail else event)

    def _finish(self, case: Case, event: dict[str, Any]) -> None:
        self.done.add(case)
        self._verdicts[event["verdict"]] += 1
        self._write(event)
        if event["verdict"] in DEAD:
            self._crashes.append(Crash(case, titles(event), tuple(self._boot_cases[:-1]), hang(event)))

    # ---- the stream ----

    def _write(self, event: dict[str, Any]) -> None:
        """run_begin is a stream's first line: what comes before it waits."""
        if self._began:
            self.writer.write(event)
        else:
            self._held.append(event)

    def _message(self, text: str) -> None:
        case = {"case": self._current[0], "rep": self._current[1]} if self._current else {}
        self._write({"event": "message", **case, "text": text})

    def _give_up(self, reason: str, end: End) -> bool:
        if end.tail:
            self.say("the console's last lines:")
            for line in end.tail[-15:]:
                self.say(f"  {line}")
        self.stop(reason)
        return False

    def stop(self, reason: str) -> None:
        """Ends the stream before its time. A case that is running gets no verdict: --resume runs it again."""
        self.say(reason)
        # Behind the plan only the retries are cut off.
        self._end_run(self._through, reason)

    def _end_run(self, complete: bool, reason: str) -> None:
        if not self._began:
            self._begin({"event": "run_begin", "tool": self.facts.tool})
        if self._plan is None:
            self._plan = 0
            self._write({"event": "plan", "count": 0})
        event = {"event": "run_end", "verdicts": dict(self._verdicts), "complete": complete,
                 "seconds": round(time.monotonic() - self._start, 3)}
        self._write(event if complete else {**event, "reason": reason})


def begin_event(facts: Facts, event: dict[str, Any]) -> dict[str, Any]:
    """run_begin: what the agent says and what this side knows."""
    kernel = event.get("kernel")
    kernel = dict(kernel) if isinstance(kernel, dict) else {}
    # The kernel that runs knows itself best; the file's facts fill what it does not say.
    kernel = {**facts.kernel, **{k: v for k, v in kernel.items() if v}}
    kernel["spec"] = facts.kernel["spec"]
    return {**event, "schema": 1, "platform": facts.platform, "arch": facts.arch, "accel": facts.accel,
            "deterministic": facts.deterministic, "kernel": kernel, "start": _now(), "qemu": facts.qemu}


def agent_refusal(end: End) -> str:
    """An agent that refuses its arguments says so on its standard error, the console; "" when it did not."""
    said = [line for line in end.tail if line.startswith(AGENT_SAYS)]
    return said[-1].removeprefix(AGENT_SAYS) if end.reached_init and said else ""


def end_keys(case: Case, verdict: str, reason: str) -> dict[str, Any]:
    """Of the case_end that this side gives."""
    return {"event": "case_end", "case": case[0], "rep": case[1], "verdict": verdict,
            "reason": reason}


def death_keys(death: Death) -> dict[str, Any]:
    """Of the case_end of a case that a guest died in: what the crash is known by."""
    first = cause(list(death.splats))
    alt = first.get("alt") if first and first.get("title") == death.title else None
    return {"death": death.kind, "title": death.title, **({"alt": alt} if alt else {})}


def oops_keys(splat: dict[str, Any]) -> dict[str, Any]:
    """The same of an oops that the guest survived."""
    alt = splat.get("alt")
    return {"death": "oops", "title": str(splat.get("title", "")), **({"alt": alt} if alt else {})}


def end_of(case: Case, end: End) -> dict[str, Any]:
    """The case_end of a case that was running when its guest ended so."""
    return {**end_keys(case, end.verdict, end.reason), **(death_keys(end.death) if end.death else {})}


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
