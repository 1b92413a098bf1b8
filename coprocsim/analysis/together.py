"""The busy period: within it all that anybody asks for is done, whoever is first.

So no job takes longer under any algorithm that lets the coproc idle only where nobody has work.
"""

from collections.abc import Sequence

from coprocsim.analysis.loads import Answer, Load, Nothing, Shared
from coprocsim.analysis.tasks import Task, busy_period


def all_done(shared: Shared, loads: Sequence[Load], tasks: Sequence[Task], more_ps: int = 0) -> int | None:
    """Return how long the coproc is busy with `tasks` at most, after a change that is under way and `more_ps`.

    None if jobs of these loads may wait for their driver meanwhile: then there is work of which the coproc knows not.
    """
    length = busy_period(tasks, shared.change_ps + more_ps)
    if length is None or not all(load.keeps_up(int(length) + load.user.demand.reaction_ps) for load in loads):
        return None
    return int(length)


def sooner(load: Load, answer: Answer, done_ps: int | None) -> Answer:
    """Return the answer, or that a job is done after `done_ps` and its handler knows then, if that is less."""
    if done_ps is None:
        return answer
    response_ps = done_ps + load.user.demand.reaction_ps
    return response_ps if isinstance(answer, Nothing) else min(answer, response_ps)
