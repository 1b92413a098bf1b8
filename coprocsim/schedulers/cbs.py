"""The constant bandwidth server (Abeni and Buttazzo 1998): a budget Q in each period T, enforced by deadlines.

The earliest deadline runs. Who has used up its budget is not stopped: it gets a new one, and a deadline T later. So
all of the coproc is used, and whoever has more to do than was agreed delays itself, not the others: as long as the sum
of Q / T is not above 1, each has had its budget by its deadline. Linux's SCHED_DEADLINE is built on the same rule.
"""

from collections.abc import Mapping

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Turn
from coprocsim.schedulers.budgets import Budgets, reserved_time
from coprocsim.schedulers.reserving import Saved
from coprocsim.schedulers.urgency import Urgency
from coprocsim.units import PS_PER_MS


class _Bandwidth(msgspec.Struct, frozen=True):
    """A vcoproc's parameters: Q and T."""

    budget_ps: int
    period_ps: int


class _Server(msgspec.Struct, frozen=True):
    """A vcoproc's budget and deadline, for all that ran up to `booked_ps`.

    `arrived_ps`: work has come to the empty server then, and the rule of arrival has still to be applied.
    """

    left_ps: int
    deadline_ps: int
    booked_ps: int
    arrived_ps: int | None = None

    def arrived(self, rate: _Bandwidth) -> "_Server":
        """Return it after the arrival, if there was one: what is left is kept if it is not too much by the deadline."""
        if self.arrived_ps is None:
            return self
        until_ps = self.deadline_ps - self.arrived_ps
        if self.left_ps * rate.period_ps >= until_ps * rate.budget_ps:
            return _Server(rate.budget_ps, self.arrived_ps + rate.period_ps, self.booked_ps)
        return _Server(self.left_ps, self.deadline_ps, self.booked_ps)

    def charged(self, run_ps: int, rate: _Bandwidth) -> "_Server":
        """Return it after so much running; each budget that is used up puts the deadline off by a period."""
        left_ps = self.left_ps - run_ps
        used_up = 0 if left_ps > 0 else 1 + -left_ps // rate.budget_ps
        return msgspec.structs.replace(
            self,
            left_ps=left_ps + used_up * rate.budget_ps,
            deadline_ps=self.deadline_ps + used_up * rate.period_ps,
        )


class ConstantBandwidthServer(Budgets[_Server]):
    """New parameters hold from the next budget on. What is run beyond a budget, since the coproc was not let go, is
    taken out of the next ones.

    One that had the coproc to itself has put its deadline off far: who comes then runs first until deadlines are even.
    """

    name = "cbs"
    summary = "a budget in each period; what is left goes to whoever has work"
    parameters = (
        reserved_time("budget", 4 * PS_PER_MS, "what it is sure of in each period"),
        reserved_time("period", 10 * PS_PER_MS, "by when it has had its budget"),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._rates: dict[VcoprocId, _Bandwidth] = {}

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        rate = _Bandwidth(int(settings["budget"]), int(settings["period"]))
        server = self._records.get(vcoproc, _Server(rate.budget_ps, now_ps, now_ps))
        # What has arrived got its budget by the parameters of its time.
        server = server.arrived(self._rates.get(vcoproc, rate))
        self._rates[vcoproc] = rate
        self._note(vcoproc, server)

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().remove(vcoproc, now_ps)
        del self._rates[vcoproc]

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        # It may still be on the hardware: the rule is applied when it is known what it has run before.
        server = self._records[vcoproc].arrived(self._rates[vcoproc])
        self._records[vcoproc] = msgspec.structs.replace(server, arrived_ps=now_ps)
        super().wake(vcoproc, now_ps)

    def _urgency(self, vcoproc: VcoprocId) -> Urgency:
        return (self._records[vcoproc].arrived(self._rates[vcoproc]).deadline_ps,)

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        running = turn.vcoproc if turn is not None and turn.vcoproc in self._ready else None
        first = next((each for each in self._queue if each != running), None)
        servers = {each: self._server(each, now_ps, turn) for each in (running, first) if each is not None}
        if not servers:
            return Idle()
        chosen = min(servers, key=lambda each: (servers[each].deadline_ps, each))
        left_ps = servers[chosen].left_ps
        return Run(chosen, until_ps=now_ps + left_ps) if chosen == running else Run(chosen, left_ps)

    def _server(self, vcoproc: VcoprocId, now_ps: int, turn: Turn | None) -> _Server:
        """Return a server as it is now; what the running one spends is booked when its turn is closed."""
        if turn is None or turn.vcoproc != vcoproc:
            return self._records[vcoproc].arrived(self._rates[vcoproc])
        return self._after(vcoproc, turn.since_ps, now_ps)

    def _after(self, vcoproc: VcoprocId, since_ps: int, now_ps: int) -> _Server:
        """Return a server after it has run from `since_ps` to `now_ps`."""
        server, rate = self._records[vcoproc], self._rates[vcoproc]
        # What an algorithm before this one let it run is not this one's.
        since_ps = max(since_ps, server.booked_ps)
        if server.arrived_ps is not None and server.arrived_ps <= now_ps:
            before_ps = max(0, server.arrived_ps - since_ps)
            server = server.charged(before_ps, rate) if before_ps else server
            server, since_ps = server.arrived(rate), since_ps + before_ps
        return server.charged(now_ps - since_ps, rate)

    def ran(self, ran: Ran) -> None:
        if ran.vcoproc in self._records:
            end_ps = ran.since_ps + ran.run_ps
            server = self._after(ran.vcoproc, ran.since_ps, end_ps).charged(ran.switch_ps, self._rates[ran.vcoproc])
            self._note(ran.vcoproc, msgspec.structs.replace(server, booked_ps=end_ps))

    def restore(self, saved: Json) -> None:
        self._become(msgspec.convert(saved, Saved[_Server]))
