"""A stand-in for silicon that nobody has modelled: whatever ranges and lines the node has, and a job unit.

The unit's registers are at the start of the first range that holds them, its line is the first, its DMA goes through
the first stream. All else reads 0 and ignores writes.
"""

from collections.abc import Mapping
from typing import ClassVar

from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.base import Hardware, Write, example_node
from coprocsim.hardware.jobunit import JobUnit, example_job
from coprocsim.model import CoprocSpec, DmaAccess, Json


class GenericHardware(Hardware):
    """A job unit in a coproc of any shape."""

    name = "generic"
    summary = "a job unit at the start of the first range that holds one"
    identity: ClassVar[int] = 0x314E4547  # "GEN1" in memory
    range_bytes: ClassVar[int] = reg.BLOCK_BYTES
    """How much the range must hold that has the unit at its start."""

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        region = coproc.region_of(self.range_bytes)
        assert region is not None, "a platform accepts no node without room for the unit"
        self._region = region.name
        self._line = coproc.lines[0].name if coproc.lines else None
        self.unit = JobUnit(self.identity, self.clock)

    @classmethod
    def example(cls) -> CoprocSpec:
        return example_node({"0": 0x1000, "1": 0x1000})

    @classmethod
    def example_job(cls) -> tuple[Write, ...]:
        region = cls.example().region_of(cls.range_bytes)
        assert region is not None, "its example has room for the unit"
        return example_job(region.name)

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        if region != self._region or offset >= reg.BLOCK_BYTES:
            return 0
        return self.unit.read(offset, size, now_ps)

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        if region == self._region and offset < reg.BLOCK_BYTES:
            self.unit.write(offset, size, value, now_ps)

    def advance(self, now_ps: int) -> None:
        self.unit.advance(now_ps)

    def next_ps(self) -> int | None:
        return self.unit.next_ps()

    def asserted(self) -> tuple[str, ...]:
        return (self._line,) if self._line is not None and self.unit.asserted else ()

    def dma_pending(self) -> bool:
        return self.unit.dma_pending()

    def take_dma(self) -> tuple[DmaAccess, ...]:
        return self.unit.take_dma()

    def dma_fault(self, access: DmaAccess, now_ps: int) -> None:
        self.unit.bus_error()

    def context(self) -> Mapping[str, bytes]:
        return self.unit.context()

    def save(self) -> Json:
        return self.unit.save()

    def restore(self, saved: Json) -> None:
        self.unit.restore(saved)
