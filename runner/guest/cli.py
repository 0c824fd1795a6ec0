# SPDX-License-Identifier: GPL-2.0-only
"""The command line of a guest run."""
from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import debget
import initramfs
import kernels
import platforms
from kernelfile import KernelError

from . import SOURCE_ROOT, accel, qemu
from .again import Again, Bounds, Case, Crash
from .guest import End, Guest, Hello, Limits
from .run import AGENT_SAYS, AgentRefused, Facts, Run, end_of
from .stream import STOPPERS, StreamError, Writer
from .symbols import Receiver

EXIT_OK, EXIT_USAGE, EXIT_HARNESS = 0, 2, 3
AGENT_BUILD = {"x86_64": "native", "arm64": "arm64"}
AGENT32_BUILD = {"x86_64": "i386", "arm64": "armhf"}
DEFAULT_KERNEL = "deb:bookworm"
DEFAULT_CASE_TIMEOUT = 10.0  # the agent's
CASE_ID = re.compile(r"[a-z0-9_]+/[a-z0-9_-]+/[\w:.,+=-]+")
SOCKET_PATH_MAX = 100  # sun_path holds 108


class UsageError(Exception):
    """What the user gave cannot be used."""


class Stopped(BaseException):
    """SIGINT or SIGTERM."""

    def __init__(self, signo: int) -> None:
        super().__init__(signo)
        self.signo = signo


def say(text: str) -> None:
    try:
        print(f"pmuvet: {text}", file=sys.stderr, flush=True)
    except OSError:
        pass


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) <= 1 << 20:
        raise argparse.ArgumentTypeError(f"want a positive number, not '{text}'")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError(f"want seconds, not '{text}'")
    return value


def guest_options(parser: argparse.ArgumentParser) -> None:
    """What every command that boots guests takes."""
    parser.add_argument("--platform", required=True)
    parser.add_argument("--kernel", metavar="SPEC|FILE")
    parser.add_argument("--modules", type=Path, metavar="DIR")
    parser.add_argument("--kernel-tree", metavar="DIR")
    parser.add_argument("--append", action="append", default=[], metavar="WORDS")
    parser.add_argument("--smp", type=_positive, metavar="N")
    parser.add_argument("--mem", type=_positive, metavar="MIB")
    parser.add_argument("--accel", choices=("auto", "kvm", "tcg"), default="auto")
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="a case's limit")
    parser.add_argument("--boot-timeout", type=_seconds, default=Limits.boot, metavar="SECONDS")
    parser.add_argument("--silence", type=_seconds, metavar="SECONDS",
                        help="without heartbeat make a hang; default: by the pace of the boot")
    parser.add_argument("--agent", type=Path, metavar="FILE")
    parser.add_argument("--keep", type=Path, metavar="DIR",
                        help="initramfs, console, results and dump of each boot")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runner.guest", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", allow_abbrev=False, help="boot a guest, run the agent in it")
    guest_options(run)
    run.add_argument("--no-retry", action="store_true", help="cases that died are not retried alone")
    run.add_argument("--retry-boots", type=_positive, default=Bounds.boots, metavar="N",
                     help="for each of them, at most")
    run.add_argument("--retry-seconds", type=_seconds, default=Bounds.seconds, metavar="SECONDS",
                     help="for all of them, at most")
    run.add_argument("--dry-run", action="store_true")
    return parser


class Session:
    """One call of `run`: everything between the options and the boots."""

    def __init__(self, options: argparse.Namespace, agent_args: list[str]) -> None:
        self._options = options
        self._cache = debget.cache_root()
        self._platform = platforms.load(options.platform)
        self._agent_args, self._skip, self._timeout = split_agent_args(agent_args)
        if options.timeout:
            self._timeout = options.timeout
            self._agent_args += ["--timeout", f"{options.timeout:g}"]
        self._agent = self._read_agent()
        self._agent32 = self._read_agent32()
        self._kernel = self._resolve()
        self._modules = initramfs.module_part(self._kernel.modules, self._platform.modules)
        self._kallsyms = Receiver(self._cache, self._kernel.image, self._kernel.build_id)
        self._number = 0

    def _read_agent(self) -> bytes:
        path = self._options.agent or (SOURCE_ROOT / "build" / AGENT_BUILD[self._platform.arch]
                                       / "pmuvet-agent")
        try:
            data = path.read_bytes()
        except OSError as err:
            raise UsageError(f"the agent {path}: {err.strerror}; ./pmuvet builds it") from None
        if data[:4] != b"\x7fELF":
            raise UsageError(f"the agent {path}: not a program")
        return data

    def _read_agent32(self) -> bytes | None:
        """For the compat cases; without it they skip."""
        path = SOURCE_ROOT / "build" / AGENT32_BUILD[self._platform.arch] / "pmuvet-agent"
        return path.read_bytes() if path.exists() else None

    def _resolve(self) -> kernels.Kernel:
        options = self._options
        if options.kernel and options.kernel_tree:
            raise UsageError("--kernel or --kernel-tree, not both")
        if options.kernel_tree and not Path(options.kernel_tree).is_dir():
            raise UsageError(f"--kernel-tree {options.kernel_tree}: no such directory")
        spec = options.kernel_tree or options.kernel or DEFAULT_KERNEL
        return kernels.resolve(spec, self._platform.arch, self._cache, say, options.modules)

    def machine(self, kvm: bool) -> qemu.Machine:
        options = self._options
        words = [word for text in options.append for word in text.split()]
        return qemu.machine(self._platform, kvm, self._kernel.image, words, options.smp,
                            options.mem)

    def use_kvm(self) -> bool:
        wanted = self._options.accel
        if wanted == "tcg":
            return False
        reason = accel.impossible(self._platform)
        if wanted == "kvm":
            if reason:
                raise UsageError(f"--accel kvm: {reason}")
            return True
        if not reason:
            works, reason = accel.proven(self._platform, self._cache, say, self._prove_kvm,
                                         trusted=self._kernel.package is not None)
            if works:
                return True
        say(f"accel tcg (KVM: {reason})")
        return False

    def _prove_kvm(self) -> str | None:
        with tempfile.TemporaryDirectory(prefix="pmuvet-kvm-") as name:
            channels = Path(name)
            machine = self.machine(True)
            (channels / "initramfs").write_bytes(self._initramfs(machine, []))
            limits = Limits(boot=accel.PROOF_SECONDS)
            guest = Guest(qemu.argv(machine, channels / "initramfs", channels), channels, limits)
            for item in guest.events():
                if isinstance(item, Hello):
                    guest.close()
                    return None
                if isinstance(item, End):
                    return item.reason
        return "no answer"

    def _initramfs(self, machine: qemu.Machine, skip: Iterable[Case],
                   only: Iterable[Case] = (), more: Iterable[str] = ()) -> bytes:
        args = [*self._agent_args, *more, "--platform", self._platform.name]
        for name in machine.accel.descriptors:
            args += ["--descriptor", name]
        for family in self._platform.expect:
            args += ["--expect", family]
        if machine.deterministic:
            args.append("--deterministic")
        # Always there and of one length: a deterministic guest that is asked must run like one that is not,
        # and a byte more in its initramfs moves its clock by a few ticks.
        args.append(f"--kallsyms={self._kallsyms.wanted():d}")
        skip = list(skip)
        if skip:
            args += ["--skip-file", "/agent.skip"]
        only = list(only)
        if only:
            args += ["--only-file", "/agent.only"]
        return initramfs.build(self._agent, args, skip, self._modules, self._agent32, only)

    def dry_run(self) -> None:
        kvm = self._options.accel == "kvm" and self.use_kvm()
        machine = self.machine(kvm)
        directory = self._cache / "dry-run" / self._platform.name
        directory.mkdir(parents=True, exist_ok=True)
        with debget.scratch(directory) as tmp:
            (tmp / "new").write_bytes(self._initramfs(machine, self._skip))
            os.replace(tmp / "new", directory / "initramfs")
        print(qemu.quoted(qemu.argv(machine, directory / "initramfs", None)), flush=True)

    def _keep_dump(self, boot: str) -> Path | None:
        if not self._options.keep:
            return None
        directory = self._options.keep / boot
        directory.mkdir(parents=True, exist_ok=True)
        return directory.absolute() / "dump"

    def told(self, machine: qemu.Machine) -> str:
        """Kernel, platform and accelerator in words."""
        kernel = self._kernel
        return (f"{kernel.package or kernel.spec}{f' {kernel.version}' if kernel.version else ''} on "
                f"{self._platform.name}, accel {self._accel_name(machine)}")

    def _accel_name(self, machine: qemu.Machine) -> str:
        return "kvm" if machine.accel is self._platform.kvm else "tcg"

    def facts(self, machine: qemu.Machine, scratch: Path) -> Facts:
        """Of a run whose first boot has its files in scratch/1."""
        return Facts(tool=version(), platform=self._platform.name, arch=self._platform.arch,
                     accel=self._accel_name(machine), deterministic=machine.deterministic,
                     kernel=kernel_facts(self._kernel),
                     qemu=qemu.argv(machine, scratch / "1/initramfs", scratch / "1"))

    def start(self, machine: qemu.Machine, channels: Path, done: Iterable[Case] = (), only: Iterable[Case] = (),
              more: Iterable[str] = (), kind: type[Guest] = Guest) -> Guest:
        """Boots with its files in a new directory; `more`: arguments for the agent."""
        limits = Limits(boot=self._options.boot_timeout, silence=self._options.silence,
                        case=self._timeout * 6 + 20)
        channels.mkdir()
        (channels / "initramfs").write_bytes(self._initramfs(machine, done, only, more))
        return kind(qemu.argv(machine, channels / "initramfs", channels), channels, limits, machine.mem,
                    self._keep_dump(channels.name))

    def run(self, scratch: Path) -> int:
        machine = self.machine(self.use_kvm())

        def guest(directory: str, done: Iterable[Case], only: Iterable[Case] = ()) -> Guest:
            return self.start(machine, scratch / directory, done, only)

        def start_guest(done: Iterable[Case], number: int) -> Guest:
            say(f"booting {self.told(machine)}")
            return guest(str(number), done)

        def retry(crashes: list[Crash], write: Callable[[dict[str, Any]], None]) -> None:
            numbers = itertools.count(1)
            Again(lambda jobs: guest(f"again-{next(numbers)}", (), jobs),
                  end_of, write, say,
                  Bounds(self._options.retry_boots, self._options.retry_seconds)
                  ).investigate(crashes)

        if "--list" in self._agent_args:
            return list_cases(start_guest([], 1), scratch / "1/console")
        facts = self.facts(machine, scratch)
        run = Run(facts, Writer(open(sys.stdout.fileno(), "wb", buffering=0, closefd=False)), say, start_guest, set(self._skip),
                  None if self._options.no_retry else retry, kallsyms=self._kallsyms)
        try:
            return EXIT_OK if run.run() else EXIT_HARNESS
        except Stopped as stopped:
            run.stop(f"stopped by {signal.Signals(stopped.signo).name}")
            return 128 + stopped.signo
        except (OSError, qemu.QemuError) as err:
            run.stop(str(err))
            return EXIT_HARNESS


def list_cases(guest: Guest, console: Path) -> int:
    """With --list the agent prints case ids on its standard output, the console."""
    end = [item for item in guest.events() if isinstance(item, End)][-1]
    lines = console.read_text(errors="replace").splitlines()
    ids = [line for line in lines if CASE_ID.fullmatch(line)]
    said = [line for line in lines if line.startswith(AGENT_SAYS)]
    for name in ids:
        print(name)
    if not ids and said:
        raise AgentRefused(said[-1].removeprefix(AGENT_SAYS))
    if not ids:
        say(f"no list came from the guest: {end.reason}")
    return EXIT_OK if ids else EXIT_HARNESS


def kernel_facts(kernel: kernels.Kernel) -> dict[str, str]:
    found = {"spec": kernel.spec, "release": kernel.release, "build_id": kernel.build_id,
             "package": kernel.package, "package_version": kernel.version}
    return {key: value for key, value in found.items() if value}


def version() -> str:
    """The project's, from where the build has it."""
    text = (SOURCE_ROOT / "meson.build").read_text(errors="replace")
    after = text.partition("version: '")[2]
    return after.partition("'")[0] or "unknown"


def split_agent_args(words: Sequence[str]) -> tuple[list[str], list[Case], float]:
    """(arguments for the agent in the guest, cases of --skip-file, --timeout)."""
    rest: list[str] = []
    skip: list[Case] = []
    timeout = DEFAULT_CASE_TIMEOUT
    words = list(words)
    while words:
        word = words.pop(0)
        if "\n" in word:
            raise UsageError(f"an argument for the agent has a line break: {word!r}")
        name, equals, value = word.partition("=")
        if name in ("--skip-file", "--timeout") and not equals and words:
            value = words.pop(0)
        if name == "--skip-file":
            skip += read_skip(Path(value))
            continue
        rest.append(word)
        if name == "--timeout":
            if not equals:
                rest.append(value)
            try:
                timeout = _seconds(value)
            except argparse.ArgumentTypeError as err:
                raise UsageError(f"--timeout: {err}") from None
    return rest, skip, timeout


def read_skip(path: Path) -> list[Case]:
    found: list[Case] = []
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError as err:
        raise UsageError(f"--skip-file {path}: {err.strerror}") from None
    for number, line in enumerate(lines, 1):
        case, tab, rep = line.partition("\t")
        if not case or not tab or not rep.isascii() or not rep.isdigit():
            raise UsageError(f"{path}:{number}: want a case id, a tab and a number")
        found.append((case, int(rep)))
    return found


def _on_signal(signo: int, _frame: object) -> None:
    # Once: what happens while the stream is closed must not be stopped again.
    for each in STOPPERS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(signo)


def _keep(scratch: Path, keep: Path) -> None:
    for boot in sorted(scratch.iterdir()):
        target = keep / boot.name
        target.mkdir(parents=True, exist_ok=True)
        for name in ("initramfs", "console", "results", "qemu.stderr"):
            if (boot / name).exists():
                shutil.copy(boot / name, target / name)


def in_scratch(keep: Path | None, work: Callable[[Path], int]) -> int:
    """With a directory for the files of the boots, which are copied to `keep`."""
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="pmuvet-") as name:
        if len(name) > SOCKET_PATH_MAX - len("/again-999/monitor"):
            raise UsageError(f"{name}: too long a path for sockets; set TMPDIR to a shorter one")
        try:
            return work(Path(name))
        finally:
            if keep:
                _keep(Path(name), keep)


def _run(options: argparse.Namespace, agent_args: list[str]) -> int:
    session = Session(options, agent_args)
    if options.dry_run:
        session.dry_run()
        return EXIT_OK
    return in_scratch(options.keep, session.run)


def main(argv: list[str]) -> int:
    words = list(argv)
    agent_args: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, agent_args = words[:at], words[at + 1:]
    options = _parser().parse_args(words)
    return guarded(lambda: _run(options, agent_args))


def guarded(work: Callable[[], int]) -> int:
    """An exit status; what was wrong in one line."""
    for signo in STOPPERS:
        signal.signal(signo, _on_signal)
    try:
        return work()
    except (UsageError, AgentRefused, KernelError, platforms.PlatformError) as err:
        say(str(err))
        return EXIT_USAGE
    except (debget.FetchError, qemu.QemuError, StreamError, OSError) as err:
        say(str(err))
        return EXIT_HARNESS
    except Stopped as stopped:
        return 128 + stopped.signo
