"""Bounds on response times on a coproc as it is shared here: what theory leaves out, charged so that they hold.

- **A switch** takes time and cannot be interrupted. A job causes two at most, one when it comes and one when it ends,
  and pays for both; one more may be under way when it comes. A switch costs the most that its platform states, with the
  IOMMU, the steps of stopping, and two cycles of the clock: the one that is cut, and the wait for the next edge.
- **A denial** lasts as long as the uncuttable part of a job, and no less than the retry floor; where it would be longer
  than the switch timeout it ends there, with a reset, and that job is lost.
- **The handler** knows of an end after its latency. Until then the coproc has no more than its places of a vcoproc's
  jobs, and the algorithm still sees the job that is over.

Not accounted for: pauses, faults, resets by others, and jobs of a workload that was before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from coprocsim.analysis import edf, fixed_priority, round_robin
from coprocsim.analysis.tasks import JOBS_MAX, Task, busy_period, ceil_div
from coprocsim.guests.base import Demand
from coprocsim.parameters import Value


class Verdict(StrEnum):
    """What a bound says about a vcoproc's deadlines."""

    MET = "met"
    MISSED = "can be missed"
    NO_DEADLINE = "no deadline"
    NO_BOUND = "no bound"
    NO_JOBS = "no jobs"


@dataclass(frozen=True, slots=True)
class Bound:
    """The longest that a job may take until its guest knows of its end, None if there is no bound, and why not.

    `why` also says why a deadline can be missed though the bound keeps it: a job that is lost is not in time.
    """

    verdict: Verdict
    response_ps: int | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Shared:
    """How a coproc is shared. `switch_ps` is the most that a switch and the IOMMU cost, `least_turn_ps` what charging
    for overruns (`charges`) leaves of a turn; a `timeout_ps` of 0 is none; `reset_ps` None is unknown."""

    algorithm: str
    settings: Mapping[str, Value]
    cycle_ps: int
    switch_ps: int
    stop_steps_ps: tuple[int, ...] = ()
    retry_floor_ps: int = 0
    timeout_ps: int = 0
    reset_ps: int | None = None
    charges: bool = False
    least_turn_ps: int = 0
    polled: bool = False

    @property
    def change_ps(self) -> int:
        """All that one change from a vcoproc to another takes beside what cannot be cut."""
        steps_ps = sum(max(step_ps, self.retry_floor_ps) for step_ps in self.stop_steps_ps)
        return self.switch_ps + steps_ps + 2 * self.cycle_ps


@dataclass(frozen=True, slots=True)
class User:
    """A vcoproc: what it is called, what its guest asks for, its own parameters of the algorithm."""

    name: str
    demand: Demand
    settings: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class _Load:
    """A vcoproc that has jobs: as a `task` that pays for its switches, None if its demand has no bound (`why`).

    `holds_ps` is for how long it may deny, None for ever; `lost` is whether its jobs may be.
    """

    user: User
    task: Task | None
    why: str
    holds_ps: int | None
    lost: bool

    @property
    def cut_nowhere(self) -> bool:
        """Whether its jobs, once begun, are worked to their end."""
        return self.user.demand.uncuttable_ps == self.user.demand.work_ps

    def keeps_up(self, response_ps: int) -> bool:
        """Return whether no job must wait for its driver to make room in the coproc, if none takes longer than that."""
        demand = self.user.demand
        assert demand.period_ps is not None
        return demand.reaction_ps == 0 or response_ps <= demand.places * demand.period_ps - demand.jitter_ps


@dataclass(frozen=True, slots=True)
class _Nothing:
    """There is no bound; `late` is whether deadlines can be missed for sure."""

    why: str
    late: bool = False


_Answer = int | _Nothing
_OVERLOAD = "more is asked for than the coproc has, or very nearly"


def bounds(shared: Shared, users: Sequence[User]) -> list[Bound]:
    """Return the bound of each vcoproc of a coproc, in their order."""
    floor_ps = shared.retry_floor_ps if any(user.demand.uncuttable_ps != 0 for user in users) else 0
    loads = [_load(shared, user, floor_ps) for user in users if user.demand.work_ps != 0]
    answers = dict(zip((load.user.name for load in loads), _answers(shared, loads), strict=True))
    by_name = {load.user.name: load for load in loads}
    return [
        _bound(by_name[user.name], answers[user.name]) if user.name in answers else Bound(Verdict.NO_JOBS)
        for user in users
    ]


def _answers(shared: Shared, loads: Sequence[_Load]) -> list[_Answer]:
    if shared.algorithm not in ALGORITHMS:
        return [_Nothing(f"there is no analysis of `{shared.algorithm}` here") for _ in loads]
    if shared.polled:
        return [_Nothing("without an interrupt line its driver only looks from time to time") for _ in loads]
    return ALGORITHMS[shared.algorithm](shared, loads)


def _bound(load: _Load, answer: _Answer) -> Bound:
    deadline_ps = load.user.demand.deadline_ps
    if isinstance(answer, _Nothing):
        missed = answer.late and deadline_ps is not None
        return Bound(Verdict.MISSED if missed else Verdict.NO_BOUND, None, answer.why)
    if deadline_ps is None:
        return Bound(Verdict.NO_DEADLINE, answer)
    if load.lost:
        return Bound(Verdict.MISSED, answer, "its jobs may deny for longer than the switch timeout, and are lost then")
    return Bound(Verdict.MET if answer <= deadline_ps else Verdict.MISSED, answer)


# ---------------------------------------------------------------- what theory leaves out


def _load(shared: Shared, user: User, floor_ps: int) -> _Load:
    """Charge a vcoproc for what its jobs cause; each denial may last up to `floor_ps` longer than it must."""
    demand = user.demand
    holds_ps, lost = _holds(shared, demand)
    why = f"the jobs of `{user.name}` "
    if demand.work_ps is None:
        return _Load(user, None, why + "may be of any length", holds_ps, lost)
    if demand.period_ps is None:
        return _Load(user, None, why + "come in any number", holds_ps, lost)
    work_ps = demand.work_ps + 2 * shared.change_ps + floor_ps + (shared.reset_ps or 0 if lost else 0)
    return _Load(user, Task(work_ps, demand.period_ps, demand.deadline_ps, demand.jitter_ps), "", holds_ps, lost)


def _holds(shared: Shared, demand: Demand) -> tuple[int | None, bool]:
    """Return for how long a vcoproc may keep the coproc from switching, and whether its job is lost then."""
    if demand.uncuttable_ps == 0:
        return 0, False
    held_ps = None if demand.uncuttable_ps is None else max(demand.uncuttable_ps, shared.retry_floor_ps)
    if shared.timeout_ps and (held_ps is None or held_ps > shared.timeout_ps):
        return None if shared.reset_ps is None else shared.timeout_ps + shared.reset_ps, True
    return None if held_ps is None else held_ps + shared.cycle_ps, False


def _longest_hold(loads: Sequence[_Load]) -> int | _Nothing:
    """Return for how long one of these may hold up others."""
    for load in loads:
        if load.holds_ps is None:
            return _Nothing(f"nobody can say how long `{load.user.name}` denies")
    return max((load.holds_ps for load in loads if load.holds_ps is not None), default=0)


def _unbounded(loads: Sequence[_Load]) -> _Nothing | None:
    """Return why these have no bound together, None if each of them has one."""
    return next((_Nothing(load.why) for load in loads if load.task is None), None)


def _tasks(loads: Sequence[_Load]) -> list[Task]:
    return [load.task for load in loads if load.task is not None]


def _others(loads: Sequence[_Load], load: _Load) -> list[_Load]:
    return [each for each in loads if each is not load]


def _kept_up(loads: Sequence[_Load], answers: Sequence[_Answer], behind: Callable[[int], list[int]]) -> list[_Answer]:
    """Return the answers without those that hold only if nobody's jobs wait for their driver, where some do.

    `behind` says on whom, by number, the answer of a number depends.
    """
    late = [
        load.task is not None and not (isinstance(answer, int) and load.keeps_up(answer))
        for load, answer in zip(loads, answers, strict=True)
    ]
    kept: list[_Answer] = []
    for number, (load, answer) in enumerate(zip(loads, answers, strict=True)):
        guilty = next((each for each in (number, *behind(number)) if late[each]), None)
        if isinstance(answer, _Nothing) or guilty is None:
            kept.append(answer)
            continue
        places, deadline_ps = loads[guilty].user.demand.places, load.user.demand.deadline_ps
        why = f"more than {places} jobs of `{loads[guilty].user.name}` may be open: they wait for their driver"
        kept.append(_Nothing(why, late=deadline_ps is not None and answer > deadline_ps))
    return kept


# ---------------------------------------------------------------- the algorithms


def _priority(shared: Shared, loads: Sequence[_Load]) -> list[_Answer]:
    """`priority`: response-time analysis, equals as if they were above each other."""

    def above(number: int) -> list[int]:
        mine = _rank(loads[number])
        return [each for each, load in enumerate(loads) if each != number and _rank(load) >= mine]

    def answer(number: int) -> _Answer:
        load = loads[number]
        better = [loads[each] for each in above(number)]
        longest = _longest_hold([each for each in loads if _rank(each) < _rank(load)])
        unbounded = _unbounded([load, *better])
        if unbounded is not None or isinstance(longest, _Nothing):
            return unbounded or longest
        return _response(shared, load, better, longest)

    return _kept_up(loads, [answer(number) for number in range(len(loads))], above)


def _rank(load: _Load) -> int:
    return int(load.user.settings.get("priority", 0))


def _response(shared: Shared, load: _Load, above: Sequence[_Load], longest_ps: int) -> _Answer:
    """Return the response below `above`, after a switch that is under way and a denial of `longest_ps` by others."""
    assert load.task is not None
    blocking_ps = shared.change_ps + longest_ps
    if load.cut_nowhere:
        # It can still be put back while it is being switched in.
        responses = fixed_priority.non_preemptive(load.task, _tasks(above), blocking_ps + shared.change_ps)
    else:
        responses = fixed_priority.preemptive(load.task, _tasks(above), blocking_ps)
    if responses is None:
        return _Nothing(_OVERLOAD, late=True)
    return int(max(responses)) + load.user.demand.reaction_ps


def _deadlines(shared: Shared, loads: Sequence[_Load]) -> list[_Answer]:
    """`edf`: the demand of those with deadlines; work without one waits for all others."""
    due = [load for load in loads if load.user.demand.deadline_ps is not None]
    answers = _by_deadline(shared, loads, due)
    for load, answer in zip(loads, answers, strict=True):
        demand = load.user.demand
        if isinstance(answer, _Nothing) or load.task is None or not demand.reaction_ps:
            continue
        if answer > load.task.period - demand.jitter_ps:
            # Two jobs may be open at once: until the handler knows of the end of one, the next runs in its rank.
            return _by_deadline(shared, [_early(each) for each in loads], [_early(each) for each in due])
    return answers


def _early(load: _Load) -> _Load:
    """Charge for the next job's running, and beginning what cannot be cut, by the deadline of the one that is over."""
    if load.task is None or not load.user.demand.reaction_ps:
        return load
    early_ps = load.user.demand.reaction_ps + (load.holds_ps or 0)
    return replace(load, task=replace(load.task, work=load.task.work + early_ps))


def _by_deadline(shared: Shared, loads: Sequence[_Load], due: Sequence[_Load]) -> list[_Answer]:
    def answer(load: _Load) -> _Answer:
        if load.user.demand.deadline_ps is None:
            others = [each for each in loads if each != load]
            return _unbounded([load, *others]) or _response(shared, load, others, 0)
        longest = _longest_hold([each for each in loads if each != load])
        unbounded = _unbounded(due)
        if unbounded is not None or isinstance(longest, _Nothing):
            return unbounded or longest
        assert load.task is not None
        blockers = [(each.user.demand.deadline_ps, shared.change_ps + (each.holds_ps or 0)) for each in loads]
        response = edf.response(load.task, _tasks(due), [*blockers, (None, shared.change_ps)])
        if response is None:
            return _Nothing(_OVERLOAD, late=True)
        return int(response) + load.user.demand.reaction_ps

    def before(number: int) -> list[int]:
        last = loads[number].user.demand.deadline_ps is None
        return [each for each, load in enumerate(loads) if last or load.user.demand.deadline_ps is not None]

    return _kept_up(loads, [answer(load) for load in loads], before)


def _turns(shared: Shared, loads: Sequence[_Load]) -> list[_Answer]:
    """`rrobin`: as many turns of all others as it needs itself, or the whole busy period if that is shorter."""
    if shared.settings["wake"] == "head" and len(loads) > 1:
        return [_Nothing("with `wake=head` any number of turns may come before its own") for _ in loads]
    together_ps = _all_done(shared, loads)

    def answer(load: _Load) -> _Answer:
        longest = [_longest_hold([each]) for each in _others(loads, load)]
        denies = next((each for each in longest if isinstance(each, _Nothing)), None)
        if load.task is None or denies is not None:
            return denies or _Nothing(load.why)
        turns_ps = [
            int(shared.settings["slice"]) + shared.change_ps + each for each in longest if isinstance(each, int)
        ]
        response = _in_turn(shared, load, turns_ps)
        if together_ps is not None:
            together = together_ps + load.user.demand.reaction_ps
            return together if isinstance(response, _Nothing) else min(response, together)
        return response

    return _kept_up(loads, [answer(load) for load in loads], lambda _: [])


def _useful(shared: Shared, load: _Load) -> int:
    """Return how much of a turn is work at least, less what it pays for an overrun before."""
    turn_ps = int(shared.settings["slice"])
    if shared.charges and load.holds_ps != 0:
        least_ps = min(turn_ps, shared.least_turn_ps)
        turn_ps = least_ps if load.holds_ps is None else max(least_ps, turn_ps - load.holds_ps)
    return turn_ps - 2 * shared.cycle_ps


def _in_turn(shared: Shared, load: _Load, turns_ps: Sequence[int]) -> _Answer:
    """Return the longest response if before each of its turns all others have theirs, `turns_ps`."""
    demand, useful_ps = load.user.demand, _useful(shared, load)
    assert demand.work_ps is not None
    assert demand.period_ps is not None
    if useful_ps <= 0:
        return _Nothing("a turn is too short for any work")
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
    return _Nothing("its turns may be too few for its work", late=True)


def _all_done(shared: Shared, loads: Sequence[_Load]) -> int | None:
    """Return how long the coproc is busy at most, if nobody's jobs can wait for their driver meanwhile; else None."""
    tasks = []
    for load in loads:
        useful_ps = _useful(shared, load)
        if load.task is None or load.holds_ps is None or useful_ps <= 0:
            return None
        # A job changes the coproc when it comes and ends, and after each of its turns.
        turns = ceil_div(load.user.demand.work_ps or 0, useful_ps) + 1
        more_ps = turns * (shared.change_ps + shared.retry_floor_ps)
        tasks.append(replace(load.task, work=load.task.work + more_ps))
    length = busy_period(tasks, shared.change_ps)
    if length is None or not all(load.keeps_up(int(length) + load.user.demand.reaction_ps) for load in loads):
        return None
    return int(length)


ALGORITHMS: dict[str, Callable[[Shared, Sequence[_Load]], list[_Answer]]] = {
    "rrobin": _turns,
    "priority": _priority,
    "edf": _deadlines,
    "null": _priority,
}
"""The analysis of each algorithm, by its name; what is not here has no bound."""
