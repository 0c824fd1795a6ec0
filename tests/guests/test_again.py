# SPDX-License-Identifier: GPL-2.0-only
"""Whether a case that died dies alone, and what it needs before it: the search, and real boots."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from runner.guest.again import Again, Bounds, Case, Crash, told
from runner.guest.guest import End

from .conftest import Result
from .test_run import case, end, event

Dies = Callable[[list[str]], bool]
TITLES = ("it broke",)


class ListGuest:
    """Runs a list of cases; `dies` says behind which ones the last does."""

    def __init__(self, jobs: Sequence[Case], dies: Dies, reason: str) -> None:
        self._jobs, self._dies, self._reason = list(jobs), dies, reason

    def events(self) -> Iterator[Any]:
        *before, last = self._jobs
        for name, _ in before:
            yield from case(name)
        if not self._dies([name for name, _ in before]):
            yield from [*case(last[0]), event("run_end"), *end()]
            return
        yield case(last[0])[0]
        yield End("crash", self._reason, [], True, False)

    def close(self) -> None:
        pass


def search(dies: Dies, before: int, reason: str = "it broke; at 17", boots: int = 40,
           clock: Callable[[], float] = lambda: 0.0) -> dict[str, Any]:
    written: list[dict[str, Any]] = []
    again = Again(lambda jobs: ListGuest(jobs, dies, reason),
                  lambda which, how: {"verdict": how.verdict, "reason": how.reason},
                  written.append, lambda text: None, Bounds(boots, 100), clock)
    again.investigate([Crash(("z", 0), TITLES, tuple((f"c{i}", 0) for i in range(before)))])
    (only,) = written
    return only


def test_a_case_that_dies_alone_takes_one_boot() -> None:
    found = search(lambda before: True, 1000)
    assert found["alone"] and found["reproduced"] and found["prefix"] == [] and found["boots"] == 1


@pytest.mark.parametrize("culprit", [0, 1, 500, 998, 999])
def test_one_culprit_among_a_thousand_is_found(culprit: int) -> None:
    found = search(lambda before: f"c{culprit}" in before, 1000)
    assert not found["alone"] and found["reproduced"] and found["prefix"] == [f"c{culprit}"]
    assert found["boots"] <= 25 and "reason" not in found


@pytest.mark.parametrize("needed", [(3, 4), (0, 99), (10, 50, 90), (7, 8, 9, 95)])
def test_several_that_are_needed_are_all_found(needed: tuple[int, ...]) -> None:
    names = [f"c{i}" for i in needed]
    found = search(lambda before: all(name in before for name in names), 100, boots=200)
    assert found["prefix"] == names


def test_the_search_is_the_same_every_time() -> None:
    def dies(before: list[str]) -> bool:
        asked.append(before)
        return "c20" in before and "c70" in before

    asked: list[list[str]] = []
    search(dies, 100)
    first, asked = asked, []
    search(dies, 100)
    assert asked == first


def test_another_bug_is_not_the_same_bug() -> None:
    found = search(lambda before: True, 10, reason="something else")
    assert not found["reproduced"] and "not even behind all" in found["reason"]


def test_a_hang_is_known_by_its_kind() -> None:
    for kind, same in (("soft-hang", True), ("hard-hang", False)):
        written: list[dict[str, Any]] = []
        again = Again(lambda jobs: ListGuest(jobs, lambda before: True, "x"),
                      lambda which, how: {"verdict": "hang", "title": f"{kind}: in there", "death": kind},
                      written.append, lambda text: None)
        again.investigate([Crash(("a", 0), ("soft-hang: in here",), (), "soft-hang")])
        assert written[0]["alone"] is same


def test_what_does_not_happen_again_is_said() -> None:
    found = search(lambda before: False, 10)
    assert not found["alone"] and not found["reproduced"] and "prefix" not in found
    assert "not even behind all the cases" in told(found)
    assert search(lambda before: False, 0)["boots"] == 1


def test_the_bounds_hold_and_what_was_found_so_far_is_kept() -> None:
    found = search(lambda before: {"c0", "c50"} <= set(before), 100, boots=12)
    assert found["boots"] == 12 and {"c0", "c50"} <= set(found["prefix"])
    assert "12 boots were not enough" in found["reason"] and "perhaps fewer" in told(found)
    found = search(lambda before: "c0" in before, 1000, boots=4)
    assert not found["reproduced"] and "4 boots" in found["reason"]
    times = iter(range(0, 1000, 30))
    found = search(lambda before: "c0" in before, 1000, clock=lambda: float(next(times)))
    assert "100 s were not enough" in found["reason"]


def test_cases_that_died_alike_are_investigated_once() -> None:
    written: list[dict[str, Any]] = []
    said: list[str] = []
    again = Again(lambda jobs: ListGuest(jobs, lambda before: True, "x"),
                  lambda which, how: {"verdict": "crash", "title": "one", "alt": ["other"]},
                  written.append, said.append)
    again.investigate([Crash(("a", 0), ("one",)), Crash(("b", 0), ("two", "other")),
                       Crash(("c", 0), ("third", "one"))])
    assert [e["case"] for e in written] == ["a", "b"]
    assert "retrying 2 cases" in said[0] and "--no-retry" in said[0]


@pytest.mark.parametrize("platform", ["arm64", "x86_64"])
def test_a_guest_tells_alone_from_behind_others(platform: str, boot: Callable[..., Result]) -> None:
    result = boot(platform, "+a", "+arm", "+b", "+trap", "+c")
    assert result.status == 0, result.errors
    assert [e["verdict"] for e in result.of("case_end")] == ["pass"] * 3 + ["crash", "pass"]
    (again,) = result.of("again")
    assert again["case"] == "test/trap" and again["prefix"] == ["test/arm"]
    assert again["alone"] is False and again["reproduced"] is True
    assert "sysrq triggered crash" in again["title"] and again["boots"] <= 6
    assert result.events[-1]["event"] == "run_end" and result.events[-1]["complete"] is True
    assert "does not crash alone, but behind 1 other case" in result.errors


def test_ten_crashing_cases_leave_a_verdict_for_every_other(boot: Callable[..., Result]) -> None:
    words = [f"+{name}" for i in range(10) for name in (f"ok{i}", f"panic{i}")]
    result = boot("x86_64", *words, "+last")
    assert result.status == 0, result.errors
    ends = {name: end["verdict"] for name, end in result.ends().items()}
    assert ends == {**{f"ok{i}": "pass" for i in range(10)}, **{f"panic{i}": "crash" for i in range(10)},
                    "last": "pass"}
    (again,) = result.of("again")
    assert again["alone"] and again["case"] == "test/panic0" and again["boots"] == 1
    assert len(result.of("boot")) == 11


def test_no_retry_is_no_retry(boot: Callable[..., Result]) -> None:
    result = boot("x86_64", "+panic", "+a", options=("--no-retry",))
    assert result.status == 0 and not result.of("again") and len(result.of("boot")) == 2
