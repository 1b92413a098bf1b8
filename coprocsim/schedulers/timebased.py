"""Time based, as GVT-g shares an Intel GPU (drivers/gpu/drm/i915/gvt/sched_policy.c): budgets, and never in a job.

Every `period` each vcoproc, idle or not, gets a budget of its part by weight. What is left of it, or overrun, is
carried along for ten periods and then wiped; so the weight is a cap, too, and the coproc idles beside one that has
work and no budget. Those with a budget take turns of a `tick`, the longest unserved first. A new vcoproc runs before
all others, and without need of a budget, for `new-first`.

A running job is never preempted: the end of a tick is a wish, carried out when the job is over. The scheduler knows of
jobs what it was told: a vcoproc is between jobs if it has none open, or at the instant at which one is finished. That
is when its driver in the domain sees the end; a job that waits in the hardware has begun by then, and is cut or, if it
cannot be, denies the switch to its own end. Work that nobody announced as a job counts as none, and is cut at any tick.

It departs from the original in that a tick counts from the end of the switch, that the budget of a new one is not
overdrawn while it is first, and that a debt of more than a period's budget outlives the wipe by what is more: jobs
longer than ten periods would else be free.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping

import msgspec

from coprocsim.model import Json, VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.base import Decision, Idle, Ran, Run, Scheduler, Turn
from coprocsim.units import PS_PER_MS, PS_PER_S, PS_PER_US

PERIODS_CARRIED = 10


class Share(msgspec.Struct):
    """What is known of one vcoproc: its open jobs, when it ended one."""

    added_ps: int
    jobs: int = 0
    finished_ps: int | None = None


class _Saved(msgspec.Struct):
    version: int
    ready: list[VcoprocId]
    unserved: list[tuple[VcoprocId, Share]]
    left_ps: list[tuple[VcoprocId, int]]
    period: int
    period_ps: int
    yielded_ps: int | None


class TimeBased(Scheduler):
    """Whoever waits and has a budget waits for one tick, job and switch of each other, and for the new ones' time."""

    name = "timebased"
    summary = "as GVT-g: a budget by weight, a cap too; never preempts a job"
    books_overrun = True
    parameters = (
        Parameter(
            "period",
            Kind.TIME,
            100 * PS_PER_MS,
            "how often budgets are given",
            PS_PER_MS,
            100 * PS_PER_S,
        ),
        Parameter(
            "tick",
            Kind.TIME,
            PS_PER_MS,
            "how long a turn is, if no job goes on",
            10 * PS_PER_US,
            PS_PER_S,
        ),
        Parameter(
            "new-first",
            Kind.TIME,
            2 * PS_PER_S,
            "for how long a new vcoproc runs before all others",
            0,
            1000 * PS_PER_S,
        ),
        Parameter(
            "weight",
            Kind.NUMBER,
            256,
            "its part of each period, against the weights of all others",
            1,
            65535,
            scope=Scope.VCOPROC,
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._weights: dict[VcoprocId, int] = {}
        # The longest unserved first; an idle one keeps its place.
        self._unserved: OrderedDict[VcoprocId, Share] = OrderedDict()
        # What is left of each one's budget, below 0 a debt.
        self._left_ps: dict[VcoprocId, int] = {}
        self._ready: dict[VcoprocId, None] = {}
        # The next period: its number since the first vcoproc came, and when it begins.
        self._period, self._period_ps = 0, 0
        self._yielded_ps: int | None = None

    @classmethod
    def least_length_ps(cls, settings: Mapping[str, Value]) -> int | None:
        return int(settings["tick"])

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        if not self._unserved:
            self._period, self._period_ps = 0, now_ps
        self._book_periods(now_ps)
        self._weights[vcoproc] = int(settings["weight"])
        if vcoproc not in self._unserved:
            self._unserved[vcoproc], self._left_ps[vcoproc] = Share(now_ps), 0
            self._unserved.move_to_end(vcoproc, last=False)

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._book_periods(now_ps)
        self._ready.pop(vcoproc, None)
        del self._unserved[vcoproc], self._left_ps[vcoproc], self._weights[vcoproc]

    def wake(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready[vcoproc] = None

    def sleep(self, vcoproc: VcoprocId, now_ps: int) -> None:
        self._ready.pop(vcoproc, None)

    def yield_(self, vcoproc: VcoprocId, now_ps: int) -> None:
        if vcoproc in self._ready:
            self._yielded_ps = now_ps

    def released(self, vcoproc: VcoprocId, release_ps: int, deadline_ps: int | None) -> None:
        self._unserved[vcoproc].jobs += 1

    def finished(self, vcoproc: VcoprocId, now_ps: int) -> None:
        share = self._unserved[vcoproc]
        share.jobs -= 1
        share.finished_ps = now_ps

    def ready(self) -> Collection[VcoprocId]:
        return self._ready

    # ------------------------------------------------------------ budgets

    def _budgets(self, before_ps: int) -> tuple[int, int, dict[VcoprocId, int]]:
        """Return the next period and its instant after all that begin before an instant, and everybody's budget.

        What happens at the instant at which a period begins happens before it. The budgets are not to be changed.
        """
        period, period_ps, length_ps = self._period, self._period_ps, int(self.settings["period"])
        if before_ps <= period_ps:
            return period, period_ps, self._left_ps
        left = dict(self._left_ps)
        weight = sum(self._weights.values())
        while left and period_ps < before_ps:
            windows = (before_ps - 1 - period_ps) // (length_ps * PERIODS_CARRIED)
            if windows > 1 and min(left.values()) >= 0:
                # Without debts each window ends as the one before.
                period += (windows - 1) * PERIODS_CARRIED
                period_ps += (windows - 1) * PERIODS_CARRIED * length_ps
            wipes = period % PERIODS_CARRIED == 0
            for vcoproc, carried_ps in left.items():
                budget_ps = length_ps * self._weights[vcoproc] // weight
                left[vcoproc] = budget_ps + (min(0, carried_ps + budget_ps) if wipes else carried_ps)
            period, period_ps = period + 1, period_ps + length_ps
        return period, period_ps, left

    def _book_periods(self, now_ps: int) -> None:
        """Give everybody the budgets of the periods that have begun before now."""
        self._period, self._period_ps, self._left_ps = self._budgets(now_ps)

    def _is_new(self, vcoproc: VcoprocId, now_ps: int) -> bool:
        return now_ps < self._unserved[vcoproc].added_ps + int(self.settings["new-first"])

    def _spent_ps(self, vcoproc: VcoprocId, run_ps: int, now_ps: int) -> int:
        """Return how much of its budget a run costs: while it is new, no more than there is."""
        return min(run_ps, max(0, self._left_ps[vcoproc])) if self._is_new(vcoproc, now_ps) else run_ps

    # ------------------------------------------------------------ turns

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        if not self._ready:
            return Idle()
        tick_ps = int(self.settings["tick"])
        if turn is not None and turn.vcoproc in self._ready and not turn.denied and now_ps != self._yielded_ps:
            # Once it is the last served, a tick has passed in which it was not cut.
            wished = turn.over(now_ps) or turn.vcoproc == next(reversed(self._unserved))
            if not wished or self._in_job(turn.vcoproc, now_ps):
                return Run(turn.vcoproc, tick_ps)
        # The new ones before all others, the newest first.
        newest_ps = max(self._unserved[each].added_ps for each in self._ready)
        if now_ps < newest_ps + int(self.settings["new-first"]):
            return Run(next(each for each in self._order(turn) if self._unserved[each].added_ps == newest_ps), tick_ps)
        _, period_ps, left_ps = self._budgets(now_ps + 1)
        spent_ps = {} if turn is None else {turn.vcoproc: now_ps - turn.since_ps}
        able = (each for each in self._order(turn) if left_ps[each] > spent_ps.get(each, 0))
        first = next(able, None)
        return Idle(until_ps=period_ps) if first is None else Run(first, tick_ps)

    def _order(self, turn: Turn | None) -> Iterator[VcoprocId]:
        """Yield who is ready, the longest unserved first; who runs comes last."""
        current = None if turn is None else turn.vcoproc
        yield from (each for each in self._unserved if each in self._ready and each != current)
        if current in self._ready:
            yield current

    def _in_job(self, vcoproc: VcoprocId, now_ps: int) -> bool:
        share = self._unserved[vcoproc]
        return share.jobs > 0 and share.finished_ps != now_ps

    def ran(self, ran: Ran) -> None:
        self._yielded_ps = None
        if ran.vcoproc in self._unserved:
            self._book_periods(ran.now_ps)
            run_ps = ran.run_ps + ran.switch_ps
            self._left_ps[ran.vcoproc] -= self._spent_ps(ran.vcoproc, run_ps, ran.now_ps)
            self._unserved.move_to_end(ran.vcoproc)

    def save(self) -> Json:
        state = _Saved(
            1,
            sorted(self._ready),
            list(self._unserved.items()),
            sorted(self._left_ps.items()),
            self._period,
            self._period_ps,
            self._yielded_ps,
        )
        saved: Json = msgspec.to_builtins(state)
        return saved

    def restore(self, saved: Json) -> None:
        state = msgspec.convert(saved, _Saved)
        self._ready = dict.fromkeys(state.ready)
        self._unserved, self._left_ps = OrderedDict(state.unserved), dict(state.left_ps)
        self._period, self._period_ps = state.period, state.period_ps
        self._yielded_ps = state.yielded_ps
