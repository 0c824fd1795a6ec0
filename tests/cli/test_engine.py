# SPDX-License-Identifier: GPL-2.0-only
"""The engine with cases of which each ends in its own way (tests/engine/tables.c)."""
from __future__ import annotations

import base64
import gzip
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import NATIVE

# One after the other: what one of them writes to this machine's kernel log fails the cases of the others.
pytestmark = pytest.mark.xdist_group("host")

AGENT = NATIVE / "tests" / "engine" / "engine-test"
KNOB = Path("/proc/sys/kernel/perf_event_max_stack")
ENDS = {
    "test/end/fail": ("fail", "failed: answer"),
    "test/end/nothing_checked": ("error", "checked nothing"),
    "test/end/skip": ("skip", "CONFIG_X"),
    "test/end/fail_then_skip": ("fail", "failed: held"),
    "test/end/child_fails": ("fail", "in the child"),
    "test/end/crash": ("crash", "SIGSEGV"),
    "test/end/hang": ("hang", "no end after 0.5 s"),
    "test/end/dead": ("fail", "dead counter"),
    "test/xfail/fails": ("xfail", "failed: answer"),
    "test/xfail/passes": ("xpass", "known"),
    "test/other/fails": ("fail", "failed: answer"),
    "absent/end/pass": ("skip", "pmuvet_no_such_pmu"),
}


def run(*args: str) -> list[dict]:
    result = subprocess.run([str(AGENT), *args], capture_output=True, text=True, timeout=60, check=True)
    return [json.loads(line) for line in result.stdout.splitlines()]


def ends(stream: list[dict]) -> dict[str, dict]:
    return {e["case"]: e for e in stream if e["event"] == "case_end"}


@pytest.fixture(scope="module")
def all_ends() -> dict[str, dict]:
    return ends(run("--timeout", "0.5", "--filter", "test/end/*", "--filter", "test/xfail/*", "--filter", "test/other/*",
                    "--filter", "absent/*"))


@pytest.mark.parametrize("case", ENDS)
def test_every_end_has_its_verdict_and_reason(case: str, all_ends: dict[str, dict]) -> None:
    verdict, reason = ENDS[case]
    assert all_ends[case]["verdict"] == verdict, all_ends[case]
    assert reason in all_ends[case]["reason"]


def test_skips_and_errors_are_typed(all_ends: dict[str, dict]) -> None:
    assert all_ends["test/end/skip"]["kind"] == "config-off"
    assert all_ends["absent/end/pass"]["kind"] == "absent"
    assert all_ends["test/end/nothing_checked"]["kind"] == "broken-setup"
    assert all_ends["test/xfail/fails"]["erratum"] == "known"


def test_an_expected_pmu_that_is_absent_fails() -> None:
    end = ends(run("--filter", "absent/*", "--expect", "absent"))["absent/end/pass"]
    assert end["verdict"] == "fail" and "pmuvet_no_such_pmu" in end["reason"]


def test_a_hanging_case_leaves_no_process() -> None:
    # Its processes have its command line; other tests run the same program at the same time.
    mark = f"left-by-{os.getpid()}"
    run("--timeout", "0.3", "--filter", "test/end/hang", "--platform", mark)
    assert subprocess.run(["pgrep", "-f", mark], check=False, stdout=subprocess.DEVNULL).returncode == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="the kernel log can only be written by root")
def test_a_splat_fails_the_case_that_it_came_in() -> None:
    stream = run("--filter", "test/log/*")
    end = ends(stream)
    assert end["test/log/splat"]["verdict"] == "fail"
    assert "not_a_real_warning" in end["test/log/splat"]["reason"]
    assert end["test/log/harmless"]["verdict"] == "pass"
    splats = [e for e in stream if e["event"] == "splat"]
    assert [(s["case"], s["class"]) for s in splats] == [("test/log/splat", "warning")]


needs_knob = pytest.mark.skipif(not os.access(KNOB, os.W_OK), reason=f"{KNOB} cannot be written")


@needs_knob
@pytest.mark.parametrize("case", ["test/knob/turned", "test/knob/hang"])
def test_knobs_go_back(case: str) -> None:
    before = KNOB.read_text()
    stream = run("--timeout", "0.3", "--filter", case)
    assert KNOB.read_text() == before
    assert [e["old"] for e in stream if e["event"] == "knob"] == [before.strip()]


@needs_knob
@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM])
def test_knobs_go_back_when_the_engine_is_stopped(signo: signal.Signals) -> None:
    before = KNOB.read_text()
    with subprocess.Popen([str(AGENT), "--timeout", "50", "--filter", "test/knob/hang"], stdout=subprocess.PIPE,
                          text=True) as agent:
        assert agent.stdout
        for line in agent.stdout:
            if '"began"' in line:
                break
        assert KNOB.read_text().strip() == "11"
        agent.send_signal(signo)
        last = json.loads(agent.stdout.read().splitlines()[-1])
    assert agent.returncode == 128 + signo
    assert last["event"] == "run_end" and last["complete"] is False
    assert KNOB.read_text() == before


def test_a_case_is_pinned_to_the_cpu_that_was_asked_for() -> None:
    bad = subprocess.run([str(AGENT), "--cpu", "4000", "--filter", "bench/engine/empty"], capture_output=True, text=True, check=False)
    assert bad.returncode == 3 and "CPU 4000" in bad.stderr
    assert ends(run("--cpu", "0", "--filter", "bench/engine/empty"))["bench/engine/empty"]["verdict"] == "pass"


def test_done_cases_are_not_run_again(tmp_path: Path) -> None:
    done = tmp_path / "done"
    done.write_text("bench/engine/empty\t0\nbench/engine/empty\t2\n")
    stream = run("--repeat", "4", "--filter", "bench/engine/empty", "--skip-file", str(done))
    assert [e["rep"] for e in stream if e["event"] == "case_end"] == [1, 3]
    assert next(e["count"] for e in stream if e["event"] == "plan") == 4


def test_nobody_listens() -> None:
    read, write = os.pipe()
    with subprocess.Popen([str(AGENT), "--repeat", "1000", "--filter", "bench/engine/empty"], stdout=write) as agent:
        os.close(write)
        os.read(read, 100)
        os.close(read)
        start = time.monotonic()
        assert agent.wait(20) == 3
    assert time.monotonic() - start < 10


def test_the_modules_of_the_kernel_are_told() -> None:
    event = next(e for e in run("--filter", "test/other/*") if e["event"] == "modules")
    table = Path("/proc/modules")  # a kernel without modules has none
    names = [line.split()[0] for line in table.read_text().splitlines()] if table.exists() else []
    assert [m["name"] for m in event["modules"]] == names
    for module in event["modules"]:
        note = Path("/sys/module") / module["name"] / "notes/.note.gnu.build-id"
        assert module.get("build_id", "") == (note.read_bytes()[16:].hex() if note.exists() else "")


def test_kallsyms_come_packed_and_whole_behind_the_last_case() -> None:
    stream = run("--kallsyms=1", "--filter", "test/other/*")
    pieces = [e for e in stream if e["event"] == "kallsyms"]
    assert stream[-1]["event"] == "run_end" and stream[-2] is pieces[-1]
    assert [piece["end"] for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[0]["build_id"] == stream[0]["kernel"]["build_id"]
    own = [line for line in Path("/proc/kallsyms").read_text().splitlines() if "[" not in line]
    assert gzip.decompress(b"".join(base64.b64decode(p["base64"]) for p in pieces)).decode().splitlines() == own
