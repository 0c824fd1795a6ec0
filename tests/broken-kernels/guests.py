# SPDX-License-Identifier: GPL-2.0-only
"""Boots a kernel with some cases and says what became of each."""
from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RED = ("fail", "crash", "hang")
# A case takes 0.01 s, at most 0.1 (bpf/full 1.1: a grace period for each of 65 programs); a switch
# that hangs each of its owners must come to its end.
# Under icount the guest's second is ten of ours when it has work to do.
CASE_SECONDS = {"arm64": 2, "x86_64": 3}
MODEL_SECONDS = 20  # on the PMU model, under icount
RUN_SECONDS = 600  # the runner sees by itself what hangs; this is for a busy machine
BUILD_SECONDS = 900  # pmuvet's own first build, beside others
LIVE: set[subprocess.Popen[str]] = set()


@dataclass
class Outcome:
    """One run: what each case said, and the first splat."""

    verdicts: dict[str, str] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    splats: list[str] = field(default_factory=list)
    seconds: float = 0.0
    trouble: str = ""  # why there are no verdicts

    def red(self) -> list[str]:
        return [case for case, verdict in self.verdicts.items() if verdict in RED]

    def caught(self, before: Outcome) -> list[str]:
        """Cases that are worse than in a run of the unbroken kernel."""
        return [case for case, verdict in self.verdicts.items()
                if (verdict in RED and before.verdicts.get(case) not in RED)
                or (verdict == "xfail" and before.verdicts.get(case) in ("xpass", "pass"))]


def template(case: str) -> str:
    return case.partition(":")[0]


def matches(case: str, globs: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(case, glob) for glob in globs)


def _read(stream: Path, outcome: Outcome) -> None:
    running = ""
    for line in stream.read_bytes().splitlines() if stream.exists() else []:
        try:
            event = json.loads(line)
        except ValueError:
            break
        kind = event.get("event")
        if kind == "case_begin":
            running = event["case"]
        elif kind == "case_end":
            outcome.verdicts[event["case"]] = event["verdict"]
            outcome.reasons[event["case"]] = event.get("reason", "")
            running = ""
        elif kind == "splat":
            outcome.splats.append(event.get("title", event.get("class", "")))
    if running:
        outcome.verdicts[running] = "crash"
        outcome.reasons[running] = "the stream stops here"


def stop_all() -> None:
    """pmuvet ends its guest when it is ended."""
    for child in list(LIVE):
        child.terminate()


def run(arch: str, kernel: Path, append: str, globs: Iterable[str],
        launcher: bool = False) -> Outcome:
    """`launcher`: see that pmuvet is built, first (one at a time)."""
    program = ROOT / ("pmuvet" if launcher else "build/native/runner/pmuvet")
    outcome = Outcome()
    limit = RUN_SECONDS + (BUILD_SECONDS if launcher else 0)
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pmuvet-broken-") as tmp:
        stream = Path(tmp) / "run.jsonl"
        argv = [str(program), "run", "--platform", arch, "--kernel", str(kernel), "--quiet", "--no-retry",
                "--timeout", str(CASE_SECONDS.get(arch, MODEL_SECONDS)), "--json", str(stream)]
        argv += ["--append", append] if append else []
        argv += [word for glob in globs for word in ("--filter", glob)]
        child = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, errors="replace",
                                 env=dict(os.environ, PMUVET_ROOT=str(ROOT)),
                                 start_new_session=True)
        LIVE.add(child)
        timed_out = False
        try:
            said = child.communicate(timeout=limit)[0]
        except subprocess.TimeoutExpired:
            # pmuvet ends its guest and closes the stream.
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.communicate(timeout=20)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            said, timed_out = "", True
        finally:
            LIVE.discard(child)
        _read(stream, outcome)
        if timed_out:
            # What ran then has not failed, whatever the stream says.
            outcome.verdicts, outcome.trouble = {}, f"not done after {limit} s"
    outcome.seconds = time.monotonic() - start
    if not outcome.verdicts and not outcome.trouble:
        outcome.trouble = (said.strip().splitlines() or ["pmuvet said nothing"])[-1]
    return outcome
