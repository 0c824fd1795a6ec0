# SPDX-License-Identifier: GPL-2.0-only
"""The descriptor compiler: what it refuses, and where it says the fault is."""

from __future__ import annotations

import random
import re
import subprocess
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILE = ROOT / "pmu" / "compile.py"

GOOD = """\
title: a PMU
ref: "here"
sysfs: good
counters: {programmable: 4, ref: "there"}
formats:
  event: {bits: "config:0-15", ref: "there"}
events:
  ticks:
    type: sysfs
    fields: {event: 0x11}
    work: loop
    relation: exact
    side: user
    samples: true
    tags: [one]
    ref: "there"
"""

CASES = """\
/* A comment with PV_CASE(no, no) in it. */
#define NOT_THIS PV_CASE(no, no)
static const char *text = "PV_CASE(no, no)";
PV_CASE(counting, live,
	.each = "event[live] " "mode[single,exclude-idle]",
	.about = "it \\"counts\\"")
{
}
"""


class Tree:
    """A small source tree of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "cases").mkdir()
        (path / "pmu" / "generic").mkdir(parents=True)
        self.descriptor("good", GOOD)
        self.cases(CASES)

    def descriptor(self, name: str, text: str | bytes) -> None:
        raw = text.encode() if isinstance(text, str) else text
        (self.path / "pmu" / "generic" / f"{name}.yaml").write_bytes(raw)

    def cases(self, text: str, name: str = "counting") -> None:
        (self.path / "cases" / f"{name}.c").write_text(text)

    def compile(self) -> subprocess.CompletedProcess[str]:
        return run("--source", str(self.path), "--out", str(self.path / "out"))

    def tables(self) -> str:
        done = self.compile()
        assert (done.returncode, done.stderr) == (0, "")
        return (self.path / "out" / "tables.c").read_text()

    def refused(self) -> str:
        done = self.compile()
        assert "Traceback" not in done.stderr
        assert done.returncode == 2, done.stderr
        return done.stderr


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/usr/bin/python3", str(COMPILE), *args], capture_output=True,
                          text=True, errors="replace", timeout=60, check=False)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def ids(tables: str) -> list[str]:
    return re.findall(r'\{\.id = "([^"]*)", ?\n?\s*\.about', tables)


def test_good_tree_compiles(tree: Tree) -> None:
    assert ids(tree.tables()) == ["good/counting/live:ticks,single",
                                  "good/counting/live:ticks,exclude-idle"]


# (what is replaced in GOOD, by what, where the message must point, a part of the message)
BROKEN = {
    "unknown key": ("sysfs: good", "sysfz: good", "3: sysfz:", "did you mean 'sysfs'?"),
    "unknown key of an event": ("    side: user", "    sides: user", "13: events.ticks.sides:",
                                "did you mean 'side'?"),
    "text for a number": ("programmable: 4", "programmable: four",
                          "4: counters.programmable:", "must be an integer"),
    "number for text": ("title: a PMU", "title: 4", "1: title:", "must be text"),
    "float": ("programmable: 4", "programmable: 4.5", "4: counters.programmable:", "an integer"),
    "list for a mapping": ("formats:\n  event: {bits: \"config:0-15\", ref: \"there\"}",
                           "formats: [event]", "5: formats:", "must be a mapping"),
    "word not in the list": ("relation: exact", "relation: exakt", "12: events.ticks.relation:",
                             "did you mean 'exact'?"),
    "missing ref": ("    tags: [one]\n    ref: \"there\"\n", "    tags: [one]\n", "8: events.ticks:",
                    "lacks 'ref'"),
    "twice the same key": ("    side: user", "    side: user\n    side: both",
                           "14: events.ticks.side:", "twice, first in line 13"),
    "no as text": ("tags: [one]", "tags: [no]", "15: events.ticks.tags[0]:",
                   "YAML reads no as a truth value"),
    "off as a key": ("  ticks:", "  off:", "8: events.off:", "YAML reads off as a truth value"),
    "sexagesimal": ("programmable: 4", "programmable: 1:30", "4: counters.programmable:",
                    "in another base"),
    "octal": ("event: 0x11", "event: 011", "10: events.ticks.fields.event:", "in another base"),
    "date": ("title: a PMU", "title: 2024-01-01", "1: title:", "quote it"),
    "number as a key": ("  ticks:", "  17:", "8: events.17:", "a key must be text"),
    "broken YAML": ("counters: {programmable: 4,", "counters: {programmable: 4]", "4:", "YAML:"),
    "tab": ("    side: user", "\t  side: user", "13:", "YAML:"),
    "out of range": ("event: 0x11", "event: 0x1ffffffffffffffff", "10: events.ticks.fields.event:",
                     "out of range"),
    "endless number": ("event: 0x11", "event: " + "9" * 5000, "10: events.ticks.fields.event:",
                       "out of range"),
    "negative": ("programmable: 4", "programmable: -1", "4: counters.programmable:",
                 "out of range 0..256"),
    "value too big for its field": ("event: 0x11", "event: 0x10000",
                                    "10: events.ticks.fields.event:", "does not fit"),
    "unknown field": ("fields: {event: 0x11}", "fields: {evnt: 0x11}",
                      "10: events.ticks.fields.evnt:", "did you mean 'event'?"),
    "config outside of formats": ("    fields: {event: 0x11}", "    config: 0x20011",
                                  "10: events.ticks.config:", "outside of formats"),
    "formats overlap": ("events:", "  umask: {bits: \"config:8-23\", ref: \"x\"}\nevents:",
                        "7: formats.umask.bits:", "overlaps event (config:0-15)"),
    "format backwards": ("config:0-15", "config:15-0", "6: formats.event.bits:", "not a range"),
    "derived tag": ("tags: [one]", "tags: [exact]", "15: events.ticks.tags[0]:", "is derived"),
    "empty value": ("sysfs: good", "sysfs:", "3: sysfs:", "is empty"),
    "alias": ("title: a PMU\nref: \"here\"", "title: &t a PMU\nref: *t", "2:", "aliases"),
    "merge key": ("counters:", "<<: {arch: [arm]}\ncounters:", "4: <<:", "a key must be text"),
    "foreign tag": ("title: a PMU", "title: !!python/name:os.system x", "1: title:", "quote it"),
    "no workload": ("    work: loop\n", "", "11: events.ticks.relation:", "needs a workload"),
    "two lines of text": ("title: a PMU", 'title: "a\\nb"', "1: title:", "one line"),
    "half a character": ("title: a PMU", 'title: "\\ud800"', "1: title:", "one line"),
    "sysfs event without sysfs": ("sysfs: good\n", "", "8: events.ticks.type:", "no `sysfs`"),
    "unknown parent": ("title: a PMU", "title: a PMU\nextends: goof", "2: extends:",
                       "no descriptor 'goof'"),
    "itself as parent": ("title: a PMU", "title: a PMU\nextends: good", "2: extends:",
                         "good -> good"),
    "unknown family": ("title: a PMU", "title: a PMU\nfamily: other", "2: family:",
                       "no descriptor is named 'other'"),
    "erratum without a case": ("events:", "errata:\n  e1: {cases: 'good/x/*', about: x, ref: x}\n"
                               "events:", "8: errata.e1.cases:", "matches no case"),
    "second glob of an erratum": ("events:", "errata:\n  e1:\n    cases: ['good/*', 'good/x/*']\n"
                                  "    about: x\n    ref: x\nevents:", "9: errata.e1.cases[1]:",
                                  "'good/x/*' matches no case"),
    "only without a template": ("    side: user", "    side: user\n    only: ['counting/*', 'x/*']",
                                "14: events.ticks.only:", "matches no template"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_descriptor_is_refused_at_its_place(tree: Tree, name: str) -> None:
    old, new, place, message = BROKEN[name]
    assert GOOD.count(old) == 1
    tree.descriptor("good", GOOD.replace(old, new))
    lines = [x for x in tree.refused().splitlines() if message in x]
    assert lines, tree.refused()
    assert lines[0].startswith(f"pmu/generic/good.yaml:{place}")


@pytest.mark.parametrize("raw, line, message", [
    (GOOD.encode().replace(b"a PMU", b"a \xff PMU"), 1, "not UTF-8: byte 0xff"),
    (GOOD.encode().replace(b"there", b"th\xc3", 1), 4, "not UTF-8"),
    (GOOD.encode("utf-16"), 1, "not UTF-8"),
    (GOOD.encode().replace(b"here", b"h\0re", 1), 2, "a character that YAML does not allow"),
    (b"", 1, "a descriptor is a mapping"),
    (b"- a\n- b\n", 1, "a descriptor is a mapping"),
    (GOOD.encode() + b"---\ntitle: b\n", 18, "YAML:"),
    (b"a: " + b"[" * 3000, 1, "nested too deeply"),
])
def test_broken_file_is_refused(tree: Tree, raw: bytes, line: int, message: str) -> None:
    tree.descriptor("good", raw)
    err = tree.refused().splitlines()[0]
    assert message in err
    assert re.match(rf"pmu/generic/good\.yaml:({line}|{line - 1}):", err)


def test_circle_is_shown(tree: Tree) -> None:
    tree.descriptor("a", "extends: b\n")
    tree.descriptor("b", "# first\nextends: c\n")
    tree.descriptor("c", "extends: a\n")
    err = tree.refused()
    assert "pmu/generic/c.yaml:1: extends: goes round in a circle: a -> b -> c -> a" in err
    assert "pmu/generic/a.yaml:1: extends: goes round in a circle: b -> c -> a -> b" in err


def test_child_overrides_adds_and_removes(tree: Tree) -> None:
    tree.descriptor("kid", "extends: good\ntitle: a child\nevents:\n  ticks: {side: both}\n"
                    "  tocks: {type: sysfs, config: 2, relation: zero, ref: x}\n"
                    "counters: null\n")
    tables = tree.tables()
    kid = tables.split("events_kid[]")[1].split("};")[0]
    assert "PV_SIDE_BOTH" in kid and ".config = 0x11ull" in kid and '"tocks"' in kid
    assert ids(tables).count("good/counting/live:ticks,single") == 2
    row = tables.split('.name = "kid"')[1].split('.describe')[0]
    assert '.family = "good"' in row and ".is_default = false" in row and ".counters" not in row


def test_null_must_remove_something(tree: Tree) -> None:
    tree.descriptor("kid", "extends: good\nevents:\n  tick: null\n")
    assert "kid.yaml:3: events.tick: null removes" in tree.refused()


def test_error_of_the_parent_is_at_the_parent(tree: Tree) -> None:
    tree.descriptor("good", GOOD.replace("relation: exact", "relation: exakt"))
    tree.descriptor("kid", "extends: good\n")
    assert len(tree.refused().splitlines()) == 1


BROKEN_CASES = {
    "unknown key": (".about =", ".abuot =", "6: .abuot:", "did you mean 'about'?"),
    "key twice": (".about =", ".each = \"\", .about =", "6: .each:", "twice"),
    "no claim": (",\n\t.about = \"it \\\"counts\\\"\"", "", "4: .about:", "is missing"),
    "unknown axis": ("event[live]", "evnt[live]", "5: .each:", "did you mean 'event'?"),
    "unknown mode": ("exclude-idle", "exclude_idle", "5: .each:", "did you mean 'exclude-idle'?"),
    "unknown tag": ("event[live]", "event[alive]", "5: .each:", "no event has the tag 'alive'"),
    "axis twice": ("event[live]", "event[live] event[]", "5: .each:", "the axis event twice"),
    "mode twice": ("exclude-idle", "single", "5: .each:", "names something twice"),
    "bad number": ("event[live]", "n[1,0x2]", "5: .each:", "'0x2' is not a decimal number"),
    "rubbish": ("event[live]", "event[live", "5: .each:", "is not a row of axis[values]"),
    "unknown need": (".about =", ".needs = \"rot\", .about =", "6: .needs:", "did you mean 'root'?"),
    "unknown arch": (".about =", ".arch = \"arm65\", .about =", "6: .arch:",
                     "did you mean 'arm64'?"),
    "unknown family": (".about =", ".pmu = \"goof\", .about =", "6: .pmu:",
                       "unknown PMU family 'goof', did you mean 'good'?"),
    "no family": ("event[live] ", "", "4: .pmu:", "is needed where .each has no event axis"),
    "makes nothing": ("event[live]", "event[live !one]", "5: .each:", "makes no case"),
    "not a string": ("\"it \\\"counts\\\"\"", "ABOUT", "6: PV_CASE:", "a string literal, not ABOUT"),
    "torn": ("\"it \\\"counts\\\"\")\n{\n}\n", "\"it", "6: PV_CASE:", "expected"),
}


@pytest.mark.parametrize("name", BROKEN_CASES)
def test_broken_case_is_refused_at_its_place(tree: Tree, name: str) -> None:
    old, new, place, message = BROKEN_CASES[name]
    assert CASES.count(old) == 1
    tree.cases(CASES.replace(old, new))
    err = tree.refused()
    assert err.startswith(f"cases/counting.c:{place}") and message in err, err


def test_case_twice_is_refused(tree: Tree) -> None:
    tree.cases(CASES, "other")
    assert ("cases/other.c:4: pv_case_counting_live: is there twice, first at cases/counting.c:4"
            in tree.refused())


def test_modes_without_a_promise_make_no_case(tree: Tree) -> None:
    tree.descriptor("good", GOOD.replace("sysfs: good", "sysfs: good\ncaps: [no-exclude-idle]"))
    assert ids(tree.tables()) == ["good/counting/live:ticks,single"]
    tree.descriptor("good", GOOD.replace("    side: user",
                                         "    side: user\n    modes_not: {single: because}"))
    assert ids(tree.tables()) == ["good/counting/live:ticks,exclude-idle"]


def test_check_names_the_file(tree: Tree) -> None:
    good = tree.path / "pmu" / "generic" / "good.yaml"
    done = run("--source", str(tree.path), "--check", str(good))
    assert (done.returncode, done.stdout) == (0, f"{good}: ok, 2 cases\n")
    done = run("--source", str(tree.path), "--check", str(tree.path / "none.yaml"))
    assert done.returncode == 2 and "cannot be read" in done.stderr


def test_empty_tree_is_refused(tmp_path: Path) -> None:
    done = run("--source", str(tmp_path), "--out", str(tmp_path / "out"))
    assert done.returncode == 2 and "no descriptor" in done.stderr


def test_output_that_cannot_be_written(tree: Tree) -> None:
    (tree.path / "out").write_text("a file")
    done = tree.compile()
    assert done.returncode == 3 and "Traceback" not in done.stderr


# ---- the real tree ----

def real(out: Path, source: Path) -> dict[str, bytes]:
    done = run("--source", str(source), "--out", str(out), "--depfile", str(out) + ".d")
    assert (done.returncode, done.stderr) == (0, "")
    return {p.name: p.read_bytes() for p in out.iterdir()}


def test_real_tree_is_deterministic_wherever_it_lies(tmp_path: Path) -> None:
    link = tmp_path / "elsewhere"
    link.symlink_to(ROOT)
    first = real(tmp_path / "a", ROOT)
    assert first == real(tmp_path / "b", link)
    assert str(ROOT).encode() not in first["tables.c"]
    deps = (tmp_path / "a.d").read_text()
    assert "pmu/generic/sw.yaml" in deps and "pmu/schema.json" in deps


def test_real_tree_has_its_cases_once(tmp_path: Path) -> None:
    tables = real(tmp_path / "a", ROOT)["tables.c"].decode()
    pmus = re.findall(r'^\t\{\.name = "([^"]+)",\n\t \.family = "([^"]+)"', tables, re.M)
    rows = re.findall(r'\{\.id = "([^"]+)".*?\.pmu = &pv_pmus\[(\d+)\].*?\.arch = ([A-Z0-9_| ]+),',
                      tables.split("pv_cases[]")[1], re.S)
    assert rows
    seen: Counter[tuple[str, str, str]] = Counter()
    count: Counter[str] = Counter()
    for case_id, pmu, arches in rows:
        name, family = pmus[int(pmu)]
        assert case_id.startswith(family + "/")
        assert re.fullmatch(r"[a-z0-9-]+/\w+/\w+(:[A-Za-z0-9_.,+-]+)?", case_id)
        for arch in arches.split(" | "):
            seen[name, arch, case_id] += 1
            count[arch] += name == family
    assert [k for k, n in seen.items() if n > 1] == []
    assert count["PV_ARCH_ARM64"] >= 150 and count["PV_ARCH_X86_64"] >= 100


# ---- mutations ----

def mutate(rng: random.Random, text: bytes) -> bytes:
    raw = bytearray(text)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw))
        kind = rng.randrange(5)
        if kind == 0:
            raw[at] = rng.randrange(256)
        elif kind == 1:
            del raw[at:at + rng.randint(1, 20)]
        elif kind == 2:
            raw[at:at] = rng.choice([b"\n", b": ", b"[", b"{", b"'", b'"', b"&a ", b"*a", b"- ",
                                     b"null", b"!!", b"<<: ", b"\t", b"1e999", b".nan", b"? ", b"|"])
        elif kind == 3:
            cut = raw[at:at + rng.randint(1, 60)]
            raw[at:at] = cut
        else:
            raw = raw[:at] or bytearray(b"x")
    return bytes(raw)


def test_mutations_never_crash_the_compiler(tmp_path: Path) -> None:
    """The compiler's own process per lot: one traceback anywhere fails."""
    driver = """
import io, sys, contextlib
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import compile as c
for i, path in enumerate(sorted(Path(sys.argv[2]).iterdir())):
    sys.argv = ["compile.py", "--source", str(path), "--out", str(path / "out")]
    with contextlib.redirect_stderr(io.StringIO()) as err:
        status = c.main()
    assert status in (0, 2), (path, status)
    assert (status == 0) == (err.getvalue() == ""), path
    for line in err.getvalue().splitlines():
        assert line.startswith(("pmu/generic/", "cases/")), line
"""
    rng = random.Random(1)
    seeds = [GOOD.encode(), (ROOT / "pmu/generic/kprobe.yaml").read_bytes(),
             (ROOT / "pmu/arm/pmuv3.yaml").read_bytes()]
    for lot in range(2):
        for i in range(100):
            path = tmp_path / f"lot{lot}" / f"{i:03}"
            path.mkdir(parents=True)
            t = Tree(path)
            t.descriptor("good" if i % 2 else "more", mutate(rng, seeds[i % 3]))
            if not i % 5:
                t.cases(mutate(rng, CASES.encode()).decode("latin-1"))

    def lot_run(lot: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["/usr/bin/python3", "-c", driver, str(ROOT / "pmu"),
                               str(tmp_path / f"lot{lot}")], capture_output=True, text=True,
                              timeout=120, check=False)

    with ThreadPoolExecutor(2) as pool:
        for done in pool.map(lot_run, range(2)):
            assert done.returncode == 0, done.stderr
