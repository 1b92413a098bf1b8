"""A guest that has the coproc and does nothing with it."""

from coprocsim.guests.base import NOTHING, Demand
from coprocsim.guests.jobs import JobGuest


class Idle(JobGuest):
    """Releases nothing."""

    kind = "idle"
    summary = "no jobs"
    options = ()
    needs_work = False

    def release_ps(self, number: int, previous_ps: int) -> int | None:
        return None

    def demand(self) -> Demand:
        return NOTHING
