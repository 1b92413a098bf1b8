"""The seven rules of isolation: who breaks one is found, while it runs and in the trace; who does not is not.

What a context leaves behind, the sixth rule, is in test_leaks.py. When who runs is told in two_domains.py.
"""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.hypervisor import faults, interrupts, iommu, lifecycle, mmio
from coprocsim.hypervisor.state import Fault
from coprocsim.model import After, Effect, FaultKind, RaiseIrq, Rule, VcoprocId, VcoprocState
from coprocsim.platforms.base import Answer, Done, Leave, Left, Platform, Refused, Reset
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.reference import ReferencePlatform
from coprocsim.schedulers.rrobin import RoundRobin
from tests.forgetful import ForgetsToRestore, ForgetsToSave, ForgetsToScrub, forgetting
from tests.machines import MS, US, Machine
from tests.two_domains import (
    B_RUNS_PS,
    A,
    B,
    assert_found,
    at_work,
    found,
    found_later,
    pair,
    submit,
    write,
)

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
