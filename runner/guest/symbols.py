# SPDX-License-Identifier: GPL-2.0-only
"""Tables of symbols of guests' kernels, one file a build-id in the cache: a guest is asked once."""
from __future__ import annotations

import base64
import hashlib
import os
import re
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import debget

PACKED_MAX = 64 << 20
PLAIN_MAX = 256 << 20
BUILD_ID = re.compile(r"[0-9a-f]{4,128}")


def kallsyms_file(cache: Path, build_id: str) -> Path:
    """Where the table of this kernel lies or will lie."""
    return cache / "kallsyms" / f"{build_id}.gz"


def _image_link(cache: Path, image: Path) -> Path:
    """A flat arm64 Image does not tell its build-id: by this the table is found before the kernel runs."""
    about = image.stat()
    name = f"{image.resolve()}\0{about.st_size}\0{about.st_mtime_ns}\0{about.st_ino}"
    return cache / "kallsyms" / f"image-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


@dataclass
class Receiver:
    """Takes the events `kallsyms` of a guest; what is not whole is dropped, the next run asks again."""

    cache: Path
    image: Path
    build_id: str | None  # as the image tells it
    _packed: bytearray = field(default_factory=bytearray)
    _spoilt: bool = False

    def wanted(self) -> bool:
        if self.build_id:
            return not kallsyms_file(self.cache, self.build_id).exists()
        return not _image_link(self.cache, self.image).exists()

    def take(self, event: dict[str, Any]) -> None:
        try:
            piece = base64.b64decode(event["base64"], validate=True)
        except (KeyError, TypeError, ValueError):
            piece, self._spoilt = b"", True
        if len(self._packed) + len(piece) > PACKED_MAX:
            self._packed.clear()
            self._spoilt = True
        self._packed += piece
        if event.get("end") is True:
            self._keep(event.get("build_id"))
            self.forget()

    def forget(self) -> None:
        """A boot ended: what it had begun is worth nothing."""
        self._packed.clear()
        self._spoilt = False

    def _keep(self, build_id: Any) -> None:
        if self._spoilt or not isinstance(build_id, str) or not BUILD_ID.fullmatch(build_id) \
                or not _whole(bytes(self._packed)):
            return
        path = kallsyms_file(self.cache, build_id)
        with debget.scratch(path.parent) as tmp:
            (tmp / "new").write_bytes(self._packed)
            os.replace(tmp / "new", path)
            if not self.build_id:
                (tmp / "link").symlink_to(path.name)
                os.replace(tmp / "link", _image_link(self.cache, self.image))


def _whole(packed: bytes) -> bool:
    """Whether it is one gzip file of kallsyms' lines, addresses and all."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(packed, PLAIN_MAX)
    except zlib.error:
        return False
    if not unpacker.eof or unpacker.unused_data:
        return False
    return re.search(rb"^[0-9a-f]*[1-9a-f][0-9a-f]* [a-zA-Z] \S", plain, re.MULTILINE) is not None
