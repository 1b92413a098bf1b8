"""What becomes of a coproc that something goes wrong with: the reset ladder, who is told, and that all others go on.

Two domains take turns of 2 ms on a coproc of 1 GHz that the generic platform drives: leaving and entering take 25 µs
each, invalidating 2 µs, a reset 100 µs; a switch may be denied for 40 ms. All instants in µs are worked out from these.
"""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.errors import CfgError, CoprocsimError, LookupFailed, StateError
from coprocsim.hypervisor import domains, faults, mmio
from coprocsim.hypervisor.state import Fault, Vcoproc
from coprocsim.model import UNSCHEDULED, After, Effect, FaultKind, RaiseIrq, VcoprocId, VcoprocState
from coprocsim.observe import listing
from coprocsim.observe.faults import fault_lines
from coprocsim.observe.view import view
from coprocsim.platforms import PLATFORMS
from coprocsim.platforms.base import Platform
from coprocsim.platforms.dsp import DspPlatform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.store import read
from coprocsim.toolstack import control, provoke
from coprocsim.toolstack import domain as toolstack_domain
from coprocsim.toolstack.boot import BootOptions, boot
from tests.machines import MS, US, Driver, Machine, deny, described_for, driver, driver_of, scripted, state

PROJECT = Path(__file__).parent.parent
LADDER = ("switch_from", "timeout", "reset", "reset_coproc", "failed")
FATAL = (FaultKind.FAIL_RESET, FaultKind.FAIL_RESET_COPROC)
SWITCHED = [platform for name, platform in PLATFORMS.items() if PLATFORMS.is_ours(name) and platform.scheduled]
WORK = 10**8
SECRET = 0x5EC7E7


def access(machine: Machine, vcoproc: Vcoproc, offset: int, value: int | None = None) -> mmio.Outcome:
    outcome = mmio.access(machine.board, vcoproc.domain, vcoproc.windows[0].base + offset, 4, value)
    machine.hypervisor.settle()
    return outcome


def submit(machine: Machine, vcoproc: Vcoproc, uncuttable_cycles: int = 0) -> None:
    """Let a domain have a job of 100 ms, and be told when it is over."""
    for offset, value in (
        (reg.IRQ_ENABLE, reg.IRQ_DONE | reg.IRQ_ERROR),
        (reg.WORK_LO, WORK),
        (reg.UNCUTTABLE_LO, uncuttable_cycles),
        (reg.DOORBELL, 1),
    ):
        access(machine, vcoproc, offset, value)


def pair(workload: str = "") -> tuple[Machine, Vcoproc, Vcoproc]:
    """Return a machine and its two vcoprocs on `gpu0`, with guests if there is a workload."""
    machine = Machine()
    machine.coproc("gpu0", settings={"slice": 2 * MS})
    return machine, machine.vcoproc("a", f"gpu0 {workload}"), machine.vcoproc("b", f"gpu0 {workload}")


def at_work() -> tuple[Machine, Vcoproc, Vcoproc]:
    """Return the two with a job each; `b` runs first, from 25 µs on, and `a` from 2,077 µs on."""
    machine, a, b = pair()
    submit(machine, b)
    submit(machine, a)
    machine.run(MS)
    access(machine, b, reg.DMA_HI, SECRET)
    return machine, a, b


def inject(
    machine: Machine, *kinds: FaultKind, who: str | None = None, times: int | None = 1, for_ps: int = MS
) -> None:
    coproc = machine.board.coprocs["gpu0"]
    for kind in kinds:
        faults.inject(machine.board, coproc, Fault(kind, who, times, for_ps))
    machine.hypervisor.settle()


# ---------------------------------------------------------------- the ladder, step by step


def test_1_busy_and_retries_until_the_switch_timeout_then_the_context_is_reset():
    """`a` runs from 25 µs; told to leave at 2,025 it hangs: asked each ms, 41 times, until 40 ms later."""
    machine, a, b = pair("kind=backlog,work=100ms")
    inject(machine, FaultKind.HANG, who="d1v0", times=None)
    machine.run(42_200 * US)
    steps = machine.story(*LADDER)
    assert steps[:41] == [f"{2_025 + n * 1_000} switch_from d1v0 busy 1000000000" for n in range(41)]
    assert steps[41:] == ["42025 timeout d1v0", "42025 reset d1v0 the switch timed out"]
    # The error status and an interrupt; 5 µs later the guest's handler has lost its two jobs and submits others.
    after = [
        each for each in machine.story("irq", "job_end", "state", "idle", "switch_to") if float(each.split()[0]) > 9_000
    ]
    assert after == [
        "42025 state d1v0 RUNNING SLEEPING",
        "42025 irq d1v0 irq0",
        "42030 state d1v0 SLEEPING WAITING",
        "42030 job_end d1v0 error 0 42030000000 -1",
        "42030 job_end d1v0 error 0 42030000000 -1",
        # 100 µs of the reset and 2 µs of invalidation.
        "42127 idle",
        "42127 switch_to d2v0 entered 25000000",
        "42152 state d2v0 WAITING RUNNING",
    ]
    assert (a.counters.resets, a.counters.failed, a.counters.denials, b.counters.resets) == (1, 2, 41, 0)
    assert (b.counters.suffered, b.counters.suffered_ps) == (1, 40 * MS)
    machine.check_time()
    assert a.coproc.counters.failed_ps == 102 * US
    machine.run(100 * MS)
    assert (a.counters.resets, a.coproc.faults) == (1, []), "what hung has been reset, and hangs no more"


def test_2_a_reset_of_the_coproc_leaves_the_others_registers_and_jobs_as_they_were():
    """`a` hangs from 4,077 µs on, and is not to be reset alone; `b` is back 100 + 2 + 25 µs after 44,077."""
    machine, a, b = at_work()
    inject(machine, FaultKind.HANG, FaultKind.FAIL_RESET, who="d1v0", times=None)
    machine.run(44_204 * US)
    assert machine.story(*LADDER)[42:] == [
        "44077 timeout d1v0",
        "44077 reset d1v0 the switch timed out",
        "44077 reset_coproc d1v0 a fault was injected",
    ]
    assert machine.running() == b.vcoproc_id
    assert access(machine, b, reg.DMA_HI).value == SECRET
    assert access(machine, b, reg.PLACE_0 + reg.PLACE_WORK_LO).value == WORK - 2 * 10**6
    assert access(machine, a, reg.STATUS).value == reg.STATUS_STOPPED, "its job is lost"
    assert (access(machine, a, reg.IRQ_STATUS).value, access(machine, a, reg.ERROR).value) == (
        reg.IRQ_ERROR,
        reg.ERROR_RESET,
    )
    assert machine.story("irq") == ["44077 irq d1v0 irq0"]
    assert (a.state, a.coproc.counters.resets, a.coproc.counters.coproc_resets) == (VcoprocState.SLEEPING, 1, 1)
    assert machine.rows("finding") == []


def test_3_when_even_that_fails_the_coproc_has_failed():
    machine, a, b = at_work()
    kinds = (FaultKind.HANG, FaultKind.FAIL_RESET, FaultKind.FAIL_RESET_COPROC)
    inject(machine, *kinds, who="d1v0", times=None)
    inject(machine, FaultKind.SPURIOUS_IRQ)
    machine.run(60 * MS)
    why = "the switch timed out; reset: a fault was injected; reset of the coproc: a fault was injected"
    assert machine.story(*LADDER)[45:] == [f"44077 failed {why}"]
    assert (a.coproc.failure, state(a), state(b)) == (why, "SLEEPING", "SLEEPING")
    assert machine.board.attached == {}
    assert a.coproc.faults == [], "what is to come does not come any more"
    for vcoproc in (a, b):
        outcome = access(machine, vcoproc, reg.DOORBELL, 1)
        assert (outcome.route, outcome.why) == (mmio.Route.ABORTED, "`gpu0` has failed")
    with pytest.raises(CfgError, match="`gpu0` has failed: the switch timed out"):
        machine.vcoproc("c")
    machine.check_time()
    assert a.coproc.counters.failed_ps == (60_000 - 44_077) * US
    domains.destroy(machine.board, a.domain)
    machine.hypervisor.settle()
    assert list(machine.board.domains) == [2]


@pytest.mark.parametrize(
    ("kind", "who", "at_us", "why"),
    [
        (FaultKind.FAIL_LEAVE, "d2v0", 2_025, "a fault was injected"),
        (FaultKind.FAIL_ENTER, "d1v0", 2_052, "a fault was injected"),
        (FaultKind.IOMMU, "d1v0", 2_052, "IOMMU: a fault was injected"),
    ],
)
@pytest.mark.parametrize("again", [(), (FaultKind.FAIL_RESET,)])
def test_what_fails_is_reset_at_once_and_its_domain_told(kind: FaultKind, who: str, at_us: int, why: str, again: Any):
    """Also where the whole coproc is reset before anything of the context was loaded."""
    machine, a, b = at_work()
    inject(machine, kind, *again)
    machine.run(3 * MS)
    broken, other = (a, b) if who == "d1v0" else (b, a)
    rungs = [f"{at_us} reset {who} {why}", *[f"{at_us} reset_coproc {who} a fault was injected"] * len(again)]
    assert machine.story("reset", "reset_coproc") == rungs
    assert machine.story("irq") == [f"{at_us} irq {who} irq0"]
    assert (state(broken), machine.running()) == ("SLEEPING", other.vcoproc_id)
    assert access(machine, broken, reg.ERROR).value == reg.ERROR_RESET
    assert access(machine, broken, reg.STATUS).value == reg.STATUS_STOPPED
    assert machine.rows("finding") == []


@pytest.mark.parametrize("platform", SWITCHED, ids=lambda each: each.name)
@pytest.mark.parametrize("rung", [0, 1, 2])
def test_on_each_platform_both_domains_work_on_after_a_reset_and_none_on_a_failed_coproc(
    platform: type[Platform], rung: int
):
    """`a` hangs at its first switch; 40 ms later it is reset, alone or with the coproc, or nothing helps."""
    machine = Machine()
    machine.coproc("gpu0", platform, settings={"slice": 2 * MS}, described=described_for(platform, "gpu0"))
    a, b = (machine.vcoproc(name, "gpu0 kind=backlog,work=700us") for name in "ab")
    inject(machine, FaultKind.HANG, *FATAL[:rung], who="d1v0", times=None)
    machine.run(100 * MS)
    [(reset_ps, *_)] = machine.rows("reset")
    done = {row[3] for row in machine.rows("job_end") if row[0] > reset_ps and row[4] == "done"}
    assert 42 * MS < reset_ps < 43 * MS
    assert (a.counters.resets, b.counters.resets, a.coproc.counters.coproc_resets) == (1, 0, min(rung, 1))
    assert done == (set() if rung == 2 else {"d1v0", "d2v0"})
    assert ((a.coproc.failure is not None), machine.rows("finding")) == (rung == 2, [])
    machine.check()
    machine.check_time()


class Watching(Driver):
    """Looks after its coproc 5 ms from each start on, and then interrupts the first domain."""

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        return (After(5 * MS, "watch"),)

    def timer(self, tag: str, now_ps: int) -> tuple[Effect, ...]:
        return (RaiseIrq(VcoprocId(1, 0), "irq0"),)


@pytest.mark.parametrize(
    ("broken", "irqs"),
    [
        (set(), ["5000 irq d1v0 irq0"]),
        ({"reset"}, []),
        ({"reset", "reset_coproc"}, []),
    ],
)
def test_what_a_driver_waits_for_comes_after_a_reset_of_a_context_only(broken: set[str], irqs: list[str]):
    """It has started at 0, and does not leave at 2 ms when its domain sleeps."""
    machine, (a,) = scripted("a", platform=Watching)
    machine.wake(a)
    machine.run(2 * MS)
    driver_of(a).broken = {"switch_from", *broken}
    machine.sleep(a)
    assert bool(machine.rows("failed")) == ("reset_coproc" in broken)
    waits = [due.key for due in machine.board.timeline.pending() if due.key[0] == "platform"]
    assert waits == [("platform", "gpu0", "watch")] * len(irqs)
    machine.run(9 * MS)
    assert machine.story("irq") == irqs


# ---------------------------------------------------------------- which, how often, how long


def test_a_denial_lasts_as_long_and_comes_as_often_as_is_said():
    """Told to leave at 2,025 µs: three denials of 5 ms, then it leaves."""
    machine, *_ = at_work()
    inject(machine, FaultKind.DENY, times=3, for_ps=5 * MS)
    machine.run(18 * MS)
    assert machine.story("switch_from") == [
        "2025 switch_from d2v0 busy 5000000000",
        "7025 switch_from d2v0 busy 5000000000",
        "12025 switch_from d2v0 busy 5000000000",
        "17025 switch_from d2v0 left 25000000",
    ]
    assert machine.story("fault") == [
        "1000 fault - deny injected",
        *(f"{at_us} fault d2v0 deny strikes" for at_us in (2_025, 7_025, 12_025)),
    ]


@pytest.mark.parametrize("first", ["a fault", "the driver"])
def test_a_driver_that_was_never_told_to_stop_is_not_told_to_go_on(first: str):
    machine, (a, b) = scripted("a", "b", slice=2 * MS, platform=driver())
    deny(a, MS) if first == "the driver" else inject(machine, FaultKind.DENY)
    machine.wake(a, b)
    machine.run(2_500 * US)
    assert a.coproc.denied_since_ps == 2 * MS
    machine.sleep(b)
    assert machine.story("resume") == ["2500 resume d1v0"]
    assert driver_of(a).resumed == ([a.vcoproc_id] if first == "the driver" else [])


def test_a_fault_of_one_domain_leaves_the_other_alone():
    machine, *_ = at_work()
    inject(machine, FaultKind.DENY, who="d1v0")
    machine.run(6 * MS)
    assert [(row[0] // US, row[3], row[4]) for row in machine.rows("switch_from")] == [
        (2_025, "d2v0", "left"),
        (4_077, "d1v0", "busy"),
        (5_077, "d1v0", "left"),
    ]


def test_a_fault_that_always_comes_comes_until_it_is_cleared():
    machine, a, _ = at_work()
    inject(machine, FaultKind.DENY, times=None)
    machine.run(9_500 * US)
    assert faults.clear(machine.board, a.coproc) == 1
    machine.run(11 * MS)
    assert [row[4] for row in machine.rows("switch_from")] == ["busy"] * 8 + ["left"]
    assert machine.story("fault")[-1] == "9500 fault - all cleared"
    assert faults.clear(machine.board, a.coproc) == 0


def test_the_faults_of_a_domain_that_is_gone_are_gone():
    machine, a, _ = at_work()
    inject(machine, FaultKind.FAIL_ENTER, who="d1v0")
    inject(machine, FaultKind.DENY, who="d2v0")
    domains.destroy(machine.board, a.domain)
    machine.hypervisor.settle()
    assert [fault.who for fault in a.coproc.faults] == ["d2v0"]


# ---------------------------------------------------------------- DMA, interrupts, the IOMMU


def test_dma_where_no_domain_has_memory_is_contained_counted_and_told_to_whoever_has_the_coproc():
    machine, a, b = at_work()
    inject(machine, FaultKind.DMA)
    assert machine.story("iommu_fault", "irq") == ["1000 iommu_fault d2v0 0 4 write", "1000 irq d2v0 irq0"]
    assert (b.counters.faults, a.counters.faults) == (1, 0)
    assert (access(machine, b, reg.IRQ_STATUS).value, access(machine, b, reg.ERROR).value) == (
        reg.IRQ_ERROR,
        reg.ERROR_DMA,
    )


def test_that_dma_goes_past_the_memory_of_domains_wherever_it_is():
    """Between the two banks there is room for two bytes, and not for the word that is written."""
    machine, a, b = pair()
    a.domain.memory, b.domain.memory = (range(0x1000),), (range(0x1002, 0x2000),)
    inject(machine, FaultKind.DMA)
    assert [row[4] for row in machine.rows("iommu_fault")] == [0x2000]


@pytest.mark.parametrize("at_us", [0, 2_030, 2_051, 2_060])
def test_dma_while_no_context_runs_leaves_no_mark_on_the_next_one(at_us: int):
    """Nobody has entered; the one leaves; nobody has it; the next one enters."""
    machine, a, b = pair()
    if at_us:
        submit(machine, b)
    submit(machine, a)
    machine.run(at_us * US)
    if not at_us:
        machine, a, b = pair()
    inject(machine, FaultKind.DMA)
    if not at_us:
        submit(machine, a)
    assert len(machine.rows("iommu_fault")) == 1
    machine.run(3 * MS)
    assert machine.running() == a.vcoproc_id
    assert (access(machine, a, reg.IRQ_STATUS).value, access(machine, a, reg.ERROR).value) == (0, reg.ERROR_NONE)
    assert machine.rows("finding") == []


def test_a_spurious_interrupt_comes_each_time_nobody_has_the_coproc_as_often_as_is_said():
    """`b` has left at 2,050 µs, `a` at 4,102, and `b` again at 6,154, which is once too often."""
    machine, a, _ = at_work()
    inject(machine, FaultKind.SPURIOUS_IRQ, times=2)
    machine.run(7 * MS)
    assert machine.story("irq_spurious") == ["2050 irq_spurious irq0", "4102 irq_spurious irq0"]
    assert (a.coproc.counters.spurious, a.coproc.faults, machine.rows("irq")) == (2, [], [])


def test_a_spurious_interrupt_comes_at_once_where_nobody_has_the_coproc_and_after_a_reset():
    machine, a, _ = pair()
    inject(machine, FaultKind.SPURIOUS_IRQ)
    assert machine.story("irq_spurious") == ["0 irq_spurious irq0"]
    submit(machine, a)
    machine.run(MS)
    inject(machine, FaultKind.SPURIOUS_IRQ, FaultKind.FAIL_LEAVE)
    machine.sleep(a)
    assert machine.story("irq_spurious")[1:] == ["1000 irq_spurious irq0"]


def test_without_its_invalidation_a_switch_is_that_much_shorter():
    machine, *_ = at_work()
    inject(machine, FaultKind.STALE_IOMMU)
    machine.run(3 * MS)
    assert [row[0] // US for row in machine.rows("switch_to")] == [0, 2_050]
    assert machine.story("fault")[1:] == ["2050 fault d2v0 stale-iommu strikes"]


def raise_line(machine: Machine) -> None:
    faults.raise_line(machine.board, machine.board.coprocs["gpu0"], "irq0")
    machine.hypervisor.settle()


def test_a_line_that_is_raised_goes_to_whoever_runs_or_to_nobody_or_is_held():
    machine, a, b = pair()
    raise_line(machine)
    assert machine.story("irq_spurious", "raised", "irq") == ["0 irq_spurious irq0"]
    submit(machine, a, uncuttable_cycles=WORK)
    machine.run(MS)
    raise_line(machine)
    assert machine.story("raised", "irq") == ["1000 raised d1v0 irq0", "1000 irq d1v0 irq0"]
    machine.do("pause", a)
    raise_line(machine)
    assert machine.story("raised", "irq")[2:] == ["1000 raised d1v0 irq0"]
    machine.run(2 * MS)
    machine.do("unpause", a)
    assert machine.story("raised", "irq")[3:] == ["2000 irq d1v0 irq0"]
    assert (a.counters.irqs, b.counters.irqs, a.coproc.counters.spurious) == (2, 0, 1)


# ---------------------------------------------------------------- on a machine that is stored


WHO_WORKS = "kind=backlog,work=1ms"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Return a machine of two coprocs in use, `gpu0` behind an IOMMU, with turns of 8 ms and a timeout of 20 ms."""
    machine = tmp_path / "machine"
    boot(machine, str(PROJECT / "dts/automotive.dtb"), BootOptions({}, seed=1))
    for name in ("paint", "video"):
        path = tmp_path / f"{name}.cfg"
        work = ", ".join(f'"{coproc},{WHO_WORKS}"' for coproc in ("gpu0", "dsp0"))
        path.write_text(f'name = "{name}"\nmemory = 16\ncoproc = [ "gpu0", "dsp0" ]\ncoproc_workload = [ {work} ]\n')
        toolstack_domain.create(machine, str(path), (), paused=False, dry_run=False)
    return machine


def go_on(*_: int) -> bool:
    return True


def test_a_coproc_that_fails_is_listed_so_and_takes_no_faults_lines_and_domains(stored: Path):
    for kind in (FaultKind.FAIL_LEAVE, FaultKind.FAIL_RESET, FaultKind.FAIL_RESET_COPROC):
        provoke.inject(stored, "gpu0", kind, None, 1, MS)
    control.run(stored, 20 * MS, go_on)
    with read(stored) as file:
        seen = view(file)
        lines = {line.coproc: line for line in listing.coproc_lines(seen)}
        states = {(line.domain, line.coproc): line.state for line in listing.vcoproc_lines(seen, [])}
    why = "a fault was injected; reset: a fault was injected; reset of the coproc: a fault was injected"
    assert (lines["gpu0"].state, lines["gpu0"].failure, lines["gpu0"].running) == ("failed", why, None)
    assert (lines["dsp0"].state, lines["dsp0"].failure) == ("online", None)
    assert {states[name, "gpu0"] for name in ("paint", "video")} == {"parked"}
    assert {states[name, "dsp0"] for name in ("paint", "video")} <= {"running", "waiting"}
    before = stored.read_bytes()
    for failing in (
        lambda: provoke.inject(stored, "gpu0", FaultKind.DENY, None, 1, MS),
        lambda: provoke.raise_irq(stored, "gpu0", "job"),
    ):
        with pytest.raises(StateError) as refused:
            failing()
        assert (str(refused.value), refused.value.hint) == (
            f"`gpu0` has failed: {why}",
            "boot the machine anew to bring it back",
        )
    assert stored.read_bytes() == before


@pytest.mark.parametrize(
    ("coproc", "kind", "domain", "times", "what", "hint"),
    [
        ("gpu0", FaultKind.DMA, "paint", 1, "`dma` is not about a single domain", "leave `-d` out"),
        ("gpu0", FaultKind.DMA, None, 2, "`dma` happens once, and at once", "leave `--times` and `--always` out"),
        ("gpu0", FaultKind.DMA, None, None, "`dma` happens once, and at once", "leave `--times` and `--always` out"),
        ("gpu0", FaultKind.SPURIOUS_IRQ, "paint", 1, "`spurious-irq` is not about a single domain", "leave `-d` out"),
        ("gpu0", FaultKind.DENY, "Domain-0", 1, "domain `Domain-0` has no vcoproc of `gpu0`", "it shares `crypto0`"),
    ],
)
def test_a_fault_that_cannot_come_is_refused(
    stored: Path, coproc: str, kind: FaultKind, domain: str | None, times: int | None, what: str, hint: str
):
    with pytest.raises(CoprocsimError) as refused:
        provoke.inject(stored, coproc, kind, domain, times, MS)
    assert (str(refused.value), refused.value.hint) == (what, hint)


def test_an_unknown_line_is_met_with_the_nearest(stored: Path):
    with pytest.raises(LookupFailed) as refused:
        provoke.raise_irq(stored, "gpu0", "jobs")
    assert (str(refused.value), refused.value.hint) == (
        "`gpu0` has no interrupt line `jobs`",
        "it has `job` (GIC 102), `mmu` (GIC 103); did you mean `job`?",
    )


def test_whoever_has_the_coproc_is_named_when_a_line_is_raised(stored: Path):
    assert provoke.raise_irq(stored, "codec0", "decoder") == ()
    control.run(stored, MS, go_on)
    assert provoke.raise_irq(stored, "gpu0", "job") == ("paint",)


def test_of_hardware_that_shares_itself_everybody_has_it(tmp_path: Path):
    machine = tmp_path / "machine"
    boot(machine, str(PROJECT / "dts/virtual-gpu.dtb"), BootOptions({}, seed=1))
    with read(machine) as file:
        coproc = next(row.coproc_id for row in view(file).coprocs.values() if row.algorithm == UNSCHEDULED)
    for name in ("a", "b"):
        path = tmp_path / f"{name}.cfg"
        path.write_text(f'name = "{name}"\nmemory = 16\ncoproc = [ "{coproc}" ]\n')
        toolstack_domain.create(machine, str(path), (), paused=False, dry_run=False)
    with pytest.raises(CoprocsimError, match=f"`{coproc}` shares itself: there is no switch that could fail"):
        provoke.inject(machine, coproc, FaultKind.HANG, None, 1, MS)
    assert provoke.raise_irq(machine, coproc, "0") == ("a", "b")


def test_faults_are_kept_with_the_machine_and_listed(stored: Path):
    provoke.inject(stored, "gpu0", FaultKind.DENY, "video", 3, 5 * MS)
    provoke.inject(stored, "dsp0", FaultKind.HANG, None, 1, MS)
    provoke.inject(stored, "gpu0", FaultKind.FAIL_ENTER, None, None, MS)
    with read(stored) as file:
        lines = [tuple(line) for line in fault_lines(view(file), file)]
    assert lines == [
        ("gpu0", "deny", "video", 3, 5 * MS),
        ("gpu0", "fail-enter", None, None, None),
        ("dsp0", "hang", None, None, None),
    ]
    assert (provoke.clear(stored, "gpu0"), provoke.clear(stored, "gpu0"), provoke.clear(stored, "dsp0")) == (2, 0, 1)


# ---------------------------------------------------------------- the others go on, to the byte


def sharing_both(platform: type[Platform] = GenericPlatform) -> Machine:
    """Return a machine whose domains share both of its coprocs, which are of one kind, and work on both."""
    machine = Machine(seed=3)
    for coproc_id, slice_ps in (("gpu0", 2 * MS), ("xxx0", MS)):
        described = described_for(platform, coproc_id)
        machine.coproc(coproc_id, platform, settings={"slice": slice_ps}, described=described)
    on_gpu = (
        "kind=backlog,work=3ms,dma=64",
        "kind=poisson,rate=900,work=exp:400us",
        "kind=periodic,period=2ms,work=500us",
    )
    on_xxx = (
        "kind=poisson,rate=700,work=exp:600us,dma=64",
        "kind=backlog,work=1ms,uncuttable=300us",
        "kind=backlog,work=2ms",
    )
    for name, gpu, xxx in zip("abc", on_gpu, on_xxx, strict=True):
        # A job on a dsp can be cut at its points only, and says how far apart these are.
        cut = "points" if platform is DspPlatform else "uncuttable"
        machine.domain(name, f"gpu0 {gpu}", f"xxx0 {xxx.replace('uncuttable', cut)}")
    return machine


def rows_of_the_other(machine: Machine, *, cut: bool = False) -> list[tuple[Any, ...]]:
    machine.run(30 * MS)
    if cut:
        machine.rest()
    machine.run(90 * MS)
    return [row for row in machine.board.trace if row[1] == "xxx0"]


@cache
def undisturbed(platform: type[Platform] = GenericPlatform) -> list[tuple[Any, ...]]:
    """Return the other coproc's rows when nothing goes wrong."""
    return rows_of_the_other(sharing_both(platform))


@pytest.mark.parametrize("platform", SWITCHED, ids=lambda each: each.name)
@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("fatal", [False, True])
def test_whatever_goes_wrong_with_one_coproc_the_other_s_trace_is_the_same(
    platform: type[Platform], kind: FaultKind, fatal: bool
):
    assert len(undisturbed(platform)) > 500
    machine = sharing_both(platform)
    machine.run(4_321 * US)
    inject(machine, kind, times=None if kind is FaultKind.HANG else 2, for_ps=3 * MS)
    inject(machine, *FATAL * fatal, times=2)
    assert rows_of_the_other(machine) == undisturbed(platform)
    needs_reset = {FaultKind.HANG, FaultKind.FAIL_ENTER, FaultKind.FAIL_LEAVE, FaultKind.IOMMU}
    assert (machine.board.coprocs["gpu0"].failure is not None) == (fatal and kind in needs_reset)
    assert machine.rows("failed") == [] or machine.rows("finding") == []


@settings(max_examples=10)
@given(st.lists(st.tuples(st.integers(0, 9_000_000), st.sampled_from(FaultKind), st.integers(1, 9)), max_size=12))
def test_whatever_goes_wrong_when_the_other_s_trace_is_the_same(scenes: list[tuple[int, FaultKind, int]]):
    machine = sharing_both()
    for gap_ns, kind, times in scenes:
        machine.run(min(machine.board.now_ps + gap_ns * 1000, 30 * MS))
        if machine.board.coprocs["gpu0"].failure is None:
            inject(machine, kind, times=None if kind is FaultKind.HANG else times)
    assert rows_of_the_other(machine, cut=True) == undisturbed()
    machine.check()
    machine.check_time()


@pytest.mark.parametrize("kind", FaultKind)
def test_a_fault_to_come_comes_after_a_rest_as_it_would_have(kind: FaultKind):
    traces = []
    for rests in (False, True):
        machine = sharing_both()
        machine.run(4_321 * US)
        inject(machine, kind, who=None if kind in {FaultKind.DMA, FaultKind.SPURIOUS_IRQ} else "d1v0", times=3)
        if rests:
            machine.rest()
        machine.run(60 * MS)
        traces.append(machine.board.trace)
    assert traces[0] == traces[1]
    strikes = [each for each in machine.story("fault") if each.endswith("strikes")]
    assert bool(strikes) == (kind not in {FaultKind.DMA, *FATAL})
