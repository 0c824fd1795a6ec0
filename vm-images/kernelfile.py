# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel file is, and making of it what QEMU boots fastest on its architecture."""
from __future__ import annotations

import ctypes
import gzip
import hashlib
import lzma
import mmap
import os
import re
import struct
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import debget

EM_X86_64, EM_AARCH64 = 62, 183
PT_LOAD, PT_NOTE = 1, 4
LZ4_BLOCK = 8 << 20
# Xen's XEN_ELFNOTE_PHYS32_ENTRY: where QEMU enters an x86 vmlinux (CONFIG_PVH).
NOTE_PHYS32_ENTRY = 18
# namesz 4, descsz 20, NT_GNU_BUILD_ID, "GNU": the note as it lies in an uncompressed kernel.
BUILD_ID_NOTE = struct.pack("<III4s", 4, 20, 3, b"GNU\0")
# `Linux version ` in the banner, also of a bzImage's version string.
RELEASE = re.compile(rb"Linux version ([0-9][!-~]{1,63}) ")


class KernelError(Exception):
    """The user's kernel cannot be used; the text says why."""


@dataclass(frozen=True)
class KernelFile:
    path: Path
    kind: str  # bzImage, Image, Image.gz, EFI zboot, vmlinux
    arch: str  # x86_64, arm64


def identify(path: Path) -> KernelFile:
    try:
        with open(path, "rb") as file:
            head = file.read(4096)
    except OSError as err:
        raise KernelError(f"{path}: {err.strerror}") from None
    if head[0x1FE:0x200] == b"\x55\xaa" and head[0x202:0x206] == b"HdrS":
        return KernelFile(path, "bzImage", "x86_64")
    if head[56:60] == b"ARM\x64":
        return KernelFile(path, "Image", "arm64")
    if head[:2] == b"MZ" and head[4:8] == b"zimg":
        return KernelFile(path, "EFI zboot", "arm64")
    if head[:5] == b"\x7fELF\x02" and len(head) >= 64:
        machine = struct.unpack_from("<H", head, 18)[0]
        if machine in (EM_X86_64, EM_AARCH64) and _loads(head):
            return KernelFile(path, "vmlinux", "x86_64" if machine == EM_X86_64 else "arm64")
        raise KernelError(f"{path}: an ELF file, but no vmlinux of x86_64 or arm64")
    if head[:2] == b"\x1f\x8b" and _gunzip_head(head)[56:60] == b"ARM\x64":
        return KernelFile(path, "Image.gz", "arm64")
    raise KernelError(f"{path}: not a kernel (want bzImage, Image, Image.gz or vmlinux)")


def _gunzip_head(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(head, 4096)
    except zlib.error:
        return b""


def _loads(data: bytes) -> list[tuple[int, int, int, int]]:
    """PT_LOAD segments whose header lies in `data`: (file offset, physical address, size, type)."""
    offset, = struct.unpack_from("<Q", data, 32)
    size, count = struct.unpack_from("<HH", data, 54)
    found = []
    for i in range(count):
        at = offset + i * size
        if size < 56 or at + 56 > len(data):
            break
        kind, _, off, _, paddr, filesz = struct.unpack_from("<IIQQQQ", data, at)
        if kind in (PT_LOAD, PT_NOTE) and filesz:
            found.append((off, paddr, filesz, kind))
    return found if any(seg[3] == PT_LOAD for seg in found) else []


def _has_pvh(data: bytes) -> bool:
    for off, _, size, kind in _loads(data[:65536]):
        end = off + size
        while kind == PT_NOTE and off + 12 <= min(end, len(data)):
            namesz, descsz, note = struct.unpack_from("<III", data, off)
            if note == NOTE_PHYS32_ENTRY and data[off + 12:off + 15] == b"Xen":
                return True
            off += 12 + (namesz + 3 & ~3) + (descsz + 3 & ~3)
    return False


def decompress(data: bytes, what: str) -> bytes:
    """gzip, xz, lzma or zstd data; bytes behind the end of the stream are ignored."""
    try:
        if data[:2] == b"\x1f\x8b":
            return zlib.decompressobj(31).decompress(data)
        if data[:6] == b"\xfd7zXZ\0":
            return lzma.LZMADecompressor().decompress(data)
        if data[:3] == b"\x5d\0\0":
            return lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(data)
        if data[:4] == b"\x28\xb5\x2f\xfd":
            return _zstd(data, what)
        if data[:4] == b"\x02\x21\x4c\x18":
            return _lz4_legacy(data, what)
    except (zlib.error, lzma.LZMAError) as err:
        raise KernelError(f"{what}: damaged: {err}") from None
    raise KernelError(f"{what}: its compression is not known here (gzip, xz, lzma, zstd, lz4 are)")


def _zstd(data: bytes, what: str) -> bytes:
    try:
        done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True)
    except OSError:
        raise KernelError(f"{what}: needs the zstd program (Debian package zstd)") from None
    # A kernel's payload is followed by its size: zstd delivers all and then complains.
    if done.returncode and not done.stdout:
        raise KernelError(f"{what}: damaged zstd data")
    return done.stdout


def _lz4_legacy(data: bytes, what: str) -> bytes:
    """The kernel's lz4 -l format: blocks of at most 8 MiB plain, each behind its 32-bit size."""
    try:
        # apt itself depends on this library.
        lz4 = ctypes.CDLL("liblz4.so.1")
    except OSError:
        raise KernelError(f"{what}: needs liblz4.so.1 (Debian package liblz4-1)") from None
    block = ctypes.create_string_buffer(LZ4_BLOCK)
    plain, at = [], 4
    while at + 4 <= len(data):
        size, = struct.unpack_from("<I", data, at)
        at += 4
        # A kernel's payload is followed by its plain size, which is no block.
        if not size or at + size > len(data):
            break
        done = lz4.LZ4_decompress_safe(data[at:at + size], block, size, LZ4_BLOCK)
        if done < 0:
            raise KernelError(f"{what}: damaged lz4 data")
        plain.append(ctypes.string_at(block, done))
        at += size
    return b"".join(plain)


def _bzimage_payload(data: bytes, what: str) -> bytes:
    """The compressed vmlinux inside (Documentation/arch/x86/boot.rst, protocol 2.08)."""
    setup_sects = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup_sects + 1) * 512 + offset
    return decompress(data[start:start + length], what)


def _zboot_payload(data: bytes, what: str) -> bytes:
    offset, length = struct.unpack_from("<II", data, 8)
    return decompress(data[offset:offset + length], what)


def _flat_image(data: bytes, what: str) -> bytes:
    """The Image in an arm64 vmlinux: its segments at their places, as objcopy -O binary does."""
    loads = [seg for seg in _loads(data[:65536]) if seg[3] == PT_LOAD]
    base = min(paddr for _, paddr, _, _ in loads)
    size = max(paddr + filesz for _, paddr, filesz, _ in loads) - base
    if size > 1 << 30:
        raise KernelError(f"{what}: its segments lie {size >> 20} MiB apart: no kernel")
    flat = bytearray(size)
    for off, paddr, filesz, _ in loads:
        flat[paddr - base:paddr - base + filesz] = data[off:off + filesz]
    if flat[56:60] != b"ARM\x64":
        raise KernelError(f"{what}: an arm64 ELF file, but no Linux kernel")
    return bytes(flat)


def bootable(kernel: KernelFile, cache: Path) -> Path:
    """
    The file to hand to QEMU: an uncompressed one, kept in the cache. x86 boots by PVH then,
    which saves the decompression in the guest; a bzImage without PVH entry stays as it is.
    """
    if kernel.kind == "Image":
        return kernel.path
    data = kernel.path.read_bytes()
    what = f"{kernel.path} ({kernel.kind})"
    if kernel.kind == "vmlinux" and kernel.arch == "x86_64":
        if not _has_pvh(data):
            raise KernelError(f"{kernel.path}: vmlinux without PVH entry (CONFIG_PVH): "
                              "give the bzImage")
        return kernel.path
    directory = cache / "images"
    final = directory / hashlib.sha256(data).hexdigest()[:32]
    if final.exists():
        return final if final.stat().st_size else kernel.path
    if kernel.kind == "bzImage":
        plain = _vmlinux_of(data, what)
    elif kernel.kind == "Image.gz":
        plain = decompress(data, what)
    elif kernel.kind == "EFI zboot":
        plain = _zboot_payload(data, what)
    else:
        plain = _flat_image(data, what)
    with debget.scratch(directory) as tmp:
        (tmp / "image").write_bytes(plain)
        os.replace(tmp / "image", final)
    return final if plain else kernel.path


def _vmlinux_of(data: bytes, what: str) -> bytes:
    """Empty when the bzImage itself has to be booted."""
    try:
        plain = _bzimage_payload(data, what)
        return plain if plain[:4] == b"\x7fELF" and _has_pvh(plain) else b""
    except (KernelError, struct.error):
        return b""


def facts(image: Path) -> tuple[str | None, str | None]:
    """
    (release, build-id) as an uncompressed kernel names them. A flat Image does not tell its own
    build-id note from that of the vDSO inside: only a vmlinux gives one.
    """
    with open(image, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = RELEASE.search(data)
        release = found[1].decode() if found else None
        for off, _, size, kind in _loads(data[:65536]) if data[:4] == b"\x7fELF" else []:
            at = data.find(BUILD_ID_NOTE, off, off + size) if kind == PT_NOTE else -1
            if at >= 0:
                return release, data[at + 16:at + 36].hex()
    return release, None


def decompress_module(path: Path) -> bytes:
    data = path.read_bytes()
    if path.suffix == ".gz":
        try:
            return gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as err:
            raise KernelError(f"{path}: damaged: {err}") from None
    return decompress(data, str(path)) if path.suffix in (".xz", ".zst") else data
