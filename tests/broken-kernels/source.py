# SPDX-License-Identifier: GPL-2.0-only
"""Debian's kernel source in the cache: fetched and unpacked once."""
from __future__ import annotations

import subprocess
from pathlib import Path

import debget
import sourcetree

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


class Source(sourcetree.Tree):
    """The kernel's tree."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, PACKAGE)

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
            self.install(tmp / PACKAGE, deb.name.split("_")[1])

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
