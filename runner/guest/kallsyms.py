# SPDX-License-Identifier: GPL-2.0-only
"""Names of a kernel's functions, out of its own table (kernel/kallsyms.c) in a dump."""
from __future__ import annotations

import struct
from bisect import bisect_right
from dataclasses import dataclass

from .dump import Dump, DumpError

SYMBOLS_MAX = 1 << 20
NAMES_MAX = 1 << 24
NAME_MAX = 128


@dataclass(frozen=True)
class Place:
    function: str
    offset: int
    size: int
    code: bool  # a function, no datum

    def __str__(self) -> str:
        return f"{self.function}+{self.offset:#x}/{self.size:#x}"


class Kallsyms:
    """The core kernel's; VMCOREINFO says where the tables are since 6.0."""

    def __init__(self, dump: Dump) -> None:
        count = dump.u32(dump.number("SYMBOL(kallsyms_num_syms)"))
        if not 0 < count <= SYMBOLS_MAX:
            raise DumpError(f"kallsyms: {count} symbols")
        table = dump.number("SYMBOL(kallsyms_offsets)")
        offsets = struct.unpack(f"<{count}i", dump.read(table, 4 * count))
        self._addresses = _addresses(dump, table, offsets)
        self._read_names(dump, count)

    def _read_names(self, dump: Dump, count: int) -> None:
        start = dump.number("SYMBOL(kallsyms_names)")
        # What stands behind the names is not known: as much as there is, a page less each time.
        self._names = _longest(dump, start)
        index = struct.unpack("<256H", dump.read(dump.number("SYMBOL(kallsyms_token_index)"), 512))
        table = dump.read(dump.number("SYMBOL(kallsyms_token_table)"), max(index) + 256)
        self._tokens = [table[i:].partition(b"\0")[0] for i in index]
        self._at = []
        at = 0
        for _ in range(count):
            self._at.append(at)
            at += self._length(at)[1]
            if at > len(self._names):
                raise DumpError("kallsyms: the names run out of memory")

    def _length(self, at: int) -> tuple[int, int]:
        """(bytes before a name's tokens, bytes in all); long names have a length of two bytes."""
        first = self._names[at] if at < len(self._names) else 0
        if not first & 0x80:
            return 1, 1 + first
        second = self._names[at + 1] if at + 1 < len(self._names) else 0
        return 2, 2 + (first & 0x7f | second << 7)

    def _name(self, number: int) -> str:
        """The type's letter (as in nm) and the name."""
        at = self._at[number]
        head, whole = self._length(at)
        text = b"".join(self._tokens[b] for b in self._names[at + head:at + whole])
        return text[:NAME_MAX].decode("ascii", "replace")

    def find(self, address: int) -> Place | None:
        number = bisect_right(self._addresses, address) - 1
        if number < 0:
            return None
        # Of several names at one address the first, as the kernel does.
        while number and self._addresses[number - 1] == self._addresses[number]:
            number -= 1
        start = self._addresses[number]
        after = bisect_right(self._addresses, start)
        if after == len(self._addresses):
            return None
        name = self._name(number)
        return Place(name[1:], address - start, self._addresses[after] - start, name[:1] in "tTwW")


def _addresses(dump: Dump, table: int, offsets: tuple[int, ...]) -> list[int]:
    if not dump.has("SYMBOL(kallsyms_relative_base)"):
        # 7.x: from where each offset lies.
        return [table + 4 * n + offset for n, offset in enumerate(offsets)]
    base = dump.u64(dump.number("SYMBOL(kallsyms_relative_base)"))
    if any(o < 0 for o in offsets) and dump.arch == "x86_64":
        # CONFIG_KALLSYMS_ABSOLUTE_PERCPU: what is not negative is an absolute address.
        return [o if o >= 0 else base - 1 - o for o in offsets]
    return [base + (o & 0xffffffff) for o in offsets]


def _longest(dump: Dump, start: int) -> bytes:
    size = NAMES_MAX
    while size >= 4096:
        try:
            return dump.read(start, size)
        except DumpError:
            size //= 2
    raise DumpError("kallsyms: no names")
