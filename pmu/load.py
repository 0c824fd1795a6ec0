# SPDX-License-Identifier: GPL-2.0-only
"""Reads descriptor files into trees that know the file and line of every value, and flattens
`extends`."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator

import yaml

MAX_DEPTH = 32
MAX_DIGITS = 24


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, at its place."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        key = f" {self.key}:" if self.key else ""
        return f"{self.file}:{self.line}:{key} {self.message}"


class Bad(Exception):
    """What was read cannot be used."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        super().__init__("bad input")
        self.problems = list(problems)


def bad(file: str, line: int, key: str, message: str) -> Bad:
    return Bad([Problem(file, line, key, message)])


def near(word: str, known: Iterable[str]) -> str:
    """", did you mean …?" when something known looks like it."""
    close = difflib.get_close_matches(word[:80], sorted(known), n=1)
    return f", did you mean '{close[0]}'?" if close else ""


@dataclass
class Item:
    """A value and where it stands (a mapping's value: the line of its key)."""

    value: Any  # str | int | float | bool | None | dict[str, Item] | list[Item]
    file: str
    line: int

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {k: v.plain() for k, v in self.value.items()}
        if isinstance(self.value, list):
            return [v.plain() for v in self.value]
        return self.value

    def at(self, path: Iterable[str | int]) -> Item:
        """The item at path, or the nearest one above it."""
        item = self
        for step in path:
            if isinstance(item.value, dict) and step in item.value:
                item = item.value[step]
            elif isinstance(item.value, list) and isinstance(step, int) and step < len(item.value):
                item = item.value[step]
            else:
                break
        return item


@dataclass
class Descriptor:
    """One file, as it is written; see flatten()."""

    name: str
    file: str
    item: Item


class Loader(yaml.SafeLoader):
    """Composes nodes only; refuses what would let a small file become a big or endless tree."""

    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases (*name) are not used here, see `extends`",
                                       problem_mark=event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def scalar(node: yaml.ScalarNode, file: str, key: str) -> Any:
    """The value of a scalar, without YAML 1.1's surprises."""
    line = node.start_mark.line + 1
    text = node.value
    kind = node.tag.rpartition(":")[2]
    if kind == "str":
        if any(ord(c) < 0x20 or ord(c) == 0x7f or 0xd800 <= ord(c) < 0xe000 for c in text):
            raise bad(file, line, key, "text must be one line of printable characters (folded "
                      "text: >-)")
        return text
    if kind == "null":
        return None
    if kind == "bool":
        if text in ("true", "false"):
            return text == "true"
        raise bad(file, line, key, f"YAML reads {text} as a truth value: quote it if it is text, "
                  "else write true or false")
    if kind == "int":
        if re.fullmatch(r"-?(0x[0-9a-fA-F]+|0|[1-9][0-9]*)", text):
            if len(text) > MAX_DIGITS:
                raise bad(file, line, key, f"{shown(text)} is out of range")
            return int(text, 16 if "x" in text else 10)
        raise bad(file, line, key, f"YAML reads {shown(text)} as a number in another base: quote "
                  "it if it is text, else write it decimal or as 0x…")
    if kind == "float":
        return float("nan") if ":" in text else yaml.SafeLoader("").construct_yaml_float(node)
    raise bad(file, line, key, f"YAML reads {shown(text)} as {kind}: quote it if it is text")


def convert(node: yaml.Node, file: str, key: str, line: int) -> Item:
    """A node tree as Items."""
    if isinstance(node, yaml.ScalarNode):
        return Item(scalar(node, file, key), file, line)
    if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.rpartition(":")[2] not in (
            "map", "seq"):
        raise bad(file, line, key, f"YAML tag {shown(node.tag)} is not used here")
    if isinstance(node, yaml.SequenceNode):
        return Item([convert(n, file, f"{key}[{i}]", n.start_mark.line + 1)
                     for i, n in enumerate(node.value)], file, line)
    values: dict[str, Item] = {}
    for knode, vnode in node.value:
        kline = knode.start_mark.line + 1
        if not isinstance(knode, yaml.ScalarNode):
            raise bad(file, kline, key, "a key must be text")
        path = f"{key}.{knode.value}" if key else knode.value
        name = scalar(knode, file, path) if knode.tag != "tag:yaml.org,2002:merge" else None
        if not isinstance(name, str):
            raise bad(file, kline, path, "a key must be text: quote it")
        if name in values:
            raise bad(file, kline, path, f"is there twice, first in line {values[name].line}")
        values[name] = convert(vnode, file, path, kline)
    return Item(values, file, line)


def read_text(path: Path, name: str) -> str:
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise bad(name, 1, "", f"cannot be read: {e.strerror}") from None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        raise bad(name, line, "", f"not UTF-8: byte 0x{raw[e.start]:02x}") from None


def load(path: Path, name: str) -> Descriptor:
    """Reads one descriptor; `name` is what messages call the file."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", path.stem):
        raise bad(name, 1, "", "a descriptor's file name is lower case letters, digits and '-'")
    text = read_text(path, name)
    try:
        node = Loader(text).get_single_node()
    except yaml.reader.ReaderError as e:
        line = text.count("\n", 0, e.position) + 1
        raise bad(name, line, "", "a character that YAML does not allow") from None
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        what = e.problem or "syntax error"
        raise bad(name, mark.line + 1 if mark else 1, "", f"YAML: {what}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as e:
        raise bad(name, 1, "", f"YAML: {str(e).splitlines()[0]}") from None
    if not isinstance(node, yaml.MappingNode):
        raise bad(name, 1, "", "a descriptor is a mapping of keys, see docs/descriptors.md")
    try:
        return Descriptor(path.stem, name, convert(node, name, "", 1))
    except ValueError as e:
        raise bad(name, 1, "", f"YAML: {e}") from None


def merge(base: Item, over: Item, path: str) -> Item:
    """`over` laid upon `base`: mappings are merged, everything else is replaced, null removes."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    out = dict(base.value)
    for key, item in over.value.items():
        where = f"{path}.{key}" if path else key
        if item.value is None:
            if key not in out:
                raise bad(item.file, item.line, where, "null removes what the parent has, "
                          "but it has no such key" + near(key, out))
            del out[key]
        elif key in out:
            out[key] = merge(out[key], item, where)
        else:
            no_null(item, where)
            out[key] = item
    return Item(out, over.file, over.line)


def no_null(item: Item, path: str) -> None:
    """Outside of an override an empty value is a slip."""
    if item.value is None:
        raise bad(item.file, item.line, path, "is empty")
    children: Iterator[tuple[Any, Item]] = iter(())
    if isinstance(item.value, dict):
        children = iter(item.value.items())
    elif isinstance(item.value, list):
        children = enumerate(item.value)
    for key, child in children:
        no_null(child, f"{path}[{key}]" if isinstance(key, int) else
                f"{path}.{key}" if path else key)


def flatten(name: str, all_: dict[str, Descriptor], seen: tuple[str, ...] = ()) -> Item:
    """The descriptor with everything it inherits; `extends` is gone."""
    d = all_[name]
    own = dict(d.item.value)
    extends = own.pop("extends", None)
    item = Item(own, d.file, 1)
    if extends is None:
        no_null(item, "")
        if "family" not in own:
            own["family"] = Item(name, d.file, 1)
        return item
    parent = extends.value
    if not isinstance(parent, str):
        raise bad(d.file, extends.line, "extends", "must be the name of a descriptor")
    if parent in seen + (name,):
        chain = " -> ".join(seen + (name, parent))
        raise bad(d.file, extends.line, "extends", f"goes round in a circle: {chain}")
    if parent not in all_:
        raise bad(d.file, extends.line, "extends", f"no descriptor '{parent}'" + near(parent, all_))
    return merge(flatten(parent, all_, seen + (name,)), item, "")
