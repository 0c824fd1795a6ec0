# SPDX-License-Identifier: GPL-2.0-only
"""The `model` part of a descriptor: checked, and written as the table of QEMU's PMU model (vm-images/qemu-pmu/pv_shapes.h)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

MAX_MSRS = 32
WORD = (1 << 64) - 1
ALL = (1 << 32) - 1
BASES = {"instructions": "PV_BASE_INSNS", "time": "PV_BASE_TIME", "branches": "PV_BASE_BRANCHES",
         "accesses": "PV_BASE_BRANCHES", "clock": "PV_BASE_CLOCK"}
MAX_RUNNING, MAX_BOX_TYPES = 16, 4
# enum pv_branch and pv_access_kind of vm-images/qemu-pmu/pv_env.h; None: no event can name it
BRANCHES = ("taken", "not-taken", "call", "call-ind", "ret", "jmp-ind", "jmp", "far")
ACCESSES = ("load-l1", "load-l2", "load-l3", "load-memory", "store", "load-long")
KINDS = (*BRANCHES, None, *ACCESSES)
HEAD = ("/* SPDX-License-Identifier: GPL-2.0-only */\n/* Made by pmu/compile.py; do not edit. */\n"
        '#include "pv_shapes.h"\n\n')

Wrong = Callable[[list[str | int], str], None]


@dataclass(frozen=True)
class Shape:
    """A PMU that the model can be: what the descriptor says of the registers."""

    name: str
    vendor: str
    counters: dict[str, Any]
    model: dict[str, Any]
    precise: dict[str, Any]

    @property
    def complete(self) -> bool:
        """A parent of several CPUs has no identity of its own."""
        return "cpu" in self.model

    @property
    def signature(self) -> int:
        cpu = self.model["cpu"]
        family, model = cpu["family"], cpu["model"]
        base = min(family, 15)
        return ((family - base) << 20 | (model >> 4) << 16 | base << 8 | (model & 15) << 4
                | cpu["stepping"])


def _check_uncore(model: dict[str, Any], wrong: Wrong) -> None:
    """Registers that run by themselves, and boxes outside of the cores."""
    counts = model["counts"]
    for key, most in (("running", MAX_RUNNING), ("boxes", MAX_BOX_TYPES)):
        if len(model.get(key, {})) > most:
            wrong(["model", key], f"at most {most}")
    for name, source in counts.items():
        if source["of"] == "clock" and "select" in source:
            wrong(["model", "counts", name, "of"], "no core counter counts the clock")
    for name, register in model.get("running", {}).items():
        if counts.get(register["counts"], {"of": "branches"})["of"] in ("branches", "accesses"):
            wrong(["model", "running", name, "counts"],
                  f"no such name in model.counts, or one of branches: '{register['counts']}'")
    for name, box in model.get("boxes", {}).items():
        if (box["number"] > 1) != ("stride" in box):
            wrong(["model", "boxes", name], "`stride` goes with more than one box")
        for event, source in box["counts"].items():
            if source["of"] in ("branches", "accesses") or "select" not in source:
                wrong(["model", "boxes", name, "counts", event],
                      "needs `select`, and counts no branches")


def check(data: dict[str, Any], wrong: Wrong) -> None:
    """What a schema cannot say; `data` is the flattened descriptor."""
    model = data["model"]
    if "vendor" not in data:
        wrong(["model"], "needs the descriptor's `vendor`")
    if "counters" not in data:
        wrong(["model"], "needs the descriptor's `counters`")
        return
    if "cpu" in model and len(model.get("fixed", [])) != data["counters"].get("fixed", 0):
        wrong(["model", "fixed"], "must name as many events as counters.fixed has counters")
    for path, names in ((["model", "fixed"], model.get("fixed", [])),
                        (["model", "ibs", "counts"], model.get("ibs", {}).get("counts", []))):
        for i, name in enumerate(names):
            if name not in model["counts"]:
                wrong([*path, i], f"no such name in model.counts: '{name}'")
    _check_uncore(model, wrong)
    if "ibs" in model and data.get("vendor") != "AuthenticAMD":
        wrong(["model", "ibs"], "is AMD's")
    if model["select"]["event"] & ~model["select"]["valid"]:
        wrong(["model", "select", "event"], "has bits that are not valid")
    if "lbr" in model and (model["lbr"]["kind"] == "amd-v2") != (data.get("vendor") == "AuthenticAMD"):
        wrong(["model", "lbr", "kind"], "amd-v2 is AMD's, the others are Intel's")
    seen: dict[int, str] = {}
    for name, source in model["counts"].items():
        path: list[str | int] = ["model", "counts", name]
        known = {"branches": BRANCHES, "accesses": ACCESSES}.get(source["of"], ())
        if bool(known) != ("kinds" in source):
            wrong(path, "`kinds` goes with `of: branches` and `of: accesses`, and there only")
        for kind in source.get("kinds", ()):
            if known and kind not in known:
                wrong(path + ["kinds"], f"{kind} is none of {', '.join(known)}")
        if source.get("select", 0) & ~model["select"]["event"]:
            wrong(path + ["select"], "has bits outside of model.select.event")
        for key in ("counters", "extra"):
            if key in source and "select" not in source:
                wrong(path + [key], "is for an event that has a `select`")
        if "extra" in source and source["extra"] not in model.get("msrs", {}):
            wrong(path + ["extra"], f"no such name in model.msrs: '{source['extra']}'")
        if "select" in source and seen.setdefault(source["select"], name) != name:
            wrong(path + ["select"], f"is also that of {seen[source['select']]}")
    if len(model.get("msrs", {})) > MAX_MSRS:
        wrong(["model", "msrs"], f"at most {MAX_MSRS}")


def _source(source: dict[str, Any]) -> str:
    kinds = sum(1 << KINDS.index(kind) for kind in source.get("kinds", ()))
    return (f"{{{BASES[source['of']]}, 0x{kinds:x}, {source.get('num', 1)}, "
            f"{source.get('den', 1)}}}")


def _events(model: dict[str, Any], counts: dict[str, Any], ident: str) -> str:
    msrs = list(model.get("msrs", {}))
    return f"static const struct pv_event {ident}[] = {{\n" + "".join(
        f"\t{{0x{source['select']:x}, {_source(source)}, 0x{source.get('counters', ALL):x}, "
        f"{msrs.index(source['extra']) + 1 if 'extra' in source else 0}}}, /* {name} */\n"
        for name, source in counts.items() if "select" in source) + "};\n\n"


def _uncore_tables(model: dict[str, Any], ident: str) -> str:
    out = ""
    if model.get("running"):
        out += f"static const struct pv_running running_{ident}[] = {{\n" + "".join(
            f"\t{{0x{r['address']:x}, {r.get('width', 64)}, {str(r.get('writable', False)).lower()}, "
            f"{_source(model['counts'][r['counts']])}}}, /* {name} */\n"
            for name, r in model["running"].items()) + "};\n\n"
    boxes = model.get("boxes", {})
    for name, box in boxes.items():
        out += _events(model, box["counts"], f"{name}_{ident}")
    if boxes:
        out += f"static const struct pv_box boxes_{ident}[] = {{\n" + "".join(
            f"\t{{0x{box['control']:x}, 0x{box['counter']:x}, {box.get('stride', 0)}, {box['number']}, {box['counters']}, "
            f"{box['width']}, 0x{box['valid']:x}ull, {name}_{ident}, {len(box['counts'])}}},\n"
            for name, box in boxes.items()) + "};\n\n"
    return out


def _tables(shape: Shape, ident: str) -> str:
    model, out = shape.model, ""
    for what, names in (("fixed", model.get("fixed")), ("ibs", model.get("ibs", {}).get("counts"))):
        if names:
            out += f"static const struct pv_source {what}_{ident}[] = {{\n" + "".join(
                f"\t{_source(model['counts'][name])}, /* {name} */\n" for name in names) + "};\n\n"
    out += _events(model, model["counts"], f"events_{ident}")
    out += _uncore_tables(model, ident)
    if model.get("msrs"):
        out += f"static const struct pv_msr msrs_{ident}[] = {{\n" + "".join(
            f"\t{{0x{m['address']:x}, 0x{m.get('reset', 0):x}ull, "
            f"0x{WORD & ~m.get('valid', WORD):x}ull, {str(m.get('read-only', False)).lower()}}}, "
            f"/* {name} */\n" for name, m in model["msrs"].items()) + "};\n\n"
    return out


def _row(shape: Shape, ident: str) -> str:
    model, counters = shape.model, shape.counters
    ds, precise = model.get("ds", {}), shape.precise
    items = [f'.name = "{shape.name}"', f".amd = {str(shape.vendor == 'AuthenticAMD').lower()}",
             f".signature = 0x{shape.signature:x}", f".perfmon = {model['perfmon']}",
             f".counters = {counters['programmable']}", f".fixed = {counters.get('fixed', 0)}",
             f".width = {counters['width']}",
             f".capabilities = 0x{model.get('capabilities', 0):x}ull",
             f".select_reserved = 0x{WORD & ~model['select']['valid']:x}ull",
             f".select_mask = 0x{model['select']['event']:x}ull",
             f".debugctl_valid = 0x{model['debugctl']:x}ull",
             f".arch_events = {model.get('arch-events', 0)}",
             f".lbr_depth = {model.get('lbr', {}).get('depth', 0)}",
             f".lbr_arch = {str(model.get('lbr', {}).get('kind') == 'architectural').lower()}",
             *(f".{key.replace('-', '_')} = {str(ds.get(key, False)).lower()}"
               for key in ("bts", "pebs")),
             f".split_latency = {str(precise.get('split-latency', False)).lower()}",
             f".latency = {{{', '.join(map(str, precise.get('latency', [0])))}}}",
             f".lbr_flags = {str(model.get('lbr', {}).get('kind') == 'flags-in-from').lower()}",
             f".metrics = 0x{model.get('metrics', 0):x}ull",
             f".events = events_{ident}",
             f".nr_events = sizeof(events_{ident}) / sizeof(events_{ident}[0])"]
    if model.get("fixed"):
        items.append(f".fixed_sources = fixed_{ident}")
    if "ibs" in model:
        items += [f".ibs = 0x{model['ibs']['capabilities']:x}", f".ibs_sources = ibs_{ident}"]
    for key in ("running", "boxes"):
        if model.get(key):
            items += [f".{key} = {key}_{ident}", f".nr_{key} = {len(model[key])}"]
    if model.get("msrs"):
        items += [f".msrs = msrs_{ident}", f".nr_msrs = {len(model['msrs'])}"]
    return "\t{" + ",\n\t ".join(items) + "},\n"


def shapes_c(shapes: list[Shape]) -> str:
    """Of all shapes that are whole CPUs."""
    named = [(shape, shape.name.replace("-", "_")) for shape in shapes if shape.complete]
    return (HEAD + "".join(_tables(shape, ident) for shape, ident in named)
            + "const struct pv_shape pv_shapes[] = {\n"
            + "".join(_row(shape, ident) for shape, ident in named) + "};\n"
            + f"const size_t pv_nr_shapes = {len(named)};\n")
