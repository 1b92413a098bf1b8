"""`timebased`: turns that end with a job, and a budget that is not used up.

Who waits and has a budget waits for one turn of each other, since the longest unserved is next. A turn is a tick and
what is left of a job then, until its driver knows of the end; where the next one has begun that cannot be cut, it is as
much longer. So it is not said by how many jobs the others have, only by how long they are.

Nobody is parked who never uses up a budget. Of what is left nothing is wiped but what is above one budget, so it is
enough that in a period no more is asked for than that, counting the jobs that may have waited before it.
"""

from collections.abc import Sequence

from coprocsim.analysis.loads import Answer, Load, Nothing, Shared, costliest_change_ps, longest_hold
from coprocsim.analysis.tasks import ceil_div, latest


def responses(shared: Shared, loads: Sequence[Load]) -> list[Answer]:
    """Return the longest response of each, once nobody is new any more."""
    change_ps = costliest_change_ps(shared, loads)
    weight = sum(int(each["weight"]) for each in (*(load.user.settings for load in loads), *shared.idle))
    turns = [_turn(shared, load) for load in loads]

    def answer(number: int) -> Answer:
        load, others = loads[number], [turn for each, turn in enumerate(turns) if each != number]
        nothing = next((turn for turn in others if isinstance(turn, Nothing)), None)
        if load.task is None or nothing is not None:
            return nothing or Nothing(load.why)
        round_ps = sum(change_ps + turn for turn in others if isinstance(turn, int))
        found = in_turns(load, round_ps, 1)
        if isinstance(found, int) and found > load.task.period - load.task.jitter and load.user.demand.reaction_ps:
            # The end of one job may reach its driver in the turn of the next, and end that.
            return in_turns(load, round_ps, 2)
        return found

    def in_turns(load: Load, round_ps: int, turns_per_job: int) -> Answer:
        demand, task = load.user.demand, load.task
        assert task is not None
        own_ps = (demand.work_ps or 0) + turns_per_job * (change_ps + 2 * shared.cycle_ps)
        job_ps = own_ps + turns_per_job * round_ps
        longest_ps = latest(task, change_ps + job_ps, job_ps)
        if longest_ps is None:
            return Nothing("its turns may be too few for its work", late=True)
        response_ps = ceil_div(longest_ps, 1) + demand.reaction_ps
        period_ps = int(shared.settings["period"])
        budget_ps = period_ps * int(load.user.settings["weight"]) // weight
        if (task.arrivals(period_ps + response_ps) + 1) * own_ps >= budget_ps:
            return Nothing("its budget may be used up: then it waits for the next period", late=True)
        return response_ps

    return [answer(number) for number in range(len(loads))]


def _turn(shared: Shared, load: Load) -> int | Nothing:
    """Return how long a turn is at most, once nobody else is content with that."""
    longest, demand = longest_hold([load]), load.user.demand
    if isinstance(longest, Nothing):
        return longest
    if demand.work_ps is None:
        return Nothing(f"the jobs of `{load.user.name}` may be of any length, and are not preempted")
    return int(shared.settings["tick"]) + demand.work_ps + demand.reaction_ps + longest
