# SPDX-License-Identifier: GPL-2.0-only
"""
Platforms boot with `nokaslr`; users' kernels need not. A guest whose kernel lies anywhere dies without text: its log
comes out of memory, and its functions have their names.
"""
from __future__ import annotations

import re
import subprocess
from pathlib import Path

import debget
import kernels
import pytest

from runner.guest.dump import Dump
from tests.conftest import ROOT, events

from . import provoke
from .conftest import command, environment

QEMU = {"arm64": "qemu-system-aarch64", "x86_64": "qemu-system-x86_64"}
KERNEL = "deb:bookworm"
RAM = {"arm64": 0x40000000, "x86_64": 0}
# Who is in the way from the fault to its end.
FAULT = {"arm64": "do_mem_abort", "x86_64": "exc_page_fault"}
# x86's decompressor places the kernel: not one that QEMU enters by PVH.
WRAPPER = """#!/usr/bin/python3
import os, sys
words = ["{qemu}", *(word.replace(" nokaslr", "") for word in sys.argv[1:])]
words[words.index("-kernel") + 1] = "{image}"
os.execvp(words[0], words)
"""


@pytest.fixture
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short path: sockets are made below it."""
    return tmp_path_factory.mktemp("s")


def offset(dump: Dump) -> int:
    """How far the image lies from where it was linked to."""
    if dump.arch == "x86_64":
        return int(dump.text("KERNELOFFSET"), 16)
    # arm64's starts 2 MiB-aligned in the vmalloc area without KASLR; _stext stands 64 KiB behind that.
    return dump.number("SYMBOL(_stext)") - 0x10000 - 0xffff800008000000


@pytest.mark.parametrize("platform", QEMU)
def test_a_kernel_that_lies_anywhere_dies_like_any_other(platform: str, scratch: Path, tmp_path: Path) -> None:
    kernel = kernels.resolve(KERNEL, platform, debget.cache_root(), debget.say_stderr)
    qemu, keep, stream = scratch / "qemu", tmp_path / "keep", tmp_path / "stream"
    image, = (debget.cache_root() / "kernels" / f"{kernel.package}_{kernel.version}" / "boot").glob("vmlinuz-*")
    qemu.write_text(WRAPPER.format(qemu=QEMU[platform], image=image))
    qemu.chmod(0o755)
    with stream.open("wb") as out:
        subprocess.run(command(platform, provoke.agent(platform, kernel), ("+die:corrupt-tables",), "--kernel", KERNEL,
                               "--no-retry", "--keep", str(keep)),
                       cwd=ROOT, env=environment(QEMU=str(qemu), TMPDIR=str(scratch)), stdout=out,
                       stderr=subprocess.DEVNULL, timeout=1800)
    death, = (event for event in events(stream) if event["event"] == "death")
    # What was kept is whole and alone: for crash and drgn.
    assert [path.parent.name for path in keep.glob("*/dump")] == ["1"]
    with Dump(keep / "1/dump") as dump:
        assert offset(dump) % (1 << 16) == 0 and offset(dump), "KASLR was on"
        assert dump.arch == platform and dump.text("OSRELEASE") in kernel.package
        assert dump.physical(RAM[platform] + (256 << 20) - 8, 8)
    (keep / "1/dump").unlink()
    # The log: nothing of it was on the console.
    assert death["kind"] in ("oops", "panic") and death["log"] == "dump"
    assert "console_write" in death["title"]
    # The functions: those of the kernel, at their offsets.
    assert death["cpus"][0]["mode"] == "kernel" and not death["cpus"][0]["interrupts"]
    trace = "\n".join(line for cpu in death["cpus"] for line in cpu.get("trace", []))
    assert re.search(rf"^(\? )?{FAULT[platform]}\+0x[0-9a-f]+/0x[0-9a-f]+$", trace, re.M), trace
