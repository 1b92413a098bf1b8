"""`renesas,gsx`: silicon that is switched by power, the steps of its driver, and the firmware that each domain brings.

At 600 MHz the datasheet's cycles are: power up 20 us, power down 5 us, boot 30 us, go idle 10 us, flush 15 us. A wait
for one of them ends with a look, 0.1 us. Leaving takes 6 accesses and 33 registers, 3.9 us, beside the power; entering
takes 7 accesses and 30 registers, 3.7 us: `Left` is 9 us, `Entered` 53.8 us, 23.8 us without a firmware.
"""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim import devicetree
from coprocsim.datasheets import gsx
from coprocsim.datasheets import jobunit as reg
from coprocsim.errors import DeviceTreeError
from coprocsim.hardware.gsx import GsxHardware
from coprocsim.hypervisor import domains, faults, mmio
from coprocsim.hypervisor.state import Domain, Fault
from coprocsim.model import DmaAccess, FaultKind, Sharing
from coprocsim.options.build import Build
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.gsx import GsxPlatform
from coprocsim.platforms.jobunit import Context
from coprocsim.toolstack.boot import BootOptions, power_on
from tests.cuts import assert_same_when_cut, assert_silicon_same_when_cut
from tests.machines import MS, US, Machine, described_for

NODE = described_for(GsxPlatform, "gpu0", hz=600_000_000)
USUAL = Sharing()
DTS = Path(__file__).parent.parent / "dts"
# From the entering of the first of two guests at 0 on: its turn ends at 10.0538 ms, and it is taken off.
TURN_END, IDLE, FLUSHED, LEFT = 10_053_800_000, 10_063_900_000, 10_079_000_000, 10_088_000_000


def machine_with(*workloads: str, sharing: Sharing = USUAL, platform: type[GsxPlatform] = GsxPlatform) -> Machine:
    """Return a machine whose only coproc is a gsx, and a domain `a`, `b`, … for each workload."""
    machine = Machine()
    machine.coproc("gpu0", platform, settings={"slice": 10 * MS}, sharing=sharing, described=NODE)
    for name, workload in zip("abcd", workloads, strict=False):
        machine.domain(name, f"gpu0 {workload}".strip())
    return machine


def two_busy(sharing: Sharing = USUAL) -> Machine:
    return machine_with("kind=backlog,work=20ms", "kind=backlog,work=20ms", sharing=sharing)


def findings(machine: Machine) -> list[str]:
    return machine.story("finding")


def access(machine: Machine, domain: Domain, offset: int, value: int | None = None, size: int = 4) -> mmio.Outcome:
    outcome = mmio.access(machine.board, domain, NODE.regions[0].base + offset, size, value)
    machine.hypervisor.settle()
    return outcome


# ---------------------------------------------------------------- the switch


def test_each_step_takes_what_the_datasheet_says():
    machine = two_busy()
    machine.run(20_200 * US)
    assert machine.story("switch_from", "switch_to", "iommu_disable") == [
        "0 switch_to d1v0 entered 53800000",
        "10053.8 switch_from d1v0 busy 10100000",
        "10063.9 switch_from d1v0 busy 15100000",
        "10079 switch_from d1v0 left 9000000",
        "10088 iommu_disable d1v0",
        "10090 switch_to d2v0 entered 53800000",
        "20143.8 switch_from d2v0 busy 10100000",
        "20153.9 switch_from d2v0 busy 15100000",
        "20169 switch_from d2v0 left 9000000",
        "20178 iommu_disable d2v0",
        "20180 switch_to d1v0 entered 53800000",
    ]
    assert machine.board.coprocs["gpu0"].platform.switch_cost_max_ps == 62_800_000
    assert findings(machine) == []


def test_the_unit_works_from_the_beginning_of_the_turn_on():
    machine = machine_with("kind=trace,at=1ms:2ms")
    machine.run(5 * MS)
    assert [(row[0], row[4]) for row in machine.rows("job_end")] == [(3_058_800_000, "done")]  # 53.8 in, 5 to react


def test_every_job_of_a_periodic_guest_is_done():
    machine = machine_with("kind=periodic,period=16600us,work=4ms,dma=4096", "kind=backlog,work=3ms,uncuttable=1ms")
    machine.run(500 * MS)
    vcoproc = machine.board.domains[1].vcoprocs[0]
    # Released at 0, 16.6, … 498 ms: 31. The last one is under way.
    assert (vcoproc.counters.jobs, vcoproc.counters.ended, vcoproc.counters.failed) == (31, 30, 0)
    assert findings(machine) == []
    assert machine.rows("iommu_fault") == []
    machine.check_time()


@pytest.mark.parametrize("at_ps", [TURN_END + US, IDLE + US, IDLE, TURN_END])
def test_a_resume_in_any_step_lets_the_context_go_on_where_it_was(at_ps: int):
    machine = two_busy()
    machine.at(at_ps)
    machine.run(at_ps)
    machine.sleep(machine.board.domains[2].vcoprocs[0])
    assert machine.story("resume") == [f"{at_ps / US:g} resume d1v0"]
    machine.run(25 * MS)
    # It stood still from the end of its turn until now; silicon sees both at its next edge, 600 MHz having 5/3 ns.
    ended_ps = machine.rows("job_end")[0][0] - 5 * US
    assert 0 <= ended_ps - (20 * MS + 53_800_000 + at_ps - TURN_END) < 4_000
    assert findings(machine) == []


@pytest.mark.parametrize(
    ("timeout_us", "uncuttable", "reset_at_ps"),
    [(500, "all", TURN_END + 500 * US), (5, "0", TURN_END + 5 * US), (15, "0", TURN_END + 15 * US)],
    ids=["stopping", "going idle", "flushing"],
)
@pytest.mark.parametrize("rung", ["reset", "reset_coproc"])
def test_after_a_reset_in_any_step_the_next_context_enters_cleanly(
    timeout_us: int, uncuttable: str, reset_at_ps: int, rung: str
):
    guest = f"kind=periodic,period=60ms,work=20ms,uncuttable={uncuttable}"
    sharing = Sharing(switch_timeout_ps=timeout_us * US)
    machine = machine_with(guest, "kind=trace,at=1ms:3ms;15ms:1ms", sharing=sharing)
    coproc = machine.board.coprocs["gpu0"]
    if rung == "reset_coproc":
        faults.inject(machine.board, coproc, Fault(FaultKind.FAIL_RESET, None, 1))
    machine.run(11 * MS)
    coproc.sharing = USUAL  # no later leave is to be timed out
    machine.run(30 * MS)
    assert [row[0] for row in machine.rows(rung)] == [reset_at_ps]
    assert [row[3:5] for row in machine.rows("job_end")] == [("d1v0", "error"), ("d2v0", "done"), ("d2v0", "done")]
    machine.run(90 * MS)
    assert [row[3:5] for row in machine.rows("job_end")][3:] == [("d1v0", "done")]  # released at 60 ms, alone
    assert findings(machine) == []
    machine.check_time()


def test_a_context_that_does_not_enter_is_reset_and_the_next_one_enters_cleanly():
    machine = machine_with("kind=trace,at=1ms:1ms;5ms:1ms", "kind=trace,at=2ms:1ms")
    faults.inject(machine.board, machine.board.coprocs["gpu0"], Fault(FaultKind.FAIL_ENTER, "d1v0", 1))
    machine.run(20 * MS)
    assert [row[3:5] for row in machine.rows("job_end")] == [("d1v0", "error"), ("d2v0", "done"), ("d1v0", "done")]
    assert findings(machine) == []


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([53_800_000, TURN_END, IDLE, FLUSHED, LEFT]) | st.integers(0, 40 * MS), max_size=6))
def test_a_run_that_is_cut_in_any_step_is_the_same_run(cuts_ps: list[int]):
    work = ("kind=backlog,work=7ms,dma=64", "kind=backlog,work=20ms", "kind=poisson,rate=90,work=2ms")
    assert_same_when_cut(lambda: machine_with(*work), cuts_ps)


def test_nothing_is_found_while_many_guests_do_what_they_may():
    machine = machine_with(
        "kind=poisson,rate=200,work=exp:2ms,deadline=9ms,on_miss=abandon",
        "kind=backlog,work=uniform:1ms-4ms,uncuttable=700us,dma=8192",
        "kind=periodic,period=7ms,jitter=1ms,work=1ms",
        "",
    )
    unfed = machine.board.domains[4]
    for n in range(60):
        machine.run(n * 5 * MS)
        access(machine, unfed, reg.DOORBELL, 1)
        if n % 7 == 3:
            domains.pause(machine.board, machine.board.domains[n % 3 + 1])
        if n % 7 == 5:
            for domain in machine.board.domains.values():
                if domain.paused:
                    domains.unpause(machine.board, domain)
        machine.check()
    assert findings(machine) == []
    assert machine.rows("iommu_fault", "irq_spurious", "reset") == []
    machine.check_time()


class Forgetful(GsxPlatform):
    """One who forgets a register."""

    name = "forgetful"
    forgotten = 0

    def save_more(self, context: Context) -> None:
        super().save_more(context)
        context.registers.pop(self.forgotten, None)
        context.others[self._region].pop(self.forgotten, None)


@pytest.mark.parametrize("offset", [reg.IRQ_ENABLE, gsx.FIRMWARE_BYTES])
def test_a_register_that_its_driver_forgets_is_a_leak_that_names_it(offset: int):
    class Driver(Forgetful):
        forgotten = offset

    machine = machine_with("kind=backlog,work=20ms", "kind=backlog,work=20ms", platform=Driver)
    machine.run(25 * MS)
    named = [row[5] for row in machine.rows("finding") if row[3:5] == ("d1v0", "leak")]
    assert any(what.startswith(f"{offset:#04x} ") for what in named), named


# ---------------------------------------------------------------- firmware


def test_a_unit_without_firmware_does_not_work_but_is_switched():
    machine = machine_with("", "kind=periodic,period=2ms,offset=1ms,work=1ms")
    unfed = machine.board.domains[1]
    access(machine, unfed, reg.WORK_LO, 60_000)
    access(machine, unfed, reg.DOORBELL, 1)
    machine.run(60 * MS)
    assert machine.story("switch_to")[:2] == [
        "0 switch_to d1v0 entered 23800000",
        "10049.9 switch_to d2v0 entered 53800000",
    ]
    assert access(machine, unfed, reg.DONE_COUNT).value == 0
    assert machine.board.domains[2].vcoprocs[0].counters.ended > 10
    assert findings(machine) == []


def test_it_begins_to_work_when_it_is_given_one():
    machine = machine_with("")
    unfed = machine.board.domains[1]
    access(machine, unfed, reg.WORK_LO, 600_000)
    access(machine, unfed, reg.DOORBELL, 1)
    machine.run(MS)
    access(machine, unfed, gsx.FIRMWARE_LO, 0x4000_0000)
    access(machine, unfed, gsx.FIRMWARE_BYTES, 4096)
    assert access(machine, unfed, gsx.FIRMWARE_STATUS).value == gsx.FIRMWARE_BOOTING
    machine.run(2 * MS + 30 * US - 1)  # 1 ms of work after 30 us of boot
    assert access(machine, unfed, reg.DONE_COUNT).value == 0
    machine.run(2 * MS + 30 * US)
    assert access(machine, unfed, reg.DONE_COUNT).value == 1
    assert findings(machine) == []


@pytest.mark.parametrize(
    ("base", "size_bytes", "why"),
    [
        (0x4000_0000, 64 * 2**20, None),
        (0x4000_0000, 64 * 2**20 + 1, "refused"),
        (0x3FFF_F000, 0x2000, "refused"),
        (0, 1, "refused"),
        (0x43FF_FFFF, 1, None),
        (2**64 - 1, 0xFFFF_FFFF, "refused"),
    ],
)
def test_an_image_must_lie_wholly_in_the_domain_s_memory(base: int, size_bytes: int, why: str | None):
    machine = machine_with("")  # 64 MiB from 0x40000000 on
    domain = machine.board.domains[1]
    assert access(machine, domain, gsx.FIRMWARE_LO, base, 8).why is None
    outcome = access(machine, domain, gsx.FIRMWARE_BYTES, size_bytes)
    refused = "the firmware's image is not wholly inside the domain's memory"
    assert (outcome.route, outcome.why) == ((mmio.Route.ABORTED, refused) if why else (mmio.Route.TRAPPED, None))
    assert access(machine, domain, gsx.FIRMWARE_BYTES).value == (0 if why else size_bytes)
    assert domain.aborts == bool(why)


def test_only_the_unit_s_page_is_mapped_and_the_rest_is_the_hypervisor_s():
    machine = two_busy()
    machine.run(MS)
    domain = machine.board.domains[1]
    assert access(machine, domain, reg.STATUS).route is mmio.Route.DIRECT
    for offset in (gsx.POWER_CONTROL, gsx.FIRMWARE_CONTROL, gsx.CACHE_CONTROL):
        assert access(machine, domain, offset, 0).route is mmio.Route.TRAPPED
        access(machine, domain, offset, 0xFFFF_FFFF)
    machine.run(2 * MS)
    status = [access(machine, domain, at).value for at in (gsx.POWER_STATUS, gsx.FIRMWARE_STATUS, gsx.CACHE_STATUS)]
    assert status == [gsx.POWER_ON, gsx.FIRMWARE_RUNS, 0]


def test_a_context_that_is_away_reads_what_it_last_had():
    machine = two_busy()
    domain = machine.board.domains[1]
    offsets = range(gsx.POWER_CONTROL, gsx.BLOCK_BYTES, 4)
    seen = []
    for at_ps in (9 * MS, TURN_END + US, IDLE + US, FLUSHED + US, 15 * MS):
        machine.run(at_ps)
        seen.append({at: access(machine, domain, at).value for at in offsets})
    assert seen == [seen[0]] * 5
    assert {at: value for at, value in seen[0].items() if value} == {
        gsx.POWER_CONTROL: gsx.POWER_ON,
        gsx.POWER_STATUS: gsx.POWER_ON,
        gsx.FIRMWARE_LO: 0x4000_0000,
        gsx.FIRMWARE_BYTES: 0x1_0000,
        gsx.FIRMWARE_STATUS: gsx.FIRMWARE_RUNS,
    }


def test_a_turn_that_ends_while_a_firmware_boots_waits_for_it():
    machine = machine_with("", "kind=trace,at=1ms:1ms")
    unfed = machine.board.domains[1]
    access(machine, unfed, reg.DOORBELL, 1)
    machine.run(10_023_800_000 - US)  # 1 us before its turn ends
    access(machine, unfed, gsx.FIRMWARE_LO, 0x4000_0000)
    access(machine, unfed, gsx.FIRMWARE_BYTES, 4096)
    machine.run(30 * MS)
    assert machine.story("switch_from")[0] == "10023.8 switch_from d1v0 busy 30100000"
    assert [row[3:5] for row in machine.rows("job_end")] == [("d2v0", "done")]
    assert findings(machine) == []


# ---------------------------------------------------------------- silicon


def silicon(*, boot: bool = False) -> GsxHardware:
    """Return a gsx whose power was asked for at 0, with a job of 1 ms and perhaps a firmware."""
    hardware = GsxHardware(NODE)
    hardware.write("0", gsx.POWER_CONTROL, 4, gsx.POWER_ON, 0)
    hardware.write("0", gsx.FIRMWARE_LO, 4, 0x4000_0000, 0)
    hardware.write("0", gsx.FIRMWARE_BYTES, 4, 4096, 0)
    if boot:
        hardware.write("0", gsx.FIRMWARE_CONTROL, 4, gsx.FIRMWARE_BOOT, 0)
    hardware.write("0", reg.WORK_LO, 4, 600_000, 0)
    hardware.write("0", reg.DOORBELL, 4, 1, 0)
    hardware.write("0", reg.CONTROL, 4, reg.CONTROL_ENABLE, 0)
    return hardware


def read_at(hardware: GsxHardware, offset: int, now_ps: int) -> int:
    hardware.advance(now_ps)
    return hardware.read("0", offset, 4, now_ps)


def test_without_power_all_reads_0_and_writes_are_ignored():
    hardware = silicon(boot=True)
    hardware.advance(MS)
    hardware.write("0", gsx.POWER_CONTROL, 4, 0, MS)
    for offset in range(0, gsx.BLOCK_BYTES, 4):
        if offset != gsx.POWER_CONTROL:
            hardware.write("0", offset, 4, 0xFFFF_FFFF, MS)
    nonzero = {at for at in range(0, gsx.BLOCK_BYTES, 4) if read_at(hardware, at, MS)}
    assert nonzero == {gsx.POWER_STATUS}  # on its way down
    assert read_at(hardware, gsx.POWER_STATUS, MS + 5 * US) == 0
    assert dict(hardware.context()) == dict(GsxHardware(NODE).context())


def test_what_was_asked_for_is_seen_until_it_is_done():
    hardware = silicon(boot=True)
    assert [read_at(hardware, gsx.POWER_STATUS, at) for at in (0, 20 * US - 1, 20 * US)] == [2, 2, 1]
    boot = [read_at(hardware, gsx.FIRMWARE_STATUS, at) for at in (20 * US, 50 * US - 1, 50 * US)]
    assert boot == [gsx.FIRMWARE_BOOTING, gsx.FIRMWARE_BOOTING, gsx.FIRMWARE_RUNS]
    assert hardware.take_dma() == (DmaAccess(1, 0x4000_0000, 4096, write=False),)
    hardware.write("0", gsx.FIRMWARE_CONTROL, 4, gsx.FIRMWARE_IDLE, 50 * US)
    idle = [read_at(hardware, gsx.FIRMWARE_STATUS, at) for at in (60 * US - 1, 60 * US)]
    assert idle == [gsx.FIRMWARE_RUNS, gsx.FIRMWARE_RUNS | gsx.FIRMWARE_IS_IDLE]
    hardware.write("0", gsx.CACHE_CONTROL, 4, gsx.CACHE_FLUSH, 60 * US)
    assert [read_at(hardware, gsx.CACHE_STATUS, at) for at in (60 * US, 75 * US - 1, 75 * US)] == [1, 1, 0]


def test_the_unit_works_only_while_a_firmware_runs():
    assert silicon().next_ps() is None
    hardware = silicon(boot=True)
    hardware.advance(550 * US)
    hardware.write("0", gsx.FIRMWARE_CONTROL, 4, gsx.FIRMWARE_IDLE, 550 * US)
    assert hardware.next_ps() is None
    hardware.advance(MS)
    hardware.write("0", gsx.FIRMWARE_CONTROL, 4, 0, MS)
    assert hardware.next_ps() == 1_500 * US  # half of the job was left


def test_an_image_that_the_iommu_refuses_does_not_run():
    hardware = silicon(boot=True)
    hardware.advance(50 * US)
    (image,) = hardware.take_dma()
    hardware.dma_fault(image, 50 * US)
    assert read_at(hardware, gsx.FIRMWARE_STATUS, 51 * US) == gsx.FIRMWARE_FAULT
    assert hardware.next_ps() is None


USEFUL = st.lists(
    st.tuples(
        st.sampled_from([0, 1, 999, 10**6, 7 * 10**6, 30 * 10**6]),
        st.just(0),
        st.sampled_from(
            [
                *(gsx.POWER_CONTROL, gsx.POWER_STATUS, gsx.FIRMWARE_BYTES, gsx.FIRMWARE_CONTROL, gsx.FIRMWARE_STATUS),
                *(gsx.CACHE_CONTROL, gsx.CACHE_STATUS, reg.CONTROL, reg.WORK_LO, reg.UNCUTTABLE_LO, reg.DOORBELL),
            ]
        ).map(lambda offset: offset // 4),
        st.just(4),
        st.none() | st.sampled_from([0, 1, 1, 2, 3, 5_000]),
    ),
    max_size=40,
)
POWERED = [(0, 0, at // 4, 4, 1) for at in (gsx.POWER_CONTROL, gsx.FIRMWARE_BYTES, gsx.FIRMWARE_CONTROL)]


@settings(max_examples=200, deadline=None)
@given(USEFUL, st.integers(0, 40))
def test_time_may_pass_step_by_step_and_be_cut_whatever_is_asked_of_the_silicon(accesses, at: int):
    accesses = [*POWERED, *accesses]
    assert_silicon_same_when_cut(GsxHardware, accesses, at % len(accesses))
    json.dumps(GsxHardware(NODE).save())


# ---------------------------------------------------------------- boot


def test_the_example_system_s_gpu_is_driven_by_it_unless_another_is_asked_for():
    spec = devicetree.loads((DTS / "system.dtb").read_bytes()).machine
    board, _ = power_on(spec, BootOptions({}), Build())
    assert type(board.coprocs["gpu0"].platform) is GsxPlatform
    board, _ = power_on(spec, BootOptions({"gpu0": "generic"}), Build())
    assert type(board.coprocs["gpu0"].platform) is GenericPlatform


def test_a_node_without_room_for_the_registers_is_refused_with_the_reason():
    spec = devicetree.loads((DTS / "minimal.dtb").read_bytes()).machine
    with pytest.raises(DeviceTreeError) as caught:
        power_on(spec, BootOptions({"xxx0": "gsx"}), Build())
    why = "no range of `reg` holds the 16384 bytes of its registers"
    assert str(caught.value) == f"platform `gsx` cannot drive this node: {why}"
