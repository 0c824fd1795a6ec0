# SPDX-License-Identifier: GPL-2.0-only
"""
Kernel specs -> a file that boots, its modules: deb:SERIES, deb:SUITE, either with /FLAVOUR (deb:6.1/amd64), a kernel
file, a kernel tree.
"""
from __future__ import annotations

import functools
import json
import re
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import debget
import kernelfile
from kernelfile import KernelError

DEB_ARCH = {"x86_64": "amd64", "arm64": "arm64"}
# "6.1.0-50", "6.12.117+deb12": no rt, no 16k pages, no metapackage.
IMAGE = re.compile(r"linux-image-(\d+\.\d+\.\d+(?:\+[a-z0-9]+|-\d+)?)-((?:cloud-)?[a-z0-9]+)$")
TREE_IMAGES = {"x86_64": ("arch/x86/boot/bzImage", "vmlinux"),
               "arm64": ("arch/arm64/boot/Image", "arch/arm64/boot/Image.gz", "vmlinux")}


@dataclass(frozen=True)
class Kernel:
    spec: str
    arch: str
    image: Path  # what QEMU loads
    modules: Path | None = None  # a directory below which the .ko files are
    release: str | None = None
    build_id: str | None = None
    package: str | None = None
    version: str | None = None  # of the package


@dataclass(frozen=True)
class Candidate:
    suite: str
    release: str
    flavour: str
    package: str
    version: str
    parts: tuple[str, ...]  # packages to unpack, name=version


def resolve(spec: str, arch: str, cache: Path, say: debget.Say,
            modules: Path | None = None) -> Kernel:
    if spec.startswith("deb:"):
        kernel = _debian(spec, arch, cache, say)
    elif Path(spec).is_dir():
        kernel = _tree(spec, arch, cache)
    elif Path(spec).exists():
        kernel = _file(spec, Path(spec).absolute(), arch, cache)
    else:
        raise KernelError(f"{spec}: no such kernel: give deb:SERIES (deb:6.12), deb:SUITE "
                          f"({', '.join(debget.SUITES)}), a kernel file or a kernel tree")
    return replace(kernel, modules=_modules_dir(modules)) if modules else kernel


def _file(spec: str, path: Path, arch: str, cache: Path) -> Kernel:
    found = kernelfile.identify(path)
    if found.arch != arch:
        raise KernelError(f"{path}: a kernel for {found.arch}, the platform is {arch}")
    image = kernelfile.bootable(found, cache)
    release, build_id = kernelfile.facts(image)
    return Kernel(spec, arch, image, None, release, build_id)


def _tree(spec: str, arch: str, cache: Path) -> Kernel:
    root = Path(spec).absolute()
    for name in TREE_IMAGES[arch]:
        if (root / name).exists():
            kernel = _file(spec, root / name, arch, cache)
            return replace(kernel, modules=root) if (root / "modules.order").exists() else kernel
    raise KernelError(f"{root}: no built {arch} kernel in this tree "
                      f"(looked for {', '.join(TREE_IMAGES[arch])})")


def _modules_dir(path: Path) -> Path:
    """/lib/modules/RELEASE, or the INSTALL_MOD_PATH above it."""
    if not path.is_dir():
        raise KernelError(f"{path}: not a directory of modules")
    inside = sorted(path.glob("lib/modules/*/")) + sorted(path.glob("usr/lib/modules/*/"))
    if len(inside) > 1:
        raise KernelError(f"{path}: modules of several kernels; give one of "
                          + ", ".join(str(p) for p in inside))
    return (inside[0] if inside else path).absolute()


# ---- Debian's ----

def _candidates(suite: str, deb_arch: str, packages: list[dict[str, str]]) -> list[Candidate]:
    known = {(p.get("Package", ""), p.get("Version", "")) for p in packages}
    found = []
    for name, version in known:
        match = IMAGE.fullmatch(name)
        if not match or match[2] not in (f"cloud-{deb_arch}", deb_arch):
            continue
        # sid: vmlinuz and modules are in packages of their own.
        split = [f"linux-{part}-{match[1]}-{match[2]}" for part in ("binary", "modules")]
        parts = [part for part in split if (part, version) in known] or [name]
        found.append(Candidate(suite, match[1], match[2], name, version,
                               tuple(f"{part}={version}" for part in parts)))
    return found


def _compare(a: Candidate, b: Candidate) -> int:
    if a.version != b.version:
        newer = subprocess.run(["dpkg", "--compare-versions", a.version, "gt", b.version])
        return 1 if newer.returncode == 0 else -1
    # The cloud flavour first: fewer drivers, quicker boot.
    return a.flavour.startswith("cloud-") - b.flavour.startswith("cloud-")


def _series(candidates: list[Candidate]) -> str:
    names = {".".join(c.release.split(".")[:2]) for c in candidates}
    order = sorted(names, key=lambda name: [int(x) for x in name.split(".")])
    return ", ".join(f"deb:{name}" for name in order)


def _debian(spec: str, arch: str, cache: Path, say: debget.Say) -> Kernel:
    wanted, _, flavour = spec.removeprefix("deb:").partition("/")
    deb_arch = DEB_ARCH[arch]
    if (wanted not in debget.SUITES and not re.fullmatch(r"\d+\.\d+[0-9a-z.+-]*", wanted)
            or not re.fullmatch(r"[a-z0-9-]*", flavour)):
        raise KernelError(f"{spec}: no such kernel: give a series (deb:6.12) or a suite "
                          f"({', '.join('deb:' + s for s in debget.SUITES)})")
    suites = [wanted] if wanted in debget.SUITES else list(debget.SUITES)
    candidates: list[Candidate] = []
    for suite in suites:
        source = debget.archive(suite, deb_arch, cache)
        source.update(say)
        candidates += _candidates(suite, deb_arch, source.linux())
    fitting = candidates
    if wanted not in debget.SUITES:
        fitting = [c for c in candidates if re.match(re.escape(wanted) + r"(?![0-9])", c.release)]
    if flavour:
        fitting = [c for c in fitting if c.flavour == flavour]
    if not fitting:
        raise KernelError(f"{spec}: Debian has no such kernel for {deb_arch} now; there is: "
                          f"{_series(candidates)}")
    return _unpacked(spec, arch, max(fitting, key=functools.cmp_to_key(_compare)), cache, say)


def _unpacked(spec: str, arch: str, choice: Candidate, cache: Path, say: debget.Say) -> Kernel:
    root = cache / "kernels"
    final = root / f"{choice.package}_{choice.version}"
    if not final.exists():
        with debget.locked(root / f".{final.name}.lock"), debget.scratch(root) as tmp:
            if not final.exists():
                tree = tmp / "tree"
                tree.mkdir()
                source = debget.archive(choice.suite, DEB_ARCH[arch], cache)
                source.unpack(list(choice.parts), tree, say)
                _describe(tree, cache)
                tree.rename(final)
    return _read_about(spec, arch, choice, final, cache)


def _read_about(spec: str, arch: str, choice: Candidate, tree: Path, cache: Path) -> Kernel:
    try:
        about = json.loads((tree / "pmuvet.json").read_text())
        image = cache / about["image"] if about["image"] else tree / about["vmlinuz"]
        if not image.exists():
            image = kernelfile.bootable(kernelfile.identify(tree / about["vmlinuz"]), cache)
        return Kernel(spec, arch, image, tree / about["modules"], about["release"],
                      about["build_id"], choice.package, choice.version)
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise debget.FetchError(f"{tree}: damaged ({err}); remove it and run again") from None


def _describe(tree: Path, cache: Path) -> None:
    """Writes pmuvet.json into a freshly unpacked package."""
    patterns = ("boot/vmlinuz-*", "lib/modules/*/vmlinuz", "usr/lib/modules/*/vmlinuz")
    images = [path for pattern in patterns for path in sorted(tree.glob(pattern))]
    modules = sorted(tree.glob("lib/modules/*")) + sorted(tree.glob("usr/lib/modules/*"))
    if len(images) != 1 or len(modules) != 1:
        raise debget.FetchError(f"the package holds {len(images)} kernels and {len(modules)} module "
                                "trees, want one each")
    image = kernelfile.bootable(kernelfile.identify(images[0]), cache)
    release, build_id = kernelfile.facts(image)
    about = {"image": None if image == images[0] else str(image.relative_to(cache)),
             "vmlinuz": str(images[0].relative_to(tree)),
             "modules": str(modules[0].relative_to(tree)),
             "release": release or modules[0].name, "build_id": build_id}
    (tree / "pmuvet.json").write_text(json.dumps(about))
