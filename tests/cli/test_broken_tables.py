# SPDX-License-Identifier: GPL-2.0-only
"""The tables of broken kernels are sound, and every switch has a case that owns its promise. No kernel is built here."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, pmuvet

HERE = ROOT / "tests" / "broken-kernels"
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(ROOT / "vm-images"))

import edits  # noqa: E402
import generated  # noqa: E402
import guests  # noqa: E402
import tables  # noqa: E402

FILES = tables.default_tables()
TABLE = """\
- switch: {word}
  about: about
  like: slip
  owner: "sw/*"
  edits:
    - file: kernel/events/core.c
      anchor: "return 0;"
      {place}
"""
SOURCE = "int a(void)\n{\n\treturn 0;\n}\n\nint b(void)\n{\n\tint x = 1;\n\n\treturn 0;\n}\n"


@pytest.fixture(scope="session")
def ids() -> dict[str, list[str]]:
    return {arch: pmuvet("list", "--ids", "--arch", arch).stdout.split() for arch in tables.ARCHES}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    return path


def one_edit(**kw: str) -> edits.Edit:
    place = next(key for key in edits.PLACES if key in kw)
    return edits.Edit("t.yaml:7", "f.c", kw["anchor"], kw.get("within"), place, kw[place])


def test_there_are_tables_and_they_load_together() -> None:
    assert len(tables.load(FILES)) >= 45


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_every_owner_glob_matches_a_case(path: Path, ids: dict[str, list[str]]) -> None:
    lost = []
    for switch in tables.load([path]):
        for glob in switch.owners:
            if not any(guests.matches(case, [glob]) for arch in switch.arches
                       for case in ids[tables.kernel_of(arch)]):
                lost.append(f"{switch.where}: owner '{glob}' matches no case of {', '.join(switch.arches)}")
    assert not lost, "\n".join(lost)


def test_the_generated_file_has_every_switch() -> None:
    switches = tables.load(FILES)
    text = generated.code(switches)
    assert all(f'{{"{s.word}", &pv_broken_{s.flag}}}' in text for s in switches)


@pytest.mark.parametrize("text, says", [
    (TABLE.format(word="a", place="before: 'PV_BROKEN(b)'"), r"t.yaml:1: .*must use PV_BROKEN\(a\)"),
    (TABLE.format(word="A_b", place="before: 'PV_BROKEN(A_b)'"), r"t.yaml:1: switch 'A_b': want small letters"),
    (TABLE.format(word="a", place="instead: 'PV_BROKEN(a)'"), r"t.yaml:8: unknown key 'instead'; an edit has file"),
    (TABLE.format(word="a", place="within: 'x'"), r"t.yaml:7: an edit has exactly one of before, after, replace"),
    (2 * TABLE.format(word="a", place="before: 'PV_BROKEN(a)'"), r"t.yaml:9: switch 'a' is also in .*t.yaml:1"),
    ("- switch: a\n", r"t.yaml:1: a switch lacks 'about': add it"),
    ("switch: a\n", r"t.yaml:1: want a list of switches"),
    ("- switch: [\n", r"t.yaml:\d+: "),
])
def test_a_wrong_table_is_named_by_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(tables.TableError, match=says):
        tables.load([write(tmp_path, text)])


def test_edits_are_set_where_the_anchor_is() -> None:
    text = edits.apply(SOURCE, [one_edit(anchor="return 0;", within="int b(void)", before="\tx++;\n"),
                               one_edit(anchor="x = 1", replace="x = 2"),
                               one_edit(anchor="int a(void)", after="/* a */")], generated.INCLUDE)
    assert text == generated.INCLUDE + SOURCE.replace("\n\treturn 0;\n}\n\nint b", "\n\treturn 0;\n}\n\nint b").replace(
        "x = 1;\n\n", "x = 2;\n\n\tx++;\n").replace("int a(void)\n", "int a(void)\n/* a */\n")


@pytest.mark.parametrize("kw, says", [
    ({"anchor": "return 0;"}, r"t.yaml:7: anchor 'return 0;' occurs 2 times in f.c \(lines 3, 10\), must be once: .*within"),
    ({"anchor": "return 1;"}, r"occurs 0 times in f.c, must be once: look up the line"),
    ({"anchor": "x = 1", "within": "int a(void)"}, r"occurs 0 times in f.c behind its 'within: int a\(void\)'"),
    ({"anchor": "x = 1", "within": "(void)"}, r"within '\(void\)' occurs 2 times"),
])
def test_an_anchor_that_does_not_fit_is_named(kw: dict[str, str], says: str) -> None:
    with pytest.raises(tables.TableError, match=says):
        edits.apply(SOURCE, [one_edit(**kw, before="x")])


def test_two_edits_of_the_same_text_are_refused() -> None:
    with pytest.raises(tables.TableError, match="replaces text that t.yaml:7 replaces too"):
        edits.apply(SOURCE, [one_edit(anchor="x = 1", replace="x = 2"), one_edit(anchor="int x = 1;", replace="")])


def test_a_guard_is_set_last_before_its_line() -> None:
    source = "void a(void)\n{\n\tb();\n}\n"
    guard = one_edit(anchor="b();", before="if (!PV_BROKEN(one))")
    other = one_edit(anchor="b();", before="if (PV_BROKEN(two))\n\treturn;")
    for each in ([guard, other], [other, guard]):
        lines = edits.apply(source, each).splitlines()
        assert lines[lines.index("\tb();") - 1] == "if (!PV_BROKEN(one))"
