"""Earliest deadline first: who has the job that is due first runs (Liu and Layland 1973).

All deadlines are met that can be met, as long as the work can be cut; of work that cannot, Jeffay's condition says
whether it fits (`coprocsim analyse` works it out).
"""

from coprocsim.model import VcoprocId
from coprocsim.schedulers.byjob import ByJob, OpenJob
from coprocsim.schedulers.urgency import Urgency


class EarliestDeadline(ByJob):
    """Equal deadlines go to the lowest vcoproc id. Work without one runs in the gaps, first come, first served."""

    name = "edf"
    summary = "the earliest deadline runs; work without one runs in the gaps"

    def urgency(self, vcoproc: VcoprocId, job: OpenJob) -> Urgency:
        if job.deadline_ps is None:
            return 1, job.release_ps
        return 0, job.deadline_ps, *vcoproc
