# SPDX-License-Identifier: GPL-2.0-only
"""The module that dies on request (provoke/), built for a kernel; the init that loads it.

By hand: python3 -m tests.guests.provoke --platform x86_64 --kernel deb:sid --what oops
"""
from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [path for path in (str(ROOT), str(ROOT / "vm-images")) if path not in sys.path]

import debget  # noqa: E402
import kernels  # noqa: E402

HERE = Path(__file__).resolve().parent
SOURCES = HERE / "provoke"
CROSS = {"x86_64": "x86_64-linux-gnu-", "arm64": "aarch64-linux-gnu-"}
KARCH = {"x86_64": "x86", "arm64": "arm64"}
# What the kernel's own compiler has and an older one not: gcc's first version with it.
NEWER_GCC = {"CC_HAS_ASSUME": 13, "CC_HAS_NAMED_AS_FIXED_SANITIZERS": 14,
             "CC_HAS_MIN_FUNCTION_ALIGNMENT": 14, "CC_HAS_MULTIDIMENSIONAL_NONSTRING": 15,
             "CC_HAS_COUNTED_BY": 15, "CC_HAS_COUNTED_BY_PTR": 16}
# kbuild's programs may be of a newer Debian than this one: then its libraries, too.
LIBRARIES = ("libc6", "libelf1t64", "zlib1g", "libzstd1")
ATTACHED = b"pvmodule"  # provoked.h looks for it at a program's own end


class ProvokeError(Exception):
    """The module cannot be built; the text says why."""


def _run(argv: list[str], what: str) -> str:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          errors="replace", check=False)
    if done.returncode:
        errors = [line for line in (done.stdout + done.stderr).splitlines()
                  if re.search(r"error[: ]|\*\*\*|undefined!", line)]
        raise ProvokeError(f"{what}: " + "\n  ".join(errors[:12] or [done.stderr.strip()[-500:]]))
    return done.stdout


def _compiler(arch: str) -> str:
    return f"{CROSS[arch]}gcc"


def _gcc_major(arch: str) -> int:
    return int(_run([_compiler(arch), "-dumpversion"], _compiler(arch)).split(".")[0])


# ---- headers of Debian's kernels ----

def _fetch(kernel: kernels.Kernel, arch: str, tree: Path, cache: Path, say: debget.Say) -> None:
    """linux-headers of the kernel's architecture, linux-kbuild of this machine's."""
    match = re.fullmatch(r"linux-image-(.+?)-((?:cloud-)?[a-z0-9]+)", kernel.package or "")
    if not match or not kernel.version:
        raise ProvokeError(f"{kernel.spec}: not a Debian kernel: give its built tree")
    abi, flavour, version = match[1], match[2], kernel.version
    # 6.1 has one kbuild for the series, of its newest version; later ones have one for each ABI.
    kbuild = f"{abi}={version}" if "+" in abi else ".".join(abi.split(".")[:2])
    host = _run(["dpkg", "--print-architecture"], "dpkg").strip()
    for suite in debget.SUITES:
        target = debget.archive(suite, kernels.DEB_ARCH[arch], cache)
        target.update(say)
        if any(p.get("Package") == kernel.package and p.get("Version") == version
               for p in target.linux()):
            break
    else:
        raise ProvokeError(f"{kernel.package} {version} has left Debian's mirrors, its headers with "
                           "it: remove it from the cache and run again")
    target.unpack([f"linux-headers-{abi}-{flavour}={version}", f"linux-headers-{abi}-common={version}"],
                  tree, say)
    tools = debget.archive(suite, host, cache)
    tools.update(say)
    tools.unpack([f"linux-kbuild-{kbuild}"], tree, say)
    _make_runnable(tree, tools, say)


def _make_runnable(tree: Path, tools: debget.Archive, say: debget.Say) -> None:
    """Programs that this machine's C library is too old for run with their own."""
    wanting = []
    for path in (p for p in sorted(tree.glob("usr/lib/linux-kbuild-*/**/*")) if p.is_file()):
        with open(path, "rb") as file:
            if file.read(4) != b"\x7fELF":
                continue
        done = subprocess.run(["ldd", str(path)], capture_output=True, text=True, check=False)
        if "not found" in done.stdout + done.stderr:
            wanting.append(path)
    if not wanting:
        return
    libraries = tree / "libraries"
    libraries.mkdir()
    tools.unpack(list(LIBRARIES), libraries, say)
    loader = next(libraries.glob("usr/lib/*/ld-linux-*.so.*"))
    for path in wanting:
        path.rename(path.with_name(f"{path.name}.elf"))
        # The tree moves once it is whole: paths are relative to the script.
        up = os.path.relpath(loader, path.parent)
        path.write_text('#!/bin/sh\nhere=$(dirname "$0")\n'
                        f'exec "$here/{up}" --library-path "$here/{os.path.dirname(up)}" '
                        f'"$here/{path.name}.elf" "$@"\n')
        path.chmod(0o755)


def _fit_compiler(headers: Path, major: int) -> None:
    lost = [name for name, since in NEWER_GCC.items() if major < since]
    for file in ("include/config/auto.conf", "include/generated/autoconf.h"):
        path = headers / file
        pattern = rf"(?m)^(?:#define )?CONFIG_(?:{'|'.join(lost)})[= ].*\n" if lost else r"(?!)"
        path.write_text(re.sub(pattern, "", path.read_text()))


def _headers(kernel: kernels.Kernel, arch: str, cache: Path, say: debget.Say) -> tuple[Path, Path]:
    """(the common headers, those of the flavour)."""
    major = _gcc_major(arch)
    final = cache / "headers" / f"{kernel.package}_{kernel.version}-gcc{major}"
    with debget.locked(final.parent / f".{final.name}.lock"):
        if not final.exists():
            with debget.scratch(final.parent) as tmp:
                tree = tmp / "tree"
                tree.mkdir()
                _fetch(kernel, arch, tree, cache, say)
                _fit_compiler(next(tree.glob("usr/src/*/Module.symvers")).parent, major)
                tree.rename(final)
    flavour = next(final.glob("usr/src/*/Module.symvers")).parent
    return next(final.glob("usr/src/linux-headers-*-common")), flavour


# ---- the module ----

def _key(arch: str, parts: Iterable[str]) -> str:
    digest = hashlib.sha256("\0".join([arch, str(_gcc_major(arch)), *parts]).encode())
    for path in (Path(__file__), *sorted(SOURCES.iterdir())):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def module(arch: str, kernel: kernels.Kernel, tree: Path | None = None,
           say: debget.Say = debget.say_stderr) -> bytes:
    """pv_provoke.ko for a Debian kernel, or for one built in `tree` (its O= directory)."""
    cache = debget.cache_root()
    about = [str(tree), kernel.build_id or ""] if tree else [kernel.package or "", kernel.version or ""]
    final = cache / "provoke" / _key(arch, about) / "pv_provoke.ko"
    with debget.locked(final.parent.parent / f".{final.parent.name}.lock"):
        if not final.exists():
            with debget.scratch(final.parent.parent) as tmp:
                work = tmp / "provoke"
                shutil.copytree(SOURCES, work)
                _make(arch, kernel, tree, work, cache, say)
                shutil.rmtree(final.parent, ignore_errors=True)
                (tmp / "new").mkdir()
                shutil.copyfile(work / "pv_provoke.ko", tmp / "new/pv_provoke.ko")
                (tmp / "new").rename(final.parent)
        return final.read_bytes()


def _make(arch: str, kernel: kernels.Kernel, tree: Path | None, work: Path, cache: Path,
          say: debget.Say) -> None:
    if tree:
        where = ["-C", str(tree), f"KBUILD_EXTRA_SYMBOLS={tree}/vmlinux.symvers"]
        _run(["make", "-C", str(tree), *_words(arch), "modules_prepare"], f"{tree}: modules_prepare")
    else:
        common, flavour = _headers(kernel, arch, cache, say)
        where = ["-C", str(common), f"O={flavour}"]
    say(f"building pv_provoke.ko for {kernel.package or kernel.spec}")
    # BTF would need pahole and the kernel's vmlinux.
    _run(["make", *where, *_words(arch), f"M={work}", "CONFIG_DEBUG_INFO_BTF_MODULES=", "modules"],
         "pv_provoke.ko")


def _words(arch: str) -> list[str]:
    # CC: Debian's headers name the compiler that their kernel was built with.
    return [f"ARCH={KARCH[arch]}", f"CROSS_COMPILE={CROSS[arch]}", f"CC={_compiler(arch)}"]


def init(arch: str, ko: bytes | None = None) -> bytes:
    """testinit; with a module behind it the words die:NAME work."""
    cache = debget.cache_root() / "provoke"
    source = HERE / "testinit.c"
    key = _key(arch, [source.read_text(), (HERE / "provoked.h").read_text()])
    final = cache / f"testinit-{key}"
    if not final.exists():
        with debget.scratch(cache) as tmp:
            _run([_compiler(arch), "-std=gnu11", "-O1", "-static", "-Wall", "-Wextra", "-Werror", "-o",
                  str(tmp / "init"), str(source)], str(source))
            (tmp / "init").rename(final)
    data = final.read_bytes()
    return attached(data, ko) if ko else data


def attached(program: bytes, ko: bytes) -> bytes:
    """A program with the module behind it, where provoked.h looks for it."""
    return program + ko + struct.pack("<Q", len(ko)) + ATTACHED


def agent(arch: str, kernel: kernels.Kernel, tree: Path | None = None,
          say: debget.Say = debget.say_stderr) -> Path:
    """A file for --agent: the init with the module behind it."""
    data = init(arch, module(arch, kernel, tree, say))
    final = debget.cache_root() / "provoke" / f"agent-{hashlib.sha256(data).hexdigest()[:16]}"
    if not final.exists():
        with debget.scratch(final.parent) as tmp:
            (tmp / "agent").write_bytes(data)
            (tmp / "agent").rename(final)
    return final


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python3 -m tests.guests.provoke", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", required=True)
    parser.add_argument("--kernel", default="deb:bookworm", metavar="SPEC|FILE")
    parser.add_argument("--tree", type=Path, help="where FILE was built (make's O=)")
    parser.add_argument("--what", action="append", default=[], metavar="NAME",
                        help="a way to die; an unknown one prints them all; none: only build")
    parser.add_argument("options", nargs="*", help="further options of the guest's runner")
    options = parser.parse_args(argv)
    import platforms
    try:
        arch = platforms.load(options.platform).arch
        kernel = kernels.resolve(options.kernel, arch, debget.cache_root(), debget.say_stderr)
        path = agent(arch, kernel, options.tree)
    except (platforms.PlatformError, kernels.KernelError, debget.FetchError, ProvokeError,
            OSError) as err:
        print(f"provoke: {err}", file=sys.stderr)
        return 3
    print(path, file=sys.stderr)
    if not options.what:
        return 0
    return subprocess.run(
        ["/usr/bin/python3", "-m", "runner.guest", "run", "--platform", options.platform, "--kernel",
         options.kernel, "--accel", "tcg", "--agent", str(path), *options.options, "--",
         *(f"+die:{name}" for name in options.what)],
        cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
