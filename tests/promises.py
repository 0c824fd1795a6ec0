#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""The broken promises as a C table for `pmuvet list --promises`: what the simulated kernel breaks
(tests/unit/sim/breaks.h) and what the broken kernels break (tests/broken-kernels/tables/*.yaml)."""
from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import yaml

ROW = re.compile(r'\bX\(\s*(\w+)\s*,\s*((?:"(?:\\.|[^"\\])*"\s*)+),\s*((?:"(?:\\.|[^"\\])*"\s*)+)\)')
STRING = re.compile(r'"((?:\\.|[^"\\])*)"')


def simulated(path: Path) -> list[tuple[str, str, str, str]]:
    rows = ROW.findall(path.read_text().replace("\\\n", " "))
    return [("sim", name, "".join(STRING.findall(about)), "".join(STRING.findall(globs)))
            for name, about, globs in rows]


def kernels(directory: Path) -> list[tuple[str, str, str, str]]:
    out = []
    for path in sorted(directory.glob("*.yaml")):
        for entry in yaml.safe_load(path.read_text()) or []:
            out.append(("kernel", entry["switch"], entry["about"], entry["owner"]))
    return out


def main() -> int:
    root, out = Path(sys.argv[1]), Path(sys.argv[2])
    rows = simulated(root / "tests/unit/sim/breaks.h") + kernels(root / "tests/broken-kernels/tables")
    text = "".join("\t{" + ", ".join(json.dumps(field) for field in row) + "},\n" for row in rows)
    out.write_text('/* made by tests/promises.py */\n#include "runner/runner.h"\n'
                   f"const struct pv_promise pv_promises[] = {{\n{text}}};\n"
                   f"const size_t pv_nr_promises = {len(rows)};\n")
    inputs = ["tests/unit/sim/breaks.h", "tests/broken-kernels/tables",
              *(str(p.relative_to(root)) for p in sorted(
                  (root / "tests/broken-kernels/tables").glob("*.yaml")))]
    Path(sys.argv[3]).write_text(f"{sys.argv[2]}: " + " ".join(str(root / name) for name in inputs) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
