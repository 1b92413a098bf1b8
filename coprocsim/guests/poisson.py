"""Jobs that come at random and independently, so many per second in the mean."""

from coprocsim.guests.jobs import JobGuest
from coprocsim.guests.options import Options


class Poisson(JobGuest):
    """The times between releases follow the exponential law."""

    kind = "poisson"
    summary = "jobs at random, `rate` per second in the mean"
    options = ("rate",)
    examples = ("rate=900,work=uniform:100us-900us", "rate=3000,work=lognormal:200us:0.5,deadline=1ms,on_miss=abandon")

    def read_options(self, options: Options) -> None:
        self._interval_ps = options.interval_ps()
        super().read_options(options)

    def release_ps(self, number: int, previous_ps: int) -> int:
        return previous_ps + round(self.stream("arrival").exponential(self._interval_ps))

    def skip_to(self, now_ps: int) -> None:
        # What comes next does not know how long nothing came.
        self._state.releases += 1
        self._state.release_ps = self.release_ps(self._state.releases, now_ps)
