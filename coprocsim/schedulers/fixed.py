"""Fixed share (TDMA): time is cut into slots, each is one vcoproc's, and one that its owner does not use stays idle.

As NVIDIA's fixed share scheduler, whose `frequency` is the slots of a second. Nobody depends on what others do: a job
of C takes ceil(C / Q) (P - Q) + C at most, where P is a cycle and Q what its slots in it leave after the switch.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from itertools import accumulate

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Turn
from coprocsim.schedulers.reserving import Reserving, Saved
from coprocsim.units import PS_PER_S, Clock

# NVIDIA's: up to eight vGPUs the slots are longer.
_FEW = 8
_HZ_OF_FEW = 480
_HZ_OF_MANY = 960


class FixedShare(Reserving[int]):
    """Slots go round the vcoprocs in the order of their ids, to each as many in a row as are its own.

    Who runs on into slots of others, since it denies, owes that time: as much of its own slots, from then on, passes
    without it; a record is the instant by which that is paid. A switch takes its time out of the slot that it leads to.
    """

    name = "fixed"
    summary = "reserved slots: nobody gets more than its own, whatever the others do"
    parameters = (
        Parameter(
            "frequency",
            Kind.NUMBER,
            0,
            f"slots of a second; auto: {_HZ_OF_FEW}, of more than {_FEW} vcoprocs {_HZ_OF_MANY}",
            63,
            _HZ_OF_MANY,
            unit="Hz",
            zero="auto",
        ),
        Parameter(
            "slots",
            Kind.NUMBER,
            1,
            "how many slots of a cycle are its own",
            1,
            64,
            scope=Scope.VCOPROC,
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._slots: dict[VcoprocId, int] = {}
        # A cycle: whose slots come one after the other, and where in it each one's are over.
        self._owners: list[VcoprocId] = []
        self._ends: list[int] = []

    @classmethod
    def least_length_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return PS_PER_S // (int(settings["frequency"]) or _HZ_OF_MANY)

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        self._slots[vcoproc] = int(settings["slots"])
        self._records.setdefault(vcoproc, now_ps)
        self._lay_out()

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().remove(vcoproc, now_ps)
        del self._slots[vcoproc]
        self._lay_out()

    def _lay_out(self) -> None:
        self._owners = sorted(self._slots)
        self._ends = list(accumulate(self._slots[vcoproc] for vcoproc in self._owners))

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        if not self._ready:
            return Idle()
        slot = self._clock().cycle(now_ps)
        owner, end_ps = self._owner(slot), self._clock().instant_ps(slot + 1)
        if owner not in self._ready:
            return Idle(end_ps)
        runs = turn is not None and turn.vcoproc == owner
        free_ps = self._free_after(owner, turn.since_ps, now_ps) if turn is not None and runs else self._records[owner]
        return Run(owner, until_ps=end_ps) if free_ps <= now_ps else Idle(min(free_ps, end_ps))

    def ran(self, ran: Ran) -> None:
        if ran.vcoproc in self._records:
            self._records[ran.vcoproc] = self._free_after(ran.vcoproc, ran.since_ps, ran.since_ps + ran.run_ps)

    def restore(self, saved: Json) -> None:
        self._become(msgspec.convert(saved, Saved[int]))

    def _clock(self) -> Clock:
        return Clock(slots_hz(self.settings, len(self._slots)))

    def _owner(self, slot: int) -> VcoprocId:
        """Return whose slot number `slot` is; slot 0 began when the timeline did."""
        return self._owners[bisect_right(self._ends, slot % self._ends[-1])]

    def _free_after(self, vcoproc: VcoprocId, since_ps: int, now_ps: int) -> int:
        """Return from when on `vcoproc`, which has run since `since_ps`, has paid for what it took of others' slots."""
        clock, own = self._clock(), self._share_of(vcoproc)
        # The slot in which a turn begins was granted to it, whosever it is when parameters have changed.
        begin_ps = max(self._records[vcoproc], clock.instant_ps(clock.cycle(since_ps) + 1))
        if begin_ps >= now_ps:
            return self._records[vcoproc]
        begin, now = begin_ps * clock.hz, now_ps * clock.hz
        owed = now - begin - (own.until(now) - own.until(begin))
        return -(-own.instant(own.until(now) + owed) // clock.hz) if owed else self._records[vcoproc]

    def _share_of(self, vcoproc: VcoprocId) -> "_Share":
        own = self._slots[vcoproc]
        first = self._ends[bisect_left(self._owners, vcoproc)] - own
        return _Share(*(slots * PS_PER_S for slots in (first, own, self._ends[-1])))


def slots_hz(settings: Mapping[str, Value], vcoprocs: int) -> int:
    """Return how many slots a second has if a coproc with these parameters is shared among so many."""
    return int(settings["frequency"]) or (_HZ_OF_FEW if vcoprocs <= _FEW else _HZ_OF_MANY)


class _Share(msgspec.Struct, frozen=True):
    """A vcoproc's part of all time, in ps times the frequency, so that a slot is a whole number of it."""

    first: int
    length: int
    cycle: int

    def until(self, at: int) -> int:
        """Return how much of the time before `at` is in its slots."""
        cycles, within = divmod(at, self.cycle)
        return cycles * self.length + min(max(0, within - self.first), self.length)

    def instant(self, own: int) -> int:
        """Return when so much of its slots, which is not nothing, has passed; inverse of `until`."""
        cycles, rest = divmod(own - 1, self.length)
        return cycles * self.cycle + self.first + rest + 1
