# SPDX-License-Identifier: GPL-2.0-only
"""Applies the edits of the tables to one kernel file's text. Each anchor is looked for in the text
as Debian ships it, so that tables do not depend on one another."""
from __future__ import annotations

from collections.abc import Iterable

from tables import Edit, TableError

INCLUDE = "#include <linux/pv_broken.h>\n"


def _find_once(text: str, what: str, start: int, end: int, edit: Edit, kind: str) -> int:
    count = text.count(what, start, end)
    if count == 1:
        return text.index(what, start, end)
    behind = f" behind its 'within: {edit.within}', in that function" if kind == "anchor" and \
        edit.within else ""
    advice = {"anchor": "take a longer part of its line, or add 'within:'" if count else
              "look up the line in the kernel's source",
              "within": "take a longer part of that line" if count else
              "look up the function in the kernel's source"}[kind]
    lines = [str(text.count("\n", 0, at) + 1) for at in _places(text, what, start, end)]
    seen = f" (lines {', '.join(lines[:8])})" if lines else ""
    raise TableError(f"{edit.where}: {kind} '{what}' occurs {count} times in {edit.file}{behind}"
                     f"{seen}, must be once: {advice}")


def _places(text: str, what: str, start: int, end: int) -> list[int]:
    found, at = [], text.find(what, start, end)
    while at >= 0:
        found.append(at)
        at = text.find(what, at + 1, end)
    return found


def _scope(text: str, edit: Edit) -> tuple[int, int]:
    """From the within text to the end of that function."""
    if edit.within is None:
        return 0, len(text)
    start = _find_once(text, edit.within, 0, len(text), edit, "within")
    end = text.find("\n}", start)
    return start, end if end >= 0 else len(text)


def _is_open(text: str) -> bool:
    return not text.rstrip().endswith((";", "}", ":", "*/", "/*"))


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with all edits, and with the header that has PV_BROKEN()."""
    cuts: list[tuple[int, int, str, Edit]] = []  # replace [from, to) by
    wrong: list[str] = []
    for edit in edits:
        try:
            start, end = _scope(text, edit)
            at = _find_once(text, edit.anchor, start, end, edit, "anchor")
        except TableError as err:
            wrong.append(str(err))
            continue
        if edit.place == "replace":
            cuts.append((at, at + len(edit.anchor), edit.text.rstrip("\n"), edit))
            continue
        line = text.rfind("\n", 0, at) + 1 if edit.place == "before" else text.find("\n", at) + 1
        cuts.append((line, line, edit.text.rstrip("\n") + "\n", edit))
    if wrong:
        raise TableError("\n".join(wrong))
    # Of what goes to the same place an `if (...)` without its statement comes last: it is for the
    # kernel's line. Else sort() keeps the tables' order.
    cuts.sort(key=lambda cut: (cut[0], cut[1], _is_open(cut[2])))
    parts, last, owner = [INCLUDE], 0, None
    for begin, end, new, edit in cuts:
        if begin < last:
            wrong.append(f"{edit.where}: replaces text that {owner.where if owner else '?'} "
                         "replaces too: anchor one of them elsewhere, or take before/after")
            continue
        parts += [text[last:begin], new]
        last, owner = end, edit
    if wrong:
        raise TableError("\n".join(wrong))
    return "".join(parts) + text[last:]
