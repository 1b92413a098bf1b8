"""Reservations: the bound follows from what is reserved for a vcoproc, not from what its neighbours have to do.

What a neighbour can still do is to deny, and, where it may come at any time, to cause switches.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction

from coprocsim.analysis.loads import (
    Answer,
    Load,
    Nothing,
    Shared,
    costliest_change_ps,
    kept_up,
    longest_hold,
    unbounded_of,
)
from coprocsim.analysis.supply import deferred_demand, reservation_response, slot_response
from coprocsim.analysis.tasks import JOBS_MAX, Time, ceil_div
from coprocsim.schedulers.fixed import slots_hz
from coprocsim.units import PS_PER_S

_TOO_LITTLE = Nothing("what is reserved for it may be too little for its work", late=True)


def slots(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`fixed`: its slots in each cycle, whatever the others do but deny."""
    owners = [*(load.user.settings for load in loads), *shared.idle]
    hz = slots_hz(shared.settings, len(owners))
    cycle_ps = Fraction(sum(int(each["slots"]) for each in owners) * PS_PER_S, hz)
    # The instants at which slots begin are rounded.
    rounded_ps = 0 if PS_PER_S % hz == 0 else 1

    def answer(load: Load) -> Answer:
        others = longest_hold([each for each in loads if each is not load])
        own = longest_hold([load])
        if load.task is None or isinstance(others, Nothing) or isinstance(own, Nothing):
            return next((each for each in (others, own) if isinstance(each, Nothing)), Nothing(load.why))
        slot_ps = Fraction(int(load.user.settings["slots"]) * PS_PER_S, hz)
        if slot_ps < cycle_ps:
            # Another one may come to the coproc as its slot ends, and deny; then it comes itself, and it may deny.
            slot_ps -= rounded_ps + 2 * shared.change_ps + others + (shared.retry_floor_ps if own else 0)
        if slot_ps <= 0:
            return Nothing("another one may deny, and switches last, for as long as its slot")
        work_ps = load.task.work
        # What a job before this one took from others, as it denied, passes of its own slots first.
        return _longest(load, slot_ps / cycle_ps, lambda jobs: slot_response(own + jobs * work_ps, cycle_ps, slot_ps))

    return kept_up(loads, [answer(load) for load in loads], lambda _: [])


def budgets(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`rtds`: a reservation of its budget, or of what deferrable servers surely leave of its period if that is less.

    In a period in which it has work to do, only servers whose periods end no later than its own come before it. So it
    has its budget or all that these leave, also of a rest of the period that is not shorter by more than that.
    """

    def answer(load: Load) -> Answer:
        others = [each for each in loads if each is not load]
        nothing = _disturbed(shared, load, others)
        if nothing is not None or load.task is None:
            return nothing or Nothing(load.why)
        period_ps, budget_ps = _reserved(load)
        taken_ps = sum(deferred_demand(period_ps, *_reserved(each)) + (each.holds_ps or 0) for each in others)
        lost_ps = costliest_change_ps(shared, loads) * (1 + 2 * _causes(shared, loads, period_ps))
        sure_ps = min(budget_ps, period_ps - taken_ps) - lost_ps
        if sure_ps <= 0:
            return Nothing("the budgets of the others, denials and switches may leave nothing of its period")
        # What it ran beyond its budget is taken from the next one.
        owed_ps = load.holds_ps or 0
        if owed_ps and load.user.settings["extratime"]:
            owed_ps += period_ps
        work_ps = load.task.work
        rate = Fraction(sure_ps, period_ps)
        return _longest(load, rate, lambda jobs: reservation_response(owed_ps + jobs * work_ps, period_ps, sure_ps))

    return _with_causes(shared, loads, [answer(load) for load in loads])


def bandwidths(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`cbs`: each budget by its deadline, those of all jobs since the server was last not behind; or a little later.

    No server is due more than budget / period of any stretch. What is lost to switches must fit there, too, but for a
    constant, by which, and by denials, everybody may be late.
    """
    change_ps = costliest_change_ps(shared, loads)
    load_of_all = sum((1 / Fraction(*_reserved(load)) for load in loads), Fraction(0))

    def answer(load: Load) -> Answer:
        others = [each for each in loads if each is not load]
        nothing = _disturbed(shared, load, others)
        if nothing is not None or load.task is None:
            return nothing or Nothing(load.why)
        switching = change_ps * _cause_rate(loads) if change_ps else Fraction(0)
        if load_of_all + 2 * switching > 1:
            return Nothing("the budgets of all, and the switches, are more than the coproc has")
        period_ps, budget_ps = _reserved(load)
        late_ps = change_ps * (1 + 2 * _causes(shared, loads, 0)) + sum(each.holds_ps or 0 for each in others)
        work_ps = load.task.work

        def due_ps(jobs: int) -> Time:
            """Return by which deadline so many jobs are done, the switches paid for from its own budget."""
            at_ps = 0
            while True:
                paid_ps = 2 * change_ps * _causes(shared, loads, at_ps + late_ps)
                later_ps = ceil_div(jobs * work_ps + paid_ps, budget_ps) * period_ps
                if later_ps <= at_ps:
                    return at_ps
                at_ps = later_ps

        found = _longest(load, Fraction(budget_ps, period_ps) - 2 * switching, due_ps)
        return found if isinstance(found, Nothing) else found + late_ps

    return _with_causes(shared, loads, [answer(load) for load in loads])


# ---------------------------------------------------------------- what they have in common


def _longest(load: Load, rate: Fraction, done_ps: Callable[[int], Time]) -> Answer:
    """Return the longest response of jobs that are done, so many of them, `done_ps` after the first one came.

    `rate` is which part of the coproc they surely have in the long run.
    """
    demand, task = load.user.demand, load.task
    assert task is not None
    if task.utilization > rate:
        return _TOO_LITTLE
    longest_ps: Time = 0
    for job in range(JOBS_MAX):
        done = done_ps(job + 1)
        longest_ps = max(longest_ps, done - max(0, job * task.period - task.jitter))
        if done <= (job + 1) * task.period - task.jitter:
            return ceil_div(longest_ps, 1) + demand.reaction_ps
    return _TOO_LITTLE


def _reserved(load: Load) -> tuple[int, int]:
    """Return the period and the budget."""
    return int(load.user.settings["period"]), int(load.user.settings["budget"])


def _disturbed(shared: Shared, load: Load, others: Sequence[Load]) -> Nothing | None:
    """Return why nobody can say what the others take beyond their budgets: by denials, or by many switches."""
    longest = longest_hold([load, *others])
    if isinstance(longest, Nothing):
        return longest
    return unbounded_of(others) if shared.change_ps else None


def _causes(shared: Shared, loads: Sequence[Load], length_ps: Time) -> int:
    """Return how often in a stretch of that length someone can come before another: with a job, or a new budget."""
    if not shared.change_ps:
        return 0
    budgets_new = sum(int(length_ps // _reserved(load)[0]) + 1 for load in loads)
    return budgets_new + sum(load.task.arrivals(length_ps) + 1 for load in loads if load.task is not None)


def _cause_rate(loads: Sequence[Load]) -> Fraction:
    """Return how often that is in the long run, per ps."""
    rates = [Fraction(1, _reserved(load)[0]) for load in loads]
    return sum((*rates, *(1 / Fraction(load.task.period) for load in loads if load.task is not None)), Fraction(0))


def _with_causes(shared: Shared, loads: Sequence[Load], answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers: where a switch costs something, none of them holds if anybody's jobs come in a heap."""
    return kept_up(loads, answers, lambda _: list(range(len(loads))) if shared.change_ps else [])
