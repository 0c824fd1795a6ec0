# SPDX-License-Identifier: GPL-2.0-only
"""QEMU: its command line out of a platform, its process."""
from __future__ import annotations

import ctypes
import functools
import os
import shlex
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from platforms import Accel, Platform

PR_SET_PDEATHSIG = 1
PORT = "pmuvet.results"
WITH_MODEL = "qemu-pmu"  # a platform's `qemu`: what `pmuvet qemu build` has built
# Nothing that a guest makes QEMU do may start programs or change what it may do.
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


class QemuError(Exception):
    """QEMU cannot be started; the text says what to do."""


@dataclass(frozen=True)
class Machine:
    """A platform with what the user said."""

    platform: Platform
    accel: Accel
    smp: int
    mem: int
    kernel: Path
    append: tuple[str, ...] = ()

    @property
    def deterministic(self) -> bool:
        return self.accel.deterministic and self.smp == 1


def machine(platform: Platform, kvm: bool, kernel: Path, append: Sequence[str] = (),
            smp: int | None = None, mem: int | None = None) -> Machine:
    accel = platform.kvm if kvm else platform.tcg
    if accel is None:
        raise QemuError(f"platform {platform.name} has no KVM: --accel tcg")
    return Machine(platform, accel, smp or platform.smp, mem or platform.mem, kernel, tuple(append))


@functools.cache
def program(name: str) -> str:
    """The QEMU program; $QEMU is another one."""
    return os.environ.get("QEMU") or (str(_with_model()) if name == WITH_MODEL else name)


def _with_model() -> Path:
    # Reads all descriptors: for those platforms only.
    import qemubuild
    path = qemubuild.Qemu().image()
    if not path.exists():
        raise QemuError("QEMU with the PMU model is not built as it is now: ./pmuvet qemu build "
                        "(some minutes the first time)")
    return path


@functools.cache
def _devices(qemu: str) -> str:
    try:
        done = subprocess.run([qemu, "-device", "help"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL)
    except OSError as err:
        raise QemuError(f"cannot run {qemu}: {err.strerror}; Debian packages: qemu-system-x86, "
                        "qemu-system-arm") from None
    return done.stdout + done.stderr


def command_line(m: Machine) -> str:
    return " ".join([f"console={m.platform.console}", "panic=-1", *m.platform.append,
                     *m.accel.append, *m.append])


def argv(m: Machine, initrd: Path, channels: Path | None) -> list[str]:
    """
    The command line. Results, console and monitor are in `channels`; without it the console is
    QEMU's own terminal and results go to a file beside the initrd.
    """
    p = m.platform
    qemu = program(p.qemu)
    words = [qemu, "-machine", p.machine, "-accel", m.accel.accel, "-cpu", m.accel.cpu,
             "-smp", str(m.smp), "-m", str(m.mem), *m.accel.args,
             "-nodefaults", "-no-user-config", "-display", "none", "-nic", "none",
             "-sandbox", SANDBOX]
    # A panic's text comes out whole only when QEMU does nothing about it.
    if channels:
        # A guest that ended is paused and not gone: its memory is the evidence.
        words += ["-action", "reboot=shutdown,shutdown=pause,panic=none"]
        words += ["-chardev", f"file,id=console,path={channels}/console",
                  "-chardev", f"file,id=results,path={channels}/results",
                  "-chardev", f"socket,id=monitor,path={channels}/monitor,server=on,wait=off",
                  "-mon", "chardev=monitor,mode=control"]
    else:
        words += ["-no-reboot", "-action", "panic=none"]
        words += ["-chardev", "stdio,id=console,signal=on",
                  "-chardev", f"file,id=results,path={initrd.parent}/results"]
    words += ["-serial", "chardev:console", "-device", p.serial,
              "-device", f"virtserialport,chardev=results,name={PORT}"]
    for device in p.devices:
        if f'name "{device}"' in _devices(qemu):
            words += ["-device", device]
    return words + ["-kernel", str(m.kernel), "-initrd", str(initrd), "-append", command_line(m)]


def quoted(words: Sequence[str]) -> str:
    return shlex.join(words)


class Process:
    """A running QEMU. It dies with this process, however that ends."""

    _libc = ctypes.CDLL(None, use_errno=True)

    def __init__(self, words: Sequence[str], errors: Path) -> None:
        self._errors = errors
        parent = os.getpid()

        def die_with_parent() -> None:
            self._libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            # A terminal's Ctrl-C is for the runner, which then ends QEMU itself.
            os.setpgid(0, 0)

        with open(errors, "wb") as stderr:
            try:
                self._popen = subprocess.Popen(list(words), stdin=subprocess.DEVNULL,
                                               stdout=stderr, stderr=stderr,
                                               preexec_fn=die_with_parent)
            except OSError as err:
                raise QemuError(f"cannot run {words[0]}: {err.strerror}; Debian packages: "
                                "qemu-system-x86, qemu-system-arm") from None

    @property
    def pid(self) -> int:
        return self._popen.pid

    def status(self) -> int | None:
        return self._popen.poll()

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()

    def complaint(self) -> str:
        """What QEMU said on its standard error, in one line."""
        text = self._errors.read_text(errors="replace").strip()
        return " / ".join(text.splitlines()[-3:])
