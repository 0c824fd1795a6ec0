# SPDX-License-Identifier: GPL-2.0-only
"""Edit tables: tables/*.yaml, what a switch breaks and which cases own the promise."""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ARCHES = ("arm64", "x86_64")
PLACES = ("before", "after", "replace")
WORD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
USES = re.compile(r"\bPV_BROKEN\(\s*(\w+)\s*\)")
SWITCH_KEYS = {"switch": True, "about": True, "like": True, "owner": True, "platform": False,
               "missed": False, "edits": True}
EDIT_KEYS = {"file": True, "within": False, "anchor": True, "before": False, "after": False,
             "replace": False}


class TableError(Exception):
    """file:line: what is wrong with a table and what to do."""


@dataclass(frozen=True)
class Edit:
    where: str  # file:line of the table
    file: str  # in the kernel tree
    anchor: str
    within: str | None
    place: str  # before or after the anchor's line, or instead of the anchor
    text: str


@dataclass(frozen=True)
class Switch:
    where: str
    word: str  # of pvbreak=
    about: str
    like: str  # the fix it reverts, or slip
    owners: tuple[str, ...]  # globs of case ids
    arches: tuple[str, ...]
    missed: str | None  # why today's cases do not see it
    edits: tuple[Edit, ...]

    @property
    def table(self) -> str:
        return self.where.rpartition(":")[0]

    @property
    def flag(self) -> str:
        return flag_of(self.word)


def flag_of(word: str) -> str:
    return word.replace("-", "_")


def default_tables() -> list[Path]:
    return sorted((HERE / "tables").glob("*.yaml"))


def _where(path: Path, node: yaml.Node) -> str:
    return f"{path}:{node.start_mark.line + 1}"


def _text(path: Path, node: yaml.Node, key: str) -> str:
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        raise TableError(f"{_where(path, node)}: {key}: want a text (in quotes when it has ': ' "
                         "or ' #', or begins with one of \"&*!|>%@{[-\")")
    return str(node.value)


def _fields(path: Path, node: yaml.Node, keys: dict[str, bool], what: str) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        raise TableError(f"{_where(path, node)}: want {what} with the keys {', '.join(keys)}")
    found: dict[str, yaml.Node] = {}
    for key_node, value in node.value:
        key = str(key_node.value)
        if key not in keys:
            raise TableError(f"{_where(path, key_node)}: unknown key '{key}'; {what} has "
                             f"{', '.join(keys)}")
        if key in found:
            raise TableError(f"{_where(path, key_node)}: '{key}' is given twice: remove one")
        found[key] = value
    for key, needed in keys.items():
        if needed and key not in found:
            raise TableError(f"{_where(path, node)}: {what} lacks '{key}': add it")
    return found


def _edit(path: Path, node: yaml.Node) -> Edit:
    fields = _fields(path, node, EDIT_KEYS, "an edit")
    where = _where(path, fields["anchor"])
    places = [key for key in PLACES if key in fields]
    if len(places) != 1:
        raise TableError(f"{where}: an edit has exactly one of {', '.join(PLACES)}, this one "
                         f"{len(places)}")
    texts = {key: _text(path, value, key) for key, value in fields.items()}
    for key in ("file", "anchor", "within"):
        if "\n" in texts.get(key, ""):
            raise TableError(f"{_where(path, fields[key])}: {key}: want one line")
    if not texts["file"].endswith((".c", ".h")) or ".." in texts["file"] or texts["file"][0] == "/":
        raise TableError(f"{_where(path, fields['file'])}: file: want a .c or .h file of the "
                         f"kernel tree, like kernel/events/core.c, not '{texts['file']}'")
    return Edit(where, texts["file"], texts["anchor"], texts.get("within"), places[0],
                texts[places[0]])


def _switch(path: Path, node: yaml.Node) -> Switch:
    fields = _fields(path, node, SWITCH_KEYS, "a switch")
    where = _where(path, fields["switch"])
    texts = {key: _text(path, value, key) for key, value in fields.items() if key != "edits"}
    word = texts["switch"]
    if not WORD.fullmatch(word):
        raise TableError(f"{where}: switch '{word}': want small letters, digits and single '-'")
    if "\n" in texts["about"].strip():
        raise TableError(f"{_where(path, fields['about'])}: about: want one line")
    arches = tuple(texts.get("platform", " ".join(ARCHES)).split())
    for arch in arches:
        if arch not in ARCHES:
            raise TableError(f"{_where(path, fields['platform'])}: platform '{arch}': want one of "
                             f"{', '.join(ARCHES)}, or no such key for all of them")
    if not isinstance(fields["edits"], yaml.SequenceNode) or not fields["edits"].value:
        raise TableError(f"{_where(path, fields['edits'])}: edits: want a list of edits")
    edits = tuple(_edit(path, item) for item in fields["edits"].value)
    used = {name for edit in edits for name in USES.findall(edit.text)}
    if used != {flag_of(word)}:
        raise TableError(f"{where}: the edits of '{word}' use {sorted(used) or 'no PV_BROKEN()'}: "
                         f"they must use PV_BROKEN({flag_of(word)}) and no other")
    return Switch(where, word, texts["about"].strip(), texts["like"].strip(),
                  tuple(texts["owner"].split()), arches, texts.get("missed"), edits)


def load(paths: Iterable[Path]) -> list[Switch]:
    """The switches of all tables; a word is given once only."""
    found: dict[str, Switch] = {}
    for path in paths:
        try:
            root = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as err:
            line = err.problem_mark.line + 1 if err.problem_mark else 1
            raise TableError(f"{path}:{line}: {err.problem or 'not YAML'}: put the text in "
                             "quotes or behind '|'") from None
        except (OSError, UnicodeDecodeError) as err:
            raise TableError(f"{path}:1: {err}") from None
        if not isinstance(root, yaml.SequenceNode):
            raise TableError(f"{path}:1: want a list of switches ('- switch: ...')")
        for node in root.value:
            switch = _switch(path, node)
            for other in found.values():
                if other.flag == switch.flag:
                    raise TableError(f"{switch.where}: switch '{switch.word}' is also in "
                                     f"{other.where}: give one of them another word")
            found[switch.word] = switch
    return list(found.values())
