# SPDX-License-Identifier: GPL-2.0-only
"""Reads the PV_CASE blocks of cases/*.c (format: cases/pv.h) and makes the cases of them."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Iterator

from load import Bad, Problem, bad, near, read_text
from model import ALL_ARCHES, ARCHES, DERIVED, Event, Pmu

# Checked by the engine, runner/agent/needs.c
NEEDS = ("root", "cpus2", "tracefs", "watchpoints", "modify", "guest")
MODES = ("single", "group", "sw-leader", "inherit", "pinned", "exclusive", "task-cpu", "cpu",
         "exclude-user", "exclude-kernel", "exclude-hv", "exclude-idle")
KEYS = ("each", "pmu", "needs", "about", "arch", "proof", "fixes")
PROOFS = ("sim", "kernel")

TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/|\#(?:\\\n|/\*.*?\*/|[^\n])*)
  | (?P<string>"(?:\\.|[^"\\\n])*")
  | (?P<char>'(?:\\.|[^'\\\n])*')
  | (?P<ident>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<punct>.)""", re.VERBOSE | re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "'": "'"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    line: int


@dataclass
class Template:
    """One PV_CASE block."""

    capability: str
    name: str
    file: str
    line: int
    keys: dict[str, str] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)

    @property
    def function(self) -> str:
        return f"pv_case_{self.capability}_{self.name}"

    def wrong(self, key: str, message: str) -> Bad:
        return bad(self.file, self.lines.get(key, self.line), f".{key}" if key else self.function,
                   message)

    def words(self, key: str, known: Any, what: str) -> tuple[str, ...]:
        """A key's space-separated words, each of which must be known."""
        out = tuple(self.keys.get(key, "").split())
        for word in out:
            if word not in known:
                raise self.wrong(key, f"unknown {what} '{word}'{near(word, known)}")
        if len(set(out)) != len(out):
            raise self.wrong(key, f"names a {what} twice")
        return out


@dataclass(frozen=True)
class Case:
    id: str
    template: Template
    body: int
    pmu: Pmu
    event: Event | None
    mode: str
    n: int
    word: str | None
    arch: frozenset[str]
    needs: str
    quick: int = 0


def tokens(text: str) -> Iterator[Token]:
    line, at = 1, 0
    while at < len(text):
        m = TOKEN.match(text, at)
        assert m and m.lastgroup
        if m.lastgroup != "skip":
            yield Token(m.lastgroup, m[0], line)
        line += m[0].count("\n")
        at = m.end()
    yield Token("end", "the end of the file", line)


def unquote(token: Token, file: str) -> str:
    def escape(m: re.Match[str]) -> str:
        if m[1] not in ESCAPES:
            raise bad(file, token.line, "", f"escape {m[0]} is not supported in a key")
        return ESCAPES[m[1]]

    return re.sub(r"\\(.)", escape, token.text[1:-1])


class Parser:
    """Parses the blocks of one file."""

    def __init__(self, text: str, file: str) -> None:
        self.file = file
        self.tokens = list(tokens(text))
        self.at = 0

    def take(self, kind: str, text: str | None, what: str) -> Token:
        token = self.tokens[self.at]
        if token.kind != kind or (text and token.text != text):
            raise bad(self.file, token.line, "PV_CASE", f"expected {what}, not {token.text}")
        self.at += 1
        return token

    def is_next(self, text: str) -> bool:
        return self.tokens[self.at].text == text

    def string(self) -> str:
        out = unquote(self.take("string", None, "a string literal"), self.file)
        while self.tokens[self.at].kind == "string":
            out += unquote(self.take("string", None, ""), self.file)
        return out

    def block(self) -> Template:
        line = self.tokens[self.at - 1].line
        self.take("punct", "(", "(")
        capability = self.take("ident", None, "a capability")
        self.take("punct", ",", ",")
        name = self.take("ident", None, "a name")
        t = Template(capability.text, name.text, self.file, line)
        while self.is_next(","):
            self.at += 1
            if self.is_next(")"):
                break
            self.take("punct", ".", "a .key")
            key = self.take("ident", None, "a key")
            t.lines[key.text] = t.lines.get(key.text, key.line)
            if key.text not in KEYS:
                raise t.wrong(key.text, "unknown key" + near(key.text, KEYS))
            if key.text in t.keys:
                raise bad(self.file, key.line, f".{key.text}", "is there twice")
            self.take("punct", "=", "=")
            t.keys[key.text] = self.string()
        self.take("punct", ")", ", or )")
        return t

    def blocks(self) -> Iterator[Template]:
        while self.tokens[self.at].kind != "end":
            token = self.tokens[self.at]
            self.at += 1
            if token.kind == "ident" and token.text == "PV_CASE":
                yield self.block()


def axes(t: Template) -> list[tuple[str, list[Any]]]:
    """.each as (axis, values)."""
    text = t.keys.get("each", "")
    out: list[tuple[str, list[Any]]] = []
    if re.sub(r"\w+\[[^\[\]]*\]", "", text).strip():
        raise t.wrong("each", f"'{text}' is not a row of axis[values]")
    for axis, inner in re.findall(r"(\w+)\[([^\[\]]*)\]", text):
        values: list[Any] = inner.replace(",", " ").split()
        if axis not in ("event", "mode", "n", "word"):
            raise t.wrong("each", f"unknown axis '{axis}'{near(axis, ('event', 'mode', 'word'))}: "
                          "there are event, mode, n, word")
        if axis in (a for a, _ in out):
            raise t.wrong("each", f"has the axis {axis} twice")
        if axis != "event" and not values:
            raise t.wrong("each", f"{axis}[] has no values")
        for i, v in enumerate(values):
            if axis == "mode" and v not in MODES:
                raise t.wrong("each", f"unknown mode '{v}'{near(v, MODES)}")
            if axis == "word" and not re.fullmatch(r"[A-Za-z0-9_.+-]+", v):
                raise t.wrong("each", f"'{v}' is not a word of letters, digits and _.+-")
            if axis == "n":
                if not re.fullmatch(r"-?(0|[1-9][0-9]*)", v) or abs(int(v[:20])) >= 1 << 63:
                    raise t.wrong("each", f"'{v}' is not a decimal number of 64 bits")
                values[i] = int(v)
        if len(set(values)) != len(values):
            raise t.wrong("each", f"{axis}[] names something twice")
        out.append((axis, values))
    return out


def mode_fits(mode: str, pmu: Pmu, event: Event | None) -> bool:
    """Whether a mode promises anything on this PMU."""
    if mode.startswith("exclude-") and "no-exclude" in pmu.caps:
        return False
    if mode == "exclude-idle" and "no-exclude-idle" in pmu.caps:
        return False
    return not (event and mode in event.modes_not)


def has_tags(event: Event, tags: list[str]) -> bool:
    return all((tag[1:] not in event.tags) if tag[0] == "!" else tag in event.tags for tag in tags)


def wants(event: Event, t: Template) -> bool:
    return not event.only or any(fnmatchcase(f"{t.capability}/{t.name}", g) for g in event.only)


def instances(t: Template, body: int, pmu: Pmu, axis_list: list[tuple[str, list[Any]]],
              arch: frozenset[str]) -> Iterator[Case]:
    """The cases of one template on one PMU."""
    own_needs = tuple(t.keys.get("needs", "").split())
    choices: list[list[Any]] = []
    for axis, values in axis_list:
        choices.append([e for e in pmu.events if has_tags(e, values) and wants(e, t)]
                       if axis == "event" else values)
    for combination in itertools.product(*choices):
        value = dict(zip((a for a, _ in axis_list), combination))
        event: Event | None = value.get("event")
        mode = value.get("mode", "single")
        mask = arch & pmu.arch & (event.arch if event else ALL_ARCHES)
        if not mask or not mode_fits(mode, pmu, event):
            continue
        variants = ",".join(v.name if isinstance(v, Event) else str(v) for v in combination)
        yield Case(f"{pmu.family}/{t.capability}/{t.name}" + (f":{variants}" if variants else ""),
                   t, body, pmu, event, mode, value.get("n", 0), value.get("word"), mask,
                   " ".join(dict.fromkeys(own_needs + (event.needs if event else ()))))


def expand(t: Template, body: int, pmus: list[Pmu]) -> list[Case]:
    """Every case of a template; a template that makes none is an error."""
    if not t.keys.get("about", "").strip():
        raise t.wrong("about", "is missing: the claim in one line")
    if "\n" in t.keys["about"]:
        raise t.wrong("about", "must be one line")
    families = {p.family for p in pmus}
    t.words("needs", NEEDS, "need")
    wanted = t.words("pmu", families, "PMU family")
    if len(t.words("proof", PROOFS, "proof")) > 1:
        raise t.wrong("proof", "names two proofs")
    axis_list = axes(t)
    arch = frozenset(t.words("arch", ARCHES, "architecture")) or ALL_ARCHES
    by_axis = dict(axis_list)
    if "event" not in by_axis and not wanted:
        raise t.wrong("pmu", "is needed where .each has no event axis")
    known = DERIVED.union(*(e.tags for p in pmus for e in p.events))
    for tag in by_axis.get("event", ()):
        if tag.removeprefix("!") not in known:
            raise t.wrong("each", f"no event has the tag '{tag.removeprefix('!')}'"
                          + near(tag.removeprefix("!"), known))
    out = [c for p in pmus if not wanted or p.family in wanted
           for c in instances(t, body, p, axis_list, arch)]
    if not out:
        raise t.wrong("each", "makes no case: no event of these PMUs has these tags and modes")
    return out


def read_templates(files: list[tuple[Path, str]]) -> list[Template]:
    problems: list[Problem] = []
    out: dict[str, Template] = {}
    for path, name in files:
        try:
            for t in Parser(read_text(path, name), name).blocks():
                first = out.setdefault(t.function, t)
                if first is not t:
                    raise t.wrong("", f"is there twice, first at {first.file}:{first.line}")
        except Bad as e:
            problems += e.problems
    if problems:
        raise Bad(problems)
    return list(out.values())


def mark_quick(path: Path, name: str, cases: list[Case]) -> list[Case]:
    """The cases with their places in the list of the most telling ones: a glob a line, best first."""
    place: dict[str, int] = {}
    problems = []
    ids = {c.id for c in cases}
    for number, line in enumerate(read_text(path, name).splitlines(), 1):
        glob = line.partition("#")[0].strip()
        if not glob:
            continue
        hits = [i for i in ids if fnmatchcase(i, glob)]
        if not hits:
            problems.append(Problem(name, number, glob, "matches no case"))
        for hit in hits:
            place.setdefault(hit, number)
    if problems:
        raise Bad(problems)
    return [replace(c, quick=place.get(c.id, 0)) for c in cases]


def make(templates: list[Template], pmus: list[Pmu]) -> list[Case]:
    """All cases; ids are unique for each descriptor and architecture."""
    problems: list[Problem] = []
    out: list[Case] = []
    for body, t in enumerate(templates):
        try:
            out += expand(t, body, pmus)
        except Bad as e:
            problems += e.problems
    seen: dict[tuple[str, str, str], Case] = {}
    for case in out:
        for arch in sorted(case.arch):
            other = seen.setdefault((case.pmu.name, arch, case.id), case)
            if other is not case:
                problems.append(Problem(case.template.file, case.template.line, case.id,
                                        f"is there twice on {arch}"))
    if problems:
        raise Bad(problems)
    return out
