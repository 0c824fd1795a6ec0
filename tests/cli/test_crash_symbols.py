# SPDX-License-Identifier: GPL-2.0-only
"""`pmuvet crash` with symbols: lines and inline chains in both outputs, and never those of another kernel."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import pmuvet

ID = "aaaa000000000000000000000000000000000001"
OTHER = "bbbb000000000000000000000000000000000002"
MODULE_ID = "cccc000000000000000000000000000000000003"
FLAGS = ("-O2 -gdwarf-5 -fno-pie -no-pie -static -nostdlib -ffreestanding -fcf-protection=none -fomit-frame-pointer "
         "-falign-functions=16 -fno-toplevel-reorder -fno-asynchronous-unwind-tables").split()
# Four bytes of code a statement: the offsets in the log below are known without looking.
KERNEL = r"""#define STEP asm volatile(".p2align 2\n nop\n .p2align 2")
const char linux_banner[] = "Linux version 6.1.0-test (me) #1";
static inline __attribute__((always_inline)) void inner(void)
{
	STEP;
}
void outer(void)
{
	STEP;
	inner();
	STEP;
}
void _start(void)
{
	outer();
}
"""
MODULE = r"""static const char info[] __attribute__((section(".modinfo"), used)) = "name=x_y";
void m_open(void)
{
	asm volatile(".p2align 2\n nop\n .p2align 2");
}
"""
LOG = """[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010
[    1.000000] Oops: 0000 [#1] PREEMPT SMP NOPTI
[    1.000000] CPU: 0 PID: 7 Comm: init Not tainted 6.1.0-test #1{build_id}
[    1.000000] RIP: 0010:outer+0x4/0x10
[    1.000000] Call Trace:
[    1.000000]  <TASK>
[    1.000000]  m_open+0x4/0x10 [x_y{module_id}]
[    1.000000]  outer+0x8/0x10
[    1.000000]  gone+0x8/0x10
[    1.000000]  </TASK>
[    1.000000] ---[ end trace 0000000000000000 ]---
"""


def log(build_id: str = "", module_id: str = "") -> str:
    return LOG.format(build_id=f" {build_id}" if build_id else "", module_id=f" {module_id}" if module_id else "")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("symbols")
    (directory / "kernel.c").write_text(KERNEL)
    (directory / "m.c").write_text(MODULE)
    (directory / "mods").mkdir()

    def call(*argv: str) -> None:
        subprocess.run(argv, cwd=directory, check=True, capture_output=True)

    call("gcc", *FLAGS, f"-Wl,--build-id=0x{ID}", "kernel.c", "-o", "vmlinux")
    call("gcc", *FLAGS, f"-Wl,--build-id=0x{OTHER}", "kernel.c", "-o", "other")
    call("gcc", *FLAGS, "-c", "m.c", "-o", "m.o")
    call("ld", "-r", f"--build-id=0x{MODULE_ID}", "m.o", "-o", "mods/x-y.ko")
    return directory


def crash(files: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    (files / "log").write_text(text)
    return pmuvet("crash", *options, "log", cwd=files)


def splat(files: Path, text: str, *options: str) -> dict[str, Any]:
    done = crash(files, text, "--json", *options)
    assert done.returncode == 1, done.stderr
    return json.loads(done.stdout.splitlines()[0])


def by_func(event: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The frames; that of the register before others of its name."""
    return {f["func"] + ("!" if f["exact"] else ""): f for f in event["trace"]}


def test_frames_have_lines_and_what_was_inlined(files: Path) -> None:
    event = splat(files, log(), "--vmlinux", "vmlinux", "--symbols", "mods")
    frames = by_func(event)
    rip = frames["outer!"]
    assert (rip["file"], rip["line"]) == ("kernel.c", 10)
    assert rip["inlined"] == [{"func": "inner", "file": "kernel.c", "line": 5}]
    # A return address: the call is what lies before it.
    assert frames["outer"]["inlined"] == [{"func": "inner", "file": "kernel.c", "line": 5}]
    assert (frames["m_open"]["file"], frames["m_open"]["line"]) == ("m.c", 4)
    assert frames["gone"]["unresolved"] == "no-symbol" and "gone" in frames["gone"]["why"]
    assert any("vmlinux" in note and "was not checked" in note for note in event["notes"])


def test_text_shows_them_as_kernel_people_know_them(files: Path) -> None:
    done = crash(files, log(), "--vmlinux", "vmlinux")
    lines = [line.strip() for line in done.stdout.splitlines()]
    at = lines.index("> outer+0x4/0x10 kernel.c:10")
    assert lines[at - 1] == "inner kernel.c:5 [inline]"
    assert any(line.startswith("note: ") and ID in line for line in lines)


@pytest.mark.parametrize("where", ["log", "option", "run"])
def test_another_build_is_named_and_not_used(files: Path, tmp_path: Path, where: str) -> None:
    options: tuple[str, ...] = ()
    if where == "option":
        options = ("--build-id", ID)
    if where == "run":
        events = [{"event": "run_begin", "schema": 1, "platform": "p", "kernel": {"build_id": ID, "release": "6.1.0-test"}},
                  {"event": "modules", "modules": [{"name": "x_y", "build_id": OTHER, "base": 0, "size": 1}]}]
        run = tmp_path / "run.jsonl"
        run.write_text("".join(json.dumps(event) + "\n" for event in events))
        options = ("--run", str(run))
    text = log(ID if where == "log" else "", OTHER if where != "run" else "")
    event = splat(files, text, *options, "--vmlinux", "other", "--symbols", "mods")
    for frame in event["trace"]:
        assert "file" not in frame and frame["unresolved"] == "other-build", frame
    notes = "\n".join(event["notes"])
    assert all(name in notes for name in (ID, OTHER, MODULE_ID)), notes
    # The right one beside it is found and proven: nothing is left to say of the kernel.
    event = splat(files, text, *options, "--vmlinux", "other", "--vmlinux", "vmlinux")
    assert by_func(event)["outer!"]["line"] == 10
    assert "notes" not in event or not any("kernel" in note for note in event["notes"])


def test_kallsyms_name_bare_addresses(files: Path) -> None:
    (files / "kallsyms").write_text("ffffffff81000000 T outer\nffffffff81000010 T next\n")
    text = log().replace("RIP: 0010:outer+0x4/0x10", "RIP: 0010:0xffffffff81000004")
    frames = by_func(splat(files, text, "--kallsyms", "kallsyms", "--vmlinux", "vmlinux"))
    assert (frames["outer!"]["offset"], frames["outer!"]["size"], frames["outer!"]["line"]) == (4, 16, 10)


@pytest.mark.parametrize("options, why", [
    (("--vmlinux", "nosuch"), "nosuch: No such file or directory"),
    (("--vmlinux", "kernel.c"), "kernel.c: not an ELF file"),
    (("--kallsyms", "kernel.c"), "kernel.c:1: not 'ADDRESS TYPE NAME'"),
    (("--build-id", "xyz"), "xyz: not a build-id"),
    (("--run", "kernel.c"), "kernel.c:1: "),
])
def test_files_that_are_none_are_refused(files: Path, options: tuple[str, ...], why: str) -> None:
    done = crash(files, log(), *options)
    assert done.returncode == 2 and why in done.stderr and not done.stdout
