#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How fast `pmuvet compare` is: two streams of 100,000 cases (begin, one evidence, end).

    compare_bench.py PMUVET [CASES]

Prints wall time and memory of the best of five runs, and of what people do today: loading both files with
Python's json module, and `diff` of two sorted KTAP texts (which cannot tell a changed number). The figure to
reach is 1 s and 200 MB; it is printed, not enforced. Exit 1 only when compare's answer is wrong.
"""
from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

RUNS = 5
REGRESSED_EVERY = 10_000
CHANGED_EVERY = 1_000

BASELINE = """
import json, sys
def load(path):
    cases = {}
    for line in open(path, encoding="utf-8"):
        event = json.loads(line)
        if event["event"] == "case_end":
            cases[event["case"]] = event["verdict"]
    return cases
a, b = load(sys.argv[1]), load(sys.argv[2])
sys.exit(any(a[case] != b.get(case) for case in a))
"""


@dataclass
class Measured:
    seconds: float
    mebibytes: float
    status: int


def measure(argv: list[str], runs: int) -> Measured:
    best = Measured(float("inf"), 0.0, -1)
    for _ in range(runs):
        start = time.perf_counter()
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as child:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - start
        if seconds < best.seconds:
            best = Measured(seconds, usage.ru_maxrss / 1024, child.returncode)
    return best


def write(stream: Path, ktap: Path, cases: int, new: bool) -> None:
    with stream.open("w", encoding="ascii") as s, ktap.open("w", encoding="ascii") as k:
        s.write('{"event":"run_begin","schema":1,"tool":"0","platform":"arm64","arch":"arm64","accel":"tcg",'
                '"deterministic":true,"kernel":{"release":"%s"}}\n' % ("7.2" if new else "6.1"))
        s.write('{"event":"plan","count":%d}\n' % cases)
        for i in range(cases):
            case = f"pmuv3/counting/exact:event_{i:06d},single"
            bad = new and i % REGRESSED_EVERY == 0
            observed = 1_000_000 + (1 if new and i % CHANGED_EVERY == 1 else 0)
            verdict = "fail" if bad else "pass"
            s.write(f'{{"event":"case_begin","case":"{case}","rep":0}}\n'
                    f'{{"event":"evidence","case":"{case}","rep":0,"name":"count","op":"in","observed":{observed},'
                    f'"lo":1000000,"hi":1000010,"ok":{"false" if bad else "true"},"at":"counting.c:42"}}\n'
                    f'{{"event":"case_end","case":"{case}","rep":0,"verdict":"{verdict}",'
                    f'"reason":"","seconds":0.001234}}\n')
            k.write(f"{'not ok' if bad else 'ok'} - {case}\n")
        s.write('{"event":"run_end","verdicts":{},"complete":true,"seconds":1.0}\n')


def main() -> int:
    if not 2 <= len(sys.argv) <= 3 or (len(sys.argv) == 3 and not sys.argv[2].isdigit()):
        print("usage: compare_bench.py PMUVET [CASES]", file=sys.stderr)
        return 2
    pmuvet, cases = sys.argv[1], int(sys.argv[2]) if len(sys.argv) == 3 else 100_000

    with tempfile.TemporaryDirectory() as tmp:
        a, b, ka, kb = (Path(tmp) / name for name in ("a.jsonl", "b.jsonl", "a.ktap", "b.ktap"))
        write(a, ka, cases, False)
        write(b, kb, cases, True)
        size = (a.stat().st_size + b.stat().st_size) / 2**20
        ours = measure([pmuvet, "compare", str(a), str(b)], RUNS)
        answer = subprocess.run([pmuvet, "compare", str(a), str(b)], capture_output=True, text=True,
                                check=False).stdout
        python = measure([sys.executable, "-c", BASELINE, str(a), str(b)], 2)
        diff = measure(["sh", "-c", 'sort "$1" >"$1.s"; sort "$2" >"$2.s"; diff "$1.s" "$2.s"', "sh",
                        str(ka), str(kb)], 2)

    print(f"{cases} cases each, {size:.0f} MiB of stream, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    for name, m in (("pmuvet compare", ours), ("python3 json, verdicts only", python),
                    ("sort + diff of KTAP, verdicts only", diff)):
        print(f"{name:36} {m.seconds:7.2f} s {m.mebibytes:7.0f} MiB   {m.seconds / ours.seconds:5.1f} x")
    regressed = (cases + REGRESSED_EVERY - 1) // REGRESSED_EVERY
    changed = (cases + CHANGED_EVERY - 2) // CHANGED_EVERY
    wanted = f"{regressed} regressed, {changed} changed evidence"
    if ours.status != 1 or wanted not in answer:
        print(f"wrong answer, wanted exit 1 and '{wanted}':\n{answer}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
