#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How fast and how right `pmuvet crash --vmlinux` is, beside the kernel's decode_stacktrace.sh.

    symbols_bench.py PMUVET VMLINUX [--script linux/scripts/decode_stacktrace.sh] [--frames 1000] [--against 40]

Makes traces of random functions and offsets of that vmlinux (seeded), as a kernel would print them. Prints the
CPU time of loading and of symbolising --frames frames; with --script both read one trace of --against frames, and
each frame is judged by what `addr2line -i` (or llvm's) says of the very address (the symbol's, plus the offset, minus one for a
return address). By hand: it needs a kernel's debug information, half a gigabyte. Exit 1 when a frame of ours is wrong.
"""
from __future__ import annotations

import argparse
import json
import mmap
import os
import posixpath
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PER_SPLAT = 100
HEAD = ("[  100.000000] ------------[ cut here ]------------\n"
        "[  100.000000] WARNING: CPU: 0 PID: 1 at kernel/bench.c:1 bench+0x1/0x2\n"
        "[  100.000000] CPU: 0 PID: 1 Comm: bench Not tainted {release} #1\n"
        "[  100.000000] Call Trace:\n"
        "[  100.000000]  <TASK>\n")
TAIL = "[  100.000000]  </TASK>\n[  100.000000] ---[ end trace 0000000000000000 ]---\n"
LINE = re.compile(r"([^\s/]+(?:/[^\s/]+)*):(\d+)")


@dataclass(frozen=True)
class Frame:
    name: str
    offset: int
    size: int
    address: int  # of the call, one byte before where it returns to
    twins: int  # functions of that name

    def __str__(self) -> str:
        return f"{self.name}+{self.offset:#x}/{self.size:#x}"


def functions(vmlinux: Path) -> list[tuple[str, int, int]]:
    """(name, address, size to the next symbol) of the text symbols."""
    text = subprocess.run(["nm", "-n", str(vmlinux)], capture_output=True, text=True, check=True).stdout
    rows = [(line.split()[2], int(line.split()[0], 16), line.split()[1]) for line in text.splitlines()
            if len(line.split()) == 3 and not re.match(r".* (\$|\.L)", line)]  # nor does kallsyms have them
    addresses = sorted({address for _, address, _ in rows})
    found = []
    for name, address, kind in rows:
        at = bisect_right(addresses, address)
        if kind in "tT" and at < len(addresses) and not re.match(r"__SC[TK]_|_(e?text|stext)", name):
            found.append((name, address, addresses[at] - address))
    return found


def pick(table: Sequence[tuple[str, int, int]], count: int, seed: int) -> list[Frame]:
    names = Counter(name for name, _, _ in table)
    chance = random.Random(seed)
    big = [row for row in table if 16 <= row[2] < 1 << 16]
    frames = []
    for name, address, size in chance.sample(big, count):
        offset = chance.randrange(1, size)
        frames.append(Frame(name, offset, size, address + offset - 1, names[name]))
    return frames


def release(vmlinux: Path) -> str:
    with open(vmlinux, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        found = re.search(rb"Linux version (\S+) \(", data)
        return found[1].decode() if found else "0.0.0"


def write_log(path: Path, version: str, frames: Sequence[Frame]) -> None:
    with open(path, "w") as file:
        for at in range(0, len(frames), PER_SPLAT):
            lines = "".join(f"[  100.000000]  {frame}\n" for frame in frames[at:at + PER_SPLAT])
            file.write(HEAD.format(release=version) + lines + TAIL)


@dataclass(frozen=True)
class Run:
    output: str
    cpu: float
    wall: float


def run(argv: Sequence[str], stdin: Path | None = None) -> Run:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(stdin or os.devnull) as source:
        done = subprocess.run(argv, stdin=source, capture_output=True, text=True, errors="replace", check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Run(done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
               time.perf_counter() - start)


# ---- three answers for a frame: a list of (file's last two parts, line), innermost first ----

Chain = list[tuple[str, int]]


def short(path: str) -> str:
    return "/".join(posixpath.normpath(path).split("/")[-2:])


def ours(text: str) -> list[Chain]:
    chains = []
    for line in text.splitlines():
        for frame in json.loads(line)["trace"]:
            if frame["func"] == "bench":
                continue
            inner = [(short(f.get("file", "?")), f.get("line", 0)) for f in frame.get("inlined", [])]
            chains.append(inner + [(short(frame["file"]), frame["line"])] if "file" in frame else [])
    return chains


def theirs(text: str, frames: Sequence[Frame]) -> list[Chain]:
    lines = iter(line for line in text.splitlines() if "bench" not in line and re.search(r"[(+]", line))
    chains = []
    for frame in frames:
        line = next((x for x in lines if frame.name in x), "")
        inside = re.search(r"\(([^()]*:[^()]*(?:\(discriminator \d+\)[^()]*)*)\)", line)
        chains.append([(short(f), int(n)) for f, n in LINE.findall(inside[1])] if inside else [])
    return chains


def ask(tool: str, vmlinux: Path, frames: Sequence[Frame]) -> list[Chain]:
    asked = "".join(f"0x{frame.address:x}\n" for frame in frames)
    done = subprocess.run([tool, "-a", "-i", "-e", str(vmlinux)], input=asked, capture_output=True, text=True,
                          check=True)
    chains: list[Chain] = []
    for line in done.stdout.splitlines():
        if line.startswith("0x"):
            chains.append([])
        elif found := re.match(r"(.*):(\d+)", line):
            chains[-1].append((short(found[1]), int(found[2])))
    return chains


def truth(vmlinux: Path, frames: Sequence[Frame]) -> list[list[Chain]]:
    """What is right for each frame. Binutils 2.40 often names the .c file for lines of a trace event's header."""
    tools = [tool for tool in ("addr2line", "llvm-addr2line") if shutil.which(tool)]
    return [list(answers) for answers in zip(*(ask(tool, vmlinux, frames) for tool in tools), strict=True)]


def judge(who: str, chains: Sequence[Chain], right: Sequence[Sequence[Chain]], frames: Sequence[Frame],
          show: bool) -> int:
    ends = Counter()
    for frame, chain, wants in zip(frames, chains, right, strict=True):
        kind = "right" if chain in wants else "unanswered" if not chain else "wrong"
        ends[kind] += 1
        ends["innermost"] += any(chain[:1] == want[:1] for want in wants if want)
        ends["twins right"] += frame.twins > 1 and kind == "right"
        ends["twins wrong"] += frame.twins > 1 and kind == "wrong"
        if show and kind != "right":
            print(f"    {kind}: {frame} ({frame.twins} of the name): {chain}, addr2line: {wants}")
    print(f"{who:22} of {len(frames)} frames {ends['right']} right (whole inline chain), {ends['wrong']} wrong, "
          f"{ends['unanswered']} unanswered; innermost line {ends['innermost']}; where several functions have the "
          f"name: {ends['twins right']} right, {ends['twins wrong']} wrong")
    return ends["wrong"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("pmuvet")
    parser.add_argument("vmlinux", type=Path)
    parser.add_argument("--script", type=Path)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--against", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    table, version = functions(options.vmlinux), release(options.vmlinux)
    command = [options.pmuvet, "crash", "--json", "--vmlinux", str(options.vmlinux)]
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        log = Path(name) / "log"
        frames = pick(table, options.frames, options.seed)
        write_log(log, version, frames[:1])
        loading = min((run([*command, str(log)]) for _ in range(3)), key=lambda r: r.cpu)
        write_log(log, version, frames)
        whole = min((run([*command, str(log)]) for _ in range(3)), key=lambda r: r.cpu)
        print(f"loading and one frame: {loading.cpu:.2f} s CPU ({loading.wall:.2f} s); {len(frames)} frames more: "
              f"{whole.cpu - loading.cpu:.2f} s CPU ({whole.wall - loading.wall:.2f} s)")
        wrong += judge("pmuvet crash", ours(whole.output), truth(options.vmlinux, frames), frames, True)
        if options.script:
            frames = pick(table, options.against, options.seed + 1)
            write_log(log, version, frames)
            we = run([*command, str(log)])
            they = run(["bash", str(options.script), str(options.vmlinux), "auto"], log)
            print(f"one trace of {len(frames)} frames: pmuvet {we.cpu:.2f} s CPU ({we.wall:.2f} s), "
                  f"decode_stacktrace.sh {they.cpu:.2f} s CPU ({they.wall:.2f} s): "
                  f"{they.cpu / we.cpu:.0f} times ({they.wall / we.wall:.0f} by the clock)")
            right = truth(options.vmlinux, frames)
            wrong += judge("pmuvet crash", ours(we.output), right, frames, True)
            judge("decode_stacktrace.sh", theirs(they.output, frames), right, frames, False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
