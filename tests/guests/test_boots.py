# SPDX-License-Identifier: GPL-2.0-only
"""Real kernels under QEMU, with an init that misbehaves on request (testinit.c)."""
from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import ROOT, Result, command, environment

Boot = Callable[..., Result]
QUICK = ("--silence", "5")
PLATFORMS = ("arm64", "x86_64")


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_run_gives_one_complete_stream(platform: str, boot: Boot) -> None:
    result = boot(platform, "+a", "+b")
    assert result.status == 0, result.errors
    assert [event["event"] for event in result.events[:3]] == ["run_begin", "boot", "plan"]
    begin, end = result.events[0], result.events[-1]
    assert begin["platform"] == platform and begin["accel"] == "tcg"
    assert begin["deterministic"] is (platform == "arm64")
    assert begin["kernel"]["spec"] == "deb:bookworm" and begin["kernel"]["package_version"]
    assert end["event"] == "run_end" and end["complete"] is True and end["verdicts"] == {"pass": 2}
    assert result.of("boot")[0]["seconds"] > 0
    assert "accel tcg" in result.errors


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_panic_is_a_crash_of_its_case_with_the_consoles_tail(platform: str, boot: Boot) -> None:
    result = boot(platform, "+a", "+panic", "+b")
    assert result.status == 0, result.errors
    ends = result.ends()
    assert {name: end["verdict"] for name, end in ends.items()} == {
        "a": "pass", "panic": "crash", "b": "pass"}
    text = "Kernel panic - not syncing: sysrq triggered crash"
    assert ends["panic"]["reason"] == f"guest panicked: {text}"
    assert any(text in line for line in ends["panic"]["tail"])
    assert [event["reason"] for event in result.of("boot")] == ["start", "restart"]
    assert len(result.of("run_begin")) == len(result.of("plan")) == len(result.of("run_end")) == 1


def test_each_death_has_its_verdict_and_the_run_goes_on(boot: Boot) -> None:
    result = boot("arm64", "+reset", "+spin", "+cut", "+corrupt", "+gap", "+hostile", "+b", options=QUICK)
    assert result.status == 0, result.errors
    ends = result.ends()
    assert {name: end["verdict"] for name, end in ends.items()} == {
        "reset": "crash", "spin": "hang", "cut": "crash", "corrupt": "error", "gap": "error",
        "hostile": "error", "b": "pass"}
    assert "guest reset" in ends["reset"]["reason"]
    assert "no heartbeat for 5 s; vCPU 0 " in ends["spin"]["reason"]
    assert "powered off" in ends["cut"]["reason"]
    assert "wrong checksum" in ends["corrupt"]["reason"]
    assert "1 frames before" in ends["gap"]["reason"]
    assert "a line of 1500000 bytes" in ends["hostile"]["reason"]
    assert result.events[-1]["complete"] is True


def test_a_case_that_only_beats_is_a_hang(boot: Boot) -> None:
    result = boot("x86_64", "+beating", "+b", options=("--timeout", "0.5"))
    assert result.ends()["beating"]["verdict"] == "hang"
    assert "heartbeat, but no end of the case" in result.ends()["beating"]["reason"]
    assert result.ends()["b"]["verdict"] == "pass"


def test_a_kernel_without_the_port_speaks_on_the_console(boot: Boot) -> None:
    result = boot("x86_64", "+a", options=("--append", "module_blacklist=virtio_console"))
    assert result.status == 0 and result.ends()["a"]["verdict"] == "pass"


@pytest.mark.parametrize("mode,reason", [
    ("die-early", "twice: guest panicked: Kernel panic"),
    ("never-hello", "twice: user-spin: no hello from the agent 12 s"),
])
def test_a_guest_that_never_reaches_init_is_tried_twice(mode: str, reason: str, boot: Boot) -> None:
    result = boot("arm64", mode, "+a", options=("--boot-timeout", "12"))
    assert result.status == 3
    assert [event["reason"] for event in result.of("boot")] == ["start", "retry"]
    assert result.events[0]["event"] == "run_begin" and result.events[-1]["complete"] is False
    assert reason in result.events[-1]["reason"]


def test_a_run_without_its_end_is_not_complete(boot: Boot) -> None:
    result = boot("arm64", "no-end", "+a")
    assert result.status == 3 and result.events[-1]["complete"] is False
    assert "no progress" in result.events[-1]["reason"]


def test_a_qemu_that_refuses_is_not_started_again(boot: Boot) -> None:
    result = boot("x86_64", "+a", options=("--smp", "5000"))
    assert result.status == 3 and len(result.of("boot")) == 1
    assert "Invalid SMP CPUs" in result.events[-1]["reason"]


def test_cases_of_a_skip_file_do_not_run_again(boot: Boot, tmp_path: Path) -> None:
    skip = tmp_path / "skip"
    skip.write_text("test/a\t0\n")
    result = boot("arm64", "+a", "+b", "--skip-file", str(skip))
    assert result.status == 0 and set(result.ends()) == {"b"}
    skip.write_text("test/a\n")
    assert boot("arm64", "+a", "--skip-file", str(skip)).status == 2


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_dry_runs_line_works_when_pasted(platform: str, inits: dict[str, Path]) -> None:
    done = subprocess.run(command(platform, inits[platform], ("+a",), "--dry-run"), cwd=ROOT, text=True,
                          env=environment(), capture_output=True, check=True)
    line = done.stdout.strip()
    assert "\n" not in line
    subprocess.run(["sh", "-c", line], check=True, capture_output=True, timeout=60,
                   stdin=subprocess.DEVNULL)
    initrd = Path(shlex.split(line)[shlex.split(line).index("-initrd") + 1])
    assert b'"event":"run_end"' in (initrd.parent / "results").read_bytes()


def children(pid: int) -> list[int]:
    text = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(word) for word in text.split()]


def started(inits: dict[str, Path], **kwargs: int) -> tuple[subprocess.Popen[bytes], int]:
    """A runner whose guest is in the middle of a case, and its QEMU."""
    runner = subprocess.Popen(command("arm64", inits["arm64"], ("+beating",)), cwd=ROOT,
                              env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **kwargs)
    assert runner.stdout
    while b"case_begin" not in runner.stdout.readline():
        pass
    qemus = children(runner.pid)
    assert len(qemus) == 1
    return runner, qemus[0]


def gone(pid: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_killed_runner_leaves_no_qemu(inits: dict[str, Path]) -> None:
    runner, qemu = started(inits)
    runner.kill()
    runner.wait()
    assert gone(qemu)


@pytest.mark.parametrize("signo,status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_runner_ends_its_stream(signo: int, status: int, inits: dict[str, Path]) -> None:
    runner, qemu = started(inits)
    runner.send_signal(signo)
    out, _ = runner.communicate(timeout=20)
    assert runner.returncode == status and gone(qemu)
    assert b'"event":"run_end"' in out.splitlines()[-1] and b'"complete":false' in out
    assert b'"verdict":"error"' not in out, "the case that was running is to be run again by --resume"


def test_a_dying_qemu_is_an_error_and_not_a_crash(inits: dict[str, Path]) -> None:
    runner, qemu = started(inits)
    os.kill(qemu, signal.SIGSEGV)
    out, _ = runner.communicate(timeout=30)
    assert runner.returncode == 0
    assert b'"verdict":"error","reason":"QEMU was killed by signal 11"' in out


def test_a_full_disk_ends_the_run_with_one_line(inits: dict[str, Path]) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command("arm64", inits["arm64"], ("+a",)), cwd=ROOT, env=environment(),
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 3 and "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


@pytest.mark.parametrize("options,message", [
    (("--platform", "vax"), "unknown platform 'vax'"),
    (("--kernel", "deb:1.0"), "there is: deb:6.1"),
    (("--kernel", "/etc/passwd"), "not a kernel"),
    (("--kernel-tree", "/nowhere"), "no such directory"),
    (("--kernel", "deb:6.1", "--kernel-tree", "/"), "not both"),
    (("--modules", "/nowhere"), "not a directory"),
    (("--agent", "/etc/passwd"), "not a program"), (("--agent", "/nowhere"), "No such file"),
    (("--smp", "0"), "positive"), (("--timeout", "nan"), "seconds"), (("--accel", "xen"), "invalid"),
])
def test_bad_input_is_answered_with_status_2(options: tuple[str, ...], message: str,
                                             inits: dict[str, Path]) -> None:
    done = subprocess.run(command("arm64", inits["arm64"], ("+a",), *options), cwd=ROOT, text=True,
                          env=environment(), capture_output=True, timeout=60)
    assert done.returncode == 2 and message in done.stderr, done.stderr
    assert "Traceback" not in done.stderr and not done.stdout
