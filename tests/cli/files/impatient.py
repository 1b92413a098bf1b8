"""An algorithm with a mistake that is easily made: `pick` does already what only `ran` may do."""

from coprocsim.schedulers.base import Decision, Run, Turn
from coprocsim.schedulers.rrobin import RoundRobin


class Impatient(RoundRobin):
    """Round robin that moves its ring when it is asked."""

    name = "impatient"
    summary = "round robin in a hurry"

    def pick(self, now_ps: int, turn: Turn | None) -> Decision:
        """Answer, and let whoever is picked go to the tail at once."""
        answer = super().pick(now_ps, turn)
        if isinstance(answer, Run):
            self._ring.move_to_end(answer.vcoproc)
        return answer
