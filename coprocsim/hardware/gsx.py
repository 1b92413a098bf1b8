"""`renesas,gsx` in silicon: a job unit behind power, firmware and a cache. Its datasheet: `datasheets/gsx.py`."""

from collections.abc import Mapping

import msgspec

from coprocsim.datasheets import gsx
from coprocsim.datasheets import jobunit as reg
from coprocsim.hardware.base import Hardware, Write, example_node
from coprocsim.hardware.jobunit import JobUnit, example_job
from coprocsim.model import CoprocSpec, DmaAccess, Json

_WORD = 0xFFFF_FFFF
_IMAGE = (gsx.FIRMWARE_LO, gsx.FIRMWARE_HI, gsx.FIRMWARE_BYTES)


class _State(msgspec.Struct):
    """All beside the unit. Each `_cycle` is when something that was asked for is done, None if nobody asked.

    `booted` is whether the firmware has started: that happens by itself, all else is seen when somebody looks.
    """

    powered: bool = False
    power_cycle: int | None = None
    image: dict[int, int] = msgspec.field(default_factory=dict)
    boot_cycle: int | None = None
    booted: bool = False
    fault: bool = False
    idle_cycle: int | None = None
    flush_cycle: int | None = None


class GsxHardware(Hardware):
    """A GPU whose context is lost when it is powered down."""

    name = "gsx"
    summary = "a job unit that works while it is powered and its firmware runs"

    @classmethod
    def example(cls) -> CoprocSpec:
        return example_node({"0": 0x4_0000}, streams=2)

    @classmethod
    def example_job(cls) -> tuple[Write, ...]:
        powered = ((gsx.POWER_CONTROL, gsx.POWER_ON), (gsx.FIRMWARE_BYTES, 0x1000))
        booted = ((gsx.FIRMWARE_CONTROL, gsx.FIRMWARE_BOOT),)
        return (*(Write("0", offset, 4, value) for offset, value in (*powered, *booted)), *example_job("0"))

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        region = coproc.region_of(gsx.BLOCK_BYTES)
        assert region is not None, "the platform accepts no node without room for the registers"
        self._region = region.name
        self._line = coproc.lines[0].name if coproc.lines else None
        self._image_stream = min(1, max(0, len(coproc.streams) - 1))
        self._lose()

    def _lose(self) -> None:
        """Be without power: nothing is remembered."""
        self._state = _State()
        self._dma: list[DmaAccess] = []
        self.unit = JobUnit(gsx.IDENTITY, self.clock)
        self.unit.hold(True, 0)

    # ------------------------------------------------------------ time

    def advance(self, now_ps: int) -> None:
        boot_ps = self._boot_ps()
        if boot_ps is not None and boot_ps <= now_ps:
            self._state.booted = True
            self._dma.append(self._image_access())
            self._let_work(boot_ps)
        self.unit.advance(now_ps)

    def next_ps(self) -> int | None:
        ends = [end for end in (self._boot_ps(), self.unit.next_ps()) if end is not None]
        return min(ends, default=None)

    def _boot_ps(self) -> int | None:
        """Return when the firmware will have booted, if it is about to."""
        state = self._state
        return None if state.boot_cycle is None or state.booted else self.clock.instant_ps(state.boot_cycle)

    def _image_access(self) -> DmaAccess:
        low, high, size_bytes = (self._state.image.get(offset, 0) for offset in _IMAGE)
        return DmaAccess(self._image_stream, high << 32 | low, size_bytes, write=False)

    def _let_work(self, now_ps: int) -> None:
        """Let the unit work if the firmware does."""
        state = self._state
        self.unit.hold(not state.booted or state.fault or state.idle_cycle is not None, now_ps)

    # ------------------------------------------------------------ lines and the bus

    def asserted(self) -> tuple[str, ...]:
        return (self._line,) if self._line is not None and self.unit.asserted else ()

    def dma_pending(self) -> bool:
        return bool(self._dma) or self.unit.dma_pending()

    def take_dma(self) -> tuple[DmaAccess, ...]:
        taken = (*self._dma, *self.unit.take_dma())
        self._dma.clear()
        return taken

    def dma_fault(self, access: DmaAccess, now_ps: int) -> None:
        if access == self._image_access():
            self._state.fault = True
            self._let_work(now_ps)
        else:
            self.unit.bus_error()

    # ------------------------------------------------------------ registers

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        if region != self._region or offset >= gsx.BLOCK_BYTES:
            return 0
        if offset < reg.BLOCK_BYTES:
            return self.unit.read(offset, size, now_ps) if self._state.powered else 0
        cycle = self.clock.cycle(now_ps)
        return reg.read_sized(lambda at: self._read_word(at, cycle), offset, size)

    def _read_word(self, offset: int, cycle: int) -> int:
        state = self._state
        match offset:
            case gsx.POWER_CONTROL:
                return gsx.POWER_ON if state.powered else 0
            case gsx.POWER_STATUS if state.power_cycle is not None and cycle < state.power_cycle:
                return gsx.POWER_CHANGING
            case gsx.POWER_STATUS:
                return gsx.POWER_ON if state.powered else 0
            case gsx.FIRMWARE_CONTROL:
                return 0 if state.idle_cycle is None else gsx.FIRMWARE_IDLE
            case gsx.FIRMWARE_STATUS:
                return self._firmware_status(cycle)
            case gsx.CACHE_STATUS:
                return gsx.CACHE_BUSY if state.flush_cycle is not None and cycle < state.flush_cycle else 0
        return state.image.get(offset, 0)

    def _firmware_status(self, cycle: int) -> int:
        state = self._state
        if state.fault:
            return gsx.FIRMWARE_FAULT
        if not state.booted:
            return 0 if state.boot_cycle is None else gsx.FIRMWARE_BOOTING
        idle = state.idle_cycle is not None and cycle >= state.idle_cycle and self._unit_stands(cycle)
        return gsx.FIRMWARE_RUNS | (gsx.FIRMWARE_IS_IDLE if idle else 0)

    def _unit_stands(self, cycle: int) -> bool:
        return bool(self.unit.read(reg.STATUS, 4, self.clock.instant_ps(cycle)) & reg.STATUS_STOPPED)

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        if region != self._region or offset >= gsx.BLOCK_BYTES:
            return
        if offset >= reg.BLOCK_BYTES:
            cycle = self.clock.cycle(now_ps)
            reg.write_sized(
                lambda at: self._read_word(at, cycle),
                lambda at, word: self._write_word(at, word, now_ps),
                offset,
                size,
                value,
            )
        elif self._state.powered:
            self.unit.write(offset, size, value, now_ps)

    def _write_word(self, offset: int, value: int, now_ps: int) -> None:
        state, edge = self._state, self.unit.edge(now_ps)
        if offset == gsx.POWER_CONTROL:
            self._power(bool(value & gsx.POWER_ON), edge)
        elif not state.powered:
            return
        elif offset in _IMAGE:
            state.image[offset] = value
        elif offset == gsx.FIRMWARE_CONTROL:
            self._control_firmware(value, now_ps)
        elif offset == gsx.CACHE_CONTROL and value & gsx.CACHE_FLUSH:
            state.flush_cycle = edge + gsx.FLUSH_CYCLES

    def _power(self, wanted: bool, edge: int) -> None:
        if wanted == self._state.powered:
            return
        self._lose()
        self._state.powered = wanted
        self._state.power_cycle = edge + (gsx.POWER_UP_CYCLES if wanted else gsx.POWER_DOWN_CYCLES)

    def _control_firmware(self, value: int, now_ps: int) -> None:
        state, edge = self._state, self.unit.edge(now_ps)
        if value & gsx.FIRMWARE_BOOT and state.boot_cycle is None and state.image.get(gsx.FIRMWARE_BYTES):
            state.boot_cycle = max(edge, state.power_cycle or 0) + gsx.BOOT_CYCLES
        if not value & gsx.FIRMWARE_IDLE:
            state.idle_cycle = None
        elif state.idle_cycle is None:
            state.idle_cycle = edge + gsx.IDLE_CYCLES
        self._let_work(now_ps)

    # ------------------------------------------------------------ state

    def context(self) -> Mapping[str, bytes]:
        image = {f"{offset:#x}": self._state.image.get(offset, 0).to_bytes(4, "little") for offset in _IMAGE}
        return self.unit.context() | image

    def save(self) -> Json:
        return {"version": 1, "rest": msgspec.to_builtins(self._state, str_keys=True), "unit": self.unit.save()}

    def restore(self, saved: Json) -> None:
        assert isinstance(saved, dict)
        self._state = msgspec.convert(saved["rest"], _State, str_keys=True)
        self.unit.restore(saved["unit"])
        self._dma.clear()
