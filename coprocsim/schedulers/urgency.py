"""Who is the most urgent: a list that is kept in order, since of hundreds that wait only a few change at a time."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import TypeAlias

from coprocsim.model import VcoprocId

Urgency: TypeAlias = tuple[int, ...]
"""The smaller the more urgent; of equals, the lowest vcoproc id comes first."""


class Queue:
    """Vcoprocs, each with its urgency; to ask for the first takes no longer if there are many."""

    def __init__(self) -> None:
        self._order: list[tuple[Urgency, VcoprocId]] = []
        self._urgencies: dict[VcoprocId, Urgency] = {}

    def __iter__(self) -> Iterator[VcoprocId]:
        """Yield all, the most urgent first."""
        return (vcoproc for _, vcoproc in self._order)

    def __getitem__(self, vcoproc: VcoprocId) -> Urgency:
        return self._urgencies[vcoproc]

    def __contains__(self, vcoproc: VcoprocId | None) -> bool:
        return vcoproc in self._urgencies

    def put(self, vcoproc: VcoprocId, urgency: Urgency) -> None:
        """Let one wait, or change how urgent it is."""
        if self._urgencies.get(vcoproc) != urgency:
            self.drop(vcoproc)
            self._urgencies[vcoproc] = urgency
            insort(self._order, (urgency, vcoproc))

    def drop(self, vcoproc: VcoprocId) -> None:
        """Let one wait no longer, if it does."""
        if vcoproc in self._urgencies:
            del self._order[bisect_left(self._order, (self._urgencies.pop(vcoproc), vcoproc))]
