"""The IOMMU: whose memory a coproc's DMA reaches, and what becomes of an access that does not stay there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coprocsim.datasheets import jobunit as reg
from coprocsim.errors import CfgError
from coprocsim.hypervisor import domains, iommu, mmio
from coprocsim.hypervisor.domains import memory_of
from coprocsim.hypervisor.state import Domain
from coprocsim.model import DmaAccess, Region
from coprocsim.platforms.generic import GenericPlatform
from tests.machines import MS, US, Machine, settings_of, spec

LOW = 0x4000_0000
MIB = 2**20


def job_at(machine: Machine, domain: Domain, address: int, size: int) -> None:
    """Submit a job of 1 ms by hand, with a DMA window, and let it run to its end."""
    base = domain.vcoprocs[0].windows[0].base
    for offset, width, value in (
        (reg.IRQ_ENABLE, 4, reg.IRQ_DONE | reg.IRQ_ERROR),
        (reg.WORK_LO, 8, 1_000_000),
        (reg.DMA_LO, 8, address),
        (reg.DMA_BYTES, 4, size),
        (reg.DOORBELL, 4, 1),
    ):
        mmio.access(machine.board, domain, base + offset, width, value)
    machine.run(machine.board.now_ps + 2 * MS)


@pytest.mark.parametrize(
    ("address", "size"),
    [(LOW, 4), (LOW, 64 * MIB), (LOW + 64 * MIB - 1, 1), (LOW + 12345, 678)],
)
def test_dma_inside_the_domain_s_memory_passes(address: int, size: int):
    machine = Machine()
    machine.coproc()
    domain = machine.domain("a", "gpu0", memory_mib=64)
    job_at(machine, domain, address, size)
    assert machine.rows("iommu_fault") == []
    assert domain.vcoprocs[0].counters.faults == 0


@pytest.mark.parametrize(
    ("address", "size"),
    [(LOW - 1, 1), (LOW - 1, 2), (LOW + 64 * MIB, 1), (LOW + 64 * MIB - 1, 2), (0, 2**32 - 1), (2**64 - 1, 2**32 - 1)],
)
def test_dma_outside_is_contained_counted_and_reported_to_whoever_caused_it(address: int, size: int):
    machine = Machine()
    machine.coproc()
    domain, other = machine.domain("a", "gpu0", memory_mib=64), machine.domain("b", "gpu0")
    job_at(machine, domain, address, size)
    assert [row[3:] for row in machine.rows("iommu_fault")] == [
        ("d1v0", address, size, "read"),
        ("d1v0", address, size, "write"),
    ]
    assert (domain.vcoprocs[0].counters.faults, other.vcoprocs[0].counters.faults) == (2, 0)
    base = domain.vcoprocs[0].windows[0].base
    assert mmio.access(machine.board, domain, base + reg.ERROR, 4, None).value == reg.ERROR_DMA
    assert ("irq", "d1v0", "irq0") in {row[2:] for row in machine.rows("irq")}


def test_a_driver_hears_that_its_job_went_wrong():
    machine = Machine()
    machine.coproc()
    domain = machine.domain("a", "gpu0 kind=trace,dma=4096,at=1ms:1ms")
    domain.memory = (range(0x9000_0000, 0x9000_1000),)
    machine.run(10 * MS)
    (row,) = machine.rows("job_end")
    assert row[4] == "error"
    assert (domain.vcoprocs[0].counters.failed, domain.vcoprocs[0].counters.ended) == (1, 0)


def test_without_an_iommu_an_access_outside_can_only_be_seen():
    machine = Machine()
    machine.coproc(described=spec(streams=0))
    domain = machine.domain("a", "gpu0")
    job_at(machine, domain, 0, 4096)
    assert [row[2:5] for row in machine.rows("dma_unprotected")] == [("dma_unprotected", "d1v0", 0)] * 2
    base = domain.vcoprocs[0].windows[0].base
    assert mmio.access(machine.board, domain, base + reg.ERROR, 4, None).value == 0


def test_dma_with_no_context_attached_is_a_fault():
    machine = Machine()
    coproc = machine.coproc()
    iommu.translate(machine.board, coproc, DmaAccess(0, LOW, 4, write=True))
    assert machine.story("iommu_fault") == [f"0 iommu_fault - {LOW} 4 write"]


def test_the_other_domain_s_memory_is_outside_after_a_switch():
    machine = Machine()
    machine.coproc(settings={"slice": 10 * MS})
    small, large = (
        machine.domain("small", "gpu0 kind=backlog,work=300us,dma=1048576", memory_mib=1),
        machine.domain("large", "gpu0 kind=backlog,work=300us,dma=8388608", memory_mib=256),
    )
    machine.run(200 * MS)
    assert machine.rows("iommu_fault") == []
    assert min(each.vcoprocs[0].counters.ended for each in (small, large)) > 100


class SecondStreamOnly(GenericPlatform):
    """A coproc whose contexts' DMA goes through the second of its two streams."""

    name = "second"

    def iommu_streams(self, vcoproc) -> tuple[int, ...]:
        return (1,)


def test_only_the_streams_that_the_platform_names_are_attached():
    machine = Machine()
    coproc = machine.coproc(platform=SecondStreamOnly, described=spec(streams=2))
    machine.domain("a", "gpu0 kind=backlog,work=1ms,dma=4096")
    machine.run(5 * MS)
    assert list(machine.board.attached) == [str(coproc.spec.streams[1])]


def test_a_domain_for_which_an_iommu_has_no_context_left_is_not_created():
    machine = Machine()
    machine.coproc("gpu0")
    machine.coproc("dsp0")
    first = machine.domain("first", "gpu0", "dsp0")
    for number in range(1, iommu.CONTEXTS_MAX):
        machine.domain(f"a{number}", "gpu0")
    with pytest.raises(CfgError) as caught:
        machine.domain("late", "dsp0")
    assert str(caught.value) == "IOMMU `/smmu` has no context left for `dsp0`"
    machine.domain("without")
    domains.destroy(machine.board, first)
    machine.hypervisor.settle()
    assert machine.domain("late", "dsp0").domain_id in machine.board.domains


# ---------------------------------------------------------------- a domain's memory


WINDOWS = st.lists(
    st.builds(
        lambda base, size: Region("r", base * 0x800, size),
        st.integers(0, 2**24) | st.integers(2**22, 2**22 + 64),
        st.sampled_from([0x10, 0x1000, 0x10000]),
    ),
    max_size=5,
)


@given(st.integers(0, 16 * 1024), WINDOWS)
def test_memory_is_as_large_as_configured_and_overlaps_no_window(memory_mib: int, windows: list[Region]):
    banks = memory_of(memory_mib, windows)
    assert sum(len(bank) for bank in banks) == memory_mib * MIB
    for number, bank in enumerate(banks):
        assert bank.start % 4096 == bank.stop % 4096 == 0
        assert all(bank.stop <= other.start for other in banks[number + 1 :])
        assert all(w.base + w.size_bytes <= bank.start or bank.stop <= w.base for w in windows)


def test_memory_is_low_as_far_as_it_fits_and_then_high():
    assert memory_of(512, ()) == (range(LOW, LOW + 512 * MIB),)
    assert memory_of(4096, ()) == (range(LOW, 0x1_0000_0000), range(0x2_0000_0000, 0x2_4000_0000))
    window = Region("r", LOW + 16 * MIB, 4096)
    assert memory_of(64, (window,)) == (range(LOW, window.base), range(0x2_0000_0000, 0x2_0000_0000 + 48 * MIB))


def test_a_workload_set_later_has_its_dma_in_memory_too():
    machine = Machine()
    machine.coproc()
    domain = machine.domain("a", "gpu0", memory_mib=4096)
    domains.give_work(machine.board, domain.vcoprocs[0], settings_of("kind=backlog,work=50us,dma=1073741824"))
    machine.run(100 * MS + 25 * US)
    assert domain.vcoprocs[0].counters.ended > 1000
    assert machine.rows("iommu_fault") == []
