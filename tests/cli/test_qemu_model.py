# SPDX-License-Identifier: GPL-2.0-only
"""QEMU's PMU model: its hooks are few and fit QEMU's source, its table comes out of the descriptors, a wrong one is named. No QEMU is built here."""
from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "vm-images"))

import edits  # noqa: E402
import platforms  # noqa: E402
import qemubuild  # noqa: E402

MODEL = ROOT / "vm-images" / "qemu-pmu"
SHAPES = ["amd-zen2", "amd-zen4", "intel-graniterapids", "intel-haswell", "intel-icelake", "intel-sapphirerapids", "intel-skylake"]
CHILD = """\
extends: intel-skylake
title: a child
ref: "here"
{change}
"""


def hooks() -> list[edits.Edit]:
    return edits.load(qemubuild.HOOKS, qemubuild.HOOKED)


def compile_py(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/usr/bin/python3", str(ROOT / "pmu/compile.py"), *args], capture_output=True, text=True,
                          check=False)


def test_the_hooks_are_few() -> None:
    assert sum(len(hook.text.rstrip("\n").splitlines()) for hook in hooks()) < 300


def test_every_file_of_the_model_is_built() -> None:
    built = next(hook.text for hook in hooks() if hook.file.endswith("meson.build"))
    names = set(re.findall(r"'(pv_\w+\.c)'", built))
    assert names == {path.name for path in MODEL.glob("*.c")} | {"pv_shapes.c"}


def test_every_hook_fits_the_source() -> None:
    source = qemubuild.Qemu().source
    if not source.there():
        pytest.skip("QEMU's source is not in the cache: ./pmuvet qemu check fetches it (24 MB)")
    assert len(source.edited(hooks())) > 8


def test_a_hook_that_does_not_fit_is_named(tmp_path: Path) -> None:
    source = qemubuild.Qemu().source
    if not source.there():
        pytest.skip("QEMU's source is not in the cache: ./pmuvet qemu check fetches it (24 MB)")
    table = tmp_path / "hooks.yaml"
    table.write_text("- file: softmmu/icount.c\n  anchor: 'no such line'\n  before: x\n"
                     "- file: no/such.c\n  anchor: x\n  before: x\n")
    with pytest.raises(edits.TableError) as caught:
        source.edited(edits.load(table, qemubuild.HOOKED))
    said = str(caught.value)
    assert f"{table}:2: anchor 'no such line' occurs 0 times in softmmu/icount.c" in said
    assert f"{table}:5: no/such.c: No such file" in said


def test_the_table_is_c_and_has_every_shape(tmp_path: Path) -> None:
    path = tmp_path / "pv_shapes.c"
    done = compile_py("--shapes", str(path))
    assert done.returncode == 0, done.stderr
    assert re.findall(r'\.name = "(.*)"', path.read_text()) == SHAPES
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I", str(MODEL), "-c", "-o",
                    str(tmp_path / "shapes.o"), str(path)], check=True)


def test_identity_and_masks_are_what_the_manuals_say() -> None:
    table = qemubuild.table()
    skylake = table[table.index('.name = "intel-skylake"'):]
    assert ".signature = 0x506e3," in skylake  # CPUID 1 EAX of family 6, model 94, stepping 3
    assert ".signature = 0x870f10," in table  # family 23 (15 + 8), model 113
    assert ".select_reserved = 0xffffffff00000000ull" in skylake


@pytest.mark.parametrize("change, says", [
    ("counters: {fixed: 4}", r"model.fixed: must name as many events as counters.fixed"),
    ("model: {fixed: [a, b, c]}", r"model.fixed\[0\]: no such name in model.counts: 'a'"),
    ("model: {select: {event: 0xfffffffff}}", r"model.select.event: has bits that are not valid"),
    ("model: {counts: {x: {of: branches, ref: r}}}", r"model.counts.x: `kinds` goes with `of: branches`"),
    ("model: {counts: {x: {select: 0xc0, of: time, ref: r}}}", r"model.counts.x.select: is also that of inst_retired.any_p"),
    ("model: {counts: {x: {of: time, counters: 1, ref: r}}}", r"model.counts.x.counters: is for an event that has a `select`"),
    ("model: {counts: {x: {select: 0x1, of: time, extra: Y, ref: r}}}", r"model.counts.x.extra: no such name in model.msrs: 'Y'"),
    ("model: {counts: {x: {select: 0x10000, of: time, ref: r}}}", r"has bits outside of model.select.event"),
    ("model: {lbr: {depth: 33}}", r"model.lbr.depth: '33' is none of 8, 16, 32"),
    ("model: {lbr: {kind: amd-v2}}", r"model.lbr.kind: amd-v2 is AMD's, the others are Intel's"),
    ("model: {ibs: {capabilities: 7, counts: [a, inst_retired.any, a], ref: r}}", r"model.ibs.counts\[0\]: no such name in model.counts: 'a'"),
    ("model: {ibs: {capabilities: 7, counts: [inst_retired.any], ref: r}}", r"model.ibs.counts: must have 3 items"),
    ("model: {counts: {x: {of: accesses, ref: r}}}", r"model.counts.x: `kinds` goes with `of: branches` and `of: accesses`"),
    ("model: {counts: {x: {of: accesses, kinds: [taken], ref: r}}}", r"model.counts.x.kinds: taken is none of load-l1"),
    ("model: {ds: {bts: 3}}", r"model.ds.bts: must be true or false, is"),
    ("precise: {max: 4}", r"precise.max: 4 is out of range 1..3"),
    ("precise: {latency: [4, 14, 44]}", r"precise.latency: must have 4 items"),
    ("aux: {caps: [pauses], turn: 24, ref: r}", r"aux.caps\[0\]: 'pauses' is none of one-piece"),
    ("aux: {caps: [], ref: r}", r"aux: lacks 'turn'"),
    ("model: {running: {APERF: {counts: br_inst_retired.conditional}}}", r"model.running.APERF.counts: no such name in model.counts, or one of branches"),
    ("model: {counts: {x: {select: 1, of: clock, ref: r}}}", r"model.counts.x.of: no core counter counts the clock"),
    ("model: {boxes: {b: {number: 2, counters: 1, control: 1, counter: 2, width: 44, valid: 1, counts: {}, ref: r}}}", r"model.boxes.b: `stride` goes with more than one box"),
    ("model: {perfmon: 9}", r"model.perfmon: 9 is out of range 1..5"),
    ("vendor: Intel", r"vendor: Intel is none of GenuineIntel, AuthenticAMD|vendor: 'Intel' is none of"),
])
def test_a_wrong_descriptor_is_named_by_line(tmp_path: Path, change: str, says: str) -> None:
    path = tmp_path / "child.yaml"
    path.write_text(CHILD.format(change=change))
    done = compile_py("--check", str(path))
    assert done.returncode == 2
    assert re.search(rf"child.yaml:\d+: {says}|\.yaml:\d+: .*{says}", done.stderr), done.stderr


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_has_its_platform(name: str) -> None:
    platform = platforms.load(name)
    assert f"pv-pmu={name}" in platform.tcg.cpu and name in platform.tcg.descriptors
    assert platform.qemu == "qemu-pmu" and platform.tcg.deterministic
