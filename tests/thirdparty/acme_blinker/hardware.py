"""The blinker in silicon. It counts its own cycles, and knows nothing of domains."""

from collections.abc import Mapping

import msgspec

from acme_blinker import registers as reg
from coprocsim.hardware.base import Hardware, Write, example_node
from coprocsim.model import CoprocSpec, Json

_WORD = 0xFFFF_FFFF


class _State(msgspec.Struct):
    """All that it remembers; `step_end_cycle` is the edge at which the step that is under way is over."""

    version: int = 1
    control: int = 0
    pattern: int = 0
    period: int = 0
    count: int = 0
    status: int = 0
    halted: bool = True
    step_end_cycle: int | None = None


class Blinker(Hardware):
    """Turns the pattern left by one lamp every PERIOD cycles, COUNT times."""

    name = "blinker"
    summary = "32 lamps whose pattern turns, step by step"

    def __init__(self, coproc: CoprocSpec) -> None:
        super().__init__(coproc)
        self._state = _State()

    @classmethod
    def example(cls) -> CoprocSpec:
        return example_node(reg.RANGES, (reg.LINE,), streams=0, clock_hz=100_000_000)

    @classmethod
    def example_job(cls) -> tuple[Write, ...]:
        wanted = ((reg.PATTERN, 0x0101), (reg.PERIOD, 300), (reg.COUNT, 4), (reg.CONTROL, reg.RUN))
        return tuple(Write("regs", offset, 4, value) for offset, value in wanted)

    # ------------------------------------------------------------ time

    def advance(self, now_ps: int) -> None:
        state, cycle = self._state, self.clock.cycle(now_ps)
        while state.step_end_cycle is not None and state.step_end_cycle <= cycle:
            # As many steps as are over by now, in one go: between two accesses nothing changes how long they are.
            steps = 1
            if self._may_run() and state.count:
                steps = min(state.count, 1 + (cycle - state.step_end_cycle) // self._period)
            self._turn(steps)
            end_cycle = state.step_end_cycle + (steps - 1) * self._period
            state.step_end_cycle = end_cycle + self._period if self._may_run() else None

    def next_ps(self) -> int | None:
        state = self._state
        if state.step_end_cycle is None:
            return None
        further = max(0, state.count - 1) if self._may_run() else 0
        return self.clock.instant_ps(state.step_end_cycle + further * self._period)

    @property
    def _period(self) -> int:
        return max(1, self._state.period)

    def _may_run(self) -> bool:
        """Return whether another step would begin now."""
        state = self._state
        return bool(state.control & reg.RUN) and state.count > 0 and not state.halted

    def _turn(self, steps: int) -> None:
        state, by = self._state, steps % 32
        state.pattern = (state.pattern << by | state.pattern >> (32 - by)) & _WORD
        if state.count:
            state.count -= steps
            if not state.count:
                state.status |= reg.DONE

    def _begin(self, now_ps: int) -> None:
        """Let a step begin at the next clock edge, if none is under way and one may."""
        cycle = self.clock.cycle(now_ps)
        if self._state.step_end_cycle is None and self._may_run():
            edge = cycle if self.clock.instant_ps(cycle) == now_ps else cycle + 1
            self._state.step_end_cycle = edge + self._period

    # ------------------------------------------------------------ registers

    def read(self, region: str, offset: int, size: int, now_ps: int) -> int:
        state = self._state
        if size != 4:
            return 0
        match region, offset:
            case "regs", reg.ID:
                return reg.IDENTITY
            case "regs", reg.CONTROL:
                return state.control
            case "regs", reg.PATTERN:
                return state.pattern
            case "regs", reg.PERIOD:
                return state.period
            case "regs", reg.COUNT:
                return state.count
            case ("regs", reg.STATUS) | ("host", reg.HOST_STATUS):
                return state.status
            case "host", reg.HALT:
                return int(state.halted)
            case "host", reg.LEFT if state.step_end_cycle is not None:
                return min(state.step_end_cycle - self.clock.cycle(now_ps), _WORD)
        return 0

    def write(self, region: str, offset: int, size: int, value: int, now_ps: int) -> None:
        state, value = self._state, value & _WORD
        if size != 4:
            return
        match region, offset:
            case "regs", reg.CONTROL:
                state.control = value & reg.RUN
            case "regs", reg.PATTERN:
                state.pattern = value
            case "regs", reg.PERIOD:
                state.period = value
            case "regs", reg.COUNT:
                state.count = value
            case "regs", reg.STATUS:
                state.status &= ~value
            case "host", reg.HOST_STATUS:
                state.status = value & (reg.DONE | reg.LOST)
            case "host", reg.HALT:
                state.halted = bool(value & 1)
            case "host", reg.RESET if value & 1:
                self._state = _State()
        self._begin(now_ps)

    def asserted(self) -> tuple[str, ...]:
        return (reg.LINE,) if self._state.status else ()

    # ------------------------------------------------------------ state

    def context(self) -> Mapping[str, bytes]:
        state = self._state
        registers = {
            "CONTROL": state.control,
            "PATTERN": state.pattern,
            "PERIOD": state.period,
            "COUNT": state.count,
            "STATUS": state.status,
        }
        return {name: value.to_bytes(4, "little") for name, value in registers.items()}

    def save(self) -> Json:
        saved: Json = msgspec.to_builtins(self._state)
        return saved

    def restore(self, saved: Json) -> None:
        self._state = msgspec.convert(saved, _State)
