"""Reservations: the bound follows from what is reserved for a vcoproc, not from what its neighbours have to do.

What a neighbour can still do is to deny, and to cause switches: when it comes, and when its work is done. Where its
jobs come in any number, no more of them are done than its budgets last for, if each has some work at least.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

from coprocsim.analysis import fixed_priority
from coprocsim.analysis.loads import (
    Answer,
    Load,
    Nothing,
    Shared,
    costliest_change_ps,
    kept_up,
    longest_hold,
    tasks_of,
    unbounded_of,
)
from coprocsim.analysis.supply import deferred_demand, reservation_response, slot_response
from coprocsim.analysis.tasks import JOBS_MAX, Task, Time, ceil_div
from coprocsim.analysis.together import all_done, sooner
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
    change_ps = costliest_change_ps(shared, loads)

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
        slot, work_ps, owed_ps = slot_ps, _work_ps(load), _owed_ps(shared, load)

        def done_ps(jobs: int) -> Time:
            # The first one may come to the rest of a slot, which is over when it is switched in. What a job before took
            # from others, as it denied, passes of its own slots first.
            return change_ps + slot_response(owed_ps + jobs * work_ps, cycle_ps, slot)

        return _longest(load, slot / cycle_ps, done_ps)

    return kept_up(loads, [answer(load) for load in loads], lambda _: [])


def budgets(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`rtds`: the least of three bounds, each of which holds for itself.

    - A reservation of its budget, or of what deferrable servers surely leave of its period if that is less. In a period
      in which it has work to do, only servers whose periods end no later than its own come before it. So it has its
      budget or all that these leave, also of a rest of the period that is not shorter by more than that.
    - Below the budgets of all others, if its jobs never use up its own.
    - All that is asked for at once, if nobody ever uses up a budget.
    """
    done_ps = _unparked_together(shared, loads)

    def answer(load: Load) -> Answer:
        others = [each for each in loads if each is not load]
        nothing = _disturbed(shared, load, others)
        if nothing is not None or load.task is None:
            return nothing or Nothing(load.why)
        reserved = sooner(load, _reservation(load, others), _below_budgets(shared, load, loads))
        return sooner(load, reserved, done_ps)

    def _reservation(load: Load, others: Sequence[Load]) -> Answer:
        period_ps, budget_ps = _reserved(load)
        taken_ps = sum(deferred_demand(period_ps, *_reserved(each)) + (each.holds_ps or 0) for each in others)
        lost_ps = costliest_change_ps(shared, loads) * (1 + 2 * _causes(shared, loads, period_ps))
        sure_ps = min(budget_ps, period_ps - taken_ps) - lost_ps
        if sure_ps <= 0:
            return Nothing("the budgets of the others, denials and switches may leave nothing of its period")
        owed_ps = _owed_ps(shared, load)
        if owed_ps and load.user.settings["extratime"]:
            owed_ps += period_ps
        work_ps = _work_ps(load)
        rate = Fraction(sure_ps, period_ps)
        return _longest(load, rate, lambda jobs: reservation_response(owed_ps + jobs * work_ps, period_ps, sure_ps))

    return _with_causes(shared, loads, [answer(load) for load in loads])


def _below_budgets(shared: Shared, load: Load, loads: Sequence[Load]) -> int | None:
    """Return within what time a job is done if its server never uses up its budget; None if it may.

    It waits at most for the budgets of the others. A deferrable server is a task with a jitter, since what it has left
    may be used as late as just fits in its period (Strosnider, Lehoczky and Sha 1995). Nor does it come first but in
    the period of the waiting one in which its own period ends: so late a period counts as a jitter, too, and no more of
    a budget than fits there. After each it may deny, and one may just do so at the begin.
    """
    change_ps = costliest_change_ps(shared, loads)
    others = [each for each in loads if each is not load]
    own_ps, _ = _reserved(load)
    above = []
    for each in others:
        (period_ps, budget_ps), holds_ps = _reserved(each), each.holds_ps or 0
        late_ps = own_ps if budget_ps > own_ps else min(own_ps, period_ps - budget_ps)
        above.append(Task(min(budget_ps, own_ps) + holds_ps, period_ps, jitter=late_ps))
    blocking_ps = change_ps + sum(each.holds_ps or 0 for each in others)
    if change_ps:
        # Of periods and jobs that had begun before as many more are over within it.
        blocking_ps += 4 * len(loads) * change_ps
        above += [Task(2 * change_ps, _reserved(each)[0]) for each in loads]
        above += [Task(2 * change_ps, each.period, jitter=each.jitter) for each in tasks_of(others)]
        for each in others:
            if each.task is None:
                each_ps, _ = _reserved(each)
                above.append(Task(2 * change_ps * (_ended(shared, each) or 0), each_ps, jitter=each_ps))
    assert load.task is not None
    found = fixed_priority.preemptive(load.task, above, blocking_ps)
    if found is None or not _fits(shared, load, loads, ceil_div(max(found), 1)):
        return None
    return ceil_div(max(found), 1)


def _fits(shared: Shared, load: Load, loads: Sequence[Load], response_ps: int) -> bool:
    """Return whether one never uses up a budget, if none of its jobs takes longer than that."""
    period_ps, budget_ps = _reserved(load)
    assert load.task is not None
    lost_ps = costliest_change_ps(shared, loads) * (1 + 2 * _causes(shared, loads, period_ps))
    return load.task.arrivals(period_ps + response_ps) * load.task.work + lost_ps <= budget_ps


def _unparked_together(shared: Shared, loads: Sequence[Load]) -> int | None:
    """Return within what time all is done that anybody asks for; None if someone may use up a budget before."""
    tasks = tasks_of(loads)
    if len(tasks) < len(loads) or any(load.holds_ps is None for load in loads):
        return None
    change_ps = costliest_change_ps(shared, loads)
    renewed = [Task(2 * change_ps, _reserved(load)[0]) for load in loads]
    done_ps = all_done(shared, loads, [*tasks, *renewed], 2 * change_ps * len(loads))
    return done_ps if done_ps is not None and all(_fits(shared, load, loads, done_ps) for load in loads) else None


def bandwidths(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`cbs`: each budget by its deadline, those of all jobs since the server was last not behind; or a little later.

    No server is due more than budget / period of any stretch. What is lost to switches must fit there, too, but for a
    constant, by which, and by denials, everybody may be late. Until a deadline only what is due by then comes before a
    job: of each other no more than its part of the time, so that a job which is less than its budgets is done before.
    Nor is anybody later than all that is asked for at once.
    """
    change_ps = costliest_change_ps(shared, loads)
    load_of_all = sum((1 / Fraction(*_reserved(load)) for load in loads), Fraction(0))

    def answer(load: Load) -> Answer:
        others = [each for each in loads if each is not load]
        nothing = _disturbed(shared, load, others)
        if nothing is not None or load.task is None:
            return nothing or Nothing(load.why)
        switching = change_ps * _cause_rate(shared, loads) if change_ps else Fraction(0)
        if load_of_all + 2 * switching > 1:
            return Nothing("the budgets of all, and the switches, are more than the coproc has")
        period_ps, budget_ps = _reserved(load)
        late_ps = change_ps * (1 + 2 * _causes(shared, loads, 0)) + sum(each.holds_ps or 0 for each in others)
        work_ps, part = _work_ps(load), Fraction(budget_ps, period_ps)

        def needed_ps(jobs: int, at_ps: Time) -> int:
            """Return what so many jobs need of its budgets, which pay for all switches until `at_ps`."""
            return jobs * work_ps + 2 * change_ps * _causes(shared, loads, at_ps + late_ps)

        def due_ps(jobs: int) -> Time:
            at_ps = 0
            while (later_ps := ceil_div(needed_ps(jobs, at_ps), budget_ps) * period_ps) > at_ps:
                at_ps = later_ps
            return at_ps

        def done_ps(jobs: int) -> Time:
            at_ps = due_ps(jobs)
            return needed_ps(jobs, at_ps) + (load_of_all - part) * at_ps

        found = _longest(load, part - 2 * switching, done_ps, due_ps)
        return found if isinstance(found, Nothing) else found + late_ps

    together_ps = _together(shared, loads)
    answers = [sooner(load, answer(load), together_ps) for load in loads]
    return _with_causes(shared, loads, answers)


def _together(shared: Shared, loads: Sequence[Load]) -> int | None:
    """Return within what time all is done that anybody asks for under `cbs`, which leaves nothing idle."""
    tasks = tasks_of(loads)
    if len(tasks) < len(loads) or any(load.holds_ps is None for load in loads):
        return None
    change_ps = costliest_change_ps(shared, loads)
    # A budget that is used up lets another one come first, and that end; of one a part is used up before.
    used_up = [ceil_div(task.work, _reserved(load)[1]) for task, load in zip(tasks, loads, strict=True)]
    longer = [replace(task, work=task.work + 2 * change_ps * count) for task, count in zip(tasks, used_up, strict=True)]
    return all_done(shared, loads, longer, 2 * change_ps * len(loads))


# ---------------------------------------------------------------- what they have in common


def _longest(
    load: Load, rate: Fraction, done_ps: Callable[[int], Time], over_ps: Callable[[int], Time] | None = None
) -> Answer:
    """Return the longest response of jobs that are done, so many of them, `done_ps` after the first one came.

    `rate` is which part of the coproc they surely have in the long run. Who comes `over_ps` after the first one finds
    nothing of them, not even in the account of its server.
    """
    demand, task = load.user.demand, load.task
    assert task is not None
    if Fraction(_work_ps(load)) / Fraction(task.period) > rate:
        return _TOO_LITTLE
    longest_ps: Time = 0
    for job in range(JOBS_MAX):
        done = done_ps(job + 1)
        longest_ps = max(longest_ps, done - max(0, job * task.period - task.jitter))
        over = done if over_ps is None else over_ps(job + 1)
        if over <= (job + 1) * task.period - task.jitter:
            return ceil_div(longest_ps, 1) + demand.reaction_ps
    return _TOO_LITTLE


def _work_ps(load: Load) -> int:
    """Return what a job needs without switches, which are accounted for elsewhere."""
    assert load.user.demand.work_ps is not None
    return load.user.demand.work_ps


def _owed_ps(shared: Shared, load: Load) -> int:
    """Return what one may have run, as it denied, beyond what was its own: it is taken from what comes next."""
    return load.holds_ps + shared.retry_floor_ps if load.holds_ps else 0


def _reserved(load: Load) -> tuple[int, int]:
    """Return the period and the budget."""
    return int(load.user.settings["period"]), int(load.user.settings["budget"])


def _disturbed(shared: Shared, load: Load, others: Sequence[Load]) -> Nothing | None:
    """Return why nobody can say what the others take beyond their budgets: by denials, or by many switches."""
    longest = longest_hold([load, *others])
    if isinstance(longest, Nothing):
        return longest
    if not shared.change_ps:
        return None
    return unbounded_of([each for each in others if each.task is None and _ended(shared, each) is None])


def _ended(shared: Shared, load: Load) -> int | None:
    """Return how many jobs end in a period at most, of which any number may come; None if nobody knows.

    One of them may have begun before. With `extratime` they go on beyond the budget.
    """
    least_ps = load.user.demand.least_work_ps
    if not least_ps or load.holds_ps is None or load.user.settings.get("extratime"):
        return None
    _, budget_ps = _reserved(load)
    return (budget_ps + _owed_ps(shared, load)) // least_ps + 1


def _jobs(shared: Shared, load: Load, length_ps: Time) -> int:
    """Return how many of its jobs come or end in a stretch of that length, each of which may cause a switch or two."""
    if load.task is not None:
        return load.task.arrivals(length_ps) + 1
    return (int(length_ps // _reserved(load)[0]) + 2) * (_ended(shared, load) or 0)


def _causes(shared: Shared, loads: Sequence[Load], length_ps: Time) -> int:
    """Return how often in a stretch of that length someone can come before another: with a job, or a new budget."""
    if not shared.change_ps:
        return 0
    budgets_new = sum(int(length_ps // _reserved(load)[0]) + 1 for load in loads)
    return budgets_new + sum(_jobs(shared, load, length_ps) for load in loads)


def _cause_rate(shared: Shared, loads: Sequence[Load]) -> Fraction:
    """Return how often that is in the long run, per ps."""
    rate = Fraction(0)
    for load in loads:
        period_ps, _ = _reserved(load)
        rate += Fraction(1, period_ps)
        rate += Fraction(_ended(shared, load) or 0, period_ps) if load.task is None else 1 / Fraction(load.task.period)
    return rate


def _with_causes(shared: Shared, loads: Sequence[Load], answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers: where a switch costs something, none of them holds if anybody's jobs come in a heap."""
    return kept_up(loads, answers, lambda _: list(range(len(loads))) if shared.change_ps else [])
