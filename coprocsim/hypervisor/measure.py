"""What is measured of a vcoproc, each time that it is over: added up exactly, and counted in a histogram."""

from coprocsim.hypervisor.state import Vcoproc


def latency(vcoproc: Vcoproc, time_ps: int) -> None:
    """A job has ended well so long after its release."""
    counters = vcoproc.counters
    counters.latency_ps += time_ps
    counters.latency_ps_max = max(counters.latency_ps_max, time_ps)
    vcoproc.spread.latency.record(time_ps)


def wait(vcoproc: Vcoproc, time_ps: int) -> None:
    """It has waited so long, and runs now or has no work any more."""
    counters = vcoproc.counters
    counters.wait_ps += time_ps
    counters.wait_ps_max = max(counters.wait_ps_max, time_ps)
    vcoproc.spread.wait.record(time_ps)


def entry(vcoproc: Vcoproc, time_ps: int) -> None:
    """The switch that has brought it in took so long, what the one before took to leave included."""
    vcoproc.counters.entry_ps_max = max(vcoproc.counters.entry_ps_max, time_ps)
    vcoproc.spread.entry.record(time_ps)
