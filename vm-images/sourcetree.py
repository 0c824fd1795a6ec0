# SPDX-License-Identifier: GPL-2.0-only
"""A foreign source tree in the cache: unpacked once, edited in place. What is the same keeps its date, so that a build after a
change is a small one."""
from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import edits


class Tree:
    """The tree below the cache directory `root`; the caller holds its lock."""

    def __init__(self, root: Path, name: str) -> None:
        self.root = root
        self.tree = root / name
        self._version = root / "source.version"
        self._pristine = root / "pristine"

    @property
    def version(self) -> str:
        return self._version.read_text().strip()

    def there(self) -> bool:
        return self.tree.exists() and self._version.exists()

    def install(self, unpacked: Path, version: str) -> None:
        """Takes the place of what was there; `unpacked` is in the same file system."""
        self._version.unlink(missing_ok=True)
        for old in (self.tree, self._pristine):
            shutil.rmtree(old, ignore_errors=True)
        unpacked.rename(self.tree)
        self._version.write_text(version + "\n")

    def original(self, name: str, where: str) -> str:
        """A file as it was shipped."""
        kept = self._pristine / name
        path = kept if kept.exists() else self.tree / name
        try:
            return path.read_text()
        except OSError as err:
            raise edits.TableError(f"{where}: {name}: {err.strerror} in {self.tree.name}: look up "
                                   "the file's name in that tree") from None

    def edited(self, changes: Iterable[edits.Edit], head: str = "") -> dict[str, str]:
        """The text of every file that the edits name, behind `head`."""
        groups: dict[str, list[edits.Edit]] = {}
        for one in changes:
            groups.setdefault(one.file, []).append(one)
        files: dict[str, str] = {}
        wrong: list[str] = []
        for name, group in groups.items():
            try:
                files[name] = edits.apply(self.original(name, group[0].where), group, head)
            except edits.TableError as err:
                wrong.append(str(err))
        if wrong:
            raise edits.TableError("\n".join(wrong))
        return files

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
