# SPDX-License-Identifier: GPL-2.0-only
"""Real kernels, the real agent, the real cases: both guests pass, repeat to the bit, survive a panic; regress reports."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, events, pmuvet, verdicts

# Not beside test_death.py, which has two guests at once: on two cores what is judged here is the kernel, not the load.
pytestmark = pytest.mark.xdist_group("both-cores")

LEAST = {"arm64": 150, "x86_64": 100}
BUILD = {"arm64": "arm64", "x86_64": "native"}
GOOD = {"pass", "xfail", "xpass", "skip"}


def guest(stream: Path, platform: str, *args: str) -> dict[tuple[str, int], str]:
    result = pmuvet("run", "--platform", platform, "--json", str(stream), *args, timeout=400)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr
    return verdicts(stream)


@pytest.mark.parametrize("kernel", ["deb:bookworm", "deb:bookworm-security", "deb:sid"])
@pytest.mark.parametrize("platform", LEAST)
def test_every_case_holds_on_a_real_kernel(platform: str, kernel: str, tmp_path: Path) -> None:
    stream = tmp_path / "a.jsonl"
    ended = guest(stream, platform, "--kernel", kernel)
    begin = events(stream)[0]
    assert begin["kernel"]["spec"] == kernel and begin["kernel"]["build_id"] and begin["accel"] == "tcg"
    assert sum(v in ("pass", "xfail", "xpass") for v in ended.values()) >= LEAST[platform]
    assert set(ended.values()) <= GOOD
    families = {case.split("/")[0] for (case, _), v in ended.items() if v == "pass"}
    assert families >= {"perf", "sw", "breakpoint", "tracepoint", "kprobe", "uprobe"}
    assert ("pmuv3" if platform == "arm64" else "msr") in families


def test_two_arm64_runs_give_identical_evidence(tmp_path: Path) -> None:
    runs = []
    for name in ("a", "b"):
        guest(tmp_path / name, "arm64")
        runs.append([{k: e[k] for k in e if k != "t"} for e in events(tmp_path / name) if e["event"] == "evidence"])
    assert len(runs[0]) > 2000
    assert runs[0] == runs[1]
    result = pmuvet("compare", str(tmp_path / "a"), str(tmp_path / "b"))
    assert result.returncode == 0 and "changed" not in result.stdout, result.stdout


@pytest.mark.parametrize("platform", LEAST)
def test_a_panic_in_the_middle_is_one_crash_and_the_rest_runs(platform: str, tmp_path: Path) -> None:
    """The real engine as init; its own case triggers the panic."""
    agent = ROOT / "build" / BUILD[platform] / "tests" / "engine" / "engine-test"
    stream = tmp_path / "a.jsonl"
    result = pmuvet("run", "--platform", platform, "--agent", str(agent), "--json", str(stream), "--filter", "test/guest/*",
                    "--filter", "bench/engine/empty", timeout=200)
    assert result.returncode == 1, result.stdout + result.stderr
    assert verdicts(stream) == {("bench/engine/empty", 0): "pass", ("test/guest/panic", 0): "crash", ("test/guest/after", 0): "pass"}
    seen = events(stream)
    end = next(e for e in seen if e["event"] == "case_end" and e["verdict"] == "crash")
    assert "sysrq triggered crash" in end["reason"] and end["tail"]
    assert any(e["event"] == "qmp" for e in seen)
    assert seen[-1]["complete"] is True


def test_knobs_and_log_in_a_guest(tmp_path: Path) -> None:
    agent = ROOT / "build" / "arm64" / "tests" / "engine" / "engine-test"
    stream = tmp_path / "a.jsonl"
    result = pmuvet("run", "--platform", "arm64", "--agent", str(agent), "--json", str(stream), "--filter", "test/log/*",
                    "--filter", "test/knob/*", "--timeout", "1", timeout=200)
    assert result.returncode == 1
    assert verdicts(stream) == {("test/log/splat", 0): "fail", ("test/log/harmless", 0): "pass", ("test/knob/turned", 0): "pass",
                                ("test/knob/hang", 0): "hang"}


def test_regress_reports_and_can_be_repeated(tmp_path: Path) -> None:
    result = pmuvet("regress", "--base", "deb:bookworm", "--new", "deb:bookworm", "--platform", "arm64,x86_64", "--filter",
                    "sw/counting/*", "--output", str(tmp_path / "out"), timeout=400)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout.count("no regression") == 2
    assert "repeat with: ./pmuvet regress --base deb:bookworm --new deb:bookworm --platform arm64,x86_64 --filter" in result.stdout
    streams = sorted(p.name for p in (tmp_path / "out").glob("*.jsonl"))
    assert streams == [f"{p}-{s}-deb-bookworm.jsonl" for p in ("arm64", "x86_64") for s in ("base", "new")]


def test_regress_finds_what_a_mutated_stream_lost(tmp_path: Path) -> None:
    """A real run against itself with one verdict and one count turned."""
    stream, broken = tmp_path / "a", tmp_path / "b"
    guest(stream, "arm64", "--filter", "sw/counting/live:page-faults,*")
    lines = []
    for event in events(stream):
        if event.get("case") == "sw/counting/live:page-faults,single":
            if event["event"] == "evidence" and event["name"] == "count":
                event.update(observed=event["observed"] - 1, ok=False)
            if event["event"] == "case_end":
                event.update(verdict="fail", reason="failed: count")
        lines.append(json.dumps(event))
    broken.write_text("\n".join(lines) + "\n")
    result = pmuvet("compare", str(stream), str(broken))
    assert result.returncode == 1
    assert "regressed (1)" in result.stdout and "sw/counting/live:page-faults,single" in result.stdout


@pytest.mark.parametrize("args, words", [
    (("--base", "deb:9.9"), "deb:9.9"),
    (("--platform", "vax"), "vax"),
    (("--platform", "host"), "host"),
    (("--new", "/nonexistent/bzImage"), "/nonexistent/bzImage"),
])
def test_regress_names_wrong_usage(args: tuple[str, ...], words: str, tmp_path: Path) -> None:
    result = pmuvet("regress", *args, "--filter", "sw/counting/live:page-faults,*", "--output", str(tmp_path / "o"), timeout=400)
    assert result.returncode == 2, result.stdout + result.stderr
    assert words in result.stderr and "Traceback" not in result.stderr
