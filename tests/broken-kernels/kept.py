# SPDX-License-Identifier: GPL-2.0-only
"""Results of earlier runs, one JSON object a line: a run that was stopped goes on behind them."""
from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import guests
from tables import Switch


@dataclass
class Result:
    """One switch on one architecture."""

    word: str
    arch: str
    seconds: float
    trouble: str  # why there are no verdicts
    splat: str  # the first one
    caught: dict[str, str]  # owners that are worse than without the switch: their verdicts
    reasons: dict[str, str]  # of those
    others: list[str] = field(default_factory=list)  # the same of other cases, with --all-cases
    red_before: list[str] = field(default_factory=list)  # owners that are red without it

    def how(self) -> str:
        """In what way the guest or its cases failed."""
        if self.trouble:
            return f"no verdict: {self.trouble}"
        words = set(self.caught.values())
        note = ", ".join(word for word in ("crash", "hang", "xfail") if word in words)
        return ": ".join(text for text in (note, self.splat if self.caught else "") if text)

    def line(self, missed: str | None) -> str:
        """One row of the final table (Markdown). `missed`: why it is known to be missed."""
        kinds = sorted({guests.template(case) for case in self.caught})
        seen = f"{len(self.caught)}: {', '.join(kinds[:3])}" + (" ..." if len(kinds) > 3 else "")
        verdict = "caught" if self.caught else "**missed**"
        parts = (seen if self.caught else "", self.how(), "" if self.caught else missed or "")
        return (f"| {self.word} | {self.arch} | {verdict} | {self.seconds:.1f} s | "
                f"{'; '.join(text for text in parts if text)} |")


def result(switch: Switch, arch: str, outcome: guests.Outcome, before: guests.Outcome) -> Result:
    worse = outcome.caught(before)
    caught = [case for case in worse if guests.matches(case, switch.owners)]
    return Result(switch.word, arch, round(outcome.seconds, 1), outcome.trouble,
                  outcome.splats[0] if outcome.splats else "",
                  {case: outcome.verdicts[case] for case in caught},
                  {case: outcome.reasons[case] for case in caught},
                  [case for case in worse if case not in caught],
                  [case for case in before.red() if guests.matches(case, switch.owners)])


class Kept:
    """`path`: None keeps nothing."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.results: dict[tuple[str, str], Result] = {}
        if not path or not path.exists():
            return
        names = {one.name for one in fields(Result)}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            try:
                row = json.loads(line)
                if not isinstance(row, dict) or set(row) != names:
                    raise ValueError("no result")
            except ValueError as err:
                raise OSError(f"{path}:{number}: {err}: not a file of --keep; remove it or that "
                              "line") from None
            self.results[row["word"], row["arch"]] = Result(**row)

    def add(self, one: Result) -> None:
        """One write of a whole line: two runs may share a file."""
        self.results[one.word, one.arch] = one
        if self.path:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(one)) + "\n")
