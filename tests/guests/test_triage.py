# SPDX-License-Identifier: GPL-2.0-only
"""What is concluded from registers, memory and the host's load, without a guest."""
from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.guest import autopsy, chance, kallsyms, printk, registers
from runner.guest.autopsy import Autopsy, Evidence, judge
from runner.guest.chance import Chance, Pace
from runner.guest.death import Cpu, Took, fatal, panic_text
from runner.guest.dump import Dump, DumpError
from runner.guest.guest import Guest, Limits
from runner.guest.qemu import Process
from runner.guest.registers import Sample
from runner.guest.triage import Triage, classify

# ---- registers ----

X86 = """
CPU#0
RAX=000000000001ad40 RBX=0000000000000000 RCX=7ffffffeeca064ff RDX=4000000000000000
R8 =0000000000022e80 RSP=ffffffff82a03e90
RIP=ffffffff81a0dfeb RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1
CR0=80050033 CR2=ffff888003801000 CR3=0000000002a10000 CR4=000006b0

CPU#1
RAX=fffffffffffffff8
RIP=0000000000401d37 RFL=00000006 [-----P-] CPL=3 II=0 A20=1 SMM=0 HLT=0
"""
ARM = """
CPU#0
 PC=ffff800008101970 X00=ffff8000098ac640 X01=0000000000000003
X29=ffff80000800bb40 X30=ffff8000081033c0  SP=ffff80000800bb10
PSTATE=604000c5 -ZC- EL1h     FPCR=00000000 FPSR=00000000
"""


def test_registers_say_mode_interrupts_and_rest() -> None:
    first, second = registers.parse(X86)
    assert (first.pc, first.user, first.interrupts, first.halted) == (0xffffffff81a0dfeb, False, True, True)
    assert (second.cpu, second.user, second.interrupts, second.halted) == (1, True, False, False)
    assert first.registers["r8"] == 0x22e80 and first.stack == 0xffffffff82a03e90
    arm, = registers.parse(ARM)
    assert (arm.pc, arm.user, arm.interrupts, arm.halted) == (0xffff800008101970, False, False, None)
    user, = registers.parse(ARM.replace("604000c5", "60400000"))
    assert user.user and user.interrupts


def test_garbage_for_registers_never_raises() -> None:
    rng = random.Random(1)
    for text in (X86, ARM):
        for _ in range(300):
            at = rng.randrange(len(text))
            registers.parse(text[:at] + rng.choice("\0=#RIPC\n") * rng.randrange(40) + text[at + rng.randrange(30):])
    registers.parse("CPU#" + "9" * 5000 + "\nRIP=" + "f" * 5000)


# ---- what silence means ----

class FakeMonitor:
    closed = False

    def __init__(self, rounds: list[list[Sample]], word: int = 0) -> None:
        self._rounds, self._word = rounds, word

    def registers(self) -> list[Sample]:
        self._rounds.append(self._rounds.pop(0))
        return self._rounds[-1]

    def word(self, cpu: int, address: int) -> int:
        return self._word


class Running:
    """A chance that comes with each look."""

    def __init__(self) -> None:
        self._now = 0.0

    def seconds(self) -> float:
        self._now += 0.1
        return self._now


def x86(pc: int, user: bool = False, on: bool = True, halted: bool = False, cpu: int = 0) -> Sample:
    return Sample(cpu, pc, user, on, halted, {"rip": pc})


def arm(pc: int, on: bool = False) -> Sample:
    return Sample(0, pc, False, on, None, {"pc": pc})


IDLE = x86(0xffffffff81000000, halted=True, cpu=1)


@pytest.mark.parametrize("rounds, word, kind, state", [
    ([[x86(1 << 63, on=False)]], 0, "hard-hang", "stuck"),
    ([[x86(1 << 63 | n, on=False)] for n in range(4)], 0, "hard-hang", "moving"),
    ([[x86(1 << 63 | n, on=n == 3)] for n in range(4)], 0, "soft-hang", "moving"),
    ([[x86(0x401000, user=True)]], 0, "user-spin", "stuck"),
    ([[x86(0x401000, user=True), IDLE]], 0, "user-spin", "stuck"),
    # A tick in between does not make it the kernel's.
    ([[x86(0x401000 + n, user=n != 2)] for n in range(5)], 0, "user-spin", "moving"),
    ([[x86(1 << 63, halted=True)]], 0, "soft-hang", "halted"),
    # An idle vCPU whose wake-ups take most samples of a slow host is no busy kernel.
    ([[x86(0x401000, user=True), x86(1 << 63 | n, halted=n == 0, cpu=1)] for n in range(5)], 0, "user-spin", "stuck"),
    ([[x86(1 << 63 | n, halted=n == 0)] for n in range(20)], 0, "soft-hang", "halted"),
    # A spinning program that the scheduler gives a rest is not idle.
    ([[x86(0x401000, user=True)]] * 4 + [[x86(1 << 63, halted=True)]], 0, "user-spin", "moving"),
    # Each vCPU for itself: one that spins is not excused by one that sleeps.
    ([[x86(1 << 63 | n), x86(1 << 62, halted=True, cpu=1)] for n in range(5)], 0, "soft-hang", "moving"),
    ([[x86(1 << 63, on=False, halted=True)]], 0, "hard-hang", "halted"),
    # One vCPU that takes no interrupts is worse than one that is busy.
    ([[x86(0x401000, user=True), x86(1 << 63, on=False, cpu=1)]], 0, "hard-hang", "stuck"),
    # arm64 waits with interrupts masked, behind a wfi.
    ([[arm(1 << 63)]], 0xd503207f, "soft-hang", "halted"),
    ([[arm(1 << 63 | 4 * (n % 3), on=n == 2)] for n in range(20)], 0xd503207f, "soft-hang", "halted"),
    ([[arm(1 << 63 | 4 * n)] for n in range(20)], 0x14000000, "hard-hang", "moving"),
    ([[arm(1 << 63)]], 0x14000000, "hard-hang", "stuck"),
    ([[arm(1 << 63, on=True)]], 0x14000000, "soft-hang", "stuck"),
])
def test_each_picture_has_its_kind(rounds: list[list[Sample]], word: int, kind: str, state: str) -> None:
    cpus = Triage(FakeMonitor(rounds, word), Running()).sample()  # type: ignore[arg-type]
    assert classify(cpus)[0] == kind
    assert cpus[0].state == state


def test_a_monitor_that_does_not_answer_is_no_end_of_the_runner() -> None:
    assert Triage(FakeMonitor([[]]), Running()).sample() == []  # type: ignore[arg-type]
    assert classify([])[0] == "hard-hang"


def splat(title: str, **keys: Any) -> dict[str, Any]:
    return {"event": "splat", "class": "oops", "severity": "fatal", "title": title, **keys}


SPIN = [Cpu(0, "stuck", "kernel", False, 1 << 63, "spin+0x1/0x2")]
PANIC = "[    1.0] Kernel panic - not syncing: "


@pytest.mark.parametrize("kind, lines, splats, verdict, title", [
    ("hard-hang", [], [], "hard-hang", "hard-hang: in spin with interrupts off"),
    ("hard-hang", ["x"], [splat("oops in f")], "oops", "oops in f"),
    # A hang in which the kernel has noticed it is still that hang.
    ("hard-hang", ["x"], [splat("BUG: soft lockup in f", **{"class": "soft-lockup"})], "hard-hang",
     "hard-hang: in spin with interrupts off"),
    ("soft-hang", [PANIC + "no one saw it"], [], "panic", "Kernel panic - not syncing: no one saw it"),
    # What our own NMI made the kernel say is no cause.
    ("hard-hang", [PANIC + "NMI: Not continuing"], [splat("panic in spin", text=PANIC + "NMI: Not continuing")],
     "hard-hang", "hard-hang: in spin with interrupts off"),
    ("reset", [], [], "reset", "why"),
    ("reset", ["x"], [splat("oops in f")], "reset", "oops in f"),
    ("panic", [PANIC + "Attempted to kill init! exitcode=0x9"], [splat("oops in f")], "oops", "oops in f"),
    ("panic", [PANIC + "Fatal exception in interrupt"], [splat("oops in f")], "panic", "oops in f"),
    ("panic", [PANIC + "gone"], [splat("w", severity="warning")], "panic", "Kernel panic - not syncing: gone"),
    ("qemu-killed", [], [], "qemu-killed", "why"),
])
def test_the_log_corrects_what_was_seen_from_outside(kind: str, lines: list[str], splats: list[dict[str, Any]],
                                                     verdict: str, title: str) -> None:
    death = judge(kind, "why", Evidence(lines, "dump", splats=splats, cpus=SPIN), Took(6.0, 5.0))
    assert (death.kind, death.title) == (verdict, title)


def test_only_what_kills_a_task_ends_a_boot() -> None:
    assert fatal({"severity": "fatal"}) and not fatal({"severity": "warning", "text": "Oops: 0002 [#1]"})
    assert fatal({"text": "BUG: x\nOops: 0002 [#1] SMP"}) and fatal({"text": "Internal error: Oops: 96000044 [#1]"})
    assert not fatal({"text": "WARNING: CPU: 0 PID: 1 at x"})
    assert panic_text(["a", PANIC + "b\x1b"]) == "Kernel panic - not syncing: b\\x1b"


# ---- the host's load ----

class Proc:
    """A /proc of one process with one thread."""

    def __init__(self, path: Path, schedstat: bool = True) -> None:
        self._task = path / "7" / "task" / "7"
        self._task.mkdir(parents=True)
        self._schedstat = schedstat
        self.root = path
        self.set()

    def set(self, state: str = "S", ticks: int = 0, waited: float = 0.0) -> None:
        (self._task / "stat").write_text(f"7 (a) b (c) {state} " + "0 " * 10 + f"{ticks} 0 0\n")
        if self._schedstat:
            (self._task / "schedstat").write_text(f"1 {int(waited * 1e9)} 1\n")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    now = [100.0]
    monkeypatch.setattr(chance.time, "monotonic", lambda: now[0])
    yield now


def test_a_qemu_that_waits_for_a_cpu_is_not_silent(tmp_path: Path, clock: list[float]) -> None:
    proc = Proc(tmp_path)
    watch = Chance(7, proc=tmp_path)
    clock[0] += 10
    proc.set("R", 100, waited=9)
    assert watch.seconds() == pytest.approx(1)
    clock[0] += 10  # asleep: it had every chance
    proc.set("S", 100, waited=9)
    assert watch.seconds() == pytest.approx(11)
    clock[0] += 100  # stopped by someone
    proc.set("T", 100, waited=9)
    assert watch.seconds() == pytest.approx(11)


def test_without_schedstat_a_thread_that_wants_to_run_is_believed_its_cpu_time(tmp_path: Path,
                                                                               clock: list[float]) -> None:
    proc = Proc(tmp_path, schedstat=False)
    watch = Chance(7, proc=tmp_path)
    clock[0] += 10
    proc.set("R", 100)
    assert watch.seconds() == pytest.approx(1)
    clock[0] += 10
    proc.set("S", 100)
    assert watch.seconds() == pytest.approx(11)


def test_a_process_that_is_gone_stops_nothing(tmp_path: Path, clock: list[float]) -> None:
    watch = Chance(7, proc=tmp_path)
    clock[0] += 10
    assert watch.seconds() == pytest.approx(10)


def test_a_slow_guest_is_given_more_time_and_a_liar_not_for_ever() -> None:
    pace = Pace()
    assert pace.silence() == chance.SILENCE_MIN
    pace.note(1.0, 8.0)  # a second of the guest takes eight
    assert pace.silence() == pytest.approx(chance.BEATS * chance.BEAT * 8)
    for hostile in (float("nan"), -1, 1e300, "1", None, True, 1.0000001, 1.2):
        pace.note(hostile, 1e9)
    assert pace.silence() <= chance.SILENCE_MAX
    assert Pace().silence() == chance.SILENCE_MIN


# ---- memory ----

def elf(info: bytes, memory: bytes, machine: int = 62, phys: int = 0) -> bytes:
    note = struct.pack("<III", 11, len(info), 0) + b"VMCOREINFO\0\0" + info + b"\0" * (-len(info) % 4)
    head = 64 + 2 * 56
    header = b"\x7fELF\x02\x01" + b"\0" * 10 + struct.pack("<HHIQQQIHHHHHH", 4, machine, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    note_at, load_at = head, head + len(note)
    return (header + struct.pack("<IIQQQQQQ", 4, 0, note_at, 0, 0, len(note), len(note), 0)
            + struct.pack("<IIQQQQQQ", 1, 0, load_at, 0, phys, len(memory), len(memory), 0) + note + memory)


BASE = 0xffffffff80000000
LAYOUT = {"printk_ringbuffer.desc_ring": 0, "printk_ringbuffer.text_data_ring": 48, "prb_desc_ring.count_bits": 0,
          "prb_desc_ring.descs": 8, "prb_desc_ring.infos": 16, "prb_desc_ring.head_id": 24, "prb_desc_ring.tail_id": 32,
          "prb_desc.state_var": 0, "prb_desc.text_blk_lpos": 8, "prb_data_blk_lpos.begin": 0, "prb_data_blk_lpos.next": 8,
          "printk_info.seq": 0, "printk_info.ts_nsec": 8, "printk_info.text_len": 16, "prb_data_ring.size_bits": 0,
          "prb_data_ring.data": 8, "atomic_long_t.counter": 0}
INFO = ("OSRELEASE=6\nPAGESIZE=4096\nNUMBER(phys_base)=0\n" + f"SYMBOL(prb)={BASE:x}\nSIZE(prb_desc)=24\nSIZE(printk_info)=88\n"
        + "".join(f"OFFSET({name})={at}\n" for name, at in LAYOUT.items())).encode()


def ring(texts: list[bytes], count_bits: int = 3, size_bits: int = 10) -> bytes:
    """A kernel's log as it lies in memory from BASE on; texts that do not fit wrap round as the kernel's do."""
    count, size = 1 << count_bits, 1 << size_bits
    descs, infos, data = bytearray(24 * count), bytearray(88 * count), bytearray(size)
    at, first = 0, 1000
    for n, text in enumerate(texts):
        length = 8 + len(text) + -len(text) % 8
        begin, after = at, at + length
        if begin // size != after // size and after % size:
            start = 0  # wraps: the text stands at the beginning
            after = (begin // size + 1) * size + length
        else:
            start = begin % size
        data[start:start + 8 + len(text)] = struct.pack("<Q", first + n) + text
        index = (first + n) % count
        struct.pack_into("<QQQ", descs, 24 * index, 2 << 62 | first + n, begin, after)
        struct.pack_into("<QQH", infos, 88 * index, n, n * 10**6, len(text))
        at = after
    tail = first + max(0, len(texts) - count)
    parts = {0x1000: descs, 0x4000: infos, 0x8000: data}
    memory = bytearray(0x8000 + size)
    struct.pack_into("<Q", memory, 0, BASE + 0x100)
    struct.pack_into("<IIQQQQ", memory, 0x100, count_bits, 0, BASE + 0x1000, BASE + 0x4000, first + len(texts) - 1, tail)
    struct.pack_into("<IIQ", memory, 0x130, size_bits, 0, BASE + 0x8000)
    for where, part in parts.items():
        memory[where:where + len(part)] = part
    return bytes(memory)


def read_log(path: Path, data: bytes) -> list[str]:
    path.write_bytes(data)
    with Dump(path) as dump:
        return [record.text for record in printk.records(dump)]


def test_the_log_comes_out_of_memory_in_order(tmp_path: Path) -> None:
    texts = [b"line %d " % n + b"x" * (17 * n % 60) for n in range(6)]
    assert read_log(tmp_path / "d", elf(INFO, ring(texts))) == [t.decode() for t in texts]
    many = [b"line %d " % n + b"y" * (n % 40) for n in range(40)]
    assert read_log(tmp_path / "d", elf(INFO, ring(many))) == [t.decode() for t in many[-8:]]


def test_without_a_note_the_kernels_description_is_found_in_memory(tmp_path: Path) -> None:
    memory = ring([b"hello"]) + b"\0" * 64 + INFO + b"\0"
    assert read_log(tmp_path / "d", elf(b"guest", memory)) == ["hello"]
    with pytest.raises(DumpError, match="no VMCOREINFO"):
        read_log(tmp_path / "d", elf(b"guest", ring([b"hello"])))


def test_a_hostile_memory_gives_an_error_or_a_log_and_nothing_else(tmp_path: Path) -> None:
    rng = random.Random(2)
    good = elf(INFO, ring([b"line %d" % n for n in range(9)]))
    failed = 0
    for _ in range(1500):
        data = bytearray(good)
        for _ in range(rng.randrange(1, 5)):
            at = rng.choice((rng.randrange(len(data)), rng.randrange(1024), len(good) - 0x8400 + rng.randrange(0x150)))
            data[at] = rng.choice((0, 0xff, rng.randrange(256)))
        if rng.random() < 0.2:
            del data[rng.randrange(len(data)):]
        try:
            read_log(tmp_path / "d", bytes(data))
            with Dump(tmp_path / "d") as dump:
                kallsyms.Kallsyms(dump)
        except DumpError:
            failed += 1
    assert failed > 500


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"x" * 1000])
def test_what_is_no_dump_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(data)
    with pytest.raises(DumpError):
        Dump(tmp_path / "d")


class Dumping:
    """A monitor whose dump fails or brings a file."""

    closed = False
    error = "dump: failed to save memory: No space left on device"

    def __init__(self, data: bytes | None) -> None:
        self._data = data

    def dump(self, path: Path) -> bool:
        path.write_bytes(self._data or b"half")
        return self._data is not None


def test_a_dump_that_fails_leaves_a_note_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "console").write_bytes(b"[    1.0] hello\r\n")
    for data, words in ((None, "No space left"), (b"junk", "not a whole ELF dump")):
        found = Autopsy(tmp_path, 1).perform(Dumping(data), [])  # type: ignore[arg-type]
        assert words in found.notes[-1] and found.lines == ["[    1.0] hello"]
        assert not (tmp_path / "dump").exists()


def test_a_nearly_full_disk_is_not_filled(tmp_path: Path) -> None:
    found = Autopsy(tmp_path, 1 << 40).perform(Dumping(b""), [])  # type: ignore[arg-type]
    assert "MiB free" in found.notes[-1] and not (tmp_path / "dump").exists()


def test_what_the_console_kept_to_itself_is_the_evidence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "console").write_bytes(b"[    0.000000] seen\r\n")
    monkeypatch.setattr(autopsy, "parse_splats",
                        lambda lines, notes: [splat("oops in f")] if any("Oops" in x for x in lines) else [])
    found = Autopsy(tmp_path, 1).perform(Dumping(elf(INFO, ring([b"seen", b"Oops: 1 [#1]"]))), [])  # type: ignore[arg-type]
    assert found.source == "dump" and found.unseen == ["[    0.001000] Oops: 1 [#1]"]
    assert judge("hard-hang", "why", found, Took(1.0, 1.0)).kind == "oops"


# ---- states of QEMU; real ones: test_stopped.py ----

class Stopped:
    closed = False

    def __init__(self, state: str) -> None:
        self._state = state

    def status(self) -> str:
        return self._state


def test_an_accelerators_failure_is_told_from_someones_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = Guest(["/bin/sleep", "60"], tmp_path, Limits())
    try:
        guest._qmp({"event": "STOP"})
        guest._monitor = Stopped("internal-error")  # type: ignore[assignment]
        cause = guest._cause()
        assert cause and cause.kind == "accelerator"
        guest._monitor = Stopped("paused")  # type: ignore[assignment]
        assert guest._cause() is None, "a pause is allowed to be short"
        guest._stopped = guest._start - 60
        cause = guest._cause()
        assert cause and cause.kind == "paused"
        guest._qmp({"event": "RESUME"})
        assert guest._cause() is None
    finally:
        guest._monitor = None
        guest.close()
    assert isinstance(guest._process, Process)
