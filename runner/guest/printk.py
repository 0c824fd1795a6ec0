# SPDX-License-Identifier: GPL-2.0-only
"""The kernel log in a dump: the ring buffer of kernel/printk/printk_ringbuffer.c (5.10 and later)."""
from __future__ import annotations

import struct
from dataclasses import dataclass

from .dump import Dump, DumpError

COUNT_BITS_MAX, SIZE_BITS_MAX = 20, 26
STATE_SHIFT = 62
COMMITTED, FINALIZED = 1, 2
ID_MASK = (1 << STATE_SHIFT) - 1
WRAP = (1 << 64) - 1


@dataclass(frozen=True)
class Record:
    seq: int
    seconds: float
    text: str

    def lines(self) -> list[str]:
        """As the console prints them."""
        return [f"[{self.seconds:12.6f}] {line}" for line in self.text.split("\n")]


def records(dump: Dump) -> list[Record]:
    """Oldest first. What a dying kernel left half-written is left out."""
    ring = dump.u64(dump.number("SYMBOL(prb)"))
    desc_ring = ring + dump.offset("printk_ringbuffer.desc_ring")
    text_ring = ring + dump.offset("printk_ringbuffer.text_data_ring")
    count_bits = dump.u32(desc_ring + dump.offset("prb_desc_ring.count_bits"))
    size_bits = dump.u32(text_ring + dump.offset("prb_data_ring.size_bits"))
    if count_bits > COUNT_BITS_MAX or not 3 < size_bits <= SIZE_BITS_MAX:
        raise DumpError(f"the log's ring buffer is damaged (2^{count_bits} records, 2^{size_bits} bytes)")
    desc_size, info_size = dump.size("prb_desc"), dump.size("printk_info")
    if not 16 <= desc_size <= 256 or not 24 <= info_size <= 1024:
        raise DumpError("the log's ring buffer is damaged (sizes of its records)")
    count = 1 << count_bits
    counter = dump.offset("atomic_long_t.counter")
    descs = dump.read(dump.u64(desc_ring + dump.offset("prb_desc_ring.descs")), count * desc_size)
    infos = dump.read(dump.u64(desc_ring + dump.offset("prb_desc_ring.infos")), count * info_size)
    text = dump.read(dump.u64(text_ring + dump.offset("prb_data_ring.data")), 1 << size_bits)
    head = dump.u64(desc_ring + dump.offset("prb_desc_ring.head_id") + counter)
    tail = dump.u64(desc_ring + dump.offset("prb_desc_ring.tail_id") + counter)
    state_at = dump.offset("prb_desc.state_var") + counter
    begin_at = dump.offset("prb_desc.text_blk_lpos") + dump.offset("prb_data_blk_lpos.begin")
    next_at = dump.offset("prb_desc.text_blk_lpos") + dump.offset("prb_data_blk_lpos.next")
    seq_at, time_at = dump.offset("printk_info.seq"), dump.offset("printk_info.ts_nsec")
    length_at = dump.offset("printk_info.text_len")
    found = []
    try:
        for n in range(min((head - tail & ID_MASK) + 1, count)):
            ident = tail + n & ID_MASK
            desc, info = ident % count * desc_size, ident % count * info_size
            state, = struct.unpack_from("<Q", descs, desc + state_at)
            if state >> STATE_SHIFT not in (COMMITTED, FINALIZED) or state & ID_MASK != ident:
                continue
            begin, = struct.unpack_from("<Q", descs, desc + begin_at)
            after, = struct.unpack_from("<Q", descs, desc + next_at)
            seq, = struct.unpack_from("<Q", infos, info + seq_at)
            nsec, = struct.unpack_from("<Q", infos, info + time_at)
            length, = struct.unpack_from("<H", infos, info + length_at)
            block = _block(text, begin, after)
            found.append(Record(seq, nsec / 1e9, block[:length].decode("utf-8", "replace")))
    except struct.error as err:
        raise DumpError(f"the log's ring buffer is damaged ({err})") from None
    return found


def _block(text: bytes, begin: int, after: int) -> bytes:
    """A record's text behind the id that begins its block; a block that would wrap stands at the start."""
    size = len(text)
    if begin & 1 and after & 1:
        return b""  # a record without text
    start, end = begin % size, after % size
    if begin // size != after // size and end:
        start = 0
    return text[start + 8:end or size] if start + 8 <= (end or size) else b""
