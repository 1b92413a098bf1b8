"""A guest that always has another job: a benchmark, a miner, an attacker."""

from coprocsim.guests.base import GuestPort
from coprocsim.guests.jobs import JobGuest
from coprocsim.model import GuestEffect


class Backlog(JobGuest):
    """A new job as soon as the last ends: both of the unit's places are kept filled."""

    kind = "backlog"
    summary = "a new job as soon as the last ends"
    options = ()
    examples = ("work=700us", "work=370us,uncuttable=90us,dma=64,reaction=0s")

    def release_ps(self, number: int, previous_ps: int) -> int | None:
        return None

    def _submit(self, now_ps: int, port: GuestPort, effects: list[GuestEffect]) -> None:
        while self._room() and not self._state.waiting:
            self._release(now_ps, effects)
            super()._submit(now_ps, port, effects)
        super()._submit(now_ps, port, effects)
