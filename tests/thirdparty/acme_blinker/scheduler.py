"""An algorithm with parameters: all in turn, each for its share of a quantum."""

from collections import OrderedDict
from collections.abc import Collection, Mapping

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.units import PS_PER_MS, PS_PER_S, PS_PER_US


class _Saved(msgspec.Struct):
    version: int
    queue: list[VcoprocId]
    yielded: VcoprocId | None


class Shares(Scheduler):
    """The first in the queue runs for `share` quanta, then goes to its end."""

    name = "shares"
    summary = "all in turn, each for its share of a quantum"
    parameters = (
        Parameter("quantum", Kind.TIME, 5 * PS_PER_MS, "the unit of all turns", 10 * PS_PER_US, PS_PER_S),
        Parameter("share", Kind.NUMBER, 1, "how many quanta a turn has", 1, 100, scope=Scope.VCOPROC),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._shares: dict[VcoprocId, int] = {}
        self._queue: OrderedDict[VcoprocId, None] = OrderedDict()
        # Who gives way at the next decision, if there is anybody to give way to.
        self._yielded: VcoprocId | None = None

    @classmethod
    def least_length_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return int(settings["quantum"])

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        self._shares[vcoproc] = int(settings["share"])

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._leave_queue(vcoproc)
        del self._shares[vcoproc]

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._queue[vcoproc] = None

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._leave_queue(vcoproc)

    def _leave_queue(self, vcoproc: VcoprocId) -> None:
        self._queue.pop(vcoproc, None)
        if self._yielded == vcoproc:
            self._yielded = None

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._yielded = vcoproc

    def ready(self) -> Collection[VcoprocId]:
        return self._queue

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        running = turn.vcoproc if turn is not None and turn.vcoproc in self._queue else None
        others = [vcoproc for vcoproc in self._queue if vcoproc != running]
        if running is None or turn is None:
            return self._run(others[0]) if others else Idle()
        ends = turn.over(now_ps) or turn.denied or self._yielded == running
        return self._run(others[0] if ends and others else running)

    def _run(self, vcoproc: VcoprocId) -> Run:
        return Run(vcoproc, self._shares[vcoproc] * int(self.settings["quantum"]))

    def ran(self, ran: Ran) -> None:
        if self._yielded == ran.vcoproc:
            self._yielded = None
        if ran.vcoproc in self._queue:
            self._queue.move_to_end(ran.vcoproc)

    def save(self) -> Json:
        saved: Json = msgspec.to_builtins(_Saved(1, list(self._queue), self._yielded))
        return saved

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._queue, self._yielded = OrderedDict.fromkeys(state.queue), state.yielded
