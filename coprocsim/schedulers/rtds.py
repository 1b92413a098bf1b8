"""Xen's `rtds`: a deferrable server for each vcoproc, of which the earliest deadline runs (RT-Xen, Xi et al. 2014).

Each has a budget, filled at the begin of each of its periods; the end of the period is its deadline. Work that comes
late in a period finds the budget still there; out of budget it waits for the next period. A vcoproc with enough to do
has its budget in each period, as long as the sum of budget / period is not above 1 and nobody defers.
"""

from collections.abc import Mapping
from itertools import takewhile

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Turn
from coprocsim.schedulers.budgets import Budgets, reserved_time
from coprocsim.schedulers.reserving import Saved
from coprocsim.schedulers.urgency import Queue, Urgency
from coprocsim.units import PS_PER_MS


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


class DeferrableServer(Budgets[_Server]):
    """Periods count from when a vcoproc is created; new parameters hold from its next period on, as in Xen.

    What is run beyond the budget, since the coproc was not let go, is a debt of the next periods; of one with
    `extratime` only what it ran while it denied.
    """

    name = "rtds"
    summary = "a budget in each period, and no more, as Xen's rtds"
    parameters = (
        reserved_time("period", 10 * PS_PER_MS, "how long a period is"),
        reserved_time("budget", 4 * PS_PER_MS, "what it may run in each period"),
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

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._reservations: dict[VcoprocId, _Reservation] = {}
        # Whose period is over next, of those that are ready.
        self._ends = Queue()

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        period_ps, budget_ps = int(settings["period"]), int(settings["budget"])
        reservation = _Reservation(period_ps, budget_ps, bool(settings["extratime"]))
        server = self._records.get(vcoproc, _Server(reservation, now_ps + period_ps))
        # Periods that are over have passed under the parameters of their time.
        self._note(vcoproc, server.later(now_ps, self._reservations.get(vcoproc, reservation), runs=False))
        self._reservations[vcoproc] = reservation

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().remove(vcoproc, now_ps)
        del self._reservations[vcoproc]

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().sleep(vcoproc, now_ps)
        self._ends.drop(vcoproc)

    def _note(self, vcoproc: VcoprocId, server: _Server) -> None:
        super()._note(vcoproc, server)
        if vcoproc in self._ready:
            self._ends.put(vcoproc, (server.end_ps,))

    def _urgency(self, vcoproc: VcoprocId) -> Urgency:
        server = self._records[vcoproc]
        return int(server.parked), server.level, server.end_ps

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        if not self._ready:
            return Idle()
        servers = {vcoproc: self._server(vcoproc, now_ps, turn) for vcoproc in self._candidates(now_ps, turn)}
        filled_ps = min(server.end_ps for server in servers.values())
        able = [vcoproc for vcoproc, server in servers.items() if not server.parked]
        if not able:
            return Idle(filled_ps)
        chosen = min(able, key=lambda each: (servers[each].level, servers[each].end_ps, each))
        left_ps = servers[chosen].left_ps
        if turn is not None and turn.vcoproc == chosen:
            return Run(chosen, until_ps=min(now_ps + left_ps, filled_ps))
        return Run(chosen, left_ps, filled_ps)

    def _candidates(self, now_ps: int, turn: Turn | None) -> list[VcoprocId]:
        """Return those of whom one is next to run and one has the next period: all that are not where they were
        noted to be, and of the others the first of each queue."""
        moved = self._over(now_ps)
        if turn is not None and turn.vcoproc in self._ready and turn.vcoproc not in moved:
            moved.append(turn.vcoproc)
        firsts = [next((each for each in queue if each not in moved), None) for queue in (self._queue, self._ends)]
        return moved + [each for each in firsts if each is not None]

    def _over(self, now_ps: int) -> list[VcoprocId]:
        """Return those that are ready and whose period is over since it was noted."""
        return list(takewhile(lambda each: self._records[each].end_ps <= now_ps, self._ends))

    def _server(self, vcoproc: VcoprocId, now_ps: int, turn: Turn | None) -> _Server:
        """Return how far `vcoproc` is now; what the running one spends is booked when its turn is closed."""
        if turn is None or turn.vcoproc != vcoproc:
            return self._records[vcoproc].later(now_ps, self._reservations[vcoproc], runs=False)
        overrun_ps = max(0, now_ps - turn.end_ps) if turn.denied and turn.end_ps is not None else 0
        return self._after(vcoproc, turn.since_ps, now_ps, overrun_ps)

    def _after(self, vcoproc: VcoprocId, since_ps: int, now_ps: int, overrun_ps: int) -> _Server:
        """Return how far `vcoproc` is after it has run from `since_ps` to `now_ps`, the last `overrun_ps` in denial."""
        reservation = self._reservations[vcoproc]
        server = self._records[vcoproc].later(since_ps, reservation, runs=False)
        # What an algorithm before this one let it run is not this one's.
        since_ps = max(since_ps, server.end_ps - server.reservation.period_ps)
        end_ps = server.end_ps
        if now_ps < end_ps:
            return server.spending(max(0, now_ps - since_ps), overrun_ps)
        server = server.spending(end_ps - since_ps, max(0, overrun_ps - (now_ps - end_ps)))
        server = server.later(now_ps, reservation, runs=True)
        return server.spending(now_ps - (server.end_ps - reservation.period_ps), overrun_ps)

    def ran(self, ran: Ran) -> None:
        if ran.vcoproc in self._records:
            server = self._after(ran.vcoproc, ran.since_ps, ran.since_ps + ran.run_ps, ran.overrun_ps)
            self._note(ran.vcoproc, server.spending(ran.switch_ps, 0))
        for vcoproc in self._over(ran.now_ps):
            self._note(vcoproc, self._records[vcoproc].later(ran.now_ps, self._reservations[vcoproc], runs=False))

    def restore(self, saved: Json) -> None:
        self._become(msgspec.convert(saved, Saved[_Server]))
