"""What drivers of a job unit have in common: its context, and the registers of a context that is away.

A subclass says which nodes it claims, how many contexts there are and what a switch costs.
"""

from typing import ClassVar

import msgspec

from coprocsim.datasheets import jobunit as reg
from coprocsim.model import After, CoprocSpec, Effect, Json, RaiseIrq, Region, Sleep, VcoprocId, Wake
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
from coprocsim.units import PS_PER_NS, PS_PER_US, cycles_ps

ACCESS_PS = 100 * PS_PER_NS
"""An access to a device register over the bus, uncached."""

_PLACE_REGISTERS = tuple(range(0, reg.PLACE_STATE, 4))
_POLL_PS = 50 * PS_PER_US


class Context(msgspec.Struct):
    """A vcoproc's saved registers: the unit's by offset; then the jobs in their places, oldest first, with their state.

    `others` are registers beside the unit's, by range and offset; `memory` what ranges that hold memory held.
    """

    registers: dict[int, int] = msgspec.field(default_factory=dict)
    places: list[tuple[list[int], int]] = msgspec.field(default_factory=list)
    others: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    memory: dict[str, bytes] = msgspec.field(default_factory=dict)

    def read_word(self, offset: int, identity: int) -> int:
        """Answer as the unit would."""
        match offset:
            case reg.ID:
                return identity
            case reg.VERSION:
                return 1
            case reg.CONTROL:
                return reg.CONTROL_ENABLE
            case reg.STATUS:
                busy = reg.STATUS_BUSY if self.places else 0
                return busy | (reg.STATUS_FULL if len(self.places) == reg.PLACES else 0) | reg.STATUS_STOPPED
            case _ if offset >= reg.PLACE_0:
                return self._read_place(*divmod(offset - reg.PLACE_0, reg.PLACE_BYTES))
        return self.registers.get(offset, 0)

    def _read_place(self, place: int, offset: int) -> int:
        if place >= len(self.places):
            return reg.PLACE_EMPTY
        registers, state = self.places[place]
        return state if offset == reg.PLACE_STATE else registers[offset // 4]

    def write_word(self, offset: int, value: int) -> None:
        """Take a write as the unit would while it is stopped; the places and CONTROL's enable are the driver's."""
        registers = self.registers
        match offset:
            case reg.DOORBELL:
                if len(self.places) < reg.PLACES:
                    job = [registers.get(staged, 0) for staged in reg.STAGED]
                    if (job[3], job[2]) > (job[1], job[0]):
                        job[2:4] = job[0:2]  # no more is uncuttable than there is
                    self.places.append((job, reg.PLACE_NEW))
            case reg.IRQ_CLEAR:
                registers[reg.IRQ_STATUS] = registers.get(reg.IRQ_STATUS, 0) & ~value
            case reg.CONTROL if value & reg.CONTROL_RESET:
                registers.clear()
                self.places.clear()
            case reg.CONTROL if value & reg.CONTROL_ABORT and self.places:
                # It was stopped where it could be cut: nothing of it must run on.
                del self.places[0]
                registers[reg.DONE_COUNT] = registers.get(reg.DONE_COUNT, 0) + 1 & 0xFFFF_FFFF
                registers[reg.IRQ_STATUS] = registers.get(reg.IRQ_STATUS, 0) | reg.IRQ_DONE
            case reg.IRQ_STATUS | reg.IRQ_ENABLE:
                registers[offset] = value & (reg.IRQ_DONE | reg.IRQ_ERROR)
            case _ if offset in reg.SAVED:
                registers[offset] = value

    @property
    def asserted(self) -> bool:
        """Whether the interrupt line would be high if the context were loaded."""
        return bool(self.registers.get(reg.IRQ_STATUS, 0) & self.registers.get(reg.IRQ_ENABLE, 0))


class _Saved(msgspec.Struct):
    version: int
    identity: int
    loaded: VcoprocId | None
    live: bool
    contexts: list[tuple[VcoprocId, Context]]
    memory: list[tuple[VcoprocId, list[tuple[int, int]]]]


class JobUnitPlatform(Platform):
    """Stops the unit, reads its registers out, writes another context's in, starts it.

    A coproc that has more than the unit says so in the hooks `save_more` to `write_more`.
    """

    contexts_max: ClassVar[int | None] = None
    """How many contexts the driver has room for; None is as many as there are vcoprocs."""
    range_bytes: ClassVar[int] = reg.BLOCK_BYTES
    """How much the range must hold that has the unit at its start."""
    leave_cost_ps: ClassVar[int]
    enter_cost_ps: ClassVar[int]
    reset_cost_ps: ClassVar[int] = 100 * PS_PER_US

    def __init__(self, coproc: CoprocSpec, port: RegisterPort) -> None:
        super().__init__(coproc, port)
        self._region, self._line = self.place_of(coproc)
        self._identity = 0
        self._contexts: dict[VcoprocId, Context] = {}
        self._memory: dict[VcoprocId, tuple[range, ...]] = {}
        # The vcoproc that has the unit, and whether its registers are already (and still) in it.
        self._loaded: VcoprocId | None = None
        self._live = False

    @classmethod
    def unfit(cls, coproc: CoprocSpec) -> str | None:
        if coproc.region_of(cls.range_bytes) is None:
            return f"no range of `reg` holds the {cls.range_bytes} bytes of its registers"
        return None

    @classmethod
    def place_of(cls, coproc: CoprocSpec) -> tuple[str, str | None]:
        """Return the range that has the unit's registers at its start, and the unit's line if it has one."""
        region = coproc.region_of(cls.range_bytes)
        assert region is not None, "`unfit` lets no such node pass"
        return region.name, coproc.lines[0].name if coproc.lines else None

    def probe(self, now_ps: int) -> None:
        self._identity = self._read(reg.ID)
        self._write(reg.CONTROL, reg.CONTROL_RESET)

    def _read(self, offset: int) -> int:
        return self.port.read(self._region, offset, 4)

    def _write(self, offset: int, value: int) -> None:
        self.port.write(self._region, offset, 4, value)

    # ------------------------------------------------------------ domains

    def domain_create(self, vcoproc: VcoprocId, memory: tuple[range, ...]) -> Refused | None:
        if self.contexts_max is not None and len(self._contexts) >= self.contexts_max:
            return Refused(f"all {self.contexts_max} contexts of `{self.coproc.coproc_id}` are taken")
        self._contexts[vcoproc] = Context()
        self._memory[vcoproc] = memory
        return None

    def domain_destroy(self, vcoproc: VcoprocId) -> None:
        del self._contexts[vcoproc], self._memory[vcoproc]

    def owns(self, vcoproc: VcoprocId, start: int, size_bytes: int) -> bool:
        """Return whether a stretch of memory is wholly in one bank of the domain's."""
        return any(bank.start <= start and start + size_bytes <= bank.stop for bank in self._memory[vcoproc])

    # ------------------------------------------------------------ the switch

    @property
    def switch_cost_max_ps(self) -> int:
        return self.leave_cost_ps + self.enter_cost_ps

    def switch_from(self, vcoproc: VcoprocId, now_ps: int) -> Leave:
        busy = self.stop(vcoproc, now_ps)
        if busy is not None:
            return busy
        self._contexts[vcoproc] = self._saved_context()
        self._clear()
        return Left(self.leave_cost_ps)

    def stop(self, vcoproc: VcoprocId, now_ps: int) -> Busy | None:
        """Stop the unit; answer when to look again if it does not stop at once."""
        self._write(reg.CONTROL, 0)
        return None if self._read(reg.STATUS) & reg.STATUS_STOPPED else Busy(self._uncuttable_ps())

    def _uncuttable_ps(self) -> int:
        """Return when the job's uncuttable part is over: the driver can read that, and promises it."""
        low = self._read(reg.PLACE_0 + reg.PLACE_UNCUTTABLE_LO)
        high = self._read(reg.PLACE_0 + reg.PLACE_UNCUTTABLE_HI)
        return cycles_ps(high << 32 | low, self.coproc.clock_hz)

    def _saved_context(self) -> Context:
        assert self._loaded is not None, "it is live"
        # What the coproc does not tell, the driver has kept as it was written.
        context = Context(others=self._contexts[self._loaded].others)
        for offset in reg.SAVED:
            value = self._read(offset)
            if value:
                context.registers[offset] = value
        for place in range(reg.PLACES):
            base = reg.PLACE_0 + place * reg.PLACE_BYTES
            state = self._read(base + reg.PLACE_STATE)
            if state == reg.PLACE_EMPTY:
                break
            context.places.append(([self._read(base + offset) for offset in _PLACE_REGISTERS], state))
        self.save_more(context)
        return context

    def save_more(self, context: Context) -> None:
        """Read into `context` what the coproc has beside the unit; the unit is stopped."""

    def load_more(self, vcoproc: VcoprocId, context: Context) -> None:
        """Write what the coproc has beside the unit; the unit is loaded after that, and started last."""

    def clear_more(self) -> None:
        """Leave nothing of a context in what the coproc has beside the unit."""

    def _clear(self) -> None:
        """Leave nothing of a context in the coproc, its interrupt included."""
        self._write(reg.CONTROL, reg.CONTROL_RESET)
        self.clear_more()
        self._loaded = None
        self._live = False

    def switch_to(self, vcoproc: VcoprocId, now_ps: int) -> Enter:
        self._loaded = vcoproc
        return Entered(self.enter_cost_ps)

    def start(self, vcoproc: VcoprocId, now_ps: int) -> tuple[Effect, ...]:
        # Written at the end of the switch, the context has what the domain wrote meanwhile. The unit is cleared again,
        # since a stray bus error may have left its mark: only what is not zero need be written.
        context = self._contexts[vcoproc]
        self._write(reg.CONTROL, reg.CONTROL_RESET)
        self.load_more(vcoproc, context)
        for place, (registers, state) in enumerate(context.places):
            base = reg.PLACE_0 + place * reg.PLACE_BYTES
            for offset, value in zip(_PLACE_REGISTERS, registers, strict=True):
                if value:
                    self._write(base + offset, value)
            self._write(base + reg.PLACE_STATE, state)
        for offset, value in context.registers.items():
            if value:
                self._write(offset, value)
        self._live = True
        self._write(reg.CONTROL, reg.CONTROL_ENABLE)
        if not context.places:
            return (Sleep(vcoproc),)
        return self._poll()

    def resume(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._write(reg.CONTROL, reg.CONTROL_ENABLE)

    def reset(self, vcoproc: VcoprocId, now_ps: int) -> Reset:
        if self._live:
            self._contexts[vcoproc] = self._saved_context()
        self._loaded, self._live = vcoproc, False
        self._write(reg.CONTROL, reg.CONTROL_RESET)
        if self._read(reg.STATUS) & reg.STATUS_BUSY:
            return Failed("the job unit does not obey a reset")
        self._clear()
        return self._lost(vcoproc)

    def reset_coproc(self, now_ps: int) -> Reset:
        vcoproc = self._loaded
        if vcoproc is not None and self._live:
            # What the domain has been told of its jobs must not be forgotten.
            self._contexts[vcoproc] = self._saved_context()
        self.port.reset()
        self._loaded, self._live = None, False
        self.probe(now_ps)
        return Done(self.reset_cost_ps) if vcoproc is None else self._lost(vcoproc)

    def _lost(self, vcoproc: VcoprocId) -> Done:
        """Keep of a context what is not its jobs, and tell its domain that these are lost."""
        lost = self._contexts[vcoproc]
        kept = {offset: lost.registers.get(offset, 0) for offset in (reg.DONE_COUNT, reg.IRQ_ENABLE, reg.IRQ_STATUS)}
        kept[reg.IRQ_STATUS] |= reg.IRQ_ERROR
        kept[reg.ERROR] = reg.ERROR_RESET
        self._contexts[vcoproc] = Context(kept, others=lost.others, memory=lost.memory)
        return Done(self.reset_cost_ps, self._raised(vcoproc))

    def _raised(self, vcoproc: VcoprocId) -> tuple[Effect, ...]:
        """Return what tells a domain that its unit's line is high."""
        return () if self._line is None else (RaiseIrq(vcoproc, self._line),)

    # ------------------------------------------------------------ traps and interrupts

    def read(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        if region != self._region or offset >= reg.BLOCK_BYTES:
            return self.read_more(vcoproc, region, offset, size)
        if self.is_live(vcoproc):
            return Answer(self.port.read(region, offset, size))
        context = self._contexts[vcoproc]
        return Answer(reg.read_sized(lambda at: context.read_word(at, self._identity), offset, size))

    def write(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        if region != self._region or offset >= reg.BLOCK_BYTES:
            return self.write_more(vcoproc, region, offset, size, value)
        if self.is_live(vcoproc):
            self.port.write(region, offset, size, value)
            return Answer(effects=(Wake(vcoproc),) if offset & ~3 <= reg.DOORBELL < offset + size else ())
        context = self._contexts[vcoproc]
        asserted, busy = context.asserted, bool(context.places)
        reg.write_sized(lambda at: context.read_word(at, self._identity), context.write_word, offset, size, value)
        effects: list[Effect] = []
        if context.asserted and not asserted:
            effects += self._raised(vcoproc)
        if bool(context.places) != busy:
            effects.append(Sleep(vcoproc) if busy else Wake(vcoproc))
        return Answer(effects=tuple(effects))

    def read_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int) -> Answer | Refused:
        """Answer a trapped read of what the coproc has beside the unit."""
        return Answer(0)

    def write_more(self, vcoproc: VcoprocId, region: str, offset: int, size: int, value: int) -> Answer | Refused:
        """Act on a trapped write to what the coproc has beside the unit."""
        return Answer()

    def is_live(self, vcoproc: VcoprocId) -> bool:
        """Return whether this context's registers are in the coproc, not in memory."""
        return self._live and self._loaded == vcoproc

    def context(self, vcoproc: VcoprocId) -> Context:
        """Return a context as it is kept in memory, which holds while it is not live."""
        return self._contexts[vcoproc]

    def interrupt(self, vcoproc: VcoprocId, line: str, now_ps: int) -> tuple[Effect, ...]:
        raised = RaiseIrq(vcoproc, line)
        return (raised, Sleep(vcoproc)) if self._out_of_work(vcoproc) else (raised,)

    def _out_of_work(self, vcoproc: VcoprocId) -> bool:
        return self.is_live(vcoproc) and not self._read(reg.STATUS) & reg.STATUS_BUSY

    def _poll(self) -> tuple[Effect, ...]:
        """Without an interrupt line, look from time to time whether the work is done."""
        return () if self.coproc.lines else (After(_POLL_PS, "poll"),)

    def timer(self, tag: str, now_ps: int) -> tuple[Effect, ...]:
        if self._loaded is None:
            return ()
        return (Sleep(self._loaded),) if self._out_of_work(self._loaded) else self._poll()

    def direct_ranges(self) -> tuple[Region, ...]:
        return self.coproc.regions

    # ------------------------------------------------------------ state

    def save(self) -> Json:
        memory = [(vcoproc, [(bank.start, bank.stop) for bank in banks]) for vcoproc, banks in self._memory.items()]
        saved: Json = msgspec.to_builtins(
            _Saved(1, self._identity, self._loaded, self._live, list(self._contexts.items()), memory), str_keys=True
        )
        return saved

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved, str_keys=True)
        self._identity, self._loaded, self._live = state.identity, state.loaded, state.live
        self._contexts = dict(state.contexts)
        self._memory = {vcoproc: tuple(range(*bank) for bank in banks) for vcoproc, banks in state.memory}
