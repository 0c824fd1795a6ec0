# SPDX-License-Identifier: GPL-2.0-only
"""One C text out of many files: only what is reachable from some names, in an order that compiles."""
from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .source import ACTION, Chunk, Source, read, tokens

# libcpuid names CPUs; no case needs that.
LEFT_OUT = ("libcpuid/libcpuid.h",)
# Who uses these needs the PV_EXEC() blocks of its file.
EXECS = frozenset({"pv_exec", "__start_pv_exec_actions"})


@dataclass
class Tree:
    """The C files that a reproducer may need; parsed once."""

    root: Path
    files: Sequence[str]
    sources: dict[str, Source] = field(default_factory=dict)
    _global: dict[str, list[Chunk]] = field(default_factory=lambda: defaultdict(list))
    _local: dict[tuple[str, str], list[Chunk]] = field(default_factory=lambda: defaultdict(list))

    _headers: dict[str, frozenset[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.files:
            self._read(name)
        for source in self.sources.values():
            for chunk in source.chunks:
                for name in chunk.names:
                    self._local[chunk.file, name].append(chunk)
                    if name not in chunk.local:
                        self._global[name].append(chunk)

    def _read(self, name: str) -> None:
        if name in self.sources or not (self.root / name).exists():
            return
        self.sources[name] = source = read(self.root, name)
        for header in source.project:
            self._read(header)

    def _seen(self, file: str) -> frozenset[str]:
        """The headers that a file includes, and those that these include."""
        if file not in self._headers:
            found: set[str] = set()
            todo = list(self.sources[file].project)
            while todo:
                header = todo.pop()
                if header in self.sources and header not in found:
                    found.add(header)
                    todo += self.sources[header].project
            self._headers[file] = frozenset(found)
        return self._headers[file]

    def declared(self, file: str, name: str) -> bool:
        """By a header that the file includes: such a name is the same everywhere."""
        return any((header, name) in self._local for header in self._seen(file))

    def reachable(self, roots: Iterable[str]) -> list[Chunk]:
        """The chunks that define these names, and all that those use."""
        kept: dict[int, Chunk] = {}
        todo = [chunk for name in roots for chunk in self._global[name]]
        while todo:
            chunk = todo.pop()
            if id(chunk) in kept:
                continue
            kept[id(chunk)] = chunk
            if chunk.uses & EXECS:
                todo += self._local.get((chunk.file, ACTION), [])
            for name in chunk.uses:
                own = self._local.get((chunk.file, name), [])
                declared = [c for header in self._seen(chunk.file)
                            for c in self._local.get((header, name), [])]
                todo += own + declared
                # What a header declares another file defines, under the same name.
                if declared or own and chunk.file.endswith(".h"):
                    todo += self._global.get(name, [])
        return list(kept.values())

    def ordered(self, kept: Iterable[Chunk]) -> list[tuple[str, list[Chunk]]]:
        """By file, headers before what includes them."""
        wanted = {id(chunk) for chunk in kept}
        order: list[str] = []

        def visit(name: str) -> None:
            if name in order or name not in self.sources:
                return
            for header in self.sources[name].project:
                visit(header)
            order.append(name)

        for name in sorted(self.sources):
            if name.endswith(".h"):
                visit(name)
        for name in self.files:
            visit(name)
        found = [(name, [c for c in self.sources[name].chunks if id(c) in wanted]) for name in order]
        return [(name, chunks) for name, chunks in found if chunks]


def _renamed(text: str, names: dict[str, str]) -> str:
    out, before = [], ""
    for kind, token in tokens(text):
        member = before in (".", ">")
        out.append(names.get(token, token) if kind == "ident" and not member else token)
        if token.strip():
            before = token
    return "".join(out)


def text(tree: Tree, kept: list[Chunk]) -> str:
    parts = tree.ordered(kept)
    owners: dict[str, set[str]] = defaultdict(set)
    for file, chunks in parts:
        for chunk in chunks:
            for name in chunk.local - {ACTION}:
                owners[name].add(file)
    # A header's or another file's global name is one more owner.
    for file, chunks in parts:
        for chunk in chunks:
            for name in chunk.names - chunk.local:
                if name in owners:
                    owners[name].add("")
    system = sorted({header for file, _ in parts for header in tree.sources[file].system
                     if header not in LEFT_OUT})
    out = ["#define _GNU_SOURCE", *[f"#include <{header}>" for header in system]]
    for file, chunks in parts:
        stem = re.sub(r"\W", "_", Path(file).stem)
        names = {name: f"{name}_{stem}" for chunk in chunks for name in chunk.local
                 if len(owners[name]) > 1 and not tree.declared(file, name)}
        out += ["", f"/* ---- {file} ---- */"]
        for chunk in chunks:
            out += ["", _renamed(chunk.text, names) if names else chunk.text]
    return "\n".join(out) + "\n"
