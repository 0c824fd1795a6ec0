#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""QEMU with the x86 PMU model: Debian's source package, our files and hooks (qemu-pmu/), the descriptors' table."""
from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "pmu"))

import compile as descriptors  # noqa: E402
import debget  # noqa: E402
import edits  # noqa: E402
import model  # noqa: E402
import shapes  # noqa: E402
import sourcetree  # noqa: E402
from load import Bad  # noqa: E402

PROGRAM = "qemu-system-x86_64"
SUITE = "bookworm"
OURS = HERE / "qemu-pmu"
HOOKS = OURS / "hooks.yaml"
HOOKED = (".c", ".h", ".build")
PLACE = "target/i386/tcg/sysemu"  # of our files in QEMU's tree
# Nothing but what platforms use: TCG, the sandbox, the device tree code that q35 pulls in.
CONFIGURE = ("--target-list=x86_64-softmmu", "--without-default-features", "--enable-system",
             "--enable-tcg", "--enable-seccomp", "--enable-fdt=system", "--disable-install-blobs",
             "--disable-debug-info", "--meson=meson",
             "--firmwarepath=/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu")
# Debian's Python and meson, whatever else the user has.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
JOBS = 2
NICE = 10
IMAGES_KEPT = 6  # some 20 MB each


class BuildError(Exception):
    """QEMU cannot be built; the text says why and where to look."""


def table() -> str:
    """The model's shapes, as a C file."""
    found = descriptors.descriptors(HERE.parent, [])
    pmus = model.build(found, HERE.parent / "pmu/schema.json")
    return shapes.shapes_c([pmu.shape for pmu in pmus if pmu.shape])


def shape_names() -> list[str]:
    return re.findall(r'\.name = "(.*)"', table())


class Qemu:
    """The source, build and images below the cache directory."""

    def __init__(self, cache: Path | None = None) -> None:
        self.root = (cache or debget.cache_root()) / "qemu-pmu"
        self.source = sourcetree.Tree(self.root, "source")
        self.build = self.root / "build"
        self.log = self.root / "build.log"

    def _ours(self) -> dict[str, str]:
        files = {f"{PLACE}/{path.name}": path.read_text() for path in sorted(OURS.iterdir())
                 if path.name.endswith((".c", ".h", ".c.inc"))}
        return files | {f"{PLACE}/pv_shapes.c": table()}

    def image(self) -> Path:
        """Where the program is, or will be when it is built."""
        version = self.source.version if self.source.there() else "none"
        parts = [version, HOOKS.read_text(), *CONFIGURE,
                 *(f"{name}\0{text}" for name, text in self._ours().items())]
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        return self.root / "images" / key / PROGRAM

    def fetch(self, say: debget.Say) -> None:
        """Does nothing when the source is there; to have a newer one, remove the directory."""
        if self.source.there():
            return
        archive = debget.archive(SUITE, "amd64", self.root.parent, sources=True)
        archive.update(say)
        with debget.scratch(self.root) as tmp:
            tree, version = archive.unpack_source("qemu", tmp, say)
            self.source.install(tree, version)

    def edited(self) -> dict[str, str]:
        """Every file of QEMU that a hook changes, with its text."""
        return self.source.edited(edits.load(HOOKS, HOOKED))

    def _run(self, argv: list[str], cwd: Path, what: str) -> None:
        with open(self.log, "a") as log:
            done = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                  env=dict(os.environ, PATH=PATH), check=False)
        if done.returncode:
            lines = self.log.read_text(errors="replace").splitlines()
            errors = [line for line in lines if re.search(r"(?i)\berror\b|undefined reference", line)]
            raise BuildError(f"{what} failed, all of it is in {self.log}:\n  "
                             + "\n  ".join((errors or lines)[-15:]))

    def _configure(self, say: debget.Say) -> None:
        stamp = self.build / "pmuvet.configured"
        wanted = "\n".join((self.source.version, *CONFIGURE))
        if stamp.exists() and stamp.read_text() == wanted:
            return
        say("configuring QEMU")
        shutil.rmtree(self.build, ignore_errors=True)
        self.build.mkdir(parents=True)
        self._run([str(self.source.tree / "configure"), *CONFIGURE], self.build, "QEMU's configure")
        stamp.write_text(wanted)

    def make(self, say: debget.Say) -> Path:
        """The program, out of the cache or built now."""
        with debget.locked(self.root / "lock"):
            self.fetch(say)
            image = self.image()
            if image.exists():
                os.utime(image.parent)
                return image
            start = time.monotonic()
            self.log.write_text("")
            self.source.write(self.edited() | self._ours())
            self._configure(say)
            say(f"building QEMU with the PMU model (first time: some minutes; {self.log})")
            self._run(["nice", "-n", str(NICE), "ninja", "-j", str(JOBS), PROGRAM], self.build,
                      "building QEMU")
            with debget.scratch(image.parent.parent) as tmp:
                (tmp / "new").mkdir()
                shutil.copy(self.build / PROGRAM, tmp / "new" / PROGRAM)
                (tmp / "new").rename(image.parent)
            self._prune(image.parent.parent)
            say(f"built in {time.monotonic() - start:.0f} s")
            return image

    @staticmethod
    def _prune(directory: Path) -> None:
        kept = sorted(directory.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)
        for old in kept[:-IMAGES_KEPT]:
            shutil.rmtree(old, ignore_errors=True)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="pmuvet qemu", allow_abbrev=False,
        description="QEMU with the x86 PMU model, for the platforms intel-* and amd-*. The "
        "system's QEMU is not touched; everything is below the cache directory.",
        epilog="Exit: 0, 2 usage or a wrong descriptor, 3 it cannot be built.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("build", help="build it if need be (some minutes, once) and print the program's file")
    commands.add_parser("check", help="only: does every hook fit the source, are the tables right?")
    commands.add_parser("list", help="the PMUs that the model can be")
    options = parser.parse_args(argv)
    qemu = Qemu()
    try:
        if options.command == "list":
            print("\n".join(shape_names()))
        elif options.command == "check":
            with debget.locked(qemu.root / "lock"):
                qemu.fetch(debget.say_stderr)
                print(f"{len(edits.load(HOOKS, HOOKED))} hooks in {len(qemu.edited())} files of QEMU "
                      f"{qemu.source.version}, {len(shape_names())} PMUs")
        else:
            print(qemu.make(debget.say_stderr))
    except Bad as err:
        print("\n".join(map(str, err.problems)), file=sys.stderr)
        return 2
    except (BuildError, edits.TableError, debget.FetchError, OSError) as err:
        print(f"pmuvet qemu: {err}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
