"""The driver for a GPU that shares itself: it gives each domain a part of it, and switches nothing.

All pages but the first are mapped to every domain; the bus tells the silicon whose access it is. The first page, with
the interrupt status of all, is trapped: a domain reads its own there. Interrupts go to all of them.
"""

import msgspec

from coprocsim.datasheets import jobunit as reg
from coprocsim.datasheets import vgpu
from coprocsim.model import CoprocSpec, Effect, Json, RaiseIrq, Region, VcoprocId
from coprocsim.platforms.base import Answer, Refused, RegisterPort
from coprocsim.platforms.selfsharing import SelfSharingPlatform


class _Saved(msgspec.Struct):
    version: int
    osids: list[tuple[VcoprocId, int]]
    enabled: int


class VirtualGpuPlatform(SelfSharingPlatform):
    """Hands out OSIDs: the lowest that is free, as many as there are streams to tell their DMA apart."""

    name = "vgpu"
    summary = "a GPU that shares itself among eight domains"
    hardware = "vgpu"
    compatible = ("img,vgpu",)

    def __init__(self, coproc: CoprocSpec, port: RegisterPort) -> None:
        super().__init__(coproc, port)
        self._region = coproc.regions[0].name
        self._osids: dict[VcoprocId, int] = {}
        self._enabled = 0

    @classmethod
    def unfit(cls, coproc: CoprocSpec) -> str | None:
        least_bytes = vgpu.UNIT_OFFSET + reg.BLOCK_BYTES
        if not coproc.regions or coproc.regions[0].size_bytes < least_bytes:
            return f"its first range has not the {least_bytes} bytes of a page of status and a job unit"
        return None

    def probe(self, now_ps: int) -> None:
        self._write(vgpu.OS_RESET, (1 << vgpu.OS_COUNT) - 1)

    def _write(self, offset: int, value: int) -> None:
        self.port.write(self._region, offset, 4, value)

    # ------------------------------------------------------------ domains

    def domain_create(self, vcoproc: VcoprocId, memory: tuple[range, ...]) -> Refused | None:
        count = min(vgpu.OS_COUNT, len(self.coproc.streams) or vgpu.OS_COUNT)
        free = [osid for osid in range(count) if osid not in self._osids.values()]
        if not free:
            return Refused(f"all {count} OSIDs of `{self.coproc.coproc_id}` are taken")
        self._osids[vcoproc] = free[0]
        return None

    def domain_destroy(self, vcoproc: VcoprocId) -> None:
        osid = self._osids.pop(vcoproc)
        self._enabled &= ~(1 << osid)
        self._write(vgpu.OS_ENABLE, self._enabled)
        self._write(vgpu.OS_RESET, 1 << osid)

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        self._enabled |= 1 << self._osids[vcoproc]
        self._write(vgpu.OS_ENABLE, self._enabled)
        return ()

    def halt(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._enabled &= ~(1 << self._osids[vcoproc])
        self._write(vgpu.OS_ENABLE, self._enabled)

    def bus_id(self, vcoproc: VcoprocId) -> int:
        return self._osids[vcoproc]

    def iommu_streams(self, vcoproc: VcoprocId) -> tuple[int, ...]:
        return (self._osids[vcoproc],) if self.coproc.streams else ()

    # ------------------------------------------------------------ traps and interrupts

    def read(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        if offset >= vgpu.PAGE_BYTES:
            return Refused("its part of the GPU is switched off while the domain is paused")
        return Answer(reg.read_sized(lambda at: self._first_page(vcoproc, at), offset, size))

    def _first_page(self, vcoproc: VcoprocId, offset: int) -> int:
        osid = self._osids[vcoproc]
        match offset:
            case vgpu.OWN_IRQ_STATUS:
                return self.port.read(self._region, vgpu.IRQ_STATUS, 4) >> osid & 1
            case vgpu.OWN_OSID:
                return osid
        return 0

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        return Answer() if offset < vgpu.PAGE_BYTES else self.read(vcoproc, region, offset, size)

    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        return (RaiseIrq(vcoproc, line),)

    def direct_ranges(self) -> tuple[Region, ...]:
        whole = self.coproc.regions[0]
        first = Region(whole.name, whole.base + vgpu.PAGE_BYTES, whole.size_bytes - vgpu.PAGE_BYTES)
        return (first, *self.coproc.regions[1:])

    # ------------------------------------------------------------ state

    def save(self) -> Json:
        saved: Json = msgspec.to_builtins(_Saved(1, list(self._osids.items()), self._enabled))
        return saved

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._osids, self._enabled = dict(state.osids), state.enabled
