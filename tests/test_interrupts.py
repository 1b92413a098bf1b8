"""Interrupts: to the domain whose context runs when they are raised, and to nobody else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.generic import GenericHardware
from coprocsim.hypervisor import domains, interrupts, mmio
from coprocsim.hypervisor.state import Domain
from coprocsim.model import Effect, RaiseIrq, VcoprocId, VcoprocState
from coprocsim.platforms.base import Leave, Left
from coprocsim.platforms.generic import GenericPlatform
from tests.machines import MS, US, Machine, spec

DENYING = "kind=backlog,work=700us,uncuttable=all"
CUTTABLE = "kind=backlog,work=900us"


def irqs(machine: Machine) -> list[tuple[int, str]]:
    """Return when, in µs, and to whom interrupts were delivered."""
    return [(row[0] // US, row[3]) for row in machine.rows("irq")]


@settings(max_examples=30)
@given(st.lists(st.sampled_from([DENYING, CUTTABLE, "kind=poisson,rate=900,work=exp:300us"]), min_size=2, max_size=4))
def test_an_interrupt_goes_to_the_domain_that_runs_when_it_is_raised(workloads: list[str]):
    machine = Machine()
    machine.coproc(settings={"slice": 3 * MS})
    for number, workload in enumerate(workloads):
        machine.domain(f"d{number}", f"gpu0 {workload}")
    machine.run(100 * MS)
    on_hardware = ""
    for _, _, what, who, *more in machine.rows("state", "irq"):
        if what == "irq":
            assert who == on_hardware
        elif more[1] in {"RUNNING", "ASKED_TO_SLEEP"}:
            on_hardware = str(who)
        elif who == on_hardware:
            on_hardware = ""
    assert len(machine.rows("irq")) > 20
    assert machine.board.coprocs["gpu0"].counters.spurious == 0


def test_a_job_that_ends_with_the_slice_interrupts_its_own_domain_which_handles_it_while_away():
    machine = Machine()
    machine.coproc(settings={"slice": 10 * MS})
    machine.domain("a", "gpu0 kind=trace,at=0s:10ms;0s:1ms")
    machine.domain("b", "gpu0 kind=backlog,work=50ms")
    machine.run(30 * MS)
    assert irqs(machine)[0] == (10_025, "d1v0")
    assert machine.rows("job_end")[0][3:] == ("d1v0", "done", 0, 10_030 * US, -1)
    assert ("trap", "d1v0", "r0", reg.IRQ_STATUS, 4, "read") in {row[2:] for row in machine.rows("trap")}


class LateHardware(GenericHardware):
    """Silicon that raises a second line on its own, 5 µs after `kick`."""

    name = "late"
    due_ps: int | None = None
    high = False

    def kick(self, now_ps: int) -> None:
        self.due_ps, self.high = now_ps + 5 * US, False

    def advance(self, now_ps: int) -> None:
        super().advance(now_ps)
        if self.due_ps is not None and self.due_ps <= now_ps:
            self.due_ps, self.high = None, True

    def next_ps(self) -> int | None:
        instants = [each for each in (super().next_ps(), self.due_ps) if each is not None]
        return min(instants, default=None)

    def asserted(self) -> tuple[str, ...]:
        return (*super().asserted(), *(["irq1"] if self.high else []))


class LatePlatform(GenericPlatform):
    """Its driver lets the second line speak for whoever owns the coproc."""

    name = "late"
    hardware = LateHardware.name

    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        return (RaiseIrq(vcoproc, line),)

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        left = super().switch_from(vcoproc, now_ps)
        return left if not isinstance(left, Left) else Left(20 * US)


def late_machine(*names: str) -> tuple[Machine, LateHardware, list[Domain]]:
    machine = Machine()
    coproc = machine.coproc("gpu0", LatePlatform, described=spec(lines=2), settings={"slice": 10 * MS})
    assert isinstance(coproc.hardware, LateHardware)
    return machine, coproc.hardware, [machine.domain(name, "gpu0 kind=backlog,work=50ms") for name in names]


def kick(machine: Machine, hardware: LateHardware, at_ps: int) -> None:
    machine.run(at_ps)
    hardware.kick(at_ps)
    interrupts.look(machine.board, machine.board.coprocs["gpu0"])


def test_a_line_raised_while_its_context_leaves_still_belongs_to_it():
    machine, hardware, _ = late_machine("a", "b")
    kick(machine, hardware, 10_030 * US)
    machine.run(11 * MS)
    assert irqs(machine) == [(10_035, "d1v0")]


class WhenStoppedHardware(LateHardware):
    """Its second line goes up as it is stopped."""

    name = "when-stopped"

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        super().write(region, offset, size, value, now_ps)
        self.high = self.high or (offset == reg.CONTROL and value == 0)


class FreePlatform(LatePlatform):
    """Leaves at no cost."""

    name = "free"
    hardware = WhenStoppedHardware.name
    iommu_invalidate_ps = 0
    enter_cost_ps = 0

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        left = super().switch_from(vcoproc, now_ps)
        return left if not isinstance(left, Left) else Left(0)


def test_a_line_raised_as_its_context_is_stopped_belongs_to_it_however_short_the_switch():
    machine = Machine()
    machine.coproc("gpu0", FreePlatform, described=spec(lines=2), settings={"slice": 10 * MS})
    for name in ("a", "b"):
        machine.domain(name, "gpu0 kind=backlog,work=50ms")
    machine.run(15 * MS)
    assert irqs(machine) == [(10_000, "d1v0")]


def test_a_line_raised_while_nobody_owns_the_coproc_is_spurious():
    machine, hardware, _ = late_machine("a", "b")
    kick(machine, hardware, 10_041 * US)
    machine.run(10_200 * US)
    assert irqs(machine) == []
    assert machine.story("irq_spurious") == ["10046 irq_spurious irq1"]
    assert machine.board.coprocs["gpu0"].counters.spurious == 1


def test_a_line_raised_while_its_context_enters_belongs_to_the_entering_one():
    machine, hardware, _ = late_machine("a", "b")
    kick(machine, hardware, 10_055 * US)
    machine.run(11 * MS)
    assert irqs(machine) == [(10_060, "d2v0")]


def test_interrupts_pend_while_their_domain_is_paused():
    machine = Machine()
    machine.coproc(settings={"slice": 10 * MS})
    domain = machine.domain("a", "gpu0 kind=trace,uncuttable=all,at=0s:5ms")
    machine.run(MS)
    domains.pause(machine.board, domain)
    machine.run(20 * MS)
    vcoproc = domain.vcoprocs[0]
    assert (irqs(machine), list(vcoproc.held_lines), vcoproc.state) == ([], ["irq0"], VcoprocState.SLEEPING)
    domains.unpause(machine.board, domain)
    machine.run(21 * MS)
    assert irqs(machine)[0] == (20_000, "d1v0")
    assert [row[3:] for row in machine.rows("job_end")] == [("d1v0", "done", 0, 20_005 * US, -1)]


def test_a_job_that_ends_before_the_last_interrupt_is_cleared_is_an_interrupt_too():
    machine = Machine()
    machine.coproc()
    machine.domain("a", "gpu0 kind=trace,reaction=100us,at=0s:50us;0s:20us;0s:20us")
    machine.run(10 * MS)
    assert irqs(machine)[:2] == [(75, "d1v0"), (95, "d1v0")]
    assert len(machine.rows("job_end")) == 3


def test_a_reset_pends_an_error_for_the_domain_that_lost_its_jobs():
    machine = Machine()
    machine.coproc(settings={"slice": 10 * MS})
    greedy = machine.domain("greedy", "gpu0")
    machine.domain("b", "gpu0 kind=backlog,work=1ms")
    base = greedy.vcoprocs[0].windows[0].base
    for offset in (reg.WORK_LO, reg.UNCUTTABLE_LO):
        mmio.access(machine.board, greedy, base + offset, 8, 900_000_000)
    mmio.access(machine.board, greedy, base + reg.DOORBELL, 4, 1)
    machine.run(200 * MS)
    assert [at_us for at_us, who in irqs(machine) if who == "d1v0"] == [25 + 10_000 + 40_000]
    assert mmio.access(machine.board, greedy, base + reg.ERROR, 4, None).value == reg.ERROR_RESET
