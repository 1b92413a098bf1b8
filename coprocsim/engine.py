"""The timeline: what is due when, and the loop that jumps from one instant to the next.

What happens at one instant goes in rounds: hardware, then commands, then guests, then timers; then each coproc that
was touched decides once. What the decisions cause at the same instant is the next round.
"""

import heapq
from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple, Protocol, TypeAlias

from coprocsim.units import TIMELINE_END_PS

Key: TypeAlias = tuple[str, ...]
"""Whose event it is: `("hardware", "gpu0")`, `("guest", "1", "0")`; each has at most one event at a time."""


class Phase(IntEnum):
    """The order at one instant."""

    HARDWARE = 0
    COMMAND = 1
    GUEST = 2
    TIMER = 3


class Due(NamedTuple):
    """An event: `order` counts how events were armed, the first comes first."""

    at_ps: int
    phase: Phase
    order: int
    key: Key


class Machine(Protocol):
    """What the loop drives."""

    def handle(self, key: Key) -> None:
        """Act on an event, which is due now."""
        ...

    def decide(self) -> bool:
        """Let every coproc that was touched since the last time make its decision; return whether any was."""
        ...


class Timeline:
    """All events to come. Arming one again moves it, so that each owner has one instant and nothing piles up."""

    def __init__(self, now_ps: int = 0) -> None:
        self.now_ps = now_ps
        self._order = 0
        self._armed: dict[Key, Due] = {}
        self._heap: list[Due] = []

    def arm(self, key: Key, at_ps: int, phase: Phase) -> None:
        """Let `key` happen at `at_ps`, now at the earliest; armed for that instant already, it keeps its place.

        What would happen after the end of the timeline does not happen.
        """
        if at_ps > TIMELINE_END_PS:
            self.disarm(key)
            return
        at_ps = max(at_ps, self.now_ps)
        armed = self._armed.get(key)
        if armed is not None and armed.at_ps == at_ps:
            return
        self._order += 1
        due = Due(at_ps, phase, self._order, key)
        self._armed[key] = due
        heapq.heappush(self._heap, due)
        if len(self._heap) > 2 * len(self._armed) + 64:
            self._heap = sorted(self._armed.values())

    def disarm(self, key: Key) -> None:
        """Let `key` not happen."""
        self._armed.pop(key, None)

    def next_ps(self) -> int | None:
        """Return the instant of the next event, None if nothing is to come."""
        while self._heap:
            due = self._heap[0]
            if self._armed.get(due.key) is due:
                return due.at_ps
            heapq.heappop(self._heap)
        return None

    def pop(self) -> Due:
        """Take the event off that `next_ps` has shown."""
        due = heapq.heappop(self._heap)
        del self._armed[due.key]
        return due

    def pending(self) -> list[Due]:
        """Return all events to come, in order."""
        return sorted(self._armed.values())

    @property
    def order(self) -> int:
        """How many events were armed; saved with them, so that ties stay as they are."""
        return self._order

    def restore(self, pending: Mapping[Key, Due], order: int) -> None:
        """Become what `pending` and `order` said."""
        self._armed = dict(pending)
        self._heap = sorted(self._armed.values())
        self._order = order


def run(timeline: Timeline, machine: Machine, until_ps: int) -> None:
    """Let everything happen that is due by `until_ps`, that instant included; the timeline then stands there."""
    assert until_ps >= timeline.now_ps, "time does not go back"
    while True:
        while timeline.next_ps() == timeline.now_ps:
            machine.handle(timeline.pop().key)
        if machine.decide():
            continue
        at_ps = timeline.next_ps()
        if at_ps is None or at_ps > until_ps:
            break
        timeline.now_ps = at_ps
    timeline.now_ps = until_ps
