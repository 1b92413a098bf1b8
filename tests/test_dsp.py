"""`acme,hexa-d4`: jobs are let go at the points that their guest states, with a checkpoint in its memory.

At 1 GHz a cycle is 1 ns, and a checkpoint of 64 KiB takes 16384 cycles, 16.384 us. Leaving takes 3 accesses, clears 11
registers and reads 38, 5.2 us; entering takes 5 accesses and 38 registers, 4.3 us, and with a state its checkpoint.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim import devicetree
from coprocsim.datasheets import dsp
from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.dsp import DspHardware
from coprocsim.hypervisor import domains, faults, mmio
from coprocsim.hypervisor.state import Domain, Fault
from coprocsim.model import DmaAccess, FaultKind, Sharing, VcoprocId
from coprocsim.options.build import Build
from coprocsim.parameters import BadSetting
from coprocsim.platforms.base import Answer
from coprocsim.platforms.crypto import CryptoPlatform
from coprocsim.platforms.dsp import DspPlatform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.jobunit import Context
from coprocsim.toolstack.boot import BootOptions, power_on
from tests.cuts import assert_same_when_cut, assert_silicon_same_when_cut
from tests.machines import MS, US, Machine, described_for

NODE = replace(described_for(DspPlatform, "dsp0"), clock_hz=10**9)
CONTROL = NODE.regions[2].base
USUAL = Sharing()
DTS = Path(__file__).parent.parent / "dts"
LONG = "kind=backlog,work=20ms,points=600us,state=64KiB"
# The first turn begins at 4.3 us and lasts 10 ms; 10 ms of work are left then, which is 400 us before a point.
TURN_END, POINT, WRITTEN = 10_004_300_000, 10_404_300_000, 10_420_684_000


def machine_with(*workloads: str, sharing: Sharing = USUAL, platform: type[DspPlatform] = DspPlatform) -> Machine:
    """Return a machine whose only coproc is a dsp, and a domain `a`, `b`, … for each workload."""
    machine = Machine()
    machine.coproc("dsp0", platform, settings={"slice": 10 * MS}, sharing=sharing, described=NODE)
    for name, workload in zip("abcd", workloads, strict=False):
        machine.domain(name, f"dsp0 {workload}".strip())
    return machine


def access(machine: Machine, domain: Domain, offset: int, value: int | None = None, size: int = 4) -> mmio.Outcome:
    outcome = mmio.access(machine.board, domain, CONTROL + offset, size, value)
    machine.hypervisor.settle()
    return outcome


def ends(machine: Machine) -> list[tuple[object, ...]]:
    return [row[3:5] for row in machine.rows("job_end")]


# ---------------------------------------------------------------- the switch


def test_a_switch_waits_for_the_next_point_and_the_checkpoint_and_loads_as_much():
    machine = machine_with(LONG, LONG)
    machine.run(31 * MS)
    assert machine.story("switch_from", "switch_to")[:6] == [
        "0 switch_to d1v0 entered 4300000",
        "10004.3 switch_from d1v0 busy 416384000",
        "10420.7 switch_from d1v0 left 5200000",
        "10427.9 switch_to d2v0 entered 4300000",
        "20432.2 switch_from d2v0 busy 416384000",
        "20848.6 switch_from d2v0 left 5200000",
    ]
    assert machine.rows("switch_to")[2][0::5] == (20_855_768_000, 20_684_000)
    # 9.6 ms were left; the handler runs 5 us later.
    assert [row[0] for row in machine.rows("job_end")] == [20_855_768_000 + 20_684_000 + 9_600 * US + 5 * US]
    assert machine.rows("finding") == []


def test_the_most_that_a_switch_costs_is_with_the_largest_state():
    machine = machine_with("")
    assert machine.board.coprocs["dsp0"].platform.switch_cost_max_ps == (5_200 + 4_300 + 65_536) * 1_000


def test_every_job_of_a_periodic_guest_is_done():
    machine = machine_with("kind=periodic,period=20ms,work=3ms,points=200us,state=4KiB,dma=4096", LONG)
    machine.run(500 * MS)
    counters = machine.board.domains[1].vcoprocs[0].counters
    assert (counters.jobs, counters.ended, counters.failed) == (26, 25, 0)  # released at 0, 20, … 500 ms
    assert machine.rows("finding", "iommu_fault", "reset") == []
    machine.check_time()


@pytest.mark.parametrize(
    ("at_ps", "lost_ps"),
    [(TURN_END + US, 0), (POINT - 1, 0), (POINT, 0), (POINT + US, US), (WRITTEN - US, WRITTEN - US - POINT)],
)
def test_a_resume_withdraws_the_request_and_drops_a_checkpoint(at_ps: int, lost_ps: int):
    machine = machine_with(LONG, LONG)
    machine.run(at_ps)
    machine.sleep(machine.board.domains[2].vcoprocs[0])
    assert [row[0] for row in machine.rows("resume")] == [at_ps]
    machine.run(25 * MS)
    assert [row[0] for row in machine.rows("job_end")] == [20_004_300_000 + lost_ps + 5 * US]
    assert machine.rows("finding") == []


def test_without_points_a_job_denies_until_its_end():
    machine = machine_with("kind=trace,at=0s:20ms,points=0,state=64KiB", "kind=trace,at=1ms:1ms")
    machine.run(30 * MS)
    assert machine.story("switch_from")[:2] == [
        "10004.3 switch_from d1v0 busy 10000000000",
        "20004.3 switch_from d1v0 left 5200000",
    ]
    assert ends(machine) == [("d1v0", "done"), ("d2v0", "done")]


def test_without_points_for_longer_than_the_switch_timeout_the_context_is_reset_and_its_job_fails():
    machine = machine_with("kind=trace,at=0s:100ms;90ms:1ms", "kind=periodic,period=10ms,work=1ms")
    machine.run(200 * MS)
    assert [row[0] for row in machine.rows("reset")] == [TURN_END + 40 * MS]
    told = [row[4] for row in machine.rows("irq") if row[0] == TURN_END + 40 * MS]
    assert told == ["mailbox", "watchdog"]
    vcoproc = machine.board.domains[1].vcoprocs[0]
    assert (vcoproc.counters.failed, vcoproc.counters.ended) == (1, 1)
    assert machine.board.domains[2].vcoprocs[0].counters.ended == 20
    assert machine.rows("finding") == []


@pytest.mark.parametrize("timeout_us", [100, 405], ids=["before the point", "during the checkpoint"])
@pytest.mark.parametrize("rung", ["reset", "reset_coproc"])
def test_after_a_reset_in_any_step_the_next_context_enters_cleanly(timeout_us: int, rung: str):
    sharing = Sharing(switch_timeout_ps=timeout_us * US)
    first = "kind=periodic,period=60ms,work=20ms,points=600us,state=64KiB"
    machine = machine_with(first, "kind=trace,at=1ms:3ms;15ms:1ms,state=4KiB", sharing=sharing)
    coproc = machine.board.coprocs["dsp0"]
    if rung == "reset_coproc":
        faults.inject(machine.board, coproc, Fault(FaultKind.FAIL_RESET, None, 1))
    machine.run(11 * MS)
    coproc.sharing = USUAL  # no later leave is to be timed out
    machine.run(30 * MS)
    assert [row[0] for row in machine.rows(rung)] == [TURN_END + timeout_us * US]
    assert ends(machine) == [("d1v0", "error"), ("d2v0", "done"), ("d2v0", "done")]
    slots = range(dsp.SLOT_0, dsp.BLOCK_BYTES, 4)
    assert {access(machine, machine.board.domains[1], at).value for at in slots} == {0}
    machine.run(90 * MS)
    assert ends(machine)[3:] == [("d1v0", "done")]
    assert machine.rows("finding") == []


def test_what_was_done_before_a_reset_of_the_coproc_stays_done():
    machine = machine_with("kind=trace,at=0s:1ms;0s:100ms", "kind=trace,at=2ms:1ms")
    faults.inject(machine.board, machine.board.coprocs["dsp0"], Fault(FaultKind.FAIL_RESET, None, 1))
    machine.run(100 * MS)
    assert len(machine.rows("reset_coproc")) == 1
    assert ends(machine) == [("d1v0", "done"), ("d1v0", "error"), ("d2v0", "done")]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([TURN_END, POINT, WRITTEN, WRITTEN + US]) | st.integers(0, 40 * MS), max_size=6))
def test_a_run_that_is_cut_in_any_step_is_the_same_run(cuts_ps: list[int]):
    work = (LONG, LONG, "kind=poisson,rate=90,work=2ms,points=70us,state=5000,dma=64")
    assert_same_when_cut(lambda: machine_with(*work), cuts_ps)


def test_nothing_is_found_while_many_guests_do_what_they_may():
    machine = machine_with(
        "kind=poisson,rate=200,work=exp:2ms,deadline=9ms,on_miss=abandon,points=100us,state=32KiB",
        "kind=backlog,work=uniform:1ms-4ms,points=700us,state=256KiB,dma=8192",
        "kind=periodic,period=7ms,jitter=1ms,work=1ms",
        "",
    )
    for n in range(60):
        machine.run(n * 5 * MS)
        access(machine, machine.board.domains[4], dsp.POINT_LO, n)
        access(machine, machine.board.domains[4], reg.DOORBELL, 1)
        if n % 7 == 3:
            domains.pause(machine.board, machine.board.domains[n % 3 + 1])
        if n % 7 == 5:
            for domain in machine.board.domains.values():
                if domain.paused:
                    domains.unpause(machine.board, domain)
        machine.check()
    assert machine.rows("finding", "iommu_fault", "irq_spurious", "reset") == []
    assert all(machine.board.domains[n].vcoprocs[0].counters.ended for n in (1, 2, 3))
    machine.check_time()


@pytest.mark.parametrize("offset", [reg.DONE_COUNT, dsp.CHECKPOINT_LO, dsp.SLOT_0, dsp.SLOT_0 + dsp.SLOT_STATE_BYTES])
def test_a_register_that_its_driver_forgets_is_a_leak_that_names_it(offset: int):
    class Forgetful(DspPlatform):
        name = "forgetful"

        def save_more(self, context: Context) -> None:
            super().save_more(context)
            context.registers.pop(offset, None)
            context.others[dsp.REGION].pop(offset, None)

    machine = machine_with("kind=backlog,work=3ms,points=70us,state=64KiB", LONG, platform=Forgetful)
    machine.run(35 * MS)
    named = [row[5] for row in machine.rows("finding") if row[3:5] == ("d1v0", "leak")]
    assert any(what.startswith(f"{offset:#04x} ") for what in named), named


# ---------------------------------------------------------------- guests


def test_a_job_that_is_given_up_ends_at_its_next_point():
    machine = machine_with("kind=trace,at=0s:20ms,points=600us,deadline=1ms,on_miss=abandon")
    machine.run(5 * MS)
    # Begun at 4.3 us, 20 ms long: at 1 ms 19.0043 ms are left, the next point is at 18.6 ms; then 5 us to react.
    assert [(row[0], row[4]) for row in machine.rows("job_end")] == [(1_404_300_000 + 5 * US, "abandoned")]


@pytest.mark.parametrize(
    ("option", "what", "hint"),
    [
        (
            "uncuttable=200us",
            "a job on this coproc has no part that cannot be cut",
            "`points=500us` says how far its preemption points are apart, `points=0` that it has none",
        ),
        (
            "uncuttable=all",
            "a job on this coproc has no part that cannot be cut",
            "`points=500us` says how far its preemption points are apart, `points=0` that it has none",
        ),
        ("state=1MiB", "`state=1MiB` makes no sense", "`state` is at most 256 KiB here"),
        ("state=big", "`state=big` makes no sense", "`big` is not a size: write `256MiB`, `64KiB`, `4096`"),
    ],
)
def test_what_makes_no_sense_is_refused(option: str, what: str, hint: str):
    with pytest.raises(BadSetting) as caught:
        machine_with(f"kind=backlog,work=1ms,{option}")
    assert (str(caught.value), caught.value.hint) == (what, hint)


def test_nothing_uncuttable_is_accepted_and_so_is_a_job_without_points_or_state():
    machine = machine_with("kind=backlog,work=1ms,uncuttable=0,points=0,state=0")
    machine.run(5 * MS)
    assert machine.board.domains[1].vcoprocs[0].counters.ended == 4


def test_a_checkpoint_outside_of_the_domain_s_memory_is_contained():
    machine = machine_with("", LONG)
    domain = machine.board.domains[1]
    words = {reg.WORK_LO: 50 * 10**6, dsp.POINT_LO: 1_000, dsp.STATE_BYTES: 4096, dsp.CHECKPOINT_LO: 0x1000}
    for offset, value in {**words, reg.DOORBELL: 1}.items():
        access(machine, domain, offset, value)
    machine.run(40 * MS)
    told = {(row[3], row[4]) for row in machine.rows("iommu_fault")}
    assert told == {("d1v0", 0x1000)}
    back_ps = [row[0] for row in machine.rows("switch_to") if row[3] == "d1v0"][1]
    # It begins to enter for the second time; 1024 cycles from the next edge on, its state has been read.
    read_ps = -(-back_ps // 1_000) * 1_000 + 1_024_000
    assert [row[0] for row in machine.rows("iommu_fault") if row[6] == "read"][:1] == [read_ps]
    assert access(machine, domain, reg.ERROR).value == reg.ERROR_DMA
    assert machine.board.domains[2].vcoprocs[0].counters.faults == 0


# ---------------------------------------------------------------- silicon


def silicon(*jobs: tuple[int, int, int]) -> DspHardware:
    """Return a dsp with jobs of (work, distance, state), begun at 0, and its checkpoint buffer at 0x40000000."""
    hardware = DspHardware(NODE)
    write(hardware, dsp.CHECKPOINT_LO, 0x4000_0000)
    for work, distance, state_bytes in jobs:
        for offset, value in ((reg.WORK_LO, work), (dsp.POINT_LO, distance), (dsp.STATE_BYTES, state_bytes)):
            write(hardware, offset, value)
        write(hardware, reg.DOORBELL, 1)
    write(hardware, reg.CONTROL, reg.CONTROL_ENABLE)
    return hardware


def write(hardware: DspHardware, offset: int, value: int, now_ns: int = 0) -> None:
    hardware.advance(now_ns * 1_000)
    hardware.write(dsp.REGION, offset, 4, value, now_ns * 1_000)


def read(hardware: DspHardware, offset: int, now_ns: int) -> int:
    hardware.advance(now_ns * 1_000)
    return hardware.read(dsp.REGION, offset, 4, now_ns * 1_000)


def test_the_firmware_looks_at_the_request_at_a_point_writes_the_state_and_stops():
    hardware = silicon((1_000, 300, 400))  # points with 900, 600, 300 and 0 left; 100 cycles for the state
    write(hardware, dsp.PREEMPT, dsp.PREEMPT_REQUEST, 250)
    assert read(hardware, dsp.READY_LO, 250) == 150 + 100  # 400 cycles done at the point
    assert [read(hardware, dsp.FIRMWARE_STATUS, at) for at in (399, 400, 499, 500)] == [0, 2, 2, 1]
    assert [read(hardware, dsp.READY_LO, 500), read(hardware, reg.PLACE_0, 500)] == [0, 600]
    assert hardware.take_dma() == (DmaAccess(0, 0x4000_0000, 400, write=True),)
    write(hardware, dsp.PREEMPT, 0, 800)
    assert hardware.next_ps() == 1_400 * 1_000


def test_a_request_that_is_withdrawn_before_the_point_or_during_the_checkpoint_leaves_no_trace():
    hardware = silicon((1_000, 300, 400))
    write(hardware, dsp.PREEMPT, dsp.PREEMPT_REQUEST, 250)
    write(hardware, dsp.PREEMPT, 0, 300)
    assert hardware.next_ps() == 1_000 * 1_000
    write(hardware, dsp.PREEMPT, dsp.PREEMPT_REQUEST, 350)
    write(hardware, dsp.PREEMPT, 0, 450)
    assert (hardware.next_ps(), hardware.take_dma()) == (1_050 * 1_000, ())


def test_a_state_is_loaded_before_its_job_is_worked():
    hardware = silicon((1_000, 300, 400))
    write(hardware, reg.CONTROL, 0, 100)  # at a point: 900 are left
    write(hardware, dsp.PREEMPT, dsp.PREEMPT_LOAD, 100)
    write(hardware, reg.CONTROL, reg.CONTROL_ENABLE, 100)
    assert read(hardware, dsp.FIRMWARE_STATUS, 199) == dsp.FIRMWARE_LOADING
    hardware.advance(200 * 1_000)
    assert hardware.take_dma() == (DmaAccess(0, 0x4000_0000, 400, write=False),)
    assert hardware.next_ps() == 1_100 * 1_000


def test_a_job_that_ends_at_the_point_has_no_state_and_the_next_one_does_not_begin():
    hardware = silicon((1_000, 0, 400), (500, 100, 400))
    write(hardware, dsp.PREEMPT, dsp.PREEMPT_REQUEST, 250)
    assert read(hardware, dsp.READY_LO, 250) == 750
    assert read(hardware, dsp.FIRMWARE_STATUS, 1_000) == dsp.FIRMWARE_STOPPED
    assert [read(hardware, dsp.SLOT_0, 1_000), read(hardware, reg.DONE_COUNT, 1_000)] == [100, 1]
    assert (hardware.next_ps(), hardware.take_dma()) == (None, ())


def test_no_state_is_larger_than_the_datasheet_says():
    hardware = silicon((1_000, 300, 2**32 - 1))
    assert read(hardware, dsp.SLOT_0 + dsp.SLOT_STATE_BYTES, 0) == dsp.STATE_BYTES_MAX


OFFSETS = [
    *(reg.CONTROL, reg.WORK_LO, reg.UNCUTTABLE_LO, reg.DOORBELL, reg.PLACE_0, reg.PLACE_0 + reg.PLACE_STATE),
    *(dsp.POINT_LO, dsp.STATE_BYTES, dsp.PREEMPT, dsp.PREEMPT, dsp.FIRMWARE_STATUS, dsp.READY_LO, dsp.SLOT_0),
]
USEFUL = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 999, 10**4, 10**5, 10**6]),
        st.just(2),
        st.sampled_from(OFFSETS).map(lambda offset: offset // 4),
        st.just(4),
        st.none() | st.sampled_from([0, 1, 1, 2, 3, 70, 500, 3_000]),
    ),
    max_size=40,
)
BEGUN = [(0, 2, at // 4, 4, 700) for at in (reg.WORK_LO, dsp.STATE_BYTES)]
BEGUN += [(0, 2, dsp.POINT_LO // 4, 4, 90), (0, 2, reg.DOORBELL // 4, 4, 1), (0, 2, reg.CONTROL // 4, 4, 1)]


@settings(max_examples=200, deadline=None)
@given(USEFUL, st.integers(0, 40))
def test_time_may_pass_step_by_step_and_be_cut_whatever_is_asked_of_the_silicon(accesses, at: int):
    accesses = [*BEGUN, *accesses]
    assert_silicon_same_when_cut(DspHardware, accesses, at % len(accesses))


# ---------------------------------------------------------------- the context that is away


AWAY = VcoprocId(1, 0)
GUEST_OFFSETS = [*reg.STAGED, reg.DOORBELL, reg.IRQ_STATUS, reg.IRQ_CLEAR, reg.IRQ_ENABLE, reg.DONE_COUNT, reg.ERROR]
GUEST_OFFSETS += [*dsp.STAGED, dsp.CHECKPOINT_LO, dsp.CHECKPOINT_HI, dsp.SLOT_0, dsp.SLOT_0 + dsp.SLOT_STATE_BYTES]
STATES = range(dsp.POINT_LO, dsp.PREEMPT, 4), range(dsp.SLOT_0, dsp.BLOCK_BYTES, 4)
GUEST_READS = [
    *(at for at in range(0, reg.BLOCK_BYTES, 4) if at != reg.CONTROL),
    *(at for part in STATES for at in part),
]
WRITES = st.tuples(st.sampled_from(GUEST_OFFSETS), st.integers(0, 2**32 - 1) | st.integers(0, 9))
RESETS = st.sampled_from([(reg.CONTROL, reg.CONTROL_RESET), (reg.DOORBELL, 1), (reg.DOORBELL, 1)])


@settings(deadline=None)
@given(st.lists(WRITES | RESETS, max_size=30))
def test_a_context_that_is_away_answers_as_the_silicon_would_that_is_stopped(writes):
    platform = Machine().coproc("dsp0", DspPlatform, described=NODE).platform
    assert platform.domain_create(AWAY, (range(0x4000_0000, 0x4400_0000),)) is None
    hardware = DspHardware(NODE)
    for offset, value in writes:
        platform.write(AWAY, dsp.REGION, offset, 4, value)
        hardware.write(dsp.REGION, offset, 4, value, 0)
        answers = {at: platform.read(AWAY, dsp.REGION, at, 4) for at in GUEST_READS}
        assert answers == {at: Answer(hardware.read(dsp.REGION, at, 4, 0)) for at in GUEST_READS}


def test_a_job_that_is_given_up_while_away_takes_its_slot_with_it():
    platform = Machine().coproc("dsp0", DspPlatform, described=NODE).platform
    assert platform.domain_create(AWAY, (range(0x4000_0000, 0x4400_0000),)) is None
    for distance in (70, 90):
        for offset, value in ((reg.WORK_LO, 500), (dsp.POINT_LO, distance), (reg.DOORBELL, 1)):
            platform.write(AWAY, dsp.REGION, offset, 4, value)
    platform.write(AWAY, dsp.REGION, reg.CONTROL, 4, reg.CONTROL_ENABLE | reg.CONTROL_ABORT)
    slots = [platform.read(AWAY, dsp.REGION, dsp.SLOT_0 + n * dsp.SLOT_BYTES, 4) for n in range(reg.PLACES)]
    assert slots == [Answer(90), Answer(0)]


# ---------------------------------------------------------------- boot


def test_the_cockpit_s_dsp_is_driven_by_it():
    spec = devicetree.loads((DTS / "automotive.dtb").read_bytes()).machine
    board, _ = power_on(spec, BootOptions({}), Build())
    drivers = {name: type(coproc.platform) for name, coproc in board.coprocs.items()}
    assert drivers == {
        "gpu0": GenericPlatform,
        "dsp0": DspPlatform,
        "codec0": GenericPlatform,
        "crypto0": CryptoPlatform,
    }


@pytest.mark.parametrize(
    ("described", "why"),
    [
        (
            replace(NODE, regions=NODE.regions[:2]),
            "no range `control` that holds the 288 bytes of its registers",
        ),
        (replace(NODE, lines=NODE.lines[1:]), "its first interrupt is not `mailbox`"),
        (replace(NODE, lines=()), "its first interrupt is not `mailbox`"),
    ],
)
def test_a_node_that_lacks_something_is_refused_with_the_reason(described, why: str):
    assert DspPlatform.unfit(described) == why
