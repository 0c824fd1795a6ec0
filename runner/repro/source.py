# SPDX-License-Identifier: GPL-2.0-only
"""
This project's C, cut into top-level chunks: what a chunk defines, and which names it uses.

No C parser: the sources are formatted (.clang-format), so a chunk begins at the start of a line and
ends where its brackets are closed. Uses are all identifiers that occur, so that too much may be
kept, never too little.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TOKEN = re.compile(r"""
    (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<char>'(?:\\.|[^'\\\n])*')
  | (?P<ident>[A-Za-z_]\w*)
  | (?P<punct>[^\s\w])
  | (?P<other>\s+|\w+)""", re.VERBOSE | re.DOTALL)
INCLUDE = re.compile(r'^#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
ATTRIBUTE = re.compile(r"__attribute__\s*\(\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)\)")
INVOCATION = re.compile(r"[A-Z][A-Z0-9_]*\((\w+)\b.*\)", re.DOTALL)  # of a macro, at top level
ACTION = "@exec"  # what a PV_EXEC() block defines
OPEN, CLOSE = "({[", ")}]"


@dataclass
class Chunk:
    file: str
    text: str  # with the comment before it
    names: frozenset[str]
    local: frozenset[str]  # of the names: no other file's
    uses: frozenset[str]
    strings: frozenset[str]


@dataclass
class Source:
    name: str  # below the root
    system: list[str] = field(default_factory=list)  # <headers>
    project: list[str] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)


def tokens(text: str) -> Iterator[tuple[str, str]]:
    for match in TOKEN.finditer(text):
        yield str(match.lastgroup), match[0]


def _depth(text: str) -> int:
    depth = 0
    for kind, token in tokens(text):
        if kind == "punct":
            depth += (token in OPEN) - (token in CLOSE)
    return depth


def _code(text: str) -> str:
    return "".join(" " if kind == "comment" else token for kind, token in tokens(text))


def _pieces(text: str) -> Iterator[str]:
    """Top-level chunks with the comment that stands right before each."""
    lines = text.split("\n")
    before: list[str] = []
    at = 0
    while at < len(lines):
        line = lines[at]
        start = at
        if not line.strip():
            before = []
            at += 1
            continue
        if line.startswith("/*"):
            while "*/" not in lines[at]:
                at += 1
            at += 1
            if _code("\n".join(lines[start:at])).strip() == "":
                before = lines[start:at]
                continue
            at = start
        if re.match(r"#\s*if", line):
            nested = 0
            while True:
                nested += bool(re.match(r"#\s*if", lines[at])) - bool(re.match(r"#\s*endif", lines[at]))
                at += 1
                if not nested:
                    break
        elif line.startswith("#"):
            while lines[at].endswith("\\"):
                at += 1
            at += 1
        else:
            while True:
                at += 1
                body = "\n".join(lines[start:at])
                code = _code(body).rstrip()
                if not _depth(body) and (code.endswith((";", "}")) or
                                         INVOCATION.fullmatch(code)
                                         and not lines[at].startswith("{")):
                    break
        yield "\n".join([*before, *lines[start:at]])
        before = []


def _flat(text: str) -> list[str]:
    """Tokens outside of all brackets; a bracketed part is one token, its opening one."""
    out: list[str] = []
    depth = 0
    for kind, token in tokens(ATTRIBUTE.sub(" ", text)):
        if kind == "punct" and token in OPEN:
            if not depth:
                out.append(token)
            depth += 1
        elif kind == "punct" and token in CLOSE:
            depth -= 1
        elif not depth and kind in ("ident", "punct"):
            out.append(token)
    return out


def _defined(code: str) -> Iterator[tuple[str, bool]]:
    """(name, is it a function or variable that other files can see)."""
    macro = re.match(r"\s*#\s*define\s+(\w+)", code)
    if macro:
        yield macro[1], False
        return
    case = re.match(r"\s*PV_CASE\((\w+), (\w+)", code)
    if case:
        yield f"pv_case_{case[1]}_{case[2]}", True
        return
    action = re.match(r"\s*PV_EXEC\((\w+)\)", code)
    if action:
        # Found by the linker's section, never by name.
        yield ACTION, False
        return
    made = INVOCATION.fullmatch(code.strip())
    if made:
        yield made[1], False
        return
    for tag in re.finditer(r"\b(?:struct|union|enum)\s+(\w+)\s*\{", code):
        yield tag[1], False
    for body in re.finditer(r"\benum\b\s*\w*\s*\{([^}]*)\}", code):
        for name in re.finditer(r"(?:^|,)\s*(\w+)", body[1]):
            yield name[1], False
    flat = _flat(code)
    visible = "static" not in flat and "typedef" not in flat
    for i, token in enumerate(flat[:-1]):
        if re.match(r"[A-Za-z_]", token) and flat[i + 1] in ("(", "[", "=", ";", ","):
            yield token, visible
            if flat[i + 1] == "(":
                return


def _inside(code: str) -> list[str]:
    """What a conditional region holds, without its own directives."""
    lines = [line for line in code.split("\n") if not re.match(r"#\s*(if|el|endif)", line)]
    return list(_pieces("\n".join(lines)))


def _used(found: list[tuple[str, str]]) -> Iterator[str]:
    """Identifiers that are no members."""
    before = ""
    for kind, token in found:
        if kind == "ident" and before not in (".", ">"):
            yield token
        if token.strip():
            before = token


def _chunk(file: str, text: str) -> Chunk:
    code = _code(text).strip("\n")
    parts = _inside(code) if re.match(r"\s*#\s*if", code) else [code]
    names, visible = set(), set()
    for part in parts:
        for name, seen in _defined(part):
            names.add(name)
            if seen:
                visible.add(name)
    found = list(tokens(code))
    uses = set(_used(found))
    if re.match(r"\s*PV_EXEC\(", code):
        uses.add("PV_EXEC")
    strings = {token[1:-1] for kind, token in found if kind == "string"}
    local = frozenset() if file.endswith(".h") else frozenset(names - visible)
    return Chunk(file, text, frozenset(names), local, frozenset(uses), frozenset(strings))


def read(root: Path, name: str) -> Source:
    source = Source(name)
    text = (root / name).read_text()
    if name.endswith(".h"):
        # The guard of the whole file.
        text = re.sub(r"^#ifndef (PV_\w+_H)\n#define \1\n(.*)^#endif\s*\Z", r"\2", text,
                      flags=re.DOTALL | re.MULTILINE)
    for piece in _pieces(text):
        include = INCLUDE.search(piece)
        if include and not re.search(r"^#\s*if", piece, re.MULTILINE):
            (source.project if include[1] == '"' else source.system).append(include[2])
        elif not re.match(r"\s*(/\*.*?\*/\s*)?#\s*define _GNU_SOURCE", piece, re.DOTALL):
            source.chunks.append(_chunk(name, piece))
    return source
