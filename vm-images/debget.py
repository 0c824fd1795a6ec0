#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Debian binary packages of any architecture and suite, without touching the system's dpkg.

Each (suite, architecture) has an apt state of its own below the cache directory; mirror, keyring and
proxy are those of the system's apt configuration.
"""
from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

SUITES = ("bookworm", "bookworm-security", "sid")
INDEX_MAX_AGE = 24 * 3600
LEFTOVER_AGE = 24 * 3600
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEFAULT_BASE = "http://deb.debian.org/debian/"
DEFAULT_SECURITY_BASE = "http://deb.debian.org/debian-security/"

Say = Callable[[str], None]


class FetchError(Exception):
    """A package or index could not be had; the text says what and why."""


def say_stderr(text: str) -> None:
    print(f"pmuvet: {text}", file=sys.stderr, flush=True)


def cache_root() -> Path:
    explicit = os.environ.get("PMUVET_CACHE")
    if explicit:
        return Path(explicit).absolute()
    xdg = os.environ.get("XDG_CACHE_HOME")
    return (Path(xdg) if xdg else Path.home() / ".cache").absolute() / "pmuvet"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process at a time; the lock goes with the process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A directory beside the cache's own, so that a rename into the cache is atomic."""
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(".tmp-*"):
        # Of a killed process; nothing here takes a day.
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > LEFTOVER_AGE:
                shutil.rmtree(left, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _run(argv: list[str], what: str, cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", cwd=cwd,
                              stdin=subprocess.DEVNULL)
    except OSError as err:
        raise FetchError(f"{what}: cannot run {argv[0]}: {err.strerror}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("E:")] or lines[-1:]
        raise FetchError(f"{what}: {errors[0] if errors else f'{argv[0]} failed'}")
    return done.stdout


def mirror(suite: str) -> tuple[str, Path | None]:
    """(base URI, keyring) for a suite, from the system's own sources."""
    security = suite.endswith("-security")
    want = "Debian-Security" if security else "Debian"
    text = ""
    with contextlib.suppress(FetchError):
        text = _run(["apt-get", "indextargets", "--format",
                     "$(ORIGIN)\t$(LABEL)\t$(REPO_URI)\t$(SOURCESENTRY)", "Created-By: Packages"],
                    "the system's apt sources")
    for line in text.splitlines():
        origin, label, uri, entry = (line.split("\t") + [""] * 4)[:4]
        if origin == "Debian" and label == want:
            return uri, _signed_by(entry)
    base = DEFAULT_SECURITY_BASE if security else DEFAULT_BASE
    return base, KEYRING if KEYRING.exists() else None


def _signed_by(entry: str) -> Path | None:
    """The Signed-By of a sources entry ("file:N", N-th stanza or line), if it is a file."""
    name, _, number = entry.rpartition(":")
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path(name).read_text(errors="replace")
        if name.endswith(".sources"):
            found = re.search(r"(?im)^Signed-By:[ \t]*(/\S+)", text)
        else:
            found = re.search(r"signed-by=([^\s\],]+)", text.splitlines()[int(number) - 1])
        if found and Path(found[1]).exists():
            return Path(found[1])
    return KEYRING if KEYRING.exists() else None


@dataclass(frozen=True)
class Archive:
    """The private apt state of one suite and architecture."""

    suite: str
    arch: str
    cache: Path
    sources: bool = False  # of source packages; `arch` is then any

    @property
    def dir(self) -> Path:
        return self.cache / "apt" / f"{self.suite}-{'source' if self.sources else self.arch}"

    @property
    def _stamp(self) -> Path:
        return self.dir / "index.stamp"

    def _configure(self) -> Path:
        for sub in ("lists/partial", "cache/archives/partial", "etc"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        (self.dir / "status").touch()
        base, keyring = mirror(self.suite)
        signed = f" signed-by={keyring}" if keyring else ""
        kind = "deb-src" if self.sources else "deb"
        (self.dir / "sources.list").write_text(
            f"{kind} [arch={self.arch}{signed}] {base} {self.suite} main\n")
        options = {
            "Dir::State": self.dir, "Dir::State::lists": self.dir / "lists",
            "Dir::State::status": self.dir / "status", "Dir::Cache": self.dir / "cache",
            "Dir::Cache::archives": self.dir / "cache/archives", "Dir::Log": self.dir,
            "Dir::Etc::sourcelist": self.dir / "sources.list",
            "Dir::Etc::sourceparts": self.dir / "etc", "Dir::Etc::preferencesparts": self.dir / "etc",
            "Dir::Etc::preferences": self.dir / "etc/none",
            "APT::Architecture": self.arch, "APT::Sandbox::User": "root",
            "Acquire::Languages": "none", "Acquire::PDiffs": "false",
            "Acquire::GzipIndexes": "true", "Acquire::Retries": "2",
        }
        # The system's hooks are for the system's state.
        text = "".join(f"#clear {name};\n" for name in (
            "APT::Architectures", "APT::Update::Pre-Invoke", "APT::Update::Post-Invoke",
            "APT::Update::Post-Invoke-Success", "Acquire::Languages"))
        text += "".join(f'{key} "{value}";\n' for key, value in options.items())
        config = self.dir / "apt.conf"
        config.write_text(text + f'APT::Architectures {{ "{self.arch}"; }};\n')
        return config

    def age(self) -> float | None:
        """Seconds since the index was fetched; None: never."""
        with contextlib.suppress(OSError):
            return time.time() - self._stamp.stat().st_mtime
        return None

    def update(self, say: Say, max_age: float = INDEX_MAX_AGE) -> None:
        """Fetches the index when it is older than max_age; an old one is better than none."""
        with locked(self.dir / "lock"):
            age = self.age()
            if age is not None and 0 <= age < max_age:
                return
            say(f"fetching the package index of {self.suite} ({self.arch})")
            config = self._configure()
            try:
                _run(["apt-get", "-c", str(config), "-o", "APT::Update::Error-Mode=any", "-q",
                      "update"], f"the index of {self.suite} ({self.arch})")
            except FetchError as err:
                if age is None:
                    raise
                say(f"{err}; using the index of {age / 3600:.0f} h ago")
                return
            if not self.sources:
                self._write_linux()
            self._stamp.touch()

    def _write_linux(self) -> None:
        """The stanzas of kernel packages, apart: the whole index is too big to read in each run."""
        config = str(self.dir / "apt.conf")
        files = _run(["apt-get", "-c", config, "indextargets", "--format", "$(FILENAME)",
                      "Created-By: Packages"], f"the index of {self.suite}").split()
        wanted: list[str] = []
        for name in files:
            text = _run(["/usr/lib/apt/apt-helper", "-c", config, "cat-file", name],
                        f"the index of {self.suite}")
            wanted += re.findall(r"(?ms)^Package: linux-(?:image|binary|modules)-.*?(?:\n\n|\Z)", text)
        if not wanted:
            raise FetchError(f"the index of {self.suite} ({self.arch}) has no linux-image package")
        new = self.dir / ".linux.new"
        new.write_text("".join(stanza.rstrip("\n") + "\n\n" for stanza in wanted))
        new.rename(self.dir / "linux")

    def linux(self) -> list[dict[str, str]]:
        """Kernel packages in the index: dicts of their control fields."""
        try:
            text = (self.dir / "linux").read_text(errors="replace")
        except OSError as err:
            raise FetchError(f"{self.suite} ({self.arch}): no index: {err.strerror}") from None
        return [dict(re.findall(r"(?m)^([A-Za-z0-9-]+): (.*)$", stanza))
                for stanza in text.split("\n\n") if stanza]

    def download(self, packages: list[str], into: Path, say: Say) -> list[Path]:
        """.deb files of packages ("name" or "name=version") in directory `into`."""
        with locked(self.dir / "lock"):
            config = self._configure()
            say(f"fetching {' '.join(packages)} ({self.suite}, {self.arch})")
            _run(["apt-get", "-c", str(config), "-q", "download", *packages],
                 f"{' '.join(packages)} ({self.suite}, {self.arch})", cwd=into)
        return sorted(into.glob("*.deb"))

    def unpack_source(self, package: str, into: Path, say: Say) -> tuple[Path, str]:
        """A source package, Debian's patches applied: (its tree below `into`, version)."""
        with locked(self.dir / "lock"):
            config = self._configure()
            say(f"fetching the source of {package} ({self.suite})")
            _run(["apt-get", "-c", str(config), "-q", "source", "--download-only", package],
                 f"the source of {package} ({self.suite})", cwd=into)
        found = sorted(into.glob("*.dsc"))
        if len(found) != 1:
            raise FetchError(f"the source of {package} ({self.suite}): apt fetched {len(found)} "
                             "packages, want one")
        say(f"unpacking {found[0].name}")
        # apt has checked the files against the signed index.
        _run(["dpkg-source", "--no-check", "-x", str(found[0]), str(into / "tree")],
             f"unpacking {found[0].name}", cwd=into)
        return into / "tree", found[0].stem.partition("_")[2]

    def unpack(self, packages: list[str], tree: Path, say: Say) -> None:
        """Downloads and unpacks packages over the existing directory `tree`."""
        with scratch(self.dir / "debs") as tmp:
            try:
                debs = self.download(packages, tmp, say)
            except FetchError:
                # What the index names may have left the mirror since: look once more.
                if (self.age() or 0) < 60:
                    raise
                self.update(say, max_age=0)
                debs = self.download(packages, tmp, say)
            if len(debs) != len(packages):
                raise FetchError(f"{' '.join(packages)} ({self.suite}, {self.arch}): apt fetched "
                                 f"{len(debs)} of {len(packages)} packages")
            for deb in debs:
                _run(["dpkg-deb", "-x", str(deb), str(tree)], f"unpacking {deb.name}")


def archive(suite: str, arch: str, cache: Path | None = None, sources: bool = False) -> Archive:
    if not re.fullmatch(r"[a-z][a-z0-9-]*", suite) or not re.fullmatch(r"[a-z][a-z0-9-]*", arch):
        raise FetchError(f"not a Debian suite and architecture: {suite!r}, {arch!r}")
    return Archive(suite, arch, cache or cache_root(), sources)


def unpack_into(suite: str, arch: str, packages: list[str], into: Path, say: Say = say_stderr) -> None:
    """Packages unpacked into directory `into`, which is replaced whole or not at all."""
    source = archive(suite, arch)
    source.update(say)
    with locked(into.parent / f".{into.name}.lock"), scratch(into.parent) as tmp:
        tree = tmp / "tree"
        tree.mkdir(mode=0o755)
        source.unpack(packages, tree, say)
        if into.exists():
            into.rename(tmp / "old")
        tree.rename(into)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="debget.py", description="Unpacks Debian packages of any "
                                     "architecture and suite into a directory.")
    parser.add_argument("--arch", required=True, help="Debian's name: amd64, arm64, i386, armhf")
    parser.add_argument("--suite", required=True, help=", ".join(SUITES))
    parser.add_argument("--into", required=True, type=Path, help="directory; replaced whole")
    parser.add_argument("packages", nargs="+", metavar="PKG")
    options = parser.parse_args(argv)
    try:
        unpack_into(options.suite, options.arch, options.packages, options.into.absolute())
    except (FetchError, OSError) as err:
        print(f"debget.py: {err}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
