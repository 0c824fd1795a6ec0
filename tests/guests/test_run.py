# SPDX-License-Identifier: GPL-2.0-only
"""The sequence of boots, on guests that are only lists of what they say."""
from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from platforms import load

from runner.guest import accel
from runner.guest.guest import End, Hello, QmpEvent
from runner.guest.run import AgentRefused, Case, Facts, Run
from runner.guest.stream import Writer
from runner.guest.transport import Bad, Frame

FACTS = Facts("1", "arm64", "arm64", "tcg", True, {"spec": "deb:x", "build_id": "file"}, ["qemu"])


def event(kind: str, **keys: Any) -> Frame:
    return Frame(1, {"event": kind, **keys})


def case(name: str, verdict: str = "pass") -> list[Frame]:
    return [event("case_begin", case=name, rep=0), event("case_end", case=name, rep=0, verdict=verdict)]


def start(count: int) -> list[Any]:
    return [Hello(1.0), event("run_begin", kernel={"build_id": "", "release": "6"}), event("plan", count=count)]


def end(finished: bool = True, reached: bool = True, tail: list[str] | None = None,
        hopeless: bool = False) -> list[Any]:
    return [End("crash", "died", tail or [], reached, finished, hopeless)]


class FakeGuest:
    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def events(self) -> Iterator[Any]:
        yield from self._items

    def close(self) -> None:
        pass


def run(*boots: list[Any]) -> tuple[bool, list[dict[str, Any]], list[list[Case]]]:
    out, skips, left = io.BytesIO(), [], list(boots)

    def start_guest(done: Iterable[Case], number: int) -> Any:
        skips.append(list(done))
        return FakeGuest(left.pop(0))

    complete = Run(FACTS, Writer(out), lambda text: None, start_guest).run()
    return complete, [json.loads(line) for line in out.getvalue().splitlines()], skips


def ends(events: list[dict[str, Any]]) -> dict[str, str]:
    return {e["case"]: e["verdict"] for e in events if e["event"] == "case_end"}


def test_a_crash_is_booked_and_the_next_boot_goes_on_behind_it() -> None:
    complete, events, skips = run(
        [*start(3), *case("a"), *case("b")[:1], *end(finished=False)],
        [*start(3), *case("c"), *end()])
    assert complete and ends(events) == {"a": "pass", "b": "crash", "c": "pass"}
    assert skips == [[], [("a", 0), ("b", 0)]]
    assert [e["event"] for e in events].count("run_begin") == 1
    assert events[-1]["verdicts"] == {"pass": 2, "crash": 1}


def test_run_begin_is_first_and_holds_both_sides_facts() -> None:
    _, events, _ = run([QmpEvent("RESUME", {}, 0.1), *start(1), *case("a"), *end()])
    assert [e["event"] for e in events[:4]] == ["run_begin", "boot", "qmp", "plan"]
    assert events[0]["kernel"] == {"spec": "deb:x", "build_id": "file", "release": "6"}
    assert events[0]["deterministic"] is True and events[0]["schema"] == 1


def test_what_is_lost_between_cases_makes_the_run_incomplete() -> None:
    complete, events, _ = run([*start(2), *case("a"), Bad("gap"), *case("b"), *end()])
    assert not complete and "between cases: transport: gap" in events[-1]["reason"]
    assert ends(events) == {"a": "pass", "b": "pass"}


def test_a_cut_at_a_death_loses_nothing() -> None:
    complete, _, _ = run([*start(2), *case("a"), Bad("half", cut=True), *end(finished=False)],
                         [*start(2), *case("b"), *end()])
    assert complete


def test_a_case_whose_frames_were_lost_runs_again() -> None:
    complete, events, skips = run([*start(2), *case("a")[:1], Bad("gap"), case("b")[1], *end()],
                                  [*start(2), *case("b"), *end()])
    assert complete and ends(events) == {"a": "crash", "b": "pass"} and len(skips) == 2


def test_evidence_and_ends_of_cases_that_do_not_run_are_not_taken() -> None:
    evidence = event("evidence", case="b", rep=0, name="n")
    complete, events, _ = run([*start(1), evidence, case("b")[1], *case("a"), *end()])
    assert not complete and ends(events) == {"a": "pass"}
    assert "evidence" not in [e["event"] for e in events]


def test_a_flood_of_broken_frames_ends_the_boot_and_then_the_run() -> None:
    complete, events, skips = run(*[[*start(1), *[Bad("x")] * 5000, *case("a"), *end()]] * 3)
    assert not complete and len(skips) == 2
    assert sum(e["event"] == "message" for e in events) < 100


def test_boots_without_progress_end_the_run() -> None:
    complete, events, skips = run(*[[*start(1), *end(finished=False)]] * 9)
    assert not complete and len(skips) == 2 and "no progress" in events[-1]["reason"]


def test_a_boot_that_never_reached_init_is_tried_once_more() -> None:
    complete, events, _ = run(end(False, False), [*start(1), *case("a"), *end()])
    assert complete and [e["reason"] for e in events if e["event"] == "boot"] == ["start", "retry"]
    complete, events, skips = run(*[end(False, False)] * 9)
    assert not complete and len(skips) == 2 and "twice" in events[-1]["reason"]
    complete, _, skips = run(*[end(False, False, hopeless=True)] * 9)
    assert not complete and len(skips) == 1


def test_an_agent_that_refuses_its_arguments_is_quoted() -> None:
    with pytest.raises(AgentRefused, match="^no such glob$"):
        run([Hello(1.0), *end(False, tail=["[ 0.1] x", "pmuvet-agent: no such glob"])])


def test_kvm_is_proven_once_for_each_boot_of_the_host(tmp_path: Path) -> None:
    calls: list[int] = []

    def boot() -> str | None:
        calls.append(1)
        return "nothing came"

    platform = load("x86_64")
    for trusted, count in ((False, 1), (False, 2), (True, 3), (True, 3), (False, 3)):
        assert accel.proven(platform, tmp_path, lambda text: None, boot, trusted) == (
            False, "nothing came")
        assert len(calls) == count
    (tmp_path / "kvm/x86_64.json").write_text('{"boot_id": "of yesterday", "works": true}')
    assert accel.proven(platform, tmp_path, lambda text: None, boot, True)[0] is False
