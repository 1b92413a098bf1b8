"""The bound on the response time of each vcoproc of a coproc, and what it says about its deadlines."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from coprocsim.analysis.algorithms import ALGORITHMS, IDLING, condition
from coprocsim.analysis.loads import Answer, Load, Nothing, Shared, User, load_of


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

    `why` also says why a deadline can be missed though the bound keeps it, since a job that is lost is not in time; and
    from when on a bound holds.
    """

    verdict: Verdict
    response_ps: int | None = None
    why: str | None = None


def bounds(shared: Shared, users: Sequence[User]) -> list[Bound]:
    """Return the bound of each vcoproc of a coproc, in their order."""
    floor_ps = shared.retry_floor_ps if any(user.demand.uncuttable_ps != 0 for user in users) else 0
    wanting = [user for user in users if user.demand.work_ps != 0]
    shared = replace(shared, idle=tuple(user.settings for user in users if user.demand.work_ps == 0))
    if len(wanting) == 1 and shared.algorithm not in IDLING:
        # Nobody wants the coproc from it.
        shared = replace(shared, timeout_ps=0)
    loads = [load_of(shared, user, floor_ps) for user in wanting]
    answers = dict(zip((load.user.name for load in loads), _answers(shared, loads), strict=True))
    by_name = {load.user.name: load for load in loads}
    when = condition(shared, loads)
    return [
        _bound(by_name[user.name], answers[user.name], when) if user.name in answers else Bound(Verdict.NO_JOBS)
        for user in users
    ]


def _answers(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    if shared.algorithm not in ALGORITHMS:
        return [Nothing(f"there is no analysis of `{shared.algorithm}` here") for _ in loads]
    if shared.polled:
        return [Nothing("without an interrupt line its driver only looks from time to time") for _ in loads]
    return ALGORITHMS[shared.algorithm](shared, loads)


def _bound(load: Load, answer: Answer, when: str | None) -> Bound:
    deadline_ps = load.user.demand.deadline_ps
    if isinstance(answer, Nothing):
        missed = answer.late and deadline_ps is not None
        return Bound(Verdict.MISSED if missed else Verdict.NO_BOUND, None, answer.why)
    if deadline_ps is None:
        return Bound(Verdict.NO_DEADLINE, answer, when)
    if load.lost:
        return Bound(Verdict.MISSED, answer, "its jobs may deny for longer than the switch timeout, and are lost then")
    return Bound(Verdict.MET if answer <= deadline_ps else Verdict.MISSED, answer, when)
