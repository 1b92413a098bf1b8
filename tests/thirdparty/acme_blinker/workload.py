"""The blinker's driver in a guest: it lets the lamps run, again and again."""

from collections.abc import Sequence

import msgspec

from acme_blinker import registers as reg
from coprocsim.guests.base import DataAbort, Guest, GuestPort, GuestSite
from coprocsim.guests.options import Options
from coprocsim.model import GuestEffect, JobDropped, JobEnded, JobReleased, Json, Setting
from coprocsim.units import PS_PER_US, parse_work

# From the interrupt to the first line of its handler.
_LATENCY_PS = 2 * PS_PER_US
_PATTERN = 0x0000_0003


class _State(msgspec.Struct):
    """All that the driver remembers: how many runs were released, and the one that is in the coproc."""

    version: int = 1
    released: int = 0
    running_since_ps: int | None = None
    handler_ps: int | None = None
    dead: bool = False


class Blink(Guest):
    """Lets the lamps run `steps` steps, `every` so often; a run that is due while the last one lasts is dropped."""

    kind = "blink"
    summary = "lets the lamps of a blinker run"
    examples = ("every=1ms,steps=8,step=1000cycles", "every=300us,steps=40,step=10us")
    example_platform = "blinker"

    def __init__(self, site: GuestSite, options: Sequence[Setting]) -> None:
        read = Options(options, ("kind", "every", "steps", "step"))
        hz = site.coproc.clock_hz
        self._every_ps = max(1, read.positive("every").in_ps(hz))
        self._steps = read.number("steps", 32, 1, 1_000_000)
        self._step_cycles = max(1, read.duration("step", parse_work("1000cycles")).in_cycles(hz))
        self._start_ps = site.start_ps
        self._state = _State()

    @property
    def _release_ps(self) -> int:
        """The instant of the next run."""
        return self._start_ps + self._state.released * self._every_ps

    def next_ps(self) -> int | None:
        state = self._state
        if state.dead:
            return None
        return self._release_ps if state.handler_ps is None else min(self._release_ps, state.handler_ps)

    def interrupt(self, line: str, now_ps: int) -> None:
        if self._state.handler_ps is None:
            self._state.handler_ps = now_ps + _LATENCY_PS

    def act(self, now_ps: int, port: GuestPort) -> tuple[GuestEffect, ...]:
        effects: list[GuestEffect] = []
        try:
            self._act(now_ps, port, effects)
        except DataAbort:
            # A driver that is cut off is a kernel that stops: it does nothing any more.
            self._state.dead = True
        return tuple(effects)

    def _act(self, now_ps: int, port: GuestPort, effects: list[GuestEffect]) -> None:
        state = self._state
        if state.handler_ps is not None and state.handler_ps <= now_ps:
            state.handler_ps = None
            self._handle(port, effects)
        while self._release_ps <= now_ps:
            release_ps = self._release_ps
            state.released += 1
            if state.running_since_ps is not None:
                effects.append(JobDropped(release_ps))
                continue
            effects.append(JobReleased(release_ps, release_ps + self._every_ps))
            state.running_since_ps = release_ps
            self._submit(port)

    def _submit(self, port: GuestPort) -> None:
        for register, value in (
            (reg.PATTERN, _PATTERN),
            (reg.PERIOD, self._step_cycles),
            (reg.COUNT, self._steps),
            (reg.CONTROL, reg.RUN),
        ):
            port.write("regs", register, 4, value)

    def _handle(self, port: GuestPort, effects: list[GuestEffect]) -> None:
        """Read why the coproc interrupted, acknowledge it, and note that the run is over."""
        state, status = self._state, port.read("regs", reg.STATUS, 4)
        if not status:
            return
        port.write("regs", reg.STATUS, 4, status)
        if state.running_since_ps is not None:
            release_ps, state.running_since_ps = state.running_since_ps, None
            effects.append(JobEnded(release_ps, release_ps + self._every_ps, error=bool(status & reg.LOST)))

    def unpaused(self, now_ps: int) -> None:
        if self._release_ps < now_ps:
            self._state.released = -((self._start_ps - now_ps) // self._every_ps)

    def save(self) -> Json:
        saved: Json = msgspec.to_builtins(self._state)
        return saved

    def restore(self, saved: Json) -> None:
        self._state = msgspec.convert(saved, _State)
