# SPDX-License-Identifier: GPL-2.0-only
"""`pmuvet soak`: what it finds, with which window, and what it does not call a finding."""
from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NATIVE, ROOT, events, pmuvet

BUILD = {"arm64": "arm64", "x86_64": "native"}


def soak(stream: Path, *args: str, platform: str = "x86_64", minutes: str = "30") -> tuple[int, str, str]:
    agent = ROOT / "build" / BUILD[platform] / "tests/engine/engine-test"
    done = pmuvet("soak", "--platform", platform, "--minutes", minutes, "--seed", "3", "--accel", "tcg", "--json",
                  str(stream), "--agent", str(agent), *args, timeout=900)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def until(stream: Path, enough: Callable[[list[dict[str, Any]]], bool], *args: str,
          platform: str = "x86_64") -> tuple[int, str, str]:
    """Soaks until the stream has enough, and is interrupted then: machines differ in how long a boot takes."""
    agent = ROOT / "build" / BUILD[platform] / "tests/engine/engine-test"
    child = subprocess.Popen([NATIVE / "runner/pmuvet", "soak", "--platform", platform, "--minutes", "60", "--accel", "tcg", "--seed", "3", "--agent",
                              str(agent), "--json", str(stream), *args], stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.PIPE, env={**os.environ, "PMUVET_ROOT": str(ROOT)})
    end = time.monotonic() + 900
    while child.poll() is None and time.monotonic() < end and not (stream.exists() and enough(events(stream))):
        time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate(timeout=120)
    assert "Traceback" not in errors
    return child.returncode, out, errors


def goes_on(seen: list[dict[str, Any]]) -> bool:
    """A case has begun and passed behind a disturbance of the vCPUs."""
    at = next((i for i, e in enumerate(seen) if e.get("name") == "RESUME"), len(seen))
    begun = {(e["case"], e["rep"]) for e in seen[at:] if e["event"] == "case_begin"}
    return any((e["case"], e["rep"]) in begun and e["verdict"] == "pass" for e in seen[at:] if e["event"] == "case_end")


@pytest.mark.parametrize("platform, neighbours, done", [
    ("x86_64", "forks,hotplug,watchdog,stop", r"[1-9]\d* stops"), ("arm64", "forks,snapshot", r"[1-9]\d* snapshots"),
])
def test_a_quiet_kernel_gives_nothing(platform: str, neighbours: str, done: str, tmp_path: Path) -> None:
    stream = tmp_path / "a"
    status, out, errors = until(stream, goes_on, "--filter", "bench/engine/empty", "--neighbours", neighbours,
                                platform=platform)
    assert status == 0, out + errors
    assert "0 finding(s)" in out and "0 case(s) failed under stress" in out and re.search(done, out)
    assert f"repeat with: ./pmuvet soak --platform {platform} --minutes 60 --accel tcg --seed 3" in out
    assert f"stream: {stream}" in out
    seen = events(stream)
    assert seen[-1]["event"] == "run_end" and seen[-1]["complete"] is True
    names = [e["name"] for e in seen if e["event"] == "qmp"]
    assert names.index("STOP") < names.index("RESUME")
    assert goes_on(seen)
    assert any("neighbours: forks" in e.get("text", "") for e in seen if e["event"] == "message")
    assert ("forks hotplug" in errors) == (platform == "x86_64")
    compared = pmuvet("compare", str(stream), str(stream))
    assert compared.returncode == 0, compared.stderr


def test_a_death_comes_with_its_window_and_the_soak_goes_on(tmp_path: Path) -> None:
    stream = tmp_path / "a"
    status, out, errors = until(stream, lambda seen: sum(e["event"] == "boot" for e in seen) >= 2, "--filter",
                                "test/guest/panic", "--filter", "bench/engine/empty", "--neighbours", "forks")
    assert status == 1, out + errors
    assert "PANIC: " in out and "since the last clean check: test/guest/panic" in out
    assert re.search(r"boot 1, seed 3$", out, re.MULTILINE)
    boots = [e for e in events(stream) if e["event"] == "boot"]
    assert [e["reason"] for e in boots[:2]] == ["start", "restart"]
    ends = [e for e in events(stream) if e["event"] == "case_end" and e["verdict"] == "crash"]
    assert ends and all(e["title"] for e in ends)


def test_a_splat_is_a_finding_and_its_case_no_failure(tmp_path: Path) -> None:
    status, out, errors = soak(tmp_path / "a", "--filter", "test/log/*", "--neighbours", "", "--cases", "8")
    assert status == 1, out + errors
    assert "SPLAT: " in out and "since the last clean check: test/log/splat" in out
    assert "more like it" in out and "0 case(s) failed under stress" in out


def test_a_failure_counts_when_it_fails_in_a_quiet_guest_too(tmp_path: Path) -> None:
    status, out, errors = soak(tmp_path / "a", "--filter", "test/end/fail", "--filter", "bench/engine/empty",
                               "--cases", "4")
    assert status == 1, out + errors
    assert "0 finding(s)" in out and "1 case(s) failed under stress, 1 of them without it, too" in out
    assert re.search(r"test/end/fail: \d+ times, quiet: fail; failed: answer", out)


def test_an_interrupt_gives_the_summary_so_far(tmp_path: Path) -> None:
    stream = tmp_path / "a"
    status, out, errors = until(stream, lambda seen: any(e["event"] == "case_end" for e in seen), "--filter",
                                "bench/engine/empty")
    assert status == 0, out + errors
    assert "stopped; so far:" in errors and "0 finding(s)" in out and "--seed 3" in out
    assert events(stream)[-1]["complete"] is True


@pytest.mark.parametrize("args, words", [
    (("--filter", "nonsense/*"), "matches no case"), (("--platform", "vax"), "unknown platform"),
    (("--neighbours", "dogs"), "no neighbour 'dogs'"), (("--minutes", "0"), "minutes"), (("--seed", "x"), "'x'"),
    (("--bogus",), "bogus"), (("--kernel", "deb:9.99"), "deb:9.99"),
])
def test_wrong_usage_is_named(args: tuple[str, ...], words: str, tmp_path: Path) -> None:
    done = pmuvet("soak", "--minutes", "0.1", "--accel", "tcg", "--json", str(tmp_path / "a"), *args, timeout=200)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr
