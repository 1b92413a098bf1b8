"""Round robin: a ring of ready vcoprocs, each of which gets the same slice.

The ring holds the running vcoproc too. Who ran goes to its tail when the turn is closed, not before: until the coproc
has really let go of it, nothing has changed.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import replace

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Kind, Parameter, Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.units import PS_PER_MS, PS_PER_S, PS_PER_US


class _Saved(msgspec.Struct):
    version: int
    ring: list[VcoprocId]
    yielded_ps: int | None


class RoundRobin(Scheduler):
    """Each ready vcoproc in its turn; `wake` says whether one that wakes waits for it."""

    name = "rrobin"
    summary = "round robin: every ready vcoproc has the same slice in turn"
    parameters = (
        Parameter(
            "slice",
            Kind.TIME,
            200 * PS_PER_MS,
            "how long a turn is",
            PS_PER_US,
            1000 * PS_PER_S,
        ),
        Parameter(
            "wake",
            Kind.CHOICE,
            "tail",
            "who wakes waits for a turn (tail), or preempts (head)",
            choices=("tail", "head"),
        ),
        Parameter(
            "min-run",
            Kind.TIME,
            PS_PER_MS,
            "a turn is not preempted before it has lasted so long",
            0,
            1000 * PS_PER_S,
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._ring: OrderedDict[VcoprocId, None] = OrderedDict()
        # A yield is for the decision that follows at once; with nobody to give way to, it has been in vain.
        self._yielded_ps: int | None = None
        self._read_settings()

    @classmethod
    def least_length_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return int(settings["slice"])

    def reconfigure(self, settings: Mapping[str, Value], now_ps: int) -> None:
        super().reconfigure(settings, now_ps)
        self._read_settings()

    def _read_settings(self) -> None:
        self._slice_ps = int(self.settings["slice"])
        self._min_run_ps = int(self.settings["min-run"])
        self._wake_at_head = self.settings["wake"] == "head"

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        pass

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ring.pop(vcoproc, None)

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ring[vcoproc] = None
        if self._wake_at_head:
            self._ring.move_to_end(vcoproc, last=False)

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ring.pop(vcoproc, None)

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        if vcoproc in self._ring:
            self._ring.move_to_end(vcoproc)
            self._yielded_ps = now_ps

    def ready(self) -> Collection[VcoprocId]:
        return self._ring

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        if not self._ring:
            return Idle()
        first = next(iter(self._ring))
        if turn is None or turn.vcoproc not in self._ring:
            return Run(first, self._slice_ps)
        stays = Run(turn.vcoproc, self._slice_ps)
        other = next((vcoproc for vcoproc in self._ring if vcoproc != turn.vcoproc), None)
        if other is None:
            return stays
        if turn.denied or turn.over(now_ps) or now_ps == self._yielded_ps:
            return Run(other, self._slice_ps)
        if self._wake_at_head and first == other:
            preempted_ps = turn.since_ps + self._min_run_ps
            return Run(other, self._slice_ps) if now_ps >= preempted_ps else replace(stays, until_ps=preempted_ps)
        return stays

    def ran(self, ran: Ran) -> None:
        self._yielded_ps = None
        if ran.vcoproc in self._ring:
            self._ring.move_to_end(ran.vcoproc)

    def save(self) -> Json:
        ring: list[Json] = [list(vcoproc) for vcoproc in self._ring]
        return {"version": 1, "ring": ring, "yielded_ps": self._yielded_ps}

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._ring = OrderedDict.fromkeys(state.ring)
        self._yielded_ps = state.yielded_ps
