# SPDX-License-Identifier: GPL-2.0-only
"""A Debian kernel laid out as a built kernel tree: what `make` would leave, for tests of --kernel-tree.

    kernel_tree.py SPEC ARCH DIR
"""
from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "vm-images"))

import debget  # noqa: E402
import initramfs  # noqa: E402
import kernels  # noqa: E402

IMAGES = {"x86_64": "vmlinux", "arm64": "arch/arm64/boot/Image"}


def lay_out(spec: str, arch: str, tree: Path) -> None:
    kernel = kernels.resolve(spec, arch, debget.cache_root(), lambda text: None)
    image = tree / IMAGES[arch]
    image.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(kernel.image, image)
    if arch == "x86_64":
        # A build leaves both; pmuvet looks for this one first.
        bz = tree / "arch/x86/boot/bzImage"
        bz.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kernel.image, bz)
    assert kernel.modules
    order = []
    for name, data in initramfs.load_order(kernel.modules, initramfs.TRANSPORT_MODULES):
        (tree / f"{name}.ko").write_bytes(data)
        order.append(f"{name}.o\n")
    (tree / "Kbuild").touch()
    (tree / "modules.order").write_text("".join(order))


if __name__ == "__main__":
    lay_out(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
