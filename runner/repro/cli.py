# SPDX-License-Identifier: GPL-2.0-only
"""`pmuvet repro`: a case, or what a stream recorded, as one C file."""
from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.guest.stream import clean

from . import SOURCE_ROOT
from .amalgamate import Tree, text
from .recorded import Finding, StreamBroken, findings
from .source import Chunk
from .tables import Catalogue, ReproError, tables

EXIT_OK, EXIT_NOTHING, EXIT_USAGE, EXIT_HARNESS = 0, 1, 2, 3
COMPILERS = {"x86_64": "gcc", "arm64": "aarch64-linux-gnu-gcc"}
ASSEMBLY = {"x86_64": ("arch/x86/work_64.S", "arch/x86/frames_64.S"),
            "arm64": ("arch/arm64/work.S", "arch/arm64/frames.S")}
ARCH_C = {"x86_64": "arch/x86", "arm64": "arch/arm64"}
TIMEOUT = 10  # seconds for a case, as the engine gives it
MAIN = "runner/repro/main.c"
# What the tables are written in.
TABLE_WORDS = ("pv_arch", "pv_pmu_caps", "pv_mode", "pv_relation", "pv_side", "pv_work_id", "pv_pmu",
               "pv_case", "pv_event_desc", "pv_format_desc", "pv_repro")


def say(line: str) -> None:
    print(f"pmuvet: {line}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Run:
    """What is known of the run that is to be repeated."""

    arch: str
    descriptors: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    deterministic: bool = False
    lines: Sequence[str] = ()  # for the header comment


def comment(lines: Iterable[str]) -> str:
    safe = [clean(line).replace("*/", "* /").replace("/*", "/ *").rstrip() for line in lines]
    return "/*\n" + "".join(f" * {line}".rstrip() + "\n" for line in safe) + " */\n"


def how_to(arch: str, qemu: Sequence[str]) -> list[str]:
    lines = [f"    {COMPILERS[arch]} -O1 -static -o repro FILE.c      (then ./repro as root)", "",
             "Or as the init of a guest:", "    mkdir -p root && cp repro root/init && "
             "(cd root && echo init | cpio -o -H newc) >initramfs"]
    return lines + [f"    {shlex.join(qemu)}"] if qemu else lines


def assembly(root: Path, arch: str, kept: Sequence[Chunk]) -> str:
    """The workloads as top-level asm, through the C preprocessor."""
    out = []
    headers = {chunk.file for chunk in kept}
    for header, name in zip(("arch/work.h", "arch/frames.h"), ASSEMBLY[arch]):
        if header not in headers:
            continue
        try:
            done = subprocess.run([COMPILERS[arch], "-E", "-P", f"-I{root}", str(root / name)],
                                  capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as err:
            raise ReproError(f"{COMPILERS[arch]} cannot preprocess {name}: "
                             f"{getattr(err, 'stderr', '') or err}") from None
        lines = [line for line in done.stdout.splitlines()
                 if line.strip() and ".note.GNU-stack" not in line]
        # Both files have the same macros.
        lines += [f"\t.purgem {line.split()[1]}" for line in lines if line.startswith(".macro ")]
        quoted = [line.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
                  for line in lines]
        out.append(f"/* ---- {name} ---- */\n\nasm(\n\t\".pushsection .text\\n\"\n"
                   + "".join(f'\t"{line}\\n"\n' for line in quoted)
                   + "\t\".popsection\\n\");\n")
    return "\n".join(out)


def program(root: Path, cases: Sequence[str], run: Run, head: Sequence[str]) -> str:
    """The C text that runs these cases in this order."""
    if run.arch not in COMPILERS:
        raise ReproError(f"no reproducers for {run.arch}")
    catalogue = Catalogue.load(root)
    chosen = [catalogue.find(case, run.arch, run.descriptors) for case in cases]
    if any(c.template.file.endswith("compat.c") for c in chosen):
        raise ReproError("cases of 32-bit tasks need two programs; take the 32-bit build of the case "
                         "itself")
    files = sorted({c.template.file for c in chosen})
    libraries = [p.relative_to(root).as_posix() for directory in (ARCH_C[run.arch], "cases/lib")
                 for p in sorted((root / directory).glob("*.c"))]
    tree = Tree(root, [*libraries, *files, MAIN])
    kept = tree.reachable(["main", *TABLE_WORDS, *[c.template.function for c in chosen]])
    body = text(tree, kept)
    ids = "".join(f"    {c.id}\n        {c.template.keys['about']}\n" for c in chosen)
    lines = [*head, "", "Runs, in this order:", *ids.splitlines()]
    repro = (f"const struct pv_repro pv_repro = {{\n\t.seed = {run.seed}ull,\n"
             f"\t.deterministic = {'true' if run.deterministic else 'false'},\n"
             f"\t.timeout = {TIMEOUT},\n}};\n")
    return (f"/* SPDX-License-Identifier: GPL-2.0-only */\n{comment(lines)}\n{body}\n"
            f"/* ---- the cases ---- */\n\n{tables(catalogue, chosen, kept, run.arch, run.descriptors)}\n"
            f"{repro}\n{assembly(root, run.arch, kept)}")


# ---- the command ----

def from_stream(root: Path, finding: Finding) -> str:
    run = Run(finding.arch, finding.descriptors, finding.seed, finding.deterministic)
    head = [*finding.head, "", *how_to(finding.arch, finding.qemu)]
    if finding.program:
        return f"/* SPDX-License-Identifier: GPL-2.0-only */\n{comment(head)}\n{finding.program}"
    return program(root, [*finding.prefix, finding.case], run, head)


def file_name(stream: Path, case: str) -> Path:
    stem = stream.name.removesuffix(".jsonl")
    return stream.with_name(f"{stem}.{re.sub(r'[^A-Za-z0-9_.-]+', '-', case)[:120]}.c")


def write(path: Path | None, content: str) -> None:
    if not path:
        sys.stdout.write(content)
        sys.stdout.flush()
        return
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(content)
    os.replace(temporary, path)


def _stream(options: argparse.Namespace, stream: Path) -> int:
    found = [f for f in findings(stream) if not options.case or f.case == options.case]
    if not found:
        what = f"no crash, hang or sequence of {options.case}" if options.case else \
            "no case that crashed or hung, and no failed sequence"
        say(f"{stream}: {what}: nothing to reproduce")
        return EXIT_NOTHING
    if options.output and len(found) > 1:
        raise ReproError(f"{stream}: {len(found)} findings; name one of "
                         + ", ".join(f.case for f in found))
    status = EXIT_OK
    for finding in found:
        path = Path(options.output) if options.output else file_name(stream, finding.case)
        try:
            write(path, from_stream(SOURCE_ROOT, finding))
        except ReproError as err:
            say(f"{finding.case}: {err}")
            status = EXIT_HARNESS
            continue
        print(f"reproducer: {path}", flush=True)
    return status


def _case(options: argparse.Namespace) -> int:
    platform = platform_of(options.platform)
    run = Run(platform.arch, {d.family: d.name for d in platform.descriptors})
    head = [f"The case {options.what} of pmuvet.", "", *how_to(platform.arch, ())]
    write(Path(options.output) if options.output else None,
          program(SOURCE_ROOT, [options.what], run, head))
    return EXIT_OK


@dataclass(frozen=True)
class Descriptor:
    family: str
    name: str


@dataclass(frozen=True)
class PlatformFacts:
    arch: str
    descriptors: tuple[Descriptor, ...] = ()


def platform_of(name: str) -> PlatformFacts:
    """The platform's architecture, and the descriptors that it names."""
    if name == "host":
        return PlatformFacts({"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine))
    sys.path.insert(0, str(SOURCE_ROOT / "vm-images"))
    import platforms

    try:
        found = platforms.load(name)
    except platforms.PlatformError as err:
        raise ReproError(str(err)) from None
    families = {p.name: p.family for p in Catalogue.load(SOURCE_ROOT).pmus}
    return PlatformFacts(found.arch, tuple(Descriptor(families[d], d) for d in found.tcg.descriptors))


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="pmuvet repro", allow_abbrev=False,
        description="Writes a C program of one file that does what a case does, without pmuvet: a case "
                    "by its id, or what crashed, hung or went wrong in a recorded stream (with the "
                    "cases before it that it needs).",
        epilog="Exit: 0 written, 1 nothing to reproduce in the stream, 2 usage, 3 cannot be made.")
    parser.add_argument("what", metavar="CASE-ID|STREAM")
    parser.add_argument("case", nargs="?", metavar="CASE-ID", help="of a stream: only this one")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="default: standard output; of a stream: beside it")
    parser.add_argument("--platform", default="x86_64", metavar="P",
                        help="of a case: host or a guest (default x86_64); a stream knows its own")
    options = parser.parse_args(argv)
    stream = Path(options.what)
    try:
        if stream.is_file():
            return _stream(options, stream)
        if "/" in options.what and not options.what.endswith(".jsonl") and not options.case:
            return _case(options)
        say(f"repro: {options.what}: no such stream, and no case id; see pmuvet repro --help")
        return EXIT_USAGE
    except ReproError as err:
        say(f"repro: {options.what}: {err}")
        return EXIT_USAGE
    except (StreamBroken, OSError) as err:
        say(f"repro: {err}")
        return EXIT_HARNESS
