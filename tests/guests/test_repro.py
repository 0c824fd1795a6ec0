# SPDX-License-Identifier: GPL-2.0-only
"""Reproducers on real kernels: what `pmuvet repro` writes compiles, and does what the case did."""
from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import debget
import kernels
import platforms
import pytest
from initramfs import CONSOLE, Cpio

from runner.guest import qemu
from runner.repro.cli import COMPILERS, Run, program
from tests.conftest import ROOT

HERE = Path(__file__).resolve().parent
PLATFORMS = ("x86_64", "arm64")

DOOM = """
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cases/pv.h"

#define NOTE "/proc/sys/kernel/domainname"

/* Not used by any case: must not be there. */
static int unused_helper(void)
{
	return 1;
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		_exit(1);
	close(fd);
}

PV_CASE(doom, arm, .pmu = "sw", .proof = "kernel", .about = "leaves something behind")
{
	put(NOTE, "armed");
	pv_expect(t, "armed", true);
}

PV_CASE(doom, panic, .pmu = "sw", .proof = "kernel", .each = "word[now,armed]",
	.about = "panics, at once or when something was left behind")
{
	char text[64] = "";

	pv_file_read(NOTE, text, sizeof(text));
	pv_expect(t, "looked", true);
	if (strcmp(pv_word(t), "now") && strncmp(text, "armed", 5))
		return;
	put("/proc/sysrq-trigger", "c");
}
"""


def compiled(text: str, arch: str, directory: Path, name: str = "repro") -> Path:
    source, binary = directory / f"{name}.c", directory / name
    source.write_text(text)
    done = subprocess.run([COMPILERS[arch], "-O1", "-static", "-Wall", "-Werror", "-o", str(binary), str(source)],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[:3000]
    return binary


def booted(arch: str, binary: Path, directory: Path, as_init: bool, kernel: str = "deb:bookworm") -> str:
    """The console of a guest that has nothing but this program."""
    archive = Cpio()
    for name in ("dev", "proc", "sys", "tmp"):
        archive.directory(name)
    archive.char_device("dev/console", CONSOLE)
    if not as_init:
        init = directory / "runinit"
        subprocess.run([COMPILERS[arch], "-O1", "-static", "-Wall", "-Werror", "-o", str(init),
                        str(HERE / "runinit.c")], check=True)
        archive.file("init", init.read_bytes(), 0o755)
    archive.file("init" if as_init else "program", binary.read_bytes(), 0o755)
    (directory / "initramfs").write_bytes(archive.bytes())
    found = kernels.resolve(kernel, arch, debget.cache_root(), lambda text: None)
    machine = qemu.machine(platforms.load(arch), False, found.image)
    done = subprocess.run(qemu.argv(machine, directory / "initramfs", None), capture_output=True, timeout=240,
                          stdin=subprocess.DEVNULL)
    return done.stdout.decode(errors="replace")


@pytest.fixture(scope="module")
def doomed() -> Iterator[str]:
    """A source tree of which some cases panic on purpose."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for part in ("pmu", "arch", "runner"):
            (root / part).symlink_to(ROOT / part)
        (root / "cases").mkdir()
        for path in (ROOT / "cases").iterdir():
            if path.name != "quick.list":
                (root / "cases" / path.name).symlink_to(path)
        (root / "cases/doom.c").write_text("/* SPDX-License-Identifier: GPL-2.0-only */" + DOOM)
        yield name


@pytest.mark.parametrize("arch", PLATFORMS)
def test_a_crash_is_reproduced_by_one_c_file_as_init(arch: str, doomed: str, tmp_path: Path) -> None:
    text = program(Path(doomed), ["sw/doom/panic:now"], Run(arch), ["sysrq triggered crash"])
    assert "unused_helper" not in text and 'include "' not in text
    console = booted(arch, compiled(text, arch, tmp_path), tmp_path, True)
    assert "sw/doom/panic:now" in console and "ok looked: 1, due is 1" in console
    assert "Kernel panic - not syncing: sysrq triggered crash" in console


def test_a_crash_that_needs_another_case_takes_it_along(doomed: str, tmp_path: Path) -> None:
    alone = program(Path(doomed), ["sw/doom/panic:armed"], Run("x86_64"), [])
    console = booted("x86_64", compiled(alone, "x86_64", tmp_path), tmp_path, True)
    assert "sw/doom/panic:armed: pass" in console and "Kernel panic" not in console
    both = program(Path(doomed), ["sw/doom/arm", "sw/doom/panic:armed"], Run("x86_64"), [])
    console = booted("x86_64", compiled(both, "x86_64", tmp_path), tmp_path, False)
    assert "sw/doom/arm: pass" in console
    assert "Kernel panic - not syncing: sysrq triggered crash" in console


@pytest.mark.parametrize("arch, case", [
    ("x86_64", "breakpoint/toggles/again:rw4-load,sw-leader"),
    ("arm64", "breakpoint/toggles/again:r4,sw-leader"),
])
def test_a_failure_is_the_same_without_pmuvet(arch: str, case: str, tmp_path: Path) -> None:
    """A bug that 6.1 has not and 6.12 has, seen by the very numbers."""
    binary = compiled(program(ROOT, [case], Run(arch), []), arch, tmp_path)
    assert f"{case}: pass" in booted(arch, binary, tmp_path, True)
    console = booted(arch, binary, tmp_path, True, "deb:bookworm-security")
    assert f"{case}: failed: every round counts" in console.replace("fail: ", "") and "WRONG every round counts" in console


# ---- the program that a random sequence prints ----

def printed(console: str) -> str:
    lines = [line.partition("repro: ")[2] for line in console.replace("\r", "").split("\n") if "  repro: " in line]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("arch", PLATFORMS)
def test_a_sequence_prints_a_program_that_agrees_with_the_kernel(arch: str, tmp_path: Path) -> None:
    text = program(ROOT, ["perf/fuzz/sequence:mix,200", "perf/fuzz/sequence:rings,200"], Run(arch, seed=7), [])
    told = text.replace("\tif (!result.differs)\n\t\treturn;\n", "\tfz_print(t, &world, steps, n);\n\treturn;\n")
    assert told != text
    console = booted(arch, compiled(told, arch, tmp_path), tmp_path, True)
    programs = printed(console).split("// cc -o repro")[1:]
    assert len(programs) == 2
    for number, each in enumerate(programs):
        assert each.count("want(") > 100
        binary = compiled("// cc -o repro" + each, arch, tmp_path, f"printed{number}")
        said = booted(arch, binary, tmp_path, False)
        assert "as it should be" in said and "program ended with status 0" in said, said[-3000:]


@pytest.mark.parametrize("arch", PLATFORMS)
def test_a_divergence_is_printed_as_a_program_that_shows_it(arch: str, tmp_path: Path) -> None:
    """A model that thinks RESET halves: the kernel differs, and the program says so with its numbers."""
    text = program(ROOT, ["perf/fuzz/sequence:mix,200"], Run(arch, seed=7), [])
    wrong = text.replace("e->count = 0; /* what children", "e->count /= 2; /* what children")
    assert wrong != text
    console = booted(arch, compiled(wrong, arch, tmp_path), tmp_path, True)
    found = re.search(r"(\d+) steps are enough; (.*): (-?\d+), due is (-?\d+)", console)
    assert found, console[-3000:]
    program_text = printed(console)
    assert int(found[1]) < 20
    said = booted(arch, compiled(program_text, arch, tmp_path, "printed"), tmp_path, False)
    assert re.search(rf"step \d+: .* gave {found[3]}, due is {found[4]}", said), said[-2000:]
    assert "wrong" in said and "program ended with status 1" in said
