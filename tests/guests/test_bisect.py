# SPDX-License-Identifier: GPL-2.0-only
"""`pmuvet regress --bisect` under `git bisect run`, on a repository whose commits are real kernels."""
from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import NATIVE, ROOT, pmuvet

from .kernel_tree import lay_out

KERNELS = ("deb:bookworm", "deb:bookworm-security", "deb:sid")  # 6.1, 6.12, 7.2 and later
BUILD = {"arm64": "arm64", "x86_64": "native"}
TREE = Path(__file__).resolve().parent / "kernel_tree.py"


def git(repo: Path, *args: str) -> str:
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "n"), ("EMAIL", "e@example.org"))}
    done = subprocess.run(["git", *args], cwd=repo, env={**os.environ, **who, "PMUVET_ROOT": str(ROOT)},
                          capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("platform, case, first_bad", [
    # Right in 6.1; since 6.2 what is enabled in a running group waits for a tick.
    ("x86_64", "breakpoint/toggles/again:rw4-load,sw-leader", 1),
    ("arm64", "breakpoint/toggles/again:r4,sw-leader", 1),
    # Right in 6.12; later what REFRESH has ended is never started again.
    ("x86_64", "*/overflow/refresh_again*", 2),
])
def test_git_bisect_run_finds_the_first_bad_kernel(platform: str, case: str, first_bad: int, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "build.sh").write_text(f"exec {sys.executable} {TREE} $(cat kernel) {platform} .\n")
    commits = []
    for kernel in KERNELS:
        (tmp_path / "kernel").write_text(kernel + "\n")
        git(tmp_path, "add", "kernel", "build.sh")
        git(tmp_path, "commit", "-q", "-m", kernel)
        commits.append(git(tmp_path, "rev-parse", "HEAD").strip())
    git(tmp_path, "bisect", "start", commits[-1], commits[0])
    said = git(tmp_path, "bisect", "run", "sh", "-c",
               f"sh build.sh || exit 125; {NATIVE}/runner/pmuvet regress --bisect --kernel-tree . --case '{case}' "
               "--output streams")
    assert f"{commits[first_bad]} is the first bad commit" in said
    assert f"bisect: {'bad' if first_bad == 1 else 'good'}: " in said and "stream: streams/" in said


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tree")
    lay_out("deb:bookworm", "x86_64", made)
    return made


def bisect(tree: Path, case: str, *args: str) -> tuple[int, str]:
    done = pmuvet("regress", "--bisect", "--kernel-tree", str(tree), "--case", case, "--output",
                  str(tree / "streams"), *args, timeout=300)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("case, status, words", [
    ("test/guest/panic", 1, "bad: test/guest/panic crash: kernel panic: sysrq triggered crash"),
    ("test/end/fail", 1, "bad: test/end/fail fail: failed: answer"),
    ("test/xfail/fails", 1, "bad: test/xfail/fails xfail, erratum known"),
    ("test/xfail/passes", 0, "good: test/xfail/passes xpass"),
    ("bench/engine/empty", 0, "good: bench/engine/empty pass"),
    ("test/end/skip", 125, "cannot tell: test/end/skip skip"),
    ("test/end/nothing_checked", 125, "cannot tell: test/end/nothing_checked error"),
])
def test_each_verdict_has_its_answer(case: str, status: int, words: str, tree: Path) -> None:
    agent = ROOT / "build/native/tests/engine/engine-test"
    got, said = bisect(tree, case, "--agent", str(agent))
    assert got == status, said
    assert f"bisect: {words}" in said


@pytest.mark.parametrize("machine, words", [(62, "\nx86_64 "), (183, "\narm64 "), (21, "no kernel image there")])
def test_a_tree_with_vmlinux_alone_has_its_platform(machine: int, words: str, tmp_path: Path) -> None:
    """The file is empty behind its header: the platform is taken, the kernel is not."""
    (tmp_path / "vmlinux").write_bytes(b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHI", 2, machine, 1) + bytes(40))
    status, said = bisect(tmp_path, "bench/engine/empty")
    assert status == 128 and words in said


def test_a_kernel_that_does_not_boot_tells_nothing(tree: Path) -> None:
    status, said = bisect(tree, "sw/counting/live:page-faults,single", "--append", "rdinit=/none root=/dev/none")
    assert status == 125 and "cannot tell: the kernel does not boot" in said, said


def test_what_no_kernel_can_help_stops_the_bisection(tree: Path, tmp_path: Path) -> None:
    for args, words in [
        ((tree / "missing", "sw/*"), "no such kernel tree"),
        ((tmp_path, "sw/*"), "no kernel image there; is it built?"),
        ((tmp_path, "sw/*", "--platform", "x86_64"), "no built x86_64 kernel"),
        ((tree, "nonsense/*"), "matches no case"),
        ((tree, "sw/*", "--platform", "vax"), "unknown platform"),
        ((tree, "sw/*", "--base", "deb:sid"), "one kernel"),
        ((tree, "sw/*", "--bogus"), "bogus"),
        ((tree, "sw/*", "--smp", "5000"), "Invalid SMP CPUs"),
    ]:
        status, said = bisect(*args)
        assert status >= 128 and words in said, (args, status, said)
    done = pmuvet("regress", "--bogus", "--bisect")
    assert done.returncode >= 128
    done = pmuvet("regress", "--case", "sw/*")
    assert done.returncode == 2 and "--bisect" in done.stderr
