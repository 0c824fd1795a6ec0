# SPDX-License-Identifier: GPL-2.0-only
"""Initramfs, platforms, kernel specs, the package cache: without a guest."""
from __future__ import annotations

import gzip
import json
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

import debget
import initramfs
import kernelfile
import kernels
import platforms
import pytest

from .conftest import ROOT


def read_cpio(data: bytes) -> dict[str, tuple[int, bytes]]:
    """{name: (mode, contents)}, by the format's description."""
    found, at = {}, 0
    while True:
        assert data[at:at + 6] == b"070701" and at % 4 == 0
        fields = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = data[at + 110:at + 110 + fields[11] - 1].decode()
        start = at + 110 + fields[11] + 3 & ~3
        if name == "TRAILER!!!":
            return found
        found[name] = (fields[1], data[start:start + fields[6]])
        at = start + fields[6] + 3 & ~3


def module(depends: str) -> bytes:
    return b"\x7fELF\0license=GPL\0depends=" + depends.encode() + b"\0name=x\0"


def test_the_initramfs_holds_what_the_agent_needs_and_is_reproducible() -> None:
    first = initramfs.build(b"agent", ["--filter", "a b"], [("x/y", 2)], [("00-m.ko", b"123")])
    files = read_cpio(first)
    assert files["init"] == (0o100755, b"agent")
    assert files["agent.args"][1] == b"--filter\na b\n"
    assert files["agent.skip"][1] == b"x/y\t2\n"
    assert files["modules/00-m.ko"][1] == b"123"
    assert files["dev/console"][0] == 0o020600
    time.sleep(1.1)
    assert first == initramfs.build(b"agent", ["--filter", "a b"], [("x/y", 2)], [("00-m.ko", b"123")])


def test_modules_come_behind_what_they_need(tmp_path: Path) -> None:
    drivers = tmp_path / "kernel/drivers"
    drivers.mkdir(parents=True)
    (drivers / "virtio_console.ko").write_bytes(module("virtio,virtio-ring"))
    (drivers / "virtio.ko.gz").write_bytes(gzip.compress(module("virtio_ring")))
    (drivers / "virtio_ring.ko").write_bytes(module("virtio_console"))  # a cycle ends
    (drivers / "unneeded.ko").write_bytes(module(""))
    names = [name for name, _ in initramfs.load_order(tmp_path, ["virtio_console", "builtin"])]
    assert names == ["virtio_ring", "virtio", "virtio_console"]


def test_modules_of_a_kernel_tree_are_found_by_its_list(tmp_path: Path) -> None:
    (tmp_path / "Kbuild").touch()
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers/virtio-pci.ko").write_bytes(module(""))
    (tmp_path / "modules.order").write_text("drivers/virtio-pci.o\ndrivers/gone.ko\n")
    assert [n for n, _ in initramfs.module_part(tmp_path)] == ["00-virtio_pci.ko"]


def test_damaged_modules_are_named(tmp_path: Path) -> None:
    for suffix in ("gz", "xz", "zst"):
        path = tmp_path / f"virtio_pci.ko.{suffix}"
        path.write_bytes(b"damaged")
        with pytest.raises(kernelfile.KernelError, match=path.name):
            initramfs.module_part(tmp_path)
        path.unlink()


# ---- platforms ----

GOOD = (platforms.DIRECTORY / "x86_64.yaml").read_text()


def test_every_platform_of_the_tree_loads() -> None:
    assert {"arm64", "x86_64"} <= set(platforms.names())
    for name in platforms.names():
        assert platforms.load(name).name == name


def test_an_unknown_platform_is_answered_with_what_there_is() -> None:
    with pytest.raises(platforms.PlatformError, match="unknown platform 'vax'; there are: host, .*arm64, .*x86_64"):
        platforms.load("vax")


@pytest.mark.parametrize("old,new,message", [
    ("smp: 2", "smp: two", r":\d+: smp: want int, not str"),
    ("smp: 2", "smp: 0", r":\d+: smp: out of range"),
    ("smp: 2", "smp: true", r":\d+: smp: want int"),
    ("smp: 2", "smp: 2\nsmp: 2", r":\d+: smp: given twice"),
    ("smp: 2", "spm: 2", r":\d+: spm: unknown key; there are:.* smp"),
    ("machine: q35", "", r":\d+: machine: is missing"),
    ("arch: x86_64", "arch: vax", r":\d+: arch: 'vax': want one of"),
    ("  cpu: qemu64", "  cpu: [1]", r":\d+: tcg.cpu: want str"),
    ("  cpu: qemu64", "  cqu: 1", r":\d+: tcg.cqu: unknown key"),
    ("expect: [perf", "expect: [porf", r":\d+: expect: 'porf': no PMU family; there are: perf"),
    ("expect: [perf", "expect: [7", r":\d+: expect: want a list of texts"),
    ("tcg:\n", "tcg: 1\nxcg:\n", r":\d+: tcg: want a mapping"),
    ("smp: 2", "smp: [", r":\d+: "),
])
def test_a_platforms_error_names_file_line_and_key(tmp_path: Path, old: str, new: str,
                                                   message: str) -> None:
    assert old in GOOD
    (tmp_path / "p.yaml").write_text(GOOD.replace(old, new, 1))
    with pytest.raises(platforms.PlatformError, match=r"p\.yaml" + message):
        platforms.load("p", tmp_path)


@pytest.mark.parametrize("text", ["", "1", "- a", "\0", "&a [*a]", "? [a]\n: b", "about: !!python/x 1"])
def test_a_file_that_is_no_platform_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(platforms.PlatformError, match=r"p\.yaml:\d+: "):
        platforms.load("p", tmp_path)


# ---- kernels ----

INDEX = """\
Package: linux-image-6.1.0-9-cloud-amd64
Version: 6.1.9-1

Package: linux-image-6.1.0-10-amd64
Version: 6.1.10-1

Package: linux-image-6.1.0-10-cloud-amd64
Version: 6.1.10-1

Package: linux-image-6.1.0-99-rt-amd64
Version: 6.1.99-1

Package: linux-image-6.12-cloud-amd64
Version: 6.12.5-1

Package: linux-image-6.12.5+deb12-amd64
Version: 6.12.5-1

Package: linux-image-7.2.13+deb14-cloud-amd64
Version: 7.2.13-1

Package: linux-binary-7.2.13+deb14-cloud-amd64
Version: 7.2.13-1

Package: linux-modules-7.2.13+deb14-cloud-amd64
Version: 7.2.13-1
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A cache whose indexes are fresh, so that nothing is fetched."""
    for suite in debget.SUITES:
        source = debget.archive(suite, "amd64", tmp_path)
        source.dir.mkdir(parents=True)
        (source.dir / "linux").write_text(INDEX)
        (source.dir / "index.stamp").touch()
    return tmp_path


def chosen(spec: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> kernels.Candidate:
    found: list[kernels.Candidate] = []
    monkeypatch.setattr(kernels, "_unpacked", lambda s, a, choice, c, say: found.append(choice))
    kernels.resolve(spec, "x86_64", cache, debget.say_stderr)
    return found[0]


@pytest.mark.parametrize("spec,package", [
    ("deb:6.1", "linux-image-6.1.0-10-cloud-amd64"),
    ("deb:6.1.0-9", "linux-image-6.1.0-9-cloud-amd64"), ("deb:6.1/amd64", "linux-image-6.1.0-10-amd64"),
    ("deb:6.12", "linux-image-6.12.5+deb12-amd64"),
    ("deb:sid", "linux-image-7.2.13+deb14-cloud-amd64"),
])
def test_a_spec_takes_the_newest_and_the_cloud_flavour_first(
        spec: str, package: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen(spec, cache, monkeypatch).package == package


def test_a_split_image_is_fetched_as_its_parts(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert chosen("deb:7.2", cache, monkeypatch).parts == (
        "linux-binary-7.2.13+deb14-cloud-amd64=7.2.13-1",
        "linux-modules-7.2.13+deb14-cloud-amd64=7.2.13-1")


@pytest.mark.parametrize("spec,message", [
    ("deb:5.10", "no such kernel for amd64 now; there is: deb:6.1, deb:6.12, deb:7.2"),
    ("deb:potato", "deb:bookworm-security"), ("deb:", "give a series"), ("deb:6.1/../..", "series"),
    ("deb:6.1/rt-amd64", "no such kernel for amd64 now"),
    ("/nowhere", "no such kernel"), ("/", "no built x86_64 kernel in this tree"),
])
def test_a_wrong_spec_is_answered_with_what_there_is(spec: str, message: str, cache: Path) -> None:
    with pytest.raises(kernelfile.KernelError, match=message):
        kernels.resolve(spec, "x86_64", cache, debget.say_stderr)


def elf(machine: int) -> bytes:
    head = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, 0, 64, 0, 0,
                                                           64, 56, 1, 0, 0, 0)
    return head + struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 200, 200, 8) + bytes(300)


@pytest.mark.parametrize("data,message", [
    (b"", "not a kernel"), (b"#!/bin/sh\n", "not a kernel"), (b"\x1f\x8bjunk", "not a kernel"),
    (elf(40), "no vmlinux"), (elf(62), "CONFIG_PVH"), (elf(183), "a kernel for arm64"),
    (bytes(56) + b"ARM\x64" + bytes(100), "a kernel for arm64"), (b"\x7fELF\x02", "not a kernel"),
])
def test_a_file_that_is_no_kernel_for_here_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(kernelfile.KernelError, match=message):
        kernels.resolve(str(path), "x86_64", tmp_path, debget.say_stderr)


def test_an_arm64_vmlinux_becomes_the_image_inside(tmp_path: Path) -> None:
    image = bytes(56) + b"ARM\x64" + bytes(140)
    (tmp_path / "vmlinux").write_bytes(elf(183)[:64] + struct.pack(
        "<IIQQQQQQ", 1, 5, 120, 1 << 30, 1 << 30, 200, 200, 8) + image)
    found = kernels.resolve(str(tmp_path / "vmlinux"), "arm64", tmp_path, debget.say_stderr)
    assert found.image.read_bytes() == image


def test_a_gzipped_image_is_unpacked_once(tmp_path: Path) -> None:
    image = bytes(56) + b"ARM\x64" + b"Linux version 6.9.0-x (gcc)" + bytes(100)
    (tmp_path / "Image.gz").write_bytes(gzip.compress(image))
    found = kernels.resolve(str(tmp_path / "Image.gz"), "arm64", tmp_path, debget.say_stderr)
    assert found.image.read_bytes() == image and found.release == "6.9.0-x"


def test_modules_of_several_kernels_are_refused(tmp_path: Path) -> None:
    for release in ("6.1", "6.2"):
        (tmp_path / "lib/modules" / release).mkdir(parents=True)
    with pytest.raises(kernelfile.KernelError, match="several kernels"):
        kernels._modules_dir(tmp_path)


# ---- packages ----

def debget_cli(cache: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(ROOT / "vm-images/debget.py"), *args], text=True,
                          capture_output=True, env={**os.environ, "PMUVET_CACHE": str(cache)})


def test_debget_unpacks_a_foreign_package(tmp_path: Path) -> None:
    # The user's cache: its index is already there.
    done = debget_cli(debget.cache_root(), "--arch", "arm64", "--suite", "bookworm", "--into",
                      str(tmp_path / "tree"), "zlib1g-dev")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tree/usr/lib/aarch64-linux-gnu/libz.a").exists()


def test_debget_fails_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    for args in (("--suite", "nosuch", "x"), ("--suite", "../..", "x")):
        done = debget_cli(tmp_path, "--arch", "amd64", "--into", str(tmp_path / "tree"), *args)
        assert done.returncode == 3
        assert done.stderr.splitlines()[-1].startswith("debget.py: ")
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "tree").exists()


def test_a_damaged_cache_entry_is_named(cache: Path) -> None:
    tree = cache / "kernels/linux-image-6.12.5+deb12-amd64_6.12.5-1"
    tree.mkdir(parents=True)
    for text in ("", "{}", "[]", json.dumps({"image": None, "vmlinuz": "x", "modules": "y"})):
        (tree / "pmuvet.json").write_text(text)
        with pytest.raises((debget.FetchError, kernelfile.KernelError), match="6.12.5"):
            kernels.resolve("deb:6.12", "x86_64", cache, debget.say_stderr)
