# SPDX-License-Identifier: GPL-2.0-only
"""Boots a kernel, makes it complain or die (captures.yaml), keeps what the console said.

    python3 -m tests.guests.capture [--into DIR] [--tree ARCH=DIR]... [GLOB]...

writes NNN-name.log for each row whose log matches a GLOB (all without one). By hand: what a kernel prints
differs from boot to boot, so the corpus holds one capture of each, read by a person.
"""
from __future__ import annotations

import argparse
import fnmatch
import gzip
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path

import yaml

from . import provoke  # also makes the next ones importable

import debget
import initramfs
import kernels
import platforms
from runner.guest import printk, qemu, qmp
from runner.guest.dump import Dump, DumpError

HERE = Path(__file__).resolve().parent
CORPUS = HERE.parent / "corpora/splats"
LOG_MAX = 20 << 10
BEFORE = 12  # lines kept in front of the first that the module or its victim brings
STARTS = re.compile(rb"loading out-of-tree module|pv_provoke: |sysrq: |Run /init as init process|"
                    rb"\(XEN\) ----\[ Xen")
FRAME = re.compile(rb"(?m)^@pv .*\n?|@pv [0-9]+ [0-9a-f]{8} \{[^\n]*\}")
XEN = "xen-hypervisor-4.17-amd64"
# Dom0 does not boot with SMAP or SMEP under QEMU 7.2; the hypervisor's own idle loop faults on MONITOR.
XEN_CPU = "EPYC,-smap,-smep,-svm,-monitor"
QUIET = 15.0  # host seconds without a byte, once what was asked for is there


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
    xen: str = ""  # options of the hypervisor; the kernel is its PV dom0 then
    seconds: int = 180  # of the host


def rows(path: Path) -> list[Row]:
    known = {field.name for field in fields(Row)}
    out = []
    for number, entry in enumerate(yaml.safe_load(path.read_text()), 1):
        if not isinstance(entry, dict) or set(entry) - known or "log" not in entry:
            raise CaptureError(f"{path}: row {number}: want keys of {', '.join(sorted(known))}")
        out.append(Row(**{**entry, "do": tuple(entry.get("do", ()))}))
    return out


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
        """What the agent said: on its port, or amid the console where there is none."""
        path = self._channels / "results"
        return path.read_bytes() if path.exists() else self._read()

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
            # The heartbeats count, too: a guest that is only slow is not silent.
            if len(text) + len(self._results()) != size:
                size, changed = len(text) + len(self._results()), time.monotonic()
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
        with Dump(dump) as memory:
            lines = [line for record in printk.records(memory) for line in record.lines()]
        return "".join(f"{line}\n" for line in lines).encode()


def trimmed(log: bytes) -> bytes:
    """The kernel's first words, some lines before the trouble, the trouble."""
    log = FRAME.sub(b"", log.replace(b"\r", b""))
    at = STARTS.search(log)
    if not at:
        return log[-LOG_MAX:]
    head = re.search(rb"(?m)^.*(?:Linux version|\(XEN\) Xen version).*\n(?:.*Command line.*\n)?", log)
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


def _hypervisor(cache: Path) -> Path:
    tree = cache / "provoke" / "xen"
    if not tree.exists():
        debget.unpack_into("bookworm", "amd64", [XEN], tree)
    program = tree / "xen"
    if not program.exists():
        # QEMU loads a multiboot image only as it is.
        program.write_bytes(gzip.decompress(next(tree.glob("boot/xen-*.gz")).read_bytes()))
    return program


def _xen_words(row: Row, kernel: kernels.Kernel, channels: Path) -> list[str]:
    dom0 = f"{kernel.image} console=hvc0 nokaslr ignore_loglevel panic=-1 {row.append}".strip()
    options = f"- console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all dom0_mem=384M {row.xen}"
    return ["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=single", "-cpu",
            row.cpu or XEN_CPU, "-smp", str(row.smp or 2), "-m", "768", "-nodefaults", "-no-user-config",
            "-display", "none", "-nic", "none", "-no-reboot", "-sandbox", qemu.SANDBOX,
            "-chardev", f"file,id=console,path={channels}/console", "-serial", "chardev:console",
            "-chardev", f"socket,id=monitor,path={channels}/monitor,server=on,wait=off",
            "-mon", "chardev=monitor,mode=control", "-kernel", str(_hypervisor(debget.cache_root())),
            "-append", options, "-initrd",
            # A comma parts modules; in one's words it would be doubled.
            f"{dom0.replace(',', ',,')},{channels}/initramfs"]


def _machine_words(row: Row, platform: platforms.Platform, kernel: kernels.Kernel, tree: Path | None,
                   channels: Path) -> list[str]:
    machine = qemu.machine(platform, False, kernel.image, row.append.split(), row.smp or None,
                           512 if tree else None)
    if row.cpu:
        machine = replace(machine, accel=replace(machine.accel, cpu=row.cpu))
    words = qemu.argv(machine, channels / "initramfs", channels)
    if not row.initrd:
        at = words.index("-initrd")
        del words[at:at + 2]
    return words


def capture(row: Row, trees: dict[str, Path]) -> bytes:
    platform = platforms.load(row.platform)
    kernel, tree = _kernel(row, trees, platform.arch)
    module = provoke.module(platform.arch, kernel, tree) if any(
        word.startswith("die:") for word in row.do) else None
    modules = [] if row.xen else initramfs.module_part(kernel.modules, platform.modules)
    initrd = initramfs.build(provoke.init(platform.arch, module), [f"+{word}" for word in row.do], (),
                             modules)
    with tempfile.TemporaryDirectory(prefix="pmuvet-capture-") as tmp:
        channels = Path(tmp)
        (channels / "initramfs").write_bytes(initrd)
        words = (_xen_words(row, kernel, channels) if row.xen
                 else _machine_words(row, platform, kernel, tree, channels))
        log = trimmed(Boot(row, words, channels).log())
    if not re.search(row.sees.encode(), log):
        raise CaptureError(f"{row.log}: '{row.sees}' was not seen; the end of the log:\n"
                           + log[-1500:].decode(errors="replace"))
    return log


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
                qemu.QemuError, DumpError, OSError) as err:
            failed += 1
            print(f"capture: {err}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
