"""No algorithm: what a coproc has whose hardware shares itself. Nobody asks it."""

from collections.abc import Collection, Mapping

from coprocsim.model import UNSCHEDULED, Json, VcoprocId
from coprocsim.parameters import Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Scheduler, Turn


class Unscheduled(Scheduler):
    """Lets nobody run, since everybody does."""

    name = UNSCHEDULED
    summary = "the hardware shares itself"

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        pass

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        pass

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        pass

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        pass

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        pass

    def ready(self) -> Collection[VcoprocId]:
        return ()

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        return Idle()

    def ran(self, ran: Ran) -> None:
        pass

    def save(self) -> Json:
        return {"version": 1}

    def restore(self, saved: Json) -> None:
        pass
