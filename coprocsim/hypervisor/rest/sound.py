"""What rows must be to be a machine, beyond what their types and their ties to each other say.

A value that only a part of the machine understands (a state of its own, a name of an enum) is refused where it is read.
"""

from dataclasses import fields

from coprocsim.hypervisor.machine import EVENTS_OF_COPROCS, EVENTS_OF_VCOPROCS
from coprocsim.hypervisor.state import Spread
from coprocsim.snapshot import Snapshot

_SPREADS = {each.name for each in fields(Spread)}


def check(snapshot: Snapshot) -> None:
    """Raise ValueError if no machine can have been put to rest as this."""
    _check_events(snapshot)
    _check_ranges(snapshot)
    for coproc in snapshot.coprocs:
        if coproc.clock_hz <= 0:
            raise ValueError(f"`{coproc.coproc_id}` has a clock of {coproc.clock_hz} Hz")
    for histogram in snapshot.histograms:
        if histogram.kind not in _SPREADS:
            raise ValueError(f"`{histogram.kind}` is none of the times that are counted")


def _check_events(snapshot: Snapshot) -> None:
    machine = snapshot.machine
    vcoprocs = {f"d{each.domain_id}v{each.number}" for each in snapshot.vcoprocs}
    coprocs = {each.coproc_id for each in snapshot.coprocs}
    for event in snapshot.events:
        if event.kind not in EVENTS_OF_VCOPROCS | EVENTS_OF_COPROCS:
            raise ValueError(f"an event is of no kind, but `{event.kind}`")
        if event.owner not in (vcoprocs if event.kind in EVENTS_OF_VCOPROCS else coprocs):
            raise ValueError(f"an event `{event.kind}` is of `{event.owner}`, which is not there")
        if event.at_ps < machine.now_ps:
            raise ValueError(f"an event `{event.kind}` of `{event.owner}` was due in the past")
        if event.armed > machine.armed:
            raise ValueError(f"an event `{event.kind}` of `{event.owner}` is of the future")


def _check_ranges(snapshot: Snapshot) -> None:
    for region in snapshot.regions:
        if region.base < 0 or region.size_bytes <= 0:
            raise ValueError(
                f"range `{region.name}` of `{region.coproc_id}` is {region.size_bytes} bytes at {region.base}"
            )
    names = {(each.coproc_id, each.name) for each in snapshot.regions}
    coproc_of = {(each.domain_id, each.number): each.coproc_id for each in snapshot.vcoprocs}
    for window in snapshot.windows:
        coproc = coproc_of[window.domain_id, window.number]
        if (coproc, window.region) not in names:
            raise ValueError(f"`{coproc}` has no range `{window.region}`, where a domain has a window to it")
