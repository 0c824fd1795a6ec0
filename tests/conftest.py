# SPDX-License-Identifier: GPL-2.0-only
"""Shared by all Python tests: where the build is, and how to start the commands."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NATIVE = ROOT / "build" / "native"


def pmuvet(*args: str, timeout: float = 120, **kw) -> subprocess.CompletedProcess[str]:
    """The host side's program, without the launcher."""
    env = dict(os.environ, PMUVET_ROOT=str(ROOT), **kw.pop("env", {}))
    return subprocess.run([str(NATIVE / "runner" / "pmuvet"), *args], env=env, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False, **kw)


def events(path: Path) -> list[dict]:
    """The whole lines of a stream."""
    text = path.read_bytes()
    return [json.loads(line) for line in text[:text.rfind(b"\n") + 1].splitlines()]


def verdicts(path: Path) -> dict[tuple[str, int], str]:
    return {(e["case"], e["rep"]): e["verdict"] for e in events(path) if e["event"] == "case_end"}


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update", action="store_true", help="rewrite the expected answers of corpora; read the diff")


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update"))
