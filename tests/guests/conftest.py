# SPDX-License-Identifier: GPL-2.0-only
"""Guest tests: the room's modules, a misbehaving init, and a runner to boot it with."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
for directory in (ROOT, ROOT / "vm-images"):
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))

HERE = Path(__file__).resolve().parent
COMPILERS = {"x86_64": "gcc", "arm64": "aarch64-linux-gnu-gcc"}


@dataclass(frozen=True)
class Result:
    status: int
    events: list[dict[str, Any]]
    errors: str

    def of(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == name]

    def ends(self) -> dict[str, dict[str, Any]]:
        """case_end by the last part of the case's id."""
        return {event["case"].rpartition("/")[2]: event for event in self.of("case_end")}


def frame(seq: int, payload: dict[str, Any] | bytes) -> bytes:
    """A frame as the agent makes it."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return b"@pv %d %08x %s\n" % (seq, zlib.crc32(b"%d " % seq + body), body)


def command(platform: str, init: Path, modes: tuple[str, ...], *options: str) -> list[str]:
    return ["/usr/bin/python3", "-m", "runner.guest", "run", "--platform", platform, "--accel", "tcg",
            "--agent", str(init), *options, "--", *modes]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **more}


@pytest.fixture(scope="session")
def inits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """testinit for each architecture."""
    directory = tmp_path_factory.mktemp("init")
    found = {}
    for arch, compiler in COMPILERS.items():
        found[arch] = directory / arch
        subprocess.run([compiler, "-std=gnu11", "-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o",
                        str(found[arch]), str(HERE / "testinit.c")], check=True)
    return found


@pytest.fixture(scope="session")
def boot(inits: dict[str, Path]) -> Callable[..., Result]:
    def start(platform: str, *modes: str, options: tuple[str, ...] = ()) -> Result:
        done = subprocess.run(command(platform, inits[platform], modes, *options), cwd=ROOT,
                              env=environment(), capture_output=True, timeout=900,
                              stdin=subprocess.DEVNULL)
        events = [json.loads(line) for line in done.stdout.splitlines()]
        return Result(done.returncode, events, done.stderr.decode())

    return start
