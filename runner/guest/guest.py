# SPDX-License-Identifier: GPL-2.0-only
"""One boot: a QEMU, its channels, and why it ended."""
from __future__ import annotations

import contextlib
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .console import Console, Follower
from .qemu import Process
from .qmp import Monitor
from .transport import Bad, Decoder, Frame

TICK = 0.02
GRACE = 5.0  # from a panic's text or the run's end to QEMU's exit
CONNECT = 10.0
OUTPUT_MAX = 256 << 20  # of each channel: a guest must not fill the host's disk


@dataclass(frozen=True)
class Limits:
    """Host seconds."""

    boot: float = 60.0  # from QEMU's start to the agent's hello
    silence: float = 20.0  # without frame or heartbeat
    case: float = 120.0  # of one case, heartbeat or not


@dataclass(frozen=True)
class Hello:
    seconds: float  # since QEMU's start


@dataclass(frozen=True)
class QmpEvent:
    name: str
    data: dict[str, Any]
    t: float  # seconds since QEMU's start


@dataclass(frozen=True)
class End:
    """How a boot ended. `verdict` is that of the case that was running: crash, hang, error."""

    verdict: str
    reason: str
    tail: list[str]
    reached_init: bool
    finished: bool  # the agent's run_end came
    hopeless: bool = False  # QEMU refused: another boot will end the same way


class Guest:
    def __init__(self, words: list[str], channels: Path, limits: Limits) -> None:
        self._channels = channels
        self._limits = limits
        self._start = time.monotonic()
        self._process = Process(words, channels / "qemu.stderr")
        self._console = Console(channels / "console")
        self._monitor: Monitor | None = None
        self._port = Follower(channels / "results")
        self._decoders = {"port": Decoder(), "console": Decoder(mixed=True)}
        self._spoke: str | None = None  # the channel that the agent uses
        self._hello = False
        self._finished = False
        self._shutdown = ""
        self._stopped = False
        self._panicked = False
        self._last_frame = self._start
        self._case_since: float | None = None
        self._dying_since: float | None = None

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    def close(self) -> None:
        self._process.kill()
        for channel in (self._monitor, self._port, self._console):
            if channel:
                channel.close()

    # ---- the life of a boot ----

    def events(self) -> Iterator[Hello | Frame | Bad | QmpEvent | End]:
        """Everything in order; End is last, QEMU is gone then."""
        try:
            self._connect()
            while True:
                gone = self._process.status() is not None
                self._wait(0 if gone else TICK)
                yield from self._pump()
                if gone:
                    break
                if self._flooded():
                    yield self._end("error", f"the guest wrote more than {OUTPUT_MAX >> 20} MiB")
                    return
                if self._stopped:
                    yield self._end("error", f"QEMU stopped the guest (the accelerator failed)"
                                    f"{self._said()}")
                    return
                hang = self._overdue()
                if hang:
                    where = self._sample()
                    self._process.kill()
                    yield from self._pump()
                    yield self._end("hang", hang + where)
                    return
            if self._spoke:
                yield from self._decoders[self._spoke].close()
            yield self._end(*self._death())
        finally:
            self.close()

    def _connect(self) -> None:
        end = time.monotonic() + CONNECT
        while self._process.status() is None and time.monotonic() < end:
            with contextlib.suppress(OSError):
                self._monitor = Monitor(self._channels / "monitor")
                return
            time.sleep(0.01)

    def _wait(self, seconds: float) -> None:
        if self._monitor and not self._monitor.closed:
            select.select([self._monitor], [], [], seconds)
        else:
            time.sleep(seconds)

    def _pump(self) -> Iterator[Hello | Frame | Bad | QmpEvent]:
        while not self._flooded() and (data := self._port.read()):
            yield from self._frames("port", data)
        while not self._flooded() and (data := self._console.read()):
            yield from self._frames("console", data)
        if self._monitor and not self._monitor.closed:
            for event in self._monitor.events():
                yield self._qmp(event)

    def _flooded(self) -> bool:
        return max(self._port.bytes, self._console.bytes) > OUTPUT_MAX

    def _frames(self, channel: str, data: bytes) -> Iterator[Hello | Frame | Bad]:
        # The agent speaks on one channel: text that looks like a frame on the other is text.
        if self._spoke not in (None, channel):
            return
        for item in self._decoders[channel].feed(data):
            if not self._hello and (channel == "port" or isinstance(item, Frame)):
                self._spoke = channel
                self._hello = True
                yield Hello(self._elapsed())
            if self._hello:
                self._last_frame = time.monotonic()
                if isinstance(item, Bad):
                    yield item
                elif item.payload["event"] not in ("hello", "heartbeat"):
                    self._note(item.payload["event"])
                    yield item

    def _note(self, event: str) -> None:
        if event == "case_begin":
            self._case_since = time.monotonic()
        elif event == "case_end":
            self._case_since = None
        elif event == "run_end":
            self._finished = True
            self._dying_since = time.monotonic()

    def _qmp(self, event: dict[str, Any]) -> QmpEvent:
        data = event.get("data")
        data = data if isinstance(data, dict) else {}
        name = str(event["event"])
        if name == "SHUTDOWN":
            self._shutdown = str(data.get("reason", ""))
        # Nobody here pauses a guest: QEMU does, when the accelerator has failed.
        self._stopped = self._stopped or name == "STOP"
        if name == "GUEST_PANICKED":
            self._dying_since = time.monotonic()
            self._panicked = True
        return QmpEvent(name, data, round(self._elapsed(), 3))

    # ---- why it ended ----

    def _overdue(self) -> str | None:
        """What has taken too long, or None."""
        now = time.monotonic()
        limits = self._limits
        if self._console.panic and not self._dying_since:
            self._dying_since = now
        if self._dying_since:
            return "no end after the end" if now - self._dying_since > GRACE else None
        if not self._hello:
            if now - self._start > limits.boot:
                return f"no hello from the agent {limits.boot:g} s after QEMU's start"
        elif now - self._last_frame > limits.silence:
            return f"no frame and no heartbeat for {limits.silence:g} s"
        elif self._case_since and now - self._case_since > limits.case:
            return f"heartbeat, but no end of the case for {limits.case:g} s of host time"
        return None

    def _sample(self) -> str:
        """Whether the vCPUs move: a guest that spins and one that sleeps are different bugs."""
        if not self._monitor or self._monitor.closed:
            return ""
        first = self._monitor.program_counters()
        time.sleep(0.2)
        parts = []
        for cpu, (a, b) in enumerate(zip(first, self._monitor.program_counters())):
            parts.append(f"vCPU {cpu} stays at {a}" if a == b else f"vCPU {cpu} runs ({a}, {b})")
        return f"; {', '.join(parts)}" if parts else ""

    def _death(self) -> tuple[str, str]:
        status = self._process.status()
        if self._console.panic or self._panicked:
            return "crash", self._panic()
        if status is not None and status < 0:
            return "error", f"QEMU was killed by signal {-status}{self._said()}"
        if status:
            return "error", f"QEMU ended with status {status}{self._said()}"
        if self._shutdown == "guest-reset":
            return "crash", "guest reset without a panic's text (triple fault, or reboot)"
        if self._shutdown == "guest-shutdown":
            return "crash", "guest powered off before the run's end"
        return "error", f"QEMU ended ({self._shutdown or 'no reason given'}){self._said()}"

    def _panic(self) -> str:
        return f"guest panicked: {self._console.panic or 'no text on the console'}"

    def _said(self) -> str:
        text = self._process.complaint()
        return f": {text}" if text else ""

    def _end(self, verdict: str, reason: str) -> End:
        if verdict == "hang" and (self._console.panic or self._panicked):
            verdict, reason = "crash", f"{self._panic()}; it stayed"
        return End(verdict, reason, self._console.tail(), self._hello, self._finished,
                   hopeless=not self._hello and (self._process.status() or 0) > 0)
