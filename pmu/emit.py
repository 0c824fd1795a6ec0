# SPDX-License-Identifier: GPL-2.0-only
"""Writes PMUs and cases as C tables (pmu/descriptor.h), and the text of `pmuvet describe`."""

from __future__ import annotations

import itertools
import textwrap
from typing import Any, Iterable, Sequence

from cases import Case, Template
from model import ARCHES, BP_TYPES, TYPES, WORDS, Event, Pmu

WIDTH = 100
HEAD = "/* SPDX-License-Identifier: GPL-2.0-only */\n/* Made by pmu/compile.py; do not edit. */\n"


def text(s: str | None) -> str:
    """A C string literal, or NULL."""
    if s is None:
        return "NULL"
    out = ""
    for byte in s.encode("utf-8"):
        c = chr(byte)
        if c in '"\\':
            out += "\\" + c
        elif c == "\n":
            out += "\\n"
        elif 0x20 <= byte < 0x7f and c != "?":
            out += c
        else:
            out += f"\\{byte:03o}"
    return f'"{out}"'


def lines_literal(s: str) -> str:
    return "".join(f"\n\t\t{text(line)}" for line in s.splitlines(keepends=True)) or '""'


def const(prefix: str, word: str) -> str:
    return prefix + word.upper().replace("-", "_")


def mask(prefix: str, words: Iterable[str], order: Sequence[str] | None = None) -> str:
    chosen = [w for w in order if w in words] if order else list(words)
    return " | ".join(const(prefix, w) for w in chosen) or "0"


def arch_mask(arch: frozenset[str]) -> str:
    return mask("PV_ARCH_", arch, ARCHES)


def ident(pmu: Pmu) -> str:
    return pmu.name.replace("-", "_")


def event_row(e: Event) -> str:
    items = [f".name = {text(e.name)}", f".type = 0x{TYPES[e.type]:x}"]
    items += [f".{word} = 0x{v:x}ull" for word, v in zip(WORDS, e.config) if v]
    if e.tracepoint:
        items.append(f".tracepoint = {text(e.tracepoint)}")
    if e.kfunc:
        items.append(f".kfunc = {text(e.kfunc)}")
    if e.uprobe:
        items.append(".uprobe = true")
    if e.bp_type:
        items.append(f".bp_type = {BP_TYPES[e.bp_type]}, .bp_len = {e.bp_len}")
    items += [f".work = {const('PV_WORK_', e.work)}", f".relation = {const('PV_REL_', e.relation)}",
              f".per = {e.per}", f".side = {const('PV_SIDE_', e.side)}",
              f".samples = {'true' if e.samples else 'false'}", f".counters = 0x{e.counters:x}",
              f".arch = {arch_mask(e.arch)}",
              f".tags = {text(' ' + ' '.join(e.tags) + ' ')}", f".ref = {text(e.ref)}"]
    return "\t{" + ",\n\t ".join(items) + "},\n"


def table(ctype: str, name: str, rows: list[str]) -> str:
    return f"static const struct {ctype} {name}[] = {{\n{''.join(rows)}}};\n\n" if rows else ""


def pmu_tables(p: Pmu) -> str:
    """The arrays that a PMU's row points to."""
    formats = [f"\t{{{text(f.name)}, {f.word}, {f.first}, {f.last}}},\n" for f in p.formats]
    errata = [f"\t{{.id = {text(x.id)},\n\t .cases = {text(x.cases)},\n"
              f"\t .evidence = {text(x.evidence)},\n\t .splat = {text(x.splat)},\n\t .about = {text(x.about)},\n"
              f"\t .ref = {text(x.ref)}}},\n" for x in p.errata]
    return (table("pv_event_desc", f"events_{ident(p)}", [event_row(e) for e in p.events])
            + table("pv_format_desc", f"formats_{ident(p)}", formats)
            + table("pv_erratum", f"errata_{ident(p)}", errata))


def precise_items(precise: dict[str, Any]) -> str:
    """Members of struct pv_precise_desc."""
    flags = [f".{key.replace('-', '_')} = true" for key, value in precise.items() if value is True]
    latency = ", ".join(map(str, precise.get("latency", [0])))
    return ", ".join([f".max = {precise['max']}", *flags, f".latency = {{{latency}}}"])


def aux_items(aux: dict[str, Any]) -> str:
    """Members of struct pv_aux_desc."""
    flags = [const("", word).lower() for word in aux["caps"]]
    numbers = [f".{key} = {aux[key]}" for key in ("record", "margin", "turn") if key in aux]
    return ", ".join([".there = true", *(f".{flag} = true" for flag in flags), *numbers])


def pmu_row(p: Pmu, described: bool = True) -> str:
    items = [f".name = {text(p.name)}", f".family = {text(p.family)}", f".title = {text(p.title)}",
             f".sysfs = {text(p.sysfs)}", f".probe = {text(p.probe)}",
             f".vendor = {text(p.vendor)}",
             f".arch = {arch_mask(p.arch)}", f".caps = {mask('PV_CAP_', p.caps)}",
             f".sampling_errno = {p.sampling_errno}", f".min_period = {p.min_period}"]
    for key, member in (("programmable", "counters"), ("fixed", "fixed"), ("width", "width")):
        if key in p.counters:
            items.append(f".{member} = {p.counters[key]}")
    for member, rows in (("events", p.events), ("formats", p.formats), ("errata", p.errata)):
        if rows:
            items.append(f".{member} = {member}_{ident(p)}, .nr_{member} = {len(rows)}")
    if p.aux:
        items.append(f".aux = {{{aux_items(p.aux)}}}")
    if p.precise:
        items.append(f".precise = {{{precise_items(p.precise)}}}")
    items += [f".hash = {text(p.hash)}", f".is_default = {'true' if p.is_default else 'false'}"]
    if described:
        items.append(f".describe = {lines_literal(describe(p))}")
    return "\t{" + ",\n\t ".join(items) + "},\n"


def case_row(c: Case, pmus: list[Pmu]) -> str:
    t = c.template
    items = [f".id = {text(c.id)}", f".about = {text(t.keys['about'])}",
             f".needs = {text(c.needs)}", f".at = {text(t.file.rpartition('/')[2] + f':{t.line}')}",
             f".pmu = &pv_pmus[{pmus.index(c.pmu)}]"]
    if c.event:
        items.append(f".event = &events_{ident(c.pmu)}[{c.pmu.events.index(c.event)}]")
    items.append(f".mode = {const('PV_MODE_', c.mode)}")
    if c.n:
        items.append(f".n = {c.n}ll" if c.n > -(1 << 63) else ".n = INT64_MIN")
    if c.word is not None:
        items.append(f".word = {text(c.word)}")
    if "fixes" in t.keys:
        items.append(f".fixes = {text(t.keys['fixes'])}")
    if c.quick:
        items.append(f".quick = {c.quick}")
    if t.keys.get("proof") == "kernel":
        items.append(".kernel_proof = true")
    items += [f".arch = {arch_mask(c.arch)}", f".body = {c.body}"]
    return "\t{" + ",\n\t ".join(items) + "},\n"


def tables_c(pmus: list[Pmu], cases: list[Case]) -> str:
    return (HEAD + '#include "pmu/descriptor.h"\n\n'
            + "".join(pmu_tables(p) for p in pmus)
            + f"const struct pv_pmu pv_pmus[] = {{\n{''.join(map(pmu_row, pmus))}}};\n"
            + f"const size_t pv_nr_pmus = {len(pmus)};\n\n"
            + "const struct pv_case pv_cases[] = {\n"
            + ("".join(case_row(c, pmus) for c in cases) or "\t{0},\n") + "};\n"
            + f"const size_t pv_nr_cases = {len(cases)};\n")


def bodies_c(templates: list[Template]) -> str:
    def declaration(t: Template) -> str:
        # What only some architectures have need not be compiled for the others.
        weak = " __attribute__((weak))" if "arch" in t.keys else ""
        return f"void {t.function}(struct pv_test *t){weak};\n"

    return (HEAD + '#include "pmu/descriptor.h"\n\n'
            + "".join(map(declaration, templates))
            + "\nvoid (*const pv_bodies[])(struct pv_test *t) = {\n"
            + ("".join(f"\t{t.function},\n" for t in templates) or "\tNULL,\n") + "};\n")


# ---- pmuvet describe ----

def wrapped(label: str, value: str) -> list[str]:
    return textwrap.wrap(value, WIDTH, initial_indent=f"  {label:<10} ",
                         subsequent_indent=" " * 13, break_on_hyphens=False)


def columns(rows: list[tuple[str, ...]], last: list[str]) -> list[str]:
    """Aligned columns; `last` goes behind them where it fits, else on its own line."""
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))] if rows else []
    out: list[str] = []
    for row, ref in zip(rows, last):
        line = "    " + "  ".join(c.ljust(w) for c, w in zip(row, widths))
        if len(line) + len(ref) + 2 <= WIDTH:
            out.append(f"{line}  {ref}")
        else:
            out.append(line.rstrip())
            out += textwrap.wrap(ref, WIDTH, initial_indent=" " * 8, subsequent_indent=" " * 8,
                                 break_on_hyphens=False)
    return out


def encoding(e: Event) -> str:
    if e.tracepoint:
        return e.tracepoint
    if e.bp_type:
        return f"{e.bp_type}:{e.bp_len or 'long'}"
    parts = [f"{word}=0x{v:x}" for word, v in zip(WORDS, e.config) if v] or ["config=0x0"]
    if e.kfunc:
        parts.append(e.kfunc)
    if e.uprobe:
        parts.append("pv_probe_target")
    return f"{e.type} " + ",".join(parts)


def promise(e: Event) -> str:
    """What n units of the workload must show."""
    unit = {"loop": "turn", "spin": "us of CPU", "touch": "page", "migrate": "move",
            "none": ""}.get(e.work, e.work)
    if e.relation == "zero":
        return "stays 0"
    if e.relation in ("time", "tsc"):
        return {"time": "nanoseconds", "tsc": "TSC ticks"}[e.relation] + " of the window"
    how = {"exact": "", "at-least": "at least ", "overhead": "constant + "}[e.relation]
    return f"{how}{e.per} per {unit}"


def event_lines(p: Pmu) -> list[str]:
    rows, refs = [], []
    for e in p.events:
        side = "" if e.relation == "zero" else e.side
        extra = "sampling" if e.samples else ""
        if e.arch != p.arch:
            extra += (" " if extra else "") + ",".join(a for a in ARCHES if a in e.arch)
        rows.append((e.name, encoding(e), promise(e), side, extra))
        notes = "".join(f"; not {mode}: {why}" for mode, why in e.modes_not.items())
        refs.append(f"[{e.ref}{notes}]")
    return columns(rows, refs)


def describe(p: Pmu) -> str:
    out = [f"{p.name}: {p.title}"]
    out += wrapped("family", p.family + ("" if p.is_default else " (not its default descriptor)"))
    out += wrapped("file", f"{p.file}, hash {p.hash}")
    out += wrapped("source", p.ref)
    where = f"/sys/bus/event_source/devices/{p.sysfs}" if p.sysfs else \
        f"probe {p.probe}" if p.probe else "always there"
    out += wrapped("presence", where + (f", CPU of {p.vendor}" if p.vendor else ""))
    out += wrapped("arch", ", ".join(a for a in ARCHES if a in p.arch))
    if p.caps:
        out += wrapped("caps", ", ".join(p.caps))
    c = p.counters
    if c:
        out += wrapped("counters", f"{c['programmable']} programmable, {c.get('fixed', 0)} fixed, "
                       f"{c.get('width', 64)} bits [{c['ref']}]")
    if p.aux:
        numbers = ", ".join(f"{key} {p.aux[key]}" for key in ("record", "margin", "turn") if key in p.aux)
        out += wrapped("AUX", ", ".join(filter(None, (*p.aux["caps"], numbers))) + f" [{p.aux['ref']}]")
    if p.precise:
        words = [key for key, value in p.precise.items() if value is True]
        out += wrapped("precise", ", ".join([f"up to {p.precise['max']}", *words]) + f" [{p.precise['ref']}]")
    if p.formats:
        out.append("  formats")
        out += columns([(f.name, f.bits) for f in p.formats], [f"[{f.ref}]" for f in p.formats])
    if p.events:
        out.append("  events: name, encoding, what the workload must show, side")
        out += event_lines(p)
    if p.errata:
        out.append("  errata")
        for key, group in itertools.groupby(p.errata, lambda x: x.id):
            rows = list(group)
            x = rows[0]
            out.append(f"    {key}" + (f": evidence {x.evidence}" if x.evidence else ""))
            out += [f"        {row.cases}" for row in rows]
            out += textwrap.wrap(f"{x.about} [{x.ref}]", WIDTH, initial_indent=" " * 8,
                                 subsequent_indent=" " * 8, break_on_hyphens=False)
    return "\n".join(out) + "\n"
