"""What algorithms have in common that give each vcoproc a budget in each period, and run the earliest deadline."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypeVar

from coprocsim.model import VcoprocId
from coprocsim.parameters import BadValue, Kind, Parameter, Scope, Value, of_scope
from coprocsim.schedulers.reserving import Reserving, Saved
from coprocsim.schedulers.urgency import Queue, Urgency
from coprocsim.units import PS_PER_S, PS_PER_US

Server = TypeVar("Server")


class Budgets(Reserving[Server]):
    """The record of a vcoproc is its server: what is left of its budget, and until when.

    Equal deadlines go to the lowest vcoproc id. Who yields keeps its budget.
    """

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        # Those that are ready, as their servers were when they were noted.
        self._queue = Queue()

    @classmethod
    def least_budget_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return int(settings["budget"])

    @classmethod
    def reservations(cls, settings: Sequence[Mapping[str, Value]]) -> list[Fraction]:
        return [Fraction(int(each["budget"]), int(each["period"])) for each in settings]

    @classmethod
    def check_together(cls, scope: Scope, settings: Mapping[str, Value]) -> None:
        if scope is Scope.VCOPROC and int(settings["budget"]) > int(settings["period"]):
            parameters = of_scope(cls.parameters, scope)
            budget, period = (parameters[name].show(settings[name]) for name in ("budget", "period"))
            what = f"`budget` = {budget} is longer than `period` = {period}"
            raise BadValue(what, "there is no more than the whole coproc: make `budget` shorter or `period` longer")

    @abstractmethod
    def _urgency(self, vcoproc: VcoprocId) -> Urgency:
        """Return how urgent it is that `vcoproc` runs, which does not run yet."""

    def _note(self, vcoproc: VcoprocId, server: Server) -> None:
        """Take note of how far a server is."""
        self._records[vcoproc] = server
        if vcoproc in self._ready:
            self._queue.put(vcoproc, self._urgency(vcoproc))

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().wake(vcoproc, now_ps)
        self._note(vcoproc, self._records[vcoproc])

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().sleep(vcoproc, now_ps)
        self._queue.drop(vcoproc)

    def _become(self, state: Saved[Server]) -> None:
        super()._become(state)
        for vcoproc, server in self._records.items():
            self._note(vcoproc, server)


def reserved_time(name: str, usual_ps: int, what: str) -> Parameter:
    """Return a time that each vcoproc has a value of, in µs where no unit is said, as Xen's."""
    return Parameter(
        name, Kind.TIME, usual_ps, what, 10 * PS_PER_US, 10 * PS_PER_S, scope=Scope.VCOPROC, bare_unit="us"
    )
