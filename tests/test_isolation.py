"""The seven rules of isolation: who breaks one is found, while it runs and in the trace; who does not is not.

Two domains take turns of 2 ms on a coproc of 1 GHz. The generic platform leaves and enters in 25 µs each, and
invalidates in 2 µs: `a` runs from 25 µs on, `b` from 2,025 + 25 + 2 + 25 = 2,077 µs on, `a` again from 4,129 µs on.
"""

from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.base import Hardware
from coprocsim.hardware.generic import GenericHardware
from coprocsim.hypervisor import domains, faults, interrupts, iommu, lifecycle, mmio
from coprocsim.hypervisor.state import Board, Fault, Vcoproc
from coprocsim.model import After, CoprocSpec, Effect, FaultKind, Json, RaiseIrq, Rule, VcoprocId, VcoprocState
from coprocsim.observe.verify import Finding, verified
from coprocsim.observe.view import view
from coprocsim.platforms.base import Answer, Done, Leave, Left, Platform, Refused, Reset
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.jobunit import Context, JobUnitPlatform
from coprocsim.platforms.reference import ReferencePlatform
from coprocsim.schedulers.base import Scheduler
from coprocsim.schedulers.rrobin import RoundRobin
from coprocsim.store import opened, read
from tests.machines import MS, PAGE_BYTES, US, Machine, spec

A, B = VcoprocId(1, 0), VcoprocId(2, 0)
A_RUNS_PS, B_RUNS_PS, A_AGAIN_PS = 25 * US, 2_077 * US, 4_129 * US
SECRET = 0x5EC7E7

Pair = tuple[Machine, Vcoproc, Vcoproc]


def pair(
    platform: type[Platform] = GenericPlatform, algorithm: type[Scheduler] = RoundRobin, *, checks: bool = True
) -> Pair:
    """Return a machine and its two vcoprocs, which do nothing by themselves."""
    machine = Machine()
    machine.board.checks = checks
    machine.coproc("gpu0", platform, algorithm, settings={"slice": 2 * MS}, described=spec(regions=2))
    return machine, machine.vcoproc("a"), machine.vcoproc("b")


def write(vcoproc: Vcoproc, board: Board, offset: int, value: int, region: int = 0) -> None:
    mmio.access(board, vcoproc.domain, vcoproc.windows[region].base + offset, 4, value)


def submit(machine: Machine, vcoproc: Vcoproc, work_cycles: int = 10**8, dma: tuple[int, int] = (0, 0)) -> None:
    """Let a domain put a job into the unit."""
    for offset, value in ((reg.WORK_LO, work_cycles), (reg.DMA_LO, dma[0]), (reg.DMA_BYTES, dma[1]), (reg.DOORBELL, 1)):
        write(vcoproc, machine.board, offset, value)
    machine.hypervisor.settle()


def at_work(platform: type[Platform] = GenericPlatform, *, checks: bool = True) -> Pair:
    """Return the two with a job each that outlasts all: `a` has a secret in the registers of its next one."""
    machine, a, b = pair(platform, checks=checks)
    submit(machine, a)
    submit(machine, b)
    machine.run(MS)
    write(a, machine.board, reg.DMA_HI, SECRET)
    return machine, a, b


def found(machine: Machine) -> list[tuple[Any, ...]]:
    """Return what was found while it ran: instant, rule, who, how."""
    return [(at_ps, rule, who, what) for at_ps, _, _, who, rule, what in machine.rows("finding")]


def found_later(machine: Machine, path: Path) -> list[tuple[Any, ...]]:
    """Store the machine, and return what `verify` finds in it."""
    path.unlink(missing_ok=True)
    with opened(path) as file:
        file.save(machine.stored())
        file.append_trace(machine.board.trace, 2**30)
    with read(path) as file:
        findings: tuple[Finding, ...] = verified(view(file), file).findings
    return [(each.at_ps, each.rule, each.vcoproc, each.what) for each in findings]


def assert_found(machine: Machine, path: Path, *expected: tuple[int, Rule, str, str]) -> None:
    """Assert what was found while it ran, that it was counted, and that `verify` says the same."""
    assert found(machine) == list(expected)
    assert machine.board.coprocs["gpu0"].counters.findings == len(expected)
    assert found_later(machine, path) == list(expected)


# ---------------------------------------------------------------- 1. one runs


def run_both(*, checks: bool) -> Machine:
    """Let the framework itself do what no plugin can: `b` runs although `a` does."""
    machine, a, b = at_work(checks=checks)
    assert machine.running() == a.vcoproc_id
    lifecycle.set_state(machine.board, b, VcoprocState.RUNNING)
    return machine


def test_two_that_run_at_once_are_found(tmp_path: Path):
    machine = run_both(checks=True)
    stream = machine.board.vcoprocs["d1v0"].streams[0]
    assert_found(
        machine,
        tmp_path / "m",
        (MS, Rule.ONE_RUNS, "d2v0", "it runs while d1v0 does"),
        (MS, Rule.IOMMU, "d2v0", f"it runs while stream {stream} translates for d1v0"),
    )


def test_two_that_run_at_once_are_found_in_the_rows_alone(tmp_path: Path):
    machine = run_both(checks=False)
    assert found(machine) == []
    assert found_later(machine, tmp_path / "m") == [
        (MS, Rule.ONE_RUNS, "d2v0", "it runs while d1v0 does"),
        (MS, Rule.IOMMU, "d2v0", "it runs while the IOMMU translates for d1v0"),
    ]


# ---------------------------------------------------------------- 2. the IOMMU


def enable_for_another(*, checks: bool) -> Machine:
    """Let the framework hand the IOMMU over to `b` in the middle of `a`'s turn."""
    machine, a, b = at_work(checks=checks)
    iommu.disable(machine.board, a.coproc, a)
    assert iommu.enable(machine.board, b.coproc, b) is None
    return machine


@pytest.mark.parametrize("checks", [True, False])
def test_translations_for_one_that_does_not_run_are_found(tmp_path: Path, checks: bool):
    expected = (MS, Rule.IOMMU, "d2v0", "its translations are enabled while d1v0 runs")
    machine = enable_for_another(checks=checks)
    assert found(machine) == [expected] * checks
    assert found_later(machine, tmp_path / "m") == [expected]


@pytest.mark.parametrize("checks", [True, False])
def test_dma_through_a_translation_that_was_not_invalidated_is_found(tmp_path: Path, checks: bool):
    """`b` runs 2 µs sooner, at 2,075 µs, and its job begins there: it reads its window in what is `a`'s memory."""
    machine, a, b = pair(checks=checks)
    faults.inject(machine.board, a.coproc, Fault(FaultKind.STALE_IOMMU, None, 1))
    submit(machine, a)
    submit(machine, b, dma=(0x4000_1000, 4096))
    machine.run(3 * MS)
    what = "its DMA at 0x40001000 went to the memory of d1v0: its translations were not invalidated"
    expected = (B_RUNS_PS - 2 * US, Rule.IOMMU, "d2v0", what)
    assert found(machine) == [expected] * checks
    assert found_later(machine, tmp_path / "m") == [expected]


# ---------------------------------------------------------------- 3. interrupts


class Misdelivering(GenericPlatform):
    """Sends every interrupt to the other one, too."""

    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        return (*super().interrupt(vcoproc, line, now_ps), RaiseIrq(B if vcoproc == A else A, line))


@pytest.mark.parametrize("checks", [True, False])
def test_an_interrupt_that_goes_to_another_domain_is_found(tmp_path: Path, checks: bool):
    """The job of 100 µs begins at 25 µs."""
    machine, a, b = pair(Misdelivering, checks=checks)
    write(a, machine.board, reg.IRQ_ENABLE, reg.IRQ_DONE)
    submit(machine, a, 100_000)
    machine.run(MS)
    expected = (125 * US, Rule.IRQ, "d2v0", "line irq0 was raised for d1v0 and is delivered to d2v0")
    assert found(machine) == [expected] * checks
    assert found_later(machine, tmp_path / "m") == [expected]
    assert (a.counters.irqs, b.counters.irqs) == (1, 1)


class Doorbell(GenericPlatform):
    """Rings another domain's bell when one writes to a register."""

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        return Answer(effects=(RaiseIrq(B, "irq0"),))

    def reset(self, vcoproc: VcoprocId, now_ps: int) -> Reset:
        return Done(0, (RaiseIrq(B, "irq0"),))

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        return (RaiseIrq(B, "irq0"),)


def test_an_interrupt_because_of_another_s_access_start_or_reset_is_found(tmp_path: Path):
    machine, a, _ = pair(Doorbell)
    write(a, machine.board, 0, 1)
    faults.inject(machine.board, a.coproc, Fault(FaultKind.FAIL_ENTER, None, 1))
    machine.wake(a)
    machine.run(MS)
    machine.wake(a)
    machine.run(2 * MS)
    assert_found(
        machine,
        tmp_path / "m",
        (0, Rule.IRQ, "d2v0", "line irq0 is delivered to it because of an access of d1v0"),
        (0, Rule.IRQ, "d2v0", "line irq0 is delivered to it because of the reset of d1v0"),
        (1_025 * US, Rule.IRQ, "d2v0", "line irq0 is delivered to it because of the start of d1v0"),
    )


class Alarm(GenericPlatform):
    """Rings the second domain's bell 10 µs after any start, and after a trapped write to one register."""

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        return (*super().start(vcoproc, now_ps), After(10 * US, "alarm"))

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        answer = super().write(vcoproc, region, offset, size, value)
        return Answer(effects=(After(10 * US, "alarm"),)) if offset == reg.WORK_HI else answer

    def timer(self, tag: str, now_ps: int) -> tuple[Effect, ...]:
        return (RaiseIrq(B, "irq0"),)


def test_an_interrupt_because_of_a_timer_is_found_unless_it_is_one_of_who_has_the_coproc(tmp_path: Path):
    """Nobody has it at 10 µs. Then `a` starts at 100 + 25 µs, and `b` 2,000 + 25 + 2 + 25 µs later."""
    machine, a, b = pair(Alarm)
    write(a, machine.board, reg.WORK_HI, 0)
    machine.run(100 * US)
    submit(machine, a)
    submit(machine, b)
    machine.run(3 * MS)
    assert machine.story("irq") == ["10 irq d2v0 irq0", "135 irq d2v0 irq0", "2187 irq d2v0 irq0"]
    assert_found(
        machine,
        tmp_path / "m",
        (10 * US, Rule.IRQ, "d2v0", "line irq0 is delivered to it because of a timer while nobody has it"),
        (135 * US, Rule.IRQ, "d2v0", "line irq0 is delivered to it because of a timer while d1v0 has it"),
    )


@pytest.mark.parametrize("does", [("trap", "r0", 0x20, 4, "write"), ("reset", "it hangs")])
def test_what_a_domain_s_own_access_or_reset_sends_it_at_that_instant_is_its_own(tmp_path: Path, does: tuple[Any, ...]):
    """`a`'s line goes up twice; the first time only, `b` has a reason of its own to be told by the same line."""
    machine, a, _ = at_work(checks=False)
    what, *more = does
    for at_ps in (MS, MS + 1):
        machine.run(at_ps)
        machine.board.record(a.coproc, "raised", "d1v0", "irq0")
        if at_ps == MS:
            machine.board.record(a.coproc, what, "d2v0", *more)
        machine.board.record(a.coproc, "irq", "d2v0", "irq0")
        machine.board.record(a.coproc, "irq", "d1v0", "irq0")
    wrong = "line irq0 was raised for d1v0 and is delivered to d2v0"
    of_irqs = [each for each in found_later(machine, tmp_path / "m") if each[1] is Rule.IRQ]
    assert of_irqs == [(MS + 1, Rule.IRQ, "d2v0", wrong)]


def test_an_interrupt_that_a_paused_domain_gets_late_is_not_the_one_of_that_instant(tmp_path: Path):
    """Raised for `a` at 125 µs and held, its job is uncuttable; `b`'s raises the line when `a` goes on, at 2,125 µs."""
    machine, a, b = pair()
    write(a, machine.board, reg.UNCUTTABLE_LO, 100_000)
    for vcoproc in (a, b):
        write(vcoproc, machine.board, reg.IRQ_ENABLE, reg.IRQ_DONE)
    submit(machine, a, 100_000)
    machine.run(100 * US)
    machine.do("pause", a)
    machine.run(2 * MS)
    submit(machine, b, 100_000)
    machine.run(2_125 * US)
    machine.do("unpause", a)
    machine.run(3 * MS)
    assert machine.story("raised", "irq") == [
        "125 raised d1v0 irq0",
        "2125 raised d2v0 irq0",
        "2125 irq d2v0 irq0",
        "2125 irq d1v0 irq0",
    ]
    assert_found(machine, tmp_path / "m")


# ---------------------------------------------------------------- 4. accesses


class Careless(GenericPlatform):
    """Lets every access of the second domain through to the hardware, whoever runs."""

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        if vcoproc != B:
            return super().write(vcoproc, region, offset, size, value)
        self.port.write(region, offset, size, value)
        return Answer()


def test_an_access_of_one_that_does_not_run_is_found_when_it_reaches_the_hardware(tmp_path: Path):
    machine, a, b = pair(Careless)
    write(b, machine.board, reg.WORK_LO, 1)
    submit(machine, a)
    machine.run(MS)
    write(b, machine.board, reg.DOORBELL, 1)
    assert_found(
        machine,
        tmp_path / "m",
        (0, Rule.ACCESS, "d2v0", "its access to r0+0x30 reached the hardware while nobody has it"),
        (MS, Rule.ACCESS, "d2v0", "its access to r0+0x4c reached the hardware while d1v0 has it"),
    )


# ---------------------------------------------------------------- 5. time


class Early(GenericPlatform):
    """Says that it had left before it was told to."""

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        left = super().switch_from(vcoproc, now_ps)
        return Left(-US) if isinstance(left, Left) else left


@pytest.mark.parametrize("checks", [True, False])
def test_a_cost_that_is_negative_is_found_and_time_adds_up_all_the_same(tmp_path: Path, checks: bool):
    machine, *_ = at_work(Early, checks=checks)
    machine.run(3 * MS)
    expected = (2_025 * US, Rule.TIME, "d1v0", "`switch_from` answers a cost of -1000000 ps")
    assert found(machine) == [expected] * checks
    assert found_later(machine, tmp_path / "m") == [expected]
    machine.check_time()


@pytest.mark.parametrize("checks", [True, False])
def test_time_that_does_not_add_up_is_found(tmp_path: Path, checks: bool):
    machine, a, _ = at_work(checks=checks)
    machine.run(3 * MS)
    a.coproc.counters.run_ps += 1
    assert found_later(machine, tmp_path / "m") == [
        (3 * MS, Rule.TIME, "-", "2923000001 + 77000000 + 0 + 0 ps are not the 3000000000 ps that have passed"),
        (3 * MS, Rule.TIME, "-", "run: 2923000001 ps are booked, and 2923000000 ps stand in the trace"),
    ]


# ---------------------------------------------------------------- 6. what a context leaves behind


NAME = f"{reg.DMA_HI:#04x}"


class ForgetsToSave(GenericPlatform):
    """Reads all registers out but one."""

    def _saved_context(self) -> Context:
        context = super()._saved_context()
        context.registers.pop(reg.DMA_HI, None)
        return context


class ForgetsToRestore(GenericPlatform):
    """Writes all registers but one."""

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        forgotten = self._contexts[vcoproc].registers.pop(reg.DMA_HI, 0)
        effects = super().start(vcoproc, now_ps)
        self._contexts[vcoproc].registers[reg.DMA_HI] = forgotten
        return effects


class ForgetsToScrub(GenericPlatform):
    """Clears all registers but one."""

    def _write(self, offset: int, value: int) -> None:
        forgotten = self._read(reg.DMA_HI) if value == reg.CONTROL_RESET else None
        super()._write(offset, value)
        if forgotten is not None:
            super()._write(reg.DMA_HI, forgotten)


class OneForAll(GenericPlatform):
    """Has one place for a register of all contexts, whoever saved it last."""

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        for other, context in self._contexts.items():
            if other != vcoproc and reg.DMA_HI in context.registers:
                self._contexts[vcoproc].registers[reg.DMA_HI] = context.registers[reg.DMA_HI]
        return super().start(vcoproc, now_ps)


LOST = f"{NAME} is not what it was when it left: it holds 0x0"


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (ForgetsToSave, (A_AGAIN_PS, Rule.LEAK, "d1v0", LOST)),
        (ForgetsToRestore, (A_AGAIN_PS, Rule.LEAK, "d1v0", LOST)),
        (ForgetsToScrub, (B_RUNS_PS, Rule.LEAK, "d2v0", f"{NAME} holds 0x5ec7e7 of d1v0 (domain `a`)")),
    ],
    ids=lambda each: each.__name__ if isinstance(each, type) else "",
)
def test_a_register_that_is_forgotten_is_found_by_name(tmp_path: Path, platform: type[Platform], expected: Any):
    machine, *_ = at_work(platform)
    machine.run(5 * MS)
    assert_found(machine, tmp_path / "m", expected)


def test_a_register_that_comes_back_with_another_s_value_is_found_with_whose_it_is(tmp_path: Path):
    """`b` wrote 7 while it ran; when it comes back, after 4,129 + 2,000 + 52 µs, it has what is `a`'s."""
    machine, _, b = at_work(OneForAll)
    machine.run(3 * MS)
    write(b, machine.board, reg.DMA_HI, 7)
    machine.run(7 * MS)
    again = [each for each in found(machine) if each[0] == A_AGAIN_PS + 2_052 * US]
    what = f"{NAME} is not what it was when it left: it holds 0x7 of d2v0 (domain `b`)"
    assert found(machine)[0] == (A_AGAIN_PS, Rule.LEAK, "d1v0", what)
    assert again == []
    assert found_later(machine, tmp_path / "m") == found(machine)


def test_what_a_destroyed_domain_leaves_behind_is_still_its_own(tmp_path: Path):
    """`a` sleeps from 1 ms on, has left 27 µs later and is gone. `b` comes, and finds what it had."""
    machine, a, b = pair(ForgetsToScrub)
    submit(machine, a)
    machine.run(500 * US)
    write(a, machine.board, reg.DMA_HI, SECRET)
    machine.run(MS)
    domains.destroy(machine.board, a.domain)
    machine.run(2 * MS)
    assert list(machine.board.domains) == [2]
    machine.rest()
    submit(machine, machine.board.vcoprocs[b.who])
    machine.run(3 * MS)
    what = f"{NAME} holds 0x5ec7e7 of d1v0 (domain `a`)"
    assert_found(machine, tmp_path / "m", (2_025 * US, Rule.LEAK, "d2v0", what))


@pytest.mark.parametrize("last", ["b", "c"])
def test_of_two_that_had_the_same_value_the_last_one_to_leave_has_left_it(last: str):
    """`b` and `c` both have the secret. The one that runs before `a` comes is the one whose value `a` finds."""
    machine = Machine()
    machine.coproc("gpu0", ForgetsToScrub, settings={"slice": 2 * MS}, described=spec(regions=2))
    a, b, c = (machine.vcoproc(name) for name in "abc")
    for vcoproc in (b, c) if last == "c" else (c, b):
        submit(machine, vcoproc)
    submit(machine, a)
    for at_ms in (1, 3):
        machine.run(at_ms * MS)
        current = a.coproc.current
        assert current in {b, c}
        write(current, machine.board, reg.DMA_HI, SECRET)
    machine.run(6 * MS)
    number = {"b": 2, "c": 3}[last]
    leaks = [what for _, rule, who, what in found(machine) if who == "d1v0"]
    assert leaks == [f"{NAME} holds 0x5ec7e7 of d{number}v0 (domain `{last}`)"]


class MemoryHardware(GenericHardware):
    """A job unit, and memory in the second range."""

    name = "with-memory"

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        self.memory = bytearray(PAGE_BYTES)

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        if region == "r1":
            return int.from_bytes(self.memory[offset : offset + size], "little")
        return super().read(region, offset, size, now_ps)

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        if region == "r1":
            self.memory[offset : offset + size] = (value & (1 << 8 * size) - 1).to_bytes(size, "little")
        else:
            super().write(region, offset, size, value, now_ps)

    def context(self) -> dict[str, bytes]:
        return {**super().context(), "r1": bytes(self.memory)}

    def save(self) -> Json:
        return [super().save(), self.memory.hex()]

    def restore(self, saved: Json) -> None:
        assert isinstance(saved, list)
        unit, memory = saved
        assert isinstance(memory, str)
        super().restore(unit)
        self.memory = bytearray.fromhex(memory)


class MemoryPlatform(JobUnitPlatform):
    """Exchanges the memory, too; `kept` is how much of it a forgetful one saves, loads and clears."""

    name = "with-memory"
    summary = "a job unit and memory"
    hardware = "with-memory"
    compatible = ("coprocsim,generic",)
    leave_cost_ps = 25 * US
    enter_cost_ps = 25 * US
    forgets: ClassVar[str] = ""

    def save_more(self, context: Context) -> None:
        memory = bytearray(self.port.copy_from("r1", 0, PAGE_BYTES))
        if self.forgets == "save":
            memory[0x123] = 0
        context.memory["r1"] = bytes(memory)

    def load_more(self, vcoproc: VcoprocId, context: Context) -> None:
        memory = context.memory.get("r1", bytes(PAGE_BYTES))
        self._put(memory, "load")

    def clear_more(self) -> None:
        self._put(bytes(PAGE_BYTES), "clear")

    def _put(self, memory: bytes, what: str) -> None:
        there = self.port.read("r1", 0x123, 1)
        self.port.copy_to("r1", 0, memory)
        if self.forgets in {what, "load and clear"}:
            self.port.write("r1", 0x123, 1, there)


def forgetting(what: str) -> type[MemoryPlatform]:
    class Forgetting(MemoryPlatform):
        forgets = what

    return Forgetting


HOLDS = "1 byte from offset 0x123 on"
LOST_BYTE = f"r1 is not what it was when it left: it holds {HOLDS} (0000000000000000…)"
LEFT_BYTE = f"r1 holds {HOLDS} (aa00000000000000…) of d1v0 (domain `a`)"
BACK_BYTE = f"r1 holds {HOLDS} (aa00000000000000…) of d2v0 (domain `b`)"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("", []),
        ("save", [(A_AGAIN_PS, Rule.LEAK, "d1v0", LOST_BYTE)]),
        ("load", [(A_AGAIN_PS, Rule.LEAK, "d1v0", LOST_BYTE)]),
        # All of it is written again when the next one enters: nobody ever sees it.
        ("clear", []),
        ("load and clear", [(B_RUNS_PS, Rule.LEAK, "d2v0", LEFT_BYTE), (A_AGAIN_PS, Rule.LEAK, "d1v0", BACK_BYTE)]),
    ],
)
def test_one_byte_of_memory_that_is_forgotten_is_found_by_its_offset(tmp_path: Path, what: str, expected: list[Any]):
    machine, a, b = at_work(forgetting(what))
    write(a, machine.board, 0x120, 0xAA00_0000, region=1)
    machine.run(3 * MS)
    write(b, machine.board, 0x200, 0xBB, region=1)
    machine.run(5 * MS)
    assert_found(machine, tmp_path / "m", *expected)


# ---------------------------------------------------------------- 7. the scheduler knows who waits


class Forgetful(RoundRobin):
    """Does not listen when the second domain wakes."""

    name = "forgetful"

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        if vcoproc != B:
            super().wake(vcoproc, now_ps)


def test_one_that_waits_and_is_forgotten_is_found(tmp_path: Path):
    machine, a, b = pair(algorithm=Forgetful)
    machine.wake(a)
    machine.run(MS)
    machine.wake(b)
    assert_found(machine, tmp_path / "m", (MS, Rule.KNOWN, "d2v0", "it waits, and its scheduler has forgotten it"))


# ---------------------------------------------------------------- nothing is found where nothing is wrong


CONTAINED = tuple(kind for kind in FaultKind if kind is not FaultKind.STALE_IOMMU)
SCENES = st.lists(
    st.tuples(
        st.integers(0, 4_000_000),
        st.sampled_from(["pause", "unpause", "destroy", "doorbell", "fault", "fault", "irq", "clear"]),
        st.integers(1, 4),
        st.sampled_from(CONTAINED),
    ),
    max_size=14,
)


def working(*, checks: bool = True, platform: type[Platform] = GenericPlatform) -> Machine:
    """Return a machine with two coprocs, the generic and the reference platform, and guests with much to do."""
    machine = Machine(seed=7)
    machine.board.checks = checks
    machine.coproc("gpu0", platform, settings={"slice": 2 * MS})
    machine.coproc("xxx0", ReferencePlatform, settings={"slice": MS, "wake": "head"})
    machine.domain("a", "gpu0 kind=periodic,period=1700us,jitter=300us,work=exp:400us,uncuttable=all,dma=5000")
    machine.domain(
        "b", "gpu0 kind=poisson,rate=900,work=uniform:100us-900us,deadline=2ms,on_miss=abandon", "xxx0 kind=idle"
    )
    machine.domain("c", "gpu0 kind=trace,at=1ms:9ms;1ms:3ms,uncuttable=5ms", "xxx0 kind=backlog,work=370us,queue=1")
    machine.domain("d", "xxx0 kind=poisson,rate=1500,work=lognormal:200us:0.5", "gpu0 kind=backlog,work=3ms,dma=64")
    return machine


def act(machine: Machine, what: str, number: int, kind: FaultKind) -> None:
    """Do what an administrator may: to a domain, or to one of the coprocs."""
    board = machine.board
    coproc = board.coprocs["gpu0" if number % 2 else "xxx0"]
    domain = board.domains.get(number)
    match what:
        case "fault" if coproc.failure is None:
            faults.inject(board, coproc, Fault(kind, None, None if kind is FaultKind.HANG else number, MS))
        case "clear":
            faults.clear(board, coproc)
        case "irq" if coproc.failure is None:
            faults.raise_line(board, coproc, "irq0")
        case "doorbell" if domain is not None:
            write(domain.vcoprocs[0], board, reg.DOORBELL, 1)
        case "pause" | "unpause" | "destroy" if domain is not None:
            machine.do(what, domain.vcoprocs[0])
    machine.hypervisor.settle()


def played(machine: Machine, scenes: list[Any], cuts_ps: list[int] = []) -> Machine:  # noqa: B006 - never changed
    instants = [(at_ps, "cut", 0, FaultKind.DENY) for at_ps in cuts_ps]
    at_ps = 0
    for gap_ns, *scene in scenes:
        at_ps += gap_ns * 1000
        instants.append((at_ps, *scene))
    for at_ps, what, number, kind in sorted(instants, key=lambda each: each[0]):
        machine.run(max(at_ps, machine.board.now_ps))
        if what == "cut":
            machine.rest()
        else:
            act(machine, what, number, kind)
        machine.check()
    machine.run(max(25 * MS, machine.board.now_ps))
    machine.check_time()
    return machine


ordinary = settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])


@ordinary
@given(SCENES)
@example([(1_000_000, "fault", 2, FaultKind.DMA)])
def test_ordinary_runs_and_contained_faults_lead_to_no_finding(tmp_path: Path, scenes: list[Any]):
    machine = played(working(), scenes)
    assert found(machine) == []
    assert found_later(machine, tmp_path / "m") == []


@ordinary
@given(SCENES)
def test_whether_it_is_checked_changes_nothing_else(scenes: list[Any]):
    checked, unchecked = (played(working(checks=checks), scenes) for checks in (True, False))
    assert checked.board.trace == unchecked.board.trace
    dumps = [machine.stored() for machine in (checked, unchecked)]
    for dump in dumps:
        dump.machine = dump.machine._replace(checks=True)
        dump.plugins = [row for row in dump.plugins if row.kind in {"hardware", "platform", "scheduler", "guest"}]
    assert dumps[0] == dumps[1]


@pytest.mark.parametrize("platform", [Early, Misdelivering, ForgetsToScrub, ForgetsToRestore])
def test_where_something_is_found_all_other_rows_are_as_without_checks(platform: type[Platform]):
    checked, unchecked = (at_work(platform, checks=checks)[0] for checks in (True, False))
    for machine in (checked, unchecked):
        machine.run(9 * MS)
    assert [row for row in checked.board.trace if row[2] != "finding"] == unchecked.board.trace


SLOPPY = st.sampled_from([ForgetsToScrub, ForgetsToSave, ForgetsToRestore, forgetting("load and clear")])


@ordinary
@given(st.lists(st.integers(0, 25 * MS), min_size=1, max_size=6), SLOPPY)
@example([2_060 * US, 2_077 * US, 4_120 * US], ForgetsToSave)
def test_a_run_that_is_cut_anywhere_has_the_same_findings(cuts_ps: list[int], platform: type[Platform]):
    whole, cut = at_work(platform), at_work(platform)
    for machine, a, _ in (whole, cut):
        write(a, machine.board, 0x120, 0xAA00_0000, region=1)
    assert found(played(whole[0], []))
    assert played(cut[0], [], cuts_ps).board.trace == whole[0].board.trace


@ordinary
@given(SCENES, st.lists(st.integers(0, 25 * MS), max_size=6))
def test_a_run_with_faults_that_is_cut_anywhere_is_the_same_run(scenes: list[Any], cuts_ps: list[int]):
    assert played(working(), scenes, cuts_ps).board.trace == played(working(), scenes).board.trace


def test_a_hardware_whose_context_has_more_or_fewer_names_is_compared_all_the_same(tmp_path: Path):
    """Memory that is listed only where it is not zero: what is left there has a name that clean silicon lacks."""

    class Sparse(MemoryHardware):
        name = "sparse"

        def context(self) -> dict[str, bytes]:
            whole = super().context()
            return whole if any(self.memory) else {name: value for name, value in whole.items() if name != "r1"}

    class Leaky(MemoryPlatform):
        name = "leaky"
        hardware = "sparse"
        forgets = "load and clear"

    assert issubclass(Sparse, Hardware)
    machine, a, _ = at_work(Leaky)
    write(a, machine.board, 0x120, 0xAA00_0000, region=1)
    machine.run(3 * MS)
    [(at_ps, rule, who, what)] = found(machine)
    assert (at_ps, rule, who) == (B_RUNS_PS, Rule.LEAK, "d2v0")
    assert what.startswith("r1 holds 4096 bytes from offset 0x0 on")
    assert found_later(machine, tmp_path / "m") == found(machine)

    class Forgetting(Leaky):
        forgets = "save"

    machine, a, _ = at_work(Forgetting)
    write(a, machine.board, 0x120, 0xAA00_0000, region=1)
    machine.run(5 * MS)
    assert found(machine) == [(A_AGAIN_PS, Rule.LEAK, "d1v0", "r1 is not what it was when it left: it holds 0x0")]


class ForgetsInterruptEnable(GenericPlatform):
    """Does not save which interrupts the guest wants."""

    name = "forgets-interrupt-enable"

    def save_more(self, context: Context) -> None:
        context.registers.pop(reg.IRQ_ENABLE, None)


def test_what_was_not_saved_is_found_although_its_domain_wakes_it_by_a_trapped_write():
    """The domain sleeps between its jobs and writes to its context by traps: before the first, it can be compared."""
    machine = Machine()
    machine.coproc("gpu0", ForgetsInterruptEnable, settings={"slice": 10 * MS})
    machine.domain("a", "gpu0 kind=periodic,period=5ms,work=1ms")
    machine.run(30 * MS)
    found = [row for row in machine.rows("finding") if row[4] == "leak"]
    # It enters in 25 us and leaves when its job of 1 ms is over; 5 us later its handler clears the interrupt.
    assert found[0][0] == 1030 * US
    assert found[0][3:] == ("d1v0", "leak", "0x20 is not what it was when it left: it holds 0x0")


def test_nothing_is_found_of_a_driver_that_forgets_nothing_though_traps_change_its_contexts():
    machine = Machine()
    machine.coproc("gpu0", GenericPlatform, settings={"slice": 10 * MS})
    machine.domain("a", "gpu0 kind=periodic,period=5ms,work=1ms")
    machine.domain("b", "gpu0 kind=poisson,rate=300,work=exp:1ms,uncuttable=200us")
    machine.run(300 * MS)
    assert machine.rows("finding") == []


def test_a_line_that_the_framework_takes_for_one_that_does_not_run_is_found_in_the_rows(tmp_path: Path):
    machine, a, b = at_work(checks=False)
    coproc = a.coproc
    coproc.current = b
    interrupts.answered(machine.board, coproc, "irq0")
    coproc.current = a
    assert found_later(machine, tmp_path / "m") == [
        (MS, Rule.IRQ, "d2v0", "line irq0 was raised for it, and it did not run")
    ]


def test_a_mapping_that_outlasts_its_domain_s_turn_is_found(monkeypatch: pytest.MonkeyPatch):
    """The framework itself forgets to unmap: `b` reaches the registers while `a` runs."""
    machine, a, b = at_work()
    assert machine.running() == a.vcoproc_id
    monkeypatch.setattr(mmio, "_mapped", lambda *_: True)
    mmio.access(machine.board, b.domain, b.windows[0].base + reg.DMA_HI, 4, None)
    assert found(machine) == [(MS, Rule.ACCESS, "d2v0", "its access to r0+0x44 reached the hardware while d1v0 has it")]
