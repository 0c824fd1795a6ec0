# SPDX-License-Identifier: GPL-2.0-only
"""`pmuvet crash` on the corpus of logs (tests/corpora/splats) and as a command.

Each NNN-name.log has its answer in NNN-name.json. `./pmuvet selftest -k crash_corpus --update` rewrites the answers:
read the diff.
"""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import NATIVE, ROOT, pmuvet

CORPUS = ROOT / "tests" / "corpora" / "splats"
LOGS = sorted(CORPUS.glob("*.log"))
OOPS = CORPUS / "025-null-deref-6.12.log"


def frame(f: dict) -> str:
    """One line of a trace: `> func+0x1/0x2 [module] <CONTEXT>`; `>` exact, `?` a guess."""
    name = f.get("func", f.get("address", ""))
    if f.get("size"):
        name += f"+{f['offset']:#x}/{f['size']:#x}"
    module = " ".join(x for x in (f.get("module"), f.get("build_id")) if x)
    context = f["context"]
    where = f"{f['file']}:{f['line']}" if "file" in f else ""
    mark = ">" if f["exact"] else "?" if f["guess"] else " "
    inlined = [f"{i['func']} {i['file']}:{i['line']}" for i in f.get("inlined", [])]
    parts = [f"{mark} {name}", f"[{module}]" if module else "", f"<{context}>" if context else "", where,
             f"inlined {inlined}" if inlined else ""]
    return " ".join(p for p in parts if p)


def answer(log: Path) -> list[dict]:
    """What is compared: everything but the lines themselves, which start and end stand for."""
    result = pmuvet("crash", "--json", str(log))
    splats = [json.loads(line) for line in result.stdout.splitlines()]
    real = [s for s in splats if s["severity"] != "metric"]
    assert result.returncode == (1 if real else 0), result.stderr
    assert sum(s["first"] for s in real) == min(1, len(real))
    for s in splats:
        assert s.pop("event") == "splat"
        assert len(s["title"]) <= 120 and s["title"].isprintable() and s["title"].isascii()
        text = s.pop("text")
        assert bool(text) and s["start"] < s["end"] <= log.stat().st_size
        s["lines"] = text.count("\n")
        s["trace"] = [frame(f) for f in s["trace"]]
        s["registers"] = dict(list(s["registers"].items())[:4]) | {"of": len(s["registers"])} if s["registers"] else {}
    return splats


@pytest.mark.parametrize("log", LOGS, ids=[p.stem for p in LOGS])
def test_crash_corpus(log: Path, update: bool) -> None:
    expected = log.with_suffix(".json")
    got = json.dumps(answer(log), indent=1) + "\n"
    if update:
        expected.write_text(got)
    assert expected.exists(), "no answer yet: --update writes it"
    assert got == expected.read_text()


def test_the_corpus_has_every_class() -> None:
    """Each name in the table is the answer to some log: a class that is broken or gone turns one red."""
    table = (ROOT / "results" / "splat_class.c").read_text().splitlines()
    names = {line.split('"')[1] for line in table if line.startswith('\t{"')} - {"cut-here", "down"}
    seen = {s["class"] for log in LOGS for s in json.loads(log.with_suffix(".json").read_text())}
    assert len(LOGS) >= 120
    assert names - seen == set()


def test_a_log_through_a_pipe_gives_the_same_answer() -> None:
    whole = pmuvet("crash", "--json", str(OOPS)).stdout
    program = [str(NATIVE / "runner" / "pmuvet"), "crash", "--json", "-"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin and child.stdout
        for i in range(0, len(text := OOPS.read_text()), 7):
            child.stdin.write(text[i:i + 7])
            child.stdin.flush()
        child.stdin.close()
        assert child.stdout.read() == whole
    assert child.returncode == 1


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    """Peak memory of a long log is that of a short one: the parser keeps nothing."""
    def peak(copies: int) -> int:
        log = tmp_path / f"{copies}.log"
        log.write_bytes(OOPS.read_bytes() * copies)
        with open(os.devnull, "wb") as null, subprocess.Popen(
                [str(NATIVE / "runner" / "pmuvet"), "crash", "--json", str(log)], stdout=null) as child:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 1
        return usage.ru_maxrss

    assert peak(2000) < peak(20) + 1024


def test_the_report_is_for_a_mail() -> None:
    out = pmuvet("crash", str(OOPS)).stdout
    lines = out.splitlines()
    assert lines[0] == "BUG: unable to handle kernel NULL pointer dereference in perf_event_update_userpage"
    assert any(line.strip().startswith("> perf_event_update_userpage+") for line in lines)
    assert "? __die_body" not in out and "panic: Fatal exception" in out
    assert all(len(line) <= 100 and line.isprintable() for line in lines)
    assert "? __die_body" in pmuvet("crash", "--all", str(OOPS)).stdout


def test_several_logs_are_told_apart() -> None:
    quiet = CORPUS / "177-quiet.log"
    result = pmuvet("crash", str(quiet), str(OOPS))
    assert result.returncode == 1 and f"{OOPS}: BUG: " in result.stdout
    assert pmuvet("crash", str(quiet)).stdout == "no splat found\n"
    rows = [json.loads(line) for line in pmuvet("crash", "--json", str(quiet), str(OOPS)).stdout.splitlines()]
    assert [r["log"] for r in rows] == [str(OOPS)]


@pytest.mark.parametrize(("args", "status", "says"), [
    ((), 2, "needs a log"),
    (("--nonsense", "x"), 2, "unrecognized option"),
    (("/nonexistent/log",), 3, "/nonexistent/log: No such file or directory"),
    (("/",), 3, "/: Is a directory"),
])
def test_errors_say_what_is_wrong(args: tuple[str, ...], status: int, says: str) -> None:
    result = pmuvet("crash", *args)
    assert result.returncode == status
    assert says in result.stderr and "pmuvet crash" in result.stderr


def test_an_unreadable_log_does_not_hide_the_others() -> None:
    result = pmuvet("crash", "/nonexistent/log", str(OOPS))
    assert result.returncode == 3 and "perf_event_update_userpage" in result.stdout


def test_a_full_disk_is_an_error() -> None:
    with open("/dev/full", "wb") as full:
        result = subprocess.run([str(NATIVE / "runner" / "pmuvet"), "crash", str(OOPS)], stdout=full,
                                stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 3 and "No space left on device" in result.stderr
