#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Measures pmuvet against what it must not cost more than, as ratios within one run.

`./pmuvet benchmark [--only engine|compare|splat|regress]`. Prints one table; docs/benchmarks.md keeps the figures.
"""
from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
PLATFORMS = {"arm64": "arm64", "x86_64": "native"}
KERNELS = ("deb:bookworm", "deb:sid")
REPEAT = 100


def run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PMUVET_ROOT=str(ROOT), PYTHONPATH=str(ROOT))
    sys.stdout.flush()
    return subprocess.run(argv, timeout=300, cwd=ROOT, env=env, text=True, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def guest(platform: str, kernel: str, agent: Path, *args: str) -> str:
    """The stream of a guest that runs `agent`."""
    result = run(["/usr/bin/python3", "-m", "runner.guest", "run", "--platform", platform, "--kernel", kernel,
                  "--agent", str(agent), "--", *args])
    if result.returncode:
        sys.exit(f"guest {platform} {kernel}: exit {result.returncode}\n{result.stderr}")
    return result.stdout


def engine_row(where: str, stream: str) -> str:
    bare, empty = [], []
    for line in stream.splitlines():
        event = json.loads(line)
        if event["event"] == "evidence" and event["name"] == "ns_per_fork":
            bare.append(event["observed"] / 1e3)
        if event["event"] == "case_end" and event["case"] == "bench/engine/empty":
            empty.append(event["seconds"] * 1e6)
    fork, case = statistics.median(bare), statistics.median(empty)
    return f"{where:24} fork+wait {fork:8.1f} us   empty case {case:8.1f} us   ratio {case / fork:.2f}"


def engine() -> None:
    host = BUILD / "native" / "tests" / "engine" / "engine-test"
    print(engine_row("engine host", run([str(host), "--filter", "bench/*", "--repeat", str(REPEAT)]).stdout))
    for platform, build in PLATFORMS.items():
        agent = BUILD / build / "tests" / "engine" / "engine-test"
        forks = guest(platform, KERNELS[0], agent, "--filter", "bench/engine/fork")
        empty = guest(platform, KERNELS[0], agent, "--filter", "bench/engine/empty", "--repeat", str(REPEAT))
        print(engine_row(f"engine guest {platform}", forks + empty))


def compare() -> None:
    result = run(["meson", "test", "-C", str(BUILD / "native"), "--no-rebuild", "--benchmark", "--verbose", "compare"])
    for line in result.stdout.splitlines():
        if line.endswith(" x") or "MiB of stream" in line:
            print(line)


def splat() -> None:
    result = run(["/usr/bin/python3", str(ROOT / "tests" / "bench" / "splat_bench.py"), str(BUILD / "native" / "runner" / "pmuvet")])
    print(result.stdout, end="")


def regress() -> None:
    bare = 0.0
    for platform, build in PLATFORMS.items():
        agent = BUILD / build / "tests" / "engine" / "engine-test"
        for kernel in KERNELS:
            start = time.monotonic()
            guest(platform, kernel, agent, "--filter", "bench/engine/empty")
            seconds = time.monotonic() - start
            bare += seconds
            print(f"{'bare boot ' + platform:24} {kernel:16} {seconds:6.2f} s")
    with tempfile.TemporaryDirectory() as tmp:
        start = time.monotonic()
        result = run([str(BUILD / "native" / "runner" / "pmuvet"), "regress", "--output", tmp])
        seconds = time.monotonic() - start
    print(f"{'regress':24} exit {result.returncode}   {seconds:.2f} s   four bare boots {bare:.2f} s   ratio {seconds / bare:.2f}")


PARTS = {"engine": engine, "compare": compare, "splat": splat, "regress": regress}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append")
    for name in parser.parse_args().only or PARTS:
        PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
