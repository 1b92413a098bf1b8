"""No sharing: one vcoproc has the coproc whenever it has work. The baseline that every sharing is measured against."""

from collections.abc import Collection, Mapping

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn


class _Saved(msgspec.Struct):
    version: int
    ready: VcoprocId | None


class Null(Scheduler):
    """Runs its only vcoproc without end, as Xen's `null` gives a pCPU to one vCPU."""

    name = "null"
    summary = "no sharing: one vcoproc, no switches"
    vcoprocs_max = 1

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._ready: VcoprocId | None = None

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        pass

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self.sleep(vcoproc, now_ps)

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready = vcoproc

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        if self._ready == vcoproc:
            self._ready = None

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        pass

    def ready(self) -> Collection[VcoprocId]:
        return () if self._ready is None else (self._ready,)

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        return Idle() if self._ready is None else Run(self._ready)

    def ran(self, ran: Ran) -> None:
        pass

    def save(self) -> Json:
        return {"version": 1, "ready": None if self._ready is None else list(self._ready)}

    def restore(self, saved: Json) -> None:
        self._ready = msgspec.convert(saved, _Saved).ready
