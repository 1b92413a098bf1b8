"""A GPU that shares itself: registers for each operating system, and turns that it gives them itself."""

from collections.abc import Mapping
from typing import cast

import msgspec

from coprocsim.datasheets import jobunit as reg
from coprocsim.datasheets import vgpu
from coprocsim.hardware.base import Hardware, Write, example_node
from coprocsim.hardware.jobunit import JobUnit, example_job
from coprocsim.model import CoprocSpec, DmaAccess, Json

_IDENTITY = 0x31555056  # "VPU1" in memory


class _Saved(msgspec.Struct):
    version: int
    enabled: int
    active: int | None
    stop_by_cycle: int | None
    quantum_end_cycle: int
    units: list[object]


class VirtualGpuHardware(Hardware):
    """Eight job units of which one works at a time; an access to a page but the first goes to the bus master's own."""

    name = "vgpu"
    summary = "a GPU that shares itself among eight operating systems, with registers for each"

    @classmethod
    def example(cls) -> CoprocSpec:
        return example_node({"0": 16 * vgpu.PAGE_BYTES}, streams=vgpu.OS_COUNT)

    @classmethod
    def example_job(cls) -> tuple[Write, ...]:
        return tuple(write._replace(offset=vgpu.UNIT_OFFSET + write.offset) for write in example_job("0"))

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        self.units = tuple(JobUnit(_IDENTITY, self.clock) for _ in range(vgpu.OS_COUNT))
        self._line = coproc.lines[0].name if coproc.lines else None
        self._enabled = 0
        self._active: int | None = None
        self._quantum_end_cycle = 0
        # Until when the active one, which has been told to stop, may take for what cannot be cut.
        self._stop_by_cycle: int | None = None

    # ------------------------------------------------------------ time

    def advance(self, now_ps: int) -> None:
        while True:
            at_ps = self.next_ps()
            if at_ps is None or at_ps > now_ps:
                break
            assert self._active is not None
            self.units[self._active].advance(at_ps)
            self._give_turns(at_ps)
        if self._active is not None:
            self.units[self._active].advance(now_ps)

    def next_ps(self) -> int | None:
        if self._active is None:
            return None
        next_ps = self.units[self._active].next_ps()
        if self._stop_by_cycle is not None:
            end_ps = self.clock.instant_ps(self._stop_by_cycle)
        elif self._others_wait():
            end_ps = self.clock.instant_ps(self._quantum_end_cycle)
        else:
            return next_ps
        return end_ps if next_ps is None else min(next_ps, end_ps)

    def _others_wait(self) -> bool:
        return any(self._has_work(osid) for osid in range(vgpu.OS_COUNT) if osid != self._active)

    def _has_work(self, osid: int) -> bool:
        return bool(self._enabled >> osid & 1 and self._status(osid) & reg.STATUS_BUSY)

    def _status(self, osid: int) -> int:
        return self.units[osid].read(reg.STATUS, 4, 0)

    def _give_turns(self, now_ps: int) -> None:
        """Stop whoever has had its turn, and let the next one work that has something to do."""
        active, cycle = self._active, self.clock.cycle(now_ps)
        if active is not None:
            over = cycle >= self._quantum_end_cycle and self._others_wait()
            if self._has_work(active) and not over and self._stop_by_cycle is None:
                return
            if not self._stops(active, cycle, now_ps):
                return
        first = 0 if active is None else active + 1
        turns = [(first + number) % vgpu.OS_COUNT for number in range(vgpu.OS_COUNT)]
        self._active = next((osid for osid in turns if self._has_work(osid)), None)
        if self._active is not None:
            self._quantum_end_cycle = cycle + vgpu.QUANTUM_CYCLES
            self.units[self._active].write(reg.CONTROL, 4, reg.CONTROL_ENABLE, now_ps)

    def _stops(self, active: int, cycle: int, now_ps: int) -> bool:
        """Tell the active one to stop; return whether it has. One that does not for too long loses its jobs."""
        unit = self.units[active]
        unit.write(reg.CONTROL, 4, 0, now_ps)
        if not self._status(active) & reg.STATUS_STOPPED:
            if self._stop_by_cycle is None:
                self._stop_by_cycle = cycle + vgpu.LOCKUP_CYCLES
            if cycle < self._stop_by_cycle:
                return False
            unit.lose_jobs()
        self._stop_by_cycle = None
        return True

    # ------------------------------------------------------------ registers

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        return reg.read_sized(self._read_first_page, offset, size) if offset < vgpu.PAGE_BYTES else 0

    def _read_first_page(self, offset: int) -> int:
        match offset:
            case vgpu.IRQ_STATUS:
                return sum(1 << osid for osid, unit in enumerate(self.units) if unit.asserted)
            case vgpu.OS_ENABLE:
                return self._enabled
        return 0

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        if offset < vgpu.PAGE_BYTES:
            reg.write_sized(
                self._read_first_page, lambda at, word: self._write_first_page(at, word, now_ps), offset, size, value
            )
            self._give_turns(now_ps)

    def _write_first_page(self, offset: int, value: int, now_ps: int) -> None:
        match offset:
            case vgpu.OS_ENABLE:
                self._enabled = value & (1 << vgpu.OS_COUNT) - 1
            case vgpu.OS_RESET:
                for osid, unit in enumerate(self.units):
                    if value >> osid & 1:
                        unit.write(reg.CONTROL, 4, reg.CONTROL_RESET, now_ps)

    def read_as(self, bus_id: int, region: str, offset: int, size: int, now_ps: int) -> int:
        in_unit = offset - vgpu.UNIT_OFFSET
        return self.units[bus_id].read(in_unit, size, now_ps) if 0 <= in_unit < reg.BLOCK_BYTES else 0

    def write_as(self, bus_id: int, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        in_unit = offset - vgpu.UNIT_OFFSET
        if not 0 <= in_unit < reg.BLOCK_BYTES:
            return
        if in_unit == reg.CONTROL:
            works = reg.CONTROL_ENABLE if self._active == bus_id and self._stop_by_cycle is None else 0
            value = value & ~reg.CONTROL_ENABLE | works
        self.units[bus_id].write(in_unit, size, value, now_ps)
        self._give_turns(now_ps)

    # ------------------------------------------------------------ lines and bus

    def asserted(self) -> tuple[str, ...]:
        return (self._line,) if self._line is not None and any(unit.asserted for unit in self.units) else ()

    def dma_pending(self) -> bool:
        return any(unit.dma_pending() for unit in self.units)

    def take_dma(self) -> tuple[DmaAccess, ...]:
        return tuple(
            DmaAccess(osid, access.address, access.size_bytes, access.write)
            for osid, unit in enumerate(self.units)
            for access in unit.take_dma()
        )

    def dma_fault(self, access: DmaAccess, now_ps: int) -> None:
        self.units[access.stream].bus_error()

    # ------------------------------------------------------------ state

    def context(self) -> Mapping[str, bytes]:
        return {
            f"os{osid}:{name}": value for osid, unit in enumerate(self.units) for name, value in unit.context().items()
        }

    def save(self) -> Json:
        saved: Json = msgspec.to_builtins(
            _Saved(
                2,
                self._enabled,
                self._active,
                self._stop_by_cycle,
                self._quantum_end_cycle,
                [unit.save() for unit in self.units],
            )
        )
        return saved

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._enabled, self._active, self._stop_by_cycle = state.enabled, state.active, state.stop_by_cycle
        self._quantum_end_cycle = state.quantum_end_cycle
        for unit, each in zip(self.units, state.units, strict=True):
            unit.restore(cast("Json", each))
