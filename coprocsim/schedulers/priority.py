"""Fixed priorities, preemptive: the highest that has work runs; equals are first come, first served, job by job.

A vcoproc waits for its betters only: R = C + B + the sum of ceil(R / T) C over those of higher priority, where B is
the longest uncuttable run of the others (Joseph and Pandya 1986; `coprocsim analyse` works it out).
"""

from collections.abc import Mapping

from coprocsim.model import VcoprocId
from coprocsim.parameters import Kind, Parameter, Scope, Value
from coprocsim.schedulers.byjob import ByJob, OpenJob
from coprocsim.schedulers.urgency import Urgency


class FixedPriority(ByJob):
    """Among equals the job that was released first runs."""

    name = "priority"
    summary = "the highest that has work runs; equals first come, first served"
    parameters = (
        Parameter(
            "priority",
            Kind.NUMBER,
            0,
            "whoever has more of it runs first",
            0,
            1023,
            scope=Scope.VCOPROC,
        ),
    )

    def __init__(self, settings: Mapping[str, Value]) -> None:
        super().__init__(settings)
        self._priorities: dict[VcoprocId, int] = {}

    def add(self, vcoproc: VcoprocId, settings: Mapping[str, Value], now_ps: int) -> None:
        self._priorities[vcoproc] = int(settings["priority"])
        super().add(vcoproc, settings, now_ps)

    def remove(self, vcoproc: VcoprocId, now_ps: int) -> None:
        super().remove(vcoproc, now_ps)
        del self._priorities[vcoproc]

    def urgency(self, vcoproc: VcoprocId, job: OpenJob) -> Urgency:
        return -self._priorities[vcoproc], job.release_ps
