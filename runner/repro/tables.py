# SPDX-License-Identifier: GPL-2.0-only
"""The tables of a few cases, as the descriptor compiler writes those of all."""
from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import compile as compiler
import emit
from cases import Case, make, read_templates
from load import Bad
from model import Pmu, build

from .source import Chunk


class ReproError(Exception):
    """What was asked for cannot be made; the text says why."""


@dataclass(frozen=True)
class Catalogue:
    pmus: list[Pmu]
    cases: list[Case]

    @classmethod
    def load(cls, root: Path) -> Catalogue:
        try:
            pmus = build(compiler.descriptors(root, []), root / "pmu/schema.json")
            files = sorted((root / "cases").glob("*.c"))
            templates = read_templates([(p, p.relative_to(root).as_posix()) for p in files])
            return cls(pmus, make(templates, pmus))
        except Bad as err:
            raise ReproError("; ".join(str(problem) for problem in err.problems)) from None

    def find(self, case: str, arch: str, descriptors: Mapping[str, str]) -> Case:
        """By id; of a family's descriptors the one named, else its default."""
        found = [c for c in self.cases if c.id == case and arch in c.arch and
                 (c.pmu.name == descriptors[c.pmu.family] if c.pmu.family in descriptors
                  else c.pmu.is_default)]
        if found:
            return found[0]
        if any(c.id == case for c in self.cases):
            names = ", ".join(sorted(descriptors.values()))
            raise ReproError(f"not a case of {arch}{f' with {names}' if names else ''}; see pmuvet list --arch {arch}")
        near = difflib.get_close_matches(case, {c.id for c in self.cases}, 3)
        hint = f"; near it: {', '.join(near)}" if near else "; see pmuvet list"
        raise ReproError(f"no such case{hint}")


def _needed(pmu: Pmu, case_events: set[str], kept: Iterable[Chunk], strings: set[str]) -> Pmu:
    """A PMU without what the kept code cannot ask for."""
    looks_at_all = any(chunk.file.startswith("cases/") and not chunk.file.startswith("cases/lib/")
                       and chunk.uses & {"events", "nr_events"} for chunk in kept)
    events = pmu.events if looks_at_all and case_events else [
        e for e in pmu.events if e.name in strings or e.name in case_events]
    return replace(pmu, events=type(pmu.events)(events), errata=type(pmu.errata)())


def tables(catalogue: Catalogue, cases: Sequence[Case], kept: list[Chunk], arch: str,
           descriptors: Mapping[str, str]) -> str:
    strings = {text for chunk in kept for text in chunk.strings}
    own = {id(c.pmu) for c in cases}
    chosen = [p for p in catalogue.pmus if id(p) in own or
              (p.family in strings and arch in p.arch and
               p.name == descriptors.get(p.family, p.name if p.is_default else None))]
    trimmed = {}
    for pmu in chosen:
        mine = {c.event.name for c in cases if c.pmu is pmu and c.event}
        trimmed[id(pmu)] = _needed(pmu, mine if id(pmu) in own else set(), kept, strings)
    pmus = list(trimmed.values())
    rows = [replace(c, pmu=trimmed[id(c.pmu)], body=i) for i, c in enumerate(cases)]
    bodies = "".join(f"\t{c.template.function},\n" for c in cases)
    return ("".join(emit.pmu_tables(p) for p in pmus)
            + f"const struct pv_pmu pv_pmus[] = {{\n{''.join(emit.pmu_row(p, False) for p in pmus)}}};\n"
            + f"const size_t pv_nr_pmus = {len(pmus)};\n\n"
            + f"const struct pv_case pv_cases[] = {{\n{''.join(emit.case_row(c, pmus) for c in rows)}}};\n"
            + f"const size_t pv_nr_cases = {len(rows)};\n\n"
            + f"void (*const pv_bodies[])(struct pv_test *t) = {{\n{bodies}}};\n")
