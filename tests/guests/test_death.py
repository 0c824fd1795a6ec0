# SPDX-License-Identifier: GPL-2.0-only
"""
Each way for a guest to die, in real kernels: the right kind, the right title, in time, and the cases behind it run.

The engine with cases that die (tests/engine/deaths.c) and a module (provoke/). One run per platform: more than ten
deaths in a row. Prints the table of docs/death.md (pytest -s).
"""
from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import debget
import kernels
import pytest

from tests.conftest import ROOT, events, pmuvet

from . import provoke
from .conftest import command, environment

# Two guests at once: not beside the whole catalogue.
pytestmark = pytest.mark.xdist_group("both-cores")

PLATFORMS = ("arm64", "x86_64")
BUILD = {"arm64": "arm64", "x86_64": "native"}
KERNEL = "deb:bookworm"
# From the last sign of life to the verdict, in seconds in which QEMU and the runner could run: on a machine where
# the guest is as quick as it should be, and where it is allowed to be silent for longer behind that silence.
VERDICT_MAX = 10.0
QUICK = 6.0
# x86's clock is the host's: ten heartbeats. A hung guest spins, and each second of it costs one. arm64 as by default.
SILENCE: dict[str, tuple[str, ...]] = {"arm64": (), "x86_64": ("--silence", "2.5")}
# A guest that made an end itself is examined and started again in this time; with a dump of its memory this long
# and twice what it takes to write one, at that moment.
DOWN_MAX = 1.0
DUMPED = ("reset", "power-off")

# way -> kind, words of the title, where the evidence was found
DEATHS: dict[str, tuple[str, str, str]] = {
    "panic": ("panic", "kernel panic: pv_provoke", "console"),
    "panic-nmi": ("panic", "kernel panic: pv_provoke", "console"),
    "oops": ("oops", " in oops", "kmsg"),
    "oops-irq": ("panic", " in oops", "console"),
    "reset": ("reset", "guest reset without a panic", ""),
    "irqs-off-spin": ("hard-hang", "interrupts off", ""),
    "soft-hang": ("soft-hang", "interrupts on", ""),
    "corrupt-tables": ("oops", "console_write", "dump"),
    "power-off": ("power-off", "powered off", ""),
    "user-spin": ("user-spin", "user-spin", ""),
}
# There the kernel itself notices the stack's end, and panics, unseen.
KINDS = {("arm64", "corrupt-tables"): "panic"}
# Of each platform its stream, and how long writing takes.
Runs = dict[str, Future[Any]]
HANGS = ("irqs-off-spin", "soft-hang", "corrupt-tables", "user-spin")


def suite(platform: str, directory: Path) -> list[dict[str, Any]]:
    kernel = kernels.resolve(KERNEL, platform, debget.cache_root(), debget.say_stderr)
    engine = (ROOT / "build" / BUILD[platform] / "tests/engine/engine-test").read_bytes()
    agent = directory / f"agent-{platform}"
    agent.write_bytes(provoke.attached(engine, provoke.module(platform, kernel)))
    stream = directory / f"{platform}.jsonl"
    with stream.open("wb") as out:
        subprocess.run(command(platform, agent, ("--filter", "test/die/*", "--timeout", "60"), "--kernel", KERNEL,
                               "--no-retry", *SILENCE[platform]),
                       cwd=ROOT, env=environment(), stdout=out, stderr=subprocess.DEVNULL, timeout=3600)
    return events(stream)


def writing(directory: Path) -> float:
    """Seconds that 256 MiB take on this machine while it does all the rest."""
    block, worst = bytes(1 << 20), 0.0
    for _ in range(3):
        start = time.monotonic()
        with open(directory / "block", "wb") as file:
            for _ in range(256):
                file.write(block)
        worst = max(worst, time.monotonic() - start)
        time.sleep(5)
    (directory / "block").unlink()
    return worst


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Both platforms at the same time."""
    directory = tmp_path_factory.mktemp("death")
    with ThreadPoolExecutor(len(PLATFORMS) + 1) as pool:
        found = {platform: pool.submit(suite, platform, directory) for platform in PLATFORMS}
        yield {**found, "writing": pool.submit(writing, directory)}


def of(stream: list[dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """Events of a name by the last part of their case."""
    return {e["case"].rpartition("/")[2]: e for e in stream if e["event"] == name and "case" in e}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_death_has_its_kind_its_title_and_its_evidence(platform: str, runs: Runs) -> None:
    deaths, ends = of(runs[platform].result(), "death"), of(runs[platform].result(), "case_end")
    assert set(deaths) == set(DEATHS)
    for way, (kind, title, log) in DEATHS.items():
        death, kind = deaths[way], KINDS.get((platform, way), kind)
        assert death["kind"] == kind, (way, death)
        assert title in death["title"], (way, death["title"])
        assert not log or death["log"] == log, (way, death)
        assert ends[way]["death"] == kind and ends[way]["title"] == death["title"]
        assert ends[way]["verdict"] == ("hang" if kind in ("hard-hang", "soft-hang", "user-spin") else "crash")


def down_max(way: str, runs: dict[str, Future[Any]]) -> float:
    return DOWN_MAX + (2 * runs["writing"].result() if way in DUMPED else 0)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_verdict_comes_within_ten_seconds(platform: str, runs: Runs) -> None:
    for way, death in of(runs[platform].result(), "death").items():
        if way not in HANGS:
            assert death["ran"] < down_max(way, runs), (way, death)
            continue
        assert death["ran"] - death["silence"] < VERDICT_MAX - QUICK + 2 * runs["writing"].result(), (way, death)
        assert death["silence"] > QUICK or death["ran"] < VERDICT_MAX, (way, death)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_ten_deaths_leave_every_other_case_its_verdict(platform: str, runs: Runs) -> None:
    stream = runs[platform].result()
    ends = of(stream, "case_end")
    assert {name: ends[f"after-{name}"]["verdict"] for name in DEATHS} == dict.fromkeys(DEATHS, "pass")
    assert stream[-1]["event"] == "run_end" and stream[-1]["complete"] is True
    boots = [e for e in stream if e["event"] == "boot"]
    assert len(boots) == len(DEATHS) + 1
    for way, boot in zip(DEATHS, boots[1:]):
        if way not in HANGS:
            assert boot["down"] < down_max(way, runs), (way, boot)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_log_that_no_console_showed_comes_out_of_memory(platform: str, runs: Runs) -> None:
    stream = runs[platform].result()
    end = of(stream, "case_end")["corrupt-tables"]
    splats = [e for e in stream if e["event"] == "splat" and e["case"].endswith("corrupt-tables")]
    assert splats and splats[0]["source"] == "dump" and splats[0]["trace"]
    assert any("Oops" in line or "Unable to handle" in line for line in end["tail"])


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_hang_says_where_its_cpus_are(platform: str, runs: Runs) -> None:
    deaths = of(runs[platform].result(), "death")
    for way, mode, on in (("irqs-off-spin", "kernel", False), ("soft-hang", "kernel", True), ("user-spin", "user", True)):
        cpu = next(c for c in deaths[way]["cpus"] if c["state"] != "halted")
        assert cpu["mode"] == mode and cpu["interrupts"] is on and cpu["registers"], (way, cpu)
        # Who called the module is in the kernel's own table of names, which came out of memory.
        assert mode == "user" or any("do_one_initcall" in line for line in cpu["trace"]), (way, cpu)


def test_the_table(runs: Runs) -> None:
    """Printed, to be copied into docs/death.md."""
    rows = [f"| way | {' | '.join(f'{p}: kind | s' for p in PLATFORMS)} |"]
    for way in DEATHS:
        cells = []
        for platform in PLATFORMS:
            death = of(runs[platform].result(), "death")[way]
            cells.append(f"{death['kind']} | {death['ran']:.1f} ({death['seconds']:.1f})")
        rows.append(f"| {way} | {' | '.join(cells)} |")
    print("\n" + "\n".join(rows))
    assert len(rows) == len(DEATHS) + 1


# ---- what happens to QEMU ----

@pytest.fixture
def beating(inits: dict[str, Path]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A runner whose guest is in the middle of a case, and its QEMU."""
    runner = subprocess.Popen(command("arm64", inits["arm64"], ("+beating",), "--no-retry"), cwd=ROOT, env=environment(),
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert runner.stdout
    while b"case_begin" not in runner.stdout.readline():
        pass
    text = subprocess.run(["ps", "-o", "pid=", "--ppid", str(runner.pid)], capture_output=True, text=True).stdout
    yield runner, int(text)
    runner.kill()
    runner.wait()


@pytest.mark.parametrize("signo", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_qemu_is_named(signo: signal.Signals, beating: tuple[subprocess.Popen[bytes], int]) -> None:
    runner, qemu = beating
    start = time.monotonic()
    os.kill(qemu, signo)
    assert runner.stdout
    line = b""
    while b'"death"' not in line:
        line = runner.stdout.readline()
        assert line
    assert time.monotonic() - start < VERDICT_MAX
    assert b'"kind":"qemu-killed"' in line and (b"by a signal" if signo == signal.SIGTERM else b"signal %d" % signo) in line


def test_a_console_that_says_nothing_is_a_remark_and_no_verdict(runs: Runs, tmp_path: Path) -> None:
    """At this level not even an emergency comes out."""
    stream = tmp_path / "stream"
    result = pmuvet("run", "--platform", "x86_64", "--agent", str(ROOT / "build/native/tests/engine/engine-test"), "--json",
                    str(stream), "--filter", "test/guest/after", "--append", "loglevel=0", timeout=900)
    assert result.returncode == 0, result.stdout + result.stderr
    for silent, found in ((True, events(stream)), (False, runs["x86_64"].result()), (False, runs["arm64"].result())):
        texts = [e["text"] for e in found if e["event"] == "message"]
        assert any("its console is silent" in text for text in texts) is silent, texts


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short path: sockets are made below it."""
    return tmp_path_factory.mktemp("s")


def test_a_stop_while_memory_is_dumped_leaves_nothing_behind(inits: dict[str, Path], scratch: Path) -> None:
    runner = subprocess.Popen(command("x86_64", inits["x86_64"], ("+spin",), "--silence", "1"), cwd=ROOT,
                              env=environment(TMPDIR=str(scratch)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not list(scratch.glob("pmuvet-*/1/dump")):
            assert runner.poll() is None
            time.sleep(0.01)
        runner.send_signal(signal.SIGINT)
        assert runner.wait(60) == 130
    finally:
        runner.kill()
    assert not list(scratch.glob("pmuvet-*"))
