# SPDX-License-Identifier: GPL-2.0-only
"""The table of captured logs and the ways to die name what is there."""
from __future__ import annotations

import re

from tests.guests import capture, provoke

ROWS = capture.rows(capture.HERE / "captures.yaml")
REQUIRED = {"panic", "panic-nmi", "oops", "oops-irq", "reset", "irqs-off-spin", "soft-hang", "corrupt-tables"}


def ways() -> dict[str, set[str]]:
    """Names by source file."""
    return {path.name: set(re.findall(r'\{ "([a-z-]+)", PV_', path.read_text()))
            for path in provoke.SOURCES.glob("*.c")}


def test_what_a_runner_must_tell_apart_is_there_on_both_architectures() -> None:
    assert REQUIRED <= ways()["dead.c"]
    assert not ways()["x86_64.c"] & REQUIRED and not ways()["arm64.c"] & REQUIRED


def test_a_name_means_one_thing_on_each_architecture() -> None:
    found = ways()
    common = [name for file, names in found.items() if file not in ("x86_64.c", "arm64.c") for name in names]
    assert len(common) == len(set(common)) > 50
    assert not set(common) & (found["x86_64.c"] | found["arm64.c"])


def test_each_row_asks_for_a_way_that_its_architecture_has() -> None:
    found = ways()
    for row in ROWS:
        other = "arm64.c" if row.platform == "x86_64" else "x86_64.c"
        there = set().union(*(names for file, names in found.items() if file != other))
        for word in row.do:
            if word.startswith("die:"):
                assert word.removeprefix("die:") in there, row.log


def test_logs_have_numbers_of_their_own_and_what_they_were_to_show() -> None:
    numbers = [row.log.partition("-")[0] for row in ROWS]
    assert len(numbers) == len(set(numbers))
    for row in ROWS:
        path = capture.CORPUS / f"{row.log}.log"
        if path.exists():
            text = path.read_bytes()
            assert re.search(row.sees.encode(), text), row.log
            assert len(text) <= capture.LOG_MAX and b"@pv " not in text, row.log
            assert not re.search(rb"/(?:root|home|tmp|work)/", text.replace(b"/dev/root", b"")), row.log


def test_a_log_begins_with_its_kernel_and_some_lines_before_the_trouble() -> None:
    boot = b"".join(b"[    0.%06d] line %d\r\n" % (n, n) for n in range(100))
    log = (b"[    0.000000] Linux version 1\r\n[    0.000000] Command line: x\r\n" + boot
           + b'@pv 4 0123abcd {"event":"hello"}\n[    1.0] pv_provoke: loading out-of-tree module\n[    1.1] BUG: a@pv 5 0123abcd {}\nb\n')
    lines = capture.trimmed(log).splitlines()
    assert lines[:2] == [b"[    0.000000] Linux version 1", b"[    0.000000] Command line: x"]
    assert len(lines) == 2 + capture.BEFORE + 3 and lines[-2:] == [b"[    1.1] BUG: a", b"b"]
    assert len(capture.trimmed(log + b"[    2.0] more\n" * 5000)) <= capture.LOG_MAX
