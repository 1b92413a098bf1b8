"""The schedule between two instants, from the trace: who had each coproc, who denied, when it switched."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from coprocsim.model import TraceRow
    from coprocsim.store import MachineFile

UNKNOWN = "unknown"


class Stretch(NamedTuple):
    """A stretch of time in which one thing goes on.

    On a coproc: run, deny (runs, though told to leave), switch, idle, reset, failed, share (by itself). Of a vcoproc:
    run, deny, switch (it leaves or enters), wait, sleep, reset, gone. Either: unknown, where the trace was too long to
    be kept from its beginning. `vcoproc` is who runs, denies, leaves, enters or is reset.
    """

    from_ps: int
    to_ps: int
    what: str
    vcoproc: str | None


class Lane(NamedTuple):
    """What went on from one instant to the other, without gaps: on a coproc, or of a vcoproc on its coproc."""

    coproc: str
    vcoproc: str | None
    stretches: tuple[Stretch, ...]


class _Pen:
    """Draws one lane: what goes on is known, since when is noted."""

    def __init__(self, coproc: str, vcoproc: str | None, what: str, from_ps: int, to_ps: int) -> None:
        self._lane = (coproc, vcoproc)
        self._from_ps, self._to_ps = from_ps, to_ps
        self._since_ps, self._now = from_ps, (what, vcoproc)
        self._done: list[Stretch] = []

    def turn(self, at_ps: int, what: str, vcoproc: str | None) -> None:
        """From `at_ps` on, `what` goes on; what lies outside of the lane is left out."""
        if (what, vcoproc) == self._now:
            return
        at_ps = min(max(at_ps, self._from_ps), self._to_ps)
        self._finish(at_ps)
        self._now = (what, vcoproc)

    def _finish(self, at_ps: int) -> None:
        if at_ps > self._since_ps:
            # What was interrupted for no time at all goes on.
            if self._done and self._done[-1][2:] == self._now:
                self._done[-1] = self._done[-1]._replace(to_ps=at_ps)
            else:
                self._done.append(Stretch(self._since_ps, at_ps, *self._now))
            self._since_ps = at_ps

    def lane(self) -> Lane:
        """Return the lane, which ends here."""
        self._finish(self._to_ps)
        return Lane(*self._lane, tuple(self._done))


def coproc_lanes(file: "MachineFile", coprocs: Iterable[str], from_ps: int, to_ps: int) -> list[Lane]:
    """Return what went on on each coproc; as its counters have it: run + switch + idle + failed is all of the time."""
    begins = "idle" if file.trace_begins_ps == 0 else UNKNOWN
    pens = {coproc: _Pen(coproc, None, begins, from_ps, to_ps) for coproc in coprocs}
    for row in file.trace(0, to_ps):
        pen = pens.get(row[1])
        change = None if pen is None else coproc_does(row)
        if pen is not None and change is not None:
            pen.turn(row[0], *change)
    return [pen.lane() for pen in pens.values()]


def coproc_does(row: "TraceRow") -> tuple[str, str | None] | None:
    """Return what goes on on a coproc from this row on; None if it changes nothing."""
    match row[2:]:
        case ("state", str(who), "WAITING", "RUNNING") | ("resume", str(who)):
            return "run", who
        case ("switch_from", str(who), "busy", _):
            return "deny", who
        case ("switch_from", str(who), "left", _) | ("switch_to", str(who), "entered", _):
            return "switch", who
        case ("reset", str(who), _):
            return "reset", who
        case ("state", str(), "SLEEPING", "RUNNING"):
            return "share", None
        case ("idle",):
            return "idle", None
        case ("failed", _):
            return "failed", None
    return None


def vcoproc_lanes(file: "MachineFile", vcoprocs: Iterable[tuple[str, str]], from_ps: int, to_ps: int) -> list[Lane]:
    """Return what became of each vcoproc, given with its coproc; those that are gone by now are added."""
    whole = file.trace_begins_ps == 0
    pens = {who: _Pen(coproc, who, "gone" if whole else UNKNOWN, from_ps, to_ps) for who, coproc in vcoprocs}
    for row in file.trace(0, to_ps):
        for who, what in vcoproc_does(row):
            if who not in pens:
                pens[who] = _Pen(row[1], who, "gone" if whole else UNKNOWN, from_ps, to_ps)
            pens[who].turn(row[0], what, who)
    lanes = [pen.lane() for pen in pens.values()]
    return [lane for lane in lanes if any(stretch.what != "gone" for stretch in lane.stretches)]


STATES = {
    "UNKNOWN": "gone",
    "SLEEPING": "sleep",
    "WAITING": "wait",
    "RUNNING": "run",
    "ASKED_TO_SLEEP": "run",
}


def vcoproc_does(row: "TraceRow") -> Iterator[tuple[str, str]]:
    """Yield which vcoproc does what from this row on."""
    match row[2:]:
        case ("state", str(who), old, new) if {old, new} != {"RUNNING", "ASKED_TO_SLEEP"}:
            yield who, STATES[str(new)]
        case ("switch_from", str(who), "busy", _):
            yield who, "deny"
        case ("switch_from", str(who), "left", _) | ("switch_to", str(who), "entered", _):
            yield who, "switch"
        case ("reset", str(who), _):
            yield who, "reset"
        case ("resume", str(who)):
            yield who, "run"
