# SPDX-License-Identifier: GPL-2.0-only
"""`pmuvet compare` on streams that were cut, mutated or shuffled: an answer or a clear error, never a silent pass."""
from __future__ import annotations

import json
import random
import re
from pathlib import Path

from tests.conftest import pmuvet

CASES = 4


def lines(*bad: int) -> list[bytes]:
    out = [{"event": "run_begin", "schema": 1, "tool": "0", "platform": "p", "arch": "x86_64", "accel": "tcg",
            "deterministic": False, "kernel": {"release": "6.1"}}, {"event": "plan", "count": CASES}]
    for i in range(CASES):
        case = {"case": f"f/c/n:{i}", "rep": 0}
        ok = i not in bad
        out += [{"event": "case_begin", **case},
                {"event": "evidence", **case, "name": "count", "op": "==", "observed": 7 if ok else 6, "expected": 7,
                 "ok": ok, "at": "x.c:1"},
                {"event": "case_end", **case, "verdict": "pass" if ok else "fail", "reason": "failed: count"}]
    out.append({"event": "run_end", "verdicts": {}, "complete": True})
    return [json.dumps(e).encode() + b"\n" for e in out]


def write(path: Path, content: list[bytes]) -> str:
    path.write_bytes(b"".join(content))
    return str(path)


def test_a_truncated_stream_is_never_a_success(tmp_path: Path) -> None:
    whole = write(tmp_path / "a", lines())
    text = b"".join(lines())
    assert pmuvet("compare", whole, whole).returncode == 0
    for cut in range(0, len(text), 37):
        part = write(tmp_path / "b", [text[:cut]])
        for pair in ((whole, part), (part, whole)):
            result = pmuvet("compare", *pair)
            assert result.returncode in (1, 3), (cut, result)
            assert "PARTIAL" in result.stdout or re.match(r"pmuvet compare: \S+/b: ", result.stderr), (cut, result)


def test_a_regression_in_a_partial_stream_is_still_one(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", lines()), write(tmp_path / "b", lines(0)[:-1])
    result = pmuvet("compare", a, b)
    assert result.returncode == 1
    assert "count: expected 7, observed 7 -> 6" in result.stdout and "PARTIAL" in result.stdout


def test_what_broke_in_the_same_way_is_told_once(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", lines()), write(tmp_path / "b", lines(*range(CASES)))
    result = pmuvet("compare", a, b)
    assert f"and {CASES - 1} more like it" in result.stdout and result.stdout.count("pass -> fail") == 1
    assert pmuvet("compare", "--all", a, b).stdout.count("pass -> fail") == CASES


def test_reordered_lines_are_refused_by_place(tmp_path: Path) -> None:
    a = write(tmp_path / "a", lines())
    for i in range(2, 2 + 3 * CASES - 1):
        swapped = lines()
        swapped[i], swapped[i + 1] = swapped[i + 1], swapped[i]
        result = pmuvet("compare", a, write(tmp_path / "b", swapped))
        assert result.returncode == 3
        assert re.match(rf"pmuvet compare: \S+/b:({i + 1}|{i + 2}|{i + 3}): ", result.stderr), (i, result.stderr)


def test_mutated_streams_end_in_an_exit_code(tmp_path: Path) -> None:
    rng = random.Random(7)
    a = write(tmp_path / "a", lines())
    for _ in range(150):
        text = bytearray(b"".join(lines()))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(text))
            how = rng.randrange(3)
            if how == 0:
                text[at] = rng.randrange(256)
            elif how == 1:
                del text[at:at + rng.randint(1, 60)]
            else:
                text[at:at] = text[rng.randrange(len(text)):][:rng.randint(1, 60)]
        result = pmuvet("compare", a, write(tmp_path / "b", [bytes(text)]))
        assert result.returncode in (0, 1, 3), (bytes(text), result)
        if result.returncode == 3 and "PARTIAL" not in result.stdout:
            assert re.match(r"pmuvet compare: \S+/b:\d+: \S", result.stderr), result


def test_json_says_what_the_report_says(tmp_path: Path) -> None:
    a, b, out = write(tmp_path / "a", lines()), write(tmp_path / "b", lines(2)), tmp_path / "out.json"
    assert pmuvet("compare", "--json", str(out), a, b).returncode == 1
    answer = json.loads(out.read_text(encoding="utf-8"))["comparisons"][0]
    assert answer["exit"] == answer["regressions"] == answer["classes"]["regressed"] == 1
    change, = answer["changes"]
    assert (change["case"], change["class"]) == ("f/c/n:2", "regressed")
    evidence, = change["evidence"]
    assert (evidence["a"]["min"], evidence["b"]["min"], evidence["b"]["lo"]) == (7, 6, 7)


def test_output_that_cannot_be_written_is_no_success(tmp_path: Path) -> None:
    a = write(tmp_path / "a", lines())
    result = pmuvet("compare", "--json", "/dev/full", a, a)
    assert result.returncode == 3
    assert "/dev/full: No space left on device" in result.stderr
