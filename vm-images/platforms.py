# SPDX-License-Identifier: GPL-2.0-only
"""Guest platforms: vm-images/platforms/NAME.yaml."""
from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).resolve().parent / "platforms"
ARCHES = ("x86_64", "arm64")
FAMILIES = ("perf", "sw", "breakpoint", "tracepoint", "kprobe", "uprobe", "msr", "pmuv3", "hw",
            "intel-core", "intel-bts", "amd-core", "ibs-op", "ibs-fetch",
            "uncore", "power")


class PlatformError(Exception):
    """file:line: key: what is wrong with a platform, or which platforms there are."""


@dataclass(frozen=True)
class Accel:
    """What depends on how the guest's CPU is made."""

    cpu: str
    accel: str
    args: tuple[str, ...] = ()
    append: tuple[str, ...] = ()
    deterministic: bool = False
    descriptors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Platform:
    name: str
    about: str
    arch: str
    qemu: str
    machine: str
    smp: int
    mem: int  # MiB
    console: str
    serial: str
    tcg: Accel
    kvm: Accel | None = None
    devices: tuple[str, ...] = ()  # left out where this QEMU has them not
    modules: tuple[str, ...] = ()
    append: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()


def names(directory: Path = DIRECTORY) -> list[str]:
    return sorted(path.stem for path in directory.glob("*.yaml"))


def load(name: str, directory: Path = DIRECTORY) -> Platform:
    if name not in names(directory):
        raise PlatformError(f"unknown platform '{name}'; there are: host, "
                            + ", ".join(names(directory)))
    path = directory / f"{name}.yaml"
    try:
        root = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as err:
        line = err.problem_mark.line + 1 if err.problem_mark else 1
        raise PlatformError(f"{path}:{line}: {err.problem or 'not YAML'}") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as err:
        raise PlatformError(f"{path}:1: {err}") from None
    if root is None:
        raise PlatformError(f"{path}:1: empty")
    values = _mapping(path, "", root, Platform, skip=("name",))
    return Platform(name=name, **values)


def _fail(path: Path, node: yaml.Node, key: str, text: str) -> PlatformError:
    return PlatformError(f"{path}:{node.start_mark.line + 1}: {key or 'top level'}: {text}")


def _mapping(path: Path, prefix: str, node: yaml.Node, kind: type, skip: tuple[str, ...] = ()
             ) -> dict[str, Any]:
    """A YAML mapping as arguments of dataclass `kind`, checked against its fields."""
    if not isinstance(node, yaml.MappingNode):
        raise _fail(path, node, prefix, "want a mapping")
    known = {field.name: field for field in fields(kind) if field.name not in skip}
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        key = str(key_node.value)
        where = f"{prefix}.{key}" if prefix else key
        if key not in known:
            raise _fail(path, key_node, where, f"unknown key; there are: {', '.join(known)}")
        if key in values:
            raise _fail(path, key_node, where, "given twice")
        values[key] = _value(path, where, value_node, str(known[key].type))
    for key, field in known.items():
        if key not in values and field.default is MISSING:
            raise _fail(path, node, f"{prefix}.{key}" if prefix else key, "is missing")
    return values


def _value(path: Path, where: str, node: yaml.Node, kind: str) -> Any:
    if kind.startswith("Accel"):
        return Accel(**_mapping(path, where, node, Accel))
    try:
        value = yaml.SafeLoader("").construct_object(node, deep=True)
    except (yaml.YAMLError, ValueError) as err:
        raise _fail(path, node, where, str(err).splitlines()[0]) from None
    if kind.startswith("tuple"):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _fail(path, node, where, "want a list of texts (numbers in quotes)")
        value = tuple(value)
    elif type(value).__name__ != kind:
        raise _fail(path, node, where, f"want {kind}, not {type(value).__name__}")
    if kind == "int" and not 1 <= value <= 1 << 20:
        raise _fail(path, node, where, "out of range")
    if where == "arch" and value not in ARCHES:
        raise _fail(path, node, where, f"'{value}': want one of {', '.join(ARCHES)}")
    unknown = [item for item in value if item not in FAMILIES] if where == "expect" else []
    if unknown:
        raise _fail(path, node, where, f"'{unknown[0]}': no PMU family; there are: "
                    + ", ".join(FAMILIES))
    return value
