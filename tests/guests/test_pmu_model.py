# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own drivers on QEMU's PMU model, where it is built: they come up without complaint, count exactly, and the same twice."""
from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .conftest import ROOT, environment

sys.path.insert(0, str(ROOT / "vm-images"))

import qemubuild  # noqa: E402

DRIVER = {
    "intel-haswell": "Haswell events, 16-deep LBR, full-width counters, Intel PMU driver",
    "intel-skylake": "Skylake events, 32-deep LBR, full-width counters, Intel PMU driver",
    "intel-icelake": "AnyThread deprecated, Icelake events, 32-deep LBR, full-width counters, Intel PMU driver",
    "intel-sapphirerapids": "Sapphire Rapids events, 32-deep LBR, full-width counters, Intel PMU driver",
    "amd-zen2": "Fam17h+ core perfctr, AMD PMU driver",
    "amd-zen4": "Fam17h+ 16-deep LBR, core perfctr, AMD PMU driver",
}
COMPLAINTS = re.compile(r"unchecked MSR|WARNING|BUG:|Failed to access perfctr|Broken BIOS|PMU not available|Broken PMU|no PMU driver")


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    if "QEMU" not in os.environ and not qemubuild.Qemu().image().exists():
        pytest.skip("QEMU with the PMU model is not built: ./pmuvet qemu build")


@dataclass(frozen=True)
class Run:
    verdicts: dict[str, str]
    evidence: list[dict[str, Any]]
    console: str


# A promise of the model that is broken, and a case that must turn red.
BROKEN = {
    "bts-target": "intel-bts/bts/calls:*",
    "bts-lost": "intel-bts/bts/switches:*",
    "bts-pmi": "intel-bts/aux/watermark:branches,4",
    "bts-level": "intel-bts/bts/modes:branches,user",
    "bts-ring": "intel-bts/bts/newest:branches,4",
    "pebs-ip": "intel-core/pebs/exact:loads",
    "pebs-regs": "intel-core/pebs/registers:stores",
    "pebs-address": "intel-core/pebs/address:loads",
    "pebs-time": "intel-core/pebs/time",
    "pebs-reload": "intel-core/pebs/exact:branches",
    "pebs-lost": "intel-core/pebs/exact:instructions",
}
BROKEN_MORE = {
    "lbr-order": ("amd-zen4", "amd-core/branch/order"),
    "lbr-select": ("amd-zen4", "amd-core/branch/filters:cond"),
    "lbr-freeze": ("amd-zen4", "amd-core/branch/frozen"),
    "ibs-period": ("amd-zen4", "ibs-*/ibs/maxcnt"),
    "ibs-rip": ("amd-zen4", "ibs-op/ibs/branches"),
    "ibs-target": ("amd-zen4", "ibs-op/ibs/branches"),
    "ibs-address": ("amd-zen4", "ibs-op/ibs/stores"),
    "ibs-latency": ("amd-zen4", "ibs-op/ibs/loads:memory"),
    "ibs-l3": ("amd-zen4", "ibs-*/ibs/l3*"),
    "running": ("intel-icelake", "msr/msr/mperf"),
    "box-share": ("intel-icelake", "uncore/uncore/shares"),
    "box-clock": ("intel-icelake", "uncore/uncore/clock"),
}
WRAPPER = """#!/bin/sh
for a; do case $a in *pv-pmu=*) a="$a,pv-pmu-break=%s";; esac; set -- "$@" "$a"; shift; done
exec %s "$@"
"""


def guest(directory: Path, platform: str, *globs: str, qemu: Path | None = None) -> Run:
    filters = [word for glob in globs for word in ("--filter", glob)]
    argv = ["/usr/bin/python3", "-m", "runner.guest", "run", "--platform", platform, "--accel", "tcg", "--append", "loglevel=7",
            "--boot-timeout", "300", "--silence", "120", "--keep", str(directory), "--", *filters]
    done = subprocess.run(argv, cwd=ROOT, env=environment() | ({"QEMU": str(qemu)} if qemu else {}), capture_output=True, timeout=590, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr.decode()
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    return Run({e["case"]: e["verdict"] for e in seen if e["event"] == "case_end"},
               [{k: e[k] for k in e if k != "t"} for e in seen if e["event"] == "evidence"],
               "".join(path.read_text(errors="replace") for path in sorted(directory.glob("*/console"))))


@pytest.mark.parametrize("platform", DRIVER)
def test_the_driver_comes_up_and_counts_exactly(platform: str, tmp_path: Path) -> None:
    family = platform.split("-")[0] + "-core"
    more = [f"{family}/branch/*"] if "LBR" in DRIVER[platform] else []
    run = guest(tmp_path, platform, "hw/counting/*", "hw/ring/law_counter*", "hw/overflow/*", f"{family}/counting/*", *more)
    assert set(run.verdicts.values()) == {"pass"} and len(run.verdicts) > 30
    assert DRIVER[platform] in run.console
    assert not COMPLAINTS.findall(run.console)


@pytest.mark.parametrize("platform", ["intel-skylake", "amd-zen4"])
def test_two_runs_give_identical_evidence(platform: str, tmp_path: Path) -> None:
    runs = [guest(tmp_path / name, platform, "hw/counting/*", "hw/ring/*") for name in ("a", "b")]
    assert len(runs[0].evidence) > 50 and runs[0].evidence == runs[1].evidence


@pytest.mark.parametrize("platform", ["intel-haswell", "intel-icelake", "amd-zen2"])
def test_the_driver_keeps_to_the_rules_of_the_registers(platform: str, tmp_path: Path) -> None:
    family = platform.split("-")[0] + "-core"
    more = [] if family == "amd-core" else [f"{family}/constraint/*", f"{family}/offcore/*"]
    run = guest(tmp_path, platform, f"{family}/driver/*", *more)
    # Errata of the kernel, docs/findings.md.
    errata = {"refused:any", "debug_store:bts", "debug_store:pebs"}
    red = {case for case, verdict in run.verdicts.items() if verdict != "pass"}
    assert red <= {f"intel-core/driver/{name}" for name in errata} and len(run.verdicts) > 25


BREAKS = {promise: ("intel-skylake", case) for promise, case in BROKEN.items()} | BROKEN_MORE


@pytest.mark.parametrize("promise", BREAKS)
def test_a_broken_promise_turns_its_case_red(promise: str, tmp_path: Path) -> None:
    program = os.environ.get("QEMU") or str(qemubuild.Qemu().image())
    wrapper = tmp_path / "qemu"
    wrapper.write_text(WRAPPER % (promise, shlex.quote(program)))
    wrapper.chmod(0o755)
    platform, case = BREAKS[promise]
    run = guest(tmp_path / "guest", platform, case, qemu=wrapper)
    assert run.verdicts and set(run.verdicts.values()) == {"fail"}


def test_branches_are_traced_into_an_aux_buffer(tmp_path: Path) -> None:
    run = guest(tmp_path, "intel-skylake", "intel-bts/*")
    red = {case for case, verdict in run.verdicts.items() if verdict != "pass"}
    # An erratum of the kernel, docs/findings.md.
    assert red <= {f"intel-bts/aux/overrun:branches,{pages}" for pages in (2, 16)} and len(run.verdicts) > 40
    assert not COMPLAINTS.findall(run.console)
