"""Earliest deadline first: how much may be due within a stretch of time, and what follows from it."""

from collections.abc import Iterator, Sequence
from fractions import Fraction

from coprocsim.analysis.tasks import JOBS_MAX, Task, Time, busy_period, utilization


def demand(tasks: Sequence[Task], length: Time) -> Time:
    """Return the most work that can be both released and due within a stretch of that length.

    The demand bound function (Baruah, Rosier and Howell 1990): the sum of (floor((t - D + J) / T) + 1) C.
    """
    due = [(task, length - task.deadline) for task in tasks if task.deadline is not None and task.deadline <= length]
    return sum(int((slack + task.jitter) // task.period + 1) * task.work for task, slack in due)


def testing_interval(tasks: Sequence[Task]) -> Fraction | None:
    """Return L*: where demand is beyond what there is, it already is in a stretch of at most that length.

    The sum of (T - D) U over 1 - U, and no D - T is beyond it (Baruah, Rosier and Howell 1990; Zhang and Burns 2009 for
    deadlines beyond the period). None where all of the resource is asked for.
    """
    load = utilization(tasks)
    if load >= 1:
        return None
    late = [(Fraction(task.period - task.deadline), task) for task in tasks if task.deadline is not None]
    total = sum(((rest + task.jitter) * task.utilization for rest, task in late), Fraction(0)) / (1 - load)
    return max([total, *(-rest for rest, _ in late)])


def testing_points(tasks: Sequence[Task], length: Time) -> list[Time] | None:
    """Return the lengths up to `length` at which demand grows, in order; None if there are too many to look at."""
    points: set[Time] = set()
    for task in tasks:
        points.update(_steps(task, length))
        if len(points) > JOBS_MAX:
            return None
    return sorted(points)


def _steps(task: Task, length: Time) -> Iterator[Time]:
    if task.deadline is None or task.deadline > length:
        return
    yield task.deadline
    first = int(task.jitter // task.period) + 1
    for number in range(first, first + JOBS_MAX + 1):
        at = task.deadline + number * task.period - task.jitter
        if at > length:
            return
        yield at


def overdemand(tasks: Sequence[Task]) -> tuple[Time, Time] | None:
    """Return the shortest stretch in which more may be due than fits, and how much; None: all deadlines are met.

    The processor demand test (Baruah, Rosier and Howell 1990), up to L* or the longest busy period, whichever is less.
    ValueError if that is too long to look at, or the tasks ask for more than there is.
    """
    ends = [end for end in (testing_interval(tasks), busy_period(tasks)) if end is not None]
    points = testing_points(tasks, min(ends)) if ends else None
    if points is None:
        raise ValueError("the tasks ask for all of the resource or more, or their busy period is too long to look at")
    return next(((point, demand(tasks, point)) for point in points if demand(tasks, point) > point), None)


def jeffay(tasks: Sequence[Task]) -> tuple[int, int] | None:
    """Return the first stretch in which jobs that cannot be interrupted do not fit, and what they need; None: they fit.

    Time is in whole units, each deadline is the period. For each task i in the order of periods and each L between the
    shortest period and its own: C_i + the sum over those before it of floor((L - 1) / T) C must not be more than L
    (Jeffay, Stanat and Martel 1991, "On non-preemptive scheduling of periodic and sporadic tasks"); it is exact for
    tasks that may begin at any time. ValueError if they ask for more than there is.
    """
    if utilization(tasks) > 1:
        raise ValueError("the tasks ask for more than there is")
    ordered = sorted(tasks, key=lambda task: task.period)
    for number, task in enumerate(ordered):
        shorter = ordered[:number]
        # Demand grows one unit after each multiple of a shorter period.
        lengths = {
            int(each.period) * count + 1
            for each in shorter
            for count in range(1, int(task.period) // int(each.period) + 1)
        }
        for length in sorted(lengths):
            need = int(task.work) + sum((length - 1) // int(each.period) * int(each.work) for each in shorter)
            if int(ordered[0].period) < length < task.period and need > length:
                return length, need
    return None


def response(task: Task, tasks: Sequence[Task], blockers: Sequence[tuple[Time | None, Time]] = ()) -> Time | None:
    """Return a bound on the response time of `task`, one of `tasks`; None: there is none.

    A job with deadline d waits only for work that is due by d and came since such work last ran out, L before d, and
    for one of the `blockers`, (deadline, longest uninterruptible run), that is due later and had begun. So no job is
    later than B + the demand in L, less L, for the worst L that is not below its own D (the busy period of deadline d:
    Spuri 1996, "Analysis of deadline scheduled real-time systems").
    """
    assert task.deadline is not None
    longest = max((run for _, run in blockers), default=0)
    length = busy_period(tasks, longest)
    if length is None:
        return None
    # Beyond this a job would be done before its release.
    points = testing_points(tasks, length + task.deadline)
    if points is None:
        return None
    later = [
        demand(tasks, point) + _blocking(blockers, point) - point
        for point in (task.deadline, *points)
        if point >= task.deadline
    ]
    return min(length, task.deadline + max(later))


def _blocking(blockers: Sequence[tuple[Time | None, Time]], length: Time) -> Time:
    """Return for how long one that is due later than that may hold the others up."""
    return max((run for deadline, run in blockers if deadline is None or deadline > length), default=0)
