# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernel source in the cache: fetched and unpacked once, edited in place."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import debget

PACKAGE = "linux-source-6.12"
SUITES = ("bookworm-security", "bookworm-backports", "trixie-security", "trixie")
# What `make` of a kernel needs beyond the launcher's packages.
BUILD_PACKAGES = ("bc", "bison", "flex", "libelf-dev", "make", "xz-utils")


class BuildError(Exception):
    """The kernel cannot be had or built; the text says why."""


def need_packages() -> None:
    missing = []
    for name in BUILD_PACKAGES:
        done = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", name],
                              capture_output=True, text=True, check=False)
        if done.stdout != "installed":
            missing.append(name)
    if missing:
        raise BuildError("packages are missing; as root: apt-get install -y "
                         f"--no-install-recommends {' '.join(missing)}")


class Source:
    """The tree below the cache directory; the caller holds its lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.tree = root / PACKAGE
        self._version = root / "source.version"
        self._pristine = root / "pristine"

    @property
    def version(self) -> str:
        return self._version.read_text().strip()

    def there(self) -> bool:
        return self.tree.exists() and self._version.exists()

    def fetch(self, say: debget.Say) -> None:
        """Does nothing when it is there; to have a newer one, remove the directory."""
        if self.there():
            return
        with debget.scratch(self.root) as tmp:
            deb = self._download(tmp, say)
            say(f"unpacking {deb.name}")
            subprocess.run(["dpkg-deb", "-x", str(deb), str(tmp / "deb")], check=True)
            ball = tmp / "deb/usr/src" / f"{PACKAGE}.tar.xz"
            subprocess.run(["tar", "-xf", str(ball), "-C", str(tmp)], check=True)
            for old in (self.tree, self._pristine):
                shutil.rmtree(old, ignore_errors=True)
            (tmp / PACKAGE).rename(self.tree)
            self._version.write_text(deb.name.split("_")[1] + "\n")

    def _download(self, into: Path, say: debget.Say) -> Path:
        reasons = []
        for suite in SUITES:
            # Architecture: all, so that any architecture's index has it.
            archive = debget.archive(suite, "amd64")
            try:
                archive.update(say)
                return archive.download([PACKAGE], into, say)[0]
            except debget.FetchError as err:
                reasons.append(str(err))
        raise BuildError(f"{PACKAGE} is in none of {', '.join(SUITES)}: {reasons[0]}")

    def original(self, name: str, where: str) -> str:
        """A file as it was shipped."""
        kept = self._pristine / name
        path = kept if kept.exists() else self.tree / name
        try:
            return path.read_text()
        except OSError as err:
            raise BuildError(f"{where}: {name}: {err.strerror} in {PACKAGE}: look up the file's "
                             "name in the kernel tree") from None

    def write(self, files: Mapping[str, str]) -> None:
        """Makes the tree the shipped one with these files; what is the same keeps its date."""
        for kept in self._pristine.rglob("*"):
            name = str(kept.relative_to(self._pristine))
            if kept.is_file() and name not in files:
                _write(self.tree / name, kept.read_text())
        for name, text in files.items():
            kept = self._pristine / name
            if not kept.exists() and (self.tree / name).exists():
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(self.tree / name, kept.with_name(f".{kept.name}.new"))
                kept.with_name(f".{kept.name}.new").rename(kept)
            _write(self.tree / name, text)


def _write(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)
