# SPDX-License-Identifier: GPL-2.0-only
"""Tables of symbols out of guests: kept once, whole, under the build-id of the kernel that sent them."""
from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any

import pytest

from runner.guest.symbols import Receiver, kallsyms_file

ID = "0123456789abcdef0123456789abcdef01234567"
TABLE = b"ffffffff81000000 T _text\nffffffff81000100 t a\n"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "Image"
    path.write_bytes(b"kernel")
    return path


def pieces(packed: bytes, build_id: str = ID, size: int = 20) -> list[dict[str, Any]]:
    cuts = range(0, len(packed), size)
    return [{"event": "kallsyms", "build_id": build_id, "end": at == cuts[-1],
             "base64": base64.b64encode(packed[at:at + size]).decode()} for at in cuts]


def send(receiver: Receiver, events: list[dict[str, Any]]) -> None:
    for event in events:
        receiver.take(event)


def test_a_table_is_asked_for_once(tmp_path: Path, image: Path) -> None:
    receiver = Receiver(tmp_path, image, ID)
    assert receiver.wanted()
    send(receiver, pieces(gzip.compress(TABLE)))
    assert gzip.decompress(kallsyms_file(tmp_path, ID).read_bytes()) == TABLE
    assert not receiver.wanted()
    assert Receiver(tmp_path, image, "ff" * 20).wanted()


def test_an_image_that_tells_no_build_id_is_known_by_its_file(tmp_path: Path, image: Path) -> None:
    receiver = Receiver(tmp_path, image, None)
    send(receiver, pieces(gzip.compress(TABLE)))
    assert kallsyms_file(tmp_path, ID).exists() and not receiver.wanted()
    image.write_bytes(b"another kernel")
    assert receiver.wanted()


@pytest.mark.parametrize("spoil", ["cut", "flip", "more", "base64", "zeros", "path", "nothing", "restart"])
def test_what_is_not_whole_is_not_kept(tmp_path: Path, image: Path, spoil: str) -> None:
    receiver = Receiver(tmp_path, image, ID)
    packed = gzip.compress(TABLE)
    events = pieces(packed)
    if spoil == "cut":
        del events[1]
    elif spoil == "flip":
        events = pieces(packed[:30] + bytes([packed[30] ^ 1]) + packed[31:])
    elif spoil == "more":
        events = pieces(packed + b"more")
    elif spoil == "base64":
        events[1]["base64"] = "?"
    elif spoil == "zeros":
        events = pieces(gzip.compress(b"0000000000000000 T _text\n"))
    elif spoil == "path":
        events = pieces(packed, "../../etc/passwd")
    elif spoil == "nothing":
        events = [{"event": "kallsyms", "end": True}]
    elif spoil == "restart":
        send(receiver, events[:1])
        receiver.forget()
        events = events[1:]
    send(receiver, events)
    assert not list(tmp_path.rglob("*.gz")) and receiver.wanted()
    # The next one is whole again.
    send(receiver, pieces(packed))
    assert not receiver.wanted()
