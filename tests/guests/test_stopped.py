# SPDX-License-Identifier: GPL-2.0-only
"""A guest that stands still because QEMU was told so: by someone with a monitor, by the accelerator that gave up."""
from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.guest.qmp import Monitor
from tests.conftest import ROOT

from .conftest import HERE, command, environment

QEMU = {"arm64": "qemu-system-aarch64", "x86_64": "qemu-system-x86_64"}
VERDICT_MAX = 10.0
Events = list[dict[str, Any]]


class Run:
    """A runner whose guest is in a case that beats and does not end; QEMU is started by a script."""

    def __init__(self, platform: str, init: Path, directory: Path, before: str, behind: str) -> None:
        qemu = directory / "qemu"
        qemu.write_text(f'#!/bin/sh\n{before} exec {QEMU[platform]} "$@" {behind}\n')
        qemu.chmod(0o755)
        self.process = subprocess.Popen(command(platform, init, ("+beating",), "--no-retry", "--timeout", "20"), cwd=ROOT,
                                        env=environment(QEMU=str(qemu)), stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL)
        self.events: Events = []
        self.until("case_begin")

    def until(self, name: str) -> dict[str, Any]:
        assert self.process.stdout
        while line := self.process.stdout.readline():
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == name:
                return self.events[-1]
        raise AssertionError(f"no {name}: {self.events[-3:]}")


@pytest.fixture
def start(inits: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Run]]:
    runs = []

    def run(platform: str, directory: Path, before: str = "", behind: str = "") -> Run:
        runs.append(Run(platform, inits[platform], directory, before, behind))
        return runs[-1]

    yield run
    for one in runs:
        one.process.kill()
        one.process.wait()


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short path: sockets are made below it."""
    return tmp_path_factory.mktemp("s")


@pytest.mark.parametrize("platform", ["arm64"])
def test_who_pauses_the_guest_and_goes_away_is_named(platform: str, start: Callable[..., Run], scratch: Path) -> None:
    run = start(platform, scratch, behind=f"-qmp unix:{scratch}/other,server=on,wait=off")
    other = Monitor(scratch / "other")
    # A short pause is nobody's death: neighbours of a soak make them.
    other.stop()
    assert other.status() == "paused"
    time.sleep(1)
    other.command("cont")
    stopped = time.monotonic()
    other.stop()
    death = run.until("death")
    assert death["kind"] == "paused" and "someone paused the guest" in death["title"]
    assert time.monotonic() - stopped < VERDICT_MAX
    end = run.until("case_end")
    assert end["verdict"] == "error" and end["death"] == "paused"
    names = [event["name"] for event in run.events if event["event"] == "qmp"]
    assert names.count("STOP") == 2 and names.count("RESUME") == 1


@pytest.mark.parametrize("platform", ["x86_64"])
def test_an_accelerator_that_gives_up_is_an_error_of_the_harness(platform: str, start: Callable[..., Run],
                                                                  scratch: Path) -> None:
    shim, pipe = scratch / "vmstop.so", scratch / "pipe"
    subprocess.run(["gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(shim),
                    str(HERE / "vmstop.c")], check=True)
    os.mkfifo(pipe)
    run = start(platform, scratch, before=f"LD_PRELOAD={shim} PV_PIPE={pipe}")
    stopped = time.monotonic()
    pipe.write_text("internal-error")
    death = run.until("death")
    assert time.monotonic() - stopped < VERDICT_MAX
    assert death["kind"] == "accelerator" and "KVM internal error. Suberror: 1" in death["title"]
    # The guest stands still: its registers are those of the moment.
    assert death["cpus"] and all(cpu["state"] == "stopped" and cpu["registers"] for cpu in death["cpus"])
    assert run.until("case_end")["verdict"] == "error"
