"""The hypervisor's driver for the blinker, on the bare interface of a platform.

Domains reach the range `regs`: directly while their context runs, by trap while it does not. `host` is never theirs.
"""

import msgspec

from acme_blinker import registers as reg
from coprocsim.model import CoprocSpec, Effect, Json, RaiseIrq, Region, Sleep, VcoprocId, Wake
from coprocsim.platforms.base import (
    Answer,
    Busy,
    Done,
    Enter,
    Entered,
    Failed,
    Leave,
    Left,
    Platform,
    Refused,
    RegisterPort,
    Reset,
)
from coprocsim.units import PS_PER_S, PS_PER_US

_WORD = 0xFFFF_FFFF
_CONTEXTS_MAX = 8
_LEAVE_PS = 5 * PS_PER_US
_ENTER_PS = 3 * PS_PER_US
_RESET_PS = 20 * PS_PER_US


class _Context(msgspec.Struct):
    """A vcoproc's registers while they are not in the hardware, by offset; those that are not there are 0."""

    registers: dict[int, int] = msgspec.field(default_factory=dict)
    status: int = 0

    @property
    def has_work(self) -> bool:
        return bool(self.registers.get(reg.CONTROL, 0) & reg.RUN and self.registers.get(reg.COUNT, 0))


class _Saved(msgspec.Struct):
    version: int
    loaded: VcoprocId | None
    live: bool
    contexts: list[tuple[VcoprocId, _Context]]


class BlinkerPlatform(Platform):
    """Halts after the present step, reads five registers out, writes another context's in."""

    name = "blinker"
    summary = "Acme's blinker: denies until the present step is over"
    hardware = "blinker"
    compatible = ("acme,blinker",)

    def __init__(self, coproc: CoprocSpec, port: RegisterPort) -> None:
        super().__init__(coproc, port)
        self._contexts: dict[VcoprocId, _Context] = {}
        # Who has the coproc, and whether the registers in the hardware are already (and still) its own.
        self._loaded: VcoprocId | None = None
        self._live = False

    @classmethod
    def unfit(cls, coproc: CoprocSpec) -> str | None:
        ranges = {region.name: region.size_bytes for region in coproc.regions}
        for name, size_bytes in reg.RANGES.items():
            if ranges.get(name, 0) < size_bytes:
                return f"a blinker has a range `{name}` of {size_bytes:#x} bytes"
        if reg.LINE not in [line.name for line in coproc.lines]:
            return f"a blinker has an interrupt `{reg.LINE}`"
        return None

    def probe(self, now_ps: int) -> None:
        self._write_host(reg.RESET, 1)

    def _read(self, offset: int) -> int:
        return self.port.read("regs", offset, 4)

    def _write(self, offset: int, value: int) -> None:
        self.port.write("regs", offset, 4, value)

    def _write_host(self, offset: int, value: int) -> None:
        self.port.write("host", offset, 4, value)

    # ------------------------------------------------------------ domains

    def domain_create(self, vcoproc: VcoprocId, memory: tuple[range, ...]) -> Refused | None:
        if len(self._contexts) >= _CONTEXTS_MAX:
            return Refused(f"a blinker has room for {_CONTEXTS_MAX} contexts")
        self._contexts[vcoproc] = _Context()
        return None

    def domain_destroy(self, vcoproc: VcoprocId) -> None:
        del self._contexts[vcoproc]

    # ------------------------------------------------------------ the switch

    @property
    def switch_cost_max_ps(self) -> int:
        return _LEAVE_PS + _ENTER_PS

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        self._write_host(reg.HALT, 1)
        left_cycles = self.port.read("host", reg.LEFT, 4)
        if left_cycles:
            return Busy(-(-left_cycles * PS_PER_S // self.coproc.clock_hz))
        self._save(vcoproc)
        self._clear()
        return Left(_LEAVE_PS)

    def _save(self, vcoproc: VcoprocId) -> None:
        registers = {offset: self._read(offset) for offset in reg.CONTEXT}
        self._contexts[vcoproc] = _Context(registers, self._read(reg.STATUS))

    def _clear(self) -> None:
        """Leave nothing of a context in the hardware, which is halted then."""
        self._write_host(reg.RESET, 1)
        self._loaded, self._live = None, False

    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        self._loaded = vcoproc
        return Entered(_ENTER_PS)

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        context = self._contexts[vcoproc]
        for offset, value in context.registers.items():
            self._write(offset, value)
        self._write_host(reg.HOST_STATUS, context.status)
        self._live = True
        self._write_host(reg.HALT, 0)
        return () if context.has_work else (Sleep(vcoproc),)

    def resume(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._write_host(reg.HALT, 0)

    def reset(self, vcoproc: VcoprocId, now_ps: int) -> Reset:
        self._lose(vcoproc)
        self._clear()
        if self.port.read("host", reg.LEFT, 4):
            return Failed("it moves after a reset")
        return Done(_RESET_PS, (RaiseIrq(vcoproc, reg.LINE),))

    def reset_coproc(self, now_ps: int) -> Reset:
        vcoproc = self._loaded
        if vcoproc is not None:
            self._lose(vcoproc)
        self.port.reset()
        self._loaded, self._live = None, False
        self.probe(now_ps)
        return Done(_RESET_PS, () if vcoproc is None else (RaiseIrq(vcoproc, reg.LINE),))

    def _lose(self, vcoproc: VcoprocId) -> None:
        """Keep of a context that it has lost its job, and let its domain read that."""
        status = self._read(reg.STATUS) if self.is_live(vcoproc) else self._contexts[vcoproc].status
        self._contexts[vcoproc] = _Context(status=status | reg.LOST)

    # ------------------------------------------------------------ traps and interrupts

    def is_live(self, vcoproc: VcoprocId) -> bool:
        """Return whether this context's registers are in the hardware, not in memory."""
        return self._live and self._loaded == vcoproc

    def read(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        if region != "regs":
            return Refused("`host` is the hypervisor's")
        if self.is_live(vcoproc):
            return Answer(self.port.read(region, offset, size))
        context = self._contexts[vcoproc]
        match offset, size:
            case reg.ID, 4:
                return Answer(reg.IDENTITY)
            case reg.STATUS, 4:
                return Answer(context.status)
        return Answer(context.registers.get(offset, 0) if size == 4 else 0)

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        if region != "regs":
            return Refused("`host` is the hypervisor's")
        if self.is_live(vcoproc):
            self.port.write(region, offset, size, value)
            return Answer(effects=(Wake(vcoproc),) if self._works() else ())
        context = self._contexts[vcoproc]
        worked = context.has_work
        value &= _WORD
        match offset, size:
            case reg.CONTROL, 4:
                context.registers[offset] = value & reg.RUN
            case reg.STATUS, 4:
                context.status &= ~value
            case _ if offset in reg.CONTEXT and size == 4:
                context.registers[offset] = value
        if context.has_work == worked:
            return Answer()
        return Answer(effects=(Sleep(vcoproc) if worked else Wake(vcoproc),))

    def _works(self) -> bool:
        """Return whether the context in the hardware has steps to go."""
        return bool(self._read(reg.CONTROL) & reg.RUN and self._read(reg.COUNT))

    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        raised = RaiseIrq(vcoproc, line)
        return (raised,) if not self.is_live(vcoproc) or self._works() else (raised, Sleep(vcoproc))

    def direct_ranges(self) -> tuple[Region, ...]:
        return tuple(region for region in self.coproc.regions if region.name == "regs")

    # ------------------------------------------------------------ state

    def save(self) -> Json:
        saved: Json = msgspec.to_builtins(
            _Saved(1, self._loaded, self._live, list(self._contexts.items())), str_keys=True
        )
        return saved

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved, str_keys=True)
        self._loaded, self._live, self._contexts = state.loaded, state.live, dict(state.contexts)
