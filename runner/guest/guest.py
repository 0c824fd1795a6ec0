# SPDX-License-Identifier: GPL-2.0-only
"""One boot: a QEMU, its channels, and why it ended."""
from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .autopsy import Autopsy, judge
from .chance import Chance, Pace
from .console import Console, Follower
from .death import VERDICTS, Death, Took
from .qemu import Process
from .qmp import Monitor
from .stream import clean
from .transport import Bad, Decoder, Frame
from .triage import Triage, classify

# Deaths that leave a QEMU whose guest can be looked at.
EXAMINED = ("panic", "reset", "power-off", "accelerator", "hang")
TAIL_CONSOLE, TAIL_DUMP = 15, 40  # lines in case_end when the console did not have the evidence

TICK = 0.02
GRACE = 3.0  # from a panic's text or the run's end to QEMU's pause
CONNECT = 10.0
PAUSED_MAX = 5.0  # a guest that someone else paused
NMI_SECONDS = 0.5
OUTPUT_MAX = 256 << 20  # of each channel: a guest must not fill the host's disk
CONSOLE_SECONDS = 2.0  # from hello to the agent's line on a console that works
# QEMU that gets this little of the time that passes is no place to judge a guest.
STARVED = 40


@dataclass(frozen=True)
class Limits:
    """In seconds that the guest could have run (chance.py)."""

    boot: float = 60.0  # from QEMU's start to the agent's hello
    silence: float | None = None  # without frame or heartbeat; None: by the pace of the boot
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
class Remark:
    """What is wrong with a guest that lives."""

    text: str


@dataclass(frozen=True)
class End:
    """How a boot ended. `verdict` is that of the case that was running: crash, hang, error."""

    verdict: str
    reason: str
    tail: list[str]
    reached_init: bool
    finished: bool  # the agent's run_end came
    hopeless: bool = False  # QEMU refused: another boot will end the same way
    death: Death | None = None


@dataclass(frozen=True)
class _Cause:
    """Why watching ended. kind: of docs/death.md, "" when nothing died."""

    kind: str
    reason: str
    verdict: str = ""  # where the kind does not say it


class Guest:
    """`memory` in MiB: what a dump takes; `keep_dump`: where to leave it."""

    def __init__(self, words: list[str], channels: Path, limits: Limits, memory: int = 256,
                 keep_dump: Path | None = None) -> None:
        self._channels = channels
        self._limits = limits
        self._autopsy = Autopsy(channels, memory, keep_dump)
        self._start = time.monotonic()
        self._process = Process(words, channels / "qemu.stderr")
        self._chance = Chance(self._process.pid)
        self._console = Console(channels / "console")
        self._monitor: Monitor | None = None
        self._port = Follower(channels / "results")
        self._decoders = {"port": Decoder(), "console": Decoder(mixed=True)}
        self._spoke: str | None = None  # the channel that the agent uses
        self._hello: float | None = None  # these are of self._chance's clock
        self._last_frame = 0.0
        self._case_since: float | None = None
        self._dying_since: float | None = None
        self._last_sign = self._start  # of the wall's
        self._pace = Pace()
        self._finished = False
        self._shutdown: str | None = None
        self._stopped: float | None = None
        self._panicked = False
        self._greeted: float | None = None  # the agent wrote to the kernel log

    def _elapsed(self) -> float:
        return time.monotonic() - self._start

    @property
    def monitor(self) -> Monitor | None:
        """For those who do something to a live guest; events still come out of events()."""
        return self._monitor

    def close(self) -> None:
        self._process.kill()
        for channel in (self._monitor, self._port, self._console):
            if channel:
                channel.close()

    # ---- the life of a boot ----

    def events(self) -> Iterator[Hello | Frame | Bad | QmpEvent | Remark | End]:
        """Everything in order; End is last, QEMU is gone then."""
        try:
            self._connect()
            while True:
                gone = self._process.status() is not None
                self._wait(0 if gone else TICK)
                yield from self._pump()
                cause = self._gone() if gone else self._cause()
                if cause:
                    # What the guest said before its end may have come between reading and looking.
                    yield from self._pump()
                    cause = (self._gone() if gone else self._cause()) or cause
                if self._console_is_silent():
                    yield Remark("the guest lives and its console is silent")
                if cause:
                    break
            death = yield from self._examine(cause)
            self._process.kill()
            yield from self._pump()
            if self._spoke:
                yield from self._decoders[self._spoke].close()
            yield self._end(cause, death)
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
            now = self._chance.seconds()
            if self._hello is None and (channel == "port" or isinstance(item, Frame)):
                self._spoke = channel
                self._hello = now
                yield Hello(self._elapsed())
            if self._hello is not None:
                self._last_frame, self._last_sign = now, time.monotonic()
                if isinstance(item, Bad):
                    yield item
                elif item.payload["event"] in ("hello", "heartbeat"):
                    self._pace.note(item.payload.get("t"), now)
                    if channel == "port" and item.payload.get("greeted") is True:
                        self._greeted = now
                else:
                    self._note(item.payload["event"])
                    yield item

    def _note(self, event: str) -> None:
        if event == "case_begin":
            self._case_since = self._last_frame
        elif event == "case_end":
            self._case_since = None
        elif event == "run_end":
            self._finished = True
            self._dying_since = self._last_frame

    def _qmp(self, event: dict[str, Any]) -> QmpEvent:
        data = event.get("data")
        data = data if isinstance(data, dict) else {}
        name = str(event["event"])
        if name == "SHUTDOWN":
            self._shutdown = str(data.get("reason", ""))
        elif name == "STOP":
            self._stopped = time.monotonic()
        elif name == "RESUME":
            self._stopped = None
            # What it did not say meanwhile was not its fault.
            self._last_frame = self._chance.seconds()
        elif name == "GUEST_PANICKED":
            self._dying_since = self._dying_since or self._chance.seconds()
            self._panicked = True
        return QmpEvent(name, data, round(self._elapsed(), 3))

    def _console_is_silent(self) -> bool:
        """Once: whether the agent's line for the kernel log has not come out."""
        if self._greeted is None or self._chance.seconds() - self._greeted < CONSOLE_SECONDS and not self._finished:
            return False
        self._greeted = None
        return not self._console.greeted

    # ---- why watching ends ----

    def _gone(self) -> _Cause:
        status = self._process.status() or 0
        if status < 0:
            return _Cause("qemu-killed", f"QEMU was killed by signal {-status}{self._said()}")
        if status:
            return _Cause("", f"QEMU ended with status {status}{self._said()}", "error")
        return self._ended() or _Cause("", f"QEMU ended{self._said()}", "error")

    def _cause(self) -> _Cause | None:
        if self._flooded():
            return _Cause("", f"the guest wrote more than {OUTPUT_MAX >> 20} MiB", "error")
        return self._ended() or self._paused() or self._overdue()

    def _ended(self) -> _Cause | None:
        """The guest itself made an end: QEMU has paused it then."""
        if self._shutdown is None:
            return None
        if self._dead_by_panic():
            return _Cause("panic", self._panic())
        if self._shutdown == "guest-reset":
            return _Cause("reset", "guest reset without a panic's text (triple fault, or reboot)")
        if self._shutdown == "guest-shutdown":
            return _Cause("" if self._finished else "power-off", "guest powered off before the run's end", "crash")
        if self._shutdown == "host-signal":
            return _Cause("qemu-killed", f"QEMU was told by a signal to end{self._said()}")
        return _Cause("", f"QEMU ended ({self._shutdown or 'no reason given'}){self._said()}", "error")

    def _paused(self) -> _Cause | None:
        if self._stopped is None or not self._monitor:
            return None
        state = self._monitor.status()
        if state == "internal-error":
            return _Cause("accelerator", f"QEMU stopped the guest: the accelerator failed{self._said()}")
        if time.monotonic() - self._stopped > PAUSED_MAX:
            return _Cause("paused", f"someone paused the guest ({state or 'no state given'}) and did not continue it")
        return None

    def _overdue(self) -> _Cause | None:
        """What has taken too long, or None."""
        if self._stopped is not None:
            return None
        now = self._chance.seconds()
        if self._console.panic and self._dying_since is None:
            self._dying_since = now
        silent, limit = self._silence(now)
        text = f"no frame and no heartbeat for {limit:.3g} s"
        if self._dying_since is not None:
            silent, limit, text = now - self._dying_since, GRACE, "no end after the end"
        elif self._hello is None:
            silent, limit = now, self._limits.boot
            text = f"no hello from the agent {limit:g} s after QEMU's start"
        if silent > limit:
            return _Cause("panic", f"{self._panic()}; it stayed") if self._dead_by_panic() else _Cause("hang", text)
        if self._case_since is not None and now - self._case_since > self._limits.case:
            return _Cause("hang", f"heartbeat, but no end of the case for {self._limits.case:g} s of host time")
        if time.monotonic() - self._last_sign > STARVED * limit:
            return _Cause("starved", f"QEMU had hardly a CPU for {STARVED * limit:.0f} s: nothing is known of its guest")
        return None

    def _silence(self, now: float) -> tuple[float, float]:
        """(seconds without a sign, how many are too many)."""
        return now - self._last_frame, self._limits.silence or self._pace.silence()

    def _dead_by_panic(self) -> bool:
        return bool(self._console.panic or self._panicked)

    def _panic(self) -> str:
        return f"guest panicked: {self._console.panic or 'no text on the console'}"

    def _said(self) -> str:
        text = self._process.complaint()
        return f": {text}" if text else ""

    # ---- what it died of ----

    def _examine(self, cause: _Cause) -> Generator[QmpEvent | Frame | Bad | Hello, None, Death | None]:
        if not cause.kind or (self._finished and not self._dead_by_panic()):
            return None
        kind, cpus = cause.kind, []
        silent = self._chance.seconds() - self._last_frame
        # From here on this side and QEMU work for each other.
        both = Chance(self._process.pid, os.getpid())
        monitor = self._monitor if self._monitor and not self._monitor.closed and kind in EXAMINED else None
        if monitor:
            cpus = Triage(monitor, self._chance).sample(once=kind != "hang")
        if kind == "hang":
            kind, _ = classify(cpus)
            yield from self._poke(monitor)
        if monitor and self._shutdown is None:
            monitor.stop()
        # A panic that came to its reset has told all: memory has no more.
        whole = kind == "panic" and self._console.panic and self._shutdown is not None
        evidence = self._autopsy.perform(None if whole else monitor, cpus)
        yield from self._pump()
        took = Took(time.monotonic() - self._last_sign, silent + both.seconds(),
                    self._limits.silence or self._pace.silence())
        return judge(kind, cause.reason, evidence, took)

    def _poke(self, monitor: Monitor | None) -> Iterator[QmpEvent | Frame | Bad | Hello]:
        """
        The last question to a guest that is given up: an NMI reaches a CPU whose interrupts are off, and the
        kernel prints where it was. It counts as an unknown NMI, so never before the verdict.
        """
        if not monitor or not monitor.inject_nmi():
            return
        end = time.monotonic() + NMI_SECONDS
        while time.monotonic() < end and self._shutdown is None:
            self._wait(TICK)
            yield from self._pump()

    def _end(self, cause: _Cause, death: Death | None) -> End:
        reason, verdict = cause.reason, cause.verdict or VERDICTS.get(cause.kind, "error")
        if death:
            verdict = VERDICTS[death.kind]
            if cause.kind == "hang":
                reason = "; ".join([f"{death.kind}: {reason}", *map(str, death.cpus)])
            if death.title not in reason and not (cause.kind == "panic" and death.title.startswith("kernel panic")):
                reason = f"{reason}; {death.title}"
        return End(verdict, reason, self._tail(death), self._hello is not None, self._finished,
                   hopeless=self._hello is None and (self._process.status() or 0) > 0, death=death)

    def _tail(self, death: Death | None) -> list[str]:
        tail = self._console.tail()
        if death and death.log == "dump":
            tail = [*tail[-TAIL_CONSOLE:], *map(clean, death.unseen[-TAIL_DUMP:])]
        return tail
