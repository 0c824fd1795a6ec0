# SPDX-License-Identifier: GPL-2.0-only
"""`pmuvet repro`: which programs it writes from what, and what it says of bad input."""
from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runner.repro.cli import COMPILERS
from tests.conftest import ROOT, pmuvet

CASE = "breakpoint/toggles/again:r4,sw-leader"
BEGIN = {"event": "run_begin", "schema": 1, "platform": "arm64", "arch": "arm64", "accel": "tcg", "deterministic": True,
         "seed": 77, "tool": "0.1", "start": "2026-11-28T10:00:00Z",
         "kernel": {"release": "6.12.1-arm64", "build_id": "abcd", "package": "linux-image-x", "package_version": "6.12-1",
                    "cmdline": "console=ttyAMA0 /* odd */"},
         "descriptors": {"breakpoint": {"name": "breakpoint", "hash": "1"}},
         "qemu": ["qemu-system-aarch64", "-accel", "tcg", "-action", "reboot=shutdown,shutdown=pause,panic=none", "-chardev", "file,id=console,path=/t/console", "-chardev",
                  "file,id=results,path=/t/results", "-chardev", "socket,id=monitor,path=/t/monitor,server=on,wait=off", "-mon",
                  "chardev=monitor,mode=control", "-serial", "chardev:console", "-device", "virtio-serial-pci", "-device",
                  "virtserialport,chardev=results,name=pmuvet.results", "-kernel", "/k/Image", "-initrd", "/t/initramfs",
                  "-append", "console=ttyAMA0 panic=-1"]}


def stream(path: Path, *more: dict[str, Any], begin: dict[str, Any] = BEGIN) -> Path:
    path.write_text("".join(json.dumps(event) + "\n" for event in (begin, {"event": "plan", "count": 3}, *more)))
    return path


def died(case: str, **keys: Any) -> list[dict[str, Any]]:
    return [{"event": "case_begin", "case": case, "rep": 0},
            {"event": "case_end", "case": case, "rep": 0, "verdict": "crash", "reason": "it died", **keys}]


def again(case: str, prefix: list[str]) -> dict[str, Any]:
    return {"event": "again", "case": case, "rep": 0, "title": "t", "alone": not prefix, "reproduced": True, "prefix": prefix}


def compiles(source: Path, arch: str) -> None:
    done = subprocess.run([COMPILERS[arch], "-O1", "-static", "-Wall", "-Werror", "-o", str(source.with_suffix("")),
                           str(source)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]


@pytest.mark.parametrize("platform, arch", [("x86_64", "x86_64"), ("arm64", "arm64")])
@pytest.mark.parametrize("case", [
    "sw/counting/live:page-faults,single", "perf/fuzz/sequence:mix,200", "perf/errors/attr_size:ver0",
    "tracepoint/cgroup/nested", "breakpoint/exec/enable:group", "kprobe/counting/live:getppid,single", "perf/sideband/build_id:elf64",
])
def test_one_file_compiles_without_pmuvet(case: str, platform: str, arch: str, tmp_path: Path) -> None:
    out = tmp_path / "r.c"
    done = pmuvet("repro", case, "--platform", platform, "-o", str(out))
    assert done.returncode == 0, done.stderr
    text = out.read_text()
    assert text.startswith("/* SPDX-License-Identifier: GPL-2.0-only */\n/*\n * The case ") and case in text
    assert not re.search(r'^#\s*include\s+"', text, re.MULTILINE)
    compiles(out, arch)


def test_a_case_goes_to_standard_output() -> None:
    done = pmuvet("repro", "sw/counting/live:page-faults,single")
    assert done.returncode == 0 and "int main(" in done.stdout and done.stdout.count("PV_CASE(") == 2


def test_a_crash_is_written_beside_its_stream_with_what_it_needs(tmp_path: Path) -> None:
    other = "sw/counting/live:page-faults,single"
    path = stream(tmp_path / "run.jsonl", *died("sw/counting/live:dummy,single"), *died(CASE, title="BUG: it */ broke"),
                  again(CASE, [other]))
    done = pmuvet("repro", str(path), CASE)
    out = tmp_path / "run.breakpoint-toggles-again-r4-sw-leader.c"
    assert done.returncode == 0 and done.stdout == f"reproducer: {out}\n", done.stderr
    text = out.read_text()
    head = text[:text.index("*/", 100)]
    for words in ("BUG: it * / broke", "crash of " + CASE, "behind the 1 other case(s) below", "6.12.1-arm64", "abcd",
                  "linux-image-x 6.12-1", "-kernel /k/Image -initrd initramfs", "stdio,id=console"):
        assert words in head, head
    for words in ("virtserialport", "monitor", "results", "shutdown=pause"):
        assert words not in head
    assert head.index(f"    {other}\n") < head.index(f"    {CASE}\n")
    assert ".seed = 77ull" in text and ".deterministic = true" in text
    compiles(out, "arm64")


def test_a_sequence_that_diverged_is_its_own_program(tmp_path: Path) -> None:
    case = "perf/fuzz/sequence:mix,200"
    lines = ["#include <stdio.h>", "int main(void)", "{", '\tputs("step 1");', "\treturn 1;", "}"]
    path = stream(tmp_path / "run.jsonl", {"event": "case_begin", "case": case, "rep": 0},
                  *[{"event": "message", "case": case, "rep": 0, "text": f"repro: {line}"} for line in lines],
                  {"event": "case_end", "case": case, "rep": 0, "verdict": "fail", "reason": "count: 3, due is 4"})
    out = tmp_path / "mine.c"
    done = pmuvet("repro", str(path), "-o", str(out))
    assert done.returncode == 0, done.stderr
    assert "count: 3, due is 4" in out.read_text() and out.read_text().endswith("\n".join(lines) + "\n")
    compiles(out, "arm64")


def test_a_stream_without_a_crash_gives_nothing(tmp_path: Path) -> None:
    path = stream(tmp_path / "a.jsonl", {"event": "case_begin", "case": "a/b/c", "rep": 0},
                  {"event": "case_end", "case": "a/b/c", "rep": 0, "verdict": "pass"})
    done = pmuvet("repro", str(path))
    assert done.returncode == 1 and "nothing to reproduce" in done.stderr
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("args, status, words", [
    ((), 2, "CASE-ID|STREAM"), (("nonsense",), 2, "no such stream, and no case id"),
    (("no/such/case",), 2, "no such case"), (("sw/counting/live:page-fault,single",), 2, "near it: sw/counting/live:page-faults"),
    (("sw/counting/live:page-faults,single", "--platform", "vax"), 2, "unknown platform 'vax'"),
    (("pmuv3/counting/live:cpu_cycles,single", "--platform", "x86_64"), 2, "not a case of x86_64"),
    (("missing.jsonl",), 2, "no such stream"), (("sw/counting/live:page-faults,single", "-o", "/nonexistent/x.c"), 3, "/nonexistent"),
])
def test_wrong_usage_is_named(args: tuple[str, ...], status: int, words: str) -> None:
    done = pmuvet("repro", *args)
    assert done.returncode == status and words in done.stderr, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("content, words", [
    (b"", ":1: no event stream"), (b"\xff\xfe\n", ":1: "), (b"[]\n", ":1: not a JSON object"),
    (b'{"event":"plan"}\n', ":1: the first event must be run_begin"), (b"[" * 100000 + b"\n", ":1: "),
    (b'{"event":"run_begin"}\n{"event":"case_end"}\n', ":2: 'case'"),
    (b'{"event":"run_begin"}\n{"event":"case_begin","case":"a","rep":[]}\n', ":2: "),
    (b'{"event":"run_begin"}\n{"x":"' + b"a" * (2 << 20) + b'"}\n', ":2: too long a line"),
], ids=["empty", "no-utf8", "list", "no-begin", "deep", "no-case", "bad-rep", "long"])
def test_a_broken_stream_is_named_by_line(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    done = pmuvet("repro", str(path))
    assert done.returncode == 3 and f"{path}{words}" in done.stderr, done.stderr[-500:]
    assert "Traceback" not in done.stderr


def test_garbage_never_gives_a_traceback(tmp_path: Path) -> None:
    rng = random.Random(1)
    path = stream(tmp_path / "a.jsonl", *died(CASE, title="x"), again(CASE, []))
    whole = path.read_bytes()
    for _ in range(6):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(bytes(data[:rng.randrange(len(data))]))
        done = pmuvet("repro", str(path), "-o", str(tmp_path / "o.c"))
        assert done.returncode in (0, 1, 2, 3) and "Traceback" not in done.stderr, done.stderr
        assert ROOT.exists()
