# SPDX-License-Identifier: GPL-2.0-only
"""Tables of symbols out of guests: kept once, whole, under the build-id of the kernel that sent them."""
from __future__ import annotations

import base64
import gzip
from pathlib import Path
from typing import Any

import pytest

import debget
from runner.guest.symbols import Receiver, kallsyms_file
from tests.conftest import events, pmuvet

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


@pytest.mark.parametrize("platform", ["arm64", "x86_64"])
def test_a_real_guest_is_asked_once_and_counts_the_same(platform: str, tmp_path: Path) -> None:
    """The first run of a kernel sends its symbols, the second does not."""
    cache = tmp_path / "cache"
    cache.mkdir()
    for name in ("apt", "images", "kernels", "kvm"):
        (debget.cache_root() / name).mkdir(parents=True, exist_ok=True)
        (cache / name).symlink_to(debget.cache_root() / name)
    runs, keep = [], []
    for n in ("1", "2"):
        done = pmuvet("run", "--platform", platform, "--json", str(tmp_path / n), "--keep", str(tmp_path / f"keep{n}"),
                      "--filter", "sw/counting/*", "--filter", "breakpoint/counting/*", env={"PMUVET_CACHE": str(cache)},
                      timeout=400)
        assert done.returncode == 0, done.stdout + done.stderr
        runs.append(events(tmp_path / n))
        keep.append((tmp_path / f"keep{n}" / "1" / "results").read_bytes())
    begin, modules = runs[0][0], next(e for e in runs[0] if e["event"] == "modules")
    table = kallsyms_file(cache, begin["kernel"]["build_id"])
    assert b" T _stext\n" in gzip.decompress(table.read_bytes())
    assert b'"event":"kallsyms"' in keep[0] and b'"event":"kallsyms"' not in keep[1]
    assert not any(e["event"] == "kallsyms" for run in runs for e in run)
    assert {"virtio_console", "qemu_fw_cfg"} <= {m["name"] for m in modules["modules"]}
    assert all(len(m["build_id"]) == 40 and m["size"] for m in modules["modules"])
    if platform == "arm64":
        evidence = [[e for e in run if e["event"] == "evidence"] for run in runs]
        assert evidence[0] == evidence[1] and len(evidence[0]) > 100
