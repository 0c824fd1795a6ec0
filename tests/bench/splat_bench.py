#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""How fast `pmuvet crash` reads logs: a quiet one, and one that is nothing but splats.

    splat_bench.py PMUVET [MIB]

Prints MB/s of CPU time (a busy machine does not change it) and the peak of memory for MIB and for a tenth of
it, against `grep -E` for the same words, on the same files, in the same run. The figures to reach are 300 MB/s,
50 MB/s and a peak that does not grow; they are printed, not enforced. Exit 1 only when an answer is wrong.
"""
from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT / "tests" / "corpora" / "splats"
RUNS = 3
QUIET = [
    "ACPI: PM-Timer IO Port: 0x608", "pci 0000:00:1f.2: [8086:2922] type 00 class 0x010601 conventional PCI endpoint",
    "audit: type=1400 audit(1764335101.812:7): apparmor=\"STATUS\" operation=\"profile_load\" name=\"lsb_release\" pid=412",
    "EXT4-fs (vda1): mounted filesystem 8f2c0b9e-1c5e-4a8e-9a55-2f0f8b7a3c11 ro with ordered data mode. Quota mode: none.",
    "systemd[1]: Starting systemd-udevd.service - Rule-based Manager for Device Events and Files...",
    "usb 1-1: New USB device found, idVendor=0627, idProduct=0001, bcdDevice= 0.00", "Loading iSCSI transport class v2.0-870.",
    "BIOS-e820: [mem 0x0000000000100000-0x000000007ffdbfff] usable", "clocksource: Switched to clocksource tsc",
    "IPv6: ADDRCONF(NETDEV_CHANGE): eth0: link becomes ready", "random: crng init done", "virtio_net virtio0 enp0s2: renamed from eth0",
]


@dataclass
class Measured:
    seconds: float
    mebibytes: float
    status: int


def measure(argv: list[str], runs: int = RUNS, out: int = subprocess.DEVNULL) -> Measured:
    """CPU seconds, the best of some runs, and the peak of memory. To a pipe only what fits into it."""
    best = Measured(float("inf"), 0.0, -1)
    for _ in range(runs):
        with subprocess.Popen(argv, stdout=out, env=dict(os.environ, LC_ALL="C")) as child:
            _, status, usage = os.wait4(child.pid, 0)
            child.returncode = os.waitstatus_to_exitcode(status)
        seconds = usage.ru_utime + usage.ru_stime
        best = Measured(min(best.seconds, seconds), max(best.mebibytes, usage.ru_maxrss / 1024), child.returncode)
    return best


def quiet_lines() -> Iterator[bytes]:
    i = 0
    while True:
        i += 1
        yield f"[{i / 1000:12.6f}] {QUIET[i % len(QUIET)]}\n".encode()


def write_quiet(path: Path, size: int) -> None:
    lines = quiet_lines()
    block = b"".join(next(lines) for _ in range(20_000))
    with path.open("wb") as out:
        for _ in range(size // len(block) + 1):
            out.write(block)


def write_dense(path: Path, size: int) -> int:
    """All logs of the corpus, one after the other."""
    block = b"".join(p.read_bytes().rstrip(b"\n") + b"\n" for p in sorted(CORPUS.glob("*.log")))
    copies = size // len(block) + 1
    with path.open("wb") as out:
        for _ in range(copies):
            out.write(block)
    return copies


def words() -> str:
    """The literal start of each row of the table, as an extended regular expression."""
    table = (ROOT / "results" / "splat_class.c").read_text()
    found = []
    for text in re.findall(r'^\t\{"[a-z0-9-]+", [MWX], (?:PANIC )?"([^"]+)"', table, re.M):
        literal = max(re.split(r"%[a-z*]", text), key=len)
        found.append(re.sub(r"([][().*+?{}|^$\\])", r"\\\1", literal))
    return "|".join(sorted(set(found) - {""}))


def main() -> int:
    if not 2 <= len(sys.argv) <= 3 or (len(sys.argv) == 3 and not sys.argv[2].isdigit()):
        print("usage: splat_bench.py PMUVET [MIB]", file=sys.stderr)
        return 2
    crash = [sys.argv[1], "crash"]
    mib = int(sys.argv[2]) if len(sys.argv) == 3 else 256
    wrong = 0
    with tempfile.TemporaryDirectory() as tmp:
        for kind, write in (("quiet", write_quiet), ("dense", write_dense)):
            log, tenth = Path(tmp) / kind, Path(tmp) / f"{kind}-tenth"
            write(log, mib << 20)
            write(tenth, (mib << 20) // 10)
            megabytes = log.stat().st_size / 1e6
            ours, short = measure([*crash, str(log)]), measure([*crash, str(tenth)], 1)
            json = measure([*crash, "--json", str(log)])
            # With /dev/null as its output it would stop at the first line.
            grep = measure(["grep", "-acE", words(), str(log)], 1, subprocess.PIPE)
            print(f"splat {kind:6} {megabytes:6.0f} MB   pmuvet crash {megabytes / ours.seconds:7.0f} MB/s, "
                  f"--json {megabytes / json.seconds:7.0f} MB/s   "
                  f"peak {ours.mebibytes:5.1f} MiB (a tenth: {short.mebibytes:5.1f})   "
                  f"grep -E {megabytes / grep.seconds:7.0f} MB/s   ratio {grep.seconds / ours.seconds:.1f} x")
            if ours.status != (kind == "dense") or json.status != ours.status or ours.mebibytes > short.mebibytes + 4:
                print(f"wrong: exit {ours.status}")
                wrong = 1
            log.unlink()
    return wrong


if __name__ == "__main__":
    sys.exit(main())
