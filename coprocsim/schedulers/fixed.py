"""Fixed share (TDMA): time is cut into slots, each is one vcoproc's, and one that its owner does not use stays idle.

As NVIDIA's fixed share scheduler, whose `frequency` is the slots of a second. Nobody depends on what others do: a job
of C takes ceil(C / Q) (P - Q) + C at most, where P is a cycle and Q what its slots in it leave after the switch.
"""

from collections.abc import Collection, Mapping

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.units import PS_PER_S, Clock

# NVIDIA's: up to eight vGPUs the slots are longer.
_FEW = 8
_HZ_OF_FEW = 480
_HZ_OF_MANY = 960


class _Saved(msgspec.Struct):
    version: int
    ready: list[VcoprocId]
    free_ps: list[tuple[VcoprocId, int]]


class FixedShare(Scheduler):
    """Slots go round the vcoprocs in the order of their ids, to each as many in a row as are its own.

    Who runs on into slots of others, since it denies, owes that time: as much of its own slots, from then on, passes
    without it. A switch takes its time out of the slot that it leads to.
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
    books_overrun = True

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._ready: dict[VcoprocId, None] = {}
        self._slots: dict[VcoprocId, int] = {}
        # From when on each has paid for what it took from others, or is known.
        self._free_ps: dict[VcoprocId, int] = {}

    @classmethod
    def least_length_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return PS_PER_S // (int(settings["frequency"]) or _HZ_OF_MANY)

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        self._slots[vcoproc] = int(settings["slots"])
        self._free_ps.setdefault(vcoproc, now_ps)

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self.sleep(vcoproc, now_ps)
        del self._slots[vcoproc], self._free_ps[vcoproc]

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready[vcoproc] = None

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready.pop(vcoproc, None)

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """Nobody else may have its slot."""

    def ready(self) -> Collection[VcoprocId]:
        return self._ready

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        if not self._ready:
            return Idle()
        slot = self._clock().cycle(now_ps)
        owner, end_ps = self._owner(slot), self._clock().instant_ps(slot + 1)
        if owner not in self._ready:
            return Idle(end_ps)
        runs = turn is not None and turn.vcoproc == owner
        free_ps = self._free_after(owner, turn.since_ps, now_ps) if turn is not None and runs else self._free_ps[owner]
        return Run(owner, until_ps=end_ps) if free_ps <= now_ps else Idle(min(free_ps, end_ps))

    def ran(self, ran: Ran) -> None:
        if ran.vcoproc in self._slots:
            self._free_ps[ran.vcoproc] = self._free_after(ran.vcoproc, ran.since_ps, ran.since_ps + ran.run_ps)

    def save(self) -> Json:
        ready: list[Json] = [list(vcoproc) for vcoproc in sorted(self._ready)]
        free: list[Json] = [[list(vcoproc), at_ps] for vcoproc, at_ps in sorted(self._free_ps.items())]
        return {"version": 1, "ready": ready, "free_ps": free}

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._ready = dict.fromkeys(state.ready)
        self._free_ps = dict(state.free_ps)

    def _clock(self) -> Clock:
        return Clock(slots_hz(self.settings, len(self._slots)))

    def _owner(self, slot: int) -> VcoprocId:
        """Return whose slot number `slot` is; slot 0 began when the timeline did."""
        place = slot % sum(self._slots.values())
        for vcoproc, count in sorted(self._slots.items()):
            place -= count
            if place < 0:
                return vcoproc
        raise AssertionError("each place of a cycle is somebody's")

    def _free_after(self, vcoproc: VcoprocId, since_ps: int, now_ps: int) -> int:
        """Return from when on `vcoproc`, which has run since `since_ps`, has paid for what it took of others' slots."""
        clock, own = self._clock(), self._share_of(vcoproc)
        # The slot in which a turn begins was granted to it, whosever it is when parameters have changed.
        begin_ps = max(self._free_ps[vcoproc], clock.instant_ps(clock.cycle(since_ps) + 1))
        if begin_ps >= now_ps:
            return self._free_ps[vcoproc]
        begin, now = begin_ps * clock.hz, now_ps * clock.hz
        owed = now - begin - (own.until(now) - own.until(begin))
        return -(-own.instant(own.until(now) + owed) // clock.hz) if owed else self._free_ps[vcoproc]

    def _share_of(self, vcoproc: VcoprocId) -> "_Share":
        first = sum(count for other, count in self._slots.items() if other < vcoproc)
        return _Share(*(slots * PS_PER_S for slots in (first, self._slots[vcoproc], sum(self._slots.values()))))


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
