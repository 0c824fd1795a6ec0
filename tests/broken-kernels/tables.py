# SPDX-License-Identifier: GPL-2.0-only
"""Edit tables: tables/*.yaml, what a switch breaks and which cases own the promise."""
from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from edits import Edit, TableError, fields_of, list_of, parse_edit, text_of, where_of

HERE = Path(__file__).resolve().parent
ARCHES = ("arm64", "x86_64")
PLATFORMS = HERE.parents[1] / "vm-images/platforms"
MODELS = ("intel-", "amd-")  # platforms that need QEMU with the PMU model; the kernel is x86_64's
WORD = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
USES = re.compile(r"\bPV_BROKEN\(\s*(\w+)\s*\)")
SWITCH_KEYS = {"switch": True, "about": True, "like": True, "owner": True, "platform": False,
               "missed": False, "edits": True}



@dataclass(frozen=True)
class Switch:
    where: str
    word: str  # of pvbreak=
    about: str
    like: str  # the fix it reverts, or slip
    owners: tuple[str, ...]  # globs of case ids
    arches: tuple[str, ...]  # platforms: the architectures' own, or some with the PMU model
    missed: str | None  # why today's cases do not see it
    edits: tuple[Edit, ...]

    @property
    def table(self) -> str:
        return self.where.rpartition(":")[0]

    @property
    def flag(self) -> str:
        return flag_of(self.word)


def kernel_of(platform: str) -> str:
    """The architecture whose kernel boots there."""
    return platform if platform in ARCHES else "x86_64"


def flag_of(word: str) -> str:
    return word.replace("-", "_")


def default_tables() -> list[Path]:
    return sorted((HERE / "tables").glob("*.yaml"))


def _switch(path: Path, node: yaml.Node) -> Switch:
    fields = fields_of(path, node, SWITCH_KEYS, "a switch")
    where = where_of(path, fields["switch"])
    texts = {key: text_of(path, value, key) for key, value in fields.items() if key != "edits"}
    word = texts["switch"]
    if not WORD.fullmatch(word):
        raise TableError(f"{where}: switch '{word}': want small letters, digits and single '-'")
    if "\n" in texts["about"].strip():
        raise TableError(f"{where_of(path, fields['about'])}: about: want one line")
    arches = tuple(texts.get("platform", " ".join(ARCHES)).split())
    for arch in arches:
        if arch not in ARCHES and not (arch.startswith(MODELS)
                                       and (PLATFORMS / f"{arch}.yaml").exists()):
            raise TableError(f"{where_of(path, fields['platform'])}: platform '{arch}': want one of "
                             f"{', '.join(ARCHES)}, or no such key for all of them")
    if not isinstance(fields["edits"], yaml.SequenceNode) or not fields["edits"].value:
        raise TableError(f"{where_of(path, fields['edits'])}: edits: want a list of edits")
    edits = tuple(parse_edit(path, item, (".c", ".h")) for item in fields["edits"].value)
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
        for node in list_of(path, "switches ('- switch: ...')"):
            switch = _switch(path, node)
            for other in found.values():
                if other.flag == switch.flag:
                    raise TableError(f"{switch.where}: switch '{switch.word}' is also in "
                                     f"{other.where}: give one of them another word")
            found[switch.word] = switch
    return list(found.values())
