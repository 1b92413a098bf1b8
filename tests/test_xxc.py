"""`vendor_xxx,coproc_xxc`: its MMU in silicon, the entries that its driver lets pass, and what a switch exchanges."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit
from coprocsim.datasheets import xxc as reg
from coprocsim.guests import guest_of
from coprocsim.guests.base import GuestSite
from coprocsim.guests.drivers.xxc import XxcDriver
from coprocsim.hardware.xxc import Mmu, XxcHardware
from coprocsim.hypervisor import mmio
from coprocsim.hypervisor.mmio import Outcome, Route
from coprocsim.hypervisor.state import Phase, Vcoproc
from coprocsim.model import DmaAccess, Region, VcoprocId
from coprocsim.parameters import BadSetting
from coprocsim.platforms.base import Refused
from coprocsim.platforms.jobunit import Context
from coprocsim.platforms.xxc import XxcPlatform
from coprocsim.snapshot import CoprocRow, DomainRow, VcoprocRow
from coprocsim.store import read
from coprocsim.toolstack import boot, control, domain
from tests.machines import MS, US, Machine, described_for, settings_of, spec

ROOT = Path(__file__).parents[1]
LOW = 0x4000_0000
MIB = 2**20
PAGE = reg.PAGE_BYTES
# By hand, in units of 100 ns: 27 registers of the unit, 5 of the MMU, 256 accesses for the table; and 4096 times 10 ns
# for the memory, which is read and overwritten when a context leaves, and written when it enters.
LEAVE_PS = 4 * 100_000 + 288 * 100_000 + 2 * 40_960_000
ENTER_PS = 1 * 100_000 + 288 * 100_000 + 40_960_000


# ---------------------------------------------------------------- silicon


def mmu(*entries: tuple[int, int], control: int = reg.CONTROL_ENABLE) -> Mmu:
    """Return an MMU with entries, by their numbers."""
    made = Mmu()
    made.write_word(reg.CONTROL, control)
    for number, entry in entries:
        made.write_word(reg.TABLE + 4 * number, entry)
    return made


def faults(made: Mmu) -> tuple[int, int]:
    low, high = made.read_word(reg.FAULT_ADDRESS_LO), made.read_word(reg.FAULT_ADDRESS_HI)
    return made.read_word(reg.FAULT_STATUS), high << 32 | low


def test_an_entry_is_what_its_datasheet_draws():
    assert reg.entry_of(0x2_3456_0000, writable=True) == 0x0234_5603
    assert reg.entry_of(0x2_3456_0000, writable=False) == 0x0234_5601
    assert reg.page_of(0x0234_5603) == range(0x2_3456_0000, 0x2_3457_0000)
    assert mmu((7, 0xFFFF_FFFF)).read_word(reg.TABLE + 28) == 0xFFFF_FF03


def test_an_access_is_cut_at_the_ends_of_pages():
    made = mmu((1, reg.entry_of(0x9_0000, writable=True)), (2, reg.entry_of(0x3_0000, writable=True)))
    assert made.translate(DmaAccess(0, 0x1_FFF0, 0x30, write=True)) == (
        (DmaAccess(0, 0x9_FFF0, 0x10, write=True), DmaAccess(0, 0x3_0000, 0x20, write=True)),
        False,
    )
    assert faults(made) == (0, 0)


def test_an_unmapped_page_ends_an_access_and_the_first_fault_is_kept_until_it_is_cleared():
    made = mmu((0, reg.entry_of(0x9_0000, writable=True)))
    made.write_word(reg.IRQ_ENABLE, reg.FAULT)
    assert made.translate(DmaAccess(0, 0xFF00, 0x200, write=False)) == (
        (DmaAccess(0, 0x9_FF00, 0x100, write=False),),
        True,
    )
    assert (faults(made), made.asserted) == ((reg.FAULT, 0x1_0000), True)
    assert made.translate(DmaAccess(0, 2**63 + 5, 1, write=True)) == ((), True)
    assert faults(made) == (reg.FAULT, 0x1_0000)
    made.write_word(reg.FAULT_CLEAR, reg.FAULT)
    assert (faults(made), made.asserted) == ((0, 0), False)
    made.translate(DmaAccess(0, 2**63 + 5, 1, write=True))
    assert faults(made) == (reg.FAULT | reg.FAULT_WRITE, 2**63 + 5)


def test_a_read_only_page_lets_reads_pass_and_no_write():
    made = mmu((0, reg.entry_of(0x9_0000, writable=False)))
    assert made.translate(DmaAccess(0, 0, 4, write=False)) == ((DmaAccess(0, 0x9_0000, 4, write=False),), False)
    assert made.translate(DmaAccess(0, 8, 4, write=True)) == ((), True)
    assert faults(made) == (reg.FAULT | reg.FAULT_WRITE | reg.FAULT_READ_ONLY, 8)


def test_while_it_is_disabled_nothing_passes():
    made = mmu((0, reg.entry_of(0x9_0000, writable=True)), control=0)
    assert made.translate(DmaAccess(0, 0, 4, write=False)) == ((), True)
    assert faults(made) == (reg.FAULT, 0)


ENTRY = st.integers(0, 2**32 - 1) | st.builds(reg.entry_of, st.integers(0, 9).map(PAGE.__mul__), writable=st.booleans())


@given(
    st.lists(st.tuples(st.integers(0, 4), ENTRY), max_size=6),
    st.integers(0, 5 * PAGE) | st.sampled_from([511 * PAGE + PAGE - 1, 512 * PAGE, 2**64 - 1]),
    st.integers(1, 3 * PAGE) | st.just(2**32 - 1),
    st.booleans(),
)
def test_an_access_goes_where_each_of_its_pages_is(entries, address: int, size: int, write: bool):
    made = mmu(*entries)
    passed, faulted = made.translate(DmaAccess(0, address, size, write))
    table = dict(entries)
    at = address
    for each in passed:
        entry = table[at // PAGE]
        assert entry & reg.ENTRY_VALID
        assert not write or entry & reg.ENTRY_WRITABLE
        assert each.address == (entry >> 8) * PAGE + at % PAGE
        assert at // PAGE == (at + each.size_bytes - 1) // PAGE
        at += each.size_bytes
    assert faulted == (at < address + size)
    if faulted:
        entry = table.get(at // PAGE, 0)
        assert not entry & reg.ENTRY_VALID or (write and not entry & reg.ENTRY_WRITABLE)
        assert faults(made)[1] == at


# ---------------------------------------------------------------- the driver


def machine_of(platform: type[XxcPlatform] = XxcPlatform) -> Machine:
    machine = Machine()
    machine.coproc("xxc0", platform, settings={"slice": 5 * MS}, described=described_for(XxcPlatform, "xxc0"))
    return machine


def touch(machine: Machine, vcoproc: Vcoproc, region: str, offset: int, value: int | None, size: int = 4) -> Outcome:
    """Do one access of a domain, and let follow what follows at once."""
    base = next(window.base for window in vcoproc.windows if window.name == region)
    outcome = mmio.access(machine.board, vcoproc.domain, base + offset, size, value)
    machine.hypervisor.settle()
    return outcome


def job(machine: Machine, vcoproc: Vcoproc, work_cycles: int, address: int = 0, size: int = 0) -> None:
    """Submit a job by hand; `address` is the unit's."""
    touch(machine, vcoproc, reg.OP, jobunit.IRQ_ENABLE, jobunit.IRQ_DONE | jobunit.IRQ_ERROR)
    touch(machine, vcoproc, reg.OP, jobunit.WORK_LO, work_cycles, 8)
    touch(machine, vcoproc, reg.OP, jobunit.DMA_LO, address, 8)
    touch(machine, vcoproc, reg.OP, jobunit.DMA_BYTES, size)
    touch(machine, vcoproc, reg.OP, jobunit.DOORBELL, 1)


def enter(machine: Machine, vcoproc: Vcoproc, number: int, entry: int) -> Outcome:
    return touch(machine, vcoproc, reg.MMU, reg.TABLE + 4 * number, entry)


def test_a_switch_costs_what_it_copies():
    assert (XxcPlatform.leave_cost_ps, XxcPlatform.enter_cost_ps) == (LEAVE_PS, ENTER_PS)
    assert machine_of().board.coprocs["xxc0"].platform.switch_cost_max_ps == LEAVE_PS + ENTER_PS == 180_980_000


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"regions": (Region("op", 0, 0x1000), Region("mmu", 0x1000, 0x1000))}, "`reg-names` has no `sram`"),
        ({"lines": ()}, "`interrupt-names` has no `op`"),
    ],
)
def test_a_node_without_what_it_drives_is_refused(changes, why: str):
    assert XxcPlatform.unfit(replace(described_for(XxcPlatform), **changes)) == why


def test_a_range_of_another_size_is_refused():
    described = described_for(XxcPlatform)
    regions = tuple(replace(region, size_bytes=0x2000) for region in described.regions)
    assert XxcPlatform.unfit(replace(described, regions=regions)) == "range `op` has 8 KiB, not 4 KiB"
    assert XxcPlatform.unfit(spec()) == "`reg-names` has no `op`"


def test_the_unit_and_the_memory_are_mapped_for_the_running_one_and_the_mmu_never_is():
    machine = machine_of()
    a = machine.vcoproc("a", "xxc0")
    routes = {region: touch(machine, a, region, 0, None).route for region in (reg.OP, reg.MMU, reg.SRAM)}
    assert set(routes.values()) == {Route.TRAPPED}
    job(machine, a, 10**9)
    machine.run(MS)
    routes = {region: touch(machine, a, region, 0, None).route for region in (reg.OP, reg.MMU, reg.SRAM)}
    assert routes == {reg.OP: Route.DIRECT, reg.MMU: Route.TRAPPED, reg.SRAM: Route.DIRECT}


def test_what_a_domain_keeps_in_the_memory_and_the_mmu_is_its_own_and_comes_back():
    machine = machine_of()
    coproc = machine.board.coprocs["xxc0"]
    a, b = machine.vcoproc("a", "xxc0"), machine.vcoproc("b", "xxc0")
    for n, vcoproc in enumerate((a, b)):
        touch(machine, vcoproc, reg.SRAM, 0x7FF8, 0x1111 + n, 8)
        enter(machine, vcoproc, 511, reg.entry_of(LOW + n * PAGE, writable=True))
        job(machine, vcoproc, 10**9)
    while_it_runs: list[tuple[str, int, int]] = []
    for _ in range(40):
        machine.run(machine.board.now_ps + MS)
        mapped = machine.running("xxc0") if coproc.phase is Phase.SETTLED else None
        for each in (a, b):
            got = touch(machine, each, reg.SRAM, 0x7FF8, None, 8)
            assert got.route is (Route.DIRECT if each.vcoproc_id == mapped else Route.TRAPPED)
            entry = touch(machine, each, reg.MMU, reg.TABLE + 4 * 511, None)
            while_it_runs.append((each.domain.name, got.value, entry.value))
    assert set(while_it_runs) == {("a", 0x1111, 0x0040_0003), ("b", 0x1112, 0x0040_0103)}
    assert coproc.counters.switches >= 6
    assert machine.rows("finding") == []


def test_a_page_of_another_domain_s_memory_is_refused_counted_and_changes_nothing():
    """`b` has 64 MiB from LOW on, `a` only 16: the page at 32 MiB is memory of `b` alone."""
    machine = machine_of()
    a, b = machine.domain("a", "xxc0", memory_mib=16).vcoprocs[0], machine.vcoproc("b", "xxc0")
    good, bad = reg.entry_of(LOW, writable=False), reg.entry_of(LOW + 32 * MIB, writable=False)
    for runs in (False, True):
        if runs:
            job(machine, a, 10**9)
            machine.run(MS)
            assert machine.running("xxc0") == a.vcoproc_id
        assert enter(machine, a, 4, good).route is Route.TRAPPED
        for offset, size, value in ((16, 4, bad), (16, 8, good | bad << 32), (20, 8, bad)):
            if offset % size:
                continue
            outcome = touch(machine, a, reg.MMU, reg.TABLE + offset, value, size)
            assert outcome.route is Route.ABORTED
            assert outcome.why == (f"entry {4 + (size == 8)} leads to 0x42000000, which is not the domain's memory")
            assert touch(machine, a, reg.MMU, reg.TABLE + 16, None, 8).value == good
    assert (a.domain.aborts, b.domain.aborts) == (4, 0)
    assert enter(machine, b, 4, bad).route is Route.TRAPPED


@pytest.mark.parametrize(
    ("page", "inside"),
    [(LOW - PAGE, False), (LOW, True), (LOW + 16 * MIB - PAGE, True), (LOW + 16 * MIB, False), (0, False)],
)
def test_the_first_and_the_last_page_of_the_memory_are_the_domain_s(page: int, inside: bool):
    machine = machine_of()
    a = machine.domain("a", "xxc0", memory_mib=16).vcoprocs[0]
    assert enter(machine, a, 0, reg.entry_of(page, writable=True)).route is (Route.TRAPPED if inside else Route.ABORTED)
    # An entry that is not valid leads nowhere. Byte by byte it becomes valid with its lowest, and is looked at then.
    assert enter(machine, a, 1, reg.entry_of(page, writable=True) & ~reg.ENTRY_VALID).route is Route.TRAPPED
    assert touch(machine, a, reg.MMU, reg.TABLE + 4, reg.ENTRY_VALID, 1).route is (
        Route.TRAPPED if inside else Route.ABORTED
    )


def test_a_page_that_is_only_in_part_the_domain_s_is_refused():
    machine = machine_of()
    platform = machine.board.coprocs["xxc0"].platform
    a = machine.vcoproc("a", "xxc0")
    platform.domain_create(a.vcoproc_id, (range(LOW, LOW + PAGE + 0x8000), range(LOW + PAGE + 0x8000, LOW + 2 * PAGE)))
    assert enter(machine, a, 0, reg.entry_of(LOW, writable=True)).route is Route.TRAPPED
    assert enter(machine, a, 1, reg.entry_of(LOW + PAGE, writable=True)).route is Route.ABORTED


def test_an_mmu_fault_is_an_interrupt_and_a_bus_error_for_whoever_runs():
    machine = machine_of()
    a, b = machine.vcoproc("a", "xxc0"), machine.vcoproc("b", "xxc0")
    for vcoproc in (a, b):
        touch(machine, vcoproc, reg.MMU, reg.IRQ_ENABLE, reg.FAULT)
        touch(machine, vcoproc, reg.MMU, reg.CONTROL, reg.CONTROL_ENABLE)
    job(machine, a, 1_000_000, address=0x1_0004, size=8)
    machine.run(3 * MS)
    # One when the job begins and reads, one when it ends and writes; nobody has cleared the first meanwhile.
    assert [row[3:] for row in machine.rows("irq")] == [("d1v0", "op"), ("d1v0", "mmu")] * 2
    assert touch(machine, a, reg.MMU, reg.FAULT_STATUS, None).value == reg.FAULT
    assert touch(machine, a, reg.MMU, reg.FAULT_ADDRESS_LO, None, 8).value == 0x1_0004
    assert touch(machine, a, reg.OP, jobunit.ERROR, None).value == jobunit.ERROR_DMA
    assert touch(machine, b, reg.MMU, reg.FAULT_STATUS, None).value == 0
    assert machine.rows("dma_unprotected", "finding") == []


class Watched(XxcHardware):
    """Notes what leaves it for the memory."""

    name = "watched"
    seen: ClassVar[list[DmaAccess]] = []

    def take_dma(self) -> tuple[DmaAccess, ...]:
        taken = super().take_dma()
        self.seen.extend(taken)
        return taken


class DrivesWatched(XxcPlatform):
    name = "drives-watched"
    hardware = "watched"


def test_the_order_of_the_ranges_and_lines_does_not_matter():
    machine = Machine()
    described = described_for(XxcPlatform, "xxc0")
    described = replace(described, regions=described.regions[::-1], lines=described.lines[::-1])
    machine.coproc("xxc0", XxcPlatform, described=described)
    a = machine.domain("a", "xxc0 kind=trace,at=1ms:1ms,dma=100000").vcoprocs[0]
    machine.run(3 * MS)
    assert [row[4] for row in machine.rows("job_end")] == ["done"]
    # Raised by a write to the saved context: the unit's line, then the MMU's.
    touch(machine, a, reg.OP, jobunit.IRQ_STATUS, jobunit.IRQ_DONE)
    touch(machine, a, reg.MMU, reg.FAULT_STATUS, reg.FAULT)
    assert [row[4] for row in machine.rows("irq")] == ["op", "op", "mmu"]
    touch(machine, a, reg.MMU, reg.FAULT_STATUS, reg.FAULT)
    assert len(machine.rows("irq")) == 3
    assert machine.rows("finding") == []


ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("entry"),
            st.integers(0, 5),
            st.builds(
                reg.entry_of,
                st.integers(LOW // PAGE - 2, LOW // PAGE + 18).map(PAGE.__mul__) | st.integers(0, 2**40 - 1),
                writable=st.booleans(),
            )
            | st.integers(0, 2**32 - 1),
        ),
        st.tuples(st.just("byte"), st.integers(0, 23), st.integers(0, 255)),
        st.tuples(st.just("job"), st.integers(0, 6 * PAGE) | st.integers(0, 2**64 - 1), st.integers(1, 3 * PAGE)),
        st.tuples(st.just("wait"), st.sampled_from([0, 100 * US, 3 * MS]), st.just(0)),
    ),
    min_size=4,
    max_size=25,
)


@settings(max_examples=60)
@given(ACTIONS, ACTIONS)
def test_whatever_a_guest_writes_no_dma_leaves_its_memory(mine, others):
    machine = machine_of(DrivesWatched)
    Watched.seen.clear()
    vcoprocs = [machine.domain(name, "xxc0", memory_mib=1).vcoprocs[0] for name in ("a", "b")]
    for vcoproc in vcoprocs:
        touch(machine, vcoproc, reg.MMU, reg.CONTROL, reg.CONTROL_ENABLE)
        enter(machine, vcoproc, 0, reg.entry_of(LOW, writable=True))
        job(machine, vcoproc, 1_000_000, 0, 8)
    machine.run(10 * MS)
    for steps in zip(mine, others, strict=False):
        for vcoproc, (what, first, second) in zip(vcoprocs, steps, strict=True):
            match what:
                case "entry":
                    enter(machine, vcoproc, first, second)
                case "byte":
                    touch(machine, vcoproc, reg.MMU, reg.TABLE + first, second, 1)
                case "job":
                    job(machine, vcoproc, 100_000, first, second)
                case "wait":
                    machine.run(machine.board.now_ps + first)
    machine.run(machine.board.now_ps + 30 * MS)
    assert len(Watched.seen) >= 4
    assert all(LOW <= each.address <= each.address + each.size_bytes <= LOW + MIB for each in Watched.seen)
    assert machine.rows("dma_unprotected", "finding") == []


# ---------------------------------------------------------------- what is forgotten is found


class ForgetsSram(XxcPlatform):
    name = "forgets-sram"

    def save_more(self, context: Context) -> None:
        super().save_more(context)
        context.memory.clear()

    def clear_more(self) -> None:
        self.port.write(reg.MMU, reg.CONTROL, 4, reg.CONTROL_RESET)


class ForgetsTable(XxcPlatform):
    name = "forgets-table"

    def clear_more(self) -> None:
        self.port.copy_to(reg.SRAM, 0, bytes(0x8000))


def two_in_turn(platform: type[XxcPlatform]) -> Machine:
    """Let `a` use memory and MMU at 1 ms, and `b` follow it when the turn of `a` is over."""
    machine = machine_of(platform)
    a, b = machine.vcoproc("a", "xxc0"), machine.vcoproc("b", "xxc0")
    job(machine, a, 10**9)
    machine.run(MS)
    touch(machine, a, reg.SRAM, 0x1234, 0xDEAD_BEEF)
    enter(machine, a, 3, reg.entry_of(LOW + PAGE, writable=True))
    job(machine, b, 10**9)
    machine.run(8 * MS)
    assert machine.running("xxc0") == b.vcoproc_id
    return machine


class NeverSavesSram(XxcPlatform):
    name = "never-saves-sram"

    def save_more(self, context: Context) -> None:
        super().save_more(context)
        context.memory.clear()


def test_what_is_scrubbed_and_not_brought_back_is_found_when_its_owner_enters_again():
    machine = two_in_turn(NeverSavesSram)
    machine.run(14 * MS)
    assert machine.running("xxc0") == machine.board.domains[1].vcoprocs[0].vcoproc_id
    what = "sram is not what it was when it left: it holds 4 bytes from offset 0x1234 on (0000000000000000…)"
    second_turn_ps = 3 * ENTER_PS + 10 * MS + 2 * LEAVE_PS
    assert machine.rows("finding") == [(second_turn_ps, "xxc0", "finding", "d1v0", "leak", what)]


# `a` enters, has its turn of 5 ms, leaves; `b` enters.
FOUND_PS = ENTER_PS + 5 * MS + LEAVE_PS + ENTER_PS


@pytest.mark.parametrize(
    ("platform", "what"),
    [
        (ForgetsSram, "sram holds 4 bytes from offset 0x1234 on (efbeadde00000000…) of d1v0 (domain `a`)"),
        (ForgetsTable, "mmu table holds 3 bytes from offset 0xc on (0301400000000000…) of d1v0 (domain `a`)"),
    ],
)
def test_what_a_driver_forgets_is_found_with_its_place_and_origin(platform: type[XxcPlatform], what: str):
    machine = two_in_turn(platform)
    assert machine.rows("finding") == [(FOUND_PS, "xxc0", "finding", "d2v0", "leak", what)]


def test_of_the_driver_as_it_is_nothing_is_found():
    assert two_in_turn(XxcPlatform).rows("finding") == []


class LooksAtNoEntry(XxcPlatform):
    name = "looks-at-no-entry"

    def _refused(self, vcoproc: VcoprocId, offset: int, word: int) -> Refused | None:
        return None


def test_a_driver_that_lets_a_table_lead_out_of_the_domain_s_memory_is_found():
    machine = machine_of(LooksAtNoEntry)
    a = machine.vcoproc("a", "xxc0")
    touch(machine, a, reg.MMU, reg.CONTROL, reg.CONTROL_ENABLE)
    # The domain has 64 MiB from LOW on; entry 0 leads to the page behind them.
    enter(machine, a, 0, reg.entry_of(LOW + 64 * 2**20, writable=True))
    job(machine, a, 1000, 0, 64)
    machine.run(MS)
    outside = f"its DMA at {LOW + 64 * 2**20:#x} is outside of its domain's memory, and the platform let it pass"
    assert [row[3:] for row in machine.rows("finding")] == [(a.who, "iommu", outside)] * 2


def test_a_job_whose_first_access_faults_as_its_context_enters_is_no_leak():
    """Its domain left the unit disabled with a job in it, and the MMU as well; it begins as it is entered."""
    machine = machine_of()
    bad, other = machine.vcoproc("bad", "xxc0"), machine.vcoproc("other", "xxc0")
    job(machine, bad, 10**9)
    machine.run(MS)
    touch(machine, bad, reg.OP, jobunit.CONTROL, jobunit.CONTROL_RESET)
    job(machine, bad, 1_000, address=0, size=64)
    job(machine, other, 1_000)
    machine.run(20 * MS)
    assert machine.rows("finding") == []
    assert [row[3] for row in machine.rows("switch_to")] == [bad.who, other.who, bad.who]
    assert touch(machine, bad, reg.MMU, reg.FAULT_STATUS, None).value & reg.FAULT


def test_over_a_run_of_several_guests_nothing_is_found_and_all_dma_stays_inside():
    machine = machine_of()
    for name, workload in (
        ("a", "kind=periodic,period=7ms,work=2ms,dma=200000"),
        ("b", "kind=backlog,work=uniform:1ms-3ms,uncuttable=500us,dma=65536"),
        ("c", "kind=poisson,rate=100,work=exp:1ms,deadline=9ms,on_miss=abandon,dma=1"),
    ):
        machine.domain(name, f"xxc0 {workload}")
    machine.run(500 * MS)
    coproc = machine.board.coprocs["xxc0"]
    assert coproc.counters.switches > 50
    assert machine.rows("finding", "dma_unprotected", "abort") == []
    assert "error" not in {row[4] for row in machine.rows("job_end")}
    assert min(vcoproc.counters.ended for vcoproc in machine.board.vcoprocs.values()) > 20
    machine.check_time()


# ---------------------------------------------------------------- the guest's driver


def site(*memory: range) -> GuestSite:
    return GuestSite(described_for(XxcPlatform), "xxc", memory, 0, "1/a/xxc0")


def test_the_guest_s_driver_shows_whole_pages_of_the_memory_one_after_the_other():
    driver = XxcDriver(site(range(LOW, LOW + PAGE + 0x1000), range(2 * LOW + 0x1000, 2 * LOW + 3 * PAGE)))
    assert driver.dma_memory == (range(LOW, LOW + PAGE), range(2 * LOW + PAGE, 2 * LOW + 3 * PAGE))
    machine = machine_of()
    port = mmio.VcoprocPort(machine.board, machine.vcoproc("a", "xxc0"))
    assert driver.bus_address(port, LOW + 5) == 5
    assert driver.bus_address(port, 2 * LOW + PAGE + 5) == PAGE + 5


def test_the_guest_s_driver_shows_no_more_than_the_table_has_entries():
    driver = XxcDriver(site(range(LOW, LOW + 20 * MIB), range(2 * LOW, 2 * LOW + 100 * MIB)))
    assert driver.dma_memory == (range(LOW, LOW + 20 * MIB), range(2 * LOW, 2 * LOW + 12 * MIB))


def test_the_guest_s_driver_clears_a_fault_that_its_job_met():
    """What another program of the domain unmaps under a job that runs is a fault when the job writes."""
    machine = machine_of()
    a = machine.domain("a", "xxc0 kind=trace,at=1ms:4ms;20ms:1ms,dma=4096", memory_mib=1).vcoprocs[0]
    machine.run(3 * MS)
    for number in range(MIB // PAGE):
        enter(machine, a, number, 0)
    machine.run(10 * MS)
    assert touch(machine, a, reg.MMU, reg.FAULT_STATUS, None).value == 0
    machine.run(30 * MS)
    assert [row[4] for row in machine.rows("job_end")] == ["error", "done"]
    assert ("d1v0", "mmu") in {row[3:] for row in machine.rows("irq")}


@pytest.mark.parametrize("dma", [32 * MIB, 32 * MIB + 1])
def test_a_window_that_the_table_cannot_hold_is_refused(dma: int):
    options = settings_of(f"kind=backlog,work=1ms,dma={dma}")
    place = site(range(LOW, LOW + 64 * MIB))
    if dma <= 32 * MIB:
        assert guest_of(place, options)
    else:
        with pytest.raises(BadSetting):
            guest_of(place, options)


# ---------------------------------------------------------------- the examples


def booted(tmp_path: Path, platforms: dict[str, str], *configs: str) -> Path:
    path = tmp_path / "machine.sqlite"
    told = boot.boot(path, str(ROOT / "dts" / "system.dtb"), boot.BootOptions(platforms))
    assert [text for text in told.warnings if "xxc0" in text] == (
        ["`xxc0`: no `iommus`, so nothing contains its DMA"] if platforms else []
    )
    for config in configs:
        domain.create(path, str(ROOT / "domains" / config), (), paused=False, dry_run=False)
    control.run(path, 10**12, lambda done, total: True)
    return path


@pytest.mark.parametrize("platforms", [{}, {"xxc0": "generic"}])
def test_the_examples_run_with_their_dma_through_the_mmu_and_on_the_generic_platform(tmp_path: Path, platforms):
    path = booted(tmp_path, platforms, "adas.cfg", "driver-domain.cfg", "cockpit.cfg")
    with read(path) as file:
        assert {row.platform for row in file.rows(CoprocRow) if row.coproc_id == "xxc0"} == {
            platforms.get("xxc0", "xxc")
        }
        assert {row.counters.findings for row in file.rows(CoprocRow)} == {0}
        assert {row.aborts for row in file.rows(DomainRow)} == {0}
        users = [row.counters for row in file.rows(VcoprocRow) if row.coproc_id == "xxc0"]
        assert len(users) == 3
        assert min(counters.ended for counters in users) >= 49
        assert {(counters.failed, counters.faults) for counters in users} == {(0, 0)}
