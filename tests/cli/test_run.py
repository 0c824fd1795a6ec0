# SPDX-License-Identifier: GPL-2.0-only
"""`pmuvet run` on this machine: streams, formats, resume, stops, bad input."""
from __future__ import annotations

import base64
import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import NATIVE, ROOT, events, pmuvet, verdicts

# One after the other: what one of them writes to this machine's kernel log fails the cases of the others.
pytestmark = pytest.mark.xdist_group("host")

SW = ("--filter", "sw/counting/*")


def start(*args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([str(NATIVE / "runner" / "pmuvet"), "run", *args], stdin=subprocess.DEVNULL,
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, PMUVET_ROOT=str(ROOT)))


def test_stream_is_complete_and_every_verdict_has_evidence(tmp_path: Path) -> None:
    stream = tmp_path / "a.jsonl"
    result = pmuvet("run", *SW, "--json", str(stream))
    assert result.returncode == 0, result.stdout + result.stderr
    seen = events(stream)
    assert [e["event"] for e in seen if e["event"] != "modules"][:2] == ["run_begin", "plan"]
    assert seen[-1]["event"] == "run_end" and seen[-1]["complete"]
    ended = verdicts(stream)
    assert len(ended) == next(e["count"] for e in seen if e["event"] == "plan") > 20
    judged = {e["case"] for e in seen if e["event"] == "evidence" and "ok" in e}
    assert all(case in judged for (case, _), v in ended.items() if v == "pass")


def test_a_pipe_gets_ktap(tmp_path: Path) -> None:
    out = pmuvet("run", *SW, "--json", str(tmp_path / "a.jsonl")).stdout.splitlines()
    assert out[0] == "KTAP version 1"
    plan = next(line for line in out if line.startswith("1.."))
    assert sum(line.startswith(("ok ", "not ok ")) for line in out) == int(plan[3:])
    assert "\x1b" not in "".join(out)


def test_repeat_shuffle_is_the_same_order_for_the_same_seed(tmp_path: Path) -> None:
    orders = []
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        stream = tmp_path / name
        assert pmuvet("run", *SW, "--repeat", "2", "--shuffle", seed, "--json", str(stream)).returncode == 0
        orders.append([(e["case"], e["rep"]) for e in events(stream) if e["event"] == "case_begin"])
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


def test_the_standard_set_has_each_promise_once_and_the_quick_ones() -> None:
    def ids(*args: str) -> set[str]:
        agent = subprocess.run([str(NATIVE / "pmuvet-agent"), "--list", *args], capture_output=True, text=True, check=True)
        return set(agent.stdout.split())

    every, standard, quick = ids(), ids("--standard"), ids("--quick")
    assert quick < standard < every
    assert {promise(i) for i in standard} == {promise(i) for i in every}
    # Here no PMU must be there: any may be missing.
    assert {i.partition(":")[0] for i in standard} == {i.partition(":")[0] for i in every}
    must = ids("--standard", *(word for pmu in ("perf", "sw", "breakpoint", "tracepoint") for word in ("--expect", pmu)))
    assert quick < must < standard
    assert {promise(i) for i in must} == {promise(i) for i in every}


def promise(case: str) -> str:
    return case.partition("/")[2].partition(":")[0]


def test_list_shows_what_would_run() -> None:
    out = pmuvet("run", "--list", "--filter", "sw/counting/live:page-faults,*")
    assert out.returncode == 0
    assert "sw/counting/live:page-faults,single" in out.stdout.splitlines()


@pytest.mark.parametrize("args, words", [
    (("--filter", "nonsense/*"), "nonsense/*"),
    (("--platform", "vax"), "vax"),
    (("--platform", "arm64", "--kernel", "deb:9.99"), "deb:9.99"),
    (("--kernel", "deb:6.1"), "--platform"),
    (("--resume",), "--json"),
    (("--timeout", "0"), "0"),
    (("--repeat", "x"), "x"),
    (("--bogus",), "bogus"),
    (("stray",), "stray"),
])
def test_wrong_usage_is_named_and_exits_2(args: tuple[str, ...], words: str, tmp_path: Path) -> None:
    result = pmuvet("run", *args, cwd=tmp_path)
    assert result.returncode == 2, result.stderr
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_an_existing_stream_is_not_overwritten(tmp_path: Path) -> None:
    stream = tmp_path / "a.jsonl"
    stream.write_text("precious\n")
    result = pmuvet("run", *SW, "--json", str(stream))
    assert result.returncode == 2 and str(stream) in result.stderr
    assert stream.read_text() == "precious\n"


def test_full_disk_keeps_what_was_recorded() -> None:
    result = pmuvet("run", *SW, "--json", "/dev/full")
    assert result.returncode == 3
    assert "No space left on device" in result.stderr


def test_full_disk_in_the_middle_leaves_whole_lines(tmp_path: Path) -> None:
    stream = tmp_path / "a.jsonl"
    limit = 9000
    result = pmuvet("run", *SW, "--json", str(stream), preexec_fn=lambda: _limit_file_size(limit))
    assert result.returncode == 3 and str(stream) in result.stderr
    data = stream.read_bytes()
    assert 0 < len(data) <= limit and data.endswith(b"\n")
    assert events(stream)
    result = pmuvet("run", *SW, "--json", str(stream), "--resume")
    assert result.returncode == 0, result.stderr
    assert events(stream)[-1]["complete"]


def _limit_file_size(size: int) -> None:
    import resource
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_sigkill_at_random_moments_and_resume(tmp_path: Path) -> None:
    """Nothing recorded is lost, nothing runs twice, and at the end every case has one verdict."""
    stream = tmp_path / "a.jsonl"
    rng = random.Random(20261121)
    args = ("--filter", "sw/*", "--json", str(stream))
    whole = b""
    for round_ in range(6):
        child = start(*args, *(("--resume",) if stream.exists() else ()))
        time.sleep(rng.uniform(0.02, 0.25))
        child.kill()
        child.wait()
        if not stream.exists():
            continue
        now = stream.read_bytes()
        assert now.startswith(whole), f"round {round_} lost recorded events"
        whole = now[:now.rfind(b"\n") + 1]
        if not whole:
            stream.unlink(missing_ok=True)
    result = pmuvet("run", *args, *(("--resume",) if stream.exists() else ()))
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr
    seen = events(stream)
    ends = [(e["case"], e["rep"]) for e in seen if e["event"] == "case_end"]
    assert len(ends) == len(set(ends)) == next(e["count"] for e in seen if e["event"] == "plan")
    assert seen[-1]["event"] == "run_end" and seen[-1]["complete"]


def test_sigint_stops_cleanly_and_leaves_no_process(tmp_path: Path) -> None:
    stream = tmp_path / "a.jsonl"
    # The mark is in the agent's command line, too.
    mark = f"left-by-{os.getpid()}"
    child = start("--filter", "sw/*", "--repeat", "50", "--exclude", mark, "--json", str(stream))
    while not stream.exists() or stream.stat().st_size < 20000:
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == 130
    last = events(stream)[-1]
    assert last["event"] == "run_end" and last["complete"] is False
    assert subprocess.run(["pgrep", "-f", mark], check=False).returncode == 1


def test_resume_refuses_another_kernel(tmp_path: Path) -> None:
    stream = tmp_path / "a.jsonl"
    assert pmuvet("run", "--filter", "sw/counting/live:page-faults,*", "--json", str(stream)).returncode == 0
    text = stream.read_text().splitlines(keepends=True)
    release = os.uname().release
    stream.write_text(text[0].replace(release, "0.0.1-other") + text[1])
    result = pmuvet("run", "--filter", "sw/counting/live:page-faults,*", "--json", str(stream), "--resume")
    assert result.returncode == 2 and "0.0.1-other" in result.stderr


def test_help_and_unknown_command() -> None:
    assert "usage: pmuvet" in pmuvet("--help").stdout
    for command in ("run", "compare", "regress", "list", "describe"):
        result = pmuvet(command, "--help")
        assert result.returncode == 0 and "usage: pmuvet " + command in result.stdout, command
    assert pmuvet("frobnicate").returncode == 2
    assert pmuvet().returncode == 2
    assert pmuvet("describe", "nonsense").returncode == 2
    assert pmuvet("list", "nonsense*").returncode == 2


def test_a_machine_that_went_down_is_a_crash_of_its_case(tmp_path: Path) -> None:
    """A stream that stops within a case, of another boot: the case is not run again."""
    stream = tmp_path / "a.jsonl"
    args = ("run", "--filter", "sw/counting/live:page-faults,*", "--json", str(stream))
    assert pmuvet(*args).returncode == 0
    lines = stream.read_text().splitlines(keepends=True)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    begun = [i for i, line in enumerate(lines) if '"case_begin"' in line]
    stream.write_text("".join(lines[:begun[3] + 1]).replace(boot, "11111111-2222-3333-4444-555555555555"))
    result = pmuvet(*args, "--resume")
    assert result.returncode == 1, result.stderr
    ended = verdicts(stream)
    assert len(ended) == len(begun)
    assert [case for case, verdict in ended.items() if verdict == "crash"] == [(json.loads(lines[begun[3]])["case"], 0)]
    assert "went down during" in result.stderr
    assert pmuvet("compare", str(stream), str(stream)).returncode == 0


def test_collect_brings_files_of_the_target_whole(tmp_path: Path) -> None:
    big = tmp_path / "dir" / "big"
    big.parent.mkdir()
    big.write_bytes(random.Random(1).randbytes(200_001))
    (big.parent / "empty").touch()
    stream = tmp_path / "a.jsonl"
    result = pmuvet("run", "--filter", "sw/counting/live:page-faults,single", "--collect", str(big.parent),
                    "--collect", "/nowhere", "--json", str(stream))
    assert result.returncode == 0, result.stderr
    got: dict[str, bytes] = {}
    for e in events(stream):
        if e["event"] == "file":
            assert e["offset"] == len(got.get(e["path"], b""))
            got[e["path"]] = got.get(e["path"], b"") + base64.b64decode(e["base64"])
            assert ("error" in e) == (e["path"] == "/nowhere")
    assert got == {str(big): big.read_bytes(), str(big.parent / "empty"): b"", "/nowhere": b""}
