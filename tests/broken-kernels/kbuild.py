# SPDX-License-Identifier: GPL-2.0-only
"""Configures and builds one architecture's kernel, and keeps the images by what is in them."""
from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import debget
import generated
from source import BuildError, Source
from tables import HERE, Switch

KARCH = {"x86_64": "x86", "arm64": "arm64"}
CROSS = {"x86_64": "x86_64-linux-gnu-", "arm64": "aarch64-linux-gnu-"}
# x86: QEMU enters vmlinux by PVH; arm64 has no decompression to be saved.
IMAGE = {"x86_64": "vmlinux", "arm64": "arch/arm64/boot/Image"}
IMAGES_KEPT = 24  # of all architectures, some 20 MB each
# The same input gives the same kernel.
ENVIRONMENT = {"KBUILD_BUILD_TIMESTAMP": "2024-01-01", "KBUILD_BUILD_USER": "pmuvet",
               "KBUILD_BUILD_HOST": "pmuvet"}


def edited_files(source: Source, switches: Iterable[Switch]) -> dict[str, str]:
    """Every file that is not as shipped, with its text."""
    switches = list(switches)
    files = source.edited((one for switch in switches for one in switch.edits),
                          generated.INCLUDE)
    files[generated.HEADER] = generated.HEADER_TEXT
    files[generated.CODE] = generated.code(switches)
    files[generated.MAKEFILE] = (source.original(generated.MAKEFILE, generated.MAKEFILE)
                                 + generated.MAKEFILE_LINE)
    return files


def _fragments(arch: str, *more: str) -> list[Path]:
    return [HERE / "config" / name for name in ("common", arch, *more)]


def _key(source: Source, arch: str, files: dict[str, str]) -> str:
    """A name for what the kernel is made of."""
    parts = [source.version, arch, *(path.read_text() for path in _fragments(arch)),
             *(f"{name}\0{text}" for name, text in sorted(files.items()))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class KernelBuild:
    """`more`: further fragments; `variables`: further words for make."""

    def __init__(self, source: Source, arch: str, jobs: int, say: debget.Say, *more: str,
                 variables: Sequence[str] = ()) -> None:
        self.source, self.arch, self.jobs, self.say = source, arch, jobs, say
        self.fragments, self.variables = _fragments(arch, *more), variables
        # A directory for each configuration: branches that differ in it would build all in turns.
        config = "\0".join(path.read_text() for path in self.fragments)
        name = f"build-{arch}-{hashlib.sha256(config.encode()).hexdigest()[:8]}"
        self.out = source.root / name
        self.log = source.root / f"{name}.log"

    def _make(self, *targets: str, env: dict[str, str] | None = None) -> None:
        argv = ["make", "-C", str(self.source.tree), f"O={self.out}", f"ARCH={KARCH[self.arch]}",
                f"-j{self.jobs}", *self.variables, *targets]
        if os.uname().machine != {"arm64": "aarch64"}.get(self.arch, self.arch):
            argv.append(f"CROSS_COMPILE={CROSS[self.arch]}")
        with open(self.log, "w") as log:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env=dict(os.environ, **ENVIRONMENT, **(env or {})), check=False)
        if done.returncode:
            errors = [line for line in self.log.read_text(errors="replace").splitlines()
                      if re.search(r"error[: ]|Error \d|undefined reference|\*\*\*", line)]
            raise BuildError(f"{self.arch}: make failed, all of it is in {self.log}:\n  "
                             + "\n  ".join(errors[:15]))

    def configure(self) -> None:
        """allnoconfig and the fragments, each line of which must have come true."""
        texts = [(path, path.read_text().splitlines()) for path in self.fragments]
        wanted = "\n".join(line for _, lines in texts for line in lines) + "\n"
        stamp = self.out / "pvbroken.config"
        if stamp.exists() and stamp.read_text() == wanted and (self.out / ".config").exists():
            return
        self.say(f"configuring the {self.arch} kernel")
        self.out.mkdir(parents=True, exist_ok=True)
        fragment = self.out / "pvbroken.fragment"
        fragment.write_text(wanted)
        self._make("allnoconfig", env={"KCONFIG_ALLCONFIG": str(fragment)})
        got = set((self.out / ".config").read_text().splitlines())
        names = {line.split("=")[0] for line in got if line.startswith("CONFIG_")}
        for path, lines in texts:
            for number, line in enumerate(lines, 1):
                unset = re.fullmatch(r"# (CONFIG_\w+) is not set", line)
                lost = unset[1] in names if unset else (line.startswith("CONFIG_")
                                                        and line not in got)
                if lost:
                    raise BuildError(f"{path}:{number}: '{line}' did not come true: see what it "
                                     "depends on in the kernel's Kconfig, or remove it")
        stamp.write_text(wanted)

    def _place(self, files: dict[str, str]) -> Path:
        final = self.source.root / "images" / f"{self.arch}-{_key(self.source, self.arch, files)}"
        return final / Path(IMAGE[self.arch]).name

    def make(self, switches: list[Switch]) -> Path:
        """The kernel with these switches, where it was built."""
        self.source.write(edited_files(self.source, switches))
        self.configure()
        self.say(f"building the {self.arch} kernel ({len(switches)} switches)")
        self._make(Path(IMAGE[self.arch]).name)
        return self.out / IMAGE[self.arch]

    def kept_image(self, switches: list[Switch]) -> Path | None:
        """The kernel with these switches if it is in the cache. Needs no lock."""
        if not self.source.there():
            return None
        result = self._place(edited_files(self.source, switches))
        if not result.exists():
            return None
        os.utime(result.parent)
        return result

    def image(self, switches: list[Switch]) -> Path:
        """The kernel with these switches: out of the cache, or built now."""
        kept = self.kept_image(switches)
        if kept:
            return kept
        result = self._place(edited_files(self.source, switches))
        final, directory = result.parent, result.parent.parent
        start = time.monotonic()
        self.make(switches)
        with debget.scratch(directory) as tmp:
            new = tmp / "new"
            new.mkdir()
            shutil.copyfile(self.out / IMAGE[self.arch], new / result.name)
            (new / "switches.json").write_text(json.dumps([s.word for s in switches]))
            new.rename(final)
        self.say(f"built in {time.monotonic() - start:.0f} s")
        _prune(directory)
        return result


def _prune(directory: Path) -> None:
    kept = sorted(directory.glob("[a-z]*-*"), key=lambda path: path.stat().st_mtime)
    for old in kept[:-IMAGES_KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def _say_if_busy(lock: Path, say: debget.Say) -> None:
    if not lock.exists():
        return
    with open(lock) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build is at work (the first takes some minutes): waiting for it")


@contextlib.contextmanager
def opened_source(say: debget.Say) -> Iterator[Source]:
    """The unpacked kernel source, nobody else's meanwhile."""
    root = debget.cache_root() / "broken-kernels"
    _say_if_busy(root / "lock", say)
    with debget.locked(root / "lock"):
        source = Source(root)
        source.fetch(say)
        yield source


def build(arches: Sequence[str], switches: list[Switch], jobs: int,
          say: debget.Say = debget.say_stderr) -> dict[str, Path]:
    """Image files by architecture. One caller at a time."""
    source = Source(debget.cache_root() / "broken-kernels")
    kept = {arch: KernelBuild(source, arch, jobs, say).kept_image(switches) for arch in arches}
    if all(kept.values()):
        return {arch: image for arch, image in kept.items() if image}
    with opened_source(say) as source:
        return {arch: KernelBuild(source, arch, jobs, say).image(switches) for arch in arches}
