# SPDX-License-Identifier: GPL-2.0-only
"""The frame decoder: nothing bad passes silently, nothing good is lost."""
from __future__ import annotations

import random

import pytest

from runner.guest.stream import encode
from runner.guest.transport import LINE_MAX, Bad, Decoder, Frame

from .conftest import frame

BEGIN = {"event": "case_begin", "case": "a/b/c", "rep": 0}


def decode(data: bytes, chunk: int = 1 << 30, mixed: bool = False) -> list[Frame | Bad]:
    decoder = Decoder(mixed)
    items: list[Frame | Bad] = []
    for at in range(0, len(data), chunk):
        items += decoder.feed(data[at:at + chunk])
    return items + list(decoder.close())


@pytest.mark.parametrize("chunk", [1, 2, 7, 4096])
def test_frames_come_out_whole_however_they_are_cut(chunk: int) -> None:
    data = b"".join(frame(n, {"event": "message", "text": "ä" * n}) for n in range(1, 30))
    items = decode(data, chunk)
    assert [item.seq for item in items if isinstance(item, Frame)] == list(range(1, 30))
    assert len(items) == 29


def test_each_flipped_bit_is_seen() -> None:
    good = frame(1, BEGIN) + frame(2, {"event": "message"})
    for at in range(len(good) - 1):
        for bit in range(8):
            spoiled = bytearray(good)
            spoiled[at] ^= 1 << bit
            items = decode(bytes(spoiled))
            assert any(isinstance(item, Bad) for item in items), (at, bit)


def test_each_cut_is_seen() -> None:
    good = frame(1, BEGIN)
    for length in range(1, len(good)):
        assert [type(item) for item in decode(good[:length])] == [Bad], length
    assert all(item.cut for item in decode(good[:9]) if isinstance(item, Bad))


def test_a_gap_is_seen_and_what_follows_is_kept() -> None:
    first, second = decode(frame(1, BEGIN) + frame(4, BEGIN))[1:]
    assert isinstance(first, Bad) and "2 frames before 4 are missing" in first.text
    assert isinstance(second, Frame)


@pytest.mark.parametrize("order", [(1, 1), (2, 1), (1, 3, 2)])
def test_repeated_and_reordered_frames_are_not_taken(order: tuple[int, ...]) -> None:
    items = decode(b"".join(frame(seq, BEGIN) for seq in order))
    assert isinstance(items[-1], Bad) and "again or late" in items[-1].text


@pytest.mark.parametrize("payload", [
    b"{", b"[]", b"{}", b'{"event":1}', b'{"event":"qmp"}', b'{"event":"boot"}',
    b'{"event":"case_begin"}', b'{"event":"case_begin","case":"a","rep":true}',
    b'{"event":"case_end","case":"a","rep":0,"verdict":"fine"}',
    b'{"event":"plan","count":1e3}', b'{"event":"plan","count":9223372036854775808}',
    b'{"event":"x","y":NaN}', b'{"event":"x","y":1e999}', b'{"event":"\xff"}',
    b'{"event":"x","y":' + b"9" * 10000 + b"}", b'{"event":' + b"[" * 100000 + b"}",
    b'{"event":"x"} {"event":"x"}', b"",
])
def test_a_payload_that_is_no_event_is_bad(payload: bytes) -> None:
    items = decode(frame(1, payload))
    assert items and all(isinstance(item, Bad) for item in items)
    assert all(len(item.text) < 1000 for item in items if isinstance(item, Bad))


def test_a_line_without_end_takes_no_memory_and_is_reported_once() -> None:
    decoder = Decoder()
    items: list[Frame | Bad] = []
    for _ in range(100):
        items += decoder.feed(b"x" * 100_000)
        assert len(decoder._rest) <= LINE_MAX
    items += decoder.feed(b"\n" + frame(1, BEGIN))
    assert [type(item) for item in items] == [Bad, Frame]


def test_noise_never_raises() -> None:
    rng = random.Random(1)
    alphabet = b"@pv 123 \n\r\x00\x1b{}\"abcdef\xff"
    decoder, mixed = Decoder(), Decoder(mixed=True)
    for _ in range(300):
        data = bytes(rng.choice(alphabet) for _ in range(rng.randrange(200)))
        list(decoder.feed(data))
        list(mixed.feed(data))


def test_on_a_console_only_frames_are_judged() -> None:
    data = b"[    0.1] Linux\r\n[    0.2] text" + frame(1, BEGIN)[:-1] + b"\r\n@pv nonsense\r\n[ 0.3"
    items = decode(data, mixed=True)
    assert [type(item) for item in items] == [Frame, Bad]


def test_the_stream_is_clean_utf8_whatever_a_guest_says() -> None:
    line = encode({"event": "message", "text": "\x1b[2J\x7f\x9b \ud800 ü\n"})
    assert line.count(b"\n") == 1 and b"\x1b" not in line and b"\x7f" not in line
    assert "\x9b" not in line.decode() and "ü" in line.decode()
