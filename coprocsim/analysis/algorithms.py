"""The analysis of each algorithm: from loads, which pay for their switches and denials, to bounds."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from coprocsim.analysis import edf, fair, fixed_priority, reservations, round_robin, timebased
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
from coprocsim.analysis.tasks import JOBS_MAX, Task, ceil_div
from coprocsim.analysis.together import all_done, sooner

_OVERLOAD = "more is asked for than the coproc has, or very nearly"


def _priority(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`priority`: response-time analysis, equals as if they were above each other."""

    def above(number: int) -> list[int]:
        mine = _rank(loads[number])
        return [each for each, load in enumerate(loads) if each != number and _rank(load) >= mine]

    def answer(number: int) -> Answer:
        load = loads[number]
        better = [loads[each] for each in above(number)]
        longest = longest_hold([each for each in loads if _rank(each) < _rank(load)])
        unbounded = unbounded_of([load, *better])
        if unbounded is not None or isinstance(longest, Nothing):
            return unbounded or longest
        return _response(shared, load, better, longest)

    return kept_up(loads, [answer(number) for number in range(len(loads))], above)


def _rank(load: Load) -> int:
    return int(load.user.settings.get("priority", 0))


def _response(shared: Shared, load: Load, above: Sequence[Load], longest_ps: int) -> Answer:
    """Return the response below `above`, after a switch that is under way and a denial of `longest_ps` by others."""
    assert load.task is not None
    blocking_ps = shared.change_ps + longest_ps
    if load.cut_nowhere:
        # It can still be put back while it is being switched in.
        responses = fixed_priority.non_preemptive(load.task, tasks_of(above), blocking_ps + shared.change_ps)
    else:
        responses = fixed_priority.preemptive(load.task, tasks_of(above), blocking_ps)
    if responses is None:
        return Nothing(_OVERLOAD, late=True)
    return int(max(responses)) + load.user.demand.reaction_ps


def _deadlines(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`edf`: the demand of those with deadlines; work without one waits for all others."""
    due = [load for load in loads if load.user.demand.deadline_ps is not None]
    answers = _by_deadline(shared, loads, due)
    for load, answer in zip(loads, answers, strict=True):
        demand = load.user.demand
        if isinstance(answer, Nothing) or load.task is None or not demand.reaction_ps:
            continue
        if answer > load.task.period - demand.jitter_ps:
            # Two jobs may be open at once: until the handler knows of the end of one, the next runs in its rank.
            return _by_deadline(shared, [_early(each) for each in loads], [_early(each) for each in due])
    return answers


def _early(load: Load) -> Load:
    """Charge for the next job's running, and beginning what cannot be cut, by the deadline of the one that is over."""
    if load.task is None or not load.user.demand.reaction_ps:
        return load
    early_ps = load.user.demand.reaction_ps + (load.holds_ps or 0)
    return replace(load, task=replace(load.task, work=load.task.work + early_ps))


def _by_deadline(shared: Shared, loads: Sequence[Load], due: Sequence[Load]) -> list[Answer]:
    def answer(load: Load) -> Answer:
        if load.user.demand.deadline_ps is None:
            others = [each for each in loads if each != load]
            return unbounded_of([load, *others]) or _response(shared, load, others, 0)
        longest = longest_hold([each for each in loads if each != load])
        unbounded = unbounded_of(due)
        if unbounded is not None or isinstance(longest, Nothing):
            return unbounded or longest
        assert load.task is not None
        blockers = [(each.user.demand.deadline_ps, shared.change_ps + (each.holds_ps or 0)) for each in loads]
        response = edf.response(load.task, tasks_of(due), [*blockers, (None, shared.change_ps)])
        if response is None:
            return Nothing(_OVERLOAD, late=True)
        return int(response) + load.user.demand.reaction_ps

    def before(number: int) -> list[int]:
        last = loads[number].user.demand.deadline_ps is None
        return [each for each, load in enumerate(loads) if last or load.user.demand.deadline_ps is not None]

    return kept_up(loads, [answer(load) for load in loads], before)


def _turns(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`rrobin`: as many turns of all others as it needs itself, or the whole busy period if that is shorter."""
    if shared.settings["wake"] == "head" and len(loads) > 1:
        return [Nothing("with `wake=head` any number of turns may come before its own") for _ in loads]
    together_ps = _all_done(shared, loads)

    def answer(load: Load) -> Answer:
        longest = [longest_hold([each]) for each in loads if each is not load]
        denies = next((each for each in longest if isinstance(each, Nothing)), None)
        if load.task is None or denies is not None:
            return denies or Nothing(load.why)
        turns_ps = [
            int(shared.settings["slice"]) + shared.change_ps + each for each in longest if isinstance(each, int)
        ]
        return sooner(load, _in_turn(shared, load, turns_ps), together_ps)

    return kept_up(loads, [answer(load) for load in loads], lambda _: [])


def _shares(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`fair`: what its share gives it, or the whole busy period if that is shorter."""
    together_ps = _all_done(shared, loads)
    answers = [sooner(load, fair.response(shared, load, loads), together_ps) for load in loads]
    return kept_up(loads, answers, lambda _: list(range(len(loads))) if shared.change_ps else [])


def _credits(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`credit`: the whole busy period, in which without a cap it never idles.

    No share bounds a response. Credits are handed out as a period ends, among those that have work just then: who comes
    and goes in between earns none, and what one that goes still owes is taken from the others until it is back.
    """
    capped = next((load.user.name for load in loads if load.user.settings["cap"]), None)
    if capped is not None:
        return [Nothing(f"`{capped}` has a cap: its work may wait while nobody else has any") for _ in loads]
    nothing = unbounded_of(loads) or longest_hold(loads)
    if isinstance(nothing, Nothing):
        return [Nothing(f"{nothing.why}, and `credit` keeps shares in the long run only") for _ in loads]
    # Beside jobs that come or end, and turns that are over, only the end of a period takes one from the coproc: who was
    # given credits then comes before one without. One more may end as all begins.
    change_ps = costliest_change_ps(shared, loads)
    ends = Task(change_ps, int(shared.settings["slice"]))
    together_ps = _all_done(shared, loads, ends, more_ps=change_ps)
    without = Nothing("jobs may pile up, and `credit` keeps shares in the long run only")
    return [sooner(load, without, together_ps) for load in loads]


def _by_budget(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """`timebased`: a turn of each other before each of its own."""
    return kept_up(loads, timebased.responses(shared, loads), lambda _: [])


def _useful(shared: Shared, load: Load) -> int:
    """Return how much of a turn is work at least, less what it pays for an overrun before."""
    turn_ps = int(shared.settings["slice"])
    if shared.charges and load.holds_ps != 0:
        least_ps = min(turn_ps, shared.least_turn_ps)
        turn_ps = least_ps if load.holds_ps is None else max(least_ps, turn_ps - load.holds_ps)
    return turn_ps - 2 * shared.cycle_ps


def _in_turn(shared: Shared, load: Load, turns_ps: Sequence[int]) -> Answer:
    """Return the longest response if before each of its turns all others have theirs, `turns_ps`."""
    demand, useful_ps = load.user.demand, _useful(shared, load)
    assert demand.work_ps is not None
    assert demand.period_ps is not None
    if useful_ps <= 0:
        return Nothing("a turn is too short for any work")
    own_ps = shared.change_ps + (shared.retry_floor_ps if load.holds_ps else 0)
    longest_ps = 0
    for job in range(JOBS_MAX):
        work_ps = (job + 1) * demand.work_ps
        # Alone it has one turn without end.
        turns = ceil_div(work_ps, useful_ps) if turns_ps else 1
        done_ps = round_robin.response(work_ps, useful_ps, [(turn_ps, None) for turn_ps in turns_ps])
        done_ps += (turns + 1) * own_ps
        longest_ps = max(longest_ps, int(done_ps) - max(0, job * demand.period_ps - demand.jitter_ps))
        if done_ps < (job + 1) * demand.period_ps - demand.jitter_ps:
            return longest_ps + demand.reaction_ps
    return Nothing("its turns may be too few for its work", late=True)


def _all_done(shared: Shared, loads: Sequence[Load], *more: Task, more_ps: int = 0) -> int | None:
    """Return how long the coproc is busy at most, where a turn is a slice, also with `more` and once `more_ps`."""
    tasks = [*more]
    for load in loads:
        useful_ps = _useful(shared, load)
        if load.task is None or load.holds_ps is None or useful_ps <= 0:
            return None
        # A job changes the coproc when it comes and ends, and after each of its turns.
        turns = ceil_div(load.user.demand.work_ps or 0, useful_ps) + 1
        turns_ps = turns * (shared.change_ps + (shared.retry_floor_ps if load.holds_ps else 0))
        tasks.append(replace(load.task, work=load.task.work + turns_ps))
    return all_done(shared, loads, tasks, more_ps)


ALGORITHMS: dict[str, Callable[[Shared, Sequence[Load]], list[Answer]]] = {
    "rrobin": _turns,
    "fixed": reservations.slots,
    "priority": _priority,
    "edf": _deadlines,
    "rtds": reservations.budgets,
    "cbs": reservations.bandwidths,
    "credit": _credits,
    "fair": _shares,
    "timebased": _by_budget,
    "null": _priority,
}
"""The analysis of each algorithm, by its name; what is not here has no bound."""


def condition(shared: Shared, loads: Sequence[Load]) -> str | None:
    """Return what must be so before these bounds hold, beside what is set; None if nothing."""
    if shared.algorithm == "timebased" and shared.settings["new-first"] and len(loads) > 1:
        return "the bound holds once nobody is new: for `new-first` one that is created comes before all others"
    return None


IDLING = frozenset(("fixed", "rtds", "timebased"))
"""Those that take the coproc from one that has work though nobody else has any."""
