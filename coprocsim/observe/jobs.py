"""What became of the jobs of one span of time, as its rows of the trace tell.

**A job is missed** at the instant from which on it cannot be done in time any more: when its deadline passes before it
is done, or when it is given up, dropped or lost with an error before that. Each job is missed once or never, whatever
becomes of it later. What was overdue when a span began was missed before it. A job without a deadline is in time
whenever it is done.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from coprocsim.model import TraceRow
from coprocsim.snapshot import JobRow

_NONE = -1


@dataclass(slots=True)
class Jobs:
    """What became of a vcoproc's jobs: `dropped` ones count as `released`, too.

    `open` are not over at the end of the span, and `overdue` those of them whose deadline has passed.
    """

    released: int = 0
    in_time: int = 0
    late: int = 0
    abandoned: int = 0
    dropped: int = 0
    failed: int = 0
    open: int = 0
    overdue: int = 0
    missed: int = 0


class JobCount:
    """Counts, from `from_ps` on, what becomes of the jobs of all vcoprocs."""

    def __init__(self, from_ps: int) -> None:
        self._from_ps = from_ps
        self._of: defaultdict[str, Jobs] = defaultdict(Jobs)

    def take(self, row: TraceRow) -> None:
        """Count what the next row tells."""
        match row[2:]:
            case "job", str(who), int(), int():
                self._of[who].released += 1
            case "job_dropped", str(who), int():
                jobs = self._of[who]
                jobs.released += 1
                jobs.dropped += 1
                jobs.missed += 1
            case "job_end", str(who), str(how), int(), int(), int(deadline_ps):
                self._ended(self._of[who], how, row[0], deadline_ps)

    def _ended(self, jobs: Jobs, how: str, at_ps: int, deadline_ps: int) -> None:
        if how == "done" and (deadline_ps == _NONE or at_ps <= deadline_ps):
            jobs.in_time += 1
            return
        if how == "done":
            jobs.late += 1
        elif how == "abandoned":
            jobs.abandoned += 1
        else:
            jobs.failed += 1
        jobs.missed += self._is_new(deadline_ps)

    def _is_new(self, deadline_ps: int) -> bool:
        """Return whether a job of that deadline was not missed before the span."""
        return deadline_ps == _NONE or deadline_ps >= self._from_ps

    def until(self, to_ps: int, still_open: Iterable[JobRow]) -> dict[str, Jobs]:
        """Return what became of the jobs of each vcoproc, named as `d1v0`, in the span that ends here."""
        for row in still_open:
            jobs = self._of[f"d{row.domain_id}v{row.number}"]
            jobs.open += 1
            if row.deadline_ps is not None and row.deadline_ps < to_ps:
                jobs.overdue += 1
                jobs.missed += self._is_new(row.deadline_ps)
        return self._of
