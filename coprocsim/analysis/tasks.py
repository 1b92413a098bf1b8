"""The words that theory speaks: tasks, exact times, and the busy period in which the worst case lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

Time: TypeAlias = int | Fraction
"""An exact amount of time, in a unit of the caller's choice."""

JOBS_MAX = 10_000
"""How many jobs of a busy period are looked at: one that is longer counts as without end."""


@dataclass(frozen=True, slots=True)
class Task:
    """Jobs of at most `work`, at least `period` apart but for `jitter`, each due `deadline` after its release.

    A `deadline` of None is none at all.
    """

    work: Time
    period: Time
    deadline: Time | None = None
    jitter: Time = 0

    @property
    def utilization(self) -> Fraction:
        """Which part of the resource it asks for."""
        return Fraction(self.work) / Fraction(self.period)

    def arrivals(self, length: Time) -> int:
        """Return how many jobs at most are released in a stretch of that length, its end excluded."""
        return ceil_div(length + self.jitter, self.period)


def latest(task: Task, first: Time, more: Time) -> Time | None:
    """Return the longest response of jobs of which the first is done `first` after it came, each other `more` later.

    None: they fall behind for ever. Jitter brings some together; of those after them none takes longer.
    """
    if more > task.period:
        return None
    together = int(task.jitter // task.period)
    counts = (together, together + 1)
    return max(first + count * more - max(0, count * task.period - task.jitter) for count in counts)


def ceil_div(dividend: Time, divisor: Time) -> int:
    """Return the least whole number that is not below the quotient."""
    return int(-(-dividend // divisor))


def utilization(tasks: Sequence[Task]) -> Fraction:
    """Return which part of the resource all of them ask for."""
    return sum((task.utilization for task in tasks), Fraction(0))


def busy_period(tasks: Sequence[Task], blocking: Time = 0) -> Time | None:
    """Return how long a resource can be busy with `tasks` without a gap, after `blocking` by others; None if for ever.

    The least t with t = B + the sum of ceil((t + J) / T) C (Lehoczky 1990, "Fixed priority scheduling of periodic task
    sets with arbitrary deadlines").
    """
    if utilization(tasks) > 1:
        return None
    length: Time = blocking + sum(task.work for task in tasks)
    while True:
        counts = [task.arrivals(length) for task in tasks]
        if sum(counts) > JOBS_MAX:
            return None
        longer = blocking + sum(count * task.work for count, task in zip(counts, tasks, strict=True))
        if longer <= length:
            return length
        length = longer
