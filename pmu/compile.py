#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The descriptor compiler: pmu/*/*.yaml and the PV_CASE blocks of cases/*.c in, C tables out.

Exit: 0, 2 when an input is wrong (each problem as file:line: key: message), 3 when the output
cannot be written.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
from pathlib import Path

sys.dont_write_bytecode = True

from cases import Case, Template, make, mark_quick, read_templates  # noqa: E402
from emit import bodies_c, tables_c  # noqa: E402
from load import Bad, Descriptor, Problem, bad, load  # noqa: E402
from model import Pmu, build  # noqa: E402
from shapes import shapes_c  # noqa: E402

HERE = Path(__file__).resolve().parent
ROOMS = ("generic", "arm", "intel", "amd", "xen")


def shown_path(path: Path, root: Path) -> str:
    """Relative to the source tree: the tables must not depend on where it lies."""
    full, base = path.absolute(), root.absolute()
    return full.relative_to(base).as_posix() if full.is_relative_to(base) else str(path)


def descriptors(root: Path, more: list[Path]) -> dict[str, Descriptor]:
    """All descriptors of a tree; `more` are files that take the place of their namesakes."""
    problems: list[Problem] = []
    out: dict[str, Descriptor] = {}
    extra = {p.stem for p in more}
    files = [p for room in ROOMS for p in sorted((root / "pmu" / room).glob("*.yaml"))
             if p.stem not in extra]
    for path in files + more:
        name = shown_path(path, root)
        try:
            d = load(path, name)
            if d.name in out:
                raise bad(name, 1, "", f"a descriptor of this name is already in {out[d.name].file}")
            out[d.name] = d
        except Bad as e:
            problems += e.problems
    if not problems and not out:
        problems.append(Problem(str(root / "pmu"), 1, "", "no descriptor (*/*.yaml) is here"))
    if problems:
        raise Bad(problems)
    return out


def check_globs(pmus: list[Pmu], templates: list[Template], cases: list[Case]) -> None:
    """A glob that matches nothing is a slip."""
    problems = []
    bodies = [f"{t.capability}/{t.name}" for t in templates]
    for p in pmus:
        ids = [c.id for c in cases if c.pmu is p]
        globs = [(x.place, x.cases, ids, f"case of {p.name}") for x in p.errata]
        globs += [(e.only_place, g, bodies, "template") for e in p.events for g in e.only]
        for place, glob, names, what in globs:
            if not any(fnmatch.fnmatchcase(n, glob) for n in names):
                problems.append(Problem(*place, f"'{glob}' matches no {what}"))
    if problems:
        raise Bad(dict.fromkeys(problems))


def write_outputs(out: Path, depfile: Path | None, inputs: list[Path],
                  files: dict[str, str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (out / name).write_text(content, encoding="utf-8")
    if depfile:
        def make_word(path: Path | str) -> str:
            return str(path).replace(" ", "\\ ").replace("$", "$$")

        targets = " ".join(make_word(out / name) for name in files)
        deps = " \\\n  ".join(make_word(p) for p in inputs)
        depfile.write_text(f"{targets}: {deps}\n", encoding="utf-8")


def write_shapes(path: Path, pmus: list[Pmu]) -> int:
    try:
        path.write_text(shapes_c([p.shape for p in pmus if p.shape]), encoding="utf-8")
    except OSError as e:
        print(f"compile.py: {e.filename}: {e.strerror}", file=sys.stderr)
        return 3
    return 0


def run(args: argparse.Namespace) -> int:
    root = Path(args.source)
    case_files = sorted((root / "cases").glob("*.c"))
    all_ = descriptors(root, args.check or [])
    pmus = build(all_, HERE / "schema.json")
    if args.shapes:
        return write_shapes(args.shapes, pmus)
    templates = read_templates([(p, shown_path(p, root)) for p in case_files])
    quick = root / "cases/quick.list"
    cases = make(templates, pmus)
    if quick.exists():
        cases = mark_quick(quick, shown_path(quick, root), cases)
    check_globs(pmus, templates, cases)
    if args.check:
        for path in args.check:
            print(f"{path}: ok, {sum(c.pmu.name == path.stem for c in cases)} cases")
        return 0
    inputs = [root / d.file for d in all_.values()] + case_files + [quick] * quick.exists()
    inputs += sorted(HERE.glob("*.py")) + [HERE / "schema.json"]
    try:
        write_outputs(args.out, args.depfile, inputs,
                      {"tables.c": tables_c(pmus, cases), "bodies.c": bodies_c(templates)})
    except OSError as e:
        print(f"compile.py: {e.filename}: {e.strerror}", file=sys.stderr)
        return 3
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="The descriptor compiler.")
    parser.add_argument("--source", default=HERE.parent, help="the source tree (default: this)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="DIR", help="where tables.c and bodies.c go")
    what.add_argument("--check", type=Path, nargs="+", metavar="FILE",
                      help="only say whether these descriptors are right")
    what.add_argument("--shapes", type=Path, metavar="FILE",
                      help="where the table of QEMU's PMU model goes")
    parser.add_argument("--depfile", type=Path, metavar="FILE", help="make-style dependencies")
    args = parser.parse_args()
    try:
        return run(args)
    except Bad as e:
        for problem in e.problems:
            print(problem, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
