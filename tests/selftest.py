#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Runs everything that tests pmuvet: cmocka through meson, then pytest. The launcher has built it all.

Last line: `N passed, N failed, N skipped`, summed over every single test. Exit 0 only when something ran and nothing
failed. Arguments go to pytest (`./pmuvet selftest -k compare`).
"""
from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skips: list[str] = field(default_factory=list)

    def add_junit(self, path: Path) -> bool:
        """Adds a JUnit file's test cases; False when it is missing or broken."""
        try:
            tree = ET.parse(path)
        except (OSError, ET.ParseError):
            return False
        for case in tree.iter("testcase"):
            name = f"{case.get('classname', '')}.{case.get('name', '')}"
            skipped = case.find("skipped")
            if case.find("failure") is not None or case.find("error") is not None:
                self.failed += 1
            elif skipped is not None:
                self.skips.append(f"{name}: {skipped.get('message') or 'no reason given'}")
            else:
                self.passed += 1
        return True


def run(argv: list[str], env: dict[str, str]) -> int:
    print("+", " ".join(argv), flush=True)
    return subprocess.run(argv, cwd=ROOT, env=env, check=False).returncode


def main() -> int:
    env = dict(os.environ, PMUVET_ROOT=str(ROOT), PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")
    counts = Counts()
    only_pytest = len(sys.argv) > 1

    if not only_pytest:
        status = run(["meson", "test", "-C", str(BUILD / "native"), "--no-rebuild", "--print-errorlogs"], env)
        log = BUILD / "native" / "meson-logs" / "testlog.junit.xml"
        if not counts.add_junit(log) or (status and not counts.failed):
            print(f"meson test ended with {status} and no usable {log}")
            counts.failed += 1

    junit = BUILD / "pytest.junit.xml"
    junit.unlink(missing_ok=True)
    status = run(["/usr/bin/python3", "-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "--junitxml", str(junit),
                  "-p", "no:cacheprovider", "tests", *sys.argv[1:]], env)
    before = counts.failed
    if not counts.add_junit(junit) or (status not in (0, 5) and counts.failed == before):
        print(f"pytest ended with {status} and no usable {junit}")
        counts.failed += 1

    for skip in counts.skips:
        print(f"skipped: {skip}")
    print(f"{counts.passed} passed, {counts.failed} failed, {len(counts.skips)} skipped")
    return 1 if counts.failed or not counts.passed else 0


if __name__ == "__main__":
    sys.exit(main())
