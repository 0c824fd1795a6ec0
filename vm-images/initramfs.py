# SPDX-License-Identifier: GPL-2.0-only
"""The guest's initramfs: agent as /init, its arguments, and the modules its transport needs."""
from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import kernelfile

# What carries the results port; the names that a kernel has built in are not found and skipped.
TRANSPORT_MODULES = ("virtio_pci", "virtio_mmio", "virtio_console")
DIRS = ("dev", "proc", "sys", "tmp", "modules")
CONSOLE = (5, 1)


class Cpio:
    """A newc archive (Documentation/driver-api/early-userspace/buffer-format.rst); no clocks in it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._ino = 0

    def _entry(self, name: str, mode: int, data: bytes = b"", rdev: tuple[int, int] = (0, 0)) -> None:
        self._ino += 1
        path = name.encode() + b"\0"
        fields = (self._ino, mode, 0, 0, 2 if stat.S_ISDIR(mode) else 1, 0, len(data), 0, 0, *rdev,
                  len(path), 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + path
        self._parts += [head, bytes(-len(head) % 4), data, bytes(-len(data) % 4)]

    def directory(self, name: str) -> None:
        self._entry(name, stat.S_IFDIR | 0o755)

    def file(self, name: str, data: bytes, mode: int = 0o644) -> None:
        self._entry(name, stat.S_IFREG | mode, data)

    def char_device(self, name: str, rdev: tuple[int, int]) -> None:
        self._entry(name, stat.S_IFCHR | 0o600, rdev=rdev)

    def bytes(self) -> bytes:
        self._ino = -1
        self._entry("TRAILER!!!", 0)
        return b"".join(self._parts)


def _module_name(file: str) -> str:
    return re.sub(r"\.ko(\.(xz|zst|gz))?$", "", os.path.basename(file)).replace("-", "_")


def _module_files(directory: Path) -> Mapping[str, Path]:
    """Modules below a /lib/modules/RELEASE or a built kernel tree, by name."""
    order = directory / "modules.order"
    if (directory / "Kbuild").exists() and order.exists():
        # A kernel tree lists its modules (as .o since 6.4): no walk over all its files.
        lines = order.read_text(errors="replace").split()
        files = [directory / re.sub(r"\.o$", ".ko", line) for line in lines]
        return {_module_name(str(path)): path for path in files if path.exists()}
    found: dict[str, Path] = {}
    for top, dirs, names in os.walk(directory):
        dirs.sort()
        for name in names:
            if re.search(r"\.ko(\.(xz|zst|gz))?$", name):
                found.setdefault(_module_name(name), Path(top) / name)
    return found


def _depends(module: bytes) -> list[str]:
    """The module's own list (.modinfo): Debian's packages come without modules.dep."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return found[1].decode(errors="replace").split(",") if found and found[1] else []


def load_order(directory: Path, wanted: Iterable[str]) -> list[tuple[str, bytes]]:
    """(name, contents) of the wanted modules and what they need, each behind its needs."""
    files = _module_files(directory)
    order: dict[str, bytes] = {}
    seen: set[str] = set()

    def visit(name: str) -> None:
        name = name.replace("-", "_")
        if name in seen or name not in files:
            return
        seen.add(name)
        module = kernelfile.decompress_module(files[name])
        for need in _depends(module):
            visit(need)
        order[name] = module

    for name in wanted:
        visit(name)
    return list(order.items())


def module_part(directory: Path | None, extra: Iterable[str] = ()) -> list[tuple[str, bytes]]:
    if directory is None:
        return []
    return [(f"{number:02d}-{name}.ko", data) for number, (name, data) in
            enumerate(load_order(directory, (*TRANSPORT_MODULES, *extra)))]


def build(agent: bytes, args: Iterable[str], skip: Iterable[tuple[str, int]] = (),
          modules: Iterable[tuple[str, bytes]] = (), agent32: bytes | None = None,
          only: Iterable[tuple[str, int]] = ()) -> bytes:
    """Deterministic: the same input gives the same bytes. agent32: the 32-bit build, for compat cases."""
    archive = Cpio()
    for name in DIRS:
        archive.directory(name)
    archive.char_device("dev/console", CONSOLE)
    archive.file("init", agent, 0o755)
    if agent32:
        archive.file("agent32", agent32, 0o755)
    archive.file("agent.args", "".join(f"{arg}\n" for arg in args).encode())
    for name, cases in (("agent.skip", skip), ("agent.only", only)):
        archive.file(name, "".join(f"{case}\t{rep}\n" for case, rep in cases).encode())
    for name, data in modules:
        archive.file(f"modules/{name}", data)
    return archive.bytes()
