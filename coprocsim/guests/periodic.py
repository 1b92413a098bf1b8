"""A job every period, as a display's frames or a control loop's steps come."""

from coprocsim.guests.jobs import JobGuest
from coprocsim.guests.options import Options
from coprocsim.parameters import BadSetting
from coprocsim.units import PS_PER_S, Work


class Periodic(JobGuest):
    """Release n is at offset + n periods, delayed by a uniform jitter; the deadline is the period unless given."""

    kind = "periodic"
    summary = "a job every `period`"
    options = ("period", "offset", "jitter")
    examples = (
        "period=1ms,work=300us",
        "period=1700us,jitter=300us,work=exp:400us,uncuttable=all,dma=5000",
        "period=2ms,offset=100us,work=3ms,deadline=1ms,on_miss=abandon,queue=2",
    )

    def read_options(self, options: Options) -> None:
        self._period = options.positive("period")
        self._offset_ps = options.duration("offset", Work(0)).in_ps(self.hz)
        self._jitter_ps = options.duration("jitter", Work(0)).in_ps(self.hz)
        if self._jitter_ps > self._period.in_ps(self.hz):
            jitter = options.required("jitter")
            raise BadSetting(jitter, "`jitter` is longer than `period`", "a release may not overtake the next one")
        super().read_options(options)

    def deadline_default(self) -> Work:
        return self._period

    def release_ps(self, number: int, previous_ps: int) -> int:
        # A period in cycles is computed from the number of the release: the n-th is not n times a rounded period.
        period = self._period
        elapsed = Work(number * period.time_ps, None if period.cycles is None else number * period.cycles)
        jitter_ps = self.stream("jitter").uniform(0, self._jitter_ps) if self._jitter_ps else 0
        return self.site.start_ps + self._offset_ps + elapsed.in_ps(self.hz) + jitter_ps

    def least_interval_ps(self) -> int:
        # Of a period in cycles the part below a picosecond is left out: releases are computed from their numbers.
        cycles = self._period.cycles
        return self._period.time_ps if cycles is None else cycles * PS_PER_S // self.hz

    def jitter_ps(self) -> int:
        return self._jitter_ps

    def skip_to(self, now_ps: int) -> None:
        # Straight to the period before: a pause may be longer than anybody would count.
        elapsed_ps = max(0, now_ps - self.site.start_ps - self._offset_ps)
        self._state.releases = max(self._state.releases, elapsed_ps // self._period.in_ps(self.hz) - 1)
        super().skip_to(now_ps)
