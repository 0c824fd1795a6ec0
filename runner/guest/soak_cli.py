# SPDX-License-Identifier: GPL-2.0-only
"""The command line of `pmuvet soak`."""
from __future__ import annotations

import argparse
import os
import random
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

import platforms

from . import SOURCE_ROOT, neighbours
from .again import Case
from .cli import EXIT_HARNESS, EXIT_OK, Session, Stopped, UsageError, guarded, guest_options, in_scratch, say
from .guest import Guest
from .neighbours import Disturbed, HostNeighbours
from .soak import GUEST_NEIGHBOURS, Soak
from .stream import Writer

EXIT_FOUND = 1
CASE_SECONDS = 60.0  # six times a run's: the neighbours take theirs
NEIGHBOURS = (*GUEST_NEIGHBOURS, *neighbours.NAMES)
AGENT_OPTIONS = ("filter", "exclude", "descriptor")


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 60 * 24 * 30:
        raise argparse.ArgumentTypeError(f"want minutes, not '{text}'")
    return value


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"want a number of cases, not '{text}'")
    return int(text)


def _seed(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError(f"want a number below 2^32, not '{text}'")
    return int(text)


def _neighbours(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in NEIGHBOURS:
            raise argparse.ArgumentTypeError(f"no neighbour '{name}'; there are {', '.join(NEIGHBOURS)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pmuvet soak", allow_abbrev=False,
        description="Runs the shuffled cases over and over in a guest, beside processes that fork, CPUs that go and "
                    "come, the NMI watchdog, stops of the vCPUs and live snapshots. Splats, taint and deaths are "
                    "reported with the cases that ran; cases that failed run again in a quiet guest.",
        epilog="Exit: 0 nothing found, 1 a splat, taint or death, or a case that fails without stress too, "
               "2 usage, 3 the harness or the platform failed. Ctrl-C ends it and tells what was found so far.")
    guest_options(parser)
    parser.set_defaults(platform="x86_64")
    next(a for a in parser._actions if a.dest == "platform").required = False
    parser.add_argument("--minutes", type=_minutes, default=10.0, metavar="N", help="default 10")
    parser.add_argument("--cases", type=_count, metavar="N", help="end behind N cases, if that is sooner")
    parser.add_argument("--seed", type=_seed, metavar="S", help="default: drawn, and told")
    parser.add_argument("--neighbours", type=_neighbours, default=list(NEIGHBOURS), metavar="NAME,...",
                        help=f"default: {','.join(NEIGHBOURS)}; what the platform has not got is left out and said")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the stream; default: a new file below results/runs/")
    parser.add_argument("--quick", action="store_true", help="only the most telling cases")
    for name in AGENT_OPTIONS:
        parser.add_argument(f"--{name}", action="append", default=[], metavar="GLOB" if name != "descriptor" else "NAME")
    return parser


def _agent_args(options: argparse.Namespace) -> list[str]:
    args = ["--quick"] if options.quick else []
    for name in AGENT_OPTIONS:
        for value in getattr(options, name):
            args += [f"--{name}", value]
    return args


def _stream_path(options: argparse.Namespace) -> Path:
    if options.json:
        if options.json.exists():
            raise UsageError(f"{options.json} exists; name another file")
        return options.json
    directory = SOURCE_ROOT / "results/runs"
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-soak-{options.platform}.jsonl"


def _repeat(argv: Sequence[str], seed: int) -> str:
    words = list(argv)
    if "--json" in words:
        at = words.index("--json")
        del words[at:at + 2]
    if not any(word == "--seed" or word.startswith("--seed=") for word in words):
        words += ["--seed", str(seed)]
    return shlex.join(["./pmuvet", "soak", *words])


def _soak(options: argparse.Namespace, argv: Sequence[str], scratch: Path) -> int:
    platform = platforms.load(options.platform)
    # A second CPU to take away, where counts are not deterministic anyway.
    options.smp = options.smp or (platform.smp if platform.tcg.deterministic else max(platform.smp, 2))
    options.timeout = options.timeout or CASE_SECONDS
    session = Session(options, _agent_args(options))
    machine = session.machine(session.use_kvm())
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    path = _stream_path(options)

    def start(directory: str, args: Sequence[str], only: Sequence[Case], host: HostNeighbours | None) -> Guest:
        guest = session.start(machine, scratch / directory, (), only, args, Disturbed)
        assert isinstance(guest, Disturbed)
        guest.neighbours = host
        return guest

    print(f"soak: {session.told(machine)}, {options.minutes:g} min, seed {seed}", flush=True)
    with open(path, "xb", buffering=0) as file:
        soak = Soak(session.facts(machine, scratch), Writer(file), say, options.minutes * 60, seed, start, scratch,
                    [n for n in options.neighbours if n in GUEST_NEIGHBOURS],
                    [n for n in options.neighbours if n in neighbours.NAMES], options.cases)
        try:
            soak.run()
            soak.quiet()
        except Stopped:
            say("stopped; so far:")
        soak.close()
    for line in soak.summary():
        print(line)
    print(f"repeat with: {_repeat(argv, seed)}\nstream: {path}", flush=True)
    if soak.red():
        return EXIT_FOUND
    return EXIT_OK if soak.cases and not soak.trouble else EXIT_HARNESS


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    return guarded(lambda: in_scratch(options.keep, lambda scratch: _soak(options, argv, scratch)))
