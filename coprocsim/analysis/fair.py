"""Shares by weight: what EEVDF surely gives to one that has work, whatever the others ask for.

In the words of Stoica and Abdel-Wahab (TR-95-22): virtual time V grows by what is had, divided by the weight of all who
share; the lag of one is what it is behind its share. They bound the lag by the longest request where nobody leaves
while behind. Here anybody may, and V jumps then; so what is bounded is not the lag, but what each other one can have.

Let i join at V0 with no lag, and wait for a request that is eligible at e and due at d = e + S / w.

- Another one, j, is picked only if its own request is due by d, or while i is not eligible, which is before e: then
  what j has had is below w_j e. After its request it is at most w_j e + max(S, S w_j / w) + P, where P is how much
  longer it may keep the coproc, and the switch that it may be charged for.
- What it has had, divided by its weight, never becomes less, and never is set below V; nor does V. So who joins later
  begins at w_j V0 or above; and the lags of those that share add up to nothing, so that at V0 the others are, all in
  all, not behind. Nothing of what they may have is lost or gained by leaving and coming back.
- e - V0 is what i itself has been charged since, divided by w. While it sleeps, ahead of its share, it still is not
  eligible; when the others have caught up it joins anew, without lag.

So before i has had X the others have (W - w) / w X + the sum of max(S, S w_j / w) + P at most: a rate of w / W after a
latency. A job that needs a little more than one request, beside others of the same weight, takes nearly that long.

Switches that nobody pays for pass beside virtual time. A turn that uses up its request has one, and each job has one
more, since it may end its turn early.
"""

from collections.abc import Sequence
from fractions import Fraction

from coprocsim.analysis.loads import (
    Answer,
    Load,
    Nothing,
    Shared,
    costliest_change_ps,
    longest_hold,
    tasks_of,
    unbounded_of,
)
from coprocsim.analysis.tasks import Time, ceil_div, latest


def response(shared: Shared, load: Load, loads: Sequence[Load]) -> Answer:
    """Return the longest response of `load`, one of `loads`, by its share alone."""
    longest = longest_hold(loads)
    change_ps = costliest_change_ps(shared, loads)
    others = unbounded_of(loads) if change_ps else None
    if load.task is None or isinstance(longest, Nothing):
        return Nothing(load.why) if load.task is None else longest
    if others is not None:
        return Nothing(f"{others.why}, and each may cost a switch")
    line = _line(shared, load, loads, change_ps)
    longest_ps = None if line is None else latest(load.task, *line)
    if longest_ps is None:
        return Nothing("its share may be too small for its work", late=True)
    return ceil_div(longest_ps, 1) + load.user.demand.reaction_ps


def _line(shared: Shared, load: Load, loads: Sequence[Load], change_ps: int) -> tuple[Time, Time] | None:
    """Return within what time a first job is done, and how much later each one that follows; None: nobody can say."""
    request_ps, weight = int(shared.settings["slice"]), _weight(load)
    useful_ps, lost_ps = request_ps - 2 * shared.cycle_ps, change_ps + 2 * shared.cycle_ps
    work_ps = load.user.demand.work_ps
    assert work_ps is not None
    if useful_ps <= 0:
        return None
    # Each job ends a turn, and each request that is used up.
    job_ps = work_ps + (Fraction(work_ps, useful_ps) + 1) * lost_ps
    latency_ps = sum(
        max(Fraction(1), Fraction(_weight(each), weight)) * request_ps + (each.holds_ps or 0) + change_ps
        for each in loads
        if each is not load
    )
    all_ps_per_ps = Fraction(sum(map(_weight, loads)), weight)
    # It may be in the rest of a turn that another job began, and what it has had is rounded up as it joins.
    first_ps = all_ps_per_ps * (job_ps + lost_ps + 1) + latency_ps + change_ps
    next_ps = all_ps_per_ps * job_ps
    if not change_ps:
        return first_ps, next_ps
    tasks = tasks_of(loads)
    rate = 1 - change_ps * sum((1 / Fraction(task.period) for task in tasks), Fraction(0))
    if rate <= 0:
        return None
    longer = 1 + Fraction(change_ps, request_ps)
    ended = sum((Fraction(task.jitter) / Fraction(task.period) + 2 for task in tasks), Fraction(0))
    return (first_ps * longer + change_ps * ended) / rate, next_ps * longer / rate


def _weight(load: Load) -> int:
    return int(load.user.settings["weight"])
