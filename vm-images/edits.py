# SPDX-License-Identifier: GPL-2.0-only
"""Edits of a foreign source tree, so that none of it lies in ours: each says a one-line anchor that must stand exactly once in
its file, and what goes before, after or in place of it. Anchors are looked for in the text as it is shipped, so that edits
do not depend on one another."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

PLACES = ("before", "after", "replace")
EDIT_KEYS = {"file": True, "within": False, "anchor": True, "before": False, "after": False,
             "replace": False}


class TableError(Exception):
    """file:line: what is wrong with a table and what to do."""


@dataclass(frozen=True)
class Edit:
    where: str  # file:line of the table
    file: str  # in the source tree
    anchor: str
    within: str | None
    place: str  # before or after the anchor's line, or instead of the anchor
    text: str


def where_of(path: Path, node: yaml.Node) -> str:
    return f"{path}:{node.start_mark.line + 1}"


def list_of(path: Path, what: str) -> list[yaml.Node]:
    """The items of a file that is one list."""
    try:
        root = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 1
        raise TableError(f"{path}:{line}: {err.problem or 'not YAML'}: put the text in quotes or "
                         "behind '|'") from None
    except (OSError, UnicodeDecodeError) as err:
        raise TableError(f"{path}:1: {err}") from None
    if not isinstance(root, yaml.SequenceNode):
        raise TableError(f"{path}:1: want a list of {what}")
    return list(root.value)


def load(path: Path, suffixes: tuple[str, ...]) -> list[Edit]:
    """A file that is a list of edits."""
    return [parse_edit(path, node, suffixes) for node in list_of(path, "edits ('- file: ...')")]


def text_of(path: Path, node: yaml.Node, key: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        raise TableError(f"{where_of(path, node)}: {key}: want a text (in quotes when it has ': ' "
                         "or ' #', or begins with one of \"&*!|>%@{[-\")")
    return str(node.value)


def fields_of(path: Path, node: yaml.Node, keys: dict[str, bool], what: str) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise TableError(f"{where_of(path, node)}: want {what} with the keys {', '.join(keys)}")
    found: dict[str, yaml.Node] = {}
    for key_node, value in node.value:
        key = str(key_node.value)
        if key not in keys:
            raise TableError(f"{where_of(path, key_node)}: unknown key '{key}'; {what} has "
                             f"{', '.join(keys)}")
        if key in found:
            raise TableError(f"{where_of(path, key_node)}: '{key}' is given twice: remove one")
        found[key] = value
    for key, needed in keys.items():
        if needed and key not in found:
            raise TableError(f"{where_of(path, node)}: {what} lacks '{key}': add it")
    return found


def parse_edit(path: Path, node: yaml.Node, suffixes: tuple[str, ...]) -> Edit:
    fields = fields_of(path, node, EDIT_KEYS, "an edit")
    where = where_of(path, fields["anchor"])
    places = [key for key in PLACES if key in fields]
    if len(places) != 1:
        raise TableError(f"{where}: an edit has exactly one of {', '.join(PLACES)}, this one "
                         f"{len(places)}")
    texts = {key: text_of(path, value, key) for key, value in fields.items()}
    for key in ("file", "anchor", "within"):
        if "\n" in texts.get(key, ""):
            raise TableError(f"{where_of(path, fields[key])}: {key}: want one line")
    if not texts["file"].endswith(suffixes) or ".." in texts["file"] or texts["file"][0] == "/":
        raise TableError(f"{where_of(path, fields['file'])}: file: want a file of the source tree "
                         f"({', '.join(suffixes)}), not '{texts['file']}'")
    return Edit(where, texts["file"], texts["anchor"], texts.get("within"), places[0],
                texts[places[0]])


def _find_once(text: str, what: str, start: int, end: int, edit: Edit, kind: str) -> int:
    count = text.count(what, start, end)
    if count == 1:
        return text.index(what, start, end)
    behind = f" behind its 'within: {edit.within}', in that function" if kind == "anchor" and \
        edit.within else ""
    advice = {"anchor": "take a longer part of its line, or add 'within:'" if count else
              "look up the line in the source",
              "within": "take a longer part of that line" if count else
              "look up the function in the source"}[kind]
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


def apply(text: str, edits: Iterable[Edit], head: str = "") -> str:
    """The text with all edits, behind `head`."""
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
    # source's own line. Else sort() keeps the tables' order.
    cuts.sort(key=lambda cut: (cut[0], cut[1], _is_open(cut[2])))
    parts, last, owner = [head], 0, None
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
