"""Jobs whose releases are given one by one."""

from dataclasses import replace
from itertools import pairwise

from coprocsim.guests.base import Demand
from coprocsim.guests.jobs import JobGuest
from coprocsim.guests.options import Options
from coprocsim.units import TIMELINE_END_PS


class Trace(JobGuest):
    """Releases and works as `at=3ms:4ms;13ms:3ms` says, from the instant at which the workload begins."""

    kind = "trace"
    summary = "jobs at given instants: `at=RELEASE:WORK;…` or `file=arrivals.csv`"
    options = ("at",)
    examples = ("at=1ms:3ms;1ms:2ms;9ms:1ms", "at=0s:9ms,uncuttable=5ms,deadline=2ms,on_miss=abandon")
    needs_work = False

    def read_options(self, options: Options) -> None:
        self._arrivals = options.arrivals()
        super().read_options(options)

    def demand(self) -> Demand:
        return replace(super().demand(), endless=False)

    def release_ps(self, number: int, previous_ps: int) -> int | None:
        return self.site.start_ps + self._arrivals[number][0] if number < len(self._arrivals) else None

    def largest_work_cycles(self) -> int:
        return max(work.in_cycles(self.hz) for _, work in self._arrivals)

    def least_work_cycles(self) -> int:
        return min(work.in_cycles(self.hz) for _, work in self._arrivals)

    def least_interval_ps(self) -> int | None:
        return (
            min((later - earlier for (earlier, _), (later, _) in pairwise(self._arrivals)), default=TIMELINE_END_PS)
            or None
        )

    def work_cycles(self, number: int) -> int:
        return max(1, self._arrivals[number][1].in_cycles(self.hz))
