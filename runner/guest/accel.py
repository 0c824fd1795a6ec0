# SPDX-License-Identifier: GPL-2.0-only
"""Which accelerator: KVM only where it has booted something, proven once per boot of the host."""
from __future__ import annotations

import contextlib
import json
import os
import platform as host
from collections.abc import Callable
from pathlib import Path

import debget
from platforms import Platform

MACHINE = {"x86_64": "x86_64", "arm64": "aarch64"}
PROOF_SECONDS = 10.0


def impossible(platform: Platform) -> str | None:
    """Why KVM need not be tried; None: it may work."""
    if platform.kvm is None:
        return "the platform is for TCG"
    if host.machine() != MACHINE[platform.arch]:
        return f"this host is {host.machine()}"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "no access to /dev/kvm" if os.path.exists("/dev/kvm") else "no /dev/kvm"
    return None


def _boot_id() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "unknown"


def proven(platform: Platform, cache: Path, say: debget.Say, boot: Callable[[], str | None],
           trusted: bool) -> tuple[bool, str]:
    """
    (KVM works, why not). `boot` boots a guest under KVM and returns what went wrong; its answer
    is kept until the host boots again; a failure only with a trusted kernel, one that boots.
    """
    path = cache / "kvm" / f"{platform.name}.json"
    with debget.locked(cache / "kvm" / ".lock"):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            known = json.loads(path.read_text())
            if known["boot_id"] == _boot_id():
                return bool(known["works"]), str(known["reason"])
        say(f"proving KVM with one boot (at most {PROOF_SECONDS:g} s, once per boot of this host)")
        reason = boot()
        if reason and not trusted:
            return False, reason
        text = json.dumps({"boot_id": _boot_id(), "works": reason is None, "reason": reason or ""})
        with debget.scratch(path.parent) as tmp:
            (tmp / "new").write_text(text)
            os.replace(tmp / "new", path)
        return reason is None, reason or ""
