"""What algorithms have in common that reserve a part of the coproc for each vcoproc: who is ready, a record of each."""

from collections.abc import Collection, Mapping
from typing import Generic, TypeVar

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Value
from coprocsim.schedulers.base import Scheduler

Record = TypeVar("Record")


class Saved(msgspec.Struct, Generic[Record]):
    """What is saved; `restore` is where the type of the records is known."""

    version: int
    ready: list[VcoprocId]
    records: list[tuple[VcoprocId, Record]]


class Reserving(Scheduler, Generic[Record]):
    """What one overran is taken out of what is its own. To give way changes nothing: nobody else may have that."""

    books_overrun = True

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._ready: dict[VcoprocId, None] = {}
        self._records: dict[VcoprocId, Record] = {}

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self.sleep(vcoproc, now_ps)
        del self._records[vcoproc]

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready[vcoproc] = None

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready.pop(vcoproc, None)

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        pass

    def ready(self) -> Collection[VcoprocId]:
        return self._ready

    def save(self) -> Json:
        saved: Json = msgspec.to_builtins(Saved(1, sorted(self._ready), sorted(self._records.items())))
        return saved

    def _become(self, state: Saved[Record]) -> None:
        self._ready = dict.fromkeys(state.ready)
        self._records = dict(state.records)
