# SPDX-License-Identifier: GPL-2.0-only
"""
A dead guest's memory, as QEMU's dump-guest-memory wrote it (ELF): physical memory, the kernel's own
description of itself (VMCOREINFO), and addresses. The guest is not to be trusted with any of it.

Debian 12's makedumpfile (1.7.2) refuses QEMU 7.2's ELF dumps and reads its own architecture only; drgn 0.0.22
needs debug information. So it is read here, for both architectures.
"""
from __future__ import annotations

import contextlib
import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path

PT_LOAD, PT_NOTE = 1, 4
MACHINES = {62: "x86_64", 183: "arm64"}
HEADERS_MAX = 1 << 12
INFO_MAX = 1 << 16
PAGE = 4096
TEXT_MAP = 0xffffffff80000000  # x86: __START_KERNEL_map
IMAGE_MAX = 1 << 30  # KERNEL_IMAGE_SIZE with KASLR; modules lie behind it
ARM_IMAGE_MAX = 1 << 27
DIRECT_MAP = 0xffff888000000000  # x86: page_offset_base without KASLR, four levels
FIELD = re.compile(rb"(?m)^([A-Z-]+)(?:\(([\w.]+)\))?=(\S*)$")


class DumpError(Exception):
    """Nothing can be read there; the text says what is wrong."""


class Dump:
    """Use as a context manager; every address and length that comes from the guest may be absurd."""

    def __init__(self, path: Path) -> None:
        try:
            with open(path, "rb") as file:
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as err:
            raise DumpError(f"{path}: {err}") from None
        try:
            self._read_headers()
            self._info = self._find_info()
        except (struct.error, ValueError, OverflowError) as err:
            self._data.close()
            raise DumpError(f"{path}: not a whole ELF dump: {err}") from None

    def __enter__(self) -> Dump:
        return self

    def __exit__(self, *_: object) -> None:
        self._data.close()

    def _read_headers(self) -> None:
        data = self._data
        if data[:6] != b"\x7fELF\x02\x01":
            raise ValueError("no 64-bit little-endian ELF file")
        machine, = struct.unpack_from("<H", data, 18)
        if machine not in MACHINES:
            raise ValueError(f"machine {machine}")
        self.arch = MACHINES[machine]
        start, = struct.unpack_from("<Q", data, 32)
        size, count = struct.unpack_from("<HH", data, 54)
        self._loads: list[tuple[int, int, int]] = []  # physical, offset, length
        self._notes: list[tuple[int, int]] = []
        for n in range(min(count, HEADERS_MAX)):
            kind, _, offset, _, phys, length = struct.unpack_from("<IIQQQQ", data, start + n * size)
            if kind == PT_LOAD:
                self._loads.append((phys, offset, length))
            elif kind == PT_NOTE:
                self._notes.append((offset, length))
        if not self._loads:
            raise ValueError("no memory in it")

    # ---- VMCOREINFO ----

    def _note_texts(self) -> Iterator[bytes]:
        for offset, length in self._notes:
            at, end = offset, offset + length
            while at + 12 <= end:
                namesz, descsz, _ = struct.unpack_from("<III", self._data, at)
                name = self._data[at + 12:at + 12 + min(namesz, 64)]
                at += 12 + (namesz + 3 & ~3)
                if name.rstrip(b"\0") == b"VMCOREINFO":
                    yield self._data[at:at + min(descsz, INFO_MAX)]
                at += descsz + 3 & ~3

    def _find_info(self) -> dict[str, str]:
        """The kernel hands it to the vmcoreinfo device; without that it is looked for in memory."""
        for text in self._note_texts():
            if b"SYMBOL(" in text:
                return _fields(text)
        at = -1
        while (at := self._data.find(b"OSRELEASE=", at + 1)) >= 0:
            text = self._data[at:at + INFO_MAX].partition(b"\0")[0]
            if b"\nPAGESIZE=" in text[:512] and b"\nSYMBOL(prb)=" in text:
                return _fields(text)
        return {}

    def has(self, key: str) -> bool:
        return key in self._info

    def text(self, key: str) -> str:
        if key not in self._info:
            raise DumpError(f"the dump's VMCOREINFO has no {key}" if self._info
                            else "the dump has no VMCOREINFO: the kernel died too early, or overwrote it")
        return self._info[key]

    def number(self, key: str) -> int:
        """SYMBOL in hex, as the kernel prints it; NUMBER, OFFSET and SIZE decimal or with 0x."""
        text = self.text(key)
        try:
            return int(text, 16 if key.startswith("SYMBOL") else 0)
        except ValueError:
            raise DumpError(f"the dump's VMCOREINFO: {key}={text[:40]!r}") from None

    def offset(self, member: str) -> int:
        return self.number(f"OFFSET({member})")

    def size(self, kind: str) -> int:
        return self.number(f"SIZE({kind})")

    # ---- memory ----

    def physical(self, address: int, length: int) -> bytes:
        for phys, offset, size in self._loads:
            if phys <= address and address + length <= phys + size:
                found = self._data[offset + address - phys:offset + address - phys + length]
                if len(found) == length:
                    return found
        raise DumpError(f"no memory at physical {address:#x}")

    def _translate(self, address: int, mapped: bool = False) -> int:
        """
        The kernel's image and its linear map by their fixed places and not by its page tables, which may be
        what it destroyed; what was mapped piece by piece (stacks, modules) by the tables.
        """
        if self.arch == "x86_64":
            if TEXT_MAP <= address < TEXT_MAP + IMAGE_MAX:
                return address - TEXT_MAP + self.number("NUMBER(phys_base)")
            try:
                return self._walk(address)
            except DumpError:
                if not 0 <= address - DIRECT_MAP < 1 << 46:
                    raise
                return address - DIRECT_MAP
        bits = self.number("NUMBER(VA_BITS)")
        base = (1 << 64) - (1 << bits)
        # Since 5.4 the linear map is the lower half of the kernel's addresses.
        if base <= address < base + (1 << bits - 1):
            return address - base + self.number("NUMBER(PHYS_OFFSET)")
        # Behind _stext; in front of it lie the head's two pages and nothing that is read. Stacks may lie close
        # behind its end, which nobody tells.
        if 0 <= address - self.number("SYMBOL(_stext)") < ARM_IMAGE_MAX:
            with contextlib.suppress(DumpError):
                if mapped:
                    return self._walk(address)
            return address - self.number("NUMBER(kimage_voffset)") & (1 << 64) - 1
        return self._walk(address)

    def _walk(self, address: int) -> int:
        """Both architectures alike but for the width of an entry's address and the mark of a block."""
        x86 = self.arch == "x86_64"
        page = self.number("PAGESIZE")
        shift = page.bit_length() - 1
        if page not in (4096, 16384, 65536):
            raise DumpError(f"the dump's VMCOREINFO: PAGESIZE={page}")
        if x86:
            wide = self.has("NUMBER(pgtable_l5_enabled)") and self.number("NUMBER(pgtable_l5_enabled)")
            levels, bits, root = 5 if wide else 4, 48, "SYMBOL(init_top_pgt)"
        else:
            bits, root = self.number("NUMBER(VA_BITS)"), "SYMBOL(swapper_pg_dir)"
            levels = -(-(bits - shift) // (shift - 3))
        table = self._translate(self.number(root))
        for level in range(min(levels, 5) - 1, -1, -1):
            low = shift + (shift - 3) * level
            index = address >> low & (1 << shift - 3) - 1
            if not x86 and level == levels - 1:
                index &= (1 << bits - low) - 1
            entry, = struct.unpack("<Q", self.physical(table + index * 8, 8))
            if not entry & 1:
                break
            table = entry & (1 << (52 if x86 else 48)) - 1 & ~(page - 1)
            if level == 0 or (entry & 0x80 if x86 else not entry & 2):
                return table & ~((1 << low) - 1) | address & (1 << low) - 1
        raise DumpError(f"no mapping of {address:#x}")

    def read(self, address: int, length: int, mapped: bool = False) -> bytes:
        """
        Of a kernel's virtual address. `mapped`: of a stack, or what else the kernel mapped piece by piece; else
        of its image or of memory that it allocated.
        """
        if not 0 <= length <= 1 << 26 or not 0 <= address < 1 << 64:
            raise DumpError(f"{length} bytes at {address:#x}: absurd")
        if not mapped:
            with contextlib.suppress(DumpError):
                # Image and linear map are in one piece.
                whole = self._translate(address)
                if self._translate(address + max(length, 1) - 1) == whole + max(length, 1) - 1:
                    return self.physical(whole, length)
        parts = []
        while length:
            n = min(length, PAGE - address % PAGE)
            parts.append(self.physical(self._translate(address, mapped), n))
            address, length = address + n, length - n
        return b"".join(parts)

    def u64(self, address: int, mapped: bool = False) -> int:
        return int.from_bytes(self.read(address, 8, mapped), "little")

    def u32(self, address: int) -> int:
        return int.from_bytes(self.read(address, 4), "little")


def _fields(text: bytes) -> dict[str, str]:
    found = {}
    for kind, name, value in FIELD.findall(text):
        key = f"{kind.decode()}({name.decode()})" if name else kind.decode()
        found[key] = value.decode("ascii", "replace")
    return found
