# SPDX-License-Identifier: GPL-2.0-only
"""What a flattened descriptor means: checks it and turns it into PMUs and events."""

from __future__ import annotations

import errno
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import jsonschema

import shapes
from load import Bad, Descriptor, Item, Problem, flatten, near, shown

ARCHES = ("x86_64", "arm64", "i386", "arm")
ALL_ARCHES = frozenset(ARCHES)
RELATIONS = ("exact", "at-least", "overhead", "time", "tsc", "zero")
WORKS = ("none", "loop", "spin", "getppid", "getuid", "getsid", "touch", "sleep", "migrate", "call",
         "store", "load")
# Tags that every event gets from its promise; docs/descriptors.md lists them.
DERIVED = frozenset(RELATIONS) | (frozenset(WORKS) - {"none"}) | {"live", "samples"}

# include/uapi/linux/perf_event.h: enum perf_type_id; sysfs: pmu/descriptor.h
TYPES = {"hardware": 0, "software": 1, "tracepoint": 2, "hw-cache": 3, "raw": 4, "breakpoint": 5,
         "sysfs": 0xffffffff}
# include/uapi/linux/hw_breakpoint.h
BP_TYPES = {"r": 1, "w": 2, "rw": 3, "x": 4}
WORDS = ("config", "config1", "config2", "config3", "config4")


Place = tuple[str, int, str]  # file, line, key


@dataclass(frozen=True)
class Format:
    name: str
    word: int
    first: int
    last: int
    ref: str

    @property
    def mask(self) -> int:
        return ((1 << (self.last - self.first + 1)) - 1) << self.first

    @property
    def bits(self) -> str:
        span = f"{self.first}-{self.last}" if self.last > self.first else str(self.first)
        return f"{WORDS[self.word]}:{span}"


@dataclass(frozen=True)
class Event:
    name: str
    type: str
    config: tuple[int, int, int]
    tracepoint: str | None
    kfunc: str | None
    uprobe: bool
    bp_type: str | None
    bp_len: int
    work: str
    relation: str
    per: int
    side: str
    samples: bool
    counters: int  # set of the general counters that it counts on; 0: all
    arch: frozenset[str]
    needs: tuple[str, ...]
    tags: tuple[str, ...]
    modes_not: dict[str, str]
    only: tuple[str, ...]  # globs on capability/name
    only_place: Place
    ref: str


@dataclass(frozen=True)
class Erratum:
    id: str
    cases: str
    evidence: str | None
    splat: str | None
    about: str
    ref: str
    place: Place


@dataclass(frozen=True)
class Pmu:
    name: str
    family: str
    title: str
    ref: str
    sysfs: str | None
    probe: str
    vendor: str | None
    shape: shapes.Shape | None  # of QEMU's PMU model
    arch: frozenset[str]
    caps: tuple[str, ...]
    sampling_errno: int
    min_period: int
    counters: dict[str, Any]
    aux: dict[str, Any] | None
    precise: dict[str, Any] | None
    formats: tuple[Format, ...]
    events: tuple[Event, ...]
    errata: tuple[Erratum, ...]
    hash: str
    file: str

    @property
    def is_default(self) -> bool:
        return self.name == self.family


def dotted(path: Any) -> str:
    out = ""
    for step in path:
        out += f"[{step}]" if isinstance(step, int) else f".{step}" if out else str(step)
    return out


TYPE_NAMES = {"string": "text", "integer": "an integer", "object": "a mapping", "array": "a list",
              "boolean": "true or false"}


def of_schema(error: jsonschema.ValidationError, item: Item) -> Iterator[Problem]:
    """A schema violation in the words of this project."""
    path = list(error.absolute_path)
    got, want = error.instance, error.validator_value
    text = shown(json.dumps(got)) if not isinstance(got, str) else shown(got)
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        for key in got:
            if key not in known:
                where = item.at(path + [key])
                yield Problem(where.file, where.line, dotted(path + [key]),
                              "unknown key" + near(key, known))
        return
    if error.validator == "propertyNames" or "propertyNames" in error.absolute_schema_path:
        path.append(got)
        message = f"this name must match {error.schema.get('pattern', want)}"
    elif error.validator == "required":
        message = "lacks " + ", ".join(f"'{k}'" for k in want if k not in got)
    elif error.validator == "type":
        kinds = want if isinstance(want, list) else [want]
        message = f"must be {' or '.join(TYPE_NAMES[k] for k in kinds)}, is {text}"
    elif error.validator == "enum":
        hint = near(got, [w for w in want if isinstance(w, str)]) if isinstance(got, str) else ""
        message = f"{text} is none of {', '.join(map(str, want))}{hint}"
    elif error.validator in ("minimum", "maximum"):
        least, most = error.schema.get("minimum"), error.schema.get("maximum")
        message = f"{got} is out of range {least}..{most}"
    elif error.validator == "pattern":
        message = f"{text} must match {want}"
    elif error.validator == "uniqueItems":
        message = "names something twice"
    elif error.validator in ("minItems", "maxItems") and want > 1:
        message = f"must have {want} items"
    else:
        message = "must not be empty"
    where = item.at(path)
    yield Problem(where.file, where.line, dotted(path), message)


class Builder:
    """Makes one Pmu of one flattened descriptor that fits the schema."""

    def __init__(self, d: Descriptor, item: Item) -> None:
        self.d = d
        self.item = item
        self.data = item.plain()
        self.problems: list[Problem] = []

    def place(self, path: list[str | int]) -> Place:
        where = self.item.at(path)
        return where.file, where.line, dotted(path)

    def wrong(self, path: list[str | int], message: str) -> None:
        self.problems.append(Problem(*self.place(path), message))

    def formats(self) -> tuple[Format, ...]:
        out: list[Format] = []
        for name, f in self.data.get("formats", {}).items():
            path: list[str | int] = ["formats", name, "bits"]
            m = re.fullmatch(r"config(\d?):(\d+)(?:-(\d+))?", f["bits"])
            assert m
            word, first = int(m[1] or 0), int(m[2])
            fmt = Format(name, word, first, int(m[3] or first), f["ref"])
            if fmt.last > 63 or fmt.last < fmt.first:
                self.wrong(path, f"bits {fmt.first}-{fmt.last} are not a range within 0-63")
                continue
            for other in out:
                if other.word == word and other.mask & fmt.mask:
                    self.wrong(path, f"{fmt.bits} overlaps {other.name} ({other.bits})")
            out.append(fmt)
        return tuple(out)

    def config(self, name: str, e: dict[str, Any],
               formats: tuple[Format, ...]) -> tuple[int, int, int]:
        words = [e.get("config", 0), e.get("config1", 0), e.get("config2", 0)]
        known = {f.name: f for f in formats}
        for field, value in e.get("fields", {}).items():
            path: list[str | int] = ["events", name, "fields", field]
            f = known.get(field)
            if not f:
                self.wrong(path, "the PMU has no such format field" + near(field, known))
            elif f.word > 2:
                self.wrong(path, "config3 and config4 are not supported in events")
            elif value > f.mask >> f.first:
                self.wrong(path, f"0x{value:x} does not fit into {f.bits}")
            else:
                words[f.word] |= value << f.first
        if formats and e["type"] in ("sysfs", "raw"):
            for i, word in enumerate(words):
                mask = sum(f.mask for f in formats if f.word == i)
                if word & ~mask:
                    self.wrong(["events", name, WORDS[i]],
                               f"0x{word:x} has bits outside of formats (0x{mask:x})")
        return words[0], words[1], words[2]

    def check_event(self, name: str, e: dict[str, Any]) -> None:
        """What a schema cannot say about one event."""
        def wrong(key: str, message: str) -> None:
            self.wrong(["events", name, key], message)

        kind, relation, work = e["type"], e["relation"], e.get("work", "none")
        if (kind == "tracepoint") != ("tracepoint" in e):
            wrong("tracepoint", "goes with `type: tracepoint`, and only there")
        if (kind == "breakpoint") != ("bp_type" in e):
            wrong("bp_type", "goes with `type: breakpoint`, and only there")
        if "bp_len" in e and e.get("bp_type") not in ("r", "w", "rw"):
            wrong("bp_len", "is for data breakpoints")
        if e.get("bp_type") in ("r", "w", "rw") and "bp_len" not in e:
            wrong("bp_len", "a data breakpoint needs it")
        if kind == "sysfs" and "sysfs" not in self.data:
            wrong("type", "sysfs: but the descriptor has no `sysfs` directory")
        if ("kfunc" in e or "uprobe" in e) and kind != "sysfs":
            wrong("kfunc" if "kfunc" in e else "uprobe", "goes with `type: sysfs`")
        if relation != "zero" and work == "none":
            wrong("relation", f"{relation} needs a workload, see `work`")
        if relation != "zero" and "side" not in e:
            wrong("side", "an event that counts must say on which side")
        if "per" in e and relation not in ("exact", "at-least", "overhead"):
            wrong("per", f"means nothing with relation {relation}")
        if work in ("store", "load") and kind != "breakpoint":
            wrong("work", f"{work} is the workload of data breakpoints")
        if e.get("samples") and "no-interrupt" in self.data.get("caps", ()):
            wrong("samples", "the PMU has the cap no-interrupt")
        for i, tag in enumerate(e.get("tags", ())):
            if tag in DERIVED:
                self.wrong(["events", name, "tags", i],
                           f"'{tag}' is derived from the promise, do not write it")

    def event(self, name: str, e: dict[str, Any], formats: tuple[Format, ...]) -> Iterator[Event]:
        """One event; one per architecture where the kernel's function has a name on each."""
        self.check_event(name, e)
        relation, work = e["relation"], e.get("work", "none")
        derived = {relation}
        if relation != "zero":
            derived |= {"live", work}
        if e.get("samples"):
            derived.add("samples")
        arch = frozenset(e.get("arch", ARCHES)) & frozenset(self.data.get("arch", ARCHES))
        if not arch:
            self.wrong(["events", name, "arch"], "the PMU is on none of these architectures")
        config = self.config(name, e, formats)
        kfunc = e.get("kfunc")
        for a, symbol in kfunc.items() if kfunc else ((None, None),):
            yield Event(
                name, e["type"], config, e.get("tracepoint"), symbol, e.get("uprobe", False),
                e.get("bp_type"), e.get("bp_len", 0), work, relation, e.get("per", 1),
                e.get("side", "always"), e.get("samples", False), e.get("counters", 0),
                arch & {a} if a else arch, tuple(e.get("needs", ())),
                tuple(sorted(derived)) + tuple(e.get("tags", ())), e.get("modes_not", {}),
                tuple(e.get("only", ())), self.place(["events", name, "only"]), e["ref"])

    def pmu(self) -> Pmu:
        d = self.data
        formats = self.formats()
        events = tuple(ev for name, e in d.get("events", {}).items()
                       for ev in self.event(name, e, formats) if ev.arch)
        errata = tuple(
            Erratum(k, glob, x.get("evidence"), x.get("splat"), x["about"], x["ref"],
                    self.place(["errata", k, "cases"] + ([i] if i >= 0 else [])))
            for k, x in d.get("errata", {}).items()
            for i, glob in (enumerate(x["cases"]) if isinstance(x["cases"], list)
                            else ((-1, x["cases"]),)))
        shape = None
        if "model" in d:
            shapes.check(d, self.wrong)
            shape = shapes.Shape(self.d.name, d.get("vendor", ""), d.get("counters", {}), d["model"], d.get("precise", {}))
        canonical = json.dumps(d, sort_keys=True, separators=(",", ":"))
        return Pmu(self.d.name, d["family"], d["title"], d["ref"], d.get("sysfs"),
                   d.get("probe", ""), d.get("vendor"), shape, frozenset(d.get("arch", ARCHES)), tuple(d.get("caps", ())),
                   getattr(errno, d.get("sampling_errno", "EOPNOTSUPP")), d.get("min-period", 0),
                   d.get("counters", {}), d.get("aux"), d.get("precise"), formats, events, errata,
                   hashlib.sha256(canonical.encode()).hexdigest()[:16], self.d.file)


def build(descriptors: dict[str, Descriptor], schema: Path) -> list[Pmu]:
    """All PMUs by name, or Bad with everything that is wrong."""
    validator = jsonschema.Draft7Validator(json.loads(schema.read_text(encoding="utf-8")))
    problems: list[Problem] = []
    pmus: list[Pmu] = []
    for name in sorted(descriptors):
        try:
            item = flatten(name, descriptors)
        except Bad as e:
            problems += e.problems
            continue
        found = [p for error in validator.iter_errors(item.plain()) for p in of_schema(error, item)]
        if not found:
            builder = Builder(descriptors[name], item)
            pmus.append(builder.pmu())
            found = builder.problems
            if pmus[-1].family not in descriptors:
                builder.wrong(["family"], f"no descriptor is named '{pmus[-1].family}': the "
                              "family's default descriptor bears its name")
        problems += found
    if problems:
        raise Bad(sorted(set(problems), key=lambda p: (p.file, p.line, p.key, p.message)))
    return pmus
