"""A guest's access: straight to the hardware, trapped, or a data abort that disturbs nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.hypervisor import domains, mmio
from coprocsim.hypervisor.mmio import Outcome, Route
from coprocsim.hypervisor.state import Domain
from coprocsim.model import Region, VcoprocState
from coprocsim.platforms.base import Answer, Refused
from coprocsim.platforms.generic import GenericPlatform
from tests.machines import MS, US, Machine, settings_of, spec, state

ENTERED_PS = 30 * US


def shared(*names: str, regions: int = 2) -> tuple[Machine, list[Domain]]:
    """Return a machine with domains that share `gpu0`; the first has been switched in."""
    machine = Machine()
    machine.coproc(described=spec(regions=regions), settings={"slice": 10 * MS})
    created = [machine.domain(name, "gpu0") for name in names]
    write(machine, created[0], reg.WORK_LO, 50_000_000, size=8)
    write(machine, created[0], reg.DOORBELL, 1)
    machine.run(ENTERED_PS)
    return machine, created


def base_of(domain: Domain, region: int = 0) -> int:
    return domain.vcoprocs[0].windows[region].base


def read(machine: Machine, domain: Domain, offset: int, size: int = 4) -> Outcome:
    return mmio.access(machine.board, domain, base_of(domain) + offset, size, None)


def write(machine: Machine, domain: Domain, offset: int, value: int, size: int = 4) -> Outcome:
    outcome = mmio.access(machine.board, domain, base_of(domain) + offset, size, value)
    machine.hypervisor.settle()
    return outcome


def test_the_running_one_reaches_the_hardware_and_all_others_trap():
    machine, (a, b) = shared("a", "b")
    assert read(machine, a, reg.STATUS).route is Route.DIRECT
    assert read(machine, b, reg.STATUS).route is Route.TRAPPED
    assert (a.vcoprocs[0].counters.traps, b.vcoprocs[0].counters.traps) == (2, 1)


def test_a_direct_access_sees_the_hardware_at_its_present_instant():
    machine, (a,) = shared("a")
    machine.run(25 * US + 7 * MS)
    assert read(machine, a, reg.PLACE_0, size=8).value == 50_000_000 - 7_000_000
    machine.at(25 * US + 50 * MS)
    assert read(machine, a, reg.STATUS).value & reg.STATUS_BUSY == 0


def test_both_trap_during_a_switch():
    machine, (a, b) = shared("a", "b")
    write(machine, b, reg.DOORBELL, 1)
    machine.run(10 * MS + 25 * US + 20 * US)
    assert machine.board.coprocs["gpu0"].phase.value == "leaving"
    assert [read(machine, each, reg.STATUS).route for each in (a, b)] == [Route.TRAPPED, Route.TRAPPED]
    machine.run(10 * MS + 25 * US + 40 * US)
    assert machine.board.coprocs["gpu0"].phase.value == "entering"
    assert [read(machine, each, reg.STATUS).route for each in (a, b)] == [Route.TRAPPED, Route.TRAPPED]


def test_one_that_was_asked_to_sleep_traps_and_still_sees_the_hardware():
    machine, (a,) = shared("a")
    write(machine, a, reg.UNCUTTABLE_LO, 50_000_000, size=8)
    write(machine, a, reg.WORK_LO, 50_000_000, size=8)
    write(machine, a, reg.DOORBELL, 1)
    machine.run(60 * MS)
    domains.pause(machine.board, a)
    machine.run(61 * MS)
    assert a.vcoprocs[0].state is VcoprocState.ASKED_TO_SLEEP
    outcome = read(machine, a, reg.PLACE_0, size=8)
    assert (outcome.route, outcome.value) == (Route.TRAPPED, 100_000_000 + 25_000 - 61_000_000)


def test_what_is_written_while_away_is_there_when_the_context_is():
    machine, (a, b) = shared("a", "b")
    write(machine, b, reg.DMA_LO, 0x4000_1000, size=8)
    write(machine, b, reg.DOORBELL, 1)
    write(machine, b, reg.ERROR, 0xAB, size=1)
    machine.run(10 * MS + 25 * US + 52 * US)
    assert machine.running() == b.vcoprocs[0].vcoproc_id
    outcome = read(machine, b, reg.DMA_LO, size=8)
    assert (outcome.route, outcome.value) == (Route.DIRECT, 0x4000_1000)
    assert read(machine, b, reg.ERROR).value == 0xAB
    assert read(machine, a, reg.DMA_LO, size=8).value == 0


def test_a_domain_sees_its_regions_where_its_windows_are():
    machine, (a,) = shared("a")
    vcoproc = a.vcoprocs[0]
    vcoproc.windows = (Region("r1", 0x1000_0000, 0x1000), Region("r0", 0x2000_0000, 0x1000))
    outcome = mmio.access(machine.board, a, 0x2000_0000 + reg.ID, 4, None)
    assert (outcome.route, outcome.value, outcome.region, outcome.offset) == (Route.DIRECT, 0x314E4547, "r0", 0)
    assert mmio.access(machine.board, a, 0x1000_0000, 4, None).region == "r1"
    assert mmio.access(machine.board, a, spec().regions[0].base, 4, None).route is Route.ABORTED


@pytest.mark.parametrize(
    ("offset", "size", "why"),
    [
        (0x11, 4, "4 bytes at offset 0x11 are not aligned"),
        (0x04, 8, "8 bytes at offset 0x4 are not aligned"),
        (0x01, 2, "2 bytes at offset 0x1 are not aligned"),
        (0x10, 3, "no access has 3 bytes"),
        (0x10, 0, "no access has 0 bytes"),
        (0x10, 16, "no access has 16 bytes"),
        (0x10, -4, "no access has -4 bytes"),
        (0x2000, 4, "no vcoproc of this domain is there"),
        (-4, 4, "no vcoproc of this domain is there"),
    ],
)
@pytest.mark.parametrize("value", [None, 5])
def test_what_is_no_access_is_a_data_abort_and_nothing_else(offset: int, size: int, why: str, value: int | None):
    machine, (a, b) = shared("a", "b")
    hardware = a.vcoprocs[0].coproc.hardware.save()
    for domain in (a, b):
        outcome = mmio.access(machine.board, domain, base_of(domain) + offset, size, value)
        assert (outcome.route, outcome.why, outcome.value) == (Route.ABORTED, why, 0)
    assert (a.aborts, b.aborts) == (1, 1)
    assert a.vcoprocs[0].coproc.hardware.save() == hardware
    assert machine.rows("abort")[-1][3:] == (2, base_of(b) + offset, size, "read" if value is None else "write", why)


def test_an_access_past_the_end_of_a_window_is_a_data_abort():
    machine, (a,) = shared("a")
    a.vcoprocs[0].windows = (Region("r0", 0x1000_0000, 0x14),)
    assert mmio.access(machine.board, a, 0x1000_0010, 4, None).route is Route.DIRECT
    outcome = mmio.access(machine.board, a, 0x1000_0010, 8, None)
    assert (outcome.route, outcome.why) == (Route.ABORTED, "it reaches past the end of `r0`")


def test_a_domain_does_not_reach_another_one_s_coproc():
    machine = Machine()
    machine.coproc("gpu0")
    machine.coproc("dsp0")
    a = machine.domain("a", "gpu0")
    machine.domain("b", "dsp0")
    theirs = machine.board.coprocs["dsp0"].spec.regions[0].base
    assert mmio.access(machine.board, a, theirs, 4, 1).why == "no vcoproc of this domain is there"


class Refusing(GenericPlatform):
    """Maps the first half of its page only, and lets nobody write to the rest."""

    name = "refusing"

    def direct_ranges(self) -> tuple[Region, ...]:
        page = self.coproc.regions[0]
        return (Region(page.name, page.base, page.size_bytes // 2),)

    def write(self, vcoproc, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        return Refused("not yours") if offset >= 0x800 else super().write(vcoproc, region, offset, size, value)


def test_the_running_one_traps_where_the_platform_maps_nothing_and_may_be_refused():
    machine = Machine()
    machine.coproc(platform=Refusing)
    a = machine.domain("a", "gpu0 kind=backlog,work=1ms")
    machine.run(ENTERED_PS)
    routes = [read(machine, a, offset, 8).route for offset in (0x7F8, 0x800)]
    assert routes == [Route.DIRECT, Route.TRAPPED]
    outcome = write(machine, a, 0x800, 1)
    assert (outcome.route, outcome.why) == (Route.ABORTED, "not yours")
    assert a.aborts == 1


def test_a_range_that_is_no_job_unit_reads_zero_and_ignores_writes():
    machine, (a, b) = shared("a", "b")
    for domain in (a, b):
        address = base_of(domain, 1)
        assert mmio.access(machine.board, domain, address, 8, 2**64 - 1).route is not Route.ABORTED
        assert mmio.access(machine.board, domain, address, 8, None).value == 0


def test_to_have_a_vcoproc_wakes_nobody_but_the_first_doorbell_does():
    machine, (_, b) = shared("a", "b")
    write(machine, b, reg.WORK_LO, 100)
    assert state(b.vcoprocs[0]) == "SLEEPING"
    write(machine, b, reg.DOORBELL, 1)
    assert state(b.vcoprocs[0]) == "WAITING"


ACCESSES = st.lists(
    st.tuples(
        st.integers(0, 3_000),
        st.integers(0, 1),
        st.integers(-8, 0x1008) | st.integers(0, reg.BLOCK_BYTES),
        st.sampled_from([1, 2, 4, 8, 3]),
        st.none() | st.integers(0, 2**64 - 1) | st.integers(0, 7),
    ),
    max_size=60,
)


@given(ACCESSES)
def test_no_access_whatever_makes_the_machine_stumble_or_is_seen_by_another_domain(accesses):
    machine, (a, b, c) = shared("a", "b", "c")
    domains.give_work(machine.board, c.vcoprocs[0], settings_of("kind=backlog,work=300us"))
    for gap_us, which, offset, size, value in accesses:
        machine.run(machine.board.now_ps + gap_us * US)
        domain = (a, b)[which]
        outcome = mmio.access(machine.board, domain, base_of(domain) + offset, size, value)
        assert 0 <= outcome.value < 1 << 8 * max(size, 1)
        machine.hypervisor.settle()
        machine.check()
    machine.run(machine.board.now_ps + 60 * MS)
    machine.check()
    assert {row[3] for row in machine.rows("job_end")} == {"d3v0"}
    assert all(row[4] == "done" for row in machine.rows("job_end"))
    assert c.vcoprocs[0].counters.faults == c.aborts == 0
