"""Xen's `rtds`: a deferrable server for each vcoproc, of which the earliest deadline runs (RT-Xen, Xi et al. 2014).

Each has a budget, filled at the begin of each of its periods; the end of the period is its deadline. Work that comes
late in a period finds the budget still there; out of budget it waits for the next period. A vcoproc with enough to do
has its budget in each period, as long as the sum of budget / period is not above 1 and nobody defers.
"""

from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import BadValue, Kind, Parameter, Scope, Value, of_scope
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.units import PS_PER_MS, PS_PER_S, PS_PER_US


class _Reservation(msgspec.Struct, frozen=True):
    """A vcoproc's parameters."""

    period_ps: int
    budget_ps: int
    extratime: bool


class _Server(msgspec.Struct, frozen=True):
    """How far a vcoproc is in the period that ends at `end_ps`, under the parameters that hold in it.

    `overrun_ps` is what it ran while it denied, or began the period with as a debt too large for one budget.
    """

    reservation: _Reservation
    end_ps: int
    spent_ps: int = 0
    overrun_ps: int = 0

    @property
    def level(self) -> int:
        """How many budgets are used up; those with more of them wait for those with less."""
        return self.spent_ps // self.reservation.budget_ps

    @property
    def parked(self) -> bool:
        """Whether it may not run before its next period."""
        return self.level > 0 and not self.reservation.extratime

    @property
    def left_ps(self) -> int:
        """What is left until the next level."""
        return self.reservation.budget_ps - self.spent_ps % self.reservation.budget_ps

    def spending(self, run_ps: int, overrun_ps: int) -> "_Server":
        """Return it after so much more in the same period."""
        return msgspec.structs.replace(
            self, spent_ps=self.spent_ps + run_ps, overrun_ps=self.overrun_ps + min(overrun_ps, run_ps)
        )

    def later(self, now_ps: int, reservation: _Reservation, *, runs: bool) -> "_Server":
        """Return it in the period of `now_ps`, if that is a later one, at its begin; `runs` is whether it ran through
        all periods between, which only happens while it denies."""
        if now_ps < self.end_ps:
            return self
        debt_ps = max(0, self.spent_ps - self.reservation.budget_ps)
        if self.reservation.extratime:
            debt_ps = min(debt_ps, self.overrun_ps)
        between = (now_ps - self.end_ps) // reservation.period_ps
        spent_between_ps = reservation.period_ps if runs else 0
        debt_ps = max(0, debt_ps + between * (spent_between_ps - reservation.budget_ps))
        end_ps = self.end_ps + (between + 1) * reservation.period_ps
        return _Server(reservation, end_ps, debt_ps, max(0, debt_ps - reservation.budget_ps))


class _Saved(msgspec.Struct):
    version: int
    ready: list[VcoprocId]
    servers: list[tuple[VcoprocId, _Server]]


class DeferrableServer(Scheduler):
    """Equal deadlines go to the lowest vcoproc id. Periods count from when a vcoproc is
    created; new parameters hold from its next period on, as in Xen. Who yields keeps its budget.

    What is run beyond the budget, since the coproc was not let go, is a debt of the next periods; of one with
    `extratime` only what it ran while it denied.
    """

    name = "rtds"
    summary = "a budget in each period, and no more, as Xen's rtds"
    parameters = (
        Parameter(
            "period",
            Kind.TIME,
            10 * PS_PER_MS,
            "how long a period is",
            10 * PS_PER_US,
            10 * PS_PER_S,
            scope=Scope.VCOPROC,
            bare_unit="us",
        ),
        Parameter(
            "budget",
            Kind.TIME,
            4 * PS_PER_MS,
            "what it may run in each period",
            10 * PS_PER_US,
            10 * PS_PER_S,
            scope=Scope.VCOPROC,
            bare_unit="us",
        ),
        Parameter(
            "extratime",
            Kind.NUMBER,
            0,
            "1: out of budget it takes what is left over (Xen's default)",
            0,
            1,
            scope=Scope.VCOPROC,
        ),
    )
    books_overrun = True

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._ready: dict[VcoprocId, None] = {}
        self._reservations: dict[VcoprocId, _Reservation] = {}
        self._servers: dict[VcoprocId, _Server] = {}

    @classmethod
    def least_budget_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return int(settings["budget"])

    @classmethod
    def reservations(cls, settings: Sequence[Mapping[str, Value]]) -> list[Fraction]:
        return budget_parts(settings)

    @classmethod
    def check_together(cls, scope: Scope, settings: Mapping[str, Value]) -> None:
        if scope is Scope.VCOPROC:
            check_budget(of_scope(cls.parameters, scope), settings)

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        period_ps, budget_ps = int(settings["period"]), int(settings["budget"])
        reservation = _Reservation(period_ps, budget_ps, bool(settings["extratime"]))
        server = self._servers.get(vcoproc, _Server(reservation, now_ps + period_ps))
        # Periods that are over have passed under the parameters of their time.
        self._servers[vcoproc] = server.later(now_ps, self._reservations.get(vcoproc, reservation), runs=False)
        self._reservations[vcoproc] = reservation

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self.sleep(vcoproc, now_ps)
        del self._servers[vcoproc], self._reservations[vcoproc]

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready[vcoproc] = None

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready.pop(vcoproc, None)

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        """Deadlines decide."""

    def ready(self) -> Collection[VcoprocId]:
        return self._ready

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        if not self._ready:
            return Idle()
        servers = {vcoproc: self._server(vcoproc, now_ps, turn) for vcoproc in self._ready}
        filled_ps = min(server.end_ps for server in servers.values())
        able = [vcoproc for vcoproc, server in servers.items() if not server.parked]
        if not able:
            return Idle(filled_ps)
        chosen = min(able, key=lambda each: (servers[each].level, servers[each].end_ps, each))
        left_ps = servers[chosen].left_ps
        if turn is not None and turn.vcoproc == chosen:
            return Run(chosen, until_ps=min(now_ps + left_ps, filled_ps))
        return Run(chosen, left_ps, filled_ps)

    def _server(self, vcoproc: VcoprocId, now_ps: int, turn: Turn | None) -> _Server:
        """Return how far `vcoproc` is now; what the running one spends is booked when its turn is closed."""
        if turn is None or turn.vcoproc != vcoproc:
            return self._servers[vcoproc].later(now_ps, self._reservations[vcoproc], runs=False)
        overrun_ps = max(0, now_ps - turn.end_ps) if turn.denied and turn.end_ps is not None else 0
        return self._after(vcoproc, turn.since_ps, now_ps, overrun_ps)

    def _after(self, vcoproc: VcoprocId, since_ps: int, now_ps: int, overrun_ps: int) -> _Server:
        """Return how far `vcoproc` is after it has run from `since_ps` to `now_ps`, the last `overrun_ps` in denial."""
        reservation = self._reservations[vcoproc]
        server = self._servers[vcoproc].later(since_ps, reservation, runs=False)
        # What an algorithm before this one let it run is not this one's.
        since_ps = max(since_ps, server.end_ps - server.reservation.period_ps)
        end_ps = server.end_ps
        if now_ps < end_ps:
            return server.spending(max(0, now_ps - since_ps), overrun_ps)
        server = server.spending(end_ps - since_ps, max(0, overrun_ps - (now_ps - end_ps)))
        server = server.later(now_ps, reservation, runs=True)
        return server.spending(now_ps - (server.end_ps - reservation.period_ps), overrun_ps)

    def ran(self, ran: Ran) -> None:
        if ran.vcoproc in self._servers:
            server = self._after(ran.vcoproc, ran.since_ps, ran.since_ps + ran.run_ps, ran.overrun_ps)
            self._servers[ran.vcoproc] = server.spending(ran.switch_ps, 0)

    def save(self) -> Json:
        ready: list[Json] = [list(vcoproc) for vcoproc in sorted(self._ready)]
        servers: list[Json] = [
            [list(vcoproc), msgspec.to_builtins(server)] for vcoproc, server in sorted(self._servers.items())
        ]
        return {"version": 1, "ready": ready, "servers": servers}

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._ready = dict.fromkeys(state.ready)
        self._servers = dict(state.servers)


def budget_parts(settings: Sequence[Mapping[str, Value]]) -> list[Fraction]:
    """Return budget / period of each."""
    return [Fraction(int(each["budget"]), int(each["period"])) for each in settings]


def check_budget(parameters: Mapping[str, Parameter], settings: Mapping[str, Value]) -> None:
    """Raise BadValue for a `budget` that is longer than its `period`."""
    if int(settings["budget"]) > int(settings["period"]):
        budget, period = (parameters[name].show(settings[name]) for name in ("budget", "period"))
        what = f"`budget` = {budget} is longer than `period` = {period}"
        raise BadValue(what, "there is no more than the whole coproc: make `budget` shorter or `period` longer")
