# SPDX-License-Identifier: GPL-2.0-only
"""Boots a kernel, makes it complain or die (captures.yaml), keeps what the console said.

    python3 -m tests.guests.capture [--into DIR] [--tree ARCH=DIR]... [GLOB]...

writes NNN-name.log for each row whose log matches a GLOB (all without one). By hand: what a kernel prints
differs from boot to boot, so the corpus holds one capture of each, read by a person.
"""
from __future__ import annotations

import argparse
import contextlib
import fnmatch
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import yaml

from . import provoke  # also makes the next ones importable

import debget
import initramfs
import kernels
import platforms
from runner.guest import qemu, qmp

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / "corpora/splats"
LOG_MAX = 20 << 10
BEFORE = 12  # lines kept in front of the first that the module or its victim brings
STARTS = re.compile(rb"loading out-of-tree module|pv_provoke: |sysrq: |Run /init as init process")
FRAME = re.compile(rb"^(?:\[[ 0-9.]+\] ?)?@pv .*\n?", re.MULTILINE)
QUIET = 4.0  # host seconds without a byte, once what was asked for is there


class CaptureError(Exception):
    """A row cannot be captured; the text says why."""


@dataclass(frozen=True)
class Row:
    """One log."""

    log: str  # NNN-name
    platform: str
    kernel: str  # deb:6.1, or debug: the tree of --tree
    sees: str  # a regular expression that the console must show
    do: tuple[str, ...] = ()  # words for testinit
    append: str = ""  # on the kernel's command line
    cpu: str = ""
    smp: int = 0
    nmi: bool = False  # inject-nmi when the agent waits
    dump: bool = False  # read the log out of the memory once the guest is silent
    initrd: bool = True
    seconds: int = 90  # of the host


def rows(path: Path) -> list[Row]:
    known = {field.name for field in fields(Row)}
    out = []
    for number, entry in enumerate(yaml.safe_load(path.read_text()), 1):
        if not isinstance(entry, dict) or set(entry) - known or "log" not in entry:
            raise CaptureError(f"{path}: row {number}: want keys of {', '.join(sorted(known))}")
        out.append(Row(**{**entry, "do": tuple(entry.get("do", ()))}))
    return out


def needs(name: str, package: str) -> str:
    found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=False)
    if found.returncode:
        raise CaptureError(f"{name} is missing: apt-get install {package}")
    return found.stdout.strip()


class Boot:
    """A guest until its end, or its silence after what it was to say."""

    def __init__(self, row: Row, words: list[str], channels: Path) -> None:
        self._row, self._channels = row, channels
        self._console = channels / "console"
        self._process = qemu.Process(words, channels / "qemu.stderr")

    def _read(self) -> bytes:
        return self._console.read_bytes() if self._console.exists() else b""

    def log(self) -> bytes:
        try:
            self._watch()
            return self._from_memory() if self._row.dump else self._read()
        finally:
            self._process.kill()

    def _results(self) -> bytes:
        path = self._channels / "results"
        return path.read_bytes() if path.exists() else b""

    def _watch(self) -> None:
        start = changed = time.monotonic()
        seen, size, injected = False, -1, not self._row.nmi
        wanted = re.compile(self._row.sees.encode())
        while self._process.status() is None and time.monotonic() - start < self._row.seconds:
            time.sleep(0.1)
            text = self._read()
            if not injected and b'"case_begin"' in self._results():
                self._monitor().command("inject-nmi")
                injected = True
            if len(text) != size:
                size, changed = len(text), time.monotonic()
                seen = seen or wanted.search(text) is not None
            begun = self._row.dump and b'"case_begin"' in self._results()
            if (seen or begun) and time.monotonic() - changed > QUIET:
                return

    def _monitor(self) -> qmp.Monitor:
        return qmp.Monitor(self._channels / "monitor")

    def _from_memory(self) -> bytes:
        monitor, dump = self._monitor(), self._channels / "vmcore"
        monitor.command("stop")
        monitor.command("dump-guest-memory", timeout=60, paging=False, protocol=f"file:{dump}")
        out = self._channels / "dmesg"
        done = subprocess.run([needs("makedumpfile", "makedumpfile"), "--dump-dmesg", str(dump), str(out)],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise CaptureError(f"makedumpfile: {done.stdout[-300:]}{done.stderr[-300:]}")
        return out.read_bytes()


def trimmed(log: bytes) -> bytes:
    """The kernel's first words, some lines before the trouble, the trouble."""
    log = FRAME.sub(b"", log.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    at = STARTS.search(log)
    if not at:
        return log[-LOG_MAX:]
    head = re.search(rb"(?m)^.*Linux version.*\n(?:.*Command line.*\n)?", log)
    begin = log.rfind(b"\n", 0, at.start()) + 1
    for _ in range(BEFORE):
        begin = max(log.rfind(b"\n", 0, max(begin - 1, 0)) + 1, head.end() if head else 0)
    text = (head.group(0) if head else b"") + log[begin:]
    if len(text) > LOG_MAX:
        text = text[:text.rfind(b"\n", 0, LOG_MAX) + 1]
    return text


def _kernel(row: Row, trees: dict[str, Path], arch: str) -> tuple[kernels.Kernel, Path | None]:
    cache = debget.cache_root()
    if row.kernel.startswith("deb:"):
        return kernels.resolve(row.kernel, arch, cache, debget.say_stderr), None
    name = f"{arch}:{row.kernel}"
    if name not in trees:
        raise CaptureError(f"{row.log}: --tree {name}=DIR is missing (docs/provoke.md)")
    tree = trees[name]
    image = tree / ("vmlinux" if arch == "x86_64" else "arch/arm64/boot/Image")
    return kernels.resolve(str(image), arch, cache, debget.say_stderr), tree


def capture(row: Row, trees: dict[str, Path]) -> bytes:
    platform = platforms.load(row.platform)
    kernel, tree = _kernel(row, trees, platform.arch)
    module = provoke.module(platform.arch, kernel, tree) if any(
        word.startswith("die:") for word in row.do) else None
    modules = initramfs.module_part(kernel.modules, platform.modules)
    initrd = initramfs.build(provoke.init(platform.arch, module), [f"+{word}" for word in row.do], (),
                             modules)
    machine = qemu.machine(platform, False, kernel.image, [*row.append.split()], row.smp or None,
                           512 if tree else None)
    if row.cpu:
        machine = dataclass_with(machine, cpu=row.cpu)
    with tempfile.TemporaryDirectory(prefix="pmuvet-capture-") as tmp:
        channels = Path(tmp)
        (channels / "initramfs").write_bytes(initrd)
        words = qemu.argv(machine, channels / "initramfs", channels)
        if not row.initrd:
            at = words.index("-initrd")
            del words[at:at + 2]
        log = trimmed(Boot(row, words, channels).log())
    if not re.search(row.sees.encode(), log):
        raise CaptureError(f"{row.log}: '{row.sees}' was not seen; the end of the log:\n"
                           + log[-1500:].decode(errors="replace"))
    return log


def dataclass_with(machine: qemu.Machine, cpu: str) -> qemu.Machine:
    from dataclasses import replace
    return replace(machine, accel=replace(machine.accel, cpu=cpu))


def chosen(all_rows: list[Row], globs: list[str]) -> Iterator[Row]:
    for row in all_rows:
        if not globs or any(fnmatch.fnmatchcase(row.log, glob) for glob in globs):
            yield row


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.guests.capture", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", type=Path, default=HERE / "captures.yaml")
    parser.add_argument("--into", type=Path, default=CORPUS)
    parser.add_argument("--tree", action="append", default=[], metavar="ARCH:NAME=DIR")
    parser.add_argument("--missing", action="store_true", help="only those that are not there")
    parser.add_argument("globs", nargs="*", metavar="GLOB")
    options = parser.parse_args(argv)
    trees = {name: Path(path) for name, _, path in (word.partition("=") for word in options.tree)}
    failed = 0
    options.into.mkdir(parents=True, exist_ok=True)
    for row in chosen(rows(options.table), options.globs):
        path = options.into / f"{row.log}.log"
        if options.missing and path.exists():
            continue
        try:
            path.write_bytes(capture(row, trees))
            print(f"{row.log}: {path.stat().st_size} bytes", flush=True)
        except (CaptureError, provoke.ProvokeError, kernels.KernelError, debget.FetchError,
                qemu.QemuError, OSError) as err:
            failed += 1
            print(f"capture: {err}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
