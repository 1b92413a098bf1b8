"""A machine at rest: a run that is cut by saving and loading, wherever and however often, is the same run."""

import copy
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.hypervisor import domains, mmio, rest
from coprocsim.model import Charge, Payer, Sharing, VcoprocId
from coprocsim.platforms.crypto import CryptoPlatform
from coprocsim.platforms.generic import GenericPlatform
from coprocsim.platforms.reference import ReferencePlatform
from coprocsim.platforms.xxc import XxcPlatform
from tests.machines import BLANK, MS, US, Machine, deny, described_for, driver, spec

COSTLY = driver(leave_ps=20 * US, enter_ps=30 * US, invalidate_ps=2 * US, reset_ps=100 * US)


class SecondStream(GenericPlatform):
    """One whose contexts' DMA goes through the second of two streams."""

    name = "second"

    def iommu_streams(self, vcoproc: VcoprocId) -> tuple[int, ...]:
        return (1,)


def working() -> Machine:
    """Return a machine on which much happens: five platforms, seven workloads, denials, timeouts, DMA, polling."""
    machine = Machine(seed=7)
    sharing = Sharing(switch_timeout_ps=4 * MS, charge=Charge.DEBT, payer=Payer.ENTERING)
    machine.coproc("gpu0", settings={"slice": 2 * MS}, sharing=sharing)
    machine.coproc("xxx0", ReferencePlatform, settings={"slice": MS, "wake": "head"})
    machine.coproc("cam0", SecondStream, described=spec("cam0", lines=0, streams=2, hz=600_000_000))
    machine.domain(
        "a", "gpu0 kind=periodic,period=1700us,jitter=300us,work=exp:400us,uncuttable=all,dma=5000", "xxx0 kind=idle"
    )
    machine.domain("b", "gpu0 kind=poisson,rate=900,work=uniform:100us-900us,deadline=2ms,on_miss=abandon")
    machine.domain("c", "gpu0 kind=trace,at=1ms:9ms;1ms:3ms,uncuttable=5ms", "xxx0 kind=backlog,work=370us,queue=1")
    machine.domain(
        "d", "xxx0 kind=poisson,rate=1500,work=lognormal:200us:0.5", "cam0 kind=periodic,period=3ms,work=1ms"
    )
    machine.domain("e", "cam0 kind=backlog,work=700us,uncuttable=90us,dma=64")
    for name, platform in (("xxc0", XxcPlatform), ("crypto0", CryptoPlatform)):
        machine.coproc(name, platform, settings={"slice": MS}, described=described_for(platform, name))
        machine.domain(f"{name}-a", f"{name} kind=backlog,work=700us,dma=70000")
        machine.domain(f"{name}-b", f"{name} kind=poisson,rate=800,work=exp:500us,uncuttable=100us,dma=5")
    return machine


COMMANDS = st.lists(
    st.tuples(
        st.integers(0, 6_000_000), st.sampled_from(["pause", "unpause", "destroy", "doorbell"]), st.integers(1, 5)
    ),
    max_size=6,
)


@settings(max_examples=20)
@given(COMMANDS, st.lists(st.integers(0, 25_000_000), max_size=8))
def test_a_run_that_is_cut_anywhere_is_the_same_run(commands, cuts_ns: list[int]):
    instants = [(at_ns * 1000, "cut", 0) for at_ns in cuts_ns]
    at_ps = 0
    for gap_ns, what, number in commands:
        at_ps += gap_ns * 1000
        instants.append((at_ps, what, number))
    ends = []
    for with_cuts in (False, True):
        machine = working()
        for at_ps, what, number in sorted(instants):
            machine.run(at_ps)
            if what != "cut":
                command(machine, what, number)
            elif with_cuts:
                machine.rest()
                machine.rest()
        machine.run(25 * MS)
        ends.append((machine.board.trace, machine.stored()))
        machine.check_time()
    (trace, rows), (cut_trace, cut_rows) = ends
    assert cut_trace == trace
    assert cut_rows == rows


def command(machine: Machine, what: str, number: int) -> None:
    """Do what a dom0 administrator may."""
    domain = machine.board.domains.get(number)
    vcoproc = None if domain is None else domain.vcoprocs[0]
    if vcoproc is not None and what == "doorbell":
        base = vcoproc.windows[0].base
        mmio.access(machine.board, vcoproc.domain, base + reg.DOORBELL, 4, 1)
    elif vcoproc is not None:
        machine.do(what, vcoproc)
    machine.hypervisor.settle()


@pytest.mark.parametrize(
    ("at_us", "phase"),
    [(5, "entering"), (5_000, "settled"), (11_000, "denied"), (12_031, "leaving"), (12_051, "invalidating")],
)
def test_a_switch_may_be_cut_in_any_of_its_phases(at_us: int, phase: str):
    machine = Machine()
    coproc = machine.coproc("gpu0", COSTLY, settings={"slice": 10 * MS})
    a, b = machine.vcoproc("a"), machine.vcoproc("b")
    deny(a, 2 * MS)
    machine.wake(a, b)
    machine.run(at_us * US)
    assert coproc.phase.value == phase
    machine.rest()
    machine.run(30 * MS)
    assert [(row[0], row[3]) for row in machine.rows("switch_from")] == [
        (10_030 * US, "d1v0"),
        (12_030 * US, "d1v0"),
        (22_082 * US, "d2v0"),
    ]


def test_what_was_noted_during_a_switch_is_not_forgotten():
    machine = Machine()
    machine.coproc("gpu0", COSTLY, settings={"slice": 10 * MS})
    a, b = machine.vcoproc("a"), machine.vcoproc("b")
    machine.wake(a)
    machine.at(MS)
    machine.sleep(a)
    machine.at(MS + 10 * US)
    machine.wake(b)
    machine.rest()
    machine.run(2 * MS)
    assert machine.running() == b.vcoproc_id


def test_a_failed_coproc_and_a_dying_domain_stay_what_they_are():
    machine = Machine()
    coproc = machine.coproc("gpu0", COSTLY, settings={"slice": 10 * MS})
    machine.coproc("dsp0", COSTLY, settings={"slice": 10 * MS})
    a, b, c = machine.vcoproc("a"), machine.vcoproc("b", "dsp0"), machine.vcoproc("c", "dsp0")
    deny(b, *[MS] * 100)
    assert isinstance(coproc.platform, COSTLY)
    coproc.platform.broken = {"switch_to", "reset", "reset_coproc"}
    machine.wake(a, b, c)
    machine.at(MS)
    domains.destroy(machine.board, b.domain)
    machine.hypervisor.settle()
    machine.rest()
    board = machine.board
    assert (board.coprocs["gpu0"].failure, board.domains[2].dying) == (coproc.failure, True)
    machine.run(50 * MS)
    assert list(board.domains) == [1, 3]
    assert machine.running("dsp0") == VcoprocId(3, 0)


def test_rows_do_not_change_when_the_machine_goes_on():
    machine = working()
    machine.run(3 * MS)
    rows = rest.to_rows(machine.board, BLANK)
    kept = copy.deepcopy(rows)
    machine.run(6 * MS)
    machine.book()
    assert rows == kept


def values(row: Any) -> Iterator[object]:
    """Yield all values of a row, those of its inner classes too."""
    for value in row if isinstance(row, tuple) else [getattr(row, each.name) for each in fields(row)]:
        yield from values(value) if is_dataclass(value) else [value]


def test_whatever_a_guest_asks_for_every_number_fits_its_column_and_the_trace():
    """A job that cannot be cut for 2^64 cycles is denied for longer than the timeline is."""
    machine = Machine()
    machine.coproc(settings={"slice": 10 * MS}, sharing=Sharing(switch_timeout_ps=0), described=spec(hz=1_000))
    domain = machine.domain("a", "gpu0")
    machine.domain("b", "gpu0 kind=backlog,work=1000s,deadline=9000000s")
    base = domain.vcoprocs[0].windows[0].base
    for offset in (reg.WORK_LO, reg.UNCUTTABLE_LO, reg.DMA_LO):
        mmio.access(machine.board, domain, base + offset, 8, 2**64 - 1)
    mmio.access(machine.board, domain, base + reg.DOORBELL, 4, 1)
    machine.run(50 * MS)
    assert [row[4] for row in machine.rows("switch_from")] == ["busy"]
    msgspec.msgpack.encode(machine.board.trace)
    rows = machine.stored()
    for table in fields(rows):
        for row in getattr(rows, table.name) if table.name != "machine" else [rows.machine]:
            assert all(-(2**63) <= each < 2**63 for each in values(row) if isinstance(each, int)), row
