"""A GPU that shares itself: no scheduler, registers and turns for each domain, interrupts to all.

Instants are worked out by hand: the clock is 1 GHz, so a quantum of 500,000 cycles lasts 500 µs, and a guest's handler
comes 5 µs after the interrupt.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from coprocsim import devicetree
from coprocsim.datasheets import jobunit as reg
from coprocsim.datasheets import vgpu
from coprocsim.errors import CfgError, CoprocsimError, DeviceTreeError
from coprocsim.hypervisor import domains, mmio
from coprocsim.hypervisor.mmio import Route
from coprocsim.hypervisor.state import Domain
from coprocsim.model import UNSCHEDULED, CoprocSpec, Effect, RaiseIrq, Region, Setting, VcoprocId, VcoprocState
from coprocsim.observe.verify import verified
from coprocsim.observe.view import view
from coprocsim.options.build import Build
from coprocsim.platforms.vgpu import VirtualGpuPlatform
from coprocsim.schedulers.unscheduled import Unscheduled
from coprocsim.store import read
from coprocsim.toolstack import control
from coprocsim.toolstack import domain as toolstack_domain
from coprocsim.toolstack.boot import BootOptions, boot, power_on
from tests.machines import MS, US, Machine, hardware_of, spec

PROJECT = Path(__file__).parent.parent
LOW = 0x4000_0000


def node(streams: int = 8) -> CoprocSpec:
    described = spec(streams=streams, compatible=VirtualGpuPlatform.compatible)
    return replace(described, regions=(Region("r0", 0x9000_0000, 0x10000),))


def gpu(*workloads: str, streams: int = 8) -> tuple[Machine, list[Domain]]:
    """Return a machine with the GPU, and a domain for each workload."""
    machine = Machine()
    machine.coproc("gpu0", VirtualGpuPlatform, Unscheduled, described=node(streams))
    return machine, [machine.domain(f"d{n}", f"gpu0 {workload}") for n, workload in enumerate(workloads)]


def access(machine: Machine, domain: Domain, offset: int, value: int | None = None) -> mmio.Outcome:
    return mmio.access(machine.board, domain, domain.vcoprocs[0].windows[0].base + offset, 4, value)


def ended(machine: Machine) -> list[tuple[str, int]]:
    """Return whose jobs ended when, in µs."""
    return [(str(row[3]), row[0] // US) for row in machine.rows("job_end")]


def test_jobs_of_several_domains_take_turns_without_a_switch():
    # a works 0-500 µs, b 500-1000, a 1000-1500 (its millisecond is over), b 1500-2000.
    machine, _ = gpu("kind=trace,at=0s:1ms", "kind=trace,at=0s:1ms")
    machine.run(5 * MS)
    assert ended(machine) == [("d1v0", 1505), ("d2v0", 2005)]
    assert machine.rows("switch_from", "switch_to", "iommu_disable") == []
    machine.check_time()


def test_alone_nobody_is_stopped_at_the_end_of_a_quantum():
    machine, _ = gpu("kind=trace,at=0s:3ms", "kind=trace,at=2700us:100us")
    machine.run(5 * MS)
    # The first has worked 2.7 ms when the second comes, more than a quantum: it gives way at once, and comes back.
    assert ended(machine) == [("d2v0", 2805), ("d1v0", 3105)]


def test_what_cannot_be_cut_delays_the_next_one_s_turn():
    machine, _ = gpu("kind=trace,uncuttable=800us,at=0s:1ms", "kind=trace,at=0s:100us")
    machine.run(5 * MS)
    assert ended(machine) == [("d2v0", 905), ("d1v0", 1105)]


def test_every_domain_gets_every_interrupt_and_handles_its_own():
    machine, made = gpu("kind=periodic,period=1ms,work=200us", "kind=idle", "kind=periodic,period=2ms,work=100us")
    machine.run(10 * MS)
    counters = [domain.vcoprocs[0].counters for domain in made]
    assert len({each.irqs for each in counters}) == 1
    assert counters[0].irqs == len({row[0] for row in machine.rows("raised")})
    assert [each.ended for each in counters] == [10, 0, 5]
    assert machine.board.coprocs["gpu0"].counters.spurious == 0


class TellsOfEachStart(VirtualGpuPlatform):
    """Sends an interrupt to the first domain whenever any begins."""

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        return (*super().start(vcoproc, now_ps), RaiseIrq(VcoprocId(1, 0), "irq0"))


def test_an_interrupt_because_of_another_s_start_is_found():
    machine = Machine()
    machine.coproc("gpu0", TellsOfEachStart, Unscheduled, described=node())
    for name in ("a", "b"):
        machine.domain(name, "gpu0 kind=idle")
    assert [row[3:] for row in machine.rows("finding")] == [
        ("d1v0", "irq", "line irq0 is delivered to it because of the start of d2v0")
    ]


def test_the_page_with_the_interrupt_status_is_trapped_and_all_others_are_mapped():
    machine, (a, b) = gpu("kind=idle", "kind=idle")
    assert access(machine, a, vgpu.OWN_OSID).route is Route.TRAPPED
    assert [access(machine, each, vgpu.OWN_OSID).value for each in (a, b)] == [0, 1]
    for offset in range(vgpu.PAGE_BYTES, 0x10000, vgpu.PAGE_BYTES):
        assert access(machine, a, offset).route is Route.DIRECT
    assert access(machine, a, 0x10000).route is Route.ABORTED


def test_a_domain_sees_its_own_interrupt_status_only():
    machine, (a, b) = gpu("kind=idle", "kind=idle")
    access(machine, a, vgpu.UNIT_OFFSET + reg.IRQ_ENABLE, reg.IRQ_DONE)
    access(machine, a, vgpu.UNIT_OFFSET + reg.IRQ_STATUS, reg.IRQ_DONE)
    assert [access(machine, each, vgpu.OWN_IRQ_STATUS).value for each in (a, b)] == [1, 0]


def test_no_domain_reaches_another_one_s_registers():
    machine, (a, b) = gpu("kind=idle", "kind=idle")
    for offset in (*reg.STAGED, reg.IRQ_ENABLE, reg.DONE_COUNT):
        access(machine, a, vgpu.UNIT_OFFSET + offset, 3)
    access(machine, b, vgpu.OS_ENABLE, 0)
    access(machine, b, vgpu.OS_RESET, 0xFF)
    for offset in (*reg.STAGED, reg.IRQ_ENABLE, reg.DONE_COUNT):
        read = [access(machine, each, vgpu.UNIT_OFFSET + offset).value for each in (a, b)]
        assert read == [3, 0], f"{offset:#x}"


def test_a_domain_cannot_keep_the_gpu_by_enabling_its_unit():
    machine, (greedy, _) = gpu("kind=trace,at=0s:5ms", "kind=trace,at=0s:1ms")
    for at_us in range(0, 3000, 50):
        machine.run(at_us * US)
        access(machine, greedy, vgpu.UNIT_OFFSET + reg.CONTROL, reg.CONTROL_ENABLE)
    machine.run(10 * MS)
    assert ended(machine)[0] == ("d2v0", 2005)


def test_dma_goes_through_the_domain_s_own_stream_and_a_fault_is_its_own():
    machine, (good, bad) = gpu("kind=periodic,period=1ms,work=100us,dma=4096", "kind=idle")
    for offset, value in ((reg.WORK_LO, 1000), (reg.DMA_LO, LOW + 64 * 2**20), (reg.DMA_BYTES, 4), (reg.DOORBELL, 1)):
        access(machine, bad, vgpu.UNIT_OFFSET + offset, value)
    machine.run(5 * MS)
    assert {row[3] for row in machine.rows("iommu_fault")} == {"d2v0"}
    assert (good.vcoprocs[0].counters.faults, bad.vcoprocs[0].counters.faults) == (0, 2)
    assert good.vcoprocs[0].counters.ended == 5
    assert access(machine, bad, vgpu.UNIT_OFFSET + reg.ERROR).value == reg.ERROR_DMA


def test_as_many_domains_as_streams_and_who_comes_later_finds_nothing_of_who_was_there():
    machine, (first, _) = gpu("kind=backlog,work=300us", "kind=idle", streams=2)
    with pytest.raises(CfgError, match="all 2 OSIDs of `gpu0` are taken"):
        machine.domain("third", "gpu0")
    machine.run(MS)
    domains.destroy(machine.board, first)
    machine.hypervisor.settle()
    third = machine.domain("third", "gpu0")
    clean, now = hardware_of(VirtualGpuPlatform)(node()).context(), machine.board.coprocs["gpu0"].hardware.context()
    assert {name: now[name] for name in now if name.startswith("os0:")} == {
        name: clean[name] for name in clean if name.startswith("os0:")
    }
    assert access(machine, third, vgpu.OWN_OSID).value == 0
    streams = machine.board.coprocs["gpu0"].spec.streams
    assert machine.board.attached == {str(streams[0]): VcoprocId(3, 0), str(streams[1]): VcoprocId(2, 0)}


class OneStreamForAll(VirtualGpuPlatform):
    """Tells no domain's DMA from another's."""

    name = "one-stream"

    def iommu_streams(self, vcoproc: VcoprocId) -> tuple[int, ...]:
        return (0,)


def test_two_domains_with_one_stream_are_refused_and_nothing_of_the_second_stays():
    machine = Machine()
    machine.coproc("gpu0", OneStreamForAll, Unscheduled, described=node())
    machine.domain("first", "gpu0")
    with pytest.raises(CfgError, match="platform `one-stream` names a stream twice"):
        machine.domain("second", "gpu0")
    assert list(machine.board.vcoprocs) == ["d1v0"]
    machine.domain("third")


def test_a_paused_domain_is_cut_off_and_goes_on_with_its_next_job():
    machine, (a, b) = gpu("kind=periodic,period=1ms,work=100us", "kind=periodic,period=1ms,work=100us")
    machine.run(3 * MS + 500 * US)
    domains.pause(machine.board, a)
    assert a.vcoprocs[0].state is VcoprocState.SLEEPING
    refused = access(machine, a, vgpu.UNIT_OFFSET)
    assert (refused.route, refused.why) == (
        Route.ABORTED,
        "its part of the GPU is switched off while the domain is paused",
    )
    machine.run(7 * MS + 500 * US)
    domains.unpause(machine.board, a)
    machine.run(10 * MS)
    # Releases at 4, 5, 6 and 7 ms did not come to it.
    assert [each.vcoprocs[0].counters.ended for each in (a, b)] == [6, 10]
    machine.check_time()


def test_a_run_cut_at_any_quantum_is_the_same_run():
    work = ("kind=backlog,work=700us,uncuttable=100us,dma=64", "kind=poisson,rate=900,work=exp:300us")
    whole, _ = gpu(*work)
    whole.run(20 * MS)
    cut, _ = gpu(*work)
    for at_us in range(0, 20_000, 173):
        cut.run(at_us * US)
        cut.rest()
    cut.run(20 * MS)
    assert cut.board.trace == whole.board.trace
    assert cut.stored() == whole.stored()


# ---------------------------------------------------------------- from the example tree


def test_the_example_boots_without_an_algorithm_and_its_guests_run(tmp_path: Path):
    machine = tmp_path / "machine.sqlite"
    boot(machine, str(PROJECT / "dts/virtual-gpu.dtb"), BootOptions({}))
    for name in ("first", "second", "third"):
        toolstack_domain.create(
            machine, str(PROJECT / "domains/tablet.cfg"), (f'name="{name}"',), paused=False, dry_run=False
        )
    control.run(machine, 1000 * MS, lambda *_: True)
    with read(machine) as file:
        seen = view(file)
        assert verified(seen, file).findings == ()
    assert seen.coprocs["gpu0"].algorithm == UNSCHEDULED
    on_gpu = list(seen.of("gpu0", None))
    # 61 frames are released by the end of the second, the last 4 ms before it.
    assert [row.counters.ended for row in on_gpu] == [60, 60, 60]
    assert {row.state for row in on_gpu} == {"RUNNING"}
    assert sum(seen.time_of(seen.coprocs["gpu0"]).values()) == 1000 * MS


def test_a_tree_that_names_an_algorithm_for_it_is_refused():
    found = devicetree.loads((PROJECT / "dts/virtual-gpu.dtb").read_bytes()).machine
    named = replace(found, coprocs=(replace(found.coprocs[0], algorithm="rrobin"),))
    with pytest.raises(DeviceTreeError, match="`gpu0` takes no scheduling algorithm"):
        power_on(named, BootOptions({}), Build())


def test_nothing_of_it_can_be_scheduled_later(tmp_path: Path):
    machine = tmp_path / "machine.sqlite"
    boot(machine, str(PROJECT / "dts/virtual-gpu.dtb"), BootOptions({}))
    for algorithm, settings in (("rrobin", []), (None, [Setting("switch-timeout", "1ms")])):
        with pytest.raises(CoprocsimError, match="`gpu0` shares itself: nothing of it is scheduled"):
            control.set_schedule(machine, "gpu0", algorithm, None, settings)


def test_a_node_without_room_for_two_pages_is_refused():
    assert (
        VirtualGpuPlatform.unfit(spec()) == "its first range has not the 4256 bytes of a page of status and a job unit"
    )
